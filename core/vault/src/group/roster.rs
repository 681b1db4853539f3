//! Who is in an epoch: identities by their leaf, and the charter.

use crate::mls::credential;
use openmls::prelude::{Credential, Extensions, GroupContext, Member};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use thicket_types::group::{Charter, Roster};
use thicket_types::ids::Fingerprint;

/// The members of one epoch. Cheap to copy: several epochs may have the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Members(Arc<Sitting>);

/// Whom each leaf belongs to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Sitting {
    pub(super) charter: Charter,
    pub(super) leaves: BTreeMap<u32, Fingerprint>,
}

impl Members {
    pub(super) fn new(charter: Charter, leaves: BTreeMap<u32, Fingerprint>) -> Members {
        Members(Arc::new(Sitting { charter, leaves }))
    }

    /// The members that a tree has. `None`: the context has no charter, or an identity has no leaf of ours, or two.
    pub(super) fn of(context: &Extensions<GroupContext>, members: impl Iterator<Item = Member>) -> Option<Members> {
        let charter = super::charter::of(context)?;
        let mut leaves = BTreeMap::new();
        for member in members {
            let who = identity(&member.credential)?;
            if leaves.values().any(|other| *other == who) {
                return None;
            }
            leaves.insert(member.index.u32(), who);
        }
        Some(Members::new(charter, leaves))
    }

    pub(super) fn sitting(&self) -> &Sitting {
        &self.0
    }

    /// Whose leaf this is.
    pub(super) fn at(&self, leaf: u32) -> Option<Fingerprint> {
        self.0.leaves.get(&leaf).copied()
    }
}

impl From<Sitting> for Members {
    fn from(sitting: Sitting) -> Members {
        Members(Arc::new(sitting))
    }
}

impl Roster for Members {
    fn charter(&self) -> &Charter {
        &self.0.charter
    }

    fn has(&self, who: Fingerprint) -> bool {
        self.0.leaves.values().any(|other| *other == who)
    }

    fn count(&self) -> usize {
        self.0.leaves.len()
    }

    fn first(&self) -> Option<Fingerprint> {
        self.0.leaves.values().next().copied()
    }
}

/// Whom a leaf's credential names; that it is certified is checked where it comes in.
pub(super) fn identity(credential: &Credential) -> Option<Fingerprint> {
    credential::named(credential)
}
