//! What can go wrong.

use std::fmt;

/// Says why an operation of this crate was refused.
///
/// Shape: closed, without payload; neither a name nor key material can reach a log through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenPgpError {
    /// The name is empty or longer than [`USER_ID_LEN_MAX`](thicket_types::limits::USER_ID_LEN_MAX).
    Name,
    /// The time does not fit in 32 bits, or precedes the key's creation.
    Time,
    /// The signing context holds a zero byte.
    Context,
    /// The passphrase for an export is empty.
    Passphrase,
    /// The input exceeds its size limit.
    TooLarge,
    /// The input is not a readable run of OpenPGP packets.
    Malformed,
    /// The input is not an armored block of the expected kind.
    Armor,
    /// The packets are not key, user id, certification, subkey and binding, in this order.
    Packets,
    /// There is not exactly one user id, or it is not a name.
    UserIds,
    /// There is not exactly one subkey.
    Subkeys,
    /// A revocation is present.
    Revoked,
    /// The key or one of its signatures carries an expiry.
    Expires,
    /// The primary is not a version 4 Ed25519 key of algorithm 22.
    PrimaryKey,
    /// The subkey is not a version 4 Curve25519 key of algorithm 18 with the usual parameters.
    EncryptionKey,
    /// The self-certification of the user id does not hold.
    Certification,
    /// The binding of the subkey does not hold.
    Binding,
    /// The bytes are valid, but not the one encoding this crate writes.
    NotCanonical,
    /// The secret key is locked where it must be open, open where it must be locked, or locked in
    /// another way than by iterated and salted S2K with AES.
    Protection,
    /// The passphrase does not unlock the secret key.
    WrongPassphrase,
    /// The secret halves do not belong to the public halves.
    SecretMismatch,
    /// The signature is not exactly one valid signature by the primary over this message.
    Signature,
    /// The OpenPGP library refused to make or write what it was asked for.
    Engine,
}

impl fmt::Display for OpenPgpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OpenPgpError::Name => "name is empty or too long",
            OpenPgpError::Time => "time is out of range for the key",
            OpenPgpError::Context => "signing context holds a zero byte",
            OpenPgpError::Passphrase => "passphrase is empty",
            OpenPgpError::TooLarge => "input is too large",
            OpenPgpError::Malformed => "input is not OpenPGP packets",
            OpenPgpError::Armor => "input is not the expected armored block",
            OpenPgpError::Packets => "packets are not those of an identity",
            OpenPgpError::UserIds => "not exactly one user id that is a name",
            OpenPgpError::Subkeys => "not exactly one subkey",
            OpenPgpError::Revoked => "a revocation is present",
            OpenPgpError::Expires => "an expiry is present",
            OpenPgpError::PrimaryKey => "primary key is of another kind",
            OpenPgpError::EncryptionKey => "encryption subkey is of another kind",
            OpenPgpError::Certification => "self-certification does not hold",
            OpenPgpError::Binding => "subkey binding does not hold",
            OpenPgpError::NotCanonical => "encoding is not canonical",
            OpenPgpError::Protection => "secret key is not protected as required",
            OpenPgpError::WrongPassphrase => "passphrase does not unlock the key",
            OpenPgpError::SecretMismatch => "secret and public keys do not match",
            OpenPgpError::Signature => "signature does not hold",
            OpenPgpError::Engine => "OpenPGP library refused the operation",
        })
    }
}

impl std::error::Error for OpenPgpError {}

/// Folds the library's error into ours; its text is dropped, for it may quote input.
pub(crate) fn engine(_: pgp::errors::Error) -> OpenPgpError {
    OpenPgpError::Engine
}
