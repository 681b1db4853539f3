//! Retention of segments.

use super::*;

#[test]
fn segments_that_snapshots_cover_retire_with_their_keys_when_their_time_is_over() {
    // Given a profile of four segments, a snapshot after the second and one after the third.
    let world = World::new();
    for number in 1..=4 {
        let mut engine = world.open();
        turn(&mut engine, [intent(number)]);
        if number == 2 || number == 3 {
            engine.snapshot().expect("a disk that works");
        }
    }
    let before = world.disk.names("journal");
    assert_eq!(before.len(), 4);
    // When a snapshot is taken 31 days later.
    world.set_clock(1_790_000_000_000 + 31 * 86_400_000);
    let mut engine = world.open();
    turn(&mut engine, [intent(5)]);
    engine.snapshot().expect("a disk that works");
    // Then what lies before the older of the two kept snapshots is gone, and no more.
    let after = world.disk.names("journal");
    assert_eq!(before.iter().filter(|file| after.contains(file)).collect::<Vec<_>>(), before.iter().skip(2).collect::<Vec<_>>());
    // The profile opens as before.
    let state = engine.state().clone();
    drop(engine);
    assert_eq!(world.open().state(), &state);
    assert_eq!(world.disk.names("journal"), after);
    // And a journal whose beginning is retired says so without a snapshot, rather than fold from nothing.
    for snapshot in world.disk.names("snapshots") {
        world.disk.flip(&snapshot, 200);
    }
    assert_eq!(world.refused(FORGETFUL).code, Code::JournalDamaged);
}

#[test]
fn young_segments_stay() {
    let world = World::new();
    for number in 1..=4 {
        let mut engine = world.open();
        turn(&mut engine, [intent(number)]);
        engine.snapshot().expect("a disk that works");
    }
    assert_eq!(world.disk.names("journal").len(), 4);
    assert_eq!(world.disk.names("snapshots").len(), 2, "the newest two are kept");
}
