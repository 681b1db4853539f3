//! Bodies and files.

use super::*;
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::Path;

#[test]
fn a_body_is_from_one_byte_to_the_bound() {
    let mut alice = Person::new("alice", 1);
    assert_eq!(alice.vault.stage(b""), Err(Code::EmptyMessage));
    assert_eq!(alice.vault.stage(&vec![b'x'; BODY_LEN_MAX + 1]), Err(Code::MessageTooLong));
    assert_eq!(alice.count("body"), 0);
    for len in [1, BODY_LEN_MAX] {
        assert!(alice.vault.stage(&vec![b'x'; len]).is_ok(), "{len}");
    }
    assert_eq!(alice.count("body"), 2);
}

#[test]
fn what_is_staged_can_be_read_before_it_has_a_row() {
    let mut alice = Person::new("alice", 1);
    let body = alice.vault.stage("später".as_bytes()).expect("room");
    assert_eq!(alice.reader().staged(body), Ok(Some("später".to_owned())));
    assert_eq!(alice.rows(), []);
    assert_eq!(alice.vault.sweep(&[]), Ok(1));
    assert_eq!(alice.reader().staged(body), Ok(None));
}

#[test]
fn a_sweep_drops_what_nobody_names_also_from_the_pages() {
    const TEXTS: [&str; 3] = ["the text of a message row", "the text that an intent names", "the text that nobody names"];
    let (mut alice, mut bob) = two();
    begin(&mut alice, &mut bob);
    say(&mut alice, &bob, TEXTS[0]);
    let [named, loose] = [TEXTS[1], TEXTS[2]].map(|text| alice.vault.stage(text.as_bytes()).expect("room"));
    alice.vault.checkpoint().expect("a vault that works");
    let before = pages(&alice);
    assert_eq!(TEXTS.map(|text| contains(&before, text.as_bytes())), [true, true, true]);
    assert_eq!(alice.vault.sweep(&[named]), Ok(1));
    let after = pages(&alice);
    assert_eq!(TEXTS.map(|text| contains(&after, text.as_bytes())), [true, true, false]);
    assert_eq!(fs::metadata(alice.folder.path().join("vault.db-wal")).map_or(0, |file| file.len()), 0);
    assert_eq!(alice.vault.sweep(&[named]), Ok(0));

    let (contact, mailbox) = (bob.own(), bob.mailbox());
    let seal = |body: BodyRef| VaultOp::SealMessage { contact, mailbox, message: message_of(TEXTS[1]), body, at: NOW };
    assert_eq!(alice.ask(seal(loose), &[]), Outcome::Refused(Code::UnknownBody));
    let sealed = put(&alice.ask(seal(named), &[])).envelope;
    hears(&mut bob, &alice, &sealed, TEXTS[1]);
    assert_eq!(alice.vault.sweep(&[]), Ok(0));
    assert_eq!(bob.vault.sweep(&[]), Ok(0));
    assert_eq!(bob.heard(), [TEXTS[1]]);
    assert_eq!(alice.rows().into_iter().filter_map(|row| row.text).collect::<Vec<_>>(), [TEXTS[0], TEXTS[1]]);
}

#[test]
fn no_text_and_no_name_stands_in_the_files_in_clear() {
    let (mut alice, mut bob) = (Person::new("alice-in-the-clear", 1), Person::new("bob-in-the-clear", 2));
    begin(&mut alice, &mut bob);
    say(&mut alice, &bob, "a text that is sealed");
    alice.vault.stage(b"a text that is staged").expect("room");
    for checkpointed in [false, true] {
        if checkpointed {
            alice.vault.checkpoint().expect("a vault that works");
            assert!(contains(&pages(&alice), b"a text that is staged"));
        }
        for file in fs::read_dir(alice.folder.path()).expect("a folder") {
            let path = file.expect("a file").path();
            let bytes = fs::read(&path).expect("a file");
            for clear in ["alice-in-the-clear", "bob-in-the-clear", "a text that is", "SQLite format 3", "CREATE TABLE"] {
                assert!(!contains(&bytes, clear.as_bytes()), "{clear}: {}", path.display());
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn a_vault_and_its_log_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let alice = Person::new("alice", 1);
    for file in [DB, "vault.db-wal", "vault.db-shm"] {
        let mode = fs::metadata(alice.path().with_file_name(file)).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn a_vault_opens_under_its_own_key_alone_and_none_is_made_over_it() {
    let alice = Person::new("alice", 1);
    let other = Key::new([8; 32]);
    assert_eq!(SqlVault::open(&alice.path(), &other, seeded(1)).err(), Some(Code::VaultDamaged));
    assert_eq!(Reader::open(&alice.path(), &other).err(), Some(Code::VaultDamaged));
    let new = NewAccount { origin: Origin::New(name("eve")), at: NOW };
    assert_eq!(SqlVault::create(&alice.path(), &key(), seeded(1), &new).err(), Some(Code::ProfileExists));
    let own = alice.own();
    let alice = alice.reopened();
    assert_eq!((alice.vault.own().0, alice.own()), ("alice", own));
}

/// The files of a folder with what is in them.
fn files(folder: &Path) -> BTreeMap<OsString, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    entries.map(|entry| (entry.file_name(), fs::read(entry.path()).expect("a file"))).collect()
}

#[test]
fn a_vault_of_a_newer_version_is_refused_before_anything_is_written() {
    // Given a vault that a newer version closed, in the journal mode that it likes; one that it closed as we do; and one whose
    // process died, so that all that is newer stands in the log.
    for (mode, died) in [("DELETE", false), ("WAL", false), ("WAL", true)] {
        let Person { folder, vault, .. } = Person::new("alice", 1);
        let newer = format!("PRAGMA journal_mode = {mode}; PRAGMA wal_autocheckpoint = 0; PRAGMA user_version = 3;");
        vault.conn.execute_batch(&newer).expect("room");
        let folder = if died {
            let left = TempDir::new().expect("a folder");
            for name in [DB, "vault.db-wal"] {
                fs::copy(folder.path().join(name), left.path().join(name)).expect("room");
            }
            left
        } else {
            drop(vault);
            folder
        };
        let before = files(folder.path());
        assert_eq!(before.len(), if died { 2 } else { 1 }, "{:?}", before.keys());
        // When it is opened.
        let opened = SqlVault::open(&folder.path().join(DB), &key(), seeded(1)).err();
        let mut after = files(folder.path());
        let looked = Reader::open(&folder.path().join(DB), &key()).err();
        let new = NewAccount { origin: Origin::New(name("eve")), at: NOW };
        let made = SqlVault::create(&folder.path().join(DB), &key(), seeded(1), &new).err();
        // Then it is refused, and no byte is another. SQLite's index of a log that somebody left is made anew by any reading.
        assert_eq!((opened, looked, made), (Some(Code::ProfileNewer), Some(Code::ProfileNewer), Some(Code::ProfileExists)));
        if died {
            after.remove(OsStr::new("vault.db-shm"));
        }
        assert!(after == before, "{mode}, {died}: {:?} {:?}", before.keys(), after.keys());
        // And the version that made it goes on.
        let conn = Connection::open(folder.path().join(DB)).expect("a file");
        conn.execute_batch(&format!("PRAGMA key = \"x'{}'\";", "07".repeat(32))).expect("a key");
        assert_eq!(conn.query_row("PRAGMA user_version", [], |row| row.get(0)), Ok(3));
    }
}

#[test]
fn a_full_disk_is_said_by_its_name_and_costs_nothing_that_was_there() {
    let (mut alice, mut bob) = two();
    begin(&mut alice, &mut bob);
    let first = say(&mut alice, &bob, "before");
    hears(&mut bob, &alice, &first, "before");
    let long = "word ".repeat(10_000);
    let (op, before) = (seal_op(&mut alice, &bob, &long), alice.remembered());
    // When the database may not grow by a page.
    let pages: u64 = alice.vault.conn.query_row("PRAGMA page_count", [], |row| row.get(0)).expect("a count");
    let limit = |vault: &SqlVault, most: u64| {
        vault.conn.query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(())).expect("a limit");
    };
    limit(&alice.vault, pages);
    // Then neither a text nor an op goes in, and each says why.
    assert_eq!(alice.vault.stage(&[b'x'; BODY_LEN_MAX]), Err(Code::DiskFull));
    let call = call(900, op);
    let tables = ["ledger", "mls", "message", "body"];
    let rows = tables.map(|table| alice.count(table));
    assert_eq!(alice.vault.run(DURABLE, slice::from_ref(&call)), Err(Code::DiskFull));
    assert!(alice.vault.conn.is_autocommit(), "the transaction is at its end");
    assert_eq!((alice.remembered(), tables.map(|table| alice.count(table))), (before, rows));
    let texts = |of: &Person| of.rows().into_iter().filter_map(|row| row.text).collect::<Vec<_>>();
    assert_eq!(texts(&alice), ["before"]);
    // And with room, the same op is done, once.
    limit(&alice.vault, u64::from(u32::MAX) - 1);
    let done = alice.run(slice::from_ref(&call));
    hears(&mut bob, &alice, &put(&done[0]).envelope, &long);
    assert_eq!((alice.run(slice::from_ref(&call)), alice.count("ledger")), (done, rows[0] + 1));
    assert_eq!(texts(&alice), ["before", &long]);
}

#[test]
fn no_reply_holds_a_text_a_private_key_or_a_secret_of_an_epoch() {
    // What the journal and the state have of the vault they have from its replies, and the ledger has each of these.
    let (mut alice, mut bob) = talking();
    let mut secrets = Vec::new();
    for round in 0..2 {
        for of_alice in [true, false] {
            let (by, to) = if of_alice { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
            registered(by);
            packages(by, 3, true);
            by.ask(VaultOp::RotateMailboxKey { at: NOW }, &[]);
            let (contact, mailbox) = (to.own(), to.mailbox());
            by.ask(VaultOp::SealOffer { contact, mailbox, anew: false, at: NOW }, &[]);
            let commit = put(&by.ask(VaultOp::UpdateKeys { contact, mailbox, at: NOW }, &[])).envelope;
            assert!(matches!(read(to, &commit), Opened::Committed { .. }));
            let text = format!("unmistakable {round} of {}", by.who);
            let sealed = say(to, by, &text);
            hears(by, to, &sealed, &text);
        }
        // Those of an epoch are gone in the next.
        for person in [&alice, &bob] {
            let all = "SELECT secret FROM mailbox_key UNION SELECT value FROM meta WHERE key IN ('identity', 'leaf')
                UNION SELECT value FROM mls WHERE kind IN (10, 13, 16) UNION SELECT bytes FROM body";
            let mut find = person.vault.conn.prepare(all).expect("tables");
            let rows = find.query_map([], |row| row.get::<_, Vec<u8>>(0)).expect("rows");
            secrets.extend(rows.map(|row| row.expect("a row")));
        }
    }
    // Any 16 bytes of a secret are as good as it; texts are short. What stands in them of public things is what both sides' replies
    // may hold: a group's context, its tree's keys, and the certificates and credentials in them.
    let public: BTreeSet<Vec<u8>> = [&alice, &bob]
        .iter()
        .flat_map(|person| {
            let all = "SELECT public FROM mailbox_key UNION SELECT value FROM meta WHERE key IN ('certificate', 'credential')
                UNION SELECT value FROM mls WHERE kind IN (4, 5)";
            let mut find = person.vault.conn.prepare(all).expect("tables");
            let rows = find.query_map([], |row| row.get::<_, Vec<u8>>(0)).expect("rows");
            rows.flat_map(|row| parts(&row.expect("a row"))).collect::<Vec<_>>()
        })
        .collect();
    let secrets: BTreeSet<Vec<u8>> = secrets.iter().flat_map(|secret| parts(secret)).filter(|part| !public.contains(part)).collect();
    let mut seen_public = false;
    for person in [&alice, &bob] {
        let mut find = person.vault.conn.prepare("SELECT reply FROM ledger").expect("a table");
        for reply in find.query_map([], |row| row.get::<_, Vec<u8>>(0)).expect("rows") {
            let reply = reply.expect("a row");
            assert!(!contains(&reply, b"unmistakable"));
            for part in parts(&reply) {
                assert!(!secrets.contains(&part), "{part:02x?}");
                seen_public |= public.contains(&part);
            }
        }
    }
    assert!(seen_public, "replies are looked through");
}

/// All runs of 16 bytes, but for those of few values, which say nothing.
fn parts(bytes: &[u8]) -> Vec<Vec<u8>> {
    let telling = |part: &&[u8]| part.iter().collect::<BTreeSet<_>>().len() > 8;
    bytes.windows(16).filter(telling).map(<[u8]>::to_vec).collect()
}
