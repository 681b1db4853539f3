//! What the journal is made of: a table of kinds, one of how long effects took, and records over time.

use super::state::paint;
use crate::output::{Trouble, put_json, time};
use crate::progress::Progress;
use crate::text::{beside, counted};
use crate::{Global, home, terminal};
use serde_json::{Value, json};
use thicket_replay::{Stats, Took};
use thicket_types::time::Duration;

/// Columns of a bar.
const BAR: usize = 24;
/// Spans that the rates are counted in, where standard output is no terminal that says how wide it is.
const SPANS: usize = 60;

pub fn run(global: &Global) -> Result<(), Trouble> {
    let at = home::at(global)?;
    let counting = Progress::start(global, "counting the journal");
    let (stats, damaged) = at.look_before_damage(|look| {
        let (disk, keys) = look.files();
        Stats::of(disk, keys)
    })?;
    drop(counting);
    if global.json {
        put_json(&object(&stats))?
    } else {
        show(global, &stats)?
    }
    home::end(damaged.as_ref(), false)
}

fn object(stats: &Stats) -> Value {
    let kinds: Vec<Value> =
        stats.kinds.iter().map(|(kind, of)| json!({ "kind": kind, "records": of.records, "bytes": of.bytes })).collect();
    let took = |(what, took): (&&str, &Took)| {
        json!({
            "effect": what,
            "count": took.each.len(),
            "median_ms": took.percentile(50).map(|span| span.0),
            "p99_ms": took.percentile(99).map(|span| span.0),
            "slowest_ms": took.slowest().map(|(span, _)| span.0),
            "slowest_seq": took.slowest().map(|(_, seq)| seq.0),
        })
    };
    let (rates, each) = stats.rates(SPANS);
    json!({
        "records": stats.records(),
        "folded": stats.folded,
        "kinds": kinds,
        "outcomes": stats.outcomes.iter().map(took).collect::<Vec<_>>(),
        "open": stats.open(),
        "from_ms": stats.span.map(|(first, _)| first.0),
        "to_ms": stats.span.map(|(_, last)| last.0),
        "span_ms": each.0,
        "rates": rates,
    })
}

fn show(global: &Global, stats: &Stats) -> Result<(), Trouble> {
    let Some((first, last)) = stats.span else {
        return put!("the journal has no record");
    };
    let paint = paint(global);
    let records = stats.records();
    let bytes: u64 = stats.kinds.values().map(|kind| kind.bytes).sum();
    put!("{}, {}, {} to {} UTC", counted(records, "record"), size(bytes), time(first.0), time(last.0))?;
    put!("\n{}", paint.bold(&format!("{:<21} {:>8}  {:>9}", "kind", "records", "bytes")))?;
    let most = stats.kinds.values().map(|kind| kind.bytes).max().unwrap_or(0);
    for (kind, of) in &stats.kinds {
        put!("{kind:<21} {:>8}  {:>9}  {}", of.records, size(of.bytes), paint.dim(&bar(of.bytes, most, BAR)))?;
    }
    if !stats.outcomes.is_empty() {
        put!("\n{}", paint.bold(&format!("{:<14} {:>8}  {:>9}  {:>9}  {:>9}  at", "effect", "count", "median", "99 %", "slowest")))?;
        let mut slowest: Vec<(&&str, &Took)> = stats.outcomes.iter().collect();
        slowest.sort_by_key(|(_, took)| std::cmp::Reverse(took.slowest()));
        for (what, took) in slowest {
            let (longest, at) = took.slowest().map_or((None, String::new()), |(longest, seq)| (Some(longest), seq.to_string()));
            let spans = [took.percentile(50), took.percentile(99), longest].map(|span| span.map_or_else(String::new, in_words));
            let [median, most, longest] = &spans;
            put!("{what:<14} {:>8}  {median:>9}  {most:>9}  {longest:>9}  {at}", took.each.len())?;
        }
    }
    if stats.folded < records {
        let last = stats.folded;
        let words =
            format!("Effects: of the last {last} of {}. What the others asked for can't be folded any more.", counted(records, "record"));
        put!("{}", paint.dim(&beside(&words, 0, terminal::width())))?;
    }
    let (rates, each) = stats.rates(terminal::width().min(120).saturating_sub(2));
    let most = rates.iter().copied().max().unwrap_or(0);
    put!("\n{}", paint.bold(&format!("records in each {}, {most} at most", in_words(each))))?;
    put!("{}", plot(&rates))?;
    put!("{}", paint.dim(&format!("{}{:>width$}", time(first.0), time(last.0), width = rates.len().saturating_sub(16))))
}

/// A bar that is as long as a share of the most.
fn bar(of: u64, most: u64, columns: usize) -> String {
    let eighths = u64::try_from(columns * 8).unwrap_or(u64::MAX);
    let filled = usize::try_from(of.saturating_mul(eighths).checked_div(most).unwrap_or(0)).unwrap_or(0);
    let rest = ['\0', '▏', '▎', '▍', '▌', '▋', '▊', '▉'].get(filled % 8).filter(|rest| **rest != '\0');
    let mut bar = "█".repeat(filled / 8);
    bar.extend(rest);
    if bar.is_empty() && of > 0 { "▏".to_owned() } else { bar }
}

/// A column for each number, as high as it is beside the largest.
fn plot(numbers: &[u64]) -> String {
    let most = numbers.iter().copied().max().unwrap_or(0).max(1);
    let heights = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let column = |number: &u64| match number {
        0 => ' ',
        number => heights.get(usize::try_from((number * 8 - 1) / most).unwrap_or(7)).copied().unwrap_or('█'),
    };
    numbers.iter().map(column).collect()
}

pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} B"),
        10_000..=9_999_999 => format!("{} kB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

pub(super) fn in_words(span: Duration) -> String {
    match span.0 {
        ms @ 0..=9_999 => format!("{ms} ms"),
        ms @ 10_000..=599_999 => format!("{} s", ms / 1_000),
        ms @ 600_000..=35_999_999 => format!("{} min", ms / 60_000),
        ms @ 36_000_000..=863_999_999 => format!("{} h", ms / 3_600_000),
        ms => format!("{} days", ms / 86_400_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_share_and_never_nothing_of_something() {
        assert_eq!(bar(10, 10, 4), "████");
        assert_eq!(bar(5, 10, 4), "██");
        assert_eq!(bar(1, 10, 4), "▍");
        assert_eq!((bar(1, 1_000_000, 4).as_str(), bar(0, 10, 4).as_str(), bar(0, 0, 4).as_str()), ("▏", "", ""));
    }

    #[test]
    fn columns_are_as_high_as_their_number() {
        assert_eq!(plot(&[0, 1, 4, 8]), " ▁▄█");
        assert_eq!(plot(&[1_000_000]), "█");
        assert_eq!((plot(&[]).as_str(), plot(&[0, 0]).as_str()), ("", "  "));
    }

    #[test]
    fn sizes_and_spans_are_told_in_their_unit() {
        assert_eq!([0, 9_999, 10_000, 12_345_678].map(size), ["0 B", "9999 B", "10 kB", "12 MB"]);
        let spans = [0, 9_999, 10_000, 600_000, 36_000_000, 864_000_000].map(|ms| in_words(Duration(ms)));
        assert_eq!(spans, ["0 ms", "9999 ms", "10 s", "10 min", "10 h", "10 days"]);
    }
}
