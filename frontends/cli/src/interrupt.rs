//! Ctrl-C: whoever waits sees it and ends in order; what sees nothing is ended.
//!
//! ```text
//!   Ctrl-C ─▶ asked ─▶ loops that wait: check()? ─▶ the profile closes ─▶ 130
//!                └─▶ a second later, or with the next Ctrl-C: 130, whatever goes on
//! ```
//!
//! Ended anywhere, nothing is lost: what was acknowledged is durable. In order, the terminal and the folders are left tidy.

use crate::output::Trouble;
use crate::terminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use thicket_types::error::Code;

/// How long what is under way may take to see it.
const GRACE: Duration = Duration::from_secs(1);
/// How long the error may take to get out then.
const SAYING: Duration = Duration::from_millis(200);
/// What a shell makes of a program that SIGINT ended.
pub const STATUS: u8 = 130;

static ASKED: AtomicBool = AtomicBool::new(false);
/// Set where an interruption is the usual end, and no error.
static QUIET: AtomicBool = AtomicBool::new(false);

/// Begins to heed Ctrl-C, and on Unix SIGTERM and SIGHUP. Signals that the parent has switched off, as nohup does, stay so.
///
/// `code` says what the interruption means: whether what was asked for goes on later.
pub fn heed(json: bool, code: Code) {
    // Without a handler the system ends the program by itself.
    let _ = ctrlc::try_set_handler(move || {
        if ASKED.swap(true, Ordering::AcqRel) {
            end();
        }
        std::thread::spawn(move || {
            std::thread::sleep(GRACE);
            // On a thread of its own: whoever holds standard output may never let go of it.
            if !QUIET.load(Ordering::Acquire) {
                std::thread::spawn(move || Trouble::from(code).exit(json));
                std::thread::sleep(SAYING);
            }
            end();
        });
    });
}

/// Ends the program wherever it is; what it did to the terminal is undone.
fn end() -> ! {
    terminal::restore();
    std::process::exit(i32::from(STATUS))
}

/// Has an interruption be no error from here on: whoever runs says what is to be said.
pub fn is_usual() {
    QUIET.store(true, Ordering::Release);
}

/// Whether it was asked to stop.
pub fn asked() -> bool {
    ASKED.load(Ordering::Acquire)
}

/// Stops whoever waits, if it was asked for.
pub fn check() -> Result<(), Trouble> {
    if asked() { Err(Code::Interrupted.into()) } else { Ok(()) }
}
