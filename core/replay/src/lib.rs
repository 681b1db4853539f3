//! Replay: folds a profile's journal again: says whether it comes to the same, gives the state at any place, and shows what two
//! states differ in.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

pub mod capsule;
mod compare;
mod fold;
mod intact;
#[cfg(test)]
mod life;
mod named;
mod replay;
mod stats;
mod touching;
mod tree;
mod verify;
mod view_digest;
mod why;
mod words;

pub use compare::{Begins, By, Course, Narrowed, Parting, compare_digests, seen_at};
pub use fold::Step;
pub use intact::Intact;
pub use named::Named;
pub use replay::{Moment, Replay};
pub use stats::{EFFECT_KINDS, Kind, Stats, Took, effect_kind};
pub use touching::Touching;
pub use tree::{Difference, Leaf, Tree, short_ids};
pub use verify::{FoldedOn, Verified, state_digest, verify};
pub use view_digest::{Numbering, Seen};
pub use why::{Explaining, Line, Subject, refusal};
pub use words::{asked_for, reason, timer_words, why_words};
