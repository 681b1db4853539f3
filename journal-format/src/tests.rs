//! What was written is read again; what was altered, cut or forged is refused, and never panics.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

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
use thicket_types::event::{Arrival, Arrived, Event, Lane, Opened, Outcome, TimerId};
use thicket_types::ids::{
    BodyRef, ConversationId, Digest, EffectId, Fingerprint, FrameId, IntentId, MailboxId, MessageId, RelayKey, RulesVersion, SegmentId, Seq,
};
use thicket_types::intent::Intent;
use thicket_types::limits::{BLOCK_RECORDS_MAX, PROFILE_KEYS_MAX, RECORD_LEN_MAX, SNAPSHOT_LEN_MAX};
use thicket_types::name::{Name, RegistrationToken, RelayAddress};
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

/// A record of every variant of every part, in the order of their numbers.
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

fn golden(name: &str) -> Vec<u8> {
    let (_, text) = GOLDEN.iter().find(|(known, _)| *known == name).expect("a vector of that name");
    assert!(!text.is_empty(), "the vector {name} is not frozen yet");
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).expect("hex digits")).collect()
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
    for record in every_variant() {
        let bytes = encoded(std::slice::from_ref(&record));
        let (read, rest) = Record::take(&bytes).expect("our own record");
        assert_eq!(read, record);
        assert!(rest.is_empty());
    }
}

#[test]
fn records_are_taken_one_after_the_other() {
    let records = every_variant();
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

// What was altered is refused.

#[test]
fn every_flipped_bit_of_a_segment_is_refused() {
    let segment = segment();
    assert_eq!(accepted_flips(&segment.bytes, |bytes| read(bytes).is_ok()), NONE);
}

#[test]
fn every_flipped_bit_of_a_keys_file_is_refused() {
    assert_eq!(accepted_flips(&keys_bytes(), |bytes| Keys::unlock(bytes, &key()).is_ok()), NONE);
}

#[test]
fn a_damaged_keys_file_is_told_from_a_wrong_passphrase() {
    let intact = keys_bytes();
    for at in 12..148 {
        let mut bytes = intact.clone();
        bytes[at] ^= 1;
        assert_eq!(Front::parse(&bytes), Err(FormatError::Check), "byte {at}");
        assert_eq!(Keys::unlock(&bytes, &other_key()).err(), Some(FormatError::Check), "byte {at}");
    }
    assert_eq!(Keys::unlock(&intact, &other_key()).err(), Some(FormatError::Seal));
}

#[test]
fn every_flipped_bit_of_a_snapshot_is_refused() {
    assert_eq!(accepted_flips(&snapshot_bytes(), |bytes| snapshot::open(&key(), bytes).is_ok()), NONE);
}

#[test]
fn an_altered_segment_header_with_a_true_check_is_refused_by_the_first_blocks_seal() {
    let bytes = segment().bytes;
    let accepted = accepted_flips(&bytes[..HEADER_LEN - 32], |front| {
        let mut altered = bytes.clone();
        altered[..front.len()].copy_from_slice(front);
        read(&with_true_check(altered, 0, HEADER_LEN - 32, 32)).is_ok()
    });
    assert_eq!(accepted, NONE);
}

#[test]
fn an_altered_block_header_with_a_true_check_is_refused_by_the_seal() {
    let Segment { bytes, starts, .. } = segment();
    for start in starts {
        let accepted = accepted_flips(&bytes[start..start + 48], |front| {
            let mut altered = bytes.clone();
            altered[start..start + front.len()].copy_from_slice(front);
            read(&with_true_check(altered, start, 48, 16)).is_ok()
        });
        assert_eq!(accepted, NONE);
    }
}

#[test]
fn an_altered_snapshot_header_with_a_true_check_is_refused_by_the_seal() {
    let bytes = snapshot_bytes();
    let accepted = accepted_flips(&bytes[..96], |front| {
        let mut altered = bytes.clone();
        altered[..front.len()].copy_from_slice(front);
        snapshot::open(&key(), &with_true_check(altered, 0, 96, 32)).is_ok()
    });
    assert_eq!(accepted, NONE);
}

#[test]
fn a_block_is_opened_in_its_place_alone() {
    let Segment { bytes, starts, chains, records } = segment();
    let second = &bytes[starts[1]..];
    let opened = |key: Key, chain, first, index| block::open(&key, chain, first, index, second).map(|(_, records, _)| records);
    assert_eq!(opened(key(), chains[1], Seq(8), 1), Ok(records[3..].to_vec()));
    assert_eq!(opened(key(), chains[1], Seq(8), 0), Err(FormatError::Place));
    assert_eq!(opened(key(), chains[1], Seq(9), 1), Err(FormatError::Place));
    assert_eq!(opened(key(), chains[0], Seq(8), 1), Err(FormatError::Seal));
    assert_eq!(opened(other_key(), chains[1], Seq(8), 1), Err(FormatError::Seal));
}

#[test]
fn blocks_that_changed_places_are_refused() {
    let Segment { bytes, starts, .. } = segment();
    let mut swapped = bytes[..starts[0]].to_vec();
    swapped.extend_from_slice(&bytes[starts[1]..]);
    swapped.extend_from_slice(&bytes[starts[0]..starts[1]]);
    assert_eq!(read(&swapped), Err(FormatError::Place));
}

#[test]
fn a_block_of_another_number_of_records_than_it_says_is_refused() {
    let records = kinds().map(|(_, record)| record);
    let (block, _) = block::seal(&key(), NONCES[0], Digest([0; 32]), Seq(1), 0, 2, encoded(&records[..1])).expect("a small record");
    assert_eq!(block::open(&key(), Digest([0; 32]), Seq(1), 0, &block), Err(FormatError::Payload));
}

#[test]
fn the_wrong_passphrase_opens_nothing() {
    assert_eq!(Keys::unlock(&keys_bytes(), &other_key()).err(), Some(FormatError::Seal));
}

#[test]
fn another_key_opens_no_snapshot() {
    assert_eq!(snapshot::open(&other_key(), &snapshot_bytes()), Err(FormatError::Seal));
}

#[test]
fn bytes_behind_a_part_are_refused() {
    let mut keys = keys_bytes();
    keys.push(0);
    assert!(Keys::unlock(&keys, &key()).is_err());
    let longer = with_true_mac([keys_bytes(), vec![0; 5]].concat());
    assert_eq!(Keys::unlock(&longer, &key()).err(), Some(FormatError::Field));
    let mut snapshot = snapshot_bytes();
    snapshot.push(0);
    assert_eq!(snapshot::open(&key(), &snapshot), Err(FormatError::Field));
    let mut value = codec::encode(&7_u64).expect("a number");
    value.push(0);
    assert_eq!(codec::decode::<u64>(&value), Err(FormatError::Payload));
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
    for record in every_variant() {
        let bytes = encoded(&[record]);
        for len in 0..bytes.len() {
            assert_eq!(Record::take(&bytes[..len]), Err(FormatError::Short), "record cut at {len}");
        }
    }
}

#[test]
fn a_cut_payload_is_refused() {
    for record in every_variant() {
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

// Bounds.

#[test]
fn a_record_that_claims_more_than_the_bound_is_refused_before_it_is_read() {
    let (_, record) = kinds().into_iter().next().expect("four kinds");
    let mut bytes = encoded(&[record]);
    for len in [RECORD_LEN_MAX + 1, u32::MAX as usize] {
        bytes[4..8].copy_from_slice(&u32::try_from(len).expect("32 bits").to_le_bytes());
        assert_eq!(Record::take(&bytes), Err(FormatError::Limit));
    }
    bytes[4..8].copy_from_slice(&u32::try_from(RECORD_LEN_MAX).expect("32 bits").to_le_bytes());
    assert_eq!(Record::take(&bytes), Err(FormatError::Short));
}

#[test]
fn a_forged_length_within_a_payload_is_refused() {
    // bincode's varint: 253, then eight bytes.
    let forged = [[253].as_slice(), &u64::MAX.to_le_bytes()].concat();
    let mut bytes = encoded(&[Record { stamp: CREATED, event: arrived(Arrived::Answer { answer: Bytes(Vec::new()) }) }]);
    assert_eq!(bytes.pop(), Some(0));
    bytes.extend_from_slice(&forged);
    let len = u32::try_from(bytes.len() - RECORD_HEAD_LEN).expect("a small record");
    bytes[4..8].copy_from_slice(&len.to_le_bytes());
    assert_eq!(Record::take(&bytes), Err(FormatError::Payload));
    assert_eq!(codec::decode::<Vec<u64>>(&forged), Err(FormatError::Payload));
    assert_eq!(codec::decode::<String>(&forged), Err(FormatError::Payload));
    assert_eq!(codec::decode_large::<Vec<u64>>(&forged), Err(FormatError::Payload));
}

#[test]
fn a_record_past_the_bound_is_not_encoded() {
    let mut out = Vec::new();
    let record = Record { stamp: CREATED, event: arrived(Arrived::Answer { answer: Bytes(vec![0; RECORD_LEN_MAX]) }) };
    assert_eq!(record.encode(&mut out), Err(FormatError::Limit));
    assert!(out.is_empty());
}

#[test]
fn a_payload_that_makes_too_much_is_not_decoded() {
    // bincode's varint: 252, then four bytes. A length counts eight bytes.
    let decoded = |len: usize| {
        let len_bytes = u32::try_from(len).expect("32 bits").to_le_bytes();
        codec::decode::<String>(&[[252].as_slice(), &len_bytes, &vec![b'x'; len]].concat()).map(|text| text.len())
    };
    assert_eq!(decoded(512 * 1024 - 8), Ok(512 * 1024 - 8));
    assert_eq!(decoded(512 * 1024 - 7), Err(FormatError::Payload));
}

#[test]
fn a_block_holds_one_record_to_the_bound_and_no_more() {
    let seal = |records, plain| block::seal(&key(), NONCES[0], Digest([0; 32]), Seq(1), 0, records, plain).map(|(block, _)| block.len());
    assert_eq!(seal(0, Vec::new()), Err(FormatError::Limit));
    assert_eq!(seal(BLOCK_RECORDS_MAX + 1, Vec::new()), Err(FormatError::Limit));
    assert_eq!(seal(1, vec![0; SEALED_LEN_MAX - TAG_LEN + 1]), Err(FormatError::Limit));
    assert_eq!(seal(1, vec![0; SEALED_LEN_MAX - TAG_LEN]), Ok(BLOCK_HEAD_LEN + SEALED_LEN_MAX));
}

#[test]
fn a_snapshot_holds_a_state_to_the_bound_and_no_more() {
    let seal = |len| snapshot::seal(&key(), NONCES[0], &snapshot_head(), vec![0; len]).map(|bytes| bytes.len());
    assert_eq!(seal(SNAPSHOT_LEN_MAX + 1), Err(FormatError::Limit));
    assert_eq!(seal(SNAPSHOT_LEN_MAX), Ok(128 + SNAPSHOT_LEN_MAX + TAG_LEN));
}

#[test]
fn a_state_past_the_bound_is_not_decoded() {
    // bincode's varint: 252, then four bytes. What is made of it counts eight bytes more.
    let fits = u32::try_from(SNAPSHOT_LEN_MAX - 8).expect("32 bits");
    let mut bytes = vec![b'x'; 5 + SNAPSHOT_LEN_MAX - 8];
    let mut decoded = |len: u32| {
        bytes[0] = 252;
        bytes[1..5].copy_from_slice(&len.to_le_bytes());
        bytes.resize(5 + len as usize, b'x');
        codec::decode_large::<String>(&bytes).map(|text| text.len())
    };
    assert_eq!(decoded(fits), Ok(fits as usize));
    assert_eq!(decoded(fits + 1), Err(FormatError::Payload));
}

#[test]
fn a_block_header_out_of_bounds_is_refused() {
    let Segment { bytes, starts, .. } = segment();
    let too_many = u32::try_from(BLOCK_RECORDS_MAX + 1).expect("32 bits");
    let too_long = u32::try_from(SEALED_LEN_MAX + 1).expect("32 bits");
    let too_short = u32::try_from(TAG_LEN - 1).expect("32 bits");
    for (at, value) in [(4, 0), (4, too_many), (16, too_short), (16, too_long), (16, u32::MAX)] {
        let mut head = bytes[starts[0]..starts[0] + BLOCK_HEAD_LEN].to_vec();
        head[at..at + 4].copy_from_slice(&value.to_le_bytes());
        assert_eq!(BlockHead::parse(&with_true_check(head, 0, 48, 16)), Err(FormatError::Field), "byte {at} is {value}");
    }
}

#[test]
fn a_cost_out_of_bounds_is_refused_before_it_is_paid() {
    for (at, value) in [(12, 7), (12, 1024 * 1024 + 1), (12, u32::MAX), (16, 0), (16, 65), (20, 0), (20, 17)] {
        let mut bytes = keys_bytes();
        bytes[at..at + 4].copy_from_slice(&u32::to_le_bytes(value));
        assert_eq!(Front::parse(&with_true_check(bytes, 0, 116, 32)), Err(FormatError::Limit), "byte {at} is {value}");
    }
}

#[test]
fn more_keys_than_the_bound_are_refused() {
    let mut bytes = keys_bytes();
    bytes[148..152].copy_from_slice(&u32::try_from(PROFILE_KEYS_MAX + 1).expect("32 bits").to_le_bytes());
    assert_eq!(Keys::unlock(&with_true_mac(bytes), &key()).err(), Some(FormatError::Limit));
}

#[test]
fn keys_are_kept_to_the_bound_and_no_more() {
    let mut keys = keys();
    let id = |number: usize| {
        let mut id = [77; 16];
        id[..8].copy_from_slice(&number.to_le_bytes());
        id
    };
    let room = PROFILE_KEYS_MAX - keys.ids(Kind::Segment).count() - keys.ids(Kind::Snapshot).count();
    for number in 0..room {
        keys.add(Kind::Segment, id(number), &other_key(), NONCES[0]).expect("room");
    }
    assert_eq!(keys.add(Kind::Snapshot, id(room), &other_key(), NONCES[0]), Err(FormatError::Limit));
    let read = Keys::unlock(&keys.encode().expect("as many as may be"), &key()).expect("the right key");
    assert_eq!(read.ids(Kind::Segment).count(), keys.ids(Kind::Segment).count());
    // One that goes makes room for one.
    keys.destroy(Kind::Segment, id(0));
    assert_eq!(keys.add(Kind::Snapshot, id(room), &other_key(), NONCES[0]), Ok(()));
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

// Any bytes at all.

/// The same cases each time: PROPTEST_CASES asks for more, PROPTEST_RNG_SEED for others.
fn runner() -> TestRunner {
    let config = Config::default();
    let rng_seed = match config.rng_seed {
        RngSeed::Random => RngSeed::Fixed(1),
        RngSeed::Fixed(seed) => RngSeed::Fixed(seed),
    };
    TestRunner::new(Config { rng_seed, failure_persistence: None, ..config })
}

fn read_as_everything(bytes: &[u8]) {
    let _ = Header::parse(bytes);
    let _ = BlockHead::parse(bytes);
    let _ = block::open(&key(), Digest([0; 32]), Seq(1), 0, bytes);
    let _ = block::next_head(bytes, Seq::ZERO);
    let mut rest = bytes;
    while let Ok((_, after)) = Record::take(rest) {
        rest = after;
    }
    let _ = Front::parse(bytes);
    let _ = Keys::unlock(bytes, &key());
    let _ = snapshot::head(bytes);
    let _ = snapshot::open(&key(), bytes);
    let _ = read(bytes);
}

#[test]
fn any_bytes_are_read_or_refused() {
    runner()
        .run(&vec_of(any::<u8>(), 0..1024), |bytes| {
            read_as_everything(&bytes);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn altered_and_cut_bytes_are_read_or_refused() {
    let intact = [segment().bytes, keys_bytes(), snapshot_bytes(), encoded(&every_variant())];
    runner()
        .run(&(any::<u8>(), vec_of((any::<u16>(), any::<u8>()), 0..8), any::<u16>()), |(which, writes, cut)| {
            let mut bytes = intact[usize::from(which) % intact.len()].clone();
            for (at, value) in writes {
                let at = usize::from(at) % bytes.len();
                bytes[at] = value;
            }
            read_as_everything(&bytes);
            read_as_everything(&bytes[usize::from(cut) % bytes.len()..]);
            bytes.truncate(usize::from(cut) % bytes.len());
            read_as_everything(&bytes);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn any_payload_under_a_true_seal_is_read_or_refused() {
    let payload = (1_u16..=4, vec_of(any::<u8>(), 0..256));
    runner()
        .run(&vec_of(payload, 1..4), |payloads| {
            let mut plain = Vec::new();
            for (tag, payload) in &payloads {
                plain.extend_from_slice(&tag.to_le_bytes());
                plain.extend_from_slice(&1_u16.to_le_bytes());
                plain.extend_from_slice(&u32::try_from(payload.len()).expect("a short payload").to_le_bytes());
                plain.extend_from_slice(&CREATED.0.to_le_bytes());
                plain.extend_from_slice(payload);
            }
            let (block, _) = block::seal(&key(), NONCES[0], Digest([0; 32]), Seq(1), 0, payloads.len(), plain).expect("a small block");
            let _ = block::open(&key(), Digest([0; 32]), Seq(1), 0, &block);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

// Bytes for ever.

/// What the vectors freeze, as this build writes it.
fn vectors() -> Vec<(&'static str, Vec<u8>)> {
    let chain = digest(&[&header().encode()]);
    let plain = encoded(&kinds().map(|(_, record)| record));
    let (block, after) = block::seal(&key(), NONCES[0], chain, Seq(5), 0, 4, plain).expect("four small records");
    let mut vectors = vec![("header", header().encode()), ("block", block), ("chain after block", after.0.to_vec())];
    vectors.extend(kinds().map(|(kind, record)| (kind, encoded(&[record]))));
    vectors.push(("keys", keys_bytes()));
    vectors.push(("snapshot", snapshot_bytes()));
    vectors.push(("SHA-256 of every variant", digest(&[&encoded(&every_variant())]).0.to_vec()));
    vectors
}

#[test]
fn bytes_are_as_they_were_frozen() {
    let mut wrong = Vec::new();
    let vectors = vectors();
    for (name, bytes) in &vectors {
        let actual = hex(bytes);
        if !GOLDEN.iter().any(|(known, frozen)| known == name && *frozen == actual) {
            wrong.push(format!("    (\"{name}\", \"{actual}\"),"));
        }
    }
    assert!(wrong.is_empty(), "these are not as frozen; now they are\n{}", wrong.join("\n"));
    assert_eq!(vectors.len(), GOLDEN.len());
}

#[test]
fn frozen_bytes_are_read_for_ever() {
    let bytes = golden("header");
    let (read, chain) = Header::parse(&bytes).expect("a frozen header");
    assert_eq!(read, header());
    let records = kinds();
    let (_, opened, after) = block::open(&key(), chain, Seq(5), 0, &golden("block")).expect("a frozen block");
    assert_eq!(opened, records.clone().map(|(_, record)| record));
    assert_eq!(after.0.as_slice(), golden("chain after block"));
    for (kind, record) in records {
        assert_eq!(Record::take(&golden(kind)).map(|(read, rest)| (read, rest.len())), Ok((record, 0)));
    }
    let keys = Keys::unlock(&golden("keys"), &key()).expect("a frozen keys file");
    assert_eq!(keys.key(Kind::Segment, KEPT).expect("a frozen entry").map(|key| *key.expose()), Some([41; 32]));
    assert_eq!(snapshot::open(&key(), &golden("snapshot")), Ok((snapshot_head(), b"a state".to_vec())));
}

/// Frozen bytes, in hex. They change with the format's version alone, and with a sentence why.
const GOLDEN: &[(&str, &str)] = &[
    (
        "header",
        "544849434b53454701000100010000000500000000000000006c50c4a001000002020202020202020202020202020202020202020202020202020202020202020101010101010101010101010101010100000000000000000000000000000000a11268b5d388da65aa9908bbdbedf262e9527515b0f32cda1adcb05253370dc6",
    ),
    (
        "block",
        "54424c4b040000000500000000000000490100000000000008080808080808080808080800000000000000000000000041e70af928742d3f02170e9294c2f97c3d405f9ecd3be6fdde5224b95c74c886bc0d4cf7a6ce5a91e92a4df276ff578fbd4147a5913914ceaeed2092a07f86e0e689b82bb6198eaeab75a8309e07768ba31c801a8540cb62d9eb258f3f4053674e7916e3a52fab45ef07b8f5a3fe2cd9f96a15cb9a737646f42c8ecab570b00cbee37c310332a0283d10290f4def8b182d092d017e84fabf70dd89257253a6fec2c3eed49308a7bd60dd4262952495ba850bd09c92e3f8b00e48dd146ca810c871553d6c98b19ae8e89774019b37d3f6ffaa694d920bc683560164441eb0979c9555f8906f1e91f2529925e44c6ff75f83a7218eb37af5f96c4c5bbc05b939b5c75563bd10b6425141924305cdc1bedc9c1c06fe75a8d0fc59408d0c25261e4f06c2bf474e878f89c17afac3272b75981d6be10a2f13603a0e08f71f3fd9eee545b5bf8f3e79b82a3fda447bae46e5be843ff33e5ddb0abf76",
    ),
    ("chain after block", "93fc2c63b475816af1cd39ea463ad3b47221e92b7d99ad9e8b9c4de12cf5dc95"),
    (
        "requested",
        "010001003a000000006c50c4a00100000b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b040d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0efc00000100",
    ),
    (
        "arrived",
        "020001004e000000006c50c4a00100000c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0101fbfb000d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d140f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f",
    ),
    ("elapsed", "0300010022000000006c50c4a001000000121212121212121212121212121212121212121212121212121212121212121200"),
    (
        "resolved",
        "040001004f000000006c50c4a0010000fb2c010101010101010101010101010101010101021010101010101010101010101010101010101010101010101010101010101010141111111111111111111111111111111111111111fc70110100",
    ),
    (
        "keys",
        "544849434b4b4559010001000800000001000000010000001515151515151515151515151515151516161616161616161616161616161616080808080808080808080808146876b6df13ced5f6165c55d45de0ae9f2e6fd485ed79b2ca096ed155dc74acccc2283cb8f2d7f6dd92ab75c973c4da3a5d53ae0931cb2a9e3342e98602a3366ecfdb6bb9eee97c8981f772f31e2d89020000001f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f01000000080808080808080808080808ffe79ac5ce813428019a621c4ae8ba17773926aa202b8bba7dfeef408ad10c670a574cd1c83b279afe242d27553fac652020202020202020202020202020202002000000090909090909090909090909dc1daaaca7d812d8fd8be911d5e5016a6573a29d4793fe6979881116b21b81e7b67134bcb28dc3cc91c2bb4bfee555c0bd369e7a127af5163f07897f8b9faa64e68f08bd41f9fa7ce90957438d60adb7",
    ),
    (
        "snapshot",
        "544849434b534e5001000100010000000800000000000000006c50c4a001000004040404040404040404040404040404040404040404040404040404040404042121212121212121212121212121212108080808080808080808080817000000f179563e4647e872cfbad21423cf5efbaee759194818188dc10cd27012bc8a955d602dea964f83a34f8f799cc07377bf8487ac7c44f9c0",
    ),
    ("SHA-256 of every variant", "3f172cfb2dddf08ed85869dbc2a5896cbf1682ecee8eb7c6e6a18d622c5f30bf"),
];
