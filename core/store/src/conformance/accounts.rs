use super::*;

pub(super) fn account_is_found_by_its_key(store: &mut impl Store) {
    assert_eq!(store.account(&name("alice")), Ok(None));
    store.put_account(&name("ALICE"), &account("Alice", 1)).expect("kept");
    assert_eq!(store.account(&name("aLiCe")), Ok(Some(account("Alice", 1))));
    assert_eq!(store.account(&name("alice_")), Ok(None));
    assert_eq!(store.count(mailbox(1)), Ok(0));
}

pub(super) fn account_put_again_keeps_all_but_its_mailbox_key(store: &mut impl Store) {
    two_accounts(store);
    store.bind_lane(tag(1), &name("alice"), SESSION).expect("bound");
    store.add_key_packages(&name("alice"), SUITE, &[vec![1], vec![2]], Some(&[3]), Stamp(0)).expect("added");
    store.set_capabilities(mailbox(1), &[digest(1)], &[]).expect("added");
    store.set_generation(&name("alice"), [4; 16]).expect("set");
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
    assert_eq!(store.key_packages(&name("alice"), Stamp(0)), Ok(Stock { one_time: 2, last_resort: true }));
    assert_eq!(store.capability(mailbox(1), digest(1)), Ok(true));
    assert_eq!(store.generation(&name("alice")), Ok(Some([4; 16])));
    assert_eq!(store.items(mailbox(1), 10), Ok(vec![(place, 7_u64.to_be_bytes().to_vec())]));
    assert_eq!(store.lane_of(mailbox(1)), Ok(Some(tag(1))));
    assert_eq!(store.put_item(&item(3, 8, &[8], Stamp(0))), Ok(PutOutcome::Unknown));
}

pub(super) fn account_is_neither_taken_over_nor_given_a_mailbox_that_another_has(store: &mut impl Store) {
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
    assert_eq!(store.accounts(), Ok(2));
}

pub(super) fn accounts_are_counted(store: &mut impl Store) {
    assert_eq!(store.accounts(), Ok(0));
    two_accounts(store);
    assert_eq!(store.accounts(), Ok(2));
    store.put_account(&name("carol"), &account("carol", 3)).expect("kept");
    assert_eq!(store.accounts(), Ok(3));
    store.put_account(&name("carol"), &account("carol", 3)).expect("kept again");
    assert_eq!(store.accounts(), Ok(3), "one that is put again is no further one");
    store.roll_back().expect("rolled back");
    assert_eq!(store.accounts(), Ok(2));
}

pub(super) fn mailbox_key_is_replaced_and_nothing_else(store: &mut impl Store) {
    two_accounts(store);
    store.set_mailbox_key(&name("ALICE"), &[7, 1], &[7, 2]).expect("set");
    let kept = Account { mailbox_key_statement: vec![7, 1], mailbox_key_signature: vec![7, 2], ..account("Alice", 1) };
    assert_eq!(store.account(&name("alice")), Ok(Some(kept)));
    assert_eq!(store.account(&name("bob")), Ok(Some(account("bob", 2))));
}

pub(super) fn generation_is_set_by_account_and_outlives_a_new_mailbox_key(store: &mut impl Store) {
    two_accounts(store);
    let (alice, bob) = (name("alice"), name("bob"));
    assert_eq!((store.generation(&alice), store.generation(&name("carol"))), (Ok(None), Ok(None)));
    store.set_generation(&alice, [1; 16]).expect("set");
    store.set_generation(&alice, [2; 16]).expect("set");
    store.set_mailbox_key(&alice, &[7, 1], &[7, 2]).expect("set");
    store.put_account(&alice, &account("Alice", 1)).expect("kept");
    assert_eq!((store.generation(&alice), store.generation(&bob)), (Ok(Some([2; 16])), Ok(None)));
}

pub(super) fn what_needs_an_account_fails_without_one_and_spoils_nothing(store: &mut impl Store) {
    two_accounts(store);
    let carol = name("carol");
    put(store, 1, 1, Stamp(0));
    assert_eq!(store.add_key_packages(&carol, SUITE, &[vec![1]], Some(&[2]), Stamp(0)), Err(StoreError::Failed));
    assert_eq!(store.set_mailbox_key(&carol, &[1], &[2]), Err(StoreError::Failed));
    assert_eq!(store.set_generation(&carol, [1; 16]), Err(StoreError::Failed));
    assert_eq!(store.set_capabilities(mailbox(3), &[digest(1)], &[]), Err(StoreError::Failed));
    assert_eq!(store.key_packages(&carol, Stamp(0)), Ok(Stock::default()));
    assert_eq!(store.take_key_package(&carol, &[SUITE], Stamp(0)), Ok(None));
    assert_eq!(store.generation(&carol), Ok(None));
    assert_eq!(store.capability(mailbox(3), digest(1)), Ok(false));
    assert_eq!((store.count(mailbox(3)), store.count_of(mailbox(3), Quota::Requests)), (Ok(0), Ok(0)));
    assert_eq!(store.count_of(mailbox(3), Quota::Capability(digest(1))), Ok(0));
    assert_eq!(store.commit(), Ok(()));
    assert_eq!(store.count(mailbox(1)), Ok(1));
}
