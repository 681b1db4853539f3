//! The connection monitor: a way to the relay that broke, or that was slept over, is made anew soon.

use std::time::{Duration, Instant, SystemTime};
use thicket_types::limits::{RECONNECT_AFTER, RECONNECT_CALM, RECONNECT_DOUBLINGS_MAX, RECONNECT_SPREAD, SLEEP_LOOK_EVERY, SLEPT_MIN};
use thicket_types::time::Stamp;

/// What is watched between two pumps.
#[derive(Debug)]
pub(crate) struct Watch {
    seen: (Instant, SystemTime),
    /// When it is to be made anew, the login whose way broke, and how often in a row.
    again: Option<(Instant, Stamp, u32)>,
    /// When it was made anew last, and how often in a row.
    last: Option<(Instant, u32)>,
}

impl Watch {
    pub(crate) fn new() -> Watch {
        Watch { seen: (Instant::now(), SystemTime::now()), again: None, last: None }
    }

    /// Whether this machine slept since the last look: the world's time went on and the monotonic one stood. A clock that was
    /// set forward looks the same, and costs a login.
    pub(crate) fn slept(&mut self) -> bool {
        let now = (Instant::now(), SystemTime::now());
        let before = std::mem::replace(&mut self.seen, now);
        let wall = now.1.duration_since(before.1).unwrap_or_default();
        is_sleep(now.0.saturating_duration_since(before.0), wall)
    }

    /// The way of a login broke: it is to be made anew after a while, which is longer each time it breaks again soon, and which
    /// `chance` spreads, for a relay that comes back meets all its clients. A repeat changes nothing.
    pub(crate) fn broke(&mut self, now: Instant, login: Stamp, chance: u64) {
        let soon = self.last.is_some_and(|(last, _)| now.saturating_duration_since(last) < RECONNECT_CALM.as_core());
        let tries = if soon { self.last.map_or(0, |(_, tries)| tries + 1) } else { 0 };
        let wait = RECONNECT_AFTER.as_core().saturating_mul(1 << tries.min(RECONNECT_DOUBLINGS_MAX));
        let spread = Duration::from_millis(chance % RECONNECT_SPREAD.0);
        self.again.get_or_insert((now + wait + spread, login, tries));
    }

    /// How long until the way is to be made anew.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        self.again.map(|(again, ..)| again.saturating_duration_since(now))
    }

    /// How long to wait for what is due, if anything is: no longer than until the next look, or until the way is to be made anew.
    pub(crate) fn wait_for(&self, now: Instant, due: Option<Duration>) -> Duration {
        due.into_iter().chain(self.wait(now)).fold(SLEEP_LOOK_EVERY.as_core(), Duration::min)
    }

    /// Whether it is to be made anew now: says so once, and not if there was another login meanwhile.
    pub(crate) fn due(&mut self, now: Instant, login: Stamp) -> bool {
        let Some((_, broken, tries)) = self.again.take_if(|(again, ..)| *again <= now) else {
            return false;
        };
        self.last = Some((now, tries));
        broken == login
    }
}

fn is_sleep(monotonic: Duration, wall: Duration) -> bool {
    wall.saturating_sub(monotonic) >= SLEPT_MIN.as_core()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_slept_if_the_worlds_time_went_on_without_it() {
        let least = SLEPT_MIN.as_core();
        let second = Duration::from_secs(1);
        for (monotonic, wall, slept) in [
            (second, second, false),
            (second, second + least - Duration::from_millis(1), false),
            (second, second + least, true),
            (Duration::ZERO, Duration::from_secs(86_400), true),
            // A clock that was set back is no sleep.
            (second, Duration::ZERO, false),
        ] {
            assert_eq!(is_sleep(monotonic, wall), slept, "{monotonic:?} {wall:?}");
        }
        assert!(!Watch::new().slept(), "between two looks at once");
    }

    #[test]
    fn a_broken_way_is_made_anew_once_and_not_at_once() {
        let (mut watch, login) = (Watch::new(), Stamp(1));
        let now = Instant::now();
        assert_eq!((watch.wait(now), watch.due(now, login)), (None, false));
        watch.broke(now, login, RECONNECT_SPREAD.0 + 7);
        // A second break on the way puts nothing off.
        watch.broke(now + Duration::from_millis(5), login, 500);
        let wait = RECONNECT_AFTER.as_core() + Duration::from_millis(7);
        assert_eq!(watch.wait(now), Some(wait));
        assert!(!watch.due(now + wait - Duration::from_millis(1), login));
        assert!(watch.due(now + wait, login));
        assert_eq!((watch.wait(now), watch.due(now + wait, login)), (None, false));
    }

    #[test]
    fn nothing_is_waited_for_longer_than_until_the_next_look() {
        let (mut watch, now) = (Watch::new(), Instant::now());
        let look = SLEEP_LOOK_EVERY.as_core();
        let short = Duration::from_secs(1);
        assert_eq!([watch.wait_for(now, None), watch.wait_for(now, Some(look * 2)), watch.wait_for(now, Some(short))], [look, look, short]);
        watch.broke(now, Stamp(1), 7);
        let anew = RECONNECT_AFTER.as_core() + Duration::from_millis(7);
        assert_eq!([watch.wait_for(now, None), watch.wait_for(now, Some(Duration::ZERO))], [anew, Duration::ZERO]);
    }

    #[test]
    fn a_way_that_breaks_again_and_again_is_made_anew_later_each_time() {
        let mut watch = Watch::new();
        let mut now = Instant::now();
        let mut waits = Vec::new();
        for login in 0..10 {
            watch.broke(now, Stamp(login), 0);
            let wait = watch.wait(now).expect("it broke");
            waits.push(wait.as_secs());
            now += wait;
            assert!(watch.due(now, Stamp(login)));
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 32, 32, 32, 32]);
        now += RECONNECT_CALM.as_core();
        watch.broke(now, Stamp(10), 0);
        assert_eq!(watch.wait(now), Some(RECONNECT_AFTER.as_core()), "it held for a while");
    }

    #[test]
    fn a_way_that_another_login_mended_is_left_alone() {
        let mut watch = Watch::new();
        let now = Instant::now();
        watch.broke(now, Stamp(1), 0);
        assert!(!watch.due(now + RECONNECT_AFTER.as_core(), Stamp(2)));
        assert_eq!(watch.wait(now), None);
    }
}
