//! Views: a second, read-only connection, so that a reader never waits for the writer.

use crate::rows::{state_number, state_of};
use crate::schema::{self, Mode, Place, fault};
use crate::{account, archive, ledger};
use rusqlite::{Connection, OptionalExtension as _, ToSql, params};
use std::collections::BTreeMap;
use std::path::Path;
use thicket_journal_format::{Key, digest};
use thicket_types::effect::MessageState;
use thicket_types::error::Code;
use thicket_types::ids::{BodyRef, Fingerprint, MessageId};
use thicket_types::limits::SEARCH_FOUND_MAX;
use thicket_types::ports::{Entropy, Remembered};
use thicket_types::secret::Secret;
use thicket_types::time::{ClaimedTime, Stamp};

/// Which way a message went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// From us.
    Sent,
    /// To us.
    Received,
}

/// A message as a frontend shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageRow {
    /// Its place among all messages of the profile: grows.
    pub number: u64,
    /// With whom.
    pub contact: Fingerprint,
    /// Which way.
    pub direction: Direction,
    /// The sender's name for it.
    pub message: MessageId,
    /// What became of it.
    pub state: MessageState,
    /// Its text; `None` if it can never be read.
    pub text: Option<String>,
    /// When it was asked for, or came, by our clock.
    pub stamp: Stamp,
    /// The sender's clock.
    pub claimed: ClaimedTime,
    /// Why it can't be read.
    pub cause: Option<Code>,
}

/// Messages with contacts. In a group's, its id stands in the contact's place, which is shorter: they have views of their own.
const ROWS: &str = "SELECT number, contact, outgoing, id, state, bytes, stamp, claimed, cause
    FROM message LEFT JOIN body ON message.body = body.ref WHERE length(contact) = 20";

/// Reads the vault beside its writer.
pub struct Reader {
    conn: Connection,
}

impl Reader {
    /// Opens the database for reading.
    pub fn open(path: &Path, key: &Key) -> Result<Reader, Code> {
        Ok(Reader { conn: schema::open(Place::file(path), key, Mode::Read)? })
    }

    /// The same of one that [`SqlVault::create_in`](crate::SqlVault::create_in) made.
    pub fn open_in(vfs: &str, path: &Path, key: &Key) -> Result<Reader, Code> {
        Ok(Reader { conn: schema::open(Place { path, vfs: Some(vfs) }, key, Mode::Read)? })
    }

    /// The same where nothing can be written, such as a copy on a read-only file system.
    pub fn open_read_only(path: &Path, key: &Key) -> Result<Reader, Code> {
        Ok(Reader { conn: schema::open(Place::file(path), key, Mode::ReadOnly)? })
    }

    /// The account's name and fingerprint.
    pub fn own(&self) -> Result<(String, Fingerprint), Code> {
        let account = account::load(&self.conn)?;
        Ok((account.certificate.name().to_owned(), account.certificate.fingerprint()))
    }

    /// The identity as an armored OpenPGP secret key, locked by a passphrase; GnuPG reads it.
    pub fn export(&self, passphrase: &Secret<Vec<u8>>, entropy: &mut dyn Entropy) -> Result<String, Code> {
        account::load(&self.conn)?.identity.export_armored(passphrase.expose(), entropy).map_err(|_| Code::Inconsistent)
    }

    /// What the vault remembers of the journal, and its count.
    pub fn remembered(&self) -> Result<Remembered, Code> {
        ledger::remembered(&self.conn)
    }

    /// When the last archive was made; none if there is none.
    pub fn archived(&self) -> Result<Option<Stamp>, Code> {
        archive::archived(&self.conn)
    }

    /// The safety number of a contact: 60 digits in groups of five, equal on both sides if both hold the same two certificates.
    /// `None` if there is no such contact.
    ///
    /// SHA-256 of `thicket.safety-number.v1` and the SHA-256 of both certificates in order, stretched by a counter; each group
    /// is five bytes of it as a number, modulo 100,000.
    pub fn safety_number(&self, contact: Fingerprint) -> Result<Option<String>, Code> {
        let own: Vec<u8> = self.conn.query_row("SELECT value FROM meta WHERE key = 'certificate'", [], |row| row.get(0)).map_err(fault)?;
        let theirs =
            self.conn.query_row("SELECT certificate FROM contact WHERE fingerprint = ?1", [contact.0], |row| row.get::<_, Vec<u8>>(0));
        let Some(theirs) = theirs.optional().map_err(fault)? else {
            return Ok(None);
        };
        let (own, theirs) = (digest(&[&own]), digest(&[&theirs]));
        let both = [own.min(theirs).0, own.max(theirs).0].concat();
        let stretched: Vec<u8> = (0..2_u8).flat_map(|counter| digest(&[b"thicket.safety-number.v1", &[counter], &both]).0).collect();
        let groups = stretched.chunks_exact(5).take(12).map(|chunk| {
            let number = chunk.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
            format!("{:05}", number % 100_000)
        });
        Ok(Some(groups.collect::<Vec<_>>().join(" ")))
    }

    /// MLS groups that the conversation with a contact has: more than one, if both sides began at once.
    pub fn groups(&self, contact: Fingerprint) -> Result<u32, Code> {
        let mut count = self.conn.prepare_cached("SELECT count(*) FROM mls_group WHERE contact = ?1").map_err(fault)?;
        count.query_row([contact.0], |row| row.get(0)).map_err(fault)
    }

    /// One message of a contact; `None` if there is no such row.
    pub fn message(&self, contact: Fingerprint, direction: Direction, message: MessageId) -> Result<Option<MessageRow>, Code> {
        let one = format!("{ROWS} AND contact = ?1 AND outgoing = ?2 AND id = ?3");
        Ok(self.rows(&one, params![contact.0, direction == Direction::Sent, message.0])?.pop())
    }

    /// The text of a body that is staged, for a message that has no row yet; `None` if there is no such body.
    pub fn staged(&self, body: BodyRef) -> Result<Option<String>, Code> {
        let mut find = self.conn.prepare_cached("SELECT bytes FROM body WHERE ref = ?1").map_err(fault)?;
        let bytes = find.query_row([body.0], |row| row.get::<_, Vec<u8>>(0)).optional().map_err(fault)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Messages of this id, with whatever contact.
    pub fn find(&self, message: MessageId) -> Result<Vec<MessageRow>, Code> {
        self.rows(&format!("{ROWS} AND id = ?1 ORDER BY number"), params![message.0])
    }

    /// How many messages of each contact came after the one that was read last; none stands for zero.
    pub fn unread(&self) -> Result<BTreeMap<Fingerprint, u64>, Code> {
        let mut count = self
            .conn
            .prepare_cached(
                "SELECT message.contact, count(*) FROM message JOIN contact ON message.contact = contact.fingerprint
                 WHERE outgoing = 0 AND state <> ?1 AND number > read_number GROUP BY message.contact",
            )
            .map_err(fault)?;
        let rows = count.query_map([state_number(MessageState::Unreadable)], |row| Ok((Fingerprint(row.get(0)?), row.get(1)?)));
        rows.and_then(Iterator::collect).map_err(fault)
    }

    /// The last message with each contact, the newest first.
    pub fn latest(&self) -> Result<Vec<MessageRow>, Code> {
        self.rows(&format!("{ROWS} AND number IN (SELECT max(number) FROM message GROUP BY contact) ORDER BY number DESC"), params![])
    }

    /// The number of the newest row; 0 if there is none.
    pub fn newest(&self) -> Result<u64, Code> {
        self.conn.query_row("SELECT coalesce(max(number), 0) FROM message", [], |row| row.get(0)).map_err(fault)
    }

    /// Messages that hold all the words, or words that begin so; the newest first, at most `count_max` and never more than
    /// [`SEARCH_FOUND_MAX`]. Case and diacritics
    /// do not matter.
    pub fn search(&self, words: &str, count_max: u32) -> Result<Vec<MessageRow>, Code> {
        // Each word a quoted prefix: nothing that is typed is taken for query syntax.
        let quoted: Vec<String> = words.split_whitespace().map(|word| format!("\"{}\"*", word.replace('"', "\"\""))).collect();
        if quoted.is_empty() {
            return Ok(Vec::new());
        }
        let found = format!("{ROWS} AND number IN (SELECT rowid FROM search WHERE search MATCH ?1) ORDER BY number DESC LIMIT ?2");
        self.rows(&found, params![quoted.join(" "), count_max.min(SEARCH_FOUND_MAX)])
    }

    /// Messages with a contact (all contacts: `None`) after a number, oldest first, at most `count_max`.
    pub fn messages(&self, contact: Option<Fingerprint>, after: u64, count_max: u32) -> Result<Vec<MessageRow>, Code> {
        let page = format!("{ROWS} AND (?1 IS NULL OR contact = ?1) AND number > ?2 ORDER BY number LIMIT ?3");
        self.rows(&page, params![contact.map(|contact| contact.0), after, count_max])
    }

    fn rows(&self, query: &str, params: &[&dyn ToSql]) -> Result<Vec<MessageRow>, Code> {
        let mut find = self.conn.prepare_cached(query).map_err(fault)?;
        let mut rows = find.query(params).map_err(fault)?;
        let mut messages = Vec::new();
        while let Some(row) = rows.next().map_err(fault)? {
            let read = || -> rusqlite::Result<MessageRow> {
                let text: Option<Vec<u8>> = row.get(5)?;
                Ok(MessageRow {
                    number: row.get(0)?,
                    contact: Fingerprint(row.get(1)?),
                    direction: if row.get::<_, bool>(2)? { Direction::Sent } else { Direction::Received },
                    message: MessageId(row.get(3)?),
                    state: state_of(row.get(4)?).unwrap_or(MessageState::Failed),
                    text: text.map(|text| String::from_utf8_lossy(&text).into_owned()),
                    stamp: Stamp(row.get(6)?),
                    claimed: ClaimedTime(row.get(7)?),
                    cause: Code::from_number(row.get(8)?),
                })
            };
            messages.push(read().map_err(fault)?);
        }
        Ok(messages)
    }
}
