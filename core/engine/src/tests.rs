//! The engine under rules that only count, on a disk that fails where it is told to.
#![allow(clippy::expect_used, clippy::indexing_slicing)]
mod damage;
mod failing_disk;
mod keys;
mod long_segments;
mod opening;
mod os_disk;
mod panics;
mod retention;
mod snapshots;
mod time;
mod vectors;

use crate::{Damage, Engine, Fault, Input, KEYS_FILE, Opened, ProfileKeys, Turn, Walked, walk};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use thicket_journal_format::FormatError;
use thicket_journal_format::block::{BLOCK_HEAD_LEN, BlockHead};
use thicket_journal_format::header::HEADER_LEN;
use thicket_journal_format::keys::Cost;
use thicket_types::bytes::Bytes;
use thicket_types::effect::{self, Change, Effect};
use thicket_types::error::Code;
use thicket_types::event::{Arrival, Arrived, Event, Lane, Outcome, TimerId};
use thicket_types::ids::{Digest, EffectId, Fingerprint, FrameId, IntentId, RelayKey, RulesVersion, SegmentId, Seq};
use thicket_types::intent::{Answer, Intent};
use thicket_types::limits::{BLOCK_RECORDS_MAX, RECORD_LEN_MAX, SNAPSHOT_EVERY};
use thicket_types::name::RelayAddress;
use thicket_types::ports::{Admission, Clock, Disk, DiskError, Durable, Entropy, Place, Reducer, Remembered};
use thicket_types::secret::Secret;
use thicket_types::time::{Deadline, Duration, Stamp};
use thicket_types::vault_op::{Ask, VaultOp};

// The rules: they count, and panic where they are told to.

/// What panics the fold: an Intent, a frame that begins with it, a timer and an outcome.
const MAGIC: u8 = 0xee;

/// Bytes of a large frame.
const LARGE: usize = 100_000;

struct Counting;

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Count {
    stamps: Vec<Stamp>,
    intents: Vec<IntentId>,
    arrivals: Vec<FrameId>,
    faults: u64,
    outstanding: BTreeMap<EffectId, Effect>,
    timers: BTreeMap<TimerId, Deadline>,
    vault_count: u64,
}

/// Panics without a word on stderr.
fn trip(armed: bool) {
    if armed {
        resume_unwind(Box::new("told to"));
    }
}

impl Reducer for Counting {
    type State = Count;
    const RULES: RulesVersion = RulesVersion(1);

    fn fresh() -> Count {
        Count::default()
    }

    fn reduce(_rules: RulesVersion, state: &mut Count, place: Place, event: &Event) -> Vec<Effect> {
        state.stamps.push(place.stamp);
        let asked = match event {
            Event::Requested { id, intent: _ } => {
                state.intents.push(*id);
                trip(*id == IntentId([MAGIC; 16]));
                let deadline = place.stamp.after(Duration::seconds(1));
                state.timers.insert(TimerId::Login, deadline);
                vec![
                    Effect::Notify(Change::Answered { intent: *id, answer: Answer::Accepted }),
                    Effect::Vault(VaultOp::Compose(Ask::Challenge)),
                    Effect::Arm(TimerId::Login, deadline),
                ]
            }
            Event::Arrived(arrival) => {
                state.arrivals.push(arrival.frame);
                trip(arrival.frame.0[0] == MAGIC);
                vec![Effect::Vault(VaultOp::OpenEnvelope { envelope: place.seq, at: place.stamp, last: false })]
            }
            Event::Elapsed { timer, fault } => {
                state.timers.remove(timer);
                trip(*timer == TimerId::Retry(FrameId([MAGIC; 32])) && !*fault);
                state.faults += u64::from(*fault);
                Vec::new()
            }
            Event::Resolved { effect, outcome, vault_count } => {
                state.vault_count = state.vault_count.max(*vault_count);
                state.outstanding.remove(effect);
                match outcome {
                    Outcome::Framed { frame, bytes: _ } => {
                        trip(*frame == FrameId([MAGIC; 32]));
                        vec![Effect::Send(effect::Send {
                            to: RelayAddress::parse("relay").expect("an address"),
                            lane: Lane::Named,
                            frame: place.seq,
                        })]
                    }
                    Outcome::Fault(_) => {
                        state.faults += 1;
                        Vec::new()
                    }
                    _ => Vec::new(),
                }
            }
        };
        for (index, effect) in asked.iter().enumerate() {
            if matches!(effect, Effect::Vault(_) | Effect::Send(_)) {
                let index = u32::try_from(index).expect("few effects");
                state.outstanding.insert(EffectId { seq: place.seq, index, segment: place.segment }, effect.clone());
            }
        }
        asked
    }

    fn outstanding(state: &Count) -> Vec<(EffectId, Effect)> {
        state.outstanding.iter().map(|(id, effect)| (*id, effect.clone())).collect()
    }

    fn timers(state: &Count) -> Vec<(TimerId, Deadline)> {
        state.timers.iter().map(|(timer, deadline)| (*timer, *deadline)).collect()
    }

    fn relay(_state: &Count) -> Option<RelayKey> {
        None
    }

    fn admit(_state: &Count, _now: Stamp, arrival: Arrival) -> Admission {
        Admission::Taken(arrival)
    }

    /// What effects under way read.
    fn named(state: &Count) -> BTreeSet<Seq> {
        let frame = |effect: &Effect| match effect {
            Effect::Vault(op) => op.frame(),
            Effect::Send(send) => Some(send.frame),
            Effect::Arm(..) | Effect::Disarm(_) | Effect::Notify(_) => None,
        };
        state.outstanding.values().filter_map(frame).collect()
    }

    fn vault_count(state: &Count) -> u64 {
        state.vault_count
    }
}

// The disk: in memory, and failing to plan.

/// How much of a failing operation is done all the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Done {
    Nothing,
    /// The first 60 bytes: less than a header.
    Start,
    Half,
    Whole,
    /// All, and it is told so: it is the next that fails.
    Good,
}

#[derive(Clone, Debug)]
struct Op {
    name: &'static str,
    path: String,
    bytes: Vec<u8>,
    failed: bool,
}

#[derive(Default)]
struct Files {
    files: BTreeMap<String, Vec<u8>>,
    /// Every mutating operation that was asked for, those that failed too.
    ops: Vec<Op>,
    /// The operation from which the plan runs, and what becomes of each from there.
    plan: Option<(usize, &'static [Done], DiskError)>,
    /// How far into a file anybody read in parts.
    read_upto: usize,
    /// A file that can't be read but for its first bytes.
    unreadable: Option<String>,
}

impl Files {
    fn begin(&mut self, name: &'static str, path: &str, bytes: &[u8]) -> (Done, Result<(), DiskError>) {
        let number = self.ops.len();
        let failing = self.plan.and_then(|(from, plan, error)| {
            let done = number.checked_sub(from).and_then(|at| plan.get(at))?;
            (*done != Done::Good).then_some((*done, error))
        });
        self.ops.push(Op { name, path: path.to_owned(), bytes: bytes.to_vec(), failed: failing.is_some() });
        failing.map_or((Done::Whole, Ok(())), |(done, error)| (done, Err(error)))
    }
}

fn part(done: Done, bytes: &[u8]) -> &[u8] {
    match done {
        Done::Nothing => &[],
        Done::Start => &bytes[..bytes.len().min(60)],
        Done::Half => &bytes[..bytes.len() / 2],
        Done::Whole | Done::Good => bytes,
    }
}

/// A disk in memory. What an operation wrote is durable when it returns; one that fails may have written none, part or all.
#[derive(Clone, Default)]
struct FakeDisk(Arc<Mutex<Files>>);

impl FakeDisk {
    fn files(&self) -> MutexGuard<'_, Files> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The operation `after` as many as these fails as planned, and those that follow it.
    fn fail(&self, after: usize, plan: &'static [Done], error: DiskError) {
        let mut files = self.files();
        let from = files.ops.len() + after;
        files.plan = Some((from, plan, error));
    }

    fn heal(&self) {
        self.files().plan = None;
    }

    /// From the operation `after` as many as these on nothing is done any more, but for this much of the first.
    fn die(&self, after: usize, plan: &'static [Done; 64]) {
        self.fail(after, plan, DiskError::Failed);
    }

    /// Whether a plan began.
    fn failed(&self) -> bool {
        let files = self.files();
        files.plan.is_some_and(|(from, _, _)| files.ops.len() > from)
    }

    /// Whether the plan came to its end: every failure of it happened.
    fn fired(&self) -> bool {
        let files = self.files();
        files.plan.is_some_and(|(from, plan, _)| files.ops.len() >= from + plan.len())
    }

    /// The same files on another disk.
    fn copy(&self) -> FakeDisk {
        let files = self.files().files.clone();
        FakeDisk(Arc::new(Mutex::new(Files { files, ..Files::default() })))
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let prefix = format!("{folder}/");
        self.files().files.keys().filter(|path| path.starts_with(&prefix)).cloned().collect()
    }

    /// The newest file of a folder.
    fn newest(&self, folder: &str) -> String {
        self.names(folder).pop().expect("a file in the folder")
    }

    fn bytes(&self, path: &str) -> Vec<u8> {
        self.files().files.get(path).expect("the file").clone()
    }

    fn put(&self, path: &str, bytes: Vec<u8>) {
        self.files().files.insert(path.to_owned(), bytes);
    }

    fn delete(&self, path: &str) {
        self.files().files.remove(path).expect("the file");
    }

    fn cut(&self, path: &str, len: usize) {
        let mut bytes = self.bytes(path);
        bytes.truncate(len);
        self.put(path, bytes);
    }

    fn flip(&self, path: &str, at: usize) {
        let mut bytes = self.bytes(path);
        bytes[at] ^= 1;
        self.put(path, bytes);
    }
}

impl Disk for FakeDisk {
    fn list(&mut self, folder: &str) -> Result<Vec<String>, DiskError> {
        let len = folder.len() + 1;
        Ok(self.names(folder).into_iter().map(|path| path[len..].to_owned()).collect())
    }

    fn len(&mut self, path: &str) -> Result<u64, DiskError> {
        let len = self.files().files.get(path).ok_or(DiskError::Missing)?.len();
        Ok(u64::try_from(len).expect("a small file"))
    }

    fn read(&mut self, path: &str) -> Result<Vec<u8>, DiskError> {
        self.files().files.get(path).cloned().ok_or(DiskError::Missing)
    }

    fn read_at(&mut self, path: &str, offset: u64, len: usize) -> Result<Vec<u8>, DiskError> {
        let offset = usize::try_from(offset).expect("a small file");
        let mut files = self.files();
        if offset >= HEADER_LEN && files.unreadable.as_deref() == Some(path) {
            return Err(DiskError::Failed);
        }
        let bytes = files.files.get(path).ok_or(DiskError::Missing)?;
        let read: Vec<u8> = bytes.iter().skip(offset).take(len).copied().collect();
        files.read_upto = files.read_upto.max(offset + read.len());
        Ok(read)
    }

    fn create(&mut self, path: &str, bytes: &[u8]) -> Result<(), DiskError> {
        let mut files = self.files();
        if files.files.contains_key(path) {
            return Err(DiskError::Exists);
        }
        let (done, result) = files.begin("create", path, bytes);
        if done != Done::Nothing {
            files.files.insert(path.to_owned(), part(done, bytes).to_vec());
        }
        result
    }

    fn append(&mut self, path: &str, bytes: &[u8]) -> Result<(), DiskError> {
        let mut files = self.files();
        let (done, result) = files.begin("append", path, bytes);
        files.files.get_mut(path).ok_or(DiskError::Missing)?.extend_from_slice(part(done, bytes));
        result
    }

    fn truncate(&mut self, path: &str, len: u64) -> Result<(), DiskError> {
        let mut files = self.files();
        let (done, result) = files.begin("truncate", path, &[]);
        let file = files.files.get_mut(path).ok_or(DiskError::Missing)?;
        if done == Done::Whole {
            file.truncate(usize::try_from(len).expect("a small file"));
        }
        result
    }

    fn replace(&mut self, path: &str, bytes: &[u8]) -> Result<(), DiskError> {
        let mut files = self.files();
        let (done, result) = files.begin("replace", path, bytes);
        // As on a real disk: what did not come as far as the rename lies beside.
        let new = format!("{path}.new");
        match done {
            Done::Nothing => {}
            Done::Start | Done::Half => {
                files.files.insert(new, part(done, bytes).to_vec());
            }
            Done::Whole | Done::Good => {
                files.files.remove(&new);
                files.files.insert(path.to_owned(), bytes.to_vec());
            }
        }
        result
    }

    fn remove(&mut self, path: &str) -> Result<(), DiskError> {
        let mut files = self.files();
        let (done, result) = files.begin("remove", path, &[]);
        if done == Done::Whole {
            files.files.remove(path);
        }
        result
    }
}

/// The segments that somebody took away, as a walk says.
fn taken(world: &World) -> Vec<SegmentId> {
    walk(&mut world.disk.clone(), &world.keys(), None, &mut |_| {}).expect("an intact journal").taken
}

// The rest of the world.

#[derive(Clone)]
struct ManualClock(Arc<AtomicU64>);

impl Clock for ManualClock {
    fn now(&self) -> Stamp {
        Stamp(self.0.load(Ordering::Relaxed))
    }
}

/// A repeatable stream (SplitMix64), fit for tests only. Its handles share it: as with a system's, no open gets old bytes.
#[derive(Clone)]
struct Seeded(Arc<AtomicU64>);

impl Entropy for Seeded {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let mut word = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            word ^= word >> 31;
            chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
        }
    }
}

/// A vault that remembers no block, and is ahead of every journal.
const FORGETFUL: Remembered = Remembered { durable: None, count: u64::MAX };

fn remembering(durable: Durable) -> Remembered {
    Remembered { durable: Some(durable), ..FORGETFUL }
}

fn passphrase() -> Secret<Vec<u8>> {
    Secret::new(b"correct horse".to_vec())
}

const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

/// What outlives a process.
#[derive(Clone)]
struct World {
    disk: FakeDisk,
    clock: ManualClock,
    entropy: Seeded,
}

impl World {
    fn new() -> World {
        let mut world = World {
            disk: FakeDisk::default(),
            clock: ManualClock(Arc::new(AtomicU64::new(1_790_000_000_000))),
            entropy: Seeded(Arc::new(AtomicU64::new(1))),
        };
        ProfileKeys::create(&mut world.disk, &mut world.entropy, &passphrase(), CHEAP).expect("an empty disk");
        world
    }

    /// The same profile on another disk.
    fn copy(&self) -> World {
        World { disk: self.disk.copy(), ..self.clone() }
    }

    fn keys(&self) -> ProfileKeys {
        ProfileKeys::unlock(&mut self.disk.clone(), &passphrase()).expect("the right passphrase")
    }

    fn open_with(&self, remembered: Remembered) -> Result<(Engine<Counting>, Opened), Fault> {
        Engine::open(Box::new(self.disk.clone()), Box::new(self.clock.clone()), Box::new(self.entropy.clone()), self.keys(), remembered)
    }

    fn open_apart_with(&self, remembered: Remembered) -> Result<(Engine<Counting>, Opened), Fault> {
        let (disk, clock, entropy) = (Box::new(self.disk.clone()), Box::new(self.clock.clone()), Box::new(self.entropy.clone()));
        Engine::open_apart(disk, clock, entropy, self.keys(), remembered, intent(100))
    }

    fn open(&self) -> Engine<Counting> {
        self.open_with(FORGETFUL).expect("an intact profile").0
    }

    fn refused(&self, remembered: Remembered) -> Fault {
        self.open_with(remembered).err().expect("a profile that is refused")
    }

    /// The state that the whole journal folds to, without any snapshot.
    fn replayed(&self) -> Count {
        let copy = self.copy();
        copy.disk.names("snapshots").iter().for_each(|path| copy.disk.delete(path));
        copy.open().state().clone()
    }

    /// The journal's records.
    fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        walk(&mut self.disk.copy(), &self.keys(), None, &mut |walked: Walked<'_>| events.push(walked.record.event.clone()))
            .expect("an intact journal");
        events
    }

    fn set_clock(&self, now: u64) {
        self.clock.0.store(now, Ordering::Relaxed);
    }
}

fn intent_id(number: u8) -> IntentId {
    IntentId([number; 16])
}

fn intent(number: u8) -> Input {
    Input::Intent(intent_id(number), Intent::Connect)
}

fn arrival(number: u8) -> Input {
    let content = Arrived::Envelope { cursor: u64::from(number), sender: Fingerprint([1; 20]), sealed: Bytes(vec![number; 40]) };
    Input::Arrival(Arrival { frame: FrameId([number; 32]), lane: Lane::Named, content })
}

/// A frame that fills most of a record.
fn large(number: u64) -> Input {
    let mut frame = [0; 32];
    frame[24..].copy_from_slice(&number.to_be_bytes());
    let content = Arrived::Answer { answer: Bytes(vec![7; LARGE]) };
    Input::Arrival(Arrival { frame: FrameId(frame), lane: Lane::Named, content })
}

fn framed(effect: EffectId, number: u8) -> Input {
    Input::Resolved(effect, Outcome::Framed { frame: FrameId([number; 32]), bytes: Bytes(vec![number; 30]) }, u64::from(number))
}

fn turn(engine: &mut Engine<Counting>, inputs: impl IntoIterator<Item = Input>) -> Turn {
    inputs.into_iter().for_each(|input| engine.push(input));
    engine.turn().expect("a disk that works")
}

/// What a turn asks of the vault and the transport.
fn dispatched(turn: &Turn) -> Vec<EffectId> {
    turn.effects.iter().filter(|(_, effect)| matches!(effect, Effect::Vault(_) | Effect::Send(_))).map(|(id, _)| *id).collect()
}

/// Where each block of a segment begins, and its header.
fn blocks(bytes: &[u8]) -> Vec<(usize, BlockHead)> {
    let (mut offset, mut blocks) = (HEADER_LEN, Vec::new());
    while offset < bytes.len() {
        let head = BlockHead::parse(&bytes[offset..]).expect("an intact block");
        blocks.push((offset, head));
        offset += head.block_len();
    }
    blocks
}

/// A profile of one segment with three blocks, and the last durable block.
fn three_blocks() -> (World, Count, Durable) {
    let world = World::new();
    let mut engine = world.open();
    for number in 1..=3 {
        turn(&mut engine, [intent(number), arrival(number)]);
    }
    let (state, durable) = (engine.state().clone(), engine.durable());
    (world, state, durable)
}
