//! Whom and what a journal names by an id that begins so, or by a name: also those who are gone from the state.
//!
//! One pass over the journal. Of what came, the frame that it came in names it too: who looks at a relay or a wire has nothing else.

use crate::{Step, Subject};
use std::collections::{BTreeMap, BTreeSet};
use thicket_reducer::State;
use thicket_types::effect::Effect;
use thicket_types::event::{Arrived, Event, Opened, Outcome};
use thicket_types::ids::{EffectId, Fingerprint, FrameId, MessageId, Seq};
use thicket_types::intent::Intent;
use thicket_types::name::Name;
use thicket_types::vault_op::VaultOp;

/// Looks for what is named: [`Named::note`] for each record, in order.
pub struct Named {
    digits: Option<String>,
    name: Option<Name>,
    by_id: BTreeSet<Subject>,
    by_name: BTreeSet<Subject>,
    /// Envelopes in frames whose ids begin so, and ops under way that open one.
    frames: BTreeMap<Seq, FrameId>,
    opening: BTreeMap<EffectId, Seq>,
}

impl Named {
    /// Begins, before the first record: the lower-case hex digits that an id is to begin with, and the name that somebody is to have.
    pub fn new(digits: Option<String>, name: Option<Name>) -> Named {
        let (by_id, by_name) = (BTreeSet::new(), BTreeSet::new());
        Named { digits, name, by_id, by_name, frames: BTreeMap::new(), opening: BTreeMap::new() }
    }

    /// Looks at a record.
    pub fn note(&mut self, step: &Step<'_>) {
        if let Some(begins) = step.begins {
            self.begin(begins);
        }
        match &step.record.event {
            Event::Requested { id, intent } => match intent {
                Intent::Send { contact, .. } => {
                    self.message(MessageId(id.0));
                    self.person(*contact, None);
                }
                Intent::MarkRead { contact, message }
                | Intent::RetryMessage { contact, message }
                | Intent::ForgetMessage { contact, message, .. } => {
                    self.message(*message);
                    self.person(*contact, None);
                }
                Intent::CancelMessage { message } => self.message(*message),
                Intent::AcceptContact { contact }
                | Intent::DeclineContact { contact }
                | Intent::BlockContact { contact, .. }
                | Intent::RemoveContact { contact }
                | Intent::VerifyContact { contact, .. }
                | Intent::AcceptIdentity { contact }
                | Intent::UpdateKeys { contact } => self.person(*contact, None),
                Intent::Register { .. }
                | Intent::Connect
                | Intent::AddContact { .. }
                | Intent::SetReadMarks { .. }
                | Intent::ChangeRelay { .. }
                | Intent::TakeOver
                | Intent::Rejoin
                | Intent::Restore => {}
            },
            Event::Arrived(arrival) => {
                if let Arrived::Envelope { sender, .. } = arrival.content {
                    self.person(sender, None);
                    if self.begins_so(&arrival.frame.hex()) {
                        self.frames.insert(step.place.seq, arrival.frame);
                    }
                }
            }
            Event::Elapsed { .. } => {}
            Event::Resolved { effect, outcome, vault_count: _ } => {
                let envelope = self.opening.remove(effect);
                match outcome {
                    Outcome::Pinned { contact, name, .. } => self.person(*contact, Some(name)),
                    Outcome::Opened(opened) => self.opened(envelope, opened),
                    Outcome::Followed(followed) => followed.messages.iter().for_each(|(by, message)| {
                        self.message(*message);
                        self.person(*by, None);
                    }),
                    _ => {}
                }
            }
        }
        for (index, effect) in (0..).zip(step.effects) {
            if let Effect::Vault(VaultOp::OpenEnvelope { envelope, .. }) = effect
                && self.frames.contains_key(envelope)
            {
                self.opening.insert(EffectId { seq: step.place.seq, index, segment: step.place.segment }, *envelope);
            }
        }
    }

    fn begin(&mut self, state: &State) {
        state.outbox.keys().for_each(|message| self.message(*message));
        state.contacts.iter().for_each(|(contact, known)| self.person(*contact, Some(&known.name)));
        let unread = unread(state).into_iter().filter(|(_, frame)| self.begins_so(&frame.hex()));
        self.frames = unread.collect();
        self.opening = opening(state).filter(|(_, envelope)| self.frames.contains_key(envelope)).collect();
    }

    fn opened(&mut self, envelope: Option<Seq>, opened: &Opened) {
        match opened {
            Opened::Message { contact, name, message, .. } => {
                self.message(*message);
                self.person(*contact, Some(name));
            }
            Opened::Known { contact, message, .. } => {
                self.message(*message);
                self.person(*contact, None);
            }
            Opened::Unreadable { contact, name, .. }
            | Opened::Early { contact, name, .. }
            | Opened::Offer { contact, name, .. }
            | Opened::Invited { contact, name, .. } => self.person(*contact, Some(name)),
            Opened::Receipt { contact, .. }
            | Opened::ReadMark { contact, .. }
            | Opened::Committed { contact, .. }
            | Opened::Welcomed { contact, .. } => self.person(*contact, None),
        }
        // What a frame turned out to hold is meant by it.
        if let (Some(envelope), Opened::Message { message, .. } | Opened::Known { message, .. }) = (envelope, opened) {
            // Also what came in the same frame once more, before it was read.
            let read = self.frames.remove(&envelope);
            self.frames.retain(|_, frame| Some(*frame) != read);
            self.by_id.insert(Subject::Message(*message));
        }
    }

    fn message(&mut self, message: MessageId) {
        if self.begins_so(&message.hex()) {
            self.by_id.insert(Subject::Message(message));
        }
    }

    fn person(&mut self, contact: Fingerprint, name: Option<&Name>) {
        if self.begins_so(&contact.hex()) {
            self.by_id.insert(Subject::Contact(contact));
        }
        if self.name.as_ref().zip(name).is_some_and(|(wanted, name)| wanted.key() == name.key()) {
            self.by_name.insert(Subject::Contact(contact));
        }
    }

    fn begins_so(&self, hex: &str) -> bool {
        self.digits.as_ref().is_some_and(|digits| hex.starts_with(digits.as_str()))
    }

    /// What an id names that begins so, and who has the name. What came and was not read goes by the first half of its frame's id.
    pub fn finish(mut self) -> (BTreeSet<Subject>, BTreeSet<Subject>) {
        let half = |frame: FrameId| frame.0.first_chunk().map(|half| Subject::Message(MessageId(*half)));
        self.by_id.extend(self.frames.into_values().filter_map(half));
        (self.by_id, self.by_name)
    }
}

/// The envelopes that a state has and nobody has read yet, with the frames they came in.
pub(crate) fn unread(state: &State) -> BTreeMap<Seq, FrameId> {
    let early = state.early.values().flatten().map(|held| held.envelope);
    let all = early.chain(opening(state).map(|(_, envelope)| envelope));
    all.filter_map(|envelope| Some((envelope, state.seen.frame(envelope)?))).collect()
}

/// The ops under way that open an envelope.
pub(crate) fn opening(state: &State) -> impl Iterator<Item = (EffectId, Seq)> {
    state.outstanding.iter().filter_map(|(id, known)| match known.effect {
        Effect::Vault(VaultOp::OpenEnvelope { envelope, .. }) => Some((*id, envelope)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Replay;
    use crate::life::{Life, relay};
    use thicket_engine::Input;
    use thicket_types::bytes::Bytes;
    use thicket_types::error::Code;
    use thicket_types::event::{Arrival, Lane};
    use thicket_types::ids::{BodyRef, ConversationId, IntentId};
    use thicket_types::time::ClaimedTime;

    const ALICE: Fingerprint = Fingerprint([0xa1; 20]);
    const CAME: MessageId = MessageId([0xa1; 16]);

    fn name() -> Name {
        Name::parse("alice").expect("a name")
    }

    fn envelope(number: u8) -> Input {
        let content = Arrived::Envelope { cursor: number.into(), sender: ALICE, sealed: Bytes(vec![number; 1_584]) };
        Input::Arrival(Arrival { frame: FrameId([number; 32]), lane: Lane::Named, content })
    }

    fn comes(life: &mut Life, number: u8, opened: Opened) {
        life.turn([envelope(number)]);
        life.resolve_opening(Outcome::Opened(opened));
    }

    #[test]
    fn a_frame_that_came_before_the_fold_begins_means_what_was_read_of_it_since() {
        let mut life = Life::new();
        life.turn([relay()]);
        let len = 1_584;
        let moved = |message| Opened::Message {
            contact: ALICE,
            name: name(),
            conversation: ConversationId([0; 32]),
            message: MessageId([message; 16]),
            claimed: ClaimedTime(1),
            moved: true,
        };
        comes(&mut life, 8, moved(8));
        comes(&mut life, 1, Opened::Early { contact: ALICE, name: name(), len });
        comes(&mut life, 2, Opened::Early { contact: ALICE, name: name(), len });
        let after = life.durable();
        comes(&mut life, 3, moved(3));
        life.resolve_opening(Outcome::Opened(moved(0xc0)));
        let (_folder, mut disk, keys) = life.close();
        let replay = Replay::read(&mut disk, &keys, &mut |_| {}).expect("an intact journal");
        let state = replay.at(&mut disk, &keys, after).expect("an intact journal").expect("a state");
        for (digits, message) in [("0101", MessageId([0xc0; 16])), ("0202", MessageId([2; 16]))] {
            let mut named = Named::new(Some(digits.to_owned()), None);
            let mut begins = Some(&state);
            let mut note = |step: &Step<'_>| {
                if step.place.seq > after {
                    named.note(&Step { begins: begins.take(), ..*step });
                }
            };
            Replay::read(&mut disk, &keys, &mut note).expect("an intact journal");
            assert_eq!(named.finish().0, BTreeSet::from([Subject::Message(message)]), "{digits}");
        }
    }

    #[test]
    fn ids_are_found_by_how_they_begin_and_those_who_are_gone_by_their_names() {
        let mut life = Life::new();
        life.turn([relay()]);
        let message = Opened::Message {
            contact: ALICE,
            name: name(),
            conversation: ConversationId([0; 32]),
            message: CAME,
            claimed: ClaimedTime(1),
            moved: true,
        };
        comes(&mut life, 1, message);
        let twice = Opened::Known { contact: ALICE, message: MessageId([0xc0; 16]), moved: false };
        life.turn([envelope(12), envelope(12)]);
        life.resolve_opening(Outcome::Opened(twice));
        comes(&mut life, 9, Opened::Unreadable { contact: ALICE, name: name(), cause: Code::TooOld });
        life.turn([Input::Intent(IntentId([0x5e; 16]), Intent::Send { contact: ALICE, body: BodyRef([1; 16]), len: 5 })]);
        life.turn([Input::Intent(IntentId([2; 16]), Intent::RemoveContact { contact: ALICE })]);
        assert!(life.state().contacts.is_empty());
        let (_folder, mut disk, keys) = life.close();
        let mut named = |digits: Option<&str>, name: Option<&str>| {
            let mut named = Named::new(digits.map(str::to_owned), name.and_then(|name| Name::parse(name).ok()));
            Replay::read(&mut disk, &keys, &mut |step| named.note(step)).expect("an intact journal");
            let (by_id, by_name) = named.finish();
            (Vec::from_iter(by_id), Vec::from_iter(by_name))
        };
        let (message, contact) = (Subject::Message(CAME), Subject::Contact(ALICE));
        assert_eq!(named(Some("a1a1"), None), (vec![message, contact], vec![]), "both begin so");
        assert_eq!(named(Some(&"a1".repeat(20)), None), (vec![contact], vec![]));
        assert_eq!(named(Some("5e5e5e"), None), (vec![Subject::Message(MessageId([0x5e; 16]))], vec![]), "what was asked for");
        assert_eq!(named(Some("010101"), None), (vec![message], vec![]), "by its frame");
        assert_eq!(named(Some("0909"), None), (vec![Subject::Message(MessageId([9; 16]))], vec![]), "what could not be read");
        assert_eq!(named(Some("0c0c"), None), (vec![Subject::Message(MessageId([0xc0; 16]))], vec![]), "it came twice before it was read");
        assert_eq!(named(None, Some("ALICE")), (vec![], vec![contact]));
        assert_eq!(named(Some("0202"), Some("bob")), (vec![], vec![]), "not every request is a message");
    }
}
