//! Login, and what follows from being online.

use super::*;
use thicket_types::limits::{GENERATION_EVERY, SESSION_TRIES_MAX};

#[test]
fn only_who_is_registered_can_connect_add_or_send() {
    let mut book = Book::new();
    let refused = Answer::Refused(Code::NotRegistered);
    assert_eq!(book.ask(1, Intent::Connect), [answered(1, refused.clone())]);
    assert_eq!(book.ask(2, Intent::AddContact { name: name("bob") }), [answered(2, refused.clone())]);
    assert_eq!(book.ask(3, send_to(BOB, 3)), [answered(3, refused)]);
    assert_eq!(book.under_way(), []);
}

#[test]
fn connecting_logs_in_and_refills_what_the_relay_ran_low_of() {
    for (left, last_resort, made) in [
        (50, true, None),
        (20, true, None),
        (19, true, Some((31, false))),
        (0, false, Some((50, true))),
        (40, false, Some((10, true))),
        (60, false, Some((0, true))),
    ] {
        let mut book = Book::registered();
        book.now += REFILL_AFTER.0;
        let effects = book.ask(1, Intent::Connect);
        let expected = [Effect::Disarm(TimerId::Fetch), vault(VaultOp::Compose(Ask::Challenge)), answered(1, Answer::Accepted)];
        assert_eq!(effects, expected);
        let frame = book.transmit(&Why::Challenge);
        let effects = book.answer(frame, challenge(RELAY_KEY));
        assert_eq!(effects, [Effect::Disarm(TimerId::Retry(frame)), vault(VaultOp::SignLogin { challenge: signed(), takes_over: false })]);
        let frame = book.transmit(&Why::Login);
        let effects = book.answer(frame, logged_in(left, last_resort));
        let mut expected = vec![Effect::Disarm(TimerId::Retry(frame))];
        expected.extend(
            made.map(|(count, last_resort)| vault(VaultOp::MakeKeyPackages { count, last_resort, replaces: false, at: book.stamp() })),
        );
        expected.push(Effect::Notify(Change::Connected));
        expected.push(vault(VaultOp::Compose(Ask::Fetch { items_max: FETCH_ITEMS_MAX, swap: false })));
        assert_eq!(effects, expected, "{left} left");
        assert_eq!(book.state.session.link, Link::Online);
    }
}

#[test]
fn a_login_without_an_answer_is_begun_anew_and_waits_longer_each_time() {
    let mut book = Book::registered();
    book.ask(1, Intent::Connect);
    for wait in [4_000, 8_000, 16_000, 32_000] {
        // Sent four times with the same bytes.
        let frame = book.transmit(&Why::Challenge);
        for _ in 0..3 {
            book.elapse(TimerId::Retry(frame));
            assert_eq!(book.state.session.link, Link::Asking);
        }
        assert_eq!(book.state.requests[&frame].tries, 4);
        // Then given up: its challenge is too old.
        let effects = book.elapse(TimerId::Retry(frame));
        let again = book.deadline(TimerId::Login);
        assert_eq!(effects, [Effect::Notify(Change::Disconnected(Code::RelayUnreachable)), Effect::Arm(TimerId::Login, again)]);
        assert!(within_a_quarter(again.0 - book.now, Duration(wait)), "{} after {wait}", again.0 - book.now);
        assert!(book.state.requests.is_empty());
        let effects = book.elapse(TimerId::Login);
        assert_eq!(effects, [vault(VaultOp::Compose(Ask::Challenge))]);
    }
}

#[test]
fn being_online_sends_again_what_is_open_with_the_same_bytes() {
    // Given a message that waits for its answer over a restart.
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    let open = book.transmit(&Why::Message(message(1)));
    let record = book.state.requests[&open].frame;
    book.elapse(TimerId::Retry(open));
    // When the client logs in.
    book.ask(2, Intent::Connect);
    book.settle(&Why::Challenge, challenge(RELAY_KEY));
    book.settle(&Why::Login, logged_in(50, true));
    // Then the same record's bytes go out soon, as for the first time, and not at the moment of the login.
    assert!(within_a_quarter(book.deadline(TimerId::Resume).0 - book.now, RESEND_AFTER));
    let effects = book.elapse(TimerId::Resume);
    let sent = Send { to: address(RELAY), lane: Lane::Anonymous, frame: record };
    assert!(effects.contains(&Effect::Send(sent)), "{effects:?}");
    assert_eq!(book.state.requests[&open].tries, 1);
    assert!(within_a_quarter(book.deadline(TimerId::Retry(open)).0 - book.now, RETRY_FIRST));
}

#[test]
fn a_relay_that_forgot_the_lane_is_logged_in_to_again() {
    let mut book = Book::registered();
    book.elapse(TimerId::Fetch);
    let frame = book.transmit(&Why::Fetch);
    let effects = book.answer(frame, refusal(Code::NotLoggedIn));
    // Soon, and not at once: a relay that forgets every login is not asked without end.
    let soon = book.deadline(TimerId::Login);
    assert!(within_a_quarter(soon.0 - book.now, TURN_AFTER));
    let told = Effect::Notify(Change::Disconnected(Code::NotLoggedIn));
    assert_eq!(effects, [Effect::Disarm(TimerId::Retry(frame)), told, Effect::Arm(TimerId::Login, soon)]);
    assert_eq!(book.elapse(TimerId::Login), [vault(VaultOp::Compose(Ask::Challenge))]);
    assert_eq!(book.state.session.link, Link::Asking);
}

#[test]
fn a_fetch_that_is_refused_is_tried_again() {
    // What a lost push left behind is found by fetching alone.
    for code in [Code::RelayBusy, Code::MalformedRequest, Code::TooLarge] {
        let mut book = Book::registered();
        book.elapse(TimerId::Fetch);
        book.settle(&Why::Fetch, refusal(code));
        let next = book.state.timers.contains_key(&TimerId::Fetch) || book.under_way().contains(&Why::Fetch);
        assert!(next || book.state.session.link != Link::Online, "nothing fetches after {code:?}");
    }
}

#[test]
fn key_packages_that_a_busy_relay_did_not_take_are_published_later() {
    let mut book = Book::registered();
    book.ask(1, Intent::Connect);
    book.settle(&Why::Challenge, challenge(RELAY_KEY));
    book.settle(&Why::Login, logged_in(0, false));
    book.settle(&Why::Publish, refusal(Code::RelayBusy));
    assert!(book.under_way().contains(&Why::Publish) || book.state.session.link != Link::Online, "nothing publishes again");
}

#[test]
fn more_items_than_one_fetch_brings_are_fetched_at_once() {
    // Given a mailbox with more than one fetch brings.
    let mut book = Book::registered();
    book.elapse(TimerId::Fetch);
    book.settle(&Why::Fetch, fetched(FETCH_ITEMS_MAX + 1));
    book.envelope(1);
    book.elapse(TimerId::Acknowledge);
    // When the relay forgot what came.
    let effects = book.settle(&Why::Acknowledge(vec![1]), Said::Acknowledged(wire::Acknowledged {}));
    // Then the rest is asked for.
    assert!(effects.contains(&vault(VaultOp::Compose(Ask::Fetch { items_max: FETCH_ITEMS_MAX, swap: false }))), "{effects:?}");
}

#[test]
fn a_fetch_without_an_answer_ends_the_session() {
    let mut book = Book::registered();
    book.elapse(TimerId::Fetch);
    let frame = book.transmit(&Why::Fetch);
    for tries in 1..SESSION_TRIES_MAX {
        assert_eq!((book.state.requests[&frame].tries, book.state.session.link), (tries, Link::Online));
        assert_eq!(sends(&book.elapse(TimerId::Retry(frame))).len(), 1);
    }
    assert_eq!(book.state.requests[&frame].tries, SESSION_TRIES_MAX);
    let effects = book.elapse(TimerId::Retry(frame));
    let again = Effect::Arm(TimerId::Login, book.deadline(TimerId::Login));
    assert_eq!(effects, [Effect::Notify(Change::Disconnected(Code::RelayUnreachable)), again]);
    assert_eq!((book.state.session.link, book.under_way().contains(&Why::Fetch)), (Link::Offline, false));
}

#[test]
fn fetches_that_find_nothing_are_further_and_further_apart_and_so_is_one_that_was_refused() {
    let mut book = Book::registered();
    for (waiting, wait) in [(1, 5), (0, 10), (0, 20), (0, 40), (0, 80), (0, 160), (0, 300), (0, 300), (1, 5)] {
        book.elapse(TimerId::Fetch);
        book.settle(&Why::Fetch, fetched(waiting));
        let span = book.deadline(TimerId::Fetch).0 - book.now;
        assert!(within_a_quarter(span, Duration::seconds(wait)), "{span} after {wait}");
    }
    book.elapse(TimerId::Fetch);
    book.settle(&Why::Fetch, refusal(Code::MalformedRequest));
    assert!(within_a_quarter(book.deadline(TimerId::Fetch).0 - book.now, FETCH_EVERY));
}

#[test]
fn the_relay_gets_another_generation_an_hour_into_a_session_with_the_next_fetch() {
    let mut book = Book::registered();
    let swaps = |book: &mut Book| {
        let effects = book.elapse(TimerId::Fetch);
        book.settle(&Why::Fetch, fetched(0));
        ops(&effects).iter().map(|op| matches!(op, VaultOp::Compose(Ask::Fetch { swap: true, .. }))).collect::<Vec<_>>()
    };
    let login = book.state.session.since;
    let mut swapped = Vec::new();
    while book.now < login.0 + 3 * GENERATION_EVERY.0 {
        let [swap] = swaps(&mut book)[..] else { panic!("one fetch") };
        swapped.extend(swap.then_some(book.now - login.0));
    }
    // Each comes with the first fetch after its hour.
    assert!((2..=3).contains(&swapped.len()), "{swapped:?}");
    for (number, at) in (1..).zip(&swapped) {
        let due = number * GENERATION_EVERY.0;
        assert!((due..due + number * 2 * FETCH_EVERY.0).contains(at), "{swapped:?}");
    }
}
