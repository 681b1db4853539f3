//! A damaged journal as far as it is whole: what stands before the damage can be read and folded as if nothing had ever stood behind it.
//!
//! ```text
//!   segments    1 ── 8   9 ── 20   21 ── 30        the block of 15 does not open
//!   is left     1 ── 8   9 ── 14                   and no snapshot of a place after 14
//! ```

use thicket_engine::{Damage, Fault, ProfileKeys, is_segment, is_snapshot, walk};
use thicket_types::error::Code;
use thicket_types::ids::Seq;
use thicket_types::ports::{Disk, DiskError};

/// A profile's files, without the journal from its first damage on. Nothing can be written through it.
pub struct Intact<'a> {
    disk: Box<dyn Disk + 'a>,
    /// The segment that is damaged, and how much of it is whole.
    file: String,
    len: u64,
    /// The last record before the damage.
    last: Seq,
}

impl<'a> Intact<'a> {
    /// Finds what stands before the damage that a walk met, and before any that stands earlier; `None` if nothing does, or if it is no
    /// segment that is damaged.
    ///
    /// **Errors:** as [`walk`].
    pub fn before(disk: Box<dyn Disk + 'a>, keys: &ProfileKeys, damage: &Damage) -> Result<Option<Intact<'a>>, Fault> {
        let mut intact = Intact { disk, file: String::new(), len: 0, last: Seq(u64::MAX) };
        let mut damage = damage.clone();
        loop {
            // Each is nearer to the beginning than the one before it: headers are looked at first.
            if !intact.cut(&damage) {
                return Ok(None);
            }
            let mut last = Seq::ZERO;
            match walk(&mut intact, keys, None, &mut |walked| last = walked.place.seq) {
                Err(Fault { code: Code::JournalDamaged, damage: Some(nearer) }) => damage = nearer,
                // A snapshot of a place behind the damage is seen still.
                Ok(_) | Err(Fault { code: Code::RolledBack, .. }) => {
                    intact.last = last;
                    return Ok((last > Seq::ZERO).then_some(intact));
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    /// The last record before the damage.
    pub fn last(&self) -> Seq {
        self.last
    }

    /// Leaves out what stands at a damage and behind it; gives whether that is less than was left.
    fn cut(&mut self, damage: &Damage) -> bool {
        let file = damage.file.strip_prefix("journal/").filter(|name| is_segment(name)).map(str::to_owned);
        let len = u64::try_from(damage.offset).unwrap_or(u64::MAX);
        let Some(file) = file.filter(|file| self.file.is_empty() || (file.as_str(), len) < (self.file.as_str(), self.len)) else {
            return false;
        };
        (self.file, self.len) = (file, len);
        true
    }

    /// How many bytes of a file there are to be seen; `None` if there is no such file.
    fn seen(&self, path: &str) -> Option<u64> {
        let Some((folder, name)) = path.split_once('/') else {
            return Some(u64::MAX);
        };
        match folder {
            "journal" if is_segment(name) && name == self.file => Some(self.len).filter(|len| *len > 0),
            "journal" if is_segment(name) && name > self.file.as_str() => None,
            "snapshots" if is_snapshot(name) => {
                let place = name.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok());
                (place? <= self.last.0).then_some(u64::MAX)
            }
            _ => Some(u64::MAX),
        }
    }

    fn len_of(&self, path: &str) -> Result<u64, DiskError> {
        self.seen(path).ok_or(DiskError::Missing)
    }
}

impl Disk for Intact<'_> {
    fn list(&mut self, folder: &str) -> Result<Vec<String>, DiskError> {
        let mut names = self.disk.list(folder)?;
        names.retain(|name| self.seen(&format!("{folder}/{name}")).is_some());
        Ok(names)
    }

    fn len(&mut self, path: &str) -> Result<u64, DiskError> {
        let seen = self.len_of(path)?;
        Ok(self.disk.len(path)?.min(seen))
    }

    fn read(&mut self, path: &str) -> Result<Vec<u8>, DiskError> {
        let seen = self.len_of(path)?;
        let mut bytes = self.disk.read(path)?;
        bytes.truncate(usize::try_from(seen).unwrap_or(usize::MAX));
        Ok(bytes)
    }

    fn read_at(&mut self, path: &str, offset: u64, len: usize) -> Result<Vec<u8>, DiskError> {
        let left = self.len_of(path)?.saturating_sub(offset);
        self.disk.read_at(path, offset, len.min(usize::try_from(left).unwrap_or(usize::MAX)))
    }

    fn create(&mut self, _path: &str, _bytes: &[u8]) -> Result<(), DiskError> {
        Err(DiskError::Denied)
    }

    fn append(&mut self, _path: &str, _bytes: &[u8]) -> Result<(), DiskError> {
        Err(DiskError::Denied)
    }

    fn truncate(&mut self, _path: &str, _len: u64) -> Result<(), DiskError> {
        Err(DiskError::Denied)
    }

    fn replace(&mut self, _path: &str, _bytes: &[u8]) -> Result<(), DiskError> {
        Err(DiskError::Denied)
    }

    fn remove(&mut self, _path: &str) -> Result<(), DiskError> {
        Err(DiskError::Denied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::{Counted, Life, asked, relay};
    use crate::{Replay, capsule, state_digest, verify};
    use thicket_engine::OsDisk;
    use thicket_types::ids::Digest;

    /// A profile of three segments with seven blocks each, and snapshots at 9 and 18.
    fn life() -> Life {
        let mut life = Life::new();
        for number in 0..21 {
            if number == 7 || number == 14 {
                life.open_again();
            }
            life.turn([if number == 0 { relay() } else { asked(number) }]);
            if number == 8 || number == 17 {
                life.snapshot();
            }
        }
        life
    }

    /// The state after each record, by a fold.
    fn folded(disk: &mut dyn Disk, keys: &ProfileKeys) -> Vec<(Seq, Digest)> {
        let mut states = Vec::new();
        Replay::read(disk, keys, &mut |step| states.push((step.place.seq, state_digest(step.state).expect("a state"))))
            .expect("an intact journal");
        states
    }

    fn flip(folder: &tempfile::TempDir, file: &str, at: usize) {
        let path = folder.path().join("p").join(file);
        let mut bytes = std::fs::read(&path).expect("a segment");
        bytes[at] ^= 1;
        std::fs::write(path, bytes).expect("room");
    }

    fn damage(disk: &mut OsDisk, keys: &ProfileKeys) -> Damage {
        let fault = verify(disk, keys, None).expect_err("damage");
        assert_eq!(fault.code, Code::JournalDamaged);
        fault.damage.expect("a place")
    }

    #[test]
    fn what_stands_before_the_damage_folds_as_it_did_and_makes_a_capsule_wherever_that_is() {
        let (folder, mut disk, keys) = life().close();
        let whole = folded(&mut disk, &keys);
        let mut blocks = Vec::new();
        walk(&mut disk, &keys, None, &mut |walked| blocks.push((walked.block.keep(), walked.place.seq))).expect("an intact journal");
        let mut segments = disk.list("journal").expect("a folder");
        segments.sort();
        // A byte of each segment: in its header, and in its blocks.
        let mut cut_at = Vec::new();
        for (number, name) in segments.iter().enumerate() {
            let file = format!("journal/{name}");
            let len = usize::try_from(disk.len(&file).expect("a file")).expect("small");
            for at in [40, len / 2, len - 5] {
                let is_end = number == 2 && at == len - 5;
                flip(&folder, &file, at);
                if !is_end {
                    let damage = damage(&mut disk, &keys);
                    let intact = Intact::before(Box::new(OsDisk::new(&folder.path().join("p"))), &keys, &damage).expect("a folder");
                    cut_at.push(intact.as_ref().map_or(0, |intact| intact.last().0));
                    if let Some(mut intact) = intact {
                        let before: Vec<_> = whole.iter().filter(|(seq, _)| *seq <= intact.last()).copied().collect();
                        assert_eq!(folded(&mut intact, &keys), before);
                        // The segments behind the damage are there, and not shown.
                        assert!(verify(&mut intact, &keys, None).is_ok_and(|verified| verified.folds_agree()));
                        let redacted = capsule::redact(&mut intact, &keys, &mut Counted(7)).expect("a capsule");
                        assert_eq!(redacted.kinds.values().sum::<u64>(), intact.last().0);
                        assert_eq!(intact.remove(&file), Err(DiskError::Denied), "nothing is written");
                    }
                }
                flip(&folder, &file, at);
            }
        }
        assert_eq!(cut_at.len(), 8);
        assert_eq!((cut_at[0], cut_at[3], cut_at[6]), (0, 7, 14), "a header: {cut_at:?}");
        assert_eq!((cut_at[2], cut_at[5]), (6, 13), "the last block: {cut_at:?}");
        assert!((1..6).contains(&cut_at[1]) && (8..13).contains(&cut_at[4]), "{cut_at:?}");
        assert_eq!(folded(&mut disk, &keys), whole);
    }

    #[test]
    fn of_two_damages_the_first_counts_whichever_was_met() {
        let (folder, mut disk, keys) = life().close();
        let segments = disk.list("journal").expect("a folder");
        let [_, second, third] = segments.iter().map(|name| format!("journal/{name}")).collect::<Vec<_>>().try_into().expect("three");
        let len = usize::try_from(disk.len(&second).expect("a file")).expect("small");
        flip(&folder, &second, len - 5);
        // A header is looked at before any block is.
        flip(&folder, &third, 40);
        let damage = damage(&mut disk, &keys);
        assert_eq!(damage.file, third);
        let intact = Intact::before(Box::new(disk), &keys, &damage).expect("a folder").expect("records");
        assert_eq!(intact.last(), Seq(13));
    }

    #[test]
    fn a_journal_whose_beginning_has_retired_is_cut_as_well() {
        let mut life = life();
        life.retire();
        let (folder, mut disk, keys) = life.close();
        let whole = folded(&mut disk, &keys);
        let newest = disk.list("journal").expect("a folder").pop().expect("a segment");
        flip(&folder, &format!("journal/{newest}"), 40);
        let damage = damage(&mut disk, &keys);
        let mut intact = Intact::before(Box::new(disk), &keys, &damage).expect("a folder").expect("records");
        let before: Vec<_> = whole.iter().filter(|(seq, _)| *seq <= intact.last()).copied().collect();
        assert!(!before.is_empty() && before.len() < whole.len() && before[0].0 > Seq(1), "{before:?}");
        assert_eq!(folded(&mut intact, &keys), before);
    }
}
