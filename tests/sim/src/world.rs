//! People, one relay, one clock.

use crate::disk::MemDisk;
use crate::heard::{Heard, Hearing};
use crate::said::Said;
use crate::vault::{Data, TransparentVault, TransparentVerify, VaultDisk, fingerprint};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use thicket_client::{Observer, Point, Pump, SeededEntropy, View, named_bodies};
use thicket_engine::{Engine, Fault, ProfileKeys};
use thicket_journal_format::keys::Cost;
use thicket_reducer::ClientRules;
use thicket_relay::{Policy, Relay};
use thicket_replay::{Replay, Verified};
use thicket_store::MemoryStore;
use thicket_transport::{Conditions, Loopback};
use thicket_types::effect::Change;
use thicket_types::error::Code;
use thicket_types::ids::IntentId;
use thicket_types::intent::{Answer, Intent};
use thicket_types::ports::{Clock, Place, Vault as _};
use thicket_types::secret::Secret;
use thicket_types::time::Stamp;

const COST: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
const START_MS: u64 = 1_790_000_000_000;

/// Virtual time.
#[derive(Clone)]
pub struct VirtualClock(Arc<AtomicU64>);

impl Clock for VirtualClock {
    fn now(&self) -> Stamp {
        Stamp(self.0.load(Ordering::Relaxed))
    }
}

/// Someone, and what outlives their process.
pub struct Person {
    /// Their name.
    pub name: &'static str,
    /// Their disk.
    pub disk: MemDisk,
    /// Their vault's database.
    pub vault: VaultDisk,
    /// Their process, if it runs.
    pub pump: Option<Pump<TransparentVault>>,
    /// All that they were told.
    pub changes: Vec<Change>,
    /// Answers to what they asked.
    pub answers: Vec<(IntentId, Result<Answer, Code>)>,
    /// All that they said.
    pub said: Vec<Said>,
    /// How often their process died.
    pub deaths: u64,
    /// How often they went on from a backup.
    pub restored: u64,
    fatal: Arc<Mutex<Option<Fatal>>>,
}

/// A profile as it was: journal and vault of one time.
pub struct Backup {
    files: BTreeMap<String, Vec<u8>>,
    vault: Data,
    said: Vec<Said>,
}

/// Asked at each point whether the process dies there.
type Fatal = Box<dyn FnMut(&Point) -> bool + Send>;

fn locked(fatal: &Mutex<Option<Fatal>>) -> MutexGuard<'_, Option<Fatal>> {
    fatal.lock().expect("no thread panics")
}

/// The world.
pub struct World {
    /// Its time.
    pub clock: VirtualClock,
    /// Where clients and relay meet.
    pub meeting: Loopback,
    /// The relay.
    pub relay: Relay<MemoryStore, Hearing>,
    /// What came to it.
    pub heard: Heard,
    /// Its people.
    pub people: Vec<Person>,
    /// Whether everybody switched read marks on.
    pub read_marks: bool,
    /// Set once everybody has read all that there is.
    pub(crate) all_read: bool,
    seed: u64,
    intents: u32,
}

fn passphrase() -> Secret<Vec<u8>> {
    Secret::new(b"transparent".to_vec())
}

impl World {
    /// A world without people.
    pub fn new(seed: u64, conditions: Conditions) -> World {
        let clock = VirtualClock(Arc::new(AtomicU64::new(START_MS)));
        let (meeting, end) = Loopback::new("sim", Conditions { seed, ..conditions });
        let ports = thicket_relay::World {
            entropy: Box::new(SeededEntropy::new(seed ^ 0x5eed)),
            clock: Box::new(clock.clone()),
            verify: Box::new(TransparentVerify),
            policy: Policy::default(),
        };
        let heard = Heard::default();
        let relay = Relay::new(MemoryStore::new(), Hearing::new(end, heard.clone()), &[9; 32], ports);
        World { clock, meeting, relay, heard, people: Vec::new(), read_marks: false, all_read: false, seed, intents: 0 }
    }

    fn entropy(&mut self) -> SeededEntropy {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        SeededEntropy::new(self.seed)
    }

    /// A new account; returns its index.
    pub fn create(&mut self, name: &'static str) -> usize {
        let mut disk = MemDisk::default();
        ProfileKeys::create(&mut disk, &mut self.entropy(), &passphrase(), COST).expect("an empty disk takes a keys file");
        let person = Person {
            name,
            disk,
            vault: VaultDisk::new(name),
            pump: None,
            changes: Vec::new(),
            answers: Vec::new(),
            said: Vec::new(),
            deaths: 0,
            restored: 0,
            fatal: Arc::default(),
        };
        self.people.push(person);
        let who = self.people.len() - 1;
        self.open(who).expect("a new profile opens");
        who
    }

    /// Starts a person's process from what is on their disk.
    pub fn open(&mut self, who: usize) -> Result<(), Fault> {
        let entropy = self.entropy();
        let mut lanes = self.entropy();
        let transport = self.meeting.client(&mut lanes, None);
        let clock = Box::new(self.clock.clone());
        let person = &mut self.people[who];
        person.pump = None;
        person.disk.take_over();
        person.vault.take_over();
        *locked(&person.fatal) = None;
        let keys = ProfileKeys::unlock(&mut person.disk.clone(), &passphrase())?;
        let mut vault = TransparentVault(person.vault.clone());
        let remembered = vault.remembered()?;
        let (engine, opened) = Engine::<ClientRules>::open(Box::new(person.disk.clone()), clock, Box::new(entropy), keys, remembered)?;
        vault.sweep(&named_bodies(engine.state()))?;
        let mut pump = Pump::new(engine, opened, vault, Box::new(transport), None);
        let fatal = person.fatal.clone();
        let observer: Observer = Box::new(move |point: Point| {
            let dies = locked(&fatal).as_mut().is_some_and(|fatal| fatal(&point));
            if dies { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        pump.observe(observer);
        person.pump = Some(pump);
        Ok(())
    }

    /// Starts a person's process if it does not run, logs in, and asks again for what was not acknowledged.
    pub fn wake(&mut self, who: usize) -> Result<(), Fault> {
        if self.people[who].pump.is_none() {
            self.open(who)?;
            self.ask(who, Intent::Connect);
            self.ask_again(who);
        }
        Ok(())
    }

    /// The process is gone, without a word.
    pub fn kill(&mut self, who: usize) {
        if self.people[who].pump.take().is_some() {
            self.people[who].deaths += 1;
        }
    }

    /// Has the process die at its n-th point from now.
    pub fn kill_at(&mut self, who: usize, points: u64) {
        let mut left = points;
        self.kill_when(who, move |_| {
            let dies = left == 0;
            left = left.saturating_sub(1);
            dies
        });
    }

    /// Has the process die at the first point that is as wanted.
    pub fn kill_when(&mut self, who: usize, fatal: impl FnMut(&Point) -> bool + Send + 'static) {
        *locked(&self.people[who].fatal) = Some(Box::new(fatal));
    }

    /// Closes a person's profile.
    pub fn sleep(&mut self, who: usize) {
        if let Some(pump) = self.people[who].pump.take()
            && pump.close().is_err()
        {
            self.people[who].deaths += 1;
        }
    }

    /// A person's profile as it is now. It is closed for that: what is copied while a process runs is of no one time.
    pub fn back_up(&mut self, who: usize) -> Backup {
        self.sleep(who);
        let person = &self.people[who];
        Backup { files: person.disk.image(), vault: person.vault.data(), said: person.said.clone() }
    }

    /// Puts a person's profile back as it was: journal, vault and all.
    pub fn restore(&mut self, who: usize, backup: Backup) {
        self.kill(who);
        let Backup { files, vault, said } = backup;
        let person = &mut self.people[who];
        let (own, lost) = (fingerprint(person.name), person.vault.data());
        // What was said since is known to the lost copy alone; what was said before may have to be asked for again.
        let since = person.said.split_off(said.len());
        person.said = said.into_iter().map(|said| Said { untold: true, ..said }).collect();
        person.said.extend(since.into_iter().map(Said::known_to_a_lost_copy));
        person.restored += 1;
        person.disk.restore(files);
        // So is what came since: it was acknowledged.
        let came = lost.rows.iter().filter(|row| !row.outgoing && !vault.rows.contains(row));
        let came: Vec<_> = came.map(|row| (row.contact, row.message)).collect();
        person.vault.restore(vault);
        for other in &mut self.people {
            let from = fingerprint(other.name);
            for said in other.said.iter_mut().filter(|said| said.to == own && came.contains(&(from, said.message()))) {
                said.lost = true;
            }
        }
    }

    /// Time passes, and nobody does anything.
    pub fn pass(&mut self, span_ms: u64) {
        self.clock.0.fetch_add(span_ms, Ordering::Relaxed);
    }

    pub(crate) fn intent(&mut self) -> IntentId {
        self.intents += 1;
        let mut id = [0; 16];
        id[..4].copy_from_slice(&self.intents.to_be_bytes());
        IntentId(id)
    }

    /// Asks for something, if the process runs.
    pub fn ask(&mut self, who: usize, intent: Intent) -> IntentId {
        let id = self.intent();
        if let Some(pump) = &mut self.people[who].pump {
            pump.submit(id, intent);
        }
        id
    }

    /// What a person's process shows, if it runs.
    pub fn view(&self, who: usize) -> View {
        self.people[who].pump.as_ref().map(Pump::view).unwrap_or_default()
    }

    /// Lets one person's process do what there is to do. A process that fails is dead.
    fn pump(&mut self, who: usize) -> Option<Stamp> {
        let person = &mut self.people[who];
        let pumped = match person.pump.as_mut()?.pump() {
            Ok(pumped) => pumped,
            Err(_) => {
                person.pump = None;
                person.deaths += 1;
                return None;
            }
        };
        // A vault that died takes its process along.
        if person.vault.take_death() {
            person.pump = None;
            person.deaths += 1;
        }
        for (id, answer) in &pumped.answers {
            person.said.iter_mut().for_each(|said| said.answered(*id, answer));
        }
        person.changes.extend(pumped.changes);
        person.answers.extend(pumped.answers);
        pumped.deadline
    }

    /// Lets everything happen that happens within a span.
    pub fn run(&mut self, span_ms: u64) {
        let end = self.clock.now().0.saturating_add(span_ms);
        loop {
            let mut deadline = end;
            loop {
                for who in 0..self.people.len() {
                    deadline = deadline.min(self.pump(who).map_or(end, |deadline| deadline.0));
                }
                if self.relay.turn().expect("a store in memory works") == 0 {
                    break;
                }
                deadline = end;
            }
            let now = self.clock.now().0;
            if now >= end {
                return;
            }
            self.clock.0.store(deadline.clamp(now + 1, end), Ordering::Relaxed);
        }
    }

    /// Faults are over: everybody is there, asks again for what was not acknowledged, reads, and has hours.
    pub fn heal(&mut self) -> Result<(), Fault> {
        self.meeting.set_conditions(Conditions::default());
        self.meeting.set_up(true);
        for who in 0..self.people.len() {
            *locked(&self.people[who].fatal) = None;
            self.people[who].disk.take_over();
            self.people[who].vault.take_over();
            if self.people[who].pump.is_none() {
                self.open(who)?;
            }
            self.ask(who, Intent::Connect);
            self.ask_again(who);
        }
        self.run(2 * 3_600_000);
        // Whoever was only written to accepts now, so that receipts are owed for everything.
        for who in 0..self.people.len() {
            for contact in self.view(who).contacts.into_iter().filter(|contact| !contact.accepted) {
                self.ask(who, Intent::AcceptContact { contact: contact.fingerprint });
            }
        }
        self.run(2 * 3_600_000);
        if self.read_marks {
            self.read_all();
            self.run(3_600_000);
            self.all_read = true;
        }
        Ok(())
    }

    /// Folds a person's journal twice and from its snapshot.
    pub fn verify(&self, who: usize) -> Result<Verified, Fault> {
        let mut disk = self.people[who].disk.clone();
        let keys = ProfileKeys::unlock(&mut disk, &passphrase())?;
        thicket_replay::verify(&mut disk, &keys, None)
    }

    /// A person's journal, a line a record and a line an effect, for whoever looks for a cause. It begins where it can be folded.
    pub fn journal(&self, who: usize) -> Result<Vec<String>, Fault> {
        let mut disk = self.people[who].disk.clone();
        let keys = ProfileKeys::unlock(&mut disk, &passphrase())?;
        let mut lines = Vec::new();
        Replay::read(&mut disk, &keys, &mut |step| {
            let Place { seq, stamp, segment: _ } = step.place;
            lines.push(format!("{} +{} ms {:?}", seq, stamp.0.saturating_sub(START_MS), step.record.event));
            lines.extend(step.effects.iter().map(|effect| format!("    {effect:?}")));
        })?;
        Ok(lines)
    }
}
