//! What a person relies on without being told.

use super::*;
use crate::client::Nowhere;

#[test]
fn a_message_that_failed_before_it_was_encrypted_is_found_by_its_words() {
    // Given a message that nobody has encrypted, since no key package was found for it.
    let mut world = two(610, Conditions::default());
    world.meeting.set_up(false);
    let message = world.say("alice", "bob", "on second thoughts");
    world.run(1_000);
    // When it is taken back.
    world.ask("alice", Intent::CancelMessage { message });
    world.run(1_000);
    world.kill("alice");
    // Then it is a row like any other: found by its words, and by no others.
    let profile = Profile::unlock(&world.people["alice"].folder, &passphrase(), share(Box::new(SeededEntropy::new(0)))).expect("intact");
    let (_, reader) = profile.look().expect("an intact profile");
    let found =
        |words: &str| reader.search(words, 10).expect("a search").into_iter().map(|row| (row.message, row.state)).collect::<Vec<_>>();
    assert_eq!(found("second thou"), [(message, MessageState::Failed)]);
    assert_eq!(found("first"), []);
}

#[test]
fn whoever_has_an_answer_sees_in_the_view_what_it_did() {
    let folder = TempDir::new().expect("a folder");
    let entropy = share(Box::new(SeededEntropy::new(1)));
    let (origin, clock) = (Origin::New(name("alice")), crate::SystemClock::new());
    let profile = Profile::create(&folder.path().join("alice"), origin, &passphrase(), CHEAP, entropy, &clock).expect("a new profile");
    let client = crate::Client::open_offline(profile).expect("an intact profile");
    for number in 0..200_u8 {
        let on = number % 2 == 0;
        assert_eq!(client.submit(IntentId([number; 16]), Intent::SetReadMarks { on }), Ok(Answer::Accepted));
        // At once: the thread that answers goes on beside this one.
        assert_eq!(client.view().read_marks, on, "intent {number}");
    }
    client.close().expect("room");
}

#[test]
fn without_a_way_to_the_relay_only_what_is_asked_for_is_journaled_and_the_rest_waits() {
    let mut world = friends(31, Conditions::default());
    let bob = world.people["bob"].own;
    world.kill("alice");
    let profile = world.unlock("alice");
    let message = newest(&profile).expect("bob wrote");
    // Long after the last session, whose timers are due.
    world.run(86_400_000);
    let mut pump = profile.open(Box::new(Nowhere), Box::new(world.clock_of("alice"))).expect("an intact profile");
    let before = pump.parts().0.durable().seq;
    pump.stay_offline();
    let body = pump.stage(b"for later").expect("room");
    pump.submit(IntentId([7; 16]), Intent::MarkRead { contact: bob, message });
    pump.submit(IntentId([8; 16]), Intent::Send { contact: bob, body, len: 9 });
    let pumped = pump.pump().expect("room");
    assert_eq!(pumped.answers.len(), 2);
    assert!(pumped.deadline.is_some_and(|deadline| deadline > pumped.now), "nothing is due: {:?}", pumped.deadline);
    // The two, and what the vault made of them: it marked one and sealed one.
    assert_eq!(pump.parts().0.durable().seq.0, before.0 + 4);
    assert!(pump.is_at_rest(), "it can be archived");
    pump.close().expect("room");
    // The frame goes out when there is a way again, once.
    world.open("alice");
    world.run(120_000);
    world.kill("bob");
    assert_eq!(world.texts("bob").iter().filter(|(.., text)| text == "for later").count(), 1);
}

/// The newest message that came.
fn newest(profile: &crate::Profile) -> Option<MessageId> {
    let rows = profile.reader().expect("an intact vault").messages(None, 0, 100).expect("rows");
    rows.iter().rev().find(|row| row.direction == Direction::Received).map(|row| row.message)
}
