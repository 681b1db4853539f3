//! What of a vault goes into an archive, and a vault made of one. No group, key package or leaf key is in it, and no row of the
//! ledger: the vault that comes of it begins every conversation anew. Nor is a message of a group: it would be of nothing.

use crate::mls::provider::SharedEntropy;
use crate::rows::{state_number, state_of};
use crate::schema::{self, Mode, Place, fault};
use crate::{SqlVault, account};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::path::Path;
use thicket_journal_format::Key;
use thicket_journal_format::archive::{Account, Body, Contact, MailboxKey, Message, Piece};
use thicket_openpgp::{Certificate, Identity};
use thicket_types::bytes::Bytes;
use thicket_types::error::Code;
use thicket_types::ids::{BodyRef, Fingerprint, MessageId};
use thicket_types::secret::Secret;
use thicket_types::time::Stamp;

/// Takes one piece after the other.
pub type Put<'p> = &'p mut dyn FnMut(&Piece) -> Result<(), Code>;

/// Which pieces of a vault: the state stands between the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// The identity and the mailbox keys.
    Keys,
    /// Contacts, messages and staged bodies.
    Rows,
}

impl SqlVault {
    /// Gives a part of what an archive holds of the vault, piece by piece. Both parts are of one time, if nothing runs in between.
    ///
    /// **Errors:** `put`'s own, and the disk's.
    pub fn archive(&self, part: Part, put: Put<'_>) -> Result<(), Code> {
        self.conn.execute_batch("BEGIN").map_err(fault)?;
        let done = match part {
            Part::Keys => keys(&self.conn, put),
            Part::Rows => rows(&self.conn, put),
        };
        // Nothing was written.
        self.conn.execute_batch("ROLLBACK").map_err(fault)?;
        done
    }

    /// Notes when the last archive was made.
    pub fn note_archive(&mut self, at: Stamp) -> Result<(), Code> {
        self.transaction(|vault| note_archive(&vault.conn, at))
    }
}

fn note_archive(conn: &Connection, at: Stamp) -> Result<(), Code> {
    let note = "INSERT OR REPLACE INTO meta (key, value) VALUES ('archived', ?1)";
    conn.execute(note, [at.0.to_be_bytes()]).map(|_| ()).map_err(fault)
}

/// When the last archive was made; none if there is none.
pub(crate) fn archived(conn: &Connection) -> Result<Option<Stamp>, Code> {
    let find = conn.query_row("SELECT value FROM meta WHERE key = 'archived'", [], |row| row.get::<_, [u8; 8]>(0));
    Ok(find.optional().map_err(fault)?.map(|at| Stamp(u64::from_be_bytes(at))))
}

fn keys(conn: &Connection, put: Put<'_>) -> Result<(), Code> {
    let account = account::load(conn)?;
    put(&Piece::Identity { created_s: account.created_s, secret: account.identity.to_bytes() })?;
    let mut find = conn.prepare("SELECT secret, public, since, replaced FROM mailbox_key ORDER BY number").map_err(fault)?;
    let mut found = find.query([]).map_err(fault)?;
    while let Some(row) = found.next().map_err(fault)? {
        let key = || -> rusqlite::Result<MailboxKey> {
            let secret = Secret::new(row.get::<_, [u8; 32]>(0)?);
            Ok(MailboxKey::new(&secret, row.get(1)?, Stamp(row.get(2)?), row.get::<_, Option<u64>>(3)?.map(Stamp)))
        };
        put(&Piece::MailboxKey(key().map_err(fault)?))?;
    }
    Ok(())
}

fn rows(conn: &Connection, put: Put<'_>) -> Result<(), Code> {
    each(
        conn,
        "SELECT fingerprint, certificate, mailbox_key, pinned, capability, now, before, read_number, begun, offer_claimed, dead_until
         FROM contact LEFT JOIN granted ON granted.contact = contact.fingerprint ORDER BY fingerprint",
        contact,
        &mut |contact| put(&Piece::Contact(Box::new(contact))),
    )?;
    each(
        conn,
        "SELECT number, contact, outgoing, id, state, body.ref, body.bytes, stamp, claimed, cause, marked
         FROM message LEFT JOIN body ON message.body = body.ref WHERE length(message.contact) = 20 ORDER BY number",
        message,
        &mut |message| put(&Piece::Message(Box::new(message))),
    )?;
    each(
        conn,
        "SELECT ref, bytes FROM body WHERE ref NOT IN (SELECT body FROM message WHERE body IS NOT NULL) ORDER BY ref",
        |row| Ok(Body { body: BodyRef(row.get(0)?), text: Bytes(row.get(1)?) }),
        &mut |body| put(&Piece::Body(body)),
    )
}

fn each<T>(
    conn: &Connection,
    query: &str,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    take: &mut dyn FnMut(T) -> Result<(), Code>,
) -> Result<(), Code> {
    let mut find = conn.prepare(query).map_err(fault)?;
    let mut rows = find.query([]).map_err(fault)?;
    while let Some(row) = rows.next().map_err(fault)? {
        take(read(row).map_err(fault)?)?;
    }
    Ok(())
}

fn contact(row: &Row<'_>) -> rusqlite::Result<Contact> {
    // Before the first such time the column holds -1.
    let time = |column: usize| Ok::<_, rusqlite::Error>(u64::try_from(row.get::<_, i64>(column)?).ok().map(Stamp));
    let bytes = |column: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<Vec<u8>>>(column)?.map(Bytes));
    Ok(Contact {
        fingerprint: Fingerprint(row.get(0)?),
        certificate: Bytes(row.get(1)?),
        mailbox_key: row.get(2)?,
        pinned: row.get(3)?,
        capability: bytes(4)?,
        granted: bytes(5)?,
        granted_before: bytes(6)?,
        read_number: row.get(7)?,
        begun: time(8)?,
        offer_claimed: time(9)?,
        dead_until: time(10)?,
    })
}

fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    let body = row.get::<_, Option<[u8; 16]>>(5)?.map(BodyRef).zip(row.get::<_, Option<Vec<u8>>>(6)?.map(Bytes));
    let state = row.get::<_, i64>(4)?;
    Ok(Message {
        number: row.get(0)?,
        contact: Fingerprint(row.get(1)?),
        outgoing: row.get(2)?,
        message: MessageId(row.get(3)?),
        state: state_of(state).ok_or(rusqlite::Error::IntegralValueOutOfRange(4, state))?,
        body: body.map(|(body, text)| Body { body, text }),
        stamp: Stamp(row.get(7)?),
        claimed: row.get(8)?,
        cause: row.get(9)?,
        marked: row.get(10)?,
    })
}

/// Refuses a piece that shows something else than what it says: an identity that is not the account's, or a certificate that is not the
/// contact's.
///
/// **Errors:** `ArchiveDamaged`.
pub fn holds(account: &Account, piece: &Piece) -> Result<(), Code> {
    let good = match piece {
        Piece::Identity { created_s: _, secret } => Identity::from_bytes(secret.expose()).is_ok_and(|identity| {
            let certificate = identity.certificate();
            certificate.fingerprint() == account.fingerprint && certificate.name() == account.name.text()
        }),
        Piece::Contact(contact) => {
            Certificate::parse(&contact.certificate.0).is_ok_and(|certificate| certificate.fingerprint() == contact.fingerprint)
        }
        Piece::Account(_) | Piece::MailboxKey(_) | Piece::State(_) | Piece::Message(_) | Piece::Body(_) | Piece::End(_) => true,
    };
    if good { Ok(()) } else { Err(Code::ArchiveDamaged) }
}

/// A vault that is being made of an archive: nothing of it is there before [`Restoring::end`].
pub struct Restoring {
    conn: Connection,
    entropy: SharedEntropy,
}

impl Restoring {
    /// Begins a vault. **Errors:** `ProfileExists`, the disk's.
    pub fn begin(path: &Path, key: &Key, entropy: SharedEntropy) -> Result<Restoring, Code> {
        Restoring::begin_at(Place::file(path), key, entropy)
    }

    /// The same in another of SQLite's virtual file systems, as [`SqlVault::create_in`].
    pub fn begin_in(vfs: &str, path: &Path, key: &Key, entropy: SharedEntropy) -> Result<Restoring, Code> {
        Restoring::begin_at(Place { path, vfs: Some(vfs) }, key, entropy)
    }

    fn begin_at(place: Place<'_>, key: &Key, entropy: SharedEntropy) -> Result<Restoring, Code> {
        let conn = schema::open(place, key, Mode::Create)?;
        conn.execute_batch("BEGIN IMMEDIATE").map_err(fault)?;
        Ok(Restoring { conn, entropy })
    }

    /// Takes a piece, in the archive's order. What is not the vault's is passed by.
    ///
    /// **Errors:** `ArchiveDamaged` for one that is none, or comes twice; the disk's. What [`holds`] tells is not asked again.
    pub fn put(&mut self, piece: &Piece) -> Result<(), Code> {
        let put = match piece {
            Piece::Identity { created_s, secret } => {
                let identity = Identity::from_bytes(secret.expose()).map_err(|_| Code::ArchiveDamaged)?;
                account::keep_identity(&self.conn, &self.entropy, &identity, *created_s, true)
            }
            Piece::MailboxKey(key) => self.put_mailbox_key(key),
            Piece::Contact(contact) => self.put_contact(contact),
            Piece::Message(message) => self.put_message(message),
            Piece::Body(body) => self.put_body(body),
            Piece::Account(_) | Piece::State(_) | Piece::End(_) => Ok(()),
        };
        // Two rows of one name.
        put.map_err(|code| if code == Code::Inconsistent { Code::ArchiveDamaged } else { code })
    }

    fn put_mailbox_key(&self, key: &MailboxKey) -> Result<(), Code> {
        let put = "INSERT INTO mailbox_key (secret, public, since, replaced) VALUES (?1, ?2, ?3, ?4)";
        let replaced = key.replaced.map(|at| at.0);
        self.conn.execute(put, params![key.secret(), key.public, key.since.0, replaced]).map(|_| ()).map_err(fault)
    }

    fn put_contact(&self, contact: &Contact) -> Result<(), Code> {
        let Contact {
            fingerprint,
            certificate: bytes,
            mailbox_key,
            pinned,
            capability,
            granted,
            granted_before,
            read_number,
            begun,
            offer_claimed,
            dead_until,
        } = contact;
        let certificate = Certificate::parse(&bytes.0).map_err(|_| Code::ArchiveDamaged)?;
        let time = |at: &Option<Stamp>| at.map_or(Ok(-1), |at| i64::try_from(at.0).map_err(|_| Code::ArchiveDamaged));
        let mut put = self
            .conn
            .prepare_cached(
                "INSERT INTO contact (fingerprint, name, name_key, certificate, mailbox_key, pinned, capability, read_number, begun,
                 offer_claimed, dead_until) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )
            .map_err(fault)?;
        let (name, capability) = (certificate.name(), capability.as_ref().map(|capability| &capability.0));
        put.execute(params![
            fingerprint.0,
            name,
            name.to_ascii_lowercase(),
            bytes.0,
            mailbox_key,
            pinned,
            capability,
            read_number,
            time(begun)?,
            time(offer_claimed)?,
            time(dead_until)?
        ])
        .map_err(fault)?;
        if let Some(now) = granted {
            let mut put = self.conn.prepare_cached("INSERT INTO granted (contact, now, before) VALUES (?1, ?2, ?3)").map_err(fault)?;
            put.execute(params![fingerprint.0, now.0, granted_before.as_ref().map(|before| &before.0)]).map_err(fault)?;
        }
        Ok(())
    }

    fn put_message(&self, message: &Message) -> Result<(), Code> {
        let Message { number, contact, outgoing, message, state, body, stamp, claimed, cause, marked } = message;
        // A text may be that of several messages.
        if let Some(body) = body
            && !self.has_body(body)?
        {
            self.put_body(body)?;
        }
        let mut put = self
            .conn
            .prepare_cached(
                "INSERT INTO message (number, contact, outgoing, id, state, body, stamp, claimed, cause, marked)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )
            .map_err(fault)?;
        // SQLite's integers are signed.
        let signed = |number: u64| i64::try_from(number).map_err(|_| Code::ArchiveDamaged);
        put.execute(params![
            signed(*number)?,
            contact.0,
            outgoing,
            message.0,
            state_number(*state),
            body.as_ref().map(|body| body.body.0),
            signed(stamp.0)?,
            signed(*claimed)?,
            cause,
            marked
        ])
        .map(|_| ())
        .map_err(fault)
    }

    fn has_body(&self, body: &Body) -> Result<bool, Code> {
        let mut find = self.conn.prepare_cached("SELECT 1 FROM body WHERE ref = ?1 AND bytes = ?2").map_err(fault)?;
        find.exists(params![body.body.0, body.text.0]).map_err(fault)
    }

    fn put_body(&self, body: &Body) -> Result<(), Code> {
        let mut put = self.conn.prepare_cached("INSERT INTO body (ref, bytes) VALUES (?1, ?2)").map_err(fault)?;
        put.execute(params![body.body.0, body.text.0]).map(|_| ()).map_err(fault)
    }

    /// Makes it a vault: one that has seen so many transactions, and was archived then.
    ///
    /// **Errors:** `ArchiveDamaged` if there was no identity, or no mailbox key; the disk's.
    pub fn end(self, count: u64, at: Stamp) -> Result<SqlVault, Code> {
        let Restoring { conn, entropy } = self;
        let account = account::load(&conn).map_err(|code| if code == Code::VaultDamaged { Code::ArchiveDamaged } else { code })?;
        if account.mailbox_keys.is_empty() {
            return Err(Code::ArchiveDamaged);
        }
        conn.execute_batch("INSERT INTO search (search) VALUES ('rebuild')").map_err(fault)?;
        // Numbers go on from where they were: what is read up to a number is not what comes.
        let numbers = "INSERT INTO sqlite_sequence (name, seq) SELECT 'message', 0
            WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'message');
            UPDATE sqlite_sequence SET seq = max(seq, (SELECT coalesce(max(read_number), 0) FROM contact)) WHERE name = 'message'";
        conn.execute_batch(numbers).map_err(fault)?;
        let count = i64::try_from(count).map_err(|_| Code::ArchiveDamaged)?;
        conn.execute("UPDATE tally SET count = ?1 WHERE id = 1", [count]).map_err(fault)?;
        note_archive(&conn, at)?;
        conn.execute_batch("COMMIT").map_err(fault)?;
        Ok(SqlVault { conn, entropy, account, log_holds_deleted: false })
    }
}
