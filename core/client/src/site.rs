//! The site of a profile that is made or deleted: what that takes of a disk beside the [`Disk`] port, which speaks of files within a
//! profile that is there.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use thicket_engine::{Fault, OsDisk, disk_error};
use thicket_journal_format::Key;
use thicket_types::ports::{Disk, DiskError};
use thicket_vault::{NewAccount, Restoring, SharedEntropy, SqlVault};

/// A folder that a profile is made, finished or deleted in. The one of a real disk is made by [`Profile`](crate::Profile); a test has
/// one of its own, to know each step.
///
/// What each step changes is durable when it returns, so that the steps are on the disk in their order.
pub trait Site {
    /// Its files.
    fn disk(&mut self) -> &mut dyn Disk;
    /// Gives a file another name, in place of what bore it. Both are in the folder itself.
    fn rename(&mut self, from: &str, to: &str) -> Result<(), DiskError>;
    /// Writes zeros over a file, where it lies.
    fn erase(&mut self, file: &str) -> Result<(), DiskError>;
    /// Removes these files of an inner folder, and the folder if nothing else is in it.
    fn remove_inner(&mut self, folder: &str, files: &[String]) -> Result<(), DiskError>;
    /// The path by which SQLite opens a file.
    fn path(&self, file: &str) -> PathBuf;
    /// Which of SQLite's virtual file systems that path is of; `None`: the system's.
    fn vfs(&self) -> Option<String>;
}

/// The vault that a site's file is, opened or made.
pub(crate) struct VaultOf<'a> {
    site: &'a dyn Site,
    path: PathBuf,
    key: &'a Key,
}

impl<'a> VaultOf<'a> {
    pub(crate) fn new(site: &'a dyn Site, file: &str, key: &'a Key) -> VaultOf<'a> {
        VaultOf { site, path: site.path(file), key }
    }

    pub(crate) fn create(&self, entropy: SharedEntropy, new: &NewAccount) -> Result<SqlVault, Fault> {
        Ok(match self.site.vfs() {
            Some(vfs) => SqlVault::create_in(&vfs, &self.path, self.key, entropy, new),
            None => SqlVault::create(&self.path, self.key, entropy, new),
        }?)
    }

    pub(crate) fn restore(&self, entropy: SharedEntropy) -> Result<Restoring, Fault> {
        Ok(match self.site.vfs() {
            Some(vfs) => Restoring::begin_in(&vfs, &self.path, self.key, entropy),
            None => Restoring::begin(&self.path, self.key, entropy),
        }?)
    }

    pub(crate) fn open(&self, entropy: SharedEntropy) -> Result<SqlVault, Fault> {
        Ok(match self.site.vfs() {
            Some(vfs) => SqlVault::open_in(&vfs, &self.path, self.key, entropy),
            None => SqlVault::open(&self.path, self.key, entropy),
        }?)
    }
}

/// A folder of the file system.
pub(crate) struct OsSite {
    disk: OsDisk,
    folder: PathBuf,
}

impl OsSite {
    pub(crate) fn new(folder: &Path) -> OsSite {
        OsSite { disk: OsDisk::new(folder), folder: folder.to_path_buf() }
    }
}

impl Site for OsSite {
    fn disk(&mut self) -> &mut dyn Disk {
        &mut self.disk
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        fs::rename(self.folder.join(from), self.folder.join(to)).and_then(|()| sync(&self.folder)).map_err(|error| disk_error(&error))
    }

    fn erase(&mut self, file: &str) -> Result<(), DiskError> {
        let erased = || {
            let mut file = OpenOptions::new().write(true).open(self.folder.join(file))?;
            let len = file.metadata()?.len();
            io::copy(&mut io::Read::take(io::repeat(0), len), &mut file)?;
            file.sync_all()
        };
        erased().map_err(|error| disk_error(&error))
    }

    fn remove_inner(&mut self, folder: &str, files: &[String]) -> Result<(), DiskError> {
        let inner = self.folder.join(folder);
        if !inner.is_dir() {
            return Ok(());
        }
        let removed = || {
            for file in files {
                remove(&inner.join(file))?;
            }
            sync(&inner)?;
            // It stays if something else is in it.
            let _ = fs::remove_dir(&inner);
            sync(&self.folder)
        };
        removed().map_err(|error| disk_error(&error))
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    fn vfs(&self) -> Option<String> {
        None
    }
}

/// Removes a file; one that is not there is no error.
pub(crate) fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Makes a folder's entries durable.
pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
