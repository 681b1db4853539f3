//! `thicket demo`: the main job, on an embedded relay, with everything real.

mod carol;
mod child;
mod ledger;
mod people;
mod story;
mod tell;

use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use tell::Tell;

pub use child::run as run_child;

/// The passphrase of the demo's profiles: they hold nothing that anyone wrote.
const PASSPHRASE: &str = "an open secret for the demo";

#[derive(Args)]
pub struct Arguments {
    /// Keep profiles, journals and the relay's data in this folder, which must be new or empty.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// Runs the demo. 0: nothing lost, nothing doubled, every journal verified. 1: something was.
pub fn run(arguments: &Arguments, json: bool) -> ExitCode {
    let mut tell = Tell::new(json);
    let told = folder(arguments).and_then(|(folder, _removed_at_the_end)| story::run(&mut tell, &folder));
    match told {
        Ok(report) => {
            let good = report.is_good();
            tell.report(&report, arguments.keep.as_deref());
            if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(trouble) => {
            tell.trouble(&trouble);
            ExitCode::FAILURE
        }
    }
}

/// What stopped the demo.
pub struct Trouble(pub String);

impl<E: std::error::Error> From<E> for Trouble {
    fn from(error: E) -> Trouble {
        Trouble(error.to_string())
    }
}

fn folder(arguments: &Arguments) -> Result<(PathBuf, Option<tempfile::TempDir>), Trouble> {
    let Some(keep) = &arguments.keep else {
        let folder = tempfile::TempDir::with_prefix("thicket-demo-")?;
        return Ok((folder.path().to_path_buf(), Some(folder)));
    };
    std::fs::create_dir_all(keep)?;
    if std::fs::read_dir(keep)?.next().is_some() {
        return Err(Trouble(format!("{} is not empty; name a new folder", keep.display())));
    }
    Ok((keep.clone(), None))
}
