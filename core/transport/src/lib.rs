//! Transports: how frames get to a relay and back. Messages, not streams; two lanes; reply paths that are good for one frame.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod direct;
mod joined;
mod loopback;

#[cfg(test)]
mod tests;

pub use direct::{Address, AddressError, DirectClient, DirectRelay, static_key};
pub use joined::Joined;
pub use loopback::{Conditions, Loopback, LoopbackClient, LoopbackRelay, Waker};
