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
    /// List contacts.
    ///
    /// Example: thicket contact list
    List,
}

pub fn run(global: &Global, command: &Command) -> Result<(), Trouble> {
    if matches!(command, Command::List) {
        let (view, _) = home::unlock(global)?.look()?;
        view.contacts.iter().for_each(|contact| line(global, contact));
        return Ok(());
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

fn show(global: &Global, client: &Client, text: &str) -> Result<(), Trouble> {
    let contact = client.contact(&home::name(text)?).ok_or(Code::UnknownContact)?;
    line(global, &contact);
    Ok(())
}

fn line(global: &Global, contact: &ContactView) {
    let standing = match (contact.held, contact.accepted) {
        (true, _) => "held: their identity changed",
        (false, true) => "accepted",
        (false, false) => "asks to be accepted",
    };
    if global.json {
        let json = serde_json::json!({
            "name": contact.name.text(),
            "fingerprint": contact.fingerprint.hex(),
            "accepted": contact.accepted,
            "held": contact.held,
        });
        println!("{json}");
    } else {
        println!("{:<20} {}  {standing}", contact.name.text(), in_groups(&contact.fingerprint.hex()));
    }
}
