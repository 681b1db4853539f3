//! Whom and what a person means who looks into a journal: also those who are gone, whom the journal alone knows.

use crate::commands::rows;
use crate::home;
use crate::output::Trouble;
use std::collections::BTreeSet;
use thicket_client::View;
use thicket_replay::{Named, Replay, Subject};
use thicket_types::error::Code;
use thicket_types::ids::{Fingerprint, FrameId, MessageId, Seq};
use thicket_types::name::Name;

/// Digits that an id needs at least.
const DIGITS_MIN: usize = 4;
/// What is listed if an id may mean several.
const LISTED_MAX: usize = 8;

/// What a journal knows of what was typed.
pub struct Meant {
    typed: String,
    /// Messages and contacts whose ids begin so.
    by_id: BTreeSet<Subject>,
    /// Who is called so.
    called: BTreeSet<Subject>,
    view: View,
    first: Seq,
    last: Seq,
    /// Where the journal is damaged: nothing is known of what comes after.
    damaged: Option<home::Damaged>,
}

/// Looks for a message, a frame or a contact by how the id begins, and for a contact by name.
pub fn meant(at: &home::At, typed: &str) -> Result<Meant, Trouble> {
    let name = Name::parse(typed).ok();
    let (((by_id, by_name), view, replay), damaged) = at.look_before_damage(|look| {
        let view = look.view()?;
        let (disk, keys) = look.files();
        let mut named = Named::new(digits(typed), name.clone());
        let replay = Replay::read(disk, keys, &mut |step| named.note(step))?;
        Ok((named.finish(), view, replay))
    })?;
    // Of several who are called alike the name means whom it means elsewhere.
    let called = match name.as_ref().and_then(|name| view.contact(name)) {
        Some(known) => BTreeSet::from([Subject::Contact(known.fingerprint)]),
        None => by_name,
    };
    Ok(Meant { typed: typed.to_owned(), by_id, called, view, first: replay.first(), last: replay.last(), damaged })
}

/// The message or the contact whose id was typed with all its digits.
pub fn whole(typed: &str) -> Option<Subject> {
    let bytes = rows::from_hex(&digits(typed)?)?;
    let message = MessageId::parse(&bytes).map(Subject::Message);
    message.or_else(|| Fingerprint::parse(&bytes).map(Subject::Contact))
}

/// The digits that an id begins with, also in groups; none if no id can begin so.
pub fn digits(typed: &str) -> Option<String> {
    let digits: String = typed.chars().filter(|char| *char != ' ').collect::<String>().to_ascii_lowercase();
    let long = (DIGITS_MIN..=FrameId::LEN * 2).contains(&digits.len());
    (long && digits.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(digits)
}

impl Meant {
    /// What is meant; `None` if the journal knows nothing that is so. **Errors:** words, if it may be several.
    pub fn one(&self) -> Result<Option<Subject>, Trouble> {
        self.only(&self.by_id.union(&self.called).copied().collect::<Vec<_>>())
    }

    /// The contact who is meant, and how they are called, as far as that is known. **Errors:** `UnknownContact`; words, if it may be
    /// several, or can be nobody.
    pub fn contact(&self) -> Result<(Fingerprint, Option<Name>), Trouble> {
        let fits: Vec<Subject> = match whole(&self.typed) {
            // All its digits: nobody else is meant, whatever they call themselves.
            Some(contact @ Subject::Contact(_)) => vec![contact],
            _ => self.by_id.union(&self.called).filter(|fits| matches!(fits, Subject::Contact(_))).copied().collect(),
        };
        let Some(Subject::Contact(contact)) = self.only(&fits)? else {
            return Err(self.unless_damaged(nobody(&self.typed, self.first)));
        };
        let known = self.view.contacts.iter().find(|known| known.fingerprint == contact).map(|known| known.name.clone());
        let is_called = self.called.contains(&Subject::Contact(contact));
        Ok((contact, known.or_else(|| Name::parse(&self.typed).ok().filter(|_| is_called))))
    }

    /// That nothing is so.
    pub fn nothing(&self) -> Trouble {
        self.unless_damaged(unknown(&self.typed, self.first, self.last))
    }

    /// Whether only what lies before damage was looked at.
    pub fn is_damaged(&self) -> bool {
        self.damaged.is_some()
    }

    /// What is not found before damage may lie behind it.
    fn unless_damaged(&self, trouble: Trouble) -> Trouble {
        self.damaged.as_ref().map_or(trouble, |damaged| damaged.trouble(false))
    }

    fn only(&self, fits: &[Subject]) -> Result<Option<Subject>, Trouble> {
        match fits {
            [] => Ok(None),
            [one] => Ok(Some(*one)),
            several => Err(Trouble::Usage(ambiguous(&self.typed, several, &self.view))),
        }
    }
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

/// Where what is looked for may stand, if not all of the journal can be folded: a sentence behind others.
pub fn before(first: Seq) -> String {
    if first > Seq(1) { format!(" What led to it may stand before record {first}, the first that can be folded.") } else { String::new() }
}

/// That nothing is so, in words for what was asked.
fn unknown(typed: &str, first: Seq, last: Seq) -> Trouble {
    let gone = before(first);
    let place = Some(typed.to_owned());
    match typed.parse::<u64>() {
        Ok(seq) if seq > 0 && seq <= last.0 => Trouble::Usage(format!(
            "no id begins with {typed}; if the record of that place is meant: its effects are {seq}.0 and on, as journal show {seq} lists them"
        )),
        _ if digits(typed).is_some() => {
            let hint = "no message or contact of this journal has an id that begins so, nor a frame that carried a message; journal show has those of a record";
            Trouble::Advised(Code::UnknownMessage, place, format!("{hint}.{gone}"))
        }
        _ if Name::parse(typed).is_ok() => {
            let hint = format!("nobody in this journal is called so; an id needs at least {DIGITS_MIN} digits");
            Trouble::Advised(Code::UnknownContact, place, format!("{hint}.{gone}"))
        }
        _ => Trouble::Usage(format!(
            "{typed} names nothing: a message, frame or contact goes by how its id begins, a contact by name, an effect as 17.0"
        )),
    }
}

/// That nobody is so.
fn nobody(typed: &str, first: Seq) -> Trouble {
    if digits(typed).is_none() && Name::parse(typed).is_err() {
        return Trouble::Usage(format!("{typed} names nobody: a contact goes by name, or by how the fingerprint begins"));
    }
    let hint =
        format!("nobody in this journal is called so, or has a fingerprint that begins so; of one at least {DIGITS_MIN} digits are typed");
    Trouble::Advised(Code::UnknownContact, Some(typed.to_owned()), format!("{hint}.{}", before(first)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_nothing_is_told_by_what_it_looks_like() {
        let told = |typed: &str| unknown(typed, Seq(1), Seq(2_000));
        assert!(matches!(told("deadbeef"), Trouble::Advised(Code::UnknownMessage, ..)));
        assert!(matches!(told("5FCB 3A2B"), Trouble::Advised(Code::UnknownMessage, ..)));
        assert!(matches!(told("abc"), Trouble::Advised(Code::UnknownContact, _, hint) if hint.contains("at least 4 digits")));
        assert!(matches!(told("1234"), Trouble::Usage(words) if words.contains("1234.0")));
        assert!(matches!(told("9999"), Trouble::Advised(Code::UnknownMessage, ..)), "there is no such record");
        assert!(matches!(told("5.0.0"), Trouble::Usage(words) if words.contains("17.0")));
        assert!(unknown("abcd", Seq(9), Seq(20)).told().contains("before record 9"));
    }

    #[test]
    fn who_names_nobody_is_no_message_and_is_not_to_be_added() {
        for typed in ["deadbeef", "1234", "carol"] {
            let told = nobody(typed, Seq(1));
            assert!(matches!(&told, Trouble::Advised(Code::UnknownContact, _, hint) if !hint.contains("contact add")), "{typed}");
            assert!(!told.told().contains("before record") && nobody(typed, Seq(9)).told().contains("before record 9"), "{typed}");
        }
        assert!(matches!(nobody("a b!", Seq(1)), Trouble::Usage(words) if words.contains("names nobody")));
    }
}
