//! Accounts: made, shown, exported.

use crate::output::{Trouble, put_json};
use crate::progress::Progress;
use crate::watch::Watch;
use crate::{Global, home};
use std::io::IsTerminal as _;
use std::path::PathBuf;
use thicket_client::{Options, Origin, Profile, SystemClock, SystemEntropy, share};
use thicket_types::error::Code;
use thicket_types::intent::Intent;
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
    /// Go on with this copy of the profile after the relay has met another one, say of a restored backup.
    ///
    /// Every conversation begins anew from here. The other copy must not be used any more: delete it.
    ///
    /// Also for a profile whose journal and vault are not of the same time (error 305): what only the missing part held is lost.
    ///
    /// Example: thicket account take-over --yes
    TakeOver {
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Show the account's name and fingerprint.
    ///
    /// Example: thicket account show
    Show,
}

/// Which key is imported. It is another profile's, or none's: it is not called with `--home` of this one.
const OF_THE_KIND: &str =
    "an armored secret key is expected, as thicket account export writes it, or gpg --armor --export-secret-keys of such a key.";
/// What opens it.
const OF_THE_KEY: &str = "give the one that the key was locked by; a forgotten one cannot be recovered.";

pub fn run(global: &Global, command: &Command) -> Result<(), Trouble> {
    let (name, fingerprint) = match command {
        Command::Create { name } => {
            let name = home::name(name)?;
            create(global, true, |_| Ok(Origin::New(name)))?.own()
        }
        Command::Import { file } => create(global, false, |passphrase| {
            let armored = home::armored(file)?;
            Ok(Origin::Imported { armored, passphrase: Secret::new(passphrase.expose().clone()) })
        })
        .map_err(|trouble| match trouble {
            Trouble::Numbered(code @ Code::WrongPassphrase, None) => {
                Trouble::Advised(code, Some(file.display().to_string()), OF_THE_KEY.to_owned())
            }
            Trouble::Numbered(code @ Code::BadCertificate, None) => {
                Trouble::Advised(code, Some(file.display().to_string()), OF_THE_KIND.to_owned())
            }
            other => other,
        })?
        .own(),
        Command::Export => {
            let at = home::at(global)?;
            let armored = home::reader(global, &at)?.export(&at.passphrase, &mut SystemEntropy)?;
            return if global.json { put_json(&serde_json::json!({ "armored": armored })) } else { put!("{}", armored.trim_end()) };
        }
        Command::Passphrase { new_file } => {
            let mut profile = home::at_by_old_passphrase(global)?.unlock(global)?;
            profile.rekey(&home::new_passphrase(new_file.as_deref())?)?;
            let (name, _) = profile.own();
            return if global.json {
                put_json(&serde_json::json!({ "name": name, "done": "changed" }))
            } else {
                put!("The passphrase of {name} is changed.")
            };
        }
        Command::Delete { yes: false } => return Err(Trouble::Usage("nothing is deleted without --yes: it cannot be undone".to_owned())),
        Command::Delete { yes: true } => {
            let profile = home::unlock(global)?;
            let name = profile.own().0;
            let folder_went = profile.delete()?;
            if global.json {
                put_json(&serde_json::json!({ "deleted": name }))?;
            } else {
                put!("{name} is deleted from this device.")?;
                put!("A relay that the name was registered with keeps it: nobody else can take it there.")?;
            }
            if !folder_went {
                note!("What else is in {} stays.", home::folder(global)?.display());
            }
            return Ok(());
        }
        Command::TakeOver { yes } => return take_over(global, *yes),
        Command::Show => home::reader(global, &home::at(global)?)?.own()?,
    };
    if global.json {
        put_json(&serde_json::json!({ "name": name, "fingerprint": fingerprint.hex() }))?;
        return Ok(());
    }
    put!("name         {name}")?;
    put!("fingerprint  {}", in_groups(&fingerprint.hex()))?;
    if matches!(command, Command::Create { .. } | Command::Import { .. }) {
        put!("\nNext: {} register --relay ADDRESS", global.again())?;
    }
    if matches!(command, Command::Import { .. }) {
        put!("Then add your contacts: {} contact add NAME", global.again())?;
        put!("What they wrote to a lost device comes again.")?;
    }
    Ok(())
}

fn create(global: &Global, new: bool, origin: impl FnOnce(&Secret<Vec<u8>>) -> Result<Origin, Trouble>) -> Result<Profile, Trouble> {
    let folder = home::folder(global)?;
    // Before anything is asked for.
    Profile::vacant(&folder)?;
    let passphrase = home::passphrase(global, new)?;
    let origin = origin(&passphrase)?;
    let _making = Progress::start(global, "making the profile");
    let made = Profile::create(&folder, origin, &passphrase, Options::default(), share(Box::new(SystemEntropy)), &SystemClock::new());
    made.map_err(|fault| match fault.code {
        Code::DiskFailed => Trouble::Numbered(fault.code, Some(folder.display().to_string())),
        _ => fault.into(),
    })
}

fn take_over(global: &Global, yes: bool) -> Result<(), Trouble> {
    if !yes && (global.json || !std::io::stdin().is_terminal()) {
        return Err(Trouble::Usage("nothing is taken over without --yes: the other copy of this profile is of no use after it".to_owned()));
    }
    let at = home::at(global)?;
    let agreed = |met: &[&str]| match yes || confirmed(met)? {
        true => Ok(()),
        false => Err(Trouble::Usage("nothing was changed".to_owned())),
    };
    let client = match home::start(global, at.unlock(global)?) {
        Ok(client) => {
            // The relay says so at the login, if it has not before.
            let mut watch = Watch::new(global, &client, "waiting for the relay");
            watch.until(|view, _| Ok((view.online || view.copied || !view.registered).then_some(())))?;
            drop(watch);
            if client.view().copied {
                agreed(MET_BY_RELAY)?;
            }
            home::ask(&client, Intent::TakeOver)?;
            client
        }
        Err(Trouble::Numbered(Code::RolledBack, _)) => {
            agreed(MET_BY_OPEN)?;
            home::start_to_take_over(global, at.unlock(global)?)?
        }
        Err(trouble) => return Err(trouble),
    };
    if !client.view().registered {
        // The journal is of a time before that: the account is the same, and can be registered once more.
        client.close()?;
        return Err(Code::NotRegistered.into());
    }
    let mut watch = Watch::new(global, &client, "waiting for the relay");
    if watch.until(|view, _| Ok(view.online.then_some(())))?.is_none() {
        return Err(watch.silence());
    }
    watch.rest()?;
    drop(watch);
    let (name, _) = client.own();
    if global.json {
        put_json(&serde_json::json!({ "name": name, "done": "taken over" }))?;
    } else {
        put!("{name} goes on here. Your contacts are asked to begin anew; delete the other copy.")?;
    }
    Ok(client.close()?)
}

const MET_BY_RELAY: &[&str] = &["The relay has met another copy of this profile: on another device, or from a backup."];
const MET_BY_OPEN: &[&str] = &[
    "Journal and vault of this profile are not of the same time: one of them was put back from a backup.",
    "What was written since stands in one of them alone, and part of it is lost if you go on here.",
];

/// Explains, and asks on the terminal.
fn confirmed(met: &[&str]) -> Result<bool, Trouble> {
    met.iter().for_each(|line| note!("{line}"));
    note!("If you go on here, every conversation begins anew from here, and the other copy must not be used any more.");
    note!("If the other copy is the newer one, use that one instead, and delete this.");
    note!("Type yes to go on here:");
    let mut typed = String::new();
    std::io::stdin().read_line(&mut typed).map_err(|error| Trouble::stream("the terminal", &error))?;
    Ok(typed.trim() == "yes")
}

/// A fingerprint in groups of four, as OpenPGP programs show it.
pub fn in_groups(hex: &str) -> String {
    let upper = hex.to_ascii_uppercase();
    upper.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
}
