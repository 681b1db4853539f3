//! What relayd tells its operator, on standard error: that it runs, how much it does, and what fails. Nothing of it is
//! of one client: no name, no address, no mailbox, no key.

use clap::ValueEnum;
use std::io::Write as _;
use std::time::Duration;
use thicket_relay::Counts;

/// How much is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum)]
pub enum Level {
    /// Faults alone.
    Quiet,
    /// Start and stop too, and counters every five minutes.
    Normal,
}

/// One line, and the level at which it is told.
#[derive(PartialEq, Eq, Debug)]
pub struct Line(pub Level, pub String);

impl Line {
    /// What goes as it should.
    pub fn note(words: impl Into<String>) -> Line {
        Line(Level::Normal, words.into())
    }

    /// What does not, and that it does again.
    pub fn fault(words: impl Into<String>) -> Line {
        Line(Level::Quiet, words.into())
    }
}

impl Level {
    /// Writes a line, if this level has it. Who closed standard error reads none.
    pub fn tell(self, Line(level, words): &Line) {
        if *level <= self {
            let _ = writeln!(std::io::stderr(), "thicket-relayd: {words}");
        }
    }
}

/// How often counters are told.
const COUNTERS_EVERY: Duration = Duration::from_secs(300);
/// How long the store must not have failed to be said to work again.
const WORKS_AFTER: Duration = Duration::from_secs(60);

/// Looks at a relay's counters, and finds what there is to tell.
#[derive(Default)]
pub struct Watch {
    /// How they stood when they were told last, and when that was.
    told: Counts,
    told_at: Duration,
    /// How they stood at the last look.
    seen: Counts,
    /// When the store was last seen to have failed, if that is not over.
    failed_at: Option<Duration>,
}

impl Watch {
    /// Looks at the counters, at a time since the start. A store that fails is told of once, until it works again.
    pub fn look(&mut self, now: Duration, counts: Counts) -> Vec<Line> {
        let mut lines = Vec::new();
        if counts.failed > self.seen.failed {
            if self.failed_at.is_none() {
                lines.push(Line::fault("the store failed; what it could not keep was not answered, and clients ask again"));
            }
            self.failed_at = Some(now);
        } else if self.failed_at.is_some_and(|at| now.saturating_sub(at) >= WORKS_AFTER) {
            lines.push(Line::fault("the store works again"));
            self.failed_at = None;
        }
        self.seen = counts;
        if now.saturating_sub(self.told_at) >= COUNTERS_EVERY {
            lines.push(Line::note(format!("in {} s: {}", now.saturating_sub(self.told_at).as_secs(), since(self.told, counts))));
            (self.told, self.told_at) = (counts, now);
        }
        lines
    }
}

/// What there was between two moments.
pub fn since(before: Counts, now: Counts) -> String {
    let Counts { handled, refused, stored, failed } = now;
    format!(
        "{} requests, {} refused; {} items stored; {} failures of the store",
        handled.saturating_sub(before.handled),
        refused.saturating_sub(before.refused),
        stored.saturating_sub(before.stored),
        failed.saturating_sub(before.failed),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn counters_are_told_every_five_minutes_and_since_the_last_time() {
        let mut watch = Watch::default();
        let counts = |handled| Counts { handled, refused: handled / 10, stored: handled / 2, failed: 0 };
        assert_eq!(watch.look(at(299), counts(100)), []);
        let first = "in 300 s: 120 requests, 12 refused; 60 items stored; 0 failures of the store";
        assert_eq!(watch.look(at(300), counts(120)), [Line::note(first)]);
        assert_eq!(watch.look(at(599), counts(120)), []);
        let second = "in 301 s: 20 requests, 2 refused; 10 items stored; 0 failures of the store";
        assert_eq!(watch.look(at(601), counts(140)), [Line::note(second)]);
    }

    #[test]
    fn a_store_that_fails_is_told_of_once_and_when_it_works_again() {
        let mut watch = Watch::default();
        let failed = |failed| Counts { failed, ..Counts::default() };
        let mut told = Vec::new();
        for (second, failures) in [(1, 0), (2, 1), (3, 6), (50, 7), (109, 7), (110, 7), (111, 7), (112, 8)] {
            told.extend(watch.look(at(second), failed(failures)).into_iter().map(|line| (second, line)));
        }
        let [(2, Line(Level::Quiet, fails)), (110, Line(Level::Quiet, works)), (112, Line(Level::Quiet, again))] = told.as_slice() else {
            panic!("{told:?}");
        };
        assert!(fails.contains("failed") && works.contains("works again") && fails == again);
    }
}
