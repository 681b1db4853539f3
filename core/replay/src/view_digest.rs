//! The view digest: by it two runs are compared whose ids, keys and jitter differ.
//!
//! It is taken of what a frontend sees at the end: contacts and how they stand, settings, and each message that it was told of
//! with its last state. People and messages are numbered in the order in which they were first told of. What a run's chance
//! decides is left out: ids, addresses, times, the relay's clock, requests under way.

use serde::Serialize;
use std::collections::BTreeMap;
use thicket_engine::Fault;
use thicket_journal_format::{codec, digest};
use thicket_reducer::{ContactView, View};
use thicket_types::effect::{Change, Effect, MessageState};
use thicket_types::ids::{Digest, Fingerprint, MessageId};
use thicket_types::intent::Answer;
use thicket_types::name::Name;

/// Numbers what a frontend is told of, in order: for who folds a journal piece by piece, before its segments retire.
/// [`verify`](crate::verify) folds what is there.
pub struct Numbering {
    people: BTreeMap<Fingerprint, u64>,
    messages: BTreeMap<MessageId, u64>,
    /// What was told last of a message of ours.
    states: BTreeMap<u64, MessageState>,
    /// A chain over all that, as it came: equal for two runs that were told the same in the same order.
    told: Digest,
}

/// What a frontend sees at a place: people and messages by their numbers.
#[derive(Serialize)]
pub struct Seen {
    registered: bool,
    copied: bool,
    read_marks: bool,
    early: usize,
    contacts: BTreeMap<u64, SeenContact>,
    /// Messages of ours that the relay has not stored, by their numbers: to whom, and their state. One that was not told of yet has
    /// none and counts alone.
    unsettled: BTreeMap<u64, (Option<u64>, MessageState)>,
    not_told: usize,
    messages: BTreeMap<u64, MessageState>,
}

#[derive(Serialize)]
struct SeenContact {
    name: Option<Name>,
    accepted: bool,
    blocked: bool,
    verified: bool,
    proved: bool,
    held: bool,
    received: u64,
}

impl Default for Numbering {
    fn default() -> Numbering {
        Numbering { people: BTreeMap::new(), messages: BTreeMap::new(), states: BTreeMap::new(), told: Digest([0; 32]) }
    }
}

impl Numbering {
    /// Notes what one record led to.
    pub fn note(&mut self, effects: &[Effect]) {
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
                if let Change::Message { state, .. } = change
                    && self.states.insert(number, *state) != Some(*state)
                    && let Ok(bytes) = codec::encode(&(number, state))
                {
                    self.told = digest(&[&self.told.0, &bytes]);
                }
            }
        }
    }

    /// The numbers of whom and what a change names, once it was noted.
    pub(crate) fn numbers(&self, change: &Change) -> (Option<u64>, Option<u64>) {
        let (person, message) = named(change);
        (person.and_then(|id| self.people.get(&id).copied()), message.and_then(|id| self.messages.get(&id).copied()))
    }

    /// SHA-256 of the canonical encoding of that.
    pub fn digest(&self, view: &View) -> Result<Digest, Fault> {
        self.digest_with(view, true, &self.states)
    }

    /// The same without going through all messages, for who takes it after each record: in place of their states it has the order
    /// in which they were told. Without names it is the same of a journal and of its capsule.
    pub(crate) fn mark(&self, view: &View, names: bool) -> Result<Digest, Fault> {
        self.digest_with(view, names, &self.told)
    }

    fn digest_with<T: Serialize>(&self, view: &View, names: bool, states: &T) -> Result<Digest, Fault> {
        let people = self.people(view, true);
        // Whoever was never told of has a number by their name, and none where names are left out.
        let number = |person: &Fingerprint| if names { people.get(person) } else { self.people.get(person) };
        let mut contacts: Vec<_> = view
            .contacts
            .iter()
            .map(|contact| {
                let standing = (contact.accepted, contact.blocked, contact.verified, contact.proved, contact.held);
                let name = if names { contact.name.text() } else { "" };
                (number(&contact.fingerprint), name, standing, contact.received)
            })
            .collect();
        contacts.sort();
        let mut unsettled: Vec<_> = view
            .unsettled
            .iter()
            .map(|(id, (contact, state, body, _))| (self.messages.get(id), number(contact), state, body.is_some()))
            .collect();
        unsettled.sort();
        let of_session = (view.registered, view.copied, view.read_marks, view.early);
        let told = (people.len(), self.messages.len(), states);
        Ok(digest(&[&codec::encode(&(of_session, contacts, unsettled, told))?]))
    }

    /// What the digest is taken of, to be shown.
    pub(crate) fn seen(&self, view: &View, names: bool) -> Seen {
        let people = self.people(view, names);
        let contact = |contact: &ContactView| {
            let ContactView { fingerprint, name, accepted, blocked, verified, proved, held, anew: _, received } = contact.clone();
            let number = people.get(&fingerprint).copied().unwrap_or(u64::MAX);
            (number, SeenContact { name: names.then_some(name), accepted, blocked, verified, proved, held, received })
        };
        let unsettled: BTreeMap<_, _> = view
            .unsettled
            .iter()
            .filter_map(|(id, (contact, state, ..))| Some((*self.messages.get(id)?, (people.get(contact).copied(), *state))))
            .collect();
        Seen {
            registered: view.registered,
            copied: view.copied,
            read_marks: view.read_marks,
            early: view.early,
            contacts: view.contacts.iter().map(contact).collect(),
            not_told: view.unsettled.len() - unsettled.len(),
            unsettled,
            messages: self.states.clone(),
        }
    }

    /// The numbers of all people. Who was never told of comes last, by name or by how they stand.
    fn people(&self, view: &View, names: bool) -> BTreeMap<Fingerprint, u64> {
        let mut people = self.people.clone();
        let mut untold: Vec<_> = view.contacts.iter().filter(|contact| !people.contains_key(&contact.fingerprint)).collect();
        if names {
            untold.sort_by_key(|contact| contact.name.clone());
        } else {
            let standing = |contact: &ContactView| (contact.accepted, contact.blocked, contact.verified, contact.proved, contact.held);
            untold.sort_by_key(|contact| (standing(contact), contact.received));
        }
        for contact in untold {
            number(&mut people, contact.fingerprint);
        }
        people
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
