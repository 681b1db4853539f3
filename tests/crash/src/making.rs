//! A profile that is made, made of an archive, or deleted, by the steps that ship, on a disk that counts them. For every n what is left
//! of the disk is put into a real folder, and there it is either whole, or the same is asked for again and done.

use crate::life::{COST, START_MS, Time, live, passphrase};
use crate::log::Log;
use crate::platter::{Dice, Files, How, Operation, Platter};
use crate::points::next;
use crate::real::Real;
use crate::vfs::{self, Mounted};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};
use std::thread;
use tempfile::TempDir;
use thicket_client::{MessageRow, Options, Origin, Profile, SeededEntropy, Site, View, making, share};
use thicket_engine::{ArchiveKeys, ArchiveReader, Fault};
use thicket_reducer::ClientRules;
use thicket_transport::{Conditions, Loopback};
use thicket_types::error::Code;
use thicket_types::ids::Fingerprint;
use thicket_types::name::Name;
use thicket_types::ports::{Clock as _, Disk, DiskError};
use thicket_vault::{NewAccount, SharedEntropy};

const OPTIONS: Options = Options { cost: COST };
/// Whoever makes the first profile.
const NAME: &str = "alice";
/// What the folder of a profile holds that was made, beside its inner folders.
const FILES: [&str; 3] = ["keys", "lock", "vault.db"];

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Act {
    /// A profile is made.
    Create,
    /// One is made of an archive.
    Restore,
    /// One is deleted.
    Delete,
}

impl Act {
    /// All.
    pub const ALL: [Act; 3] = [Act::Create, Act::Restore, Act::Delete];

    /// What it is called.
    pub fn word(self) -> &'static str {
        match self {
            Act::Create => "create",
            Act::Restore => "restore",
            Act::Delete => "delete",
        }
    }
}

/// What became of what was left.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Found {
    /// A whole profile: the first one.
    Whole,
    /// None: the same was asked for again, and done.
    None,
}

/// What became of an act that was interrupted everywhere.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Its operations.
    pub operations: usize,
    /// What was left, by how it was left and what was found.
    pub found: BTreeMap<(How, Found), u64>,
    /// The same of an act that was begun anew on what was left, and interrupted once more.
    pub again: BTreeMap<(How, Found), u64>,
    /// What went wrong.
    pub failures: Vec<String>,
}

/// What a person sees of a profile.
#[derive(PartialEq, Eq, Debug)]
struct Seen {
    own: (String, Fingerprint),
    view: View,
    messages: Vec<MessageRow>,
}

/// What the acts are given: a profile that has lived, and an archive of it.
pub struct Given {
    lived: Files,
    archive: Vec<u8>,
}

impl Given {
    /// Lives for a while. **Errors:** what went wrong.
    pub fn new(seed: u64) -> Result<Given, String> {
        let lived = live::<Real>(seed, 60, false, false)?.log.files();
        let place = Folder::new(&lived);
        let file = place.home.path().join("one.thicket");
        let (_, way) = way();
        let archived = place.unlock().and_then(|profile| {
            let mut pump = profile.open(way, Box::new(clock()))?;
            let mut entropy = SeededEntropy::new(seed);
            pump.archive(&file, ArchiveKeys::make(&mut entropy, &passphrase(), COST)?, &mut entropy)
        });
        archived.map_err(|fault| format!("no archive: {fault}"))?;
        Ok(Given { lived, archive: fs::read(&file).map_err(|error| error.to_string())? })
    }

    /// What is on the disk before an act.
    fn before(&self, act: Act) -> Files {
        match act {
            Act::Create | Act::Restore => Files::new(),
            Act::Delete => self.lived.clone(),
        }
    }

    /// Does it on a disk that counts.
    fn count(&self, act: Act, log: &Log, seed: u64) -> Result<(), Fault> {
        let mut site = CountedSite { log: log.clone(), mounted: Mounted::new(log) };
        match act {
            Act::Create => making::create(&mut site, &account()?, &passphrase(), OPTIONS, entropy(seed)).map(drop),
            Act::Restore => {
                let mut input = self.archive.as_slice();
                let mut reader = ArchiveReader::begin::<ClientRules>(&mut input, &passphrase())?;
                making::restore(&mut site, &mut reader, &passphrase(), OPTIONS, &entropy(seed), &clock()).map(drop)
            }
            Act::Delete => making::delete(&mut site),
        }
    }
}

/// Does an act once whole, then interrupts it after each operation, each way. `careless`: on a disk that syncs no file and no folder.
///
/// **Errors:** what went wrong without a crash.
pub fn interrupt(given: &Given, act: Act, seed: u64, careless: bool, threads: usize) -> Result<Report, String> {
    let log = Log::with(given.before(act));
    log.keep();
    if careless {
        log.be_careless(|operation| matches!(operation, Operation::Sync { .. } | Operation::SyncFolder { .. }));
    }
    given.count(act, &log, seed).map_err(|fault| format!("{}: {fault}", act.word()))?;
    let whole = match act {
        Act::Create | Act::Restore => Folder::new(&log.files()),
        Act::Delete => Folder::new(&given.lived),
    };
    let seen = whole.unlock().and_then(|profile| see(&profile)).map_err(|fault| format!("{} is not whole: {fault}", act.word()))?;
    let operations = log.kept();
    let trial = Trial { given, act, seen, seed };
    let (lefts, queue) = sync_channel(2 * threads);
    let queue = Mutex::new(queue);
    let done = Mutex::new(Report { operations: operations.len(), ..Report::default() });
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(left) = next(&queue) {
                    let judged = trial.judge(&left, operations.len());
                    let mut report = done.lock().unwrap_or_else(PoisonError::into_inner);
                    match judged {
                        Ok((found, again)) => {
                            *report.found.entry((left.how, found)).or_default() += 1;
                            again.into_iter().for_each(|which| *report.again.entry(which).or_default() += 1);
                        }
                        Err(wrong) => report.failures.push(format!("{}, operation {}, {}: {wrong}", act.word(), left.at, left.how.word())),
                    }
                }
            });
        }
        let mut platter = Platter::new(given.before(act));
        for (at, operation) in (1..).zip(&operations) {
            for left in trial.lefts(&mut platter, at, operation) {
                let _ = lefts.send(left);
            }
        }
        drop(lefts);
    });
    Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner))
}

struct Trial<'g> {
    given: &'g Given,
    act: Act,
    /// The profile that is made, or deleted.
    seen: Seen,
    seed: u64,
}

/// What is left of a disk.
struct Left {
    at: usize,
    how: How,
    files: Files,
}

impl Trial<'_> {
    /// Takes a step, and says what may be left when it was the last.
    fn lefts(&self, platter: &mut Platter, at: usize, operation: &Operation) -> Vec<Left> {
        let torn = platter.torn(operation, self.chance(at)).map(|files| Left { at, how: How::Torn, files });
        platter.perform(operation);
        let as_it_is = Left { at, how: How::AsItIs, files: platter.as_it_is() };
        // Where all is synced there is nothing to lose.
        let may_lose = !platter.is_synced();
        let unsynced = may_lose.then(|| Left { at, how: How::Unsynced, files: platter.unsynced(self.chance(at)) });
        torn.into_iter().chain([as_it_is]).chain(unsynced).collect()
    }

    fn chance(&self, at: usize) -> u64 {
        self.seed ^ u64::try_from(at).unwrap_or(0).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// Judges what is left after an operation; if there is no profile, the act is begun anew on it, and interrupted somewhere.
    fn judge(&self, left: &Left, operations: usize) -> Result<(Found, Vec<(How, Found)>), String> {
        let done = left.at == operations && left.how != How::Torn;
        let found = self.find(&left.files, done)?;
        // A deletion is gone on with by whoever makes another profile there.
        if found == Found::Whole || self.act == Act::Delete && left.files.is_empty() {
            return Ok((found, Vec::new()));
        }
        let act = if self.act == Act::Delete { Act::Create } else { self.act };
        let log = Log::with(left.files.clone());
        log.keep();
        let seed = self.chance(left.at);
        self.given.count(act, &log, seed).map_err(|fault| format!("begun anew: {fault}"))?;
        let seen = Folder::new(&log.files()).unlock().and_then(|profile| see(&profile));
        let trial = Trial { given: self.given, act, seen: seen.map_err(|fault| format!("the second is not whole: {fault}"))?, seed };
        let (kept, mut again) = (log.kept(), Vec::new());
        let at = Dice::new(seed).below(kept.len()) + 1;
        let mut platter = Platter::new(left.files.clone());
        kept.iter().take(at - 1).for_each(|operation| platter.perform(operation));
        for second in kept.get(at - 1).map(|last| trial.lefts(&mut platter, at, last)).into_iter().flatten() {
            let done = at == kept.len() && second.how != How::Torn;
            let found = trial.find(&second.files, done);
            again.push((second.how, found.map_err(|wrong| format!("begun anew, operation {at}, {}: {wrong}", second.how.word()))?));
        }
        Ok((found, again))
    }

    /// What a person finds who goes on in a folder with these files: the whole profile; or none, and the same is asked for again.
    fn find(&self, files: &Files, done: bool) -> Result<Found, String> {
        let place = Folder::new(files);
        match place.unlock() {
            Ok(profile) => {
                if done && self.act == Act::Delete {
                    return Err("what was deleted opens".to_owned());
                }
                if see(&profile).map_err(|fault| format!("it can't be looked at: {fault}"))? != self.seen {
                    return Err("it is another profile".to_owned());
                }
                drop(profile);
                // It is in nobody's way, and not replaced.
                if place.create().map(drop) != Err(Code::ProfileExists) {
                    return Err("another can be made over it".to_owned());
                }
                let (_, way) = way();
                let opened = place.unlock().and_then(|profile| profile.open(way, Box::new(clock()))?.close());
                opened.map(|_| Found::Whole).map_err(|fault| format!("it does not open: {fault}"))
            }
            Err(missing) if missing.code == Code::ProfileMissing => {
                if done && self.act != Act::Delete {
                    return Err("what was made is gone".to_owned());
                }
                self.again(files, &place).map(|()| Found::None)
            }
            Err(other) => Err(format!("neither opened nor missing: {other}")),
        }
    }

    fn again(&self, files: &Files, place: &Folder) -> Result<(), String> {
        let told = |what: &'static str| move |code: Code| format!("{what}: {code:?}");
        match self.act {
            Act::Create => {
                place.create().map_err(told("can't be made anew"))?;
            }
            Act::Restore => {
                let file = place.home.path().join("one.thicket");
                fs::write(&file, &self.given.archive).map_err(|error| error.to_string())?;
                let restored = Profile::restore(&place.folder, &file, &passphrase(), OPTIONS, entropy(self.seed), &clock());
                restored.map_err(|fault| format!("can't be restored anew: {fault}"))?;
            }
            Act::Delete => {
                // Whoever asked for it to be opened ended the deletion; so does whoever makes another there.
                let left = place.names();
                if !left.is_empty() {
                    return Err(format!("the deletion left {left:?}"));
                }
                Folder::new(files).create().map_err(told("no other can be made there"))?;
                place.create().map_err(told("no other can be made there, once it is empty"))?;
            }
        }
        let seen = place.unlock().and_then(|profile| see(&profile)).map_err(|fault| format!("the second is not whole: {fault}"))?;
        let as_before = match self.act {
            Act::Create | Act::Delete => seen.own.0 == NAME && seen.messages.is_empty(),
            Act::Restore => seen == self.seen,
        };
        let strange: Vec<String> =
            place.names().into_iter().filter(|name| !name.contains('/') && !FILES.contains(&name.as_str())).collect();
        if !as_before {
            return Err(format!("the second is another profile: {seen:?}"));
        }
        if strange.is_empty() { Ok(()) } else { Err(format!("beside the second lies {strange:?}")) }
    }
}

/// A real folder.
struct Folder {
    home: TempDir,
    folder: PathBuf,
}

impl Folder {
    fn new(files: &Files) -> Folder {
        // In memory, where that can be had: what is durable there is nothing that is tried here.
        let home = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).expect("a place for a profile");
        let folder = home.path().join("profile");
        fs::create_dir(&folder).expect("room");
        for (path, bytes) in files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap_or(&folder)).and_then(|()| fs::write(&path, bytes)).expect("room");
        }
        Folder { home, folder }
    }

    fn unlock(&self) -> Result<Profile, Fault> {
        Profile::unlock(&self.folder, &passphrase(), entropy(2))
    }

    fn create(&self) -> Result<Profile, Code> {
        let origin = account().map_err(|fault| fault.code)?.origin;
        Profile::create(&self.folder, origin, &passphrase(), OPTIONS, entropy(3), &clock()).map_err(|fault| fault.code)
    }

    /// The files that are there, by their paths.
    fn names(&self) -> Vec<String> {
        fn walk(folder: &Path, within: &str, names: &mut Vec<String>) {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let name = format!("{within}{}", entry.file_name().display());
                if entry.path().is_dir() {
                    walk(&entry.path(), &format!("{name}/"), names);
                } else {
                    names.push(name);
                }
            }
        }
        let mut names = Vec::new();
        walk(&self.folder, "", &mut names);
        names
    }
}

/// The folder of a profile, on a disk that counts.
struct CountedSite {
    log: Log,
    mounted: Mounted,
}

/// Takes the same steps, in the same order, as that of a real folder (core/client/src/site.rs).
impl Site for CountedSite {
    fn disk(&mut self) -> &mut dyn Disk {
        &mut self.log
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        if !self.log.holds(from) {
            return Err(DiskError::Missing);
        }
        self.log.perform(Operation::Rename { from: from.to_owned(), to: to.to_owned() })?;
        self.log.perform(Operation::SyncFolder { folder: String::new() })
    }

    fn erase(&mut self, file: &str) -> Result<(), DiskError> {
        let bytes = self.log.read(file, |bytes| vec![0; bytes.len()])?;
        self.log.perform(Operation::Write { file: file.to_owned(), offset: 0, bytes })?;
        self.log.perform(Operation::Sync { file: file.to_owned() })
    }

    fn remove_inner(&mut self, folder: &str, files: &[String]) -> Result<(), DiskError> {
        for file in files {
            self.log.perform(Operation::Remove { file: format!("{folder}/{file}") })?;
        }
        self.log.perform(Operation::SyncFolder { folder: folder.to_owned() })
    }

    fn path(&self, file: &str) -> PathBuf {
        PathBuf::from(self.mounted.path(file))
    }

    fn vfs(&self) -> Option<String> {
        Some(vfs::name())
    }
}

fn see(profile: &Profile) -> Result<Seen, Fault> {
    let (view, reader) = profile.look()?;
    Ok(Seen { own: profile.own(), view, messages: reader.messages(None, 0, u32::MAX)? })
}

fn account() -> Result<NewAccount, Fault> {
    let name = Name::parse(NAME).map_err(|_| Code::MalformedName)?;
    Ok(NewAccount { origin: Origin::New(name), at: clock().now() })
}

fn entropy(seed: u64) -> SharedEntropy {
    share(Box::new(SeededEntropy::new(seed)))
}

fn clock() -> Time {
    Time(Arc::new(AtomicU64::new(START_MS)))
}

/// A way to a relay at which nobody answers.
fn way() -> (Loopback, Box<dyn thicket_types::ports::Transport + Send>) {
    let (meeting, _) = Loopback::new("nobody", Conditions::default());
    let client = meeting.client(&mut SeededEntropy::new(4), None);
    (meeting, Box::new(client))
}
