//! The folder of a profile: how it is made and locked.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;
use thicket_engine::{Fault, disk_error};
use thicket_types::error::Code;

const LOCK_FILE: &str = "lock";

/// What a failure of the file system means to a person.
fn failed(error: io::Error) -> Fault {
    match error.kind() {
        ErrorKind::PermissionDenied => Fault::from(Code::FileFailed),
        _ => Fault::from(disk_error(&error)),
    }
}

/// Makes a folder that nobody but its owner enters, with those above it.
pub(crate) fn private(folder: &Path) -> Result<(), Fault> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(failed)
}

/// Locks a profile's folder against other processes, for as long as the file is held.
pub(crate) fn lock(folder: &Path) -> Result<File, Fault> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    // Who may read it may lock it.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(folder.join(LOCK_FILE)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Fault::from(Code::ProfileInUse)),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
