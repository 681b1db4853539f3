//! `thicket demo`: the main job, on an embedded relay, with everything real.

mod carol;
mod child;
mod ledger;
mod people;
mod story;
mod tell;

use crate::Global;
use crate::output::Trouble;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;
use tell::Tell;
use thicket_types::error::Code;

pub use child::run as run_child;

/// The passphrase of the demo's profiles: they hold nothing that anyone wrote.
const PASSPHRASE: &str = "an open secret for the demo";

/// What the demo starts its third person by. No command: nobody else asks for it.
const CHILD: &str = "demo-child";

/// The profile's folder, if this process is the demo's third person. She ends with the demo, and heeds no Ctrl-C of her own.
pub fn child_folder(mut arguments: impl Iterator<Item = OsString>) -> Option<PathBuf> {
    arguments.nth(1).filter(|first| first == CHILD)?;
    arguments.next().map(PathBuf::from)
}

#[derive(Args)]
pub struct Arguments {
    /// Keep profiles, journals and the relay's data in this folder, which must be new or empty.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// Runs the demo. **Errors:** exit status 1 if anything was lost, doubled or not verified; what stopped it.
pub fn run(arguments: &Arguments, global: &Global) -> Result<(), Trouble> {
    let mut tell = Tell::new(global);
    let (folder, _removed_at_the_end) = folder(arguments)?;
    let (report, relay) = story::run(&mut tell, &folder)?;
    tell.report(&report, arguments.keep.as_deref().map(|folder| (folder, relay.as_str())))?;
    if report.is_good() { Ok(()) } else { Err(Trouble::Said(1)) }
}

/// What stopped the demo.
fn stopped(words: impl Into<String>) -> Trouble {
    Trouble::Numbered(Code::DemoStopped, Some(words.into()))
}

fn folder(arguments: &Arguments) -> Result<(PathBuf, Option<tempfile::TempDir>), Trouble> {
    let Some(keep) = &arguments.keep else {
        let folder = tempfile::TempDir::with_prefix("thicket-demo-")?;
        return Ok((folder.path().to_path_buf(), Some(folder)));
    };
    let failed = |error: std::io::Error| Trouble::stream(&keep.display().to_string(), &error);
    std::fs::create_dir_all(keep).map_err(failed)?;
    if std::fs::read_dir(keep).map_err(failed)?.next().is_some() {
        return Err(Trouble::Usage(format!("{} is not empty; name a new folder", keep.display())));
    }
    Ok((keep.clone(), None))
}
