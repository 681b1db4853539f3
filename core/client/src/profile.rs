//! A profile's folder: its lock, and how it is made and opened.

use crate::folder::{self, Lock, Making, VAULT_FILE};
use crate::look;
use crate::making;
use crate::pump::{Pump, named_bodies};
use crate::site::OsSite;
use crate::system::SharedEntropyHandle;
use std::path::{Path, PathBuf};
use thicket_engine::{Engine, Fault, Input, Opened, OsDisk, ProfileKeys};
use thicket_journal_format::keys::Cost;
use thicket_reducer::{ClientRules, View};
use thicket_types::error::Code;
use thicket_types::ids::IntentId;
use thicket_types::intent::Intent;
use thicket_types::ports::{Clock, Entropy as _, Transport, Vault as _};
use thicket_types::secret::Secret;
use thicket_vault::{NewAccount, Origin, Reader, SharedEntropy, SqlVault};

/// What a profile is opened with beside its passphrase.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Argon2id's cost for a new profile. Default: 64 MiB, 3 passes, 1 lane (RFC 9106 §4, second recommendation, on one lane).
    pub cost: Cost,
}

impl Default for Options {
    fn default() -> Self {
        Options { cost: Cost { memory_kib: 64 * 1024, passes: 3, lanes: 1 } }
    }
}

/// An unlocked profile: locked against other processes for as long as this lives.
pub struct Profile {
    folder: PathBuf,
    keys: ProfileKeys,
    vault: SqlVault,
    entropy: SharedEntropy,
    lock: Lock,
}

impl Profile {
    /// Refuses a folder in which no profile can be made: one that is there must be empty. What a create or a deletion left that was cut
    /// off does not count.
    ///
    /// **Errors:** `ProfileExists`, `FolderNotEmpty`, the disk's.
    pub fn vacant(folder: &Path) -> Result<(), Fault> {
        folder::vacant(folder)
    }

    /// Makes a new profile, with a new identity or an imported one. The folder may be there, and empty; it is its owner's alone
    /// from then on.
    ///
    /// **Errors:** as [`Profile::vacant`]; `ProfileInUse`; of an imported key `WrongPassphrase`, `BadCertificate` and
    /// `MalformedName`. After an error all is as before.
    pub fn create(
        folder: &Path,
        origin: Origin,
        passphrase: &Secret<Vec<u8>>,
        options: Options,
        entropy: SharedEntropy,
        clock: &dyn Clock,
    ) -> Result<Profile, Fault> {
        let making = Making::begin(folder)?;
        let new = NewAccount { origin, at: clock.now() };
        match making::create(&mut OsSite::new(folder), &new, passphrase, options, entropy.clone()) {
            Ok((keys, vault)) => Ok(Profile::made(folder, keys, vault, entropy, making.done()?)),
            Err(fault) => {
                making.clear();
                Err(fault)
            }
        }
    }

    /// Unlocks a profile.
    ///
    /// **Errors:** `ProfileMissing`, `ProfileInUse`, `WrongPassphrase`, `KeysDamaged`, `VaultDamaged`, `ProfileNewer`. Nothing
    /// is changed by a failed unlock, but that a deletion which was cut off is ended.
    pub fn unlock(folder: &Path, passphrase: &Secret<Vec<u8>>, entropy: SharedEntropy) -> Result<Profile, Fault> {
        if !folder.join(thicket_engine::KEYS_FILE).is_file() {
            folder::end_deletion(folder)?;
            return Err(Fault::from(Code::ProfileMissing));
        }
        let lock = folder::lock(folder)?;
        let keys = ProfileKeys::unlock(&mut OsDisk::new(folder), passphrase)?;
        folder::finish(&mut OsSite::new(folder))?;
        let vault = SqlVault::open(&folder.join(VAULT_FILE), &keys.vault_key()?, entropy.clone())?;
        Ok(Profile { folder: folder.to_path_buf(), keys, vault, entropy, lock })
    }

    /// Ends the deletion of a profile that was cut off, if there is one in this folder. **Errors:** `ProfileInUse`, the disk's.
    pub fn end_deletion(folder: &Path) -> Result<(), Fault> {
        folder::end_deletion(folder)
    }

    pub(crate) fn made(folder: &Path, keys: ProfileKeys, vault: SqlVault, entropy: SharedEntropy, lock: Lock) -> Profile {
        Profile { folder: folder.to_path_buf(), keys, vault, entropy, lock }
    }

    /// The name and the certificate's fingerprint.
    pub fn own(&self) -> (String, thicket_types::ids::Fingerprint) {
        let (name, certificate) = self.vault.own();
        (name.to_owned(), certificate.fingerprint())
    }

    /// Changes the passphrase. After an error the old one still opens the profile.
    pub fn rekey(&mut self, passphrase: &Secret<Vec<u8>>) -> Result<(), Fault> {
        let mut entropy = SharedEntropyHandle(self.entropy.clone());
        self.keys.rekey(&mut OsDisk::new(&self.folder), &mut entropy, passphrase)
    }

    /// Deletes the profile: its keys first, without which the rest is noise, then all its files, and the folder if there is
    /// nothing else in it. Says whether the folder went. The name stays registered. What a crash leaves of it, the next create, restore
    /// or unlock in the folder removes.
    pub fn delete(self) -> Result<bool, Fault> {
        let Profile { folder, keys: _, vault, entropy: _, lock } = self;
        folder::destroy_keys(&mut OsSite::new(&folder))?;
        drop(vault);
        folder::empty(&folder, lock)
    }

    /// A second connection to the vault, for views.
    pub fn reader(&self) -> Result<Reader, Fault> {
        Ok(Reader::open(&self.folder.join(VAULT_FILE), &self.keys.vault_key()?)?)
    }

    /// The durable state and the messages, without starting anything: no byte is written and no relay asked.
    ///
    /// **Errors:** as [`Profile::open`].
    pub fn look(&self) -> Result<(View, Reader), Fault> {
        let reader = self.reader()?;
        Ok((look::of_one_time(&mut OsDisk::new(&self.folder), &self.keys, &reader)?, reader))
    }

    /// Folds the journal and wires everything together. What was outstanding is dispatched at the first pump.
    ///
    /// **Errors:** `JournalDamaged` with its place, `RolledBack`, `ProfileNewer`, the disk's.
    pub fn open(self, transport: Box<dyn Transport + Send>, clock: Box<dyn Clock + Send>) -> Result<Pump<SqlVault>, Fault> {
        let Profile { folder, keys, mut vault, entropy, lock } = self;
        let remembered = vault.remembered()?;
        let disk = Box::new(OsDisk::new(&folder));
        let (engine, opened) = Engine::<ClientRules>::open(disk, clock, Box::new(SharedEntropyHandle(entropy)), keys, remembered)?;
        Profile::wire(engine, opened, vault, transport, lock)
    }

    /// Opens a profile that [`Profile::open`] refuses as `RolledBack`, to go on with it: that is the first thing in its journal,
    /// and the relay is told so at the login. No group there is sends again; contacts are asked to begin anew. What only the
    /// missing part of journal or vault held is lost.
    ///
    /// **Errors:** `NotCopied` if journal and vault are of the same time; otherwise as [`Profile::open`]. After an error the
    /// profile is refused as before, unless only the vault's sweep failed, which each open does: then it is taken over, and
    /// [`Profile::open`] goes on with it. **Repeat:** does it once more.
    pub fn open_to_take_over(self, transport: Box<dyn Transport + Send>, clock: Box<dyn Clock + Send>) -> Result<Pump<SqlVault>, Fault> {
        let Profile { folder, keys, mut vault, entropy, lock } = self;
        let remembered = vault.remembered()?;
        let disk = Box::new(OsDisk::new(&folder));
        let mut entropy = SharedEntropyHandle(entropy);
        let mut id = [0; IntentId::LEN];
        entropy.fill(&mut id);
        let rejoin = Input::Intent(IntentId(id), Intent::Rejoin);
        let (mut engine, opened) = Engine::<ClientRules>::open_apart(disk, clock, Box::new(entropy), keys, remembered, rejoin)?;
        // In this order: dying in between leaves a profile that is refused, and can be taken over once more.
        vault.rejoin(engine.durable(), engine.state().vault_count)?;
        engine.drop_passed_over()?;
        Profile::wire(engine, opened, vault, transport, lock)
    }

    fn wire(
        engine: Engine<ClientRules>,
        opened: Opened,
        mut vault: SqlVault,
        transport: Box<dyn Transport + Send>,
        lock: Lock,
    ) -> Result<Pump<SqlVault>, Fault> {
        let named = named_bodies(engine.state());
        vault.sweep(&named)?;
        Ok(Pump::new(engine, opened, vault, transport, Some(lock)))
    }
}
