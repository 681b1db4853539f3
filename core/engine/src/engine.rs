//! The engine: one profile's journal and state, turned one group commit at a time.

use crate::Fault;
use crate::archive::Cut;
use crate::frames::{Frames, frame_of};
use crate::journal::{self, BlockAt, End, Leftover, NextBlock, Unwritten, Writer};
use crate::keys::ProfileKeys;
use crate::snapshots::{self, Carried, Newest};
use std::collections::{BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use thicket_journal_format::event;
use thicket_journal_format::keys::Kind;
use thicket_types::bytes::Bytes;
use thicket_types::effect::Effect;
use thicket_types::error::Code;
use thicket_types::event::{Arrival, Event, Outcome, TimerId};
use thicket_types::ids::{Digest, EffectId, FrameId, IntentId, Seq};
use thicket_types::intent::Intent;
use thicket_types::limits::{BLOCK_LEN_MAX, BLOCK_RECORDS_MAX, CARRIED_LEN_MAX, SEEN_FRAMES_MAX, SNAPSHOT_EVERY};
use thicket_types::ports::{Clock, Disk, Durable, Entropy, Place, Reducer, Remembered};
use thicket_types::time::{Deadline, Stamp};

/// Something that happened and is not journaled yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// A person or program asked.
    Intent(IntentId, Intent),
    /// A frame arrived and was admitted.
    Arrival(Arrival),
    /// A deadline passed; the flag is set if folding it the ordinary way panicked.
    Elapsed(TimerId, bool),
    /// An effect finished; with the vault's transaction count, if the vault had part in it.
    Resolved(EffectId, Outcome, u64),
}

/// What one turn made durable, and what is to be done about it.
#[derive(Debug, Default)]
pub struct Turn {
    /// Effects, in order. They may be dispatched: their records are on disk.
    pub effects: Vec<(EffectId, Effect)>,
    /// Intents that could not be folded: nothing about them is durable.
    pub failed: Vec<(IntentId, Code)>,
    /// Frames that could not be folded: nothing about them is durable, and they are not taken again until the next open.
    pub set_aside: usize,
    /// Records made durable.
    pub records: usize,
}

/// What an open found to be done.
#[derive(Debug)]
pub struct Opened {
    /// Effects that no record resolves: dispatched again, with the ids they always had.
    pub outstanding: Vec<(EffectId, Effect)>,
    /// Timers that are armed.
    pub timers: Vec<(TimerId, Deadline)>,
    /// Records folded on the way.
    pub folded: u64,
}

/// The newest snapshot: its place, what was open there, and the records whose bytes it carries.
struct Covered {
    seq: Seq,
    open: Vec<EffectId>,
    carries: BTreeSet<Seq>,
}

/// One profile's journal and state.
pub struct Engine<R: Reducer> {
    disk: Box<dyn Disk + Send>,
    clock: Box<dyn Clock + Send>,
    entropy: Box<dyn Entropy + Send>,
    keys: ProfileKeys,
    state: R::State,
    durable: Durable,
    stamp: Stamp,
    writer: Writer,
    blocks: Vec<BlockAt>,
    frames: Frames,
    /// What waits for a turn. It stays here until it is durable.
    inputs: VecDeque<Event>,
    /// Where a turn's records are encoded and sealed: used again, since a fresh one would cost more than the encoding.
    plain: Vec<u8>,
    quarantine: BTreeSet<FrameId>,
    covered: Option<Covered>,
    /// What the newest snapshot carries.
    carried: Carried,
    /// Milliseconds by which the journal is ahead of the clock.
    ahead: u64,
    /// The latest time that anybody was told.
    seen: Stamp,
    /// Set when the state could not be rebuilt after a failure: only a new open helps.
    broken: bool,
    /// Records folded by the open.
    folded: u64,
}

impl<R: Reducer> Engine<R> {
    /// Opens a profile's journal: newest snapshot, then the tail, folded.
    ///
    /// **Errors:** `JournalDamaged` with its place; `ProfileNewer`; `RolledBack` if journal and vault are not of the same
    /// time; the disk's.
    pub fn open(
        mut disk: Box<dyn Disk + Send>,
        clock: Box<dyn Clock + Send>,
        entropy: Box<dyn Entropy + Send>,
        mut keys: ProfileKeys,
        remembered: Remembered,
    ) -> Result<(Engine<R>, Opened), Fault> {
        let loaded = load_whole::<R>(disk.as_mut(), &keys, remembered)?;
        loaded.take_away(disk.as_mut(), &mut keys)?;
        let engine = Engine::new(disk, clock, entropy, keys, loaded);
        let opened = engine.opened();
        Ok((engine, opened))
    }

    /// Opens a profile whose journal and vault are not of the same time, to go on with what there is: the journal as far as it
    /// goes, from the newest snapshot that is of it. `first` says so in the journal; it is folded and durable when this returns.
    /// Until the vault was told, and then [`Engine::drop_passed_over`] was called, [`Engine::open`] refuses the profile as
    /// before.
    ///
    /// **Errors:** `NotCopied` if they are of the same time; otherwise as [`Engine::open`], and as [`Engine::turn`].
    pub fn open_apart(
        mut disk: Box<dyn Disk + Send>,
        clock: Box<dyn Clock + Send>,
        entropy: Box<dyn Entropy + Send>,
        mut keys: ProfileKeys,
        remembered: Remembered,
        first: Input,
    ) -> Result<(Engine<R>, Opened), Fault> {
        match load_whole::<R>(disk.as_mut(), &keys, remembered) {
            Ok(_) => return Err(Fault::from(Code::NotCopied)),
            Err(fault) if fault.code == Code::RolledBack => {}
            Err(fault) => return Err(fault),
        }
        let loaded = load_apart::<R>(disk.as_mut(), &keys, remembered)?;
        loaded.take_away(disk.as_mut(), &mut keys)?;
        let mut engine = Engine::new(disk, clock, entropy, keys, loaded);
        engine.push(first);
        let turn = engine.turn()?;
        if let Some((_, code)) = turn.failed.first() {
            return Err(Fault::from(*code));
        }
        // What was just asked for is outstanding as well.
        let opened = engine.opened();
        Ok((engine, opened))
    }

    /// Removes the snapshots that [`Engine::open_apart`] passed over: they are of another history than the journal. So are the segments
    /// whose keys are left: nobody is told of them any more.
    ///
    /// **Errors:** the disk's, where a snapshot stays: then [`Engine::open`] refuses the profile as before.
    pub fn drop_passed_over(&mut self) -> Result<(), Fault> {
        let used = self.covered.as_ref().map_or(Seq::ZERO, |covered| covered.seq);
        snapshots::remove_after(self.disk.as_mut(), used)?;
        // From here on journal and vault are of one time: what fails now must not look as if they were not. The keys that stay go with
        // the next write of their file, or when segments retire.
        let _ = self.destroy_loose_keys();
        Ok(())
    }

    /// Destroys the keys of segments that somebody took away.
    fn destroy_loose_keys(&mut self) -> Result<(), Fault> {
        let segments = journal::segment_ids(self.disk.as_mut())?;
        self.keys.keep_only(self.disk.as_mut(), Kind::Segment, &segments)
    }

    fn new(
        disk: Box<dyn Disk + Send>,
        clock: Box<dyn Clock + Send>,
        mut entropy: Box<dyn Entropy + Send>,
        keys: ProfileKeys,
        loaded: Loaded<R::State>,
    ) -> Engine<R> {
        let writer = Writer::new(R::RULES, entropy.as_mut());
        Engine {
            disk,
            clock,
            entropy,
            keys,
            state: loaded.state,
            durable: loaded.durable,
            stamp: loaded.stamp,
            writer,
            blocks: loaded.blocks,
            frames: Frames::default(),
            inputs: VecDeque::new(),
            plain: Vec::new(),
            quarantine: BTreeSet::new(),
            covered: loaded.covered,
            carried: loaded.carried,
            ahead: 0,
            seen: Stamp(0),
            broken: false,
            folded: loaded.folded,
        }
    }

    fn opened(&self) -> Opened {
        Opened { outstanding: R::outstanding(&self.state), timers: R::timers(&self.state), folded: self.folded }
    }

    /// The state: always one that is durable, between turns.
    pub fn state(&self) -> &R::State {
        &self.state
    }

    /// The last durable block, with the state after it: what an archive is made of.
    pub fn cut(&self) -> Cut<R::State>
    where
        R::State: Clone,
    {
        Cut { durable: self.durable, stamp: self.stamp, state: self.state.clone() }
    }

    /// The last durable block.
    pub fn durable(&self) -> Durable {
        self.durable
    }

    /// The journal's time: the clock's, moved forward if the journal is ahead of it, so that it never stands still.
    pub fn now(&mut self) -> Stamp {
        let clock = self.clock.now();
        let seen = self.seen.max(self.stamp);
        if clock.0.saturating_add(self.ahead) < seen.0 {
            self.ahead = seen.0.saturating_sub(clock.0);
        }
        self.seen = Stamp(clock.0.saturating_add(self.ahead));
        self.seen
    }

    /// Queues an input for the next turn. A frame that once panicked the fold is dropped.
    pub fn push(&mut self, input: Input) {
        if let Input::Arrival(arrival) = &input
            && self.quarantine.contains(&arrival.frame)
        {
            return;
        }
        self.inputs.push_back(event_of(input));
    }

    /// Frames that could not be folded since the open. At most `SEEN_FRAMES_MAX`.
    pub fn quarantined(&self) -> usize {
        self.quarantine.len()
    }

    /// Whether inputs wait.
    pub fn has_inputs(&self) -> bool {
        !self.inputs.is_empty()
    }

    /// Folds what waits, as much as one block holds, and makes it durable. Without inputs does nothing.
    ///
    /// **Errors:** nothing of the turn is durable and no effect is let out; the state is that of the last durable block.
    /// The inputs are dropped but for `Resolved` and `Elapsed`, which wait for the next turn: nobody else repeats them.
    pub fn turn(&mut self) -> Result<Turn, Fault> {
        let mut turn = Turn::default();
        if self.broken {
            return Err(Fault::from(Code::DiskFailed));
        }
        if self.inputs.is_empty() {
            return Ok(turn);
        }
        if self.writer.is_full() {
            self.writer = Writer::new(R::RULES, self.entropy.as_mut());
        }
        loop {
            match self.fold() {
                Folded::Whole { records: 0, .. } => return Ok(turn),
                Folded::Whole { records, stamp, effects } => {
                    self.append(records, stamp)?;
                    turn.records = records;
                    turn.effects = effects;
                    return Ok(turn);
                }
                Folded::Panicked { position } => {
                    self.rebuild()?;
                    self.set_aside(position, &mut turn);
                }
            }
        }
    }

    /// Takes the segment that is written to for one that holds so many blocks.
    #[cfg(test)]
    pub(crate) fn pretend_blocks(&mut self, blocks: u32) {
        self.writer.pretend_blocks(blocks);
    }

    fn fold(&mut self) -> Folded {
        let stamp = self.now();
        let segment = self.writer.segment();
        let mut effects = Vec::new();
        self.plain.clear();
        let (mut records, mut seq) = (0, self.durable.seq);
        for event in self.inputs.iter().take(BLOCK_RECORDS_MAX) {
            if self.plain.len() >= BLOCK_LEN_MAX {
                break;
            }
            seq = seq.next();
            let place = Place { segment, seq, stamp };
            let state = &mut self.state;
            let encoded = event::encode(stamp, event, &mut self.plain);
            // The fold is total; if it is not, that is our fault, and must not cost the account.
            let folded = catch_unwind(AssertUnwindSafe(|| R::reduce(R::RULES, state, place, event)));
            let (Ok(()), Ok(asked)) = (encoded, folded) else {
                return Folded::Panicked { position: records };
            };
            for (index, effect) in asked.into_iter().enumerate() {
                let index = u32::try_from(index).unwrap_or(u32::MAX);
                effects.push((EffectId { seq, index, segment }, effect));
            }
            records += 1;
        }
        Folded::Whole { records, stamp, effects }
    }

    /// Makes the first inputs durable: they were folded, and their encoding waits.
    fn append(&mut self, records: usize, stamp: Stamp) -> Result<(), Fault> {
        let next = NextBlock { stamp, records, plain: &mut self.plain };
        let appended = self.writer.append(self.disk.as_mut(), &mut self.keys, self.entropy.as_mut(), self.durable, next);
        let (durable, block) = match appended {
            Ok(appended) => appended,
            Err(Unwritten { fault, cut }) => {
                let ours = |event: &Event| matches!(event, Event::Resolved { .. } | Event::Elapsed { .. });
                let rest = self.inputs.split_off(records.min(self.inputs.len()));
                self.inputs.retain(ours);
                self.inputs.extend(rest);
                let rebuilt = self.rebuild();
                // What may still stand behind the durable end would be taken for durable by the next writer.
                self.broken = rebuilt.is_err() || !cut;
                return Err(fault);
            }
        };
        let mut seq = self.durable.seq;
        self.durable = durable;
        self.stamp = stamp;
        self.blocks.push(block);
        for event in self.inputs.drain(..records.min(self.inputs.len())) {
            seq = seq.next();
            self.frames.keep(seq, &event);
        }
        Ok(())
    }

    /// Throws the state away and folds what is durable anew, and nothing behind it. The segment is never written again.
    fn rebuild(&mut self) -> Result<(), Fault> {
        self.broken = true;
        self.state = R::fresh();
        let loaded = load::<R>(self.disk.as_mut(), &self.keys, Some(self.durable), Some(self.durable.seq))?;
        self.state = loaded.state;
        self.blocks = loaded.blocks;
        self.writer = Writer::new(R::RULES, self.entropy.as_mut());
        self.broken = false;
        Ok(())
    }

    /// Takes the input that panicked the fold out of the way, or makes it one that every arm accepts.
    fn set_aside(&mut self, position: usize, turn: &mut Turn) {
        match self.inputs.get_mut(position) {
            Some(Event::Resolved { outcome, .. }) if *outcome != Outcome::Fault(Code::FoldPanicked) => {
                *outcome = Outcome::Fault(Code::FoldPanicked);
                return;
            }
            Some(Event::Elapsed { fault, .. }) if !*fault => {
                *fault = true;
                return;
            }
            Some(Event::Requested { id, .. }) => turn.failed.push((*id, Code::FoldPanicked)),
            Some(Event::Arrived(arrival)) => {
                if self.quarantine.len() < SEEN_FRAMES_MAX {
                    self.quarantine.insert(arrival.frame);
                }
                turn.set_aside += 1;
            }
            Some(Event::Resolved { .. } | Event::Elapsed { .. }) | None => {}
        }
        self.inputs.remove(position);
    }

    /// The bytes that an effect means when it names a record.
    pub fn frame(&mut self, seq: Seq) -> Result<Vec<u8>, Fault> {
        if let Some(bytes) = self.frames.find(seq) {
            return Ok(bytes);
        }
        if let Some(bytes) = self.carried.get(&seq) {
            return Ok(bytes.0.clone());
        }
        if self.blocks.first().is_none_or(|block| seq < block.first()) {
            // Before what this process has walked: walk it all once.
            let covered = self.covered.as_ref().map_or(Seq::ZERO, |covered| covered.seq);
            self.blocks = journal::read(self.disk.as_mut(), &self.keys, None, covered, Seq::ZERO, &mut |_| {})?.blocks;
        }
        let record = journal::read_record(self.disk.as_mut(), &self.keys, &self.blocks, seq)?;
        record.as_ref().and_then(|record| frame_of(&record.event)).map(<[u8]>::to_vec).ok_or(Fault::from(Code::Inconsistent))
    }

    /// Whether enough was journaled since the newest snapshot for another.
    pub fn snapshot_due(&self) -> bool {
        let since = self.covered.as_ref().map_or(0, |covered| covered.seq.0);
        self.durable.seq.0.saturating_sub(since) >= SNAPSHOT_EVERY
    }

    /// Writes a snapshot of the durable state. Returns what the one before it covered, for the vault's ledger to be pruned:
    /// a place, and the effects that were open there. Nothing new since the newest one: does nothing.
    pub fn snapshot(&mut self) -> Result<Option<(Seq, Vec<EffectId>)>, Fault> {
        if self.broken {
            return Err(Fault::from(Code::DiskFailed));
        }
        if self.covered.as_ref().map_or(Seq::ZERO, |covered| covered.seq) == self.durable.seq {
            return Ok(None);
        }
        let now = self.now();
        let named = R::named(&self.state);
        let carried = self.carry(&named, now)?;
        let cut = self.cut();
        snapshots::write::<R>(self.disk.as_mut(), &mut self.keys, self.entropy.as_mut(), &cut, &carried)?;
        let open = R::outstanding(&self.state).into_iter().map(|(id, _)| id).collect();
        let carries: BTreeSet<Seq> = carried.keys().copied().collect();
        self.carried = carried;
        let before = self.covered.replace(Covered { seq: self.durable.seq, open, carries: carries.clone() });
        let retired = before.as_ref().map_or(Ok(()), |before| {
            // Should this snapshot be damaged, the one before gives the state: what both carry needs no segment.
            let in_segments = named.iter().find(|seq| !(carries.contains(seq) && before.carries.contains(seq)));
            let needed = in_segments.map_or(before.seq, |named| before.seq.min(*named));
            self.retire(needed, now)?;
            // The places of what retired, or is read no more, are of no use.
            let old = self.blocks.partition_point(|block| block.first() <= needed).saturating_sub(1);
            self.blocks.drain(..old);
            Ok(())
        });
        self.tidy()?;
        retired.map(|()| before.map(|before| (before.seq, before.open)))
    }

    /// Lets the oldest segments go that nothing needs. What they came to becomes a snapshot first, so that all that is left can be
    /// folded. Retention does not wait for that: what can't be read, or finds no room, goes when its time is over.
    fn retire(&mut self, needed: Seq, now: Stamp) -> Result<(), Fault> {
        let Some(retiring) = journal::retiring(self.disk.as_mut(), needed, now)? else {
            return Ok(());
        };
        // Makes room.
        self.tidy()?;
        let begins = self.keep_beginning(retiring.upto);
        journal::retire(self.disk.as_mut(), &mut self.keys, &retiring)?;
        // No fold begins before what is left.
        if begins.is_err() {
            snapshots::remove_upto(self.disk.as_mut(), retiring.upto.seq)?;
        }
        // A key without a file says that somebody took the file. Its time is over with that of the oldest that is left.
        self.destroy_loose_keys()
    }

    /// Sees to it that a snapshot stands where a segment ends.
    ///
    /// **Errors:** why there can be none: nothing readable holds what came before, or a segment can't be read; the disk's.
    fn keep_beginning(&mut self, upto: Durable) -> Result<(), Fault> {
        let (disk, keys) = (self.disk.as_mut(), &mut self.keys);
        let begins = journal::begins(disk, keys)?;
        let from = snapshots::upto::<R>(disk, keys, upto.seq)?.filter(|from| from.durable.seq >= begins);
        if from.as_ref().is_some_and(|from| from.durable == upto && from.carried.is_empty()) {
            return Ok(());
        }
        let start = match from {
            Some(from) => Cut { durable: from.durable, stamp: from.stamp, state: from.state },
            None if begins == Seq::ZERO => Cut { durable: BEGINNING, stamp: Stamp(0), state: R::fresh() },
            None => return Err(Fault::from(Code::JournalDamaged)),
        };
        let cut = fold_to::<R>(disk, keys, start, upto)?;
        // It carries nothing: what retires is to be gone. What is still needed of it the newest two carry.
        snapshots::write::<R>(disk, keys, self.entropy.as_mut(), &cut, &Carried::new())
    }

    /// Removes the snapshots that nothing needs any more.
    fn tidy(&mut self) -> Result<(), Fault> {
        let begins = journal::begins(self.disk.as_mut(), &self.keys)?;
        snapshots::tidy(self.disk.as_mut(), &mut self.keys, begins)
    }

    /// The bytes that a snapshot is to carry, so that segments can retire though work under way names a record in them: else a
    /// frame that waits for weeks would keep every segment since, until there is no place for another.
    fn carry(&mut self, named: &BTreeSet<Seq>, now: Stamp) -> Result<Carried, Fault> {
        let due = journal::due_before(self.disk.as_mut(), now)?;
        let mut carried = Carried::new();
        let mut len = 0_usize;
        for seq in named {
            if *seq >= due && !self.carried.contains_key(seq) {
                break;
            }
            let bytes = self.frame(*seq)?;
            len = len.saturating_add(bytes.len());
            if len > CARRIED_LEN_MAX {
                break;
            }
            carried.insert(*seq, Bytes(bytes));
        }
        Ok(carried)
    }
}

enum Folded {
    Whole { records: usize, stamp: Stamp, effects: Vec<(EffectId, Effect)> },
    Panicked { position: usize },
}

fn event_of(input: Input) -> Event {
    match input {
        Input::Intent(id, intent) => Event::Requested { id, intent },
        Input::Arrival(arrival) => Event::Arrived(arrival),
        Input::Elapsed(timer, fault) => Event::Elapsed { timer, fault },
        Input::Resolved(effect, outcome, vault_count) => Event::Resolved { effect, outcome, vault_count },
    }
}

/// The durable state of a profile, folded without changing a byte: a torn tail is passed over and left. `remembered` is the block
/// that the vault remembers, where one is asked.
///
/// **Errors:** as [`Engine::open`], but for what the vault's count tells.
pub fn look<R: Reducer>(disk: &mut dyn Disk, keys: &ProfileKeys, remembered: Option<Durable>) -> Result<R::State, Fault> {
    Ok(load::<R>(disk, keys, remembered, Some(Seq(u64::MAX)))?.state)
}

/// The place before the first record.
const BEGINNING: Durable = Durable { seq: Seq::ZERO, chain: Digest([0; 32]) };

/// Folds on from a state to a place that ends a segment, reading no record after it.
///
/// **Errors:** `JournalDamaged` with its place; the disk's.
fn fold_to<R: Reducer>(disk: &mut dyn Disk, keys: &ProfileKeys, from: Cut<R::State>, upto: Durable) -> Result<Cut<R::State>, Fault> {
    let Cut { durable: Durable { seq: after, .. }, mut stamp, mut state } = from;
    if after < upto.seq {
        let resume = journal::resume_at(disk, after)?.ok_or(Fault::from(Code::JournalDamaged))?;
        journal::walk_on(disk, keys, &resume, upto.seq, &mut |walked| {
            if walked.place.seq > after {
                let _ = R::reduce(walked.rules, &mut state, walked.place, &walked.record.event);
                stamp = walked.place.stamp;
            }
        })?;
    }
    Ok(Cut { durable: upto, stamp, state })
}

struct Loaded<S> {
    state: S,
    durable: Durable,
    stamp: Stamp,
    blocks: Vec<BlockAt>,
    covered: Option<Covered>,
    carried: Carried,
    folded: u64,
    leftovers: Vec<Leftover>,
}

impl<S> Loaded<S> {
    /// Takes away what a writer goes on without. Not before all is read: a profile that is refused stays as it is.
    fn take_away(&self, disk: &mut dyn Disk, keys: &mut ProfileKeys) -> Result<(), Fault> {
        self.leftovers.iter().try_for_each(|leftover| leftover.take_away(disk, keys))
    }
}

/// Folds what is on disk, all of it or up to a place, and changes nothing.
fn load<R: Reducer>(
    disk: &mut dyn Disk,
    keys: &ProfileKeys,
    remembered: Option<Durable>,
    upto: Option<Seq>,
) -> Result<Loaded<R::State>, Fault> {
    let newest = snapshots::newest::<R>(disk, keys)?;
    load_from::<R>(disk, keys, newest, remembered, upto, false)
}

/// Whether a state names a record that is gone: of a journal that begins right after a snapshot, which carries something.
pub fn names_what_is_gone<R: Reducer>(state: &R::State, snapshot: Seq, carried: &Carried) -> bool {
    R::named(state).iter().any(|seq| *seq <= snapshot && !carried.contains_key(seq))
}

/// Folds what is on disk, which must be of the vault's time.
fn load_whole<R: Reducer>(disk: &mut dyn Disk, keys: &ProfileKeys, remembered: Remembered) -> Result<Loaded<R::State>, Fault> {
    let loaded = load::<R>(disk, keys, remembered.durable, None)?;
    if R::vault_count(&loaded.state) > remembered.count { Err(Fault::from(Code::RolledBack)) } else { Ok(loaded) }
}

/// Folds what is on disk, whatever the vault knows: from the newest snapshot that is of this journal. Damage is damage all the
/// same.
fn load_apart<R: Reducer>(disk: &mut dyn Disk, keys: &ProfileKeys, remembered: Remembered) -> Result<Loaded<R::State>, Fault> {
    let mut newest = snapshots::newest::<R>(disk, keys)?;
    loop {
        let at = newest.as_ref().map(|newest| newest.durable.seq);
        match (load_from::<R>(disk, keys, newest, remembered.durable, None, true), at) {
            (Err(fault), Some(at)) if fault.code == Code::RolledBack => newest = snapshots::before::<R>(disk, keys, at)?,
            (loaded, _) => return loaded,
        }
    }
}

/// `apart`: the journal need not hold the block that the vault remembers; it shows only which tail can't be torn.
fn load_from<R: Reducer>(
    disk: &mut dyn Disk,
    keys: &ProfileKeys,
    newest: Option<Newest<R::State>>,
    remembered: Option<Durable>,
    upto: Option<Seq>,
    apart: bool,
) -> Result<Loaded<R::State>, Fault> {
    let (from, mut state, stamp, carried) = match newest {
        Some(newest) => (Some(newest.durable), newest.state, newest.stamp, newest.carried),
        None => (None, R::fresh(), Stamp(0), Carried::new()),
    };
    let covered = from.map(|from| Covered {
        seq: from.seq,
        open: R::outstanding(&state).into_iter().map(|(id, _)| id).collect(),
        carries: carried.keys().copied().collect(),
    });
    let covered_to = from.map_or(Seq::ZERO, |from| from.seq);
    let beyond = covered_to.max(remembered.map_or(Seq::ZERO, |durable| durable.seq));
    let (mut folded, mut newer, mut met) = (0, false, false);
    let mut end = journal::read(disk, keys, from, covered_to, beyond, &mut |walked| {
        if upto.is_some_and(|upto| walked.place.seq > upto) {
            return;
        }
        newer |= walked.rules > R::RULES;
        if !newer {
            let _ = R::reduce(walked.rules, &mut state, walked.place, &walked.record.event);
            folded += 1;
        }
        met |= remembered.is_some_and(|durable| walked.place.seq == durable.seq && walked.chain == Some(durable.chain));
    })?;
    let short = remembered.is_some_and(|durable| end.durable.seq < durable.seq);
    if short && !apart {
        return Err(Fault::from(Code::RolledBack));
    }
    if newer {
        return Err(Fault::from(Code::ProfileNewer));
    }
    if let Some(upto) = upto {
        end.blocks.retain(|block| block.first() <= upto);
    }
    // Without a snapshot nothing but the whole journal gives the state.
    if from.is_none() && end.from.seq > Seq::ZERO {
        return Err(Fault::from(Code::JournalDamaged));
    }
    // Where nothing is before the snapshot, what work under way names stands after it or is carried; else it is lost.
    if end.continues && names_what_is_gone::<R>(&state, end.from.seq, &carried) {
        return Err(Fault::from(Code::JournalDamaged));
    }
    // The vault's remembered block must be one of this journal's: where the tail holds its place, its hash must be there.
    let in_tail = remembered.is_some_and(|durable| durable.seq > end.from.seq);
    let at_snapshot =
        from.is_some() && remembered.is_some_and(|durable| Some(durable.seq) == from.map(|from| from.seq) && Some(durable) != from);
    if !apart && (in_tail && !met || at_snapshot) {
        return Err(Fault::from(Code::RolledBack));
    }
    let End { durable, blocks, leftovers, .. } = end;
    Ok(Loaded { state, durable, stamp: stamp.max(end.stamp), blocks, covered, carried, folded, leftovers })
}
