//! Frames in memory: those that effects will name next, so that a send seldom reads the disk.

use std::collections::VecDeque;
use thicket_types::event::{Arrived, Event, Outcome};
use thicket_types::ids::Seq;
use thicket_types::limits::FRAME_CACHE_LEN_MAX;

/// The newest frames by their record, bounded in bytes.
#[derive(Default)]
pub(crate) struct Frames {
    /// In the order of their records, which is that of their coming.
    by_seq: VecDeque<(Seq, Vec<u8>)>,
    len: usize,
}

impl Frames {
    pub(crate) fn keep(&mut self, seq: Seq, event: Event) {
        if let Some(bytes) = into_frame(event) {
            self.len = self.len.saturating_add(bytes.len());
            self.by_seq.push_back((seq, bytes));
        }
        while self.len > FRAME_CACHE_LEN_MAX {
            let Some((_, oldest)) = self.by_seq.pop_front() else {
                return;
            };
            self.len = self.len.saturating_sub(oldest.len());
        }
    }

    pub(crate) fn find(&self, seq: Seq) -> Option<Vec<u8>> {
        let at = self.by_seq.binary_search_by_key(&seq, |(seq, _)| *seq).ok()?;
        self.by_seq.get(at).map(|(_, bytes)| bytes.clone())
    }
}

/// The bytes that an effect means when it names this record.
pub(crate) fn frame_of(event: &Event) -> Option<&[u8]> {
    match event {
        Event::Arrived(arrival) => match &arrival.content {
            Arrived::Answer { answer } => Some(&answer.0),
            Arrived::Envelope { sealed, .. } => Some(&sealed.0),
            Arrived::Repeat { .. } | Arrived::Unsealable { .. } => None,
        },
        Event::Resolved { outcome: Outcome::Framed { bytes, .. }, .. } => Some(&bytes.0),
        Event::Resolved { .. } | Event::Requested { .. } | Event::Elapsed { .. } => None,
    }
}

/// The same, taken out of a record that nobody needs any more.
fn into_frame(event: Event) -> Option<Vec<u8>> {
    match event {
        Event::Arrived(arrival) => match arrival.content {
            Arrived::Answer { answer } => Some(answer.0),
            Arrived::Envelope { sealed, .. } => Some(sealed.0),
            Arrived::Repeat { .. } | Arrived::Unsealable { .. } => None,
        },
        Event::Resolved { outcome: Outcome::Framed { bytes, .. }, .. } => Some(bytes.0),
        Event::Resolved { .. } | Event::Requested { .. } | Event::Elapsed { .. } => None,
    }
}
