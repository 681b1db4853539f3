//! The port through which pure code has certificates and signatures checked.

use sha2::Digest as _;
use thicket_types::ids::Digest;
use thicket_types::ports::{CertificateFacts, Verify, VerifyError};

use crate::certificate::Certificate;

/// Checks certificates and signatures for code that may not depend on OpenPGP.
///
/// Shape: stateless; each call parses the certificate anew.
#[derive(Debug, Clone, Copy, Default)]
pub struct Verifier;

impl Verify for Verifier {
    fn certificate(&self, bytes: &[u8]) -> Result<CertificateFacts, VerifyError> {
        let certificate = Certificate::parse(bytes).map_err(|_| VerifyError::Certificate)?;
        Ok(CertificateFacts { name: certificate.name().to_owned(), fingerprint: certificate.fingerprint() })
    }

    fn signature(&self, certificate: &[u8], context: &str, message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
        Certificate::parse(certificate)
            .map_err(|_| VerifyError::Certificate)?
            .verify(context, message, signature)
            .map_err(|_| VerifyError::Signature)
    }

    fn digest(&self, bytes: &[u8]) -> Digest {
        Digest(sha2::Sha256::digest(bytes).into())
    }
}
