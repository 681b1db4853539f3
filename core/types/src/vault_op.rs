//! What the vault is asked to do: each op a transaction's savepoint, each idempotent by its EffectId.

use crate::effect::MessageState;
use crate::error::Code;
use crate::ids::{BodyRef, Fingerprint, GroupId, MailboxId, MessageId, RelayKey, Seq};
use crate::name::{Name, RegistrationToken, Title};
use crate::time::Stamp;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Work that needs a key or the sealed store.
///
/// **Repeat.** The same EffectId with the same op gets the first reply; with another op it is a fault.
/// Every frame that leaves the device is the outcome of such an op, so that a resend has the same bytes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum VaultOp {
    /// Make a request; the vault adds the nonce, and signs what only an owner may ask, for the session that it last signed a
    /// registration or login for. → `Framed`, or `Refused` as `NotLoggedIn` if there was none
    Compose(Ask),
    /// Sign a registration. → `Framed`
    SignRegistration {
        /// What is signed.
        challenge: Challenge,
        /// What a relay with the policy "token" asks for.
        token: Option<RegistrationToken>,
    },
    /// Sign a login, with a new device generation. → `Framed`
    SignLogin {
        /// What is signed.
        challenge: Challenge,
        /// Whether this device goes on whatever generation the relay holds.
        takes_over: bool,
    },
    /// Make key packages and the request that publishes them. → `Framed`
    MakeKeyPackages {
        /// One-time packages to make, at most [`crate::limits::KEY_PACKAGES`].
        count: u32,
        /// Whether to make a last-resort one too; the private key of the one before lives on for the retention.
        last_resort: bool,
        /// Whether they take the place of all that are at the relay. The private keys of those live on for the retention.
        replaces: bool,
        /// Now.
        at: Stamp,
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
        /// Its staged text; `None` if it has a row, which holds it.
        body: Option<BodyRef>,
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
    /// Stage an MLS self-update, or take the one that is pending, seal it, and make the request that puts it.
    /// → `Framed`, or `Refused`
    UpdateKeys {
        /// With whom.
        contact: Fingerprint,
        /// Their mailbox.
        mailbox: MailboxId,
        /// Now.
        at: Stamp,
    },
    /// Note that the person has read up to a message. → `Done`, or `Framed` if the contact is to be told
    MarkRead {
        /// Whose message.
        contact: Fingerprint,
        /// Which.
        message: MessageId,
        /// The mailbox to tell it to, if it is to be told.
        tell: Option<MailboxId>,
        /// Now.
        at: Stamp,
    },
    /// Encrypt the text of a message's row once more, in the group that sends now, and make the request that puts it.
    /// → `Framed`, or `Refused`
    SealAgain {
        /// To whom.
        contact: Fingerprint,
        /// Their mailbox.
        mailbox: MailboxId,
        /// Which.
        message: MessageId,
    },
    /// Seal a key package of ours to a contact, so that they begin. → `Framed`
    SealOffer {
        /// To whom.
        contact: Fingerprint,
        /// Their mailbox.
        mailbox: MailboxId,
        /// Whether the groups there are send no more.
        anew: bool,
        /// Now.
        at: Stamp,
    },
    /// Begin a conversation from the key package that the contact offered. → `Begun`, or `Refused`
    BeginFromOffer {
        /// With whom.
        contact: Fingerprint,
        /// Now.
        at: Stamp,
    },
    /// Delete one message's row and text. → `Done`
    ForgetMessage {
        /// With whom.
        contact: Fingerprint,
        /// Which.
        message: MessageId,
        /// Whether it is ours.
        sent: bool,
    },
    /// Destroy what is past its window: keys of past epochs, replaced mailbox keys, replaced last-resort packages. → `Done`
    Tidy {
        /// Now.
        at: Stamp,
    },
    /// Make a new mailbox key and the request that publishes it; the one before opens mail for the retention and a week. One that
    /// was made then and is not published yet is published instead. → `Framed`
    RotateMailboxKey {
        /// When it was made, or now.
        at: Stamp,
    },
    /// Make write capabilities for some contacts, take those of others back, and make the request that says so. → `Framed`
    SetCapabilities {
        /// Who gets what there is for them, made if there is none; at most [`crate::limits::CAPABILITY_CONTACTS_MAX`] with
        /// those of the next.
        grant: Vec<Fingerprint>,
        /// Who gets a new one; the one before stays good until the next.
        renew: Vec<Fingerprint>,
        /// Whose goes.
        revoke: Vec<Fingerprint>,
    },
    /// Do the work that the relay asks a stranger for, and make the request with it. → `Framed`, or `Refused`
    Stamp {
        /// The record that holds the request's bytes.
        request: Seq,
        /// The relay.
        relay: RelayKey,
        /// Zero bits to begin with, at most [`crate::limits::STAMP_BITS_MAX`].
        bits: u32,
        /// Hours since the epoch by the relay's clock.
        hour: u64,
    },
    /// The relay took what was published last: what it replaced is destroyed after its window, counted from now. → `Done`
    Published {
        /// Whether it was a mailbox key, or a last-resort key package.
        what: Published,
        /// Now.
        at: Stamp,
    },
    /// Show what contacts have read, or show it no more. → `Done`
    ShowRead {
        /// Whether to.
        on: bool,
    },
    /// Give every group up, also those with people who are no contacts any more: another copy of the profile may have used their
    /// keys. Whoever is pinned after is to be told so, once. → `Done`
    GiveUpGroups,
    /// Make a group, alone in it, and the request that creates its log. → `Framed`
    CreateGroup {
        /// Its id.
        group: GroupId,
        /// What it is called.
        title: Title,
        /// Whether the relay's list is to name it.
        public: bool,
    },
    /// The relay has the group's log. → `Done`
    LogCreated {
        /// Which group's.
        group: GroupId,
        /// The record that holds the answer.
        answer: Seq,
    },
    /// Keep a key package of somebody who is to be let into a group. → `Done`, or `Refused`
    KeepKeyPackage {
        /// Which group.
        group: GroupId,
        /// Whose.
        contact: Fingerprint,
        /// The record that holds the key package's answer.
        answer: Seq,
        /// Now.
        at: Stamp,
    },
    /// Stage a commit that lets in those whose key packages are kept, in the present epoch, and make the request that posts it. One that
    /// is staged for this epoch already is taken again. → `Framed`, or `Refused`
    Commit {
        /// In which group.
        group: GroupId,
        /// Who comes in.
        adds: Vec<Fingerprint>,
    },
    /// Encrypt a staged text for a group, or the text of a message's row once more, seal it, and make the request that posts it.
    /// → `Framed`, or `Refused`
    SealPost {
        /// For which group.
        group: GroupId,
        /// The message's name.
        message: MessageId,
        /// The staged text; `None` if it has a row, which holds it.
        body: Option<BodyRef>,
        /// When it was asked for.
        at: Stamp,
    },
    /// Follow a page of a group's log: judge its entries in their order, and keep the messages. → `Followed`, or `Refused`
    FollowLog {
        /// Whose log.
        group: GroupId,
        /// The record that holds the page.
        answer: Seq,
        /// When it came.
        at: Stamp,
    },
    /// Seal the Welcome of somebody whom a commit of ours lets in, and make the request that puts it. → `Framed`, or `Refused`
    SealWelcome {
        /// Into which group.
        group: GroupId,
        /// Whom.
        contact: Fingerprint,
        /// Their mailbox.
        mailbox: MailboxId,
    },
    /// Join the group that an envelope lets one into. → `Opened` as `Welcomed`, or `Refused`
    Join {
        /// The record that holds the envelope.
        envelope: Seq,
        /// Who sent it.
        contact: Fingerprint,
        /// Now.
        at: Stamp,
    },
}

/// What was published in place of an older one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Published {
    /// The key that mail is sealed to.
    MailboxKey,
    /// Key packages, perhaps with a last-resort one.
    KeyPackages,
}

/// A request that asks for no more of the vault than a nonce and a signature.
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
        /// Whether the relay gets a new device generation with it.
        swap: bool,
    },
    /// These items are on our disk.
    Acknowledge {
        /// Their places, at most [`crate::limits::ACKNOWLEDGE_MAX`].
        cursors: Vec<u64>,
    },
    /// What is new in a group's log.
    ReadLog(GroupId),
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
            VaultOp::SignRegistration { .. } => "SignRegistration",
            VaultOp::SignLogin { .. } => "SignLogin",
            VaultOp::MakeKeyPackages { .. } => "MakeKeyPackages",
            VaultOp::PinContact { .. } => "PinContact",
            VaultOp::BeginConversation { .. } => "BeginConversation",
            VaultOp::SealMessage { .. } => "SealMessage",
            VaultOp::SealReceipt { .. } => "SealReceipt",
            VaultOp::OpenEnvelope { .. } => "OpenEnvelope",
            VaultOp::File { .. } => "File",
            VaultOp::Forget { .. } => "Forget",
            VaultOp::Unpin { .. } => "Unpin",
            VaultOp::UpdateKeys { .. } => "UpdateKeys",
            VaultOp::MarkRead { .. } => "MarkRead",
            VaultOp::SealAgain { .. } => "SealAgain",
            VaultOp::SealOffer { .. } => "SealOffer",
            VaultOp::BeginFromOffer { .. } => "BeginFromOffer",
            VaultOp::ForgetMessage { .. } => "ForgetMessage",
            VaultOp::Tidy { .. } => "Tidy",
            VaultOp::RotateMailboxKey { .. } => "RotateMailboxKey",
            VaultOp::SetCapabilities { .. } => "SetCapabilities",
            VaultOp::Stamp { .. } => "Stamp",
            VaultOp::Published { .. } => "Published",
            VaultOp::ShowRead { .. } => "ShowRead",
            VaultOp::GiveUpGroups => "GiveUpGroups",
            VaultOp::CreateGroup { .. } => "CreateGroup",
            VaultOp::LogCreated { .. } => "LogCreated",
            VaultOp::KeepKeyPackage { .. } => "KeepKeyPackage",
            VaultOp::Commit { .. } => "Commit",
            VaultOp::SealPost { .. } => "SealPost",
            VaultOp::FollowLog { .. } => "FollowLog",
            VaultOp::SealWelcome { .. } => "SealWelcome",
            VaultOp::Join { .. } => "Join",
        }
    }

    /// The records whose bytes the op reads; the engine lends them.
    pub fn frame(&self) -> Option<Seq> {
        match self {
            VaultOp::PinContact { answer, .. }
            | VaultOp::BeginConversation { answer, .. }
            | VaultOp::LogCreated { answer, .. }
            | VaultOp::KeepKeyPackage { answer, .. }
            | VaultOp::FollowLog { answer, .. } => Some(*answer),
            VaultOp::OpenEnvelope { envelope, .. } | VaultOp::Join { envelope, .. } => Some(*envelope),
            VaultOp::Stamp { request, .. } => Some(*request),
            VaultOp::Compose(_)
            | VaultOp::SignRegistration { .. }
            | VaultOp::SignLogin { .. }
            | VaultOp::MakeKeyPackages { .. }
            | VaultOp::SealMessage { .. }
            | VaultOp::SealReceipt { .. }
            | VaultOp::File { .. }
            | VaultOp::Forget { .. }
            | VaultOp::Unpin { .. }
            | VaultOp::UpdateKeys { .. }
            | VaultOp::MarkRead { .. }
            | VaultOp::SealAgain { .. }
            | VaultOp::SealOffer { .. }
            | VaultOp::BeginFromOffer { .. }
            | VaultOp::ForgetMessage { .. }
            | VaultOp::Tidy { .. }
            | VaultOp::RotateMailboxKey { .. }
            | VaultOp::SetCapabilities { .. }
            | VaultOp::Published { .. }
            | VaultOp::ShowRead { .. }
            | VaultOp::GiveUpGroups
            | VaultOp::CreateGroup { .. }
            | VaultOp::Commit { .. }
            | VaultOp::SealPost { .. }
            | VaultOp::SealWelcome { .. } => None,
        }
    }
}
