//! Looks at a profile while another process opens, writes and closes it.

use super::*;
use crate::client::Nowhere;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use thicket_types::limits::PROFILE_LOOK_FOR;

fn made(folder: &Path) {
    let clock = ManualClock(Arc::new(AtomicU64::new(START_MS)));
    let entropy = share(Box::new(SeededEntropy::new(1)));
    drop(Profile::create(folder, Origin::New(name("alice")), &passphrase(), CHEAP, entropy, &clock).expect("a new profile"));
}

/// Opens a profile, writes a block into its journal, and closes it; not while somebody else has it.
fn write_once(folder: &Path, round: u64) {
    let entropy = share(Box::new(SeededEntropy::new(round)));
    let profile = match Profile::unlock(folder, &passphrase(), entropy) {
        Ok(profile) => profile,
        Err(fault) => return assert_eq!(fault.code, Code::ProfileInUse),
    };
    let clock = ManualClock(Arc::new(AtomicU64::new(START_MS + round)));
    let mut pump = profile.open(Box::new(Nowhere), Box::new(clock)).expect("an intact profile");
    pump.submit(IntentId(u128::from(round).to_be_bytes()), Intent::SetReadMarks { on: round.is_multiple_of(2) });
    pump.pump().expect("room");
    pump.close().and_then(|mut closed| Ok(closed.vault.checkpoint()?)).expect("room");
}

#[test]
fn a_profile_that_another_process_opens_and_closes_all_the_time_is_never_damaged() {
    let place = TempDir::new().expect("a folder");
    let folder = place.path().join("alice");
    made(&folder);
    let (over, opened) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                write_once(&folder, opened.fetch_add(1, Ordering::Relaxed));
            }
        });
        let mut looked = Vec::new();
        while opened.load(Ordering::Relaxed) < 40 {
            looked.push(Profile::look_at(&folder, &passphrase()).map(|_| ()));
            looked.push(Profile::look_into(&folder, &passphrase(), |look| {
                let (disk, keys) = look.files();
                thicket_engine::walk(disk, keys, None, &mut |_| {}).map(|_| ())
            }));
        }
        over.store(true, Ordering::Relaxed);
        let looked_at = looked.len();
        // A writer that never rests may keep a look from its end; but nothing is damaged.
        let codes: Vec<Code> = looked.into_iter().filter_map(|looked| looked.err().map(|fault| fault.code)).collect();
        assert!(codes.iter().all(|code| *code == Code::ProfileInUse), "{codes:?}");
        assert!(looked_at > codes.len(), "and many looks found it whole");
    });
}

#[test]
fn whoever_reads_beside_a_writer_sees_a_profile_of_one_time_that_goes_on() {
    let place = TempDir::new().expect("a folder");
    let folder = place.path().join("alice");
    made(&folder);
    write_once(&folder, 1);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let profile = Profile::unlock(&folder, &passphrase(), share(Box::new(SeededEntropy::new(2)))).expect("nobody has it");
            let clock = Box::new(ManualClock(Arc::new(AtomicU64::new(START_MS + 2))));
            let mut pump = profile.open(Box::new(Nowhere), clock).expect("an intact profile");
            let mut rounds = 2_u64;
            // Each is a block of the journal, a transaction of the vault, and a block that counts it.
            while !over.load(Ordering::Relaxed) {
                rounds += 1;
                pump.submit(IntentId(u128::from(rounds).to_be_bytes()), Intent::SetReadMarks { on: rounds.is_multiple_of(2) });
                pump.pump().expect("room");
            }
            rounds
        });
        // What is wrong is said once the writer was told to end.
        let (mut seen, mut looks, mut wrong) = (0, 0, Vec::new());
        while (looks < 60 || seen < 12) && wrong.is_empty() && !writer.is_finished() {
            let looked = Profile::look_into(&folder, &passphrase(), |look| {
                let (_, reader) = look.both()?;
                Ok(reader.remembered()?.count)
            });
            match looked {
                Ok(count) if count < seen => wrong.push(format!("{count} transactions after {seen}")),
                Ok(count) => (seen, looks) = (count, looks + 1),
                // A writer that never rests.
                Err(fault) if fault.code == Code::ProfileInUse => {}
                Err(fault) => wrong.push(format!("{fault:?}")),
            }
        }
        over.store(true, Ordering::Relaxed);
        let rounds = writer.join().expect("the writer goes on");
        assert_eq!(wrong, Vec::<String>::new());
        assert!(seen >= 12, "the writer came to its end: {rounds} rounds");
    });
    assert!(Profile::look_at(&folder, &passphrase()).is_ok());
}

#[test]
fn what_another_process_may_be_at_is_looked_at_for_so_long_and_is_no_damage() {
    let place = TempDir::new().expect("a folder");
    let folder = place.path().join("alice");
    made(&folder);
    write_once(&folder, 1);
    for (fault, looks_min) in [(Code::JournalDamaged, 2), (Code::VaultDamaged, 2), (Code::RolledBack, 2), (Code::WrongPassphrase, 1)] {
        let look = |looks: &mut u32| {
            let mut looked = 0;
            let found = Profile::look_into(&folder, &passphrase(), |_| {
                looked += 1;
                Err::<(), _>(thicket_engine::Fault::from(fault))
            });
            *looks = looked;
            found.err().map(|fault| fault.code)
        };
        let (mut looks, begun) = (0, Instant::now());
        let held = crate::folder::lock(&folder).expect("nobody has it");
        let beside = look(&mut looks);
        drop(held);
        assert!(looks >= looks_min, "{looks} looks at {fault:?}");
        if looks_min == 1 {
            assert_eq!((beside, looks), (Some(fault), 1), "no other process does that");
        } else {
            assert_eq!(beside, Some(Code::ProfileInUse));
            assert!(begun.elapsed() >= PROFILE_LOOK_FOR.as_core());
            // Alone, what is found under the lock counts.
            assert_eq!((look(&mut looks), looks), (Some(fault), 2));
        }
    }
}

#[test]
fn a_profile_is_locked_until_its_vault_is_written_for_the_last_time() {
    let place = TempDir::new().expect("a folder");
    let folder = place.path().join("alice");
    made(&folder);
    let unlocked = || Profile::unlock(&folder, &passphrase(), share(Box::new(SeededEntropy::new(2))));
    let clock = ManualClock(Arc::new(AtomicU64::new(START_MS)));
    let pump = unlocked().and_then(|profile| profile.open(Box::new(Nowhere), Box::new(clock))).expect("an intact profile");
    let mut closed = pump.close().expect("room");
    assert_eq!(unlocked().err().map(|fault| fault.code), Some(Code::ProfileInUse));
    closed.vault.checkpoint().expect("room");
    drop(closed);
    assert!(unlocked().is_ok());
}

#[test]
fn a_profile_that_nothing_can_be_written_into_is_read_and_nothing_is_made_there() {
    let place = TempDir::new().expect("a folder");
    let folder = place.path().join("100% #alice?");
    made(&folder);
    write_once(&folder, 1);
    let before = folder_bytes(&folder);
    let mut disk = OsDisk::new(&folder);
    let key = ProfileKeys::unlock(&mut disk, &passphrase()).and_then(|keys| keys.vault_key()).expect("intact keys");
    let reader = crate::Reader::open_read_only(&folder.join("vault.db"), &key).expect("an intact vault");
    assert_eq!(reader.own().expect("intact").0, "alice");
    assert_eq!(reader.messages(None, 0, 10).expect("intact").len(), 0);
    assert!(folder_bytes(&folder) == before, "not even a log");
}

#[test]
fn a_place_that_is_no_folder_is_said_and_is_not_the_disks_fault() {
    let place = TempDir::new().expect("a folder");
    let file = place.path().join("file");
    std::fs::write(&file, "").expect("room");
    assert_eq!(Profile::vacant(&file.join("alice")).err().map(|fault| fault.code), Some(Code::FileFailed));
}
