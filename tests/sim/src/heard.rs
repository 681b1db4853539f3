//! What came to the relay: how often each frame did.

use crate::vault::TransparentVerify;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use thicket_transport::LoopbackRelay;
use thicket_types::ids::FrameId;
use thicket_types::ports::{Received, RelayTransport, ReplyPath, Unreachable, Verify as _};

/// How often each frame came. The same FrameId is the same bytes.
#[derive(Clone, Default)]
pub struct Heard(Arc<Mutex<BTreeMap<FrameId, usize>>>);

impl Heard {
    /// How often a frame came.
    pub fn times(&self, frame: FrameId) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&frame).copied().unwrap_or_default()
    }

    fn note(&self, frame: &[u8]) {
        let frame = FrameId(TransparentVerify.digest(frame).0);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(frame).or_default() += 1;
    }
}

/// The relay's end of a loopback, which notes what it hears.
pub struct Hearing {
    end: LoopbackRelay,
    heard: Heard,
}

impl Hearing {
    /// An end that notes what comes to it.
    pub fn new(end: LoopbackRelay, heard: Heard) -> Hearing {
        Hearing { end, heard }
    }
}

impl RelayTransport for Hearing {
    fn poll(&mut self) -> Option<Received> {
        let received = self.end.poll()?;
        self.heard.note(&received.frame);
        Some(received)
    }

    fn reply(&mut self, path: ReplyPath, frame: &[u8]) -> Result<(), Unreachable> {
        self.end.reply(path, frame)
    }
}
