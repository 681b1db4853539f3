//! The folder of a profile: what a new one takes, what a failed one gives back, and what a deletion leaves alone.

use super::*;
use std::fs;
use thicket_engine::{KEYS_FILE, is_segment, is_snapshot};

fn made(folder: &Path, who: &str) -> Result<Profile, Code> {
    by(folder, Origin::New(name(who)))
}

fn by(folder: &Path, origin: Origin) -> Result<Profile, Code> {
    let clock = ManualClock(Arc::new(AtomicU64::new(START_MS)));
    let entropy = share(Box::new(SeededEntropy::new(1)));
    Profile::create(folder, origin, &passphrase(), CHEAP, entropy, &clock).map_err(|fault| fault.code)
}

fn unlocked(folder: &Path) -> Result<Profile, Code> {
    Profile::unlock(folder, &passphrase(), share(Box::new(SeededEntropy::new(0)))).map_err(|fault| fault.code)
}

/// Alice's profile with a journal and snapshots, closed.
fn lived() -> (World, PathBuf) {
    let mut world = two(25, Conditions::default());
    let pump = world.people.get_mut("alice").and_then(|alice| alice.pump.take()).expect("an open profile");
    pump.close().expect("room");
    let folder = world.people["alice"].folder.clone();
    (world, folder)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        folder_bytes(folder).into_iter().map(|(path, _)| path.strip_prefix(folder).expect("in it").display().to_string()).collect();
    names.sort();
    names
}

#[test]
fn a_deleted_profile_is_gone() {
    let (_world, folder) = lived();
    assert!(["journal", "snapshots"].iter().all(|inner| folder.join(inner).is_dir()));
    assert!(unlocked(&folder).expect("intact").delete().expect("it can be removed"));
    assert!(!folder.exists());
}

#[test]
fn a_deletion_leaves_what_is_not_the_profiles() {
    let (_world, folder) = lived();
    let others = ["journal/notes.seg", "letters/a", "snapshots/0.snap", "vault.db.backup", "z"];
    for other in others {
        let path = folder.join(other);
        fs::create_dir_all(path.parent().expect("a folder")).expect("room");
        fs::write(path, other).expect("room");
    }
    assert!(!unlocked(&folder).expect("intact").delete().expect("it can be removed"));
    assert_eq!(names(&folder), others);
    assert!(others.iter().all(|other| fs::read(folder.join(other)).expect("a file") == other.as_bytes()));
    assert_eq!(unlocked(&folder).err(), Some(Code::ProfileMissing));
}

#[test]
fn a_deletion_that_was_cut_off_is_ended_by_whoever_comes_next() {
    // Given a deletion that stopped after its first step, in the middle of the second, and after it.
    let erase: [fn(&mut [u8]); 3] = [|_| {}, |keys| keys[..5].fill(0), |keys| keys.fill(0)];
    for (erase, stray) in erase.into_iter().flat_map(|erase| [(erase, false), (erase, true)]) {
        let cut_off = || {
            let (world, folder) = lived();
            let mut keys = fs::read(folder.join(KEYS_FILE)).expect("a profile");
            erase(&mut keys);
            fs::write(folder.join("keys.deleted"), keys).expect("room");
            fs::remove_file(folder.join(KEYS_FILE)).expect("it is there");
            if stray {
                fs::write(folder.join("journal/notes"), "mine").expect("room");
            }
            (world, folder)
        };
        // When somebody looks, nothing changes; when somebody opens it, there is none, and nothing of it is left.
        let (_world, folder) = cut_off();
        let before = folder_bytes(&folder);
        assert_eq!(Profile::look_at(&folder, &passphrase()).err().map(|fault| fault.code), Some(Code::ProfileMissing));
        assert!(folder_bytes(&folder) == before);
        assert_eq!(unlocked(&folder).err(), Some(Code::ProfileMissing));
        assert_eq!(folder.exists(), stray);
        assert!(!stray || names(&folder) == ["journal/notes"]);
        // So for who makes another one there.
        let (_world, folder) = cut_off();
        drop(made(&folder, "eve").expect("what was cut off is in nobody's way"));
        let others = if stray { &["journal/notes"][..] } else { &[] };
        assert_eq!(names(&folder), [others, &["keys", "lock", "vault.db"]].concat());
        assert_eq!(unlocked(&folder).expect("intact").own().0, "eve");
    }
}

#[test]
fn a_deletion_that_was_cut_off_beside_somebodys_file_is_ended_by_an_unlock_alone() {
    let (_world, folder) = lived();
    fs::rename(folder.join(KEYS_FILE), folder.join("keys.deleted")).expect("a rename");
    fs::write(folder.join("letter"), "mine").expect("room");
    let before = folder_bytes(&folder);
    assert_eq!(made(&folder, "eve").err(), Some(Code::FolderNotEmpty));
    assert!(folder_bytes(&folder) == before, "no create removes a file beside which it makes none");
    // And while it is held, nobody ends it.
    let lock = crate::folder::lock(&folder).expect("free");
    assert_eq!(unlocked(&folder).err(), Some(Code::ProfileInUse));
    drop(lock);
    assert_eq!(unlocked(&folder).err(), Some(Code::ProfileMissing));
    assert_eq!(names(&folder), ["letter"]);
}

#[cfg(unix)]
#[test]
fn a_deletion_through_a_link_removes_the_profile_and_not_the_link() {
    let (world, folder) = lived();
    let link = world.folder.path().join("link");
    std::os::unix::fs::symlink(&folder, &link).expect("a link");
    assert!(unlocked(&link).expect("intact").delete().expect("it can be removed"));
    assert!(!folder.exists() && link.is_symlink());
}

#[test]
fn the_names_of_all_files_of_a_profile_are_known() {
    let (_world, folder) = lived();
    for (inner, is_ours) in [("journal", is_segment as fn(&str) -> bool), ("snapshots", is_snapshot)] {
        let inner = names(&folder.join(inner));
        assert!(!inner.is_empty() && inner.iter().all(|name| is_ours(name)), "{inner:?}");
    }
    assert!(is_snapshot("0000000000000001.snap.new"));
    for other in ["1.snap", "000000000000000g.snap", "0000000000000001.snap.old", "0000000000000001.seg", ""] {
        assert!(!is_snapshot(other) && !is_segment(other), "{other}");
    }
}

#[test]
fn no_profile_is_made_in_a_folder_that_holds_anything_and_nothing_there_changes() {
    let (_world, folder) = lived();
    // Given a profile whose keys file was moved away, and folders of other things.
    fs::rename(folder.join(KEYS_FILE), folder.join("moved")).expect("a rename");
    let other = TempDir::new().expect("a folder");
    let others = ["vault.db", "keys.deleted", "lock", "letters"].map(|file| {
        let folder = other.path().join(format!("with {file}"));
        fs::create_dir(&folder).expect("room");
        fs::write(folder.join(file), "mine").expect("room");
        folder
    });
    for folder in others.iter().chain([&folder]) {
        let before = folder_bytes(folder);
        assert_eq!(made(folder, "eve").err(), Some(Code::FolderNotEmpty), "{}", folder.display());
        assert!(folder_bytes(folder) == before, "{}", folder.display());
    }
    fs::rename(folder.join("moved"), folder.join(KEYS_FILE)).expect("a rename");
    assert!(unlocked(&folder).is_ok(), "and the old profile opens again");
}

#[test]
fn what_a_create_left_that_was_cut_off_is_taken_away_by_the_next() {
    let folder = TempDir::new().expect("a folder");
    let left = ["lock", "keys.new", "vault.new.db", "vault.new.db-wal", "vault.new.db-shm", "vault.new.db-journal"];
    for file in left {
        fs::write(folder.path().join(file), if file == "lock" { "" } else { "half" }).expect("room");
    }
    assert_eq!(unlocked(folder.path()).err(), Some(Code::ProfileMissing));
    drop(made(folder.path(), "alice").expect("room"));
    assert_eq!(names(folder.path()), ["keys", "lock", "vault.db"]);
    assert_eq!(unlocked(folder.path()).expect("intact").own().0, "alice");
}

#[test]
fn a_profile_whose_making_was_cut_off_after_its_keys_is_finished_by_its_unlock() {
    let folder = TempDir::new().expect("a folder");
    drop(made(folder.path(), "alice").expect("room"));
    let (vault, new) = (folder.path().join("vault.db"), folder.path().join("vault.new.db"));
    fs::rename(&vault, &new).expect("a rename");
    let wrong = Secret::new(b"wrong".to_vec());
    assert!(Profile::unlock(folder.path(), &wrong, share(Box::new(SeededEntropy::new(0)))).is_err());
    assert!(new.exists(), "who has not the passphrase changes nothing");
    assert_eq!(unlocked(folder.path()).expect("intact").own().0, "alice");
    assert!(vault.exists() && !new.exists());
}

#[test]
fn an_import_that_fails_leaves_nothing_behind() {
    let place = TempDir::new().expect("a folder");
    let reader = made(&place.path().join("alice"), "alice").and_then(|alice| alice.reader().map_err(|fault| fault.code)).expect("room");
    let armored = reader.export(&passphrase(), &mut SeededEntropy::new(7)).expect("a key");
    let wrong = || Origin::Imported { armored: armored.clone(), passphrase: Secret::new(b"wrong".to_vec()) };
    let garbage = || Origin::Imported { armored: "garbage".to_owned(), passphrase: passphrase() };
    let there = place.path().join("there");
    fs::create_dir(&there).expect("room");
    for (folder, left) in [(place.path().join("a/b/c"), place.path().join("a")), (there.clone(), there.join("lock"))] {
        assert_eq!(by(&folder, wrong()).err(), Some(Code::WrongPassphrase));
        assert_eq!(by(&folder, garbage()).err(), Some(Code::BadCertificate));
        assert!(!left.exists(), "{}", left.display());
    }
    assert_eq!(fs::read_dir(&there).expect("it was there before").count(), 0);
    assert!(by(&there, Origin::Imported { armored, passphrase: passphrase() }).is_ok());
}

#[cfg(unix)]
#[test]
fn a_folder_that_is_open_to_others_is_closed_when_a_profile_is_made_in_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().expect("a folder");
    let mode = || fs::metadata(folder.path()).expect("a folder").permissions().mode() & 0o777;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("ours");
    let garbage = Origin::Imported { armored: "garbage".to_owned(), passphrase: passphrase() };
    assert!(by(folder.path(), garbage).is_err());
    assert_eq!(mode(), 0o755, "what failed changes nothing");
    drop(made(folder.path(), "alice").expect("room"));
    assert_eq!(mode(), 0o700);
}

#[test]
fn a_vault_that_is_not_there_is_damage_and_not_the_disks() {
    let (_world, folder) = lived();
    fs::rename(folder.join("vault.db"), folder.join("away")).expect("a rename");
    assert_eq!(unlocked(&folder).err(), Some(Code::VaultDamaged));
    let looked = Profile::look_at(&folder, &passphrase());
    assert_eq!(looked.err().map(|fault| fault.code), Some(Code::VaultDamaged));
    assert!(!folder.join("vault.db").exists(), "and none is made");
}

#[test]
fn a_profile_that_was_closed_is_free_though_a_process_that_is_being_started_still_has_its_files() {
    let folder = tempfile::tempdir().expect("room");
    let held = crate::folder::lock(folder.path()).expect("nobody has it");
    assert_eq!(crate::folder::lock(folder.path()).err().map(|fault| fault.code), Some(Code::ProfileInUse));
    // What a fork gives to a child, until it becomes another program.
    let inherited = held.handed_down();
    drop(held);
    assert!(crate::folder::lock(folder.path()).is_ok());
    drop(inherited);
}
