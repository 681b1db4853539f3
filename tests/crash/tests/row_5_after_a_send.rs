//! Row 5: the process dies after a send, before `Resolved`. It is sent again; the receiver drops the repeated FrameId.

use thicket_client::Point;
use thicket_crash::{ALICE, BOB, acquainted, received, restart, whole};
use thicket_types::event::Lane;

/// Sends of one message at most: a relay may ask for work, and the message goes once more with it.
const SENDS: usize = 2;

#[test]
fn the_same_bytes_go_again_and_are_dropped() {
    let mut fired = 0;
    for number in 0..SENDS {
        let mut world = acquainted(1);
        let mut sends = 0;
        world.kill_when(ALICE, move |point| {
            sends += usize::from(*point == Point::Sent { lane: Lane::Anonymous });
            sends > number
        });
        world.say(ALICE, BOB);
        world.run(5_000);
        assert_eq!(world.people[ALICE].deaths, 1, "the fault point fired");
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
