//! Bodies of fuzz targets. Each takes any bytes and panics only if the codec is wrong: what it reads it can write and read again.
//!
//! Functions of the library, so that the corpora run as ordinary tests; `tests/fuzz` hands them to libFuzzer. Where a seal would keep a
//! fuzzer out, the bytes are sealed first.

use crate::archive::{self, Gathered, Place};
use crate::event::Record;
use crate::header::Header;
use crate::keys::{Cost, Front, Keys, Kind};
use crate::{Key, NONCE_LEN, Nonce, block, capsule, digest, snapshot};
use thicket_types::ids::{Digest, RulesVersion, Seq};
use thicket_types::limits::{BLOCK_RECORDS_MAX, SNAPSHOT_LEN_MAX};
use thicket_types::time::Stamp;

/// A body: takes any bytes.
pub type Body = fn(&[u8]);

/// Every target, by the name of its corpus.
pub const TARGETS: [(&str, Body); 8] = [
    ("archive", archive),
    ("block", block),
    ("capsule", capsule),
    ("header", header),
    ("keys", keys),
    ("record", record),
    ("sealed", sealed),
    ("snapshot", snapshot),
];

const NONCE: Nonce = Nonce([3; NONCE_LEN]);
const CHAIN: Digest = Digest([5; 32]);
const FIRST: Seq = Seq(9);

fn key() -> Key {
    Key::new([7; 32])
}

/// How many records a block is told to have: the first byte says so, that a fuzzer can find the right one.
fn told(bytes: &[u8]) -> (usize, &[u8]) {
    let (first, rest) = bytes.split_first().map_or((1, bytes), |(first, rest)| (usize::from(*first), rest));
    (first.clamp(1, BLOCK_RECORDS_MAX), rest)
}

/// Entries of a keys file, under a true checksum and HMAC; and bytes that claim to be the whole file.
pub fn keys(bytes: &[u8]) {
    let _ = Front::parse(bytes);
    let _ = Keys::unlock(bytes, &key());
    let front = Front { cost: Cost { memory_kib: 8, passes: 1, lanes: 1 }, salt: [1; 16], profile: [2; 16] };
    let Ok(empty) = Keys::create(front, &key(), key(), NONCE) else {
        return;
    };
    let Ok(file) = empty.with_entries(bytes) else {
        return;
    };
    let Ok(opened) = Keys::unlock(&file, &key()) else {
        return;
    };
    let again = opened.encode().and_then(|file| Keys::unlock(&file, &key()));
    let ids = |keys: &Keys| [Kind::Segment, Kind::Snapshot].map(|kind| keys.ids(kind).collect::<Vec<_>>());
    assert!(again.is_ok_and(|again| ids(&again) == ids(&opened)), "entries that were read are not read again");
}

/// A segment's header.
pub fn header(bytes: &[u8]) {
    if let Ok((header, chain)) = Header::parse(bytes) {
        let written = header.encode();
        assert!(bytes.starts_with(&written) && chain == digest(&[&written]), "another header is written than was read");
    }
}

/// A block as it stands in a file, and the search for one.
pub fn block(bytes: &[u8]) {
    let _ = block::open(&key(), CHAIN, FIRST, 0, bytes);
    if let Some(at) = block::next_head(bytes, Seq(0)) {
        assert!(bytes.get(at..).is_some_and(|rest| block::BlockHead::parse(rest).is_ok()), "no header is there");
    }
}

/// Records, end to end.
pub fn record(bytes: &[u8]) {
    let mut rest = bytes;
    while let Ok((record, after)) = Record::take(rest) {
        let mut written = Vec::new();
        let again = record.encode(&mut written).and_then(|()| Record::take(&written).map(|(again, _)| again));
        assert!(again.as_ref() == Ok(&record), "a record that was read is not read again");
        rest = after;
    }
}

/// What a block seals.
pub fn sealed(bytes: &[u8]) {
    let (records, plain) = told(bytes);
    let Ok((block, chain)) = block::seal(&key(), NONCE, CHAIN, FIRST, 0, records, plain.to_vec()) else {
        return;
    };
    if let Ok((head, opened, after)) = block::open(&key(), CHAIN, FIRST, 0, &block) {
        let same = after == chain && head.block_len() == block.len() && opened.len() == records;
        assert!(same, "another block is opened than was sealed");
    }
    record(plain);
}

/// A snapshot's file, and a state of any bytes.
pub fn snapshot(bytes: &[u8]) {
    let _ = snapshot::open(&key(), bytes);
    let head = snapshot::SnapshotHead { rules: RulesVersion(1), seq: FIRST, stamp: Stamp(1), chain: CHAIN, id: [4; 16] };
    if bytes.len() <= SNAPSHOT_LEN_MAX {
        let opened = snapshot::seal(&key(), NONCE, &head, bytes.to_vec()).and_then(|file| snapshot::open(&key(), &file));
        assert!(opened.is_ok_and(|(other, state)| other == head && state == bytes), "another snapshot is opened than was sealed");
    }
}

/// An archive's front, and the pieces of a block.
pub fn archive(bytes: &[u8]) {
    let _ = archive::open(bytes, &key());
    let (pieces, plain) = told(bytes);
    let Ok((block, _)) = block::seal(&key(), NONCE, CHAIN, Seq(1), 0, pieces, plain.to_vec()) else {
        return;
    };
    let Ok(opened) = archive::pieces(&mut Place::first(CHAIN), &key(), &block) else {
        return;
    };
    let mut gathered = Gathered::default();
    assert!(opened.iter().all(|piece| gathered.add(piece).is_ok()), "a piece that was read is not written");
    let written = gathered.seal(&mut Place::first(CHAIN), &key(), NONCE).ok().flatten();
    let again = written.and_then(|block| archive::pieces(&mut Place::first(CHAIN), &key(), &block).ok());
    assert!(again.is_some_and(|again| again.len() == opened.len()), "pieces that were read are not read again");
}

/// A capsule.
pub fn capsule(bytes: &[u8]) {
    if let Ok(parts) = capsule::parse(bytes) {
        let segments: Vec<&[u8]> = parts.segments.iter().map(|(_, segment)| segment.as_slice()).collect();
        let snapshot = parts.snapshot.as_ref().map(|(_, snapshot)| snapshot.as_slice());
        assert!(
            capsule::encode(&parts.keys, snapshot, &segments).is_ok_and(|again| again == bytes),
            "another capsule is written than was read"
        );
    }
}
