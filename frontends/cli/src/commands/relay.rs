//! The relay: registration with one, and the change to another.

use super::rows::from_hex;
use crate::output::{Trouble, put_json};
use crate::watch::Watch;
use crate::{Global, home, warn};
use std::path::PathBuf;
use thicket_client::Client;
use thicket_transport::Address;
use thicket_types::effect::Change;
use thicket_types::ids::RelayKey;
use thicket_types::intent::Intent;
use thicket_types::name::RelayAddress;

/// A way to a relay, which the address chooses: what it protects and what not, as status and doctor say it.
pub struct Way {
    /// Its name.
    pub transport: &'static str,
    /// What it hides from the relay.
    pub anonymity: &'static str,
    /// That in words.
    pub words: &'static str,
    /// What to do about it.
    pub todo: &'static str,
}

const DIRECT: Way = Way {
    transport: "direct",
    anonymity: "none",
    words: "direct gives no anonymity: the relay sees this machine's address, which links both lanes",
    todo: "use it where the relay may know where you are",
};
const LOOPBACK: Way = Way {
    transport: "loopback",
    anonymity: "none",
    words: "loopback gives no anonymity: the relay is in the same process",
    todo: "it is for the demo and for tests: use a relay of its own for anything else",
};

/// The way that an address chooses.
pub fn way(address: &RelayAddress) -> &'static Way {
    if address.text().starts_with("loopback:") { &LOOPBACK } else { &DIRECT }
}

#[derive(clap::Subcommand)]
pub enum Command {
    /// Use another relay, or the same one under another address. What waits at the old relay is fetched first.
    ///
    /// At another relay the name is registered anew. Contacts keep you as they know you: what you write tells them the way.
    ///
    /// Example: thicket relay change direct:KEY@relay.example:7070
    Change {
        /// The relay's address, as thicket-relayd prints it.
        address: String,
        #[command(flatten)]
        with: With,
    },
}

/// What goes with a relay's address.
#[derive(clap::Args)]
pub struct With {
    /// The relay's identity in hex, if you know it; otherwise it is pinned at first sight.
    #[arg(long, value_name = "HEX")]
    key: Option<String>,
    /// Read the registration token, which some relays ask for, from the first line of this file. THICKET_TOKEN works too.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl With {
    fn key(&self) -> Result<Option<RelayKey>, Trouble> {
        key(self.key.as_deref())
    }
}

/// A relay's identity as it was typed, if it was.
pub fn key(typed: Option<&str>) -> Result<Option<RelayKey>, Trouble> {
    let Some(typed) = typed else {
        return Ok(None);
    };
    let key = from_hex(typed).and_then(|bytes| RelayKey::parse(&bytes));
    key.map(Some).ok_or_else(|| Trouble::Usage(format!("{typed} is no relay's identity: that is 64 hex digits")))
}

/// A relay's address as it was typed.
pub fn address(typed: &str) -> Result<RelayAddress, Trouble> {
    Address::parse(typed).map_err(|error| Trouble::Usage(format!("{typed} is no relay's address: {error}")))?;
    RelayAddress::parse(typed).ok_or_else(|| Trouble::Usage(format!("{typed} is no relay's address")))
}

pub fn register(global: &Global, relay: &str, with: &With) -> Result<(), Trouble> {
    let (relay, key, token) = (address(relay)?, with.key()?, home::token(with.token_file.as_deref())?);
    let client = home::open(global)?;
    if client.view().registered {
        // Whether its relay still knows the account, the login tells.
        Watch::new(global, &client, "asking the relay for the account").until(|view, changes| {
            let told = changes.iter().any(|change| matches!(change, Change::Disconnected(_)));
            Ok((view.online || told).then_some(()))
        })?;
    }
    home::ask(&client, Intent::Register { relay, key, token })?;
    settle(global, &client, |view| view.registered && view.online)?;
    warn::of_clock(global, &client.view());
    let (name, _) = client.own();
    if global.json {
        put_json(&serde_json::json!({ "registered": name }))?;
    } else {
        put!("{name} is registered.")?;
    }
    Ok(client.close()?)
}

pub fn run(global: &Global, command: &Command) -> Result<(), Trouble> {
    let Command::Change { address: typed, with } = command;
    let (relay, key, token) = (address(typed)?, with.key()?, home::token(with.token_file.as_deref())?);
    let client = home::open(global)?;
    let view = client.view();
    if view.registered && view.relay.as_ref() != Some(&relay) && view.moving_from.as_ref() != Some(&relay) {
        // What waits at the old relay would be left there. One that does not answer can't hold the account. Whoever goes back to
        // where the account is leaves nothing.
        Watch::new(global, &client, "fetching what waits at the old relay").rest()?;
    }
    home::ask(&client, Intent::ChangeRelay { relay: relay.clone(), key, token })?;
    settle(global, &client, |view| view.online && view.relay.as_ref() == Some(&relay))?;
    if global.json {
        put_json(&serde_json::json!({ "relay": relay.text() }))?;
    } else {
        put!("This account is at {} now.", relay.text())?;
    }
    Ok(client.close()?)
}

/// Waits until the relay has the account, and then until key packages and the first fetch have gone out, so that one can be
/// written to at once.
fn settle(global: &Global, client: &Client, settled: impl Fn(&thicket_client::View) -> bool) -> Result<(), Trouble> {
    let mut watch = Watch::new(global, client, "waiting for the relay");
    let taken = watch.until(|view, changes| {
        let refused = changes.iter().find_map(|change| match change {
            Change::RegistrationRefused(code) => Some(*code),
            _ => None,
        });
        match refused {
            Some(code) => Err(code.into()),
            None => Ok(settled(view).then_some(())),
        }
    })?;
    if taken.is_none() {
        return Err(watch.silence());
    }
    watch.rest()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_chooses_the_way() {
        let transport = |text: &str| way(&RelayAddress::parse(text).expect("an address")).transport;
        assert_eq!(transport("loopback:demo"), "loopback");
        assert_eq!(transport(&format!("direct:{}@127.0.0.1:7070", "01".repeat(32))), "direct");
    }
}
