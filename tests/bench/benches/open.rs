//! Opening an account of a million events, after the keys are derived; and going to places of its journal.
#![forbid(unsafe_code)]
#![allow(missing_docs, clippy::expect_used)]

use clap::Parser;
use std::fs;
use std::time::Instant;
use thicket_bench::document;
use thicket_bench::life::{Life, keys, open};
use thicket_bench::machine::{commit, machine};
use thicket_bench::rounds::{Chance, Judged, judge, median};
use thicket_engine::OsDisk;
use thicket_replay::Replay;
use thicket_types::ids::Seq;
use thicket_types::limits::SNAPSHOT_EVERY;

/// Milliseconds.
const SNAPSHOT_MAX: f64 = 200.0;
const WHOLE_MAX: f64 = 800.0;
const JUMP_MAX: f64 = 100.0;
const JUMPS: usize = 50;

/// Measures opens and jumps.
#[derive(Parser)]
struct Options {
    /// Rounds; a bound is judged on 20 or more.
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// Records of the life.
    #[arg(long, default_value_t = 1_000_000)]
    records: u64,
    /// Writes the figures into docs/PERFORMANCE.md.
    #[arg(long)]
    write: bool,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let options = Options::parse();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder to write into");
    let folder = folder.path().join("life");
    let mut life = Life::begin(&folder, 1);
    // The longest tail that an open meets: one record more, and there would be another snapshot.
    life.go_on(options.records.saturating_sub(SNAPSHOT_EVERY - 64));
    life.snapshot();
    life.go_on(options.records);
    let (mix, after) = (life.mix(), life.state().clone());
    drop(life);

    let (snapshots, away) = (folder.join("snapshots"), folder.join("away"));
    let (mut short, mut whole) = (Vec::new(), Vec::new());
    let ms = |began: Instant| began.elapsed().as_secs_f64() * 1e3;
    for round in 0..=options.rounds {
        let unlocked = keys(&folder);
        let began = Instant::now();
        let engine = open(&folder, unlocked);
        let from_snapshot = ms(began);
        assert!(*engine.state() == after, "the state that it was left in");
        drop(engine);
        fs::rename(&snapshots, &away).expect("a snapshot");
        let unlocked = keys(&folder);
        let began = Instant::now();
        let engine = open(&folder, unlocked);
        let replayed = ms(began);
        assert!(*engine.state() == after, "the state that it was left in");
        drop(engine);
        fs::rename(&away, &snapshots).expect("a snapshot");
        if round > 0 {
            short.push(from_snapshot);
            whole.push(replayed);
        }
    }

    let (mut disk, unlocked) = (OsDisk::new(&folder), keys(&folder));
    let began = Instant::now();
    let replay = Replay::read(&mut disk, &unlocked, &mut |_| {}).expect("a life");
    let read = ms(began);
    let mut chance = Chance(5);
    let mut jumps = Vec::new();
    for _ in 0..JUMPS {
        let place = Seq(replay.first().0 + chance.below(replay.last().0));
        let began = Instant::now();
        let state = replay.at(&mut disk, &unlocked, place).expect("a life");
        jumps.push(ms(began));
        assert!(state.is_some(), "a place that it reaches");
    }
    let worst = jumps.iter().copied().fold(0.0, f64::max);

    let word = |missed: bool, of: f64, bound: f64| {
        if missed { format!("{bound:.0}: missed, {:.2} × it", of / bound) } else { format!("{bound:.0}: met") }
    };
    let line = |what: &str, judged: Judged, bound: f64| {
        let Judged { median, low, high } = judged;
        format!("| {what} | {median:.1} ({low:.1}–{high:.1}) | {} |\n", word(judged.exceeds(bound), median, bound))
    };
    let table = format!(
        "| milliseconds | | bound |\n|---|---|---|\n{}{}| a jump to one of {JUMPS} places, median | {:.1} | {} |\n| the same, worst | {worst:.1} | {} |\n| reading the journal once, before any jump | {read:.0} | |\n",
        line("open, from a snapshot and the longest tail", judge(&short), SNAPSHOT_MAX),
        line("open, by full replay", judge(&whole), WHOLE_MAX),
        median(&jumps),
        word(median(&jumps) > JUMP_MAX, median(&jumps), JUMP_MAX),
        word(worst > JUMP_MAX, worst, JUMP_MAX),
    );
    println!("{}\n\n{table}", mix.line());
    if options.write {
        let text = format!(
            "Commit {}, {}; `cargo bench -p thicket-bench --bench open -- --write`.\n{}.\n\n{table}",
            commit(),
            machine(),
            mix.line()
        );
        document::write("open", &text).expect("docs/PERFORMANCE.md");
    }
}
