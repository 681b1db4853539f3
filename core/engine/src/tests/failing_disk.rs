//! Lives in which the disk fails, at each operation in turn.

use super::*;

#[derive(Clone, Copy)]
enum Act {
    Ask(u8),
    Resolve,
    Snapshot,
    Reopen,
}

const SCRIPT: &[Act] = &[
    Act::Ask(1),
    Act::Resolve,
    Act::Ask(2),
    Act::Snapshot,
    Act::Resolve,
    Act::Ask(3),
    Act::Reopen,
    Act::Ask(4),
    Act::Snapshot,
    Act::Resolve,
    Act::Ask(5),
    Act::Snapshot,
    Act::Ask(6),
    Act::Reopen,
    Act::Ask(7),
    Act::Snapshot,
    Act::Ask(8),
];

/// Opens a profile whose disk may fail in the midst of it: a later try goes on.
fn reopen(world: &World, what: &str) -> (Engine<Counting>, Opened) {
    for _ in 0..4 {
        match world.open_with(FORGETFUL) {
            Ok(opened) => return opened,
            Err(fault) => assert!(matches!(fault.code, Code::DiskFull | Code::DiskFailed), "{what}: {fault}"),
        }
    }
    panic!("{what}: the profile does not open again");
}

/// Lives the script. Returns the Intents that were acknowledged.
///
/// `alone`: one operation fails and no other, so that the state can be rebuilt at once.
fn live(world: &World, alone: bool, what: &str) -> Vec<IntentId> {
    let (mut engine, _) = reopen(world, what);
    let (mut acknowledged, mut waiting) = (Vec::new(), Vec::new());
    let mut ids: BTreeSet<EffectId> = BTreeSet::new();
    let mut closed: BTreeSet<SegmentId> = BTreeSet::new();
    for act in SCRIPT {
        let (state, durable) = (engine.state().clone(), engine.durable());
        let mut asked = None;
        // As a process finds it that begins here.
        assert_eq!(taken(&world.copy()), [], "{what}: a key without a file");
        match act {
            Act::Ask(number) => {
                asked = Some(intent_id(*number));
                engine.push(intent(*number));
                engine.push(arrival(*number));
            }
            Act::Resolve => waiting.drain(..).for_each(|id| engine.push(framed(id, 9))),
            Act::Snapshot => {
                // A snapshot that fails is missed at the next open alone.
                let _ = engine.snapshot();
                continue;
            }
            Act::Reopen => {
                let opened;
                (engine, opened) = reopen(world, what);
                waiting = opened.outstanding.iter().map(|(id, _)| *id).collect();
                assert!(waiting.iter().all(|id| id.seq <= engine.durable().seq), "{what}: an effect of no durable record");
                closed.extend(ids.iter().map(|id| id.segment));
                continue;
            }
        }
        match engine.turn() {
            Ok(turn) => {
                for (id, _) in &turn.effects {
                    assert!(!closed.contains(&id.segment), "{what}: segment {} is written again", id.segment);
                    assert!(id.seq > durable.seq && id.seq <= engine.durable().seq, "{what}: an effect of no durable record");
                    assert!(ids.insert(*id), "{what}: {id:?} is issued again");
                }
                waiting.extend(dispatched(&turn));
                acknowledged.extend(asked);
            }
            Err(fault) => {
                if alone {
                    assert!(matches!(fault.code, Code::DiskFull | Code::DiskFailed), "{what}: {fault}");
                    assert_eq!((engine.state(), engine.durable()), (&state, durable), "{what}: not the last durable state");
                }
                closed.extend(ids.iter().map(|id| id.segment));
            }
        }
    }
    acknowledged
}

/// What every journal holds, whatever befell its disk.
fn check(world: &World, acknowledged: &[IntentId], what: &str) {
    world.disk.heal();
    let (engine, opened) = reopen(world, what);
    let state = engine.state().clone();
    assert_eq!(taken(world), [], "{what}: a key without a file");
    // Everything acknowledged is there, once, in order; what else is there was asked for.
    assert!(state.intents.windows(2).all(|pair| pair[0] < pair[1]), "{what}: {:?} is out of order or twice", state.intents);
    assert!(acknowledged.iter().all(|id| state.intents.contains(id)), "{what}: of {acknowledged:?} only {:?} is left", state.intents);
    let (again, reopened) = reopen(world, what);
    assert_eq!(*again.state(), state, "{what}: a second open comes to another state");
    assert_eq!(reopened.outstanding, opened.outstanding, "{what}: a second open dispatches other effects");
    assert_eq!(world.replayed(), state, "{what}: a full replay comes to another state");
    // And it can be written on.
    let mut engine = again;
    turn(&mut engine, [intent(100)]);
    let intents = engine.state().intents.clone();
    assert_eq!(reopen(world, what).0.state().intents, intents, "{what}: what came after is lost");
    // What failed left nothing, and what retires is not what is still needed.
    let empty: Vec<String> = world.disk.names("journal").into_iter().filter(|path| world.disk.bytes(path).len() <= HEADER_LEN).collect();
    assert_eq!(empty, Vec::<String>::new(), "{what}: segments without a block");

    let ops = world.disk.files().ops.clone();
    let (mut segments, mut nonces, mut spoilt) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for op in ops.iter().filter(|op| op.path.starts_with("journal/")) {
        let block = match op.name {
            "create" => {
                assert!(segments.insert(op.bytes[64..80].to_vec()), "{what}: a segment id is used again");
                continue;
            }
            "append" => op.bytes.as_slice(),
            _ => continue,
        };
        assert!(nonces.insert(block[24..36].to_vec()), "{what}: a nonce is used again");
        assert!(!spoilt.contains(&op.path), "{what}: {} is written after a write to it failed", op.path);
        if op.failed {
            spoilt.insert(op.path.clone());
        }
    }
}

/// Every operation of the script fails once as planned, each in a life of its own.
fn sweep(plan: &'static [Done]) {
    for error in [DiskError::Full, DiskError::Failed] {
        let mut lives = 0;
        for after in 0.. {
            let what = format!("{plan:?} from operation {after}, {error:?}");
            let world = World::new();
            world.disk.fail(after, plan, error);
            let acknowledged = live(&world, plan.len() == 1, &what);
            if !world.disk.fired() {
                break;
            }
            check(&world, &acknowledged, &what);
            lives += 1;
        }
        assert!(lives > SCRIPT.len(), "only {lives} operations failed");
    }
}

#[test]
fn a_life_without_failures_acknowledges_everything() {
    let world = World::new();
    let acknowledged = live(&world, true, "no failure");
    assert_eq!(acknowledged, (1..=8).map(intent_id).collect::<Vec<_>>());
    check(&world, &acknowledged, "no failure");
}

#[test]
fn a_write_that_fails_and_writes_nothing_loses_nothing_acknowledged() {
    sweep(&[Done::Nothing]);
}

#[test]
fn a_write_that_is_torn_loses_nothing_acknowledged() {
    sweep(&[Done::Start]);
    sweep(&[Done::Half]);
}

#[test]
fn a_write_that_is_done_and_fails_all_the_same_loses_nothing_acknowledged() {
    sweep(&[Done::Whole]);
}

#[test]
fn a_torn_write_that_cannot_be_cut_off_loses_nothing_acknowledged() {
    sweep(&[Done::Start, Done::Nothing]);
    sweep(&[Done::Half, Done::Nothing]);
    sweep(&[Done::Start, Done::Nothing, Done::Nothing]);
    sweep(&[Done::Half, Done::Nothing, Done::Nothing]);
}

#[test]
fn a_key_that_may_have_been_written_all_the_same_goes_before_its_file() {
    // Given a first segment whose key is written, and the disk says otherwise, and then takes it back no more.
    let world = World::new();
    let mut engine = world.open();
    world.disk.fail(1, &[Done::Whole, Done::Nothing], DiskError::Failed);
    engine.push(intent(1));
    assert!(engine.turn().is_err() && world.disk.fired());
    drop(engine);
    // Then nothing looks as if somebody had taken it away.
    assert_eq!(taken(&world), []);
    assert_eq!(world.disk.names("journal"), Vec::<String>::new());
}

#[test]
fn a_write_that_is_cut_off_and_whose_key_stays_loses_nothing_acknowledged() {
    sweep(&[Done::Nothing, Done::Nothing]);
    sweep(&[Done::Half, Done::Good, Done::Nothing]);
    sweep(&[Done::Whole, Done::Good, Done::Nothing]);
    sweep(&[Done::Half, Done::Good, Done::Whole]);
}

#[test]
fn a_whole_write_that_cannot_be_cut_off_loses_nothing_acknowledged() {
    sweep(&[Done::Whole, Done::Nothing]);
    sweep(&[Done::Whole, Done::Nothing, Done::Nothing]);
}

#[test]
fn a_process_may_die_at_every_byte_of_a_segments_beginning_again_and_again() {
    // Given a profile whose second segment was begun and not finished.
    let world = World::new();
    turn(&mut world.open(), [intent(1)]);
    let intact = world.disk.names("journal");
    let whole = {
        let copy = world.copy();
        turn(&mut copy.open(), [intent(2)]);
        copy.disk.bytes(&copy.disk.newest("journal")).len()
    };
    let world = world.copy();
    for len in 0..whole {
        // When the process dies with so many bytes of it written, and is started again.
        turn(&mut world.open(), [intent(2)]);
        let begun: Vec<String> = world.disk.names("journal").into_iter().filter(|path| !intact.contains(path)).collect();
        let newest = begun.iter().max_by_key(|path| world.disk.bytes(path).len()).expect("a new segment");
        world.disk.cut(newest, len);
        // Then what was acknowledged before is there, and the journal goes on.
        let reopened = world.open_with(FORGETFUL);
        let state = reopened.as_ref().map(|(engine, _)| engine.state().intents.clone());
        assert_eq!(state, Ok(vec![intent_id(1)]), "cut at {len}");
    }
}

#[test]
fn a_failed_write_lets_no_effect_out_and_a_later_turn_uses_a_new_segment() {
    // Given a journal with one block.
    let world = World::new();
    let mut engine = world.open();
    let first = turn(&mut engine, [intent(1)]);
    let (state, durable) = (engine.state().clone(), engine.durable());
    // When the next append fails.
    world.disk.fail(0, &[Done::Half], DiskError::Full);
    engine.push(intent(2));
    let fault = engine.turn().expect_err("a full disk");
    // Then nothing came of it.
    assert_eq!(fault, Fault::from(Code::DiskFull));
    assert_eq!((engine.state(), engine.durable()), (&state, durable));
    assert!(!engine.has_inputs());
    // And the same Intent asked for again goes into a segment of its own.
    let second = turn(&mut engine, [intent(2)]);
    assert_ne!(first.effects[0].0.segment, second.effects[0].0.segment);
    assert_eq!(world.disk.names("journal").len(), 2);
    assert_eq!(world.open().state(), engine.state());
}

#[test]
fn outcomes_and_timers_wait_for_the_next_turn_when_a_write_fails_and_intents_do_not() {
    // Given effects under way.
    let world = World::new();
    let mut engine = world.open();
    let asked = dispatched(&turn(&mut engine, [intent(1)]));
    // When a write fails with an outcome, a timer, a frame and an Intent in it.
    world.disk.fail(0, &[Done::Nothing], DiskError::Failed);
    for input in [intent(2), framed(asked[0], 2), arrival(2), Input::Elapsed(TimerId::Login, false)] {
        engine.push(input);
    }
    assert_eq!(engine.turn().err(), Some(Fault::from(Code::DiskFailed)));
    // Then what nobody else repeats is folded in the next turn, in its order.
    assert!(engine.has_inputs());
    assert_eq!(turn(&mut engine, []).records, 2);
    assert_eq!(engine.state().intents, [intent_id(1)]);
    assert!(engine.state().arrivals.is_empty() && engine.state().timers.is_empty());
    assert!(!engine.state().outstanding.contains_key(&asked[0]));
}

#[test]
fn a_broken_engine_shows_no_state_that_is_not_durable() {
    // Given a journal with one block.
    let world = World::new();
    let mut engine = world.open();
    turn(&mut engine, [intent(1)]);
    let state = engine.state().clone();
    // When a write is torn and nothing can be cut off.
    world.disk.fail(0, &[Done::Half, Done::Nothing, Done::Nothing], DiskError::Failed);
    engine.push(intent(2));
    assert!(engine.turn().is_err());
    // Then views still show what is durable, and no turn is taken.
    assert_eq!(*engine.state(), state);
    engine.push(intent(3));
    assert_eq!(engine.turn().err(), Some(Fault::from(Code::DiskFailed)));
}

#[test]
fn a_broken_engine_writes_no_snapshot() {
    // Given an engine that could not rebuild its state.
    let world = World::new();
    let mut engine = world.open();
    turn(&mut engine, [intent(1)]);
    world.disk.fail(0, &[Done::Half, Done::Nothing], DiskError::Failed);
    engine.push(intent(2));
    assert!(engine.turn().is_err());
    // When it is closed with a last snapshot, as profiles are.
    let _ = engine.snapshot();
    // Then the next open finds what was durable, and nothing else.
    assert_eq!(world.open().state().intents, [intent_id(1)]);
}

#[test]
fn a_failure_is_told_by_its_own_cause_even_if_the_state_cannot_be_rebuilt() {
    let world = World::new();
    let mut engine = world.open();
    turn(&mut engine, [intent(1)]);
    world.disk.fail(0, &[Done::Whole, Done::Nothing], DiskError::Full);
    engine.push(intent(2));
    assert_eq!(engine.turn().err().map(|fault| fault.code), Some(Code::DiskFull));
}
