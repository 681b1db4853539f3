//! Another device, another relay.

use super::*;

const HOUR: u64 = 3_600_000;

pub(super) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("room");
    for entry in std::fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry")) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(from, to).expect("room");
        }
    }
}

fn put_back(world: &World, who: &'static str, saved: &Path) {
    let folder = &world.people[who].folder;
    std::fs::remove_dir_all(folder).expect("a folder");
    copy(saved, folder);
}

#[test]
fn a_copy_of_a_profile_is_seen_at_its_login_stops_and_can_take_over() {
    for who_began in ["alice", "bob"] {
        let mut world = friends(400, Conditions::default());
        let bob = world.people["bob"].own;
        // A copy of the one who is smaller, and of the one who is not: either may have begun the group that sends.
        let (who, other) = if who_began == "alice" { ("alice", "bob") } else { ("bob", "alice") };
        world.kill(who);
        let saved = world.folder.path().join("saved");
        copy(&world.people[who].folder, &saved);
        world.open(who);
        world.run(60_000);
        world.say(who, other, "from the device that went on");
        world.say(other, who, "to the device that went on");
        world.run(60_000);
        world.kill(who);
        put_back(&world, who, &saved);
        let before = world.seen.lock().expect("no thread panics").len();

        // The copy logs in: the relay has met another one since.
        world.open(who);
        world.run(60_000);
        assert!(world.pump(who).view().copied, "{who}");
        assert!(world.people[who].changes.contains(&Change::Disconnected(Code::ProfileCopied)));
        let contact = world.people[other].own;
        let body = world.pump(who).stage(b"not from here").expect("room");
        let id = world.ask(who, Intent::Send { contact, body, len: 13 });
        world.run(HOUR);
        assert!(world.people[who].answers.contains(&(id, Ok(Answer::Refused(Code::ProfileCopied)))));
        let tags: std::collections::BTreeSet<LaneTag> =
            world.seen.lock().expect("no thread panics")[before..].iter().map(|(tag, _)| *tag).collect();
        // Its named lane, and the two of the other person: nothing went out on its anonymous lane.
        assert!(tags.len() <= 3, "{tags:?}");

        // The person decides for it.
        world.ask(who, Intent::TakeOver);
        world.run(HOUR);
        assert!(!world.pump(who).view().copied && world.pump(who).view().online);
        world.say(who, other, "from the device that took over");
        world.say(other, who, "to the device that took over");
        world.run(HOUR);
        for person in ["alice", "bob"] {
            world.verify(person);
        }
        let (own, theirs) = (world.texts(who), world.texts(other));
        let of = |texts: &[(Direction, MessageState, String)], text: &str| received(texts).iter().filter(|heard| **heard == text).count();
        assert_eq!(of(&theirs, "from the device that went on"), 1);
        assert_eq!(of(&theirs, "from the device that took over"), 1);
        assert_eq!(of(&own, "to the device that took over"), 1);
        assert!(all_delivered(&own) && all_delivered(&theirs), "{own:?} {theirs:?}");
        let _ = bob;
    }
}

#[test]
fn a_copy_made_while_a_session_ran_is_seen_once_that_went_on_for_an_hour() {
    for (went_on, seen) in [(10 * 60_000, false), (2 * HOUR, true)] {
        let mut world = friends(401, Conditions::default());
        world.run(60_000);
        let saved = world.folder.path().join("saved");
        copy(&world.people["alice"].folder, &saved);
        world.run(went_on);
        world.kill("alice");
        put_back(&world, "alice", &saved);
        world.open("alice");
        world.run(60_000);
        assert_eq!(world.pump("alice").view().copied, seen, "after {went_on} ms");
        // Whoever is no copy still is none after as many generations.
        world.run(100 * HOUR);
        world.kill("bob");
        world.open("bob");
        world.run(60_000);
        assert!(world.pump("bob").view().online && !world.pump("bob").view().copied);
    }
}

/// Puts a copy of a profile back, has it see that it is one, and take over.
fn take_over(world: &mut World, who: &'static str, saved: &Path) {
    world.kill(who);
    put_back(world, who, saved);
    world.open(who);
    world.run(60_000);
    assert!(world.pump(who).view().copied, "{who}");
    world.ask(who, Intent::TakeOver);
    world.run(HOUR);
}

#[test]
fn whom_only_the_lost_device_knew_is_shown_by_the_copy_and_heard_when_accepted() {
    let mut world = two(430, Conditions::default());
    world.kill("bob");
    let saved = world.folder.path().join("saved");
    copy(&world.people["bob"].folder, &saved);
    world.open("bob");
    let alice = world.people["alice"].own;
    world.say("alice", "bob", "to the device that went on");
    world.run(60_000);
    world.ask("bob", Intent::AcceptContact { contact: alice });
    world.say("bob", "alice", "from the device that went on");
    world.run(60_000);
    take_over(&mut world, "bob", &saved);
    // Given a message in a conversation that the copy never had.
    world.say("alice", "bob", "to whoever reads it");
    world.run(60_000);
    assert!(world.people["bob"].changes.contains(&Change::Unreadable { contact: alice, cause: Code::NoConversation }));
    // Then its sender asks to be accepted, and is heard when they are.
    world.ask("bob", Intent::AcceptContact { contact: alice });
    world.run(HOUR);
    world.say("bob", "alice", "who is there?");
    world.run(HOUR);
    for person in ["alice", "bob"] {
        world.verify(person);
    }
    assert_eq!(received(&world.texts("bob")), ["to whoever reads it"]);
    assert_eq!(received(&world.texts("alice")), ["from the device that went on", "who is there?"]);
    assert!(all_delivered(&world.texts("alice")) && all_delivered(&world.texts("bob")), "{:?}", world.texts("alice"));
}

#[test]
fn who_was_removed_before_the_copy_was_made_is_met_anew_after_a_take_over() {
    for (who, other) in [("alice", "bob"), ("bob", "alice")] {
        let mut world = friends(440, Conditions::default());
        let contact = world.people[other].own;
        world.ask(who, Intent::RemoveContact { contact });
        world.run(60_000);
        world.kill(who);
        let saved = world.folder.path().join("saved");
        copy(&world.people[who].folder, &saved);
        world.open(who);
        // Given that the device that went on has them again, and used the keys that the copy has too.
        world.ask(who, Intent::AddContact { name: name(other) });
        world.run(60_000);
        for text in ["one", "two", "three"] {
            world.say(who, other, text);
            world.run(60_000);
        }
        world.ask(who, Intent::UpdateKeys { contact });
        world.run(60_000);
        take_over(&mut world, who, &saved);
        // When the copy has them again.
        world.ask(who, Intent::AddContact { name: name(other) });
        world.run(60_000);
        for text in ["four", "five", "six", "seven"] {
            world.say(who, other, text);
            world.say(other, who, text);
            world.run(60_000);
        }
        world.run(HOUR);
        for person in ["alice", "bob"] {
            world.verify(person);
        }
        let (own, theirs) = (world.texts(who), world.texts(other));
        let heard = received(&theirs);
        assert!(["one", "two", "three", "four", "five", "six", "seven"].iter().all(|text| heard.contains(text)), "{who}: {theirs:?}");
        assert_eq!(received(&own), ["four", "five", "six", "seven"], "{who}");
        assert!(all_delivered(&own) && all_delivered(&theirs), "{who}: {own:?} {theirs:?}");
    }
}

#[test]
fn a_restored_relay_that_knows_an_older_device_generation_is_no_copy() {
    let mut world = friends(410, Conditions::default());
    let key = name("alice").key();
    let before = thicket_types::ports::Store::generation(world.relay.store(), &key).expect("a store").expect("a generation");
    for _ in 0..3 {
        world.ask("alice", Intent::Connect);
        world.run(60_000);
    }
    thicket_types::ports::Store::set_generation(world.relay.store(), &key, before).expect("a store");
    world.ask("alice", Intent::Connect);
    world.run(60_000);
    let view = world.pump("alice").view();
    assert!(view.online && !view.copied);
}

#[test]
fn people_who_move_to_another_relay_find_each_other_there() {
    let mut world = two(420, Conditions::default());
    let (meeting, end) = Loopback::new("other", Conditions::default());
    let ports = thicket_relay::World {
        entropy: Box::new(SeededEntropy::new(7)),
        clock: Box::new(world.clock.clone()),
        verify: Box::new(thicket_openpgp::Verifier),
        policy: thicket_relay::Policy::default(),
    };
    world.other = Some((meeting, Relay::new(MemoryStore::new(), end, &[10; 32], ports)));
    for who in ["alice", "bob"] {
        world.kill(who);
        world.open(who);
    }
    world.run(60_000);
    world.say("alice", "bob", "here");
    world.run(60_000);
    let alice = world.people["alice"].own;
    world.ask("bob", Intent::AcceptContact { contact: alice });
    world.run(60_000);
    // Asked for while the old relay is away: it is not lost with it.
    world.meeting.set_up(false);
    world.run(60_000);
    world.say("alice", "bob", "on the way");
    world.run(1_000);
    let relay = RelayAddress::parse("loopback:other").expect("an address");
    for who in ["alice", "bob"] {
        world.ask(who, Intent::ChangeRelay { relay: relay.clone(), key: None, token: None });
        world.run(60_000);
        let view = world.pump(who).view();
        assert!(view.registered && view.online, "{who}");
        assert_eq!(view.relay, Some(relay.clone()));
    }
    world.run(HOUR);
    world.say("bob", "alice", "there");
    world.run(HOUR);
    for who in ["alice", "bob"] {
        world.verify(who);
    }
    let (of_alice, of_bob) = (world.texts("alice"), world.texts("bob"));
    assert_eq!(received(&of_bob), ["here", "on the way"]);
    assert_eq!(received(&of_alice), ["there"]);
    assert!(all_delivered(&of_alice) && all_delivered(&of_bob), "{of_alice:?} {of_bob:?}");
}

#[test]
fn a_relay_that_does_not_take_the_account_leaves_it_where_it_was() {
    let mut world = two(430, Conditions::default());
    let (meeting, end) = Loopback::new("other", Conditions::default());
    let ports = thicket_relay::World {
        entropy: Box::new(SeededEntropy::new(7)),
        clock: Box::new(world.clock.clone()),
        verify: Box::new(thicket_openpgp::Verifier),
        policy: thicket_relay::Policy { registration: thicket_relay::Registration::Closed, ..thicket_relay::Policy::default() },
    };
    world.other = Some((meeting, Relay::new(MemoryStore::new(), end, &[10; 32], ports)));
    world.kill("alice");
    world.open("alice");
    world.run(60_000);
    let relay = RelayAddress::parse("loopback:other").expect("an address");
    world.ask("alice", Intent::ChangeRelay { relay, key: None, token: None });
    world.run(60_000);
    assert!(world.people["alice"].changes.contains(&Change::RegistrationRefused(Code::RegistrationClosed)));
    let view = world.pump("alice").view();
    assert!(view.registered && view.online);
    assert_eq!(view.relay, Some(address(&world.meeting)));
    world.say("alice", "bob", "still here");
    world.run(60_000);
    world.kill("bob");
    assert_eq!(received(&world.texts("bob")), ["still here"]);
}

#[test]
fn whoever_is_unknown_to_a_restored_relay_registers_again_and_no_message_is_lost() {
    let mut world = friends(431, Conditions::default());
    // When the relay comes back under its keys with a store from before they came.
    for who in ["alice", "bob"] {
        world.kill(who);
    }
    let (meeting, end) = Loopback::new("test", Conditions::default());
    let ports = thicket_relay::World {
        entropy: Box::new(SeededEntropy::new(8)),
        clock: Box::new(world.clock.clone()),
        verify: Box::new(thicket_openpgp::Verifier),
        policy: thicket_relay::Policy::default(),
    };
    world.relay =
        Relay::new(MemoryStore::new(), Watched { end, seen: world.seen.clone(), expired: world.expired.clone() }, &[9; 32], ports);
    world.meeting = meeting;
    for who in ["alice", "bob"] {
        world.open(who);
    }
    world.run(60_000);
    for who in ["alice", "bob"] {
        assert!(world.people[who].changes.contains(&Change::Disconnected(Code::AccountUnknown)), "{who}");
        assert!(!world.pump(who).view().online, "{who}");
    }
    // Then what is written meanwhile waits, and goes when both are there again.
    world.say("alice", "bob", "before I was back");
    world.register("alice");
    world.run(HOUR);
    world.say("alice", "bob", "before you were back");
    world.run(HOUR);
    world.register("bob");
    world.run(3 * HOUR);
    world.say("bob", "alice", "both are back");
    world.run(HOUR);
    for who in ["alice", "bob"] {
        world.verify(who);
    }
    let (of_alice, of_bob) = (world.texts("alice"), world.texts("bob"));
    assert_eq!(received(&of_bob), ["hello", "before I was back", "before you were back"]);
    assert_eq!(received(&of_alice), ["hello back", "both are back"]);
    assert!(all_delivered(&of_alice) && all_delivered(&of_bob), "{of_alice:?} {of_bob:?}");
}
