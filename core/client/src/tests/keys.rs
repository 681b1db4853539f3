//! Keys that are renewed while people write, are away, and lose frames.

use super::*;

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

fn renewals(world: &World, who: &'static str) -> usize {
    world.people[who].changes.iter().filter(|change| matches!(change, Change::KeysUpdated(_))).count()
}

/// A day in which these people's programs do not run.
fn sleep(world: &mut World, who: &[&'static str]) {
    for who in who {
        world.kill(who);
    }
    world.clock.0.fetch_add(DAY, Ordering::Relaxed);
}

fn update(world: &mut World, who: &'static str, other: &'static str) {
    let contact = world.people[other].own;
    world.ask(who, Intent::UpdateKeys { contact });
}

/// Closes everybody, and holds that each has what the other said, once and in order.
fn all_is_there(mut world: World, from_alice: &[String], from_bob: &[String]) {
    for who in ["alice", "bob"] {
        world.verify(who);
    }
    let (of_alice, of_bob) = (world.texts("alice"), world.texts("bob"));
    assert_eq!(received(&of_bob), from_alice);
    assert_eq!(received(&of_alice), from_bob);
    assert!(all_delivered(&of_alice) && all_delivered(&of_bob), "{of_alice:?} {of_bob:?}");
}

#[test]
fn keys_are_renewed_weekly_on_both_sides_and_nothing_is_lost() {
    let mut world = friends(301, Conditions::default());
    let (mut from_alice, mut from_bob) = (vec!["hello".to_owned()], vec!["hello back".to_owned()]);
    for day in 0..30 {
        let (to_bob, to_alice) = (format!("day {day}"), format!("and day {day}"));
        world.say("alice", "bob", &to_bob);
        world.say("bob", "alice", &to_alice);
        world.run(60_000);
        from_alice.push(to_bob);
        from_bob.push(to_alice);
        sleep(&mut world, &["alice", "bob"]);
        for who in ["alice", "bob"] {
            world.open(who);
        }
        world.run(60_000);
    }
    for who in ["alice", "bob"] {
        assert!((3..=6).contains(&renewals(&world, who)), "{} renewals seen by {who} in 30 days", renewals(&world, who));
    }
    all_is_there(world, &from_alice, &from_bob);
}

#[test]
fn keys_are_renewed_by_command_and_the_person_is_told() {
    let mut world = friends(302, Conditions::default());
    update(&mut world, "alice", "bob");
    world.run(5_000);
    assert_eq!(renewals(&world, "bob"), 1);
    let stranger = Fingerprint([9; 20]);
    let id = world.ask("alice", Intent::UpdateKeys { contact: stranger });
    world.run(1_000);
    assert!(world.people["alice"].answers.contains(&(id, Ok(Answer::Refused(Code::UnknownContact)))));
    all_is_there(world, &["hello".to_owned()], &["hello back".to_owned()]);
}

#[test]
fn crossing_updates_with_messages_around_them_end_in_one_epoch_and_lose_nothing() {
    for seed in 0..6 {
        let rough = Conditions { lost: 100 * (seed % 2) as u32, doubled: 100, reordered: 300, seed: 0 };
        let mut world = friends(310 + seed, rough);
        let (mut from_alice, mut from_bob) = (vec!["hello".to_owned()], vec!["hello back".to_owned()]);
        for round in 0..4 {
            world.meeting.set_paused(true);
            for who in ["alice", "bob"] {
                let other = if who == "alice" { "bob" } else { "alice" };
                for part in ["before", "after"] {
                    let text = format!("{who} {part} update {round}");
                    world.say(who, other, &text);
                    if who == "alice" {
                        from_alice.push(text)
                    } else {
                        from_bob.push(text)
                    }
                    if part == "before" {
                        update(&mut world, who, other);
                    }
                }
            }
            world.run(3_000);
            world.meeting.set_paused(false);
            world.run(HOUR);
        }
        world.meeting.set_conditions(Conditions::default());
        world.run(2 * HOUR);
        for who in ["alice", "bob"] {
            world.verify(who);
        }
        let (mut of_alice, mut of_bob) = (world.texts("alice"), world.texts("bob"));
        assert!(all_delivered(&of_alice) && all_delivered(&of_bob), "seed {seed}: {of_alice:?} {of_bob:?}");
        // Overtaken frames come in another order; each comes once.
        of_alice.sort_by(|a, b| a.2.cmp(&b.2));
        of_bob.sort_by(|a, b| a.2.cmp(&b.2));
        from_alice.sort();
        from_bob.sort();
        assert_eq!(received(&of_bob), from_alice, "seed {seed}");
        assert_eq!(received(&of_alice), from_bob, "seed {seed}");
    }
}

#[test]
fn whoever_was_away_for_forty_days_reads_all_that_was_said_across_renewals() {
    let mut world = friends(320, Conditions::default());
    let mut from_alice = vec!["hello".to_owned()];
    world.kill("bob");
    for day in 0..40 {
        let text = format!("day {day} without you");
        world.say("alice", "bob", &text);
        from_alice.push(text);
        world.run(60_000);
        sleep(&mut world, &["alice"]);
        world.open("alice");
        world.run(10_000);
    }
    world.open("bob");
    world.run(HOUR);
    world.say("bob", "alice", "I was away");
    world.run(HOUR);
    all_is_there(world, &from_alice, &["hello back".to_owned(), "I was away".to_owned()]);
}

#[test]
fn whom_the_relay_has_no_key_package_of_is_asked_to_begin() {
    // Bob dies before his key packages are published.
    let mut world = World::new(330, Conditions::default());
    for who in ["alice", "bob"] {
        world.create(who);
        world.register(who);
        if who == "alice" {
            world.run(60_000);
        }
    }
    let until_registered = |world: &mut World| {
        for _ in 0..20 {
            if world.people["bob"].pump.as_ref().is_some_and(|pump| pump.view().registered) {
                return;
            }
            world.people.get_mut("bob").and_then(|bob| bob.pump.as_mut()).expect("open").pump().expect("a disk that works");
            if !world.people["bob"].pump.as_ref().is_some_and(|pump| pump.view().registered) {
                world.relay.turn().expect("a store that works");
            }
        }
        panic!("not registered");
    };
    until_registered(&mut world);
    world.kill("bob");
    // What he sent last is not let through.
    world.meeting.set_paused(true);
    world.meeting.set_paused(false);
    world.ask("alice", Intent::AddContact { name: name("bob") });
    world.run(60_000);
    let stock = thicket_types::ports::Store::key_packages(world.relay.store(), &name("bob").key(), Stamp(0)).expect("a store");
    if stock.one_time > 0 {
        // The publication was on its way already: then there is nothing to see here.
        return;
    }
    world.say("alice", "bob", "begin with me");
    world.run(60_000);
    assert_eq!(world.pump("alice").view().unsettled.len(), 1, "it waits");
    world.open("bob");
    world.run(60_000);
    let alice = world.people["alice"].own;
    assert!(world.pump("bob").view().contacts.iter().any(|contact| contact.fingerprint == alice && !contact.accepted), "she asks");
    world.ask("bob", Intent::AcceptContact { contact: alice });
    world.run(HOUR);
    all_is_there(world, &["begin with me".to_owned()], &[]);
}

#[test]
fn marks_are_told_and_shown_where_both_switched_them_on() {
    for (alice_on, bob_on) in [(true, true), (true, false), (false, true)] {
        let mut world = friends(340, Conditions::default());
        world.ask("alice", Intent::SetReadMarks { on: alice_on });
        world.ask("bob", Intent::SetReadMarks { on: bob_on });
        let message = world.say("alice", "bob", "read this");
        world.run(5_000);
        let alice = world.people["alice"].own;
        world.ask("bob", Intent::MarkRead { contact: alice, message });
        world.run(5_000);
        world.kill("alice");
        let shown = world.texts("alice").into_iter().find(|(_, _, text)| text == "read this").map(|(_, state, _)| state);
        let expected = if alice_on && bob_on { MessageState::Read } else { MessageState::Delivered };
        assert_eq!(shown, Some(expected), "alice {alice_on}, bob {bob_on}");
    }
}

#[test]
fn a_cancelled_message_never_arrives_and_a_forgotten_one_is_gone_here_alone() {
    let mut world = friends(350, Conditions::default());
    world.meeting.set_up(false);
    world.run(60_000);
    let cancelled = world.say("alice", "bob", "never mind");
    world.run(1_000);
    let id = world.ask("alice", Intent::CancelMessage { message: cancelled });
    let kept = world.say("alice", "bob", "this one stays");
    world.run(1_000);
    assert!(world.people["alice"].answers.contains(&(id, Ok(Answer::Accepted))));
    world.meeting.set_up(true);
    world.run(HOUR);
    let late = world.ask("alice", Intent::CancelMessage { message: kept });
    let bob = world.people["bob"].own;
    world.ask("alice", Intent::ForgetMessage { contact: bob, message: kept, sent: true });
    world.run(5_000);
    assert!(world.people["alice"].answers.contains(&(late, Ok(Answer::Refused(Code::UnknownMessage)))));
    for who in ["alice", "bob"] {
        world.verify(who);
    }
    assert_eq!(received(&world.texts("bob")), ["hello", "this one stays"]);
    let of_alice = world.texts("alice");
    assert!(of_alice.iter().any(|(_, state, text)| text == "never mind" && *state == MessageState::Failed));
    assert!(of_alice.iter().all(|(_, _, text)| text != "this one stays"));
}

#[test]
fn a_message_that_failed_is_sent_again_by_command() {
    let mut world = friends(360, Conditions::default());
    world.meeting.set_up(false);
    world.run(60_000);
    let message = world.say("alice", "bob", "on second thought");
    world.run(1_000);
    world.ask("alice", Intent::CancelMessage { message });
    world.meeting.set_up(true);
    world.run(HOUR);
    let contact = world.people["bob"].own;
    world.ask("alice", Intent::RetryMessage { contact, message });
    world.run(5_000);
    all_is_there(world, &["hello".to_owned(), "on second thought".to_owned()], &["hello back".to_owned()]);
}
