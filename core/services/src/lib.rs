//! The relay's logic: directory, mailbox and delivery. Pure: one request in, one answer out, over the [`Store`] port.
//!
//! ```text
//!   session     challenge, registration, login: who a lane belongs to
//!   directory   certificates, mailbox keys, key packages
//!   mailbox     put, fetch, acknowledge, write capabilities
//!   delivery    groups' logs: create, post, read
//!   numbers     what a session does once            rates   what a lane may ask without paying
//!   policy      what the operator decides        stamp   what a stranger pays
//! ```
//!
//! What it learns of a sender is what the request says: a put names a mailbox and nobody else. Nothing is limited by what a
//! sender is, but by the mailbox, by a capability that its owner gave out, by work, and by the lane that asks.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::float_arithmetic,
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented
    )
)]

extern crate alloc;

mod delivery;
mod directory;
mod mailbox;
mod numbers;
mod policy;
mod rates;
mod session;
pub mod stamp;

pub use policy::{Policy, Registration};
pub use rates::Rates;

use crate::session::Owned;
use alloc::vec::Vec;
use prost::Message as _;
use thicket_types::error::Code;
use thicket_types::ids::{FrameId, LaneTag, MailboxId, RelayKey};
use thicket_types::limits::FRAME_LEN_MAX;
use thicket_types::ports::{Entropy, Store, StoreError, Verify};
use thicket_types::time::Stamp;
use thicket_types::wire::VERSION;
use thicket_types::wire::relay::answer::Said;
use thicket_types::wire::relay::owner_statement::Ask as OwnerAsk;
use thicket_types::wire::relay::request::Ask;
use thicket_types::wire::relay::{Answer, Fetch, Owner, OwnerStatement, Refusal, Request};

/// What a request meets: the relay's identity, the time, and the ports.
pub struct Scope<'a> {
    /// The relay's identity, which proofs are bound to.
    pub relay: RelayKey,
    /// Now, by the relay's clock.
    pub now: Stamp,
    /// The lane that the request came on.
    pub tag: LaneTag,
    /// What the operator decided.
    pub policy: &'a Policy,
    /// What lanes asked lately.
    pub rates: &'a mut Rates,
    /// The store. The caller commits it before any answer leaves.
    pub store: &'a mut dyn Store,
    /// For nonces and mailbox ids.
    pub entropy: &'a mut dyn Entropy,
    /// For certificates, signatures and hashes.
    pub verify: &'a dyn Verify,
}

/// An item that is new in a mailbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewMail {
    /// Whose.
    pub mailbox: MailboxId,
    /// Its place.
    pub cursor: u64,
    /// Its bytes.
    pub envelope: Vec<u8>,
}

/// How far a lane is behind its mailbox. What is pushed past mail that waits reaches its reader before what was written earlier:
/// so many places later, MLS has forgotten its key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Backlog {
    /// As far as before.
    Same,
    /// Nobody knows: the lane logged in just now.
    Unknown,
    /// The items that go to it now begin with so many of contacts, and `all` says whether no more of those wait.
    Sent {
        /// How many.
        of_contacts: usize,
        /// Whether these are all.
        all: bool,
    },
}

/// What came of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Handled {
    /// The encoded `Answer`, to be signed and sent back.
    pub answer: Vec<u8>,
    /// Items to send to the same lane.
    pub items: Vec<(u64, Vec<u8>)>,
    /// To be pushed, if its owner is logged in and not behind.
    pub stored: Option<NewMail>,
    /// How far the lane is behind its mailbox now.
    pub backlog: Backlog,
    /// Whether the answer is a refusal.
    pub refused: bool,
}

/// What a service did, or why not.
type Done = Result<Reply, Refused>;

/// An expected no.
struct Refused {
    code: Code,
    /// With `StampNeeded`: zero bits that a stamp must begin with now.
    stamp_bits: u32,
}

impl From<Code> for Refused {
    fn from(code: Code) -> Refused {
        Refused { code, stamp_bits: 0 }
    }
}

fn refusal(Refused { code, stamp_bits }: Refused) -> Said {
    Said::Refusal(Refusal { code: code.number(), stamp_bits })
}

/// What a service has to say.
struct Reply {
    said: Said,
    items: Vec<(u64, Vec<u8>)>,
    stored: Option<NewMail>,
    backlog: Backlog,
    /// Whether something paid for it: room that its recipient gave, or a stamp that was spent.
    paid: bool,
}

impl From<Said> for Reply {
    fn from(said: Said) -> Reply {
        let backlog = if matches!(said, Said::Registered(_) | Said::LoggedIn(_)) { Backlog::Unknown } else { Backlog::Same };
        Reply { said, items: Vec::new(), stored: None, backlog, paid: false }
    }
}

fn failed(error: StoreError) -> Code {
    match error {
        StoreError::Full | StoreError::Failed => Code::RelayBusy,
    }
}

/// Handles one request. Any bytes get an answer; malformed ones a refusal.
///
/// **Repeat.** The same bytes on the same lane get the first answer again, unless it was a refusal that changed nothing, where a
/// second doing would harm (a registration, a login, key packages, capabilities); elsewhere doing it again changes nothing.
pub fn handle(scope: &mut Scope<'_>, frame: &[u8]) -> Handled {
    let id = FrameId(scope.verify.digest(frame).0);
    let (reply, once) = match attempt(scope, id, frame) {
        Ok(Outcome::Before(answer)) => {
            return Handled { answer, items: Vec::new(), stored: None, backlog: Backlog::Same, refused: false };
        }
        Ok(Outcome::New(reply)) => (reply, false),
        Ok(Outcome::Once(reply)) => (reply, true),
        Err(refused) => (refusal(refused).into(), false),
    };
    let Reply { said, items, stored, backlog, paid } = reply;
    if paid {
        scope.rates.give_back(scope.tag);
    }
    let refused = matches!(said, Said::Refusal(_));
    let answer = Answer { version: VERSION, to: id.0.to_vec(), clock_ms: scope.now.0, said: Some(said) }.encode_to_vec();
    if once {
        // A store that can't remember it: a repeat is done again.
        let _ = scope.store.remember_answer(scope.tag, id, &answer, scope.now);
    }
    Handled { answer, items, stored, backlog, refused }
}

enum Outcome {
    Before(Vec<u8>),
    New(Reply),
    Once(Reply),
}

fn attempt(scope: &mut Scope<'_>, id: FrameId, frame: &[u8]) -> Result<Outcome, Refused> {
    // Before anything is read: whatever comes costs the relay something.
    scope.rates.take(scope.tag, scope.now)?;
    let (nonce, ask) = request(frame)?;
    if !once(&ask) {
        return serve(scope, id, &nonce, ask).map(Outcome::New);
    }
    match scope.store.answer(scope.tag, id).map_err(failed)? {
        Some(answer) => Ok(Outcome::Before(answer)),
        None => serve(scope, id, &nonce, ask).map(Outcome::Once),
    }
}

/// What is asked, by whom.
enum Asked {
    /// By anybody, or by who only logs in.
    Openly(Ask),
    /// By a name's owner; not checked yet.
    AsOwner(Owner, OwnerStatement, OwnerAsk),
}

/// A request's nonce, and what it asks.
fn request(frame: &[u8]) -> Result<(Vec<u8>, Asked), Code> {
    if frame.len() > FRAME_LEN_MAX {
        return Err(Code::TooLarge);
    }
    let Request { version, nonce, ask } = Request::decode(frame).map_err(|_| Code::MalformedRequest)?;
    if version != VERSION {
        return Err(Code::UnknownVersion);
    }
    if nonce.len() != 16 {
        return Err(Code::MalformedRequest);
    }
    let asked = match ask.ok_or(Code::MalformedRequest)? {
        Ask::Owner(owner) => {
            let mut statement = OwnerStatement::decode(owner.statement.as_slice()).map_err(|_| Code::MalformedRequest)?;
            let ask = statement.ask.take().ok_or(Code::MalformedRequest)?;
            Asked::AsOwner(owner, statement, ask)
        }
        ask => Asked::Openly(ask),
    };
    Ok((nonce, asked))
}

/// Whether a repeat must not be done again.
fn once(asked: &Asked) -> bool {
    match asked {
        Asked::Openly(Ask::Register(_) | Ask::Login(_) | Ask::KeyPackage(_)) => true,
        // A log is created once, an entry posted once: each says so again by itself.
        Asked::Openly(
            Ask::Challenge(_) | Ask::Lookup(_) | Ask::Put(_) | Ask::Owner(_) | Ask::CreateLog(_) | Ask::Post(_) | Ask::ReadLog(_),
        ) => false,
        Asked::AsOwner(_, _, ask) => owned_once(ask),
    }
}

/// Whether an owner's request gets its first answer again: a late repeat would give back a capability that was taken since, add key
/// packages twice, or put back an older key. All these have a number, and are done once in a session.
fn owned_once(ask: &OwnerAsk) -> bool {
    match ask {
        OwnerAsk::Capabilities(_) | OwnerAsk::Publish(_) | OwnerAsk::MailboxKey(_) => true,
        OwnerAsk::Fetch(_) | OwnerAsk::Acknowledge(_) => false,
    }
}

fn serve(scope: &mut Scope<'_>, id: FrameId, nonce: &[u8], asked: Asked) -> Done {
    match asked {
        Asked::Openly(ask) => serve_anybody(scope, id, nonce, ask),
        Asked::AsOwner(owner, statement, ask) => {
            let owned = session::owner(scope, nonce, &owner, &statement)?;
            serve_owner(scope, &owned, &ask, statement.number)
        }
    }
}

fn serve_anybody(scope: &mut Scope<'_>, id: FrameId, nonce: &[u8], ask: Ask) -> Done {
    match ask {
        Ask::Challenge(ask) => session::challenge(scope, id, &ask),
        Ask::Register(register) => session::register(scope, &register),
        Ask::Login(login) => session::login(scope, &login),
        Ask::Lookup(lookup) => directory::lookup(scope, &lookup),
        Ask::KeyPackage(ask) => directory::key_package(scope, nonce, &ask),
        Ask::Put(put) => mailbox::put(scope, &put),
        Ask::CreateLog(create) => delivery::create(scope, &create),
        Ask::Post(post) => delivery::post(scope, &post),
        Ask::ReadLog(read) => delivery::read_log(scope, &read),
        // Taken apart when it was read.
        Ask::Owner(_) => Err(Code::MalformedRequest.into()),
    }
}

fn serve_owner(scope: &mut Scope<'_>, owned: &Owned, ask: &OwnerAsk, number: u64) -> Done {
    match ask {
        OwnerAsk::Publish(publish) => numbered(scope, owned, number, |scope| directory::publish(scope, owned, publish)),
        OwnerAsk::MailboxKey(publish) => numbered(scope, owned, number, |scope| directory::publish_mailbox_key(scope, owned, publish)),
        OwnerAsk::Capabilities(set) => numbered(scope, owned, number, |scope| mailbox::set_capabilities(scope, owned, set)),
        OwnerAsk::Fetch(fetch) => serve_fetch(scope, owned, fetch, number),
        OwnerAsk::Acknowledge(acknowledge) => mailbox::acknowledge(scope, owned, acknowledge),
    }
}

/// Does what must be done once in a session, if its number was not done, and keeps the number.
fn numbered(scope: &mut Scope<'_>, owned: &Owned, number: u64, act: impl FnOnce(&mut Scope<'_>) -> Done) -> Done {
    let done = numbers::with(owned.done, number)?;
    let reply = act(scope)?;
    scope.store.set_done(scope.tag, done).map_err(failed)?;
    Ok(reply)
}

/// A fetch brings what waits each time that it comes: its answer may have been lost. The generation that it may bear is swapped once,
/// or a late repeat would put an older one back, and its owner be taken for a copy.
fn serve_fetch(scope: &mut Scope<'_>, owned: &Owned, fetch: &Fetch, number: u64) -> Done {
    if !fetch.generation.is_empty() {
        let generation = session::generation(&fetch.generation)?;
        match numbers::with(owned.done, number) {
            Ok(done) => {
                scope.store.set_generation(&owned.key, generation).map_err(failed)?;
                scope.store.set_done(scope.tag, done).map_err(failed)?;
            }
            // It was done, or came so late that nobody knows.
            Err(Code::NotLoggedIn) => {}
            Err(code) => return Err(code.into()),
        }
    }
    mailbox::fetch(scope, owned, fetch)
}
