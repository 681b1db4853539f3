//! A store on disk: one SQLite database, used without a key, so plain.
//!
//! ```text
//!   directory   account, key_package, last_resort   the only rows that lead to a name
//!   mailboxes   mailbox, capability, item, frame    random ids, hashes and sealed bytes
//!   logs        group_log, log_lane, posting_key, reading_key, log_entry, incarnation    the same
//! ```
//!
//! The first write begins a transaction; [`Store::commit`] ends it. A statement that fails within it spoils the whole of it,
//! since SQLite may have ended it by itself: nothing more is done until [`Store::roll_back`].

mod directory;
mod logs;
mod mailboxes;
mod schema;
#[cfg(test)]
mod tests;
mod trouble;

pub use trouble::{BackupError, OpenError};

use crate::capabilities::{Changes, changes};
use crate::volatile::Volatile;
use rusqlite::{Connection, OpenFlags};
use schema::{INDEX_BY_PLACE, INDICES_BY_AGE, TABLES, TABLES_OF_LOGS, VERSION};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{self, Path};
use thicket_types::ids::{Digest, FrameId, LaneTag, MailboxId};
use thicket_types::limits::{CLEAN_FRAMES_MAX, KEY_PACKAGE_FOR, LAST_RESORTS_MAX, LOG_FOR, MAILBOX_FRAMES_MAX};
use thicket_types::name::{Name, NameKey};
use thicket_types::ports::{
    Account, DoneNumbers, NewItem, OpenChallenge, PutOutcome, Quota, Session, Stock, Store, StoreError, StoredKeyPackage,
};
use thicket_types::time::{Duration, Stamp};

/// A store on disk. Challenges, lanes, spent stamps and remembered answers are in memory: a restart forgets them, as it does
/// reply paths.
pub struct SqliteStore {
    conn: Connection,
    volatile: Volatile,
    /// Accounts, once they were counted.
    accounts: Option<u64>,
    /// Whether a transaction was begun.
    writing: bool,
    /// Whether something failed within it.
    spoiled: bool,
}

/// Takes the device generations and the incarnation out of a backup, which nobody else has open.
fn forget_this_life(backup: &Path) -> Result<(), BackupError> {
    let forget = || -> rusqlite::Result<()> {
        let conn = Connection::open_with_flags(backup, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        // Half a backup is none: it needs no file beside it to go back to what it was.
        conn.execute_batch("PRAGMA journal_mode = MEMORY; UPDATE account SET generation = NULL; DELETE FROM incarnation;")
    };
    forget().map_err(|error| OpenError::from(error).into())
}

impl SqliteStore {
    /// Opens the store at a path, or makes it if there is none, readable by its owner alone. One process at a time: lanes are in memory.
    pub fn open(path: &Path) -> Result<SqliteStore, OpenError> {
        // SQLite takes an absolute path for nothing but a file: neither `:memory:` nor a URI.
        let path = path::absolute(path).map_err(|_| OpenError::DiskFailed)?;
        // SQLite goes by the umask, so it makes none: it takes an empty file as a new store, and gives its mode to the
        // write-ahead log and the index. A file that is there is not opened here, since closing it would drop SQLite's locks.
        // Where none can be made, opening fails next, but SQLite does not say for want of room.
        if let Err(error) = private_file().open(&path)
            && matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        {
            return Err(OpenError::DiskFull);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(path, flags)?;
        // Read before anything is written: what is not ours stays as it is.
        let version: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
        match (version, tables) {
            (VERSION, _) | (0, 0) => {}
            (newer, _) if newer > VERSION => return Err(OpenError::Newer),
            (_, _) => return Err(OpenError::Damaged),
        }
        conn.execute_batch("PRAGMA temp_store = MEMORY; PRAGMA secure_delete = ON; PRAGMA busy_timeout = 5000;")?;
        conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;
        conn.set_prepared_statement_cache_capacity(64);
        if version == 0 {
            conn.execute_batch(&format!("BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;"))?;
        }
        conn.execute_batch(INDEX_BY_PLACE)?;
        schema::add_ages(&conn)?;
        conn.execute_batch(INDICES_BY_AGE)?;
        conn.execute_batch(TABLES_OF_LOGS)?;
        Ok(SqliteStore { conn, volatile: Volatile::default(), accounts: None, writing: false, spoiled: false })
    }

    /// Writes what is durable into a new file, which opens as a store and is readable by its owner alone. The incarnation is not in it: who
    /// opens it gets another, so that members of a group see that its log went back. Device generations are not in it either: a client has given many since, and whoever does not know the one that is kept is taken for a copy.
    pub fn backup(&self, to: &Path) -> Result<(), BackupError> {
        if self.writing {
            return Err(BackupError::Uncommitted);
        }
        let to = path::absolute(to).map_err(|_| BackupError::DiskFailed)?;
        let text = to.to_str().ok_or(BackupError::DiskFailed)?;
        // Takes the name, so that nothing is written over; SQLite fills a file that is empty, and no other.
        let file = private_file().open(&to)?;
        let filled = self.conn.execute("VACUUM INTO ?1", [text]).map_err(|error| OpenError::from(error).into());
        let done = filled
            .and_then(|_| forget_this_life(&to))
            .and_then(|()| file.sync_all().and_then(|()| sync_folder(&to)).map_err(BackupError::from));
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

    /// Runs a statement that changes one account. **Errors:** `Failed`, if there is none; nothing is spoiled by that.
    fn change_account(
        &mut self,
        name: &NameKey,
        run: impl FnOnce(&Connection, &NameKey) -> rusqlite::Result<bool>,
    ) -> Result<(), StoreError> {
        self.account_number(name)?.ok_or(StoreError::Failed)?;
        self.write(|conn| run(conn, name)).map(|_| ())
    }

    fn account_number(&mut self, name: &NameKey) -> Result<Option<i64>, StoreError> {
        self.read(|conn| directory::account_number(conn, name))
    }

    /// Removes so many entries of logs, and no more. Says how many.
    fn clean_logs(&mut self, entries_before: i64, logs_before: i64) -> Result<u64, StoreError> {
        let past = self.read(|conn| logs::past(conn, entries_before, logs_before, CLEAN_FRAMES_MAX))?;
        let mut removed = 0;
        for log in past {
            let left = u64::from(CLEAN_FRAMES_MAX).saturating_sub(removed);
            removed += self.write(|conn| logs::clean(conn, log, entries_before, logs_before, left))?;
        }
        Ok(removed)
    }

    fn mailbox(&mut self, id: MailboxId) -> Result<Option<mailboxes::Mailbox>, StoreError> {
        self.read(|conn| mailboxes::mailbox(conn, id))
    }
}

impl Store for SqliteStore {
    fn account(&mut self, name: &NameKey) -> Result<Option<Account>, StoreError> {
        self.read(|conn| directory::account(conn, name))
    }

    fn put_account(&mut self, name: &NameKey, account: &Account) -> Result<(), StoreError> {
        match self.account(name)? {
            Some(before) if before.fingerprint != account.fingerprint => Err(StoreError::Failed),
            Some(_) => self.set_mailbox_key(name, &account.mailbox_key_statement, &account.mailbox_key_signature),
            None if self.mailbox(account.mailbox)?.is_some() => Err(StoreError::Failed),
            None => {
                self.write(|conn| {
                    directory::put_account(conn, name, account)?;
                    mailboxes::put_mailbox(conn, account.mailbox)
                })?;
                self.accounts = self.accounts.map(|count| count + 1);
                Ok(())
            }
        }
    }

    fn put_challenge(&mut self, nonce: [u8; 32], challenge: &OpenChallenge) -> Result<(), StoreError> {
        self.volatile.put_challenge(nonce, challenge);
        Ok(())
    }

    fn challenge_of(&mut self, tag: LaneTag) -> Result<Option<([u8; 32], OpenChallenge)>, StoreError> {
        Ok(self.volatile.challenge_of(tag))
    }

    fn take_challenge(&mut self, nonce: [u8; 32]) -> Result<Option<OpenChallenge>, StoreError> {
        Ok(self.volatile.take_challenge(nonce))
    }

    fn bind_lane(&mut self, tag: LaneTag, name: &NameKey, session: [u8; 32]) -> Result<(), StoreError> {
        self.volatile.bind_lane(tag, name, session);
        Ok(())
    }

    fn lane(&mut self, tag: LaneTag) -> Result<Option<NameKey>, StoreError> {
        Ok(self.volatile.lane(tag))
    }

    fn session(&mut self, tag: LaneTag) -> Result<Option<Session>, StoreError> {
        Ok(self.volatile.session(tag))
    }

    fn set_done(&mut self, tag: LaneTag, done: DoneNumbers) -> Result<(), StoreError> {
        self.volatile.set_done(tag, done);
        Ok(())
    }

    fn lane_of(&mut self, mailbox: MailboxId) -> Result<Option<LaneTag>, StoreError> {
        let Some(owner) = self.read(|conn| mailboxes::owner(conn, mailbox))? else {
            return Ok(None);
        };
        let owner = Name::parse(&owner).map_err(|_| StoreError::Failed)?;
        Ok(self.volatile.lane_of(&owner.key()))
    }

    fn accounts(&mut self) -> Result<u64, StoreError> {
        let count = match self.accounts {
            Some(count) => count,
            None => self.read(directory::accounts)?,
        };
        self.accounts = Some(count);
        Ok(count)
    }

    fn set_mailbox_key(&mut self, name: &NameKey, statement: &[u8], signature: &[u8]) -> Result<(), StoreError> {
        self.change_account(name, |conn, name| directory::set_mailbox_key(conn, name, statement, signature))
    }

    fn generation(&mut self, name: &NameKey) -> Result<Option<[u8; 16]>, StoreError> {
        self.read(|conn| directory::generation(conn, name))
    }

    fn set_generation(&mut self, name: &NameKey, generation: [u8; 16]) -> Result<(), StoreError> {
        self.change_account(name, |conn, name| directory::set_generation(conn, name, generation))
    }

    fn add_key_packages(
        &mut self,
        name: &NameKey,
        suite: u32,
        one_time: &[Vec<u8>],
        last_resort: Option<&[u8]>,
        at: Stamp,
    ) -> Result<(), StoreError> {
        let account = self.account_number(name)?.ok_or(StoreError::Failed)?;
        if last_resort.is_some() && self.read(|conn| directory::other_last_resorts(conn, account, suite))? >= LAST_RESORTS_MAX {
            return Err(StoreError::Full);
        }
        self.write(|conn| {
            for package in one_time {
                directory::add_one_time(conn, account, suite, package, integer(at.0))?;
            }
            last_resort.map_or(Ok(()), |package| directory::replace_last_resort(conn, account, suite, package, integer(at.0)))
        })
    }

    fn remove_key_packages(&mut self, name: &NameKey) -> Result<(), StoreError> {
        let account = self.account_number(name)?.ok_or(StoreError::Failed)?;
        self.write(|conn| directory::remove_key_packages(conn, account))
    }

    fn take_key_package(&mut self, name: &NameKey, suites: &[u32], from: Stamp) -> Result<Option<StoredKeyPackage>, StoreError> {
        let Some(account) = self.account_number(name)? else {
            return Ok(None);
        };
        for suite in suites {
            if let Some((number, package)) = self.read(|conn| directory::one_time(conn, account, *suite, integer(from.0)))? {
                self.write(|conn| directory::remove_one_time(conn, number))?;
                return Ok(Some(package));
            }
        }
        for suite in suites {
            if let Some((number, given, package)) = self.read(|conn| directory::last_resort(conn, account, *suite))? {
                if !given {
                    self.write(|conn| directory::mark_given(conn, number))?;
                }
                return Ok(Some(package));
            }
        }
        Ok(None)
    }

    fn key_packages(&mut self, name: &NameKey, from: Stamp) -> Result<Stock, StoreError> {
        self.read(|conn| directory::stock(conn, name, integer(from.0)))
    }

    fn set_capabilities(&mut self, mailbox: MailboxId, add: &[Digest], remove: &[Digest]) -> Result<(), StoreError> {
        let mailboxes::Mailbox { number, capabilities, .. } = self.mailbox(mailbox)?.ok_or(StoreError::Failed)?;
        let Changes { new, gone, count } = changes(capabilities, add, remove, |capability| {
            Ok(self.read(|conn| mailboxes::capability(conn, number, capability))?.is_some_and(|row| row.held))
        })?;
        if new.is_empty() && gone.is_empty() {
            return Ok(());
        }
        self.write(|conn| {
            for capability in new {
                mailboxes::add_capability(conn, number, capability)?;
            }
            for capability in gone {
                mailboxes::revoke_capability(conn, number, capability)?;
            }
            mailboxes::count_capabilities(conn, number, count)
        })
    }

    fn capability(&mut self, mailbox: MailboxId, capability: Digest) -> Result<bool, StoreError> {
        let Some(mailboxes::Mailbox { number, .. }) = self.mailbox(mailbox)? else {
            return Ok(false);
        };
        Ok(self.read(|conn| mailboxes::capability(conn, number, capability))?.is_some_and(|row| row.held))
    }

    fn spend(&mut self, stamp: Digest, on: MailboxId, until: Stamp) -> Result<bool, StoreError> {
        self.volatile.spend(stamp, on, until)
    }

    fn stamps_spent(&mut self) -> Result<u64, StoreError> {
        Ok(self.volatile.stamps_spent())
    }

    fn stamps_spent_on(&mut self, on: MailboxId) -> Result<u64, StoreError> {
        Ok(self.volatile.stamps_spent_on(on))
    }

    fn put_item(&mut self, item: &NewItem<'_>) -> Result<PutOutcome, StoreError> {
        let Some(mailboxes::Mailbox { number, place_last, items, requests, .. }) = self.mailbox(item.mailbox)? else {
            return Ok(PutOutcome::Unknown);
        };
        if self.read(|conn| mailboxes::knows_frame(conn, number, item.frame))? {
            return Ok(PutOutcome::Repeated);
        }
        if items >= item.mailbox_max {
            return Ok(PutOutcome::Full);
        }
        let capability = match item.quota {
            Quota::Requests if requests >= item.quota_max => return Ok(PutOutcome::QuotaFull),
            Quota::Requests => None,
            Quota::Capability(id) => match self.read(|conn| mailboxes::capability(conn, number, id))? {
                row if row.as_ref().map_or(0, |row| row.items) >= item.quota_max => return Ok(PutOutcome::QuotaFull),
                row => Some((id, row)),
            },
        };
        let place = place_last + 1;
        self.write(|conn| {
            let capability = match capability {
                Some((id, row)) => Some(mailboxes::count_against(conn, number, id, row)?),
                None => None,
            };
            mailboxes::put_item(conn, number, place, capability, item)?;
            match place.checked_sub(MAILBOX_FRAMES_MAX) {
                Some(old) => mailboxes::forget_frame_of_gone(conn, number, old),
                None => Ok(()),
            }
        })?;
        Ok(PutOutcome::Stored(place))
    }

    fn items(&mut self, mailbox: MailboxId, count_max: u32) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.read(|conn| mailboxes::items(conn, mailbox, count_max))
    }

    fn count(&mut self, mailbox: MailboxId) -> Result<u64, StoreError> {
        Ok(self.mailbox(mailbox)?.map_or(0, |mailbox| mailbox.items))
    }

    fn count_of(&mut self, mailbox: MailboxId, quota: Quota) -> Result<u64, StoreError> {
        let Some(mailboxes::Mailbox { number, requests, .. }) = self.mailbox(mailbox)? else {
            return Ok(0);
        };
        match quota {
            Quota::Requests => Ok(requests),
            Quota::Capability(id) => Ok(self.read(|conn| mailboxes::capability(conn, number, id))?.map_or(0, |row| row.items)),
        }
    }

    fn remove_items(&mut self, mailbox: MailboxId, cursors: &[u64]) -> Result<(), StoreError> {
        let Some(mailboxes::Mailbox { number, place_last, .. }) = self.mailbox(mailbox)? else {
            return Ok(());
        };
        // A place that was never given, and might be no number to SQLite, holds nothing.
        let given: Vec<u64> = cursors.iter().copied().filter(|cursor| *cursor <= place_last).collect();
        if given.is_empty() {
            return Ok(());
        }
        self.write(|conn| {
            for place in given {
                mailboxes::remove_item(conn, number, place)?;
                if place_last - place >= MAILBOX_FRAMES_MAX {
                    mailboxes::forget_frame_of_gone(conn, number, place)?;
                }
            }
            Ok(())
        })
    }

    fn answer(&mut self, tag: LaneTag, frame: FrameId) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.volatile.answer(tag, frame))
    }

    fn remember_answer(&mut self, tag: LaneTag, frame: FrameId, answer: &[u8], at: Stamp) -> Result<(), StoreError> {
        self.volatile.remember_answer(tag, frame, answer, at);
        Ok(())
    }

    fn clean(&mut self, now: Stamp, retention: Duration) -> Result<u64, StoreError> {
        self.volatile.clean(now);
        if self.read(directory::has_untimed)? {
            self.write(|conn| directory::time_untimed(conn, integer(now.0)))?;
        }
        let stale = integer(now.0.saturating_sub(KEY_PACKAGE_FOR.0));
        if self.read(|conn| directory::has_one_time_before(conn, stale))? {
            self.write(|conn| directory::remove_one_time_before(conn, stale, CLEAN_FRAMES_MAX))?;
        }
        let before = integer(now.0.saturating_sub(retention.0));
        let of_logs = self.clean_logs(before, integer(now.0.saturating_sub(LOG_FOR.0)))?;
        let past = self.read(|conn| mailboxes::frames_before(conn, before, CLEAN_FRAMES_MAX))?;
        if past.is_empty() {
            return Ok(of_logs);
        }
        self.write(|conn| {
            let mut removed = of_logs;
            for (mailbox, frame, place) in past {
                removed += u64::from(mailboxes::remove_item(conn, mailbox, place)?);
                mailboxes::forget_frame(conn, mailbox, frame)?;
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
        self.accounts = None;
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

/// A number as SQLite keeps one; the largest stands for those beyond.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Options that make a new file which nobody but its owner reads.
fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes a new file's name durable: it is there after a crash only if its folder was synced.
fn sync_folder(file: &Path) -> io::Result<()> {
    match file.parent() {
        // Windows can't open a folder so, and needs no such sync.
        Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}
