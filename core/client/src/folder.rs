//! The folder of a profile: what in it is the profile's, how a new one takes it, and how it is given back.
//!
//! ```text
//!   lock                              one process's at a time
//!   keys, vault.db…                   the profile
//!   journal/*.seg, snapshots/*.snap
//!   vault.new.db…, keys.new           a profile that is being made: the keys file makes it one, then the vault gets its name
//!   restore.new                       beside them: of what a restore began, journal and snapshots are the profile's too
//!   keys.deleted                      a profile whose deletion began
//! ```
//!
//! Nothing that bears a finished name is ever removed but by the deletion of the profile: whoever put it there may want it back.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use thicket_engine::{Fault, KEYS_FILE, disk_error, is_segment, is_snapshot, private_folders};
use thicket_types::error::Code;

/// The vault's database.
pub(crate) const VAULT_FILE: &str = "vault.db";
/// The same until the keys file is there.
pub(crate) const NEW_VAULT_FILE: &str = "vault.new.db";

const LOCK_FILE: &str = "lock";
const DELETED_KEYS_FILE: &str = "keys.deleted";
/// What a create that was cut off leaves beside the lock. Nobody can ever open it.
const UNFINISHED: [&str; 6] = ["keys.new", NEW_VAULT_FILE, "vault.new.db-wal", "vault.new.db-shm", "vault.new.db-journal", RESTORE_FILE];
/// While this is here and the keys are not, what lies in the inner folders was put there by a restore: it makes this first, in a
/// folder that is empty.
const RESTORE_FILE: &str = "restore.new";
const FINISHED: [&str; 5] = [DELETED_KEYS_FILE, VAULT_FILE, "vault.db-wal", "vault.db-shm", "vault.db-journal"];
/// The folders of a profile, and which files in them are its own.
const INNER: [(&str, IsOurs); 2] = [("journal", is_segment), ("snapshots", is_snapshot)];

/// Whether a name is one that the profile gave.
type IsOurs = fn(&str) -> bool;

/// What a failure of the file system means to a person.
fn failed(error: io::Error) -> Fault {
    Fault::from(disk_error(&error))
}

/// Refuses a folder in which no profile can be made. One that is not there, is empty, or holds what a create left that was cut
/// off, is good.
///
/// **Errors:** `ProfileExists`, `FolderNotEmpty`, the disk's.
pub(crate) fn vacant(folder: &Path) -> Result<(), Fault> {
    let entries = match fs::read_dir(folder) {
        Err(missing) if missing.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    let mut found = Ok(());
    let restoring = is_restoring(folder);
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        if name == KEYS_FILE {
            return Err(Fault::from(Code::ProfileExists));
        }
        // A lock is an empty file: one with something in it is somebody's.
        let is_lock = name == LOCK_FILE && entry.metadata().is_ok_and(|lock| lock.is_file() && lock.len() == 0);
        let is_inner = restoring && INNER.iter().any(|(inner, _)| name == *inner);
        if !is_lock && !is_inner && !UNFINISHED.iter().any(|unfinished| name == *unfinished) {
            found = Err(Fault::from(Code::FolderNotEmpty));
        }
    }
    found
}

/// Whether a restore is at work in a folder, or was cut off there.
fn is_restoring(folder: &Path) -> bool {
    fs::metadata(folder.join(RESTORE_FILE)).is_ok_and(|marker| marker.is_file() && marker.len() == 0)
}

/// A folder in which a profile is being made: for its owner alone, locked, and empty but for the lock.
pub(crate) struct Making {
    folder: PathBuf,
    /// The nearest folder above that was there before: what lies below it was made now.
    above: Option<PathBuf>,
    /// How the folder was open before, if it was there.
    permissions: Option<fs::Permissions>,
    lock: Option<File>,
}

impl Making {
    /// Takes a folder. **Errors:** `ProfileExists`, `FolderNotEmpty`, `ProfileInUse`, the disk's; after one all is as before.
    pub(crate) fn begin(folder: &Path) -> Result<Making, Fault> {
        vacant(folder)?;
        let above = folder.ancestors().find(|above| above.is_dir()).map(Path::to_path_buf);
        let permissions = fs::metadata(folder).ok().map(|data| data.permissions());
        let mut making = Making { folder: folder.to_path_buf(), above, permissions, lock: None };
        match making.take() {
            Ok(()) => Ok(making),
            Err(fault) => {
                making.clear();
                Err(fault)
            }
        }
    }

    fn take(&mut self) -> Result<(), Fault> {
        private_folders().create(&self.folder).map_err(failed)?;
        let lock = lock(&self.folder)?;
        // Under the lock once more: another process may have made one meanwhile.
        vacant(&self.folder)?;
        self.lock = Some(lock);
        make_private(&self.folder)?;
        self.empty()
    }

    /// Removes what a create or a restore left that was cut off.
    fn empty(&self) -> Result<(), Fault> {
        if is_restoring(&self.folder) {
            INNER.iter().try_for_each(|(inner, is_ours)| empty_inner(&self.folder.join(inner), *is_ours))?;
        }
        // The mark of a restore is the last of them.
        UNFINISHED.iter().try_for_each(|file| remove(&self.folder.join(file)))
    }

    /// Marks the folder as one that a restore is at work in.
    pub(crate) fn mark_restoring(&self) -> Result<(), Fault> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(self.folder.join(RESTORE_FILE)).and_then(|marker| marker.sync_all()).map_err(failed)?;
        sync(&self.folder)
    }

    /// The profile is whole: gives its lock.
    pub(crate) fn done(self) -> Result<File, Fault> {
        self.lock.ok_or(Fault::from(Code::Inconsistent))
    }

    /// Takes everything back. What can't be removed stays; the fault that led here says enough.
    pub(crate) fn clear(self) {
        if let Some(lock) = self.lock {
            // Without its keys first it is no profile. All of it was made under this lock.
            let _ = remove(&self.folder.join(KEYS_FILE));
            INNER.iter().for_each(|(inner, is_ours)| drop(empty_inner(&self.folder.join(inner), *is_ours)));
            for file in UNFINISHED.iter().chain(&FINISHED).chain(&[LOCK_FILE]) {
                let _ = remove(&self.folder.join(file));
            }
            if let Some(permissions) = self.permissions {
                let _ = fs::set_permissions(&self.folder, permissions);
            }
            drop(lock);
        }
        let made = self.folder.ancestors().take_while(|made| self.above.as_deref() != Some(made) && !made.as_os_str().is_empty());
        for folder in made {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
}

/// Gives the vault of a profile that was just made its name. A create that was cut off after its keys file is finished so by
/// the next unlock.
pub(crate) fn finish(folder: &Path) -> Result<(), Fault> {
    let (new, vault) = (folder.join(NEW_VAULT_FILE), folder.join(VAULT_FILE));
    let named = vault.exists() || !new.exists();
    if named && !is_restoring(folder) {
        return Ok(());
    }
    if !named {
        fs::rename(new, vault).map_err(failed)?;
    }
    remove(&folder.join(RESTORE_FILE))?;
    sync(folder)
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

/// How a profile's folder is held for a look.
pub(crate) enum Held {
    /// Locked: nobody else writes it.
    Locked(File),
    /// Nothing can be written there, not even a lock; nor does anybody hold the one that is there.
    ReadOnly,
}

/// Holds a profile's folder for a look. **Errors:** as [`lock`]; not `FileFailed`, which makes no look impossible.
pub(crate) fn hold(folder: &Path) -> Result<Held, Fault> {
    match lock(folder) {
        Ok(lock) => Ok(Held::Locked(lock)),
        Err(fault) if fault.code == Code::FileFailed => {
            // Whoever can write there, from elsewhere, holds this one.
            let in_use = File::open(folder.join(LOCK_FILE)).is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)));
            if in_use { Err(Fault::from(Code::ProfileInUse)) } else { Ok(Held::ReadOnly) }
        }
        Err(fault) => Err(fault),
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
    UNFINISHED.iter().chain(&FINISHED).try_for_each(|file| remove(&folder.join(file)))?;
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

/// Makes a folder's entries durable.
fn sync(folder: &Path) -> Result<(), Fault> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// A folder that was there before may be open to others; it is empty, and from now on a profile's.
#[cfg(unix)]
fn make_private(folder: &Path) -> Result<(), Fault> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(folder).map_err(failed)?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(failed)
}

#[cfg(not(unix))]
fn make_private(_: &Path) -> Result<(), Fault> {
    Ok(())
}
