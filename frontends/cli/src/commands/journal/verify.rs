//! Whether the journal is whole and folds to the same.

use crate::output::{Trouble, put_json};
use crate::progress::Progress;
use crate::text::counted;
use crate::{Global, home};
use serde_json::{Value, json};
use thicket_engine::{Fault, Torn, taken};
use thicket_replay::{FoldedOn, Verified, verify};
use thicket_types::error::Code;
use thicket_types::ids::SegmentId;

pub fn run(global: &Global) -> Result<(), Trouble> {
    let at = home::at(global)?;
    let checking = Progress::start(global, "checking the journal");
    let verified = verified(&at)?;
    drop(checking);
    show(global, &verified)?;
    match (verified.folds_agree(), took_away(&verified)) {
        (false, _) => Err(Code::Inconsistent.into()),
        (true, Some(files)) => Err(Trouble::Advised(Code::JournalDamaged, Some(files), format!("{TAKEN_FIRST}."))),
        (true, None) => Ok(()),
    }
}

/// What to do about segments that somebody took away from a journal's beginning: what is left is whole.
pub const TAKEN_FIRST: &str = "put the files back from a copy of the folder; without them the profile goes on from its snapshots, and what \
                               they held can't be explained or exported";
/// The same of others.
const TAKEN: &str = "put the files back from a copy of the folder, or restore a backup";

/// The files of the segments that somebody took away, if there are any: of each only the end of its name is known.
pub fn took_away(verified: &Verified) -> Option<String> {
    named(&verified.taken)
}

fn named(taken: &[SegmentId]) -> Option<String> {
    let files: Vec<String> = taken.iter().map(|id| format!("journal/*-{}.seg", id.hex())).collect();
    (!files.is_empty()).then(|| format!("taken away: {}", files.join(", ")))
}

/// Says of a damaged journal which segments somebody took away: what does not fit is what stands behind the gap.
fn with_taken(trouble: Trouble, at: &home::At) -> Trouble {
    let Trouble::Numbered(Code::JournalDamaged, place) = trouble else {
        return trouble;
    };
    let files = at.files().ok().and_then(|(mut disk, keys)| taken(disk.as_mut(), &keys).ok()).and_then(|taken| named(&taken));
    match (files, place) {
        (None, place) => Trouble::Numbered(Code::JournalDamaged, place),
        (Some(files), None) => Trouble::Advised(Code::JournalDamaged, Some(files), format!("{TAKEN}.")),
        (Some(files), Some(place)) => Trouble::Advised(Code::JournalDamaged, Some(format!("{place}; {files}")), format!("{TAKEN}.")),
    }
}

/// Verifies a profile's journal. What else may be wrong with the profile does not matter to it.
///
/// **Errors:** `ProfileInUse`, if another process writes it without a pause.
pub fn verified(at: &home::At) -> Result<Verified, Trouble> {
    // Folds that differ, a torn end, and a key without its file may be what another process wrote in between: looked at again, and shown
    // if nobody writes, or, of the last, if it is the same once more: that process is at no segment for so long.
    let mut shown: Option<Verified> = None;
    let looked = at.look_into(|look| {
        // Before the journal: a block is durable before the vault remembers it.
        let remembered = look.remembered();
        let (disk, keys) = look.files();
        let verified = verify(disk, keys, remembered)?;
        let taken_before = shown.as_ref().map_or(&[][..], |before| &before.taken);
        if verified.folds_agree() && verified.torn.is_empty() && verified.taken == taken_before {
            return Ok(verified);
        }
        shown = Some(verified);
        Err(Fault::from(Code::Inconsistent))
    });
    match (looked, shown) {
        (Err(Trouble::Numbered(Code::Inconsistent, None)), Some(shown)) => Ok(shown),
        (looked, _) => looked.map_err(|trouble| with_taken(trouble, at)),
    }
}

fn show(global: &Global, verified: &Verified) -> Result<(), Trouble> {
    if global.json {
        let snapshot = |on: &FoldedOn| json!({ "at": on.at.0, "records": on.records, "same": on.same });
        let snapshots: Vec<Value> = verified.snapshots.iter().map(snapshot).collect();
        let torn = |torn: &Torn| json!({ "file": torn.file, "byte": torn.offset });
        let torn: Vec<Value> = verified.torn.iter().map(torn).collect();
        let taken: Vec<String> = verified.taken.iter().map(|id| id.hex()).collect();
        let json = json!({
            "begins": verified.begins.next().0,
            "from": verified.from.next().0,
            "records": verified.records,
            "state": verified.state.hex(),
            "effects": verified.effects.hex(),
            "view": verified.view.hex(),
            "snapshots": snapshots,
            "torn": torn,
            "taken": taken,
            "verified": verified.holds(),
        });
        return put_json(&json);
    }
    put!("records   {} from place {}", verified.records, verified.from.next())?;
    if verified.unfolded() > 0 {
        let before = counted(verified.unfolded(), "record");
        put!("before    {before} from place {}, not folded: no snapshot holds what came before", verified.begins.next())?;
    }
    put!("state     {}", verified.state)?;
    put!("effects   {}", verified.effects)?;
    put!("view      {}", verified.view)?;
    for FoldedOn { at, records, same } in &verified.snapshots {
        let comes = if *same { "the same state and effects" } else { "SOMETHING ELSE" };
        put!("snapshot  at {at}, {} on to {comes}", counted(*records, "record"))?;
    }
    if verified.snapshots.is_empty() {
        put!("snapshot  none")?;
    }
    for torn in &verified.torn {
        put!("torn      {torn}: a write was cut short, the next command that writes cuts it")?;
    }
    for id in &verified.taken {
        put!("taken     journal/*-{}.seg: its key is there and the file is not, somebody took it away", id.hex())?;
    }
    put!("verified  {}", if verified.holds() { "yes" } else { "NO" })
}
