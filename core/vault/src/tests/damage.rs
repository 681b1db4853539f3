//! Damage of the database's file.

use super::*;
use crate::schema::{self, Mode, Place};
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeSet;
use std::path::Path;

const PAGE: usize = 4096;

/// The pages that SQLCipher's own check refuses: it reads each by itself.
fn refused(path: &Path) -> BTreeSet<usize> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("a file");
    conn.execute_batch(&format!("PRAGMA key = \"x'{}'\"", "07".repeat(32))).expect("a key");
    let mut check = conn.prepare("PRAGMA cipher_integrity_check").expect("a pragma of SQLCipher's");
    let said = check.query_map([], |row| row.get::<_, String>(0)).and_then(Iterator::collect::<Result<Vec<_>, _>>).expect("a file");
    let page = |said: String| said.rsplit(' ').next().and_then(|page| page.parse().ok()).unwrap_or_else(|| panic!("{said}"));
    said.into_iter().map(page).collect()
}

#[test]
fn no_byte_of_the_database_is_read_that_its_page_does_not_vouch_for() {
    let mut person = Person::new("alice", 1);
    person.vault.checkpoint().expect("room");
    let path = person.path();
    let intact = fs::read(&path).expect("a vault");
    drop(person.vault);
    let place = TempDir::new().expect("a folder");
    let copy = place.path().join(DB);
    let pages = intact.len() / PAGE;
    assert!(pages > 20 && intact.len() == pages * PAGE, "{pages} pages");
    fs::write(&copy, &intact).expect("room");
    assert_eq!(refused(&copy), BTreeSet::new());
    for at in 0..PAGE {
        // Of the first page: nothing opens.
        let mut harmed = intact.clone();
        harmed[at] ^= 1 << (at % 8);
        fs::write(&copy, &harmed).expect("room");
        let opened = schema::open(Place::file(&copy), &key(), Mode::Read);
        assert_eq!(opened.err(), Some(Code::VaultDamaged), "page 1, byte {at}");
        // Of all others at once: each is found.
        let mut harmed = intact.clone();
        (1..pages).for_each(|page| harmed[page * PAGE + at] ^= 1 << ((page + at) % 8));
        fs::write(&copy, &harmed).expect("room");
        assert_eq!(refused(&copy), (2..=pages).collect(), "byte {at}");
    }
}

#[test]
fn whatever_page_is_damaged_a_read_that_needs_it_says_so() {
    let mut person = Person::new("alice", 1);
    // Longer than a page: most of it stands in pages of its own.
    let body = person.vault.stage(&vec![b'x'; 5 * PAGE]).expect("room");
    person.vault.checkpoint().expect("room");
    let intact = fs::read(person.path()).expect("a vault");
    drop(person.vault);
    let place = TempDir::new().expect("a folder");
    let copy = place.path().join(DB);
    let mut refusals = 0;
    for page in 1..intact.len() / PAGE {
        let mut harmed = intact.clone();
        harmed[page * PAGE + 100] ^= 1;
        fs::write(&copy, &harmed).expect("room");
        let read = Reader::open(&copy, &key()).and_then(|reader| reader.staged(body));
        if let Err(code) = read {
            assert_eq!(code, Code::VaultDamaged, "page {}", page + 1);
            refusals += 1;
        }
    }
    assert!(refusals > 5, "{refusals}: those of the text, and what leads to it");
}
