//! Profiles are made and deleted: every step of it that changes files, but for the lock and the folder itself. A step is durable before
//! the next one, so that wherever it stops there is a profile, or none and the next one can be made.
//!
//! ```text
//!   create     vault.new.db ─▶ keys: a profile ─▶ vault.db
//!   restore    restore.new ─▶ vault.new.db ─▶ snapshot, segment ─▶ keys: a profile ─▶ vault.db ─▶ restore.new goes
//!   delete     keys.deleted: none any more ─▶ written over ─▶ all the rest goes ─▶ keys.deleted goes
//! ```

use crate::archive::{self, Archived};
use crate::folder::{self, NEW_VAULT_FILE, VAULT_FILE};
use crate::profile::Options;
use crate::site::{Site, VaultOf};
use crate::system::SharedEntropyHandle;
use thicket_engine::{ArchiveReader, Cut, Fault, ProfileKeys, begin_restored};
use thicket_reducer::ClientRules;
use thicket_types::ports::Clock;
use thicket_types::secret::Secret;
use thicket_vault::{NewAccount, SharedEntropy, SqlVault};

/// Makes the files of a new profile where [`Profile::vacant`](crate::Profile::vacant) found room, and what was cut off there goes.
///
/// The keys file comes last and makes it a profile: before it the vault has a name that says so, and what stands under its own name
/// was never put there by a create that failed.
///
/// **Errors:** as [`Profile::create`](crate::Profile::create), and what was made until then stays.
pub fn create(
    site: &mut dyn Site,
    new: &NewAccount,
    passphrase: &Secret<Vec<u8>>,
    options: Options,
    entropy: SharedEntropy,
) -> Result<(ProfileKeys, SqlVault), Fault> {
    folder::clear_unfinished(site)?;
    let mut source = SharedEntropyHandle(entropy.clone());
    let mut keys = ProfileKeys::make_all(&mut source, passphrase, options.cost)?;
    let key = keys.vault_key()?;
    let mut vault = VaultOf::new(site, NEW_VAULT_FILE, &key).create(entropy.clone(), new)?;
    // Into one file, which can be renamed.
    vault.checkpoint()?;
    drop(vault);
    keys.write_new(site.disk())?;
    folder::finish(site)?;
    let vault = VaultOf::new(site, VAULT_FILE, &key).open(entropy)?;
    Ok((keys, vault))
}

/// Makes the files of a profile of an archive, as [`create`] those of a new one: vault, journal and keys.
///
/// **Errors:** as [`Profile::restore`](crate::Profile::restore), and what was made until then stays.
pub fn restore(
    site: &mut dyn Site,
    reader: &mut ArchiveReader<'_>,
    passphrase: &Secret<Vec<u8>>,
    options: Options,
    entropy: &SharedEntropy,
    clock: &dyn Clock,
) -> Result<(ProfileKeys, SqlVault, Archived), Fault> {
    folder::clear_unfinished(site)?;
    folder::mark_restoring(site)?;
    let mut source = SharedEntropyHandle(entropy.clone());
    let mut keys = ProfileKeys::make_all(&mut source, passphrase, options.cost)?;
    let key = keys.vault_key()?;
    let mut restoring = VaultOf::new(site, NEW_VAULT_FILE, &key).restore(entropy.clone())?;
    let (account, state) = archive::read(reader, &mut |piece| restoring.put(piece))?;
    let mut vault = restoring.end(state.vault_count, account.at)?;
    // Into one file, which can be renamed.
    vault.checkpoint()?;
    drop(vault);
    let cut = Cut { durable: reader.durable(), stamp: account.stamp, state };
    begin_restored::<ClientRules>(site.disk(), &mut keys, &mut source, &cut, clock.now())?;
    keys.write_new(site.disk())?;
    folder::finish(site)?;
    let vault = VaultOf::new(site, VAULT_FILE, &key).open(entropy.clone())?;
    Ok((keys, vault, Archived::of(&account, cut.durable.seq, reader.counts(), reader.read_len())))
}

/// Deletes the files of a profile that is closed.
///
/// **Errors:** the disk's. What is left is ended by the next [`create`] or [`restore`].
pub fn delete(site: &mut dyn Site) -> Result<(), Fault> {
    folder::destroy_keys(site)?;
    folder::clear_deleted(site)
}
