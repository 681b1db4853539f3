//! Looks at a profile from outside: nothing is started and no relay asked. Another process may have it open meanwhile.
//!
//! ```text
//!   look ─▶ whole? ─yes─▶ done
//!     ▲        └─no─▶ is the lock free? ─yes─▶ hold it and look: what is found now counts
//!     └── a pause ───────────┘no, for 2 s ─▶ ProfileInUse
//! ```
//!
//! What another process does between two reads of ours (a new segment with a new key, an old snapshot removed, the vault of a
//! new profile named) looks like damage once, and is gone at the next look. So nothing counts as damage that was not found under
//! the lock.

use crate::Profile;
use crate::folder::{self, Held, VAULT_FILE};
use crate::site::OsSite;
use std::path::Path;
use std::time::{Duration, Instant};
use thicket_engine::{Fault, OsDisk, ProfileKeys, Unlocking};
use thicket_reducer::{ClientRules, View, view};
use thicket_types::error::Code;
use thicket_types::limits::PROFILE_LOOK_FOR;
use thicket_types::ports::{Disk, Durable};
use thicket_types::secret::Secret;
use thicket_vault::Reader;

/// The pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What one look has: the keys as they stand now, and the files that they open.
pub struct Look<'a> {
    /// `None` where there is no vault.
    folder: Option<&'a Path>,
    disk: Box<dyn Disk + 'a>,
    keys: ProfileKeys,
    /// Set where nothing can be written: SQLite then makes no log to read by.
    read_only: bool,
}

impl<'a> Look<'a> {
    /// A look at a journal that is in no profile's folder: there is no vault beside it.
    pub fn without_vault(disk: Box<dyn Disk + 'a>, keys: ProfileKeys) -> Look<'a> {
        Look { folder: None, disk, keys, read_only: true }
    }

    /// The profile's files with their keys, for who reads the journal itself.
    pub fn files(&mut self) -> (&mut dyn Disk, &ProfileKeys) {
        (&mut *self.disk, &self.keys)
    }

    /// The durable state, by the journal alone.
    pub fn view(&mut self) -> Result<View, Fault> {
        Ok(view(&thicket_engine::look::<ClientRules>(&mut *self.disk, &self.keys, None)?))
    }

    /// The durable state and the messages, which are of one time, or of what happens now. **Errors:** `RolledBack` where they are not;
    /// `ProfileMissing` where there is no vault.
    pub fn both(&mut self) -> Result<(View, Reader), Fault> {
        let reader = self.reader()?;
        Ok((of_one_time(&mut *self.disk, &self.keys, &reader)?, reader))
    }

    /// The block that the vault remembers; `None` where there is no vault, or none that can be read.
    pub fn remembered(&self) -> Option<Durable> {
        self.reader().ok()?.remembered().ok()?.durable
    }

    /// The messages and the identity. **Errors:** `ProfileMissing` where there is no vault.
    pub fn reader(&self) -> Result<Reader, Fault> {
        let folder = self.folder.ok_or(Fault::from(Code::ProfileMissing))?;
        let (vault, key) = (folder.join(VAULT_FILE), self.keys.vault_key()?);
        Ok(if self.read_only { Reader::open_read_only(&vault, &key)? } else { Reader::open(&vault, &key)? })
    }
}

/// The durable state, if it is of the vault's time.
///
/// Another process may write meanwhile: a block is durable before the vault remembers it, and a transaction is counted by the vault
/// before the journal. So the vault is asked for its block before the journal is read, and for its count after.
pub(crate) fn of_one_time(disk: &mut dyn Disk, keys: &ProfileKeys, reader: &Reader) -> Result<View, Fault> {
    let durable = reader.remembered()?.durable;
    let state = thicket_engine::look::<ClientRules>(disk, keys, durable)?;
    if state.vault_count > reader.remembered()?.count {
        return Err(Fault::from(Code::RolledBack));
    }
    Ok(view(&state))
}

impl Profile {
    /// Looks at the profile of a folder as [`Profile::look`], also while another process has it open.
    ///
    /// **Errors:** as [`Profile::look_into`].
    pub fn look_at(folder: &Path, passphrase: &Secret<Vec<u8>>) -> Result<(View, Reader), Fault> {
        Profile::look_into(folder, passphrase, |look| look.both())
    }

    /// Looks into the profile of a folder, also while another process has it open: again and again, until one look is good. A
    /// folder that nothing can be written into will do.
    ///
    /// **Errors:** the look's own; `ProfileMissing`, `WrongPassphrase`, `KeysDamaged`, `ProfileNewer`; `ProfileInUse` if another
    /// process writes without a pause.
    pub fn look_into<T>(
        folder: &Path,
        passphrase: &Secret<Vec<u8>>,
        mut look: impl FnMut(&mut Look<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut unlocking = Unlocking::new(passphrase);
        let mut once = |read_only| {
            let mut disk = OsDisk::new(folder);
            let keys = unlocking.unlock(&mut disk)?;
            look(&mut Look { folder: Some(folder), disk: Box::new(disk), keys, read_only })
        };
        let begun = Instant::now();
        loop {
            match once(false) {
                Err(fault) if may_be_anothers(fault.code) => {}
                looked => return looked,
            }
            // Only now: whoever wants to open the profile is not kept out by a look.
            match folder::hold(folder) {
                Ok(Held::Locked(_lock)) => {
                    folder::finish(&mut OsSite::new(folder))?;
                    return once(false);
                }
                Ok(Held::ReadOnly) => return once(true),
                Err(fault) if fault.code == Code::ProfileInUse && begun.elapsed() < PROFILE_LOOK_FOR.as_core() => {
                    std::thread::sleep(LOOK_EVERY);
                }
                Err(fault) => return Err(fault),
            }
        }
    }
}

/// Whether a fault may be what another process is at, or what a folder that nobody can write gives.
fn may_be_anothers(code: Code) -> bool {
    matches!(code, Code::JournalDamaged | Code::VaultDamaged | Code::RolledBack | Code::DiskFailed | Code::FileFailed | Code::Inconsistent)
}
