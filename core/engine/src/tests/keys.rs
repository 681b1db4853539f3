//! The keys file.

use super::*;

#[test]
fn a_profile_is_made_once_and_opened_by_its_passphrase_alone() {
    let mut disk = FakeDisk::default();
    let mut entropy = Seeded(Arc::new(AtomicU64::new(7)));
    let unlock = |disk: &mut FakeDisk, passphrase: &[u8]| ProfileKeys::unlock(disk, &Secret::new(passphrase.to_vec()));
    let code = |keys: Result<ProfileKeys, Fault>| keys.err().map(|fault| fault.code);
    assert_eq!(code(unlock(&mut disk, b"correct horse")), Some(Code::ProfileMissing));
    let made = ProfileKeys::create(&mut disk, &mut entropy, &passphrase(), CHEAP).expect("an empty disk");
    let file = disk.bytes(KEYS_FILE);
    assert_eq!(code(ProfileKeys::create(&mut disk, &mut entropy, &passphrase(), CHEAP)), Some(Code::ProfileExists));
    assert_eq!(disk.bytes(KEYS_FILE), file);
    for wrong in [b"correct horsf".as_slice(), b"", b"correct horse\n"] {
        assert_eq!(code(unlock(&mut disk, wrong)), Some(Code::WrongPassphrase));
    }
    let unlocked = unlock(&mut disk, b"correct horse").expect("the right passphrase");
    let vault_key = |keys: &ProfileKeys| *keys.vault_key().expect("a key").expose();
    assert_eq!(vault_key(&unlocked), vault_key(&made));
}

#[test]
fn a_passphrase_whose_change_failed_is_in_neither_memory_nor_file() {
    for plan in [&[Done::Nothing] as &[Done], &[Done::Half], &[Done::Whole]] {
        let mut disk = FakeDisk::default();
        let mut entropy = Seeded(Arc::new(AtomicU64::new(7)));
        let opens = |disk: &mut FakeDisk, passphrase: &[u8]| ProfileKeys::unlock(disk, &Secret::new(passphrase.to_vec())).is_ok();
        let mut keys = ProfileKeys::create(&mut disk, &mut entropy, &passphrase(), CHEAP).expect("an empty disk");
        // When the file cannot be written, or was and the disk says otherwise.
        disk.fail(0, plan, DiskError::Full);
        let failed = keys.rekey(&mut disk, &mut entropy, &Secret::new(b"battery staple".to_vec()));
        assert_eq!(failed.err().map(|fault| fault.code), Some(Code::DiskFull));
        assert!(disk.fired());
        disk.heal();
        assert_eq!((opens(&mut disk, b"correct horse"), opens(&mut disk, b"battery staple")), (true, false), "on the disk");
        // Then what is written later is under the old one too.
        keys.make(&mut disk, &mut entropy, thicket_journal_format::keys::Kind::Segment, [1; 16]).expect("room");
        assert_eq!((opens(&mut disk, b"correct horse"), opens(&mut disk, b"battery staple")), (true, false), "a key later");
        keys.rekey(&mut disk, &mut entropy, &Secret::new(b"battery staple".to_vec())).expect("room");
        assert!(opens(&mut disk, b"battery staple"));
    }
}

#[test]
fn a_damaged_keys_file_is_told_from_a_newer_one() {
    let world = World::new();
    let code = |alter: &dyn Fn(&mut Vec<u8>)| {
        let mut disk = world.disk.copy();
        let mut bytes = disk.bytes(KEYS_FILE);
        alter(&mut bytes);
        disk.put(KEYS_FILE, bytes);
        ProfileKeys::unlock(&mut disk, &passphrase()).err().map(|fault| fault.code)
    };
    assert_eq!(code(&|_| {}), None);
    assert_eq!(code(&|bytes| bytes[0] ^= 1), Some(Code::KeysDamaged));
    assert_eq!(code(&|bytes| bytes[8] = 2), Some(Code::ProfileNewer));
    // A cost that nobody could pay is refused before it is paid.
    assert_eq!(code(&|bytes| bytes[15] = 0xff), Some(Code::KeysDamaged));
    // A wrong bit in the salt, or in the sealed account key, is no wrong passphrase.
    assert_eq!(code(&|bytes| bytes[30] ^= 1), Some(Code::KeysDamaged));
    assert_eq!(code(&|bytes| bytes[100] ^= 1), Some(Code::KeysDamaged));
    assert_eq!(code(&|bytes| bytes.truncate(100)), Some(Code::KeysDamaged));
    assert_eq!(code(&|bytes| bytes.clear()), Some(Code::KeysDamaged));
    let last = world.disk.bytes(KEYS_FILE).len() - 1;
    assert_eq!(code(&|bytes| bytes[last] ^= 1), Some(Code::KeysDamaged));
}
