//! The ledger.

use super::*;

#[test]
fn a_repeated_op_gets_its_first_reply_also_after_a_reopening() {
    let (mut alice, mut bob) = two();
    begin(&mut alice, &mut bob);
    let refused = VaultOp::BeginConversation { contact: Fingerprint([9; 20]), answer: Seq(2), at: NOW };
    let calls = [
        call(1, VaultOp::Compose(Ask::Challenge)),
        call(2, VaultOp::SignLogin { challenge: challenge(), takes_over: false }),
        call(3, VaultOp::MakeKeyPackages { count: 2, last_resort: true, replaces: false, at: NOW }),
        call(4, seal_op(&mut alice, &bob, "once")),
        call(5, refused),
    ];
    let first = alice.run(&calls);
    assert_eq!(first[4], Outcome::Refused(Code::BadKeyPackage));
    let kept = (alice.count("mls"), alice.count("message"));
    assert_eq!(alice.run(&calls), first);
    let mut alice = alice.reopened();
    assert_eq!(alice.run(&calls), first);
    assert_eq!((alice.count("mls"), alice.count("message")), kept);

    let frame = put(&first[3]).envelope;
    let open = VaultCall { effect: effect(6), op: VaultOp::OpenEnvelope { envelope: Seq(3), at: LATER, last: false }, frame };
    let first = bob.run(slice::from_ref(&open));
    assert!(matches!(first[0], Outcome::Opened(Opened::Message { moved: true, .. })), "{first:?}");
    let mut bob = bob.reopened();
    assert_eq!(bob.run(slice::from_ref(&open)), first);
    assert_eq!(bob.heard(), ["once"]);
}

#[test]
fn a_refused_op_stays_refused_though_it_could_be_done_now() {
    let (mut alice, mut bob) = two();
    let frame = answer(Said::KeyPackage(wire::KeyPackage { key_package: package(&mut bob), last_resort: false, suite: SUITE }));
    let op = VaultOp::BeginConversation { contact: bob.own(), answer: Seq(2), at: NOW };
    let begin = VaultCall { effect: effect(1), op, frame };
    assert_eq!(alice.run(slice::from_ref(&begin)), [Outcome::Refused(Code::UnknownContact)]);
    pin(&mut alice, &mut bob);
    assert_eq!(alice.run(slice::from_ref(&begin)), [Outcome::Refused(Code::UnknownContact)]);
    let mut alice = alice.reopened();
    assert_eq!(alice.run(slice::from_ref(&begin)), [Outcome::Refused(Code::UnknownContact)]);
    assert_eq!(alice.groups(&bob), 0);
    assert_eq!(alice.run(&[VaultCall { effect: effect(2), ..begin }]), [begun()]);
    assert_eq!(alice.groups(&bob), 1);
}

#[test]
fn one_id_for_two_ops_is_a_fault_and_the_first_reply_stays() {
    let mut alice = Person::new("alice", 1);
    let first = alice.run(&[call(1, VaultOp::Compose(Ask::Challenge))]);
    let other = alice.run(&[call(1, VaultOp::Compose(Ask::Fetch { items_max: 64, swap: false }))]);
    assert_eq!(other, [Outcome::Fault(Code::EffectMismatch)]);
    assert_eq!(alice.run(&[call(1, VaultOp::Compose(Ask::Challenge))]), first);
    // The index and the segment are part of the id.
    for id in [EffectId { index: 1, ..effect(1) }, EffectId { segment: SegmentId([4; 16]), ..effect(1) }] {
        let calls = [VaultCall { effect: id, op: VaultOp::Compose(Ask::Challenge), frame: Vec::new() }];
        let another = alice.run(&calls);
        assert_ne!(another, first);
        assert_eq!(alice.run(&calls), another);
    }
}

#[test]
fn pruning_forgets_what_is_covered_but_for_what_is_open() {
    let mut alice = Person::new("alice", 1);
    let calls: Vec<VaultCall> = (1..=5).map(|seq| call(seq, VaultOp::Compose(Ask::Challenge))).collect();
    let first = alice.run(&calls);
    assert_eq!(alice.vault.prune(Seq(3), &[effect(2), EffectId { index: 1, ..effect(1) }]), Ok(2));
    assert_eq!(alice.count("ledger"), 3);
    assert_eq!(alice.vault.prune(Seq(3), &[effect(2)]), Ok(0));
    let again = alice.run(&calls);
    let same: Vec<bool> = first.iter().zip(&again).map(|(first, again)| first == again).collect();
    assert_eq!(same, [false, true, false, true, true]);
}

#[test]
fn each_transaction_counts_and_the_last_durable_block_given_is_remembered() {
    let mut alice = Person::new("alice", 1);
    let block = |number: u8| Durable { seq: Seq(number.into()), chain: Digest([number; 32]) };
    let calls = [call(1, VaultOp::Compose(Ask::Challenge))];
    assert_eq!(alice.remembered(), Remembered { durable: None, count: 0 });
    alice.vault.stage(b"before any block").expect("room");
    assert_eq!(alice.remembered(), Remembered { durable: None, count: 1 });
    let (_, count) = alice.vault.run(block(7), &calls).expect("a vault that works");
    assert_eq!((count, alice.remembered()), (2, Remembered { durable: Some(block(7)), count: 2 }));
    alice.vault.stage(b"between").expect("room");
    assert_eq!(alice.remembered(), Remembered { durable: Some(block(7)), count: 3 });
    // A repeat is a transaction too, and so is a batch of nothing.
    for number in [9, 8] {
        let calls = if number == 9 { calls.as_slice() } else { &[] };
        let (_, count) = alice.vault.run(block(number), calls).expect("a vault that works");
        assert_eq!(alice.remembered(), Remembered { durable: Some(block(number)), count });
    }
    assert_eq!(alice.vault.stage(b""), Err(Code::EmptyMessage));
    let remembered = Remembered { durable: Some(block(8)), count: 5 };
    assert_eq!(alice.remembered(), remembered);
    assert_eq!(alice.reopened().remembered(), remembered);
}

#[test]
fn a_refused_op_in_a_batch_hinders_no_other() {
    let (mut alice, mut bob) = two();
    begin(&mut alice, &mut bob);
    let (contact, mailbox) = (bob.own(), bob.mailbox());
    let unknown = VaultOp::SealMessage { contact, mailbox, message: message_of("second"), body: BodyRef([0; 16]), at: NOW };
    let calls = [call(1, seal_op(&mut alice, &bob, "first")), call(2, unknown), call(3, seal_op(&mut alice, &bob, "third"))];
    let outcomes = alice.run(&calls);
    assert_eq!(outcomes[1], Outcome::Refused(Code::UnknownBody));
    for (place, text) in [(0, "first"), (2, "third")] {
        hears(&mut bob, &alice, &put(&outcomes[place]).envelope, text);
    }
    assert_eq!(alice.rows().len(), 2);
}

#[test]
fn a_damaged_vault_does_nothing_of_a_batch() {
    let (mut alice, mut bob) = two();
    pin(&mut alice, &mut bob);
    let frame = answer(Said::KeyPackage(wire::KeyPackage { key_package: package(&mut bob), last_resort: false, suite: SUITE }));
    let op = VaultOp::BeginConversation { contact: bob.own(), answer: Seq(2), at: NOW };
    let calls = [call(1, VaultOp::Compose(Ask::Challenge)), VaultCall { effect: effect(2), op, frame }];
    alice.vault.conn.execute("UPDATE contact SET certificate = x'00'", []).expect("a table");
    let before = (alice.remembered(), alice.count("ledger"));
    assert_eq!(alice.vault.run(DURABLE, &calls), Err(Code::VaultDamaged));
    assert_eq!((alice.remembered(), alice.count("ledger")), before);
    let certificate = bob.vault.own().1.to_bytes();
    alice.vault.conn.execute("UPDATE contact SET certificate = ?1", [certificate]).expect("a table");
    assert_eq!(alice.run(&calls)[1], begun());
}

#[test]
fn a_message_is_sealed_once_under_whatever_effect() {
    let (mut alice, mut bob) = two();
    begin(&mut alice, &mut bob);
    let op = seal_op(&mut alice, &bob, "once");
    let outcomes = alice.run(&[call(1, op.clone()), call(2, op)]);
    assert_eq!(outcomes[1], Outcome::Refused(Code::Repeated));
    hears(&mut bob, &alice, &put(&outcomes[0]).envelope, "once");
    assert_eq!(alice.rows().len(), 1);
}

#[test]
fn a_vault_that_rejoins_sends_in_no_group_and_counts_on_from_the_larger_count() {
    // Given two who talk, and a message that no relay is known to have.
    let (mut alice, mut bob) = talking();
    let op = seal_op(&mut alice, &bob, "under way");
    let VaultOp::SealMessage { message, .. } = op else { panic!("not what was made: {op:?}") };
    alice.ask(op, &[]);
    let before = alice.remembered();
    let other = Durable { seq: Seq(3), chain: Digest([8; 32]) };
    // When the journal is of another time, behind or ahead.
    for journaled in [1, before.count + 100] {
        let count = alice.remembered().count;
        alice.vault.rejoin(other, journaled).expect("a vault that works");
        assert_eq!(alice.remembered(), Remembered { durable: Some(other), count: count.max(journaled) + 1 });
    }
    // Then nothing is sealed in the group that there was, and what comes in it is still read.
    let again = VaultOp::SealAgain { contact: bob.own(), mailbox: bob.mailbox(), message };
    assert_eq!(alice.ask(again, &[]), Outcome::Refused(Code::NoConversation));
    let sealed = say(&mut bob, &alice, "to a group that is given up");
    hears(&mut alice, &bob, &sealed, "to a group that is given up");
    // What was under way has failed, with the cause.
    let row = alice.rows().into_iter().find(|row| row.message == message).expect("a row");
    assert_eq!((row.state, row.cause), (MessageState::Failed, Some(Code::RolledBack)));
}
