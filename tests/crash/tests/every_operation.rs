//! A life that dies at the n-th operation of its disk, for every n: it opens again, each way, to a state that holds all that was
//! acknowledged; and from each n near a row of the table it goes on to the same end.

use std::collections::BTreeSet;
use std::thread::available_parallelism;
use thicket_crash::fake::Fake;
use thicket_crash::life::{Kind, live};
use thicket_crash::log::Row;
use thicket_crash::platter::{How, Operation};
use thicket_crash::points::{Report, live_on_all, places, reopen_all, stratified};
use thicket_crash::real::Real;

const SEED: u64 = 1;

fn threads() -> usize {
    available_parallelism().map_or(1, |threads| threads.get())
}

fn every_operation<K: Kind>(events: u64) {
    let whole = live::<K>(SEED, events, true, false).expect("a life without a crash");
    let mut report = Report::default();
    reopen_all(&whole, threads(), &mut report);
    let places = places(&whole);
    live_on_all(&whole, &places, threads(), &|_| {}, &mut report);
    let failures: Vec<String> = report.failures.iter().map(|failure| failure.told(K::WORD, events, SEED)).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    // That each fault point fired: every operation was the last, every row was died near, and there was something to lose.
    assert_eq!(report.reopened.get(&How::AsItIs), Some(&whole.log.operations()));
    assert!(How::ALL.iter().all(|how| report.reopened.get(how).is_some_and(|count| *count > 100)), "{report:?}");
    let rows: BTreeSet<Row> = report.went_on.keys().map(|(row, _)| *row).collect();
    assert_eq!(rows, Row::ALL.into_iter().collect());
}

#[test]
fn a_life_with_the_fake_vault_goes_on_from_every_operation() {
    every_operation::<Fake>(300);
}

#[test]
fn a_life_with_the_real_vault_goes_on_from_every_operation() {
    every_operation::<Real>(60);
}

#[test]
fn a_month_with_the_real_vault_goes_on_from_points_of_it() {
    // Texts both ways, snapshots, reopens, deletions, renewals, and segments that retire.
    const EVENTS: u64 = 440;
    let whole = live::<Real>(SEED, EVENTS, true, false).expect("a life without a crash");
    let retires = |operation: &Operation| matches!(operation, Operation::Remove { file } if file.starts_with("journal/"));
    assert!(whole.log.kept().iter().any(retires), "no segment retires");
    let mut report = Report::default();
    let points = stratified(&places(&whole), 16, SEED);
    live_on_all(&whole, &points, threads(), &|_| {}, &mut report);
    let failures: Vec<String> = report.failures.iter().map(|failure| failure.told(Real::WORD, EVENTS, SEED)).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A test of the test: what holds on a disk that syncs does not hold on one that says so.
fn a_disk_that_syncs_nothing<K: Kind>() {
    let whole = live::<K>(SEED, 60, true, true).expect("a life without a crash");
    let mut report = Report::default();
    reopen_all(&whole, threads(), &mut report);
    let found: BTreeSet<How> = report.failures.iter().map(|failure| failure.how).collect();
    assert_eq!(found, BTreeSet::from([How::Unsynced]), "only a loss of power shows it");
    assert!(report.failures.iter().any(|failure| failure.wrong.contains("was acknowledged")), "{:?}", report.failures.first());
}

#[test]
fn a_disk_that_syncs_nothing_is_found_out() {
    a_disk_that_syncs_nothing::<Fake>();
}

#[test]
fn a_disk_that_syncs_no_vault_is_found_out() {
    a_disk_that_syncs_nothing::<Real>();
}
