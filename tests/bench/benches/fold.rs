//! How many events a second fold, on one core, of the defined life whose records are in memory already.
#![forbid(unsafe_code)]
#![allow(missing_docs, clippy::expect_used)]

use clap::Parser;
use std::hint::black_box;
use std::time::Instant;
use thicket_bench::document;
use thicket_bench::life::{Life, keys};
use thicket_bench::machine::{commit, machine};
use thicket_bench::rounds::{Judged, judge};
use thicket_engine::{OsDisk, walk};
use thicket_journal_format::event::Record;
use thicket_reducer::ClientRules;
use thicket_types::ports::{Place, Reducer as _};

/// Events a second.
const FOLD_MIN: f64 = 2_000_000.0;

/// Measures the fold.
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
    life.go_on(options.records);
    let mix = life.mix();
    let after = life.state().clone();
    drop(life);

    let mut records: Vec<(Place, Record)> = Vec::new();
    walk(&mut OsDisk::new(&folder), &keys(&folder), None, &mut |walked| records.push((walked.place, walked.record.clone())))
        .expect("a life");
    let mut encoded = Vec::new();
    records.iter().for_each(|(_, record)| record.encode(&mut encoded).expect("a record"));

    let (mut folds, mut decodes) = (Vec::new(), Vec::new());
    // The first fills the caches; it does not count.
    for round in 0..=options.rounds {
        let mut state = ClientRules::fresh();
        let began = Instant::now();
        for (place, record) in &records {
            black_box(ClientRules::reduce(ClientRules::RULES, &mut state, *place, &record.event));
        }
        let fold = records.len() as f64 / began.elapsed().as_secs_f64();
        assert!(state == after, "the same state as when it was lived");
        let began = Instant::now();
        let mut rest = encoded.as_slice();
        while !rest.is_empty() {
            let (record, after) = Record::take(rest).expect("a record");
            black_box(record);
            rest = after;
        }
        let decode = records.len() as f64 / began.elapsed().as_secs_f64();
        if round > 0 {
            folds.push(fold);
            decodes.push(decode);
        }
    }
    let line = |what: &str, judged: Judged, bound: &str| {
        format!("| {what} | {:.2} ({:.2}–{:.2}) million | {bound} |\n", judged.median / 1e6, judged.low / 1e6, judged.high / 1e6)
    };
    let folds = judge(&folds);
    let word = if folds.falls_short_of(FOLD_MIN) {
        format!("2: missed, {:.0} % of it", folds.median / FOLD_MIN * 100.0)
    } else {
        "2: met".to_owned()
    };
    let table = format!(
        "| events a second, one core | | bound |\n|---|---|---|\n{}{}",
        line("fold", folds, &word),
        line("decode, beside it", judge(&decodes), "")
    );
    println!("{}\n\n{table}", mix.line());
    if options.write {
        let text = format!(
            "Commit {}, {}; `cargo bench -p thicket-bench --bench fold -- --write`.\n{}.\n\n{table}",
            commit(),
            machine(),
            mix.line()
        );
        document::write("fold", &text).expect("docs/PERFORMANCE.md");
    }
}
