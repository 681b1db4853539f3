//! The client's end: one connection a lane, made when there is something to send.

use super::address::Address;
use super::queue::{Inbox, Leaving, Outbox, lock};
use super::times::Times;
use super::wire::{self, Heard, Reader, Writer};
use crate::Waker;
use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;
use thicket_types::event::Lane;
use thicket_types::limits::{DIRECT_CLIENT_INBOX_FRAMES_MAX, DIRECT_CLIENT_INBOX_LEN_MAX, FRAME_LEN_MAX};
use thicket_types::ports::{Transport, Unreachable};

/// A client's end of this transport.
///
/// A lane has one connection at a time, to the address that it last sent to; another address ends it. What the anonymous lane sends
/// after a long silence, as when the machine slept, goes by a fresh one: its connection may be up at this end alone. Dropping the end cuts
/// its connections and drops what waits; it does not wait for a connect that is under way.
pub struct DirectClient {
    waker: Option<Waker>,
    inbox: Arc<Inbox<(Lane, Vec<u8>)>>,
    ways: BTreeMap<Lane, Way>,
    times: Times,
}

/// A lane's way to a relay.
struct Way {
    to: String,
    link: Arc<Link>,
    /// Whether it was told that the connection broke.
    told: bool,
}

/// One connection, from the first try to its end. Never used again after it.
struct Link {
    outbox: Outbox,
    progress: Mutex<Progress>,
    /// Set if somebody took the connection and gave no proof of the address's key.
    another: AtomicBool,
    times: Times,
}

enum Progress {
    Connecting,
    Up(Arc<TcpStream>, Arc<Heard>),
    /// It was up.
    Lost,
    /// It never came up.
    Failed(Instant),
}

/// What a link says to who wants to send.
enum Standing {
    Open,
    /// It is up, and nothing came for so long that it may be up at this end alone.
    Stale,
    Ended,
    /// It has just failed to come up; to try again now would be to hammer.
    JustFailed,
}

impl DirectClient {
    /// An end without connections. The waker is called, by a thread of this transport, when a frame has arrived.
    pub fn new(waker: Option<Waker>) -> DirectClient {
        DirectClient::within(waker, Times::default())
    }

    /// An end as [`DirectClient::new`] makes, to which other times are given.
    pub(super) fn within(waker: Option<Waker>, times: Times) -> DirectClient {
        DirectClient {
            times,
            waker,
            inbox: Arc::new(Inbox::new(DIRECT_CLIENT_INBOX_FRAMES_MAX, DIRECT_CLIENT_INBOX_LEN_MAX)),
            ways: BTreeMap::new(),
        }
    }

    /// Begins a connection for a lane in place of the one it had.
    fn open(&mut self, to: &str, lane: Lane) -> Result<Arc<Link>, Unreachable> {
        let address = Address::parse(to).map_err(|_| Unreachable)?;
        let link = Arc::new(Link {
            outbox: Outbox::new(Leaving::default()),
            progress: Mutex::new(Progress::Connecting),
            another: AtomicBool::new(false),
            times: self.times,
        });
        let worker = Worker {
            link: Ending { link: link.clone(), waker: self.waker.clone() },
            lane,
            inbox: self.inbox.clone(),
            waker: self.waker.clone(),
        };
        thread::Builder::new().name("thicket-direct-out".to_owned()).spawn(move || worker.run(&address)).map_err(|_| Unreachable)?;
        if let Some(before) = self.ways.insert(lane, Way { to: to.to_owned(), link: link.clone(), told: false }) {
            before.link.end();
        }
        Ok(link)
    }

    /// Begins a connection for a lane in place of one that may be dead, and takes along what waits to leave by that.
    fn replace(&mut self, to: &str, lane: Lane, before: &Link) -> Result<Arc<Link>, Unreachable> {
        let waiting = before.outbox.take_all();
        let link = self.open(to, lane)?;
        for frame in waiting {
            link.outbox.put(&frame)?;
        }
        Ok(link)
    }
}

impl Transport for DirectClient {
    /// Queues a frame for the lane's connection, and begins one if there is none. Never waits for the network.
    ///
    /// **Limits:** 256 frames and 4 MiB wait for one connection. **Errors:** the address is none of ours, the frame is too
    /// long, the queue is full, or connecting failed less than 500 ms ago.
    fn send(&mut self, to: &str, lane: Lane, frame: &[u8]) -> Result<(), Unreachable> {
        if frame.len() > FRAME_LEN_MAX {
            return Err(Unreachable);
        }
        let standing = self.ways.get(&lane).filter(|way| way.to == to).map(|way| (way.link.clone(), way.link.standing()));
        let link = match standing {
            // The named lane's connection is a login: whoever is logged in makes it anew when the machine slept. Here that would be
            // at one moment with the other lane.
            Some((link, Standing::Stale)) if lane == Lane::Anonymous => self.replace(to, lane, &link)?,
            Some((link, Standing::Open | Standing::Stale)) => link,
            Some((_, Standing::JustFailed)) => return Err(Unreachable),
            Some((_, Standing::Ended)) | None => self.open(to, lane)?,
        };
        link.outbox.put(frame)
    }

    fn poll(&mut self) -> Option<(Lane, Vec<u8>)> {
        self.inbox.take()
    }

    /// Ends the lane's connection; the next frame begins another, to which the relay gives another tag.
    fn renew(&mut self, lane: Lane) {
        if let Some(way) = self.ways.remove(&lane) {
            way.link.end();
        }
    }

    /// Also a connection that never came up broke: what was queued for it is gone.
    fn broke(&mut self, lane: Lane) -> bool {
        let Some(way) = self.ways.get_mut(&lane) else {
            return false;
        };
        let broke = !way.told && matches!(way.link.standing(), Standing::Ended | Standing::JustFailed);
        way.told |= broke;
        broke
    }

    /// With the wrong key the relay cannot read the first message of the handshake, and hangs up (Noise §7.4, NK).
    fn met_another(&mut self, lane: Lane) -> bool {
        self.ways.get(&lane).is_some_and(|way| way.link.another.load(Ordering::Acquire))
    }
}

impl Drop for DirectClient {
    fn drop(&mut self) {
        for way in self.ways.values() {
            way.link.end();
        }
        self.inbox.close();
    }
}

impl Link {
    fn standing(&self) -> Standing {
        match *lock(&self.progress) {
            Progress::Up(_, ref heard) if heard.ago() > self.times.heard_within => Standing::Stale,
            Progress::Connecting | Progress::Up(..) => Standing::Open,
            Progress::Failed(at) if at.elapsed() < self.times.failed_for => Standing::JustFailed,
            Progress::Lost | Progress::Failed(_) => Standing::Ended,
        }
    }

    /// Notes that the connection is up. `None` if it is not wanted any more.
    fn rise(&self, stream: Arc<TcpStream>, heard: Arc<Heard>) -> Option<()> {
        let mut progress = lock(&self.progress);
        if !matches!(*progress, Progress::Connecting) {
            return None;
        }
        *progress = Progress::Up(stream, heard);
        Some(())
    }

    /// Ends the connection and drops what waits for it. A repeat changes nothing.
    fn end(&self) {
        self.outbox.close();
        let mut progress = lock(&self.progress);
        let ended = match &*progress {
            Progress::Connecting => Progress::Failed(Instant::now()),
            Progress::Up(stream, _) => {
                wire::cut(stream);
                Progress::Lost
            }
            Progress::Lost | Progress::Failed(_) => return,
        };
        *progress = ended;
    }
}

/// Ends its link when it goes, whatever way its thread ends: neither half of a connection outlives the other. Then it wakes the
/// client, which may want to know.
struct Ending {
    link: Arc<Link>,
    waker: Option<Waker>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.link.end();
        if let Some(wake) = &self.waker {
            wake();
        }
    }
}

/// What the threads of one connection work with.
struct Worker {
    link: Ending,
    lane: Lane,
    inbox: Arc<Inbox<(Lane, Vec<u8>)>>,
    waker: Option<Waker>,
}

impl Worker {
    /// Connects, then writes what is queued, while a second thread reads.
    fn run(self, address: &Address) {
        let (stream, reader, writer) = match connect(address, self.link.link.times) {
            Ok(connected) => connected,
            Err(error) => return self.link.link.another.store(is_no_proof(&error), Ordering::Release),
        };
        if self.link.link.rise(stream, reader.heard()).is_none() {
            return;
        }
        let link = Ending { link: self.link.link.clone(), waker: self.waker.clone() };
        // If no thread can be had, `self` goes with the closure, and its link with it.
        if thread::Builder::new().name("thicket-direct-in".to_owned()).spawn(move || self.read(reader)).is_ok() {
            wire::drain(writer, &link.link.outbox);
        }
    }

    /// Reads frames until the connection or the client's end is gone.
    fn read(self, mut reader: Reader) {
        while let Ok(frame) = reader.frame() {
            let len = frame.len();
            if self.inbox.put((self.lane, frame), len).is_err() {
                return;
            }
            if let Some(wake) = &self.waker {
                wake();
            }
        }
    }
}

/// Knocks at each place that the address stands for, in the resolver's order, until one proves its key.
fn connect(address: &Address, times: Times) -> io::Result<(Arc<TcpStream>, Reader, Writer)> {
    reach(&address.places()?, address.key(), times)
}

/// Knocks at places in their order. They share the time for connecting; who takes the connection and then says nothing has no longer
/// than its share either.
pub(super) fn reach(places: &[SocketAddr], key: &[u8; 32], times: Times) -> io::Result<(Arc<TcpStream>, Reader, Writer)> {
    let deadline = Instant::now() + times.connect_for;
    let mut left = u32::try_from(places.len()).unwrap_or(u32::MAX);
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    for place in places {
        let share = (deadline.saturating_duration_since(Instant::now()) / left).max(times.place_min);
        left = left.saturating_sub(1).max(1);
        let within = Times { handshake_for: times.handshake_for.min(share), ..times };
        match TcpStream::connect_timeout(place, share).and_then(|stream| greet(stream, key, within)) {
            Ok(connected) => return Ok(connected),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Whether a handshake failed because the other end hung up, or said what its key does not give: not because it is slow, or away.
fn is_no_proof(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, InvalidData, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | InvalidData | UnexpectedEof)
}

fn greet(stream: TcpStream, key: &[u8; 32], times: Times) -> io::Result<(Arc<TcpStream>, Reader, Writer)> {
    let stream = Arc::new(stream);
    let (reader, writer) = wire::initiate(stream.clone(), key, times)?;
    Ok((stream, reader, writer))
}
