//! A journal and a vault that are not of the same time: refused, and taken over by whoever has nothing else.

use super::moving::copy;
use super::*;
use thicket_engine::{Engine, Input};
use thicket_reducer::ClientRules;
use thicket_types::ports::Vault as _;
use thicket_vault::Reader;

const HOUR: u64 = 3_600_000;
const JOURNAL: &[&str] = &["journal"];
const JOURNAL_AND_SNAPSHOTS: &[&str] = &["journal", "snapshots"];
const VAULT: &[&str] = &["vault.db", "vault.db-wal", "vault.db-shm"];

/// Keeps what a folder holds now.
fn save(world: &World, who: &'static str) -> PathBuf {
    let saved = world.folder.path().join("saved");
    copy(&world.people[who].folder, &saved);
    saved
}

/// Puts parts of a profile back as they were, beside the rest as it is.
fn put_back(world: &World, who: &'static str, saved: &Path, parts: &[&str]) {
    for part in parts {
        let (from, to) = (saved.join(part), world.people[who].folder.join(part));
        if to.is_dir() {
            std::fs::remove_dir_all(&to).expect("a folder");
        } else if to.exists() {
            std::fs::remove_file(&to).expect("a file");
        }
        if from.is_dir() {
            copy(&from, &to);
        } else if from.exists() {
            std::fs::copy(from, to).expect("room");
        }
    }
}

fn close(world: &mut World, who: &'static str) {
    let pump = world.people.get_mut(who).and_then(|person| person.pump.take()).expect("an open profile");
    pump.close().expect("room");
}

fn vault_key(world: &World, who: &'static str) -> thicket_journal_format::Key {
    let keys = ProfileKeys::unlock(&mut OsDisk::new(&world.people[who].folder), &passphrase()).expect("intact keys");
    keys.vault_key().expect("a key")
}

fn refused(world: &mut World, who: &'static str) -> Option<Code> {
    let (profile, ways, clock) = (world.unlock(who), world.ways(who), world.clock_of(who));
    profile.open(Box::new(ways), Box::new(clock)).err().map(|fault| fault.code)
}

fn take_over(world: &mut World, who: &'static str) {
    let (profile, ways, clock) = (world.unlock(who), world.ways(who), world.clock_of(who));
    let pump = profile.open_to_take_over(Box::new(ways), Box::new(clock)).expect("a profile of two times");
    world.people.get_mut(who).expect("a person").pump = Some(pump);
    world.ask(who, Intent::Connect);
}

fn count(texts: &[(Direction, MessageState, String)], text: &str) -> usize {
    texts.iter().filter(|(_, _, other)| other == text).count()
}

/// Both write, after a restart of the one who took over, too: all arrives, once, and the journals hold.
fn go_on(world: &mut World) {
    world.run(HOUR);
    let view = world.pump("alice").view();
    assert!(view.online && !view.copied, "{view:?}");
    for round in ["first", "after another open"] {
        world.say("alice", "bob", &format!("from alice, {round}"));
        world.say("bob", "alice", &format!("from bob, {round}"));
        world.run(HOUR);
        world.kill("alice");
        world.open("alice");
        world.run(HOUR);
    }
    for who in ["alice", "bob"] {
        let view = world.pump(who).view();
        assert!(view.unsettled.is_empty() && view.unacknowledged == 0, "{who}: {view:?}");
        world.verify(who);
    }
    let (of_alice, of_bob) = (world.texts("alice"), world.texts("bob"));
    for text in ["from alice, first", "from bob, first", "from alice, after another open", "from bob, after another open"] {
        assert_eq!((count(&of_alice, text), count(&of_bob, text)), (1, 1), "{text}: {of_alice:?} {of_bob:?}");
    }
}

#[test]
fn a_journal_that_was_put_back_is_refused_and_whoever_takes_over_goes_on() {
    for (seed, parts) in [(500, JOURNAL), (510, JOURNAL_AND_SNAPSHOTS)] {
        let mut world = friends(seed, Conditions::default());
        close(&mut world, "alice");
        let saved = save(&world, "alice");
        world.open("alice");
        world.run(60_000);
        world.say("alice", "bob", "known to the vault alone");
        world.say("bob", "alice", "read before");
        world.run(60_000);
        // Encrypted, and on its way nowhere.
        world.meeting.set_up(false);
        let message = world.say("alice", "bob", "under way");
        world.run(1_000);
        close(&mut world, "alice");
        world.meeting.set_up(true);
        put_back(&world, "alice", &saved, parts);

        assert_eq!(refused(&mut world, "alice"), Some(Code::RolledBack));
        assert_eq!(refused(&mut world, "alice"), Some(Code::RolledBack), "nothing was changed by the refusal");
        take_over(&mut world, "alice");
        world.run(HOUR);
        // No journal knows of it: that is said, and it can be sent once more.
        let reader = Reader::open(&world.people["alice"].folder.join("vault.db"), &vault_key(&world, "alice")).expect("a vault");
        let contact = world.people["bob"].own;
        let row = reader.message(contact, Direction::Sent, message).expect("rows").expect("a row");
        assert_eq!((row.state, row.cause), (MessageState::Failed, Some(Code::RolledBack)));
        world.ask("alice", Intent::RetryMessage { contact, message });
        go_on(&mut world);
        let (of_alice, of_bob) = (world.texts("alice"), world.texts("bob"));
        for text in ["hello", "hello back", "known to the vault alone", "read before", "under way"] {
            assert_eq!((count(&of_alice, text), count(&of_bob, text)), (1, 1), "{parts:?} {text}: {of_alice:?} {of_bob:?}");
        }
        assert!(all_delivered(&of_alice) && all_delivered(&of_bob), "{of_alice:?} {of_bob:?}");
    }
}

#[test]
fn a_vault_that_was_put_back_is_refused_and_what_it_lost_fails_with_its_cause() {
    let mut world = friends(520, Conditions::default());
    world.create("carol");
    world.register("carol");
    close(&mut world, "alice");
    let saved = save(&world, "alice");
    world.open("alice");
    world.ask("alice", Intent::AddContact { name: name("carol") });
    world.ask("alice", Intent::SetReadMarks { on: true });
    world.run(60_000);
    world.say("alice", "bob", "sent before");
    world.say("bob", "alice", "read before");
    world.run(60_000);
    world.meeting.set_up(false);
    // One has a row and a frame, the other only its text; the vault that is put back has neither, nor knows Carol.
    world.say("alice", "bob", "under way");
    world.say("alice", "carol", "not begun");
    world.run(1_000);
    close(&mut world, "alice");
    world.meeting.set_up(true);
    put_back(&world, "alice", &saved, VAULT);

    assert_eq!(refused(&mut world, "alice"), Some(Code::RolledBack));
    take_over(&mut world, "alice");
    world.run(HOUR);
    let alice = world.people["alice"].own;
    world.ask("carol", Intent::AcceptContact { contact: alice });
    world.run(HOUR);
    world.say("alice", "carol", "begun");
    go_on(&mut world);
    world.kill("carol");
    let (of_alice, of_bob, of_carol) = (world.texts("alice"), world.texts("bob"), world.texts("carol"));
    assert_eq!((count(&of_bob, "sent before"), count(&of_bob, "read before")), (1, 1));
    assert_eq!((count(&of_alice, "sent before"), count(&of_alice, "read before")), (0, 0), "the vault was all that had them");
    assert_eq!((count(&of_bob, "under way"), received(&of_carol)), (0, vec!["begun"]));
    let failed: Vec<&str> =
        of_alice.iter().filter(|(_, state, _)| *state == MessageState::Failed).map(|(_, _, text)| text.as_str()).collect();
    assert_eq!(failed, ["", ""], "{of_alice:?}");
    let reader = world.unlock("alice").reader().expect("an intact vault");
    let causes: Vec<u32> = reader.messages(None, 0, 100).expect("rows").iter().filter_map(|row| row.cause).map(Code::number).collect();
    assert_eq!(causes, [Code::UnknownBody.number(); 2]);
    assert!(all_delivered(&of_bob), "{of_bob:?}");
}

#[test]
fn a_journal_that_is_gone_is_begun_anew_under_the_same_identity() {
    let mut world = friends(530, Conditions::default());
    close(&mut world, "alice");
    let nothing = world.folder.path().join("nothing");
    put_back(&world, "alice", &nothing, JOURNAL_AND_SNAPSHOTS);
    assert_eq!(refused(&mut world, "alice"), Some(Code::RolledBack));
    take_over(&mut world, "alice");
    world.run(60_000);
    assert!(!world.pump("alice").view().registered, "no journal says so");
    world.register("alice");
    world.run(60_000);
    world.ask("alice", Intent::AddContact { name: name("bob") });
    world.run(60_000);
    go_on(&mut world);
    let (of_alice, of_bob) = (world.texts("alice"), world.texts("bob"));
    assert_eq!((count(&of_alice, "hello"), count(&of_bob, "hello")), (1, 1), "{of_alice:?} {of_bob:?}");
}

#[test]
fn a_take_over_that_died_before_the_vault_was_told_is_refused_and_done_once_more() {
    for (seed, parts) in [(540, JOURNAL_AND_SNAPSHOTS), (550, VAULT)] {
        let mut world = friends(seed, Conditions::default());
        close(&mut world, "alice");
        let saved = save(&world, "alice");
        world.open("alice");
        world.say("alice", "bob", "since then");
        world.run(60_000);
        close(&mut world, "alice");
        put_back(&world, "alice", &saved, parts);
        // The journal says that it goes on; the process dies there.
        let folder = world.people["alice"].folder.clone();
        let mut disk = OsDisk::new(&folder);
        let keys = ProfileKeys::unlock(&mut disk, &passphrase()).expect("intact keys");
        let entropy = share(Box::new(SeededEntropy::new(seed)));
        let mut vault = SqlVault::open(&folder.join("vault.db"), &vault_key(&world, "alice"), entropy).expect("an intact vault");
        let remembered = vault.remembered().expect("a tally");
        let (clock, entropy) = (Box::new(world.clock_of("alice")), Box::new(SeededEntropy::new(seed)));
        let first = Input::Intent(IntentId([200; 16]), Intent::Rejoin);
        Engine::<ClientRules>::open_apart(Box::new(disk), clock, entropy, keys, remembered, first).expect("a profile of two times");
        drop(vault);

        assert_eq!(refused(&mut world, "alice"), Some(Code::RolledBack), "{parts:?}");
        take_over(&mut world, "alice");
        go_on(&mut world);
        assert_eq!(count(&world.texts("bob"), "since then"), 1);
    }
}

#[test]
fn after_a_take_over_the_vault_that_was_replaced_fits_no_more() {
    let mut world = friends(560, Conditions::default());
    close(&mut world, "alice");
    let saved = save(&world, "alice");
    world.open("alice");
    for number in 0..5 {
        world.say("alice", "bob", &format!("since then {number}"));
        world.run(60_000);
    }
    close(&mut world, "alice");
    let newest = world.folder.path().join("newest");
    copy(&world.people["alice"].folder, &newest);
    put_back(&world, "alice", &saved, VAULT);
    take_over(&mut world, "alice");
    world.run(60_000);
    close(&mut world, "alice");
    put_back(&world, "alice", &newest, VAULT);
    assert_eq!(refused(&mut world, "alice"), Some(Code::RolledBack));
}

#[test]
fn a_profile_of_one_time_is_not_taken_over_and_stays_as_it_is() {
    let mut world = friends(580, Conditions::default());
    world.kill("alice");
    let (profile, ways, clock) = (world.unlock("alice"), world.ways("alice"), world.clock_of("alice"));
    let fault = profile.open_to_take_over(Box::new(ways), Box::new(clock)).err();
    assert_eq!(fault.map(|fault| fault.code), Some(Code::NotCopied));
    world.open("alice");
    world.say("alice", "bob", "as before");
    world.run(60_000);
    world.kill("bob");
    assert_eq!(count(&world.texts("bob"), "as before"), 1);
}

#[test]
fn nobody_asks_to_rejoin_but_who_opens_a_profile_of_two_times() {
    let folder = TempDir::new().expect("a folder");
    let entropy = share(Box::new(SeededEntropy::new(1)));
    let (origin, clock) = (Origin::New(name("alice")), crate::SystemClock::new());
    let profile = Profile::create(&folder.path().join("alice"), origin, &passphrase(), CHEAP, entropy, &clock).expect("a new profile");
    let client = crate::Client::open_offline(profile).expect("an intact profile");
    assert_eq!(client.submit(IntentId([1; 16]), Intent::Rejoin), Err(Code::NotCopied));
    assert_eq!(client.first_answer(IntentId([1; 16])), Ok(None), "it is not journaled");
    client.close().expect("room");
}
