//! What OpenMLS runs on: the vault's store, and cryptography whose every random byte comes from the
//! vault's entropy port, so that a seeded port gives the same keys and messages again.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use aws_lc_rs::hmac;
use ed25519_dalek::{Signer as _, SigningKey};
use openmls::prelude::tls_codec::SecretVLBytes;
use openmls_rust_crypto::RustCrypto;
use openmls_traits::{
    OpenMlsProvider,
    crypto::OpenMlsCrypto,
    random::OpenMlsRand,
    signatures::{Signer, SignerError},
    types::{
        AeadType, Ciphersuite, CryptoError, ExporterSecret, HashType, HpkeAeadType, HpkeCiphertext, HpkeConfig, HpkeKdfType, HpkeKemType,
        HpkeKeyPair, KemOutput, SignatureScheme,
    },
};
use rand_core::{CryptoRng, RngCore};
use rusqlite::Connection;
use thicket_types::ports::Entropy;
use zeroize::Zeroizing;

use super::storage::MlsStore;
use crate::seal::{self, EntropyRng, SealError};

/// The one suite that Thicket speaks: 0x0001.
pub(crate) const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;

/// The vault's entropy port, shared with whatever draws from it.
pub type SharedEntropy = Arc<Mutex<Box<dyn Entropy + Send>>>;

/// No randomness: another thread died while it held the entropy port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoEntropy;

impl fmt::Display for NoEntropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the entropy port is lost")
    }
}

impl std::error::Error for NoEntropy {}

impl<T> From<PoisonError<T>> for NoEntropy {
    fn from(_: PoisonError<T>) -> Self {
        Self
    }
}

impl From<NoEntropy> for CryptoError {
    fn from(_: NoEntropy) -> Self {
        Self::InsufficientRandomness
    }
}

/// Everything OpenMLS asks for, for the length of one operation of the vault.
pub(crate) struct Provider<'c> {
    store: MlsStore<'c>,
    crypto: Crypto,
}

impl<'c> Provider<'c> {
    /// A provider that stores over `conn`, within its open transaction, and draws from `entropy`.
    pub(crate) fn new(conn: &'c Connection, entropy: SharedEntropy) -> Self {
        Self { store: MlsStore::new(conn), crypto: Crypto::new(entropy) }
    }

    /// A provider that stores over the copy of a past epoch.
    pub(crate) fn in_epoch(conn: &'c Connection, entropy: SharedEntropy, epoch: u64) -> Self {
        Self { store: MlsStore::in_epoch(conn, epoch), crypto: Crypto::new(entropy) }
    }
}

impl<'c> OpenMlsProvider for Provider<'c> {
    type CryptoProvider = Crypto;
    type RandProvider = Crypto;
    type StorageProvider = MlsStore<'c>;

    fn storage(&self) -> &MlsStore<'c> {
        &self.store
    }

    fn crypto(&self) -> &Crypto {
        &self.crypto
    }

    fn rand(&self) -> &Crypto {
        &self.crypto
    }
}

/// The cryptography of suite 0x0001.
///
/// `RustCrypto` does whatever needs no randomness. It seeds a generator of its own from the system
/// when it is made; none of the calls passed on to it reads that generator.
pub(crate) struct Crypto {
    inner: RustCrypto,
    entropy: SharedEntropy,
    sealing: Mutex<Option<Zeroizing<[u8; 32]>>>,
}

impl Crypto {
    /// Cryptography that draws from `entropy`.
    pub(crate) fn new(entropy: SharedEntropy) -> Self {
        Self { inner: RustCrypto::default(), entropy, sealing: Mutex::new(None) }
    }

    fn fill(&self, out: &mut [u8]) -> Result<(), NoEntropy> {
        self.entropy.lock()?.fill(out);
        Ok(())
    }

    /// The generator for sealing one message, made from that message and from a seed that is drawn
    /// at the first sealing.
    ///
    /// OpenMLS seals the path of a commit on several threads at once. Drawing at each sealing would
    /// give the bytes to the threads in whatever order they come, and a seeded port would not give
    /// the same commit again. Different messages get unrelated generators; the same message sealed
    /// again to the same key within one operation comes out the same.
    fn sealing_rng(&self, parts: [&[u8]; 4]) -> Result<Derived, NoEntropy> {
        let seed = {
            let mut sealing = self.sealing.lock()?;
            match sealing.as_ref() {
                Some(seed) => seed.clone(),
                None => {
                    let mut seed = Zeroizing::new([0u8; 32]);
                    self.fill(seed.as_mut_slice())?;
                    sealing.insert(seed).clone()
                }
            }
        };
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, seed.as_slice()));
        for part in parts {
            // Lengths first, so that no two lists of parts read the same.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        Ok(Derived::new(context.sign().as_ref()))
    }
}

/// A generator over HMAC-SHA256 in counter mode.
struct Derived {
    key: hmac::Key,
    block: u64,
}

impl Derived {
    fn new(key: &[u8]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key), block: 0 }
    }
}

impl RngCore for Derived {
    fn next_u32(&mut self) -> u32 {
        let mut out = [0u8; 4];
        self.fill_bytes(&mut out);
        u32::from_le_bytes(out)
    }

    fn next_u64(&mut self) -> u64 {
        let mut out = [0u8; 8];
        self.fill_bytes(&mut out);
        u64::from_le_bytes(out)
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let tag = hmac::sign(&self.key, &self.block.to_be_bytes());
            let made: &[u8] = tag.as_ref();
            for (byte, made) in chunk.iter_mut().zip(made) {
                *byte = *made;
            }
            self.block = self.block.wrapping_add(1);
        }
    }
}

// HMAC-SHA256 under a key that nobody else knows; a generator serves one message, of a block or two.
impl CryptoRng for Derived {}

fn only_our_suite(config: &HpkeConfig) -> Result<(), CryptoError> {
    match config {
        HpkeConfig(HpkeKemType::DhKem25519, HpkeKdfType::HkdfSha256, HpkeAeadType::AesGcm128) => Ok(()),
        _ => Err(CryptoError::UnsupportedCiphersuite),
    }
}

impl OpenMlsRand for Crypto {
    type Error = NoEntropy;

    fn random_array<const N: usize>(&self) -> Result<[u8; N], NoEntropy> {
        let mut out = [0u8; N];
        self.fill(&mut out)?;
        Ok(out)
    }

    fn random_vec(&self, len: usize) -> Result<Vec<u8>, NoEntropy> {
        let mut out = vec![0u8; len];
        self.fill(&mut out)?;
        Ok(out)
    }
}

impl OpenMlsCrypto for Crypto {
    fn supports(&self, ciphersuite: Ciphersuite) -> Result<(), CryptoError> {
        if ciphersuite == SUITE { Ok(()) } else { Err(CryptoError::UnsupportedCiphersuite) }
    }

    fn supported_ciphersuites(&self) -> Vec<Ciphersuite> {
        vec![SUITE]
    }

    fn hkdf_extract(&self, hash_type: HashType, salt: &[u8], ikm: &[u8]) -> Result<SecretVLBytes, CryptoError> {
        self.inner.hkdf_extract(hash_type, salt, ikm)
    }

    fn hmac(&self, hash_type: HashType, key: &[u8], message: &[u8]) -> Result<SecretVLBytes, CryptoError> {
        self.inner.hmac(hash_type, key, message)
    }

    fn hkdf_expand(&self, hash_type: HashType, prk: &[u8], info: &[u8], okm_len: usize) -> Result<SecretVLBytes, CryptoError> {
        self.inner.hkdf_expand(hash_type, prk, info, okm_len)
    }

    fn hash(&self, hash_type: HashType, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.inner.hash(hash_type, data)
    }

    fn aead_encrypt(&self, alg: AeadType, key: &[u8], data: &[u8], nonce: &[u8], aad: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.inner.aead_encrypt(alg, key, data, nonce, aad)
    }

    fn aead_decrypt(&self, alg: AeadType, key: &[u8], ct_tag: &[u8], nonce: &[u8], aad: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.inner.aead_decrypt(alg, key, ct_tag, nonce, aad)
    }

    fn signature_key_gen(&self, alg: SignatureScheme) -> Result<(Vec<u8>, Vec<u8>), CryptoError> {
        if alg != SignatureScheme::ED25519 {
            return Err(CryptoError::UnsupportedSignatureScheme);
        }
        let mut secret = Zeroizing::new([0u8; 32]);
        self.fill(secret.as_mut_slice())?;
        let public = SigningKey::from_bytes(&secret).verifying_key().to_bytes();
        Ok((secret.to_vec(), public.to_vec()))
    }

    fn verify_signature(&self, alg: SignatureScheme, data: &[u8], pk: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        self.inner.verify_signature(alg, data, pk, signature)
    }

    fn sign(&self, alg: SignatureScheme, data: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.inner.sign(alg, data, key)
    }

    fn hpke_seal(&self, config: HpkeConfig, pk_r: &[u8], info: &[u8], aad: &[u8], ptxt: &[u8]) -> Result<HpkeCiphertext, CryptoError> {
        only_our_suite(&config)?;
        let mut rng = self.sealing_rng([pk_r, info, aad, ptxt])?;
        let (kem_output, ciphertext) = seal::seal_parts(pk_r, info, aad, ptxt, &mut rng).map_err(|e| match e {
            SealError::Key => CryptoError::InvalidPublicKey,
            _ => CryptoError::HpkeEncryptionError,
        })?;
        Ok(HpkeCiphertext { kem_output: kem_output.into(), ciphertext: ciphertext.into() })
    }

    fn hpke_open(&self, config: HpkeConfig, input: &HpkeCiphertext, sk_r: &[u8], info: &[u8], aad: &[u8]) -> Result<Vec<u8>, CryptoError> {
        only_our_suite(&config)?;
        self.inner.hpke_open(config, input, sk_r, info, aad)
    }

    fn hpke_setup_sender_and_export(
        &self,
        config: HpkeConfig,
        pk_r: &[u8],
        info: &[u8],
        exporter_context: &[u8],
        exporter_length: usize,
    ) -> Result<(KemOutput, ExporterSecret), CryptoError> {
        only_our_suite(&config)?;
        let mut entropy = self.entropy.lock().map_err(|_| CryptoError::InsufficientRandomness)?;
        let mut rng = EntropyRng::new(&mut **entropy);
        let (kem_output, secret) = seal::export_to(pk_r, info, exporter_context, exporter_length, &mut rng).map_err(|e| match e {
            SealError::Key => CryptoError::InvalidPublicKey,
            SealError::Export => CryptoError::ExporterError,
            _ => CryptoError::SenderSetupError,
        })?;
        Ok((kem_output, secret.into()))
    }

    fn hpke_setup_receiver_and_export(
        &self,
        config: HpkeConfig,
        enc: &[u8],
        sk_r: &[u8],
        info: &[u8],
        exporter_context: &[u8],
        exporter_length: usize,
    ) -> Result<ExporterSecret, CryptoError> {
        only_our_suite(&config)?;
        self.inner.hpke_setup_receiver_and_export(config, enc, sk_r, info, exporter_context, exporter_length)
    }

    fn derive_hpke_keypair(&self, config: HpkeConfig, ikm: &[u8]) -> Result<HpkeKeyPair, CryptoError> {
        only_our_suite(&config)?;
        self.inner.derive_hpke_keypair(config, ikm)
    }
}

/// Signs with a leaf's Ed25519 key. The key is wiped when this is dropped: `SigningKey` does so
/// under the feature `zeroize`, which the workspace turns on.
pub(crate) struct LeafSigner {
    key: SigningKey,
}

impl LeafSigner {
    /// A new key from 32 bytes of entropy.
    pub(crate) fn generate(entropy: &mut dyn Entropy) -> Self {
        let mut secret = Zeroizing::new([0u8; 32]);
        entropy.fill(secret.as_mut_slice());
        Self::from_secret(&secret)
    }

    /// The signer of a key that was kept.
    pub(crate) fn from_secret(secret: &[u8; 32]) -> Self {
        Self { key: SigningKey::from_bytes(secret) }
    }

    /// The secret key, for keeping.
    pub(crate) fn secret(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key.to_bytes())
    }

    /// The public key, as it stands in the leaf.
    pub(crate) fn public(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }
}

impl Signer for LeafSigner {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        let signature = self.key.try_sign(payload).map_err(|_| SignerError::SigningError)?;
        Ok(signature.to_bytes().to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}
