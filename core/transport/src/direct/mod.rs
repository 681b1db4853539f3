//! Direct: Noise over TCP. The relay proves the key in its address; the client stays nameless. One IP address links the
//! two lanes of a client, and the relay sees it: this transport hides what is said, not who says it.
//!
//! ```text
//!   send → outbox → writer ═══ TCP, one connection a lane ═══ reader → inbox → poll
//!   poll ← inbox ← reader ═══════════════════════════════════ writer ← outbox ← reply(path)
//! ```
//!
//! **Handshake:** `Noise_NK_25519_ChaChaPoly_BLAKE2s` (noiseprotocol.org, revision 34) with the prologue `thicket.direct.v1`
//! and empty payloads: 48 bytes from the client, 48 bytes back, without a length before them.
//!
//! **After it, each way:** Noise messages, each behind its length, 16 bits big-endian in clear, 17 to 65535. What is sealed in
//! one begins with a byte that says what the rest is:
//!
//! | byte | rest |
//! |---|---|
//! | 0 | nothing: a ping, sent when nothing else was for 20 s |
//! | 1 | a piece of a frame that goes on: 65518 bytes, no fewer |
//! | 2 | the last piece of a frame: 0 to 65518 bytes |
//!
//! The pieces of a frame follow one another with nothing between them and hold [`FRAME_LEN_MAX`] bytes at most. Anything else
//! ends the connection, and nothing but the connection.
//!
//! **What shows:** times, directions and lengths: a ping is 19 bytes, a frame its own length and 19 more for each piece.
//! Nothing is padded here, for an envelope is padded inside (docs/PROTOCOL.md).
//!
//! **What is lost:** all that waits or is under way when a connection ends. Nothing is reordered or doubled within one.
//!
//! [`FRAME_LEN_MAX`]: thicket_types::limits::FRAME_LEN_MAX

mod address;
mod client;
mod household;
mod queue;
mod relay;
mod times;
mod wire;

#[cfg(test)]
mod limits_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod times_tests;

pub use address::{Address, AddressError};
pub use client::DirectClient;
pub use relay::DirectRelay;
pub use wire::static_key;
