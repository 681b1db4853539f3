//! Search, deletion, pins and safety numbers.

use super::*;
use thicket_types::limits::{PAST_EPOCHS_FOR, SEARCH_FOUND_MAX};
use thicket_types::time::Duration;

/// The texts of what a search finds.
fn found(by: &Person, words: &str, count_max: u32) -> Vec<String> {
    by.reader().search(words, count_max).expect("an intact vault").into_iter().filter_map(|row| row.text).collect()
}

#[test]
fn a_search_finds_what_holds_all_the_words_or_words_that_begin_so() {
    let (mut alice, mut bob) = two();
    begin(&mut alice, &mut bob);
    for text in ["Grüße from Zoë", "a letter from Zanzibar", "\"quoted\" OR not"] {
        let sealed = say(&mut alice, &bob, text);
        hears(&mut bob, &alice, &sealed, text);
    }
    for person in [&alice, &bob] {
        assert_eq!(found(person, "from", 10), ["a letter from Zanzibar", "Grüße from Zoë"]);
        assert_eq!(found(person, "from", 1), ["a letter from Zanzibar"]);
        assert_eq!(found(person, "zoe GRU", 10), ["Grüße from Zoë"]);
        assert_eq!(found(person, "from zanz letter", 10), ["a letter from Zanzibar"]);
        assert_eq!(found(person, "\"quoted\"", 10), ["\"quoted\" OR not"]);
        let syntax = ["letter OR zoe", "from NOT zanzibar", "text:from", "NEAR(from zoe)", "(", "\"", "*", "- +", "anzibar", "", " \t"];
        for words in syntax {
            assert!(found(person, words, 10).is_empty(), "{words}");
        }
    }
}

#[test]
fn what_is_forgotten_is_in_no_row_no_index_and_no_page() {
    let (mut alice, mut bob, mut carol) = three("carol");
    begin(&mut alice, &mut bob);
    begin(&mut alice, &mut carol);
    let sealed = say(&mut alice, &bob, "zanzibar to bob");
    hears(&mut bob, &alice, &sealed, "zanzibar to bob");
    pin(&mut bob, &mut alice);
    let sealed = say(&mut bob, &alice, "quagga from bob");
    hears(&mut alice, &bob, &sealed, "quagga from bob");
    say(&mut alice, &carol, "walrus to carol");
    alice.vault.checkpoint().expect("a vault that works");
    let held = |pages: &[u8]| ["zanzibar", "quagga", "walrus"].map(|word| contains(pages, word.as_bytes()));
    assert_eq!(held(&pages(&alice)), [true, true, true]);
    assert_eq!(alice.ask(VaultOp::Forget { contact: bob.own() }, &[]), Outcome::Done);
    assert_eq!(held(&pages(&alice)), [false, false, true]);
    assert_eq!(["zanzibar", "quagga", "walrus"].map(|word| found(&alice, word, 10).len()), [0, 0, 1]);
    assert_eq!(alice.rows().iter().map(|row| row.number).collect::<Vec<_>>(), [3]);
    // The keys stay: what comes after is read, what came before is known, and no number is used again.
    assert_eq!(read(&mut alice, &sealed), unreadable(&bob, Code::Repeated));
    let again = say(&mut bob, &alice, "again");
    hears(&mut alice, &bob, &again, "again");
    assert_eq!(alice.rows().iter().map(|row| row.number).collect::<Vec<_>>(), [3, 4]);
}

#[test]
fn what_a_reader_or_a_crash_left_in_the_log_is_gone_after_the_next_batch() {
    let (mut alice, mut bob) = two();
    begin(&mut alice, &mut bob);
    say(&mut alice, &bob, "zanzibar to bob");
    // Given a reader in the middle of a query when the message is forgotten.
    alice.vault.conn.execute_batch("PRAGMA busy_timeout = 0").expect("a setting");
    let reader =
        crate::schema::open(crate::schema::Place::file(&alice.path()), &key(), crate::schema::Mode::Read).expect("an intact vault");
    reader.execute_batch("BEGIN; SELECT count(*) FROM message;").expect("a reading");
    assert_eq!(alice.ask(VaultOp::Forget { contact: bob.own() }, &[]), Outcome::Done);
    let held = |of: &Person| contains(&pages(of), b"zanzibar");
    assert!(held(&alice), "the reader holds the log up");
    // And a process that dies there, of which the files stay.
    let died = TempDir::new().expect("a folder");
    for name in [DB, "vault.db-wal"] {
        fs::copy(alice.folder.path().join(name), died.path().join(name)).expect("room");
    }
    // When the reader is done, or another process goes on, with any op.
    drop(reader);
    let next = VaultOp::Compose(Ask::Challenge);
    assert!(matches!(alice.ask(next.clone(), &[]), Outcome::Framed { .. }));
    assert!(!held(&alice));
    let vault = SqlVault::open(&died.path().join(DB), &key(), seeded(9)).expect("an intact vault");
    let mut after = Person { who: "alice", folder: died, vault, asked: 2_000 };
    assert!(held(&after), "an open alone does nothing");
    assert!(matches!(after.ask(next, &[]), Outcome::Framed { .. }));
    assert!(!held(&after));
}

#[test]
fn forgetting_a_contact_leaves_the_same_body_with_another() {
    let (mut alice, mut bob, mut carol) = three("carol");
    begin(&mut alice, &mut bob);
    begin(&mut alice, &mut carol);
    let body = alice.vault.stage(b"to both").expect("room");
    for (to, message) in [(&bob, message_of("to bob")), (&carol, message_of("to carol"))] {
        let op = VaultOp::SealMessage { contact: to.own(), mailbox: to.mailbox(), message, body, at: NOW };
        asked(&alice.ask(op, &[]));
    }
    assert_eq!(alice.ask(VaultOp::Forget { contact: bob.own() }, &[]), Outcome::Done);
    let texts: Vec<_> = alice.rows().into_iter().map(|row| (row.contact, row.text)).collect();
    assert_eq!(texts, [(carol.own(), Some("to both".to_owned()))]);
    assert_eq!(found(&alice, "both", 10), ["to both"]);
}

#[test]
fn an_identity_that_is_unpinned_makes_room_for_another_and_is_still_read() {
    let (mut alice, mut bob) = two();
    let mut other = Person::new("bob", 9);
    begin(&mut alice, &mut bob);
    let sealed = say(&mut alice, &bob, "hello");
    hears(&mut bob, &alice, &sealed, "hello");
    pin(&mut bob, &mut alice);
    assert_eq!(alice.ask(VaultOp::Unpin { contact: bob.own() }, &[]), Outcome::Done);
    pin(&mut alice, &mut other);
    let of_bob = entry(&mut bob);
    let pinned = pin_as(&mut alice, "bob", of_bob);
    assert!(matches!(pinned, Outcome::Pinned { contradicts: Some(new), .. } if new == other.own()), "{pinned:?}");
    let sealed = say(&mut bob, &alice, "still here");
    hears(&mut alice, &bob, &sealed, "still here");
}

#[test]
fn both_sides_see_one_safety_number() {
    let (mut alice, mut bob, mut carol) = three("carol");
    begin(&mut alice, &mut bob);
    let sealed = say(&mut alice, &bob, "hello");
    hears(&mut bob, &alice, &sealed, "hello");
    pin(&mut alice, &mut carol);
    let number = |of: &Person, contact: Fingerprint| of.reader().safety_number(contact).expect("an intact vault");
    let with_bob = number(&alice, bob.own()).expect("a contact");
    assert_eq!(number(&bob, alice.own()), Some(with_bob.clone()));
    assert_ne!(number(&alice, carol.own()), Some(with_bob.clone()));
    assert_eq!(number(&alice, Fingerprint([9; 20])), None);
    let groups: Vec<&str> = with_bob.split(' ').collect();
    assert_eq!(groups.len(), 12);
    assert!(groups.iter().all(|group| group.len() == 5 && group.bytes().all(|digit| digit.is_ascii_digit())), "{with_bob}");
}

#[test]
fn a_search_gives_the_newest_to_its_bound_whatever_is_asked() {
    let (mut alice, bob) = talking();
    for number in 0..=SEARCH_FOUND_MAX {
        say(&mut alice, &bob, &format!("marzipan {number}"));
    }
    let found = found(&alice, "marzipan", u32::MAX);
    assert_eq!(found.len(), usize::try_from(SEARCH_FOUND_MAX).expect("a small number"));
    assert_eq!((found[0].as_str(), found[found.len() - 1].as_str()), ("marzipan 100", "marzipan 1"));
}

#[test]
fn whom_an_imported_identity_never_offered_to_begin_may_have_groups_that_are_not_here() {
    let (lost, mut bob) = (Person::new("alice", 1), Person::new("bob", 2));
    let locked = thicket_types::secret::Secret::new(b"correct horse".to_vec());
    let armored = lost.reader().export(&locked, seeded(7).lock().expect("no thread panics").as_mut()).expect("an identity");
    let folder = TempDir::new().expect("a folder");
    let new = NewAccount { origin: Origin::Imported { armored, passphrase: locked }, at: LATER };
    let vault = SqlVault::create(&folder.path().join(DB), &key(), seeded(3), &new).expect("a new vault");
    let mut alice = Person { who: "alice", folder, vault, asked: 1_000 };
    let anew = |by: &mut Person, of: &mut Person| {
        let shown = entry(of);
        matches!(pin_as(by, of.who, shown), Outcome::Pinned { anew: true, .. })
    };
    assert_eq!([anew(&mut alice, &mut bob), anew(&mut alice, &mut bob)], [true, true], "until they were told");
    alice = alice.reopened();
    let offer = VaultOp::SealOffer { contact: bob.own(), mailbox: bob.mailbox(), anew: true, at: NOW };
    assert!(matches!(alice.ask(offer, &[]), Outcome::Framed { .. }));
    assert!(!anew(&mut alice, &mut bob));
    let mut carol = Person::new("carol", 4);
    assert!(anew(&mut alice, &mut carol), "also in a later process");
    assert!(!anew(&mut bob, &mut alice), "whose identity was made there has none elsewhere");
}

#[test]
fn whose_groups_are_given_up_sends_in_none_of_them_and_tells_whoever_is_met_after() {
    let (mut alice, mut bob, mut carol) = three("carol");
    for person in [&mut bob, &mut carol] {
        pin(person, &mut alice);
        pin(&mut alice, person);
        begin(&mut alice, person);
        let hello = say(&mut alice, person, "hello");
        hears(person, &alice, &hello, "hello");
    }
    let anew = |by: &mut Person, of: &mut Person| {
        let shown = entry(of);
        matches!(pin_as(by, of.who, shown), Outcome::Pinned { anew: true, .. })
    };
    let told = VaultOp::SealOffer { contact: carol.own(), mailbox: carol.mailbox(), anew: true, at: NOW };
    assert!(matches!(alice.ask(told, &[]), Outcome::Framed { .. }), "told of something else, before");
    assert!(!anew(&mut alice, &mut bob) && !anew(&mut alice, &mut carol));
    // Carol is no contact any more: of her there is a group, and nobody who would give it up.
    assert_eq!(alice.ask(VaultOp::Forget { contact: carol.own() }, &[]), Outcome::Done);
    assert_eq!(alice.ask(VaultOp::GiveUpGroups, &[]), Outcome::Done);
    for person in [&mut bob, &mut carol] {
        let op = seal_op(&mut alice, person, "again");
        assert_eq!(alice.ask(op, &[]), Outcome::Refused(Code::NoConversation));
        assert!(anew(&mut alice, person));
        // What they still say in the old one is read.
        let late = say(person, &alice, "late");
        hears(&mut alice, person, &late, "late");
        let told = VaultOp::SealOffer { contact: person.own(), mailbox: person.mailbox(), anew: true, at: NOW };
        assert!(matches!(alice.ask(told, &[]), Outcome::Framed { .. }));
        assert!(!anew(&mut alice, person), "once");
    }
}

#[test]
fn a_welcome_that_another_copy_may_have_answered_is_read_and_nothing_is_sent_in_its_group() {
    let (mut alice, mut bob, mut carol) = three("carol");
    // Given a group that bob began with a key package that alice had when she took over, and one of carol's with a later one.
    for person in [&mut bob, &mut carol] {
        pin(&mut alice, person);
    }
    begin(&mut bob, &mut alice);
    assert_eq!(alice.ask(VaultOp::GiveUpGroups, &[]), Outcome::Done);
    begin(&mut carol, &mut alice);
    for (person, sends) in [(&mut bob, false), (&mut carol, true)] {
        let hello = say(person, &alice, "hello");
        assert!(matches!(read(&mut alice, &hello), Opened::Message { moved, .. } if moved == sends), "{}", person.who);
        let op = seal_op(&mut alice, person, "hello to you");
        assert_eq!(matches!(alice.ask(op, &[]), Outcome::Framed { .. }), sends, "{}", person.who);
    }
    // A key package that is gone is not remembered: bob's was used up.
    let before = alice.count("shared");
    assert_eq!(alice.ask(VaultOp::Tidy { at: NOW }, &[]), Outcome::Done);
    assert_eq!(alice.count("shared"), before - 1);
}

#[test]
fn what_is_left_of_a_stranger_who_was_declined_is_deleted_after_the_window_and_of_nobody_else() {
    let (mut alice, mut bob, mut carol) = three("carol");
    for person in [&mut bob, &mut carol] {
        begin(person, &mut alice);
        let hello = say(person, &alice, "hello");
        hears(&mut alice, person, &hello, "hello");
    }
    pin(&mut alice, &mut carol);
    for person in [&bob, &carol] {
        assert_eq!(alice.ask(VaultOp::Forget { contact: person.own() }, &[]), Outcome::Done);
    }
    let tidy = |alice: &mut Person, span: Duration| assert_eq!(alice.ask(VaultOp::Tidy { at: LATER.after(span) }, &[]), Outcome::Done);
    tidy(&mut alice, Duration(PAST_EPOCHS_FOR.0 - 1));
    assert_eq!((alice.groups(&bob), alice.groups(&carol), alice.count("contact")), (1, 1, 2));
    tidy(&mut alice, PAST_EPOCHS_FOR);
    assert_eq!((alice.groups(&bob), alice.groups(&carol), alice.count("contact")), (0, 1, 1));
}
