//! Vaults in temporary folders. What honest people send is made through the port; what a forger sends is made with the
//! crate's own parts.

#![allow(clippy::expect_used, clippy::indexing_slicing)]
mod admission;
mod archive;
mod bodies;
mod commits;
mod contacts;
mod conversations;
mod damage;
mod forgeries;
mod groups;
mod hostile_members;
mod key_packages;
mod ledger;
mod offers;
mod renewal;
mod schema;
mod seeds;

use crate::conversation::conversation_id;
use crate::mls::provider::Provider;
use crate::seal::{self, EntropyRng};
use crate::{Direction, MessageRow, NewAccount, Origin, Reader, SharedEntropy, SqlVault};
use crate::{account, envelope};
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
use thicket_types::wire::relay::owner_statement::Ask as Owned;
use thicket_types::wire::relay::request::Ask as Asked;
use thicket_types::wire::{SUITE, VERSION, context};

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

    /// The same person on another device, from a copy of the file.
    fn copied(&mut self) -> Person {
        self.vault.checkpoint().expect("room");
        let folder = TempDir::new().expect("a folder");
        fs::copy(self.path(), folder.path().join(DB)).expect("room");
        let vault = SqlVault::open(&folder.path().join(DB), &key(), seeded(2_000_000)).expect("an intact vault");
        Person { who: self.who, folder, vault, asked: self.asked }
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

fn registered(of: &mut Person) -> wire::RegisterStatement {
    let Asked::Register(register) = asked(&of.ask(VaultOp::SignRegistration { challenge: challenge(), token: None }, &[])) else {
        panic!("no registration");
    };
    wire::RegisterStatement::decode(register.statement.as_slice()).expect("a statement")
}

/// So that there is a session.
fn log_in(person: &mut Person) {
    person.ask(VaultOp::SignLogin { challenge: challenge(), takes_over: false }, &[]);
}

/// What an owner asks of the relay, as it was signed.
fn asked_as_owner(by: &Person, outcome: &Outcome) -> Owned {
    let Asked::Owner(owner) = asked(outcome) else {
        panic!("nothing that an owner asks");
    };
    by.vault.own().1.verify(context::OWNER, &owner.statement, &owner.signature).expect("the owner's signature");
    let statement = wire::OwnerStatement::decode(owner.statement.as_slice()).expect("a statement");
    statement.ask.expect("an ask")
}

/// What the directory says of someone who registered.
fn entry(of: &mut Person) -> wire::Entry {
    let register = registered(of);
    let mailbox = of.mailbox().0.to_vec();
    wire::Entry { name: of.who.to_owned(), certificate: register.certificate, mailbox, mailbox_key: register.mailbox_key }
}

fn packages(of: &mut Person, count: u32, last_resort: bool) -> wire::PublishKeyPackages {
    log_in(of);
    let op = VaultOp::MakeKeyPackages { count, last_resort, replaces: false, at: NOW };
    let made = of.ask(op, &[]);
    let Owned::Publish(publish) = asked_as_owner(of, &made) else {
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
    let expected =
        Outcome::Pinned { contact: contact.own(), mailbox: contact.mailbox(), name: name(contact.who), contradicts: None, anew: false };
    assert_eq!(pinned, expected);
}

fn begin_with(by: &mut Person, contact: Fingerprint, key_package: Vec<u8>) -> Outcome {
    let said = Said::KeyPackage(wire::KeyPackage { key_package, last_resort: false, suite: SUITE });
    by.ask(VaultOp::BeginConversation { contact, answer: Seq(2), at: NOW }, &answer(said))
}

fn begin(by: &mut Person, contact: &mut Person) {
    pin(by, contact);
    let package = package(contact);
    assert_eq!(begin_with(by, contact.own(), package), begun());
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

/// Two who have heard each other: no Welcome travels any more. Alice is leaf 0.
fn talking() -> (Person, Person) {
    let (mut alice, mut bob) = two();
    begin(&mut alice, &mut bob);
    pin(&mut bob, &mut alice);
    let hello = say(&mut alice, &bob, "hello bob");
    hears(&mut bob, &alice, &hello, "hello bob");
    let hello = say(&mut bob, &alice, "hello alice");
    hears(&mut alice, &bob, &hello, "hello alice");
    (alice, bob)
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
    let name = Name::parse(claimed.vault.own().0).expect("a name");
    Opened::Unreadable { contact: claimed.own(), name, cause }
}

/// What an envelope holds, to its recipient.
fn inside(of: &Person, sealed: &[u8]) -> Inside {
    envelope::open(&of.vault.account, sealed).map(|unsealed| unsealed.content).expect("an envelope")
}

fn mls_message(inside: &Inside) -> &[u8] {
    match inside {
        Inside::Opening(opening) => &opening.mls_message,
        Inside::MlsMessage(message) => message,
        Inside::Offer(_) | Inside::GroupWelcome(_) => panic!("no MLS message"),
    }
}

fn begun() -> Outcome {
    Outcome::Begun { again: Vec::new() }
}

/// The public half of the mailbox key that someone publishes.
fn mailbox_key_of(person: &Person) -> [u8; 32] {
    account::published_mailbox_key(&person.vault.conn).expect("a key").0
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
    seal::hpke_seal_to(&mailbox_key_of(to), context::ENVELOPE.as_bytes(), &to.own().0, bytes, &mut rng).expect("a seal")
}

fn unseal_raw(by: &Person, sealed: &[u8]) -> Vec<u8> {
    let secret = by.vault.account.mailbox_keys.first().expect("a key").expose();
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

/// The database's pages and those in its log, each decrypted: also what no row shows any more. SQLCipher 4: AES-256-CBC, behind each page its
/// IV and HMAC, before the first its salt.
fn pages(of: &Person) -> Vec<u8> {
    const PAGE: usize = 4096;
    const RESERVED: usize = 80;
    const FRAME: usize = 24;
    let cipher = UnboundCipherKey::new(&AES_256, key().expose()).and_then(DecryptingKey::cbc).expect("a key");
    let mut pages = Vec::new();
    let (file, log) = (fs::read(of.path()).expect("a file"), fs::read(of.path().with_extension("db-wal")).unwrap_or_default());
    let logged = log.get(32..).unwrap_or_default().chunks_exact(FRAME + PAGE).map(|frame| &frame[FRAME..]);
    for (number, page) in file.chunks_exact(PAGE).chain(logged).enumerate() {
        let (sealed, reserved) = page.split_at(PAGE - RESERVED);
        let iv: [u8; 16] = reserved[..16].try_into().expect("16 bytes");
        let start = if number == 0 { 16 } else { 0 };
        let mut plain = sealed[start..].to_vec();
        cipher.decrypt(&mut plain, DecryptionContext::Iv128(iv.into())).expect("whole blocks");
        pages.extend_from_slice(&plain);
    }
    pages
}

fn item(cursor: u64, sealed: &[u8]) -> Vec<u8> {
    wire::FromRelay { kind: Some(Kind::Item(wire::Item { cursor, envelope: sealed.to_vec() })) }.encode_to_vec()
}
