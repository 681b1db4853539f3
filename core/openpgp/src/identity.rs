//! The secret half: make, keep, lock, sign.

use std::fmt;
use std::io::Read;

use pgp::armor::{BlockType, Dearmor, DearmorOptions};
use pgp::composed::KeyType;
use pgp::crypto::ecc_curve::ECCCurve;
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::crypto::sym::SymmetricKeyAlgorithm;
use pgp::packet::{
    Features, KeyFlags, Packet, PubKeyInner, PublicKey, PublicSubkey, SecretKey, SecretSubkey, Signature, SignatureConfig, SignatureType,
    Subpacket, SubpacketData, UserId,
};
use pgp::types::{
    CompressionAlgorithm, KeyDetails, KeyVersion, PacketHeaderVersion, Password, PublicParams, S2kParams, SecretParams, StringToKey, Tag,
    Timestamp,
};
use thicket_types::ports::Entropy;
use thicket_types::secret::Secret;

use crate::certificate::{Certificate, armor_block, check_name, check_outline, packets, payload, write_packet};
use crate::entropy::EntropyRng;
use crate::error::{OpenPgpError, engine};
use thicket_types::limits::{SECRET_KEY_ARMORED_LEN_MAX, SECRET_KEY_LEN_MAX};

/// The coded S2K count of exports: 16 MiB are hashed for each of the two keys.
const S2K_COUNT: u8 = 0xe0;

/// Holds the secret keys of one person, together with the certificate that others see.
///
/// Shape: `Debug` shows only the fingerprint; the secrets are wiped when it is dropped.
pub struct Identity {
    primary: SecretKey,
    subkey: SecretSubkey,
    certificate: Certificate,
    /// The open secret key as bytes, written once so that reading it cannot fail.
    bytes: Secret<Vec<u8>>,
}

impl Identity {
    /// Makes an identity that bears `name` as its user id.
    ///
    /// Shape: `created_s`, in seconds since 1970, is the time of both keys and both signatures.
    /// Equal name, time and entropy give equal bytes.
    ///
    /// Limits: the name takes 1 to [`USER_ID_LEN_MAX`](thicket_types::limits::USER_ID_LEN_MAX) bytes; the time fits in 32 bits.
    ///
    /// Errors: `Name`, `Time`, `Engine`.
    pub fn generate(name: &str, created_s: u64, entropy: &mut dyn Entropy) -> Result<Identity, OpenPgpError> {
        check_name(name)?;
        let created = timestamp(created_s)?;
        let made = make(name, created, EntropyRng::new(entropy)).map_err(engine)?;
        Identity::assemble(&made)
    }

    /// Returns the binary secret key, open: it belongs into an encrypted database.
    pub fn to_bytes(&self) -> Secret<Vec<u8>> {
        Secret::new(self.bytes.expose().clone())
    }

    /// Reads what [`Identity::to_bytes`] returned.
    ///
    /// Limits: the size of a certificate and 1 KiB.
    ///
    /// Errors: those of [`Certificate::parse`], `Protection` if it is locked, `SecretMismatch`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Identity, OpenPgpError> {
        let parts = read(bytes)?;
        let locked = parts.primary.secret_params().is_encrypted() || parts.subkey.secret_params().is_encrypted();
        if locked {
            return Err(OpenPgpError::Protection);
        }
        Identity::assemble(&parts)
    }

    /// Returns the secret key as an armored block, locked by a passphrase.
    ///
    /// Shape: AES-256 in CFB mode under iterated and salted S2K with SHA-256, which GnuPG 2.2
    /// reads.
    ///
    /// Errors: `Passphrase` if it is empty, `Engine`.
    pub fn export_armored(&self, passphrase: &[u8], entropy: &mut dyn Entropy) -> Result<String, OpenPgpError> {
        if passphrase.is_empty() {
            return Err(OpenPgpError::Passphrase);
        }
        let password = Password::from(passphrase);
        let mut primary = self.primary.clone();
        primary.set_password_with_s2k(&password, lock(entropy)).map_err(engine)?;
        let mut subkey = self.subkey.clone();
        subkey.set_password_with_s2k(&password, lock(entropy)).map_err(engine)?;
        // The headers still tell the open keys' lengths.
        let primary = SecretKey::new(primary.public_key().clone(), primary.secret_params().clone()).map_err(engine)?;
        let subkey = SecretSubkey::new(subkey.public_key().clone(), subkey.secret_params().clone()).map_err(engine)?;
        let out = write(&primary, &subkey, &self.certificate)?;
        armor_block(&out, BlockType::PrivateKey)
    }

    /// Reads an armored secret key and unlocks it.
    ///
    /// Shape: as [`Identity::export_armored`] writes it, or as GnuPG exports a key of the same
    /// shape; both keys are locked by the same passphrase. Packet headers are made anew, so the
    /// result's certificate is canonical.
    ///
    /// Limits: 36 KiB of text.
    ///
    /// Errors: `TooLarge`, `Armor`, those of [`Certificate::parse`] except `NotCanonical`,
    /// `Protection`, `WrongPassphrase`, `SecretMismatch`.
    pub fn import_armored(text: &str, passphrase: &[u8]) -> Result<Identity, OpenPgpError> {
        if text.len() > SECRET_KEY_ARMORED_LEN_MAX {
            return Err(OpenPgpError::TooLarge);
        }
        let options = DearmorOptions::new().set_limit(SECRET_KEY_ARMORED_LEN_MAX);
        let mut dearmor = Dearmor::with_options(text.as_bytes(), options);
        dearmor.read_header().map_err(|_| OpenPgpError::Armor)?;
        if dearmor.typ != Some(BlockType::PrivateKey) {
            return Err(OpenPgpError::Armor);
        }
        let mut bytes = Vec::with_capacity(SECRET_KEY_LEN_MAX);
        dearmor.read_to_end(&mut bytes).map_err(|_| OpenPgpError::Armor)?;

        let mut parts = read(&bytes)?;
        // The public half is judged before the passphrase is put to any use.
        parts.certificate()?;
        if !lock_is_usual(parts.primary.secret_params()) || !lock_is_usual(parts.subkey.secret_params()) {
            return Err(OpenPgpError::Protection);
        }
        let password = Password::from(passphrase);
        parts.primary.remove_password(&password).map_err(|_| OpenPgpError::WrongPassphrase)?;
        parts.subkey.remove_password(&password).map_err(|_| OpenPgpError::WrongPassphrase)?;
        Identity::assemble(&parts)
    }

    /// Returns the public half.
    pub fn certificate(&self) -> Certificate {
        self.certificate.clone()
    }

    /// Signs context, zero byte and message, and returns the detached signature.
    ///
    /// Shape: one binary signature packet with SHA-512, dated `at_s` in seconds since 1970. Equal
    /// arguments give equal bytes.
    ///
    /// Errors: `Time` if `at_s` does not fit in 32 bits or precedes the key, `Context` if the
    /// context holds a zero byte, `Engine`.
    pub fn sign(&self, context: &str, message: &[u8], at_s: u64) -> Result<Vec<u8>, OpenPgpError> {
        let at = timestamp(at_s)?;
        let key = &self.certificate.primary;
        if at < key.created_at() {
            return Err(OpenPgpError::Time);
        }
        let payload = payload(context, message)?;
        let signature = signing(SignatureType::Binary, at, key)
            .and_then(|config| config.sign(&self.primary, &Password::empty(), payload))
            .map_err(engine)?;
        let mut out = Vec::new();
        write_packet(&signature, &mut out)?;
        Ok(out)
    }

    /// Checks open parts and joins them, under fresh packet headers.
    fn assemble(parts: &Parts) -> Result<Identity, OpenPgpError> {
        let certificate = parts.certificate()?;
        let (primary, subkey) = (parts.primary.secret_params(), parts.subkey.secret_params());
        if !owns(primary, certificate.primary.public_params()) || !owns(subkey, certificate.subkey.public_params()) {
            return Err(OpenPgpError::SecretMismatch);
        }
        let primary = SecretKey::new(certificate.primary.clone(), primary.clone()).map_err(engine)?;
        let subkey = SecretSubkey::new(certificate.subkey.clone(), subkey.clone()).map_err(engine)?;
        let bytes = Secret::new(write(&primary, &subkey, &certificate)?);
        Ok(Identity { primary, subkey, certificate, bytes })
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.certificate).finish()
    }
}

/// The five packets of a secret key, as made or as read, unchecked.
struct Parts {
    primary: SecretKey,
    user: UserId,
    certification: Signature,
    subkey: SecretSubkey,
    binding: Signature,
}

impl Parts {
    /// Checks the public half.
    fn certificate(&self) -> Result<Certificate, OpenPgpError> {
        Certificate::assemble(self.primary.public_key(), &self.user, &self.certification, self.subkey.public_key(), &self.binding)
    }
}

/// Makes keys and self-signatures. The library's own key builder would read the clock.
fn make(name: &str, created: Timestamp, mut rng: EntropyRng<'_>) -> pgp::errors::Result<Parts> {
    let (params, secret) = KeyType::Ed25519Legacy.generate(&mut rng)?;
    let algorithm = PublicKeyAlgorithm::EdDSALegacy;
    let inner = PubKeyInner::new(KeyVersion::V4, algorithm, created, None, params)?;
    let primary = SecretKey::new(PublicKey::from_inner(inner)?, secret)?;

    let (params, secret) = KeyType::ECDH(ECCCurve::Curve25519Legacy).generate(&mut rng)?;
    let algorithm = PublicKeyAlgorithm::ECDH;
    let inner = PubKeyInner::new(KeyVersion::V4, algorithm, created, None, params)?;
    let subkey = SecretSubkey::new(PublicSubkey::from_inner(inner)?, secret)?;

    let user = UserId::from_str(PacketHeaderVersion::New, name)?;

    let mut flags = KeyFlags::default();
    flags.set_certify(true);
    flags.set_sign(true);
    let mut features = Features::new();
    features.set_seipd_v1(true);
    let mut config = signing(SignatureType::CertPositive, created, primary.public_key())?;
    for data in [
        SubpacketData::KeyFlags(flags),
        SubpacketData::IsPrimary(true),
        SubpacketData::PreferredSymmetricAlgorithms(
            [SymmetricKeyAlgorithm::AES256, SymmetricKeyAlgorithm::AES192, SymmetricKeyAlgorithm::AES128].into_iter().collect(),
        ),
        SubpacketData::PreferredHashAlgorithms([HashAlgorithm::Sha512, HashAlgorithm::Sha256].into_iter().collect()),
        SubpacketData::PreferredCompressionAlgorithms(
            [CompressionAlgorithm::ZLIB, CompressionAlgorithm::ZIP, CompressionAlgorithm::Uncompressed].into_iter().collect(),
        ),
        SubpacketData::Features(features),
    ] {
        config.hashed_subpackets.push(Subpacket::regular(data)?);
    }
    let certification = config.sign_certification(&primary, primary.public_key(), &Password::empty(), Tag::UserId, &user)?;

    let mut flags = KeyFlags::default();
    flags.set_encrypt_comms(true);
    flags.set_encrypt_storage(true);
    let mut config = signing(SignatureType::SubkeyBinding, created, primary.public_key())?;
    config.hashed_subpackets.push(Subpacket::regular(SubpacketData::KeyFlags(flags))?);
    let binding = config.sign_subkey_binding(&primary, primary.public_key(), &Password::empty(), subkey.public_key())?;

    Ok(Parts { primary, user, certification, subkey, binding })
}

/// Starts a signature by the primary: its time and issuer, all in the hashed area.
fn signing(kind: SignatureType, at: Timestamp, issuer: &PublicKey) -> pgp::errors::Result<SignatureConfig> {
    let mut config = SignatureConfig::v4(kind, PublicKeyAlgorithm::EdDSALegacy, HashAlgorithm::Sha512);
    config.hashed_subpackets = vec![
        Subpacket::regular(SubpacketData::SignatureCreationTime(at))?,
        Subpacket::regular(SubpacketData::IssuerFingerprint(issuer.fingerprint()))?,
        Subpacket::regular(SubpacketData::IssuerKeyId(issuer.legacy_key_id()))?,
    ];
    Ok(config)
}

/// Writes a secret key made of the given key packets and the certificate's others.
fn write(primary: &SecretKey, subkey: &SecretSubkey, certificate: &Certificate) -> Result<Vec<u8>, OpenPgpError> {
    // Room for all from the start, lest growth leave copies behind.
    let mut out = Vec::with_capacity(SECRET_KEY_LEN_MAX);
    write_packet(primary, &mut out)?;
    write_packet(&certificate.user, &mut out)?;
    write_packet(&certificate.certification, &mut out)?;
    write_packet(subkey, &mut out)?;
    write_packet(&certificate.binding, &mut out)?;
    Ok(out)
}

/// Splits a binary secret key into its packets.
fn read(bytes: &[u8]) -> Result<Parts, OpenPgpError> {
    if bytes.len() > SECRET_KEY_LEN_MAX {
        return Err(OpenPgpError::TooLarge);
    }
    let list = packets(bytes)?;
    check_outline(&list)?;
    let Ok(
        [
            Packet::SecretKey(primary),
            Packet::UserId(user),
            Packet::Signature(certification),
            Packet::SecretSubkey(subkey),
            Packet::Signature(binding),
        ],
    ) = <[Packet; 5]>::try_from(list)
    else {
        return Err(OpenPgpError::Packets);
    };
    Ok(Parts { primary, user, certification, subkey, binding })
}

/// Tells whether open secrets belong to a public key.
fn owns(secret: &SecretParams, public: &PublicParams) -> bool {
    match secret {
        SecretParams::Plain(plain) => PublicParams::try_from(plain).is_ok_and(|derived| derived == *public),
        SecretParams::Encrypted(_) => false,
    }
}

/// Tells whether secrets are locked in the one way we unlock.
fn lock_is_usual(secret: &SecretParams) -> bool {
    match secret {
        SecretParams::Plain(_) => false,
        SecretParams::Encrypted(locked) => matches!(
            locked.string_to_key_params(),
            S2kParams::Cfb {
                sym_alg: SymmetricKeyAlgorithm::AES128 | SymmetricKeyAlgorithm::AES192 | SymmetricKeyAlgorithm::AES256,
                s2k: StringToKey::IteratedAndSalted { .. },
                ..
            }
        ),
    }
}

/// Draws the parameters of a lock.
fn lock(entropy: &mut dyn Entropy) -> S2kParams {
    let mut salt = [0u8; 8];
    entropy.fill(&mut salt);
    let mut iv = [0u8; 16];
    entropy.fill(&mut iv);
    S2kParams::Cfb {
        sym_alg: SymmetricKeyAlgorithm::AES256,
        s2k: StringToKey::IteratedAndSalted { hash_alg: HashAlgorithm::Sha256, salt, count: S2K_COUNT },
        iv: iv.to_vec().into(),
    }
}

/// Narrows a time to what version 4 packets can hold.
fn timestamp(seconds: u64) -> Result<Timestamp, OpenPgpError> {
    u32::try_from(seconds).map(Timestamp::from_secs).map_err(|_| OpenPgpError::Time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgp::packet::Notation;
    use thicket_types::limits::SIGNATURE_LEN_MAX;

    struct Counting(u8);

    impl Entropy for Counting {
        fn fill(&mut self, out: &mut [u8]) {
            for byte in out {
                self.0 = self.0.wrapping_mul(37).wrapping_add(11);
                *byte = self.0;
            }
        }
    }

    fn alice() -> Identity {
        Identity::generate("alice", 1_700_000_000, &mut Counting(1)).expect("makes")
    }

    /// A signature that is good, and as long as its signer wants: it holds a notation of so many bytes.
    fn signature(alice: &Identity, notation_len: usize) -> Vec<u8> {
        let key = &alice.certificate.primary;
        let mut config = signing(SignatureType::Binary, key.created_at(), key).expect("a config");
        let notation = Notation { readable: false, name: "note@example.org".into(), value: vec![7; notation_len].into() };
        config.hashed_subpackets.push(Subpacket::regular(SubpacketData::Notation(notation)).expect("a subpacket"));
        let signed = config.sign(&alice.primary, &Password::empty(), payload("context", b"message").expect("a context"));
        let mut out = Vec::new();
        write_packet(&signed.expect("signs"), &mut out).expect("room");
        out
    }

    #[test]
    fn a_signature_is_read_to_its_bound_and_no_further() {
        let (alice, mut lens) = (alice(), Vec::new());
        for notation_len in SIGNATURE_LEN_MAX - 300..SIGNATURE_LEN_MAX {
            let signature = signature(&alice, notation_len);
            let verified = alice.certificate().verify("context", b"message", &signature);
            assert_eq!(verified.is_ok(), signature.len() <= SIGNATURE_LEN_MAX, "{} bytes", signature.len());
            lens.push(signature.len());
        }
        assert!(lens.contains(&SIGNATURE_LEN_MAX) && lens.contains(&(SIGNATURE_LEN_MAX + 1)));
    }

    #[test]
    fn a_secret_key_is_read_to_its_bound_and_no_further() {
        let binary = |len: usize| Identity::from_bytes(&vec![0; len]).err();
        assert_ne!(binary(SECRET_KEY_LEN_MAX), Some(OpenPgpError::TooLarge));
        assert_eq!(binary(SECRET_KEY_LEN_MAX + 1), Some(OpenPgpError::TooLarge));
        let text = alice().export_armored(b"correct horse", &mut Counting(2)).expect("exports");
        let armored = |len: usize| Identity::import_armored(&format!("{text}{}", "\n".repeat(len - text.len())), b"correct horse").err();
        assert_ne!(armored(SECRET_KEY_ARMORED_LEN_MAX), Some(OpenPgpError::TooLarge));
        assert_eq!(armored(SECRET_KEY_ARMORED_LEN_MAX + 1), Some(OpenPgpError::TooLarge));
    }
}
