//! Vaults in temporary folders. What honest people send is made through the port; what a forger sends is made with the
//! crate's own parts.

#![allow(clippy::expect_used, clippy::indexing_slicing)]

use crate::conversation::conversation_id;
use crate::envelope;
use crate::mls::provider::Provider;
use crate::seal::{self, EntropyRng};
use crate::{Direction, MessageRow, NewAccount, Origin, Reader, SharedEntropy, SqlVault};
use aws_lc_rs::cipher::{AES_256, DecryptingKey, DecryptionContext, UnboundCipherKey};
use ed25519_dalek::{Signer as _, SigningKey};
use openmls::group::{GroupId, MlsGroup};
use openmls::prelude::MlsMessageIn;
use openmls::prelude::tls_codec::Deserialize as _;
use openmls_traits::OpenMlsProvider as _;
use prost::Message as _;
use std::fs;
use std::path::PathBuf;
use std::slice;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use thicket_journal_format::{Key, digest};
use thicket_types::bytes::Bytes;
use thicket_types::effect::MessageState;
use thicket_types::error::Code;
use thicket_types::event::{Arrival, Arrived, Lane, Opened, Outcome};
use thicket_types::ids::{BodyRef, Digest, EffectId, Fingerprint, FrameId, MailboxId, MessageId, RelayKey, SegmentId, Seq};
use thicket_types::limits::{BODY_LEN_MAX, FRAME_LEN_MAX, KEY_PACKAGE_LEN_MAX, KEY_PACKAGES, PADDING_CLASSES};
use thicket_types::name::Name;
use thicket_types::ports::{Durable, Entropy, Remembered, Vault as _, VaultCall};
use thicket_types::time::{ClaimedTime, Stamp};
use thicket_types::vault_op::{Ask, Challenge, VaultOp};
use thicket_types::wire::peer::content::What;
use thicket_types::wire::peer::envelope::Content as Inside;
use thicket_types::wire::peer::{self, Opening};
use thicket_types::wire::relay as wire;
use thicket_types::wire::relay::answer::Said;
use thicket_types::wire::relay::from_relay::Kind;
use thicket_types::wire::relay::request::Ask as Asked;
use thicket_types::wire::{VERSION, context};

const DB: &str = "vault.db";
const NOW: Stamp = Stamp(1_790_000_000_000);
const LATER: Stamp = Stamp(1_790_000_060_000);
const DURABLE: Durable = Durable { seq: Seq(1), chain: Digest([1; 32]) };

/// A repeatable stream: a counter, hashed.
struct Seeded {
    seed: u64,
    drawn: u64,
}

impl Entropy for Seeded {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            self.drawn += 1;
            let block = digest(&[&self.seed.to_be_bytes(), &self.drawn.to_be_bytes()]);
            chunk.copy_from_slice(&block.0[..chunk.len()]);
        }
    }
}

fn seeded(seed: u64) -> SharedEntropy {
    let entropy: Box<dyn Entropy + Send> = Box::new(Seeded { seed, drawn: 0 });
    Arc::new(Mutex::new(entropy))
}

fn key() -> Key {
    Key::new([7; 32])
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

fn effect(seq: u64) -> EffectId {
    EffectId { seq: Seq(seq), index: 0, segment: SegmentId([3; 16]) }
}

fn call(seq: u64, op: VaultOp) -> VaultCall {
    VaultCall { effect: effect(seq), op, frame: Vec::new() }
}

fn message_of(text: &str) -> MessageId {
    MessageId::parse(&digest(&[text.as_bytes()]).0[..16]).expect("16 bytes")
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Gives `count` places spread evenly over a length, both ends among them.
fn sample(len: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |i| i * (len - 1) / (count - 1))
}

/// Someone and their vault.
struct Person {
    who: &'static str,
    folder: TempDir,
    vault: SqlVault,
    asked: u64,
}

impl Person {
    fn new(who: &'static str, seed: u64) -> Person {
        let folder = TempDir::new().expect("a folder");
        let new = NewAccount { origin: Origin::New(name(who)), at: NOW };
        let vault = SqlVault::create(&folder.path().join(DB), &key(), seeded(seed), &new).expect("a new vault");
        Person { who, folder, vault, asked: 1_000 }
    }

    /// Closes the vault and opens it again, with other randomness.
    fn reopened(self) -> Person {
        let Person { who, folder, vault, asked } = self;
        drop(vault);
        let vault = SqlVault::open(&folder.path().join(DB), &key(), seeded(1_000_000)).expect("an intact vault");
        Person { who, folder, vault, asked }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(DB)
    }

    fn own(&self) -> Fingerprint {
        self.vault.own().1.fingerprint()
    }

    fn mailbox(&self) -> MailboxId {
        MailboxId::parse(&self.own().0[..16]).expect("16 bytes")
    }

    fn run(&mut self, calls: &[VaultCall]) -> Vec<Outcome> {
        self.vault.run(DURABLE, calls).expect("a vault that works").0
    }

    /// Does one op under an id of its own.
    fn ask(&mut self, op: VaultOp, frame: &[u8]) -> Outcome {
        self.asked += 1;
        let call = VaultCall { effect: effect(self.asked), op, frame: frame.to_vec() };
        self.run(&[call]).remove(0)
    }

    fn remembered(&mut self) -> Remembered {
        self.vault.remembered().expect("a vault that works")
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.path(), &key()).expect("an intact vault")
    }

    fn rows(&self) -> Vec<MessageRow> {
        self.reader().messages(None, 0, 10_000).expect("an intact vault")
    }

    /// The texts that were received, in the order of their rows.
    fn heard(&self) -> Vec<String> {
        self.rows().into_iter().filter(|row| row.direction == Direction::Received).filter_map(|row| row.text).collect()
    }

    fn groups(&self, with: &Person) -> u32 {
        self.reader().groups(with.own()).expect("an intact vault")
    }

    /// Rows in a table.
    fn count(&self, table: &str) -> u64 {
        self.vault.conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("a table")
    }

    /// Fingerprint, name, mailbox key, and whether it is pinned, of each contact.
    fn contacts(&self) -> Vec<(Fingerprint, String, Option<[u8; 32]>, bool)> {
        let sql = "SELECT fingerprint, name, mailbox_key, pinned FROM contact ORDER BY fingerprint";
        let mut find = self.vault.conn.prepare(sql).expect("a table");
        let rows = find.query_map([], |row| Ok((Fingerprint(row.get(0)?), row.get(1)?, row.get(2)?, row.get(3)?))).expect("rows");
        rows.collect::<Result<Vec<_>, _>>().expect("rows")
    }
}

fn two() -> (Person, Person) {
    (Person::new("alice", 1), Person::new("bob", 2))
}

fn three(third: &'static str) -> (Person, Person, Person) {
    (Person::new("alice", 1), Person::new("bob", 2), Person::new(third, 3))
}

/// What a frame that the vault made asks of the relay.
fn asked(outcome: &Outcome) -> Asked {
    let Outcome::Framed { frame, bytes } = outcome else {
        panic!("no frame: {outcome:?}");
    };
    assert_eq!(*frame, FrameId(digest(&[&bytes.0]).0));
    assert!(bytes.0.len() <= FRAME_LEN_MAX);
    let request = wire::Request::decode(bytes.0.as_slice()).expect("a request");
    assert_eq!((request.version, request.nonce.len()), (VERSION, 16));
    request.ask.expect("an ask")
}

fn put(outcome: &Outcome) -> wire::Put {
    let Asked::Put(put) = asked(outcome) else {
        panic!("no put");
    };
    put
}

/// A relay's answer, as it stands in a record.
fn answer(said: Said) -> Vec<u8> {
    wire::Answer { version: VERSION, to: vec![0; 32], clock_ms: NOW.0, said: Some(said) }.encode_to_vec()
}

fn challenge() -> Challenge {
    Challenge { relay: RelayKey([5; 32]), nonce: [6; 32], until_ms: NOW.0 }
}

/// What the directory says of someone who registered.
fn entry(of: &mut Person) -> wire::Entry {
    let Asked::Register(register) = asked(&of.ask(VaultOp::SignRegistration(challenge()), &[])) else {
        panic!("no registration");
    };
    let mailbox = of.mailbox().0.to_vec();
    wire::Entry { name: of.who.to_owned(), certificate: register.certificate, mailbox, mailbox_key: register.mailbox_key }
}

fn packages(of: &mut Person, count: u32, last_resort: bool) -> wire::PublishKeyPackages {
    let Asked::Publish(publish) = asked(&of.ask(VaultOp::MakeKeyPackages { count, last_resort }, &[])) else {
        panic!("nothing published");
    };
    publish
}

fn package(of: &mut Person) -> Vec<u8> {
    packages(of, 1, false).one_time.remove(0)
}

/// Pins what an entry shows, asked for under a name.
fn pin_as(by: &mut Person, asked: &str, entry: wire::Entry) -> Outcome {
    by.ask(VaultOp::PinContact { name: name(asked), answer: Seq(1), at: NOW }, &answer(Said::Entry(entry)))
}

fn pin(by: &mut Person, contact: &mut Person) {
    let entry = entry(contact);
    let pinned = pin_as(by, contact.who, entry);
    let expected = Outcome::Pinned { contact: contact.own(), mailbox: contact.mailbox(), name: name(contact.who), contradicts: None };
    assert_eq!(pinned, expected);
}

fn begin_with(by: &mut Person, contact: Fingerprint, key_package: Vec<u8>) -> Outcome {
    let said = Said::KeyPackage(wire::KeyPackage { key_package, last_resort: false });
    by.ask(VaultOp::BeginConversation { contact, answer: Seq(2), at: NOW }, &answer(said))
}

fn begin(by: &mut Person, contact: &mut Person) {
    pin(by, contact);
    let package = package(contact);
    assert_eq!(begin_with(by, contact.own(), package), Outcome::Begun);
}

/// Stages a text and gives the op that seals it.
fn seal_op(by: &mut Person, to: &Person, text: &str) -> VaultOp {
    let body = by.vault.stage(text.as_bytes()).expect("room");
    VaultOp::SealMessage { contact: to.own(), mailbox: to.mailbox(), message: message_of(text), body, at: NOW }
}

/// The envelope of a message.
fn say(by: &mut Person, to: &Person, text: &str) -> Vec<u8> {
    let op = seal_op(by, to, text);
    let put = put(&by.ask(op, &[]));
    assert_eq!(put.mailbox, to.mailbox().0);
    put.envelope
}

fn deliver(to: &mut Person, sealed: &[u8], last: bool) -> Outcome {
    to.ask(VaultOp::OpenEnvelope { envelope: Seq(3), at: LATER, last }, sealed)
}

fn read(to: &mut Person, sealed: &[u8]) -> Opened {
    match deliver(to, sealed, false) {
        Outcome::Opened(opened) => opened,
        outcome => panic!("not opened: {outcome:?}"),
    }
}

/// Reads an envelope, and holds that it was this text from this person.
fn hears(to: &mut Person, from: &Person, sealed: &[u8], text: &str) {
    let opened = read(to, sealed);
    let Opened::Message { contact, message, .. } = &opened else {
        panic!("{text}: {opened:?}");
    };
    assert_eq!((*contact, *message), (from.own(), message_of(text)));
    assert_eq!(to.heard().last().map(String::as_str), Some(text));
}

fn unreadable(claimed: &Person, cause: Code) -> Opened {
    Opened::Unreadable { contact: claimed.own(), cause }
}

/// What an envelope holds, to its recipient.
fn inside(of: &Person, sealed: &[u8]) -> Inside {
    envelope::open(&of.vault.account, sealed).map(|unsealed| unsealed.content).expect("an envelope")
}

fn mls_message(inside: &Inside) -> &[u8] {
    match inside {
        Inside::Opening(opening) => &opening.mls_message,
        Inside::MlsMessage(message) => message,
    }
}

/// The MLS message of an envelope, without a Welcome.
fn alone(of: &Person, sealed: &[u8]) -> Inside {
    Inside::MlsMessage(mls_message(&inside(of, sealed)).to_vec())
}

/// The MLS group that an envelope's message belongs to.
fn group_of(of: &Person, sealed: &[u8]) -> Vec<u8> {
    let parsed = MlsMessageIn::tls_deserialize_exact(mls_message(&inside(of, sealed))).expect("an MLS message");
    let message = parsed.try_into_protocol_message().expect("a message of a group");
    message.group_id().as_slice().to_vec()
}

/// An MLS message of someone's only group, with any content.
fn encrypt(by: &Person, content: &[u8]) -> Vec<u8> {
    let id: Vec<u8> = by.vault.conn.query_row("SELECT id FROM mls_group", [], |row| row.get(0)).expect("a group");
    let provider = Provider::new(&by.vault.conn, by.vault.entropy.clone());
    let mut mls = MlsGroup::load(provider.storage(), &GroupId::from_slice(&id)).expect("a store").expect("a group");
    let message = mls.create_message(&provider, &by.vault.account.signer, content).expect("a message");
    message.to_bytes().expect("bytes")
}

/// Seals any bytes to someone: whoever knows the mailbox key can.
fn seal_raw(to: &Person, bytes: &[u8]) -> Vec<u8> {
    let mut entropy = Seeded { seed: 99, drawn: 0 };
    let mut rng = EntropyRng::new(&mut entropy);
    let account = &to.vault.account;
    seal::hpke_seal_to(&account.mailbox_key, context::ENVELOPE.as_bytes(), &to.own().0, bytes, &mut rng).expect("a seal")
}

fn unseal_raw(by: &Person, sealed: &[u8]) -> Vec<u8> {
    let secret = by.vault.account.mailbox_secret.expose();
    seal::hpke_open_with(secret, context::ENVELOPE.as_bytes(), &by.own().0, sealed).expect("an envelope")
}

fn pad(inside: &[u8]) -> Vec<u8> {
    let mut padded = u32::try_from(inside.len()).expect("a short inside").to_le_bytes().to_vec();
    padded.extend_from_slice(inside);
    let class = PADDING_CLASSES.into_iter().find(|class| *class >= padded.len()).expect("a class");
    padded.resize(class, 0);
    padded
}

/// An envelope with any content under anybody's certificate.
fn forge(to: &Person, claimed: &Person, content: Inside) -> Vec<u8> {
    let certificate = claimed.vault.own().1.to_bytes();
    seal_raw(to, &pad(&peer::Envelope { version: VERSION, certificate, content: Some(content) }.encode_to_vec()))
}

// The ledger.

#[test]
fn a_repeated_op_gets_its_first_reply_also_after_a_reopening() {
    let (mut alice, mut bob) = two();
    begin(&mut alice, &mut bob);
    let refused = VaultOp::BeginConversation { contact: Fingerprint([9; 20]), answer: Seq(2), at: NOW };
    let calls = [
        call(1, VaultOp::Compose(Ask::Challenge)),
        call(2, VaultOp::SignLogin(challenge())),
        call(3, VaultOp::MakeKeyPackages { count: 2, last_resort: true }),
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
    assert!(matches!(first[0], Outcome::Opened(Opened::Message { begins: true, .. })), "{first:?}");
    let mut bob = bob.reopened();
    assert_eq!(bob.run(slice::from_ref(&open)), first);
    assert_eq!(bob.heard(), ["once"]);
}

#[test]
fn a_refused_op_stays_refused_though_it_could_be_done_now() {
    let (mut alice, mut bob) = two();
    let frame = answer(Said::KeyPackage(wire::KeyPackage { key_package: package(&mut bob), last_resort: false }));
    let op = VaultOp::BeginConversation { contact: bob.own(), answer: Seq(2), at: NOW };
    let begin = VaultCall { effect: effect(1), op, frame };
    assert_eq!(alice.run(slice::from_ref(&begin)), [Outcome::Refused(Code::UnknownContact)]);
    pin(&mut alice, &mut bob);
    assert_eq!(alice.run(slice::from_ref(&begin)), [Outcome::Refused(Code::UnknownContact)]);
    let mut alice = alice.reopened();
    assert_eq!(alice.run(slice::from_ref(&begin)), [Outcome::Refused(Code::UnknownContact)]);
    assert_eq!(alice.groups(&bob), 0);
    assert_eq!(alice.run(&[VaultCall { effect: effect(2), ..begin }]), [Outcome::Begun]);
    assert_eq!(alice.groups(&bob), 1);
}

#[test]
fn one_id_for_two_ops_is_a_fault_and_the_first_reply_stays() {
    let mut alice = Person::new("alice", 1);
    let first = alice.run(&[call(1, VaultOp::Compose(Ask::Challenge))]);
    let other = alice.run(&[call(1, VaultOp::Compose(Ask::Fetch { items_max: 64 }))]);
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
    let frame = answer(Said::KeyPackage(wire::KeyPackage { key_package: package(&mut bob), last_resort: false }));
    let op = VaultOp::BeginConversation { contact: bob.own(), answer: Seq(2), at: NOW };
    let calls = [call(1, VaultOp::Compose(Ask::Challenge)), VaultCall { effect: effect(2), op, frame }];
    alice.vault.conn.execute("UPDATE contact SET certificate = x'00'", []).expect("a table");
    let before = (alice.remembered(), alice.count("ledger"));
    assert_eq!(alice.vault.run(DURABLE, &calls), Err(Code::VaultDamaged));
    assert_eq!((alice.remembered(), alice.count("ledger")), before);
    let certificate = bob.vault.own().1.to_bytes();
    alice.vault.conn.execute("UPDATE contact SET certificate = ?1", [certificate]).expect("a table");
    assert_eq!(alice.run(&calls)[1], Outcome::Begun);
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

// Conversations.

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
        begins: true,
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
        begins: false,
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
    assert_eq!(begin_with(&mut bob, alice.own(), package), Outcome::Begun);
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
    assert_eq!(read(&mut bob, &twice), unreadable(&alice, Code::Repeated));
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
    let early = Opened::Early { contact: alice.own() };
    let given_up = Outcome::Opened(unreadable(&alice, Code::NoConversation));

    // From a stranger there is no row, ...
    assert_eq!(read(&mut bob, &to_bob), early);
    assert_eq!(deliver(&mut bob, &to_bob, true), given_up);
    assert!(bob.rows().is_empty());
    // ... from a contact there is one.
    pin(&mut carol, &mut alice);
    assert_eq!(read(&mut carol, &to_carol), early);
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
    let receipt = |delivered: Vec<MessageId>| Opened::Receipt { contact: bob.own(), delivered };
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
        VaultOp::File { message, contact, body, at: NOW, state, cause }
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

// Key packages.

#[test]
fn a_one_time_key_package_lets_one_person_in() {
    let (mut alice, mut bob, mut carol) = three("carol");
    let package = package(&mut bob);
    for by in [&mut alice, &mut carol] {
        pin(by, &mut bob);
        assert_eq!(begin_with(by, bob.own(), package.clone()), Outcome::Begun);
    }
    let (first, second) = (say(&mut alice, &bob, "first"), say(&mut carol, &bob, "second"));
    hears(&mut bob, &alice, &first, "first");
    assert_eq!(read(&mut bob, &second), unreadable(&carol, Code::NoMatchingKeyPackage));
    assert_eq!((bob.rows().len(), bob.groups(&carol), bob.count("contact")), (1, 0, 1));
    // A contact's gets a row that says so.
    pin(&mut bob, &mut carol);
    let third = say(&mut carol, &bob, "third");
    assert_eq!(read(&mut bob, &third), unreadable(&carol, Code::NoMatchingKeyPackage));
    let row = bob.rows().remove(1);
    assert_eq!((row.contact, row.state), (carol.own(), MessageState::Unreadable));
    assert_eq!((row.text, row.cause), (None, Some(Code::NoMatchingKeyPackage)));
}

#[test]
fn a_last_resort_key_package_lets_everybody_in() {
    let (mut alice, mut bob, mut carol) = three("carol");
    let made = packages(&mut bob, 0, true);
    assert!(made.one_time.is_empty());
    for (by, text) in [(&mut alice, "from alice"), (&mut carol, "from carol")] {
        pin(by, &mut bob);
        assert_eq!(begin_with(by, bob.own(), made.last_resort.clone()), Outcome::Begun);
        let sealed = say(by, &bob, text);
        hears(&mut bob, by, &sealed, text);
    }
}

#[test]
fn no_more_key_packages_are_made_at_once_than_the_pool_holds() {
    let made = packages(&mut Person::new("alice", 1), u32::MAX, false);
    assert_eq!(u32::try_from(made.one_time.len()), Ok(KEY_PACKAGES));
    assert!(made.last_resort.is_empty());
}

#[test]
fn a_key_package_that_is_malformed_or_anothers_begins_nothing() {
    let (mut alice, mut bob, mut carol) = three("carol");
    pin(&mut alice, &mut bob);
    let of_carol = package(&mut carol);
    assert_eq!(begin_with(&mut alice, bob.own(), of_carol), Outcome::Refused(Code::ForgedLeaf));
    let package = package(&mut bob);
    for bad in [Vec::new(), vec![7; 100], package[1..].to_vec(), [package.clone(), vec![0]].concat(), vec![0; KEY_PACKAGE_LEN_MAX + 1]] {
        assert_eq!(begin_with(&mut alice, bob.own(), bad), Outcome::Refused(Code::BadKeyPackage));
    }
    for place in sample(package.len(), 30) {
        let mut flipped = package.clone();
        flipped[place] ^= 1;
        let begun = begin_with(&mut alice, bob.own(), flipped);
        assert!(matches!(begun, Outcome::Refused(Code::BadKeyPackage | Code::ForgedLeaf)), "{place}: {begun:?}");
    }
    let op = VaultOp::BeginConversation { contact: bob.own(), answer: Seq(2), at: NOW };
    for frame in [Vec::new(), vec![255; 40], answer(Said::Stored(wire::Stored {}))] {
        assert_eq!(alice.ask(op.clone(), &frame), Outcome::Refused(Code::BadKeyPackage));
    }
    assert_eq!((alice.count("mls_group"), alice.count("mls")), (0, 0));
    let op = seal_op(&mut alice, &bob, "hello");
    assert_eq!(alice.ask(op, &[]), Outcome::Refused(Code::NoConversation));
    assert_eq!(begin_with(&mut alice, bob.own(), package), Outcome::Begun);
}

// Forgeries.

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
    assert_eq!(pinned, Outcome::Pinned { contact: bob.own(), mailbox: bob.mailbox(), name: name("bob"), contradicts: None });
    assert_eq!(alice.contacts(), [(bob.own(), "bob".to_owned(), Some(bob.vault.account.mailbox_key), true)]);
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
    let expected = Outcome::Pinned { contact: other.own(), mailbox: other.mailbox(), name: name("bob"), contradicts: Some(bob.own()) };
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
        peer::Content { message: message.to_vec(), claimed_ms: u64::MAX, what }.encode_to_vec()
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

// Admission.

fn item(cursor: u64, sealed: &[u8]) -> Vec<u8> {
    wire::FromRelay { kind: Some(Kind::Item(wire::Item { cursor, envelope: sealed.to_vec() })) }.encode_to_vec()
}

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
    let challenge = |key: &[u8]| answer(Said::Challenge(wire::Challenge { nonce: vec![6; 32], relay_key: key.to_vec(), until_ms: NOW.0 }));
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

// Bodies and files.

/// The database's pages, each decrypted: also what no row shows any more. SQLCipher 4: AES-256-CBC, behind each page its
/// IV and HMAC, before the first its salt.
fn pages(of: &Person) -> Vec<u8> {
    const PAGE: usize = 4096;
    const RESERVED: usize = 80;
    let cipher = UnboundCipherKey::new(&AES_256, key().expose()).and_then(DecryptingKey::cbc).expect("a key");
    let mut pages = Vec::new();
    for (number, page) in fs::read(of.path()).expect("a file").chunks_exact(PAGE).enumerate() {
        let (sealed, reserved) = page.split_at(PAGE - RESERVED);
        let iv: [u8; 16] = reserved[..16].try_into().expect("16 bytes");
        let start = if number == 0 { 16 } else { 0 };
        let mut plain = sealed[start..].to_vec();
        cipher.decrypt(&mut plain, DecryptionContext::Iv128(iv.into())).expect("whole blocks");
        pages.extend_from_slice(&plain);
    }
    pages
}

#[test]
fn a_body_is_from_one_byte_to_the_bound() {
    let mut alice = Person::new("alice", 1);
    assert_eq!(alice.vault.stage(b""), Err(Code::EmptyMessage));
    assert_eq!(alice.vault.stage(&vec![b'x'; BODY_LEN_MAX + 1]), Err(Code::MessageTooLong));
    assert_eq!(alice.count("body"), 0);
    for len in [1, BODY_LEN_MAX] {
        assert!(alice.vault.stage(&vec![b'x'; len]).is_ok(), "{len}");
    }
    assert_eq!(alice.count("body"), 2);
}

#[test]
fn a_sweep_drops_what_nobody_names_also_from_the_pages() {
    const TEXTS: [&str; 3] = ["the text of a message row", "the text that an intent names", "the text that nobody names"];
    let (mut alice, mut bob) = two();
    begin(&mut alice, &mut bob);
    say(&mut alice, &bob, TEXTS[0]);
    let [named, loose] = [TEXTS[1], TEXTS[2]].map(|text| alice.vault.stage(text.as_bytes()).expect("room"));
    alice.vault.checkpoint().expect("a vault that works");
    let before = pages(&alice);
    assert_eq!(TEXTS.map(|text| contains(&before, text.as_bytes())), [true, true, true]);
    assert_eq!(alice.vault.sweep(&[named]), Ok(1));
    let after = pages(&alice);
    assert_eq!(TEXTS.map(|text| contains(&after, text.as_bytes())), [true, true, false]);
    assert_eq!(fs::metadata(alice.folder.path().join("vault.db-wal")).map_or(0, |file| file.len()), 0);
    assert_eq!(alice.vault.sweep(&[named]), Ok(0));

    let (contact, mailbox) = (bob.own(), bob.mailbox());
    let seal = |body: BodyRef| VaultOp::SealMessage { contact, mailbox, message: message_of(TEXTS[1]), body, at: NOW };
    assert_eq!(alice.ask(seal(loose), &[]), Outcome::Refused(Code::UnknownBody));
    let sealed = put(&alice.ask(seal(named), &[])).envelope;
    hears(&mut bob, &alice, &sealed, TEXTS[1]);
    assert_eq!(alice.vault.sweep(&[]), Ok(0));
    assert_eq!(bob.vault.sweep(&[]), Ok(0));
    assert_eq!(bob.heard(), [TEXTS[1]]);
    assert_eq!(alice.rows().into_iter().filter_map(|row| row.text).collect::<Vec<_>>(), [TEXTS[0], TEXTS[1]]);
}

#[test]
fn no_text_and_no_name_stands_in_the_files_in_clear() {
    let (mut alice, mut bob) = (Person::new("alice-in-the-clear", 1), Person::new("bob-in-the-clear", 2));
    begin(&mut alice, &mut bob);
    say(&mut alice, &bob, "a text that is sealed");
    alice.vault.stage(b"a text that is staged").expect("room");
    for checkpointed in [false, true] {
        if checkpointed {
            alice.vault.checkpoint().expect("a vault that works");
            assert!(contains(&pages(&alice), b"a text that is staged"));
        }
        for file in fs::read_dir(alice.folder.path()).expect("a folder") {
            let path = file.expect("a file").path();
            let bytes = fs::read(&path).expect("a file");
            for clear in ["alice-in-the-clear", "bob-in-the-clear", "a text that is", "SQLite format 3", "CREATE TABLE"] {
                assert!(!contains(&bytes, clear.as_bytes()), "{clear}: {}", path.display());
            }
        }
    }
}

#[test]
fn a_vault_opens_under_its_own_key_alone_and_none_is_made_over_it() {
    let alice = Person::new("alice", 1);
    let other = Key::new([8; 32]);
    assert_eq!(SqlVault::open(&alice.path(), &other, seeded(1)).err(), Some(Code::VaultDamaged));
    assert_eq!(Reader::open(&alice.path(), &other).err(), Some(Code::VaultDamaged));
    let new = NewAccount { origin: Origin::New(name("eve")), at: NOW };
    assert_eq!(SqlVault::create(&alice.path(), &key(), seeded(1), &new).err(), Some(Code::ProfileExists));
    let own = alice.own();
    let alice = alice.reopened();
    assert_eq!((alice.vault.own().0, alice.own()), ("alice", own));
}

// Search, deletion, pins and safety numbers.

/// The texts of what a search finds.
fn found(by: &Person, words: &str, count_max: u32) -> Vec<String> {
    by.reader().search(words, count_max).expect("an intact vault").into_iter().filter_map(|row| row.text).collect()
}

#[test]
fn a_search_finds_what_holds_all_the_words_or_words_that_begin_so() {
    let (mut alice, mut bob) = two();
    begin(&mut alice, &mut bob);
    for text in ["Grüße from Zoë", "a letter from Zanzibar", "\"quoted\" OR not"] {
        let sealed = say(&mut alice, &bob, text);
        hears(&mut bob, &alice, &sealed, text);
    }
    for person in [&alice, &bob] {
        assert_eq!(found(person, "from", 10), ["a letter from Zanzibar", "Grüße from Zoë"]);
        assert_eq!(found(person, "from", 1), ["a letter from Zanzibar"]);
        assert_eq!(found(person, "zoe GRU", 10), ["Grüße from Zoë"]);
        assert_eq!(found(person, "from zanz letter", 10), ["a letter from Zanzibar"]);
        assert_eq!(found(person, "\"quoted\"", 10), ["\"quoted\" OR not"]);
        let syntax = ["letter OR zoe", "from NOT zanzibar", "text:from", "NEAR(from zoe)", "(", "\"", "*", "- +", "anzibar", "", " \t"];
        for words in syntax {
            assert!(found(person, words, 10).is_empty(), "{words}");
        }
    }
}

#[test]
fn what_is_forgotten_is_in_no_row_no_index_and_no_page() {
    let (mut alice, mut bob, mut carol) = three("carol");
    begin(&mut alice, &mut bob);
    begin(&mut alice, &mut carol);
    let sealed = say(&mut alice, &bob, "zanzibar to bob");
    hears(&mut bob, &alice, &sealed, "zanzibar to bob");
    pin(&mut bob, &mut alice);
    let sealed = say(&mut bob, &alice, "quagga from bob");
    hears(&mut alice, &bob, &sealed, "quagga from bob");
    say(&mut alice, &carol, "walrus to carol");
    alice.vault.checkpoint().expect("a vault that works");
    let held = |pages: &[u8]| ["zanzibar", "quagga", "walrus"].map(|word| contains(pages, word.as_bytes()));
    assert_eq!(held(&pages(&alice)), [true, true, true]);
    assert_eq!(alice.ask(VaultOp::Forget { contact: bob.own() }, &[]), Outcome::Done);
    assert_eq!(held(&pages(&alice)), [false, false, true]);
    assert_eq!(["zanzibar", "quagga", "walrus"].map(|word| found(&alice, word, 10).len()), [0, 0, 1]);
    assert_eq!(alice.rows().iter().map(|row| row.number).collect::<Vec<_>>(), [3]);
    // The keys stay: what comes after is read, what came before is known, and no number is used again.
    assert_eq!(read(&mut alice, &sealed), unreadable(&bob, Code::Repeated));
    let again = say(&mut bob, &alice, "again");
    hears(&mut alice, &bob, &again, "again");
    assert_eq!(alice.rows().iter().map(|row| row.number).collect::<Vec<_>>(), [3, 4]);
}

#[test]
fn forgetting_a_contact_leaves_the_same_body_with_another() {
    let (mut alice, mut bob, mut carol) = three("carol");
    begin(&mut alice, &mut bob);
    begin(&mut alice, &mut carol);
    let body = alice.vault.stage(b"to both").expect("room");
    for (to, message) in [(&bob, message_of("to bob")), (&carol, message_of("to carol"))] {
        let op = VaultOp::SealMessage { contact: to.own(), mailbox: to.mailbox(), message, body, at: NOW };
        asked(&alice.ask(op, &[]));
    }
    assert_eq!(alice.ask(VaultOp::Forget { contact: bob.own() }, &[]), Outcome::Done);
    let texts: Vec<_> = alice.rows().into_iter().map(|row| (row.contact, row.text)).collect();
    assert_eq!(texts, [(carol.own(), Some("to both".to_owned()))]);
    assert_eq!(found(&alice, "both", 10), ["to both"]);
}

#[test]
fn an_identity_that_is_unpinned_makes_room_for_another_and_is_still_read() {
    let (mut alice, mut bob) = two();
    let mut other = Person::new("bob", 9);
    begin(&mut alice, &mut bob);
    let sealed = say(&mut alice, &bob, "hello");
    hears(&mut bob, &alice, &sealed, "hello");
    pin(&mut bob, &mut alice);
    assert_eq!(alice.ask(VaultOp::Unpin { contact: bob.own() }, &[]), Outcome::Done);
    pin(&mut alice, &mut other);
    let of_bob = entry(&mut bob);
    let pinned = pin_as(&mut alice, "bob", of_bob);
    assert!(matches!(pinned, Outcome::Pinned { contradicts: Some(new), .. } if new == other.own()), "{pinned:?}");
    let sealed = say(&mut bob, &alice, "still here");
    hears(&mut alice, &bob, &sealed, "still here");
}

#[test]
fn both_sides_see_one_safety_number() {
    let (mut alice, mut bob, mut carol) = three("carol");
    begin(&mut alice, &mut bob);
    let sealed = say(&mut alice, &bob, "hello");
    hears(&mut bob, &alice, &sealed, "hello");
    pin(&mut alice, &mut carol);
    let number = |of: &Person, contact: Fingerprint| of.reader().safety_number(contact).expect("an intact vault");
    let with_bob = number(&alice, bob.own()).expect("a contact");
    assert_eq!(number(&bob, alice.own()), Some(with_bob.clone()));
    assert_ne!(number(&alice, carol.own()), Some(with_bob.clone()));
    assert_eq!(number(&alice, Fingerprint([9; 20])), None);
    let groups: Vec<&str> = with_bob.split(' ').collect();
    assert_eq!(groups.len(), 12);
    assert!(groups.iter().all(|group| group.len() == 5 && group.bytes().all(|digit| digit.is_ascii_digit())), "{with_bob}");
}

// Seeds.

fn history(seed: u64) -> Vec<Outcome> {
    let (mut alice, mut bob) = (Person::new("alice", seed), Person::new("bob", seed + 1));
    let mut outcomes = vec![
        alice.ask(VaultOp::Compose(Ask::Lookup(name("bob"))), &[]),
        alice.ask(VaultOp::SignRegistration(challenge()), &[]),
        alice.ask(VaultOp::MakeKeyPackages { count: 3, last_resort: true }, &[]),
    ];
    let (of_alice, of_bob, package) = (entry(&mut alice), entry(&mut bob), package(&mut bob));
    outcomes.push(pin_as(&mut alice, "bob", of_bob));
    outcomes.push(pin_as(&mut bob, "alice", of_alice));
    outcomes.push(begin_with(&mut alice, bob.own(), package));
    for text in ["one", "two"] {
        let op = seal_op(&mut alice, &bob, text);
        let sealed = alice.ask(op, &[]);
        outcomes.push(deliver(&mut bob, &put(&sealed).envelope, false));
        outcomes.push(sealed);
    }
    let op = seal_op(&mut bob, &alice, "three");
    let sealed = bob.ask(op, &[]);
    outcomes.push(deliver(&mut alice, &put(&sealed).envelope, false));
    outcomes.push(sealed);
    outcomes
}

#[test]
fn equal_seeds_give_equal_outcomes() {
    let (one, again, other) = (history(1), history(1), history(3));
    assert!(one == again, "the outcomes differ");
    assert!(one.iter().all(|outcome| !matches!(outcome, Outcome::Refused(_) | Outcome::Fault(_))), "{one:?}");
    assert!(one != other, "the seed plays no part");
}
