//! What arrives: repeats, receipts, and what the relay may forget.

use crate::state::{Held, Standing, State, Why};
use crate::step::Step;
use crate::{contact, early, marks, offers, outbox, session};
use alloc::vec::Vec;
use prost::Message as _;
use thicket_types::effect::Change;
use thicket_types::error::Code;
use thicket_types::event::{Arrival, Arrived, Lane, Opened, TimerId};
use thicket_types::ids::{Fingerprint, FrameId, MessageId};
use thicket_types::limits::{ACKNOWLEDGE_AFTER, ACKNOWLEDGE_MAX, RECEIPTS_AFTER, RECEIPTS_HELD_MAX};
use thicket_types::name::Name;
use thicket_types::ports::Admission;
use thicket_types::time::Stamp;
use thicket_types::vault_op::{Ask, VaultOp};
use thicket_types::wire::relay as wire;

/// Judges a frame before it is journaled: an answer must be to a request that waits, on its lane; items come on the named lane; a
/// repeat shrinks to its place, and people who are not accepted have a budget for each day.
pub(crate) fn admit(state: &State, now: Stamp, arrival: Arrival) -> Admission {
    let Arrival { frame, lane, content } = arrival;
    let content = match content {
        Arrived::Answer { answer } => {
            let to = wire::Answer::decode(answer.0.as_slice()).ok().and_then(|decoded| FrameId::parse(&decoded.to));
            // On the other lane it would show the relay whose that lane is: who stops asking.
            if to.and_then(|to| state.requests.get(&to)).is_none_or(|request| request.lane != lane) {
                return Admission::Dropped;
            }
            Arrived::Answer { answer }
        }
        // Acknowledged on the named lane, it would show the relay whose the anonymous one is.
        _ if lane != Lane::Named => return Admission::Dropped,
        Arrived::Envelope { cursor, sender, sealed } => {
            let standing = state.contacts.get(&sender).map(|known| known.standing);
            if state.seen.holds(frame) {
                Arrived::Repeat { cursor }
            } else if standing == Some(Standing::Blocked) {
                Arrived::Unsealable { cursor, cause: Code::FromBlocked }
            } else if standing != Some(Standing::Accepted) && !state.strangers.has_room(now, len(&sealed.0)) {
                return Admission::Left;
            } else {
                Arrived::Envelope { cursor, sender, sealed }
            }
        }
        Arrived::Repeat { cursor } => Arrived::Repeat { cursor },
        Arrived::Unsealable { cursor, cause } => Arrived::Unsealable { cursor, cause },
    };
    Admission::Taken(Arrival { frame, lane, content })
}

fn len(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

pub(crate) fn envelope(state: &mut State, step: &mut Step, frame: FrameId, cursor: u64, sender: Fingerprint, sealed: &[u8]) {
    acknowledge(state, step, cursor);
    if !state.seen.note(frame, step.place()) {
        return;
    }
    session::stir(state, step);
    // The claimed sender matters for the budget and if the envelope is early; the vault proves the true one.
    if state.contacts.get(&sender).is_none_or(|known| known.standing != Standing::Accepted) {
        state.strangers.count(step.now(), len(sealed));
    }
    let op = VaultOp::OpenEnvelope { envelope: step.seq(), at: step.now(), last: false };
    step.vault(state, Why::Open(step.seq(), step.now()), op);
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
        Opened::Message { contact, name, conversation: _, message, claimed: _, moved } => {
            received(state, step, *contact, name, *message);
            if *moved {
                contact::moved(state, step, *contact);
            }
        }
        Opened::Receipt { contact, delivered, moved } => {
            for message in delivered {
                outbox::delivered(state, step, *message);
            }
            if *moved {
                contact::moved(state, step, *contact);
            }
        }
        Opened::Known { contact, message, moved } => {
            owe(state, step, *contact, *message);
            if *moved {
                contact::moved(state, step, *contact);
            }
        }
        Opened::ReadMark { contact, moved } => marks::told(state, step, *contact, *moved),
        Opened::Committed { contact, owed, moved } => committed(state, step, *contact, *owed, *moved),
        Opened::Offer { contact, name, anew } => offers::made(state, step, *contact, name, *anew),
        // The client has no groups: nothing is joined, and nothing kept of it.
        Opened::Invited { .. } | Opened::Welcomed { .. } => {}
        Opened::Early { contact, name, len } => match why {
            Why::Open(envelope, at) if state.contacts.contains_key(contact) => {
                early::hold(state, step, *contact, Held { envelope: *envelope, len: *len, at: *at });
            }
            // What a stranger sends brings its Welcome with it until they are heard, and only who is accepted hears of us: another
            // device, that is lost, met this one.
            _ => {
                step.notify(Change::Unreadable { contact: *contact, cause: Code::NoConversation });
                unheard(state, step, *contact, name, true);
            }
        },
        Opened::Unreadable { contact, name, cause } => {
            if *cause != Code::Repeated {
                step.notify(Change::Unreadable { contact: *contact, cause: *cause });
            }
            // Their Welcome names a key package that is gone: they are asked to begin from a fresh one.
            if *cause == Code::NoMatchingKeyPackage {
                unheard(state, step, *contact, name, false);
            }
        }
    }
}

/// What came can't be read, and nobody knows whose it was.
pub(crate) fn lost(state: &mut State, step: &mut Step, cause: Code) {
    state.dropped = state.dropped.saturating_add(1);
    step.notify(Change::Dropped(cause));
}

/// Someone wrote what can never be read here, and is to write it again: at once, or when they are accepted.
fn unheard(state: &mut State, step: &mut Step, contact: Fingerprint, name: &Name, anew: bool) {
    contact::meet(state, step, contact, name);
    offers::due(state, step, contact, anew);
}

fn received(state: &mut State, step: &mut Step, contact: Fingerprint, name: &Name, message: MessageId) {
    // The message is a row in the vault all the same; past the bound of contacts it is shown, and nobody new is kept.
    if !contact::meet(state, step, contact, name) {
        step.notify(Change::Received { contact, message });
        return;
    }
    if let Some(known) = state.contacts.get_mut(&contact) {
        known.received = known.received.saturating_add(1);
    }
    step.notify(Change::Received { contact, message });
    owe(state, step, contact, message);
}

/// The contact is to be told that we have a message of theirs.
fn owe(state: &mut State, step: &mut Step, contact: Fingerprint, message: MessageId) {
    if let Some(known) = state.contacts.get_mut(&contact)
        && known.standing != Standing::Blocked
        && known.receipts.len() < RECEIPTS_HELD_MAX
        && !known.receipts.contains(&message)
    {
        known.receipts.push(message);
    }
    if !state.timers.contains_key(&TimerId::Receipts(contact)) {
        step.arm(state, TimerId::Receipts(contact), RECEIPTS_AFTER);
    }
}

/// The contact renewed their keys.
fn committed(state: &mut State, step: &mut Step, contact: Fingerprint, owed: bool, moved: bool) {
    if owed {
        if let Some(known) = state.contacts.get_mut(&contact) {
            known.acknowledge = true;
        }
        if !state.timers.contains_key(&TimerId::Receipts(contact)) {
            step.arm(state, TimerId::Receipts(contact), RECEIPTS_AFTER);
        }
    }
    if moved {
        contact::moved(state, step, contact);
    }
}

/// Messages of theirs of which a receipt was sealed and went nowhere: another tells of them.
pub(crate) fn owe_again(state: &mut State, contact: Fingerprint, messages: Vec<MessageId>) {
    if let Some(known) = state.contacts.get_mut(&contact) {
        // One without messages says that we are in their epoch, or carries a Welcome.
        known.acknowledge |= messages.is_empty();
        known.receipts.extend(messages);
        known.receipts.truncate(RECEIPTS_HELD_MAX);
        known.receipts_due = true;
    }
}

/// The receipts for a contact have gathered.
pub(crate) fn receipts_due(state: &mut State, step: &mut Step, contact: Fingerprint) {
    if let Some(known) = state.contacts.get_mut(&contact) {
        known.receipts_due = true;
        contact::advance(state, step, contact);
    }
}
