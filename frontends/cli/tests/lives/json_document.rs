//! What `--json` prints has the fields that docs/CLI.md lists, for every command.

use crate::world::{PASSPHRASE, Person, Place, TestRelay, documented, fields, last, status};
use std::collections::BTreeSet;

#[test]
fn every_command_prints_the_fields_that_the_document_lists() {
    let documented = documented();
    let mut tried = BTreeSet::new();
    let mut place = Place::with_conversation();
    let Place { alice, bob, relay, folder } = &mut place;
    let mut holds = |command: &str, person: &Person, arguments: &[&str]| {
        let wanted = documented.get(command).unwrap_or_else(|| panic!("{command} has no row")).clone();
        let lines = person.json(arguments);
        assert!(!lines.is_empty(), "{arguments:?} prints nothing");
        for line in &lines {
            assert_eq!(fields(line), wanted, "{arguments:?}");
        }
        tried.insert(command.to_owned());
        lines
    };
    let carol = Person { name: "carol", home: folder.path().join("carol") };
    let file = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();

    holds("account create", &carol, &["account", "create", "carol"]);
    holds("register", &carol, &["register", "--relay", &relay.address]);
    holds("account show", &carol, &["account", "show"]);
    let armored = holds("account export", &carol, &["account", "export"]).remove(0);
    let armored = armored["armored"].as_str().expect("a text");
    assert!(armored.starts_with("-----BEGIN PGP PRIVATE KEY BLOCK-----"), "{armored}");
    std::fs::write(file("carol.asc"), armored).expect("room");
    let again = Person { name: "carol", home: folder.path().join("again") };
    holds("account import", &again, &["account", "import", &file("carol.asc")]);
    std::fs::write(file("new"), PASSPHRASE).expect("room");
    holds("account passphrase", &again, &["account", "passphrase", "--new-file", &file("new")]);
    holds("account delete", &again, &["account", "delete", "--yes"]);
    let made = holds("backup create", &carol, &["backup", "create", &file("carol.thicket")]);
    assert_eq!(holds("backup check", &carol, &["backup", "check", &file("carol.thicket")]), made);
    assert_eq!(holds("backup restore", &again, &["backup", "restore", &file("carol.thicket")]), made);
    again.say(&["account", "delete", "--yes"]);

    holds("contact add", &carol, &["contact", "add", "alice"]);
    let sent = holds("send", &carol, &["send", "alice", "May I ask?"]).remove(0);
    assert_eq!(sent["state"], "stored");
    alice.say(&["sync"]);
    holds("contact list", alice, &["contact", "list"]);
    holds("contact decline", alice, &["contact", "decline", "carol"]);
    carol.say(&["send", "alice", "Once more?"]);
    alice.say(&["sync"]);
    holds("contact accept", alice, &["contact", "accept", "carol"]);
    holds("contact block", alice, &["contact", "block", "carol"]);
    holds("contact unblock", alice, &["contact", "unblock", "carol"]);
    holds("contact verify", alice, &["contact", "verify", "bob"]);
    holds("contact list", alice, &["contact", "verify", "bob", "--done"]);
    holds("contact update", alice, &["contact", "update", "bob"]);
    holds("contact remove", alice, &["contact", "remove", "carol"]);

    let id = holds("read", alice, &["read", "bob"])[0]["message"].as_str().expect("an id").to_owned();
    holds("search", alice, &["search", "eight"]);
    holds("message show", alice, &["message", "show", &id]);
    holds("message forget", alice, &["message", "forget", &id]);
    holds("conversations", bob, &["conversations"]);
    holds("sync", bob, &["sync"]);
    holds("settings", bob, &["settings"]);
    holds("settings read-marks", bob, &["settings", "read-marks", "on"]);
    holds("status", bob, &["status"]);
    let checks = holds("doctor", bob, &["doctor"]).remove(0);
    for check in checks["checks"].as_array().expect("a list") {
        assert_eq!(fields(check), documented["checks"], "{check}");
    }
    holds("journal verify", bob, &["journal", "verify"]);
    holds("journal ls", bob, &["journal", "ls", "--count", "3"]);
    holds("journal show", bob, &["journal", "show", "2"]);
    holds("journal state", bob, &["journal", "state"]);
    holds("journal diff", bob, &["journal", "diff", "0", "2"]);
    let parted = bob.run(&["--json", "journal", "compare", &alice.home.to_string_lossy(), &bob.home.to_string_lossy()]);
    assert_eq!(status(&parted), 1, "{parted:?}");
    assert_eq!(fields(&last(&parted)), documented["journal compare"]);
    holds("journal why", bob, &["journal", "why", "alice"]);
    holds("journal stats", bob, &["journal", "stats"]);
    holds("journal export", bob, &["journal", "export", "--redact", &file("bob.capsule"), "--yes"]);
    let script = holds("completions", bob, &["completions", "bash"]).remove(0);
    assert!(script["script"].as_str().is_some_and(|script| script.contains("complete -F _thicket")), "{script}");

    // A relay whose address was changed, an identity that changed, and a copy that goes on.
    let other = TestRelay::start(&folder.path().join("other"), 2, thicket_relay::Policy::default());
    holds("relay change", bob, &["relay", "change", &other.address]);
    std::process::Command::new("cp").arg("-R").arg(&bob.home).arg(file("copy")).status().expect("a system with cp");
    bob.say(&["sync"]);
    let copy = Person { name: "the copy", home: folder.path().join("copy") };
    copy.run(&["sync"]);
    holds("account take-over", &copy, &["account", "take-over", "--yes"]);
    relay.stop();
    let queued = alice.json(&["--timeout=1", "send", "bob", "Wait."]).remove(0);
    let id = queued["message"].as_str().expect("an id").to_owned();
    holds("message cancel", alice, &["message", "cancel", &id]);
    holds("message retry", alice, &["--timeout=1", "message", "retry", &id]);

    // `demo` and `contact trust` have tests of their own, which hold the same.
    let elsewhere =
        ["demo", "contact trust", "chat", "listen", "checks", "journal step", "journal compare", "journal digests"].map(str::to_owned);
    let untried: Vec<&String> = documented.keys().filter(|command| !tried.contains(*command) && !elsewhere.contains(command)).collect();
    assert!(untried.is_empty(), "never tried: {untried:?}");
}
