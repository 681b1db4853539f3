//! Opening again.

use super::*;
use crate::frames::Frames;
use crate::{Torn, walk_on};
use thicket_journal_format::header::Header;
use thicket_types::limits::{BLOCK_LEN_MAX, FRAME_CACHE_LEN_MAX, SEGMENT_BLOCKS_MAX, SEGMENT_LEN_MAX};

#[test]
fn a_profile_without_a_journal_is_fresh() {
    let world = World::new();
    let (engine, opened) = world.open_with(FORGETFUL).expect("a new profile");
    assert_eq!(*engine.state(), Count::default());
    assert_eq!(engine.durable(), Durable { seq: Seq::ZERO, chain: Digest([0; 32]) });
    assert!(opened.outstanding.is_empty() && opened.timers.is_empty() && opened.folded == 0);
}

#[test]
fn an_open_that_appends_nothing_leaves_the_disk_as_it_was() {
    let (world, state, durable) = three_blocks();
    let seen = || {
        let files = world.disk.files();
        (files.files.clone(), files.ops.len())
    };
    let before = seen();
    let engine = world.open();
    assert_eq!((engine.state(), engine.durable()), (&state, durable));
    assert_eq!(seen(), before);
}

#[test]
fn a_reopened_journal_comes_to_the_same_state_and_the_same_open_effects() {
    // Given a life over three processes, with effects open and a timer armed.
    let world = World::new();
    let mut last = None;
    for number in 1..=3 {
        let mut engine = world.open();
        let asked = dispatched(&turn(&mut engine, [intent(number), arrival(number)]));
        turn(&mut engine, [framed(asked[0], number)]);
        last = Some((engine.state().clone(), engine.durable()));
    }
    // When it is opened again.
    let (engine, opened) = world.open_with(FORGETFUL).expect("an intact journal");
    // Then it is the same, and what is open has the ids that it always had.
    let (state, durable) = last.expect("three processes");
    assert_eq!((engine.state(), engine.durable()), (&state, durable));
    assert_eq!(opened.outstanding, Counting::outstanding(&state));
    assert_eq!(opened.outstanding.len(), 6);
    assert_eq!(opened.timers, Counting::timers(&state));
    assert_eq!(opened.folded, 9);
    assert_eq!(world.disk.names("journal").len(), 3);
}

#[test]
fn a_frame_is_found_in_memory_on_disk_and_before_a_snapshot() {
    let world = World::new();
    let mut engine = world.open();
    let asked = dispatched(&turn(&mut engine, [intent(1), arrival(7)]));
    turn(&mut engine, [framed(asked[0], 8)]);
    let found = |engine: &mut Engine<Counting>, seq| engine.frame(Seq(seq)).map_err(|fault| fault.code);
    for _ in 0..2 {
        assert_eq!(found(&mut engine, 2), Ok(vec![7; 40]));
        assert_eq!(found(&mut engine, 3), Ok(vec![8; 30]));
        // A record without a frame, and none at all.
        assert_eq!(found(&mut engine, 1), Err(Code::Inconsistent));
        assert_eq!(found(&mut engine, 4), Err(Code::Inconsistent));
        engine.snapshot().expect("a disk that works");
        engine = world.open();
    }
    // Two segments on, the first is still found.
    turn(&mut engine, [arrival(9)]);
    engine.snapshot().expect("a disk that works");
    let mut engine = world.open();
    assert_eq!(found(&mut engine, 4), Ok(vec![9; 40]));
    assert_eq!(found(&mut engine, 2), Ok(vec![7; 40]));
}

#[test]
fn what_does_not_fit_one_block_waits_for_the_next_turn() {
    let world = World::new();
    let mut engine = world.open();
    let taken = turn(&mut engine, (0..BLOCK_RECORDS_MAX + 88).map(|_| intent(1)));
    assert_eq!(taken.records, BLOCK_RECORDS_MAX);
    assert!(engine.has_inputs());
    assert_eq!(turn(&mut engine, []).records, 88);
    assert_eq!(world.open().state(), engine.state());
}

#[test]
fn a_block_ends_when_it_is_long_enough_and_the_rest_waits() {
    let world = World::new();
    let mut engine = world.open();
    let taken = turn(&mut engine, (0..30).map(large));
    // The record that reaches the bound is the last.
    assert_eq!(taken.records, BLOCK_LEN_MAX.div_ceil(LARGE));
    assert_eq!((turn(&mut engine, []).records, turn(&mut engine, []).records), (11, 8));
    assert!(!engine.has_inputs());
    assert_eq!(world.open().state(), engine.state());
}

#[test]
fn a_segment_that_is_long_enough_is_followed_by_another_with_its_own_key() {
    let world = World::new();
    let mut engine = world.open();
    let first = turn(&mut engine, [intent(1)]).effects[0].0.segment;
    let mut before = 0;
    let second = loop {
        let file = world.disk.newest("journal");
        let segment = turn(&mut engine, (0..11).map(large)).effects[0].0.segment;
        if segment != first {
            break segment;
        }
        before = world.disk.files().files[&file].len() as u64;
        world.disk.files().ops.clear();
    };
    // The block that reached the bound was the last of the first segment.
    assert!((SEGMENT_LEN_MAX..SEGMENT_LEN_MAX + 2 * BLOCK_LEN_MAX as u64).contains(&before), "{before} bytes");
    assert_eq!(turn(&mut engine, [intent(2)]).effects[0].0.segment, second);
    assert_eq!(world.disk.names("journal").len(), 2);
    assert_eq!(world.open().state(), engine.state());
}

#[test]
fn a_segment_of_as_many_blocks_as_one_key_seals_is_followed_by_another() {
    let world = World::new();
    let mut engine = world.open();
    let first = turn(&mut engine, [intent(1)]).effects[0].0.segment;
    // Given that all blocks but one are written.
    engine.pretend_blocks(u32::try_from(SEGMENT_BLOCKS_MAX).expect("32 bits") - 1);
    assert_eq!(turn(&mut engine, [intent(2)]).effects[0].0.segment, first);
    let second = turn(&mut engine, [intent(3)]).effects[0].0.segment;
    assert_ne!(second, first);
    assert_eq!(turn(&mut engine, [intent(4)]).effects[0].0.segment, second);
}

#[test]
fn frames_leave_memory_oldest_first_past_its_bound_and_are_read_from_the_journal() {
    let frame = |len| {
        Event::Arrived(Arrival { frame: FrameId([1; 32]), lane: Lane::Named, content: Arrived::Answer { answer: Bytes(vec![7; len]) } })
    };
    let mut frames = Frames::default();
    let half = FRAME_CACHE_LEN_MAX / 2;
    frames.keep(Seq(1), &frame(half));
    frames.keep(Seq(2), &frame(half));
    assert!([1, 2].iter().all(|seq| frames.find(Seq(*seq)).is_some()), "as much as fits");
    frames.keep(Seq(3), &frame(1));
    assert_eq!([1, 2, 3].map(|seq| frames.find(Seq(seq)).map(|found| found.len())), [None, Some(half), Some(1)]);
    // An engine finds all the same.
    let world = World::new();
    let mut engine = world.open();
    for turns in 0..5 {
        turn(&mut engine, (0..11).map(|number| large(turns * 11 + number)));
    }
    assert_eq!(engine.frame(Seq(1)).map(|bytes| bytes.len()), Ok(LARGE));
}

#[test]
fn a_profile_of_one_time_is_not_opened_apart() {
    let (world, _, durable) = three_blocks();
    let before = world.disk.files().files.clone();
    for known in [None, Some(durable)] {
        let fault = world.open_apart_with(Remembered { durable: known, count: u64::MAX }).err();
        assert_eq!(fault.map(|fault| fault.code), Some(Code::NotCopied));
    }
    assert_eq!(world.disk.files().files, before);
}

#[test]
fn a_profile_of_two_times_goes_on_with_the_snapshot_that_its_journal_holds() {
    // Given a snapshot within the journal, and one beyond its end: the journal was put back.
    let world = World::new();
    let mut engine = world.open();
    turn(&mut engine, [intent(1)]);
    engine.snapshot().expect("room");
    turn(&mut engine, [intent(2)]);
    let (state, end) = (engine.state().clone(), engine.durable());
    let journal: Vec<_> = world.disk.names("journal").into_iter().map(|path| (path.clone(), world.disk.bytes(&path))).collect();
    turn(&mut engine, [intent(3)]);
    engine.snapshot().expect("room");
    let beyond = engine.durable();
    drop(engine);
    world.disk.names("journal").iter().for_each(|path| world.disk.delete(path));
    journal.iter().for_each(|(path, bytes)| world.disk.put(path, bytes.clone()));
    let remembered = Remembered { durable: Some(beyond), count: u64::MAX };
    assert_eq!(world.refused(remembered).code, Code::RolledBack);
    // When it is opened to go on all the same.
    let (mut engine, opened) = world.open_apart_with(remembered).expect("a profile of two times");
    // Then what was asked for first stands after all that there was, and is open with the rest.
    assert_eq!(engine.durable().seq, end.seq.next());
    assert_eq!(engine.state().intents.len(), state.intents.len() + 1);
    assert_eq!(opened.outstanding, Counting::outstanding(engine.state()));
    assert_eq!(world.refused(FORGETFUL).code, Code::RolledBack, "the snapshot beyond is still there");
    engine.drop_passed_over().expect("room");
    let (state, durable) = (engine.state().clone(), engine.durable());
    drop(engine);
    assert_eq!(world.disk.names("snapshots").len(), 1);
    let (engine, _) = world.open_with(Remembered { durable: Some(durable), count: u64::MAX }).expect("a profile of one time");
    assert_eq!(*engine.state(), state);
    assert_eq!(world.replayed(), state);
}

#[test]
fn a_profile_is_taken_over_though_keys_without_a_file_stay() {
    // Given a journal that was put back, without the segment that the vault remembers: its key is there.
    let world = World::new();
    turn(&mut world.open(), [intent(1)]);
    let mut engine = world.open();
    turn(&mut engine, [intent(2)]);
    let remembered = Remembered { durable: Some(engine.durable()), count: u64::MAX };
    drop(engine);
    world.disk.delete(&world.disk.newest("journal"));
    let (mut engine, _) = world.open_apart_with(remembered).expect("a profile of two times");
    // When the vault was told, and the keys can't be written.
    world.disk.fail(0, &[Done::Nothing], DiskError::Full);
    assert_eq!(engine.drop_passed_over(), Ok(()));
    // Then it is taken over, as the next open finds; and the key goes with the next write.
    assert!(world.disk.fired());
    assert_eq!(world.copy().open_with(remembering(engine.durable())).map(|(engine, _)| engine.durable()), Ok(engine.durable()));
    assert_eq!(taken(&world).len(), 1);
    engine.snapshot().expect("room");
    assert_eq!(taken(&world), []);
}

#[test]
fn a_snapshot_that_cannot_be_dropped_leaves_a_profile_of_two_times() {
    let world = World::new();
    let mut engine = world.open();
    turn(&mut engine, [intent(1)]);
    let before = world.disk.bytes(&world.disk.newest("journal"));
    turn(&mut engine, [intent(2)]);
    engine.snapshot().expect("room");
    drop(engine);
    world.disk.put(&world.disk.newest("journal"), before);
    let (mut engine, _) = world.open_apart_with(FORGETFUL).expect("a profile of two times");
    world.disk.fail(0, &[Done::Nothing], DiskError::Failed);
    assert_eq!(engine.drop_passed_over(), Err(Fault::from(Code::DiskFailed)));
    assert_eq!(world.refused(remembering(engine.durable())).code, Code::RolledBack);
    drop(engine);
    let (mut engine, _) = world.open_apart_with(FORGETFUL).expect("once more");
    assert_eq!(engine.drop_passed_over(), Ok(()));
    assert_eq!(world.open_with(remembering(engine.durable())).map(|(engine, _)| engine.durable()), Ok(engine.durable()));
}

#[test]
fn a_fold_that_panics_on_what_comes_first_leaves_a_profile_of_two_times_as_it_was() {
    let (world, _, durable) = three_blocks();
    let before = world.disk.files().files.clone();
    let remembered = Remembered { durable: Some(Durable { seq: durable.seq.next(), ..durable }), count: u64::MAX };
    let keys = world.keys();
    let (disk, clock, entropy) = (Box::new(world.disk.clone()), Box::new(world.clock.clone()), Box::new(world.entropy.clone()));
    let fault = Engine::<Counting>::open_apart(disk, clock, entropy, keys, remembered, intent(MAGIC)).err();
    assert_eq!(fault.map(|fault| fault.code), Some(Code::FoldPanicked));
    assert_eq!(world.disk.files().files, before);
}

#[test]
fn a_header_that_was_cut_short_is_torn_also_before_a_segment_without_a_block() {
    // Given a segment that never got its block, and one in its place whose header was cut short, with a smaller id.
    let world = World::new();
    turn(&mut world.open(), [intent(1)]);
    let (whole, state) = (world.disk.names("journal"), world.open().state().clone());
    let copy = world.copy();
    turn(&mut copy.open(), [intent(2)]);
    let begun = copy.disk.newest("journal");
    let (header, _) = Header::parse(&copy.disk.bytes(&begun)).expect("an intact header");
    let empty = Header { segment: SegmentId([0xff; 16]), ..header };
    let empty_file = format!("journal/{}", empty.file_name());
    world.disk.put(&begun, copy.disk.bytes(&begun)[..60].to_vec());
    world.disk.put(&empty_file, empty.encode());
    // Then both are torn, and taken away.
    let torn = walk(&mut world.disk.clone(), &world.keys(), None, &mut |_| {}).map(|extent| extent.torn);
    let at_0 = |file: &String| Torn { file: file.clone(), offset: 0 };
    assert_eq!(torn, Ok(vec![at_0(&begun), at_0(&empty_file)]));
    assert_eq!(*world.open().state(), state);
    assert_eq!(world.disk.names("journal"), whole);
    // But not before one with a block.
    world.disk.put(&whole[0], copy.disk.bytes(&whole[0])[..60].to_vec());
    world.disk.put(&begun, copy.disk.bytes(&begun));
    assert_eq!(world.refused(FORGETFUL).damage.map(|damage| (damage.file, damage.offset)), Some((whole[0].clone(), 0)));
}

#[test]
fn a_walk_goes_on_from_any_block_to_any_place() {
    let world = World::new();
    for number in 1..=4 {
        let mut engine = world.open();
        turn(&mut engine, [intent(number), arrival(number)]);
        turn(&mut engine, [intent(number + 10)]);
    }
    let (mut whole, mut starts) = (Vec::new(), Vec::new());
    walk(&mut world.disk.copy(), &world.keys(), None, &mut |walked: Walked<'_>| {
        whole.push((walked.place, walked.record.clone(), walked.chain));
        if walked.block.first() == walked.place.seq {
            starts.push(walked.block.keep());
        }
    })
    .expect("an intact journal");
    assert_eq!((whole.len(), starts.len()), (12, 8));
    let before = world.disk.files().ops.len();
    for start in &starts {
        for upto in 0..=12 {
            let mut part = Vec::new();
            let mut visit = |walked: Walked<'_>| part.push((walked.place, walked.record.clone(), walked.chain));
            walk_on(&mut world.disk.clone(), &world.keys(), start, Seq(upto), &mut visit).expect("an intact journal");
            let expected: Vec<_> = whole.iter().filter(|(place, ..)| place.seq >= start.first() && place.seq.0 <= upto).cloned().collect();
            assert_eq!(part, expected, "from {start:?} to {upto}");
        }
    }
    assert_eq!(world.disk.files().ops.len(), before, "nothing was changed");
    // A segment that never got its block, in whose place another one is, is passed by.
    let second = world.disk.names("journal").swap_remove(1);
    let empty = format!("{}-{}.seg", &second[..second.len() - 37], "0".repeat(32));
    world.disk.put(&empty, world.disk.bytes(&second)[..HEADER_LEN].to_vec());
    let mut count = 0;
    walk_on(&mut world.disk.clone(), &world.keys(), &starts[0], Seq(12), &mut |_| count += 1).expect("an intact journal");
    assert_eq!(count, 12);
    // What is not there any more, or was altered, is damage.
    let beyond = walk_on(&mut world.disk.clone(), &world.keys(), &starts[0], Seq(13), &mut |_| {});
    assert_eq!(beyond.err().map(|fault| fault.code), Some(Code::JournalDamaged));
    let newest = world.disk.newest("journal");
    world.disk.flip(&newest, HEADER_LEN + BLOCK_HEAD_LEN + 3);
    let altered = walk_on(&mut world.disk.clone(), &world.keys(), &starts[5], Seq(12), &mut |_| {});
    assert_eq!(altered.err().and_then(|fault| fault.damage).map(|damage| (damage.file, damage.offset)), Some((newest, HEADER_LEN)));
}

#[test]
fn a_walk_takes_for_torn_only_what_neither_a_snapshot_nor_the_vault_knows_of() {
    // Given three blocks in one segment, and the last of them flipped, cut short, or gone.
    let world = World::new();
    let mut engine = world.open();
    (1..=2).for_each(|number| drop(turn(&mut engine, [intent(number)])));
    let (second, file) = (engine.durable(), world.disk.newest("journal"));
    let length = world.disk.bytes(&file).len();
    turn(&mut engine, [intent(3)]);
    let (third, bytes, before) = (engine.durable(), world.disk.bytes(&file), world.copy());
    engine.snapshot().expect("room");
    let mut flipped = bytes.clone();
    flipped[length + BLOCK_HEAD_LEN] ^= 1;
    let walk = |world: &World, bytes: &[u8], remembered: Option<Durable>| {
        let copy = world.copy();
        copy.disk.put(&file, bytes.to_vec());
        walk(&mut copy.disk.clone(), &copy.keys(), remembered, &mut |_| {})
            .map(|extent| (extent.ends, extent.torn))
            .map_err(|fault| (fault.code, fault.damage.map(|damage| (damage.file, damage.offset))))
    };
    let damaged = Err((Code::JournalDamaged, Some((file.clone(), length))));
    for harmed in [&flipped[..], &bytes[..bytes.len() - 10]] {
        // When nobody knows of it: it is torn, and that is said.
        let torn = Ok((second, vec![Torn { file: file.clone(), offset: length as u64 }]));
        assert_eq!(walk(&before, harmed, None), torn);
        assert_eq!(walk(&before, harmed, Some(second)), torn);
        // Where the vault or a snapshot does: it is damage.
        assert_eq!(walk(&before, harmed, Some(third)), damaged);
        assert_eq!(walk(&world, harmed, None), damaged);
        assert_eq!(walk(&world, harmed, Some(second)), damaged);
    }
    // Cut at the block's edge it looks whole but to who knows better.
    let cut = &bytes[..length];
    assert_eq!(walk(&before, cut, None), Ok((second, Vec::new())));
    let rolled_back = Err((Code::RolledBack, None));
    assert_eq!(walk(&before, cut, Some(third)), rolled_back);
    assert_eq!(walk(&world, cut, None), rolled_back);
    // Another history, as long.
    let other = Durable { chain: Digest([9; 32]), ..third };
    assert_eq!(walk(&before, &bytes, Some(other)), rolled_back);
    assert_eq!(walk(&before, &bytes, Some(third)), Ok((third, Vec::new())));
    // A snapshot that is passed over tells nothing.
    let snapshot = world.disk.newest("snapshots");
    world.disk.flip(&snapshot, world.disk.bytes(&snapshot).len() - 1);
    assert!(walk(&world, &flipped, None).is_ok_and(|(ends, _)| ends == second));
}
