//! Where two journals part, and where two builds of the rules come to different states of one.

use super::list::{line, words};
use super::state::{change, paint, printed};
use crate::commands::rows::from_hex;
use crate::output::{Trouble, put_json, time_exact};
use crate::progress::Progress;
use crate::text::beside;
use crate::{Global, home, terminal};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use thicket_engine::{Fault, walk};
use thicket_journal_format::capsule;
use thicket_journal_format::event::Record;
use thicket_replay::{Begins, By, Course, Narrowed, Parting, Replay, Tree, compare_digests, seen_at, state_digest};
use thicket_types::error::Code;
use thicket_types::ids::{Digest, RulesVersion, SegmentId, Seq};
use thicket_types::ports::Place;

/// Bytes of a line of digests that are read: those that are written have less than 200.
const LINE_LEN_MAX: u64 = 4096;

/// Two journals, or one and what `journal digests` wrote of it.
#[derive(clap::Args)]
pub struct Two {
    /// The folder of a profile, a capsule, or a file that `journal digests` wrote.
    #[arg(value_name = "A")]
    a: PathBuf,
    /// The other.
    #[arg(value_name = "B")]
    b: PathBuf,
    /// Read the passphrase of B from the first line of this file, where it has another than A.
    #[arg(long, value_name = "FILE")]
    other_passphrase_file: Option<PathBuf>,
    /// Show names and addresses too.
    #[arg(long)]
    names: bool,
}

/// What a file of digests begins with.
struct Head {
    build: String,
    /// Its first segment's id, or a capsule's digest.
    journal: String,
    rules: u64,
}

/// What a build of the rules made of a journal.
struct Digests {
    head: Head,
    states: Vec<(Seq, Digest)>,
}

/// The state's digest after each so many records, and after the last.
pub fn digests(global: &Global, every: u64) -> Result<(), Trouble> {
    let at = home::at(global)?;
    let folding = Progress::start(global, "folding the journal");
    let mut lines = Vec::new();
    let replay = fold(&at, &mut |seq, last| last || seq.0.is_multiple_of(every), &mut lines)?;
    drop(folding);
    let (journal, rules) = replay.map_or((Value::Null, Value::Null), |(journal, rules)| (json!(journal), json!(rules.0)));
    put_json(&json!({ "build": env!("CARGO_PKG_VERSION"), "journal": journal, "rules": rules, "every": every }))?;
    for (seq, rules, digest) in lines {
        put_json(&json!({ "seq": seq.0, "rules": rules.0, "state": digest.hex() }))?;
    }
    Ok(())
}

/// The state's digest after each record that is wanted, with the rules that it was folded by; gives what names the journal, and the
/// rules of the last record.
fn fold(
    at: &home::At,
    wanted: &mut dyn FnMut(Seq, bool) -> bool,
    lines: &mut Vec<(Seq, RulesVersion, Digest)>,
) -> Result<Option<(String, RulesVersion)>, Trouble> {
    let capsule = at.capsule_digest();
    at.look_into(|look| {
        let (disk, keys) = look.files();
        let (mut first, mut last, mut failed) = (None, None, None);
        lines.clear();
        let replay = Replay::read(disk, keys, &mut |step| {
            first.get_or_insert(step.place.segment);
            last = Some((step.place.seq, step.rules));
            if wanted(step.place.seq, false) {
                match state_digest(step.state) {
                    Ok(digest) => lines.push((step.place.seq, step.rules, digest)),
                    Err(fault) => failed = Some(fault),
                }
            }
        })?;
        if let Some((seq, rules)) = last
            && wanted(seq, true)
            && lines.last().is_none_or(|(last, ..)| *last < seq)
            && let Some(state) = replay.at(disk, keys, seq)?
        {
            lines.push((seq, rules, state_digest(&state)?));
        }
        match failed {
            Some(fault) => Err(fault),
            None => {
                let journal = first.map(|segment: SegmentId| capsule.map_or_else(|| segment.hex(), |digest| digest.hex()));
                Ok(journal.zip(last.map(|(_, rules)| rules)))
            }
        }
    })
}

/// What is compared.
enum Side {
    Profile,
    Capsule,
    Digests,
}

impl Side {
    fn of(path: &Path) -> Result<Side, Trouble> {
        let failed = |error: std::io::Error| Trouble::stream(&path.display().to_string(), &error);
        if std::fs::metadata(path).map_err(failed)?.is_dir() {
            return Ok(Side::Profile);
        }
        let mut begins = Vec::new();
        File::open(path).map_err(failed)?.take(8).read_to_end(&mut begins).map_err(failed)?;
        Ok(if begins == capsule::MAGIC { Side::Capsule } else { Side::Digests })
    }
}

pub fn run(global: &Global, two: &Two) -> Result<(), Trouble> {
    if global.capsule.is_some() {
        return Err(Trouble::Usage("journal compare takes a capsule as A or B, without --capsule".to_owned()));
    }
    let other = two.other_passphrase_file.as_deref();
    // Who names one profile is asked for one passphrase.
    let journal = |side: &Side, path: &Path, file: Option<&Path>| match side {
        Side::Profile => home::at_folder(global, path, file),
        Side::Capsule | Side::Digests => home::at_capsule(path),
    };
    match (Side::of(&two.a)?, Side::of(&two.b)?) {
        (Side::Profile, Side::Profile) => journals(global, two, &home::at_first(global, &two.a)?, &home::at_second(global, &two.b, other)?),
        (Side::Digests, Side::Digests) => {
            let (a, b) = (written(&two.a)?, written(&two.b)?);
            if a.head.journal != b.head.journal {
                return Err(another_journal(&two.b));
            }
            builds(global, &a, &b)
        }
        (a, Side::Digests) => {
            let (at, written) = (journal(&a, &two.a, None)?, written(&two.b)?);
            let own = own(global, &at, &two.b, &written).map_err(|trouble| of_side(trouble, "A", &at))?;
            builds(global, &own, &written)
        }
        (Side::Digests, b) => {
            let (at, written) = (journal(&b, &two.b, other)?, written(&two.a)?);
            let own = own(global, &at, &two.a, &written).map_err(|trouble| of_side(trouble, "B", &at))?;
            builds(global, &written, &own)
        }
        (a, b) => journals(global, two, &journal(&a, &two.a, None)?, &journal(&b, &two.b, other)?),
    }
}

/// What this build makes of the journal, at the places that a file has.
fn own(global: &Global, at: &home::At, file: &Path, written: &Digests) -> Result<Digests, Trouble> {
    let _folding = Progress::start(global, "folding the journal");
    let mut lines = Vec::new();
    let has = |seq: Seq| written.states.binary_search_by_key(&seq, |(seq, _)| *seq).is_ok();
    let folded = fold(at, &mut |seq, _| has(seq), &mut lines)?;
    let (journal, rules) = folded.filter(|(journal, _)| *journal == written.head.journal).ok_or_else(|| another_journal(file))?;
    let head = Head { build: env!("CARGO_PKG_VERSION").to_owned(), journal, rules: rules.0.into() };
    Ok(Digests { head, states: lines.into_iter().map(|(seq, _, digest)| (seq, digest)).collect() })
}

fn another_journal(file: &Path) -> Trouble {
    Trouble::Usage(format!("{} is of another journal, or of a time when more of this one was there", file.display()))
}

/// A file that `journal digests` wrote.
fn written(path: &Path) -> Result<Digests, Trouble> {
    let shown = path.display().to_string();
    let failed = |error: &std::io::Error| Trouble::stream(&shown, error);
    let wrong = |number: u64| {
        let place = format!("{shown}: line {number} is none of digests");
        Trouble::Advised(
            Code::FileFailed,
            Some(place),
            "name a file that journal digests wrote, a capsule, or the folder of a profile.".to_owned(),
        )
    };
    let mut lines = BufReader::new(File::open(path).map_err(|error| failed(&error))?);
    let (mut head, mut states, mut number) = (None, Vec::new(), 0);
    loop {
        let mut bytes = Vec::new();
        let mut bounded = lines.by_ref().take(LINE_LEN_MAX);
        if bounded.read_until(b'\n', &mut bytes).map_err(|error| failed(&error))? == 0 {
            break;
        }
        number += 1;
        // A line that is longer has its end in the next piece, and neither is JSON.
        let value: Value = serde_json::from_slice(&bytes).map_err(|_| wrong(number))?;
        let text = |field: &str| value[field].as_str().map(str::to_owned);
        if head.is_none() {
            let parsed = text("build").zip(text("journal")).zip(value["rules"].as_u64());
            let ((build, journal), rules) = parsed.ok_or_else(|| wrong(number))?;
            head = Some(Head { build, journal, rules });
            continue;
        }
        let parsed =
            value["seq"].as_u64().map(Seq).zip(text("state").and_then(|digits| from_hex(&digits)).and_then(|bytes| Digest::parse(&bytes)));
        let state = parsed.filter(|(seq, _)| states.last().is_none_or(|(last, _)| last < seq)).ok_or_else(|| wrong(number))?;
        states.push(state);
    }
    let head = head.ok_or_else(|| wrong(1))?;
    Ok(Digests { head, states })
}

/// Two builds of the rules over one journal.
fn builds(global: &Global, a: &Digests, b: &Digests) -> Result<(), Trouble> {
    let Narrowed { compared, same_upto, differs } = compare_digests(&a.states, &b.states);
    if compared == 0 {
        return Err(Trouble::Usage("the two have no place in common to be compared at".to_owned()));
    }
    if global.json {
        let side = json!({ "begins_after": null, "same_upto": same_upto.0, "parted_by": differs.map(|seq| seq.0), "record": null });
        put_json(&json!({ "by": "digests", "one_life": true, "same": differs.is_none(), "a": side, "b": side, "changes": [] }))?;
    } else {
        for (name, Digests { head: Head { build, rules, .. }, .. }) in [("A", a), ("B", b)] {
            put!("{name:<9}  build {build}, rules {rules}")?;
        }
        put!("compared   the digests of the state after {compared} records")?;
        match differs {
            None => put!("same       all, the last after {same_upto}")?,
            Some(seq) if seq.0 == same_upto.0 + 1 => put!("parted by  {seq}")?,
            Some(seq) => {
                let begin = if same_upto == Seq::ZERO { "the beginning".to_owned() } else { same_upto.to_string() };
                put!("parted by  one of those after {begin}, up to {seq}: to name it, write the digests of each")?;
            }
        }
    }
    if differs.is_none() { Ok(()) } else { Err(Trouble::Said(1)) }
}

/// A record that made the difference.
struct Parted {
    place: Place,
    record: Record,
}

/// Two journals.
fn journals(global: &Global, two: &Two, a: &home::At, b: &home::At) -> Result<(), Trouble> {
    let folding = Progress::start(global, "folding both journals");
    let capsules = a.is_capsule() || b.is_capsule();
    let of_a = |trouble| of_side(trouble, "A", a);
    let of_b = |trouble| of_side(trouble, "B", b);
    let parting = Course::compare(&course(a, capsules).map_err(of_a)?, &course(b, capsules).map_err(of_b)?);
    if parting.begins_apart() {
        return Err(Trouble::Usage(begins_apart(&parting)));
    }
    let parted = match parting.at {
        Some([of_a, of_b]) => {
            let (parted_a, tree_a) = parted(a, of_a, parting.by, two.names, capsules)?;
            let (parted_b, tree_b) = parted(b, of_b, parting.by, two.names, capsules)?;
            let found = tree_a.zip(tree_b).map(|(tree_a, tree_b)| tree_a.differences(&tree_b));
            Some(([parted_a, parted_b], found))
        }
        None => None,
    };
    drop(folding);
    let is_same = parting.is_same();
    let Parting { by, goes_on, strangers, begins, last, same_upto, at } = parting;
    if global.json {
        let side = |index: usize| {
            let record = parted.as_ref().and_then(|(parted, _)| parted.get(index));
            json!({
                "begins_after": begins.get(index).map(|begins| begins.after.0),
                "same_upto": same_upto.get(index).map(|seq| seq.0),
                "parted_by": at.and_then(|at| at.get(index).copied()).map(|seq| seq.0),
                "record": record.map(|parted| Value::Object(line(parted.place, &parted.record.event))),
            })
        };
        let changes = parted.as_ref().map_or(Some(Vec::new()), |(_, found)| found.as_ref().map(|found| found.iter().map(change).collect()));
        let by = if by == By::Records { "records" } else { "view" };
        put_json(&json!({ "by": by, "one_life": !strangers, "same": is_same, "a": side(0), "b": side(1), "changes": changes }))?;
    } else {
        let words = match by {
            By::Records if goes_on => "their records: one goes on from a state that both had",
            By::Records => "their records: they are copies of one journal",
            By::View if capsules => "what a frontend saw, without names: a capsule has others",
            By::View => "what a frontend saw: no record is in both",
        };
        put!("compared   {words}")?;
        if strangers {
            put!("lives      two: A and B are not of one life, as two people's are not, nor two runs of one script")?;
        }
        for (name, Begins { after, restored, folds }) in ["A", "B"].into_iter().zip(begins) {
            match by {
                By::Records if after > Seq::ZERO => {
                    let why = if restored { "a backup brought what was before" } else { "what was before has retired" };
                    put!("begins     {name} after {after}: {why}")?;
                }
                By::View if folds > Seq(1) => put!("begins     {name} at {folds}: what was before can't be folded any more")?,
                By::Records | By::View => {}
            }
        }
        let ([upto_a, upto_b], [last_a, last_b]) = (same_upto, last);
        put!("same       up to {upto_a} of A, {upto_b} of B")?;
        match &parted {
            None => put!("parted     nowhere, as far as the shorter goes: A to {last_a}, B to {last_b}")?,
            Some((parted, found)) => {
                put!("parted by  (A goes on to {last_a}, B to {last_b})")?;
                for (name, Parted { place, record }) in ["A", "B"].into_iter().zip(parted) {
                    let (kind, what) = words_of(record);
                    let begin = format!("{name} {:>8}  {}  ", place.seq, time_exact(place.stamp.0));
                    put!("{begin}{}", beside(&format!("{kind} {what}"), begin.len(), terminal::width()))?;
                }
                match found {
                    None => put!("what they changed is not known any more: what was before can't be folded")?,
                    Some(found) if found.is_empty() => put!("both came to the same state")?,
                    Some(_) => put!("from A's state to B's")?,
                }
                for line in printed(found.as_deref().unwrap_or_default(), paint(global), terminal::width()) {
                    put!("{line}")?;
                }
            }
        }
    }
    if is_same { Ok(()) } else { Err(Trouble::Said(1)) }
}

/// That two can't be compared of which each is known from another place on.
fn begins_apart(parting: &Parting) -> String {
    let [a, b] = parting.begins.map(|begins| begins.folds);
    format!(
        "what a frontend saw can be compared from one place on alone, and A is known from record {a} on, B from record {b}: a profile and \
         its restored copy are compared as profiles, by their records, and not as capsules, whose records are redrawn"
    )
}

/// Whose trouble it is, of two.
fn of_side(trouble: Trouble, side: &str, at: &home::At) -> Trouble {
    let of = |place: Option<String>| match place {
        Some(place) => format!("of {side}: {place}"),
        None => format!("of {side}: {}", at.folder.display()),
    };
    match trouble {
        Trouble::Numbered(code, place) => Trouble::Numbered(code, Some(of(place))),
        Trouble::Advised(code, place, hint) => Trouble::Advised(code, Some(of(place)), hint),
        other => other,
    }
}

fn words_of(record: &Record) -> (&'static str, String) {
    words(&record.event)
}

/// One of two that are compared; whether either is a capsule.
fn course(at: &home::At, capsules: bool) -> Result<Course, Trouble> {
    at.look_into(|look| {
        let (disk, keys) = look.files();
        Course::read(disk, keys, !capsules)
    })
}

/// The record that made the difference, and what it is to be compared by after it: the state where the ids are the same in both;
/// `None` if that can't be folded any more.
fn parted(at: &home::At, seq: Seq, by: By, names: bool, capsules: bool) -> Result<(Parted, Option<Tree>), Trouble> {
    at.look_into(|look| {
        let (disk, keys) = look.files();
        let mut parted = None;
        walk(disk, keys, None, &mut |walked| {
            if walked.place.seq == seq {
                parted = Some(Parted { place: walked.place, record: walked.record.clone() });
            }
        })?;
        let replay = Replay::read(disk, keys, &mut |_| {})?;
        let tree = match by {
            _ if seq < replay.first() => None,
            By::Records => replay.at(disk, keys, seq)?.map(|state| Tree::of(&state, names)),
            By::View => Some(Tree::of(&seen_at(disk, keys, seq, !capsules)?, names)),
        };
        Ok((parted.ok_or(Fault::from(Code::Inconsistent))?, tree))
    })
}
