//! Snapshots: the state at a Seq, with what is outstanding, sealed like a block.
//!
//! ```text
//!    0   8  magic "THICKSNP"        32  32  chain hash after the record at Seq
//!    8   2  format version          64  16  snapshot id
//!   10   2  suite                   80  12  nonce
//!   12   4  rules version           92   4  sealed bytes, tag included
//!   16   8  Seq                     96  32  SHA-256 of bytes 0 to 95
//!   24   8  stamp of that record   128   …  sealed state (AAD: bytes 0 to 127)
//! ```

use crate::layout::{Fields, preamble};
use crate::{FormatError, Key, Nonce, TAG_LEN, digest};
use thicket_types::ids::{Digest, RulesVersion, Seq};
use thicket_types::limits::SNAPSHOT_LEN_MAX;
use thicket_types::time::Stamp;

/// Bytes of a header.
pub const HEAD_LEN: usize = 128;
const MAGIC: &[u8; 8] = b"THICKSNP";

/// What a snapshot says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotHead {
    /// The rules that its state follows.
    pub rules: RulesVersion,
    /// The last record folded into it.
    pub seq: Seq,
    /// That record's stamp.
    pub stamp: Stamp,
    /// The chain's hash after the block that ends with it.
    pub chain: Digest,
    /// Names the snapshot, and its key in the keys file.
    pub id: [u8; 16],
}

/// The name of the snapshot's file in the folder `snapshots`, by its place: names sort by place.
pub fn file_name(place: Seq) -> String {
    format!("{:016x}.snap", place.0)
}

/// Seals a state's encoding. **Errors:** `Limit` past [`SNAPSHOT_LEN_MAX`].
pub fn seal(key: &Key, nonce: Nonce, head: &SnapshotHead, state: Vec<u8>) -> Result<Vec<u8>, FormatError> {
    if state.len() > SNAPSHOT_LEN_MAX {
        return Err(FormatError::Limit);
    }
    let mut bytes = preamble(MAGIC);
    bytes.extend_from_slice(&head.rules.0.to_le_bytes());
    bytes.extend_from_slice(&head.seq.0.to_le_bytes());
    bytes.extend_from_slice(&head.stamp.0.to_le_bytes());
    bytes.extend_from_slice(&head.chain.0);
    bytes.extend_from_slice(&head.id);
    bytes.extend_from_slice(&nonce.0);
    bytes.extend_from_slice(&u32::try_from(state.len().saturating_add(TAG_LEN)).map_err(|_| FormatError::Limit)?.to_le_bytes());
    let check = digest(&[&bytes]);
    bytes.extend_from_slice(&check.0);
    let mut sealed = state;
    key.seal(nonce, &bytes, &mut sealed)?;
    bytes.extend_from_slice(&sealed);
    Ok(bytes)
}

/// Reads a snapshot's header, which needs no key. **Errors:** `Short`, `Magic`, `Check`, `Newer`, `Field`.
pub fn head(bytes: &[u8]) -> Result<SnapshotHead, FormatError> {
    parse(bytes).map(|(head, _, _)| head)
}

/// Opens a snapshot: its header and the state's encoding. **Errors:** as [`head`]; `Field` for a wrong length; `Seal`.
pub fn open(key: &Key, bytes: &[u8]) -> Result<(SnapshotHead, Vec<u8>), FormatError> {
    let (head, nonce, len) = parse(bytes)?;
    let (front, sealed) = bytes.split_at_checked(HEAD_LEN).ok_or(FormatError::Short)?;
    if sealed.len() != len {
        return Err(FormatError::Field);
    }
    Ok((head, key.open(nonce, front, sealed)?))
}

fn parse(bytes: &[u8]) -> Result<(SnapshotHead, Nonce, usize), FormatError> {
    let bytes = bytes.get(..HEAD_LEN).ok_or(FormatError::Short)?;
    if !bytes.starts_with(MAGIC) {
        return Err(FormatError::Magic);
    }
    // Before the version: a damaged snapshot is passed over, and is not to look like one of a newer version, which stops the open.
    let (checked, check) = bytes.split_at_checked(96).ok_or(FormatError::Short)?;
    if digest(&[checked]).0.as_slice() != check {
        return Err(FormatError::Check);
    }
    let mut fields = Fields(bytes);
    fields.preamble(MAGIC)?;
    let rules = RulesVersion(fields.u32()?);
    let seq = Seq(fields.u64()?);
    if rules.0 == 0 || seq.0 == 0 {
        return Err(FormatError::Field);
    }
    let stamp = Stamp(fields.u64()?);
    let chain = Digest(fields.array()?);
    let id = fields.array()?;
    let nonce = Nonce(fields.array()?);
    let len = usize::try_from(fields.u32()?).map_err(|_| FormatError::Limit)?;
    Ok((SnapshotHead { rules, seq, stamp, chain, id }, nonce, len))
}
