//! Which records touched the conversation with a contact: those that name it, and those whose fold changed it.
//!
//! One pass over the journal. Much that belongs to a conversation does not name it: a frame that the vault made, an answer of the
//! relay, a timer. So the state's part of it is compared before and after each record, and effects asked for it are followed.

use crate::Step;
use std::collections::{BTreeMap, BTreeSet};
use thicket_reducer::{Contact, Held, InFlight, Outgoing, State, Why};
use thicket_types::effect::{Change, Effect};
use thicket_types::event::{Arrived, Event, Opened, Outcome, TimerId};
use thicket_types::ids::{EffectId, Fingerprint, MessageId, Seq};
use thicket_types::intent::{Answer, Intent};
use thicket_types::name::Name;
use thicket_types::vault_op::{Ask, VaultOp};

/// Says of each record whether it touched the conversation: [`Touching::note`] for each, in order.
pub struct Touching {
    contact: Fingerprint,
    part: Part,
    /// How they are called: a lookup knows no more.
    name: Option<Name>,
    /// Messages of ours to them, also those that have left the state: what is told of them names no contact.
    messages: BTreeSet<MessageId>,
    /// Envelopes that bear their name.
    envelopes: BTreeSet<Seq>,
    /// Effects under way that were asked for it.
    effects: BTreeSet<EffectId>,
}

/// What the state has of the conversation.
#[derive(PartialEq, Eq, Default)]
struct Part {
    contact: Option<Contact>,
    outbox: Vec<(MessageId, Outgoing)>,
    early: Vec<Held>,
    requests: BTreeMap<Seq, InFlight>,
}

impl Touching {
    /// Begins, before the first record, with the name that they have now, if they are here: their lookup came before they were.
    pub fn new(contact: Fingerprint, name: Option<Name>) -> Touching {
        Touching { contact, part: Part::default(), name, messages: BTreeSet::new(), envelopes: BTreeSet::new(), effects: BTreeSet::new() }
    }

    /// What the state has of the conversation where the fold begins: no record that is folded made it so.
    fn begin(&mut self, state: &State) {
        self.know_messages(state);
        self.part = self.part_of(state);
        self.name = self.part.contact.as_ref().map(|known| known.name.clone()).or_else(|| self.name.take());
        self.envelopes.extend(self.part.early.iter().map(|held| held.envelope));
        let theirs = state.outstanding.iter().filter(|(_, known)| self.is_for(&known.effect) || self.is_why(&known.why));
        self.effects = theirs.map(|(id, _)| *id).collect();
    }

    fn know_messages(&mut self, state: &State) {
        let ours = state.outbox.iter().filter(|(_, outgoing)| outgoing.contact == self.contact);
        self.messages.extend(ours.map(|(message, _)| *message));
    }

    /// Looks at a record: whether it touched the conversation.
    pub fn note(&mut self, step: &Step<'_>) -> bool {
        if let Some(begins) = step.begins {
            self.begin(begins);
        }
        let named = self.is_named(&step.record.event);
        if let (true, Event::Arrived(_)) = (named, &step.record.event) {
            self.envelopes.insert(step.place.seq);
        }
        // One that had left the state before the fold began, and is tried again.
        self.know_messages(step.state);
        let now = self.part_of(step.state);
        self.name = now.contact.as_ref().map(|known| known.name.clone()).or_else(|| self.name.take());
        let changed = std::mem::replace(&mut self.part, now) != self.part;
        let mut asked = false;
        for (index, effect) in step.effects.iter().enumerate() {
            let id = EffectId { seq: step.place.seq, index: u32::try_from(index).unwrap_or(u32::MAX), segment: step.place.segment };
            let why = step.state.outstanding.get(&id).map(|outstanding| &outstanding.why);
            if self.is_for(effect) || why.is_some_and(|why| self.is_why(why)) {
                asked = true;
                if matches!(effect, Effect::Vault(_) | Effect::Send(_)) {
                    self.effects.insert(id);
                }
            }
        }
        named || changed || asked
    }

    fn part_of(&self, state: &State) -> Part {
        let outbox = state.outbox.iter().filter(|(_, outgoing)| outgoing.contact == self.contact);
        let requests = state.requests.values().filter(|request| self.is_why(&request.why));
        Part {
            contact: state.contacts.get(&self.contact).cloned(),
            outbox: outbox.map(|(message, outgoing)| (*message, outgoing.clone())).collect(),
            early: state.early.get(&self.contact).cloned().unwrap_or_default(),
            requests: requests.map(|request| (request.frame, request.clone())).collect(),
        }
    }

    fn is_called(&self, name: &Name) -> bool {
        self.name.as_ref().is_some_and(|known| known.key() == name.key())
    }

    /// Whether a record names it.
    fn is_named(&mut self, event: &Event) -> bool {
        match event {
            Event::Requested { id, intent } => match intent {
                Intent::Send { contact, .. } => {
                    if *contact == self.contact {
                        self.messages.insert(MessageId(id.0));
                    }
                    *contact == self.contact
                }
                Intent::AcceptContact { contact }
                | Intent::DeclineContact { contact }
                | Intent::BlockContact { contact, .. }
                | Intent::RemoveContact { contact }
                | Intent::VerifyContact { contact, .. }
                | Intent::AcceptIdentity { contact }
                | Intent::UpdateKeys { contact }
                | Intent::MarkRead { contact, .. }
                | Intent::RetryMessage { contact, .. }
                | Intent::ForgetMessage { contact, .. } => *contact == self.contact,
                Intent::CancelMessage { message } => self.messages.contains(message),
                Intent::AddContact { name } => self.is_called(name),
                Intent::Register { .. }
                | Intent::Connect
                | Intent::SetReadMarks { .. }
                | Intent::ChangeRelay { .. }
                | Intent::TakeOver
                | Intent::Rejoin
                | Intent::Restore => false,
            },
            Event::Arrived(arrival) => match &arrival.content {
                Arrived::Envelope { sender, .. } => *sender == self.contact,
                // An answer belongs to a request, and the fold knows to which.
                Arrived::Answer { .. } | Arrived::Repeat { .. } | Arrived::Unsealable { .. } => false,
            },
            Event::Elapsed { timer, fault: _ } => self.is_theirs(timer),
            Event::Resolved { effect, outcome, vault_count: _ } => {
                let followed = self.effects.remove(effect);
                let named = match outcome {
                    Outcome::Pinned { contact, contradicts, .. } => *contact == self.contact || *contradicts == Some(self.contact),
                    Outcome::Opened(opened) => match opened {
                        Opened::Message { contact, .. }
                        | Opened::Receipt { contact, .. }
                        | Opened::Early { contact, .. }
                        | Opened::Unreadable { contact, .. }
                        | Opened::ReadMark { contact, .. }
                        | Opened::Committed { contact, .. }
                        | Opened::Known { contact, .. }
                        | Opened::Offer { contact, .. }
                        | Opened::Invited { contact, .. }
                        | Opened::Welcomed { contact, .. } => *contact == self.contact,
                    },
                    Outcome::Handed
                    | Outcome::Unreachable
                    | Outcome::Framed { .. }
                    | Outcome::Done
                    | Outcome::Begun { .. }
                    | Outcome::Refused(_)
                    | Outcome::Fault(_)
                    // What they write in a group is of the group.
                    | Outcome::Followed(_) => false,
                };
                followed || named
            }
        }
    }

    /// Whether something is done for it.
    fn is_why(&self, why: &Why) -> bool {
        match why {
            Why::KeyPackage(contact)
            | Why::Begin(contact)
            | Why::Receipt(contact, _)
            | Why::Update(contact)
            | Why::ReadMark(contact)
            | Why::Offer(contact, _) => *contact == self.contact,
            Why::Message(message) => self.messages.contains(message),
            Why::Lookup(name) | Why::Pin(name) => self.is_called(name),
            Why::Grant(given, taken) => given.contains(&self.contact) || taken.contains(&self.contact),
            Why::Open(envelope, _) => self.envelopes.contains(envelope),
            Why::Stamp(of, ..) => self.is_why(&Why::from(of.clone())),
            Why::Challenge
            | Why::Register
            | Why::Login
            | Why::Publish
            | Why::Fetch
            | Why::Acknowledge(_)
            | Why::File
            | Why::Abandoned
            | Why::Handing(_)
            | Why::MailboxKey
            | Why::Tidy => false,
        }
    }

    /// Whether a timer is of the contact. One of a request is not: its request is compared.
    fn is_theirs(&self, timer: &TimerId) -> bool {
        match timer {
            TimerId::Receipts(contact) | TimerId::Advance(contact) => *contact == self.contact,
            TimerId::Retry(_)
            | TimerId::Login
            | TimerId::Fetch
            | TimerId::Acknowledge
            | TimerId::Tidy
            | TimerId::Grant
            | TimerId::Resume => false,
        }
    }

    /// Whether an effect names it, or its frame is one of the conversation's.
    fn is_for(&self, effect: &Effect) -> bool {
        match effect {
            Effect::Vault(op) => self.is_of(op),
            Effect::Send(send) => self.part.requests.contains_key(&send.frame),
            Effect::Arm(timer, _) | Effect::Disarm(timer) => self.is_theirs(timer),
            Effect::Notify(change) => match change {
                Change::Contact(contact)
                | Change::IdentityChanged(contact)
                | Change::Received { contact, .. }
                | Change::Unreadable { contact, .. }
                | Change::Read { contact }
                | Change::KeysUpdated(contact)
                | Change::Forgotten { contact, .. } => *contact == self.contact,
                Change::Message { message, .. } | Change::Answered { answer: Answer::Queued(message), .. } => {
                    self.messages.contains(message)
                }
                Change::LookupFailed { name, .. } => self.is_called(name),
                Change::Answered { .. }
                | Change::Registered
                | Change::RegistrationRefused(_)
                | Change::Connected
                | Change::Disconnected(_)
                | Change::Dropped(_) => false,
            },
        }
    }

    fn is_of(&self, op: &VaultOp) -> bool {
        match op {
            VaultOp::BeginConversation { contact, .. }
            | VaultOp::SealMessage { contact, .. }
            | VaultOp::SealReceipt { contact, .. }
            | VaultOp::File { contact, .. }
            | VaultOp::Forget { contact }
            | VaultOp::Unpin { contact }
            | VaultOp::UpdateKeys { contact, .. }
            | VaultOp::MarkRead { contact, .. }
            | VaultOp::SealAgain { contact, .. }
            | VaultOp::SealOffer { contact, .. }
            | VaultOp::BeginFromOffer { contact, .. }
            | VaultOp::ForgetMessage { contact, .. }
            | VaultOp::KeepKeyPackage { contact, .. }
            | VaultOp::SealWelcome { contact, .. } => *contact == self.contact,
            VaultOp::Commit { group: _, adds } => adds.contains(&self.contact),
            VaultOp::SetCapabilities { grant, renew, revoke } => [grant, renew, revoke].iter().any(|of| of.contains(&self.contact)),
            VaultOp::PinContact { name, .. } | VaultOp::Compose(Ask::Lookup(name) | Ask::KeyPackage(name)) => self.is_called(name),
            VaultOp::OpenEnvelope { envelope, .. } | VaultOp::Join { envelope, .. } => self.envelopes.contains(envelope),
            // Its request is the conversation's.
            VaultOp::Stamp { request, .. } => self.part.requests.contains_key(request),
            VaultOp::Compose(Ask::Challenge | Ask::Fetch { .. } | Ask::Acknowledge { .. } | Ask::ReadLog(_))
            | VaultOp::SignRegistration { .. }
            | VaultOp::SignLogin { .. }
            | VaultOp::MakeKeyPackages { .. }
            | VaultOp::Tidy { .. }
            | VaultOp::RotateMailboxKey { .. }
            | VaultOp::Published { .. }
            | VaultOp::ShowRead { .. }
            | VaultOp::GiveUpGroups
            | VaultOp::CreateGroup { .. }
            | VaultOp::LogCreated { .. }
            | VaultOp::SealPost { .. }
            | VaultOp::FollowLog { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Replay;
    use crate::life::{Life, relay};
    use thicket_engine::Input;
    use thicket_types::bytes::Bytes;
    use thicket_types::event::{Arrival, Lane};
    use thicket_types::ids::{BodyRef, ConversationId, FrameId, IntentId};
    use thicket_types::time::ClaimedTime;

    const ALICE: Fingerprint = Fingerprint([0xa1; 20]);
    const BOB: Fingerprint = Fingerprint([0xb0; 20]);

    fn name(of: Fingerprint) -> Name {
        Name::parse(if of == ALICE { "alice" } else { "bob" }).expect("a name")
    }

    fn envelope(number: u8, sender: Fingerprint) -> Input {
        let content = Arrived::Envelope { cursor: number.into(), sender, sealed: Bytes(vec![number; 1_584]) };
        Input::Arrival(Arrival { frame: FrameId([number; 32]), lane: Lane::Named, content })
    }

    fn message(number: u8, contact: Fingerprint) -> Outcome {
        let (conversation, message) = (ConversationId([0; 32]), MessageId([number; 16]));
        Outcome::Opened(Opened::Message { contact, name: name(contact), conversation, message, claimed: ClaimedTime(1), moved: true })
    }

    fn asks(number: u8, intent: Intent) -> Input {
        Input::Intent(IntentId([number; 16]), intent)
    }

    fn touched(disk: &mut dyn thicket_types::ports::Disk, keys: &thicket_engine::ProfileKeys, contact: Fingerprint) -> Vec<u64> {
        let (mut touching, mut places) = (Touching::new(contact, Some(name(contact))), Vec::new());
        Replay::read(disk, keys, &mut |step| {
            if touching.note(step) {
                places.push(step.place.seq.0);
            }
        })
        .expect("an intact journal");
        places
    }

    #[test]
    fn a_record_touches_the_conversation_that_it_names_or_that_its_fold_changes() {
        let mut life = Life::new();
        life.turn([relay()]); // 1
        life.turn([envelope(1, ALICE)]); // 2
        life.turn([envelope(2, BOB)]); // 3
        life.resolve_opening(message(1, ALICE)); // 4
        life.resolve_opening(message(2, BOB)); // 5
        life.turn([asks(3, Intent::AcceptContact { contact: ALICE })]); // 6
        life.turn([asks(4, Intent::SetReadMarks { on: true })]); // 7
        life.turn([asks(5, Intent::Send { contact: BOB, body: BodyRef([1; 16]), len: 5 })]); // 8
        // It names no contact, and is of the one whom that message is to.
        life.turn([asks(6, Intent::CancelMessage { message: MessageId([5; 16]) })]); // 9
        // Nobody is called so but alice.
        life.turn([asks(7, Intent::AddContact { name: Name::parse("ALICE").expect("a name") })]); // 10
        let (_folder, mut disk, keys) = life.close();
        assert_eq!(touched(&mut disk, &keys, ALICE), [2, 4, 6, 10]);
        assert_eq!(touched(&mut disk, &keys, BOB), [3, 5, 8, 9]);
        assert_eq!(touched(&mut disk, &keys, Fingerprint([9; 20])), Vec::<u64>::new());
    }

    #[test]
    fn what_was_there_where_the_fold_begins_is_touched_by_no_record() {
        let mut life = Life::new();
        life.turn([relay()]);
        life.turn([envelope(1, ALICE)]);
        life.resolve_opening(message(1, ALICE));
        life.turn([asks(2, Intent::AcceptContact { contact: ALICE })]);
        let before = life.durable();
        life.retire();
        life.turn([asks(6, Intent::BlockContact { contact: ALICE, blocked: true })]);
        let last = life.durable();
        let (_folder, mut disk, keys) = life.close();
        assert!(Replay::read(&mut disk, &keys, &mut |_| {}).expect("an intact journal").first() > before);
        assert_eq!(touched(&mut disk, &keys, ALICE), [last.0]);
    }

    #[test]
    fn what_the_vault_says_of_an_effect_of_the_conversation_touches_it() {
        let mut life = Life::new();
        life.turn([relay()]);
        life.turn([envelope(1, ALICE)]); // 2
        life.turn([envelope(2, BOB)]); // 3
        // Neither names anybody.
        life.resolve_opening(Outcome::Refused(thicket_types::error::Code::MalformedEnvelope)); // 4
        life.resolve_opening(Outcome::Fault(thicket_types::error::Code::Inconsistent)); // 5
        let (_folder, mut disk, keys) = life.close();
        assert_eq!(touched(&mut disk, &keys, ALICE), [2, 4]);
        assert_eq!(touched(&mut disk, &keys, BOB), [3, 5]);
    }
}
