use crate::desk::*;
use prost::Message as _;
use thicket_types::error::Code;
use thicket_types::limits::{CERTIFICATE_LEN_MAX, CHALLENGE_FOR, CHALLENGES_MAX, NAME_LEN_MAX, RETENTION};
use thicket_types::name::Name;
use thicket_types::ports::{OpenChallenge, Store as _};
use thicket_types::time::Duration;
use thicket_types::wire::context;
use thicket_types::wire::relay::answer::Said;
use thicket_types::wire::relay::request::Ask;
use thicket_types::wire::relay::{ChallengeAsk, Proof, Register, RegisterStatement};

#[test]
fn a_name_is_registered_once_in_any_case_and_its_owner_may_do_it_again() {
    let mut desk = Desk::new();
    assert!(matches!(desk.register_as(LANE, "Alice", "Alice"), Said::Registered(_)));
    let mailbox = mailbox_of(&mut desk, "ALICE");
    assert_eq!(code(desk.register_as(OTHER_LANE, "alice", "alice")), Code::NameTaken);
    assert_eq!(code(desk.register_as(OTHER_LANE, "Alice", "Alice#2")), Code::NameTaken);
    assert!(matches!(desk.register_as(OTHER_LANE, "Alice", "Alice"), Said::Registered(_)));
    assert_eq!(mailbox_of(&mut desk, "alice"), mailbox, "the mailbox stays");
}

#[test]
fn malformed_names_are_refused_at_the_challenge() {
    let mut desk = Desk::new();
    for name in ["", "server", "a b", "ä", "___", &"x".repeat(NAME_LEN_MAX + 1)] {
        assert_eq!(desk.code(LANE, Ask::Challenge(ChallengeAsk { name: name.to_owned() })), Code::MalformedName, "{name}");
    }
}

#[test]
fn a_challenge_says_which_versions_the_relay_speaks() {
    let mut desk = Desk::new();
    let said = desk.said(LANE, Ask::Challenge(ChallengeAsk { name: "alice".to_owned() }));
    assert!(matches!(said, Said::Challenge(challenge) if challenge.versions == [1]));
}

#[test]
fn a_challenge_is_answered_once_in_time_on_its_lane_under_its_name_and_for_this_relay() {
    let mut desk = Desk::new();
    let late = desk.proof(LANE, "alice");
    desk.now = desk.now.after(CHALLENGE_FOR).after(Duration(1));
    assert_eq!(desk.code(LANE, register(&late, "alice")), Code::ChallengeExpired);

    let fresh = desk.proof(LANE, "alice");
    assert_eq!(desk.code(OTHER_LANE, register(&fresh, "alice")), Code::ChallengeUnknown, "another lane");
    assert_eq!(desk.code(LANE, register(&fresh, "alice")), Code::ChallengeUnknown, "it was taken by the try before");

    let fresh = desk.proof(LANE, "alice");
    let renamed = Proof { name: "bob".to_owned(), ..fresh };
    assert_eq!(desk.code(LANE, register(&renamed, "bob")), Code::ChallengeUnknown, "another name");

    let fresh = desk.proof(LANE, "alice");
    let elsewhere = Proof { relay_key: vec![8; 32], ..fresh };
    assert_eq!(desk.code(LANE, register(&elsewhere, "alice")), Code::BadSignature, "another relay");

    let fresh = desk.proof(LANE, "alice");
    let stretched = Proof { until_ms: fresh.until_ms + 1, ..fresh };
    assert_eq!(desk.code(LANE, register(&stretched, "alice")), Code::ChallengeUnknown, "another window");

    let never = Proof { relay_key: RELAY.0.to_vec(), nonce: vec![99; 32], name: "alice".to_owned(), until_ms: desk.now.0 };
    assert_eq!(desk.code(LANE, register(&never, "alice")), Code::ChallengeUnknown, "never given");

    let fresh = desk.proof(LANE, "alice");
    assert!(matches!(desk.said(LANE, register(&fresh, "alice")), Said::Registered(_)));
    assert_eq!(desk.code(LANE, register(&fresh, "alice")), Code::ChallengeUnknown, "a second time, in other bytes");
}

#[test]
fn signatures_and_certificates_must_fit() {
    let mut desk = Desk::new();
    let proof = desk.proof(LANE, "alice");
    let mut forged = signed_registration(&registration(&proof, "alice"));
    forged.signature = signature(b"alice", context::LOGIN, &forged.statement);
    assert_eq!(desk.code(LANE, Ask::Register(forged)), Code::BadSignature, "signed for another purpose");

    let proof = desk.proof(LANE, "alice");
    assert_eq!(desk.code(LANE, register(&proof, "mallory")), Code::BadCertificate, "a certificate of another name");

    let proof = desk.proof(LANE, "alice");
    let mut keyless = registration(&proof, "alice");
    keyless.mailbox_key = None;
    assert_eq!(desk.code(LANE, Ask::Register(signed_registration(&keyless))), Code::MalformedRequest);

    let proof = desk.proof(LANE, "alice");
    let mut borrowed = registration(&proof, "alice");
    borrowed.mailbox_key = Some(mailbox_key("mallory", 3, 0));
    assert_eq!(desk.code(LANE, Ask::Register(signed_registration(&borrowed))), Code::BadSignature, "another's mailbox key");

    for generation in [0, 15, 17] {
        let proof = desk.proof(LANE, "alice");
        let mut torn = registration(&proof, "alice");
        torn.generation = vec![1; generation];
        assert_eq!(
            desk.code(LANE, Ask::Register(signed_registration(&torn))),
            Code::MalformedRequest,
            "a generation of {generation} bytes"
        );
    }
    // Nothing of what is signed can be changed on the way.
    let changes: [fn(&mut RegisterStatement); 3] = [
        |statement| statement.token = "another".to_owned(),
        |statement| statement.generation = vec![3; 16],
        |statement| statement.mailbox_key = Some(mailbox_key("alice", 4, 0)),
    ];
    for change in changes {
        let mut changed = registration(&desk.proof(LANE, "alice"), "alice");
        let signature = signed_registration(&changed).signature;
        change(&mut changed);
        let changed = Register { statement: changed.encode_to_vec(), signature };
        assert_eq!(desk.code(LANE, Ask::Register(changed)), Code::BadSignature);
    }
    let proofless = RegisterStatement { proof: None, ..registration(&proof, "alice") };
    assert_eq!(desk.code(LANE, Ask::Register(signed_registration(&proofless))), Code::MalformedRequest);
    assert_eq!(desk.code(OTHER_LANE, lookup("alice")), Code::UnknownName, "none of it registered a name");
}

#[test]
fn a_registration_sets_the_generation_and_one_done_again_sets_it_anew() {
    let mut desk = Desk::new();
    let alice = Name::parse("alice").expect("a name").key();
    desk.account(LANE, "alice");
    assert_eq!(desk.store.generation(&alice), Ok(Some(GENERATION)));
    let proof = desk.proof(LANE, "alice");
    let mut again = registration(&proof, "alice");
    again.generation = vec![2; 16];
    assert!(matches!(desk.said(LANE, Ask::Register(signed_registration(&again))), Said::Registered(_)));
    assert_eq!(desk.store.generation(&alice), Ok(Some([2; 16])));
}

#[test]
fn a_repeated_registration_gets_its_first_answer_on_its_lane_alone() {
    let mut desk = Desk::new();
    let proof = desk.proof(LANE, "alice");
    let frame = desk.frame(register(&proof, "alice"));
    let first = desk.answer_to(LANE, &frame);
    assert!(matches!(first, Said::Registered(_)));
    assert_eq!(desk.answer_to(LANE, &frame), first);
    assert_eq!(code(desk.answer_to(OTHER_LANE, &frame)), Code::ChallengeUnknown, "on another lane it is a replay");
}

#[test]
fn a_challenge_is_good_to_the_end_of_its_time_and_unknown_once_it_was_cleaned_away() {
    let mut desk = Desk::new();
    let [last, late, cleaned] = ["alice", "bob", "carol"].map(|name| desk.proof(LANE, name));
    desk.now = desk.now.after(CHALLENGE_FOR);
    desk.store.clean(desk.now, RETENTION).expect("a store in memory");
    assert!(matches!(desk.said(LANE, register(&last, "alice")), Said::Registered(_)));
    desk.now = desk.now.after(Duration(1));
    assert_eq!(desk.code(LANE, register(&late, "bob")), Code::ChallengeExpired);
    desk.store.clean(desk.now, RETENTION).expect("a store in memory");
    assert_eq!(desk.code(LANE, register(&cleaned, "carol")), Code::ChallengeUnknown);
}

#[test]
fn while_as_many_challenges_are_open_as_may_be_the_relay_is_busy() {
    let mut desk = Desk::new();
    let challenge = OpenChallenge { name: Name::parse("bob").expect("a name").key(), tag: OTHER_LANE, until: desk.now };
    for number in 1..CHALLENGES_MAX {
        let mut nonce = [0; 32];
        nonce[..8].copy_from_slice(&number.to_be_bytes());
        desk.store.put_challenge(nonce, &challenge).expect("room");
    }
    let last = desk.proof(LANE, "alice");
    let ask = || Ask::Challenge(ChallengeAsk { name: "alice".to_owned() });
    assert_eq!(desk.code(LANE, ask()), Code::RelayBusy);
    // One that is answered makes room for one.
    assert!(matches!(desk.said(LANE, register(&last, "alice")), Said::Registered(_)));
    assert!(matches!(desk.said(LANE, ask()), Said::Challenge(_)));
    assert_eq!(desk.code(LANE, ask()), Code::RelayBusy);
}

#[test]
fn a_certificate_past_the_bound_is_refused() {
    let mut desk = Desk::new();
    // What follows the name makes it another identity.
    let long = |len: usize| format!("{:x<len$}", "alice#");
    assert_eq!(code(desk.register_as(LANE, "alice", &long(CERTIFICATE_LEN_MAX + 1))), Code::BadCertificate);
    assert!(matches!(desk.register_as(LANE, "alice", &long(CERTIFICATE_LEN_MAX)), Said::Registered(_)));
}
