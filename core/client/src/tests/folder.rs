//! The folder of a profile: what a new one takes, what a failed one gives back, and what a deletion leaves alone.

use super::*;
use std::fs;
use thicket_engine::{is_segment, is_snapshot};

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
fn a_vault_that_is_not_there_is_damage_and_not_the_disks() {
    let (_world, folder) = lived();
    fs::rename(folder.join("vault.db"), folder.join("away")).expect("a rename");
    assert_eq!(unlocked(&folder).err(), Some(Code::VaultDamaged));
    let looked = Profile::look_at(&folder, &passphrase());
    assert_eq!(looked.err().map(|fault| fault.code), Some(Code::VaultDamaged));
    assert!(!folder.join("vault.db").exists(), "and none is made");
}
