//! What strangers may bring in a day.

use super::*;
use thicket_types::limits::FRAME_LEN_MAX;

fn from(sender: Fingerprint, number: u64, len: usize) -> Arrival {
    let content = Arrived::Envelope { cursor: number, sender, sealed: Bytes(vec![0; len]) };
    Arrival { frame: frame_id(40_000 + number + u64::from(sender == BOB) * 10_000), lane: Lane::Named, content }
}

/// Offers an item to admission; folds it if it is taken.
fn bring(book: &mut Book, arrival: Arrival) -> bool {
    match ClientRules::admit(&book.state, book.stamp(), arrival) {
        Admission::Taken(arrival) => {
            let Arrived::Envelope { .. } = arrival.content else {
                panic!("{arrival:?}");
            };
            book.fold(&Event::Arrived(arrival));
            let why = Why::Open(Seq(book.seq), book.stamp());
            book.resolve(&why, Outcome::Opened(Opened::Unreadable { contact: CAROL, name: name("carol"), cause: Code::Undecryptable }));
            true
        }
        Admission::Left => false,
        Admission::Dropped => panic!("an envelope is never dropped"),
    }
}

/// Uses the day's budget up with items of a size; how many were taken.
fn use_up(book: &mut Book, len: usize) -> u64 {
    let mut taken = 0;
    while bring(book, from(CAROL, taken, len)) {
        taken += 1;
    }
    taken
}

#[test]
fn strangers_bring_so_many_bytes_a_day_and_the_rest_is_left() {
    let mut book = Book::acquainted();
    // Exactly what fits is taken.
    assert_eq!(use_up(&mut book, 65_536), STRANGERS_LEN_MAX / 65_536);
    assert!(!bring(&mut book, from(CAROL, 900, 1)));
    assert!(!bring(&mut book, from(Fingerprint([70; 20]), 901, 1)), "whoever they are");
    // What was here before is acknowledged all the same.
    let again = ClientRules::admit(&book.state, book.stamp(), from(CAROL, 0, 65_536));
    assert!(matches!(again, Admission::Taken(Arrival { content: Arrived::Repeat { cursor: 0 }, .. })), "{again:?}");
}

#[test]
fn contacts_have_no_budget_and_use_none_up() {
    let mut book = Book::acquainted();
    for number in 0..100 {
        assert!(bring(&mut book, from(BOB, number, 98_000)), "{number}");
    }
    assert_eq!(book.state.strangers.len, 0);
    use_up(&mut book, 65_536);
    assert!(bring(&mut book, from(BOB, 999, 98_000)));
}

#[test]
fn who_asks_to_be_accepted_is_a_stranger_until_then() {
    let mut book = Book::registered();
    book.receive(1, opened_message(CAROL, 1, true));
    use_up(&mut book, 65_000);
    assert!(!bring(&mut book, from(CAROL, 900, 65_000)));
    book.ask(2, Intent::AcceptContact { contact: CAROL });
    assert!(bring(&mut book, from(CAROL, 900, 65_000)));
}

#[test]
fn what_a_blocked_contact_sends_is_not_kept_and_uses_nothing_up() {
    let mut book = Book::acquainted();
    book.ask(1, Intent::BlockContact { contact: BOB, blocked: true });
    let judged = ClientRules::admit(&book.state, book.stamp(), from(BOB, 7, 65_000));
    let content = Arrived::Unsealable { cursor: 7, cause: Code::FromBlocked };
    assert_eq!(judged, Admission::Taken(Arrival { content, ..from(BOB, 7, 0) }));
    use_up(&mut book, 65_536);
    assert_eq!(ClientRules::admit(&book.state, book.stamp(), from(BOB, 7, 65_000)), judged);
}

#[test]
fn a_new_day_begins_anew() {
    let mut book = Book::registered();
    use_up(&mut book, 65_536);
    let midnight = (book.now / 86_400_000 + 1) * 86_400_000;
    book.now = midnight - 1;
    assert!(!bring(&mut book, from(CAROL, 900, 65_536)));
    book.now = midnight;
    assert!(bring(&mut book, from(CAROL, 900, 65_536)));
    assert_eq!(book.state.strangers.len, 65_536);
}

#[test]
fn what_was_left_is_neither_asked_for_all_the_time_nor_keeps_the_client_from_rest() {
    // Given a budget used up, whatever the size of what did not fit any more.
    for len in [65_536, 98_304, FRAME_LEN_MAX, 50_000] {
        let mut book = Book::registered();
        use_up(&mut book, len);
        book.elapse(TimerId::Acknowledge);
        let cursors = book.state.unacknowledged.iter().copied().collect();
        book.settle(&Why::Acknowledge(cursors), Said::Acknowledged(wire::Acknowledged {}));
        // When the relay goes on to say that three items wait.
        let mut spans = Vec::new();
        for _ in 0..10 {
            book.elapse(TimerId::Fetch);
            book.settle(&Why::Fetch, fetched(3));
            spans.push(book.deadline(TimerId::Fetch).0 - book.now);
        }
        // Then it is asked less and less often, and the client is at rest.
        assert!(within_a_quarter(spans[0], FETCH_SOON), "items of {len}: {spans:?}");
        assert!(within_a_quarter(spans[9], FETCH_EVERY), "items of {len}: {spans:?}");
        assert!(crate::view(&book.state).at_rest, "items of {len}");
        // When one more waits, it is looked at soon.
        book.elapse(TimerId::Fetch);
        book.settle(&Why::Fetch, fetched(4));
        assert!(within_a_quarter(book.deadline(TimerId::Fetch).0 - book.now, FETCH_SOON));
        assert!(!crate::view(&book.state).at_rest);
    }
}

#[test]
fn items_that_wait_within_the_budget_are_asked_for_soon() {
    let mut book = Book::registered();
    for _ in 0..5 {
        book.elapse(TimerId::Fetch);
        book.settle(&Why::Fetch, fetched(3));
        assert!(within_a_quarter(book.deadline(TimerId::Fetch).0 - book.now, FETCH_SOON), "their pushes were lost");
    }
    assert!(!crate::view(&book.state).at_rest);
}
