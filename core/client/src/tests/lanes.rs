//! The two lanes, as the relay's port sees them.

use super::*;
use prost::Message as _;
use std::collections::{BTreeMap as Map, BTreeSet as Set};
use thicket_types::limits::RESEND_AFTER;
use thicket_types::wire::relay as wire;
use wire::request::Ask;

const HOUR: u64 = 3_600_000;

/// Whether an ask is one of the named lane's.
fn is_named(ask: &Ask) -> bool {
    match ask {
        Ask::Challenge(_) | Ask::Register(_) | Ask::Login(_) | Ask::Owner(_) => true,
        Ask::Lookup(_) | Ask::KeyPackage(_) | Ask::Put(_) => false,
    }
}

fn ask(frame: &[u8]) -> Ask {
    wire::Request::decode(frame).expect("a request").ask.expect("an ask")
}

/// What came from a place of the list on.
fn since(world: &World, from: usize) -> Vec<(LaneTag, Vec<u8>)> {
    world.seen.lock().expect("no thread panics")[from..].to_vec()
}

fn count(world: &World) -> usize {
    world.seen.lock().expect("no thread panics").len()
}

#[test]
fn no_eight_bytes_that_the_relay_gets_are_equal_on_both_lanes_of_a_client() {
    let mut world = two(500, Conditions::default());
    world.say("alice", "bob", "to bob");
    world.run(60_000);
    let alice = world.people["alice"].own;
    world.ask("bob", Intent::AcceptContact { contact: alice });
    world.run(60_000);
    world.kill("bob");
    // From here on Alice is alone at the relay, with all that she does there.
    world.kill("alice");
    let from = count(&world);
    world.open("alice");
    world.say("alice", "bob", "while you were away");
    world.ask("alice", Intent::AddContact { name: name("bob") });
    let bob = world.people["bob"].own;
    world.ask("alice", Intent::UpdateKeys { contact: bob });
    world.run(10 * 24 * HOUR);
    let (mut named, mut anonymous): (Set<[u8; 8]>, Set<[u8; 8]>) = (Set::new(), Set::new());
    let mut lanes: Map<LaneTag, bool> = Map::new();
    let mut kinds = (0, 0);
    for (tag, frame) in since(&world, from) {
        let is_named = is_named(&ask(&frame));
        assert_eq!(*lanes.entry(tag).or_insert(is_named), is_named, "a lane carries asks of both kinds");
        let windows = frame.windows(8).filter_map(|window| <[u8; 8]>::try_from(window).ok());
        if is_named {
            kinds.0 += 1;
            named.extend(windows);
        } else {
            kinds.1 += 1;
            anonymous.extend(windows);
        }
    }
    assert!(kinds.0 > 10 && kinds.1 > 3, "{kinds:?}: too little to see");
    let both: Vec<&[u8; 8]> = named.intersection(&anonymous).collect();
    assert_eq!(both, Vec::<&[u8; 8]>::new());
}

#[test]
fn the_anonymous_lane_is_another_each_day_and_never_begins_at_a_login() {
    let mut world = two(510, Conditions::default());
    world.kill("bob");
    world.say("alice", "bob", "first");
    world.run(60_000);
    let from = count(&world);
    let mut days: Vec<Set<LaneTag>> = Vec::new();
    for day in 0..5 {
        let before = count(&world);
        for hour in 0..4 {
            world.say("alice", "bob", &format!("day {day}, hour {hour}"));
            world.run(6 * HOUR);
        }
        days.push(since(&world, before).into_iter().filter(|(_, frame)| !is_named(&ask(frame))).map(|(tag, _)| tag).collect());
    }
    let all: Set<LaneTag> = days.iter().flatten().copied().collect();
    assert!(all.len() >= 5, "{} lanes in five days", all.len());
    assert!(days.iter().all(|day| day.len() <= 2), "more than one change a day");
    // The named lane stayed as it was.
    let named: Set<LaneTag> = since(&world, from).into_iter().filter(|(_, frame)| is_named(&ask(frame))).map(|(tag, _)| tag).collect();
    assert_eq!(named.len(), 1);
    assert!(named.is_disjoint(&all));
}

#[test]
fn nothing_goes_on_the_anonymous_lane_before_the_login_of_a_process_nor_at_that_moment() {
    let mut world = two(520, Conditions::default());
    world.say("alice", "bob", "hello");
    world.run(60_000);
    world.meeting.set_up(false);
    world.run(60_000);
    for number in 0..5 {
        world.say("alice", "bob", &format!("waits {number}"));
    }
    world.run(60_000);
    world.kill("alice");
    world.kill("bob");
    world.meeting.set_up(true);
    let from = count(&world);
    world.open("alice");
    let opened = world.clock.now().0;
    let mut logged_in = None;
    let mut first = None;
    for _ in 0..400 {
        world.run(10);
        let now = world.clock.now().0;
        let seen = since(&world, from);
        if logged_in.is_none() && world.pump("alice").view().online {
            logged_in = Some(now);
        }
        if first.is_none() && seen.iter().any(|(_, frame)| !is_named(&ask(frame))) {
            first = Some(now);
        }
    }
    let (logged_in, first) = (logged_in.expect("a login"), first.expect("what waited"));
    assert!(first >= logged_in + RESEND_AFTER.0, "login after {} ms, first put after {} ms", logged_in - opened, first - opened);
    let puts = since(&world, from).into_iter().filter(|(_, frame)| matches!(ask(frame), Ask::Put(_))).count();
    assert!(puts >= 5, "{puts} of five");
}
