//! What a person is warned of beside what they asked for: a line each, on standard error.

use crate::Global;
use crate::commands::status::{clock, skew};
use crate::output::{again, on_errors};
use std::io::IsTerminal as _;
use thicket_client::{ContactView, View};
use thicket_types::ids::Fingerprint;

/// How far this clock may stand from the relay's before a command that asks the relay says so.
const SKEW_BORNE_MS_MAX: u64 = 3_600_000;

/// Warns of a clock that is hours off. Nothing stops for it: it is told, and what was asked for is done.
pub fn of_clock(global: &Global, view: &View) {
    if let Some(line) = skewed(view) {
        say(global, &line);
    }
}

fn skewed(view: &View) -> Option<String> {
    let skew = skew(view).filter(|skew| skew.unsigned_abs() > SKEW_BORNE_MS_MAX)?;
    let clock = clock(skew);
    Some(format!(
        "WARNING: this clock is {clock}: the times that others see are wrong, and keys are renewed too early or too late. Set it."
    ))
}

/// Warns of a contact whom the directory shows with another identity than the one that was pinned: of one, or of all.
pub fn of_identity(global: &Global, view: &View, with: Option<Fingerprint>) {
    let asked = |contact: &&ContactView| with.is_none_or(|with| view.contact(&contact.name).is_some_and(|meant| meant.fingerprint == with));
    for contact in changed(view).into_iter().filter(asked) {
        let name = contact.name.text();
        let again = again();
        say(
            global,
            &format!(
                "WARNING: the directory shows another identity for {name} than the one that you know. Nothing is sent to {name} until you have asked them, and gone on with: {again} contact trust {name}"
            ),
        );
    }
}

/// Contacts who are held. Not those who merely call themselves as somebody does whom the directory knows: nobody means them.
fn changed(view: &View) -> Vec<&ContactView> {
    let meant = |contact: &&ContactView| view.contact(&contact.name).is_some_and(|meant| meant.fingerprint == contact.fingerprint);
    view.contacts.iter().filter(|contact| contact.held).filter(meant).collect()
}

fn say(global: &Global, line: &str) {
    note!("{}", global.color.paint(std::io::stderr().is_terminal()).loud(&on_errors(line)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use thicket_types::name::Name;

    fn contact(id: u8, name: &str, proved: bool, held: bool) -> ContactView {
        ContactView {
            fingerprint: Fingerprint([id; 20]),
            name: Name::parse(name).expect("a name"),
            accepted: true,
            blocked: false,
            verified: false,
            proved,
            held,
            anew: false,
            received: 0,
        }
    }

    #[test]
    fn whoever_is_held_is_told_of_until_somebody_else_is_meant_by_the_name() {
        let told = |contacts: Vec<ContactView>| {
            let view = View { contacts, ..View::default() };
            changed(&view).iter().map(|contact| contact.fingerprint.0[0]).collect::<Vec<_>>()
        };
        let (bob, carol) = (contact(1, "bob", true, true), contact(2, "carol", true, false));
        assert_eq!(told(vec![bob.clone(), carol]), [1]);
        assert_eq!(told(vec![bob, contact(3, "Bob", true, false)]), [0_u8; 0], "the new identity is trusted");
        assert_eq!(told(vec![contact(1, "bob", true, false), contact(4, "bob", false, true)]), [0_u8; 0], "somebody else wrote as bob");
    }

    #[test]
    fn a_clock_that_is_hours_off_is_told_of() {
        let told = |online: bool, skew_ms: Option<i64>| skewed(&View { online, skew_ms, ..View::default() });
        for near in [None, Some(0), Some(3_600_000), Some(-3_600_000)] {
            assert_eq!(told(true, near), None);
        }
        assert!(told(true, Some(10_800_000)).is_some_and(|line| line.starts_with("WARNING: this clock is 3 h behind the relay's: ")));
        assert!(told(true, Some(i64::MIN)).is_some_and(|line| line.contains("days ahead of the relay's")));
        assert_eq!(told(false, Some(10_800_000)), None, "measured at another time");
    }
}
