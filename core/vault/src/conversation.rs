//! Conversations of two: an MLS group each, begun from a key package or by a Welcome.
//!
//! If both sides begin at once there are two groups. The one whose creator has the smaller fingerprint is the sending group
//! for both as soon as each knows both; the other stays readable.

use crate::contact::{self, Known};
use crate::envelope::{self, Unsealed};
use crate::mls::provider::Provider;
use crate::mls::{credential, group};
use crate::request::framed;
use crate::{Scope, Stop};
use openmls::group::{GroupId, MlsGroup, StagedWelcome, WelcomeError};
use openmls::prelude::tls_codec::Deserialize as _;
use openmls::prelude::{MlsMessageBodyIn, MlsMessageIn, ProcessedMessageContent, ProtocolMessage, Sender, Welcome};
use openmls_traits::OpenMlsProvider as _;
use prost::Message as _;
use rusqlite::{OptionalExtension as _, params};
use thicket_journal_format::digest;
use thicket_openpgp::Certificate;
use thicket_types::effect::MessageState;
use thicket_types::error::Code;
use thicket_types::event::{Opened, Outcome};
use thicket_types::ids::{BodyRef, ConversationId, Fingerprint, MailboxId, MessageId};
use thicket_types::limits::{BODY_LEN_MAX, RECEIPTS_MAX};
use thicket_types::name::Name;
use thicket_types::time::{ClaimedTime, Stamp};
use thicket_types::wire::peer::content::What;
use thicket_types::wire::peer::envelope::Content as Inside;
use thicket_types::wire::peer::{Content, Opening, Receipt};
use thicket_types::wire::relay as wire;
use thicket_types::wire::relay::request::Ask;

const BROKEN: Stop = Stop::Broken(Code::Inconsistent);

/// The conversation's id: the same on both sides, whatever MLS groups it had.
pub(crate) fn conversation_id(a: Fingerprint, b: Fingerprint) -> ConversationId {
    ConversationId(digest(&[b"thicket.conversation.v1", &a.min(b).0, &a.max(b).0]).0)
}

/// Begins a conversation from a contact's key package. The first commit is merged at once: its creator is alone in epoch 0.
pub(crate) fn begin(scope: &Scope<'_>, contact: Fingerprint, answer: &[u8]) -> Result<Outcome, Stop> {
    if sending_group(scope, contact)?.is_some() {
        return Ok(Outcome::Begun);
    }
    let bad = Stop::Refused(Code::BadKeyPackage);
    let Some(wire::answer::Said::KeyPackage(answer)) = wire::Answer::decode(answer).ok().and_then(|answer| answer.said) else {
        return Err(bad);
    };
    let Known { certificate, .. } = contact::load(scope, contact)?.ok_or(Stop::Refused(Code::UnknownContact))?;
    let provider = scope.provider();
    let package = group::read_key_package(&provider, &answer.key_package).map_err(Stop::Refused)?;
    let leaf = package.leaf_node();
    credential::check(&certificate, leaf.credential(), leaf.signature_key().as_slice()).map_err(Stop::Refused)?;

    let id = scope.random::<16>()?;
    let own = credential::with_key(&scope.account.credential, &scope.account.leaf_key);
    let config = group::create_config().map_err(Stop::Broken)?;
    let signer = &scope.account.signer;
    let mut mls = MlsGroup::new_with_group_id(&provider, signer, &config, GroupId::from_slice(&id), own).map_err(|_| BROKEN)?;
    let (_, welcome, _) = mls.add_members(&provider, signer, &[package]).map_err(|_| bad)?;
    mls.merge_pending_commit(&provider).map_err(|_| BROKEN)?;
    let welcome = welcome.to_bytes().map_err(|_| BROKEN)?;
    keep_group(scope, &id, contact, scope.account.certificate.fingerprint(), Some(&welcome))?;
    Ok(Outcome::Begun)
}

fn keep_group(scope: &Scope<'_>, id: &[u8], contact: Fingerprint, creator: Fingerprint, welcome: Option<&[u8]>) -> Result<(), Stop> {
    let mut put = scope.conn.prepare_cached("INSERT INTO mls_group (id, contact, creator, sending, welcome) VALUES (?1, ?2, ?3, 0, ?4)")?;
    put.execute(params![id, contact.0, creator.0, welcome])?;
    // The smaller creator's group sends; of several by the same creator the newest, since the older was given up.
    let mut choose = scope.conn.prepare_cached(
        "UPDATE mls_group SET sending = (id = (
             SELECT id FROM mls_group WHERE contact = ?1 ORDER BY creator, (id = ?2) DESC LIMIT 1
         )) WHERE contact = ?1",
    )?;
    choose.execute(params![contact.0, id])?;
    Ok(())
}

/// The group that messages to a contact are encrypted in.
struct Sending {
    id: Vec<u8>,
    /// Its Welcome, until the contact was heard in it.
    welcome: Option<Vec<u8>>,
}

fn sending_group(scope: &Scope<'_>, contact: Fingerprint) -> Result<Option<Sending>, Stop> {
    let mut find = scope.conn.prepare_cached("SELECT id, welcome FROM mls_group WHERE contact = ?1 AND sending = 1")?;
    Ok(find.query_row([contact.0], |row| Ok(Sending { id: row.get(0)?, welcome: row.get(1)? })).optional()?)
}

pub(crate) fn seal_message(
    scope: &Scope<'_>,
    contact: Fingerprint,
    mailbox: MailboxId,
    message: MessageId,
    body: BodyRef,
    at: Stamp,
) -> Result<Outcome, Stop> {
    let mut find = scope.conn.prepare_cached("SELECT bytes FROM body WHERE ref = ?1")?;
    let text: Option<Vec<u8>> = find.query_row([body.0], |row| row.get(0)).optional()?;
    let text = text.and_then(|text| String::from_utf8(text).ok()).ok_or(Stop::Refused(Code::UnknownBody))?;
    if text.is_empty() || text.len() > BODY_LEN_MAX {
        return Err(Stop::Refused(if text.is_empty() { Code::EmptyMessage } else { Code::MessageTooLong }));
    }
    let mut used = scope.conn.prepare_cached("SELECT 1 FROM message WHERE contact = ?1 AND outgoing = 1 AND id = ?2")?;
    if used.query_row(params![contact.0, message.0], |_| Ok(())).optional()?.is_some() {
        return Err(Stop::Refused(Code::Repeated));
    }
    let content = Content { message: message.0.to_vec(), claimed_ms: at.0, what: Some(What::Text(text)) };
    let framed = seal(scope, contact, mailbox, &content)?;
    let mut put = scope.conn.prepare_cached(
        "INSERT INTO message (contact, outgoing, id, state, body, stamp, claimed, cause) VALUES (?1, 1, ?2, ?3, ?4, ?5, ?5, 0)",
    )?;
    put.execute(params![contact.0, message.0, state_number(MessageState::Queued), body.0, at.0])?;
    index(scope)?;
    Ok(framed)
}

pub(crate) fn seal_receipt(
    scope: &Scope<'_>,
    contact: Fingerprint,
    mailbox: MailboxId,
    messages: &[MessageId],
    at: Stamp,
) -> Result<Outcome, Stop> {
    let delivered = messages.iter().take(RECEIPTS_MAX).map(|message| message.0.to_vec()).collect();
    let content = Content { message: Vec::new(), claimed_ms: at.0, what: Some(What::Receipt(Receipt { delivered })) };
    seal(scope, contact, mailbox, &content)
}

/// Encrypts content in the sending group and makes the request that puts it. The Welcome goes along until the contact was
/// heard in the group: whichever envelope reaches them first lets them in.
fn seal(scope: &Scope<'_>, contact: Fingerprint, mailbox: MailboxId, content: &Content) -> Result<Outcome, Stop> {
    let Sending { id, welcome } = sending_group(scope, contact)?.ok_or(Stop::Refused(Code::NoConversation))?;
    let Some(Known { mailbox_key: Some(mailbox_key), .. }) = contact::load(scope, contact)? else {
        return Err(Stop::Refused(Code::UnknownContact));
    };
    let provider = scope.provider();
    let mut mls = load_group(&provider, &id)?.ok_or(Stop::Refused(Code::NoConversation))?;
    let encrypted = mls.create_message(&provider, &scope.account.signer, &content.encode_to_vec()).map_err(|_| BROKEN)?;
    let mls_message = encrypted.to_bytes().map_err(|_| BROKEN)?;
    let inside = match welcome {
        Some(welcome) => Inside::Opening(Opening { welcome, mls_message }),
        None => Inside::MlsMessage(mls_message),
    };
    let envelope = envelope::seal(scope, contact, &mailbox_key, inside)?;
    framed(scope, Ask::Put(wire::Put { mailbox: mailbox.0.to_vec(), envelope }))
}

fn load_group(provider: &Provider<'_>, id: &[u8]) -> Result<Option<MlsGroup>, Stop> {
    MlsGroup::load(provider.storage(), &GroupId::from_slice(id)).map_err(|_| BROKEN)
}

/// Reads an envelope: joins what it begins, decrypts, and keeps the row, all in this op.
pub(crate) fn open(scope: &Scope<'_>, sealed: &[u8], at: Stamp, last: bool) -> Result<Outcome, Stop> {
    let Unsealed { certificate, certificate_bytes, content } = envelope::open(scope.account, sealed).map_err(Stop::Refused)?;
    let contact = certificate.fingerprint();
    // A refusal inside takes back what MLS did so far; then the row that says so is written.
    scope.conn.execute_batch("SAVEPOINT envelope")?;
    let read = match content {
        Inside::Opening(opening) => read_opening(scope, &certificate, &certificate_bytes, &opening, at),
        Inside::MlsMessage(message) => read_message(scope, &certificate, &message, at, false),
    };
    let opened = match read {
        Ok(opened) => opened,
        Err(Stop::Broken(code)) => return Err(Stop::Broken(code)),
        Err(Stop::Refused(cause)) => {
            scope.conn.execute_batch("ROLLBACK TO envelope")?;
            if cause == Code::NoConversation && !last {
                Opened::Early { contact }
            } else {
                keep_unreadable(scope, contact, sealed, cause, at)?;
                Opened::Unreadable { contact, cause }
            }
        }
    };
    scope.conn.execute_batch("RELEASE envelope")?;
    Ok(Outcome::Opened(opened))
}

fn read_opening(scope: &Scope<'_>, certificate: &Certificate, bytes: &[u8], opening: &Opening, at: Stamp) -> Result<Opened, Stop> {
    let malformed = Stop::Refused(Code::MalformedEnvelope);
    Name::parse(certificate.name()).map_err(|_| malformed)?;
    let hash = digest(&[&opening.welcome]).0;
    let known = scope.conn.prepare_cached("SELECT 1 FROM welcome WHERE hash = ?1")?.query_row([hash], |_| Ok(())).optional()?;
    if known.is_none() {
        let parsed = MlsMessageIn::tls_deserialize_exact(&opening.welcome).map_err(|_| malformed)?;
        let MlsMessageBodyIn::Welcome(welcome) = parsed.extract() else {
            return Err(malformed);
        };
        join(scope, certificate, welcome)?;
        contact::keep(scope, certificate, bytes, None)?;
        scope.conn.prepare_cached("INSERT INTO welcome (hash) VALUES (?1)")?.execute([hash])?;
    }
    read_message(scope, certificate, &opening.mls_message, at, true)
}

/// Joins a group of two by its Welcome, after looking at who is in it.
fn join(scope: &Scope<'_>, certificate: &Certificate, welcome: Welcome) -> Result<(), Stop> {
    let provider = scope.provider();
    let refused = |error: &WelcomeError<_>| match error {
        WelcomeError::NoMatchingKeyPackage => Stop::Refused(Code::NoMatchingKeyPackage),
        _ => Stop::Refused(Code::MalformedEnvelope),
    };
    let staged: StagedWelcome = StagedWelcome::build_from_welcome(&provider, &group::join_config(), welcome)
        .map_err(|error| refused(&error))?
        .skip_lifetime_validation()
        .build()
        .map_err(|error| refused(&error))?;
    let own = staged.own_leaf_index();
    let others: Vec<_> = staged.members().filter(|member| member.index != own).collect();
    let [other] = others.as_slice() else {
        return Err(Stop::Refused(Code::ForgedLeaf));
    };
    credential::check(certificate, &other.credential, &other.signature_key).map_err(Stop::Refused)?;
    let mls = staged.into_group(&provider).map_err(|error| refused(&error))?;
    let creator = certificate.fingerprint();
    keep_group(scope, mls.group_id().as_slice(), creator, creator, None)
}

fn read_message(scope: &Scope<'_>, certificate: &Certificate, message: &[u8], at: Stamp, begins: bool) -> Result<Opened, Stop> {
    let malformed = Stop::Refused(Code::MalformedEnvelope);
    let contact = certificate.fingerprint();
    let parsed = MlsMessageIn::tls_deserialize_exact(message).map_err(|_| malformed)?;
    let message: ProtocolMessage = parsed.try_into_protocol_message().map_err(|_| malformed)?;
    let id = message.group_id().as_slice().to_vec();
    let mut find = scope.conn.prepare_cached("SELECT contact FROM mls_group WHERE id = ?1")?;
    let member: Option<[u8; 20]> = find.query_row([&id], |row| row.get(0)).optional()?;
    match member {
        None => return Err(Stop::Refused(Code::NoConversation)),
        Some(member) if member != contact.0 => return Err(Stop::Refused(Code::ForgedSender)),
        Some(_) => {}
    }
    let provider = scope.provider();
    let mut mls = load_group(&provider, &id)?.ok_or(BROKEN)?;
    let processed = mls.process_message(&provider, message).map_err(|error| Stop::Refused(group::cause(&error)))?;
    let Sender::Member(index) = processed.sender() else {
        return Err(Stop::Refused(Code::ForgedSender));
    };
    let signature_key = mls.member_at(*index).map(|member| member.signature_key).ok_or(Stop::Refused(Code::ForgedSender))?;
    credential::check(certificate, processed.credential(), &signature_key).map_err(|_| Stop::Refused(Code::ForgedSender))?;
    let ProcessedMessageContent::ApplicationMessage(message) = processed.into_content() else {
        return Err(Stop::Refused(Code::Undecryptable));
    };
    scope.conn.prepare_cached("UPDATE mls_group SET welcome = NULL WHERE id = ?1 AND welcome IS NOT NULL")?.execute([&id])?;
    let Content { message, claimed_ms, what } = Content::decode(message.into_bytes().as_slice()).map_err(|_| malformed)?;
    match what.ok_or(malformed)? {
        What::Text(text) => {
            let message = MessageId::parse(&message).ok_or(malformed)?;
            if text.is_empty() || text.len() > BODY_LEN_MAX {
                return Err(malformed);
            }
            keep_received(scope, contact, message, &text, at, claimed_ms)?;
            let name = Name::parse(certificate.name()).map_err(|_| malformed)?;
            let conversation = conversation_id(contact, scope.account.certificate.fingerprint());
            Ok(Opened::Message { contact, name, conversation, message, claimed: ClaimedTime(claimed_ms), begins })
        }
        What::Receipt(receipt) => {
            let named = receipt.delivered.iter().take(RECEIPTS_MAX).filter_map(|message| MessageId::parse(message));
            Ok(Opened::Receipt { contact, delivered: mark_delivered(scope, contact, named)? })
        }
    }
}

fn keep_received(scope: &Scope<'_>, contact: Fingerprint, message: MessageId, text: &str, at: Stamp, claimed_ms: u64) -> Result<(), Stop> {
    let mut find = scope.conn.prepare_cached("SELECT 1 FROM message WHERE contact = ?1 AND outgoing = 0 AND id = ?2")?;
    if find.query_row(params![contact.0, message.0], |_| Ok(())).optional()?.is_some() {
        return Err(Stop::Refused(Code::Repeated));
    }
    let body = scope.random::<16>()?;
    scope.conn.prepare_cached("INSERT INTO body (ref, bytes) VALUES (?1, ?2)")?.execute(params![body, text.as_bytes()])?;
    // SQLite's integers are signed; a claimed time past their range is shown as the last one in it.
    let claimed = i64::try_from(claimed_ms).unwrap_or(i64::MAX);
    let mut put = scope.conn.prepare_cached(
        "INSERT INTO message (contact, outgoing, id, state, body, stamp, claimed, cause) VALUES (?1, 0, ?2, ?3, ?4, ?5, ?6, 0)",
    )?;
    put.execute(params![contact.0, message.0, state_number(MessageState::Delivered), body, at.0, claimed])?;
    index(scope)
}

/// Puts the row just written into the search index.
fn index(scope: &Scope<'_>) -> Result<(), Stop> {
    let mut put = scope
        .conn
        .prepare_cached("INSERT INTO search (rowid, text) SELECT number, text FROM message_text WHERE number = last_insert_rowid()")?;
    put.execute([])?;
    Ok(())
}

/// Keeps a row for a message that can never be read, if we know its sender; a repeat needs none.
fn keep_unreadable(scope: &Scope<'_>, contact: Fingerprint, sealed: &[u8], cause: Code, at: Stamp) -> Result<(), Stop> {
    if cause == Code::Repeated || contact::load(scope, contact)?.is_none() {
        return Ok(());
    }
    let hash = digest(&[sealed]);
    let id = hash.0.get(..16).ok_or(BROKEN)?;
    let mut put = scope.conn.prepare_cached(
        "INSERT INTO message (contact, outgoing, id, state, body, stamp, claimed, cause) VALUES (?1, 0, ?2, ?3, NULL, ?4, ?4, ?5)
         ON CONFLICT DO NOTHING",
    )?;
    put.execute(params![contact.0, id, state_number(MessageState::Unreadable), at.0, cause.number()])?;
    Ok(())
}

fn mark_delivered(scope: &Scope<'_>, contact: Fingerprint, named: impl Iterator<Item = MessageId>) -> Result<Vec<MessageId>, Stop> {
    let mut mark =
        scope.conn.prepare_cached("UPDATE message SET state = ?3 WHERE contact = ?1 AND outgoing = 1 AND id = ?2 AND state < ?3")?;
    let mut delivered = Vec::new();
    for message in named {
        if mark.execute(params![contact.0, message.0, state_number(MessageState::Delivered)])? > 0 {
            delivered.push(message);
        }
    }
    Ok(delivered)
}

/// What becomes of a message of ours.
pub(crate) struct Filed {
    pub(crate) message: MessageId,
    pub(crate) contact: Fingerprint,
    pub(crate) body: BodyRef,
    pub(crate) at: Stamp,
    pub(crate) state: MessageState,
    pub(crate) cause: Option<Code>,
}

/// Keeps the state of a message of ours; never backwards. One that was never encrypted gets its row now.
pub(crate) fn file(scope: &Scope<'_>, filed: &Filed) -> Result<Outcome, Stop> {
    let Filed { message, contact, body, at, state, cause } = filed;
    let cause = cause.map_or(0, Code::number);
    // Failed is no step forward from what the relay has stored.
    let before = if *state == MessageState::Failed { MessageState::Stored } else { *state };
    let mut find = scope.conn.prepare_cached("SELECT 1 FROM message WHERE contact = ?1 AND outgoing = 1 AND id = ?2")?;
    if find.query_row(params![contact.0, message.0], |_| Ok(())).optional()?.is_some() {
        let mut put = scope
            .conn
            .prepare_cached("UPDATE message SET state = ?3, cause = ?4 WHERE contact = ?1 AND outgoing = 1 AND id = ?2 AND state < ?5")?;
        put.execute(params![contact.0, message.0, state_number(*state), cause, state_number(before)])?;
    } else {
        let mut put = scope.conn.prepare_cached(
            "INSERT INTO message (contact, outgoing, id, state, body, stamp, claimed, cause)
             VALUES (?1, 1, ?2, ?3, (SELECT ref FROM body WHERE ref = ?4), ?5, ?5, ?6)",
        )?;
        put.execute(params![contact.0, message.0, state_number(*state), body.0, at.0, cause])?;
        index(scope)?;
    }
    Ok(Outcome::Done)
}

/// Deletes all messages with a contact, texts included. The groups stay, with the keys of messages that have not come: if the
/// contact writes again, that can be read, and asks to be accepted anew.
pub(crate) fn forget(scope: &Scope<'_>, contact: Fingerprint) -> Result<Outcome, Stop> {
    for delete in [
        // The index wants each text once more to forget it, so it goes first.
        "INSERT INTO search (search, rowid, text)
         SELECT 'delete', number, text FROM message_text WHERE number IN (SELECT number FROM message WHERE contact = ?1)",
        "DELETE FROM body WHERE ref IN (SELECT body FROM message WHERE contact = ?1)
         AND ref NOT IN (SELECT body FROM message WHERE contact <> ?1 AND body IS NOT NULL)",
        "DELETE FROM message WHERE contact = ?1",
    ] {
        scope.conn.prepare_cached(delete)?.execute([contact.0])?;
    }
    Ok(Outcome::Done)
}

/// States as numbers in rows: they only grow.
pub(crate) fn state_number(state: MessageState) -> i64 {
    match state {
        MessageState::Queued => 0,
        MessageState::Sent => 1,
        MessageState::Stored => 2,
        MessageState::Delivered => 3,
        MessageState::Failed => 4,
        MessageState::Unreadable => 5,
    }
}

/// The state of a number in a row.
pub(crate) fn state_of(number: i64) -> Option<MessageState> {
    [
        MessageState::Queued,
        MessageState::Sent,
        MessageState::Stored,
        MessageState::Delivered,
        MessageState::Failed,
        MessageState::Unreadable,
    ]
    .into_iter()
    .find(|state| state_number(*state) == number)
}
