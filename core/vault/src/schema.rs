//! The vault's tables, and how its database is opened.

use crate::mls::storage;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;
use thicket_journal_format::Key;
use thicket_types::error::Code;
use zeroize::Zeroize as _;

/// The schema's version, kept as SQLite's `user_version`. What only reads takes the one before too: it reads nothing that came since.
const VERSION: i64 = 2;
const BEFORE: i64 = 1;

const TABLES: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE tally (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    count INTEGER NOT NULL,
    durable_seq INTEGER,
    durable_chain BLOB
);
INSERT INTO tally (id, count) VALUES (1, 0);
CREATE TABLE ledger (
    seq INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    segment BLOB NOT NULL,
    op BLOB NOT NULL,
    reply BLOB NOT NULL,
    PRIMARY KEY (seq, idx, segment)
) WITHOUT ROWID;
CREATE TABLE body (ref BLOB PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE contact (
    fingerprint BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    certificate BLOB NOT NULL,
    mailbox_key BLOB,
    pinned INTEGER NOT NULL,
    capability BLOB,
    read_number INTEGER NOT NULL DEFAULT 0,
    -- One byte, 1 if earlier groups are dead to them, and the key package.
    offer BLOB,
    offer_claimed INTEGER NOT NULL DEFAULT -1,
    -- Their groups that were begun before are dead to them.
    dead_until INTEGER NOT NULL DEFAULT -1,
    -- Time of our last offer or beginning: each is later than the one before.
    begun INTEGER NOT NULL DEFAULT -1,
    -- Whether they were told that groups which another vault of ours may have with them are dead.
    told INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX contact_by_name ON contact (name_key);
CREATE TABLE mls_group (
    id BLOB PRIMARY KEY,
    contact BLOB NOT NULL,
    creator BLOB NOT NULL,
    sending INTEGER NOT NULL,
    dead INTEGER NOT NULL,
    -- When its creator began it, by their clock.
    begun INTEGER NOT NULL,
    used INTEGER NOT NULL,
    welcome BLOB,
    pending BLOB
) WITHOUT ROWID;
CREATE INDEX mls_group_by_contact ON mls_group (contact);
CREATE TABLE past_epoch (
    group_id BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (group_id, epoch)
) WITHOUT ROWID;
CREATE TABLE welcome (hash BLOB PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE granted (contact BLOB PRIMARY KEY, now BLOB NOT NULL, before BLOB) WITHOUT ROWID;
CREATE TABLE mailbox_key (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    secret BLOB NOT NULL,
    public BLOB NOT NULL,
    since INTEGER NOT NULL,
    replaced INTEGER
);
CREATE TABLE generation (number INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL);
CREATE TABLE last_resort (number INTEGER PRIMARY KEY AUTOINCREMENT, address BLOB NOT NULL, replaced INTEGER);
CREATE TABLE publication (id INTEGER PRIMARY KEY CHECK (id = 1), last_resort INTEGER, crowded INTEGER NOT NULL);
CREATE TABLE offered (address BLOB PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
-- Key packages that another copy of the profile has too: what begins with one may have been answered there.
CREATE TABLE shared (address BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE message (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    contact BLOB NOT NULL,
    outgoing INTEGER NOT NULL,
    id BLOB NOT NULL,
    state INTEGER NOT NULL,
    body BLOB,
    stamp INTEGER NOT NULL,
    claimed INTEGER NOT NULL,
    cause INTEGER NOT NULL,
    marked INTEGER NOT NULL DEFAULT 0,
    -- Who wrote it, where that is not the contact: in a group, whose id stands in the contact's place.
    sender BLOB,
    UNIQUE (contact, outgoing, id)
);
CREATE INDEX message_by_contact ON message (contact, number);
CREATE INDEX message_by_body ON message (body);
CREATE VIEW message_text AS
    SELECT message.number AS number, CAST(body.bytes AS TEXT) AS text FROM message JOIN body ON message.body = body.ref;
CREATE VIRTUAL TABLE search USING fts5(text, content='message_text', content_rowid='number', tokenize='unicode61 remove_diacritics 2');
INSERT INTO search (search, rank) VALUES ('secure-delete', 1);
";

/// The tables of groups with a log, which came with version 2.
const GROUPS: &str = "
CREATE TABLE log_group (
    id BLOB PRIMARY KEY,
    -- Its epochs, without their members.
    lineage BLOB NOT NULL,
    -- The last entry that was followed, and the log's hash up to it.
    followed INTEGER NOT NULL,
    prefix BLOB NOT NULL,
    -- The last entry that is a commit.
    latest INTEGER NOT NULL,
    -- The relay's, once it has the log.
    incarnation BLOB,
    reading BLOB NOT NULL,
    lane BLOB,
    -- Whether we are no member any more.
    gone INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE log_epoch (
    group_id BLOB NOT NULL,
    -- The number of the commit that opened it.
    number INTEGER NOT NULL,
    members BLOB NOT NULL,
    entries BLOB NOT NULL,
    posting BLOB NOT NULL,
    PRIMARY KEY (group_id, number)
) WITHOUT ROWID;
-- Our commit that is under way: its entry, and the Welcome for those whom it lets in.
CREATE TABLE log_pending (group_id BLOB PRIMARY KEY, entry BLOB NOT NULL, welcome BLOB) WITHOUT ROWID;
-- Messages of ours that were posted, by the SHA-256 of their entry.
CREATE TABLE log_post (group_id BLOB NOT NULL, frame BLOB NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (group_id, frame)) WITHOUT ROWID;
-- Key packages of contacts who are to be let in.
CREATE TABLE log_package (
    group_id BLOB NOT NULL,
    contact BLOB NOT NULL,
    package BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (group_id, contact)
) WITHOUT ROWID;
-- What lets somebody in, until it is past its window: their own secrets, and what all have in common whom one commit lets in.
CREATE TABLE log_welcome (
    group_id BLOB NOT NULL,
    contact BLOB NOT NULL,
    number INTEGER NOT NULL,
    welcome BLOB NOT NULL,
    PRIMARY KEY (group_id, contact)
) WITHOUT ROWID;
CREATE TABLE log_place (
    group_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    content BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (group_id, number)
) WITHOUT ROWID;
-- Certificates of members, contacts or not: those that their leaves go by.
CREATE TABLE log_certificate (
    group_id BLOB NOT NULL,
    fingerprint BLOB NOT NULL,
    certificate BLOB NOT NULL,
    PRIMARY KEY (group_id, fingerprint)
) WITHOUT ROWID;
";

/// What makes a database of version 1 one of version 2.
const TO_2: &str = "ALTER TABLE message ADD COLUMN sender BLOB;";

/// How the database at a path is opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Made anew; a database that is there is an error.
    Create,
    /// Opened for reading and writing.
    Write,
    /// Opened for reading alone: for views, beside the writer.
    Read,
    /// The same where nothing can be written, not even the index that readers of a log share. A log that holds something needs
    /// one: then as `Read`.
    ReadOnly,
}

/// Makes an empty file that nobody but its owner reads, whatever the umask: SQLite, which goes by it, takes the file as a new
/// database, and gives its mode to the write-ahead log and the index. A file that is there stays as it is; it is not even
/// opened, since closing it would drop SQLite's locks on it.
///
/// Where none can be made, opening fails next, and says so; but for SQLite a disk without room for a file has none of that name.
fn make_private(path: &Path) -> Result<(), Code> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => Err(Code::DiskFull),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Where a database lies.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) path: &'a Path,
    /// Which of SQLite's virtual file systems it lies in; `None`: files.
    pub(crate) vfs: Option<&'a str>,
}

impl<'a> Place<'a> {
    /// A file.
    pub(crate) fn file(path: &'a Path) -> Place<'a> {
        Place { path, vfs: None }
    }
}

/// Opens the database with a raw key, so that SQLCipher derives none.
///
/// One of the version before is raised to this one in a transaction, if it is opened for writing.
///
/// **Errors:** `ProfileExists` and `ProfileNewer` change no byte of the database and of its log: nothing is set that writes
/// before the version is known.
pub(crate) fn open(place: Place<'_>, key: &Key, mode: Mode) -> Result<Connection, Code> {
    let Place { path, vfs } = place;
    match mode {
        // What lies in another file system is its own to make, and to look for.
        _ if vfs.is_some() => {}
        Mode::Create => make_private(path)?,
        // Who has its key had it once.
        Mode::Write | Mode::Read | Mode::ReadOnly if matches!(path.try_exists(), Ok(false)) => return Err(Code::VaultDamaged),
        Mode::Write | Mode::Read | Mode::ReadOnly => {}
    }
    let logged = vfs.is_some() || std::fs::metadata(path.with_extension("db-wal")).is_ok_and(|log| log.len() > 0);
    let flags = match mode {
        Mode::Create if vfs.is_some() => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        Mode::Create | Mode::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
        Mode::Read | Mode::ReadOnly => OpenFlags::SQLITE_OPEN_READ_ONLY,
    } | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = match (vfs, immutable(path).filter(|_| mode == Mode::ReadOnly && !logged)) {
        (Some(vfs), _) => Connection::open_with_flags_and_vfs(path, flags, vfs),
        (None, Some(uri)) => Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI),
        (None, None) => Connection::open_with_flags(path, flags),
    }
    .map_err(fault)?;
    // A log that is there goes into the database when the last connection closes, also that of an open that was refused. Without
    // one, closing removes the empty log that the first read made.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, logged).map_err(fault)?;
    let mut pragma = String::from("PRAGMA key = \"x'");
    for byte in key.expose() {
        // Writing to a String cannot fail.
        let _ = write!(pragma, "{byte:02x}");
    }
    pragma.push_str("'\"");
    let keyed = conn.execute_batch(&pragma);
    pragma.zeroize();
    keyed.map_err(fault)?;
    // The first read tells whether the key and the file fit.
    conn.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(())).map_err(fault)?;
    let version: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fault)?;
    match (mode, version) {
        (Mode::Create, 0) | (Mode::Write | Mode::Read | Mode::ReadOnly, VERSION | BEFORE) => {}
        (Mode::Create, _) => return Err(Code::ProfileExists),
        (_, newer) if newer > VERSION => return Err(Code::ProfileNewer),
        (_, _) => return Err(Code::VaultDamaged),
    }
    // It is ours: from here on it is written.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map_err(fault)?;
    conn.execute_batch("PRAGMA temp_store = MEMORY; PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000;")
        .map_err(fault)?;
    if matches!(mode, Mode::Create | Mode::Write) {
        conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;").map_err(fault)?;
    }
    conn.set_prepared_statement_cache_capacity(128);
    if mode == Mode::Create {
        let made = format!("BEGIN; {TABLES} {GROUPS} {} PRAGMA user_version = {VERSION}; COMMIT;", storage::SCHEMA);
        conn.execute_batch(&made).map_err(fault)?;
    }
    if mode == Mode::Write && version == BEFORE {
        let raised = format!("BEGIN IMMEDIATE; {GROUPS} {TO_2} PRAGMA user_version = {VERSION}; COMMIT;");
        conn.execute_batch(&raised).map_err(fault)?;
    }
    Ok(conn)
}

/// The name by which SQLite reads a file that nobody writes (sqlite.org/uri.html); none if it is no UTF-8.
fn immutable(path: &Path) -> Option<String> {
    let path = std::path::absolute(path).ok()?;
    let path = path.to_str()?.trim_start_matches('/').replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    Some(format!("file:///{path}?immutable=1"))
}

/// What a failure of SQLite means to a person.
pub(crate) fn fault(error: rusqlite::Error) -> Code {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        // What SQLCipher says of a page whose HMAC does not hold, where SQLite does not ask why. Our own statements are no others than
        // those that are tried.
        Some(ErrorCode::Unknown) if error.sqlite_error().is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_ERROR) => {
            Code::VaultDamaged
        }
        Some(ErrorCode::DiskFull) => Code::DiskFull,
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Code::FileFailed,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Code::VaultDamaged,
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::ApiMisuse) => Code::Inconsistent,
        Some(_) => Code::DiskFailed,
        None => Code::Inconsistent,
    }
}
