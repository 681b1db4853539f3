//! What becomes of each field of an event in a capsule.
//!
//! One walk over an event serves both passes: the first looks at the values, the second replaces them. Everything is destructured
//! without `..`: a field that is new does not compile until somebody has said here what becomes of it.

use super::answer;
use thicket_types::bytes::Bytes;
use thicket_types::event::{Arrival, Arrived, Became, Event, Followed, Lane, Opened, Outcome, Own, TimerId};
use thicket_types::ids::EffectId;
use thicket_types::intent::Intent;
use thicket_types::limits::{BODY_LEN_MAX, FRAME_LEN_MAX, PADDING_CLASSES};
use thicket_types::name::{Name, RegistrationToken, RelayAddress, Title};
use thicket_types::time::{ClaimedTime, Stamp};

/// What an id is of. Those of one kind are replaced by one table, so that what was equal stays equal, and what was less, less.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Of {
    /// A fingerprint.
    Identity,
    /// A mailbox.
    Mailbox,
    /// A message, and the intent that asked for it: they have one name.
    Message,
    /// A staged text.
    Body,
    /// A request, an answer or an envelope.
    Frame,
    /// A conversation.
    Conversation,
    /// A relay's key.
    RelayKey,
    /// A group, and its log: they have one id.
    Group,
}

/// Who looks at the values of an event, or replaces them.
pub(super) trait Values {
    fn id(&mut self, of: Of, bytes: &mut [u8]);
    fn name(&mut self, name: &mut Name);
    fn address(&mut self, address: &mut RelayAddress);
    fn token(&mut self, token: &mut RegistrationToken);
    fn title(&mut self, title: &mut Title);
    /// A place in the mailbox.
    fn cursor(&mut self, cursor: &mut u64);
}

/// An event of a record that is stamped so in the capsule.
pub(super) fn event(event: &mut Event, at: Stamp, values: &mut dyn Values) {
    match event {
        Event::Requested { id, intent: asked } => {
            values.id(Of::Message, &mut id.0);
            intent(asked, values);
        }
        Event::Arrived(Arrival { frame, lane, content }) => {
            values.id(Of::Frame, &mut frame.0);
            let (Lane::Named | Lane::Anonymous) = lane;
            arrived(content, at, values);
        }
        Event::Elapsed { timer: elapsed, fault: _ } => timer(elapsed, values),
        Event::Resolved { effect, outcome: came, vault_count: _ } => {
            // Places and counts are the capsule's subject. The segment's id is random, says nothing of itself, and the jitter of
            // what it asked for hangs on it (ADR 0033).
            let EffectId { seq: _, index: _, segment: _ } = effect;
            outcome(came, at, values);
        }
    }
}

fn intent(intent: &mut Intent, values: &mut dyn Values) {
    match intent {
        Intent::Register { relay, key, token } | Intent::ChangeRelay { relay, key, token } => {
            values.address(relay);
            if let Some(key) = key {
                values.id(Of::RelayKey, &mut key.0);
            }
            if let Some(token) = token {
                values.token(token);
            }
        }
        Intent::AddContact { name } => values.name(name),
        Intent::Send { contact, body, len } => {
            values.id(Of::Identity, &mut contact.0);
            values.id(Of::Body, &mut body.0);
            *len = text_len(*len);
        }
        Intent::AcceptContact { contact }
        | Intent::DeclineContact { contact }
        | Intent::BlockContact { contact, blocked: _ }
        | Intent::RemoveContact { contact }
        | Intent::VerifyContact { contact, verified: _ }
        | Intent::AcceptIdentity { contact }
        | Intent::UpdateKeys { contact } => values.id(Of::Identity, &mut contact.0),
        Intent::MarkRead { contact, message }
        | Intent::RetryMessage { contact, message }
        | Intent::ForgetMessage { contact, message, sent: _ } => {
            values.id(Of::Identity, &mut contact.0);
            values.id(Of::Message, &mut message.0);
        }
        Intent::CancelMessage { message } => values.id(Of::Message, &mut message.0),
        Intent::Connect | Intent::SetReadMarks { on: _ } | Intent::TakeOver | Intent::Rejoin | Intent::Restore => {}
    }
}

fn arrived(content: &mut Arrived, at: Stamp, values: &mut dyn Values) {
    match content {
        Arrived::Answer { answer } => answer::redact(answer, at, values),
        Arrived::Envelope { cursor, sender, sealed } => {
            values.cursor(cursor);
            values.id(Of::Identity, &mut sender.0);
            *sealed = Bytes(vec![0; envelope_len(sealed.0.len())]);
        }
        Arrived::Repeat { cursor } | Arrived::Unsealable { cursor, cause: _ } => values.cursor(cursor),
    }
}

pub(super) fn timer(timer: &mut TimerId, values: &mut dyn Values) {
    match timer {
        TimerId::Retry(frame) => values.id(Of::Frame, &mut frame.0),
        TimerId::Receipts(contact) | TimerId::Advance(contact) => values.id(Of::Identity, &mut contact.0),
        TimerId::Login | TimerId::Fetch | TimerId::Acknowledge | TimerId::Tidy | TimerId::Grant | TimerId::Resume => {}
    }
}

fn outcome(outcome: &mut Outcome, at: Stamp, values: &mut dyn Values) {
    match outcome {
        Outcome::Framed { frame, bytes } => {
            values.id(Of::Frame, &mut frame.0);
            *bytes = filler(bytes.0.len());
        }
        Outcome::Pinned { contact, mailbox, name, contradicts, anew: _ } => {
            values.id(Of::Identity, &mut contact.0);
            values.id(Of::Mailbox, &mut mailbox.0);
            values.name(name);
            if let Some(before) = contradicts {
                values.id(Of::Identity, &mut before.0);
            }
        }
        Outcome::Begun { again } => again.iter_mut().for_each(|message| values.id(Of::Message, &mut message.0)),
        Outcome::Opened(inside) => opened(inside, at, values),
        Outcome::Followed(page) => followed(page, values),
        Outcome::Handed | Outcome::Unreachable | Outcome::Done | Outcome::Refused(_) | Outcome::Fault(_) => {}
    }
}

fn followed(followed: &mut Followed, values: &mut dyn Values) {
    let Followed { group, upto: _, last: _, messages, unreadable: _, own, became } = followed;
    values.id(Of::Group, &mut group.0);
    for (by, message) in messages {
        values.id(Of::Identity, &mut by.0);
        values.id(Of::Message, &mut message.0);
    }
    let (Own::Open | Own::Stands | Own::Lost) = own;
    if let Some(Became { title, members: _, out: _ }) = became {
        values.title(title);
    }
}

fn opened(opened: &mut Opened, at: Stamp, values: &mut dyn Values) {
    match opened {
        Opened::Message { contact, name, conversation, message, claimed, moved: _ } => {
            values.id(Of::Identity, &mut contact.0);
            values.name(name);
            values.id(Of::Conversation, &mut conversation.0);
            values.id(Of::Message, &mut message.0);
            // Not shifted: who claims a time that they know would learn by it how far all were.
            *claimed = ClaimedTime(at.0);
        }
        Opened::Receipt { contact, delivered, moved: _ } => {
            values.id(Of::Identity, &mut contact.0);
            delivered.iter_mut().for_each(|message| values.id(Of::Message, &mut message.0));
        }
        Opened::Early { contact, name, len } => {
            values.id(Of::Identity, &mut contact.0);
            values.name(name);
            *len = early_len(*len);
        }
        Opened::Unreadable { contact, name, cause: _ } | Opened::Offer { contact, name, anew: _ } => {
            values.id(Of::Identity, &mut contact.0);
            values.name(name);
        }
        Opened::ReadMark { contact, moved: _ } | Opened::Committed { contact, owed: _, moved: _ } => {
            values.id(Of::Identity, &mut contact.0);
        }
        Opened::Known { contact, message, moved: _ } => {
            values.id(Of::Identity, &mut contact.0);
            values.id(Of::Message, &mut message.0);
        }
        Opened::Invited { contact, name, group } => {
            values.id(Of::Identity, &mut contact.0);
            values.name(name);
            values.id(Of::Group, &mut group.0);
        }
        Opened::Welcomed { contact, group, title, members: _ } => {
            values.id(Of::Identity, &mut contact.0);
            values.id(Of::Group, &mut group.0);
            values.title(title);
        }
    }
}

/// Zeros in place of bytes: as many as the next power of two, at least 256, and no more than a frame has.
pub(super) fn filler(len: usize) -> Bytes {
    Bytes(vec![0; len.min(FRAME_LEN_MAX).next_power_of_two().clamp(FILLER_LEN_MIN, FRAME_LEN_MAX)])
}

/// The length of a text: nothing stays nothing and too much stays too much, for those are refused.
fn text_len(len: u32) -> u32 {
    let max = u32::try_from(BODY_LEN_MAX).unwrap_or(u32::MAX);
    match len {
        0 => 0,
        len if len > max => max.saturating_add(1),
        len => len.next_power_of_two().clamp(256, max),
    }
}

/// The length of an envelope. What a client of ours sealed has one of these: the rules count them, and the sum stays the same.
fn envelope_len(len: usize) -> usize {
    PADDING_CLASSES.into_iter().map(|class| class.saturating_add(SEAL_LEN)).find(|class| *class >= len).unwrap_or(FRAME_LEN_MAX)
}

/// The same for one that is not there, but counted.
pub(super) fn early_len(len: u32) -> u32 {
    let counted = usize::try_from(len).unwrap_or(usize::MAX);
    u32::try_from(envelope_len(counted)).unwrap_or(u32::MAX)
}

/// What a seal adds: the encapsulated key, and the tag (PROTOCOL.md §5).
const SEAL_LEN: usize = 32 + 16;
const FILLER_LEN_MIN: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_tell_their_class_alone() {
        assert_eq!([0, 1, 256, 257, 99_000, 200_000].map(|len| filler(len).0.len()), [256, 256, 256, 512, 100_352, 100_352]);
        assert_eq!([0, 1, 300, 65_535, 65_536, 65_537, u32::MAX].map(text_len), [0, 256, 512, 65_536, 65_536, 65_537, 65_537]);
        for class in PADDING_CLASSES {
            let sealed = class + SEAL_LEN;
            assert_eq!([sealed - 1, sealed].map(envelope_len), [sealed; 2], "what a client of ours sealed is as long as before");
        }
        assert_eq!(envelope_len(usize::MAX), FRAME_LEN_MAX);
    }
}
