//! Every log of four entries. docs/TESTING.md records longer ones.

use stateright::{Checker, Model};
use thicket_model::world::World;

fn check(hostile: usize, states_min: usize) {
    let checker = World { hostile, entries: 4, window: 2 }.checker().threads(2).spawn_dfs().join();
    // What always holds has no counterexample, and each thing that is to happen somewhere did.
    checker.assert_properties();
    assert!(checker.unique_state_count() >= states_min, "{} states", checker.unique_state_count());
}

#[test]
fn whatever_an_admin_appends_there_is_one_history_and_no_commit_outruns_an_order() {
    check(1, 30_000);
}

#[test]
fn whatever_a_member_appends_there_is_one_history_and_no_commit_outruns_an_order() {
    check(2, 11_000);
}
