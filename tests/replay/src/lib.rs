//! Journals of every format and rules version, kept under `journals/`: each must open, and fold to what it folded to when it was made,
//! for ever.
//!
//! ```text
//!   journals/format-1-rules-1/NAME/keys, journal/, snapshots/    a profile without its vault
//!   journals/format-1-rules-1/NAME/folds-to                      the digests, as text
//! ```
//!
//! Version 1 may change until it is released: `UPDATE_JOURNALS=1` makes its journals anew. Those of a version that was released are
//! never made again.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

use std::fmt;
use std::path::{Path, PathBuf};
use thicket_types::ids::Digest;

/// What opens them.
pub const PASSPHRASE: &[u8] = b"transparent";

/// What a journal folds to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FoldsTo {
    /// The place before the first record that is folded.
    pub from: u64,
    /// Records folded.
    pub records: u64,
    /// The state's digest after the last.
    pub state: Digest,
    /// The digest over all effects.
    pub effects: Digest,
    /// The view digest.
    pub view: Digest,
}

impl fmt::Display for FoldsTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FoldsTo { from, records, state, effects, view } = self;
        writeln!(f, "from {from}\nrecords {records}\nstate {}\neffects {}\nview {}", state.hex(), effects.hex(), view.hex())
    }
}

/// The folder of all versions.
pub fn folder() -> PathBuf {
    // At run time: two checkouts may share a target folder, and the binary with it.
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where the crate is")).join("journals")
}

/// The profiles that are kept, by their folders.
pub fn journals() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = entries(&folder()).iter().flat_map(|version| entries(version)).collect();
    found.sort();
    found
}

/// What a folder holds.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    read.map(|entry| entry.expect("an entry").path()).collect()
}
