//! What every store does, run against each of them.

mod accounts;
mod items;
mod key_packages;
mod logs;
mod quotas;
mod roll_back;
mod volatile;

use crate::{MemoryStore, SqliteStore};
use std::path::Path;
use thicket_types::ids::{Digest, Fingerprint, FrameId, LaneTag, LogId, MailboxId};
use thicket_types::name::{Name, NameKey};
use thicket_types::ports::{
    Account, DoneNumbers, NewItem, OpenChallenge, PutOutcome, Quota, Session, Stock, Store, StoreError, StoredKeyPackage,
};
use thicket_types::time::Stamp;

macro_rules! conformance {
    ($($concern:ident { $($case:ident,)* })*) => {
        mod memory {
            $($(#[test]
            fn $case() {
                super::$concern::$case(&mut super::MemoryStore::new());
            })*)*
        }

        mod sqlite {
            $($(#[test]
            fn $case() {
                let folder = tempfile::tempdir().expect("a folder");
                super::$concern::$case(&mut super::open(&folder.path().join("relay.db")));
            })*)*
        }
    };
}

conformance! {
    accounts {
        account_is_found_by_its_key,
        account_put_again_keeps_all_but_its_mailbox_key,
        account_is_neither_taken_over_nor_given_a_mailbox_that_another_has,
        accounts_are_counted,
        mailbox_key_is_replaced_and_nothing_else,
        generation_is_set_by_account_and_outlives_a_new_mailbox_key,
        what_needs_an_account_fails_without_one_and_spoils_nothing,
    }

    key_packages {
        key_packages_go_oldest_first_and_the_last_resort_stays,
        removed_key_packages_are_gone_of_every_suite,
        key_packages_are_taken_by_suite_in_the_asked_order,
        last_resort_is_marked_when_it_is_given_until_a_new_one_comes,
        last_resorts_are_bounded_by_suite,
        stale_one_time_packages_are_not_given_and_go_and_the_last_resort_is_given_for_ever,
        clean_of_key_packages_can_be_rolled_back,
    }

    volatile {
        challenge_is_taken_once,
        lane_has_one_challenge_open,
        past_the_bound_the_first_challenge_goes_and_each_ends,
        lane_has_one_name_and_name_has_one_lane,
        lane_has_the_session_of_its_last_login,
        what_was_done_in_a_session_ends_with_it,
        least_recently_active_lane_goes_first,
        lane_activity_is_rolled_back,
        stamp_is_spent_once_until_its_time,
        spent_stamps_are_bounded,
        spent_stamps_of_a_name_are_bounded_and_leave_the_others_room,
        answers_are_remembered_by_lane_and_frame,
        past_the_bound_the_first_answer_goes_and_each_ends,
    }

    items {
        item_is_stored_once_in_each_mailbox,
        full_mailbox_takes_an_item_when_one_is_removed,
        removed_item_stays_known,
        frames_of_gone_items_are_known_to_a_bound_and_those_of_items_that_wait_always,
        items_are_ordered_and_bounded_and_places_grow,
        items_of_capabilities_come_before_those_of_the_request_box,
        place_that_was_never_given_is_no_error,
        clean_removes_what_is_past_its_time_and_nothing_else,
    }

    quotas {
        capabilities_are_added_and_removed_and_repeats_change_nothing,
        capabilities_are_bounded_and_a_refusal_changes_nothing,
        full_quota_refuses_only_itself,
        known_frame_is_repeated_whatever_its_quota,
        revoked_capability_is_counted_until_its_items_are_gone,
        counts_follow_what_is_removed_and_cleaned,
    }

    logs {
        log_is_created_once_and_its_entries_are_numbered_in_one_order,
        entries_are_given_in_pages_with_what_they_are,
        newest_posting_keys_are_known_and_since_when_each_is_replaced,
        reading_key_reads_from_its_gate_to_the_next,
        lanes_are_added_changed_and_removed_and_bounded,
        past_its_bounds_the_oldest_entries_of_a_log_go,
        clean_removes_entries_past_their_time_and_logs_that_nobody_posts_to,
        changes_of_logs_are_rolled_back,
        incarnation_stays_while_the_store_lives,
    }

    roll_back {
        roll_back_takes_back_each_kind_of_change,
        roll_back_takes_back_a_mix_and_not_what_is_committed,
        roll_back_takes_back_challenges_and_the_order_of_key_packages,
        roll_back_takes_back_what_was_counted_against_capabilities,
        no_two_items_share_a_place_after_a_roll_back,
        clean_can_be_rolled_back_and_takes_nothing_else_for_committed,
        commit_and_roll_back_of_nothing_do_nothing,
    }
}

/// The suite of what needs no other.
pub(crate) const SUITE: u32 = 1;

/// The nonce of a challenge.
pub(crate) const SESSION: [u8; 32] = [6; 32];

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
    FrameId(digest(number).0)
}

pub(crate) fn digest(number: u64) -> Digest {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&number.to_be_bytes());
    Digest(digest)
}

/// A challenge that lane 1 asked for.
pub(crate) fn challenge(text: &str, until: Stamp) -> OpenChallenge {
    challenge_on(1, text, until)
}

fn challenge_on(lane: u64, text: &str, until: Stamp) -> OpenChallenge {
    OpenChallenge { name: name(text), tag: tag(lane), asked: frame(lane), until }
}

pub(crate) fn package(bytes: u8) -> StoredKeyPackage {
    StoredKeyPackage { suite: SUITE, bytes: vec![bytes], last_resort: false }
}

pub(crate) fn last_resort(bytes: u8) -> StoredKeyPackage {
    StoredKeyPackage { last_resort: true, ..package(bytes) }
}

/// An item of the request box whose one limit is that of numbers.
pub(crate) fn item(to: u8, number: u64, envelope: &[u8], at: Stamp) -> NewItem<'_> {
    NewItem { mailbox: mailbox(to), quota: Quota::Requests, frame: frame(number), envelope, at, mailbox_max: u64::MAX, quota_max: u64::MAX }
}

/// Puts an item whose bytes tell its number into the request box, and gives its place.
pub(crate) fn put(store: &mut impl Store, to: u8, number: u64, at: Stamp) -> u64 {
    put_by(store, to, Quota::Requests, number, at)
}

/// The same, against a quota.
pub(crate) fn put_by(store: &mut impl Store, to: u8, quota: Quota, number: u64, at: Stamp) -> u64 {
    match store.put_item(&NewItem { quota, ..item(to, number, &number.to_be_bytes(), at) }) {
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

/// A store in which there is something of each kind, committed.
pub(crate) fn filled(store: &mut impl Store) {
    two_accounts(store);
    for number in 1..=3 {
        put(store, 1, number, Stamp(number));
    }
    put(store, 2, 1, Stamp(1));
    store.set_generation(&name("alice"), [1; 16]).expect("set");
    store.set_capabilities(mailbox(1), &[digest(1), digest(2)], &[]).expect("added");
    put_by(store, 1, Quota::Capability(digest(1)), 4, Stamp(4));
    store.add_key_packages(&name("alice"), SUITE, &[vec![1], vec![2]], Some(&[9]), Stamp(0)).expect("added");
    logs::create(store, LogId([1; 16]), Stamp(1));
    logs::commit(store, 1, 1, None, Stamp(1_000_000_000_000_000));
    store.bind_lane(tag(1), &name("alice"), SESSION).expect("bound");
    store.bind_lane(tag(2), &name("bob"), SESSION).expect("bound");
    store.remember_answer(tag(1), frame(1), &[1], Stamp(1)).expect("remembered");
    store.commit().expect("durable");
}

/// What can be seen of one name.
type SeenAccount = (Option<Account>, Option<[u8; 16]>, Stock);

/// What can be seen of one mailbox.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct SeenMailbox {
    items: Vec<(u64, Vec<u8>)>,
    count: u64,
    /// Items of the request box, and of capabilities from 0 on.
    counts: Vec<u64>,
    /// Whether there is a capability, from 0 on.
    capabilities: Vec<bool>,
}

/// All that can be seen of a small store without changing it.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    pub(crate) accounts: u64,
    pub(crate) directory: Vec<SeenAccount>,
    pub(crate) mailboxes: Vec<SeenMailbox>,
    lanes: Vec<Option<NameKey>>,
    sessions: Vec<Option<Session>>,
    lanes_of: Vec<Option<LaneTag>>,
    answers: Vec<Option<Vec<u8>>>,
}

pub(crate) fn seen(store: &mut impl Store) -> Seen {
    let names = [name("alice"), name("bob"), name("carol")];
    let read = "read";
    let mut seen_account = |name: &NameKey| {
        (store.account(name).expect(read), store.generation(name).expect(read), store.key_packages(name, Stamp(0)).expect(read))
    };
    Seen {
        directory: names.iter().map(&mut seen_account).collect(),
        mailboxes: (0..5).map(|number| seen_mailbox(store, mailbox(number))).collect(),
        accounts: store.accounts().expect(read),
        lanes: (0..5).map(|number| store.lane(tag(number)).expect(read)).collect(),
        sessions: (0..5).map(|number| store.session(tag(number)).expect(read)).collect(),
        lanes_of: (0..5).map(|number| store.lane_of(mailbox(number)).expect(read)).collect(),
        answers: (0..5).map(|number| store.answer(tag(number), frame(number)).expect(read)).collect(),
    }
}

fn seen_mailbox(store: &mut impl Store, id: MailboxId) -> SeenMailbox {
    let quotas = std::iter::once(Quota::Requests).chain((0..5).map(|number| Quota::Capability(digest(number))));
    SeenMailbox {
        items: store.items(id, 1_000).expect("read"),
        count: store.count(id).expect("read"),
        counts: quotas.map(|quota| store.count_of(id, quota).expect("read")).collect(),
        capabilities: (0..5).map(|number| store.capability(id, digest(number)).expect("read")).collect(),
    }
}
