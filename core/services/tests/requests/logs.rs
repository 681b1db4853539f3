use crate::desk::*;
use crate::sha256;
use thicket_services::{Policy, stamp};
use thicket_types::error::Code;
use thicket_types::limits::{
    LOG_ENTRY_LEN_MAX, LOG_LANES_MAX, LOG_PAGE_ENTRIES_MAX, LOG_PAGE_LEN_MAX, LOG_POST_EVERY, LOG_POSTS_MAX, POSTING_KEY_FOR,
};
use thicket_types::time::Duration;
use thicket_types::wire::relay::answer::Said;
use thicket_types::wire::relay::request::Ask;
use thicket_types::wire::relay::{CreateLog, EntryKind, LogLane, LogPage, Post, ReadLog, Stamp};

const LOG: [u8; 16] = [9; 16];

/// A posting key, a reading key or a lane's secret.
fn key(number: u8) -> Vec<u8> {
    vec![number; 32]
}

fn digest(number: u8) -> Vec<u8> {
    sha256::digest(&key(number)).to_vec()
}

fn lane(number: u8, owner: bool) -> LogLane {
    LogLane { lane: digest(number), owner }
}

/// A log whose posting key is 1, whose reading key is 101, and whose lanes are 201, an owner's, and 202.
fn create() -> CreateLog {
    let lanes = vec![lane(201, true), lane(202, false)];
    CreateLog { log: LOG.to_vec(), posting: digest(1), reading: digest(101), lanes, stamp: None }
}

/// A desk with that log.
fn desk() -> Desk {
    let mut desk = Desk::new();
    assert!(matches!(desk.said(LANE, Ask::CreateLog(create())), Said::LogCreated(_)));
    desk
}

/// A message of a member who has posting key 1.
fn message(entry: &[u8]) -> Post {
    Post {
        log: LOG.to_vec(),
        incarnation: vec![0; 16],
        key: key(1),
        kind: EntryKind::Message.into(),
        entry: entry.to_vec(),
        ..Post::default()
    }
}

fn control(entry: &[u8]) -> Post {
    Post { kind: EntryKind::Control.into(), ..message(entry) }
}

/// A commit that registers a posting key.
fn commit(entry: &[u8], after: u64, posting: u8) -> Post {
    Post { kind: EntryKind::Commit.into(), after, posting: digest(posting), ..message(entry) }
}

fn on_lane(number: u8, post: Post) -> Post {
    Post { key: key(number), ..post }
}

fn posted(desk: &mut Desk, post: Post) -> u64 {
    match desk.said(OTHER_LANE, Ask::Post(post)) {
        Said::Posted(posted) => posted.number,
        other => panic!("{other:?}"),
    }
}

fn page(said: Said) -> LogPage {
    match said {
        Said::LogPage(page) => page,
        other => panic!("{other:?}"),
    }
}

fn read(number: u8, from: u64) -> Ask {
    Ask::ReadLog(ReadLog { log: LOG.to_vec(), key: key(number), from, entries_max: 64 })
}

fn numbers(page: &LogPage) -> Vec<u64> {
    page.entries.iter().map(|entry| entry.number).collect()
}

#[test]
fn a_log_is_created_once_for_a_stamp_and_again_for_none() {
    let mut desk = Desk::with(Policy { stamp_bits: 8, logs_max: 2, ..Policy::default() });
    let ask = create();
    let bits = bits(desk.said(LANE, Ask::CreateLog(ask.clone())));
    let purpose = stamp::log_purpose(&Transparent, &ask);
    let hour = stamp::hour(desk.now);
    let stamps = (0..).map(|counter| Stamp { hour, counter });
    let paid = stamps.into_iter().find(|tried| stamp::zero_bits(&stamp::digest(&Transparent, RELAY, purpose, tried)) >= bits);
    let stamped = |ask: &CreateLog| Ask::CreateLog(CreateLog { stamp: paid, ..ask.clone() });
    let other = CreateLog { posting: digest(2), ..ask.clone() };
    assert_eq!(desk.code(LANE, stamped(&other)), Code::StampNeeded, "a stamp is for one log");
    assert!(matches!(desk.said(LANE, stamped(&ask)), Said::LogCreated(_)));
    assert!(matches!(desk.said(OTHER_LANE, Ask::CreateLog(ask.clone())), Said::LogCreated(_)), "the same again");
    assert_eq!(desk.code(LANE, Ask::CreateLog(other)), Code::LogTaken);
    // What is none.
    for bad in [
        CreateLog { log: vec![1; 15], ..ask.clone() },
        CreateLog { posting: vec![], ..ask.clone() },
        CreateLog { reading: vec![1; 31], ..ask.clone() },
        CreateLog { lanes: vec![], ..ask.clone() },
        CreateLog { lanes: vec![lane(1, false)], ..ask.clone() },
        CreateLog { lanes: vec![LogLane { lane: vec![1], owner: true }], ..ask.clone() },
    ] {
        assert_eq!(desk.code(LANE, Ask::CreateLog(bad.clone())), Code::MalformedRequest, "{bad:?}");
    }
    let many = CreateLog { lanes: vec![lane(1, true); LOG_LANES_MAX + 1], ..ask };
    assert_eq!(desk.code(LANE, Ask::CreateLog(many)), Code::TooLarge);
}

#[test]
fn a_relay_has_so_many_logs() {
    let mut desk = Desk::with(Policy { stamp_bits: 0, logs_max: 1, ..Policy::default() });
    assert!(matches!(desk.said(LANE, Ask::CreateLog(create())), Said::LogCreated(_)));
    assert_eq!(desk.code(LANE, Ask::CreateLog(CreateLog { log: vec![8; 16], ..create() })), Code::RelayBusy);
    assert!(matches!(desk.said(LANE, Ask::CreateLog(create())), Said::LogCreated(_)), "the one that is there is there");
}

#[test]
fn entries_are_appended_once_in_one_order_and_read_in_it() {
    let mut desk = desk();
    assert_eq!([b"a", b"b"].map(|entry| posted(&mut desk, message(entry))), [1, 2]);
    assert_eq!(posted(&mut desk, message(b"a")), 1, "it is there");
    assert_eq!(posted(&mut desk, commit(b"c", 0, 2)), 3);
    assert_eq!(posted(&mut desk, message(b"b")), 2, "though it is stale by now");
    let page = page(desk.said(LANE, read(101, 0)));
    assert_eq!((page.first, page.last, page.commit, page.readable_upto), (1, 3, 3, 0));
    let entries: Vec<(&[u8], EntryKind)> = page.entries.iter().map(|entry| (entry.entry.as_slice(), entry.kind())).collect();
    assert_eq!(entries, [(&b"a"[..], EntryKind::Message), (b"b", EntryKind::Message), (b"c", EntryKind::Commit)]);
    assert_eq!((page.entries[2].posting.clone(), page.entries[0].posting.is_empty()), (digest(2), true));
    assert_eq!(numbers(&self::page(desk.said(LANE, read(101, 3)))), [3]);
    assert_eq!(numbers(&self::page(desk.said(LANE, read(101, 4)))), Vec::<u64>::new());
}

#[test]
fn a_page_is_of_so_many_entries_and_so_many_bytes() {
    let mut desk = desk();
    for number in 0..=LOG_PAGE_ENTRIES_MAX {
        posted(&mut desk, message(&number.to_be_bytes()));
    }
    let first = page(desk.said(LANE, Ask::ReadLog(ReadLog { log: LOG.to_vec(), key: key(101), from: 0, entries_max: u32::MAX })));
    assert_eq!(numbers(&first).len(), 64);
    for byte in 0..3 {
        posted(&mut desk, message(&vec![byte; LOG_PAGE_LEN_MAX / 2]));
    }
    assert_eq!(numbers(&page(desk.said(LANE, read(101, 66)))), [66, 67]);
    assert_eq!(posted(&mut desk, message(&vec![9; LOG_ENTRY_LEN_MAX])), 69);
    assert_eq!(numbers(&page(desk.said(LANE, read(101, 69)))), [69], "one, however long");
}

#[test]
fn who_does_not_know_the_last_commit_is_told_what_is_new_and_nothing_is_appended() {
    let mut desk = desk();
    posted(&mut desk, message(b"a"));
    posted(&mut desk, commit(b"b", 0, 2));
    posted(&mut desk, on_lane(201, Post { after: 2, ..message(b"c") }));
    for stale in [message(b"d"), commit(b"d", 0, 3), Post { after: 1, ..message(b"d") }, Post { after: 3, ..message(b"d") }] {
        let told = page(desk.said(OTHER_LANE, Ask::Post(Post { reads_with: key(101), ..stale.clone() })));
        assert_eq!((told.last, told.commit), (3, 2));
        assert_eq!(numbers(&told), (stale.after + 1..=3).collect::<Vec<_>>());
        let told = page(desk.said(OTHER_LANE, Ask::Post(stale)));
        assert_eq!((told.last, told.commit, told.entries.len()), (3, 2, 0), "who shows no reading key reads nothing");
    }
    // A control message is never stale, and what knows the commit is not.
    assert_eq!(posted(&mut desk, control(b"d")), 4);
    assert_eq!(posted(&mut desk, Post { after: 2, ..message(b"e") }), 5);
    // Who knows another life of the relay knows nothing of this one.
    let other_life = Post { incarnation: vec![1; 16], reads_with: key(101), ..control(b"f") };
    assert_eq!(page(desk.said(OTHER_LANE, Ask::Post(other_life))).incarnation, [0; 16]);
    assert_eq!(page(desk.said(LANE, read(101, 0))).last, 5);
}

#[test]
fn who_shows_none_of_the_newest_posting_keys_posts_nothing() {
    let mut desk = desk();
    assert_eq!(desk.code(LANE, Ask::Post(on_lane(2, message(b"a")))), Code::NoRightToPost);
    assert_eq!(desk.code(LANE, Ask::Post(Post { key: vec![1; 31], ..message(b"a") })), Code::MalformedRequest);
    posted(&mut desk, commit(b"a", 0, 2));
    assert_eq!(posted(&mut desk, Post { after: 1, ..message(b"b") }), 2, "the one before is good for a day");
    desk.now = desk.now.after(POSTING_KEY_FOR);
    assert_eq!(posted(&mut desk, Post { after: 1, ..message(b"c") }), 3);
    desk.now = desk.now.after(Duration(1));
    assert_eq!(desk.code(LANE, Ask::Post(Post { after: 1, ..message(b"d") })), Code::NoRightToPost);
    assert_eq!(desk.code(LANE, Ask::Post(message(b"a"))), Code::NoRightToPost, "nor is anything told of what is there");
    // The newest is good for ever.
    desk.now = desk.now.after(Duration::days(400));
    assert_eq!(posted(&mut desk, on_lane(2, Post { after: 1, ..message(b"d") })), 4);
    // Sixteen commits later it is not, whenever they came.
    for number in 0..16_u8 {
        let last = 1 + if number == 0 { 0 } else { u64::from(number) + 3 };
        posted(&mut desk, on_lane(2 + number, commit(&[number; 9], last, 3 + number)));
    }
    assert_eq!(desk.code(LANE, Ask::Post(on_lane(2, control(b"e")))), Code::NoRightToPost);
    assert_eq!(posted(&mut desk, on_lane(3, control(b"e"))), 21);
}

#[test]
fn an_admins_lane_posts_always_retires_keys_and_gates_what_is_read() {
    let mut desk = desk();
    posted(&mut desk, commit(b"a", 0, 2));
    // What only a lane may.
    let gate = Post { reading: digest(102), ..commit(b"b", 1, 3) };
    for forbidden in [gate.clone(), Post { retires: true, ..control(b"b") }] {
        assert_eq!(desk.code(LANE, Ask::Post(forbidden)), Code::NoRightToPost);
    }
    assert_eq!(posted(&mut desk, on_lane(202, Post { retires: true, ..gate })), 2);
    for retired in [1, 2] {
        assert_eq!(desk.code(LANE, Ask::Post(on_lane(retired, control(b"c")))), Code::NoRightToPost);
    }
    assert_eq!(posted(&mut desk, on_lane(3, control(b"c"))), 3);
    // Who had the first reading key reads up to the gate, and is told that it ends there.
    let before = page(desk.said(LANE, read(101, 0)));
    assert_eq!((numbers(&before), before.readable_upto, before.last), (vec![1, 2], 2, 3));
    let after = page(desk.said(LANE, read(102, 0)));
    assert_eq!((numbers(&after), after.readable_upto), (vec![3], 0));
    assert_eq!(desk.code(LANE, read(103, 0)), Code::NoRightToRead);
    let posting_key = ReadLog { log: LOG.to_vec(), key: key(3), from: 0, entries_max: 1 };
    assert_eq!(desk.code(LANE, Ask::ReadLog(posting_key)), Code::NoRightToRead, "who may post may not read by that");
}

#[test]
fn an_owners_lane_adds_lanes_and_removes_them_and_an_admins_does_not() {
    let mut desk = desk();
    let add = |post: Post| Post { add: vec![lane(203, false)], ..post };
    let remove = |post: Post| Post { remove: vec![digest(202)], ..post };
    for forbidden in [add(control(b"a")), remove(control(b"a")), on_lane(202, add(control(b"a"))), on_lane(202, remove(control(b"a")))] {
        assert_eq!(desk.code(LANE, Ask::Post(forbidden)), Code::NoRightToPost);
    }
    assert_eq!(posted(&mut desk, on_lane(201, remove(add(control(b"a"))))), 1);
    assert_eq!(desk.code(LANE, Ask::Post(on_lane(202, control(b"b")))), Code::NoRightToPost);
    assert_eq!(posted(&mut desk, on_lane(203, control(b"b"))), 2);
}

#[test]
fn members_who_post_too_much_keep_no_admin_from_posting() {
    let mut desk = desk();
    for number in 0..LOG_POSTS_MAX {
        posted(&mut desk, message(&number.to_be_bytes()));
    }
    assert_eq!(desk.code(LANE, Ask::Post(message(b"more"))), Code::RelayBusy);
    assert_eq!(posted(&mut desk, on_lane(202, control(b"order"))), LOG_POSTS_MAX + 1);
    desk.now = desk.now.after(LOG_POST_EVERY);
    assert_eq!(posted(&mut desk, message(b"more")), LOG_POSTS_MAX + 2);
}

#[test]
fn a_post_has_the_fields_of_its_kind() {
    let mut desk = desk();
    for bad in [
        Post { log: vec![1; 3], ..message(b"a") },
        Post { kind: EntryKind::Unspecified.into(), ..message(b"a") },
        Post { kind: 9, ..message(b"a") },
        Post { posting: digest(2), ..message(b"a") },
        Post { reading: digest(2), ..control(b"a") },
        Post { posting: vec![], ..commit(b"a", 0, 2) },
        Post { posting: vec![1; 31], ..commit(b"a", 0, 2) },
        on_lane(202, Post { reading: vec![1; 31], ..commit(b"a", 0, 2) }),
        on_lane(201, Post { add: vec![LogLane { lane: vec![1], owner: false }], ..control(b"a") }),
        on_lane(201, Post { remove: vec![vec![1]], ..control(b"a") }),
    ] {
        assert_eq!(desk.code(LANE, Ask::Post(bad.clone())), Code::MalformedRequest, "{bad:?}");
    }
    assert_eq!(desk.code(LANE, Ask::Post(Post { log: vec![1; 16], ..message(b"a") })), Code::UnknownLog);
    assert_eq!(desk.code(LANE, Ask::ReadLog(ReadLog { log: vec![1; 16], ..ReadLog::default() })), Code::UnknownLog);
    assert_eq!(desk.code(LANE, Ask::Post(message(&vec![0; LOG_ENTRY_LEN_MAX + 1]))), Code::TooLarge);
    assert_eq!(page(desk.said(LANE, read(101, 0))).last, 0, "nothing was appended");
}
