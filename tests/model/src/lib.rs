//! Every log of a group of four, one of them hostile, against the rules that its members judge by.
//!
//! The rules are those that ship (`thicket_types::group`), not a copy of them. What the model promises is what
//! docs/PROTOCOL.md may say.

pub mod reader;
pub mod world;
