//! The daily round: keys that are due for renewal, and what is past its window.

use crate::state::{Contact, Conversation, Link, Standing, State, Why};
use crate::step::Step;
use crate::{contact, delivery, early, grants, offers};
use alloc::vec::Vec;
use thicket_types::error::Code;
use thicket_types::event::TimerId;
use thicket_types::ids::Fingerprint;
use thicket_types::intent::Answer;
use thicket_types::limits::{MAILBOX_KEY_EVERY, OFFER_EVERY, REQUESTS_MAX, TIDY_CONTACTS_MAX, TIDY_EVERY, TIDY_REST_AFTER, UPDATE_EVERY};
use thicket_types::vault_op::{Published, VaultOp};

/// Has the round begin, if it is not armed: from the first registration on.
pub(crate) fn begin(state: &mut State, step: &mut Step) {
    if !state.timers.contains_key(&TimerId::Tidy) {
        let span = step.jittered(TIDY_EVERY);
        step.arm(state, TimerId::Tidy, span);
    }
}

/// The round: destroys what is past its window, renews our keys in conversations where that is due.
pub(crate) fn tidy(state: &mut State, step: &mut Step) {
    let now = step.now();
    step.vault(state, Why::Tidy, VaultOp::Tidy { at: now });
    early::tidy(state, step);
    mailbox_key(state, step);
    grants::settle(state, step);
    let more = !state.session.copied && renew(state, step);
    let span = step.jittered(if more { TIDY_REST_AFTER } else { TIDY_EVERY });
    step.arm(state, TimerId::Tidy, span);
}

/// Has so many contacts renewed as one round takes, and as there is room for. Returns whether more are due.
fn renew(state: &mut State, step: &mut Step) -> bool {
    let now = step.now();
    // A contact who was asked to begin anew and has not is asked again, once a day.
    let asked = |known: &Contact| {
        let due = (known.anew || known.offer == Some(true)) && known.offer_at.is_some_and(|at| now.since(at) >= OFFER_EVERY);
        known.standing == Standing::Accepted && !known.held && due
    };
    let unheard = state.contacts.iter().filter(|(_, known)| asked(known)).map(|(id, _)| *id);
    let unheard: Vec<Fingerprint> = unheard.take(TIDY_CONTACTS_MAX.saturating_add(1)).collect();
    let due = state.contacts.iter().filter(|(_, known)| known.can_write() && !known.update && now.since(known.updated) >= UPDATE_EVERY);
    let due: Vec<Fingerprint> = due.map(|(id, _)| *id).take(TIDY_CONTACTS_MAX.saturating_add(1)).collect();
    for contact in unheard.iter().take(TIDY_CONTACTS_MAX) {
        if state.busy() {
            return true;
        }
        offers::due(state, step, *contact, true);
    }
    for contact in due.iter().take(TIDY_CONTACTS_MAX) {
        if state.busy() {
            return true;
        }
        update(state, step, *contact);
    }
    unheard.len() > TIDY_CONTACTS_MAX || due.len() > TIDY_CONTACTS_MAX
}

/// Renews the key that mail is sealed to, if it is due and the relay is there to be told.
pub(crate) fn mailbox_key(state: &mut State, step: &mut Step) {
    let due = step.now().since(state.session.mailbox_key_at) >= MAILBOX_KEY_EVERY;
    if due && state.session.link == Link::Online && !state.under_way(|why| *why == Why::MailboxKey) {
        let at = *state.session.mailbox_key_made.get_or_insert(step.now());
        step.vault(state, Why::MailboxKey, VaultOp::RotateMailboxKey { at });
    }
}

/// The relay has the new mailbox key: the one before is replaced from now on.
pub(crate) fn mailbox_key_taken(state: &mut State, step: &mut Step) {
    if !state.session.mail_is_ours() {
        delivery::resume_soon(state, step);
    }
    state.session.mailbox_key_at = step.now();
    state.session.mailbox_key_made = None;
    step.vault(state, Why::Tidy, VaultOp::Published { what: Published::MailboxKey, at: step.now() });
}

/// Renews our keys in one conversation, because the person asks.
pub(crate) fn update_keys(state: &mut State, step: &mut Step, contact: Fingerprint) -> Answer {
    if !state.session.phase.is_settled() {
        return Answer::Refused(Code::NotRegistered);
    }
    if state.session.copied {
        return Answer::Refused(Code::ProfileCopied);
    }
    let Some(known) = state.contacts.get(&contact) else {
        return Answer::Refused(Code::UnknownContact);
    };
    if known.held {
        return Answer::Refused(Code::ContactHeld);
    }
    if known.standing == Standing::Blocked {
        return Answer::Refused(Code::ContactBlocked);
    }
    if known.conversation != Conversation::Open || known.mailbox.is_none() {
        return Answer::Refused(Code::NoConversation);
    }
    if state.busy() {
        return Answer::Refused(Code::TooBusy);
    }
    update(state, step, contact);
    Answer::Accepted
}

fn update(state: &mut State, step: &mut Step, contact: Fingerprint) {
    if let Some(known) = state.contacts.get_mut(&contact) {
        known.update = true;
        contact::advance(state, step, contact);
    }
}

/// Renews our keys in a conversation, if that is due.
pub(crate) fn make(state: &mut State, step: &mut Step, contact: Fingerprint) {
    let now = step.now();
    let Some(known) = state.contacts.get_mut(&contact) else {
        return;
    };
    let (Some(mailbox), true) = (known.mailbox, known.update) else {
        return;
    };
    known.update = false;
    known.updated = now;
    step.vault(state, Why::Update(contact), VaultOp::UpdateKeys { contact, mailbox, at: now });
}

impl Contact {
    /// Whether something can be sealed to them now.
    pub(crate) fn can_write(&self) -> bool {
        self.standing == Standing::Accepted && !self.held && self.conversation == Conversation::Open && self.mailbox.is_some()
    }
}

impl State {
    /// Whether something is asked of the vault, or waits for the relay, for a purpose.
    pub(crate) fn under_way(&self, is: impl Fn(&Why) -> bool) -> bool {
        self.outstanding.values().any(|outstanding| is(&outstanding.why)) || self.requests.values().any(|request| is(&request.why))
    }

    /// Whether as many requests and effects are under way as may be.
    pub(crate) fn busy(&self) -> bool {
        self.requests.len().saturating_add(self.outstanding.len()) >= REQUESTS_MAX
    }
}
