//! The relay's stores, behind one port and one conformance suite.
//!
//! ```text
//!   SqliteStore   accounts, key packages, mailboxes, capabilities, items, FrameIds, logs: one SQLite database
//!   MemoryStore   the same in ordered maps
//!       └─ both: challenges, lanes, spent stamps and answers, in memory (`volatile`)
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod capabilities;
#[cfg(test)]
mod conformance;
mod logs;
mod memory;
mod sqlite;
mod undo;
mod volatile;

pub use memory::MemoryStore;
pub use sqlite::{BackupError, OpenError, SqliteStore};
