//! How Thicket's MLS groups are set up, and what openmls' errors mean to a person.

use super::credential::CREDENTIAL_TYPE;
use super::provider::{Provider, SUITE};
use openmls::framing::errors::{MessageDecryptionError, SecretTreeError};
use openmls::group::{
    MlsGroupCreateConfig, MlsGroupJoinConfig, PURE_CIPHERTEXT_WIRE_FORMAT_POLICY, PURE_PLAINTEXT_WIRE_FORMAT_POLICY, ProcessMessageError,
    ValidationError,
};
use openmls::prelude::{
    Capabilities, CredentialWithKey, Extension, ExtensionType, Extensions, GroupContext, KeyPackage, KeyPackageBundle, KeyPackageIn,
    Lifetime, ProtocolVersion, RequiredCapabilitiesExtension, SenderRatchetConfiguration,
};
use openmls_traits::OpenMlsProvider as _;
use openmls_traits::signatures::Signer;
use thicket_types::error::Code;
use thicket_types::limits::{FORWARD_DISTANCE_MAX, KEY_PACKAGE_LEN_MAX, OUT_OF_ORDER_MAX};
use thicket_types::wire::CHARTER_EXTENSION;

/// What every leaf of ours can do.
pub(crate) fn capabilities() -> Capabilities {
    Capabilities::new(
        Some(&[ProtocolVersion::Mls10]),
        Some(&[SUITE]),
        Some(&[ExtensionType::LastResort, CHARTER]),
        None,
        Some(&[CREDENTIAL_TYPE]),
    )
}

/// The type of a group's charter (`group::charter`).
const CHARTER: ExtensionType = ExtensionType::Unknown(CHARTER_EXTENSION);

/// A lifetime that can't lapse: openmls judges a received Add by the receiver's own clock, and a member who was away
/// would fork. Freshness is the relay's to judge, by when a package came to it (ADR 0021); who adds can't see it.
fn lifetime() -> Lifetime {
    Lifetime::init(0, u64::MAX)
}

fn ratchets() -> SenderRatchetConfiguration {
    SenderRatchetConfiguration::new(OUT_OF_ORDER_MAX, FORWARD_DISTANCE_MAX)
}

/// Settings of a group that we begin.
pub(crate) fn create_config() -> Result<MlsGroupCreateConfig, Code> {
    let required = RequiredCapabilitiesExtension::new(&[], &[], &[CREDENTIAL_TYPE]);
    let extensions = Extensions::<GroupContext>::single(Extension::RequiredCapabilities(required)).map_err(|_| Code::Inconsistent)?;
    Ok(MlsGroupCreateConfig::builder()
        .max_past_epochs(0)
        .sender_ratchet_configuration(ratchets())
        .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
        .use_ratchet_tree_extension(true)
        .ciphersuite(SUITE)
        .capabilities(capabilities())
        .lifetime(lifetime())
        .with_group_context_extensions(extensions)
        .build())
}

/// Settings of a group that we join.
pub(crate) fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .max_past_epochs(0)
        .sender_ratchet_configuration(ratchets())
        .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
        .use_ratchet_tree_extension(true)
        .build()
}

/// Settings of a group with a log that we make. Its commits are public messages, within the log's seal (ADR 0035); its tree travels
/// beside a Welcome.
pub(crate) fn create_log_config(charter: Extension) -> Result<MlsGroupCreateConfig, Code> {
    let required = Extension::RequiredCapabilities(RequiredCapabilitiesExtension::new(&[CHARTER], &[], &[CREDENTIAL_TYPE]));
    let extensions = Extensions::<GroupContext>::from_vec(vec![required, charter]).map_err(|_| Code::Inconsistent)?;
    Ok(MlsGroupCreateConfig::builder()
        .max_past_epochs(0)
        .sender_ratchet_configuration(ratchets())
        .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
        .use_ratchet_tree_extension(false)
        .ciphersuite(SUITE)
        .capabilities(capabilities())
        .lifetime(lifetime())
        .with_group_context_extensions(extensions)
        .build())
}

/// Settings of a group with a log that we join.
pub(crate) fn join_log_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .max_past_epochs(0)
        .sender_ratchet_configuration(ratchets())
        .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
        .use_ratchet_tree_extension(false)
        .build()
}

/// Makes a key package and keeps its private half in the store.
pub(crate) fn key_package(
    provider: &Provider<'_>,
    signer: &impl Signer,
    with_key: CredentialWithKey,
    last_resort: bool,
) -> Result<KeyPackageBundle, Code> {
    let mut builder = KeyPackage::builder().key_package_lifetime(lifetime()).leaf_node_capabilities(capabilities());
    if last_resort {
        builder = builder.mark_as_last_resort();
    }
    builder.build(SUITE, provider, signer, with_key).map_err(|_| Code::Inconsistent)
}

/// Reads and checks a key package of someone else's. **Errors:** `BadKeyPackage`.
pub(crate) fn read_key_package(provider: &Provider<'_>, bytes: &[u8]) -> Result<KeyPackage, Code> {
    use openmls::prelude::tls_codec::Deserialize as _;
    if bytes.len() > KEY_PACKAGE_LEN_MAX {
        return Err(Code::BadKeyPackage);
    }
    let package = KeyPackageIn::tls_deserialize_exact(bytes).map_err(|_| Code::BadKeyPackage)?;
    let package = package.validate(provider.crypto(), ProtocolVersion::Mls10).map_err(|_| Code::BadKeyPackage)?;
    if package.ciphersuite() == SUITE { Ok(package) } else { Err(Code::BadKeyPackage) }
}

/// Whether a key package is of a client that knows groups with a log.
pub(crate) fn fits_a_log(package: &KeyPackage) -> bool {
    let can = package.leaf_node().capabilities();
    can.extensions().contains(&CHARTER) && can.credentials().contains(&CREDENTIAL_TYPE)
}

/// Why a message of a group could not be read.
pub(crate) fn cause<E>(error: &ProcessMessageError<E>) -> Code {
    match error {
        ProcessMessageError::ValidationError(ValidationError::UnableToDecrypt(MessageDecryptionError::SecretTreeError(secret))) => {
            match secret {
                SecretTreeError::SecretReuseError => Code::Repeated,
                SecretTreeError::TooDistantInThePast => Code::TooOld,
                _ => Code::Undecryptable,
            }
        }
        _ => Code::Undecryptable,
    }
}
