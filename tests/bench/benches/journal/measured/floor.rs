//! The floor: the bytes, and a sync. Nothing that is durable is faster.

use super::{Batch, Measured};
use rustix::fs::{FallocateFlags, fallocate};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

pub(crate) const NAME: &str = "write + fdatasync";
pub(crate) const PREALLOCATED: &str = "the same, preallocated";

/// Bytes taken beforehand where that is asked for: more than a run writes.
const PREALLOCATED_LEN: u64 = 256 * 1024 * 1024;

pub(crate) struct Floor {
    file: File,
    name: &'static str,
}

impl Floor {
    pub(crate) fn new(folder: &Path, preallocated: bool) -> Floor {
        let name = if preallocated { PREALLOCATED } else { NAME };
        let file = File::create_new(folder.join(if preallocated { "preallocated" } else { "floor" })).expect("a new file");
        if preallocated {
            fallocate(&file, FallocateFlags::empty(), 0, PREALLOCATED_LEN).expect("room");
        }
        file.sync_all().expect("a disk");
        Floor { file, name }
    }
}

impl Measured for Floor {
    fn name(&self) -> &'static str {
        self.name
    }

    fn floor(&self) -> &'static str {
        self.name
    }

    fn append(&mut self, batch: &mut Batch) {
        self.file.write_all(&batch.bytes).and_then(|()| self.file.sync_data()).expect("a disk");
    }
}
