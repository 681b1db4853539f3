//! A transparent vault: the port's promises (exactly once, refusals remembered, all or nothing) without cryptography.
//!
//! Groups count generations as MLS does, so that a repeat is known; key packages are used up; an envelope says in clear whom
//! it is for. It stands here and not in core/vault, so that no shipped program can contain it.

use prost::Message as _;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use thicket_journal_format::{codec, digest};
use thicket_types::bytes::Bytes;
use thicket_types::effect::MessageState;
use thicket_types::error::Code;
use thicket_types::event::{Arrival, Arrived, Lane, Opened, Outcome};
use thicket_types::ids::{BodyRef, ConversationId, Digest, EffectId, Fingerprint, FrameId, MailboxId, MessageId, RelayKey, Seq};
use thicket_types::name::Name;
use thicket_types::ports::{CertificateFacts, Durable, Remembered, Vault, VaultCall, Verify, VerifyError};
use thicket_types::time::ClaimedTime;
use thicket_types::vault_op::{Ask, Challenge, VaultOp};
use thicket_types::wire::VERSION;
use thicket_types::wire::relay::{self as wire, request};

/// Certificates that are their owner's name, and signatures that anybody could make.
#[derive(Clone, Copy, Debug, Default)]
pub struct TransparentVerify;

/// The fingerprint of a name's transparent certificate.
pub fn fingerprint(name: &str) -> Fingerprint {
    let mut bytes = [0; 20];
    bytes.iter_mut().zip(digest(&[name.as_bytes()]).0).for_each(|(to, from)| *to = from);
    Fingerprint(bytes)
}

fn signature(certificate: &[u8], context: &str, message: &[u8]) -> Vec<u8> {
    digest(&[certificate, context.as_bytes(), message]).0.to_vec()
}

impl Verify for TransparentVerify {
    fn certificate(&self, bytes: &[u8]) -> Result<CertificateFacts, VerifyError> {
        let name = String::from_utf8(bytes.to_vec()).map_err(|_| VerifyError::Certificate)?;
        Ok(CertificateFacts { fingerprint: fingerprint(&name), name })
    }

    fn signature(&self, certificate: &[u8], context: &str, message: &[u8], given: &[u8]) -> Result<(), VerifyError> {
        if signature(certificate, context, message) == given { Ok(()) } else { Err(VerifyError::Signature) }
    }

    fn digest(&self, bytes: &[u8]) -> Digest {
        digest(&[bytes])
    }
}

/// What a vault keeps.
#[derive(Clone, Default)]
pub struct Data {
    name: String,
    ledger: BTreeMap<EffectId, (Digest, Outcome)>,
    count: u64,
    durable: Option<Durable>,
    bodies: BTreeMap<BodyRef, String>,
    packages: BTreeSet<u64>,
    contacts: BTreeMap<Fingerprint, String>,
    groups: BTreeMap<u64, Group>,
    welcomes: BTreeSet<u64>,
    /// Rows, oldest first: incoming and outgoing messages.
    pub rows: Vec<Row>,
    /// Drawn from for ids and nonces: grows, and is rolled back with the rest.
    drawn: u64,
}

/// A message's row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// With whom.
    pub contact: Fingerprint,
    /// Whether it is ours.
    pub outgoing: bool,
    /// Its name.
    pub message: MessageId,
    /// Its text; `None` if it is unreadable.
    pub text: Option<String>,
    /// What became of it.
    pub state: MessageState,
}

#[derive(Clone)]
struct Group {
    contact: Fingerprint,
    creator: Fingerprint,
    sending: bool,
    welcome: Option<u64>,
    next: u64,
    read: BTreeSet<u64>,
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    from: String,
    to: Fingerprint,
    /// Group and the key package that its Welcome uses up.
    opens: Option<(u64, u64)>,
    group: u64,
    generation: u64,
    content: Content,
}

#[derive(Serialize, Deserialize)]
enum Content {
    Text(MessageId, u64, String),
    Receipt(Vec<MessageId>),
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
}

impl VaultDisk {
    /// An empty database for a person.
    pub fn new(name: &str) -> VaultDisk {
        let disk = VaultDisk::default();
        disk.cell().data.name = name.to_owned();
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
        self.cell().data = data;
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
        self.drawn += 1;
        let mixed = digest(&[self.name.as_bytes(), &self.drawn.to_be_bytes(), &self.count.to_be_bytes()]);
        mixed.0.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn framed(&mut self, ask: request::Ask) -> Result<Outcome, Code> {
        let mut nonce = self.draw().to_be_bytes().to_vec();
        nonce.extend(self.draw().to_be_bytes());
        let bytes = wire::Request { version: VERSION, nonce, ask: Some(ask) }.encode_to_vec();
        Ok(Outcome::Framed { frame: FrameId(digest(&[&bytes]).0), bytes: Bytes(bytes) })
    }

    fn proof(&self, challenge: &Challenge) -> Vec<u8> {
        wire::Proof {
            relay_key: challenge.relay.0.to_vec(),
            nonce: challenge.nonce.to_vec(),
            name: self.name.clone(),
            until_ms: challenge.until_ms,
        }
        .encode_to_vec()
    }

    fn sign(&self, context: &str, text: &[u8]) -> Vec<u8> {
        signature(self.name.as_bytes(), context, text)
    }

    fn op(&mut self, call: &VaultCall) -> Result<Outcome, Code> {
        use thicket_types::wire::context;
        match &call.op {
            VaultOp::Compose(ask) => {
                let ask = match ask {
                    Ask::Challenge => request::Ask::Challenge(wire::ChallengeAsk { name: self.name.clone() }),
                    Ask::Lookup(name) => request::Ask::Lookup(wire::Lookup { name: name.text().to_owned() }),
                    Ask::KeyPackage(name) => request::Ask::KeyPackage(wire::KeyPackageAsk { name: name.text().to_owned() }),
                    Ask::Fetch { items_max } => request::Ask::Fetch(wire::Fetch { items_max: *items_max }),
                    Ask::Acknowledge { cursors } => request::Ask::Acknowledge(wire::Acknowledge { cursors: cursors.clone() }),
                };
                self.framed(ask)
            }
            VaultOp::SignRegistration(challenge) => {
                let proof = self.proof(challenge);
                let statement =
                    wire::MailboxKeyStatement { fingerprint: self.own().0.to_vec(), key: vec![1; 32], from_ms: 0 }.encode_to_vec();
                let register = wire::Register {
                    signature: self.sign(context::REGISTER, &proof),
                    proof,
                    certificate: self.name.clone().into_bytes(),
                    mailbox_key: Some(wire::MailboxKey { signature: self.sign(context::MAILBOX_KEY, &statement), statement }),
                };
                self.framed(request::Ask::Register(register))
            }
            VaultOp::SignLogin(challenge) => {
                let proof = self.proof(challenge);
                self.framed(request::Ask::Login(wire::Login { signature: self.sign(context::LOGIN, &proof), proof }))
            }
            VaultOp::MakeKeyPackages { count, last_resort } => {
                let mut make = |_| {
                    let package = self.draw();
                    self.packages.insert(package);
                    package.to_be_bytes().to_vec()
                };
                let one_time = (0..*count).map(&mut make).collect();
                let last_resort = if *last_resort { make(0) } else { Vec::new() };
                self.framed(request::Ask::Publish(wire::PublishKeyPackages { one_time, last_resort }))
            }
            VaultOp::PinContact { name, answer: _, at: _ } => self.pin(name, &call.frame),
            VaultOp::BeginConversation { contact, answer: _, at: _ } => self.begin(*contact, &call.frame),
            VaultOp::SealMessage { contact, mailbox, message, body, at } => {
                let text = self.bodies.get(body).cloned().ok_or(Code::UnknownBody)?;
                if self.rows.iter().any(|row| row.outgoing && row.message == *message) {
                    return Err(Code::Repeated);
                }
                let framed = self.seal(*contact, *mailbox, Content::Text(*message, at.0, text.clone()))?;
                let row = Row { contact: *contact, outgoing: true, message: *message, text: Some(text), state: MessageState::Queued };
                self.rows.push(row);
                Ok(framed)
            }
            VaultOp::SealReceipt { contact, mailbox, messages, at: _ } => self.seal(*contact, *mailbox, Content::Receipt(messages.clone())),
            VaultOp::Forget { contact } => Ok(self.forget(*contact)),
            // Names and identities are one here: no pin is ever contradicted.
            VaultOp::Unpin { contact: _ } => Ok(Outcome::Done),
            VaultOp::OpenEnvelope { envelope: _, at: _, last } => self.open(&call.frame, *last).map(Outcome::Opened),
            VaultOp::File { message, contact, body, at: _, state, cause: _ } => {
                match self.rows.iter_mut().find(|row| row.outgoing && row.message == *message) {
                    Some(row) => row.state = row.state.max(*state),
                    None => {
                        let text = self.bodies.get(body).cloned();
                        self.rows.push(Row { contact: *contact, outgoing: true, message: *message, text, state: *state });
                    }
                }
                Ok(Outcome::Done)
            }
        }
    }

    fn forget(&mut self, contact: Fingerprint) -> Outcome {
        self.rows.retain(|row| row.contact != contact);
        Outcome::Done
    }

    fn pin(&mut self, asked: &Name, answer: &[u8]) -> Result<Outcome, Code> {
        let Some(wire::answer::Said::Entry(entry)) = wire::Answer::decode(answer).ok().and_then(|answer| answer.said) else {
            return Err(Code::ForgedEntry);
        };
        let name = Name::parse(&entry.name).map_err(|_| Code::ForgedEntry)?;
        let mailbox = MailboxId::parse(&entry.mailbox).ok_or(Code::ForgedEntry)?;
        if name.key() != asked.key() || entry.certificate != name.text().as_bytes() {
            return Err(Code::ForgedEntry);
        }
        let contact = fingerprint(name.text());
        self.contacts.insert(contact, name.text().to_owned());
        Ok(Outcome::Pinned { contact, mailbox, name, contradicts: None })
    }

    fn begin(&mut self, contact: Fingerprint, answer: &[u8]) -> Result<Outcome, Code> {
        if self.sending(contact).is_some() {
            return Ok(Outcome::Begun);
        }
        let Some(wire::answer::Said::KeyPackage(answer)) = wire::Answer::decode(answer).ok().and_then(|answer| answer.said) else {
            return Err(Code::BadKeyPackage);
        };
        let package = u64::from_be_bytes(answer.key_package.as_slice().try_into().map_err(|_| Code::BadKeyPackage)?);
        let group = self.draw();
        self.add_group(group, contact, self.own(), Some(package));
        Ok(Outcome::Begun)
    }

    fn add_group(&mut self, id: u64, contact: Fingerprint, creator: Fingerprint, welcome: Option<u64>) {
        let group = Group { contact, creator, sending: false, welcome, next: 0, read: BTreeSet::new() };
        self.groups.insert(id, group);
        let smallest = self.groups.values().filter(|group| group.contact == contact).map(|group| group.creator).min();
        for (other, group) in self.groups.iter_mut().filter(|(_, group)| group.contact == contact) {
            group.sending = Some(group.creator) == smallest && (group.creator != creator || *other == id);
        }
    }

    fn sending(&self, contact: Fingerprint) -> Option<u64> {
        self.groups.iter().find(|(_, group)| group.contact == contact && group.sending).map(|(id, _)| *id)
    }

    fn seal(&mut self, contact: Fingerprint, mailbox: MailboxId, content: Content) -> Result<Outcome, Code> {
        let id = self.sending(contact).ok_or(Code::NoConversation)?;
        let group = self.groups.get_mut(&id).ok_or(Code::NoConversation)?;
        group.next += 1;
        let (opens, generation) = (group.welcome.map(|package| (id, package)), group.next);
        let envelope = Envelope { from: self.name.clone(), to: contact, opens, group: id, generation, content };
        let envelope = codec::encode(&envelope).map_err(|_| Code::Inconsistent)?;
        self.framed(request::Ask::Put(wire::Put { mailbox: mailbox.0.to_vec(), envelope }))
    }

    fn open(&mut self, sealed: &[u8], last: bool) -> Result<Opened, Code> {
        let envelope: Envelope = codec::decode(sealed).map_err(|_| Code::MalformedEnvelope)?;
        let contact = fingerprint(&envelope.from);
        let before = self.clone();
        match self.read(&envelope, contact) {
            Ok(opened) => Ok(opened),
            Err(cause) => {
                *self = before;
                if cause == Code::NoConversation && !last {
                    return Ok(Opened::Early { contact });
                }
                if cause != Code::Repeated && self.contacts.contains_key(&contact) {
                    let row = Row { contact, outgoing: false, message: MessageId([0; 16]), text: None, state: MessageState::Unreadable };
                    self.rows.push(row);
                }
                Ok(Opened::Unreadable { contact, cause })
            }
        }
    }

    fn read(&mut self, envelope: &Envelope, contact: Fingerprint) -> Result<Opened, Code> {
        if let Some((id, package)) = envelope.opens
            && self.welcomes.insert(id)
        {
            if !self.packages.remove(&package) {
                return Err(Code::NoMatchingKeyPackage);
            }
            self.add_group(id, contact, contact, None);
            self.contacts.insert(contact, envelope.from.clone());
        }
        let group = self.groups.get_mut(&envelope.group).ok_or(Code::NoConversation)?;
        if group.contact != contact {
            return Err(Code::ForgedSender);
        }
        if !group.read.insert(envelope.generation) {
            return Err(Code::Repeated);
        }
        group.welcome = None;
        match &envelope.content {
            Content::Text(message, claimed, text) => {
                if self.rows.iter().any(|row| !row.outgoing && row.contact == contact && row.message == *message) {
                    return Err(Code::Repeated);
                }
                let row = Row { contact, outgoing: false, message: *message, text: Some(text.clone()), state: MessageState::Delivered };
                self.rows.push(row);
                let name = Name::parse(&envelope.from).map_err(|_| Code::MalformedEnvelope)?;
                Ok(Opened::Message {
                    contact,
                    name,
                    conversation: ConversationId([0; 32]),
                    message: *message,
                    claimed: ClaimedTime(*claimed),
                    begins: envelope.opens.is_some(),
                })
            }
            Content::Receipt(named) => {
                let mut delivered = Vec::new();
                for row in self.rows.iter_mut().filter(|row| row.outgoing && row.contact == contact && named.contains(&row.message)) {
                    if row.state < MessageState::Delivered {
                        row.state = MessageState::Delivered;
                        delivered.push(row.message);
                    }
                }
                Ok(Opened::Receipt { contact, delivered })
            }
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
        let mut reference = [0; 16];
        reference.iter_mut().zip(cell.data.draw().to_be_bytes()).for_each(|(to, from)| *to = from);
        cell.data.bodies.insert(BodyRef(reference), text);
        cell.data.count += 1;
        Ok(BodyRef(reference))
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

    fn remembered(&mut self) -> Result<Remembered, Code> {
        let cell = self.0.cell();
        Ok(Remembered { durable: cell.data.durable, count: cell.data.count })
    }

    fn admit(&mut self, frame: &[u8], lane: Lane, _: Option<RelayKey>) -> Result<Option<Arrival>, Code> {
        let own = self.0.cell().data.own();
        let arrival = match wire::FromRelay::decode(frame).ok().and_then(|frame| frame.kind) {
            Some(wire::from_relay::Kind::Answer(signed)) => {
                Arrival { frame: FrameId(digest(&[frame]).0), lane, content: Arrived::Answer { answer: Bytes(signed.answer) } }
            }
            Some(wire::from_relay::Kind::Item(item)) => {
                let id = FrameId(digest(&[&item.envelope]).0);
                let content = match codec::decode::<Envelope>(&item.envelope) {
                    Ok(envelope) if envelope.to == own => {
                        Arrived::Envelope { cursor: item.cursor, sender: fingerprint(&envelope.from), sealed: Bytes(item.envelope) }
                    }
                    Ok(_) | Err(_) => Arrived::Unsealable { cursor: item.cursor, cause: Code::Unsealable },
                };
                Arrival { frame: id, lane, content }
            }
            None => return Ok(None),
        };
        Ok(Some(arrival))
    }
}
