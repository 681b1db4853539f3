//! The folder of a profile: how it is made, locked, and given back.
//!
//! ```text
//!   lock                              one process's at a time
//!   keys, vault.db…                   the profile
//!   journal/*.seg, snapshots/*.snap
//!   keys.deleted                      a profile whose deletion began
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;
use thicket_engine::{Fault, KEYS_FILE, disk_error, is_segment, is_snapshot};
use thicket_types::error::Code;

/// The vault's database.
pub(crate) const VAULT_FILE: &str = "vault.db";

const LOCK_FILE: &str = "lock";
const DELETED_KEYS_FILE: &str = "keys.deleted";
const FILES: [&str; 6] = ["keys.new", DELETED_KEYS_FILE, VAULT_FILE, "vault.db-wal", "vault.db-shm", "vault.db-journal"];
/// The folders of a profile, and which files in them are its own.
const INNER: [(&str, IsOurs); 2] = [("journal", is_segment), ("snapshots", is_snapshot)];

/// Whether a name is one that the profile gave.
type IsOurs = fn(&str) -> bool;

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

/// Puts the keys file out of its place and writes over it: from the first step on this is no profile, wherever it stops.
pub(crate) fn destroy_keys(folder: &Path) -> Result<(), Fault> {
    let keys = folder.join(DELETED_KEYS_FILE);
    fs::rename(folder.join(KEYS_FILE), &keys).map_err(failed)?;
    let len = fs::metadata(&keys).map_err(failed)?.len();
    let mut file = OpenOptions::new().write(true).open(&keys).map_err(failed)?;
    io::copy(&mut io::Read::take(io::repeat(0), len), &mut file).map_err(failed)?;
    file.sync_all().map_err(failed)
}

/// Removes what is the profile's, and the folder if nothing else is in it; says whether it went. What a person put there stays.
pub(crate) fn empty(folder: &Path, lock: File) -> Result<bool, Fault> {
    // Where a link leads: the link itself is no folder that could be removed.
    let folder = fs::canonicalize(folder).map_err(failed)?;
    for (inner, is_ours) in INNER {
        empty_inner(&folder.join(inner), is_ours)?;
    }
    FILES.iter().try_for_each(|file| remove(&folder.join(file)))?;
    remove(&folder.join(LOCK_FILE))?;
    drop(lock);
    Ok(fs::remove_dir(&folder).is_ok())
}

fn empty_inner(inner: &Path, is_ours: IsOurs) -> Result<(), Fault> {
    let entries = match fs::read_dir(inner) {
        Err(missing) if missing.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_str().is_some_and(is_ours) {
            remove(&entry.path())?;
        }
    }
    // It stays if something else is in it.
    let _ = fs::remove_dir(inner);
    Ok(())
}

/// Removes a file; one that is not there is no error.
fn remove(file: &Path) -> Result<(), Fault> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
