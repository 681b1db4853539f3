//! A profile in one file, and a profile made of it.

use super::*;
use crate::Archived;
use std::fs;
use thicket_engine::{ArchiveKeys, Fault, Walked, kept, walk};
use thicket_journal_format::archive::Counts;
use thicket_journal_format::codec;
use thicket_journal_format::digest;
use thicket_reducer::ClientRules;
use thicket_types::event::Event;
use thicket_types::ids::{Digest, Seq};

const HOUR: u64 = 3_600_000;

pub(super) fn archive(world: &mut World, who: &'static str, file: &Path) -> Archived {
    let mut entropy = SeededEntropy::new(77);
    let keys = ArchiveKeys::make(&mut entropy, &passphrase(), CHEAP.cost).expect("a cost within its bounds");
    world.pump(who).archive(file, keys, &mut entropy).expect("room")
}

pub(super) fn restore(world: &mut World, folder: &Path, file: &Path) -> Result<(Profile, Archived), Fault> {
    world.seed += 1;
    let entropy = share(Box::new(SeededEntropy::new(world.seed)));
    Profile::restore(folder, file, &passphrase(), CHEAP, entropy, &world.clock)
}

/// What the journal begins with: the digest of its state, and its first records.
fn beginning(folder: &Path) -> (Option<Digest>, Vec<Event>) {
    let mut disk = OsDisk::new(folder);
    let keys = ProfileKeys::unlock(&mut disk, &passphrase()).expect("intact keys");
    let snapshots = kept::<ClientRules>(&mut disk, &keys).expect("an intact disk");
    let first = snapshots.first().map(|first| digest(&[&codec::encode(&first.state).expect("our own state")]));
    let mut events = Vec::new();
    walk(&mut disk, &keys, None, &mut |Walked { record, .. }| events.push(record.event.clone())).expect("an intact journal");
    (first, events)
}

fn state_of(world: &mut World, who: &'static str) -> Digest {
    digest(&[&codec::encode(world.pump(who).state()).expect("our own state")])
}

#[test]
fn what_was_archived_is_restored_goes_on_and_the_old_device_is_told() {
    for (seed, who, other) in [(700, "alice", "bob"), (710, "bob", "alice")] {
        let mut world = friends(seed, Conditions::default());
        // Given all that there can be: what was delivered, what waits for the relay, what the other will write meanwhile.
        world.meeting.set_up(false);
        world.say(who, other, "under way");
        world.run(1_000);
        let file = world.folder.path().join("one.thicket");
        let (before, seq) = (state_of(&mut world, who), world.pump(who).parts().0.durable().seq);
        let archived = archive(&mut world, who, &file);
        world.meeting.set_up(true);
        assert_eq!((archived.state, archived.seq, archived.fingerprint), (before, seq, world.people[who].own));
        assert_eq!((archived.counts.contacts, archived.counts.messages), (1, 3));
        assert_eq!(archived.len, fs::metadata(&file).expect("a file").len());
        assert_eq!(Profile::check_archive(&file, &passphrase()).as_ref(), Ok(&archived));
        assert_eq!(world.pump(who).archive(&file, keys(), &mut SeededEntropy::new(1)).map_err(|fault| fault.code), Err(Code::FileExists));
        let nowhere = world.folder.path().join("none/one.thicket");
        let refused = world.pump(who).archive(&nowhere, keys(), &mut SeededEntropy::new(1)).map_err(|fault| fault.code);
        assert_eq!(refused, Err(Code::FileFailed), "no failing disk");
        for none in [nowhere.as_path(), world.folder.path()] {
            assert_eq!(Profile::check_archive(none, &passphrase()).map_err(|fault| fault.code), Err(Code::FileFailed));
        }

        // The device goes on for a while, and is lost.
        world.run(HOUR);
        world.say(who, other, "after the archive");
        world.say(other, who, "to the old device");
        world.run(HOUR);
        world.kill(who);
        world.say(other, who, "to nobody yet");
        world.run(HOUR);

        // When another is made of the archive.
        let folder = world.folder.path().join("new");
        let (profile, restored) = restore(&mut world, &folder, &file).expect("a whole archive");
        assert_eq!(restored, archived);
        let (state, events) = beginning(&folder);
        assert_eq!(state, Some(before));
        assert!(matches!(events.as_slice(), [Event::Requested { intent: Intent::Restore, .. }]), "{events:?}");
        let old = std::mem::replace(&mut world.people.get_mut(who).expect("a person").folder, folder);
        world.wire(who, profile);
        world.ask(who, Intent::Connect);
        world.run(HOUR);

        // Then it has what there was, what waited goes out once, and what came since comes.
        let view = world.pump(who).view();
        assert!(view.online && !view.copied && view.unsettled.is_empty() && view.unacknowledged == 0, "{view:?}");
        world.say(who, other, "from the new device");
        world.say(other, who, "to the new device");
        world.run(HOUR);
        assert_eq!(world.verify(who).from, seq);
        let texts = world.texts(who);
        let had = |text: &str| texts.iter().filter(|(_, state, other)| other == text && *state == MessageState::Delivered).count();
        for text in ["hello", "hello back", "under way", "to nobody yet", "from the new device", "to the new device"] {
            assert_eq!(had(text), 1, "{text}: {texts:?}");
        }
        // These only the lost device had.
        assert_eq!((had("after the archive"), had("to the old device")), (0, 0));
        world.verify(other);
        let theirs = world.texts(other);
        for text in ["hello", "hello back", "under way", "after the archive", "to the old device", "to nobody yet", "to the new device"] {
            assert_eq!(theirs.iter().filter(|(_, _, other)| other == text).count(), 1, "{text}: {theirs:?}");
        }
        assert!(all_delivered(&theirs), "{theirs:?}");

        // And the old device is told why it stops.
        world.open(other);
        world.people.get_mut(who).expect("a person").folder = old;
        world.open(who);
        world.run(HOUR);
        assert!(world.pump(who).view().copied);
    }
}

fn keys() -> ArchiveKeys {
    ArchiveKeys::make(&mut SeededEntropy::new(3), &passphrase(), CHEAP.cost).expect("a cost within its bounds")
}

#[test]
fn a_profile_that_did_nothing_yet_is_archived_and_restored() {
    let mut world = World::new(720, Conditions::default());
    world.create("alice");
    let file = world.folder.path().join("one.thicket");
    let archived = archive(&mut world, "alice", &file);
    assert_eq!(archived.seq, Seq::ZERO);
    let folder = world.folder.path().join("new");
    let (profile, _) = restore(&mut world, &folder, &file).expect("a whole archive");
    assert_eq!(profile.own(), ("alice".to_owned(), world.people["alice"].own));
    world.people.get_mut("alice").expect("a person").folder = folder;
    world.wire("alice", profile);
    world.register("alice");
    world.run(HOUR);
    assert!(world.pump("alice").view().online);
    world.verify("alice");
}

#[test]
fn what_a_stranger_wrote_meanwhile_is_read_on_the_new_device_once_they_are_accepted() {
    let mut world = friends(730, Conditions::default());
    let file = world.folder.path().join("one.thicket");
    archive(&mut world, "alice", &file);
    world.kill("alice");
    // Sealed to a mailbox key that the archive has, in a group whose key package it has not.
    world.create("carol");
    world.register("carol");
    world.run(60_000);
    world.ask("carol", Intent::AddContact { name: name("alice") });
    world.run(60_000);
    world.say("carol", "alice", "from a stranger");
    world.run(HOUR);
    let folder = world.folder.path().join("new");
    let (profile, _) = restore(&mut world, &folder, &file).expect("a whole archive");
    world.people.get_mut("alice").expect("a person").folder = folder;
    world.wire("alice", profile);
    world.ask("alice", Intent::Connect);
    world.run(HOUR);
    let contact = world.people["carol"].own;
    world.ask("alice", Intent::AcceptContact { contact });
    world.run(HOUR);
    world.verify("alice");
    assert!(received(&world.texts("alice")).contains(&"from a stranger"), "{:?}", world.texts("alice"));
}

#[test]
fn every_byte_of_an_archive_counts_and_nothing_of_one_that_is_altered_is_taken() {
    let mut world = friends(740, Conditions::default());
    let (file, bad) = (world.folder.path().join("one.thicket"), world.folder.path().join("bad.thicket"));
    archive(&mut world, "alice", &file);
    let whole = fs::read(&file).expect("a file");
    let refused = |bytes: &[u8]| {
        fs::write(&bad, bytes).expect("room");
        Profile::check_archive(&bad, &passphrase()).expect_err("an archive that is not whole").code
    };
    for at in 0..whole.len() {
        let mut altered = whole.clone();
        altered[at] ^= 1 << (at % 8);
        let code = refused(&altered);
        // Version and suite say so themselves.
        let expected = if (8..12).contains(&at) || (272..276).contains(&at) { Code::ProfileNewer } else { Code::ArchiveDamaged };
        assert_eq!(code, expected, "byte {at}");
    }
    for len in (0..whole.len()).step_by(61).chain([whole.len() - 1]) {
        assert_eq!(refused(&whole[..len]), Code::ArchiveDamaged, "{len} bytes");
    }
    assert_eq!(refused(&[whole.as_slice(), &[0]].concat()), Code::ArchiveDamaged);
    let wrong = Secret::new(b"wrong horse".to_vec());
    assert_eq!(Profile::check_archive(&file, &wrong).map_err(|fault| fault.code), Err(Code::WrongPassphrase));

    // What was begun of one that ends too early is taken back, and a whole one takes its place.
    fs::write(&bad, &whole[..whole.len() - 1]).expect("room");
    let folder = world.folder.path().join("new");
    assert_eq!(restore(&mut world, &folder, &bad).map_err(|fault| fault.code).err(), Some(Code::ArchiveDamaged));
    assert!(!folder.exists());
    assert!(restore(&mut world, &folder, &file).is_ok());
    assert_eq!(restore(&mut world, &folder, &file).map_err(|fault| fault.code).err(), Some(Code::ProfileExists));
}

#[test]
fn a_restore_that_was_cut_off_is_no_profile_and_the_next_one_begins_afresh() {
    let mut world = friends(750, Conditions::default());
    let file = world.folder.path().join("one.thicket");
    archive(&mut world, "alice", &file);
    let (whole, cut) = (world.folder.path().join("whole"), world.folder.path().join("cut"));
    drop(restore(&mut world, &whole, &file).expect("a whole archive"));
    // All but the keys, and the mark that a restore is at work: as it died before its last step.
    super::moving::copy(&whole, &cut);
    fs::remove_file(cut.join("keys")).expect("a file");
    fs::rename(cut.join("vault.db"), cut.join("vault.new.db")).expect("a file");
    fs::write(cut.join("restore.new"), []).expect("room");
    let entropy = || share(Box::new(SeededEntropy::new(9)));
    assert_eq!(Profile::unlock(&cut, &passphrase(), entropy()).map_err(|fault| fault.code).err(), Some(Code::ProfileMissing));
    let stray = cut.join("journal/notes.txt");
    fs::write(&stray, "somebody's").expect("room");
    drop(restore(&mut world, &cut, &file).expect("what was cut off is in nobody's way"));
    assert!(!cut.join("restore.new").exists() && stray.exists());
    // With its keys it is one, whatever was left to do.
    fs::rename(cut.join("vault.db"), cut.join("vault.new.db")).expect("a file");
    fs::write(cut.join("restore.new"), []).expect("room");
    drop(Profile::unlock(&cut, &passphrase(), entropy()).expect("a profile"));
    assert!(cut.join("vault.db").exists() && !cut.join("restore.new").exists());
    // A journal without that mark is somebody's.
    fs::remove_file(cut.join("keys")).expect("a file");
    fs::remove_file(cut.join("vault.db")).expect("a file");
    assert_eq!(restore(&mut world, &cut, &file).map_err(|fault| fault.code).err(), Some(Code::FolderNotEmpty));
}

#[test]
fn every_vector_that_is_an_archive_is_read_or_refused_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../journal-format/vectors");
    let scratch = TempDir::new().expect("a folder");
    let (mut seen, mut wrong) = (0, Vec::new());
    for path in fs::read_dir(folder).expect("the vectors").map(|entry| entry.expect("an entry").path()) {
        let bytes = fs::read(&path).expect("a file");
        let end = bytes.windows(2).position(|pair| pair == b"\n\n").map_or(0, |end| end + 2);
        let (head, file) = bytes.split_at(end);
        let Some(file) = file.strip_prefix(b"file archive ") else {
            continue;
        };
        seen += 1;
        let fields: BTreeMap<&str, &str> =
            std::str::from_utf8(head).expect("UTF-8").lines().filter_map(|line| line.split_once(": ")).collect();
        let line = file.iter().position(|byte| *byte == b'\n').expect("a line");
        let archive = scratch.path().join("one.thicket");
        fs::write(&archive, &file[line + 1..file.len() - 1]).expect("room");
        let found = match Profile::check_archive(&archive, &Secret::new(fields["passphrase"].as_bytes().to_vec())) {
            Ok(archived) => {
                // Beside those that are counted: account, identity, the state's two, and the end.
                let Counts { mailbox_keys, contacts, messages, bodies } = archived.counts;
                let pieces = mailbox_keys + contacts + messages + bodies + 5;
                assert_eq!((fields["last"], fields["pieces"]), (archived.seq.0.to_string().as_str(), pieces.to_string().as_str()));
                "ok"
            }
            Err(fault) => match fault.code {
                Code::ArchiveDamaged => "archive-damaged",
                Code::ProfileNewer => "newer",
                Code::WrongPassphrase => "wrong-passphrase",
                other => panic!("{other}"),
            },
        };
        if found != fields["expect"] {
            wrong.push(format!("{}: {found}, not {}", path.display(), fields["expect"]));
        }
    }
    assert_eq!(seen, 51, "archives");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
