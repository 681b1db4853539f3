//! What goes out to a contact: encrypted in the sending group, sealed to their mailbox key, made into a request.

use crate::contact::{self, Known};
use crate::conversation::{self, Buried, Sending};
use crate::mls::group;
use crate::mls::storage::MlsStore;
use crate::request::framed;
use crate::rows::Sent;
use crate::{BROKEN, Scope, Stop, capability, envelope, epochs, request, rows};
use openmls::prelude::LeafNodeParameters;
use openmls::prelude::tls_codec::Serialize as _;
use openmls_traits::OpenMlsProvider as _;
use prost::Message as _;
use rusqlite::{OptionalExtension as _, params};
use thicket_types::effect::MessageState;
use thicket_types::error::Code;
use thicket_types::event::Outcome;
use thicket_types::ids::{BodyRef, Fingerprint, MailboxId, MessageId};
use thicket_types::limits::{BODY_LEN_MAX, RECEIPTS_MAX};
use thicket_types::time::Stamp;
use thicket_types::wire::context;
use thicket_types::wire::peer::content::What;
use thicket_types::wire::peer::envelope::Content as Inside;
use thicket_types::wire::peer::{Content, Offer, OfferStatement, Opening, ReadMark, Receipt};
use thicket_types::wire::relay as wire;
use thicket_types::wire::relay::request::Ask;

/// To whom, and where their mail goes.
#[derive(Clone, Copy)]
pub(crate) struct Recipient {
    pub(crate) contact: Fingerprint,
    pub(crate) mailbox: MailboxId,
}

pub(crate) fn message(scope: &Scope<'_>, to: Recipient, message: MessageId, body: BodyRef, at: Stamp) -> Result<Outcome, Stop> {
    let mut find = scope.conn.prepare_cached("SELECT bytes FROM body WHERE ref = ?1")?;
    let text: Option<Vec<u8>> = find.query_row([body.0], |row| row.get(0)).optional()?;
    let text = text.and_then(|text| String::from_utf8(text).ok()).ok_or(Stop::Refused(Code::UnknownBody))?;
    if text.is_empty() || text.len() > BODY_LEN_MAX {
        return Err(Stop::Refused(if text.is_empty() { Code::EmptyMessage } else { Code::MessageTooLong }));
    }
    if rows::sent(scope, &to.contact.0, message)?.is_some() {
        return Err(Stop::Refused(Code::Repeated));
    }
    let framed = content(scope, to, message.0.to_vec(), at, What::Text(text))?;
    rows::keep_sent(scope, &to.contact.0, message, body, at)?;
    Ok(framed)
}

/// Encrypts a message that has a row once more: its recipient drops it if they have it. **Errors:** `UnknownMessage`, also
/// for one without text; `Repeated` if it has arrived.
pub(crate) fn again(scope: &Scope<'_>, to: Recipient, message: MessageId) -> Result<Outcome, Stop> {
    let Sent { state, text, at } = rows::sent(scope, &to.contact.0, message)?.ok_or(Stop::Refused(Code::UnknownMessage))?;
    let arrived = [MessageState::Delivered, MessageState::Read].map(rows::state_number);
    if arrived.contains(&state) {
        return Err(Stop::Refused(Code::Repeated));
    }
    let text = text.and_then(|text| String::from_utf8(text).ok()).ok_or(Stop::Refused(Code::UnknownMessage))?;
    rows::requeue(scope, to.contact, message)?;
    content(scope, to, message.0.to_vec(), at, What::Text(text))
}

/// Without messages it says no more than that we are in the epoch it is encrypted in.
pub(crate) fn receipt(scope: &Scope<'_>, to: Recipient, messages: &[MessageId], at: Stamp) -> Result<Outcome, Stop> {
    let delivered = messages.iter().take(RECEIPTS_MAX).map(|message| message.0.to_vec()).collect();
    content(scope, to, Vec::new(), at, What::Receipt(Receipt { delivered }))
}

/// Notes what was read, and tells it if it is to be told and there is a conversation to tell it in.
pub(crate) fn read_mark(
    scope: &Scope<'_>,
    contact: Fingerprint,
    message: MessageId,
    tell: Option<MailboxId>,
    at: Stamp,
) -> Result<Outcome, Stop> {
    rows::note_read(scope, contact, message)?;
    match tell {
        Some(mailbox) if conversation::sending(scope, contact)?.is_some() => {
            let mark = ReadMark { message: message.0.to_vec() };
            content(scope, Recipient { contact, mailbox }, Vec::new(), at, What::ReadMark(mark))
        }
        _ => Ok(Outcome::Done),
    }
}

fn content(scope: &Scope<'_>, to: Recipient, message: Vec<u8>, at: Stamp, what: What) -> Result<Outcome, Stop> {
    let group = conversation::sending(scope, to.contact)?.ok_or(Stop::Refused(Code::NoConversation))?;
    let capability = capability::granted(scope, to.contact)?.unwrap_or_default();
    let plain = Content { message, claimed_ms: at.0, what: Some(what), capability }.encode_to_vec();
    let provider = scope.provider();
    let mut mls = conversation::load(&provider, &group.id)?.ok_or(Stop::Refused(Code::NoConversation))?;
    let encrypted = mls.create_message(&provider, &scope.account.signer, &plain).map_err(|_| BROKEN)?;
    conversation::note_used(scope, &group.id, at)?;
    put(scope, to, group, encrypted.to_bytes().map_err(|_| BROKEN)?)
}

/// Renews our keys: an MLS self-update, pending until the contact is past it. One that is pending goes again.
pub(crate) fn key_update(scope: &Scope<'_>, to: Recipient, at: Stamp) -> Result<Outcome, Stop> {
    let group = conversation::sending(scope, to.contact)?.ok_or(Stop::Refused(Code::NoConversation))?;
    conversation::note_used(scope, &group.id, at)?;
    let commit = match epochs::pending(scope, &group.id)? {
        Some(commit) => commit,
        None => {
            let provider = scope.provider();
            let mut mls = conversation::load(&provider, &group.id)?.ok_or(Stop::Refused(Code::NoConversation))?;
            let staged = mls.self_update(&provider, &scope.account.signer, LeafNodeParameters::default()).map_err(|_| BROKEN)?;
            let commit = staged.commit().to_bytes().map_err(|_| BROKEN)?;
            epochs::keep_pending(scope, &group.id, &commit)?;
            commit
        }
    };
    put(scope, to, group, commit)
}

/// Seals an MLS message and makes the request that puts it. The Welcome goes along until the contact was heard in the group:
/// whichever envelope reaches them first lets them in.
fn put(scope: &Scope<'_>, to: Recipient, group: Sending, mls_message: Vec<u8>) -> Result<Outcome, Stop> {
    let inside = match group.welcome {
        Some(welcome) => Inside::Opening(Opening { welcome, mls_message }),
        None => Inside::MlsMessage(mls_message),
    };
    put_inside(scope, to, inside)
}

pub(crate) fn put_inside(scope: &Scope<'_>, to: Recipient, inside: Inside) -> Result<Outcome, Stop> {
    let Some(Known { mailbox_key: Some(mailbox_key), .. }) = contact::load(scope, to.contact)? else {
        return Err(Stop::Refused(Code::UnknownContact));
    };
    let envelope = envelope::seal(scope, to.contact, &mailbox_key, inside)?;
    let capability = capability::theirs(scope, to.contact)?.unwrap_or_default();
    framed(scope, Ask::Put(wire::Put { mailbox: to.mailbox.0.to_vec(), envelope, capability, stamp: None }))
}

/// Has a contact begin, from a key package of ours that they alone get.
pub(crate) fn offer(scope: &Scope<'_>, to: Recipient, anew: bool, at: Stamp) -> Result<Outcome, Stop> {
    let bundle = group::key_package(&scope.provider(), &scope.account.signer, request::own_leaf(scope), false).map_err(Stop::Broken)?;
    let key_package = bundle.key_package().tls_serialize_detached().map_err(|_| BROKEN)?;
    let reference = bundle.key_package().hash_ref(scope.provider().crypto()).map_err(|_| BROKEN)?;
    let address = MlsStore::key_package_address(&reference).map_err(|_| BROKEN)?;
    scope.conn.prepare_cached("INSERT INTO offered (address, at) VALUES (?1, ?2)")?.execute(params![address, at.0])?;
    let claimed_ms = contact::next_time(scope, to.contact, at)?;
    let statement = OfferStatement { to: to.contact.0.to_vec(), key_package, anew, claimed_ms }.encode_to_vec();
    let signature = request::sign(scope, context::OFFER, &statement)?;
    if anew {
        conversation::bury(scope, to.contact, Buried::All)?;
        scope.conn.prepare_cached("UPDATE contact SET told = 1 WHERE fingerprint = ?1")?.execute([to.contact.0])?;
    }
    put_inside(scope, to, Inside::Offer(Offer { statement, signature }))
}
