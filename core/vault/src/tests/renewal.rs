//! What is renewed and what it replaces: mailbox keys, last-resort packages, capabilities, generations; and rows that change.

use super::*;
use thicket_types::limits::{GENERATIONS_MAX, PAST_EPOCHS_FOR, REPLACED_KEYS_FOR, STAMP_BITS_MAX, UNREADABLE_ROWS_MAX};
use thicket_types::time::Duration;
use thicket_types::vault_op::Published;

fn tidy(person: &mut Person, at: Stamp) {
    assert_eq!(person.ask(VaultOp::Tidy { at }, &[]), Outcome::Done);
}

/// The relay took what was published last.
fn taken(person: &mut Person, what: Published, at: Stamp) {
    assert_eq!(person.ask(VaultOp::Published { what, at }, &[]), Outcome::Done);
}

#[test]
fn mail_sealed_to_a_replaced_key_is_read_for_52_days_and_no_longer() {
    let (mut alice, mut bob) = talking();
    let (first, second) = (say(&mut alice, &bob, "to the old key"), say(&mut alice, &bob, "too late"));
    let made = bob.ask(VaultOp::RotateMailboxKey { at: LATER }, &[]);
    let Owned::MailboxKey(published) = asked_as_owner(&bob, &made) else {
        panic!("nothing published");
    };
    // As long as the relay has not taken it, the one before is published, and stays.
    tidy(&mut bob, LATER.after(REPLACED_KEYS_FOR).after(REPLACED_KEYS_FOR));
    taken(&mut bob, Published::MailboxKey, LATER);
    let mailbox_key = published.mailbox_key.expect("a key");
    let statement = wire::MailboxKeyStatement::decode(mailbox_key.statement.as_slice()).expect("a statement");
    assert_eq!((statement.from_ms, statement.key.as_slice()), (LATER.0, mailbox_key_of(&bob).as_slice()));
    hears(&mut bob, &alice, &first, "to the old key");
    // Whoever looks the contact up again seals to the new one.
    let mut entry = entry(&mut bob);
    entry.mailbox_key = Some(mailbox_key);
    assert!(matches!(pin_as(&mut alice, "bob", entry), Outcome::Pinned { .. }));
    let fresh = say(&mut alice, &bob, "to the new key");
    tidy(&mut bob, LATER.after(REPLACED_KEYS_FOR));
    assert!(matches!(bob.vault.admit(&item(1, &second), Lane::Named, None), Ok(Some(Arrival { content: Arrived::Envelope { .. }, .. }))));
    tidy(&mut bob, LATER.after(REPLACED_KEYS_FOR).after(Duration(1)));
    let expected = Arrived::Unsealable { cursor: 1, cause: Code::Unsealable };
    assert!(matches!(bob.vault.admit(&item(1, &second), Lane::Named, None), Ok(Some(Arrival { content, .. })) if content == expected));
    hears(&mut bob, &alice, &fresh, "to the new key");
    // A new process has the same keys.
    let mut bob = bob.reopened();
    let fresh = say(&mut alice, &bob, "to the new process");
    hears(&mut bob, &alice, &fresh, "to the new process");
}

#[test]
fn a_mailbox_key_that_was_not_published_is_published_the_next_time_and_makes_no_other() {
    let mut bob = Person::new("bob", 2);
    log_in(&mut bob);
    let published = |bob: &mut Person, at| {
        let made = bob.ask(VaultOp::RotateMailboxKey { at }, &[]);
        let Owned::MailboxKey(published) = asked_as_owner(bob, &made) else {
            panic!("nothing published");
        };
        published.mailbox_key.expect("a key").statement
    };
    let first = published(&mut bob, LATER);
    assert_eq!(published(&mut bob, LATER), first);
    bob = bob.reopened();
    assert_eq!(published(&mut bob, LATER), first);
    // Another device's may be there: a later time asks for another one.
    let second = published(&mut bob, LATER.after(Duration(1)));
    assert_ne!(second, first);
    taken(&mut bob, Published::MailboxKey, LATER.after(Duration(2)));
    assert_ne!(published(&mut bob, LATER.after(Duration(1))), second);
}

#[test]
fn a_replaced_last_resort_package_lets_people_in_for_52_days() {
    for (after, lets_in) in [(REPLACED_KEYS_FOR, true), (Duration(REPLACED_KEYS_FOR.0 + 1), false)] {
        let (mut alice, mut bob) = two();
        pin(&mut alice, &mut bob);
        let old = packages(&mut bob, 0, true).last_resort;
        let new = packages(&mut bob, 0, true).last_resort;
        assert_ne!(old, new);
        tidy(&mut bob, NOW.after(REPLACED_KEYS_FOR).after(REPLACED_KEYS_FOR));
        taken(&mut bob, Published::KeyPackages, NOW);
        tidy(&mut bob, NOW.after(after));
        assert_eq!(begin_with(&mut alice, bob.own(), old), begun());
        let hello = say(&mut alice, &bob, "hello");
        let opened = read(&mut bob, &hello);
        assert_eq!(matches!(opened, Opened::Message { .. }), lets_in, "{opened:?}");
        // The one that is published stays however long it takes.
        let mut carol = Person::new("carol", 3);
        pin(&mut carol, &mut bob);
        assert_eq!(begin_with(&mut carol, bob.own(), new), begun());
        let hello = say(&mut carol, &bob, "hello");
        hears(&mut bob, &carol, &hello, "hello");
    }
}

#[test]
fn what_a_stock_was_replaced_by_stays_and_what_it_replaced_lets_people_in_for_52_days() {
    for (after, lets_in) in [(REPLACED_KEYS_FOR, true), (Duration(REPLACED_KEYS_FOR.0 + 1), false)] {
        let (mut alice, mut bob) = two();
        pin(&mut alice, &mut bob);
        let old = package(&mut bob);
        let made = bob.ask(VaultOp::MakeKeyPackages { count: 1, last_resort: true, replaces: true, at: NOW }, &[]);
        let Owned::Publish(mut new) = asked_as_owner(&bob, &made) else {
            panic!("nothing published");
        };
        assert!(new.replaces);
        tidy(&mut bob, NOW.after(after));
        assert_eq!(begin_with(&mut alice, bob.own(), old), begun());
        let hello = say(&mut alice, &bob, "hello");
        let opened = read(&mut bob, &hello);
        assert_eq!(matches!(opened, Opened::Message { .. }), lets_in, "{opened:?}");
        for (who, seed, package) in [("carol", 3, new.one_time.remove(0)), ("dave", 4, new.last_resort)] {
            let mut person = Person::new(who, seed);
            pin(&mut person, &mut bob);
            assert_eq!(begin_with(&mut person, bob.own(), package), begun());
            let hello = say(&mut person, &bob, "hello");
            hears(&mut bob, &person, &hello, "hello");
        }
    }
}

#[test]
fn what_only_an_owner_may_ask_needs_a_login_and_is_signed_for_the_last_one() {
    let mut alice = Person::new("alice", 1);
    let fetch = || VaultOp::Compose(Ask::Fetch { items_max: 1, swap: false });
    assert_eq!(alice.ask(fetch(), &[]), Outcome::Refused(Code::NotLoggedIn));
    for nonce in [[6; 32], [7; 32]] {
        let challenge = Challenge { nonce, ..challenge() };
        alice.ask(VaultOp::SignLogin { challenge: challenge.clone(), takes_over: false }, &[]);
        alice = alice.reopened();
        let Outcome::Framed { bytes, .. } = alice.ask(fetch(), &[]) else {
            panic!("no frame");
        };
        let request = wire::Request::decode(bytes.0.as_slice()).expect("a request");
        let Some(Asked::Owner(owner)) = request.ask else {
            panic!("nothing that an owner asks");
        };
        alice.vault.own().1.verify(context::OWNER, &owner.statement, &owner.signature).expect("alice's signature");
        let statement = wire::OwnerStatement::decode(owner.statement.as_slice()).expect("a statement");
        assert_eq!((statement.relay_key, statement.session), (challenge.relay.0.to_vec(), nonce.to_vec()));
        assert_eq!(statement.nonce, request.nonce, "for this request alone");
        assert_eq!(statement.number, 0, "a fetch that swaps nothing may be done twice");
    }
}

#[test]
fn what_a_session_does_once_is_numbered_from_its_login_on() {
    let mut alice = Person::new("alice", 1);
    let number = |outcome: &Outcome| {
        let Asked::Owner(owner) = asked(outcome) else {
            panic!("nothing that an owner asks");
        };
        wire::OwnerStatement::decode(owner.statement.as_slice()).expect("a statement").number
    };
    let packages = || VaultOp::MakeKeyPackages { count: 1, last_resort: false, replaces: false, at: NOW };
    let set = || VaultOp::SetCapabilities { grant: Vec::new(), renew: Vec::new(), revoke: Vec::new() };
    log_in(&mut alice);
    assert_eq!([number(&alice.ask(packages(), &[])), number(&alice.ask(set(), &[]))], [1, 2]);
    alice = alice.reopened();
    assert_eq!(number(&alice.ask(VaultOp::RotateMailboxKey { at: NOW }, &[])), 3);
    let fetch = |swap| VaultOp::Compose(Ask::Fetch { items_max: 1, swap });
    assert_eq!([true, false, true].map(|swap| number(&alice.ask(fetch(swap), &[]))), [4, 0, 5], "a generation is swapped once");
    log_in(&mut alice);
    assert_eq!(number(&alice.ask(packages(), &[])), 1);
}

fn set(person: &mut Person, grant: &[Fingerprint], renew: &[Fingerprint], revoke: &[Fingerprint]) -> wire::SetCapabilities {
    log_in(person);
    let op = VaultOp::SetCapabilities { grant: grant.to_vec(), renew: renew.to_vec(), revoke: revoke.to_vec() };
    let made = person.ask(op, &[]);
    let Owned::Capabilities(set) = asked_as_owner(person, &made) else {
        panic!("nothing set");
    };
    set
}

#[test]
fn a_capability_reaches_the_contact_with_the_next_message_and_is_shown_from_then_on() {
    let (mut alice, mut bob) = talking();
    let before = seal_op(&mut alice, &bob, "without one");
    assert_eq!(put(&alice.ask(before, &[])).capability, Vec::<u8>::new());
    let wire::SetCapabilities { add, remove } = set(&mut bob, &[alice.own()], &[], &[]);
    assert_eq!((add.len(), remove.len()), (1, 0));
    let sealed = say(&mut bob, &alice, "with it");
    hears(&mut alice, &bob, &sealed, "with it");
    let op = seal_op(&mut alice, &bob, "showing it");
    let shown = put(&alice.ask(op, &[])).capability;
    assert_eq!(digest(&[&shown]).0.to_vec(), add[0], "the relay has its hash");

    // A new one takes its place; the old one is good until the next.
    assert_eq!(set(&mut bob, &[alice.own()], &[], &[]).add, add, "asked again, it is the same");
    let renewed = set(&mut bob, &[], &[alice.own()], &[]);
    assert_eq!((renewed.add.len(), renewed.remove.len()), (1, 0));
    let third = set(&mut bob, &[], &[alice.own()], &[]);
    assert_eq!(third.remove, add);
    // Taken back: both go.
    let gone = set(&mut bob, &[], &[], &[alice.own()]);
    assert_eq!((gone.add.len(), gone.remove), (0, vec![third.add[0].clone(), renewed.add[0].clone()]));
    assert_eq!(set(&mut bob, &[], &[], &[alice.own()]).remove.len(), 0);
}

#[test]
fn each_login_shows_the_generations_given_before_and_a_new_one() {
    let mut alice = Person::new("alice", 1);
    let login = |alice: &mut Person| {
        let Asked::Login(login) = asked(&alice.ask(VaultOp::SignLogin { challenge: challenge(), takes_over: false }, &[])) else {
            panic!("no login");
        };
        let statement = wire::LoginStatement::decode(login.statement.as_slice()).expect("a statement");
        (statement.known, statement.generation)
    };
    let registered = registered(&mut alice);
    let (known, first) = login(&mut alice);
    assert_eq!(known, [registered.generation]);
    let mut alice = alice.reopened();
    let (known, second) = login(&mut alice);
    assert_eq!(known.first(), Some(&first));
    assert_ne!(first, second);
    // One that went with a fetch is named like the others.
    let mut fetched = |swap: bool| {
        let Asked::Owner(owner) = asked(&alice.ask(VaultOp::Compose(Ask::Fetch { items_max: 1, swap }), &[])) else {
            panic!("nothing that an owner asks");
        };
        let statement = wire::OwnerStatement::decode(owner.statement.as_slice()).expect("a statement");
        let Some(Owned::Fetch(fetch)) = statement.ask else {
            panic!("no fetch");
        };
        fetch.generation
    };
    assert_eq!(fetched(false), [0_u8; 0]);
    let swapped = fetched(true);
    assert_eq!(swapped.len(), 16);
    let (known, _) = login(&mut alice);
    assert_eq!(known[..2], [swapped, second]);
    for _ in 0..GENERATIONS_MAX + 3 {
        login(&mut alice);
    }
    let (known, _) = login(&mut alice);
    assert_eq!(known.len(), GENERATIONS_MAX);
    assert_eq!(alice.count("generation"), u64::try_from(GENERATIONS_MAX).expect("small"));
}

#[test]
fn a_stamp_goes_into_the_same_request() {
    let (mut alice, mut bob) = two();
    begin(&mut alice, &mut bob);
    let op = seal_op(&mut alice, &bob, "from a stranger");
    let Outcome::Framed { bytes: plain, frame } = alice.ask(op, &[]) else {
        panic!("no frame");
    };
    let stamp = |bits| VaultOp::Stamp { request: Seq(4), relay: RelayKey([5; 32]), bits, hour: 497_222 };
    let stamped = alice.ask(stamp(8), &plain.0);
    let (before, after) = (wire::Request::decode(plain.0.as_slice()).expect("a request"), put(&stamped));
    let Some(Asked::Put(put)) = before.ask else {
        panic!("no put");
    };
    assert_eq!((after.envelope, after.mailbox), (put.envelope, put.mailbox));
    assert_eq!(after.stamp.map(|stamp| stamp.hour), Some(497_222));
    assert!(matches!(stamped, Outcome::Framed { frame: other, .. } if other != frame));
    assert_eq!(alice.ask(stamp(STAMP_BITS_MAX + 1), &plain.0), Outcome::Refused(Code::RelayBusy));
    alice.ask(VaultOp::SignLogin { challenge: challenge(), takes_over: false }, &[]);
    let fetch = alice.ask(VaultOp::Compose(Ask::Fetch { items_max: 1, swap: false }), &[]);
    let Outcome::Framed { bytes: fetch, .. } = fetch else {
        panic!("no frame");
    };
    for other in [fetch.0.as_slice(), &[], &[255; 40]] {
        assert_eq!(alice.ask(stamp(1), other), Outcome::Refused(Code::MalformedRequest));
    }
}

fn mark(by: &mut Person, of: &Person, text: &str, tell: bool) -> Outcome {
    let tell = tell.then(|| of.mailbox());
    by.ask(VaultOp::MarkRead { contact: of.own(), message: message_of(text), tell, at: NOW }, &[])
}

fn receipt(by: &mut Person, of: &Person, texts: &[&str]) -> Outcome {
    let messages = texts.iter().map(|text| message_of(text)).collect();
    by.ask(VaultOp::SealReceipt { contact: of.own(), mailbox: of.mailbox(), messages, at: NOW }, &[])
}

fn filed(to: &Person, text: &str, state: MessageState, cause: Option<Code>) -> VaultOp {
    VaultOp::File { message: message_of(text), contact: to.own(), body: None, at: NOW, state, cause }
}

/// What became of all that was sent, oldest first.
fn states(of: &Person) -> Vec<MessageState> {
    of.rows().into_iter().filter(|row| row.direction == Direction::Sent).map(|row| row.state).collect()
}

#[test]
fn what_was_read_is_told_and_shown_only_where_it_is_switched_on() {
    let (mut alice, mut bob) = talking();
    assert_eq!(bob.reader().unread(), Ok([(alice.own(), 1)].into()));
    assert_eq!(mark(&mut bob, &alice, "never said", false), Outcome::Refused(Code::UnknownMessage));
    assert_eq!(mark(&mut bob, &alice, "hello bob", false), Outcome::Done);
    assert_eq!(bob.reader().unread(), Ok([].into()));
    let state = |alice: &Person| alice.rows().first().map(|row| row.state);
    let told = put(&mark(&mut bob, &alice, "hello bob", true)).envelope;
    // Alice does not show it.
    assert_eq!(read(&mut alice, &told), Opened::ReadMark { contact: bob.own(), moved: false });
    assert_eq!(state(&alice), Some(MessageState::Queued));
    assert_eq!(alice.ask(VaultOp::ShowRead { on: true }, &[]), Outcome::Done);
    let told = put(&mark(&mut bob, &alice, "hello bob", true)).envelope;
    read(&mut alice, &told);
    assert_eq!(state(&alice), Some(MessageState::Read));
    // A receipt that comes later takes nothing back, and switching off shows delivered.
    let told = put(&receipt(&mut bob, &alice, &["hello bob"])).envelope;
    assert_eq!(read(&mut alice, &told), Opened::Receipt { contact: bob.own(), delivered: Vec::new(), moved: false });
    assert_eq!(alice.ask(VaultOp::ShowRead { on: false }, &[]), Outcome::Done);
    assert_eq!(state(&alice), Some(MessageState::Delivered));
}

#[test]
fn a_mark_never_goes_back_and_covers_all_before_it() {
    let (mut alice, mut bob) = talking();
    assert_eq!(alice.ask(VaultOp::ShowRead { on: true }, &[]), Outcome::Done);
    for text in ["one", "two", "three"] {
        let sealed = say(&mut alice, &bob, text);
        hears(&mut bob, &alice, &sealed, text);
    }
    let two = put(&mark(&mut bob, &alice, "two", true)).envelope;
    let one = put(&mark(&mut bob, &alice, "one", true)).envelope;
    assert_eq!(bob.reader().unread(), Ok([(alice.own(), 1)].into()));
    let told = put(&receipt(&mut bob, &alice, &["hello bob", "one"])).envelope;
    read(&mut alice, &told);
    read(&mut alice, &two);
    read(&mut alice, &one);
    assert_eq!(states(&alice), [MessageState::Read, MessageState::Read, MessageState::Read, MessageState::Queued]);
}

#[test]
fn what_a_contact_never_received_is_not_shown_as_read_until_it_is_there() {
    let (mut alice, mut bob) = talking();
    assert_eq!(alice.ask(VaultOp::ShowRead { on: true }, &[]), Outcome::Done);
    // Bob drops the first, since he has alice blocked, and reads the third before his receipts of it and of the second arrive.
    for text in ["dropped", "late", "read"] {
        let sealed = say(&mut alice, &bob, text);
        assert_eq!(alice.ask(filed(&bob, text, MessageState::Stored, None), &[]), Outcome::Done);
        if text != "dropped" {
            hears(&mut bob, &alice, &sealed, text);
        }
    }
    let told = put(&mark(&mut bob, &alice, "read", true)).envelope;
    read(&mut alice, &told);
    assert_eq!(states(&alice)[1..], [MessageState::Stored, MessageState::Stored, MessageState::Read]);
    let told = put(&receipt(&mut bob, &alice, &["late", "read"])).envelope;
    let delivered = vec![message_of("late")];
    assert_eq!(read(&mut alice, &told), Opened::Receipt { contact: bob.own(), delivered, moved: false });
    assert_eq!(states(&alice)[1..], [MessageState::Stored, MessageState::Read, MessageState::Read]);
    // Sent once more it arrives, and bob has not read it.
    let again = VaultOp::SealAgain { contact: bob.own(), mailbox: bob.mailbox(), message: message_of("dropped") };
    let sealed = put(&alice.ask(again, &[])).envelope;
    hears(&mut bob, &alice, &sealed, "dropped");
    let told = put(&receipt(&mut bob, &alice, &["dropped"])).envelope;
    read(&mut alice, &told);
    assert_eq!(states(&alice)[1..], [MessageState::Delivered, MessageState::Read, MessageState::Read]);
}

#[test]
fn marks_that_were_switched_off_leave_nothing_behind() {
    let (mut alice, mut bob) = talking();
    assert_eq!(alice.ask(VaultOp::ShowRead { on: true }, &[]), Outcome::Done);
    for text in ["failed", "late", "read"] {
        let sealed = say(&mut alice, &bob, text);
        hears(&mut bob, &alice, &sealed, text);
    }
    let told = put(&mark(&mut bob, &alice, "read", true)).envelope;
    read(&mut alice, &told);
    assert_eq!(alice.ask(filed(&bob, "failed", MessageState::Failed, Some(Code::UnknownMailbox)), &[]), Outcome::Done);
    assert_eq!(alice.ask(VaultOp::ShowRead { on: false }, &[]), Outcome::Done);
    assert_eq!(states(&alice)[1..], [MessageState::Failed, MessageState::Queued, MessageState::Delivered]);
    let told = put(&receipt(&mut bob, &alice, &["failed", "late"])).envelope;
    read(&mut alice, &told);
    assert_eq!(states(&alice)[1..], [MessageState::Delivered; 3]);
}

#[test]
fn a_message_is_sealed_again_until_it_has_arrived() {
    let (mut alice, mut bob) = talking();
    let again = |alice: &mut Person, bob: &Person, text: &str| {
        alice.ask(VaultOp::SealAgain { contact: bob.own(), mailbox: bob.mailbox(), message: message_of(text) }, &[])
    };
    assert_eq!(again(&mut alice, &bob, "never said"), Outcome::Refused(Code::UnknownMessage));
    let first = say(&mut alice, &bob, "twice");
    assert_eq!(alice.ask(filed(&bob, "twice", MessageState::Failed, Some(Code::UnknownMailbox)), &[]), Outcome::Done);
    let second = put(&again(&mut alice, &bob, "twice")).envelope;
    let row = alice.rows().pop().expect("a row");
    assert_eq!((row.state, row.cause), (MessageState::Queued, None));
    hears(&mut bob, &alice, &second, "twice");
    assert_eq!(read(&mut bob, &first), Opened::Known { contact: alice.own(), message: message_of("twice"), moved: false });
    let told = put(&receipt(&mut bob, &alice, &["twice"])).envelope;
    read(&mut alice, &told);
    assert_eq!(again(&mut alice, &bob, "twice"), Outcome::Refused(Code::Repeated));
}

#[test]
fn one_forgotten_message_is_in_no_page_and_no_search_and_the_others_stay() {
    let (mut alice, mut bob) = talking();
    let sealed = say(&mut alice, &bob, "marzipan at midnight");
    hears(&mut bob, &alice, &sealed, "marzipan at midnight");
    let forget = |of: &Person, sent| VaultOp::ForgetMessage { contact: of.own(), message: message_of("marzipan at midnight"), sent };
    assert_eq!(bob.ask(forget(&alice, true), &[]), Outcome::Done);
    assert_eq!(bob.heard(), ["hello bob", "marzipan at midnight"], "that would have been one of ours");
    for _ in 0..2 {
        assert_eq!(bob.ask(forget(&alice, false), &[]), Outcome::Done);
    }
    assert_eq!(bob.heard(), ["hello bob"]);
    assert_eq!(bob.reader().search("marzipan", 10), Ok(Vec::new()));
    assert!(!contains(&pages(&bob), b"marzipan"));
    assert_eq!(alice.ask(forget(&bob, true), &[]), Outcome::Done);
    assert!(!contains(&pages(&alice), b"marzipan"));
    assert_eq!(alice.reader().search("hello", 10).map(|rows| rows.len()), Ok(2));
}

#[test]
fn junk_under_a_contacts_name_makes_so_many_rows_and_no_more_until_they_are_heard() {
    let (mut alice, mut bob) = talking();
    let junk = |bob: &Person, alice: &Person, number: u32| {
        let mut message = encrypt(alice, b"x");
        let last = message.len() - 1;
        message[last] ^= 1;
        message.extend(number.to_be_bytes());
        forge(bob, alice, Inside::MlsMessage(message))
    };
    let unreadable = |bob: &Person| bob.rows().into_iter().filter(|row| row.state == MessageState::Unreadable).count();
    for number in 0..UNREADABLE_ROWS_MAX + 3 {
        let sealed = junk(&bob, &alice, number);
        assert!(matches!(read(&mut bob, &sealed), Opened::Unreadable { .. }));
    }
    assert_eq!(unreadable(&bob), usize::try_from(UNREADABLE_ROWS_MAX).expect("small"));
    let sealed = say(&mut alice, &bob, "it is me");
    hears(&mut bob, &alice, &sealed, "it is me");
    let sealed = junk(&bob, &alice, 1_000);
    read(&mut bob, &sealed);
    assert_eq!(unreadable(&bob), usize::try_from(UNREADABLE_ROWS_MAX).expect("small") + 1);
}

/// Rows of MLS that are of groups.
fn of_groups(person: &Person) -> u64 {
    let count = "SELECT count(*) FROM mls WHERE kind NOT IN (14, 17)";
    person.vault.conn.query_row(count, [], |row| row.get(0)).expect("a table")
}

/// Both begin at once and hear each other. The first of those returned is the creator of the group that sends.
fn crossed() -> (Person, Person) {
    let (mut alice, mut bob) = two();
    begin(&mut alice, &mut bob);
    begin(&mut bob, &mut alice);
    if alice.own() < bob.own() { (alice, bob) } else { (bob, alice) }
}

const WINDOW: Duration = PAST_EPOCHS_FOR;

fn just_before(at: Stamp) -> Stamp {
    Stamp(at.0 - 1)
}

#[test]
fn a_group_that_lost_goes_with_all_its_rows_when_it_was_not_used_for_45_days() {
    let (mut first, mut second) = crossed();
    let alone = of_groups(&first);
    let lost = [say(&mut second, &first, "one"), say(&mut second, &first, "two"), say(&mut second, &first, "three")];
    hears(&mut first, &second, &lost[0], "one");
    let won = say(&mut first, &second, "hello");
    assert_eq!(first.groups(&second), 2);
    // As long as the contact was not heard in the group that sends, they may send in the other.
    tidy(&mut first, LATER.after(WINDOW).after(WINDOW));
    assert_eq!(first.groups(&second), 2);
    hears(&mut second, &first, &won, "hello");
    let answer = say(&mut second, &first, "hello back");
    hears(&mut first, &second, &answer, "hello back");
    // From then on it is read for the window, counted from what was read in it last.
    let days = |count: u64| Duration(count * 86_400_000);
    tidy(&mut first, just_before(LATER.after(WINDOW)));
    assert_eq!(first.groups(&second), 2);
    let opened = first.ask(VaultOp::OpenEnvelope { envelope: Seq(3), at: LATER.after(days(10)), last: false }, &lost[1]);
    assert!(matches!(opened, Outcome::Opened(Opened::Message { .. })), "{opened:?}");
    tidy(&mut first, just_before(LATER.after(days(10)).after(WINDOW)));
    assert_eq!(first.groups(&second), 2);
    tidy(&mut first, LATER.after(days(10)).after(WINDOW));
    assert_eq!((first.groups(&second), of_groups(&first)), (1, alone));
    // What comes after all is early, and unreadable at last; the conversation goes on.
    assert!(matches!(read(&mut first, &lost[2]), Opened::Early { .. }));
    assert_eq!(deliver(&mut first, &lost[2], true), Outcome::Opened(unreadable(&second, Code::NoConversation)));
    tidy(&mut second, LATER.after(days(10)).after(WINDOW));
    assert_eq!(second.groups(&first), 1);
    for (text, back) in [("and on", "and back"), ("and so on", "and so back")] {
        let sealed = say(&mut first, &second, text);
        hears(&mut second, &first, &sealed, text);
        let sealed = say(&mut second, &first, back);
        hears(&mut first, &second, &sealed, back);
    }
}

#[test]
fn a_dead_group_goes_with_its_past_epochs_and_what_it_carried_is_named_all_the_same() {
    let (mut alice, mut bob) = talking();
    let update = VaultOp::UpdateKeys { contact: bob.own(), mailbox: bob.mailbox(), at: NOW };
    let commit = put(&alice.ask(update, &[])).envelope;
    assert!(matches!(read(&mut bob, &commit), Opened::Committed { .. }));
    let pending = VaultOp::UpdateKeys { contact: alice.own(), mailbox: alice.mailbox(), at: LATER };
    put(&bob.ask(pending, &[]));
    let lost = say(&mut bob, &alice, "not told of");
    assert!(bob.count("past_epoch") == 1 && of_groups(&bob) > 0);
    // Alice's device takes over, and has Bob begin anew.
    let offer = VaultOp::SealOffer { contact: bob.own(), mailbox: bob.mailbox(), anew: true, at: NOW };
    let offer = put(&alice.ask(offer, &[])).envelope;
    assert_eq!(read(&mut bob, &offer), Opened::Offer { contact: alice.own(), name: name("alice"), anew: true });
    tidy(&mut bob, just_before(LATER.after(WINDOW)));
    assert_eq!(bob.groups(&alice), 1);
    tidy(&mut bob, LATER.after(WINDOW));
    assert_eq!((bob.groups(&alice), bob.count("past_epoch"), of_groups(&bob)), (0, 0, 0));
    // Bob begins when he comes to it: what Alice has not told of goes again.
    let begun = bob.ask(VaultOp::BeginFromOffer { contact: alice.own(), at: LATER.after(WINDOW) }, &[]);
    let Outcome::Begun { again } = begun else {
        panic!("not begun: {begun:?}");
    };
    assert!(again.contains(&message_of("not told of")), "{again:?}");
    let again = VaultOp::SealAgain { contact: alice.own(), mailbox: alice.mailbox(), message: message_of("not told of") };
    let sealed = put(&bob.ask(again, &[])).envelope;
    hears(&mut alice, &bob, &sealed, "not told of");
    let known = Opened::Known { contact: bob.own(), message: message_of("not told of"), moved: true };
    assert_eq!(read(&mut alice, &lost), known, "her own group is not past its window, and Bob was in its next epoch");
}

#[test]
fn a_group_that_sends_stays_however_long_nobody_writes() {
    let (mut alice, mut bob) = talking();
    for person in [&mut alice, &mut bob] {
        tidy(person, LATER.after(WINDOW).after(WINDOW).after(WINDOW));
    }
    let sealed = say(&mut alice, &bob, "after all this time");
    hears(&mut bob, &alice, &sealed, "after all this time");
    let sealed = say(&mut bob, &alice, "indeed");
    hears(&mut alice, &bob, &sealed, "indeed");
}
