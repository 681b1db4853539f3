//! The connection monitor: a way to the relay that broke, or that was slept over, is made anew soon.

use std::time::{Duration, Instant, SystemTime};
use thicket_types::limits::{RECONNECT_AFTER, RECONNECT_SPREAD, SLEPT_MIN};

/// What is watched between two pumps.
#[derive(Debug)]
pub(crate) struct Watch {
    seen: (Instant, SystemTime),
    again: Option<Instant>,
}

impl Watch {
    pub(crate) fn new() -> Watch {
        Watch { seen: (Instant::now(), SystemTime::now()), again: None }
    }

    /// Whether this machine slept since the last look: the world's time went on and the monotonic one stood. A clock that was
    /// set forward looks the same, and costs a login.
    pub(crate) fn slept(&mut self) -> bool {
        let now = (Instant::now(), SystemTime::now());
        let before = std::mem::replace(&mut self.seen, now);
        let wall = now.1.duration_since(before.1).unwrap_or_default();
        is_sleep(now.0.saturating_duration_since(before.0), wall)
    }

    /// The way broke: it is to be made anew after a while, which `chance` spreads, for a relay that comes back meets all its
    /// clients. A repeat changes nothing.
    pub(crate) fn broke(&mut self, now: Instant, chance: u64) {
        let spread = Duration::from_millis(chance % RECONNECT_SPREAD.0);
        self.again.get_or_insert(now + RECONNECT_AFTER.as_core() + spread);
    }

    /// How long until the way is to be made anew.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        self.again.map(|again| again.saturating_duration_since(now))
    }

    /// Whether it is to be made anew now. Says so once.
    pub(crate) fn due(&mut self, now: Instant) -> bool {
        self.again.take_if(|again| *again <= now).is_some()
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
        let mut watch = Watch::new();
        let now = Instant::now();
        assert_eq!((watch.wait(now), watch.due(now)), (None, false));
        watch.broke(now, RECONNECT_SPREAD.0 + 7);
        // A second break on the way puts nothing off.
        watch.broke(now + Duration::from_millis(5), 500);
        let wait = RECONNECT_AFTER.as_core() + Duration::from_millis(7);
        assert_eq!(watch.wait(now), Some(wait));
        assert!(!watch.due(now + wait - Duration::from_millis(1)));
        assert!(watch.due(now + wait));
        assert_eq!((watch.wait(now), watch.due(now + wait)), (None, false));
    }
}
