//! Archives: a profile in one file, without any key that a message was ever sealed by; and a profile made of one.
//!
//! ```text
//!   pump ─▶ at rest: no op is under way, the journal is durable ─▶ state, and the vault's rows, of one time ─▶ FILE
//!   FILE ─▶ vault.new.db ─▶ snapshot of the state, Requested(Restore) ─▶ keys: a profile
//! ```

use crate::folder::Making;
use crate::making;
use crate::profile::{Options, Profile};
use crate::pump::Pump;
use crate::site::OsSite;
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;
use thicket_engine::{ArchiveKeys, ArchiveReader, ArchiveWriter, ArchivedState, Fault, disk_error};
use thicket_journal_format::archive::{Account, Counts, Piece, STATE_PIECE_LEN_MAX};
use thicket_reducer::{ClientRules, State};
use thicket_types::error::Code;
use thicket_types::ids::{Digest, Fingerprint, Seq};
use thicket_types::name::Name;
use thicket_types::ports::{Clock, Entropy};
use thicket_types::secret::Secret;
use thicket_types::time::Stamp;
use thicket_vault::{Part, SharedEntropy, SqlVault, holds};

/// What an archive is of, and how much it holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Archived {
    /// Whose it is.
    pub name: Name,
    /// Their certificate's fingerprint.
    pub fingerprint: Fingerprint,
    /// When it was made.
    pub at: Stamp,
    /// The last record that it knows of.
    pub seq: Seq,
    /// The state's digest: equal in the profile that was archived, and in one that is made of it, before its first record.
    pub state: Digest,
    /// Contacts, messages and texts that wait.
    pub counts: Counts,
    /// Bytes of the file.
    pub len: u64,
}

impl Archived {
    pub(crate) fn of(account: &Account, seq: Seq, counts: Counts, len: u64) -> Archived {
        let Account { name, fingerprint, at, stamp: _, state, state_len: _ } = account;
        Archived { name: name.clone(), fingerprint: *fingerprint, at: *at, seq, state: *state, counts, len }
    }
}

impl Pump<SqlVault> {
    /// Writes an archive of what is durable, and notes in the vault when that was. Call it after a pump that came to its end: nothing
    /// is under way then, and nothing begins before this returns.
    ///
    /// The file is made now, for its owner alone; what an error leaves of it is removed.
    ///
    /// **Errors:** `FileExists`; `FileFailed` where none can be made; `DiskFailed` while the vault fails; the disk's. **Repeat:** another
    /// archive, of a later time.
    pub fn archive(&mut self, file: &Path, keys: ArchiveKeys, entropy: &mut dyn Entropy) -> Result<Archived, Fault> {
        if !self.is_at_rest() {
            return Err(Fault::from(Code::DiskFailed));
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut out = options.open(file).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Fault::from(Code::FileExists),
            _ => failed(error),
        })?;
        let written = self.write(&mut out, keys, entropy).and_then(|archived| {
            out.sync_all().map_err(failed)?;
            sync_folder_of(file)?;
            Ok(archived)
        });
        if written.is_err() {
            // It is of no use, and a file of this name would be in the way of the next.
            let _ = fs::remove_file(file);
        }
        let archived = written?;
        let (_, vault) = self.parts();
        // The archive is whole without it: at worst a person is told of an older one.
        let _ = vault.note_archive(archived.at);
        Ok(archived)
    }

    fn write(&mut self, out: &mut File, keys: ArchiveKeys, entropy: &mut dyn Entropy) -> Result<Archived, Fault> {
        let (engine, vault) = self.parts();
        let (at, cut) = (engine.now(), engine.cut());
        let (state, encoded) = cut.encoded()?;
        let (name, certificate) = vault.own();
        let account = Account {
            name: Name::parse(name).map_err(|_| Code::VaultDamaged)?,
            fingerprint: certificate.fingerprint(),
            at,
            stamp: cut.stamp,
            state,
            state_len: u64::try_from(encoded.len()).unwrap_or(u64::MAX),
        };
        let mut writer = ArchiveWriter::begin::<ClientRules>(out, entropy, keys, cut.durable, at)?;
        writer.put(&Piece::Account(account.clone()))?;
        vault.archive(Part::Keys, &mut |piece| writer.put(piece))?;
        for bytes in encoded.chunks(STATE_PIECE_LEN_MAX) {
            writer.put(&Piece::State(bytes.to_vec()))?;
        }
        vault.archive(Part::Rows, &mut |piece| writer.put(piece))?;
        let (len, counts) = writer.end()?;
        Ok(Archived::of(&account, cut.durable.seq, counts, len))
    }
}

impl Profile {
    /// Reads a whole archive and says what it is: every seal, every piece, and the state. Nothing is written.
    ///
    /// **Errors:** `WrongPassphrase`; `FileFailed` where there is no such file, or a folder; `ArchiveDamaged`, also for a file that is
    /// none; `ProfileNewer`; the disk's.
    pub fn check_archive(file: &Path, passphrase: &Secret<Vec<u8>>) -> Result<Archived, Fault> {
        let mut input = open(file)?;
        let mut reader = ArchiveReader::begin::<ClientRules>(&mut input, passphrase)?;
        let (account, _) = read(&mut reader, &mut |_| Ok(()))?;
        Ok(Archived::of(&account, reader.durable().seq, reader.counts(), reader.read_len()))
    }

    /// Makes a profile of an archive, locked by the passphrase that the archive is locked by. The first thing in its journal says that
    /// it was restored: from then on this device goes on, and the one before is told so at its next login.
    ///
    /// The state before that record is the archive's, byte for byte.
    ///
    /// **Errors:** as [`Profile::check_archive`] and [`Profile::create`]. After an error all is as before.
    pub fn restore(
        folder: &Path,
        file: &Path,
        passphrase: &Secret<Vec<u8>>,
        options: Options,
        entropy: SharedEntropy,
        clock: &dyn Clock,
    ) -> Result<(Profile, Archived), Fault> {
        let mut input = open(file)?;
        // Before the folder is touched.
        Profile::vacant(folder)?;
        let mut reader = ArchiveReader::begin::<ClientRules>(&mut input, passphrase)?;
        let making = Making::begin(folder)?;
        match making::restore(&mut OsSite::new(folder), &mut reader, passphrase, options, &entropy, clock) {
            Ok((keys, vault, archived)) => Ok((Profile::made(folder, keys, vault, entropy, making.done()?), archived)),
            Err(fault) => {
                making.clear();
                Err(fault)
            }
        }
    }
}

/// Reads all pieces, and hands on those that are the vault's.
pub(crate) fn read(reader: &mut ArchiveReader<'_>, put: &mut dyn FnMut(&Piece) -> Result<(), Code>) -> Result<(Account, State), Fault> {
    let (mut account, mut gathered) = (None, None);
    while let Some(piece) = reader.piece()? {
        match piece {
            Piece::Account(whose) => {
                gathered = Some(ArchivedState::awaited(&whose)?);
                account = Some(whose);
            }
            Piece::State(bytes) => gathered.as_mut().ok_or(Code::ArchiveDamaged)?.put(&bytes)?,
            piece => {
                holds(account.as_ref().ok_or(Code::ArchiveDamaged)?, &piece)?;
                put(&piece)?;
            }
        }
    }
    let account = account.ok_or(Code::ArchiveDamaged)?;
    let state = gathered.ok_or(Code::ArchiveDamaged)?.decode()?;
    // Before the first record there is nothing.
    let begins_fresh = reader.durable().seq > Seq::ZERO || (reader.durable().chain == Digest([0; 32]) && state == State::default());
    if !begins_fresh || reader.counts().mailbox_keys == 0 {
        return Err(Fault::from(Code::ArchiveDamaged));
    }
    Ok((account, state))
}

fn open(file: &Path) -> Result<impl Read, Fault> {
    let opened = File::open(file).map_err(failed)?;
    // Some systems open a folder too, and fail at the first byte.
    if opened.metadata().map_err(failed)?.is_dir() {
        return Err(Fault::from(Code::FileFailed));
    }
    Ok(BufReader::new(opened))
}

/// A name that leads to no file is whoever's who gave it, and no disk's.
fn failed(error: std::io::Error) -> Fault {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::IsADirectory | ErrorKind::InvalidFilename => Fault::from(Code::FileFailed),
        _ => Fault::from(disk_error(&error)),
    }
}

/// Makes a file's name durable.
fn sync_folder_of(file: &Path) -> Result<(), Fault> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Where a folder can't be opened, as on some systems, the file alone is durable.
    File::open(folder).map_or(Ok(()), |folder| folder.sync_all().map_err(failed))
}
