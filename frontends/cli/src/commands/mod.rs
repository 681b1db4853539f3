//! The commands, one concern a module.

pub mod account;
pub mod backup;
pub mod chat;
pub mod contact;
pub mod conversations;
pub mod doctor;
pub mod journal;
pub mod listen;
pub mod message;
pub mod read;
mod record;
pub mod relay;
mod requests;
mod rows;
mod screen;
pub mod send;
pub mod settings;
pub mod status;
pub mod sync;
