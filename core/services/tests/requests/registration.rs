use crate::desk::*;
use prost::Message as _;
use thicket_types::error::Code;
use thicket_types::ids::{FrameId, LaneTag};
use thicket_types::limits::{CERTIFICATE_LEN_MAX, CHALLENGE_FOR, CHALLENGES_MAX, NAME_LEN_MAX, RETENTION};
use thicket_types::name::Name;
use thicket_types::ports::{OpenChallenge, Store as _};
use thicket_types::time::Duration;
use thicket_types::wire::context;
use thicket_types::wire::relay::answer::Said;
use thicket_types::wire::relay::request::Ask;
use thicket_types::wire::relay::{Challenge, ChallengeAsk, Proof, Register, RegisterStatement};

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
    let third_lane = LaneTag([3; 16]);
    let [last, late, cleaned] = [(LANE, "alice"), (OTHER_LANE, "bob"), (third_lane, "carol")].map(|(tag, name)| desk.proof(tag, name));
    desk.now = desk.now.after(CHALLENGE_FOR);
    desk.store.clean(desk.now, RETENTION).expect("a store in memory");
    assert!(matches!(desk.said(LANE, register(&last, "alice")), Said::Registered(_)));
    desk.now = desk.now.after(Duration(1));
    assert_eq!(desk.code(OTHER_LANE, register(&late, "bob")), Code::ChallengeExpired);
    desk.store.clean(desk.now, RETENTION).expect("a store in memory");
    assert_eq!(desk.code(third_lane, register(&cleaned, "carol")), Code::ChallengeUnknown);
}

#[test]
fn a_lane_has_one_challenge_open_and_the_same_request_again_gets_the_same_one() {
    let mut desk = Desk::new();
    let ask = |name: &str| Ask::Challenge(ChallengeAsk { name: name.to_owned() });
    let given = |said: Said| match said {
        Said::Challenge(Challenge { nonce, until_ms, .. }) => (nonce, until_ms),
        other => panic!("{other:?}"),
    };
    let asked = desk.frame(ask("alice"));
    let first = given(desk.answer_to(LANE, &asked));
    desk.now = desk.now.after(CHALLENGE_FOR);
    assert_eq!(given(desk.answer_to(LANE, &asked)), first, "until its time is over");
    assert_ne!(given(desk.answer_to(OTHER_LANE, &asked)), first, "on another lane it is another request");
    desk.now = desk.now.after(Duration(1));
    let second = given(desk.answer_to(LANE, &asked));
    assert_ne!(second, first);
    // Another request takes its place.
    let proof = |(nonce, until_ms): (Vec<u8>, u64)| Proof { relay_key: RELAY.0.to_vec(), nonce, name: "alice".to_owned(), until_ms };
    let third = given(desk.said(LANE, ask("alice")));
    assert_eq!(desk.code(LANE, register(&proof(second), "alice")), Code::ChallengeUnknown);
    assert!(matches!(desk.said(LANE, register(&proof(third.clone()), "alice")), Said::Registered(_)));
    let fourth = given(desk.said(LANE, ask("alice")));
    assert_ne!(fourth, third, "one that was answered is no longer open");
}

#[test]
fn past_the_most_challenges_the_one_that_was_opened_first_goes_and_nobody_is_refused() {
    // Given Alice's, and as many as others have open after hers.
    let crowded = |others: usize| {
        let mut desk = Desk::new();
        let proof = desk.proof(LANE, "alice");
        for number in 1..=others {
            let (mut nonce, mut tag) = ([0; 32], [0; 16]);
            nonce[..8].copy_from_slice(&number.to_be_bytes());
            tag[..8].copy_from_slice(&number.to_be_bytes());
            let name = Name::parse("bob").expect("a name").key();
            let challenge = OpenChallenge { name, tag: LaneTag(tag), asked: FrameId(nonce), until: desk.now };
            desk.store.put_challenge(nonce, &challenge).expect("a store in memory");
        }
        let registered = desk.said(LANE, register(&proof, "alice"));
        (desk, registered)
    };
    assert!(matches!(crowded(CHALLENGES_MAX - 1).1, Said::Registered(_)));
    let (mut desk, registered) = crowded(CHALLENGES_MAX);
    assert_eq!(code(registered), Code::ChallengeUnknown);
    assert!(matches!(desk.register_as(LANE, "alice", "alice"), Said::Registered(_)), "asked again, she is let in");
}

#[test]
fn a_certificate_past_the_bound_is_refused() {
    let mut desk = Desk::new();
    // What follows the name makes it another identity.
    let long = |len: usize| format!("{:x<len$}", "alice#");
    assert_eq!(code(desk.register_as(LANE, "alice", &long(CERTIFICATE_LEN_MAX + 1))), Code::BadCertificate);
    assert!(matches!(desk.register_as(LANE, "alice", &long(CERTIFICATE_LEN_MAX)), Said::Registered(_)));
}
