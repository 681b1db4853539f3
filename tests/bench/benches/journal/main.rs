//! The journal beside what one would pick instead: one process, one folder, interleaved rounds.
//!
//! Everything is given the same batches of records and must have them durable before the next. Nothing preallocates: a file grows with
//! what is written to it. What cannot be told not to is set beside a floor that preallocates too.
#![forbid(unsafe_code)]
#![allow(missing_docs, clippy::expect_used)]

mod measured;
mod picture;
mod sealing;

use clap::Parser;
use measured::{Batch, Measured, floor, open_wal, ours, redb, sqlite, write_ahead};
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;
use thicket_bench::document;
use thicket_bench::machine::{commit, machine, written};
use thicket_bench::rounds::{Judged, judge, median, order};

/// Records of a batch, and how many batches a round has: enough for a median that one slow sync does not move.
const BATCHES: [(usize, usize); 4] = [(1, 24), (8, 24), (64, 16), (512, 8)];
/// Bytes of a record, its head included.
const RECORD_LEN: usize = 256;
/// A durable append against the floor.
const APPEND_MAX: f64 = 1.2;
/// Bytes written against those of the records, at a batch of 64.
const WRITTEN_MAX: f64 = 1.1;
/// Processor time that sealing adds.
const SEALING_MAX: f64 = 0.1;

/// Measures durable appends.
#[derive(Parser)]
struct Options {
    /// Rounds; a bound is judged on 20 or more.
    #[arg(long, default_value_t = 30)]
    rounds: usize,
    /// The folder that everything writes into: on the disk that is meant.
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    folder: PathBuf,
    /// Leaves everything out but this one and the floors.
    #[arg(long, conflicts_with = "write")]
    only: Option<String>,
    /// Prints JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Writes table and picture into docs/.
    #[arg(long)]
    write: bool,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What the rounds of one of them came to, at one batch.
struct Line {
    name: &'static str,
    floor: &'static str,
    records: usize,
    us: f64,
    ratio: Judged,
    /// Bytes given to the system against those of the records.
    written: f64,
}

fn main() {
    let options = Options::parse();
    let folder = tempfile::tempdir_in(&options.folder).expect("a folder to write into");
    let mut all: Vec<Box<dyn Measured>> = vec![
        Box::new(floor::Floor::new(folder.path(), false)),
        Box::new(ours::Ours::new(folder.path())),
        Box::new(sqlite::Sqlite::new(folder.path())),
        Box::new(redb::Redb::new(folder.path())),
        Box::new(write_ahead::Logged::new(folder.path())),
        Box::new(floor::Floor::new(folder.path(), true)),
        Box::new(open_wal::Logged::new(folder.path())),
    ];
    if let Some(only) = &options.only {
        all.retain(|measured| measured.name() == only || measured.name() == measured.floor());
    }
    let lines = measure(&mut all, options.rounds);
    drop(all);
    let sealing = sealing::measure(folder.path(), options.rounds);

    if options.json {
        println!("{}", as_json(&lines, &sealing));
    } else {
        println!("{}", as_text(&lines, &sealing));
    }
    if options.write {
        let table = format!(
            "Commit {}, {}; `cargo bench -p thicket-bench --bench journal -- --write`.\n\n{}",
            commit(),
            machine(),
            as_markdown(&lines, &sealing)
        );
        document::write("journal", &table).expect("docs/PERFORMANCE.md");
        std::fs::write(document::docs().join("performance-journal.svg"), picture::draw(&lines)).expect("docs/");
    }
}

fn measure(all: &mut [Box<dyn Measured>], rounds: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut number = 0;
    for (records, commits) in BATCHES {
        let mut times: Vec<Vec<f64>> = all.iter().map(|_| Vec::new()).collect();
        let mut bytes: Vec<u64> = all.iter().map(|_| 0).collect();
        // The first round opens files and fills caches; it does not count.
        for round in 0..=rounds {
            let mut batches: Vec<Batch> = (0..commits)
                .map(|_| {
                    number += 1;
                    Batch::new(number, records, RECORD_LEN)
                })
                .collect();
            for which in order(all.len(), round) {
                let before = written();
                let measured = &mut all[which];
                let each: Vec<f64> = batches
                    .iter_mut()
                    .map(|batch| {
                        let began = Instant::now();
                        measured.append(batch);
                        began.elapsed().as_secs_f64() * 1e6
                    })
                    .collect();
                let after = written();
                if round > 0 {
                    times[which].push(median(&each));
                    bytes[which] += after.zip(before).map_or(0, |(after, before)| after - before);
                }
            }
        }
        let payload = (rounds * commits * records * RECORD_LEN) as f64;
        for (which, measured) in all.iter().enumerate() {
            let floor = all.iter().position(|other| other.name() == measured.floor()).expect("a floor");
            let ratios: Vec<f64> = times[which].iter().zip(&times[floor]).map(|(time, floor)| time / floor).collect();
            lines.push(Line {
                name: measured.name(),
                floor: measured.floor(),
                records,
                us: median(&times[which]),
                ratio: judge(&ratios),
                written: bytes[which] as f64 / payload,
            });
        }
    }
    lines
}

fn verdict(missed: bool) -> &'static str {
    if missed { "missed" } else { "met" }
}

fn names(lines: &[Line]) -> Vec<(&'static str, &'static str)> {
    let mut names: Vec<_> = lines.iter().map(|line| (line.name, line.floor)).collect();
    names.truncate(lines.len() / BATCHES.len());
    names
}

fn of<'a>(lines: &'a [Line], name: &str) -> Vec<&'a Line> {
    lines.iter().filter(|line| line.name == name).collect()
}

/// What was judged, and how.
fn verdicts(lines: &[Line], sealing: &sealing::Sealing) -> Vec<String> {
    let mut said = Vec::new();
    for line in of(lines, ours::NAME) {
        let Judged { median, low, high } = line.ratio;
        let word = verdict(line.ratio.exceeds(APPEND_MAX));
        said.push(format!("append, batch {}: {median:.2} ({low:.2}–{high:.2}) of the floor, bound {APPEND_MAX}: {word}", line.records));
        if line.records == 64 {
            said.push(format!(
                "written, batch 64: {:.3} of the records, bound {WRITTEN_MAX}: {}",
                line.written,
                verdict(line.written > WRITTEN_MAX)
            ));
        }
    }
    let Judged { median, low, high } = sealing.seal;
    said.push(format!(
        "sealing, batch 64: {:.1} % ({:.1}–{:.1}) more processor time, bound {:.0} %: {}",
        median * 100.0,
        low * 100.0,
        high * 100.0,
        SEALING_MAX * 100.0,
        verdict(sealing.seal.exceeds(SEALING_MAX))
    ));
    said.push(format!("with the chain's hash: {:.1} % more than a copy without either", sealing.seal_and_chain.median * 100.0));
    said
}

fn as_text(lines: &[Line], sealing: &sealing::Sealing) -> String {
    let mut text = String::from("one durable batch: median us, and x its floor (95 % interval)\n\n");
    text += &format!("{:<22}{:>6}{:>9}{:>7}{:>15}{:>10}\n", "", "batch", "us", "ratio", "interval", "written");
    for line in lines {
        let Judged { median, low, high } = line.ratio;
        let interval = format!("{low:.2}–{high:.2}");
        text += &format!("{:<22}{:>6}{:>9.0}{median:>7.2}{interval:>15}{:>10.3}\n", line.name, line.records, line.us, line.written);
    }
    text + "\n" + &verdicts(lines, sealing).join("\n")
}

fn as_markdown(lines: &[Line], sealing: &sealing::Sealing) -> String {
    let heads: Vec<String> = BATCHES.iter().map(|(records, _)| format!(" {records} |")).collect();
    let mut text =
        format!("| × its floor, at batches of |{} written, at 64 |\n|---|{}---|\n", heads.concat(), "---|".repeat(BATCHES.len()));
    for (name, floor) in names(lines) {
        let cells: Vec<String> = of(lines, name)
            .iter()
            .map(|line| {
                let Judged { median, low, high } = line.ratio;
                if name == floor { format!(" {:.0} µs |", line.us) } else { format!(" {median:.2} ({low:.2}–{high:.2}) |") }
            })
            .collect();
        let written = of(lines, name).iter().find(|line| line.records == 64).map_or(0.0, |line| line.written);
        text += &format!("| {name} |{} {written:.2} |\n", cells.concat());
    }
    for said in verdicts(lines, sealing) {
        text += &format!("\n- {said}");
    }
    text
}

fn as_json(lines: &[Line], sealing: &sealing::Sealing) -> serde_json::Value {
    let interval = |judged: &Judged| json!({ "median": judged.median, "low": judged.low, "high": judged.high });
    let appends: Vec<_> = lines
        .iter()
        .map(|line| {
            json!({
                "name": line.name, "floor": line.floor, "records": line.records, "us": line.us,
                "ratio": interval(&line.ratio), "written": line.written,
            })
        })
        .collect();
    json!({
        "commit": commit(), "machine": machine(), "record_len": RECORD_LEN, "appends": appends,
        "sealing": interval(&sealing.seal), "sealing_and_chain": interval(&sealing.seal_and_chain),
    })
}
