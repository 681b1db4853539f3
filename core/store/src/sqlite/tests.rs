use super::*;
use crate::conformance::{
    SESSION, SUITE, Seen, account, challenge, digest, filled, frame, item, last_resort, mailbox, name, open, package, put, put_by, seen,
    tag, two_accounts,
};
use rusqlite::types::Value;
use tempfile::TempDir;
use thicket_types::limits::{KEY_PACKAGE_FOR, RETENTION};
use thicket_types::ports::Logs as _;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn raw(path: &Path) -> Connection {
    Connection::open(path).expect("a database")
}

/// Every row of a table.
fn rows(conn: &Connection, table: &str) -> Vec<Vec<Value>> {
    let mut find = conn.prepare(&format!("SELECT * FROM {table}")).expect("a table");
    let columns = find.column_count();
    let rows = find.query_map([], |row| (0..columns).map(|column| row.get(column)).collect()).expect("rows");
    rows.collect::<rusqlite::Result<_>>().expect("rows")
}

fn tables(conn: &Connection) -> Vec<String> {
    let mut find = conn.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").expect("tables");
    let tables = find.query_map([], |row| row.get(0)).expect("tables");
    tables.collect::<rusqlite::Result<_>>().expect("tables")
}

#[test]
fn reopened_store_has_what_was_committed_and_no_lanes() {
    let folder = folder();
    let path = folder.path().join("relay.db");
    let mut store = open(&path);
    filled(&mut store);
    store.put_challenge([1; 32], &challenge("alice", Stamp(5))).expect("kept");
    store.remove_items(mailbox(1), &[4]).expect("removed");
    assert_eq!(store.take_key_package(&name("alice"), &[SUITE], Stamp(0)), Ok(Some(package(1))));
    assert_eq!(store.spend(digest(1), MailboxId([1; 16]), Stamp(5)), Ok(true));
    store.commit().expect("durable");
    let Seen { accounts, directory, mailboxes, .. } = seen(&mut store);
    // What is not committed is not durable.
    put(&mut store, 1, 50, Stamp(0));
    store.put_account(&name("carol"), &account("carol", 3)).expect("kept");
    drop(store);

    let mut store = open(&path);
    let after = seen(&mut store);
    assert_eq!((after.accounts, after.directory, after.mailboxes), (accounts, directory, mailboxes));
    assert_eq!((store.lane(tag(1)), store.lane_of(mailbox(1))), (Ok(None), Ok(None)));
    assert_eq!((store.take_challenge([1; 32]), store.answer(tag(1), frame(1))), (Ok(None), Ok(None)));
    assert_eq!(store.spend(digest(1), MailboxId([1; 16]), Stamp(5)), Ok(true), "a spent stamp is forgotten");
    assert_eq!(store.take_key_package(&name("alice"), &[SUITE], Stamp(0)), Ok(Some(package(2))));
    assert_eq!(store.take_key_package(&name("alice"), &[SUITE], Stamp(0)), Ok(Some(last_resort(9))));
    assert_eq!(store.put_item(&item(1, 4, &[4], Stamp(0))), Ok(PutOutcome::Repeated));
    // The newest item is gone, and its place is not given again.
    assert_eq!(put(&mut store, 1, 51, Stamp(0)), 5);
}

#[test]
fn newer_store_is_refused_untouched() {
    let folder = folder();
    let path = folder.path().join("relay.db");
    two_accounts(&mut open(&path));
    raw(&path).execute_batch(&format!("PRAGMA user_version = {}", VERSION + 1)).expect("a newer version");
    let before = fs::read(&path).expect("bytes");
    assert_eq!(SqliteStore::open(&path).err(), Some(OpenError::Newer));
    assert_eq!(fs::read(&path).expect("bytes"), before);
    raw(&path).execute_batch(&format!("PRAGMA user_version = {VERSION}")).expect("our version");
    assert_eq!(open(&path).account(&name("alice")), Ok(Some(account("Alice", 1))));
}

#[test]
fn what_is_no_store_is_refused_untouched() {
    let folder = folder();
    let noise = folder.path().join("noise");
    fs::write(&noise, [7; 8192]).expect("written");
    assert_eq!(SqliteStore::open(&noise).err(), Some(OpenError::Damaged));
    assert_eq!(fs::read(&noise).expect("bytes"), [7; 8192]);
    let other = folder.path().join("other.db");
    raw(&other).execute_batch("CREATE TABLE account (number INTEGER)").expect("a table");
    let before = fs::read(&other).expect("bytes");
    assert_eq!(SqliteStore::open(&other).err(), Some(OpenError::Damaged));
    assert_eq!(fs::read(&other).expect("bytes"), before);
    assert_eq!(SqliteStore::open(&folder.path().join("missing/relay.db")).err(), Some(OpenError::Shut));
}

#[test]
fn names_are_in_the_account_table_alone() {
    let folder = folder();
    let path = folder.path().join("relay.db");
    let mut store = open(&path);
    filled(&mut store);
    store.put_challenge([1; 32], &challenge("alice", Stamp(5))).expect("kept");
    store.commit().expect("durable");
    drop(store);
    let conn = raw(&path);
    let named = |value: &Value| {
        let bytes = match value {
            Value::Text(text) => text.as_bytes(),
            Value::Blob(bytes) => bytes,
            Value::Null | Value::Integer(_) | Value::Real(_) => &[],
        };
        let bytes = bytes.to_ascii_lowercase();
        bytes.windows(5).any(|part| part == b"alice") || bytes.windows(3).any(|part| part == b"bob")
    };
    let tables = tables(&conn);
    let of_logs = ["group_log", "incarnation", "log_entry", "log_lane", "posting_key", "reading_key"];
    let others = ["account", "capability", "frame", "item", "key_package", "last_resort", "mailbox"];
    assert!(tables.iter().all(|table| others.iter().chain(&of_logs).any(|known| table == known)), "{tables:?}");
    for table in tables {
        let rows = rows(&conn, &table);
        assert!(!rows.is_empty(), "{table}");
        assert_eq!(rows.iter().flatten().any(named), table == "account", "{table}");
    }
}

#[test]
fn backup_is_equal_and_overwrites_nothing() {
    let folder = folder();
    let copy = folder.path().join("copy.db");
    let mut store = open(&folder.path().join("relay.db"));
    filled(&mut store);
    put(&mut store, 1, 50, Stamp(0));
    assert_eq!(store.backup(&copy), Err(BackupError::Uncommitted));
    assert!(!copy.exists());
    store.commit().expect("durable");
    assert_eq!(store.backup(&copy), Ok(()));
    let bytes = fs::read(&copy).expect("bytes");
    assert_eq!(store.backup(&copy), Err(BackupError::Exists));
    assert_eq!(fs::read(&copy).expect("bytes"), bytes);
    assert_eq!(store.backup(&folder.path().join("missing/copy.db")), Err(BackupError::Shut));

    let mut copied = open(&copy);
    // Nobody is taken for a copy by what a backup remembers.
    let alice = name("alice");
    assert_eq!((store.generation(&alice).expect("read").is_some(), copied.generation(&alice).expect("read")), (true, None));
    store.conn.execute_batch("UPDATE account SET generation = NULL").expect("written");
    // Members of a group see that its log may have gone back.
    assert_ne!(copied.incarnation(), store.incarnation());
    for table in tables(&store.conn).into_iter().filter(|table| table != "incarnation") {
        assert_eq!(rows(&copied.conn, &table), rows(&store.conn, &table), "{table}");
    }
    let (before, after) = (seen(&mut store), seen(&mut copied));
    assert_eq!((after.directory, after.mailboxes), (before.directory, before.mailboxes));
    // Each goes its own way.
    let place = put(&mut copied, 1, 60, Stamp(0));
    copied.commit().expect("durable");
    assert_eq!(put(&mut store, 1, 61, Stamp(0)), place);
}

#[test]
fn transaction_in_which_something_failed_is_not_committed() {
    let folder = folder();
    let path = folder.path().join("relay.db");
    let mut store = open(&path);
    filled(&mut store);
    let before = seen(&mut store);
    put(&mut store, 1, 50, Stamp(0));
    store.bind_lane(tag(3), &name("alice"), SESSION).expect("bound");
    store.conn.execute_batch("ALTER TABLE frame RENAME TO away").expect("renamed");
    assert_eq!(store.put_item(&item(1, 51, &[1], Stamp(0))), Err(StoreError::Failed));
    // Nothing more is done, and nothing of it is kept, whatever would work by itself.
    assert_eq!(store.count(mailbox(1)), Err(StoreError::Failed));
    assert_eq!(store.put_account(&name("carol"), &account("carol", 3)), Err(StoreError::Failed));
    assert_eq!(store.commit(), Err(StoreError::Failed));
    assert_eq!(store.roll_back(), Ok(()));
    assert_eq!(seen(&mut store), before);
    put(&mut store, 1, 50, Stamp(0));
    assert_eq!(store.commit(), Ok(()));
    drop(store);
    assert_eq!(open(&path).count(mailbox(1)), Ok(5));
}

#[test]
fn transaction_that_sqlite_ended_itself_is_not_committed() {
    let folder = folder();
    let mut store = open(&folder.path().join("relay.db"));
    two_accounts(&mut store);
    put(&mut store, 1, 1, Stamp(0));
    let pages: i64 = store.conn.query_row("PRAGMA page_count", [], |row| row.get(0)).expect("pages");
    store.conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).expect("a full disk");
    assert_eq!(store.put_item(&item(1, 2, &[2; 90_000], Stamp(0))), Err(StoreError::Failed));
    assert_eq!(store.commit(), Err(StoreError::Failed));
    assert_eq!(store.roll_back(), Ok(()));
    assert_eq!(store.count(mailbox(1)), Ok(0));
    put(&mut store, 1, 1, Stamp(0));
    assert_eq!(store.commit(), Ok(()));
    assert_eq!(store.count(mailbox(1)), Ok(1));
}

#[test]
fn clean_goes_in_batches() {
    let folder = folder();
    let mut store = open(&folder.path().join("relay.db"));
    two_accounts(&mut store);
    for number in 0..1_500 {
        put(&mut store, 1, number, Stamp(number));
    }
    put(&mut store, 2, 1, Stamp(1_500));
    store.commit().expect("durable");
    let now = Stamp(1_500).after(RETENTION);
    assert_eq!(store.clean(now, RETENTION), Ok(1_000));
    assert_eq!(store.count(mailbox(1)), Ok(500));
    assert_eq!(store.clean(now, RETENTION), Ok(500));
    assert_eq!(store.clean(now, RETENTION), Ok(0));
    store.commit().expect("durable");
    assert_eq!((store.count(mailbox(1)), store.count(mailbox(2))), (Ok(0), Ok(1)));
    assert_eq!(rows(&store.conn, "frame").len(), 1);
}

#[test]
fn nothing_is_begun_by_what_changes_nothing() {
    let folder = folder();
    let mut store = open(&folder.path().join("relay.db"));
    filled(&mut store);
    seen(&mut store);
    assert_eq!(store.put_item(&item(1, 1, &[1], Stamp(0))), Ok(PutOutcome::Repeated));
    assert_eq!(store.clean(Stamp(0), RETENTION), Ok(0));
    store.remove_items(mailbox(1), &[99]).expect("nothing removed");
    store.set_capabilities(mailbox(1), &[digest(1)], &[digest(9)]).expect("nothing changed");
    assert_eq!(store.put_item(&NewItem { quota_max: 0, ..item(1, 99, &[1], Stamp(0)) }), Ok(PutOutcome::QuotaFull));
    assert_eq!(store.spend(digest(1), MailboxId([1; 16]), Stamp(5)), Ok(true));
    store.bind_lane(tag(3), &name("alice"), SESSION).expect("bound");
    assert!(store.conn.is_autocommit());
    put(&mut store, 1, 9, Stamp(0));
    assert!(!store.conn.is_autocommit());
    store.commit().expect("durable");
    assert!(store.conn.is_autocommit());
}

#[test]
fn no_statement_of_the_mailboxes_reads_a_whole_table() {
    let folder = folder();
    let store = open(&folder.path().join("relay.db"));
    // As they stand in `mailboxes.rs` and `directory.rs`.
    for statement in [
        "SELECT number, place_last, items, requests, capabilities FROM mailbox WHERE id = ?1",
        "SELECT name_key FROM account WHERE mailbox = ?1",
        "SELECT number, held, items FROM capability WHERE mailbox = ?1 AND id = ?2",
        "SELECT 1 FROM frame WHERE mailbox = ?1 AND id = ?2",
        "SELECT place, envelope FROM item WHERE mailbox = (SELECT number FROM mailbox WHERE id = ?1) ORDER BY request, place LIMIT ?2",
        "DELETE FROM item WHERE mailbox = ?1 AND request IN (0, 1) AND place = ?2 RETURNING request, capability",
        "SELECT mailbox, id, place FROM frame WHERE at < ?1 ORDER BY at LIMIT ?2",
        "DELETE FROM frame WHERE mailbox = ?1 AND id = ?2",
        "DELETE FROM frame WHERE mailbox = ?1 AND place = ?2
         AND NOT EXISTS (SELECT 1 FROM item WHERE mailbox = ?1 AND request IN (0, 1) AND place = ?2)",
        "SELECT number, bytes FROM key_package WHERE account = ?1 AND suite = ?2 AND (at IS NULL OR at >= ?3) ORDER BY number LIMIT 1",
        "SELECT 1 FROM key_package WHERE at < ?1",
        "DELETE FROM key_package WHERE number IN (SELECT number FROM key_package WHERE at < ?1 ORDER BY at LIMIT ?2)",
        "SELECT 1 FROM key_package WHERE at IS NULL",
        "SELECT 1 FROM last_resort WHERE at IS NULL",
        "SELECT number, given, bytes FROM last_resort WHERE account = ?1 AND suite = ?2",
        "SELECT (SELECT count(*) FROM key_package WHERE account = account.number AND (at IS NULL OR at >= ?2)),
                EXISTS (SELECT 1 FROM last_resort WHERE account = account.number AND given = 0 AND (at IS NULL OR at >= ?2))
         FROM account WHERE name_key = ?1",
    ] {
        let mut plan = store.conn.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).expect("a plan");
        let nulls = vec![Value::Null; plan.parameter_count()];
        let steps = plan.query_map(rusqlite::params_from_iter(nulls), |row| row.get(3)).expect("a plan");
        let steps: Vec<String> = steps.collect::<rusqlite::Result<_>>().expect("a plan");
        assert!(!steps.is_empty(), "{statement}");
        assert!(steps.iter().all(|step| !step.starts_with("SCAN") && !step.contains("TEMP B-TREE")), "{statement}: {steps:?}");
    }
}

#[test]
fn a_store_of_a_build_that_did_not_look_up_places_is_opened_and_does() {
    let folder = folder();
    let path = folder.path().join("relay.db");
    filled(&mut open(&path));
    raw(&path).execute_batch("DROP INDEX frame_by_place").expect("as it was");
    let has = |conn: &Connection| conn.prepare("SELECT count(*) FROM frame INDEXED BY frame_by_place WHERE mailbox = 1").is_ok();
    assert!(!has(&raw(&path)));
    let mut store = open(&path);
    assert!(has(&store.conn));
    assert_eq!(store.put_item(&item(1, 1, &[1], Stamp(0))), Ok(PutOutcome::Repeated));
}

#[test]
fn a_store_of_a_build_that_noted_no_times_of_key_packages_gives_them_that_of_the_first_cleaning() {
    let folder = folder();
    let path = folder.path().join("relay.db");
    filled(&mut open(&path));
    for table in ["key_package", "last_resort"] {
        raw(&path).execute_batch(&format!("DROP INDEX {table}_by_at; ALTER TABLE {table} DROP COLUMN at")).expect("as it was");
    }
    let mut store = open(&path);
    let alice = name("alice");
    let stock = |store: &mut SqliteStore, from| store.key_packages(&alice, from).expect("read");
    let all = Stock { one_time: 2, last_resort: true };
    assert_eq!(stock(&mut store, Stamp(u64::MAX)), all, "none is stale before it is known when it came");
    store.clean(Stamp(7), RETENTION).expect("cleaned");
    store.commit().expect("durable");
    assert_eq!((stock(&mut store, Stamp(7)), stock(&mut store, Stamp(8))), (all, Stock::default()));
    // What such a build puts into it since.
    store.conn.execute_batch("INSERT INTO key_package (account, suite, bytes) VALUES (1, 1, x'05')").expect("a package");
    store.clean(Stamp(8), RETENTION).expect("cleaned");
    assert_eq!(stock(&mut store, Stamp(8)).one_time, 1);
    assert_eq!(store.take_key_package(&alice, &[SUITE], Stamp(8)), Ok(Some(package(5))));
}

#[test]
fn stale_key_packages_go_in_batches() {
    let folder = folder();
    let mut store = open(&folder.path().join("relay.db"));
    two_accounts(&mut store);
    let packages = vec![vec![1]; 1_500];
    store.add_key_packages(&name("alice"), SUITE, &packages, None, Stamp(0)).expect("added");
    store.add_key_packages(&name("bob"), SUITE, &[vec![2]], None, Stamp(1)).expect("added");
    store.commit().expect("durable");
    let now = Stamp(1).after(KEY_PACKAGE_FOR);
    for left in [501, 1, 1] {
        store.clean(now, RETENTION).expect("cleaned");
        store.commit().expect("durable");
        assert_eq!(rows(&store.conn, "key_package").len(), left);
    }
}

#[test]
fn counts_are_those_of_the_rows() {
    let folder = folder();
    let mut store = open(&folder.path().join("relay.db"));
    filled(&mut store);
    for number in 0..60_u64 {
        let quota = if number % 3 == 0 { Quota::Requests } else { Quota::Capability(digest(number % 5)) };
        let place = put_by(&mut store, 1, quota, 100 + number, Stamp(number));
        let one = [digest(number % 5)];
        let (add, remove): (&[Digest], &[Digest]) = if number % 2 == 0 { (&one, &[]) } else { (&[], &one) };
        store.set_capabilities(mailbox(1), add, remove).expect("set");
        if number % 4 == 0 {
            store.remove_items(mailbox(1), &[place, place / 2]).expect("removed");
        }
    }
    store.clean(Stamp(20).after(RETENTION), RETENTION).expect("cleaned");
    store.commit().expect("durable");
    assert_counts(&store.conn);
    assert!(rows(&store.conn, "item").len() > 10);
    // What is revoked goes with its last item, and leaves no row.
    store.set_capabilities(mailbox(1), &[], &[0, 1, 2, 3, 4].map(digest)).expect("revoked");
    assert_counts(&store.conn);
    store.clean(Stamp(60).after(RETENTION), RETENTION).expect("cleaned");
    store.commit().expect("durable");
    assert_counts(&store.conn);
    assert_eq!((rows(&store.conn, "item"), rows(&store.conn, "capability")), (Vec::new(), Vec::new()));
}

fn assert_counts(conn: &Connection) {
    for check in [
        "SELECT count(*) FROM mailbox WHERE items <> (SELECT count(*) FROM item WHERE mailbox = mailbox.number)",
        "SELECT count(*) FROM mailbox WHERE requests <> (SELECT count(*) FROM item WHERE mailbox = mailbox.number AND request = 1)",
        "SELECT count(*) FROM mailbox WHERE capabilities <> (SELECT count(*) FROM capability WHERE mailbox = mailbox.number AND held = 1)",
        "SELECT count(*) FROM capability WHERE items <> (SELECT count(*) FROM item WHERE capability = capability.number)",
        "SELECT count(*) FROM capability WHERE items = 0 AND held = 0",
        "SELECT count(*) FROM item WHERE (capability IS NULL) <> request",
    ] {
        let wrong: i64 = conn.query_row(check, [], |row| row.get(0)).expect("a count");
        assert_eq!(wrong, 0, "{check}");
    }
}

#[cfg(unix)]
#[test]
fn a_store_its_log_and_its_backup_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    let mut store = open(&folder.path().join("relay.db"));
    filled(&mut store);
    store.commit().expect("committed");
    store.backup(&folder.path().join("copy.db")).expect("a backup");
    let mut modes: Vec<(String, u32)> = fs::read_dir(folder.path())
        .expect("a folder")
        .map(|entry| entry.expect("an entry"))
        .map(|entry| (entry.file_name().into_string().expect("UTF-8"), entry.metadata().expect("a file").permissions().mode() & 0o777))
        .collect();
    modes.sort();
    let files = ["copy.db", "relay.db", "relay.db-shm", "relay.db-wal"];
    assert_eq!(modes, files.map(|file| (file.to_owned(), 0o600)));
}
