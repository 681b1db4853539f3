//! Offers: a conversation that the other side is asked to begin, from a key package of ours.
//!
//! Sent where the relay has no key package of theirs, where their Welcome names one of ours that is gone, and where this
//! device takes the account over: its groups are dead then.

use crate::state::{Conversation, Standing, State, Why};
use crate::step::Step;
use crate::{contact, delivery};
use thicket_types::ids::Fingerprint;
use thicket_types::limits::OFFER_EVERY;
use thicket_types::name::Name;
use thicket_types::vault_op::VaultOp;

/// Has a contact asked to begin: soon, or when they are accepted. `anew`: what groups there were are dead.
pub(crate) fn due(state: &mut State, step: &mut Step, contact: Fingerprint, anew: bool) {
    let now = step.now();
    let Some(known) = state.contacts.get_mut(&contact) else {
        return;
    };
    let lately = known.offer_at.is_some_and(|at| now.since(at) < OFFER_EVERY);
    if known.standing == Standing::Blocked || (lately && !anew) {
        return;
    }
    known.offer = Some(anew || known.offer == Some(true));
    if known.standing == Standing::Asking {
        return;
    }
    if known.is_fresh(now) {
        make(state, step, contact);
    } else {
        contact::advance(state, step, contact);
    }
}

/// Makes the offer that is due, if one is.
pub(crate) fn make(state: &mut State, step: &mut Step, contact: Fingerprint) {
    let now = step.now();
    let busy = state.busy();
    let Some(known) = state.contacts.get_mut(&contact) else {
        return;
    };
    if known.held || known.standing != Standing::Accepted {
        return;
    }
    // Requests have a bound: what is beyond waits its turn.
    if busy && known.offer.is_some() {
        return contact::wait_turn(state, step, contact);
    }
    let (Some(mailbox), Some(anew)) = (known.mailbox, known.offer.take()) else {
        return;
    };
    known.offer_at = Some(now);
    known.anew |= anew;
    step.vault(state, Why::Offer(contact, anew), VaultOp::SealOffer { contact, mailbox, anew, at: now });
}

/// An offer was made and reached nobody: another is due. What was said with it is said again.
pub(crate) fn owe_again(state: &mut State, contact: Fingerprint, anew: bool) {
    if let Some(known) = state.contacts.get_mut(&contact) {
        known.offer = Some(anew || known.anew || known.offer == Some(true));
    }
}

/// A contact asks us to begin. We do, if they are accepted; else when they are.
pub(crate) fn made(state: &mut State, step: &mut Step, contact: Fingerprint, name: &Name, anew: bool) {
    if !contact::meet(state, step, contact, name) {
        return;
    }
    if let Some(known) = state.contacts.get_mut(&contact) {
        known.offered = true;
        if anew {
            known.conversation = Conversation::None;
            // Another device of theirs: what mail is sealed to may have changed with it, also since a lookup that is under way.
            known.looked = None;
            known.looking = false;
        }
    }
    if anew {
        delivery::forget_lookups(state, step, name);
    }
    begin(state, step, contact);
}

/// Begins from what they offered, if they did and nothing else is under way.
pub(crate) fn begin(state: &mut State, step: &mut Step, contact: Fingerprint) {
    let Some(known) = state.contacts.get_mut(&contact) else {
        return;
    };
    if !known.offered || known.held || known.standing != Standing::Accepted {
        return;
    }
    known.offered = false;
    known.conversation = Conversation::Beginning;
    step.vault(state, Why::Begin(contact), VaultOp::BeginFromOffer { contact, at: step.now() });
}
