//! Whether a journal folds to the same, again and from each snapshot.

use crate::fold::{Start, Starts, fold_on, starts};
use crate::view_digest::Numbering;
use thicket_engine::{Fault, ProfileKeys, Torn, names_what_is_gone};
use thicket_journal_format::{codec, digest};
use thicket_reducer::{ClientRules, State, view};
use thicket_types::error::Code;
use thicket_types::ids::{Digest, SegmentId, Seq};
use thicket_types::ports::{Disk, Durable};

/// What verifying a journal found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified {
    /// The place before the journal's first record; 0: nothing has retired.
    pub begins: Seq,
    /// The place that the folds began after: where the journal begins, or, if no snapshot holds what it came to there, that of the oldest
    /// snapshot. Records between the two are whole, and could not be folded.
    pub from: Seq,
    /// Records folded each time.
    pub records: u64,
    /// SHA-256 of the canonical encoding of the state, folded from the oldest record.
    pub state: Digest,
    /// SHA-256 over all effects of that fold, in order.
    pub effects: Digest,
    /// The view digest: equal for two runs that a frontend saw end the same, whatever their ids, keys and jitter.
    pub view: Digest,
    /// Whether a second fold came to the same state and effects.
    pub repeats: bool,
    /// What folding on from each snapshot that is kept came to, the oldest first; not from the one that the folds began after.
    pub snapshots: Vec<FoldedOn>,
    /// What the journal ends with that is no record: a write that was cut short. Who writes the profile cuts it.
    pub torn: Vec<Torn>,
    /// Segments that somebody took away, by the keys that they left. What is left folds without them.
    pub taken: Vec<SegmentId>,
}

/// What folding on from a snapshot came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FoldedOn {
    /// The place that the snapshot was taken at.
    pub at: Seq,
    /// Records after it.
    pub records: u64,
    /// Whether they came to the same state, and asked for the same effects, as when all was folded.
    pub same: bool,
}

impl Verified {
    /// Whether every fold came to the same, and nobody took a segment away.
    pub fn holds(&self) -> bool {
        self.folds_agree() && self.taken.is_empty()
    }

    /// Whether every fold came to the same.
    pub fn folds_agree(&self) -> bool {
        self.repeats && self.snapshots.iter().all(|snapshot| snapshot.same)
    }

    /// Records of the journal that could not be folded: no snapshot holds what came before them.
    pub fn unfolded(&self) -> u64 {
        self.from.0.saturating_sub(self.begins.0)
    }
}

/// The digest of a state: SHA-256 of its canonical encoding.
pub fn state_digest(state: &State) -> Result<Digest, Fault> {
    Ok(digest(&[&codec::encode(state)?]))
}

/// Verifies a journal without changing it: every seal and the chain, then two folds from the oldest record and one from each
/// snapshot that is kept. `remembered` is the block that the vault remembers, where one is asked: without it a journal that lost its
/// end at a block's edge looks whole.
///
/// **Errors:** `JournalDamaged` with its place, or without one if what the state names is gone; `RolledBack` if a snapshot is not of this journal, or the vault is not of its time;
/// `ProfileNewer`; the disk's.
pub fn verify(disk: &mut dyn Disk, keys: &ProfileKeys, remembered: Option<Durable>) -> Result<Verified, Fault> {
    let Starts { oldest, later, begins, carried, torn, taken } = starts(disk, keys, remembered)?;
    let places: Vec<Seq> = later.iter().map(|start| start.after).collect();
    let from = oldest.after;
    let (first, state) = fold(disk, keys, oldest.clone(), &places)?;
    if carried.is_some_and(|carried| names_what_is_gone::<ClientRules>(&state, begins, &carried)) {
        return Err(Fault::from(Code::JournalDamaged));
    }
    drop(state);
    let (second, _) = fold(disk, keys, oldest, &places)?;
    let mut snapshots = Vec::new();
    for (start, whole) in later.into_iter().zip(&first.tails) {
        let at = start.after;
        let (on, _) = fold(disk, keys, start, &[])?;
        snapshots.push(FoldedOn { at, records: on.whole.records, same: on.state == first.state && on.whole == *whole });
    }
    let repeats = first == second;
    let Fold { state, view, whole, .. } = first;
    Ok(Verified { begins, from, records: whole.records, state, effects: whole.effects, view, repeats, snapshots, torn, taken })
}

/// What a fold came to.
#[derive(PartialEq, Eq)]
struct Fold {
    state: Digest,
    view: Digest,
    whole: Tail,
    /// The same from each of some places on.
    tails: Vec<Tail>,
}

/// The records after a place.
#[derive(PartialEq, Eq)]
struct Tail {
    after: Seq,
    records: u64,
    /// SHA-256 over all effects that they asked for.
    effects: Digest,
}

impl Tail {
    fn new(after: Seq) -> Tail {
        Tail { after, records: 0, effects: Digest([0; 32]) }
    }

    fn note(&mut self, place: Seq, effects: &[u8]) {
        if place > self.after {
            self.effects = digest(&[&self.effects.0, effects]);
            self.records += 1;
        }
    }
}

/// Folds a journal on from a state, and what that came to from each of some places on.
fn fold(disk: &mut dyn Disk, keys: &ProfileKeys, start: Start, places: &[Seq]) -> Result<(Fold, State), Fault> {
    let mut whole = Tail::new(start.after);
    let mut tails: Vec<Tail> = places.iter().map(|place| Tail::new(*place)).collect();
    let mut unencodable = false;
    let mut numbering = Numbering::default();
    let state = fold_on(disk, keys, start, &mut |step| {
        numbering.note(step.effects);
        match codec::encode(&step.effects) {
            Ok(bytes) => [&mut whole].into_iter().chain(&mut tails).for_each(|tail| tail.note(step.place.seq, &bytes)),
            Err(_) => unencodable = true,
        }
    })?;
    if unencodable {
        return Err(Fault::from(Code::Inconsistent));
    }
    let view = numbering.digest(&view(&state))?;
    Ok((Fold { state: state_digest(&state)?, view, whole, tails }, state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_is_what_comes_after_its_place_in_its_order() {
        let tail = |after: u64, notes: &[(u64, &[u8])]| {
            let mut tail = Tail::new(Seq(after));
            notes.iter().for_each(|(place, effects)| tail.note(Seq(*place), effects));
            (tail.records, tail.effects)
        };
        let whole: [(u64, &[u8]); 3] = [(1, b"a"), (2, b"b"), (3, b"c")];
        assert_eq!(tail(1, &whole), tail(1, &whole[1..]));
        assert_eq!(tail(1, &whole).0, 2);
        assert_eq!(tail(3, &whole), (0, Digest([0; 32])));
        for other in [[(2, b"b".as_slice()), (3, b"d")], [(2, b"c"), (3, b"b")], [(2, b"bc"), (3, b"")]] {
            assert_ne!(tail(1, &other).1, tail(1, &whole).1);
        }
    }
}
