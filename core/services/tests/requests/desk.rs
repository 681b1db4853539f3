//! A relay's desk without a relay: a store in memory, a clock that stands, certificates that are names.

use crate::sha256;
use prost::Message as _;
use thicket_services::{Handled, Policy, Rates, Scope, handle, stamp};
use thicket_store::MemoryStore;
use thicket_types::error::Code;
use thicket_types::ids::{Digest, Fingerprint, LaneTag, MailboxId, RelayKey};
use thicket_types::ports::{CertificateFacts, Entropy, Store, Verify, VerifyError};
use thicket_types::time;
use thicket_types::wire::relay::answer::Said;
pub use thicket_types::wire::relay::owner_statement::Ask as Own;
use thicket_types::wire::relay::request::Ask;
use thicket_types::wire::relay::{
    Answer, ChallengeAsk, Fetch, Fetched, KeyPackageAsk, Login, LoginStatement, Lookup, MailboxKey, MailboxKeyStatement, Owner,
    OwnerStatement, Proof, PublishKeyPackages, Put, Refusal, Register, RegisterStatement, Request, SetCapabilities, Stamp,
};
use thicket_types::wire::{VERSION, context};

/// Certificates that are names, and signatures that say what they sign.
pub struct Transparent;

pub fn fingerprint(name: &str) -> Fingerprint {
    Fingerprint::parse(&sha256::digest(name.as_bytes())[..20]).expect("20 bytes")
}

pub fn signature(certificate: &[u8], context: &str, message: &[u8]) -> Vec<u8> {
    [certificate, context.as_bytes(), message].concat()
}

impl Verify for Transparent {
    fn certificate(&self, bytes: &[u8]) -> Result<CertificateFacts, VerifyError> {
        let name = String::from_utf8(bytes.to_vec()).map_err(|_| VerifyError::Certificate)?;
        // "alice#2" is another identity of the same name.
        let text = name.split('#').next().unwrap_or_default().to_owned();
        Ok(CertificateFacts { name: text, fingerprint: fingerprint(&name) })
    }

    fn signature(&self, certificate: &[u8], context: &str, message: &[u8], given: &[u8]) -> Result<(), VerifyError> {
        if signature(certificate, context, message) == given { Ok(()) } else { Err(VerifyError::Signature) }
    }

    fn digest(&self, bytes: &[u8]) -> Digest {
        Digest(sha256::digest(bytes))
    }
}

struct Counting(u64);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) {
        self.0 += 1;
        out.iter_mut().zip(self.0.to_be_bytes().iter().cycle()).for_each(|(to, from)| *to = *from);
    }
}

pub const RELAY: RelayKey = RelayKey([7; 32]);
/// Who has an account and its lane.
pub const LANE: LaneTag = LaneTag([1; 16]);
/// Anybody's.
pub const OTHER_LANE: LaneTag = LaneTag([2; 16]);
/// The generation that accounts are registered with.
pub const GENERATION: [u8; 16] = [1; 16];

pub struct Desk<S = MemoryStore> {
    pub store: S,
    pub policy: Policy,
    pub now: time::Stamp,
    rates: Rates,
    entropy: Counting,
    nonces: u64,
}

impl Desk {
    /// A desk that asks for no stamps.
    pub fn new() -> Desk {
        Desk::with(Policy { stamp_bits: 0, ..Policy::default() })
    }

    pub fn with(policy: Policy) -> Desk {
        Desk { policy, ..Desk::over(MemoryStore::new()) }
    }
}

impl<S: Store> Desk<S> {
    /// A desk with a store of its own that asks for no stamps.
    pub fn over(store: S) -> Desk<S> {
        let policy = Policy { stamp_bits: 0, ..Policy::default() };
        Desk { store, policy, now: time::Stamp(1_790_000_000_000), rates: Rates::default(), entropy: Counting(0), nonces: 0 }
    }

    pub fn frame(&mut self, ask: Ask) -> Vec<u8> {
        let nonce = self.nonce();
        frame_of(&nonce, ask)
    }

    pub fn nonce(&mut self) -> Vec<u8> {
        self.nonces += 1;
        let mut nonce = vec![0; 8];
        nonce.extend(self.nonces.to_be_bytes());
        nonce
    }

    pub fn hand(&mut self, tag: LaneTag, frame: &[u8]) -> Handled {
        let mut scope = Scope {
            relay: RELAY,
            now: self.now,
            tag,
            policy: &self.policy,
            rates: &mut self.rates,
            store: &mut self.store,
            entropy: &mut self.entropy,
            verify: &Transparent,
        };
        let handled = handle(&mut scope, frame);
        self.store.commit().expect("a store that works");
        handled
    }

    /// The statement of who is logged in on a lane; of alice in a session that never was, if nobody is.
    pub fn statement(&mut self, tag: LaneTag, nonce: &[u8], ask: Own) -> OwnerStatement {
        let session = self.store.session(tag).expect("a store that works").map_or([0; 32], |session| session.nonce);
        let number = self.nonces;
        OwnerStatement { relay_key: RELAY.0.to_vec(), session: session.to_vec(), nonce: nonce.to_vec(), ask: Some(ask), number }
    }

    /// The certificate of who is logged in on a lane.
    pub fn certificate(&mut self, tag: LaneTag) -> String {
        let name = self.store.lane(tag).expect("a store that works");
        let account = name.and_then(|name| self.store.account(&name).expect("a store that works"));
        account.map_or("alice".to_owned(), |account| String::from_utf8(account.certificate).expect("a name"))
    }

    pub fn owner_frame(&mut self, tag: LaneTag, ask: Own) -> Vec<u8> {
        let nonce = self.nonce();
        let certificate = self.certificate(tag);
        let statement = self.statement(tag, &nonce, ask);
        frame_of(&nonce, Ask::Owner(owner(&statement, &certificate)))
    }

    pub fn said(&mut self, tag: LaneTag, ask: impl Into<Asking>) -> Said {
        let frame = match ask.into() {
            Asking::Openly(ask) => self.frame(ask),
            Asking::AsOwner(ask) => self.owner_frame(tag, ask),
        };
        self.answer_to(tag, &frame)
    }

    pub fn answer_to(&mut self, tag: LaneTag, frame: &[u8]) -> Said {
        let handled = self.hand(tag, frame);
        let answer = Answer::decode(handled.answer.as_slice()).expect("an answer");
        assert_eq!(answer.to, sha256::digest(frame), "it names the request");
        assert_eq!(answer.clock_ms, self.now.0, "it carries the relay's clock");
        answer.said.expect("something said")
    }

    pub fn code(&mut self, tag: LaneTag, ask: impl Into<Asking>) -> Code {
        code(self.said(tag, ask))
    }

    pub fn proof(&mut self, tag: LaneTag, name: &str) -> Proof {
        match self.said(tag, Ask::Challenge(ChallengeAsk { name: name.to_owned() })) {
            Said::Challenge(challenge) => {
                Proof { relay_key: challenge.relay_key, nonce: challenge.nonce, name: name.to_owned(), until_ms: challenge.until_ms }
            }
            other => panic!("{other:?}"),
        }
    }

    pub fn register_as(&mut self, tag: LaneTag, name: &str, certificate: &str) -> Said {
        let proof = self.proof(tag, name);
        self.said(tag, register(&proof, certificate))
    }

    pub fn log_in(&mut self, tag: LaneTag, name: &str) -> Said {
        let proof = self.proof(tag, name);
        self.said(tag, login(&proof, name))
    }

    /// Registers a name on its lane, and gives its mailbox.
    pub fn account(&mut self, tag: LaneTag, name: &str) -> MailboxId {
        match self.register_as(tag, name, name) {
            Said::Registered(registered) => MailboxId::parse(&registered.mailbox).expect("16 bytes"),
            other => panic!("{other:?}"),
        }
    }

    /// Publishes so many one-time packages, and with `last` a last-resort one of that byte.
    pub fn publish(&mut self, tag: LaneTag, one_time: u8, last: Option<u8>) {
        let publish = PublishKeyPackages {
            one_time: (1..=one_time).map(|number| vec![number]).collect(),
            last_resort: last.into_iter().collect(),
            suite: SUITE,
            replaces: false,
        };
        assert!(matches!(self.said(tag, Own::Publish(publish)), Said::Published(_)));
    }

    pub fn set_capabilities(&mut self, tag: LaneTag, add: &[u8], remove: &[u8]) {
        let digests = |numbers: &[u8]| numbers.iter().map(|number| capability_digest(*number)).collect();
        let set = SetCapabilities { add: digests(add), remove: digests(remove) };
        assert!(matches!(self.said(tag, Own::Capabilities(set)), Said::CapabilitiesSet(_)));
    }

    pub fn fetched(&mut self, tag: LaneTag) -> Fetched {
        match self.said(tag, Own::Fetch(Fetch { items_max: 64, ..Fetch::default() })) {
            Said::Fetched(fetched) => fetched,
            other => panic!("{other:?}"),
        }
    }
}

/// What is asked by anybody, or by who is logged in.
pub enum Asking {
    Openly(Ask),
    AsOwner(Own),
}

impl From<Ask> for Asking {
    fn from(ask: Ask) -> Asking {
        Asking::Openly(ask)
    }
}

impl From<Own> for Asking {
    fn from(ask: Own) -> Asking {
        Asking::AsOwner(ask)
    }
}

pub fn owner(statement: &OwnerStatement, certificate: &str) -> Owner {
    let statement = statement.encode_to_vec();
    Owner { signature: signature(certificate.as_bytes(), context::OWNER, &statement), statement }
}

/// The suite of what needs no other.
pub const SUITE: u32 = 1;

pub fn frame_of(nonce: &[u8], ask: Ask) -> Vec<u8> {
    Request { version: VERSION, nonce: nonce.to_vec(), ask: Some(ask) }.encode_to_vec()
}

pub fn code(said: Said) -> Code {
    let Refusal { code, stamp_bits } = refusal(said);
    let code = Code::from_number(code).expect("a number of the table");
    assert_eq!(stamp_bits > 0, code == Code::StampNeeded, "bits come with 215, and with nothing else");
    code
}

/// The bits that a refusal asks for.
pub fn bits(said: Said) -> u32 {
    let Refusal { code, stamp_bits } = refusal(said);
    assert_eq!(Code::from_number(code), Some(Code::StampNeeded));
    stamp_bits
}

fn refusal(said: Said) -> Refusal {
    match said {
        Said::Refusal(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

pub fn mailbox_key(certificate: &str, key: u8, from_ms: u64) -> MailboxKey {
    let statement = MailboxKeyStatement { fingerprint: fingerprint(certificate).0.to_vec(), key: vec![key; 32], from_ms }.encode_to_vec();
    MailboxKey { signature: signature(certificate.as_bytes(), context::MAILBOX_KEY, &statement), statement }
}

pub fn registration(proof: &Proof, certificate: &str) -> RegisterStatement {
    RegisterStatement {
        proof: Some(proof.clone()),
        certificate: certificate.as_bytes().to_vec(),
        mailbox_key: Some(mailbox_key(certificate, 3, 0)),
        token: String::new(),
        generation: GENERATION.to_vec(),
    }
}

/// Signs a registration with the certificate that it names.
pub fn signed_registration(statement: &RegisterStatement) -> Register {
    let text = statement.encode_to_vec();
    Register { signature: signature(&statement.certificate, context::REGISTER, &text), statement: text }
}

pub fn register(proof: &Proof, certificate: &str) -> Ask {
    Ask::Register(signed_registration(&registration(proof, certificate)))
}

/// A login by the device that registered, which gives the generation that it gave then.
pub fn login(proof: &Proof, certificate: &str) -> Ask {
    Ask::Login(signed_login(&login_with(proof, &[], GENERATION), certificate))
}

pub fn signed_login(statement: &LoginStatement, certificate: &str) -> Login {
    let text = statement.encode_to_vec();
    Login { signature: signature(certificate.as_bytes(), context::LOGIN, &text), statement: text }
}

pub fn login_with(proof: &Proof, known: &[[u8; 16]], generation: [u8; 16]) -> LoginStatement {
    LoginStatement {
        proof: Some(proof.clone()),
        known: known.iter().map(|known| known.to_vec()).collect(),
        generation: generation.to_vec(),
        takes_over: false,
    }
}

pub fn lookup(name: &str) -> Ask {
    Ask::Lookup(Lookup { name: name.to_owned() })
}

pub fn mailbox_of(desk: &mut Desk, name: &str) -> Vec<u8> {
    match desk.said(OTHER_LANE, lookup(name)) {
        Said::Entry(entry) => entry.mailbox,
        other => panic!("{other:?}"),
    }
}

pub fn key_package_ask(name: &str) -> KeyPackageAsk {
    KeyPackageAsk { name: name.to_owned(), suites: vec![SUITE], stamp: None }
}

/// A stranger's put without a stamp.
pub fn put(mailbox: MailboxId, envelope: &[u8]) -> Put {
    Put { mailbox: mailbox.0.to_vec(), envelope: envelope.to_vec(), capability: Vec::new(), stamp: None }
}

pub fn capability(number: u8) -> Vec<u8> {
    vec![number; 32]
}

fn capability_digest(number: u8) -> Vec<u8> {
    sha256::digest(&capability(number)).to_vec()
}

/// A put that shows a capability.
pub fn put_by(number: u8, mailbox: MailboxId, envelope: &[u8]) -> Put {
    Put { capability: capability(number), ..put(mailbox, envelope) }
}

/// Works for a stamp of exactly so many bits: one fewer than a stamp with more would do is never met by luck.
pub fn work(relay: RelayKey, purpose: Digest, hour: u64, bits: u32) -> Stamp {
    let stamps = (0..).map(|counter| Stamp { hour, counter });
    let mut good = stamps.filter(|stamp| stamp::zero_bits(&stamp::digest(&Transparent, relay, purpose, stamp)) == bits);
    good.next().expect("there are many")
}

impl Desk {
    pub fn hour(&self) -> u64 {
        stamp::hour(self.now)
    }

    /// A stamp for a put, of exactly so many bits.
    pub fn put_stamp(&self, mailbox: MailboxId, envelope: &[u8], bits: u32) -> Stamp {
        work(RELAY, stamp::put_purpose(&Transparent, mailbox, envelope), self.hour(), bits)
    }

    /// A stamp for a key package, of exactly so many bits.
    pub fn ask_stamp(&self, nonce: &[u8], name: &str, bits: u32) -> Stamp {
        work(RELAY, stamp::ask_purpose(&Transparent, nonce, name), self.hour(), bits)
    }
}
