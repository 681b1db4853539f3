//! The journal's format: keys file, segments of sealed blocks, records, snapshots, capsules. SPEC.md describes every byte.
//!
//! A codec over byte slices: it does no I/O, takes every random byte as an argument, and never panics on any input.
//!
//! ```text
//!   segment  =  header  block  block  …          one key a segment
//!   block    =  block header, AEAD( record record … )   one block a group commit
//!   chain_0  =  SHA-256(header)      chain_n = SHA-256(chain_{n-1}, block n)
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented
    )
)]

pub mod archive;
pub mod block;
pub mod capsule;
pub mod codec;
pub mod event;
pub mod fuzz;
pub mod header;
pub mod keys;
pub mod snapshot;

mod layout;
mod seal;

// They read vectors and corpora.
#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
mod tests;

pub use seal::{Key, NONCE_LEN, Nonce, TAG_LEN, digest};

use std::fmt;

/// Why bytes are not what the format says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FormatError {
    /// Fewer bytes than the part has.
    Short,
    /// The part does not begin with its magic.
    Magic,
    /// A version or suite that this build does not know.
    Newer,
    /// A check over the part's plain bytes fails.
    Check,
    /// The seal does not open: wrong key, or altered bytes.
    Seal,
    /// A field holds what it must not.
    Field,
    /// More than a bound allows.
    Limit,
    /// A payload does not decode.
    Payload,
    /// A whole block, or a segment, that does not belong where it stands.
    Place,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FormatError::Short => "too few bytes",
            FormatError::Magic => "not this kind of file",
            FormatError::Newer => "written by a newer version",
            FormatError::Check => "the check does not hold",
            FormatError::Seal => "the seal does not open",
            FormatError::Field => "a field holds what it must not",
            FormatError::Limit => "more than a bound allows",
            FormatError::Payload => "a payload does not decode",
            FormatError::Place => "it does not belong here",
        })
    }
}

impl std::error::Error for FormatError {}
