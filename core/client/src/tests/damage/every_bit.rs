//! Every single bit of every file of the small profile, however it is left.
//!
//! A bit of keys, segments and snapshots is tried in the whole. To open a vault takes too long for that: of the database each bit is
//! held against its page's own check, and of the log against its frame's. The profile is opened for one bit of each sector.

use super::*;
use rusqlite::{Connection, OpenFlags};
use std::fmt::Write as _;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;
use thicket_vault::Reader;

const SECTOR: usize = 512;
const DATABASE: &str = "vault.db";
const LOG: &str = "vault.db-wal";

/// Tries each of some bits on two threads, and says how far it is, and at last what came of how many.
fn tally(of: &str, bits: &[usize], found: impl Fn(&Path, usize) -> String + Sync) {
    let (since, done) = (Instant::now(), AtomicUsize::new(0));
    let found = each(bits, |folder, bit| {
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if bits.len() > 10_000 && done.is_multiple_of(bits.len().div_ceil(10)) {
            println!("{of}: {done} of {}, {} s", bits.len(), since.elapsed().as_secs());
        }
        found(folder, *bit)
    });
    let mut tally = BTreeMap::<String, usize>::new();
    found.into_iter().for_each(|found| *tally.entry(found).or_default() += 1);
    println!("{of}: {} bits, {} s: {tally:?}", bits.len(), since.elapsed().as_secs());
}

/// The pages that SQLCipher's own check refuses: it reads each by itself, and the database's file alone.
fn refused(path: &Path, key: &str) -> BTreeSet<usize> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("a file");
    conn.execute_batch(&format!("PRAGMA key = \"x'{key}'\"")).expect("a key");
    let mut check = conn.prepare("PRAGMA cipher_integrity_check").expect("a pragma of SQLCipher's");
    let said = check.query_map([], |row| row.get::<_, String>(0)).and_then(Iterator::collect::<Result<Vec<_>, _>>).expect("a file");
    said.iter().filter_map(|said| said.rsplit(' ').next()?.parse().ok()).collect()
}

/// Whether SQLite takes a frame for one of its log's (file format, 4.2 and 4.3): it has the log's salts, and its sum goes on from the
/// sum before, over the first 8 bytes of its head and its page.
fn frame_holds(log: &[u8], before: &[u8], frame: &[u8]) -> bool {
    let big_endian = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().expect("4 bytes"));
    let word = |bytes: &[u8]| {
        let word = big_endian(bytes);
        if log[3] & 1 == 1 { word } else { word.swap_bytes() }
    };
    let words = frame[..8].chunks_exact(8).chain(frame[FRAME_HEAD..].chunks_exact(8));
    let sum = words.fold((big_endian(&before[..4]), big_endian(&before[4..])), |(one, two), pair| {
        let one = one.wrapping_add(word(&pair[..4])).wrapping_add(two);
        (one, two.wrapping_add(word(&pair[4..])).wrapping_add(one))
    });
    frame[8..16] == log[16..24] && sum == (big_endian(&frame[16..20]), big_endian(&frame[20..24]))
}

impl Small {
    fn bit_flipped(&self, file: &str, bit: usize) -> Files {
        self.flipped(file, bit / 8, bit % 8)
    }

    /// What a flip in keys or journal comes to, in words; a row of the table, or told.
    fn journal_bit(&self, file: &str, bit: usize) -> String {
        let found = self.judge(self.bit_flipped(file, bit), self.remembered);
        match found {
            // What nobody remembers is cut as a torn end, of which who verifies is told.
            Found::Earlier(at) if self.remembered.durable.is_some_and(|durable| at >= durable.seq) => "torn".to_owned(),
            _ => self.row_of(file, Some(true), found).unwrap_or_else(|()| panic!("{file}, bit {bit}: {found:?}")),
        }
    }

    /// The same of the whole profile.
    fn whole_bit(&self, folder: &Path, file: &str, bit: usize) -> String {
        let (looked, found) = self.open(folder, &self.bit_flipped(file, bit));
        self.row_of(file, looked, found).unwrap_or_else(|()| panic!("{file}, bit {bit}: a look {looked:?}, then {found:?}"))
    }

    fn row_of(&self, file: &str, looked: Option<bool>, found: Found) -> Result<String, ()> {
        Ok(match (self.row(file, looked, found)?, found) {
            (Some(row), _) => format!("{row:?}"),
            (None, Found::Refused(code) | Found::Told(code)) => format!("{}", code.number()),
            (None, _) => return Err(()),
        })
    }

    /// A flip behind the log's head: SQLite ends the log before its frame, since no sum of it holds.
    fn frame_bit(&self, bit: usize) -> String {
        let log = &self.files[LOG];
        let start = LOG_HEAD + (bit / 8 - LOG_HEAD) / FRAME * FRAME;
        let before = if start == LOG_HEAD { &log[24..LOG_HEAD] } else { &log[start - FRAME + 16..start - FRAME + FRAME_HEAD] };
        let mut frame = log[start..start + FRAME].to_vec();
        assert!(frame_holds(log, before, &frame), "an intact frame");
        frame[bit / 8 - start] ^= 1 << (bit % 8);
        assert!(!frame_holds(log, before, &frame), "bit {bit} of the log");
        "its frame's sum".to_owned()
    }

    /// One bit, by its place in the page, flipped in all pages but the first at once, and in the first.
    fn page_bit(&self, folder: &Path, bit: usize) -> String {
        let intact = &self.files[DATABASE];
        let (path, key) = (folder.join("page.db"), self.keys().vault_key().expect("a key"));
        let mut pages = intact.to_vec();
        pages.chunks_exact_mut(PAGE).skip(1).for_each(|page| page[bit / 8] ^= 1 << (bit % 8));
        fs::write(&path, pages).expect("room");
        let hex = key.expose().iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        assert_eq!(refused(&path, &hex), (2..=intact.len() / PAGE).collect(), "bit {bit} of each page but the first");
        let mut first = intact.to_vec();
        first[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, first).expect("room");
        assert_eq!(Reader::open(&path, &key).err(), Some(Code::VaultDamaged), "bit {bit} of the first page");
        "its page's check".to_owned()
    }
}

/// The bits from one byte to another that are tried: each so many as is asked for, or a sample. Odd, so that it goes through the bits of
/// a byte.
fn bits(from: usize, to: usize, sample: usize) -> Vec<usize> {
    (from * 8..to * 8).step_by(asked().unwrap_or(sample)).collect()
}

/// Each so many bits.
fn asked() -> Option<usize> {
    std::env::var("DAMAGE_STEP").ok().map(|step| step.parse().expect("each so many bits"))
}

#[test]
fn every_bit_of_keys_and_journal_is_told_or_changes_nothing() {
    for left in LEFT {
        let small = Small::new(left);
        for (file, bytes) in small.files.iter().filter(|(file, _)| !file.starts_with(DATABASE)) {
            tally(&format!("{left:?}, {file}"), &bits(0, bytes.len(), 499), |_, bit| small.journal_bit(file, bit));
        }
    }
}

#[test]
fn every_bit_of_the_vault_is_told_or_changes_nothing() {
    for left in LEFT {
        let small = Small::new(left);
        for (file, bytes) in small.files.iter().filter(|(file, _)| file.starts_with(DATABASE)) {
            let of = format!("{left:?}, {file}");
            let head = if file == LOG {
                tally(&of, &bits(LOG_HEAD, bytes.len(), 9_999), |_, bit| small.frame_bit(bit));
                0..LOG_HEAD * 8
            } else {
                let of = format!("{of}, each of {} pages", bytes.len() / PAGE);
                tally(&of, &bits(0, PAGE, 999), |folder, bit| small.page_bit(folder, bit));
                0..0
            };
            // Another bit of each sector, and each of the log's head.
            let sectors = (0..bytes.len() / SECTOR).map(|sector| sector * SECTOR * 8 + sector * 37 % (SECTOR * 8));
            let opened: Vec<usize> = head.chain(sectors).step_by(if asked().is_some() { 1 } else { 61 }).collect();
            tally(&format!("{of}, opened"), &opened, |folder, bit| small.whole_bit(folder, file, bit));
        }
    }
}
