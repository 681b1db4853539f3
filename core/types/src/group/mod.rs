//! The rules of a group: who may change what, and which commits of its log stand.
//!
//! ```text
//!   charter   title, roles: what the group's own authenticated context holds
//!   docket    orders to remove and leaves that were not carried out yet
//!   permits   whether a commit is one that its sender may make
//!   lineage   the epochs that followed one another, and what a void takes back
//! ```
//!
//! Every member comes to the same answers from the same log: nothing here asks a clock, a pin, a block list or a setting.
//! The vault feeds these rules with what openmls found in each entry; the model of `tests/model` with every log that there can be.

mod charter;
mod docket;
mod lineage;
mod permits;

#[cfg(test)]
mod tests;

pub use charter::{Charter, Officer, Role, Roster, role};
pub use docket::{Docket, Order};
pub use lineage::{Kept, Lineage, Past, Turn};
pub use permits::{CommitFacts, Passed, permits};

use crate::ids::Fingerprint;
use serde::{Deserialize, Serialize};

/// What a control message says. It is signed by its sender's leaf key, and sealed for an epoch of the window.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Said {
    /// This member is to be removed: from here on only commits that do so are valid.
    Order {
        /// Who.
        target: Fingerprint,
    },
    /// I leave: anybody may carry it out.
    Leave,
    /// I can't complete this commit; re-add me. Changes nothing by itself.
    Complaint {
        /// Which commit of the log, counted from its beginning.
        commit: u64,
    },
    /// This commit, and all that came of it, is taken back: I can't complete it.
    Void {
        /// Which commit of the log, counted from its beginning.
        commit: u64,
    },
    /// The same by an owner whom nobody brought back in while it could be voided.
    Reset {
        /// Which commit of the log, counted from its beginning.
        commit: u64,
    },
}
