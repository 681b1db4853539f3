//! A life from one seed: people write, take back, read, renew their keys, go away for weeks, die, lose power in the middle of a
//! write, and come back; then faults stop.

use crate::copied;
use crate::disk::Failure;
use crate::said::{Cancel, Said};
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
    /// Messages taken back in time.
    pub cancelled: usize,
    /// Processes that died.
    pub deaths: u64,
    /// Days of absence, and days with a little of everything.
    pub days: u64,
    /// Epochs that ended, on both sides.
    pub epochs: u64,
    /// Profiles that went on from a backup.
    pub restored: u64,
    /// Records in all journals.
    pub records: u64,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// What was wrong at the end: nothing, if all is well.
    pub wrongs: Vec<String>,
    /// The state digests at the end, by name.
    pub digests: BTreeMap<&'static str, String>,
}

pub(crate) struct Dice(SeededEntropy);

impl Dice {
    /// A number under a bound.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_be_bytes(bytes) % bound
    }

    /// So many out of a hundred times.
    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// One of the two.
    pub(crate) fn person(&mut self) -> usize {
        usize::from(self.below(2) == 0)
    }
}

/// Actions in a life before faults stop.
const ACTIONS: u64 = 60;
const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;
/// Days of an absence at most: what waits at the relay is kept for longer.
const AWAY_DAYS_MAX: u64 = 39;

/// Lives one life.
pub fn live(seed: u64) -> Life {
    live_in(seed).0
}

/// Lives one life, and gives the world as it was left.
pub fn live_in(seed: u64) -> (Life, World) {
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
    world.run(2 * MINUTE_MS);
    if dice.percent(50) {
        world.switch_read_marks_on();
    }
    world.add(0, "bob");
    // Half of the time both know each other from the start, so that both may begin at once.
    if dice.percent(50) {
        world.add(1, "alice");
    }
    world.run(MINUTE_MS);
    let away_at = dice.percent(30).then(|| dice.below(ACTIONS));
    let weeks_at = dice.percent(12).then(|| dice.below(ACTIONS));
    let copied_at = dice.percent(12).then(|| dice.below(ACTIONS));
    for action in 0..ACTIONS {
        act(&mut world, &mut dice, &mut life);
        let span = [0, 1, 50, 200, 3_000, 40_000][usize::try_from(dice.below(6)).unwrap_or(0)];
        world.run(span);
        if away_at == Some(action) {
            away(&mut world, &mut dice, &mut life);
        }
        if weeks_at == Some(action) {
            weeks(&mut world, &mut dice, &mut life);
        }
        if copied_at == Some(action) {
            copied::copied(&mut world, &mut dice, &mut life);
        }
    }
    finish(&mut world, &mut life);
    (life, world)
}

fn act(world: &mut World, dice: &mut Dice, life: &mut Life) {
    let who = dice.person();
    let other = 1 - who;
    let mut fault = |kind: &'static str| *life.faults.entry(kind).or_default() += 1;
    match dice.below(28) {
        0..=9 => talk(world, dice, who),
        10 => {
            fault("killed");
            world.kill(who);
        }
        11 | 12 => {
            fault("killed at a point");
            world.kill_at(who, dice.below(24));
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
        19 | 20 => {
            world.update_keys(who, other);
            // Half of the time the commits cross.
            if dice.percent(50) {
                world.update_keys(other, who);
            }
        }
        21 if world.knows(who) => {
            world.say(who, other);
            world.cancel(who, 0);
        }
        22 => world.cancel(who, usize::try_from(dice.below(3)).unwrap_or(0)),
        23 => world.retry(who),
        24 | 25 => world.read(who),
        _ => {}
    }
    if dice.below(3) > 0 {
        wake(world, life, who);
    }
}

/// Says something, if there is somebody to say it to.
pub(crate) fn talk(world: &mut World, dice: &mut Dice, who: usize) {
    if world.knows(who) {
        for _ in 0..=dice.below(3) {
            world.say(who, 1 - who);
        }
    }
}

/// Has a person's process run; that it could not be opened is wrong.
pub(crate) fn wake(world: &mut World, life: &mut Life, who: usize) {
    if let Err(error) = world.wake(who) {
        life.wrongs.push(format!("{} could not open: {error}", world.people[who].name));
    }
}

/// One is away for days. The other writes now and then, and is there for some minutes each time.
fn away(world: &mut World, dice: &mut Dice, life: &mut Life) {
    let who = dice.person();
    let other = 1 - who;
    let days = 2 + dice.below(AWAY_DAYS_MAX - 1);
    let visits = 1 + dice.below(4);
    world.meeting.set_up(true);
    world.sleep(who);
    for _ in 0..visits {
        wake(world, life, other);
        talk(world, dice, other);
        if dice.percent(30) {
            world.update_keys(other, who);
        }
        world.run(dice.below(10) * MINUTE_MS);
        world.sleep(other);
        world.pass(days * DAY_MS / visits);
    }
    life.days += days;
    wake(world, life, who);
    wake(world, life, other);
    if dice.percent(50) {
        talk(world, dice, who);
    }
    world.run(30 * MINUTE_MS);
}

/// Weeks, in which both are there for some minutes a day: long enough that keys of every kind are renewed.
fn weeks(world: &mut World, dice: &mut Dice, life: &mut Life) {
    let days = 14 + dice.below(40);
    world.meeting.set_up(true);
    for _ in 0..days {
        for who in 0..2 {
            wake(world, life, who);
            if dice.percent(40) {
                talk(world, dice, who);
            }
            if dice.percent(20) {
                world.read(who);
            }
            if dice.percent(10) {
                world.kill_at(who, dice.below(60));
            }
        }
        world.run((1 + dice.below(4)) * MINUTE_MS);
        for who in 0..2 {
            if dice.percent(50) {
                world.sleep(who);
            } else {
                world.kill(who);
            }
        }
        world.pass(DAY_MS);
    }
    life.days += days;
}

fn finish(world: &mut World, life: &mut Life) {
    if let Err(error) = world.heal() {
        life.wrongs.push(format!("a profile could not be opened after faults stopped: {error}"));
        return;
    }
    life.wrongs.extend(world.wrongs());
    for who in 0..world.people.len() {
        let person = &world.people[who];
        life.deaths += person.deaths;
        life.restored += person.restored;
        life.epochs += person.vault.data().epochs();
        life.messages += person.said.len();
        life.cancelled += person.said.iter().filter(|said: &&Said| said.cancel == Cancel::Done).count();
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
