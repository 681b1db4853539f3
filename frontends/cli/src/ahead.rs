//! Lines that are read before anybody asks for them.

use std::sync::mpsc::{Receiver, sync_channel};
use thicket_types::limits::LINES_AHEAD_MAX;

/// Reads on a thread of its own until there is nothing more, or nobody who takes it. Past so many the reading waits.
pub fn read_ahead<T: Send + 'static>(mut next: impl FnMut() -> Option<T> + Send + 'static) -> Receiver<T> {
    let (sender, ahead) = sync_channel(LINES_AHEAD_MAX);
    std::thread::spawn(move || {
        while let Some(line) = next() {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    ahead
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    #[test]
    fn so_many_lines_are_read_ahead_and_the_next_when_one_is_taken() {
        let read = Arc::new(AtomicUsize::new(0));
        let counted = read.clone();
        let ahead = read_ahead(move || Some(counted.fetch_add(1, Ordering::SeqCst)));
        let reads = |most: usize| {
            let patience = Instant::now() + Duration::from_secs(30);
            while read.load(Ordering::SeqCst) < most {
                assert!(Instant::now() < patience, "the reading stopped");
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_millis(50));
            assert_eq!(read.load(Ordering::SeqCst), most);
        };
        // One more is in hand.
        reads(LINES_AHEAD_MAX + 1);
        assert_eq!(ahead.recv(), Ok(0));
        reads(LINES_AHEAD_MAX + 2);
    }

    #[test]
    fn what_was_read_before_the_end_is_all_there() {
        let mut left = 3;
        let ahead = read_ahead(move || {
            left -= 1;
            (left >= 0).then_some(left)
        });
        assert_eq!(ahead.iter().collect::<Vec<_>>(), [2, 1, 0]);
    }
}
