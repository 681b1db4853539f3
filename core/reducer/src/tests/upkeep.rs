//! The daily round.

use super::*;

fn updates(effects: &[Effect]) -> Vec<Fingerprint> {
    let updates = ops(effects).into_iter().filter_map(|op| match op {
        VaultOp::UpdateKeys { contact, .. } => Some(contact),
        _ => None,
    });
    updates.collect()
}

/// The round at a moment, or as soon after as it is armed for, with everybody looked up lately.
fn round_at(book: &mut Book, now: u64) -> Vec<Effect> {
    book.now = now.max(book.deadline(TimerId::Tidy).0);
    let lately = Some(book.stamp());
    book.state.contacts.values_mut().for_each(|known| known.looked = lately);
    book.elapse(TimerId::Tidy)
}

fn update_bob() -> Intent {
    Intent::UpdateKeys { contact: BOB }
}

#[test]
fn the_round_comes_every_day() {
    let mut book = Book::registered();
    assert!(within_a_quarter(book.deadline(TimerId::Tidy).0 - START, TIDY_EVERY));
    for _ in 0..3 {
        let effects = book.elapse(TimerId::Tidy);
        let next = book.deadline(TimerId::Tidy);
        assert_eq!(effects, [vault(VaultOp::Tidy { at: book.stamp() }), Effect::Arm(TimerId::Tidy, next)]);
        assert!(within_a_quarter(next.0 - book.now, TIDY_EVERY));
        book.resolve(&Why::Tidy, Outcome::Done);
    }
}

#[test]
fn our_keys_in_a_conversation_are_renewed_every_week() {
    let mut book = Book::talking();
    let from = book.bob().updated.0;
    assert_eq!(updates(&round_at(&mut book, from + UPDATE_EVERY.0 - 1)), []);
    let effects = round_at(&mut book, from + UPDATE_EVERY.0);
    assert!(ops(&effects).contains(&VaultOp::UpdateKeys { contact: BOB, mailbox: MAILBOX, at: book.stamp() }), "{effects:?}");
    book.settle(&Why::Update(BOB), stored());
    let from = book.now;
    assert_eq!(updates(&round_at(&mut book, from + UPDATE_EVERY.0 - 1)), []);
    assert_eq!(updates(&round_at(&mut book, from + UPDATE_EVERY.0)), [BOB]);
}

#[test]
fn one_round_renews_so_many_and_goes_on_an_hour_later() {
    let mut book = Book::talking();
    let crowd = book.crowd(TIDY_CONTACTS_MAX as u64 + 8);
    let all: Vec<Fingerprint> = [BOB].into_iter().chain(crowd).collect();
    let now = book.now + UPDATE_EVERY.0;
    assert_eq!(updates(&round_at(&mut book, now)), all[..TIDY_CONTACTS_MAX]);
    assert!(within_a_quarter(book.deadline(TimerId::Tidy).0 - book.now, Duration::seconds(3_600)));
    assert_eq!(updates(&book.elapse(TimerId::Tidy)), all[TIDY_CONTACTS_MAX..]);
    assert!(within_a_quarter(book.deadline(TimerId::Tidy).0 - book.now, TIDY_EVERY));
}

#[test]
fn rounds_without_a_relay_do_not_pile_up_past_the_bound() {
    // Given many conversations, and a relay that is gone.
    let mut book = Book::talking();
    book.crowd(REQUESTS_MAX as u64 * 2);
    book.fall_offline();
    book.now += UPDATE_EVERY.0;
    // When the rounds go on for days.
    for _ in 0..60 {
        book.elapse(TimerId::Tidy);
        while let Some((effect, asked)) = book.state.outstanding.iter().next().map(|(id, open)| (*id, open.effect.clone())) {
            let outcome = any_life::outcome(&mut book, &asked, 200);
            book.fold(&Event::Resolved { effect, outcome, vault_count: 0 });
        }
    }
    assert!(book.state.requests.len() <= REQUESTS_MAX, "{} requests", book.state.requests.len());
}

#[test]
fn who_is_held_blocked_or_was_never_met_is_passed_over() {
    let change: [fn(&mut crate::Contact); 5] = [
        |known| known.held = true,
        |known| known.standing = Standing::Blocked,
        |known| known.standing = Standing::Asking,
        |known| known.conversation = Conversation::None,
        |known| known.mailbox = None,
    ];
    for change in change {
        let mut book = Book::talking();
        change(book.state.contacts.get_mut(&BOB).expect("Bob"));
        let now = book.now + UPDATE_EVERY.0;
        assert_eq!(updates(&round_at(&mut book, now)), []);
    }
}

#[test]
fn the_mailbox_key_is_renewed_every_week_and_only_while_the_relay_can_be_told() {
    let mut book = Book::registered();
    let rotate = |book: &Book| VaultOp::RotateMailboxKey { at: book.stamp() };
    let now = book.state.session.mailbox_key_at.0 + MAILBOX_KEY_EVERY.0;
    assert!(!ops(&round_at(&mut book, now - 1)).contains(&rotate(&book)));
    book.fall_offline();
    assert!(!ops(&round_at(&mut book, now)).contains(&rotate(&book)));
    // The next login does it, on the named lane, and the next round not again.
    book.elapse(TimerId::Login);
    let effects = book.log_in();
    assert_eq!(ops(&effects).iter().filter(|op| matches!(op, VaultOp::RotateMailboxKey { .. })).count(), 1);
    let (frame, effects) = book.frame(&Why::MailboxKey);
    assert_eq!(sends(&effects)[0].lane, Lane::Named);
    assert!(!ops(&book.elapse(TimerId::Tidy)).contains(&rotate(&book)));
    book.answer(frame, Said::MailboxKeyPublished(wire::MailboxKeyPublished {}));
    assert_eq!(book.state.session.mailbox_key_at, book.stamp());
    assert!(!ops(&book.elapse(TimerId::Tidy)).contains(&rotate(&book)));
}

#[test]
fn a_mailbox_key_that_the_relay_refused_is_tried_again_by_the_next_round() {
    let mut book = Book::registered();
    let now = book.now + MAILBOX_KEY_EVERY.0;
    round_at(&mut book, now);
    book.settle(&Why::MailboxKey, refusal(Code::MalformedRequest));
    // The key that was made then is published, not another.
    let made = book.state.session.mailbox_key_made.expect("one that waits");
    assert!(ops(&book.elapse(TimerId::Tidy)).contains(&VaultOp::RotateMailboxKey { at: made }));
    book.settle(&Why::MailboxKey, Said::MailboxKeyPublished(wire::MailboxKeyPublished {}));
    assert_eq!(book.state.session.mailbox_key_made, None);
}

#[test]
fn a_person_can_have_keys_renewed_at_any_time() {
    let mut book = Book::talking();
    let effects = book.ask(1, update_bob());
    let update = vault(VaultOp::UpdateKeys { contact: BOB, mailbox: MAILBOX, at: book.stamp() });
    assert_eq!(effects, [update, answered(1, Answer::Accepted)]);
    assert_eq!(book.bob().updated, book.stamp());
    // A no to it, by the vault or by the relay, costs nothing.
    assert_eq!(book.resolve(&Why::Update(BOB), Outcome::Refused(Code::NoConversation)), []);
    book.ask(2, update_bob());
    book.settle(&Why::Update(BOB), refusal(Code::UnknownMailbox));
    assert_eq!(book.under_way(), []);
}

#[test]
fn keys_are_not_renewed_where_they_can_not_be() {
    let refused = |code| [answered(1, Answer::Refused(code))];
    assert_eq!(Book::new().ask(1, update_bob()), refused(Code::NotRegistered));
    assert_eq!(Book::registered().ask(1, update_bob()), refused(Code::UnknownContact));
    assert_eq!(Book::acquainted().ask(1, update_bob()), refused(Code::NoConversation));
    type Change = fn(&mut crate::Contact);
    let change: [(Change, Code); 3] = [
        (|known| known.held = true, Code::ContactHeld),
        (|known| known.standing = Standing::Blocked, Code::ContactBlocked),
        (|known| known.mailbox = None, Code::NoConversation),
    ];
    for (change, code) in change {
        let mut book = Book::talking();
        change(book.state.contacts.get_mut(&BOB).expect("Bob"));
        assert_eq!(book.ask(1, update_bob()), refused(code));
    }
    let mut book = Book::talking();
    for number in 0..REQUESTS_MAX as u64 {
        let (why, to) = (Why::Update(CAROL), address(RELAY));
        let waiting = InFlight { why, to, lane: Lane::Anonymous, frame: Seq(1), at: book.stamp(), tries: 1, stamps: 0 };
        book.state.requests.insert(frame_id(1_000_000 + number), waiting);
    }
    assert_eq!(book.ask(1, update_bob()), refused(Code::TooBusy));
    let mut book = Book::talking();
    book.copied();
    assert_eq!(book.ask(1, update_bob()), refused(Code::ProfileCopied));
}

#[test]
fn a_contact_written_to_is_looked_up_again_once_a_week() {
    let mut book = Book::talking();
    let look_up = VaultOp::Compose(Ask::Lookup(name("bob")));
    let looked = book.bob().looked.expect("a lookup").0;
    book.now = looked + LOOKUP_EVERY.0 - 1;
    assert!(!ops(&book.ask(1, send_to(BOB, 1))).contains(&look_up));
    book.now = looked + LOOKUP_EVERY.0;
    assert!(ops(&book.ask(2, send_to(BOB, 2))).contains(&look_up));
    // Not again while that is under way, nor after.
    assert!(!ops(&book.ask(3, send_to(BOB, 3))).contains(&look_up));
    book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
    book.resolve(&Why::Pin(name("bob")), pinned(BOB, "bob", None));
    assert!(!ops(&book.ask(4, send_to(BOB, 4))).contains(&look_up));
}

#[test]
fn nothing_is_sealed_by_an_entry_that_is_a_week_old_before_a_new_one_is_here() {
    // Their key may have been replaced, and be destroyed before the mail is fetched.
    let mut book = Book::talking();
    book.now += LOOKUP_EVERY.0;
    book.ask(1, send_to(BOB, 1));
    book.ask(2, update_bob());
    book.settle(&Why::Lookup(name("bob")), refusal(Code::UnknownName));
    assert!(!book.bob().looking);
    assert_eq!(book.bob().queue, [message(1)]);
    assert!(!book.under_way().contains(&Why::Message(message(1))));
    // It is tried again, and then both go.
    book.elapse(TimerId::Advance(BOB));
    book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
    book.resolve(&Why::Pin(name("bob")), pinned(BOB, "bob", None));
    assert!(book.under_way().contains(&Why::Message(message(1))) && book.under_way().contains(&Why::Update(BOB)));
}

#[test]
fn what_was_sealed_a_week_ago_is_sealed_anew_before_it_is_sent() {
    // Given a message, a receipt and a key update that no relay took for a week.
    let mut book = Book::talking();
    book.receive(1, opened_message(BOB, 9, false));
    book.elapse(TimerId::Receipts(BOB));
    book.ask(1, send_to(BOB, 1));
    book.ask(2, update_bob());
    for why in [Why::Message(message(1)), Why::Receipt(BOB, vec![message(9)]), Why::Update(BOB)] {
        let (frame, _) = book.frame(&why);
        book.resolve(&Why::Handing(frame), Outcome::Unreachable);
    }
    book.now += LOOKUP_EVERY.0;
    // When this device is logged in again.
    book.reconnect();
    let effects = book.elapse(TimerId::Resume);
    // Then nothing of it goes out; the contact is looked up, and all of it is sealed for whom the directory shows then.
    assert_eq!(sends(&effects), []);
    book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
    let effects = book.resolve(&Why::Pin(name("bob")), pinned(BOB, "bob", None));
    let sealed: Vec<&str> = ops(&effects).iter().map(VaultOp::word).collect();
    assert_eq!(sealed, ["SealReceipt", "SealAgain", "UpdateKeys"]);
}

#[test]
fn a_round_whose_fold_panicked_is_armed_again_by_the_next_login() {
    let mut book = Book::registered();
    book.now = book.deadline(TimerId::Tidy).0;
    book.fold(&Event::Elapsed { timer: TimerId::Tidy, fault: true });
    assert!(!book.state.timers.contains_key(&TimerId::Tidy));
    book.reconnect();
    assert!(book.state.timers.contains_key(&TimerId::Tidy));
}
