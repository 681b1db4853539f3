//! The journal: the engine whole, under rules that do nothing, on the disk that ships. Its writer is private, and this is the way that
//! every record goes: input, fold, encode, seal, chain, append, sync.

use super::{Batch, Measured, NOW};
use std::collections::BTreeSet;
use std::path::Path;
use thicket_bench::rounds::Chance;
use thicket_engine::{Engine, OsDisk, ProfileKeys, private_folders};
use thicket_journal_format::keys::Cost;
use thicket_types::effect::Effect;
use thicket_types::event::{Arrival, Event, TimerId};
use thicket_types::ids::{EffectId, RelayKey, RulesVersion, Seq};
use thicket_types::ports::{Admission, Clock, Entropy, Place, Reducer, Remembered};
use thicket_types::secret::Secret;
use thicket_types::time::{Deadline, Stamp};

pub(crate) const NAME: &str = "thicket";

/// Rules that only count.
struct Counting;

impl Reducer for Counting {
    type State = u64;
    const RULES: RulesVersion = RulesVersion(1);

    fn fresh() -> u64 {
        0
    }

    fn reduce(_rules: RulesVersion, state: &mut u64, _place: Place, _event: &Event) -> Vec<Effect> {
        *state += 1;
        Vec::new()
    }

    fn outstanding(_state: &u64) -> Vec<(EffectId, Effect)> {
        Vec::new()
    }

    fn timers(_state: &u64) -> Vec<(TimerId, Deadline)> {
        Vec::new()
    }

    fn relay(_state: &u64) -> Option<RelayKey> {
        None
    }

    fn admit(_state: &u64, _now: Stamp, arrival: Arrival) -> Admission {
        Admission::Taken(arrival)
    }

    fn named(_state: &u64) -> BTreeSet<Seq> {
        BTreeSet::new()
    }

    fn vault_count(_state: &u64) -> u64 {
        0
    }
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Stamp {
        NOW
    }
}

/// Repeats itself in each run: nothing here is a secret.
struct Repeated(Chance);

impl Entropy for Repeated {
    fn fill(&mut self, out: &mut [u8]) {
        let bytes = self.0.bytes_of(out.len());
        out.copy_from_slice(&bytes);
    }
}

pub(crate) struct Ours(Engine<Counting>);

impl Ours {
    pub(crate) fn new(folder: &Path) -> Ours {
        let folder = folder.join("profile");
        private_folders().create(&folder).expect("a new folder");
        let (mut disk, mut entropy) = (OsDisk::new(&folder), Repeated(Chance(3)));
        let cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
        let keys = ProfileKeys::create(&mut disk, &mut entropy, &Secret::new(Vec::new()), cost).expect("an empty folder");
        let remembered = Remembered { durable: None, count: 0 };
        Ours(Engine::open(Box::new(disk), Box::new(Still), Box::new(entropy), keys, remembered).expect("a profile").0)
    }
}

impl Measured for Ours {
    fn name(&self) -> &'static str {
        NAME
    }

    fn append(&mut self, batch: &mut Batch) {
        std::mem::take(&mut batch.inputs).into_iter().for_each(|input| self.0.push(input));
        let turn = self.0.turn().expect("a disk");
        assert_eq!(turn.records, batch.records.len(), "one block");
    }
}
