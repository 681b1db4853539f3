//! An identity that is brought to a new device, whose last one is lost.

use super::*;

/// The device of someone is lost, and their identity brought to a new one.
fn lose_and_import(world: &mut World, who: &'static str) {
    world.kill(who);
    let armored = world
        .unlock(who)
        .reader()
        .and_then(|reader| Ok(reader.export(&passphrase(), &mut SeededEntropy::new(7))?))
        .expect("an intact profile");
    world.seed += 1;
    let folder = world.folder.path().join(format!("{who}-new"));
    let entropy = share(Box::new(SeededEntropy::new(world.seed)));
    let origin = Origin::Imported { armored, passphrase: passphrase() };
    let clock = world.clock_of(who);
    let profile = Profile::create(&folder, origin, &passphrase(), CHEAP, entropy, &clock).expect("a new profile");
    world.people.get_mut(who).expect("a person").folder = folder;
    world.wire(who, profile);
    world.register(who);
}

#[test]
fn who_lost_a_device_and_brought_their_identity_to_another_hears_all_that_was_said_since() {
    // Whoever's fingerprint is smaller began the group that both would send in: each in turn loses a device.
    let mut orders = BTreeMap::new();
    for seed in 500..520 {
        let mut world = two(seed, Conditions::default());
        let (alice, bob) = (world.people["alice"].own, world.people["bob"].own);
        *orders.entry(alice < bob).or_insert(0) += 1;
        world.say("alice", "bob", "one");
        world.run(5_000);
        world.ask("bob", Intent::AcceptContact { contact: alice });
        world.run(5_000);
        world.say("bob", "alice", "two");
        world.run(5_000);
        // Given a message that only the lost device could have read.
        world.kill("bob");
        world.say("alice", "bob", "three");
        world.run(5_000);
        lose_and_import(&mut world, "bob");
        world.run(60_000);
        // When the new device has its contact again, and writes.
        world.ask("bob", Intent::AddContact { name: name("alice") });
        if seed % 2 == 0 {
            // Else what says that old groups are dead, and what begins a new one, come together.
            world.run(5_000);
        } else {
            world.kill("alice");
            world.run(5_000);
        }
        world.say("bob", "alice", "four");
        world.run(60_000);
        if seed % 2 == 1 {
            world.open("alice");
            world.run(60_000);
        }
        world.say("alice", "bob", "five");
        world.run(600_000);
        // Then each has what the other said, and knows it.
        for who in ["alice", "bob"] {
            world.verify(who);
        }
        assert_eq!(received(&world.texts("alice")), ["two", "four"], "{seed}");
        let heard = world.texts("bob");
        assert!(["three", "five"].iter().all(|text| received(&heard).contains(text)), "{seed}: {heard:?}");
        assert!(all_delivered(&world.texts("alice")) && all_delivered(&world.texts("bob")), "{seed}: {:?}", world.texts("alice"));
        if orders.len() == 2 && orders.values().all(|count| *count >= 2) {
            return;
        }
    }
    panic!("one order alone: {orders:?}");
}

#[test]
fn who_was_lost_to_a_new_device_is_written_to_first_and_all_is_well_when_they_are_met() {
    // Given an identity on a new device that does not know its contact yet, and is written to.
    let mut world = two(530, Conditions::default());
    let alice = world.people["alice"].own;
    world.say("alice", "bob", "one");
    world.run(5_000);
    world.ask("bob", Intent::AcceptContact { contact: alice });
    world.run(5_000);
    lose_and_import(&mut world, "bob");
    world.run(60_000);
    world.say("alice", "bob", "two");
    world.run(60_000);
    // When they are looked up, and nothing is written.
    world.ask("bob", Intent::AddContact { name: name("alice") });
    world.run(600_000);
    for who in ["alice", "bob"] {
        world.verify(who);
    }
    assert_eq!(received(&world.texts("bob")), ["two"]);
    assert!(all_delivered(&world.texts("alice")), "{:?}", world.texts("alice"));
}
