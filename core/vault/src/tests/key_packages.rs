//! Key packages.

use super::*;
use thicket_types::limits::{KEY_PACKAGES_KEPT_MAX, KEY_PACKAGES_LIVE_MAX, REPLACED_KEYS_FOR};
use thicket_types::time::Duration;
use thicket_types::vault_op::Published;

#[test]
fn a_one_time_key_package_lets_one_person_in() {
    let (mut alice, mut bob, mut carol) = three("carol");
    let package = package(&mut bob);
    for by in [&mut alice, &mut carol] {
        pin(by, &mut bob);
        assert_eq!(begin_with(by, bob.own(), package.clone()), begun());
    }
    let (first, second) = (say(&mut alice, &bob, "first"), say(&mut carol, &bob, "second"));
    hears(&mut bob, &alice, &first, "first");
    assert_eq!(read(&mut bob, &second), unreadable(&carol, Code::NoMatchingKeyPackage));
    assert_eq!((bob.rows().len(), bob.groups(&carol), bob.count("contact")), (1, 0, 1));
    // A contact's gets a row that says so.
    pin(&mut bob, &mut carol);
    let third = say(&mut carol, &bob, "third");
    assert_eq!(read(&mut bob, &third), unreadable(&carol, Code::NoMatchingKeyPackage));
    let row = bob.rows().remove(1);
    assert_eq!((row.contact, row.state), (carol.own(), MessageState::Unreadable));
    assert_eq!((row.text, row.cause), (None, Some(Code::NoMatchingKeyPackage)));
}

#[test]
fn a_last_resort_key_package_lets_everybody_in() {
    let (mut alice, mut bob, mut carol) = three("carol");
    let made = packages(&mut bob, 0, true);
    assert!(made.one_time.is_empty());
    for (by, text) in [(&mut alice, "from alice"), (&mut carol, "from carol")] {
        pin(by, &mut bob);
        assert_eq!(begin_with(by, bob.own(), made.last_resort.clone()), begun());
        let sealed = say(by, &bob, text);
        hears(&mut bob, by, &sealed, text);
    }
}

#[test]
fn no_more_key_packages_are_made_at_once_than_the_pool_holds() {
    let made = packages(&mut Person::new("alice", 1), u32::MAX, false);
    assert_eq!(u32::try_from(made.one_time.len()), Ok(KEY_PACKAGES));
    assert!(made.last_resort.is_empty());
}

#[test]
fn key_packages_that_nobody_uses_are_replaced_past_a_bound_and_made_no_more_past_another() {
    let mut bob = Person::new("bob", 2);
    let (mut live, mut kept) = (0, 0);
    // As asked by a relay that says each time that there is none.
    while kept < KEY_PACKAGES_KEPT_MAX {
        let made = packages(&mut bob, KEY_PACKAGES, false);
        let crowded = live >= KEY_PACKAGES_LIVE_MAX;
        assert_eq!((made.replaces, !made.last_resort.is_empty()), (crowded, crowded), "{live} live, {kept} kept");
        assert_eq!(bob.ask(VaultOp::Published { what: Published::KeyPackages, at: NOW }, &[]), Outcome::Done);
        let count = made.one_time.len() as u32;
        assert_eq!(count, KEY_PACKAGES.min(KEY_PACKAGES_KEPT_MAX - kept));
        live = if crowded { count } else { live + count };
        kept += count;
    }
    assert!(packages(&mut bob, KEY_PACKAGES, false).one_time.is_empty());
    // Where the replaced ones are destroyed there is room again.
    let later = NOW.after(REPLACED_KEYS_FOR).after(Duration(1));
    assert_eq!(bob.ask(VaultOp::Tidy { at: later }, &[]), Outcome::Done);
    assert_eq!(packages(&mut bob, KEY_PACKAGES, false).one_time.len() as u32, KEY_PACKAGES);
}

#[test]
fn a_key_package_that_is_malformed_or_anothers_begins_nothing() {
    let (mut alice, mut bob, mut carol) = three("carol");
    pin(&mut alice, &mut bob);
    let of_carol = package(&mut carol);
    assert_eq!(begin_with(&mut alice, bob.own(), of_carol), Outcome::Refused(Code::ForgedLeaf));
    let package = package(&mut bob);
    for bad in [Vec::new(), vec![7; 100], package[1..].to_vec(), [package.clone(), vec![0]].concat(), vec![0; KEY_PACKAGE_LEN_MAX + 1]] {
        assert_eq!(begin_with(&mut alice, bob.own(), bad), Outcome::Refused(Code::BadKeyPackage));
    }
    for place in sample(package.len(), 30) {
        let mut flipped = package.clone();
        flipped[place] ^= 1;
        let begun = begin_with(&mut alice, bob.own(), flipped);
        assert!(matches!(begun, Outcome::Refused(Code::BadKeyPackage | Code::ForgedLeaf)), "{place}: {begun:?}");
    }
    let op = VaultOp::BeginConversation { contact: bob.own(), answer: Seq(2), at: NOW };
    for frame in [Vec::new(), vec![255; 40], answer(Said::Stored(wire::Stored {}))] {
        assert_eq!(alice.ask(op.clone(), &frame), Outcome::Refused(Code::BadKeyPackage));
    }
    assert_eq!((alice.count("mls_group"), alice.count("mls")), (0, 0));
    let op = seal_op(&mut alice, &bob, "hello");
    assert_eq!(alice.ask(op, &[]), Outcome::Refused(Code::NoConversation));
    assert_eq!(begin_with(&mut alice, bob.own(), package), begun());
}

#[test]
fn a_last_resort_key_package_is_replaced_by_one_that_was_published_and_not_by_one_that_was_lost_on_the_way() {
    let published =
        |bob: &mut Person| assert_eq!(bob.ask(VaultOp::Published { what: Published::KeyPackages, at: NOW }, &[]), Outcome::Done);
    let replaced = |bob: &Person| -> u32 {
        let count = "SELECT count(*) FROM last_resort WHERE replaced IS NOT NULL";
        bob.vault.conn.query_row(count, [], |row| row.get(0)).expect("a table")
    };
    let mut bob = Person::new("bob", 2);
    packages(&mut bob, 0, true);
    published(&mut bob);
    // Lost on the way, and then others without one.
    packages(&mut bob, 0, true);
    packages(&mut bob, 3, false);
    published(&mut bob);
    assert_eq!(replaced(&bob), 0);
    packages(&mut bob, 0, true);
    published(&mut bob);
    assert_eq!(replaced(&bob), 2);
}

#[test]
fn a_publication_that_was_to_replace_a_crowd_and_was_lost_is_made_again() {
    let mut bob = Person::new("bob", 2);
    while bob.vault.conn.query_row("SELECT count(*) FROM publication WHERE crowded = 1", [], |row| row.get::<_, u32>(0)) == Ok(0) {
        packages(&mut bob, KEY_PACKAGES, false);
    }
    let again = packages(&mut bob, 1, false);
    assert!(again.replaces && !again.last_resort.is_empty());
    assert_eq!(bob.ask(VaultOp::Published { what: Published::KeyPackages, at: NOW }, &[]), Outcome::Done);
    assert!(!packages(&mut bob, 1, false).replaces);
}
