//! Write capabilities: who is accepted writes past the relay's request box, until they are blocked or removed.

use crate::state::{Link, Standing, State, Why};
use crate::step::Step;
use alloc::vec::Vec;
use thicket_types::event::TimerId;
use thicket_types::ids::Fingerprint;
use thicket_types::limits::{CAPABILITY_CONTACTS_MAX, CAPABILITY_EVERY, CONTACTS_MAX, GRANT_AFTER};
use thicket_types::time::Stamp;
use thicket_types::vault_op::VaultOp;

/// Something may be due: it gathers for a moment, so that one request says much.
pub(crate) fn soon(state: &mut State, step: &mut Step) {
    if !state.timers.contains_key(&TimerId::Grant) {
        let span = step.jittered(GRANT_AFTER);
        step.arm(state, TimerId::Grant, span);
    }
}

/// Takes a contact's capability back.
pub(crate) fn revoke(state: &mut State, step: &mut Step, contact: Fingerprint) {
    if let Some(known) = state.contacts.get_mut(&contact) {
        known.granted = None;
    }
    // As many as there can be contacts: past it, theirs is not taken back, and stays good for their lane alone.
    if state.revoke.len() < CONTACTS_MAX {
        state.revoke.insert(contact);
    }
    soon(state, step);
}

/// Asks the relay for what is due, unless that is under way or nobody is logged in: the next login looks again.
///
/// Who was never told of gets what the vault has for them, made if need be; who was told a month ago gets a new one. A renewal
/// that is asked for is at once taken for one that the relay was not told of: asked again, it makes no third.
pub(crate) fn settle(state: &mut State, step: &mut Step) {
    let under_way = state.under_way(|why| matches!(why, Why::Grant(..)));
    if under_way || state.session.link != Link::Online {
        return;
    }
    let now = step.now();
    let old = |at: Stamp| now.since(at) >= CAPABILITY_EVERY;
    let revoke: Vec<Fingerprint> = state.revoke.iter().copied().take(CAPABILITY_CONTACTS_MAX).collect();
    let due = state.contacts.iter().filter(|(_, known)| known.standing == Standing::Accepted && !known.held);
    let due = due.filter(|(_, known)| known.granted.is_none_or(old)).take(CAPABILITY_CONTACTS_MAX);
    let (renew, grant): (Vec<_>, Vec<_>) = due.map(|(id, known)| (*id, known.granted.is_some())).partition(|(_, renews)| *renews);
    let ids = |of: Vec<(Fingerprint, bool)>| of.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    let (renew, grant) = (ids(renew), ids(grant));
    if grant.is_empty() && renew.is_empty() && revoke.is_empty() {
        return;
    }
    for contact in &renew {
        if let Some(known) = state.contacts.get_mut(contact) {
            known.granted = None;
        }
    }
    let told = [grant.as_slice(), renew.as_slice()].concat();
    step.vault(state, Why::Grant(told, revoke.clone()), VaultOp::SetCapabilities { grant, renew, revoke });
}

/// The relay knows them now; what is left goes in the next request.
pub(crate) fn settled(state: &mut State, step: &mut Step, granted: &[Fingerprint], revoked: &[Fingerprint]) {
    for contact in granted {
        // Whoever was blocked or removed meanwhile has theirs taken back next.
        let goes = state.revoke.contains(contact);
        if let Some(known) = state.contacts.get_mut(contact).filter(|known| known.standing == Standing::Accepted && !goes) {
            known.granted = Some(step.now());
        }
    }
    for contact in revoked {
        state.revoke.remove(contact);
    }
    settle(state, step);
}
