//! The bounds of both ends, reached over real sockets on this machine.

use super::queue::{Leaving, Next, Outbox};
use super::relay::Bounds;
use super::tests::{PATIENCE, until, until_true};
use super::times::Times;
use super::wire::{self, Reader, Writer};
use super::{Address, AddressError, DirectClient, DirectRelay, static_key};
use crate::Waker;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use thicket_types::event::Lane;
use thicket_types::limits::{
    DIRECT_BATCHES_MAX, DIRECT_CLIENT_INBOX_FRAMES_MAX, DIRECT_CLIENT_INBOX_LEN_MAX, DIRECT_CONNECTIONS_ADDRESS_MAX,
    DIRECT_OUTBOX_FRAMES_MAX, DIRECT_OUTBOX_LEN_MAX, DIRECT_OUTBOXES_LEN_MAX, DIRECT_RELAY_INBOX_FRAMES_MAX, DIRECT_RELAY_INBOX_LEN_MAX,
    FRAME_LEN_MAX,
};
use thicket_types::ports::{Entropy, Received, RelayTransport as _, Transport as _, Unreachable};

const SECRET: [u8; 32] = [7; 32];
/// How long something that must not come is waited for.
const SILENCE: Duration = Duration::from_millis(100);

struct Fixed;

impl Entropy for Fixed {
    fn fill(&mut self, out: &mut [u8]) {
        out.fill(1);
    }
}

/// Counts the frames that came into an inbox.
#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

impl Count {
    fn waker(&self) -> Waker {
        let Count(counted) = self.clone();
        Arc::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        })
    }

    fn now(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// As many came as have room; a further one has when one is taken.
    fn is_full_at(&self, most: usize, take: impl FnOnce() -> bool) {
        until_true(|| self.now() >= most);
        thread::sleep(SILENCE);
        assert_eq!(self.now(), most);
        assert!(take());
        until_true(|| self.now() == most + 1);
    }
}

fn here() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

fn relay(bell: Waker) -> DirectRelay {
    DirectRelay::bind(here(), &SECRET, Box::new(Fixed), bell).expect("this machine has a free port")
}

/// A connection whose hands are shaken, and which nobody reads unless a test does.
fn shaken(relay: &DirectRelay) -> (Reader, Writer) {
    let stream = Arc::new(TcpStream::connect(relay.local_addr()).expect("the port is open"));
    wire::initiate(stream, &static_key(&SECRET), Times::default()).expect("the right key")
}

/// Has a relay's inbox fill with frames of a length, and finds that so many have room.
fn relay_takes(len: usize, most: usize) {
    let count = Count::default();
    let mut relay = relay(count.waker());
    let mut client = DirectClient::new(None);
    let (to, frame) = (relay.address(), vec![7; len]);
    for _ in 0..most + 2 {
        until_true(|| client.send(&to, Lane::Named, &frame).is_ok());
    }
    count.is_full_at(most, || relay.poll().is_some());
}

/// Has a client's inbox fill with frames of a length, and finds that so many have room.
fn client_takes(len: usize, most: usize) {
    let (mut relay, count) = (relay(Arc::new(|| {})), Count::default());
    let mut client = DirectClient::new(Some(count.waker()));
    let (to, frame) = (relay.address(), vec![7; len]);
    let mut sent = 0;
    while sent < most + 2 {
        client.send(&to, Lane::Named, b"x").expect("the relay is up");
        for path in until(|| relay.poll()).paths {
            relay.reply(path, &frame).expect("a fresh path, and room to leave");
            sent += 1;
        }
        until_true(|| count.now() >= sent.min(most));
    }
    count.is_full_at(most, || client.poll().is_some());
}

#[test]
fn as_many_frames_wait_to_leave_as_have_room_and_no_more() {
    let (outbox, full) = (Outbox::new(Leaving::default()), || Err(Unreachable));
    for _ in 0..DIRECT_OUTBOX_FRAMES_MAX {
        assert_eq!(outbox.put(b"x"), Ok(()));
    }
    assert_eq!(outbox.put(b"x"), full());
    assert!(matches!(outbox.next(PATIENCE), Next::Frame(_)));
    assert_eq!([outbox.put(b"x"), outbox.put(b"x")], [Ok(()), full()]);
}

#[test]
fn as_many_bytes_wait_to_leave_as_have_room_and_no_more() {
    let (outbox, full) = (Outbox::new(Leaving::default()), || Err(Unreachable));
    let frame = vec![7; DIRECT_OUTBOX_LEN_MAX / 64];
    for _ in 0..63 {
        assert_eq!(outbox.put(&frame), Ok(()));
    }
    assert_eq!(outbox.put(&[frame.as_slice(), b"x"].concat()), full());
    assert_eq!([outbox.put(&frame), outbox.put(b"x")], [Ok(()), full()]);
    assert!(matches!(outbox.next(PATIENCE), Next::Frame(_)));
    assert_eq!(outbox.put(b"x"), Ok(()));
}

#[test]
fn what_waits_in_all_outboxes_is_counted_however_it_leaves() {
    let all = Leaving::default();
    let [taken, moved, closed] = [(); 3].map(|()| Outbox::new(all.clone()));
    for outbox in [&taken, &moved, &closed, &closed] {
        outbox.put(&[7; 10]).expect("room");
    }
    assert_eq!((all.len(), closed.len()), (40, 20));
    assert!(matches!(taken.next(PATIENCE), Next::Frame(_)));
    assert_eq!(all.len(), 30);
    assert_eq!(moved.take_all().len(), 1);
    assert_eq!(all.len(), 20);
    closed.close();
    closed.close();
    assert_eq!(all.len(), 0);
}

#[test]
fn past_what_may_wait_to_leave_by_all_the_connection_for_which_most_waits_is_ended_and_no_other() {
    assert_eq!(Bounds::with(1).leaving_max, DIRECT_OUTBOXES_LEN_MAX);
    let most = DIRECT_OUTBOX_LEN_MAX + DIRECT_OUTBOX_LEN_MAX / 2;
    let bounds = Bounds { leaving_max: most, ..Bounds::with(DIRECT_CONNECTIONS_ADDRESS_MAX) };
    let bound = DirectRelay::listen(here(), &SECRET, Box::new(Fixed), Arc::new(|| {}), bounds, Times::default());
    let mut relay = bound.expect("this machine has a free port");
    // Given one who reads nothing of what they ask for, so that what waits for them does not become less.
    let frame = vec![7; FRAME_LEN_MAX];
    let ask = |relay: &mut DirectRelay, writer: &mut Writer| {
        writer.frame(b"x").expect("the connection is open");
        let paths = until(|| relay.poll()).paths;
        paths.into_iter().filter(|path| relay.reply(*path, &frame).is_ok()).count()
    };
    let mut people = [(); 2].map(|()| shaken(&relay));
    until_true(|| {
        ask(&mut relay, &mut people[0].1);
        thread::sleep(SILENCE);
        relay.leaving() > DIRECT_OUTBOX_LEN_MAX - FRAME_LEN_MAX
    });
    assert_eq!(relay.connections(), 2);
    // When what another one asks for brings both past it, the first is cut off, and the other gets all.
    let mut sent = 0;
    until_true(|| {
        sent += ask(&mut relay, &mut people[1].1);
        relay.connections() == 1
    });
    for _ in 0..sent {
        assert_eq!(people[1].0.frame().expect("the connection is open"), frame);
    }
    assert_eq!(relay.connections(), 1);
}

#[test]
fn a_client_that_does_not_poll_takes_so_many_frames_and_its_reader_waits() {
    client_takes(1, DIRECT_CLIENT_INBOX_FRAMES_MAX);
}

#[test]
fn a_client_that_does_not_poll_takes_so_many_bytes_and_its_reader_waits() {
    client_takes(FRAME_LEN_MAX, DIRECT_CLIENT_INBOX_LEN_MAX / FRAME_LEN_MAX);
}

#[test]
fn a_relay_that_does_not_poll_takes_so_many_frames_and_its_readers_wait() {
    relay_takes(1, DIRECT_RELAY_INBOX_FRAMES_MAX);
}

#[test]
fn a_relay_that_does_not_poll_takes_so_many_bytes_and_its_readers_wait() {
    relay_takes(FRAME_LEN_MAX, DIRECT_RELAY_INBOX_LEN_MAX / FRAME_LEN_MAX);
}

#[test]
fn the_ways_back_of_so_many_frames_of_a_connection_are_kept_and_the_oldest_go_first() {
    let mut relay = relay(Arc::new(|| {}));
    let mut client = DirectClient::new(None);
    let to = relay.address();
    let mut receive = |relay: &mut DirectRelay| -> Received {
        until_true(|| client.send(&to, Lane::Named, b"x").is_ok());
        until(|| relay.poll())
    };
    let all: Vec<Received> = (0..DIRECT_BATCHES_MAX).map(|_| receive(&mut relay)).collect();
    assert_eq!(relay.reply(all[0].paths[0], b"the oldest"), Ok(()));
    receive(&mut relay);
    assert_eq!(relay.reply(all[0].paths[1], b"one too old"), Err(Unreachable));
    assert_eq!(relay.reply(all[1].paths[0], b"the oldest now"), Ok(()));
}

#[test]
fn a_lane_whose_connect_failed_is_unreachable_for_a_moment_and_then_tries_again() {
    let closed = TcpListener::bind(here()).and_then(|listener| listener.local_addr()).expect("this machine has a free port");
    let to = Address::at([9; 32], closed).to_string();
    let mut client = DirectClient::new(None);
    let mut tries = || client.send(&to, Lane::Named, b"x").is_ok();
    // One try alone may fail for another reason: what it waits in may be gone by then.
    let mut refused = 0;
    until_true(|| {
        refused = if tries() { 0 } else { refused + 1 };
        refused == 20
    });
    until_true(tries);
}

#[test]
fn a_handshake_that_does_not_go_on_ends_its_connection_on_either_side() {
    // Given one who connects to a relay and says nothing, and a relay that says nothing to a client.
    let relay = relay(Arc::new(|| {}));
    let _knocks = TcpStream::connect(relay.local_addr()).expect("the port is open");
    until_true(|| relay.connections() == 1);
    let silent = TcpListener::bind(here()).expect("this machine has a free port");
    let to = Address::at([9; 32], silent.local_addr().expect("it is bound")).to_string();
    let mut client = DirectClient::new(None);
    client.send(&to, Lane::Named, b"x").expect("it is connecting");
    let (mut stream, _) = silent.accept().expect("the client connects");
    // Then neither waits for ever.
    until_true(|| relay.connections() == 0);
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout of more than zero");
    stream.read_to_end(&mut Vec::new()).expect("the client's end is closed");
}

#[test]
fn a_hosts_name_is_read_to_its_bound_and_no_further() {
    let parse = |len| Address::parse(&format!("direct:{}@{}:1", "07".repeat(32), "a".repeat(len))).map(|_| ());
    assert_eq!([parse(253), parse(254)], [Ok(()), Err(AddressError::Host)]);
}
