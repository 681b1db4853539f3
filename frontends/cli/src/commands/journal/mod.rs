//! The journal, looked at from outside: nothing is changed, and no relay is asked.

mod compare;
mod export;
mod list;
mod meant;
mod show;
mod state;
mod stats;
mod step;
mod verify;
mod why;

use crate::Global;
use crate::output::Trouble;
pub use verify::{TAKEN_FIRST, took_away, verified};

#[derive(clap::Subcommand)]
pub enum Command {
    /// Check every seal and the chain, fold twice and on from each snapshot, and compare.
    ///
    /// Example: thicket journal verify
    Verify,
    /// List records: place, time, kind.
    ///
    /// Example: thicket journal ls --kind requested --since 2026-11-22
    Ls(list::Wanted),
    /// Show one record whole, what it asked for, and what came of that. Keys and texts are never in the journal.
    ///
    /// Example: thicket journal show 17
    Show {
        /// Its place.
        #[arg(value_parser = seq)]
        seq: u64,
        /// Show names and addresses too.
        #[arg(long)]
        names: bool,
    },
    /// Show what the journal folds to, now or after the record at a place. docs/CLI.md says what each field is.
    ///
    /// Example: thicket journal state --at 17
    State {
        /// The place; without it the last.
        #[arg(long, value_name = "SEQ", value_parser = seq)]
        at: Option<u64>,
        /// Show names and addresses too.
        #[arg(long)]
        names: bool,
    },
    /// Show what changed in the state from one place to another.
    ///
    /// Example: thicket journal diff 17 42
    Diff {
        /// The place to begin after; 0 is the beginning.
        #[arg(value_parser = seq)]
        from: u64,
        /// The place to end after.
        #[arg(value_parser = seq)]
        to: u64,
        /// Show names and addresses too.
        #[arg(long)]
        names: bool,
    },
    /// Go through the journal record by record, on a screen of its own: what each asked for, and what it changed.
    ///
    /// Example: thicket journal step --at 17
    Step {
        /// The record to begin at; without it the last.
        #[arg(long, value_name = "SEQ", value_parser = seq)]
        at: Option<u64>,
        /// Show names and addresses too.
        #[arg(long)]
        names: bool,
    },
    /// Say where two journals part: two profiles, copies of one, capsules; or where this build comes to another state than a file says.
    ///
    /// Exits with 1 if they part.
    ///
    /// Example: thicket journal compare /tmp/a /tmp/b
    Compare(compare::Two),
    /// Print the digest of the state after each so many records, as JSON lines, for another build to be compared with.
    ///
    /// Example: thicket journal digests > digests.json
    Digests {
        /// After each so many records, and after the last.
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = number)]
        every: u64,
    },
    /// Say what put a message, a contact or an effect where it is, in at most twelve lines.
    ///
    /// Example: thicket journal why 1dd49055
    Why {
        /// A message, a frame or a contact by how its id begins, a contact by name, or an effect as `journal show` lists it: 17.0.
        #[arg(value_parser = word)]
        what: String,
    },
    /// Count records by kind, bytes, how long effects took, and records over time.
    ///
    /// Example: thicket journal stats
    Stats,
    /// Write a capsule: this journal with each name, address, time and id replaced, but for its segments' ids, for anyone to see. Shows
    /// first what it tells.
    ///
    /// Example: thicket journal export --redact alice.capsule
    Export(export::Wanted),
}

/// A record's place as it was typed.
fn seq(typed: &str) -> Result<u64, String> {
    typed.parse().map_err(|_| "a record's place is a number, as journal ls shows it first in each line".to_owned())
}

/// Who or what is meant: not nothing, as a script has it whose variable is not set.
fn word(typed: &str) -> Result<String, String> {
    if typed.trim().is_empty() { Err("it is empty".to_owned()) } else { Ok(typed.to_owned()) }
}

/// How many, as it was typed.
fn number(typed: &str) -> Result<u64, String> {
    typed.parse().ok().filter(|number| *number > 0).ok_or_else(|| "a number is expected, at least 1".to_owned())
}

pub fn run(global: &Global, command: &Command) -> Result<(), Trouble> {
    match command {
        Command::Verify => verify::run(global),
        Command::Ls(wanted) => list::run(global, wanted),
        Command::Show { seq, names } => show::run(global, *seq, *names),
        Command::State { at, names } => state::show(global, *at, *names),
        Command::Diff { from, to, names } => state::diff(global, *from, *to, *names),
        Command::Step { at, names } => step::run(global, *at, *names),
        Command::Compare(two) => compare::run(global, two),
        Command::Digests { every } => compare::digests(global, *every),
        Command::Why { what } => why::run(global, what),
        Command::Stats => stats::run(global),
        Command::Export(wanted) => export::run(global, wanted),
    }
}
