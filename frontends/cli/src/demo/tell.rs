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
    pub fn scene(&mut self, title: &str) {
        self.scene += 1;
        if !self.json {
            println!("\n{}. {title}", self.scene);
        }
    }

    /// Says what happened, with the time since the start.
    pub fn line(&self, text: &str) {
        if !self.json {
            println!("   {:>5.1} s  {text}", self.seconds());
        }
    }

    pub fn trouble(&self, trouble: &Trouble) {
        if self.json {
            println!("{}", serde_json::json!({ "error": { "message": trouble.0 } }));
        } else {
            println!("\nThe demo stopped: {}", trouble.0);
        }
    }

    pub fn report(&self, report: &Report, keep: Option<&Path>) {
        if self.json {
            println!("{}", report.json(self.seconds()));
            return;
        }
        println!("\n{}", report.table());
        let good = if report.is_good() {
            "Nothing was lost, nothing came twice, and every journal folds to the same state."
        } else {
            "SOMETHING WENT WRONG: see the table."
        };
        println!("{good} {:.1} s.", self.seconds());
        match keep {
            Some(folder) => {
                println!("\nKept in {}: a profile each (keys, journal, snapshots, vault) and the relay's data.", folder.display());
                println!("The profiles' passphrase is \"{}\".", super::PASSPHRASE);
            }
            None => println!("\nNext: thicket demo --keep DIR keeps profiles, journals and the relay's data for a closer look."),
        }
    }
}
