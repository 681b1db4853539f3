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

/// A login at a relay that does not know the account any more.
fn forgotten(book: &mut Book) -> Vec<Effect> {
    book.ask(240, Intent::Connect);
    book.settle(&Why::Challenge, challenge(RELAY_KEY));
    book.settle(&Why::Login, refusal(Code::UnknownName))
}

#[test]
fn a_relay_that_lost_the_account_is_registered_with_again_and_told_all_that_it_lost() {
    // Given a message in flight, and one that came and is not acknowledged.
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    let frame = book.transmit(&Why::Message(message(1)));
    book.receive(9, opened_message(BOB, 9, false));
    assert_eq!(book.state.unacknowledged.len(), 1);
    // When the relay says that it knows nobody of that name, the person is told, and logins go on.
    let effects = forgotten(&mut book);
    assert!(effects.contains(&Effect::Notify(Change::Disconnected(Code::AccountUnknown))), "{effects:?}");
    assert!(book.state.timers.contains_key(&TimerId::Login) && crate::view(&book.state).registered);
    // Then the same relay may be registered with again, and no other.
    let elsewhere = Intent::Register { relay: address("loopback:other"), key: None, token: None };
    assert_eq!(book.ask(2, elsewhere), [answered(2, Answer::Refused(Code::AlreadyRegistered))]);
    let another = Intent::Register { relay: address(RELAY), key: Some(RelayKey([9; 32])), token: None };
    assert_eq!(book.ask(3, another), [answered(3, Answer::Refused(Code::ForgedAnswer))]);
    let effects = book.ask(4, register());
    assert_eq!(ops(&effects), [VaultOp::Compose(Ask::Challenge)]);
    let effects = book.settle(&Why::Challenge, challenge(RELAY_KEY));
    assert_eq!(ops(&effects), [VaultOp::SignRegistration { challenge: signed(), token: None }]);
    let effects = book.settle(&Why::Register, registered_answer());
    let whole_stock = VaultOp::MakeKeyPackages { count: KEY_PACKAGES, last_resort: true, replaces: true, at: book.stamp() };
    let capabilities = VaultOp::SetCapabilities { grant: vec![BOB], renew: vec![], revoke: vec![] };
    for told in [whole_stock, capabilities] {
        assert!(ops(&effects).contains(&told), "{effects:?}");
    }
    // What stood in the lost mailbox is acknowledged in no other, and what is under way stays so.
    assert!(book.state.unacknowledged.is_empty() && book.state.session.phase == Phase::Registered);
    assert_eq!((book.bob().mailbox, book.state.requests.contains_key(&frame)), (Some(MAILBOX), true));
    assert_eq!(book.ask(5, register()), [answered(5, Answer::Refused(Code::AlreadyRegistered))]);
}

#[test]
fn a_relay_that_lost_the_account_and_does_not_take_it_again_is_logged_in_to_when_it_has_it() {
    let mut book = Book::talking();
    forgotten(&mut book);
    book.ask(1, register());
    book.settle(&Why::Challenge, challenge(RELAY_KEY));
    let effects = book.settle(&Why::Register, refusal(Code::RegistrationClosed));
    assert!(effects.contains(&Effect::Notify(Change::RegistrationRefused(Code::RegistrationClosed))), "{effects:?}");
    // Given its operator puts the right store back.
    assert_eq!(ops(&book.elapse(TimerId::Login)), [VaultOp::Compose(Ask::Challenge)]);
    book.log_in();
    assert_eq!((book.state.session.phase, book.state.session.link), (Phase::Registered, Link::Online));
}

#[test]
fn whose_name_a_relay_gave_to_another_meanwhile_is_told_so_and_takes_what_waits_to_another_relay() {
    let mut book = Book::talking();
    // Given a relay that lost its store, and a stranger who was first: the login's signature is checked by the stranger's key.
    book.ask(240, Intent::Connect);
    book.settle(&Why::Challenge, challenge(RELAY_KEY));
    let effects = book.settle(&Why::Login, refusal(Code::BadSignature));
    assert!(effects.contains(&Effect::Notify(Change::Disconnected(Code::NameLost))), "{effects:?}");
    assert!(book.state.timers.contains_key(&TimerId::Login), "the right store may come back");
    // When the owner registers again, they are told the same, and logins go on.
    let effects = book.ask(1, register());
    assert_eq!(ops(&effects), [VaultOp::Compose(Ask::Challenge)]);
    book.settle(&Why::Challenge, challenge(RELAY_KEY));
    let effects = book.settle(&Why::Register, refusal(Code::NameTaken));
    assert!(effects.contains(&Effect::Notify(Change::RegistrationRefused(Code::NameLost))), "{effects:?}");
    assert_eq!(ops(&book.elapse(TimerId::Login)), [VaultOp::Compose(Ask::Challenge)]);
    book.settle(&Why::Challenge, challenge(RELAY_KEY));
    let effects = book.settle(&Why::Login, refusal(Code::BadSignature));
    assert!(effects.contains(&Effect::Notify(Change::Disconnected(Code::NameLost))), "{effects:?}");
    // What is sent meanwhile waits.
    assert!(
        book.ask(2, send_to(BOB, 2))
            .contains(&Effect::Notify(Change::Answered { intent: IntentId([2; 16]), answer: Answer::Queued(message(2)) }))
    );
    // Then the account goes to another relay, and what waits is for there: nothing of the lost one holds.
    book.ask(3, Intent::ChangeRelay { relay: address("loopback:other"), key: None, token: None });
    book.settle(&Why::Challenge, challenge(RelayKey([8; 32])));
    let effects = book.settle(&Why::Register, registered_answer());
    assert!(ops(&effects).contains(&VaultOp::Compose(Ask::Lookup(name("bob")))), "{effects:?}");
    assert_eq!((book.state.session.phase, book.bob().mailbox), (Phase::Registered, None));
    assert_eq!(book.bob().queue, [message(2)]);
}

#[test]
fn a_relay_that_gave_the_name_to_another_is_logged_in_to_when_it_has_the_account_again() {
    let mut book = Book::talking();
    book.ask(240, Intent::Connect);
    book.settle(&Why::Challenge, challenge(RELAY_KEY));
    book.settle(&Why::Login, refusal(Code::BadSignature));
    assert_eq!(ops(&book.elapse(TimerId::Login)), [VaultOp::Compose(Ask::Challenge)]);
    book.log_in();
    assert_eq!((book.state.session.phase, book.state.session.link), (Phase::Registered, Link::Online));
}

#[test]
fn an_account_that_its_relay_lost_can_be_taken_to_another() {
    let mut book = Book::talking();
    forgotten(&mut book);
    book.ask(1, Intent::ChangeRelay { relay: address("loopback:other"), key: None, token: None });
    book.settle(&Why::Challenge, challenge(RelayKey([8; 32])));
    book.settle(&Why::Register, registered_answer());
    assert_eq!((book.state.session.phase, book.bob().mailbox), (Phase::Registered, None));
}

#[test]
fn a_copy_does_not_register_again_before_the_person_decided_for_it() {
    // Given a relay that does not know the account, and knows it again, and with it another copy.
    let mut book = Book::talking();
    forgotten(&mut book);
    book.ask(2, Intent::Connect);
    book.settle(&Why::Challenge, challenge(RELAY_KEY));
    book.settle(&Why::Login, refusal(Code::ProfileCopied));
    assert!(book.state.session.copied);
    assert_eq!(book.ask(3, register()), [answered(3, Answer::Refused(Code::ProfileCopied))]);
    // When they take over, the login says so; and if the account is unknown again, it may be registered.
    book.ask(4, Intent::TakeOver);
    forgotten(&mut book);
    assert_eq!(ops(&book.ask(5, register())), [VaultOp::Compose(Ask::Challenge)]);
}
