//! Why a message, a contact or an effect is where it is.

use super::state::paint;
use crate::commands::rows;
use crate::output::{Trouble, put_json, time_exact};
use crate::progress::Progress;
use crate::text::beside;
use crate::{Global, home, terminal, who};
use serde_json::json;
use thicket_client::View;
use thicket_replay::{Explaining, Line, Replay, Subject};
use thicket_types::error::Code;
use thicket_types::ids::{MessageId, Seq};

pub fn run(global: &Global, typed: &str) -> Result<(), Trouble> {
    let at = home::at(global)?;
    let folding = Progress::start(global, "folding the journal");
    let subject = subject(&at, global, typed)?;
    let (lines, first) = at.look_into(|look| {
        let (disk, keys) = look.files();
        let mut explaining = Explaining::new(subject);
        let replay = Replay::read(disk, keys, &mut |step| explaining.note(step))?;
        Ok((explaining.finish(), replay.first()))
    })?;
    drop(folding);
    if lines.is_empty() {
        return Err(Trouble::Usage(nothing(typed, subject, first)));
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

/// That there is nothing to say: the first record that is left tells whether there may have been.
fn nothing(typed: &str, subject: Subject, first: Seq) -> String {
    match subject {
        Subject::Effect(seq, _) if seq >= first => format!("the journal has no effect {typed}: journal ls shows those of each record"),
        _ if first > Seq(1) => format!("the journal says nothing of {typed}: what led to it may stand before record {first}, its first"),
        _ => format!("the journal says nothing of {typed}"),
    }
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
        return contact(&view, typed, "here a message is named by all its digits");
    }
    let (view, reader) = at.look(global)?;
    match rows::find(typed, &view, |message| reader.find(message), |after, count| reader.messages(None, after, count)) {
        Ok(found) => Ok(Subject::Message(found.message)),
        Err(Trouble::Numbered(Code::UnknownMessage, _) | Trouble::Usage(_)) => {
            contact(&view, typed, "a message is named by how its id begins, at least four digits")
        }
        Err(other) => Err(other),
    }
}

/// The contact that was typed; of whom there is none, or can be none, what else may be typed: nobody is to be added for it.
fn contact(view: &View, typed: &str, message: &str) -> Result<Subject, Trouble> {
    let found = who::find(view, typed).map(|known| Subject::Contact(known.fingerprint));
    let hint = format!("{message}; a contact as journal state --names shows them; an effect as journal ls does, say 17.0");
    found.map_err(|trouble| match trouble.code() {
        Some(Code::UnknownContact) => Trouble::Advised(Code::UnknownContact, Some(typed.to_owned()), format!("{hint}.")),
        Some(Code::MalformedName) => Trouble::Usage(format!("{typed} names no message, contact or effect: {hint}")),
        _ => trouble,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_to_be_gone_where_the_journal_is_whole() {
        let (whole, retired) = (Seq(1), Seq(4_097));
        let (message, effect) = (Subject::Message(MessageId([7; 16])), Subject::Effect(Seq(5), 99));
        for (subject, first, gone) in
            [(message, whole, false), (effect, whole, false), (effect, Seq(5), false), (message, retired, true), (effect, retired, true)]
        {
            assert_eq!(nothing("it", subject, first).contains("before record"), gone, "{subject:?}, {first}");
        }
    }
}
