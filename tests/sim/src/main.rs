//! `thicket-sim`: one seed again, or many.
#![forbid(unsafe_code)]

use clap::Parser;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use thicket_sim::life::live_in;
use thicket_sim::world::World;

/// Lives whole lives of two clients and a relay, each from one seed. The last line is JSON.
#[derive(Parser)]
struct Arguments {
    /// Live this seed alone, and say what happened.
    #[arg(long)]
    seed: Option<u64>,
    /// With --seed: print everybody's journal to files in this folder, a line a record and a line an effect.
    #[arg(long, requires = "seed")]
    journals: Option<PathBuf>,
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
    let (mut lives, mut failed) = (0_u64, Vec::new());
    let mut faults: BTreeMap<&str, u64> = BTreeMap::new();
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in seeds {
        let (life, world) = live_in(seed);
        if let Some(folder) = &arguments.journals
            && let Err(error) = print(&world, folder)
        {
            eprintln!("the journals could not be printed: {error}");
        }
        lives += 1;
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        for (what, count) in [
            ("messages", count(life.messages)),
            ("cancelled", count(life.cancelled)),
            ("deaths", life.deaths),
            ("days", life.days),
            ("epochs", life.epochs),
            ("restored", life.restored),
            ("events", life.records),
        ] {
            *sums.entry(what).or_default() += count;
        }
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
    println!(
        "{{\"seeds\":{lives},{},\"faults\":{{{}}},\"failed\":{failed:?},\"seconds\":{:.1}}}",
        json(&sums),
        json(&faults),
        since.elapsed().as_secs_f64()
    );
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn json(counts: &BTreeMap<&str, u64>) -> String {
    counts.iter().map(|(what, count)| format!("\"{what}\":{count}")).collect::<Vec<_>>().join(",")
}

fn print(world: &World, folder: &Path) -> std::io::Result<()> {
    for (who, person) in world.people.iter().enumerate() {
        let lines = world.journal(who).unwrap_or_else(|fault| vec![fault.to_string()]);
        std::fs::write(folder.join(format!("{}.txt", person.name)), lines.join("\n"))?;
    }
    Ok(())
}
