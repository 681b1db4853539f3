//! What is to be done: the four kinds of effect.

use crate::error::Code;
use crate::event::{Lane, TimerId};
use crate::ids::{Fingerprint, IntentId, MessageId, Seq};
use crate::intent::Answer;
use crate::name::{Name, RelayAddress};
use crate::time::Deadline;
use crate::vault_op::VaultOp;
use serde::{Deserialize, Serialize};

/// Something to do, named by an [`crate::ids::EffectId`]. Safe to repeat, each kind for its own reason.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Effect {
    /// Use a key, or the sealed store. **Repeat:** the ledger gives the first reply.
    Vault(VaultOp),
    /// Hand a frame to the transport. **Repeat:** receivers drop a FrameId that they know.
    Send(Send),
    /// Wake at a deadline. **Repeat:** keyed by the timer, the last one wins.
    Arm(TimerId, Deadline),
    /// Do not wake.
    Disarm(TimerId),
    /// Tell a frontend. Lossy: views are read again on attach.
    Notify(Change),
}

/// A frame to send, by the record that holds its bytes: frames are named, not copied.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Send {
    /// The relay's address: a frame goes to the relay that it was made for.
    pub to: RelayAddress,
    /// Which way.
    pub lane: Lane,
    /// The record whose `Resolved(Framed)` holds the bytes.
    pub frame: Seq,
}

/// What became of a message. Only forward: a state never falls back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum MessageState {
    /// Durable on this device.
    Queued,
    /// Handed to the transport.
    Sent,
    /// Stored by the relay.
    Stored,
    /// In the store of a device of the recipient; for a message received, in ours.
    Delivered,
    /// Read by the recipient, if both switched read marks on.
    Read,
    /// It will not be delivered.
    Failed,
    /// It was received and can never be read.
    Unreadable,
}

impl MessageState {
    /// The state's word, as shown and as in JSON.
    pub fn word(self) -> &'static str {
        match self {
            MessageState::Queued => "queued",
            MessageState::Sent => "sent",
            MessageState::Stored => "stored",
            MessageState::Delivered => "delivered",
            MessageState::Read => "read",
            MessageState::Failed => "failed",
            MessageState::Unreadable => "unreadable",
        }
    }
}

/// What a frontend is told. A hint to look again, never the only place where something stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Change {
    /// An Intent's answer.
    Answered {
        /// Which Intent.
        intent: IntentId,
        /// What it came to at once.
        answer: Answer,
    },
    /// The relay took the registration.
    Registered,
    /// The relay refused the registration.
    RegistrationRefused(Code),
    /// Logged in.
    Connected,
    /// The session ended, or the relay does not answer.
    Disconnected(Code),
    /// A contact appeared or changed.
    Contact(Fingerprint),
    /// A lookup found nobody, or nobody to trust.
    LookupFailed {
        /// Who was looked up.
        name: Name,
        /// Why.
        cause: Code,
    },
    /// A pinned identity changed: sending is held.
    IdentityChanged(Fingerprint),
    /// A message came.
    Received {
        /// From whom.
        contact: Fingerprint,
        /// Which.
        message: MessageId,
    },
    /// A message that can never be read came.
    Unreadable {
        /// Claimed sender.
        contact: Fingerprint,
        /// Why.
        cause: Code,
    },
    /// A message of ours moved on.
    Message {
        /// Which.
        message: MessageId,
        /// To what.
        state: MessageState,
    },
    /// An item of the mailbox was not for us, or not to be read by this version; it was dropped. With `FoldPanicked` a fault of
    /// ours, and it stays at the relay.
    Dropped(Code),
    /// A contact has read up to a message of ours.
    Read {
        /// Who.
        contact: Fingerprint,
    },
    /// The keys of a conversation were renewed, by us or by the contact.
    KeysUpdated(Fingerprint),
    /// A message was deleted here.
    Forgotten {
        /// With whom.
        contact: Fingerprint,
        /// Which.
        message: MessageId,
    },
}
