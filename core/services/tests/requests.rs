//! Every request to a relay: what it brings, and each way in which it is refused.

use prost::Message as _;
use thicket_services::{Handled, Scope, handle};
use thicket_store::MemoryStore;
use thicket_types::error::Code;
use thicket_types::ids::{Digest, Fingerprint, LaneTag, RelayKey};
use thicket_types::limits::{CHALLENGE_FOR, FRAME_LEN_MAX, KEY_PACKAGE_LEN_MAX, KEY_PACKAGES, RELAY_ANSWERS_FOR};
use thicket_types::ports::{CertificateFacts, Entropy, Store, Verify, VerifyError};
use thicket_types::time::Stamp;
use thicket_types::wire::relay::answer::Said;
use thicket_types::wire::relay::request::Ask;
use thicket_types::wire::relay::{
    Acknowledge, Answer, ChallengeAsk, Fetch, KeyPackageAsk, Login, Lookup, MailboxKey, MailboxKeyStatement, Proof, PublishKeyPackages,
    Put, Register, Request,
};
use thicket_types::wire::{VERSION, context};

/// Certificates that are names, and signatures that say what they sign.
struct Transparent;

fn mixed(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0_u8; 32];
    for (at, byte) in bytes.iter().enumerate() {
        let place = &mut out[at % 32];
        *place = place.wrapping_mul(31).wrapping_add(*byte).wrapping_add(u8::try_from(at / 32 % 251).unwrap_or(0));
    }
    out
}

fn fingerprint(name: &str) -> Fingerprint {
    let mut bytes = [0; 20];
    bytes.copy_from_slice(&mixed(name.as_bytes())[..20]);
    Fingerprint(bytes)
}

fn signature(certificate: &[u8], context: &str, message: &[u8]) -> Vec<u8> {
    [certificate, context.as_bytes(), message].concat()
}

impl Verify for Transparent {
    fn certificate(&self, bytes: &[u8]) -> Result<CertificateFacts, VerifyError> {
        let name = String::from_utf8(bytes.to_vec()).map_err(|_| VerifyError::Certificate)?;
        // "alice#2" is another identity of the same name.
        let text = name.split('#').next().unwrap_or_default().to_owned();
        Ok(CertificateFacts { name: text, fingerprint: fingerprint(&name) })
    }

    fn signature(&self, certificate: &[u8], context: &str, message: &[u8], given: &[u8]) -> Result<(), VerifyError> {
        if signature(certificate, context, message) == given { Ok(()) } else { Err(VerifyError::Signature) }
    }

    fn digest(&self, bytes: &[u8]) -> Digest {
        Digest(mixed(bytes))
    }
}

struct Counting(u8);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) {
        self.0 = self.0.wrapping_add(1);
        out.fill(self.0);
    }
}

const RELAY: RelayKey = RelayKey([7; 32]);
const LANE: LaneTag = LaneTag([1; 16]);
const OTHER_LANE: LaneTag = LaneTag([2; 16]);

struct Desk {
    store: MemoryStore,
    entropy: Counting,
    now: Stamp,
    nonces: u64,
}

impl Desk {
    fn new() -> Desk {
        Desk { store: MemoryStore::new(), entropy: Counting(0), now: Stamp(1_790_000_000_000), nonces: 0 }
    }

    fn frame(&mut self, ask: Ask) -> Vec<u8> {
        self.nonces += 1;
        let mut nonce = vec![0; 8];
        nonce.extend(self.nonces.to_be_bytes());
        Request { version: VERSION, nonce, ask: Some(ask) }.encode_to_vec()
    }

    fn hand(&mut self, tag: LaneTag, frame: &[u8]) -> Handled {
        let mut scope =
            Scope { relay: RELAY, now: self.now, tag, store: &mut self.store, entropy: &mut self.entropy, verify: &Transparent };
        let handled = handle(&mut scope, frame);
        self.store.commit().expect("a store in memory");
        handled
    }

    fn said(&mut self, tag: LaneTag, ask: Ask) -> Said {
        let frame = self.frame(ask);
        self.answer_to(tag, &frame)
    }

    fn answer_to(&mut self, tag: LaneTag, frame: &[u8]) -> Said {
        let handled = self.hand(tag, frame);
        let answer = Answer::decode(handled.answer.as_slice()).expect("an answer");
        assert_eq!(answer.to, mixed(frame), "it names the request");
        assert_eq!(answer.clock_ms, self.now.0, "it carries the relay's clock");
        answer.said.expect("something said")
    }

    fn code(&mut self, tag: LaneTag, ask: Ask) -> Code {
        code(self.said(tag, ask))
    }

    fn proof(&mut self, tag: LaneTag, name: &str) -> Proof {
        match self.said(tag, Ask::Challenge(ChallengeAsk { name: name.to_owned() })) {
            Said::Challenge(challenge) => {
                Proof { relay_key: challenge.relay_key, nonce: challenge.nonce, name: name.to_owned(), until_ms: challenge.until_ms }
            }
            other => panic!("{other:?}"),
        }
    }

    fn register_as(&mut self, tag: LaneTag, name: &str, certificate: &str) -> Said {
        let proof = self.proof(tag, name);
        self.said(tag, register(&proof, certificate))
    }

    fn log_in(&mut self, tag: LaneTag, name: &str) -> Said {
        let proof = self.proof(tag, name);
        self.said(tag, login(&proof, name))
    }
}

fn code(said: Said) -> Code {
    match said {
        Said::Refusal(refusal) => Code::from_number(refusal.code).expect("a number of the table"),
        other => panic!("{other:?}"),
    }
}

fn register(proof: &Proof, certificate: &str) -> Ask {
    let proof = proof.encode_to_vec();
    let statement = MailboxKeyStatement { fingerprint: fingerprint(certificate).0.to_vec(), key: vec![3; 32], from_ms: 0 }.encode_to_vec();
    Ask::Register(Register {
        signature: signature(certificate.as_bytes(), context::REGISTER, &proof),
        proof,
        certificate: certificate.as_bytes().to_vec(),
        mailbox_key: Some(MailboxKey { signature: signature(certificate.as_bytes(), context::MAILBOX_KEY, &statement), statement }),
    })
}

fn login(proof: &Proof, certificate: &str) -> Ask {
    let proof = proof.encode_to_vec();
    Ask::Login(Login { signature: signature(certificate.as_bytes(), context::LOGIN, &proof), proof })
}

fn mailbox_of(desk: &mut Desk, name: &str) -> Vec<u8> {
    match desk.said(OTHER_LANE, Ask::Lookup(Lookup { name: name.to_owned() })) {
        Said::Entry(entry) => entry.mailbox,
        other => panic!("{other:?}"),
    }
}

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
    for name in ["", "server", "a b", "ä", "___", &"x".repeat(65)] {
        assert_eq!(desk.code(LANE, Ask::Challenge(ChallengeAsk { name: name.to_owned() })), Code::MalformedName, "{name}");
    }
}

#[test]
fn a_challenge_is_answered_once_in_time_on_its_lane_under_its_name_and_for_this_relay() {
    let mut desk = Desk::new();
    let late = desk.proof(LANE, "alice");
    desk.now = desk.now.after(CHALLENGE_FOR).after(thicket_types::time::Duration(1));
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
    let Ask::Register(mut forged) = register(&proof, "alice") else { panic!("a registration") };
    forged.signature = signature(b"alice", context::LOGIN, &forged.proof);
    assert_eq!(desk.code(LANE, Ask::Register(forged)), Code::BadSignature, "signed for another purpose");

    let proof = desk.proof(LANE, "alice");
    assert_eq!(desk.code(LANE, register(&proof, "mallory")), Code::BadCertificate, "a certificate of another name");

    let proof = desk.proof(LANE, "alice");
    let Ask::Register(mut keyless) = register(&proof, "alice") else { panic!("a registration") };
    keyless.mailbox_key = None;
    assert_eq!(desk.code(LANE, Ask::Register(keyless)), Code::MalformedRequest);

    let proof = desk.proof(LANE, "alice");
    let Ask::Register(mut borrowed) = register(&proof, "alice") else { panic!("a registration") };
    let Ask::Register(other) = register(&proof, "mallory") else { panic!("a registration") };
    borrowed.mailbox_key = other.mailbox_key;
    assert_eq!(desk.code(LANE, Ask::Register(borrowed)), Code::BadSignature, "another's mailbox key");

    assert!(matches!(desk.register_as(LANE, "alice", "alice"), Said::Registered(_)));
    let proof = desk.proof(OTHER_LANE, "alice");
    assert_eq!(desk.code(OTHER_LANE, login(&proof, "mallory")), Code::BadSignature, "a login by another key");
    assert_eq!(code(desk.log_in(OTHER_LANE, "nobody")), Code::UnknownName);
}

#[test]
fn what_needs_a_login_is_refused_without_one() {
    let mut desk = Desk::new();
    desk.register_as(LANE, "alice", "alice");
    for ask in [
        Ask::Fetch(Fetch { items_max: 1 }),
        Ask::Acknowledge(Acknowledge { cursors: vec![1] }),
        Ask::Publish(PublishKeyPackages { one_time: Vec::new(), last_resort: vec![1] }),
    ] {
        assert_eq!(desk.code(OTHER_LANE, ask), Code::NotLoggedIn);
    }
    // A login on another lane ends the one before.
    assert!(matches!(desk.log_in(OTHER_LANE, "alice"), Said::LoggedIn(_)));
    assert_eq!(desk.code(LANE, Ask::Fetch(Fetch { items_max: 1 })), Code::NotLoggedIn);
}

#[test]
fn key_packages_go_one_by_one_and_the_last_resort_stays() {
    let mut desk = Desk::new();
    desk.register_as(LANE, "bob", "bob");
    let fetch = |desk: &mut Desk| desk.said(OTHER_LANE, Ask::KeyPackage(KeyPackageAsk { name: "bob".to_owned() }));
    assert_eq!(code(fetch(&mut desk)), Code::NoKeyPackage);
    let publish = PublishKeyPackages { one_time: vec![vec![1], vec![2]], last_resort: vec![9] };
    assert!(matches!(desk.said(LANE, Ask::Publish(publish)), Said::Published(published) if published.key_packages == 2));
    let mut got = Vec::new();
    for _ in 0..4 {
        match fetch(&mut desk) {
            Said::KeyPackage(package) => got.push((package.key_package, package.last_resort)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(got, [(vec![1], false), (vec![2], false), (vec![9], true), (vec![9], true)]);
    let nobody = Ask::KeyPackage(KeyPackageAsk { name: "nobody".to_owned() });
    assert_eq!(desk.code(OTHER_LANE, nobody), Code::UnknownName);
    for too_much in [
        PublishKeyPackages { one_time: vec![vec![1]; 2 * KEY_PACKAGES as usize + 1], last_resort: Vec::new() },
        PublishKeyPackages { one_time: vec![vec![1; KEY_PACKAGE_LEN_MAX + 1]], last_resort: Vec::new() },
        PublishKeyPackages { one_time: vec![Vec::new()], last_resort: Vec::new() },
        PublishKeyPackages { one_time: Vec::new(), last_resort: vec![1; KEY_PACKAGE_LEN_MAX + 1] },
    ] {
        assert_eq!(desk.code(LANE, Ask::Publish(too_much)), Code::TooLarge);
    }
}

#[test]
fn mail_is_put_once_fetched_in_order_and_forgotten_when_acknowledged() {
    let mut desk = Desk::new();
    desk.register_as(LANE, "bob", "bob");
    let mailbox = mailbox_of(&mut desk, "bob");
    let put = |envelope: u8| Ask::Put(Put { mailbox: mailbox.clone(), envelope: vec![envelope; 10] });
    let frame = desk.frame(put(1));
    assert!(desk.hand(OTHER_LANE, &frame).stored.is_some(), "new mail is pushed");
    assert!(desk.hand(OTHER_LANE, &frame).stored.is_none(), "a repeat is not");
    assert!(matches!(desk.said(OTHER_LANE, put(1)), Said::Stored(_)), "nor the same envelope in another request, and it is stored");
    desk.said(OTHER_LANE, put(2));
    let fetch = desk.frame(Ask::Fetch(Fetch { items_max: 64 }));
    let handled = desk.hand(LANE, &fetch);
    let items: Vec<u8> = handled.items.iter().map(|(_, envelope)| envelope[0]).collect();
    assert_eq!(items, [1, 2]);
    let cursors = handled.items.iter().map(|(cursor, _)| *cursor).collect();
    assert!(matches!(desk.said(LANE, Ask::Acknowledge(Acknowledge { cursors })), Said::Acknowledged(_)));
    assert!(matches!(desk.said(LANE, Ask::Fetch(Fetch { items_max: 64 })), Said::Fetched(fetched) if fetched.waiting == 0));
    desk.said(OTHER_LANE, put(1));
    assert!(
        matches!(desk.said(LANE, Ask::Fetch(Fetch { items_max: 64 })), Said::Fetched(fetched) if fetched.waiting == 0),
        "known for the retention"
    );
    assert_eq!(desk.code(OTHER_LANE, Ask::Put(Put { mailbox: vec![5; 16], envelope: vec![1] })), Code::UnknownMailbox);
    assert_eq!(desk.code(OTHER_LANE, Ask::Put(Put { mailbox: vec![5; 3], envelope: vec![1] })), Code::MalformedRequest);
    assert_eq!(desk.code(LANE, Ask::Acknowledge(Acknowledge { cursors: vec![1; 257] })), Code::TooLarge);
}

#[test]
fn a_repeated_request_gets_its_first_answer_where_a_second_doing_would_harm() {
    let mut desk = Desk::new();
    let proof = desk.proof(LANE, "alice");
    let frame = desk.frame(register(&proof, "alice"));
    let first = desk.answer_to(LANE, &frame);
    assert!(matches!(first, Said::Registered(_)));
    assert_eq!(desk.answer_to(LANE, &frame), first);
    assert_eq!(code(desk.answer_to(OTHER_LANE, &frame)), Code::ChallengeUnknown, "on another lane it is a replay");
    let publish = PublishKeyPackages { one_time: vec![vec![1], vec![2]], last_resort: Vec::new() };
    desk.said(LANE, Ask::Publish(publish));
    let ask = desk.frame(Ask::KeyPackage(KeyPackageAsk { name: "alice".to_owned() }));
    let first = desk.answer_to(OTHER_LANE, &ask);
    assert_eq!(desk.answer_to(OTHER_LANE, &ask), first, "no second package is spent");
    // Remembered for a while.
    desk.now = desk.now.after(RELAY_ANSWERS_FOR).after(thicket_types::time::Duration(1));
    desk.store.clean(desk.now).expect("a store in memory");
    assert_ne!(desk.answer_to(OTHER_LANE, &ask), first);
}

#[test]
fn whatever_bytes_come_get_a_refusal() {
    let mut desk = Desk::new();
    let refused = |desk: &mut Desk, frame: &[u8]| {
        let handled = desk.hand(LANE, frame);
        code(Answer::decode(handled.answer.as_slice()).expect("an answer").said.expect("something said"))
    };
    assert_eq!(refused(&mut desk, &[]), Code::UnknownVersion);
    assert_eq!(refused(&mut desk, &[0xff; 100]), Code::MalformedRequest);
    assert_eq!(refused(&mut desk, &vec![0; FRAME_LEN_MAX + 1]), Code::TooLarge);
    let versioned = |version, nonce: usize, ask| Request { version, nonce: vec![0; nonce], ask }.encode_to_vec();
    let ask = || Some(Ask::Fetch(Fetch { items_max: 1 }));
    assert_eq!(refused(&mut desk, &versioned(2, 16, ask())), Code::UnknownVersion);
    assert_eq!(refused(&mut desk, &versioned(1, 15, ask())), Code::MalformedRequest);
    assert_eq!(refused(&mut desk, &versioned(1, 16, None)), Code::MalformedRequest);
    // Every prefix of a good request, and every flip of one byte: an answer, and no panic.
    let proof = desk.proof(LANE, "alice");
    let good = desk.frame(register(&proof, "alice"));
    for len in 0..good.len() {
        desk.hand(LANE, &good[..len]);
    }
    for at in 0..good.len() {
        let mut flipped = good.clone();
        flipped[at] ^= 0x55;
        desk.hand(LANE, &flipped);
    }
}
