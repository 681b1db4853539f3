//! What the port promises, over real sockets on this machine.

use super::household::{Household, has_room};
use super::times::Times;
use super::wire::{self, LAST, PART, PIECE_LEN_MAX, PING};
use super::{Address, AddressError, DirectClient, DirectRelay, static_key};
use crate::Waker;
use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use thicket_types::event::Lane;
use thicket_types::ids::LaneTag;
use thicket_types::limits::{DIRECT_CONNECTIONS_ADDRESS_MAX, DIRECT_CONNECTIONS_MAX, DIRECT_OUTBOX_FRAMES_MAX, FRAME_LEN_MAX, REPLY_PATHS};
use thicket_types::ports::{Entropy, RelayTransport as _, ReplyPath, Transport as _, Unreachable};

const SECRET: [u8; 32] = [7; 32];
/// After this long a condition counts as one that never comes true.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

struct Counting(u8);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) {
        self.0 += 1;
        out.fill(self.0);
    }
}

/// Looks until there is something to see.
pub(super) fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited in vain");
        // Only so that the looking does not take a whole core.
        thread::sleep(Duration::from_millis(1));
    }
}

pub(super) fn until_true(mut look: impl FnMut() -> bool) {
    until(|| look().then_some(()));
}

fn here(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn relay_at(place: SocketAddr) -> io::Result<DirectRelay> {
    DirectRelay::bind(place, &SECRET, Box::new(Counting(0)), Arc::new(|| {}))
}

fn relay() -> DirectRelay {
    relay_at(here(0)).expect("this machine has a free port")
}

fn counter() -> (Arc<AtomicUsize>, Waker) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let waker: Waker = Arc::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    (count, waker)
}

/// A frame of which no two stretches are alike.
fn frame_of(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

/// Waits for the other side to end a connection on which it says nothing.
fn is_ended(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout of more than zero");
    match stream.read(&mut [0]) {
        Ok(count) => count == 0,
        Err(error) => !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
    }
}

/// A relay of which one address has few connections at a time.
fn relay_for_few(address_max: usize) -> DirectRelay {
    DirectRelay::bind_bounded(here(0), &SECRET, Box::new(Counting(0)), Arc::new(|| {}), address_max).expect("this machine has a free port")
}

/// Sends a frame, sees it arrive and answered.
fn exchange(relay: &mut DirectRelay, client: &mut DirectClient, frame: &[u8]) -> LaneTag {
    client.send(&relay.address(), Lane::Named, frame).expect("the relay is up");
    let received = until(|| relay.poll());
    assert_eq!(received.frame, frame);
    relay.reply(received.paths[0], frame).expect("a fresh path");
    assert_eq!(until(|| client.poll()), (Lane::Named, frame.to_vec()));
    received.tag
}

#[test]
fn a_frame_goes_each_way_on_both_lanes_and_no_field_is_equal_on_both() {
    let ((rung, bell), (woken, waker)) = (counter(), counter());
    let mut relay = DirectRelay::bind(here(0), &SECRET, Box::new(Counting(0)), bell).expect("this machine has a free port");
    let mut client = DirectClient::new(Some(waker));
    let to = relay.address();
    client.send(&to, Lane::Named, b"n").expect("the relay is up");
    client.send(&to, Lane::Anonymous, b"a").expect("the relay is up");
    let (one, other) = (until(|| relay.poll()), until(|| relay.poll()));
    assert_ne!(one.tag, other.tag);
    assert_eq!((one.paths.len(), other.paths.len()), (REPLY_PATHS, REPLY_PATHS));
    assert!(one.paths.iter().all(|path| !other.paths.contains(path)));
    for received in [one, other] {
        relay.reply(received.paths[0], &received.frame.repeat(2)).expect("a fresh path");
    }
    let mut answers = [until(|| client.poll()), until(|| client.poll())];
    answers.sort();
    assert_eq!(answers, [(Lane::Named, b"nn".to_vec()), (Lane::Anonymous, b"aa".to_vec())]);
    until_true(|| rung.load(Ordering::SeqCst) == 2 && woken.load(Ordering::SeqCst) == 2);
}

#[test]
fn frames_of_every_size_go_whole_and_one_byte_too_many_is_refused() {
    let mut relay = relay();
    let mut client = DirectClient::new(None);
    for len in [0, 1, PIECE_LEN_MAX - 1, PIECE_LEN_MAX, PIECE_LEN_MAX + 1, FRAME_LEN_MAX] {
        exchange(&mut relay, &mut client, &frame_of(len));
    }
    let oversized = frame_of(FRAME_LEN_MAX + 1);
    assert_eq!(client.send(&relay.address(), Lane::Named, &oversized), Err(Unreachable));
    client.send(&relay.address(), Lane::Named, b"x").expect("the relay is up");
    let received = until(|| relay.poll());
    assert_eq!(relay.reply(received.paths[0], &oversized), Err(Unreachable));
    assert_eq!(client.poll(), None);
}

#[test]
fn a_relay_with_another_key_gets_nothing_and_is_unreachable() {
    let mut relay = relay();
    let mut client = DirectClient::new(None);
    let to = Address::at(static_key(&[8; 32]), relay.local_addr()).to_string();
    assert_eq!(client.send(&to, Lane::Named, b"x"), Ok(()));
    until_true(|| client.send(&to, Lane::Named, b"x") == Err(Unreachable));
    until_true(|| relay.connections() == 0);
    assert_eq!((relay.poll(), client.poll()), (None, None));
}

#[test]
fn an_address_that_is_none_of_ours_is_unreachable() {
    let mut client = DirectClient::new(None);
    for to in ["", "loopback:a", "direct:", "direct:00@127.0.0.1:1"] {
        assert_eq!(client.send(to, Lane::Named, b"x"), Err(Unreachable));
    }
}

#[test]
fn a_relay_that_does_not_answer_costs_a_full_queue_and_no_wait() {
    let silent = TcpListener::bind(here(0)).expect("this machine has a free port");
    let to = Address::at([9; 32], silent.local_addr().expect("it is bound")).to_string();
    let mut client = DirectClient::new(None);
    for _ in 0..DIRECT_OUTBOX_FRAMES_MAX {
        client.send(&to, Lane::Named, b"x").expect("the queue has room");
    }
    assert_eq!(client.send(&to, Lane::Named, b"x"), Err(Unreachable));
    assert_eq!(client.send(&to, Lane::Anonymous, b"x"), Ok(()), "each lane has a queue of its own");
}

#[test]
fn garbage_and_a_half_open_handshake_disturb_nobody_else() {
    let mut relay = relay();
    let mut client = DirectClient::new(None);
    let before = exchange(&mut relay, &mut client, b"before");
    let mut half_open = TcpStream::connect(relay.local_addr()).expect("the port is open");
    half_open.write_all(&[1; 10]).expect("the connection is open");
    let mut garbage = TcpStream::connect(relay.local_addr()).expect("the port is open");
    garbage.write_all(&[0xff; 4096]).expect("the connection is open");
    assert!(is_ended(&mut garbage), "garbage was listened to");
    assert_eq!(exchange(&mut relay, &mut client, b"after"), before, "the connection held");
}

#[test]
fn what_breaks_the_rules_after_the_handshake_ends_its_connection_and_no_other() {
    let mut relay = relay();
    let mut client = DirectClient::new(None);
    let before = exchange(&mut relay, &mut client, b"before");
    let full = frame_of(PIECE_LEN_MAX);
    let broken: [&[(u8, &[u8])]; 6] = [
        &[(3, b"no such kind")],
        &[(PING, b"a ping that says something")],
        &[(PART, b"a piece that is too short to go on")],
        &[(PART, &full), (PART, &full)],
        &[(PART, &full), (LAST, &full)],
        &[(PART, &full), (PING, b"")],
    ];
    for messages in broken {
        let stream = Arc::new(TcpStream::connect(relay.local_addr()).expect("the port is open"));
        let (_, mut writer) = wire::initiate(stream, &static_key(&SECRET), Times::default()).expect("the right key");
        writer.message(PING, b"").expect("the connection is open");
        writer.frame(b"in order").expect("the connection is open");
        assert_eq!(until(|| relay.poll()).frame, b"in order");
        for (kind, piece) in messages {
            writer.message(*kind, piece).expect("the connection is open");
        }
        until_true(|| relay.connections() == 1);
    }
    let stream = Arc::new(TcpStream::connect(relay.local_addr()).expect("the port is open"));
    let _halves = wire::initiate(stream.clone(), &static_key(&SECRET), Times::default()).expect("the right key");
    until_true(|| relay.connections() == 2);
    (&*stream).write_all(&[0, 17, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]).expect("the connection is open");
    until_true(|| relay.connections() == 1);
    assert_eq!(relay.poll(), None);
    assert_eq!(exchange(&mut relay, &mut client, b"after"), before, "the connection held");
}

#[test]
fn a_reply_path_is_good_for_one_frame_and_gone_with_its_connection() {
    let mut relay = relay();
    let mut client = DirectClient::new(None);
    client.send(&relay.address(), Lane::Named, b"x").expect("the relay is up");
    let received = until(|| relay.poll());
    for (number, path) in received.paths[..REPLY_PATHS - 1].iter().enumerate() {
        relay.reply(*path, &frame_of(number)).expect("a fresh path");
        assert_eq!(relay.reply(*path, b"again"), Err(Unreachable));
    }
    for number in 0..REPLY_PATHS - 1 {
        assert_eq!(until(|| client.poll()), (Lane::Named, frame_of(number)));
    }
    assert_eq!(relay.reply(ReplyPath(u64::MAX), b"never made"), Err(Unreachable));
    drop(client);
    until_true(|| relay.connections() == 0);
    assert_eq!(relay.reply(received.paths[REPLY_PATHS - 1], b"too late"), Err(Unreachable));
}

#[test]
fn a_relay_that_restarts_is_found_again_by_a_later_send() {
    let mut relay = relay();
    let mut client = DirectClient::new(None);
    exchange(&mut relay, &mut client, b"before");
    let (place, to) = (relay.local_addr(), relay.address());
    drop(relay);
    until_true(|| client.send(&to, Lane::Named, b"nobody there") == Err(Unreachable));
    let mut relay = until(|| relay_at(place).ok());
    assert_eq!(relay.address(), to);
    let received = until(|| {
        // Refused or lost at first: what a caller does is to send again.
        let _ = client.send(&to, Lane::Named, b"after");
        relay.poll()
    });
    assert_eq!(received.frame, b"after");
    relay.reply(received.paths[0], b"found").expect("a fresh path");
    assert_eq!(until(|| client.poll()), (Lane::Named, b"found".to_vec()));
}

#[test]
fn two_clients_at_once_lose_nothing_while_their_connections_hold() {
    const FRAMES: u8 = 200;
    let mut relay = relay();
    let clients: Vec<_> = [b'a', b'b']
        .into_iter()
        .map(|name| {
            let to = relay.address();
            thread::spawn(move || {
                let mut client = DirectClient::new(None);
                for number in 0..FRAMES {
                    client.send(&to, Lane::Named, &[name, number]).expect("the queue has room");
                }
                for number in 0..FRAMES {
                    assert_eq!(until(|| client.poll()), (Lane::Named, vec![name, number, b'!']));
                }
            })
        })
        .collect();
    // All are polled before the first is answered, as a relay's turn does it.
    let mut received = Vec::new();
    while received.len() < 2 * usize::from(FRAMES) {
        received.push(until(|| relay.poll()));
    }
    let mut next: BTreeMap<LaneTag, [u8; 2]> = BTreeMap::new();
    for one in received {
        let due = next.entry(one.tag).or_insert([one.frame[0], 0]);
        assert_eq!(one.frame, *due);
        due[1] += 1;
        relay.reply(one.paths[0], &[one.frame[0], one.frame[1], b'!']).expect("a fresh path");
    }
    assert_eq!(next.len(), 2);
    for client in clients {
        client.join().expect("every answer came, in order");
    }
}

#[test]
fn one_address_has_its_share_of_connections_and_a_newcomer_beyond_is_closed_at_once() {
    let mut relay = relay_for_few(2);
    let mut client = DirectClient::new(None);
    exchange(&mut relay, &mut client, b"one of two");
    let mut other = DirectClient::new(None);
    exchange(&mut relay, &mut other, b"two of two");
    for _ in 0..3 {
        let stream = Arc::new(TcpStream::connect(relay.local_addr()).expect("the port is open"));
        // A handshake that is in order fails for who was not let in, and for nobody else.
        assert!(wire::initiate(stream, &static_key(&SECRET), Times::default()).is_err(), "a third was let in");
        assert_eq!(relay.connections(), 2);
    }
    exchange(&mut relay, &mut client, b"the connection held");
    drop(other);
    until_true(|| relay.connections() == 1);
    let mut other = DirectClient::new(None);
    exchange(&mut relay, &mut other, b"there is room again");
}

#[test]
fn handshakes_that_fail_take_nothing_of_an_address_share() {
    let mut relay = relay_for_few(1);
    for _ in 0..3 {
        let mut garbage = TcpStream::connect(relay.local_addr()).expect("the port is open");
        garbage.write_all(&[0xff; 4096]).expect("the connection is open");
        assert!(is_ended(&mut garbage), "garbage was listened to");
        until_true(|| relay.connections() == 0);
        drop(TcpStream::connect(relay.local_addr()).expect("the port is open"));
        // Until that one was seen and is gone, a further one is turned away: what counts is that it is let in at last.
        let mut client = DirectClient::new(None);
        let received = until(|| {
            let _ = client.send(&relay.address(), Lane::Named, b"room");
            relay.poll()
        });
        assert_eq!(received.frame, b"room");
        drop(client);
        until_true(|| {
            while relay.poll().is_some() {}
            relay.connections() == 0
        });
    }
}

#[test]
fn a_full_address_leaves_room_to_others_until_all_is_full() {
    let from = |text: &str| Household::of(text.parse().expect("an address"));
    let crowd = |len| vec![from("192.0.2.1"); len];
    let room = |newcomer, there: &[Household]| has_room(newcomer, there.iter().copied(), DIRECT_CONNECTIONS_ADDRESS_MAX);
    assert!(room(from("192.0.2.1"), &crowd(DIRECT_CONNECTIONS_ADDRESS_MAX - 1)));
    assert!(!room(from("192.0.2.1"), &crowd(DIRECT_CONNECTIONS_ADDRESS_MAX)));
    assert!(room(from("192.0.2.2"), &crowd(DIRECT_CONNECTIONS_ADDRESS_MAX)));
    assert!(room(from("192.0.2.2"), &crowd(DIRECT_CONNECTIONS_MAX - 1)));
    assert!(!room(from("192.0.2.2"), &crowd(DIRECT_CONNECTIONS_MAX)));
}

#[test]
fn an_ipv6_address_counts_with_its_64_and_a_mapped_one_as_ipv4() {
    let from = |text: &str| Household::of(text.parse().expect("an address"));
    assert_eq!(from("2001:db8:1:2::1"), from("2001:db8:1:2:ffff::"));
    assert_ne!(from("2001:db8:1:2::1"), from("2001:db8:1:3::1"));
    assert_eq!(from("::ffff:192.0.2.1"), from("192.0.2.1"));
    assert_ne!(from("::ffff:192.0.2.1"), from("::ffff:192.0.2.2"));
    assert_ne!(from("192.0.2.1"), from("192.0.2.2"));
}

#[test]
fn an_address_is_read_and_printed_in_one_spelling() {
    let key = "0123456789abcdef".repeat(4);
    for place in ["127.0.0.1:1", "[::1]:65535", "relay.example:443", "relay_1.a-b.example:9"] {
        let text = format!("direct:{key}@{place}");
        assert_eq!(Address::parse(&text).map(|address| address.to_string()), Ok(text));
    }
    let upper = key.to_uppercase();
    for (text, error) in [
        (format!("nym:{key}@a:1"), AddressError::Scheme),
        (format!("direct:{key}"), AddressError::Key),
        (format!("direct:{upper}@a:1"), AddressError::Key),
        (format!("direct:{key}00@a:1"), AddressError::Key),
        (format!("direct:{key}@a"), AddressError::Port),
        (format!("direct:{key}@a:"), AddressError::Port),
        (format!("direct:{key}@a:0"), AddressError::Port),
        (format!("direct:{key}@a:01"), AddressError::Port),
        (format!("direct:{key}@a:+1"), AddressError::Port),
        (format!("direct:{key}@a:65536"), AddressError::Port),
        (format!("direct:{key}@:1"), AddressError::Host),
        (format!("direct:{key}@::1:1"), AddressError::Host),
        (format!("direct:{key}@[::1:1"), AddressError::Host),
        (format!("direct:{key}@127.1:1"), AddressError::Host),
        (format!("direct:{key}@a..b:1"), AddressError::Host),
        (format!("direct:{key}@a/b:1"), AddressError::Host),
    ] {
        assert_eq!(Address::parse(&text), Err(error));
    }
}

/// RFC 7748 §6.1, Bob.
#[test]
fn a_static_key_is_x25519_of_its_secret() {
    let secret = Address::parse("direct:5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb@a:1").expect("an address");
    let key = Address::parse("direct:de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f@a:1").expect("an address");
    assert_eq!(&static_key(secret.key()), key.key());
}

#[test]
fn a_lane_whose_connection_broke_says_so_once_and_wakes() {
    let relay = relay();
    let (woken, waker) = counter();
    let mut client = DirectClient::new(Some(waker));
    assert!(!client.broke(Lane::Named), "nothing was sent");
    let to = relay.address();
    let mut relay = relay;
    client.send(&to, Lane::Named, b"hello").expect("room");
    until(|| relay.poll());
    assert!(!client.broke(Lane::Named));
    let before = woken.load(Ordering::SeqCst);
    drop(relay);
    until_true(|| client.broke(Lane::Named));
    until_true(|| woken.load(Ordering::SeqCst) > before);
    assert!(!client.broke(Lane::Named), "once");
    assert!(!client.broke(Lane::Anonymous));
    // One that never came up says so too, and one that was renewed is forgotten.
    until_true(|| client.send(&to, Lane::Named, b"nobody there").is_ok());
    until_true(|| client.broke(Lane::Named));
    until_true(|| client.send(&to, Lane::Named, b"nobody there").is_ok());
    client.renew(Lane::Named);
    assert!(!client.broke(Lane::Named));
}

#[test]
fn whoever_answers_without_the_key_of_the_address_is_told_from_nobody() {
    let relay = relay();
    let mut client = DirectClient::new(None);
    // Given the address of a relay with another key in it.
    let wrong = format!("direct:{}@{}", "01".repeat(32), relay.local_addr());
    client.send(&wrong, Lane::Named, b"hello").expect("room");
    until_true(|| client.broke(Lane::Named));
    assert!(client.met_another(Lane::Named));
    assert!(!client.met_another(Lane::Anonymous), "nothing was sent on it");
    // When the right one is asked, or nobody is there, nobody else answers.
    client.send(&relay.address(), Lane::Named, b"hello").expect("room");
    let mut relay = relay;
    until(|| relay.poll());
    assert!(!client.met_another(Lane::Named));
    let to = relay.address();
    client.renew(Lane::Named);
    drop(relay);
    until_true(|| client.send(&to, Lane::Named, b"hello").is_ok());
    until_true(|| client.broke(Lane::Named));
    assert!(!client.met_another(Lane::Named), "nobody is there");
}
