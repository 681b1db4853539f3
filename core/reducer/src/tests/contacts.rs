//! Contacts.

use super::*;

#[test]
fn a_lookup_leads_to_a_contact() {
    let mut book = Book::registered();
    let effects = book.ask(1, Intent::AddContact { name: name("Bob") });
    assert_eq!(effects, [vault(VaultOp::Compose(Ask::Lookup(name("Bob")))), answered(1, Answer::Accepted)]);
    book.settle(&Why::Lookup(name("Bob")), Said::Entry(wire::Entry::default()));
    let effects = book.resolve(&Why::Pin(name("Bob")), pinned(BOB, "bob", None));
    // They are given a write capability before long.
    let soon = Effect::Arm(TimerId::Grant, book.deadline(TimerId::Grant));
    assert_eq!(effects, [soon, Effect::Notify(Change::Contact(BOB))]);
    assert_eq!((book.bob().standing, book.bob().mailbox, book.bob().held), (Standing::Accepted, Some(MAILBOX), false));
    assert_eq!(book.bob().conversation, Conversation::None);
}

#[test]
fn a_lookup_that_finds_nobody_says_so() {
    let mut book = Book::registered();
    book.ask(1, Intent::AddContact { name: name("bob") });
    let frame = book.transmit(&Why::Lookup(name("bob")));
    let effects = book.answer(frame, refusal(Code::UnknownName));
    assert_eq!(effects, [Effect::Disarm(TimerId::Retry(frame)), Effect::Notify(Change::LookupFailed(Code::UnknownName))]);
    book.ask(2, Intent::AddContact { name: name("bob") });
    book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
    let effects = book.resolve(&Why::Pin(name("bob")), Outcome::Refused(Code::ForgedEntry));
    assert_eq!(effects, [Effect::Notify(Change::LookupFailed(Code::ForgedEntry))]);
    assert!(book.state.contacts.is_empty());
}

#[test]
fn a_contact_whose_identity_changed_is_held_and_refuses_sends() {
    // Given a contact with whom we talk.
    let mut book = Book::talking();
    // When the directory shows another identity under their name.
    book.ask(1, Intent::AddContact { name: name("bob") });
    book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
    let effects = book.resolve(&Why::Pin(name("bob")), pinned(CAROL, "bob", Some(BOB)));
    // Then that is told, the contact is held, and the new identity is nobody's.
    assert_eq!(effects, [Effect::Notify(Change::IdentityChanged(BOB))]);
    assert!(book.bob().held && !book.state.contacts.contains_key(&CAROL));
    assert_eq!(book.ask(2, send_to(BOB, 2)), [answered(2, Answer::Refused(Code::ContactHeld))]);
    assert!(book.state.outbox.is_empty());
}

#[test]
fn contacts_are_bounded() {
    let mut book = Book::acquainted();
    for number in 0..CONTACTS_MAX as u64 - 1 {
        let mut id = [0; 20];
        id[..8].copy_from_slice(&number.to_be_bytes());
        let contact = book.bob().clone();
        book.state.contacts.insert(Fingerprint(id), contact);
    }
    assert_eq!(book.ask(1, Intent::AddContact { name: name("carol") }), [answered(1, Answer::Refused(Code::TooManyContacts))]);
    // A stranger's message is shown, and nobody is kept.
    let effects = book.receive(1, opened_message(CAROL, 1, true));
    assert_eq!(effects, [Effect::Notify(Change::Received { contact: CAROL, message: message(1) })]);
    assert_eq!(book.state.contacts.len(), CONTACTS_MAX);
}

#[test]
fn the_last_place_for_a_contact_goes_to_who_is_found_first() {
    // Given one place left, and two who are looked up.
    let mut book = Book::acquainted();
    book.crowd(CONTACTS_MAX as u64 - 2);
    for (number, text) in [(1, "carol"), (2, "dave")] {
        assert!(book.ask(number, Intent::AddContact { name: name(text) }).contains(&answered(number, Answer::Accepted)));
        book.settle(&Why::Lookup(name(text)), Said::Entry(wire::Entry::default()));
    }
    // When both are found.
    book.resolve(&Why::Pin(name("carol")), pinned(CAROL, "carol", None));
    let effects = book.resolve(&Why::Pin(name("dave")), pinned(Fingerprint([68; 20]), "dave", None));
    // Then the second is not kept, and that is said.
    assert_eq!(effects, [Effect::Notify(Change::LookupFailed(Code::TooManyContacts))]);
    assert!(book.state.contacts.contains_key(&CAROL));
    assert_eq!(book.state.contacts.len(), CONTACTS_MAX);
}
