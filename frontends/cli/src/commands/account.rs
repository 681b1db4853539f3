//! Accounts: made, shown, exported.

use crate::output::Trouble;
use crate::{Global, home};
use std::path::PathBuf;
use thicket_client::{Options, Origin, Profile, SystemClock, SystemEntropy, share};
use thicket_types::error::Code;
use thicket_types::secret::Secret;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Make a new account: an OpenPGP identity of this name, locked by a passphrase.
    ///
    /// Example: thicket account create alice
    Create {
        /// The name: 1 to 64 of A-Z a-z 0-9 _ -.
        name: String,
    },
    /// Make an account from an armored OpenPGP secret key that Thicket, or GnuPG from such a key, exported.
    ///
    /// The passphrase must be the key's own; it locks the new profile too.
    ///
    /// Example: thicket account import alice.asc
    Import {
        /// The key's file.
        file: PathBuf,
    },
    /// Print the identity as an armored OpenPGP secret key, locked by the profile's passphrase.
    ///
    /// Example: thicket account export > alice.asc
    Export,
    /// Change the passphrase. The new one is asked for on the terminal, or read from a file.
    ///
    /// Example: thicket account passphrase --new-file new.txt
    Passphrase {
        /// Read the new passphrase from the first line of this file.
        #[arg(long, value_name = "FILE")]
        new_file: Option<PathBuf>,
    },
    /// Delete the profile: keys, journal, messages. The name stays registered with its relay.
    ///
    /// Example: thicket account delete --yes
    Delete {
        /// Really delete it.
        #[arg(long)]
        yes: bool,
    },
    /// Show the account's name and fingerprint.
    ///
    /// Example: thicket account show
    Show,
}

pub fn run(global: &Global, command: &Command) -> Result<(), Trouble> {
    let profile = match command {
        Command::Create { name } => {
            let name = home::name(name)?;
            create(global, true, |_| Ok(Origin::New(name)))?
        }
        Command::Import { file } => create(global, false, |passphrase| {
            let armored = std::fs::read_to_string(file).map_err(|error| Trouble::Usage(format!("{}: {error}", file.display())))?;
            Ok(Origin::Imported { armored, passphrase: Secret::new(passphrase.expose().clone()) })
        })?,
        Command::Export => {
            let passphrase = home::passphrase(global, false)?;
            print!("{}", home::unlock_with(global, &passphrase)?.export(&passphrase)?);
            return Ok(());
        }
        Command::Passphrase { new_file } => {
            let mut profile = home::unlock(global)?;
            profile.rekey(&home::new_passphrase(new_file.as_deref())?)?;
            profile
        }
        Command::Delete { yes: false } => return Err(Trouble::Usage("nothing is deleted without --yes: it cannot be undone".to_owned())),
        Command::Delete { yes: true } => {
            let profile = home::unlock(global)?;
            let name = profile.own().0;
            profile.delete()?;
            if global.json {
                println!("{}", serde_json::json!({ "deleted": name }));
            } else {
                println!("{name} is deleted from this device.");
            }
            return Ok(());
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
    if matches!(command, Command::Create { .. } | Command::Import { .. }) {
        println!("\nNext: thicket register --relay ADDRESS");
    }
    Ok(())
}

fn create(global: &Global, new: bool, origin: impl FnOnce(&Secret<Vec<u8>>) -> Result<Origin, Trouble>) -> Result<Profile, Trouble> {
    let folder = home::folder(global)?;
    if folder.join("keys").exists() {
        return Err(Code::ProfileExists.into());
    }
    let passphrase = home::passphrase(global, new)?;
    let origin = origin(&passphrase)?;
    Ok(Profile::create(&folder, origin, &passphrase, Options::default(), share(Box::new(SystemEntropy)), &SystemClock::new())?)
}

/// A fingerprint in groups of four, as OpenPGP programs show it.
pub fn in_groups(hex: &str) -> String {
    let upper = hex.to_ascii_uppercase();
    upper.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
}
