//! What of a vault goes into an archive, and what comes of it.

use super::*;
use crate::{Part, Restoring};
use std::collections::HashSet;
use thicket_journal_format::archive::{Counts, Piece};
use thicket_journal_format::codec;
use thicket_types::ports::Vault as _;
use thicket_types::secret::Secret;

/// All pieces, and their payloads' bytes.
fn archived(person: &Person) -> (Vec<Piece>, Vec<u8>) {
    let (mut pieces, mut plain) = (Vec::new(), Vec::new());
    for part in [Part::Keys, Part::Rows] {
        person
            .vault
            .archive(part, &mut |piece| {
                let (bytes, kept) = match piece {
                    Piece::Identity { created_s, secret } => {
                        let secret = secret.expose().clone();
                        (secret.clone(), Piece::Identity { created_s: *created_s, secret: Secret::new(secret) })
                    }
                    Piece::MailboxKey(key) => again(key, Piece::MailboxKey),
                    Piece::Contact(contact) => again(contact, Piece::Contact),
                    Piece::Message(message) => again(message, Piece::Message),
                    Piece::Body(body) => again(body, Piece::Body),
                    Piece::Account(_) | Piece::State(_) | Piece::End(_) => panic!("no piece of a vault"),
                };
                plain.extend(bytes);
                pieces.push(kept);
                Ok(())
            })
            .expect("a vault that works");
    }
    (pieces, plain)
}

fn again<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T, piece: impl Fn(T) -> Piece) -> (Vec<u8>, Piece) {
    let bytes = codec::encode(value).expect("a piece");
    let kept = piece(codec::decode(&bytes).expect("what was encoded"));
    (bytes, kept)
}

fn restored(pieces: &[Piece], count: u64) -> Result<Person, Code> {
    let folder = TempDir::new().expect("a folder");
    let mut restoring = Restoring::begin(&folder.path().join(DB), &key(), seeded(9))?;
    pieces.iter().try_for_each(|piece| restoring.put(piece))?;
    Ok(Person { who: "alice", vault: restoring.end(count, NOW)?, folder, asked: 5_000 })
}

fn values(person: &Person, sql: &str) -> Vec<Vec<u8>> {
    let mut find = person.vault.conn.prepare(sql).expect("a table");
    let rows = find.query_map([], |row| row.get(0)).expect("rows");
    rows.collect::<Result<_, _>>().expect("rows")
}

/// Two who talk, with all that a vault can hold: read and unread, key packages, an early commit, a text that waits.
fn full() -> (Person, Person, BodyRef) {
    let (mut alice, mut bob) = talking();
    let sealed = say(&mut bob, &alice, "how are you");
    hears(&mut alice, &bob, &sealed, "how are you");
    say(&mut alice, &bob, "not there yet");
    package(&mut alice);
    log_in(&mut alice);
    let body = alice.vault.stage(b"waits to be sealed").expect("room");
    (alice, bob, body)
}

#[test]
fn an_archive_holds_no_key_of_a_group_and_no_leaf_key() {
    let (alice, _, _) = full();
    let (_, plain) = archived(&alice);
    // What is public stands in groups and contacts alike.
    let public: Vec<Vec<u8>> =
        values(&alice, "SELECT certificate FROM contact UNION SELECT value FROM meta WHERE key IN ('certificate', 'credential')");
    let known: HashSet<&[u8]> = public.iter().flat_map(|bytes| bytes.windows(16)).collect();
    let told: HashSet<&[u8]> = plain.windows(16).collect();
    let secret =
        values(&alice, "SELECT value FROM mls UNION ALL SELECT value FROM meta WHERE key = 'leaf' UNION ALL SELECT id FROM generation");
    assert!(secret.len() > 10, "{} values", secret.len());
    for value in &secret {
        let found = value.windows(16).find(|window| told.contains(window) && !known.contains(window));
        assert_eq!(found, None);
    }
    // It would be found: the identity is, and so is what mail is sealed to.
    for value in values(&alice, "SELECT secret FROM mailbox_key UNION SELECT value FROM meta WHERE key = 'identity'") {
        assert!(value.windows(16).all(|window| told.contains(window)));
    }
}

#[test]
fn a_vault_that_is_made_of_an_archive_has_the_rows_and_begins_anew() {
    let (alice, _, body) = full();
    let (pieces, _) = archived(&alice);
    let mut counts = Counts::default();
    pieces.iter().for_each(|piece| counts.count(piece));
    assert_eq!(counts, Counts { mailbox_keys: 1, contacts: 1, messages: alice.rows().len() as u64, bodies: 1 });
    let mut other = restored(&pieces, 41).expect("an archive that is whole");
    assert_eq!((other.own(), other.rows(), other.contacts()), (alice.own(), alice.rows(), alice.contacts()));
    assert_eq!(other.reader().staged(body), Ok(Some("waits to be sealed".to_owned())));
    assert_eq!(other.reader().search("how are", 10).expect("an index").len(), 1);
    assert_eq!(other.reader().unread(), alice.reader().unread());
    assert_eq!(other.reader().archived(), Ok(Some(NOW)));
    assert_eq!((other.remembered().count, other.remembered().durable), (41, None));
    for empty in ["mls", "mls_group", "past_epoch", "welcome", "generation", "ledger", "last_resort", "offered", "shared"] {
        assert_eq!(other.count(empty), 0, "{empty}");
    }
    let leaf = "SELECT value FROM meta WHERE key = 'leaf'";
    assert_ne!(values(&alice, leaf), values(&other, leaf));
    assert_eq!(values(&alice, "SELECT secret FROM mailbox_key"), values(&other, "SELECT secret FROM mailbox_key"));
    // Another archive of it is the same.
    let (_, once) = archived(&alice);
    assert!(once == archived(&other).1);
}

#[test]
fn what_comes_after_a_restore_is_unread_though_read_messages_were_forgotten() {
    let (mut alice, bob, _) = full();
    let read: Vec<MessageId> = alice.rows().iter().filter(|row| row.direction == Direction::Received).map(|row| row.message).collect();
    let contact = bob.own();
    for message in &read {
        let done = alice.ask(VaultOp::MarkRead { contact, message: *message, tell: None, at: NOW }, &[]);
        assert_eq!(done, Outcome::Done);
        alice.ask(VaultOp::ForgetMessage { contact, message: *message, sent: false }, &[]);
    }
    for row in alice.rows() {
        alice.ask(VaultOp::ForgetMessage { contact, message: row.message, sent: row.direction == Direction::Sent }, &[]);
    }
    let newest = alice.rows().last().map_or(0, |row| row.number);
    let (pieces, _) = archived(&alice);
    let other = restored(&pieces, 1).expect("an archive that is whole");
    // Whatever comes next has a number past all that was read.
    let at = other.vault.conn.query_row("SELECT seq FROM sqlite_sequence WHERE name = 'message'", [], |row| row.get::<_, u64>(0));
    let read_up_to = other.vault.conn.query_row("SELECT max(read_number) FROM contact", [], |row| row.get::<_, u64>(0));
    let (at, read_up_to) = (at.expect("a row"), read_up_to.expect("a row"));
    assert!(read_up_to > newest && at >= read_up_to, "{at} {read_up_to} {newest}");
}

#[test]
fn a_text_that_two_messages_name_is_restored_with_both() {
    let (alice, _, _) = full();
    let share = "UPDATE message SET body = (SELECT body FROM message WHERE outgoing = 1 LIMIT 1) WHERE outgoing = 1";
    assert!(alice.vault.conn.execute(share, []).expect("a table") >= 2);
    let (pieces, _) = archived(&alice);
    let other = restored(&pieces, 1).expect("an archive that is whole");
    assert_eq!(other.rows(), alice.rows());
}

#[test]
fn what_lacks_a_key_or_comes_twice_makes_no_vault() {
    let (alice, _, _) = full();
    let refused = |keep: &dyn Fn(&Piece) -> usize| {
        let (pieces, _) = archived(&alice);
        let kept: Vec<Piece> = pieces
            .into_iter()
            .flat_map(|piece| {
                let times = keep(&piece);
                twice(piece, times)
            })
            .collect();
        restored(&kept, 1).map(|_| ()).err()
    };
    assert_eq!(refused(&|_| 1), None);
    for lacking in [1_u16, 2, 3] {
        let expected = (lacking > 1).then_some(Code::ArchiveDamaged);
        assert_eq!(refused(&|piece| usize::from(piece.order() != lacking)), expected, "without {lacking}");
    }
    for doubled in [2, 5, 6, 7] {
        assert_eq!(refused(&|piece| if piece.order() == doubled { 2 } else { 1 }), Some(Code::ArchiveDamaged), "{doubled} twice");
    }
}

fn twice(piece: Piece, times: usize) -> Vec<Piece> {
    let other = match &piece {
        Piece::Identity { created_s, secret } => Piece::Identity { created_s: *created_s, secret: Secret::new(secret.expose().clone()) },
        Piece::MailboxKey(key) => again(key, Piece::MailboxKey).1,
        Piece::Contact(contact) => again(contact, Piece::Contact).1,
        Piece::Message(message) => again(message, Piece::Message).1,
        Piece::Body(body) => again(body, Piece::Body).1,
        Piece::Account(_) | Piece::State(_) | Piece::End(_) => panic!("no piece of a vault"),
    };
    [piece, other].into_iter().take(times).collect()
}
