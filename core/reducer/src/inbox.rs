//! What arrives: repeats, early envelopes, receipts, and what the relay may forget.

use crate::state::{Contact, Standing, State, Why};
use crate::step::Step;
use crate::{contact, outbox, session};
use alloc::vec::Vec;
use prost::Message as _;
use thicket_types::effect::Change;
use thicket_types::error::Code;
use thicket_types::event::{Arrival, Arrived, Opened, TimerId};
use thicket_types::ids::{Fingerprint, FrameId, MessageId};
use thicket_types::limits::{ACKNOWLEDGE_AFTER, ACKNOWLEDGE_MAX, CONTACTS_MAX, HELD_FRAMES_MAX, RECEIPTS_AFTER, RECEIPTS_HELD_MAX};
use thicket_types::name::Name;
use thicket_types::vault_op::{Ask, VaultOp};
use thicket_types::wire::relay as wire;

/// Judges a frame before it is journaled: an answer must be to a request that waits, a repeat shrinks to its place.
pub(crate) fn admit(state: &State, arrival: Arrival) -> Option<Arrival> {
    let Arrival { frame, lane, content } = arrival;
    let content = match content {
        Arrived::Answer { answer } => {
            let to = wire::Answer::decode(answer.0.as_slice()).ok().and_then(|decoded| FrameId::parse(&decoded.to))?;
            if !state.requests.contains_key(&to) {
                return None;
            }
            Arrived::Answer { answer }
        }
        Arrived::Envelope { cursor, sender, sealed } => {
            let blocked = state.contacts.get(&sender).is_some_and(|known| known.standing == Standing::Blocked);
            if state.seen.holds(frame) {
                Arrived::Repeat { cursor }
            } else if blocked {
                Arrived::Unsealable { cursor, cause: Code::FromBlocked }
            } else {
                Arrived::Envelope { cursor, sender, sealed }
            }
        }
        Arrived::Repeat { cursor } => Arrived::Repeat { cursor },
        Arrived::Unsealable { cursor, cause } => Arrived::Unsealable { cursor, cause },
    };
    Some(Arrival { frame, lane, content })
}

pub(crate) fn envelope(state: &mut State, step: &mut Step, frame: FrameId, cursor: u64, sender: Fingerprint) {
    acknowledge(state, step, cursor);
    if !state.seen.note(frame, step.place()) {
        return;
    }
    session::stir(state, step);
    // The claimed sender matters only if the envelope is early; the vault proves the true one.
    let _ = sender;
    let op = VaultOp::OpenEnvelope { envelope: step.seq(), at: step.now(), last: false };
    step.vault(state, Why::Open(step.seq()), op);
}

/// The item is on our disk: the relay may forget it. Gathered, so that one request names many.
pub(crate) fn acknowledge(state: &mut State, step: &mut Step, cursor: u64) {
    // More than fits waits for the next push: the relay keeps what is not acknowledged.
    if state.unacknowledged.len() < ACKNOWLEDGE_MAX.saturating_mul(4) {
        state.unacknowledged.insert(cursor);
    }
    if !state.timers.contains_key(&TimerId::Acknowledge) {
        step.arm(state, TimerId::Acknowledge, ACKNOWLEDGE_AFTER);
    }
}

/// Sends the gathered acknowledgements, unless some are under way: their answer sends the rest.
pub(crate) fn send_acknowledgements(state: &mut State, step: &mut Step) {
    let under_way =
        state.outstanding.values().map(|outstanding| &outstanding.why).chain(state.requests.values().map(|request| &request.why));
    if under_way.into_iter().any(|why| matches!(why, Why::Acknowledge(_))) || state.unacknowledged.is_empty() {
        return;
    }
    let cursors: Vec<u64> = state.unacknowledged.iter().copied().take(ACKNOWLEDGE_MAX).collect();
    step.vault(state, Why::Acknowledge(cursors.clone()), VaultOp::Compose(Ask::Acknowledge { cursors }));
}

pub(crate) fn acknowledged(state: &mut State, step: &mut Step, cursors: &[u64]) {
    for cursor in cursors {
        state.unacknowledged.remove(cursor);
    }
    session::acknowledged(state, step, cursors.len());
    send_acknowledgements(state, step);
}

pub(crate) fn opened(state: &mut State, step: &mut Step, why: &Why, opened: &Opened) {
    match opened {
        Opened::Message { contact, name, conversation: _, message, claimed: _, begins } => {
            received(state, step, *contact, name, *message);
            if *begins {
                begins_conversation(state, step, *contact);
            }
        }
        Opened::Receipt { contact: _, delivered } => {
            for message in delivered {
                outbox::delivered(state, step, *message);
            }
        }
        Opened::Early { contact } => {
            if let Why::Open(seq) = why {
                hold(state, step, *contact, *seq);
            }
        }
        Opened::Unreadable { contact, cause } => {
            if *cause != Code::Repeated {
                step.notify(Change::Unreadable { contact: *contact, cause: *cause });
            }
        }
    }
}

fn received(state: &mut State, step: &mut Step, contact: Fingerprint, name: &Name, message: MessageId) {
    if !state.contacts.contains_key(&contact) {
        // The message is a row in the vault all the same; past the bound it is shown, and nobody new is kept.
        if state.contacts.len() >= CONTACTS_MAX {
            step.notify(Change::Received { contact, message });
            return;
        }
        state.contacts.insert(contact, Contact::new(name.clone(), Standing::Asking));
        step.notify(Change::Contact(contact));
    }
    if let Some(known) = state.contacts.get_mut(&contact) {
        known.received = known.received.saturating_add(1);
        if known.standing != Standing::Blocked && known.receipts.len() < RECEIPTS_HELD_MAX {
            known.receipts.push(message);
        }
    }
    step.notify(Change::Received { contact, message });
    if !state.timers.contains_key(&TimerId::Receipts(contact)) {
        step.arm(state, TimerId::Receipts(contact), RECEIPTS_AFTER);
    }
}

/// A conversation began from their side: what came early can be read now, and ours can go out.
fn begins_conversation(state: &mut State, step: &mut Step, contact: Fingerprint) {
    for envelope in state.early.remove(&contact).unwrap_or_default() {
        let op = VaultOp::OpenEnvelope { envelope, at: step.now(), last: false };
        step.vault(state, Why::Open(envelope), op);
    }
    contact::open(state, step, contact);
}

/// Keeps an early envelope by its record. Past the bound the oldest is given up, with its cause shown.
fn hold(state: &mut State, step: &mut Step, contact: Fingerprint, envelope: thicket_types::ids::Seq) {
    let crowded = state.early.len() >= HELD_FRAMES_MAX && !state.early.contains_key(&contact);
    let held = state.early.entry(contact).or_default();
    held.push(envelope);
    let given_up = if crowded || held.len() > HELD_FRAMES_MAX { Some(held.remove(0)) } else { None };
    if held.is_empty() {
        state.early.remove(&contact);
    }
    if let Some(envelope) = given_up {
        let op = VaultOp::OpenEnvelope { envelope, at: step.now(), last: true };
        step.vault(state, Why::Open(envelope), op);
    }
}

/// The receipts for a contact have gathered.
pub(crate) fn receipts_due(state: &mut State, step: &mut Step, contact: Fingerprint) {
    if let Some(known) = state.contacts.get_mut(&contact) {
        known.receipts_due = true;
        contact::advance(state, step, contact);
    }
}
