//! The relay's stores, behind one port and one conformance suite.
//!
//! ```text
//!   SqliteStore   accounts, key packages, mailboxes, capabilities, items, FrameIds: one SQLite database
//!   MemoryStore   the same in ordered maps
//!       └─ both: challenges, lanes, spent stamps and answers, in memory (`volatile`)
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod capabilities;
#[cfg(test)]
mod conformance;
mod memory;
mod sqlite;
mod undo;
mod volatile;

pub use memory::MemoryStore;
pub use sqlite::{BackupError, OpenError, SqliteStore};

/// Suites of which an account has a last-resort key package; of a further one it is refused: `Full`.
const LAST_RESORTS_MAX: usize = 16;
