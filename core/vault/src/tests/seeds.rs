//! Seeds.

use super::*;

fn history(seed: u64) -> Vec<Outcome> {
    let (mut alice, mut bob) = (Person::new("alice", seed), Person::new("bob", seed + 1));
    let mut outcomes = vec![
        alice.ask(VaultOp::Compose(Ask::Lookup(name("bob"))), &[]),
        alice.ask(VaultOp::SignRegistration { challenge: challenge(), token: None }, &[]),
        alice.ask(VaultOp::MakeKeyPackages { count: 3, last_resort: true, replaces: false, at: NOW }, &[]),
    ];
    let (of_alice, of_bob, package) = (entry(&mut alice), entry(&mut bob), package(&mut bob));
    outcomes.push(pin_as(&mut alice, "bob", of_bob));
    outcomes.push(pin_as(&mut bob, "alice", of_alice));
    outcomes.push(begin_with(&mut alice, bob.own(), package));
    for text in ["one", "two"] {
        let op = seal_op(&mut alice, &bob, text);
        let sealed = alice.ask(op, &[]);
        outcomes.push(deliver(&mut bob, &put(&sealed).envelope, false));
        outcomes.push(sealed);
    }
    let op = seal_op(&mut bob, &alice, "three");
    let sealed = bob.ask(op, &[]);
    outcomes.push(deliver(&mut alice, &put(&sealed).envelope, false));
    outcomes.push(sealed);
    outcomes
}

#[test]
fn equal_seeds_give_equal_outcomes() {
    let (one, again, other) = (history(1), history(1), history(3));
    assert!(one == again, "the outcomes differ");
    assert!(one.iter().all(|outcome| !matches!(outcome, Outcome::Refused(_) | Outcome::Fault(_))), "{one:?}");
    assert!(one != other, "the seed plays no part");
}
