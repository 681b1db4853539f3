//! Offers: a conversation that the other side is asked to begin.

use super::*;
use thicket_types::limits::OFFER_EVERY;

fn offered(contact: Fingerprint, text: &str, anew: bool) -> Outcome {
    Outcome::Opened(Opened::Offer { contact, name: name(text), anew })
}

fn offer(book: &Book, anew: bool) -> VaultOp {
    VaultOp::SealOffer { contact: BOB, mailbox: MAILBOX, anew, at: book.stamp() }
}

fn begin(book: &Book) -> VaultOp {
    VaultOp::BeginFromOffer { contact: BOB, at: book.stamp() }
}

fn seal_again(number: u8) -> VaultOp {
    VaultOp::SealAgain { contact: BOB, mailbox: MAILBOX, message: message(number) }
}

fn empty_receipt(book: &Book) -> VaultOp {
    VaultOp::SealReceipt { contact: BOB, mailbox: MAILBOX, messages: vec![], at: book.stamp() }
}

fn unreadable(contact: Fingerprint) -> Outcome {
    Outcome::Opened(Opened::Unreadable { contact, name: name("bob"), cause: Code::NoMatchingKeyPackage })
}

#[test]
fn a_contact_without_key_packages_is_asked_to_begin_once_a_day_and_looked_for_meanwhile() {
    let mut book = Book::acquainted();
    let from = book.now;
    book.ask(1, send_to(BOB, 1));
    let (mut offers, mut tries) = (0, 0);
    // When the relay has none for two days.
    while book.now < from + 2 * 86_400_000 {
        let frame = book.transmit(&Why::KeyPackage(BOB));
        tries += 1;
        let effects = book.answer(frame, refusal(Code::NoKeyPackage));
        if ops(&effects) == [offer(&book, false)] {
            offers += 1;
            book.settle(&Why::Offer(BOB, false), stored());
        } else {
            assert_eq!(ops(&effects), []);
        }
        assert_eq!(book.elapse(TimerId::Advance(BOB)), [vault(VaultOp::Compose(Ask::KeyPackage(name("bob"))))]);
    }
    // Then each day had one offer, and one every minute or so a try.
    assert_eq!(offers, 2);
    assert!((2_000..3_000).contains(&tries), "{tries} tries");
    assert_eq!(book.bob().queue, [message(1)]);
}

#[test]
fn a_welcome_to_a_package_that_is_gone_leads_to_one_offer_a_day() {
    let mut book = Book::acquainted();
    let effects = book.receive(1, unreadable(BOB));
    let told = Effect::Notify(Change::Unreadable { contact: BOB, cause: Code::NoMatchingKeyPackage });
    assert_eq!(effects, [told, vault(offer(&book, false))]);
    book.settle(&Why::Offer(BOB, false), stored());
    // Nobody can provoke a storm.
    for number in 2..=100 {
        assert_eq!(ops(&book.receive(number, unreadable(BOB))), []);
    }
    book.now += OFFER_EVERY.0 - 1;
    assert_eq!(ops(&book.receive(101, unreadable(BOB))), []);
    book.now += 1;
    assert_eq!(ops(&book.receive(102, unreadable(BOB))), [offer(&book, false)]);
}

#[test]
fn a_stranger_whose_first_message_cannot_be_read_is_asked_to_write_it_again_when_they_are_accepted() {
    // Given a stranger whose Welcome names a key package that is gone, or a group that only a lost device had.
    let early = Outcome::Opened(Opened::Early { contact: BOB, name: name("bob"), len: 1_600 });
    for (opened, cause, anew) in [(unreadable(BOB), Code::NoMatchingKeyPackage, false), (early, Code::NoConversation, true)] {
        let mut book = Book::registered();
        let effects = book.receive(1, opened.clone());
        // Then they are shown, and learn nothing.
        assert_eq!(effects, [Effect::Notify(Change::Unreadable { contact: BOB, cause }), Effect::Notify(Change::Contact(BOB))]);
        assert_eq!((book.bob().standing, book.bob().offer_at), (Standing::Asking, None));
        // More of it changes nothing.
        assert_eq!(ops(&book.receive(2, opened)), []);
        // When they are accepted, they are looked up, and asked to begin.
        assert_eq!(ops(&book.ask(3, Intent::AcceptContact { contact: BOB })), [VaultOp::Compose(Ask::Lookup(name("bob")))]);
        book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
        let effects = book.resolve(&Why::Pin(name("bob")), pinned(BOB, "bob", None));
        assert_eq!(ops(&effects), [offer(&book, anew)]);
    }
}

#[test]
fn an_offer_of_a_contact_is_taken_and_its_welcome_goes_at_once() {
    let mut book = Book::acquainted();
    let effects = book.receive(1, offered(BOB, "bob", false));
    assert_eq!(effects, [vault(begin(&book))]);
    // Nothing else waits: an empty receipt carries the Welcome.
    assert_eq!(book.resolve(&Why::Begin(BOB), begun()), [vault(empty_receipt(&book))]);
    assert_eq!(book.bob().conversation, Conversation::Open);
    book.settle(&Why::Receipt(BOB, vec![]), stored());
    assert_eq!(book.under_way(), []);
}

#[test]
fn a_message_that_waits_carries_the_welcome_instead() {
    // Given a message to a contact who has no key package.
    let mut book = Book::acquainted();
    book.ask(1, send_to(BOB, 1));
    let asked_at = book.stamp();
    book.settle(&Why::KeyPackage(BOB), refusal(Code::NoKeyPackage));
    // When they offer one.
    assert_eq!(book.receive(1, offered(BOB, "bob", false)), [vault(begin(&book))]);
    let effects = book.resolve(&Why::Begin(BOB), begun());
    let seal = VaultOp::SealMessage { contact: BOB, mailbox: MAILBOX, message: message(1), body: BodyRef([1; 16]), at: asked_at };
    assert_eq!(effects, [vault(seal)]);
}

#[test]
fn a_queue_of_what_has_arrived_meanwhile_carries_no_welcome() {
    // Given a message in flight in a group that the contact gives up.
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    book.transmit(&Why::Message(message(1)));
    book.receive(1, offered(BOB, "bob", true));
    book.resolve(&Why::Begin(BOB), Outcome::Refused(Code::BadOffer));
    book.receive(2, offered(BOB, "bob", true));
    // And queued for another try, when a receipt says that it is there.
    book.state.contacts.get_mut(&BOB).expect("Bob").queue.push(message(1));
    book.receive(3, Outcome::Opened(Opened::Receipt { contact: BOB, delivered: vec![message(1)], moved: false }));
    // When the conversation begins, an empty receipt carries the Welcome all the same.
    book.resolve(&Why::Begin(BOB), begun());
    assert_eq!(ops(&book.find_bob()), [empty_receipt(&book)]);
}

#[test]
fn a_strangers_offer_waits_until_they_are_accepted() {
    let mut book = Book::registered();
    assert_eq!(book.receive(1, offered(BOB, "bob", false)), [Effect::Notify(Change::Contact(BOB))]);
    assert_eq!((book.bob().standing, book.bob().offered), (Standing::Asking, true));
    // When they are accepted, it is taken.
    let effects = book.ask(2, Intent::AcceptContact { contact: BOB });
    assert_eq!(ops(&effects), [begin(&book)]);
    assert!(!book.bob().offered);
    // Then their mailbox is looked up, and the Welcome goes.
    let effects = book.resolve(&Why::Begin(BOB), begun());
    assert_eq!(effects, [vault(VaultOp::Compose(Ask::Lookup(name("bob"))))]);
    book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
    let effects = book.resolve(&Why::Pin(name("bob")), pinned(BOB, "bob", None));
    assert_eq!(ops(&effects), [empty_receipt(&book)]);
}

#[test]
fn offers_of_blocked_and_held_contacts_begin_nothing() {
    let mut book = Book::talking();
    book.ask(1, Intent::BlockContact { contact: BOB, blocked: true });
    assert_eq!(ops(&book.receive(1, offered(BOB, "bob", true))), []);
    let mut book = Book::talking();
    book.state.contacts.get_mut(&BOB).expect("Bob").held = true;
    assert_eq!(ops(&book.receive(1, offered(BOB, "bob", true))), []);
}

#[test]
fn what_a_dead_group_carried_is_sealed_again_in_order() {
    // Given one message stored, one in flight, and a contact who begins anew.
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    let frame = book.transmit(&Why::Message(message(1)));
    book.receive(1, offered(BOB, "bob", true));
    assert_eq!(book.bob().conversation, Conversation::Beginning);
    // And one that is asked for meanwhile, and waits.
    book.now += 5;
    book.ask(2, send_to(BOB, 2));
    let asked_at = book.stamp();
    // When the vault has begun, and the contact has told of neither of the first two.
    let effects = book.resolve(&Why::Begin(BOB), Outcome::Begun { again: vec![message(203), message(1)] });
    // Then the one in flight is taken back, and when they are found anew both are sealed again, and the new one after them.
    assert_eq!(effects, [Effect::Disarm(TimerId::Retry(frame))]);
    let effects = book.find_bob();
    let seal = VaultOp::SealMessage { contact: BOB, mailbox: MAILBOX, message: message(2), body: BodyRef([2; 16]), at: asked_at };
    assert_eq!(ops(&effects), [seal_again(203), seal_again(1), seal]);
    assert!(!book.state.requests.contains_key(&frame));
    // An answer to the old request changes nothing.
    assert_eq!(book.answer(frame, stored()), []);
    assert!(book.state.outbox.contains_key(&message(1)));
    // And each is stored once.
    for number in [203, 1, 2] {
        let effects = book.settle(&Why::Message(message(number)), stored());
        assert!(effects.contains(&Effect::Notify(Change::Message { message: message(number), state: MessageState::Stored })));
    }
    assert!(book.state.outbox.is_empty());
}

#[test]
fn a_message_that_is_being_worked_for_is_sealed_again_too() {
    // Given a message for which the vault does the relay's work.
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    let stamp = Said::Refusal(wire::Refusal { code: Code::StampNeeded.number(), stamp_bits: 4 });
    book.settle(&Why::Message(message(1)), stamp);
    // When its group turns out to be dead.
    book.receive(1, offered(BOB, "bob", true));
    book.resolve(&Why::Begin(BOB), Outcome::Begun { again: vec![message(1)] });
    // Then it is sealed again, for whom the directory shows now, and what the work was for goes nowhere.
    book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
    let effects = book.resolve(&Why::Pin(name("bob")), pinned(BOB, "bob", None));
    assert!(effects.contains(&vault(seal_again(1))), "{effects:?}");
    let (_, effects) = book.frame(&Why::Abandoned);
    assert_eq!(effects, []);
}

#[test]
fn an_offer_that_the_vault_refuses_leaves_the_way_by_a_key_package() {
    let mut book = Book::acquainted();
    book.ask(1, send_to(BOB, 1));
    book.settle(&Why::KeyPackage(BOB), refusal(Code::NoKeyPackage));
    book.receive(1, offered(BOB, "bob", false));
    assert_eq!(ops(&book.resolve(&Why::Begin(BOB), Outcome::Refused(Code::BadOffer))), []);
    assert_eq!(ops(&book.elapse(TimerId::Advance(BOB))), [VaultOp::Compose(Ask::KeyPackage(name("bob")))]);
}

#[test]
fn an_offer_is_not_made_to_more_people_than_can_be_kept() {
    let mut book = Book::acquainted();
    book.crowd(CONTACTS_MAX as u64 - 1);
    assert_eq!(book.receive(1, offered(CAROL, "carol", false)), []);
    assert_eq!(book.state.contacts.len(), CONTACTS_MAX);
}

#[test]
fn of_what_is_sealed_again_the_oldest_go_as_far_as_the_outbox_has_room() {
    // Given an outbox with room for one, and a contact who begins anew.
    let mut book = Book::talking();
    for number in 1..OUTBOX_MAX as u64 {
        let mut id = [9; 16];
        id[..8].copy_from_slice(&number.to_be_bytes());
        let outgoing = Outgoing { contact: BOB, body: None, again: true, astray: false, state: MessageState::Queued, at: Stamp(START) };
        book.state.outbox.insert(MessageId(id), outgoing);
    }
    book.receive(1, offered(BOB, "bob", true));
    // When the vault names two whose arrival nobody told of.
    book.resolve(&Why::Begin(BOB), Outcome::Begun { again: vec![message(203), message(204)] });
    assert_eq!(book.state.outbox.len(), OUTBOX_MAX);
    assert_eq!(book.bob().queue, [message(203)]);
    assert!(!book.state.outbox.contains_key(&message(204)));
}

/// Someone of whom the vault says that they are to be told of a lost device's groups; they are written to at once.
fn told_anew() -> Book {
    let mut book = Book::registered();
    book.ask(1, Intent::AddContact { name: name("bob") });
    book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
    let found = Outcome::Pinned { contact: BOB, mailbox: MAILBOX, name: name("bob"), contradicts: None, anew: true };
    book.resolve(&Why::Pin(name("bob")), found);
    book.ask(2, send_to(BOB, 2));
    book.settle(&Why::KeyPackage(BOB), Said::KeyPackage(wire::KeyPackage::default()));
    book.resolve(&Why::Begin(BOB), begun());
    assert!(!book.bob().anew);
    book
}

#[test]
fn what_an_offer_said_that_did_not_arrive_is_said_again_also_where_a_group_began_since() {
    let anew = |op: &VaultOp| matches!(op, VaultOp::SealOffer { contact: BOB, anew: true, .. });
    // Sealed a week ago, and not stored yet.
    let mut book = told_anew();
    book.frame(&Why::Offer(BOB, true));
    book.now += LOOKUP_EVERY.0;
    book.reconnect();
    book.elapse(TimerId::Resume);
    book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
    let effects = book.resolve(&Why::Pin(name("bob")), pinned(BOB, "bob", None));
    assert!(ops(&effects).iter().any(anew), "{effects:?}");
    // Called back from whom we blocked.
    let mut book = told_anew();
    book.ask(3, Intent::BlockContact { contact: BOB, blocked: true });
    let effects = book.ask(4, Intent::BlockContact { contact: BOB, blocked: false });
    assert!(ops(&effects).iter().any(anew), "{effects:?}");
    // Refused for good: the daily round makes another.
    let mut book = told_anew();
    book.settle(&Why::Offer(BOB, true), refusal(Code::UnknownMailbox));
    book.now += OFFER_EVERY.0;
    let effects = book.elapse(TimerId::Tidy);
    assert!(ops(&effects).iter().any(anew), "{effects:?}");
}

#[test]
fn a_lookup_that_was_under_way_when_another_device_asked_to_begin_anew_is_not_believed() {
    let mut book = Book::talking();
    book.now += LOOKUP_EVERY.0;
    book.ask(1, send_to(BOB, 1));
    let stale = book.transmit(&Why::Lookup(name("bob")));
    let effects = book.receive(1, offered(BOB, "bob", true));
    assert_eq!(ops(&effects), [begin(&book)]);
    assert_eq!(book.answer(stale, Said::Entry(wire::Entry::default())), []);
    let effects = book.resolve(&Why::Begin(BOB), begun());
    assert_eq!(ops(&effects), [VaultOp::Compose(Ask::Lookup(name("bob")))]);
}

#[test]
fn who_truly_begins_is_not_asked_to_because_somebody_claimed_their_name() {
    // Given junk under a certificate that anybody can have.
    let mut book = Book::registered();
    book.receive(1, Outcome::Opened(Opened::Early { contact: BOB, name: name("bob"), len: 1_600 }));
    assert_eq!(book.bob().offer, Some(true));
    // When its owner begins a conversation, and is accepted.
    book.receive(2, opened_message(BOB, 2, true));
    book.ask(3, Intent::AcceptContact { contact: BOB });
    book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
    let effects = book.resolve(&Why::Pin(name("bob")), pinned(BOB, "bob", None));
    assert!(!ops(&effects).iter().any(|op| matches!(op, VaultOp::SealOffer { .. })), "{effects:?}");
}
