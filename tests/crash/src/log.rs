//! A disk in memory that counts every step in one order, journal, keys and vault alike, and dies at the n-th.

use crate::platter::{Files, How, Operation, Platter};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use thicket_types::ids::Seq;
use thicket_types::ports::{Disk, DiskError};

/// A row of the table in docs/ARCHITECTURE.md that an operation is near.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Row {
    /// 1: a block is written and not durable.
    Block,
    /// 2: it is durable; nothing of it is dispatched.
    Dispatch,
    /// 3: in a vault's transaction.
    Transaction,
    /// 4: the vault has committed; its outcomes are not journaled.
    Commit,
    /// 5: a frame was sent; that is not journaled.
    Send,
    /// 6: a snapshot is in its place; the ledger is not pruned.
    Prune,
    /// None: each hundredth operation.
    Else,
}

impl Row {
    /// All.
    pub const ALL: [Row; 7] = [Row::Block, Row::Dispatch, Row::Transaction, Row::Commit, Row::Send, Row::Prune, Row::Else];

    /// What it is called.
    pub fn word(self) -> &'static str {
        match self {
            Row::Block => "1 block",
            Row::Dispatch => "2 dispatch",
            Row::Transaction => "3 transaction",
            Row::Commit => "4 commit",
            Row::Send => "5 send",
            Row::Prune => "6 prune",
            Row::Else => "else",
        }
    }
}

/// When the process dies, and what it leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Death {
    /// The last operation that is done: the first is 1.
    pub at: u64,
    /// Whether it dies as it asks for the next one. Whatever it does in between happened, such as a send.
    pub late: bool,
    /// What of the disk is left.
    pub how: How,
    /// By what chance.
    pub seed: u64,
}

/// One disk: shared by the handles of one process after another.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    platter: Platter,
    operations: u64,
    /// All operations, if they are kept.
    kept: Option<Vec<Operation>>,
    /// Which operations are writes.
    writes: Vec<bool>,
    marks: Vec<(u64, Row)>,
    /// What the process has let anybody know of: after how many operations, up to which record.
    promised: Vec<(u64, Seq)>,
    death: Option<Death>,
    dead: bool,
    left: Option<Files>,
    /// Set for a disk that does not do what it is asked to: which operations.
    careless: Option<fn(&Operation) -> bool>,
}

impl Log {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps every operation, for [`Log::kept`].
    pub fn keep(&self) {
        self.inner().kept = Some(Vec::new());
    }

    /// The operations, if they were kept.
    pub fn kept(&self) -> Vec<Operation> {
        self.inner().kept.clone().unwrap_or_default()
    }

    /// Which operations are writes, in order.
    pub fn writes(&self) -> Vec<bool> {
        self.inner().writes.clone()
    }

    /// Operations so far.
    pub fn operations(&self) -> u64 {
        self.inner().operations
    }

    /// Has it not do these operations, whatever it says: for a test of the test.
    pub fn be_careless(&self, of: fn(&Operation) -> bool) {
        self.inner().careless = Some(of);
    }

    /// Has the process die.
    pub fn die(&self, death: Death) {
        self.inner().death = Some(death);
    }

    /// Whether the process is dead: nothing works until the disk is taken over.
    pub fn is_dead(&self) -> bool {
        self.inner().dead
    }

    /// Notes that what was done last, or is done next, is near a row.
    pub fn mark(&self, row: Row) {
        let mut inner = self.inner();
        if !inner.dead {
            let at = inner.operations;
            inner.marks.push((at, row));
        }
    }

    /// Notes that an operation is near a row.
    pub fn mark_at(&self, at: u64, row: Row) {
        self.inner().marks.push((at, row));
    }

    /// The operations that are near a row.
    pub fn marks(&self) -> Vec<(u64, Row)> {
        self.inner().marks.clone()
    }

    /// Notes that the process lets others know of what is journaled: of so many more records.
    pub fn promise(&self, records: usize) {
        let mut inner = self.inner();
        let (at, last) = (inner.operations, inner.promised.last().map_or(0, |(_, seq)| seq.0));
        inner.promised.push((at, Seq(last + u64::try_from(records).unwrap_or(0))));
    }

    /// The last record that anybody was let known of when so many operations were done.
    pub fn promised(&self, at: u64) -> Seq {
        let inner = self.inner();
        let known = inner.promised.partition_point(|(since, _)| *since <= at);
        known.checked_sub(1).and_then(|last| inner.promised.get(last)).map_or(Seq::ZERO, |(_, seq)| *seq)
    }

    /// Takes over what a dead process left, or what stands there. All of it is durable.
    pub fn take_over(&self) {
        let mut inner = self.inner();
        let files = inner.left.take().unwrap_or_else(|| inner.platter.as_it_is());
        inner.platter = Platter::new(files);
        inner.dead = false;
        inner.death = None;
    }

    /// All files as they are.
    pub fn files(&self) -> Files {
        self.inner().platter.as_it_is()
    }

    /// A disk with these files, all durable.
    pub fn with(files: Files) -> Log {
        Log(Arc::new(Mutex::new(Inner { platter: Platter::new(files), ..Inner::default() })))
    }

    /// Takes a step, if the process lives. **Errors:** it does not, or dies by it.
    pub fn perform(&self, operation: Operation) -> Result<(), DiskError> {
        self.inner().perform(operation)
    }

    /// Whether the next step would be the one at which the process dies: for who must know before taking it.
    pub fn lives(&self) -> Result<(), DiskError> {
        self.inner().begin()
    }

    /// A file's bytes. **Errors:** `Missing`; the process is dead.
    pub fn read<T>(&self, path: &str, with: impl FnOnce(&[u8]) -> T) -> Result<T, DiskError> {
        let inner = self.inner();
        if inner.dead {
            return Err(DiskError::Failed);
        }
        inner.platter.read(path).map(with).ok_or(DiskError::Missing)
    }

    /// Whether there is such a file.
    pub fn holds(&self, path: &str) -> bool {
        self.inner().platter.read(path).is_some()
    }
}

impl Inner {
    fn begin(&mut self) -> Result<(), DiskError> {
        if !self.dead && self.death.is_some_and(|death| death.late && death.at == self.operations) {
            self.die();
        }
        if self.dead { Err(DiskError::Failed) } else { Ok(()) }
    }

    fn perform(&mut self, operation: Operation) -> Result<(), DiskError> {
        self.begin()?;
        let last = self.death.filter(|death| death.at == self.operations + 1);
        if let Some(death) = last.filter(|death| death.how == How::Torn) {
            self.left = self.platter.torn(&operation, death.seed);
        }
        if let Operation::Write { file, .. } = &operation
            && file.starts_with("journal/")
        {
            self.marks.push((self.operations + 1, Row::Block));
        }
        let renamed = matches!(&operation, Operation::Rename { to, .. } if to.starts_with("snapshots/"));
        // A sync that is none.
        let careless = self.careless.is_some_and(|of| of(&operation));
        let operation = if careless { Operation::Commit } else { operation };
        self.platter.perform(&operation);
        self.operations += 1;
        self.writes.push(matches!(operation, Operation::Write { .. }));
        if renamed {
            self.marks.push((self.operations, Row::Prune));
        }
        if let Some(kept) = &mut self.kept {
            kept.push(operation);
        }
        if last.is_some_and(|death| !death.late) {
            self.die();
            return Err(DiskError::Failed);
        }
        Ok(())
    }

    fn die(&mut self) {
        self.dead = true;
        if let Some(death) = self.death.take() {
            match death.how {
                How::AsItIs => self.left = Some(self.platter.as_it_is()),
                How::Unsynced => self.left = Some(self.platter.unsynced(death.seed)),
                // Torn already, unless it was no write.
                How::Torn => {}
            }
        }
    }
}

/// Takes the same steps, in the same order, as the disk of a real profile (core/engine/src/disk.rs).
impl Disk for Log {
    fn list(&mut self, folder: &str) -> Result<Vec<String>, DiskError> {
        let within = format!("{folder}/");
        let inner = self.inner();
        if inner.dead {
            return Err(DiskError::Failed);
        }
        Ok(inner.platter.names().filter_map(|path| path.strip_prefix(&within)).map(str::to_owned).collect())
    }

    fn len(&mut self, path: &str) -> Result<u64, DiskError> {
        self.read_all(path, <[u8]>::len).map(|len| u64::try_from(len).unwrap_or(u64::MAX))
    }

    fn read(&mut self, path: &str) -> Result<Vec<u8>, DiskError> {
        self.read_all(path, <[u8]>::to_vec)
    }

    fn read_at(&mut self, path: &str, offset: u64, len: usize) -> Result<Vec<u8>, DiskError> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        self.read_all(path, |bytes| bytes.iter().skip(offset).take(len).copied().collect())
    }

    fn create(&mut self, path: &str, bytes: &[u8]) -> Result<(), DiskError> {
        if self.holds(path) {
            return Err(DiskError::Exists);
        }
        self.perform(Operation::Create { file: path.to_owned() })?;
        self.perform(Operation::Write { file: path.to_owned(), offset: 0, bytes: bytes.to_vec() })?;
        self.perform(Operation::Sync { file: path.to_owned() })?;
        self.sync_folder(path)
    }

    fn append(&mut self, path: &str, bytes: &[u8]) -> Result<(), DiskError> {
        let offset = self.read_all(path, <[u8]>::len)?;
        self.perform(Operation::Write { file: path.to_owned(), offset, bytes: bytes.to_vec() })?;
        self.perform(Operation::Sync { file: path.to_owned() })
    }

    fn truncate(&mut self, path: &str, len: u64) -> Result<(), DiskError> {
        let before = self.read_all(path, <[u8]>::len)?;
        let len = usize::try_from(len).map_or(before, |len| len);
        self.perform(Operation::Truncate { file: path.to_owned(), len })?;
        self.perform(Operation::Sync { file: path.to_owned() })
    }

    fn replace(&mut self, path: &str, bytes: &[u8]) -> Result<(), DiskError> {
        let new = format!("{path}.new");
        if self.holds(&new) {
            self.perform(Operation::Remove { file: new.clone() })?;
        }
        self.perform(Operation::Create { file: new.clone() })?;
        self.perform(Operation::Write { file: new.clone(), offset: 0, bytes: bytes.to_vec() })?;
        self.perform(Operation::Sync { file: new.clone() })?;
        self.perform(Operation::Rename { from: new, to: path.to_owned() })?;
        self.sync_folder(path)
    }

    fn remove(&mut self, path: &str) -> Result<(), DiskError> {
        if !self.holds(path) {
            return Ok(());
        }
        self.perform(Operation::Remove { file: path.to_owned() })?;
        self.sync_folder(path)
    }
}

impl Log {
    fn read_all<T>(&self, path: &str, with: impl FnOnce(&[u8]) -> T) -> Result<T, DiskError> {
        Log::read(self, path, with)
    }

    fn sync_folder(&self, path: &str) -> Result<(), DiskError> {
        self.perform(Operation::SyncFolder { folder: crate::platter::folder_of(path).to_owned() })
    }
}
