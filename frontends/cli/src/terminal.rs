//! The terminal: how wide it is, and how it was before something was typed on it without an echo.

#[cfg(unix)]
mod known {
    use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
    use std::fs::File;
    use std::os::fd::AsFd;
    use std::sync::{Mutex, PoisonError};

    /// The terminal that something is being typed on, and its settings before.
    static BEFORE: Mutex<Option<(File, Termios)>> = Mutex::new(None);

    /// Held while something is typed without an echo.
    pub struct Kept;

    /// Notes how the terminal is set, for who ends the program before what is typed is read.
    pub fn keep() -> Kept {
        let found = File::open("/dev/tty").ok().and_then(|tty| tcgetattr(&tty).ok().map(|settings| (tty, settings)));
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = found;
        Kept
    }

    impl Drop for Kept {
        fn drop(&mut self) {
            *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// Sets the terminal as it was noted, if something is being typed on it.
    pub fn restore() {
        if let Some((tty, settings)) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            // A terminal that is gone has no settings.
            let _ = tcsetattr(tty, OptionalActions::Now, settings);
        }
    }

    /// The columns and rows of the terminal that a stream leads to.
    pub fn size(stream: impl AsFd) -> Option<(usize, usize)> {
        let size = tcgetwinsize(stream).ok()?;
        (size.ws_col > 0 && size.ws_row > 0).then_some((usize::from(size.ws_col), usize::from(size.ws_row)))
    }
}

#[cfg(not(unix))]
mod known {
    /// Held while something is typed without an echo.
    pub struct Kept;

    pub fn keep() -> Kept {
        Kept
    }

    pub fn restore() {}

    pub fn size<T>(_: T) -> Option<(usize, usize)> {
        None
    }
}

pub use known::{keep, restore, size};
