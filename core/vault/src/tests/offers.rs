//! Offers: conversations that the other side is asked to begin.

use super::*;
use thicket_types::limits::OUTBOX_MAX;

fn offer(by: &mut Person, to: &Person, anew: bool, at: Stamp) -> Vec<u8> {
    put(&by.ask(VaultOp::SealOffer { contact: to.own(), mailbox: to.mailbox(), anew, at }, &[])).envelope
}

fn offered(by: &Person, anew: bool) -> Opened {
    Opened::Offer { contact: by.own(), name: name(by.who), anew }
}

fn begin_from(by: &mut Person, contact: &Person) -> Outcome {
    by.ask(VaultOp::BeginFromOffer { contact: contact.own(), at: NOW }, &[])
}

fn acquainted() -> (Person, Person) {
    let (mut alice, mut bob) = two();
    pin(&mut alice, &mut bob);
    pin(&mut bob, &mut alice);
    (alice, bob)
}

#[test]
fn whom_nobody_can_begin_with_asks_and_the_other_begins() {
    let (mut alice, mut bob) = acquainted();
    let asked = offer(&mut alice, &bob, false, NOW);
    assert_eq!(read(&mut bob, &asked), offered(&alice, false));
    assert_eq!(begin_from(&mut bob, &alice), begun());
    let word = VaultOp::SealReceipt { contact: alice.own(), mailbox: alice.mailbox(), messages: Vec::new(), at: NOW };
    let welcome = put(&bob.ask(word, &[])).envelope;
    assert_eq!(read(&mut alice, &welcome), Opened::Receipt { contact: bob.own(), delivered: Vec::new(), moved: true });
    let hello = say(&mut alice, &bob, "at last");
    hears(&mut bob, &alice, &hello, "at last");
    // It was one package for one conversation.
    assert_eq!(begin_from(&mut bob, &alice), Outcome::Refused(Code::BadOffer));
}

#[test]
fn an_offer_is_taken_once_and_an_older_one_never() {
    let (mut alice, mut bob) = acquainted();
    let (older, newer) = (offer(&mut alice, &bob, true, NOW), offer(&mut alice, &bob, false, LATER));
    assert_eq!(read(&mut bob, &newer), offered(&alice, false));
    for repeat in [&newer, &older] {
        assert_eq!(read(&mut bob, repeat), unreadable(&alice, Code::Repeated));
    }
    assert_eq!(bob.rows(), []);
}

#[test]
fn an_offer_is_for_one_recipient_by_the_one_who_signed() {
    let (mut alice, mut bob, mut carol) = three("carol");
    for person in [&mut bob, &mut carol] {
        pin(person, &mut alice);
        pin(&mut alice, person);
    }
    let for_bob = offer(&mut alice, &bob, true, NOW);
    // Passed on to Carol; under Carol's certificate; changed.
    let passed_on = forge(&carol, &alice, inside(&bob, &for_bob));
    assert_eq!(read(&mut carol, &passed_on), unreadable(&alice, Code::BadOffer));
    pin(&mut bob, &mut carol);
    let claimed = forge(&bob, &carol, inside(&bob, &for_bob));
    assert_eq!(read(&mut bob, &claimed), unreadable(&carol, Code::BadOffer));
    let Inside::Offer(mut changed) = inside(&bob, &for_bob) else {
        panic!("no offer");
    };
    changed.statement.push(0x28);
    changed.statement.push(9);
    let changed = forge(&bob, &alice, Inside::Offer(changed));
    assert_eq!(read(&mut bob, &changed), unreadable(&alice, Code::BadOffer));
    // No row says so: an offer is no message.
    assert_eq!(bob.rows(), []);
    assert_eq!(read(&mut bob, &for_bob), offered(&alice, true));
}

#[test]
fn a_group_that_was_never_heard_is_given_up_and_what_it_carried_is_named() {
    let (mut alice, mut bob) = acquainted();
    // The relay gave one package out twice: Bob used it up with someone else.
    let package = package(&mut bob);
    assert_eq!(begin_with(&mut alice, bob.own(), package), begun());
    let mut carol = Person::new("carol", 3);
    let lost = say(&mut alice, &bob, "lost in a dead group");
    let _ = &mut carol;
    bob.vault.conn.execute("DELETE FROM mls WHERE kind = 17", []).expect("a table");
    assert_eq!(read(&mut bob, &lost), unreadable(&alice, Code::NoMatchingKeyPackage));

    let asked = offer(&mut bob, &alice, false, NOW);
    assert_eq!(read(&mut alice, &asked), offered(&bob, false));
    let again = vec![message_of("lost in a dead group")];
    assert_eq!(begin_from(&mut alice, &bob), Outcome::Begun { again: again.clone() });
    let op = VaultOp::SealAgain { contact: bob.own(), mailbox: bob.mailbox(), message: again[0] };
    let sealed = put(&alice.ask(op, &[])).envelope;
    hears(&mut bob, &alice, &sealed, "lost in a dead group");
    assert_eq!(alice.rows().len(), 1, "it is the same row");
}

#[test]
fn a_living_conversation_does_not_begin_again_from_a_plain_offer() {
    let (mut alice, mut bob) = acquainted();
    let package = package(&mut bob);
    assert_eq!(begin_with(&mut alice, bob.own(), package), begun());
    let hello = say(&mut alice, &bob, "hello");
    hears(&mut bob, &alice, &hello, "hello");
    let hello = say(&mut bob, &alice, "hello");
    hears(&mut alice, &bob, &hello, "hello");
    let asked = offer(&mut bob, &alice, false, NOW);
    read(&mut alice, &asked);
    assert_eq!(begin_from(&mut alice, &bob), begun());
    assert_eq!(alice.groups(&bob), 1);
}

#[test]
fn what_a_dead_group_carried_is_named_also_where_who_said_that_it_is_dead_has_begun_another() {
    let (mut alice, mut bob) = acquainted();
    let package = package(&mut bob);
    assert_eq!(begin_with(&mut alice, bob.own(), package), begun());
    say(&mut alice, &bob, "to a device that is lost");
    // Bob says that it is dead, and begins another, before alice answers.
    let asked = offer(&mut bob, &alice, true, NOW);
    let of_alice = self::package(&mut alice);
    assert_eq!(begin_with(&mut bob, alice.own(), of_alice), begun());
    let hello = say(&mut bob, &alice, "hello");
    read(&mut alice, &asked);
    // An offer that only repeats what was offered takes nothing of it back.
    let again = offer(&mut bob, &alice, false, Stamp(NOW.0 + 1));
    read(&mut alice, &again);
    hears(&mut alice, &bob, &hello, "hello");
    let named = Outcome::Begun { again: vec![message_of("to a device that is lost")] };
    assert_eq!(begin_from(&mut alice, &bob), named);
    assert_eq!(alice.groups(&bob), 2);
}

/// Each commits, and sees that the other followed: both send in one group.
fn both_send_in_one(alice: &mut Person, bob: &mut Person) {
    for turned in [false, true] {
        let (one, other) = if turned { (&mut *bob, &mut *alice) } else { (&mut *alice, &mut *bob) };
        let commit = put(&one.ask(VaultOp::UpdateKeys { contact: other.own(), mailbox: other.mailbox(), at: LATER }, &[])).envelope;
        assert!(matches!(read(other, &commit), Opened::Committed { owed: true, moved: true, .. }));
        let word = put(&other.ask(word(one), &[])).envelope;
        assert_eq!(read(one, &word), Opened::Receipt { contact: other.own(), delivered: Vec::new(), moved: true });
    }
}

fn word(to: &Person) -> VaultOp {
    VaultOp::SealReceipt { contact: to.own(), mailbox: to.mailbox(), messages: Vec::new(), at: LATER }
}

#[test]
fn a_group_whose_welcome_came_before_the_word_that_earlier_ones_are_dead_sends_for_both() {
    // Found by the simulator (seed 73): each sent in a group of their own, and saw no commit of theirs followed.
    for swapped in [false, true] {
        let (mut alice, mut bob) = acquainted();
        if swapped {
            std::mem::swap(&mut alice, &mut bob);
        }
        // Bob says that earlier groups are dead; what alice offers crosses it, and he begins from that.
        let anew = offer(&mut bob, &alice, true, NOW);
        let offered = offer(&mut alice, &bob, true, NOW);
        read(&mut bob, &offered);
        assert_eq!(begin_from(&mut bob, &alice), begun());
        let hello = say(&mut bob, &alice, "hello");
        hears(&mut alice, &bob, &hello, "hello");
        read(&mut alice, &anew);
        assert_eq!(begin_from(&mut alice, &bob), begun());
        let (of_alice, of_bob) = (say(&mut alice, &bob, "of alice"), say(&mut bob, &alice, "of bob"));
        hears(&mut alice, &bob, &of_bob, "of bob");
        hears(&mut bob, &alice, &of_alice, "of alice");
        both_send_in_one(&mut alice, &mut bob);
    }
}

#[test]
fn a_group_that_is_dead_stays_so_whatever_is_said_in_it_later() {
    let (mut alice, mut bob) = talking();
    // One that we gave up.
    offer(&mut alice, &bob, true, NOW);
    let late = put(&bob.ask(word(&alice), &[])).envelope;
    read(&mut alice, &late);
    let op = seal_op(&mut alice, &bob, "in none");
    assert_eq!(alice.ask(op, &[]), Outcome::Refused(Code::NoConversation));
    // One that they gave up, where another device of theirs goes on with it.
    let (mut alice, mut bob) = talking();
    let mut copy = bob.copied();
    let anew = offer(&mut copy, &alice, true, NOW);
    read(&mut alice, &anew);
    let late = put(&bob.ask(word(&alice), &[])).envelope;
    read(&mut alice, &late);
    let op = seal_op(&mut alice, &bob, "in none");
    assert_eq!(alice.ask(op, &[]), Outcome::Refused(Code::NoConversation));
}

#[test]
fn a_welcome_that_comes_after_the_word_that_its_group_is_dead_begins_nothing_that_sends() {
    let (mut alice, mut bob) = acquainted();
    let package = package(&mut bob);
    assert_eq!(begin_with(&mut alice, bob.own(), package), begun());
    let held_up = say(&mut alice, &bob, "held up");
    let anew = offer(&mut alice, &bob, true, NOW);
    read(&mut bob, &anew);
    hears(&mut bob, &alice, &held_up, "held up");
    let op = seal_op(&mut bob, &alice, "in none");
    assert_eq!(bob.ask(op, &[]), Outcome::Refused(Code::NoConversation));
}

#[test]
fn of_two_groups_by_one_creator_the_one_begun_last_sends_in_whatever_order_they_are_joined() {
    for late_first in [false, true] {
        let (mut alice, mut bob) = acquainted();
        let first = package(&mut bob);
        assert_eq!(begin_with(&mut alice, bob.own(), first), begun());
        let receipt = put(&alice.ask(word(&bob), &[])).envelope;
        // Bob could not read it, as far as he knew, and asks: alice begins another.
        let asked = offer(&mut bob, &alice, false, NOW);
        read(&mut alice, &asked);
        assert_eq!(begin_from(&mut alice, &bob), begun());
        let hello = say(&mut alice, &bob, "hello");
        for sealed in if late_first { [&receipt, &hello] } else { [&hello, &receipt] } {
            read(&mut bob, sealed);
        }
        let answer = put(&bob.ask(word(&alice), &[])).envelope;
        read(&mut alice, &answer);
        both_send_in_one(&mut alice, &mut bob);
    }
}

#[test]
fn what_a_group_carried_that_lost_to_a_crossing_one_and_was_never_heard_is_named() {
    let (mut alice, mut bob) = acquainted();
    let (of_alice, of_bob) = (package(&mut alice), package(&mut bob));
    let (smaller, larger, of_smaller, of_larger) =
        if alice.own() < bob.own() { (&mut alice, &mut bob, of_alice, of_bob) } else { (&mut bob, &mut alice, of_bob, of_alice) };
    // The larger begins, from a package that was given out twice; the smaller begins too, and is heard first.
    assert_eq!(begin_with(larger, smaller.own(), of_smaller), begun());
    say(larger, smaller, "never read");
    assert_eq!(begin_with(smaller, larger.own(), of_larger), begun());
    let hello = say(smaller, larger, "hello");
    hears(larger, smaller, &hello, "hello");
    let asked = offer(smaller, larger, false, NOW);
    read(larger, &asked);
    assert_eq!(begin_from(larger, smaller), Outcome::Begun { again: vec![message_of("never read")] });
    assert_eq!(larger.groups(smaller), 2);
}

#[test]
fn anew_means_that_no_group_there_was_sends_again_and_each_is_still_read() {
    for first in [true, false] {
        let (mut alice, mut bob) = acquainted();
        {
            let (by, to) = if first { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
            let package = package(to);
            assert_eq!(begin_with(by, to.own(), package), begun());
            let hello = say(by, to, "hello");
            hears(to, by, &hello, "hello");
            let hello = say(to, by, "hello back");
            hears(by, to, &hello, "hello back");
        }
        let under_way = say(&mut alice, &bob, "under way");
        let undelivered = say(&mut bob, &alice, "not told of");
        // Alice's device takes over: she can't rely on what she has.
        let asked = offer(&mut alice, &bob, true, NOW);
        let op = seal_op(&mut alice, &bob, "not before they began");
        assert_eq!(alice.ask(op.clone(), &[]), Outcome::Refused(Code::NoConversation));
        assert_eq!(read(&mut bob, &asked), offered(&alice, true));
        hears(&mut bob, &alice, &under_way, "under way");
        let Outcome::Begun { again } = begin_from(&mut bob, &alice) else {
            panic!("not begun");
        };
        assert!(again.contains(&message_of("not told of")), "{again:?}");
        let sealed =
            put(&bob.ask(VaultOp::SealAgain { contact: alice.own(), mailbox: alice.mailbox(), message: message_of("not told of") }, &[]));
        hears(&mut alice, &bob, &sealed.envelope, "not told of");
        // The copy in the dead group, should it still come, is a repeat.
        let known = Opened::Known { contact: bob.own(), message: message_of("not told of"), moved: false };
        assert_eq!(read(&mut alice, &undelivered), known);
        let late = put(&alice.ask(op, &[])).envelope;
        hears(&mut bob, &alice, &late, "not before they began");
    }
}

#[test]
fn an_offered_package_that_nobody_used_is_destroyed_after_52_days() {
    let (mut alice, mut bob) = acquainted();
    let before = alice.count("mls");
    let asked = offer(&mut alice, &bob, false, NOW);
    assert_eq!(alice.count("mls"), before + 1);
    assert_eq!(alice.ask(VaultOp::Tidy { at: NOW.after(thicket_types::limits::REPLACED_KEYS_FOR) }, &[]), Outcome::Done);
    assert_eq!(alice.count("mls"), before + 1);
    let later = NOW.after(thicket_types::limits::REPLACED_KEYS_FOR).after(thicket_types::time::Duration(1));
    assert_eq!(alice.ask(VaultOp::Tidy { at: later }, &[]), Outcome::Done);
    assert_eq!(alice.count("mls"), before);
    assert_eq!(read(&mut bob, &asked), offered(&alice, false));
}

#[test]
fn offers_of_a_clock_that_went_back_are_newer_all_the_same() {
    let (mut alice, mut bob) = acquainted();
    let (ahead, back) = (offer(&mut alice, &bob, false, LATER), offer(&mut alice, &bob, true, NOW));
    assert_eq!(read(&mut bob, &ahead), offered(&alice, false));
    assert_eq!(read(&mut bob, &back), offered(&alice, true));
}

#[test]
fn a_welcome_beside_a_message_that_is_known_lets_in_all_the_same() {
    let (mut alice, mut bob) = acquainted();
    let package = package(&mut bob);
    assert_eq!(begin_with(&mut alice, bob.own(), package), begun());
    let first = say(&mut alice, &bob, "said already");
    hears(&mut bob, &alice, &first, "said already");
    // Bob's device takes over; Alice begins anew, and what she was not told of goes first.
    let asked = offer(&mut bob, &alice, true, NOW);
    assert_eq!(read(&mut alice, &asked), offered(&bob, true));
    assert_eq!(begin_from(&mut alice, &bob), Outcome::Begun { again: vec![message_of("said already")] });
    let again = VaultOp::SealAgain { contact: bob.own(), mailbox: bob.mailbox(), message: message_of("said already") };
    let again = put(&alice.ask(again, &[])).envelope;
    assert_eq!(read(&mut bob, &again), Opened::Known { contact: alice.own(), message: message_of("said already"), moved: true });
    let answer = say(&mut bob, &alice, "here I am");
    hears(&mut alice, &bob, &answer, "here I am");
}

#[test]
fn of_what_a_dead_group_carried_the_oldest_are_named_as_far_as_an_outbox_holds() {
    let (mut alice, mut bob) = talking();
    // Given one message more than an outbox holds, of which the contact has not told.
    let fill = "WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < ?3)
        INSERT INTO message (contact, outgoing, id, state, body, stamp, claimed, cause)
        SELECT ?1, 1, CAST(printf('%016d', n) AS BLOB), ?2, NULL, 0, 0, 0 FROM counted";
    let (state, most) = (crate::rows::state_number(MessageState::Stored), u32::try_from(OUTBOX_MAX).expect("small"));
    assert_eq!(alice.vault.conn.execute(fill, rusqlite::params![bob.own().0, state, most]), Ok(OUTBOX_MAX));
    // When the contact has them begin anew.
    let sealed = offer(&mut bob, &alice, true, NOW);
    assert_eq!(read(&mut alice, &sealed), offered(&bob, true));
    let Outcome::Begun { again } = begin_from(&mut alice, &bob) else {
        panic!("nothing begun");
    };
    // Then all are named but the newest.
    let id = |number: usize| MessageId(format!("{number:016}").into_bytes().try_into().expect("16 bytes"));
    assert_eq!((again.len(), again[0], again[OUTBOX_MAX - 1]), (OUTBOX_MAX, message_of("hello bob"), id(OUTBOX_MAX - 1)));
}
