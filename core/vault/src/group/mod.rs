//! Groups: an MLS group whose commits, messages and control messages stand in one order in a log at a relay.
//!
//! ```text
//!   charter   title and roles, in the group's own context       roster   who is in an epoch
//!   secrets   what an epoch's exporter gives                    entry    an entry of the log, sealed and padded
//!   kept      the group's rows: epochs, place in the log
//!   begin     made, its log created                             commit   staged and posted
//!   welcome   let in, and letting in                            post     messages
//!   follow    a page of the log, judged entry by entry
//!   tidy      what is past its window, and groups that are given up
//! ```
//!
//! Which commits stand is said by `thicket_types::group`; here openmls finds out what each entry is. An epoch of a group is named by the
//! number of the commit that opened it, counted in the log: MLS counts epochs anew where a commit is taken back.

mod begin;
mod charter;
mod commit;
mod entry;
mod follow;
#[cfg(test)]
pub(crate) mod insider;
mod kept;
mod post;
mod roster;
mod secrets;
mod tidy;
mod welcome;

pub(crate) use begin::{created, make};
pub(crate) use commit::{commit, keep_key_package};
pub(crate) use follow::{follow, read_log};
pub(crate) use post::seal;
pub(crate) use tidy::{give_up, tidy};
pub(crate) use welcome::{invited, join, seal as seal_welcome};
