//! Whole clients and a relay in one thread, from one seed, in virtual time. The code that ships, only the ports replaced:
//! a disk in memory that tears and fails, a transparent vault, a loopback that loses, doubles and reorders.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod copied;
pub mod disk;
pub mod heard;
pub mod life;
pub mod said;
pub mod vault;
pub mod world;
mod wrongs;
