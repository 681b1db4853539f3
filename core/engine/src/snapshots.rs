//! Snapshots on disk: the newest two are kept, so that a damaged one costs a longer replay and nothing else; and one at the place where
//! the journal begins, once its oldest segments have retired, so that whatever is left of it can be folded.

use crate::Fault;
use crate::archive::Cut;
use crate::journal::is_digit;
use crate::keys::{ProfileKeys, nonce, random};
use std::collections::{BTreeMap, BTreeSet};
use thicket_journal_format::keys::Kind;
use thicket_journal_format::snapshot::{self, SnapshotHead};
use thicket_journal_format::{FormatError, codec};
use thicket_types::bytes::Bytes;
use thicket_types::error::Code;
use thicket_types::ids::{RulesVersion, Seq};
use thicket_types::limits::{SNAPSHOT_LEN_MAX, SNAPSHOTS_KEPT};
use thicket_types::ports::{Disk, Durable, Entropy, Reducer};
use thicket_types::time::Stamp;

const FOLDER: &str = "snapshots";

/// The newest snapshot that can be read.
pub struct Newest<S> {
    /// Where it was taken.
    pub durable: Durable,
    /// The stamp of the record there.
    pub stamp: Stamp,
    /// The rules it follows.
    pub rules: RulesVersion,
    /// The state.
    pub state: S,
    /// Bytes that the state names, by their record: of records whose segment may be gone.
    pub carried: Carried,
}

/// Bytes that a snapshot carries, by their record.
pub type Carried = BTreeMap<Seq, Bytes>;

/// Reads the newest snapshot; one that is torn or damaged is passed over for the one before it.
pub(crate) fn newest<R: Reducer>(disk: &mut dyn Disk, keys: &ProfileKeys) -> Result<Option<Newest<R::State>>, Fault> {
    let names = whole(disk)?;
    first_readable::<R>(disk, keys, names.iter().rev())
}

/// Reads the newest snapshot of those before a place.
pub(crate) fn before<R: Reducer>(disk: &mut dyn Disk, keys: &ProfileKeys, place: Seq) -> Result<Option<Newest<R::State>>, Fault> {
    let names = whole(disk)?;
    first_readable::<R>(disk, keys, names.iter().rev().filter(|other| **other < name(place)))
}

/// Reads the newest snapshot of those up to a place.
pub(crate) fn upto<R: Reducer>(disk: &mut dyn Disk, keys: &ProfileKeys, place: Seq) -> Result<Option<Newest<R::State>>, Fault> {
    before::<R>(disk, keys, place.next())
}

/// Removes the snapshots of places after one. Their keys go with the next snapshot that is written.
pub(crate) fn remove_after(disk: &mut dyn Disk, place: Seq) -> Result<(), Fault> {
    for other in files(disk)?.into_iter().filter(|other| *other > name(place)) {
        disk.remove(&format!("{FOLDER}/{other}"))?;
    }
    Ok(())
}

/// Removes the snapshots of places up to one. Their keys go with the next [`tidy`].
pub(crate) fn remove_upto(disk: &mut dyn Disk, place: Seq) -> Result<(), Fault> {
    for other in files(disk)?.into_iter().filter(|other| *other < name(place.next())) {
        disk.remove(&format!("{FOLDER}/{other}"))?;
    }
    Ok(())
}

/// Names sort by place.
fn name(place: Seq) -> String {
    snapshot::file_name(place)
}

/// Whether a name in the folder `snapshots` is one that a snapshot has, or had while it was written.
pub fn is_snapshot(name: &str) -> bool {
    let name = name.strip_suffix(".new").unwrap_or(name);
    name.strip_suffix(".snap").is_some_and(|place| place.len() == 16 && place.bytes().all(is_digit))
}

/// The snapshots' names, in their order, and those of what a crash left of one. What else lies there is not ours, and stays as it
/// is.
fn files(disk: &mut dyn Disk) -> Result<Vec<String>, Fault> {
    Ok(disk.list(FOLDER)?.into_iter().filter(|name| is_snapshot(name)).collect())
}

/// The names of snapshots that were written whole, in their order.
fn whole(disk: &mut dyn Disk) -> Result<Vec<String>, Fault> {
    Ok(files(disk)?.into_iter().filter(|name| name.ends_with(".snap")).collect())
}

/// Where the newest snapshot was taken whose seal opens, whatever it holds: the journal was durable up to there.
pub(crate) fn place(disk: &mut dyn Disk, keys: &ProfileKeys) -> Result<Option<Durable>, Fault> {
    for name in whole(disk)?.iter().rev() {
        let bytes = disk.read(&format!("{FOLDER}/{name}"))?;
        let head = match snapshot::head(&bytes) {
            Ok(head) => head,
            Err(FormatError::Newer) => return Err(Fault::from(Code::ProfileNewer)),
            Err(_) => continue,
        };
        if let Some(key) = keys.key(Kind::Snapshot, head.id)?
            && snapshot::open(&key, &bytes).is_ok()
        {
            return Ok(Some(Durable { seq: head.seq, chain: head.chain }));
        }
    }
    Ok(None)
}

/// Reads every snapshot that can be read, the oldest first: a fold begins with that whose first records are retired.
pub fn kept<R: Reducer>(disk: &mut dyn Disk, keys: &ProfileKeys) -> Result<Vec<Newest<R::State>>, Fault> {
    let names = whole(disk)?;
    names.iter().filter_map(|name| read::<R>(disk, keys, name).transpose()).collect()
}

fn first_readable<'n, R: Reducer>(
    disk: &mut dyn Disk,
    keys: &ProfileKeys,
    mut names: impl Iterator<Item = &'n String>,
) -> Result<Option<Newest<R::State>>, Fault> {
    names.find_map(|name| read::<R>(disk, keys, name).transpose()).transpose()
}

/// Reads a snapshot. `None` if it is torn or damaged, or its key is gone.
fn read<R: Reducer>(disk: &mut dyn Disk, keys: &ProfileKeys, name: &str) -> Result<Option<Newest<R::State>>, Fault> {
    let bytes = disk.read(&format!("{FOLDER}/{name}"))?;
    let head = match snapshot::head(&bytes) {
        Ok(head) => head,
        Err(FormatError::Newer) => return Err(Fault::from(Code::ProfileNewer)),
        Err(_) => return Ok(None),
    };
    if head.rules > R::RULES {
        return Err(Fault::from(Code::ProfileNewer));
    }
    let Some(key) = keys.key(Kind::Snapshot, head.id)? else {
        return Ok(None);
    };
    let Ok((head, state)) = snapshot::open(&key, &bytes) else {
        return Ok(None);
    };
    let Ok((carried, state)) = codec::decode_large::<(Carried, R::State)>(&state) else {
        return Ok(None);
    };
    let durable = Durable { seq: head.seq, chain: head.chain };
    Ok(Some(Newest { durable, stamp: head.stamp, rules: head.rules, state, carried }))
}

/// Writes a snapshot. One that fails leaves no key behind.
pub(crate) fn write<R: Reducer>(
    disk: &mut dyn Disk,
    keys: &mut ProfileKeys,
    entropy: &mut dyn Entropy,
    cut: &Cut<R::State>,
    carried: &Carried,
) -> Result<(), Fault> {
    let Cut { durable, stamp, state } = cut;
    let state = codec::encode(&(carried, state))?;
    if state.len() > SNAPSHOT_LEN_MAX {
        return Err(Fault::from(Code::Inconsistent));
    }
    let id: [u8; 16] = random(entropy);
    let key = keys.make(disk, entropy, Kind::Snapshot, id)?;
    let head = SnapshotHead { rules: R::RULES, seq: durable.seq, stamp: *stamp, chain: durable.chain, id };
    let bytes = snapshot::seal(&key, nonce(entropy), &head, state)?;
    if let Err(error) = disk.replace(&format!("{FOLDER}/{}", name(durable.seq)), &bytes) {
        // A disk that takes nothing keeps the key until the next snapshot that it takes.
        let _ = keys.destroy(disk, Kind::Snapshot, &[id]);
        return Err(error.into());
    }
    Ok(())
}

/// Removes the snapshots that nothing needs any more, keys and all. `begins`: the place before the oldest segment.
pub(crate) fn tidy(disk: &mut dyn Disk, keys: &mut ProfileKeys, begins: Seq) -> Result<(), Fault> {
    // What a crash between write and rename left.
    for stray in files(disk)?.iter().filter(|name| !name.ends_with(".snap")) {
        disk.remove(&format!("{FOLDER}/{stray}"))?;
    }
    let names = whole(disk)?;
    let base = base(&names, begins);
    for name in names.iter().rev().skip(SNAPSHOTS_KEPT) {
        let path = format!("{FOLDER}/{name}");
        // One whose header is damaged opens no more, and nobody knows which key is its own.
        if Some(name) != base || matches!(snapshot::head(&disk.read(&path)?), Err(what) if what != FormatError::Newer) {
            disk.remove(&path)?;
        }
    }
    let mut kept = BTreeSet::new();
    for name in files(disk)? {
        match snapshot::head(&disk.read(&format!("{FOLDER}/{name}"))?) {
            Ok(head) => kept.insert(head.id),
            // Nobody knows which key is its own: all stay until it goes.
            Err(_) => return Ok(()),
        };
    }
    keys.keep_only(disk, Kind::Snapshot, &kept)
}

/// The snapshot that the fold of a journal begins with, of which this much has retired: the one there, or, where none is, the oldest.
fn base(names: &[String], begins: Seq) -> Option<&String> {
    let there = names.iter().rfind(|other| **other <= name(begins)).or(names.first());
    there.filter(|_| begins > Seq::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fold_begins_with_the_snapshot_at_the_journals_beginning_or_with_the_oldest() {
        let names: Vec<String> = [5, 9, 12].map(|place| name(Seq(place))).to_vec();
        let base = |begins| base(&names, Seq(begins)).cloned();
        assert_eq!(base(0), None, "the journal is whole");
        assert_eq!([3, 5, 7, 9, 11].map(base), [5, 5, 5, 9, 9].map(|place| Some(name(Seq(place)))));
    }
}
