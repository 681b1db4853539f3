//! Every archive that is kept is a profile again.
//!
//! They are made by hand, of what a demo leaves, and never again once their version was released:
//!
//! ```text
//! thicket demo --keep DIR
//! THICKET_PASSPHRASE="an open secret for the demo" thicket --home DIR/alice --json backup create FILE
//! ```

use thicket_client::{Options, Profile, SystemClock, SystemEntropy, share};
use thicket_old_journals::folder;
use thicket_types::secret::Secret;

struct Kept {
    file: &'static str,
    name: &'static str,
    seq: u64,
    state: &'static str,
    contacts: u64,
    messages: u32,
}

const KEPT: [Kept; 1] = [Kept {
    file: "format-1-rules-1.thicket",
    name: "alice",
    seq: 254,
    state: "44241b513c3840d04d8d29c46d29ce3b0a497a1a42b9984be94470fd986685ba",
    contacts: 1,
    messages: 37,
}];

#[test]
fn every_archive_that_is_kept_is_checked_and_restored() {
    let passphrase = Secret::new(b"an open secret for the demo".to_vec());
    for Kept { file, name, seq, state, contacts, messages } in KEPT {
        let path = folder().with_file_name("archives").join(file);
        let archived = Profile::check_archive(&path, &passphrase).unwrap_or_else(|fault| panic!("{file}: {fault}"));
        let told = (archived.name.text().to_owned(), archived.seq.0, archived.state.hex());
        assert_eq!(told, (name.to_owned(), seq, state.to_owned()), "{file}");
        assert_eq!((archived.counts.contacts, archived.counts.messages), (contacts, u64::from(messages)), "{file}");

        let place = tempfile::tempdir().expect("room");
        let home = place.path().join("new");
        let entropy = share(Box::new(SystemEntropy));
        let restored = Profile::restore(&home, &path, &passphrase, Options::default(), entropy, &SystemClock::new());
        let (profile, again) = restored.unwrap_or_else(|fault| panic!("{file}: {fault}"));
        assert_eq!((again, profile.own()), (archived.clone(), (name.to_owned(), archived.fingerprint)), "{file}");
        let (view, reader) = profile.look().expect("an intact profile");
        let rows = reader.messages(None, 0, 1_000).expect("an intact vault");
        assert_eq!((view.contacts.len() as u64, rows.len()), (contacts, messages as usize), "{file}");
        assert!(rows.iter().all(|row| row.text.as_ref().is_some_and(|text| !text.is_empty())), "{file}");
    }
}
