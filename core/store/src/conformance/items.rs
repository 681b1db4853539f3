use super::*;
use thicket_types::limits::MAILBOX_FRAMES_MAX;
use thicket_types::time::Duration;

/// A retention that no limit suggests: the store knows none but what it is told.
const RETENTION: Duration = Duration::days(3);

pub(super) fn item_is_stored_once_in_each_mailbox(store: &mut impl Store) {
    two_accounts(store);
    assert!(matches!(store.put_item(&item(1, 1, &[1], Stamp(0))), Ok(PutOutcome::Stored(_))));
    assert_eq!(store.put_item(&item(1, 1, &[1], Stamp(1))), Ok(PutOutcome::Repeated));
    assert!(matches!(store.put_item(&item(2, 1, &[1], Stamp(0))), Ok(PutOutcome::Stored(_))));
    assert_eq!(store.put_item(&item(3, 1, &[1], Stamp(0))), Ok(PutOutcome::Unknown));
    assert_eq!((store.count(mailbox(1)), store.count(mailbox(2)), store.count(mailbox(3))), (Ok(1), Ok(1), Ok(0)));
}

pub(super) fn full_mailbox_takes_an_item_when_one_is_removed(store: &mut impl Store) {
    two_accounts(store);
    let limited = |number, bytes| NewItem { mailbox_max: 30, ..item(1, number, bytes, Stamp(0)) };
    let first = put(store, 1, 0, Stamp(0));
    for number in 1..30 {
        assert!(matches!(store.put_item(&limited(number, &[1])), Ok(PutOutcome::Stored(_))), "{number}");
    }
    assert_eq!(store.count(mailbox(1)), Ok(30));
    assert_eq!(store.put_item(&limited(30, &[1])), Ok(PutOutcome::Full));
    assert_eq!(store.put_item(&limited(5, &[1])), Ok(PutOutcome::Repeated));
    put(store, 2, 0, Stamp(0));
    store.remove_items(mailbox(1), &[first, first]).expect("removed");
    assert_eq!(store.count(mailbox(1)), Ok(29));
    assert!(matches!(store.put_item(&limited(30, &[1])), Ok(PutOutcome::Stored(_))));
    assert_eq!(store.put_item(&limited(31, &[1])), Ok(PutOutcome::Full));
}

pub(super) fn removed_item_stays_known(store: &mut impl Store) {
    two_accounts(store);
    let place = put(store, 1, 1, Stamp(0));
    store.commit().expect("durable");
    store.remove_items(mailbox(1), &[place]).expect("removed");
    assert_eq!(store.items(mailbox(1), 10), Ok(Vec::new()));
    store.commit().expect("durable");
    assert_eq!(store.put_item(&item(1, 1, &[1], Stamp(9))), Ok(PutOutcome::Repeated));
    // It is known for the retention, counted from when it came.
    store.clean(Stamp(RETENTION.0), RETENTION).expect("cleaned");
    assert_eq!(store.put_item(&item(1, 1, &[1], Stamp(9))), Ok(PutOutcome::Repeated));
    assert_eq!(store.clean(Stamp(RETENTION.0 + 1), RETENTION), Ok(0));
    put(store, 1, 1, Stamp(RETENTION.0 + 1));
}

pub(super) fn frames_of_gone_items_are_known_to_a_bound_and_those_of_items_that_wait_always(store: &mut impl Store) {
    two_accounts(store);
    let fleeting = |store: &mut dyn Store, number: u64| {
        let Ok(PutOutcome::Stored(place)) = store.put_item(&item(1, number, &[1], Stamp(0))) else {
            panic!("{number} is known");
        };
        store.remove_items(mailbox(1), &[place]).expect("removed");
    };
    let is_known = |store: &mut dyn Store, number| store.put_item(&item(1, number, &[1], Stamp(0))) == Ok(PutOutcome::Repeated);
    fleeting(store, 1);
    let waits = put(store, 1, 2, Stamp(0));
    for number in 3..=MAILBOX_FRAMES_MAX {
        fleeting(store, number);
    }
    store.commit().expect("durable");
    assert!(is_known(store, 1), "the bound is not passed");
    // One more puts the oldest out, unless that is taken back.
    put(store, 1, 0, Stamp(0));
    store.roll_back().expect("rolled back");
    assert!(is_known(store, 1));
    put(store, 2, 1, Stamp(0));
    assert!(is_known(store, 1), "another mailbox has places of its own");
    fleeting(store, MAILBOX_FRAMES_MAX + 1);
    fleeting(store, MAILBOX_FRAMES_MAX + 2);
    fleeting(store, MAILBOX_FRAMES_MAX + 3);
    store.commit().expect("durable");
    assert!(is_known(store, 2), "its item waits");
    assert!(is_known(store, 4) && is_known(store, MAILBOX_FRAMES_MAX + 3));
    assert_eq!(store.count(mailbox(1)), Ok(1));
    store.remove_items(mailbox(1), &[waits]).expect("removed");
    for number in 1..=3 {
        put(store, 1, number, Stamp(0));
    }
}

pub(super) fn items_are_ordered_and_bounded_and_places_grow(store: &mut impl Store) {
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

pub(super) fn items_of_capabilities_come_before_those_of_the_request_box(store: &mut impl Store) {
    two_accounts(store);
    let quotas = [Quota::Requests, Quota::Capability(digest(9)), Quota::Requests, Quota::Capability(digest(1))];
    let places: Vec<u64> = quotas.into_iter().zip(0..).map(|(quota, number)| put_by(store, 1, quota, number, Stamp(0))).collect();
    let order = |places: &[u64], store: &mut dyn Store| {
        let items: Vec<u64> = store.items(mailbox(1), 10).expect("read").into_iter().map(|(place, _)| place).collect();
        assert_eq!(items, places);
    };
    order(&[places[1], places[3], places[0], places[2]], store);
    let bytes = |number: u64| number.to_be_bytes().to_vec();
    assert_eq!(store.items(mailbox(1), 3), Ok(vec![(places[1], bytes(1)), (places[3], bytes(3)), (places[0], bytes(0))]));
    store.remove_items(mailbox(1), &[places[0], places[1]]).expect("removed");
    order(&[places[3], places[2]], store);
    assert!(places.is_sorted_by(|a, b| a < b), "{places:?}");
}

pub(super) fn place_that_was_never_given_is_no_error(store: &mut impl Store) {
    two_accounts(store);
    let place = put(store, 1, 1, Stamp(0));
    store.remove_items(mailbox(1), &[0, place + 1, u64::MAX]).expect("nothing removed");
    store.remove_items(mailbox(2), &[place]).expect("nothing removed");
    store.remove_items(mailbox(3), &[place]).expect("nothing removed");
    store.remove_items(mailbox(1), &[]).expect("nothing removed");
    assert_eq!(store.count(mailbox(1)), Ok(1));
    assert_eq!(store.commit(), Ok(()));
}

pub(super) fn clean_removes_what_is_past_its_time_and_nothing_else(store: &mut impl Store) {
    two_accounts(store);
    store.add_key_packages(&name("alice"), SUITE, &[vec![1]], Some(&[9]), Stamp(0)).expect("added");
    store.set_capabilities(mailbox(1), &[digest(1)], &[]).expect("added");
    store.bind_lane(tag(1), &name("alice"), SESSION).expect("bound");
    let gone = put(store, 1, 1, Stamp(10));
    put_by(store, 1, Quota::Capability(digest(1)), 2, Stamp(10));
    let young = put(store, 1, 3, Stamp(11));
    put(store, 2, 1, Stamp(9));
    store.remove_items(mailbox(1), &[gone]).expect("removed");
    store.commit().expect("durable");
    // The last moment of the retention is still within it, and a clock that is behind removes nothing.
    for now in [Stamp(0), Stamp(11), Stamp(9).after(RETENTION)] {
        assert_eq!(store.clean(now, RETENTION), Ok(0), "{now:?}");
    }
    assert_eq!(store.clean(Stamp(11).after(RETENTION), RETENTION), Ok(2));
    store.commit().expect("durable");
    assert_eq!(store.items(mailbox(1), 10), Ok(vec![(young, 3_u64.to_be_bytes().to_vec())]));
    assert_eq!((store.count(mailbox(1)), store.count(mailbox(2))), (Ok(1), Ok(0)));
    assert_eq!(store.put_item(&item(1, 3, &[3], Stamp(20))), Ok(PutOutcome::Repeated));
    assert!(put(store, 1, 1, Stamp(20)) > young);
    put(store, 1, 2, Stamp(20));
    put(store, 2, 1, Stamp(20));
    assert_eq!(store.account(&name("alice")), Ok(Some(account("Alice", 1))));
    assert_eq!(store.key_packages(&name("alice"), Stamp(0)), Ok(Stock { one_time: 1, last_resort: true }));
    assert_eq!(store.capability(mailbox(1), digest(1)), Ok(true));
    assert_eq!(store.lane_of(mailbox(1)), Ok(Some(tag(1))));
    // A shorter retention takes what a longer one kept.
    assert_eq!(store.clean(Stamp(30), Duration(5)), Ok(4));
}
