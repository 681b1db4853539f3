//! The journal, looked at from outside: nothing is changed, and no relay is asked.

use super::record;
use crate::output::{Trouble, put_json, time};
use crate::progress::Progress;
use crate::text::counted;
use crate::{Global, home};
use serde_json::{Map, Value, json};
use thicket_engine::{Fault, Walked, walk};
use thicket_replay::{FoldedOn, Verified, verify};
use thicket_types::error::Code;
use thicket_types::event::{Arrived, Event, Opened, Outcome};
use thicket_types::ids::Seq;
use thicket_types::intent::Intent;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Check every seal and the chain, fold twice and on from each snapshot, and compare.
    ///
    /// Example: thicket journal verify
    Verify,
    /// List records: place, time, kind.
    ///
    /// Example: thicket journal ls --from 100
    Ls {
        /// Begin at this place.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// At most so many.
        #[arg(long)]
        count: Option<u64>,
    },
    /// Show one record whole. Names are redacted; keys and texts are never in the journal.
    ///
    /// Example: thicket journal show 17
    Show {
        /// Its place.
        seq: u64,
    },
}

pub fn run(global: &Global, command: &Command) -> Result<(), Trouble> {
    let at = home::at(global)?;
    match command {
        Command::Verify => check(global, &at),
        Command::Ls { from, count } => {
            let (mut left, from) = (count.unwrap_or(u64::MAX), Seq(*from));
            let mut wanted = |seq: Seq| {
                let wanted = seq >= from && left > 0;
                left -= u64::from(wanted);
                wanted
            };
            each(global, &at, &mut wanted, &mut |walked| list(global, walked))
        }
        Command::Show { seq } => {
            let mut found = false;
            each(global, &at, &mut |at| at == Seq(*seq), &mut |walked| {
                found = true;
                if global.json {
                    let mut whole = line(walked);
                    whole.insert("event".to_owned(), record::object(&walked.record.event));
                    return put_json(&Value::Object(whole));
                }
                list(global, walked)?;
                put!("{:#?}", walked.record.event)
            })?;
            if found { Ok(()) } else { Err(Trouble::Usage(format!("there is no record {seq}"))) }
        }
    }
}

/// Shows each record of the journal that is wanted, until that fails. None is shown twice, however often the journal is looked
/// at.
fn each(
    global: &Global,
    at: &home::At,
    wanted: &mut dyn FnMut(Seq) -> bool,
    show: &mut dyn FnMut(&Walked<'_>) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    // Gone as soon as something else is shown.
    let mut reading = Some(Progress::start(global, "reading the journal"));
    let mut seen = Seq::ZERO;
    let mut shown = Ok(());
    at.look_into(|look| {
        let (disk, keys) = look.files();
        walk(disk, keys, &mut |walked| {
            if walked.place.seq <= seen {
                return;
            }
            seen = walked.place.seq;
            if shown.is_ok() && wanted(seen) {
                reading = None;
                shown = show(&walked);
            }
        })
    })?;
    shown
}

fn check(global: &Global, at: &home::At) -> Result<(), Trouble> {
    let checking = Progress::start(global, "checking the journal");
    let verified = verified(at)?;
    drop(checking);
    show(global, &verified)?;
    if verified.holds() { Ok(()) } else { Err(Code::Inconsistent.into()) }
}

/// Verifies a profile's journal. What else may be wrong with the profile does not matter to it.
///
/// **Errors:** `ProfileInUse`, if another process writes it without a pause.
pub fn verified(at: &home::At) -> Result<Verified, Trouble> {
    // Folds that differ may be what another process wrote in between: looked at again, and if they still do, they are shown.
    let mut differs = None;
    let looked = at.look_into(|look| {
        let (disk, keys) = look.files();
        let verified = verify(disk, keys)?;
        if verified.holds() {
            return Ok(verified);
        }
        differs = Some(verified);
        Err(Fault::from(Code::Inconsistent))
    });
    match (looked, differs) {
        (Err(Trouble::Numbered(Code::Inconsistent, None)), Some(differs)) => Ok(differs),
        (looked, _) => looked,
    }
}

fn show(global: &Global, verified: &Verified) -> Result<(), Trouble> {
    if global.json {
        let snapshot = |on: &FoldedOn| json!({ "at": on.at.0, "records": on.records, "same": on.same });
        let snapshots: Vec<Value> = verified.snapshots.iter().map(snapshot).collect();
        let json = json!({
            "from": verified.from.next().0,
            "records": verified.records,
            "state": verified.state.hex(),
            "effects": verified.effects.hex(),
            "view": verified.view.hex(),
            "snapshots": snapshots,
            "verified": verified.holds(),
        });
        return put_json(&json);
    }
    put!("records   {} from place {}", verified.records, verified.from.next())?;
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
    put!("verified  {}", if verified.holds() { "yes" } else { "NO" })
}

fn list(global: &Global, walked: &Walked<'_>) -> Result<(), Trouble> {
    if global.json {
        return put_json(&Value::Object(line(walked)));
    }
    let (kind, what) = words(&walked.record.event);
    put!("{:>8}  {}  {kind:<9} {what}", walked.place.seq, time(walked.place.stamp.0))
}

/// A record in a line, as a program reads it.
fn line(walked: &Walked<'_>) -> Map<String, Value> {
    let (kind, what) = words(&walked.record.event);
    let fields =
        [("seq", json!(walked.place.seq.0)), ("stamp_ms", json!(walked.place.stamp.0)), ("kind", json!(kind)), ("what", json!(what))];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn words(event: &Event) -> (&'static str, String) {
    match event {
        Event::Requested { id: _, intent } => {
            let what = match intent {
                Intent::Register { .. } => "Register",
                Intent::Connect => "Connect",
                Intent::AddContact { .. } => "AddContact",
                Intent::AcceptContact { .. } => "AcceptContact",
                Intent::Send { .. } => "Send",
                Intent::DeclineContact { .. } => "DeclineContact",
                Intent::BlockContact { .. } => "BlockContact",
                Intent::RemoveContact { .. } => "RemoveContact",
                Intent::VerifyContact { .. } => "VerifyContact",
                Intent::AcceptIdentity { .. } => "AcceptIdentity",
                Intent::UpdateKeys { .. } => "UpdateKeys",
                Intent::MarkRead { .. } => "MarkRead",
                Intent::SetReadMarks { .. } => "SetReadMarks",
                Intent::RetryMessage { .. } => "RetryMessage",
                Intent::CancelMessage { .. } => "CancelMessage",
                Intent::ForgetMessage { .. } => "ForgetMessage",
                Intent::ChangeRelay { .. } => "ChangeRelay",
                Intent::TakeOver => "TakeOver",
                Intent::Rejoin => "Rejoin",
            };
            ("Requested", what.to_owned())
        }
        Event::Arrived(arrival) => {
            let what = match &arrival.content {
                Arrived::Answer { answer } => format!("an answer, {} bytes", answer.0.len()),
                Arrived::Envelope { cursor, sealed, .. } => format!("item {cursor}, {} bytes", sealed.0.len()),
                Arrived::Repeat { cursor } => format!("item {cursor} again"),
                Arrived::Unsealable { cursor, cause } => format!("item {cursor}, dropped: {}", cause.what()),
            };
            ("Arrived", what)
        }
        Event::Elapsed { timer, fault } => ("Elapsed", format!("{timer:?}{}", if *fault { ", and its fold failed" } else { "" })),
        Event::Resolved { effect, outcome, vault_count: _ } => {
            let what = match outcome {
                Outcome::Handed => "handed to the transport".to_owned(),
                Outcome::Unreachable => "the transport could not".to_owned(),
                Outcome::Framed { bytes, .. } => format!("a frame of {} bytes", bytes.0.len()),
                Outcome::Done => "done".to_owned(),
                Outcome::Pinned { .. } => "an identity pinned".to_owned(),
                Outcome::Begun { again } if again.is_empty() => "a conversation begun".to_owned(),
                Outcome::Begun { again } => format!("a conversation begun, {} to be sealed again", again.len()),
                Outcome::Opened(Opened::Message { .. }) => "a message read".to_owned(),
                Outcome::Opened(Opened::Receipt { delivered, .. }) => format!("a receipt for {}", delivered.len()),
                Outcome::Opened(Opened::Early { .. }) => "a message that waits".to_owned(),
                Outcome::Opened(Opened::ReadMark { .. }) => "a read mark".to_owned(),
                Outcome::Opened(Opened::Committed { .. }) => "a commit".to_owned(),
                Outcome::Opened(Opened::Offer { .. }) => "an offer to begin".to_owned(),
                Outcome::Opened(Opened::Known { .. }) => "a message that is here already".to_owned(),
                Outcome::Opened(Opened::Unreadable { cause, .. }) => format!("unreadable: {}", cause.what()),
                Outcome::Refused(code) => format!("refused: {}", code.what()),
                Outcome::Fault(code) => format!("fault: {}", code.what()),
            };
            ("Resolved", format!("{}.{} {what}", effect.seq, effect.index))
        }
    }
}
