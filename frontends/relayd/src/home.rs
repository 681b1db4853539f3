//! The relay's folder: made for its owner alone, one process's at a time, and whole: keys and a store, or new.

use crate::identity::{self, Identity};
use crate::trouble::Trouble;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use thicket_store::SqliteStore;
use thicket_types::error::Code;

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

/// Where the store of a home is.
pub fn store_file(home: &Path) -> PathBuf {
    home.join("relay.db")
}

/// Whether a home has a store: a file without a byte is none, though SQLite would make one of it.
pub fn has_store(home: &Path) -> bool {
    std::fs::metadata(store_file(home)).is_ok_and(|file| file.len() > 0)
}

/// Opens the keys and the store of a home, whose lock the caller has; makes both in a new one.
///
/// One without the other is no new home: with new keys it would be another relay to its clients, and with an empty store nobody
/// would have an account. So the new keys take their place last, and only those that did not yet say that a start died.
pub fn open(home: &Path) -> Result<(Identity, SqliteStore), Trouble> {
    let (key_file, store_file) = (home.join(identity::FILE), store_file(home));
    let of_keys = |error: io::Error| match error.kind() {
        io::ErrorKind::InvalidData => Trouble::at(&key_file, Code::RelayKeyDamaged),
        _ => Trouble::file(&key_file, &error),
    };
    let store = || SqliteStore::open(&store_file).map_err(|error| Trouble::store(&store_file, error));
    if is_there(&key_file).map_err(of_keys)? {
        let identity = Identity::load(home).map_err(of_keys)?;
        return if has_store(home) { Ok((identity, store()?)) } else { Err(Trouble::at(&store_file, Code::StoreGone)) };
    }
    if is_there(&store_file).map_err(of_keys)? && !is_there(&home.join(identity::UNFINISHED)).map_err(of_keys)? {
        return Err(Trouble::at(&key_file, Code::RelayKeyGone));
    }
    Identity::begin(home).map_err(of_keys)?;
    let store = store()?;
    Ok((Identity::keep(home).map_err(of_keys)?, store))
}

/// Whether anything has this name, a link that leads nowhere among it.
fn is_there(path: &Path) -> io::Result<bool> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
