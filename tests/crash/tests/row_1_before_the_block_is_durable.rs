//! Row 1: the process dies before the block is durable. The torn tail is cut, nothing was dispatched, only that input is lost,
//! and its caller never got an Ok.

use thicket_crash::{ALICE, BOB, acquainted, goes_on, received, restart, whole};
use thicket_sim::disk::Failure;
use thicket_types::intent::Intent;

#[test]
fn a_torn_block_is_cut_and_only_its_input_is_lost() {
    for thousandths in [0, 1, 200, 500, 900, 999] {
        let mut world = acquainted(1);
        let before = world.people[ALICE].disk.image();
        world.people[ALICE].disk.fail(0, Failure::Torn(thousandths));
        world.say(ALICE, BOB);
        world.run(10_000);
        assert!(world.people[ALICE].disk.fired(), "the fault point fired");
        assert!(world.people[ALICE].pump.is_none(), "the process is dead");
        assert!(!world.people[ALICE].said.last().expect("something was said").acknowledged, "no Ok was given");
        assert_eq!(received(&world), 1, "nothing was dispatched");

        restart(&mut world);
        let after = world.people[ALICE].disk.image();
        for (path, bytes) in before.iter().filter(|(path, _)| path.starts_with("journal/")) {
            assert_eq!(Some(bytes), after.get(path), "{path} is as it was: the tail is cut");
        }
        goes_on(&mut world);
    }
}

#[test]
fn a_block_that_reached_the_disk_whole_counts_though_nobody_was_told() {
    let mut world = acquainted(2);
    world.people[ALICE].disk.fail(0, Failure::Torn(1000));
    world.say(ALICE, BOB);
    world.run(10_000);
    assert!(world.people[ALICE].disk.fired(), "the fault point fired");
    restart(&mut world);
    // Not asked again: the journal alone brings it about.
    world.run(10_000);
    assert_eq!(received(&world), 2);
    goes_on(&mut world);
}

#[test]
fn an_item_whose_record_did_not_reach_the_disk_is_not_acknowledged_and_comes_again() {
    for thousandths in [0, 1, 500, 999] {
        let mut world = acquainted(3);
        world.people[BOB].disk.fail(0, Failure::Torn(thousandths));
        world.say(ALICE, BOB);
        world.run(60_000);
        assert!(world.people[BOB].disk.fired(), "the fault point fired");
        assert!(world.people[BOB].pump.is_none(), "the process is dead");
        assert_eq!(received(&world), 1);
        // The relay alone has it now: nobody sends it again.
        world.open(BOB).expect("an intact profile opens");
        world.ask(BOB, Intent::Connect);
        world.run(10_000);
        assert_eq!(received(&world), 2);
        whole(&world);
    }
}
