//! `thicket-sim`: one seed again, or many.
#![forbid(unsafe_code)]

use clap::Parser;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;
use thicket_sim::life::live;

/// Lives whole lives of two clients and a relay, each from one seed. The last line is JSON.
#[derive(Parser)]
struct Arguments {
    /// Live this seed alone, and say what happened.
    #[arg(long)]
    seed: Option<u64>,
    /// Live so many seeds.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seeds = match arguments.seed {
        Some(seed) => seed..seed.saturating_add(1),
        None => arguments.from..arguments.from.saturating_add(arguments.seeds),
    };
    let since = Instant::now();
    let (mut lives, mut messages, mut deaths, mut records, mut failed) = (0_u64, 0, 0, 0, Vec::new());
    let mut faults: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in seeds {
        let life = live(seed);
        lives += 1;
        messages += life.messages;
        deaths += life.deaths;
        records += life.records;
        for (kind, count) in &life.faults {
            *faults.entry(kind).or_default() += count;
        }
        for wrong in &life.wrongs {
            println!("seed {seed}: {wrong}");
        }
        if arguments.seed.is_some() {
            println!("{life:#?}");
        }
        if !life.wrongs.is_empty() {
            failed.push(seed);
        }
    }
    let faults: Vec<String> = faults.iter().map(|(kind, count)| format!("\"{kind}\":{count}")).collect();
    println!(
        "{{\"seeds\":{lives},\"messages\":{messages},\"deaths\":{deaths},\"events\":{records},\"faults\":{{{}}},\"failed\":{failed:?},\"seconds\":{:.1}}}",
        faults.join(","),
        since.elapsed().as_secs_f64()
    );
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
