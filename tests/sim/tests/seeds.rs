//! A thousand lives: nothing lost, nothing doubled. Seeds that once found a bug stand first, for ever; what they live through
//! changes when a life gets richer.

use thicket_sim::life::{Life, live};

/// Seeds that found a bug, and which.
const FOUND: &[(u64, &str)] = &[
    (147, "acknowledgements under way when a login ended were never sent again"),
    (149, "the same, for the one who only read"),
    (124, "the text of a message that was taken back unsealed was swept before its row was written"),
    (229, "a message could be called back whose frame a process had handed before it died"),
    (1242, "a message could be called back that was sealed once more, and had arrived"),
    (537, "who took over with an old copy asked nobody anew with whom that copy had no conversation"),
    (69, "mail was sealed to a mailbox key that only the lost copy had"),
    (348, "a receipt that met no conversation was owed no more"),
    (539, "a group that began after it was asked to begin anew was dead on one side alone"),
    (75, "an offer went before the relay had the mailbox key that its answer is sealed to"),
    (491, "the same"),
    (205_351, "who had asked and was not accepted was not asked to begin anew once they had written to the copy that took over"),
    (10912, "a copy sealed in a group of old before it had asked to begin anew"),
    (408_964, "a copy sealed in a group whose Welcome came after the take-over, and which the lost copy was in"),
];

#[test]
fn a_thousand_seeds_lose_and_double_nothing() {
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let seeds: Vec<u64> = FOUND.iter().map(|(seed, _)| *seed).chain(1..=1000).collect();
    let lives: Vec<Life> = std::thread::scope(|scope| {
        let lives: Vec<_> = (0..threads)
            .map(|thread| {
                let seeds = &seeds;
                scope.spawn(move || {
                    let ours = seeds.iter().enumerate().filter(|(at, _)| *at as u64 % threads == thread);
                    ours.map(|(_, seed)| live(*seed)).collect::<Vec<_>>()
                })
            })
            .collect();
        lives.into_iter().flat_map(|life| life.join().expect("a life does not panic")).collect()
    });
    let failed = lives.iter().flat_map(|life| life.wrongs.iter().map(|wrong| format!("seed {}: {wrong}", life.seed)));
    let failed: Vec<String> = failed.collect();
    assert!(failed.is_empty(), "{failed:#?}");
    // What is not lived through is not tried.
    for (what, of) in [
        ("deaths", (|life| life.deaths) as fn(&Life) -> u64),
        ("days away", |life| life.days),
        ("epochs that ended", |life| life.epochs),
        ("profiles restored", |life| life.restored),
        ("messages taken back", |life| life.cancelled as u64),
    ] {
        assert!(lives.iter().map(of).sum::<u64>() > 0, "no {what} in a thousand lives");
    }
}

#[test]
fn a_seed_lives_the_same_life_twice() {
    // The last goes on from a backup.
    for seed in [1, 2, 3, 69] {
        let (one, other) = (live(seed), live(seed));
        assert_eq!(one, other);
        assert_eq!(one.digests.len(), 2);
    }
}
