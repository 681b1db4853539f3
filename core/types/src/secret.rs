//! Wrappers for what must not be seen: keys, and what identifies a person.

use core::fmt;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

/// A secret: wiped when dropped, without `Debug`, `Clone`, `PartialEq` or `Serialize`.
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes a secret in.
    pub fn new(value: T) -> Self {
        Secret(value)
    }

    /// Lends the secret. The borrow is the only way out: what a caller copies from it, the caller wipes.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Something that identifies a person (a name): always prints redacted, in every build.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Private<T>(T);

impl<T> Private<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Private(value)
    }

    /// The value, for its proper use: the wire, the vault, the owner's screen.
    pub fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Private<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(private)")
    }
}
