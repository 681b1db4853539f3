use super::*;
use thicket_types::limits::{RELAY_ANSWERS_FOR, RETENTION};

pub(super) fn roll_back_takes_back_each_kind_of_change<S: Store>(store: &mut S) {
    filled(store);
    let changes: [fn(&mut S); 21] = [
        |store| store.put_account(&name("carol"), &account("carol", 3)).expect("kept"),
        |store| {
            let again = Account { mailbox_key_statement: vec![5], ..account("Alice", 1) };
            store.put_account(&name("alice"), &again).expect("kept");
        },
        |store| store.set_mailbox_key(&name("bob"), &[5], &[6]).expect("set"),
        |store| store.set_generation(&name("alice"), [2; 16]).expect("set"),
        |store| store.set_generation(&name("bob"), [2; 16]).expect("set"),
        |store| store.bind_lane(tag(3), &name("alice"), SESSION).expect("bound"),
        |store| store.bind_lane(tag(2), &name("alice"), SESSION).expect("bound"),
        |store| store.add_key_packages(&name("alice"), SUITE, &[vec![3]], None, Stamp(0)).expect("added"),
        |store| store.add_key_packages(&name("bob"), 2, &[], Some(&[8]), Stamp(0)).expect("added"),
        |store| store.bind_lane(tag(1), &name("alice"), [7; 32]).expect("bound"),
        |store| assert_eq!(store.take_key_package(&name("alice"), &[SUITE], Stamp(0)), Ok(Some(package(1)))),
        |store| {
            for _ in 0..3 {
                store.take_key_package(&name("alice"), &[SUITE], Stamp(0)).expect("taken, the last-resort one last");
            }
        },
        |store| store.set_capabilities(mailbox(1), &[digest(3)], &[digest(1)]).expect("set"),
        |store| {
            put(store, 1, 9, Stamp(9));
        },
        |store| {
            put_by(store, 1, Quota::Capability(digest(2)), 10, Stamp(9));
        },
        |store| store.remove_items(mailbox(1), &[1, 2, 4]).expect("removed"),
        |store| store.remember_answer(tag(2), frame(2), &[2], Stamp(1)).expect("remembered"),
        |store| store.remember_answer(tag(1), frame(1), &[3], Stamp(1)).expect("remembered"),
        |store| {
            store.clean(Stamp(RETENTION.0 + 3), RETENTION).expect("cleaned");
        },
        |store| {
            store.clean(Stamp(RELAY_ANSWERS_FOR.0 + 2), RETENTION).expect("cleaned");
        },
        |store| store.remove_key_packages(&name("alice")).expect("removed"),
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
    assert_eq!(store.put_item(&item(1, 1, &[1], Stamp(9))), Ok(PutOutcome::Repeated));
}

pub(super) fn roll_back_takes_back_a_mix_and_not_what_is_committed(store: &mut impl Store) {
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
    store.bind_lane(tag(3), &name("carol"), SESSION).expect("bound");
    store.bind_lane(tag(1), &name("carol"), SESSION).expect("bound");
    store.bind_lane(tag(2), &name("alice"), SESSION).expect("bound");
    store.bind_lane(tag(3), &name("bob"), SESSION).expect("bound");
    store.add_key_packages(&name("carol"), SUITE, &[vec![1]], None, Stamp(0)).expect("added");
    assert_eq!(store.take_key_package(&name("carol"), &[SUITE], Stamp(0)), Ok(Some(package(1))));
    store.add_key_packages(&name("carol"), SUITE, &[vec![2]], Some(&[3]), Stamp(0)).expect("added");
    store.roll_back().expect("rolled back");
    assert_eq!(seen(store), before);
    assert_eq!(store.put_item(&item(3, 1, &[1], Stamp(0))), Ok(PutOutcome::Unknown));
    assert_eq!(store.put_item(&item(1, 1, &[1], Stamp(0))), Ok(PutOutcome::Repeated));
}

pub(super) fn roll_back_takes_back_challenges_and_the_order_of_key_packages(store: &mut impl Store) {
    two_accounts(store);
    let alice = name("alice");
    let take = |store: &mut dyn Store| store.take_key_package(&alice, &[SUITE], Stamp(0)).expect("read");
    store.put_challenge([1; 32], &challenge("alice", Stamp(5))).expect("kept");
    store.add_key_packages(&alice, SUITE, &[vec![1], vec![2], vec![3]], Some(&[9]), Stamp(0)).expect("added");
    store.commit().expect("durable");
    store.put_challenge([2; 32], &challenge_on(2, "alice", Stamp(5))).expect("kept");
    assert_eq!(store.take_challenge([1; 32]), Ok(Some(challenge("alice", Stamp(5)))));
    take(store);
    take(store);
    store.add_key_packages(&alice, SUITE, &[vec![4]], Some(&[10]), Stamp(0)).expect("added");
    for _ in 0..3 {
        take(store);
    }
    store.roll_back().expect("rolled back");
    assert_eq!(store.take_challenge([2; 32]), Ok(None));
    assert_eq!(store.take_challenge([1; 32]), Ok(Some(challenge("alice", Stamp(5)))));
    for number in [1, 2, 3] {
        assert_eq!(take(store), Some(package(number)));
    }
    assert_eq!(take(store), Some(last_resort(9)));
    store.put_challenge([3; 32], &challenge("alice", Stamp(5))).expect("kept");
    store.clean(Stamp(6), RETENTION).expect("cleaned");
    store.commit().expect("durable");
    store.roll_back().expect("nothing to do");
    assert_eq!(store.take_challenge([3; 32]), Ok(None));
}

pub(super) fn roll_back_takes_back_what_was_counted_against_capabilities(store: &mut impl Store) {
    filled(store);
    let (first, third) = (Quota::Capability(digest(1)), Quota::Capability(digest(3)));
    let before = seen(store);
    // The row of a capability is made, changed, emptied and removed in one go.
    put_by(store, 1, third, 20, Stamp(0));
    store.set_capabilities(mailbox(1), &[digest(3)], &[digest(1)]).expect("set");
    put_by(store, 1, third, 21, Stamp(0));
    store.remove_items(mailbox(1), &[4, 5, 6]).expect("removed");
    store.set_capabilities(mailbox(1), &[digest(1)], &[digest(3), digest(2)]).expect("set");
    put_by(store, 1, first, 22, Stamp(0));
    store.roll_back().expect("rolled back");
    assert_eq!(seen(store), before);
    assert_eq!((store.count_of(mailbox(1), first), store.count_of(mailbox(1), third)), (Ok(1), Ok(0)));
}

pub(super) fn no_two_items_share_a_place_after_a_roll_back(store: &mut impl Store) {
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

pub(super) fn clean_can_be_rolled_back_and_takes_nothing_else_for_committed(store: &mut impl Store) {
    filled(store);
    let before = seen(store);
    put(store, 1, 9, Stamp(RETENTION.0));
    store.bind_lane(tag(3), &name("alice"), SESSION).expect("bound");
    assert_eq!(store.clean(Stamp(2).after(RETENTION), RETENTION), Ok(2));
    store.remember_answer(tag(2), frame(2), &[2], Stamp(1)).expect("remembered");
    store.roll_back().expect("rolled back");
    assert_eq!(seen(store), before);
    assert_eq!(store.put_item(&item(2, 1, &[1], Stamp(0))), Ok(PutOutcome::Repeated));
}

pub(super) fn commit_and_roll_back_of_nothing_do_nothing(store: &mut impl Store) {
    assert_eq!((store.commit(), store.roll_back(), store.commit()), (Ok(()), Ok(()), Ok(())));
    filled(store);
    let before = seen(store);
    assert_eq!((store.roll_back(), store.roll_back(), store.commit()), (Ok(()), Ok(()), Ok(())));
    assert_eq!(seen(store), before);
}
