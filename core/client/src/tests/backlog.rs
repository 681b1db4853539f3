//! Much that waits, read in its order.

use super::*;
use thicket_types::limits::OUT_OF_ORDER_MAX;

/// As many as MLS forgives out of their order, and more.
const WAITING: u32 = OUT_OF_ORDER_MAX + 150;

/// Every one is read, in its order, and told of.
fn received_all(world: &mut World, who: &'static str, count: u32) {
    for person in ["alice", "bob"] {
        world.verify(person);
    }
    let texts = world.texts(who);
    let unreadable = texts.iter().filter(|(_, state, _)| *state == MessageState::Unreadable).count();
    let mut numbers: Vec<u32> = received(&texts).iter().filter_map(|text| text.parse().ok()).collect();
    let inversions: Vec<_> = numbers.windows(2).filter(|pair| pair[0] > pair[1]).map(|pair| (pair[0], pair[1])).collect();
    assert!(inversions.is_empty(), "{inversions:?}");
    numbers.dedup();
    assert_eq!((numbers.len(), unreadable), (usize::try_from(count).expect("small"), 0));
    assert!(all_delivered(&world.texts("alice")));
}

#[test]
fn what_is_new_does_not_overtake_more_than_mls_forgives() {
    // Given more than so many messages that wait for someone who is away.
    let mut world = friends(600, Conditions::default());
    world.say("bob", "alice", "what lets you write");
    world.run(60_000);
    world.kill("bob");
    for number in 0..WAITING {
        world.say("alice", "bob", &number.to_string());
        if number % 50 == 0 {
            world.run(1_000);
        }
    }
    world.run(60_000);
    // When more are written while they come back.
    world.open("bob");
    for number in WAITING..WAITING + 60 {
        world.say("alice", "bob", &number.to_string());
        world.run(20);
    }
    world.run(600_000);
    // Then every one is read.
    received_all(&mut world, "bob", WAITING + 60);
}

#[test]
fn sixty_that_wait_are_there_at_once() {
    let mut world = friends(610, Conditions::default());
    world.say("bob", "alice", "what lets you write");
    world.run(60_000);
    world.kill("bob");
    for number in 0..60 {
        world.say("alice", "bob", &number.to_string());
    }
    world.run(60_000);
    let before = world.clock.now().0;
    world.open("bob");
    let mut took = 0;
    while world.people["bob"].changes.iter().filter(|change| matches!(change, Change::Received { .. })).count() < 60 {
        world.run(50);
        took = world.clock.now().0 - before;
        assert!(took < 3_000, "{took} ms");
    }
    assert!(took < 1_500, "{took} ms");
}
