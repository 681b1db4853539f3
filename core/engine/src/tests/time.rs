//! Time.

use super::*;

#[test]
fn a_clock_that_jumps_back_never_makes_stamps_decrease_and_time_goes_on() {
    let world = World::new();
    let mut engine = world.open();
    for now in [10_000, 4_000, 4_500, 9_000, 1_000, 1_001, 50_000] {
        world.set_clock(now);
        turn(&mut engine, [intent(1)]);
    }
    let stamps: Vec<u64> = engine.state().stamps.iter().map(|stamp| stamp.0).collect();
    assert!(stamps.windows(2).all(|pair| pair[0] <= pair[1]), "{stamps:?}");
    assert_eq!(stamps[..4], [10_000, 10_000, 10_500, 15_000]);
    assert_eq!(stamps[5] - stamps[4], 1);
    // Nor does a new process go back.
    world.set_clock(0);
    let mut engine = world.open();
    turn(&mut engine, [intent(1)]);
    world.set_clock(700);
    turn(&mut engine, [intent(1)]);
    let last = &engine.state().stamps[7..];
    assert_eq!(last, [Stamp(stamps[6]), Stamp(stamps[6] + 700)]);
}

#[test]
fn a_clock_that_jumps_back_between_two_looks_takes_no_time_back() {
    // A timer that was due at the first look is due at the fold as well: else it is lost.
    let world = World::new();
    let mut engine = world.open();
    turn(&mut engine, [intent(1)]);
    world.set_clock(engine.now().0 + 5_000);
    let due = engine.now();
    world.set_clock(due.0 - 4_500);
    assert!(engine.now() >= due);
}
