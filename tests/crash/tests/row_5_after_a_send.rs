//! Row 5: the process dies after a send, before `Resolved`. It is sent again; the receiver drops the repeated FrameId.

use thicket_crash::{ALICE, BOB, acquainted, received, restart, whole};

/// Points that a message passes at most, with the work that the relay asks a stranger for.
const POINTS: u64 = 24;

#[test]
fn the_same_bytes_go_again_and_are_dropped() {
    let mut fired = 0;
    for point in 0..POINTS {
        let mut world = acquainted(1);
        world.kill_at(ALICE, point);
        world.say(ALICE, BOB);
        world.run(5_000);
        // The frame was on its way when she died, and bob has it.
        if world.people[ALICE].deaths == 1 && received(&world) == 2 {
            fired += 1;
        }
        restart(&mut world);
        world.run(10_000);
        world.ask_again(ALICE);
        world.run(10_000);
        assert_eq!(received(&world), 2, "point {point}");
        whole(&world);
    }
    assert!(fired > 0, "the fault point fired");
}
