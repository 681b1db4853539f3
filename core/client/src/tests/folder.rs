//! The folder of a profile: what a new one takes, what a failed one gives back, and what a deletion leaves alone.

use super::*;
use std::fs;

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

#[test]
fn a_vault_that_is_not_there_is_damage_and_not_the_disks() {
    let (_world, folder) = lived();
    fs::rename(folder.join("vault.db"), folder.join("away")).expect("a rename");
    assert_eq!(unlocked(&folder).err(), Some(Code::VaultDamaged));
    let looked = Profile::look_at(&folder, &passphrase());
    assert_eq!(looked.err().map(|fault| fault.code), Some(Code::VaultDamaged));
    assert!(!folder.join("vault.db").exists(), "and none is made");
}
