//! Envelopes that came before what begins their conversation, or their epoch. They are on this disk and acknowledged; only so
//! many are held, since honest contacts send none that could not be read soon (docs/adr/0016).

use crate::state::{Held, State, Why};
use crate::step::Step;
use alloc::vec::Vec;
use thicket_types::ids::Fingerprint;
use thicket_types::limits::{HELD_FOR, HELD_FRAMES_MAX, HELD_LEN_ALL_MAX, HELD_LEN_MAX};
use thicket_types::vault_op::VaultOp;

/// Keeps an early envelope by its record. Past a bound the contact's oldest are given up, with their cause shown.
pub(crate) fn hold(state: &mut State, step: &mut Step, contact: Fingerprint, early: Held) {
    let crowded = state.early.len() >= HELD_FRAMES_MAX && !state.early.contains_key(&contact);
    let of_others = state.early.iter().filter(|(other, _)| **other != contact).map(|(_, held)| len(held)).fold(0, u64::saturating_add);
    let room = if crowded { 0 } else { HELD_LEN_MAX.min(HELD_LEN_ALL_MAX.saturating_sub(of_others)) };
    let held = state.early.entry(contact).or_default();
    held.push(early);
    let mut given_up = Vec::new();
    while !held.is_empty() && (held.len() > HELD_FRAMES_MAX || len(held) > room) {
        given_up.push(held.remove(0));
    }
    if held.is_empty() {
        state.early.remove(&contact);
    }
    for early in given_up {
        open(state, step, early, true);
    }
}

fn len(held: &[Held]) -> u64 {
    held.iter().map(|held| u64::from(held.len)).fold(0, u64::saturating_add)
}

/// What came early can perhaps be read now.
pub(crate) fn read(state: &mut State, step: &mut Step, contact: Fingerprint) {
    for early in state.early.remove(&contact).unwrap_or_default() {
        open(state, step, early, false);
    }
}

/// What waited for as long as the relay keeps mail is given up: nothing that comes now could follow it, and its record would keep
/// its segment for ever.
pub(crate) fn tidy(state: &mut State, step: &mut Step) {
    let now = step.now();
    let mut given_up = Vec::new();
    for held in state.early.values_mut() {
        given_up.extend(held.iter().filter(|held| now.since(held.at) >= HELD_FOR).copied());
        held.retain(|held| now.since(held.at) < HELD_FOR);
    }
    state.early.retain(|_, held| !held.is_empty());
    for early in given_up {
        open(state, step, early, true);
    }
}

/// Held again, it has waited since it came.
fn open(state: &mut State, step: &mut Step, early: Held, last: bool) {
    let Held { envelope, at, .. } = early;
    step.vault(state, Why::Open(envelope, at), VaultOp::OpenEnvelope { envelope, at: step.now(), last });
}
