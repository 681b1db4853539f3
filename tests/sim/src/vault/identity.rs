//! Certificates that are their owner's name, and signatures that anybody could make.

use thicket_journal_format::digest;
use thicket_types::ids::{Digest, Fingerprint};
use thicket_types::ports::{CertificateFacts, Verify, VerifyError};

/// Verifies what `signature` makes.
#[derive(Clone, Copy, Debug, Default)]
pub struct TransparentVerify;

/// The fingerprint of a name's transparent certificate.
pub fn fingerprint(name: &str) -> Fingerprint {
    let mut bytes = [0; 20];
    bytes.iter_mut().zip(digest(&[name.as_bytes()]).0).for_each(|(to, from)| *to = from);
    Fingerprint(bytes)
}

pub(super) fn signature(certificate: &[u8], context: &str, message: &[u8]) -> Vec<u8> {
    digest(&[certificate, context.as_bytes(), message]).0.to_vec()
}

impl Verify for TransparentVerify {
    fn certificate(&self, bytes: &[u8]) -> Result<CertificateFacts, VerifyError> {
        let name = String::from_utf8(bytes.to_vec()).map_err(|_| VerifyError::Certificate)?;
        Ok(CertificateFacts { fingerprint: fingerprint(&name), name })
    }

    fn signature(&self, certificate: &[u8], context: &str, message: &[u8], given: &[u8]) -> Result<(), VerifyError> {
        if signature(certificate, context, message) == given { Ok(()) } else { Err(VerifyError::Signature) }
    }

    fn digest(&self, bytes: &[u8]) -> Digest {
        digest(&[bytes])
    }
}
