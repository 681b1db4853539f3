//! The keys file on disk: from passphrase to account key, and the key of each segment and snapshot.

use crate::Fault;
use argon2::{Algorithm, Argon2, Params, Version};
use std::collections::BTreeSet;
use thicket_journal_format::keys::{Cost, Front, Keys, Kind};
use thicket_journal_format::{FormatError, Key, NONCE_LEN, Nonce};
use thicket_types::error::Code;
use thicket_types::ports::{Disk, DiskError, Entropy};
use thicket_types::secret::Secret;

/// The keys file's path in a profile.
pub const KEYS_FILE: &str = "keys";

/// A profile's keys, unlocked.
pub struct ProfileKeys {
    keys: Keys,
    /// Set while they are in memory alone.
    unwritten: bool,
    /// Set while the file may hold others than memory: a write failed, and may have been done all the same.
    in_doubt: bool,
}

impl ProfileKeys {
    /// Makes the keys of a new profile and writes their file. **Errors:** `ProfileExists`, the disk's.
    pub fn create(disk: &mut dyn Disk, entropy: &mut dyn Entropy, passphrase: &Secret<Vec<u8>>, cost: Cost) -> Result<ProfileKeys, Fault> {
        let mut keys = ProfileKeys::make_all(entropy, passphrase, cost)?;
        keys.write_new(disk)?;
        Ok(keys)
    }

    /// Makes the keys of a new profile, in memory alone: [`ProfileKeys::write_new`] makes it a profile. What is sealed before is
    /// readable from then on.
    pub fn make_all(entropy: &mut dyn Entropy, passphrase: &Secret<Vec<u8>>, cost: Cost) -> Result<ProfileKeys, Fault> {
        let front = Front { cost, salt: random(entropy), profile: random(entropy) };
        let account = Key::new(random(entropy));
        let keys = Keys::create(front, &derive(passphrase, &front)?, account, nonce(entropy))?;
        Ok(ProfileKeys { keys, unwritten: true, in_doubt: false })
    }

    /// Writes the keys file of a new profile, whole or not at all. **Errors:** `ProfileExists`, the disk's.
    pub fn write_new(&mut self, disk: &mut dyn Disk) -> Result<(), Fault> {
        match disk.len(KEYS_FILE) {
            Err(DiskError::Missing) => {
                self.unwritten = false;
                self.write(disk).inspect_err(|_| self.unwritten = true)
            }
            Err(other) => Err(Fault::from(other)),
            Ok(_) => Err(Fault::from(Code::ProfileExists)),
        }
    }

    /// Unlocks the keys. **Errors:** `ProfileMissing`, `WrongPassphrase`, `KeysDamaged`, `ProfileNewer`.
    pub fn unlock(disk: &mut dyn Disk, passphrase: &Secret<Vec<u8>>) -> Result<ProfileKeys, Fault> {
        Unlocking::new(passphrase).unlock(disk)
    }

    /// Changes the passphrase: one atomic write, and nothing is encrypted anew. After an error the old one still opens.
    pub fn rekey(&mut self, disk: &mut dyn Disk, entropy: &mut dyn Entropy, passphrase: &Secret<Vec<u8>>) -> Result<(), Fault> {
        let front = Front { salt: random(entropy), ..self.keys.front() };
        let before = self.keys.rekey(front, &derive(passphrase, &front)?, nonce(entropy))?;
        self.write(disk).inspect_err(|_| {
            // Whatever is written from now on is sealed by the passphrase that goes on. So is this, should the disk have done
            // what it said that it did not.
            self.keys.restore(before);
            let _ = self.write(disk);
        })
    }

    /// For an archive, whose keys file is part of it.
    pub(crate) fn keys_mut(&mut self) -> &mut Keys {
        &mut self.keys
    }

    /// The vault's key.
    pub fn vault_key(&self) -> Result<Key, Fault> {
        Ok(self.keys.vault_key()?)
    }

    pub(crate) fn key(&self, kind: Kind, id: [u8; 16]) -> Result<Option<Key>, Fault> {
        self.keys.key(kind, id).map_err(|_| Fault::from(Code::KeysDamaged))
    }

    /// Makes a key and keeps it: on disk when this returns, since what it will seal must be readable.
    pub fn make(&mut self, disk: &mut dyn Disk, entropy: &mut dyn Entropy, kind: Kind, id: [u8; 16]) -> Result<Key, Fault> {
        let key = Key::new(random(entropy));
        self.keys.add(kind, id, &key, nonce(entropy))?;
        if let Err(fault) = self.write(disk) {
            self.keys.destroy(kind, id);
            // Should the disk have done what it said that it did not.
            let _ = self.write(disk);
            return Err(fault);
        }
        Ok(key)
    }

    /// Destroys keys: one rewrite, after which what they sealed can't be read. None if none of them can be in the file.
    pub(crate) fn destroy(&mut self, disk: &mut dyn Disk, kind: Kind, ids: &[[u8; 16]]) -> Result<(), Fault> {
        if self.in_doubt || ids.iter().any(|id| self.keys.holds(kind, *id)) {
            ids.iter().for_each(|id| self.keys.destroy(kind, *id));
            self.write(disk)?;
        }
        Ok(())
    }

    /// Destroys every key that names no file.
    pub(crate) fn keep_only(&mut self, disk: &mut dyn Disk, kind: Kind, ids: &BTreeSet<[u8; 16]>) -> Result<(), Fault> {
        let loose: Vec<[u8; 16]> = self.loose(kind, ids).collect();
        self.destroy(disk, kind, &loose)
    }

    /// The keys of a kind that name no file; `ids`: those that have one.
    pub(crate) fn loose(&self, kind: Kind, ids: &BTreeSet<[u8; 16]>) -> impl Iterator<Item = [u8; 16]> {
        self.keys.ids(kind).filter(|id| !ids.contains(id))
    }

    pub(crate) fn holds(&self, kind: Kind, id: [u8; 16]) -> bool {
        self.keys.holds(kind, id)
    }

    fn write(&mut self, disk: &mut dyn Disk) -> Result<(), Fault> {
        if self.unwritten {
            return Ok(());
        }
        self.in_doubt = true;
        disk.replace(KEYS_FILE, &self.keys.encode()?)?;
        self.in_doubt = false;
        Ok(())
    }
}

/// Reads a keys file that another process may be writing, again and again: the passphrase's key is derived once, and anew only
/// after the passphrase was changed.
pub struct Unlocking<'a> {
    passphrase: &'a Secret<Vec<u8>>,
    derived: Option<(Front, Key)>,
}

impl<'a> Unlocking<'a> {
    /// Begins with a passphrase; nothing is derived yet.
    pub fn new(passphrase: &'a Secret<Vec<u8>>) -> Unlocking<'a> {
        Unlocking { passphrase, derived: None }
    }

    /// Unlocks the keys as they stand in the file now. **Errors:** as [`ProfileKeys::unlock`].
    pub fn unlock(&mut self, disk: &mut dyn Disk) -> Result<ProfileKeys, Fault> {
        let bytes = disk.read(KEYS_FILE).map_err(|error| match error {
            DiskError::Missing => Fault::from(Code::ProfileMissing),
            other => Fault::from(other),
        })?;
        let damaged = |error| match error {
            FormatError::Seal => Fault::from(Code::WrongPassphrase),
            FormatError::Newer => Fault::from(Code::ProfileNewer),
            _ => Fault::from(Code::KeysDamaged),
        };
        let front = Front::parse(&bytes).map_err(damaged)?;
        let key = match self.derived.take() {
            Some((of, key)) if of == front => key,
            Some(_) | None => derive(self.passphrase, &front)?,
        };
        let keys = Keys::unlock(&bytes, &key).map_err(damaged)?;
        self.derived = Some((front, key));
        Ok(ProfileKeys { keys, unwritten: false, in_doubt: false })
    }
}

/// Argon2id (RFC 9106) over the passphrase.
pub(crate) fn derive(passphrase: &Secret<Vec<u8>>, front: &Front) -> Result<Key, Fault> {
    let params = Params::new(front.cost.memory_kib, front.cost.passes, front.cost.lanes, Some(32)).map_err(|_| Code::KeysDamaged)?;
    let mut out = [0_u8; 32];
    let hashed = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(passphrase.expose(), &front.salt, &mut out);
    let key = Key::new(out);
    zeroize::Zeroize::zeroize(&mut out);
    hashed.map_err(|_| Code::Inconsistent)?;
    Ok(key)
}

pub(crate) fn random<const N: usize>(entropy: &mut dyn Entropy) -> [u8; N] {
    let mut bytes = [0_u8; N];
    entropy.fill(&mut bytes);
    bytes
}

pub(crate) fn nonce(entropy: &mut dyn Entropy) -> Nonce {
    Nonce(random::<NONCE_LEN>(entropy))
}
