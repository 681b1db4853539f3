//! Whether a commit is one that its sender may make: a function of the epoch's members and charter, what is on the docket, and
//! what the commit does.

use super::charter::{Charter, Role, Roster, role};
use super::docket::Docket;
use crate::ids::Fingerprint;
use crate::limits::MEMBERS_MAX;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What a commit does, as every member sees it. It renews its sender's keys in any case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CommitFacts {
    /// Its sender.
    pub by: Fingerprint,
    /// Who comes in.
    pub adds: Vec<Fingerprint>,
    /// Who goes.
    pub removes: Vec<Fingerprint>,
    /// Whose leaf is replaced at their own wish: a removal and an addition of one identity, whose new leaf says so.
    pub rejoins: Vec<Fingerprint>,
    /// The charter, if it is another from here on.
    pub charter: Option<Charter>,
}

/// Why an entry of the log has no effect.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Passed {
    /// It can't be opened in an epoch that counts, or is malformed.
    Unopened,
    /// Its sender is no member.
    NoMember,
    /// Its sender was ordered out before, or leaves.
    Barred,
    /// Its sender's role does not allow it.
    NotAllowed,
    /// An order is open, and it does not carry the oldest out.
    OrderOpen,
    /// It asks for what is so already.
    Pointless,
    /// It would go past a bound.
    TooMany,
    /// The commit that it speaks of is too far back.
    TooLate,
    /// A commit before it can't be completed here: whether this one stands can't be told.
    Untold,
}

/// Judges a commit at its place in the log. `Ok`: it is valid, and every member who knows the log up to it says so.
pub fn permits(roster: &impl Roster, docket: &Docket, at: u64, commit: &CommitFacts) -> Result<(), Passed> {
    let CommitFacts { by, adds, removes, rejoins, charter } = commit;
    let authority = role(roster, *by).ok_or(Passed::NoMember)?;
    if docket.bars(*by, at) {
        return Err(Passed::Barred);
    }
    let others = removes.iter().chain(rejoins).all(|who| roster.has(*who) && who != by);
    let new = adds.iter().all(|who| !roster.has(*who));
    if !others || !new || has_twice(adds) || has_twice(removes) || has_twice(rejoins) || rejoins.iter().any(|who| removes.contains(who)) {
        return Err(Passed::NotAllowed);
    }
    // Nobody goes but by an order or by their own word.
    if !removes.iter().all(|who| docket.bars(*who, at)) || rejoins.iter().any(|who| docket.bars(*who, at)) {
        return Err(Passed::NotAllowed);
    }
    if let Some(oldest) = docket.orders(at).next()
        && (!removes.contains(&oldest.target) || !adds.is_empty() || !rejoins.is_empty() || charter.is_some())
    {
        return Err(Passed::OrderOpen);
    }
    if !adds.is_empty() && authority < Role::Admin {
        return Err(Passed::NotAllowed);
    }
    if roster.count().saturating_add(adds.len()).saturating_sub(removes.len()) > MEMBERS_MAX {
        return Err(Passed::TooMany);
    }
    charter.as_ref().map_or(Ok(()), |charter| permits_charter(roster, authority, commit, charter))
}

fn permits_charter(roster: &impl Roster, authority: Role, commit: &CommitFacts, charter: &Charter) -> Result<(), Passed> {
    let same = roster.charter().officers() == charter.officers();
    if authority < if same { Role::Admin } else { Role::Owner } {
        return Err(Passed::NotAllowed);
    }
    let stays = |who: Fingerprint| (roster.has(who) || commit.adds.contains(&who)) && !commit.removes.contains(&who);
    let appointed = |who: Fingerprint| roster.charter().officers().iter().any(|officer| officer.who == who);
    // Who is appointed is a member then; who was and is none any more may stand there still.
    let members = charter.officers().iter().all(|officer| stays(officer.who) || appointed(officer.who));
    let owned = charter.officers().iter().any(|officer| officer.role == Role::Owner && stays(officer.who));
    if members && owned { Ok(()) } else { Err(Passed::NotAllowed) }
}

fn has_twice(all: &[Fingerprint]) -> bool {
    all.iter().enumerate().any(|(index, who)| all.iter().skip(index.saturating_add(1)).any(|other| other == who))
}
