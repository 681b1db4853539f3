//! The engine under rules that only count, on a disk that fails where it is told to.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

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
use thicket_types::ports::{Clock, Disk, DiskError, Durable, Entropy, Place, Reducer, Remembered};
use thicket_types::secret::Secret;
use thicket_types::time::{Deadline, Duration, Stamp};
use thicket_types::vault_op::{Ask, VaultOp};

// The rules: they count, and panic where they are told to.

/// What panics the fold: an Intent, a frame, a timer and an outcome.
const MAGIC: u8 = 0xee;

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
                trip(arrival.frame == FrameId([MAGIC; 32]));
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

    fn admit(_state: &Count, arrival: Arrival) -> Option<Arrival> {
        Some(arrival)
    }

    fn oldest_named(_state: &Count) -> Option<Seq> {
        None
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
}

impl Files {
    fn begin(&mut self, name: &'static str, path: &str, bytes: &[u8]) -> (Done, Result<(), DiskError>) {
        let number = self.ops.len();
        let failing = self.plan.and_then(|(from, plan, error)| {
            let done = number.checked_sub(from).and_then(|at| plan.get(at))?;
            Some((*done, error))
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
        Done::Whole => bytes,
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
        Ok(u64::try_from(self.read(path)?.len()).expect("a small file"))
    }

    fn read(&mut self, path: &str) -> Result<Vec<u8>, DiskError> {
        self.files().files.get(path).cloned().ok_or(DiskError::Missing)
    }

    fn read_at(&mut self, path: &str, offset: u64, len: usize) -> Result<Vec<u8>, DiskError> {
        let offset = usize::try_from(offset).expect("a small file");
        Ok(self.read(path)?.into_iter().skip(offset).take(len).collect())
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
            Done::Whole => {
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
        walk(&mut self.disk.copy(), &self.keys(), &mut |walked: Walked<'_>| events.push(walked.record.event.clone()))
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

// Lives in which the disk fails.

#[derive(Clone, Copy)]
enum Act {
    Ask(u8),
    Resolve,
    Snapshot,
    Reopen,
}

const SCRIPT: &[Act] = &[
    Act::Ask(1),
    Act::Resolve,
    Act::Ask(2),
    Act::Snapshot,
    Act::Resolve,
    Act::Ask(3),
    Act::Reopen,
    Act::Ask(4),
    Act::Snapshot,
    Act::Resolve,
    Act::Ask(5),
    Act::Snapshot,
    Act::Ask(6),
    Act::Reopen,
    Act::Ask(7),
    Act::Snapshot,
    Act::Ask(8),
];

/// Opens a profile whose disk may fail in the midst of it: a later try goes on.
fn reopen(world: &World, what: &str) -> (Engine<Counting>, Opened) {
    for _ in 0..4 {
        match world.open_with(FORGETFUL) {
            Ok(opened) => return opened,
            Err(fault) => assert!(matches!(fault.code, Code::DiskFull | Code::DiskFailed), "{what}: {fault}"),
        }
    }
    panic!("{what}: the profile does not open again");
}

/// Lives the script. Returns the Intents that were acknowledged.
///
/// `alone`: one operation fails and no other, so that the state can be rebuilt at once.
fn live(world: &World, alone: bool, what: &str) -> Vec<IntentId> {
    let (mut engine, _) = reopen(world, what);
    let (mut acknowledged, mut waiting) = (Vec::new(), Vec::new());
    let mut ids: BTreeSet<EffectId> = BTreeSet::new();
    let mut closed: BTreeSet<SegmentId> = BTreeSet::new();
    for act in SCRIPT {
        let (state, durable) = (engine.state().clone(), engine.durable());
        let mut asked = None;
        match act {
            Act::Ask(number) => {
                asked = Some(intent_id(*number));
                engine.push(intent(*number));
                engine.push(arrival(*number));
            }
            Act::Resolve => waiting.drain(..).for_each(|id| engine.push(framed(id, 9))),
            Act::Snapshot => {
                // A snapshot that fails is missed at the next open alone.
                let _ = engine.snapshot();
                continue;
            }
            Act::Reopen => {
                let opened;
                (engine, opened) = reopen(world, what);
                waiting = opened.outstanding.iter().map(|(id, _)| *id).collect();
                assert!(waiting.iter().all(|id| id.seq <= engine.durable().seq), "{what}: an effect of no durable record");
                closed.extend(ids.iter().map(|id| id.segment));
                continue;
            }
        }
        match engine.turn() {
            Ok(turn) => {
                for (id, _) in &turn.effects {
                    assert!(!closed.contains(&id.segment), "{what}: segment {} is written again", id.segment);
                    assert!(id.seq > durable.seq && id.seq <= engine.durable().seq, "{what}: an effect of no durable record");
                    assert!(ids.insert(*id), "{what}: {id:?} is issued again");
                }
                waiting.extend(dispatched(&turn));
                acknowledged.extend(asked);
            }
            Err(fault) => {
                if alone {
                    assert!(matches!(fault.code, Code::DiskFull | Code::DiskFailed), "{what}: {fault}");
                    assert_eq!((engine.state(), engine.durable()), (&state, durable), "{what}: not the last durable state");
                }
                closed.extend(ids.iter().map(|id| id.segment));
            }
        }
    }
    acknowledged
}

/// What every journal holds, whatever befell its disk.
fn check(world: &World, acknowledged: &[IntentId], what: &str) {
    world.disk.heal();
    let (engine, opened) = reopen(world, what);
    let state = engine.state().clone();
    // Everything acknowledged is there, once, in order; what else is there was asked for.
    assert!(state.intents.windows(2).all(|pair| pair[0] < pair[1]), "{what}: {:?} is out of order or twice", state.intents);
    assert!(acknowledged.iter().all(|id| state.intents.contains(id)), "{what}: of {acknowledged:?} only {:?} is left", state.intents);
    let (again, reopened) = reopen(world, what);
    assert_eq!(*again.state(), state, "{what}: a second open comes to another state");
    assert_eq!(reopened.outstanding, opened.outstanding, "{what}: a second open dispatches other effects");
    assert_eq!(world.replayed(), state, "{what}: a full replay comes to another state");
    // And it can be written on.
    let mut engine = again;
    turn(&mut engine, [intent(100)]);
    let intents = engine.state().intents.clone();
    assert_eq!(reopen(world, what).0.state().intents, intents, "{what}: what came after is lost");

    let ops = world.disk.files().ops.clone();
    let (mut segments, mut nonces, mut spoilt) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for op in ops.iter().filter(|op| op.path.starts_with("journal/")) {
        let block = match op.name {
            "create" => {
                assert!(segments.insert(op.bytes[64..80].to_vec()), "{what}: a segment id is used again");
                &op.bytes[HEADER_LEN..]
            }
            "append" => op.bytes.as_slice(),
            _ => continue,
        };
        assert!(nonces.insert(block[24..36].to_vec()), "{what}: a nonce is used again");
        assert!(!spoilt.contains(&op.path), "{what}: {} is written after a write to it failed", op.path);
        if op.failed {
            spoilt.insert(op.path.clone());
        }
    }
}

/// Every operation of the script fails once as planned, each in a life of its own.
fn sweep(plan: &'static [Done]) {
    for error in [DiskError::Full, DiskError::Failed] {
        let mut lives = 0;
        for after in 0.. {
            let what = format!("{plan:?} from operation {after}, {error:?}");
            let world = World::new();
            world.disk.fail(after, plan, error);
            let acknowledged = live(&world, plan.len() == 1, &what);
            if !world.disk.fired() {
                break;
            }
            check(&world, &acknowledged, &what);
            lives += 1;
        }
        assert!(lives > SCRIPT.len(), "only {lives} operations failed");
    }
}

#[test]
fn a_life_without_failures_acknowledges_everything() {
    let world = World::new();
    let acknowledged = live(&world, true, "no failure");
    assert_eq!(acknowledged, (1..=8).map(intent_id).collect::<Vec<_>>());
    check(&world, &acknowledged, "no failure");
}

#[test]
fn a_write_that_fails_and_writes_nothing_loses_nothing_acknowledged() {
    sweep(&[Done::Nothing]);
}

#[test]
fn a_write_that_is_torn_loses_nothing_acknowledged() {
    sweep(&[Done::Start]);
    sweep(&[Done::Half]);
}

#[test]
fn a_write_that_is_done_and_fails_all_the_same_loses_nothing_acknowledged() {
    sweep(&[Done::Whole]);
}

#[test]
fn a_torn_write_that_cannot_be_cut_off_loses_nothing_acknowledged() {
    sweep(&[Done::Start, Done::Nothing]);
    sweep(&[Done::Half, Done::Nothing]);
    sweep(&[Done::Start, Done::Nothing, Done::Nothing]);
    sweep(&[Done::Half, Done::Nothing, Done::Nothing]);
}

#[test]
fn a_whole_write_that_cannot_be_cut_off_loses_nothing_acknowledged() {
    sweep(&[Done::Whole, Done::Nothing]);
    sweep(&[Done::Whole, Done::Nothing, Done::Nothing]);
}

#[test]
fn a_process_may_die_at_every_byte_of_a_segments_beginning_again_and_again() {
    // Given a profile whose second segment was begun and not finished.
    let world = World::new();
    turn(&mut world.open(), [intent(1)]);
    let intact = world.disk.names("journal");
    let whole = {
        let copy = world.copy();
        turn(&mut copy.open(), [intent(2)]);
        copy.disk.bytes(&copy.disk.newest("journal")).len()
    };
    let world = world.copy();
    for len in 0..whole {
        // When the process dies with so many bytes of it written, and is started again.
        turn(&mut world.open(), [intent(2)]);
        let begun: Vec<String> = world.disk.names("journal").into_iter().filter(|path| !intact.contains(path)).collect();
        let newest = begun.iter().max_by_key(|path| world.disk.bytes(path).len()).expect("a new segment");
        world.disk.cut(newest, len);
        // Then what was acknowledged before is there, and the journal goes on.
        let reopened = world.open_with(FORGETFUL);
        let state = reopened.as_ref().map(|(engine, _)| engine.state().intents.clone());
        assert_eq!(state, Ok(vec![intent_id(1)]), "cut at {len}");
    }
}

#[test]
fn a_failed_write_lets_no_effect_out_and_a_later_turn_uses_a_new_segment() {
    // Given a journal with one block.
    let world = World::new();
    let mut engine = world.open();
    let first = turn(&mut engine, [intent(1)]);
    let (state, durable) = (engine.state().clone(), engine.durable());
    // When the next append fails.
    world.disk.fail(0, &[Done::Half], DiskError::Full);
    engine.push(intent(2));
    let fault = engine.turn().expect_err("a full disk");
    // Then nothing came of it.
    assert_eq!(fault, Fault::from(Code::DiskFull));
    assert_eq!((engine.state(), engine.durable()), (&state, durable));
    assert!(!engine.has_inputs());
    // And the same Intent asked for again goes into a segment of its own.
    let second = turn(&mut engine, [intent(2)]);
    assert_ne!(first.effects[0].0.segment, second.effects[0].0.segment);
    assert_eq!(world.disk.names("journal").len(), 2);
    assert_eq!(world.open().state(), engine.state());
}

#[test]
fn outcomes_and_timers_wait_for_the_next_turn_when_a_write_fails_and_intents_do_not() {
    // Given effects under way.
    let world = World::new();
    let mut engine = world.open();
    let asked = dispatched(&turn(&mut engine, [intent(1)]));
    // When a write fails with an outcome, a timer, a frame and an Intent in it.
    world.disk.fail(0, &[Done::Nothing], DiskError::Failed);
    for input in [intent(2), framed(asked[0], 2), arrival(2), Input::Elapsed(TimerId::Login, false)] {
        engine.push(input);
    }
    assert_eq!(engine.turn().err(), Some(Fault::from(Code::DiskFailed)));
    // Then what nobody else repeats is folded in the next turn, in its order.
    assert!(engine.has_inputs());
    assert_eq!(turn(&mut engine, []).records, 2);
    assert_eq!(engine.state().intents, [intent_id(1)]);
    assert!(engine.state().arrivals.is_empty() && engine.state().timers.is_empty());
    assert!(!engine.state().outstanding.contains_key(&asked[0]));
}

#[test]
fn a_broken_engine_shows_no_state_that_is_not_durable() {
    // Given a journal with one block.
    let world = World::new();
    let mut engine = world.open();
    turn(&mut engine, [intent(1)]);
    let state = engine.state().clone();
    // When a write is torn and nothing can be cut off.
    world.disk.fail(0, &[Done::Half, Done::Nothing, Done::Nothing], DiskError::Failed);
    engine.push(intent(2));
    assert!(engine.turn().is_err());
    // Then views still show what is durable, and no turn is taken.
    assert_eq!(*engine.state(), state);
    engine.push(intent(3));
    assert_eq!(engine.turn().err(), Some(Fault::from(Code::DiskFailed)));
}

#[test]
fn a_broken_engine_writes_no_snapshot() {
    // Given an engine that could not rebuild its state.
    let world = World::new();
    let mut engine = world.open();
    turn(&mut engine, [intent(1)]);
    world.disk.fail(0, &[Done::Half, Done::Nothing], DiskError::Failed);
    engine.push(intent(2));
    assert!(engine.turn().is_err());
    // When it is closed with a last snapshot, as profiles are.
    let _ = engine.snapshot();
    // Then the next open finds what was durable, and nothing else.
    assert_eq!(world.open().state().intents, [intent_id(1)]);
}

#[test]
fn a_failure_is_told_by_its_own_cause_even_if_the_state_cannot_be_rebuilt() {
    let world = World::new();
    let mut engine = world.open();
    turn(&mut engine, [intent(1)]);
    world.disk.fail(0, &[Done::Whole, Done::Nothing], DiskError::Full);
    engine.push(intent(2));
    assert_eq!(engine.turn().err().map(|fault| fault.code), Some(Code::DiskFull));
}

// Folds that panic.

#[test]
fn an_intent_that_panics_the_fold_is_reported_and_nothing_of_it_stays() {
    // Given inputs before and behind one that panics the fold.
    let world = World::new();
    let mut engine = world.open();
    // When they are folded.
    let turn = turn(&mut engine, [intent(1), intent(MAGIC), intent(2)]);
    // Then the others are durable, and that one is reported.
    assert_eq!(turn.failed, [(intent_id(MAGIC), Code::FoldPanicked)]);
    assert_eq!(turn.records, 2);
    assert_eq!(engine.state().intents, [intent_id(1), intent_id(2)]);
    assert_eq!(engine.state().stamps.len(), 2);
    assert_eq!(world.open().state(), engine.state());
    assert!(!engine.has_inputs());
}

#[test]
fn a_turn_of_nothing_but_a_panic_writes_nothing() {
    let world = World::new();
    let mut engine = world.open();
    let turn = turn(&mut engine, [intent(MAGIC)]);
    assert_eq!((turn.records, turn.failed.len(), turn.effects.len()), (0, 1, 0));
    assert_eq!(*engine.state(), Count::default());
    assert!(world.disk.names("journal").is_empty());
}

#[test]
fn a_panic_ends_the_segment() {
    let world = World::new();
    let mut engine = world.open();
    let before = turn(&mut engine, [intent(1)]);
    turn(&mut engine, [intent(MAGIC)]);
    let after = turn(&mut engine, [intent(2)]);
    assert_ne!(before.effects[0].0.segment, after.effects[0].0.segment);
    assert_eq!(world.open().state(), engine.state());
}

#[test]
fn a_frame_that_panics_the_fold_is_dropped_ever_after() {
    let world = World::new();
    let mut engine = world.open();
    // When it arrives between others.
    let taken = turn(&mut engine, [arrival(1), arrival(MAGIC), arrival(2)]);
    assert_eq!((taken.records, taken.failed.len()), (2, 0));
    // And again.
    engine.push(arrival(MAGIC));
    assert!(!engine.has_inputs());
    assert_eq!(engine.state().arrivals, [FrameId([1; 32]), FrameId([2; 32])]);
    assert_eq!(world.open().state(), engine.state());
}

#[test]
fn an_outcome_that_panics_the_fold_is_journaled_as_a_fault() {
    // Given an effect under way.
    let world = World::new();
    let mut engine = world.open();
    let asked = dispatched(&turn(&mut engine, [intent(1)]));
    // When its outcome panics the fold.
    let taken = turn(&mut engine, [framed(asked[0], MAGIC)]);
    // Then a fault is folded in its place, and it is open no more.
    assert_eq!(taken.records, 1);
    assert_eq!(engine.state().faults, 1);
    assert!(engine.state().outstanding.is_empty());
    let fault = Event::Resolved { effect: asked[0], outcome: Outcome::Fault(Code::FoldPanicked), vault_count: u64::from(MAGIC) };
    assert_eq!(world.events().pop(), Some(fault));
    assert_eq!(world.open().state(), engine.state());
}

#[test]
fn a_timer_that_panics_the_fold_is_journaled_with_its_flag() {
    let world = World::new();
    let mut engine = world.open();
    let timer = TimerId::Retry(FrameId([MAGIC; 32]));
    let taken = turn(&mut engine, [Input::Elapsed(timer, false), intent(1)]);
    assert_eq!(taken.records, 2);
    assert_eq!(engine.state().faults, 1);
    assert_eq!(world.events()[0], Event::Elapsed { timer, fault: true });
    assert_eq!(world.open().state(), engine.state());
}

#[test]
fn a_frame_too_large_for_a_record_is_dropped_and_the_rest_goes_on() {
    let world = World::new();
    let mut engine = world.open();
    let content = Arrived::Answer { answer: Bytes(vec![0; RECORD_LEN_MAX]) };
    let large = Arrival { frame: FrameId([1; 32]), lane: Lane::Named, content };
    let taken = turn(&mut engine, [Input::Arrival(large), intent(2)]);
    assert_eq!(taken.records, 1);
    assert_eq!(engine.state().intents, [intent_id(2)]);
    assert_eq!(world.open().state(), engine.state());
}

// Opening again.

#[test]
fn a_profile_without_a_journal_is_fresh() {
    let world = World::new();
    let (engine, opened) = world.open_with(FORGETFUL).expect("a new profile");
    assert_eq!(*engine.state(), Count::default());
    assert_eq!(engine.durable(), Durable { seq: Seq::ZERO, chain: Digest([0; 32]) });
    assert!(opened.outstanding.is_empty() && opened.timers.is_empty() && opened.folded == 0);
}

#[test]
fn an_open_that_appends_nothing_leaves_the_disk_as_it_was() {
    let (world, state, durable) = three_blocks();
    let seen = || {
        let files = world.disk.files();
        (files.files.clone(), files.ops.len())
    };
    let before = seen();
    let engine = world.open();
    assert_eq!((engine.state(), engine.durable()), (&state, durable));
    assert_eq!(seen(), before);
}

#[test]
fn a_reopened_journal_comes_to_the_same_state_and_the_same_open_effects() {
    // Given a life over three processes, with effects open and a timer armed.
    let world = World::new();
    let mut last = None;
    for number in 1..=3 {
        let mut engine = world.open();
        let asked = dispatched(&turn(&mut engine, [intent(number), arrival(number)]));
        turn(&mut engine, [framed(asked[0], number)]);
        last = Some((engine.state().clone(), engine.durable()));
    }
    // When it is opened again.
    let (engine, opened) = world.open_with(FORGETFUL).expect("an intact journal");
    // Then it is the same, and what is open has the ids that it always had.
    let (state, durable) = last.expect("three processes");
    assert_eq!((engine.state(), engine.durable()), (&state, durable));
    assert_eq!(opened.outstanding, Counting::outstanding(&state));
    assert_eq!(opened.outstanding.len(), 6);
    assert_eq!(opened.timers, Counting::timers(&state));
    assert_eq!(opened.folded, 9);
    assert_eq!(world.disk.names("journal").len(), 3);
}

#[test]
fn a_frame_is_found_in_memory_on_disk_and_before_a_snapshot() {
    let world = World::new();
    let mut engine = world.open();
    let asked = dispatched(&turn(&mut engine, [intent(1), arrival(7)]));
    turn(&mut engine, [framed(asked[0], 8)]);
    let found = |engine: &mut Engine<Counting>, seq| engine.frame(Seq(seq)).map_err(|fault| fault.code);
    for _ in 0..2 {
        assert_eq!(found(&mut engine, 2), Ok(vec![7; 40]));
        assert_eq!(found(&mut engine, 3), Ok(vec![8; 30]));
        // A record without a frame, and none at all.
        assert_eq!(found(&mut engine, 1), Err(Code::Inconsistent));
        assert_eq!(found(&mut engine, 4), Err(Code::Inconsistent));
        engine.snapshot().expect("a disk that works");
        engine = world.open();
    }
    // Two segments on, the first is still found.
    turn(&mut engine, [arrival(9)]);
    engine.snapshot().expect("a disk that works");
    let mut engine = world.open();
    assert_eq!(found(&mut engine, 4), Ok(vec![9; 40]));
    assert_eq!(found(&mut engine, 2), Ok(vec![7; 40]));
}

#[test]
fn what_does_not_fit_one_block_waits_for_the_next_turn() {
    let world = World::new();
    let mut engine = world.open();
    let taken = turn(&mut engine, (0..BLOCK_RECORDS_MAX + 88).map(|_| intent(1)));
    assert_eq!(taken.records, BLOCK_RECORDS_MAX);
    assert!(engine.has_inputs());
    assert_eq!(turn(&mut engine, []).records, 88);
    assert_eq!(world.open().state(), engine.state());
}

// Snapshots.

/// A profile with two snapshots and a tail behind them.
fn two_snapshots() -> (World, Count) {
    let world = World::new();
    let mut engine = world.open();
    for number in 1..=5 {
        let asked = dispatched(&turn(&mut engine, [intent(number), arrival(number)]));
        turn(&mut engine, [framed(asked[0], number)]);
        if number == 2 || number == 4 {
            engine.snapshot().expect("a disk that works");
        }
    }
    let state = engine.state().clone();
    (world, state)
}

#[test]
fn a_snapshot_and_its_tail_come_to_what_a_full_replay_comes_to() {
    let (world, state) = two_snapshots();
    let (engine, opened) = world.open_with(FORGETFUL).expect("an intact profile");
    assert_eq!(*engine.state(), state);
    assert_eq!(opened.folded, 3);
    assert_eq!(opened.outstanding, Counting::outstanding(&state));
    assert_eq!(world.replayed(), state);
}

#[test]
fn a_damaged_snapshot_is_passed_over_for_the_one_before() {
    let (world, state) = two_snapshots();
    let newest = world.disk.newest("snapshots");
    for at in 0..world.disk.bytes(&newest).len() {
        let copy = world.copy();
        copy.disk.flip(&newest, at);
        let (engine, opened) = copy.open_with(FORGETFUL).expect("an older snapshot");
        assert_eq!((engine.state(), opened.folded), (&state, 9), "byte {at}");
    }
    // With both damaged, everything is folded.
    let copy = world.copy();
    copy.disk.names("snapshots").iter().for_each(|path| copy.disk.flip(path, 200));
    let (engine, opened) = copy.open_with(FORGETFUL).expect("a whole journal");
    assert_eq!((engine.state(), opened.folded), (&state, 15));
}

#[test]
fn a_cut_snapshot_is_passed_over_for_the_one_before() {
    let (world, state) = two_snapshots();
    let newest = world.disk.newest("snapshots");
    for len in 0..world.disk.bytes(&newest).len() {
        let copy = world.copy();
        copy.disk.cut(&newest, len);
        assert_eq!(*copy.open().state(), state, "cut at {len}");
    }
}

#[test]
fn the_newest_two_snapshots_are_kept_and_the_others_lose_their_keys() {
    let world = World::new();
    let mut engine = world.open();
    let mut covered = Vec::new();
    for number in 1..=4 {
        turn(&mut engine, [intent(number)]);
        covered.push(engine.snapshot().expect("a disk that works").map(|(seq, _)| seq));
        assert_eq!(engine.snapshot(), Ok(None), "nothing new since the last");
    }
    // Each tells what the one before it covers.
    assert_eq!(covered, [None, Some(Seq(1)), Some(Seq(2)), Some(Seq(3))]);
    let names = world.disk.names("snapshots");
    assert_eq!(names.len(), 2);
    assert!(names[0].ends_with(&format!("{:016x}.snap", 3)) && names[1].ends_with(&format!("{:016x}.snap", 4)));
    // One segment and two snapshots: each has 80 bytes between the keys file's front (120) and its MAC (32).
    assert_eq!(world.disk.bytes(KEYS_FILE).len(), 120 + 3 * 80 + 32);
}

#[test]
fn a_snapshot_is_due_after_so_many_records() {
    let world = World::new();
    let mut engine = world.open();
    let mut records = 0;
    while !engine.snapshot_due() {
        assert!(records < SNAPSHOT_EVERY);
        records += turn(&mut engine, (0..BLOCK_RECORDS_MAX).map(|_| intent(1))).records as u64;
    }
    assert_eq!(records, SNAPSHOT_EVERY);
    engine.snapshot().expect("a disk that works");
    assert!(!engine.snapshot_due());
    assert!(!world.open().snapshot_due());
}

// Torn tails, damage and rollback.

#[test]
fn a_torn_tail_is_cut_and_nothing_before_it() {
    let (world, _, _) = three_blocks();
    let file = world.disk.newest("journal");
    let bytes = world.disk.bytes(&file);
    let (start, head) = blocks(&bytes)[2];
    for len in start..bytes.len() {
        let copy = world.copy();
        copy.disk.cut(&file, len);
        let engine = copy.open();
        assert_eq!(engine.state().intents, [intent_id(1), intent_id(2)], "cut at {len}");
        assert_eq!(engine.durable().seq, Seq(head.first.0 - 1));
        assert_eq!(copy.disk.bytes(&file), bytes[..start], "cut at {len}");
    }
}

#[test]
fn a_tail_of_which_only_some_bytes_reached_the_disk_is_cut() {
    // A file may have its length before it has its bytes.
    let (world, _, _) = three_blocks();
    let file = world.disk.newest("journal");
    let bytes = world.disk.bytes(&file);
    let (start, _) = blocks(&bytes)[2];
    for written in [0, 1, BLOCK_HEAD_LEN, BLOCK_HEAD_LEN + 1] {
        let copy = world.copy();
        let torn: Vec<u8> = bytes.iter().enumerate().map(|(at, byte)| if at < start + written { *byte } else { 0 }).collect();
        copy.disk.put(&file, torn);
        assert_eq!(copy.open().state().intents, [intent_id(1), intent_id(2)], "{written} bytes");
    }
}

#[test]
fn a_flipped_byte_in_a_middle_block_is_damage_named_by_its_place() {
    let (world, _, _) = three_blocks();
    let file = world.disk.newest("journal");
    let blocks = blocks(&world.disk.bytes(&file));
    for (start, head) in &blocks[..2] {
        for at in *start..start + head.block_len() {
            let copy = world.copy();
            copy.disk.flip(&file, at);
            let files = copy.disk.files().files.clone();
            let fault = copy.refused(FORGETFUL);
            assert_eq!(fault.code, Code::JournalDamaged, "byte {at}");
            let Damage { file: named, offset, what: _ } = fault.damage.expect("a place");
            assert_eq!((named, offset), (file.clone(), *start), "byte {at}");
            assert_eq!(copy.disk.files().files, files, "a damaged journal is left as it is");
        }
    }
}

#[test]
fn a_flipped_byte_in_a_segments_header_is_damage_named_by_its_place() {
    let (world, _, _) = three_blocks();
    let file = world.disk.newest("journal");
    for at in 0..HEADER_LEN {
        let copy = world.copy();
        copy.disk.flip(&file, at);
        let fault = copy.refused(FORGETFUL);
        // A version that is not ours can't be told from damage.
        let newer = (8..12).contains(&at);
        assert_eq!(fault.code, if newer { Code::ProfileNewer } else { Code::JournalDamaged }, "byte {at}");
        assert_eq!(fault.damage.map(|damage| (damage.file, damage.offset)), Some((file.clone(), 0)), "byte {at}");
    }
}

#[test]
fn a_flipped_byte_in_the_last_block_is_damage_if_the_vault_remembers_it() {
    let (world, _, durable) = three_blocks();
    let file = world.disk.newest("journal");
    let (start, head) = blocks(&world.disk.bytes(&file))[2];
    for at in start..start + head.block_len() {
        let copy = world.copy();
        copy.disk.flip(&file, at);
        let fault = copy.refused(remembering(durable));
        assert_eq!(fault.code, Code::JournalDamaged, "byte {at}");
        assert_eq!(fault.damage.map(|damage| (damage.file, damage.offset)), Some((file.clone(), start)), "byte {at}");
        // If it does not, it can't be told from a torn tail.
        assert_eq!(copy.open().state().intents.len(), 2, "byte {at}");
    }
}

#[test]
fn a_flipped_byte_at_an_older_segments_end_is_damage() {
    let (world, _, _) = three_blocks();
    let file = world.disk.newest("journal");
    let (start, _) = blocks(&world.disk.bytes(&file))[2];
    turn(&mut world.open(), [intent(4)]);
    world.disk.flip(&file, start + BLOCK_HEAD_LEN);
    let fault = world.refused(FORGETFUL);
    assert_eq!((fault.code, fault.damage), (Code::JournalDamaged, Some(Damage { file, offset: start, what: FormatError::Seal })));
}

#[test]
fn damage_before_a_snapshot_is_damage_and_no_rollback() {
    // Given a snapshot at the end of the third block of a segment that went on.
    let (world, _, _) = three_blocks();
    let file = world.disk.newest("journal");
    let mut engine = world.open();
    turn(&mut engine, [intent(4)]);
    turn(&mut engine, [intent(5)]);
    engine.snapshot().expect("a disk that works");
    turn(&mut engine, [intent(6)]);
    let file = world.disk.names("journal").into_iter().find(|path| *path != file).expect("a second segment");
    let (start, _) = blocks(&world.disk.bytes(&file))[0];
    // When a block that it covers is damaged.
    world.disk.flip(&file, start + BLOCK_HEAD_LEN);
    // Then that is said, with its place: nobody restored or copied anything.
    let fault = world.refused(FORGETFUL);
    assert_eq!(fault.code, Code::JournalDamaged);
    assert_eq!(fault.damage.map(|damage| damage.file), Some(file));
}

#[test]
fn a_missing_segment_is_damage() {
    let world = World::new();
    for number in 1..=3 {
        turn(&mut world.open(), [intent(number)]);
    }
    let names = world.disk.names("journal");
    let copy = world.copy();
    copy.disk.delete(&names[1]);
    let fault = copy.refused(FORGETFUL);
    assert_eq!((fault.code, fault.damage.map(|damage| damage.file)), (Code::JournalDamaged, Some(names[2].clone())));
}

#[test]
fn a_journal_without_its_beginning_is_refused_unless_a_snapshot_covers_it() {
    let world = World::new();
    for number in 1..=3 {
        turn(&mut world.open(), [intent(number)]);
    }
    let oldest = world.disk.names("journal")[0].clone();
    let copy = world.copy();
    copy.disk.delete(&oldest);
    assert_eq!(copy.refused(FORGETFUL).code, Code::JournalDamaged);
    // With a snapshot, nothing of it is needed.
    let mut engine = world.open();
    engine.snapshot().expect("a disk that works");
    world.disk.delete(&oldest);
    assert_eq!(world.open().state(), engine.state());
}

#[test]
fn a_segment_whose_key_is_gone_is_damage() {
    let world = World::new();
    turn(&mut world.open(), [intent(1)]);
    let keys = world.disk.bytes(KEYS_FILE);
    turn(&mut world.open(), [intent(2)]);
    world.disk.put(KEYS_FILE, keys);
    let fault = world.refused(FORGETFUL);
    assert_eq!(fault.code, Code::JournalDamaged);
    assert_eq!(fault.damage.map(|damage| damage.file), Some(world.disk.newest("journal")));
}

#[test]
fn an_older_keys_file_costs_no_segment() {
    // Given a profile whose keys file was replaced by the one that it was made with.
    let world = World::new();
    let made = world.disk.bytes(KEYS_FILE);
    for number in 1..=3 {
        turn(&mut world.open(), [intent(number)]);
    }
    let (keys, state) = (world.disk.bytes(KEYS_FILE), world.open().state().clone());
    world.disk.put(KEYS_FILE, made);
    // When it is opened, it is refused.
    assert_eq!(world.refused(FORGETFUL).code, Code::JournalDamaged);
    // Then with the right one everything is there.
    world.disk.put(KEYS_FILE, keys);
    assert_eq!(*world.open_with(FORGETFUL).expect("an untouched journal").0.state(), state);
}

#[test]
fn a_journal_behind_the_vaults_block_is_rolled_back() {
    let (world, _, durable) = three_blocks();
    assert!(world.open_with(remembering(durable)).is_ok());
    // Without its last block.
    let file = world.disk.newest("journal");
    let (start, _) = blocks(&world.disk.bytes(&file))[2];
    let copy = world.copy();
    copy.disk.cut(&file, start);
    assert_eq!(copy.refused(remembering(durable)), Fault::from(Code::RolledBack));
    // Without its file.
    let copy = world.copy();
    copy.disk.delete(&file);
    assert_eq!(copy.refused(remembering(durable)), Fault::from(Code::RolledBack));
}

#[test]
fn a_journal_of_another_past_than_the_vaults_is_rolled_back() {
    // Given two lives of the same length from one beginning.
    let world = World::new();
    turn(&mut world.open(), [intent(1)]);
    let other = world.copy();
    let remembered = {
        let mut engine = world.open();
        turn(&mut engine, [intent(2)]);
        engine.durable()
    };
    let mut engine = other.open();
    turn(&mut engine, [intent(3)]);
    // When the one's vault meets the other's journal, however far that went.
    assert_eq!(other.refused(remembering(remembered)), Fault::from(Code::RolledBack));
    engine.snapshot().expect("a disk that works");
    assert_eq!(other.refused(remembering(remembered)), Fault::from(Code::RolledBack));
    turn(&mut engine, [intent(4)]);
    turn(&mut engine, [intent(5)]);
    assert_eq!(other.refused(remembering(remembered)), Fault::from(Code::RolledBack));
}

#[test]
fn a_vault_behind_the_journals_count_is_rolled_back() {
    let world = World::new();
    let mut engine = world.open();
    let asked = dispatched(&turn(&mut engine, [intent(1)]));
    turn(&mut engine, [framed(asked[0], 5)]);
    let counted = |count| Remembered { durable: None, count };
    assert_eq!(world.refused(counted(4)), Fault::from(Code::RolledBack));
    assert!(world.open_with(counted(5)).is_ok());
    engine.snapshot().expect("a disk that works");
    assert_eq!(world.refused(counted(4)), Fault::from(Code::RolledBack));
    assert!(world.open_with(counted(6)).is_ok());
}

// Keys.

#[test]
fn a_profile_is_made_once_and_opened_by_its_passphrase_alone() {
    let mut disk = FakeDisk::default();
    let mut entropy = Seeded(Arc::new(AtomicU64::new(7)));
    let unlock = |disk: &mut FakeDisk, passphrase: &[u8]| ProfileKeys::unlock(disk, &Secret::new(passphrase.to_vec()));
    let code = |keys: Result<ProfileKeys, Fault>| keys.err().map(|fault| fault.code);
    assert_eq!(code(unlock(&mut disk, b"correct horse")), Some(Code::ProfileMissing));
    let made = ProfileKeys::create(&mut disk, &mut entropy, &passphrase(), CHEAP).expect("an empty disk");
    let file = disk.bytes(KEYS_FILE);
    assert_eq!(code(ProfileKeys::create(&mut disk, &mut entropy, &passphrase(), CHEAP)), Some(Code::ProfileExists));
    assert_eq!(disk.bytes(KEYS_FILE), file);
    for wrong in [b"correct horsf".as_slice(), b"", b"correct horse\n"] {
        assert_eq!(code(unlock(&mut disk, wrong)), Some(Code::WrongPassphrase));
    }
    let unlocked = unlock(&mut disk, b"correct horse").expect("the right passphrase");
    let vault_key = |keys: &ProfileKeys| *keys.vault_key().expect("a key").expose();
    assert_eq!(vault_key(&unlocked), vault_key(&made));
}

#[test]
fn a_damaged_keys_file_is_told_from_a_newer_one() {
    let world = World::new();
    let code = |alter: &dyn Fn(&mut Vec<u8>)| {
        let mut disk = world.disk.copy();
        let mut bytes = disk.bytes(KEYS_FILE);
        alter(&mut bytes);
        disk.put(KEYS_FILE, bytes);
        ProfileKeys::unlock(&mut disk, &passphrase()).err().map(|fault| fault.code)
    };
    assert_eq!(code(&|_| {}), None);
    assert_eq!(code(&|bytes| bytes[0] ^= 1), Some(Code::KeysDamaged));
    assert_eq!(code(&|bytes| bytes[8] = 2), Some(Code::ProfileNewer));
    // A cost that nobody could pay is refused before it is paid.
    assert_eq!(code(&|bytes| bytes[15] = 0xff), Some(Code::KeysDamaged));
    assert_eq!(code(&|bytes| bytes.truncate(100)), Some(Code::KeysDamaged));
    assert_eq!(code(&|bytes| bytes.clear()), Some(Code::KeysDamaged));
    let last = world.disk.bytes(KEYS_FILE).len() - 1;
    assert_eq!(code(&|bytes| bytes[last] ^= 1), Some(Code::KeysDamaged));
}

// Time.

#[test]
fn a_clock_that_jumps_back_never_makes_stamps_decrease_and_time_goes_on() {
    let world = World::new();
    let mut engine = world.open();
    for now in [10_000, 4_000, 4_500, 9_000, 1_000, 1_001, 50_000] {
        world.set_clock(now);
        turn(&mut engine, [intent(1)]);
    }
    let stamps: Vec<u64> = engine.state().stamps.iter().map(|stamp| stamp.0).collect();
    assert!(stamps.windows(2).all(|pair| pair[0] <= pair[1]), "{stamps:?}");
    assert_eq!(stamps[..4], [10_000, 10_000, 10_500, 15_000]);
    assert_eq!(stamps[5] - stamps[4], 1);
    // Nor does a new process go back.
    world.set_clock(0);
    let mut engine = world.open();
    turn(&mut engine, [intent(1)]);
    world.set_clock(700);
    turn(&mut engine, [intent(1)]);
    let last = &engine.state().stamps[7..];
    assert_eq!(last, [Stamp(stamps[6]), Stamp(stamps[6] + 700)]);
}

#[test]
fn a_clock_that_jumps_back_between_two_looks_takes_no_time_back() {
    // A timer that was due at the first look is due at the fold as well: else it is lost.
    let world = World::new();
    let mut engine = world.open();
    turn(&mut engine, [intent(1)]);
    world.set_clock(engine.now().0 + 5_000);
    let due = engine.now();
    world.set_clock(due.0 - 4_500);
    assert!(engine.now() >= due);
}

// Retention.

#[test]
fn segments_that_snapshots_cover_retire_with_their_keys_when_their_time_is_over() {
    // Given a profile of four segments, a snapshot after the second and one after the third.
    let world = World::new();
    for number in 1..=4 {
        let mut engine = world.open();
        turn(&mut engine, [intent(number)]);
        if number == 2 || number == 3 {
            engine.snapshot().expect("a disk that works");
        }
    }
    let before = world.disk.names("journal");
    assert_eq!(before.len(), 4);
    // When a snapshot is taken 31 days later.
    world.set_clock(1_790_000_000_000 + 31 * 86_400_000);
    let mut engine = world.open();
    turn(&mut engine, [intent(5)]);
    engine.snapshot().expect("a disk that works");
    // Then what lies before the older of the two kept snapshots is gone, and no more.
    let after = world.disk.names("journal");
    assert_eq!(before.iter().filter(|file| after.contains(file)).collect::<Vec<_>>(), before.iter().skip(2).collect::<Vec<_>>());
    // The profile opens as before.
    let state = engine.state().clone();
    drop(engine);
    assert_eq!(world.open().state(), &state);
    assert_eq!(world.disk.names("journal"), after);
    // And a journal whose beginning is retired says so without a snapshot, rather than fold from nothing.
    for snapshot in world.disk.names("snapshots") {
        world.disk.flip(&snapshot, 200);
    }
    assert_eq!(world.refused(FORGETFUL).code, Code::JournalDamaged);
}

#[test]
fn young_segments_stay() {
    let world = World::new();
    for number in 1..=4 {
        let mut engine = world.open();
        turn(&mut engine, [intent(number)]);
        engine.snapshot().expect("a disk that works");
    }
    assert_eq!(world.disk.names("journal").len(), 4);
    assert_eq!(world.disk.names("snapshots").len(), 2, "the newest two are kept");
}

#[test]
fn a_block_whose_seal_opens_is_never_cut() {
    use thicket_journal_format::{Nonce, block, header::Header, keys::Kind};
    // Given a last block that was written whole: by a newer version, or with a record that nobody can read.
    let newer = [vec![99, 0, 1, 0, 0, 0, 0, 0], vec![0; 8]].concat();
    let unreadable = [vec![1, 0, 1, 0, 1, 0, 0, 0], vec![0; 8], vec![0xff]].concat();
    for (plain, code) in [(newer, Code::ProfileNewer), (unreadable, Code::JournalDamaged)] {
        let world = World::new();
        turn(&mut world.open(), [intent(1)]);
        let file = world.disk.newest("journal");
        let head = world.disk.bytes(&file)[..HEADER_LEN].to_vec();
        let (header, chain) = Header::parse(&head).expect("an intact header");
        let key = world.keys().key(Kind::Segment, header.segment.0).expect("an intact keys file").expect("a key");
        let (sealed, _) = block::seal(&key, Nonce([9; 12]), chain, header.first, 0, 1, plain).expect("one record");
        let bytes = [head, sealed].concat();
        world.disk.put(&file, bytes.clone());
        // When it is opened, then that is said and not a byte is gone.
        assert_eq!(world.refused(FORGETFUL).code, code);
        assert_eq!(world.disk.bytes(&file), bytes);
    }
}
