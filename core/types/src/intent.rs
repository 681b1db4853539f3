//! What a person can ask for.

use crate::error::Code;
use crate::ids::{BodyRef, Fingerprint, MessageId, RelayKey};
use crate::name::{Name, RelayAddress};
use serde::{Deserialize, Serialize};

/// A request of a person or program, journaled before anything is done about it.
///
/// **Repeat.** The same [`crate::ids::IntentId`] within 24 hours is answered with the first [`Answer`] and does nothing more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Intent {
    /// Register this account's name with a relay, and log in.
    Register {
        /// The relay's address; the client's transport reads it.
        relay: RelayAddress,
        /// The relay's identity if the caller knows it; otherwise it is pinned at first sight.
        key: Option<RelayKey>,
    },
    /// Log in again and bring what waited: asked for by the client after every open. No reply path outlives a process.
    Connect,
    /// Look a person up and keep them as a contact.
    AddContact {
        /// Their registered name.
        name: Name,
    },
    /// Accept a contact who wrote first: from then on they see what was delivered, and can be written to.
    AcceptContact {
        /// Their identity.
        contact: Fingerprint,
    },
    /// Send a message.
    Send {
        /// To whom.
        contact: Fingerprint,
        /// The text, staged in the vault.
        body: BodyRef,
        /// Bytes of the text: 1 to [`crate::limits::BODY_LEN_MAX`].
        len: u32,
    },
    /// Decline a contact who wrote first: they leave the list, and are told nothing. If they write again, they ask again.
    DeclineContact {
        /// Their identity.
        contact: Fingerprint,
    },
    /// Block or unblock a contact: what a blocked one sends is dropped unread.
    BlockContact {
        /// Their identity.
        contact: Fingerprint,
        /// Whether to block.
        blocked: bool,
    },
    /// Remove a contact and all messages with them. If they write again, they ask to be accepted.
    RemoveContact {
        /// Their identity.
        contact: Fingerprint,
    },
    /// Note that the safety number was compared with the contact, or take the note back.
    VerifyContact {
        /// Their identity.
        contact: Fingerprint,
        /// Whether it was compared.
        verified: bool,
    },
    /// Accept that the directory shows another identity under a contact's name: it is looked up and pinned anew. The old one
    /// stays as it is, held.
    AcceptIdentity {
        /// The identity that was pinned before.
        contact: Fingerprint,
    },
}

/// What an Intent came to at once. What follows from it is told by [`crate::effect::Change`]s.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Answer {
    /// It is durable and under way.
    Accepted,
    /// The message is durable and queued.
    Queued(MessageId),
    /// It cannot be, and nothing changed.
    Refused(Code),
}
