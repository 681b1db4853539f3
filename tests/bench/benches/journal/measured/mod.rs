//! What is measured: each takes a batch and returns when it is durable.

pub(crate) mod floor;
pub(crate) mod open_wal;
pub(crate) mod ours;
pub(crate) mod redb;
pub(crate) mod sqlite;
pub(crate) mod write_ahead;

use thicket_bench::rounds::Chance;
use thicket_engine::Input;
use thicket_journal_format::event::Record;
use thicket_types::bytes::Bytes;
use thicket_types::event::{Arrival, Arrived, Event, Lane};
use thicket_types::ids::{Fingerprint, FrameId};
use thicket_types::time::Stamp;

/// A journal, or what one would pick instead.
pub(crate) trait Measured {
    /// What the table calls it.
    fn name(&self) -> &'static str;
    /// The name of what it is measured against.
    fn floor(&self) -> &'static str {
        floor::NAME
    }
    /// Writes a batch; it is durable when this returns.
    fn append(&mut self, batch: &mut Batch);
}

/// The same records, as inputs for the engine and as bytes for everything else. These need not encode them any more.
pub(crate) struct Batch {
    /// Taken by the engine, which has them from nobody else.
    pub(crate) inputs: Vec<Input>,
    pub(crate) records: Vec<Vec<u8>>,
    /// The records, one after the other.
    pub(crate) bytes: Vec<u8>,
}

/// The engine's time in all of this.
pub(crate) const NOW: Stamp = Stamp(1_790_000_000_000);

impl Batch {
    /// So many records of so many bytes: envelopes, as they arrive.
    pub(crate) fn new(number: u64, count: usize, len: usize) -> Batch {
        let mut chance = Chance(number);
        let mut batch = Batch { inputs: Vec::new(), records: Vec::new(), bytes: Vec::new() };
        for _ in 0..count {
            let head = encoded(&arrival(&mut Chance(0), 0)).len();
            // A length of 251 and more takes three bytes, and the one of none took one.
            let room = len - head;
            let sealed = if room > 250 { room - 2 } else { room };
            let arrival = arrival(&mut chance, sealed);
            let bytes = encoded(&arrival);
            assert_eq!(bytes.len(), len, "a record of the length that is measured");
            batch.bytes.extend_from_slice(&bytes);
            batch.records.push(bytes);
            batch.inputs.push(Input::Arrival(arrival));
        }
        batch
    }
}

fn arrival(chance: &mut Chance, sealed: usize) -> Arrival {
    let content = Arrived::Envelope { cursor: 7, sender: Fingerprint(chance.bytes()), sealed: Bytes(chance.bytes_of(sealed)) };
    Arrival { frame: FrameId(chance.bytes()), lane: Lane::Named, content }
}

fn encoded(arrival: &Arrival) -> Vec<u8> {
    let mut bytes = Vec::new();
    Record { stamp: NOW, event: Event::Arrived(arrival.clone()) }.encode(&mut bytes).expect("a record");
    bytes
}
