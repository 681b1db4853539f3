//! A capsule of the journal: shown first, then written.

use super::list::words;
use super::state::paint;
use super::stats::{in_words, size};
use crate::commands::record;
use crate::output::{Trouble, put_json, time};
use crate::progress::Progress;
use crate::text::{beside, counted, quoted};
use crate::{Global, files, home, terminal};
use serde_json::{Map, Value, json};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use thicket_client::SystemEntropy;
use thicket_engine::OsDisk;
use thicket_replay::capsule::{Matched, Of, Redacted, Replaced, Sample, redact};
use thicket_replay::{Difference, Tree};
use thicket_types::error::Code;
use thicket_types::ids::Seq;
use thicket_types::ports::{Disk as _, DiskError};

/// What is exported, and where to.
#[derive(clap::Args)]
pub struct Wanted {
    /// The capsule's file. One that is there is not written over.
    #[arg(long, value_name = "FILE")]
    redact: PathBuf,
    /// Write it without asking.
    #[arg(long)]
    yes: bool,
}

pub fn run(global: &Global, wanted: &Wanted) -> Result<(), Trouble> {
    let Wanted { redact: file, yes } = wanted;
    // Before anything is asked for.
    files::vacant(file)?;
    let at = home::at(global)?;
    let making = Progress::start(global, "making the capsule");
    let (redacted, damaged) = at.look_before_damage(|look| {
        let (disk, keys) = look.files();
        redact(disk, keys, &mut SystemEntropy)
    })?;
    drop(making);
    if !global.json {
        preview(global, &redacted, damaged.as_ref())?;
    }
    let damaged = damaged.as_ref();
    if !yes && (global.json || !std::io::stdin().is_terminal()) {
        if global.json {
            put_json(&object(&redacted, damaged, None))?;
        }
        return Err(Trouble::Usage("nothing is written without --yes: look first at what the capsule tells".to_owned()));
    }
    if !yes && !agreed(file)? {
        return Err(Trouble::Usage("nothing was written".to_owned()));
    }
    write(file, &redacted.bytes)?;
    if global.json {
        put_json(&object(&redacted, damaged, Some(file)))?;
    } else {
        put!("{} is written. To look into it:", file.display())?;
        put!("thicket journal --capsule {} ls", quoted(&file.display().to_string()))?;
    }
    home::end(damaged, true)
}

fn agreed(file: &Path) -> Result<bool, Trouble> {
    note!("Write it to {}? [y/N]", file.display());
    let mut typed = String::new();
    std::io::stdin().read_line(&mut typed).map_err(|error| Trouble::stream("the terminal", &error))?;
    Ok(matches!(typed.trim(), "y" | "Y" | "yes"))
}

/// Whole, durable, and for its owner alone; or not at all.
fn write(file: &Path, bytes: &[u8]) -> Result<(), Trouble> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let named = || file.display().to_string();
    let name = file.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Trouble::Usage("FILE is no name of a file".to_owned()))?;
    // Once more: a folder that went away meanwhile would be made.
    files::vacant(file)?;
    let mut disk = OsDisk::new(folder);
    disk.create(name, bytes).map_err(|error| match error {
        DiskError::Exists => Trouble::Numbered(Code::FileExists, Some(named())),
        other => {
            // What was begun is of no use to anybody.
            let _ = disk.remove(name);
            let code = if other == DiskError::Full { Code::DiskFull } else { Code::FileFailed };
            Trouble::Numbered(code, Some(named()))
        }
    })
}

/// What of each type was replaced.
fn rows(replaced: &Replaced) -> Vec<(&'static str, usize)> {
    // Places in a mailbox are numbered in their order: that is no other number where all items came.
    let Replaced { names, addresses, tokens, titles, ids, cursors: _ } = replaced;
    let of = |of| ids.get(&of).copied().unwrap_or(0);
    vec![
        ("names", *names),
        ("identities", of(Of::Identity)),
        ("relay addresses", *addresses),
        ("relay keys", of(Of::RelayKey)),
        ("registration tokens", *tokens),
        ("mailboxes", of(Of::Mailbox)),
        ("conversations", of(Of::Conversation)),
        ("groups", of(Of::Group)),
        ("titles of groups", *titles),
        ("messages and requests of yours", of(Of::Message)),
        ("references to texts", of(Of::Body)),
        ("frames", of(Of::Frame)),
    ]
}

fn preview(global: &Global, redacted: &Redacted, damaged: Option<&home::Damaged>) -> Result<(), Trouble> {
    let Redacted { bytes, begins, kinds, replaced, span, keeps_time_of_day, matched, samples } = redacted;
    let (paint, width) = (paint(global), terminal::width());
    let records: u64 = kinds.values().sum();
    put!("{}", paint.bold("What the capsule tells whoever has it"))?;
    let kinds = kinds.iter().map(|(kind, records)| format!("{kind} {records}")).collect::<Vec<_>>().join(", ");
    let len = size(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    let what = format!("{} over {}, {len}: {kinds}.", counted(records, "record"), in_words(*span));
    put!("  {}", beside(&what, 2, width))?;
    if let Some(home::Damaged { from, .. }) = damaged {
        let words = format!("The journal is damaged from record {from} on (error 303): only what lies before it is in the capsule.");
        put!("  {}", beside(&words, 2, width))?;
    }
    if *begins > Seq(1) {
        let came_to = format!(
            "It begins at record {begins}, and with what all before came to: who the contacts are, how they stand and how many messages each \
             brought, what was seen, answered, queued and under way."
        );
        put!("  {}", beside(&came_to, 2, width))?;
    }
    let clock = if *keeps_time_of_day { "the time of day, but not the date" } else { "neither the date nor the time of day" };
    let order = match matched {
        Matched::AtRandom => "",
        Matched::ByRank => {
            " New values stand in the order of the old ones, since the rules went by it: who knows many of those can tell some."
        }
    };
    let stays = format!(
        "Their order and the time between them, and so days and nights; {clock}. Which of them are about the same person, message or \
         relay. Errors, counts, and sizes by their class. Who took part, or saw the traffic, can know it by that. Two capsules of \
         this profile, or of two who talk, can be told to belong together.{order}"
    );
    put!("  {}", beside(&stays, 2, width))?;
    put!("{}", paint.bold("What it does not tell: each is replaced by a random one"))?;
    let there = rows(replaced).into_iter().filter(|(_, count)| *count > 0);
    let what = there.map(|(what, count)| format!("{what} {count}")).collect::<Vec<_>>().join(", ");
    let what = if what.is_empty() { String::new() } else { format!("{what}. ") };
    put!("  {}", beside(&format!("{what}Frames and sealed bytes are zeros. Texts and keys are in no journal."), 2, width))?;
    put!("{}", paint.bold("Some records of it, before → after"))?;
    for Sample { seq, before, after } in telling(samples) {
        let (kind, what) = words(&before.event);
        put!("  {}", beside(&format!("{seq}  {kind} {what}"), 2, width))?;
        let times = format!("{} → {}", time(before.stamp.0), time(after.stamp.0));
        let found = Tree::of(&before.event, true).differences(&Tree::of(&after.event, true));
        // A value stays in one line with what replaced it.
        let whole = |value: String| value.replace(' ', UNBROKEN);
        let all = std::iter::once(times).chain(found.iter().filter_map(replacing)).map(whole).collect::<Vec<_>>().join("; ");
        put!("    {}", beside(&all, 4, width).replace(UNBROKEN, " "))?;
    }
    Ok(())
}

/// Stands for a blank at which no line ends.
const UNBROKEN: &str = "\u{a0}";
/// Samples that are shown.
const SAMPLES_SHOWN: usize = 2;

/// The samples in which most was replaced, in their order.
fn telling(samples: &[Sample]) -> Vec<&Sample> {
    let replaced = |sample: &Sample| Tree::of(&sample.before.event, true).differences(&Tree::of(&sample.after.event, true)).len();
    let mut telling: Vec<&Sample> = samples.iter().collect();
    telling.sort_by_key(|sample| std::cmp::Reverse(replaced(sample)));
    telling.truncate(SAMPLES_SHOWN);
    telling.sort_by_key(|sample| sample.seq);
    telling
}

/// A value and what stands in its place.
fn replacing(found: &Difference) -> Option<String> {
    let (before, after) = (found.before.as_ref()?, found.after.as_ref()?);
    let (before, after) = (before.line(), after.line());
    // Bytes that are zeros now are as many as before.
    (before != after).then(|| format!("{} {before} → {after}", found.path.last().map_or("", String::as_str)))
}

fn object(redacted: &Redacted, damaged: Option<&home::Damaged>, file: Option<&Path>) -> Value {
    let Redacted { bytes, begins, kinds, replaced, span, keeps_time_of_day, matched, samples } = redacted;
    let sample = |Sample { seq, before, after }: &Sample| json!({ "seq": seq.0, "before": record::object(&before.event), "after": record::object(&after.event) });
    let replaced: Map<String, Value> = rows(replaced).into_iter().map(|(what, count)| (what.to_owned(), json!(count))).collect();
    json!({
        "file": file.map(|file| file.display().to_string()),
        "begins": begins.0,
        "damaged_from": damaged.map(|damaged| damaged.from.0),
        "records": kinds.values().sum::<u64>(),
        "len": bytes.len(),
        "span_ms": span.0,
        "keeps_time_of_day": keeps_time_of_day,
        "keeps_order": *matched == Matched::ByRank,
        "kinds": kinds,
        "replaced": replaced,
        "samples": samples.iter().map(sample).collect::<Vec<_>>(),
    })
}
