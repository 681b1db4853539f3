//! Blocks: one group commit each, sealed by one AEAD call with authenticated place and chain.
//!
//! ```text
//!    0   4  magic "TBLK"            24  12  nonce
//!    4   4  records                 36  12  zeros
//!    8   8  first Seq               48  16  first half of SHA-256 of bytes 0 to 47
//!   16   4  sealed bytes, tag included
//!   20   4  index in the segment    64   …  sealed records
//! ```
//!
//! AAD: the 64 bytes and the chain's hash before the block.

use crate::event::Record;
use crate::layout::Fields;
use crate::{FormatError, Key, NONCE_LEN, Nonce, TAG_LEN, digest};
use thicket_types::ids::{Digest, Seq};
use thicket_types::limits::{BLOCK_LEN_MAX, BLOCK_RECORDS_MAX, RECORD_LEN_MAX};

/// Bytes of a block's header.
pub const BLOCK_HEAD_LEN: usize = 64;
const MAGIC: &[u8; 4] = b"TBLK";
/// The most sealed bytes of a block: what [`BLOCK_LEN_MAX`] allows, and one record past it.
pub const SEALED_LEN_MAX: usize = BLOCK_LEN_MAX + RECORD_LEN_MAX + crate::event::RECORD_HEAD_LEN + TAG_LEN;

/// A block's header: readable without a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockHead {
    /// Records in the block, at least one.
    pub records: u32,
    /// Place of the first.
    pub first: Seq,
    /// Sealed bytes that follow.
    pub sealed_len: u32,
    /// The block's index in its segment.
    pub index: u32,
    nonce: Nonce,
}

impl BlockHead {
    /// Reads a block's header. **Errors:** `Short`, `Magic`, `Check`, `Field`.
    pub fn parse(bytes: &[u8]) -> Result<BlockHead, FormatError> {
        let bytes = bytes.get(..BLOCK_HEAD_LEN).ok_or(FormatError::Short)?;
        let mut fields = Fields(bytes);
        if fields.array::<4>()? != *MAGIC {
            return Err(FormatError::Magic);
        }
        let records = fields.u32()?;
        let first = Seq(fields.u64()?);
        let (sealed_len, index) = (fields.u32()?, fields.u32()?);
        let nonce = Nonce(fields.array::<NONCE_LEN>()?);
        fields.zeros(12)?;
        let (checked, check) = bytes.split_at_checked(48).ok_or(FormatError::Short)?;
        if digest(&[checked]).0.get(..16) != Some(check) {
            return Err(FormatError::Check);
        }
        let sealed = usize::try_from(sealed_len).map_err(|_| FormatError::Field)?;
        let counted = usize::try_from(records).map_err(|_| FormatError::Field)?;
        if counted == 0 || counted > BLOCK_RECORDS_MAX || !(TAG_LEN..=SEALED_LEN_MAX).contains(&sealed) {
            return Err(FormatError::Field);
        }
        Ok(BlockHead { records, first, sealed_len, index, nonce })
    }

    /// Bytes of the whole block.
    pub fn block_len(&self) -> usize {
        BLOCK_HEAD_LEN.saturating_add(usize::try_from(self.sealed_len).unwrap_or(usize::MAX))
    }
}

/// Seals encoded records into a block and returns its bytes with the chain's hash after it. The plain bytes are wiped.
///
/// **Shape.** `plain`: `records` records, each as [`Record::encode`] wrote it. **Limits:** 1 to [`BLOCK_RECORDS_MAX`] records.
/// **Repeat:** the nonce is spent whatever becomes of the bytes.
pub fn seal(
    key: &Key,
    nonce: Nonce,
    chain: Digest,
    first: Seq,
    index: u32,
    records: usize,
    mut plain: Vec<u8>,
) -> Result<(Vec<u8>, Digest), FormatError> {
    let mut block = Vec::new();
    let after = seal_into(key, nonce, chain, first, index, records, &mut plain, &mut block)?;
    Ok((block, after))
}

/// The same between buffers that are used again: the records are sealed where they stand, and what is written takes the place of what
/// was in `block`. Returns the chain's hash after it.
#[expect(clippy::too_many_arguments)]
pub fn seal_into(
    key: &Key,
    nonce: Nonce,
    chain: Digest,
    first: Seq,
    index: u32,
    records: usize,
    plain: &mut Vec<u8>,
    block: &mut Vec<u8>,
) -> Result<Digest, FormatError> {
    if records == 0 || records > BLOCK_RECORDS_MAX {
        return Err(FormatError::Limit);
    }
    let sealed_len = plain.len().saturating_add(TAG_LEN);
    if sealed_len > SEALED_LEN_MAX {
        return Err(FormatError::Limit);
    }
    block.clear();
    block.reserve(BLOCK_HEAD_LEN.saturating_add(sealed_len));
    block.extend_from_slice(MAGIC);
    block.extend_from_slice(&u32::try_from(records).map_err(|_| FormatError::Limit)?.to_le_bytes());
    block.extend_from_slice(&first.0.to_le_bytes());
    block.extend_from_slice(&u32::try_from(sealed_len).map_err(|_| FormatError::Limit)?.to_le_bytes());
    block.extend_from_slice(&index.to_le_bytes());
    block.extend_from_slice(&nonce.0);
    block.extend_from_slice(&[0; 12]);
    let check = digest(&[block]);
    block.extend(check.0.iter().take(16));
    let mut aad = block.clone();
    aad.extend_from_slice(&chain.0);
    // Sealed in place: the plain bytes are gone when this returns.
    key.seal(nonce, &aad, plain)?;
    block.extend_from_slice(plain);
    Ok(after(chain, block))
}

/// Opens the block at the front of the bytes: its records, and the chain's hash after it.
///
/// **Errors:** as [`BlockHead::parse`]; `Short`; `Place` if it is not the block expected here; `Seal`; the records' own.
pub fn open(key: &Key, chain: Digest, first: Seq, index: u32, bytes: &[u8]) -> Result<(BlockHead, Vec<Record>, Digest), FormatError> {
    let (head, plain, after) = open_plain(key, chain, first, index, bytes)?;
    let mut records = Vec::new();
    let mut rest = plain.as_slice();
    while !rest.is_empty() {
        // The seal held: whatever is wrong inside was written so, and is no torn write.
        let (record, after) = Record::take(rest).map_err(|what| if what == FormatError::Newer { what } else { FormatError::Payload })?;
        records.push(record);
        rest = after;
    }
    if u32::try_from(records.len()) != Ok(head.records) {
        return Err(FormatError::Payload);
    }
    Ok((head, records, after))
}

/// Opens the block at the front of the bytes: what was sealed in it, and the chain's hash after it.
pub(crate) fn open_plain(
    key: &Key,
    chain: Digest,
    first: Seq,
    index: u32,
    bytes: &[u8],
) -> Result<(BlockHead, Vec<u8>, Digest), FormatError> {
    let head = BlockHead::parse(bytes)?;
    if head.first != first || head.index != index {
        return Err(FormatError::Place);
    }
    let block = bytes.get(..head.block_len()).ok_or(FormatError::Short)?;
    let (plain_head, sealed) = block.split_at_checked(BLOCK_HEAD_LEN).ok_or(FormatError::Short)?;
    let mut aad = plain_head.to_vec();
    aad.extend_from_slice(&chain.0);
    let plain = key.open(head.nonce, &aad, sealed)?;
    let after = after(chain, block);
    Ok((head, plain, after))
}

/// The chain's hash after a block. Authenticates nothing by itself: the next block's AAD does.
pub fn after(chain: Digest, block: &[u8]) -> Digest {
    digest(&[&chain.0, block])
}

/// Looks for an intact block header behind a failed block: where one is found, the failure is damage and no torn tail.
pub fn next_head(bytes: &[u8], after: Seq) -> Option<usize> {
    bytes
        .windows(MAGIC.len())
        .enumerate()
        .filter(|(_, window)| *window == MAGIC.as_slice())
        .map(|(offset, _)| offset)
        .find(|offset| bytes.get(*offset..).is_some_and(|rest| BlockHead::parse(rest).is_ok_and(|head| head.first > after)))
}
