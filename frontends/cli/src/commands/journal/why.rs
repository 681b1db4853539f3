//! Why a message, a contact or an effect is where it is.

use super::meant::{before, digits, meant, whole};
use super::state::paint;
use crate::commands::rows;
use crate::output::{Trouble, put_json, time_exact};
use crate::progress::Progress;
use crate::text::beside;
use crate::{Global, home, terminal};
use serde_json::json;
use thicket_replay::{Explaining, Line, Replay, Subject};
use thicket_types::error::Code;
use thicket_types::ids::Seq;

pub fn run(global: &Global, typed: &str) -> Result<(), Trouble> {
    let at = home::at(global)?;
    let folding = Progress::start(global, "folding the journal");
    let subject = subject(&at, global, typed)?;
    let ((lines, first), damaged) = at.look_before_damage(|look| {
        let (disk, keys) = look.files();
        let mut explaining = Explaining::new(subject);
        let replay = Replay::read(disk, keys, &mut |step| explaining.note(step))?;
        Ok((explaining.finish(), replay.first()))
    })?;
    drop(folding);
    if lines.is_empty() {
        return Err(damaged.map_or_else(|| nothing(typed, subject, first), |damaged| damaged.trouble(false)));
    }
    for Line { seq, stamp, says } in &lines {
        if global.json {
            put_json(&json!({ "seq": seq.0, "stamp_ms": stamp.0, "says": says }))?;
        } else {
            let begin = format!("{seq:>8}  {}  ", time_exact(stamp.0));
            put!("{}{}", paint(global).dim(&begin), beside(says, begin.len(), terminal::width()))?;
        }
    }
    home::end(damaged.as_ref(), true)
}

/// That there is nothing to say: the first record that can be folded tells whether there may have been.
fn nothing(typed: &str, subject: Subject, first: Seq) -> Trouble {
    let place = || Some(typed.to_owned());
    match subject {
        Subject::Message(_) => {
            let hint = "the journal says nothing of it; message show has what the vault keeps of a message";
            Trouble::Advised(Code::UnknownMessage, place(), format!("{hint}.{}", before(first)))
        }
        Subject::Contact(_) => {
            let hint = "the journal says nothing of them";
            Trouble::Advised(Code::UnknownContact, place(), format!("{hint}.{}", before(first)))
        }
        Subject::Effect(seq, _) if seq < first => Trouble::Usage(format!(
            "the journal says nothing of the effect {typed}: what asked for it stood before record {first}, the first that can be folded"
        )),
        Subject::Effect(seq, _) => {
            Trouble::Usage(format!("the journal has no effect {typed}: journal show {seq} lists those of that record, if there is one"))
        }
    }
}

/// What was typed: an effect as `journal show` lists it, a message, a frame or a contact by how the id begins, or a contact by name.
fn subject(at: &home::At, global: &Global, typed: &str) -> Result<Subject, Trouble> {
    let effect = typed.split_once('.').and_then(|(seq, index)| Some(Subject::Effect(Seq(seq.parse().ok()?), index.parse().ok()?)));
    if let Some(subject) = effect.or_else(|| whole(typed)) {
        return Ok(subject);
    }
    let meant = meant(at, typed)?;
    if let Some(one) = meant.one()? {
        return Ok(one);
    }
    // What the journal knows no more may have its row still.
    if let Some(digits) = digits(typed).filter(|_| !at.is_capsule() && !meant.is_damaged()) {
        let (view, reader) = at.look(global)?;
        match rows::find(&digits, &view, |message| reader.find(message), |after, count| reader.messages(None, after, count)) {
            Ok(found) => return Ok(Subject::Message(found.message)),
            Err(Trouble::Numbered(Code::UnknownMessage, _) | Trouble::Usage(_)) => {}
            Err(other) => return Err(other),
        }
    }
    Err(meant.nothing())
}

#[cfg(test)]
mod tests {
    use super::*;
    use thicket_types::ids::{Fingerprint, MessageId};

    #[test]
    fn nothing_is_said_to_be_gone_where_the_journal_is_whole() {
        let (whole, retired) = (Seq(1), Seq(4_097));
        let (message, effect) = (Subject::Message(MessageId([7; 16])), Subject::Effect(Seq(5), 99));
        for (subject, first, gone) in
            [(message, whole, false), (effect, whole, false), (effect, Seq(5), false), (message, retired, true), (effect, retired, true)]
        {
            assert_eq!(nothing("it", subject, first).told().contains("before record"), gone, "{subject:?}, {first}");
        }
    }

    #[test]
    fn what_the_journal_does_not_know_is_unknown_and_an_effect_that_is_none_was_typed_wrong() {
        let of = |subject| nothing("it", subject, Seq(1)).code();
        assert_eq!(of(Subject::Message(MessageId([7; 16]))), Some(Code::UnknownMessage));
        assert_eq!(of(Subject::Contact(Fingerprint([7; 20]))), Some(Code::UnknownContact));
        assert_eq!(of(Subject::Effect(Seq(5), 99)), Some(Code::Usage));
    }
}
