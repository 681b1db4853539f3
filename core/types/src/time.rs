//! Time, in milliseconds, as whole numbers. Ours and a peer's never mix.

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch by our clock, as a record's stamp: never decreasing within a journal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Stamp(pub u64);

impl Stamp {
    /// Year, month (1 to 12) and day (1 to 31) in UTC.
    ///
    /// **Source:** Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    pub fn date(self) -> (u64, u64, u64) {
        let shifted = self.0 / Duration::days(1).0 + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        (year_of_era + era * 400 + u64::from(month <= 2), month, day)
    }

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
