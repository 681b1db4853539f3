//! Frames in memory: those that effects will name next, so that a send seldom reads the disk.

use std::collections::VecDeque;
use thicket_types::event::{Arrived, Event, Outcome};
use thicket_types::ids::Seq;
use thicket_types::limits::FRAME_CACHE_LEN_MAX;

/// The newest frames by their record, bounded in bytes.
///
/// Copied one behind the other into a ring: frames of their own would be freed long after anybody looked at them, when no cache holds
/// them any more.
pub(crate) struct Frames {
    /// In the order of their records, which is that of their coming.
    by_seq: VecDeque<Kept>,
    bytes: VecDeque<u8>,
    /// Bytes that have left memory.
    gone: usize,
}

struct Kept {
    seq: Seq,
    /// Where its bytes begin, counted from the first that was ever kept.
    begins: usize,
    len: usize,
}

impl Default for Frames {
    fn default() -> Frames {
        Frames { by_seq: VecDeque::new(), bytes: VecDeque::with_capacity(FRAME_CACHE_LEN_MAX), gone: 0 }
    }
}

impl Frames {
    pub(crate) fn keep(&mut self, seq: Seq, event: &Event) {
        let Some(frame) = frame_of(event).filter(|frame| frame.len() <= FRAME_CACHE_LEN_MAX) else {
            return;
        };
        while self.bytes.len().saturating_add(frame.len()) > FRAME_CACHE_LEN_MAX {
            let Some(oldest) = self.by_seq.pop_front() else {
                return;
            };
            self.bytes.drain(..oldest.len.min(self.bytes.len()));
            self.gone = self.gone.saturating_add(oldest.len);
        }
        self.by_seq.push_back(Kept { seq, begins: self.gone.saturating_add(self.bytes.len()), len: frame.len() });
        self.bytes.extend(frame);
    }

    pub(crate) fn find(&self, seq: Seq) -> Option<Vec<u8>> {
        let at = self.by_seq.binary_search_by_key(&seq, |kept| kept.seq).ok()?;
        let Kept { begins, len, .. } = self.by_seq.get(at)?;
        let begins = begins.saturating_sub(self.gone);
        Some(self.bytes.range(begins..begins.saturating_add(*len)).copied().collect())
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
