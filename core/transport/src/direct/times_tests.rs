//! The times of both ends, shortened, over real sockets on this machine: what is never given up would be waited for in vain.

use super::address::first;
use super::client::reach;
use super::queue::{Leaving, Next, Outbox};
use super::relay::Bounds;
use super::tests::{PATIENCE, until, until_true};
use super::times::Times;
use super::wire::{self, PING};
use super::{Address, DirectClient, DirectRelay, static_key};
use crate::Waker;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{channel, sync_channel};
use std::thread;
use std::time::Duration;
use thicket_types::event::Lane;
use thicket_types::limits::{
    DIRECT_CONNECT_FOR, DIRECT_CONNECTIONS_ADDRESS_MAX, DIRECT_FAILED_FOR, DIRECT_FRAME_FOR, DIRECT_HANDSHAKE_FOR, DIRECT_HEARD_WITHIN,
    DIRECT_OUTBOX_LEN_MAX, DIRECT_PING_EVERY, DIRECT_PLACE_MIN, DIRECT_PLACES_MAX, DIRECT_QUIET_MAX, DIRECT_STOP_FOR, FRAME_LEN_MAX,
};
use thicket_types::ports::{Entropy, RelayTransport as _, Transport as _};

const SECRET: [u8; 32] = [7; 32];
const SOON: Duration = Duration::from_millis(200);
/// Never, as far as a test goes.
const NEVER: Duration = Duration::from_secs(86_400);

/// All that could end a connection by itself is far away.
fn never() -> Times {
    Times {
        quiet_max: NEVER,
        heard_within: NEVER,
        frame_for: NEVER,
        ping_every: NEVER,
        handshake_for: NEVER,
        connect_for: NEVER,
        ..Times::default()
    }
}

struct Fixed;

impl Entropy for Fixed {
    fn fill(&mut self, out: &mut [u8]) {
        out.fill(1);
    }
}

fn here() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

fn relay(times: Times, bell: Waker) -> DirectRelay {
    DirectRelay::listen(here(), &SECRET, Box::new(Fixed), bell, Bounds::with(DIRECT_CONNECTIONS_ADDRESS_MAX), times)
        .expect("this machine has a free port")
}

fn silent() -> Waker {
    Arc::new(|| {})
}

/// A connection whose hands are shaken, by who then does as a test says.
fn shaken(relay: &DirectRelay) -> (Arc<TcpStream>, wire::Reader, wire::Writer) {
    let stream = Arc::new(TcpStream::connect(relay.local_addr()).expect("the port is open"));
    let (reader, writer) = wire::initiate(stream.clone(), &static_key(&SECRET), never()).expect("the right key");
    until_true(|| relay.connections() == 1);
    (stream, reader, writer)
}

#[test]
fn without_a_tests_word_the_times_are_those_of_the_table() {
    let Times { connect_for, place_min, failed_for, handshake_for, frame_for, ping_every, heard_within, quiet_max, stop_for } =
        Times::default();
    let of_the_table = [
        (connect_for, DIRECT_CONNECT_FOR),
        (place_min, DIRECT_PLACE_MIN),
        (failed_for, DIRECT_FAILED_FOR),
        (handshake_for, DIRECT_HANDSHAKE_FOR),
        (frame_for, DIRECT_FRAME_FOR),
        (ping_every, DIRECT_PING_EVERY),
        (heard_within, DIRECT_HEARD_WITHIN),
        (quiet_max, DIRECT_QUIET_MAX),
        (stop_for, DIRECT_STOP_FOR),
    ];
    for (time, bound) in of_the_table {
        assert_eq!(time, bound.as_core());
    }
}

#[test]
fn a_connection_that_says_nothing_for_too_long_ends() {
    let relay = relay(Times { quiet_max: SOON, ..never() }, silent());
    let _silent = shaken(&relay);
    until_true(|| relay.connections() == 0);
}

#[test]
fn a_connection_with_nothing_to_say_pings_so_that_it_does_not_end() {
    let relay = relay(Times { ping_every: SOON, ..never() }, silent());
    let (stream, _reader, _writer) = shaken(&relay);
    // Two pings: 2 bytes of length, a kind and a tag each.
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout of more than zero");
    let mut pings = [0; 2 * 19];
    (&*stream).read_exact(&mut pings).expect("two pings");
    assert_eq!((&pings[..2], &pings[19..21]), (&[0, 17][..], &[0, 17][..]));
}

#[test]
fn a_frame_that_does_not_come_whole_in_its_time_ends_its_connection() {
    let mut relay = relay(Times { frame_for: SOON, ..never() }, silent());
    let (stream, _reader, mut writer) = shaken(&relay);
    // Whole frames and pings may come at any pace.
    writer.message(PING, b"").expect("the connection is open");
    writer.frame(b"whole").expect("the connection is open");
    assert_eq!(until(|| relay.poll()).frame, b"whole");
    thread::sleep(SOON * 2);
    assert_eq!(relay.connections(), 1);
    // One byte of a message begins a frame.
    (&*stream).write_all(&[0]).expect("the connection is open");
    until_true(|| relay.connections() == 0);
}

#[test]
fn a_frame_that_nobody_reads_in_its_time_ends_its_connection() {
    // Given a relay that shakes hands and reads nothing.
    let listener = TcpListener::bind(here()).expect("this machine has a free port");
    let to = Address::at(static_key(&SECRET), listener.local_addr().expect("it is bound")).to_string();
    let (hold, held) = channel::<()>();
    let relay = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("the client connects");
        let halves = wire::respond(Arc::new(stream), &SECRET, never()).expect("the right key");
        // Until the test is over.
        let _ = held.recv();
        drop(halves);
    });
    let mut client = DirectClient::within(None, Times { frame_for: SOON, ..never() });
    let frame = vec![7; FRAME_LEN_MAX];
    // Then what it is sent is not waited for for ever.
    until_true(|| {
        let broke = client.broke(Lane::Named);
        // Refused when the queue is full.
        let _ = client.send(&to, Lane::Named, &frame);
        broke
    });
    drop(hold);
    relay.join().expect("nothing panics");
}

#[test]
fn connecting_to_who_does_not_answer_is_given_up_in_time() {
    // Given a port whose queue of newcomers is full, so that the system answers no further one.
    let listener = TcpListener::bind(here()).expect("this machine has a free port");
    let place = listener.local_addr().expect("it is bound");
    let mut knocks = Vec::new();
    until_true(|| match TcpStream::connect_timeout(&place, SOON) {
        Ok(knock) => {
            knocks.push(knock);
            false
        }
        Err(_) => true,
    });
    let (wake, woken) = sync_channel(64);
    let waker: Waker = Arc::new(move || {
        // Nobody waits for more than one.
        let _ = wake.try_send(());
    });
    let mut client = DirectClient::within(Some(waker), Times { connect_for: SOON, ..never() });
    client.send(&Address::at([9; 32], place).to_string(), Lane::Named, b"x").expect("it is connecting");
    woken.recv_timeout(PATIENCE).expect("it was given up");
    assert!(client.broke(Lane::Named));
}

#[test]
fn a_relay_stops_though_a_bell_never_returns() {
    let (hold, held) = channel::<()>();
    let held = std::sync::Mutex::new(held);
    let (rings, rang) = sync_channel(64);
    let bell: Waker = Arc::new(move || {
        let _ = rings.try_send(());
        // Until the test is over.
        let _ = held.lock().expect("nothing panics").recv();
    });
    let relay = relay(Times { stop_for: SOON, ..never() }, bell);
    let (_stream, _reader, mut writer) = shaken(&relay);
    writer.frame(b"ring").expect("the connection is open");
    rang.recv_timeout(PATIENCE).expect("the bell rings");
    let (stopped, stops) = sync_channel(1);
    let stopping = thread::spawn(move || {
        drop(relay);
        stopped.send(()).expect("the test waits");
    });
    stops.recv_timeout(PATIENCE).expect("it stopped");
    drop(hold);
    stopping.join().expect("nothing panics");
}

#[test]
fn a_place_that_takes_the_connection_and_says_nothing_leaves_time_for_the_next() {
    let relay = relay(never(), silent());
    let mute = TcpListener::bind(here()).expect("this machine has a free port");
    let places = [mute.local_addr().expect("it is bound"), relay.local_addr()];
    // The silent one has half of it; the other half is enough for an answer on a busy machine.
    let times = Times { connect_for: Duration::from_secs(6), ..never() };
    let (stream, _, _) = reach(&places, &static_key(&SECRET), times).expect("the second place is the relay's");
    assert_eq!(stream.peer_addr().expect("it is connected"), relay.local_addr());
}

#[test]
fn a_place_whose_turn_comes_when_the_time_is_up_is_tried_all_the_same() {
    let relay = relay(never(), silent());
    let times = Times { connect_for: Duration::ZERO, place_min: PATIENCE, ..never() };
    assert!(reach(&[relay.local_addr()], &static_key(&SECRET), times).is_ok());
}

/// Between a client and a relay: passes bytes on, until it forgets the connections that there are, without a word to either end.
struct Way {
    place: SocketAddr,
    opened: Arc<AtomicUsize>,
    /// Connections below this number are forgotten.
    forgotten: Arc<AtomicUsize>,
}

impl Way {
    fn to(relay: SocketAddr) -> Way {
        let listener = TcpListener::bind(here()).expect("this machine has a free port");
        let place = listener.local_addr().expect("it is bound");
        let (opened, forgotten) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let way = Way { place, opened: opened.clone(), forgotten: forgotten.clone() };
        // As long as the process of the test.
        thread::spawn(move || {
            for client in listener.incoming() {
                let number = opened.fetch_add(1, Ordering::SeqCst);
                let (client, relay) = (client.expect("a connection"), TcpStream::connect(relay).expect("the port is open"));
                let halves = [(client.try_clone(), relay.try_clone()), (Ok(relay), Ok(client))];
                for (from, to) in halves {
                    let (mut from, mut to) = (from.expect("a socket"), to.expect("a socket"));
                    let forgotten = forgotten.clone();
                    thread::spawn(move || {
                        let mut bytes = [0; 4_096];
                        while let Ok(count @ 1..) = from.read(&mut bytes) {
                            let passed = number < forgotten.load(Ordering::SeqCst) || to.write_all(&bytes[..count]).is_ok();
                            if !passed {
                                break;
                            }
                        }
                    });
                }
            }
        });
        way
    }

    fn forget(&self) {
        self.forgotten.store(self.opened.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

#[test]
fn what_the_anonymous_lane_sends_after_a_silence_goes_by_a_fresh_connection_and_the_named_one_stays() {
    let mut relay = relay(never(), silent());
    let way = Way::to(relay.local_addr());
    let to = Address::at(static_key(&SECRET), way.place).to_string();
    // Given both lanes of a client, whose connections are forgotten on the way while it sleeps.
    let mut sleeper = DirectClient::within(None, Times { heard_within: SOON, ..never() });
    sleeper.send(&to, Lane::Named, b"name").expect("the relay is up");
    assert_eq!(until(|| relay.poll()).frame, b"name");
    sleeper.send(&to, Lane::Anonymous, b"nameless").expect("the relay is up");
    assert_eq!(until(|| relay.poll()).frame, b"nameless");
    let before = way.opened.load(Ordering::SeqCst);
    way.forget();
    thread::sleep(SOON * 2);
    // Then nothing is made anew by the wake itself, nor by what the named lane sends: that is for who is logged in.
    sleeper.send(&to, Lane::Named, b"into the void").expect("it is queued");
    thread::sleep(SOON);
    assert_eq!(way.opened.load(Ordering::SeqCst), before);
    sleeper.send(&to, Lane::Anonymous, b"arrives").expect("it is queued");
    assert_eq!(until(|| relay.poll()).frame, b"arrives");
    assert_eq!(way.opened.load(Ordering::SeqCst), before + 1);
}

#[test]
fn what_waited_for_a_connection_that_is_given_up_leaves_by_the_next_in_its_order() {
    let outbox = Outbox::new(Leaving::default());
    outbox.put(b"first").expect("room");
    outbox.put(b"second").expect("room");
    assert_eq!(outbox.take_all(), [b"first".to_vec(), b"second".to_vec()]);
    assert!(matches!(outbox.next(Duration::ZERO), Next::Nothing));
    outbox.put(&[7; DIRECT_OUTBOX_LEN_MAX]).expect("all room again");
}

#[test]
fn so_many_places_of_one_name_are_tried() {
    let places = (1..=20).map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let tried = first(places.clone());
    assert_eq!(tried, places.take(DIRECT_PLACES_MAX).collect::<Vec<_>>());
}
