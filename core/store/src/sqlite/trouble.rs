//! Why a store did not open, or no backup was made.

use std::{error, fmt, io};

/// Why a store did not open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenError {
    /// A newer version made it. It was left as it is.
    Newer,
    /// The file is damaged, or no store.
    Damaged,
    /// There is no room.
    DiskFull,
    /// The disk failed: an I/O error, no permission, or no such folder.
    DiskFailed,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OpenError::Newer => "the store was made by a newer version",
            OpenError::Damaged => "the store's file is damaged, or no store",
            OpenError::DiskFull => "the disk is full",
            OpenError::DiskFailed => "the disk failed",
        })
    }
}

impl error::Error for OpenError {}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> OpenError {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => OpenError::DiskFull,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => OpenError::Damaged,
            Some(_) | None => OpenError::DiskFailed,
        }
    }
}

/// Why no backup was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BackupError {
    /// There is such a file already. It was left as it is.
    Exists,
    /// There is something to commit first.
    Uncommitted,
    /// There is no room.
    DiskFull,
    /// The disk failed: an I/O error, no permission, or no such folder.
    DiskFailed,
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BackupError::Exists => "the backup's file exists already",
            BackupError::Uncommitted => "the store has something to commit first",
            BackupError::DiskFull => "the disk is full",
            BackupError::DiskFailed => "the disk failed",
        })
    }
}

impl error::Error for BackupError {}

impl From<OpenError> for BackupError {
    fn from(error: OpenError) -> BackupError {
        match error {
            OpenError::DiskFull => BackupError::DiskFull,
            OpenError::Newer | OpenError::Damaged | OpenError::DiskFailed => BackupError::DiskFailed,
        }
    }
}

impl From<io::Error> for BackupError {
    fn from(error: io::Error) -> BackupError {
        match error.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Exists,
            io::ErrorKind::StorageFull => BackupError::DiskFull,
            _ => BackupError::DiskFailed,
        }
    }
}
