//! AES-256-GCM, SHA-256, HKDF and HMAC, from aws-lc-rs.

use crate::FormatError;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce as AeadNonce, UnboundKey};
use aws_lc_rs::{digest as hash, hkdf, hmac};
use thicket_types::ids::Digest;
use thicket_types::secret::Secret;

/// Bytes of a nonce.
pub const NONCE_LEN: usize = 12;
/// Bytes that a seal adds.
pub const TAG_LEN: usize = 16;

/// A nonce: fresh random bits, never used again under the same key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nonce(pub [u8; NONCE_LEN]);

/// A 256-bit key, wiped on drop.
pub struct Key(Secret<[u8; 32]>);

impl Key {
    /// Takes a key in.
    pub fn new(bytes: [u8; 32]) -> Key {
        Key(Secret::new(bytes))
    }

    /// Lends the bytes, to be wrapped by another key or given to SQLCipher.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// Derives a key for one purpose by HKDF-SHA-256 (RFC 5869), without salt.
    pub fn derive(&self, purpose: &str) -> Result<Key, FormatError> {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(self.expose());
        let info = [purpose.as_bytes()];
        let okm = prk.expand(&info, hkdf::HKDF_SHA256).map_err(|_| FormatError::Limit)?;
        let mut bytes = [0_u8; 32];
        okm.fill(&mut bytes).map_err(|_| FormatError::Limit)?;
        let key = Key::new(bytes);
        zeroize::Zeroize::zeroize(&mut bytes);
        Ok(key)
    }

    /// Seals in place and appends the tag.
    pub(crate) fn seal(&self, nonce: Nonce, aad: &[u8], bytes: &mut Vec<u8>) -> Result<(), FormatError> {
        let nonce = AeadNonce::assume_unique_for_key(nonce.0);
        self.cipher()?.seal_in_place_append_tag(nonce, Aad::from(aad), bytes).map_err(|_| FormatError::Seal)
    }

    /// Opens, and returns the plain bytes.
    pub(crate) fn open(&self, nonce: Nonce, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, FormatError> {
        let nonce = AeadNonce::assume_unique_for_key(nonce.0);
        let mut bytes = sealed.to_vec();
        let plain = self.cipher()?.open_in_place(nonce, Aad::from(aad), &mut bytes).map_err(|_| FormatError::Seal)?.len();
        bytes.truncate(plain);
        Ok(bytes)
    }

    /// HMAC-SHA-256.
    pub(crate) fn mac(&self, bytes: &[u8]) -> [u8; 32] {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, self.expose()), bytes);
        let mut out = [0_u8; 32];
        out.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        out
    }

    /// Checks an HMAC in constant time.
    pub(crate) fn mac_holds(&self, bytes: &[u8], mac: &[u8]) -> bool {
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, self.expose()), bytes, mac).is_ok()
    }

    fn cipher(&self) -> Result<LessSafeKey, FormatError> {
        Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, self.expose()).map_err(|_| FormatError::Seal)?))
    }
}

/// SHA-256 over the parts, one after the other.
pub fn digest(parts: &[&[u8]]) -> Digest {
    let mut context = hash::Context::new(&hash::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0_u8; 32];
    out.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
    Digest(out)
}
