//! What the program shows, held as snapshots: whoever changes a screen sees it in the review.

use crate::world::{Person, Place, TestRelay, program, text};
use insta::{Settings, assert_snapshot};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::Output;
use thicket_relay::Policy;

/// Puts a word in place of what differs from run to run.
fn settings(place: Option<&Path>) -> Settings {
    let mut settings = Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    if let Some(place) = place {
        settings.add_filter(&regex_of(&place.to_string_lossy()), "[folder]");
    }
    for (pattern, word) in [
        (r"-----BEGIN PGP PRIVATE KEY BLOCK-----(?s:.*?)-----END PGP PRIVATE KEY BLOCK-----", "[armored key]"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "[time to the second]"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d", "[time]"),
        (r#""(stamp_ms|claimed_ms|skew_ms|took_ms)":-?\d+"#, r#""$1":"[ms]""#),
        (r"(?:[0-9A-F]{4} ){9}[0-9A-F]{4}", "[fingerprint in groups]"),
        (r"direct:[0-9a-f]{64}@127\.0\.0\.1:\d+", "[address]"),
        (r"\b[0-9a-f]{64}\b", "[digest]"),
        (r"\b[0-9a-f]{40}\b", "[fingerprint]"),
        (r"\b[0-9a-f]{32}\b", "[id]"),
        (r"(?m)^\[time\]  [0-9a-f]{8}  ", "[time]  [id]  "),
        (r"\d+ (?:GiB|MiB) free", "[space] free"),
        (r"\b[0-9a-f]{8}…", "[begin]…"),
        (r"(?m)^(name +\w+ )\([0-9a-f]{8}\)$", "$1([begin])"),
        (r"(thicket --home \S+ message cancel) [0-9a-f]{8}\b", "$1 [id]"),
        (r"\d+ records", "[count] records"),
        (r"records from 1 to \d+", "records from 1 to [place]"),
        (r"records   \d+ from", "records   [count] from"),
        (r"snapshot  at \d+,", "snapshot  at [place],"),
        (r#""(records|at)":\d+"#, r#""$1":"[count]""#),
        (r"(?:\d{5} ){5}\d{5} (?:\d{5} ){5}\d{5}", "[safety number]"),
        (r"(?:\d{5} ){5}\d{5}", "[half of the safety number]"),
        (r"(?m)^[ █▀▄]{20,}$", "[a row of the QR code]"),
        (r"after \d+ ms", "after [ms] ms"),
        (r"(clock +|this clock )(?:is )?(?:agrees with|\d+ \w+ (?:behind|ahead of)) the relay's", "$1[skew]"),
    ] {
        settings.add_filter(pattern, word);
    }
    settings
}

/// A pattern that matches a text and nothing else.
fn regex_of(text: &str) -> String {
    text.chars().map(|char| if char.is_alphanumeric() { char.to_string() } else { format!("\\{char}") }).collect()
}

/// All that a person sees of a command: what was typed, what was printed, and how it ended.
fn screen(typed: &str, output: &Output) -> String {
    let mut shown = format!("$ thicket {typed}\n{}", text(&output.stdout));
    if !output.stderr.is_empty() {
        shown.push_str("--- standard error\n");
        shown.push_str(&text(&output.stderr));
    }
    match output.status.code() {
        Some(0) => {}
        code => shown.push_str(&format!("--- exit status {}\n", code.expect("no signal"))),
    }
    shown
}

fn show(person: &Person, arguments: &[&str]) -> String {
    screen(&arguments.join(" "), &person.run(arguments))
}

/// A command plain and with `--json`, one under the other.
fn both(person: &Person, arguments: &[&str]) -> String {
    format!("{}\n{}", show(person, arguments), show(person, &[&["--json"], arguments].concat()))
}

#[test]
fn help() {
    let commands = [
        "",
        "demo",
        "account",
        "account create",
        "account import",
        "account export",
        "account passphrase",
        "account delete",
        "account take-over",
        "account show",
        "register",
        "relay",
        "relay change",
        "contact",
        "contact add",
        "contact accept",
        "contact decline",
        "contact block",
        "contact unblock",
        "contact remove",
        "contact verify",
        "contact trust",
        "contact update",
        "contact list",
        "send",
        "chat",
        "read",
        "message",
        "message show",
        "message retry",
        "message cancel",
        "message forget",
        "conversations",
        "search",
        "sync",
        "listen",
        "status",
        "settings",
        "settings read-marks",
        "doctor",
        "journal",
        "journal verify",
        "journal ls",
        "journal show",
        "journal step",
        "journal compare",
        "journal digests",
        "journal export",
        "completions",
    ];
    settings(None).bind(|| {
        for command in commands {
            let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_thicket")).args(&arguments).env_remove("THICKET_HOME").output();
            let name = format!("help {command}").trim_end().replace([' ', '-'], "_");
            assert_snapshot!(name, screen(&arguments.join(" "), &output.expect("the program starts")));
        }
    });
}

#[test]
fn conversation() {
    let place = Place::with_conversation();
    let Place { alice, bob, .. } = &place;
    alice.say(&["send", "bob", "Two lines,\nand an \u{1b}[31mescape."]);
    alice.say(&["send", "bob", "And a last one that is long enough to be cut where only the begin of it is shown."]);
    bob.say(&["sync"]);
    alice.say(&["sync"]);
    settings(Some(place.folder.path())).bind(|| {
        assert_snapshot!("conversations_unread", both(bob, &["conversations"]));
        assert_snapshot!("read", both(bob, &["read", "alice"]));
        assert_snapshot!("conversations", both(bob, &["conversations"]));
        assert_snapshot!("read_of_the_sender", show(alice, &["read", "bob"]));
        assert_snapshot!("search", both(alice, &["search", "eight"]));
        assert_snapshot!("contact_list", both(alice, &["contact", "list"]));
        assert_snapshot!("status", both(alice, &["status"]));
        assert_snapshot!("settings", both(alice, &["settings"]));
        assert_snapshot!("settings_read_marks", both(alice, &["settings", "read-marks", "on"]));
        assert_snapshot!("sync", both(alice, &["sync"]));
        assert_snapshot!("doctor", both(alice, &["doctor"]));
    });
}

#[test]
fn beginning() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let relay = TestRelay::start(&folder.path().join("relay"), 1, Policy::default());
    let person = |name: &'static str| Person::new(name, name, folder.path().join(name));
    let (alice, bob) = (person("alice"), person("bob"));
    settings(Some(folder.path())).bind(|| {
        let register = ["register", "--relay", &relay.address];
        assert_snapshot!("register", format!("{}\n{}", show(&alice, &register), show(&bob, &[&["--json"], &register[..]].concat())));
        assert_snapshot!("contact_add", both(&alice, &["contact", "add", "bob"]));
        alice.say(&["send", "bob", "See you at eight."]);
        bob.say(&["sync"]);
        assert_snapshot!("contact_asks", both(&bob, &["contact", "list"]));
        assert_snapshot!("contact_accept", both(&bob, &["contact", "accept", "alice"]));
        assert_snapshot!("contact_verify", both(&bob, &["contact", "verify", "alice"]));
        let painted = text(&bob.run(&["--color=always", "contact", "verify", "alice"]).stdout);
        assert_eq!(painted.matches("\u{1b}[30;107m").count(), 17, "each row of the QR code is black on white: {painted}");
        assert_snapshot!("contact_verify_done", both(&bob, &["contact", "verify", "alice", "--done"]));
        assert_snapshot!("chat", screen("chat alice", &bob.pipe(&["chat", "alice"], "I will be there.\nUntil then.\n")));
        assert_snapshot!("chat_json", screen("--json chat alice", &bob.pipe(&["--json", "chat", "alice"], "")));
    });
}

#[test]
fn journal() {
    let place = Place::with_conversation();
    settings(Some(place.folder.path())).bind(|| {
        assert_snapshot!("journal_verify", both(&place.alice, &["journal", "verify"]));
        assert_snapshot!("journal_ls", both(&place.alice, &["journal", "ls", "--count", "4"]));
        assert_snapshot!("journal_show", both(&place.alice, &["journal", "show", "2"]));
        assert_snapshot!("journal_show_missing", both(&place.alice, &["journal", "show", "1000000"]));
    });
}

#[test]
fn moving() {
    let mut place = Place::with_conversation();
    let other = TestRelay::start(&place.folder.path().join("other"), 2, Policy::default());
    let wrong = format!("direct:{}@127.0.0.1:1", "01".repeat(32));
    settings(Some(place.folder.path())).bind(|| {
        assert_snapshot!("relay_change", show(&place.alice, &["relay", "change", &other.address]));
        assert_snapshot!("relay_change_json", show(&place.bob, &["--json", "relay", "change", &other.address]));
        place.relay.stop();
        assert_snapshot!("relay_change_unreached", show(&place.alice, &["--timeout=1", "relay", "change", &wrong]));
        assert_snapshot!("status_moving", both(&place.alice, &["--timeout=1", "status"]));
    });
}

#[test]
fn take_over() {
    let place = Place::with_conversation();
    let copy = Person { name: "the copy", home: place.folder.path().join("copy") };
    let copied = std::process::Command::new("cp").arg("-R").arg(&place.alice.home).arg(&copy.home).status();
    assert!(copied.expect("a system with cp").success());
    place.alice.say(&["send", "bob", "From the newest copy."]);
    copy.run(&["sync"]);
    settings(Some(place.folder.path())).bind(|| {
        assert_snapshot!("status_copied", both(&copy, &["status"]));
        assert_snapshot!("error_copied", both(&copy, &["sync"]));
        assert_snapshot!("take_over_unconfirmed", both(&copy, &["account", "take-over"]));
        assert_snapshot!("take_over", show(&copy, &["account", "take-over", "--yes"]));
        assert_snapshot!("take_over_not_copied", both(&copy, &["account", "take-over", "--yes"]));
    });
}

/// What a bot is told, line by line: each line is awaited, so that their order is that of the test.
#[test]
fn listening() {
    let place = Place::with_conversation();
    let Place { alice, bob, .. } = &place;
    alice.say(&["send", "bob", "While you were away."]);
    bob.say(&["sync"]);
    let mut bot = bob.start(&["listen"]);
    let (mut input, out) = (bot.stdin.take().expect("a pipe"), bot.stdout.take().expect("a pipe"));
    let mut told = BufReader::new(out).lines().map(|line| line.expect("UTF-8"));
    let mut shown = String::from("$ thicket listen\n");
    let mut until = |part: &str| {
        let line = told.find(|line| line.contains(part)).expect("it goes on");
        shown.push_str(&format!("{line}\n"));
    };
    until("received");
    until("connected");
    alice.say(&["send", "bob", "Now you are here."]);
    until("received");
    let mut ask = |line: &str, until: &mut dyn FnMut(&str)| {
        writeln!(input, "{line}").expect("it reads");
        until("answer");
    };
    ask(r#"{"send":{"to":"alice","text":"I am."}}"#, &mut until);
    until("stored");
    ask(r#"{"add":"nobody","intent":"00112233445566778899aabbccddeeff"}"#, &mut until);
    until("lookup_failed");
    ask(r#"{"sing":"alice"}"#, &mut until);
    ask("no JSON", &mut until);
    drop(input);
    assert!(bot.wait().expect("it ends").success());
    settings(Some(place.folder.path())).bind(|| assert_snapshot!("listen", shown));
}

#[test]
fn message() {
    let mut place = Place::with_conversation();
    let ids: Vec<String> =
        place.alice.json(&["read", "bob"]).iter().map(|row| row["message"].as_str().expect("an id").to_owned()).collect();
    let [sent, received] = ids.as_slice() else { panic!("two messages: {ids:?}") };
    settings(Some(place.folder.path())).bind(|| {
        assert_snapshot!("message_show_sent", both(&place.alice, &["message", "show", sent]));
        assert_snapshot!("message_show_received", both(&place.alice, &["message", "show", received]));
        assert_snapshot!("message_retry_refused", both(&place.alice, &["message", "retry", sent]));
        place.relay.stop();
        assert_snapshot!("send_unreached", show(&place.alice, &["--timeout=1", "send", "bob", "Wait."]));
        let id = place.alice.newest("bob");
        assert_snapshot!("read_waiting", show(&place.alice, &["read", "bob"]));
        assert_snapshot!("message_show_waiting", both(&place.alice, &["message", "show", &id]));
        assert_snapshot!("message_forget_refused", show(&place.alice, &["message", "forget", &id]));
        assert_snapshot!("message_cancel", show(&place.alice, &["message", "cancel", &id]));
        assert_snapshot!("message_show_cancelled", both(&place.alice, &["message", "show", &id]));
        assert_snapshot!("read_cancelled", show(&place.alice, &["read", "bob"]));
        assert_snapshot!("message_forget", show(&place.alice, &["message", "forget", &id]));
        assert_snapshot!("doctor_unreached", both(&place.alice, &["--timeout=1", "doctor"]));
    });
}

#[test]
fn waiting() {
    let mut place = Place::new();
    place.alice.say(&["contact", "add", "bob"]);
    place.relay.stop();
    place.alice.say(&["--timeout=1", "send", "bob", "Nobody has encrypted this yet,\nnor its second line."]);
    let id = place.alice.newest("bob");
    settings(Some(place.folder.path())).bind(|| {
        assert_snapshot!("waiting_read", both(&place.alice, &["read", "bob"]));
        assert_snapshot!("waiting_conversations", both(&place.alice, &["conversations"]));
        assert_snapshot!("waiting_message_show", both(&place.alice, &["message", "show", &id]));
    });
}

#[test]
fn accounts() {
    let place = Place::with_conversation();
    let Place { alice, bob, .. } = &place;
    let new = place.folder.path().join("new");
    std::fs::write(&new, crate::world::PASSPHRASE).expect("room");
    let rekey = ["account", "passphrase", "--new-file", new.to_str().expect("UTF-8")];
    settings(Some(place.folder.path())).bind(|| {
        assert_snapshot!("account_show", both(alice, &["account", "show"]));
        assert_snapshot!("account_passphrase", both(alice, &rekey));
        assert_snapshot!("account_export", both(alice, &["account", "export"]));
        let (exported, imported) = (place.folder.path().join("alice.asc"), place.folder.path().join("imported"));
        std::fs::write(&exported, alice.say(&["account", "export"])).expect("room");
        let copy = Person { name: "alice", home: imported };
        assert_snapshot!("account_import", show(&copy, &["account", "import", exported.to_str().expect("UTF-8")]));
        assert_snapshot!("account_delete", show(&copy, &["account", "delete", "--yes"]));
        assert_snapshot!("account_delete_json", show(bob, &["--json", "account", "delete", "--yes"]));
    });
}

#[test]
fn contacts() {
    let place = Place::with_conversation();
    let Place { alice, bob, .. } = &place;
    let carol = Person::new("carol", "carol", place.folder.path().join("carol"));
    carol.say(&["register", "--relay", &place.relay.address]);
    carol.say(&["contact", "add", "alice"]);
    let asks = |text: &str| {
        carol.say(&["send", "alice", text]);
        alice.say(&["sync"]);
    };
    settings(Some(place.folder.path())).bind(|| {
        assert_snapshot!("send_stored", both(alice, &["send", "bob", "It is raining."]));
        assert_snapshot!("send_from_a_pipe", screen("send bob -", &alice.pipe(&["send", "bob", "-"], "Take a coat.\n")));
        assert_snapshot!("message_cancel_refused", both(alice, &["message", "cancel", &alice.newest("bob")]));
        assert_snapshot!("contact_update", both(alice, &["contact", "update", "bob"]));
        assert_snapshot!("contact_decline_refused", both(alice, &["contact", "decline", "bob"]));
        assert_snapshot!("contact_trust_refused", both(alice, &["contact", "trust", "bob"]));
        asks("May I?");
        let first = show(alice, &["contact", "decline", "carol"]);
        asks("Please?");
        assert_snapshot!("contact_decline", format!("{first}\n{}", show(alice, &["--json", "contact", "decline", "carol"])));
        bob.say(&["sync"]);
        let first = show(bob, &["contact", "remove", "alice"]);
        bob.say(&["contact", "add", "alice"]);
        assert_snapshot!("contact_remove", format!("{first}\n{}", show(bob, &["--json", "contact", "remove", "alice"])));
    });
}

/// What is shown fits a terminal of the usual width; an address is a word that nobody breaks.
#[test]
fn what_is_listed_fits_80_columns() {
    let place = Place::with_conversation();
    let folder = place.folder.path().to_string_lossy().into_owned();
    let fits = |shown: &str, what: &str| {
        for line in shown.lines().filter(|line| !line.contains("direct:") && !line.contains(&folder)) {
            let wide = line.chars().filter(|char| "世界".contains(*char)).count();
            assert!(line.chars().count() + wide <= 80, "{what}: {line}");
        }
    };
    // Whose name is as long as one may be, and who asks to be accepted.
    let name: &'static str = Box::leak("a-long-name-".repeat(6)[..64].to_owned().into_boxed_str());
    let long = Person::new(name, name, place.folder.path().join("long"));
    long.say(&["register", "--relay", &place.relay.address]);
    long.say(&["contact", "add", "alice"]);
    long.say(&["send", "alice", &"世界 and a long text, ".repeat(9)]);
    place.alice.say(&["sync"]);
    for command in [&["status"][..], &["doctor"], &["contact", "list"], &["conversations"]] {
        fits(&place.alice.say(command), command[0]);
    }
    for command in ["", "send", "listen", "account take-over", "message show", "relay change", "contact update", "journal ls", "demo"] {
        let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let output = program(&place.alice.home, &arguments).output().expect("the program starts");
        fits(&text(&output.stdout), command);
    }
}

#[test]
fn errors() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let alice = Person { name: "alice", home: folder.path().join("alice") };
    settings(Some(folder.path())).bind(|| {
        assert_snapshot!("error_no_profile", both(&alice, &["status"]));
        assert_snapshot!("account_create", show(&alice, &["account", "create", "alice"]));
        assert_snapshot!("error_profile_there", both(&alice, &["account", "create", "alice"]));
        assert_snapshot!("error_malformed_name", both(&alice, &["contact", "add", "a b"]));
        assert_snapshot!("error_unknown_contact", both(&alice, &["read", "bob"]));
        assert_snapshot!("error_message_id", both(&alice, &["message", "show", "xyz"]));
        assert_snapshot!("error_relay_address", both(&alice, &["register", "--relay", "nonsense"]));
        let usage = program(&alice.home, &["send", "bob"]).output().expect("the program starts");
        assert_snapshot!("error_usage", screen("send bob", &usage));
        assert_snapshot!("error_not_confirmed", both(&alice, &["account", "delete"]));
        assert_snapshot!("status_unregistered", both(&alice, &["status"]));
        let wrong = program(&alice.home, &["account", "show"]).env("THICKET_PASSPHRASE", "wrong").output().expect("the program starts");
        assert_snapshot!("error_passphrase", screen("account show", &wrong));
    });
}
