//! The one place that knows bincode (2.0.1, `config::standard()`): little-endian varints, lengths before bytes.
//!
//! Always with a limit: a forged length would otherwise allocate before it reads.

use crate::FormatError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thicket_types::limits::{RECORD_LEN_MAX, RECORD_MADE_MAX, SNAPSHOT_LEN_MAX};
use thicket_types::secret::Secret;

/// Encodes a value. **Errors:** `Payload` if the value cannot be encoded.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, FormatError> {
    bincode::serde::encode_to_vec(value, bincode::config::standard()).map_err(|_| FormatError::Payload)
}

/// Encodes a value that holds a secret, of at most [`RECORD_LEN_MAX`] bytes: no part of it is left behind in
/// memory, as by a vector that grows. **Errors:** `Limit`.
pub fn encode_secret<T: Serialize>(value: &T) -> Result<Secret<Vec<u8>>, FormatError> {
    let mut bytes = vec![0; RECORD_LEN_MAX];
    let encoded = bincode::serde::encode_into_slice(value, &mut bytes, bincode::config::standard());
    if let Ok(len) = encoded {
        bytes.truncate(len);
    }
    let bytes = Secret::new(bytes);
    encoded.map(|_| bytes).map_err(|_| FormatError::Limit)
}

/// The same at the end of other bytes: records are many and small, and a vector for each would cost more than its encoding.
///
/// **Errors:** `Payload`; what was appended by then stays.
pub(crate) fn encode_onto<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), FormatError> {
    bincode::serde::encode_into_writer(value, End(out), bincode::config::standard()).map_err(|_| FormatError::Payload)
}

/// The end of a vector, as a writer.
struct End<'a>(&'a mut Vec<u8>);

impl bincode::enc::write::Writer for End<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::error::EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Decodes a value whose encoding has at most [`RECORD_LEN_MAX`] bytes. **Errors:** `Payload`, also if bytes are left over.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FormatError> {
    // bincode counts what it makes, not what it reads: an enum's number counts four bytes, a length eight.
    let limited = bincode::config::standard().with_limit::<{ RECORD_MADE_MAX }>();
    whole(bincode::serde::decode_from_slice(bytes, limited), bytes)
}

/// Decodes a value of at most [`SNAPSHOT_LEN_MAX`] bytes: a snapshot's state, an MLS group's parts.
pub fn decode_large<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FormatError> {
    let limited = bincode::config::standard().with_limit::<{ SNAPSHOT_LEN_MAX }>();
    whole(bincode::serde::decode_from_slice(bytes, limited), bytes)
}

fn whole<T>(decoded: Result<(T, usize), bincode::error::DecodeError>, bytes: &[u8]) -> Result<T, FormatError> {
    match decoded {
        Ok((value, read)) if read == bytes.len() => Ok(value),
        Ok(_) | Err(_) => Err(FormatError::Payload),
    }
}
