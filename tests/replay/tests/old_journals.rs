//! Every journal that is kept opens, folds to what it folded to, and is gone on with.

use std::fs;
use std::path::Path;
use thicket_client::{SeededEntropy, SystemClock};
use thicket_engine::{Engine, Input, OsDisk, ProfileKeys, look};
use thicket_old_journals::{FoldsTo, PASSPHRASE, entries, folder, journals};
use thicket_reducer::{ClientRules, RULES, State};
use thicket_types::ids::IntentId;
use thicket_types::intent::Intent;
use thicket_types::ports::{Reducer as _, Remembered};
use thicket_types::secret::Secret;

/// Lives of the simulator whose journals are kept: with what is special about them.
const LIVES: [(u64, &str); 3] = [
    // A month with absences, messages that were taken back, and nine deaths.
    (2, "month"),
    // Sixteen epochs in a month.
    (3, "epochs"),
    // A backup was put back, and taken over.
    (14, "taken-over"),
];

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

/// Makes the journals of this build's version anew, if that is asked for.
fn make_if_asked() {
    if std::env::var_os("UPDATE_JOURNALS").is_none() {
        return;
    }
    let version = folder().join(format!("format-1-rules-{}", RULES.0));
    if version.exists() {
        fs::remove_dir_all(&version).expect("a folder of ours");
    }
    for (seed, name) in LIVES {
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
        let (mut engine, _) = Engine::<ClientRules>::open(disk, Box::new(SystemClock::new()), entropy, keys(place.path()), remembered)
            .unwrap_or_else(|fault| panic!("{}: {fault}", original.display()));
        assert_eq!(*engine.state(), before, "{}", original.display());
        engine.push(Input::Intent(IntentId([77; 16]), Intent::Connect));
        assert_eq!(engine.turn().expect("room").records, 1);
        engine.snapshot().expect("room");
        drop(engine);
        let after = folds_to(place.path());
        let first = told.lines().next().expect("a line");
        assert!(after.from >= first.trim_start_matches("from ").parse::<u64>().expect("a place"), "{first}");
    }
}
