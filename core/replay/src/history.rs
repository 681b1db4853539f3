//! A journal that one can go to any place of.

use crate::Step;
use crate::fold::{Start, fold_one, starts};
use thicket_engine::{Fault, ProfileKeys, Resume, Walked, walk, walk_on};
use thicket_journal_format::event::Record;
use thicket_reducer::State;
use thicket_types::effect::Effect;
use thicket_types::error::Code;
use thicket_types::ids::Seq;
use thicket_types::limits::{CHECKPOINT_EVERY, CHECKPOINTS_MAX};
use thicket_types::ports::{Disk, Place};

/// A journal that was folded once, with a state kept every so many records: any other is a short fold away.
///
/// **Limits.** A state each [`CHECKPOINT_EVERY`] records, and [`CHECKPOINTS_MAX`] of them: of a longer journal each second goes,
/// and they lie twice as far apart.
pub struct History {
    begins: Start,
    last: Seq,
    checkpoints: Vec<Checkpoint>,
    every: u64,
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
struct Checkpoint {
    state: State,
    block: Resume,
}

impl History {
    /// Folds a journal without changing it; the visitor sees each record that is folded.
    ///
    /// **Errors:** `JournalDamaged` with its place; `ProfileNewer`; the disk's.
    pub fn read(disk: &mut dyn Disk, keys: &ProfileKeys, visit: &mut dyn FnMut(&Step<'_>)) -> Result<History, Fault> {
        History::read_by(disk, keys, CHECKPOINT_EVERY, visit)
    }

    fn read_by(disk: &mut dyn Disk, keys: &ProfileKeys, every: u64, visit: &mut dyn FnMut(&Step<'_>)) -> Result<History, Fault> {
        let (begins, _) = starts(disk, keys)?;
        let mut history = History { last: begins.after, begins, checkpoints: Vec::new(), every };
        let mut at = history.begins.clone();
        let mut folded = Ok(());
        walk(disk, keys, &mut |walked| {
            if folded.is_ok() && walked.place.seq > at.after {
                if walked.block.first() == walked.place.seq {
                    history.note(&walked, &at.state);
                }
                folded = fold_one(&mut at, &walked, visit);
            }
        })?;
        folded?;
        history.last = at.after;
        Ok(history)
    }

    /// The place of the first record that can be folded: 1, or the one after the oldest snapshot.
    pub fn first(&self) -> Seq {
        self.begins.after.next()
    }

    /// The place of the last record.
    pub fn last(&self) -> Seq {
        self.last
    }

    /// The state after the record at a place; `None` if the history does not reach it. The place before the first is one that it
    /// reaches.
    ///
    /// **Errors:** as [`walk_on`].
    pub fn at(&self, disk: &mut dyn Disk, keys: &ProfileKeys, place: Seq) -> Result<Option<State>, Fault> {
        if place < self.begins.after || place > self.last {
            return Ok(None);
        }
        Ok(Some(self.fold(disk, keys, place, &mut |_| {}, &mut |_| {})?.state))
    }

    /// The record at a place, with the states before and after it; `None` if there is none, or what came before it has retired.
    ///
    /// **Errors:** as [`walk_on`].
    pub fn record(&self, disk: &mut dyn Disk, keys: &ProfileKeys, place: Seq) -> Result<Option<Moment>, Fault> {
        if place <= self.begins.after || place > self.last {
            return Ok(None);
        }
        let (mut before, mut moment) = (None, None);
        let after = self.fold(disk, keys, place, &mut |state| before = Some(state.clone()), &mut |step| {
            moment = Some((step.place, step.record.clone(), step.effects.to_vec()));
        })?;
        let ((place, record, effects), before) = moment.zip(before).ok_or(Fault::from(Code::Inconsistent))?;
        Ok(Some(Moment { place, record, effects, before, after: after.state }))
    }

    /// Folds from the checkpoint before a place up to it. Shown are the state before that place, and what came of the record there.
    fn fold(
        &self,
        disk: &mut dyn Disk,
        keys: &ProfileKeys,
        upto: Seq,
        before: &mut dyn FnMut(&State),
        last: &mut dyn FnMut(&Step<'_>),
    ) -> Result<Start, Fault> {
        let Some(checkpoint) = self.checkpoints.iter().rfind(|checkpoint| checkpoint.block.first() <= upto) else {
            return Ok(self.begins.clone());
        };
        let mut at = Start { state: checkpoint.state.clone(), after: Seq(checkpoint.block.first().0.saturating_sub(1)) };
        let mut folded = Ok(());
        walk_on(disk, keys, &checkpoint.block, upto, &mut |walked| {
            if folded.is_ok() {
                if walked.place.seq == upto {
                    before(&at.state);
                    folded = fold_one(&mut at, &walked, last);
                } else {
                    folded = fold_one(&mut at, &walked, &mut |_| {});
                }
            }
        })?;
        folded.map(|()| at)
    }

    /// Keeps the state before a block, if the one kept before it is far enough away.
    fn note(&mut self, walked: &Walked<'_>, state: &State) {
        let first = walked.place.seq.0;
        if self.checkpoints.last().is_some_and(|checkpoint| first < checkpoint.block.first().0.saturating_add(self.every)) {
            return;
        }
        if self.checkpoints.len() >= CHECKPOINTS_MAX {
            let mut number = 0;
            self.checkpoints.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.every = self.every.saturating_mul(2);
        }
        self.checkpoints.push(Checkpoint { state: state.clone(), block: walked.block.keep() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify;
    use thicket_engine::{Engine, Input, OsDisk, private_folders};
    use thicket_journal_format::keys::Cost;
    use thicket_reducer::ClientRules;
    use thicket_types::bytes::Bytes;
    use thicket_types::event::{Arrival, Arrived, Lane};
    use thicket_types::ids::{Fingerprint, FrameId, IntentId};
    use thicket_types::intent::Intent;
    use thicket_types::name::{Name, RelayAddress};
    use thicket_types::ports::{Clock, Entropy, Remembered};
    use thicket_types::secret::Secret;
    use thicket_types::time::Stamp;

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Stamp {
            Stamp(1_790_000_000_000)
        }
    }

    struct Counted(u8);

    impl Entropy for Counted {
        fn fill(&mut self, out: &mut [u8]) {
            out.iter_mut().for_each(|byte| {
                self.0 = self.0.wrapping_mul(5).wrapping_add(41);
                *byte = self.0;
            });
        }
    }

    fn passphrase() -> Secret<Vec<u8>> {
        Secret::new(b"correct horse".to_vec())
    }

    /// A profile with so many blocks, in segments of seven, and snapshots where they are asked for.
    fn journal(blocks: u64, snapshots: &[u64]) -> (tempfile::TempDir, OsDisk, ProfileKeys) {
        let folder = tempfile::tempdir().expect("room");
        private_folders().create(folder.path().join("p")).expect("room");
        let mut disk = OsDisk::new(&folder.path().join("p"));
        let cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
        ProfileKeys::create(&mut disk, &mut Counted(1), &passphrase(), cost).expect("an empty folder");
        let mut open = None;
        for number in 0..blocks {
            if number % 7 == 0 {
                let keys = ProfileKeys::unlock(&mut disk, &passphrase()).expect("the passphrase");
                let remembered = Remembered { durable: None, count: u64::MAX };
                let entropy = Box::new(Counted(u8::try_from(number % 251).expect("a byte")));
                open = Some(
                    Engine::<ClientRules>::open(
                        Box::new(OsDisk::new(&folder.path().join("p"))),
                        Box::new(Still),
                        entropy,
                        keys,
                        remembered,
                    )
                    .expect("a profile")
                    .0,
                );
            }
            let engine = open.as_mut().expect("an open profile");
            engine.push(asked(number));
            if number % 3 == 0 {
                engine.push(arrived(number));
            }
            engine.turn().expect("room");
            if snapshots.contains(&number) {
                engine.snapshot().expect("room");
            }
        }
        drop(open);
        let keys = ProfileKeys::unlock(&mut disk, &passphrase()).expect("the passphrase");
        (folder, disk, keys)
    }

    fn asked(number: u64) -> Input {
        let intent = match number {
            0 => Intent::Register { relay: RelayAddress::parse("loopback:x").expect("an address"), key: None, token: None },
            _ => Intent::AddContact { name: Name::parse(&format!("p{number}")).expect("a name") },
        };
        Input::Intent(IntentId(u128::from(number).to_be_bytes()), intent)
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
            let history = History::read_by(&mut disk, &keys, 10, &mut |step| {
                whole.push((step.place, step.record.clone(), step.effects.to_vec(), step.state.clone()));
            })
            .expect("an intact journal");
            assert_eq!((history.first(), history.last()), (Seq(1), Seq(80)));
            assert_eq!(whole.len(), 80);
            let mut before = history.at(&mut disk, &keys, Seq::ZERO).expect("an intact journal").expect("the beginning");
            assert_eq!(before, State::default());
            for (place, record, effects, after) in &whole {
                assert_eq!(history.at(&mut disk, &keys, place.seq).expect("an intact journal").as_ref(), Some(after), "{}", place.seq);
                let moment = history.record(&mut disk, &keys, place.seq).expect("an intact journal").expect("a record");
                assert_eq!((&moment.record, &moment.effects, &moment.place), (record, effects, place));
                assert_eq!((&moment.before, &moment.after), (&before, after), "{}", place.seq);
                before = after.clone();
            }
            assert!(history.at(&mut disk, &keys, Seq(81)).expect("an intact journal").is_none());
            for beside in [Seq::ZERO, Seq(81)] {
                assert!(history.record(&mut disk, &keys, beside).expect("an intact journal").is_none());
            }
        }
    }

    #[test]
    fn a_replay_keeps_a_state_each_so_many_records_and_so_many_in_all() {
        let (folder, _, keys) = journal(300, &[]);
        let places = |every| {
            let history =
                History::read_by(&mut OsDisk::new(&folder.path().join("p")), &keys, every, &mut |_| {}).expect("an intact journal");
            (history.checkpoints.iter().map(|checkpoint| checkpoint.block.first().0).collect::<Vec<_>>(), history.every)
        };
        let (first, every) = places(CHECKPOINT_EVERY);
        assert_eq!((first, every), (vec![1], CHECKPOINT_EVERY));
        let (apart, every) = places(100);
        assert_eq!(every, 100);
        assert!(apart.windows(2).all(|pair| (100..=101).contains(&(pair[1] - pair[0]))), "{apart:?}");
        let (thinned, every) = places(1);
        assert!(every > 1 && thinned.len() <= CHECKPOINTS_MAX && thinned.len() > CHECKPOINTS_MAX / 4, "{} of {every}", thinned.len());
        assert!(thinned.windows(2).all(|pair| pair[1] - pair[0] >= every), "{thinned:?}");
    }

    #[test]
    fn a_snapshot_of_another_history_is_not_folded_on_from() {
        let (folder, mut disk, keys) = journal(28, &[20]);
        assert!(verify(&mut disk, &keys).is_ok_and(|verified| verified.holds() && verified.snapshots.len() == 1));
        let mut segments: Vec<_> =
            std::fs::read_dir(folder.path().join("p/journal")).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
        segments.sort();
        // The snapshot's own segment, and what comes after it.
        for segment in &segments[2..] {
            std::fs::remove_file(segment).expect("a file");
        }
        assert_eq!(verify(&mut disk, &keys).err().map(|fault| fault.code), Some(Code::RolledBack));
        assert_eq!(History::read(&mut disk, &keys, &mut |_| {}).err().map(|fault| fault.code), Some(Code::RolledBack));
    }
}
