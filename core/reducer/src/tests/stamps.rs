//! Work that the relay asks for.

use super::*;
use thicket_types::limits::STAMP_BITS_AHEAD;

fn needed(bits: u32) -> Said {
    Said::Refusal(wire::Refusal { code: Code::StampNeeded.number(), stamp_bits: bits })
}

/// What the vault works for: that purpose, so often in a row.
fn worked_for(book: &Book, why: Why, times: u32) -> Why {
    let whys = book.state.outstanding.values().map(|outstanding| outstanding.why.clone());
    let found =
        whys.into_iter().find(|found| matches!(found, Why::Stamp(inner, count, _) if Why::from(inner.clone()) == why && *count == times));
    found.unwrap_or_else(|| Why::Stamp(why.stampable().expect("a request of the anonymous lane"), times, Stamp(0)))
}

/// An answer by a clock of the relay's.
fn answer_at(book: &mut Book, to: FrameId, clock_ms: u64, said: Said) -> Vec<Effect> {
    let frame = book.new_frame();
    let answer = wire::Answer { version: 1, to: to.0.to_vec(), clock_ms, said: Some(said) }.encode_to_vec();
    book.arrive(frame, Arrived::Answer { answer: Bytes(answer) })
}

/// A message whose frame went out.
fn in_flight() -> (Book, FrameId, Why) {
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    let why = Why::Message(message(1));
    let frame = book.transmit(&why);
    (book, frame, why)
}

#[test]
fn the_work_is_done_and_the_request_goes_with_it() {
    let (mut book, frame, why) = in_flight();
    let request = book.state.requests[&frame].frame;
    // When the relay asks for work, three hours and a bit into its epoch.
    let effects = answer_at(&mut book, frame, 3 * 3_600_000 + 5, needed(STAMP_BITS_MAX));
    // Then the vault does it for the bytes of that request, for this relay and that hour.
    let stamp = VaultOp::Stamp { request, relay: RELAY_KEY, bits: STAMP_BITS_MAX, hour: 3 };
    assert_eq!(effects, [Effect::Disarm(TimerId::Retry(frame)), vault(stamp)]);
    assert_eq!(book.under_way(), [worked_for(&book, why.clone(), 1)]);
    assert_eq!(ClientRules::named(&book.state), BTreeSet::from([request]), "the bytes are kept meanwhile");
    // And what it makes takes the request's place, under its own name.
    let (stamped, effects) = book.frame(&worked_for(&book, why.clone(), 1));
    let sent = Send { to: address(RELAY), lane: Lane::Anonymous, frame: Seq(book.seq) };
    assert_eq!(effects, [Effect::Send(sent), Effect::Arm(TimerId::Retry(stamped), book.deadline(TimerId::Retry(stamped)))]);
    assert_eq!(book.state.requests.len(), 1);
    assert_eq!((&book.state.requests[&stamped].why, book.state.requests[&stamped].tries), (&why, 1));
    // An answer to the old one says nothing; one to the new one settles the message.
    assert_eq!(book.answer(frame, stored()), []);
    book.answer(stamped, stored());
    assert!(book.state.outbox.is_empty());
}

#[test]
fn a_little_more_is_done_than_was_asked_so_that_it_is_enough_when_it_comes() {
    let (mut book, frame, _) = in_flight();
    let effects = book.answer(frame, needed(8));
    let [VaultOp::Stamp { bits, .. }] = ops(&effects)[..] else {
        panic!("{effects:?}");
    };
    assert_eq!(bits, 8 + STAMP_BITS_AHEAD);
}

#[test]
fn lookups_and_key_packages_are_worked_for_too() {
    let mut book = Book::registered();
    book.ask(1, Intent::AddContact { name: name("bob") });
    book.settle(&Why::Lookup(name("bob")), needed(3));
    let why = worked_for(&book, Why::Lookup(name("bob")), 1);
    book.settle(&why, Said::Entry(wire::Entry::default()));
    assert_eq!(book.under_way(), [Why::Pin(name("bob"))]);
}

#[test]
fn a_relay_that_is_never_content_is_worked_for_three_times_in_a_row() {
    let (mut book, mut frame, why) = in_flight();
    for round in 0..3 {
        for times in 1..=3 {
            assert_eq!(ops(&book.answer(frame, needed(8))).len(), 1, "round {round}, {times}");
            frame = book.transmit(&worked_for(&book, why.clone(), times));
        }
        // Asked again, the request waits, and goes once more as it is.
        let record = book.state.requests[&frame].frame;
        let effects = book.answer(frame, needed(8));
        let deadline = book.deadline(TimerId::Retry(frame));
        assert_eq!(effects, [Effect::Arm(TimerId::Retry(frame), deadline)]);
        assert!(deadline.0 - book.now >= 32_000);
        let sent = Send { to: address(RELAY), lane: Lane::Anonymous, frame: record };
        assert_eq!(sends(&book.elapse(TimerId::Retry(frame))), [sent]);
        book.resolve(&Why::Handing(frame), Outcome::Handed);
    }
    assert!(book.state.outbox.contains_key(&message(1)));
}

#[test]
fn more_work_than_a_client_does_is_not_done_and_the_request_waits() {
    for bits in [STAMP_BITS_MAX + 1, u32::MAX] {
        let (mut book, frame, _) = in_flight();
        let effects = book.answer(frame, needed(bits));
        assert_eq!(effects, [Effect::Arm(TimerId::Retry(frame), book.deadline(TimerId::Retry(frame)))]);
        assert!(book.state.requests.contains_key(&frame) && book.state.outbox.contains_key(&message(1)));
        // Asked for less by then, it is done.
        book.elapse(TimerId::Retry(frame));
        assert_eq!(ops(&book.answer(frame, needed(1))).len(), 1);
    }
}

#[test]
fn nothing_of_the_named_lane_is_worked_for() {
    let mut book = Book::registered();
    book.elapse(TimerId::Fetch);
    let frame = book.transmit(&Why::Fetch);
    assert_eq!(ops(&book.answer(frame, needed(1))), []);
    assert!(book.state.requests.contains_key(&frame));
    book.ask(1, Intent::Connect);
    let frame = book.transmit(&Why::Challenge);
    assert_eq!(ops(&book.answer(frame, needed(1))), []);
    let frame = {
        book.answer(frame, challenge(RELAY_KEY));
        book.transmit(&Why::Login)
    };
    assert_eq!(ops(&book.answer(frame, needed(1))), []);
}

#[test]
fn a_vault_that_can_not_do_the_work_fails_what_it_was_for() {
    // A message fails, and its row says why.
    let (mut book, frame, why) = in_flight();
    let at = book.stamp();
    book.answer(frame, needed(8));
    let effects = book.resolve(&worked_for(&book, why, 1), Outcome::Refused(Code::MalformedRequest));
    let filed = VaultOp::File {
        message: message(1),
        contact: BOB,
        body: Some(BodyRef([1; 16])),
        at,
        state: MessageState::Failed,
        cause: Some(Code::MalformedRequest),
    };
    let told = Effect::Notify(Change::Message { message: message(1), state: MessageState::Failed });
    assert_eq!(effects, [vault(filed), told]);
    assert!(book.state.outbox.is_empty());
    // A lookup has found nobody.
    let mut book = Book::registered();
    book.ask(1, Intent::AddContact { name: name("bob") });
    book.settle(&Why::Lookup(name("bob")), needed(3));
    let effects = book.resolve(&worked_for(&book, Why::Lookup(name("bob")), 1), Outcome::Fault(Code::MalformedRequest));
    assert_eq!(effects, [Effect::Notify(Change::LookupFailed { name: name("bob"), cause: Code::MalformedRequest })]);
}

#[test]
fn work_that_is_done_while_offline_goes_after_the_next_login() {
    let (mut book, frame, why) = in_flight();
    book.answer(frame, needed(8));
    book.fall_offline();
    let (stamped, effects) = book.frame(&worked_for(&book, why, 1));
    assert_eq!(sends(&effects), []);
    let record = book.state.requests[&stamped].frame;
    book.elapse(TimerId::Login);
    book.log_in();
    let sent = sends(&book.go_on(6));
    assert!(sent.contains(&Send { to: address(RELAY), lane: Lane::Anonymous, frame: record }), "{sent:?}");
}
