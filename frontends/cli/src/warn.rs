//! What a person is warned of beside what they asked for: a line each, on standard error.

use crate::Global;
use crate::commands::status::clock;
use std::io::IsTerminal as _;
use thicket_client::View;

/// How far this clock may stand from the relay's before a command that asks the relay says so.
const SKEW_MS_MAX: u64 = 3_600_000;

/// Warns of a clock that is hours off. Nothing stops for it: it is told, and what was asked for is done.
pub fn of_clock(global: &Global, view: &View) {
    if let Some(line) = skewed(view) {
        say(global, &line);
    }
}

fn skewed(view: &View) -> Option<String> {
    let skew = view.skew_ms.filter(|skew| view.online && skew.unsigned_abs() > SKEW_MS_MAX)?;
    let clock = clock(skew);
    Some(format!(
        "WARNING: this clock is {clock}: the times that others see are wrong, and keys are renewed too early or too late. Set it."
    ))
}

fn say(global: &Global, line: &str) {
    note!("{}", global.color.paint(std::io::stderr().is_terminal()).loud(line));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_hours_off_is_told_of() {
        let told = |online: bool, skew_ms: Option<i64>| skewed(&View { online, skew_ms, ..View::default() });
        for near in [None, Some(0), Some(3_600_000), Some(-3_600_000)] {
            assert_eq!(told(true, near), None);
        }
        assert!(told(true, Some(10_800_000)).is_some_and(|line| line.starts_with("WARNING: this clock is 3 h behind the relay's: ")));
        assert!(told(true, Some(i64::MIN)).is_some_and(|line| line.contains("days ahead of the relay's")));
        assert_eq!(told(false, Some(10_800_000)), None, "measured at another time");
    }
}
