//! Contacts: looked up, accepted, listed.

use super::account::in_groups;
use crate::output::{Trouble, again, put_json, remark, short, with_home};
use crate::terminal::width;
use crate::text::{beside, counted};
use crate::watch::Watch;
use crate::{Global, home, warn, who};
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};
use thicket_client::{Client, ContactView, View};
use thicket_types::effect::Change;
use thicket_types::error::Code;
use thicket_types::ids::Fingerprint;
use thicket_types::intent::Intent;

/// How long a contact who is there gets to follow a renewal of keys.
const FOLLOW_FOR: Duration = Duration::from_secs(3);

/// Columns that names get at most before their fingerprints.
const NAME_LEN_MAX: usize = 20;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Look a person up by name and keep them as a contact. Their identity is pinned.
    ///
    /// Example: thicket contact add bob
    Add {
        /// Their registered name.
        name: String,
    },
    /// Accept a contact who wrote first.
    ///
    /// Example: thicket contact accept alice
    Accept {
        /// Their name, or how their fingerprint begins.
        name: String,
    },
    /// Decline a contact who wrote first: they leave the list, and are told nothing. Asks no relay.
    ///
    /// Example: thicket contact decline mallory
    Decline {
        /// Their name, or how their fingerprint begins.
        name: String,
    },
    /// Block a contact: what they send is dropped unread. Asks no relay; it is told at the next command that does.
    ///
    /// Example: thicket contact block mallory
    Block {
        /// Their name, or how their fingerprint begins.
        name: String,
    },
    /// Unblock a contact. Asks no relay.
    ///
    /// Example: thicket contact unblock mallory
    Unblock {
        /// Their name, or how their fingerprint begins.
        name: String,
    },
    /// Remove a contact and all messages with them. If they write again, they ask to be accepted. Asks no relay.
    ///
    /// Example: thicket contact remove mallory
    Remove {
        /// Their name, or how their fingerprint begins.
        name: String,
    },
    /// Show the safety number to compare with a contact, as digits and as a QR code. Asks no relay.
    ///
    /// Example: thicket contact verify bob --done
    Verify {
        /// Their name, or how their fingerprint begins.
        name: String,
        /// The numbers are equal: mark the contact as verified.
        #[arg(long)]
        done: bool,
    },
    /// Go on with the identity that the directory shows now, after a warning that it changed.
    ///
    /// Example: thicket contact trust bob
    Trust {
        /// Their name, or how their fingerprint begins.
        name: String,
    },
    /// Renew your keys in the conversation with a contact. It is done weekly as well.
    ///
    /// Whoever learned the keys until now can read nothing that is written after it. It holds as soon as the contact's device
    /// has followed.
    ///
    /// Example: thicket contact update bob
    Update {
        /// Their name, or how their fingerprint begins.
        name: String,
    },
    /// List contacts. Asks no relay.
    ///
    /// Example: thicket contact list
    List,
}

pub fn run(global: &Global, command: &Command) -> Result<(), Trouble> {
    match command {
        Command::Add { name } => add(global, name),
        Command::Accept { name } => accept(global, name),
        Command::Decline { name } => gone(global, name, "declined", |contact| Intent::DeclineContact { contact }),
        Command::Remove { name } => gone(global, name, "removed", |contact| Intent::RemoveContact { contact }),
        Command::Block { name } => set(global, name, |contact| Intent::BlockContact { contact, blocked: true }),
        Command::Unblock { name } => set(global, name, |contact| Intent::BlockContact { contact, blocked: false }),
        Command::Verify { name, done: true } => set(global, name, |contact| Intent::VerifyContact { contact, verified: true }),
        Command::Verify { name, done: false } => compare(global, name),
        Command::Trust { name } => trust(global, name),
        Command::Update { name } => update(global, name),
        Command::List => {
            let (view, _) = home::look(global)?;
            let lens = view.contacts.iter().map(|contact| contact.name.text().len());
            let name_len = lens.filter(|len| *len <= NAME_LEN_MAX).max().unwrap_or_default();
            by_name(&view).into_iter().try_for_each(|contact| line(global, contact, name_len))?;
            if view.contacts.is_empty() {
                remark(global.json, &with_home("you have no contacts yet. To add one: thicket contact add NAME"));
            }
            warn::of_identity(global, &view, None);
            Ok(())
        }
    }
}

/// Contacts as they are looked for: by name, and those of one name by fingerprint.
fn by_name(view: &View) -> Vec<&ContactView> {
    let mut contacts: Vec<&ContactView> = view.contacts.iter().collect();
    contacts.sort_by_key(|contact| (contact.name.key(), contact.fingerprint));
    contacts
}

fn add(global: &Global, text: &str) -> Result<(), Trouble> {
    let client = home::open(global)?;
    let name = home::name(text)?;
    let held = client.contact(&name).filter(|known| known.held).map(|known| known.fingerprint);
    // A stranger calls themselves what they like: whom the directory shows under the name, only it can tell. And it may show whom it
    // should again, or be another relay's by now.
    if held.is_some() || client.contact(&name).is_none_or(|known| !known.proved) {
        home::ask(&client, Intent::AddContact { name: name.clone() })?;
        let mut watch = Watch::new(global, &client, "looking them up");
        let found = watch.until(|view, changes| {
            let failed = changes.iter().find_map(|change| match change {
                Change::LookupFailed { name: failed, cause } if failed.key() == name.key() => Some(*cause),
                _ => None,
            });
            let shown = |held: Fingerprint| {
                changes.iter().any(|change| *change == Change::Contact(held) || *change == Change::IdentityChanged(held))
            };
            match (failed, held) {
                (Some(code), _) => Err(code.into()),
                (None, Some(held)) => Ok(shown(held).then_some(())),
                (None, None) => Ok(view.contact(&name).filter(|known| known.proved || known.held).map(|_| ())),
            }
        })?;
        if found.is_none() {
            return Err(watch.silence());
        }
    }
    let contact = client.contact(&name).ok_or(Code::UnknownContact)?;
    let view = client.view();
    show(global, client, contact.fingerprint)?;
    if who::asks(&contact) {
        remark(global.json, &who::asking(&view, &[&contact]));
    }
    Ok(())
}

fn accept(global: &Global, typed: &str) -> Result<(), Trouble> {
    let client = home::open(global)?;
    let contact = home::contact(&client, typed)?;
    home::ask(&client, Intent::AcceptContact { contact })?;
    // The receipts that were held back go out now, if the relay is there.
    Watch::new(global, &client, "waiting for the relay").rest()?;
    show(global, client, contact)
}

/// What this device does alone, after which the contact is not listed any more.
fn gone(global: &Global, typed: &str, what: &str, intent: impl FnOnce(Fingerprint) -> Intent) -> Result<(), Trouble> {
    let client = home::open_offline(global)?;
    let view = client.view();
    let contact = who::find(&view, typed)?.fingerprint;
    home::ask(&client, intent(contact)).map_err(|trouble| trouble.of(&who::typed(&view, contact)))?;
    if global.json {
        put_json(&serde_json::json!({ "name": who::name_of(&view, contact), "done": what }))?;
    } else {
        put!("{} is {what}.", who::shown(&view, contact))?;
    }
    Ok(client.close()?)
}

/// What this device does alone, after which the contact is shown.
fn set(global: &Global, typed: &str, intent: impl FnOnce(Fingerprint) -> Intent) -> Result<(), Trouble> {
    let client = home::open_offline(global)?;
    let contact = home::contact(&client, typed)?;
    home::ask(&client, intent(contact))?;
    show(global, client, contact)
}

fn trust(global: &Global, typed: &str) -> Result<(), Trouble> {
    let client = home::open(global)?;
    let view = client.view();
    let old = who::find(&view, typed)?;
    let name = old.name.clone();
    home::ask(&client, Intent::AcceptIdentity { contact: old.fingerprint })?;
    let mut watch = Watch::new(global, &client, "looking them up");
    let found = watch.until(|view, changes| {
        let failed = changes.iter().find_map(|change| match change {
            Change::LookupFailed { name: failed, cause } if failed.key() == name.key() => Some(*cause),
            _ => None,
        });
        if let Some(code) = failed {
            return Err(code.into());
        }
        // Another identity under the name, or the pinned one again.
        let shown = view.contacts.iter().any(|known| known.name.key() == name.key() && known.proved && !known.held);
        Ok(shown.then_some(()))
    })?;
    if found.is_none() {
        return Err(watch.silence());
    }
    drop(watch);
    let contact = client.contact(&name).ok_or(Code::UnknownContact)?;
    let view = client.view();
    show(global, client, contact.fingerprint)?;
    if let Some(words) = left_behind(&view, old.fingerprint).filter(|_| contact.fingerprint != old.fingerprint) {
        remark(global.json, &words);
    }
    Ok(())
}

/// What waits for an identity that another was trusted in place of, and what to do with it.
fn left_behind(view: &View, old: Fingerprint) -> Option<String> {
    let mut waiting = view.unsettled.iter().filter(|(_, (contact, ..))| *contact == old).map(|(message, _)| message);
    let (first, more) = (waiting.next()?, waiting.count());
    let count = counted(u64::try_from(more).unwrap_or(u64::MAX).saturating_add(1), "message");
    let (old, again) = (who::shown(view, old), again());
    Some(match more {
        0 => format!("{count} to {old} waits, and goes nowhere. To take it back: {again} message cancel {}", short(first)),
        _ => format!("{count} to {old} wait, and go nowhere. To take each back: {again} message cancel ID; the first is {}", short(first)),
    })
}

fn update(global: &Global, typed: &str) -> Result<(), Trouble> {
    let client = home::open(global)?;
    let contact = home::contact(&client, typed)?;
    home::ask(&client, Intent::UpdateKeys { contact })?;
    let mut watch = Watch::new(global, &client, "waiting for the relay");
    // Once the relay has it, a contact who is there follows within a moment; one who is not may take days.
    let mut told = None;
    let followed = watch.until(|view, changes| {
        if changes.contains(&Change::KeysUpdated(contact)) {
            return Ok(Some(true));
        }
        if view.at_rest && told.is_none() {
            told = Some(Instant::now());
        }
        Ok(told.is_some_and(|at| at.elapsed() >= FOLLOW_FOR).then_some(false))
    })?;
    drop(watch);
    let (followed, view) = (followed.unwrap_or(false), client.view());
    let text = who::shown(&view, contact);
    if global.json {
        put_json(&serde_json::json!({ "name": who::name_of(&view, contact), "done": if followed { "updated" } else { "asked" } }))?;
    } else if followed {
        put!("Your keys in the conversation with {text} are renewed.")?;
    } else {
        put!("Your keys are renewed as soon as {text}'s device has followed.")?;
    }
    Ok(client.close()?)
}

/// Shows the number that both sides compare. Asks no relay.
fn compare(global: &Global, typed: &str) -> Result<(), Trouble> {
    let (view, reader) = home::look(global)?;
    let contact = who::find(&view, typed)?;
    let number = reader.safety_number(contact.fingerprint)?.ok_or(Code::UnknownContact)?;
    if global.json {
        put_json(&serde_json::json!({ "name": contact.name.text(), "safety_number": number, "verified": contact.verified }))?;
        return Ok(());
    }
    let (first, second) = number.split_at(number.len() / 2);
    put!("Compare with {}, face to face or over a call:\n", who::shown(&view, contact.fingerprint))?;
    put!("    {}\n    {}\n", first.trim(), second.trim())?;
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    if let Ok(code) = qrcode::QrCode::new(digits) {
        let paint = global.color.paint(std::io::stdout().is_terminal());
        let rows = code.render::<qrcode::render::unicode::Dense1x2>().build();
        rows.lines().try_for_each(|row| put!("{}", paint.paper(row)))?;
    }
    put!("\nIf both show the same: {} contact verify {} --done", global.again(), who::typed(&view, contact.fingerprint))?;
    Ok(())
}

/// Shows a contact, and closes the profile.
fn show(global: &Global, client: Client, contact: Fingerprint) -> Result<(), Trouble> {
    let view = client.view();
    let known = view.contacts.iter().find(|known| known.fingerprint == contact).ok_or(Code::UnknownContact)?;
    line(global, known, known.name.text().len().min(NAME_LEN_MAX))?;
    Ok(client.close()?)
}

/// A contact's line, with so many columns for the name; how they stand below it where the line would be too long.
fn line(global: &Global, contact: &ContactView, name_len: usize) -> Result<(), Trouble> {
    let standing = if contact.held {
        "HELD: the directory shows another identity under this name"
    } else if contact.blocked {
        "blocked"
    } else if contact.verified {
        "verified"
    } else if contact.accepted {
        "accepted"
    } else {
        "asks to be accepted"
    };
    let (name, fingerprint) = (contact.name.text(), in_groups(&contact.fingerprint.hex()));
    if global.json {
        let json = serde_json::json!({
            "name": name,
            "fingerprint": contact.fingerprint.hex(),
            "accepted": contact.accepted,
            "blocked": contact.blocked,
            "verified": contact.verified,
            "held": contact.held,
        });
        return put_json(&json);
    }
    // A name that is longer stands alone.
    let begin = if name.len() > name_len { format!("{name}\n{:name_len$}", "") } else { format!("{name:<name_len$}") };
    let together = name_len + 2 + fingerprint.len() + 2 + standing.len() <= width();
    let between = if together { "  ".to_owned() } else { format!("\n{:name_len$}  ", "") };
    put!("{begin}  {fingerprint}{between}{}", beside(standing, name_len + 2, width()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use thicket_types::effect::MessageState;
    use thicket_types::ids::MessageId;
    use thicket_types::name::Name;
    use thicket_types::time::Stamp;

    fn view(contacts: &[(u8, &str)]) -> View {
        let contact = |(id, name): &(u8, &str)| ContactView {
            fingerprint: Fingerprint([*id; 20]),
            name: Name::parse(name).expect("a name"),
            accepted: true,
            blocked: false,
            verified: false,
            proved: true,
            held: false,
            anew: false,
            received: 0,
        };
        View { contacts: contacts.iter().map(contact).collect(), ..View::default() }
    }

    #[test]
    fn contacts_are_listed_by_name_and_those_of_one_name_by_fingerprint() {
        let view = view(&[(1, "dave"), (2, "Bob"), (3, "alice"), (5, "bob"), (4, "BOB")]);
        let listed: Vec<u8> = by_name(&view).iter().map(|contact| contact.fingerprint.0[0]).collect();
        assert_eq!(listed, [3, 2, 4, 5, 1]);
    }

    #[test]
    fn what_waits_for_an_identity_that_was_replaced_is_to_be_taken_back() {
        let mut view = view(&[(1, "bob"), (2, "bob")]);
        let old = Fingerprint([1; 20]);
        let wait = |view: &mut View, id: u8, contact: u8| {
            view.unsettled.insert(MessageId([id; 16]), (Fingerprint([contact; 20]), MessageState::Queued, None, Stamp(0)));
        };
        wait(&mut view, 7, 2);
        assert_eq!(left_behind(&view, old), None, "what waits for others is theirs");
        wait(&mut view, 8, 1);
        let one = "1 message to bob (01010101) waits, and goes nowhere. To take it back: thicket message cancel 08080808";
        assert_eq!(left_behind(&view, old).as_deref(), Some(one));
        wait(&mut view, 9, 1);
        let two = "2 messages to bob (01010101) wait, and go nowhere. To take each back: thicket message cancel ID; the first is 08080808";
        assert_eq!(left_behind(&view, old).as_deref(), Some(two));
    }
}
