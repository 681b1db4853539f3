//! Registration.

use super::*;

#[test]
fn registering_asks_the_relay_for_a_challenge() {
    let mut book = Book::new();
    let effects = book.ask(1, register());
    assert_eq!(effects, [vault(VaultOp::Compose(Ask::Challenge)), answered(1, Answer::Accepted)]);
    assert_eq!((book.state.session.phase, book.state.session.link), (Phase::Registering, Link::Asking));
    // Its frame goes out on the lane that may know the name, and is tried again if no answer comes.
    let (frame, effects) = book.frame(&Why::Challenge);
    let deadline = book.deadline(TimerId::Retry(frame));
    let sent = Send { to: address(RELAY), lane: Lane::Named, frame: Seq(book.seq) };
    assert_eq!(effects, [Effect::Send(sent), Effect::Arm(TimerId::Retry(frame), deadline)]);
    assert_eq!(book.state.requests[&frame].why, Why::Challenge);
}

#[test]
fn a_challenge_pins_the_relay_and_is_signed() {
    let mut book = Book::new();
    book.ask(1, register());
    let frame = book.transmit(&Why::Challenge);
    let effects = book.answer(frame, challenge(RELAY_KEY));
    assert_eq!(effects, [Effect::Disarm(TimerId::Retry(frame)), vault(VaultOp::SignRegistration { challenge: signed(), token: None })]);
    assert_eq!(ClientRules::relay(&book.state), Some(RELAY_KEY));
    assert_eq!(book.under_way(), [Why::Register]);
}

#[test]
fn a_registration_leads_online_publishes_key_packages_and_fetches() {
    let mut book = Book::new();
    book.ask(1, register());
    book.settle(&Why::Challenge, challenge(RELAY_KEY));
    let frame = book.transmit(&Why::Register);
    let effects = book.answer(frame, registered_answer());
    let expected = [
        Effect::Disarm(TimerId::Retry(frame)),
        Effect::Notify(Change::Registered),
        vault(VaultOp::MakeKeyPackages { count: KEY_PACKAGES, last_resort: true, replaces: true, at: book.stamp() }),
        Effect::Arm(TimerId::Tidy, book.deadline(TimerId::Tidy)),
        Effect::Notify(Change::Connected),
        vault(VaultOp::Compose(Ask::Fetch { items_max: FETCH_ITEMS_MAX, swap: false })),
    ];
    assert_eq!(effects, expected);
    assert_eq!((book.state.session.phase, book.state.session.link), (Phase::Registered, Link::Online));
    assert_eq!(book.ask(2, register()), [answered(2, Answer::Refused(Code::AlreadyRegistered))]);
}

#[test]
fn a_final_no_ends_the_registration_and_a_passing_one_is_tried_again() {
    for (code, last) in [
        (Code::NameTaken, true),
        (Code::MalformedName, true),
        (Code::BadSignature, true),
        (Code::BadCertificate, true),
        (Code::UnknownVersion, true),
        (Code::RelayBusy, false),
        (Code::ChallengeExpired, false),
        (Code::ChallengeUnknown, false),
        (Code::MalformedRequest, false),
    ] {
        let mut book = Book::new();
        book.ask(1, register());
        book.settle(&Why::Challenge, challenge(RELAY_KEY));
        let frame = book.transmit(&Why::Register);
        let effects = book.answer(frame, refusal(code));
        assert_eq!((book.state.session.link, book.under_way()), (Link::Offline, vec![]), "{code:?}");
        let told = if last { Change::RegistrationRefused(code) } else { Change::Disconnected(code) };
        let mut expected = vec![Effect::Disarm(TimerId::Retry(frame)), Effect::Notify(told)];
        if last {
            assert_eq!(book.state.session.phase, Phase::Unregistered, "{code:?}");
            assert!(book.state.timers.is_empty(), "{code:?}");
        } else {
            assert_eq!(book.state.session.phase, Phase::Registering, "{code:?}");
            expected.push(Effect::Arm(TimerId::Login, book.deadline(TimerId::Login)));
        }
        assert_eq!(effects, expected, "{code:?}");
    }
}

#[test]
fn another_relay_than_the_pinned_one_is_forged() {
    let mut book = Book::registered();
    book.ask(1, Intent::Connect);
    let frame = book.transmit(&Why::Challenge);
    let effects = book.answer(frame, challenge(RelayKey([9; 32])));
    let failed = Effect::Notify(Change::Disconnected(Code::ForgedAnswer));
    let again = Effect::Arm(TimerId::Login, book.deadline(TimerId::Login));
    assert_eq!(effects, [Effect::Disarm(TimerId::Retry(frame)), failed, again]);
    assert_eq!(ClientRules::relay(&book.state), Some(RELAY_KEY));
    assert_eq!(book.under_way(), []);
}

#[test]
fn a_frame_that_was_made_for_one_relay_is_not_sent_to_another() {
    // Given a proof for one relay that the vault is making.
    let mut book = Book::new();
    book.ask(1, register());
    book.settle(&Why::Challenge, challenge(RELAY_KEY));
    // When the person chooses another relay.
    book.ask(2, Intent::Register { relay: address("loopback:other"), key: None, token: None });
    let (_, effects) = book.frame(&Why::Abandoned);
    // Then the proof goes nowhere.
    assert_eq!(effects, []);
}
