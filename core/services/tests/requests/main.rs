//! Every request to a relay: what it brings, and each way in which it is refused.

mod any_bytes;
mod capabilities;
mod desk;
mod directory;
mod key_packages;
mod login;
mod logs;
mod mail;
mod policy;
mod rates;
mod registration;
mod sha256;
mod stamps;
