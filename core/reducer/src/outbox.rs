//! Messages of ours, from the Intent until the relay has stored them. Then their row in the vault is their home.

use crate::state::{Conversation, Outgoing, Phase, Standing, State, Why};
use crate::step::Step;
use crate::{contact, session};
use thicket_types::effect::{Change, MessageState};
use thicket_types::error::Code;
use thicket_types::ids::{BodyRef, Fingerprint, IntentId, MessageId};
use thicket_types::intent::Answer;
use thicket_types::limits::{BODY_LEN_MAX, OUTBOX_MAX};
use thicket_types::vault_op::VaultOp;

pub(crate) fn send(state: &mut State, step: &mut Step, id: IntentId, contact: Fingerprint, body: BodyRef, len: u32) -> Answer {
    if state.session.phase != Phase::Registered {
        return Answer::Refused(Code::NotRegistered);
    }
    if len == 0 {
        return Answer::Refused(Code::EmptyMessage);
    }
    if usize::try_from(len).map_or(true, |len| len > BODY_LEN_MAX) {
        return Answer::Refused(Code::MessageTooLong);
    }
    if state.outbox.len() >= OUTBOX_MAX {
        return Answer::Refused(Code::OutboxFull);
    }
    let Some(known) = state.contacts.get_mut(&contact) else {
        return Answer::Refused(Code::UnknownContact);
    };
    if known.held {
        return Answer::Refused(Code::ContactHeld);
    }
    if known.standing == Standing::Blocked {
        return Answer::Refused(Code::ContactBlocked);
    }
    // Whoever is written to is accepted.
    known.standing = Standing::Accepted;
    let message = MessageId(id.0);
    known.queue.push(message);
    state.outbox.insert(message, Outgoing { contact, body, state: MessageState::Queued, at: step.now() });
    contact::advance(state, step, contact);
    Answer::Queued(message)
}

/// The transport took a frame; if it carried a message, that is sent.
pub(crate) fn handed(state: &mut State, step: &mut Step, why: &Why) {
    let Why::Handing(frame) = why else {
        return;
    };
    let Some(Why::Message(message)) = state.requests.get(frame).map(|request| &request.why) else {
        return;
    };
    let message = *message;
    if let Some(outgoing) = state.outbox.get_mut(&message)
        && outgoing.state == MessageState::Queued
    {
        outgoing.state = MessageState::Sent;
        step.notify(Change::Message { message, state: MessageState::Sent });
    }
}

/// The relay has stored the message: its row says so from now on.
pub(crate) fn stored(state: &mut State, step: &mut Step, message: MessageId) {
    if let Some(outgoing) = state.outbox.remove(&message) {
        // A receipt will come.
        session::stir(state, step);
        file(state, step, message, &outgoing, MessageState::Stored, None);
    }
}

/// The message will not be delivered: its row says so, and why.
pub(crate) fn failed(state: &mut State, step: &mut Step, message: MessageId, cause: Code) {
    if let Some(outgoing) = state.outbox.remove(&message) {
        // Its id was used before, for a message that has a row of its own: that one is not touched.
        if cause == Code::Repeated {
            return;
        }
        file(state, step, message, &outgoing, MessageState::Failed, Some(cause));
    }
}

/// The contact has the message, whatever became of the relay's answer. The receipt's op wrote the row.
pub(crate) fn delivered(state: &mut State, step: &mut Step, message: MessageId) {
    state.outbox.remove(&message);
    step.notify(Change::Message { message, state: MessageState::Delivered });
}

/// The vault found no conversation to encrypt it in: it waits until there is one.
pub(crate) fn again(state: &mut State, step: &mut Step, message: MessageId) {
    let Some(contact) = state.outbox.get(&message).map(|outgoing| outgoing.contact) else {
        return;
    };
    if let Some(known) = state.contacts.get_mut(&contact) {
        known.queue.push(message);
        // Several come back at once: only the first begins anew.
        if known.conversation == Conversation::Open {
            known.conversation = Conversation::None;
        }
        contact::advance(state, step, contact);
    }
}

fn file(state: &mut State, step: &mut Step, message: MessageId, outgoing: &Outgoing, to: MessageState, cause: Option<Code>) {
    let Outgoing { contact, body, state: _, at } = *outgoing;
    step.vault(state, Why::File, VaultOp::File { message, contact, body, at, state: to, cause });
    step.notify(Change::Message { message, state: to });
}
