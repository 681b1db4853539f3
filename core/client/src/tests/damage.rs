//! Damage of a small profile, wherever it is: it is told by its number, or it is one of the rows of the table in docs/TESTING.md
//! ([`Harmless`]) and does what stands there.
//!
//! The profile has two segments, a snapshot, and a vault whose write-ahead log holds something, as a process that dies leaves
//! it; the same profile closed; and a month later, when the first segment has retired, and the journal begins with a snapshot.
//!
//! CI takes a sample of the bits. `DAMAGE_STEP=1` takes each that [`every_bit`] can take, 10 each tenth.

mod every_bit;

use super::*;
use std::collections::BTreeSet;
use std::fs;
use thicket_engine::{Engine, Fault, KEYS_FILE, kept, walk, walk_on};
use thicket_journal_format::block::BlockHead;
use thicket_journal_format::header::HEADER_LEN;
use thicket_reducer::{ClientRules, State};
use thicket_replay::{Replay, state_digest, verify};
use thicket_types::ids::{Digest, Seq};
use thicket_types::limits::JOURNAL_KEPT_FOR;
use thicket_types::ports::{Disk, DiskError, Remembered, Vault as _};
use thicket_vault::{MessageRow, Part, Reader};

const PAGE: usize = 4096;
/// SQLite's file format, 4.1 and 4.2: the log's head, and a frame with its head.
const LOG_HEAD: usize = 32;
const FRAME_HEAD: usize = 24;
const FRAME: usize = FRAME_HEAD + PAGE;

/// A profile's files, by their names in its folder.
type Files = BTreeMap<String, Arc<Vec<u8>>>;

/// A disk in memory, so that a copy costs next to nothing.
#[derive(Clone)]
struct Memory(Files);

impl Disk for Memory {
    fn list(&mut self, folder: &str) -> Result<Vec<String>, DiskError> {
        Ok(self.0.keys().filter_map(|path| Some(path.strip_prefix(folder)?.strip_prefix('/')?.to_owned())).collect())
    }

    fn len(&mut self, path: &str) -> Result<u64, DiskError> {
        Ok(self.0.get(path).ok_or(DiskError::Missing)?.len() as u64)
    }

    fn read(&mut self, path: &str) -> Result<Vec<u8>, DiskError> {
        Ok(self.0.get(path).ok_or(DiskError::Missing)?.to_vec())
    }

    fn read_at(&mut self, path: &str, offset: u64, len: usize) -> Result<Vec<u8>, DiskError> {
        let bytes = self.0.get(path).ok_or(DiskError::Missing)?;
        let from = usize::try_from(offset).expect("a small file").min(bytes.len());
        Ok(bytes[from..bytes.len().min(from + len)].to_vec())
    }

    fn create(&mut self, path: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.replace(path, bytes)
    }

    fn append(&mut self, path: &str, bytes: &[u8]) -> Result<(), DiskError> {
        Arc::make_mut(self.0.get_mut(path).ok_or(DiskError::Missing)?).extend(bytes);
        Ok(())
    }

    fn truncate(&mut self, path: &str, len: u64) -> Result<(), DiskError> {
        let bytes = self.0.get_mut(path).ok_or(DiskError::Missing)?;
        Arc::make_mut(bytes).truncate(usize::try_from(len).expect("a small file"));
        Ok(())
    }

    fn replace(&mut self, path: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.0.insert(path.to_owned(), Arc::new(bytes.to_vec()));
        Ok(())
    }

    fn remove(&mut self, path: &str) -> Result<(), DiskError> {
        self.0.remove(path);
        Ok(())
    }
}

/// All that a person sees of a vault.
#[derive(PartialEq, Debug)]
struct Seen {
    own: (String, Fingerprint),
    messages: Vec<MessageRow>,
    found: Vec<MessageRow>,
    latest: Vec<MessageRow>,
    unread: BTreeMap<Fingerprint, u64>,
    number: Option<String>,
}

fn seen(reader: &Reader, contact: Fingerprint) -> Result<Seen, Code> {
    Ok(Seen {
        own: reader.own()?,
        messages: reader.messages(None, 0, 10_000)?,
        found: reader.search("hello", 100)?,
        latest: reader.latest()?,
        unread: reader.unread()?,
        number: reader.safety_number(contact)?,
    })
}

/// What became of a damaged profile.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Found {
    /// It does not open, and says so.
    Refused(Code),
    /// It opens to what it was. Who verifies or archives it is told.
    Told(Code),
    /// Nobody is told, and all is as it was.
    Same,
    /// It opens to what it was at this place, earlier.
    Earlier(Seq),
    /// It opens to something that it never was.
    Wrong,
}

/// A profile, and all that it is.
struct Small {
    files: Files,
    contact: Fingerprint,
    remembered: Remembered,
    state: State,
    /// After each record.
    digests: BTreeMap<Digest, Seq>,
    seen: Seen,
}

/// Writes files into a folder that holds none, or others of these names.
fn write(folder: &Path, files: &Files) {
    for (path, bytes) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("room");
        fs::write(path, bytes.as_slice()).expect("room");
    }
}

/// How the profile is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Left {
    /// By a process that died.
    Died,
    Closed,
    /// Closed, when its first segment had retired.
    Retired,
}

const LEFT: [Left; 3] = [Left::Died, Left::Closed, Left::Retired];

impl Small {
    fn new(left: Left) -> Small {
        let mut world = friends(41, Conditions::default());
        let folder = world.people["alice"].folder.clone();
        let close = |world: &mut World| {
            let pump = world.people.get_mut("alice").and_then(|person| person.pump.take()).expect("an open profile");
            pump.close().expect("room").vault.checkpoint().expect("room");
        };
        close(&mut world);
        world.open("alice");
        // One that fills pages of its own.
        for text in ["hello again".to_owned(), format!("hello {}", "once more ".repeat(1_000))] {
            world.say("alice", "bob", &text);
            world.say("bob", "alice", &text);
            world.run(10_000);
        }
        if left != Left::Died {
            close(&mut world);
        }
        if left == Left::Retired {
            world.clock.0.fetch_add(JOURNAL_KEPT_FOR.0 + 1, Ordering::Relaxed);
            world.open("alice");
            world.say("alice", "bob", "hello after a month");
            world.run(10_000);
            close(&mut world);
        }
        let name = |path: &Path| path.strip_prefix(&folder).expect("a file of it").to_str().expect("a name of ours").to_owned();
        let files = folder_bytes(&folder).into_iter().map(|(path, bytes)| (name(&path), Arc::new(bytes)));
        // Of the index that readers of the log share nothing counts: the first who opens makes it anew.
        let files: Files = files.filter(|(name, bytes)| name != "vault.db-shm" && !bytes.is_empty()).collect();
        let contact = world.people["bob"].own;
        drop(world);
        let place = TempDir::new().expect("a folder");
        write(place.path(), &files);
        let mut disk = Memory(files.clone());
        let keys = ProfileKeys::unlock(&mut disk, &passphrase()).expect("intact keys");
        let vault_key = keys.vault_key().expect("a key");
        let path = place.path().join("vault.db");
        let seen = seen(&Reader::open(&path, &vault_key).expect("intact"), contact).expect("intact");
        let remembered = SqlVault::open(&path, &vault_key, share(Box::new(SeededEntropy::new(0)))).expect("intact").remembered();
        let remembered = remembered.expect("intact");
        let verified = verify(&mut disk, &keys, remembered.durable).expect("intact");
        assert!(verified.holds() && (verified.begins > Seq::ZERO) == (left == Left::Retired));
        let mut digests = BTreeMap::new();
        let replay = Replay::read(&mut disk, &keys, &mut |step| {
            digests.insert(state_digest(step.state).expect("a state"), step.place.seq);
        });
        let replay = replay.expect("intact");
        let state = replay.at(&mut disk, &keys, replay.last()).expect("intact").expect("a state");
        Small { files, contact, remembered, state, digests, seen }
    }

    fn names(&self, folder: &str) -> Vec<&String> {
        self.files.keys().filter(|name| name.starts_with(folder)).collect()
    }

    fn with(&self, file: &str, bytes: Vec<u8>) -> Files {
        let mut files = self.files.clone();
        files.insert(file.to_owned(), Arc::new(bytes));
        files
    }

    fn flipped(&self, file: &str, byte: usize, bit: usize) -> Files {
        let mut bytes = self.files[file].to_vec();
        bytes[byte] ^= 1 << bit;
        self.with(file, bytes)
    }

    fn keys(&self) -> ProfileKeys {
        ProfileKeys::unlock(&mut Memory(self.files.clone()), &passphrase()).expect("intact keys")
    }

    /// Opens the journal as who writes it does.
    fn opens(&self, files: Files) -> Result<Engine<ClientRules>, Fault> {
        self.engine(files, self.remembered)
    }

    fn engine(&self, files: Files, remembered: Remembered) -> Result<Engine<ClientRules>, Fault> {
        let mut disk = Memory(files);
        let keys = ProfileKeys::unlock(&mut disk, &passphrase())?;
        let clock = ManualClock(Arc::new(AtomicU64::new(START_MS)));
        let entropy = crate::SharedEntropyHandle(share(Box::new(SeededEntropy::new(0))));
        Ok(Engine::open(Box::new(disk), Box::new(clock), Box::new(entropy), keys, remembered)?.0)
    }

    /// Opens journal and keys beside a vault that remembers this, and verifies them.
    fn judge(&self, files: Files, remembered: Remembered) -> Found {
        let mut disk = Memory(files.clone());
        let verified = ProfileKeys::unlock(&mut disk, &passphrase()).and_then(|keys| verify(&mut disk, &keys, remembered.durable));
        let engine = match (self.engine(files, remembered), &verified) {
            (Ok(engine), _) => engine,
            // What keeps a journal from being opened, who verifies it is told.
            (Err(fault), Ok(_)) if fault.code == Code::JournalDamaged => return Found::Wrong,
            (Err(fault), _) => return Found::Refused(fault.code),
        };
        let whole = state_digest(&self.state).expect("a state");
        match (*engine.state() == self.state, verified) {
            // What an open cuts is said.
            (false, Ok(verified)) if !verified.torn.is_empty() => self.earlier(engine.state()),
            (false, _) => Found::Wrong,
            (true, Ok(verified)) if verified.holds() && verified.state == whole => Found::Same,
            (true, Ok(verified)) if verified.folds_agree() && !verified.taken.is_empty() => Found::Told(Code::JournalDamaged),
            (true, Ok(_)) => Found::Wrong,
            (true, Err(fault)) => Found::Told(fault.code),
        }
    }

    /// Which state of its past this is.
    fn earlier(&self, state: &State) -> Found {
        self.digests.get(&state_digest(state).expect("a state")).map_or(Found::Wrong, |at| Found::Earlier(*at))
    }

    /// Looks at a whole profile in a folder, opens it for writing, and archives its vault. First what a look showed, if it showed
    /// anything.
    fn open(&self, folder: &Path, files: &Files) -> (Option<bool>, Found) {
        for name in ["vault.db-wal", "vault.db-shm"] {
            let _ = fs::remove_file(folder.join(name));
        }
        write(folder, files);
        let looked = Profile::look_into(folder, &passphrase(), |look| {
            let (view, reader) = look.both()?;
            Ok((view, seen(&reader, self.contact)?))
        });
        let looked = looked.ok().map(|(view, seen)| view == thicket_reducer::view(&self.state) && seen == self.seen);
        let opened = || -> Result<Found, Code> {
            let path = folder.join("vault.db");
            let key = ProfileKeys::unlock(&mut Memory(files.clone()), &passphrase()).and_then(|keys| keys.vault_key());
            let key = key.map_err(|fault| fault.code)?;
            let mut vault = SqlVault::open(&path, &key, share(Box::new(SeededEntropy::new(0))))?;
            let journal = self.judge(files.clone(), vault.remembered()?);
            if !matches!(journal, Found::Same | Found::Told(_)) {
                return Ok(journal);
            }
            if seen(&Reader::open(&path, &key)?, self.contact)? != self.seen {
                return Ok(Found::Wrong);
            }
            let archived = [Part::Keys, Part::Rows].into_iter().try_for_each(|part| vault.archive(part, &mut |_| Ok(())));
            Ok(archived.err().map_or(journal, Found::Told))
        };
        (looked, opened().unwrap_or_else(Found::Refused))
    }
}

/// Does each of some trials, on two threads, each with a folder of its own.
fn each<T: Sync, R: Send>(trials: &[T], run: impl Fn(&Path, &T) -> R + Sync) -> Vec<R> {
    let halves: Vec<&[T]> = trials.chunks(trials.len().div_ceil(2).max(1)).collect();
    std::thread::scope(|scope| {
        let run = &run;
        let work = |half: &'_ [T]| {
            let place = TempDir::new().expect("a folder");
            half.iter().map(|trial| run(place.path(), trial)).collect::<Vec<R>>()
        };
        let threads: Vec<_> = halves.into_iter().map(|half| scope.spawn(move || work(half))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no trial panics")).collect()
    })
}

#[test]
fn every_bit_of_keys_segments_and_snapshots_is_told_or_changes_nothing() {
    let small = Small::new(Left::Died);
    let (keys, known) = (small.keys(), small.remembered.durable.expect("a vault that was used").seq);
    let bits = |file: &str| (0..small.files[file].len()).flat_map(|byte| (0..8).map(move |bit| (byte, bit))).collect::<Vec<_>>();
    // Keys: none of them opens.
    for (byte, bit) in bits(KEYS_FILE) {
        let unlocked = ProfileKeys::unlock(&mut Memory(small.flipped(KEYS_FILE, byte, bit)), &passphrase());
        let code = unlocked.err().map(|fault| fault.code);
        assert!(matches!(code, Some(Code::KeysDamaged | Code::ProfileNewer)), "keys, byte {byte}, bit {bit}: {code:?}");
    }
    // Snapshots: passed over, and the journal is folded from before; a version that is not ours can't be told from a newer one.
    for file in small.names("snapshots/") {
        for (byte, bit) in bits(file) {
            let read = kept::<ClientRules>(&mut Memory(small.flipped(file, byte, bit)), &keys);
            assert!(read.map_or_else(|fault| fault.code == Code::ProfileNewer, |read| read.is_empty()), "{file}, byte {byte}, bit {bit}");
        }
        let bytes: Vec<usize> = (0..small.files[file].len()).collect();
        for (byte, found) in bytes.iter().zip(each(&bytes, |_, byte| small.judge(small.flipped(file, *byte, byte % 8), small.remembered))) {
            assert!(matches!(found, Found::Same | Found::Refused(Code::ProfileNewer)), "{file}, byte {byte}: {found:?}");
        }
    }
    // Segments: no block is read; and no open takes a damaged one for the end of the journal but what no vault knows of.
    let names = small.names("journal/");
    assert_eq!(names.len(), 2);
    let mut blocks = Vec::new();
    walk(&mut Memory(small.files.clone()), &keys, None, &mut |walked| {
        if walked.place.seq == walked.block.first() {
            blocks.push(walked.block.keep());
        }
    })
    .expect("an intact journal");
    let mut seqs = blocks.iter();
    for file in &names {
        let bytes = &small.files[*file];
        let newest = file == names.last().expect("two");
        let mut trials = vec![(0, HEADER_LEN, None)];
        let mut offset = HEADER_LEN;
        while offset < bytes.len() {
            let len = BlockHead::parse(&bytes[offset..]).expect("an intact block").block_len();
            trials.push((offset, len, seqs.next()));
            offset += len;
        }
        let wrongs = each(&trials, |_, (start, len, block)| {
            let mut wrongs = Vec::new();
            for byte in *start..start + len {
                for bit in 0..8 {
                    let mut disk = Memory(small.flipped(file, byte, bit));
                    let read = match block {
                        Some(block) => walk_on(&mut disk, &keys, block, block.first(), &mut |_| {}),
                        None if newest => small.opens(disk.0).map(|_| ()),
                        None => walk(&mut disk, &keys, None, &mut |_| {}).map(|_| ()),
                    };
                    let told = read.err().map(|fault| fault.code);
                    if !matches!(told, Some(Code::JournalDamaged | Code::ProfileNewer)) {
                        wrongs.push(format!("{file}, byte {byte}, bit {bit}: read, {told:?}"));
                    }
                }
                // Where it is not read by itself: in the whole.
                if byte < start + 64 || byte % 16 == 0 {
                    let found = small.judge(small.flipped(file, byte, byte % 8), small.remembered);
                    let told = match found {
                        Found::Refused(Code::JournalDamaged | Code::ProfileNewer | Code::RolledBack) => true,
                        // Before the snapshot no open reads it.
                        Found::Told(Code::JournalDamaged | Code::ProfileNewer) => !newest,
                        Found::Earlier(at) => newest && at >= known && block.is_some_and(|block| at < block.first()),
                        _ => false,
                    };
                    if !told {
                        wrongs.push(format!("{file}, byte {byte}: {found:?}"));
                    }
                }
            }
            wrongs
        });
        let wrongs: Vec<String> = wrongs.into_iter().flatten().collect();
        assert!(wrongs.is_empty(), "{} wrong: {:#?}", wrongs.len(), &wrongs[..wrongs.len().min(20)]);
    }
}

#[test]
fn whatever_segment_is_taken_away_is_told() {
    for left in LEFT {
        let small = Small::new(left);
        let found: Vec<Found> = small
            .names("journal/")
            .into_iter()
            .map(|file| {
                let mut files = small.files.clone();
                files.remove(file);
                small.judge(files, small.remembered)
            })
            .collect();
        // The first lies before a snapshot. The vault knows of the newest.
        assert_eq!(found, [Found::Told(Code::JournalDamaged), Found::Refused(Code::RolledBack)], "{left:?}");
    }
}

/// What is done to a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Harm {
    Dropped,
    Zeroed,
    Swapped,
}

fn harmed(bytes: &[u8], page: usize, harm: Harm) -> Option<Vec<u8>> {
    let (start, end) = (page * PAGE, bytes.len().min((page + 1) * PAGE));
    let mut harmed = bytes.to_vec();
    match harm {
        Harm::Dropped => drop(harmed.drain(start..end)),
        Harm::Zeroed => harmed[start..end].fill(0),
        Harm::Swapped if end + PAGE <= bytes.len() => harmed[start..end + PAGE].rotate_left(PAGE),
        Harm::Swapped => return None,
    }
    (harmed != bytes).then_some(harmed)
}

/// What nobody is told of at once: the rows of the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Harmless {
    /// The journal is folded from before it.
    Snapshot,
    /// No open reads it: `journal verify` tells.
    OldBlock,
    /// The log has a newer copy, or nothing that is shown stands there.
    UnreadPage,
}

impl Small {
    /// Which row it is; `None` if all who come by it are told. **Errors:** it is neither.
    fn row(&self, file: &str, looked: Option<bool>, found: Found) -> Result<Option<Harmless>, ()> {
        let told = matches!(
            found,
            Found::Refused(Code::KeysDamaged | Code::JournalDamaged | Code::VaultDamaged | Code::RolledBack | Code::ProfileNewer)
        );
        match (looked, found) {
            (None | Some(true), _) if told => Ok(None),
            (Some(true), Found::Same) if file.starts_with("snapshots/") => Ok(Some(Harmless::Snapshot)),
            (Some(true), Found::Told(Code::JournalDamaged)) if file.starts_with("journal/") => Ok(Some(Harmless::OldBlock)),
            (Some(true), Found::Same | Found::Told(Code::VaultDamaged)) if file == "vault.db" => Ok(Some(Harmless::UnreadPage)),
            _ => Err(()),
        }
    }

    /// Tries each, and gives the rows that there were.
    fn rows(&self, trials: &[(&String, usize)], harmed: impl Fn(&str, usize) -> Files + Sync) -> BTreeSet<Harmless> {
        let found = each(trials, |folder, (file, at)| self.open(folder, &harmed(file, *at)));
        let rows = trials.iter().zip(found).map(|((file, at), (looked, found))| {
            self.row(file, looked, found).unwrap_or_else(|()| panic!("{file}, {at}: a look {looked:?}, then {found:?}"))
        });
        rows.flatten().collect()
    }
}

#[test]
fn every_page_that_is_dropped_zeroed_or_misplaced_is_told_or_changes_nothing() {
    use Harmless::{OldBlock, Snapshot, UnreadPage};
    let closed = &[Snapshot, OldBlock, UnreadPage][..];
    for (left, rows) in [(Left::Died, &[Snapshot, UnreadPage][..]), (Left::Closed, closed), (Left::Retired, closed)] {
        let small = Small::new(left);
        let mut seen = BTreeSet::new();
        for harm in [Harm::Dropped, Harm::Zeroed, Harm::Swapped] {
            let pages = |file| (0..small.files[file].len().div_ceil(PAGE)).map(move |page| (file, page));
            let trials: Vec<_> = small.files.keys().flat_map(pages).collect();
            let trials: Vec<_> = trials.into_iter().filter(|(file, page)| harmed(&small.files[*file], *page, harm).is_some()).collect();
            seen.extend(small.rows(&trials, |file, page| small.with(file, harmed(&small.files[file], page, harm).expect("a trial"))));
        }
        // A log that ends with a whole frame less: its last commit is gone.
        if let Some(log) = small.files.get("vault.db-wal") {
            let cut = small.with("vault.db-wal", log[..log.len() - FRAME].to_vec());
            let place = TempDir::new().expect("a folder");
            assert_eq!(small.open(place.path(), &cut), (None, Found::Refused(Code::RolledBack)));
        }
        assert_eq!(seen, rows.iter().copied().collect(), "{left:?}: what the table says, and no more");
    }
}

/// One bit, by its byte's position, in so many places of each page of the vault, and each byte of a log frame's head in one of the
/// frames. That every byte of a page counts is tried in core/vault.
#[test]
fn a_flipped_bit_of_the_vault_is_told_or_changes_nothing() {
    for left in [Left::Died, Left::Closed] {
        let small = Small::new(left);
        let mut trials = Vec::new();
        for file in small.names("vault.db") {
            let is_log = file.ends_with("-wal");
            let tried = |byte: &usize| {
                let (frame, at) = (byte.saturating_sub(LOG_HEAD) / FRAME, byte.saturating_sub(LOG_HEAD) % FRAME);
                byte.is_multiple_of(997) || is_log && (*byte < LOG_HEAD || at == frame % FRAME_HEAD)
            };
            trials.extend((0..small.files[file].len()).filter(tried).map(|byte| (file, byte)));
        }
        let seen = small.rows(&trials, |file, byte| small.flipped(file, byte, byte % 8));
        assert_eq!(seen, BTreeSet::from([Harmless::UnreadPage]), "{left:?}");
    }
}
