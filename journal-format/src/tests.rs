//! What was written is read again; what was altered, cut or forged is refused, and never panics.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

mod altered;
mod any_bytes;
mod archives;
mod bounds;
mod example;
mod frozen;
mod fuzz;
mod listing;
mod vectors;

use crate::block::{self, BLOCK_HEAD_LEN, BlockHead, SEALED_LEN_MAX};
use crate::codec;
use crate::event::{RECORD_HEAD_LEN, Record};
use crate::header::{HEADER_LEN, Header};
use crate::keys::{Cost, Front, Keys, Kind};
use crate::snapshot::{self, SnapshotHead};
use crate::{FormatError, Key, NONCE_LEN, Nonce, TAG_LEN, digest};
use proptest::arbitrary::any;
use proptest::collection::vec as vec_of;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use thicket_types::bytes::Bytes;
use thicket_types::error::Code;
use thicket_types::event::{Arrival, Arrived, Became, Event, Followed, Lane, Opened, Outcome, Own, TimerId};
use thicket_types::ids::{
    BodyRef, ConversationId, Digest, EffectId, Fingerprint, FrameId, GroupId, IntentId, MailboxId, MessageId, RelayKey, RulesVersion,
    SegmentId, Seq,
};
use thicket_types::intent::Intent;
use thicket_types::limits::{BLOCK_RECORDS_MAX, PROFILE_KEYS_MAX, RECORD_LEN_MAX, SNAPSHOT_LEN_MAX};
use thicket_types::name::{Name, RegistrationToken, RelayAddress, Title};
use thicket_types::time::{ClaimedTime, Stamp};

const CREATED: Stamp = Stamp(1_790_000_000_000);
const NONCES: [Nonce; 2] = [Nonce([8; NONCE_LEN]), Nonce([9; NONCE_LEN])];
const COST: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
const FRONT: Front = Front { cost: COST, salt: [21; 16], profile: [22; 16] };
const KEPT: [u8; 16] = [31; 16];
const GONE: [u8; 16] = [32; 16];
const NONE: [(usize, u32); 0] = [];

fn key() -> Key {
    Key::new([7; 32])
}

fn other_key() -> Key {
    Key::new([6; 32])
}

fn name() -> Name {
    Name::parse("Bob").expect("a name")
}

fn header() -> Header {
    Header { segment: SegmentId([1; 16]), rules: RulesVersion(1), first: Seq(5), created: CREATED, previous: Digest([2; 32]) }
}

fn requested(intent: Intent) -> Event {
    Event::Requested { id: IntentId([11; 16]), intent }
}

fn arrived(content: Arrived) -> Event {
    Event::Arrived(Arrival { frame: FrameId([12; 32]), lane: Lane::Anonymous, content })
}

fn resolved(outcome: Outcome) -> Event {
    Event::Resolved { effect: EffectId { seq: Seq(300), index: 1, segment: SegmentId([1; 16]) }, outcome, vault_count: 70_000 }
}

/// One record of each kind: those that are frozen one by one.
fn kinds() -> [(&'static str, Record); 4] {
    let send = Intent::Send { contact: Fingerprint([13; 20]), body: BodyRef([14; 16]), len: 65_536 };
    let envelope = Arrived::Envelope { cursor: 251, sender: Fingerprint([13; 20]), sealed: Bytes(vec![15; 20]) };
    let framed = Outcome::Framed { frame: FrameId([16; 32]), bytes: Bytes(vec![17; 20]) };
    [
        ("requested", requested(send)),
        ("arrived", arrived(envelope)),
        ("elapsed", Event::Elapsed { timer: TimerId::Retry(FrameId([18; 32])), fault: false }),
        ("resolved", resolved(framed)),
    ]
    .map(|(kind, event)| (kind, Record { stamp: CREATED, event }))
}

/// A record of every variant that came with groups, in the order of their numbers: those before have vectors of their own.
fn every_variant_of_groups() -> Vec<Record> {
    let (contact, group) = (Fingerprint([13; 20]), GroupId([26; 16]));
    let title = |text| Title::parse(text).expect("a title");
    let quiet = Followed { group, upto: 250, last: 251, messages: Vec::new(), unreadable: Vec::new(), own: Own::Open, became: None };
    let became = |out| Some(Became { title: title("Lesekreis für alle"), members: 4_096, out });
    let events = vec![
        resolved(Outcome::Opened(Opened::Invited { contact, name: name(), group })),
        resolved(Outcome::Opened(Opened::Welcomed { contact, group, title: title("x"), members: 2 })),
        resolved(Outcome::Followed(quiet.clone())),
        resolved(Outcome::Followed(Followed {
            messages: vec![(contact, MessageId([19; 16])), (Fingerprint([5; 20]), MessageId([27; 16]))],
            unreadable: vec![Code::TooOld, Code::Undecryptable],
            own: Own::Stands,
            became: became(false),
            ..quiet.clone()
        })),
        resolved(Outcome::Followed(Followed { own: Own::Lost, became: became(true), ..quiet })),
        resolved(Outcome::Refused(Code::UnknownGroup)),
        resolved(Outcome::Refused(Code::LogBroken)),
    ];
    events.into_iter().enumerate().map(|(at, event)| Record { stamp: Stamp(CREATED.0 + at as u64), event }).collect()
}

/// A record of every variant of every part that was there before groups, in the order of their numbers.
fn every_variant() -> Vec<Record> {
    let contact = Fingerprint([13; 20]);
    let message = MessageId([19; 16]);
    let events = vec![
        requested(Intent::Register {
            relay: RelayAddress::parse("loopback:test").expect("an address"),
            key: Some(RelayKey([3; 32])),
            token: None,
        }),
        requested(Intent::Register {
            relay: RelayAddress::parse("x").expect("an address"),
            key: None,
            token: RegistrationToken::parse("let-me-in"),
        }),
        requested(Intent::Connect),
        requested(Intent::AddContact { name: name() }),
        requested(Intent::AcceptContact { contact }),
        requested(Intent::Send { contact, body: BodyRef([14; 16]), len: 1 }),
        requested(Intent::DeclineContact { contact }),
        requested(Intent::BlockContact { contact, blocked: true }),
        requested(Intent::RemoveContact { contact }),
        requested(Intent::VerifyContact { contact, verified: false }),
        requested(Intent::AcceptIdentity { contact }),
        requested(Intent::UpdateKeys { contact }),
        requested(Intent::MarkRead { contact, message }),
        requested(Intent::SetReadMarks { on: true }),
        requested(Intent::RetryMessage { contact, message }),
        requested(Intent::CancelMessage { message }),
        requested(Intent::ForgetMessage { contact, message, sent: true }),
        requested(Intent::ChangeRelay { relay: RelayAddress::parse("y").expect("an address"), key: None, token: None }),
        requested(Intent::TakeOver),
        requested(Intent::Rejoin),
        requested(Intent::Restore),
        arrived(Arrived::Answer { answer: Bytes(vec![1, 2, 3]) }),
        arrived(Arrived::Envelope { cursor: u64::MAX, sender: contact, sealed: Bytes(vec![4; 300]) }),
        arrived(Arrived::Repeat { cursor: 0 }),
        arrived(Arrived::Unsealable { cursor: 250, cause: Code::Unsealable }),
        Event::Elapsed { timer: TimerId::Retry(FrameId([18; 32])), fault: false },
        Event::Elapsed { timer: TimerId::Login, fault: true },
        Event::Elapsed { timer: TimerId::Fetch, fault: false },
        Event::Elapsed { timer: TimerId::Acknowledge, fault: false },
        Event::Elapsed { timer: TimerId::Receipts(contact), fault: false },
        Event::Elapsed { timer: TimerId::Advance(contact), fault: true },
        Event::Elapsed { timer: TimerId::Tidy, fault: false },
        Event::Elapsed { timer: TimerId::Grant, fault: false },
        Event::Elapsed { timer: TimerId::Resume, fault: false },
        resolved(Outcome::Handed),
        resolved(Outcome::Unreachable),
        resolved(Outcome::Framed { frame: FrameId([16; 32]), bytes: Bytes(Vec::new()) }),
        resolved(Outcome::Done),
        resolved(Outcome::Pinned { contact, mailbox: MailboxId([20; 16]), name: name(), contradicts: None, anew: false }),
        resolved(Outcome::Pinned {
            contact,
            mailbox: MailboxId([20; 16]),
            name: name(),
            contradicts: Some(Fingerprint([5; 20])),
            anew: true,
        }),
        resolved(Outcome::Begun { again: vec![message] }),
        resolved(Outcome::Opened(Opened::Message {
            contact,
            name: name(),
            conversation: ConversationId([23; 32]),
            message,
            claimed: ClaimedTime(1),
            moved: true,
        })),
        resolved(Outcome::Opened(Opened::Receipt { contact, delivered: vec![message, message], moved: false })),
        resolved(Outcome::Opened(Opened::Early { contact, name: name(), len: 1_600 })),
        resolved(Outcome::Opened(Opened::Unreadable { contact, name: name(), cause: Code::TooOld })),
        resolved(Outcome::Opened(Opened::ReadMark { contact, moved: true })),
        resolved(Outcome::Opened(Opened::Committed { contact, owed: true, moved: false })),
        resolved(Outcome::Opened(Opened::Known { contact, message, moved: true })),
        resolved(Outcome::Opened(Opened::Offer { contact, name: name(), anew: true })),
        resolved(Outcome::Refused(Code::NoConversation)),
        resolved(Outcome::Fault(Code::FoldPanicked)),
    ];
    events.into_iter().enumerate().map(|(at, event)| Record { stamp: Stamp(CREATED.0 + at as u64), event }).collect()
}

fn encoded(records: &[Record]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        record.encode(&mut bytes).expect("a small record");
    }
    bytes
}

/// A small segment: its header and two blocks.
struct Segment {
    bytes: Vec<u8>,
    /// Where each block begins.
    starts: [usize; 2],
    /// The chain's hash before each block.
    chains: [Digest; 2],
    records: Vec<Record>,
}

fn segment() -> Segment {
    let records: Vec<Record> = kinds().into_iter().map(|(_, record)| record).collect();
    let mut bytes = header().encode();
    let (_, first_chain) = Header::parse(&bytes).expect("our own header");
    let (first, second_chain) =
        block::seal(&key(), NONCES[0], first_chain, Seq(5), 0, 3, encoded(&records[..3])).expect("three small records");
    let (second, _) = block::seal(&key(), NONCES[1], second_chain, Seq(8), 1, 1, encoded(&records[3..])).expect("a small record");
    let starts = [HEADER_LEN, HEADER_LEN + first.len()];
    bytes.extend_from_slice(&first);
    bytes.extend_from_slice(&second);
    Segment { bytes, starts, chains: [first_chain, second_chain], records }
}

/// Reads a segment to its end, as a reader of files would.
fn read(bytes: &[u8]) -> Result<(Header, Vec<Record>), FormatError> {
    let (header, mut chain) = Header::parse(bytes)?;
    let (mut offset, mut index, mut next, mut records) = (HEADER_LEN, 0, header.first, Vec::new());
    while offset < bytes.len() {
        let (head, opened, after) = block::open(&key(), chain, next, index, &bytes[offset..])?;
        records.extend(opened);
        chain = after;
        index += 1;
        next = Seq(next.0 + u64::from(head.records));
        offset += head.block_len();
    }
    Ok((header, records))
}

fn keys() -> Keys {
    let mut keys = Keys::create(FRONT, &key(), Key::new([40; 32]), NONCES[0]).expect("a new account key");
    keys.add(Kind::Segment, KEPT, &Key::new([41; 32]), NONCES[0]).expect("room for a key");
    keys.add(Kind::Snapshot, GONE, &Key::new([42; 32]), NONCES[1]).expect("room for a key");
    keys
}

fn keys_bytes() -> Vec<u8> {
    keys().encode().expect("few keys")
}

/// Puts a true MAC under an altered keys file, as one who knows the account key could.
fn with_true_mac(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() - 32);
    let mac = Key::new([40; 32]).derive("thicket.keys-mac.v1").expect("a purpose").mac(&bytes);
    bytes.extend_from_slice(&mac);
    bytes
}

fn snapshot_head() -> SnapshotHead {
    SnapshotHead { rules: RulesVersion(1), seq: Seq(8), stamp: CREATED, chain: Digest([4; 32]), id: [33; 16] }
}

fn snapshot_bytes() -> Vec<u8> {
    snapshot::seal(&key(), NONCES[0], &snapshot_head(), b"a state".to_vec()).expect("a small state")
}

/// Places of single bits whose flip is accepted, as (byte, bit).
fn accepted_flips(bytes: &[u8], accepts: impl Fn(&[u8]) -> bool) -> Vec<(usize, u32)> {
    let mut accepted = Vec::new();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.to_vec();
            flipped[at] ^= 1 << bit;
            if accepts(&flipped) {
                accepted.push((at, bit));
            }
        }
    }
    accepted
}

/// Puts a true check (a SHA-256 over all before it) under an altered header.
fn with_true_check(mut bytes: Vec<u8>, from: usize, checked: usize, check: usize) -> Vec<u8> {
    let hash = digest(&[&bytes[from..from + checked]]);
    bytes[from + checked..from + checked + check].copy_from_slice(&hash.0[..check]);
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

// What was written is read again.

#[test]
fn a_header_is_read_as_it_was_written() {
    let bytes = header().encode();
    assert_eq!(bytes.len(), HEADER_LEN);
    assert_eq!(Header::parse(&bytes), Ok((header(), digest(&[&bytes]))));
}

#[test]
fn a_header_that_begins_at_nothing_is_refused() {
    let bytes = Header { first: Seq::ZERO, ..header() }.encode();
    assert_eq!(Header::parse(&bytes), Err(FormatError::Field));
}

#[test]
fn every_record_is_read_as_it_was_written() {
    for record in every_variant().into_iter().chain(every_variant_of_groups()) {
        let bytes = encoded(std::slice::from_ref(&record));
        let (read, rest) = Record::take(&bytes).expect("our own record");
        assert_eq!(read, record);
        assert!(rest.is_empty());
    }
}

#[test]
fn records_are_taken_one_after_the_other() {
    let records = [every_variant(), every_variant_of_groups()].concat();
    let bytes = encoded(&records);
    let (mut rest, mut taken) = (bytes.as_slice(), Vec::new());
    while !rest.is_empty() {
        let (record, after) = Record::take(rest).expect("our own record");
        taken.push(record);
        rest = after;
    }
    assert_eq!(taken, records);
}

#[test]
fn a_segment_is_read_as_it_was_written() {
    let segment = segment();
    assert_eq!(read(&segment.bytes), Ok((header(), segment.records)));
}

#[test]
fn a_block_tells_its_place_without_a_key() {
    let segment = segment();
    let head = BlockHead::parse(&segment.bytes[segment.starts[1]..]).expect("our own block");
    assert_eq!((head.records, head.first, head.index), (1, Seq(8), 1));
    assert_eq!(head.block_len(), segment.bytes.len() - segment.starts[1]);
}

#[test]
fn a_sealed_block_shows_nothing_of_its_records() {
    let segment = segment();
    for plain in [[13_u8; 20].as_slice(), &[15; 20], &[17; 20]] {
        assert!(!segment.bytes.windows(plain.len()).any(|window| window == plain));
    }
}

#[test]
fn keys_are_read_as_they_were_written() {
    let bytes = keys_bytes();
    assert_eq!(Front::parse(&bytes), Ok(FRONT));
    let keys = Keys::unlock(&bytes, &key()).expect("the right key");
    assert_eq!(keys.front(), FRONT);
    let read = |kind, id| keys.key(kind, id).expect("an intact entry").map(|key| *key.expose());
    assert_eq!(read(Kind::Segment, KEPT), Some([41; 32]));
    assert_eq!(read(Kind::Snapshot, GONE), Some([42; 32]));
    // The same id of the other kind is another key, or none.
    assert_eq!(read(Kind::Snapshot, KEPT), None);
    assert!(keys.holds(Kind::Segment, KEPT) && !keys.holds(Kind::Segment, GONE));
    assert_eq!(keys.encode(), Ok(bytes));
}

#[test]
fn a_snapshot_is_read_as_it_was_written() {
    let bytes = snapshot_bytes();
    assert_eq!(snapshot::head(&bytes), Ok(snapshot_head()));
    assert_eq!(snapshot::open(&key(), &bytes), Ok((snapshot_head(), b"a state".to_vec())));
}

// What was cut is refused.

#[test]
fn a_segment_cut_within_a_part_is_refused_and_one_cut_between_blocks_is_a_shorter_one() {
    let Segment { bytes, starts, records, .. } = segment();
    for len in 0..bytes.len() {
        let expected = if len == starts[0] {
            Ok((header(), Vec::new()))
        } else if len == starts[1] {
            Ok((header(), records[..3].to_vec()))
        } else {
            Err(FormatError::Short)
        };
        assert_eq!(read(&bytes[..len]), expected, "cut at {len}");
    }
}

#[test]
fn a_cut_keys_file_snapshot_or_record_is_refused() {
    let keys = keys_bytes();
    for len in 0..keys.len() {
        assert!(Keys::unlock(&keys[..len], &key()).is_err(), "keys cut at {len}");
    }
    let snapshot = snapshot_bytes();
    for len in 0..snapshot.len() {
        assert!(snapshot::open(&key(), &snapshot[..len]).is_err(), "snapshot cut at {len}");
    }
    for record in every_variant().into_iter().chain(every_variant_of_groups()) {
        let bytes = encoded(&[record]);
        for len in 0..bytes.len() {
            assert_eq!(Record::take(&bytes[..len]), Err(FormatError::Short), "record cut at {len}");
        }
    }
}

#[test]
fn a_cut_payload_is_refused() {
    for record in every_variant().into_iter().chain(every_variant_of_groups()) {
        let mut bytes = encoded(&[record]);
        bytes.pop();
        let len = u32::try_from(bytes.len() - RECORD_HEAD_LEN).expect("a small record");
        bytes[4..8].copy_from_slice(&len.to_le_bytes());
        assert_eq!(Record::take(&bytes), Err(FormatError::Payload));
    }
}

// What is newer is told from what is damaged.

#[test]
fn an_unknown_tag_or_version_of_a_record_is_newer() {
    for (_, record) in kinds() {
        let bytes = encoded(&[record]);
        for (at, value) in [(0, 0), (0, 5), (1, 1), (2, 0), (2, 2), (3, 1)] {
            let mut altered = bytes.clone();
            altered[at] = value;
            assert_eq!(Record::take(&altered), Err(FormatError::Newer), "byte {at} is {value}");
        }
    }
}

#[test]
fn an_unknown_version_or_suite_of_a_file_is_newer() {
    for at in [8, 10] {
        let newer = |mut bytes: Vec<u8>| {
            bytes[at] = 2;
            bytes
        };
        assert_eq!(Header::parse(&newer(header().encode())), Err(FormatError::Newer));
        assert_eq!(Front::parse(&newer(keys_bytes())), Err(FormatError::Newer));
        assert_eq!(Keys::unlock(&newer(keys_bytes()), &key()).err(), Some(FormatError::Newer));
        assert_eq!(snapshot::head(&with_true_check(newer(snapshot_bytes()), 0, 96, 32)), Err(FormatError::Newer));
        // One that is damaged there is no newer one.
        assert_eq!(snapshot::head(&newer(snapshot_bytes())), Err(FormatError::Check));
    }
}

#[test]
fn a_key_of_an_unknown_kind_is_newer() {
    let mut bytes = keys_bytes();
    bytes[152 + 16] = 3;
    assert_eq!(Keys::unlock(&with_true_mac(bytes), &key()).err(), Some(FormatError::Newer));
}

#[test]
fn a_file_of_another_kind_is_no_file_of_this_kind() {
    assert_eq!(Header::parse(&snapshot_bytes()), Err(FormatError::Magic));
    assert_eq!(snapshot::head(&segment().bytes), Err(FormatError::Magic));
    assert_eq!(Front::parse(&segment().bytes), Err(FormatError::Magic));
    assert_eq!(BlockHead::parse(&segment().bytes), Err(FormatError::Magic));
}

// Keys come and go.

#[test]
fn a_destroyed_key_is_gone_from_the_bytes() {
    // Given a keys file with two keys, as it stands on disk.
    let before = keys_bytes();
    let entry = |bytes: &[u8], id: [u8; 16]| bytes.windows(16).position(|window| window == id);
    let sealed = entry(&before, GONE).map(|at| before[at + 32..at + 80].to_vec()).expect("the entry");
    // When one is destroyed.
    let mut keys = Keys::unlock(&before, &key()).expect("the right key");
    keys.destroy(Kind::Snapshot, GONE);
    let after = keys.encode().expect("few keys");
    // Then neither its id nor its sealed bytes are left, and the other is untouched.
    assert_eq!(entry(&after, GONE), None);
    assert!(!after.windows(16).any(|window| sealed.windows(16).any(|part| part == window)));
    let keys = Keys::unlock(&after, &key()).expect("the right key");
    assert!(keys.key(Kind::Snapshot, GONE).expect("an intact file").is_none());
    assert_eq!(keys.key(Kind::Segment, KEPT).expect("an intact file").map(|key| *key.expose()), Some([41; 32]));
}

#[test]
fn a_new_passphrase_opens_the_same_keys_and_the_old_one_none() {
    let mut keys = keys();
    let front = Front { salt: [50; 16], ..FRONT };
    keys.rekey(front, &other_key(), NONCES[1]).expect("a new seal");
    let bytes = keys.encode().expect("few keys");
    assert_eq!(Keys::unlock(&bytes, &key()).err(), Some(FormatError::Seal));
    let reopened = Keys::unlock(&bytes, &other_key()).expect("the new key");
    assert_eq!(reopened.front(), front);
    assert_eq!(reopened.key(Kind::Segment, KEPT).expect("an intact file").map(|key| *key.expose()), Some([41; 32]));
    let vault = |keys: &Keys| *keys.vault_key().expect("a purpose").expose();
    assert_eq!(vault(&reopened), vault(&keys));
}

// Damage is told from a torn tail.

#[test]
fn the_block_behind_a_damaged_one_is_found() {
    let Segment { mut bytes, starts, .. } = segment();
    bytes[starts[0] + 4] ^= 1;
    assert!(BlockHead::parse(&bytes[starts[0]..]).is_err());
    let behind = starts[0] + 1;
    assert_eq!(block::next_head(&bytes[behind..], Seq(5)), Some(starts[1] - behind));
    // One that does not lie further on is not one that follows.
    assert_eq!(block::next_head(&bytes[behind..], Seq(8)), None);
}

#[test]
fn a_torn_block_is_followed_by_none() {
    let Segment { bytes, starts, .. } = segment();
    for len in starts[1]..bytes.len() {
        assert_eq!(block::next_head(&bytes[starts[0] + 1..len], Seq(8)), None);
    }
}

#[test]
fn a_magic_without_a_check_is_no_block() {
    let bytes = [b"xxTBLK".as_slice(), &[0; 200], b"TBLK"].concat();
    assert_eq!(block::next_head(&bytes, Seq::ZERO), None);
}
