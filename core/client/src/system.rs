//! The system's randomness and time, and their seeded stand-ins for tests.

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore as _, SeedableRng as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use thicket_types::ports::{Clock, Entropy};
use thicket_types::time::Stamp;
use thicket_vault::SharedEntropy;

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&mut self, out: &mut [u8]) {
        // Without randomness nothing here is safe: to stop is the only right answer, and it does not happen on the
        // systems that we support once they have booted.
        getrandom::fill(out).expect("the operating system gives randomness");
    }
}

/// ChaCha20 from a seed: the same bytes each time. For tests and simulations.
#[derive(Clone, Debug)]
pub struct SeededEntropy(ChaCha20Rng);

impl SeededEntropy {
    /// From a seed.
    pub fn new(seed: u64) -> SeededEntropy {
        SeededEntropy(ChaCha20Rng::seed_from_u64(seed))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&mut self, out: &mut [u8]) {
        self.0.fill_bytes(out);
    }
}

/// One Entropy port for engine and vault alike.
pub fn share(entropy: Box<dyn Entropy + Send>) -> SharedEntropy {
    Arc::new(Mutex::new(entropy))
}

/// A handle to a shared Entropy port.
#[derive(Clone)]
pub struct SharedEntropyHandle(pub SharedEntropy);

impl Entropy for SharedEntropyHandle {
    fn fill(&mut self, out: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill(out);
    }
}

/// The system's clock. Follows it forward, also over a sleep; when it is set back, goes on at the pace of the monotonic one.
#[derive(Debug)]
pub struct SystemClock {
    last: Mutex<(Stamp, Instant)>,
}

impl SystemClock {
    /// Starts at the system's time.
    pub fn new() -> SystemClock {
        SystemClock { last: Mutex::new((wall(), Instant::now())) }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Stamp {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (stamp, at) = *last;
        let passed = u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
        let now = wall().max(Stamp(stamp.0.saturating_add(passed)));
        if now > stamp {
            *last = (now, Instant::now());
        }
        now
    }
}

fn wall() -> Stamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Stamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
