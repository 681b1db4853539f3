//! Row 5: the process dies after a send, before `Resolved`. It is sent again; the receiver drops the repeated FrameId.

use thicket_client::Point;
use thicket_crash::{ALICE, BOB, acquainted, received, restart, whole};
use thicket_sim::world::World;
use thicket_types::event::Lane;
use thicket_types::ids::FrameId;
use thicket_types::name::Name;
use thicket_types::ports::Store as _;

/// Sends of one message at most: a relay may ask for work, and the message goes once more with it.
const SENDS: usize = 2;

/// Alice says something, and dies after so many sends and one more.
fn die_after_a_send(world: &mut World, number: usize) {
    let mut sends = 0;
    world.kill_when(ALICE, move |point| {
        sends += usize::from(*point == Point::Sent { lane: Lane::Anonymous });
        sends > number
    });
    world.say(ALICE, BOB);
    world.run(5_000);
    assert_eq!(world.people[ALICE].deaths, 1, "the fault point fired");
}

#[test]
fn the_same_bytes_go_again_and_are_dropped() {
    let mut fired = 0;
    for number in 0..SENDS {
        let mut world = acquainted(1);
        die_after_a_send(&mut world, number);
        let arrived = received(&world) == 2;
        restart(&mut world);
        if arrived {
            // Bob has it, and alice's journal knows of no answer: the frame waits to be sent once more.
            fired += 1;
            let state = world.people[ALICE].pump.as_ref().expect("an open profile").state();
            assert_eq!((state.outbox.len(), state.requests.len()), (1, 1));
        }
        world.run(10_000);
        world.ask_again(ALICE);
        world.run(10_000);
        let state = world.people[ALICE].pump.as_ref().expect("an open profile").state();
        assert!(state.outbox.is_empty() && state.requests.is_empty(), "it was answered");
        assert_eq!(received(&world), 2);
        whole(&world);
    }
    assert!(fired > 0, "none died with the message on its way");
}

/// The frames whose answer alice's journal waits for.
fn waiting(world: &World) -> Vec<FrameId> {
    let state = world.people[ALICE].pump.as_ref().expect("an open profile").state();
    state.requests.keys().copied().collect()
}

/// Items that the relay holds for bob.
fn held(world: &mut World) -> u64 {
    let (store, bob) = (world.relay.store(), Name::parse("bob").expect("a name").key());
    let mailbox = store.account(&bob).expect("a store in memory works").expect("bob is registered").mailbox;
    store.count(mailbox).expect("a store in memory works")
}

#[test]
fn the_relay_gets_the_same_bytes_twice_and_holds_one_item() {
    let mut fired = 0;
    for number in 0..SENDS {
        let mut world = acquainted(1);
        // Bob is not there, so that what is stored for him stays.
        world.sleep(BOB);
        die_after_a_send(&mut world, number);
        if held(&mut world) == 0 {
            // The relay asked for work.
            continue;
        }
        fired += 1;
        restart(&mut world);
        let waiting = waiting(&world);
        let [frame] = waiting.as_slice() else { panic!("one frame waits: {waiting:?}") };
        assert_eq!((world.heard.times(*frame), held(&mut world)), (1, 1), "it was stored, and she does not know");
        world.run(10_000);
        assert_eq!((world.heard.times(*frame), held(&mut world)), (2, 1), "the second was dropped");
        world.ask_again(ALICE);
        world.run(10_000);
        assert_eq!((world.heard.times(*frame), held(&mut world)), (2, 1), "it was answered");
        world.wake(BOB).expect("an intact profile opens");
        world.run(10_000);
        assert_eq!((received(&world), held(&mut world)), (2, 0));
        whole(&world);
    }
    assert!(fired > 0, "none died with the message on its way");
}
