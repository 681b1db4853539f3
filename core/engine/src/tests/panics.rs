//! Folds that panic.

use super::*;
use thicket_types::limits::SEEN_FRAMES_MAX;

#[test]
fn an_intent_that_panics_the_fold_is_reported_and_nothing_of_it_stays() {
    // Given inputs before and behind one that panics the fold.
    let world = World::new();
    let mut engine = world.open();
    // When they are folded.
    let turn = turn(&mut engine, [intent(1), intent(MAGIC), intent(2)]);
    // Then the others are durable, and that one is reported.
    assert_eq!(turn.failed, [(intent_id(MAGIC), Code::FoldPanicked)]);
    assert_eq!(turn.records, 2);
    assert_eq!(engine.state().intents, [intent_id(1), intent_id(2)]);
    assert_eq!(engine.state().stamps.len(), 2);
    assert_eq!(world.open().state(), engine.state());
    assert!(!engine.has_inputs());
}

#[test]
fn a_turn_of_nothing_but_a_panic_writes_nothing() {
    let world = World::new();
    let mut engine = world.open();
    let turn = turn(&mut engine, [intent(MAGIC)]);
    assert_eq!((turn.records, turn.failed.len(), turn.effects.len()), (0, 1, 0));
    assert_eq!(*engine.state(), Count::default());
    assert!(world.disk.names("journal").is_empty());
}

#[test]
fn a_panic_ends_the_segment() {
    let world = World::new();
    let mut engine = world.open();
    let before = turn(&mut engine, [intent(1)]);
    turn(&mut engine, [intent(MAGIC)]);
    let after = turn(&mut engine, [intent(2)]);
    assert_ne!(before.effects[0].0.segment, after.effects[0].0.segment);
    assert_eq!(world.open().state(), engine.state());
}

#[test]
fn a_frame_that_panics_the_fold_is_dropped_ever_after() {
    let world = World::new();
    let mut engine = world.open();
    // When it arrives between others.
    let taken = turn(&mut engine, [arrival(1), arrival(MAGIC), arrival(2)]);
    assert_eq!((taken.records, taken.failed.len(), taken.set_aside), (2, 0, 1));
    // And again.
    engine.push(arrival(MAGIC));
    assert!(!engine.has_inputs());
    assert_eq!(engine.quarantined(), 1);
    assert_eq!(engine.state().arrivals, [FrameId([1; 32]), FrameId([2; 32])]);
    assert_eq!(world.open().state(), engine.state());
}

#[test]
fn an_outcome_that_panics_the_fold_is_journaled_as_a_fault() {
    // Given an effect under way.
    let world = World::new();
    let mut engine = world.open();
    let asked = dispatched(&turn(&mut engine, [intent(1)]));
    // When its outcome panics the fold.
    let taken = turn(&mut engine, [framed(asked[0], MAGIC)]);
    // Then a fault is folded in its place, and it is open no more.
    assert_eq!(taken.records, 1);
    assert_eq!(engine.state().faults, 1);
    assert!(engine.state().outstanding.is_empty());
    let fault = Event::Resolved { effect: asked[0], outcome: Outcome::Fault(Code::FoldPanicked), vault_count: u64::from(MAGIC) };
    assert_eq!(world.events().pop(), Some(fault));
    assert_eq!(world.open().state(), engine.state());
}

#[test]
fn a_timer_that_panics_the_fold_is_journaled_with_its_flag() {
    let world = World::new();
    let mut engine = world.open();
    let timer = TimerId::Retry(FrameId([MAGIC; 32]));
    let taken = turn(&mut engine, [Input::Elapsed(timer, false), intent(1)]);
    assert_eq!(taken.records, 2);
    assert_eq!(engine.state().faults, 1);
    assert_eq!(world.events()[0], Event::Elapsed { timer, fault: true });
    assert_eq!(world.open().state(), engine.state());
}

#[test]
fn a_frame_too_large_for_a_record_is_dropped_and_the_rest_goes_on() {
    let world = World::new();
    let mut engine = world.open();
    let content = Arrived::Answer { answer: Bytes(vec![0; RECORD_LEN_MAX]) };
    let large = Arrival { frame: FrameId([1; 32]), lane: Lane::Named, content };
    let taken = turn(&mut engine, [Input::Arrival(large), intent(2)]);
    assert_eq!(taken.records, 1);
    assert_eq!(engine.state().intents, [intent_id(2)]);
    assert_eq!(world.open().state(), engine.state());
}

#[test]
fn frames_that_panic_the_fold_are_remembered_up_to_a_bound() {
    let world = World::new();
    let mut engine = world.open();
    let frame = |number: usize| {
        let mut frame = [MAGIC; 32];
        frame[24..].copy_from_slice(&number.to_be_bytes());
        let content = Arrived::Unsealable { cursor: 1, cause: Code::Unsealable };
        Input::Arrival(Arrival { frame: FrameId(frame), lane: Lane::Named, content })
    };
    assert_eq!(turn(&mut engine, (0..=SEEN_FRAMES_MAX).map(frame)).records, 0);
    // The last that has a place is dropped ever after; the one past it is judged anew each time.
    for (number, judged) in [(0, false), (SEEN_FRAMES_MAX - 1, false), (SEEN_FRAMES_MAX, true)] {
        engine.push(frame(number));
        assert_eq!(engine.has_inputs(), judged, "frame {number}");
    }
    assert_eq!(turn(&mut engine, [intent(1)]).records, 1);
}
