//! Whether the journal is whole and folds to the same.

use crate::output::{Trouble, put_json};
use crate::progress::Progress;
use crate::text::counted;
use crate::{Global, home};
use serde_json::{Value, json};
use thicket_engine::{Fault, Torn};
use thicket_replay::{FoldedOn, Verified, verify};
use thicket_types::error::Code;

pub fn run(global: &Global) -> Result<(), Trouble> {
    let at = home::at(global)?;
    let checking = Progress::start(global, "checking the journal");
    let verified = verified(&at)?;
    drop(checking);
    show(global, &verified)?;
    if verified.holds() { Ok(()) } else { Err(Code::Inconsistent.into()) }
}

/// Verifies a profile's journal. What else may be wrong with the profile does not matter to it.
///
/// **Errors:** `ProfileInUse`, if another process writes it without a pause.
pub fn verified(at: &home::At) -> Result<Verified, Trouble> {
    // Folds that differ, and a torn end, may be what another process wrote in between: looked at again, and shown if they are still
    // there.
    let mut shown = None;
    let looked = at.look_into(|look| {
        // Before the journal: a block is durable before the vault remembers it.
        let remembered = look.remembered();
        let (disk, keys) = look.files();
        let verified = verify(disk, keys, remembered)?;
        if verified.holds() && verified.torn.is_empty() {
            return Ok(verified);
        }
        shown = Some(verified);
        Err(Fault::from(Code::Inconsistent))
    });
    match (looked, shown) {
        (Err(Trouble::Numbered(Code::Inconsistent, None)), Some(shown)) => Ok(shown),
        (looked, _) => looked,
    }
}

fn show(global: &Global, verified: &Verified) -> Result<(), Trouble> {
    if global.json {
        let snapshot = |on: &FoldedOn| json!({ "at": on.at.0, "records": on.records, "same": on.same });
        let snapshots: Vec<Value> = verified.snapshots.iter().map(snapshot).collect();
        let torn = |torn: &Torn| json!({ "file": torn.file, "byte": torn.offset });
        let torn: Vec<Value> = verified.torn.iter().map(torn).collect();
        let json = json!({
            "begins": verified.begins.next().0,
            "from": verified.from.next().0,
            "records": verified.records,
            "state": verified.state.hex(),
            "effects": verified.effects.hex(),
            "view": verified.view.hex(),
            "snapshots": snapshots,
            "torn": torn,
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
    put!("verified  {}", if verified.holds() { "yes" } else { "NO" })
}
