//! The relay's folder: made for its owner alone, and one process's at a time.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

const LOCK_FILE: &str = "lock";

/// The home is this process's for as long as this lives; the system gives it back however the process ends.
pub struct Lock {
    _file: File,
}

/// Why a home is not this process's.
pub enum NoHome {
    /// Another relay runs on it.
    InUse,
    /// It can't be made or locked.
    Failed(io::Error),
}

impl From<io::Error> for NoHome {
    fn from(error: io::Error) -> NoHome {
        NoHome::Failed(error)
    }
}

/// Makes a home that is not there, and locks it. A relay takes it before it opens anything there: of two on one home each would
/// log in, answer and count without what the other remembers.
pub fn take(home: &Path) -> Result<Lock, NoHome> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(home)?;
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    // Who may read it may lock it.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(home.join(LOCK_FILE))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(NoHome::InUse),
        Err(TryLockError::Error(error)) => Err(NoHome::Failed(error)),
    }
}
