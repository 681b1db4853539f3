//! Making a profile, restoring and deleting one, interrupted after each of its operations: there is a whole profile, or none and the
//! same can be asked for again; and so once more.

use std::sync::LazyLock;
use thicket_crash::making::{Act, Found, Given, Report, interrupt};
use thicket_crash::platter::How;

const SEED: u64 = 1;

static GIVEN: LazyLock<Given> = LazyLock::new(|| Given::new(SEED).expect("a life without a crash"));

fn interrupted(act: Act) -> Report {
    let report = interrupt(&GIVEN, act, SEED, false, 2).expect("nothing is in the way");
    assert!(report.failures.is_empty(), "{} failures:\n{}", report.failures.len(), report.failures.join("\n"));
    // That it stopped everywhere, on either side of the step that counts, and once more where it was begun anew.
    let at = |how: How| [Found::Whole, Found::None].map(|found| report.found.get(&(how, found)).copied().unwrap_or_default());
    assert_eq!(at(How::AsItIs).iter().sum::<u64>(), report.operations as u64);
    assert!(at(How::Unsynced).iter().sum::<u64>() > 0 && at(How::Torn).iter().sum::<u64>() > 0, "{report:?}");
    // Deleting begins with the step that counts.
    assert!(act == Act::Delete || at(How::AsItIs).iter().all(|count| *count > 0), "{report:?}");
    assert!(report.again.keys().any(|(_, found)| *found == Found::None), "{report:?}");
    report
}

#[test]
fn a_profile_whose_making_stops_anywhere_is_whole_or_can_be_made_anew() {
    interrupted(Act::Create);
}

#[test]
fn a_profile_whose_restore_stops_anywhere_is_whole_or_can_be_restored_anew() {
    interrupted(Act::Restore);
}

#[test]
fn a_profile_whose_deletion_stops_anywhere_is_whole_or_gone_and_in_the_way_of_none() {
    interrupted(Act::Delete);
}

/// A test of the test: what holds where each step is durable does not hold where none is.
#[test]
fn a_profile_that_is_made_or_deleted_where_nothing_is_synced_is_found_out() {
    for act in [Act::Create, Act::Delete] {
        let report = interrupt(&GIVEN, act, SEED, true, 2).expect("nothing is in the way");
        let failed = |how: How| report.failures.iter().filter(|failure| failure.contains(&format!(", {}: ", how.word()))).count();
        assert!(failed(How::Unsynced) > 0 && failed(How::AsItIs) + failed(How::Torn) == 0, "{:?}", report.failures);
    }
}
