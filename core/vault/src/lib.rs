//! The vault: identity, MLS groups, bodies, and the ledger that makes every op exactly-once. One SQLCipher database.
//!
//! ```text
//!   run(calls)   BEGIN ─ for each: ledger row? its reply : SAVEPOINT, op, ledger row ─ tally ─ COMMIT ─ replies
//! ```
//!
//! No reply leaves before COMMIT. A refused op rolls its savepoint back and is remembered as refused; a broken disk rolls
//! everything back, and every op may be asked for again. Nothing of a group outlives the op in memory.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod account;
mod admit;
mod archive;
mod capability;
mod contact;
mod conversation;
mod envelope;
mod epochs;
mod group;
mod ledger;
mod mls;
mod reader;
mod reading;
mod request;
mod rows;
mod schema;
mod seal;
mod sealing;
mod stamp;
mod tidy;

#[cfg(test)]
mod tests;

pub use account::{NewAccount, Origin};
pub use archive::{Part, Restoring, holds};
pub use mls::provider::SharedEntropy;
pub use reader::{Direction, MessageRow, Reader};

use account::Account;
use mls::provider::{NoEntropy, Provider};
use rows::Filed;
use rusqlite::{Connection, params};
use schema::{Mode, Place, fault};
use sealing::Recipient;
use std::path::Path;
use thicket_journal_format::Key;
use thicket_types::error::Code;
use thicket_types::event::{Arrival, Lane, Outcome};
use thicket_types::ids::{BodyRef, EffectId, RelayKey, Seq};
use thicket_types::limits::BODY_LEN_MAX;
use thicket_types::ports::{Durable, Remembered, Vault, VaultCall};
use thicket_types::vault_op::VaultOp;

/// The vault over SQLCipher.
pub struct SqlVault {
    conn: Connection,
    entropy: SharedEntropy,
    account: Account,
    /// Set from a deletion until the write-ahead log is emptied.
    log_holds_deleted: bool,
}

/// Why an op did not come to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    /// An expected no: the savepoint is rolled back, and the refusal is the reply.
    Refused(Code),
    /// The world is broken: the transaction is rolled back, and there is no reply.
    Broken(Code),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Stop {
        Stop::Broken(fault(error))
    }
}

impl From<NoEntropy> for Stop {
    fn from(_: NoEntropy) -> Stop {
        Stop::Broken(Code::Inconsistent)
    }
}

/// What must not be: asking again would bring the same.
pub(crate) const BROKEN: Stop = Stop::Broken(Code::Inconsistent);

/// What an op works with: the open transaction, and the account.
pub(crate) struct Scope<'c> {
    pub(crate) conn: &'c Connection,
    pub(crate) entropy: &'c SharedEntropy,
    pub(crate) account: &'c Account,
}

impl Scope<'_> {
    /// A provider for one op's MLS work.
    pub(crate) fn provider(&self) -> Provider<'_> {
        Provider::new(self.conn, self.entropy.clone())
    }

    /// Fresh random bytes.
    pub(crate) fn random<const N: usize>(&self) -> Result<[u8; N], Stop> {
        random(self.entropy).map_err(Stop::Broken)
    }
}

pub(crate) fn random<const N: usize>(entropy: &SharedEntropy) -> Result<[u8; N], Code> {
    let mut bytes = [0_u8; N];
    entropy.lock().map_err(|_| Code::Inconsistent)?.fill(&mut bytes);
    Ok(bytes)
}

impl SqlVault {
    /// Makes a vault with a new identity. **Errors:** `ProfileExists`, the disk's.
    pub fn create(path: &Path, key: &Key, entropy: SharedEntropy, new: &NewAccount) -> Result<SqlVault, Code> {
        SqlVault::create_at(Place::file(path), key, entropy, new)
    }

    /// The same in another of SQLite's virtual file systems, by the name that it was registered under: for tests with a disk of
    /// their own.
    pub fn create_in(vfs: &str, path: &Path, key: &Key, entropy: SharedEntropy, new: &NewAccount) -> Result<SqlVault, Code> {
        SqlVault::create_at(Place { path, vfs: Some(vfs) }, key, entropy, new)
    }

    fn create_at(place: Place<'_>, key: &Key, entropy: SharedEntropy, new: &NewAccount) -> Result<SqlVault, Code> {
        let conn = schema::open(place, key, Mode::Create)?;
        conn.execute_batch("BEGIN IMMEDIATE").map_err(fault)?;
        let account = account::create(&conn, &entropy, new)?;
        conn.execute_batch("COMMIT").map_err(fault)?;
        Ok(SqlVault { conn, entropy, account, log_holds_deleted: false })
    }

    /// Opens a vault. **Errors:** `VaultDamaged` also for one that is not there and a key that does not fit, `ProfileNewer`, the
    /// disk's.
    pub fn open(path: &Path, key: &Key, entropy: SharedEntropy) -> Result<SqlVault, Code> {
        SqlVault::open_at(Place::file(path), key, entropy)
    }

    /// The same of one that [`SqlVault::create_in`] made.
    pub fn open_in(vfs: &str, path: &Path, key: &Key, entropy: SharedEntropy) -> Result<SqlVault, Code> {
        SqlVault::open_at(Place { path, vfs: Some(vfs) }, key, entropy)
    }

    fn open_at(place: Place<'_>, key: &Key, entropy: SharedEntropy) -> Result<SqlVault, Code> {
        let conn = schema::open(place, key, Mode::Write)?;
        let account = account::load(&conn)?;
        // The last process may have died between a deletion and emptying the log.
        Ok(SqlVault { conn, entropy, account, log_holds_deleted: true })
    }

    /// The account's name and certificate.
    pub fn own(&self) -> (&str, &thicket_openpgp::Certificate) {
        (self.account.certificate.name(), &self.account.certificate)
    }

    /// Moves what the write-ahead log holds into the database and empties it: called on close and after sweeps.
    /// A reader in the middle of a query holds it up; then the next transaction tries again.
    pub fn checkpoint(&mut self) -> Result<(), Code> {
        self.empty_log().map(|_| ())
    }

    fn call(&self, call: &VaultCall) -> Result<Outcome, Code> {
        let digest = ledger::op_digest(&call.op)?;
        if let Some((remembered, reply)) = ledger::find(&self.conn, call.effect)? {
            return Ok(if remembered == digest { reply } else { Outcome::Fault(Code::EffectMismatch) });
        }
        self.conn.execute_batch("SAVEPOINT op").map_err(fault)?;
        let scope = Scope { conn: &self.conn, entropy: &self.entropy, account: &self.account };
        let outcome = match op(&scope, call) {
            Ok(outcome) => outcome,
            Err(Stop::Refused(code)) => {
                self.conn.execute_batch("ROLLBACK TO op").map_err(fault)?;
                Outcome::Refused(code)
            }
            // Not the disk's doing: asking again would bring the same, so it is an outcome and no reason to stand still.
            Err(Stop::Broken(Code::Inconsistent)) => {
                self.conn.execute_batch("ROLLBACK TO op").map_err(fault)?;
                Outcome::Fault(Code::Inconsistent)
            }
            Err(Stop::Broken(code)) => return Err(code),
        };
        self.conn.execute_batch("RELEASE op").map_err(fault)?;
        ledger::keep(&self.conn, call.effect, digest, &outcome)?;
        Ok(outcome)
    }

    fn batch(&self, durable: Durable, calls: &[VaultCall]) -> Result<(Vec<Outcome>, u64), Code> {
        let mut outcomes = Vec::with_capacity(calls.len());
        for call in calls {
            outcomes.push(self.call(call)?);
        }
        let count = ledger::count(&self.conn, Some(durable))?;
        Ok((outcomes, count))
    }

    /// Runs work in a transaction: committed if it is `Ok`, rolled back if not.
    fn transaction<T>(&self, work: impl FnOnce(&Self) -> Result<T, Code>) -> Result<T, Code> {
        self.conn.execute_batch("BEGIN IMMEDIATE").map_err(fault)?;
        let done = work(self).and_then(|value| self.conn.execute_batch("COMMIT").map(|()| value).map_err(fault));
        if done.is_err() && !self.conn.is_autocommit() {
            // If even this fails the connection is of no use, and every later call says so.
            let _ = self.conn.execute_batch("ROLLBACK");
        }
        done
    }
}

fn op(scope: &Scope<'_>, call: &VaultCall) -> Result<Outcome, Stop> {
    match &call.op {
        VaultOp::Compose(ask) => request::compose(scope, ask),
        VaultOp::SignRegistration { challenge, token } => request::sign_registration(scope, challenge, token.as_ref()),
        VaultOp::SignLogin { challenge, takes_over } => request::sign_login(scope, challenge, *takes_over),
        VaultOp::MakeKeyPackages { count, last_resort, replaces, at } => {
            request::make_key_packages(scope, *count, *last_resort, *replaces, *at)
        }
        VaultOp::RotateMailboxKey { at } => request::rotate_mailbox_key(scope, *at),
        VaultOp::SetCapabilities { grant, renew, revoke } => capability::set(scope, grant, renew, revoke),
        VaultOp::Stamp { request: _, relay, bits, hour } => stamp::make(&call.frame, *relay, *bits, *hour),
        VaultOp::PinContact { name, answer: _, at: _ } => contact::pin(scope, name, &call.frame),
        VaultOp::Unpin { contact } => contact::unpin(scope, *contact),
        VaultOp::BeginConversation { contact, answer: _, at } => conversation::begin(scope, *contact, &call.frame, *at),
        VaultOp::BeginFromOffer { contact, at } => conversation::begin_from_offer(scope, *contact, *at),
        VaultOp::SealMessage { contact, mailbox, message, body, at } => {
            sealing::message(scope, Recipient { contact: *contact, mailbox: *mailbox }, *message, *body, *at)
        }
        VaultOp::SealAgain { contact, mailbox, message } => {
            sealing::again(scope, Recipient { contact: *contact, mailbox: *mailbox }, *message)
        }
        VaultOp::SealReceipt { contact, mailbox, messages, at } => {
            sealing::receipt(scope, Recipient { contact: *contact, mailbox: *mailbox }, messages, *at)
        }
        VaultOp::UpdateKeys { contact, mailbox, at } => sealing::key_update(scope, Recipient { contact: *contact, mailbox: *mailbox }, *at),
        VaultOp::SealOffer { contact, mailbox, anew, at } => {
            sealing::offer(scope, Recipient { contact: *contact, mailbox: *mailbox }, *anew, *at)
        }
        VaultOp::MarkRead { contact, message, tell, at } => sealing::read_mark(scope, *contact, *message, *tell, *at),
        VaultOp::Published { what, at } => request::published(scope, *what, *at),
        VaultOp::ShowRead { on } => rows::show_read(scope, *on),
        VaultOp::GiveUpGroups => conversation::give_up(scope.conn).map(|()| Outcome::Done).map_err(Stop::Broken),
        VaultOp::OpenEnvelope { envelope: _, at, last } => reading::open(scope, &call.frame, *at, *last),
        VaultOp::File { message, contact, body, at, state, cause } => {
            let filed = Filed { message: *message, contact: *contact, body: *body, at: *at, state: *state, cause: *cause };
            rows::file(scope, &filed)
        }
        VaultOp::Forget { contact } => rows::forget(scope, *contact),
        VaultOp::ForgetMessage { contact, message, sent } => rows::forget_message(scope, *contact, *message, *sent),
        VaultOp::Tidy { at } => tidy::tidy(scope, *at),
        VaultOp::CreateGroup { group, title, public } => group::make(scope, *group, title, *public),
        VaultOp::LogCreated { group, answer: _ } => group::created(scope, *group, &call.frame),
        VaultOp::KeepKeyPackage { group, contact, answer: _, at } => group::keep_key_package(scope, *group, *contact, &call.frame, *at),
        VaultOp::Commit { group, adds } => group::commit(scope, *group, adds),
        VaultOp::SealPost { group, message, body, at } => group::seal(scope, *group, *message, *body, *at),
        VaultOp::FollowLog { group, answer: _, at } => group::follow(scope, *group, &call.frame, *at),
        VaultOp::SealWelcome { group, contact, mailbox } => {
            group::seal_welcome(scope, *group, Recipient { contact: *contact, mailbox: *mailbox })
        }
        VaultOp::Join { envelope: _, contact, at } => group::join(scope, *contact, &call.frame, *at),
    }
}

/// Whether an op leaves in the log's older pages what is to be in none of the files.
fn deletes(op: &VaultOp) -> bool {
    matches!(op, VaultOp::Forget { .. } | VaultOp::ForgetMessage { .. } | VaultOp::Tidy { .. })
}

/// Whether an op changes which mailbox keys there are.
fn changes_keys(op: &VaultOp) -> bool {
    matches!(op, VaultOp::RotateMailboxKey { .. } | VaultOp::Tidy { .. })
}

impl Vault for SqlVault {
    fn run(&mut self, durable: Durable, calls: &[VaultCall]) -> Result<(Vec<Outcome>, u64), Code> {
        let done = self.transaction(|vault| vault.batch(durable, calls))?;
        // Deleted means: in none of the files. What was deleted still stands in older pages of the log until it is emptied.
        self.log_holds_deleted |= calls.iter().any(|call| deletes(&call.op));
        if calls.iter().any(|call| changes_keys(&call.op)) {
            self.account.mailbox_keys = account::mailbox_keys(&self.conn)?;
        }
        if self.log_holds_deleted {
            self.checkpoint()?;
        }
        Ok(done)
    }

    fn stage(&mut self, body: &[u8]) -> Result<BodyRef, Code> {
        if body.is_empty() {
            return Err(Code::EmptyMessage);
        }
        if body.len() > BODY_LEN_MAX {
            return Err(Code::MessageTooLong);
        }
        let reference = BodyRef(random(&self.entropy)?);
        self.transaction(|vault| {
            let mut put = vault.conn.prepare_cached("INSERT INTO body (ref, bytes) VALUES (?1, ?2)").map_err(fault)?;
            put.execute(params![reference.0, body]).map_err(fault)?;
            ledger::count(&vault.conn, None).map(|_| reference)
        })
    }

    fn unstage(&mut self, body: BodyRef) -> Result<(), Code> {
        self.transaction(|vault| {
            let mut drop = vault
                .conn
                .prepare_cached("DELETE FROM body WHERE ref = ?1 AND ref NOT IN (SELECT body FROM message WHERE body IS NOT NULL)")
                .map_err(fault)?;
            drop.execute([body.0]).map(|_| ()).map_err(fault)
        })?;
        self.log_holds_deleted = true;
        self.checkpoint()
    }

    fn sweep(&mut self, named: &[BodyRef]) -> Result<u64, Code> {
        let swept = self.transaction(|vault| {
            let mut find = vault
                .conn
                .prepare_cached("SELECT ref FROM body WHERE ref NOT IN (SELECT body FROM message WHERE body IS NOT NULL)")
                .map_err(fault)?;
            let loose: Vec<[u8; 16]> = find.query_map([], |row| row.get(0)).and_then(Iterator::collect).map_err(fault)?;
            let mut drop = vault.conn.prepare_cached("DELETE FROM body WHERE ref = ?1").map_err(fault)?;
            let mut swept = 0;
            for reference in loose.iter().filter(|reference| !named.contains(&BodyRef(**reference))) {
                drop.execute([reference]).map_err(fault)?;
                swept += 1;
            }
            Ok(swept)
        })?;
        if swept > 0 {
            self.log_holds_deleted = true;
            self.checkpoint()?;
        }
        Ok(swept)
    }

    fn prune(&mut self, covered: Seq, open: &[EffectId]) -> Result<u64, Code> {
        self.transaction(|vault| ledger::prune(&vault.conn, covered, open))
    }

    fn empty_log(&mut self) -> Result<bool, Code> {
        let busy: bool = self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).map_err(fault)?;
        self.log_holds_deleted &= busy;
        Ok(!busy)
    }

    fn rejoin(&mut self, durable: Durable, count: u64) -> Result<(), Code> {
        self.transaction(|vault| {
            conversation::give_up(&vault.conn)?;
            rows::fail_under_way(&vault.conn)?;
            ledger::rejoin(&vault.conn, durable, count)
        })
    }

    fn remembered(&mut self) -> Result<Remembered, Code> {
        ledger::remembered(&self.conn)
    }

    fn admit(&mut self, frame: &[u8], lane: Lane, relay: Option<RelayKey>) -> Result<Option<Arrival>, Code> {
        Ok(admit::admit(&self.account, frame, lane, relay))
    }
}
