//! Numbers of requests that are done once in a session, with a window, since a transport may deliver them out of order (after
//! the anti-replay window of RFC 4303 §3.4.3).

use thicket_types::error::Code;
use thicket_types::ports::DoneNumbers;

/// What a session did once such a number is done too; an error if it was, or lies so far back that nobody knows: asked in a
/// further session it is done.
pub(crate) fn with(done: DoneNumbers, number: u64) -> Result<DoneNumbers, Code> {
    let DoneNumbers { last, below } = done;
    if number == 0 {
        return Err(Code::MalformedRequest);
    }
    if number > last {
        let by = number.abs_diff(last);
        // The last one itself stands just below the new one's distance.
        let kept = u32::try_from(by).ok().and_then(|by| below.checked_shl(by)).unwrap_or(0);
        let before = u32::try_from(by - 1).ok().and_then(|by| 1_u64.checked_shl(by)).unwrap_or(0);
        return Ok(DoneNumbers { last: number, below: if last == 0 { kept } else { kept | before } });
    }
    let place = u32::try_from(last - number).ok().and_then(|by| by.checked_sub(1)).and_then(|place| 1_u64.checked_shl(place));
    match place {
        Some(bit) if below & bit == 0 => Ok(DoneNumbers { last, below: below | bit }),
        Some(_) | None => Err(Code::NotLoggedIn),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;

    /// Takes numbers in an order; those that were taken.
    fn taken(numbers: &[u64]) -> Vec<u64> {
        let mut done = DoneNumbers::default();
        let mut take = |number: &u64| {
            let next = with(done, *number).ok()?;
            done = next;
            Some(*number)
        };
        numbers.iter().filter_map(&mut take).collect()
    }

    #[test]
    fn each_number_is_taken_once_in_whatever_order() {
        assert_eq!(taken(&[1, 2, 3, 3, 2, 1, 4]), [1, 2, 3, 4]);
        assert_eq!(taken(&[3, 1, 2, 1, 2, 3, 5, 4, 4]), [3, 1, 2, 5, 4]);
    }

    #[test]
    fn what_lies_64_back_is_taken_and_what_lies_further_is_not() {
        assert_eq!(taken(&[65, 1]), [65, 1]);
        assert_eq!(taken(&[66, 1, 2]), [66, 2]);
        assert_eq!(taken(&[1, 65, 1]), [1, 65]);
        assert_eq!(taken(&[u64::MAX, u64::MAX, u64::MAX - 64, u64::MAX - 65]), [u64::MAX, u64::MAX - 64]);
    }

    #[test]
    fn nothing_has_the_number_0() {
        assert_eq!(with(DoneNumbers::default(), 0), Err(Code::MalformedRequest));
        assert_eq!(with(DoneNumbers { last: 9, below: 0 }, 0), Err(Code::MalformedRequest));
    }

    #[test]
    fn the_window_agrees_with_a_set_over_a_long_walk() {
        // A walk that goes on and jumps back: a multiplicative generator, so that the run is the same each time.
        let (mut done, mut set, mut x, mut front) = (DoneNumbers::default(), BTreeSet::new(), 7_u64, 1_u64);
        for _ in 0..20_000 {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            front += (x >> 60) % 4;
            let number = front.saturating_sub((x >> 32) % 80).max(1);
            let last = set.last().copied().unwrap_or(0);
            let expected = number > last || (last - number <= 64 && !set.contains(&number));
            match with(done, number) {
                Ok(next) => {
                    assert!(expected, "{number} after {last}");
                    done = next;
                    set.insert(number);
                }
                Err(code) => assert!(!expected && code == Code::NotLoggedIn, "{number} after {last}"),
            }
        }
    }
}
