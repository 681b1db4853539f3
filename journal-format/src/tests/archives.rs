//! The vectors that are archives: pieces of one's own under true seals, so that each has the one fault that it is named after.

use super::listing::sorted;
use super::vectors::{Expected, PASSPHRASE, Vector, check_again, drawn, front, nonce, passphrase_key, short};
use crate::archive::{self, Account, Body, Contact, Counts, FRONT_LEN, KEYS_LEN, MailboxKey, Message, STATE_PIECE_LEN_MAX};
use crate::codec::encode;
use crate::header::Header;
use crate::keys::{Keys, Kind};
use crate::{Key, block, digest};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use thicket_openpgp::Identity;
use thicket_reducer::{ClientRules, State};
use thicket_types::bytes::Bytes;
use thicket_types::effect::MessageState;
use thicket_types::event::Event;
use thicket_types::ids::{BodyRef, Digest, MessageId, RulesVersion, SegmentId, Seq};
use thicket_types::intent::Intent;
use thicket_types::name::Name;
use thicket_types::ports::{Entropy, Place, Reducer as _};
use thicket_types::secret::Secret;
use thicket_types::time::Stamp;

const CREATED: Stamp = Stamp(1_790_000_000_000);
const CREATED_S: u64 = CREATED.0 / 1000;

/// Draws the same each time, and each byte once.
struct Drawn(&'static str, u64);

impl Entropy for Drawn {
    fn fill(&mut self, out: &mut [u8]) {
        for part in out.chunks_mut(32) {
            self.1 += 1;
            part.copy_from_slice(&drawn(self.0, self.1)[..part.len()]);
        }
    }
}

fn identity(name: &'static str) -> Identity {
    Identity::generate(name, CREATED_S, &mut Drawn(name, 0)).expect("a name")
}

/// A piece as its bytes, and as a line says it.
#[derive(Clone)]
struct Written {
    bytes: Vec<u8>,
    says: Value,
}

fn piece_as(tag: u16, version: u16, payload: &[u8], says: Value) -> Written {
    let len = u32::try_from(payload.len()).expect("a short payload");
    Written { bytes: [&tag.to_le_bytes()[..], &version.to_le_bytes(), &len.to_le_bytes(), payload].concat(), says }
}

fn piece<T: Serialize>(tag: u16, value: &T, says: Value) -> Written {
    piece_as(tag, 1, &encode(value).expect("a small value"), says)
}

fn hex(bytes: &[u8]) -> String {
    super::hex(bytes)
}

/// An archive that is being made.
#[derive(Clone)]
struct Making {
    head: Header,
    key: [u8; 32],
    account: Account,
    /// All but the account, the state and the end, with what a block ends behind.
    identity: Written,
    mailbox_keys: Vec<Written>,
    state: Vec<u8>,
    rows: Vec<Written>,
    counts: Counts,
}

fn mailbox_key(number: u64, replaced: Option<Stamp>) -> Written {
    let (secret, public) = (drawn("mailbox secret", number), drawn("mailbox key", number));
    let key = MailboxKey::new(&Secret::new(secret), public, CREATED, replaced);
    let replaced = replaced.map(|at| at.0);
    let says = json!({ "MailboxKey": { "secret": hex(&secret), "public": hex(&public), "since": CREATED.0, "replaced": replaced } });
    piece(3, &key, says)
}

fn contact(of: &'static str) -> Contact {
    let certificate = identity(of).certificate();
    Contact {
        fingerprint: certificate.fingerprint(),
        certificate: Bytes(certificate.to_bytes()),
        mailbox_key: Some(drawn("mailbox key", 9)),
        pinned: true,
        capability: Some(Bytes(vec![7; 16])),
        granted: Some(Bytes(vec![8; 16])),
        granted_before: None,
        read_number: 1,
        begun: Some(CREATED),
        offer_claimed: None,
        dead_until: None,
    }
}

fn contact_piece(contact: &Contact) -> Written {
    let bytes = |bytes: &Option<Bytes>| bytes.as_ref().map(|bytes| hex(&bytes.0));
    let stamp = |at: &Option<Stamp>| at.map(|at| at.0);
    let says = json!({ "Contact": {
        "fingerprint": contact.fingerprint.hex(), "certificate": hex(&contact.certificate.0),
        "mailbox_key": contact.mailbox_key.map(|key| hex(&key)), "pinned": contact.pinned,
        "capability": bytes(&contact.capability), "granted": bytes(&contact.granted),
        "granted_before": bytes(&contact.granted_before), "read_number": contact.read_number,
        "begun": stamp(&contact.begun), "offer_claimed": stamp(&contact.offer_claimed), "dead_until": stamp(&contact.dead_until),
    }});
    piece(5, contact, says)
}

fn body(number: u8, text: &str) -> Body {
    Body { body: BodyRef([number; 16]), text: Bytes(text.as_bytes().to_vec()) }
}

fn said(body: &Body) -> Value {
    json!({ "body": body.body.hex(), "text": hex(&body.text.0) })
}

fn message(number: u64, outgoing: bool, state: MessageState, body: Option<Body>, cause: u32) -> Written {
    let (contact, id) = (contact("bob").fingerprint, MessageId(short("message", number)));
    let (stamp, claimed) = (Stamp(CREATED.0 + number), CREATED.0);
    let says = json!({ "Message": {
        "number": number, "contact": contact.hex(), "outgoing": outgoing, "message": id.hex(), "state": format!("{state:?}"),
        "body": body.as_ref().map(said), "stamp": stamp.0, "claimed": claimed, "cause": cause, "marked": false,
    }});
    piece(6, &Message { number, contact, outgoing, message: id, state, body, stamp, claimed, cause, marked: false }, says)
}

/// An archive of a life that sent a few things.
fn life() -> Making {
    let mut state = ClientRules::fresh();
    for number in 0..12 {
        let intent = Intent::SetReadMarks { on: number % 2 == 0 };
        let event = Event::Requested { id: thicket_types::ids::IntentId(short("intent", number)), intent };
        let place = Place { segment: SegmentId(short("segment", 1)), seq: Seq(number + 1), stamp: CREATED };
        ClientRules::reduce(RulesVersion(1), &mut state, place, &event);
    }
    let rows = vec![
        contact_piece(&contact("bob")),
        message(1, false, MessageState::Delivered, Some(body(1, "hello")), 0),
        message(2, true, MessageState::Queued, Some(body(2, "hello back")), 0),
        message(5, false, MessageState::Unreadable, None, 409),
        piece(7, &body(2, "hello back"), json!({ "Body": said(&body(2, "hello back")) })),
    ];
    let counts = Counts { mailbox_keys: 2, contacts: 1, messages: 3, bodies: 1 };
    of(&state, Seq(12), Digest(drawn("chain", 0)), rows, counts)
}

/// An archive of a profile that did nothing yet.
fn nothing() -> Making {
    of(&State::default(), Seq::ZERO, Digest([0; 32]), Vec::new(), Counts { mailbox_keys: 2, ..Counts::default() })
}

fn of(state: &State, last: Seq, chain: Digest, rows: Vec<Written>, counts: Counts) -> Making {
    let (alice, state) = (identity("alice"), encode(state).expect("a small state"));
    let secret = alice.to_bytes();
    let says = json!({ "Identity": { "created": CREATED_S, "secret": hex(secret.expose()) } });
    Making {
        head: Header {
            segment: SegmentId(short("archive", 0)),
            rules: RulesVersion(1),
            first: last.next(),
            created: Stamp(CREATED.0 + 1_000),
            previous: chain,
        },
        key: drawn("archive key", 0),
        account: Account {
            name: Name::parse("alice").expect("a name"),
            fingerprint: alice.certificate().fingerprint(),
            at: Stamp(CREATED.0 + 1_000),
            stamp: CREATED,
            state: digest(&[&state]),
            state_len: state.len() as u64,
        },
        identity: piece_as(2, 1, &[&CREATED_S.to_le_bytes()[..], secret.expose()].concat(), says),
        mailbox_keys: vec![mailbox_key(1, Some(Stamp(CREATED.0 + 500))), mailbox_key(2, None)],
        state,
        rows,
        counts,
    }
}

impl Making {
    fn account(&self) -> Written {
        let Account { name, fingerprint, at, stamp, state, state_len } = &self.account;
        let says = json!({ "Account": {
            "name": name.text(), "fingerprint": fingerprint.hex(), "at": at.0, "stamp": stamp.0, "state": hex(&state.0), "state_len": state_len,
        }});
        piece(1, &self.account, says)
    }

    fn end(&self) -> Written {
        let Counts { mailbox_keys, contacts, messages, bodies } = self.counts;
        let says = json!({ "End": { "mailbox_keys": mailbox_keys, "contacts": contacts, "messages": messages, "bodies": bodies } });
        piece(8, &self.counts, says)
    }

    fn state_piece(bytes: &[u8]) -> Written {
        piece_as(4, 1, bytes, json!({ "State": hex(bytes) }))
    }

    /// Three blocks: what is the account's with half of the state, the rest of that with the rows, the end.
    fn blocks(&self) -> Vec<Vec<Written>> {
        let (begin, rest) = self.state.split_at(self.state.len() / 2);
        let first = [vec![self.account(), self.identity.clone()], self.mailbox_keys.clone(), vec![Self::state_piece(begin)]].concat();
        vec![first, [vec![Self::state_piece(rest)], self.rows.clone()].concat(), vec![self.end()]]
    }

    fn keys(&self) -> Keys {
        Keys::create(front(), &passphrase_key(), Key::new(drawn("account key", 0)), nonce("keys", &[])).expect("a new account key")
    }

    /// The archive of these blocks, and where each begins.
    fn sealed(&self, blocks: &[Vec<Written>]) -> (Vec<u8>, Vec<usize>) {
        let (key, id) = (Key::new(self.key), self.head.segment.0);
        let (bytes, _) = archive::front(&mut self.keys(), &key, nonce("entry", &id), &self.head).expect("one key");
        self.sealed_behind(bytes, blocks)
    }

    fn sealed_behind(&self, mut bytes: Vec<u8>, blocks: &[Vec<Written>]) -> (Vec<u8>, Vec<usize>) {
        let (mut chain, mut first, mut at) = (digest(&[&bytes[KEYS_LEN..FRONT_LEN]]), Seq(1), Vec::new());
        for (index, pieces) in (0..).zip(blocks) {
            let plain: Vec<u8> = pieces.iter().flat_map(|piece| piece.bytes.clone()).collect();
            let nonce = nonce(&format!("archive {index}"), &[&plain[..], &chain.0].concat());
            let (block, after) =
                block::seal(&Key::new(self.key), nonce, chain, first, index, pieces.len(), plain).expect("a block within its bounds");
            at.push(bytes.len());
            bytes.extend_from_slice(&block);
            (chain, first) = (after, Seq(first.0 + pieces.len() as u64));
        }
        (bytes, at)
    }

    fn vector(&self, name: &'static str, comment: &'static str, blocks: &[Vec<Written>], expected: Expected) -> Vector {
        self.vector_of(name, comment, self.sealed(blocks).0, blocks, expected)
    }

    fn vector_of(
        &self,
        name: &'static str,
        comment: &'static str,
        archive: Vec<u8>,
        blocks: &[Vec<Written>],
        expected: Expected,
    ) -> Vector {
        let pieces = blocks.iter().flatten().zip(1_u64..);
        let line = |(piece, place): (&Written, u64)| format!("{}\n", sorted(json!({ "place": place, "piece": piece.says })));
        Vector {
            name,
            comment,
            passphrase: PASSPHRASE,
            remembered: None,
            taken: None,
            expected,
            last: (Seq(self.head.first.0 - 1), self.head.previous),
            snapshot: None,
            records: Vec::new(),
            pieces: pieces.map(line).collect(),
            files: BTreeMap::from([("archive".to_owned(), archive)]),
        }
    }
}

fn damaged() -> Expected {
    Expected::Other("archive-damaged")
}

fn newer() -> Expected {
    Expected::Other("newer")
}

pub(super) fn archives() -> Vec<Vector> {
    let (whole, fresh) = (life(), nothing());
    let blocks = whole.blocks();
    let mut vectors = vec![
        whole.vector("valid-archive", "An archive in three blocks, with a piece of each tag.", &blocks, Expected::Ok),
        fresh.vector("valid-archive-of-nothing", "An archive of a profile without a record.", &fresh.blocks(), Expected::Ok),
    ];
    let wrong = whole.vector("archive-wrong-passphrase", "Another passphrase.", &blocks, Expected::Other("wrong-passphrase"));
    vectors.push(Vector { passphrase: "incorrect horse", ..wrong });
    vectors.extend(altered(&whole, &blocks));
    vectors.extend(of_other_pieces(&whole, &blocks));
    vectors.extend(that_say_otherwise(&whole, &fresh));
    vectors
}

/// Bytes of a whole archive that are not as they were.
fn altered(whole: &Making, blocks: &[Vec<Written>]) -> Vec<Vector> {
    let (bytes, at) = whole.sealed(blocks);
    let mut vectors = Vec::new();
    let mut add = |name, comment, expected, alter: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        alter(&mut bytes);
        vectors.push(whole.vector_of(name, comment, bytes, blocks, expected));
    };
    add("archive-magic", "The head has the magic of a segment.", damaged(), &|bytes| {
        bytes[KEYS_LEN..KEYS_LEN + 8].copy_from_slice(b"THICKSEG");
        check_again(bytes, KEYS_LEN, 96, 32);
    });
    add("archive-version", "The head has format version 2.", newer(), &|bytes| bytes[KEYS_LEN + 8] = 2);
    add("archive-suite", "The head has suite 2.", newer(), &|bytes| bytes[KEYS_LEN + 10] = 2);
    add("archive-head", "The head has a wrong bit in its time.", damaged(), &|bytes| bytes[KEYS_LEN + 24] ^= 1);
    add("archive-keys", "The archive's key has a wrong bit.", damaged(), &|bytes| bytes[KEYS_LEN - 40] ^= 1);
    add("archive-flipped", "The second block has a wrong bit in its seal.", damaged(), &|bytes| bytes[at[1] + 80] ^= 1);
    add("archive-swapped", "The first and the second block stand in the other's place.", damaged(), &|bytes| {
        let swapped = [&bytes[..at[0]], &bytes[at[1]..at[2]], &bytes[at[0]..at[1]], &bytes[at[2]..]].concat();
        *bytes = swapped;
    });
    add("archive-cut-front", "It ends within the keys file.", damaged(), &|bytes| bytes.truncate(200));
    add("archive-cut-head", "It ends within the head.", damaged(), &|bytes| bytes.truncate(FRONT_LEN - 1));
    add("archive-cut-front-alone", "It ends behind the head.", damaged(), &|bytes| bytes.truncate(FRONT_LEN));
    add("archive-cut-block-header", "It ends within the header of the last block.", damaged(), &|bytes| bytes.truncate(at[2] + 9));
    add("archive-cut", "It lacks its last byte.", damaged(), &|bytes| bytes.truncate(bytes.len() - 1));
    add("archive-cut-at-a-block", "It lacks its last block, which is the end alone.", damaged(), &|bytes| bytes.truncate(at[2]));
    add("archive-rest", "A byte stands behind the last block.", damaged(), &|bytes| bytes.push(0));
    add("archive-appended", "The last block stands there twice.", damaged(), &|bytes| bytes.extend_from_within(at[2]..));

    let other = |rules| Making { head: Header { rules: RulesVersion(rules), ..whole.head }, ..whole.clone() };
    vectors.push(other(2).vector("archive-rules", "The head names rules version 2.", blocks, newer()));
    // Our own encoder makes no such head.
    let (mut bytes, _) = whole.sealed(&[]);
    bytes[KEYS_LEN + 12] = 0;
    check_again(&mut bytes, KEYS_LEN, 96, 32);
    let (bytes, _) = whole.sealed_behind(bytes, blocks);
    vectors.push(whole.vector_of("archive-no-rules", "The head names rules version 0.", bytes, blocks, damaged()));

    let head = whole.head.encode_as(b"THICKARC");
    let with = |entries: &[u8]| whole.sealed_behind([whole.keys().with_entries(entries).expect("room"), head.clone()].concat(), blocks).0;
    let mut keys = whole.keys();
    keys.add(Kind::Snapshot, whole.head.segment.0, &Key::new(whole.key), nonce("entry", &[])).expect("room");
    let snapshot = [keys.encode().expect("a key"), head.clone()].concat();
    let comment = "The archive's key stands there as that of a snapshot.";
    vectors.push(whole.vector_of("archive-key-kind", comment, whole.sealed_behind(snapshot, blocks).0, blocks, damaged()));
    let mut keys = whole.keys();
    keys.add(Kind::Segment, [9; 16], &Key::new(whole.key), nonce("entry", &[])).expect("room");
    let another = [keys.encode().expect("a key"), head.clone()].concat();
    let comment = "The key in the keys file is of another archive.";
    vectors.push(whole.vector_of("archive-key-of-another", comment, whole.sealed_behind(another, blocks).0, blocks, damaged()));
    let entry = [&1_u32.to_le_bytes()[..], &whole.head.segment.0, &1_u32.to_le_bytes(), &[0; 60]].concat();
    let comment = "The archive's key does not open, under a true HMAC: nothing is wrong with the passphrase.";
    vectors.push(whole.vector_of("archive-key-sealed-otherwise", comment, with(&entry), blocks, damaged()));
    vectors
}

/// Blocks under true seals, of pieces that no writer puts so.
fn of_other_pieces(whole: &Making, blocks: &[Vec<Written>]) -> Vec<Vector> {
    let mut vectors = Vec::new();
    let mut add = |name, comment, expected, alter: &dyn Fn(&mut Vec<Vec<Written>>)| {
        let mut blocks = blocks.to_vec();
        alter(&mut blocks);
        vectors.push(whole.vector(name, comment, &blocks, expected));
    };
    add("archive-identity-first", "The identity stands before the account.", damaged(), &|blocks| blocks[0].swap(0, 1));
    add("archive-no-account", "There is no account.", damaged(), &|blocks| drop(blocks[0].remove(0)));
    add("archive-no-identity", "There is no identity.", damaged(), &|blocks| drop(blocks[0].remove(1)));
    add("archive-account-twice", "There are two accounts.", damaged(), &|blocks| blocks[0].insert(1, whole.account()));
    add("archive-identity-twice", "There are two identities.", damaged(), &|blocks| blocks[0].insert(2, whole.identity.clone()));
    add("archive-order", "A message stands before a contact.", damaged(), &|blocks| blocks[1].swap(1, 2));
    add("archive-end-twice", "The last block has two ends.", damaged(), &|blocks| blocks[2].push(whole.end()));
    add("archive-after-the-end", "A block with a text stands after the end.", damaged(), &|blocks| {
        let last = blocks[1].last().expect("a text").clone();
        blocks.push(vec![last]);
    });
    add("archive-piece-lost", "A message is not there, and the end counts it.", damaged(), &|blocks| drop(blocks[1].remove(2)));
    add("archive-tag", "A piece has tag 9.", newer(), &|blocks| blocks[2].insert(0, piece_as(9, 1, b"", Value::Null)));
    add("archive-tag-0", "A piece has tag 0.", newer(), &|blocks| blocks[2].insert(0, piece_as(0, 1, b"", Value::Null)));
    add("archive-piece-version", "The end has version 2.", newer(), &|blocks| blocks[2][0].bytes[2] = 2);
    add("archive-piece-rest", "A contact has a byte behind its fields.", damaged(), &|blocks| {
        let contact = [encode(&contact("bob")).expect("a contact"), vec![0]].concat();
        blocks[1][1] = piece_as(5, 1, &contact, Value::Null);
    });
    add("archive-piece-cut", "The length of the last piece is past the block's end.", damaged(), &|blocks| blocks[2][0].bytes[4] += 1);
    add("archive-identity-cut", "The identity has seven bytes.", damaged(), &|blocks| blocks[0][1] = piece_as(2, 1, &[0; 7], Value::Null));
    add("archive-piece-limit", "A piece claims more bytes than a payload may have.", damaged(), &|blocks| {
        blocks[2][0].bytes[4..8].copy_from_slice(&131_073_u32.to_le_bytes());
    });
    add("archive-text-limit", "A text claims more bytes than there can be.", damaged(), &|blocks| {
        let forged = [&[2; 16][..], &[0xFC, 0xFF, 0xFF, 0xFF, 0x7F]].concat();
        *blocks[1].last_mut().expect("a text") = piece_as(7, 1, &forged, Value::Null);
    });
    vectors
}

/// Whole archives of pieces that do not fit each other.
fn that_say_otherwise(whole: &Making, fresh: &Making) -> Vec<Vector> {
    let mut vectors = Vec::new();
    let mut add = |name, comment, alter: &dyn Fn(&mut Making)| {
        let mut making = whole.clone();
        alter(&mut making);
        let blocks = making.blocks();
        vectors.push(making.vector(name, comment, &blocks, damaged()));
    };
    add("archive-counts", "The end counts a contact more.", &|making| making.counts.contacts += 1);
    add("archive-no-mailbox-key", "There is no mailbox key.", &|making| {
        making.mailbox_keys.clear();
        making.counts.mailbox_keys = 0;
    });
    add("archive-state", "The state is another than the account says.", &|making| *making.state.last_mut().expect("a state") ^= 1);
    add("archive-state-length", "The state has a byte less than the account says.", &|making| making.account.state_len += 1);
    add("archive-state-undecodable", "The state has a byte too many, and the digest that the account says.", &|making| {
        making.state.push(0);
        making.account.state = digest(&[&making.state]);
        making.account.state_len += 1;
    });
    add("archive-certificate", "A contact's certificate is somebody else's.", &|making| {
        making.rows[0] = contact_piece(&Contact { certificate: contact("carol").certificate, ..contact("bob") });
    });
    add("archive-identity-of-another", "The identity is not the account's.", &|making| {
        making.identity = of(&State::default(), Seq::ZERO, Digest([0; 32]), Vec::new(), Counts::default()).identity;
        making.account.fingerprint = contact("bob").fingerprint;
    });
    add("archive-name", "The account has another name than its identity.", &|making| {
        making.account.name = Name::parse("alicia").expect("a name");
    });
    let mut long = whole.blocks();
    let zeros = vec![0; STATE_PIECE_LEN_MAX + 1];
    long[1][0] = Making::state_piece(&zeros);
    vectors.push(whole.vector("archive-state-piece", "A piece of the state has 65,537 bytes.", &long, damaged()));

    let chain = Header { previous: Digest([1; 32]), ..fresh.head };
    let chained = Making { head: chain, ..fresh.clone() };
    let comment = "There is no record, and the chain is not zeros.";
    vectors.push(chained.vector("archive-of-nothing-chain", comment, &fresh.blocks(), damaged()));
    let mut stated = fresh.clone();
    (stated.state, stated.account) = (whole.state.clone(), whole.account.clone());
    let comment = "There is no record, and a state of some.";
    vectors.push(stated.vector("archive-of-nothing-state", comment, &stated.blocks(), damaged()));
    vectors
}
