//! What stands on a disk after a loss of power.
//!
//! ```text
//!   now       names ─▶ files            what a process reads
//!   not synced since                    of each name, and of each file's length and pages, all that they were
//!   power is lost                       each of them is one of those, whichever
//! ```

use std::collections::{BTreeMap, BTreeSet};
use thicket_client::SeededEntropy;
use thicket_types::ports::Entropy as _;

/// A disk's files, by path.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A page of a file: what the kernel writes back at once.
pub const PAGE_LEN: usize = 4096;
/// A sector: what a drive writes whole or not at all.
pub const SECTOR_LEN: usize = 512;

/// A step that changes a disk, or makes a change durable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Makes an empty file.
    Create {
        /// Its path.
        file: String,
    },
    /// Writes bytes at a place in a file.
    Write {
        /// Its path.
        file: String,
        /// Where.
        offset: usize,
        /// What.
        bytes: Vec<u8>,
    },
    /// Gives a file another length; what is new is zeros.
    Truncate {
        /// Its path.
        file: String,
        /// The length.
        len: usize,
    },
    /// Makes a file's bytes and length durable: `fsync`, `fdatasync`.
    Sync {
        /// Its path.
        file: String,
    },
    /// Gives a file another name, in place of what bore it.
    Rename {
        /// Its path before.
        from: String,
        /// Its path after.
        to: String,
    },
    /// Takes a file's name away.
    Remove {
        /// Its path.
        file: String,
    },
    /// Makes a folder's names durable: `fsync` of the folder.
    SyncFolder {
        /// Its path; the profile's own is empty.
        folder: String,
    },
    /// A transaction of a vault that is no file: whole and durable.
    Commit,
}

/// How a disk stands after a crash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum How {
    /// The process died: all that was written is there.
    AsItIs,
    /// Power was lost in the middle of the last operation, a write: its beginning is there, or some of its sectors.
    Torn,
    /// Power was lost: what was not synced is there or not, in any order.
    Unsynced,
}

impl How {
    /// All.
    pub const ALL: [How; 3] = [How::AsItIs, How::Torn, How::Unsynced];

    /// What it is called.
    pub fn word(self) -> &'static str {
        match self {
            How::AsItIs => "as it is",
            How::Torn => "torn",
            How::Unsynced => "unsynced",
        }
    }
}

/// A disk that knows what of it a loss of power may take.
///
/// **What is promised** is what Linux promises on every file system, and no more:
/// - `fsync` and `fdatasync` of a file make its bytes and its length durable. They do not make its name durable, though some file
///   systems do that as well.
/// - `fsync` of a folder makes the names in it durable: those made, those removed, those that were renamed.
/// - A rename is atomic: its new name is of the old file or of the new one, and until it is of the new one the old name is too. It does
///   not make the new file's bytes durable.
/// - Without these a page of a file, its length, and a name each may be as they were at any moment since they were last made
///   durable, each for itself: a later write may be there and an earlier one not. A page that is missing within the length is
///   zeros.
///
/// **What it is not:** a drive that lies, by keeping what it said it wrote, or by losing what was durable. Folders are
/// there from the beginning; the real disk makes a folder durable before it puts anything into it.
#[derive(Clone, Default)]
pub struct Platter {
    names: BTreeMap<String, u64>,
    /// What each name was since its folder was synced; the durable one first.
    were: BTreeMap<String, Vec<Option<u64>>>,
    files: BTreeMap<u64, File>,
    /// The old names of files that were renamed since their folder was synced.
    renamed: Vec<(String, u64)>,
    made: u64,
}

#[derive(Clone, Default)]
struct File {
    bytes: Vec<u8>,
    /// The lengths that it had since it was synced; the durable one first.
    lens: Vec<usize>,
    /// What each page was since; the durable one first.
    pages: BTreeMap<usize, Vec<Vec<u8>>>,
}

impl Platter {
    /// A disk with files that are all durable.
    pub fn new(files: Files) -> Platter {
        let mut platter = Platter::default();
        for (path, bytes) in files {
            platter.made += 1;
            platter.names.insert(path, platter.made);
            platter.files.insert(platter.made, File { bytes, ..File::default() });
        }
        platter
    }

    /// The files' names.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.names.keys()
    }

    /// A file's bytes.
    pub fn read(&self, path: &str) -> Option<&[u8]> {
        self.names.get(path).and_then(|file| self.files.get(file)).map(|file| file.bytes.as_slice())
    }

    /// Takes a step. One on a file that is not there changes nothing.
    pub fn perform(&mut self, operation: &Operation) {
        match operation {
            Operation::Create { file } => {
                self.made += 1;
                self.files.insert(self.made, File::default());
                self.name(file, Some(self.made));
            }
            Operation::Write { file, offset, bytes } => {
                if let Some(file) = self.file(file) {
                    file.write(*offset, bytes);
                }
            }
            Operation::Truncate { file, len } => {
                if let Some(file) = self.file(file) {
                    file.truncate(*len);
                }
            }
            Operation::Sync { file } => {
                if let Some(file) = self.file(file) {
                    file.lens.clear();
                    file.pages.clear();
                }
            }
            Operation::Rename { from, to } => {
                if let Some(file) = self.names.get(from).copied() {
                    self.name(to, Some(file));
                    self.name(from, None);
                    self.renamed.push((from.clone(), file));
                }
            }
            Operation::Remove { file } => self.name(file, None),
            Operation::SyncFolder { folder } => {
                self.were.retain(|name, _| folder_of(name) != folder);
                self.renamed.retain(|(name, _)| folder_of(name) != folder);
                let bound: BTreeSet<u64> = self.names.values().copied().chain(self.were.values().flatten().copied().flatten()).collect();
                self.files.retain(|file, _| bound.contains(file));
            }
            Operation::Commit => {}
        }
    }

    fn file(&mut self, path: &str) -> Option<&mut File> {
        self.names.get(path).and_then(|file| self.files.get_mut(file))
    }

    fn name(&mut self, name: &str, file: Option<u64>) {
        let before = match file {
            Some(file) => self.names.insert(name.to_owned(), file),
            None => self.names.remove(name),
        };
        self.were.entry(name.to_owned()).or_insert_with(|| vec![before]).push(file);
    }

    /// Whether all that is there is durable.
    pub fn is_synced(&self) -> bool {
        self.were.is_empty() && self.files.values().all(|file| file.lens.is_empty() && file.pages.is_empty())
    }

    /// The disk as a process that died leaves it.
    pub fn as_it_is(&self) -> Files {
        self.names.iter().filter_map(|(name, file)| Some((name.clone(), self.files.get(file)?.bytes.clone()))).collect()
    }

    /// The disk after power was lost in the middle of a write; `None` for an operation that is none, or writes nothing.
    pub fn torn(&self, last: &Operation, seed: u64) -> Option<Files> {
        let Operation::Write { file, offset, bytes } = last else {
            return None;
        };
        let mut files = self.as_it_is();
        let whole = files.get_mut(file).filter(|_| !bytes.is_empty())?;
        let mut dice = Dice::new(seed);
        if dice.below(2) == 0 {
            let cut = dice.below(bytes.len());
            put(whole, *offset, bytes.get(..cut).unwrap_or_default());
            return Some(files);
        }
        // Sectors lie at multiples of their length in the file, wherever the write began.
        let mut at = 0;
        let mut lost = false;
        while at < bytes.len() {
            let end = ((offset + at) / SECTOR_LEN + 1) * SECTOR_LEN - offset;
            let sector = bytes.get(at..end.min(bytes.len())).unwrap_or_default();
            // One at least is lost.
            let last = end >= bytes.len();
            if dice.below(2) == 0 && (lost || !last) {
                put(whole, offset + at, sector);
            } else {
                lost = true;
            }
            at = end;
        }
        Some(files)
    }

    /// The disk after power was lost: what was not synced is there or not, by a seed. One seed in four keeps none of it.
    pub fn unsynced(&self, seed: u64) -> Files {
        let mut dice = Dice::new(seed);
        let none = dice.below(4) == 0;
        let mut pick = |moments: usize| if none { 0 } else { dice.below(moments) };
        let names: BTreeSet<&String> = self.names.keys().chain(self.were.keys()).collect();
        let (mut files, mut bound) = (Files::new(), BTreeSet::new());
        for name in names {
            let file = match self.were.get(name) {
                Some(were) => were.get(pick(were.len())).copied().flatten(),
                None => self.names.get(name).copied(),
            };
            if let Some((number, file)) = file.and_then(|number| Some((number, self.files.get(&number)?))) {
                files.insert(name.clone(), file.after(&mut pick));
                bound.insert(number);
            }
        }
        // A rename whose new name is not there did not take the old one away, if that was durable.
        for (name, number) in &self.renamed {
            let was_durable = self.were.get(name).and_then(|were| were.first()) == Some(&Some(*number));
            let is_there = self.names.values().any(|living| living == number);
            if was_durable
                && is_there
                && !bound.contains(number)
                && !files.contains_key(name)
                && let Some(file) = self.files.get(number)
            {
                files.insert(name.clone(), file.after(&mut pick));
            }
        }
        files
    }
}

impl File {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let len = self.bytes.len();
        let touched = offset.min(len) / PAGE_LEN..=(offset + bytes.len() - 1) / PAGE_LEN;
        self.change(touched, |file| put(file, offset, bytes));
    }

    fn truncate(&mut self, len: usize) {
        let (least, most) = (len.min(self.bytes.len()), len.max(self.bytes.len()));
        self.change(least / PAGE_LEN..=most / PAGE_LEN, |file| file.resize(len, 0));
    }

    fn change(&mut self, touched: std::ops::RangeInclusive<usize>, change: impl FnOnce(&mut Vec<u8>)) {
        for page in touched.clone() {
            let before = page_of(&self.bytes, page).to_vec();
            self.pages.entry(page).or_insert_with(|| vec![before]);
        }
        if self.lens.is_empty() {
            self.lens.push(self.bytes.len());
        }
        change(&mut self.bytes);
        self.lens.push(self.bytes.len());
        for page in touched {
            let after = page_of(&self.bytes, page).to_vec();
            self.pages.entry(page).or_default().push(after);
        }
    }

    /// Its bytes after a loss of power.
    fn after(&self, pick: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
        let len = match self.lens.len() {
            0 => self.bytes.len(),
            moments => self.lens.get(pick(moments)).copied().unwrap_or_default(),
        };
        let mut bytes = self.bytes.clone();
        for (page, moments) in &self.pages {
            let moment = moments.get(pick(moments.len())).map(Vec::as_slice).unwrap_or_default();
            let mut whole = moment.to_vec();
            whole.resize(PAGE_LEN, 0);
            put(&mut bytes, page * PAGE_LEN, &whole);
        }
        bytes.resize(len, 0);
        bytes
    }
}

fn page_of(bytes: &[u8], page: usize) -> &[u8] {
    let from = (page * PAGE_LEN).min(bytes.len());
    bytes.get(from..(from + PAGE_LEN).min(bytes.len())).unwrap_or_default()
}

fn put(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if file.len() < offset + bytes.len() {
        file.resize(offset + bytes.len(), 0);
    }
    if let Some(place) = file.get_mut(offset..offset + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// The folder that a file lies in.
pub fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Chance, from a seed.
pub struct Dice(SeededEntropy);

impl Dice {
    /// From a seed.
    pub fn new(seed: u64) -> Dice {
        Dice(SeededEntropy::new(seed))
    }

    /// A number under a bound that is not zero.
    pub fn below(&mut self, bound: usize) -> usize {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        usize::try_from(u32::from_be_bytes(bytes)).unwrap_or(0) % bound.max(1)
    }
}

#[cfg(test)]
mod tests;
