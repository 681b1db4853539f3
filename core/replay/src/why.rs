//! Why a message, a contact or an effect is where it is: the records that put it there, in sentences.
//!
//! One pass over the journal. Of a message of ours it compares where the state has it before and after each record: in the queue,
//! with the vault, with the transport, or waiting for the relay's answer. Of a message that came it follows the envelope.

use crate::Step;
use crate::named::{opening, unread};
use crate::words::{asked_for, short};
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};
use thicket_reducer::{Contact, Conversation, Standing, State, Why};
use thicket_types::effect::{Change, Effect, MessageState};
use thicket_types::error::Code;
use thicket_types::event::{Arrival, Arrived, Event, Opened, Outcome};
use thicket_types::ids::{EffectId, Fingerprint, FrameId, IntentId, MessageId, SegmentId, Seq};
use thicket_types::intent::{Answer, Intent};
use thicket_types::limits::WHY_LINES_MAX;
use thicket_types::time::Stamp;
use thicket_types::vault_op::VaultOp;
use thicket_types::wire::relay as wire;

/// What is asked about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Subject {
    /// A message of ours or of a contact; one that could not be read, or not yet, goes by the first half of its frame's id, which is
    /// the id of its row.
    Message(MessageId),
    /// A contact, and the conversation with them.
    Contact(Fingerprint),
    /// An effect, by the record that asked for it and its place there: within one journal no two records have one place.
    Effect(Seq, u32),
}

/// What one record did to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// The record.
    pub seq: Seq,
    /// When.
    pub stamp: Stamp,
    /// In words.
    pub says: String,
}

/// Gathers what there is to say while a journal is folded: [`Explaining::note`] for each record, in order.
pub struct Explaining {
    subject: Subject,
    lines: Vec<Line>,
    ours: Ours,
    contact: Option<Contact>,
    /// Hand-overs under way of the frame that the message goes in, and whether one was said to be done.
    handing: BTreeSet<EffectId>,
    handed: bool,
    /// Set when a login took all reply paths, until it goes again.
    lost_path: bool,
    /// What was said of each envelope that is not read yet, by its record.
    envelopes: BTreeMap<Seq, (FrameId, Vec<Line>)>,
    /// Ops under way that open an envelope.
    opening: BTreeMap<EffectId, Seq>,
    /// The envelopes that turned out to be the message, once and again.
    frames: Vec<FrameId>,
    /// When the effect was asked for, and in which segment: an outcome that names another's is not its.
    asked: Option<(Stamp, SegmentId)>,
}

/// Where the state has a message of ours.
#[derive(Clone, PartialEq, Eq, Default)]
struct Ours {
    queued: bool,
    sealing: bool,
    stamping: bool,
    request: Option<(FrameId, u32)>,
}

impl Ours {
    fn of(state: &State, message: MessageId) -> Ours {
        let contact = state.outbox.get(&message).map(|outgoing| outgoing.contact);
        let queued = contact.and_then(|contact| state.contacts.get(&contact)).is_some_and(|known| known.queue.contains(&message));
        let is = |why: &Why| *why == Why::Message(message);
        let request = state.requests.iter().find(|(_, request)| is(&request.why)).map(|(frame, request)| (*frame, request.tries));
        let sealing = state.outstanding.values().any(|outstanding| is(&outstanding.why));
        let stamped = |why: &Why| matches!(why, Why::Stamp(of, ..) if is(&Why::from(of.clone())));
        let stamping = state.outstanding.values().any(|outstanding| stamped(&outstanding.why));
        Ours { queued, sealing, stamping, request }
    }

    /// Where the message was, in words; `None` if the state has nothing of it.
    fn was(&self, state: &State, message: MessageId) -> Option<String> {
        let outgoing = state.outbox.get(&message);
        Some(match (self, outgoing) {
            (Ours { request: Some((_, 0)), .. }, _) => "it was encrypted, and was to go to the transport".to_owned(),
            (Ours { request: Some(_), .. }, _) => "it had gone to the transport, and no answer had come".to_owned(),
            (Ours { stamping: true, .. }, _) => "the vault was at the work that the relay asks for".to_owned(),
            (Ours { sealing: true, .. }, _) => "it was being encrypted".to_owned(),
            (_, Some(outgoing)) => {
                let why = state.contacts.get(&outgoing.contact).map_or("the contact is not known", waits_for);
                format!("it was queued, since {why}")
            }
            (_, None) => return None,
        })
    }
}

impl Explaining {
    /// Begins, before the first record.
    pub fn new(subject: Subject) -> Explaining {
        Explaining {
            subject,
            lines: Vec::new(),
            ours: Ours::default(),
            contact: None,
            handing: BTreeSet::new(),
            handed: false,
            lost_path: false,
            envelopes: BTreeMap::new(),
            opening: BTreeMap::new(),
            frames: Vec::new(),
            asked: None,
        }
    }

    /// What the state has of it where the fold begins: no record that is folded made it so.
    fn begin(&mut self, step: &Step<'_>, state: &State) {
        let was = match self.subject {
            Subject::Message(message) => {
                self.ours = Ours::of(state, message);
                let frame = state.requests.values().find(|request| request.why == Why::Message(message)).map(|request| request.frame);
                let hands = |effect: &Effect| matches!(effect, Effect::Send(send) if Some(send.frame) == frame);
                let handing = state.outstanding.iter().filter(|(_, known)| hands(&known.effect));
                self.handing = handing.map(|(id, _)| *id).collect();
                self.begin_received(step, state);
                self.ours.was(state, message).or_else(|| {
                    let untold = state.contacts.values().any(|known| known.receipts.contains(&message));
                    untold.then(|| "it was read, and its sender was to be told".to_owned())
                })
            }
            Subject::Contact(contact) => {
                self.contact = state.contacts.get(&contact).cloned();
                self.contact.as_ref().map(stood)
            }
            Subject::Effect(seq, index) => {
                let asked = state.outstanding.iter().find(|(id, _)| (id.seq, id.index) == (seq, index));
                asked.map(|(_, known)| format!("it was asked for, and not resolved: {}", asked_for(&known.effect)))
            }
        };
        if let Some(was) = was {
            self.say(step, before(step, &was));
        }
    }

    /// Envelopes that waited there, or that the vault was at: one of them may turn out to be the message.
    fn begin_received(&mut self, step: &Step<'_>, state: &State) {
        for (envelope, frame) in unread(state) {
            let says = before(step, &format!("its envelope, of record {envelope}, had come and was not read"));
            let line = Line { seq: step.place.seq, stamp: step.place.stamp, says };
            self.envelopes.insert(envelope, (frame, vec![line]));
        }
        self.opening = opening(state).collect();
    }

    /// Looks at a record.
    pub fn note(&mut self, step: &Step<'_>) {
        if let Some(begins) = step.begins {
            self.begin(step, begins);
        }
        match self.subject {
            Subject::Message(message) => {
                self.note_sent(step, message);
                self.note_received(step, message);
            }
            Subject::Contact(contact) => self.note_contact(step, contact),
            Subject::Effect(seq, index) => self.note_effect(step, seq, index),
        }
    }

    /// What there is to say, at most [`WHY_LINES_MAX`] lines: of more, those in the middle are counted. Empty if the journal knows
    /// nothing of it.
    pub fn finish(mut self) -> Vec<Line> {
        // One that waits still has no row.
        if let Subject::Message(message) = self.subject
            && let Some((_, waits)) = self.envelopes.into_values().find(|(frame, _)| frame.0.starts_with(&message.0))
        {
            self.lines.extend(waits);
        }
        let mut lines: Vec<Line> = Vec::new();
        let mut repeats = 0;
        for line in self.lines {
            match lines.last_mut().filter(|last| base(&last.says) == line.says) {
                Some(last) => {
                    repeats += 1;
                    last.says = format!("{} ({} times, the last at {})", line.says, repeats + 1, line.seq);
                }
                None => {
                    repeats = 0;
                    lines.push(line);
                }
            }
        }
        if lines.len() <= WHY_LINES_MAX {
            return lines;
        }
        let kept = WHY_LINES_MAX - 1;
        let (begin, end) = (kept / 2, lines.len() - (kept - kept / 2));
        let hidden: Vec<Line> = lines.drain(begin..end).collect();
        if let Some(first) = hidden.first() {
            lines.insert(begin, Line { says: format!("… {} more records …", hidden.len()), ..first.clone() });
        }
        lines
    }

    fn say(&mut self, step: &Step<'_>, says: impl Into<String>) {
        self.lines.push(Line { seq: step.place.seq, stamp: step.place.stamp, says: says.into() });
    }

    // A message of ours.

    fn note_sent(&mut self, step: &Step<'_>, message: MessageId) {
        let now = Ours::of(step.state, message);
        let before = std::mem::replace(&mut self.ours, now.clone());
        if let Event::Requested { id, intent } = &step.record.event {
            self.note_intent(step, message, *id == IntentId(message.0), intent);
        }
        let told = step.effects.iter().find_map(|effect| match effect {
            Effect::Notify(Change::Message { message: of, state }) if *of == message => Some(*state),
            _ => None,
        });
        let refusal = refusal(&step.record.event);
        if told == Some(MessageState::Stored) {
            self.say(step, "the relay stored it for its recipient");
        } else if told == Some(MessageState::Delivered) {
            self.say(step, "a receipt came: its recipient's device has it");
        } else if told == Some(MessageState::Failed) {
            let cause = filed_cause(step.effects, message).or(refusal);
            self.say(step, cause.map_or_else(|| "it failed".to_owned(), |cause| format!("it failed: {}", words(cause))));
        } else if before.request.is_some() && now.request.is_none() {
            let then = if now.stamping {
                Some("the relay asks for work before it takes it: the vault does it".to_owned())
            } else if now.queued || now.sealing {
                let cause =
                    refusal.map_or_else(|| "what was sealed can't be used any more".to_owned(), |code| format!("refused: {}", words(code)));
                Some(format!("{cause}; it is encrypted anew"))
            } else if is_stored(&step.record.event) {
                // Of one that was delivered, or taken off the list of what waits, nothing more is told.
                Some("the relay answers that it has it".to_owned())
            } else {
                None
            };
            then.into_iter().for_each(|says| self.say(step, says));
        } else if let (None, Some(_)) = (before.request, now.request) {
            let done = if before.stamping {
                "the work is done: it goes again, with a stamp"
            } else {
                "it was encrypted, and goes to the transport"
            };
            self.say(step, done);
        } else if let (Some((_, was)), Some((_, tries))) = (before.request, now.request)
            && was != tries
        {
            if tries < was {
                self.lost_path = true;
            } else if std::mem::take(&mut self.lost_path) {
                self.say(step, "no answer can come to a way of before the login: the same bytes go again");
            } else if was > 0 {
                self.say(step, "no answer came in time: the same bytes go again");
            }
        } else if before.queued && now.sealing {
            self.say(step, "what it waited for is there: it is being encrypted");
        }
        self.note_handing(step, message);
    }

    fn note_handing(&mut self, step: &Step<'_>, message: MessageId) {
        if let Event::Resolved { effect, outcome, .. } = &step.record.event
            && self.handing.remove(effect)
        {
            match outcome {
                Outcome::Unreachable => self.say(step, "the transport could not reach the relay"),
                Outcome::Handed if !self.handed => {
                    self.handed = true;
                    self.say(step, "the transport took it");
                }
                _ => {}
            }
        }
        let bytes = step.state.requests.values().find(|request| request.why == Why::Message(message)).map(|request| request.frame);
        for (index, effect) in step.effects.iter().enumerate() {
            if let Effect::Send(send) = effect
                && Some(send.frame) == bytes
            {
                let index = u32::try_from(index).unwrap_or(u32::MAX);
                self.handing.insert(EffectId { seq: step.place.seq, index, segment: step.place.segment });
            }
        }
    }

    fn note_intent(&mut self, step: &Step<'_>, message: MessageId, is_its_own: bool, intent: &Intent) {
        match intent {
            Intent::Send { contact, len, .. } if is_its_own => {
                let answered = step.effects.iter().find_map(|effect| match effect {
                    Effect::Notify(Change::Answered { answer: Answer::Refused(code), .. }) => Some(*code),
                    _ => None,
                });
                let asked = format!("you asked to send {len} bytes to {}", short(contact.hex()));
                match answered {
                    Some(code) => self.say(step, format!("{asked}: refused, {}", words(code))),
                    None if self.ours.sealing => self.say(step, format!("{asked}: it is being encrypted")),
                    None => {
                        let why = step.state.contacts.get(contact).map_or("the contact is not known", waits_for);
                        self.say(step, format!("{asked}: it waits, since {why}"));
                    }
                }
            }
            Intent::CancelMessage { message: of } if *of == message => self.say(step, "you took it back"),
            Intent::RetryMessage { message: of, .. } if *of == message => self.say(step, "you asked to try it again"),
            Intent::ForgetMessage { message: of, .. } if *of == message => self.say(step, "you had its text deleted here"),
            _ => {}
        }
    }

    // A message that came.

    fn note_received(&mut self, step: &Step<'_>, message: MessageId) {
        match &step.record.event {
            Event::Arrived(arrival) => match &arrival.content {
                Arrived::Envelope { cursor, sealed, .. } => {
                    let says = format!("an envelope of {} bytes came, item {cursor} of the mailbox", sealed.0.len());
                    let line = Line { seq: step.place.seq, stamp: step.place.stamp, says };
                    self.envelopes.insert(step.place.seq, (arrival.frame, vec![line]));
                }
                Arrived::Repeat { cursor } if self.frames.contains(&arrival.frame) => {
                    self.say(step, format!("the relay gave the same bytes again, as item {cursor}: dropped"));
                }
                _ => {}
            },
            Event::Resolved { effect, outcome, .. } => {
                if let Some(envelope) = self.opening.remove(effect) {
                    self.note_opened(step, message, envelope, outcome);
                }
            }
            Event::Requested { .. } | Event::Elapsed { .. } => {}
        }
        for (index, effect) in step.effects.iter().enumerate() {
            match effect {
                Effect::Vault(VaultOp::OpenEnvelope { envelope, at: _, last }) => {
                    let index = u32::try_from(index).unwrap_or(u32::MAX);
                    self.opening.insert(EffectId { seq: step.place.seq, index, segment: step.place.segment }, *envelope);
                    if let Some((_, lines)) = self.envelopes.get_mut(envelope).filter(|_| *envelope != step.place.seq) {
                        let says =
                            if *last { "it waited too long, or too many wait: it is opened for the last time" } else { COULD_BE_READ };
                        lines.push(Line { seq: step.place.seq, stamp: step.place.stamp, says: says.to_owned() });
                    }
                }
                Effect::Vault(VaultOp::SealReceipt { messages, .. }) if messages.contains(&message) => {
                    self.say(step, "its sender is told that it is here");
                }
                _ => {}
            }
        }
    }

    fn note_opened(&mut self, step: &Step<'_>, message: MessageId, envelope: Seq, outcome: &Outcome) {
        let Some((frame, lines)) = self.envelopes.get_mut(&envelope) else {
            return;
        };
        // A row of what can't be read goes by the first half of the envelope's hash.
        let by_frame = frame.0.starts_with(&message.0);
        let (is_it, says) = match outcome {
            Outcome::Opened(Opened::Early { .. }) => {
                // What came meanwhile did not help: said once, and counted.
                lines.pop_if(|last| last.says == COULD_BE_READ);
                let says = "it can't be read yet: its conversation, or that epoch of it, is not here; it waits".to_owned();
                lines.push(Line { seq: step.place.seq, stamp: step.place.stamp, says });
                return;
            }
            Outcome::Opened(Opened::Message { message: of, contact, .. }) => {
                (*of == message, format!("it was read: a message of {}", short(contact.hex())))
            }
            Outcome::Opened(Opened::Known { message: of, .. }) => {
                (*of == message, "it is here already: dropped, and told once more".to_owned())
            }
            Outcome::Opened(Opened::Unreadable { cause, .. }) => (by_frame, format!("it can never be read: {}", words(*cause))),
            Outcome::Refused(code) | Outcome::Fault(code) => (by_frame, format!("it was given up: {}", words(*code))),
            _ => (false, String::new()),
        };
        if let Some((frame, lines)) = self.envelopes.remove(&envelope).filter(|_| is_it) {
            self.frames.push(frame);
            self.lines.extend(lines);
            self.say(step, says);
        }
    }

    // A contact.

    fn note_contact(&mut self, step: &Step<'_>, contact: Fingerprint) {
        let now = step.state.contacts.get(&contact).cloned();
        let before = std::mem::replace(&mut self.contact, now.clone());
        let mut said: Vec<&str> = Vec::new();
        match (&before, &now) {
            (None, Some(known)) if known.standing == Standing::Asking => said.push("they wrote first, and wait to be accepted"),
            (None, Some(_)) => said.push("they became a contact"),
            (Some(_), None) => said.push("they are no contact any more"),
            (Some(was), Some(known)) => {
                if was.standing != known.standing {
                    said.push(match known.standing {
                        Standing::Asking => "they ask to be accepted",
                        Standing::Accepted => "they are accepted",
                        Standing::Blocked => "they are blocked: what they send is dropped unread",
                    });
                }
                if was.held != known.held {
                    said.push(if known.held {
                        "another identity was found under their name: sending is held"
                    } else {
                        "sending is held no longer"
                    });
                }
                if was.mailbox != known.mailbox {
                    said.push(match (was.mailbox, known.mailbox) {
                        (_, None) => "their mailbox is gone, or too old to be believed: they are looked up anew",
                        (None, Some(_)) => "their mailbox was found",
                        (Some(_), Some(_)) => "their mailbox is another one now",
                    });
                }
                if was.conversation != known.conversation {
                    said.push(match known.conversation {
                        Conversation::None => "there is no conversation any more: one begins when it is needed",
                        Conversation::Beginning => "a conversation is being begun",
                        Conversation::Open => "the conversation is open: messages can be encrypted",
                    });
                }
                if !was.anew && known.anew {
                    said.push("they are asked to begin anew");
                }
                if !was.offered && known.offered {
                    said.push("they offered a key package to begin with");
                }
                if was.updated != known.updated && was.conversation == known.conversation && known.conversation == Conversation::Open {
                    said.push("the keys of the conversation were renewed");
                }
                if was.verified != known.verified {
                    said.push(if known.verified { "you compared the safety number" } else { "they count as verified no longer" });
                }
            }
            (None, None) => {}
        }
        if !said.is_empty() {
            let because = because(&step.record.event);
            self.say(step, format!("{because}{}", said.join("; ")));
        }
    }

    // An effect.

    fn note_effect(&mut self, step: &Step<'_>, seq: Seq, index: u32) {
        if step.place.seq == seq
            && let Some(effect) = usize::try_from(index).ok().and_then(|index| step.effects.get(index))
        {
            self.asked = Some((step.place.stamp, step.place.segment));
            self.say(step, format!("{}it was asked for: {}", because(&step.record.event), asked_for(effect)));
            if !matches!(effect, Effect::Vault(_) | Effect::Send(_)) {
                self.say(step, "nothing resolves it: it is done when it is told");
            }
        }
        if let Event::Resolved { effect, outcome, .. } = &step.record.event
            && (effect.seq, effect.index) == (seq, index)
            && self.asked.is_none_or(|(_, segment)| segment == effect.segment)
        {
            // Of one that was asked for before the fold began nobody knows when.
            let after = self.asked.map_or_else(String::new, |(asked, _)| format!(" after {} ms", step.place.stamp.since(asked).0));
            self.say(step, format!("it was resolved{after}: {}", came_to(outcome)));
            let then: Vec<String> = step.effects.iter().filter(|effect| !matches!(effect, Effect::Notify(_))).map(asked_for).collect();
            if !then.is_empty() {
                self.say(step, format!("that asked for: {}", then.join(", ")));
            }
        }
    }
}

/// What was so where the fold begins: it is said at the first record that is folded.
fn before(step: &Step<'_>, was: &str) -> String {
    format!("before record {} already: {was}; what led there can't be told any more", step.place.seq)
}

/// How a contact stood, and the conversation with them.
fn stood(known: &Contact) -> String {
    let standing = match known.standing {
        Standing::Asking => "they had written first, and waited to be accepted",
        Standing::Accepted => "they were a contact",
        Standing::Blocked => "they were blocked",
    };
    let conversation = match known.conversation {
        Conversation::None => "there was no conversation",
        Conversation::Beginning => "a conversation was being begun",
        Conversation::Open => "the conversation was open",
    };
    let others = [
        (known.held, "another identity had been found under their name: sending was held"),
        (known.anew, "they were to begin anew"),
        (known.verified, "you had compared the safety number"),
    ];
    let others = others.into_iter().filter_map(|(is_so, says)| is_so.then_some(says));
    [standing, conversation].into_iter().chain(others).collect::<Vec<_>>().join("; ")
}

/// Said of what came early, when a conversation has begun or has moved on.
const COULD_BE_READ: &str = "a Welcome or a commit of that contact's came meanwhile: it is opened once more";

/// A sentence without how often it was repeated.
fn base(says: &str) -> &str {
    says.split_once(" (").filter(|(_, rest)| rest.ends_with(')') && rest.contains(" times, the last at ")).map_or(says, |(base, _)| base)
}

fn words(code: Code) -> String {
    format!("{} ({})", code.what(), code.number())
}

/// Why a message to a contact waits.
fn waits_for(known: &Contact) -> &'static str {
    match (known.standing, known.conversation) {
        (Standing::Blocked, _) => "the contact is blocked",
        _ if known.held => "another identity was found under the contact's name, and sending is held",
        _ if known.anew => "the contact is to begin anew first",
        _ if known.mailbox.is_none() => "the contact's mailbox has to be looked up",
        (_, Conversation::None | Conversation::Beginning) => "the conversation has to begin first",
        (_, Conversation::Open) => "others go first",
    }
}

/// What the relay says in a record.
fn said(event: &Event) -> Option<wire::answer::Said> {
    match event {
        Event::Arrived(Arrival { content: Arrived::Answer { answer }, .. }) => wire::Answer::decode(answer.0.as_slice()).ok()?.said,
        _ => None,
    }
}

fn is_stored(event: &Event) -> bool {
    matches!(said(event), Some(wire::answer::Said::Stored(_)))
}

/// The relay's or the vault's no in a record.
pub fn refusal(event: &Event) -> Option<Code> {
    match event {
        Event::Resolved { outcome: Outcome::Refused(code) | Outcome::Fault(code), .. } => Some(*code),
        event => match said(event)? {
            wire::answer::Said::Refusal(refusal) => Code::from_number(refusal.code),
            _ => None,
        },
    }
}

/// The cause that a message's row is given.
fn filed_cause(effects: &[Effect], message: MessageId) -> Option<Code> {
    effects.iter().find_map(|effect| match effect {
        Effect::Vault(VaultOp::File { message: of, cause, .. }) if *of == message => *cause,
        _ => None,
    })
}

/// What a record was, as the reason for what it did.
fn because(event: &Event) -> &'static str {
    match event {
        Event::Requested { .. } => "as you asked, ",
        Event::Arrived(arrival) => match arrival.content {
            Arrived::Answer { .. } => "by the relay's answer, ",
            Arrived::Envelope { .. } | Arrived::Repeat { .. } | Arrived::Unsealable { .. } => "by mail that came, ",
        },
        Event::Elapsed { .. } => "when its time came, ",
        Event::Resolved { outcome, .. } => match outcome {
            Outcome::Opened(_) => "by what was read, ",
            Outcome::Refused(_) | Outcome::Fault(_) => "since the vault refused, ",
            _ => "by what the vault did, ",
        },
    }
}

fn came_to(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Handed => "the transport took it".to_owned(),
        Outcome::Unreachable => "the transport could not reach the relay".to_owned(),
        Outcome::Framed { bytes, .. } => format!("a frame of {} bytes", bytes.0.len()),
        Outcome::Done => "done".to_owned(),
        Outcome::Pinned { .. } => "an identity pinned".to_owned(),
        Outcome::Begun { .. } => "a conversation begun".to_owned(),
        Outcome::Opened(Opened::Unreadable { cause, .. }) => format!("it can never be read: {}", words(*cause)),
        Outcome::Opened(Opened::Welcomed { .. }) => "a group joined".to_owned(),
        Outcome::Opened(_) => "an envelope read".to_owned(),
        Outcome::Followed(_) => "a group's log followed".to_owned(),
        Outcome::Refused(code) => format!("refused: {}", words(*code)),
        Outcome::Fault(code) => format!("a fault: {}", words(*code)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Replay;
    use crate::life::{Life, relay};
    use thicket_engine::Input;
    use thicket_reducer::{InFlight, Outgoing};
    use thicket_types::bytes::Bytes;
    use thicket_types::event::Lane;
    use thicket_types::ids::ConversationId;
    use thicket_types::name::{Name, RelayAddress};
    use thicket_types::time::ClaimedTime;

    const ALICE: Fingerprint = Fingerprint([0xa1; 20]);
    const SAID: MessageId = MessageId([5; 16]);

    fn name() -> Name {
        Name::parse("alice").expect("a name")
    }

    fn envelope(number: u8) -> Input {
        let content = Arrived::Envelope { cursor: number.into(), sender: ALICE, sealed: Bytes(vec![number; 1_584]) };
        Input::Arrival(Arrival { frame: FrameId([number; 32]), lane: Lane::Named, content })
    }

    fn asks(number: u8, intent: Intent) -> Input {
        Input::Intent(IntentId([number; 16]), intent)
    }

    fn again(number: u8, cursor: u64) -> Input {
        Input::Arrival(Arrival { frame: FrameId([number; 32]), lane: Lane::Named, content: Arrived::Repeat { cursor } })
    }

    fn message() -> Opened {
        let (contact, conversation, claimed) = (ALICE, ConversationId([0; 32]), ClaimedTime(1));
        Opened::Message { contact, name: name(), conversation, message: SAID, claimed, moved: false }
    }

    /// A registered life whose vault is at what this gives.
    fn life() -> Life {
        let mut life = Life::new();
        life.turn([relay()]);
        life
    }

    /// Lets an envelope come, and the vault open it.
    fn comes(life: &mut Life, number: u8, outcome: Outcome) {
        life.turn([envelope(number)]);
        life.resolve_opening(outcome);
    }

    fn why(life: Life, subject: Subject) -> Vec<String> {
        let (_folder, mut disk, keys) = life.close();
        let mut explaining = Explaining::new(subject);
        Replay::read(&mut disk, &keys, &mut |step| explaining.note(step)).expect("an intact journal");
        let lines = explaining.finish();
        assert!(lines.len() <= WHY_LINES_MAX && lines.windows(2).all(|pair| pair[0].seq <= pair[1].seq), "{lines:?}");
        lines.into_iter().map(|line| line.says).collect()
    }

    /// As if all up to a place had retired.
    fn why_after(life: Life, after: Seq, subject: Subject) -> Vec<String> {
        let (_folder, mut disk, keys) = life.close();
        let replay = Replay::read(&mut disk, &keys, &mut |_| {}).expect("an intact journal");
        let state = replay.at(&mut disk, &keys, after).expect("an intact journal").expect("a state");
        let (mut explaining, mut begins) = (Explaining::new(subject), Some(&state));
        let mut note = |step: &Step<'_>| {
            if step.place.seq > after {
                explaining.note(&Step { begins: begins.take(), ..*step });
            }
        };
        Replay::read(&mut disk, &keys, &mut note).expect("an intact journal");
        explaining.finish().into_iter().map(|line| line.says).collect()
    }

    #[test]
    fn a_message_whose_welcome_came_late_waited_for_it() {
        let mut life = life();
        let other = |number| Opened::Message {
            contact: ALICE,
            name: name(),
            conversation: ConversationId([0; 32]),
            message: MessageId([number; 16]),
            claimed: ClaimedTime(1),
            moved: true,
        };
        comes(&mut life, 8, Outcome::Opened(other(8)));
        comes(&mut life, 1, Outcome::Opened(Opened::Early { contact: ALICE, name: name(), len: 1_584 }));
        // The Welcome comes with another message; then what waited is opened once more.
        comes(&mut life, 2, Outcome::Opened(other(2)));
        life.resolve_opening(Outcome::Opened(message()));
        assert_eq!(
            why(life, Subject::Message(SAID)),
            [
                "an envelope of 1584 bytes came, item 1 of the mailbox",
                "it can't be read yet: its conversation, or that epoch of it, is not here; it waits",
                "a Welcome or a commit of that contact's came meanwhile: it is opened once more",
                "it was read: a message of a1a1a1a1…",
            ]
        );
    }

    #[test]
    fn a_message_that_waits_for_its_welcome_still_is_asked_for_by_its_frame() {
        let mut life = life();
        let (contact, len) = (ALICE, 1_584);
        let moved = |number| Opened::Message {
            contact,
            name: name(),
            conversation: ConversationId([0; 32]),
            message: MessageId([number; 16]),
            claimed: ClaimedTime(1),
            moved: true,
        };
        comes(&mut life, 8, Outcome::Opened(moved(8)));
        comes(&mut life, 1, Outcome::Opened(Opened::Early { contact, name: name(), len }));
        for number in [2, 3] {
            comes(&mut life, number, Outcome::Opened(moved(number)));
            life.resolve_opening(Outcome::Opened(Opened::Early { contact, name: name(), len }));
        }
        let last = life.durable();
        assert_eq!(
            why(life, Subject::Message(MessageId([1; 16]))),
            [
                "an envelope of 1584 bytes came, item 1 of the mailbox".to_owned(),
                "it can't be read yet: its conversation, or that epoch of it, is not here; it waits".to_owned()
                    + &format!(" (3 times, the last at {last})"),
            ]
        );
    }

    #[test]
    fn a_message_that_came_three_times_is_one() {
        let mut life = life();
        comes(&mut life, 1, Outcome::Opened(message()));
        life.turn([again(1, 8)]);
        comes(&mut life, 2, Outcome::Opened(Opened::Known { contact: ALICE, message: SAID, moved: false }));
        assert_eq!(
            why(life, Subject::Message(SAID)),
            [
                "an envelope of 1584 bytes came, item 1 of the mailbox",
                "it was read: a message of a1a1a1a1…",
                "the relay gave the same bytes again, as item 8: dropped",
                "an envelope of 1584 bytes came, item 2 of the mailbox",
                "it is here already: dropped, and told once more",
            ]
        );
    }

    #[test]
    fn what_can_never_be_read_says_its_cause() {
        let mut life = life();
        comes(&mut life, 9, Outcome::Opened(Opened::Unreadable { contact: ALICE, name: name(), cause: Code::Undecryptable }));
        comes(&mut life, 3, Outcome::Opened(Opened::Unreadable { contact: ALICE, name: name(), cause: Code::TooOld }));
        let cause = words(Code::Undecryptable);
        assert_eq!(
            why(life, Subject::Message(MessageId([9; 16]))),
            ["an envelope of 1584 bytes came, item 9 of the mailbox".to_owned(), format!("it can never be read: {cause}")]
        );
    }

    #[test]
    fn nothing_is_said_of_what_the_journal_does_not_know() {
        for subject in [Subject::Message(SAID), Subject::Contact(ALICE), Subject::Effect(Seq(999), 0)] {
            assert_eq!(why(life(), subject), Vec::<String>::new());
        }
    }

    #[test]
    fn what_was_there_where_the_fold_begins_is_said_to_have_been_so_before() {
        let alice = Subject::Contact(ALICE);
        let begun = || {
            let mut life = life();
            comes(
                &mut life,
                1,
                Outcome::Opened(Opened::Message {
                    contact: ALICE,
                    name: name(),
                    conversation: ConversationId([0; 32]),
                    message: MessageId([1; 16]),
                    claimed: ClaimedTime(1),
                    moved: true,
                }),
            );
            life.retire();
            life
        };
        assert_eq!(why(begun(), Subject::Message(SAID)), Vec::<String>::new());
        let was = |says: &str, was: &str| {
            let so = says.split_once(" already: ").filter(|(before, _)| before.starts_with("before record "));
            assert_eq!(so.map(|(_, so)| so), Some(format!("{was}; what led there can't be told any more").as_str()));
        };
        let says = why(begun(), alice);
        assert_eq!(says.len(), 1, "{says:?}");
        was(&says[0], "they had written first, and waited to be accepted; the conversation was open");
        let mut changed = begun();
        changed.turn([asks(6, Intent::BlockContact { contact: ALICE, blocked: true })]);
        assert_eq!(why(changed, alice)[1..], ["as you asked, they are blocked: what they send is dropped unread"]);
        // Nobody knows any more when that was asked for.
        let mut resolved = begun();
        let effect = *resolved.state().outstanding.keys().next().expect("the relay is not reached yet");
        resolved.turn([Input::Resolved(effect, Outcome::Done, 1)]);
        let says = why(resolved, Subject::Effect(effect.seq, effect.index));
        assert!(says[0].contains(" already: it was asked for, and not resolved: "), "{says:?}");
        assert_eq!(says[1], "it was resolved: done", "{says:?}");
    }

    #[test]
    fn where_a_message_of_ours_was_is_told_by_what_the_state_has_of_it() {
        let mut state = State::default();
        let was = |state: &State| Ours::of(state, SAID).was(state, SAID);
        assert_eq!(was(&state), None);
        let (at, to) = (Stamp(1), RelayAddress::parse("loopback:x").expect("an address"));
        let outgoing = Outgoing { contact: ALICE, body: None, again: false, astray: false, state: MessageState::Queued, at };
        state.outbox.insert(SAID, outgoing);
        assert_eq!(was(&state).as_deref(), Some("it was queued, since the contact is not known"));
        for (tries, says) in
            [(0, "it was encrypted, and was to go to the transport"), (2, "it had gone to the transport, and no answer had come")]
        {
            let why = Why::Message(SAID);
            let request = InFlight { why, to: to.clone(), lane: Lane::Anonymous, frame: Seq(3), at, tries, stamps: 0 };
            state.requests.insert(FrameId([3; 32]), request);
            assert_eq!(was(&state).as_deref(), Some(says));
        }
    }

    #[test]
    fn a_message_that_came_before_the_fold_begins_and_is_read_after_it_says_so() {
        let mut life = life();
        let moved = |number| Opened::Message {
            contact: ALICE,
            name: name(),
            conversation: ConversationId([0; 32]),
            message: MessageId([number; 16]),
            claimed: ClaimedTime(1),
            moved: true,
        };
        comes(&mut life, 8, Outcome::Opened(moved(8)));
        comes(&mut life, 1, Outcome::Opened(Opened::Early { contact: ALICE, name: name(), len: 1_584 }));
        let envelope = life.state().early[&ALICE][0].envelope;
        let after = life.durable();
        comes(&mut life, 2, Outcome::Opened(moved(2)));
        life.resolve_opening(Outcome::Opened(message()));
        assert_eq!(
            why_after(life, after, Subject::Message(SAID)),
            [
                &format!(
                    "before record {} already: its envelope, of record {envelope}, had come and was not read; what led there can't be told any more",
                    after.next()
                ),
                COULD_BE_READ,
                "it was read: a message of a1a1a1a1…",
            ]
        );
    }

    #[test]
    fn what_is_too_long_to_say_is_counted_in_the_middle() {
        let line = |seq: u64, says: &str| Line { seq: Seq(seq), stamp: Stamp(seq), says: says.to_owned() };
        let mut explaining = Explaining::new(Subject::Message(SAID));
        explaining.lines = (1..=20).map(|seq| line(seq, &format!("line {seq}"))).collect();
        let lines = explaining.finish();
        assert_eq!(lines.len(), WHY_LINES_MAX);
        let says: Vec<&str> = lines.iter().map(|line| line.says.as_str()).collect();
        assert_eq!(says[..6], ["line 1", "line 2", "line 3", "line 4", "line 5", "… 9 more records …"]);
        assert_eq!((says[6], says[11]), ("line 15", "line 20"));
        // One that repeats is said once.
        let mut explaining = Explaining::new(Subject::Message(SAID));
        explaining.lines = [line(1, "first"), line(2, "again"), line(4, "again"), line(9, "again"), line(10, "last")].into();
        let says: Vec<String> = explaining.finish().into_iter().map(|line| line.says).collect();
        assert_eq!(says, ["first", "again (3 times, the last at 9)", "last"]);
    }
}
