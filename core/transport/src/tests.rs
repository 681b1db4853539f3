//! What the port promises, on loopback.

use crate::{Conditions, Loopback};
use thicket_types::event::Lane;
use thicket_types::limits::{FRAME_LEN_MAX, LOOPBACK_FRAMES_MAX, REPLY_PATHS};
use thicket_types::ports::{Entropy, RelayTransport as _, Transport as _, Unreachable};

struct Counting(u8);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) {
        self.0 += 1;
        out.fill(self.0);
    }
}

#[test]
fn a_frame_goes_and_its_answer_comes_back_on_the_same_lane() {
    let (meeting, mut relay) = Loopback::new("a", Conditions::default());
    let mut client = meeting.client(&mut Counting(0), None);
    client.send("loopback:a", Lane::Anonymous, b"ask").expect("the relay is up");
    let received = relay.poll().expect("one frame was sent");
    assert_eq!(received.frame, b"ask");
    relay.reply(received.paths[0], b"answer").expect("a fresh path");
    assert_eq!(client.poll(), Some((Lane::Anonymous, b"answer".to_vec())));
    assert_eq!(client.poll(), None);
}

#[test]
fn a_reply_path_is_good_for_one_frame_and_their_number_is_bounded() {
    let (meeting, mut relay) = Loopback::new("a", Conditions::default());
    let mut client = meeting.client(&mut Counting(0), None);
    client.send("loopback:a", Lane::Named, b"x").expect("the relay is up");
    let received = relay.poll().expect("one frame was sent");
    assert_eq!(received.paths.len(), REPLY_PATHS);
    relay.reply(received.paths[0], b"1").expect("a fresh path");
    assert_eq!(relay.reply(received.paths[0], b"2"), Err(Unreachable));
}

#[test]
fn no_reply_path_outlives_the_end_that_made_it() {
    let (meeting, mut relay) = Loopback::new("a", Conditions::default());
    let mut entropy = Counting(0);
    let mut client = meeting.client(&mut entropy, None);
    client.send("loopback:a", Lane::Named, b"x").expect("the relay is up");
    let received = relay.poll().expect("one frame was sent");
    drop(client);
    let mut again = meeting.client(&mut entropy, None);
    assert_eq!(relay.reply(received.paths[0], b"1"), Err(Unreachable));
    again.send("loopback:a", Lane::Named, b"y").expect("the relay is up");
    assert_ne!(relay.poll().expect("one frame was sent").tag, received.tag);
}

#[test]
fn no_field_that_the_relay_gets_is_equal_on_both_lanes() {
    let (meeting, mut relay) = Loopback::new("a", Conditions::default());
    let mut client = meeting.client(&mut Counting(0), None);
    client.send("loopback:a", Lane::Named, b"x").expect("the relay is up");
    client.send("loopback:a", Lane::Anonymous, b"y").expect("the relay is up");
    let (one, other) = (relay.poll().expect("two frames"), relay.poll().expect("two frames"));
    assert_ne!(one.tag, other.tag);
    assert!(one.paths.iter().all(|path| !other.paths.contains(path)));
}

#[test]
fn a_relay_that_is_down_or_another_address_or_an_oversized_frame_is_unreachable() {
    let (meeting, _relay) = Loopback::new("a", Conditions::default());
    let mut client = meeting.client(&mut Counting(0), None);
    assert_eq!(client.send("loopback:b", Lane::Named, b"x"), Err(Unreachable));
    assert_eq!(client.send("loopback:a", Lane::Named, &vec![0; FRAME_LEN_MAX + 1]), Err(Unreachable));
    meeting.set_up(false);
    assert_eq!(client.send("loopback:a", Lane::Named, b"x"), Err(Unreachable));
    meeting.set_up(true);
    assert_eq!(client.send("loopback:a", Lane::Named, b"x"), Ok(()));
}

#[test]
fn bad_conditions_lose_double_and_reorder_and_a_seed_repeats_them() {
    let run = |seed| {
        let conditions = Conditions { lost: 200, doubled: 200, reordered: 200, seed };
        let (meeting, mut relay) = Loopback::new("a", conditions);
        let mut client = meeting.client(&mut Counting(0), None);
        for number in 0..100_u8 {
            client.send("loopback:a", Lane::Named, &[number]).expect("the relay is up");
        }
        std::iter::from_fn(|| relay.poll()).map(|received| received.frame[0]).collect::<Vec<u8>>()
    };
    let arrived = run(7);
    assert!((0..100).any(|number| !arrived.contains(&number)), "none lost");
    assert!((0..100).any(|number| arrived.iter().filter(|other| **other == number).count() > 1), "none doubled");
    assert!(!arrived.is_sorted(), "none reordered");
    assert_eq!(arrived, run(7));
    assert_ne!(arrived, run(8));
}

#[test]
fn so_many_frames_wait_at_either_end_and_a_further_one_is_not_taken() {
    let (meeting, mut relay) = Loopback::new("a", Conditions::default());
    let mut client = meeting.client(&mut Counting(0), None);
    let mut paths = Vec::new();
    for _ in 0..LOOPBACK_FRAMES_MAX {
        client.send("loopback:a", Lane::Named, b"x").expect("there is room");
    }
    assert_eq!(client.send("loopback:a", Lane::Named, b"x"), Err(Unreachable));
    while let Some(received) = relay.poll() {
        paths.extend(received.paths);
    }
    let mut ways = paths.into_iter();
    for path in ways.by_ref().take(LOOPBACK_FRAMES_MAX) {
        relay.reply(path, b"x").expect("there is room");
    }
    let path = ways.next().expect("twelve a frame");
    assert_eq!(relay.reply(path, b"x"), Err(Unreachable));
}
