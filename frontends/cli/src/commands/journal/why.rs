//! Why a message, a contact or an effect is where it is.

use super::state::paint;
use crate::commands::rows;
use crate::output::{Trouble, put_json, time_exact};
use crate::progress::Progress;
use crate::text::beside;
use crate::{Global, home, terminal, who};
use serde_json::json;
use thicket_replay::{Explaining, Line, Replay, Subject};
use thicket_types::error::Code;
use thicket_types::ids::{MessageId, Seq};

pub fn run(global: &Global, typed: &str) -> Result<(), Trouble> {
    let at = home::at(global)?;
    let folding = Progress::start(global, "folding the journal");
    let subject = subject(&at, global, typed)?;
    let lines = at.look_into(|look| {
        let (disk, keys) = look.files();
        let mut explaining = Explaining::new(subject);
        Replay::read(disk, keys, &mut |step| explaining.note(step))?;
        Ok(explaining.finish())
    })?;
    drop(folding);
    if lines.is_empty() {
        return Err(Trouble::Usage(format!("the journal says nothing of {typed}: what led to it may have retired")));
    }
    for Line { seq, stamp, says } in &lines {
        if global.json {
            put_json(&json!({ "seq": seq.0, "stamp_ms": stamp.0, "says": says }))?;
        } else {
            let begin = format!("{seq:>8}  {}  ", time_exact(stamp.0));
            put!("{}{}", paint(global).dim(&begin), beside(says, begin.len(), terminal::width()))?;
        }
    }
    Ok(())
}

/// What was typed: an effect as `journal ls` shows it, a message by how its id begins, or a contact.
fn subject(at: &home::At, global: &Global, typed: &str) -> Result<Subject, Trouble> {
    let effect = typed.split_once('.').and_then(|(seq, index)| Some(Subject::Effect(Seq(seq.parse().ok()?), index.parse().ok()?)));
    if let Some(effect) = effect {
        return Ok(effect);
    }
    // All its digits: also one that was deleted, of which the journal alone knows.
    if let Some(message) = rows::from_hex(typed).and_then(|bytes| MessageId::parse(&bytes)) {
        return Ok(Subject::Message(message));
    }
    if at.is_capsule() {
        // Without a vault there are no rows to find a message in by how its id begins.
        let view = at.look_into(|look| look.view())?;
        return who::find(&view, typed).map(|known| Subject::Contact(known.fingerprint));
    }
    let (view, reader) = at.look(global)?;
    match rows::find(typed, &view, |message| reader.find(message), |after, count| reader.messages(None, after, count)) {
        Ok(found) => Ok(Subject::Message(found.message)),
        Err(Trouble::Numbered(Code::UnknownMessage, _) | Trouble::Usage(_)) => {
            who::find(&view, typed).map(|known| Subject::Contact(known.fingerprint))
        }
        Err(other) => Err(other),
    }
}
