//! Messages of ours, from the Intent until the relay has stored them. Then their row in the vault is their home.

use crate::state::{Contact, Conversation, Outgoing, Standing, State, Why};
use crate::step::Step;
use crate::{contact, delivery};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use thicket_types::effect::{Change, MessageState};
use thicket_types::error::Code;
use thicket_types::ids::{BodyRef, Fingerprint, IntentId, MessageId};
use thicket_types::intent::Answer;
use thicket_types::limits::{BODY_LEN_MAX, OUTBOX_MAX};
use thicket_types::time::Stamp;
use thicket_types::vault_op::VaultOp;

pub(crate) fn send(state: &mut State, step: &mut Step, id: IntentId, contact: Fingerprint, body: BodyRef, len: u32) -> Answer {
    if !state.session.phase.is_settled() {
        return Answer::Refused(Code::NotRegistered);
    }
    if len == 0 {
        return Answer::Refused(Code::EmptyMessage);
    }
    if usize::try_from(len).map_or(true, |len| len > BODY_LEN_MAX) {
        return Answer::Refused(Code::MessageTooLong);
    }
    let message = MessageId(id.0);
    // An id that comes again after its answer was forgotten, while its message still waits.
    if state.outbox.contains_key(&message) {
        return Answer::Queued(message);
    }
    if state.outbox.len() >= OUTBOX_MAX {
        return Answer::Refused(Code::OutboxFull);
    }
    if state.session.copied {
        return Answer::Refused(Code::ProfileCopied);
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
    known.enqueue(message);
    // Whoever is written to is accepted.
    let accepts = known.standing != Standing::Accepted;
    state.outbox.insert(message, Outgoing::new(contact, Some(body), step.now()));
    if accepts {
        contact::accept(state, step, contact);
    } else {
        contact::advance(state, step, contact);
    }
    Answer::Queued(message)
}

/// Sends a message once more that has a row: one that failed, or of which the contact has not told. They keep one copy.
pub(crate) fn retry(state: &mut State, step: &mut Step, contact: Fingerprint, message: MessageId) -> Answer {
    if state.session.copied {
        return Answer::Refused(Code::ProfileCopied);
    }
    if state.outbox.contains_key(&message) {
        return Answer::Refused(Code::NothingToRetry);
    }
    if state.outbox.len() >= OUTBOX_MAX {
        return Answer::Refused(Code::OutboxFull);
    }
    match state.contacts.get(&contact) {
        None => return Answer::Refused(Code::UnknownContact),
        Some(known) if known.held => return Answer::Refused(Code::ContactHeld),
        Some(known) if known.standing == Standing::Blocked => return Answer::Refused(Code::ContactBlocked),
        Some(_) => {}
    }
    once_more(state, step, contact, message);
    contact::advance(state, step, contact);
    Answer::Queued(message)
}

/// Puts a message that has a row into its contact's queue.
pub(crate) fn once_more(state: &mut State, step: &mut Step, contact: Fingerprint, message: MessageId) {
    if state.outbox.contains_key(&message) {
        // It is on its way in a group that is dead now.
        let sealed = state.requests.iter().find(|(_, request)| request.why == Why::Message(message)).map(|(id, _)| *id);
        if let Some(frame) = sealed {
            delivery::drop_request(state, step, frame);
        }
        if sealed.is_some() || delivery::abandon_work(state, &Why::Message(message)) {
            seal_again(state, message);
        }
        return;
    }
    if state.outbox.len() >= OUTBOX_MAX {
        return;
    }
    if let Some(known) = state.contacts.get_mut(&contact) {
        known.enqueue(message);
        state.outbox.insert(message, Outgoing::new(contact, None, step.now()));
    }
}

/// Has a message that was sealed sealed once more: the group or the relay that it was sealed for is gone.
pub(crate) fn seal_again(state: &mut State, message: MessageId) {
    let Some(outgoing) = state.outbox.get_mut(&message) else {
        return;
    };
    outgoing.again = true;
    let contact = outgoing.contact;
    if let Some(known) = state.contacts.get_mut(&contact) {
        known.enqueue(message);
    }
}

/// Has messages sealed once more, before all that waits and was asked for later.
pub(crate) fn seal_before(state: &mut State, messages: &[MessageId]) {
    let of: BTreeSet<Fingerprint> =
        messages.iter().filter_map(|message| state.outbox.get(message)).map(|outgoing| outgoing.contact).collect();
    let mut waited: BTreeMap<Fingerprint, Vec<MessageId>> = BTreeMap::new();
    for contact in of {
        if let Some(known) = state.contacts.get_mut(&contact) {
            waited.insert(contact, core::mem::take(&mut known.queue));
        }
    }
    for message in messages {
        seal_again(state, *message);
    }
    for (contact, waits) in waited {
        if let Some(known) = state.contacts.get_mut(&contact) {
            waits.into_iter().for_each(|message| known.enqueue(message));
            known.queue.sort_by_key(|message| state.outbox.get(message).map(|outgoing| outgoing.at));
        }
    }
}

/// Takes a message back that no transport was handed yet. Its row says so from now on. One that is to be sealed again was
/// perhaps handed before: it can't be called back.
pub(crate) fn cancel(state: &mut State, step: &mut Step, message: MessageId) -> Answer {
    let Some(outgoing) = state.outbox.get(&message) else {
        return Answer::Refused(Code::UnknownMessage);
    };
    if outgoing.again || outgoing.state != MessageState::Queued || !withdraw(state, step, message) {
        return Answer::Refused(Code::MessageUnderWay);
    }
    Answer::Accepted
}

/// Takes a message out of the queue, out of the vault's hands or from before the transport. Returns whether it was there.
fn withdraw(state: &mut State, step: &mut Step, message: MessageId) -> bool {
    let sealed = state.requests.iter().find(|(_, request)| request.why == Why::Message(message)).map(|(id, _)| *id);
    match sealed {
        Some(frame) if state.under_way(|why| *why == Why::Handing(frame)) => return false,
        Some(frame) => delivery::drop_request(state, step, frame),
        None => {
            // What the vault still seals goes nowhere; its row is written before the one that says so.
            let sealing = state.outstanding.values_mut().find(|outstanding| outstanding.why == Why::Message(message));
            let queued = state.contacts.values_mut().find(|known| known.queue.contains(&message));
            match (sealing, queued) {
                (Some(sealing), _) => sealing.why = Why::Abandoned,
                (None, Some(known)) => known.queue.retain(|other| *other != message),
                (None, None) => return false,
            }
        }
    }
    failed(state, step, message, Code::Cancelled);
    true
}

/// Messages to a contact that the vault seals, or that wait for the relay to store them.
pub(crate) fn sealed(state: &State, contact: Fingerprint) -> usize {
    let is_theirs = |why: &Why| match why {
        Why::Message(message) => state.outbox.get(message).is_some_and(|outgoing| outgoing.contact == contact),
        _ => false,
    };
    let waiting = state.requests.values().filter(|request| is_theirs(&request.why)).count();
    let worked_on = state.outstanding.values().filter(|outstanding| match &outstanding.why {
        Why::Stamp(why, ..) => is_theirs(&why.clone().into()),
        why => is_theirs(why),
    });
    waiting.saturating_add(worked_on.count())
}

fn of(state: &State, contact: Fingerprint) -> Vec<MessageId> {
    state.outbox.iter().filter(|(_, outgoing)| outgoing.contact == contact).map(|(message, _)| *message).collect()
}

/// Takes all messages to a contact back but those that a transport was handed as they are now: those go.
pub(crate) fn withdraw_all(state: &mut State, step: &mut Step, contact: Fingerprint) {
    for message in of(state, contact) {
        let handed = state.requests.values().any(|request| request.why == Why::Message(message) && request.tries > 0);
        if !handed {
            withdraw(state, step, message);
        }
    }
}

/// Drops the messages to a contact that wait to be sealed once more: nobody can take those back. Returns whether these were all.
pub(crate) fn drop_waiting(state: &mut State, step: &mut Step, contact: Fingerprint) -> bool {
    let all = of(state, contact);
    let waits = |message: &MessageId| {
        let queued = state.contacts.get(&contact).is_some_and(|known| known.queue.contains(message));
        queued && state.outbox.get(message).is_some_and(|outgoing| outgoing.again)
    };
    if !all.iter().all(waits) {
        return false;
    }
    for message in all {
        withdraw(state, step, message);
    }
    true
}

/// Deletes one message here.
pub(crate) fn forget(state: &mut State, step: &mut Step, contact: Fingerprint, message: MessageId, sent: bool) -> Answer {
    if sent && state.outbox.contains_key(&message) {
        return Answer::Refused(Code::MessageUnderWay);
    }
    step.vault(state, Why::File, VaultOp::ForgetMessage { contact, message, sent });
    step.notify(Change::Forgotten { contact, message });
    Answer::Accepted
}

/// The relay knows no such mailbox. What was sealed before the last lookup is sealed for the mailbox that it showed; otherwise the
/// contact is looked up again, however new that lookup is. Once a message: a relay that lies has no more lookups of it than there are
/// messages (ADR 0031).
pub(crate) fn astray(state: &mut State, step: &mut Step, message: MessageId, sealed: Stamp) {
    let Some(contact) = state.outbox.get(&message).map(|outgoing| outgoing.contact) else {
        return;
    };
    if state.contacts.get(&contact).is_some_and(|known| known.looked.is_some_and(|looked| looked > sealed)) {
        seal_again(state, message);
        return contact::advance(state, step, contact);
    }
    let Some(outgoing) = state.outbox.get_mut(&message).filter(|outgoing| !outgoing.astray) else {
        return failed(state, step, message, Code::UnknownMailbox);
    };
    outgoing.astray = true;
    seal_again(state, message);
    contact::lose_mailbox(state, step, contact);
}

/// The vault found no row to seal again: the staged text is sealed for the first time, if there is one.
pub(crate) fn rowless(state: &mut State, step: &mut Step, message: MessageId) {
    let Some(outgoing) = state.outbox.get_mut(&message).filter(|outgoing| outgoing.again && outgoing.body.is_some()) else {
        return failed(state, step, message, Code::UnknownMessage);
    };
    outgoing.again = false;
    let contact = outgoing.contact;
    if let Some(known) = state.contacts.get_mut(&contact) {
        known.enqueue(message);
    }
    contact::advance(state, step, contact);
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
        file(state, step, message, &outgoing, MessageState::Stored, None);
        contact::advance(state, step, outgoing.contact);
    }
}

/// The message will not be delivered: its row says so, and why.
pub(crate) fn failed(state: &mut State, step: &mut Step, message: MessageId, cause: Code) {
    if let Some(outgoing) = state.outbox.remove(&message) {
        // Its id was used before, for a message that has a row of its own: that one is not touched. Nor is one touched that
        // was to be sealed again and has arrived meanwhile, or is not there.
        if cause == Code::Repeated || (outgoing.body.is_none() && cause == Code::UnknownMessage) {
            return;
        }
        file(state, step, message, &outgoing, MessageState::Failed, Some(cause));
        contact::advance(state, step, outgoing.contact);
    }
}

/// The contact has the message, whatever became of the relay's answer. The receipt's op wrote the row.
pub(crate) fn delivered(state: &mut State, step: &mut Step, message: MessageId) {
    let outgoing = state.outbox.remove(&message);
    step.notify(Change::Message { message, state: MessageState::Delivered });
    if let Some(Outgoing { contact, .. }) = outgoing {
        // It may wait to be sealed once more: nothing is left to seal.
        if let Some(known) = state.contacts.get_mut(&contact) {
            known.queue.retain(|other| *other != message);
        }
        contact::advance(state, step, contact);
    }
}

/// The vault found no conversation to encrypt it in: it waits until there is one.
pub(crate) fn again(state: &mut State, step: &mut Step, message: MessageId) {
    let Some(contact) = state.outbox.get(&message).map(|outgoing| outgoing.contact) else {
        return;
    };
    if let Some(known) = state.contacts.get_mut(&contact) {
        known.enqueue(message);
        // Several come back at once: only the first begins anew.
        if known.conversation == Conversation::Open {
            known.conversation = Conversation::None;
        }
        contact::advance(state, step, contact);
    }
}

fn file(state: &mut State, step: &mut Step, message: MessageId, outgoing: &Outgoing, to: MessageState, cause: Option<Code>) {
    let Outgoing { contact, body, at, .. } = *outgoing;
    step.vault(state, Why::File, VaultOp::File { message, contact, body, at, state: to, cause });
    step.notify(Change::Message { message, state: to });
}

impl Outgoing {
    fn new(contact: Fingerprint, body: Option<BodyRef>, at: Stamp) -> Outgoing {
        Outgoing { contact, again: body.is_none(), body, astray: false, state: MessageState::Queued, at }
    }
}

impl Contact {
    /// Puts a message at the end of the queue, once.
    fn enqueue(&mut self, message: MessageId) {
        if !self.queue.contains(&message) {
            self.queue.push(message);
        }
    }
}
