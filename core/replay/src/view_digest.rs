//! The view digest: by it two runs are compared whose ids, keys and jitter differ.
//!
//! It is taken of what a frontend sees at the end: contacts and how they stand, settings, and each message that it was told of
//! with its last state. People and messages are numbered in the order in which they were first told of. What a run's chance
//! decides is left out: ids, addresses, times, the relay's clock, requests under way.

use std::collections::BTreeMap;
use thicket_engine::Fault;
use thicket_journal_format::{codec, digest};
use thicket_reducer::View;
use thicket_types::effect::{Change, Effect, MessageState};
use thicket_types::ids::{Digest, Fingerprint, MessageId};
use thicket_types::intent::Answer;

/// Numbers what a frontend is told of, in order.
#[derive(Default)]
pub(crate) struct Numbering {
    people: BTreeMap<Fingerprint, u64>,
    messages: BTreeMap<MessageId, u64>,
    /// What was told last of a message of ours.
    states: BTreeMap<u64, MessageState>,
}

impl Numbering {
    /// Notes what one record led to.
    pub(crate) fn note(&mut self, effects: &[Effect]) {
        for effect in effects {
            let Effect::Notify(change) = effect else {
                continue;
            };
            let (person, message) = named(change);
            if let Some(person) = person {
                number(&mut self.people, person);
            }
            if let Some(message) = message {
                let number = number(&mut self.messages, message);
                if let Change::Message { state, .. } = change {
                    self.states.insert(number, *state);
                }
            }
        }
    }

    /// SHA-256 of the canonical encoding of that.
    pub(crate) fn digest(mut self, view: &View) -> Result<Digest, Fault> {
        // Who was never told of comes last, by name.
        let mut untold: Vec<_> = view.contacts.iter().filter(|contact| !self.people.contains_key(&contact.fingerprint)).collect();
        untold.sort_by_key(|contact| contact.name.clone());
        for contact in untold {
            number(&mut self.people, contact.fingerprint);
        }
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
            .map(|(id, (contact, state, body, _))| (self.messages.get(id), self.people.get(contact), state, body.is_some()))
            .collect();
        unsettled.sort();
        let of_session = (view.registered, view.copied, view.read_marks, view.early);
        let told = (self.people.len(), self.messages.len(), self.states);
        Ok(digest(&[&codec::encode(&(of_session, contacts, unsettled, told))?]))
    }
}

fn number<Id: Ord>(numbers: &mut BTreeMap<Id, u64>, id: Id) -> u64 {
    let next = u64::try_from(numbers.len()).unwrap_or(u64::MAX);
    *numbers.entry(id).or_insert(next)
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
        | Change::LookupFailed { .. }
        | Change::Dropped(_) => (None, None),
    }
}
