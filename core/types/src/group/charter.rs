//! What the group's own authenticated context says of it: its title, and who may do what.

use crate::ids::Fingerprint;
use crate::limits::OFFICERS_MAX;
use crate::name::Title;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What a member may do. Each may all that those before it may.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Role {
    /// Talks, leaves, carries out orders and leaves, brings a member back in.
    Member,
    /// Adds members, orders that members be removed, renames the group.
    Admin,
    /// Appoints and dismisses admins and owners, orders that anybody else be removed.
    Owner,
}

/// Who is more than a member.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Officer {
    /// Their identity: who comes back with another leaf has the same role.
    pub who: Fingerprint,
    /// Admin or owner.
    pub role: Role,
}

/// A group's title and roles. Every commit that changes it is judged by the one before.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Charter {
    /// What the group is called.
    title: Title,
    /// Whether the relay's list names it.
    public: bool,
    /// Owners and admins, in the order of their appointment. **Limits:** [`OFFICERS_MAX`], nobody twice.
    officers: Vec<Officer>,
}

impl Charter {
    /// A charter that keeps to its limits; `None` otherwise. There is an owner in it, and nobody in it is a mere member.
    pub fn new(title: Title, public: bool, officers: Vec<Officer>) -> Option<Charter> {
        let owned = officers.iter().any(|officer| officer.role == Role::Owner);
        let each =
            |officer: &Officer| officer.role != Role::Member && officers.iter().filter(|other| other.who == officer.who).count() == 1;
        let kept = owned && officers.len() <= OFFICERS_MAX && officers.iter().all(each);
        kept.then(|| Charter { title, public, officers: officers.clone() })
    }

    /// What the group is called.
    pub fn title(&self) -> &Title {
        &self.title
    }

    /// Whether the relay's list names it.
    pub fn is_public(&self) -> bool {
        self.public
    }

    /// Owners and admins, in the order of their appointment.
    pub fn officers(&self) -> &[Officer] {
        &self.officers
    }
}

/// Who is in a group in one epoch.
pub trait Roster {
    /// The charter of this epoch.
    fn charter(&self) -> &Charter;
    /// Whether this identity has a leaf.
    fn has(&self, who: Fingerprint) -> bool;
    /// Members.
    fn count(&self) -> usize;
    /// The member with the smallest leaf index.
    fn first(&self) -> Option<Fingerprint>;
}

/// What somebody is in an epoch; `None` if they are no member.
///
/// A group is never without an owner: where none of those appointed is a member any more, the admin who was appointed first is
/// one; without an admin the member with the smallest leaf index.
pub fn role(roster: &impl Roster, who: Fingerprint) -> Option<Role> {
    if !roster.has(who) {
        return None;
    }
    let officers = || roster.charter().officers().iter().filter(|officer| roster.has(officer.who));
    let appointed = officers().find(|officer| officer.who == who).map_or(Role::Member, |officer| officer.role);
    if officers().any(|officer| officer.role == Role::Owner) {
        return Some(appointed);
    }
    let heir = officers().next().map(|officer| officer.who).or_else(|| roster.first());
    Some(if heir == Some(who) { Role::Owner } else { appointed })
}
