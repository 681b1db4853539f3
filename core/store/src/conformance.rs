//! What every store does, run against each of them.

use crate::{MemoryStore, SqliteStore};
use std::path::Path;
use thicket_types::ids::{Fingerprint, FrameId, LaneTag, MailboxId};
use thicket_types::limits::{CHALLENGES_MAX, LANES_MAX, MAILBOX_ITEMS_MAX, RELAY_ANSWERS_FOR, RELAY_ANSWERS_MAX, RETENTION};
use thicket_types::name::{Name, NameKey};
use thicket_types::ports::{Account, OpenChallenge, PutOutcome, Store, StoreError};
use thicket_types::time::{Duration, Stamp};

macro_rules! conformance {
    ($($case:ident,)*) => {
        mod memory {
            $(#[test]
            fn $case() {
                super::$case(&mut super::MemoryStore::new());
            })*
        }

        mod sqlite {
            $(#[test]
            fn $case() {
                let folder = tempfile::tempdir().expect("a folder");
                super::$case(&mut super::open(&folder.path().join("relay.db")));
            })*
        }
    };
}

conformance! {
    account_is_found_by_its_key,
    account_put_again_keeps_all_but_its_mailbox_key,
    account_is_neither_taken_over_nor_given_a_mailbox_that_another_has,
    challenge_is_taken_once,
    challenges_are_bounded_and_end,
    lane_has_one_name_and_name_has_one_lane,
    lanes_are_bounded,
    key_packages_go_oldest_first_and_the_last_resort_stays,
    key_packages_need_an_account,
    item_is_stored_once_in_each_mailbox,
    full_mailbox_takes_an_item_when_one_is_removed,
    removed_item_stays_known,
    items_are_ordered_and_bounded_and_places_grow,
    place_that_was_never_given_is_no_error,
    roll_back_takes_back_each_kind_of_change,
    roll_back_takes_back_a_mix_and_not_what_is_committed,
    roll_back_takes_back_challenges_and_the_order_of_key_packages,
    no_two_items_share_a_place_after_a_roll_back,
    clean_removes_what_is_past_its_time_and_nothing_else,
    clean_can_be_rolled_back_and_takes_nothing_else_for_committed,
    answers_are_remembered_by_lane_and_frame,
    answers_are_bounded_and_end,
    commit_and_roll_back_of_nothing_do_nothing,
}

pub(crate) fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path).expect("a store")
}

pub(crate) fn name(text: &str) -> NameKey {
    Name::parse(text).expect("a name").key()
}

/// An account whose every field but its name is made of one number.
pub(crate) fn account(text: &str, number: u8) -> Account {
    Account {
        name: text.to_owned(),
        fingerprint: Fingerprint([number; 20]),
        certificate: vec![number; 700],
        mailbox: mailbox(number),
        mailbox_key_statement: vec![number, 1],
        mailbox_key_signature: vec![number, 2],
    }
}

pub(crate) fn mailbox(number: u8) -> MailboxId {
    MailboxId([number; 16])
}

pub(crate) fn tag(number: u64) -> LaneTag {
    let mut tag = [0; 16];
    tag[..8].copy_from_slice(&number.to_be_bytes());
    LaneTag(tag)
}

pub(crate) fn frame(number: u64) -> FrameId {
    let mut frame = [0; 32];
    frame[..8].copy_from_slice(&number.to_be_bytes());
    FrameId(frame)
}

fn challenge(text: &str, until: Stamp) -> OpenChallenge {
    OpenChallenge { name: name(text), tag: tag(1), until }
}

/// Puts an item whose bytes tell its number, and gives its place.
pub(crate) fn put(store: &mut impl Store, to: u8, number: u64, at: Stamp) -> u64 {
    match store.put_item(mailbox(to), frame(number), &number.to_be_bytes(), at) {
        Ok(PutOutcome::Stored(place)) => place,
        other => panic!("{other:?}"),
    }
}

/// Puts the accounts Alice (1) and bob (2), and commits.
pub(crate) fn two_accounts(store: &mut impl Store) {
    store.put_account(&name("alice"), &account("Alice", 1)).expect("kept");
    store.put_account(&name("bob"), &account("bob", 2)).expect("kept");
    store.commit().expect("durable");
}

/// Items by place, and how many there are.
type SeenMailbox = (Vec<(u64, Vec<u8>)>, u64);

/// All that can be seen of a small store without changing it.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    pub(crate) directory: Vec<(Option<Account>, (u32, bool))>,
    pub(crate) mailboxes: Vec<SeenMailbox>,
    lanes: Vec<Option<NameKey>>,
    lanes_of: Vec<Option<LaneTag>>,
    answers: Vec<Option<Vec<u8>>>,
}

pub(crate) fn seen(store: &mut impl Store) -> Seen {
    let names = [name("alice"), name("bob"), name("carol")];
    Seen {
        directory: names.iter().map(|name| (store.account(name).expect("read"), store.key_packages(name).expect("read"))).collect(),
        mailboxes: (0..5)
            .map(|number| (store.items(mailbox(number), 1_000).expect("read"), store.count(mailbox(number)).expect("read")))
            .collect(),
        lanes: (0..5).map(|number| store.lane(tag(number)).expect("read")).collect(),
        lanes_of: (0..5).map(|number| store.lane_of(mailbox(number)).expect("read")).collect(),
        answers: (0..5).map(|number| store.answer(tag(number), frame(number)).expect("read")).collect(),
    }
}

fn account_is_found_by_its_key(store: &mut impl Store) {
    assert_eq!(store.account(&name("alice")), Ok(None));
    store.put_account(&name("ALICE"), &account("Alice", 1)).expect("kept");
    assert_eq!(store.account(&name("aLiCe")), Ok(Some(account("Alice", 1))));
    assert_eq!(store.account(&name("alice_")), Ok(None));
    assert_eq!(store.count(mailbox(1)), Ok(0));
}

fn account_put_again_keeps_all_but_its_mailbox_key(store: &mut impl Store) {
    two_accounts(store);
    store.bind_lane(tag(1), &name("alice")).expect("bound");
    store.add_key_packages(&name("alice"), &[vec![1], vec![2]], Some(&[3])).expect("added");
    let place = put(store, 1, 7, Stamp(0));
    let again = Account {
        name: "ALICE".to_owned(),
        certificate: vec![9],
        mailbox: mailbox(3),
        mailbox_key_statement: vec![9, 1],
        mailbox_key_signature: vec![9, 2],
        ..account("Alice", 1)
    };
    store.put_account(&name("alice"), &again).expect("kept");
    let kept = Account { mailbox_key_statement: vec![9, 1], mailbox_key_signature: vec![9, 2], ..account("Alice", 1) };
    assert_eq!(store.account(&name("alice")), Ok(Some(kept)));
    assert_eq!(store.account(&name("bob")), Ok(Some(account("bob", 2))));
    assert_eq!(store.key_packages(&name("alice")), Ok((2, true)));
    assert_eq!(store.items(mailbox(1), 10), Ok(vec![(place, 7_u64.to_be_bytes().to_vec())]));
    assert_eq!(store.lane_of(mailbox(1)), Ok(Some(tag(1))));
    assert_eq!(store.put_item(mailbox(3), frame(8), &[8], Stamp(0)), Ok(PutOutcome::Unknown));
}

fn account_is_neither_taken_over_nor_given_a_mailbox_that_another_has(store: &mut impl Store) {
    two_accounts(store);
    assert_eq!(store.put_account(&name("alice"), &account("Alice", 3)), Err(StoreError::Failed));
    assert_eq!(store.put_account(&name("carol"), &account("carol", 2)), Err(StoreError::Failed));
    assert_eq!(store.account(&name("alice")), Ok(Some(account("Alice", 1))));
    assert_eq!(store.account(&name("carol")), Ok(None));
    // A refusal spoils nothing.
    put(store, 1, 1, Stamp(0));
    assert_eq!(store.put_account(&name("alice"), &account("Alice", 3)), Err(StoreError::Failed));
    assert_eq!(store.commit(), Ok(()));
    assert_eq!(store.count(mailbox(1)), Ok(1));
}

fn challenge_is_taken_once(store: &mut impl Store) {
    store.put_challenge([1; 32], &challenge("alice", Stamp(5))).expect("kept");
    store.put_challenge([2; 32], &challenge("bob", Stamp(6))).expect("kept");
    assert_eq!(store.take_challenge([1; 32]), Ok(Some(challenge("alice", Stamp(5)))));
    assert_eq!(store.take_challenge([1; 32]), Ok(None));
    assert_eq!(store.take_challenge([3; 32]), Ok(None));
    assert_eq!(store.take_challenge([2; 32]), Ok(Some(challenge("bob", Stamp(6)))));
}

fn challenges_are_bounded_and_end(store: &mut impl Store) {
    let nonce = |number: usize| {
        let mut nonce = [0; 32];
        nonce[..8].copy_from_slice(&u64::try_from(number).expect("small").to_be_bytes());
        nonce
    };
    for number in 0..CHALLENGES_MAX {
        let until = if number == 0 { Stamp(10) } else { Stamp(11) };
        store.put_challenge(nonce(number), &challenge("alice", until)).expect("kept");
    }
    let one_more = challenge("alice", Stamp(20));
    assert_eq!(store.put_challenge(nonce(CHALLENGES_MAX), &one_more), Err(StoreError::Full));
    // The last moment of a challenge is still within it.
    store.clean(Stamp(10)).expect("cleaned");
    assert_eq!(store.put_challenge(nonce(CHALLENGES_MAX), &one_more), Err(StoreError::Full));
    store.clean(Stamp(11)).expect("cleaned");
    assert_eq!(store.take_challenge(nonce(0)), Ok(None));
    assert_eq!(store.take_challenge(nonce(1)), Ok(Some(challenge("alice", Stamp(11)))));
    assert_eq!(store.put_challenge(nonce(CHALLENGES_MAX), &one_more), Ok(()));
}

fn lane_has_one_name_and_name_has_one_lane(store: &mut impl Store) {
    two_accounts(store);
    let (alice, bob) = (name("alice"), name("bob"));
    assert_eq!(store.lane_of(mailbox(1)), Ok(None));
    store.bind_lane(tag(1), &alice).expect("bound");
    store.bind_lane(tag(2), &bob).expect("bound");
    // The same again changes nothing.
    store.bind_lane(tag(1), &alice).expect("bound");
    assert_eq!((store.lane(tag(1)), store.lane(tag(2))), (Ok(Some(alice.clone())), Ok(Some(bob.clone()))));
    assert_eq!((store.lane_of(mailbox(1)), store.lane_of(mailbox(2))), (Ok(Some(tag(1))), Ok(Some(tag(2)))));
    // A name on a further lane leaves its earlier one.
    store.bind_lane(tag(3), &alice).expect("bound");
    assert_eq!((store.lane(tag(1)), store.lane(tag(3))), (Ok(None), Ok(Some(alice.clone()))));
    assert_eq!(store.lane_of(mailbox(1)), Ok(Some(tag(3))));
    // A name on another's lane puts that one out, and leaves its own.
    store.bind_lane(tag(2), &alice).expect("bound");
    assert_eq!((store.lane(tag(2)), store.lane(tag(3))), (Ok(Some(alice)), Ok(None)));
    assert_eq!((store.lane_of(mailbox(1)), store.lane_of(mailbox(2))), (Ok(Some(tag(2))), Ok(None)));
    store.bind_lane(tag(3), &bob).expect("bound");
    assert_eq!((store.lane_of(mailbox(1)), store.lane_of(mailbox(2))), (Ok(Some(tag(2))), Ok(Some(tag(3)))));
    assert_eq!(store.lane_of(mailbox(3)), Ok(None));
}

fn lanes_are_bounded(store: &mut impl Store) {
    let lanes = u64::try_from(LANES_MAX).expect("small");
    for number in 0..lanes {
        store.bind_lane(tag(number), &name(&format!("n{number}"))).expect("bound");
    }
    assert_eq!(store.bind_lane(tag(lanes), &name("alice")), Err(StoreError::Full));
    // A name that is logged in moves to a new lane; a lane takes a new name.
    assert_eq!(store.bind_lane(tag(lanes), &name("n0")), Ok(()));
    assert_eq!(store.bind_lane(tag(lanes), &name("alice")), Ok(()));
    assert_eq!(store.lane(tag(lanes)), Ok(Some(name("alice"))));
    assert_eq!(store.lane(tag(0)), Ok(None));
}

fn key_packages_go_oldest_first_and_the_last_resort_stays(store: &mut impl Store) {
    two_accounts(store);
    let (alice, bob) = (name("alice"), name("bob"));
    assert_eq!(store.key_packages(&alice), Ok((0, false)));
    assert_eq!(store.take_key_package(&alice), Ok(None));
    store.add_key_packages(&alice, &[vec![1], vec![2]], Some(&[9])).expect("added");
    store.add_key_packages(&bob, &[vec![7]], None).expect("added");
    store.add_key_packages(&alice, &[vec![3]], None).expect("added");
    assert_eq!(store.key_packages(&alice), Ok((3, true)));
    assert_eq!(store.key_packages(&bob), Ok((1, false)));
    for package in [1, 2, 3] {
        assert_eq!(store.take_key_package(&alice), Ok(Some((vec![package], false))));
    }
    for _ in 0..2 {
        assert_eq!(store.key_packages(&alice), Ok((0, true)));
        assert_eq!(store.take_key_package(&alice), Ok(Some((vec![9], true))));
    }
    store.add_key_packages(&alice, &[], Some(&[10])).expect("added");
    assert_eq!(store.take_key_package(&alice), Ok(Some((vec![10], true))));
    store.add_key_packages(&alice, &[vec![4]], None).expect("added");
    assert_eq!(store.take_key_package(&alice), Ok(Some((vec![4], false))));
    assert_eq!(store.take_key_package(&alice), Ok(Some((vec![10], true))));
    assert_eq!(store.take_key_package(&bob), Ok(Some((vec![7], false))));
    assert_eq!(store.take_key_package(&bob), Ok(None));
}

fn key_packages_need_an_account(store: &mut impl Store) {
    two_accounts(store);
    let carol = name("carol");
    assert_eq!(store.add_key_packages(&carol, &[vec![1]], Some(&[2])), Err(StoreError::Failed));
    assert_eq!(store.key_packages(&carol), Ok((0, false)));
    assert_eq!(store.take_key_package(&carol), Ok(None));
}

fn item_is_stored_once_in_each_mailbox(store: &mut impl Store) {
    two_accounts(store);
    assert!(matches!(store.put_item(mailbox(1), frame(1), &[1], Stamp(0)), Ok(PutOutcome::Stored(_))));
    assert_eq!(store.put_item(mailbox(1), frame(1), &[1], Stamp(1)), Ok(PutOutcome::Repeated));
    assert!(matches!(store.put_item(mailbox(2), frame(1), &[1], Stamp(0)), Ok(PutOutcome::Stored(_))));
    assert_eq!(store.put_item(mailbox(3), frame(1), &[1], Stamp(0)), Ok(PutOutcome::Unknown));
    assert_eq!((store.count(mailbox(1)), store.count(mailbox(2)), store.count(mailbox(3))), (Ok(1), Ok(1), Ok(0)));
}

fn full_mailbox_takes_an_item_when_one_is_removed(store: &mut impl Store) {
    two_accounts(store);
    let first = put(store, 1, 0, Stamp(0));
    for number in 1..MAILBOX_ITEMS_MAX {
        put(store, 1, number, Stamp(0));
    }
    assert_eq!(store.count(mailbox(1)), Ok(MAILBOX_ITEMS_MAX));
    assert_eq!(store.put_item(mailbox(1), frame(MAILBOX_ITEMS_MAX), &[1], Stamp(0)), Ok(PutOutcome::Full));
    assert_eq!(store.put_item(mailbox(1), frame(5), &[5], Stamp(0)), Ok(PutOutcome::Repeated));
    put(store, 2, 0, Stamp(0));
    store.remove_items(mailbox(1), &[first, first]).expect("removed");
    assert_eq!(store.count(mailbox(1)), Ok(MAILBOX_ITEMS_MAX - 1));
    put(store, 1, MAILBOX_ITEMS_MAX, Stamp(0));
    assert_eq!(store.put_item(mailbox(1), frame(MAILBOX_ITEMS_MAX + 1), &[1], Stamp(0)), Ok(PutOutcome::Full));
}

fn removed_item_stays_known(store: &mut impl Store) {
    two_accounts(store);
    let place = put(store, 1, 1, Stamp(0));
    store.commit().expect("durable");
    store.remove_items(mailbox(1), &[place]).expect("removed");
    assert_eq!(store.items(mailbox(1), 10), Ok(Vec::new()));
    store.commit().expect("durable");
    assert_eq!(store.put_item(mailbox(1), frame(1), &[1], Stamp(9)), Ok(PutOutcome::Repeated));
    // It is known for the retention, counted from when it came.
    store.clean(Stamp(RETENTION.0)).expect("cleaned");
    assert_eq!(store.put_item(mailbox(1), frame(1), &[1], Stamp(9)), Ok(PutOutcome::Repeated));
    assert_eq!(store.clean(Stamp(RETENTION.0 + 1)), Ok(0));
    put(store, 1, 1, Stamp(RETENTION.0 + 1));
}

fn items_are_ordered_and_bounded_and_places_grow(store: &mut impl Store) {
    two_accounts(store);
    // FrameIds that fall, so that no order but that of the places is right.
    let places: Vec<u64> = (0..6).map(|number| put(store, 1, 100 - number, Stamp(7 - number))).collect();
    put(store, 2, 1, Stamp(0));
    assert!(places.is_sorted_by(|a, b| a < b), "{places:?}");
    let items: Vec<(u64, Vec<u8>)> =
        places.iter().zip(0_u64..).map(|(place, number)| (*place, (100 - number).to_be_bytes().to_vec())).collect();
    assert_eq!(store.items(mailbox(1), 100), Ok(items.clone()));
    assert_eq!(store.items(mailbox(1), 4), Ok(items[..4].to_vec()));
    assert_eq!(store.items(mailbox(1), 0), Ok(Vec::new()));
    assert_eq!(store.items(mailbox(3), 100), Ok(Vec::new()));
    store.remove_items(mailbox(1), &[places[5], places[0]]).expect("removed");
    assert_eq!(store.items(mailbox(1), 100), Ok(items[1..5].to_vec()));
    assert_eq!(store.items(mailbox(1), 1), Ok(items[1..2].to_vec()));
    store.commit().expect("durable");
    assert!(put(store, 1, 200, Stamp(0)) > places[5]);
    assert_eq!(store.count(mailbox(1)), Ok(5));
}

fn place_that_was_never_given_is_no_error(store: &mut impl Store) {
    two_accounts(store);
    let place = put(store, 1, 1, Stamp(0));
    store.remove_items(mailbox(1), &[0, place + 1, u64::MAX]).expect("nothing removed");
    store.remove_items(mailbox(2), &[place]).expect("nothing removed");
    store.remove_items(mailbox(3), &[place]).expect("nothing removed");
    store.remove_items(mailbox(1), &[]).expect("nothing removed");
    assert_eq!(store.count(mailbox(1)), Ok(1));
    assert_eq!(store.commit(), Ok(()));
}

/// A store in which there is something of each kind, committed.
pub(crate) fn filled(store: &mut impl Store) {
    two_accounts(store);
    for number in 1..=3 {
        put(store, 1, number, Stamp(number));
    }
    put(store, 2, 1, Stamp(1));
    store.add_key_packages(&name("alice"), &[vec![1], vec![2]], Some(&[9])).expect("added");
    store.bind_lane(tag(1), &name("alice")).expect("bound");
    store.bind_lane(tag(2), &name("bob")).expect("bound");
    store.remember_answer(tag(1), frame(1), &[1], Stamp(1)).expect("remembered");
    store.commit().expect("durable");
}

fn roll_back_takes_back_each_kind_of_change<S: Store>(store: &mut S) {
    filled(store);
    let changes: [fn(&mut S); 13] = [
        |store| store.put_account(&name("carol"), &account("carol", 3)).expect("kept"),
        |store| {
            let again = Account { mailbox_key_statement: vec![5], ..account("Alice", 1) };
            store.put_account(&name("alice"), &again).expect("kept");
        },
        |store| store.bind_lane(tag(3), &name("alice")).expect("bound"),
        |store| store.bind_lane(tag(2), &name("alice")).expect("bound"),
        |store| store.add_key_packages(&name("alice"), &[vec![3]], None).expect("added"),
        |store| store.add_key_packages(&name("bob"), &[], Some(&[8])).expect("added"),
        |store| assert_eq!(store.take_key_package(&name("alice")), Ok(Some((vec![1], false)))),
        |store| {
            put(store, 1, 9, Stamp(9));
        },
        |store| store.remove_items(mailbox(1), &[1, 2, 3]).expect("removed"),
        |store| store.remember_answer(tag(2), frame(2), &[2], Stamp(1)).expect("remembered"),
        |store| store.remember_answer(tag(1), frame(1), &[3], Stamp(1)).expect("remembered"),
        |store| {
            store.clean(Stamp(RETENTION.0 + 3)).expect("cleaned");
        },
        |store| {
            store.clean(Stamp(RELAY_ANSWERS_FOR.0 + 2)).expect("cleaned");
        },
    ];
    let before = seen(store);
    for (number, change) in changes.iter().enumerate() {
        change(store);
        assert_ne!(seen(store), before, "change {number} changes nothing");
        store.roll_back().expect("rolled back");
        assert_eq!(seen(store), before, "change {number} was not taken back");
        store.commit().expect("nothing to do");
        assert_eq!(seen(store), before, "change {number} came again");
    }
    for change in &changes {
        change(store);
    }
    store.roll_back().expect("rolled back");
    assert_eq!(seen(store), before);
    // A FrameId that was taken back is new; one that was committed is known.
    put(store, 1, 9, Stamp(9));
    assert_eq!(store.put_item(mailbox(1), frame(1), &[1], Stamp(9)), Ok(PutOutcome::Repeated));
}

fn roll_back_takes_back_a_mix_and_not_what_is_committed(store: &mut impl Store) {
    filled(store);
    let place = put(store, 1, 10, Stamp(0));
    store.remove_items(mailbox(1), &[1]).expect("removed");
    store.commit().expect("durable");
    let before = seen(store);
    // The same things several times over: only the right order leads back.
    store.remove_items(mailbox(1), &[place, 2]).expect("removed");
    put(store, 1, 11, Stamp(0));
    store.put_account(&name("alice"), &Account { mailbox_key_statement: vec![5], ..account("Alice", 1) }).expect("kept");
    store.remove_items(mailbox(1), &[place + 1]).expect("removed");
    store.put_account(&name("carol"), &account("carol", 3)).expect("kept");
    put(store, 3, 1, Stamp(0));
    store.bind_lane(tag(3), &name("carol")).expect("bound");
    store.bind_lane(tag(1), &name("carol")).expect("bound");
    store.bind_lane(tag(2), &name("alice")).expect("bound");
    store.bind_lane(tag(3), &name("bob")).expect("bound");
    store.add_key_packages(&name("carol"), &[vec![1]], None).expect("added");
    assert_eq!(store.take_key_package(&name("carol")), Ok(Some((vec![1], false))));
    store.add_key_packages(&name("carol"), &[vec![2]], Some(&[3])).expect("added");
    store.roll_back().expect("rolled back");
    assert_eq!(seen(store), before);
    assert_eq!(store.put_item(mailbox(3), frame(1), &[1], Stamp(0)), Ok(PutOutcome::Unknown));
    assert_eq!(store.put_item(mailbox(1), frame(1), &[1], Stamp(0)), Ok(PutOutcome::Repeated));
}

fn roll_back_takes_back_challenges_and_the_order_of_key_packages(store: &mut impl Store) {
    two_accounts(store);
    let alice = name("alice");
    store.put_challenge([1; 32], &challenge("alice", Stamp(5))).expect("kept");
    store.add_key_packages(&alice, &[vec![1], vec![2], vec![3]], Some(&[9])).expect("added");
    store.commit().expect("durable");
    store.put_challenge([2; 32], &challenge("alice", Stamp(5))).expect("kept");
    assert_eq!(store.take_challenge([1; 32]), Ok(Some(challenge("alice", Stamp(5)))));
    store.take_key_package(&alice).expect("taken");
    store.take_key_package(&alice).expect("taken");
    store.add_key_packages(&alice, &[vec![4]], Some(&[10])).expect("added");
    store.take_key_package(&alice).expect("taken");
    store.roll_back().expect("rolled back");
    assert_eq!(store.take_challenge([2; 32]), Ok(None));
    assert_eq!(store.take_challenge([1; 32]), Ok(Some(challenge("alice", Stamp(5)))));
    for package in [1, 2, 3] {
        assert_eq!(store.take_key_package(&alice), Ok(Some((vec![package], false))));
    }
    assert_eq!(store.take_key_package(&alice), Ok(Some((vec![9], true))));
    store.put_challenge([3; 32], &challenge("alice", Stamp(5))).expect("kept");
    store.clean(Stamp(6)).expect("cleaned");
    store.commit().expect("durable");
    store.roll_back().expect("nothing to do");
    assert_eq!(store.take_challenge([3; 32]), Ok(None));
}

fn no_two_items_share_a_place_after_a_roll_back(store: &mut impl Store) {
    two_accounts(store);
    let kept = put(store, 1, 1, Stamp(0));
    store.commit().expect("durable");
    put(store, 1, 2, Stamp(0));
    put(store, 1, 3, Stamp(0));
    store.roll_back().expect("rolled back");
    let next = put(store, 1, 4, Stamp(0));
    let last = put(store, 1, 2, Stamp(0));
    assert!(kept < next && next < last, "{kept} {next} {last}");
    store.commit().expect("durable");
    let bytes = |number: u64| number.to_be_bytes().to_vec();
    assert_eq!(store.items(mailbox(1), 10), Ok(vec![(kept, bytes(1)), (next, bytes(4)), (last, bytes(2))]));
}

fn clean_removes_what_is_past_its_time_and_nothing_else(store: &mut impl Store) {
    two_accounts(store);
    store.add_key_packages(&name("alice"), &[vec![1]], Some(&[9])).expect("added");
    store.bind_lane(tag(1), &name("alice")).expect("bound");
    let gone = put(store, 1, 1, Stamp(10));
    put(store, 1, 2, Stamp(10));
    let young = put(store, 1, 3, Stamp(11));
    put(store, 2, 1, Stamp(9));
    store.remove_items(mailbox(1), &[gone]).expect("removed");
    store.commit().expect("durable");
    // The last moment of the retention is still within it, and a clock that is behind removes nothing.
    for now in [Stamp(0), Stamp(11), Stamp(9).after(RETENTION)] {
        assert_eq!(store.clean(now), Ok(0), "{now:?}");
    }
    assert_eq!(store.clean(Stamp(11).after(RETENTION)), Ok(2));
    store.commit().expect("durable");
    assert_eq!(store.items(mailbox(1), 10), Ok(vec![(young, 3_u64.to_be_bytes().to_vec())]));
    assert_eq!((store.count(mailbox(1)), store.count(mailbox(2))), (Ok(1), Ok(0)));
    assert_eq!(store.put_item(mailbox(1), frame(3), &[3], Stamp(20)), Ok(PutOutcome::Repeated));
    assert!(put(store, 1, 1, Stamp(20)) > young);
    put(store, 1, 2, Stamp(20));
    put(store, 2, 1, Stamp(20));
    assert_eq!(store.account(&name("alice")), Ok(Some(account("Alice", 1))));
    assert_eq!(store.key_packages(&name("alice")), Ok((1, true)));
    assert_eq!(store.lane_of(mailbox(1)), Ok(Some(tag(1))));
}

fn clean_can_be_rolled_back_and_takes_nothing_else_for_committed(store: &mut impl Store) {
    filled(store);
    let before = seen(store);
    put(store, 1, 9, Stamp(RETENTION.0));
    store.bind_lane(tag(3), &name("alice")).expect("bound");
    assert_eq!(store.clean(Stamp(2).after(RETENTION)), Ok(2));
    store.remember_answer(tag(2), frame(2), &[2], Stamp(1)).expect("remembered");
    store.roll_back().expect("rolled back");
    assert_eq!(seen(store), before);
    assert_eq!(store.put_item(mailbox(2), frame(1), &[1], Stamp(0)), Ok(PutOutcome::Repeated));
}

fn answers_are_remembered_by_lane_and_frame(store: &mut impl Store) {
    assert_eq!(store.answer(tag(1), frame(1)), Ok(None));
    store.remember_answer(tag(1), frame(1), &[1, 1], Stamp(0)).expect("remembered");
    store.remember_answer(tag(1), frame(2), &[1, 2], Stamp(0)).expect("remembered");
    store.remember_answer(tag(2), frame(1), &[2, 1], Stamp(0)).expect("remembered");
    assert_eq!(store.answer(tag(1), frame(1)), Ok(Some(vec![1, 1])));
    assert_eq!(store.answer(tag(1), frame(2)), Ok(Some(vec![1, 2])));
    assert_eq!(store.answer(tag(2), frame(1)), Ok(Some(vec![2, 1])));
    assert_eq!(store.answer(tag(2), frame(2)), Ok(None));
}

fn answers_are_bounded_and_end(store: &mut impl Store) {
    let answers = u64::try_from(RELAY_ANSWERS_MAX).expect("small");
    for number in 0..answers {
        let at = if number == 0 { Stamp(10) } else { Stamp(11) };
        store.remember_answer(tag(1), frame(number), &[1], at).expect("remembered");
    }
    assert_eq!(store.remember_answer(tag(1), frame(answers), &[1], Stamp(12)), Err(StoreError::Full));
    assert_eq!(store.remember_answer(tag(1), frame(0), &[2], Stamp(10)), Ok(()));
    store.clean(Stamp(10).after(RELAY_ANSWERS_FOR)).expect("cleaned");
    assert_eq!(store.answer(tag(1), frame(0)), Ok(Some(vec![2])));
    store.clean(Stamp(10).after(RELAY_ANSWERS_FOR).after(Duration(1))).expect("cleaned");
    assert_eq!(store.answer(tag(1), frame(0)), Ok(None));
    assert_eq!(store.answer(tag(1), frame(1)), Ok(Some(vec![1])));
    assert_eq!(store.remember_answer(tag(1), frame(answers), &[1], Stamp(12)), Ok(()));
}

fn commit_and_roll_back_of_nothing_do_nothing(store: &mut impl Store) {
    assert_eq!((store.commit(), store.roll_back(), store.commit()), (Ok(()), Ok(()), Ok(())));
    filled(store);
    let before = seen(store);
    assert_eq!((store.roll_back(), store.roll_back(), store.commit()), (Ok(()), Ok(()), Ok(())));
    assert_eq!(seen(store), before);
}
