//! Reading and writing fixed fields, in little-endian.

use crate::FormatError;

/// Takes fields from the front of a slice.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], FormatError> {
        let (field, rest) = self.0.split_at_checked(len).ok_or(FormatError::Short)?;
        self.0 = rest;
        Ok(field)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        self.bytes(N)?.try_into().map_err(|_| FormatError::Short)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, FormatError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, FormatError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, FormatError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Bytes that are zero in this version.
    pub(crate) fn zeros(&mut self, len: usize) -> Result<(), FormatError> {
        if self.bytes(len)?.iter().all(|byte| *byte == 0) { Ok(()) } else { Err(FormatError::Field) }
    }

    /// Magic, version 1 and suite 1, with which every file begins.
    pub(crate) fn preamble(&mut self, magic: &[u8; 8]) -> Result<(), FormatError> {
        if self.array::<8>()? != *magic {
            return Err(FormatError::Magic);
        }
        let (version, suite) = (self.u16()?, self.u16()?);
        if version != VERSION || suite != SUITE { Err(FormatError::Newer) } else { Ok(()) }
    }
}

/// Writes magic, version and suite.
pub(crate) fn preamble(magic: &[u8; 8]) -> Vec<u8> {
    let mut bytes = magic.to_vec();
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&SUITE.to_le_bytes());
    bytes
}

/// The format's version.
pub(crate) const VERSION: u16 = 1;
/// AES-256-GCM, SHA-256, HKDF-SHA-256, Argon2id.
pub(crate) const SUITE: u16 = 1;
