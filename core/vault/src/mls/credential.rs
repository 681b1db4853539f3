//! The leaf credential: name, identity's fingerprint, and the identity's certification of the leaf key.
//!
//! Small on purpose: openmls copies credentials into every epoch's secrets. The certificate travels in the envelope.

use openmls::prelude::{Credential, CredentialType, CredentialWithKey};
use prost::Message as _;
use thicket_openpgp::{Certificate, Identity, OpenPgpError};
use thicket_types::error::Code;
use thicket_types::ids::Fingerprint;
use thicket_types::wire::peer::{LeafCredential, LeafStatement};
use thicket_types::wire::{LEAF_CREDENTIAL, context};

/// The credential's MLS type.
pub(crate) const CREDENTIAL_TYPE: CredentialType = CredentialType::Other(LEAF_CREDENTIAL);

/// Has the identity certify a leaf key. `at_s`: the identity's creation, so that no clock shows in it.
pub(crate) fn certify(identity: &Identity, certificate: &Certificate, leaf_key: &[u8; 32], at_s: u64) -> Result<Vec<u8>, OpenPgpError> {
    let fingerprint = certificate.fingerprint().0.to_vec();
    let statement = LeafStatement { fingerprint: fingerprint.clone(), leaf_key: leaf_key.to_vec() }.encode_to_vec();
    let certification = identity.sign(context::LEAF, &statement, at_s)?;
    Ok(LeafCredential { name: certificate.name().to_owned(), fingerprint, certification }.encode_to_vec())
}

/// The credential with its key, as openmls takes it.
pub(crate) fn with_key(credential: &[u8], leaf_key: &[u8; 32]) -> CredentialWithKey {
    CredentialWithKey { credential: Credential::new(CREDENTIAL_TYPE, credential.to_vec()), signature_key: leaf_key.as_slice().into() }
}

/// Whom a credential of ours names; that the identity certified it, `check` tells.
pub(crate) fn named(credential: &Credential) -> Option<Fingerprint> {
    if credential.credential_type() != CREDENTIAL_TYPE {
        return None;
    }
    Fingerprint::parse(&LeafCredential::decode(credential.serialized_content()).ok()?.fingerprint)
}

/// Checks that a leaf is certified by the identity of this certificate. **Errors:** `ForgedLeaf`.
pub(crate) fn check(certificate: &Certificate, credential: &Credential, leaf_key: &[u8]) -> Result<(), Code> {
    if credential.credential_type() != CREDENTIAL_TYPE {
        return Err(Code::ForgedLeaf);
    }
    let LeafCredential { name, fingerprint, certification } =
        LeafCredential::decode(credential.serialized_content()).map_err(|_| Code::ForgedLeaf)?;
    if fingerprint != certificate.fingerprint().0 || name != certificate.name() {
        return Err(Code::ForgedLeaf);
    }
    let statement = LeafStatement { fingerprint, leaf_key: leaf_key.to_vec() }.encode_to_vec();
    certificate.verify(context::LEAF, &statement, &certification).map_err(|_| Code::ForgedLeaf)
}
