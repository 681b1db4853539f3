//! Admission.

use super::*;

fn signed(by: &SigningKey, answer: &[u8]) -> Vec<u8> {
    let text = [context::ANSWER.as_bytes(), b"\0".as_slice(), answer].concat();
    let signature = by.sign(&text).to_bytes().to_vec();
    wire::FromRelay { kind: Some(Kind::Answer(wire::Signed { answer: answer.to_vec(), signature })) }.encode_to_vec()
}

fn relay_key(of: &SigningKey) -> RelayKey {
    RelayKey(of.verifying_key().to_bytes())
}

#[test]
fn an_answer_is_admitted_under_the_pinned_key_alone() {
    let mut alice = Person::new("alice", 1);
    let (relay, other) = (SigningKey::from_bytes(&[7; 32]), SigningKey::from_bytes(&[8; 32]));
    let pinned = Some(relay_key(&relay));
    let stored = answer(Said::Stored(wire::Stored {}));
    let frame = signed(&relay, &stored);
    let content = Arrived::Answer { answer: Bytes(stored.clone()) };
    let expected = Arrival { frame: FrameId(digest(&[&frame]).0), lane: Lane::Anonymous, content };
    assert_eq!(alice.vault.admit(&frame, Lane::Anonymous, pinned), Ok(Some(expected)));

    let newer = wire::Answer { version: VERSION + 1, to: vec![0; 32], clock_ms: 0, said: Some(Said::Stored(wire::Stored {})) };
    let large = wire::Entry { name: "bob".to_owned(), certificate: vec![0; FRAME_LEN_MAX], mailbox: vec![0; 16], mailbox_key: None };
    let unsigned = wire::Signed { answer: stored.clone(), signature: Vec::new() };
    let mut altered = frame.clone();
    altered[10] ^= 1;
    let dropped = [
        ("another relay's", signed(&other, &stored)),
        ("altered", altered),
        ("cut", frame[..frame.len() - 1].to_vec()),
        ("without signature", wire::FromRelay { kind: Some(Kind::Answer(unsigned)) }.encode_to_vec()),
        ("of another version", signed(&relay, &newer.encode_to_vec())),
        ("too large", signed(&relay, &answer(Said::Entry(large)))),
        ("no answer", signed(&relay, &[255; 40])),
        ("an answer that says nothing", signed(&relay, &wire::Answer { version: VERSION, said: None, ..newer }.encode_to_vec())),
        ("nothing", Vec::new()),
        ("no frame", vec![255; 40]),
    ];
    for (what, frame) in dropped {
        assert_eq!(alice.vault.admit(&frame, Lane::Anonymous, pinned), Ok(None), "{what}");
    }
}

#[test]
fn at_first_sight_a_challenge_alone_is_admitted_and_under_its_own_key() {
    let mut alice = Person::new("alice", 1);
    let (relay, other) = (SigningKey::from_bytes(&[7; 32]), SigningKey::from_bytes(&[8; 32]));
    let challenge = |key: &[u8]| {
        answer(Said::Challenge(wire::Challenge { nonce: vec![6; 32], relay_key: key.to_vec(), versions: vec![1], until_ms: NOW.0 }))
    };
    let of_relay = challenge(&relay_key(&relay).0);
    let admitted = alice.vault.admit(&signed(&relay, &of_relay), Lane::Named, None).expect("a vault that works");
    assert_eq!(admitted.map(|arrival| arrival.content), Some(Arrived::Answer { answer: Bytes(of_relay.clone()) }));
    let dropped = [
        ("signed by another", signed(&other, &of_relay)),
        ("no key", signed(&relay, &challenge(&[]))),
        ("no challenge", signed(&relay, &answer(Said::Stored(wire::Stored {})))),
    ];
    for (what, frame) in dropped {
        assert_eq!(alice.vault.admit(&frame, Lane::Named, None), Ok(None), "{what}");
    }
    // Once a key is pinned, another relay's challenge is dropped too.
    let of_other = signed(&other, &challenge(&relay_key(&other).0));
    assert_eq!(alice.vault.admit(&of_other, Lane::Named, Some(relay_key(&relay))), Ok(None));
}

#[test]
fn an_item_is_admitted_with_its_claimed_sender_and_moves_no_ratchet() {
    let (mut alice, mut bob, mut carol) = three("carol");
    begin(&mut alice, &mut bob);
    let sealed = say(&mut alice, &bob, "hello");
    let frame = FrameId(digest(&[&sealed]).0);
    let before = bob.remembered();
    for _ in 0..2 {
        let content = Arrived::Envelope { cursor: 7, sender: alice.own(), sealed: Bytes(sealed.clone()) };
        let expected = Arrival { frame, lane: Lane::Named, content };
        assert_eq!(bob.vault.admit(&item(7, &sealed), Lane::Named, None), Ok(Some(expected)));
    }
    let for_another = Arrival { frame, lane: Lane::Named, content: Arrived::Unsealable { cursor: 8, cause: Code::Unsealable } };
    assert_eq!(carol.vault.admit(&item(8, &sealed), Lane::Named, None), Ok(Some(for_another)));
    assert_eq!(bob.vault.admit(&item(9, &vec![0; FRAME_LEN_MAX]), Lane::Named, None), Ok(None));
    assert_eq!(bob.remembered(), before);
    hears(&mut bob, &alice, &sealed, "hello");
}

#[test]
fn no_frame_is_made_that_is_longer_than_a_transport_takes() {
    let mut alice = Person::new("alice", 1);
    log_in(&mut alice);
    let acknowledge = |count: usize| VaultOp::Compose(Ask::Acknowledge { cursors: vec![1; count] });
    let Outcome::Framed { bytes, .. } = alice.ask(acknowledge(FRAME_LEN_MAX - 600), &[]) else {
        panic!("no frame");
    };
    // As many as fill a frame: each takes one byte more.
    let most = FRAME_LEN_MAX - 600 + FRAME_LEN_MAX - bytes.0.len();
    assert!(matches!(alice.ask(acknowledge(most), &[]), Outcome::Framed { bytes, .. } if bytes.0.len() == FRAME_LEN_MAX));
    assert_eq!(alice.ask(acknowledge(most + 1), &[]), Outcome::Refused(Code::TooLarge));
}
