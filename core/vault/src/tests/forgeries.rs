//! Forgeries.

use super::*;

fn signed_key(by: &Person, purpose: &str, statement: &wire::MailboxKeyStatement) -> Option<wire::MailboxKey> {
    let (account, statement) = (&by.vault.account, statement.encode_to_vec());
    let signature = account.identity.sign(purpose, &statement, account.created_s).expect("a signature");
    Some(wire::MailboxKey { statement, signature })
}

#[test]
fn a_forged_entry_is_refused_and_nothing_is_kept() {
    let (mut alice, mut bob, mut carol) = three("carol");
    let (of_bob, of_carol) = (entry(&mut bob), entry(&mut carol));
    let own = wire::MailboxKeyStatement { fingerprint: bob.own().0.to_vec(), key: vec![8; 32], from_ms: NOW.0 };
    let names_carol = wire::MailboxKeyStatement { fingerprint: carol.own().0.to_vec(), ..own.clone() };
    let short = wire::MailboxKeyStatement { key: vec![8; 31], ..own.clone() };
    let with_key = |mailbox_key: Option<wire::MailboxKey>| wire::Entry { mailbox_key, ..of_bob.clone() };
    let forgeries = [
        ("signed by another", with_key(signed_key(&carol, context::MAILBOX_KEY, &own))),
        ("another's statement", with_key(of_carol.mailbox_key.clone())),
        ("signed for another purpose", with_key(signed_key(&bob, context::LEAF, &own))),
        ("names another fingerprint", with_key(signed_key(&bob, context::MAILBOX_KEY, &names_carol))),
        ("a short key", with_key(signed_key(&bob, context::MAILBOX_KEY, &short))),
        ("no key", with_key(None)),
        ("another name", wire::Entry { name: "carol".to_owned(), ..of_bob.clone() }),
        ("no name", wire::Entry { name: "a name".to_owned(), ..of_bob.clone() }),
        ("the name in another case", wire::Entry { name: "BOB".to_owned(), ..of_bob.clone() }),
        ("another's certificate", wire::Entry { certificate: of_carol.certificate.clone(), ..of_bob.clone() }),
        ("another's all", wire::Entry { name: "bob".to_owned(), ..of_carol.clone() }),
        ("no certificate", wire::Entry { certificate: Vec::new(), ..of_bob.clone() }),
        ("a short mailbox", wire::Entry { mailbox: vec![1; 15], ..of_bob.clone() }),
    ];
    for (what, forged) in forgeries {
        assert_eq!(pin_as(&mut alice, "bob", forged), Outcome::Refused(Code::ForgedEntry), "{what}");
    }
    assert_eq!(pin_as(&mut alice, "carol", of_bob.clone()), Outcome::Refused(Code::ForgedEntry));
    let op = VaultOp::PinContact { name: name("bob"), answer: Seq(1), at: NOW };
    for frame in [Vec::new(), vec![255; 40], answer(Said::Stored(wire::Stored {}))] {
        assert_eq!(alice.ask(op.clone(), &frame), Outcome::Refused(Code::ForgedEntry));
    }
    assert_eq!(alice.count("contact"), 0);

    // The same entry, true, asked for in another case.
    let pinned = pin_as(&mut alice, "BOB", of_bob.clone());
    assert_eq!(pinned, Outcome::Pinned { contact: bob.own(), mailbox: bob.mailbox(), name: name("bob"), contradicts: None, anew: false });
    assert_eq!(alice.contacts(), [(bob.own(), "bob".to_owned(), Some(mailbox_key_of(&bob)), true)]);
    // A new key that the owner signed takes the old one's place.
    let renewed = with_key(signed_key(&bob, context::MAILBOX_KEY, &own));
    assert!(matches!(pin_as(&mut alice, "bob", renewed), Outcome::Pinned { contradicts: None, .. }));
    assert_eq!(alice.contacts(), [(bob.own(), "bob".to_owned(), Some([8; 32]), true)]);
}

#[test]
fn ones_own_entry_is_no_contact() {
    let mut alice = Person::new("alice", 1);
    let own = entry(&mut alice);
    assert_eq!(pin_as(&mut alice, "alice", own), Outcome::Refused(Code::OwnName));
    assert_eq!(alice.count("contact"), 0);
}

#[test]
fn another_identity_under_a_pinned_name_is_said_and_not_kept() {
    let (mut alice, mut bob) = two();
    let mut other = Person::new("bob", 9);
    begin(&mut alice, &mut bob);
    let before = alice.contacts();
    let of_other = entry(&mut other);
    let expected =
        Outcome::Pinned { contact: other.own(), mailbox: other.mailbox(), name: name("bob"), contradicts: Some(bob.own()), anew: false };
    assert_eq!(pin_as(&mut alice, "bob", of_other), expected);
    assert_eq!(alice.contacts(), before);
    pin(&mut alice, &mut bob);
    let sealed = say(&mut alice, &bob, "still to bob");
    hears(&mut bob, &alice, &sealed, "still to bob");
}

#[test]
fn what_a_stranger_calls_themselves_contradicts_nobody() {
    let (mut alice, mut bob) = two();
    let mut stranger = Person::new("bob", 9);
    begin(&mut stranger, &mut alice);
    let sealed = say(&mut stranger, &alice, "i am bob");
    hears(&mut alice, &stranger, &sealed, "i am bob");
    assert_eq!(alice.contacts(), [(stranger.own(), "bob".to_owned(), None, false)]);
    pin(&mut alice, &mut bob);
    let of_stranger = entry(&mut stranger);
    let pinned = pin_as(&mut alice, "bob", of_stranger);
    assert!(matches!(pinned, Outcome::Pinned { contradicts: Some(old), .. } if old == bob.own()), "{pinned:?}");
}

/// One key can have certificates with different names, since a fingerprint covers the key alone.
#[test]
fn a_stranger_who_is_pinned_later_is_pinned_under_the_name_that_the_directory_vouches_for() {
    let (mut alice, mut bob) = two();
    let (mut as_bob, mut as_mallory) = (Person::new("bob", 9), Person::new("mallory", 9));
    assert_eq!(as_bob.own(), as_mallory.own());
    begin(&mut as_bob, &mut alice);
    let sealed = say(&mut as_bob, &alice, "i am bob");
    hears(&mut alice, &as_bob, &sealed, "i am bob");
    pin(&mut alice, &mut as_mallory);
    // Nobody is pinned as bob yet, ...
    pin(&mut alice, &mut bob);
    // ... and mallory's name is taken.
    let mut other = Person::new("mallory", 10);
    let of_other = entry(&mut other);
    let pinned = pin_as(&mut alice, "mallory", of_other);
    assert!(matches!(pinned, Outcome::Pinned { contradicts: Some(old), .. } if old == as_mallory.own()), "{pinned:?}");
}

#[test]
fn an_envelope_under_another_certificate_than_its_writers_is_not_read() {
    let (mut alice, mut bob, mut mallory) = three("mallory");
    begin(&mut alice, &mut bob);
    begin(&mut mallory, &mut bob);
    pin(&mut bob, &mut alice);
    let (one, two) = (say(&mut alice, &bob, "one"), say(&mut mallory, &bob, "two"));
    hears(&mut bob, &alice, &one, "one");
    hears(&mut bob, &mallory, &two, "two");
    let (of_alice, of_mallory) = (say(&mut alice, &bob, "three"), say(&mut mallory, &bob, "four"));
    let of_bob = say(&mut bob, &alice, "five");
    let forged = [
        ("alice's words as mallory's", forge(&bob, &mallory, alone(&bob, &of_alice)), &mallory),
        ("the same, with alice's Welcome", forge(&bob, &mallory, inside(&bob, &of_alice)), &mallory),
        ("mallory's words as alice's", forge(&bob, &alice, alone(&bob, &of_mallory)), &alice),
        ("the same, with mallory's Welcome", forge(&bob, &alice, inside(&bob, &of_mallory)), &alice),
        ("bob's words, back as alice's", forge(&bob, &alice, alone(&alice, &of_bob)), &alice),
    ];
    for (what, sealed, claimed) in forged {
        assert_eq!(read(&mut bob, &sealed), unreadable(claimed, Code::ForgedSender), "{what}");
    }
    assert_eq!(bob.heard(), ["one", "two"]);
    // No key was spent on them.
    hears(&mut bob, &alice, &of_alice, "three");
    hears(&mut bob, &mallory, &of_mallory, "four");
}

#[test]
fn a_welcome_under_another_certificate_lets_nobody_in() {
    let (alice, mut bob, mut mallory) = three("mallory");
    begin(&mut mallory, &mut bob);
    let sealed = say(&mut mallory, &bob, "from mallory");
    let forged = forge(&bob, &alice, inside(&bob, &sealed));
    assert_eq!(read(&mut bob, &forged), unreadable(&alice, Code::ForgedLeaf));
    assert_eq!(["contact", "mls_group", "welcome", "message"].map(|table| bob.count(table)), [0; 4]);
    // The key package is not used up either.
    hears(&mut bob, &mallory, &sealed, "from mallory");
}

#[test]
fn an_envelope_with_a_flipped_bit_is_never_read() {
    let (mut alice, mut bob) = two();
    begin(&mut alice, &mut bob);
    pin(&mut bob, &mut alice);
    let opening = say(&mut alice, &bob, "opening");
    flips_are_never_read(&mut bob, &opening);
    hears(&mut bob, &alice, &opening, "opening");
    let reply = say(&mut bob, &alice, "reply");
    hears(&mut alice, &bob, &reply, "reply");
    let plain = say(&mut alice, &bob, "plain");
    assert!(matches!(inside(&bob, &plain), Inside::MlsMessage(_)));
    flips_are_never_read(&mut bob, &plain);
    hears(&mut bob, &alice, &plain, "plain");
}

/// Flips bits of the sealed bytes, and then of what is inside, sealed again.
fn flips_are_never_read(to: &mut Person, sealed: &[u8]) {
    let heard = to.heard();
    for place in sample(sealed.len(), 30) {
        let mut flipped = sealed.to_vec();
        flipped[place] ^= 0x10;
        assert_eq!(deliver(to, &flipped, true), Outcome::Refused(Code::Unsealable), "sealed, {place}");
    }
    for len in [0, 1, 31, 32, 47, 48, sealed.len() - 1] {
        assert_eq!(deliver(to, &sealed[..len], true), Outcome::Refused(Code::Unsealable), "cut to {len}");
    }
    let padded = unseal_raw(to, sealed);
    let used = 4 + u32::from_le_bytes(padded[..4].try_into().expect("four bytes")) as usize;
    for place in sample(used, 60) {
        for bit in [0x01, 0x80] {
            let mut flipped = padded.clone();
            flipped[place] ^= bit;
            let forged = seal_raw(to, &flipped);
            let outcome = deliver(to, &forged, true);
            let dropped = matches!(outcome, Outcome::Refused(_) | Outcome::Opened(Opened::Unreadable { .. }));
            assert!(dropped, "inside, {place}: {outcome:?}");
        }
    }
    assert_eq!(to.heard(), heard);
    let rows = to.rows();
    let said = |row: &MessageRow| row.text.is_some() || (row.state == MessageState::Unreadable && row.cause.is_some());
    assert!(rows.iter().all(said), "{rows:?}");
}

#[test]
fn a_malformed_inside_is_refused_by_name_at_admission_and_after() {
    let (mut alice, mut bob) = two();
    begin(&mut alice, &mut bob);
    let sealed = say(&mut alice, &bob, "hello");
    let certificate = alice.vault.own().1.to_bytes();
    let good = peer::Envelope { version: VERSION, certificate, content: Some(inside(&bob, &sealed)) };
    let padded = pad(&good.encode_to_vec());
    let mut filled = padded.clone();
    if let Some(last) = filled.last_mut() {
        *last = 1;
    }
    let mut long = padded;
    long[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    let encoded = |envelope: peer::Envelope| pad(&envelope.encode_to_vec());
    let malformed = [
        ("nothing", Vec::new(), Code::MalformedEnvelope),
        ("half a length", vec![0; 3], Code::MalformedEnvelope),
        ("a length past the end", long, Code::MalformedEnvelope),
        ("filling that is not zero", filled, Code::MalformedEnvelope),
        ("no envelope", pad(&[255; 100]), Code::MalformedEnvelope),
        ("no certificate", encoded(peer::Envelope { certificate: Vec::new(), ..good.clone() }), Code::MalformedEnvelope),
        ("no content", encoded(peer::Envelope { content: None, ..good.clone() }), Code::MalformedEnvelope),
        ("no version", pad(&[]), Code::UnknownVersion),
        ("another version", encoded(peer::Envelope { version: VERSION + 1, ..good }), Code::UnknownVersion),
    ];
    for (what, bytes, cause) in malformed {
        let forged = seal_raw(&bob, &bytes);
        let arrival = bob.vault.admit(&item(7, &forged), Lane::Named, None).expect("a vault that works");
        assert_eq!(arrival.map(|arrival| arrival.content), Some(Arrived::Unsealable { cursor: 7, cause }), "{what}");
        assert_eq!(deliver(&mut bob, &forged, false), Outcome::Refused(cause), "{what}");
    }
    hears(&mut bob, &alice, &sealed, "hello");
}

#[test]
fn content_that_is_malformed_within_mls_is_unreadable() {
    let (mut alice, mut bob) = two();
    begin(&mut alice, &mut bob);
    let sealed = say(&mut alice, &bob, "first");
    hears(&mut bob, &alice, &sealed, "first");
    let content = |message: &[u8], text: &str| {
        let what = Some(What::Text(text.to_owned()));
        peer::Content { message: message.to_vec(), claimed_ms: u64::MAX, what, capability: Vec::new() }.encode_to_vec()
    };
    let malformed = [
        Vec::new(),
        vec![255; 8],
        content(&[], "no id"),
        content(&[1; 15], "a short id"),
        content(&[1; 16], ""),
        content(&[1; 16], &"x".repeat(BODY_LEN_MAX + 1)),
    ];
    for bytes in &malformed {
        let forged = forge(&bob, &alice, Inside::MlsMessage(encrypt(&alice, bytes)));
        assert_eq!(read(&mut bob, &forged), unreadable(&alice, Code::MalformedEnvelope));
    }
    let opening = Opening { welcome: vec![1; 40], mls_message: mls_message(&inside(&bob, &sealed)).to_vec() };
    let forged = forge(&bob, &alice, Inside::Opening(opening));
    assert_eq!(read(&mut bob, &forged), unreadable(&alice, Code::MalformedEnvelope));
    assert_eq!(bob.heard(), ["first"]);
    assert_eq!(bob.rows().len(), 1 + malformed.len() + 1);

    // A clock beyond what a row holds is no reason not to read.
    let far = forge(&bob, &alice, Inside::MlsMessage(encrypt(&alice, &content(&message_of("far").0, "far"))));
    let opened = read(&mut bob, &far);
    assert!(matches!(opened, Opened::Message { claimed: ClaimedTime(u64::MAX), .. }), "{opened:?}");
    assert_eq!(bob.rows().last().map(|row| row.claimed), Some(ClaimedTime(u64::MAX >> 1)));
}
