//! The keys file: how the passphrase leads to everything else. Replaced whole, by one rename.
//!
//! ```text
//!    0   8  magic "THICKKEY"         68  48  account key, sealed by the passphrase's key (AAD: bytes 0 to 55)
//!    8   2  format version          116  32  SHA-256 of bytes 0 to 115
//!   10   2  suite                   148   4  entries
//!   12   4  Argon2id memory, KiB    152   …  entries, 80 bytes each:
//!   16   4  Argon2id passes                  0  16  segment or snapshot id
//!   20   4  Argon2id lanes                  16   4  kind: 1 segment, 2 snapshot
//!   24  16  Argon2id salt                   20  12  nonce
//!   40  16  profile id                      32  48  its key, sealed by the wrapping key (AAD: first 20 bytes)
//!   56  12  nonce                     …  32  HMAC-SHA-256 of all before, under the account's MAC key
//! ```

use crate::layout::{Fields, preamble};
use crate::{FormatError, Key, NONCE_LEN, Nonce, TAG_LEN, digest};
use std::collections::BTreeMap;
use thicket_types::limits::PROFILE_KEYS_MAX;

const MAGIC: &[u8; 8] = b"THICKKEY";
/// What stands in clear: up to the nonce.
const CLEAR_LEN: usize = 56;
const SEALED_LEN: usize = 32 + TAG_LEN;
/// What the check is over. With it a damaged file can be told from a wrong passphrase.
const CHECKED_LEN: usize = CLEAR_LEN + NONCE_LEN + SEALED_LEN;
const WRAP: &str = "thicket.journal-wrap.v1";
const MAC: &str = "thicket.keys-mac.v1";
const VAULT: &str = "thicket.vault.v1";

/// Argon2id's cost (RFC 9106).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cost {
    /// KiB of memory: 8 to 1 GiB.
    pub memory_kib: u32,
    /// Passes over it: 1 to 64.
    pub passes: u32,
    /// Lanes: 1 to 16.
    pub lanes: u32,
}

/// What stands in the keys file in clear: all that is needed to derive the passphrase's key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Front {
    /// Argon2id's cost.
    pub cost: Cost,
    /// Argon2id's salt.
    pub salt: [u8; 16],
    /// A random name for the profile.
    pub profile: [u8; 16],
}

/// What an entry's key is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// A segment of the journal.
    Segment,
    /// A snapshot.
    Snapshot,
}

impl Kind {
    fn number(self) -> u32 {
        match self {
            Kind::Segment => 1,
            Kind::Snapshot => 2,
        }
    }
}

/// How the account key is sealed: under which passphrase.
pub struct Sealing {
    front: Front,
    account: (Nonce, Vec<u8>),
}

/// An unlocked keys file.
pub struct Keys {
    front: Front,
    account: Key,
    sealed_account: (Nonce, Vec<u8>),
    entries: BTreeMap<(Kind, [u8; 16]), (Nonce, Vec<u8>)>,
}

impl Front {
    /// Reads what stands in clear. **Errors:** `Short`, `Magic`, `Newer`; `Check` if it, or the account key behind it, was altered;
    /// `Limit` for a cost out of bounds.
    pub fn parse(bytes: &[u8]) -> Result<Front, FormatError> {
        let mut fields = Fields(bytes);
        fields.preamble(MAGIC)?;
        let (checked, rest) = bytes.split_at_checked(CHECKED_LEN).ok_or(FormatError::Short)?;
        if rest.get(..32).ok_or(FormatError::Short)? != digest(&[checked]).0 {
            return Err(FormatError::Check);
        }
        let cost = Cost { memory_kib: fields.u32()?, passes: fields.u32()?, lanes: fields.u32()? };
        let bounded = (8..=1024 * 1024).contains(&cost.memory_kib) && (1..=64).contains(&cost.passes) && (1..=16).contains(&cost.lanes);
        if !bounded {
            return Err(FormatError::Limit);
        }
        Ok(Front { cost, salt: fields.array()?, profile: fields.array()? })
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = preamble(MAGIC);
        for number in [self.cost.memory_kib, self.cost.passes, self.cost.lanes] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.salt);
        bytes.extend_from_slice(&self.profile);
        bytes
    }
}

impl Keys {
    /// Makes the keys of a new profile: `account` is random, `passphrase` comes out of Argon2id with the front's cost and salt.
    pub fn create(front: Front, passphrase: &Key, account: Key, nonce: Nonce) -> Result<Keys, FormatError> {
        let mut sealed = account.expose().to_vec();
        passphrase.seal(nonce, &front.encode(), &mut sealed)?;
        Ok(Keys { front, account, sealed_account: (nonce, sealed), entries: BTreeMap::new() })
    }

    /// Reads and unlocks. **Errors:** as [`Front::parse`]; `Seal` for a wrong passphrase; `Check` also if the rest was altered.
    pub fn unlock(bytes: &[u8], passphrase: &Key) -> Result<Keys, FormatError> {
        let front = Front::parse(bytes)?;
        let (body, mac) = bytes.split_at_checked(bytes.len().saturating_sub(32)).ok_or(FormatError::Short)?;
        let mut fields = Fields(body);
        let clear = fields.bytes(CLEAR_LEN)?;
        let nonce = Nonce(fields.array()?);
        let sealed = fields.bytes(SEALED_LEN)?;
        fields.bytes(32)?;
        let mut opened = passphrase.open(nonce, clear, sealed)?;
        let account = Key::new(opened.as_slice().try_into().map_err(|_| FormatError::Field)?);
        zeroize::Zeroize::zeroize(&mut opened);
        if !account.derive(MAC)?.mac_holds(body, mac) {
            return Err(FormatError::Check);
        }
        let count = usize::try_from(fields.u32()?).map_err(|_| FormatError::Limit)?;
        if count > PROFILE_KEYS_MAX {
            return Err(FormatError::Limit);
        }
        let mut entries = BTreeMap::new();
        for _ in 0..count {
            let id: [u8; 16] = fields.array()?;
            let kind = match fields.u32()? {
                1 => Kind::Segment,
                2 => Kind::Snapshot,
                _ => return Err(FormatError::Newer),
            };
            let entry_nonce = Nonce(fields.array()?);
            entries.insert((kind, id), (entry_nonce, fields.bytes(SEALED_LEN)?.to_vec()));
        }
        if !fields.0.is_empty() {
            return Err(FormatError::Field);
        }
        Ok(Keys { front, account, sealed_account: (nonce, sealed.to_vec()), entries })
    }

    /// The file's bytes with these in place of the number of entries and the entries, under a true HMAC: for what has to refuse them.
    pub(crate) fn with_entries(&self, entries: &[u8]) -> Result<Vec<u8>, FormatError> {
        let mut bytes = self.encode()?;
        bytes.truncate(CHECKED_LEN.saturating_add(32));
        bytes.extend_from_slice(entries);
        let mac = self.account.derive(MAC)?.mac(&bytes);
        bytes.extend_from_slice(&mac);
        Ok(bytes)
    }

    /// The file's bytes.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let mut bytes = self.front.encode();
        bytes.extend_from_slice(&self.sealed_account.0.0);
        bytes.extend_from_slice(&self.sealed_account.1);
        let check = digest(&[&bytes]);
        bytes.extend_from_slice(&check.0);
        bytes.extend_from_slice(&u32::try_from(self.entries.len()).map_err(|_| FormatError::Limit)?.to_le_bytes());
        for ((kind, id), (nonce, sealed)) in &self.entries {
            bytes.extend_from_slice(&entry_aad(*kind, id));
            bytes.extend_from_slice(&nonce.0);
            bytes.extend_from_slice(sealed);
        }
        let mac = self.account.derive(MAC)?.mac(&bytes);
        bytes.extend_from_slice(&mac);
        Ok(bytes)
    }

    /// Changes the passphrase: the account key is sealed anew, and nothing else changes. Returns what [`Keys::restore`] takes, should
    /// the file not be written.
    pub fn rekey(&mut self, front: Front, passphrase: &Key, nonce: Nonce) -> Result<Sealing, FormatError> {
        let mut sealed = self.account.expose().to_vec();
        passphrase.seal(nonce, &front.encode(), &mut sealed)?;
        let front = std::mem::replace(&mut self.front, front);
        let account = std::mem::replace(&mut self.sealed_account, (nonce, sealed));
        Ok(Sealing { front, account })
    }

    /// Goes back to the passphrase that was before.
    pub fn restore(&mut self, before: Sealing) {
        self.front = before.front;
        self.sealed_account = before.account;
    }

    /// Keeps a key. **Errors:** `Limit` past [`PROFILE_KEYS_MAX`].
    pub fn add(&mut self, kind: Kind, id: [u8; 16], key: &Key, nonce: Nonce) -> Result<(), FormatError> {
        if self.entries.len() >= PROFILE_KEYS_MAX {
            return Err(FormatError::Limit);
        }
        let mut sealed = key.expose().to_vec();
        self.account.derive(WRAP)?.seal(nonce, &entry_aad(kind, &id), &mut sealed)?;
        self.entries.insert((kind, id), (nonce, sealed));
        Ok(())
    }

    /// A key, or `None` if it was never kept or was destroyed.
    pub fn key(&self, kind: Kind, id: [u8; 16]) -> Result<Option<Key>, FormatError> {
        let Some((nonce, sealed)) = self.entries.get(&(kind, id)) else {
            return Ok(None);
        };
        let mut opened = self.account.derive(WRAP)?.open(*nonce, &entry_aad(kind, &id), sealed)?;
        let key = Key::new(opened.as_slice().try_into().map_err(|_| FormatError::Field)?);
        zeroize::Zeroize::zeroize(&mut opened);
        Ok(Some(key))
    }

    /// Destroys a key: what it sealed can never be read again, once the file is replaced.
    pub fn destroy(&mut self, kind: Kind, id: [u8; 16]) {
        self.entries.remove(&(kind, id));
    }

    /// Whether a key is kept.
    pub fn holds(&self, kind: Kind, id: [u8; 16]) -> bool {
        self.entries.contains_key(&(kind, id))
    }

    /// The vault's raw SQLCipher key.
    pub fn vault_key(&self) -> Result<Key, FormatError> {
        self.account.derive(VAULT)
    }

    /// Ids that keys of a kind are kept for.
    pub fn ids(&self, kind: Kind) -> impl Iterator<Item = [u8; 16]> + '_ {
        self.entries.keys().filter(move |(other, _)| *other == kind).map(|(_, id)| *id)
    }

    /// What stands in clear.
    pub fn front(&self) -> Front {
        self.front
    }
}

fn entry_aad(kind: Kind, id: &[u8; 16]) -> Vec<u8> {
    let mut aad = id.to_vec();
    aad.extend_from_slice(&kind.number().to_le_bytes());
    aad
}
