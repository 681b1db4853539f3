//! What stops relayd, in words that name the file and say what to do, and the status it exits with.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;
use thicket_store::{BackupError, OpenError};
use thicket_types::error::Code;

/// What stops relayd.
#[derive(Debug)]
pub enum Trouble {
    /// A numbered error, and where it is met.
    Numbered(Code, String),
    /// What the system refused that is no file.
    System(String),
}

impl Trouble {
    /// The configuration, or the command line, in words that name the file or the key.
    pub fn configuration(words: String) -> Trouble {
        Trouble::Numbered(Code::BadConfiguration, words)
    }

    pub fn system(error: impl fmt::Display) -> Trouble {
        Trouble::System(error.to_string())
    }

    /// An error of a file or a folder.
    pub fn at(path: &Path, code: Code) -> Trouble {
        Trouble::Numbered(code, format!("{}: {}", path.display(), code.what()))
    }

    /// The same, with what the system says.
    pub fn file(path: &Path, error: &io::Error) -> Trouble {
        let code = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Code::DiskFull,
            ErrorKind::NotFound
            | ErrorKind::PermissionDenied
            | ErrorKind::AlreadyExists
            | ErrorKind::NotADirectory
            | ErrorKind::BrokenPipe => Code::FileFailed,
            _ => Code::DiskFailed,
        };
        Trouble::Numbered(code, format!("{}: {} ({error})", path.display(), code.what()))
    }

    /// A store that does not open.
    pub fn store(path: &Path, error: OpenError) -> Trouble {
        let code = match error {
            OpenError::Newer => Code::StoreNewer,
            OpenError::Damaged => Code::StoreDamaged,
            OpenError::Shut => Code::FileFailed,
            OpenError::DiskFull => Code::DiskFull,
            OpenError::DiskFailed => Code::DiskFailed,
        };
        Trouble::at(path, code)
    }

    /// A backup that was not made.
    pub fn backup(store: &Path, to: &Path, error: BackupError) -> Trouble {
        let (path, code) = match error {
            BackupError::Exists => (to, Code::FileExists),
            BackupError::Damaged => (store, Code::StoreDamaged),
            BackupError::Shut => (to, Code::FileFailed),
            BackupError::DiskFull => (to, Code::DiskFull),
            BackupError::Uncommitted => (store, Code::Inconsistent),
            BackupError::DiskFailed => (to, Code::DiskFailed),
        };
        Trouble::at(path, code)
    }

    /// The exit status; docs/RELAY.md lists them.
    pub fn status(&self) -> u8 {
        match self {
            Trouble::System(_) => 1,
            Trouble::Numbered(code, _) => match code {
                Code::BadConfiguration => 2,
                Code::StoreMissing | Code::FileExists => 3,
                Code::RelayInUse => 5,
                Code::StoreDamaged | Code::RelayKeyDamaged | Code::StoreGone | Code::RelayKeyGone => 7,
                Code::DiskFull => 8,
                Code::StoreNewer => 9,
                _ => 1,
            },
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::System(words) => f.write_str(words),
            Trouble::Numbered(code, words) => {
                let mut hint = code.hint().chars();
                let begin = hint.next().map(|first| first.to_ascii_uppercase());
                write!(f, "{words} (error {}). {}.", code.number(), begin.into_iter().chain(hint).collect::<String>())
            }
        }
    }
}
