//! Messages: encrypted in the present epoch, sealed for the log, and posted.

use super::commit::post;
use super::{entry, kept};
use crate::rows;
use crate::{BROKEN, Scope, Stop};
use prost::Message as _;
use rusqlite::params;
use thicket_journal_format::digest;
use thicket_types::error::Code;
use thicket_types::event::Outcome;
use thicket_types::ids::{BodyRef, Fingerprint, GroupId, MessageId};
use thicket_types::limits::BODY_LEN_MAX;
use thicket_types::time::Stamp;
use thicket_types::wire::peer::{Content, content, group_entry};
use thicket_types::wire::relay::EntryKind;

/// Encrypts a text for a group and makes the request that posts it. What was posted before and lost its place is encrypted anew.
pub(crate) fn seal(scope: &Scope<'_>, id: GroupId, message: MessageId, body: Option<BodyRef>, at: Stamp) -> Result<Outcome, Stop> {
    let group = kept::load(scope, id)?;
    if group.gone {
        return Err(Stop::Refused(Code::NoMember));
    }
    if let Some(body) = body {
        rows::keep_sent(scope, &id.0, message, body, at)?;
    }
    let text = rows::sent(scope, &id.0, message)?.and_then(|sent| sent.text).ok_or(Stop::Refused(Code::UnknownMessage))?;
    let text = String::from_utf8(text).map_err(|_| Stop::Refused(Code::UnknownMessage))?;
    let plain = Content { message: message.0.to_vec(), claimed_ms: at.0, what: Some(content::What::Text(text)), capability: Vec::new() };
    let provider = scope.provider();
    let mut mls = kept::load_mls(&provider, id)?.ok_or(BROKEN)?;
    // What the writer had seen of the log: whoever has seen another says so.
    mls.set_aad([group.followed.to_be_bytes().as_slice(), &group.prefix.0].concat());
    let sealed = mls.create_message(&provider, &scope.account.signer, &plain.encode_to_vec()).map_err(|_| BROKEN)?;
    let sealed = sealed.to_bytes().map_err(|_| BROKEN)?;
    let epoch = group.present()?.commit;
    let key = kept::entries_key(scope, id, epoch)?;
    let entry = entry::seal(scope, id, epoch, &key, group_entry::What::Message(sealed))?;
    let mut put = scope.conn.prepare_cached("INSERT OR IGNORE INTO log_post (group_id, frame, at) VALUES (?1, ?2, ?3)")?;
    put.execute(params![id.0, digest(&[&entry]).0, at.0])?;
    post(scope, &group, EntryKind::Message, entry, Vec::new())
}

/// Whether this entry is a message of ours, however often the relay shows it.
pub(super) fn is_own(scope: &Scope<'_>, id: GroupId, entry: &[u8]) -> Result<bool, Stop> {
    let mut find = scope.conn.prepare_cached("SELECT 1 FROM log_post WHERE group_id = ?1 AND frame = ?2")?;
    Ok(find.exists(params![id.0, digest(&[entry]).0])?)
}

/// Keeps a message of a member, and returns its name. **Errors**, as data: `Repeated` for one of theirs that is here, `MalformedEnvelope`
/// for what is no message, `ForgedSender` for one under a name that another member gave to theirs: nobody's is taken for a repeat of it.
pub(super) fn keep_received(
    scope: &Scope<'_>,
    id: GroupId,
    by: Fingerprint,
    plain: &[u8],
    at: Stamp,
) -> Result<Result<MessageId, Code>, Stop> {
    let Ok(Content { message, claimed_ms, what: Some(content::What::Text(text)), capability: _ }) = Content::decode(plain) else {
        return Ok(Err(Code::MalformedEnvelope));
    };
    let Some(message) = MessageId::parse(&message).filter(|_| !text.is_empty() && text.len() <= BODY_LEN_MAX) else {
        return Ok(Err(Code::MalformedEnvelope));
    };
    if rows::keep_received(scope, &id.0, Some(by), message, &text, at, claimed_ms)? {
        return Ok(Ok(message));
    }
    let mut find = scope.conn.prepare_cached("SELECT 1 FROM message WHERE contact = ?1 AND outgoing = 0 AND id = ?2 AND sender = ?3")?;
    let theirs = find.exists(params![id.0, message.0, by.0])?;
    Ok(Err(if theirs { Code::Repeated } else { Code::ForgedSender }))
}
