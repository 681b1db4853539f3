//! The two lanes, as the relay's port sees them.

use super::*;
use crate::Point;
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
        Ask::Lookup(_) | Ask::KeyPackage(_) | Ask::Put(_) | Ask::CreateLog(_) | Ask::Post(_) | Ask::ReadLog(_) => false,
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
    assert!(all.len() <= 7, "{} lanes: more than one in 22 hours", all.len());
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

/// Two who have talked, and alice's process dead in the midst of handing a message over; whether the transport had it.
fn died_handing_over(seed: u64, handed: bool) -> (World, MessageId) {
    let mut world = friends(seed, Conditions::default());
    let (mut sealed, dead) = (false, Arc::new(AtomicU64::new(0)));
    let seen = dead.clone();
    world.pump("alice").observe(Box::new(move |point| {
        let there = match &point {
            Point::Committed { ops } => {
                sealed |= ops.contains(&"SealMessage");
                false
            }
            Point::Appended { .. } => sealed && !handed,
            Point::Sent { lane } => sealed && handed && *lane == Lane::Anonymous,
            Point::Dispatched { .. } => false,
        };
        if there {
            seen.store(1, Ordering::Relaxed);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }));
    let message = world.say("alice", "bob", "on the threshold");
    world.run(10_000);
    assert_eq!(dead.load(Ordering::Relaxed), 1, "the fault point fired");
    assert!(world.people["alice"].pump.is_none());
    (world, message)
}

#[test]
fn what_a_process_was_handing_over_when_it_died_waits_for_the_login_and_can_not_be_cancelled() {
    for handed in [false, true] {
        // Given the relay away, when the next process opens.
        let (mut world, message) = died_handing_over(530, handed);
        world.meeting.set_up(false);
        world.open("alice");
        world.run(60_000);
        let id = world.ask("alice", Intent::CancelMessage { message });
        world.run(10);
        let refused = (id, Ok(Answer::Refused(Code::MessageUnderWay)));
        assert_eq!(world.people["alice"].answers.last(), Some(&refused), "handed: {handed}");
        // Then, with the relay back, nothing of hers goes on the anonymous lane before the login and the moment after it.
        world.kill("bob");
        world.meeting.set_up(true);
        let from = count(&world);
        let (mut logged_in, mut first) = (None, None);
        while first.is_none() {
            world.run(10);
            let now = world.clock.now().0;
            if logged_in.is_none() && world.pump("alice").view().online {
                logged_in = Some(now);
            }
            first = since(&world, from).iter().any(|(_, frame)| !is_named(&ask(frame))).then_some(now);
            assert!(now < START_MS + HOUR, "what waited never went");
        }
        assert!(first >= logged_in.map(|at| at + RESEND_AFTER.0) && logged_in.is_some(), "{first:?} after {logged_in:?}");
        world.open("bob");
        world.run(120_000);
        world.verify("alice");
        world.verify("bob");
        assert_eq!(received(&world.texts("bob")), ["hello", "on the threshold"], "handed: {handed}");
        assert!(all_delivered(&world.texts("alice")));
    }
}

/// A transport that takes everything, notes by which lane, and never brings anything.
struct Noted(Arc<Mutex<Vec<Lane>>>);

impl Transport for Noted {
    fn send(&mut self, _: &str, lane: Lane, _: &[u8]) -> Result<(), Unreachable> {
        self.0.lock().expect("no thread panics").push(lane);
        Ok(())
    }

    fn poll(&mut self) -> Option<(Lane, Vec<u8>)> {
        None
    }

    fn renew(&mut self, _: Lane) {}

    fn broke(&mut self, _: Lane) -> bool {
        false
    }
}

#[test]
fn an_opened_client_connects_before_anything_else_is_asked_of_it() {
    let (world, message) = died_handing_over(540, false);
    let sent = Arc::new(Mutex::new(Vec::new()));
    let noted = Noted(sent.clone());
    let profile = Profile::unlock(&world.people["alice"].folder, &passphrase(), share(Box::new(SeededEntropy::new(0)))).expect("intact");
    let client = crate::Client::open(profile, Box::new(move |_| Box::new(noted))).expect("an intact profile");
    // The first thing that anybody asks: it may have arrived, so it is not called back.
    let answer = client.submit(IntentId([9; 16]), Intent::CancelMessage { message });
    assert_eq!(answer, Ok(Answer::Refused(Code::MessageUnderWay)));
    client.close().expect("room");
    let sent = sent.lock().expect("no thread panics");
    assert!(!sent.is_empty() && sent.iter().all(|lane| *lane == Lane::Named), "{sent:?}");
}

#[test]
fn stamps_are_made_one_by_one_and_what_arrives_or_is_asked_has_its_turn_in_between() {
    // Given a stranger to whom so much is said at once that a box of theirs asks for a stamp each.
    let mut world = two(530, Conditions::default());
    world.kill("bob");
    world.say("alice", "bob", "hello");
    world.run(60_000);
    for number in 0..8 {
        world.say("alice", "bob", &format!("and {number}"));
    }
    let batches: Arc<Mutex<Vec<Vec<&'static str>>>> = Arc::default();
    let seen = batches.clone();
    world.pump("alice").observe(Box::new(move |point| {
        if let Point::Committed { ops } = point {
            seen.lock().expect("no thread panics").push(ops);
        }
        ControlFlow::Continue(())
    }));
    let (mut stamps, mut asked) = (0, None);
    for _ in 0..1_000 {
        let pumped = world.pump("alice").pump().expect("a disk that works");
        let batches = std::mem::take(&mut *batches.lock().expect("no thread panics"));
        let worked: Vec<&Vec<&str>> = batches.iter().filter(|ops| ops.contains(&"Stamp")).collect();
        assert!(worked.len() <= 1 && worked.iter().all(|ops| ops.len() == 1), "{batches:?}");
        assert_eq!(
            batches.iter().position(|ops| ops.contains(&"Stamp")).unwrap_or(batches.len().saturating_sub(1)),
            batches.len().saturating_sub(1),
            "last"
        );
        // Then the next pump is due at once.
        assert!(worked.is_empty() || pumped.deadline == Some(pumped.now));
        stamps += worked.len();
        // What is asked for while others wait for their stamps is done before them.
        if stamps == 2 && asked.is_none() {
            asked = Some(false);
            world.ask("alice", Intent::SetReadMarks { on: true });
        } else if asked == Some(false) {
            assert!(batches.first().is_some_and(|ops| ops.contains(&"ShowRead")), "{batches:?}");
            asked = Some(true);
        }
        world.relay.turn().expect("a store that works");
        world.clock.0.fetch_add(10, Ordering::Relaxed);
    }
    assert!(stamps >= 8 && asked == Some(true), "{stamps} stamps");
}
