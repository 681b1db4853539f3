//! writeahead, without its allocation windows. Its log is written by a thread of its own, which each batch is handed to.

use super::{Batch, Measured};
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{Thread, current, park};
use writeahead::{SimpleFile, WriteAhead, WriteAheadOptions, WriteHandle};

pub(crate) struct Logged {
    handle: WriteHandle,
    _log: WriteAhead<SimpleFile>,
}

impl Logged {
    pub(crate) fn new(folder: &Path) -> Logged {
        let options = WriteAheadOptions { log_dir: folder.join("writeahead"), preallocation_chunk_size: None, ..Default::default() };
        let mut log = WriteAhead::<SimpleFile>::with_options(options);
        log.start().expect("a new log");
        Logged { handle: log.writer().expect("a log that was started"), _log: log }
    }
}

impl Measured for Logged {
    fn name(&self) -> &'static str {
        "writeahead"
    }

    fn append(&mut self, batch: &mut Batch) {
        wait_for(self.handle.write_batch(batch.records.clone())).expect("a disk");
    }
}

struct Waking(Thread);

impl Wake for Waking {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits on this thread: there is nothing else to do.
fn wait_for<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Waking(current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => park(),
        }
    }
}
