//! Row 6: the process dies after `Resolved`, before the ledger is pruned. The watermark prunes it later.

use thicket_crash::{ALICE, BOB, acquainted, restart, whole};
use thicket_sim::disk::Failure;

#[test]
fn a_later_snapshot_prunes_what_an_earlier_one_covers() {
    let mut world = acquainted(1);
    let snapshot = |world: &mut thicket_sim::world::World| world.people[ALICE].pump.as_mut().expect("a running process").take_snapshot();
    snapshot(&mut world).expect("room");
    let full = world.people[ALICE].vault.ledger_len();
    assert!(full > 0);
    world.say(ALICE, BOB);
    world.run(10_000);
    // A snapshot is a key, then the file: it dies between the two, before anything is pruned.
    world.people[ALICE].disk.fail(1, Failure::Torn(0));
    assert!(snapshot(&mut world).is_err());
    assert!(world.people[ALICE].disk.fired(), "the fault point fired");
    assert!(world.people[ALICE].vault.ledger_len() > full, "nothing is pruned");
    world.kill(ALICE);

    restart(&mut world);
    world.run(10_000);
    let before = world.people[ALICE].vault.ledger_len();
    snapshot(&mut world).expect("room");
    let after = world.people[ALICE].vault.ledger_len();
    assert!(after < before, "what the first snapshot covers is gone: {before} → {after}");
    world.say(ALICE, BOB);
    world.run(10_000);
    whole(&world);
}
