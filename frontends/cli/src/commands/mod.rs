//! The commands, one concern a module.

pub mod account;
pub mod contact;
pub mod journal;
pub mod listen;
pub mod message;
pub mod register;
pub mod status;
pub mod sync;
