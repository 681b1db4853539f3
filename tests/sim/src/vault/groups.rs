//! Conversations of two: groups with epochs, begun from a key package or an offer, renewed by commits.
//!
//! The live group whose creator has the smaller fingerprint sends; of several by one creator, the newest.

use super::{Contact, Data, fingerprint};
use prost::Message as _;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use thicket_journal_format::codec;
use thicket_types::effect::MessageState;
use thicket_types::error::Code;
use thicket_types::event::Outcome;
use thicket_types::ids::{Fingerprint, MailboxId, MessageId};
use thicket_types::limits::{PAST_EPOCHS_FOR, PAST_EPOCHS_MAX};
use thicket_types::time::Stamp;
use thicket_types::wire::SUITE;
use thicket_types::wire::relay::{self as wire, request};

/// A group of two. Leaf 0 is its creator.
#[derive(Clone)]
pub(super) struct Group {
    pub(super) contact: Fingerprint,
    pub(super) creator: Fingerprint,
    /// When its creator began it, by their clock.
    begun: u64,
    /// Set when it sends no more; it is still read.
    pub(super) dead: bool,
    /// When something was last sealed or read in it.
    pub(super) used: Stamp,
    /// The key package that the Welcome uses up, until the contact was heard.
    pub(super) welcome: Option<u64>,
    pub(super) epoch: u64,
    pub(super) current: Epoch,
    /// The secret of the epoch that our own commit would open; it waits to be heard of.
    pub(super) pending: Option<u64>,
    /// Past epochs in which late messages are still read, and when each ended.
    pub(super) past: BTreeMap<u64, (Epoch, Stamp)>,
}

/// What both share in an epoch, and what was used up of it.
#[derive(Clone)]
pub(super) struct Epoch {
    pub(super) secret: u64,
    /// The generation of ours that was used last.
    sent: u64,
    /// Generations of theirs that were read.
    pub(super) read: BTreeSet<u64>,
}

impl Epoch {
    fn new(secret: u64) -> Epoch {
        Epoch { secret, sent: 0, read: BTreeSet::new() }
    }
}

impl Group {
    /// Goes on to the next epoch; the one before is kept for late messages.
    pub(super) fn advance(&mut self, secret: u64, at: Stamp) {
        let past = std::mem::replace(&mut self.current, Epoch::new(secret));
        self.past.insert(self.epoch, (past, at));
        self.pending = None;
        self.epoch += 1;
        self.tidy(at);
    }

    pub(super) fn tidy(&mut self, at: Stamp) {
        let epoch = self.epoch;
        self.past.retain(|past, (_, ended)| past + PAST_EPOCHS_MAX >= epoch && at.since(*ended) < PAST_EPOCHS_FOR);
    }
}

/// What a contact offered last.
#[derive(Clone)]
pub(super) struct Offered {
    pub(super) claimed: u64,
    /// Their key package, until a conversation was begun from it.
    pub(super) package: Option<u64>,
    /// Whether they said, and were not answered yet, that earlier groups are dead.
    pub(super) anew: bool,
}

/// The inside of a mailbox's item.
#[derive(Serialize, Deserialize)]
pub(super) struct Envelope {
    /// Two envelopes with one content are two items.
    nonce: u64,
    pub(super) from: String,
    to: Fingerprint,
    /// The mailbox key that it is sealed to.
    key: [u8; 32],
    pub(super) inside: Inside,
}

#[derive(Serialize, Deserialize)]
pub(super) enum Inside {
    Opening(Welcome, Message),
    Message(Message),
    Offer { package: u64, anew: bool, claimed: u64 },
}

#[derive(Serialize, Deserialize)]
pub(super) struct Welcome {
    pub(super) group: u64,
    /// The key package that it uses up.
    pub(super) package: u64,
    /// The first epoch's: while a Welcome travels no other has begun.
    pub(super) secret: u64,
    /// When its creator began the group.
    pub(super) begun: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Message {
    pub(super) group: u64,
    pub(super) epoch: u64,
    /// What it is encrypted under: only who holds it can read.
    pub(super) secret: u64,
    pub(super) what: Encrypted,
}

#[derive(Serialize, Deserialize)]
pub(super) enum Encrypted {
    /// A commit, and the secret of the epoch that it opens.
    Commit(u64),
    Application {
        generation: u64,
        /// The sender's clock.
        claimed: u64,
        capability: Option<[u8; 32]>,
        content: Content,
    },
}

#[derive(Serialize, Deserialize)]
pub(super) enum Content {
    Text(MessageId, String),
    Receipt(Vec<MessageId>),
    ReadMark(MessageId),
}

impl Envelope {
    /// Opens the seal. **Errors:** it is not for us, or sealed to a key that is gone.
    pub(super) fn unsealed(data: &Data, sealed: &[u8]) -> Result<Envelope, Code> {
        let envelope: Envelope = codec::decode(sealed).map_err(|_| Code::Unsealable)?;
        let held = data.mailbox_keys.iter().any(|(key, _)| *key == envelope.key);
        if envelope.to == data.own() && held { Ok(envelope) } else { Err(Code::Unsealable) }
    }

    /// Whom its certificate claims.
    pub(super) fn sender(&self) -> Fingerprint {
        fingerprint(&self.from)
    }
}

/// The group that messages to a contact go in, as both sides must come to see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sending {
    /// The group.
    pub group: u64,
    /// Its epoch here.
    pub epoch: u64,
    /// That epoch's secret.
    pub secret: u64,
    /// The secret of the next one, if a commit of ours waits to be heard of.
    pub pending: Option<u64>,
    /// Whether its Welcome still travels.
    pub unheard: bool,
}

impl Data {
    /// The group that sends to a contact, if one does.
    pub fn sending_to(&self, contact: Fingerprint) -> Option<Sending> {
        let group = self.sending(contact)?;
        let Group { epoch, current, pending, welcome, .. } = self.groups.get(&group)?;
        Some(Sending { group, epoch: *epoch, secret: current.secret, pending: *pending, unheard: welcome.is_some() })
    }

    /// Whether a group is known here.
    pub fn has_group(&self, group: u64) -> bool {
        self.groups.contains_key(&group)
    }

    /// How often an epoch ended, in all groups.
    pub fn epochs(&self) -> u64 {
        self.groups.values().map(|group| group.epoch).sum()
    }

    fn with(&self, contact: Fingerprint) -> impl Iterator<Item = (&u64, &Group)> {
        self.groups.iter().filter(move |(_, group)| group.contact == contact)
    }

    fn sending(&self, contact: Fingerprint) -> Option<u64> {
        let live = self.with(contact).filter(|(_, group)| !group.dead);
        live.min_by_key(|(_, group)| (group.creator, Reverse(group.begun))).map(|(id, _)| *id)
    }

    pub(super) fn begin(&mut self, contact: Fingerprint, answer: &[u8], at: Stamp) -> Result<Outcome, Code> {
        if self.sending(contact).is_some() {
            return Ok(Outcome::Begun { again: Vec::new() });
        }
        let Some(wire::answer::Said::KeyPackage(answer)) = wire::Answer::decode(answer).ok().and_then(|answer| answer.said) else {
            return Err(Code::BadKeyPackage);
        };
        if answer.suite != SUITE {
            return Err(Code::BadKeyPackage);
        }
        let package = u64::from_be_bytes(answer.key_package.as_slice().try_into().map_err(|_| Code::BadKeyPackage)?);
        // Groups there were are all dead, or one would send.
        self.create(contact, package, at);
        Ok(Outcome::Begun { again: self.untold(contact) })
    }

    /// Begins from the key package that the contact offered, unless a group that they were heard in still sends.
    pub(super) fn begin_from_offer(&mut self, contact: Fingerprint, at: Stamp) -> Result<Outcome, Code> {
        let package = self.offers.get_mut(&contact).and_then(|offered| offered.package.take()).ok_or(Code::BadOffer)?;
        let anew = self.offers.get_mut(&contact).is_some_and(|offered| core::mem::take(&mut offered.anew));
        let mut buried = false;
        for group in self.groups.values_mut().filter(|group| group.contact == contact && !group.dead && group.welcome.is_some()) {
            group.dead = true;
            buried = true;
        }
        if self.sending(contact).is_some() {
            return Ok(Outcome::Begun { again: if anew || buried { self.untold(contact) } else { Vec::new() } });
        }
        self.create(contact, package, at);
        Ok(Outcome::Begun { again: self.untold(contact) })
    }

    /// Deletes groups that send no more and were not used for the window: dead ones, and those that lost against another in which
    /// the contact was heard.
    pub(super) fn drop_groups(&mut self, at: Stamp) {
        let old = self.groups.iter().filter(|(_, group)| at.since(group.used) >= PAST_EPOCHS_FOR);
        let goes = |id: u64, group: &Group| {
            let sending = self.sending_to(group.contact);
            group.dead || sending.is_some_and(|sending| sending.group != id && !sending.unheard)
        };
        let old: Vec<u64> = old.filter(|(id, group)| goes(**id, group)).map(|(id, _)| *id).collect();
        for id in old {
            self.groups.remove(&id);
        }
    }

    /// Messages of ours that a contact has not told of, oldest first.
    fn untold(&self, contact: Fingerprint) -> Vec<MessageId> {
        let told = |state: MessageState| matches!(state, MessageState::Delivered | MessageState::Read | MessageState::Failed);
        let ours = self.rows.iter().filter(|row| row.outgoing && row.contact == contact);
        ours.filter(|row| !told(row.state)).map(|row| row.message).collect()
    }

    fn create(&mut self, contact: Fingerprint, package: u64, at: Stamp) {
        let (group, secret, begun) = (self.draw(), self.draw(), self.next_time(contact, at));
        self.keep_group(group, (contact, self.own(), begun), Some(package), secret, at);
    }

    /// The time that an offer of ours, or a beginning, bears: later than each before.
    fn next_time(&mut self, contact: Fingerprint, at: Stamp) -> u64 {
        let known = self.contacts.entry(contact).or_default();
        known.begun = at.0.max(known.begun + 1);
        known.begun
    }

    /// Keeps a group with a contact, that one of the two created, at that time of theirs.
    pub(super) fn keep_group(
        &mut self,
        id: u64,
        (contact, creator, begun): (Fingerprint, Fingerprint, u64),
        welcome: Option<u64>,
        secret: u64,
        used: Stamp,
    ) {
        let dead = contact == creator && begun <= self.contacts.get(&contact).map_or(0, |known| known.dead_until);
        let (current, past) = (Epoch::new(secret), BTreeMap::new());
        let group = Group { contact, creator, begun, dead, used, welcome, epoch: 0, current, pending: None, past };
        self.groups.insert(id, group);
    }

    /// No group that there is with a contact sends from now on.
    fn end_groups(&mut self, contact: Fingerprint) {
        self.groups.values_mut().filter(|group| group.contact == contact).for_each(|group| group.dead = true);
    }

    /// No group with a contact sends that is ours, or that they began before.
    pub(super) fn end_groups_before(&mut self, contact: Fingerprint, time: u64) {
        let known = self.contacts.entry(contact).or_default();
        known.dead_until = known.dead_until.max(time);
        let groups = self.groups.values_mut().filter(|group| group.contact == contact);
        groups.filter(|group| group.creator != contact || group.begun <= time).for_each(|group| group.dead = true);
    }

    /// No group that there is sends from now on, and whoever is looked up is told of those that are not here.
    pub(super) fn give_up_groups(&mut self) -> Outcome {
        self.groups.values_mut().for_each(|group| group.dead = true);
        self.contacts.values_mut().for_each(|known| known.told = false);
        self.shared.extend(self.packages.keys());
        self.elsewhere = true;
        Outcome::Done
    }

    /// Commits to new keys of ours; a commit that is pending is sealed once more.
    pub(super) fn update_keys(&mut self, contact: Fingerprint, mailbox: MailboxId, at: Stamp) -> Result<Outcome, Code> {
        let drawn = self.draw();
        let id = self.sending(contact).ok_or(Code::NoConversation)?;
        let group = self.groups.get_mut(&id).ok_or(Code::NoConversation)?;
        group.used = group.used.max(at);
        let secret = *group.pending.get_or_insert(drawn);
        self.seal_in(id, contact, mailbox, Encrypted::Commit(secret))
    }

    /// Encrypts content in the sending group and makes the request that puts it.
    pub(super) fn seal(&mut self, contact: Fingerprint, mailbox: MailboxId, at: Stamp, content: Content) -> Result<Outcome, Code> {
        let id = self.sending(contact).ok_or(Code::NoConversation)?;
        let group = self.groups.get_mut(&id).ok_or(Code::NoConversation)?;
        group.used = group.used.max(at);
        group.current.sent += 1;
        let generation = group.current.sent;
        let capability = self.contacts.get(&contact).and_then(|known| known.granted).map(|(now, _)| now);
        self.seal_in(id, contact, mailbox, Encrypted::Application { generation, claimed: at.0, capability, content })
    }

    /// The Welcome goes along until the contact was heard in the group: whichever envelope reaches them first lets them in.
    fn seal_in(&mut self, id: u64, contact: Fingerprint, mailbox: MailboxId, what: Encrypted) -> Result<Outcome, Code> {
        let group = self.groups.get(&id).ok_or(Code::NoConversation)?;
        let (epoch, secret) = (group.epoch, group.current.secret);
        let message = Message { group: id, epoch, secret, what };
        let inside = match group.welcome {
            Some(package) => Inside::Opening(Welcome { group: id, package, secret, begun: group.begun }, message),
            None => Inside::Message(message),
        };
        self.put(contact, mailbox, inside)
    }

    fn put(&mut self, contact: Fingerprint, mailbox: MailboxId, inside: Inside) -> Result<Outcome, Code> {
        let Some(Contact { mailbox_key: Some(key), shown, .. }) = self.contacts.get(&contact).cloned() else {
            return Err(Code::UnknownContact);
        };
        let envelope = Envelope { nonce: self.draw(), from: self.name.clone(), to: contact, key, inside };
        let envelope = codec::encode(&envelope).map_err(|_| Code::Inconsistent)?;
        let capability = shown.map_or(Vec::new(), |capability| capability.to_vec());
        Ok(self.framed(request::Ask::Put(wire::Put { mailbox: mailbox.0.to_vec(), envelope, capability, stamp: None })))
    }

    /// Seals a key package of ours to a contact. `anew`: the groups there are send no more.
    pub(super) fn seal_offer(&mut self, contact: Fingerprint, mailbox: MailboxId, anew: bool, at: Stamp) -> Result<Outcome, Code> {
        let package = self.draw();
        self.packages.insert(package, false);
        let claimed = self.next_time(contact, at);
        if anew {
            self.end_groups(contact);
            self.contacts.entry(contact).or_default().told = true;
        }
        self.put(contact, mailbox, Inside::Offer { package, anew, claimed })
    }
}
