//! Records: a tag, a version and a length by hand around the payload; one frozen decoder for each pair.
//!
//! ```text
//!    0  2  tag: 1 Requested, 2 Arrived, 3 Elapsed, 4 Resolved
//!    2  2  version of the payload
//!    4  4  length of the payload
//!    8  8  stamp, milliseconds since the Unix epoch
//!   16  …  payload (codec)
//! ```

use crate::FormatError;
use crate::codec::{decode, encode_onto};
use crate::layout::Fields;
use serde::Deserialize;
use thicket_types::event::{Arrival, Event, Outcome, TimerId};
use thicket_types::ids::{EffectId, IntentId};
use thicket_types::intent::Intent;
use thicket_types::limits::RECORD_LEN_MAX;
use thicket_types::time::Stamp;

/// Bytes before a record's payload.
pub const RECORD_HEAD_LEN: usize = 16;

/// An event with its stamp. Its Seq follows from its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// When it was journaled.
    pub stamp: Stamp,
    /// What happened.
    pub event: Event,
}

#[derive(Deserialize)]
struct RequestedV1 {
    id: IntentId,
    intent: Intent,
}

#[derive(Deserialize)]
struct ElapsedV1 {
    timer: TimerId,
    fault: bool,
}

#[derive(Deserialize)]
struct ResolvedV1 {
    effect: EffectId,
    outcome: Outcome,
    vault_count: u64,
}

impl Record {
    /// Appends the record's bytes. **Errors:** `Limit` past [`RECORD_LEN_MAX`]; then nothing was appended.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), FormatError> {
        encode(self.stamp, &self.event, out)
    }

    /// Takes one record from the front. **Errors:** `Short`, `Limit`, `Newer` (an unknown tag or version), `Payload`.
    pub fn take(bytes: &[u8]) -> Result<(Record, &[u8]), FormatError> {
        let mut fields = Fields(bytes);
        let (tag, version, len) = (fields.u16()?, fields.u16()?, fields.u32()?);
        let stamp = Stamp(fields.u64()?);
        let len = usize::try_from(len).map_err(|_| FormatError::Limit)?;
        if len > RECORD_LEN_MAX {
            return Err(FormatError::Limit);
        }
        let payload = fields.bytes(len)?;
        let event = match (tag, version) {
            (1, 1) => {
                let RequestedV1 { id, intent } = decode(payload)?;
                Event::Requested { id, intent }
            }
            (2, 1) => Event::Arrived(decode::<Arrival>(payload)?),
            (3, 1) => {
                let ElapsedV1 { timer, fault } = decode(payload)?;
                Event::Elapsed { timer, fault }
            }
            (4, 1) => {
                let ResolvedV1 { effect, outcome, vault_count } = decode(payload)?;
                Event::Resolved { effect, outcome, vault_count }
            }
            (_, _) => return Err(FormatError::Newer),
        };
        Ok((Record { stamp, event }, fields.0))
    }
}

/// Appends the bytes of a record of this event, as [`Record::encode`] does.
pub fn encode(stamp: Stamp, event: &Event, out: &mut Vec<u8>) -> Result<(), FormatError> {
    let begin = out.len();
    let encoded = encode_record(stamp, event, out);
    if encoded.is_err() {
        out.truncate(begin);
    }
    encoded
}

fn encode_record(stamp: Stamp, event: &Event, out: &mut Vec<u8>) -> Result<(), FormatError> {
    let tag = match event {
        Event::Requested { .. } => 1_u16,
        Event::Arrived(_) => 2,
        Event::Elapsed { .. } => 3,
        Event::Resolved { .. } => 4,
    };
    out.extend_from_slice(&tag.to_le_bytes());
    out.extend_from_slice(&1_u16.to_le_bytes());
    let len_at = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&stamp.0.to_le_bytes());
    let payload_at = out.len();
    // A tuple's bytes are those of a struct with the same fields in the same order; what is borrowed need not be cloned.
    match event {
        Event::Requested { id, intent } => encode_onto(&(id, intent), out),
        Event::Arrived(arrival) => encode_onto(arrival, out),
        Event::Elapsed { timer, fault } => encode_onto(&(timer, fault), out),
        Event::Resolved { effect, outcome, vault_count } => encode_onto(&(effect, outcome, vault_count), out),
    }?;
    let payload_len = out.len().saturating_sub(payload_at);
    if payload_len > RECORD_LEN_MAX {
        return Err(FormatError::Limit);
    }
    let len = u32::try_from(payload_len).map_err(|_| FormatError::Limit)?.to_le_bytes();
    out.iter_mut().skip(len_at).zip(len).for_each(|(to, from)| *to = from);
    Ok(())
}
