//! A line on the terminal that says what is waited for, once that takes longer than a second; gone when it is over.

use crate::Global;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What is over sooner shows nothing.
const AFTER: Duration = Duration::from_secs(1);
/// How often the line moves.
const FRAME_EVERY: Duration = Duration::from_millis(120);
const FRAMES: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/// Shows that something is waited for, until it is dropped. Silent with `--json` and where standard error is no terminal.
pub struct Progress {
    shown: Option<Arc<(Mutex<Shown>, Condvar)>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shown {
    /// Columns of the line that stands on the terminal; 0: none does.
    width: usize,
    over: bool,
}

impl Progress {
    /// Begins to wait for something: "waiting for the relay".
    pub fn start(global: &Global, words: &'static str) -> Progress {
        if global.json || !std::io::stderr().is_terminal() {
            return Progress { shown: None, thread: None };
        }
        let shown = Arc::new((Mutex::new(Shown::default()), Condvar::new()));
        let showing = shown.clone();
        // Without a thread there is no line, and nothing else is missing.
        let thread = std::thread::Builder::new().name("thicket-progress".to_owned()).spawn(move || show(&showing, words)).ok();
        Progress { shown: Some(shown), thread }
    }

    /// Prints a line on standard error in place of this one, which comes back after it.
    pub fn say(&self, line: &str) {
        let Some(shown) = &self.shown else {
            note!("{line}");
            return;
        };
        let mut shown = lock(&shown.0);
        erase(&mut shown);
        note!("{line}");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(shown) = &self.shown {
            lock(&shown.0).over = true;
            shown.1.notify_all();
        }
        if let Some(thread) = self.thread.take() {
            // It draws and sleeps; if it panicked, a line is left on the terminal and no more.
            let _ = thread.join();
        }
    }
}

fn lock(shown: &Mutex<Shown>) -> MutexGuard<'_, Shown> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

fn show(shared: &(Mutex<Shown>, Condvar), words: &str) {
    let since = Instant::now();
    let mut shown = lock(&shared.0);
    for frame in FRAMES.iter().cycle() {
        let wait = AFTER.checked_sub(since.elapsed()).unwrap_or(FRAME_EVERY).max(FRAME_EVERY);
        shown = shared.1.wait_timeout_while(shown, wait, |shown| !shown.over).unwrap_or_else(PoisonError::into_inner).0;
        if shown.over {
            break;
        }
        let line = format!("{frame} {words}… {} s", since.elapsed().as_secs());
        erase(&mut shown);
        shown.width = line.chars().count();
        draw(&line);
    }
    erase(&mut shown);
}

/// Overwrites the line with blanks: every terminal knows how to return to a line's begin.
fn erase(shown: &mut Shown) {
    if shown.width > 0 {
        draw(&format!("\r{}\r", " ".repeat(shown.width)));
        shown.width = 0;
    }
}

fn draw(text: &str) {
    let mut err = std::io::stderr().lock();
    // A terminal that is gone needs no line.
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}
