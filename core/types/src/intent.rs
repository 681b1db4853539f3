//! What a person can ask for.

use crate::error::Code;
use crate::ids::{BodyRef, Fingerprint, MessageId, RelayKey};
use crate::name::{Name, RegistrationToken, RelayAddress};
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
        /// What a relay with the policy "token" asks for.
        token: Option<RegistrationToken>,
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
    /// Renew our keys in the conversation with a contact: an MLS self-update. Done weekly as well.
    UpdateKeys {
        /// Their identity.
        contact: Fingerprint,
    },
    /// Note that the person has read up to a message of a contact; they are told, if read marks are on.
    MarkRead {
        /// Their identity.
        contact: Fingerprint,
        /// The message.
        message: MessageId,
    },
    /// Switch read marks on or off: telling others, and showing what they tell.
    SetReadMarks {
        /// Whether they are on.
        on: bool,
    },
    /// Send a message once more that failed, or of which the contact has not told. They keep one copy.
    RetryMessage {
        /// To whom it was.
        contact: Fingerprint,
        /// Which.
        message: MessageId,
    },
    /// Take a message back that was not handed to the transport yet.
    CancelMessage {
        /// Which.
        message: MessageId,
    },
    /// Delete one message here, its text included. Nobody else's copy goes.
    ForgetMessage {
        /// With whom.
        contact: Fingerprint,
        /// Which.
        message: MessageId,
        /// Whether it is ours.
        sent: bool,
    },
    /// Use another relay, or the same one under another address.
    ChangeRelay {
        /// Its address.
        relay: RelayAddress,
        /// Its identity if the caller knows it; otherwise it is pinned at first sight.
        key: Option<RelayKey>,
        /// What a relay with the policy "token" asks for.
        token: Option<RegistrationToken>,
    },
    /// Go on with this device after the relay met another copy of the profile: all conversations begin anew.
    TakeOver,
    /// Go on with a journal and a vault that are not of the same time: as [`Intent::TakeOver`], though the relay met no other
    /// copy. Asked for by the client alone, as the first thing after an open that accepts such a profile. **Repeat:** under
    /// another id it begins all conversations anew once more.
    Rejoin,
    /// Go on with what an archive brought: as [`Intent::Rejoin`], with no key of any conversation and no record before this one. The
    /// first thing in a restored profile's journal, and never asked for again. **Repeat:** under another id it begins all
    /// conversations anew once more.
    Restore,
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
