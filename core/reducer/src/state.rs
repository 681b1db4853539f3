//! What the journal folds to. It holds names, counters and work under way: no key, no body.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use thicket_types::effect::{Effect, MessageState};
use thicket_types::event::{Lane, TimerId};
use thicket_types::ids::{BodyRef, EffectId, Fingerprint, FrameId, IntentId, MailboxId, MessageId, RelayKey, Seq};
use thicket_types::intent::Answer;
use thicket_types::limits::{ANSWERS_FOR, ANSWERS_MAX, SEEN_FRAMES_FOR, SEEN_FRAMES_MAX};
use thicket_types::name::{Name, RelayAddress};
use thicket_types::ports::Place;
use thicket_types::time::{Deadline, Stamp};

/// The client's state. Two equal journals fold to two equal states, byte for byte in their encoding.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// The relay, and how we stand with it.
    pub session: Session,
    /// Everybody we know.
    pub contacts: BTreeMap<Fingerprint, Contact>,
    /// Messages of ours that the relay has not stored yet.
    pub outbox: BTreeMap<MessageId, Outgoing>,
    /// FrameIds of the mailbox's items that were here.
    pub seen: Seen,
    /// Early envelopes by claimed sender: records that wait for a conversation to begin.
    pub early: BTreeMap<Fingerprint, Vec<Seq>>,
    /// Places in the mailbox that are on disk and not yet acknowledged.
    pub unacknowledged: BTreeSet<u64>,
    /// Requests that wait for an answer.
    pub requests: BTreeMap<FrameId, InFlight>,
    /// Effects asked for and not resolved: what a restart dispatches again.
    pub outstanding: BTreeMap<EffectId, Outstanding>,
    /// Timers that are armed.
    pub timers: BTreeMap<TimerId, Deadline>,
    /// Answers to Intents, for a repeat.
    pub answers: Answers,
    pub(crate) vault_count: u64,
}

/// The relay, and how we stand with it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Session {
    /// The relay chosen.
    pub relay: Option<Relay>,
    /// Whether the account is registered there.
    pub phase: Phase,
    /// Whether this process is logged in.
    pub link: Link,
    /// Logins that failed in a row.
    pub failures: u32,
    /// Items that the relay said are waiting, less those acknowledged since.
    pub waiting: u32,
    /// Whether the mailbox was looked into since this login.
    pub looked: bool,
    /// Fetches in a row that found nothing.
    pub quiet: u32,
}

/// A relay.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Relay {
    /// Its address.
    pub address: RelayAddress,
    /// Its identity, once pinned.
    pub key: Option<RelayKey>,
}

/// How far registration came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Phase {
    /// No relay knows the account.
    #[default]
    Unregistered,
    /// On the way.
    Registering,
    /// A relay holds the name and a mailbox.
    Registered,
}

/// How far the login came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Link {
    /// Not logged in.
    #[default]
    Offline,
    /// A challenge was asked for, or a proof sent.
    Asking,
    /// Logged in: the relay pushes what arrives.
    Online,
}

/// Someone we know.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Contact {
    /// Their name as registered.
    pub name: Name,
    /// Their mailbox, once looked up.
    pub mailbox: Option<MailboxId>,
    /// How they came to be known.
    pub standing: Standing,
    /// Set when the directory shows this identity under their name.
    pub proved: bool,
    /// Set when the directory shows another identity under their name: nothing is sent.
    pub held: bool,
    /// Set while a lookup is under way.
    pub looking: bool,
    /// The conversation with them.
    pub conversation: Conversation,
    /// Messages that wait to be encrypted, oldest first.
    pub queue: Vec<MessageId>,
    /// Messages of theirs that they have not been told we have.
    pub receipts: Vec<MessageId>,
    /// Set when the receipts have gathered long enough.
    pub receipts_due: bool,
    /// Messages received.
    pub received: u64,
    /// Whether the safety number was compared with them.
    pub verified: bool,
}

/// How a contact stands with us.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Standing {
    /// They wrote first and wait to be accepted; they get no receipt until then.
    Asking,
    /// We added or accepted them.
    Accepted,
    /// What they send is dropped unread.
    Blocked,
}

/// How far a conversation came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Conversation {
    /// There is none.
    #[default]
    None,
    /// A key package was asked for, or the vault is at it.
    Beginning,
    /// Messages can be encrypted.
    Open,
}

/// A message of ours that the relay has not stored yet.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Outgoing {
    /// To whom.
    pub contact: Fingerprint,
    /// Its text.
    pub body: BodyRef,
    /// `Queued` or `Sent`.
    pub state: MessageState,
    /// When it was asked for.
    pub at: Stamp,
}

/// A request that waits for an answer. Resent as the same bytes until one comes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InFlight {
    /// What for.
    pub why: Why,
    /// The relay it was made for.
    pub to: RelayAddress,
    /// Which way.
    pub lane: Lane,
    /// The record that holds its bytes.
    pub frame: Seq,
    /// How often it was sent.
    pub tries: u32,
}

/// An effect that is not resolved, and what it is for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Outstanding {
    /// The effect, as it was asked for.
    pub effect: Effect,
    /// What for.
    pub why: Why,
}

/// What an effect or a request is for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Why {
    /// To be challenged, for a registration or a login.
    Challenge,
    /// To register.
    Register,
    /// To log in.
    Login,
    /// To keep key packages at the relay.
    Publish,
    /// To get what is in the mailbox.
    Fetch,
    /// To let the relay forget these items.
    Acknowledge(Vec<u64>),
    /// To find a person.
    Lookup(Name),
    /// To keep the identity found.
    Pin(Name),
    /// To begin a conversation: the key package.
    KeyPackage(Fingerprint),
    /// To begin a conversation: the group.
    Begin(Fingerprint),
    /// To send a message.
    Message(MessageId),
    /// To say that messages are here.
    Receipt(Fingerprint),
    /// To read an envelope.
    Open(Seq),
    /// To keep a message's state.
    File,
    /// Nothing any more: it belonged to a login that was begun anew.
    Abandoned,
    /// To hand over a request's frame once more.
    Handing(FrameId),
}

/// FrameIds that were here, bounded in number and age.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Seen {
    by_frame: BTreeMap<FrameId, Seq>,
    by_seq: BTreeMap<Seq, (Stamp, FrameId)>,
}

impl Seen {
    /// Whether the frame was here.
    pub fn holds(&self, frame: FrameId) -> bool {
        self.by_frame.contains_key(&frame)
    }

    /// Notes a frame; `false` if it was here. Forgets what is too old or too much: MLS then recognises a repeat.
    pub(crate) fn note(&mut self, frame: FrameId, place: Place) -> bool {
        if self.holds(frame) {
            return false;
        }
        self.by_frame.insert(frame, place.seq);
        self.by_seq.insert(place.seq, (place.stamp, frame));
        while let Some((seq, (stamp, frame))) = self.by_seq.iter().next().map(|(seq, entry)| (*seq, *entry)) {
            if self.by_seq.len() <= SEEN_FRAMES_MAX && place.stamp.since(stamp) <= SEEN_FRAMES_FOR {
                break;
            }
            self.by_seq.remove(&seq);
            self.by_frame.remove(&frame);
        }
        true
    }
}

/// First answers to Intents, bounded in number and age.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Answers {
    by_intent: BTreeMap<IntentId, (Seq, Answer)>,
    by_seq: BTreeMap<Seq, (Stamp, IntentId)>,
}

impl Answers {
    /// The answer that the Intent got when it came first.
    pub fn first(&self, id: IntentId) -> Option<Answer> {
        self.by_intent.get(&id).map(|(_, answer)| answer.clone())
    }

    pub(crate) fn remember(&mut self, id: IntentId, place: Place, answer: Answer) {
        self.by_intent.insert(id, (place.seq, answer));
        self.by_seq.insert(place.seq, (place.stamp, id));
        while let Some((seq, (stamp, id))) = self.by_seq.iter().next().map(|(seq, entry)| (*seq, *entry)) {
            if self.by_seq.len() <= ANSWERS_MAX && place.stamp.since(stamp) <= ANSWERS_FOR {
                break;
            }
            self.by_seq.remove(&seq);
            self.by_intent.remove(&id);
        }
    }
}
