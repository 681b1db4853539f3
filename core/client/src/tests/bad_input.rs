//! What must be refused, met by whole profiles: it is said, and afterwards all goes on.

use super::*;
use prost::Message as _;
use thicket_types::limits::{CHALLENGE_FOR, FRAME_LEN_MAX};
use thicket_types::wire::relay::{Answer as RelayAnswer, FromRelay, Request, answer::Said, from_relay::Kind, request::Ask};

/// A message each way; then every journal is verified, and nothing that was ever said is missing or there twice.
fn all_goes_on(mut world: World, from_alice: &[&str], from_bob: &[&str]) {
    world.say("alice", "bob", "alice goes on");
    world.say("bob", "alice", "bob goes on");
    world.run(120_000);
    for who in ["alice", "bob"] {
        world.verify(who);
    }
    let (of_alice, of_bob) = (world.texts("alice"), world.texts("bob"));
    assert_eq!(received(&of_bob), [from_alice, &["alice goes on"]].concat());
    assert_eq!(received(&of_alice), [from_bob, &["bob goes on"]].concat());
    assert!(all_delivered(&of_alice) && all_delivered(&of_bob), "{of_alice:?} {of_bob:?}");
}

#[test]
fn a_challenge_that_is_answered_too_late_is_refused_and_asked_for_again() {
    let mut world = World::new(71, Conditions::default());
    world.create("alice");
    // Given a challenge that takes its time on the way.
    world.register("alice");
    world.pump("alice").pump().expect("room");
    assert_eq!(world.relay.turn(), Ok(1));
    world.clock.0.fetch_add(CHALLENGE_FOR.0 + 1, Ordering::Relaxed);
    // When it is answered.
    world.run(0);
    // Then the relay says no by that name, and a new one is answered in time.
    let expired = Change::Disconnected(Code::ChallengeExpired);
    assert_eq!(world.people["alice"].changes, [expired]);
    assert!(!world.pump("alice").view().registered);
    world.run(60_000);
    assert!(world.pump("alice").view().registered);
}

#[test]
fn a_proof_that_is_replayed_gains_nothing_and_costs_its_owner_nothing() {
    let world = friends(72, Conditions::default());
    // Given all that alice proved to the relay, recorded on the way.
    let proofs: Vec<Vec<u8>> = world.seen.lock().expect("no thread panics").iter().map(|(_, frame)| frame.clone()).collect();
    let is_proof = |frame: &Vec<u8>| {
        let ask = Request::decode(frame.as_slice()).expect("a request").ask;
        matches!(ask, Some(Ask::Register(_) | Ask::Login(_)))
    };
    let mut world = world;
    for who in ["alice", "bob"] {
        world.kill(who);
        world.open(who);
    }
    world.run(5_000);
    let logins = world.seen.lock().expect("no thread panics").iter().skip(proofs.len()).map(|(_, frame)| frame.clone()).collect();
    let proofs: Vec<Vec<u8>> = [proofs, logins].concat().into_iter().filter(is_proof).collect();
    assert_eq!(proofs.len(), 4, "two registrations and two logins");
    // When somebody else shows it again.
    let mut eve = world.meeting.client(&mut SeededEntropy::new(99), None);
    for proof in proofs {
        eve.send(world.meeting.address(), Lane::Named, &proof).expect("a relay");
        world.run(100);
        // Then they are told that the challenge was used, ...
        let (_, frame) = eve.poll().expect("an answer");
        let Some(Kind::Answer(signed)) = FromRelay::decode(frame.as_slice()).expect("a frame").kind else {
            panic!("no answer");
        };
        let said = RelayAnswer::decode(signed.answer.as_slice()).expect("an answer").said;
        assert!(matches!(said, Some(Said::Refusal(refusal)) if refusal.code == Code::ChallengeUnknown.number()));
    }
    // ... get nobody's mail, and log nobody out.
    world.say("alice", "bob", "for bob alone");
    world.run(60_000);
    assert_eq!(eve.poll(), None);
    all_goes_on(world, &["hello", "for bob alone"], &["hello back"]);
}

#[test]
fn malformed_and_oversized_frames_change_nothing_on_either_side() {
    let mut world = friends(73, Conditions::default());
    let good = world.seen.lock().expect("no thread panics").last().expect("a frame").1.clone();
    let bad = [Vec::new(), vec![0xff; 100], good[..good.len() / 2].to_vec(), vec![0; FRAME_LEN_MAX + 1]];
    // To the clients, on both lanes: dropped before they are journaled.
    let before = ["alice", "bob"].map(|who| world.pump(who).state().clone());
    for who in ["alice", "bob"] {
        let frames = [Lane::Named, Lane::Anonymous].into_iter().flat_map(|lane| bad.iter().map(move |frame| (lane, frame.clone())));
        world.people[who].stray.lock().expect("no thread panics").extend(frames);
        let pumped = world.pump(who).pump().expect("room");
        assert_eq!((pumped.records, pumped.changes), (0, vec![]), "{who}");
        assert!(world.people[who].stray.lock().expect("no thread panics").is_empty(), "all were taken");
    }
    assert!(before == ["alice", "bob"].map(|who| world.pump(who).state().clone()));
    // To the relay: each is answered by a number.
    let mut eve = world.meeting.client(&mut SeededEntropy::new(99), None);
    for frame in &bad {
        let _ = eve.send(world.meeting.address(), Lane::Named, frame);
        world.run(100);
    }
    all_goes_on(world, &["hello"], &["hello back"]);
}

#[test]
fn a_clock_that_is_hours_off_is_measured_and_hinders_nothing() {
    const HOUR_MS: i64 = 3_600_000;
    for (alices, bobs) in [(5 * HOUR_MS, 0), (-5 * HOUR_MS, 0), (30 * HOUR_MS, -30 * HOUR_MS)] {
        let mut world = World::new(74, Conditions::default());
        world.ahead_ms = BTreeMap::from([("alice", alices), ("bob", bobs)]);
        // When they register, log in again, meet as strangers and write.
        for who in ["alice", "bob"] {
            world.create(who);
            world.register(who);
        }
        world.run(60_000);
        world.ask("alice", Intent::AddContact { name: name("bob") });
        world.run(60_000);
        world.say("alice", "bob", "hello");
        world.run(60_000);
        let alice = world.people["alice"].own;
        world.ask("bob", Intent::AcceptContact { contact: alice });
        for who in ["alice", "bob"] {
            world.kill(who);
            world.open(who);
        }
        world.say("bob", "alice", "hello back");
        world.run(60_000);
        // Then the skew is known, to the millisecond that a frame takes, and nothing else is otherwise.
        for (who, ahead_ms) in [("alice", alices), ("bob", bobs)] {
            let view = world.pump(who).view();
            assert!(view.online, "{who}");
            assert!(view.skew_ms.is_some_and(|skew| skew.abs_diff(-ahead_ms) < 1_000), "{who}: {:?}", view.skew_ms);
        }
        all_goes_on(world, &["hello"], &["hello back"]);
    }
}
