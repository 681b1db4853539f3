//! Row 2: the process dies after the block, before dispatch. The fold yields the same effects; they are dispatched.

use thicket_crash::{ALICE, BOB, acquainted, goes_on, received, restart};

#[test]
fn what_the_block_asks_for_is_dispatched_after_the_restart() {
    let mut world = acquainted(1);
    world.kill_at(ALICE, 0);
    world.say(ALICE, BOB);
    world.run(10_000);
    assert_eq!(world.people[ALICE].deaths, 1, "the fault point fired");
    assert!(!world.people[ALICE].said.last().expect("something was said").acknowledged);
    let data = world.people[ALICE].vault.data();
    assert_eq!(data.rows.iter().filter(|row| row.outgoing).count(), 1, "the vault was not asked yet");

    restart(&mut world);
    // Not asked again: the outstanding effect is in the state that the journal folds to.
    world.run(10_000);
    assert_eq!(received(&world), 2);
    goes_on(&mut world);
}
