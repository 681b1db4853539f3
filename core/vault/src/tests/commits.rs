//! Key updates in a group of two: pending until the other side follows, crossing, late and early messages around them.

use super::*;
use thicket_types::limits::{PAST_EPOCHS_FOR, PAST_EPOCHS_MAX};
use thicket_types::time::Duration;

fn update(by: &mut Person, to: &Person) -> Vec<u8> {
    put(&by.ask(VaultOp::UpdateKeys { contact: to.own(), mailbox: to.mailbox(), at: NOW }, &[])).envelope
}

/// The word that says no more than which epoch we are in.
fn word(by: &mut Person, to: &Person) -> Vec<u8> {
    let op = VaultOp::SealReceipt { contact: to.own(), mailbox: to.mailbox(), messages: Vec::new(), at: NOW };
    put(&by.ask(op, &[])).envelope
}

fn epoch(of: &Person) -> u64 {
    let id: Vec<u8> = of.vault.conn.query_row("SELECT id FROM mls_group WHERE sending = 1", [], |row| row.get(0)).expect("a group");
    let provider = Provider::new(&of.vault.conn, of.vault.entropy.clone());
    MlsGroup::load(provider.storage(), &GroupId::from_slice(&id)).expect("a store").expect("a group").epoch().as_u64()
}

fn committed(contact: &Person, owed: bool, moved: bool) -> Opened {
    Opened::Committed { contact: contact.own(), owed, moved }
}

fn acknowledged(contact: &Person, moved: bool) -> Opened {
    Opened::Receipt { contact: contact.own(), delivered: Vec::new(), moved }
}

#[test]
fn an_update_is_followed_at_once_and_stands_when_the_other_side_writes_in_the_new_epoch() {
    let (mut alice, mut bob) = talking();
    let before = epoch(&alice);
    let commit = update(&mut alice, &bob);
    // Until she hears of it she goes on in the old epoch, and is read.
    let meanwhile = say(&mut alice, &bob, "meanwhile");
    assert_eq!(epoch(&alice), before);
    assert_eq!(read(&mut bob, &commit), committed(&alice, true, true));
    assert_eq!(epoch(&bob), before + 1);
    hears(&mut bob, &alice, &meanwhile, "meanwhile");
    let told = word(&mut bob, &alice);
    assert_eq!(read(&mut alice, &told), acknowledged(&bob, true));
    assert_eq!(epoch(&alice), before + 1);
    for text in ["one", "two"] {
        let sealed = say(&mut alice, &bob, text);
        hears(&mut bob, &alice, &sealed, text);
        let sealed = say(&mut bob, &alice, &format!("{text} back"));
        hears(&mut alice, &bob, &sealed, &format!("{text} back"));
    }
    assert!(bob.heard().contains(&"meanwhile".to_owned()));
}

#[test]
fn any_message_in_the_new_epoch_settles_a_pending_update() {
    let (mut alice, mut bob) = talking();
    let commit = update(&mut bob, &alice);
    assert_eq!(read(&mut alice, &commit), committed(&bob, true, true));
    let sealed = say(&mut alice, &bob, "in the new epoch");
    let Opened::Message { moved: true, .. } = read(&mut bob, &sealed) else {
        panic!("not read, or not moved");
    };
    assert_eq!(epoch(&bob), epoch(&alice));
}

#[test]
fn of_two_crossing_updates_that_of_leaf_0_stands() {
    let (mut alice, mut bob) = talking();
    let (of_alice, of_bob) = (update(&mut alice, &bob), update(&mut bob, &alice));
    let from_bob = say(&mut bob, &alice, "while mine was pending");
    // Alice keeps hers; Bob drops his.
    assert_eq!(read(&mut alice, &of_bob), committed(&bob, false, false));
    assert_eq!(read(&mut bob, &of_alice), committed(&alice, true, true));
    hears(&mut alice, &bob, &from_bob, "while mine was pending");
    let told = word(&mut bob, &alice);
    assert_eq!(read(&mut alice, &told), acknowledged(&bob, true));
    assert_eq!(epoch(&alice), epoch(&bob));
    let sealed = say(&mut alice, &bob, "together");
    hears(&mut bob, &alice, &sealed, "together");
    // Bob's next is one of the new epoch, and no longer that which lost.
    let again = update(&mut bob, &alice);
    assert_eq!(read(&mut alice, &again), committed(&bob, true, true));
}

#[test]
fn an_update_that_is_pending_goes_again_as_the_same_commit() {
    let (mut alice, mut bob) = talking();
    let (first, second) = (update(&mut alice, &bob), update(&mut alice, &bob));
    assert_ne!(first, second, "each envelope is sealed anew");
    assert_eq!(mls_message(&inside(&bob, &first)), mls_message(&inside(&bob, &second)));
    assert_eq!(read(&mut bob, &first), committed(&alice, true, true));
    let at = epoch(&bob);
    // She has not heard: she is told once more, and nothing else happens.
    assert_eq!(read(&mut bob, &second), committed(&alice, true, false));
    assert_eq!(epoch(&bob), at);
    assert_eq!(bob.rows().iter().filter(|row| row.state == MessageState::Unreadable).count(), 0);
}

/// A vault as it was when its file was copied.
fn put_back(person: Person, saved: &[u8]) -> Person {
    let Person { who, folder, mut vault, asked } = person;
    vault.checkpoint().expect("an idle vault");
    drop(vault);
    fs::write(folder.path().join(DB), saved).expect("room");
    let vault = SqlVault::open(&folder.path().join(DB), &key(), seeded(77)).expect("an intact vault");
    Person { who, folder, vault, asked }
}

#[test]
fn what_is_ahead_of_its_commit_is_early_and_read_after_it_or_unreadable_at_last() {
    let (mut alice, mut bob) = talking();
    bob.vault.checkpoint().expect("an idle vault");
    let saved = fs::read(bob.path()).expect("a file");
    let commit = update(&mut alice, &bob);
    read(&mut bob, &commit);
    let told = word(&mut bob, &alice);
    read(&mut alice, &told);
    let (ahead, given_up) = (say(&mut alice, &bob, "ahead"), say(&mut alice, &bob, "given up"));

    // To a Bob whom the commit has not reached they come too early.
    let mut bob = put_back(bob, &saved);
    assert!(matches!(read(&mut bob, &ahead), Opened::Early { contact, .. } if contact == alice.own()));
    assert_eq!(deliver(&mut bob, &given_up, true), Outcome::Opened(unreadable(&alice, Code::NoConversation)));
    assert_eq!(read(&mut bob, &commit), committed(&alice, true, true));
    hears(&mut bob, &alice, &ahead, "ahead");
}

/// Moves both on by so many epochs.
fn move_on(alice: &mut Person, bob: &mut Person, epochs: u64) {
    for _ in 0..epochs {
        let commit = update(alice, bob);
        assert_eq!(read(bob, &commit), committed(alice, true, true));
        let told = word(bob, alice);
        assert_eq!(read(alice, &told), acknowledged(bob, true));
    }
}

#[test]
fn a_late_message_is_read_once_within_20_epochs_and_never_after() {
    let (mut alice, mut bob) = talking();
    let texts = ["first", "second", "too late"];
    let late: Vec<Vec<u8>> = texts.iter().map(|text| say(&mut alice, &bob, text)).collect();
    move_on(&mut alice, &mut bob, 1);
    hears(&mut bob, &alice, &late[0], texts[0]);
    assert_eq!(read(&mut bob, &late[0]), unreadable(&alice, Code::Repeated));
    move_on(&mut alice, &mut bob, PAST_EPOCHS_MAX - 1);
    hears(&mut bob, &alice, &late[1], texts[1]);
    move_on(&mut alice, &mut bob, 1);
    assert_eq!(read(&mut bob, &late[2]), unreadable(&alice, Code::TooOld));
    // Nothing of older epochs is left, and of each one since a copy.
    assert_eq!(bob.count("past_epoch"), PAST_EPOCHS_MAX);
    assert_eq!(bob.count("(SELECT DISTINCT epoch FROM mls WHERE epoch >= 0)"), PAST_EPOCHS_MAX);
}

#[test]
fn a_past_epoch_is_destroyed_after_45_days() {
    let (mut alice, mut bob) = talking();
    let late = say(&mut alice, &bob, "late");
    move_on(&mut alice, &mut bob, 1);
    let tidy = |bob: &mut Person, after: Duration| assert_eq!(bob.ask(VaultOp::Tidy { at: LATER.after(after) }, &[]), Outcome::Done);
    tidy(&mut bob, Duration(PAST_EPOCHS_FOR.0 - 1));
    assert_eq!(bob.count("past_epoch"), 1);
    tidy(&mut bob, PAST_EPOCHS_FOR);
    assert_eq!(bob.count("past_epoch"), 0);
    assert_eq!(bob.count("(SELECT 1 FROM mls WHERE epoch >= 0)"), 0);
    assert_eq!(read(&mut bob, &late), unreadable(&alice, Code::TooOld));
}

#[test]
fn a_copy_of_an_epoch_holds_no_secret_of_the_next() {
    let (mut alice, mut bob) = talking();
    let state = |of: &Person, epoch: i64| -> Vec<u8> {
        let find = "SELECT value FROM mls WHERE kind = 9 AND epoch = ?1";
        of.vault.conn.query_row(find, [epoch], |row| row.get(0)).expect("a state")
    };
    let operational = state(&alice, -1);
    let commit = update(&mut alice, &bob);
    assert!(state(&alice, -1).len() > 500, "a pending commit is there");
    read(&mut bob, &commit);
    let told = word(&mut bob, &alice);
    read(&mut alice, &told);
    let copied = i64::try_from(epoch(&alice) - 1).expect("a small epoch");
    assert_eq!(state(&alice, copied), operational);
}

#[test]
fn a_commit_that_does_more_than_renew_keys_is_refused_and_changes_nothing() {
    let (mut alice, mut bob) = talking();
    let mut carol = Person::new("carol", 3);
    let at = epoch(&bob);
    let commits = [
        {
            let package = package(&mut carol);
            let id: Vec<u8> = alice.vault.conn.query_row("SELECT id FROM mls_group", [], |row| row.get(0)).expect("a group");
            let provider = Provider::new(&alice.vault.conn, alice.vault.entropy.clone());
            let package = crate::mls::group::read_key_package(&provider, &package).expect("a package");
            let mut mls = MlsGroup::load(provider.storage(), &GroupId::from_slice(&id)).expect("a store").expect("a group");
            let (commit, _, _) = mls.add_members(&provider, &alice.vault.account.signer, &[package]).expect("a commit");
            mls.clear_pending_commit(provider.storage()).expect("a store");
            commit.to_bytes().expect("bytes")
        },
        {
            let id: Vec<u8> = alice.vault.conn.query_row("SELECT id FROM mls_group", [], |row| row.get(0)).expect("a group");
            let provider = Provider::new(&alice.vault.conn, alice.vault.entropy.clone());
            let mut mls = MlsGroup::load(provider.storage(), &GroupId::from_slice(&id)).expect("a store").expect("a group");
            let other = openmls::prelude::LeafNodeIndex::new(1);
            let (commit, _, _) = mls.remove_members(&provider, &alice.vault.account.signer, &[other]).expect("a commit");
            mls.clear_pending_commit(provider.storage()).expect("a store");
            commit.to_bytes().expect("bytes")
        },
    ];
    for commit in commits {
        let sealed = forge(&bob, &alice, Inside::MlsMessage(commit));
        assert_eq!(read(&mut bob, &sealed), unreadable(&alice, Code::BadCommit));
        assert_eq!(epoch(&bob), at);
    }
    let sealed = say(&mut alice, &bob, "still here");
    hears(&mut bob, &alice, &sealed, "still here");
}

#[test]
fn a_refused_commit_does_not_cost_the_pending_one() {
    let (mut alice, mut bob) = talking();
    let commit = update(&mut bob, &alice);
    // Leaf 1 drops its own on seeing leaf 0's; one that is refused takes that back.
    let id: Vec<u8> = alice.vault.conn.query_row("SELECT id FROM mls_group", [], |row| row.get(0)).expect("a group");
    let forged = {
        let provider = Provider::new(&alice.vault.conn, alice.vault.entropy.clone());
        let mut mls = MlsGroup::load(provider.storage(), &GroupId::from_slice(&id)).expect("a store").expect("a group");
        let other = openmls::prelude::LeafNodeIndex::new(1);
        let (commit, _, _) = mls.remove_members(&provider, &alice.vault.account.signer, &[other]).expect("a commit");
        mls.clear_pending_commit(provider.storage()).expect("a store");
        commit.to_bytes().expect("bytes")
    };
    let sealed = forge(&bob, &alice, Inside::MlsMessage(forged));
    assert_eq!(read(&mut bob, &sealed), unreadable(&alice, Code::BadCommit));
    assert_eq!(read(&mut alice, &commit), committed(&bob, true, true));
    let sealed = say(&mut alice, &bob, "in yours");
    hears(&mut bob, &alice, &sealed, "in yours");
}

#[test]
fn an_update_before_the_contact_was_heard_carries_the_welcome() {
    let (mut alice, mut bob) = two();
    begin(&mut alice, &mut bob);
    let commit = update(&mut alice, &bob);
    let hello = say(&mut alice, &bob, "hello");
    assert_eq!(read(&mut bob, &commit), committed(&alice, true, true));
    hears(&mut bob, &alice, &hello, "hello");
    assert_eq!(alice.groups(&bob), 1);
}

#[test]
fn without_a_conversation_there_is_nothing_to_renew() {
    let (mut alice, mut bob) = two();
    pin(&mut alice, &mut bob);
    let op = VaultOp::UpdateKeys { contact: bob.own(), mailbox: bob.mailbox(), at: NOW };
    assert_eq!(alice.ask(op, &[]), Outcome::Refused(Code::NoConversation));
}
