//! The words of Thicket, and nothing that acts: ids, time, limits, errors, wire shapes, the two closed lists (events
//! and effects) and the ports through which the pure parts meet the world.
//!
//! ```text
//!   Event (past, journaled)            Effect (imperative, has an EffectId)
//!   Requested  a person asked          Vault    use a key, or the sealed store
//!   Arrived    the transport brought   Send     use the transport
//!   Elapsed    a deadline passed       Arm/Disarm  use the clock
//!   Resolved   an effect finished      Notify   tell a frontend
//! ```
//!
//! The crate is pure: `no_std`, no clock, no randomness, no floats, no I/O. `tests/purity` holds it to that.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::float_arithmetic,
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented
    )
)]

extern crate alloc;

pub mod bytes;
pub mod effect;
pub mod error;
pub mod event;
pub mod group;
pub mod ids;
pub mod intent;
pub mod limits;
pub mod name;
pub mod ports;
pub mod secret;
pub mod time;
pub mod vault_op;
pub mod wire;
