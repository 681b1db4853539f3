//! A profile's journal, written turn by turn: for tests.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use thicket_engine::{Engine, Input, OsDisk, ProfileKeys, begin_restored, private_folders};
use thicket_journal_format::keys::Cost;
use thicket_reducer::{ClientRules, State};
use thicket_types::effect::Effect;
use thicket_types::event::Outcome;
use thicket_types::ids::{EffectId, IntentId, Seq};
use thicket_types::intent::Intent;
use thicket_types::name::{Name, RelayAddress};
use thicket_types::ports::{Clock, Disk as _, Entropy, Remembered};
use thicket_types::secret::Secret;
use thicket_types::time::{Duration, Stamp};
use thicket_types::vault_op::VaultOp;

/// Goes on when it is told to.
#[derive(Clone)]
struct Told(Arc<AtomicU64>);

impl Clock for Told {
    fn now(&self) -> Stamp {
        Stamp(self.0.load(Ordering::Relaxed))
    }
}

/// Repeats itself after a while: nothing here is a secret.
pub(crate) struct Counted(pub(crate) u64);

impl Entropy for Counted {
    fn fill(&mut self, out: &mut [u8]) {
        out.iter_mut().for_each(|byte| {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            [*byte, ..] = self.0.to_be_bytes();
        });
    }
}

fn passphrase() -> Secret<Vec<u8>> {
    Secret::new(b"correct horse".to_vec())
}

/// What all chance of a life came to, draw by draw: keys among them.
#[derive(Clone, Default)]
pub(crate) struct Drawn(Arc<Mutex<Vec<Vec<u8>>>>);

impl Drawn {
    /// The draws of so many bytes.
    pub(crate) fn of_len(&self, len: usize) -> Vec<Vec<u8>> {
        let all = self.0.lock().expect("no panic");
        all.iter().filter(|draw| draw.len() == len).cloned().collect()
    }
}

/// Chance, with each draw kept.
struct Noted(Counted, Drawn);

impl Entropy for Noted {
    fn fill(&mut self, out: &mut [u8]) {
        self.0.fill(out);
        self.1.0.lock().expect("no panic").push(out.to_vec());
    }
}

/// A profile in a folder of its own.
pub(crate) struct Life {
    folder: tempfile::TempDir,
    engine: Option<Engine<ClientRules>>,
    seed: u64,
    opens: u64,
    clock: Told,
    /// Envelopes that the vault is at, the oldest first.
    opening: VecDeque<EffectId>,
    drawn: Drawn,
}

impl Life {
    pub(crate) fn new() -> Life {
        Life::of(0)
    }

    /// One whose ids are its own.
    pub(crate) fn of(seed: u64) -> Life {
        let folder = tempfile::tempdir().expect("room");
        private_folders().create(folder.path().join("p")).expect("room");
        let cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
        let clock = Told(Arc::new(AtomicU64::new(1_790_000_000_000)));
        let mut life = Life { folder, engine: None, seed, opens: 0, clock, opening: VecDeque::new(), drawn: Drawn::default() };
        ProfileKeys::create(&mut life.disk(), &mut life.chance(seed << 32), &passphrase(), cost).expect("an empty folder");
        life.open_again();
        life
    }

    fn chance(&self, from: u64) -> Noted {
        Noted(Counted(from), self.drawn.clone())
    }

    pub(crate) fn drawn(&self) -> Drawn {
        self.drawn.clone()
    }

    fn disk(&self) -> OsDisk {
        OsDisk::new(&self.folder.path().join("p"))
    }

    fn keys(&self) -> ProfileKeys {
        ProfileKeys::unlock(&mut self.disk(), &passphrase()).expect("the passphrase")
    }

    /// Another process: it begins another segment.
    pub(crate) fn open_again(&mut self) {
        self.engine = None;
        self.opens += 1;
        let (disk, entropy) = (Box::new(self.disk()), Box::new(self.chance(self.seed << 32 | self.opens)));
        let remembered = Remembered { durable: None, count: u64::MAX };
        self.engine = Some(Engine::open(disk, Box::new(self.clock.clone()), entropy, self.keys(), remembered).expect("a profile").0);
    }

    /// Nothing happens for so long.
    pub(crate) fn wait(&mut self, ms: u64) {
        self.clock.0.fetch_add(ms, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> Stamp {
        self.clock.now()
    }

    pub(crate) fn state(&self) -> &State {
        self.engine.as_ref().expect("an open profile").state()
    }

    /// The newest record.
    pub(crate) fn durable(&self) -> Seq {
        self.engine.as_ref().expect("an open profile").durable().seq
    }

    /// One block of these.
    pub(crate) fn turn(&mut self, inputs: impl IntoIterator<Item = Input>) {
        let engine = self.engine.as_mut().expect("an open profile");
        inputs.into_iter().for_each(|input| engine.push(input));
        let turn = engine.turn().expect("room");
        let opens = |effect: &Effect| matches!(effect, Effect::Vault(VaultOp::OpenEnvelope { .. }));
        self.opening.extend(turn.effects.iter().filter(|(_, effect)| opens(effect)).map(|(id, _)| *id));
    }

    /// The vault opened the oldest envelope that it is at.
    pub(crate) fn resolve_opening(&mut self, outcome: Outcome) {
        let effect = self.opening.pop_front().expect("an envelope");
        self.turn([Input::Resolved(effect, outcome, 1)]);
    }

    pub(crate) fn snapshot(&mut self) {
        self.engine.as_mut().expect("an open profile").snapshot().expect("room");
    }

    /// All that there is retires: snapshots hold it, and its segments are older than any is kept.
    pub(crate) fn retire(&mut self) {
        for number in 0..3 {
            self.snapshot();
            self.open_again();
            self.wait(Duration::days(31).0);
            self.turn([asked(1_000 + number)]);
        }
    }

    /// The profile in another folder, as a backup brings it: its journal begins with what it had come to. Its ids are of this seed.
    pub(crate) fn restore(&mut self, seed: u64) {
        let cut = self.engine.as_ref().expect("an open profile").cut();
        self.folder = tempfile::tempdir().expect("room");
        private_folders().create(self.folder.path().join("p")).expect("room");
        let cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
        self.seed = seed;
        let mut chance = self.chance(seed << 32);
        let mut keys = ProfileKeys::make_all(&mut chance, &passphrase(), cost).expect("keys");
        begin_restored::<ClientRules>(&mut self.disk(), &mut keys, &mut chance, &cut, self.now()).expect("room");
        keys.write_new(&mut self.disk()).expect("an empty folder");
        self.open_again();
    }

    /// The snapshot that the journal begins with is gone.
    pub(crate) fn lose_beginning(&mut self) {
        let oldest = self.disk().list("snapshots").expect("a folder").into_iter().min().expect("a snapshot");
        self.disk().remove(&format!("snapshots/{oldest}")).expect("a file");
    }

    pub(crate) fn close(mut self) -> (tempfile::TempDir, OsDisk, ProfileKeys) {
        self.engine = None;
        let (disk, keys) = (self.disk(), self.keys());
        (self.folder, disk, keys)
    }
}

/// The first thing that is asked for.
pub(crate) fn relay() -> Input {
    let relay = RelayAddress::parse("loopback:x").expect("an address");
    Input::Intent(IntentId([0; 16]), Intent::Register { relay, key: None, token: None })
}

/// Something else.
pub(crate) fn asked(number: u64) -> Input {
    let name = Name::parse(&format!("p{number}")).expect("a name");
    Input::Intent(IntentId(u128::from(number).to_be_bytes()), Intent::AddContact { name })
}
