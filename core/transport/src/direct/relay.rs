//! The relay's end: a port that anyone may knock at, and ways back that last no longer than a connection.

use super::address::Address;
use super::household::{Household, has_room};
use super::queue::{Inbox, Leaving, Outbox, lock};
use super::times::Times;
use super::wire::{self, static_key};
use crate::Waker;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use thicket_types::ids::LaneTag;
use thicket_types::limits::{
    DIRECT_BATCHES_MAX, DIRECT_CONNECTIONS_ADDRESS_MAX, DIRECT_OUTBOXES_LEN_MAX, DIRECT_RELAY_INBOX_FRAMES_MAX, DIRECT_RELAY_INBOX_LEN_MAX,
    FRAME_LEN_MAX, REPLY_PATHS,
};
use thicket_types::ports::{Entropy, Received, RelayTransport, ReplyPath, Unreachable};
use thicket_types::secret::Secret;

/// How long the accepting thread sleeps when nobody knocks. It looks up by itself, so that nothing has to wake it to stop it.
const ACCEPT_EVERY: Duration = Duration::from_millis(10);

/// Paths in one batch: those of one frame. Path `p` is the `p % BATCH`th of batch `p / BATCH`.
const BATCH: u64 = REPLY_PATHS as u64;
/// A batch with no path spent.
const UNSPENT: u32 = (1 << REPLY_PATHS) - 1;
const _: () = assert!(REPLY_PATHS > 0 && REPLY_PATHS < 32, "a batch's paths are the bits of 32");

/// A relay's end of this transport. Dropping it closes the port and every connection, and waits until their threads are gone.
pub struct DirectRelay {
    hub: Arc<Hub>,
    local: SocketAddr,
    key: [u8; 32],
    accepting: Option<JoinHandle<()>>,
}

/// What a relay's end takes on at most.
pub(super) struct Bounds {
    /// Connections from one address.
    pub(super) address_max: usize,
    /// Bytes that wait to leave by all connections together.
    pub(super) leaving_max: usize,
}

impl Bounds {
    pub(super) fn with(address_max: usize) -> Bounds {
        Bounds { address_max, leaving_max: DIRECT_OUTBOXES_LEN_MAX }
    }
}

/// What all threads of a relay's end share.
struct Hub {
    secret: Secret<[u8; 32]>,
    address_max: usize,
    times: Times,
    entropy: Mutex<Box<dyn Entropy + Send>>,
    bell: Waker,
    inbox: Inbox<Arrived>,
    leaving: Leaving,
    leaving_max: usize,
    desk: Mutex<Desk>,
    /// A connection is gone from the desk.
    gone: Condvar,
    stop: AtomicBool,
}

/// A frame as a reader got it. Its paths are made when it is polled, so that those of a frame that waits take no room.
struct Arrived {
    connection: u64,
    tag: LaneTag,
    frame: Vec<u8>,
}

/// The connections there are, and the ways back that lead to them.
#[derive(Default)]
struct Desk {
    connections: BTreeMap<u64, Connection>,
    batches: BTreeMap<u64, Batch>,
    next_connection: u64,
    next_batch: u64,
}

struct Connection {
    household: Household,
    stream: Arc<TcpStream>,
    outbox: Arc<Outbox>,
    /// Oldest first. One that is spent whole is gone from the desk and still counts here.
    batches: VecDeque<u64>,
}

/// The reply paths of one frame.
struct Batch {
    connection: u64,
    /// A bit for each path that is not spent.
    unspent: u32,
}

impl DirectRelay {
    /// Listens on a port; 0 takes a free one. `secret` is the static key whose public half the address names; `entropy` gives
    /// lane tags. The bell is called, by a thread of this transport, when a frame has arrived.
    ///
    /// **Limits:** 1,024 connections, 64 of them from one IPv4 address or IPv6 /64; a newcomer beyond is closed at once.
    /// **Errors:** the port cannot be had, or no thread.
    pub fn bind(listen: SocketAddr, secret: &[u8; 32], entropy: Box<dyn Entropy + Send>, bell: Waker) -> io::Result<DirectRelay> {
        DirectRelay::bind_bounded(listen, secret, entropy, bell, DIRECT_CONNECTIONS_ADDRESS_MAX)
    }

    /// Listens as [`DirectRelay::bind`] does, with another bound of connections from one address.
    pub fn bind_bounded(
        listen: SocketAddr,
        secret: &[u8; 32],
        entropy: Box<dyn Entropy + Send>,
        bell: Waker,
        address_max: usize,
    ) -> io::Result<DirectRelay> {
        DirectRelay::listen(listen, secret, entropy, bell, Bounds::with(address_max), Times::default())
    }

    /// Listens as [`DirectRelay::bind`] does, within other bounds and times.
    pub(super) fn listen(
        listen: SocketAddr,
        secret: &[u8; 32],
        entropy: Box<dyn Entropy + Send>,
        bell: Waker,
        bounds: Bounds,
        times: Times,
    ) -> io::Result<DirectRelay> {
        let Bounds { address_max, leaving_max } = bounds;
        let listener = TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let local = listener.local_addr()?;
        let hub = Arc::new(Hub {
            secret: Secret::new(*secret),
            address_max,
            times,
            entropy: Mutex::new(entropy),
            bell,
            inbox: Inbox::new(DIRECT_RELAY_INBOX_FRAMES_MAX, DIRECT_RELAY_INBOX_LEN_MAX),
            leaving: Leaving::default(),
            leaving_max,
            desk: Mutex::new(Desk::default()),
            gone: Condvar::new(),
            stop: AtomicBool::new(false),
        });
        let shared = hub.clone();
        let accepting = thread::Builder::new().name("thicket-direct".to_owned()).spawn(move || accept(&shared, &listener))?;
        Ok(DirectRelay { hub, local, key: static_key(secret), accepting: Some(accepting) })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The address for who reaches [`DirectRelay::local_addr`] as it is: not for a relay that listens on all of its interfaces.
    pub fn address(&self) -> String {
        Address::at(self.key, self.local).to_string()
    }

    /// Bytes that wait to leave by all connections.
    #[cfg(test)]
    pub(super) fn leaving(&self) -> usize {
        self.hub.leaving.len()
    }

    /// Connections at this moment, those in their handshake among them.
    pub fn connections(&self) -> usize {
        lock(&self.hub.desk).connections.len()
    }
}

impl RelayTransport for DirectRelay {
    fn poll(&mut self) -> Option<Received> {
        let Arrived { connection, tag, frame } = self.hub.inbox.take()?;
        let paths = lock(&self.hub.desk).make_paths(connection);
        Some(Received { tag, paths, frame })
    }

    /// Queues a frame for the connection that the path leads to, and spends the path.
    ///
    /// **Limits:** 256 frames and 4 MiB wait for one connection, 256 MiB for all; past that the connection for which most waits is
    /// ended. **Errors:** the path is spent, was dropped as one of the
    /// oldest, or is gone with its connection; the queue is full; the frame is too long.
    fn reply(&mut self, path: ReplyPath, frame: &[u8]) -> Result<(), Unreachable> {
        if frame.len() > FRAME_LEN_MAX {
            return Err(Unreachable);
        }
        let outbox = lock(&self.hub.desk).spend(path).ok_or(Unreachable)?;
        outbox.put(frame)?;
        if self.hub.leaving.len() > self.hub.leaving_max {
            lock(&self.hub.desk).end_fullest();
        }
        Ok(())
    }
}

impl Drop for DirectRelay {
    fn drop(&mut self) {
        self.hub.stop.store(true, Ordering::Release);
        if let Some(accepting) = self.accepting.take() {
            // Panicked or not, the thread is gone and the port with it.
            let _ = accepting.join();
        }
        self.hub.inbox.close();
        let desk = lock(&self.hub.desk);
        for connection in desk.connections.values() {
            connection.outbox.close();
            wire::cut(&connection.stream);
        }
        // A bell that never returns must not hold up who stops the relay.
        drop(self.hub.gone.wait_timeout_while(desk, self.hub.times.stop_for, |desk| !desk.connections.is_empty()));
    }
}

impl Desk {
    /// Makes the paths of one frame. If its connection is gone, they lead nowhere.
    fn make_paths(&mut self, number: u64) -> Vec<ReplyPath> {
        let batch = self.next_batch;
        self.next_batch += 1;
        if let Some(connection) = self.connections.get_mut(&number) {
            self.batches.insert(batch, Batch { connection: number, unspent: UNSPENT });
            connection.batches.push_back(batch);
            if connection.batches.len() > DIRECT_BATCHES_MAX
                && let Some(oldest) = connection.batches.pop_front()
            {
                self.batches.remove(&oldest);
            }
        }
        (0..BATCH).map(|place| ReplyPath(batch * BATCH + place)).collect()
    }

    /// Spends a path, and gives the queue that it leads to.
    fn spend(&mut self, path: ReplyPath) -> Option<Arc<Outbox>> {
        let number = path.0 / BATCH;
        let batch = self.batches.get_mut(&number)?;
        let bit = 1_u32 << (path.0 % BATCH);
        if batch.unspent & bit == 0 {
            return None;
        }
        batch.unspent &= !bit;
        let connection = batch.connection;
        if batch.unspent == 0 {
            self.batches.remove(&number);
        }
        self.connections.get(&connection).map(|connection| connection.outbox.clone())
    }

    /// Ends the connection for which most waits: whoever reads what they ask for has less.
    fn end_fullest(&self) {
        if let Some(fullest) = self.connections.values().max_by_key(|connection| connection.outbox.len()) {
            fullest.outbox.close();
            wire::cut(&fullest.stream);
        }
    }

    /// Forgets a connection and every way back to it.
    fn remove(&mut self, number: u64) {
        if let Some(connection) = self.connections.remove(&number) {
            for batch in connection.batches {
                self.batches.remove(&batch);
            }
        }
    }
}

/// Takes connections in until the relay's end stops; the port closes with the listener, when this thread ends.
fn accept(hub: &Arc<Hub>, listener: &TcpListener) {
    while !hub.stop.load(Ordering::Acquire) {
        match listener.accept() {
            Ok((stream, from)) => begin(hub, stream, Household::of(from.ip())),
            // Nobody knocks, or the system is out of something: both pass.
            Err(_) => thread::sleep(ACCEPT_EVERY),
        }
    }
}

/// Gives a newcomer a seat and a thread. Where either cannot be had, dropping the stream closes it.
fn begin(hub: &Arc<Hub>, stream: TcpStream, household: Household) {
    // Some systems hand the listener's mode down.
    if stream.set_nonblocking(false).is_err() {
        return;
    }
    if let Some(seat) = Seat::take(hub, stream, household) {
        let _ = thread::Builder::new().name("thicket-direct-in".to_owned()).spawn(move || seat.serve());
    }
}

/// A connection's place at the desk. Given back however its thread ends, and the connection with it.
struct Seat {
    hub: Arc<Hub>,
    number: u64,
    stream: Arc<TcpStream>,
    outbox: Arc<Outbox>,
}

impl Seat {
    /// Takes a seat; `None` if all are taken, or all that one household may have.
    fn take(hub: &Arc<Hub>, stream: TcpStream, household: Household) -> Option<Seat> {
        let (stream, outbox) = (Arc::new(stream), Arc::new(Outbox::new(hub.leaving.clone())));
        let mut desk = lock(&hub.desk);
        if !has_room(household, desk.connections.values().map(|connection| connection.household), hub.address_max) {
            return None;
        }
        let number = desk.next_connection;
        desk.next_connection += 1;
        let connection = Connection { household, stream: stream.clone(), outbox: outbox.clone(), batches: VecDeque::new() };
        desk.connections.insert(number, connection);
        drop(desk);
        Some(Seat { hub: hub.clone(), number, stream, outbox })
    }

    /// Shakes hands, then reads, while a second thread writes, until either fails.
    fn serve(self) {
        let Ok((mut reader, writer)) = wire::respond(self.stream.clone(), self.hub.secret.expose(), self.hub.times) else {
            return;
        };
        let mut tag = [0; LaneTag::LEN];
        lock(&self.hub.entropy).fill(&mut tag);
        let tag = LaneTag(tag);
        let outbox = self.outbox.clone();
        if thread::Builder::new().name("thicket-direct-out".to_owned()).spawn(move || wire::drain(writer, &outbox)).is_err() {
            return;
        }
        while let Ok(frame) = reader.frame() {
            let len = frame.len();
            if self.hub.inbox.put(Arrived { connection: self.number, tag, frame }, len).is_err() {
                return;
            }
            (self.hub.bell)();
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.outbox.close();
        wire::cut(&self.stream);
        lock(&self.hub.desk).remove(self.number);
        self.hub.gone.notify_all();
    }
}
