//! A scripted life: alice and bob and a relay, in one thread, from one seed, in virtual time. Alice's disk counts its operations, and
//! her process dies at one of them, if it is told to.
//!
//! A step of the script follows from the seed and its number alone, and its Intents have ids that follow from the number: a life
//! that was interrupted asks again for what was not acknowledged, under the same ids, and then goes on with the same steps.

use crate::log::{Death, Log, Row};
use crate::platter::{Dice, Files, Operation};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use thicket_client::{Observer, Point, Pump, SeededEntropy, SharedEntropyHandle, named_bodies, share};
use thicket_engine::{Engine, Fault, ProfileKeys, walk};
use thicket_journal_format::keys::Cost;
use thicket_reducer::{ClientRules, view};
use thicket_relay::{Policy, Relay};
use thicket_replay::{Numbering, Replay, state_digest, verify};
use thicket_store::MemoryStore;
use thicket_transport::{Conditions, Loopback, LoopbackClient, LoopbackRelay};
use thicket_types::effect::MessageState;
use thicket_types::error::Code;
use thicket_types::event::Lane;
use thicket_types::ids::{Digest, Fingerprint, IntentId, MessageId, Seq};
use thicket_types::intent::Intent;
use thicket_types::name::{Name, RelayAddress};
use thicket_types::ports::{Clock, Transport, Unreachable, Vault, Verify};
use thicket_types::secret::Secret;
use thicket_types::time::Stamp;

/// Who writes and crashes.
const ALICE: usize = 0;
/// Who is there.
const BOB: usize = 1;
const NAMES: [&str; 2] = ["alice", "bob"];
/// The weakest that the format allows: what a passphrase is worth is not what is tried here.
pub(crate) const COST: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
pub(crate) const START_MS: u64 = 1_790_000_000_000;
/// Work that the relay asks a stranger for: some, since a crash may come in between, but no time to speak of.
const STAMP_BITS: u32 = 2;
const SECOND_MS: u64 = 1_000;
const DAY_MS: u64 = 86_400_000;
/// Until all that a step led to has happened.
const STEP_MS: u64 = 30 * SECOND_MS;
/// The same after a crash: what went out before it may have to go out again, and a retry waits up to five minutes.
const AFTER_CRASH_MS: u64 = 900 * SECOND_MS;
/// The same at the end.
const END_MS: u64 = 900 * SECOND_MS;

/// Which vault a life has.
pub trait Kind: Clone + Send + Sync + 'static {
    /// A process's handle to it.
    type Vault: Vault;
    /// What it is called.
    const WORD: &'static str;

    /// How the relay checks what these vaults sign.
    fn verify() -> Box<dyn Verify + Send>;
    /// Makes a new one on a disk that holds the keys; with all that it was, if `keep` says so.
    fn make(
        name: &'static str,
        log: &Log,
        keys: &ProfileKeys,
        entropy: SharedEntropyHandle,
        at: Stamp,
        keep: bool,
    ) -> Result<(Self, Fingerprint), Fault>;
    /// Opens it for a process.
    fn open(&self, log: &Log, keys: &ProfileKeys, entropy: SharedEntropyHandle) -> Result<Self::Vault, Fault>;
    /// As it was after so many operations, on another disk.
    fn as_of(&self, operations: u64, log: &Log) -> Self;
    /// Its messages, as they stand.
    fn lines(&self, log: &Log, keys: &ProfileKeys) -> Result<Vec<Line>, Fault>;
}

/// A message as a person sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Whether it is their own.
    pub sent: bool,
    /// What became of it.
    pub state: MessageState,
    /// Its text.
    pub text: Option<String>,
    /// Why it can't be read.
    pub cause: Option<Code>,
}

/// How a life ended: that of one that was interrupted is the same as that of one that was not. What may differ is what a view digest
/// leaves out (ids, addresses, times, the relay's clock, requests under way) and nothing else; a message's stamps are of that.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct End {
    /// The view digests.
    pub views: [Digest; 2],
    /// The messages.
    pub lines: [Vec<Line>; 2],
}

/// What a whole life was, to compare others with.
pub struct Whole<K> {
    /// Its seed.
    pub seed: u64,
    /// Its steps.
    pub steps: u64,
    /// Alice's disk, with its operations, if they were kept.
    pub log: Log,
    /// Alice's vault.
    pub kind: K,
    /// Alice's disk before the first operation that counts.
    pub before: Files,
    /// Alice's state digest after each record.
    pub digests: BTreeMap<Seq, Digest>,
    /// How it ended.
    pub end: End,
}

/// Something that was asked for and not answered.
#[derive(Clone)]
enum Wish {
    Say(Fingerprint, String),
    Intent(Intent),
}

struct Person<K: Kind> {
    own: Fingerprint,
    log: Log,
    kind: K,
    pump: Option<Pump<K::Vault>>,
    opened: u64,
    wishes: BTreeMap<IntentId, Wish>,
    /// What they said, oldest first.
    said: Vec<MessageId>,
    /// What they were told, up to a record.
    told: Numbering,
    told_upto: Seq,
}

struct Life<'w, K: Kind> {
    clock: Time,
    meeting: Loopback,
    relay: Relay<MemoryStore, LoopbackRelay>,
    people: Vec<Person<K>>,
    seed: u64,
    /// The step, and Intents of it so far.
    at: (u64, u64),
    before: Files,
    /// What it is compared with at each open.
    whole: Option<&'w Whole<K>>,
    /// Alice's state digests, where they are collected.
    digests: Option<BTreeMap<Seq, Digest>>,
    /// Set from a crash to the open that follows: what was promised.
    crashed: Option<Seq>,
    died: bool,
}

#[derive(Clone)]
pub(crate) struct Time(pub(crate) Arc<AtomicU64>);

impl Clock for Time {
    fn now(&self) -> Stamp {
        Stamp(self.0.load(Ordering::Relaxed))
    }
}

/// A dead process sends nothing and hears nothing.
struct Mortal(LoopbackClient, Log);

impl Transport for Mortal {
    fn send(&mut self, to: &str, lane: Lane, frame: &[u8]) -> Result<(), Unreachable> {
        if self.1.is_dead() { Err(Unreachable) } else { self.0.send(to, lane, frame) }
    }

    fn poll(&mut self) -> Option<(Lane, Vec<u8>)> {
        if self.1.is_dead() { None } else { self.0.poll() }
    }

    fn renew(&mut self, lane: Lane) {
        self.0.renew(lane);
    }

    fn broke(&mut self, lane: Lane) -> bool {
        self.0.broke(lane)
    }
}

pub(crate) fn passphrase() -> Secret<Vec<u8>> {
    Secret::new(b"scripted".to_vec())
}

/// Why a life came to no good end.
pub type Wrong = String;

/// Lives a whole life of so many events of alice's at least, without a crash. `keep`: every operation and every state of the
/// vault, for [`reopen`]. `careless`: on a disk that syncs no file.
///
/// **Errors:** what went wrong: with the life, not with a crash.
pub fn live<K: Kind>(seed: u64, events: u64, keep: bool, careless: bool) -> Result<Whole<K>, Wrong> {
    let mut life = Life::<K>::new(seed, keep, None)?;
    life.digests = Some(BTreeMap::new());
    if careless {
        life.alice().log.be_careless(|operation| matches!(operation, Operation::Sync { .. }));
    }
    let mut steps = 0;
    while life.alice().log.promised(u64::MAX).0 < events {
        life.step(steps)?;
        steps += 1;
    }
    let end = life.end()?;
    let Life { people, before, digests, .. } = life;
    let Person { log, kind, .. } = people.into_iter().next().ok_or("nobody lives")?;
    Ok(Whole { seed, steps, log, kind, before, digests: digests.unwrap_or_default(), end })
}

/// Lives the same life, interrupted by a crash; its end is to be that of the whole one.
///
/// **Errors:** what went wrong.
pub fn live_on<K: Kind>(whole: &Whole<K>, death: Death) -> Result<(), Wrong> {
    let mut life = Life::<K>::new(whole.seed, false, Some(whole))?;
    life.alice().log.die(death);
    for step in 0..whole.steps {
        life.step(step)?;
    }
    let end = life.end()?;
    if !life.died {
        return Err("the process did not die".to_owned());
    }
    (end == whole.end).then_some(()).ok_or_else(|| difference(&whole.end, &end))
}

/// Opens what is left of a disk after so many operations: its state is one that the whole life had, and holds all that anybody was
/// let known of. Returns the place of its last record.
///
/// **Errors:** what went wrong.
pub fn reopen<K: Kind>(whole: &Whole<K>, operations: u64, promised: Seq, files: Files) -> Result<Seq, Wrong> {
    let log = Log::with(files);
    let kind = whole.kind.as_of(operations, &log);
    let entropy = SharedEntropyHandle(share(Box::new(SeededEntropy::new(operations))));
    let clock = Time(Arc::new(AtomicU64::new(START_MS)));
    let (engine, _, vault) = unlock(&kind, &log, entropy, clock).map_err(|fault| format!("it does not open: {fault}"))?;
    drop(vault);
    let seq = whole.holds(&engine, promised)?;
    // INV-203: nothing looks as if somebody had taken it away.
    let mut disk = log.clone();
    let walked = ProfileKeys::unlock(&mut disk, &passphrase()).and_then(|keys| walk(&mut disk, &keys, None, &mut |_| {}));
    match walked.map_err(|fault| format!("it is not walked: {fault}"))?.taken.as_slice() {
        [] => Ok(seq),
        taken => Err(format!("{} segments have a key and no file", taken.len())),
    }
}

type Unlocked<V> = (Engine<ClientRules>, thicket_engine::Opened, V);

fn unlock<K: Kind>(kind: &K, log: &Log, entropy: SharedEntropyHandle, clock: Time) -> Result<Unlocked<K::Vault>, Fault> {
    let keys = ProfileKeys::unlock(&mut log.clone(), &passphrase())?;
    let mut vault = kind.open(log, &keys, entropy.clone())?;
    let remembered = vault.remembered()?;
    let (engine, opened) = Engine::open(Box::new(log.clone()), Box::new(clock), Box::new(entropy), keys, remembered)?;
    vault.sweep(&named_bodies(engine.state()))?;
    Ok((engine, opened, vault))
}

impl<K> Whole<K> {
    /// Whether an engine that was opened again is at a place of this life, and all that was promised is there.
    fn holds(&self, engine: &Engine<ClientRules>, promised: Seq) -> Result<Seq, Wrong> {
        let seq = engine.durable().seq;
        let state = state_digest(engine.state()).map_err(|fault| fault.to_string())?;
        if seq < promised {
            return Err(format!("record {} was acknowledged, and the journal ends at {}", promised.0, seq.0));
        }
        if seq > Seq::ZERO && self.digests.get(&seq) != Some(&state) {
            return Err(format!("the state after record {} is another", seq.0));
        }
        Ok(seq)
    }
}

fn difference(whole: &End, end: &End) -> String {
    let mut text = "the life ends otherwise:".to_owned();
    for who in [ALICE, BOB] {
        let (Some(was), Some(is)) = (whole.lines.get(who), end.lines.get(who)) else {
            continue;
        };
        if let Some((row, (was, is))) = was.iter().zip(is).enumerate().find(|(_, (was, is))| was != is) {
            let _ = write!(text, " {}'s row {row} is {is:?}, not {was:?};", NAMES[who]);
        }
        if was.len() != is.len() {
            let _ = write!(text, " {} has {} rows, not {};", NAMES[who], is.len(), was.len());
        }
        if whole.views.get(who) != end.views.get(who) {
            let _ = write!(text, " {}'s view differs;", NAMES[who]);
        }
    }
    text
}

impl<'w, K: Kind> Life<'w, K> {
    fn new(seed: u64, keep: bool, whole: Option<&'w Whole<K>>) -> Result<Life<'w, K>, Wrong> {
        let clock = Time(Arc::new(AtomicU64::new(START_MS)));
        let (meeting, end) = Loopback::new("crash", Conditions { seed, ..Conditions::default() });
        let ports = thicket_relay::World {
            entropy: Box::new(SeededEntropy::new(seed ^ 0x5eed)),
            clock: Box::new(clock.clone()),
            verify: K::verify(),
            policy: Policy { stamp_bits: STAMP_BITS, ..Policy::default() },
        };
        let relay = Relay::new(MemoryStore::new(), end, &[9; 32], ports);
        let mut people = Vec::new();
        for (who, name) in NAMES.into_iter().enumerate() {
            let making = Log::default();
            let mut entropy = entropy(seed, who, u64::MAX);
            let made = ProfileKeys::create(&mut making.clone(), &mut entropy, &passphrase(), COST)
                .and_then(|keys| K::make(name, &making, &keys, entropy, clock.now(), keep && who == ALICE));
            let (kind, own) = made.map_err(|fault| format!("{name} can't be made: {fault}"))?;
            // The life begins with a profile that is there: how one is made is tried beside it (making.rs).
            let log = Log::with(making.files());
            let kind = if who == ALICE { kind } else { kind.as_of(0, &log) };
            people.push(Person {
                own,
                log,
                kind,
                pump: None,
                opened: 0,
                wishes: BTreeMap::new(),
                said: Vec::new(),
                told: Numbering::default(),
                told_upto: Seq::ZERO,
            });
        }
        let before = people.first().map(|alice: &Person<K>| alice.log.files()).unwrap_or_default();
        if keep && let Some(alice) = people.first() {
            alice.log.keep();
        }
        Ok(Life { clock, meeting, relay, people, seed, at: (0, 0), before, whole, digests: None, crashed: None, died: false })
    }

    fn alice(&self) -> &Person<K> {
        &self.people[ALICE]
    }

    fn step(&mut self, step: u64) -> Result<(), Wrong> {
        self.at = (step, 0);
        let mut dice = Dice::new(self.seed ^ step.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (alice, bob) = (self.people[ALICE].own, self.people[BOB].own);
        match step {
            0 => {
                for who in [ALICE, BOB] {
                    self.start(who)?;
                    let relay = RelayAddress::parse(self.meeting.address()).ok_or("a loopback has an address")?;
                    self.ask(who, Intent::Register { relay, key: None, token: None });
                }
            }
            1 => {
                let name = Name::parse(NAMES[BOB]).map_err(|_| "bob is a name")?;
                self.ask(ALICE, Intent::AddContact { name });
            }
            2 => self.say(ALICE, 1),
            3 => self.ask(BOB, Intent::AcceptContact { contact: alice }),
            4 => [ALICE, BOB].into_iter().for_each(|who| self.ask(who, Intent::SetReadMarks { on: true })),
            5 => self.snapshot()?,
            6 => self.again()?,
            _ if step % 40 == 9 => self.month()?,
            _ => match dice.below(20) {
                0..=5 => self.say(ALICE, 1 + dice.below(3)),
                6..=10 => self.say(BOB, 1 + dice.below(3)),
                11 => {
                    // At one moment.
                    self.say(ALICE, 1 + dice.below(2));
                    self.say(BOB, 1 + dice.below(2));
                }
                12 => self.ask(ALICE, Intent::UpdateKeys { contact: bob }),
                13 => self.ask(BOB, Intent::UpdateKeys { contact: alice }),
                14 => self.read(ALICE),
                15 => self.read(BOB),
                16 => self.snapshot()?,
                17 => self.again()?,
                18 => {
                    self.close(BOB)?;
                    self.say(ALICE, 2);
                    self.run(STEP_MS)?;
                    self.open_again(BOB)?;
                }
                _ => self.forget(&mut dice),
            },
        }
        self.run(STEP_MS)
    }

    /// Alice's profile is closed and opened: another segment begins.
    fn again(&mut self) -> Result<(), Wrong> {
        self.close(ALICE)?;
        self.open_again(ALICE)
    }

    /// A month, in which nobody is there: keys are renewed after it, and segments retire.
    fn month(&mut self) -> Result<(), Wrong> {
        for who in [ALICE, BOB] {
            self.close(who)?;
            // What retires is to be folded before.
            self.collect(who)?;
        }
        self.clock.0.fetch_add(31 * DAY_MS, Ordering::Relaxed);
        self.open_again(ALICE)?;
        self.open_again(BOB)?;
        self.run(STEP_MS)?;
        self.snapshot()?;
        self.run(STEP_MS)
    }

    fn end(&mut self) -> Result<End, Wrong> {
        self.run(END_MS)?;
        let (alice, bob) = (self.end_of(ALICE)?, self.end_of(BOB)?);
        Ok(End { views: [alice.0, bob.0], lines: [alice.1, bob.1] })
    }

    /// A person's view digest, taken of all that they were ever told, and their messages; their journal folds to the same from
    /// each of its snapshots.
    fn end_of(&mut self, who: usize) -> Result<(Digest, Vec<Line>), Wrong> {
        self.close(who)?;
        self.collect(who)?;
        let person = &mut self.people[who];
        let told = std::mem::take(&mut person.told);
        let end = || -> Result<(Digest, Vec<Line>), Fault> {
            let mut disk = person.log.clone();
            let keys = ProfileKeys::unlock(&mut disk, &passphrase())?;
            if !verify(&mut disk, &keys, None)?.holds() {
                return Err(Fault::from(Code::Inconsistent));
            }
            let replay = Replay::read(&mut disk, &keys, &mut |_| {})?;
            let state = replay.at(&mut disk, &keys, replay.last())?.ok_or(Fault::from(Code::Inconsistent))?;
            Ok((told.digest(&view(&state))?, person.kind.lines(&person.log, &keys)?))
        };
        end().map_err(|fault| format!("{}'s end: {fault}", NAMES[who]))
    }

    /// Notes what a person was told since this was asked last, and alice's state digests, where they are collected.
    fn collect(&mut self, who: usize) -> Result<(), Wrong> {
        let person = &mut self.people[who];
        let mut disk = person.log.clone();
        let mut digests = self.digests.as_mut().filter(|_| who == ALICE);
        let (told, upto) = (&mut person.told, &mut person.told_upto);
        let mut gap = false;
        let collected = ProfileKeys::unlock(&mut disk, &passphrase()).and_then(|keys| {
            Replay::read(&mut disk, &keys, &mut |step| {
                if step.place.seq <= *upto {
                    return;
                }
                gap |= step.place.seq != upto.next();
                *upto = step.place.seq;
                told.note(step.effects);
                if let Some(digests) = &mut digests
                    && let Ok(digest) = state_digest(step.state)
                {
                    digests.insert(step.place.seq, digest);
                }
            })
        });
        collected.map_err(|fault| format!("{}'s journal: {fault}", NAMES[who]))?;
        if gap { Err(format!("{}'s records retired before they were folded", NAMES[who])) } else { Ok(()) }
    }

    fn id(&mut self) -> IntentId {
        self.at.1 += 1;
        let mut id = [0; IntentId::LEN];
        id[..8].copy_from_slice(&self.at.0.to_be_bytes());
        id[8..].copy_from_slice(&self.at.1.to_be_bytes());
        IntentId(id)
    }

    fn ask(&mut self, who: usize, intent: Intent) {
        let id = self.id();
        self.people[who].wish(id, Wish::Intent(intent));
    }

    fn say(&mut self, who: usize, texts: usize) {
        let to = self.people[1 - who].own;
        for _ in 0..texts {
            let id = self.id();
            self.people[who].said.push(MessageId(id.0));
            self.people[who].wish(id, Wish::Say(to, format!("{} says {}.{}", NAMES[who], self.at.0, self.at.1)));
        }
    }

    fn read(&mut self, who: usize) {
        let other = &self.people[1 - who];
        if let Some(message) = other.said.last().copied() {
            let contact = other.own;
            self.ask(who, Intent::MarkRead { contact, message });
        }
    }

    /// Alice deletes a message of hers, here.
    fn forget(&mut self, dice: &mut Dice) {
        let said = &self.people[ALICE].said;
        if let Some(message) = said.get(dice.below(said.len())).copied() {
            let contact = self.people[BOB].own;
            self.ask(ALICE, Intent::ForgetMessage { contact, message, sent: true });
        }
    }

    fn snapshot(&mut self) -> Result<(), Wrong> {
        let taken = self.people[ALICE].pump.as_mut().map(Pump::take_snapshot);
        self.lived(ALICE, taken.unwrap_or(Ok(())))
    }

    fn close(&mut self, who: usize) -> Result<(), Wrong> {
        match self.people[who].pump.take().map(Pump::close) {
            // The vault goes before the disk is looked at.
            Some(Ok(closed)) => drop(closed),
            Some(Err(fault)) => self.lived(who, Err(fault))?,
            None => {}
        }
        // A profile that died as it was closed was opened again, and is closed once more.
        if self.people[who].log.is_dead() {
            self.recover()?;
        }
        if let Some(pump) = self.people[who].pump.take() {
            pump.close().map(drop).map_err(|fault| format!("{} can't be closed: {fault}", NAMES[who]))?;
        }
        Ok(())
    }

    fn open_again(&mut self, who: usize) -> Result<(), Wrong> {
        self.start(who)?;
        self.connect(who);
        Ok(())
    }

    fn connect(&mut self, who: usize) {
        // Never answered twice: what an open asks for is its own.
        let mut id = [0xff; IntentId::LEN];
        id[8..].copy_from_slice(&self.people[who].opened.to_be_bytes());
        let id = IntentId(id);
        if let Some(pump) = &mut self.people[who].pump {
            pump.submit(id, Intent::Connect);
        }
    }

    /// Opens a profile; one that dies in it is opened once more.
    fn start(&mut self, who: usize) -> Result<(), Wrong> {
        let opened = self.open(who)?;
        self.lived(who, opened)
    }

    fn open(&mut self, who: usize) -> Result<Result<(), Fault>, Wrong> {
        let opened = self.people[who].opened;
        let entropy = entropy(self.seed, who, opened);
        let client = self.meeting.client(&mut entropy.clone(), None);
        let person = &mut self.people[who];
        let (engine, opened, vault) = match unlock(&person.kind, &person.log, entropy, self.clock.clone()) {
            Ok(unlocked) => unlocked,
            Err(fault) => return Ok(Err(fault)),
        };
        if let (Some(whole), Some(promised)) = (self.whole, self.crashed.take()) {
            whole.holds(&engine, promised)?;
        }
        person.opened += 1;
        let transport = Mortal(client, person.log.clone());
        let mut pump = Pump::new(engine, opened, vault, Box::new(transport), None);
        let log = person.log.clone();
        let observer: Observer = Box::new(move |point: Point| {
            match point {
                Point::Appended { records, .. } => {
                    log.promise(records);
                    log.mark(Row::Dispatch);
                }
                Point::Committed { .. } => log.mark(Row::Commit),
                Point::Sent { .. } => log.mark(Row::Send),
                Point::Dispatched { .. } => {}
            }
            if log.is_dead() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        pump.observe(observer);
        person.pump = Some(pump);
        Ok(Ok(()))
    }

    /// Whoever died lives on; any other failure is wrong.
    fn lived(&mut self, who: usize, done: Result<(), Fault>) -> Result<(), Wrong> {
        if self.people[who].log.is_dead() {
            return self.recover();
        }
        done.map_err(|fault| format!("{}: {fault}", NAMES[who]))
    }

    /// Alice's process is gone. What is left of her disk opens, to a state of the whole life that holds all that was promised;
    /// then she asks again for what was not acknowledged.
    fn recover(&mut self) -> Result<(), Wrong> {
        self.died = true;
        let alice = &mut self.people[ALICE];
        alice.pump = None;
        self.crashed = Some(alice.log.promised(u64::MAX));
        alice.log.take_over();
        // What it draws from now on is not what the whole life drew.
        alice.opened += 1_000_000;
        self.open_again(ALICE)?;
        let alice = &mut self.people[ALICE];
        for (id, wish) in alice.wishes.clone() {
            alice.wish(id, wish);
        }
        self.run(AFTER_CRASH_MS)
    }

    /// Lets one person's process do what there is to do.
    fn pump(&mut self, who: usize) -> Result<Option<Stamp>, Wrong> {
        let person = &mut self.people[who];
        let Some(pump) = &mut person.pump else {
            return Ok(None);
        };
        let mut deadline = None;
        let pumped = pump.pump().map(|pumped| {
            // An answer that a dead process gave reached nobody.
            if !person.log.is_dead() {
                let answered: BTreeSet<IntentId> = pumped.answers.iter().map(|(id, _)| *id).collect();
                person.wishes.retain(|id, _| !answered.contains(id));
            }
            deadline = pumped.deadline;
        });
        self.lived(who, pumped)?;
        Ok(deadline)
    }

    /// Lets everything happen that happens within a span.
    fn run(&mut self, span_ms: u64) -> Result<(), Wrong> {
        let end = self.clock.now().0.saturating_add(span_ms);
        loop {
            let mut deadline = end;
            loop {
                for who in [ALICE, BOB] {
                    deadline = deadline.min(self.pump(who)?.map_or(end, |deadline| deadline.0));
                }
                if self.relay.turn().map_err(|_| "a store in memory fails")? == 0 {
                    break;
                }
                deadline = end;
            }
            let now = self.clock.now().0;
            if now >= end {
                return Ok(());
            }
            self.clock.0.store(deadline.clamp(now + 1, end), Ordering::Relaxed);
        }
    }
}

impl<K: Kind> Person<K> {
    /// Asks for something, until it is answered.
    fn wish(&mut self, id: IntentId, wish: Wish) {
        self.wishes.insert(id, wish.clone());
        let Some(pump) = &mut self.pump else {
            return;
        };
        match wish {
            Wish::Intent(intent) => pump.submit(id, intent),
            // A process that dies as it stages is asked again by the next one.
            Wish::Say(contact, text) => {
                if let Ok(body) = pump.stage(text.as_bytes()) {
                    let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
                    pump.submit(id, Intent::Send { contact, body, len });
                }
            }
        }
    }
}

fn entropy(seed: u64, who: usize, opened: u64) -> SharedEntropyHandle {
    let who = u64::try_from(who).unwrap_or(0);
    let mixed = seed.wrapping_mul(6_364_136_223_846_793_005) ^ (who << 32) ^ opened.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    SharedEntropyHandle(share(Box::new(SeededEntropy::new(mixed))))
}
