use super::*;
use thicket_types::limits::LAST_RESORTS_MAX;

fn stock(one_time: u32, last_resort: bool) -> Result<Stock, StoreError> {
    Ok(Stock { one_time, last_resort })
}

pub(super) fn removed_key_packages_are_gone_of_every_suite(store: &mut impl Store) {
    two_accounts(store);
    let (alice, bob) = (name("alice"), name("bob"));
    store.remove_key_packages(&alice).expect("none is no error");
    store.add_key_packages(&alice, SUITE, &[vec![1], vec![2]], Some(&[9])).expect("added");
    store.add_key_packages(&alice, 2, &[vec![3]], Some(&[10])).expect("added");
    store.add_key_packages(&bob, SUITE, &[vec![7]], Some(&[8])).expect("added");
    store.remove_key_packages(&alice).expect("removed");
    assert_eq!((store.key_packages(&alice), store.key_packages(&bob)), (stock(0, false), stock(1, true)));
    assert_eq!(store.take_key_package(&alice, &[SUITE, 2]), Ok(None));
    // The same last-resort package again is a new one: it was not given out since.
    store.add_key_packages(&alice, SUITE, &[vec![4]], Some(&[9])).expect("added");
    assert_eq!(store.key_packages(&alice), stock(1, true));
    assert_eq!(store.remove_key_packages(&name("carol")), Err(StoreError::Failed));
}

pub(super) fn key_packages_go_oldest_first_and_the_last_resort_stays(store: &mut impl Store) {
    two_accounts(store);
    let (alice, bob) = (name("alice"), name("bob"));
    assert_eq!(store.key_packages(&alice), stock(0, false));
    assert_eq!(store.take_key_package(&alice, &[SUITE]), Ok(None));
    store.add_key_packages(&alice, SUITE, &[vec![1], vec![2]], Some(&[9])).expect("added");
    store.add_key_packages(&bob, SUITE, &[vec![7]], None).expect("added");
    store.add_key_packages(&alice, SUITE, &[vec![3]], None).expect("added");
    assert_eq!(store.key_packages(&alice), stock(3, true));
    assert_eq!(store.key_packages(&bob), stock(1, false));
    for number in [1, 2, 3] {
        assert_eq!(store.take_key_package(&alice, &[SUITE]), Ok(Some(package(number))));
    }
    assert_eq!(store.key_packages(&alice), stock(0, true));
    for _ in 0..2 {
        assert_eq!(store.take_key_package(&alice, &[SUITE]), Ok(Some(last_resort(9))));
    }
    store.add_key_packages(&alice, SUITE, &[], Some(&[10])).expect("added");
    assert_eq!(store.take_key_package(&alice, &[SUITE]), Ok(Some(last_resort(10))));
    store.add_key_packages(&alice, SUITE, &[vec![4]], None).expect("added");
    assert_eq!(store.take_key_package(&alice, &[SUITE]), Ok(Some(package(4))));
    assert_eq!(store.take_key_package(&alice, &[SUITE]), Ok(Some(last_resort(10))));
    assert_eq!(store.take_key_package(&bob, &[SUITE]), Ok(Some(package(7))));
    assert_eq!(store.take_key_package(&bob, &[SUITE]), Ok(None));
}

pub(super) fn key_packages_are_taken_by_suite_in_the_asked_order(store: &mut impl Store) {
    two_accounts(store);
    let alice = name("alice");
    store.add_key_packages(&alice, 1, &[vec![11]], Some(&[19])).expect("added");
    store.add_key_packages(&alice, 2, &[vec![21], vec![22]], None).expect("added");
    store.add_key_packages(&alice, 3, &[], Some(&[39])).expect("added");
    assert_eq!(store.key_packages(&alice), stock(3, true), "of all suites");
    let mut take = |suites: &[u32]| store.take_key_package(&alice, suites).expect("read");
    let of = |suite, bytes: u8, last_resort| Some(StoredKeyPackage { suite, bytes: vec![bytes], last_resort });
    assert_eq!(take(&[]), None);
    assert_eq!(take(&[7]), None);
    assert_eq!(take(&[2, 1]), of(2, 21, false));
    assert_eq!(take(&[3, 2, 1]), of(2, 22, false), "a one-time one of any suite before a last-resort one");
    assert_eq!(take(&[7, 2, 1]), of(1, 11, false));
    assert_eq!(take(&[2]), None, "what is left is of other suites");
    assert_eq!(take(&[2, 3, 1]), of(3, 39, true));
    assert_eq!(take(&[1, 3]), of(1, 19, true));
}

pub(super) fn last_resort_is_marked_when_it_is_given_until_a_new_one_comes(store: &mut impl Store) {
    two_accounts(store);
    let alice = name("alice");
    store.add_key_packages(&alice, SUITE, &[vec![1]], Some(&[9])).expect("added");
    store.take_key_package(&alice, &[SUITE]).expect("taken");
    assert_eq!(store.key_packages(&alice), stock(0, true), "a one-time one was given");
    store.take_key_package(&alice, &[SUITE]).expect("taken");
    assert_eq!(store.key_packages(&alice), stock(0, false));
    store.commit().expect("durable");
    store.add_key_packages(&alice, SUITE, &[vec![2]], None).expect("added");
    assert_eq!(store.key_packages(&alice), stock(1, false));
    store.add_key_packages(&alice, SUITE, &[], Some(&[9])).expect("added");
    assert_eq!(store.key_packages(&alice), stock(1, false), "the same bytes are no new package");
    store.add_key_packages(&alice, SUITE, &[], Some(&[10])).expect("added");
    assert_eq!(store.key_packages(&alice), stock(1, true));
    store.add_key_packages(&alice, 2, &[], Some(&[20])).expect("added");
    store.take_key_package(&alice, &[SUITE]).expect("the one-time one");
    store.take_key_package(&alice, &[SUITE]).expect("taken");
    assert_eq!(store.key_packages(&alice), stock(0, true), "that of another suite was not given");
    store.take_key_package(&alice, &[2]).expect("taken");
    assert_eq!(store.key_packages(&alice), stock(0, false));
}

pub(super) fn last_resorts_are_bounded_by_suite(store: &mut impl Store) {
    two_accounts(store);
    let alice = name("alice");
    let max = u32::try_from(LAST_RESORTS_MAX).expect("small");
    for suite in 1..=max {
        store.add_key_packages(&alice, suite, &[], Some(&[1])).expect("added");
    }
    assert_eq!(store.add_key_packages(&alice, max + 1, &[vec![1]], Some(&[1])), Err(StoreError::Full));
    assert_eq!(store.key_packages(&alice), stock(0, true), "nothing of it was added");
    assert_eq!(store.add_key_packages(&alice, 1, &[], Some(&[2])), Ok(()), "one there is can be replaced");
    assert_eq!(store.add_key_packages(&name("bob"), max + 1, &[], Some(&[2])), Ok(()));
    assert_eq!(store.commit(), Ok(()));
}
