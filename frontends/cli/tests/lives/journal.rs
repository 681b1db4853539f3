//! The journal as a person looks at it: what is listed, what it folds to, and what changed.

use super::demo::{copy_folder, private_numbers, secret_key};
use crate::world::{PASSPHRASE, Person, Place, last, lines, program, status, text};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::process::Output;
use thicket_engine::{OsDisk, ProfileKeys, walk};
use thicket_replay::{Replay, Tree, capsule};
use thicket_scanner::{Scanner, forms};
use thicket_types::ports::Disk;
use thicket_types::secret::Secret;

/// The places that a list shows.
fn places(person: &Person, filters: &[&str]) -> Vec<u64> {
    let listed = person.json(&[&["journal", "ls"], filters].concat());
    listed.iter().map(|record| record["seq"].as_u64().expect("a place")).collect()
}

#[test]
fn records_are_listed_by_kind_cause_and_time() {
    let place = Place::new();
    let alice = &place.alice;
    assert_eq!(alice.refused(&["contact", "add", "nobody"]), (3, 201));
    let all = alice.json(&["journal", "ls"]);
    let kinds = ["requested", "arrived", "elapsed", "resolved"];
    let by_kind: Vec<usize> = kinds.iter().map(|kind| places(alice, &["--kind", kind]).len()).collect();
    assert_eq!(by_kind.iter().sum::<usize>(), all.len());
    assert!(by_kind[0] > 0 && by_kind[1] > 0 && by_kind[3] > 0, "{by_kind:?}");
    assert_eq!(places(alice, &["--kind", "Requested"]).len(), by_kind[0], "as it is shown");
    for record in alice.json(&["journal", "ls", "--kind", "resolved", "--count", "2"]) {
        assert_eq!(record["kind"], "Resolved");
    }
    // Nothing names an error that did not happen, and no error has the number 99.
    assert_eq!(places(alice, &["--cause", "414"]), Vec::<u64>::new());
    assert_eq!(alice.refused(&["journal", "ls", "--cause", "99"]), (2, 126));
    // All of it was today, or yesterday where midnight came between.
    assert_eq!(places(alice, &["--since", "2026-01-01", "--until", "9999-12-31"]).len(), all.len());
    assert_eq!(places(alice, &["--until", "2026-01-01"]), Vec::<u64>::new());
    assert_eq!(alice.refused(&["journal", "ls", "--since", "yesterday"]), (2, 126));
}

#[test]
fn records_are_listed_by_the_conversation_that_they_touched_and_by_what_they_asked_for() {
    let place = Place::with_conversation();
    let alice = &place.alice;
    let all = alice.json(&["journal", "ls"]);
    let at = |seq: u64| &all[seq as usize - 1];
    let with_bob = places(alice, &["--conversation", "bob"]);
    assert!(!with_bob.is_empty() && with_bob.len() < all.len(), "{with_bob:?}");
    let fingerprint = alice.json(&["contact", "list"])[0]["fingerprint"].as_str().expect("digits").to_owned();
    assert_eq!(places(alice, &["--conversation", &fingerprint[..8]]), with_bob);
    // What a person asked of bob touched it, and logins did not.
    for record in all.iter().filter(|record| record["kind"] == "Requested") {
        let of_bob = ["AddContact", "Send", "MarkRead"].contains(&record["what"].as_str().expect("a word"));
        assert_eq!(with_bob.contains(&record["seq"].as_u64().expect("a place")), of_bob, "{record}");
    }
    // The relay's answer to the message names nobody, and is of the conversation.
    assert!(with_bob.iter().any(|seq| at(*seq)["what"].as_str().is_some_and(|what| what.starts_with("an answer, "))));
    assert_eq!(places(alice, &["--conversation", "bob", "--kind", "requested"]).len(), 3);
    assert_eq!(alice.refused(&["journal", "ls", "--conversation", "nobody"]), (3, 108));
    assert_eq!(places(alice, &["--conversation", &"0".repeat(40)]), Vec::<u64>::new());

    let sealed = places(alice, &["--effect", "seal message"]);
    assert_eq!(sealed.len(), 1);
    assert_eq!(places(alice, &["--effect", "seal-message", "--conversation", "bob"]), sealed);
    // Every word of the statistics is taken; each effect that was resolved was asked for.
    let stats = alice.json(&["journal", "stats"]).remove(0);
    for took in stats["outcomes"].as_array().expect("outcomes") {
        assert!(!places(alice, &["--effect", took["effect"].as_str().expect("a word")]).is_empty(), "{took}");
    }
    assert!(!places(alice, &["--effect", "tell", "--count", "1"]).is_empty());
    assert_eq!(alice.refused(&["journal", "ls", "--effect", "vault"]), (2, 126));
    // In words the line is the same.
    let shown = alice.say(&["journal", "ls", "--effect", "seal-message"]);
    assert_eq!(shown, alice.say(&["journal", "ls", "--from", &sealed[0].to_string(), "--count", "1"]));
}

#[test]
fn the_state_is_shown_at_any_place_and_names_only_where_they_are_asked_for() {
    let place = Place::with_conversation();
    let alice = &place.alice;
    let now = alice.json(&["journal", "state"]).remove(0);
    let last = now["seq"].as_u64().expect("a place");
    let contacts = now["state"]["contacts"].as_object().expect("contacts").clone();
    assert_eq!(contacts.len(), 1);
    let bob = contacts.values().next().expect("bob");
    assert_eq!((&bob["name"], &bob["standing"], &bob["received"]), (&json!("(private)"), &json!("Accepted"), &json!(1)));
    assert!(bob["updated"].as_u64().is_some_and(|stamp| stamp > 1_700_000_000_000), "{bob}");
    let named = alice.json(&["journal", "state", "--names"]).remove(0);
    assert!(named["state"]["contacts"].as_object().is_some_and(|contacts| contacts.values().all(|contact| contact["name"] == "bob")));
    assert_eq!(named["state"]["session"]["relay"]["address"], json!(place.relay.address));
    let first = alice.json(&["journal", "state", "--at", "0"]).remove(0);
    assert_eq!((&first["seq"], &first["state"]["session"]["phase"]), (&json!(0), &json!("Unregistered")));

    // In words: short ids, nothing private, and what a person knows.
    let shown = alice.say(&["journal", "state"]);
    assert!(shown.starts_with(&format!("state after {last}\nsession\n")), "{shown}");
    assert!(shown.contains("    name (private)\n") && shown.contains("    standing Accepted\n"), "{shown}");
    let id = contacts.keys().next().expect("a fingerprint");
    assert!(!shown.contains(id.as_str()) && shown.contains(&format!("  {}…\n", &id[..8])), "{shown}");
    assert!(!shown.contains("bob") && !shown.contains(&place.relay.address), "{shown}");

    assert_eq!(alice.refused(&["journal", "state", "--at", &(last + 1).to_string()]), (2, 126));
}

#[test]
fn what_changed_between_two_places_is_shown_and_leads_from_one_to_the_other() {
    let place = Place::with_conversation();
    let alice = &place.alice;
    let last = alice.json(&["journal", "state"])[0]["seq"].as_u64().expect("a place").to_string();
    let whole = alice.json(&["journal", "diff", "0", &last]).remove(0);
    let changes = whole["changes"].as_array().expect("changes");
    let at = |path: &[&str]| changes.iter().find(|change| change["path"] == json!(path)).cloned();
    let phase = at(&["session", "phase"]).expect("the phase changed");
    assert_eq!((&phase["before"], &phase["after"]), (&json!("Unregistered"), &json!("Registered")));
    assert!(changes.iter().any(|change| change["path"][0] == "contacts" && change["before"].is_null()), "{whole}");
    // Back again it is the other way round.
    let back = alice.json(&["journal", "diff", &last, "0"]).remove(0);
    assert_eq!(back["changes"].as_array().map(Vec::len), Some(changes.len()));
    assert_eq!(alice.say(&["journal", "diff", &last, &last]), format!("{last} and {last} fold to the same state\n"));
    let shown = alice.say(&["journal", "diff", "0", &last]);
    assert!(shown.contains("  ~ phase Unregistered → Registered\n"), "{shown}");
    assert_eq!(alice.refused(&["journal", "diff", "0", "99999999"]), (2, 126));
    // Nothing of it needs the profile for itself.
    let mut listening = alice.start(&["--json", "listen"]);
    let during = program(&alice.home, &["journal", "diff", "0", &last]).output().expect("the program starts");
    assert_eq!((status(&during), text(&during.stdout)), (0, shown));
    drop(listening.stdin.take());
    assert!(listening.wait().expect("it ends").success());
}

#[test]
fn what_the_journal_is_made_of_is_counted() {
    let place = Place::with_conversation();
    let alice = &place.alice;
    let all = alice.json(&["journal", "ls"]);
    let stats = alice.json(&["journal", "stats"]).remove(0);
    let sum =
        |field: &str| stats["kinds"].as_array().expect("kinds").iter().map(|kind| kind[field].as_u64().expect("a number")).sum::<u64>();
    assert_eq!(sum("records"), all.len() as u64);
    assert!(sum("bytes") > 16 * sum("records"), "each record has a head of 16 bytes");
    let rates = stats["rates"].as_array().expect("rates").iter().map(|rate| rate.as_u64().expect("a number")).sum::<u64>();
    assert_eq!(rates, all.len() as u64);
    assert_eq!((&stats["from_ms"], &stats["to_ms"]), (&all[0]["stamp_ms"], &all[all.len() - 1]["stamp_ms"]));
    let sealed = stats["outcomes"].as_array().expect("outcomes").iter().find(|took| took["effect"] == "seal message").expect("one");
    assert_eq!(sealed["count"], 1);
    let slowest = sealed["slowest_seq"].as_u64().expect("a place");
    assert_eq!(all[slowest as usize - 1]["kind"], "Resolved");
    let shown = alice.say(&["journal", "stats"]);
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    assert!(shown.starts_with(&format!("{} records, ", all.len())) && shown.contains("seal message"), "{shown}");
}

#[test]
fn why_a_message_a_contact_and_an_effect_are_where_they_are_is_told() {
    let place = Place::with_conversation();
    let alice = &place.alice;
    let rows = alice.json(&["read", "bob"]);
    let [sent, came] = ["me", "bob"]
        .map(|from| rows.iter().find(|row| row["from"] == from).and_then(|row| row["message"].as_str()).expect("an id").to_owned());
    let says = |what: &str| -> Vec<String> {
        let lines = alice.json(&["journal", "why", what]);
        assert!((1..=12).contains(&lines.len()), "{what}: {lines:?}");
        lines.iter().map(|line| line["says"].as_str().expect("a sentence").to_owned()).collect()
    };
    let of_sent = says(&sent[..8]);
    assert!(of_sent[0].starts_with("you asked to send 17 bytes to "), "{of_sent:?}");
    assert!(of_sent.contains(&"the relay stored it for its recipient".to_owned()), "{of_sent:?}");
    assert!(of_sent.contains(&"a receipt came: its recipient's device has it".to_owned()), "{of_sent:?}");
    assert_eq!(says(&sent), of_sent, "by all its digits as well");
    let of_came = says(&came);
    assert!(of_came[0].starts_with("an envelope of ") && of_came[1].starts_with("it was read: a message of "), "{of_came:?}");
    assert!(says("bob").iter().any(|line| line.contains("the conversation is open")), "{:?}", says("bob"));
    let effect = alice.json(&["journal", "ls", "--kind", "resolved", "--count", "1"]).remove(0);
    let effect = effect["what"].as_str().and_then(|what| what.split(' ').next()).expect("an effect").to_owned();
    assert!(says(&effect)[0].contains("it was asked for: "), "{:?}", says(&effect));
    // In words: a line a record, none wider than a terminal.
    let shown = alice.say(&["journal", "why", &sent]);
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    assert_eq!(alice.refused(&["journal", "why", "nobody"]), (3, 108));
    // Nothing has retired, and nobody is to be added.
    for (what, number) in [("99999.0", 126), ("5.99", 126), ("5.0.0", 126), ("nobody", 108), (&"0".repeat(40), 108)] {
        assert_eq!(alice.refused(&["journal", "why", what]).1, number, "{what}");
        let told = text(&alice.run(&["journal", "why", what]).stderr);
        assert!(told.contains(what) && !told.contains("before record") && !told.contains("contact add"), "{told}");
    }
    assert!(text(&alice.run(&["journal", "why", "5.99"]).stderr).contains("journal show 5"));
    assert_eq!(alice.refused(&["journal", "why", "ffffffffffffffffffffffffffffffff"]), (3, 120));
    for nothing in ["", " "] {
        assert_eq!(alice.refused(&["journal", "why", nothing]), (2, 126));
        assert_eq!(alice.refused(&["journal", "ls", "--conversation", nothing]), (2, 126));
    }
    // What no id begins with is no contact's name for that; and who is gone is still known to the journal.
    assert_eq!(alice.refused(&["journal", "why", "deadbeef"]), (3, 120));
    let (of_bob, fingerprint) = (says("bob"), rows[0]["fingerprint"].as_str().expect("hex").to_owned());
    let with_bob = places(alice, &["--conversation", "bob"]);
    alice.say(&["contact", "remove", "bob"]);
    for who in ["bob", &fingerprint[..6], &fingerprint] {
        let of_gone = says(who);
        assert!(
            of_gone.starts_with(&of_bob[..2]) && of_gone.last().is_some_and(|line| line.contains("no contact any more")),
            "{of_gone:?}"
        );
        // A list means by it whom this means.
        let listed = places(alice, &["--conversation", who]);
        assert!(listed.last() > with_bob.last() && listed.iter().all(|seq| seq > with_bob.last().expect("some") || with_bob.contains(seq)));
        assert!(who != "bob" || listed.starts_with(&with_bob), "{listed:?}");
    }
    // A frame that the message came in is as good as its id.
    let envelope = alice.json(&["journal", "ls", "--kind", "arrived"]).into_iter().find(|record| {
        record["what"].as_str().is_some_and(|what| what.starts_with("item ")) && {
            let whole = alice.json(&["journal", "show", &record["seq"].to_string()]).remove(0);
            whole["outcomes"][0]["outcome"]["opened"]["message"]["message"] == came.as_str()
        }
    });
    let shown = alice.json(&["journal", "show", &envelope.expect("it came")["seq"].to_string()]).remove(0);
    assert_eq!(says(&shown["event"]["arrived"]["frame"].as_str().expect("hex")[..16]), of_came);
}

/// A copy of a journal that an earlier build wrote: there is no vault beside it.
fn frozen(name: &str, folder: &Path) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/replay/journals/format-1-rules-1").join(name);
    let home = folder.join(name);
    copy_folder(&from, &home);
    home
}

fn look_at(home: &Path, arguments: &[&str]) -> Output {
    program(home, arguments).env("THICKET_PASSPHRASE", "transparent").output().expect("the program starts")
}

#[test]
fn why_a_message_is_where_it_is_begins_with_where_it_was_when_what_led_there_has_retired() {
    let folder = tempfile::tempdir().expect("room");
    let home = frozen("retired-alice", folder.path());
    let why = |what: &str| text(&look_at(&home, &["journal", "why", what]).stdout);
    let of_message = "     335  2026-09-21 14:22:42 UTC  before record 335 already: it was encrypted,
                                   and was to go to the transport; what led
                                   there can't be told any more
     382  2026-10-01 22:29:48 UTC  what was sealed can't be used any more; it is
                                   encrypted anew
     385  2026-10-01 22:29:48 UTC  what it waited for is there: it is being
                                   encrypted
     389  2026-10-01 22:29:48 UTC  it was encrypted, and goes to the transport
     403  2026-10-01 22:29:48 UTC  the transport took it
     454  2026-10-01 22:29:53 UTC  no answer came in time: the same bytes go
                                   again
     456  2026-10-01 22:29:53 UTC  the relay stored it for its recipient
     649  2026-10-22 14:44:57 UTC  a receipt came: its recipient's device has it
";
    assert_eq!(why("00000022000000000000000000000000"), of_message);
    let of_bob = "     335  2026-09-21 14:22:42 UTC  before record 335 already: they were a
                                   contact; the conversation was open; what led
                                   there can't be told any more
     339  2026-09-21 14:22:42 UTC  as you asked, the keys of the conversation
                                   were renewed
     385  2026-10-01 22:29:48 UTC  by what the vault did, the keys of the
                                   conversation were renewed (3 times, the last
                                   at 616)
";
    assert_eq!(why("bob"), of_bob);
    // A frame that came twice before it was read is one message.
    assert!(why("8c75a37b").contains("it was read: a message of 81b637d8"));
    for (what, number) in [("ffffffffffffffffffffffffffffffff", 120), ("334.0", 126)] {
        let output = look_at(&home, &["--json", "journal", "why", what]);
        assert_eq!(last(&output)["error"]["code"], number, "{what}");
        assert!(output.stdout.windows(17).any(|words| words == b"before record 335"), "{what}");
    }
}

#[test]
fn records_that_no_snapshot_lets_fold_are_said_to_be_not_looked_at() {
    let folder = tempfile::tempdir().expect("room");
    let home = frozen("month-alice", folder.path());
    for filter in [["--conversation", "bob"], ["--effect", "compose"]] {
        for json in [&[][..], &["--json"]] {
            let told = |more: &[&str]| {
                let output = look_at(&home, &[json, &["journal", "ls"], &filter, more].concat());
                assert_eq!(status(&output), 0, "{output:?}");
                text(&output.stderr)
            };
            assert!(told(&[]).contains("records 335 to 588 were not looked at"), "{filter:?}");
            assert!(told(&["--from", "588"]).contains("record 588 was not looked at"), "{filter:?}");
            assert_eq!(told(&["--from", "589"]), "", "all that was asked for was looked at");
        }
    }
    assert_eq!(text(&look_at(&home, &["journal", "ls"]).stderr), "", "a list that needs no fold has all");
    let checks = lines(&look_at(&home, &["--json", "doctor"]))[0]["checks"].clone();
    let journal = checks.as_array().and_then(|checks| checks.iter().find(|check| check["check"] == "journal")).expect("a check").clone();
    let words = "448 records; two folds, and on from its snapshots, are equal; 254 records before them can't be folded any more";
    assert_eq!((&journal["status"], &journal["what"]), (&json!("ok"), &json!(words)));
}

#[test]
fn a_journal_and_that_of_a_backup_that_went_on_are_the_same_up_to_the_backup() {
    let place = Place::with_conversation();
    let alice = &place.alice;
    let path = |name: &str| place.folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let cut = alice.json(&["backup", "create", &path("backup")])[0]["seq"].as_u64().expect("a place");
    let restored = Person { name: "restored", home: place.folder.path().join("restored") };
    restored.say(&["backup", "restore", &path("backup")]);
    let compare = || {
        let output = alice.run(&["--json", "journal", "compare", &path("alice"), &path("restored")]);
        (status(&output), last(&output))
    };
    let (ended, same) = compare();
    assert_eq!((ended, &same["by"], &same["a"]["same_upto"], &same["b"]["same_upto"]), (0, &json!("records"), &json!(cut), &json!(cut)));
    assert_eq!((&same["a"]["begins_after"], &same["b"]["begins_after"]), (&json!(0), &json!(cut)));
    // Their capsules are not of one place: what can be compared is said.
    for (person, name) in [(alice, "whole"), (&restored, "later")] {
        person.json(&["journal", "export", "--redact", &path(name), "--yes"]);
    }
    for (a, b) in [("whole", "later"), ("alice", "later")] {
        let output = alice.run(&["--json", "journal", "compare", &path(a), &path(b)]);
        let message = last(&output)["error"]["message"].as_str().expect("words").to_owned();
        assert_eq!(status(&output), 2);
        assert!(message.contains(&format!("A is known from record 1 on, B from record {}", cut + 1)), "{message}");
        assert!(message.contains("compared as profiles, by their records"), "{message}");
    }
    // Both went on; so long that nothing can be folded any more of what the restored one did first.
    alice.say(&["settings", "read-marks", "on"]);
    for on in ["on", "off", "on"] {
        restored.say(&["settings", "read-marks", on]);
    }
    let (ended, parted) = compare();
    assert_eq!((ended, &parted["by"], &parted["b"]["same_upto"]), (1, &json!("records"), &json!(cut)));
    assert_eq!((&parted["a"]["record"]["what"], &parted["b"]["record"]["what"]), (&json!("SetReadMarks"), &json!("Restore")));
    let shown = text(&alice.run(&["journal", "compare", &path("alice"), &path("restored")]).stdout);
    assert!(shown.contains(&format!("begins     B after {cut}: a backup brought what was before\n")), "{shown}");
    assert!(shown.contains(&format!("same       up to {cut} of A, {cut} of B\n")), "{shown}");
    // Not what a person would wait ten seconds for, and why.
    let waits = restored.run(&["--timeout", "2", "send", "bob", "hello again"]);
    assert_eq!((status(&waits), text(&waits.stdout)), (0, "queued\n".to_owned()));
    assert!(text(&waits.stderr).contains("It waits until bob has begun anew with this device"), "{waits:?}");
    assert!(restored.say(&["status"]).contains("1 of them until"), "{}", restored.say(&["status"]));
}

#[test]
fn the_last_records_are_listed_and_what_is_typed_wrong_is_told_in_its_own_words() {
    let place = Place::with_conversation();
    let alice = &place.alice;
    let all = alice.json(&["journal", "ls"]);
    assert_eq!(alice.json(&["journal", "ls", "--last", "3"]), all[all.len() - 3..]);
    let requested: Vec<&Value> = all.iter().filter(|record| record["kind"] == "Requested").collect();
    let last: Vec<Value> = alice.json(&["journal", "ls", "--kind", "requested", "--last", "2"]);
    assert_eq!(last.iter().collect::<Vec<_>>(), requested[requested.len() - 2..]);
    assert_eq!(alice.json(&["journal", "ls", "--last", "100000"]), all);
    // As it is shown, a time is taken.
    let shown = alice.say(&["journal", "ls", "--last", "1"]);
    let time = &shown[10..29];
    assert!(alice.json(&["journal", "ls", "--since", time, "--until", time]).contains(&all[all.len() - 1]), "{time}");
    for (arguments, words) in [
        (&["show", "x"][..], "as journal ls shows it first in each line"),
        (&["diff", "1", "-"], "as journal ls shows it first in each line"),
        (&["ls", "--last", "0"], "a number is expected, at least 1"),
        (&["ls", "--since", "now"], "2026-11-22T18:30:07"),
    ] {
        let told = text(&alice.run(&[&["journal"], arguments].concat()).stderr);
        assert!(told.contains(words) && !told.contains("invalid digit"), "{told}");
    }
}

#[test]
fn a_record_is_shown_in_words_and_names_only_where_they_are_asked_for() {
    let place = Place::with_conversation();
    let alice = &place.alice;
    for record in alice.json(&["journal", "ls"]) {
        let shown = alice.say(&["journal", "show", &record["seq"].to_string()]);
        for wrong in ["(Fingerprint", "IntentId", "FrameId", " bob", place.relay.address.as_str(), "Private"] {
            assert!(!shown.contains(wrong), "{wrong}: {shown}");
        }
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    }
    let register = alice.json(&["journal", "ls"]).into_iter().find(|record| record["what"] == "Register").expect("she registered");
    let named = alice.say(&["journal", "show", "--names", &register["seq"].to_string()]);
    assert!(named.contains(&place.relay.address), "{named}");
    // What resolved something says what, what for, and where it was asked for.
    let all = alice.json(&["journal", "ls"]);
    let send = all.iter().find(|record| record["what"] == "Send").expect("she wrote")["seq"].as_u64().expect("a place");
    let asked = alice.json(&["journal", "show", &send.to_string()]).remove(0);
    assert_eq!(asked["resolves"], Value::Null);
    let ended = &asked["outcomes"][0];
    let shown = alice.json(&["journal", "show", &ended["seq"].to_string()]).remove(0);
    let effect = &asked["effects"].as_array().expect("effects").iter().find(|effect| effect["effect"] == ended["effect"]).expect("one");
    let resolves = &shown["resolves"];
    for field in ["effect", "kind", "what", "for"] {
        assert_eq!(resolves[field], effect[field], "{field}");
    }
    assert_eq!((&resolves["seq"], &resolves["took_ms"]), (&json!(send), &ended["took_ms"]));
    let said = alice.say(&["journal", "show", &ended["seq"].to_string()]);
    assert!(said.contains(&format!("resolved\n  {send}.")) && said.contains(&format!("asked for at {send}, ")), "{said}");
    let none = text(&alice.run(&["journal", "show", "9999"]).stderr);
    assert!(none.contains(&format!("there are records from 1 to {}", all.len())), "{none}");
}

#[test]
fn where_two_journals_part_and_where_two_builds_do_is_told() {
    let place = Place::with_conversation();
    let (alice, bob) = (&place.alice, &place.bob);
    let path = |name: &str| place.folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let compare = |a: &str, b: &str| {
        let output = alice.run(&["--json", "journal", "compare", a, b]);
        (status(&output), last(&output))
    };
    let whole = alice.json(&["journal", "ls"]).len() as u64;
    assert_eq!(status(&alice.run(&["journal", "compare", &path("alice"), &path("alice")])), 0);

    // A copy goes on by itself, and so does what was copied.
    std::process::Command::new("cp").args(["-R", &path("alice"), &path("copy")]).status().expect("a system with cp");
    let copy = Person { name: "the copy", home: place.folder.path().join("copy") };
    let (ended, same) = compare(&path("alice"), &path("copy"));
    assert_eq!((ended, &same["by"], &same["same"], &same["a"]["same_upto"]), (0, &json!("records"), &json!(true), &json!(whole)));
    alice.say(&["settings", "read-marks", "on"]);
    let (ended, longer) = compare(&path("alice"), &path("copy"));
    assert_eq!((ended, &longer["same"], &longer["b"]["same_upto"]), (0, &json!(true), &json!(whole)));
    copy.say(&["contact", "block", "bob"]);
    let (ended, parted) = compare(&path("alice"), &path("copy"));
    assert_eq!((ended, &parted["same"], &parted["b"]["same_upto"]), (1, &json!(false), &json!(whole)));
    assert_eq!((&parted["a"]["parted_by"], &parted["b"]["parted_by"]), (&json!(whole + 1), &json!(whole + 1)));

    // The other one may have a passphrase of its own.
    std::fs::write(path("other"), "another horse\n").expect("room");
    copy.say(&["account", "passphrase", "--new-file", &path("other")]);
    assert_eq!(alice.refused(&["journal", "compare", &path("alice"), &path("copy")]), (4, 100));
    for (a, b, whose) in [("alice", "copy", "B"), ("copy", "alice", "A")] {
        let told = text(&alice.run(&["journal", "compare", &path(a), &path(b)]).stderr);
        assert!(told.contains(&format!("(of {whose}: {})", path("copy"))), "{told}");
    }
    let with_both = ["journal", "compare", &path("alice"), &path("copy"), "--other-passphrase-file", &path("other")];
    let found = alice.run(&[&["--json"][..], &with_both].concat());
    assert_eq!((status(&found), last(&found)), (1, parted));

    // Two people saw different things.
    let (ended, parted) = compare(&path("alice"), &path("bob"));
    assert_eq!((ended, &parted["by"]), (1, &json!("view")));
    for (person, side) in [(alice, &parted["a"]), (bob, &parted["b"])] {
        let seq = side["parted_by"].as_u64().expect("a place");
        assert_eq!(side["same_upto"], json!(seq - 1));
        assert_eq!(side["record"], person.json(&["journal", "ls", "--from", &seq.to_string(), "--count", "1"])[0]);
    }
    assert!(parted["changes"].as_array().is_some_and(|changes| !changes.is_empty()), "{parted}");
    let shown = text(&alice.run(&["journal", "compare", &path("alice"), &path("bob")]).stdout);
    assert!(shown.starts_with("compared   what a frontend saw") && shown.contains("from A's state to B's\n"), "{shown}");
    assert!(!shown.contains("bob"), "names only where they are asked for: {shown}");

    // Two who have done little: a frontend saw the same of both, and they are two all the same.
    let young = ["carol", "dave"].map(|name| Person::new(name, name, place.folder.path().join(name)));
    for person in &young {
        person.say(&["settings", "read-marks", "on"]);
    }
    let (ended, strangers) = compare(&path("carol"), &path("dave"));
    assert_eq!((ended, &strangers["one_life"], &strangers["same"]), (0, &json!(false), &json!(true)));
    let shown = text(&alice.run(&["journal", "compare", &path("carol"), &path("dave")]).stdout);
    assert!(
        shown.contains("\nlives      two: A and B are not of one life, as two people's are not") && shown.contains("parted     nowhere"),
        "{shown}"
    );

    // What this build says of a journal is what it says again; another state is found where it is.
    let digests = |every: &str| text(&alice.run(&["journal", "digests", "--every", every]).stdout);
    for (every, name) in [("1", "each"), ("7", "some")] {
        std::fs::write(path(name), digests(every)).expect("room");
        let (ended, same) = compare(&path("alice"), &path(name));
        assert_eq!((ended, &same["by"], &same["same"]), (0, &json!("digests"), &json!(true)));
    }
    let each = digests("1");
    let count = alice.json(&["journal", "ls"]).len();
    assert_eq!(each.lines().count(), 1 + count);
    // Another build, which goes wrong at record 10.
    let wrong: Vec<String> = each
        .lines()
        .enumerate()
        .map(|(seq, line)| {
            let mut value: serde_json::Value = serde_json::from_str(line).expect("JSON");
            if seq >= 10 {
                value["state"] = json!("00".repeat(32));
            }
            value.to_string()
        })
        .collect();
    std::fs::write(path("wrong"), wrong.join("\n")).expect("room");
    let (ended, parted) = compare(&path("wrong"), &path("alice"));
    assert_eq!((ended, &parted["a"]["same_upto"], &parted["a"]["parted_by"]), (1, &json!(9), &json!(10)));
    let (ended, parted) = compare(&path("some"), &path("wrong"));
    assert_eq!((ended, &parted["a"]["same_upto"], &parted["a"]["parted_by"]), (1, &json!(7), &json!(14)), "as far as it is known");
    let shown = text(&alice.run(&["journal", "compare", &path("some"), &path("wrong")]).stdout);
    assert!(shown.contains("parted by  one of those after 7, up to 14"), "{shown}");

    // What is neither, or of another journal, is refused.
    std::fs::write(path("none"), "{}\n").expect("room");
    for (a, b, expected) in
        [("alice", "none", (1, 308)), ("alice", "missing", (1, 308)), ("bob", "each", (2, 126)), ("relay", "alice", (3, 102))]
    {
        assert_eq!(alice.refused(&["journal", "compare", &path(a), &path(b)]), expected, "{a} {b}");
    }
    assert_eq!(alice.refused(&["journal", "digests", "--every", "0"]), (2, 126));
    assert_eq!(
        lines(&bob.run(&["--json", "journal", "digests"])).len() as u64,
        1 + bob.json(&["journal", "ls"]).len().div_ceil(100) as u64
    );
}

#[test]
fn of_a_damaged_journal_what_stands_before_that_is_shown_and_where_it_begins_is_said() {
    let place = Place::with_conversation();
    let alice = &place.alice;
    let all = alice.json(&["journal", "ls"]);
    let state = alice.json(&["journal", "state", "--at", "3"]);
    let mut segments: Vec<PathBuf> =
        std::fs::read_dir(alice.home.join("journal")).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    segments.sort();
    let damaged = &segments[2];
    let mut bytes = std::fs::read(damaged).expect("a segment");
    let end = bytes.len() - 5;
    bytes[end] ^= 1;
    std::fs::write(damaged, bytes).expect("room");
    assert_eq!(alice.refused(&["journal", "verify"]), (7, 303));

    // All of it is asked for: what stands before is listed, and then the error.
    let listed = alice.run(&["--json", "journal", "ls"]);
    let shown = lines(&listed);
    let whole = shown.len() - 1;
    assert!(whole > 3 && whole < all.len() && shown[..whole] == all[..whole], "{whole} of {}", all.len());
    let says = format!("the journal is damaged from record {} on", whole + 1);
    assert_eq!((status(&listed), &shown[whole]["error"]["code"]), (7, &json!(303)));
    let (before, behind, last_whole) = ("3", (whole + 1).to_string(), whole.to_string());
    // Asked for what lies before, each answers as ever, and says in a line of standard error what it leaves out.
    for arguments in [
        &["ls", "--count", "3"][..],
        &["ls", "--conversation", "bob", "--count", "1"],
        &["ls", "--until", "2026-01-01"],
        &["show", &last_whole],
        &["state", "--at", before],
        &["diff", "0", before],
        &["why", "2.0"],
    ] {
        for json in [&[][..], &["--json"]] {
            let output = alice.run(&[json, &["journal"], arguments].concat());
            let told = text(&output.stderr);
            assert_eq!(status(&output), 0, "{arguments:?}: {output:?}");
            let told: Vec<&str> = told.lines().filter(|line| line.contains(&says)).collect();
            assert!(told.len() == 1 && told[0].contains("(error 303)") && told[0].contains("is what lies before it"), "{told:?}");
        }
    }
    assert_eq!(alice.json(&["journal", "state", "--at", "3"]), state);
    // Asked for what lies behind, or for all, each has the number's status.
    for arguments in
        [&["show", &behind][..], &["state", "--at", &behind], &["diff", "0", &behind], &["why", "deadbeef"], &["state"], &["stats"]]
    {
        let output = alice.run(&[&["--json", "journal"], arguments].concat());
        assert_eq!((status(&output), &last(&output)["error"]["code"]), (7, &json!(303)), "{arguments:?}");
        let has_all = arguments.len() == 1;
        assert_eq!(lines(&output).len(), if has_all { 2 } else { 1 }, "{arguments:?}");
    }
    let stats = &lines(&alice.run(&["--json", "journal", "stats"]))[0];
    assert_eq!(stats["records"], json!(whole));

    // The capsule has what stands before it, and its preview says so.
    let path = place.folder.path().join("a.capsule");
    let file = path.to_str().expect("UTF-8");
    let preview = alice.run(&["journal", "export", "--redact", file]);
    assert!(status(&preview) == 2 && !path.exists(), "{preview:?}");
    let words = text(&preview.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(&format!("damaged from record {} on (error 303): only what lies before it", whole + 1)), "{words}");
    let exported = alice.json(&["journal", "export", "--redact", file, "--yes"]).remove(0);
    assert_eq!((&exported["records"], &exported["damaged_from"]), (&json!(whole), &json!(whole + 1)));
    assert_eq!(alice.json(&["journal", "--capsule", file, "verify"])[0]["records"], json!(whole));
}

/// The fields that docs/CLI.md lists of a state.
fn documented_fields() -> BTreeSet<String> {
    let path = Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where the crate is")).join("../../docs/CLI.md");
    let document = std::fs::read_to_string(path).expect("docs/CLI.md is there");
    let table = document.split_once("| field | what it says |\n|---|---|\n").expect("a table of fields").1;
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    rows.map(|line| line.split('`').nth(1).expect("a field").to_owned()).collect()
}

/// The fields of a state by their paths, `*` for a key. What an effect, a reason, an answer or an older relay holds is no field of its own.
fn fields(tree: &Tree, path: &str, found: &mut BTreeSet<String>) {
    const WHOLE: [&str; 6] = ["effect", "why", "by_intent", "by_seq", "by_frame", "before"];
    match tree {
        Tree::Leaf(_) => {}
        Tree::List(list) => list.iter().for_each(|each| fields(each, &format!("{path}.*"), found)),
        Tree::Fields(inside) => {
            for (name, tree) in inside {
                let is_field = name.len() < 20 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
                let below = match (is_field, path) {
                    (true, "") => name.clone(),
                    (true, _) => format!("{path}.{name}"),
                    (false, _) if path.ends_with(".*") => path.to_owned(),
                    (false, _) => format!("{path}.*"),
                };
                if is_field {
                    found.insert(below.clone());
                }
                if !WHOLE.contains(&name.as_str()) {
                    fields(tree, &below, found);
                }
            }
        }
    }
}

#[test]
fn every_field_of_a_state_is_explained_and_nothing_else_is() {
    let folder = tempfile::tempdir().expect("room");
    let mut shown = BTreeSet::new();
    for name in ["retired-alice", "month-bob", "epochs-alice", "taken-over-bob"] {
        let home = frozen(name, folder.path());
        let mut disk = OsDisk::new(&home);
        let keys = ProfileKeys::unlock(&mut disk, &Secret::new(b"transparent".to_vec())).expect("the passphrase");
        Replay::read(&mut disk, &keys, &mut |step| fields(&Tree::of(step.state, false), "", &mut shown)).expect("an intact journal");
    }
    // A group of fields goes without saying, if each of them has its row.
    let documented = documented_fields();
    let leads_on = |field: &String| documented.iter().any(|other| other.starts_with(&format!("{field}.")));
    let unexplained: Vec<_> = shown.iter().filter(|field| !documented.contains(*field) && !leads_on(field)).collect();
    let gone: Vec<_> = documented.iter().filter(|field| !shown.contains(*field)).collect();
    assert!(unexplained.is_empty() && gone.is_empty(), "unexplained: {unexplained:?}; gone: {gone:?}");
}

#[test]
fn to_step_through_a_journal_takes_a_terminal() {
    let place = Place::new();
    for arguments in [["journal", "step"].as_slice(), &["--json", "journal", "step"]] {
        let output = place.alice.run(arguments);
        assert_eq!(status(&output), 2, "{output:?}");
        let said = text(&output.stderr) + &text(&output.stdout);
        assert!(said.contains("journal ls") && said.contains("journal diff") && said.contains("126"), "{said}");
    }
}

/// All records of a journal, as bytes and as text.
fn whole(disk: &mut dyn Disk, keys: &ProfileKeys) -> (Vec<u8>, Vec<Value>) {
    let (mut bytes, mut events) = (Vec::new(), Vec::new());
    walk(disk, keys, None, &mut |walked| {
        walked.record.encode(&mut bytes).expect("room");
        events.push(serde_json::to_value(&walked.record.event).expect("an event"));
    })
    .expect("a journal");
    (bytes, events)
}

/// The ids in a record: all that is written in so many hex digits. A segment's is no value of somebody's.
fn ids(value: &Value, found: &mut BTreeSet<Vec<u8>>) {
    match value {
        Value::String(text) if [32, 40, 64].contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
            found.insert(hex(text));
        }
        Value::Array(list) => list.iter().for_each(|value| ids(value, found)),
        Value::Object(fields) => fields.iter().filter(|(name, _)| *name != "segment").for_each(|(_, value)| ids(value, found)),
        _ => {}
    }
}

fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("hex")).collect()
}

/// What a profile's vault holds that nobody else may have: the identity, what mail is sealed to, leaf keys, all of MLS, and what stands
/// for a device and for a contact's right to write.
fn secrets(person: &Person, keys: &ProfileKeys) -> Vec<Vec<u8>> {
    let conn = Connection::open_with_flags(person.home.join("vault.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).expect("a vault");
    let hex: String = keys.vault_key().expect("a key").expose().iter().map(|byte| format!("{byte:02x}")).collect();
    conn.execute_batch(&format!("PRAGMA key = \"x'{hex}'\"")).expect("a key");
    let questions = [
        "SELECT value FROM meta WHERE key IN ('identity', 'leaf')",
        "SELECT value FROM mls",
        "SELECT secret FROM mailbox_key",
        "SELECT id FROM generation",
        "SELECT now FROM granted",
    ];
    let mut found = Vec::new();
    for question in questions {
        let mut asked = conn.prepare(question).expect("a table");
        let values: Vec<Vec<u8>> = asked.query_map([], |row| row.get(0)).expect("rows").map(|value| value.expect("bytes")).collect();
        assert!(!values.is_empty(), "{question}");
        found.extend(values);
    }
    found
}

/// The pieces of 16 bytes of what is secret. Those with few different bytes say nothing: zeros stand everywhere.
fn pieces(secrets: &[Vec<u8>]) -> HashSet<&[u8]> {
    let says = |piece: &&[u8]| piece.iter().collect::<HashSet<_>>().len() > 8;
    secrets.iter().flat_map(|secret| secret.windows(16)).filter(says).collect()
}

#[test]
fn a_capsule_opens_for_anyone_and_holds_no_name_address_id_or_text_of_the_life() {
    let place = Place::with_conversation();
    let (alice, bob) = (&place.alice, &place.bob);
    alice.say(&["send", "bob", "Bring the bolt cutters."]);
    bob.say(&["sync"]);
    let nobody = Person { name: "nobody", home: place.folder.path().join("nobody") };
    for person in [alice, bob] {
        let path = place.folder.path().join(format!("{}.capsule", person.name));
        let file = path.to_str().expect("UTF-8");
        assert_eq!(person.refused(&["journal", "export", "--redact", file]), (2, 126), "nothing without a yes");
        assert!(!path.exists());
        let report = person.json(&["journal", "export", "--redact", file, "--yes"]).remove(0);
        assert_eq!((&report["replaced"]["names"], &report["replaced"]["relay addresses"]), (&json!(1), &json!(1)), "{report}");
        assert_eq!(report["samples"].as_array().map(Vec::len), Some(3), "{report}");
        assert_eq!(report["keeps_order"], json!(false), "nobody is told which id was less than another");
        assert_eq!(person.refused(&["journal", "export", "--redact", file, "--yes"]), (3, 131), "it is not written over");
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&path.metadata().expect("a file").permissions()) & 0o777, 0o600);

        // Whoever has it looks into it, without a profile: it tells what the journal tells.
        let look = |arguments: &[&str]| nobody.json(&[&["journal", "--capsule", file], arguments].concat());
        assert_eq!(look(&["verify"])[0]["verified"], json!(true));
        let told = |listed: Vec<Value>| listed.iter().map(|record| record["kind"].clone()).collect::<Vec<_>>();
        assert_eq!(told(look(&["ls"])), told(person.json(&["journal", "ls"])));
        let state = look(&["state", "--names"]).remove(0);
        assert_eq!(state["state"]["session"]["phase"], "Registered");
        let (fingerprint, contact) = state["state"]["contacts"].as_object().and_then(|contacts| contacts.iter().next()).expect("a contact");
        for who in [&fingerprint[..8], contact["name"].as_str().expect("a name")] {
            assert!(!look(&["why", who]).is_empty());
        }
        assert_eq!(nobody.refused(&["journal", "--capsule", file, "why", "deadbeef"]), (3, 120));
        // A message of it by how its id begins: there is no vault to find it in.
        let send = look(&["ls", "--kind", "requested"]).into_iter().find(|record| record["what"] == "Send").expect("she wrote");
        let sent = look(&["show", &send["seq"].to_string()])[0]["event"]["requested"]["id"].as_str().expect("an id").to_owned();
        assert_eq!(look(&["why", &sent[..12]]), look(&["why", &sent]));
        for arguments in [&["show", "2"][..], &["diff", "0", "5"], &["stats"]] {
            assert_eq!(look(arguments).len(), 1, "{arguments:?}");
        }
        for who in [fingerprint.as_str(), contact["name"].as_str().expect("a name")] {
            assert!(!look(&["ls", "--conversation", who]).is_empty());
        }
        assert!(!look(&["ls", "--effect", "seal-message"]).is_empty() && look(&["digests"]).len() > 1);
        let again = place.folder.path().join(format!("{} again.capsule", person.name));
        assert_eq!(look(&["export", "--redact", again.to_str().expect("UTF-8"), "--yes"])[0]["records"], report["records"]);
        // Both are named after it, and none is passed over; and a terminal is what the other needs.
        for arguments in [&["compare", file, file][..], &["step"]] {
            assert_eq!(nobody.refused(&[&["journal", "--capsule", file], arguments].concat()), (2, 126), "{arguments:?}");
        }

        // What there was is found in the journal, and nothing of it in the capsule, sealed or opened.
        let mut disk = OsDisk::new(&person.home);
        let keys = ProfileKeys::unlock(&mut disk, &Secret::new(PASSPHRASE.as_bytes().to_vec())).expect("the passphrase");
        let (before, events) = whole(&mut disk, &keys);
        let mut found = BTreeSet::new();
        events.iter().for_each(|event| ids(event, &mut found));
        assert!(found.len() > 20, "{}", found.len());
        let of_ids = Scanner::of_keys(found.iter().map(|id| ("an id", id.as_slice())));
        let words = ["alice", "bob", "See you at eight.", "I will be there.", "Bring the bolt cutters.", PASSPHRASE, "PRIVATE KEY"];
        let of_words = Scanner::new(words.into_iter().chain([place.relay.address.as_str()]));
        assert!(!of_ids.scan(&before).is_empty() && !of_words.scan(&before).is_empty());
        let numbers = private_numbers(&secret_key(&person.home, PASSPHRASE));
        let of_identity = Scanner::of_keys(numbers.iter().map(|number| ("a private number", number.as_slice())));
        let secrets = secrets(person, &keys);
        let pieces = pieces(&secrets);
        assert!(numbers.len() == 2 && pieces.len() > 1_000, "{}", pieces.len());
        let bytes = std::fs::read(&path).expect("a file");
        let (mut disk, keys) = capsule::open(&bytes).expect("a capsule");
        let (after, events) = whole(&mut disk, &keys);
        let shown = serde_json::to_vec(&(events, state)).expect("JSON");
        for (form, needles) in forms(words[4]) {
            for needle in needles {
                let planted = [after.as_slice(), &needle, b"x"].concat();
                assert!(of_words.scan(&planted).contains(&(words[4].to_owned(), form)), "{form}");
            }
        }
        for inside in [bytes, after, shown] {
            assert_eq!((of_ids.scan(&inside), of_words.scan(&inside)), (BTreeSet::new(), BTreeSet::new()), "{}", person.name);
            assert_eq!(of_identity.scan(&inside), BTreeSet::new(), "{}", person.name);
            assert!(inside.windows(16).all(|piece| !pieces.contains(piece)), "{}", person.name);
            assert!(!of_identity.scan(&[inside.as_slice(), &numbers[1]].concat()).is_empty(), "what is planted is found");
        }
    }
    // Nobody is shown a capsule that is none, or one that is larger than any.
    let path = place.folder.path().join("large.capsule");
    let file = path.to_str().expect("UTF-8");
    std::fs::write(&path, b"no capsule").expect("room");
    assert_eq!(nobody.refused(&["journal", "--capsule", file, "verify"]), (7, 140));
    // By its first bytes one of a newer version: that is said of the capsule, and of no profile.
    std::fs::write(&path, b"THICKCAP\xff\xff\xff\xff").expect("room");
    assert_eq!(nobody.refused(&["journal", "--capsule", file, "verify"]), (9, 104));
    let told = text(&nobody.run(&["journal", "--capsule", file, "verify"]).stderr);
    assert!(told.contains("(the capsule "), "{told}");
    let large = u64::try_from(thicket_types::limits::CAPSULE_LEN_MAX).expect("64 bits") + 1;
    std::fs::File::create(&path).and_then(|file| file.set_len(large)).expect("a file of holes");
    assert_eq!(nobody.refused(&["journal", "--capsule", file, "verify"]), (3, 137));
}

#[test]
fn a_capsule_of_a_profile_that_was_restored_begins_with_what_all_before_came_to() {
    let place = Place::with_conversation();
    let path = |name: &str| place.folder.path().join(name).to_str().expect("UTF-8").to_owned();
    place.alice.say(&["backup", "create", &path("alice.thicket")]);
    let again = Person { name: "alice", home: place.folder.path().join("again") };
    again.say(&["backup", "restore", &path("alice.thicket")]);
    again.say(&["send", "bob", "Bring the bolt cutters."]);
    let (first, file) = (&again.json(&["journal", "ls"])[0]["seq"], path("again.capsule"));
    let shown = again.say(&["journal", "export", "--redact", &file, "--yes"]);
    assert!(shown.contains(&format!("It begins at record {first}, and with what all before came to")), "{shown}");
    assert!(shown.lines().filter(|line| !line.contains(".capsule")).all(|line| line.chars().count() <= 80), "{shown}");
    let report = again.json(&["journal", "export", "--redact", &path("other.capsule"), "--yes"]).remove(0);
    assert!(first.as_u64() > Some(1) && report["begins"] == *first, "{report}");

    // Whoever has it is told what the profile tells.
    let nobody = Person { name: "nobody", home: place.folder.path().join("nobody") };
    let look = |arguments: &[&str]| nobody.json(&[&["journal", "--capsule", &file], arguments].concat());
    let (verified, of_profile) = (look(&["verify"]).remove(0), again.json(&["journal", "verify"]).remove(0));
    for field in ["verified", "records", "from"] {
        assert_eq!(verified[field], of_profile[field], "{field}: {verified}");
    }
    let told = |listed: Vec<Value>| listed.iter().map(|record| (record["seq"].clone(), record["kind"].clone())).collect::<Vec<_>>();
    assert_eq!(told(look(&["ls"])), told(again.json(&["journal", "ls"])));
    let before = (first.as_u64().expect("a place") - 1).to_string();
    let state = look(&["state", "--names", "--at", &before]).remove(0);
    assert_eq!(state["state"]["session"]["phase"], "Registered");
    let (fingerprint, contact) = state["state"]["contacts"].as_object().and_then(|contacts| contacts.iter().next()).expect("a contact");
    for who in [fingerprint.as_str(), contact["name"].as_str().expect("a name")] {
        assert!(!look(&["why", who]).is_empty() && !look(&["ls", "--conversation", who]).is_empty(), "{who}");
    }
    for arguments in [&["show", &first.to_string()][..], &["diff", &before, &first.to_string()], &["stats"]] {
        assert_eq!(look(arguments).len(), 1, "{arguments:?}");
    }
    assert!(look(&["digests"]).len() > 1);
    for (a, b) in [("again", "again.capsule"), ("other.capsule", "again.capsule")] {
        let output = again.run(&["--json", "journal", "compare", &path(a), &path(b)]);
        assert_eq!((status(&output), &last(&output)["same"]), (0, &json!(true)), "{a}");
    }

    // And nothing that the state or a record names.
    let mut found = BTreeSet::new();
    again.json(&["journal", "state", "--names", "--at", &before]).iter().for_each(|state| ids(state, &mut found));
    again.json(&["journal", "state", "--names"]).iter().for_each(|state| ids(state, &mut found));
    let (bob, alice) = (&place.bob, &place.alice);
    found.extend([bob, alice].map(|person| hex(person.json(&["account", "show"])[0]["fingerprint"].as_str().expect("a fingerprint"))));
    assert!(found.len() > 2, "{}", found.len());
    let of_ids = Scanner::of_keys(found.iter().map(|id| ("an id", id.as_slice())));
    let of_words =
        Scanner::new(["alice", "bob", "Bring the bolt cutters.", "See you at eight."].into_iter().chain([place.relay.address.as_str()]));
    let bytes = std::fs::read(&file).expect("a file");
    let (mut disk, keys) = capsule::open(&bytes).expect("a capsule");
    let (after, events) = whole(&mut disk, &keys);
    let states = [look(&["state", "--names", "--at", &before]), look(&["state", "--names"])].concat();
    for inside in [bytes, after, serde_json::to_vec(&(events, states)).expect("JSON")] {
        assert_eq!((of_ids.scan(&inside), of_words.scan(&inside)), (BTreeSet::new(), BTreeSet::new()));
    }
}

#[test]
fn capsules_are_compared_as_journals_are_and_named_by_no_segment() {
    let place = Place::with_conversation();
    let (alice, bob) = (&place.alice, &place.bob);
    let path = |name: &str| place.folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let export = |person: &Person, name: &str| person.json(&["journal", "export", "--redact", &path(name), "--yes"]).remove(0);
    let records = export(alice, "one")["records"].clone();
    export(alice, "other");
    export(bob, "of bob");
    // Who compares capsules has no profile and no passphrase.
    let nobody = Person { name: "nobody", home: place.folder.path().join("nobody") };
    let compare = |person: &Person, a: &str, b: &str| {
        let output = person.run(&["--json", "journal", "compare", &path(a), &path(b)]);
        (status(&output), last(&output))
    };
    // A journal, its capsules and a copy of one show a frontend the same, but for names.
    std::fs::copy(path("one"), path("copy")).expect("room");
    for (a, b) in [("one", "other"), ("one", "copy"), ("alice", "one"), ("other", "alice")] {
        let (ended, same) = compare(if [a, b].contains(&"alice") { alice } else { &nobody }, a, b);
        assert_eq!((ended, &same["by"], &same["same"]), (0, &json!("view"), &json!(true)), "{a} {b}");
        assert_eq!((&same["a"]["same_upto"], &same["b"]["same_upto"]), (&records, &records), "{a} {b}");
    }
    // Two people saw different things, whoever of them gave a capsule away.
    let (_, of_profiles) = compare(alice, "alice", "bob");
    for (person, a, b) in [(&nobody, "one", "of bob"), (alice, "alice", "of bob"), (bob, "other", "bob")] {
        let (ended, parted) = compare(person, a, b);
        assert_eq!((ended, &parted["by"], &parted["same"]), (1, &json!("view"), &json!(false)), "{a} {b}");
        assert!(parted["a"]["parted_by"].as_u64() >= of_profiles["a"]["parted_by"].as_u64(), "{a} {b}: {parted}");
    }
    // Where the option stands does not matter.
    let capsule = path("one");
    let before = nobody.json(&["journal", "--capsule", &capsule, "verify"]);
    assert_eq!(nobody.json(&["journal", "verify", "--capsule", &capsule]), before);
    let shown = text(&nobody.run(&["journal", "compare", &path("one"), &path("of bob")]).stdout);
    assert!(shown.starts_with("compared   what a frontend saw, without names: a capsule has others\n"), "{shown}");
    // Where two builds are compared: digests of a capsule are of that one, and name no segment of the folder that it was made of.
    let digests = text(&nobody.run(&["journal", "--capsule", &path("one"), "digests", "--every", "3"]).stdout);
    let segments = std::fs::read_dir(alice.home.join("journal")).expect("a folder");
    let ids: Vec<String> =
        segments.map(|entry| entry.expect("an entry").file_name().into_string().expect("ASCII")[17..49].to_owned()).collect();
    assert!(!ids.is_empty() && ids.iter().all(|id| !digests.contains(id)), "{digests}");
    assert!(ids.iter().any(|id| text(&alice.run(&["journal", "digests"]).stdout).contains(id)));
    std::fs::write(path("digests"), digests).expect("room");
    for (person, a, b, expected) in [
        (&nobody, "one", "digests", (0, json!("digests"))),
        (&nobody, "digests", "copy", (0, json!("digests"))),
        (&nobody, "digests", "digests", (0, json!("digests"))),
        (&nobody, "other", "digests", (2, Value::Null)),
        (alice, "digests", "alice", (2, Value::Null)),
    ] {
        let (ended, compared) = compare(person, a, b);
        assert_eq!((ended, compared["by"].clone()), expected, "{a} {b}: {compared}");
    }
}

#[test]
fn a_capsule_is_shown_before_it_is_written() {
    let place = Place::with_conversation();
    let path = place.folder.path().join("a.capsule");
    let shown = place.alice.say(&["journal", "export", "--yes", "--redact", path.to_str().expect("UTF-8")]);
    for line in ["What the capsule tells whoever has it", "Some records of it, before → after"] {
        assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
    }
    assert!(shown.contains("  names 1, identities 1, relay addresses 1, ") && shown.contains("name bob → "), "{shown}");
    let preview = shown.lines().take_while(|line| !line.contains(" is written."));
    assert!(preview.count() < 24, "on one screen, with the question: {shown}");
    assert!(shown.lines().filter(|line| !line.contains(".capsule")).all(|line| line.chars().count() <= 80), "{shown}");
}
