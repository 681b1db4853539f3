//! The inbox.

use super::*;
use crate::Strangers;
use thicket_types::limits::RECEIPTS_HELD_MAX;

#[test]
fn an_envelope_is_opened_once_and_acknowledged_each_time() {
    let mut book = Book::registered();
    let effects = book.envelope(1);
    let open = VaultOp::OpenEnvelope { envelope: Seq(book.seq), at: book.stamp(), last: false };
    let deadline = book.stamp().after(ACKNOWLEDGE_AFTER);
    let soon = book.deadline(TimerId::Fetch);
    assert!(within_a_quarter(soon.0 - book.now, FETCH_SOON), "what else a lost push left behind is asked for soon");
    assert_eq!(effects, [Effect::Arm(TimerId::Acknowledge, deadline), Effect::Arm(TimerId::Fetch, soon), vault(open)]);
    // The same again, in the same block, before admission could know.
    assert_eq!(book.envelope(1), []);
    // Admission shrinks a later one to its place.
    let content = Arrived::Envelope { cursor: 8, sender: BOB, sealed: Bytes(vec![1; 8]) };
    let arrival = Arrival { frame: FrameId([1; 32]), lane: Lane::Named, content };
    let repeat = Arrival { content: Arrived::Repeat { cursor: 8 }, ..arrival.clone() };
    assert_eq!(ClientRules::admit(&book.state, book.stamp(), arrival), Admission::Taken(repeat));
    assert_eq!(book.arrive(FrameId([1; 32]), Arrived::Repeat { cursor: 8 }), []);
    assert_eq!(book.state.unacknowledged, BTreeSet::from([1, 8]));
}

#[test]
fn frames_are_forgotten_when_they_are_too_old_or_too_many() {
    let place = |seq, stamp| Place { segment: SEGMENT, seq: Seq(seq), stamp: Stamp(stamp) };
    let mut seen = Seen::default();
    assert!(seen.note(frame_id(1), place(1, START)));
    assert!(!seen.note(frame_id(1), place(2, START)));
    assert!(seen.note(frame_id(2), place(3, START + SEEN_FRAMES_FOR.0)));
    assert!(seen.holds(frame_id(1)));
    assert!(seen.note(frame_id(3), place(4, START + SEEN_FRAMES_FOR.0 + 1)));
    assert!(!seen.holds(frame_id(1)) && seen.holds(frame_id(2)));
    for number in 0..SEEN_FRAMES_MAX as u64 {
        assert!(seen.note(frame_id(10 + number), place(10 + number, START + SEEN_FRAMES_FOR.0 + 1)));
    }
    assert!(!seen.holds(frame_id(3)) && seen.holds(frame_id(10)));
}

#[test]
fn acknowledgements_are_gathered() {
    // Given three items within the wait, one of them not for us.
    let mut book = Book::registered();
    book.envelope(3);
    assert_eq!(
        book.arrive(FrameId([9; 32]), Arrived::Unsealable { cursor: 1, cause: Code::Unsealable }),
        [Effect::Notify(Change::Dropped(Code::Unsealable))]
    );
    // It is counted for the person to see; what they block is not.
    book.arrive(FrameId([8; 32]), Arrived::Unsealable { cursor: 1, cause: Code::FromBlocked });
    assert_eq!(crate::view(&book.state).dropped, 1);
    book.envelope(2);
    // When it is over, one request names all.
    let acknowledge = |cursors: &[u64]| vault(VaultOp::Compose(Ask::Acknowledge { cursors: cursors.to_vec() }));
    assert_eq!(book.elapse(TimerId::Acknowledge), [acknowledge(&[1, 2, 3])]);
    // What comes meanwhile waits for its answer.
    book.envelope(4);
    assert_eq!(book.elapse(TimerId::Acknowledge), []);
    let frame = book.transmit(&Why::Acknowledge(vec![1, 2, 3]));
    let effects = book.answer(frame, Said::Acknowledged(wire::Acknowledged {}));
    assert_eq!(effects, [Effect::Disarm(TimerId::Retry(frame)), acknowledge(&[4])]);
    assert_eq!(book.state.unacknowledged, BTreeSet::from([4]));
}

#[test]
fn one_acknowledgement_names_so_many_and_the_next_the_rest() {
    let mut book = Book::registered();
    for cursor in 0..ACKNOWLEDGE_MAX as u64 * 5 {
        book.arrive(frame_id(5_000 + cursor), Arrived::Unsealable { cursor, cause: Code::Unsealable });
    }
    assert_eq!(book.state.unacknowledged.len(), ACKNOWLEDGE_MAX * 4);
    let cursors: Vec<u64> = (0..ACKNOWLEDGE_MAX as u64).collect();
    assert_eq!(book.elapse(TimerId::Acknowledge), [vault(VaultOp::Compose(Ask::Acknowledge { cursors: cursors.clone() }))]);
    book.settle(&Why::Acknowledge(cursors), Said::Acknowledged(wire::Acknowledged {}));
    let next: Vec<u64> = (ACKNOWLEDGE_MAX as u64..ACKNOWLEDGE_MAX as u64 * 2).collect();
    assert_eq!(book.under_way(), [Why::Acknowledge(next)]);
}

#[test]
fn an_envelope_that_can_never_be_read_is_told_unless_it_was_here_before() {
    let mut book = Book::registered();
    let unreadable = |cause| Outcome::Opened(Opened::Unreadable { contact: BOB, name: name("bob"), cause });
    let effects = book.receive(1, unreadable(Code::TooOld));
    assert_eq!(effects, [Effect::Notify(Change::Unreadable { contact: BOB, cause: Code::TooOld })]);
    assert_eq!(book.receive(2, unreadable(Code::Repeated)), []);
    assert!(book.state.contacts.is_empty());
}

#[test]
fn a_stranger_gets_no_receipt_until_accepted() {
    // Given a message of somebody who wrote first.
    let mut book = Book::registered();
    book.receive(1, opened_message(BOB, 1, true));
    assert_eq!(book.bob().standing, Standing::Asking);
    // When the receipts have gathered, none goes.
    assert_eq!(book.elapse(TimerId::Receipts(BOB)), []);
    assert_eq!(book.under_way(), []);
    // When they are accepted, their mailbox is looked up first.
    let effects = book.ask(2, Intent::AcceptContact { contact: BOB });
    let look_up = vault(VaultOp::Compose(Ask::Lookup(name("bob"))));
    let grant = Effect::Arm(TimerId::Grant, book.deadline(TimerId::Grant));
    assert_eq!(effects, [Effect::Notify(Change::Contact(BOB)), grant, look_up, answered(2, Answer::Accepted)]);
    book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
    let effects = book.resolve(&Why::Pin(name("bob")), pinned(BOB, "bob", None));
    // Then what was delivered is told.
    let receipt = VaultOp::SealReceipt { contact: BOB, mailbox: MAILBOX, messages: vec![message(1)], at: book.stamp() };
    assert_eq!(effects, [Effect::Notify(Change::Contact(BOB)), vault(receipt)]);
    assert!(book.bob().receipts.is_empty() && !book.bob().receipts_due);
}

#[test]
fn nobody_unknown_is_accepted() {
    let mut book = Book::registered();
    let refused = [answered(1, Answer::Refused(Code::UnknownContact))];
    assert_eq!(book.ask(1, Intent::AcceptContact { contact: BOB }), refused);
}

#[test]
fn receipts_are_gathered_and_bounded() {
    let mut book = Book::talking();
    for number in 0..=RECEIPTS_MAX as u64 {
        let content = Arrived::Envelope { cursor: number, sender: BOB, sealed: Bytes(vec![0; 4]) };
        book.arrive(frame_id(8_000 + number), content);
        let why = Why::Open(Seq(book.seq), book.stamp());
        let id = MessageId(u128::from(number).to_be_bytes());
        let Outcome::Opened(Opened::Message { contact, name, conversation, claimed, moved, .. }) = opened_message(BOB, 0, false) else {
            panic!("a message");
        };
        book.resolve(&why, Outcome::Opened(Opened::Message { contact, name, conversation, message: id, claimed, moved }));
    }
    let effects = book.elapse(TimerId::Receipts(BOB));
    let [Effect::Vault(VaultOp::SealReceipt { messages, .. }), Effect::Arm(TimerId::Receipts(BOB), _)] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    assert_eq!(messages.len(), RECEIPTS_MAX);
    let effects = book.elapse(TimerId::Receipts(BOB));
    let [Effect::Vault(VaultOp::SealReceipt { messages, .. })] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    assert_eq!(messages.len(), 1);
    // A receipt is not acknowledged by the contact, and needs nothing once it is stored.
    assert!(book.bob().receipts.is_empty());
}

#[test]
fn acknowledgements_gather_for_so_long() {
    let mut book = Book::registered();
    let elapsed = Event::Elapsed { timer: TimerId::Acknowledge, fault: false };
    book.envelope(1);
    book.now += ACKNOWLEDGE_AFTER.0 - 1;
    assert_eq!(book.fold(&elapsed), []);
    book.envelope(2);
    book.now += 1;
    assert_eq!(book.fold(&elapsed), [vault(VaultOp::Compose(Ask::Acknowledge { cursors: vec![1, 2] }))]);
}

#[test]
fn receipts_gather_for_so_long() {
    let mut book = Book::talking();
    let elapsed = Event::Elapsed { timer: TimerId::Receipts(BOB), fault: false };
    book.receive(1, opened_message(BOB, 1, false));
    book.now += RECEIPTS_AFTER.0 - 1;
    assert_eq!(book.fold(&elapsed), []);
    book.receive(2, opened_message(BOB, 2, false));
    book.now += 1;
    let messages = vec![message(1), message(2)];
    assert_eq!(book.fold(&elapsed), [vault(VaultOp::SealReceipt { contact: BOB, mailbox: MAILBOX, messages, at: book.stamp() })]);
}

#[test]
fn a_sender_to_whom_too_many_receipts_are_owed_is_not_told_of_a_further_message() {
    // Given a stranger to whom all receipts but one are owed that may be.
    let mut book = Book::registered();
    book.receive(1, opened_message(BOB, 1, true));
    let owed = (1..RECEIPTS_HELD_MAX as u128).map(|number| MessageId(number.to_be_bytes()));
    book.state.contacts.get_mut(&BOB).expect("Bob").receipts = owed.collect();
    // When two more messages come.
    for number in [2, 3] {
        let effects = book.receive(number, opened_message(BOB, number, false));
        assert_eq!(effects, [Effect::Notify(Change::Received { contact: BOB, message: message(number) })]);
    }
    // Then the first took the last place.
    assert_eq!(book.bob().receipts.len(), RECEIPTS_HELD_MAX);
    assert_eq!(book.bob().receipts.last(), Some(&message(2)));
}

#[test]
fn an_envelope_that_the_vault_can_make_nothing_of_is_told_and_counted() {
    for outcome in [Outcome::Refused(Code::Unsealable), Outcome::Fault(Code::Inconsistent)] {
        let mut book = Book::registered();
        let (Outcome::Refused(cause) | Outcome::Fault(cause)) = outcome else {
            panic!("no refusal");
        };
        assert_eq!(book.receive(1, outcome), [Effect::Notify(Change::Dropped(cause))]);
        assert_eq!(book.state.dropped, 1);
    }
}

#[test]
fn a_receipt_to_a_mailbox_that_was_just_shown_and_is_not_there_waits() {
    // A relay that was restored, or lies: without the wait one would follow the other at the pace of its answers.
    let mut book = Book::talking();
    book.receive(1, opened_message(BOB, 1, false));
    book.elapse(TimerId::Receipts(BOB));
    let effects = book.settle(&Why::Receipt(BOB, vec![message(1)]), refusal(Code::UnknownMailbox));
    assert_eq!(ops(&effects), []);
    let waits = book.deadline(TimerId::Advance(BOB)).0 - book.now;
    assert!(waits >= 60_000, "{waits} ms");
}

/// So many wait, a relay sends some of them, and each is opened and acknowledged; what that leads to.
fn fetch_and_acknowledge(book: &mut Book, waiting: u32, sent: u8) -> Vec<Effect> {
    book.elapse(TimerId::Fetch);
    book.settle(&Why::Fetch, fetched(waiting));
    for number in 20..20 + sent {
        book.receive(number, opened_message(BOB, number, false));
    }
    let cursors = book.state.unacknowledged.iter().copied().collect();
    book.elapse(TimerId::Acknowledge);
    book.settle(&Why::Acknowledge(cursors), Said::Acknowledged(wire::Acknowledged {}))
}

#[test]
fn what_a_fetch_did_not_bring_is_asked_for_once_the_rest_is_acknowledged() {
    let fetch = || vec![VaultOp::Compose(Ask::Fetch { items_max: FETCH_ITEMS_MAX, swap: false })];
    let mut book = Book::talking();
    assert_eq!(ops(&fetch_and_acknowledge(&mut book, 60, 22)), fetch());
    let mut book = Book::talking();
    assert_eq!(ops(&fetch_and_acknowledge(&mut book, 22, 22)), []);
    // Of strangers so few may be left there, once the day's budget for them is used up: contacts' go before.
    for (waiting, asked) in [(60, vec![]), (FETCH_ITEMS_MAX + 30, fetch())] {
        let mut book = Book::talking();
        let day = book.now / 86_400_000;
        book.state.strangers = Strangers { day, len: STRANGERS_LEN_MAX };
        assert_eq!(ops(&fetch_and_acknowledge(&mut book, waiting, 22)), asked);
    }
}
