//! The two queues of an end: what waits to leave by one connection, and what waits to be polled.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use thicket_types::limits::{DIRECT_OUTBOX_FRAMES_MAX, DIRECT_OUTBOX_LEN_MAX};
use thicket_types::ports::Unreachable;

/// No code of ours panics while it holds a lock, and what a lock guards is whole after each statement.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes that wait in all outboxes of an end together.
#[derive(Clone, Default)]
pub(super) struct Leaving(Arc<AtomicUsize>);

impl Leaving {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn more(&self, len: usize) {
        self.0.fetch_add(len, Ordering::Relaxed);
    }

    fn less(&self, len: usize) {
        self.0.fetch_sub(len, Ordering::Relaxed);
    }
}

/// What waits to leave by one connection. Who puts never waits; who takes does.
pub(super) struct Outbox {
    waiting: Mutex<Waiting>,
    moved: Condvar,
    all: Leaving,
}

struct Waiting {
    frames: VecDeque<Vec<u8>>,
    len: usize,
    closed: bool,
}

/// What an outbox has for its writer.
pub(super) enum Next {
    /// The oldest frame.
    Frame(Vec<u8>),
    /// None came in that time.
    Nothing,
    /// None will come any more.
    Closed,
}

impl Outbox {
    /// An empty one, counted with others.
    pub(super) fn new(all: Leaving) -> Outbox {
        Outbox { waiting: Mutex::new(Waiting { frames: VecDeque::new(), len: 0, closed: false }), moved: Condvar::new(), all }
    }

    /// Bytes of the frames that wait.
    pub(super) fn len(&self) -> usize {
        lock(&self.waiting).len
    }

    /// Puts a frame last. **Errors:** full, or closed.
    pub(super) fn put(&self, frame: &[u8]) -> Result<(), Unreachable> {
        let mut waiting = lock(&self.waiting);
        if waiting.closed || waiting.frames.len() >= DIRECT_OUTBOX_FRAMES_MAX || waiting.len + frame.len() > DIRECT_OUTBOX_LEN_MAX {
            return Err(Unreachable);
        }
        waiting.len += frame.len();
        self.all.more(frame.len());
        waiting.frames.push_back(frame.to_vec());
        self.moved.notify_one();
        Ok(())
    }

    /// Takes the first frame; waits for one, at most so long.
    pub(super) fn next(&self, at_most: Duration) -> Next {
        let waiting = lock(&self.waiting);
        let idle = |waiting: &mut Waiting| waiting.frames.is_empty() && !waiting.closed;
        let (mut waiting, _) = self.moved.wait_timeout_while(waiting, at_most, idle).unwrap_or_else(PoisonError::into_inner);
        if waiting.closed {
            return Next::Closed;
        }
        match waiting.frames.pop_front() {
            Some(frame) => {
                waiting.len -= frame.len();
                self.all.less(frame.len());
                Next::Frame(frame)
            }
            None => Next::Nothing,
        }
    }

    /// Takes all that waits, the oldest first.
    pub(super) fn take_all(&self) -> VecDeque<Vec<u8>> {
        let mut waiting = lock(&self.waiting);
        self.all.less(std::mem::take(&mut waiting.len));
        std::mem::take(&mut waiting.frames)
    }

    /// Drops what waits, and takes no more. A repeat changes nothing.
    pub(super) fn close(&self) {
        let mut waiting = lock(&self.waiting);
        waiting.closed = true;
        self.all.less(std::mem::take(&mut waiting.len));
        waiting.frames.clear();
        self.moved.notify_all();
    }
}

/// What waits to be polled, from all connections of an end. Who puts waits for room, so that TCP pushes back; who takes never does.
pub(super) struct Inbox<T> {
    held: Mutex<Held<T>>,
    room: Condvar,
    count_max: usize,
    len_max: usize,
}

struct Held<T> {
    items: VecDeque<(usize, T)>,
    len: usize,
    closed: bool,
}

/// The end that polls is gone.
#[derive(Debug)]
pub(super) struct Closed;

impl<T> Inbox<T> {
    /// An empty one. **Limits:** so many items, and so many bytes in them; one item has room whatever its length.
    pub(super) fn new(count_max: usize, len_max: usize) -> Inbox<T> {
        let held = Held { items: VecDeque::new(), len: 0, closed: false };
        Inbox { held: Mutex::new(held), room: Condvar::new(), count_max, len_max }
    }

    /// Puts an item of so many bytes last, as soon as there is room.
    pub(super) fn put(&self, item: T, len: usize) -> Result<(), Closed> {
        let full = |held: &mut Held<T>| {
            let over = held.items.len() >= self.count_max || held.len + len > self.len_max;
            over && !held.items.is_empty() && !held.closed
        };
        let mut held = self.room.wait_while(lock(&self.held), full).unwrap_or_else(PoisonError::into_inner);
        if held.closed {
            return Err(Closed);
        }
        held.len += len;
        held.items.push_back((len, item));
        Ok(())
    }

    /// Takes the first item, if there is one.
    pub(super) fn take(&self) -> Option<T> {
        let mut held = lock(&self.held);
        let (len, item) = held.items.pop_front()?;
        held.len -= len;
        // One is enough: if it does not fit yet, an item is there, and taking that one wakes the next.
        self.room.notify_one();
        Some(item)
    }

    /// Drops what waits, and takes no more. Who waits for room waits no longer.
    pub(super) fn close(&self) {
        let mut held = lock(&self.held);
        held.closed = true;
        held.len = 0;
        held.items.clear();
        self.room.notify_all();
    }
}
