//! Interleaved rounds, and what is said of them: a median with its 95 % bootstrap interval.

/// Seeded chance (SplitMix64: Steele, Lea, Flood, 2014): a life and a bootstrap are the same each time.
#[derive(Clone, Debug)]
pub struct Chance(pub u64);

impl Chance {
    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a bound, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    /// So many bytes.
    pub fn bytes<const LEN: usize>(&mut self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes.chunks_mut(8).for_each(|chunk| {
            let number = self.number().to_le_bytes();
            chunk.iter_mut().zip(number).for_each(|(to, from)| *to = from);
        });
        bytes
    }

    /// So many bytes, of a number that is known when they are made.
    pub fn bytes_of(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        bytes.chunks_mut(8).for_each(|chunk| {
            let number = self.number().to_le_bytes();
            chunk.iter_mut().zip(number).for_each(|(to, from)| *to = from);
        });
        bytes
    }
}

/// The middle of some numbers, or the mean of the two in the middle; 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.len() % 2, sorted.get(middle), middle.checked_sub(1).and_then(|before| sorted.get(before))) {
        (1, Some(value), _) => *value,
        (_, Some(value), Some(before)) => f64::midpoint(*value, *before),
        _ => 0.0,
    }
}

/// A median, and between what it lies with 95 %.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Judged {
    /// The median of the rounds.
    pub median: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

const RESAMPLES: usize = 2_000;

/// The median of the rounds with its bootstrap interval (Efron, 1979: percentiles of the medians of resamples).
pub fn judge(rounds: &[f64]) -> Judged {
    let mut chance = Chance(1);
    let count = u64::try_from(rounds.len()).unwrap_or(u64::MAX).max(1);
    let mut medians: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let resample: Vec<f64> =
                rounds.iter().filter_map(|_| usize::try_from(chance.below(count)).ok().and_then(|at| rounds.get(at)).copied()).collect();
            median(&resample)
        })
        .collect();
    medians.sort_by(f64::total_cmp);
    let at = |share: usize| medians.get(RESAMPLES * share / 1000).copied().unwrap_or(0.0);
    Judged { median: median(rounds), low: at(25), high: at(975) }
}

impl Judged {
    /// Whether a bound from above is missed: only if the whole interval lies above it.
    pub fn exceeds(&self, bound: f64) -> bool {
        self.low > bound
    }

    /// Whether a bound from below is missed: only if the whole interval lies below it.
    pub fn falls_short_of(&self, bound: f64) -> bool {
        self.high < bound
    }
}

/// The order of a round: each goes first equally often.
pub fn order(count: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |at| (at + round) % count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_stands_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
    }

    #[test]
    fn a_bound_is_missed_only_by_the_whole_interval() {
        let rounds: Vec<f64> = (0..30).map(|round| 1.1 + f64::from(round % 5) / 50.0).collect();
        let judged = judge(&rounds);
        assert!(judged.low <= judged.median && judged.median <= judged.high);
        assert!(!judged.exceeds(judged.median) && judged.exceeds(1.0) && judged.falls_short_of(2.0));
        assert_eq!(judged, judge(&rounds));
    }

    #[test]
    fn each_goes_first_equally_often() {
        let firsts: Vec<usize> = (0..4).filter_map(|round| order(4, round).next()).collect();
        assert_eq!(firsts, [0, 1, 2, 3]);
    }
}
