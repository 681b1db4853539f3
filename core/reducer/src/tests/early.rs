use super::*;
use crate::state::{Contact, Held};
use thicket_types::limits::{HELD_FOR, HELD_LEN_ALL_MAX, HELD_LEN_MAX};

/// What is held since the moment of the registration.
fn held(envelope: Seq, len: u32) -> Held {
    Held { envelope, len, at: Stamp(Book::registered().now) }
}

fn waits(contact: Fingerprint, len: u32) -> Outcome {
    Outcome::Opened(Opened::Early { contact, name: name("bob"), len })
}

/// With Bob, who asks to be accepted.
fn asked() -> Book {
    let mut book = Book::registered();
    book.state.contacts.insert(BOB, Contact::new(name("bob"), Standing::Asking));
    book
}

/// An envelope of someone who is known arrives that is early; gives its record, and what it leads to.
fn early(book: &mut Book, contact: Fingerprint, number: u64, len: u32) -> (Seq, Vec<Effect>) {
    book.state.contacts.entry(contact).or_insert_with(|| Contact::new(name("bob"), Standing::Asking));
    let content = Arrived::Envelope { cursor: number, sender: contact, sealed: Bytes(vec![0; 4]) };
    book.arrive(frame_id(7_000 + number), content);
    let record = Seq(book.seq);
    (record, book.resolve(&Why::Open(record, book.stamp()), waits(contact, len)))
}

fn given_up(book: &Book, envelope: Seq) -> Effect {
    vault(VaultOp::OpenEnvelope { envelope, at: book.stamp(), last: true })
}

fn stranger(number: u64) -> Fingerprint {
    let mut id = [0; 20];
    id[..8].copy_from_slice(&number.to_be_bytes());
    Fingerprint(id)
}

#[test]
fn early_envelopes_are_held_and_opened_again_when_the_conversation_begins() {
    // Given two messages that came before the one that begins their conversation.
    let mut book = asked();
    let early = waits(BOB, 1_600);
    assert_eq!(book.receive(1, early.clone()), []);
    let first = Seq(book.seq - 1);
    book.receive(2, early);
    let second = Seq(book.seq - 1);
    assert_eq!(book.state.early, BTreeMap::from([(BOB, vec![held(first, 1_600), held(second, 1_600)])]));
    // When that one comes.
    let effects = book.receive(3, opened_message(BOB, 3, true));
    // Then both are opened again, oldest first.
    let open = |envelope| vault(VaultOp::OpenEnvelope { envelope, at: book.stamp(), last: false });
    let expected = [
        Effect::Notify(Change::Received { contact: BOB, message: message(3) }),
        Effect::Arm(TimerId::Receipts(BOB), book.stamp().after(RECEIPTS_AFTER)),
        open(first),
        open(second),
    ];
    assert_eq!(effects, expected);
    assert!(book.state.early.is_empty());
    assert_eq!(book.bob().conversation, Conversation::Open);
    // And what they hold is received.
    let effects = book.resolve(&Why::Open(first, Stamp(Book::registered().now)), opened_message(BOB, 1, false));
    assert_eq!(effects, [Effect::Notify(Change::Received { contact: BOB, message: message(1) })]);
}

#[test]
fn early_envelopes_are_bounded_in_number_and_the_oldest_is_given_up() {
    let mut book = Book::registered();
    let mut records = Vec::new();
    for number in 0..HELD_FRAMES_MAX as u64 {
        let (record, effects) = early(&mut book, BOB, number, 4);
        assert_eq!(effects, []);
        records.push(held(record, 4));
    }
    let (record, effects) = early(&mut book, BOB, 1_000, 4);
    assert_eq!(effects, [given_up(&book, records[0].envelope)]);
    records.push(held(record, 4));
    assert_eq!(book.state.early[&BOB], records[1..]);
    // So are the senders that they are held for: of one more, nothing is.
    for number in 1..HELD_FRAMES_MAX as u64 {
        book.state.early.insert(stranger(number), vec![held(Seq(1), 4)]);
    }
    let (last, effects) = early(&mut book, CAROL, 1_001, 4);
    assert_eq!(effects, [given_up(&book, last)]);
    assert!(!book.state.early.contains_key(&CAROL));
}

#[test]
fn early_envelopes_are_bounded_in_bytes_a_contact_and_the_oldest_are_given_up() {
    let mut book = Book::registered();
    let part = (HELD_LEN_MAX / 4) as u32;
    let mut records = Vec::new();
    for number in 0..4 {
        let (record, effects) = early(&mut book, BOB, number, part);
        assert_eq!(effects, [], "{number}");
        records.push(record);
    }
    // One byte more: the oldest goes; of twice as many bytes as are free then, two go.
    let (fifth, effects) = early(&mut book, BOB, 4, 1);
    assert_eq!(effects, [given_up(&book, records[0])]);
    let (sixth, effects) = early(&mut book, BOB, 5, part + part);
    assert_eq!(effects, [given_up(&book, records[1]), given_up(&book, records[2])]);
    assert_eq!(book.state.early[&BOB], [held(records[3], part), held(fifth, 1), held(sixth, part + part)]);
    // What is too large alone is not held, and takes the rest along.
    let (_, effects) = early(&mut book, BOB, 6, HELD_LEN_MAX as u32 + 1);
    assert_eq!(effects.len(), 4);
    assert!(book.state.early.is_empty());
}

#[test]
fn early_envelopes_are_bounded_in_bytes_in_all() {
    let mut book = Book::registered();
    let full = HELD_LEN_MAX as u32;
    for number in 0..HELD_LEN_ALL_MAX / HELD_LEN_MAX - 1 {
        book.state.early.insert(stranger(number + 1), vec![held(Seq(1), full)]);
    }
    let (first, effects) = early(&mut book, BOB, 1, full - 1);
    assert_eq!(effects, []);
    let (second, effects) = early(&mut book, CAROL, 2, 2);
    assert_eq!(effects, [given_up(&book, second)], "there is one byte left, for all");
    let (third, effects) = early(&mut book, CAROL, 3, 1);
    assert_eq!(effects, []);
    let (fourth, effects) = early(&mut book, BOB, 4, 1);
    assert_eq!(effects, [given_up(&book, first)], "of whose envelope came last");
    assert_eq!((&book.state.early[&BOB], &book.state.early[&CAROL]), (&vec![held(fourth, 1)], &vec![held(third, 1)]));
}

#[test]
fn an_early_envelope_that_waited_for_the_retention_is_given_up() {
    let mut book = Book::registered();
    let (record, _) = early(&mut book, BOB, 1, 4);
    let since = book.now;
    let mut tidy_at = |now: u64| {
        book.now = now;
        book.state.timers.insert(TimerId::Tidy, Stamp(now));
        ops(&book.elapse(TimerId::Tidy))
    };
    let last = |at: u64| VaultOp::OpenEnvelope { envelope: record, at: Stamp(at), last: true };
    let (before, then) = (since + HELD_FOR.0 - 1, since + HELD_FOR.0);
    assert!(!tidy_at(before).contains(&last(before)));
    assert!(tidy_at(then).contains(&last(then)));
    assert!(!tidy_at(then + 1).contains(&last(then + 1)), "once");
    assert!(book.state.early.is_empty());
}

#[test]
fn an_early_envelope_that_is_held_again_has_waited_since_it_came() {
    let mut book = Book::registered();
    let came = book.stamp();
    let (record, _) = early(&mut book, BOB, 1, 4);
    // Weeks later the conversation moves, and it is still early.
    book.now += HELD_FOR.0 / 2;
    book.receive(2, opened_message(BOB, 2, true));
    book.resolve(&Why::Open(record, came), waits(BOB, 4));
    assert_eq!(book.state.early[&BOB], [Held { envelope: record, len: 4, at: came }]);
}
