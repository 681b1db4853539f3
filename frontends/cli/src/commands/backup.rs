//! Backups: the profile in one file, and a profile of one.

use super::account::in_groups;
use crate::output::{Trouble, put_json, time_exact};
use crate::progress::Progress;
use crate::terminal::width;
use crate::text::{beside, counted};
use crate::{Global, files, home};
use std::path::{Path, PathBuf};
use thicket_client::{Archived, Options, Profile, SystemClock, SystemEntropy, share};
use thicket_engine::Fault;
use thicket_types::error::Code;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Write the identity, the contacts, the settings and all messages into one encrypted file.
    ///
    /// It opens with the passphrase that the profile has now, also after that is changed. It holds no key that messages are encrypted
    /// by: whoever goes on with it begins every conversation anew.
    ///
    /// Example: thicket backup create alice.thicket
    Create {
        /// The file; there must be none of this name.
        file: PathBuf,
    },
    /// Read a backup to its end, and say what it holds. Nothing is written.
    ///
    /// Example: thicket backup check alice.thicket
    Check {
        /// The file.
        file: PathBuf,
    },
    /// Make a profile of a backup, to go on with on this device.
    ///
    /// The device that it was made on stops at its next login, and says why. What came or was sent since the backup is on that device
    /// alone; what nobody has received comes here.
    ///
    /// Example: thicket backup restore alice.thicket
    Restore {
        /// The file.
        file: PathBuf,
    },
}

pub fn run(global: &Global, command: &Command) -> Result<(), Trouble> {
    match command {
        Command::Create { file } => {
            files::vacant(file)?;
            let at = home::at(global)?;
            let client = home::start_offline(global, at.unlock(global)?)?;
            let making = Progress::start(global, "writing the backup");
            let archived = client.archive(file, &at.passphrase, Options::default()).map_err(|fault| of_file(fault, file))?;
            client.close()?;
            drop(making);
            show(global, file, &archived)?;
            if !global.json {
                put!("\n{}", beside("It opens with the passphrase that the profile has now. Keep it on another device.", 0, width()))?;
            }
        }
        Command::Check { file } => {
            files::readable(file)?;
            let passphrase = home::passphrase_of_backup(global)?;
            let checking = Progress::start(global, "reading the backup");
            let archived = Profile::check_archive(file, &passphrase).map_err(|fault| of_file(fault, file))?;
            drop(checking);
            show(global, file, &archived)?;
            if !global.json {
                put!("\nThe backup is whole.")?;
            }
        }
        Command::Restore { file } => {
            let folder = home::folder(global)?;
            // Before anything is asked for.
            Profile::vacant(&folder)?;
            files::readable(file)?;
            let passphrase = home::passphrase_of_backup(global)?;
            let restoring = Progress::start(global, "making the profile");
            let entropy = share(Box::new(SystemEntropy));
            let (_, archived) = Profile::restore(&folder, file, &passphrase, Options::default(), entropy, &SystemClock::new()).map_err(
                |fault| match fault.code {
                    Code::DiskFull | Code::DiskFailed => fault.into(),
                    // The file can be read: it is the profile's folder.
                    Code::FileFailed => Trouble::Numbered(fault.code, Some(folder.display().to_string())),
                    _ => of_file(fault, file),
                },
            )?;
            drop(restoring);
            show(global, file, &archived)?;
            if !global.json {
                let next = format!("{} sync", global.again());
                let words =
                    "It is this device's now, under the backup's passphrase. Your contacts are asked to begin anew at the next login:";
                put!("\n{} {next}", beside(words, 0, width()))?;
                let other = "The device that it was made on stops at its next login. Do not take over there: delete the profile.";
                put!("{}", beside(other, 0, width()))?;
            }
        }
    }
    Ok(())
}

/// A fault of the file that was named.
fn of_file(fault: Fault, file: &Path) -> Trouble {
    let place = match fault.code {
        Code::ProfileNewer => format!("the backup {}", file.display()),
        _ => file.display().to_string(),
    };
    Trouble::Numbered(fault.code, Some(place))
}

fn show(global: &Global, file: &Path, archived: &Archived) -> Result<(), Trouble> {
    let Archived { name, fingerprint, at, seq, state, counts, len } = archived;
    if global.json {
        return put_json(&serde_json::json!({
            "file": file.display().to_string(),
            "name": name.text(),
            "fingerprint": fingerprint.hex(),
            "at_ms": at.0,
            "seq": seq.0,
            "state": state.hex(),
            "contacts": counts.contacts,
            "messages": counts.messages,
            "bytes": len,
        }));
    }
    put!("backup       {}, {}", file.display(), size(*len))?;
    put!("account      {}", name.text())?;
    put!("fingerprint  {}", in_groups(&fingerprint.hex()))?;
    put!("made         {}", time_exact(at.0))?;
    put!("holds        {}, {}", counted(counts.contacts, "contact"), counted(counts.messages, "message"))
}

/// Bytes as a person reads them.
fn size(len: u64) -> String {
    match len {
        0..10_240 => counted(len, "byte"),
        10_240..10_485_760 => format!("{} KiB", len / 1024),
        _ => format!("{} MiB", len / 1024 / 1024),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_shown_in_the_unit_that_a_person_reads() {
        let shown = [1, 10_239, 10_240, 10_485_759, 10_485_760].map(size);
        assert_eq!(shown, ["1 byte", "10239 bytes", "10 KiB", "10239 KiB", "10 MiB"]);
    }
}
