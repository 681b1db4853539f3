//! Requests: retries, backoff, answers.

use super::*;
use thicket_types::limits::SEALED_CONTACT_MAX;

#[test]
fn the_wait_doubles_and_is_bounded() {
    let waits = [4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000];
    for (tries, wait) in (1..).zip(waits) {
        assert_eq!(backoff(tries), Duration(wait));
    }
    assert_eq!(backoff(0), RETRY_FIRST);
    for tries in [8, 9, 64, 65, u32::MAX] {
        assert_eq!(backoff(tries), RETRY_MAX);
    }
}

#[test]
fn a_request_is_sent_again_with_the_same_bytes_until_it_is_answered() {
    let mut book = Book::registered();
    book.ask(1, Intent::AddContact { name: name("bob") });
    let frame = book.transmit(&Why::Lookup(name("bob")));
    let (timer, record) = (TimerId::Retry(frame), book.state.requests[&frame].frame);
    for (tries, wait) in (1..).zip([4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000]) {
        assert_eq!(book.state.requests[&frame].tries, tries);
        let span = book.deadline(timer).0 - book.now;
        assert!(within_a_quarter(span, Duration(wait)), "try {tries} waits {span}");
        let effects = book.elapse(timer);
        let sent = Send { to: address(RELAY), lane: Lane::Anonymous, frame: record };
        assert_eq!(effects, [Effect::Send(sent), Effect::Arm(timer, book.deadline(timer))]);
        book.resolve(&Why::Handing(frame), Outcome::Unreachable);
    }
    let effects = book.answer(frame, Said::Entry(wire::Entry::default()));
    let pin = VaultOp::PinContact { name: name("bob"), answer: Seq(book.seq), at: book.stamp() };
    assert_eq!(effects, [Effect::Disarm(timer), vault(pin)]);
    assert!(book.state.requests.is_empty());
}

#[test]
fn a_timer_before_its_deadline_or_without_one_changes_nothing() {
    let mut book = Book::registered();
    let before = book.state.clone();
    assert_eq!(book.fold(&Event::Elapsed { timer: TimerId::Fetch, fault: false }), []);
    assert_eq!(book.fold(&Event::Elapsed { timer: TimerId::Login, fault: false }), []);
    assert_eq!(book.state, before);
}

#[test]
fn a_timer_whose_fold_panicked_is_dropped() {
    let mut book = Book::registered();
    book.now = book.deadline(TimerId::Fetch).0;
    assert_eq!(book.fold(&Event::Elapsed { timer: TimerId::Fetch, fault: true }), []);
    assert!(!book.state.timers.contains_key(&TimerId::Fetch));
}

#[test]
fn a_second_outcome_for_an_effect_changes_nothing_but_the_count() {
    let mut book = Book::registered();
    book.ask(1, Intent::AddContact { name: name("bob") });
    let effect = book.open(&Why::Lookup(name("bob")));
    let (frame, _) = book.frame(&Why::Lookup(name("bob")));
    let mut before = book.state.clone();
    let outcome = Outcome::Framed { frame, bytes: Bytes(vec![1; 8]) };
    assert_eq!(book.fold(&Event::Resolved { effect, outcome, vault_count: 7 }), []);
    assert_eq!(ClientRules::vault_count(&book.state), 7);
    before.vault_count = 7;
    assert_eq!(book.state, before);
}

#[test]
fn an_answer_to_a_request_that_does_not_wait_is_not_admitted_and_changes_nothing() {
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    let frame = book.transmit(&Why::Message(message(1)));
    let arrival =
        |to| Arrival { frame: frame_id(900), lane: Lane::Anonymous, content: Arrived::Answer { answer: answer_bytes(to, stored()) } };
    assert_eq!(ClientRules::admit(&book.state, book.stamp(), arrival(frame)), Admission::Taken(arrival(frame)));
    assert_eq!(ClientRules::admit(&book.state, book.stamp(), arrival(frame_id(901))), Admission::Dropped);
    let garbage = Arrival { content: Arrived::Answer { answer: Bytes(vec![0xff; 9]) }, ..arrival(frame) };
    assert_eq!(ClientRules::admit(&book.state, book.stamp(), garbage.clone()), Admission::Dropped);
    // Nor does it do anything if it is folded all the same.
    let before = book.state.clone();
    assert_eq!(book.fold(&Event::Arrived(arrival(frame_id(901)))), []);
    assert_eq!(book.fold(&Event::Arrived(garbage)), []);
    assert_eq!(book.state, before);
    // And one that was answered waits no more.
    book.fold(&Event::Arrived(arrival(frame)));
    assert_eq!(ClientRules::admit(&book.state, book.stamp(), arrival(frame)), Admission::Dropped);
}

#[test]
fn what_comes_on_the_wrong_lane_is_not_admitted() {
    // Given a request on either lane.
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    let anonymous = book.transmit(&Why::Message(message(1)));
    book.elapse(TimerId::Fetch);
    let named = book.transmit(&Why::Fetch);
    let judged = |lane, content| ClientRules::admit(&book.state, book.stamp(), Arrival { frame: frame_id(900), lane, content });
    let answer = |to| Arrived::Answer { answer: answer_bytes(to, stored()) };
    // Then its answer counts on its own lane alone: on the other one it would tell the relay whose both are.
    assert!(matches!(judged(Lane::Anonymous, answer(anonymous)), Admission::Taken(_)));
    assert!(matches!(judged(Lane::Named, answer(named)), Admission::Taken(_)));
    assert_eq!(judged(Lane::Named, answer(anonymous)), Admission::Dropped);
    assert_eq!(judged(Lane::Anonymous, answer(named)), Admission::Dropped);
    // So do items: they would be acknowledged on the named one.
    let sealed = Bytes(vec![1; 8]);
    for item in [
        Arrived::Envelope { cursor: 1, sender: BOB, sealed },
        Arrived::Repeat { cursor: 1 },
        Arrived::Unsealable { cursor: 1, cause: Code::Unsealable },
    ] {
        assert!(matches!(judged(Lane::Named, item.clone()), Admission::Taken(_)));
        assert_eq!(judged(Lane::Anonymous, item), Admission::Dropped);
    }
}

#[test]
fn an_answer_to_another_question_is_a_refusal() {
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    book.settle(&Why::Message(message(1)), fetched(3));
    assert!(book.state.outbox.is_empty());
    assert_eq!(book.under_way(), [Why::File]);
    assert_eq!(book.state.session.waiting, 0);
}

#[test]
fn requests_are_bounded() {
    // Given as many requests without an answer as there may be, a login among them.
    let mut book = Book::talking();
    book.ask(1, Intent::Connect);
    book.transmit(&Why::Challenge);
    book.ask(2, send_to(BOB, 2));
    for number in 0..REQUESTS_MAX as u64 - 1 {
        let waiting = InFlight {
            why: Why::Message(message(9)),
            to: address(RELAY),
            lane: Lane::Anonymous,
            frame: Seq(1),
            at: Stamp(START),
            tries: 1,
            stamps: 0,
        };
        book.state.requests.insert(frame_id(1_000_000 + number), waiting);
    }
    // When the vault made one more.
    book.frame(&Why::Message(message(2)));
    // Then there are no more than may be, and neither the login nor the message is lost.
    // The session's own are few, and beyond the bound.
    assert!(book.state.requests.len() <= REQUESTS_MAX + 8, "{} requests", book.state.requests.len());
    let login = book.under_way().contains(&Why::Challenge) || book.state.timers.contains_key(&TimerId::Login);
    assert!(login || book.state.session.link != Link::Asking, "nothing leads the login on");
    assert!(book.state.outbox.contains_key(&message(2)));
}

#[test]
fn requests_that_all_carry_messages_are_bounded() {
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    for number in 0..REQUESTS_MAX as u64 {
        let waiting = InFlight {
            why: Why::Message(message(9)),
            to: address(RELAY),
            lane: Lane::Anonymous,
            frame: Seq(1),
            at: Stamp(START),
            tries: 1,
            stamps: 0,
        };
        book.state.requests.insert(frame_id(1_000_000 + number), waiting);
    }
    book.frame(&Why::Message(message(1)));
    // The session's own are few, and beyond the bound.
    assert!(book.state.requests.len() <= REQUESTS_MAX + 8, "{} requests", book.state.requests.len());
    assert!(book.state.outbox.contains_key(&message(1)));
}

#[test]
fn past_the_bound_nothing_new_is_asked_for_and_what_is_queued_waits_its_turn() {
    // Given room for one more.
    let mut book = Book::talking();
    for number in 0..REQUESTS_MAX as u64 - 1 {
        let (why, to) = (Why::Update(CAROL), address(RELAY));
        let waiting = InFlight { why, to, lane: Lane::Anonymous, frame: Seq(1), at: book.stamp(), tries: 1, stamps: 0 };
        book.state.requests.insert(frame_id(1_000_000 + number), waiting);
    }
    let add = |text| Intent::AddContact { name: name(text) };
    assert_eq!(ops(&book.ask(1, add("carol"))), [VaultOp::Compose(Ask::Lookup(name("carol")))]);
    // When more is asked for.
    let refused = |number| [answered(number, Answer::Refused(Code::TooBusy))];
    assert_eq!(book.ask(2, add("dave")), refused(2));
    assert_eq!(book.ask(3, Intent::UpdateKeys { contact: BOB }), refused(3));
    // Then a message waits, and is looked at again in a while, and not sooner.
    let timer = TimerId::Advance(BOB);
    let turn = |book: &Book| Effect::Arm(timer, book.stamp().after(TURN_AFTER));
    let at = book.stamp();
    assert_eq!(book.ask(4, send_to(BOB, 4)), [turn(&book), answered(4, Answer::Queued(message(4)))]);
    book.now += TURN_AFTER.0 - 1;
    assert_eq!(book.fold(&Event::Elapsed { timer, fault: false }), []);
    book.now += 1;
    assert_eq!(book.fold(&Event::Elapsed { timer, fault: false }), [turn(&book)]);
    // When there is room by then, it goes.
    book.state.requests.pop_last();
    let seal = VaultOp::SealMessage { contact: BOB, mailbox: MAILBOX, message: message(4), body: BodyRef([4; 16]), at };
    assert_eq!(book.elapse(timer), [vault(seal)]);
}

#[test]
fn what_the_vault_sealed_by_an_old_lookup_since_a_process_died_is_sealed_anew() {
    // Given a message that the vault was to seal when the process died; the next one begins weeks later.
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    book.now += LOOKUP_EVERY.0;
    book.ask(2, Intent::Connect);
    // When the vault seals it, to the mailbox key of then.
    let (_, effects) = book.frame(&Why::Message(message(1)));
    // Then it goes nowhere: Bob is looked up, and it is sealed to the key of now.
    assert_eq!(ops(&effects), [VaultOp::Compose(Ask::Lookup(name("bob")))]);
    book.log_in();
    let effects = book.find_bob();
    assert!(ops(&effects).contains(&VaultOp::SealAgain { contact: BOB, mailbox: MAILBOX, message: message(1) }), "{effects:?}");
}

#[test]
fn an_entry_that_the_vault_came_to_weeks_later_is_as_old_as_it_is() {
    let mut book = Book::acquainted();
    book.ask(1, Intent::AddContact { name: name("bob") });
    book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
    let shown = book.stamp();
    // The process dies before the vault looked at it.
    book.now += LOOKUP_EVERY.0;
    book.resolve(&Why::Pin(name("bob")), pinned(BOB, "bob", None));
    assert_eq!(book.bob().looked, Some(shown));
    assert_eq!(ops(&book.ask(2, send_to(BOB, 2))), [VaultOp::Compose(Ask::Lookup(name("bob")))]);
}

#[test]
fn without_a_relay_nobody_has_a_turn_each_second() {
    let mut book = Book::talking();
    book.fall_offline();
    for number in 0..REQUESTS_MAX as u64 {
        let request =
            InFlight { why: Why::File, to: address(RELAY), lane: Lane::Anonymous, frame: Seq(0), at: book.stamp(), tries: 0, stamps: 0 };
        book.state.requests.insert(frame_id(number), request);
    }
    book.ask(1, send_to(BOB, 1));
    assert!(!book.state.timers.contains_key(&TimerId::Advance(BOB)));
    assert_eq!(book.bob().queue, [message(1)]);
}

#[test]
fn so_many_messages_to_one_contact_are_sealed_at_once_and_each_that_is_stored_has_the_next_sealed() {
    let mut book = Book::talking();
    let sealed = |effects: &[Effect]| ops(effects).iter().filter(|op| matches!(op, VaultOp::SealMessage { .. })).count();
    let mut asked = 0;
    for number in 0..SEALED_CONTACT_MAX as u64 + 3 {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_be_bytes());
        let intent = Intent::Send { contact: BOB, body: BodyRef([1; 16]), len: 5 };
        asked += sealed(&book.fold(&Event::Requested { id: IntentId(id), intent }));
    }
    assert_eq!((asked, book.bob().queue.len()), (SEALED_CONTACT_MAX, 3));
    assert!(!book.state.timers.contains_key(&TimerId::Advance(BOB)), "nobody waits for a turn that comes by itself");
    let first = MessageId([0; 16]);
    let effects = book.settle(&Why::Message(first), stored());
    assert_eq!((sealed(&effects), book.bob().queue.len()), (1, 2));
    // One that failed, and one that is told of, likewise.
    let second = *book.state.outbox.keys().next().expect("one");
    let effects = book.settle(&Why::Message(second), refusal(Code::TooLarge));
    assert_eq!((sealed(&effects), book.bob().queue.len()), (1, 1));
    let third = *book.state.outbox.keys().next().expect("one");
    let effects = book.receive(1, Outcome::Opened(Opened::Receipt { contact: BOB, delivered: vec![third], moved: false }));
    assert_eq!((sealed(&effects), book.bob().queue.len()), (1, 0));
}
