//! The folder of a profile: what in it is the profile's, how a new one takes it, and how it is given back.
//!
//! ```text
//!   lock                              one process's at a time
//!   keys, vault.db…                   the profile
//!   journal/*.seg, snapshots/*.snap
//!   vault.new.db…, keys.new           a profile that is being made: the keys file makes it one, then the vault gets its name
//!   restore.new                       beside them: of what a restore began, journal and snapshots are the profile's too
//!   keys.deleted                      a profile whose deletion began: all the rest goes first
//! ```
//!
//! Nothing that bears a finished name is ever removed but by the deletion of the profile: whoever put it there may want it back. What
//! was cut off is told by its marks, and each step is durable before the next, so that a mark is there as long as what it is of.

use crate::site::{OsSite, Site, remove, sync};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use thicket_engine::{Fault, KEYS_FILE, disk_error, is_segment, is_snapshot, private_folders};
use thicket_types::error::Code;
use thicket_types::ports::{Disk, DiskError};

/// The vault's database.
pub(crate) const VAULT_FILE: &str = "vault.db";
/// The same until the keys file is there.
pub(crate) const NEW_VAULT_FILE: &str = "vault.new.db";

const LOCK_FILE: &str = "lock";
const DELETED_KEYS_FILE: &str = "keys.deleted";
/// The first bytes of a keys file (SPEC §4).
const KEYS_MAGIC: &[u8; 8] = b"THICKKEY";
/// What SQLite leaves beside a vault that is being made.
const NEW_VAULT_LOGS: [&str; 3] = ["vault.new.db-wal", "vault.new.db-shm", "vault.new.db-journal"];
/// What a create that was cut off leaves beside the lock. Nobody can ever open it.
const UNFINISHED: [&str; 5] = ["keys.new", NEW_VAULT_FILE, NEW_VAULT_LOGS[0], NEW_VAULT_LOGS[1], NEW_VAULT_LOGS[2]];
/// While this is here and the keys are not, what lies in the inner folders was put there by a restore: it makes this first, in a
/// folder that is empty.
const RESTORE_FILE: &str = "restore.new";
const FINISHED: [&str; 4] = [VAULT_FILE, "vault.db-wal", "vault.db-shm", "vault.db-journal"];
/// The folders of a profile, and which files in them are its own.
const INNER: [(&str, IsOurs); 2] = [("journal", is_segment), ("snapshots", is_snapshot)];

/// Whether a name is one that the profile gave.
type IsOurs = fn(&str) -> bool;

/// What a failure of the file system means to a person.
fn failed(error: io::Error) -> Fault {
    Fault::from(disk_error(&error))
}

/// Refuses a folder in which no profile can be made. One that is not there, is empty, or holds what a create or a deletion left that
/// was cut off, is good.
///
/// **Errors:** `ProfileExists`, `FolderNotEmpty`, the disk's.
pub(crate) fn vacant(folder: &Path) -> Result<(), Fault> {
    let entries = match fs::read_dir(folder) {
        Err(missing) if missing.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    let mut found = Ok(());
    let deleting = is_deleting(folder);
    let inner_is_ours = deleting || is_restoring(folder);
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        if name == KEYS_FILE {
            return Err(Fault::from(Code::ProfileExists));
        }
        // A lock is an empty file: one with something in it is somebody's.
        let is_lock = name == LOCK_FILE && entry.metadata().is_ok_and(|lock| lock.is_file() && lock.len() == 0);
        let is_inner = inner_is_ours && INNER.iter().any(|(inner, _)| name == *inner);
        let is_deleted = deleting && FINISHED.iter().chain(&[DELETED_KEYS_FILE]).any(|deleted| name == *deleted);
        let is_unfinished = UNFINISHED.iter().chain(&[RESTORE_FILE]).any(|unfinished| name == *unfinished);
        if !is_lock && !is_inner && !is_deleted && !is_unfinished {
            found = Err(Fault::from(Code::FolderNotEmpty));
        }
    }
    found
}

/// Whether a restore is at work in a folder, or was cut off there.
fn is_restoring(folder: &Path) -> bool {
    fs::metadata(folder.join(RESTORE_FILE)).is_ok_and(|marker| marker.is_file() && marker.len() == 0)
}

/// Whether the deletion of a profile was cut off in a folder: its keys file lies there under its last name, and none under its first.
pub(crate) fn is_deleting(folder: &Path) -> bool {
    let mut first = [0; KEYS_MAGIC.len()];
    let mut read = || File::open(folder.join(DELETED_KEYS_FILE))?.read_exact(&mut first);
    // Written over with zeros, or not yet, or in part. Another file of this name is somebody's.
    read().is_ok() && first.iter().zip(KEYS_MAGIC).all(|(is, was)| is == was || *is == 0) && !folder.join(KEYS_FILE).exists()
}

fn holds(disk: &mut dyn Disk, file: &str) -> Result<bool, Fault> {
    match disk.len(file) {
        Ok(_) => Ok(true),
        Err(DiskError::Missing) => Ok(false),
        Err(other) => Err(Fault::from(other)),
    }
}

/// A folder in which a profile is being made: for its owner alone, locked, and empty but for the lock, and for what was cut off.
pub(crate) struct Making {
    folder: PathBuf,
    /// The nearest folder above that was there before: what lies below it was made now.
    above: Option<PathBuf>,
    /// How the folder was open before, if it was there.
    permissions: Option<fs::Permissions>,
    lock: Option<Lock>,
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
        for made in self.made() {
            let above = made.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
            // One that may be passed and not read can't be made durable.
            let _ = sync(above);
        }
        let lock = lock(&self.folder)?;
        // Under the lock once more: another process may have made one meanwhile.
        vacant(&self.folder)?;
        self.lock = Some(lock);
        make_private(&self.folder)
    }

    /// The folders that were made now, the innermost first.
    fn made(&self) -> impl Iterator<Item = &Path> {
        self.folder.ancestors().take_while(|made| self.above.as_deref() != Some(made) && !made.as_os_str().is_empty())
    }

    /// The profile is whole: gives its lock.
    pub(crate) fn done(self) -> Result<Lock, Fault> {
        self.lock.ok_or(Fault::from(Code::Inconsistent))
    }

    /// Takes everything back. What can't be removed stays, with its mark; the fault that led here says enough.
    pub(crate) fn clear(mut self) {
        if let Some(lock) = self.lock.take() {
            let mut site = OsSite::new(&self.folder);
            // Without its keys first it is no profile. All of it was made under this lock.
            let _ = destroy_keys(&mut site);
            let _ = remove(&self.folder.join(KEYS_FILE));
            let _ = clear_deleted(&mut site).and_then(|()| remove(&self.folder.join(LOCK_FILE)).map_err(failed));
            if let Some(permissions) = self.permissions.take() {
                let _ = fs::set_permissions(&self.folder, permissions);
            }
            drop(lock);
        }
        for folder in self.made() {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
}

/// Removes what a create, a restore or a deletion left that was cut off. The folder is locked, and vacant.
pub(crate) fn clear_unfinished(site: &mut dyn Site) -> Result<(), Fault> {
    if holds(site.disk(), DELETED_KEYS_FILE)? {
        site.erase(DELETED_KEYS_FILE)?;
        return clear_deleted(site);
    }
    if holds(site.disk(), RESTORE_FILE)? {
        clear_inner(site)?;
    }
    // The mark of a restore is the last of them.
    for file in UNFINISHED.iter().chain(&[RESTORE_FILE]) {
        site.disk().remove(file)?;
    }
    Ok(())
}

/// Marks the folder as one that a restore is at work in.
pub(crate) fn mark_restoring(site: &mut dyn Site) -> Result<(), Fault> {
    Ok(site.disk().create(RESTORE_FILE, &[])?)
}

/// Gives the vault of a profile that was just made its name. A create that was cut off after its keys file is finished so by
/// the next unlock.
pub(crate) fn finish(site: &mut dyn Site) -> Result<(), Fault> {
    if holds(site.disk(), NEW_VAULT_FILE)? {
        // It was closed before the keys were written: nothing is in its log that it has not.
        for log in NEW_VAULT_LOGS {
            site.disk().remove(log)?;
        }
        if holds(site.disk(), VAULT_FILE)? {
            // A loss of power left it both names.
            site.disk().remove(NEW_VAULT_FILE)?;
        } else {
            site.rename(NEW_VAULT_FILE, VAULT_FILE)?;
        }
    }
    Ok(site.disk().remove(RESTORE_FILE)?)
}

/// That a profile's folder is locked against other processes.
pub struct Lock(File);

#[cfg(test)]
impl Lock {
    /// The open file, as a fork hands it to a child.
    pub(crate) fn handed_down(&self) -> File {
        self.0.try_clone().expect("another descriptor")
    }
}

impl Drop for Lock {
    /// Not by closing the file: a process that another thread is about to start has it too, until it is the program that it becomes.
    fn drop(&mut self) {
        // What can't be unlocked is closed next.
        let _ = self.0.unlock();
    }
}

/// Locks a profile's folder against other processes, for as long as the lock is held.
pub(crate) fn lock(folder: &Path) -> Result<Lock, Fault> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    // Who may read it may lock it.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(folder.join(LOCK_FILE)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(Fault::from(Code::ProfileInUse)),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// How a profile's folder is held for a look.
pub(crate) enum Held {
    /// Locked: nobody else writes it.
    Locked(Lock),
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
pub(crate) fn destroy_keys(site: &mut dyn Site) -> Result<(), Fault> {
    site.rename(KEYS_FILE, DELETED_KEYS_FILE)?;
    Ok(site.erase(DELETED_KEYS_FILE)?)
}

/// Removes what is left of a profile whose keys are destroyed: last of all the file that says so. What a person put there stays.
pub(crate) fn clear_deleted(site: &mut dyn Site) -> Result<(), Fault> {
    clear_inner(site)?;
    for file in UNFINISHED.iter().chain(&[RESTORE_FILE]).chain(&FINISHED).chain(&[DELETED_KEYS_FILE]) {
        site.disk().remove(file)?;
    }
    Ok(())
}

/// Removes what is the profile's, and the folder if nothing else is in it; says whether it went.
pub(crate) fn empty(folder: &Path, lock: Lock) -> Result<bool, Fault> {
    // Where a link leads: the link itself is no folder that could be removed.
    let folder = fs::canonicalize(folder).map_err(failed)?;
    clear_deleted(&mut OsSite::new(&folder))?;
    remove(&folder.join(LOCK_FILE)).map_err(failed)?;
    drop(lock);
    Ok(fs::remove_dir(&folder).is_ok())
}

/// Ends a deletion that was cut off, if there is one. **Errors:** `ProfileInUse`, the disk's.
pub(crate) fn end_deletion(folder: &Path) -> Result<(), Fault> {
    if !is_deleting(folder) {
        return Ok(());
    }
    let lock = lock(folder)?;
    // Under the lock once more: another process may have ended it, and made a profile.
    if is_deleting(folder) {
        OsSite::new(folder).erase(DELETED_KEYS_FILE)?;
        empty(folder, lock)?;
    }
    Ok(())
}

fn clear_inner(site: &mut dyn Site) -> Result<(), Fault> {
    for (inner, is_ours) in INNER {
        let ours: Vec<String> = site.disk().list(inner)?.into_iter().filter(|file| is_ours(file)).collect();
        site.remove_inner(inner, &ours)?;
    }
    Ok(())
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
