//! An entry of a log: padded to a size class, and sealed under a key of its epoch.
//!
//! ```text
//!    0   8  the commit that opened the epoch, counted in the log, big-endian
//!    8  12  nonce, random
//!   20   …  AES-256-GCM of the padded content; its additional data: group, and the first 8 bytes
//! ```
//!
//! The epoch is named, and its key is the only one that is tried: a seal that opens under two keys, with another text under each, can't
//! show two members two things.

use crate::envelope::{pad, unpad};
use crate::{BROKEN, Scope, Stop};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use prost::Message as _;
use thicket_types::error::Code;
use thicket_types::ids::GroupId;
use thicket_types::secret::Secret;
use thicket_types::wire::peer::GroupEntry;
use thicket_types::wire::peer::group_entry::What;

const HEAD: usize = 8;
const NONCE: usize = 12;

/// Seals content for an epoch.
pub(super) fn seal(scope: &Scope<'_>, group: GroupId, epoch: u64, key: &Secret<[u8; 32]>, what: What) -> Result<Vec<u8>, Stop> {
    let mut padded = pad(&GroupEntry { what: Some(what) }.encode_to_vec()).ok_or(Stop::Refused(Code::MessageTooLong))?;
    let (head, nonce) = (epoch.to_be_bytes(), scope.random::<NONCE>()?);
    let aad = [group.0.as_slice(), &head].concat();
    let cipher = cipher(key).ok_or(BROKEN)?;
    cipher.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut padded).map_err(|_| BROKEN)?;
    Ok([head.as_slice(), &nonce, &padded].concat())
}

fn cipher(key: &Secret<[u8; 32]>) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key.expose()).ok().map(LessSafeKey::new)
}

/// The epoch that an entry is sealed for; `None` if it is too short to say.
pub(super) fn epoch(entry: &[u8]) -> Option<u64> {
    entry.first_chunk::<HEAD>().map(|head| u64::from_be_bytes(*head))
}

/// Opens an entry; `None` if it is not sealed under this key, or has no content that this version knows.
pub(super) fn open(group: GroupId, key: &Secret<[u8; 32]>, entry: &[u8]) -> Option<What> {
    let (head, rest) = entry.split_at_checked(HEAD)?;
    let (nonce, sealed) = rest.split_at_checked(NONCE)?;
    let aad = [group.0.as_slice(), head].concat();
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut sealed = sealed.to_vec();
    let padded = cipher(key)?.open_in_place(nonce, Aad::from(aad), &mut sealed).ok()?;
    GroupEntry::decode(unpad(padded)?).ok()?.what
}
