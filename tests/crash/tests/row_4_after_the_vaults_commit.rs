//! Row 4: the process dies after the vault's commit, before `Resolved`. The op is dispatched again; the ledger gives the first reply.

use thicket_client::Point;
use thicket_crash::{ALICE, BOB, acquainted, restart, whole};

#[test]
fn the_ledger_gives_the_first_reply_again() {
    let mut world = acquainted(1);
    let ledger = world.people[ALICE].vault.ledger_len();
    world.kill_when(ALICE, |point| matches!(point, Point::Committed { ops } if ops.contains(&"SealMessage")));
    world.say(ALICE, BOB);
    world.run(10_000);
    assert_eq!(world.people[ALICE].deaths, 1, "the fault point fired");
    let data = world.people[ALICE].vault.data();
    assert_eq!(world.people[ALICE].vault.ledger_len(), ledger + 1, "the op is in the ledger");
    assert_eq!(data.rows.iter().filter(|row| row.outgoing).count(), 2, "the row is there");

    restart(&mut world);
    world.run(10_000);
    world.ask_again(ALICE);
    world.run(10_000);
    assert_eq!(world.people[ALICE].vault.data().rows.iter().filter(|row| row.outgoing).count(), 2, "no second row");
    whole(&world);
}
