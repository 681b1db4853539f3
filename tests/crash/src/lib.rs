//! What a crash may do, row by row (docs/ARCHITECTURE.md): each test asserts that its fault point fired. And at any operation of
//! a disk, whatever row it is near.
//!
//! ```text
//!   life      a script, lived once whole, and once more for each crash
//!   log       alice's disk: counts its operations, and dies at the n-th
//!   platter   what is left of it: as it is, torn, or without what was not synced
//!   fake      a vault whose transactions stand in the log
//!   real      the vault that ships, over a file system (vfs) that is the log
//!   points    each n, each way: opens again, and goes on to the same end
//!   making    a profile that is made, restored and deleted, each n, each way
//!   kills     a process on the file system that is there, killed with SIGKILL at any moment
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod fake;
pub mod kills;
pub mod life;
pub mod log;
pub mod making;
pub mod platter;
pub mod points;
pub mod real;
mod vfs;

use thicket_sim::world::World;
use thicket_transport::Conditions;
use thicket_types::intent::Intent;

/// Alice, who writes and crashes.
pub const ALICE: usize = 0;
/// Bob, who reads.
pub const BOB: usize = 1;

/// Two people who have written to each other, on a way without faults.
pub fn acquainted(seed: u64) -> World {
    let mut world = World::new(seed, Conditions::default());
    for name in ["alice", "bob"] {
        let who = world.create(name);
        world.register(who);
    }
    world.run(10_000);
    world.add(ALICE, "bob");
    world.run(10_000);
    world.say(ALICE, BOB);
    world.run(10_000);
    world.say(BOB, ALICE);
    world.run(10_000);
    assert_eq!(world.wrongs(), Vec::<String>::new());
    world
}

/// Alice's process starts again and logs in.
pub fn restart(world: &mut World) {
    world.open(ALICE).expect("an intact profile opens");
    world.ask(ALICE, Intent::Connect);
}

/// Messages that bob has received.
pub fn received(world: &World) -> usize {
    world.people[BOB].vault.data().rows.iter().filter(|row| !row.outgoing).count()
}

/// Alice asks again for what she saw no Ok for; then nothing is lost or doubled.
pub fn goes_on(world: &mut World) {
    world.ask_again(ALICE);
    world.run(10_000);
    whole(world);
}

/// Nothing is lost, nothing doubled, and both journals fold to the same.
pub fn whole(world: &World) {
    assert_eq!(world.wrongs(), Vec::<String>::new());
    for who in [ALICE, BOB] {
        let verified = world.verify(who).expect("an intact journal");
        assert!(verified.holds(), "{verified:?}");
    }
}
