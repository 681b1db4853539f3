//! What may be asked without paying: so much at once, and one more in its time. Who asks for more is refused, and nobody else.
//!
//! ```text
//!   a lane                           8,192 requests, and one every 16 ms
//!   the members of a log together    1,024 entries, and one every 500 ms
//!   an admin's lane in a log         the same
//!
//!   until   when what somebody asked is over, so long for each; past it they have asked nothing, and are forgotten
//!
//!   now ├──────────────── until ─┤ one more is 16 ms more        ┤ 8,192 × 16 ms from now: no further one
//! ```
//!
//! One number each (after the generic cell rate algorithm, ITU-T I.371 §A.1). How many are known follows from what they ask: at so
//! many requests a second, so many times 16 ms of them.

use alloc::collections::{BTreeMap, BTreeSet};
use thicket_types::error::Code;
use thicket_types::ids::{Digest, LaneTag, LogId};
use thicket_types::limits::{LANE_REQUEST_EVERY, LANE_REQUESTS_MAX, LANES_MAX, LOG_POST_EVERY, LOG_POSTS_MAX};
use thicket_types::time::{Duration, Stamp};

/// What was asked lately. In memory alone.
pub struct Rates {
    lanes: Rate<LaneTag>,
    /// Of a log's members, and of each lane in it.
    posts: Rate<(LogId, Option<Digest>)>,
}

impl Default for Rates {
    fn default() -> Rates {
        Rates { lanes: Rate::new(LANE_REQUEST_EVERY, LANE_REQUESTS_MAX), posts: Rate::new(LOG_POST_EVERY, LOG_POSTS_MAX) }
    }
}

impl Rates {
    /// Counts a request of a lane. **Errors:** `RelayBusy` if it asked too much; that counts for nothing.
    pub(crate) fn take(&mut self, tag: LaneTag, now: Stamp) -> Result<(), Code> {
        self.lanes.take(tag, now)
    }

    /// Counts one request of a lane less: something paid for it.
    pub(crate) fn give_back(&mut self, tag: LaneTag) {
        self.lanes.give_back(tag);
    }

    /// Counts an entry that the members of a log, or one lane in it, post. **Errors:** `RelayBusy` if those posted too many; that counts
    /// for nothing.
    pub(crate) fn take_post(&mut self, log: LogId, lane: Option<Digest>, now: Stamp) -> Result<(), Code> {
        self.posts.take((log, lane), now)
    }
}

/// What each of them asked lately.
struct Rate<K> {
    every: Duration,
    /// How long what may be asked at once lasts.
    span: Duration,
    until: BTreeMap<K, Stamp>,
    /// The same by time.
    by_until: BTreeSet<(Stamp, K)>,
}

impl<K: Ord + Copy> Rate<K> {
    fn new(every: Duration, at_once: u64) -> Rate<K> {
        Rate { every, span: Duration(at_once.saturating_mul(every.0)), until: BTreeMap::new(), by_until: BTreeSet::new() }
    }

    fn take(&mut self, who: K, now: Stamp) -> Result<(), Code> {
        self.forget_past(now);
        let most = now.after(self.span);
        // What lies further ahead was asked before the clock was put back: how much that was nobody can say.
        let asked = self.until.get(&who).copied().filter(|until| *until <= most);
        let until = asked.unwrap_or(now).after(self.every);
        if until > most {
            return Err(Code::RelayBusy);
        }
        self.set(who, until);
        Ok(())
    }

    fn give_back(&mut self, who: K) {
        if let Some(until) = self.until.get(&who) {
            self.set(who, Stamp(until.0.saturating_sub(self.every.0)));
        }
    }

    fn set(&mut self, who: K, until: Stamp) {
        match self.until.insert(who, until) {
            Some(before) => {
                self.by_until.remove(&(before, who));
            }
            // Past the bound whoever asked least is forgotten: they gain least.
            None if self.until.len() > LANES_MAX => self.forget_first(),
            None => {}
        }
        self.by_until.insert((until, who));
    }

    fn forget_past(&mut self, now: Stamp) {
        while self.by_until.first().is_some_and(|(until, _)| *until <= now) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, who)) = self.by_until.pop_first() {
            self.until.remove(&who);
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
        assert_eq!((rates.lanes.until.len(), rates.lanes.by_until.len()), (LANES_MAX, LANES_MAX));
        assert_eq!((asks(&mut rates, tag(0), NOW), asks(&mut rates, tag(LANES_MAX), NOW)), (0, LANE_REQUESTS_MAX - 1));
        assert_eq!(rates.take(tag(1), NOW.after(Duration(LANE_REQUESTS_MAX * LANE_REQUEST_EVERY.0))), Ok(()));
        assert_eq!((rates.lanes.until.len(), rates.lanes.by_until.len()), (1, 1));
    }

    #[test]
    fn the_members_of_a_log_and_each_lane_in_it_post_so_much_and_none_at_the_others_cost() {
        let mut rates = Rates::default();
        let mut posts = |log: u8, lane: Option<u8>, now| {
            let mut count = 0;
            while rates.take_post(LogId([log; 16]), lane.map(|lane| Digest([lane; 32])), now).is_ok() {
                count += 1;
            }
            count
        };
        for (log, lane) in [(1, None), (1, Some(1)), (1, Some(2)), (2, None)] {
            assert_eq!(posts(log, lane, NOW), LOG_POSTS_MAX);
            assert_eq!(posts(log, lane, Stamp(NOW.0 + LOG_POST_EVERY.0 - 1)), 0);
        }
        assert_eq!(posts(1, None, NOW.after(LOG_POST_EVERY)), 1);
        assert_eq!(asks(&mut rates, tag(1), NOW), LANE_REQUESTS_MAX, "requests are counted by themselves");
    }
}
