//! Replay: folds a profile's journal again: says whether it comes to the same, gives the state at any place, and shows what two
//! states differ in.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod fold;
mod history;
mod stats;
mod tree;
mod verify;
mod view_digest;

pub use fold::Step;
pub use history::{History, Moment};
pub use stats::{Kind, Stats, Took};
pub use tree::{Difference, Leaf, Tree};
pub use verify::{FoldedOn, Verified, state_digest, verify};
