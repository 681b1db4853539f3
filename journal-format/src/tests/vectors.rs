//! The vectors of `journal-format/vectors`: profiles with one fault each, made here and frozen there.
//!
//! Made from the codec alone, so that each can hold what no writer would write. Who reads them is tried elsewhere: the engine in its
//! own tests, the Python reader by its own runner.

mod edges;

use super::archives::archives;
use super::listing::line_of;
use super::{COST, every_variant, every_variant_of_groups, kinds, requested};
use crate::codec::encode;
use crate::event::Record;
use crate::header::Header;
use crate::keys::{Front, Keys, Kind};
use crate::snapshot::{self, SnapshotHead};
use crate::{Key, NONCE_LEN, Nonce, block, digest};
use argon2::{Algorithm, Argon2, Params, Version};
use edges::edges;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use thicket_reducer::{ClientRules, State};
use thicket_types::bytes::Bytes;
use thicket_types::event::Event;
use thicket_types::ids::{Digest, IntentId, RulesVersion, SegmentId, Seq};
use thicket_types::intent::Intent;
use thicket_types::ports::{Place, Reducer as _};
use thicket_types::time::Stamp;

pub(super) const PASSPHRASE: &str = "correct horse battery staple";
const CREATED: Stamp = Stamp(1_790_000_000_000);
/// What a snapshot carries, as the format has it.
type Carried = BTreeMap<Seq, Bytes>;

/// A profile that is being made, by what each step says.
#[derive(Clone)]
struct Making {
    files: BTreeMap<String, Vec<u8>>,
    /// Entries of the keys file: a key by kind and id.
    keys: BTreeMap<(Kind, [u8; 16]), [u8; 32]>,
    durable: (Seq, Digest),
    records: Vec<(Seq, Record)>,
    state: State,
    segments: u8,
}

/// A segment that takes blocks.
struct Segment {
    file: String,
    key: Key,
    chain: Digest,
    index: u32,
    id: SegmentId,
    rules: RulesVersion,
}

/// What a reader finds.
pub(super) enum Expected {
    Ok,
    /// Each file that is cut, and where; at byte 0 it goes.
    Torn(Vec<(String, usize)>),
    Damaged(String, usize),
    Other(&'static str),
}

pub(super) struct Vector {
    pub(super) name: &'static str,
    pub(super) comment: &'static str,
    pub(super) passphrase: &'static str,
    pub(super) remembered: Option<(Seq, Digest)>,
    /// Segments whose file somebody took away.
    pub(super) taken: Option<[u8; 16]>,
    pub(super) expected: Expected,
    /// The last record, after the cut.
    pub(super) last: (Seq, Digest),
    /// The snapshot that is used.
    pub(super) snapshot: Option<Seq>,
    pub(super) records: Vec<(Seq, Record)>,
    /// The lines of an archive's pieces; none for a profile.
    pub(super) pieces: Vec<String>,
    pub(super) files: BTreeMap<String, Vec<u8>>,
}

/// 32 bytes that look random and are the same each time.
pub(super) fn drawn(what: &str, number: u64) -> [u8; 32] {
    digest(&[what.as_bytes(), &number.to_le_bytes()]).0
}

pub(super) fn short<const N: usize>(what: &str, number: u64) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&drawn(what, number)[..N]);
    bytes
}

/// A nonce that is used for nothing else, since it follows from what is sealed and where.
pub(super) fn nonce(place: &str, plain: &[u8]) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes.copy_from_slice(&digest(&[b"nonce", place.as_bytes(), plain]).0[..NONCE_LEN]);
    Nonce(bytes)
}

pub(super) fn front() -> Front {
    Front { cost: COST, salt: short("salt", 0), profile: short("profile", 0) }
}

pub(super) fn passphrase_key() -> Key {
    let mut out = [0; 32];
    let params = Params::new(COST.memory_kib, COST.passes, COST.lanes, Some(32)).expect("a cost within its bounds");
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon.hash_password_into(PASSPHRASE.as_bytes(), &front().salt, &mut out).expect("a salt of 16 bytes");
    Key::new(out)
}

/// A record that asks to send a message: `number` tells one from another.
fn send(number: u64) -> Record {
    let [(_, record), ..] = kinds();
    let Event::Requested { intent, .. } = record.event else { unreachable!("the first kind is Requested") };
    Record { stamp: Stamp(CREATED.0 + number * 1000), event: Event::Requested { id: IntentId(short("intent", number)), intent } }
}

fn sends(numbers: std::ops::Range<u64>) -> Vec<Record> {
    numbers.map(send).collect()
}

/// A record's bytes with a payload of one's own.
fn raw(tag: u16, version: u16, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("a short payload");
    [&tag.to_le_bytes()[..], &version.to_le_bytes(), &len.to_le_bytes(), &CREATED.0.to_le_bytes(), payload].concat()
}

/// A Requested record's payload with an intent of one's own bytes.
fn asking(intent: &[u8]) -> Vec<u8> {
    [&[11; 16][..], intent].concat()
}

impl Making {
    fn new() -> Making {
        let fresh = ClientRules::fresh();
        Making {
            files: BTreeMap::new(),
            keys: BTreeMap::new(),
            durable: (Seq::ZERO, Digest([0; 32])),
            records: Vec::new(),
            state: fresh,
            segments: 0,
        }
    }

    fn begin(&mut self) -> Segment {
        self.begin_as(RulesVersion(1))
    }

    fn begin_as(&mut self, rules: RulesVersion) -> Segment {
        self.segments += 1;
        let id = SegmentId(short("segment", self.segments.into()));
        let key = drawn("segment key", self.segments.into());
        self.keys.insert((Kind::Segment, id.0), key);
        let (last, previous) = self.durable;
        let header = Header { segment: id, rules, first: last.next(), created: CREATED, previous }.encode();
        let (_, chain) = Header::parse(&header).expect("our own header");
        let file = format!("journal/{:016x}-{}.seg", last.0 + 1, id.hex());
        self.files.insert(file.clone(), header);
        Segment { file, key: Key::new(key), chain, index: 0, id, rules }
    }

    /// A block of records. Returns where in its file it begins.
    fn block(&mut self, segment: &mut Segment, records: &[Record]) -> usize {
        for (at, record) in records.iter().enumerate() {
            let place = Place { segment: segment.id, seq: Seq(self.durable.0.0 + 1 + at as u64), stamp: record.stamp };
            ClientRules::reduce(segment.rules, &mut self.state, place, &record.event);
        }
        self.block_of(segment, records.len(), super::encoded(records))
    }

    /// A block of which a byte of the header is altered before it is sealed, and which may have more records than one has. The check
    /// holds, if it is not what was altered.
    fn block_altered(&mut self, segment: &mut Segment, records: &[Record], byte: usize) -> usize {
        let (chain, nonce) = (segment.chain, nonce("altered", &[u8::try_from(byte).expect("a header's byte")]));
        let at = self.block(segment, &records[..records.len().min(512)]);
        let mut sealed = super::encoded(records);
        let file = self.files.get_mut(&segment.file).expect("a segment that was begun");
        let mut block = file[at..at + 64].to_vec();
        block[16..20].copy_from_slice(&u32::try_from(sealed.len() + 16).expect("a small block").to_le_bytes());
        block[24..36].copy_from_slice(&nonce.0);
        block[byte] ^= 1;
        if byte < 48 {
            check_again(&mut block, 0, 48, 16);
        }
        segment.key.seal(nonce, &[&block[..], &chain.0].concat(), &mut sealed).expect("a small block");
        block.extend_from_slice(&sealed);
        file.splice(at.., block.iter().copied());
        segment.chain = block::after(chain, &block);
        self.durable.1 = segment.chain;
        at
    }

    /// A block of bytes that stand for so many records.
    fn block_of(&mut self, segment: &mut Segment, records: usize, plain: Vec<u8>) -> usize {
        let nonce = nonce(&format!("{} {}", segment.file, segment.index), &plain);
        let first = self.durable.0.next();
        let (mut rest, mut seq) = (plain.as_slice(), first);
        while let Ok((record, after)) = Record::take(rest) {
            self.records.push((seq, record));
            (rest, seq) = (after, seq.next());
        }
        let (bytes, after) =
            block::seal(&segment.key, nonce, segment.chain, first, segment.index, records, plain).expect("a block within its bounds");
        segment.chain = after;
        segment.index += 1;
        self.durable = (Seq(self.durable.0.0 + records as u64), after);
        let file = self.files.get_mut(&segment.file).expect("a segment that was begun");
        file.extend_from_slice(&bytes);
        file.len() - bytes.len()
    }

    fn snapshot(&mut self) -> String {
        self.snapshot_as(RulesVersion(1), self.durable.1)
    }

    fn snapshot_as(&mut self, rules: RulesVersion, chain: Digest) -> String {
        let (seq, _) = self.durable;
        let plain = encode(&(Carried::new(), &self.state)).expect("a small state");
        self.snapshot_of(SnapshotHead { rules, seq, stamp: CREATED, chain, id: short("snapshot", seq.0) }, plain)
    }

    /// A snapshot of what is given, under the name of the last record's place.
    fn snapshot_of(&mut self, head: SnapshotHead, plain: Vec<u8>) -> String {
        let (seq, _) = self.durable;
        let key = drawn("snapshot key", seq.0);
        self.keys.insert((Kind::Snapshot, head.id), key);
        let file = format!("snapshots/{:016x}.snap", seq.0);
        let bytes = snapshot::seal(&Key::new(key), nonce(&file, &plain), &head, plain).expect("a small state");
        self.files.insert(file.clone(), bytes);
        file
    }

    fn keys_file(&self) -> Vec<u8> {
        let sealed = nonce("keys", &[]);
        let mut keys = Keys::create(front(), &passphrase_key(), Key::new(drawn("account key", 0)), sealed).expect("a new account key");
        for ((kind, id), key) in &self.keys {
            keys.add(*kind, *id, &Key::new(*key), nonce("entry", id)).expect("room for a key");
        }
        keys.encode().expect("few keys")
    }

    fn bytes(&mut self, file: &str) -> &mut Vec<u8> {
        self.files.get_mut(file).expect("a file that was made")
    }

    fn vector(self, name: &'static str, comment: &'static str, expected: Expected) -> Vector {
        let Making { files: made, durable, .. } = &self;
        let mut files = made.clone();
        files.entry("keys".to_owned()).or_insert_with(|| self.keys_file());
        let (last, records) = (*durable, self.records);
        let passphrase = PASSPHRASE;
        Vector {
            name,
            comment,
            passphrase,
            remembered: None,
            taken: None,
            expected,
            last,
            snapshot: None,
            records,
            pieces: Vec::new(),
            files,
        }
    }

    fn ok(self, name: &'static str, comment: &'static str) -> Vector {
        self.vector(name, comment, Expected::Ok)
    }
}

/// A block's file, its first byte there, and its last record's place with the chain after it.
type At = (String, usize, (Seq, Digest));

/// Three segments of three, one and two blocks: eleven records.
fn life() -> (Making, Vec<At>) {
    let mut making = Making::new();
    let mut blocks = Vec::new();
    let mut number = 0;
    for sizes in [&[1, 3, 2][..], &[1], &[2, 2]] {
        let mut segment = making.begin();
        for size in sizes {
            let at = making.block(&mut segment, &sends(number..number + size));
            number += size;
            blocks.push((segment.file.clone(), at, making.durable));
        }
    }
    (making, blocks)
}

/// One segment with two blocks, of which the second holds what is given.
fn second(records: usize, plain: Vec<u8>) -> (Making, String, usize) {
    let mut making = Making::new();
    let mut segment = making.begin();
    making.block(&mut segment, &sends(0..2));
    let at = making.block_of(&mut segment, records, plain);
    (making, segment.file, at)
}

fn damaged(file: &str, at: usize) -> Expected {
    Expected::Damaged(file.to_owned(), at)
}

fn torn(file: &str, at: usize) -> Expected {
    Expected::Torn(vec![(file.to_owned(), at)])
}

/// A check over a part is true again, whatever was altered in it.
pub(super) fn check_again(bytes: &mut [u8], from: usize, checked: usize, check: usize) {
    let hash = digest(&[&bytes[from..from + checked]]);
    bytes[from + checked..from + checked + check].copy_from_slice(&hash.0[..check]);
}

fn valid() -> Vec<Vector> {
    let mut vectors = vec![Making::new().ok("valid-empty", "A profile that was just made: no segment, no snapshot.")];

    let mut making = Making::new();
    let mut segment = making.begin();
    making.block(&mut segment, &[send(0)]);
    vectors.push(making.ok("valid-one-record", "One segment, one block, one record."));

    let mut making = Making::new();
    let mut segment = making.begin();
    making.block(&mut segment, &every_variant());
    vectors.push(making.ok("valid-every-variant", "A record of every variant of every part, in one block."));

    let mut making = Making::new();
    let mut segment = making.begin();
    making.block(&mut segment, &every_variant_of_groups());
    vectors.push(making.ok("valid-groups", "A record of every variant that came with groups, in one block."));

    let mut making = Making::new();
    let mut segment = making.begin();
    making.block(&mut segment, &sends(0..512));
    vectors.push(making.ok("valid-512-records", "As many records as a block may have."));

    // A length of 24 for a text in the long forms, and of 7 for the number of a variant.
    let longer = [&[0xFB, 0, 0][..], &[0xFC, 1, 0, 0, 0], b"x", &[0, 0]].concat();
    let (making, _, _) = second(1, raw(1, 1, &asking(&longer)));
    vectors.push(making.ok("valid-longer-varints", "The second block's record has varints in longer forms than a writer takes."));

    let (making, _) = life();
    vectors.push(making.ok("valid-three-segments", "Three segments of three, one and two blocks: the chain runs through them."));

    // As when a crash undid the removal of a segment that never got its block, and its place was taken since.
    let (mut making, _) = life();
    let second = making.files.keys().filter(|file| file.starts_with("journal/")).nth(1).expect("three segments").clone();
    let mut header = making.files[&second][..128].to_vec();
    header[64..80].copy_from_slice(&[0; 16]);
    check_again(&mut header, 0, 96, 32);
    let empty = format!("{}{}.seg", &second[..second.len() - 36], "0".repeat(32));
    making.keys.insert((Kind::Segment, [0; 16]), drawn("segment key", 99));
    making.files.insert(empty, header);
    vectors.push(making.ok("valid-empty-segment", "A segment without a block before one that has its place: it is left out."));

    let (mut making, blocks) = life();
    making.files.insert("journal/notes.txt".to_owned(), b"not ours".to_vec());
    making.files.insert("journal/0000000000000001.seg".to_owned(), Vec::new());
    making.files.insert("snapshots/000000000000000b.snap.new".to_owned(), b"THICKSNP, cut short by a crash".to_vec());
    making.files.insert("snapshots/notes.txt".to_owned(), b"not ours".to_vec());
    making.files.insert("keys.new".to_owned(), b"THICKKEY".to_vec());
    vectors.push(making.ok("valid-other-files", "Files of other names beside segments and snapshots, and what crashes leave."));

    let (making, _) = life();
    let remembered = blocks[2].2;
    let vector = making.ok("valid-remembered", "The vault remembers a block in the middle, which is there.");
    vectors.push(Vector { remembered: Some(remembered), ..vector });

    let (mut making, _) = life();
    making.snapshot();
    let at = making.durable.0;
    vectors.push(Vector { snapshot: Some(at), ..making.ok("valid-snapshot", "A snapshot at the last record.") });

    for (name, comment, lost) in [
        ("valid-snapshot-and-tail", "Two snapshots with records after each: the newer one is used.", 0),
        ("valid-damaged-snapshot", "As before, and the newer snapshot has a wrong bit: the older one is used.", 1),
        ("valid-damaged-snapshots", "As before, and both have a wrong bit: the journal alone gives the state.", 2),
        ("valid-snapshot-without-a-key", "As before, and the newer one has no key.", 3),
        ("valid-cut-snapshot", "As before, and the newer one is cut.", 4),
        ("valid-snapshot-without-rules", "As before, and the newer one has rules version 0, under a true SHA-256.", 5),
    ] {
        let (making, snapshots) = with_two_snapshots();
        let mut vector = damage_snapshots(making, &snapshots, lost).ok(name, comment);
        let used = match lost {
            0 => Some(snapshots[1].1),
            2 => None,
            _ => Some(snapshots[0].1),
        };
        vector.snapshot = used;
        vectors.push(vector);
    }

    let file_left = "As before, and the file is left: its key is gone, so it is passed by.";
    let begins = "The first segment has retired, and the newest snapshot is damaged: the one where the journal begins is taken.";
    for (name, comment, left, damaged) in [
        ("valid-retired", "The first segment has retired: neither key nor file is left, and a snapshot covers it.", false, false),
        ("valid-retired-file-left", file_left, true, false),
        ("valid-retired-snapshot-before", begins, false, true),
        ("valid-retired-snapshot-before-file-left", file_left, true, true),
    ] {
        let (mut making, snapshots) = with_two_snapshots();
        let first = making.files.keys().find(|file| file.starts_with("journal/")).expect("a segment").clone();
        let id: [u8; 16] = making.files[&first][64..80].try_into().expect("16 bytes");
        making.keys.remove(&(Kind::Segment, id));
        if !left {
            making.files.remove(&first);
        }
        if damaged {
            *making.bytes(&snapshots[1].0).last_mut().expect("a snapshot") ^= 1;
        }
        let used = snapshots[if damaged { 0 } else { 1 }].1;
        vectors.push(Vector { snapshot: Some(used), ..making.ok(name, comment) });
    }

    let (mut making, snapshots) = with_two_snapshots();
    let first = making.files.keys().find(|file| file.starts_with("journal/")).expect("a segment").clone();
    let id: [u8; 16] = making.files[&first][64..80].try_into().expect("16 bytes");
    making.files.remove(&first);
    let comment = "The first segment's file is gone as if it had retired, but its key is there: somebody took it away.";
    vectors.push(Vector { snapshot: Some(snapshots[1].1), taken: Some(id), ..making.ok("valid-segment-taken", comment) });

    let (mut making, at) = restored();
    let mut segment = making.begin();
    making.block(&mut segment, &[Record { stamp: CREATED, event: requested(Intent::Restore) }]);
    making.block(&mut segment, &sends(0..2));
    let comment = "A profile that was restored: a snapshot, and a segment that goes on from it, as after the retirement of all before.";
    vectors.push(Vector { snapshot: Some(at), ..making.ok("valid-restored", comment) });

    vectors
}

/// A snapshot of a journal of which nothing else is there.
fn restored() -> (Making, Seq) {
    let (mut making, _) = life();
    making.snapshot();
    making.files.retain(|file, _| !file.starts_with("journal/"));
    making.keys.retain(|(kind, _), _| *kind == Kind::Snapshot);
    making.records.clear();
    let (at, _) = making.durable;
    (making, at)
}

/// A segment, a snapshot, a segment with another snapshot after its first block, and a segment: snapshots' files and places.
fn with_two_snapshots() -> (Making, [(String, Seq); 2]) {
    let mut making = Making::new();
    let mut segment = making.begin();
    making.block(&mut segment, &sends(0..2));
    making.block(&mut segment, &sends(2..3));
    let older = (making.snapshot(), making.durable.0);
    let mut segment = making.begin();
    making.block(&mut segment, &sends(3..5));
    let newer = (making.snapshot(), making.durable.0);
    making.block(&mut segment, &sends(5..6));
    let mut segment = making.begin();
    making.block(&mut segment, &sends(6..8));
    (making, [older, newer])
}

fn damage_snapshots(mut making: Making, snapshots: &[(String, Seq); 2], how: u8) -> Making {
    let [(older, _), (newer, _)] = snapshots;
    match how {
        1 | 2 => {
            making.bytes(newer)[200] ^= 1;
            if how == 2 {
                making.bytes(older)[100] ^= 1;
            }
        }
        3 => {
            let id: [u8; 16] = making.files[newer][64..80].try_into().expect("16 bytes");
            making.keys.remove(&(Kind::Snapshot, id));
        }
        4 => making.bytes(newer).truncate(150),
        5 => {
            let bytes = making.bytes(newer);
            bytes[12] = 0;
            check_again(bytes, 0, 96, 32);
        }
        _ => {}
    }
    making
}

/// The end of the last write is cut, or is what the disk held before.
fn torn_tails() -> Vec<Vector> {
    let mut vectors = Vec::new();
    let (whole, blocks) = life();
    let [.., (_, _, before), (file, at, _)] = blocks.as_slice() else { unreachable!("six blocks") };
    for (name, comment, keep) in [
        ("torn-block-header", "The last block was cut within its header.", 63),
        ("torn-block", "The last block was cut within what it seals.", 100),
        ("torn-block-by-a-byte", "The last block lacks its last byte.", usize::MAX),
    ] {
        let mut making = whole.clone();
        let bytes = making.bytes(file);
        let len = if keep == usize::MAX { bytes.len() - 1 } else { at + keep };
        bytes.truncate(len);
        vectors.push(Vector { last: *before, ..making.vector(name, comment, torn(file, *at)) });
    }

    let mut making = whole.clone();
    making.bytes(file)[at + 70] ^= 1;
    let comment = "The last block's seal does not open: not all of it was written.";
    vectors.push(Vector { last: *before, ..making.vector("torn-seal", comment, torn(file, *at)) });

    for (name, comment, tail) in [
        ("torn-zeros", "Zeros behind the last block: space that was never written to.", vec![0; 4096]),
        ("torn-garbage", "Bytes without meaning behind the last block.", drawn("garbage", 0).repeat(8)),
    ] {
        let mut making = whole.clone();
        let bytes = making.bytes(file);
        let end = bytes.len();
        bytes.extend_from_slice(&tail);
        vectors.push(making.vector(name, comment, torn(file, end)));
    }

    for (name, comment, keep) in [
        ("torn-first-block", "The newest segment's only block was cut: the file goes.", 128 + 70),
        ("torn-header-alone", "The newest segment has no block: the file goes.", 128),
        ("torn-header", "The newest segment was cut within its header: the file goes.", 60),
        ("torn-empty-file", "The newest segment is an empty file: it goes.", 0),
    ] {
        let (mut making, _) = life();
        let last = making.durable;
        let mut segment = making.begin();
        making.block(&mut segment, &sends(20..21));
        making.bytes(&segment.file).truncate(keep);
        vectors.push(Vector { last, ..making.vector(name, comment, torn(&segment.file, 0)) });
    }

    let (mut making, _) = life();
    let (last, segment) = (making.durable, making.begin());
    making.keys.retain(|(kind, id), _| *kind != Kind::Segment || making.files[&segment.file][64..80] != *id);
    let comment = "The newest segment has no block and no key, as its creation begins: the file goes.";
    vectors.push(Vector { last, ..making.vector("torn-header-without-a-key", comment, torn(&segment.file, 0)) });
    vectors
}

fn bad_keys() -> Vec<Vector> {
    let made = |name, comment, expected, alter: &dyn Fn(&mut Vec<u8>)| {
        let (mut making, _) = life();
        let mut keys = making.keys_file();
        alter(&mut keys);
        making.files.insert("keys".to_owned(), keys);
        making.vector(name, comment, Expected::Other(expected))
    };
    // As one who knows the account key could.
    fn authentic(keys: &mut Vec<u8>) {
        keys.truncate(keys.len() - 32);
        let mac = Key::new(drawn("account key", 0)).derive("thicket.keys-mac.v1").expect("a purpose").mac(keys);
        keys.extend_from_slice(&mac);
    }
    let other = Making::new().vector("keys-wrong-passphrase", "Another passphrase.", Expected::Other("wrong-passphrase"));
    vec![
        Vector { passphrase: "correct horse battery stable", ..other },
        made("keys-magic", "The keys file begins with another magic.", "keys-damaged", &|keys| keys[0] ^= 1),
        made("keys-version", "Format version 2.", "newer", &|keys| keys[8] = 2),
        made("keys-suite", "Suite 2.", "newer", &|keys| keys[10] = 2),
        made("keys-salt", "A wrong bit in the salt.", "keys-damaged", &|keys| keys[30] ^= 1),
        made("keys-account-key", "A wrong bit in the sealed account key.", "keys-damaged", &|keys| keys[80] ^= 1),
        made("keys-cost", "An Argon2id memory of 4 TiB, under a true SHA-256: refused before it is tried.", "keys-damaged", &|keys| {
            keys[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
            check_again(keys, 0, 116, 32);
        }),
        made("keys-passes", "65 passes of Argon2id, under a true SHA-256.", "keys-damaged", &|keys| {
            keys[16] = 65;
            check_again(keys, 0, 116, 32);
        }),
        made("keys-lanes", "Two lanes of Argon2id in 8 KiB, under a true SHA-256: eight for each are needed.", "keys-damaged", &|keys| {
            keys[12..24].copy_from_slice(&[8, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]);
            check_again(keys, 0, 116, 32);
        }),
        made("keys-account-key-altered", "The sealed account key is altered under a true SHA-256.", "wrong-passphrase", &|keys| {
            keys[80] ^= 1;
            check_again(keys, 0, 116, 32);
        }),
        made("keys-hmac", "An entry is altered.", "keys-damaged", &|keys| keys[200] ^= 1),
        made("keys-cut", "The file is cut within its entries.", "keys-damaged", &|keys| keys.truncate(250)),
        made("keys-cut-front", "The file is cut within what stands in clear.", "keys-damaged", &|keys| keys.truncate(40)),
        made("keys-kind", "An entry of kind 3, under a true HMAC.", "newer", &|keys| {
            keys[152 + 16] = 3;
            authentic(keys);
        }),
        made("keys-count", "16,385 entries, under a true HMAC.", "keys-damaged", &|keys| {
            keys[148..152].copy_from_slice(&16_385_u32.to_le_bytes());
            authentic(keys);
        }),
        made("keys-rest", "One byte behind the entries, under a true HMAC.", "keys-damaged", &|keys| {
            keys.truncate(keys.len() - 32);
            keys.extend_from_slice(&[0; 1 + 32]);
            authentic(keys);
        }),
    ]
}

fn bad_segments() -> Vec<Vector> {
    let (whole, blocks) = life();
    let [first, second, _, middle, _, last] = blocks.as_slice() else { unreachable!("six blocks") };
    let made = |name, comment, expected, alter: &dyn Fn(&mut Making)| {
        let mut making = whole.clone();
        alter(&mut making);
        making.vector(name, comment, expected)
    };
    let id_of = |making: &Making, file: &str| -> [u8; 16] { making.files[file][64..80].try_into().expect("16 bytes") };
    let mut vectors = vec![
        made("segment-magic", "The first segment begins with another magic.", damaged(&first.0, 0), &|making| {
            making.bytes(&first.0)[0] ^= 1
        }),
        made("segment-version", "The first segment has format version 2.", Expected::Other("newer"), &|making| {
            making.bytes(&first.0)[8] = 2
        }),
        made("segment-newest-version", "The newest has it: it is no torn header.", Expected::Other("newer"), &|making| {
            making.bytes(&last.0)[8] = 2;
        }),
        made("segment-suite", "The first segment has suite 2.", Expected::Other("newer"), &|making| making.bytes(&first.0)[10] = 2),
        made("segment-check", "A wrong bit in the second segment's header.", damaged(&middle.0, 0), &|making| {
            making.bytes(&middle.0)[30] ^= 1
        }),
        made("segment-newest-check", "A wrong bit in the newest's header, with whole blocks behind it.", damaged(&last.0, 0), &|making| {
            making.bytes(&last.0)[30] ^= 1;
        }),
        made("segment-zeros", "A byte that has to be zero is not, under a true SHA-256.", damaged(&middle.0, 0), &|making| {
            let bytes = making.bytes(&middle.0);
            bytes[90] = 1;
            check_again(bytes, 0, 96, 32);
        }),
        made("segment-first", "The second segment says that it begins at 6, under a true SHA-256.", damaged(&middle.0, 0), &|making| {
            let bytes = making.bytes(&middle.0);
            bytes[16] = 6;
            check_again(bytes, 0, 96, 32);
        }),
        made("segment-chain", "The second segment names another chain, under a true SHA-256.", damaged(&middle.0, 0), &|making| {
            let bytes = making.bytes(&middle.0);
            bytes[40] ^= 1;
            check_again(bytes, 0, 96, 32);
        }),
        made(
            "segment-first-chain",
            "The first segment begins at 1 and names a chain, under a true SHA-256.",
            damaged(&first.0, 0),
            &|making| {
                let bytes = making.bytes(&first.0);
                bytes[40] ^= 1;
                check_again(bytes, 0, 96, 32);
            },
        ),
        made("segment-no-rules", "The second segment has rules version 0, under a true SHA-256.", damaged(&middle.0, 0), &|making| {
            let bytes = making.bytes(&middle.0);
            bytes[12] = 0;
            check_again(bytes, 0, 96, 32);
        }),
        made(
            "block-last-index",
            "The last block says another index, under a true check: it was written whole.",
            damaged(&last.0, last.1),
            &|making| {
                let bytes = making.bytes(&last.0);
                bytes[last.1 + 20] = 2;
                check_again(bytes, last.1, 48, 16);
            },
        ),
        made(
            "block-last-later",
            "The last block says a later Seq, under a true check: one before it is gone.",
            damaged(&last.0, last.1),
            &|making| {
                let bytes = making.bytes(&last.0);
                bytes[last.1 + 8] += 1;
                check_again(bytes, last.1, 48, 16);
            },
        ),
        made("block-last-earlier", "The last block says an earlier Seq, under a true check.", damaged(&last.0, last.1), &|making| {
            let bytes = making.bytes(&last.0);
            bytes[last.1 + 8] -= 1;
            check_again(bytes, last.1, 48, 16);
        }),
        made("segment-lost", "The second segment is gone.", damaged(&last.0, 0), &|making| {
            making.files.remove(&middle.0);
        }),
        made("segment-without-a-key", "The second segment has no key.", damaged(&middle.0, 0), &|making| {
            let id = id_of(making, &middle.0);
            making.keys.remove(&(Kind::Segment, id));
        }),
        made(
            "segment-first-lost",
            "The first segment is gone, and no snapshot covers it.",
            Expected::Other("journal-damaged"),
            &|making| {
                making.files.remove(&first.0);
            },
        ),
        made("segment-key-of-another", "The second segment has another's key.", damaged(&middle.0, 128), &|making| {
            let (id, other) = (id_of(making, &middle.0), id_of(making, &first.0));
            let key = making.keys[&(Kind::Segment, other)];
            making.keys.insert((Kind::Segment, id), key);
        }),
        made("block-middle", "A wrong bit in what a block seals, with another block behind it.", damaged(&first.0, second.1), &|making| {
            making.bytes(&first.0)[second.1 + 80] ^= 1;
        }),
        made(
            "block-middle-header",
            "A wrong bit in a block's header, with another block behind it.",
            damaged(&first.0, second.1),
            &|making| {
                making.bytes(&first.0)[second.1 + 20] ^= 1;
            },
        ),
        made("block-older-cut", "The last block of a segment that is not the newest is cut.", damaged(&middle.0, middle.1), &|making| {
            let len = making.files[&middle.0].len();
            making.bytes(&middle.0).truncate(len - 1);
        }),
        made(
            "block-zeros",
            "A block's header has a byte that has to be zero, under a true check.",
            damaged(&first.0, first.1),
            &|making| {
                let bytes = making.bytes(&first.0);
                bytes[first.1 + 40] = 1;
                check_again(bytes, first.1, 48, 16);
            },
        ),
        made("block-index", "A block says another index, under a true check.", damaged(&first.0, second.1), &|making| {
            let bytes = making.bytes(&first.0);
            bytes[second.1 + 20] = 2;
            check_again(bytes, second.1, 48, 16);
        }),
        made("block-swapped", "The second segment's block in the first one's place.", damaged(&first.0, first.1), &|making| {
            let block = making.files[&middle.0][middle.1..].to_vec();
            let bytes = making.bytes(&first.0);
            let rest = bytes[second.1..].to_vec();
            bytes.truncate(first.1);
            bytes.extend_from_slice(&block);
            bytes.extend_from_slice(&rest);
        }),
        made("block-dropped", "A block in the middle is gone.", damaged(&first.0, second.1), &|making| {
            let bytes = making.bytes(&first.0);
            bytes.drain(second.1..blocks[2].1);
        }),
        made("block-doubled", "A block stands twice.", damaged(&first.0, second.1), &|making| {
            let bytes = making.bytes(&first.0);
            let block = bytes[first.1..second.1].to_vec();
            let rest = bytes.split_off(second.1);
            bytes.extend_from_slice(&block);
            bytes.extend_from_slice(&rest);
        }),
    ];
    let mut remembering =
        made("block-remembered", "The last block is cut, and the vault remembers it.", damaged(&last.0, last.1), &|making| {
            let len = making.files[&last.0].len();
            making.bytes(&last.0).truncate(len - 1);
        });
    remembering.remembered = Some(last.2);
    vectors.push(remembering);
    let mut making = Making::new();
    let mut segment = making.begin_as(RulesVersion(2));
    making.block(&mut segment, &sends(0..1));
    vectors.push(making.clone().vector("segment-rules", "A segment of rules version 2.", Expected::Other("newer")));
    making.block(&mut segment, &sends(1..2));
    making.bytes(&segment.file).pop();
    let comment = "A segment of rules version 2 of which the last block is cut: nothing is changed.";
    vectors.push(making.vector("segment-rules-torn", comment, Expected::Other("newer")));
    vectors
}

fn bad_records() -> Vec<Vector> {
    let payload = |intent: &[u8]| raw(1, 1, &asking(intent));
    let text = |bytes: &[u8]| [&[2, bytes.len() as u8][..], bytes].concat();
    let good = super::encoded(&[send(5)]);
    let mut vectors = Vec::new();
    for (name, comment, records, plain, newer) in [
        ("record-tag", "A record of tag 5.", 1, raw(5, 1, &[]), true),
        ("record-version", "A Requested record of version 2.", 1, raw(1, 2, &asking(&[1])), true),
        ("record-rest", "A payload with one byte left over.", 1, payload(&[1, 0]), false),
        ("record-cut", "A record whose payload is shorter than it says.", 1, good[..good.len() - 1].to_vec(), false),
        ("record-head-cut", "A record of 15 bytes.", 1, good[..15].to_vec(), false),
        ("record-length", "A record that says 131,073 bytes.", 1, [&good[..4], &131_073_u32.to_le_bytes(), &good[8..]].concat(), false),
        ("record-count-less", "A block that says two records and has one.", 2, good.clone(), false),
        ("record-count-more", "A block that says one record and has two.", 1, good.repeat(2), false),
        ("record-variant", "An intent of number 200.", 1, payload(&[200]), false),
        ("record-bool", "A bool of 2.", 1, raw(3, 1, &[1, 2]), false),
        ("record-option", "An option of 2.", 1, payload(&[0, 1, b'x', 2, 0]), false),
        ("record-varint", "A varint that begins with 254.", 1, payload(&[254]), false),
        ("record-varint-wide", "A varint of eight bytes for a variant's number.", 1, payload(&[253, 1, 0, 0, 0, 0, 0, 0, 0]), false),
        ("record-length-there", "A record of 131,073 bytes that are there.", 1, one_too_long(), false),
        ("record-name-marks", "A name without a letter or a digit.", 1, payload(&text(b"_-")), false),
        ("record-text", "A name that is not UTF-8.", 1, payload(&text(&[0xFF, b'a'])), false),
        ("record-name", "A name with a space.", 1, payload(&text(b"a b")), false),
        ("record-name-server", "The name Server.", 1, payload(&text(b"Server")), false),
        ("record-address", "An address with a space.", 1, payload(&[0, 1, b' ', 0, 0]), false),
        ("record-code", "An error of number 99.", 1, raw(2, 1, &[&[12; 32][..], &[1, 3, 0, 99]].concat()), false),
        (
            "record-forged-length",
            "A byte string that says 2^40 bytes.",
            1,
            raw(2, 1, &[&[12; 32][..], &[1, 0, 253, 0, 0, 0, 0, 0, 1, 0, 0]].concat()),
            false,
        ),
        ("record-limit", "100,000 message ids would be 1.6 MB: past the limit of what is made.", 1, over_the_limit(), false),
    ] {
        let (making, file, at) = second(records, plain);
        let expected = if newer { Expected::Other("newer") } else { damaged(&file, at) };
        vectors.push(making.vector(name, comment, expected));
    }
    vectors
}

/// An answer that arrived, of one byte more than a payload may have.
fn one_too_long() -> Vec<u8> {
    let len: usize = 131_073 - 39;
    let len_bytes = u32::try_from(len).expect("a short answer").to_le_bytes();
    raw(2, 1, &[&[12; 32][..], &[0, 0, 252], &len_bytes, &vec![7; len]].concat())
}

/// 131,072 bytes of Resolved, Begun, which say that they are more ids than they hold.
fn over_the_limit() -> Vec<u8> {
    let count = 100_000_u32.to_le_bytes();
    let head = [&[1, 0][..], &[1; 16], &[5, 252], &count].concat();
    raw(4, 1, &[&head[..], &vec![7; 131_072 - head.len()]].concat())
}

fn bad_snapshots() -> Vec<Vector> {
    let (mut making, snapshots) = with_two_snapshots();
    let (_, newer) = &snapshots[1];
    let file = snapshots[1].0.clone();
    let mut vectors = Vec::new();
    let mut versioned = making.clone();
    let bytes = versioned.bytes(&file);
    bytes[8] = 2;
    check_again(bytes, 0, 96, 32);
    vectors.push(versioned.vector("snapshot-version", "The newer snapshot has format version 2.", Expected::Other("newer")));
    let mut ruled = making.clone();
    let bytes = ruled.bytes(&file);
    bytes[12] = 2;
    check_again(bytes, 0, 96, 32);
    vectors.push(ruled.vector("snapshot-rules", "The newer snapshot has rules version 2.", Expected::Other("newer")));

    // The newest segment and the tail behind the snapshot are gone, and the block that ends with it as well.
    let segments: Vec<String> = making.files.keys().filter(|file| file.starts_with("journal/")).cloned().collect();
    making.files.retain(|file, _| *file != segments[2] && *file != segments[1]);
    let comment = "The journal ends before the snapshot's place.";
    vectors.push(making.vector("rolled-back-snapshot", comment, Expected::Other("rolled-back")));

    let (mut making, _) = life();
    making.snapshot_as(RulesVersion(1), Digest([9; 32]));
    let mut segment = making.begin();
    making.block(&mut segment, &sends(30..31));
    let comment = "The newest snapshot is of another history: its chain is not the journal's.";
    vectors.push(making.vector("rolled-back-snapshots-chain", comment, Expected::Other("rolled-back")));

    for (name, comment, skipped, chain) in [
        ("restored-gap", "A journal whose first segment begins two after the snapshot.", 1, None),
        ("restored-chain", "A journal whose first segment begins after the snapshot, under another chain.", 0, Some(Digest([9; 32]))),
    ] {
        let (mut making, at) = restored();
        making.durable = (Seq(at.0 + skipped), chain.unwrap_or(making.durable.1));
        let mut segment = making.begin();
        making.block(&mut segment, &sends(0..2));
        let file = segment.file.clone();
        vectors.push(making.vector(name, comment, damaged(&file, 0)));
    }

    let (mut making, _) = restored();
    let mut segment = making.begin();
    let at = making.block(&mut segment, &[Record { stamp: CREATED, event: requested(Intent::Restore) }]);
    let bytes = making.bytes(&segment.file);
    *bytes.last_mut().expect("a block") ^= 1;
    let comment = "The first block of a profile that was restored has a wrong bit: it can't be torn.";
    vectors.push(making.vector("restored-first-block", comment, damaged(&segment.file, at)));

    let (making, _) = life();
    let (last, chain) = making.durable;
    let short =
        making.clone().vector("rolled-back-remembered", "The vault remembers a block after the last.", Expected::Other("rolled-back"));
    vectors.push(Vector { remembered: Some((Seq(last.0 + 1), chain)), ..short });
    let other = making.vector(
        "rolled-back-remembered-chain",
        "The vault remembers another block at the last place.",
        Expected::Other("rolled-back"),
    );
    vectors.push(Vector { remembered: Some((last, Digest([9; 32]))), ..other });

    let (making, _) = with_two_snapshots();
    let (seq, chain) = (*newer, Digest([9; 32]));
    let comment = "The vault remembers another block at the snapshot's place.";
    let other = making.vector("rolled-back-remembered-at-snapshot", comment, Expected::Other("rolled-back"));
    vectors.push(Vector { remembered: Some((seq, chain)), ..other });
    vectors
}

pub(super) fn every_vector() -> Vec<Vector> {
    [valid(), torn_tails(), bad_keys(), bad_segments(), bad_records(), bad_snapshots(), edges(), archives()].into_iter().flatten().collect()
}

impl Vector {
    /// The file's bytes: what is expected, then each file of the profile.
    fn encode(&self) -> Vec<u8> {
        let mut head = format!("thicket-journal-vector 1\ncomment: {}\npassphrase: {}\n", self.comment, self.passphrase);
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(head, "{name}: {value}");
        };
        if let Some((seq, chain)) = self.remembered {
            line("remembered", &format!("{} {}", seq.0, super::hex(&chain.0)));
        }
        let (expected, at) = match &self.expected {
            Expected::Ok => ("ok", None),
            Expected::Torn(cuts) => ("torn", Some(cuts.iter().map(|(file, at)| format!("{file} {at}")).collect::<Vec<_>>().join(", "))),
            Expected::Damaged(file, at) => ("journal-damaged", Some(format!("{file} {at}"))),
            Expected::Other(expected) => (*expected, None),
        };
        line("expect", expected);
        if let Some(at) = at {
            line("at", &at);
        }
        if matches!(self.expected, Expected::Ok | Expected::Torn(..)) {
            let (last, chain) = self.last;
            line("last", &last.0.to_string());
            line("chain", &super::hex(&chain.0));
            if let Some(taken) = self.taken {
                line("taken", &super::hex(&taken));
            }
            let listing = if self.pieces.is_empty() {
                line("snapshot", &self.snapshot.map_or_else(|| "none".to_owned(), |seq| seq.0.to_string()));
                let listed = self.records.iter().filter(|(seq, _)| Some(*seq) > self.snapshot && *seq <= last);
                listed.map(|(seq, record)| line_of(*seq, record)).collect()
            } else {
                line("pieces", &self.pieces.len().to_string());
                self.pieces.concat()
            };
            line("listing", &super::hex(&digest(&[listing.as_bytes()]).0));
        }
        head.push('\n');
        let mut bytes = head.into_bytes();
        for (name, file) in &self.files {
            bytes.extend_from_slice(format!("file {name} {}\n", file.len()).as_bytes());
            bytes.extend_from_slice(file);
            bytes.push(b'\n');
        }
        bytes
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

#[test]
fn vectors_are_as_they_were_frozen() {
    let vectors = every_vector();
    let mut wrong = Vec::new();
    let mut names = std::collections::BTreeSet::from(["README.md".to_owned()]);
    for vector in &vectors {
        let file = format!("{}.vector", vector.name);
        let path = folder().join(&file);
        if std::env::var_os("UPDATE_VECTORS").is_some() {
            std::fs::write(&path, vector.encode()).expect("room for a vector");
        }
        if std::fs::read(&path).ok().as_deref() != Some(vector.encode().as_slice()) {
            wrong.push(file.clone());
        }
        assert!(names.insert(file), "two of one name");
    }
    assert_eq!(wrong, Vec::<String>::new(), "these are not as frozen");
    let there =
        std::fs::read_dir(folder()).expect("the folder").map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"));
    assert_eq!(there.collect::<std::collections::BTreeSet<_>>(), names, "each file is one of these");
}
