//! Read marks.

use super::*;

const ON: Intent = Intent::SetReadMarks { on: true };
const OFF: Intent = Intent::SetReadMarks { on: false };

fn mark(number: u8) -> Intent {
    Intent::MarkRead { contact: BOB, message: message(number) }
}

fn noted(book: &Book, number: u8) -> Effect {
    vault(VaultOp::MarkRead { contact: BOB, message: message(number), tell: None, at: book.stamp() })
}

fn told(book: &Book, number: u8) -> Effect {
    vault(VaultOp::MarkRead { contact: BOB, message: message(number), tell: Some(MAILBOX), at: book.stamp() })
}

#[test]
fn marks_are_off_at_first_and_nothing_is_told() {
    let mut book = Book::talking();
    assert!(!crate::view(&book.state).read_marks);
    // What was read is noted here all the same.
    let effects = book.ask(1, mark(9));
    assert_eq!(effects, [noted(&book, 9), Effect::Notify(Change::Contact(BOB)), answered(1, Answer::Accepted)]);
    assert!(book.bob().mark.is_none() && !book.state.timers.contains_key(&TimerId::Receipts(BOB)));
}

#[test]
fn one_mark_stands_for_all_that_was_read_within_a_moment() {
    let mut book = Book::talking();
    assert_eq!(book.ask(1, ON), [vault(VaultOp::ShowRead { on: true }), answered(1, Answer::Accepted)]);
    book.resolve(&Why::File, Outcome::Done);
    // Given two marks within the time that receipts gather.
    let due = Effect::Arm(TimerId::Receipts(BOB), book.stamp().after(RECEIPTS_AFTER));
    let changed = Effect::Notify(Change::Contact(BOB));
    assert_eq!(book.ask(2, mark(8)), [due, noted(&book, 8), changed.clone(), answered(2, Answer::Accepted)]);
    book.now += RECEIPTS_AFTER.0 - 1;
    assert_eq!(book.ask(3, mark(9)), [noted(&book, 9), changed, answered(3, Answer::Accepted)]);
    // When it is over, the later one alone is told.
    let effects = book.elapse(TimerId::Receipts(BOB));
    assert_eq!(effects, [told(&book, 9)]);
    book.settle(&Why::ReadMark(BOB), stored());
    assert!(book.bob().mark.is_none());
}

#[test]
fn a_mark_goes_with_the_receipts_that_are_due() {
    let mut book = Book::talking();
    book.ask(1, ON);
    book.receive(9, opened_message(BOB, 9, false));
    book.ask(2, mark(9));
    let effects = book.elapse(TimerId::Receipts(BOB));
    let receipt = VaultOp::SealReceipt { contact: BOB, mailbox: MAILBOX, messages: vec![message(9)], at: book.stamp() };
    assert_eq!(effects, [told(&book, 9), vault(receipt)]);
}

#[test]
fn strangers_and_blocked_contacts_are_told_nothing() {
    // Given a stranger who wrote.
    let mut book = Book::registered();
    book.ask(1, ON);
    book.receive(1, opened_message(BOB, 1, true));
    book.ask(2, mark(1));
    assert!(book.bob().mark.is_none());
    assert_eq!(book.elapse(TimerId::Receipts(BOB)), []);
    // Given a contact who is blocked before what was read is told.
    let mut book = Book::talking();
    book.ask(1, ON);
    book.ask(2, mark(1));
    book.ask(3, Intent::BlockContact { contact: BOB, blocked: true });
    assert_eq!(book.elapse(TimerId::Receipts(BOB)), []);
    book.ask(4, mark(2));
    assert!(book.bob().mark.is_none());
    // Nor are they when they are unblocked.
    book.ask(5, Intent::BlockContact { contact: BOB, blocked: false });
    assert!(!book.under_way().contains(&Why::ReadMark(BOB)));
}

#[test]
fn a_held_contact_is_told_nothing_while_held() {
    let mut book = Book::talking();
    book.ask(1, ON);
    book.ask(2, mark(1));
    book.ask(3, Intent::AddContact { name: name("bob") });
    book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
    book.resolve(&Why::Pin(name("bob")), pinned(CAROL, "bob", Some(BOB)));
    assert_eq!(book.elapse(TimerId::Receipts(BOB)), []);
    // When the directory shows them again, what they have not been told goes.
    book.ask(4, Intent::AddContact { name: name("bob") });
    book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
    let effects = book.resolve(&Why::Pin(name("bob")), pinned(BOB, "bob", None));
    assert!(effects.contains(&told(&book, 1)), "{effects:?}");
}

#[test]
fn switching_marks_off_drops_what_was_not_told() {
    let mut book = Book::talking();
    book.ask(1, ON);
    book.ask(2, mark(1));
    assert_eq!(book.ask(3, OFF), [vault(VaultOp::ShowRead { on: false }), answered(3, Answer::Accepted)]);
    assert_eq!(book.elapse(TimerId::Receipts(BOB)), []);
    // Switching to what is does nothing, and switching on again brings nothing back.
    assert_eq!(book.ask(4, OFF), [answered(4, Answer::Accepted)]);
    book.ask(5, ON);
    assert!(book.bob().mark.is_none());
}

#[test]
fn what_a_contact_read_is_shown_only_when_marks_are_on() {
    let mut book = Book::talking();
    let read = Outcome::Opened(Opened::ReadMark { contact: BOB, moved: false });
    assert_eq!(book.receive(1, read.clone()), []);
    book.ask(2, ON);
    assert_eq!(book.receive(3, read), [Effect::Notify(Change::Read { contact: BOB })]);
}

#[test]
fn nobody_unknown_is_marked() {
    let mut book = Book::registered();
    book.ask(1, ON);
    assert_eq!(book.ask(2, mark(1)), [answered(2, Answer::Refused(Code::UnknownContact))]);
}
