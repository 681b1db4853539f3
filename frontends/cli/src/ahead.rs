//! Lines that are read before anybody asks for them.

use std::io::{BufRead, Read as _};
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

/// The next line with its break, or of one that is longer so many bytes: the rest of it is skipped. None at the end.
pub fn next_line(input: &mut impl BufRead, len_max: usize) -> Option<std::io::Result<Vec<u8>>> {
    let most = u64::try_from(len_max).unwrap_or(u64::MAX);
    let mut part = || {
        let mut part = Vec::new();
        match input.take(most).read_until(b'\n', &mut part) {
            Ok(0) => None,
            Ok(_) => Some(Ok(part)),
            Err(error) => Some(Err(error)),
        }
    };
    let line = match part()? {
        Ok(line) => line,
        failed => return Some(failed),
    };
    let mut whole = line.ends_with(b"\n") || line.len() < len_max;
    while !whole {
        whole = match part() {
            None => true,
            Some(Ok(rest)) => rest.ends_with(b"\n"),
            Some(failed) => return Some(failed),
        };
    }
    Some(Ok(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_is_cut_and_the_next_one_is_whole() {
        const MOST: usize = 64;
        let mut input = [b"first\n", [b'x'; 2 * MOST + 5].as_slice(), b"\n\nlast"].concat();
        let mut input = std::io::Cursor::new(&mut input);
        let mut next = || next_line(&mut input, MOST).map(|line| line.expect("no error"));
        assert_eq!(next(), Some(b"first\n".to_vec()));
        assert_eq!(next(), Some(vec![b'x'; MOST]));
        assert_eq!(next(), Some(b"\n".to_vec()));
        assert_eq!(next(), Some(b"last".to_vec()));
        assert_eq!(next(), None);
    }
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
