//! Whom a person means, and how somebody is called.
//!
//! A contact is named by their name, or by their fingerprint or how that begins. Of several who call themselves alike the name
//! means the one whom the directory knows; the others are reached by their fingerprints alone.

use crate::output::{Trouble, again};
use thicket_client::{ContactView, View};
use thicket_types::error::Code;
use thicket_types::ids::Fingerprint;
use thicket_types::name::Name;

/// Digits that a fingerprint's begin needs at least.
const DIGITS_MIN: usize = 8;
/// Contacts that are listed if a begin fits several.
const LISTED_MAX: usize = 8;

/// The contact that was typed.
///
/// **Errors:** `MalformedName`, `UnknownContact`; words, if it may be several. A name that begins another's fingerprint is refused
/// too: a stranger may choose it for that.
pub fn find<'a>(view: &'a View, typed: &str) -> Result<&'a ContactView, Trouble> {
    let name = Name::parse(typed).ok();
    let named = name.as_ref().and_then(|name| view.contact(name));
    let digits = digits(typed);
    let begins = |contact: &&ContactView| digits.as_ref().is_some_and(|digits| contact.fingerprint.hex().starts_with(digits));
    let fits: Vec<&ContactView> = view.contacts.iter().filter(begins).collect();
    match (fits.as_slice(), named) {
        // All its digits: nobody else is meant, whatever they call themselves.
        ([one], _) if digits.as_ref().is_some_and(|digits| digits.len() == Fingerprint::LEN * 2) => Ok(one),
        ([one], None) => Ok(one),
        ([], Some(named)) => Ok(named),
        ([one], Some(named)) if one.fingerprint == named.fingerprint => Ok(one),
        ([], None) if name.is_none() && digits.is_none() => Err(Code::MalformedName.into()),
        ([], None) => Err(Code::UnknownContact.into()),
        (fits, named) => Err(several(typed, fits.iter().copied().chain(named))),
    }
}

/// The digits of a fingerprint as they were typed, also in groups; none if it can't be one.
fn digits(typed: &str) -> Option<String> {
    let digits: String = typed.chars().filter(|char| *char != ' ').collect::<String>().to_ascii_lowercase();
    let long = (DIGITS_MIN..=Fingerprint::LEN * 2).contains(&digits.len());
    (long && digits.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(digits)
}

fn several<'a>(typed: &str, meant: impl Iterator<Item = &'a ContactView>) -> Trouble {
    let mut lines: Vec<String> = meant.map(|contact| format!("\n  {}  {}", contact.fingerprint.hex(), contact.name.text())).collect();
    lines.sort();
    lines.dedup();
    if lines.len() > LISTED_MAX {
        lines.truncate(LISTED_MAX);
        lines.push("\n  …".to_owned());
    }
    Trouble::Usage(format!("{typed} may be several contacts; give more digits of the fingerprint:{}", lines.concat()))
}

/// The name that a contact chose; of one who is gone, the fingerprint.
pub fn name_of(view: &View, contact: Fingerprint) -> String {
    known(view, contact).map_or_else(|| contact.hex(), |known| known.name.text().to_owned())
}

/// How a contact is shown to a person: by name, and if others are called so too, with how the fingerprint begins.
pub fn shown(view: &View, contact: Fingerprint) -> String {
    let name = name_of(view, contact);
    let alike = known(view, contact)
        .is_some_and(|known| view.contacts.iter().any(|other| other.fingerprint != contact && other.name.key() == known.name.key()));
    if alike { format!("{name} ({})", begin(contact)) } else { name }
}

/// Whether what a contact sends is dropped.
pub fn is_blocked(view: &View, contact: Fingerprint) -> bool {
    known(view, contact).is_some_and(|known| known.blocked)
}

/// Whether somebody wrote first and waits to be accepted.
pub fn asks(contact: &ContactView) -> bool {
    !contact.accepted && !contact.blocked
}

/// Who asks to be accepted, and what to type: at most so many are named.
pub fn asking(view: &View, asking: &[&ContactView]) -> String {
    let mut names: Vec<String> = asking.iter().take(LISTED_MAX).map(|contact| shown(view, contact.fingerprint)).collect();
    if let Some(more @ 1..) = asking.len().checked_sub(LISTED_MAX) {
        names.push(format!("{more} more"));
    }
    let (whom, ask) = match asking {
        [one] => (typed(view, one.fingerprint), "asks"),
        _ => ("NAME".to_owned(), "ask"),
    };
    let who = match names.as_slice() {
        [before @ .., last] if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        names => names.concat(),
    };
    let again = again();
    format!("{who} {ask} to be accepted. To accept, or decline:\n{again} contact accept {whom}\n{again} contact decline {whom}")
}

/// All who ask to be accepted, by name; words for a person, if there are any.
pub fn all_asking(view: &View) -> Option<String> {
    let mut all: Vec<&ContactView> = view.contacts.iter().filter(|contact| asks(contact)).collect();
    all.sort_by_key(|contact| (contact.name.key(), contact.fingerprint));
    (!all.is_empty()).then(|| asking(view, &all))
}

/// Whether another identity was trusted in place of this one: what waits for it goes nowhere by itself.
pub fn is_replaced(view: &View, contact: Fingerprint) -> bool {
    let replaces = |known: &ContactView, other: &ContactView| {
        other.fingerprint != contact && other.name.key() == known.name.key() && other.proved && !other.held
    };
    known(view, contact).is_some_and(|known| known.held && view.contacts.iter().any(|other| replaces(known, other)))
}

/// What names a contact on the command line.
pub fn typed(view: &View, contact: Fingerprint) -> String {
    let name = name_of(view, contact);
    if find(view, &name).is_ok_and(|meant| meant.fingerprint == contact) { name } else { contact.hex() }
}

/// What is known of a contact.
pub fn known(view: &View, contact: Fingerprint) -> Option<&ContactView> {
    view.contacts.iter().find(|known| known.fingerprint == contact)
}

/// How a fingerprint begins: as much as names it where it is asked for.
pub fn begin(contact: Fingerprint) -> String {
    contact.hex().chars().take(DIGITS_MIN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(id: [u8; 2], name: &str, proved: bool) -> ContactView {
        let mut fingerprint = [0x11; 20];
        fingerprint[0] = id[0];
        fingerprint[19] = id[1];
        ContactView {
            fingerprint: Fingerprint(fingerprint),
            name: Name::parse(name).expect("a name"),
            accepted: true,
            blocked: false,
            verified: false,
            proved,
            held: false,
            anew: false,
            received: 0,
        }
    }

    fn view() -> View {
        let contacts = vec![
            contact([0xaa, 1], "dave", true),
            contact([0xbb, 2], "Dave", false),
            contact([0xcc, 3], "erin", true),
            contact([0xcc, 4], "frank", true),
            contact([0xdd, 5], "aa111111", false),
        ];
        View { contacts, ..View::default() }
    }

    fn found(typed: &str) -> Result<u8, Trouble> {
        find(&view(), typed).map(|contact| contact.fingerprint.0[19])
    }

    #[test]
    fn whoever_asks_is_named_with_what_to_type_and_of_many_some() {
        assert_eq!(all_asking(&view()), None, "all are accepted");
        let asks = |names: &[&str]| {
            let of = |(id, name): (usize, &&str)| ContactView {
                accepted: false,
                ..contact([0xee, u8::try_from(id).expect("few")], name, false)
            };
            let mut contacts: Vec<ContactView> = names.iter().enumerate().map(of).collect();
            contacts.push(ContactView { accepted: false, blocked: true, ..contact([0xff, 0], "mallory", false) });
            all_asking(&View { contacts, ..View::default() }).expect("somebody asks")
        };
        assert_eq!(
            asks(&["bob"]),
            "bob asks to be accepted. To accept, or decline:\nthicket contact accept bob\nthicket contact decline bob"
        );
        assert!(
            asks(&["dave", "Bob"]).starts_with("Bob and dave ask to be accepted. To accept, or decline:\nthicket contact accept NAME\n")
        );
        let many: Vec<String> = (0..LISTED_MAX + 2).map(|number| format!("n{number}")).collect();
        let told = asks(&many.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(told.starts_with("n0, n1, n2, n3, n4, n5, n6, n7 and 2 more ask to be accepted."), "{told}");
    }

    #[test]
    fn an_identity_is_replaced_by_another_that_the_directory_shows() {
        let bobs = |held: bool, new_held: bool| {
            let old = ContactView { held, ..contact([1, 1], "bob", true) };
            let new = ContactView { held: new_held, ..contact([2, 2], "Bob", true) };
            let (id, contacts) = (old.fingerprint, vec![old, new]);
            is_replaced(&View { contacts, ..View::default() }, id)
        };
        assert_eq!([bobs(true, false), bobs(true, true), bobs(false, false)], [true, false, false]);
    }

    #[test]
    fn who_is_called_alike_is_reached_by_the_fingerprint() {
        assert!(matches!(found("DAVE"), Ok(1)), "the one whom the directory knows");
        for typed in ["bb111111", "BB11 1111 1111", &view().contacts[1].fingerprint.hex()] {
            assert!(matches!(found(typed), Ok(2)), "{typed}");
        }
        assert!(matches!(found("bb11111"), Err(Trouble::Numbered(Code::UnknownContact, None))), "too short for a fingerprint");
        assert!(matches!(found("ee111111"), Err(Trouble::Numbered(Code::UnknownContact, None))));
        assert!(matches!(found("d a v e"), Err(Trouble::Numbered(Code::MalformedName, None))));
    }

    #[test]
    fn a_begin_that_several_have_lists_them() {
        let Err(Trouble::Usage(words)) = found("cc111111") else { panic!("two begin so") };
        assert!(words.contains("erin") && words.contains("frank") && words.contains(&view().contacts[3].fingerprint.hex()), "{words}");
    }

    #[test]
    fn a_name_that_looks_like_anothers_fingerprint_takes_nobodys_messages() {
        assert!(matches!(found("aa111111"), Err(Trouble::Usage(_))), "dave, or who calls themselves so");
        assert!(matches!(found(&view().contacts[0].fingerprint.hex()), Ok(1)));
        assert!(matches!(found("dd111111"), Ok(5)));
    }

    #[test]
    fn whoever_is_called_alike_is_shown_with_the_begin_of_their_fingerprint_and_typed_so_that_it_means_them() {
        let (view, id) = (view(), |at: usize| view().contacts[at].fingerprint);
        assert_eq!([0, 1, 2].map(|at| shown(&view, id(at))), ["dave (aa111111)", "Dave (bb111111)", "erin"]);
        assert_eq!([0, 1, 4].map(|at| typed(&view, id(at))), ["dave".to_owned(), id(1).hex(), id(4).hex()]);
        for contact in &view.contacts {
            let again = find(&view, &typed(&view, contact.fingerprint)).map(|found| found.fingerprint);
            assert!(again.is_ok_and(|again| again == contact.fingerprint));
        }
    }
}
