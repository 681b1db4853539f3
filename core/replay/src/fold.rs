//! One fold over a journal's records.

use std::collections::{BTreeMap, VecDeque};
use thicket_engine::{BlockStart, Carried, Extent, Fault, Newest, ProfileKeys, Torn, Walked, kept, walk};
use thicket_journal_format::event::Record;
use thicket_reducer::{ClientRules, State};
use thicket_types::effect::Effect;
use thicket_types::error::Code;
use thicket_types::ids::{Digest, RulesVersion, SegmentId, Seq};
use thicket_types::ports::{Disk, Durable, Place, Reducer as _};

/// Where a fold begins.
#[derive(Clone)]
pub(crate) struct Start {
    pub(crate) state: State,
    /// The last place that the state holds.
    pub(crate) after: Seq,
}

/// One record as a fold comes by it.
pub struct Step<'a> {
    /// Where it stands.
    pub place: Place,
    /// The rules it was folded by.
    pub rules: RulesVersion,
    /// The record.
    pub record: &'a Record,
    /// The block that it stands in.
    pub block: BlockStart<'a>,
    /// What it asked for.
    pub effects: &'a [Effect],
    /// The state after it.
    pub state: &'a State,
    /// The state before it, of the first record that [`Replay::read`](crate::Replay::read) folds; of each other the record before has
    /// it. Not that of a fresh profile, if the beginning of the journal has retired or it goes on from a backup.
    pub begins: Option<&'a State>,
}

/// The snapshots that are kept, to be held against the journal as a walk comes by it.
pub(crate) struct Snapshots {
    /// The oldest first.
    kept: Vec<Newest<State>>,
    /// The chain at their places.
    chains: BTreeMap<Seq, Digest>,
}

impl Snapshots {
    pub(crate) fn read(disk: &mut dyn Disk, keys: &ProfileKeys) -> Result<Snapshots, Fault> {
        Ok(Snapshots { kept: kept::<ClientRules>(disk, keys)?, chains: BTreeMap::new() })
    }

    /// Notes the chain where a snapshot was taken.
    pub(crate) fn note(&mut self, walked: &Walked<'_>) {
        if let Some(chain) = walked.chain
            && self.kept.iter().any(|kept| kept.durable.seq == walked.place.seq)
        {
            self.chains.insert(walked.place.seq, chain);
        }
    }

    /// Holds them against a journal that was walked and begins after a place. **Errors:** `RolledBack` if one is not of it.
    pub(crate) fn hold(&mut self, begins: Durable) -> Result<(), Fault> {
        self.chains.insert(begins.seq, begins.chain);
        // An earlier one is of what has retired.
        self.kept.retain(|kept| kept.durable.seq >= begins.seq);
        let of_this = |kept: &Newest<State>| self.chains.get(&kept.durable.seq) == Some(&kept.durable.chain);
        if self.kept.iter().all(of_this) { Ok(()) } else { Err(Fault::from(Code::RolledBack)) }
    }

    /// Where the fold of a journal begins that begins after a place: there, or at the oldest snapshot if that is not its beginning.
    /// `None` if nothing holds what came before.
    pub(crate) fn start(&self, begins: Seq) -> Option<Start> {
        if begins == Seq::ZERO {
            return Some(Start { state: ClientRules::fresh(), after: Seq::ZERO });
        }
        let oldest = self.kept.iter().find(|kept| kept.durable.seq >= begins);
        oldest.map(|kept| Start { state: kept.state.clone(), after: kept.durable.seq })
    }
}

/// Where folds of a journal can begin.
pub(crate) struct Starts {
    /// At the beginning, or at the oldest snapshot if that has retired.
    pub(crate) oldest: Start,
    /// At each later snapshot that is kept.
    pub(crate) later: VecDeque<Start>,
    /// The place before the journal's first record.
    pub(crate) begins: Seq,
    /// What the only snapshot carries, if the journal begins right after it: all that there is of older records.
    pub(crate) carried: Option<Carried>,
    /// What the journal ends with that is no record.
    pub(crate) torn: Vec<Torn>,
    /// Segments that somebody took away.
    pub(crate) taken: Vec<SegmentId>,
}

/// Finds where folds can begin. Every seal and the chain are checked on the way. `remembered` is the block that the vault remembers,
/// where one is asked.
///
/// **Errors:** as [`walk`]; `RolledBack` if a snapshot is not of this journal; `JournalDamaged` if nothing holds what came before
/// its oldest record.
pub(crate) fn starts(disk: &mut dyn Disk, keys: &ProfileKeys, remembered: Option<Durable>) -> Result<Starts, Fault> {
    let mut snapshots = Snapshots::read(disk, keys)?;
    let Extent { begins, torn, taken, ends: _ } = walk(disk, keys, remembered, &mut |walked| snapshots.note(&walked))?;
    snapshots.hold(begins)?;
    let oldest = snapshots.start(begins.seq).ok_or(Fault::from(Code::JournalDamaged))?;
    // Of a capsule, which begins under no chain, nobody asks for them.
    let only = snapshots.kept.last().filter(|newest| newest.durable.seq == begins.seq && begins.chain != Digest([0; 32]));
    let carried = only.map(|only| only.carried.clone());
    let mut later: VecDeque<Start> = snapshots.kept.into_iter().map(|kept| Start { state: kept.state, after: kept.durable.seq }).collect();
    if begins.seq != Seq::ZERO {
        later.pop_front();
    }
    Ok(Starts { oldest, later, begins: begins.seq, carried, torn, taken })
}

/// Folds one record, if the fold is not past it; the visitor sees what came of it.
pub(crate) fn fold_one(start: &mut Start, walked: &Walked<'_>, visit: &mut dyn FnMut(&Step<'_>)) -> Result<(), Fault> {
    if walked.place.seq <= start.after {
        return Ok(());
    }
    if walked.rules > ClientRules::RULES {
        return Err(Fault::from(Code::ProfileNewer));
    }
    let effects = ClientRules::reduce(walked.rules, &mut start.state, walked.place, &walked.record.event);
    start.after = walked.place.seq;
    visit(&Step {
        place: walked.place,
        rules: walked.rules,
        record: walked.record,
        block: walked.block,
        effects: &effects,
        state: &start.state,
        begins: None,
    });
    Ok(())
}

/// Folds a whole journal on from a state. **Errors:** as [`walk`]; `ProfileNewer` for rules that this build does not know.
pub(crate) fn fold_on(disk: &mut dyn Disk, keys: &ProfileKeys, mut start: Start, visit: &mut dyn FnMut(&Step<'_>)) -> Result<State, Fault> {
    let mut folded = Ok(());
    walk(disk, keys, None, &mut |walked: Walked<'_>| {
        if folded.is_ok() {
            folded = fold_one(&mut start, &walked, visit);
        }
    })?;
    folded.map(|()| start.state)
}
