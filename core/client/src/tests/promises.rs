//! What a person relies on without being told.

use super::*;

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
