//! The one impure driver: admits inputs, stamps them, folds them, makes them durable, and only then lets effects out.
//!
//! ```text
//!   push(input) ─→ turn():  stamp → reduce(state, record) → append + fsync (one block) → effects
//! ```
//!
//! Generic over the rules and its ports; it knows no rule of the domain. If a fold panics or a write fails, the state is
//! thrown away and rebuilt from what is durable, and the segment is never written again.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod archive;
mod blocks;
mod disk;
mod engine;
mod frames;
mod journal;
mod keys;
mod snapshots;

#[cfg(test)]
mod tests;

pub use archive::{ArchiveKeys, ArchiveReader, ArchiveWriter, ArchivedState, Cut, begin_restored};
pub use disk::{OsDisk, disk_error, private_folders};
pub use engine::{Engine, Input, Opened, Turn, look, names_what_is_gone};
pub use journal::{BlockStart, Damage, Extent, Resume, Torn, Walked, is_segment, taken, walk, walk_on};
pub use keys::{KEYS_FILE, ProfileKeys, Unlocking};
pub use snapshots::{Carried, Newest, is_snapshot, kept};

use std::fmt;
use thicket_journal_format::FormatError;
use thicket_types::error::Code;
use thicket_types::ports::DiskError;

/// Why the engine did not do as asked: a numbered error, and for damage its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The error.
    pub code: Code,
    /// Where, if a file is damaged.
    pub damage: Option<Damage>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.damage {
            Some(damage) => write!(f, "{} ({damage})", self.code),
            None => self.code.fmt(f),
        }
    }
}

impl std::error::Error for Fault {}

impl From<Code> for Fault {
    fn from(code: Code) -> Fault {
        Fault { code, damage: None }
    }
}

impl From<DiskError> for Fault {
    fn from(error: DiskError) -> Fault {
        Fault::from(Code::from(error))
    }
}

impl From<FormatError> for Fault {
    fn from(error: FormatError) -> Fault {
        Fault::from(if error == FormatError::Newer { Code::ProfileNewer } else { Code::Inconsistent })
    }
}
