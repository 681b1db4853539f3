//! A profile that was copied: it lives on, and then a backup of it is opened, journal, vault and all. Only the relay can see that.
//! The copy stops; its owner decides to go on with it, and every conversation begins anew.

use crate::life::{Dice, Life, talk, wake};
use crate::world::World;
use thicket_types::intent::Intent;

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;
/// Hours that a login may take on a way that loses a fifth of what goes on it.
const PATIENCE: u64 = 12;

/// Backs a person's profile up, lives on, restores it, and takes over.
pub(crate) fn copied(world: &mut World, dice: &mut Dice, life: &mut Life) {
    let who = dice.person();
    let other = 1 - who;
    let name = world.people[who].name;
    // Whom an old copy does not know at all, it cannot ask to begin anew.
    if !world.knows(who) {
        return;
    }
    world.meeting.set_up(true);
    let backup = world.back_up(who);
    live_on(world, dice, life, who);
    // A generation is swapped at a login: without one the relay could not tell the two apart, and nothing was sent either.
    if !comes_to(world, |world| world.view(who).online) {
        life.wrongs.push(format!("{name} could not log in for {PATIENCE} hours"));
    }
    world.restore(who, backup);
    if dice.percent(50) {
        world.pass(dice.below(10) * DAY_MS);
    }
    wake(world, life, who);
    if dice.percent(50) {
        talk(world, dice, who);
    }
    if !comes_to(world, |world| world.view(who).copied) {
        life.wrongs.push(format!("{name} went on from a backup, and the relay did not say so"));
        return;
    }
    talk(world, dice, other);
    world.run(dice.below(10) * MINUTE_MS);
    // The decision is repeated until it was seen to be made: a process may die on the way.
    for _ in 0..PATIENCE {
        wake(world, life, who);
        if world.view(who).copied {
            world.ask(who, Intent::TakeOver);
        }
        world.run(dice.below(3) * MINUTE_MS + 1);
    }
    for who in 0..2 {
        wake(world, life, who);
        talk(world, dice, who);
    }
    world.run(dice.below(60) * MINUTE_MS);
}

/// What the lost copy lives through: it writes, is written to, and renews its keys.
fn live_on(world: &mut World, dice: &mut Dice, life: &mut Life, who: usize) {
    for _ in 0..=dice.below(8) {
        for person in 0..2 {
            wake(world, life, person);
        }
        match dice.below(5) {
            0..=2 => {
                let speaker = dice.person();
                talk(world, dice, speaker);
            }
            3 => world.update_keys(who, 1 - who),
            _ => {
                world.sleep(who);
                world.pass(dice.below(8) * DAY_MS);
            }
        }
        world.run(dice.below(5) * MINUTE_MS);
    }
    wake(world, life, who);
}

/// Runs for hours at most, until something is so.
fn comes_to(world: &mut World, is_so: impl Fn(&World) -> bool) -> bool {
    for _ in 0..PATIENCE * 60 {
        // What is shown before the process did anything is what the last one left.
        world.run(MINUTE_MS);
        if is_so(world) {
            return true;
        }
    }
    false
}
