//! What every transport promises, as a suite: a new one is put behind [`Place`], and [`keeps_its_promises`] tries it.
//!
//! A transport may lose, delay, double and reorder: so the suite asks again until it has what it asked for, as a client does, and
//! counts nothing that may come twice. What must not arrive it judges by what the client gets: a relay's end may be unable to know
//! that a path is spent.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
// A suite says what is wrong by a panic.
#![allow(clippy::expect_used, clippy::missing_panics_doc)]

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};
use thicket_types::event::Lane;
use thicket_types::limits::{FRAME_LEN_MAX, REPLY_PATHS};
use thicket_types::ports::{Received, RelayTransport, ReplyPath, Transport, Unreachable};

/// A place where a relay and clients of one transport meet.
pub trait Place {
    /// The relay's end. The same one until [`Place::restart`].
    fn relay(&mut self) -> &mut dyn RelayTransport;
    /// The relay's address.
    fn address(&self) -> String;
    /// A new client's end.
    fn client(&mut self) -> Box<dyn Transport>;
    /// Ends the relay and starts it anew under the same address. `false` if this transport's relay can't be.
    fn restart(&mut self) -> bool;
}

/// After this long something counts as what never comes.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long something that must not come is waited for.
const SILENCE: Duration = Duration::from_millis(100);
/// After this long it is asked again.
const AGAIN: Duration = Duration::from_millis(50);
/// What is sent by a path that must carry nothing.
const LATE: &[u8] = b"late";

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Sends a frame, again and again, until the relay has it. No two asks of the suite have the same bytes: what comes twice, or
/// late, is taken for no other.
fn arrives(place: &mut dyn Place, client: &mut dyn Transport, lane: Lane, ask: &[u8]) -> Received {
    let to = place.address();
    let mut again = Instant::now();
    until("a frame at the relay", || {
        if Instant::now() >= again {
            // Unreachable is no error here: the next try may find the relay.
            let _ = client.send(&to, lane, ask);
            again = Instant::now() + AGAIN;
        }
        let received = place.relay().poll()?;
        (received.frame == ask).then_some(received)
    })
}

/// Asks until the client has what it looks for among all that it gets. The relay replies to each ask that arrives.
fn asks(
    place: &mut dyn Place,
    client: &mut dyn Transport,
    lane: Lane,
    ask: &[u8],
    mut reply: impl FnMut(&mut dyn RelayTransport, &Received),
    mut is_enough: impl FnMut(Lane, &[u8]) -> bool,
) {
    let to = place.address();
    let mut again = Instant::now();
    until("an answer", || {
        if Instant::now() >= again {
            // The next try may find the relay.
            let _ = client.send(&to, lane, ask);
            again = Instant::now() + AGAIN;
        }
        while let Some(received) = place.relay().poll() {
            if received.frame == ask {
                reply(place.relay(), &received);
            }
        }
        let mut enough = false;
        while let Some((lane, frame)) = client.poll() {
            enough |= is_enough(lane, &frame);
        }
        enough.then_some(())
    });
}

/// Asks until the answer is there, and says on which lane it came.
fn answered(place: &mut dyn Place, client: &mut dyn Transport, lane: Lane, ask: &[u8], answer: &[u8]) -> Lane {
    let mut came_on = None;
    let reply = |relay: &mut dyn RelayTransport, received: &Received| {
        // One that is not taken is asked for again.
        let _ = relay.reply(received.paths[0], answer);
    };
    asks(place, client, lane, ask, reply, |lane, frame| {
        if frame == answer {
            came_on = Some(lane);
        }
        frame == answer
    });
    came_on.expect("the answer ended the asking")
}

/// Sends by paths that must carry nothing, on however good a way.
fn reply_late(place: &mut dyn Place, paths: &[ReplyPath]) {
    for path in paths {
        // A relay's end that can't know that a path is gone takes the frame.
        let _ = place.relay().reply(*path, LATE);
    }
}

/// Nothing that was sent by such a path is there, though what is asked is answered.
fn got_nothing_late(place: &mut dyn Place, client: &mut dyn Transport, lane: Lane, ask: &[u8]) {
    thread::sleep(SILENCE);
    let mut late = false;
    let reply = |relay: &mut dyn RelayTransport, received: &Received| {
        let _ = relay.reply(received.paths[0], b"in time");
    };
    asks(place, client, lane, ask, reply, |_, frame| {
        late |= frame == LATE;
        frame == b"in time"
    });
    assert!(!late, "a frame came by a path that was gone");
}

/// Tries all promises.
pub fn keeps_its_promises(place: &mut dyn Place) {
    an_answer_comes_back_on_the_lane_that_asked(place);
    frames_of_every_size_go_whole_and_one_byte_too_many_is_refused(place);
    an_address_that_is_not_the_relays_is_unreachable_or_silent(place);
    no_field_is_equal_on_both_lanes_or_for_two_clients(place);
    a_reply_path_carries_one_frame_and_there_are_only_so_many(place);
    no_reply_path_outlives_the_end_that_made_it(place);
    a_renewed_lane_is_another_and_its_paths_are_gone(place);
    a_relay_that_comes_back_is_reached_and_knows_no_path(place);
}

fn an_answer_comes_back_on_the_lane_that_asked(place: &mut dyn Place) {
    let mut client = place.client();
    let pairs: [(Lane, &[u8], &[u8]); 2] = [(Lane::Named, b"by name", b"to a name"), (Lane::Anonymous, b"by nobody", b"to nobody")];
    for (lane, ask, answer) in pairs {
        assert_eq!(answered(place, client.as_mut(), lane, ask, answer), lane);
    }
}

fn frames_of_every_size_go_whole_and_one_byte_too_many_is_refused(place: &mut dyn Place) {
    let mut client = place.client();
    let frame_of = |len: usize| -> Vec<u8> { (0..len).map(|at| u8::try_from(at % 251).unwrap_or(0)).collect() };
    for len in [1, 1_000, 65_518, 65_519, FRAME_LEN_MAX] {
        answered(place, client.as_mut(), Lane::Anonymous, &frame_of(len), &frame_of(len));
    }
    let (to, too_long) = (place.address(), frame_of(FRAME_LEN_MAX + 1));
    assert_eq!(client.send(&to, Lane::Named, &too_long), Err(Unreachable));
    let reply = |relay: &mut dyn RelayTransport, received: &Received| {
        assert_eq!(relay.reply(received.paths[0], &too_long), Err(Unreachable));
        let _ = relay.reply(received.paths[0], b"it fits");
    };
    asks(place, client.as_mut(), Lane::Named, b"too much", reply, |_, frame| frame == b"it fits");
}

fn an_address_that_is_not_the_relays_is_unreachable_or_silent(place: &mut dyn Place) {
    let mut client = place.client();
    for address in ["", "nowhere", "loopback:elsewhere", "direct:00@127.0.0.1:1"] {
        let _ = client.send(address, Lane::Named, b"astray");
    }
    thread::sleep(SILENCE);
    while let Some(received) = place.relay().poll() {
        assert_ne!(received.frame, b"astray", "a frame came to a relay that it was not for");
    }
    assert_eq!(client.poll(), None);
}

fn no_field_is_equal_on_both_lanes_or_for_two_clients(place: &mut dyn Place) {
    let mut clients = [place.client(), place.client()];
    let mut seen: Vec<Received> = Vec::new();
    for (number, client) in clients.iter_mut().enumerate() {
        for lane in [Lane::Named, Lane::Anonymous] {
            let received = arrives(place, client.as_mut(), lane, format!("of {number} on {lane:?}").as_bytes());
            for before in &seen {
                assert_ne!(before.tag, received.tag, "a tag shows whose lane it is");
                assert!(before.paths.iter().all(|path| !received.paths.contains(path)), "a path is given twice");
            }
            seen.push(received);
        }
    }
}

fn a_reply_path_carries_one_frame_and_there_are_only_so_many(place: &mut dyn Place) {
    let mut client = place.client();
    let mut most = 0;
    let mut got = BTreeSet::new();
    let mut twice = false;
    let first = |number: usize| format!("first by path {number}").into_bytes();
    let paths = arrives(place, client.as_mut(), Lane::Named, b"how many").paths.len();
    assert!((2..=REPLY_PATHS).contains(&paths), "{paths} paths");
    let reply = |relay: &mut dyn RelayTransport, received: &Received| {
        most = most.max(received.paths.len());
        for (number, path) in received.paths.iter().enumerate() {
            let _ = relay.reply(*path, &first(number));
            let _ = relay.reply(*path, b"second");
        }
        let _ = relay.reply(ReplyPath(u64::MAX), b"second");
    };
    let is_enough = |lane: Lane, frame: &[u8]| {
        assert_eq!(lane, Lane::Named);
        twice |= frame == b"second";
        // What comes twice counts once.
        got.extend((0..paths).filter(|number| first(*number) == frame));
        got.len() == paths
    };
    asks(place, client.as_mut(), Lane::Named, b"by each path", reply, is_enough);
    thread::sleep(SILENCE);
    while let Some((_, frame)) = client.poll() {
        twice |= frame == b"second";
    }
    assert!(!twice, "a path carried a second frame, or one that was never given carried any");
    assert!(most <= REPLY_PATHS, "{most} paths");
}

fn no_reply_path_outlives_the_end_that_made_it(place: &mut dyn Place) {
    let mut client = place.client();
    let received = arrives(place, client.as_mut(), Lane::Named, b"before the end");
    drop(client);
    let mut again = place.client();
    let next = arrives(place, again.as_mut(), Lane::Named, b"after the end");
    assert_ne!(next.tag, received.tag);
    reply_late(place, &received.paths);
    got_nothing_late(place, again.as_mut(), Lane::Named, b"once more after the end");
}

fn a_renewed_lane_is_another_and_its_paths_are_gone(place: &mut dyn Place) {
    let mut client = place.client();
    let old = arrives(place, client.as_mut(), Lane::Anonymous, b"old");
    let named = arrives(place, client.as_mut(), Lane::Named, b"named");
    client.renew(Lane::Anonymous);
    let new = arrives(place, client.as_mut(), Lane::Anonymous, b"new");
    assert_ne!(new.tag, old.tag, "the new lane is the old one");
    assert!(new.paths.iter().all(|path| !old.paths.contains(path)));
    reply_late(place, &old.paths);
    got_nothing_late(place, client.as_mut(), Lane::Anonymous, b"new once more");
    // The other lane is as it was: by one of so many paths it is reached on however bad a way.
    for path in &named.paths {
        let _ = place.relay().reply(*path, b"still there");
    }
    let on = until("an answer", || client.poll().and_then(|(lane, frame)| (frame == b"still there").then_some(lane)));
    assert_eq!(on, Lane::Named);
}

fn a_relay_that_comes_back_is_reached_and_knows_no_path(place: &mut dyn Place) {
    let mut client = place.client();
    let before = arrives(place, client.as_mut(), Lane::Anonymous, b"before");
    if !place.restart() {
        return;
    }
    arrives(place, client.as_mut(), Lane::Anonymous, b"after");
    reply_late(place, &before.paths);
    got_nothing_late(place, client.as_mut(), Lane::Anonymous, b"once more after");
}
