//! Bad input as a person meets it: refused by its number, with what to do, and nothing is lost: afterwards all goes on.

use crate::world::{PASSPHRASE, Person, Place, last, program, status, text};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use thicket_engine::{OsDisk, ProfileKeys};
use thicket_scanner::files;
use thicket_types::error::Code;
use thicket_types::limits::BODY_LEN_MAX;
use thicket_types::secret::Secret;

/// Holds that a command ended by this error: status, number, what happened, and what to do.
fn is_error(output: &Output, wanted: i32, code: Code) {
    assert_eq!(status(output), wanted, "{output:?}");
    let error = &last(output)["error"];
    assert_eq!((error["code"].as_u64(), error["name"].as_str()), (Some(u64::from(code.number())), Some(code.name())), "{output:?}");
    assert!(error["message"].as_str().is_some_and(|message| message.starts_with(code.what())), "{error}");
    let (said, table) = (error["hint"].as_str().expect("a hint"), code.hint());
    // Where it is known whom a hint is about, they stand in it, and the command is that of this profile.
    let about = if said == table { None } else { table.split_once("thicket ") };
    assert!(said == table || about.is_some_and(|(before, _)| said.starts_with(before) && !said.contains("NAME")), "{said}");
}

/// Holds that a command is refused, to a program and to a person.
fn refused(person: &Person, arguments: &[&str], wanted: i32, code: Code) {
    is_error(&person.run(&[&["--json"], arguments].concat()), wanted, code);
    let told = person.run(arguments);
    let words = text(&told.stderr);
    assert_eq!(status(&told), wanted, "{words}");
    assert!(words.contains(code.what()) && words.contains(&format!("(error {})", code.number())), "{words}");
}

/// All files and their bytes; but for the empty log, and its index, that SQLite may leave beside a database.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let all = files(folder).into_iter().map(|file| (file.clone(), std::fs::read(file).expect("a file")));
    let is = |file: &PathBuf, end: &str| file.extension().is_some_and(|extension| extension == end);
    all.filter(|(file, bytes)| !(is(file, "db-shm") || is(file, "db-wal") && bytes.is_empty())).collect()
}

/// The files that are not as they were.
fn changed(before: &BTreeMap<PathBuf, Vec<u8>>, folder: &Path) -> Vec<PathBuf> {
    let after = contents(folder);
    let all = before.keys().chain(after.keys());
    all.filter(|file| before.get(*file) != after.get(*file)).cloned().collect()
}

fn texts(person: &Person, with: &str) -> Vec<String> {
    person.json(&["read", with]).iter().map(|row| row["text"].as_str().expect("a text").to_owned()).collect()
}

/// Alice and bob, of whom alice has written once; bob has not looked.
fn place() -> Place {
    let place = Place::new();
    place.alice.say(&["contact", "add", "bob"]);
    place.alice.say(&["send", "bob", "See you at eight."]);
    place
}

/// Holds that both have what alice had written, in order and once, then what she wrote since, and that a further message arrives.
fn all_goes_on(place: &Place, since: &[&str]) {
    let Place { alice, bob, .. } = place;
    alice.say(&["send", "bob", "Still there?"]);
    bob.say(&["sync"]);
    let expected = [&["See you at eight."], since, &["Still there?"]].concat();
    assert_eq!(texts(alice, "bob"), expected);
    assert_eq!(texts(bob, "alice"), expected);
    for person in [alice, bob] {
        person.say(&["journal", "verify"]);
    }
}

#[test]
fn what_a_person_gets_wrong_is_refused_by_its_number_and_costs_nothing() {
    let place = place();
    let Place { alice, folder, .. } = &place;
    let before = contents(&alice.home);
    for command in [&["sync"] as &[&str], &["send", "bob", "hello"], &["read", "bob"], &["account", "delete", "--yes"]] {
        let output = program(&alice.home, &[&["--json"], command].concat()).env("THICKET_PASSPHRASE", "wrong").output();
        is_error(&output.expect("the program starts"), 4, Code::WrongPassphrase);
    }
    assert_eq!(changed(&before, &alice.home), Vec::<PathBuf>::new());

    let nobody = Person { name: "nobody", home: folder.path().join("nobody") };
    for name in ["a b", "", "server", "ä", "___", &"x".repeat(65)] {
        refused(&nobody, &["account", "create", name], 3, Code::MalformedName);
    }
    assert!(!nobody.home.exists(), "nothing was made");
    refused(alice, &["contact", "add", "a b"], 3, Code::MalformedName);
    refused(alice, &["send", "a b", "hello"], 3, Code::MalformedName);

    let eve = Person::new("eve", "Alice", folder.path().join("eve"));
    refused(&eve, &["register", "--relay", &place.relay.address], 3, Code::NameTaken);
    assert_eq!(eve.json(&["status"])[0]["registered"], false);
    let again = Person::new("eve", "eve", folder.path().join("again"));
    again.say(&["register", "--relay", &place.relay.address]);

    refused(alice, &["send", "carol", "hello"], 3, Code::UnknownContact);
    refused(alice, &["read", "carol"], 3, Code::UnknownContact);
    refused(alice, &["contact", "add", "nobody"], 3, Code::UnknownName);
    refused(alice, &["contact", "decline", "bob"], 3, Code::NotAsking);
    refused(alice, &["contact", "trust", "bob"], 3, Code::NotHeld);

    refused(&nobody, &["account", "import", "/dev/zero"], 3, Code::FileTooLarge);
    refused(alice, &["account", "passphrase", "--new-file", "/dev/zero"], 3, Code::FileTooLarge);
    refused(alice, &["register", "--relay", &place.relay.address, "--token-file", "/dev/zero"], 3, Code::FileTooLarge);
    refused(&nobody, &["--passphrase-file", "/dev/zero", "account", "create", "nobody"], 3, Code::FileTooLarge);
    assert!(!nobody.home.exists(), "nothing was made");

    let longest = "x".repeat(BODY_LEN_MAX);
    is_error(&alice.pipe(&["--json", "chat", "bob"], &format!("{longest}{longest}\n")), 3, Code::MessageTooLong);
    refused(alice, &["send", "bob", ""], 3, Code::EmptyMessage);
    is_error(&alice.pipe(&["--json", "send", "bob", "-"], ""), 3, Code::EmptyMessage);
    is_error(&alice.pipe(&["--json", "send", "bob", "-"], &format!("{longest}x")), 3, Code::MessageTooLong);
    is_error(&alice.pipe(&["--json", "send", "bob", "-"], "\n"), 3, Code::EmptyMessage);
    assert_eq!(status(&alice.pipe(&["send", "bob", "-"], &format!("{longest}\n"))), 0, "so much and no more, but for the line's end");
    all_goes_on(&place, &[&longest]);
}

#[test]
fn a_relay_that_is_gone_or_silent_is_said_and_what_was_sent_is_kept() {
    let mut place = place();
    place.relay.stop();
    // First nobody listens; then connections are taken, by the system, and nobody ever answers.
    for (text, silent) in [("While it was gone.", false), ("While it was silent.", true)] {
        let listener = silent.then(|| TcpListener::bind((Ipv4Addr::LOCALHOST, place.relay.port())).expect("a port"));
        let sent = place.alice.json(&["send", "bob", text, "--timeout=1"]);
        assert_eq!(sent[0]["state"], "queued");
        refused(&place.alice, &["sync", "--timeout=1"], 6, Code::RelayUnreachable);
        drop(listener);
    }
    place.relay.restart();
    all_goes_on(&place, &["While it was gone.", "While it was silent."]);
}

#[test]
fn a_relay_of_another_key_is_told_from_one_that_is_gone() {
    let place = Place::new();
    let carol = Person::new("carol", "carol", place.folder.path().join("carol"));
    let wrong = format!("direct:{}@127.0.0.1:{}", "01".repeat(32), place.relay.port());
    refused(&carol, &["register", "--relay", &wrong, "--timeout=2"], 6, Code::NotThatRelay);
    let key = place.relay.key.hex();
    let other = format!("{}{}", &key[2..], &key[..2]);
    refused(&carol, &["register", "--relay", &place.relay.address, "--key", &other, "--timeout=2"], 3, Code::ForgedAnswer);
    carol.say(&["register", "--relay", &place.relay.address, "--key", &key]);
}

#[test]
fn a_damaged_journal_is_refused_untouched_and_a_backup_goes_on() {
    let place = place();
    let home = &place.alice.home;
    let intact = contents(home);
    let segments = files(&home.join("journal"));
    assert!(segments.len() > 1, "what is damaged is not the torn end of a last write");
    let first = &segments[0];
    let mut damaged = intact[first].clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(first, damaged).expect("room");
    // What looks at all of it says so; what starts from a snapshot does, once there is none.
    let before = contents(home);
    refused(&place.alice, &["journal", "verify"], 7, Code::JournalDamaged);
    assert_eq!(changed(&before, home), Vec::<PathBuf>::new());
    std::fs::remove_dir_all(home.join("snapshots")).expect("snapshots");
    let before = contents(home);
    for command in [&["sync"] as &[&str], &["send", "bob", "hello"], &["status"]] {
        is_error(&place.alice.run(&[&["--json"], command].concat()), 7, Code::JournalDamaged);
    }
    assert_eq!(changed(&before, home), Vec::<PathBuf>::new());
    std::fs::create_dir(home.join("snapshots")).expect("room");
    for (file, bytes) in intact {
        std::fs::write(file, bytes).expect("room");
    }
    all_goes_on(&place, &[]);
}

#[test]
fn a_vault_of_a_newer_version_is_refused_untouched() {
    let place = place();
    let home = &place.alice.home;
    let keys = ProfileKeys::unlock(&mut OsDisk::new(home), &Secret::new(PASSPHRASE.as_bytes().to_vec())).expect("intact keys");
    let key: String = keys.vault_key().expect("a key").expose().iter().map(|byte| format!("{byte:02x}")).collect();
    let written_by = |version: u32| {
        let vault = Connection::open(home.join("vault.db")).expect("a file");
        vault.execute_batch(&format!("PRAGMA key = \"x'{key}'\"; PRAGMA user_version = {version};")).expect("the vault's own key");
    };
    written_by(3);
    let before = contents(home);
    for command in [&["status"] as &[&str], &["send", "bob", "hello"], &["sync"], &["read", "bob"]] {
        refused(&place.alice, command, 9, Code::ProfileNewer);
    }
    assert_eq!(changed(&before, home), Vec::<PathBuf>::new());
    written_by(2);
    all_goes_on(&place, &[]);
}

#[test]
fn a_clock_that_is_hours_off_is_told_and_hinders_nothing() {
    const HOURS: i64 = 5 * 3_600_000;
    let mut place = place();
    assert_eq!(place.alice.json(&["status"])[0]["warnings"], serde_json::json!([]));
    for (ahead_ms, words) in [(HOURS, "behind"), (-HOURS, "ahead of")] {
        place.relay.stop();
        place.relay.ahead_ms = ahead_ms;
        place.relay.restart();
        let code = Code::ClockWrong;
        let status = place.alice.json(&["status"]).remove(0);
        assert_eq!(status["warnings"][0]["code"].as_u64(), Some(u64::from(code.number())), "{status}");
        assert!(status["skew_ms"].as_i64().is_some_and(|skew| skew.abs_diff(ahead_ms) < 60_000), "{status}");
        let told = place.alice.say(&["status"]).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(words) && told.contains("(error 307)") && told.to_lowercase().contains(code.hint()), "{told}");
    }
    let checks = place.alice.json(&["doctor"]).remove(0);
    let clock = checks["checks"].as_array().and_then(|checks| checks.iter().find(|check| check["check"] == "clock")).expect("a check");
    assert_eq!((clock["status"].as_str(), clock["code"].as_u64()), (Some("warning"), Some(307)), "{clock}");
    // Somebody new registers and writes to a stranger, which takes work that is bound to the relay's hour.
    let carol = Person::new("carol", "carol", place.folder.path().join("carol"));
    carol.say(&["register", "--relay", &place.relay.address]);
    carol.say(&["contact", "add", "alice"]);
    assert_eq!(carol.json(&["send", "alice", "Good morning."])[0]["state"], "stored");
    place.alice.say(&["sync"]);
    assert_eq!(texts(&place.alice, "carol"), ["Good morning."]);
    all_goes_on(&place, &[]);
}

/// A small disk of its own, for as long as it is held. `None` where one may not be mounted.
#[cfg(target_os = "linux")]
struct SmallDisk(PathBuf);

#[cfg(target_os = "linux")]
impl SmallDisk {
    fn mount(at: &Path, size: &str) -> Option<SmallDisk> {
        std::fs::create_dir_all(at).expect("room");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", size, "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| SmallDisk(at.to_path_buf()))
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
    }
}

/// The fake disks of the engine's and the vault's tests show the same everywhere; this shows it of a real one, where root runs it.
#[cfg(target_os = "linux")]
#[test]
fn a_real_full_disk_is_said_and_with_room_all_goes_on() {
    let place = place();
    let at = place.folder.path().join("small");
    let Some(disk) = SmallDisk::mount(&at, "size=3m") else {
        eprintln!("no disk may be mounted here: not shown");
        return;
    };
    let home = disk.0.join("alice");
    for file in files(&place.alice.home) {
        let target = home.join(file.strip_prefix(&place.alice.home).expect("a file in it"));
        std::fs::create_dir_all(target.parent().expect("a folder")).expect("room");
        std::fs::copy(&file, &target).expect("room");
    }
    let moved = Place { alice: Person { name: "alice", home }, ..place };
    // Filled to the last byte.
    let filling = disk.0.join("filling");
    let mut room = 1 << 22;
    let mut filled = std::fs::File::create(&filling).expect("a file");
    while room > 0 {
        if std::io::Write::write_all(&mut filled, &vec![0; room]).is_err() {
            room /= 2;
        }
    }
    drop(filled);
    for command in [&["send", "bob", "Into a full disk."] as &[&str], &["contact", "block", "bob"]] {
        is_error(&moved.alice.run(&[&["--json"], command].concat()), 8, Code::DiskFull);
    }
    std::fs::remove_file(&filling).expect("ours");
    all_goes_on(&moved, &[]);
}

/// Without room for a folder, the lock or the vault no profile is made, and nothing is left of it.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_without_room_for_a_file_is_full_when_a_profile_is_made() {
    let folder = tempfile::TempDir::new().expect("a folder");
    for inodes in ["nr_inodes=1", "nr_inodes=2", "nr_inodes=3"] {
        let at = folder.path().join(inodes);
        let Some(disk) = SmallDisk::mount(&at, inodes) else {
            eprintln!("no disk may be mounted here: not shown");
            return;
        };
        let alice = Person { name: "alice", home: disk.0.join("alice") };
        is_error(&alice.run(&["--json", "account", "create", "alice"]), 8, Code::DiskFull);
        assert_eq!(std::fs::read_dir(&at).expect("a disk").count(), 0, "{inodes}");
    }
}

#[test]
fn a_file_that_cannot_be_made_or_read_is_no_failing_disk_and_is_told_with_its_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let (alice, again) = (person(&folder, "alice"), person(&folder, "again"));
    alice.say(&["account", "create", "alice"]);
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (here, none, nowhere) = (path(""), path("none"), path("none/a.thicket"));
    for (person, command) in [
        (&alice, &["backup", "create", &nowhere] as &[&str]),
        (&alice, &["journal", "export", "--redact", &nowhere, "--yes"]),
        (&again, &["backup", "check", &none]),
        (&again, &["backup", "check", &here]),
        (&again, &["backup", "restore", &none]),
        (&again, &["backup", "restore", &here]),
    ] {
        refused(person, command, 1, Code::FileFailed);
        let told = text(&person.run(command).stderr);
        assert!(told.contains("No such file") || command.contains(&here.as_str()) && told.contains("is a directory"), "{told}");
    }
    assert!(!again.home.exists() && !folder.path().join("none").exists(), "nothing was made");
}

#[test]
fn a_backup_that_is_damaged_or_newer_has_the_status_of_that_and_is_called_a_backup() {
    let folder = tempfile::tempdir().expect("a folder");
    let alice = person(&folder, "alice");
    alice.say(&["account", "create", "alice"]);
    let path = folder.path().join("alice.thicket");
    let file = path.to_str().expect("UTF-8");
    alice.say(&["backup", "create", file]);
    let whole = std::fs::read(&path).expect("a file");
    std::fs::write(&path, &whole[..whole.len() - 1]).expect("room");
    refused(&alice, &["backup", "check", file], 7, Code::ArchiveDamaged);
    let mut newer = whole;
    newer[8..12].fill(0xff);
    std::fs::write(&path, newer).expect("room");
    refused(&alice, &["backup", "check", file], 9, Code::ProfileNewer);
    let told = text(&alice.run(&["backup", "check", file]).stderr);
    assert!(told.contains("(the backup "), "{told}");
}

fn person(folder: &tempfile::TempDir, name: &'static str) -> Person {
    Person { name, home: folder.path().join(name) }
}
