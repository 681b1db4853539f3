//! Row 5: the process dies after a send, before `Resolved`. It is sent again; the receiver drops the repeated FrameId.

use thicket_crash::{ALICE, BOB, acquainted, received, restart, whole};

#[test]
fn the_same_bytes_go_again_and_are_dropped() {
    let mut world = acquainted(1);
    // The points of a send: its block, the vault's commit, the block with the frame, the frame.
    world.kill_at(ALICE, 3);
    world.say(ALICE, BOB);
    world.run(5_000);
    assert_eq!(world.people[ALICE].deaths, 1, "the fault point fired");
    assert_eq!(received(&world), 2, "the frame was on its way, and bob has it");

    restart(&mut world);
    world.run(10_000);
    world.ask_again(ALICE);
    world.run(10_000);
    assert_eq!(received(&world), 2);
    whole(&world);
}
