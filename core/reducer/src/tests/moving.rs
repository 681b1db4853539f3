//! Another relay, another device.

use super::*;
use crate::state::Held;

const OTHER: &str = "loopback:other";
const OTHER_KEY: RelayKey = RelayKey([8; 32]);

fn change(text: &str) -> Intent {
    Intent::ChangeRelay { relay: address(text), key: None, token: None }
}

fn refused(number: u8, code: Code) -> [Effect; 1] {
    [answered(number, Answer::Refused(code))]
}

fn seal_again(number: u8) -> VaultOp {
    VaultOp::SealAgain { contact: BOB, mailbox: MAILBOX, message: message(number) }
}

fn offer_anew(book: &Book) -> VaultOp {
    VaultOp::SealOffer { contact: BOB, mailbox: MAILBOX, anew: true, at: book.stamp() }
}

/// The new relay takes the account; what its answer leads to.
fn settle_at_other(book: &mut Book) -> Vec<Effect> {
    book.settle(&Why::Challenge, challenge(OTHER_KEY));
    book.settle(&Why::Register, registered_answer())
}

#[test]
fn the_same_relay_under_another_address_keeps_mailboxes_and_gets_what_is_open() {
    // Given a message in flight.
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    let frame = book.transmit(&Why::Message(message(1)));
    let record = book.state.requests[&frame].frame;
    // When the relay moves: its key tells that it is the same.
    let effects = book.ask(2, change(OTHER));
    assert_eq!(ops(&effects), [VaultOp::Compose(Ask::Challenge)]);
    let effects = book.settle(&Why::Challenge, challenge(RELAY_KEY));
    assert_eq!(ops(&effects), [VaultOp::SignLogin { challenge: signed(), takes_over: false }]);
    book.settle(&Why::Login, logged_in(50, true));
    // Then nothing is registered or sealed again, and the same bytes go there.
    assert_eq!((book.bob().mailbox, book.state.session.before.clone()), (Some(MAILBOX), None));
    assert!(book.state.session.phase == Phase::Registered && book.state.requests[&frame].to == address(OTHER));
    let sent = sends(&book.go_on(8));
    assert!(sent.contains(&Send { to: address(OTHER), lane: Lane::Anonymous, frame: record }), "{sent:?}");
}

#[test]
fn another_relay_is_registered_with_and_gets_what_was_open_sealed_anew() {
    // Given a message in flight, one being sealed, and a receipt in flight.
    let mut book = Book::talking();
    book.receive(9, opened_message(BOB, 9, false));
    book.elapse(TimerId::Receipts(BOB));
    book.transmit(&Why::Receipt(BOB, vec![message(9)]));
    book.ask(1, send_to(BOB, 1));
    book.transmit(&Why::Message(message(1)));
    book.ask(2, send_to(BOB, 2));
    book.elapse(TimerId::Acknowledge);
    book.settle(&Why::Acknowledge(vec![9]), Said::Acknowledged(wire::Acknowledged {}));
    // When the person moves to another relay.
    book.ask(3, change(OTHER));
    let effects = book.settle(&Why::Challenge, challenge(OTHER_KEY));
    let signed = Challenge { relay: OTHER_KEY, ..signed() };
    assert_eq!(ops(&effects), [VaultOp::SignRegistration { challenge: signed, token: None }]);
    let effects = book.settle(&Why::Register, registered_answer());
    // Then nobody's mailbox is known there, so contacts are looked up, and nothing that was sealed goes out.
    assert!(book.state.session.phase == Phase::Registered && book.state.session.before.is_none());
    assert!(ops(&effects).contains(&VaultOp::Compose(Ask::Lookup(name("bob")))), "{effects:?}");
    // Contacts get capabilities there.
    assert!(ops(&effects).contains(&VaultOp::SetCapabilities { grant: vec![BOB], renew: vec![], revoke: vec![] }), "{effects:?}");
    let (_, effects) = book.frame(&Why::Abandoned);
    assert_eq!(sends(&effects), []);
    // Once found, receipts and messages are sealed for it, in the order of their asking.
    let sealed = ops(&book.find_bob());
    let receipt = VaultOp::SealReceipt { contact: BOB, mailbox: MAILBOX, messages: vec![message(9)], at: book.stamp() };
    assert_eq!(sealed, [receipt, seal_again(1), seal_again(2)]);
    // And go to it.
    let frame = book.frame(&Why::Message(message(1))).0;
    assert_eq!(book.state.requests[&frame].to, address(OTHER));
}

#[test]
fn messages_of_one_moment_keep_their_order_on_the_way_to_another_relay() {
    let mut book = Book::talking();
    book.frames = 1_000;
    for number in 1..=4 {
        book.ask(number, send_to(BOB, number));
    }
    for number in 1..=4 {
        // Names of frames say nothing of their order.
        book.frames -= 20;
        book.transmit(&Why::Message(message(number)));
    }
    book.frames = 2_000;
    book.ask(5, change(OTHER));
    settle_at_other(&mut book);
    assert_eq!(ops(&book.find_bob()), [1, 2, 3, 4].map(seal_again));
}

#[test]
fn a_message_in_flight_stays_before_one_that_waits() {
    // Given a message in flight, and a later one that waits for a conversation.
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    book.transmit(&Why::Message(message(1)));
    book.now += 5;
    book.ask(2, send_to(BOB, 2));
    let at = book.stamp();
    book.resolve(&Why::Message(message(2)), Outcome::Refused(Code::NoConversation));
    assert_eq!(book.bob().queue, [message(2)]);
    book.ask(3, change(OTHER));
    settle_at_other(&mut book);
    book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
    book.resolve(&Why::Pin(name("bob")), pinned(BOB, "bob", None));
    assert_eq!(book.bob().queue, [message(1), message(2)]);
    assert_eq!(book.state.outbox[&message(2)].at, at);
}

#[test]
fn a_welcome_that_an_empty_receipt_carried_goes_again_to_another_relay() {
    // Given a contact whose offer was taken, and the receipt with the Welcome in flight.
    let mut book = Book::acquainted();
    book.receive(1, Outcome::Opened(Opened::Offer { contact: BOB, name: name("bob"), anew: false }));
    book.resolve(&Why::Begin(BOB), begun());
    book.transmit(&Why::Receipt(BOB, vec![]));
    book.elapse(TimerId::Acknowledge);
    book.settle(&Why::Acknowledge(vec![1]), Said::Acknowledged(wire::Acknowledged {}));
    // When the relay changes.
    book.ask(2, change(OTHER));
    settle_at_other(&mut book);
    let sealed = ops(&book.find_bob());
    assert_eq!(sealed, [VaultOp::SealReceipt { contact: BOB, mailbox: MAILBOX, messages: vec![], at: book.stamp() }]);
}

#[test]
fn a_lookup_that_the_person_asked_for_is_asked_of_the_new_relay() {
    let mut book = Book::registered();
    book.ask(1, Intent::AddContact { name: name("carol") });
    book.transmit(&Why::Lookup(name("carol")));
    book.ask(2, change(OTHER));
    let effects = settle_at_other(&mut book);
    assert!(ops(&effects).contains(&VaultOp::Compose(Ask::Lookup(name("carol")))), "{effects:?}");
}

#[test]
fn a_relay_that_does_not_take_the_account_is_left_for_the_old_one() {
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    let before = book.transmit(&Why::Message(message(1)));
    book.ask(2, change(OTHER));
    // What is sealed meanwhile is for the old relay's mailboxes.
    book.ask(3, send_to(BOB, 3));
    let (meanwhile, effects) = book.frame(&Why::Message(message(3)));
    assert_eq!(sends(&effects), []);
    book.settle(&Why::Challenge, challenge(OTHER_KEY));
    let frame = book.transmit(&Why::Register);
    let effects = book.answer(frame, refusal(Code::NameTaken));
    let told = Effect::Notify(Change::RegistrationRefused(Code::NameTaken));
    assert_eq!(effects, [Effect::Disarm(TimerId::Retry(frame)), told, vault(VaultOp::Compose(Ask::Challenge))]);
    assert!(book.state.session.phase == Phase::Registered && book.state.session.before.is_none());
    assert_eq!(ClientRules::relay(&book.state), Some(RELAY_KEY));
    // Then the old one is logged in to, and gets all that is open.
    book.log_in();
    let records = [before, meanwhile].map(|frame| book.state.requests[&frame].frame);
    let sent = sends(&book.go_on(8)).into_iter().filter(|send| send.lane == Lane::Anonymous);
    assert_eq!(sent.take(2).collect::<Vec<Send>>(), records.map(|frame| Send { to: address(RELAY), lane: Lane::Anonymous, frame }));
}

#[test]
fn a_change_that_does_not_settle_can_be_taken_back() {
    // Given another relay that says nothing to the registration.
    let mut book = Book::talking();
    book.ask(1, change(OTHER));
    book.settle(&Why::Challenge, challenge(OTHER_KEY));
    book.settle(&Why::Register, refusal(Code::RelayBusy));
    // When the person goes back.
    let effects = book.ask(2, change(RELAY));
    assert_eq!(effects.last(), Some(&answered(2, Answer::Accepted)));
    book.log_in();
    assert!(book.state.session.phase == Phase::Registered && book.state.session.before.is_none());
    assert_eq!(book.bob().mailbox, Some(MAILBOX));
}

#[test]
fn a_third_relay_before_the_second_settled_goes_back_to_the_first() {
    let mut book = Book::talking();
    book.ask(1, change(OTHER));
    book.ask(2, change("loopback:third"));
    book.settle(&Why::Challenge, challenge(OTHER_KEY));
    book.settle(&Why::Register, refusal(Code::RegistrationClosed));
    assert_eq!(book.state.session.relay.as_ref().map(|relay| &relay.address), Some(&address(RELAY)));
}

fn register_with(key: RelayKey) -> Intent {
    Intent::Register { relay: address(RELAY), key: Some(key), token: None }
}

#[test]
fn changes_that_can_not_be_are_refused() {
    assert_eq!(Book::new().ask(1, change(OTHER)), refused(1, Code::NotRegistered));
    assert_eq!(Book::registered().ask(1, change(RELAY)), refused(1, Code::SameRelay));
    // Whoever has another key for this relay is not told that all is well.
    let with = |key| (register_with(key), Intent::ChangeRelay { relay: address(RELAY), key: Some(key), token: None });
    let (register, change_to_it) = with(RelayKey([8; 32]));
    assert_eq!(Book::registered().ask(1, register), refused(1, Code::ForgedAnswer));
    assert_eq!(Book::registered().ask(1, change_to_it), refused(1, Code::ForgedAnswer));
    let (register, change_to_it) = with(RELAY_KEY);
    assert_eq!(Book::registered().ask(1, register), refused(1, Code::AlreadyRegistered));
    assert_eq!(Book::registered().ask(1, change_to_it), refused(1, Code::SameRelay));
    // Mail that waits would be left at the old relay: at the relay, or on its way off it.
    let mut book = Book::registered();
    book.elapse(TimerId::Fetch);
    book.settle(&Why::Fetch, fetched(1));
    assert_eq!(book.ask(1, change(OTHER)), refused(1, Code::TooBusy));
    let mut book = Book::registered();
    book.envelope(1);
    assert_eq!(book.ask(1, change(OTHER)), refused(1, Code::TooBusy));
    // A relay that can not be reached has to be left without.
    let mut book = Book::registered();
    book.elapse(TimerId::Fetch);
    book.settle(&Why::Fetch, fetched(1));
    book.fall_offline();
    assert_eq!(book.ask(1, change(OTHER)).last(), Some(&answered(1, Answer::Accepted)));
}

#[test]
fn a_copied_profile_sends_nothing_until_the_person_decides() {
    // Given all kinds of things under way: messages, a receipt that is due, a mark, keys that are old, somebody to offer to.
    let mut book = Book::talking();
    book.ask(1, Intent::SetReadMarks { on: true });
    book.ask(2, send_to(BOB, 2));
    book.transmit(&Why::Message(message(2)));
    book.ask(3, send_to(BOB, 3));
    book.receive(9, opened_message(BOB, 9, false));
    book.ask(4, Intent::MarkRead { contact: BOB, message: message(9) });
    book.befriend(5, CAROL, "carol");
    book.ask(6, send_to(CAROL, 6));
    // When the relay has met another copy.
    book.ask(7, Intent::Connect);
    book.settle(&Why::Challenge, challenge(RELAY_KEY));
    let frame = book.transmit(&Why::Login);
    let effects = book.answer(frame, refusal(Code::ProfileCopied));
    assert_eq!(effects, [Effect::Disarm(TimerId::Retry(frame)), Effect::Notify(Change::Disconnected(Code::ProfileCopied))]);
    assert!(crate::view(&book.state).copied && !crate::view(&book.state).online);
    // Then the person is told with each thing that they ask for.
    for (number, intent) in [
        (10, send_to(BOB, 10)),
        (11, Intent::RetryMessage { contact: BOB, message: message(203) }),
        (12, Intent::Connect),
        (13, change(OTHER)),
    ] {
        assert_eq!(book.ask(number, intent), refused(number, Code::ProfileCopied));
    }
    book.ask(14, Intent::BlockContact { contact: CAROL, blocked: true });
    book.ask(15, Intent::AddContact { name: name("dave") });
    // And weeks go by without a word.
    let until = book.now + 5 * UPDATE_EVERY.0;
    while book.now < until {
        assert_eq!(sends(&book.go_on(1)), []);
    }
    // When they decide for this device, it speaks again.
    book.ask(16, Intent::TakeOver);
    assert_eq!(sends(&book.go_on(20)).first().map(|send| send.lane), Some(Lane::Named));
}

#[test]
fn a_no_that_means_another_copy_is_believed_of_a_login_alone() {
    let mut book = Book::new();
    book.ask(1, register());
    book.settle(&Why::Challenge, challenge(RELAY_KEY));
    book.settle(&Why::Register, refusal(Code::ProfileCopied));
    assert!(!book.state.session.copied);
    // The registration goes on.
    assert_eq!(ops(&book.elapse(TimerId::Login)), [VaultOp::Compose(Ask::Challenge)]);
}

#[test]
fn taking_over_begins_every_conversation_anew_before_anything_is_sealed() {
    // Given messages under way, in this order, when the relay met another copy.
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    book.transmit(&Why::Message(message(1)));
    book.ask(2, send_to(BOB, 2));
    let old = book.open(&Why::Message(message(2)));
    book.copied();
    // When this device goes on.
    let effects = book.ask(3, Intent::TakeOver);
    assert_eq!(ops(&effects), [VaultOp::GiveUpGroups, offer_anew(&book), VaultOp::Compose(Ask::Challenge)]);
    assert_eq!(book.state.outstanding[&old].why, Why::Abandoned);
    let effects = book.settle(&Why::Challenge, challenge(RELAY_KEY));
    assert_eq!(ops(&effects), [VaultOp::SignLogin { challenge: signed(), takes_over: true }]);
    book.settle(&Why::Login, logged_in(50, true));
    book.settle(&Why::Fetch, fetched(0));
    assert!(!book.state.session.takes_over);
    // Then nothing is sealed, and what is asked for waits, until they begin.
    book.ask(4, send_to(BOB, 4));
    let at = book.stamp();
    book.receive(1, opened_message(BOB, 9, false));
    assert_eq!(ops(&book.elapse(TimerId::Receipts(BOB))), []);
    assert_eq!(book.bob().queue, [message(1), message(2), message(4)]);
    // When they have, all goes, in order.
    let effects = book.receive(2, opened_message(BOB, 10, true));
    let seal = VaultOp::SealMessage { contact: BOB, mailbox: MAILBOX, message: message(4), body: BodyRef([4; 16]), at };
    let receipt = VaultOp::SealReceipt { contact: BOB, mailbox: MAILBOX, messages: vec![message(9), message(10)], at: book.stamp() };
    assert_eq!(ops(&effects), [receipt, seal_again(1), seal_again(2), seal]);
    // The next login does not take over once more.
    book.ask(5, Intent::Connect);
    let effects = book.settle(&Why::Challenge, challenge(RELAY_KEY));
    assert_eq!(ops(&effects), [VaultOp::SignLogin { challenge: signed(), takes_over: false }]);
}

#[test]
fn whoever_wrote_after_the_take_over_and_before_they_were_asked_is_asked_all_the_same() {
    // Given someone who asks, and a copy that goes on.
    let mut book = Book::talking();
    let opened = |number, moved| match opened_message(CAROL, number, moved) {
        Outcome::Opened(Opened::Message { contact, conversation, message, claimed, moved, .. }) => {
            Outcome::Opened(Opened::Message { contact, name: name("carol"), conversation, message, claimed, moved })
        }
        other => other,
    };
    book.receive(1, opened(1, true));
    book.copied();
    book.ask(2, Intent::TakeOver);
    book.log_in();
    book.settle(&Why::MailboxKey, Said::MailboxKeyPublished(wire::MailboxKeyPublished {}));
    // When a message of theirs comes with a Welcome, it is not the beginning that they are to be asked for.
    book.receive(2, opened(2, true));
    let carol = |book: &Book| book.state.contacts[&CAROL].clone();
    assert!(carol(&book).anew && carol(&book).conversation == Conversation::Beginning);
    // Then they are asked as soon as they are accepted, and what they begin then counts.
    book.ask(3, Intent::AcceptContact { contact: CAROL });
    book.settle(&Why::Lookup(name("carol")), Said::Entry(wire::Entry::default()));
    let effects = book.resolve(&Why::Pin(name("carol")), pinned(CAROL, "carol", None));
    let offer = VaultOp::SealOffer { contact: CAROL, mailbox: MAILBOX, anew: true, at: book.stamp() };
    assert!(ops(&effects).contains(&offer), "{effects:?}");
    book.receive(4, opened(3, true));
    assert!(!carol(&book).anew && carol(&book).conversation == Conversation::Open);
}

#[test]
fn nobody_is_asked_to_begin_anew_before_mail_is_sealed_to_this_device() {
    let mut book = Book::talking();
    book.copied();
    book.ask(1, Intent::TakeOver);
    book.settle(&Why::Challenge, challenge(RELAY_KEY));
    book.settle(&Why::Login, logged_in(50, true));
    book.frame(&Why::Offer(BOB, true));
    let waiting =
        |book: &Book| book.state.requests.values().find(|request| request.why == Why::Offer(BOB, true)).map(|request| request.tries);
    // The moment of the login is past, and the relay has not taken the new mailbox key.
    book.now += 60_000;
    assert!(!book.state.timers.contains_key(&TimerId::Resume));
    assert_eq!(waiting(&book), Some(0));
    // When it has, the offer goes.
    book.settle(&Why::MailboxKey, Said::MailboxKeyPublished(wire::MailboxKeyPublished {}));
    let effects = book.elapse(TimerId::Resume);
    assert_eq!(sends(&effects).len(), 1, "{effects:?}");
    assert_eq!(waiting(&book), Some(1));
}

#[test]
fn the_stock_of_key_packages_is_replaced_after_a_take_over_however_full_it_is() {
    let mut book = Book::talking();
    book.copied();
    book.ask(1, Intent::TakeOver);
    book.settle(&Why::Challenge, challenge(RELAY_KEY));
    let effects = book.settle(&Why::Login, logged_in(50, true));
    let make = |replaces, count| VaultOp::MakeKeyPackages { count, last_resort: replaces, replaces, at: book.stamp() };
    assert!(ops(&effects).contains(&make(true, KEY_PACKAGES)), "{effects:?}");
    // A publication that was lost with its session is made again, until the relay took one.
    book.ask(2, Intent::Connect);
    book.settle(&Why::Challenge, challenge(RELAY_KEY));
    let effects = book.settle(&Why::Login, logged_in(50, true));
    let make = |replaces, count| VaultOp::MakeKeyPackages { count, last_resort: replaces, replaces, at: book.stamp() };
    assert!(ops(&effects).contains(&make(true, KEY_PACKAGES)), "{effects:?}");
    book.settle(&Why::Publish, Said::Published(wire::Published { key_packages: KEY_PACKAGES }));
    book.ask(3, Intent::Connect);
    book.settle(&Why::Challenge, challenge(RELAY_KEY));
    let effects = book.settle(&Why::Login, logged_in(10, true));
    let make = |replaces, count| VaultOp::MakeKeyPackages { count, last_resort: replaces, replaces, at: book.stamp() };
    assert!(ops(&effects).contains(&make(false, KEY_PACKAGES - 10)), "{effects:?}");
}

#[test]
fn who_has_not_begun_is_asked_again_every_day() {
    let mut book = Book::talking();
    book.copied();
    book.ask(1, Intent::TakeOver);
    book.log_in();
    book.settle(&Why::MailboxKey, Said::MailboxKeyPublished(wire::MailboxKeyPublished {}));
    book.settle(&Why::Offer(BOB, true), stored());
    for _ in 0..3 {
        let effects = book.elapse(TimerId::Tidy);
        assert!(ops(&effects).contains(&offer_anew(&book)), "{effects:?}");
        book.settle(&Why::Offer(BOB, true), stored());
    }
    book.receive(1, opened_message(BOB, 1, true));
    assert!(!ops(&book.elapse(TimerId::Tidy)).contains(&offer_anew(&book)));
}

#[test]
fn each_of_many_who_have_not_begun_has_a_turn_and_one_a_day() {
    // Given more conversations than one round looks at, none of which begins anew.
    let mut book = Book::talking();
    let crowd = book.crowd(TIDY_CONTACTS_MAX as u64 * 2);
    book.copied();
    book.ask(1, Intent::TakeOver);
    let at = book.now;
    let mut offers: BTreeMap<Fingerprint, u64> = BTreeMap::new();
    // When four days go by, with whatever rounds they bring.
    while book.now < at + 4 * 86_400_000 {
        for op in ops(&book.elapse(TimerId::Tidy)) {
            if let VaultOp::SealOffer { contact, .. } = op {
                *offers.entry(contact).or_default() += 1;
            }
        }
        let open: Vec<EffectId> = book.state.outstanding.keys().copied().collect();
        for effect in open {
            book.fold(&Event::Resolved { effect, outcome: Outcome::Done, vault_count: 0 });
        }
    }
    // Then each was asked again, and none more than daily.
    let counts: Vec<u64> = crowd.iter().map(|contact| offers.get(contact).copied().unwrap_or(0)).collect();
    assert!(counts.iter().all(|count| (1..=4).contains(count)), "{counts:?}");
}

#[test]
fn taking_over_many_conversations_keeps_the_bound_of_requests() {
    let mut book = Book::talking();
    let crowd = book.crowd(REQUESTS_MAX as u64 + 100);
    book.copied();
    book.ask(1, Intent::TakeOver);
    let under_way = book.state.outstanding.len() + book.state.requests.len();
    assert!(under_way <= REQUESTS_MAX + 8, "{under_way} under way");
    book.log_in();
    // Whoever is beyond it has their turn.
    let mut offered = BTreeSet::new();
    for _ in 0..8_000 {
        for why in book.under_way() {
            if let Why::Offer(contact, _) = why {
                offered.insert(contact);
            }
        }
        if offered.len() > crowd.len() {
            return;
        }
        // The relay takes what comes.
        let frames: Vec<(FrameId, Why)> = book.state.requests.iter().map(|(id, request)| (*id, request.why.clone())).collect();
        for (frame, why) in frames {
            match why {
                Why::Challenge => book.answer(frame, challenge(RELAY_KEY)),
                Why::Login => book.answer(frame, logged_in(50, true)),
                Why::Fetch => book.answer(frame, fetched(0)),
                _ => book.answer(frame, stored()),
            };
        }
        book.go_on(200);
    }
    panic!("{} of {} were asked", offered.len(), crowd.len() + 1);
}

#[test]
fn a_stranger_with_whom_there_was_a_conversation_is_asked_when_accepted() {
    // Given a stranger who wrote, when another copy was met.
    let mut book = Book::registered();
    book.receive(1, opened_message(BOB, 1, true));
    book.copied();
    let effects = book.ask(2, Intent::TakeOver);
    assert_eq!(ops(&effects), [VaultOp::GiveUpGroups, VaultOp::Compose(Ask::Challenge)], "no stranger is asked or looked up");
    book.log_in();
    assert_eq!(ops(&book.elapse(TimerId::Receipts(BOB))), []);
    // When they are accepted.
    let effects = book.ask(3, Intent::AcceptContact { contact: BOB });
    assert_eq!(ops(&effects), [VaultOp::Compose(Ask::Lookup(name("bob")))]);
    // Then they are asked to begin: the group that they know is dead.
    let effects = book.find_bob();
    assert_eq!(ops(&effects), [offer_anew(&book)]);
}

#[test]
fn a_blocked_contact_is_asked_when_unblocked() {
    let mut book = Book::talking();
    book.ask(1, Intent::BlockContact { contact: BOB, blocked: true });
    book.copied();
    assert_eq!(ops(&book.ask(2, Intent::TakeOver)), [VaultOp::GiveUpGroups, VaultOp::Compose(Ask::Challenge)]);
    let effects = book.ask(3, Intent::BlockContact { contact: BOB, blocked: false });
    assert_eq!(ops(&effects), [offer_anew(&book)]);
}

#[test]
fn an_offer_that_a_change_of_relay_cut_off_is_made_again() {
    let mut book = Book::talking();
    book.copied();
    book.ask(1, Intent::TakeOver);
    book.log_in();
    book.settle(&Why::MailboxKey, Said::MailboxKeyPublished(wire::MailboxKeyPublished {}));
    book.transmit(&Why::Offer(BOB, true));
    book.ask(2, change(OTHER));
    settle_at_other(&mut book);
    let effects = book.find_bob();
    assert_eq!(ops(&effects), [offer_anew(&book)]);
    assert_eq!(book.bob().conversation, Conversation::Beginning);
}

#[test]
fn only_a_copied_profile_is_taken_over() {
    assert_eq!(Book::new().ask(1, Intent::TakeOver), refused(1, Code::NotCopied));
    assert_eq!(Book::talking().ask(1, Intent::TakeOver), refused(1, Code::NotCopied));
    let mut book = Book::talking();
    book.copied();
    book.ask(1, Intent::TakeOver);
    assert_eq!(book.ask(2, Intent::TakeOver), refused(2, Code::NotCopied));
}

#[test]
fn whoever_takes_over_publishes_a_mailbox_key_of_this_device_and_gives_its_capabilities_again() {
    // Found by the simulator (seed 69): the other copy's keys are not here, and mail sealed to them is lost.
    let mut book = Book::talking();
    book.copied();
    book.ask(1, Intent::TakeOver);
    let effects = book.log_in();
    assert!(ops(&effects).iter().any(|op| matches!(op, VaultOp::RotateMailboxKey { .. })), "{effects:?}");
    assert!(ops(&effects).iter().any(|op| matches!(op, VaultOp::SetCapabilities { grant, .. } if *grant == [BOB])), "{effects:?}");
}

#[test]
fn a_take_over_asks_also_with_whom_this_copy_has_no_conversation() {
    // Found by the simulator (seed 723): the other copy may have begun one.
    let mut book = Book::acquainted();
    book.copied();
    let effects = book.ask(1, Intent::TakeOver);
    assert!(ops(&effects).iter().any(|op| matches!(op, VaultOp::SealOffer { contact: BOB, anew: true, .. })), "{effects:?}");
}

#[test]
fn whoever_rejoins_begins_every_conversation_anew_and_believes_no_answer_about_groups() {
    // Given a device that died while it began a conversation, with a message sealed in another.
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    book.transmit(&Why::Message(message(1)));
    book.befriend(2, CAROL, "carol");
    book.ask(3, send_to(CAROL, 3));
    book.settle(&Why::KeyPackage(CAROL), Said::KeyPackage(wire::KeyPackage::default()));
    let begins = book.open(&Why::Begin(CAROL));
    // When it goes on with a vault of another time.
    let effects = book.ask(4, Intent::Rejoin);
    // Then both are looked up, since the vault may not know them, and the relay is told.
    let lookup = |text: &str| VaultOp::Compose(Ask::Lookup(name(text)));
    let expected = [VaultOp::ShowRead { on: false }, lookup("bob"), lookup("carol"), VaultOp::Compose(Ask::Challenge)];
    assert_eq!(ops(&effects), expected);
    assert_eq!(book.state.outstanding[&begins].why, Why::Abandoned);
    assert!(book.state.session.takes_over && book.state.session.restock);
    // The ledger answers with the group that was begun once: nothing is sealed in it.
    let effects = book.fold(&Event::Resolved { effect: begins, outcome: begun(), vault_count: 1 });
    assert_eq!(ops(&effects), []);
    assert!(book.state.contacts.values().all(|known| known.anew && known.conversation == Conversation::Beginning));
    assert_eq!((book.bob().queue.clone(), book.state.contacts[&CAROL].queue.clone()), (vec![message(1)], vec![message(3)]));
    // They are offered one when they are known again.
    book.log_in();
    book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
    let effects = book.resolve(&Why::Pin(name("bob")), pinned(BOB, "bob", None));
    assert!(ops(&effects).iter().any(|op| matches!(op, VaultOp::SealOffer { contact: BOB, anew: true, .. })), "{effects:?}");
}

#[test]
fn what_is_restored_names_no_record_and_seeks_again_whom_it_sought() {
    // Given somebody who has all kinds of work under way: a message that waits for its answer, a name that is verified, an envelope
    // that the vault is to open, and one that came early.
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    book.transmit(&Why::Message(message(1)));
    book.ask(2, Intent::AddContact { name: name("carol") });
    book.settle(&Why::Lookup(name("carol")), Said::Entry(wire::Entry::default()));
    let verifies = book.open(&Why::Pin(name("carol")));
    book.envelope(7);
    book.state.early.insert(CAROL, vec![Held { envelope: Seq(1), len: 9, at: Stamp(0) }]);
    assert!(!ClientRules::named(&book.state).is_empty());
    // When that state is what an archive brought.
    let effects = book.ask(3, Intent::Restore);
    // Then nothing waits for a record that is not there, what was under way begins again, and the relay is told.
    assert_eq!(ClientRules::named(&book.state), BTreeSet::new());
    assert_eq!(book.state.unacknowledged, BTreeSet::new(), "other items may stand there by now");
    assert!(!book.state.outstanding.contains_key(&verifies));
    assert!(ops(&effects).contains(&VaultOp::Compose(Ask::Lookup(name("carol")))), "{effects:?}");
    assert!(book.state.session.takes_over && book.state.session.restock);
    assert!(book.bob().anew && book.bob().queue == [message(1)]);
    // An outcome of what was let go of changes nothing.
    let before = book.state.clone();
    book.fold(&Event::Resolved { effect: verifies, outcome: pinned(CAROL, "carol", None), vault_count: 0 });
    assert_eq!(book.state, before);
}

#[test]
fn whoever_rejoins_without_a_relay_asks_none() {
    let mut book = Book::new();
    let effects = book.ask(1, Intent::Rejoin);
    assert_eq!(ops(&effects), [VaultOp::ShowRead { on: false }]);
    assert!(!book.state.session.takes_over);
    assert_eq!(book.state.session.link, Link::Offline);
}

#[test]
fn who_rejoins_begins_nothing_with_whom_they_meet_before_those_were_asked() {
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    book.ask(2, Intent::Rejoin);
    book.log_in();
    book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
    let found = Outcome::Pinned { contact: BOB, mailbox: MAILBOX, name: name("bob"), contradicts: None, anew: true };
    let effects = book.resolve(&Why::Pin(name("bob")), found);
    assert_eq!(ops(&effects), [offer_anew(&book)]);
    assert_eq!(book.bob().queue, [message(1)]);
}

#[test]
fn a_token_is_not_kept_when_the_relay_that_asked_for_it_does_not_take_the_account() {
    let mut book = Book::registered();
    let relay = address("loopback:other");
    let token = thicket_types::name::RegistrationToken::parse("let-me-in");
    book.ask(1, Intent::ChangeRelay { relay, key: None, token });
    assert!(book.state.session.token.is_some());
    book.settle(&Why::Challenge, challenge(RelayKey([9; 32])));
    book.settle(&Why::Register, refusal(Code::BadToken));
    assert_eq!(book.state.session.token, None);
}
