use super::*;
use thicket_types::limits::CAPABILITIES_MAX;
use thicket_types::time::Duration;

const FIRST: Quota = Quota::Capability(Digest([1; 32]));
const SECOND: Quota = Quota::Capability(Digest([2; 32]));

fn has(store: &mut impl Store, capabilities: [u64; 3]) -> [bool; 3] {
    capabilities.map(|number| store.capability(mailbox(1), digest(number)).expect("read"))
}

fn counts(store: &mut impl Store) -> (u64, [u64; 3]) {
    let of = [Quota::Requests, FIRST, SECOND].map(|quota| store.count_of(mailbox(1), quota).expect("read"));
    (store.count(mailbox(1)).expect("read"), of)
}

pub(super) fn capabilities_are_added_and_removed_and_repeats_change_nothing(store: &mut impl Store) {
    two_accounts(store);
    store.set_capabilities(mailbox(1), &[digest(1), digest(2), digest(1)], &[digest(3)]).expect("set");
    assert_eq!(has(store, [1, 2, 3]), [true, true, false]);
    assert_eq!(store.capability(mailbox(2), digest(1)), Ok(false), "a capability is of one mailbox");
    store.set_capabilities(mailbox(1), &[digest(1), digest(3)], &[digest(2), digest(2), digest(9)]).expect("set");
    assert_eq!(has(store, [1, 2, 3]), [true, false, true]);
    store.set_capabilities(mailbox(1), &[digest(2)], &[digest(2), digest(1)]).expect("set");
    assert_eq!(has(store, [1, 2, 3]), [false, true, true], "what is both added and removed is there");
    store.set_capabilities(mailbox(1), &[digest(2)], &[digest(2)]).expect("set");
    assert_eq!(has(store, [1, 2, 3]), [false, true, true], "and stays, if it was");
    store.set_capabilities(mailbox(1), &[], &[]).expect("nothing");
    assert_eq!(has(store, [1, 2, 3]), [false, true, true]);
}

pub(super) fn capabilities_are_bounded_and_a_refusal_changes_nothing(store: &mut impl Store) {
    two_accounts(store);
    let all: Vec<Digest> = (0..CAPABILITIES_MAX).map(digest).collect();
    for part in all.chunks(256) {
        store.set_capabilities(mailbox(1), part, &[]).expect("added");
    }
    store.commit().expect("durable");
    assert_eq!(store.set_capabilities(mailbox(1), &[digest(1), digest(CAPABILITIES_MAX)], &[]), Err(StoreError::Full));
    let two_for_one = [digest(CAPABILITIES_MAX), digest(CAPABILITIES_MAX + 1)];
    assert_eq!(store.set_capabilities(mailbox(1), &two_for_one, &[digest(0)]), Err(StoreError::Full));
    assert_eq!(has(store, [0, CAPABILITIES_MAX, CAPABILITIES_MAX + 1]), [true, false, false]);
    assert_eq!(store.set_capabilities(mailbox(1), &[digest(1)], &[]), Ok(()), "one that is there takes no place");
    assert_eq!(store.set_capabilities(mailbox(1), &[digest(CAPABILITIES_MAX)], &[digest(0)]), Ok(()), "one for one");
    assert_eq!(store.set_capabilities(mailbox(2), &[digest(0)], &[]), Ok(()), "another mailbox is not full");
    store.set_capabilities(mailbox(1), &[], &[digest(1), digest(2), digest(2)]).expect("removed");
    store.set_capabilities(mailbox(1), &two_for_one, &[]).expect("there is room for one, and one is there");
    assert_eq!(store.set_capabilities(mailbox(1), &[digest(0)], &[]), Ok(()));
    assert_eq!(store.set_capabilities(mailbox(1), &[digest(1)], &[]), Err(StoreError::Full));
    assert_eq!(store.commit(), Ok(()));
}

pub(super) fn full_quota_refuses_only_itself(store: &mut impl Store) {
    two_accounts(store);
    let limited = |quota, number| NewItem { quota, quota_max: 2, mailbox_max: 5, ..item(1, number, &[1], Stamp(0)) };
    let mut number = 0;
    let mut fill = |store: &mut dyn Store, quota| {
        for _ in 0..2 {
            number += 1;
            assert!(matches!(store.put_item(&limited(quota, number)), Ok(PutOutcome::Stored(_))));
        }
        number += 1;
        assert_eq!(store.put_item(&limited(quota, number)), Ok(PutOutcome::QuotaFull));
    };
    fill(store, FIRST);
    assert_eq!(counts(store), (2, [0, 2, 0]));
    fill(store, Quota::Requests);
    assert_eq!(counts(store), (4, [2, 2, 0]));
    assert!(matches!(store.put_item(&limited(SECOND, 100)), Ok(PutOutcome::Stored(_))));
    assert_eq!(store.put_item(&limited(SECOND, 101)), Ok(PutOutcome::Full), "the mailbox is full before the quota is");
    assert_eq!(store.put_item(&limited(FIRST, 102)), Ok(PutOutcome::Full));
    assert_eq!(counts(store), (5, [2, 2, 1]));
    put_by(store, 2, FIRST, 1, Stamp(0));
    assert_eq!(counts(store), (5, [2, 2, 1]), "a quota is of one mailbox");
}

pub(super) fn known_frame_is_repeated_whatever_its_quota(store: &mut impl Store) {
    two_accounts(store);
    let place = put_by(store, 1, FIRST, 1, Stamp(0));
    for quota in [FIRST, SECOND, Quota::Requests] {
        for (mailbox_max, quota_max) in [(u64::MAX, u64::MAX), (0, 0)] {
            let again = NewItem { quota, mailbox_max, quota_max, ..item(1, 1, &[1], Stamp(0)) };
            assert_eq!(store.put_item(&again), Ok(PutOutcome::Repeated));
        }
    }
    assert_eq!(counts(store), (1, [0, 1, 0]));
    store.remove_items(mailbox(1), &[place]).expect("removed");
    let again = NewItem { quota_max: 0, ..item(1, 1, &[1], Stamp(0)) };
    assert_eq!(store.put_item(&again), Ok(PutOutcome::Repeated));
    // Without room in its quota a new item is refused, and the mailbox is not asked.
    assert_eq!(store.put_item(&NewItem { quota_max: 0, ..item(1, 2, &[1], Stamp(0)) }), Ok(PutOutcome::QuotaFull));
    assert_eq!(store.put_item(&NewItem { quota: FIRST, quota_max: 0, ..item(1, 2, &[1], Stamp(0)) }), Ok(PutOutcome::QuotaFull));
    assert_eq!(counts(store), (0, [0, 0, 0]));
}

pub(super) fn revoked_capability_is_counted_until_its_items_are_gone(store: &mut impl Store) {
    two_accounts(store);
    let capability = Digest([1; 32]);
    store.set_capabilities(mailbox(1), &[capability], &[]).expect("added");
    let places = [put_by(store, 1, FIRST, 1, Stamp(0)), put_by(store, 1, FIRST, 2, Stamp(0))];
    store.set_capabilities(mailbox(1), &[], &[capability]).expect("revoked");
    assert_eq!(store.capability(mailbox(1), capability), Ok(false));
    assert_eq!(counts(store), (2, [0, 2, 0]));
    assert_eq!(store.items(mailbox(1), 10).expect("read").len(), 2, "what it brought stays");
    // Given again, it counts what it brought before.
    store.set_capabilities(mailbox(1), &[capability], &[]).expect("added");
    assert_eq!(counts(store), (2, [0, 2, 0]));
    store.set_capabilities(mailbox(1), &[], &[capability]).expect("revoked");
    store.remove_items(mailbox(1), &places).expect("removed");
    assert_eq!(counts(store), (0, [0, 0, 0]));
    assert_eq!(store.capability(mailbox(1), capability), Ok(false));
    store.set_capabilities(mailbox(1), &[capability], &[]).expect("added");
    assert_eq!((store.capability(mailbox(1), capability), counts(store)), (Ok(true), (0, [0, 0, 0])));
}

pub(super) fn counts_follow_what_is_removed_and_cleaned(store: &mut impl Store) {
    two_accounts(store);
    let of_first = put_by(store, 1, FIRST, 1, Stamp(1));
    put_by(store, 1, FIRST, 2, Stamp(5));
    let request = put(store, 1, 3, Stamp(1));
    put(store, 1, 4, Stamp(2));
    put_by(store, 1, SECOND, 5, Stamp(1));
    assert_eq!(counts(store), (5, [2, 2, 1]));
    store.remove_items(mailbox(1), &[of_first, request, of_first]).expect("removed");
    assert_eq!(counts(store), (3, [1, 1, 1]));
    assert_eq!(store.clean(Stamp(14), Duration(10)), Ok(2));
    assert_eq!(counts(store), (1, [0, 1, 0]));
    assert_eq!(store.clean(Stamp(99), Duration(10)), Ok(1));
    assert_eq!(counts(store), (0, [0, 0, 0]));
    assert_eq!(store.commit(), Ok(()));
}
