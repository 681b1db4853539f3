//! The view digest: by it two runs are compared whose ids, keys and jitter differ.
//!
//! It is taken of what a frontend sees at the end and of all that it was told on the way. People and messages are numbered in
//! the order in which they were first told of, and times count from the first record. What a run's chance decides is left out:
//! ids, addresses, the relay's clock, requests under way and repeated notices of one kind.

use std::collections::BTreeMap;
use thicket_engine::Fault;
use thicket_journal_format::{codec, digest};
use thicket_reducer::View;
use thicket_types::effect::{Change, Effect};
use thicket_types::ids::{Digest, Fingerprint, MessageId};
use thicket_types::intent::Answer;
use thicket_types::time::Stamp;

/// Numbers what a frontend is told of, in order.
#[derive(Default)]
pub(crate) struct Numbering {
    people: BTreeMap<Fingerprint, u64>,
    messages: BTreeMap<MessageId, u64>,
    first: Option<Stamp>,
}

impl Numbering {
    /// Notes what one record led to.
    pub(crate) fn note(&mut self, at: Stamp, effects: &[Effect]) {
        self.first.get_or_insert(at);
        for effect in effects {
            let Effect::Notify(change) = effect else {
                continue;
            };
            let (person, message) = named(change);
            if let Some(person) = person {
                number(&mut self.people, person);
            }
            if let Some(message) = message {
                number(&mut self.messages, message);
            }
        }
    }

    /// SHA-256 of the view's canonical encoding, ids and times replaced.
    pub(crate) fn digest(mut self, view: &View) -> Result<Digest, Fault> {
        // Who was never told of comes last, by name.
        let mut untold: Vec<_> = view.contacts.iter().filter(|contact| !self.people.contains_key(&contact.fingerprint)).collect();
        untold.sort_by_key(|contact| contact.name.clone());
        for contact in untold {
            number(&mut self.people, contact.fingerprint);
        }
        let first = self.first.unwrap_or_default();
        let mut contacts: Vec<_> = view
            .contacts
            .iter()
            .map(|contact| {
                let standing = (contact.accepted, contact.blocked, contact.verified, contact.proved, contact.held);
                (self.people.get(&contact.fingerprint), contact.name.text(), standing, contact.received)
            })
            .collect();
        contacts.sort();
        let mut unsettled: Vec<_> = view
            .unsettled
            .iter()
            .map(|(id, (contact, state, body, at))| {
                (self.messages.get(id), self.people.get(contact), state, body.is_some(), at.since(first))
            })
            .collect();
        unsettled.sort();
        let of_session = (view.registered, view.copied, view.read_marks, view.early);
        let told = (self.people.len(), self.messages.len());
        Ok(digest(&[&codec::encode(&(of_session, contacts, unsettled, told))?]))
    }
}

fn number<Id: Ord>(numbers: &mut BTreeMap<Id, u64>, id: Id) {
    let next = u64::try_from(numbers.len()).unwrap_or(u64::MAX);
    numbers.entry(id).or_insert(next);
}

/// Whom and what a change names.
fn named(change: &Change) -> (Option<Fingerprint>, Option<MessageId>) {
    match change {
        Change::Answered { answer: Answer::Queued(message), .. } | Change::Message { message, .. } => (None, Some(*message)),
        Change::Received { contact, message } | Change::Forgotten { contact, message } => (Some(*contact), Some(*message)),
        Change::Contact(contact)
        | Change::IdentityChanged(contact)
        | Change::KeysUpdated(contact)
        | Change::Unreadable { contact, .. }
        | Change::Read { contact } => (Some(*contact), None),
        Change::Answered { .. }
        | Change::Registered
        | Change::RegistrationRefused(_)
        | Change::Connected
        | Change::Disconnected(_)
        | Change::LookupFailed(_)
        | Change::Dropped(_) => (None, None),
    }
}
