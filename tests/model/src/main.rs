//! Checks every log up to a number of entries, and says how many there were.

use clap::Parser;
use stateright::{Checker, Model, report::WriteReporter};
use std::process::ExitCode;
use thicket_model::world::World;

/// Check the rules of groups against every log of four members.
#[derive(Parser)]
struct Options {
    /// Entries of the longest log
    #[arg(long, default_value_t = 5)]
    entries: usize,
    /// Who is hostile: 1, an admin, or 2, a member
    #[arg(long, default_value_t = 1)]
    hostile: usize,
    /// Commits that may follow one which is voided
    #[arg(long, default_value_t = 2)]
    voidable: u64,
}

/// What holds in every log.
const PROMISED: [&str; 3] = ["one history", "no commit outruns an order", "settles"];

fn main() -> ExitCode {
    let Options { entries, hostile, voidable } = Options::parse();
    let world = World { hostile, entries, window: voidable };
    let checker = world.checker().threads(2).spawn_dfs().report(&mut WriteReporter::new(&mut std::io::stderr())).join();
    let found: Vec<_> = checker.discoveries().into_iter().collect();
    for (name, path) in &found {
        if PROMISED.contains(name) {
            println!("{name}:");
            for entry in path.clone().into_actions() {
                println!("  {entry:?}");
            }
        } else {
            println!("{name}: seen");
        }
    }
    println!("{} states", checker.unique_state_count());
    if found.iter().any(|(name, _)| PROMISED.contains(name)) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
