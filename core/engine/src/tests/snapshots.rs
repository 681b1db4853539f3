//! Snapshots.

use super::*;
use serde::Serializer;
use thicket_journal_format::digest;
use thicket_types::ids::BodyRef;
use thicket_types::limits::SNAPSHOT_LEN_MAX;

/// A profile with two snapshots and a tail behind them.
fn two_snapshots() -> (World, Count) {
    let world = World::new();
    let mut engine = world.open();
    for number in 1..=5 {
        let asked = dispatched(&turn(&mut engine, [intent(number), arrival(number)]));
        turn(&mut engine, [framed(asked[0], number)]);
        if number == 2 || number == 4 {
            engine.snapshot().expect("a disk that works");
        }
    }
    let state = engine.state().clone();
    (world, state)
}

#[test]
fn a_snapshot_and_its_tail_come_to_what_a_full_replay_comes_to() {
    let (world, state) = two_snapshots();
    let (engine, opened) = world.open_with(FORGETFUL).expect("an intact profile");
    assert_eq!(*engine.state(), state);
    assert_eq!(opened.folded, 3);
    assert_eq!(opened.outstanding, Counting::outstanding(&state));
    assert_eq!(world.replayed(), state);
}

#[test]
fn a_damaged_snapshot_is_passed_over_for_the_one_before() {
    let (world, state) = two_snapshots();
    let newest = world.disk.newest("snapshots");
    for at in 0..world.disk.bytes(&newest).len() {
        let copy = world.copy();
        copy.disk.flip(&newest, at);
        let (engine, opened) = copy.open_with(FORGETFUL).expect("an older snapshot");
        assert_eq!((engine.state(), opened.folded), (&state, 9), "byte {at}");
    }
    // With both damaged, everything is folded.
    let copy = world.copy();
    copy.disk.names("snapshots").iter().for_each(|path| copy.disk.flip(path, 200));
    let (engine, opened) = copy.open_with(FORGETFUL).expect("a whole journal");
    assert_eq!((engine.state(), opened.folded), (&state, 15));
}

#[test]
fn a_cut_snapshot_is_passed_over_for_the_one_before() {
    let (world, state) = two_snapshots();
    let newest = world.disk.newest("snapshots");
    for len in 0..world.disk.bytes(&newest).len() {
        let copy = world.copy();
        copy.disk.cut(&newest, len);
        assert_eq!(*copy.open().state(), state, "cut at {len}");
    }
}

#[test]
fn the_newest_two_snapshots_are_kept_and_the_others_lose_their_keys() {
    let world = World::new();
    let mut engine = world.open();
    let mut covered = Vec::new();
    for number in 1..=4 {
        turn(&mut engine, [intent(number)]);
        covered.push(engine.snapshot().expect("a disk that works").map(|(seq, _)| seq));
        assert_eq!(engine.snapshot(), Ok(None), "nothing new since the last");
    }
    // Each tells what the one before it covers.
    assert_eq!(covered, [None, Some(Seq(1)), Some(Seq(2)), Some(Seq(3))]);
    let names = world.disk.names("snapshots");
    assert_eq!(names.len(), 2);
    assert!(names[0].ends_with(&format!("{:016x}.snap", 3)) && names[1].ends_with(&format!("{:016x}.snap", 4)));
    // One segment and two snapshots: each has 80 bytes between the keys file's front (152) and its MAC (32).
    assert_eq!(world.disk.bytes(KEYS_FILE).len(), 152 + 3 * 80 + 32);
}

#[test]
fn a_snapshot_is_due_after_so_many_records() {
    let world = World::new();
    let mut engine = world.open();
    let mut records = 0;
    while !engine.snapshot_due() {
        assert!(records < SNAPSHOT_EVERY);
        records += turn(&mut engine, (0..BLOCK_RECORDS_MAX).map(|_| intent(1))).records as u64;
    }
    assert_eq!(records, SNAPSHOT_EVERY);
    engine.snapshot().expect("a disk that works");
    assert!(!engine.snapshot_due());
    assert!(!world.open().snapshot_due());
}

#[test]
fn a_snapshot_of_a_newer_version_refuses_the_profile_and_changes_nothing() {
    let (world, _) = two_snapshots();
    let newest = world.disk.newest("snapshots");
    // The version stands behind the magic, and under the header's hash.
    let mut bytes = world.disk.bytes(&newest);
    bytes[8] = 9;
    let hash = digest(&[&bytes[..96]]).0;
    bytes[96..128].copy_from_slice(&hash);
    world.disk.put(&newest, bytes);
    let before = world.disk.files().files.clone();
    assert_eq!(world.refused(FORGETFUL).code, Code::ProfileNewer);
    assert_eq!(world.disk.files().files, before);
}

#[test]
fn a_snapshot_whose_header_is_damaged_keeps_its_key_for_as_long_as_it_is_there() {
    let (world, _) = two_snapshots();
    let newest = world.disk.newest("snapshots");
    world.disk.flip(&newest, 70);
    let mut engine = world.open();
    turn(&mut engine, [intent(6)]);
    engine.snapshot().expect("a disk that works");
    drop(engine);
    // The header mended, it is the profile's again.
    assert!(world.disk.names("snapshots").contains(&newest));
    let copy = world.copy();
    copy.disk.flip(&newest, 70);
    let last = copy.disk.newest("snapshots");
    copy.disk.delete(&last);
    assert_eq!(copy.open_with(FORGETFUL).expect("an older snapshot").1.folded, 4);
}

#[test]
fn files_that_are_not_the_profiles_stay_and_cost_nothing() {
    let strays = ["journal/.DS_Store", "journal/notes.txt", "snapshots/notes.txt", "snapshots/zz.snap"];
    let (world, state) = two_snapshots();
    for stray in strays {
        world.disk.put(stray, b"of somebody".to_vec());
    }
    let (engine, opened) = world.open_with(FORGETFUL).expect("an intact profile");
    assert_eq!((engine.state(), opened.folded), (&state, 3));
    drop(engine);
    for number in 6..9 {
        let mut engine = world.open();
        turn(&mut engine, [intent(number)]);
        engine.snapshot().expect("a disk that works");
    }
    for stray in strays {
        assert_eq!(world.disk.bytes(stray), b"of somebody");
    }
    assert_eq!(world.disk.names("snapshots").len(), 2 + 2, "the newest two are kept");
}

/// Rules whose state is as long as the last Intent says.
struct Weighing;

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
struct Weight(usize);

impl Serialize for Weight {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&vec![0; self.0])
    }
}

impl Reducer for Weighing {
    type State = Weight;
    const RULES: RulesVersion = RulesVersion(1);

    fn fresh() -> Weight {
        Weight::default()
    }

    fn reduce(_rules: RulesVersion, state: &mut Weight, _place: Place, event: &Event) -> Vec<Effect> {
        if let Event::Requested { id: _, intent: Intent::Send { len, .. } } = event {
            state.0 = *len as usize;
        }
        Vec::new()
    }

    fn outstanding(_state: &Weight) -> Vec<(EffectId, Effect)> {
        Vec::new()
    }

    fn timers(_state: &Weight) -> Vec<(TimerId, Deadline)> {
        Vec::new()
    }

    fn relay(_state: &Weight) -> Option<RelayKey> {
        None
    }

    fn admit(_state: &Weight, _now: Stamp, arrival: Arrival) -> Admission {
        Admission::Taken(arrival)
    }

    fn named(_state: &Weight) -> BTreeSet<Seq> {
        BTreeSet::new()
    }

    fn vault_count(_state: &Weight) -> u64 {
        0
    }
}

#[test]
fn a_state_too_long_for_a_snapshot_gets_none_and_the_journal_goes_on() {
    let world = World::new();
    let open = |world: &World| {
        let (disk, clock, entropy) = (world.disk.clone(), world.clock.clone(), world.entropy.clone());
        Engine::<Weighing>::open(Box::new(disk), Box::new(clock), Box::new(entropy), world.keys(), FORGETFUL).expect("an intact profile").0
    };
    let grow = |engine: &mut Engine<Weighing>, len: usize| {
        let len = u32::try_from(len).expect("32 bits");
        engine.push(Input::Intent(intent_id(1), Intent::Send { contact: Fingerprint([1; 20]), body: BodyRef([1; 16]), len }));
        assert_eq!(engine.turn().expect("a disk that works").records, 1);
    };
    let mut engine = open(&world);
    grow(&mut engine, SNAPSHOT_LEN_MAX);
    // Its encoding is longer than it is.
    let keys = |world: &World| world.disk.bytes("keys").len();
    let before = keys(&world);
    for _ in 0..3 {
        assert_eq!(engine.snapshot(), Err(Fault::from(Code::Inconsistent)));
    }
    assert_eq!(keys(&world), before, "a key for nothing");
    assert_eq!(world.disk.names("snapshots"), Vec::<String>::new());
    assert_eq!(open(&world).state(), &Weight(SNAPSHOT_LEN_MAX));
    grow(&mut engine, 10);
    assert_eq!(engine.snapshot(), Ok(None));
    assert_eq!(world.disk.names("snapshots").len(), 1);
}
