use super::*;
use thicket_types::ids::Incarnation;
use thicket_types::limits::{LOG_ENTRIES_MAX, LOG_FOR, LOG_LANES_MAX, LOG_LEN_MAX, POSTING_KEYS_MAX, RETENTION};
use thicket_types::ports::{EntryKind, LogHead, LogLane, NewEntry, NewLog, PostingKey, Readable, Registers};
use thicket_types::time::Duration;

const LOG: LogId = LogId([1; 16]);
const OTHER: LogId = LogId([2; 16]);

fn owner(number: u64) -> LogLane {
    LogLane { lane: digest(number), owner: true }
}

/// A log whose posting key is 0, whose reading key is 100, and whose owner's lane is 200.
pub(crate) fn create(store: &mut impl Store, log: LogId, at: Stamp) {
    let lanes = [owner(200)];
    store.create_log(&NewLog { log, created: digest(7), posting: digest(0), reading: digest(100), lanes: &lanes, at }).expect("kept");
}

fn entry(number: u64, bytes: &[u8], at: Stamp) -> NewEntry<'_> {
    NewEntry { log: LOG, frame: frame(number), kind: EntryKind::Message, bytes, registers: None, at }
}

fn message(store: &mut impl Store, number: u64, at: Stamp) -> u64 {
    store.append_entry(&entry(number, &number.to_be_bytes(), at)).expect("appended")
}

/// A commit that registers a posting key, and a reading key if it is given one.
pub(crate) fn commit(store: &mut impl Store, number: u64, posting: u64, reading: Option<u64>, at: Stamp) -> u64 {
    let registers = Some(Registers { posting: digest(posting), reading: reading.map(digest) });
    let entry = NewEntry { kind: EntryKind::Commit, registers, ..entry(number, &[1], at) };
    store.append_entry(&entry).expect("appended")
}

fn numbers(store: &mut impl Store, from: u64, upto: u64) -> Vec<u64> {
    store.entries(LOG, from, upto, u32::MAX, usize::MAX).expect("read").iter().map(|entry| entry.number).collect()
}

fn head(store: &mut impl Store) -> (u64, u64, u64) {
    let LogHead { first, last, commit, created } = store.log(LOG).expect("read").expect("a log");
    assert_eq!(created, digest(7));
    (first, last, commit)
}

pub(super) fn log_is_created_once_and_its_entries_are_numbered_in_one_order(store: &mut impl Store) {
    assert_eq!((store.log(LOG), store.logs()), (Ok(None), Ok(0)));
    create(store, LOG, Stamp(1));
    create(store, OTHER, Stamp(1));
    let again = NewLog { log: LOG, created: digest(8), posting: digest(1), reading: digest(1), lanes: &[], at: Stamp(1) };
    assert_eq!(store.create_log(&again), Err(StoreError::Failed));
    assert_eq!((head(store), store.logs()), ((1, 0, 0), Ok(2)));
    assert_eq!((1..=3).map(|number| message(store, number, Stamp(2))).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(commit(store, 4, 1, None, Stamp(3)), 4);
    assert_eq!(message(store, 5, Stamp(3)), 5);
    assert_eq!(head(store), (1, 5, 4));
    assert_eq!([1, 5, 6].map(|number| store.entry_number(LOG, frame(number))), [Ok(Some(1)), Ok(Some(5)), Ok(None)]);
    assert_eq!(store.entry_number(OTHER, frame(1)), Ok(None), "an entry is of one log");
    assert_eq!(store.append_entry(&entry(5, &[1], Stamp(4))), Err(StoreError::Failed), "an entry is there once");
    assert_eq!(store.append_entry(&NewEntry { log: LogId([9; 16]), ..entry(6, &[1], Stamp(4)) }), Err(StoreError::Failed));
    assert_eq!(store.commit(), Ok(()));
    assert_eq!(head(store), (1, 5, 4));
}

pub(super) fn entries_are_given_in_pages_with_what_they_are(store: &mut impl Store) {
    create(store, LOG, Stamp(1));
    for number in 1..=6 {
        let bytes = vec![u8::try_from(number).expect("small"); 10];
        let kind = [EntryKind::Message, EntryKind::Control][usize::try_from(number % 2).expect("small")];
        store.append_entry(&NewEntry { kind, ..entry(number, &bytes, Stamp(1)) }).expect("appended");
    }
    commit(store, 7, 5, None, Stamp(1));
    let all = store.entries(LOG, 0, u64::MAX, u32::MAX, usize::MAX).expect("read");
    assert_eq!(
        all.iter().map(|entry| (entry.number, entry.kind)).take(2).collect::<Vec<_>>(),
        [(1, EntryKind::Control), (2, EntryKind::Message)]
    );
    assert_eq!((all.len(), &all[2].bytes[..], all[2].posting), (7, &[3; 10][..], None));
    assert_eq!((all[6].kind, all[6].posting), (EntryKind::Commit, Some(digest(5))));
    assert_eq!(numbers(store, 3, 5), [3, 4, 5]);
    assert_eq!((numbers(store, 5, 3), numbers(store, 8, 20)), (vec![], vec![]));
    let page = |store: &mut dyn Store, count_max, len_max| {
        store.entries(LOG, 2, u64::MAX, count_max, len_max).expect("read").iter().map(|entry| entry.number).collect::<Vec<_>>()
    };
    assert_eq!(page(store, 2, usize::MAX), [2, 3]);
    assert_eq!(page(store, 9, 29), [2, 3], "of three there is no room");
    assert_eq!(page(store, 9, 0), [2], "one is given, however long it is");
    assert_eq!(page(store, 0, 99), Vec::<u64>::new());
    assert_eq!(store.entries(OTHER, 1, 9, 9, 9), Ok(Vec::new()));
}

pub(super) fn newest_posting_keys_are_known_and_since_when_each_is_replaced(store: &mut impl Store) {
    create(store, LOG, Stamp(1));
    let known = |store: &mut dyn Store, key| store.posting_key(LOG, digest(key)).expect("read");
    assert_eq!(known(store, 0), Some(PostingKey { replaced: None }));
    assert_eq!((known(store, 1), store.posting_key(OTHER, digest(0))), (None, Ok(None)));
    for number in 1..=POSTING_KEYS_MAX {
        commit(store, number, number, None, Stamp(10 + number));
    }
    assert_eq!(known(store, 0), None, "it is 16 behind");
    assert_eq!(known(store, 1), Some(PostingKey { replaced: Some(Stamp(12)) }));
    assert_eq!(known(store, POSTING_KEYS_MAX), Some(PostingKey { replaced: None }));
    store.retire_posting_keys(LOG).expect("retired");
    assert_eq!((known(store, POSTING_KEYS_MAX - 1), known(store, POSTING_KEYS_MAX).is_some()), (None, true));
    // One that was there before is the newest again.
    commit(store, 90, 3, None, Stamp(50));
    commit(store, 91, 4, None, Stamp(51));
    commit(store, 92, 3, None, Stamp(52));
    assert_eq!(known(store, 3), Some(PostingKey { replaced: None }));
    assert_eq!(store.retire_posting_keys(OTHER), Err(StoreError::Failed));
}

pub(super) fn reading_key_reads_from_its_gate_to_the_next(store: &mut impl Store) {
    create(store, LOG, Stamp(1));
    let reads = |store: &mut dyn Store, key| store.readable(LOG, digest(key)).expect("read").map(|Readable { first, last }| (first, last));
    assert_eq!((reads(store, 100), reads(store, 101), store.readable(OTHER, digest(100))), (Some((1, None)), None, Ok(None)));
    message(store, 1, Stamp(1));
    commit(store, 2, 1, Some(101), Stamp(1));
    assert_eq!((reads(store, 100), reads(store, 101)), (Some((1, Some(2))), Some((3, None))));
    commit(store, 3, 2, None, Stamp(1));
    commit(store, 4, 3, Some(102), Stamp(1));
    assert_eq!([100, 101, 102].map(|key| reads(store, key)), [Some((1, Some(2))), Some((3, Some(4))), Some((5, None))]);
}

pub(super) fn lanes_are_added_changed_and_removed_and_bounded(store: &mut impl Store) {
    create(store, LOG, Stamp(1));
    let owns = |store: &mut dyn Store, lane| store.log_lane(LOG, digest(lane)).expect("read").map(|lane| lane.owner);
    assert_eq!((owns(store, 200), owns(store, 201), store.log_lane(OTHER, digest(200))), (Some(true), None, Ok(None)));
    let admin = |number| LogLane { owner: false, ..owner(number) };
    store.set_log_lanes(LOG, &[admin(201), admin(202), owner(201)], &[digest(200), digest(202), digest(9)]).expect("set");
    assert_eq!([200, 201, 202].map(|lane| owns(store, lane)), [None, Some(true), Some(false)]);
    let many: Vec<LogLane> = (300..).map(admin).take(LOG_LANES_MAX - 1).collect();
    assert_eq!(store.set_log_lanes(LOG, &many, &[]), Err(StoreError::Full));
    assert_eq!((owns(store, 300), owns(store, 201)), (None, Some(true)), "nothing changed");
    store.set_log_lanes(LOG, &many, &[digest(202)]).expect("room");
    assert_eq!((owns(store, 300), owns(store, 202)), (Some(false), None));
    assert_eq!(store.set_log_lanes(OTHER, &[], &[]), Err(StoreError::Failed));
}

pub(super) fn past_its_bounds_the_oldest_entries_of_a_log_go(store: &mut impl Store) {
    create(store, LOG, Stamp(1));
    commit(store, 1, 1, Some(101), Stamp(1));
    message(store, 2, Stamp(1));
    commit(store, 3, 2, Some(102), Stamp(1));
    for number in 4..=LOG_ENTRIES_MAX + 1 {
        message(store, number, Stamp(1));
    }
    assert_eq!(head(store), (2, LOG_ENTRIES_MAX + 1, 3));
    assert_eq!((store.entry_number(LOG, frame(1)), numbers(store, 0, 3)), (Ok(None), vec![2, 3]));
    // What reads nothing that is left is forgotten.
    assert_eq!(store.readable(LOG, digest(100)), Ok(None));
    assert_eq!(store.readable(LOG, digest(101)), Ok(Some(Readable { first: 2, last: Some(3) })));
    // And by their bytes.
    let large = vec![0; 1 << 20];
    let count = LOG_LEN_MAX >> 20;
    for number in 0..=count {
        store.append_entry(&entry(1_000_000 + number, &large, Stamp(1))).expect("appended");
    }
    let (first, last, _) = head(store);
    assert_eq!(last + 1 - first, count);
    assert_eq!(numbers(store, first, last).len() as u64, count);
}

pub(super) fn clean_removes_entries_past_their_time_and_logs_that_nobody_posts_to(store: &mut impl Store) {
    create(store, LOG, Stamp(1));
    create(store, OTHER, Stamp(1));
    message(store, 1, Stamp(10));
    commit(store, 2, 1, None, Stamp(20));
    message(store, 3, Stamp(30));
    assert_eq!(store.clean(Stamp(20 + RETENTION.0), RETENTION), Ok(1), "what came at the bound stays");
    assert_eq!((head(store), numbers(store, 0, 9)), ((2, 3, 2), vec![2, 3]));
    assert_eq!(store.clean(Stamp(31 + RETENTION.0), RETENTION), Ok(2));
    assert_eq!((head(store), numbers(store, 0, 9)), ((4, 3, 2), vec![]));
    assert_eq!(message(store, 4, Stamp(40)), 4, "numbers go on");
    assert_eq!((store.clean(Stamp(2 + LOG_FOR.0), Duration(u64::MAX)), store.logs()), (Ok(0), Ok(1)));
    assert_eq!((store.log(OTHER), store.posting_key(OTHER, digest(0)), store.readable(OTHER, digest(100))), (Ok(None), Ok(None), Ok(None)));
    assert_eq!((store.clean(Stamp(41 + LOG_FOR.0), Duration(u64::MAX)), store.logs()), (Ok(1), Ok(0)));
    // One of the same id is another log.
    create(store, LOG, Stamp(50));
    assert_eq!((head(store), numbers(store, 0, 9)), ((1, 0, 0), vec![]));
    assert_eq!(store.posting_key(LOG, digest(1)), Ok(None));
}

/// What can be seen of one log.
type SeenLog = (Option<LogHead>, Vec<thicket_types::ports::LogEntry>, Vec<Option<PostingKey>>, Vec<Option<Readable>>, Vec<Option<LogLane>>);

fn seen_logs(store: &mut impl Store) -> Vec<SeenLog> {
    let of = |log: LogId, store: &mut dyn Store| {
        let read = "read";
        (
            store.log(log).expect(read),
            store.entries(log, 0, u64::MAX, u32::MAX, usize::MAX).expect(read),
            (0..20).map(|key| store.posting_key(log, digest(key)).expect(read)).collect(),
            (100..110).map(|key| store.readable(log, digest(key)).expect(read)).collect(),
            (200..204).map(|lane| store.log_lane(log, digest(lane)).expect(read)).collect(),
        )
    };
    [LOG, OTHER].map(|log| of(log, store)).to_vec()
}

pub(super) fn changes_of_logs_are_rolled_back<S: Store>(store: &mut S) {
    create(store, LOG, Stamp(1));
    commit(store, 1, 1, Some(101), Stamp(10));
    message(store, 2, Stamp(20));
    store.commit().expect("durable");
    let changes: [fn(&mut S); 6] = [
        |store| create(store, OTHER, Stamp(1)),
        |store| {
            message(store, 3, Stamp(1));
        },
        |store| {
            commit(store, 4, 2, Some(102), Stamp(1));
        },
        |store| store.set_log_lanes(LOG, &[owner(201)], &[digest(200)]).expect("set"),
        |store| store.retire_posting_keys(LOG).expect("retired"),
        |store| {
            store.clean(Stamp(15 + LOG_FOR.0), RETENTION).expect("cleaned");
        },
    ];
    let before = seen_logs(store);
    for (number, change) in changes.iter().enumerate() {
        change(store);
        assert_ne!(seen_logs(store), before, "change {number} changes nothing");
        store.roll_back().expect("rolled back");
        assert_eq!(seen_logs(store), before, "change {number} was not taken back");
    }
    changes[..5].iter().for_each(|change| change(store));
    store.roll_back().expect("rolled back");
    assert_eq!(seen_logs(store), before);
}

pub(super) fn incarnation_stays_while_the_store_lives(store: &mut impl Store) {
    let before: Incarnation = store.incarnation().expect("read");
    create(store, LOG, Stamp(1));
    store.commit().expect("durable");
    assert_eq!(store.incarnation(), Ok(before));
}
