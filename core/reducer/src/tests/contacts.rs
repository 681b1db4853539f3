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

fn failed(text: &str, cause: Code) -> Effect {
    Effect::Notify(Change::LookupFailed { name: name(text), cause })
}

#[test]
fn a_lookup_that_finds_nobody_says_so() {
    let mut book = Book::registered();
    book.ask(1, Intent::AddContact { name: name("bob") });
    let frame = book.transmit(&Why::Lookup(name("bob")));
    let effects = book.answer(frame, refusal(Code::UnknownName));
    assert_eq!(effects, [Effect::Disarm(TimerId::Retry(frame)), failed("bob", Code::UnknownName)]);
    book.ask(2, Intent::AddContact { name: name("bob") });
    book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
    let effects = book.resolve(&Why::Pin(name("bob")), Outcome::Refused(Code::ForgedEntry));
    assert_eq!(effects, [failed("bob", Code::ForgedEntry)]);
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
    assert_eq!(effects, [failed("dave", Code::TooManyContacts)]);
    assert!(book.state.contacts.contains_key(&CAROL));
    assert_eq!(book.state.contacts.len(), CONTACTS_MAX);
}

#[test]
fn a_pin_that_outlived_its_contact_shows_them_again_so_that_the_person_can_decide() {
    // Given someone who was removed, and whose name the directory gives to somebody else now.
    let mut book = Book::talking();
    book.ask(1, Intent::RemoveContact { contact: BOB });
    book.ask(2, Intent::AddContact { name: name("bob") });
    book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
    let effects = book.resolve(&Why::Pin(name("bob")), pinned(CAROL, "bob", Some(BOB)));
    // Then they are back, with the warning, and nothing is sent to them.
    assert_eq!(effects, [Effect::Notify(Change::IdentityChanged(BOB))]);
    assert!(book.bob().held);
    // And the person can go on with the new one.
    let effects = book.ask(3, Intent::AcceptIdentity { contact: BOB });
    assert_eq!(ops(&effects), [VaultOp::Unpin { contact: BOB }, VaultOp::Compose(Ask::Lookup(name("bob")))]);
}

#[test]
fn whoever_does_not_ask_cannot_be_declined_and_that_is_said() {
    let decline = |book: &mut Book, number| book.ask(number, Intent::DeclineContact { contact: BOB });
    let refused = |number, code| [answered(number, Answer::Refused(code))];
    assert_eq!(decline(&mut Book::registered(), 1), refused(1, Code::UnknownContact));
    let mut book = Book::talking();
    assert_eq!(decline(&mut book, 1), refused(1, Code::NotAsking));
    book.ask(2, Intent::BlockContact { contact: BOB, blocked: true });
    assert_eq!(decline(&mut book, 3), refused(3, Code::NotAsking));
    assert!(book.state.contacts.contains_key(&BOB));
}

#[test]
fn whoever_is_not_held_needs_no_trust_and_that_is_said() {
    let trust = |book: &mut Book| book.ask(1, Intent::AcceptIdentity { contact: BOB });
    assert_eq!(trust(&mut Book::registered()), [answered(1, Answer::Refused(Code::UnknownContact))]);
    assert_eq!(trust(&mut Book::talking()), [answered(1, Answer::Refused(Code::NotHeld))]);
}

#[test]
fn whoever_was_removed_is_not_brought_back_by_a_lookup_that_was_under_way() {
    for found in [false, true] {
        let mut book = Book::talking();
        book.ask(1, Intent::AddContact { name: name("bob") });
        let frame = book.transmit(&Why::Lookup(name("bob")));
        if found {
            book.answer(frame, Said::Entry(wire::Entry::default()));
        }
        // When they are removed meanwhile.
        book.ask(2, Intent::RemoveContact { contact: BOB });
        // Then what was looked up says nothing any more.
        if found {
            book.resolve(&Why::Abandoned, pinned(BOB, "bob", None));
        } else {
            assert_eq!(book.answer(frame, Said::Entry(wire::Entry::default())), []);
        }
        assert!(book.state.contacts.is_empty());
    }
}

#[test]
fn whoever_was_removed_writes_again_and_is_accepted_hears_that_it_arrived() {
    // Given a conversation that the vault still has, and a message in it after the contact was removed.
    let mut book = Book::talking();
    book.ask(1, Intent::RemoveContact { contact: BOB });
    book.receive(1, opened_message(BOB, 7, false));
    assert_eq!(book.bob().conversation, Conversation::None);
    // When they are accepted.
    book.ask(2, Intent::AcceptContact { contact: BOB });
    book.elapse(TimerId::Receipts(BOB));
    book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
    book.resolve(&Why::Pin(name("bob")), pinned(BOB, "bob", None));
    book.settle(&Why::KeyPackage(BOB), Said::KeyPackage(wire::KeyPackage::default()));
    let effects = book.resolve(&Why::Begin(BOB), begun());
    // Then they are told.
    let receipt = VaultOp::SealReceipt { contact: BOB, mailbox: MAILBOX, messages: vec![message(7)], at: book.stamp() };
    assert!(ops(&effects).contains(&receipt), "{effects:?}");
}

fn block(blocked: bool) -> Intent {
    Intent::BlockContact { contact: BOB, blocked }
}

#[test]
fn nothing_that_was_sealed_goes_to_whom_we_block_and_unsent_messages_are_taken_back() {
    // Given, offline, a message that was sealed, one that waits, and a receipt.
    let mut book = Book::talking();
    book.receive(1, opened_message(BOB, 9, false));
    book.fall_offline();
    book.elapse(TimerId::Receipts(BOB));
    book.frame(&Why::Receipt(BOB, vec![message(9)]));
    book.ask(1, send_to(BOB, 1));
    book.frame(&Why::Message(message(1)));
    // When they are blocked.
    let effects = book.ask(2, block(true));
    let cancelled = Effect::Notify(Change::Message { message: message(1), state: MessageState::Failed });
    assert!(effects.contains(&cancelled), "{effects:?}");
    assert!(book.state.outbox.is_empty());
    // Then the next login sends them nothing.
    book.ask(3, Intent::Connect);
    book.log_in();
    let anonymous = book.go_on(30).into_iter().filter(|effect| matches!(effect, Effect::Send(send) if send.lane == Lane::Anonymous));
    assert_eq!(anonymous.collect::<Vec<_>>(), []);
}

#[test]
fn a_receipt_under_way_is_called_back_when_the_contact_is_removed() {
    let mut book = Book::talking();
    book.receive(1, opened_message(BOB, 9, false));
    book.elapse(TimerId::Receipts(BOB));
    let sealing = book.open(&Why::Receipt(BOB, vec![message(9)]));
    book.ask(1, Intent::RemoveContact { contact: BOB });
    assert_eq!(book.state.outstanding[&sealing].why, Why::Abandoned);
}

#[test]
fn unblocking_makes_a_contact_what_they_were() {
    let mut book = Book::registered();
    book.receive(1, opened_message(BOB, 1, true));
    for standing in [Standing::Asking, Standing::Accepted] {
        assert_eq!(book.bob().standing, standing);
        // Unblocking who is not blocked changes nothing.
        book.ask(10, block(false));
        assert_eq!(book.bob().standing, standing);
        book.ask(11, block(true));
        book.ask(12, block(true));
        assert_eq!(book.bob().standing, Standing::Blocked);
        book.ask(13, block(false));
        assert_eq!(book.bob().standing, standing);
        book.state.answers = Default::default();
        book.ask(14, Intent::AcceptContact { contact: BOB });
        book.state.answers = Default::default();
    }
}

#[test]
fn whom_an_imported_identity_meets_is_told_first_that_earlier_groups_are_dead() {
    // Given an identity that was brought here, and someone who may have conversations with it.
    let mut book = Book::registered();
    book.ask(1, Intent::AddContact { name: name("bob") });
    book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
    let found = Outcome::Pinned { contact: BOB, mailbox: MAILBOX, name: name("bob"), contradicts: None, anew: true };
    let effects = book.resolve(&Why::Pin(name("bob")), found);
    let offer = VaultOp::SealOffer { contact: BOB, mailbox: MAILBOX, anew: true, at: book.stamp() };
    assert_eq!(ops(&effects), [offer]);
    // Then a message begins a conversation all the same: they may never have heard of us.
    let effects = book.ask(2, send_to(BOB, 2));
    assert_eq!(ops(&effects), [VaultOp::Compose(Ask::KeyPackage(name("bob")))]);
    book.settle(&Why::KeyPackage(BOB), Said::KeyPackage(wire::KeyPackage::default()));
    let effects = book.resolve(&Why::Begin(BOB), begun());
    assert!(matches!(ops(&effects).as_slice(), [VaultOp::SealMessage { .. }]), "{effects:?}");
    assert!(!book.bob().anew && book.bob().offer.is_none());
}

#[test]
fn whom_the_relay_does_not_show_is_looked_for_more_and_more_rarely_and_can_be_removed() {
    // Given a message that was sealed for another relay, where alone the contact is.
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    let frame = book.transmit(&Why::Message(message(1)));
    book.now += LOOKUP_BELIEVED_FOR.0;
    book.answer(frame, refusal(Code::UnknownMailbox));
    let mut waits = Vec::new();
    for _ in 0..6 {
        book.settle(&Why::Lookup(name("bob")), refusal(Code::UnknownName));
        waits.push(book.deadline(TimerId::Advance(BOB)).0 - book.now);
        book.elapse(TimerId::Advance(BOB));
    }
    assert!(waits[0] < 81_000 && waits[5] >= 300_000, "{waits:?}");
    // It can't be taken back, so the contact goes with it.
    book.settle(&Why::Lookup(name("bob")), refusal(Code::UnknownName));
    let effects = book.ask(2, Intent::RemoveContact { contact: BOB });
    assert!(effects.contains(&answered(2, Answer::Accepted)), "{effects:?}");
    assert!(book.state.outbox.is_empty() && book.state.contacts.is_empty());
}

#[test]
fn what_is_being_sealed_for_someone_when_they_are_blocked_is_not_sent() {
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    let effects = book.ask(2, Intent::BlockContact { contact: BOB, blocked: true });
    assert!(ops(&effects).iter().any(|op| matches!(op, VaultOp::File { cause: Some(Code::Cancelled), .. })), "{effects:?}");
    let sent = sends(&book.go_on(6));
    assert!(sent.iter().all(|send| send.lane == Lane::Named), "{sent:?}");
    assert!(book.state.outbox.is_empty());
}

#[test]
fn who_is_unblocked_hears_what_they_were_owed() {
    let mut book = Book::talking();
    book.receive(1, Outcome::Opened(Opened::Committed { contact: BOB, owed: true, moved: true }));
    book.ask(1, Intent::BlockContact { contact: BOB, blocked: true });
    let effects = book.ask(2, Intent::BlockContact { contact: BOB, blocked: false });
    assert!(ops(&effects).iter().any(|op| matches!(op, VaultOp::SealReceipt { .. })), "{effects:?}");
}

#[test]
fn a_held_contact_is_held_no_longer_once_the_directory_shows_the_pinned_identity() {
    // Given a contact who is held, since the directory showed another identity.
    let mut book = Book::talking();
    let look_up = |book: &mut Book, number: u8, shown: Outcome| {
        book.ask(number, Intent::AddContact { name: name("bob") });
        book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
        book.resolve(&Why::Pin(name("bob")), shown)
    };
    look_up(&mut book, 1, pinned(CAROL, "bob", Some(BOB)));
    assert!(book.bob().held);
    // When it shows the pinned one again.
    let effects = look_up(&mut book, 2, pinned(BOB, "bob", None));
    // Then what is written to them goes as before.
    assert!(effects.contains(&Effect::Notify(Change::Contact(BOB))), "{effects:?}");
    assert!(!book.bob().held);
    let effects = book.ask(3, send_to(BOB, 3));
    assert!(effects.contains(&answered(3, Answer::Queued(message(3)))), "{effects:?}");
    assert_eq!(book.ask(4, Intent::AcceptIdentity { contact: BOB }), [answered(4, Answer::Refused(Code::NotHeld))]);
}

#[test]
fn who_is_blocked_is_not_accepted() {
    let mut book = Book::talking();
    book.ask(1, Intent::BlockContact { contact: BOB, blocked: true });
    assert_eq!(book.ask(2, Intent::AcceptContact { contact: BOB }), [answered(2, Answer::Refused(Code::ContactBlocked))]);
    assert_eq!(book.bob().standing, Standing::Blocked);
}
