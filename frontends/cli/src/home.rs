//! The profile's folder and passphrase, and how a command opens it.

use crate::Global;
use crate::output::Trouble;
use etcetera::BaseStrategy as _;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use thicket_client::{Client, Profile, SystemEntropy, share};
use thicket_transport::DirectClient;
use thicket_types::error::Code;
use thicket_types::ids::Fingerprint;
use thicket_types::name::Name;
use thicket_types::secret::Secret;
use zeroize::Zeroize as _;

/// The profile's folder.
pub fn folder(global: &Global) -> Result<PathBuf, Trouble> {
    if let Some(home) = &global.home {
        return Ok(home.clone());
    }
    let base = etcetera::choose_base_strategy().map_err(|_| Trouble::Usage("there is no data folder here; give --home DIR".to_owned()))?;
    Ok(base.data_dir().join("thicket"))
}

/// The passphrase: from a file, from the environment, or from the terminal (twice, if it is a new one).
pub fn passphrase(global: &Global, new: bool) -> Result<Secret<Vec<u8>>, Trouble> {
    let given = match (&global.passphrase_file, std::env::var("THICKET_PASSPHRASE")) {
        (Some(file), _) => Some(first_line(file)?),
        (None, Ok(text)) => Some(Secret::new(text.into_bytes())),
        (None, Err(_)) => None,
    };
    let passphrase = match given {
        Some(passphrase) => passphrase,
        None if !std::io::stdin().is_terminal() => {
            return Err(Trouble::Usage("no terminal to ask for the passphrase on; give --passphrase-file FILE".to_owned()));
        }
        None => ask(new)?,
    };
    if passphrase.expose().is_empty() {
        return Err(Trouble::Usage("the passphrase is empty".to_owned()));
    }
    Ok(passphrase)
}

/// A new passphrase in place of the old one: from a file, or from the terminal, twice.
pub fn new_passphrase(file: Option<&Path>) -> Result<Secret<Vec<u8>>, Trouble> {
    let passphrase = match file {
        Some(file) => first_line(file)?,
        None if !std::io::stdin().is_terminal() => {
            return Err(Trouble::Usage("no terminal to ask for the new passphrase on; give --new-file FILE".to_owned()));
        }
        None => ask(true)?,
    };
    if passphrase.expose().is_empty() { Err(Trouble::Usage("the passphrase is empty".to_owned())) } else { Ok(passphrase) }
}

fn first_line(file: &Path) -> Result<Secret<Vec<u8>>, Trouble> {
    let mut text = std::fs::read_to_string(file).map_err(|error| Trouble::Usage(format!("{}: {error}", file.display())))?;
    let line = text.lines().next().unwrap_or_default().as_bytes().to_vec();
    text.zeroize();
    Ok(Secret::new(line))
}

fn ask(new: bool) -> Result<Secret<Vec<u8>>, Trouble> {
    let read = |prompt: &str| {
        let typed = rpassword::prompt_password(prompt).map_err(|error| Trouble::Usage(format!("the terminal: {error}")))?;
        Ok::<_, Trouble>(Secret::new(typed.into_bytes()))
    };
    if !new {
        return read("Passphrase: ");
    }
    eprintln!("Choose a passphrase. It cannot be recovered: whoever forgets it has lost this account.");
    let (first, second) = (read("Passphrase: ")?, read("Once more: ")?);
    if first.expose() != second.expose() {
        return Err(Trouble::Usage("the two differ; nothing was made".to_owned()));
    }
    Ok(first)
}

/// Unlocks the profile.
pub fn unlock(global: &Global) -> Result<Profile, Trouble> {
    let folder = folder(global)?;
    if !folder.join("keys").is_file() {
        return Err(Code::ProfileMissing.into());
    }
    unlock_with(global, &passphrase(global, false)?)
}

/// Unlocks the profile with a passphrase that was asked for already.
pub fn unlock_with(global: &Global, passphrase: &Secret<Vec<u8>>) -> Result<Profile, Trouble> {
    Ok(Profile::unlock(&folder(global)?, passphrase, share(Box::new(SystemEntropy)))?)
}

/// Unlocks the profile and starts it.
pub fn open(global: &Global) -> Result<Client, Trouble> {
    Ok(Client::open(unlock(global)?, Box::new(|waker| Box::new(DirectClient::new(Some(waker)))))?)
}

/// A name as it was typed.
pub fn name(text: &str) -> Result<Name, Trouble> {
    Name::parse(text).map_err(|_| Code::MalformedName.into())
}

/// The contact of a name.
pub fn contact(client: &Client, text: &str) -> Result<Fingerprint, Trouble> {
    client.contact(&name(text)?).map(|contact| contact.fingerprint).ok_or(Code::UnknownContact.into())
}
