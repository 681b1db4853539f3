//! Contacts: looked up, accepted, listed.

use super::account::in_groups;
use crate::output::{Trouble, put_json};
use crate::watch::Watch;
use crate::{Global, home, warn};
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};
use thicket_client::{Client, ContactView};
use thicket_types::effect::Change;
use thicket_types::error::Code;
use thicket_types::ids::Fingerprint;
use thicket_types::intent::Intent;

/// How long a contact who is there gets to follow a renewal of keys.
const FOLLOW_FOR: Duration = Duration::from_secs(3);

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
        /// Their name.
        name: String,
    },
    /// Decline a contact who wrote first: they leave the list, and are told nothing. Asks no relay.
    ///
    /// Example: thicket contact decline mallory
    Decline {
        /// Their name.
        name: String,
    },
    /// Block a contact: what they send is dropped unread. Asks no relay; it is told at the next command that does.
    ///
    /// Example: thicket contact block mallory
    Block {
        /// Their name.
        name: String,
    },
    /// Unblock a contact. Asks no relay.
    ///
    /// Example: thicket contact unblock mallory
    Unblock {
        /// Their name.
        name: String,
    },
    /// Remove a contact and all messages with them. If they write again, they ask to be accepted. Asks no relay.
    ///
    /// Example: thicket contact remove mallory
    Remove {
        /// Their name.
        name: String,
    },
    /// Show the safety number to compare with a contact, as digits and as a QR code. Asks no relay.
    ///
    /// Example: thicket contact verify bob --done
    Verify {
        /// Their name.
        name: String,
        /// The numbers are equal: mark the contact as verified.
        #[arg(long)]
        done: bool,
    },
    /// Go on with the identity that the directory shows now, after a warning that it changed.
    ///
    /// Example: thicket contact trust bob
    Trust {
        /// Their name.
        name: String,
    },
    /// Renew your keys in the conversation with a contact. It is done weekly as well.
    ///
    /// Whoever learned the keys until now can read nothing that is written after it. It holds as soon as the contact's device
    /// has followed.
    ///
    /// Example: thicket contact update bob
    Update {
        /// Their name.
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
            view.contacts.iter().try_for_each(|contact| line(global, contact))?;
            warn::of_identity(global, &view, None);
            Ok(())
        }
    }
}

fn add(global: &Global, text: &str) -> Result<(), Trouble> {
    let client = home::open(global)?;
    let name = home::name(text)?;
    // A stranger calls themselves what they like: whom the directory shows under the name, only it can tell.
    if client.contact(&name).is_none_or(|known| !known.proved) {
        home::ask(&client, Intent::AddContact { name: name.clone() })?;
        let mut watch = Watch::new(global, &client, "looking them up");
        let found = watch.until(|view, changes| {
            let failed = changes.iter().find_map(|change| match change {
                Change::LookupFailed { name: failed, cause } if failed.key() == name.key() => Some(*cause),
                _ => None,
            });
            match failed {
                Some(code) => Err(code.into()),
                None => Ok(view.contact(&name).filter(|known| known.proved || known.held).map(|_| ())),
            }
        })?;
        if found.is_none() {
            return Err(watch.silence());
        }
    }
    show(global, client, text)
}

fn accept(global: &Global, text: &str) -> Result<(), Trouble> {
    let client = home::open(global)?;
    home::ask(&client, Intent::AcceptContact { contact: home::contact(&client, text)? })?;
    // The receipts that were held back go out now, if the relay is there.
    Watch::new(global, &client, "waiting for the relay").rest()?;
    show(global, client, text)
}

/// What this device does alone, after which the contact is not listed any more.
fn gone(global: &Global, text: &str, what: &str, intent: impl FnOnce(Fingerprint) -> Intent) -> Result<(), Trouble> {
    let client = home::open_offline(global)?;
    home::ask(&client, intent(home::contact(&client, text)?))?;
    done(global, text, what)?;
    Ok(client.close()?)
}

/// What this device does alone, after which the contact is shown.
fn set(global: &Global, text: &str, intent: impl FnOnce(Fingerprint) -> Intent) -> Result<(), Trouble> {
    let client = home::open_offline(global)?;
    home::ask(&client, intent(home::contact(&client, text)?))?;
    show(global, client, text)
}

fn trust(global: &Global, text: &str) -> Result<(), Trouble> {
    let client = home::open(global)?;
    let old = home::contact(&client, text)?;
    home::ask(&client, Intent::AcceptIdentity { contact: old })?;
    let name = home::name(text)?;
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
    show(global, client, text)
}

fn update(global: &Global, text: &str) -> Result<(), Trouble> {
    let client = home::open(global)?;
    let contact = home::contact(&client, text)?;
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
    let followed = followed.unwrap_or(false);
    if global.json {
        put_json(&serde_json::json!({ "name": text, "done": if followed { "updated" } else { "asked" } }))?;
    } else if followed {
        put!("Your keys in the conversation with {text} are renewed.")?;
    } else {
        put!("Your keys are renewed as soon as {text}'s device has followed.")?;
    }
    Ok(client.close()?)
}

fn done(global: &Global, name: &str, what: &str) -> Result<(), Trouble> {
    if global.json { put_json(&serde_json::json!({ "name": name, "done": what })) } else { put!("{name} is {what}.") }
}

/// Shows the number that both sides compare. Asks no relay.
fn compare(global: &Global, text: &str) -> Result<(), Trouble> {
    let (view, reader) = home::look(global)?;
    let contact = view.contact(&home::name(text)?).ok_or(Code::UnknownContact)?;
    let number = reader.safety_number(contact.fingerprint)?.ok_or(Code::UnknownContact)?;
    if global.json {
        put_json(&serde_json::json!({ "name": contact.name.text(), "safety_number": number, "verified": contact.verified }))?;
        return Ok(());
    }
    let (first, second) = number.split_at(number.len() / 2);
    put!("Compare with {}, face to face or over a call:\n", contact.name.text())?;
    put!("    {}\n    {}\n", first.trim(), second.trim())?;
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    if let Ok(code) = qrcode::QrCode::new(digits) {
        let paint = global.color.paint(std::io::stdout().is_terminal());
        let rows = code.render::<qrcode::render::unicode::Dense1x2>().build();
        rows.lines().try_for_each(|row| put!("{}", paint.paper(row)))?;
    }
    put!("\nIf both show the same: {} contact verify {} --done", global.again(), contact.name.text())?;
    Ok(())
}

/// Shows a contact, and closes the profile.
fn show(global: &Global, client: Client, text: &str) -> Result<(), Trouble> {
    let contact = client.contact(&home::name(text)?).ok_or(Code::UnknownContact)?;
    line(global, &contact)?;
    Ok(client.close()?)
}

fn line(global: &Global, contact: &ContactView) -> Result<(), Trouble> {
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
    if global.json {
        let json = serde_json::json!({
            "name": contact.name.text(),
            "fingerprint": contact.fingerprint.hex(),
            "accepted": contact.accepted,
            "blocked": contact.blocked,
            "verified": contact.verified,
            "held": contact.held,
        });
        put_json(&json)
    } else {
        put!("{:<20} {}  {standing}", contact.name.text(), in_groups(&contact.fingerprint.hex()))
    }
}
