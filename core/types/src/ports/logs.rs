//! What a relay keeps of groups' logs: sealed entries in one order, and the digests of what may be posted and read with.
//!
//! ```text
//!   posting keys   the newest, and the 15 before it for 24 hours     a member shows one
//!   lanes          one an admin                                      an admin shows theirs
//!   reading keys   each for the entries after its gate, up to the next gate
//! ```

use super::StoreError;
use crate::ids::{Digest, FrameId, Incarnation, LogId};
use crate::time::Stamp;
use alloc::vec::Vec;

/// A log, without its entries. Entries are numbered 1, 2, …
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogHead {
    /// The first entry that is still kept; `last + 1` if none is.
    pub first: u64,
    /// The last entry. 0: there was none.
    pub last: u64,
    /// The last one that is a commit. 0: there was none.
    pub commit: u64,
    /// SHA-256 of what it was created with.
    pub created: Digest,
}

/// A log to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewLog<'a> {
    /// Its id.
    pub log: LogId,
    /// SHA-256 of what it is created with.
    pub created: Digest,
    /// SHA-256 of its first posting key.
    pub posting: Digest,
    /// SHA-256 of its first reading key.
    pub reading: Digest,
    /// Its lanes.
    pub lanes: &'a [LogLane],
    /// Now.
    pub at: Stamp,
}

/// An admin's lane in a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogLane {
    /// SHA-256 of its secret.
    pub lane: Digest,
    /// Whether it may add lanes and remove them.
    pub owner: bool,
}

/// What an entry is, as far as a relay must know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EntryKind {
    /// A commit: what is posted after it must know of it.
    Commit,
    /// A message.
    Message,
    /// A control message: it is never stale.
    Control,
}

/// What a commit registers besides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Registers {
    /// SHA-256 of the next posting key.
    pub posting: Digest,
    /// SHA-256 of the reading key of the entries after it; `None`: the one there is.
    pub reading: Option<Digest>,
}

/// An entry to append.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewEntry<'a> {
    /// Its log.
    pub log: LogId,
    /// SHA-256 of its bytes.
    pub frame: FrameId,
    /// What it is.
    pub kind: EntryKind,
    /// Its sealed bytes.
    pub bytes: &'a [u8],
    /// What it registers, if it is a commit.
    pub registers: Option<Registers>,
    /// Now.
    pub at: Stamp,
}

/// An entry of a log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogEntry {
    /// Its number.
    pub number: u64,
    /// What it is.
    pub kind: EntryKind,
    /// Its sealed bytes.
    pub bytes: Vec<u8>,
    /// SHA-256 of the posting key that it registered, if it is a commit.
    pub posting: Option<Digest>,
}

/// A posting key that a log knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PostingKey {
    /// When the next one was registered; `None`: it is the newest.
    pub replaced: Option<Stamp>,
}

/// The entries that a reading key reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Readable {
    /// The first.
    pub first: u64,
    /// The last; `None` as long as no other key was registered.
    pub last: Option<u64>,
}

/// Logs, as a part of [`Store`](super::Store).
pub trait Logs {
    /// Which life of the store this is.
    fn incarnation(&mut self) -> Result<Incarnation, StoreError>;
    /// How many logs there are.
    fn logs(&mut self) -> Result<u64, StoreError>;
    /// A log.
    fn log(&mut self, log: LogId) -> Result<Option<LogHead>, StoreError>;
    /// Keeps a new log. **Errors:** `Failed` if there is one of this id; `Full` past [`crate::limits::LOG_LANES_MAX`].
    fn create_log(&mut self, new: &NewLog<'_>) -> Result<(), StoreError>;
    /// A lane of a log, by its digest.
    fn log_lane(&mut self, log: LogId, lane: Digest) -> Result<Option<LogLane>, StoreError>;
    /// Adds lanes, or changes whether they are an owner's, and removes others. One that is added and removed stays.
    /// **Errors:** `Full` past [`crate::limits::LOG_LANES_MAX`]; then nothing changed.
    fn set_log_lanes(&mut self, log: LogId, add: &[LogLane], remove: &[Digest]) -> Result<(), StoreError>;
    /// A posting key, by its digest, if it is one of the newest [`crate::limits::POSTING_KEYS_MAX`].
    fn posting_key(&mut self, log: LogId, key: Digest) -> Result<Option<PostingKey>, StoreError>;
    /// Forgets all posting keys but the newest.
    fn retire_posting_keys(&mut self, log: LogId) -> Result<(), StoreError>;
    /// What a reading key reads, by its digest.
    fn readable(&mut self, log: LogId, key: Digest) -> Result<Option<Readable>, StoreError>;
    /// The number of an entry that is still kept, by its FrameId.
    fn entry_number(&mut self, log: LogId, frame: FrameId) -> Result<Option<u64>, StoreError>;
    /// Appends an entry; gives its number. Past [`crate::limits::LOG_ENTRIES_MAX`] and [`crate::limits::LOG_LEN_MAX`] the oldest entries
    /// go. **Errors:** `Failed` without such a log, or for a FrameId that is there.
    fn append_entry(&mut self, entry: &NewEntry<'_>) -> Result<u64, StoreError>;
    /// Entries from a number to another, in their order: at most so many, and of so many bytes, but for the first.
    fn entries(&mut self, log: LogId, from: u64, upto: u64, count_max: u32, len_max: usize) -> Result<Vec<LogEntry>, StoreError>;
}
