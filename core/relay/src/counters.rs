//! What a relay did, in numbers: all that its log tells of its clients.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since a relay began. Read from any thread.
#[derive(Default, Debug)]
pub struct Counters {
    handled: AtomicU64,
    refused: AtomicU64,
    stored: AtomicU64,
    failed: AtomicU64,
}

/// [`Counters`] at one moment; also what one turn adds to them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Requests that were answered, refusals and repeats among them.
    pub handled: u64,
    /// Of them, those that were refused.
    pub refused: u64,
    /// Items that were new in a mailbox.
    pub stored: u64,
    /// Turns in which the store failed. Their requests count nowhere else.
    pub failed: u64,
}

impl Counters {
    /// How they stand now.
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts { handled: read(&self.handled), refused: read(&self.refused), stored: read(&self.stored), failed: read(&self.failed) }
    }

    pub(crate) fn add(&self, turn: Counts) {
        let Counts { handled, refused, stored, failed } = turn;
        for (counter, more) in [(&self.handled, handled), (&self.refused, refused), (&self.stored, stored), (&self.failed, failed)] {
            counter.fetch_add(more, Ordering::Relaxed);
        }
    }
}
