//! What the vault is asked to do: each op a transaction's savepoint, each idempotent by its EffectId.

use crate::effect::MessageState;
use crate::error::Code;
use crate::ids::{BodyRef, Fingerprint, MailboxId, MessageId, RelayKey, Seq};
use crate::name::Name;
use crate::time::Stamp;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Work that needs a key or the sealed store.
///
/// **Repeat.** The same EffectId with the same op gets the first reply; with another op it is a fault.
/// Every frame that leaves the device is the outcome of such an op, so that a resend has the same bytes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum VaultOp {
    /// Make a request that needs no signature; the vault adds the nonce. → `Framed`
    Compose(Ask),
    /// Sign a registration. → `Framed`
    SignRegistration(Challenge),
    /// Sign a login. → `Framed`
    SignLogin(Challenge),
    /// Make key packages and the request that publishes them. → `Framed`
    MakeKeyPackages {
        /// One-time packages to make, at most [`crate::limits::KEY_PACKAGES`].
        count: u32,
        /// Whether to make a last-resort one too.
        last_resort: bool,
    },
    /// Verify a directory entry and keep the identity it shows. → `Pinned`, or `Refused` if it is forged
    PinContact {
        /// The name that was asked for.
        name: Name,
        /// The record that holds the answer.
        answer: Seq,
        /// Now.
        at: Stamp,
    },
    /// Begin a conversation from a key package. → `Begun`, or `Refused`
    BeginConversation {
        /// With whom.
        contact: Fingerprint,
        /// The record that holds the key package's answer.
        answer: Seq,
        /// Now.
        at: Stamp,
    },
    /// Encrypt a staged body, seal it, and make the request that puts it. → `Framed`, or `Refused`
    SealMessage {
        /// To whom.
        contact: Fingerprint,
        /// Their mailbox.
        mailbox: MailboxId,
        /// The message's name.
        message: MessageId,
        /// The staged text.
        body: BodyRef,
        /// When it was asked for.
        at: Stamp,
    },
    /// Encrypt a receipt, seal it, and make the request that puts it. → `Framed`, or `Refused`
    SealReceipt {
        /// To whom.
        contact: Fingerprint,
        /// Their mailbox.
        mailbox: MailboxId,
        /// Their messages that we have, at most [`crate::limits::RECEIPTS_MAX`].
        messages: Vec<MessageId>,
        /// Now.
        at: Stamp,
    },
    /// Read an envelope. → `Opened`
    OpenEnvelope {
        /// The record that holds it.
        envelope: Seq,
        /// When it arrived.
        at: Stamp,
        /// Whether it waited for the conversation as long as it may: then it is unreadable rather than early.
        last: bool,
    },
    /// Keep a message's state in its row; never backwards. A message that was never encrypted gets its row now. → `Done`
    File {
        /// Which message of ours.
        message: MessageId,
        /// To whom.
        contact: Fingerprint,
        /// Its staged text.
        body: BodyRef,
        /// When it was asked for.
        at: Stamp,
        /// Its state.
        state: MessageState,
        /// Why, if it failed.
        cause: Option<Code>,
    },
    /// Delete all messages with a contact, texts included. → `Done`
    Forget {
        /// Whom.
        contact: Fingerprint,
    },
    /// Take the pin off a contact's identity, so that another can be pinned under their name. → `Done`
    Unpin {
        /// Whose.
        contact: Fingerprint,
    },
}

/// A request without a signature.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Ask {
    /// A challenge for our own name.
    Challenge,
    /// A directory entry.
    Lookup(Name),
    /// A contact's key package.
    KeyPackage(Name),
    /// What is in the mailbox.
    Fetch {
        /// At most so many items.
        items_max: u32,
    },
    /// These items are on our disk.
    Acknowledge {
        /// Their places, at most [`crate::limits::ACKNOWLEDGE_MAX`].
        cursors: Vec<u64>,
    },
}

/// A relay's challenge, as it goes into a signed proof.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Challenge {
    /// The relay that asked.
    pub relay: RelayKey,
    /// Its nonce.
    pub nonce: [u8; 32],
    /// Until when it can be answered, by the relay's clock, in milliseconds.
    pub until_ms: u64,
}

impl VaultOp {
    /// The op's name, for logs and observers: says nothing of its content.
    pub fn word(&self) -> &'static str {
        match self {
            VaultOp::Compose(_) => "Compose",
            VaultOp::SignRegistration(_) => "SignRegistration",
            VaultOp::SignLogin(_) => "SignLogin",
            VaultOp::MakeKeyPackages { .. } => "MakeKeyPackages",
            VaultOp::PinContact { .. } => "PinContact",
            VaultOp::BeginConversation { .. } => "BeginConversation",
            VaultOp::SealMessage { .. } => "SealMessage",
            VaultOp::SealReceipt { .. } => "SealReceipt",
            VaultOp::OpenEnvelope { .. } => "OpenEnvelope",
            VaultOp::File { .. } => "File",
            VaultOp::Forget { .. } => "Forget",
            VaultOp::Unpin { .. } => "Unpin",
        }
    }

    /// The records whose bytes the op reads; the engine lends them.
    pub fn frame(&self) -> Option<Seq> {
        match self {
            VaultOp::PinContact { answer, .. } | VaultOp::BeginConversation { answer, .. } => Some(*answer),
            VaultOp::OpenEnvelope { envelope, .. } => Some(*envelope),
            VaultOp::Compose(_)
            | VaultOp::SignRegistration(_)
            | VaultOp::SignLogin(_)
            | VaultOp::MakeKeyPackages { .. }
            | VaultOp::SealMessage { .. }
            | VaultOp::SealReceipt { .. }
            | VaultOp::File { .. }
            | VaultOp::Forget { .. }
            | VaultOp::Unpin { .. } => None,
        }
    }
}
