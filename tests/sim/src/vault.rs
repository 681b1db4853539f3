//! A transparent vault: the port's promises (exactly once, refusals remembered, all or nothing) without cryptography.
//!
//! ```text
//!   identity   certificates that are names, signatures that anybody could make
//!   requests   requests to the relay, and the work that it asks for
//!   groups     conversations: groups with epochs, commits, offers
//!   read       envelopes that came
//!   rows       messages: sealed, sealed again, marked, filed, forgotten
//! ```
//!
//! Groups count epochs and generations as MLS does, so that a repeat is known and a secret that is not shared is seen; key
//! packages are used up; an envelope says in clear whom it is for. It stands here and not in core/vault, so that no shipped
//! program can contain it.

mod groups;
mod identity;
mod read;
mod requests;
mod rows;

pub use groups::Sending;
pub use identity::{TransparentVerify, fingerprint};
pub use rows::Row;

use groups::{Envelope, Group, Offered};
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use thicket_journal_format::{codec, digest};
use thicket_types::bytes::Bytes;
use thicket_types::error::Code;
use thicket_types::event::{Arrival, Arrived, Lane, Outcome};
use thicket_types::ids::{BodyRef, Digest, EffectId, Fingerprint, FrameId, MessageId, RelayKey, Seq};
use thicket_types::ports::{Durable, Remembered, Vault, VaultCall};
use thicket_types::time::Stamp;
use thicket_types::vault_op::VaultOp;
use thicket_types::wire::relay as wire;

/// What a vault keeps.
#[derive(Clone, Default)]
pub struct Data {
    name: String,
    ledger: BTreeMap<EffectId, (Digest, Outcome)>,
    count: u64,
    durable: Option<Durable>,
    bodies: BTreeMap<BodyRef, String>,
    /// Key packages whose private half is here, and whether each is a last-resort one: that is not used up.
    packages: BTreeMap<u64, bool>,
    /// Those of them that another copy of the profile has too.
    shared: BTreeSet<u64>,
    contacts: BTreeMap<Fingerprint, Contact>,
    /// Whether another copy may have groups that are not here.
    elsewhere: bool,
    groups: BTreeMap<u64, Group>,
    /// Groups whose Welcome was processed.
    welcomes: BTreeSet<u64>,
    offers: BTreeMap<Fingerprint, Offered>,
    /// Keys that mail is sealed to, oldest first, and when each was replaced: the last one never was.
    mailbox_keys: Vec<([u8; 32], Option<Stamp>)>,
    /// When the newest was made, until it is published.
    key_made: Option<Stamp>,
    /// Device generations that were given, oldest first.
    generations: Vec<[u8; 16]>,
    /// The relay and the challenge that the last registration or login answered.
    session: Option<(RelayKey, [u8; 32])>,
    /// Of the last request that the session does once.
    number: u64,
    marks: BTreeMap<Fingerprint, MessageId>,
    show_read: bool,
    /// Rows, oldest first: incoming and outgoing messages.
    pub rows: Vec<Row>,
    /// Drawn from for ids and nonces: grows, and is rolled back with the rest.
    drawn: u64,
    /// Drawn from too: what a restored copy draws is not what the lost one drew.
    restored: u64,
}

/// A contact, as the vault knows them.
#[derive(Clone, Default)]
struct Contact {
    name: String,
    /// What mail to them is sealed to, once they were looked up.
    mailbox_key: Option<[u8; 32]>,
    /// The write capability that we gave them, and the one before: it is good until the next.
    granted: Option<([u8; 32], Option<[u8; 32]>)>,
    /// The one that they gave us.
    shown: Option<[u8; 32]>,
    /// Whether they were told that the groups of another copy are dead.
    told: bool,
    /// Time of our last offer or beginning.
    begun: u64,
    /// Their groups that were begun before are dead to them.
    dead_until: u64,
}

/// The database: shared by the handles of one process after another.
#[derive(Clone, Default)]
pub struct VaultDisk(Arc<Mutex<Cell>>);

#[derive(Default)]
struct Cell {
    data: Data,
    /// Transactions until one dies before its commit.
    die_before_commit: Option<u64>,
    died: bool,
    restored: u64,
}

impl VaultDisk {
    /// An empty database for a person.
    pub fn new(name: &str) -> VaultDisk {
        let disk = VaultDisk::default();
        {
            let data = &mut disk.cell().data;
            data.name = name.to_owned();
            data.renew_mailbox_key();
        }
        disk
    }

    fn cell(&self) -> MutexGuard<'_, Cell> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is committed.
    pub fn data(&self) -> Data {
        self.cell().data.clone()
    }

    /// Puts a database back as it was: a restored backup.
    pub fn restore(&self, data: Data) {
        let mut cell = self.cell();
        cell.restored += 1;
        cell.data = Data { restored: cell.restored, ..data };
    }

    /// Has the n-th transaction with ops from now (0: the next) die before its commit.
    pub fn die_before_commit(&self, from_now: u64) {
        let mut cell = self.cell();
        cell.die_before_commit = Some(from_now);
        cell.died = false;
    }

    /// Whether it died there.
    pub fn died(&self) -> bool {
        self.cell().died
    }

    /// Whether it died, once: the caller ends the process.
    pub fn take_death(&self) -> bool {
        std::mem::take(&mut self.cell().died)
    }

    /// A new process takes the database over.
    pub fn take_over(&self) {
        self.cell().die_before_commit = None;
    }

    /// Rows in the ledger.
    pub fn ledger_len(&self) -> usize {
        self.cell().data.ledger.len()
    }
}

/// A process's handle to a transparent vault.
pub struct TransparentVault(pub VaultDisk);

impl Data {
    fn own(&self) -> Fingerprint {
        fingerprint(&self.name)
    }

    fn draw(&mut self) -> u64 {
        let bytes: [u8; 8] = self.draw_bytes();
        u64::from_be_bytes(bytes)
    }

    fn draw_bytes<const N: usize>(&mut self) -> [u8; N] {
        self.drawn += 1;
        let mixed = digest(&[self.name.as_bytes(), &self.drawn.to_be_bytes(), &self.count.to_be_bytes(), &self.restored.to_be_bytes()]);
        let mut bytes = [0; N];
        bytes.iter_mut().zip(mixed.0).for_each(|(to, from)| *to = from);
        bytes
    }

    fn op(&mut self, call: &VaultCall) -> Result<Outcome, Code> {
        match &call.op {
            VaultOp::Compose(ask) => self.compose(ask),
            VaultOp::SignRegistration { challenge, token } => self.sign_registration(challenge, token.as_ref()),
            VaultOp::SignLogin { challenge, takes_over } => self.sign_login(challenge, *takes_over),
            VaultOp::MakeKeyPackages { count, last_resort, replaces, at: _ } => self.make_key_packages(*count, *last_resort, *replaces),
            VaultOp::PinContact { name, answer: _, at: _ } => self.pin(name, &call.frame),
            VaultOp::BeginConversation { contact, answer: _, at } => self.begin(*contact, &call.frame, *at),
            VaultOp::SealMessage { contact, mailbox, message, body, at } => self.seal_message(*contact, *mailbox, *message, *body, *at),
            VaultOp::SealReceipt { contact, mailbox, messages, at } => self.seal_receipt(*contact, *mailbox, messages, *at),
            VaultOp::OpenEnvelope { envelope: _, at, last } => self.open(&call.frame, *at, *last).map(Outcome::Opened),
            VaultOp::File { message, contact, body, at, state, cause: _ } => Ok(self.file(*message, *contact, *body, *at, *state)),
            VaultOp::Forget { contact } => Ok(self.forget(*contact)),
            // Names and identities are one here: no pin is ever contradicted.
            VaultOp::Unpin { contact: _ } => Ok(Outcome::Done),
            VaultOp::UpdateKeys { contact, mailbox, at } => self.update_keys(*contact, *mailbox, *at),
            VaultOp::MarkRead { contact, message, tell, at } => self.mark_read(*contact, *message, *tell, *at),
            VaultOp::SealAgain { contact, mailbox, message } => self.seal_again(*contact, *mailbox, *message),
            VaultOp::SealOffer { contact, mailbox, anew, at } => self.seal_offer(*contact, *mailbox, *anew, *at),
            VaultOp::BeginFromOffer { contact, at } => self.begin_from_offer(*contact, *at),
            VaultOp::ForgetMessage { contact, message, sent } => Ok(self.forget_message(*contact, *message, *sent)),
            VaultOp::Tidy { at } => Ok(self.tidy(*at)),
            VaultOp::RotateMailboxKey { at } => self.rotate_mailbox_key(*at),
            VaultOp::SetCapabilities { grant, renew, revoke } => self.set_capabilities(grant, renew, revoke),
            VaultOp::Stamp { request: _, relay, bits, hour } => requests::stamp(&call.frame, *relay, *bits, *hour),
            VaultOp::Published { what, at } => Ok(self.published(*what, *at)),
            VaultOp::ShowRead { on } => Ok(self.show_read(*on)),
            VaultOp::GiveUpGroups => Ok(self.give_up_groups()),
            // It has no groups with a log, and says what a vault says that is in none.
            VaultOp::CreateGroup { .. }
            | VaultOp::LogCreated { .. }
            | VaultOp::KeepKeyPackage { .. }
            | VaultOp::Commit { .. }
            | VaultOp::SealPost { .. }
            | VaultOp::FollowLog { .. }
            | VaultOp::SealWelcome { .. }
            | VaultOp::Join { .. } => Err(Code::UnknownGroup),
        }
    }
}

impl Vault for TransparentVault {
    fn run(&mut self, durable: Durable, calls: &[VaultCall]) -> Result<(Vec<Outcome>, u64), Code> {
        let mut cell = self.0.cell();
        let mut data = cell.data.clone();
        let mut outcomes = Vec::new();
        for call in calls {
            let bytes = codec::encode(&call.op).map_err(|_| Code::Inconsistent)?;
            let op = digest(&[&bytes]);
            let outcome = match data.ledger.get(&call.effect) {
                Some((known, reply)) if *known == op => reply.clone(),
                Some(_) => Outcome::Fault(Code::EffectMismatch),
                None => {
                    let before = data.clone();
                    let outcome = data.op(call).unwrap_or_else(|code| {
                        data = before;
                        Outcome::Refused(code)
                    });
                    data.ledger.insert(call.effect, (op, outcome.clone()));
                    outcome
                }
            };
            outcomes.push(outcome);
        }
        data.count += 1;
        data.durable = Some(durable);
        match cell.die_before_commit {
            Some(0) => {
                cell.die_before_commit = None;
                cell.died = true;
                return Err(Code::ProfileClosed);
            }
            Some(more) => cell.die_before_commit = Some(more - 1),
            None => {}
        }
        let count = data.count;
        cell.data = data;
        Ok((outcomes, count))
    }

    fn stage(&mut self, body: &[u8]) -> Result<BodyRef, Code> {
        let mut cell = self.0.cell();
        let text = String::from_utf8(body.to_vec()).map_err(|_| Code::EmptyMessage)?;
        let reference = BodyRef(cell.data.draw_bytes());
        cell.data.bodies.insert(reference, text);
        cell.data.count += 1;
        Ok(reference)
    }

    fn unstage(&mut self, body: BodyRef) -> Result<(), Code> {
        self.0.cell().data.bodies.remove(&body);
        Ok(())
    }

    fn sweep(&mut self, named: &[BodyRef]) -> Result<u64, Code> {
        let mut cell = self.0.cell();
        let before = cell.data.bodies.len();
        // Rows hold their text themselves: a body is needed only until its message is sealed.
        cell.data.bodies.retain(|body, _| named.contains(body));
        Ok(u64::try_from(before - cell.data.bodies.len()).unwrap_or(u64::MAX))
    }

    fn prune(&mut self, covered: Seq, open: &[EffectId]) -> Result<u64, Code> {
        let mut cell = self.0.cell();
        let before = cell.data.ledger.len();
        cell.data.ledger.retain(|effect, _| effect.seq > covered || open.contains(effect));
        cell.data.count += 1;
        Ok(u64::try_from(before - cell.data.ledger.len()).unwrap_or(u64::MAX))
    }

    fn rejoin(&mut self, durable: Durable, count: u64) -> Result<(), Code> {
        let mut cell = self.0.cell();
        cell.data.give_up_groups();
        cell.data.count = cell.data.count.max(count) + 1;
        cell.data.durable = Some(durable);
        Ok(())
    }

    fn remembered(&mut self) -> Result<Remembered, Code> {
        let cell = self.0.cell();
        Ok(Remembered { durable: cell.data.durable, count: cell.data.count })
    }

    fn admit(&mut self, frame: &[u8], lane: Lane, _: Option<RelayKey>) -> Result<Option<Arrival>, Code> {
        let arrival = match wire::FromRelay::decode(frame).ok().and_then(|frame| frame.kind) {
            Some(wire::from_relay::Kind::Answer(signed)) => {
                Arrival { frame: FrameId(digest(&[frame]).0), lane, content: Arrived::Answer { answer: Bytes(signed.answer) } }
            }
            Some(wire::from_relay::Kind::Item(item)) => {
                let id = FrameId(digest(&[&item.envelope]).0);
                let content = match Envelope::unsealed(&self.0.cell().data, &item.envelope) {
                    Ok(envelope) => Arrived::Envelope { cursor: item.cursor, sender: envelope.sender(), sealed: Bytes(item.envelope) },
                    Err(cause) => Arrived::Unsealable { cursor: item.cursor, cause },
                };
                Arrival { frame: id, lane, content }
            }
            None => return Ok(None),
        };
        Ok(Some(arrival))
    }
}
