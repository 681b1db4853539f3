//! A segment's header.
//!
//! ```text
//!    0   8  magic "THICKSEG"        32  32  chain hash before the segment (zeros for the first)
//!    8   2  format version          64  16  segment id
//!   10   2  suite                   80  16  zeros
//!   12   4  rules version           96  32  SHA-256 of bytes 0 to 95
//!   16   8  first Seq
//!   24   8  stamp at creation
//! ```

use crate::layout::{Fields, preamble};
use crate::{FormatError, digest};
use thicket_types::ids::{Digest, RulesVersion, SegmentId, Seq};
use thicket_types::time::Stamp;

/// Bytes of a header.
pub const HEADER_LEN: usize = 128;
const MAGIC: &[u8; 8] = b"THICKSEG";

/// What a segment says of itself. Authenticated by the segment's first block, whose AAD begins the chain with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Names the segment, and its key in the keys file.
    pub segment: SegmentId,
    /// The rules that its records are folded by.
    pub rules: RulesVersion,
    /// Place of its first record.
    pub first: Seq,
    /// When it was begun.
    pub created: Stamp,
    /// The chain's hash after the block before it.
    pub previous: Digest,
}

impl Header {
    /// The name of the segment's file in the folder `journal`: its first Seq and its id.
    pub fn file_name(&self) -> String {
        format!("{:016x}-{}.seg", self.first.0, self.segment.hex())
    }

    /// The header's bytes.
    pub fn encode(&self) -> Vec<u8> {
        self.encode_as(MAGIC)
    }

    /// The same for a file of another kind.
    pub(crate) fn encode_as(&self, magic: &[u8; 8]) -> Vec<u8> {
        let mut bytes = preamble(magic);
        bytes.extend_from_slice(&self.rules.0.to_le_bytes());
        bytes.extend_from_slice(&self.first.0.to_le_bytes());
        bytes.extend_from_slice(&self.created.0.to_le_bytes());
        bytes.extend_from_slice(&self.previous.0);
        bytes.extend_from_slice(&self.segment.0);
        bytes.extend_from_slice(&[0; 16]);
        let check = digest(&[&bytes]);
        bytes.extend_from_slice(&check.0);
        bytes
    }

    /// Reads a header from the front of a segment, and gives the chain's first hash with it.
    ///
    /// **Errors:** `Short`, `Magic`, `Newer`, `Check`, `Field`.
    pub fn parse(bytes: &[u8]) -> Result<(Header, Digest), FormatError> {
        Header::parse_as(MAGIC, bytes)
    }

    /// The same of a file of another kind.
    pub(crate) fn parse_as(magic: &[u8; 8], bytes: &[u8]) -> Result<(Header, Digest), FormatError> {
        let mut fields = Fields(bytes);
        // Before the length: a later version's file may be shorter, and is not to be taken for one that was cut.
        fields.preamble(magic)?;
        let bytes = bytes.get(..HEADER_LEN).ok_or(FormatError::Short)?;
        let rules = RulesVersion(fields.u32()?);
        let first = Seq(fields.u64()?);
        let created = Stamp(fields.u64()?);
        let previous = Digest(fields.array()?);
        let segment = SegmentId(fields.array()?);
        fields.zeros(16)?;
        let (checked, check) = bytes.split_at_checked(HEADER_LEN - 32).ok_or(FormatError::Short)?;
        if digest(&[checked]).0.as_slice() != check {
            return Err(FormatError::Check);
        }
        if first.0 == 0 || rules.0 == 0 {
            return Err(FormatError::Field);
        }
        Ok((Header { segment, rules, first, created, previous }, digest(&[bytes])))
    }
}
