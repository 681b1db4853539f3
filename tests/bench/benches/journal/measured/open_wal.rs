//! open-wal: one writer, one sync a commit. It always preallocates its segments, so it stands beside the floor that does.

use super::{Batch, Measured, floor};
use open_wal::{Wal, WalConfig};
use std::path::Path;

pub(crate) struct Logged(Wal);

impl Logged {
    pub(crate) fn new(folder: &Path) -> Logged {
        let folder = folder.join("open-wal");
        std::fs::create_dir(&folder).expect("a new folder");
        Logged(Wal::open(&folder, WalConfig::default()).expect("a new log").0)
    }
}

impl Measured for Logged {
    fn name(&self) -> &'static str {
        "open-wal"
    }

    fn floor(&self) -> &'static str {
        floor::PREALLOCATED
    }

    fn append(&mut self, batch: &mut Batch) {
        for record in &batch.records {
            self.0.append(record).expect("a record");
        }
        self.0.commit().expect("a disk");
    }
}
