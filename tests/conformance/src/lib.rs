//! What every transport promises, as a suite: a new one is put behind [`Place`], and [`keeps_its_promises`] tries it.
//!
//! A transport may lose, delay, double and reorder: so the suite sends again until something arrives, as a client does.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
// A suite says what is wrong by a panic.
#![allow(clippy::expect_used, clippy::missing_panics_doc)]

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

/// Sends a frame, again and again, until the relay has it.
fn arrives(place: &mut dyn Place, client: &mut dyn Transport, lane: Lane, frame: &[u8]) -> Received {
    let to = place.address();
    let mut again = Instant::now();
    until("a frame at the relay", || {
        if Instant::now() >= again {
            // Unreachable is no error here: the next try may find the relay.
            let _ = client.send(&to, lane, frame);
            again = Instant::now() + Duration::from_millis(200);
        }
        let received = place.relay().poll()?;
        (received.frame == frame).then_some(received)
    })
}

/// Takes what is left of doubled or repeated frames.
fn drain(place: &mut dyn Place, client: &mut dyn Transport) {
    thread::sleep(SILENCE);
    while place.relay().poll().is_some() {}
    while client.poll().is_some() {}
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
    for lane in [Lane::Named, Lane::Anonymous] {
        let received = arrives(place, client.as_mut(), lane, b"ask");
        place.relay().reply(received.paths[0], b"answer").expect("a fresh path");
        assert_eq!(until("an answer", || client.poll()), (lane, b"answer".to_vec()));
    }
    drain(place, client.as_mut());
}

fn frames_of_every_size_go_whole_and_one_byte_too_many_is_refused(place: &mut dyn Place) {
    let mut client = place.client();
    let frame_of = |len: usize| -> Vec<u8> { (0..len).map(|at| u8::try_from(at % 251).unwrap_or(0)).collect() };
    for len in [1, 1_000, 65_518, 65_519, FRAME_LEN_MAX] {
        let received = arrives(place, client.as_mut(), Lane::Anonymous, &frame_of(len));
        place.relay().reply(received.paths[0], &frame_of(len)).expect("a fresh path");
        assert_eq!(until("the frame back", || client.poll()).1, frame_of(len));
        drain(place, client.as_mut());
    }
    let to = place.address();
    assert_eq!(client.send(&to, Lane::Named, &frame_of(FRAME_LEN_MAX + 1)), Err(Unreachable));
    let received = arrives(place, client.as_mut(), Lane::Named, b"x");
    assert_eq!(place.relay().reply(received.paths[0], &frame_of(FRAME_LEN_MAX + 1)), Err(Unreachable));
    drain(place, client.as_mut());
}

fn an_address_that_is_not_the_relays_is_unreachable_or_silent(place: &mut dyn Place) {
    let mut client = place.client();
    for address in ["", "nowhere", "loopback:elsewhere", "direct:00@127.0.0.1:1"] {
        let _ = client.send(address, Lane::Named, b"lost");
    }
    thread::sleep(SILENCE);
    assert_eq!(place.relay().poll(), None, "a frame came to a relay that it was not for");
    assert_eq!(client.poll(), None);
}

fn no_field_is_equal_on_both_lanes_or_for_two_clients(place: &mut dyn Place) {
    let (mut one, mut other) = (place.client(), place.client());
    let mut seen: Vec<Received> = Vec::new();
    for (first, lane) in [(true, Lane::Named), (true, Lane::Anonymous), (false, Lane::Named), (false, Lane::Anonymous)] {
        let client = if first { &mut one } else { &mut other };
        let received = arrives(place, client.as_mut(), lane, b"the same");
        for before in &seen {
            assert_ne!(before.tag, received.tag, "a tag shows whose lane it is");
            assert!(before.paths.iter().all(|path| !received.paths.contains(path)), "a path is given twice");
        }
        seen.push(received);
    }
    drain(place, one.as_mut());
}

fn a_reply_path_carries_one_frame_and_there_are_only_so_many(place: &mut dyn Place) {
    let mut client = place.client();
    let received = arrives(place, client.as_mut(), Lane::Named, b"ask");
    assert!((2..=REPLY_PATHS).contains(&received.paths.len()), "{} paths", received.paths.len());
    for path in &received.paths {
        place.relay().reply(*path, b"one").expect("a fresh path");
        assert_eq!(place.relay().reply(*path, b"two"), Err(Unreachable));
    }
    assert_eq!(place.relay().reply(ReplyPath(u64::MAX), b"never given"), Err(Unreachable));
    let arrived = (0..received.paths.len()).map(|_| until("a reply", || client.poll()));
    assert!(arrived.collect::<Vec<_>>().iter().all(|(lane, frame)| *lane == Lane::Named && frame == b"one"));
    drain(place, client.as_mut());
}

fn no_reply_path_outlives_the_end_that_made_it(place: &mut dyn Place) {
    let mut client = place.client();
    let received = arrives(place, client.as_mut(), Lane::Named, b"ask");
    drop(client);
    let mut again = place.client();
    let next = arrives(place, again.as_mut(), Lane::Named, b"again");
    assert_ne!(next.tag, received.tag);
    until("a path to go with its end", || place.relay().reply(received.paths[0], b"late").is_err().then_some(()));
    assert_eq!(again.poll(), None, "a new end got what was meant for the old one");
    drain(place, again.as_mut());
}

fn a_renewed_lane_is_another_and_its_paths_are_gone(place: &mut dyn Place) {
    let mut client = place.client();
    let (old, named) = (arrives(place, client.as_mut(), Lane::Anonymous, b"old"), arrives(place, client.as_mut(), Lane::Named, b"named"));
    client.renew(Lane::Anonymous);
    let new = arrives(place, client.as_mut(), Lane::Anonymous, b"new");
    assert_ne!(new.tag, old.tag, "the new lane is the old one");
    assert!(new.paths.iter().all(|path| !old.paths.contains(path)));
    until("the old lane's paths to go", || place.relay().reply(old.paths[0], b"late").is_err().then_some(()));
    place.relay().reply(named.paths[0], b"still there").expect("the other lane is as it was");
    assert_eq!(until("an answer", || client.poll()), (Lane::Named, b"still there".to_vec()));
    place.relay().reply(new.paths[0], b"answer").expect("a fresh path");
    assert_eq!(until("an answer", || client.poll()), (Lane::Anonymous, b"answer".to_vec()));
    drain(place, client.as_mut());
}

fn a_relay_that_comes_back_is_reached_and_knows_no_path(place: &mut dyn Place) {
    let mut client = place.client();
    let before = arrives(place, client.as_mut(), Lane::Anonymous, b"before");
    if !place.restart() {
        return;
    }
    let after = arrives(place, client.as_mut(), Lane::Anonymous, b"after");
    assert_eq!(after.frame, b"after");
    assert_eq!(place.relay().reply(before.paths[0], b"late"), Err(Unreachable));
    drain(place, client.as_mut());
}
