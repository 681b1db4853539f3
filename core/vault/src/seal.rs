//! Sealing to an X25519 key: HPKE of RFC 9180, base mode, with DHKEM(X25519, HKDF-SHA256),
//! HKDF-SHA256 and AES-128-GCM, the suite that MLS's 0x0001 uses as well.

use std::fmt;

use hpke::{Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _, aead::AesGcm128, kdf::HkdfSha256, kem::X25519HkdfSha256};
use rand_core::{CryptoRng, RngCore};
use thicket_types::ports::Entropy;
use zeroize::Zeroizing;

type Kem = X25519HkdfSha256;
type PublicKey = <Kem as hpke::Kem>::PublicKey;
type PrivateKey = <Kem as hpke::Kem>::PrivateKey;
type Encapsulated = <Kem as hpke::Kem>::EncappedKey;

/// Bytes of an encapsulated key, which stands before the ciphertext.
pub(crate) const ENCAPSULATED: usize = 32;

/// Why something could not be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SealError {
    /// A key is of the wrong length, or no point that may be used.
    Key,
    /// The plaintext could not be sealed.
    Seal,
    /// The sealed bytes are too short, were changed, or are meant for another key, info or aad.
    Open,
    /// More bytes were asked for than the context can export.
    Export,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "unusable HPKE key",
            Self::Seal => "HPKE sealing failed",
            Self::Open => "HPKE opening failed",
            Self::Export => "HPKE export too long",
        })
    }
}

impl std::error::Error for SealError {}

/// An entropy port in the shape that `hpke` wants its randomness in.
pub(crate) struct EntropyRng<'e> {
    entropy: &'e mut dyn Entropy,
}

impl<'e> EntropyRng<'e> {
    /// Draws from `entropy` and from nowhere else.
    pub(crate) fn new(entropy: &'e mut dyn Entropy) -> Self {
        Self { entropy }
    }
}

impl RngCore for EntropyRng<'_> {
    fn next_u32(&mut self) -> u32 {
        let mut out = [0u8; 4];
        self.entropy.fill(&mut out);
        u32::from_le_bytes(out)
    }

    fn next_u64(&mut self) -> u64 {
        let mut out = [0u8; 8];
        self.entropy.fill(&mut out);
        u64::from_le_bytes(out)
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        self.entropy.fill(out);
    }
}

// The entropy port is the system's generator, or a seeded stream in tests.
impl CryptoRng for EntropyRng<'_> {}

/// A new key pair, secret first, from 32 bytes of entropy.
pub(crate) fn hpke_key_pair(entropy: &mut dyn Entropy) -> ([u8; 32], [u8; 32]) {
    let mut ikm = Zeroizing::new([0u8; 32]);
    entropy.fill(ikm.as_mut_slice());
    let (private, public) = Kem::derive_keypair(ikm.as_slice());
    let (mut sk, mut pk) = ([0u8; 32], [0u8; 32]);
    private.write_exact(&mut sk);
    public.write_exact(&mut pk);
    (sk, pk)
}

/// Seals `plain` to `pk`. The result is the encapsulated key, then the ciphertext with its tag.
pub(crate) fn hpke_seal_to<R: CryptoRng + RngCore>(
    pk: &[u8; 32],
    info: &[u8],
    aad: &[u8],
    plain: &[u8],
    rng: &mut R,
) -> Result<Vec<u8>, SealError> {
    let (mut out, ciphertext) = seal_parts(pk, info, aad, plain, rng)?;
    out.extend_from_slice(&ciphertext);
    Ok(out)
}

/// Opens what [`hpke_seal_to`] made.
pub(crate) fn hpke_open_with(sk: &[u8; 32], info: &[u8], aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
    let (encapsulated, ciphertext) = sealed.split_at_checked(ENCAPSULATED).ok_or(SealError::Open)?;
    let private = PrivateKey::from_bytes(sk).map_err(|_| SealError::Key)?;
    let encapsulated = Encapsulated::from_bytes(encapsulated).map_err(|_| SealError::Open)?;
    hpke::single_shot_open::<AesGcm128, HkdfSha256, Kem>(&OpModeR::Base, &private, &encapsulated, info, ciphertext, aad)
        .map_err(|_| SealError::Open)
}

/// Seals `plain` to `pk`, giving the encapsulated key and the ciphertext apart.
pub(crate) fn seal_parts<R: CryptoRng + RngCore>(
    pk: &[u8],
    info: &[u8],
    aad: &[u8],
    plain: &[u8],
    rng: &mut R,
) -> Result<(Vec<u8>, Vec<u8>), SealError> {
    let public = PublicKey::from_bytes(pk).map_err(|_| SealError::Key)?;
    let (encapsulated, ciphertext) =
        hpke::single_shot_seal::<AesGcm128, HkdfSha256, Kem, R>(&OpModeS::Base, &public, info, plain, aad, rng)
            .map_err(|_| SealError::Seal)?;
    Ok((encapsulated.to_bytes().to_vec(), ciphertext))
}

/// Begins a context towards `pk` and exports `length` bytes of it: the encapsulated key, and the
/// exported secret.
pub(crate) fn export_to<R: CryptoRng + RngCore>(
    pk: &[u8],
    info: &[u8],
    exporter_context: &[u8],
    length: usize,
    rng: &mut R,
) -> Result<(Vec<u8>, Vec<u8>), SealError> {
    let public = PublicKey::from_bytes(pk).map_err(|_| SealError::Key)?;
    let (encapsulated, context) =
        hpke::setup_sender::<AesGcm128, HkdfSha256, Kem, R>(&OpModeS::Base, &public, info, rng).map_err(|_| SealError::Seal)?;
    let mut secret = vec![0u8; length];
    context.export(exporter_context, &mut secret).map_err(|_| SealError::Export)?;
    Ok((encapsulated.to_bytes().to_vec(), secret))
}
