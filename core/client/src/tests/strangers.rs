//! What people who are not accepted may bring, met by a whole profile.

use super::*;
use thicket_types::limits::{FRAME_LEN_MAX, FRAMES_TURN_MAX, STRANGERS_LEN_MAX};

const DAY_MS: u64 = 86_400_000;

#[test]
fn what_strangers_bring_past_a_days_budget_stays_at_the_relay_counted_once_and_comes_the_next_day() {
    let mut world = two(81, Conditions::default());
    let say = |world: &mut World, from: u32, to: u32| {
        for number in from..to {
            world.say("alice", "bob", &format!("{number} {}", "x".repeat(60_000)));
            world.run(60_000);
        }
    };
    // Given so many envelopes as the box for strangers holds, and then as many again while bob is there.
    world.kill("bob");
    say(&mut world, 0, 50);
    world.open("bob");
    world.run(60_000);
    say(&mut world, 50, 60);
    world.run(3_600_000);
    // Then a day's budget was journaled, with what was judged by one state, and no more.
    let most = STRANGERS_LEN_MAX + u64::try_from(FRAMES_TURN_MAX * FRAME_LEN_MAX).expect("a number");
    let taken = world.pump("bob").state().strangers.len;
    assert!(taken >= STRANGERS_LEN_MAX - 100_000 && taken <= most, "{taken} bytes");
    let view = world.pump("bob").view();
    world.kill("bob");
    let came = received(&world.texts("bob")).len();
    assert!((42..60).contains(&came), "{came} of sixty");
    // What is left is counted once, though the relay brought it again with each fetch, and it is not acknowledged.
    assert_eq!((view.left, view.unacknowledged), (60 - u64::try_from(came).expect("a number"), 0));
    world.open("bob");
    world.run(3_600_000);
    assert_eq!(world.pump("bob").view().left, view.left, "it is still there");
    // When a new day begins, it comes, and none is left.
    let now = world.clock.now().0;
    world.run((now / DAY_MS + 1) * DAY_MS - now + 3_600_000);
    assert_eq!(world.pump("bob").view().left, 0);
    world.verify("bob");
    let texts = world.texts("bob");
    let numbers: Vec<u32> = received(&texts).iter().filter_map(|text| text.split(' ').next()?.parse().ok()).collect();
    assert_eq!(numbers.iter().collect::<std::collections::BTreeSet<_>>().len(), 60, "{numbers:?}");
    assert_eq!(numbers.len(), 60, "none twice");
}
