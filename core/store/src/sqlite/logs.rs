//! The statements of groups' logs. Each finds its rows by an index, and each count is a column.

use super::{SqliteStore, integer};
use crate::logs;
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};
use std::collections::BTreeMap;
use thicket_types::ids::{Digest, FrameId, Incarnation, LogId};
use thicket_types::limits::POSTING_KEYS_MAX;
use thicket_types::ports::{EntryKind, LogEntry, LogHead, LogLane, Logs, NewEntry, NewLog, PostingKey, Readable, StoreError};
use thicket_types::time::Stamp;

/// A log's row.
struct Log {
    number: i64,
    head: LogHead,
    /// Posting keys that were registered.
    keys: u64,
    /// Bytes of the entries that are kept.
    len: u64,
    /// When something was posted last.
    at: i64,
}

fn log(row: &Row<'_>) -> Result<Log> {
    Ok(Log {
        number: row.get(0)?,
        head: LogHead { first: row.get(1)?, last: row.get(2)?, commit: row.get(3)?, created: Digest(row.get(4)?) },
        keys: row.get(5)?,
        len: row.get(6)?,
        at: row.get(7)?,
    })
}

fn of_id(conn: &Connection, id: LogId) -> Result<Option<Log>> {
    let mut find = conn.prepare_cached("SELECT number, first, last, last_commit, created, keys, len, at FROM group_log WHERE id = ?1")?;
    find.query_row(params![id.0], log).optional()
}

fn keep(conn: &Connection, Log { number, head, keys, len, at }: &Log) -> Result<()> {
    let LogHead { first, last, commit, created: _ } = head;
    let mut keep = conn
        .prepare_cached("UPDATE group_log SET first = ?2, last = ?3, last_commit = ?4, keys = ?5, len = ?6, at = ?7 WHERE number = ?1")?;
    keep.execute(params![number, first, last, commit, keys, len, at])?;
    Ok(())
}

fn lanes(conn: &Connection, log: i64) -> Result<BTreeMap<Digest, bool>> {
    let mut find = conn.prepare_cached("SELECT lane, owner FROM log_lane WHERE log = ?1")?;
    find.query_map(params![log], |row| Ok((Digest(row.get(0)?), row.get(1)?)))?.collect()
}

fn put_lanes(conn: &Connection, log: i64, lanes: &BTreeMap<Digest, bool>) -> Result<()> {
    conn.prepare_cached("DELETE FROM log_lane WHERE log = ?1")?.execute(params![log])?;
    let mut put = conn.prepare_cached("INSERT INTO log_lane (log, lane, owner) VALUES (?1, ?2, ?3)")?;
    lanes.iter().try_for_each(|(lane, owner)| put.execute(params![log, lane.0, owner]).map(|_| ()))
}

fn register(conn: &Connection, row: &mut Log, posting: Digest, at: i64) -> Result<()> {
    let mut replaced = conn.prepare_cached("UPDATE posting_key SET replaced = ?3 WHERE log = ?1 AND number = ?2")?;
    replaced.execute(params![row.number, row.keys, at])?;
    row.keys = row.keys.saturating_add(1);
    let mut put = conn.prepare_cached("INSERT INTO posting_key (log, number, digest) VALUES (?1, ?2, ?3)")?;
    put.execute(params![row.number, row.keys, posting.0])?;
    if let Some(old) = row.keys.checked_sub(POSTING_KEYS_MAX) {
        conn.prepare_cached("DELETE FROM posting_key WHERE log = ?1 AND number = ?2")?.execute(params![row.number, old])?;
    }
    Ok(())
}

fn put_reading_key(conn: &Connection, log: i64, entry: u64, key: Digest) -> Result<()> {
    let mut put = conn.prepare_cached("INSERT INTO reading_key (log, entry, digest) VALUES (?1, ?2, ?3)")?;
    put.execute(params![log, entry, key.0])?;
    Ok(())
}

/// Lets the oldest entry go, with the reading keys that read nothing after it.
fn forget_entry(conn: &Connection, row: &mut Log) -> Result<()> {
    let first = row.head.first;
    let mut len = conn.prepare_cached("SELECT length(bytes) FROM log_entry WHERE log = ?1 AND entry = ?2")?;
    let len: Option<u64> = len.query_row(params![row.number, first], |row| row.get(0)).optional()?;
    row.len = row.len.saturating_sub(len.unwrap_or(0));
    conn.prepare_cached("DELETE FROM log_entry WHERE log = ?1 AND entry = ?2")?.execute(params![row.number, first])?;
    row.head.first = first.saturating_add(1);
    let mut gate = conn.prepare_cached("SELECT 1 FROM reading_key WHERE log = ?1 AND entry = ?2")?;
    if gate.exists(params![row.number, first])? {
        conn.prepare_cached("DELETE FROM reading_key WHERE log = ?1 AND entry < ?2")?.execute(params![row.number, first])?;
    }
    Ok(())
}

fn kind(kind: EntryKind) -> i64 {
    match kind {
        EntryKind::Commit => 1,
        EntryKind::Message => 2,
        EntryKind::Control => 3,
    }
}

fn kind_of(number: i64) -> EntryKind {
    match number {
        1 => EntryKind::Commit,
        2 => EntryKind::Message,
        _ => EntryKind::Control,
    }
}

/// Logs that hold an entry which came before a time, and those to which nothing was posted since another.
pub(super) fn past(conn: &Connection, entries_before: i64, logs_before: i64, count_max: u32) -> Result<Vec<LogId>> {
    let mut find = conn.prepare_cached(
        "SELECT id FROM group_log WHERE number IN (SELECT log FROM log_entry WHERE at < ?1 ORDER BY at LIMIT ?3)
         UNION SELECT id FROM (SELECT id FROM group_log WHERE at < ?2 LIMIT ?3)",
    )?;
    find.query_map(params![entries_before, logs_before, count_max], |row| Ok(LogId(row.get(0)?)))?.collect()
}

/// Removes entries that came before a time, and the log if nothing was posted to it since another: so many entries, and no more. Says
/// how many.
pub(super) fn clean(conn: &Connection, id: LogId, entries_before: i64, logs_before: i64, count_max: u64) -> Result<u64> {
    let Some(mut row) = of_id(conn, id)? else {
        return Ok(0);
    };
    let all = row.at < logs_before;
    let mut removed = 0;
    let mut is_past = conn.prepare_cached("SELECT 1 FROM log_entry WHERE log = ?1 AND entry = ?2 AND at < ?3")?;
    while removed < count_max
        && row.head.first <= row.head.last
        && (all || is_past.exists(params![row.number, row.head.first, entries_before])?)
    {
        forget_entry(conn, &mut row)?;
        removed += 1;
    }
    if all && row.head.first > row.head.last {
        for table in ["posting_key", "reading_key", "log_lane"] {
            conn.prepare_cached(&format!("DELETE FROM {table} WHERE log = ?1"))?.execute(params![row.number])?;
        }
        conn.prepare_cached("DELETE FROM group_log WHERE number = ?1")?.execute(params![row.number])?;
    } else if removed > 0 {
        keep(conn, &row)?;
    }
    Ok(removed)
}

impl SqliteStore {
    fn log_row(&mut self, log: LogId) -> std::result::Result<Option<Log>, StoreError> {
        self.read(|conn| of_id(conn, log))
    }
}

type Done<T> = std::result::Result<T, StoreError>;

impl Logs for SqliteStore {
    fn incarnation(&mut self) -> Done<Incarnation> {
        self.read(|conn| conn.prepare_cached("SELECT id FROM incarnation")?.query_row([], |row| Ok(Incarnation(row.get(0)?))))
    }

    fn logs(&mut self) -> Done<u64> {
        self.read(|conn| conn.prepare_cached("SELECT count(*) FROM group_log")?.query_row([], |row| row.get(0)))
    }

    fn log(&mut self, log: LogId) -> Done<Option<LogHead>> {
        Ok(self.log_row(log)?.map(|row| row.head))
    }

    fn create_log(&mut self, new: &NewLog<'_>) -> Done<()> {
        let NewLog { log, created, posting, reading, lanes: given, at } = *new;
        if self.log_row(log)?.is_some() {
            return Err(StoreError::Failed);
        }
        let lanes = logs::lanes(BTreeMap::new(), given, &[])?;
        self.write(|conn| {
            let mut put = conn.prepare_cached(
                "INSERT INTO group_log (id, created, first, last, last_commit, keys, len, at) VALUES (?1, ?2, 1, 0, 0, 0, 0, ?3)",
            )?;
            put.execute(params![log.0, created.0, integer(at.0)])?;
            let head = LogHead { first: 1, last: 0, commit: 0, created };
            let mut row = Log { number: conn.last_insert_rowid(), head, keys: 0, len: 0, at: integer(at.0) };
            register(conn, &mut row, posting, integer(at.0))?;
            put_reading_key(conn, row.number, 0, reading)?;
            put_lanes(conn, row.number, &lanes)?;
            keep(conn, &row)
        })
    }

    fn log_lane(&mut self, log: LogId, lane: Digest) -> Done<Option<LogLane>> {
        let Some(row) = self.log_row(log)? else {
            return Ok(None);
        };
        self.read(|conn| {
            let mut find = conn.prepare_cached("SELECT owner FROM log_lane WHERE log = ?1 AND lane = ?2")?;
            find.query_row(params![row.number, lane.0], |row| Ok(LogLane { lane, owner: row.get(0)? })).optional()
        })
    }

    fn set_log_lanes(&mut self, log: LogId, add: &[LogLane], remove: &[Digest]) -> Done<()> {
        let row = self.log_row(log)?.ok_or(StoreError::Failed)?;
        let lanes = logs::lanes(self.read(|conn| lanes(conn, row.number))?, add, remove)?;
        self.write(|conn| put_lanes(conn, row.number, &lanes))
    }

    fn posting_key(&mut self, log: LogId, key: Digest) -> Done<Option<PostingKey>> {
        let Some(row) = self.log_row(log)? else {
            return Ok(None);
        };
        self.read(|conn| {
            let mut find =
                conn.prepare_cached("SELECT replaced FROM posting_key WHERE log = ?1 AND digest = ?2 ORDER BY number DESC LIMIT 1")?;
            let found = find.query_row(params![row.number, key.0], |found| found.get::<_, Option<u64>>(0));
            Ok(found.optional()?.map(|replaced| PostingKey { replaced: replaced.map(Stamp) }))
        })
    }

    fn retire_posting_keys(&mut self, log: LogId) -> Done<()> {
        let row = self.log_row(log)?.ok_or(StoreError::Failed)?;
        self.write(|conn| {
            conn.prepare_cached("DELETE FROM posting_key WHERE log = ?1 AND number < ?2")?.execute(params![row.number, row.keys])?;
            Ok(())
        })
    }

    fn readable(&mut self, log: LogId, key: Digest) -> Done<Option<Readable>> {
        let Some(row) = self.log_row(log)? else {
            return Ok(None);
        };
        self.read(|conn| {
            let mut find = conn.prepare_cached(
                "SELECT entry, (SELECT min(entry) FROM reading_key AS later WHERE later.log = ?1 AND later.entry > reading_key.entry)
                 FROM reading_key WHERE log = ?1 AND digest = ?2 ORDER BY entry DESC LIMIT 1",
            )?;
            let found = find.query_row(params![row.number, key.0], |row| {
                let (gate, last): (u64, Option<u64>) = (row.get(0)?, row.get(1)?);
                Ok(Readable { first: gate.saturating_add(1), last })
            });
            found.optional()
        })
    }

    fn entry_number(&mut self, log: LogId, frame: FrameId) -> Done<Option<u64>> {
        let Some(row) = self.log_row(log)? else {
            return Ok(None);
        };
        self.read(|conn| {
            let mut find = conn.prepare_cached("SELECT entry FROM log_entry WHERE log = ?1 AND frame = ?2")?;
            find.query_row(params![row.number, frame.0], |row| row.get(0)).optional()
        })
    }

    fn append_entry(&mut self, new: &NewEntry<'_>) -> Done<u64> {
        let NewEntry { log, frame, kind: of, bytes, registers, at } = *new;
        let mut row = self.log_row(log)?.ok_or(StoreError::Failed)?;
        if self.entry_number(log, frame)?.is_some() {
            return Err(StoreError::Failed);
        }
        let number = row.head.last.saturating_add(1);
        self.write(|conn| {
            row.head.last = number;
            row.len = row.len.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            row.at = integer(at.0);
            let mut put = conn.prepare_cached(
                "INSERT INTO log_entry (log, entry, frame, kind, bytes, posting, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?;
            put.execute(params![row.number, number, frame.0, kind(of), bytes, registers.map(|registers| registers.posting.0), row.at])?;
            if of == EntryKind::Commit {
                row.head.commit = number;
            }
            if let Some(registers) = registers {
                register(conn, &mut row, registers.posting, integer(at.0))?;
                if let Some(reading) = registers.reading {
                    put_reading_key(conn, row.number, number, reading)?;
                }
            }
            while logs::is_past(number.saturating_add(1).saturating_sub(row.head.first), row.len) {
                forget_entry(conn, &mut row)?;
            }
            keep(conn, &row)
        })?;
        Ok(number)
    }

    fn entries(&mut self, log: LogId, from: u64, upto: u64, count_max: u32, len_max: usize) -> Done<Vec<LogEntry>> {
        let Some(row) = self.log_row(log)? else {
            return Ok(Vec::new());
        };
        self.read(|conn| {
            let mut find = conn.prepare_cached(
                "SELECT entry, kind, bytes, posting FROM log_entry WHERE log = ?1 AND entry >= ?2 AND entry <= ?3 ORDER BY entry LIMIT ?4",
            )?;
            let mut rows = find.query(params![row.number, integer(from), integer(upto), count_max])?;
            let (mut found, mut room) = (Vec::new(), len_max);
            while let Some(row) = rows.next()? {
                let (bytes, posting): (Vec<u8>, Option<[u8; 32]>) = (row.get(2)?, row.get(3)?);
                if bytes.len() > room && !found.is_empty() {
                    break;
                }
                room = room.saturating_sub(bytes.len());
                found.push(LogEntry { number: row.get(0)?, kind: kind_of(row.get(1)?), bytes, posting: posting.map(Digest) });
            }
            Ok(found)
        })
    }
}
