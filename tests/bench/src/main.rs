//! The program `thicket-bench`: makes the journals that are measured, and does the work whose instructions are counted.
#![forbid(unsafe_code)]

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use thicket_bench::counted;
use thicket_bench::life::Life;

/// Makes what is measured.
#[derive(Parser)]
#[command(name = "thicket-bench")]
struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Makes the defined life in a new folder, and prints its mix.
    Life {
        /// The folder; it must not be there.
        folder: PathBuf,
        /// Records.
        #[arg(long, default_value_t = 1_000_000)]
        records: u64,
        /// The same number makes the same life.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Writes a snapshot so many records before the end.
        #[arg(long)]
        snapshot: Option<u64>,
    },
    /// Does the fixed work once whose instructions are counted.
    Count {
        /// A folder for its life; it must not be there.
        folder: PathBuf,
    },
}

fn main() {
    match Options::parse().what {
        What::Life { folder, records, seed, snapshot } => {
            let mut life = Life::begin(&folder, seed);
            if let Some(before) = snapshot {
                life.go_on(records.saturating_sub(before));
                life.snapshot();
            }
            life.go_on(records);
            println!("{}", life.mix().line());
        }
        What::Count { folder } => counted::count(&folder),
    }
}
