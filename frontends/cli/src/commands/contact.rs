//! Contacts: looked up, accepted, listed.

use super::account::in_groups;
use crate::output::Trouble;
use crate::{Global, home};
use std::time::Instant;
use thicket_client::{Client, ContactView};
use thicket_types::effect::Change;
use thicket_types::error::Code;
use thicket_types::intent::{Answer, Intent};

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
    /// Decline a contact who wrote first: they leave the list, and are told nothing.
    ///
    /// Example: thicket contact decline mallory
    Decline {
        /// Their name.
        name: String,
    },
    /// Block a contact: what they send is dropped unread.
    ///
    /// Example: thicket contact block mallory
    Block {
        /// Their name.
        name: String,
    },
    /// Unblock a contact.
    ///
    /// Example: thicket contact unblock mallory
    Unblock {
        /// Their name.
        name: String,
    },
    /// Remove a contact and all messages with them. If they write again, they ask to be accepted.
    ///
    /// Example: thicket contact remove mallory
    Remove {
        /// Their name.
        name: String,
    },
    /// Show the safety number to compare with a contact, as digits and as a QR code.
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
    /// List contacts.
    ///
    /// Example: thicket contact list
    List,
}

pub fn run(global: &Global, command: &Command) -> Result<(), Trouble> {
    match command {
        Command::List => {
            let (view, _) = home::unlock(global)?.look()?;
            view.contacts.iter().for_each(|contact| line(global, contact));
            return Ok(());
        }
        Command::Verify { name, done: false } => return compare(global, name),
        _ => {}
    }
    let client = home::open(global)?;
    match command {
        Command::Add { name } => add(global, &client, name)?,
        Command::Accept { name } => {
            let contact = home::contact(&client, name)?;
            asked(&client, Intent::AcceptContact { contact })?;
            // The receipts that were held back go out now, if the relay is there.
            client.wait_for(global.patience(), |view| view.at_rest.then_some(()));
            show(global, &client, name)?;
        }
        Command::Decline { name } => {
            asked(&client, Intent::DeclineContact { contact: home::contact(&client, name)? })?;
            done(global, name, "declined");
        }
        Command::Block { name } | Command::Unblock { name } => {
            let blocked = matches!(command, Command::Block { .. });
            asked(&client, Intent::BlockContact { contact: home::contact(&client, name)?, blocked })?;
            show(global, &client, name)?;
        }
        Command::Remove { name } => {
            asked(&client, Intent::RemoveContact { contact: home::contact(&client, name)? })?;
            done(global, name, "removed");
        }
        Command::Verify { name, .. } => {
            asked(&client, Intent::VerifyContact { contact: home::contact(&client, name)?, verified: true })?;
            show(global, &client, name)?;
        }
        Command::Trust { name } => {
            let old = home::contact(&client, name)?;
            asked(&client, Intent::AcceptIdentity { contact: old })?;
            let found = client.wait_for(global.patience(), |view| {
                view.contacts.iter().any(|known| known.fingerprint != old && known.proved && !known.held).then_some(())
            });
            found.ok_or(Code::RelayUnreachable)?;
            show(global, &client, name)?;
        }
        Command::List => {}
    }
    Ok(client.close()?)
}

fn asked(client: &Client, intent: Intent) -> Result<(), Trouble> {
    match client.submit(Client::intent_id(), intent)? {
        Answer::Accepted | Answer::Queued(_) => Ok(()),
        Answer::Refused(code) => Err(code.into()),
    }
}

fn add(global: &Global, client: &Client, text: &str) -> Result<(), Trouble> {
    let name = home::name(text)?;
    if client.contact(&name).is_none() {
        asked(client, Intent::AddContact { name: name.clone() })?;
        let deadline = Instant::now() + global.patience();
        while client.contact(&name).is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Code::RelayUnreachable.into());
            }
            for change in client.next_changes(64, left) {
                if let Change::LookupFailed(code) = change {
                    return Err(code.into());
                }
            }
        }
    }
    show(global, client, text)
}

fn done(global: &Global, name: &str, what: &str) {
    if global.json {
        println!("{}", serde_json::json!({ "name": name, "done": what }));
    } else {
        println!("{name} is {what}.");
    }
}

/// Shows the number that both sides compare. Asks no relay.
fn compare(global: &Global, text: &str) -> Result<(), Trouble> {
    let (view, reader) = home::unlock(global)?.look()?;
    let contact = view.contact(&home::name(text)?).ok_or(Code::UnknownContact)?;
    let number = reader.safety_number(contact.fingerprint)?.ok_or(Code::UnknownContact)?;
    if global.json {
        println!("{}", serde_json::json!({ "name": contact.name.text(), "safety_number": number, "verified": contact.verified }));
        return Ok(());
    }
    let (first, second) = number.split_at(number.len() / 2);
    println!("Compare with {}, face to face or over a call:\n", contact.name.text());
    println!("    {}\n    {}\n", first.trim(), second.trim());
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    if let Ok(code) = qrcode::QrCode::new(digits) {
        println!("{}", code.render::<qrcode::render::unicode::Dense1x2>().build());
    }
    println!("\nIf both show the same: thicket contact verify {} --done", contact.name.text());
    Ok(())
}

fn show(global: &Global, client: &Client, text: &str) -> Result<(), Trouble> {
    let contact = client.contact(&home::name(text)?).ok_or(Code::UnknownContact)?;
    line(global, &contact);
    Ok(())
}

fn line(global: &Global, contact: &ContactView) {
    let standing = if contact.held {
        "HELD: the directory shows another identity under this name; compare, then contact trust"
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
        println!("{json}");
    } else {
        println!("{:<20} {}  {standing}", contact.name.text(), in_groups(&contact.fingerprint.hex()));
    }
}
