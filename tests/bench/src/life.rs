//! The defined life: what journals of a busy person hold, made by the real rules and the real engine from a seed.
//!
//! ```text
//!   the rules ask for effects ─→ a vault and a relay that know no key answer them ─→ the next inputs, in the defined mix
//! ```
//!
//! The mix is 40 % Arrived, 30 % Resolved, 20 % Requested, 10 % Elapsed, among 200 contacts, at a mean of 256 bytes a record, over a
//! year. Left to itself the protocol resolves more than arrives, so that what is cheap to let happen makes up for it: items that came
//! before or from people who are blocked, contacts that are looked at and marked.

use crate::rounds::Chance;
use prost::Message as _;
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use thicket_engine::{Engine, Input, OsDisk, ProfileKeys, private_folders};
use thicket_journal_format::event::Record;
use thicket_journal_format::keys::Cost;
use thicket_reducer::{ClientRules, State};
use thicket_types::bytes::Bytes;
use thicket_types::effect::{Effect, Send};
use thicket_types::error::Code;
use thicket_types::event::{Arrival, Arrived, Event, Lane, Opened, Outcome, TimerId};
use thicket_types::ids::{BodyRef, ConversationId, EffectId, Fingerprint, FrameId, IntentId, MailboxId, MessageId, RelayKey, Seq};
use thicket_types::intent::Intent;
use thicket_types::limits::BLOCK_RECORDS_MAX;
use thicket_types::name::{Name, RelayAddress};
use thicket_types::ports::{Clock, Entropy, Remembered};
use thicket_types::secret::Secret;
use thicket_types::time::{ClaimedTime, Deadline, Stamp};
use thicket_types::vault_op::{Ask, VaultOp};
use thicket_types::wire::relay as wire;
use wire::answer::Said;

/// The four kinds, in the order of [`MIX`].
pub const KINDS: [&str; 4] = ["Arrived", "Resolved", "Requested", "Elapsed"];
/// Of a hundred records so many are of each kind.
pub const MIX: [u64; 4] = [40, 30, 20, 10];
/// People in it.
pub const CONTACTS: u64 = 200;
/// Mean bytes of a record, its head included.
pub const RECORD_LEN: u64 = 256;
/// A million records take a year.
const RECORD_MS: u64 = 365 * 86_400_000 / 1_000_000;
/// Records from one pause to the next.
const EPISODE: u64 = 400;
const START: u64 = 1_790_000_000_000;

/// What opens every life: nothing in it is a secret.
pub fn passphrase() -> Secret<Vec<u8>> {
    Secret::new(b"a life that was made up".to_vec())
}

#[derive(Clone)]
struct Told(Arc<AtomicU64>);

impl Clock for Told {
    fn now(&self) -> Stamp {
        Stamp(self.0.load(Ordering::Relaxed))
    }
}

struct Seeded(Chance);

impl Entropy for Seeded {
    fn fill(&mut self, out: &mut [u8]) {
        let bytes = self.0.bytes_of(out.len());
        out.copy_from_slice(&bytes);
    }
}

/// The keys of a life in a folder.
pub fn keys(folder: &Path) -> ProfileKeys {
    ProfileKeys::unlock(&mut OsDisk::new(folder), &passphrase()).expect("a life")
}

/// The engine over a life in a folder, folded.
pub fn open(folder: &Path, keys: ProfileKeys) -> Engine<ClientRules> {
    let (clock, entropy) = (Told(Arc::new(AtomicU64::new(START))), Seeded(Chance(77)));
    let remembered = Remembered { durable: None, count: u64::MAX };
    Engine::open(Box::new(OsDisk::new(folder)), Box::new(clock), Box::new(entropy), keys, remembered).expect("a life").0
}

/// What a life came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Mix {
    /// Records of each kind, in the order of [`KINDS`].
    pub kinds: [u64; 4],
    /// Bytes of them.
    pub len: u64,
    /// Blocks that they stand in.
    pub blocks: u64,
    /// Contacts at the end.
    pub contacts: u64,
}

impl Mix {
    /// Records.
    pub fn records(&self) -> u64 {
        self.kinds.iter().sum()
    }

    /// One line, to be printed with every figure.
    pub fn line(&self) -> String {
        let all = self.records().max(1) as f64;
        let shares: Vec<String> =
            KINDS.iter().zip(self.kinds).map(|(kind, count)| format!("{kind} {:.1} %", count as f64 * 100.0 / all)).collect();
        let mean = self.len as f64 / all;
        let block = all / self.blocks.max(1) as f64;
        format!(
            "{} records: {}; {} contacts, no groups; mean record {mean:.0} B, {block:.0} a block",
            self.records(),
            shares.join(", "),
            self.contacts
        )
    }
}

/// A life that goes on for as long as it is asked to.
pub struct Life {
    engine: Engine<ClientRules>,
    clock: Told,
    chance: Chance,
    mix: Mix,
    /// Effects that nobody resolved yet.
    open: VecDeque<(EffectId, Effect)>,
    /// What the relay would say to a frame, by the record that holds it.
    frames: BTreeMap<Seq, (FrameId, Said)>,
    /// The same of frames whose record is not written yet.
    made: BTreeMap<FrameId, Said>,
    /// Frames that the relay has, and did not answer yet.
    asked: VecDeque<(FrameId, Lane, Said)>,
    timers: BTreeMap<TimerId, Deadline>,
    people: Vec<Fingerprint>,
    cursor: u64,
    read: VecDeque<(Fingerprint, MessageId)>,
    paused: u64,
}

impl Life {
    /// Begins one in a folder that is not there yet.
    pub fn begin(folder: &Path, seed: u64) -> Life {
        private_folders().create(folder).expect("a folder for a life");
        let (mut disk, mut entropy) = (OsDisk::new(folder), Seeded(Chance(seed)));
        let keys = ProfileKeys::create(&mut disk, &mut entropy, &passphrase(), Cost { memory_kib: 8, passes: 1, lanes: 1 });
        let clock = Told(Arc::new(AtomicU64::new(START)));
        let remembered = Remembered { durable: None, count: u64::MAX };
        let keys = keys.expect("an empty folder");
        let engine = Engine::open(Box::new(disk), Box::new(clock.clone()), Box::new(entropy), keys, remembered).expect("a profile").0;
        let mut life = Life {
            engine,
            clock,
            chance: Chance(seed ^ 0xa5a5),
            mix: Mix::default(),
            open: VecDeque::new(),
            frames: BTreeMap::new(),
            made: BTreeMap::new(),
            asked: VecDeque::new(),
            timers: BTreeMap::new(),
            people: Vec::new(),
            cursor: 0,
            read: VecDeque::new(),
            paused: 0,
        };
        life.meet_everybody();
        life
    }

    /// Registers, and looks everybody up.
    fn meet_everybody(&mut self) {
        let relay = RelayAddress::parse("loopback:relay").expect("an address");
        let id = self.id();
        self.turn(vec![Input::Intent(id, Intent::Register { relay, key: None, token: None })]);
        self.settle();
        self.wait(3_600_000);
        for number in 0..CONTACTS {
            let id = self.id();
            let name = Name::parse(&format!("p{number}")).expect("a name");
            self.turn(vec![Input::Intent(id, Intent::AddContact { name })]);
            self.settle();
        }
    }

    fn id(&mut self) -> IntentId {
        IntentId(self.chance.bytes())
    }

    fn now(&self) -> u64 {
        self.clock.0.load(Ordering::Relaxed)
    }

    fn wait(&mut self, ms: u64) {
        self.clock.0.fetch_add(ms, Ordering::Relaxed);
    }

    /// Records so far, and how they are mixed.
    pub fn mix(&self) -> Mix {
        Mix { contacts: u64::try_from(self.engine.state().contacts.len()).unwrap_or(u64::MAX), ..self.mix }
    }

    /// The state.
    pub fn state(&self) -> &State {
        self.engine.state()
    }

    /// Writes a snapshot.
    pub fn snapshot(&mut self) {
        self.engine.snapshot().expect("room");
    }

    /// Lives on until there are so many records, or the few more that come of what was under way.
    pub fn go_on(&mut self, records: u64) {
        while self.mix.records() < records {
            if self.mix.records() - self.paused >= EPISODE {
                self.paused = self.mix.records();
                self.settle();
                self.wait(EPISODE * RECORD_MS);
            }
            let room = records.saturating_sub(self.mix.records()).min(8 + self.chance.below(48));
            let inputs = self.inputs(room);
            self.turn(inputs);
        }
    }

    /// Lets everything that is under way come to its end.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            let mut inputs = Vec::new();
            while inputs.len() < BLOCK_RECORDS_MAX / 2
                && let Some(input) = self.answer().or_else(|| self.resolve())
            {
                inputs.push(input);
            }
            if inputs.is_empty() {
                // The moment of a login is past.
                let Some(deadline) = self.timers.get(&TimerId::Resume).copied() else {
                    return;
                };
                self.clock.0.fetch_max(deadline.0, Ordering::Relaxed);
                self.timers.remove(&TimerId::Resume);
                inputs.push(Input::Elapsed(TimerId::Resume, false));
            }
            self.turn(inputs);
        }
    }

    /// The next inputs: of each kind as many as are missing from the mix.
    fn inputs(&mut self, count: u64) -> Vec<Input> {
        let mut kinds = self.mix.kinds;
        let mut inputs = Vec::new();
        for _ in 0..count {
            let all: u64 = kinds.iter().sum::<u64>() + 1;
            let missing = |kind: &usize| (MIX[*kind] * all).saturating_sub(kinds[*kind] * 100);
            let kind = (0..KINDS.len()).max_by_key(missing).unwrap_or(0);
            let input = match kind {
                0 => Some(self.arrive()),
                1 => self.resolve(),
                2 => Some(self.request()),
                _ => Some(self.elapse()),
            };
            let Some(input) = input else {
                // There is nothing of that kind now: the next turn makes up for it.
                kinds[0] += 1;
                inputs.push(self.envelope());
                continue;
            };
            kinds[kind] += 1;
            inputs.push(input);
        }
        inputs
    }

    fn turn(&mut self, inputs: Vec<Input>) {
        let mut seq = self.engine.durable().seq;
        for input in inputs {
            seq = seq.next();
            self.count(&input);
            if let Input::Resolved(_, Outcome::Framed { frame, bytes: _ }, _) = &input
                && let Some(said) = self.made.remove(frame)
            {
                self.frames.insert(seq, (*frame, said));
            }
            if let Input::Elapsed(timer, _) = &input {
                self.timers.remove(timer);
            }
            self.engine.push(input);
        }
        let turn = self.engine.turn().expect("room");
        assert!(turn.failed.is_empty() && turn.set_aside == 0, "the rules hold what a life brings");
        assert_eq!(self.engine.durable().seq, seq, "one block");
        self.mix.blocks += 1;
        for (id, effect) in turn.effects {
            match effect {
                Effect::Vault(_) | Effect::Send(_) => self.open.push_back((id, effect)),
                Effect::Arm(timer, deadline) => {
                    self.timers.insert(timer, deadline);
                }
                Effect::Disarm(timer) => {
                    self.timers.remove(&timer);
                }
                Effect::Notify(_) => {}
            }
        }
    }

    fn count(&mut self, input: &Input) {
        let (kind, event) = match input.clone() {
            Input::Arrival(arrival) => (0, Event::Arrived(arrival)),
            Input::Resolved(effect, outcome, vault_count) => (1, Event::Resolved { effect, outcome, vault_count }),
            Input::Intent(id, intent) => (2, Event::Requested { id, intent }),
            Input::Elapsed(timer, fault) => (3, Event::Elapsed { timer, fault }),
        };
        let mut bytes = Vec::new();
        Record { stamp: Stamp(self.now()), event }.encode(&mut bytes).expect("a record");
        self.mix.kinds[kind] += 1;
        self.mix.len += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    }

    /// Bytes that a frame has for the mean to come out.
    fn frame_bytes(&mut self) -> Bytes {
        let missing = (RECORD_LEN * (self.mix.records() + 1)).saturating_sub(self.mix.len);
        let most = 64 + self.chance.below(2_600);
        Bytes(self.chance.bytes_of(usize::try_from(missing.clamp(64, most)).unwrap_or(64)))
    }

    fn person(&mut self) -> Fingerprint {
        let count = u64::try_from(self.people.len()).unwrap_or(1);
        let at = usize::try_from(self.chance.below(count.max(1))).unwrap_or(0);
        self.people.get(at).copied().unwrap_or(Fingerprint([9; 20]))
    }

    /// Whether so little is under way, and was resolved so far, that the mix bears more.
    fn has_room(&self) -> bool {
        self.open.len() < 40 && self.mix.kinds[1] * 100 <= MIX[1] * self.mix.records()
    }

    fn arrive(&mut self) -> Input {
        if let Some(answer) = self.answer() {
            return answer;
        }
        if self.has_room() {
            return self.envelope();
        }
        self.cursor += 1;
        let cursor = self.cursor;
        let content =
            if self.chance.below(2) == 0 { Arrived::Repeat { cursor } } else { Arrived::Unsealable { cursor, cause: Code::FromBlocked } };
        Input::Arrival(Arrival { frame: FrameId(self.chance.bytes()), lane: Lane::Named, content })
    }

    fn envelope(&mut self) -> Input {
        self.cursor += 1;
        let content = Arrived::Envelope { cursor: self.cursor, sender: self.person(), sealed: self.frame_bytes() };
        Input::Arrival(Arrival { frame: FrameId(self.chance.bytes()), lane: Lane::Named, content })
    }

    fn answer(&mut self) -> Option<Input> {
        let (to, lane, said) = self.asked.pop_front()?;
        let answer = wire::Answer { version: 1, to: to.0.to_vec(), clock_ms: self.now(), said: Some(said) }.encode_to_vec();
        Some(Input::Arrival(Arrival { frame: FrameId(self.chance.bytes()), lane, content: Arrived::Answer { answer: Bytes(answer) } }))
    }

    fn request(&mut self) -> Input {
        let contact = self.person();
        let id = self.id();
        let intent = match self.chance.below(8) {
            0..=2 if self.has_room() => Intent::Send { contact, body: BodyRef(self.chance.bytes()), len: 80 },
            3 if self.has_room() && !self.read.is_empty() => {
                let (contact, message) = self.read.pop_front().unwrap_or((contact, MessageId(id.0)));
                Intent::MarkRead { contact, message }
            }
            number => Intent::VerifyContact { contact, verified: number % 2 == 0 },
        };
        Input::Intent(id, intent)
    }

    /// The earliest timer but those that a request waits by: the relay here answers. If none is due, one that was disarmed meanwhile.
    fn elapse(&mut self) -> Input {
        let now = self.now();
        let waits = |timer: &TimerId| matches!(timer, TimerId::Retry(_));
        let soon = self.timers.iter().filter(|(timer, deadline)| !waits(timer) && deadline.0 <= now + 60_000);
        let Some((timer, deadline)) = soon.min_by_key(|(_, deadline)| **deadline).map(|(timer, deadline)| (*timer, *deadline)) else {
            return Input::Elapsed(TimerId::Retry(FrameId(self.chance.bytes())), false);
        };
        self.clock.0.fetch_max(deadline.0, Ordering::Relaxed);
        self.timers.remove(&timer);
        Input::Elapsed(timer, false)
    }

    fn resolve(&mut self) -> Option<Input> {
        let (id, effect) = self.open.pop_front()?;
        let outcome = match effect {
            Effect::Send(Send { to: _, lane, frame }) => {
                if let Some((asked, said)) = self.frames.remove(&frame) {
                    self.asked.push_back((asked, lane, said));
                }
                Outcome::Handed
            }
            Effect::Vault(op) => self.outcome(op),
            Effect::Arm(..) | Effect::Disarm(_) | Effect::Notify(_) => return None,
        };
        Some(Input::Resolved(id, outcome, 0))
    }

    fn outcome(&mut self, op: VaultOp) -> Outcome {
        let said = match op {
            VaultOp::Compose(Ask::Challenge) => Said::Challenge(wire::Challenge {
                nonce: vec![4; 32],
                relay_key: RelayKey([3; 32]).0.to_vec(),
                until_ms: 99,
                versions: vec![1],
            }),
            VaultOp::Compose(Ask::Lookup(_)) => Said::Entry(wire::Entry::default()),
            VaultOp::Compose(Ask::KeyPackage(_)) => Said::KeyPackage(wire::KeyPackage::default()),
            VaultOp::Compose(Ask::Fetch { .. }) => Said::Fetched(wire::Fetched { waiting: 0, key_packages: 50, last_resort: true }),
            VaultOp::Compose(Ask::Acknowledge { .. }) => Said::Acknowledged(wire::Acknowledged {}),
            VaultOp::SignRegistration { .. } => Said::Registered(wire::Registered { mailbox: vec![1; 16] }),
            VaultOp::SignLogin { .. } => Said::LoggedIn(wire::LoggedIn { mailbox: vec![1; 16], key_packages: 50, last_resort: true }),
            VaultOp::MakeKeyPackages { .. } => Said::Published(wire::Published { key_packages: 50 }),
            VaultOp::RotateMailboxKey { .. } => Said::MailboxKeyPublished(wire::MailboxKeyPublished {}),
            VaultOp::SetCapabilities { .. } => Said::CapabilitiesSet(wire::CapabilitiesSet {}),
            VaultOp::SealMessage { .. }
            | VaultOp::SealAgain { .. }
            | VaultOp::SealReceipt { .. }
            | VaultOp::SealOffer { .. }
            | VaultOp::UpdateKeys { .. }
            | VaultOp::Stamp { .. }
            | VaultOp::MarkRead { tell: Some(_), .. } => Said::Stored(wire::Stored {}),
            VaultOp::PinContact { name, .. } => {
                // The same person under the same name each time.
                let number = name.text().trim_start_matches('p').parse().unwrap_or(0);
                let contact = Fingerprint(Chance(number).bytes());
                if !self.people.contains(&contact) {
                    self.people.push(contact);
                }
                return Outcome::Pinned { contact, mailbox: MailboxId(Chance(number).bytes()), name, contradicts: None, anew: false };
            }
            VaultOp::BeginConversation { .. } | VaultOp::BeginFromOffer { .. } => return Outcome::Begun { again: Vec::new() },
            VaultOp::OpenEnvelope { .. } => return self.opened(),
            VaultOp::File { .. }
            | VaultOp::Forget { .. }
            | VaultOp::ForgetMessage { .. }
            | VaultOp::Unpin { .. }
            | VaultOp::MarkRead { tell: None, .. }
            | VaultOp::Tidy { .. }
            | VaultOp::Published { .. }
            | VaultOp::ShowRead { .. }
            | VaultOp::GiveUpGroups => return Outcome::Done,
            // Nobody in this life is in a group.
            VaultOp::Compose(Ask::ReadLog(_))
            | VaultOp::CreateGroup { .. }
            | VaultOp::LogCreated { .. }
            | VaultOp::KeepKeyPackage { .. }
            | VaultOp::Commit { .. }
            | VaultOp::SealPost { .. }
            | VaultOp::FollowLog { .. }
            | VaultOp::SealWelcome { .. }
            | VaultOp::Join { .. } => return Outcome::Refused(Code::UnknownGroup),
        };
        let frame = FrameId(self.chance.bytes());
        self.made.insert(frame, said);
        Outcome::Framed { frame, bytes: self.frame_bytes() }
    }

    fn opened(&mut self) -> Outcome {
        let (contact, message) = (self.person(), MessageId(self.chance.bytes()));
        let name = self.engine.state().contacts.get(&contact).map(|known| known.name.clone());
        Outcome::Opened(match (self.chance.below(10), name) {
            (0..=6, Some(name)) => {
                if self.read.len() < 1_000 {
                    self.read.push_back((contact, message));
                }
                let claimed = ClaimedTime(self.now());
                Opened::Message { contact, name, conversation: ConversationId(self.chance.bytes()), message, claimed, moved: false }
            }
            _ => Opened::Receipt { contact, delivered: vec![message], moved: false },
        })
    }
}
