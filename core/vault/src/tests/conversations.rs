//! Conversations.

use super::*;
use thicket_types::limits::{FORWARD_DISTANCE_MAX, GROUPS_CONTACT_MAX, OUT_OF_ORDER_MAX};

#[test]
fn a_message_goes_each_way_and_both_keep_it() {
    let (mut alice, mut bob) = two();
    begin(&mut alice, &mut bob);
    let hello = say(&mut alice, &bob, "hello bob");
    let conversation = conversation_id(alice.own(), bob.own());
    assert_eq!(conversation, conversation_id(bob.own(), alice.own()));
    let expected = Opened::Message {
        contact: alice.own(),
        name: name("alice"),
        conversation,
        message: message_of("hello bob"),
        claimed: ClaimedTime(NOW.0),
        moved: true,
    };
    assert_eq!(read(&mut bob, &hello), expected);

    // A stranger's mailbox key is not known before the directory was asked.
    let op = seal_op(&mut bob, &alice, "hello alice");
    assert_eq!(bob.ask(op, &[]), Outcome::Refused(Code::UnknownContact));
    pin(&mut bob, &mut alice);
    let hello = say(&mut bob, &alice, "hello alice");
    let expected = Opened::Message {
        contact: bob.own(),
        name: name("bob"),
        conversation,
        message: message_of("hello alice"),
        claimed: ClaimedTime(NOW.0),
        moved: false,
    };
    assert_eq!(read(&mut alice, &hello), expected);

    let row = |number: u64, contact: &Person, direction: Direction, text: &str| MessageRow {
        number,
        contact: contact.own(),
        direction,
        message: message_of(text),
        state: if direction == Direction::Sent { MessageState::Queued } else { MessageState::Delivered },
        text: Some(text.to_owned()),
        stamp: if direction == Direction::Sent { NOW } else { LATER },
        claimed: ClaimedTime(NOW.0),
        cause: None,
    };
    assert_eq!(alice.rows(), [row(1, &bob, Direction::Sent, "hello bob"), row(2, &bob, Direction::Received, "hello alice")]);
    assert_eq!(bob.rows(), [row(1, &alice, Direction::Received, "hello bob"), row(2, &alice, Direction::Sent, "hello alice")]);

    // Who was let in need not begin.
    let package = package(&mut alice);
    assert_eq!(begin_with(&mut bob, alice.own(), package), begun());
    assert_eq!((alice.groups(&bob), bob.groups(&alice)), (1, 1));
}

#[test]
fn the_welcome_travels_until_the_peer_was_heard_and_any_envelope_lets_them_in() {
    for arrives in [0, 1] {
        let (mut alice, mut bob) = two();
        begin(&mut alice, &mut bob);
        let said = ["first", "second"].map(|text| (say(&mut alice, &bob, text), text));
        assert!(said.iter().all(|(sealed, _)| matches!(inside(&bob, sealed), Inside::Opening(_))));
        let (sealed, text) = &said[arrives];
        hears(&mut bob, &alice, sealed, text);
        pin(&mut bob, &mut alice);
        let reply = say(&mut bob, &alice, "reply");
        assert!(matches!(inside(&alice, &reply), Inside::MlsMessage(_)));
        hears(&mut alice, &bob, &reply, "reply");
        let third = say(&mut alice, &bob, "third");
        assert!(matches!(inside(&bob, &third), Inside::MlsMessage(_)));
        hears(&mut bob, &alice, &third, "third");
        assert_eq!(bob.heard(), [*text, "third"]);
        assert_eq!(bob.groups(&alice), 1);
    }
}

#[test]
fn what_arrives_in_reverse_is_read() {
    let (mut alice, mut bob) = two();
    begin(&mut alice, &mut bob);
    let said = ["first", "second", "third"].map(|text| (say(&mut alice, &bob, text), text));
    for (sealed, text) in said.iter().rev() {
        hears(&mut bob, &alice, sealed, text);
    }
    assert_eq!(bob.heard(), ["third", "second", "first"]);
    assert_eq!(bob.groups(&alice), 1);
}

#[test]
fn what_arrives_twice_is_kept_once() {
    let (mut alice, mut bob) = two();
    begin(&mut alice, &mut bob);
    pin(&mut bob, &mut alice);
    let opening = say(&mut alice, &bob, "opening");
    hears(&mut bob, &alice, &opening, "opening");
    assert_eq!(read(&mut bob, &opening), unreadable(&alice, Code::Repeated));
    // The same Welcome and message under another seal are no other message.
    let again = forge(&bob, &alice, inside(&bob, &opening));
    assert_eq!(read(&mut bob, &again), unreadable(&alice, Code::Repeated));

    let reply = say(&mut bob, &alice, "reply");
    hears(&mut alice, &bob, &reply, "reply");
    let plain = say(&mut alice, &bob, "plain");
    hears(&mut bob, &alice, &plain, "plain");
    assert_eq!(read(&mut bob, &plain), unreadable(&alice, Code::Repeated));

    // A sender who encrypts one MessageId twice.
    alice.vault.conn.execute("DELETE FROM message", []).expect("a table");
    let twice = say(&mut alice, &bob, "plain");
    let known = read(&mut bob, &twice);
    assert!(matches!(known, Opened::Known { contact, moved: false, .. } if contact == alice.own()), "{known:?}");
    assert_eq!(bob.heard(), ["opening", "plain"]);
    assert_eq!(bob.rows().len(), 3);
}

#[test]
fn a_message_before_its_conversation_is_early_and_in_the_end_unreadable() {
    let (mut alice, mut bob, mut carol) = three("carol");
    begin(&mut alice, &mut bob);
    let (first, second) = (say(&mut alice, &bob, "first"), say(&mut alice, &bob, "second"));
    let to_bob = forge(&bob, &alice, alone(&bob, &second));
    let to_carol = forge(&carol, &alice, alone(&bob, &second));
    let contact = alice.own();
    let early = |sealed: &[u8]| Opened::Early { contact, name: name("alice"), len: u32::try_from(sealed.len()).expect("small") };
    let given_up = Outcome::Opened(unreadable(&alice, Code::NoConversation));

    // From a stranger there is no row, ...
    assert_eq!(read(&mut bob, &to_bob), early(&to_bob));
    assert_eq!(deliver(&mut bob, &to_bob, true), given_up);
    assert!(bob.rows().is_empty());
    // ... from a contact there is one.
    pin(&mut carol, &mut alice);
    assert_eq!(read(&mut carol, &to_carol), early(&to_carol));
    assert!(carol.rows().is_empty());
    for _ in 0..2 {
        assert_eq!(deliver(&mut carol, &to_carol, true), given_up);
        let rows = carol.rows();
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].contact, rows[0].direction, rows[0].state), (alice.own(), Direction::Received, MessageState::Unreadable));
        assert_eq!((&rows[0].text, rows[0].stamp, rows[0].cause), (&None, LATER, Some(Code::NoConversation)));
    }
    // Once the conversation has begun it is read.
    hears(&mut bob, &alice, &first, "first");
    hears(&mut bob, &alice, &to_bob, "second");
}

#[test]
fn both_who_begin_at_once_read_all_and_end_in_one_group() {
    let (mut alice, mut bob) = two();
    begin(&mut alice, &mut bob);
    begin(&mut bob, &mut alice);
    let of_alice = ["alice 1", "alice 2"].map(|text| (say(&mut alice, &bob, text), text));
    let of_bob = ["bob 1", "bob 2"].map(|text| (say(&mut bob, &alice, text), text));
    assert_ne!(group_of(&bob, &of_alice[0].0), group_of(&alice, &of_bob[0].0));
    for (sealed, text) in &of_alice {
        hears(&mut bob, &alice, sealed, text);
    }
    for (sealed, text) in &of_bob {
        hears(&mut alice, &bob, sealed, text);
    }
    let chosen = if alice.own() < bob.own() { group_of(&bob, &of_alice[0].0) } else { group_of(&alice, &of_bob[0].0) };
    for (from_alice, from_bob) in [("alice 3", "bob 3"), ("alice 4", "bob 4")] {
        let (to_bob, to_alice) = (say(&mut alice, &bob, from_alice), say(&mut bob, &alice, from_bob));
        assert_eq!((group_of(&bob, &to_bob), group_of(&alice, &to_alice)), (chosen.clone(), chosen.clone()));
        hears(&mut bob, &alice, &to_bob, from_alice);
        hears(&mut alice, &bob, &to_alice, from_bob);
    }
    assert_eq!((alice.groups(&bob), bob.groups(&alice)), (2, 2));
    let (to_bob, to_alice) = (say(&mut alice, &bob, "alice 5"), say(&mut bob, &alice, "bob 5"));
    assert!(matches!(inside(&bob, &to_bob), Inside::MlsMessage(_)));
    assert!(matches!(inside(&alice, &to_alice), Inside::MlsMessage(_)));
}

#[test]
fn a_receipt_marks_what_was_sent_and_marks_it_once() {
    let (mut alice, mut bob) = two();
    begin(&mut alice, &mut bob);
    let sealed = say(&mut alice, &bob, "hello");
    hears(&mut bob, &alice, &sealed, "hello");
    pin(&mut bob, &mut alice);
    let messages = vec![message_of("never sent"), message_of("hello")];
    let op = VaultOp::SealReceipt { contact: alice.own(), mailbox: alice.mailbox(), messages, at: NOW };
    let (first, second) = (put(&bob.ask(op.clone(), &[])).envelope, put(&bob.ask(op, &[])).envelope);
    let receipt = |delivered: Vec<MessageId>| Opened::Receipt { contact: bob.own(), delivered, moved: false };
    let (marked, nothing) = (receipt(vec![message_of("hello")]), receipt(Vec::new()));
    assert_eq!(read(&mut alice, &first), marked);
    assert_eq!(read(&mut alice, &second), nothing);
    assert_eq!(read(&mut alice, &first), unreadable(&bob, Code::Repeated));
    let rows = alice.rows();
    assert_eq!((rows.len(), rows[0].state), (1, MessageState::Delivered));
}

#[test]
fn a_state_never_moves_back() {
    let (mut alice, mut bob) = two();
    begin(&mut alice, &mut bob);
    let sealed = seal_op(&mut alice, &bob, "sealed");
    let never = seal_op(&mut alice, &bob, "never sealed");
    asked(&alice.ask(sealed.clone(), &[]));
    let file = |of: &VaultOp, state: MessageState, cause: Option<Code>| {
        let VaultOp::SealMessage { contact, message, body, .. } = *of else {
            panic!("no message");
        };
        VaultOp::File { message, contact, body: Some(body), at: NOW, state, cause }
    };
    let steps = [
        (MessageState::Sent, None, MessageState::Sent),
        (MessageState::Queued, None, MessageState::Sent),
        (MessageState::Stored, None, MessageState::Stored),
        (MessageState::Sent, None, MessageState::Stored),
        (MessageState::Failed, Some(Code::MailboxFull), MessageState::Stored),
        (MessageState::Delivered, None, MessageState::Delivered),
        (MessageState::Stored, None, MessageState::Delivered),
        (MessageState::Failed, Some(Code::MailboxFull), MessageState::Delivered),
    ];
    for (state, cause, expected) in steps {
        assert_eq!(alice.ask(file(&sealed, state, cause), &[]), Outcome::Done);
        let rows = alice.rows();
        assert_eq!((rows.len(), rows[0].state, rows[0].cause), (1, expected, None), "{state:?}");
    }
    // One that was never sealed gets its row with its text.
    for state in [MessageState::Failed, MessageState::Sent] {
        assert_eq!(alice.ask(file(&never, state, Some(Code::UnknownName)), &[]), Outcome::Done);
        let row = alice.rows().remove(1);
        assert_eq!((row.state, row.cause), (MessageState::Failed, Some(Code::UnknownName)));
        assert_eq!(row.text.as_deref(), Some("never sealed"));
    }
    assert_eq!(alice.ask(never, &[]), Outcome::Refused(Code::Repeated));
}

#[test]
fn the_longest_body_goes_through_and_its_reply_is_given_again() {
    let (mut alice, mut bob) = two();
    begin(&mut alice, &mut bob);
    let text = "x".repeat(BODY_LEN_MAX);
    let calls = [call(1, seal_op(&mut alice, &bob, &text))];
    let first = alice.run(&calls);
    assert_eq!(alice.run(&calls), first);
    let sealed = put(&first[0]).envelope;
    assert!(matches!(inside(&bob, &sealed), Inside::Opening(_)));
    assert!(item(u64::MAX, &sealed).len() <= FRAME_LEN_MAX);
    hears(&mut bob, &alice, &sealed, &text);
}

/// So many MLS messages of one sender in one epoch, in the order of their making.
fn in_a_row(by: &Person, count: u32) -> Vec<Vec<u8>> {
    let id: Vec<u8> = by.vault.conn.query_row("SELECT id FROM mls_group", [], |row| row.get(0)).expect("a group");
    let provider = Provider::new(&by.vault.conn, by.vault.entropy.clone());
    let mut mls = MlsGroup::load(provider.storage(), &GroupId::from_slice(&id)).expect("a store").expect("a group");
    by.vault.conn.execute_batch("BEGIN").expect("a vault that works");
    let made = (0..count).map(|number| {
        let what = Some(What::Text(number.to_string()));
        let content = peer::Content { message: message_of(&number.to_string()).0.to_vec(), claimed_ms: 0, what, capability: Vec::new() };
        let message = mls.create_message(&provider, &by.vault.account.signer, &content.encode_to_vec()).expect("a message");
        message.to_bytes().expect("bytes")
    });
    let made = made.collect();
    by.vault.conn.execute_batch("COMMIT").expect("a vault that works");
    made
}

#[test]
fn a_late_message_is_read_among_the_newest_of_an_epoch_and_none_before_them() {
    let (alice, mut bob) = talking();
    let made = in_a_row(&alice, OUT_OF_ORDER_MAX + 1);
    let mut arrives = |number: u32| {
        let sealed = forge(&bob, &alice, Inside::MlsMessage(made[number as usize].clone()));
        read(&mut bob, &sealed)
    };
    // The newest is one of them.
    assert!(matches!(arrives(OUT_OF_ORDER_MAX), Opened::Message { .. }));
    assert!(matches!(arrives(1), Opened::Message { .. }));
    assert_eq!(arrives(0), unreadable(&alice, Code::TooOld));
}

#[test]
fn a_message_is_read_so_far_ahead_of_the_last_and_no_further() {
    let (alice, mut bob) = talking();
    let made = in_a_row(&alice, FORWARD_DISTANCE_MAX + 3);
    let mut arrives = |number: u32| {
        let sealed = forge(&bob, &alice, Inside::MlsMessage(made[number as usize].clone()));
        read(&mut bob, &sealed)
    };
    assert!(matches!(arrives(0), Opened::Message { .. }));
    assert_eq!(arrives(FORWARD_DISTANCE_MAX + 2), unreadable(&alice, Code::Undecryptable));
    assert!(matches!(arrives(FORWARD_DISTANCE_MAX + 1), Opened::Message { .. }));
}

#[test]
fn a_message_that_fits_no_padding_is_refused() {
    let (mut alice, bob) = talking();
    let again = VaultOp::SealAgain { contact: bob.own(), mailbox: bob.mailbox(), message: message_of("hello bob") };
    // No text that was staged is so long: a row is made to be.
    let largest = PADDING_CLASSES[PADDING_CLASSES.len() - 1];
    let lengthen = |alice: &Person, len: usize| {
        let sql = "UPDATE body SET bytes = ?1 WHERE ref = (SELECT body FROM message WHERE outgoing = 1)";
        assert_eq!(alice.vault.conn.execute(sql, [vec![b'x'; len]]), Ok(1));
    };
    lengthen(&alice, largest);
    assert_eq!(alice.ask(again.clone(), &[]), Outcome::Refused(Code::MessageTooLong));
    lengthen(&alice, largest - 4_096);
    put(&alice.ask(again, &[]));
}

#[test]
fn whoever_begins_again_and_again_has_so_many_groups_and_those_used_longest_ago_go() {
    let (mut alice, mut bob) = two();
    pin(&mut alice, &mut bob);
    let package = packages(&mut bob, 0, true).last_resort;
    let mut sealed = Vec::new();
    for number in 0..GROUPS_CONTACT_MAX + 3 {
        // An offer that says anew gives up what groups there are.
        let offer = VaultOp::SealOffer { contact: bob.own(), mailbox: bob.mailbox(), anew: true, at: NOW };
        assert!(matches!(alice.ask(offer, &[]), Outcome::Framed { .. }));
        assert!(matches!(begin_with(&mut alice, bob.own(), package.clone()), Outcome::Begun { .. }));
        let text = format!("number {number}");
        sealed.push((say(&mut alice, &bob, &text), text));
        assert!(alice.groups(&bob) <= GROUPS_CONTACT_MAX);
    }
    for (sealed, text) in &sealed {
        hears(&mut bob, &alice, sealed, text);
    }
    assert_eq!((alice.groups(&bob), bob.groups(&alice)), (GROUPS_CONTACT_MAX, GROUPS_CONTACT_MAX));
    // They talk in the newest.
    pin(&mut bob, &mut alice);
    let answer = say(&mut bob, &alice, "enough of that");
    hears(&mut alice, &bob, &answer, "enough of that");
}
