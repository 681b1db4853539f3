//! A thousand lives: nothing lost, nothing doubled. Seeds that once found a bug stand first, for ever.

use thicket_sim::life::live;

/// Seeds that found a bug, and which.
const FOUND: &[(u64, &str)] =
    &[(147, "acknowledgements under way when a login ended were never sent again"), (149, "the same, for the one who only read")];

#[test]
fn a_thousand_seeds_lose_and_double_nothing() {
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let seeds: Vec<u64> = FOUND.iter().map(|(seed, _)| *seed).chain(1..=1000).collect();
    let failed: Vec<String> = std::thread::scope(|scope| {
        let lives: Vec<_> = (0..threads)
            .map(|thread| {
                let seeds = &seeds;
                scope.spawn(move || {
                    let ours = seeds.iter().enumerate().filter(|(at, _)| *at as u64 % threads == thread);
                    ours.flat_map(|(_, seed)| {
                        live(*seed).wrongs.into_iter().map(|wrong| format!("seed {seed}: {wrong}")).collect::<Vec<_>>()
                    })
                    .collect::<Vec<_>>()
                })
            })
            .collect();
        lives.into_iter().flat_map(|life| life.join().expect("a life does not panic")).collect()
    });
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn a_seed_lives_the_same_life_twice() {
    for seed in [1, 2, 3] {
        let (one, other) = (live(seed), live(seed));
        assert_eq!(one, other);
        assert_eq!(one.digests.len(), 2);
    }
}
