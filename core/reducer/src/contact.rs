//! Whom we know, and the queue of what is to go to each.

use crate::session::backoff;
use crate::state::{Contact, Conversation, Phase, Standing, State, Why};
use crate::step::Step;
use alloc::vec::Vec;
use thicket_types::effect::Change;
use thicket_types::error::Code;
use thicket_types::event::TimerId;
use thicket_types::ids::{Fingerprint, MailboxId, MessageId};
use thicket_types::intent::Answer;
use thicket_types::limits::{CONTACTS_MAX, RECEIPTS_AFTER, RECEIPTS_MAX, REQUESTS_MAX, TURN_AFTER};
use thicket_types::name::Name;
use thicket_types::vault_op::{Ask, VaultOp};

impl Contact {
    pub(crate) fn new(name: Name, standing: Standing) -> Contact {
        Contact {
            name,
            mailbox: None,
            standing,
            proved: false,
            held: false,
            looking: false,
            conversation: Conversation::None,
            queue: Vec::new(),
            receipts: Vec::new(),
            receipts_due: false,
            received: 0,
            verified: false,
        }
    }
}

pub(crate) fn add(state: &mut State, step: &mut Step, name: &Name) -> Answer {
    if state.session.phase != Phase::Registered {
        return Answer::Refused(Code::NotRegistered);
    }
    if state.contacts.len() >= CONTACTS_MAX {
        return Answer::Refused(Code::TooManyContacts);
    }
    if state.requests.len().saturating_add(state.outstanding.len()) >= REQUESTS_MAX {
        return Answer::Refused(Code::TooBusy);
    }
    look_up(state, step, name.clone());
    Answer::Accepted
}

pub(crate) fn accept(state: &mut State, step: &mut Step, contact: Fingerprint) -> Answer {
    let Some(known) = state.contacts.get_mut(&contact) else {
        return Answer::Refused(Code::UnknownContact);
    };
    known.standing = Standing::Accepted;
    known.receipts_due = !known.receipts.is_empty();
    step.notify(Change::Contact(contact));
    advance(state, step, contact);
    Answer::Accepted
}

/// Whoever asked leaves the list; what they wrote goes with them.
pub(crate) fn decline(state: &mut State, step: &mut Step, contact: Fingerprint) -> Answer {
    match state.contacts.get(&contact).map(|known| known.standing) {
        Some(Standing::Asking) => remove(state, step, contact),
        Some(Standing::Accepted | Standing::Blocked) | None => Answer::Refused(Code::UnknownContact),
    }
}

pub(crate) fn block(state: &mut State, step: &mut Step, contact: Fingerprint, blocked: bool) -> Answer {
    let Some(known) = state.contacts.get_mut(&contact) else {
        return Answer::Refused(Code::UnknownContact);
    };
    known.standing = if blocked { Standing::Blocked } else { Standing::Accepted };
    if blocked {
        // They learn nothing more of us, not even what arrived.
        known.receipts.clear();
        known.receipts_due = false;
    }
    step.notify(Change::Contact(contact));
    advance(state, step, contact);
    Answer::Accepted
}

/// Removes a contact and all messages with them. Not while messages to them are under way: those would be lost.
pub(crate) fn remove(state: &mut State, step: &mut Step, contact: Fingerprint) -> Answer {
    if !state.contacts.contains_key(&contact) {
        return Answer::Refused(Code::UnknownContact);
    }
    if state.outbox.values().any(|outgoing| outgoing.contact == contact) {
        return Answer::Refused(Code::ContactBusy);
    }
    state.contacts.remove(&contact);
    state.early.remove(&contact);
    step.disarm(state, TimerId::Advance(contact));
    step.disarm(state, TimerId::Receipts(contact));
    step.vault(state, Why::File, VaultOp::Forget { contact });
    step.notify(Change::Contact(contact));
    Answer::Accepted
}

pub(crate) fn verify(state: &mut State, step: &mut Step, contact: Fingerprint, verified: bool) -> Answer {
    let Some(known) = state.contacts.get_mut(&contact) else {
        return Answer::Refused(Code::UnknownContact);
    };
    known.verified = verified;
    step.notify(Change::Contact(contact));
    Answer::Accepted
}

/// The person has seen the warning and goes on with whom the directory shows now.
pub(crate) fn accept_identity(state: &mut State, step: &mut Step, contact: Fingerprint) -> Answer {
    let Some(known) = state.contacts.get(&contact).filter(|known| known.held) else {
        return Answer::Refused(Code::UnknownContact);
    };
    let name = known.name.clone();
    step.vault(state, Why::File, VaultOp::Unpin { contact });
    look_up(state, step, name);
    Answer::Accepted
}

fn look_up(state: &mut State, step: &mut Step, name: Name) {
    step.vault(state, Why::Lookup(name.clone()), VaultOp::Compose(Ask::Lookup(name)));
}

/// The directory's entry is here: the vault verifies it and keeps the identity.
pub(crate) fn found(state: &mut State, step: &mut Step, name: &Name) {
    let op = VaultOp::PinContact { name: name.clone(), answer: step.seq(), at: step.now() };
    step.vault(state, Why::Pin(name.clone()), op);
}

pub(crate) fn pinned(
    state: &mut State,
    step: &mut Step,
    contact: Fingerprint,
    mailbox: MailboxId,
    name: &Name,
    contradicts: Option<Fingerprint>,
) {
    for known in state.contacts.values_mut().filter(|known| known.name.key() == name.key()) {
        known.looking = false;
    }
    if let Some(before) = contradicts {
        if let Some(known) = state.contacts.get_mut(&before) {
            known.held = true;
        }
        step.notify(Change::IdentityChanged(before));
        return;
    }
    if !state.contacts.contains_key(&contact) && state.contacts.len() >= CONTACTS_MAX {
        step.notify(Change::LookupFailed(Code::TooManyContacts));
        return;
    }
    let known = state.contacts.entry(contact).or_insert_with(|| Contact::new(name.clone(), Standing::Accepted));
    known.name = name.clone();
    known.mailbox = Some(mailbox);
    known.proved = true;
    known.held = false;
    step.notify(Change::Contact(contact));
    // Who wrote first under this name and is someone else is no one the directory knows: nothing is sent to them.
    for (other, known) in &mut state.contacts {
        if *other != contact && known.name.key() == name.key() && !known.held {
            known.held = true;
            step.notify(Change::IdentityChanged(*other));
        }
    }
    advance(state, step, contact);
}

/// A lookup or a pin came to nothing. What waits for it is kept, and tried again later.
pub(crate) fn not_found(state: &mut State, step: &mut Step, name: &Name, code: Code) {
    step.notify(Change::LookupFailed(code));
    let waiting: Vec<Fingerprint> =
        state.contacts.iter().filter(|(_, known)| known.looking && known.name.key() == name.key()).map(|(id, _)| *id).collect();
    for contact in waiting {
        if let Some(known) = state.contacts.get_mut(&contact) {
            known.looking = false;
        }
        later(state, step, contact);
    }
}

/// The key package is here: the vault begins the conversation.
pub(crate) fn key_package(state: &mut State, step: &mut Step, contact: Fingerprint) {
    let op = VaultOp::BeginConversation { contact, answer: step.seq(), at: step.now() };
    step.vault(state, Why::Begin(contact), op);
}

pub(crate) fn begun(state: &mut State, step: &mut Step, why: &Why) {
    if let Why::Begin(contact) = why {
        open(state, step, *contact);
    }
}

/// Messages to this contact can be encrypted from now on.
pub(crate) fn open(state: &mut State, step: &mut Step, contact: Fingerprint) {
    if let Some(known) = state.contacts.get_mut(&contact) {
        known.conversation = Conversation::Open;
        advance(state, step, contact);
    }
}

/// There is no conversation (any more): begins one when it is due.
pub(crate) fn not_begun(state: &mut State, step: &mut Step, contact: Fingerprint) {
    if let Some(known) = state.contacts.get_mut(&contact) {
        if known.conversation != Conversation::Open {
            known.conversation = Conversation::None;
        }
        later(state, step, contact);
    }
}

fn later(state: &mut State, step: &mut Step, contact: Fingerprint) {
    let span = step.jittered(backoff(5));
    step.arm(state, TimerId::Advance(contact), span);
}

/// Does the next step that this contact's queue needs: look up, begin, encrypt. Nothing if none is due.
pub(crate) fn advance(state: &mut State, step: &mut Step, contact: Fingerprint) {
    if state.session.phase != Phase::Registered {
        return;
    }
    let Some(known) = state.contacts.get_mut(&contact) else {
        return;
    };
    let receipts = known.receipts_due && known.standing == Standing::Accepted && !known.receipts.is_empty();
    if known.held || known.standing == Standing::Blocked || (known.queue.is_empty() && !receipts) {
        return;
    }
    // Requests have a bound: what is beyond waits its turn.
    if state.requests.len().saturating_add(state.outstanding.len()) >= REQUESTS_MAX {
        return step.arm(state, TimerId::Advance(contact), TURN_AFTER);
    }
    let Some(mailbox) = known.mailbox else {
        if !known.looking {
            known.looking = true;
            let name = known.name.clone();
            look_up(state, step, name);
        }
        return;
    };
    match known.conversation {
        Conversation::Beginning => {}
        Conversation::None => {
            if known.queue.is_empty() {
                return;
            }
            known.conversation = Conversation::Beginning;
            let name = known.name.clone();
            step.vault(state, Why::KeyPackage(contact), VaultOp::Compose(Ask::KeyPackage(name)));
        }
        Conversation::Open => {
            let room = REQUESTS_MAX.saturating_sub(state.requests.len().saturating_add(state.outstanding.len()));
            let rest = known.queue.split_off(known.queue.len().min(room));
            let queue = core::mem::replace(&mut known.queue, rest);
            let crowded = !known.queue.is_empty();
            let due = if receipts { take_receipts(known) } else { Vec::new() };
            let more = known.receipts_due && !known.receipts.is_empty();
            if !due.is_empty() {
                let op = VaultOp::SealReceipt { contact, mailbox, messages: due, at: step.now() };
                step.vault(state, Why::Receipt(contact), op);
            }
            if more {
                step.arm(state, TimerId::Receipts(contact), RECEIPTS_AFTER);
            }
            if crowded {
                step.arm(state, TimerId::Advance(contact), TURN_AFTER);
            }
            for message in queue {
                if let Some(outgoing) = state.outbox.get(&message) {
                    let op = VaultOp::SealMessage { contact, mailbox, message, body: outgoing.body, at: outgoing.at };
                    step.vault(state, Why::Message(message), op);
                }
            }
        }
    }
}

fn take_receipts(known: &mut Contact) -> Vec<MessageId> {
    let rest = known.receipts.split_off(known.receipts.len().min(RECEIPTS_MAX));
    let due = core::mem::replace(&mut known.receipts, rest);
    known.receipts_due = !known.receipts.is_empty();
    due
}
