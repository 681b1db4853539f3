//! The statements of the mailboxes: capabilities, items and FrameIds. Each finds its rows by an index, and each count is a column.

use super::integer;
use rusqlite::{Connection, OptionalExtension as _, Result, params};
use thicket_types::ids::{Digest, FrameId, MailboxId};
use thicket_types::ports::NewItem;

/// A mailbox's row.
pub(super) struct Mailbox {
    pub(super) number: i64,
    /// The place that was given last.
    pub(super) place_last: u64,
    pub(super) items: u64,
    /// Of them, those of the request box.
    pub(super) requests: u64,
    pub(super) capabilities: u64,
}

/// A capability's row. Stays after it was revoked, until its last item is gone.
pub(super) struct Capability {
    pub(super) number: i64,
    pub(super) held: bool,
    pub(super) items: u64,
}

pub(super) fn mailbox(conn: &Connection, id: MailboxId) -> Result<Option<Mailbox>> {
    let mut find = conn.prepare_cached("SELECT number, place_last, items, requests, capabilities FROM mailbox WHERE id = ?1")?;
    let mailbox = find.query_row(params![id.0], |row| {
        Ok(Mailbox { number: row.get(0)?, place_last: row.get(1)?, items: row.get(2)?, requests: row.get(3)?, capabilities: row.get(4)? })
    });
    mailbox.optional()
}

pub(super) fn put_mailbox(conn: &Connection, id: MailboxId) -> Result<()> {
    let mut put = conn.prepare_cached("INSERT INTO mailbox (id, place_last, items, requests, capabilities) VALUES (?1, 0, 0, 0, 0)")?;
    put.execute(params![id.0])?;
    Ok(())
}

/// The name under which a mailbox's owner is found.
pub(super) fn owner(conn: &Connection, id: MailboxId) -> Result<Option<String>> {
    let mut find = conn.prepare_cached("SELECT name_key FROM account WHERE mailbox = ?1")?;
    find.query_row(params![id.0], |row| row.get(0)).optional()
}

pub(super) fn capability(conn: &Connection, mailbox: i64, id: Digest) -> Result<Option<Capability>> {
    let mut find = conn.prepare_cached("SELECT number, held, items FROM capability WHERE mailbox = ?1 AND id = ?2")?;
    let capability =
        find.query_row(params![mailbox, id.0], |row| Ok(Capability { number: row.get(0)?, held: row.get(1)?, items: row.get(2)? }));
    capability.optional()
}

pub(super) fn add_capability(conn: &Connection, mailbox: i64, id: Digest) -> Result<()> {
    let mut add = conn.prepare_cached(
        "INSERT INTO capability (mailbox, id, held, items) VALUES (?1, ?2, 1, 0)
         ON CONFLICT (mailbox, id) DO UPDATE SET held = 1",
    )?;
    add.execute(params![mailbox, id.0])?;
    Ok(())
}

pub(super) fn revoke_capability(conn: &Connection, mailbox: i64, id: Digest) -> Result<()> {
    let mut remove = conn.prepare_cached("DELETE FROM capability WHERE mailbox = ?1 AND id = ?2 AND items = 0")?;
    if remove.execute(params![mailbox, id.0])? == 0 {
        conn.prepare_cached("UPDATE capability SET held = 0 WHERE mailbox = ?1 AND id = ?2")?.execute(params![mailbox, id.0])?;
    }
    Ok(())
}

pub(super) fn count_capabilities(conn: &Connection, mailbox: i64, count: u64) -> Result<()> {
    conn.prepare_cached("UPDATE mailbox SET capabilities = ?2 WHERE number = ?1")?.execute(params![mailbox, integer(count)])?;
    Ok(())
}

pub(super) fn knows_frame(conn: &Connection, mailbox: i64, frame: FrameId) -> Result<bool> {
    conn.prepare_cached("SELECT 1 FROM frame WHERE mailbox = ?1 AND id = ?2")?.exists(params![mailbox, frame.0])
}

/// Counts one more item against a capability, and gives its row's number.
pub(super) fn count_against(conn: &Connection, mailbox: i64, id: Digest, row: Option<Capability>) -> Result<i64> {
    let Some(Capability { number, .. }) = row else {
        let mut add = conn.prepare_cached("INSERT INTO capability (mailbox, id, held, items) VALUES (?1, ?2, 0, 1)")?;
        return add.insert(params![mailbox, id.0]);
    };
    conn.prepare_cached("UPDATE capability SET items = items + 1 WHERE number = ?1")?.execute(params![number])?;
    Ok(number)
}

/// Puts an item at a place, in the lane of a capability or, without one, in the request box.
pub(super) fn put_item(conn: &Connection, mailbox: i64, place: u64, capability: Option<i64>, item: &NewItem<'_>) -> Result<()> {
    let request = capability.is_none();
    let mut put = conn.prepare_cached("INSERT INTO item (mailbox, request, place, capability, envelope) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    put.execute(params![mailbox, request, place, capability, item.envelope])?;
    let mut know = conn.prepare_cached("INSERT INTO frame (mailbox, id, at, place) VALUES (?1, ?2, ?3, ?4)")?;
    know.execute(params![mailbox, item.frame.0, integer(item.at.0), place])?;
    let mut count =
        conn.prepare_cached("UPDATE mailbox SET place_last = ?2, items = items + 1, requests = requests + ?3 WHERE number = ?1")?;
    count.execute(params![mailbox, place, request])?;
    Ok(())
}

pub(super) fn items(conn: &Connection, id: MailboxId, count_max: u32) -> Result<Vec<(u64, Vec<u8>)>> {
    let mut find = conn.prepare_cached(
        "SELECT place, envelope FROM item WHERE mailbox = (SELECT number FROM mailbox WHERE id = ?1)
         ORDER BY request, place LIMIT ?2",
    )?;
    let items = find.query_map(params![id.0, count_max], |row| Ok((row.get(0)?, row.get(1)?)))?;
    items.collect()
}

/// Removes an item; says whether it was there.
pub(super) fn remove_item(conn: &Connection, mailbox: i64, place: u64) -> Result<bool> {
    let mut remove =
        conn.prepare_cached("DELETE FROM item WHERE mailbox = ?1 AND request IN (0, 1) AND place = ?2 RETURNING request, capability")?;
    let removed: Option<(bool, Option<i64>)> =
        remove.query_row(params![mailbox, place], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((request, capability)) = removed else {
        return Ok(false);
    };
    let mut count = conn.prepare_cached("UPDATE mailbox SET items = items - 1, requests = requests - ?2 WHERE number = ?1")?;
    count.execute(params![mailbox, request])?;
    if let Some(capability) = capability {
        conn.prepare_cached("UPDATE capability SET items = items - 1 WHERE number = ?1")?.execute(params![capability])?;
        conn.prepare_cached("DELETE FROM capability WHERE number = ?1 AND items = 0 AND held = 0")?.execute(params![capability])?;
    }
    Ok(true)
}

/// Mailbox, id and place of FrameIds that came before a time, oldest first.
pub(super) fn frames_before(conn: &Connection, before: i64, count_max: u32) -> Result<Vec<(i64, FrameId, u64)>> {
    let mut find = conn.prepare_cached("SELECT mailbox, id, place FROM frame WHERE at < ?1 ORDER BY at LIMIT ?2")?;
    let past = find.query_map(params![before, count_max], |row| Ok((row.get(0)?, FrameId(row.get(1)?), row.get(2)?)))?;
    past.collect()
}

/// Forgets the FrameId of a place, unless its item is there.
pub(super) fn forget_frame_of_gone(conn: &Connection, mailbox: i64, place: u64) -> Result<()> {
    let mut forget = conn.prepare_cached(
        "DELETE FROM frame WHERE mailbox = ?1 AND place = ?2
         AND NOT EXISTS (SELECT 1 FROM item WHERE mailbox = ?1 AND request IN (0, 1) AND place = ?2)",
    )?;
    forget.execute(params![mailbox, place])?;
    Ok(())
}

pub(super) fn forget_frame(conn: &Connection, mailbox: i64, frame: FrameId) -> Result<()> {
    conn.prepare_cached("DELETE FROM frame WHERE mailbox = ?1 AND id = ?2")?.execute(params![mailbox, frame.0])?;
    Ok(())
}
