//! A disk in memory, which fails as it is told to and outlives the process that used it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use thicket_types::ports::{Disk, DiskError};

/// What happens at a mutating operation that is told to fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// Nothing reaches the disk, and the operation says so.
    Refused(DiskError),
    /// The process dies with so many thousandths of the bytes written.
    Torn(u32),
}

/// The platter: shared by the handles of one process after another.
#[derive(Clone, Default)]
pub struct MemDisk(Arc<Mutex<Platter>>);

#[derive(Default)]
struct Platter {
    files: BTreeMap<String, Vec<u8>>,
    /// Mutating operations so far.
    operations: u64,
    /// At which operation to fail, and how.
    failing: Option<(u64, Failure)>,
    /// Set when a failure fired.
    fired: bool,
    /// Set when the process died in the middle: nothing works until the disk is taken over.
    dead: bool,
}

impl MemDisk {
    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Mutating operations so far.
    pub fn operations(&self) -> u64 {
        self.platter().operations
    }

    /// Has the n-th mutating operation from now (0: the next) fail.
    pub fn fail(&self, from_now: u64, failure: Failure) {
        let mut platter = self.platter();
        platter.failing = Some((platter.operations + from_now, failure));
        platter.fired = false;
    }

    /// Whether the failure fired.
    pub fn fired(&self) -> bool {
        self.platter().fired
    }

    /// A new process takes the disk over: nothing fails any more.
    pub fn take_over(&self) {
        let mut platter = self.platter();
        platter.dead = false;
        platter.failing = None;
    }

    /// All files as they are.
    pub fn image(&self) -> BTreeMap<String, Vec<u8>> {
        self.platter().files.clone()
    }

    /// Puts files back as they were: a restored backup.
    pub fn restore(&self, image: BTreeMap<String, Vec<u8>>) {
        self.platter().files = image;
    }
}

impl Platter {
    /// What is to become of this operation: how many bytes of `len` are written, and whether it then fails.
    fn begin(&mut self, len: usize) -> Result<(usize, Result<(), DiskError>), DiskError> {
        if self.dead {
            return Err(DiskError::Failed);
        }
        let operation = self.operations;
        self.operations += 1;
        match self.failing {
            Some((at, failure)) if at == operation => {
                self.failing = None;
                self.fired = true;
                match failure {
                    Failure::Refused(error) => Err(error),
                    Failure::Torn(thousandths) => {
                        self.dead = true;
                        let written = len * usize::try_from(thousandths.min(1000)).unwrap_or(1000) / 1000;
                        Ok((written, Err(DiskError::Failed)))
                    }
                }
            }
            Some(_) | None => Ok((len, Ok(()))),
        }
    }
}

impl Disk for MemDisk {
    fn list(&mut self, folder: &str) -> Result<Vec<String>, DiskError> {
        let within = format!("{folder}/");
        Ok(self.platter().files.keys().filter_map(|path| path.strip_prefix(&within)).map(str::to_owned).collect())
    }

    fn len(&mut self, path: &str) -> Result<u64, DiskError> {
        let platter = self.platter();
        let file = platter.files.get(path).ok_or(DiskError::Missing)?;
        Ok(u64::try_from(file.len()).unwrap_or(u64::MAX))
    }

    fn read(&mut self, path: &str) -> Result<Vec<u8>, DiskError> {
        self.platter().files.get(path).cloned().ok_or(DiskError::Missing)
    }

    fn read_at(&mut self, path: &str, offset: u64, len: usize) -> Result<Vec<u8>, DiskError> {
        let bytes = self.read(path)?;
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        Ok(bytes.into_iter().skip(offset).take(len).collect())
    }

    fn create(&mut self, path: &str, bytes: &[u8]) -> Result<(), DiskError> {
        let mut platter = self.platter();
        if platter.files.contains_key(path) {
            return Err(DiskError::Exists);
        }
        let (written, done) = platter.begin(bytes.len())?;
        if done.is_ok() || written > 0 {
            platter.files.insert(path.to_owned(), bytes.iter().copied().take(written).collect());
        }
        done
    }

    fn append(&mut self, path: &str, bytes: &[u8]) -> Result<(), DiskError> {
        let mut platter = self.platter();
        let (written, done) = platter.begin(bytes.len())?;
        let file = platter.files.get_mut(path).ok_or(DiskError::Missing)?;
        file.extend(bytes.iter().take(written));
        done
    }

    fn truncate(&mut self, path: &str, len: u64) -> Result<(), DiskError> {
        let mut platter = self.platter();
        let (_, done) = platter.begin(0)?;
        if done.is_ok() {
            let file = platter.files.get_mut(path).ok_or(DiskError::Missing)?;
            file.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        }
        done
    }

    /// One rename: the whole of the old or the whole of the new.
    fn replace(&mut self, path: &str, bytes: &[u8]) -> Result<(), DiskError> {
        let mut platter = self.platter();
        let (written, done) = platter.begin(bytes.len())?;
        if written == bytes.len() {
            platter.files.insert(path.to_owned(), bytes.to_vec());
        }
        done
    }

    fn remove(&mut self, path: &str) -> Result<(), DiskError> {
        let mut platter = self.platter();
        let (_, done) = platter.begin(0)?;
        if done.is_ok() {
            platter.files.remove(path);
        }
        done
    }
}
