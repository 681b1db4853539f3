//! Deleted means: in none of a profile's files, even with all its keys.

use super::*;
use std::fs;
use thicket_engine::{kept, walk};
use thicket_journal_format::codec;
use thicket_reducer::ClientRules;
use thicket_scanner::Scanner;

/// All that a profile's files hold, by where: as it stands on the disk, and opened with the profile's keys.
///
/// SQLCipher 4 with a raw key (its design document): pages of 4,096 bytes, AES-256-CBC, in each page's last 80 bytes the IV
/// and an HMAC; the file's first 16 bytes are a salt. A frame of the log is a header of 24 bytes and a page, after one of 32.
fn everything(folder: &Path) -> BTreeMap<&'static str, Vec<u8>> {
    use aes::cipher::{BlockDecrypt as _, KeyInit as _};
    let mut disk = OsDisk::new(folder);
    let keys = ProfileKeys::unlock(&mut disk, &passphrase()).expect("intact keys");
    let cipher = aes::Aes256::new(keys.vault_key().expect("a key").expose().into());
    let page = |bytes: &[u8], start: usize, plain: &mut Vec<u8>| {
        let iv_at = 4096 - 80;
        let mut before: [u8; 16] = bytes[iv_at..iv_at + 16].try_into().expect("16 bytes");
        for block in bytes[start..iv_at].as_chunks::<16>().0 {
            let mut opened = aes::Block::from(*block);
            cipher.decrypt_block(&mut opened);
            plain.extend(opened.iter().zip(before).map(|(byte, mask)| byte ^ mask));
            before = *block;
        }
    };
    let (mut pages, mut log, mut journal, mut snapshots) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (at, bytes) in fs::read(folder.join("vault.db")).expect("a vault").chunks_exact(4096).enumerate() {
        page(bytes, if at == 0 { 16 } else { 0 }, &mut pages);
    }
    let frames = fs::read(folder.join("vault.db-wal")).unwrap_or_default();
    for frame in frames.get(32..).unwrap_or_default().chunks_exact(24 + 4096) {
        page(&frame[24..], 0, &mut log);
    }
    walk(&mut disk, &keys, None, &mut |walked| walked.record.encode(&mut journal).expect("a record that was written"))
        .expect("an intact journal");
    for kept in kept::<ClientRules>(&mut disk, &keys).expect("an intact disk") {
        snapshots.extend(codec::encode(&kept.state).expect("a state that was written"));
    }
    let raw = folder_bytes(folder).into_iter().flat_map(|(_, bytes)| bytes).collect();
    BTreeMap::from([("the files", raw), ("vault", pages), ("log", log), ("journal", journal), ("snapshots", snapshots)])
}

/// Where a secret is found, in whatever form.
fn found_in(folder: &Path, secret: &str) -> Vec<&'static str> {
    let scanner = Scanner::new([secret]);
    everything(folder).into_iter().filter(|(_, bytes)| !scanner.scan(bytes).is_empty()).map(|(place, _)| place).collect()
}

/// Words that begin differently: the search index writes of each no more than where it differs from the one before.
fn words() -> Vec<String> {
    ('a'..='z').map(|first| format!("{first}unmistakable")).collect()
}

fn log_len(folder: &Path) -> u64 {
    fs::metadata(folder.join("vault.db-wal")).map_or(0, |file| file.len())
}

#[test]
fn deleted_means_in_no_file_even_with_all_the_keys() {
    let mut world = two(27, Conditions::default());
    let (alice, bob) = (world.people["alice"].own, world.people["bob"].own);
    let ids: Vec<MessageId> =
        words().iter().map(|word| world.say("alice", "bob", &format!("the word is {word} and {}", "padding ".repeat(60)))).collect();
    world.run(10_000);
    let folders = ["alice", "bob"].map(|who| {
        world.pump(who).take_snapshot().expect("room");
        world.people[who].folder.clone()
    });
    for folder in &folders {
        // The scan sees what is there: texts in the vault, and nowhere else; whom it is about in journal and snapshots.
        for word in words() {
            let places = found_in(folder, &word);
            assert!(places == ["vault"] || places == ["log"] || places == ["log", "vault"], "{word}: {places:?}");
        }
        let contact = if folder.ends_with("alice") { bob } else { alice };
        let holds = |bytes: &[u8]| bytes.windows(contact.0.len()).any(|window| window == contact.0);
        let places: Vec<&str> = everything(folder).into_iter().filter(|(_, bytes)| holds(bytes)).map(|(place, _)| place).collect();
        assert!(places.contains(&"journal") && places.contains(&"snapshots") && !places.contains(&"the files"), "{places:?}");
    }

    // When bob removes alice, and alice forgets what she wrote, all but one.
    world.ask("bob", Intent::RemoveContact { contact: alice });
    for message in &ids[1..] {
        world.ask("alice", Intent::ForgetMessage { contact: bob, message: *message, sent: true });
    }
    world.run(5_000);
    // Then it is nowhere: while the profile is open, after its process died, and after another has opened and closed it.
    for moment in ["open", "dead", "closed"] {
        match moment {
            "open" => {}
            "dead" => ["alice", "bob"].iter().for_each(|who| world.kill(who)),
            _ => {
                for who in ["alice", "bob"] {
                    world.open(who);
                    world.run(1_000);
                    let pump = world.people.get_mut(who).and_then(|person| person.pump.take()).expect("an open profile");
                    pump.close().expect("room").vault.checkpoint().expect("room");
                }
            }
        }
        for (at, word) in words().iter().enumerate() {
            let kept = at == 0;
            let [of_alice, of_bob] = folders.each_ref().map(|folder| found_in(folder, word));
            assert_eq!((of_alice.is_empty(), of_bob), (!kept, Vec::new()), "{word}, {moment}: {of_alice:?}");
        }
    }
}

#[test]
fn the_vaults_log_is_emptied_within_an_hour_though_nothing_is_deleted() {
    let mut world = friends(28, Conditions::default());
    for number in 0..40 {
        world.say("alice", "bob", &format!("{number} {}", "padding ".repeat(500)));
    }
    world.run(60_000);
    let folder = world.people["bob"].folder.clone();
    let full = log_len(&folder);
    assert!(full > 100_000, "{full}");
    let mut least = full;
    for _ in 0..61 {
        world.run(60_000);
        least = least.min(log_len(&folder));
    }
    // Emptied, and what came since is what an hour of asking the relay leaves.
    assert!(least < full / 4, "{least} of {full} bytes");
    let texts = |world: &mut World| {
        world.verify("bob");
        received(&world.texts("bob")).len()
    };
    assert_eq!(texts(&mut world), 41);
}

#[test]
fn a_text_that_no_message_comes_of_is_in_no_file_also_while_the_profile_is_open() {
    let mut world = friends(29, Conditions::default());
    let bob = world.people["bob"].own;
    let folder = world.people["alice"].folder.clone();
    world.people.get_mut("alice").expect("a person").pump.take().expect("an open profile").close().expect("room");
    let client = crate::Client::open_offline(world.unlock("alice")).expect("an intact profile");
    let word = |number: usize| words()[number].clone();
    // Asked for twice: one text, which goes with its message.
    for _ in 0..2 {
        assert_eq!(client.send_as(IntentId([7; 16]), bob, &word(0)), Ok(MessageId([7; 16])));
    }
    assert!(matches!(client.submit(IntentId([8; 16]), Intent::CancelMessage { message: MessageId([7; 16]) }), Ok(Answer::Accepted)));
    let forget = Intent::ForgetMessage { contact: bob, message: MessageId([7; 16]), sent: true };
    assert!(matches!(client.submit(IntentId([9; 16]), forget), Ok(Answer::Accepted)));
    // Refused.
    assert_eq!(client.send(world.people["alice"].own, &word(1)), Err(Code::UnknownContact));
    // The profile's thread does one after the other: when this is answered, what was asked before is done.
    client.stage("afterwards").expect("room");
    assert_eq!((found_in(&folder, &word(0)), found_in(&folder, &word(1))), (Vec::new(), Vec::new()));
    assert!(!found_in(&folder, "afterwards").is_empty(), "the scan sees what is there");
    client.close().expect("room");
}

#[test]
fn after_a_passphrase_change_no_file_opens_with_the_old_one() {
    // Given a profile, and beside its keys what a crash left of an earlier write of them.
    let mut world = two(30, Conditions::default());
    world.kill("alice");
    let folder = world.people["alice"].folder.clone();
    let before = fs::read(folder.join("keys")).expect("a keys file");
    fs::write(folder.join("keys.new"), &before).expect("room");
    let opening = |passphrase: &Secret<Vec<u8>>| -> Vec<PathBuf> {
        let place = TempDir::new().expect("a folder");
        let opens = |bytes: &[u8]| {
            fs::write(place.path().join("keys"), bytes).expect("room");
            ProfileKeys::unlock(&mut OsDisk::new(place.path()), passphrase).is_ok()
        };
        folder_bytes(&folder).into_iter().filter(|(_, bytes)| opens(bytes)).map(|(path, _)| path).collect()
    };
    assert_eq!(opening(&passphrase()), [folder.join("keys"), folder.join("keys.new")], "the scan sees what opens");
    // When the passphrase is changed.
    let other = Secret::new(b"battery staple".to_vec());
    world.unlock("alice").rekey(&other).expect("room");
    // Then no file is a keys file that the old one opens, and one is that the new one does.
    assert_eq!(opening(&passphrase()), Vec::<PathBuf>::new());
    assert_eq!(opening(&other), [folder.join("keys")]);
    // SPEC, the keys file: salt, nonce, and the account key as the old one sealed it, are in no file.
    for place in [24..40, 56..68, 68..116] {
        let old = &before[place.clone()];
        let found = folder_bytes(&folder).into_iter().find(|(_, bytes)| bytes.windows(old.len()).any(|window| window == old));
        assert_eq!(found.map(|(path, _)| path), None, "bytes {place:?}");
    }
}
