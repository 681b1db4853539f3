//! What the program shows, held as snapshots: whoever changes a screen sees it in the review.

mod world;

use insta::{Settings, assert_snapshot};
use std::path::Path;
use std::process::Output;
use world::{Person, Place, program, text};

/// Puts a word in place of what differs from run to run.
fn settings(place: Option<&Path>) -> Settings {
    let mut settings = Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    if let Some(place) = place {
        settings.add_filter(&regex_of(&place.to_string_lossy()), "[folder]");
    }
    for (pattern, word) in [
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "[time to the second]"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d", "[time]"),
        (r#""(stamp_ms|claimed_ms|skew_ms)":-?\d+"#, r#""$1":"[ms]""#),
        (r"(?:[0-9A-F]{4} ){9}[0-9A-F]{4}", "[fingerprint in groups]"),
        (r"direct:[0-9a-f]{64}@127\.0\.0\.1:\d+", "[address]"),
        (r"\b[0-9a-f]{40}\b", "[fingerprint]"),
        (r"\b[0-9a-f]{32}\b", "[id]"),
        (r"(?m)^\[time\]  [0-9a-f]{8}  ", "[time]  [id]  "),
        (r"\d+ (?:GiB|MiB) free", "[space] free"),
        (r"\d+ records", "[count] records"),
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
