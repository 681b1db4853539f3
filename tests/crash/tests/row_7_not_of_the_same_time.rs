//! Row 7: the journal is behind the vault, the vault behind the journal, or both behind the relay. Stop, say so, never guess.

use thicket_crash::{ALICE, BOB, acquainted, received, restart, whole};
use thicket_types::effect::Change;
use thicket_types::error::Code;
use thicket_types::intent::Intent;

#[test]
fn a_journal_from_yesterday_is_refused() {
    let mut world = acquainted(1);
    let yesterday = world.people[ALICE].disk.image();
    world.say(ALICE, BOB);
    world.run(10_000);
    world.kill(ALICE);
    let today = world.people[ALICE].disk.image();
    assert_ne!(yesterday, today, "the fault point fired: there is something to roll back");
    world.people[ALICE].disk.restore(yesterday);
    assert_eq!(world.open(ALICE).err().map(|fault| fault.code), Some(Code::RolledBack));
    world.people[ALICE].disk.restore(today);
    world.open(ALICE).expect("nothing was changed by the refusal");
}

#[test]
fn a_vault_from_yesterday_is_refused() {
    let mut world = acquainted(2);
    let yesterday = world.people[ALICE].vault.data();
    world.say(ALICE, BOB);
    world.run(10_000);
    world.kill(ALICE);
    let today = world.people[ALICE].vault.data();
    world.people[ALICE].vault.restore(yesterday);
    assert_eq!(world.open(ALICE).err().map(|fault| fault.code), Some(Code::RolledBack));
    world.people[ALICE].vault.restore(today);
    world.open(ALICE).expect("nothing was changed by the refusal");
}

#[test]
fn so_is_a_journal_that_went_another_way() {
    let mut world = acquainted(3);
    world.kill(ALICE);
    let (disk, vault) = (world.people[ALICE].disk.image(), world.people[ALICE].vault.data());
    // One future: its vault is kept.
    world.open(ALICE).expect("intact");
    world.say(ALICE, BOB);
    world.run(10_000);
    world.kill(ALICE);
    let other = world.people[ALICE].vault.data();
    // Another future from the same past: its journal is kept, as long as the first one's or longer.
    world.people[ALICE].disk.restore(disk);
    world.people[ALICE].vault.restore(vault);
    world.open(ALICE).expect("both behind together: only the relay can see that");
    for _ in 0..3 {
        world.say(ALICE, BOB);
        world.run(10_000);
    }
    world.kill(ALICE);
    world.people[ALICE].vault.restore(other);
    assert_eq!(world.open(ALICE).err().map(|fault| fault.code), Some(Code::RolledBack));
}

#[test]
fn both_from_yesterday_are_seen_by_the_relay_and_stop_until_the_person_takes_over() {
    let mut world = acquainted(4);
    let yesterday = world.back_up(ALICE);
    restart(&mut world);
    world.run(10_000);
    world.say(ALICE, BOB);
    world.say(BOB, ALICE);
    world.run(10_000);
    world.restore(ALICE, yesterday);

    restart(&mut world);
    world.say(ALICE, BOB);
    let before = received(&world);
    world.run(60_000);
    assert!(world.view(ALICE).copied, "the fault point fired");
    assert!(world.people[ALICE].changes.contains(&Change::Disconnected(Code::ProfileCopied)), "it is said");
    assert_eq!(received(&world), before, "nothing leaves an old copy");

    world.ask(ALICE, Intent::TakeOver);
    world.run(60_000);
    assert_eq!(received(&world), before + 1, "what was asked for goes out now");
    for (who, to) in [(ALICE, BOB), (BOB, ALICE)] {
        world.say(who, to);
        world.run(60_000);
    }
    whole(&world);
}
