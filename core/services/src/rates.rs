//! What a lane may ask without paying: so many requests at once, and one more every 16 ms. A lane that asks for more is refused,
//! and no other one.
//!
//! ```text
//!   until   when what a lane asked is over, 16 ms a request; past it the lane has asked nothing, and is forgotten
//!
//!   now ├──────────────── until ─┤ one more is 16 ms more        ┤ 8,192 × 16 ms from now: no further one
//! ```
//!
//! One number a lane (after the generic cell rate algorithm, ITU-T I.371 §A.1). How many lanes are known follows from what they ask:
//! at so many requests a second, so many times 16 ms of them.

use alloc::collections::{BTreeMap, BTreeSet};
use thicket_types::error::Code;
use thicket_types::ids::LaneTag;
use thicket_types::limits::{LANE_REQUEST_EVERY, LANE_REQUESTS_MAX, LANES_MAX};
use thicket_types::time::{Duration, Stamp};

/// How long what a lane may ask at once lasts.
const SPAN: Duration = Duration(LANE_REQUESTS_MAX * LANE_REQUEST_EVERY.0);

/// What lanes asked lately. In memory alone.
#[derive(Default)]
pub struct Rates {
    until: BTreeMap<LaneTag, Stamp>,
    /// The same by time.
    by_until: BTreeSet<(Stamp, LaneTag)>,
}

impl Rates {
    /// Counts a request of a lane. **Errors:** `RelayBusy` if it asked too much; that counts for nothing.
    pub(crate) fn take(&mut self, tag: LaneTag, now: Stamp) -> Result<(), Code> {
        self.forget_past(now);
        let most = now.after(SPAN);
        // What lies further ahead was asked before the clock was put back: how much that was nobody can say.
        let asked = self.until.get(&tag).copied().filter(|until| *until <= most);
        let until = asked.unwrap_or(now).after(LANE_REQUEST_EVERY);
        if until > most {
            return Err(Code::RelayBusy);
        }
        self.set(tag, until);
        Ok(())
    }

    /// Counts one request of a lane less: something paid for it.
    pub(crate) fn give_back(&mut self, tag: LaneTag) {
        if let Some(until) = self.until.get(&tag) {
            self.set(tag, Stamp(until.0.saturating_sub(LANE_REQUEST_EVERY.0)));
        }
    }

    fn set(&mut self, tag: LaneTag, until: Stamp) {
        match self.until.insert(tag, until) {
            Some(before) => {
                self.by_until.remove(&(before, tag));
            }
            // Past the bound the lane that asked least is forgotten: it gains least.
            None if self.until.len() > LANES_MAX => self.forget_first(),
            None => {}
        }
        self.by_until.insert((until, tag));
    }

    fn forget_past(&mut self, now: Stamp) {
        while self.by_until.first().is_some_and(|(until, _)| *until <= now) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, tag)) = self.by_until.pop_first() {
            self.until.remove(&tag);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Stamp = Stamp(1_790_000_000_000);

    fn tag(number: usize) -> LaneTag {
        let mut tag = [0; 16];
        tag[..8].copy_from_slice(&number.to_be_bytes());
        LaneTag(tag)
    }

    /// How many requests a lane may ask at once.
    fn asks(rates: &mut Rates, tag: LaneTag, now: Stamp) -> u64 {
        let mut count = 0;
        while rates.take(tag, now).is_ok() {
            count += 1;
        }
        count
    }

    #[test]
    fn a_lane_asks_so_much_at_once_and_one_more_in_its_time_and_no_other_pays_for_it() {
        let mut rates = Rates::default();
        assert_eq!(asks(&mut rates, tag(1), NOW), LANE_REQUESTS_MAX);
        assert_eq!(asks(&mut rates, tag(2), NOW), LANE_REQUESTS_MAX, "another lane");
        assert_eq!(asks(&mut rates, tag(1), Stamp(NOW.0 + LANE_REQUEST_EVERY.0 - 1)), 0);
        assert_eq!(asks(&mut rates, tag(1), NOW.after(LANE_REQUEST_EVERY)), 1);
        assert_eq!(asks(&mut rates, tag(1), NOW.after(Duration(10 * LANE_REQUEST_EVERY.0))), 9);
        assert_eq!(asks(&mut rates, tag(1), NOW.after(Duration::days(1))), LANE_REQUESTS_MAX, "no more for a day of silence");
    }

    #[test]
    fn what_was_paid_counts_for_nothing() {
        let mut rates = Rates::default();
        for _ in 0..3 * LANE_REQUESTS_MAX {
            assert_eq!(rates.take(tag(1), NOW), Ok(()));
            rates.give_back(tag(1));
        }
        assert_eq!(asks(&mut rates, tag(1), NOW), LANE_REQUESTS_MAX);
        rates.give_back(tag(2));
        assert_eq!(asks(&mut rates, tag(2), NOW), LANE_REQUESTS_MAX, "what asked nothing gets nothing back");
    }

    #[test]
    fn a_clock_that_is_put_back_holds_no_lane_up() {
        let mut rates = Rates::default();
        assert_eq!(asks(&mut rates, tag(1), NOW), LANE_REQUESTS_MAX);
        assert_eq!(asks(&mut rates, tag(1), Stamp(NOW.0 - 1)), LANE_REQUESTS_MAX);
        assert_eq!(asks(&mut rates, tag(1), Stamp(NOW.0 - Duration::days(30).0)), LANE_REQUESTS_MAX);
        assert_eq!(asks(&mut rates, tag(1), Stamp(NOW.0 - Duration::days(30).0)), 0);
    }

    #[test]
    fn lanes_are_forgotten_when_what_they_asked_is_over_and_past_the_bound_whoever_asked_least() {
        let mut rates = Rates::default();
        for number in 0..LANES_MAX {
            assert_eq!(rates.take(tag(number), NOW), Ok(()));
        }
        // All but lane 0 asked once.
        assert_eq!(asks(&mut rates, tag(0), NOW), LANE_REQUESTS_MAX - 1);
        assert_eq!(rates.take(tag(LANES_MAX), NOW), Ok(()));
        assert_eq!((rates.until.len(), rates.by_until.len()), (LANES_MAX, LANES_MAX));
        assert_eq!((asks(&mut rates, tag(0), NOW), asks(&mut rates, tag(LANES_MAX), NOW)), (0, LANE_REQUESTS_MAX - 1));
        assert_eq!(rates.take(tag(1), NOW.after(SPAN)), Ok(()));
        assert_eq!((rates.until.len(), rates.by_until.len()), (1, 1));
    }
}
