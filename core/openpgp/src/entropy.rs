//! The bridge from our entropy port to the random source the library takes.

use rand_core::{CryptoRng, RngCore};
use thicket_types::ports::Entropy;

/// Presents an [`Entropy`] as a random source of `rand_core` 0.6; it cannot fail.
pub(crate) struct EntropyRng<'a>(&'a mut dyn Entropy);

impl<'a> EntropyRng<'a> {
    /// Borrows the port for one operation.
    pub(crate) fn new(entropy: &'a mut dyn Entropy) -> Self {
        Self(entropy)
    }
}

impl RngCore for EntropyRng<'_> {
    fn next_u32(&mut self) -> u32 {
        let mut word = [0u8; 4];
        self.0.fill(&mut word);
        u32::from_le_bytes(word)
    }

    fn next_u64(&mut self) -> u64 {
        let mut word = [0u8; 8];
        self.0.fill(&mut word);
        u64::from_le_bytes(word)
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        self.0.fill(dest);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core::Error> {
        self.0.fill(dest);
        Ok(())
    }
}

// Only a marker: the port promises cryptographic quality.
impl CryptoRng for EntropyRng<'_> {}
