//! Requests to the relay, and the work that it asks for.

use super::identity::signature;
use super::{Contact, Data, fingerprint};
use prost::Message as _;
use thicket_journal_format::digest;
use thicket_types::bytes::Bytes;
use thicket_types::error::Code;
use thicket_types::event::Outcome;
use thicket_types::ids::{Fingerprint, FrameId, MailboxId, RelayKey};
use thicket_types::limits::{GENERATIONS_MAX, REPLACED_KEYS_FOR, STAMP_BITS_MAX};
use thicket_types::name::{Name, RegistrationToken};
use thicket_types::time::Stamp;
use thicket_types::vault_op::{Ask, Challenge, Published};
use thicket_types::wire::relay::owner_statement::Ask as OwnerAsk;
use thicket_types::wire::relay::{self as wire, request};
use thicket_types::wire::{SUITE, VERSION, context};

fn frame(request: &wire::Request) -> Outcome {
    let bytes = request.encode_to_vec();
    Outcome::Framed { frame: FrameId(digest(&[&bytes]).0), bytes: Bytes(bytes) }
}

impl Data {
    pub(super) fn framed(&mut self, ask: request::Ask) -> Outcome {
        let nonce: [u8; 16] = self.draw_bytes();
        frame(&wire::Request { version: VERSION, nonce: nonce.to_vec(), ask: Some(ask) })
    }

    /// What only an owner may ask, signed for the session.
    pub(super) fn framed_as_owner(&mut self, ask: OwnerAsk) -> Result<Outcome, Code> {
        let (relay, session) = self.session.ok_or(Code::NotLoggedIn)?;
        let nonce: [u8; 16] = self.draw_bytes();
        let number = match ask {
            OwnerAsk::Publish(_) | OwnerAsk::MailboxKey(_) | OwnerAsk::Capabilities(_) => {
                self.number += 1;
                self.number
            }
            OwnerAsk::Fetch(ref fetch) if !fetch.generation.is_empty() => {
                self.number += 1;
                self.number
            }
            OwnerAsk::Fetch(_) | OwnerAsk::Acknowledge(_) => 0,
        };
        let (relay_key, session) = (relay.0.to_vec(), session.to_vec());
        let statement = wire::OwnerStatement { relay_key, session, nonce: nonce.to_vec(), ask: Some(ask), number };
        let statement = statement.encode_to_vec();
        let owner = wire::Owner { signature: self.sign(context::OWNER, &statement), statement };
        Ok(frame(&wire::Request { version: VERSION, nonce: nonce.to_vec(), ask: Some(request::Ask::Owner(owner)) }))
    }

    pub(super) fn compose(&mut self, ask: &Ask) -> Result<Outcome, Code> {
        let ask = match ask {
            Ask::Challenge => request::Ask::Challenge(wire::ChallengeAsk { name: self.name.clone() }),
            Ask::Lookup(name) => request::Ask::Lookup(wire::Lookup { name: name.text().to_owned() }),
            Ask::KeyPackage(name) => {
                let ask = wire::KeyPackageAsk { name: name.text().to_owned(), suites: vec![SUITE], stamp: None };
                request::Ask::KeyPackage(ask)
            }
            Ask::Fetch { items_max, swap } => {
                let generation = if *swap { self.new_generation().to_vec() } else { Vec::new() };
                return self.framed_as_owner(OwnerAsk::Fetch(wire::Fetch { items_max: *items_max, generation }));
            }
            Ask::Acknowledge { cursors } => {
                return self.framed_as_owner(OwnerAsk::Acknowledge(wire::Acknowledge { cursors: cursors.clone() }));
            }
            // As every op of a group.
            Ask::ReadLog(_) => return Err(Code::UnknownGroup),
        };
        Ok(self.framed(ask))
    }

    /// Answers a challenge, whose nonce names the session from now on.
    fn proof(&mut self, challenge: &Challenge) -> wire::Proof {
        self.session = Some((challenge.relay, challenge.nonce));
        self.number = 0;
        wire::Proof {
            relay_key: challenge.relay.0.to_vec(),
            nonce: challenge.nonce.to_vec(),
            name: self.name.clone(),
            until_ms: challenge.until_ms,
        }
    }

    fn sign(&self, context: &str, text: &[u8]) -> Vec<u8> {
        signature(self.name.as_bytes(), context, text)
    }

    /// A new device generation; the ones given before are kept.
    fn new_generation(&mut self) -> [u8; 16] {
        let generation = self.draw_bytes();
        self.generations.push(generation);
        let beyond = self.generations.len().saturating_sub(GENERATIONS_MAX);
        self.generations.drain(..beyond);
        generation
    }

    pub(super) fn sign_registration(&mut self, challenge: &Challenge, token: Option<&RegistrationToken>) -> Result<Outcome, Code> {
        let statement = wire::RegisterStatement {
            proof: Some(self.proof(challenge)),
            certificate: self.name.clone().into_bytes(),
            mailbox_key: Some(self.mailbox_key(Stamp(0))?),
            token: token.map_or(String::new(), |token| token.text().to_owned()),
            generation: self.new_generation().to_vec(),
        }
        .encode_to_vec();
        let register = wire::Register { signature: self.sign(context::REGISTER, &statement), statement };
        Ok(self.framed(request::Ask::Register(register)))
    }

    pub(super) fn sign_login(&mut self, challenge: &Challenge, takes_over: bool) -> Result<Outcome, Code> {
        let proof = Some(self.proof(challenge));
        let known = self.generations.iter().map(|generation| generation.to_vec()).collect();
        let generation = self.new_generation().to_vec();
        let statement = wire::LoginStatement { proof, known, generation, takes_over }.encode_to_vec();
        let login = wire::Login { signature: self.sign(context::LOGIN, &statement), statement };
        Ok(self.framed(request::Ask::Login(login)))
    }

    pub(super) fn make_key_packages(&mut self, count: u32, last_resort: bool, replaces: bool) -> Result<Outcome, Code> {
        let mut make = |last_resort: bool| {
            let package = self.draw();
            self.packages.insert(package, last_resort);
            package.to_be_bytes().to_vec()
        };
        let one_time = (0..count).map(|_| make(false)).collect();
        let last_resort = if last_resort { make(true) } else { Vec::new() };
        self.framed_as_owner(OwnerAsk::Publish(wire::PublishKeyPackages { one_time, last_resort, suite: SUITE, replaces }))
    }

    /// What mail is sealed to now, as the identity states it.
    fn mailbox_key(&self, from: Stamp) -> Result<wire::MailboxKey, Code> {
        let (key, _) = self.mailbox_keys.last().ok_or(Code::Inconsistent)?;
        let statement = wire::MailboxKeyStatement { fingerprint: self.own().0.to_vec(), key: key.to_vec(), from_ms: from.0 };
        let statement = statement.encode_to_vec();
        Ok(wire::MailboxKey { signature: self.sign(context::MAILBOX_KEY, &statement), statement })
    }

    /// Makes a new mailbox key. The one before is replaced when the relay has taken this one.
    pub(super) fn renew_mailbox_key(&mut self) {
        let key = self.draw_bytes();
        self.mailbox_keys.push((key, None));
    }

    pub(super) fn rotate_mailbox_key(&mut self, at: Stamp) -> Result<Outcome, Code> {
        if self.key_made != Some(at) {
            self.renew_mailbox_key();
            self.key_made = Some(at);
        }
        let mailbox_key = Some(self.mailbox_key(at)?);
        self.framed_as_owner(OwnerAsk::MailboxKey(wire::PublishMailboxKey { mailbox_key }))
    }

    /// The relay took what was published last. Key packages are never destroyed here.
    pub(super) fn published(&mut self, what: Published, at: Stamp) -> Outcome {
        if what == Published::MailboxKey {
            self.key_made = None;
            let before = self.mailbox_keys.len().saturating_sub(1);
            self.mailbox_keys.iter_mut().take(before).for_each(|(_, replaced)| *replaced = Some(replaced.unwrap_or(at)));
        }
        Outcome::Done
    }

    /// Destroys mailbox keys and past epochs that are past their window.
    pub(super) fn tidy(&mut self, at: Stamp) -> Outcome {
        self.mailbox_keys.retain(|(_, replaced)| replaced.is_none_or(|replaced| at.since(replaced) <= REPLACED_KEYS_FOR));
        self.groups.values_mut().for_each(|group| group.tidy(at));
        self.drop_groups(at);
        Outcome::Done
    }

    pub(super) fn set_capabilities(
        &mut self,
        grant: &[Fingerprint],
        renew: &[Fingerprint],
        revoke: &[Fingerprint],
    ) -> Result<Outcome, Code> {
        let named = |capability: [u8; 32]| digest(&[&capability]).0.to_vec();
        let (mut add, mut remove) = (Vec::new(), Vec::new());
        for contact in revoke {
            if let Some((now, before)) = self.contacts.get_mut(contact).and_then(|known| known.granted.take()) {
                remove.push(named(now));
                remove.extend(before.map(named));
            }
        }
        for contact in grant {
            let new = self.draw_bytes();
            let (now, _) = *self.contacts.entry(*contact).or_default().granted.get_or_insert((new, None));
            add.push(named(now));
        }
        for contact in renew {
            let new = self.draw_bytes();
            add.push(named(new));
            let known = self.contacts.entry(*contact).or_default();
            remove.extend(known.granted.and_then(|(_, before)| before).map(named));
            known.granted = Some((new, known.granted.map(|(now, _)| now)));
        }
        self.framed_as_owner(OwnerAsk::Capabilities(wire::SetCapabilities { add, remove }))
    }

    pub(super) fn pin(&mut self, asked: &Name, answer: &[u8]) -> Result<Outcome, Code> {
        let Some(wire::answer::Said::Entry(entry)) = wire::Answer::decode(answer).ok().and_then(|answer| answer.said) else {
            return Err(Code::ForgedEntry);
        };
        let name = Name::parse(&entry.name).map_err(|_| Code::ForgedEntry)?;
        let mailbox = MailboxId::parse(&entry.mailbox).ok_or(Code::ForgedEntry)?;
        let mailbox_key = entry.mailbox_key.ok_or(Code::ForgedEntry)?;
        let statement = wire::MailboxKeyStatement::decode(mailbox_key.statement.as_slice()).map_err(|_| Code::ForgedEntry)?;
        let key = <[u8; 32]>::try_from(statement.key.as_slice()).map_err(|_| Code::ForgedEntry)?;
        let signed = signature(&entry.certificate, context::MAILBOX_KEY, &mailbox_key.statement) == mailbox_key.signature;
        if !signed || name.key() != asked.key() || entry.certificate != name.text().as_bytes() {
            return Err(Code::ForgedEntry);
        }
        let contact = fingerprint(name.text());
        let known = self.contacts.entry(contact).or_default();
        *known = Contact { name: name.text().to_owned(), mailbox_key: Some(key), ..known.clone() };
        let anew = self.elsewhere && !known.told;
        Ok(Outcome::Pinned { contact, mailbox, name, contradicts: None, anew })
    }
}

/// Does the work that the relay asks a stranger for, and makes the same request with it.
pub(super) fn stamp(request: &[u8], relay: RelayKey, bits: u32, hour: u64) -> Result<Outcome, Code> {
    if bits > STAMP_BITS_MAX {
        return Err(Code::RelayBusy);
    }
    let mut request = wire::Request::decode(request).map_err(|_| Code::MalformedRequest)?;
    let (purpose, stamp) = match &mut request.ask {
        Some(request::Ask::Put(put)) => (digest(&[&put.mailbox, &put.envelope]), &mut put.stamp),
        Some(request::Ask::KeyPackage(ask)) => (digest(&[&request.nonce, ask.name.as_bytes()]), &mut ask.stamp),
        Some(
            request::Ask::Challenge(_)
            | request::Ask::Register(_)
            | request::Ask::Login(_)
            | request::Ask::Owner(_)
            | request::Ask::Lookup(_)
            | request::Ask::CreateLog(_)
            | request::Ask::Post(_)
            | request::Ask::ReadLog(_),
        )
        | None => return Err(Code::MalformedRequest),
    };
    // One that was refused is not made again.
    let counter = stamp.filter(|refused| refused.hour == hour).map_or(0, |refused| refused.counter + 1);
    let mut text = wire::StampText { relay_key: relay.0.to_vec(), purpose: purpose.0.to_vec(), hour, counter };
    while zero_bits(&digest(&[context::STAMP.as_bytes(), &[0], &text.encode_to_vec()]).0) < bits {
        text.counter += 1;
    }
    *stamp = Some(wire::Stamp { hour, counter: text.counter });
    Ok(frame(&request))
}

fn zero_bits(bytes: &[u8]) -> u32 {
    let whole = bytes.iter().take_while(|byte| **byte == 0).count();
    let rest = bytes.get(whole).map_or(0, |byte| byte.leading_zeros());
    u32::try_from(whole).unwrap_or(u32::MAX).saturating_mul(8).saturating_add(rest)
}
