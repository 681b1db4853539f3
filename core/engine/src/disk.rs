//! The Disk port over a folder of the file system.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use thicket_types::ports::{Disk, DiskError};

/// The files of one profile, under one folder. What it makes is its owner's alone, whatever the process' umask is: files have
/// mode 0600, folders 0700.
#[derive(Debug)]
pub struct OsDisk {
    root: PathBuf,
    /// The file appended to last, kept open: one segment takes many appends.
    appending: Option<(String, File)>,
}

impl OsDisk {
    /// Works under a folder that is there.
    pub fn new(root: &Path) -> OsDisk {
        OsDisk { root: root.to_path_buf(), appending: None }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Makes a folder's entries durable: a new or renamed file is there after a crash only if its folder was synced.
    fn sync_folder(&self, path: &Path) -> Result<(), DiskError> {
        let folder = path.parent().unwrap_or(&self.root);
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(error)
    }

    fn make_folder(&self, path: &Path) -> Result<(), DiskError> {
        let folder = path.parent().unwrap_or(&self.root);
        if folder.is_dir() {
            return Ok(());
        }
        private_folders().create(folder).map_err(error)?;
        self.sync_folder(folder)
    }
}

/// Options that make a file which nobody but its owner reads or writes. One that is there keeps its mode.
fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes folders, those above among them, which nobody but their owner enters.
pub fn private_folders() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// What a failure of the file system is to the [`Disk`] port, for who works on a profile's files beside it.
pub fn disk_error(error: &std::io::Error) -> DiskError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => DiskError::Full,
        ErrorKind::NotFound => DiskError::Missing,
        ErrorKind::AlreadyExists => DiskError::Exists,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::NotADirectory => DiskError::Denied,
        _ => DiskError::Failed,
    }
}

fn error(error: std::io::Error) -> DiskError {
    disk_error(&error)
}

impl Disk for OsDisk {
    fn list(&mut self, folder: &str) -> Result<Vec<String>, DiskError> {
        let entries = match fs::read_dir(self.path(folder)) {
            Ok(entries) => entries,
            Err(missing) if missing.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(other) => return Err(error(other)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(error)?;
            if let Ok(name) = entry.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn len(&mut self, path: &str) -> Result<u64, DiskError> {
        fs::metadata(self.path(path)).map(|file| file.len()).map_err(error)
    }

    fn read(&mut self, path: &str) -> Result<Vec<u8>, DiskError> {
        fs::read(self.path(path)).map_err(error)
    }

    fn read_at(&mut self, path: &str, offset: u64, len: usize) -> Result<Vec<u8>, DiskError> {
        let mut file = File::open(self.path(path)).map_err(error)?;
        file.seek(SeekFrom::Start(offset)).map_err(error)?;
        let len = u64::try_from(len).map_err(|_| DiskError::Failed)?;
        let there = file.metadata().map_err(error)?.len().saturating_sub(offset).min(len);
        let mut bytes = Vec::with_capacity(usize::try_from(there).map_err(|_| DiskError::Failed)?);
        file.take(len).read_to_end(&mut bytes).map_err(error)?;
        Ok(bytes)
    }

    fn create(&mut self, path: &str, bytes: &[u8]) -> Result<(), DiskError> {
        let full = self.path(path);
        self.make_folder(&full)?;
        let mut file = private_file().append(true).create_new(true).open(&full).map_err(error)?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(error)?;
        self.sync_folder(&full)?;
        self.appending = Some((path.to_owned(), file));
        Ok(())
    }

    fn append(&mut self, path: &str, bytes: &[u8]) -> Result<(), DiskError> {
        let mut file = match self.appending.take() {
            Some((open, file)) if open == path => file,
            Some(_) | None => OpenOptions::new().append(true).open(self.path(path)).map_err(error)?,
        };
        file.write_all(bytes).and_then(|()| file.sync_data()).map_err(error)?;
        self.appending = Some((path.to_owned(), file));
        Ok(())
    }

    fn truncate(&mut self, path: &str, len: u64) -> Result<(), DiskError> {
        self.appending = None;
        let file = OpenOptions::new().write(true).open(self.path(path)).map_err(error)?;
        file.set_len(len).and_then(|()| file.sync_all()).map_err(error)
    }

    fn replace(&mut self, path: &str, bytes: &[u8]) -> Result<(), DiskError> {
        let full = self.path(path);
        self.make_folder(&full)?;
        let new = self.path(&format!("{path}.new"));
        // What a crash left of an earlier try keeps the mode that it was made with.
        match fs::remove_file(&new) {
            Err(other) if other.kind() != ErrorKind::NotFound => return Err(error(other)),
            _ => {}
        }
        let mut file = private_file().write(true).create_new(true).open(&new).map_err(error)?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(error)?;
        fs::rename(&new, &full).map_err(error)?;
        self.sync_folder(&full)
    }

    fn remove(&mut self, path: &str) -> Result<(), DiskError> {
        match fs::remove_file(self.path(path)) {
            Ok(()) => self.sync_folder(&self.path(path)),
            Err(missing) if missing.kind() == ErrorKind::NotFound => Ok(()),
            Err(other) => Err(error(other)),
        }
    }
}
