//! Messages' rows: what a message is here, and what became of it.

use crate::schema::fault;
use crate::{BROKEN, Scope, Stop, contact};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use thicket_journal_format::digest;
use thicket_types::effect::MessageState;
use thicket_types::error::Code;
use thicket_types::event::Outcome;
use thicket_types::ids::{BodyRef, Fingerprint, MessageId};
use thicket_types::limits::{OUTBOX_MAX, UNREADABLE_ROWS_MAX};
use thicket_types::time::Stamp;

/// Keeps a message that is about to be sent: `with` a contact, by their fingerprint, or a group, by its id.
pub(crate) fn keep_sent(scope: &Scope<'_>, with: &[u8], message: MessageId, body: BodyRef, at: Stamp) -> Result<(), Stop> {
    let mut put = scope.conn.prepare_cached(
        "INSERT INTO message (contact, outgoing, id, state, body, stamp, claimed, cause) VALUES (?1, 1, ?2, ?3, ?4, ?5, ?5, 0)",
    )?;
    put.execute(params![with, message.0, state_number(MessageState::Queued), body.0, at.0])?;
    index(scope)
}

/// A message of ours as its row has it.
pub(crate) struct Sent {
    pub(crate) state: i64,
    pub(crate) text: Option<Vec<u8>>,
    pub(crate) at: Stamp,
}

/// A message of ours, if it has a row.
pub(crate) fn sent(scope: &Scope<'_>, with: &[u8], message: MessageId) -> Result<Option<Sent>, Stop> {
    let mut find = scope.conn.prepare_cached(
        "SELECT state, bytes, stamp FROM message LEFT JOIN body ON message.body = body.ref
         WHERE contact = ?1 AND outgoing = 1 AND id = ?2",
    )?;
    let read = |row: &Row<'_>| Ok(Sent { state: row.get(0)?, text: row.get(1)?, at: Stamp(row.get(2)?) });
    Ok(find.query_row(params![with, message.0], read).optional()?)
}

/// A message goes once more. One that failed is back at the beginning. What its contact has read so far was read without it.
pub(crate) fn requeue(scope: &Scope<'_>, contact: Fingerprint, message: MessageId) -> Result<(), Stop> {
    let mut put = scope.conn.prepare_cached(
        "UPDATE message SET marked = 0, cause = 0, state = CASE state WHEN ?4 THEN ?3 ELSE state END
         WHERE contact = ?1 AND outgoing = 1 AND id = ?2",
    )?;
    let (queued, failed) = (state_number(MessageState::Queued), state_number(MessageState::Failed));
    put.execute(params![contact.0, message.0, queued, failed])?;
    Ok(())
}

/// Messages that were sealed and that no relay is known to have: the journal may know nothing of them, or more. Those that it
/// knows are queued again when they are sealed again; a receipt still makes them delivered.
pub(crate) fn fail_under_way(conn: &Connection) -> Result<(), Code> {
    let mut fail = conn.prepare_cached("UPDATE message SET state = ?1, cause = ?2 WHERE outgoing = 1 AND state < ?3").map_err(fault)?;
    let (failed, stored) = (state_number(MessageState::Failed), state_number(MessageState::Stored));
    fail.execute(params![failed, Code::RolledBack.number(), stored]).map(|_| ()).map_err(fault)
}

/// Messages of ours that a contact has not told of, oldest first.
pub(crate) fn untold(scope: &Scope<'_>, contact: Fingerprint) -> Result<Vec<MessageId>, Stop> {
    let mut find =
        scope.conn.prepare_cached("SELECT id FROM message WHERE contact = ?1 AND outgoing = 1 AND state < ?2 ORDER BY number LIMIT ?3")?;
    let most = i64::try_from(OUTBOX_MAX).unwrap_or(i64::MAX);
    let ids = find.query_map(params![contact.0, state_number(MessageState::Delivered), most], |row| row.get(0).map(MessageId))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// Keeps a message that came from a contact, or in a group (`with`) from a member (`sender`); `false` if one of that id came before,
/// which stays as it is.
pub(crate) fn keep_received(
    scope: &Scope<'_>,
    with: &[u8],
    sender: Option<Fingerprint>,
    message: MessageId,
    text: &str,
    at: Stamp,
    claimed_ms: u64,
) -> Result<bool, Stop> {
    let mut find = scope.conn.prepare_cached("SELECT 1 FROM message WHERE contact = ?1 AND outgoing = 0 AND id = ?2")?;
    if find.query_row(params![with, message.0], |_| Ok(())).optional()?.is_some() {
        return Ok(false);
    }
    let body = scope.random::<16>()?;
    scope.conn.prepare_cached("INSERT INTO body (ref, bytes) VALUES (?1, ?2)")?.execute(params![body, text.as_bytes()])?;
    // SQLite's integers are signed; a claimed time past their range is shown as the last one in it.
    let claimed = i64::try_from(claimed_ms).unwrap_or(i64::MAX);
    let mut put = scope.conn.prepare_cached(
        "INSERT INTO message (contact, outgoing, id, state, body, stamp, claimed, cause, sender) VALUES (?1, 0, ?2, ?3, ?4, ?5, ?6, 0, ?7)",
    )?;
    let sender = sender.map(|sender| sender.0);
    put.execute(params![with, message.0, state_number(MessageState::Delivered), body, at.0, claimed, sender])?;
    index(scope)?;
    Ok(true)
}

/// Puts the row just written into the search index.
pub(crate) fn index(scope: &Scope<'_>) -> Result<(), Stop> {
    let mut put = scope
        .conn
        .prepare_cached("INSERT INTO search (rowid, text) SELECT number, text FROM message_text WHERE number = last_insert_rowid()")?;
    put.execute([])?;
    Ok(())
}

/// Keeps a row for a message that can never be read, if we know its sender; a repeat needs none. Certificates are public, so
/// anybody can make such rows under a contact's name: past a bound no more are kept until the contact is heard.
pub(crate) fn keep_unreadable(scope: &Scope<'_>, contact: Fingerprint, sealed: &[u8], cause: Code, at: Stamp) -> Result<(), Stop> {
    if matches!(cause, Code::Repeated | Code::BadOffer) || contact::load(scope, contact)?.is_none() {
        return Ok(());
    }
    let unreadable = state_number(MessageState::Unreadable);
    let mut count = scope.conn.prepare_cached(
        "SELECT count(*) FROM message WHERE contact = ?1 AND state = ?2 AND number > (
             SELECT coalesce(max(number), 0) FROM message WHERE contact = ?1 AND outgoing = 0 AND state <> ?2
         )",
    )?;
    if count.query_row(params![contact.0, unreadable], |row| row.get::<_, u32>(0))? >= UNREADABLE_ROWS_MAX {
        return Ok(());
    }
    let hash = digest(&[sealed]);
    let id = hash.0.get(..16).ok_or(BROKEN)?;
    let mut put = scope.conn.prepare_cached(
        "INSERT INTO message (contact, outgoing, id, state, body, stamp, claimed, cause) VALUES (?1, 0, ?2, ?3, NULL, ?4, ?4, ?5)
         ON CONFLICT DO NOTHING",
    )?;
    put.execute(params![contact.0, id, unreadable, at.0, cause.number()])?;
    Ok(())
}

/// Marks messages of ours as delivered, or as read if a mark covered them; returns those that were neither before. One that was
/// taken for failed was not.
pub(crate) fn mark_delivered(
    scope: &Scope<'_>,
    contact: Fingerprint,
    named: impl Iterator<Item = MessageId>,
) -> Result<Vec<MessageId>, Stop> {
    let mut mark = scope.conn.prepare_cached(
        "UPDATE message SET state = CASE marked WHEN 1 THEN ?5 ELSE ?3 END, cause = 0
         WHERE contact = ?1 AND outgoing = 1 AND id = ?2 AND (state < ?3 OR state = ?4)",
    )?;
    let [arrived, failed, seen] = [MessageState::Delivered, MessageState::Failed, MessageState::Read].map(state_number);
    let mut delivered = Vec::new();
    for message in named {
        if mark.execute(params![contact.0, message.0, arrived, failed, seen])? > 0 {
            delivered.push(message);
        }
    }
    Ok(delivered)
}

/// Whether what contacts have read is shown.
fn shows_read(scope: &Scope<'_>) -> Result<bool, Stop> {
    let mut find = scope.conn.prepare_cached("SELECT value FROM meta WHERE key = 'show-read'")?;
    let value: Option<Vec<u8>> = find.query_row([], |row| row.get(0)).optional()?;
    Ok(value == Some(vec![1]))
}

/// Shows what contacts have read from now on, or shows it no more: what was shown falls back to delivered.
pub(crate) fn show_read(scope: &Scope<'_>, on: bool) -> Result<Outcome, Stop> {
    scope.conn.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES ('show-read', ?1)")?.execute([vec![u8::from(on)]])?;
    if !on {
        let mut hide = scope
            .conn
            .prepare_cached("UPDATE message SET marked = 0, state = CASE state WHEN ?2 THEN ?1 ELSE state END WHERE marked = 1")?;
        hide.execute([state_number(MessageState::Delivered), state_number(MessageState::Read)])?;
    }
    Ok(Outcome::Done)
}

/// The contact has read up to a message of ours: that one, and all before it that they have. Of the others their receipt may still
/// be on its way, or they dropped them and will never send one, so these are marked, and shown as read once it is here.
pub(crate) fn mark_read(scope: &Scope<'_>, contact: Fingerprint, message: MessageId) -> Result<(), Stop> {
    if shows_read(scope)? {
        let mut mark = scope.conn.prepare_cached(
            "UPDATE message SET marked = 1, state = CASE WHEN state = ?4 OR id = ?2 THEN ?3 ELSE state END
             WHERE contact = ?1 AND outgoing = 1 AND state < ?3
             AND number <= (SELECT number FROM message WHERE contact = ?1 AND outgoing = 1 AND id = ?2)",
        )?;
        let (read, delivered) = (state_number(MessageState::Read), state_number(MessageState::Delivered));
        mark.execute(params![contact.0, message.0, read, delivered])?;
    }
    Ok(())
}

/// Notes that we have read up to a message of a contact; never backwards. **Errors:** `UnknownMessage`.
pub(crate) fn note_read(scope: &Scope<'_>, contact: Fingerprint, message: MessageId) -> Result<(), Stop> {
    let mut note = scope.conn.prepare_cached(
        "UPDATE contact SET read_number = max(read_number, message.number) FROM message
         WHERE contact.fingerprint = ?1 AND message.contact = ?1 AND message.outgoing = 0 AND message.id = ?2",
    )?;
    if note.execute(params![contact.0, message.0])? == 0 { Err(Stop::Refused(Code::UnknownMessage)) } else { Ok(()) }
}

/// What becomes of a message of ours.
pub(crate) struct Filed {
    pub(crate) message: MessageId,
    pub(crate) contact: Fingerprint,
    pub(crate) body: Option<BodyRef>,
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
        put.execute(params![contact.0, message.0, state_number(*state), body.map(|body| body.0), at.0, cause])?;
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
        // An offer that was to tell them that earlier groups are dead may have been called back.
        "UPDATE contact SET told = 0 WHERE fingerprint = ?1",
    ] {
        scope.conn.prepare_cached(delete)?.execute([contact.0])?;
    }
    Ok(Outcome::Done)
}

/// Deletes one message here, its text included. One that is not there is no error.
pub(crate) fn forget_message(scope: &Scope<'_>, contact: Fingerprint, message: MessageId, sent: bool) -> Result<Outcome, Stop> {
    for delete in [
        "INSERT INTO search (search, rowid, text)
         SELECT 'delete', number, text FROM message_text
         WHERE number IN (SELECT number FROM message WHERE contact = ?1 AND id = ?2 AND outgoing = ?3)",
        "DELETE FROM body WHERE ref IN (SELECT body FROM message WHERE contact = ?1 AND id = ?2 AND outgoing = ?3)
         AND (SELECT count(*) FROM message WHERE body = ref) = 1",
        "DELETE FROM message WHERE contact = ?1 AND id = ?2 AND outgoing = ?3",
    ] {
        scope.conn.prepare_cached(delete)?.execute(params![contact.0, message.0, sent])?;
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
        MessageState::Read => 4,
        MessageState::Failed => 5,
        MessageState::Unreadable => 6,
    }
}

/// The state of a number in a row.
pub(crate) fn state_of(number: i64) -> Option<MessageState> {
    [
        MessageState::Queued,
        MessageState::Sent,
        MessageState::Stored,
        MessageState::Delivered,
        MessageState::Read,
        MessageState::Failed,
        MessageState::Unreadable,
    ]
    .into_iter()
    .find(|state| state_number(*state) == number)
}
