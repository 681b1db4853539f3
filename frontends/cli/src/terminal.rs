//! The terminal: how wide it is, how it was before something was typed on it without an echo, and a screen of one's own on it.

#[cfg(unix)]
mod known {
    use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
    use std::fs::File;
    use std::io::Write as _;
    use std::os::fd::AsFd;
    use std::sync::{Mutex, PoisonError};

    /// The terminal that something is being typed on, and its settings before.
    static BEFORE: Mutex<Option<(File, Termios)>> = Mutex::new(None);

    /// The terminal whose screen the program has for itself, and its settings before.
    static SCREEN: Mutex<Option<(File, Termios)>> = Mutex::new(None);

    /// Held while something is typed without an echo.
    pub struct Kept;

    /// Held while the program has the whole screen.
    pub struct Whole;

    /// Takes the whole screen of the terminal that standard output leads to, and its keys one by one; what stood there comes back
    /// when it is given back.
    pub fn take_screen() -> std::io::Result<Whole> {
        take(File::from(std::io::stdout().as_fd().try_clone_to_owned()?))
    }

    fn take(mut tty: File) -> std::io::Result<Whole> {
        let before = tcgetattr(&tty)?;
        let mut raw = before.clone();
        raw.make_raw();
        *SCREEN.lock().unwrap_or_else(PoisonError::into_inner) = Some((tty.try_clone()?, before));
        let whole = Whole;
        tcsetattr(&tty, OptionalActions::Now, &raw)?;
        // The other screen, and no cursor on it.
        tty.write_all(b"\x1b[?1049h\x1b[?25l")?;
        Ok(whole)
    }

    impl Drop for Whole {
        fn drop(&mut self) {
            give_back();
        }
    }

    fn give_back() {
        if let Some((mut tty, settings)) = SCREEN.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A terminal that is gone has neither.
            let _ = tty.write_all(b"\x1b[0m\x1b[?25h\x1b[?1049l");
            let _ = tcsetattr(&tty, OptionalActions::Now, &settings);
        }
    }

    #[cfg(all(test, target_os = "linux"))]
    mod tests {
        use super::*;
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        use std::io::Read as _;
        use std::sync::Arc;

        #[test]
        fn a_panic_is_said_on_a_terminal_that_was_given_back() {
            let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
            grantpt(&master).and_then(|()| unlockpt(&master)).expect("ours");
            let name = ptsname(&master, Vec::new()).expect("a name").into_string().expect("UTF-8");
            let tty = File::options().read(true).write(true).open(name).expect("its other end");
            let modes = |tty: &File| tcgetattr(tty).expect("a terminal").local_modes;
            let before = modes(&tty);
            // Stands for what says the panic.
            let (seen, end) = (Arc::new(Mutex::new(None)), tty.try_clone().expect("a second handle"));
            let found = seen.clone();
            let usual = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |_| *found.lock().unwrap_or_else(PoisonError::into_inner) = Some(modes(&end))));
            crate::terminal::restore_at_a_panic();
            let whole = take(tty.try_clone().expect("a third handle")).expect("a terminal");
            assert_ne!(modes(&tty), before);
            let died = std::panic::catch_unwind(|| {
                let _whole = whole;
                panic!("a view that is at fault");
            });
            std::panic::set_hook(usual);
            assert!(died.is_err());
            assert_eq!(*seen.lock().unwrap_or_else(PoisonError::into_inner), Some(before));
            let mut sent = [0; 64];
            let len = File::from(master).read(&mut sent).expect("what was written");
            assert_eq!(&sent[..len], b"\x1b[?1049h\x1b[?25l\x1b[0m\x1b[?25h\x1b[?1049l");
        }
    }

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

    /// Sets the terminal as it was noted, if something is being typed on it, and gives its screen back.
    pub fn restore() {
        give_back();
        if let Some((tty, settings)) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            // A terminal that is gone has no settings.
            let _ = tcsetattr(tty, OptionalActions::Now, settings);
        }
    }

    /// How many columns the terminal has that questions are asked on, wherever the streams lead.
    pub fn columns_of_questions() -> Option<usize> {
        size(File::open("/dev/tty").ok()?).map(|(columns, _)| columns)
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

    /// Held while the program has the whole screen.
    pub struct Whole;

    pub fn keep() -> Kept {
        Kept
    }

    pub fn take_screen() -> std::io::Result<Whole> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    pub fn restore() {}

    pub fn columns_of_questions() -> Option<usize> {
        None
    }

    pub fn size<T>(_: T) -> Option<(usize, usize)> {
        None
    }
}

/// Has a panic said where it can be read: the terminal is as it was before by then.
pub fn restore_at_a_panic() {
    let said = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        restore();
        said(panic);
    }));
}

use known::columns_of_questions;
pub use known::{keep, restore, size, take_screen};

/// Columns that every terminal has.
pub const COLUMNS: usize = 80;
/// Columns that lines get on a terminal that has fewer.
const COLUMNS_MIN: usize = 40;

/// How wide what is printed on standard output may be: as every terminal is, or as a narrower one that is there.
pub fn width() -> usize {
    size(std::io::stdout()).map_or(COLUMNS, |(columns, _)| columns.clamp(COLUMNS_MIN, COLUMNS))
}

/// How wide the words before a question may be.
pub fn width_of_questions() -> usize {
    columns_of_questions().map_or(COLUMNS, |columns| columns.clamp(COLUMNS_MIN, COLUMNS))
}

/// How wide a line on standard error may be: none where it is no terminal, so that a line stays one.
pub fn width_of_errors() -> Option<usize> {
    size(std::io::stderr()).map(|(columns, _)| columns.clamp(COLUMNS_MIN, COLUMNS))
}
