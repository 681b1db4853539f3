//! Why a store did not open, or no backup was made.

use std::{error, fmt, io};

/// Why a store did not open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenError {
    /// A newer version made it. It was left as it is.
    Newer,
    /// The file is damaged, or no store.
    Damaged,
    /// It can be neither opened nor made: no permission, or no such folder.
    Shut,
    /// There is no room.
    DiskFull,
    /// The disk failed: an I/O error.
    DiskFailed,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OpenError::Newer => "the store was made by a newer version",
            OpenError::Damaged => "the store's file is damaged, or no store",
            OpenError::Shut => "the store's file can be neither opened nor made",
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
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => OpenError::Shut,
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
    /// The store is damaged.
    Damaged,
    /// It can't be made: no permission, or no such folder.
    Shut,
    /// There is no room.
    DiskFull,
    /// The disk failed: an I/O error.
    DiskFailed,
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BackupError::Exists => "the backup's file exists already",
            BackupError::Uncommitted => "the store has something to commit first",
            BackupError::Damaged => "the store is damaged",
            BackupError::Shut => "the backup's file can't be made",
            BackupError::DiskFull => "the disk is full",
            BackupError::DiskFailed => "the disk failed",
        })
    }
}

impl error::Error for BackupError {}

impl From<OpenError> for BackupError {
    fn from(error: OpenError) -> BackupError {
        match error {
            OpenError::Damaged => BackupError::Damaged,
            OpenError::DiskFull => BackupError::DiskFull,
            OpenError::Newer | OpenError::Shut | OpenError::DiskFailed => BackupError::DiskFailed,
        }
    }
}

impl From<io::Error> for BackupError {
    fn from(error: io::Error) -> BackupError {
        match error.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Exists,
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => BackupError::Shut,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => BackupError::DiskFull,
            _ => BackupError::DiskFailed,
        }
    }
}
