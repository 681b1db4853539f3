//! Row 3: the process dies inside a vault transaction. It never happened; the op is dispatched again.

use thicket_crash::{ALICE, BOB, acquainted, goes_on, restart, whole};

#[test]
fn a_transaction_that_was_cut_short_never_happened() {
    let mut world = acquainted(1);
    let rows = world.people[ALICE].vault.data().rows.len();
    world.people[ALICE].vault.die_before_commit(0);
    world.say(ALICE, BOB);
    world.run(10_000);
    assert_eq!(world.people[ALICE].deaths, 1, "the fault point fired");
    assert_eq!(world.people[ALICE].vault.data().rows.len(), rows, "nothing of the op is there");

    restart(&mut world);
    world.run(10_000);
    goes_on(&mut world);
}

#[test]
fn so_it_is_for_one_who_reads() {
    let mut world = acquainted(2);
    world.people[ALICE].vault.die_before_commit(0);
    world.say(BOB, ALICE);
    world.run(10_000);
    assert_eq!(world.people[ALICE].deaths, 1, "the fault point fired");
    restart(&mut world);
    world.run(60_000);
    whole(&world);
}
