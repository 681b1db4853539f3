//! Whom we know, and the queue of what is to go to each.

use crate::session::backoff;
use crate::state::{Contact, Conversation, Link, Standing, State, Why};
use crate::step::Step;
use crate::{delivery, early, grants, marks, offers, outbox, upkeep};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use thicket_types::effect::Change;
use thicket_types::error::Code;
use thicket_types::event::TimerId;
use thicket_types::ids::{Fingerprint, MailboxId, MessageId};
use thicket_types::intent::Answer;
use thicket_types::limits::{
    CONTACTS_MAX, LOOKUP_BELIEVED_FOR, LOOKUP_EVERY, RECEIPTS_AFTER, RECEIPTS_MAX, REQUESTS_MAX, SEALED_CONTACT_MAX, TURN_AFTER,
};
use thicket_types::name::Name;
use thicket_types::time::Stamp;
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
            missed: 0,
            conversation: Conversation::None,
            queue: Vec::new(),
            receipts: Vec::new(),
            receipts_due: false,
            received: 0,
            verified: false,
            looked: None,
            updated: Stamp(0),
            acknowledge: false,
            mark: None,
            granted: None,
            offered: false,
            offer: None,
            offer_at: None,
            asked: false,
            anew: false,
            update: false,
        }
    }
}

pub(crate) fn add(state: &mut State, step: &mut Step, name: &Name) -> Answer {
    if !state.session.phase.is_settled() {
        return Answer::Refused(Code::NotRegistered);
    }
    if state.contacts.len() >= CONTACTS_MAX {
        return Answer::Refused(Code::TooManyContacts);
    }
    if state.busy() {
        return Answer::Refused(Code::TooBusy);
    }
    look_up(state, step, name.clone());
    Answer::Accepted
}

/// Has someone who writes to us in the list: they wait there to be accepted, if they were not in it. Returns whether they are in
/// it; past the bound nobody new is.
pub(crate) fn meet(state: &mut State, step: &mut Step, contact: Fingerprint, name: &Name) -> bool {
    if !state.contacts.contains_key(&contact) {
        if state.contacts.len() >= CONTACTS_MAX {
            return false;
        }
        state.contacts.insert(contact, Contact::new(name.clone(), Standing::Asking));
        step.notify(Change::Contact(contact));
    }
    true
}

pub(crate) fn accept(state: &mut State, step: &mut Step, contact: Fingerprint) -> Answer {
    let Some(known) = state.contacts.get_mut(&contact) else {
        return Answer::Refused(Code::UnknownContact);
    };
    // Who was blocked is unblocked by that word alone: a program that accepts whoever asks must not undo it.
    if known.standing == Standing::Blocked {
        return Answer::Refused(Code::ContactBlocked);
    }
    known.standing = Standing::Accepted;
    known.asked = false;
    known.receipts_due = known.is_owed();
    step.notify(Change::Contact(contact));
    grants::soon(state, step);
    offers::begin(state, step, contact);
    advance(state, step, contact);
    Answer::Accepted
}

/// Whoever asked leaves the list; what they wrote goes with them.
pub(crate) fn decline(state: &mut State, step: &mut Step, contact: Fingerprint) -> Answer {
    match state.contacts.get(&contact).map(|known| known.standing) {
        Some(Standing::Asking) => remove(state, step, contact),
        Some(Standing::Accepted | Standing::Blocked) => Answer::Refused(Code::NotAsking),
        None => Answer::Refused(Code::UnknownContact),
    }
}

pub(crate) fn block(state: &mut State, step: &mut Step, contact: Fingerprint, blocked: bool) -> Answer {
    let Some(known) = state.contacts.get_mut(&contact) else {
        return Answer::Refused(Code::UnknownContact);
    };
    if blocked == (known.standing == Standing::Blocked) {
        return Answer::Accepted;
    }
    if blocked {
        // They learn nothing more of us, not even what arrived.
        known.asked = known.standing == Standing::Asking;
        known.standing = Standing::Blocked;
        known.receipts.clear();
        known.receipts_due = false;
        known.mark = None;
        let asked = known.asked;
        delivery::call_back(state, step, contact);
        outbox::withdraw_all(state, step, contact);
        if !asked {
            grants::revoke(state, step, contact);
        }
    } else {
        known.standing = if known.asked { Standing::Asking } else { Standing::Accepted };
        known.asked = false;
        known.receipts_due = known.is_owed();
        grants::soon(state, step);
    }
    step.notify(Change::Contact(contact));
    advance(state, step, contact);
    Answer::Accepted
}

/// Removes a contact and all messages with them. Not while messages to them are under way, or could be taken back: those would be
/// lost. One that waits to be sealed once more, and that nobody can take back, goes with them.
pub(crate) fn remove(state: &mut State, step: &mut Step, contact: Fingerprint) -> Answer {
    if !state.contacts.contains_key(&contact) {
        return Answer::Refused(Code::UnknownContact);
    }
    if !outbox::drop_waiting(state, step, contact) {
        return Answer::Refused(Code::ContactBusy);
    }
    delivery::call_back(state, step, contact);
    if let Some(known) = state.contacts.remove(&contact) {
        // What is looked up for them would bring them back.
        if !state.contacts.values().any(|other| other.name.is_same(&known.name)) {
            delivery::forget_lookups(state, step, &known.name);
        }
        // Whoever only asked was never given anything to write with.
        if known.standing != Standing::Asking && !known.asked {
            grants::revoke(state, step, contact);
        }
    }
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
    let Some(known) = state.contacts.get(&contact) else {
        return Answer::Refused(Code::UnknownContact);
    };
    if !known.held {
        return Answer::Refused(Code::NotHeld);
    }
    let name = known.name.clone();
    step.vault(state, Why::File, VaultOp::Unpin { contact });
    look_up(state, step, name);
    Answer::Accepted
}

fn look_up(state: &mut State, step: &mut Step, name: Name) {
    step.vault(state, Why::Lookup(name.clone()), VaultOp::Compose(Ask::Lookup(name)));
}

/// Looks a name up, unless one of its contacts is being looked up.
pub(crate) fn look_up_once(state: &mut State, step: &mut Step, name: &Name) {
    if !state.contacts.values().any(|known| known.looking && known.name.is_same(name)) {
        look_up(state, step, name.clone());
    }
}

/// The directory's entry is here: the vault verifies it and keeps the identity.
pub(crate) fn found(state: &mut State, step: &mut Step, name: &Name) {
    let op = VaultOp::PinContact { name: name.clone(), answer: step.seq(), at: step.now() };
    step.vault(state, Why::Pin(name.clone()), op);
}

/// An identity that the directory showed, and the vault looked at.
pub(crate) struct Shown<'a> {
    pub(crate) contact: Fingerprint,
    pub(crate) mailbox: MailboxId,
    pub(crate) name: &'a Name,
    /// Who is pinned under the name, if it is someone else.
    pub(crate) contradicts: Option<Fingerprint>,
    /// Whether they are to be told that groups of another device are dead.
    pub(crate) anew: bool,
    /// When it was shown.
    pub(crate) at: Stamp,
}

pub(crate) fn pinned(state: &mut State, step: &mut Step, shown: &Shown<'_>) {
    let Shown { contact, mailbox, name, contradicts, anew, at } = *shown;
    for known in state.contacts.values_mut().filter(|known| known.name.is_same(name)) {
        known.looking = false;
    }
    if let Some(before) = contradicts {
        // One who was removed stands in the list again: the pin outlived them, and the person decides.
        if state.contacts.len() < CONTACTS_MAX || state.contacts.contains_key(&before) {
            let known = state.contacts.entry(before).or_insert_with(|| Contact::new(name.clone(), Standing::Accepted));
            known.held = true;
        }
        step.notify(Change::IdentityChanged(before));
        return;
    }
    if !state.contacts.contains_key(&contact) && state.contacts.len() >= CONTACTS_MAX {
        step.notify(Change::LookupFailed { name: name.clone(), cause: Code::TooManyContacts });
        return;
    }
    let known = state.contacts.entry(contact).or_insert_with(|| Contact::new(name.clone(), Standing::Accepted));
    known.name = name.clone();
    known.mailbox = Some(mailbox);
    known.proved = true;
    known.held = false;
    known.looked = Some(at);
    known.missed = 0;
    if anew {
        // They may go on in a conversation that only a lost device has: they are told that it is dead, before ours begins.
        known.offer = Some(true);
        // At a take-over nothing begins until they have.
        if !known.anew {
            known.conversation = Conversation::None;
        }
    }
    grants::soon(state, step);
    step.notify(Change::Contact(contact));
    // Who wrote first under this name and is someone else is no one the directory knows: nothing is sent to them.
    for (other, known) in &mut state.contacts {
        if *other != contact && known.name.is_same(name) && !known.held {
            known.held = true;
            step.notify(Change::IdentityChanged(*other));
        }
    }
    advance(state, step, contact);
}

/// A lookup or a pin came to nothing. What waits for it is kept, and tried again later.
pub(crate) fn not_found(state: &mut State, step: &mut Step, name: &Name, code: Code) {
    step.notify(Change::LookupFailed { name: name.clone(), cause: code });
    let waiting: Vec<Fingerprint> =
        state.contacts.iter().filter(|(_, known)| known.looking && known.name.is_same(name)).map(|(id, _)| *id).collect();
    for contact in waiting {
        if let Some(known) = state.contacts.get_mut(&contact) {
            known.looking = false;
            known.missed = known.missed.saturating_add(1);
        }
        later(state, step, contact);
    }
}

/// The key package is here: the vault begins the conversation.
pub(crate) fn key_package(state: &mut State, step: &mut Step, contact: Fingerprint) {
    let op = VaultOp::BeginConversation { contact, answer: step.seq(), at: step.now() };
    step.vault(state, Why::Begin(contact), op);
}

pub(crate) fn begun(state: &mut State, step: &mut Step, why: &Why, again: &[MessageId]) {
    let Why::Begin(contact) = why else {
        return;
    };
    for message in again {
        outbox::once_more(state, step, *contact, *message);
    }
    if let Some(known) = state.contacts.get_mut(contact) {
        // They were asked for before what waits, in this order.
        let order: BTreeMap<MessageId, usize> = again.iter().copied().zip(0..).collect();
        known.queue.sort_by_key(|message| order.get(message).copied().unwrap_or(usize::MAX));
        // Whoever asked us to begin waits for the Welcome: an empty receipt carries it, if there is nothing else.
        if known.queue.is_empty() {
            known.acknowledge = true;
            known.receipts_due = true;
        }
    }
    open(state, step, *contact);
}

/// Messages to this contact can be encrypted from now on.
pub(crate) fn open(state: &mut State, step: &mut Step, contact: Fingerprint) {
    if let Some(known) = state.contacts.get_mut(&contact) {
        // They were not asked yet, so that this is not the beginning that is to come: what another copy of us took of theirs, they
        // seal again when they are. Of a stranger it was only claimed that they had to be.
        let claimed = known.standing == Standing::Asking && !known.anew;
        if known.offer != Some(true) || claimed {
            if known.conversation != Conversation::Open {
                known.conversation = Conversation::Open;
                known.updated = step.now();
            }
            // They have begun: nobody needs to be asked to.
            known.offer = None;
            known.anew = false;
        }
        advance(state, step, contact);
    }
}

/// The conversation moved: a group began, or its epoch did. What came early may be readable now.
pub(crate) fn moved(state: &mut State, step: &mut Step, contact: Fingerprint) {
    if state.contacts.get(&contact).is_some_and(|known| known.conversation == Conversation::Open) {
        step.notify(Change::KeysUpdated(contact));
    }
    early::read(state, step, contact);
    open(state, step, contact);
}

/// The relay knows no such mailbox: the contact is looked up again.
pub(crate) fn lose_mailbox(state: &mut State, step: &mut Step, contact: Fingerprint) {
    if let Some(known) = state.contacts.get_mut(&contact) {
        known.mailbox = None;
        advance(state, step, contact);
    }
}

/// The same for what is owed again each time that it is told so: not if they were looked up within the hour.
pub(crate) fn lose_mailbox_hourly(state: &mut State, step: &mut Step, contact: Fingerprint) {
    let believed = |known: &Contact| known.looked.is_some_and(|at| step.now().since(at) < LOOKUP_BELIEVED_FOR);
    if state.contacts.get(&contact).is_some_and(believed) {
        later(state, step, contact);
    } else {
        lose_mailbox(state, step, contact);
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

/// Tries a contact's next step again after a minute, and after more the more often they were not found.
pub(crate) fn later(state: &mut State, step: &mut Step, contact: Fingerprint) {
    let missed = state.contacts.get(&contact).map_or(0, |known| known.missed.saturating_sub(1));
    let span = step.jittered(backoff(missed.saturating_add(5)));
    step.arm(state, TimerId::Advance(contact), span);
}

/// Requests have a bound: what is beyond waits its turn. Where there is no relay the login gives it.
pub(crate) fn wait_turn(state: &mut State, step: &mut Step, contact: Fingerprint) {
    if state.session.link == Link::Online {
        step.arm(state, TimerId::Advance(contact), TURN_AFTER);
    }
}

/// Does the next step that this contact's queue needs: look up, begin, encrypt. Nothing if none is due.
pub(crate) fn advance(state: &mut State, step: &mut Step, contact: Fingerprint) {
    if !state.session.phase.is_settled() || state.session.copied {
        return;
    }
    let (busy, now) = (state.busy(), step.now());
    let Some(known) = state.contacts.get_mut(&contact) else {
        return;
    };
    let receipts = known.owes();
    let offers = known.offer.is_some() && known.standing == Standing::Accepted;
    let updates = known.update && known.can_write();
    let due = !known.queue.is_empty() || receipts || known.mark.is_some() || offers || updates;
    if known.held || known.standing == Standing::Blocked || !due {
        return;
    }
    if busy {
        return wait_turn(state, step, contact);
    }
    if !known.is_fresh(now) {
        if !known.looking {
            known.looking = true;
            let name = known.name.clone();
            look_up(state, step, name);
        }
        return;
    }
    if offers {
        offers::make(state, step, contact);
    }
    let Some(known) = state.contacts.get_mut(&contact) else {
        return;
    };
    match known.conversation {
        Conversation::Beginning => {}
        Conversation::None if known.offered => offers::begin(state, step, contact),
        Conversation::None => {
            // Whoever was removed and wrote again did so in a conversation that the vault knows: it begins none then.
            if known.queue.is_empty() && !receipts {
                return;
            }
            known.conversation = Conversation::Beginning;
            let name = known.name.clone();
            step.vault(state, Why::KeyPackage(contact), VaultOp::Compose(Ask::KeyPackage(name)));
        }
        Conversation::Open => {
            if known.receipts_due {
                marks::tell(state, step, contact);
                send_receipts(state, step, contact);
            }
            send_queue(state, step, contact);
            upkeep::make(state, step, contact);
        }
    }
}

fn send_receipts(state: &mut State, step: &mut Step, contact: Fingerprint) {
    let Some(known) = state.contacts.get_mut(&contact) else {
        return;
    };
    let (Some(mailbox), true) = (known.mailbox, known.owes()) else {
        known.receipts_due = false;
        return;
    };
    let due = take_receipts(known);
    let more = known.receipts_due;
    let op = VaultOp::SealReceipt { contact, mailbox, messages: due.clone(), at: step.now() };
    step.vault(state, Why::Receipt(contact, due), op);
    if more {
        step.arm(state, TimerId::Receipts(contact), RECEIPTS_AFTER);
    }
}

fn send_queue(state: &mut State, step: &mut Step, contact: Fingerprint) {
    let room = REQUESTS_MAX.saturating_sub(state.requests.len().saturating_add(state.outstanding.len()));
    // What is stored, or given up, has the next sealed.
    let own = SEALED_CONTACT_MAX.saturating_sub(outbox::sealed(state, contact));
    let Some(known) = state.contacts.get_mut(&contact) else {
        return;
    };
    let Some(mailbox) = known.mailbox else {
        return;
    };
    let rest = known.queue.split_off(known.queue.len().min(room).min(own));
    let queue = core::mem::replace(&mut known.queue, rest);
    if !known.queue.is_empty() && room < own {
        wait_turn(state, step, contact);
    }
    for message in queue {
        if let Some(outgoing) = state.outbox.get(&message) {
            let op = match outgoing.body {
                Some(body) if !outgoing.again => VaultOp::SealMessage { contact, mailbox, message, body, at: outgoing.at },
                _ => VaultOp::SealAgain { contact, mailbox, message },
            };
            step.vault(state, Why::Message(message), op);
        }
    }
}

impl Contact {
    /// Whether what the directory says of them is known, and so new that mail sealed by it is opened however long it waits: a
    /// mailbox key is replaced weekly, and opens for the relay's retention and a week after that.
    pub(crate) fn is_fresh(&self, now: Stamp) -> bool {
        self.mailbox.is_some() && self.looked.is_some_and(|at| now.since(at) < LOOKUP_EVERY)
    }

    /// Whether they are to be told of messages, or that we followed their commit.
    fn is_owed(&self) -> bool {
        !self.receipts.is_empty() || self.acknowledge
    }

    /// Whether they are, and it is time for it.
    fn owes(&self) -> bool {
        self.receipts_due && self.standing == Standing::Accepted && self.is_owed()
    }
}

fn take_receipts(known: &mut Contact) -> Vec<MessageId> {
    let rest = known.receipts.split_off(known.receipts.len().min(RECEIPTS_MAX));
    let due = core::mem::replace(&mut known.receipts, rest);
    known.receipts_due = !known.receipts.is_empty();
    known.acknowledge = false;
    due
}
