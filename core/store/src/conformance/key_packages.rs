use super::*;
use thicket_types::limits::{KEY_PACKAGE_FOR, LAST_RESORTS_MAX, RETENTION};

fn stock(one_time: u32, last_resort: bool) -> Result<Stock, StoreError> {
    Ok(Stock { one_time, last_resort })
}

pub(super) fn removed_key_packages_are_gone_of_every_suite(store: &mut impl Store) {
    two_accounts(store);
    let (alice, bob) = (name("alice"), name("bob"));
    store.remove_key_packages(&alice).expect("none is no error");
    store.add_key_packages(&alice, SUITE, &[vec![1], vec![2]], Some(&[9]), Stamp(0)).expect("added");
    store.add_key_packages(&alice, 2, &[vec![3]], Some(&[10]), Stamp(0)).expect("added");
    store.add_key_packages(&bob, SUITE, &[vec![7]], Some(&[8]), Stamp(0)).expect("added");
    store.remove_key_packages(&alice).expect("removed");
    assert_eq!((store.key_packages(&alice, Stamp(0)), store.key_packages(&bob, Stamp(0))), (stock(0, false), stock(1, true)));
    assert_eq!(store.take_key_package(&alice, &[SUITE, 2], Stamp(0)), Ok(None));
    // The same last-resort package again is a new one: it was not given out since.
    store.add_key_packages(&alice, SUITE, &[vec![4]], Some(&[9]), Stamp(0)).expect("added");
    assert_eq!(store.key_packages(&alice, Stamp(0)), stock(1, true));
    assert_eq!(store.remove_key_packages(&name("carol")), Err(StoreError::Failed));
}

pub(super) fn key_packages_go_oldest_first_and_the_last_resort_stays(store: &mut impl Store) {
    two_accounts(store);
    let (alice, bob) = (name("alice"), name("bob"));
    assert_eq!(store.key_packages(&alice, Stamp(0)), stock(0, false));
    assert_eq!(store.take_key_package(&alice, &[SUITE], Stamp(0)), Ok(None));
    store.add_key_packages(&alice, SUITE, &[vec![1], vec![2]], Some(&[9]), Stamp(0)).expect("added");
    store.add_key_packages(&bob, SUITE, &[vec![7]], None, Stamp(0)).expect("added");
    store.add_key_packages(&alice, SUITE, &[vec![3]], None, Stamp(0)).expect("added");
    assert_eq!(store.key_packages(&alice, Stamp(0)), stock(3, true));
    assert_eq!(store.key_packages(&bob, Stamp(0)), stock(1, false));
    for number in [1, 2, 3] {
        assert_eq!(store.take_key_package(&alice, &[SUITE], Stamp(0)), Ok(Some(package(number))));
    }
    assert_eq!(store.key_packages(&alice, Stamp(0)), stock(0, true));
    for _ in 0..2 {
        assert_eq!(store.take_key_package(&alice, &[SUITE], Stamp(0)), Ok(Some(last_resort(9))));
    }
    store.add_key_packages(&alice, SUITE, &[], Some(&[10]), Stamp(0)).expect("added");
    assert_eq!(store.take_key_package(&alice, &[SUITE], Stamp(0)), Ok(Some(last_resort(10))));
    store.add_key_packages(&alice, SUITE, &[vec![4]], None, Stamp(0)).expect("added");
    assert_eq!(store.take_key_package(&alice, &[SUITE], Stamp(0)), Ok(Some(package(4))));
    assert_eq!(store.take_key_package(&alice, &[SUITE], Stamp(0)), Ok(Some(last_resort(10))));
    assert_eq!(store.take_key_package(&bob, &[SUITE], Stamp(0)), Ok(Some(package(7))));
    assert_eq!(store.take_key_package(&bob, &[SUITE], Stamp(0)), Ok(None));
}

pub(super) fn key_packages_are_taken_by_suite_in_the_asked_order(store: &mut impl Store) {
    two_accounts(store);
    let alice = name("alice");
    store.add_key_packages(&alice, 1, &[vec![11]], Some(&[19]), Stamp(0)).expect("added");
    store.add_key_packages(&alice, 2, &[vec![21], vec![22]], None, Stamp(0)).expect("added");
    store.add_key_packages(&alice, 3, &[], Some(&[39]), Stamp(0)).expect("added");
    assert_eq!(store.key_packages(&alice, Stamp(0)), stock(3, true), "of all suites");
    let mut take = |suites: &[u32]| store.take_key_package(&alice, suites, Stamp(0)).expect("read");
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
    store.add_key_packages(&alice, SUITE, &[vec![1]], Some(&[9]), Stamp(0)).expect("added");
    store.take_key_package(&alice, &[SUITE], Stamp(0)).expect("taken");
    assert_eq!(store.key_packages(&alice, Stamp(0)), stock(0, true), "a one-time one was given");
    store.take_key_package(&alice, &[SUITE], Stamp(0)).expect("taken");
    assert_eq!(store.key_packages(&alice, Stamp(0)), stock(0, false));
    store.commit().expect("durable");
    store.add_key_packages(&alice, SUITE, &[vec![2]], None, Stamp(0)).expect("added");
    assert_eq!(store.key_packages(&alice, Stamp(0)), stock(1, false));
    store.add_key_packages(&alice, SUITE, &[], Some(&[9]), Stamp(0)).expect("added");
    assert_eq!(store.key_packages(&alice, Stamp(0)), stock(1, false), "the same bytes are no new package");
    store.add_key_packages(&alice, SUITE, &[], Some(&[10]), Stamp(0)).expect("added");
    assert_eq!(store.key_packages(&alice, Stamp(0)), stock(1, true));
    store.add_key_packages(&alice, 2, &[], Some(&[20]), Stamp(0)).expect("added");
    store.take_key_package(&alice, &[SUITE], Stamp(0)).expect("the one-time one");
    store.take_key_package(&alice, &[SUITE], Stamp(0)).expect("taken");
    assert_eq!(store.key_packages(&alice, Stamp(0)), stock(0, true), "that of another suite was not given");
    store.take_key_package(&alice, &[2], Stamp(0)).expect("taken");
    assert_eq!(store.key_packages(&alice, Stamp(0)), stock(0, false));
}

pub(super) fn last_resorts_are_bounded_by_suite(store: &mut impl Store) {
    two_accounts(store);
    let alice = name("alice");
    let max = u32::try_from(LAST_RESORTS_MAX).expect("small");
    for suite in 1..=max {
        store.add_key_packages(&alice, suite, &[], Some(&[1]), Stamp(0)).expect("added");
    }
    assert_eq!(store.add_key_packages(&alice, max + 1, &[vec![1]], Some(&[1]), Stamp(0)), Err(StoreError::Full));
    assert_eq!(store.key_packages(&alice, Stamp(0)), stock(0, true), "nothing of it was added");
    assert_eq!(store.add_key_packages(&alice, 1, &[], Some(&[2]), Stamp(0)), Ok(()), "one there is can be replaced");
    assert_eq!(store.add_key_packages(&name("bob"), max + 1, &[], Some(&[2]), Stamp(0)), Ok(()));
    assert_eq!(store.commit(), Ok(()));
}

pub(super) fn stale_one_time_packages_are_not_given_and_go_and_the_last_resort_is_given_for_ever(store: &mut impl Store) {
    two_accounts(store);
    let alice = name("alice");
    let (first, later) = (Stamp(10), Stamp(20));
    let after = Stamp(first.0 + 1);
    store.add_key_packages(&alice, SUITE, &[vec![1], vec![2]], Some(&[9]), first).expect("added");
    store.add_key_packages(&alice, SUITE, &[vec![3], vec![4], vec![5]], None, later).expect("added");
    // What is fresh counts and is given, the oldest first.
    assert_eq!((store.key_packages(&alice, first), store.key_packages(&alice, after)), (stock(5, true), stock(3, false)));
    assert_eq!(store.take_key_package(&alice, &[SUITE], first), Ok(Some(package(1))));
    assert_eq!(store.take_key_package(&alice, &[SUITE], after), Ok(Some(package(3))));
    // A last-resort one is asked for anew, and given meanwhile.
    assert_eq!(store.take_key_package(&alice, &[SUITE], Stamp(later.0 + 1)), Ok(Some(last_resort(9))));
    store.add_key_packages(&alice, SUITE, &[], Some(&[10]), first).expect("added");
    store.add_key_packages(&alice, SUITE, &[], Some(&[10]), later).expect("added");
    assert_eq!(store.key_packages(&alice, after), stock(2, false), "the same bytes again are no fresh package");
    store.add_key_packages(&alice, SUITE, &[], Some(&[11]), later).expect("added");
    assert_eq!(store.key_packages(&alice, after), stock(2, true));
    store.commit().expect("durable");
    // Cleaning removes what is past its time and not a moment before.
    assert_eq!(store.clean(first.after(KEY_PACKAGE_FOR), RETENTION), Ok(0));
    assert_eq!(store.key_packages(&alice, Stamp(0)), stock(3, true));
    assert_eq!(store.clean(after.after(KEY_PACKAGE_FOR), RETENTION), Ok(0));
    assert_eq!(store.key_packages(&alice, Stamp(0)), stock(2, true));
    assert_eq!(store.clean(Stamp(u64::MAX), RETENTION), Ok(0));
    assert_eq!(store.key_packages(&alice, Stamp(0)), stock(0, true));
    assert_eq!(store.take_key_package(&alice, &[SUITE], Stamp(u64::MAX)), Ok(Some(last_resort(11))));
}

pub(super) fn clean_of_key_packages_can_be_rolled_back(store: &mut impl Store) {
    two_accounts(store);
    let alice = name("alice");
    store.add_key_packages(&alice, SUITE, &[vec![1], vec![2]], Some(&[9]), Stamp(1)).expect("added");
    store.commit().expect("durable");
    assert_eq!(store.take_key_package(&alice, &[SUITE], Stamp(0)), Ok(Some(package(1))));
    store.clean(Stamp(u64::MAX), RETENTION).expect("cleaned");
    assert_eq!(store.key_packages(&alice, Stamp(0)), stock(0, true));
    store.roll_back().expect("rolled back");
    assert_eq!(store.key_packages(&alice, Stamp(0)), stock(2, true));
    for number in [1, 2] {
        assert_eq!(store.take_key_package(&alice, &[SUITE], Stamp(0)), Ok(Some(package(number))));
    }
}
