//! The demo as a newcomer runs it, and a scanner over every file that it leaves.

use crate::world::{Person, TestRelay, documented, fields, last, program};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;
use thicket_engine::{OsDisk, ProfileKeys, walk};
use thicket_openpgp::Identity;
use thicket_relay::Policy;
use thicket_scanner::{Scanner, files, forms, forms_of_key};
use thicket_types::event::Event;
use thicket_types::ids::IntentId;
use thicket_types::secret::Secret;

const PASSPHRASE: &str = "an open secret for the demo";
const PEOPLE: [&str; 3] = ["alice", "bob", "carol"];

/// The relay's tables that are its directory: who has which name, and the key packages, whose credential says it.
const DIRECTORY: [&str; 3] = ["account", "key_package", "last_resort"];

/// Runs the demo, keeping its files, and gives its last line.
fn demo(keep: &Path) -> serde_json::Value {
    let output =
        Command::new(env!("CARGO_BIN_EXE_thicket")).args(["--json", "demo", "--keep"]).arg(keep).output().expect("the demo starts");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success(), "{text}");
    let told = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
    assert_eq!(fields(&told), documented()["demo"]);
    told
}

pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("room");
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).expect("a file in it"));
        std::fs::create_dir_all(target.parent().expect("a folder")).expect("room");
        std::fs::copy(&file, &target).expect("room");
    }
}

/// What was said in the demo, without the numbers that differ: read from copies, so that the kept files stay as they are.
fn texts(keep: &Path, scratch: &Path) -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    for who in PEOPLE {
        let home = scratch.join(who);
        copy_folder(&keep.join(who), &home);
        for with in PEOPLE {
            let mut read = Command::new(env!("CARGO_BIN_EXE_thicket"));
            read.arg("--home").arg(&home).args(["--json", "read", with]).env("THICKET_PASSPHRASE", PASSPHRASE);
            let output = read.output().expect("the program starts");
            for line in String::from_utf8(output.stdout).expect("UTF-8").lines() {
                let row: serde_json::Value = serde_json::from_str(line).expect("JSON");
                texts.extend(row["text"].as_str().map(|text| text.trim_end_matches(|last| !char::is_alphabetic(last)).to_owned()));
            }
        }
    }
    texts
}

/// The binary secret key of who is in the demo, as the program exports it from a copy of their profile, or the profile; unlocked.
pub fn secret_key(copy: &Path, passphrase: &str) -> Vec<u8> {
    let mut export = program(copy, &["account", "export"]);
    let output = export.env("THICKET_PASSPHRASE", passphrase).output().expect("the program starts");
    let armored = String::from_utf8(output.stdout).expect("UTF-8");
    let identity = Identity::import_armored(&armored, passphrase.as_bytes()).expect("a key that is imported again");
    identity.to_bytes().expose().clone()
}

/// The private numbers in a binary secret key: of its secret key packet and of its secret subkey packet (RFC 9580 §5.5.3).
pub fn private_numbers(mut key: &[u8]) -> Vec<Vec<u8>> {
    const SECRET_KEY: u8 = 0xc5;
    const SECRET_SUBKEY: u8 = 0xc7;
    const ECDH: u8 = 18;
    let number = |bytes: &[u8]| usize::from(u16::from_be_bytes([bytes[0], bytes[1]])).div_ceil(8) + 2;
    let mut numbers = Vec::new();
    while let [tag, rest @ ..] = key {
        let (len, rest) = match rest {
            [len @ 0..192, rest @ ..] => (usize::from(*len), rest),
            [high @ 192..224, low, rest @ ..] => ((usize::from(*high) - 192) * 256 + usize::from(*low) + 192, rest),
            _ => panic!("a packet of less than 8 KiB"),
        };
        let (packet, next) = rest.split_at(len);
        key = next;
        if *tag != SECRET_KEY && *tag != SECRET_SUBKEY {
            continue;
        }
        // Version, time and algorithm; the curve; the public point; how an ECDH key is derived.
        let (algorithm, curve) = (packet[5], usize::from(packet[6]));
        let point = &packet[7 + curve..];
        let mut secret = &point[number(point)..];
        if algorithm == ECDH {
            secret = &secret[1 + usize::from(secret[0])..];
        }
        assert_eq!(secret[0], 0, "it is not locked");
        let (private, sum) = secret[1..].split_at(number(&secret[1..]));
        let added = private.iter().fold(0_u16, |sum, byte| sum.wrapping_add(u16::from(*byte)));
        assert_eq!(sum, added.to_be_bytes(), "what was read is all that is secret");
        numbers.push(private[2..].to_vec());
    }
    numbers
}

/// The places of a relay's database, outside its directory, where something was found: by cells, and by raw pages. Pages that
/// belong to nothing, because what they held was deleted, are looked at too.
fn outside_the_directory(database: &Path, scanner: &Scanner) -> BTreeSet<String> {
    let conn = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("a database");
    let pairs = |question: &str| -> Vec<(String, String)> {
        let mut find = conn.prepare(question).expect("SQL");
        let rows = find.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
        rows.collect::<rusqlite::Result<_>>().expect("rows")
    };
    let outside = |table: &str| !DIRECTORY.contains(&table);
    let mut found = BTreeSet::new();

    let owners: BTreeMap<String, String> = pairs("SELECT name, tbl_name FROM sqlite_schema").into_iter().collect();
    let tables: BTreeSet<&String> = owners.values().filter(|table| outside(table)).collect();
    assert_eq!(tables.len(), 10, "capability, frame, item, mailbox, and six of logs: {tables:?}");
    for table in tables {
        let mut find = conn.prepare(&format!("SELECT * FROM {table}")).expect("a table");
        let columns = find.column_count();
        let mut rows = find.query([]).expect("rows");
        while let Some(row) = rows.next().expect("a row") {
            for column in 0..columns {
                let (ValueRef::Text(cell) | ValueRef::Blob(cell)) = row.get_ref(column).expect("a cell") else {
                    continue;
                };
                // A cell that is a name and nothing else is no chance, however short.
                let whole = PEOPLE.iter().any(|name| cell.eq_ignore_ascii_case(name.as_bytes()));
                if whole || !scanner.scan(cell).is_empty() {
                    found.insert(format!("table {table}"));
                }
            }
        }
    }

    let pages = pairs("SELECT name, CAST(pageno AS TEXT) FROM dbstat");
    let of_directory: BTreeSet<usize> = pages
        .iter()
        .filter(|(tree, _)| owners.get(tree).is_some_and(|table| !outside(table)))
        .map(|(_, page)| page.parse().expect("a number"))
        .collect();
    let owned: BTreeSet<usize> = pages.iter().map(|(_, page)| page.parse().expect("a number")).collect();
    let size: usize = conn.query_row("PRAGMA page_size", [], |row| row.get(0)).expect("a number");
    let bytes = std::fs::read(database).expect("a file");
    for (page, bytes) in (1..).zip(bytes.chunks(size)) {
        if !of_directory.contains(&page) && !scanner.scan(bytes).is_empty() {
            found.insert(if owned.contains(&page) { "page of a table" } else { "free page" }.to_owned());
        }
    }
    found
}

/// A copy of a relay's database with something planted: in a table, and in what a deletion left behind.
fn with_canary(database: &Path, to: &Path, canary: &[u8]) {
    std::fs::copy(database, to).expect("room");
    let conn = Connection::open(to).expect("a database");
    // More than fits into pages that other rows share, so that some of its own come free.
    let large = [canary, &[0; 20_000]].concat();
    conn.execute_batch("PRAGMA journal_mode = DELETE; PRAGMA secure_delete = OFF;").expect("plain SQLite");
    let put = "INSERT INTO item (mailbox, request, place, envelope) VALUES (1, 0, ?1, ?2)";
    conn.execute(put, rusqlite::params![1_000_000, canary]).expect("room");
    // An overflow page that was freed holds what it held: the canary stands behind what fits into the first page.
    conn.execute(put, rusqlite::params![1_000_001, [&[0; 6_000], large.as_slice()].concat()]).expect("room");
    conn.execute("DELETE FROM item WHERE place = 1000001", []).expect("a row");
}

/// What the last block of each segment asked for, of a kept profile's journal; the oldest segment first.
fn asked_at_the_end_of_segments(home: &Path) -> Vec<Vec<IntentId>> {
    let mut disk = OsDisk::new(home);
    let keys = ProfileKeys::unlock(&mut disk, &Secret::new(PASSPHRASE.as_bytes().to_vec())).expect("the demo's passphrase");
    let (mut ends, mut segment, mut block_ended) = (Vec::new(), None, true);
    walk(&mut disk, &keys, None, &mut |walked| {
        if segment.replace(walked.place.segment) != Some(walked.place.segment) {
            ends.push(Vec::new());
        } else if block_ended && let Some(last) = ends.last_mut() {
            last.clear();
        }
        block_ended = walked.chain.is_some();
        if let (Event::Requested { id, .. }, Some(last)) = (&walked.record.event, ends.last_mut()) {
            last.push(*id);
        }
    })
    .expect("an intact journal");
    ends
}

#[test]
fn the_demo_loses_nothing_and_leaves_no_secret_in_any_file() {
    let folder = TempDir::new().expect("a folder");
    let keep = folder.path().join("kept");
    let report = demo(&keep);
    assert_eq!((&report["accounts"], &report["lost"], &report["doubled"]), (&3.into(), &0.into(), &0.into()));
    assert_eq!((&report["verified"], &report["crashes"]), (&true.into(), &3.into()));
    assert_eq!(report["messages_sent"], report["messages_delivered"]);
    assert!(report["messages_sent"].as_u64() > Some(40));
    assert_eq!(report["digests"].as_object().map(serde_json::Map::len), Some(3));

    // Carol closed her program once. Then she was killed first when her message was on disk, and nothing of it dispatched: her process
    // journaled no more.
    let ends = asked_at_the_end_of_segments(&keep.join("carol"));
    assert!(ends.len() == 5 && ends[1].contains(&IntentId(2_u128.to_be_bytes())), "{ends:?}");

    // Alice's way is told as what it is, and carol's as another: of copies, since whoever opens a profile writes to it.
    for (who, transport) in [("alice", "loopback"), ("carol", "direct")] {
        let home = folder.path().join("status").join(who);
        copy_folder(&keep.join(who), &home);
        let mut status = Command::new(env!("CARGO_BIN_EXE_thicket"));
        status.arg("--home").arg(&home).args(["--json", "--timeout=0", "status"]).env("THICKET_PASSPHRASE", PASSPHRASE);
        let status: serde_json::Value = serde_json::from_slice(&status.output().expect("it starts").stdout).expect("JSON");
        assert_eq!((status["transport"].as_str(), status["anonymity"].as_str()), (Some(transport), Some("none")), "{status}");
    }

    // What was said comes from the profiles themselves: no text that the demo learns to say is forgotten here.
    let texts = texts(&keep, &folder.path().join("read"));
    assert!(texts.len() > 10 && texts.contains("Hello Bob, this is the first message"), "{texts:?}");
    let markers = [PASSPHRASE, "PRIVATE KEY", "BEGIN PGP"];
    let secrets = Scanner::new(texts.iter().map(String::as_str).chain(markers));
    let names = Scanner::new(PEOPLE);

    // First what is planted is found, in each form, at each alignment, in each secret's place.
    let planted = folder.path().join("planted");
    std::fs::create_dir(&planted).expect("room");
    for (scanner, canary) in
        [(&secrets, texts.first().expect("a text").as_str()), (&secrets, PASSPHRASE), (&names, "alice"), (&names, "bob")]
    {
        for (form, needles) in forms(canary) {
            for needle in needles {
                std::fs::write(planted.join("file"), [b"before ".as_slice(), &needle, b" after"].concat()).expect("room");
                let told = scanner.scan_folder(&planted);
                assert!(told.iter().any(|line| line.contains(canary) && line.ends_with(form)), "{canary} as {form}: {told:?}");
            }
        }
    }

    // A secret key is found too where nothing says that it is one: planted whole, and each of its numbers in each form.
    let of_people: Vec<(&str, Vec<u8>)> =
        PEOPLE.iter().map(|who| (*who, secret_key(&folder.path().join("read").join(who), PASSPHRASE))).collect();
    let numbers: Vec<(&str, Vec<u8>)> =
        of_people.iter().flat_map(|(who, key)| private_numbers(key).into_iter().map(move |number| (*who, number))).collect();
    assert!(numbers.len() == 2 * PEOPLE.len() && numbers.iter().all(|(_, number)| (28..=32).contains(&number.len())));
    let keys = Scanner::of_keys(numbers.iter().map(|(who, number)| (*who, number.as_slice())));
    let canaries = of_people.iter().map(|(who, key)| (*who, "bytes", key.clone()));
    let in_forms = numbers.iter().flat_map(|(who, number)| {
        forms_of_key(number).into_iter().flat_map(move |(form, needles)| needles.into_iter().map(move |needle| (*who, form, needle)))
    });
    for (who, form, canary) in canaries.chain(in_forms) {
        std::fs::write(planted.join("file"), [b"before ".as_slice(), &canary, b" after"].concat()).expect("room");
        let told = keys.scan_folder(&planted);
        assert!(told.iter().any(|line| line.contains(who) && line.ends_with(form)), "a key of {who} as {form}: {told:?}");
    }

    // Then nothing: no text, no passphrase, no private key in any file; and in the profiles no name.
    assert_eq!(secrets.scan_folder(&keep), Vec::<String>::new());
    assert_eq!(keys.scan_folder(&keep), Vec::<String>::new());
    for who in PEOPLE {
        assert_eq!(names.scan_folder(&keep.join(who)), Vec::<String>::new(), "names are sealed too");
    }

    // On the relay's side names stand in its directory's tables and nowhere else: not in other tables, not in free pages, not
    // in files beside the database.
    let (relay, database) = (keep.join("relay"), keep.join("relay/relay.db"));
    let key = relay.join("relay.key");
    assert_eq!(files(&relay), [database.clone(), key.clone()], "the log was emptied and removed at the end");
    let directory = names.scan(&std::fs::read(&database).expect("a file"));
    assert!(PEOPLE.iter().all(|name| directory.iter().any(|(found, _)| found == name)), "the scan sees the directory: {directory:?}");
    let copy = folder.path().join("planted.db");
    for (form, needles) in forms("alice").into_iter().chain(forms("bob")) {
        for needle in needles {
            with_canary(&database, &copy, &needle);
            let found = outside_the_directory(&copy, &names);
            let all = ["free page", "page of a table", "table item"].map(str::to_owned);
            assert_eq!(found, BTreeSet::from(all), "{form}");
        }
    }
    assert_eq!(outside_the_directory(&database, &names), BTreeSet::new());

    all_goes_on(&keep, &key);
}

/// The relay that was kept runs again, and is the same: for carol, who knew its address, and for the others, who knew its identity.
fn all_goes_on(keep: &Path, key: &Path) {
    let person = |name: &'static str| Kept(Person { name, home: keep.join(name) });
    let [alice, bob, carol] = PEOPLE.map(person);
    let address = carol.json(&["--timeout=0", "status"])["relay"].as_str().expect("an address").to_owned();
    let port = address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let bytes = std::fs::read(key).expect("a file");
    let (secrets, rest) = bytes.as_chunks::<32>();
    let secrets: [[u8; 32]; 2] = secrets.try_into().expect("the identity's, and the Noise key's");
    assert!(rest.is_empty(), "as thicket-relayd reads it");
    let relay = TestRelay::of(&keep.join("relay"), secrets, Policy::default(), port);
    assert_eq!(relay.address, address);

    assert_eq!(carol.json(&["send", "bob", "And now?"])["state"], "stored");
    for moving in [&alice, &bob] {
        assert_eq!(moving.json(&["relay", "change", &address])["relay"], address.as_str());
    }
    assert_eq!(alice.json(&["send", "bob", "Here too."])["state"], "stored");
    bob.json(&["sync"]);
    for (with, text) in [("carol", "And now?"), ("alice", "Here too.")] {
        assert_eq!(bob.json(&["read", with])["text"], text);
    }
}

/// Someone whose profile the demo left.
struct Kept(Person);

impl Kept {
    /// The last object that a command prints that must succeed.
    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let mut command = program(&self.0.home, &[&["--json"], arguments].concat());
        let output = command.env("THICKET_PASSPHRASE", PASSPHRASE).output().expect("the program starts");
        assert!(output.status.success(), "{} {arguments:?}: {output:?}", self.0.name);
        last(&output)
    }
}
