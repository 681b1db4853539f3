//! What is to be carried out: orders to remove a member, and leaves.

use super::charter::{Role, Roster, role};
use super::permits::Passed;
use crate::ids::Fingerprint;
use crate::limits::ORDERS_MAX;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// That a member is to be removed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Order {
    /// Its place in the log.
    pub at: u64,
    /// Who ordered it.
    pub by: Fingerprint,
    /// Who is to go.
    pub target: Fingerprint,
}

/// Orders and leaves that were not carried out yet. Each holds from its place in the log on: what stands before it is judged as
/// if it were not there, also where a void has the log walked again.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Docket {
    /// By their place. **Limits:** [`ORDERS_MAX`]; one a member.
    orders: Vec<Order>,
    /// Who leaves, and the place of their word.
    leaves: BTreeMap<Fingerprint, u64>,
}

impl Docket {
    /// The orders that hold at a place, the oldest first.
    pub fn orders(&self, at: u64) -> impl Iterator<Item = &Order> {
        self.orders.iter().filter(move |order| order.at < at)
    }

    /// Whether a member was ordered out before this place.
    pub fn is_ordered(&self, who: Fingerprint, at: u64) -> bool {
        self.orders(at).any(|order| order.target == who)
    }

    /// Whether a member's leave stands before this place.
    pub fn leaves(&self, who: Fingerprint, at: u64) -> bool {
        self.leaves.get(&who).is_some_and(|place| *place < at)
    }

    /// Whether nothing that this member says at this place counts any more.
    pub fn bars(&self, who: Fingerprint, at: u64) -> bool {
        self.is_ordered(who, at) || self.leaves(who, at)
    }

    /// Whether a member is heard at this place.
    pub(crate) fn hears(&self, roster: &impl Roster, at: u64, by: Fingerprint) -> Result<(), Passed> {
        match (roster.has(by), self.bars(by, at)) {
            (false, _) => Err(Passed::NoMember),
            (true, true) => Err(Passed::Barred),
            (true, false) => Ok(()),
        }
    }

    /// Takes an order up. An owner orders anybody but themselves out, an admin a mere member. **Repeat:** the first order against
    /// a member holds.
    pub(crate) fn order(&mut self, roster: &impl Roster, at: u64, by: Fingerprint, target: Fingerprint) -> Result<(), Passed> {
        self.hears(roster, at, by)?;
        let authority = role(roster, by).ok_or(Passed::NoMember)?;
        let of_target = role(roster, target).ok_or(Passed::Pointless)?;
        let allowed = by != target && authority >= Role::Admin && (authority > of_target || authority == Role::Owner);
        if !allowed {
            return Err(Passed::NotAllowed);
        }
        if self.orders.iter().any(|order| order.target == target) {
            return Err(Passed::Pointless);
        }
        if self.orders.len() >= ORDERS_MAX {
            return Err(Passed::TooMany);
        }
        let place = self.orders.partition_point(|order| order.at < at);
        self.orders.insert(place, Order { at, by, target });
        Ok(())
    }

    /// Notes that a member leaves.
    pub(crate) fn leave(&mut self, roster: &impl Roster, at: u64, by: Fingerprint) -> Result<(), Passed> {
        self.hears(roster, at, by)?;
        self.leaves.insert(by, at);
        Ok(())
    }

    /// What is still to be carried out among these members.
    pub(crate) fn among(&self, roster: &impl Roster) -> Docket {
        let orders = self.orders.iter().filter(|order| roster.has(order.target)).copied().collect();
        let leaves = self.leaves.iter().filter(|(who, _)| roster.has(**who)).map(|(who, at)| (*who, *at)).collect();
        Docket { orders, leaves }
    }
}
