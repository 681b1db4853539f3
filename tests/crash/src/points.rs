//! Where a life is interrupted, and whether it opens again and goes on.

use crate::life::{Kind, Whole, Wrong, live_on, reopen};
use crate::log::{Death, Row};
use crate::platter::{Dice, How, Platter};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Operations from one place to the next that is near no row.
const EVERY: u64 = 100;

/// A place in a life to die at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Point {
    /// The last operation that is done.
    pub at: u64,
    /// Whether the process dies as it asks for the next one.
    pub late: bool,
    /// The row that it is near.
    pub row: Row,
}

/// A crash that went wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Where.
    pub at: u64,
    /// Whether the process died as it asked for the next operation; `None` if it was only opened again.
    pub late: Option<bool>,
    /// What was left of the disk.
    pub how: How,
    /// What went wrong.
    pub wrong: Wrong,
}

impl Failure {
    /// What is printed of it: what went wrong, and the command that repeats it.
    pub fn told(&self, vault: &str, events: u64, seed: u64) -> String {
        let Failure { at, late, how, wrong } = self;
        let (word, option) = (how.word(), how.word().replace(' ', "-"));
        let late = if *late == Some(true) { " --late" } else { "" };
        format!(
            "operation {at}, {word}: {wrong}\n  thicket-crash --vault {vault} --events {events} --seed {seed} \\\n    --at {at} --how {option}{late}"
        )
    }
}

/// What became of all crashes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Disks that opened again, by what was left of them.
    pub reopened: BTreeMap<How, u64>,
    /// Lives that went on to the same end, by the row that they died near and what was left of their disks.
    pub went_on: BTreeMap<(Row, How), u64>,
    /// What went wrong.
    pub failures: Vec<Failure>,
}

/// Everywhere that a life is to go on from: near each row, and at each hundredth operation.
pub fn places<K>(whole: &Whole<K>) -> Vec<Point> {
    let operations = whole.log.operations();
    let marked = whole.log.marks().into_iter().map(|(at, row)| {
        // What is sent is sent when the next operation is asked for; so is a vault's transaction begun.
        let late = matches!(row, Row::Send | Row::Transaction);
        Point { at, late, row }
    });
    let others = (1..operations / EVERY).map(|hundreds| Point { at: hundreds * EVERY, late: hundreds % 2 == 0, row: Row::Else });
    let all: BTreeSet<Point> = marked.chain(others).filter(|point| point.at > 0 && point.at < operations).collect();
    all.into_iter().collect()
}

/// So many of these, spread evenly over each row, and in each row over the life.
pub fn stratified(places: &[Point], count: usize, seed: u64) -> Vec<Point> {
    let mut rows: BTreeMap<Row, Vec<Point>> = BTreeMap::new();
    for point in places {
        rows.entry(point.row).or_default().push(*point);
    }
    let mut dice = Dice::new(seed);
    let (mut left, mut rows_left) = (count, rows.len());
    let mut taken = Vec::new();
    let mut rows: Vec<Vec<Point>> = rows.into_values().collect();
    // What a small row does not fill is left to the larger ones.
    rows.sort_by_key(Vec::len);
    for row in rows {
        let strata = (left / rows_left.max(1)).min(row.len());
        for stratum in 0..strata {
            let (from, to) = (row.len() * stratum / strata, row.len() * (stratum + 1) / strata);
            taken.extend(row.get(from + dice.below(to - from)));
        }
        left -= strata;
        rows_left -= 1;
    }
    taken.sort();
    taken
}

/// What is left of a disk is by the same chance each time.
fn chance(seed: u64, at: u64) -> u64 {
    seed ^ at.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Opens what is left of the disk after each operation, each way. The life must have kept its operations.
pub fn reopen_all<K: Kind>(whole: &Whole<K>, threads: usize, report: &mut Report) {
    let (disks, queue) = sync_channel(2 * threads);
    let queue = Mutex::new(queue);
    let done = Mutex::new(report);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((at, how, files)) = next(&queue) {
                    // A torn write is that of the last operation: what was promised was promised before it.
                    let promised = whole.log.promised(if how == How::Torn { at - 1 } else { at });
                    let vault_at = if how == How::Torn { at - 1 } else { at };
                    let opened = reopen(whole, vault_at, promised, files);
                    let mut report = done.lock().unwrap_or_else(PoisonError::into_inner);
                    match opened {
                        Ok(_) => *report.reopened.entry(how).or_default() += 1,
                        Err(wrong) => report.failures.push(Failure { at, late: None, how, wrong }),
                    }
                }
            });
        }
        let mut platter = Platter::new(whole.before.clone());
        for (at, operation) in (1..).zip(whole.log.kept()) {
            if let Some(files) = platter.torn(&operation, chance(whole.seed, at)) {
                let _ = disks.send((at, How::Torn, files));
            }
            platter.perform(&operation);
            let _ = disks.send((at, How::AsItIs, platter.as_it_is()));
            // Where all is synced there is nothing to lose.
            if !platter.is_synced() {
                let _ = disks.send((at, How::Unsynced, platter.unsynced(chance(whole.seed, at))));
            }
        }
        drop(disks);
    });
}

pub(crate) fn next<T>(queue: &Mutex<Receiver<T>>) -> Option<T> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// Lives on from each of these points, each way; `told` hears how many are done.
pub fn live_on_all<K: Kind>(whole: &Whole<K>, points: &[Point], threads: usize, told: &(dyn Fn(usize) + Sync), report: &mut Report) {
    let writes = whole.log.writes();
    let is_write = |at: u64| usize::try_from(at - 1).ok().and_then(|at| writes.get(at)).copied().unwrap_or(false);
    let deaths: Vec<(Point, How)> = points
        .iter()
        .flat_map(|point| How::ALL.into_iter().map(|how| (*point, how)))
        // Only a write tears, and it does so before anything comes of it.
        .filter(|(point, how)| *how != How::Torn || is_write(point.at) && !point.late)
        .collect();
    let (begun, done) = (AtomicUsize::new(0), Mutex::new((0, report)));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((point, how)) = deaths.get(begun.fetch_add(1, Ordering::Relaxed)).copied() {
                    let lived = one(whole, point.at, point.late, how);
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    match lived {
                        Ok(()) => *done.1.went_on.entry((point.row, how)).or_default() += 1,
                        Err(wrong) => done.1.failures.push(Failure { at: point.at, late: Some(point.late), how, wrong }),
                    }
                    done.0 += 1;
                    told(done.0);
                }
            });
        }
    });
}

/// Lives on from one point, one way.
///
/// **Errors:** what went wrong.
pub fn one<K: Kind>(whole: &Whole<K>, at: u64, late: bool, how: How) -> Result<(), Wrong> {
    live_on(whole, Death { at, late, how, seed: chance(whole.seed, at) })
}
