//! Time, in milliseconds, as whole numbers. Ours and a peer's never mix.

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch by our clock, as a record's stamp: never decreasing within a journal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Stamp(pub u64);

impl Stamp {
    /// The stamp a span later; stays at the largest value rather than wrap.
    pub fn after(self, span: Duration) -> Stamp {
        Stamp(self.0.saturating_add(span.0))
    }

    /// The span since an earlier stamp; zero if that one is later.
    pub fn since(self, earlier: Stamp) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

/// The stamp at which a timer fires.
pub type Deadline = Stamp;

/// A peer's clock, in milliseconds since the Unix epoch. Shown, never compared with a [`Stamp`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct ClaimedTime(pub u64);

/// A span of milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Duration(pub u64);

impl Duration {
    /// A span of whole seconds.
    pub const fn seconds(count: u64) -> Duration {
        Duration(count * 1000)
    }

    /// The span as `core` has it.
    pub const fn as_core(self) -> core::time::Duration {
        core::time::Duration::from_millis(self.0)
    }

    /// A span of whole days.
    pub const fn days(count: u64) -> Duration {
        Duration(count * 86_400_000)
    }
}
