//! Why a message, a contact or an effect is where it is.

use super::state::paint;
use crate::commands::rows;
use crate::output::{Trouble, put_json, time_exact};
use crate::progress::Progress;
use crate::text::beside;
use crate::{Global, home, terminal};
use serde_json::json;
use std::collections::BTreeSet;
use thicket_client::View;
use thicket_replay::{Explaining, Line, Named, Replay, Subject};
use thicket_types::error::Code;
use thicket_types::ids::{Fingerprint, FrameId, MessageId, Seq};
use thicket_types::name::Name;

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

/// Digits that an id needs at least.
const DIGITS_MIN: usize = 4;
/// What is listed if an id may mean several.
const LISTED_MAX: usize = 8;

/// What was typed: an effect as `journal ls` shows it, a message, a frame or a contact by how the id begins, or a contact by name.
fn subject(at: &home::At, global: &Global, typed: &str) -> Result<Subject, Trouble> {
    let effect = typed.split_once('.').and_then(|(seq, index)| Some(Subject::Effect(Seq(seq.parse().ok()?), index.parse().ok()?)));
    if let Some(effect) = effect {
        return Ok(effect);
    }
    let digits = digits(typed);
    let whole = digits.as_deref().and_then(rows::from_hex);
    if let Some(message) = whole.as_deref().and_then(MessageId::parse) {
        return Ok(Subject::Message(message));
    }
    if let Some(contact) = whole.as_deref().and_then(Fingerprint::parse) {
        return Ok(Subject::Contact(contact));
    }
    let name = Name::parse(typed).ok();
    let ((by_id, by_name), view, replay) = at.look_into(|look| {
        let view = look.view()?;
        let (disk, keys) = look.files();
        let mut named = Named::new(digits.clone(), name.clone());
        let replay = Replay::read(disk, keys, &mut |step| named.note(step))?;
        Ok((named.finish(), view, replay))
    })?;
    // Of several who are called alike the name means whom it means elsewhere.
    let called = match name.as_ref().and_then(|name| view.contact(name)) {
        Some(known) => BTreeSet::from([Subject::Contact(known.fingerprint)]),
        None => by_name,
    };
    let fits: Vec<Subject> = by_id.union(&called).copied().collect();
    match fits.as_slice() {
        [one] => return Ok(*one),
        [] => {}
        several => return Err(Trouble::Usage(ambiguous(typed, several, &view))),
    }
    // What the journal knows no more may have its row still.
    if let Some(digits) = digits.as_deref().filter(|_| !at.is_capsule()) {
        let (view, reader) = at.look(global)?;
        match rows::find(digits, &view, |message| reader.find(message), |after, count| reader.messages(None, after, count)) {
            Ok(found) => return Ok(Subject::Message(found.message)),
            Err(Trouble::Numbered(Code::UnknownMessage, _) | Trouble::Usage(_)) => {}
            Err(other) => return Err(other),
        }
    }
    Err(unknown(typed, digits.is_some(), name.is_some(), replay.first(), replay.last()))
}

/// The digits that an id begins with, also in groups; none if no id can begin so.
fn digits(typed: &str) -> Option<String> {
    let digits: String = typed.chars().filter(|char| *char != ' ').collect::<String>().to_ascii_lowercase();
    let long = (DIGITS_MIN..=FrameId::LEN * 2).contains(&digits.len());
    (long && digits.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(digits)
}

fn ambiguous(typed: &str, fits: &[Subject], view: &View) -> String {
    let mut words = format!("{typed} may be several; give more digits:");
    for subject in fits.iter().take(LISTED_MAX) {
        words.push_str(&match subject {
            Subject::Message(message) => format!("\n  {}  a message", message.hex()),
            Subject::Contact(contact) if view.contacts.iter().any(|known| known.fingerprint == *contact) => {
                format!("\n  {}  a contact", contact.hex())
            }
            Subject::Contact(contact) => format!("\n  {}  a contact who is gone", contact.hex()),
            Subject::Effect(seq, index) => format!("\n  {seq}.{index}  an effect"),
        });
    }
    if fits.len() > LISTED_MAX {
        words.push_str("\n  …");
    }
    words
}

/// That nothing is so, in words for what was asked.
fn unknown(typed: &str, is_id: bool, is_name: bool, first: Seq, last: Seq) -> Trouble {
    let gone = if first > Seq(1) { format!(" What led to it may stand before record {first}, its first.") } else { String::new() };
    let place = Some(typed.to_owned());
    match typed.parse::<u64>() {
        Ok(seq) if seq > 0 && seq <= last.0 => Trouble::Usage(format!(
            "no id begins with {typed}; if the record of that place is meant: its effects are {seq}.0 and on, as journal show {seq} lists them"
        )),
        _ if is_id => {
            let hint = "no message, frame or contact of this journal has an id that begins so; journal show has those of a record";
            Trouble::Advised(Code::UnknownMessage, place, format!("{hint}.{gone}"))
        }
        _ if is_name => {
            let hint = format!("nobody in this journal is called so; an id needs at least {DIGITS_MIN} digits");
            Trouble::Advised(Code::UnknownContact, place, format!("{hint}.{gone}"))
        }
        _ => Trouble::Usage(format!(
            "{typed} names nothing: a message, frame or contact goes by how its id begins, a contact by name, an effect as 17.0"
        )),
    }
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

    #[test]
    fn what_names_nothing_is_told_by_what_it_looks_like() {
        let told = |typed: &str| unknown(typed, digits(typed).is_some(), Name::parse(typed).is_ok(), Seq(1), Seq(2_000));
        assert!(matches!(told("deadbeef"), Trouble::Advised(Code::UnknownMessage, ..)));
        assert!(matches!(told("5FCB 3A2B"), Trouble::Advised(Code::UnknownMessage, ..)));
        assert!(matches!(told("abc"), Trouble::Advised(Code::UnknownContact, _, hint) if hint.contains("at least 4 digits")));
        assert!(matches!(told("1234"), Trouble::Usage(words) if words.contains("1234.0")));
        assert!(matches!(told("9999"), Trouble::Advised(Code::UnknownMessage, ..)), "there is no such record");
        assert!(matches!(told("5.0.0"), Trouble::Usage(words) if words.contains("17.0")));
        assert!(unknown("abcd", true, true, Seq(9), Seq(20)).told().contains("before record 9"));
    }
}
