//! Two transports as one, at the relay's end: one relay serves clients of both.

use thicket_types::ports::{Received, RelayTransport, ReplyPath, Unreachable};

/// Two relay ends joined. Tags are random, so they cannot meet; paths are told apart by their top bit.
pub struct Joined<A, B> {
    first: A,
    second: B,
    turn: bool,
}

/// Set in the paths of the second end.
const SECOND: u64 = 1 << 63;

impl<A: RelayTransport, B: RelayTransport> Joined<A, B> {
    /// Joins two ends.
    pub fn new(first: A, second: B) -> Joined<A, B> {
        Joined { first, second, turn: false }
    }

    fn poll_second(&mut self) -> Option<Received> {
        let mut received = self.second.poll()?;
        for path in &mut received.paths {
            path.0 |= SECOND;
        }
        Some(received)
    }
}

impl<A: RelayTransport, B: RelayTransport> RelayTransport for Joined<A, B> {
    /// Takes from both in turn, so that neither starves the other.
    fn poll(&mut self) -> Option<Received> {
        self.turn = !self.turn;
        if self.turn { self.first.poll().or_else(|| self.poll_second()) } else { self.poll_second().or_else(|| self.first.poll()) }
    }

    fn reply(&mut self, path: ReplyPath, frame: &[u8]) -> Result<(), Unreachable> {
        if path.0 & SECOND == 0 { self.first.reply(path, frame) } else { self.second.reply(ReplyPath(path.0 & !SECOND), frame) }
    }
}
