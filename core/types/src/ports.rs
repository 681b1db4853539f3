//! The ports: how the pure parts and the engine meet the world. Fakes stand behind them in tests only.

mod logs;

pub use logs::{EntryKind, LogEntry, LogHead, LogLane, Logs, NewEntry, NewLog, PostingKey, Readable, Registers};

use crate::effect::Effect;
use crate::error::Code;
use crate::event::{Arrival, Event, Lane, Outcome, TimerId};
use crate::ids::{BodyRef, Digest, EffectId, Fingerprint, FrameId, LaneTag, MailboxId, RelayKey, RulesVersion, SegmentId, Seq};
use crate::name::NameKey;
use crate::time::{Deadline, Duration, Stamp};
use crate::vault_op::VaultOp;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The one source of randomness of vault, engine and journal.
pub trait Entropy {
    /// Fills the buffer with random bytes.
    fn fill(&mut self, out: &mut [u8]);
}

/// The one source of time.
pub trait Clock {
    /// Milliseconds since the Unix epoch, as this device believes; may jump either way.
    fn now(&self) -> Stamp;
}

/// Why the disk did not do as asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiskError {
    /// There is no room.
    Full,
    /// It failed: an I/O error.
    Failed,
    /// It may not be done here: no permission, a file system that is read-only, or no folder where one is named.
    Denied,
    /// There is no such file.
    Missing,
    /// There is such a file already.
    Exists,
}

impl From<DiskError> for Code {
    fn from(error: DiskError) -> Code {
        match error {
            DiskError::Full => Code::DiskFull,
            DiskError::Denied => Code::FileFailed,
            DiskError::Failed | DiskError::Missing | DiskError::Exists => Code::DiskFailed,
        }
    }
}

/// The files of one profile; paths are relative to it, with `/` between parts. A long journal is read by a thread of its own.
pub trait Disk: Send {
    /// Names of the files in a folder, sorted; none if there is no folder.
    fn list(&mut self, folder: &str) -> Result<Vec<String>, DiskError>;
    /// Bytes of a file.
    fn len(&mut self, path: &str) -> Result<u64, DiskError>;
    /// A file's bytes.
    fn read(&mut self, path: &str) -> Result<Vec<u8>, DiskError>;
    /// Bytes of a file from an offset on; fewer at its end.
    fn read_at(&mut self, path: &str, offset: u64, len: usize) -> Result<Vec<u8>, DiskError>;
    /// Makes a new file with its folder and first bytes, durable when this returns. **Errors:** `Exists`.
    fn create(&mut self, path: &str, bytes: &[u8]) -> Result<(), DiskError>;
    /// Writes at the end of a file, durable when this returns. After an error the file's end is unknown.
    fn append(&mut self, path: &str, bytes: &[u8]) -> Result<(), DiskError>;
    /// Cuts a file to a length, durable when this returns.
    fn truncate(&mut self, path: &str, len: u64) -> Result<(), DiskError>;
    /// Puts a whole file in place of what was there, by one rename, durable when this returns.
    fn replace(&mut self, path: &str, bytes: &[u8]) -> Result<(), DiskError>;
    /// Removes a file; one that is not there is no error.
    fn remove(&mut self, path: &str) -> Result<(), DiskError>;
}

/// Where a record stands, and when: all that a fold knows of the world beside the event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The segment.
    pub segment: SegmentId,
    /// The record's place.
    pub seq: Seq,
    /// Its stamp.
    pub stamp: Stamp,
}

/// What is to become of a frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Admission {
    /// It is journaled: as it came, or shortened to its place in the mailbox.
    Taken(Arrival),
    /// It stays at the relay, unacknowledged: the budget of people who are not accepted is used up for today.
    Left,
    /// It means nothing here: an answer that nobody waits for.
    Dropped,
}

/// The rules, as the engine sees them: it drives them and knows none.
pub trait Reducer {
    /// The state that the journal folds to.
    type State: Clone + PartialEq + Serialize + DeserializeOwned + Send + 'static;
    /// The rules version that this build writes.
    const RULES: RulesVersion;

    /// The state before the first record.
    fn fresh() -> Self::State;
    /// Folds one event: total, pure, deterministic. The effects' indices are their places in what is returned.
    fn reduce(rules: RulesVersion, state: &mut Self::State, place: Place, event: &Event) -> Vec<Effect>;
    /// Effects that were asked for and not resolved, oldest first: what a restart dispatches again.
    fn outstanding(state: &Self::State) -> Vec<(EffectId, Effect)>;
    /// Timers that are armed.
    fn timers(state: &Self::State) -> Vec<(TimerId, Deadline)>;
    /// The identity of the relay that this account is pinned to.
    fn relay(state: &Self::State) -> Option<RelayKey>;
    /// Judges what the vault admitted, by sender, kind, size and budget. A stranger can't fill the disk.
    fn admit(state: &Self::State, now: Stamp, arrival: Arrival) -> Admission;
    /// The records whose bytes work under way names: kept in their segments, or carried by snapshots when those retire.
    fn named(state: &Self::State) -> BTreeSet<Seq>;
    /// The vault's largest transaction count that the journal has seen.
    fn vault_count(state: &Self::State) -> u64;
}

/// The relay cannot be reached by this transport now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unreachable;

/// A client's end of a transport: messages, not streams, on two lanes that cannot be linked.
///
/// May lose, delay, double and reorder frames. Every frame carries single-use reply paths for what the relay sends back;
/// none of them outlives the process that made it.
pub trait Transport {
    /// Hands a frame to the transport. `Ok` says that it was taken, not that it arrived. **Limits:** [`crate::limits::FRAME_LEN_MAX`].
    fn send(&mut self, to: &str, lane: Lane, frame: &[u8]) -> Result<(), Unreachable>;
    /// The next frame that arrived, if any. Never waits.
    fn poll(&mut self) -> Option<(Lane, Vec<u8>)>;
    /// Replaces a lane by one that nothing links to it. Its reply paths are gone, and what is under way on it may be lost.
    fn renew(&mut self, lane: Lane);
    /// Whether the lane's way broke since this was asked last: what the relay pushes does not arrive until something is sent.
    /// A transport without connections never says so. **Repeat:** each break is told once.
    fn broke(&mut self, lane: Lane) -> bool;
    /// Whether somebody answered at the address that the lane was sent to last, and did not prove to be whom it names. A transport
    /// whose addresses prove nothing never says so.
    fn met_another(&mut self, _lane: Lane) -> bool {
        false
    }
}

/// A way back to a lane, good for one frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ReplyPath(pub u64);

/// A frame as the relay gets it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Received {
    /// The lane that sent it. Says nothing of the client's other lane.
    pub tag: LaneTag,
    /// Ways back, each good for one frame.
    pub paths: Vec<ReplyPath>,
    /// The bytes.
    pub frame: Vec<u8>,
}

/// A relay's end of a transport.
pub trait RelayTransport {
    /// The next frame that arrived, if any. Never waits.
    fn poll(&mut self) -> Option<Received>;
    /// Sends a frame back and spends the path. `Ok` says that it was taken, not that it arrived. Nothing arrives by a path that is
    /// spent or gone: a transport that knows so says [`Unreachable`], one that can't know may say `Ok`. A frame that is too long is
    /// [`Unreachable`], and spends no path. **Limits:** [`crate::limits::FRAME_LEN_MAX`].
    fn reply(&mut self, path: ReplyPath, frame: &[u8]) -> Result<(), Unreachable>;
}

/// One op with its id and the bytes of the record that it names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VaultCall {
    /// The effect's id: the ledger's key.
    pub effect: EffectId,
    /// What to do.
    pub op: VaultOp,
    /// Bytes of the frame that [`VaultOp::frame`] names; empty if it names none.
    pub frame: Vec<u8>,
}

/// The last durable block: what the vault remembers, so that a rolled-back journal is seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Durable {
    /// Place of the block's last record; [`Seq::ZERO`] before the first block.
    pub seq: Seq,
    /// The chain's hash after the block.
    pub chain: Digest,
}

/// What a vault remembers of its journal, and counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Remembered {
    /// The last durable block that came with a transaction, if one did.
    pub durable: Option<Durable>,
    /// Transactions committed.
    pub count: u64,
}

/// The vault: keys and bodies, exactly once.
pub trait Vault {
    /// Runs ops in one transaction, each behind its own savepoint, and returns their outcomes in order with the number
    /// of transactions committed by then. **Errors:** nothing was done; every op may be asked for again.
    fn run(&mut self, durable: Durable, calls: &[VaultCall]) -> Result<(Vec<Outcome>, u64), Code>;
    /// Seals a body in a transaction of its own.
    fn stage(&mut self, body: &[u8]) -> Result<BodyRef, Code>;
    /// Forgets a staged body, unless a message row names it. One that is not there is no error.
    fn unstage(&mut self, body: BodyRef) -> Result<(), Code>;
    /// Forgets the staged bodies that no message row and none of these name. Returns how many.
    fn sweep(&mut self, named: &[BodyRef]) -> Result<u64, Code>;
    /// Forgets ledger rows at or before a place, but those of the effects named: a kept snapshot covers their `Resolved`.
    fn prune(&mut self, covered: Seq, open: &[EffectId]) -> Result<u64, Code>;
    /// Writes what a write-ahead log holds into the store and empties it. `false`: a reader holds it up; ask again. A vault
    /// without a log has none to empty.
    fn empty_log(&mut self) -> Result<bool, Code> {
        Ok(true)
    }
    /// Goes on with a journal that is not of the vault's time: no group there is sends again, messages that were under way
    /// have failed, by `RolledBack`, the block is remembered in place of the one before, and transactions are counted on from
    /// the larger of the two counts. **Repeat:** does it once more.
    fn rejoin(&mut self, durable: Durable, count: u64) -> Result<(), Code>;
    /// What the vault remembers of the journal.
    fn remembered(&mut self) -> Result<Remembered, Code>;
    /// Looks at a frame from the relay without moving a ratchet: checks an answer's signature under the pinned key (under
    /// the key in it, if none is pinned and it is a challenge), opens an item's outer seal. `None`: it is to be dropped.
    fn admit(&mut self, frame: &[u8], lane: Lane, relay: Option<RelayKey>) -> Result<Option<Arrival>, Code>;
}

/// What a certificate says of its owner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificateFacts {
    /// The user id: the name.
    pub name: String,
    /// The certificate's fingerprint.
    pub fingerprint: Fingerprint,
}

/// Why a verification failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VerifyError {
    /// The certificate is malformed or not of our kind.
    Certificate,
    /// The signature is not by that certificate over that text.
    Signature,
}

/// Verification with public keys and hashing, for the pure services.
pub trait Verify {
    /// Reads a certificate and checks its own signatures.
    fn certificate(&self, bytes: &[u8]) -> Result<CertificateFacts, VerifyError>;
    /// Checks a signature over `context`, one zero byte, and `message`.
    fn signature(&self, certificate: &[u8], context: &str, message: &[u8], signature: &[u8]) -> Result<(), VerifyError>;
    /// SHA-256.
    fn digest(&self, bytes: &[u8]) -> Digest;
}

/// A registered account, as the directory keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// The name as registered.
    pub name: String,
    /// The identity.
    pub fingerprint: Fingerprint,
    /// Its certificate.
    pub certificate: Vec<u8>,
    /// Its mailbox.
    pub mailbox: MailboxId,
    /// The statement about the key that mail is sealed to.
    pub mailbox_key_statement: Vec<u8>,
    /// The identity's signature over it.
    pub mailbox_key_signature: Vec<u8>,
}

/// A challenge that waits to be answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenChallenge {
    /// For which name.
    pub name: NameKey,
    /// On which lane.
    pub tag: LaneTag,
    /// By which request: a repeat of it gets the same challenge.
    pub asked: FrameId,
    /// Until when.
    pub until: Stamp,
}

/// What an item counts against, beside its mailbox: a full one refuses only itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Quota {
    /// The request box: strangers.
    Requests,
    /// The lane of one write capability, named by the capability's SHA-256.
    Capability(Digest),
}

/// An item to put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewItem<'a> {
    /// Into which mailbox.
    pub mailbox: MailboxId,
    /// What it counts against.
    pub quota: Quota,
    /// SHA-256 of the envelope: stored once.
    pub frame: FrameId,
    /// The sealed bytes.
    pub envelope: &'a [u8],
    /// Now.
    pub at: Stamp,
    /// Items that the mailbox may hold.
    pub mailbox_max: u64,
    /// Items that the quota may hold.
    pub quota_max: u64,
}

/// What a put came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PutOutcome {
    /// A new item, at this place.
    Stored(u64),
    /// The item was there before; nothing changed.
    Repeated,
    /// The mailbox holds as many items as it may.
    Full,
    /// The quota holds as many items as it may.
    QuotaFull,
    /// There is no such mailbox.
    Unknown,
}

/// Key packages that a relay has of an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stock {
    /// One-time packages left, of all suites.
    pub one_time: u32,
    /// Whether there is a last-resort one that is fresh and was never given out.
    pub last_resort: bool,
}

/// A key package as a relay keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredKeyPackage {
    /// Its MLS cipher suite.
    pub suite: u32,
    /// TLS encoding.
    pub bytes: Vec<u8>,
    /// Whether it is the last-resort one, which stays.
    pub last_resort: bool,
}

/// Why the store did not do as asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreError {
    /// It holds as many of these as it may.
    Full,
    /// It failed.
    Failed,
}

/// A lane's login, and what was done in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Session {
    /// The nonce of the challenge that it answered.
    pub nonce: [u8; 32],
    /// The numbers of what was done once in it.
    pub done: DoneNumbers,
}

/// Which of the numbers 1, 2, … were done: the largest, and which of the 64 below it. Lower ones count as done (after the
/// anti-replay window of RFC 4303 §3.4.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DoneNumbers {
    /// The largest. 0 if none was.
    pub last: u64,
    /// Bit n is set if `last - 1 - n` was.
    pub below: u64,
}

/// The relay's store. What is done between two calls of [`Store::commit`] is durable together, or not at all.
pub trait Store: Logs {
    /// The account of a name.
    fn account(&mut self, name: &NameKey) -> Result<Option<Account>, StoreError>;
    /// Keeps a new account and its empty mailbox, or replaces the mailbox key of one that has this name and fingerprint.
    fn put_account(&mut self, name: &NameKey, account: &Account) -> Result<(), StoreError>;

    /// Keeps a challenge in the place of the one that its lane has open. Past [`crate::limits::CHALLENGES_MAX`] the one that was
    /// kept first goes.
    fn put_challenge(&mut self, nonce: [u8; 32], challenge: &OpenChallenge) -> Result<(), StoreError>;
    /// The challenge that a lane has open, and its nonce.
    fn challenge_of(&mut self, tag: LaneTag) -> Result<Option<([u8; 32], OpenChallenge)>, StoreError>;
    /// Takes a challenge out: it can be answered once.
    fn take_challenge(&mut self, nonce: [u8; 32]) -> Result<Option<OpenChallenge>, StoreError>;

    /// Notes that a lane is logged in under a name, by the challenge with this nonce; takes that name's earlier lane out.
    fn bind_lane(&mut self, tag: LaneTag, name: &NameKey, session: [u8; 32]) -> Result<(), StoreError>;
    /// The name that a lane is logged in under.
    fn lane(&mut self, tag: LaneTag) -> Result<Option<NameKey>, StoreError>;
    /// The login of a lane.
    fn session(&mut self, tag: LaneTag) -> Result<Option<Session>, StoreError>;
    /// Keeps what was done in a lane's login; nothing if it is not logged in.
    fn set_done(&mut self, tag: LaneTag, done: DoneNumbers) -> Result<(), StoreError>;
    /// The lane that is logged in under the name of this mailbox.
    fn lane_of(&mut self, mailbox: MailboxId) -> Result<Option<LaneTag>, StoreError>;

    /// Registered accounts.
    fn accounts(&mut self) -> Result<u64, StoreError>;
    /// Replaces the statement about an account's mailbox key, and its signature.
    fn set_mailbox_key(&mut self, name: &NameKey, statement: &[u8], signature: &[u8]) -> Result<(), StoreError>;
    /// The device generation of an account, if one was set.
    fn generation(&mut self, name: &NameKey) -> Result<Option<[u8; 16]>, StoreError>;
    /// Sets the device generation of an account.
    fn set_generation(&mut self, name: &NameKey, generation: [u8; 16]) -> Result<(), StoreError>;

    /// Adds one-time key packages of a suite and replaces that suite's last-resort one, if one is given, noting that they came now.
    fn add_key_packages(
        &mut self,
        name: &NameKey,
        suite: u32,
        one_time: &[Vec<u8>],
        last_resort: Option<&[u8]>,
        at: Stamp,
    ) -> Result<(), StoreError>;
    /// Removes all key packages of an account. One that has none is no error.
    fn remove_key_packages(&mut self, name: &NameKey) -> Result<(), StoreError>;
    /// Takes a one-time key package out, of the first of these suites that has one that came at `from` or later; without any gives
    /// the last-resort one of the first suite that has one, whenever it came, notes that it was given out, and keeps it.
    fn take_key_package(&mut self, name: &NameKey, suites: &[u32], from: Stamp) -> Result<Option<StoredKeyPackage>, StoreError>;
    /// What there is of an account's key packages that came at `from` or later.
    fn key_packages(&mut self, name: &NameKey, from: Stamp) -> Result<Stock, StoreError>;

    /// Adds write capabilities to a mailbox and removes others, each named by its SHA-256. One that is there, or is not
    /// there, is no error. **Errors:** `Full` past [`crate::limits::CAPABILITIES_MAX`].
    fn set_capabilities(&mut self, mailbox: MailboxId, add: &[Digest], remove: &[Digest]) -> Result<(), StoreError>;
    /// Whether a mailbox has a capability.
    fn capability(&mut self, mailbox: MailboxId, capability: Digest) -> Result<bool, StoreError>;
    /// Notes that a stamp was spent on whose mailbox this is, until a time; `false` if it was before. In memory. **Errors:** `Full`
    /// past [`crate::limits::STAMPS_SPENT_MAX`], or past [`crate::limits::STAMPS_SPENT_NAME_MAX`] on them.
    fn spend(&mut self, stamp: Digest, on: MailboxId, until: Stamp) -> Result<bool, StoreError>;
    /// Stamps that are remembered as spent.
    fn stamps_spent(&mut self) -> Result<u64, StoreError>;
    /// Of them, those that were spent on whose mailbox this is.
    fn stamps_spent_on(&mut self, on: MailboxId) -> Result<u64, StoreError>;

    /// Puts an item into a mailbox, once a FrameId. A known FrameId is `Repeated`, whatever its quota. Known are those of the
    /// items that are there, and of the newest [`crate::limits::MAILBOX_FRAMES_MAX`] places.
    fn put_item(&mut self, item: &NewItem<'_>) -> Result<PutOutcome, StoreError>;
    /// The mailbox's items: those of capabilities first, then the request box, each by place.
    fn items(&mut self, mailbox: MailboxId, count_max: u32) -> Result<Vec<(u64, Vec<u8>)>, StoreError>;
    /// Items in a mailbox.
    fn count(&mut self, mailbox: MailboxId) -> Result<u64, StoreError>;
    /// Items of one quota in a mailbox.
    fn count_of(&mut self, mailbox: MailboxId, quota: Quota) -> Result<u64, StoreError>;
    /// Removes items; places that hold none are no error. Their FrameIds stay known for the
    /// retention, within [`crate::limits::MAILBOX_FRAMES_MAX`].
    fn remove_items(&mut self, mailbox: MailboxId, cursors: &[u64]) -> Result<(), StoreError>;

    /// The answer that this lane's request got before.
    fn answer(&mut self, tag: LaneTag, frame: FrameId) -> Result<Option<Vec<u8>>, StoreError>;
    /// Remembers an answer, for a repeat of the request. Past [`crate::limits::RELAY_ANSWERS_MAX`] the one that was remembered first
    /// goes.
    fn remember_answer(&mut self, tag: LaneTag, frame: FrameId, answer: &[u8], at: Stamp) -> Result<(), StoreError>;

    /// Removes what is past its time: items and entries of logs after `retention`, logs to which nothing was posted for
    /// [`crate::limits::LOG_FOR`], one-time key packages after [`crate::limits::KEY_PACKAGE_FOR`]. Returns how many items went.
    fn clean(&mut self, now: Stamp, retention: Duration) -> Result<u64, StoreError>;
    /// Makes everything since the last commit durable.
    fn commit(&mut self) -> Result<(), StoreError>;
    /// Drops everything since the last commit.
    fn roll_back(&mut self) -> Result<(), StoreError>;
}
