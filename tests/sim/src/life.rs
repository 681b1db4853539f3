//! A life from one seed: people write, die, lose power in the middle of a write, and come back; then faults stop.

use crate::disk::Failure;
use crate::world::World;
use std::collections::BTreeMap;
use thicket_client::SeededEntropy;
use thicket_transport::Conditions;
use thicket_types::ports::{DiskError, Entropy as _};

/// What a life was like.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Life {
    /// The seed.
    pub seed: u64,
    /// Messages asked for.
    pub messages: usize,
    /// Processes that died.
    pub deaths: u64,
    /// Records in all journals.
    pub records: u64,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// What was wrong at the end: nothing, if all is well.
    pub wrongs: Vec<String>,
    /// The state digests at the end, by name.
    pub digests: BTreeMap<&'static str, String>,
}

struct Dice(SeededEntropy);

impl Dice {
    /// A number under a bound.
    fn below(&mut self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_be_bytes(bytes) % bound
    }
}

/// Actions in a life before faults stop.
const ACTIONS: u64 = 60;

/// Lives one life.
pub fn live(seed: u64) -> Life {
    let mut dice = Dice(SeededEntropy::new(seed));
    let conditions = Conditions {
        lost: u32::try_from(dice.below(200)).unwrap_or(0),
        doubled: u32::try_from(dice.below(200)).unwrap_or(0),
        reordered: u32::try_from(dice.below(300)).unwrap_or(0),
        seed: 0,
    };
    let mut life = Life { seed, ..Life::default() };
    let mut world = World::new(seed, conditions);
    for name in ["alice", "bob"] {
        let who = world.create(name);
        world.register(who);
    }
    world.run(120_000);
    world.add(0, "bob");
    // Half of the time both know each other from the start, so that both may begin at once.
    if dice.below(2) == 0 {
        world.add(1, "alice");
    }
    world.run(60_000);
    for _ in 0..ACTIONS {
        act(&mut world, &mut dice, &mut life);
        let span = [0, 1, 50, 200, 3_000, 40_000][usize::try_from(dice.below(6)).unwrap_or(0)];
        world.run(span);
    }
    finish(&mut world, &mut life);
    life
}

fn act(world: &mut World, dice: &mut Dice, life: &mut Life) {
    let who = usize::from(dice.below(2) == 0);
    let other = 1 - who;
    let mut fault = |kind: &'static str| *life.faults.entry(kind).or_default() += 1;
    match dice.below(20) {
        0..=9 => {
            let knows = world.people[who].pump.as_ref().is_some_and(|pump| !pump.view().contacts.is_empty());
            if knows {
                for _ in 0..=dice.below(3) {
                    world.say(who, other);
                }
            }
        }
        10 => {
            fault("killed");
            world.kill(who);
        }
        11 | 12 => {
            fault("killed at a point");
            world.kill_at(who, dice.below(12));
        }
        13 => {
            fault("power lost in a write");
            world.people[who].disk.fail(dice.below(6), Failure::Torn(u32::try_from(dice.below(1001)).unwrap_or(0)));
        }
        14 => {
            fault("disk full");
            world.people[who].disk.fail(dice.below(6), Failure::Refused(DiskError::Full));
        }
        15 => {
            fault("vault died before commit");
            world.people[who].vault.die_before_commit(dice.below(4));
        }
        16 => {
            fault("relay unreachable");
            world.meeting.set_up(false);
        }
        17 => world.meeting.set_up(true),
        18 => {
            if let Some(pump) = &mut world.people[who].pump {
                // A snapshot that fails costs a longer replay, and its process here.
                if pump.take_snapshot().is_err() {
                    world.kill(who);
                }
            }
        }
        _ => {}
    }
    if world.people[who].pump.is_none() && dice.below(3) > 0 {
        match world.open(who) {
            Ok(()) => {
                world.ask(who, thicket_types::intent::Intent::Connect);
                world.ask_again(who);
            }
            Err(error) => life.wrongs.push(format!("{} could not open: {error}", world.people[who].name)),
        }
    }
}

fn finish(world: &mut World, life: &mut Life) {
    if let Err(error) = world.heal() {
        life.wrongs.push(format!("a profile could not be opened after faults stopped: {error}"));
        return;
    }
    life.wrongs.extend(world.wrongs());
    for who in 0..world.people.len() {
        life.deaths += world.people[who].deaths;
        life.messages += world.people[who].said.len();
        match world.verify(who) {
            Ok(verified) => {
                life.records += verified.records;
                life.digests.insert(world.people[who].name, verified.state.hex());
                if !verified.holds() {
                    life.wrongs.push(format!("{}'s journal folds to different states: {verified:?}", world.people[who].name));
                }
            }
            Err(error) => life.wrongs.push(format!("{}'s journal: {error}", world.people[who].name)),
        }
    }
}
