//! What happened: the four kinds of event, all that is ever journaled.

use crate::bytes::Bytes;
use crate::error::Code;
use crate::ids::{ConversationId, EffectId, Fingerprint, FrameId, GroupId, IntentId, MailboxId, MessageId};
use crate::intent::Intent;
use crate::name::{Name, Title};
use crate::time::ClaimedTime;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// One thing that happened. Past tense, closed: a new kind is a decision of its own, a new variant inside one is not.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Event {
    /// A person or program asked for something.
    Requested {
        /// Made by the caller before its first try.
        id: IntentId,
        /// What was asked.
        intent: Intent,
    },
    /// The transport delivered a frame, and it was admitted.
    Arrived(Arrival),
    /// A deadline passed.
    Elapsed {
        /// Which.
        timer: TimerId,
        /// Set if folding it the ordinary way panicked: the timer is then dropped.
        fault: bool,
    },
    /// An effect finished. A second one for the same effect changes nothing.
    Resolved {
        /// Which.
        effect: EffectId,
        /// How it ended.
        outcome: Outcome,
        /// Transactions that the vault had committed by then; 0 if the vault had no part in it.
        vault_count: u64,
    },
}

/// The two ways to a relay, which must not be linked (docs/PROTOCOL.md, lanes).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Lane {
    /// Login, fetch, publish: what the relay knows us by name for.
    Named,
    /// Lookup, key packages, put: what it must not know us for.
    Anonymous,
}

/// An admitted frame.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Arrival {
    /// SHA-256 of the sealed bytes.
    pub frame: FrameId,
    /// The way that it came.
    pub lane: Lane,
    /// What it is.
    pub content: Arrived,
}

/// What a frame turned out to be at admission.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Arrived {
    /// A relay's answer, whose signature was verified at admission.
    Answer {
        /// An encoded `thicket.relay.v1.Answer`.
        answer: Bytes,
    },
    /// An item of the mailbox whose seal the vault could open.
    Envelope {
        /// Its place in the mailbox.
        cursor: u64,
        /// Whom its certificate claims as the sender; not yet proved.
        sender: Fingerprint,
        /// The sealed bytes.
        sealed: Bytes,
    },
    /// An item that was here before, and must be acknowledged again.
    Repeat {
        /// Its place in the mailbox.
        cursor: u64,
    },
    /// An item that is not for us: only its place is kept, so that the relay can forget it.
    Unsealable {
        /// Its place in the mailbox.
        cursor: u64,
        /// Why.
        cause: Code,
    },
}

/// Names a timer. Arming one that is armed replaces its deadline.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum TimerId {
    /// A request waits for its answer.
    Retry(FrameId),
    /// The login is to be tried again.
    Login,
    /// The mailbox is to be asked for what pushes left behind.
    Fetch,
    /// Acknowledgements have gathered.
    Acknowledge,
    /// Receipts for a contact have gathered.
    Receipts(Fingerprint),
    /// A contact's queue could not go on and is to be tried again.
    Advance(Fingerprint),
    /// The daily round: keys that are due for renewal, and what is past its window.
    Tidy,
    /// Write capabilities that are to be given or taken back have gathered.
    Grant,
    /// The moment of the login is past: what waited for the anonymous lane goes, in order.
    Resume,
}

/// How an effect ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// The transport took the frame.
    Handed,
    /// The transport could not take it.
    Unreachable,
    /// The vault made a frame that can be sent, and sent again.
    Framed {
        /// SHA-256 of the bytes.
        frame: FrameId,
        /// The encoded request.
        bytes: Bytes,
    },
    /// The vault did as asked, and there is nothing to tell.
    Done,
    /// The vault keeps a contact's identity.
    Pinned {
        /// The identity that the relay's entry shows.
        contact: Fingerprint,
        /// Their mailbox.
        mailbox: MailboxId,
        /// The name as registered.
        name: Name,
        /// Set if another identity was pinned under that name before.
        contradicts: Option<Fingerprint>,
        /// Set if this identity was imported, and they were never offered to begin: groups that they have with it are not here.
        anew: bool,
    },
    /// The vault began a conversation.
    Begun {
        /// Messages of ours that only a dead group carried and that the contact has not told of: they are to be sealed again.
        again: Vec<MessageId>,
    },
    /// The vault read an envelope.
    Opened(Opened),
    /// An expected no: it follows from the op and the state, and a repeat gets the same.
    Refused(Code),
    /// The effect's outcome panicked the fold, or the effect could not be done at all.
    Fault(Code),
    /// The vault followed a group's log.
    Followed(Followed),
}

/// What entries of a group's log came to. No body, no key: the texts are in the vault.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Followed {
    /// Which group's.
    pub group: GroupId,
    /// The last entry that was followed.
    pub upto: u64,
    /// The last entry that the relay had then.
    pub last: u64,
    /// Messages that came, in their order, and who wrote each.
    pub messages: Vec<(Fingerprint, MessageId)>,
    /// Messages of others that can never be read, and why.
    pub unreadable: Vec<Code>,
    /// What became of the commit of ours that was under way.
    pub own: Own,
    /// What the group is from here on, if that is something else.
    pub became: Option<Became>,
}

/// What became of a commit of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Own {
    /// None was under way, or it still is.
    Open,
    /// It opened an epoch.
    Stands,
    /// Another did before it.
    Lost,
}

/// What a group is to its members.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Became {
    /// What it is called.
    pub title: Title,
    /// Members.
    pub members: u32,
    /// Set if we are no member any more.
    pub out: bool,
}

/// What an envelope held. No body, no key: the text is in the vault.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Opened {
    /// A message, now a row in the vault.
    Message {
        /// The proved sender.
        contact: Fingerprint,
        /// Their name, from their certificate.
        name: Name,
        /// The conversation.
        conversation: ConversationId,
        /// The sender's name for it.
        message: MessageId,
        /// The sender's clock.
        claimed: ClaimedTime,
        /// Set if the conversation moved: an MLS group began, or its epoch did. What came early may be readable now.
        moved: bool,
    },
    /// A receipt: these messages of ours are in the contact's store.
    Receipt {
        /// The proved sender.
        contact: Fingerprint,
        /// Messages whose row the vault marked as delivered.
        delivered: Vec<MessageId>,
        /// As in a message.
        moved: bool,
    },
    /// A message for a conversation whose beginning has not arrived: it waits.
    Early {
        /// The claimed sender.
        contact: Fingerprint,
        /// Their claimed name.
        name: Name,
        /// Bytes of the envelope.
        len: u32,
    },
    /// A message that can never be read; the vault keeps a row that says so, unless the sender is unknown.
    Unreadable {
        /// The claimed sender.
        contact: Fingerprint,
        /// Their claimed name.
        name: Name,
        /// Why.
        cause: Code,
    },
    /// The contact has read up to a message of ours; the rows say so, if we show that.
    ReadMark {
        /// The proved sender.
        contact: Fingerprint,
        /// As in a message.
        moved: bool,
    },
    /// A commit of the contact.
    Committed {
        /// The proved sender.
        contact: Fingerprint,
        /// Whether they wait to hear that we are past their commit's epoch.
        owed: bool,
        /// Whether it was merged.
        moved: bool,
    },
    /// A message that is here already, sealed once more: its sender was not told of it.
    Known {
        /// The proved sender.
        contact: Fingerprint,
        /// Which.
        message: MessageId,
        /// As in a message.
        moved: bool,
    },
    /// The contact asks us to begin: the vault keeps their key package.
    Offer {
        /// Who; their identity signed it.
        contact: Fingerprint,
        /// Their name, from their certificate.
        name: Name,
        /// Set if the groups there were are dead to them.
        anew: bool,
    },
    /// A contact asks us into a group. Nothing is kept of it, and nothing joined: `VaultOp::Join` does that, from the same record.
    Invited {
        /// The proved sender.
        contact: Fingerprint,
        /// Their name.
        name: Name,
        /// Which group.
        group: GroupId,
    },
    /// We joined a group that a contact let us into.
    Welcomed {
        /// The proved sender.
        contact: Fingerprint,
        /// Which group.
        group: GroupId,
        /// What it is called.
        title: Title,
        /// Members.
        members: u32,
    },
}
