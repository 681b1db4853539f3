//! Accounts: made, shown, exported.

use crate::output::Trouble;
use crate::{Global, home};
use thicket_client::{Options, Profile, SystemClock, SystemEntropy, share};

#[derive(clap::Subcommand)]
pub enum Command {
    /// Make a new account: an OpenPGP identity of this name, locked by a passphrase.
    ///
    /// Example: thicket account create alice
    Create {
        /// The name: 1 to 64 of A-Z a-z 0-9 _ -.
        name: String,
    },
    /// Show the account's name and fingerprint.
    ///
    /// Example: thicket account show
    Show,
}

pub fn run(global: &Global, command: &Command) -> Result<(), Trouble> {
    let profile = match command {
        Command::Create { name } => {
            let (folder, name) = (home::folder(global)?, home::name(name)?);
            if folder.join("keys").exists() {
                return Err(thicket_types::error::Code::ProfileExists.into());
            }
            let passphrase = home::passphrase(global, true)?;
            Profile::create(&folder, &name, &passphrase, Options::default(), share(Box::new(SystemEntropy)), &SystemClock::new())?
        }
        Command::Show => home::unlock(global)?,
    };
    let (name, fingerprint) = profile.own();
    if global.json {
        println!("{}", serde_json::json!({ "name": name, "fingerprint": fingerprint.hex() }));
        return Ok(());
    }
    println!("name         {name}");
    println!("fingerprint  {}", in_groups(&fingerprint.hex()));
    if matches!(command, Command::Create { .. }) {
        println!("\nNext: thicket register --relay ADDRESS");
    }
    Ok(())
}

/// A fingerprint in groups of four, as OpenPGP programs show it.
pub fn in_groups(hex: &str) -> String {
    let upper = hex.to_ascii_uppercase();
    upper.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
}
