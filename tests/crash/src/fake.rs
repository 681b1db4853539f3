//! The simulation's transparent vault, whose transactions stand in the disk's log: each is one operation, whole and durable.

use crate::life::{Kind, Line};
use crate::log::{Log, Row};
use crate::platter::Operation;
use std::sync::{Arc, Mutex, PoisonError};
use thicket_client::SharedEntropyHandle;
use thicket_engine::{Fault, ProfileKeys};
use thicket_sim::vault::{Data, TransparentVault, TransparentVerify, VaultDisk, fingerprint};
use thicket_types::error::Code;
use thicket_types::event::{Arrival, Lane, Outcome};
use thicket_types::ids::{BodyRef, EffectId, Fingerprint, RelayKey, Seq};
use thicket_types::ports::{Durable, Remembered, Vault, VaultCall, Verify};
use thicket_types::time::Stamp;

/// What a vault was after so many operations of its disk, in order.
type Were = Arc<Mutex<Vec<(u64, Data)>>>;

/// A transparent vault and what it was after each of its transactions, if that is kept.
#[derive(Clone)]
pub struct Fake {
    name: &'static str,
    disk: VaultDisk,
    were: Option<Were>,
}

/// A process's handle to it.
pub struct Logged {
    vault: TransparentVault,
    fake: Fake,
    log: Log,
}

impl Kind for Fake {
    type Vault = Logged;
    const WORD: &'static str = "fake";

    fn verify() -> Box<dyn Verify + Send> {
        Box::new(TransparentVerify)
    }

    fn make(
        name: &'static str,
        _: &Log,
        _: &ProfileKeys,
        _: SharedEntropyHandle,
        _: Stamp,
        keep: bool,
    ) -> Result<(Fake, Fingerprint), Fault> {
        let disk = VaultDisk::new(name);
        let were = keep.then(|| Arc::new(Mutex::new(vec![(0, disk.data())])));
        Ok((Fake { name, disk, were }, fingerprint(name)))
    }

    fn open(&self, log: &Log, _: &ProfileKeys, _: SharedEntropyHandle) -> Result<Logged, Fault> {
        Ok(Logged { vault: TransparentVault(self.disk.clone()), fake: self.clone(), log: log.clone() })
    }

    fn as_of(&self, operations: u64, _: &Log) -> Fake {
        let disk = VaultDisk::new(self.name);
        if let Some(were) = &self.were {
            let were = were.lock().unwrap_or_else(PoisonError::into_inner);
            let known = were.partition_point(|(since, _)| *since <= operations);
            if let Some((_, data)) = known.checked_sub(1).and_then(|last| were.get(last)) {
                disk.restore(data.clone());
            }
        }
        Fake { name: self.name, disk, were: None }
    }

    fn lines(&self, _: &Log, _: &ProfileKeys) -> Result<Vec<Line>, Fault> {
        let line = |row: thicket_sim::vault::Row| Line { sent: row.outgoing, state: row.state, text: row.text, cause: row.cause };
        Ok(self.disk.data().rows.into_iter().map(line).collect())
    }
}

impl Logged {
    /// A transaction: it is done, then it is in the log. A process that dies before it does none of it.
    fn transact<T>(&mut self, work: impl FnOnce(&mut TransparentVault) -> Result<T, Code>) -> Result<T, Code> {
        self.log.mark(Row::Transaction);
        self.log.lives()?;
        let done = work(&mut self.vault)?;
        if let Some(were) = &self.fake.were {
            were.lock().unwrap_or_else(PoisonError::into_inner).push((self.log.operations() + 1, self.fake.disk.data()));
        }
        self.log.perform(Operation::Commit)?;
        Ok(done)
    }

    fn look<T>(&mut self, work: impl FnOnce(&mut TransparentVault) -> Result<T, Code>) -> Result<T, Code> {
        if self.log.is_dead() { Err(Code::DiskFailed) } else { work(&mut self.vault) }
    }
}

impl Vault for Logged {
    fn run(&mut self, durable: Durable, calls: &[VaultCall]) -> Result<(Vec<Outcome>, u64), Code> {
        self.transact(|vault| vault.run(durable, calls))
    }

    fn stage(&mut self, body: &[u8]) -> Result<BodyRef, Code> {
        self.transact(|vault| vault.stage(body))
    }

    fn unstage(&mut self, body: BodyRef) -> Result<(), Code> {
        self.transact(|vault| vault.unstage(body))
    }

    fn sweep(&mut self, named: &[BodyRef]) -> Result<u64, Code> {
        self.transact(|vault| vault.sweep(named))
    }

    fn prune(&mut self, covered: Seq, open: &[EffectId]) -> Result<u64, Code> {
        self.transact(|vault| vault.prune(covered, open))
    }

    fn rejoin(&mut self, durable: Durable, count: u64) -> Result<(), Code> {
        self.transact(|vault| vault.rejoin(durable, count))
    }

    fn remembered(&mut self) -> Result<Remembered, Code> {
        self.look(TransparentVault::remembered)
    }

    fn admit(&mut self, frame: &[u8], lane: Lane, relay: Option<RelayKey>) -> Result<Option<Arrival>, Code> {
        self.look(|vault| vault.admit(frame, lane, relay))
    }
}
