//! The tables.

use rusqlite::{Connection, Result};

/// The schema's version, kept as SQLite's `user_version`.
pub(super) const VERSION: i64 = 1;

// An item and its FrameId came at the same time, so one index by time serves both; a place leads from the one to the other.
// Rows that may be large have a rowid: without one they would stand in the inner pages too.
//
// mailbox.items counts all items, mailbox.requests those of the request box, capability.items those of one capability, and
// mailbox.capabilities the capabilities that are held: no count is ever a scan. A capability's row stays after it was revoked
// (held = 0) until its last item is gone. item.request is 1 in the request box, and item.capability then null; it stands before
// the place in the index, since that is the order in which items are given.
pub(super) const TABLES: &str = "
CREATE TABLE account (
    number INTEGER PRIMARY KEY,
    name_key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    certificate BLOB NOT NULL,
    mailbox BLOB NOT NULL UNIQUE,
    mailbox_key_statement BLOB NOT NULL,
    mailbox_key_signature BLOB NOT NULL,
    generation BLOB
);
CREATE TABLE key_package (
    number INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    suite INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    at INTEGER
);
CREATE INDEX key_package_by_suite ON key_package (account, suite);
CREATE TABLE last_resort (
    number INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    suite INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    given INTEGER NOT NULL,
    at INTEGER
);
CREATE UNIQUE INDEX last_resort_by_suite ON last_resort (account, suite);
CREATE TABLE mailbox (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    place_last INTEGER NOT NULL,
    items INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    capabilities INTEGER NOT NULL
);
CREATE TABLE capability (
    number INTEGER PRIMARY KEY,
    mailbox INTEGER NOT NULL,
    id BLOB NOT NULL,
    held INTEGER NOT NULL,
    items INTEGER NOT NULL
);
CREATE UNIQUE INDEX capability_by_id ON capability (mailbox, id);
CREATE TABLE item (
    number INTEGER PRIMARY KEY,
    mailbox INTEGER NOT NULL,
    request INTEGER NOT NULL,
    place INTEGER NOT NULL,
    capability INTEGER,
    envelope BLOB NOT NULL
);
CREATE UNIQUE INDEX item_by_place ON item (mailbox, request, place);
CREATE TABLE frame (
    mailbox INTEGER NOT NULL,
    id BLOB NOT NULL,
    at INTEGER NOT NULL,
    place INTEGER NOT NULL,
    PRIMARY KEY (mailbox, id)
) WITHOUT ROWID;
CREATE INDEX frame_by_at ON frame (at);
";

/// What leads from a place to its FrameId. A store of this version that was made before has it not, and gets it at its next open;
/// the builds that made it keep it, since SQLite does.
pub(super) const INDEX_BY_PLACE: &str = "CREATE INDEX IF NOT EXISTS frame_by_place ON frame (mailbox, place);";

/// What leads to the key packages that came before a time, and to those of which nobody noted when they came.
pub(super) const INDICES_BY_AGE: &str = "
CREATE INDEX IF NOT EXISTS key_package_by_at ON key_package (at);
CREATE INDEX IF NOT EXISTS last_resort_by_at ON last_resort (at);
";

/// Adds when a key package came to a store of this version that was made before that was noted. What is there has no time, and
/// gets that of the first cleaning; so does what the builds that made the store put into it.
pub(super) fn add_ages(conn: &Connection) -> Result<()> {
    for table in ["key_package", "last_resort"] {
        let has: bool = conn.query_row("SELECT count(*) FROM pragma_table_info(?1) WHERE name = 'at'", [table], |row| row.get(0))?;
        if !has {
            conn.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN at INTEGER"))?;
        }
    }
    Ok(())
}

/// Logs of groups, and which life of the store this is. A store of this version that was made before has them not, and gets them at its
/// next open.
//
// group_log.keys counts the posting keys that were registered, group_log.len the bytes of the entries that are kept, and first, last and
// last_commit are numbers of entries. A reading key stands at the entry that it was registered with, the first at 0.
pub(super) const TABLES_OF_LOGS: &str = "
CREATE TABLE IF NOT EXISTS incarnation (id BLOB NOT NULL);
INSERT INTO incarnation (id) SELECT randomblob(16) WHERE NOT EXISTS (SELECT 1 FROM incarnation);
CREATE TABLE IF NOT EXISTS group_log (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    created BLOB NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    last_commit INTEGER NOT NULL,
    keys INTEGER NOT NULL,
    len INTEGER NOT NULL,
    at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS group_log_by_at ON group_log (at);
CREATE TABLE IF NOT EXISTS log_lane (
    log INTEGER NOT NULL,
    lane BLOB NOT NULL,
    owner INTEGER NOT NULL,
    PRIMARY KEY (log, lane)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS posting_key (
    log INTEGER NOT NULL,
    number INTEGER NOT NULL,
    digest BLOB NOT NULL,
    replaced INTEGER,
    PRIMARY KEY (log, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reading_key (
    log INTEGER NOT NULL,
    entry INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (log, entry)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log_entry (
    number INTEGER PRIMARY KEY,
    log INTEGER NOT NULL,
    entry INTEGER NOT NULL,
    frame BLOB NOT NULL,
    kind INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    posting BLOB,
    at INTEGER NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS log_entry_by_number ON log_entry (log, entry);
CREATE UNIQUE INDEX IF NOT EXISTS log_entry_by_frame ON log_entry (log, frame);
CREATE INDEX IF NOT EXISTS log_entry_by_at ON log_entry (at);
";
