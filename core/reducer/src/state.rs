//! What the journal folds to. It holds names, counters and work under way: no key, no body.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use thicket_types::effect::{Effect, MessageState};
use thicket_types::event::{Lane, TimerId};
use thicket_types::ids::{BodyRef, EffectId, Fingerprint, FrameId, IntentId, MailboxId, MessageId, RelayKey, Seq};
use thicket_types::intent::Answer;
use thicket_types::limits::{
    ACKNOWLEDGE_MAX, ANSWERS_FOR, ANSWERS_MAX, CONTACTS_MAX, HELD_FRAMES_MAX, OUTBOX_MAX, RECEIPTS_HELD_MAX, SEEN_FRAMES_FOR,
    SEEN_FRAMES_MAX, STRANGERS_LEN_MAX,
};
use thicket_types::name::{Name, RegistrationToken, RelayAddress};
use thicket_types::ports::Place;
use thicket_types::time::{Deadline, Duration, Stamp};

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
    /// Early envelopes by claimed sender, the oldest first: they wait for a conversation to begin.
    pub early: BTreeMap<Fingerprint, Vec<Held>>,
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
    /// What the person set.
    pub settings: Settings,
    /// Whose write capability is to be taken back at the relay.
    pub revoke: BTreeSet<Fingerprint>,
    /// What people who are not accepted brought today.
    pub strangers: Strangers,
    /// Items of the mailbox that could not be opened and were given up: of a lost device, or by nobody who knows better.
    pub dropped: u64,
    /// The number of vault transactions that the journal has seen.
    pub vault_count: u64,
}

impl State {
    /// Entries of its maps and lists: what a copy of it takes room for.
    pub fn entries(&self) -> usize {
        let State {
            session: _,
            contacts,
            outbox,
            seen,
            early,
            unacknowledged,
            requests,
            outstanding,
            timers,
            answers,
            settings: _,
            revoke,
            strangers: _,
            dropped: _,
            vault_count: _,
        } = self;
        let listed = contacts.values().map(|known| known.queue.len().saturating_add(known.receipts.len()).saturating_add(1));
        let held = early.values().map(|held| held.len().saturating_add(1));
        let flat = [
            outbox.len(),
            seen.by_seq.len(),
            unacknowledged.len(),
            requests.len(),
            outstanding.len(),
            timers.len(),
            answers.by_seq.len(),
            revoke.len(),
        ];
        listed.chain(held).chain(flat).fold(0, usize::saturating_add)
    }

    /// Messages that wait to be encrypted, of all contacts: the rules seek one among them.
    pub fn queued(&self) -> usize {
        self.contacts.values().map(|known| known.queue.len()).fold(0, usize::saturating_add)
    }

    /// Early envelopes, of all who sent some: the rules count their bytes.
    pub fn held(&self) -> usize {
        self.early.values().map(Vec::len).fold(0, usize::saturating_add)
    }

    /// Whether each of its maps and lists has at most as many entries as the rules let it come to, whoever made it; but for requests,
    /// effects and timers, which the vault and the relay bound.
    pub fn is_within_bounds(&self) -> bool {
        let State {
            session: _,
            contacts,
            outbox,
            seen: Seen { by_frame, by_seq: frames },
            early,
            unacknowledged,
            requests: _,
            outstanding: _,
            timers: _,
            answers: Answers { by_intent, by_seq: intents },
            settings: _,
            revoke,
            strangers: _,
            dropped: _,
            vault_count: _,
        } = self;
        let listed = |known: &Contact| known.receipts.len() <= RECEIPTS_HELD_MAX;
        let bounded = [
            (contacts.len(), CONTACTS_MAX),
            (outbox.len(), OUTBOX_MAX),
            (self.queued(), OUTBOX_MAX),
            (by_frame.len(), SEEN_FRAMES_MAX),
            (frames.len(), SEEN_FRAMES_MAX),
            (early.len(), HELD_FRAMES_MAX),
            (unacknowledged.len(), ACKNOWLEDGE_MAX.saturating_mul(4)),
            (by_intent.len(), ANSWERS_MAX),
            (intents.len(), ANSWERS_MAX),
            (revoke.len(), CONTACTS_MAX),
        ];
        bounded.iter().all(|(count, max)| count <= max)
            && contacts.values().all(listed)
            && early.values().all(|held| held.len() <= HELD_FRAMES_MAX)
    }
}

/// An early envelope.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Held {
    /// The record that holds it.
    pub envelope: Seq,
    /// Its bytes.
    pub len: u32,
    /// Since when it waits.
    pub at: Stamp,
}

/// What the person set.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Settings {
    /// Whether contacts are told what was read, and what they tell is shown.
    pub read_marks: bool,
}

/// Bytes of envelopes of people who are not accepted, in one day.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Strangers {
    /// Days since the epoch.
    pub day: u64,
    /// Bytes journaled on it.
    pub len: u64,
}

impl Strangers {
    /// Whether so many bytes more may come now.
    pub fn has_room(&self, now: Stamp, len: u64) -> bool {
        day(now) != self.day || self.len.saturating_add(len) <= STRANGERS_LEN_MAX
    }

    pub(crate) fn count(&mut self, now: Stamp, len: u64) {
        if day(now) != self.day {
            *self = Strangers { day: day(now), len: 0 };
        }
        self.len = self.len.saturating_add(len);
    }
}

fn day(now: Stamp) -> u64 {
    now.0 / Duration::days(1).0
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
    /// Fetches in a row that found nothing, or nothing but what was left there before.
    pub quiet: u32,
    /// Items that waited at the last fetch.
    pub waited: u32,
    /// When this process logged in: the anonymous lane keeps away from that moment.
    pub since: Stamp,
    /// What a relay with the policy "token" asks for.
    pub token: Option<RegistrationToken>,
    /// Set when the relay met another copy of the profile: nothing is sent until the person decides.
    pub copied: bool,
    /// Set when the person decided that this device goes on.
    pub takes_over: bool,
    /// Set while key packages may be at the relay whose private keys are not here: the next publication replaces all.
    pub restock: bool,
    /// The relay's clock less ours at its last answer, in milliseconds: shown, not trusted.
    pub skew_ms: Option<i64>,
    /// When the mailbox key was published that holds; 0 while that may be another copy's.
    pub mailbox_key_at: Stamp,
    /// When the mailbox key was made that the relay has not taken yet: asked for again, it is the same.
    pub mailbox_key_made: Option<Stamp>,
    /// The relay before, while a change is not settled.
    pub before: Option<Relay>,
    /// Until when no key packages are published: the relay refused the last ones.
    pub refill_from: Stamp,
    /// Until when no last-resort key package is made: the relay took one.
    pub last_resort_from: Stamp,
    /// Until when the relay is given no other device generation.
    pub generation_until: Stamp,
}

impl Session {
    /// Whether mail is sealed to a key that this device has.
    pub(crate) fn mail_is_ours(&self) -> bool {
        self.mailbox_key_at > Stamp(0)
    }
}

/// A relay.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Relay {
    /// Its address.
    pub address: RelayAddress,
    /// Its identity, once pinned.
    pub key: Option<RelayKey>,
}

impl Relay {
    /// Whether somebody was told of another identity at this address than the one that is pinned.
    pub(crate) fn is_another(&self, address: &RelayAddress, key: Option<RelayKey>) -> bool {
        self.address == *address && key.is_some_and(|told| self.key.is_some_and(|pinned| pinned != told))
    }
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
    /// A relay held them, and said at the last login that it knows no such name, or another's key under it: one that was restored, or
    /// put in another's place, perhaps after somebody took the name. Logins go on, for it may be mended; the person may register there again.
    Unknown,
    /// On the way to the same relay once more.
    Returning,
}

impl Phase {
    /// Whether a relay took the account and no other is being asked to.
    pub fn is_settled(self) -> bool {
        match self {
            Phase::Unregistered | Phase::Registering => false,
            Phase::Registered | Phase::Unknown | Phase::Returning => true,
        }
    }

    /// Whether a challenge is answered with a registration.
    pub(crate) fn registers(self) -> bool {
        matches!(self, Phase::Registering | Phase::Returning)
    }
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
    /// Lookups in a row that brought nothing.
    pub missed: u32,
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
    /// When they were looked up last.
    pub looked: Option<Stamp>,
    /// When our keys in the conversation were renewed last, or it began.
    pub updated: Stamp,
    /// Set when they wait to hear that we followed their commit.
    pub acknowledge: bool,
    /// Up to which message of theirs we have read, until they are told.
    pub mark: Option<MessageId>,
    /// When the relay took their write capability. None while it is to be told of one.
    pub granted: Option<Stamp>,
    /// Set while the vault holds a key package that they offered.
    pub offered: bool,
    /// Set when they are to be offered one of ours; `Some(true)` if the groups there were are dead.
    pub offer: Option<bool>,
    /// When they were offered one last.
    pub offer_at: Option<Stamp>,
    /// Set while they are blocked and had not been accepted before.
    pub asked: bool,
    /// Set while they are to begin anew, and have not: nothing is sealed to them.
    pub anew: bool,
    /// Set while our keys in the conversation are to be renewed.
    pub update: bool,
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
    /// Its staged text; `None` if the row that holds it is all there is.
    pub body: Option<BodyRef>,
    /// Whether its row is to be sealed once more, rather than the staged text for the first time.
    pub again: bool,
    /// Whether the relay knew no mailbox for it once.
    pub astray: bool,
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
    /// When they were made: what is sealed in them opens for so long.
    pub at: Stamp,
    /// How often it was sent.
    pub tries: u32,
    /// How often in a row the relay asked for work.
    pub stamps: u32,
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
    /// To say that these messages are here.
    Receipt(Fingerprint, Vec<MessageId>),
    /// To read an envelope, by its record and when it came.
    Open(Seq, Stamp),
    /// To keep a message's state.
    File,
    /// Nothing any more: it belonged to a login that was begun anew.
    Abandoned,
    /// To hand over a request's frame once more.
    Handing(FrameId),
    /// To renew our keys in a conversation.
    Update(Fingerprint),
    /// To tell a contact what was read.
    ReadMark(Fingerprint),
    /// To have a contact begin; whether the groups there were are dead.
    Offer(Fingerprint, bool),
    /// To publish a new mailbox key.
    MailboxKey,
    /// To give these contacts a write capability, and take those of the others back.
    Grant(Vec<Fingerprint>, Vec<Fingerprint>),
    /// To do the work that the relay asks for, so often in a row, for a request that was made then.
    Stamp(Stampable, u32, Stamp),
    /// To destroy what is past its window.
    Tidy,
}

/// What a relay may ask work for: the requests of the anonymous lane. Not a [`Why`], so that none holds another without end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Stampable {
    /// As [`Why::Lookup`].
    Lookup(Name),
    /// As [`Why::KeyPackage`].
    KeyPackage(Fingerprint),
    /// As [`Why::Message`].
    Message(MessageId),
    /// As [`Why::Receipt`].
    Receipt(Fingerprint, Vec<MessageId>),
    /// As [`Why::Update`].
    Update(Fingerprint),
    /// As [`Why::ReadMark`].
    ReadMark(Fingerprint),
    /// As [`Why::Offer`].
    Offer(Fingerprint, bool),
}

impl From<Stampable> for Why {
    fn from(why: Stampable) -> Why {
        match why {
            Stampable::Lookup(name) => Why::Lookup(name),
            Stampable::KeyPackage(contact) => Why::KeyPackage(contact),
            Stampable::Message(message) => Why::Message(message),
            Stampable::Receipt(contact, of) => Why::Receipt(contact, of),
            Stampable::Update(contact) => Why::Update(contact),
            Stampable::ReadMark(contact) => Why::ReadMark(contact),
            Stampable::Offer(contact, anew) => Why::Offer(contact, anew),
        }
    }
}

impl Why {
    /// The purpose as work can be done for it; `None` for what goes on the named lane, or nowhere.
    pub(crate) fn stampable(&self) -> Option<Stampable> {
        Some(match self.clone() {
            Why::Lookup(name) => Stampable::Lookup(name),
            Why::KeyPackage(contact) => Stampable::KeyPackage(contact),
            Why::Message(message) => Stampable::Message(message),
            Why::Receipt(contact, of) => Stampable::Receipt(contact, of),
            Why::Update(contact) => Stampable::Update(contact),
            Why::ReadMark(contact) => Stampable::ReadMark(contact),
            Why::Offer(contact, anew) => Stampable::Offer(contact, anew),
            _ => return None,
        })
    }
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

    /// The frame of the record at a place, if it was here and is not forgotten.
    pub fn frame(&self, seq: Seq) -> Option<FrameId> {
        self.by_seq.get(&seq).map(|(_, frame)| *frame)
    }

    /// Puts other stamps and ids in place of its own, for a capsule. Of two frames that become one, one stays.
    pub fn redraw(&mut self, each: &mut dyn FnMut(&mut Stamp, &mut FrameId)) {
        self.by_seq.values_mut().for_each(|(stamp, frame)| each(stamp, frame));
        self.by_frame = self.by_seq.iter().map(|(seq, (_, frame))| (*frame, *seq)).collect();
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

    /// Puts other stamps, ids and answers in place of its own, for a capsule. Of two Intents that become one, one stays.
    pub fn redraw(&mut self, each: &mut dyn FnMut(&mut Stamp, &mut IntentId, &mut Answer)) {
        let mut redrawn = BTreeMap::new();
        self.by_seq.retain(|seq, (stamp, id)| {
            // By either map alone none was ever given.
            let Some((_, mut answer)) = self.by_intent.remove(id) else {
                return false;
            };
            each(stamp, id, &mut answer);
            redrawn.insert(*id, (*seq, answer));
            true
        });
        self.by_intent = redrawn;
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
