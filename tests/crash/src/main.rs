//! `thicket-crash`: a life that dies at any operation of its disk, opens again, and goes on.
#![forbid(unsafe_code)]

use clap::{Parser, ValueEnum};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use thicket_crash::fake::Fake;
use thicket_crash::kills::{kill, live_on};
use thicket_crash::life::{Kind, Whole, Wrong, live};
use thicket_crash::log::Row;
use thicket_crash::making::{Act, Found, Given, interrupt};
use thicket_crash::platter::How;
use thicket_crash::points::{Report, live_on_all, one, places, reopen_all, stratified};
use thicket_crash::real::Real;

/// Lives a scripted life once, then again and again, dying at the n-th
/// operation of its disk: with the disk as it is, with the last write torn,
/// and with what was not synced lost in random order. Each time the profile
/// opens to a state that holds all that was acknowledged, and the life goes on
/// to the same end.
#[derive(Parser)]
#[command(max_term_width = 80)]
struct Arguments {
    /// Events of the life, at least.
    #[arg(long, default_value_t = 300)]
    events: u64,
    /// Go on from so many points, spread over all. Without it every operation
    /// is tried, and the life goes on from every one near a row.
    #[arg(long)]
    points: Option<usize>,
    /// The seed of the life and of the crashes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The vault.
    #[arg(long, value_enum, default_value_t = Vault::Fake)]
    vault: Vault,
    /// Die at this operation alone.
    #[arg(long)]
    at: Option<u64>,
    /// With --at: what is left of the disk.
    #[arg(long, value_enum, default_value_t = Left::AsItIs, requires = "at")]
    how: Left,
    /// With --at: die as the next operation is asked for.
    #[arg(long, requires = "at")]
    late: bool,
    /// Instead of that, make a profile, restore one and delete one, each
    /// interrupted at every operation.
    #[arg(long, conflicts_with_all = ["points", "at", "kills"])]
    making: bool,
    /// Lives at a time.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Instead of that, kill a process so often with SIGKILL, on the file
    /// system that is there, with a relay over real sockets.
    #[arg(long, conflicts_with_all = ["points", "at"])]
    kills: Option<usize>,
    /// The process that is killed: alice's folder.
    #[arg(long, hide = true, requires = "from")]
    live: Option<PathBuf>,
    #[arg(long, hide = true)]
    from: Option<u64>,
    #[arg(long, hide = true)]
    until: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Vault {
    Fake,
    Real,
}

#[derive(Clone, Copy, ValueEnum)]
enum Left {
    AsItIs,
    Torn,
    Unsynced,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let (Some(home), Some(from)) = (&arguments.live, arguments.from) {
        return ended(live_on(home, from, arguments.until));
    }
    if let Some(kills) = arguments.kills {
        return ended(killed(kills, arguments.seed));
    }
    if arguments.making {
        return ended(made(arguments.seed, arguments.threads));
    }
    match arguments.vault {
        Vault::Fake => run::<Fake>(&arguments),
        Vault::Real => run::<Real>(&arguments),
    }
}

fn ended(done: Result<(), Wrong>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            eprintln!("{wrong}");
            ExitCode::FAILURE
        }
    }
}

fn killed(kills: usize, seed: u64) -> Result<(), Wrong> {
    let since = Instant::now();
    let failed = |error: std::io::Error| format!("no place to live: {error}");
    let place = tempfile::TempDir::new().map_err(failed)?;
    let told = |done: usize| {
        if done.is_multiple_of(20) {
            println!("{done} kills, {} s", since.elapsed().as_secs());
        }
    };
    let report = kill(&std::env::current_exe().map_err(failed)?, place.path(), kills, seed, &told)?;
    for (at, count) in &report.after {
        println!("killed after {at:<12}{count:>6}");
    }
    let [hers, his] = report.messages;
    println!("{} steps, {hers} messages there and {his} back: none lost, none doubled", report.steps);
    println!("went on to the same end, {} s", since.elapsed().as_secs());
    Ok(())
}

fn made(seed: u64, threads: usize) -> Result<(), Wrong> {
    let since = Instant::now();
    let given = Given::new(seed)?;
    println!("{:<24}{:>10}{:>10}{:>10}", "", "as it is", "torn", "unsynced");
    let mut failures = 0;
    for act in Act::ALL {
        let report = interrupt(&given, act, seed, false, threads)?;
        println!("{}, {} operations", act.word(), report.operations);
        for (name, counts) in [("", &report.found), ("begun anew, ", &report.again)] {
            for (found, word) in [(Found::Whole, "whole"), (Found::None, "none")] {
                let counts = How::ALL.map(|how| counts.get(&(how, found)).copied().unwrap_or_default());
                println!("{:<24}{:>10}{:>10}{:>10}", format!("  {name}{word}"), counts[0], counts[1], counts[2]);
            }
        }
        report.failures.iter().for_each(|failure| println!("{failure}\n  thicket-crash --making --seed {seed}"));
        failures += report.failures.len();
    }
    println!("{failures} failures, {} s", since.elapsed().as_secs());
    if failures == 0 { Ok(()) } else { Err(format!("{failures} failures")) }
}

fn run<K: Kind>(arguments: &Arguments) -> ExitCode {
    let since = Instant::now();
    let all = arguments.points.is_none() && arguments.at.is_none();
    let whole = match live::<K>(arguments.seed, arguments.events, all, false) {
        Ok(whole) => whole,
        Err(wrong) => {
            eprintln!("the life fails without a crash: {wrong}");
            return ExitCode::FAILURE;
        }
    };
    let (operations, records) = (whole.log.operations(), whole.digests.len());
    println!("{} steps, {records} events, {operations} operations, {} vault", whole.steps, K::WORD);
    if let Some(at) = arguments.at {
        return alone(&whole, at, arguments);
    }
    let mut report = Report::default();
    if all {
        reopen_all(&whole, arguments.threads, &mut report);
        println!("opened again after each operation: {} s", since.elapsed().as_secs());
    }
    let places = places(&whole);
    let points = arguments.points.map_or(places.clone(), |count| stratified(&places, count, arguments.seed));
    println!("goes on from {} of {} points", points.len(), places.len());
    let told = |done: usize| {
        if done.is_multiple_of(100) {
            println!("{done} lives, {} s", since.elapsed().as_secs());
        }
    };
    live_on_all(&whole, &points, arguments.threads, &told, &mut report);
    table(&report);
    for failure in &report.failures {
        println!("{}", failure.told(K::WORD, arguments.events, arguments.seed));
    }
    println!("{} failures, {} s", report.failures.len(), since.elapsed().as_secs());
    if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn alone<K: Kind>(whole: &Whole<K>, at: u64, arguments: &Arguments) -> ExitCode {
    let how = match arguments.how {
        Left::AsItIs => How::AsItIs,
        Left::Torn => How::Torn,
        Left::Unsynced => How::Unsynced,
    };
    match one(whole, at, arguments.late, how) {
        Ok(()) => {
            println!("it went on to the same end");
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            println!("operation {at}, {}: {wrong}", how.word());
            ExitCode::FAILURE
        }
    }
}

fn table(report: &Report) {
    println!("{:<16}{:>10}{:>10}{:>10}", "", "as it is", "torn", "unsynced");
    let line = |name: &str, counts: [u64; 3]| println!("{name:<16}{:>10}{:>10}{:>10}", counts[0], counts[1], counts[2]);
    line("opened again", How::ALL.map(|how| report.reopened.get(&how).copied().unwrap_or_default()));
    let rows: BTreeSet<Row> = report.went_on.keys().map(|(row, _)| *row).collect();
    for row in rows {
        line(row.word(), How::ALL.map(|how| report.went_on.get(&(row, how)).copied().unwrap_or_default()));
    }
}
