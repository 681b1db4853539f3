//! Replay: folds a profile's journal again, and says whether it comes to the same.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod view_digest;

use thicket_engine::{Fault, ProfileKeys, Walked, newest, oldest, walk};
use thicket_journal_format::{codec, digest};
use thicket_reducer::{ClientRules, State, view};
use thicket_types::error::Code;
use thicket_types::ids::{Digest, Seq};
use thicket_types::ports::{Disk, Reducer as _};
use view_digest::Numbering;

/// What verifying a journal found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verified {
    /// The place that the folds began after; 0: the whole journal was folded, otherwise the oldest snapshot kept.
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
    /// Where the newest snapshot was taken, if there is one, and whether folding on from it came to the same state.
    pub snapshot: Option<(Seq, bool)>,
}

impl Verified {
    /// Whether every fold came to the same.
    pub fn holds(&self) -> bool {
        self.repeats && self.snapshot.is_none_or(|(_, same)| same)
    }
}

/// The digest of a state: SHA-256 of its canonical encoding.
pub fn state_digest(state: &State) -> Result<Digest, Fault> {
    Ok(digest(&[&codec::encode(state)?]))
}

/// Verifies a journal without changing it: every seal and the chain, then two folds from the oldest record and one from the
/// newest snapshot.
///
/// **Errors:** `JournalDamaged` with its place; `ProfileNewer`; the disk's.
pub fn verify(disk: &mut dyn Disk, keys: &ProfileKeys) -> Result<Verified, Fault> {
    let first = fold(disk, keys)?;
    let second = fold(disk, keys)?;
    let snapshot = match newest::<ClientRules>(disk, keys)? {
        None => None,
        Some(newest) => {
            let (mut state, from) = (newest.state, newest.durable.seq);
            walk(disk, keys, &mut |walked: Walked<'_>| {
                if walked.place.seq > from {
                    let _ = ClientRules::reduce(walked.rules, &mut state, walked.place, &walked.record.event);
                }
            })?;
            Some((from, state_digest(&state)? == first.state))
        }
    };
    Ok(Verified {
        from: first.from,
        records: first.records,
        state: first.state,
        effects: first.effects,
        view: first.view,
        repeats: first == second,
        snapshot,
    })
}

#[derive(PartialEq, Eq)]
struct Fold {
    from: Seq,
    records: u64,
    state: Digest,
    effects: Digest,
    view: Digest,
}

fn fold(disk: &mut dyn Disk, keys: &ProfileKeys) -> Result<Fold, Fault> {
    // This walk checks every seal and the chain, and tells where the journal still begins.
    let (begins, _) = walk(disk, keys, &mut |_| {})?;
    let (mut state, from) = if begins == Seq::ZERO {
        (ClientRules::fresh(), Seq::ZERO)
    } else {
        let oldest = oldest::<ClientRules>(disk, keys)?.ok_or(Fault::from(Code::JournalDamaged))?;
        (oldest.state, oldest.durable.seq)
    };
    let (mut records, mut newer, mut unencodable) = (0, false, false);
    let mut effects = Digest([0; 32]);
    let mut numbering = Numbering::default();
    walk(disk, keys, &mut |walked: Walked<'_>| {
        if walked.place.seq <= from {
            return;
        }
        if walked.rules > ClientRules::RULES {
            newer = true;
            return;
        }
        let asked = ClientRules::reduce(walked.rules, &mut state, walked.place, &walked.record.event);
        numbering.note(&asked);
        match codec::encode(&asked) {
            Ok(bytes) => effects = digest(&[&effects.0, &bytes]),
            Err(_) => unencodable = true,
        }
        records += 1;
    })?;
    if newer {
        return Err(Fault::from(Code::ProfileNewer));
    }
    if unencodable {
        return Err(Fault::from(Code::Inconsistent));
    }
    let view = numbering.digest(&view(&state))?;
    Ok(Fold { from, records, state: state_digest(&state)?, effects, view })
}
