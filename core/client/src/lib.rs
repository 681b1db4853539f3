//! One profile, wired: reducer, engine, vault, journal and a transport. It decides nothing.
//!
//! ```text
//!   Client (any thread) ──submit, stage──▶ inbox ─▶ [ the profile's thread: Pump ] ─▶ changes ──next_changes──▶ Client
//!        └──query──▶ the vault's second, read-only connection and the durable view
//! ```
//!
//! [`Pump`] is the same machine without a thread, for tests that drive it with a clock and a seed of their own.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing))]

mod archive;
mod changes;
mod client;
mod folder;
mod look;
pub mod making;
mod profile;
mod pump;
mod site;
mod system;
mod watch;

#[cfg(test)]
mod tests;

pub use archive::Archived;
pub use client::{Client, TransportFactory};
pub use look::Look;
pub use profile::{Options, Profile};
pub use pump::{Closed, Observer, Point, Pump, Pumped, named_bodies};
pub use site::Site;
pub use system::{SeededEntropy, SharedEntropyHandle, SystemClock, SystemEntropy, share};
pub use thicket_journal_format::keys::Cost;
pub use thicket_reducer::{ContactView, View};
pub use thicket_vault::{Direction, MessageRow, Origin, Reader};
