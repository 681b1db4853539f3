//! Vaults of the version before: read as they are, and raised when they are written.

use super::*;
use crate::mls::storage;
use rusqlite::Connection;
use std::path::Path;

/// The tables of version 1, as they were.
const TABLES_1: &str = "
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
    UNIQUE (contact, outgoing, id)
);
CREATE INDEX message_by_contact ON message (contact, number);
CREATE INDEX message_by_body ON message (body);
CREATE VIEW message_text AS
    SELECT message.number AS number, CAST(body.bytes AS TEXT) AS text FROM message JOIN body ON message.body = body.ref;
CREATE VIRTUAL TABLE search USING fts5(text, content='message_text', content_rowid='number', tokenize='unicode61 remove_diacritics 2');
INSERT INTO search (search, rank) VALUES ('secure-delete', 1);
";

/// Alice's vault, as version 1 made it, with a message of bob's.
fn old(bob: Fingerprint) -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join(DB);
    let conn = keyed(&path);
    let tables = format!("PRAGMA journal_mode = WAL; BEGIN; {TABLES_1} {} PRAGMA user_version = 1; COMMIT;", storage::SCHEMA);
    conn.execute_batch(&tables).expect("tables");
    account::create(&conn, &seeded(1), &NewAccount { origin: Origin::New(name("alice")), at: NOW }).expect("an account");
    let said = format!(
        "INSERT INTO body (ref, bytes) VALUES (x'01', CAST('from before' AS BLOB));
         INSERT INTO message (contact, outgoing, id, state, body, stamp, claimed, cause)
             VALUES (x'{}', 0, x'{}', 3, x'01', 1, 1, 0);
         INSERT INTO search (rowid, text) SELECT number, text FROM message_text;",
        bob.hex(),
        message_of("from before").hex()
    );
    conn.execute_batch(&said).expect("tables");
    conn.close().expect("nothing under way");
    (folder, path)
}

fn keyed(path: &Path) -> Connection {
    let conn = Connection::open(path).expect("a folder");
    let key = format!("PRAGMA key = \"x'{}'\"", "07".repeat(32));
    conn.execute_batch(&key).expect("a key");
    conn
}

fn version(path: &Path) -> i64 {
    keyed(path).query_row("PRAGMA user_version", [], |row| row.get(0)).expect("a database")
}

/// Each table with the name and type of each column, and each index.
fn shape(conn: &Connection) -> Vec<(String, String, String)> {
    let sql = "SELECT item.name, coalesce(column.name, ''), coalesce(column.type, '')
        FROM sqlite_master AS item LEFT JOIN pragma_table_info(item.name) AS column ORDER BY item.name, column.cid";
    let mut find = conn.prepare(sql).expect("a query");
    let rows = find.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).expect("rows");
    rows.collect::<Result<_, _>>().expect("rows")
}

#[test]
fn a_vault_of_the_version_before_is_raised_with_all_that_it_holds_when_it_is_opened_for_writing() {
    let mut bob = Person::new("bob", 2);
    let (folder, path) = old(bob.own());
    let vault = SqlVault::open(&path, &key(), seeded(5)).expect("an intact vault");
    let mut alice = Person { who: "alice", folder, vault, asked: 1_000 };
    assert_eq!(alice.heard(), ["from before"]);
    let new = Person::new("carol", 3);
    assert_eq!(shape(&alice.vault.conn), shape(&new.vault.conn), "as if it were new");
    // It does what this version does.
    let mut log = groups::Log::default();
    groups::create(&mut alice, &mut log);
    groups::add(&mut alice, &mut log, &mut [&mut bob]);
    groups::post(&mut bob, &mut log, "now");
    groups::follow(&mut alice, &mut log);
    assert_eq!(groups::texts(&alice), [(bob.own(), "now".to_owned())]);
    let alice = alice.reopened();
    assert_eq!((version(&path), alice.heard()), (2, vec!["from before".to_owned()]));
}

#[test]
fn a_vault_of_the_version_before_is_read_and_searched_as_it_is() {
    let bob = Person::new("bob", 2);
    let (_folder, path) = old(bob.own());
    for reader in [Reader::open(&path, &key()), Reader::open_read_only(&path, &key())] {
        let reader = reader.expect("an intact vault");
        assert_eq!(reader.own().expect("an account").0, "alice");
        assert_eq!(reader.search("before", 10).expect("an index").len(), 1);
        let rows = [reader.messages(None, 0, 10), reader.latest(), reader.find(message_of("from before"))];
        assert!(rows.into_iter().all(|rows| rows.expect("a table").len() == 1));
        assert_eq!(reader.unread(), Ok(Default::default()));
        assert!(reader.remembered().is_ok() && reader.archived().is_ok() && reader.groups(bob.own()).is_ok());
    }
    assert_eq!(version(&path), 1);
}

#[test]
fn a_vault_of_a_later_version_is_left_alone() {
    let bob = Person::new("bob", 2);
    let (_folder, path) = old(bob.own());
    keyed(&path).execute_batch("PRAGMA user_version = 3").expect("a database");
    assert_eq!(SqlVault::open(&path, &key(), seeded(5)).map(|_| ()), Err(Code::ProfileNewer));
    assert_eq!(Reader::open(&path, &key()).map(|_| ()), Err(Code::ProfileNewer));
}
