//! Retention of segments.

use super::*;
use crate::journal::{id_of, retire, retiring};
use crate::keys::derive;
use crate::snapshots;
use thicket_journal_format::header::Header;
use thicket_journal_format::keys::{Front, Keys, Kind};
use thicket_journal_format::{Key, block, snapshot};
use thicket_types::limits::{CARRIED_LEN_MAX, JOURNAL_KEPT_FOR, JOURNAL_KEPT_LEN, SEGMENT_BLOCKS_MAX, SEGMENTS_KEPT_MAX};

/// A profile of four segments, with a snapshot after the second and one after the third.
fn four_segments() -> World {
    let world = World::new();
    for number in 1..=4 {
        let mut engine = world.open();
        turn(&mut engine, [intent(number)]);
        if number == 2 || number == 3 {
            engine.snapshot().expect("a disk that works");
        }
    }
    world
}

#[test]
fn segments_that_snapshots_cover_retire_with_their_keys_when_their_time_is_over() {
    // Given a profile of four segments, a snapshot after the second and one after the third.
    let world = four_segments();
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

/// Where the journal begins: the place before its oldest segment, by its name.
fn begins(world: &World) -> u64 {
    let names = world.disk.names("journal");
    let first = names[0].strip_prefix("journal/").and_then(|name| name.get(..16)).expect("a segment's name");
    u64::from_str_radix(first, 16).expect("hex") - 1
}

#[test]
fn what_retired_came_to_is_kept_as_a_snapshot_where_the_journal_begins() {
    // Given the states of a whole journal, and what of it retires bit by bit.
    let world = four_segments();
    let mut states = vec![Count::default()];
    let all = |world: &World, states: &mut Vec<Count>| {
        walk(&mut world.disk.clone(), &world.keys(), None, &mut |walked| {
            if walked.place.seq.0 as usize == states.len() {
                let mut state = states.last().expect("the first").clone();
                let _ = Counting::reduce(walked.rules, &mut state, walked.place, &walked.record.event);
                states.push(state);
            }
        })
        .expect("an intact journal");
    };
    all(&world, &mut states);
    for number in 1..=4 {
        month(&world, number);
        all(&world, &mut states);
        // Then a snapshot of the state there stands where it begins, with the newest two and no other.
        let begins = begins(&world);
        assert!(begins > 0, "something retired");
        let kept = snapshots::kept::<Counting>(&mut world.disk.clone(), &world.keys()).expect("intact snapshots");
        assert_eq!(kept.len(), 3);
        assert_eq!((kept[0].durable.seq.0, &kept[0].state), (begins, &states[begins as usize]));
        // And with the newest two damaged, the profile opens with that, to the same state.
        let copy = world.copy();
        for snapshot in &copy.disk.names("snapshots")[1..] {
            copy.disk.flip(snapshot, 200);
        }
        let (engine, opened) = copy.open_with(FORGETFUL).expect("what is left");
        assert_eq!((engine.state(), opened.folded), (states.last().expect("the last"), states.len() as u64 - 1 - begins));
    }
}

#[test]
fn a_journal_whose_beginning_no_snapshot_holds_keeps_its_oldest_until_it_can_be_folded_from_there() {
    // Given a journal that lost the snapshot at its beginning, as one of an earlier version had none.
    let world = four_segments();
    month(&world, 1);
    let before = world.disk.names("snapshots");
    world.disk.delete(&before[0]);
    // When what lies before the oldest of the others has retired, what is left begins with a snapshot again.
    for number in 2..=3 {
        month(&world, number);
    }
    let oldest = world.disk.names("snapshots")[0].clone();
    assert!(oldest.ends_with(&format!("{:016x}.snap", begins(&world))), "{oldest}");
}

/// Whether there are as many keys as segments and snapshots.
fn has_a_key_a_file(world: &World) -> bool {
    let entries = (world.disk.bytes(KEYS_FILE).len() - 152 - 32) / 80;
    entries == world.disk.names("journal").len() + world.disk.names("snapshots").len()
}

#[test]
fn a_damaged_snapshot_where_the_journal_begins_is_replaced_with_the_next_retirement() {
    // In its header, so that nobody knows which key is its own, and behind it.
    for at in [70, 200] {
        let world = four_segments();
        month(&world, 1);
        let oldest = world.disk.names("snapshots")[0].clone();
        world.disk.flip(&oldest, at);
        for number in 2..=4 {
            month(&world, number);
        }
        let kept = snapshots::kept::<Counting>(&mut world.disk.clone(), &world.keys()).expect("intact snapshots");
        assert_eq!((kept.len(), kept[0].durable.seq.0), (3, begins(&world)), "byte {at}");
        assert!(has_a_key_a_file(&world), "byte {at}");
    }
}

#[test]
fn what_cannot_be_read_retires_all_the_same() {
    for is_flipped in [true, false] {
        let world = four_segments();
        world.disk.delete(&world.disk.names("snapshots")[0].clone());
        let oldest = world.disk.names("journal")[0].clone();
        if is_flipped {
            world.disk.flip(&oldest, HEADER_LEN + BLOCK_HEAD_LEN + 3);
        } else {
            world.disk.files().unreadable = Some(oldest.clone());
        }
        for number in 1..=3 {
            month(&world, number);
        }
        assert!(!world.disk.names("journal").contains(&oldest));
        assert_eq!(world.open().state().intents.len(), 7);
        assert!(world.disk.names("snapshots").len() == 3 && has_a_key_a_file(&world));
        assert!(world.disk.names("snapshots")[0].ends_with(&format!("{:016x}.snap", begins(&world))));
    }
}

/// Nothing is done from some operation on, but for so much of it.
const DEATHS: [[Done; 64]; 3] = [dead(Done::Nothing), dead(Done::Half), dead(Done::Whole)];

const fn dead(first: Done) -> [Done; 64] {
    let mut plan = [Done::Nothing; 64];
    plan[0] = first;
    plan
}

#[test]
fn a_process_may_die_at_every_operation_of_a_retirement() {
    let ready = four_segments();
    turn(&mut ready.open(), [arrival(1)]);
    month(&ready, 1);
    month(&ready, 2);
    ready.set_clock(1_790_000_000_000 + 3 * 31 * 86_400_000);
    turn(&mut ready.open(), [intent(5)]);
    let state = ready.open().state().clone();
    assert_eq!(Counting::named(&state).len(), 1, "a frame that waits");
    for plan in &DEATHS {
        let operations = (0..).take_while(|after| dies_while_segments_retire(&ready, *after, plan, &state)).count();
        assert!(operations > 8, "{operations} operations");
    }
}

/// A process dies at this operation of a snapshot, or there is none. However far it came the state is there, and what it names, and the
/// next snapshot tidies up.
fn dies_while_segments_retire(ready: &World, after: usize, plan: &'static [Done; 64], state: &Count) -> bool {
    let world = ready.copy();
    let mut engine = world.open();
    world.disk.die(after, plan);
    let _ = engine.snapshot();
    drop(engine);
    let dead = world.disk.failed();
    world.disk.heal();
    assert_eq!(taken(&world), [], "after {after}");
    for damaged in 0..2 {
        let copy = world.copy();
        let snapshots = copy.disk.names("snapshots").into_iter().filter(|name| name.ends_with(".snap")).rev();
        snapshots.take(damaged).for_each(|snapshot| copy.disk.flip(&snapshot, 200));
        let mut engine = copy.open();
        assert_eq!(engine.state(), state, "after {after}, {damaged} damaged");
        for named in Counting::named(state) {
            assert_eq!(engine.frame(named), Ok(vec![1; 40]), "after {after}, {damaged} damaged");
        }
    }
    month(&world, 4);
    let kept = snapshots::kept::<Counting>(&mut world.disk.clone(), &world.keys()).expect("intact snapshots");
    // One that was renamed and whose key went again, since the disk said that it failed, counts as one of the newest two.
    assert!(kept.len() >= 2 && kept[0].durable.seq.0 == begins(&world), "after {after}");
    dead
}

#[test]
fn an_operation_that_fails_while_segments_retire_costs_no_record_that_is_left() {
    let ready = four_segments();
    month(&ready, 1);
    ready.set_clock(1_790_000_000_000 + 62 * 86_400_000);
    turn(&mut ready.open(), [intent(5)]);
    for after in 0..16 {
        let world = ready.copy();
        let mut engine = world.open();
        world.disk.fail(after, &[Done::Nothing], DiskError::Failed);
        let told = engine.snapshot().is_err();
        let is_passed_over = world.disk.failed() && !told;
        world.disk.heal();
        // The process goes on.
        turn(&mut engine, [intent(6)]);
        engine.snapshot().expect("a disk that works");
        let state = engine.state().clone();
        drop(engine);
        assert_eq!(world.open().state(), &state);
        let kept = snapshots::kept::<Counting>(&mut world.disk.clone(), &world.keys()).expect("intact snapshots");
        // Only where the beginning itself found no room is it missing.
        let oldest = kept[0].durable.seq.0;
        assert!(oldest == begins(&world) || is_passed_over && oldest > begins(&world), "after {after}: {oldest}");
    }
}

#[test]
fn a_journal_that_lost_what_its_state_names_is_refused_where_nothing_else_is_before_its_snapshot() {
    // Given a journal that begins right after its snapshot, whose state names a frame that nothing holds.
    let world = World::new();
    turn(&mut world.open(), [arrival(1)]);
    world.open().snapshot().expect("a disk that works");
    turn(&mut world.open(), [intent(2)]);
    let oldest = world.disk.names("journal")[0].clone();
    world.disk.delete(&oldest);
    assert_eq!(world.refused(FORGETFUL).code, Code::JournalDamaged);
}

#[test]
fn segments_that_somebody_took_away_are_told_by_their_keys_until_others_retire() {
    // Given a profile of four segments, the first two of which were taken away: the rest begins where a snapshot stands.
    let world = four_segments();
    let files: Vec<String> = world.disk.names("journal").into_iter().take(2).collect();
    files.iter().for_each(|file| world.disk.delete(file));
    let mut ids: Vec<SegmentId> =
        files.iter().map(|file| SegmentId(id_of(file.rsplit('/').next().expect("a name")).expect("an id"))).collect();
    ids.sort();
    // Then it opens as before, and a walk tells which they are.
    let state = world.open().state().clone();
    assert_eq!(taken(&world), ids);
    // Also after more opens and snapshots.
    for number in 5..=7 {
        let mut engine = world.open();
        turn(&mut engine, [intent(number)]);
        engine.snapshot().expect("a disk that works");
    }
    assert!(state.intents.iter().all(|id| world.open().state().intents.contains(id)));
    assert_eq!(taken(&world), ids);
    // Once others retire their time is over too: no key of theirs is left.
    month(&world, 1);
    assert_eq!(taken(&world), []);
}

#[test]
fn a_newest_segment_that_somebody_took_away_is_told_where_nothing_else_remembers_it() {
    let world = World::new();
    turn(&mut world.open(), [intent(1)]);
    turn(&mut world.open(), [intent(2)]);
    world.disk.delete(&world.disk.newest("journal"));
    assert_eq!(world.open().state().intents, [intent_id(1)]);
    assert_eq!(taken(&world).len(), 1);
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

/// A profile with so many segments of so many bytes each, which nothing needs, all made at one time.
fn segments(count: usize, len: usize) -> World {
    let world = World::new();
    let created = world.clock.now();
    for number in 1..=count as u64 {
        let mut segment = [0; 16];
        segment[..8].copy_from_slice(&number.to_be_bytes());
        let header = Header { segment: SegmentId(segment), rules: Counting::RULES, first: Seq(number), created, previous: Digest([0; 32]) };
        let mut bytes = header.encode();
        bytes.resize(len, 0);
        world.disk.put(&format!("journal/{number:016x}-{}.seg", header.segment.hex()), bytes);
    }
    world
}

/// How many retire when so much time is over.
fn retired(world: &World, after: Duration) -> usize {
    let now = world.clock.now().after(after);
    let before = world.disk.names("journal").len();
    if let Some(retiring) = retiring(&mut world.disk.clone(), Seq(u64::MAX), now).expect("a disk that works") {
        retire(&mut world.disk.clone(), &mut world.keys(), &retiring).expect("a disk that works");
    }
    before - world.disk.names("journal").len()
}

#[test]
fn a_segment_retires_when_its_successor_is_older_than_is_kept_and_the_newest_never_does() {
    let world = segments(3, HEADER_LEN + 1);
    assert_eq!(retired(&world, JOURNAL_KEPT_FOR), 0);
    assert_eq!(retired(&world, Duration(JOURNAL_KEPT_FOR.0 + 1)), 2);
    assert_eq!(world.disk.names("journal").len(), 1);
}

#[test]
fn past_so_many_bytes_the_oldest_segments_retire_before_their_time() {
    let quarter = usize::try_from(JOURNAL_KEPT_LEN / 4).expect("64 bits");
    let world = segments(4, quarter);
    let names = world.disk.names("journal");
    assert_eq!(retired(&world, Duration(0)), 0);
    world.disk.files().files.get_mut(&names[3]).expect("the newest").push(0);
    assert_eq!(retired(&world, Duration(0)), 1);
    assert_eq!(world.disk.names("journal"), names[1..]);
}

#[test]
fn past_so_many_segments_the_oldest_retire_before_their_time() {
    let world = segments(SEGMENTS_KEPT_MAX, HEADER_LEN + 1);
    assert_eq!(retired(&world, Duration(0)), 0);
    let world = segments(SEGMENTS_KEPT_MAX + 2, HEADER_LEN + 1);
    let names = world.disk.names("journal");
    assert_eq!(retired(&world, Duration(0)), 2);
    assert_eq!(world.disk.names("journal"), names[2..]);
}

/// A month passes, and something happens in it.
fn month(world: &World, number: u64) {
    world.set_clock(1_790_000_000_000 + number * 31 * 86_400_000);
    let mut engine = world.open();
    turn(&mut engine, [intent(u8::try_from(number).expect("few months"))]);
    engine.snapshot().expect("a disk that works");
}

/// A segment is begun, and gets no block; its key can't be destroyed, so its header stays.
const STAYS: [Done; 5] = [Done::Good, Done::Good, Done::Half, Done::Good, Done::Nothing];

/// A profile whose first segment never got a block, the engine that went on with the second in its place, and the names of both.
fn with_an_empty_segment(seed: u64) -> (World, Engine<Counting>, String, String) {
    let world = World::new();
    world.entropy.0.store(seed, Ordering::Relaxed);
    let mut engine = world.open();
    world.disk.fail(0, &STAYS, DiskError::Full);
    engine.push(intent(1));
    assert_eq!(engine.turn().err().map(|fault| fault.code), Some(Code::DiskFull));
    assert!(world.disk.fired());
    let empty = world.disk.newest("journal");
    assert_eq!(world.disk.bytes(&empty).len(), HEADER_LEN);
    turn(&mut engine, [intent(2)]);
    let live = world.disk.names("journal").into_iter().find(|name| *name != empty).expect("another segment");
    (world, engine, empty, live)
}

#[test]
fn a_segment_without_a_block_is_nobodys_successor_whatever_its_id() {
    let mut orders = BTreeSet::new();
    for seed in 0..16 {
        for reopens in [false, true] {
            let (world, mut engine, empty, live) = with_an_empty_segment(seed);
            orders.insert(empty < live);
            // When the segment that has its place would be past its time, had it a successor, and is written to.
            engine.snapshot().expect("a disk that works");
            turn(&mut engine, [intent(3)]);
            engine.snapshot().expect("a disk that works");
            world.set_clock(1_790_000_000_000 + 31 * 86_400_000);
            if reopens {
                engine = world.open();
                assert_eq!(world.disk.names("journal"), std::slice::from_ref(&live), "the open takes it away");
            }
            turn(&mut engine, [intent(4)]);
            engine.snapshot().expect("a disk that works");
            turn(&mut engine, [intent(5)]);
            // Then it is there, with what came last.
            let state = engine.state().clone();
            drop(engine);
            assert!(world.disk.names("journal").contains(&live), "seed {seed}");
            assert_eq!(world.open_with(FORGETFUL).map(|(engine, _)| engine.state().clone()), Ok(state), "seed {seed}");
            assert_eq!(taken(&world), [], "seed {seed}");
            assert!(!world.disk.names("journal").contains(&empty) && has_a_key_a_file(&world), "seed {seed}");
        }
    }
    assert_eq!(orders.len(), 2, "before it by name, and after it");
}

#[test]
fn a_segment_without_a_block_goes_with_the_one_that_has_its_place() {
    // Given two lives, in which none is opened again until both are past their time.
    for seed in 0..8 {
        let (world, mut engine, empty, live) = with_an_empty_segment(seed);
        engine.pretend_blocks(u32::try_from(SEGMENT_BLOCKS_MAX).expect("32 bits"));
        for number in 1..=3 {
            world.set_clock(1_790_000_000_000 + number * 31 * 86_400_000);
            turn(&mut engine, [intent(9)]);
            engine.snapshot().expect("a disk that works");
        }
        // When that retires: then neither is left, nor a key of theirs, and the journal begins where a snapshot stands.
        let names = world.disk.names("journal");
        assert!(!names.contains(&live) && !names.contains(&empty), "seed {seed}: {names:?}");
        assert!(has_a_key_a_file(&world), "seed {seed}");
        let kept = snapshots::kept::<Counting>(&mut world.disk.clone(), &world.keys()).expect("intact snapshots");
        assert_eq!(kept[0].durable.seq.0, begins(&world), "seed {seed}");
    }
}

#[test]
fn what_no_fold_begins_with_goes_though_keys_without_a_file_cannot() {
    // Given a segment that somebody took away, and no snapshot that what is left can begin with.
    let ready = four_segments();
    ready.keys().make(&mut ready.disk.clone(), &mut ready.entropy.clone(), Kind::Segment, [7; 16]).expect("room");
    let oldest = ready.disk.names("journal")[0].clone();
    ready.disk.flip(&oldest, HEADER_LEN + BLOCK_HEAD_LEN + 3);
    month(&ready, 1);
    ready.keys().make(&mut ready.disk.clone(), &mut ready.entropy.clone(), Kind::Segment, [7; 16]).expect("room");
    ready.disk.flip(&ready.disk.names("snapshots")[0].clone(), 200);
    ready.set_clock(1_790_000_000_000 + 62 * 86_400_000);
    turn(&mut ready.open(), [intent(5)]);
    let mut seen = 0;
    for after in 0..16 {
        let world = ready.copy();
        let mut engine = world.open();
        world.disk.fail(after, &[Done::Nothing], DiskError::Full);
        let _ = engine.snapshot();
        // When the write fails that destroys its key, after the files of what retired went.
        let ops = world.disk.files().ops.clone();
        let Some(failed) = ops.iter().position(|op| op.failed && op.path == KEYS_FILE) else {
            continue;
        };
        if ops[..failed].iter().any(|op| op.name == "remove" && op.path.starts_with("journal/")) {
            seen += 1;
            let begins = begins(&world);
            let useless = |name: &&String| **name < format!("snapshots/{begins:016x}.snap");
            assert_eq!(world.disk.names("snapshots").iter().filter(useless).count(), 0, "after {after}");
        }
    }
    assert!(seen > 0, "no such write failed");
}

#[test]
fn a_frame_that_waits_for_months_keeps_no_segment_and_is_read_all_the_same() {
    // Given a frame that an effect under way names.
    let world = World::new();
    turn(&mut world.open(), [arrival(1)]);
    for number in 1..=6 {
        month(&world, number);
    }
    // Then its segment went when its time was over, as those after it did.
    let names = world.disk.names("journal");
    assert!(!names[0].contains(&format!("{:016x}-", 1)) && names.len() <= 3, "{names:?}");
    // And its bytes are there, also when the newest snapshot is damaged.
    assert_eq!(world.open().frame(Seq(1)), Ok(vec![1; 40]));
    let newest = world.disk.newest("snapshots");
    world.disk.flip(&newest, 200);
    assert_eq!(world.open().frame(Seq(1)), Ok(vec![1; 40]));
    // Nothing names it any more: no snapshot carries it.
    let mut engine = world.open();
    let waits = *engine.state().outstanding.keys().next().expect("one that waits");
    turn(&mut engine, [Input::Resolved(waits, Outcome::Done, 0)]);
    engine.snapshot().expect("a disk that works");
    turn(&mut engine, [intent(9)]);
    engine.snapshot().expect("a disk that works");
    drop(engine);
    assert!(world.open().frame(Seq(1)).is_err());
    let kept = snapshots::kept::<Counting>(&mut world.disk.clone(), &world.keys()).expect("intact snapshots");
    assert!(kept.len() == 3 && kept.iter().all(|kept| kept.carried.is_empty()), "nor the one where the journal begins");
}

#[test]
fn past_so_many_bytes_frames_are_not_carried_and_keep_their_segment() {
    let world = World::new();
    let count = CARRIED_LEN_MAX as u64 / LARGE as u64 + 2;
    let mut engine = world.open();
    for number in 1..=count {
        let Input::Arrival(arrival) = large(number) else {
            panic!("no arrival");
        };
        let sealed = Arrived::Envelope { cursor: number, sender: Fingerprint([1; 20]), sealed: Bytes(vec![7; LARGE]) };
        turn(&mut engine, [Input::Arrival(Arrival { content: sealed, ..arrival })]);
    }
    drop(engine);
    for number in 1..=4 {
        month(&world, number);
    }
    // The first ones that find no place keep the last segment of that time.
    let carried = CARRIED_LEN_MAX as u64 / LARGE as u64;
    let first = world.disk.names("journal").into_iter().next().expect("a segment");
    assert!(first < format!("journal/{:016x}.", carried + 1), "{first}");
    let mut engine = world.open();
    for seq in [1, carried, carried + 1, count] {
        assert_eq!(engine.frame(Seq(seq)).map(|bytes| bytes.len()), Ok(LARGE), "{seq}");
    }
}

/// Every key that a keys file gives: the passphrase's, the vault's, and those it keeps. The account key and the one that wraps are
/// given to nobody: what they sealed is the keys file itself.
fn all_keys(file: &[u8]) -> Vec<Key> {
    let of_passphrase = derive(&passphrase(), &Front::parse(file).expect("an intact keys file")).expect("a cost within bounds");
    let keys = Keys::unlock(file, &of_passphrase).expect("the right passphrase");
    let mut all = vec![keys.vault_key().expect("a key")];
    for kind in [Kind::Segment, Kind::Snapshot] {
        all.extend(keys.ids(kind).map(|id| keys.key(kind, id).expect("intact").expect("one that is kept")));
    }
    all.push(of_passphrase);
    all
}

/// Which of these files any of these keys opens.
fn opened<'f>(files: &BTreeMap<&'f String, Vec<u8>>, keys: &[Key]) -> Vec<&'f String> {
    let opens = |bytes: &[u8], key: &Key| match Header::parse(bytes) {
        Ok((header, chain)) => block::open(key, chain, header.first, 0, &bytes[HEADER_LEN..]).is_ok(),
        Err(_) => snapshot::open(key, bytes).is_ok(),
    };
    files.iter().filter(|(_, bytes)| keys.iter().any(|key| opens(bytes, key))).map(|(name, _)| *name).collect()
}

#[test]
fn what_retired_or_was_replaced_opens_with_no_key_that_is_left() {
    // Given copies of all segments and snapshots that there were, and of the keys file, which opens them.
    let world = four_segments();
    let keys = world.disk.bytes(KEYS_FILE);
    let before: Vec<String> = ["journal", "snapshots"].iter().flat_map(|folder| world.disk.names(folder)).collect();
    let copies: BTreeMap<&String, Vec<u8>> = before.iter().map(|file| (file, world.disk.bytes(file))).collect();
    assert_eq!(opened(&copies, &all_keys(&keys)).len(), 6, "four segments, two snapshots");
    // When snapshots replace them, and segments retire.
    for number in 1..=3 {
        month(&world, number);
    }
    let after: Vec<String> = ["journal", "snapshots"].iter().flat_map(|folder| world.disk.names(folder)).collect();
    let gone: BTreeMap<&String, Vec<u8>> = copies.into_iter().filter(|(file, _)| !after.contains(file)).collect();
    let snapshots = gone.keys().filter(|file| file.starts_with("snapshots")).count();
    assert!(snapshots == 2 && gone.len() >= 4, "{:?}", gone.keys());
    // Then no key that is left opens a copy of what is gone.
    assert_eq!(opened(&gone, &all_keys(&world.disk.bytes(KEYS_FILE))), Vec::<&String>::new());
    // And no file holds a key that is gone: neither as it was sealed, nor bare.
    let raw: Vec<Vec<u8>> = world.disk.files().files.values().cloned().collect();
    let holds = |secret: &[u8]| raw.iter().any(|bytes| bytes.windows(secret.len()).any(|window| window == secret));
    let kept = all_keys(&world.disk.bytes(KEYS_FILE));
    let gone_keys: Vec<Key> = all_keys(&keys).into_iter().filter(|key| kept.iter().all(|kept| kept.expose() != key.expose())).collect();
    assert_eq!(gone_keys.len(), gone.len());
    assert!(gone_keys.iter().all(|key| !holds(key.expose())));
    // SPEC §4: entries of 80 bytes from byte 152 on; a key as it is sealed stands at 32 in each.
    let entries = keys[152..keys.len() - 32].chunks_exact(80);
    let left = entries.filter(|entry| holds(&entry[32..])).count();
    assert_eq!(left, 6 - gone.len());
}
