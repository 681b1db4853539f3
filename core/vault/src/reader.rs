//! Views: a second, read-only connection, so that a reader never waits for the writer.

use crate::conversation::state_of;
use crate::schema::{self, Mode, fault};
use rusqlite::{Connection, params};
use std::path::Path;
use thicket_journal_format::Key;
use thicket_types::effect::MessageState;
use thicket_types::error::Code;
use thicket_types::ids::{Fingerprint, MessageId};
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

/// Reads the vault beside its writer.
pub struct Reader {
    conn: Connection,
}

impl Reader {
    /// Opens the database for reading.
    pub fn open(path: &Path, key: &Key) -> Result<Reader, Code> {
        Ok(Reader { conn: schema::open(path, key, Mode::Read)? })
    }

    /// MLS groups that the conversation with a contact has: more than one, if both sides began at once.
    pub fn groups(&self, contact: Fingerprint) -> Result<u32, Code> {
        let mut count = self.conn.prepare_cached("SELECT count(*) FROM mls_group WHERE contact = ?1").map_err(fault)?;
        count.query_row([contact.0], |row| row.get(0)).map_err(fault)
    }

    /// Messages with a contact (all contacts: `None`) after a number, oldest first, at most `count_max`.
    pub fn messages(&self, contact: Option<Fingerprint>, after: u64, count_max: u32) -> Result<Vec<MessageRow>, Code> {
        let mut find = self
            .conn
            .prepare_cached(
                "SELECT number, contact, outgoing, id, state, bytes, stamp, claimed, cause
                 FROM message LEFT JOIN body ON message.body = body.ref
                 WHERE (?1 IS NULL OR contact = ?1) AND number > ?2 ORDER BY number LIMIT ?3",
            )
            .map_err(fault)?;
        let mut rows = find.query(params![contact.map(|contact| contact.0), after, count_max]).map_err(fault)?;
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
