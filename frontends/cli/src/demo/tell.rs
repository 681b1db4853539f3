//! How the demo speaks: prose for a person, one JSON line for a program.

use super::Trouble;
use super::ledger::Report;
use std::path::Path;
use std::time::Instant;

/// Prints the story as it goes.
pub struct Tell {
    json: bool,
    since: Instant,
    scene: usize,
}

impl Tell {
    pub fn new(json: bool) -> Tell {
        Tell { json, since: Instant::now(), scene: 0 }
    }

    pub fn seconds(&self) -> f64 {
        self.since.elapsed().as_secs_f64()
    }

    /// Begins a scene.
    pub fn scene(&mut self, title: &str) -> Result<(), Trouble> {
        self.scene += 1;
        if self.json { Ok(()) } else { put!("\n{}. {title}", self.scene) }
    }

    /// Says what happened, with the time since the start.
    pub fn line(&self, text: &str) -> Result<(), Trouble> {
        if self.json { Ok(()) } else { put!("   {:>5.1} s  {text}", self.seconds()) }
    }

    pub fn report(&self, report: &Report, keep: Option<&Path>) -> Result<(), Trouble> {
        if self.json {
            return put!("{}", report.json(self.seconds()));
        }
        put!("\n{}", report.table())?;
        let good = if report.is_good() {
            "Nothing was lost, nothing came twice, and every journal folds to the same state."
        } else {
            "SOMETHING WENT WRONG: see the table."
        };
        put!("{good} {:.1} s.", self.seconds())?;
        match keep {
            Some(folder) => {
                put!("\nKept in {}: a profile each (keys, journal, snapshots, vault) and the relay's data.", folder.display())?;
                put!("The profiles' passphrase is \"{}\".", super::PASSPHRASE)
            }
            None => put!("\nNext: thicket demo --keep DIR keeps profiles, journals and the relay's data for a closer look."),
        }
    }
}
