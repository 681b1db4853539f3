//! A journal that one can go to any place of.

use crate::Step;
use crate::fold::{Snapshots, Start, fold_one};
use thicket_engine::{Extent, Fault, ProfileKeys, Resume, Walked, walk, walk_on};
use thicket_journal_format::event::Record;
use thicket_reducer::State;
use thicket_types::effect::Effect;
use thicket_types::error::Code;
use thicket_types::ids::Seq;
use thicket_types::limits::{WAYPOINT_EVERY, WAYPOINTS_ENTRIES_MAX, WAYPOINTS_MAX};
use thicket_types::ports::{Disk, Place};

/// A journal that was folded once, with a state kept every so many records: any other is a short fold away.
///
/// **Limits.** A state each [`WAYPOINT_EVERY`] records, and [`WAYPOINTS_MAX`] of them, or [`WAYPOINTS_ENTRIES_MAX`] entries: of a longer
/// journal each second goes, and they lie twice as far apart.
pub struct Replay {
    begins: Start,
    oldest: Seq,
    last: Seq,
    waypoints: Vec<Waypoint>,
    every: u64,
    entries_max: usize,
}

/// A record, and what became of the state by it.
pub struct Moment {
    /// Where it stands.
    pub place: Place,
    /// The record.
    pub record: Record,
    /// What it asked for.
    pub effects: Vec<Effect>,
    /// The state before it.
    pub before: State,
    /// The state after it.
    pub after: State,
}

/// The state before a block.
struct Waypoint {
    state: State,
    /// Entries of the state.
    entries: usize,
    block: Resume,
}

impl Replay {
    /// Folds a journal without changing it, in one walk; the visitor sees each record that is folded, also of a journal that turns out
    /// later on to be damaged.
    ///
    /// **Errors:** `JournalDamaged` with its place; `RolledBack` if a snapshot is not of this journal; `ProfileNewer`; the disk's.
    pub fn read(disk: &mut dyn Disk, keys: &ProfileKeys, visit: &mut dyn FnMut(&Step<'_>)) -> Result<Replay, Fault> {
        Replay::read_by(disk, keys, WAYPOINT_EVERY, WAYPOINTS_ENTRIES_MAX, visit)
    }

    fn read_by(
        disk: &mut dyn Disk,
        keys: &ProfileKeys,
        every: u64,
        entries_max: usize,
        visit: &mut dyn FnMut(&Step<'_>),
    ) -> Result<Replay, Fault> {
        let mut snapshots = Snapshots::read(disk, keys)?;
        let begins = Start { state: State::default(), after: Seq::ZERO };
        let mut replay = Replay { begins, oldest: Seq::ZERO, last: Seq::ZERO, waypoints: Vec::new(), every, entries_max };
        let mut at = None;
        let mut is_first = true;
        let mut folded = Ok(());
        let Extent { begins, .. } = walk(disk, keys, None, &mut |walked| {
            snapshots.note(&walked);
            let seq = walked.place.seq;
            if let Some(at) = at.get_or_insert_with(|| snapshots.start(Seq(seq.0.saturating_sub(1))))
                && folded.is_ok()
                && seq > at.after
            {
                if walked.block.first() == seq {
                    replay.note(&walked, &at.state);
                }
                let begins = std::mem::take(&mut is_first).then(|| at.state.clone());
                folded = fold_one(at, &walked, &mut |step| visit(&Step { begins: begins.as_ref(), ..*step }));
            }
        })?;
        snapshots.hold(begins)?;
        replay.oldest = begins.seq.next();
        replay.begins = snapshots.start(begins.seq).ok_or(Fault::from(Code::JournalDamaged))?;
        folded?;
        replay.last = at.flatten().map_or(replay.begins.after, |at| at.after);
        Ok(replay)
    }

    /// The place of the first record that can be folded: 1, or the one after the oldest snapshot.
    pub fn first(&self) -> Seq {
        self.begins.after.next()
    }

    /// The place of the oldest record that the journal has. Before the [first](Replay::first), if no snapshot holds what came before
    /// it: those between the two are whole, and could not be folded.
    pub fn oldest(&self) -> Seq {
        self.oldest
    }

    /// The place of the last record.
    pub fn last(&self) -> Seq {
        self.last
    }

    /// The state after the record at a place; `None` if the replay does not reach it. The place before the first is one that it
    /// reaches.
    ///
    /// **Errors:** as [`walk_on`].
    pub fn at(&self, disk: &mut dyn Disk, keys: &ProfileKeys, place: Seq) -> Result<Option<State>, Fault> {
        if place < self.begins.after || place > self.last {
            return Ok(None);
        }
        Ok(Some(self.fold(disk, keys, place.next(), place, &mut Vec::new())?.state))
    }

    /// The record at a place, with the states before and after it; `None` if there is none, or what came before it has retired.
    ///
    /// **Errors:** as [`walk_on`].
    pub fn record(&self, disk: &mut dyn Disk, keys: &ProfileKeys, place: Seq) -> Result<Option<Moment>, Fault> {
        Ok(self.records(disk, keys, place, place)?.pop())
    }

    /// The records from one place to another, as far as there are any: one fold for all of them.
    ///
    /// **Errors:** as [`walk_on`].
    pub fn records(&self, disk: &mut dyn Disk, keys: &ProfileKeys, from: Seq, upto: Seq) -> Result<Vec<Moment>, Fault> {
        let (from, upto) = (from.max(self.first()), upto.min(self.last));
        let mut moments = Vec::new();
        if from <= upto {
            self.fold(disk, keys, from, upto, &mut moments)?;
        }
        Ok(moments)
    }

    /// Folds from the waypoint before a place on, up to another; keeps what came of the records between.
    fn fold(&self, disk: &mut dyn Disk, keys: &ProfileKeys, from: Seq, upto: Seq, moments: &mut Vec<Moment>) -> Result<Start, Fault> {
        let begin = from.min(upto);
        let Some(waypoint) = self.waypoints.iter().rfind(|waypoint| waypoint.block.first() <= begin) else {
            return Ok(self.begins.clone());
        };
        let mut at = Start { state: waypoint.state.clone(), after: Seq(waypoint.block.first().0.saturating_sub(1)) };
        let mut folded = Ok(());
        walk_on(disk, keys, &waypoint.block, upto, &mut |walked| {
            if folded.is_ok() {
                let mut before = (walked.place.seq >= from).then(|| at.state.clone());
                folded = fold_one(&mut at, &walked, &mut |step| {
                    if let Some(before) = before.take() {
                        let (record, effects, after) = (step.record.clone(), step.effects.to_vec(), step.state.clone());
                        moments.push(Moment { place: step.place, record, effects, before, after });
                    }
                });
            }
        })?;
        folded.map(|()| at)
    }

    /// Keeps the state before a block, if the one kept before it is far enough away.
    fn note(&mut self, walked: &Walked<'_>, state: &State) {
        let first = walked.place.seq.0;
        if self.waypoints.last().is_some_and(|waypoint| first < waypoint.block.first().0.saturating_add(self.every)) {
            return;
        }
        let entries = state.entries();
        // The first stays: nothing before it could be gone to.
        while self.waypoints.len() > 1 && !self.has_room(entries) {
            let mut number = 0;
            self.waypoints.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.every = self.every.saturating_mul(2);
        }
        self.waypoints.push(Waypoint { state: state.clone(), entries, block: walked.block.keep() });
    }

    /// Whether another waypoint, of so many entries, can be kept with those there are.
    fn has_room(&self, entries: usize) -> bool {
        let kept = self.waypoints.iter().map(|waypoint| waypoint.entries).fold(entries, usize::saturating_add);
        self.waypoints.len() < WAYPOINTS_MAX && kept <= self.entries_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::{Life, asked, relay};
    use crate::verify;
    use std::collections::BTreeMap;
    use thicket_engine::{Input, OsDisk};
    use thicket_types::bytes::Bytes;
    use thicket_types::event::{Arrival, Arrived, Lane};
    use thicket_types::ids::{Fingerprint, FrameId};
    use thicket_types::time::Duration;

    /// A profile with so many blocks, in segments of seven, and snapshots where they are asked for.
    fn journal(blocks: u64, snapshots: &[u64]) -> (tempfile::TempDir, OsDisk, ProfileKeys) {
        let mut life = Life::new();
        for number in 0..blocks {
            if number % 7 == 0 && number > 0 {
                life.open_again();
            }
            let first = if number == 0 { relay() } else { asked(number) };
            life.turn([first].into_iter().chain((number % 3 == 0).then(|| arrived(number))));
            if snapshots.contains(&number) {
                life.snapshot();
            }
        }
        life.close()
    }

    fn arrived(number: u64) -> Input {
        let mut frame = [7; 32];
        frame[..8].copy_from_slice(&number.to_be_bytes());
        let content = Arrived::Envelope { cursor: number, sender: Fingerprint([1; 20]), sealed: Bytes(vec![1; 40]) };
        Input::Arrival(Arrival { frame: FrameId(frame), lane: Lane::Named, content })
    }

    #[test]
    fn any_place_of_a_journal_is_reached_and_is_what_the_whole_fold_had_there() {
        for snapshots in [&[][..], &[20, 33]] {
            let (_folder, mut disk, keys) = journal(60, snapshots);
            let mut whole = Vec::new();
            let replay = Replay::read_by(&mut disk, &keys, 10, WAYPOINTS_ENTRIES_MAX, &mut |step| {
                whole.push((step.place, step.record.clone(), step.effects.to_vec(), step.state.clone()));
            })
            .expect("an intact journal");
            assert_eq!((replay.first(), replay.last()), (Seq(1), Seq(80)));
            assert_eq!(whole.len(), 80);
            let mut before = replay.at(&mut disk, &keys, Seq::ZERO).expect("an intact journal").expect("the beginning");
            assert_eq!(before, State::default());
            for (place, record, effects, after) in &whole {
                assert_eq!(replay.at(&mut disk, &keys, place.seq).expect("an intact journal").as_ref(), Some(after), "{}", place.seq);
                let moment = replay.record(&mut disk, &keys, place.seq).expect("an intact journal").expect("a record");
                assert_eq!((&moment.record, &moment.effects, &moment.place), (record, effects, place));
                assert_eq!((&moment.before, &moment.after), (&before, after), "{}", place.seq);
                before = after.clone();
            }
            assert!(replay.at(&mut disk, &keys, Seq(81)).expect("an intact journal").is_none());
            let page = replay.records(&mut disk, &keys, Seq(27), Seq(49)).expect("an intact journal");
            assert_eq!(page.iter().map(|moment| moment.place.seq.0).collect::<Vec<_>>(), (27..=49).collect::<Vec<_>>());
            for (moment, (place, record, effects, after)) in page.iter().zip(&whole[26..]) {
                assert_eq!((&moment.place, &moment.record, &moment.effects, &moment.after), (place, record, effects, after));
            }
            assert!(page.windows(2).all(|pair| pair[0].after == pair[1].before));
            assert_eq!(replay.records(&mut disk, &keys, Seq(79), Seq(99)).expect("an intact journal").len(), 2);
            for beside in [Seq::ZERO, Seq(81)] {
                assert!(replay.record(&mut disk, &keys, beside).expect("an intact journal").is_none());
            }
        }
    }

    #[test]
    fn whatever_has_retired_all_that_is_left_is_folded() {
        let mut life = Life::new();
        life.turn([relay()]);
        let mut seen = BTreeMap::new();
        for month in 1..=6 {
            for number in 0..5 {
                life.turn([asked(10 * month + number)]);
                seen.insert(life.durable(), life.state().clone());
            }
            life.snapshot();
            life.open_again();
            life.wait(Duration::days(31).0);
        }
        let (_folder, mut disk, keys) = life.close();
        let mut listed = Vec::new();
        walk(&mut disk, &keys, None, &mut |walked| listed.push(walked.place.seq)).expect("an intact journal");
        let replay = Replay::read(&mut disk, &keys, &mut |_| {}).expect("an intact journal");
        assert_eq!(replay.oldest(), replay.first());
        assert!(replay.first() > Seq(1) && Some(&replay.first()) == listed.first() && listed.len() >= 10, "{listed:?}");
        for place in listed {
            assert_eq!(replay.at(&mut disk, &keys, place).expect("an intact journal").as_ref(), seen.get(&place), "{place}");
        }
        let verified = verify(&mut disk, &keys, None).expect("an intact journal");
        assert!(verified.holds() && verified.begins == verified.from && verified.snapshots.len() == 2);
        // Without that snapshot the rest of it is whole, and what of it can't be folded is said.
        let place = verified.begins;
        disk.remove(&format!("snapshots/{:016x}.snap", place.0)).expect("a file");
        let verified = verify(&mut disk, &keys, None).expect("an intact journal");
        assert!(verified.holds() && verified.begins == place && verified.from > place && verified.snapshots.len() == 1);
        let replay = Replay::read(&mut disk, &keys, &mut |_| {}).expect("an intact journal");
        assert_eq!((replay.oldest(), replay.first()), (place.next(), verified.from.next()));
        assert_eq!(verified.unfolded(), replay.first().0 - replay.oldest().0);
    }

    #[test]
    fn a_replay_keeps_a_state_each_so_many_records_and_so_many_in_all() {
        let (folder, _, keys) = journal(300, &[]);
        let read = |every, entries_max| {
            let mut disk = OsDisk::new(&folder.path().join("p"));
            Replay::read_by(&mut disk, &keys, every, entries_max, &mut |_| {}).expect("an intact journal")
        };
        let places = |every| {
            let replay = read(every, WAYPOINTS_ENTRIES_MAX);
            (replay.waypoints.iter().map(|waypoint| waypoint.block.first().0).collect::<Vec<_>>(), replay.every)
        };
        let (first, every) = places(WAYPOINT_EVERY);
        assert_eq!((first, every), (vec![1], WAYPOINT_EVERY));
        let (apart, every) = places(100);
        assert_eq!(every, 100);
        assert!(apart.windows(2).all(|pair| (100..=101).contains(&(pair[1] - pair[0]))), "{apart:?}");
        let (thinned, every) = places(1);
        assert!(every > 1 && thinned.len() <= WAYPOINTS_MAX && thinned.len() > WAYPOINTS_MAX / 4, "{} of {every}", thinned.len());
        assert!(thinned.windows(2).all(|pair| pair[1] - pair[0] >= every), "{thinned:?}");
        // As many entries as three of the larger ones have; and where none has room, the first and the newest.
        let whole = read(10, WAYPOINTS_ENTRIES_MAX);
        let entries = |replay: &Replay| replay.waypoints.iter().map(|waypoint| waypoint.entries).collect::<Vec<_>>();
        let entries_max = 3 * entries(&whole).into_iter().max().expect("waypoints");
        let bounded = read(10, entries_max);
        assert!(entries(&whole).iter().sum::<usize>() > entries_max && entries(&bounded).iter().sum::<usize>() <= entries_max);
        assert!(bounded.waypoints.len() > 2 && bounded.every > 10);
        for replay in [&bounded, &read(10, 0)] {
            let mut disk = OsDisk::new(&folder.path().join("p"));
            assert_eq!(replay.waypoints.first().map(|waypoint| waypoint.block.first()), Some(Seq(1)));
            for place in [Seq(1), Seq(150), replay.last()] {
                let [at, of_whole] = [replay, &whole].map(|replay| replay.at(&mut disk, &keys, place).expect("an intact journal"));
                assert!(at.is_some() && at == of_whole, "{place}");
            }
        }
        assert_eq!(read(10, 0).waypoints.len(), 2);
    }

    #[test]
    fn a_snapshot_of_another_journal_is_not_folded_on_from() {
        let (folder, mut disk, keys) = journal(28, &[20]);
        assert!(verify(&mut disk, &keys, None).is_ok_and(|verified| verified.holds() && verified.snapshots.len() == 1));
        let mut segments: Vec<_> =
            std::fs::read_dir(folder.path().join("p/journal")).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
        segments.sort();
        // The snapshot's own segment, and what comes after it.
        for segment in &segments[2..] {
            std::fs::remove_file(segment).expect("a file");
        }
        assert_eq!(verify(&mut disk, &keys, None).err().map(|fault| fault.code), Some(Code::RolledBack));
        assert_eq!(Replay::read(&mut disk, &keys, &mut |_| {}).err().map(|fault| fault.code), Some(Code::RolledBack));
    }

    #[test]
    fn a_torn_end_is_said_and_what_the_vault_remembers_is_none() {
        let (folder, mut disk, keys) = journal(28, &[20]);
        let ends = walk(&mut disk, &keys, None, &mut |_| {}).expect("an intact journal").ends;
        let files = std::fs::read_dir(folder.path().join("p/journal")).expect("a folder").map(|entry| entry.expect("an entry").path());
        let newest = std::fs::OpenOptions::new().write(true).open(files.max().expect("segments")).expect("a file");
        newest.set_len(newest.metadata().expect("a file").len() - 10).expect("a file");
        let verified = verify(&mut disk, &keys, None).expect("a torn end");
        let [torn] = &verified.torn[..] else { unreachable!("one end") };
        assert!(verified.holds());
        let fault = verify(&mut disk, &keys, Some(ends)).expect_err("what was acknowledged");
        let damage = fault.damage.expect("a place");
        assert_eq!((fault.code, &damage.file, damage.offset as u64), (Code::JournalDamaged, &torn.file, torn.offset));
    }
}
