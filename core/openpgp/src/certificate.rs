//! The public half: parse, check, verify.

use std::fmt;
use std::io::{self, Read};

use pgp::armor::{self, BlockType};
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::crypto::sym::SymmetricKeyAlgorithm;
use pgp::packet::{
    Packet, PacketParser, PacketTrait, PubKeyInner, PublicKey, PublicSubkey, Signature, SignatureConfig, SignatureType, SignatureVersion,
    Subpacket, SubpacketData, UserId,
};
use pgp::types::{
    EcdhPublicParams, EddsaLegacyPublicParams, Fingerprint as PgpFingerprint, KeyDetails, KeyVersion, PacketHeaderVersion, PublicParams,
    Tag,
};
use thicket_types::ids::Fingerprint;

use crate::error::{OpenPgpError, engine};
use thicket_types::limits::{CERTIFICATE_LEN_MAX, SIGNATURE_LEN_MAX, USER_ID_LEN_MAX};

/// What stands between context and message in signed data.
const SEPARATOR: &[u8] = &[0];

/// The signature types with which a key may certify its own user id.
const CERTIFICATIONS: &[SignatureType] =
    &[SignatureType::CertGeneric, SignatureType::CertPersona, SignatureType::CertCasual, SignatureType::CertPositive];

/// Holds a certificate that has passed every check.
///
/// Shape: Ed25519 primary, user id, self-certification, Curve25519 subkey, binding; nothing else.
/// It never expires and is not revoked. `Debug` shows only the fingerprint.
///
/// Limits: [`CERTIFICATE_LEN_MAX`] bytes, of which the name takes 1 to [`USER_ID_LEN_MAX`].
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    pub(crate) primary: PublicKey,
    pub(crate) user: UserId,
    pub(crate) certification: Signature,
    pub(crate) subkey: PublicSubkey,
    pub(crate) binding: Signature,
    name: String,
    fingerprint: [u8; 20],
    bytes: Vec<u8>,
}

impl Certificate {
    /// Reads a binary certificate and checks it whole.
    ///
    /// Shape: the encoding must be the one this crate writes (new packet headers, shortest
    /// lengths, nothing loose in the unhashed areas), so that no second encoding of a certificate
    /// is accepted.
    ///
    /// Limits: [`CERTIFICATE_LEN_MAX`], checked before anything is parsed.
    ///
    /// Errors: `TooLarge`, `Malformed`, `Packets`, `UserIds`, `Subkeys`, `Revoked`, `PrimaryKey`,
    /// `EncryptionKey`, `Certification`, `Binding`, `Expires`, `NotCanonical`.
    pub fn parse(bytes: &[u8]) -> Result<Certificate, OpenPgpError> {
        if bytes.len() > CERTIFICATE_LEN_MAX {
            return Err(OpenPgpError::TooLarge);
        }
        let list = packets(bytes)?;
        check_outline(&list)?;
        let Ok(
            [
                Packet::PublicKey(primary),
                Packet::UserId(user),
                Packet::Signature(certification),
                Packet::PublicSubkey(subkey),
                Packet::Signature(binding),
            ],
        ) = <[Packet; 5]>::try_from(list)
        else {
            return Err(OpenPgpError::Packets);
        };
        let certificate = Certificate::assemble(&primary, &user, &certification, &subkey, &binding)?;
        if certificate.bytes != bytes {
            return Err(OpenPgpError::NotCanonical);
        }
        Ok(certificate)
    }

    /// Returns the binary certificate.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    /// Returns the certificate as an armored public key block.
    ///
    /// Errors: `Engine`, which does not happen for memory.
    pub fn armored(&self) -> Result<String, OpenPgpError> {
        armor_block(&self.bytes, BlockType::PublicKey)
    }

    /// Returns the user id, which is the name and nothing more.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the fingerprint of the primary key.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(self.fingerprint)
    }

    /// Checks a detached signature by the primary over context, zero byte and message.
    ///
    /// Shape: exactly one version 4 signature packet of binary type, with SHA-256 or SHA-512, made
    /// no earlier than the key and without expiry. The present time plays no part.
    ///
    /// Errors: `Context` for a context with a zero byte, otherwise `Signature`.
    pub fn verify(&self, context: &str, message: &[u8], signature: &[u8]) -> Result<(), OpenPgpError> {
        let payload = payload(context, message)?;
        if signature.len() > SIGNATURE_LEN_MAX {
            return Err(OpenPgpError::Signature);
        }
        let list = packets(signature).map_err(|_| OpenPgpError::Signature)?;
        let Ok([Packet::Signature(packet)]) = <[Packet; 1]>::try_from(list) else {
            return Err(OpenPgpError::Signature);
        };
        let config = check_signature(&packet, &self.primary, &[SignatureType::Binary]).ok_or(OpenPgpError::Signature)?;
        let again = reframe_signature(&packet).ok_or(OpenPgpError::Signature)?;
        let mut bytes = Vec::with_capacity(signature.len());
        write_packet(&again, &mut bytes).map_err(|_| OpenPgpError::Signature)?;
        if expires(config) || bytes != signature {
            return Err(OpenPgpError::Signature);
        }
        again.verify(&self.primary, payload).map_err(|_| OpenPgpError::Signature)
    }

    /// Checks the parts of a certificate and joins them, under fresh packet headers.
    pub(crate) fn assemble(
        primary: &PublicKey,
        user: &UserId,
        certification: &Signature,
        subkey: &PublicSubkey,
        binding: &Signature,
    ) -> Result<Certificate, OpenPgpError> {
        // The kinds come first: the library panics when asked the fingerprint of some others.
        check_primary(primary)?;
        check_subkey(subkey)?;
        let name = user.as_str().ok_or(OpenPgpError::UserIds)?.to_owned();
        check_name(&name).map_err(|_| OpenPgpError::UserIds)?;

        let primary = PublicKey::from_inner(inner(primary)?).map_err(engine)?;
        let subkey = PublicSubkey::from_inner(inner(subkey)?).map_err(engine)?;
        let user = UserId::from_str(PacketHeaderVersion::New, &name).map_err(engine)?;

        let config = check_signature(certification, &primary, CERTIFICATIONS).ok_or(OpenPgpError::Certification)?;
        let flags = certification.key_flags();
        let encrypts = flags.encrypt_comms() || flags.encrypt_storage();
        if !flags.certify() || !flags.sign() || encrypts {
            return Err(OpenPgpError::Certification);
        }
        if expires(config) {
            return Err(OpenPgpError::Expires);
        }
        let certification = reframe_signature(certification).ok_or(OpenPgpError::Certification)?;
        certification.verify_certification(&primary, Tag::UserId, &user).map_err(|_| OpenPgpError::Certification)?;

        let config = check_signature(binding, &primary, &[SignatureType::SubkeyBinding]).ok_or(OpenPgpError::Binding)?;
        let flags = binding.key_flags();
        let encrypts = flags.encrypt_comms() || flags.encrypt_storage();
        let signs = flags.certify() || flags.sign() || flags.authentication();
        let follows = config.created().is_some_and(|at| at >= subkey.created_at());
        if !encrypts || signs || !follows {
            return Err(OpenPgpError::Binding);
        }
        if expires(config) {
            return Err(OpenPgpError::Expires);
        }
        let binding = reframe_signature(binding).ok_or(OpenPgpError::Binding)?;
        binding.verify_subkey_binding(&primary, &subkey).map_err(|_| OpenPgpError::Binding)?;

        let PgpFingerprint::V4(fingerprint) = primary.fingerprint() else {
            return Err(OpenPgpError::PrimaryKey);
        };
        let mut bytes = Vec::with_capacity(CERTIFICATE_LEN_MAX);
        write_packet(&primary, &mut bytes)?;
        write_packet(&user, &mut bytes)?;
        write_packet(&certification, &mut bytes)?;
        write_packet(&subkey, &mut bytes)?;
        write_packet(&binding, &mut bytes)?;
        if bytes.len() > CERTIFICATE_LEN_MAX {
            return Err(OpenPgpError::TooLarge);
        }
        bytes.shrink_to_fit();
        Ok(Certificate { primary, user, certification, subkey, binding, name, fingerprint, bytes })
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate(")?;
        for byte in self.fingerprint {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}

/// Checks that a name can stand as a user id.
pub(crate) fn check_name(name: &str) -> Result<(), OpenPgpError> {
    if name.is_empty() || name.len() > USER_ID_LEN_MAX {
        return Err(OpenPgpError::Name);
    }
    Ok(())
}

/// Reads all packets, giving up at the first that cannot be read.
pub(crate) fn packets(bytes: &[u8]) -> Result<Vec<Packet>, OpenPgpError> {
    let mut list = Vec::new();
    for packet in PacketParser::new(bytes) {
        list.push(packet.map_err(|_| OpenPgpError::Malformed)?);
    }
    Ok(list)
}

/// Checks what can be told from the kinds of packets alone.
pub(crate) fn check_outline(list: &[Packet]) -> Result<(), OpenPgpError> {
    if !matches!(list.first(), Some(Packet::PublicKey(_) | Packet::SecretKey(_))) {
        return Err(OpenPgpError::Packets);
    }
    let (mut users, mut subkeys) = (0usize, 0usize);
    for packet in list {
        match packet {
            Packet::Signature(signature) => {
                if matches!(
                    signature.typ(),
                    Some(SignatureType::KeyRevocation | SignatureType::SubkeyRevocation | SignatureType::CertRevocation)
                ) {
                    return Err(OpenPgpError::Revoked);
                }
            }
            Packet::UserId(_) => users += 1,
            Packet::PublicSubkey(_) | Packet::SecretSubkey(_) => subkeys += 1,
            _ => {}
        }
    }
    if users != 1 {
        return Err(OpenPgpError::UserIds);
    }
    if subkeys != 1 {
        return Err(OpenPgpError::Subkeys);
    }
    Ok(())
}

/// Checks the kind of the primary. A weak key verifies nearly anything, so it is refused too.
fn check_primary(key: &PublicKey) -> Result<(), OpenPgpError> {
    match (key.version(), key.algorithm(), key.public_params()) {
        (KeyVersion::V4, PublicKeyAlgorithm::EdDSALegacy, PublicParams::EdDSALegacy(EddsaLegacyPublicParams::Ed25519 { key }))
            if !key.is_weak() =>
        {
            Ok(())
        }
        _ => Err(OpenPgpError::PrimaryKey),
    }
}

/// Checks the kind of the subkey, and that its key derivation is the one GnuPG writes as well.
fn check_subkey(key: &PublicSubkey) -> Result<(), OpenPgpError> {
    match (key.version(), key.algorithm(), key.public_params()) {
        (
            KeyVersion::V4,
            PublicKeyAlgorithm::ECDH,
            PublicParams::ECDH(EcdhPublicParams::Curve25519Legacy {
                hash: HashAlgorithm::Sha256,
                alg_sym: SymmetricKeyAlgorithm::AES128,
                ..
            }),
        ) => Ok(()),
        _ => Err(OpenPgpError::EncryptionKey),
    }
}

/// Copies the contents of a version 4 key packet.
fn inner(key: &impl KeyDetails) -> Result<PubKeyInner, OpenPgpError> {
    PubKeyInner::new(key.version(), key.algorithm(), key.created_at(), None, key.public_params().clone()).map_err(engine)
}

/// Checks everything about a signature packet short of the signature itself.
fn check_signature<'a>(signature: &'a Signature, primary: &PublicKey, kinds: &[SignatureType]) -> Option<&'a SignatureConfig> {
    let config = signature.config()?;
    let fits = config.version() == SignatureVersion::V4
        && kinds.contains(&config.typ)
        && config.pub_alg == PublicKeyAlgorithm::EdDSALegacy
        && matches!(config.hash_alg, HashAlgorithm::Sha256 | HashAlgorithm::Sha512)
        && config.created().is_some_and(|at| at >= primary.created_at());
    (fits && names_issuer(config, primary)).then_some(config)
}

/// Tells whether the issuer is named once, correctly, and stands alone if in the unhashed area.
///
/// GnuPG names the issuer in the unhashed area, this crate in the hashed one. Either way nobody
/// can add to, or take from, a signature and have it accepted still.
fn names_issuer(config: &SignatureConfig, primary: &PublicKey) -> bool {
    let id = primary.legacy_key_id();
    let fingerprint = primary.fingerprint();
    let Ok(issuer) = Subpacket::regular(SubpacketData::IssuerKeyId(id)) else {
        return false;
    };
    let named = config.issuer_key_id();
    named.len() == 1
        && named.iter().all(|named| **named == id)
        && config.issuer_fingerprint().iter().all(|named| **named == fingerprint)
        && config.unhashed_subpackets.iter().all(|subpacket| *subpacket == issuer)
}

/// Tells whether a signature bounds its own life or that of the key.
fn expires(config: &SignatureConfig) -> bool {
    config.hashed_subpackets.iter().any(|subpacket| match &subpacket.data {
        SubpacketData::KeyExpirationTime(span) | SubpacketData::SignatureExpirationTime(span) => span.as_secs() != 0,
        _ => false,
    })
}

/// Copies a signature under a fresh packet header; only for version 4.
fn reframe_signature(signature: &Signature) -> Option<Signature> {
    Signature::from_config(signature.config()?.clone(), signature.signed_hash_value()?, signature.signature()?.clone()).ok()
}

/// Returns what is signed: context, zero byte, message.
pub(crate) fn payload<'a>(context: &'a str, message: &'a [u8]) -> Result<impl Read + 'a, OpenPgpError> {
    if context.contains('\0') {
        return Err(OpenPgpError::Context);
    }
    Ok(Read::chain(Read::chain(context.as_bytes(), SEPARATOR), message))
}

/// Appends a packet with its header.
pub(crate) fn write_packet(packet: &impl PacketTrait, out: &mut Vec<u8>) -> Result<(), OpenPgpError> {
    packet.to_writer_with_header(out).map_err(engine)
}

/// Armors bytes that are packets already.
pub(crate) fn armor_block(bytes: &[u8], kind: BlockType) -> Result<String, OpenPgpError> {
    let mut out = Vec::with_capacity(bytes.len() * 2 + 256);
    armor::write(&Raw(bytes), kind, &mut out, None, true).map_err(engine)?;
    String::from_utf8(out).map_err(|_| OpenPgpError::Engine)
}

/// Bytes that serialize as themselves.
struct Raw<'a>(&'a [u8]);

impl pgp::ser::Serialize for Raw<'_> {
    fn to_writer<W: io::Write>(&self, writer: &mut W) -> pgp::errors::Result<()> {
        writer.write_all(self.0)?;
        Ok(())
    }

    fn write_len(&self) -> usize {
        self.0.len()
    }
}
