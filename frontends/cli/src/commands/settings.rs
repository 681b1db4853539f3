//! Settings of the account.

use crate::output::{Trouble, put_json};
use crate::{Global, home};
use thicket_types::intent::Intent;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Tell contacts what was read, and show what they have read. Holds where both sides have it on. Off at first.
    ///
    /// Example: thicket settings read-marks on
    ReadMarks {
        /// On or off.
        #[arg(value_enum)]
        to: Switch,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Switch {
    On,
    Off,
}

pub fn run(global: &Global, change: Option<&Command>) -> Result<(), Trouble> {
    let read_marks = match change {
        None => home::look(global)?.0.read_marks,
        Some(Command::ReadMarks { to }) => {
            let client = home::open_offline(global)?;
            home::ask(&client, Intent::SetReadMarks { on: *to == Switch::On })?;
            let read_marks = client.view().read_marks;
            client.close()?;
            read_marks
        }
    };
    if global.json { put_json(&serde_json::json!({ "read_marks": read_marks })) } else { put!("read-marks  {}", word(read_marks)) }
}

/// A switch in words.
pub fn word(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}
