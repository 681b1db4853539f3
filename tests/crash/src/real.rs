//! The vault that ships, SQLCipher and all, over a file system that is the disk's log.

use crate::life::{Kind, Line};
use crate::log::{Log, Row};
use crate::vfs::{self, Mounted};
use std::path::Path;
use thicket_client::{Direction, Origin, Reader, SharedEntropyHandle};
use thicket_engine::{Fault, ProfileKeys};
use thicket_openpgp::Verifier;
use thicket_types::error::Code;
use thicket_types::event::{Arrival, Lane, Outcome};
use thicket_types::ids::{BodyRef, EffectId, Fingerprint, RelayKey, Seq};
use thicket_types::name::Name;
use thicket_types::ports::{Durable, Remembered, Vault, VaultCall, Verify};
use thicket_types::time::Stamp;
use thicket_vault::{NewAccount, SqlVault};

const FILE: &str = "vault.db";

/// A vault that is files on the disk, and nothing else.
#[derive(Clone)]
pub struct Real;

/// A process's handle to it.
pub struct Logged {
    // Closed first: closing it writes.
    vault: SqlVault,
    _mounted: Mounted,
    log: Log,
}

impl Kind for Real {
    type Vault = Logged;
    const WORD: &'static str = "real";

    fn verify() -> Box<dyn Verify + Send> {
        Box::new(Verifier)
    }

    fn make(
        name: &'static str,
        log: &Log,
        keys: &ProfileKeys,
        entropy: SharedEntropyHandle,
        at: Stamp,
        _: bool,
    ) -> Result<(Real, Fingerprint), Fault> {
        let mounted = Mounted::new(log);
        let origin = Origin::New(Name::parse(name).map_err(|_| Code::MalformedName)?);
        let path = mounted.path(FILE);
        let mut vault = SqlVault::create_in(&vfs::name(), Path::new(&path), &keys.vault_key()?, entropy.0, &NewAccount { origin, at })?;
        let own = vault.own().1.fingerprint();
        vault.checkpoint()?;
        drop(vault);
        Ok((Real, own))
    }

    fn open(&self, log: &Log, keys: &ProfileKeys, entropy: SharedEntropyHandle) -> Result<Logged, Fault> {
        let mounted = Mounted::new(log);
        let path = mounted.path(FILE);
        let vault = SqlVault::open_in(&vfs::name(), Path::new(&path), &keys.vault_key()?, entropy.0)?;
        Ok(Logged { vault, _mounted: mounted, log: log.clone() })
    }

    fn as_of(&self, _: u64, _: &Log) -> Real {
        Real
    }

    fn lines(&self, log: &Log, keys: &ProfileKeys) -> Result<Vec<Line>, Fault> {
        let mounted = Mounted::new(log);
        let path = mounted.path(FILE);
        let reader = Reader::open_in(&vfs::name(), Path::new(&path), &keys.vault_key()?)?;
        let rows = reader.messages(None, 0, u32::MAX)?;
        let line = |row: thicket_client::MessageRow| Line {
            sent: row.direction == Direction::Sent,
            state: row.state,
            text: row.text,
            cause: row.cause,
        };
        Ok(rows.into_iter().map(line).collect())
    }
}

impl Vault for Logged {
    fn run(&mut self, durable: Durable, calls: &[VaultCall]) -> Result<(Vec<Outcome>, u64), Code> {
        let before = self.log.operations();
        let done = self.vault.run(durable, calls);
        let after = self.log.operations();
        if !self.log.is_dead() {
            // Its first write, the one in its middle, and the last before its end.
            for within in [before + 1, (before + after) / 2, after.saturating_sub(1)] {
                self.log.mark_at(within, Row::Transaction);
            }
        }
        done
    }

    fn stage(&mut self, body: &[u8]) -> Result<BodyRef, Code> {
        self.vault.stage(body)
    }

    fn unstage(&mut self, body: BodyRef) -> Result<(), Code> {
        self.vault.unstage(body)
    }

    fn sweep(&mut self, named: &[BodyRef]) -> Result<u64, Code> {
        self.vault.sweep(named)
    }

    fn prune(&mut self, covered: Seq, open: &[EffectId]) -> Result<u64, Code> {
        self.vault.prune(covered, open)
    }

    fn empty_log(&mut self) -> Result<bool, Code> {
        self.vault.empty_log()
    }

    fn rejoin(&mut self, durable: Durable, count: u64) -> Result<(), Code> {
        self.vault.rejoin(durable, count)
    }

    fn remembered(&mut self) -> Result<Remembered, Code> {
        self.vault.remembered()
    }

    fn admit(&mut self, frame: &[u8], lane: Lane, relay: Option<RelayKey>) -> Result<Option<Arrival>, Code> {
        self.vault.admit(frame, lane, relay)
    }
}
