//! People, one relay, one clock.

use crate::disk::MemDisk;
use crate::vault::{TransparentVault, TransparentVerify, VaultDisk, fingerprint};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use thicket_client::{Observer, Point, Pump, SeededEntropy};
use thicket_engine::{Engine, Fault, ProfileKeys};
use thicket_journal_format::keys::Cost;
use thicket_reducer::ClientRules;
use thicket_relay::Relay;
use thicket_replay::Verified;
use thicket_store::MemoryStore;
use thicket_transport::{Conditions, Loopback, LoopbackRelay};
use thicket_types::effect::{Change, MessageState};
use thicket_types::error::Code;
use thicket_types::ids::{Fingerprint, IntentId};
use thicket_types::intent::{Answer, Intent};
use thicket_types::name::{Name, RelayAddress};
use thicket_types::ports::{Clock, Vault as _};
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

/// A text that someone asked to be sent, under an id that is used again until it is answered.
#[derive(Clone, Debug)]
pub struct Said {
    /// The Intent's id.
    pub id: IntentId,
    /// To whom.
    pub to: Fingerprint,
    /// The text: unique in the world.
    pub text: String,
    /// Whether an Ok was seen.
    pub acknowledged: bool,
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
    die_at: Arc<AtomicU64>,
}

/// Counts down at points; at zero the process is dead.
const NEVER: u64 = u64::MAX;

/// The world.
pub struct World {
    /// Its time.
    pub clock: VirtualClock,
    /// Where clients and relay meet.
    pub meeting: Loopback,
    /// The relay.
    pub relay: Relay<MemoryStore, LoopbackRelay>,
    /// Its people.
    pub people: Vec<Person>,
    seed: u64,
    intents: u64,
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
        };
        let relay = Relay::new(MemoryStore::new(), end, &[9; 32], ports);
        World { clock, meeting, relay, people: Vec::new(), seed, intents: 0 }
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
            die_at: Arc::new(AtomicU64::new(NEVER)),
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
        person.die_at.store(NEVER, Ordering::Relaxed);
        let keys = ProfileKeys::unlock(&mut person.disk.clone(), &passphrase())?;
        let mut vault = TransparentVault(person.vault.clone());
        let remembered = vault.remembered()?;
        let (engine, opened) = Engine::<ClientRules>::open(Box::new(person.disk.clone()), clock, Box::new(entropy), keys, remembered)?;
        let named: Vec<_> = engine.state().outbox.values().map(|outgoing| outgoing.body).collect();
        vault.sweep(&named)?;
        let mut pump = Pump::new(engine, opened, vault, Box::new(transport), None);
        let die_at = person.die_at.clone();
        let observer: Observer = Box::new(move |_: Point| match die_at.load(Ordering::Relaxed) {
            0 => ControlFlow::Break(()),
            NEVER => ControlFlow::Continue(()),
            more => {
                die_at.store(more - 1, Ordering::Relaxed);
                ControlFlow::Continue(())
            }
        });
        pump.observe(observer);
        person.pump = Some(pump);
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
        self.people[who].die_at.store(points, Ordering::Relaxed);
    }

    fn intent(&mut self) -> IntentId {
        self.intents += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.intents.to_be_bytes());
        IntentId(id)
    }

    /// Asks for something, if the process runs.
    pub fn ask(&mut self, who: usize, intent: Intent) {
        let id = self.intent();
        if let Some(pump) = &mut self.people[who].pump {
            pump.submit(id, intent);
        }
    }

    /// Registers with the relay.
    pub fn register(&mut self, who: usize) {
        let relay = RelayAddress::parse(self.meeting.address()).expect("a loopback's address");
        self.ask(who, Intent::Register { relay, key: None });
    }

    /// Looks a person up.
    pub fn add(&mut self, who: usize, name: &str) {
        let name = Name::parse(name).expect("a name of the simulation");
        self.ask(who, Intent::AddContact { name });
    }

    /// Says something to somebody. It is asked again, under the same id, until an Ok was seen.
    pub fn say(&mut self, who: usize, to: usize) {
        let id = self.intent();
        let said = Said {
            id,
            to: fingerprint(self.people[to].name),
            text: format!("{} to {}, {}", self.people[who].name, self.people[to].name, self.intents),
            acknowledged: false,
        };
        self.people[who].said.push(said);
        self.ask_again(who);
    }

    /// Asks again for all that was said and not acknowledged.
    pub fn ask_again(&mut self, who: usize) {
        let person = &mut self.people[who];
        let Some(pump) = &mut person.pump else {
            return;
        };
        for said in person.said.iter().filter(|said| !said.acknowledged) {
            // A vault that just died stages nothing; the next process asks again.
            if let Ok(body) = pump.stage(said.text.as_bytes()) {
                let len = u32::try_from(said.text.len()).expect("a short text");
                pump.submit(said.id, Intent::Send { contact: said.to, body, len });
            }
        }
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
            if let Some(said) = person.said.iter_mut().find(|said| said.id == *id) {
                said.acknowledged |= matches!(answer, Ok(Answer::Queued(_)));
            }
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

    /// Faults are over: everybody is there, asks again for what was not acknowledged, and has hours.
    pub fn heal(&mut self) -> Result<(), Fault> {
        self.meeting.set_conditions(Conditions::default());
        self.meeting.set_up(true);
        for who in 0..self.people.len() {
            self.kill_at(who, NEVER);
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
            let asking = self.people[who].pump.as_ref().map(Pump::view).unwrap_or_default().contacts;
            for contact in asking.into_iter().filter(|contact| !contact.accepted) {
                self.ask(who, Intent::AcceptContact { contact: contact.fingerprint });
            }
        }
        self.run(2 * 3_600_000);
        Ok(())
    }

    /// What is wrong, now that faults are over: lost, doubled, unsettled.
    pub fn wrongs(&self) -> Vec<String> {
        let mut wrongs = Vec::new();
        for person in &self.people {
            let data = person.vault.data();
            for said in &person.said {
                let Some(to) = self.people.iter().find(|other| fingerprint(other.name) == said.to) else {
                    continue;
                };
                let copies = to.vault.data().rows.iter().filter(|row| !row.outgoing && row.text.as_ref() == Some(&said.text)).count();
                if copies != 1 {
                    wrongs.push(format!("{} has {copies} of «{}»", to.name, said.text));
                }
                let state = data.rows.iter().find(|row| row.outgoing && row.message.0 == said.id.0).map(|row| row.state);
                if state != Some(MessageState::Delivered) {
                    wrongs.push(format!("{} holds «{}» for {state:?}", person.name, said.text));
                }
            }
            for row in data.rows.iter().filter(|row| row.state == MessageState::Unreadable) {
                wrongs.push(format!("{} has an unreadable message: {row:?}", person.name));
            }
            match &person.pump {
                Some(pump) => {
                    let view = pump.view();
                    if !view.unsettled.is_empty() || view.early > 0 || view.unacknowledged > 0 || !view.online {
                        wrongs.push(format!("{} is not at rest: {view:?}", person.name));
                    }
                }
                None => wrongs.push(format!("{}'s process is dead", person.name)),
            }
        }
        wrongs
    }

    /// Folds a person's journal twice and from its snapshot.
    pub fn verify(&self, who: usize) -> Result<Verified, Fault> {
        let mut disk = self.people[who].disk.clone();
        let keys = ProfileKeys::unlock(&mut disk, &passphrase())?;
        thicket_replay::verify(&mut disk, &keys)
    }
}
