//! Two people with the real program and a relay: what the commands for messages do.

use crate::world::{Person, Place, TestRelay, documented, documented_changes, fields, last, lines, program, status, text};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::process::Child;
use thicket_relay::{Policy, Registration};
use thicket_types::error::Code;

/// Reads lines of a running command until one is as wanted; its input is kept open.
fn until(child: &mut Child, mut wanted: impl FnMut(&Value) -> bool) -> Value {
    // Byte by byte: what a buffer has taken and not given, a later reader would miss.
    let out = child.stdout.as_mut().expect("a pipe");
    for line in BufReader::with_capacity(1, out).lines() {
        let line: Value = serde_json::from_str(&line.expect("UTF-8")).expect("JSON");
        if wanted(&line) {
            return line;
        }
    }
    panic!("the output ended");
}

/// Gives a running `listen` a line, and its answer.
fn asked(child: &mut Child, line: &Value) -> Value {
    writeln!(child.stdin.as_mut().expect("a pipe"), "{line}").expect("it reads");
    until(child, |line| line.get("answer").is_some())
}

fn end(mut child: Child) {
    drop(child.stdin.take());
    assert!(child.wait().expect("it ends").success());
}

fn texts(person: &Person, with: &str) -> Vec<String> {
    person.json(&["read", with]).iter().filter_map(|row| row["text"].as_str().map(str::to_owned)).collect()
}

#[test]
fn a_message_is_shown_by_how_its_id_begins() {
    let place = Place::with_conversation();
    let (alice, id) = (&place.alice, place.alice.newest("bob"));
    for begin in [&id[..4], &id[..8], &id] {
        let shown = alice.json(&["message", "show", begin]);
        assert_eq!((&shown[0]["message"], &shown[0]["text"], &shown[0]["from"]), (&json!(id), &json!("I will be there."), &json!("bob")));
    }
    let read = alice.say(&["read", "bob"]);
    assert!(read.contains(&format!("  {}  bob: I will be there.\n", &id[..8])), "{read}");
    assert_eq!(alice.refused(&["message", "show", "00000000000000000000000000000000"]), (3, 120));
    assert_eq!(alice.refused(&["message", "show", "123"]), (2, 126));
    assert_eq!(alice.refused(&["message", "show", "not hex"]), (2, 126));
    assert_eq!(alice.refused(&["message", "show", &id, "--with", "nobody"]), (3, 108));
}

#[test]
fn what_has_arrived_is_not_sent_again() {
    let place = Place::with_conversation();
    let rows = place.alice.json(&["read", "bob"]);
    for row in rows {
        assert_eq!(place.alice.refused(&["message", "retry", row["message"].as_str().expect("an id")]), (3, 123), "{row}");
    }
}

#[test]
fn what_the_relay_stored_and_nobody_told_of_is_sent_again_and_kept_once() {
    let place = Place::with_conversation();
    let Place { alice, bob, .. } = &place;
    assert_eq!(alice.say(&["send", "bob", "Are you there?"]), "stored\n");
    let id = alice.newest("bob");
    assert_eq!(alice.say(&["message", "retry", &id]), "stored\n");
    bob.say(&["sync"]);
    assert_eq!(texts(bob, "alice").iter().filter(|text| *text == "Are you there?").count(), 1);
    alice.say(&["sync"]);
    assert_eq!(alice.json(&["message", "show", &id])[0]["state"], "delivered");
    assert_eq!(alice.refused(&["message", "retry", &id]), (3, 123));
}

#[test]
fn a_message_that_has_not_left_is_taken_back_and_can_be_sent_again() {
    let mut place = Place::with_conversation();
    place.relay.stop();
    let alice = &place.alice;
    assert_eq!(alice.say(&["--timeout=1", "send", "bob", "On second thoughts"]), "queued\n");
    let id = alice.newest("bob");
    assert_eq!(alice.json(&["message", "cancel", &id[..8]]), [json!({ "message": id, "done": "cancelled" })]);
    let shown = alice.json(&["message", "show", &id]).remove(0);
    assert_eq!((&shown["state"], &shown["cause"]), (&json!("failed"), &json!(122)));
    assert_eq!(alice.refused(&["message", "cancel", &id]), (3, 122), "it is taken back already");

    place.relay.restart();
    alice.say(&["sync"]);
    place.bob.say(&["sync"]);
    assert!(!texts(&place.bob, "alice").contains(&"On second thoughts".to_owned()), "it never went out");
    assert_eq!(alice.say(&["message", "retry", &id]), "stored\n");
    assert_eq!(alice.refused(&["message", "cancel", &id]), (3, 135), "the relay has it");
    place.bob.say(&["sync"]);
    assert!(texts(&place.bob, "alice").contains(&"On second thoughts".to_owned()));
}

#[test]
fn a_forgotten_message_is_in_no_list_and_the_others_copy_stays() {
    let place = Place::with_conversation();
    let (alice, bob) = (&place.alice, &place.bob);
    let id = alice.newest("bob");
    assert_eq!(alice.json(&["search", "there"]).len(), 1);
    assert_eq!(alice.say(&["message", "forget", &id[..8]]), "The message is forgotten.\n");
    assert_eq!(texts(alice, "bob"), ["See you at eight."]);
    assert_eq!(alice.json(&["search", "there"]).len(), 0);
    assert_eq!(alice.refused(&["message", "show", &id]), (3, 120));
    assert_eq!(texts(bob, "alice"), ["See you at eight.", "I will be there."]);
}

/// One message from alice to bob, which bob reads; the state that alice sees then.
fn state_after_reading(place: &Place, words: &str) -> Value {
    let Place { alice, bob, .. } = place;
    alice.say(&["send", "bob", words]);
    bob.say(&["sync"]);
    bob.say(&["read", "alice"]);
    bob.say(&["sync"]);
    alice.say(&["sync"]);
    alice.json(&["read", "bob"]).pop().expect("a message")["state"].clone()
}

#[test]
fn read_marks_hold_where_both_sides_have_them_on() {
    let place = Place::with_conversation();
    let Place { alice, bob, .. } = &place;
    assert_eq!(alice.json(&["settings"]), [json!({ "read_marks": false })]);
    assert_eq!(state_after_reading(&place, "Neither has them on."), "delivered");
    assert_eq!(bob.json(&["settings", "read-marks", "on"]), [json!({ "read_marks": true })]);
    assert_eq!(state_after_reading(&place, "The reader has them on."), "delivered");
    assert_eq!(alice.say(&["settings", "read-marks", "on"]), "read-marks  on\n");
    assert_eq!(state_after_reading(&place, "Both have them on."), "read");

    // The other way, over the same conversation.
    bob.say(&["send", "alice", "And back?"]);
    alice.say(&["sync"]);
    alice.say(&["read", "bob"]);
    alice.say(&["sync"]);
    bob.say(&["sync"]);
    assert_eq!(bob.json(&["read", "alice"]).pop().expect("a message")["state"], "read");

    bob.say(&["settings", "read-marks", "off"]);
    assert_eq!(bob.json(&["read", "alice"]).pop().expect("a message")["state"], "delivered", "switched off, nothing is shown");
    assert_eq!(state_after_reading(&place, "The reader has them off."), "delivered");
}

#[test]
fn to_read_journals_how_far_one_has_read_and_nothing_else() {
    let place = Place::with_conversation();
    place.bob.say(&["send", "alice", "And bring a lamp."]);
    place.alice.say(&["sync"]);
    let before = place.alice.json(&["journal", "ls"]).len();
    place.alice.say(&["read", "bob"]);
    let journaled = place.alice.json(&["journal", "ls"]).split_off(before);
    let what: Vec<&str> = journaled.iter().filter_map(|record| record["what"].as_str()).collect();
    assert_eq!(what, ["MarkRead", &format!("{}.0 done", before + 1)]);
    place.alice.say(&["read", "bob"]);
    assert_eq!(place.alice.json(&["journal", "ls"]).len(), before + 2, "twice changes nothing");
}

#[test]
fn conversations_count_what_is_unread_until_it_is_read() {
    let place = Place::with_conversation();
    let Place { alice, bob, .. } = &place;
    alice.say(&["send", "bob", "one"]);
    alice.say(&["send", "bob", "two"]);
    bob.say(&["sync"]);
    assert_eq!(bob.json(&["conversations"])[0]["unread"], 2);
    assert!(bob.say(&["conversations"]).contains("alice  2 new  two"));
    // Beside a process that has the profile open it is shown, and stays unread.
    let mut listening = bob.start(&["listen"]);
    until(&mut listening, |line| line["change"] == "connected");
    assert!(bob.say(&["read", "alice"]).contains("alice: two"));
    assert_eq!(bob.json(&["conversations"])[0]["unread"], 2);
    assert_eq!(bob.refused(&["settings", "read-marks", "on"]), (5, 103));
    end(listening);
    bob.say(&["read", "alice"]);
    assert_eq!(bob.json(&["conversations"])[0]["unread"], 0);
    assert!(!bob.say(&["conversations"]).contains("new"));
}

#[test]
fn a_chat_over_pipes_sends_each_line_and_shows_the_others() {
    let place = Place::with_conversation();
    let Place { alice, bob, .. } = &place;
    let output = alice.pipe(&["chat", "bob"], "first\n\nsecond \u{1b}[31mred\n");
    assert_eq!(status(&output), 0, "{output:?}");
    let shown = text(&output.stdout);
    assert!(shown.contains("bob: I will be there.") && shown.contains(" me: first\n"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "no escapes where there is no terminal: {shown:?}");
    bob.say(&["sync"]);
    let output = bob.pipe(&["chat", "alice"], "");
    let shown = text(&output.stdout);
    assert!(shown.contains("alice: first\n") && shown.contains("alice: second <001B>[31mred\n"), "{shown}");
    assert_eq!(bob.json(&["conversations"])[0]["unread"], 0, "what a chat shows is read");
    assert_eq!(alice.json(&["read", "bob"]).len(), 4, "an empty line is no message");
}

#[test]
fn a_chat_shows_what_comes_while_it_is_open() {
    let place = Place::with_conversation();
    let Place { alice, bob, .. } = &place;
    let mut chat = bob.start(&["--json", "chat", "alice"]);
    until(&mut chat, |line| line["text"] == "I will be there.");
    alice.say(&["send", "bob", "Are you there?"]);
    let came = until(&mut chat, |line| line["change"] == "received");
    assert_eq!((&came["from"], &came["text"]), (&json!("alice"), &json!("Are you there?")));
    writeln!(chat.stdin.as_mut().expect("a pipe"), "Always.").expect("it reads");
    let sent = until(&mut chat, |line| line["state"] == "queued");
    let id = sent["message"].clone();
    until(&mut chat, |line| line["change"] == "message" && line["message"] == id && line["state"] == "stored");
    alice.say(&["sync"]);
    until(&mut chat, |line| line["message"] == id && line["state"] == "delivered");
    end(chat);
    assert_eq!(texts(alice, "bob").last().map(String::as_str), Some("Always."));
}

#[test]
fn a_chat_keeps_what_it_could_not_send() {
    let mut place = Place::with_conversation();
    place.relay.stop();
    let output = place.alice.pipe(&["--timeout=1", "chat", "bob"], "Into the silence.\n");
    assert_eq!(status(&output), 0, "{output:?}");
    assert!(text(&output.stderr).contains("1 message waits for the relay"), "{output:?}");
    assert_eq!(place.alice.refused(&["chat", "nobody"]), (3, 108));
}

#[test]
fn a_listener_is_told_at_its_start_what_is_unread_until_it_is_read() {
    let place = Place::with_conversation();
    let Place { alice, bob, .. } = &place;
    for text in ["one", "two"] {
        alice.say(&["send", "bob", text]);
    }
    bob.say(&["sync"]);
    bob.say(&["send", "alice", "I am busy."]);
    // With and without a relay to log in at, again and again; what was read before is not told.
    let received = |line: &Value| line["change"] == "received";
    let told = |bot: &mut Child, text: &str| {
        let line = until(bot, received);
        assert_eq!((&line["from"], &line["text"], &line["unread"]), (&json!("alice"), &json!(text), &json!(true)), "{line}");
        line["message"].clone()
    };
    for _ in 0..2 {
        let mut bot = bob.start(&["listen"]);
        told(&mut bot, "one");
        told(&mut bot, "two");
        end(bot);
    }
    let mut bot = bob.start(&["listen"]);
    let one = told(&mut bot, "one");
    told(&mut bot, "two");
    assert_eq!(asked(&mut bot, &json!({ "read": { "from": "alice", "message": one } }))["answer"], "accepted");
    // What comes while it runs is news, and told once.
    alice.say(&["send", "bob", "three"]);
    let line = until(&mut bot, received);
    assert_eq!((&line["text"], line.get("unread")), (&json!("three"), None), "{line}");
    end(bot);
    let output = bob.pipe(&["listen"], "");
    let told: Vec<Value> = lines(&output).into_iter().filter(received).map(|line| line["text"].clone()).collect();
    assert_eq!(told, ["two", "three"]);
}

#[test]
fn what_a_blocked_contact_left_unread_is_no_news() {
    let place = Place::with_conversation();
    let Place { alice, bob, .. } = &place;
    alice.say(&["send", "bob", "Read me, read me."]);
    bob.say(&["sync"]);
    let told = |bob: &Person| {
        let output = bob.pipe(&["listen"], "");
        let texts = lines(&output).into_iter().filter(|line| line["change"] == "received").map(|line| line["text"].clone());
        (texts.collect::<Vec<Value>>(), bob.json(&["conversations"])[0]["unread"].clone())
    };
    assert_eq!(told(bob), (vec![json!("Read me, read me.")], json!(1)));
    bob.say(&["contact", "block", "alice"]);
    assert_eq!(told(bob), (vec![], json!(0)));
    assert!(!bob.say(&["conversations"]).contains("new"));
    bob.say(&["contact", "unblock", "alice"]);
    assert_eq!(told(bob), (vec![json!("Read me, read me.")], json!(1)), "it was kept");
}

#[test]
fn a_listener_is_told_who_asks_and_when_they_say_they_wrote() {
    let place = Place::new();
    let Place { alice, bob, .. } = &place;
    bob.say(&["contact", "add", "alice"]);
    let sent = |text: &str| {
        bob.say(&["send", "alice", text]);
        bob.json(&["read", "alice"]).pop().expect("a message")["claimed_ms"].clone()
    };
    let mut wanted = documented_changes().remove("received").expect("a row");
    wanted.insert("change".to_owned());
    let first = sent("May I?");
    alice.say(&["sync"]);
    let mut bot = alice.start(&["listen"]);
    let line = until(&mut bot, |line| line["change"] == "received");
    assert_eq!((&line["accepted"], &line["claimed_ms"], &line["unread"]), (&json!(false), &first, &json!(true)), "{line}");
    assert_eq!(fields(&line), wanted);
    assert_eq!(asked(&mut bot, &json!({ "accept": "bob" }))["answer"], "accepted");
    let second = sent("Thanks.");
    let line = until(&mut bot, |line| line["change"] == "received");
    assert_eq!((&line["accepted"], &line["claimed_ms"]), (&json!(true), &second), "{line}");
    wanted.remove("unread");
    assert_eq!(fields(&line), wanted);
    end(bot);
}

#[test]
fn whoever_asks_is_named_with_what_to_type() {
    let place = Place::new();
    let Place { alice, bob, .. } = &place;
    bob.say(&["contact", "add", "alice"]);
    bob.say(&["send", "alice", "May I?"]);
    let home = alice.home.display();
    let words = format!(
        "bob asks to be accepted. To accept, or decline:\nthicket --home {home} contact accept bob\nthicket --home {home} contact decline bob\n"
    );
    for command in ["sync", "status"] {
        let said = alice.say(&[command]);
        assert!(said.ends_with(&words), "{said}");
    }
    let added = alice.run(&["contact", "add", "bob"]);
    assert!(text(&added.stdout).contains("asks to be accepted") && text(&added.stderr) == format!("thicket: {words}"), "{added:?}");
    assert!(alice.run(&["--json", "contact", "add", "bob"]).stderr.is_empty());
    alice.say(&["contact", "accept", "bob"]);
    for command in [&["sync"][..], &["status"]] {
        assert!(!alice.say(command).contains("asks"), "{command:?}");
    }
    assert!(alice.run(&["contact", "add", "bob"]).stderr.is_empty());
}

#[test]
fn whoever_is_called_as_the_program_is_told_of_by_their_name() {
    let place = Place::new();
    let (alice, folder) = (&place.alice, place.folder.path());
    let again = format!("thicket --home {}", alice.home.display());
    let person = |name: &'static str, home: &str, relay: &TestRelay| {
        let person = Person::new(name, name, folder.join(home));
        person.say(&["register", "--relay", &relay.address]);
        person
    };
    alice.say(&["contact", "add", "bob"]);
    for name in ["thicket", "my-thicket"] {
        let other = person(name, name, &place.relay);
        other.say(&["contact", "add", "alice"]);
        other.say(&["send", "alice", "May I?"]);
        let words =
            format!("{name} asks to be accepted. To accept, or decline:\n{again} contact accept {name}\n{again} contact decline {name}\n");
        let said = alice.say(&["sync"]);
        assert!(said.ends_with(&words), "{said}");
        alice.say(&["contact", "accept", name]);
        // Something comes to a chat with somebody else.
        let mut chat = alice.start(&["chat", "bob"]);
        other.say(&["send", "alice", "Thank you."]);
        let mut shown = BufReader::new(chat.stdout.take().expect("a pipe")).lines().map(|line| line.expect("UTF-8"));
        let told = shown.find(|line| line.contains(" wrote: ")).expect("that something came");
        assert!(told.ends_with(&format!(" {name} wrote: {again} read {name}")), "{told}");
        end(chat);
    }
    // At another relay somebody else has the names.
    let relay = TestRelay::start(&folder.join("other"), 2, Policy::default());
    let names = [("thicket", "another"), ("my-thicket", "my-other")];
    names.into_iter().for_each(|(name, home)| drop(person(name, home, &relay)));
    alice.say(&["relay", "change", &relay.address]);
    for (name, _) in names {
        let output = alice.run(&["send", name, "Is that you?"]);
        let (warned, begin) = (text(&output.stderr), format!("identity for {name} than the one"));
        assert!(warned.contains(&begin) && warned.contains(&format!("gone on with: {again} contact trust {name}\n")), "{warned}");
    }
}

#[test]
fn an_empty_list_says_so_where_nobody_takes_it_for_a_line_of_it() {
    let place = Place::new();
    let Place { alice, bob, .. } = &place;
    let says = |command: &[&str], words: &str| {
        let output = alice.run(command);
        assert_eq!((status(&output), output.stdout.len()), (0, 0), "{output:?}");
        assert!(text(&output.stderr).starts_with("thicket: ") && text(&output.stderr).contains(words), "{output:?}");
        let json = alice.run(&[&["--json"], command].concat());
        assert_eq!((status(&json), json.stdout.len(), json.stderr.len()), (0, 0, 0), "{json:?}");
    };
    says(&["contact", "list"], "contact add NAME");
    says(&["conversations"], "send NAME TEXT");
    alice.say(&["contact", "add", "bob"]);
    says(&["read", "bob"], "send bob TEXT");
    says(&["search", "eight"], "Search for fewer");
    assert!(bob.run(&["contact", "list"]).stderr.starts_with(b"thicket: "));
}

#[test]
fn what_was_given_no_time_is_queued_and_blames_nobody() {
    let mut place = Place::with_conversation();
    // Connections are taken, by the system, and nobody ever answers: however long the machine takes, no time is enough.
    place.relay.stop();
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, place.relay.port())).expect("a port");
    let alice = &place.alice;
    let sent = alice.run(&["--timeout=0", "send", "bob", "At once."]);
    let said = text(&sent.stderr);
    assert_eq!((status(&sent), text(&sent.stdout).as_str()), (0, "queued\n"));
    assert!(said.starts_with("thicket: not everything was done in time (error 316).") && !said.contains("300"), "{said}");
    assert_eq!(alice.refused(&["--timeout=0", "sync"]), (6, 316));
    // Whoever does not wait for the relay hears nothing of it.
    let queued = alice.run(&["send", "--wait=queued", "bob", "And this."]);
    assert_eq!((text(&queued.stdout).as_str(), text(&queued.stderr).as_str()), ("queued\n", ""));
    drop(silent);
    place.relay.restart();
    place.alice.say(&["sync"]);
    place.bob.say(&["sync"]);
    assert!(texts(&place.bob, "alice").ends_with(&["At once.".to_owned(), "And this.".to_owned()]));
}

#[test]
fn a_listener_is_told_whose_lookup_failed_and_why_a_message_did() {
    let mut place = Place::with_conversation();
    let mut bot = place.alice.start(&["listen"]);
    until(&mut bot, |line| line["change"] == "connected");
    assert_eq!(asked(&mut bot, &json!({ "add": "nobody" }))["answer"], "accepted");
    let failed = until(&mut bot, |line| line["change"] == "lookup_failed");
    assert_eq!((&failed["name"], &failed["error"]["code"]), (&json!("nobody"), &json!(201)), "{failed}");
    end(bot);
    // What is asked for while nobody answers has not left, and can be taken back.
    place.relay.stop();
    let mut bot = place.alice.start(&["listen"]);
    let sent = asked(&mut bot, &json!({ "send": { "to": "bob", "text": "On second thoughts" } }))["answer"]["message"].clone();
    assert_eq!(asked(&mut bot, &json!({ "cancel": sent }))["answer"], "accepted");
    let failed = until(&mut bot, |line| line["change"] == "message" && line["state"] == "failed");
    assert_eq!((&failed["message"], &failed["error"]["code"]), (&sent, &json!(122)), "{failed}");
    end(bot);
}

#[test]
fn text_of_others_moves_no_terminal_in_json_either() {
    let place = Place::with_conversation();
    let Place { alice, bob, .. } = &place;
    let said = "\u{9b}31mred \u{202E}turned \u{7f}";
    let mut bot = bob.start(&["listen"]);
    until(&mut bot, |line| line["change"] == "connected");
    alice.say(&["send", "bob", said]);
    let mut out = BufReader::with_capacity(1, bot.stdout.as_mut().expect("a pipe")).lines();
    let line = out.find_map(|line| line.ok().filter(|line| line.contains("received"))).expect("it comes");
    end(bot);
    for shown in [line, bob.say(&["--json", "read", "alice"]), bob.say(&["--json", "conversations"])] {
        assert!(!shown.contains(['\u{9b}', '\u{202E}', '\u{7f}']), "{shown:?}");
        assert!(shown.contains(r"\u009b31mred \u202eturned \u007f"), "{shown}");
    }
    assert_eq!(texts(bob, "alice").last().map(String::as_str), Some(said), "the value is as it was sent");
}

#[test]
fn a_listener_reads_retries_cancels_forgets_and_updates() {
    let place = Place::with_conversation();
    let Place { alice, bob, .. } = &place;
    alice.say(&["send", "bob", "Read me."]);
    bob.say(&["sync"]);
    let id = bob.json(&["message", "show", &alice.newest("bob")])[0]["message"].clone();
    let mut bot = bob.start(&["listen"]);
    until(&mut bot, |line| line["change"] == "connected");
    let refusal = |answer: Value| answer["error"]["code"].as_u64().expect("a refusal");
    assert_eq!(refusal(asked(&mut bot, &json!({ "retry": id }))), 123);
    assert_eq!(refusal(asked(&mut bot, &json!({ "retry": "ffffffffffffffffffffffffffffffff" }))), 120);
    assert_eq!(refusal(asked(&mut bot, &json!({ "cancel": id }))), 126, "it is not his");
    assert_eq!(refusal(asked(&mut bot, &json!({ "read": { "from": "alice" } }))), 126);
    assert_eq!(asked(&mut bot, &json!({ "read": { "from": "alice", "message": id } }))["answer"], "accepted");
    assert_eq!(asked(&mut bot, &json!({ "update": "alice" }))["answer"], "accepted");
    assert_eq!(asked(&mut bot, &json!({ "forget": id }))["answer"], "accepted");
    assert_eq!(refusal(asked(&mut bot, &json!({ "forget": id }))), 120);
    end(bot);
    assert_eq!(bob.json(&["conversations"])[0]["unread"], 0);
    assert!(!texts(bob, "alice").contains(&"Read me.".to_owned()));
    let output = bob.pipe(&["listen"], "{\"forget\":7}\nno json\n");
    assert!(lines(&output).iter().filter(|line| line["error"]["code"] == 126).count() == 2, "{output:?}");
}

#[test]
fn keys_are_renewed_as_soon_as_the_contact_has_followed() {
    let place = Place::with_conversation();
    let Place { alice, bob, .. } = &place;
    assert_eq!(alice.json(&["contact", "update", "bob"]), [json!({ "name": "bob", "done": "asked" })], "bob is away");
    let mut there = bob.start(&["listen"]);
    assert_eq!(until(&mut there, |line| line["change"] == "keys_updated")["name"], "alice");
    // He says so to her, and she may go on to the next.
    let renewed = |line: &Value| line["done"] == "updated" || line["done"] == "asked";
    assert!(renewed(&alice.json(&["contact", "update", "bob"])[0]));
    alice.say(&["sync"]);
    assert!(renewed(&alice.json(&["contact", "update", "bob"])[0]));
    until(&mut there, |line| line["change"] == "keys_updated");
    end(there);
    assert_eq!(alice.refused(&["contact", "update", "nobody"]), (3, 108));
    alice.say(&["send", "bob", "In the new epoch."]);
    bob.say(&["sync"]);
    assert_eq!(texts(bob, "alice").last().map(String::as_str), Some("In the new epoch."));
}

#[test]
fn an_account_moves_to_another_relay() {
    let place = Place::with_conversation();
    let Place { alice, bob, .. } = &place;
    let other = TestRelay::start(&place.folder.path().join("other"), 2, Policy::default());
    assert_eq!(alice.refused(&["relay", "change", &place.relay.address]), (3, 124));
    assert_eq!(alice.refused(&["relay", "change", "nonsense"]), (2, 126));
    assert_eq!(alice.refused(&["relay", "change", &other.address, "--key", "00"]), (2, 126));
    assert_eq!(alice.json(&["relay", "change", &other.address]), [json!({ "relay": other.address })]);
    let status = alice.json(&["status"]).remove(0);
    assert_eq!((&status["relay"], &status["online"], &status["registered"]), (&json!(other.address), &json!(true), &json!(true)));
    // Bob follows, and looks her up where she is now.
    bob.say(&["relay", "change", &other.address, "--key", &other.key.hex()]);
    bob.say(&["send", "alice", "New house?"]);
    alice.say(&["sync"]);
    assert_eq!(texts(alice, "bob").last().map(String::as_str), Some("New house?"));
}

#[test]
fn a_change_of_the_relay_that_hangs_is_told_and_can_be_taken_back() {
    let place = Place::with_conversation();
    let (alice, old) = (&place.alice, &place.relay.address);
    let settled = alice.json(&["status"]).remove(0);
    assert_eq!((&settled["relay"], &settled["moving_from"]), (&json!(old), &Value::Null));
    assert!(settled["skew_ms"].is_i64() && alice.say(&["status"]).contains("clock "), "{settled}");

    // Whoever listens there is not whom this address names.
    let wrong = format!("direct:{}@127.0.0.1:{}", "01".repeat(32), place.relay.port());
    let refused = alice.run(&["--timeout=1", "relay", "change", &wrong]);
    let back = format!("thicket --home {} relay change {old}\n", alice.home.display());
    let said = text(&refused.stderr);
    assert!(status(&refused) == 6 && said.contains("(error 312)") && said.contains("is not settled"), "{said}");
    assert!(said.contains("; status shows it. To go back: thicket") && said.ends_with(&back), "{said}");
    let hanging = alice.json(&["--timeout=1", "status"]).remove(0);
    assert_eq!((&hanging["relay"], &hanging["moving_from"]), (&json!(wrong), &json!(old)));
    assert_eq!((&hanging["skew_ms"], &hanging["online"]), (&Value::Null, &json!(false)), "what was measured was another's clock");
    let told = alice.say(&["--timeout=1", "status"]);
    assert!(told.contains(&format!("relay       {wrong}\nmoves from  {old}\n")) && !told.contains("clock "), "{told}");
    assert!(told.contains("To go back:") && told.contains(&back), "{told}");

    alice.say(&["relay", "change", old]);
    assert_eq!(alice.json(&["status"])[0]["moving_from"], Value::Null);
    alice.say(&["send", "bob", "Back again."]);
    place.bob.say(&["sync"]);
    assert_eq!(texts(&place.bob, "alice").last().map(String::as_str), Some("Back again."));

    // The same with another relay whose identity is not the one that was given: it is left as well.
    let other = TestRelay::start(&place.folder.path().join("other"), 2, Policy::default());
    let key = place.relay.key.hex().chars().rev().collect::<String>();
    let output = alice.run(&["--json", "--timeout=2", "relay", "change", &other.address, "--key", &key]);
    let error = last(&output)["error"].clone();
    assert_eq!(error["code"], 400, "{output:?}");
    assert!(error["hint"].as_str().is_some_and(|hint| hint.ends_with(&format!("relay change {old}"))), "{error}");
    assert_eq!(alice.json(&["--timeout=1", "status"])[0]["moving_from"], json!(old));
    alice.say(&["relay", "change", old]);
    assert_eq!(alice.json(&["status"])[0]["moving_from"], Value::Null);
}

#[test]
fn a_relay_that_asks_for_a_token_gets_it_from_a_file_or_the_environment() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let registration = Registration::Tokens(vec!["open-sesame".to_owned()]);
    let relay = TestRelay::start(&folder.path().join("relay"), 3, Policy { registration, ..Policy::default() });
    let file = folder.path().join("token");
    std::fs::write(&file, "open-sesame\n").expect("room");
    let file = file.to_str().expect("UTF-8");
    let person = |name: &'static str| Person::new(name, name, folder.path().join(name));
    let (alice, bob) = (person("alice"), person("bob"));
    assert_eq!(alice.refused(&["register", "--relay", &relay.address]), (3, 217));
    assert_eq!(alice.json(&["register", "--relay", &relay.address, "--token-file", file]), [json!({ "registered": "alice" })]);
    let with = |token: &str| {
        let mut command = program(&bob.home, &["register", "--relay", &relay.address, "--key", &relay.key.hex()]);
        command.env("THICKET_TOKEN", token).output().expect("the program starts")
    };
    assert_eq!(status(&with("close-sesame")), 3);
    assert_eq!(status(&with("open-sesame")), 0);
}

#[test]
fn whoever_their_relay_does_not_know_any_more_is_told_so_and_registers_again() {
    let mut place = Place::with_conversation();
    place.relay.lose_store();
    let Place { alice, bob, relay, .. } = &place;
    let sent = alice.run(&["--timeout=2", "send", "bob", "Hello?"]);
    assert_eq!((status(&sent), text(&sent.stdout).as_str()), (0, "queued\n"));
    assert!(text(&sent.stderr).contains("(error 315)") && !text(&sent.stderr).contains("(error 300)"), "{sent:?}");
    assert_eq!(alice.refused(&["--timeout=2", "sync"]), (3, 315));
    let register = ["register", "--relay", &relay.address];
    alice.say(&register);
    assert_eq!(alice.refused(&register), (3, 106));
    // Bob was told nothing yet: registering finds out by itself.
    bob.say(&register);
    alice.say(&["send", "bob", "We are back."]);
    bob.say(&["sync"]);
    assert_eq!(texts(bob, "alice").last().map(String::as_str), Some("We are back."));
}

#[test]
fn a_chat_whose_account_is_lost_names_the_command_of_this_profile() {
    let mut place = Place::with_conversation();
    place.relay.lose_store();
    let alice = &place.alice;
    let mut chat = alice.start(&["chat", "bob"]);
    let mut shown = BufReader::new(chat.stdout.take().expect("a pipe")).lines().map(|line| line.expect("UTF-8"));
    let told = shown.find(|line| line.contains(Code::AccountUnknown.what())).expect("why nothing goes out");
    assert!(told.contains(&format!("thicket --home {} register", alice.home.display())), "{told}");
    end(chat);
}

#[test]
fn whose_name_a_stranger_took_at_a_relay_that_lost_it_is_told_so_and_goes_to_another() {
    let mut place = Place::with_conversation();
    place.relay.lose_store();
    let Place { alice, bob, relay, folder } = &place;
    let stranger = Person::new("a stranger", "alice", folder.path().join("stranger"));
    stranger.say(&["register", "--relay", &relay.address]);
    // Whatever asks the relay says so, and does not wait for what can't come.
    let sent = alice.run(&["send", "bob", "Where are you?"]);
    assert_eq!((status(&sent), text(&sent.stdout).as_str()), (0, "queued\n"));
    let said = text(&sent.stderr);
    assert!(said.contains("(error 220)") && said.contains("relay change ADDRESS") && !said.contains("(error 202)"), "{said}");
    assert_eq!([["sync"], ["doctor"]].map(|command| alice.refused(&command)), [(3, 220); 2]);
    assert_eq!(alice.refused(&["register", "--relay", &relay.address]), (3, 220));
    let standing = &alice.json(&["status"])[0];
    assert_eq!((&standing["online"], &standing["trouble"]["code"], &standing["unsettled"]), (&json!(false), &json!(220), &json!(1)));
    let told = alice.say(&["status"]);
    assert!(
        told.contains("Not logged in: this relay gives your name to somebody else now") && told.contains("relay change ADDRESS"),
        "{told}"
    );
    assert!(told.lines().all(|line| line.chars().count() <= 80 || line.contains("direct:")), "{told}");
    // Bob comes back to the old relay, is warned, and writes to no stranger.
    bob.say(&["register", "--relay", &relay.address]);
    let warned = bob.run(&["send", "alice", "Is that you?"]);
    assert!(status(&warned) == 3 && text(&warned.stderr).contains("another identity for alice"), "{warned:?}");
    // At another relay they find each other, and what waited arrives.
    let other = TestRelay::start(&folder.path().join("other"), 2, Policy::default());
    for person in [bob, alice] {
        person.say(&["relay", "change", &other.address]);
    }
    alice.say(&["sync"]);
    assert_eq!(alice.json(&["status"])[0]["trouble"], Value::Null);
    // What warned him was the old relay's: the other one shows whom he knows.
    let added = bob.run(&["contact", "add", "alice"]);
    assert!(status(&added) == 0 && text(&added.stderr).is_empty(), "{added:?}");
    bob.say(&["sync"]);
    assert!(texts(bob, "alice").contains(&"Where are you?".to_owned()), "{:?}", texts(bob, "alice"));
    alice.say(&["sync"]);
    assert_eq!(texts(alice, "bob").last().map(String::as_str), Some("Is that you?"));
}

#[test]
fn a_copy_of_a_profile_stops_until_one_takes_over() {
    let place = Place::with_conversation();
    let Place { alice, bob, .. } = &place;
    let copy = Person { name: "the copy", home: place.folder.path().join("copy") };
    copy_folder(&alice.home, &copy.home);
    assert_eq!(alice.refused(&["account", "take-over", "--yes"]), (3, 125), "there is no other copy that anybody met");
    alice.say(&["send", "bob", "From the newest copy."]);

    let output = copy.run(&["--json", "send", "bob", "From an old one."]);
    assert_eq!((status(&output), last(&output)["error"]["code"].as_u64()), (3, Some(214)), "{output:?}");
    assert_eq!(copy.refused(&["sync"]), (3, 214));
    let told = copy.json(&["status"]).remove(0);
    assert_eq!((&told["copied"], &told["online"], &told["trouble"]["code"]), (&json!(true), &json!(false), &json!(214)));
    assert!(copy.say(&["status"]).contains("Sending is stopped"));
    assert_eq!(copy.refused(&["doctor"]), (3, 214));
    assert_eq!(copy.refused(&["account", "take-over"]), (2, 126), "it is not done without being asked");
    assert_eq!(copy.json(&["account", "take-over", "--yes"]), [json!({ "name": "alice", "done": "taken over" })]);
    bob.say(&["sync"]);
    copy.say(&["sync"]);
    copy.say(&["send", "bob", "I am the one."]);
    bob.say(&["sync"]);
    assert_eq!(texts(bob, "alice").last().map(String::as_str), Some("I am the one."));
    assert_eq!(alice.refused(&["sync"]), (3, 214), "the other one has stopped");
}

#[test]
fn a_profile_whose_vault_was_put_back_is_refused_and_goes_on_by_a_take_over() {
    put_back(&["vault.db", "vault.db-wal", "vault.db-shm"]);
}

#[test]
fn a_profile_whose_journal_was_put_back_is_refused_and_goes_on_by_a_take_over() {
    put_back(&["journal", "snapshots"]);
}

/// Puts an older copy of a part of alice's profile in its place, and goes on.
fn put_back(files: &[&str]) {
    let place = Place::with_conversation();
    let Place { alice, bob, folder, .. } = &place;
    // Given a backup of one part, put back after she has gone on.
    let backup = folder.path().join("backup");
    let copy = |from: &std::path::Path, to: &std::path::Path| {
        std::fs::create_dir_all(to).expect("room");
        for file in files.iter().filter(|file| from.join(file).exists()) {
            if from.join(file).is_dir() {
                copy_folder(&from.join(file), &to.join(file));
            } else {
                std::fs::copy(from.join(file), to.join(file)).expect("room");
            }
        }
    };
    copy(&alice.home, &backup);
    alice.say(&["send", "bob", "Since the backup."]);
    bob.say(&["sync"]);
    for file in files.iter().map(|file| alice.home.join(file)).filter(|file| file.exists()) {
        if file.is_dir() { std::fs::remove_dir_all(&file) } else { std::fs::remove_file(&file) }.expect("hers");
    }
    copy(&backup, &alice.home);

    // Then nothing is written by it, and what is said names the way out.
    for command in [&["status"][..], &["sync"], &["send", "bob", "Hello?"], &["listen"]] {
        assert_eq!(alice.refused(command), (7, 305), "{command:?}");
    }
    assert!(text(&alice.run(&["sync"]).stderr).contains("account take-over"));
    assert_eq!(alice.refused(&["account", "take-over"]), (2, 126), "it is not done without being asked");
    assert_eq!(alice.refused(&["sync"]), (7, 305), "nor begun");

    // When she takes over, the conversation begins anew, and goes both ways.
    assert_eq!(alice.json(&["account", "take-over", "--yes"]), [json!({ "name": "alice", "done": "taken over" })]);
    bob.say(&["sync"]);
    alice.say(&["sync"]);
    assert_eq!(alice.json(&["send", "bob", "Here I am again."])[0]["state"], "stored");
    bob.say(&["sync"]);
    bob.say(&["send", "alice", "Welcome back."]);
    alice.say(&["sync"]);
    assert_eq!(texts(bob, "alice").last().map(String::as_str), Some("Welcome back."));
    assert!(texts(bob, "alice").contains(&"Here I am again.".to_owned()));
    assert_eq!(texts(alice, "bob").last().map(String::as_str), Some("Welcome back."));
    for text in ["Since the backup.", "Here I am again."] {
        assert_eq!(texts(bob, "alice").iter().filter(|other| *other == text).count(), 1, "{text}");
    }
    for person in [alice, bob] {
        assert_eq!(person.json(&["journal", "verify"])[0]["verified"], true);
    }
    assert_eq!(alice.refused(&["account", "take-over", "--yes"]), (3, 125), "once");
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("room");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("room");
        }
    }
}

#[test]
fn a_record_is_shown_whole_to_a_program_too() {
    let place = Place::with_conversation();
    let alice = &place.alice;
    let (listed, verified) = (alice.json(&["journal", "ls"]), alice.json(&["journal", "verify"]).remove(0));
    assert_eq!((&verified["from"], &verified["records"]), (&listed[0]["seq"], &json!(listed.len())), "places are counted in one way");
    let told = alice.say(&["journal", "verify"]);
    assert!(told.contains(&format!("records   {} from place {}\n", verified["records"], verified["from"])), "{told}");

    let sent = alice.json(&["read", "bob"])[0]["message"].clone();
    let send = listed.iter().find(|line| line["what"] == "Send").expect("she wrote");
    let mut shown = alice.json(&["journal", "show", &send["seq"].to_string()]).remove(0);
    let mut field = |name: &str| shown.as_object_mut().and_then(|shown| shown.remove(name)).expect("a field");
    let (event, effects, outcomes) = (field("event"), field("effects"), field("outcomes"));
    assert_eq!(field("resolves"), Value::Null);
    assert_eq!(&shown, send, "and what the list says");
    assert_eq!((&event["requested"]["id"], &event["requested"]["intent"]["send"]["len"]), (&sent, &json!("See you at eight.".len())));
    // What it asked for, and each record that resolved something of that.
    let effects = effects.as_array().expect("a list");
    assert_eq!(effects[0]["effect"], json!(format!("{}.0", send["seq"])));
    assert!(effects.iter().any(|effect| effect["kind"] == "seal message" || effect["kind"] == "compose"), "{effects:?}");
    let resolving = |line: &Value| {
        let shown = alice.json(&["journal", "show", &line["seq"].to_string()]).remove(0);
        shown["event"]["resolved"]["effect"]["seq"] == send["seq"]
    };
    let ends: Vec<&Value> = outcomes.as_array().expect("a list").iter().map(|end| &end["seq"]).collect();
    let resolved: Vec<&Value> =
        listed.iter().filter(|line| line["kind"] == "Resolved" && resolving(line)).map(|line| &line["seq"]).collect();
    assert!(!ends.is_empty() && ends == resolved, "{ends:?} {resolved:?}");
    for line in listed.iter().step_by(7) {
        let shown = alice.say(&["--json", "journal", "show", &line["seq"].to_string()]);
        assert!(shown.contains("\"event\":{") && !shown.contains("bob"), "no name: {shown}");
    }
}

#[test]
fn the_doctor_names_what_is_wrong_and_exits_with_it() {
    let mut place = Place::with_conversation();
    let of = |report: &Value, name: &str| {
        let checks = report["checks"].as_array().expect("a list");
        checks.iter().find(|check| check["check"] == name).cloned().unwrap_or_else(|| panic!("no {name}: {report}"))
    };
    let report = place.alice.json(&["doctor"]).remove(0);
    for name in ["folder", "keys file", "keys", "journal", "vault", "relay", "clock", "waiting"] {
        assert_eq!(of(&report, name)["status"], "ok", "{report}");
    }
    assert_eq!(of(&report, "anonymity")["status"], "warning");

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&place.alice.home, std::fs::Permissions::from_mode(0o755)).expect("ours");
        let report = place.alice.json(&["doctor"]).remove(0);
        assert_eq!(of(&report, "folder")["status"], "warning");
        assert!(of(&report, "folder")["todo"].as_str().is_some_and(|todo| todo.starts_with("chmod 700 ")), "{report}");
    }

    let mut listening = place.alice.start(&["listen"]);
    until(&mut listening, |line| line["change"] == "connected");
    let report = place.alice.json(&["doctor"]).remove(0);
    assert_eq!((&of(&report, "relay")["status"], &of(&report, "vault")["status"]), (&json!("warning"), &json!("ok")));
    assert_eq!(place.alice.json(&["journal", "verify"])[0]["verified"], true, "beside a process that writes it");
    end(listening);

    place.relay.stop();
    let output = place.alice.run(&["--json", "--timeout=1", "doctor"]);
    assert_eq!((status(&output), last(&output)["error"]["code"].as_u64()), (6, Some(300)), "{output:?}");
    assert_eq!(of(&lines(&output)[0], "relay")["code"], 300);
}

#[test]
fn verbose_tells_on_standard_error_and_changes_nothing_else() {
    let place = Place::with_conversation();
    let output = place.alice.run(&["-v", "sync"]);
    assert_eq!(text(&output.stdout), "0 new, 0 still to be stored by the relay\n");
    assert!(text(&output.stderr).contains("s  logged in\n"), "{output:?}");
    assert!(place.alice.run(&["sync"]).stderr.is_empty());
    let coloured = place.alice.run(&["--color=always", "doctor"]);
    assert!(text(&coloured.stdout).contains("\u{1b}[32mok"), "{coloured:?}");
    assert!(!text(&place.alice.run(&["doctor"]).stdout).contains('\u{1b}'));
}

#[test]
fn a_changed_identity_is_warned_of_wherever_the_contact_is_shown() {
    let place = Place::with_conversation();
    let alice = &place.alice;
    // At another relay somebody else has bob's name.
    let other = TestRelay::start(&place.folder.path().join("other"), 2, Policy::default());
    let impostor = Person::new("another bob", "bob", place.folder.path().join("another"));
    impostor.say(&["register", "--relay", &other.address]);
    let carol = Person::new("carol", "carol", place.folder.path().join("carol"));
    carol.say(&["register", "--relay", &other.address]);
    alice.say(&["relay", "change", &other.address]);
    // Someone whom the directory shows is in the list too: nobody takes them for whom is asked for.
    alice.say(&["contact", "add", "carol"]);
    let id = alice.newest("bob");
    assert_eq!(alice.refused(&["send", "bob", "Is that you?"]), (3, 115), "it waits, and nobody knows for what");
    assert_eq!(alice.json(&["sync"])[0]["held"], 1);
    assert!(alice.say(&["sync"]).contains("1 of them to bob, which waits"));
    let held = alice.json(&["doctor"])[0]["checks"].as_array().expect("checks").iter().find(|check| check["check"] == "held").cloned();
    assert_eq!(held.map(|check| check["code"].clone()), Some(json!(115)));
    assert!(alice.say(&["doctor"]).contains("1 message to bob, who is held"));
    let waiting = alice.newest("bob");
    assert!(waiting != id && alice.refused(&["message", "retry", &waiting]) == (3, 123));
    let warned = |arguments: &[&str]| {
        let output = alice.run(arguments);
        let warnings = text(&output.stderr).lines().filter(|line| line.starts_with("WARNING: the directory")).map(str::to_owned).collect();
        (status(&output), warnings)
    };
    let trust = format!(": thicket --home {} contact trust bob", alice.home.display());
    let one = |warnings: Vec<String>| matches!(warnings.as_slice(), [line] if line.ends_with(&trust));
    for command in [&["contact", "list"][..], &["conversations"], &["read", "bob"], &["sync"], &["status"]] {
        let (status, warnings) = warned(command);
        assert!(status == 0 && one(warnings), "{command:?}");
    }
    let (status, warnings) = warned(&["send", "bob", "Are you there?"]);
    assert!(status == 3 && one(warnings), "sending is held");
    let coloured = text(&alice.run(&["--color=always", "contact", "list"]).stderr);
    assert!(coloured.starts_with("\u{1b}[1;31mWARNING: "), "{coloured:?}");
    let trusted = alice.json(&["contact", "trust", "bob"]).remove(0);
    assert_eq!(fields(&trusted), documented()["contact trust"]);
    assert_eq!(trusted["held"], false, "{trusted}");
    assert!(alice.run(&["contact", "list"]).stderr.is_empty(), "whoever is meant by the name is trusted");
    // What waits for the old one goes nowhere, and nobody is told to trust it.
    let cancel = format!("thicket --home {} message cancel ID", alice.home.display());
    assert!(alice.say(&["sync"]).split_whitespace().collect::<Vec<_>>().join(" ").contains("goes nowhere; to take it back: thicket"));
    let held = alice.json(&["doctor"])[0]["checks"].as_array().expect("checks").iter().find(|check| check["check"] == "held").cloned();
    assert_eq!(held.map(|check| check["todo"].clone()), Some(json!(cancel)));

    // Two have the name now. It means the new one; the old one is reached by the fingerprint.
    let new = trusted["fingerprint"].as_str().expect("a fingerprint");
    let listed = alice.json(&["contact", "list"]);
    let old = listed.iter().find(|contact| contact["name"] == "bob" && contact["fingerprint"] != new).expect("the old one");
    let old = old["fingerprint"].as_str().expect("a fingerprint");
    assert_eq!(texts(alice, "bob"), [""; 0], "nothing was said to the new one");
    assert!(texts(alice, &old[..8]).contains(&"I will be there.".to_owned()));
    let shown = alice.say(&["conversations"]);
    assert!(shown.contains(&format!("  bob ({})  ", &old[..8])), "{shown}");
    let (group, rest) = old.split_at(4);
    assert!(
        alice.say(&["contact", "verify", &format!("{} {rest}", group.to_uppercase())]).contains(&format!("contact verify {old} --done"))
    );
    assert_eq!(alice.json(&["message", "cancel", &waiting])[0]["done"], "cancelled");
    assert_eq!(alice.json(&["contact", "block", &old[..12]])[0]["fingerprint"], old);
    alice.say(&["contact", "remove", &old[..8]]);
    assert_eq!(alice.refused(&["read", &old[..8]]), (3, 108));
    assert_eq!(alice.json(&["contact", "list"]).iter().filter(|contact| contact["name"] == "bob").count(), 1);
}

#[test]
fn a_chat_shows_nothing_twice_that_a_process_died_over() {
    use std::ops::ControlFlow;
    use thicket_client::{Client, Point, Profile, SystemEntropy, share};
    let place = Place::with_conversation();
    let Place { alice, bob, .. } = &place;
    alice.say(&["send", "bob", "Once."]);
    // Given a process that died when the message stood in the vault, and the journal did not know it yet.
    let passphrase = thicket_types::secret::Secret::new(crate::world::PASSPHRASE.as_bytes().to_vec());
    let profile = Profile::unlock(&bob.home, &passphrase, share(Box::new(SystemEntropy))).expect("intact");
    let dies = |point| match point {
        Point::Committed { ops } if ops.contains(&"OpenEnvelope") => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let transport = Box::new(|waker| Box::new(thicket_transport::DirectClient::new(Some(waker))) as Box<_>);
    let client = Client::open_observed(profile, transport, Some(Box::new(dies))).expect("intact");
    while client.fault().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    drop(client);
    // When a chat begins.
    let mut chat = bob.start(&["--json", "chat", "alice"]);
    let mut shown = 0;
    until(&mut chat, |line| {
        shown += u32::from(line["text"] == "Once.");
        line["change"] == "connected"
    });
    drop(chat.stdin.take());
    let rest = chat.wait_with_output().expect("it ends");
    shown += u32::try_from(lines(&rest).iter().filter(|line| line["text"] == "Once.").count()).expect("few");
    assert_eq!(shown, 1);
}

#[test]
fn a_listener_does_all_that_a_bot_needs_and_nothing_twice() {
    let place = Place::new();
    let Place { alice, bob, .. } = &place;
    bob.say(&["contact", "add", "alice"]);
    bob.say(&["send", "alice", "Hello?"]);
    let mut bot = alice.start(&["listen"]);
    until(&mut bot, |line| line["change"] == "received");
    let accepted = |answer: Value| assert_eq!(answer["answer"], "accepted", "{answer}");
    let refusal = |answer: Value| answer["error"]["code"].as_u64().expect("a refusal");
    for request in ["verify", "block", "unblock", "accept"] {
        accepted(asked(&mut bot, &json!({ request: "bob" })));
    }
    assert_eq!(refusal(asked(&mut bot, &json!({ "trust": "bob" }))), 134, "nothing changed");
    accepted(asked(&mut bot, &json!({ "settings": { "read_marks": true } })));
    assert_eq!(refusal(asked(&mut bot, &json!({ "register": { "relay": place.relay.address } }))), 106);
    assert_eq!(refusal(asked(&mut bot, &json!({ "change_relay": { "relay": place.relay.address } }))), 124);
    for wrong in [json!({}), json!({ "add": "bob", "accept": "bob" }), json!({ "sing": "bob" }), json!({ "intent": "12", "add": "bob" })] {
        assert_eq!(refusal(asked(&mut bot, &wrong)), 126, "{wrong}");
    }
    // A field of another kind, or of another name, is not passed over: the relay's identity would not be looked at.
    for wrong in [
        json!({ "change_relay": { "relay": place.relay.address, "key": 5 } }),
        json!({ "change_relay": { "relay": place.relay.address, "key": null } }),
        json!({ "change_relay": { "relay": place.relay.address, "token": true } }),
        json!({ "change_relay": { "relay": place.relay.address, "kay": "00" } }),
        json!({ "send": { "to": "bob", "text": "Hello", "wait": true } }),
        json!({ "settings": { "read_marks": true, "receipts": true } }),
        json!({ "cancel": { "message": "00112233", "with": "bob", "really": true } }),
    ] {
        assert_eq!(refusal(asked(&mut bot, &wrong)), 126, "{wrong}");
    }

    // Asked twice under one id, it is done once, and answered as the first time.
    let send = json!({ "send": { "to": "bob", "text": "Once." }, "intent": "00112233445566778899aabbccddeeff" });
    let first = asked(&mut bot, &send);
    assert_eq!((&first["answer"]["message"], &first["intent"]), (&send["intent"], &send["intent"]), "{first}");
    assert_eq!(asked(&mut bot, &send), first);
    let remove = json!({ "remove": "bob", "intent": "00112233445566778899AABBCCDDEE00" });
    until(&mut bot, |line| line["change"] == "message" && line["state"] == "stored");
    bob.say(&["sync"]);
    until(&mut bot, |line| line["change"] == "message" && line["state"] == "delivered");
    let first = asked(&mut bot, &remove);
    assert_eq!((&first["answer"], &first["intent"]), (&json!("accepted"), &remove["intent"]), "{first}");
    assert_eq!(asked(&mut bot, &remove), first, "bob is no contact any more, and the answer is the first");
    assert_eq!(refusal(asked(&mut bot, &json!({ "remove": "bob" }))), 108);
    end(bot);
    let again = alice.pipe(&["listen"], &format!("{remove}\n"));
    assert!(lines(&again).contains(&first), "over a restart too: {again:?}");
    assert_eq!(texts(bob, "alice").iter().filter(|text| *text == "Once.").count(), 1);
    assert_eq!(alice.json(&["settings"]), [json!({ "read_marks": true })]);
}

#[cfg(unix)]
#[test]
fn an_interrupted_command_ends_in_order_with_130() {
    let interrupt = |mut child: Child| {
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).expect("it runs");
        let since = std::time::Instant::now();
        // Its input stays open meanwhile: that it ends is no reason.
        let input = child.stdin.take();
        let output = child.wait_with_output().expect("it ends");
        drop(input);
        assert!(since.elapsed().as_secs() < 20, "it did not wait to the end");
        assert_eq!((status(&output), last(&output)["error"]["code"].as_u64()), (130, Some(127)), "{output:?}");
    };
    let mut place = Place::with_conversation();
    let mut listening = place.alice.start(&["--json", "listen"]);
    until(&mut listening, |line| line["change"] == "connected");
    interrupt(listening);

    place.relay.stop();
    let send = |place: &Place| place.alice.start(&["--json", "--timeout=60", "send", "bob", "Kept."]);
    let mut sending = send(&place);
    let since = std::time::Instant::now();
    while !texts(&place.alice, "bob").contains(&"Kept.".to_owned()) {
        assert!(since.elapsed().as_secs() < 120, "it is written first, and then waits");
        // Who reads holds the profile for a moment: a sender who came in it was turned away, and wrote nothing.
        if sending.try_wait().expect("a child").is_some() {
            sending = send(&place);
        }
    }
    interrupt(sending);
    place.relay.restart();
    place.alice.say(&["sync"]);
    place.bob.say(&["sync"]);
    assert_eq!(texts(&place.bob, "alice").last().map(String::as_str), Some("Kept."));
}

#[cfg(unix)]
#[test]
fn an_interrupted_demo_says_that_it_begins_anew() {
    use std::io::{BufRead as _, BufReader, Read as _};
    let folder = tempfile::TempDir::new().expect("a folder");
    let nobody = Person { name: "nobody", home: folder.path().join("nobody") };
    let mut demo = nobody.start(&["demo"]);
    let mut told = BufReader::new(demo.stdout.take().expect("a pipe"));
    let mut line = String::new();
    while !line.contains("A relay starts") {
        line.clear();
        assert!(told.read_line(&mut line).expect("UTF-8") > 0, "it ended before it began");
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&demo), rustix::process::Signal::INT).expect("it runs");
    told.read_to_string(&mut line).expect("UTF-8");
    let output = demo.wait_with_output().expect("it ends");
    let said = text(&output.stderr);
    assert_eq!(status(&output), 130, "{said}");
    assert!(said.contains("(error 136)") && said.contains("it begins anew") && !said.contains("next command"), "{said}");
}
