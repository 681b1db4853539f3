//! Capsules: a journal that anybody may see. It makes the transitions that the journal made, and names nobody.
//!
//! ```text
//!   journal ─▶ first walk: all values of each type ─▶ as many random ones, any for any ◀─┐ then by rank
//!      └─────▶ second walk: each record decoded, replaced, shifted, sealed anew ◀─┘      │
//!                          └─▶ capsule ─▶ folded: the same transitions? ─yes─▶ given out │
//!                                                                   └────no──────────────┘
//! ```
//!
//! Frames and sealed bytes become zeros of a size class. All stamps are shifted by one secret span. Where the oldest records are gone, the
//! snapshot that holds what they came to is redrawn likewise. SPEC §13 has the bytes, and ADR 0033 the reasons.

mod answer;
mod bound;
mod check;
mod disk;
mod draw;
mod state;
mod values;
mod write;

#[cfg(test)]
mod tests;

pub use disk::CapsuleDisk;
pub use draw::{Matched, Replaced};
pub use values::Of;

use crate::stats;
use bound::is_of_rules;
use check::{beginning, bounded, transitions};
use draw::Collected;
use std::collections::BTreeMap;
use thicket_engine::{Fault, KEYS_FILE, Newest, ProfileKeys, kept, walk};
use thicket_journal_format::event::Record;
use thicket_journal_format::keys::Front;
use thicket_journal_format::{FormatError, capsule};
use thicket_reducer::{ClientRules, State};
use thicket_types::error::Code;
use thicket_types::event::Event;
use thicket_types::ids::Seq;
use thicket_types::intent::Intent;
use thicket_types::ports::{Disk, DiskError, Entropy};
use thicket_types::secret::Secret;
use thicket_types::time::{Duration, Stamp};
use values::Values;
use write::Writer;

/// A capsule, and what there is to say before it is written to a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Redacted {
    /// The file's bytes.
    pub bytes: Vec<u8>,
    /// The place of its first record. Before any but 1 stands the state that all before came to.
    pub begins: Seq,
    /// Records, by what they are.
    pub kinds: BTreeMap<&'static str, u64>,
    /// How many values were replaced.
    pub replaced: Replaced,
    /// From the first record to the last.
    pub span: Duration,
    /// Whether the time of day stayed what it was, since the rules went by a day's end.
    pub keeps_time_of_day: bool,
    /// How values were matched: by rank where the rules went by their order.
    pub matched: Matched,
    /// Some records before and after.
    pub samples: Vec<Sample>,
}

/// A record, and what became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sample {
    /// Its place.
    pub seq: Seq,
    /// What it was.
    pub before: Record,
    /// What it is in the capsule.
    pub after: Record,
}

/// Makes a capsule of a journal, without changing that.
///
/// **Errors:** `BeginningGone` if its oldest records have retired and no snapshot stands right before what is left; `FileTooLarge` past
/// [`CAPSULE_LEN_MAX`](thicket_types::limits::CAPSULE_LEN_MAX), `TooMuchForCapsule` past what [`open`] folds; `Inconsistent` if the
/// capsule does not make the same transitions; `JournalDamaged`, `ProfileNewer`, the disk's. **Repeat:** every capsule has random values of its own.
pub fn redact(disk: &mut dyn Disk, keys: &ProfileKeys, entropy: &mut dyn Entropy) -> Result<Redacted, Fault> {
    let mut kinds: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut collected = Collected::default();
    let mut samples: BTreeMap<u8, (Seq, Record)> = BTreeMap::new();
    let mut span: Option<(Stamp, Stamp)> = None;
    let beginning = beginning(disk, keys)?;
    if let Some(Newest { stamp, state, .. }) = &beginning {
        state::state(&mut state.clone(), *stamp, Shift::NONE, &mut collected);
    }
    let made = transitions(disk, keys, &mut |walked| {
        let mut event = walked.record.event.clone();
        *kinds.entry(stats::kind(&event)).or_default() += 1;
        values::event(&mut event, walked.place.stamp, &mut collected);
        span = Some((span.map_or(walked.place.stamp, |(first, _)| first), walked.place.stamp));
        if let Some(of) = sampled(walked.record) {
            samples.insert(of, (walked.place.seq, walked.record.clone()));
        }
    })?;
    let (first, last) = span.unwrap_or_default();
    let replaced = collected.count();
    // Where the order of ids made no difference to the rules it is not told. They count what strangers bring by the day (UTC): nor is
    // the time of day, where a day's end made none.
    let tries = [(Matched::AtRandom, false), (Matched::AtRandom, true), (Matched::ByRank, false), (Matched::ByRank, true)];
    for (matched, keeps_time_of_day) in tries {
        let mut table = collected.draw(matched, entropy);
        let shift = Shift::draw(first, keeps_time_of_day, entropy);
        let mut after = BTreeMap::new();
        let bytes = rewritten(disk, keys, beginning.as_ref(), shift, &mut table, entropy, &mut |seq, record| {
            if samples.values().any(|(sampled, _)| *sampled == seq) {
                after.insert(seq, record.clone());
            }
        })?;
        let (mut redacted, its_keys) = unpack(&bytes)?;
        if table.missed() || transitions(&mut redacted, &its_keys, &mut |_| {})? != made {
            continue;
        }
        let pairs = samples.into_values().filter_map(|(seq, before)| after.remove(&seq).map(|after| Sample { seq, before, after }));
        let mut samples: Vec<Sample> = pairs.take(SAMPLES).collect();
        samples.sort_by_key(|sample| sample.seq);
        let begins = beginning.map_or(Seq::ZERO, |beginning| beginning.durable.seq).next();
        return Ok(Redacted { bytes, begins, kinds, replaced, span: last.since(first), keeps_time_of_day, matched, samples });
    }
    Err(Fault::from(Code::Inconsistent))
}

/// Opens a capsule: its files, and the keys that open them. It is folded once, so that who folds it again does not work without end.
/// What else is in it is checked by who reads it, as of a profile.
///
/// **Limits.** [`CAPSULE_UNDER_WAY_MAX`](thicket_types::limits::CAPSULE_UNDER_WAY_MAX),
/// [`CAPSULE_STEPS_MAX`](thicket_types::limits::CAPSULE_STEPS_MAX),
/// [`CAPSULE_STATE_LEN_MAX`](thicket_types::limits::CAPSULE_STATE_LEN_MAX).
///
/// **Errors:** `CapsuleDamaged`, also past these; `ProfileNewer`.
pub fn open(bytes: &[u8]) -> Result<(CapsuleDisk, ProfileKeys), Fault> {
    let opened = unpack(bytes).and_then(|(mut disk, keys)| match bounded(&mut disk, &keys, &mut |_, _| {}) {
        Err(fault) if fault.code == Code::TooMuchForCapsule => Err(fault),
        // Whoever reads it says where it is damaged.
        _ => Ok((disk, keys)),
    });
    opened.map_err(|fault| if fault.code == Code::TooMuchForCapsule { Fault::from(Code::CapsuleDamaged) } else { fault })
}

/// Takes a capsule apart. **Errors:** as [`open`], but `TooMuchForCapsule` for a state that no rules came to.
fn unpack(bytes: &[u8]) -> Result<(CapsuleDisk, ProfileKeys), Fault> {
    let damaged = |what| Fault::from(if what == FormatError::Newer { Code::ProfileNewer } else { Code::CapsuleDamaged });
    let parts = capsule::parse(bytes).map_err(damaged)?;
    // Before Argon2id runs.
    if Front::parse(&parts.keys).map_err(damaged)?.cost != capsule::COST {
        return Err(Fault::from(Code::CapsuleDamaged));
    }
    let mut disk = CapsuleDisk::default();
    disk.replace(KEYS_FILE, &parts.keys)?;
    let begins_later = parts.snapshot.is_some();
    if let Some((name, snapshot)) = parts.snapshot {
        disk.replace(&format!("snapshots/{name}"), &snapshot)?;
    }
    for (name, segment) in parts.segments {
        disk.create(&format!("journal/{name}"), &segment).map_err(|error| match error {
            DiskError::Exists => Fault::from(Code::CapsuleDamaged),
            other => Fault::from(other),
        })?;
    }
    let keys = ProfileKeys::unlock(&mut disk, &no_passphrase()).map_err(|fault| match fault.code {
        Code::ProfileNewer => fault,
        _ => Fault::from(Code::CapsuleDamaged),
    })?;
    // Of a profile one that can't be read is passed over. There is no other here.
    if begins_later {
        let kept = kept::<ClientRules>(&mut disk, &keys)?;
        let Newest { state, .. } = kept.first().ok_or(Fault::from(Code::CapsuleDamaged))?;
        if !is_of_rules(state) {
            return Err(Fault::from(Code::TooMuchForCapsule));
        }
    }
    Ok((disk, keys))
}

/// What it begins with, and every record with its values replaced and its stamp shifted, in segments and blocks as it stood; the visitor
/// sees each.
fn rewritten(
    disk: &mut dyn Disk,
    keys: &ProfileKeys,
    beginning: Option<&Newest<State>>,
    shift: Shift,
    values: &mut dyn Values,
    entropy: &mut dyn Entropy,
    visit: &mut dyn FnMut(Seq, &Record),
) -> Result<Vec<u8>, Fault> {
    let mut writer = Writer::new(entropy)?;
    if let Some(Newest { durable, stamp, rules, state, carried: _ }) = beginning {
        let mut redrawn = state.clone();
        state::state(&mut redrawn, *stamp, shift, values);
        writer.begin(*rules, durable.seq, shift.of(*stamp), &redrawn)?;
    }
    let mut written = Ok(());
    walk(disk, keys, None, &mut |walked| {
        if written.is_ok() {
            let mut record = Record { stamp: shift.of(walked.record.stamp), event: walked.record.event.clone() };
            values::event(&mut record.event, record.stamp, values);
            visit(walked.place.seq, &record);
            written = writer.put(&walked, &record);
        }
    })?;
    written?;
    writer.finish()
}

/// How far every stamp is moved. Nobody is told.
#[derive(Clone, Copy)]
struct Shift {
    from: Stamp,
    to: Stamp,
}

impl Shift {
    /// No shift at all: for who only looks.
    const NONE: Shift = Shift { from: Stamp(0), to: Stamp(0) };

    /// The first record stands at any moment of six thousand years; from 1980 on, since a stamp near 0 says "never" to the rules.
    fn draw(first: Stamp, keeps_time_of_day: bool, entropy: &mut dyn Entropy) -> Shift {
        let mut bytes = [0; 8];
        entropy.fill(&mut bytes);
        let drawn = SHIFTED_FROM.0.saturating_add(u64::from_be_bytes(bytes) % SHIFTED_WITHIN.0);
        let day = Duration::days(1).0;
        let to = if keeps_time_of_day { drawn - drawn % day + first.0 % day } else { drawn };
        Shift { from: first, to: Stamp(to) }
    }

    fn of(self, stamp: Stamp) -> Stamp {
        let Shift { from, to } = self;
        if stamp >= from { to.after(stamp.since(from)) } else { Stamp(to.0.saturating_sub(from.since(stamp).0)) }
    }
}

/// What a record is a sample of: what was said, what came, what was in it, what went, what else was asked for. The last of each is kept,
/// and the first three of these are shown.
fn sampled(record: &Record) -> Option<u8> {
    match (stats::kind(&record.event), &record.event) {
        (_, Event::Requested { intent: Intent::Send { .. }, .. }) => Some(0),
        ("arrived: envelope", _) => Some(1),
        ("resolved: opened", _) => Some(2),
        ("resolved: frame", _) => Some(3),
        ("requested", _) => Some(4),
        _ => None,
    }
}

fn no_passphrase() -> Secret<Vec<u8>> {
    Secret::new(Vec::new())
}

const SAMPLES: usize = 3;
const SHIFTED_FROM: Duration = Duration::days(3_653);
const SHIFTED_WITHIN: Duration = Duration::days(6_000 * 365);
