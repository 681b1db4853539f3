//! A store on disk: one SQLite database, used without a key, so plain.
//!
//! ```text
//!   directory   account, key_package     the only rows that lead to a name
//!   mailboxes   mailbox, item, frame     random ids and sealed bytes
//! ```
//!
//! The first write begins a transaction; [`Store::commit`] ends it. A statement that fails within it spoils the whole of it,
//! since SQLite may have ended it by itself: nothing more is done until [`Store::roll_back`].

#[cfg(test)]
mod tests;

use crate::volatile::Volatile;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use std::fs::{self, File};
use std::path::{self, Path};
use std::{error, fmt, io};
use thicket_types::ids::{Fingerprint, FrameId, LaneTag, MailboxId};
use thicket_types::limits::{MAILBOX_ITEMS_MAX, RETENTION};
use thicket_types::name::{Name, NameKey};
use thicket_types::ports::{Account, OpenChallenge, PutOutcome, Store, StoreError};
use thicket_types::time::Stamp;

/// The schema's version, kept as SQLite's `user_version`.
const VERSION: i64 = 1;

/// FrameIds that one call of [`Store::clean`] removes at most, each with its item: a turn never stalls for long.
const CLEAN_MAX: u32 = 1_000;

// An item and its FrameId came at the same time, so one index by time serves both; a place leads from the one to the other.
// Rows that may be large have a rowid: without one they would stand in the inner pages too.
const TABLES: &str = "
CREATE TABLE account (
    number INTEGER PRIMARY KEY,
    name_key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    certificate BLOB NOT NULL,
    mailbox BLOB NOT NULL UNIQUE,
    mailbox_key_statement BLOB NOT NULL,
    mailbox_key_signature BLOB NOT NULL,
    last_resort BLOB
);
CREATE TABLE key_package (
    number INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    bytes BLOB NOT NULL
);
CREATE INDEX key_package_by_account ON key_package (account);
CREATE TABLE mailbox (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    place_last INTEGER NOT NULL,
    items INTEGER NOT NULL
);
CREATE TABLE item (
    number INTEGER PRIMARY KEY,
    mailbox INTEGER NOT NULL,
    place INTEGER NOT NULL,
    envelope BLOB NOT NULL
);
CREATE UNIQUE INDEX item_by_place ON item (mailbox, place);
CREATE TABLE frame (
    mailbox INTEGER NOT NULL,
    id BLOB NOT NULL,
    at INTEGER NOT NULL,
    place INTEGER NOT NULL,
    PRIMARY KEY (mailbox, id)
) WITHOUT ROWID;
CREATE INDEX frame_by_at ON frame (at);
";

/// Why a store did not open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenError {
    /// A newer version made it. It was left as it is.
    Newer,
    /// The file is damaged, or no store.
    Damaged,
    /// There is no room.
    DiskFull,
    /// The disk failed: an I/O error, no permission, or no such folder.
    DiskFailed,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OpenError::Newer => "the store was made by a newer version",
            OpenError::Damaged => "the store's file is damaged, or no store",
            OpenError::DiskFull => "the disk is full",
            OpenError::DiskFailed => "the disk failed",
        })
    }
}

impl error::Error for OpenError {}

/// Why no backup was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BackupError {
    /// There is such a file already. It was left as it is.
    Exists,
    /// There is something to commit first.
    Uncommitted,
    /// There is no room.
    DiskFull,
    /// The disk failed: an I/O error, no permission, or no such folder.
    DiskFailed,
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BackupError::Exists => "the backup's file exists already",
            BackupError::Uncommitted => "the store has something to commit first",
            BackupError::DiskFull => "the disk is full",
            BackupError::DiskFailed => "the disk failed",
        })
    }
}

impl error::Error for BackupError {}

/// A store on disk. Challenges, lanes and remembered answers are in memory: a restart forgets them, as it does reply paths.
pub struct SqliteStore {
    conn: Connection,
    volatile: Volatile,
    /// Whether a transaction was begun.
    writing: bool,
    /// Whether something failed within it.
    spoiled: bool,
}

impl SqliteStore {
    /// Opens the store at a path, or makes it if there is none. One process at a time: lanes are in memory.
    pub fn open(path: &Path) -> Result<SqliteStore, OpenError> {
        // SQLite takes an absolute path for nothing but a file: neither `:memory:` nor a URI.
        let path = path::absolute(path).map_err(|_| OpenError::DiskFailed)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(path, flags).map_err(fault)?;
        // Read before anything is written: what is not ours stays as it is.
        let version: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fault)?;
        let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0)).map_err(fault)?;
        match (version, tables) {
            (VERSION, _) | (0, 0) => {}
            (newer, _) if newer > VERSION => return Err(OpenError::Newer),
            (_, _) => return Err(OpenError::Damaged),
        }
        conn.execute_batch("PRAGMA temp_store = MEMORY; PRAGMA secure_delete = ON; PRAGMA busy_timeout = 5000;").map_err(fault)?;
        conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;").map_err(fault)?;
        conn.set_prepared_statement_cache_capacity(64);
        if version == 0 {
            let made = format!("BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;");
            conn.execute_batch(&made).map_err(fault)?;
        }
        Ok(SqliteStore { conn, volatile: Volatile::default(), writing: false, spoiled: false })
    }

    /// Writes what is durable into a new file, which opens as a store.
    pub fn backup(&self, to: &Path) -> Result<(), BackupError> {
        if self.writing {
            return Err(BackupError::Uncommitted);
        }
        let to = path::absolute(to).map_err(|_| BackupError::DiskFailed)?;
        let text = to.to_str().ok_or(BackupError::DiskFailed)?;
        // Takes the name, so that nothing is written over; SQLite fills a file that is empty, and no other.
        let file = File::options().write(true).create_new(true).open(&to).map_err(|error| backup_fault(&error))?;
        let filled = self.conn.execute("VACUUM INTO ?1", [text]).map_err(|error| match fault(error) {
            OpenError::DiskFull => BackupError::DiskFull,
            OpenError::Newer | OpenError::Damaged | OpenError::DiskFailed => BackupError::DiskFailed,
        });
        let done = filled.and_then(|_| file.sync_all().and_then(|()| sync_folder(&to)).map_err(|error| backup_fault(&error)));
        if done.is_err() {
            // Half a backup is none; if it can't be removed, the error says enough.
            let _ = fs::remove_file(&to);
        }
        done
    }

    /// Runs statements that change nothing. A failure within a transaction spoils it.
    fn read<T>(&mut self, run: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        if self.spoiled {
            return Err(StoreError::Failed);
        }
        let done = run(&self.conn);
        if done.is_err() && self.writing {
            self.spoiled = true;
        }
        done.map_err(|_| StoreError::Failed)
    }

    /// Runs statements within the transaction, which the first of them begins.
    fn write<T>(&mut self, run: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        if !self.writing {
            self.conn.execute_batch("BEGIN IMMEDIATE").map_err(|_| StoreError::Failed)?;
            self.writing = true;
        }
        self.read(run)
    }

    fn account_number(&mut self, name: &NameKey) -> Result<Option<i64>, StoreError> {
        self.read(|conn| {
            let mut find = conn.prepare_cached("SELECT number FROM account WHERE name_key = ?1")?;
            find.query_row(params![name.text()], |row| row.get(0)).optional()
        })
    }

    fn mailbox(&mut self, id: MailboxId) -> Result<Option<Mailbox>, StoreError> {
        self.read(|conn| {
            let mut find = conn.prepare_cached("SELECT number, place_last, items FROM mailbox WHERE id = ?1")?;
            let mailbox =
                find.query_row(params![id.0], |row| Ok(Mailbox { number: row.get(0)?, place_last: row.get(1)?, items: row.get(2)? }));
            mailbox.optional()
        })
    }
}

/// A mailbox's row.
struct Mailbox {
    number: i64,
    /// The place that was given last.
    place_last: u64,
    items: u64,
}

impl Store for SqliteStore {
    fn account(&mut self, name: &NameKey) -> Result<Option<Account>, StoreError> {
        self.read(|conn| {
            let mut find = conn.prepare_cached(
                "SELECT name, fingerprint, certificate, mailbox, mailbox_key_statement, mailbox_key_signature
                 FROM account WHERE name_key = ?1",
            )?;
            let account = find.query_row(params![name.text()], |row| {
                Ok(Account {
                    name: row.get(0)?,
                    fingerprint: Fingerprint(row.get(1)?),
                    certificate: row.get(2)?,
                    mailbox: MailboxId(row.get(3)?),
                    mailbox_key_statement: row.get(4)?,
                    mailbox_key_signature: row.get(5)?,
                })
            });
            account.optional()
        })
    }

    fn put_account(&mut self, name: &NameKey, account: &Account) -> Result<(), StoreError> {
        let Account { name: text, fingerprint, certificate, mailbox, mailbox_key_statement, mailbox_key_signature } = account;
        let before = self.account(name)?;
        match before {
            Some(before) if before.fingerprint != *fingerprint => Err(StoreError::Failed),
            Some(_) => self.write(|conn| {
                let mut replace =
                    conn.prepare_cached("UPDATE account SET mailbox_key_statement = ?2, mailbox_key_signature = ?3 WHERE name_key = ?1")?;
                replace.execute(params![name.text(), mailbox_key_statement, mailbox_key_signature])?;
                Ok(())
            }),
            None if self.mailbox(*mailbox)?.is_some() => Err(StoreError::Failed),
            None => self.write(|conn| {
                let mut put = conn.prepare_cached(
                    "INSERT INTO account
                     (name_key, name, fingerprint, certificate, mailbox, mailbox_key_statement, mailbox_key_signature)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?;
                put.execute(params![
                    name.text(),
                    text,
                    fingerprint.0,
                    certificate,
                    mailbox.0,
                    mailbox_key_statement,
                    mailbox_key_signature
                ])?;
                conn.prepare_cached("INSERT INTO mailbox (id, place_last, items) VALUES (?1, 0, 0)")?.execute(params![mailbox.0])?;
                Ok(())
            }),
        }
    }

    fn put_challenge(&mut self, nonce: [u8; 32], challenge: &OpenChallenge) -> Result<(), StoreError> {
        self.volatile.put_challenge(nonce, challenge)
    }

    fn take_challenge(&mut self, nonce: [u8; 32]) -> Result<Option<OpenChallenge>, StoreError> {
        Ok(self.volatile.take_challenge(nonce))
    }

    fn bind_lane(&mut self, tag: LaneTag, name: &NameKey) -> Result<(), StoreError> {
        self.volatile.bind_lane(tag, name)
    }

    fn lane(&mut self, tag: LaneTag) -> Result<Option<NameKey>, StoreError> {
        Ok(self.volatile.lane(tag))
    }

    fn lane_of(&mut self, mailbox: MailboxId) -> Result<Option<LaneTag>, StoreError> {
        let owner: Option<String> = self.read(|conn| {
            let mut find = conn.prepare_cached("SELECT name_key FROM account WHERE mailbox = ?1")?;
            find.query_row(params![mailbox.0], |row| row.get(0)).optional()
        })?;
        let Some(owner) = owner else {
            return Ok(None);
        };
        let owner = Name::parse(&owner).map_err(|_| StoreError::Failed)?;
        Ok(self.volatile.lane_of(&owner.key()))
    }

    fn add_key_packages(&mut self, name: &NameKey, one_time: &[Vec<u8>], last_resort: Option<&[u8]>) -> Result<(), StoreError> {
        let account = self.account_number(name)?.ok_or(StoreError::Failed)?;
        self.write(|conn| {
            let mut add = conn.prepare_cached("INSERT INTO key_package (account, bytes) VALUES (?1, ?2)")?;
            for package in one_time {
                add.execute(params![account, package])?;
            }
            if let Some(last_resort) = last_resort {
                let mut replace = conn.prepare_cached("UPDATE account SET last_resort = ?2 WHERE number = ?1")?;
                replace.execute(params![account, last_resort])?;
            }
            Ok(())
        })
    }

    fn take_key_package(&mut self, name: &NameKey) -> Result<Option<(Vec<u8>, bool)>, StoreError> {
        let Some(account) = self.account_number(name)? else {
            return Ok(None);
        };
        let oldest: Option<(i64, Vec<u8>)> = self.read(|conn| {
            let mut find = conn.prepare_cached("SELECT number, bytes FROM key_package WHERE account = ?1 ORDER BY number LIMIT 1")?;
            find.query_row(params![account], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })?;
        if let Some((number, package)) = oldest {
            self.write(|conn| conn.prepare_cached("DELETE FROM key_package WHERE number = ?1")?.execute(params![number]))?;
            return Ok(Some((package, false)));
        }
        let last_resort: Option<Vec<u8>> = self.read(|conn| {
            let mut find = conn.prepare_cached("SELECT last_resort FROM account WHERE number = ?1")?;
            find.query_row(params![account], |row| row.get(0))
        })?;
        Ok(last_resort.map(|package| (package, true)))
    }

    fn key_packages(&mut self, name: &NameKey) -> Result<(u32, bool), StoreError> {
        let stock = self.read(|conn| {
            let mut find = conn.prepare_cached(
                "SELECT (SELECT count(*) FROM key_package WHERE account = account.number), last_resort IS NOT NULL
                 FROM account WHERE name_key = ?1",
            )?;
            find.query_row(params![name.text()], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })?;
        Ok(stock.unwrap_or((0, false)))
    }

    fn put_item(&mut self, mailbox: MailboxId, frame: FrameId, envelope: &[u8], at: Stamp) -> Result<PutOutcome, StoreError> {
        let Some(Mailbox { number, place_last, items }) = self.mailbox(mailbox)? else {
            return Ok(PutOutcome::Unknown);
        };
        let repeated = self.read(|conn| {
            let mut find = conn.prepare_cached("SELECT 1 FROM frame WHERE mailbox = ?1 AND id = ?2")?;
            find.exists(params![number, frame.0])
        })?;
        if repeated {
            return Ok(PutOutcome::Repeated);
        }
        if items >= MAILBOX_ITEMS_MAX {
            return Ok(PutOutcome::Full);
        }
        let place = place_last + 1;
        self.write(|conn| {
            let mut put = conn.prepare_cached("INSERT INTO item (mailbox, place, envelope) VALUES (?1, ?2, ?3)")?;
            put.execute(params![number, place, envelope])?;
            let mut know = conn.prepare_cached("INSERT INTO frame (mailbox, id, at, place) VALUES (?1, ?2, ?3, ?4)")?;
            know.execute(params![number, frame.0, integer(at.0), place])?;
            let mut count = conn.prepare_cached("UPDATE mailbox SET place_last = ?2, items = items + 1 WHERE number = ?1")?;
            count.execute(params![number, place])?;
            Ok(())
        })?;
        Ok(PutOutcome::Stored(place))
    }

    fn items(&mut self, mailbox: MailboxId, count_max: u32) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.read(|conn| {
            let mut find = conn.prepare_cached(
                "SELECT place, envelope FROM item WHERE mailbox = (SELECT number FROM mailbox WHERE id = ?1)
                 ORDER BY place LIMIT ?2",
            )?;
            let items = find.query_map(params![mailbox.0, count_max], |row| Ok((row.get(0)?, row.get(1)?)))?;
            items.collect()
        })
    }

    fn count(&mut self, mailbox: MailboxId) -> Result<u64, StoreError> {
        Ok(self.mailbox(mailbox)?.map_or(0, |mailbox| mailbox.items))
    }

    fn remove_items(&mut self, mailbox: MailboxId, cursors: &[u64]) -> Result<(), StoreError> {
        let Some(Mailbox { number, place_last, .. }) = self.mailbox(mailbox)? else {
            return Ok(());
        };
        // A place that was never given, and might be no number to SQLite, holds nothing.
        let given: Vec<u64> = cursors.iter().copied().filter(|cursor| *cursor <= place_last).collect();
        if given.is_empty() {
            return Ok(());
        }
        self.write(|conn| {
            for place in given {
                remove_item(conn, number, place)?;
            }
            Ok(())
        })
    }

    fn answer(&mut self, tag: LaneTag, frame: FrameId) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.volatile.answer(tag, frame))
    }

    fn remember_answer(&mut self, tag: LaneTag, frame: FrameId, answer: &[u8], at: Stamp) -> Result<(), StoreError> {
        self.volatile.remember_answer(tag, frame, answer, at)
    }

    fn clean(&mut self, now: Stamp) -> Result<u64, StoreError> {
        self.volatile.clean(now);
        let before = integer(now.0.saturating_sub(RETENTION.0));
        let past: Vec<(i64, [u8; FrameId::LEN], u64)> = self.read(|conn| {
            let mut find = conn.prepare_cached("SELECT mailbox, id, place FROM frame WHERE at < ?1 ORDER BY at LIMIT ?2")?;
            let past = find.query_map(params![before, CLEAN_MAX], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            past.collect()
        })?;
        if past.is_empty() {
            return Ok(0);
        }
        self.write(|conn| {
            let mut removed = 0;
            let mut forget = conn.prepare_cached("DELETE FROM frame WHERE mailbox = ?1 AND id = ?2")?;
            for (mailbox, frame, place) in past {
                removed += u64::from(remove_item(conn, mailbox, place)?);
                forget.execute(params![mailbox, frame])?;
            }
            Ok(removed)
        })
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        if self.spoiled {
            return Err(StoreError::Failed);
        }
        if self.writing {
            if self.conn.execute_batch("COMMIT").is_err() {
                self.spoiled = true;
                return Err(StoreError::Failed);
            }
            self.writing = false;
        }
        self.volatile.commit();
        Ok(())
    }

    fn roll_back(&mut self) -> Result<(), StoreError> {
        self.volatile.roll_back();
        // SQLite may have rolled back by itself.
        if self.writing && !self.conn.is_autocommit() && self.conn.execute_batch("ROLLBACK").is_err() {
            self.spoiled = true;
            return Err(StoreError::Failed);
        }
        self.writing = false;
        self.spoiled = false;
        Ok(())
    }
}

/// Removes an item; says whether it was there.
fn remove_item(conn: &Connection, mailbox: i64, place: u64) -> rusqlite::Result<bool> {
    let removed = conn.prepare_cached("DELETE FROM item WHERE mailbox = ?1 AND place = ?2")?.execute(params![mailbox, place])? > 0;
    if removed {
        conn.prepare_cached("UPDATE mailbox SET items = items - 1 WHERE number = ?1")?.execute(params![mailbox])?;
    }
    Ok(removed)
}

/// A stamp's number as SQLite keeps one; the largest stands for those beyond.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn fault(error: rusqlite::Error) -> OpenError {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => OpenError::DiskFull,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => OpenError::Damaged,
        Some(_) | None => OpenError::DiskFailed,
    }
}

fn backup_fault(error: &io::Error) -> BackupError {
    match error.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists,
        io::ErrorKind::StorageFull => BackupError::DiskFull,
        _ => BackupError::DiskFailed,
    }
}

/// Makes a new file's name durable: it is there after a crash only if its folder was synced.
fn sync_folder(file: &Path) -> io::Result<()> {
    match file.parent() {
        // Windows can't open a folder so, and needs no such sync.
        Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}
