//! Identities and certificates in OpenPGP, version 4.
//!
//! An identity is an Ed25519 key that certifies and signs (algorithm 22), a Curve25519 key that
//! others encrypt to (algorithm 18), and one user id: the name. GnuPG 2.2 reads all that this
//! crate writes.
//!
//! No clock is read here and no randomness is drawn except from the caller's
//! [`Entropy`](thicket_types::ports::Entropy): equal seeds and times give equal bytes.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod certificate;
mod entropy;
mod error;
mod identity;
mod verifier;

#[cfg(test)]
mod tests;

pub use certificate::Certificate;
pub use error::OpenPgpError;
pub use identity::Identity;
pub use verifier::Verifier;
