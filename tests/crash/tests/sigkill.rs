//! A process that is killed with SIGKILL at random points, on the file system that is there: it opens again, holds all that it
//! said is durable, and goes on to the same end.

use std::path::Path;
use tempfile::TempDir;
use thicket_crash::kills::kill;

#[test]
fn a_process_that_is_killed_30_times_keeps_all_that_it_acknowledged() {
    let place = TempDir::new().expect("a folder");
    let report = kill(Path::new(env!("CARGO_BIN_EXE_thicket-crash")), place.path(), 30, 1, &|_| {}).expect("a good end");
    assert_eq!(report.after.values().sum::<usize>(), 30);
    // Where a kill meets the process is the machine's choice, and a busy one offers few places.
    assert!(report.after.len() >= 2, "killed at different points: {report:?}");
    assert!(report.messages.iter().all(|count| *count > 15), "{report:?}");
}
