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

    /// The first stamp of a day in UTC; `None` if the calendar has no such day, or it lies before 1970 or after 9999.
    pub fn of_date((year, month, day): (u64, u64, u64)) -> Option<Stamp> {
        if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        // The year begins in March, so that a leap day is its last.
        let (year_of, month_of) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let (era, year_of_era) = (year_of / 400, year_of % 400);
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + (153 * month_of + 2) / 5 + day - 1;
        let stamp = Stamp((era * 146_097 + day_of_era).checked_sub(719_468)? * Duration::days(1).0);
        (stamp.date() == (year, month, day)).then_some(stamp)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_has_a_date_that_leads_back() {
        let mut before = (1969, 12, 31);
        for day in 0..60_000 {
            let stamp = Stamp(day * Duration::days(1).0);
            let date = stamp.date();
            assert!(date > before, "{date:?}");
            assert_eq!((Stamp::of_date(date), Stamp(stamp.0 + 86_399_999).date()), (Some(stamp), date));
            before = date;
        }
        assert_eq!(Stamp(951_827_696_000).date(), (2000, 2, 29));
        for wrong in
            [(2026, 2, 29), (2100, 2, 29), (2026, 4, 31), (2026, 0, 1), (2026, 13, 1), (2026, 1, 0), (1969, 12, 31), (10_000, 1, 1)]
        {
            assert_eq!(Stamp::of_date(wrong), None, "{wrong:?}");
        }
    }
}
