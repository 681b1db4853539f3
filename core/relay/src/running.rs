//! A relay on a thread of its own.

use crate::Relay;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use thicket_types::ports::{RelayTransport, Store};

/// How long an idle relay sleeps before it looks at its clock.
const IDLE: Duration = Duration::from_secs(1);
/// The wait after the store failed.
const FAILED: Duration = Duration::from_millis(200);

/// Rung when a frame arrives; waited on when there is none.
#[derive(Default)]
pub struct Bell {
    rung: Mutex<bool>,
    moved: Condvar,
}

impl Bell {
    /// Wakes who waits, or who waits next.
    pub fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.moved.notify_all();
    }

    /// Waits until it is rung, at most so long.
    pub fn wait(&self, at_most: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut rung, _) = self.moved.wait_timeout_while(rung, at_most, |rung| !*rung).unwrap_or_else(PoisonError::into_inner);
        *rung = false;
    }
}

/// A relay that runs until it is stopped.
pub struct Running<S, T> {
    stop: Arc<AtomicBool>,
    bell: Arc<Bell>,
    thread: JoinHandle<Relay<S, T>>,
}

impl<S: Store + Send + 'static, T: RelayTransport + Send + 'static> Running<S, T> {
    /// Starts a relay. The bell is the one that its transport rings.
    pub fn start(mut relay: Relay<S, T>, bell: Arc<Bell>) -> std::io::Result<Running<S, T>> {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, ringing) = (stop.clone(), bell.clone());
        let thread = std::thread::Builder::new().name("thicket-relay".to_owned()).spawn(move || {
            while !stopped.load(Ordering::Acquire) {
                match relay.turn() {
                    Ok(0) => ringing.wait(IDLE),
                    Ok(_) => {}
                    Err(_) => ringing.wait(FAILED),
                }
            }
            relay
        })?;
        Ok(Running { stop, bell, thread })
    }

    /// Whether its thread is still there: it ends when it is stopped, or panicked.
    pub fn is_running(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Stops it after the turn it is in, and gives it back. `None` if its thread panicked.
    pub fn stop(self) -> Option<Relay<S, T>> {
        self.stop.store(true, Ordering::Release);
        self.bell.ring();
        self.thread.join().ok()
    }
}
