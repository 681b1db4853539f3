//! Every journal that is kept opens, folds to what it folded to, and is gone on with.

use std::fs;
use std::path::Path;
use thicket_client::SeededEntropy;
use thicket_engine::{Engine, Input, OsDisk, ProfileKeys, look};
use thicket_old_journals::{FoldsTo, PASSPHRASE, entries, folder, journals};
use thicket_reducer::{ClientRules, RULES, State};
use thicket_types::ids::IntentId;
use thicket_types::intent::Intent;
use thicket_types::ports::{Clock, Reducer as _, Remembered};
use thicket_types::secret::Secret;
use thicket_types::time::Stamp;

/// Lives of the simulator whose journals are kept: with what is special about them.
const LIVES: [(u64, &str); 4] = [
    // A month with absences, messages that were taken back, and nine deaths.
    (2, "month"),
    // Sixteen epochs in a month.
    (3, "epochs"),
    // A backup was put back, and taken over.
    (14, "taken-over"),
    // A month as before, of a build that keeps a snapshot of what retired.
    (2, "retired"),
];

/// After the last record of every journal that is kept.
struct Later;

impl Clock for Later {
    fn now(&self) -> Stamp {
        Stamp(2_000_000_000_000)
    }
}

fn keys(folder: &Path) -> ProfileKeys {
    ProfileKeys::unlock(&mut OsDisk::new(folder), &Secret::new(PASSPHRASE.to_vec())).expect("the keys of this journal")
}

fn folds_to(folder: &Path) -> FoldsTo {
    let verified = thicket_replay::verify(&mut OsDisk::new(folder), &keys(folder), None).expect("an intact journal");
    assert!(verified.holds(), "{}: {verified:?}", folder.display());
    FoldsTo { from: verified.from.0, records: verified.records, state: verified.state, effects: verified.effects, view: verified.view }
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("room");
    for entry in entries(from) {
        let to = to.join(entry.file_name().expect("a name"));
        if entry.is_dir() {
            copied(&entry, &to);
        } else {
            fs::copy(&entry, to).expect("room");
        }
    }
}

/// Makes the journals that are not there yet, if that is asked for. Those that are there are never made anew.
fn make_if_asked() {
    if std::env::var_os("UPDATE_JOURNALS").is_none() {
        return;
    }
    let version = folder().join(format!("format-1-rules-{}", RULES.0));
    let is_new = |(_, name): &(u64, &str)| !version.join(format!("{name}-alice")).exists();
    for (seed, name) in LIVES.into_iter().filter(is_new) {
        let (_, world) = thicket_sim::life::live_in(seed);
        for person in &world.people {
            let profile = version.join(format!("{name}-{}", person.name));
            for (file, bytes) in person.disk.image() {
                let file = profile.join(file);
                fs::create_dir_all(file.parent().expect("a folder")).expect("room");
                fs::write(file, bytes).expect("room");
            }
            fs::write(profile.join("folds-to"), folds_to(&profile).to_string()).expect("room");
        }
    }
}

#[test]
fn every_journal_that_is_kept_folds_to_what_it_did_and_is_gone_on_with() {
    make_if_asked();
    let kept = journals();
    let ours = format!("format-1-rules-{}/", RULES.0);
    let of_ours = kept.iter().filter(|path| path.to_string_lossy().contains(&ours)).count();
    assert_eq!(of_ours, 2 * LIVES.len(), "{kept:?}");
    for original in kept {
        let told = fs::read_to_string(original.join("folds-to")).expect("what it folds to");
        assert_eq!(folds_to(&original).to_string(), told, "{}", original.display());

        // A later open, which writes, begins where it ended; all of it still folds, and what was is still what it was.
        let place = tempfile::tempdir().expect("room");
        copied(&original, place.path());
        let before: State = look::<ClientRules>(&mut OsDisk::new(place.path()), &keys(place.path()), None).expect("an intact journal");
        let remembered = Remembered { durable: None, count: ClientRules::vault_count(&before) };
        let (disk, entropy) = (Box::new(OsDisk::new(place.path())), Box::new(SeededEntropy::new(1)));
        let (mut engine, _) = Engine::<ClientRules>::open(disk, Box::new(Later), entropy, keys(place.path()), remembered)
            .unwrap_or_else(|fault| panic!("{}: {fault}", original.display()));
        assert_eq!(*engine.state(), before, "{}", original.display());
        engine.push(Input::Intent(IntentId([77; 16]), Intent::Connect));
        assert_eq!(engine.turn().expect("room").records, 1);
        // At a time and by chance that are always the same, so to the same state.
        let goes_on = format!("state {}\n", thicket_replay::state_digest(engine.state()).expect("a state that encodes").hex());
        if std::env::var_os("UPDATE_JOURNALS").is_some() && !original.join("goes-on-to").exists() {
            fs::write(original.join("goes-on-to"), &goes_on).expect("room");
        }
        assert_eq!(fs::read_to_string(original.join("goes-on-to")).expect("what it goes on to"), goes_on, "{}", original.display());
        engine.snapshot().expect("room");
        drop(engine);
        let after = folds_to(place.path());
        let first = told.lines().next().expect("a line");
        assert!(after.from >= first.trim_start_matches("from ").parse::<u64>().expect("a place"), "{first}");
    }
}
