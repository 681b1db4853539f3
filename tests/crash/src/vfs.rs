//! SQLite's files in a [`Log`]: a virtual file system whose writes and syncs are the log's operations. SQLCipher stands above it as
//! above any other.
//!
//! **What it is not.** The index of the write-ahead log, which a real profile has in shared memory, is each connection's own here, and
//! no lock keeps two apart: one connection at a time. After a crash there is none, as after a restart: SQLite makes it from the log.

use crate::log::Log;
use crate::platter::{Operation, folder_of};
use sqlite_vfs::wip::{WalIndex, WalIndexLock};
use sqlite_vfs::{DatabaseHandle, LockKind, OpenAccess, OpenKind, OpenOptions, Vfs};
use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use thicket_types::ports::DiskError;

/// The disks that a connection can be opened on, by number.
static LOGS: Mutex<BTreeMap<u64, Log>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// One a thread, for it counts its files without a lock.
    static NAME: String = {
        let name = format!("crash-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        sqlite_vfs::register(&name, LogVfs, false).expect("SQLite takes another file system");
        name
    };
}

/// The name of this thread's virtual file system.
pub(crate) fn name() -> String {
    NAME.with(Clone::clone)
}

fn logs() -> MutexGuard<'static, BTreeMap<u64, Log>> {
    LOGS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A disk that SQLite finds by a path, for as long as this lives.
pub(crate) struct Mounted(u64);

impl Mounted {
    pub(crate) fn new(log: &Log) -> Mounted {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        logs().insert(number, log.clone());
        Mounted(number)
    }

    /// The path of a file on it.
    pub(crate) fn path(&self, file: &str) -> String {
        format!("{}/{file}", self.0)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        logs().remove(&self.0);
    }
}

/// The disk and the file that a path names.
fn find(path: &str) -> Result<(Log, String), Error> {
    let (number, file) = path.split_once('/').ok_or(ErrorKind::NotFound)?;
    let number = number.parse().map_err(|_| ErrorKind::NotFound)?;
    let log = logs().get(&number).cloned().ok_or(ErrorKind::NotFound)?;
    Ok((log, file.to_owned()))
}

fn failed(error: DiskError) -> Error {
    match error {
        DiskError::Missing => Error::from(ErrorKind::NotFound),
        other => Error::other(format!("{other:?}")),
    }
}

struct LogVfs;

pub(crate) struct Handle {
    log: Log,
    file: String,
    /// Set for a journal or log that was made here, until its name is durable.
    unnamed: bool,
    lock: LockKind,
}

impl Vfs for LogVfs {
    type Handle = Handle;

    fn open(&self, path: &str, options: OpenOptions) -> Result<Handle, Error> {
        let (log, file) = find(path)?;
        if log.is_dead() {
            return Err(failed(DiskError::Failed));
        }
        let made = !log.holds(&file);
        match options.access {
            OpenAccess::Read | OpenAccess::Write if made => return Err(Error::from(ErrorKind::NotFound)),
            OpenAccess::CreateNew if !made => return Err(Error::from(ErrorKind::AlreadyExists)),
            OpenAccess::Create | OpenAccess::CreateNew if made => {
                log.perform(Operation::Create { file: file.clone() }).map_err(failed)?;
            }
            OpenAccess::Read | OpenAccess::Write | OpenAccess::Create | OpenAccess::CreateNew => {}
        }
        let unnamed = made && options.kind != OpenKind::MainDb;
        Ok(Handle { log, file, unnamed, lock: LockKind::None })
    }

    /// The name's end is not made durable, as SQLite does not where it removes a write-ahead log.
    fn delete(&self, path: &str) -> Result<(), Error> {
        let (log, file) = find(path)?;
        if !log.holds(&file) {
            return Err(Error::from(ErrorKind::NotFound));
        }
        log.perform(Operation::Remove { file }).map_err(failed)
    }

    fn exists(&self, path: &str) -> Result<bool, Error> {
        let (log, file) = find(path)?;
        Ok(log.holds(&file))
    }

    fn temporary_name(&self) -> String {
        // None is made: temp_store is MEMORY. One that is has no disk, and can't be opened.
        "temporary".to_owned()
    }

    fn random(&self, buffer: &mut [i8]) {
        // Nothing that has to be secret: SQLite takes its own from the system's file system.
        buffer.fill(7);
    }

    fn sleep(&self, duration: Duration) -> Duration {
        duration
    }
}

impl DatabaseHandle for Handle {
    type WalIndex = Index;

    fn size(&self) -> Result<u64, Error> {
        let len = self.log.read(&self.file, <[u8]>::len).map_err(failed)?;
        Ok(u64::try_from(len).unwrap_or(u64::MAX))
    }

    /// What lies past the end is zeros, and said to be missing.
    fn read_exact_at(&mut self, buf: &mut [u8], offset: u64) -> Result<(), Error> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        buf.fill(0);
        let whole = self.log.read(&self.file, |bytes| {
            let there = bytes.get(offset..).unwrap_or_default();
            buf.iter_mut().zip(there).for_each(|(to, from)| *to = *from);
            there.len() >= buf.len()
        });
        if whole.map_err(failed)? { Ok(()) } else { Err(Error::from(ErrorKind::UnexpectedEof)) }
    }

    fn write_all_at(&mut self, buf: &[u8], offset: u64) -> Result<(), Error> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        self.log.perform(Operation::Write { file: self.file.clone(), offset, bytes: buf.to_vec() }).map_err(failed)
    }

    /// SQLite's own file system makes the name of a new journal or log durable with its first sync, and so does this; not that of a
    /// database, which lies in the same folder.
    fn sync(&mut self, _: bool) -> Result<(), Error> {
        self.log.perform(Operation::Sync { file: self.file.clone() }).map_err(failed)?;
        if std::mem::take(&mut self.unnamed) {
            self.log.perform(Operation::SyncFolder { folder: folder_of(&self.file).to_owned() }).map_err(failed)?;
        }
        Ok(())
    }

    fn set_len(&mut self, size: u64) -> Result<(), Error> {
        let len = usize::try_from(size).unwrap_or(usize::MAX);
        self.log.perform(Operation::Truncate { file: self.file.clone(), len }).map_err(failed)
    }

    fn lock(&mut self, lock: LockKind) -> Result<bool, Error> {
        self.lock = lock;
        Ok(true)
    }

    fn reserved(&mut self) -> Result<bool, Error> {
        Ok(false)
    }

    fn current_lock(&self) -> Result<LockKind, Error> {
        Ok(self.lock)
    }

    fn wal_index(&self, _: bool) -> Result<Index, Error> {
        Ok(Index)
    }
}

/// The index of a write-ahead log, one connection's own.
pub(crate) struct Index;

impl WalIndex for Index {
    fn map(&mut self, _: u32) -> Result<[u8; 32768], Error> {
        Ok([0; 32768])
    }

    fn lock(&mut self, _: Range<u8>, _: WalIndexLock) -> Result<bool, Error> {
        Ok(true)
    }

    fn delete(self) -> Result<(), Error> {
        Ok(())
    }
}
