//! The relay's logic: directory and mailbox. Pure: one request in, one answer out, over the [`Store`] port.
//!
//! ```text
//!   directory   names, identities, mailbox keys, key packages; challenge-response
//!   mailbox     put, fetch, acknowledge
//! ```
//!
//! What it learns of a sender is what the request says: a put names a mailbox and nobody else.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(not(test), deny(clippy::float_arithmetic, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

extern crate alloc;

mod directory;
mod mailbox;

use alloc::vec::Vec;
use prost::Message as _;
use thicket_types::error::Code;
use thicket_types::ids::{FrameId, LaneTag, MailboxId, RelayKey};
use thicket_types::limits::FRAME_LEN_MAX;
use thicket_types::ports::{Entropy, Store, StoreError, Verify};
use thicket_types::time::Stamp;
use thicket_types::wire::VERSION;
use thicket_types::wire::relay::answer::Said;
use thicket_types::wire::relay::request::Ask;
use thicket_types::wire::relay::{Answer, Refusal, Request};

/// What a request meets: the relay's identity, the time, and the ports.
pub struct Scope<'a> {
    /// The relay's identity, which proofs are bound to.
    pub relay: RelayKey,
    /// Now, by the relay's clock.
    pub now: Stamp,
    /// The lane that the request came on.
    pub tag: LaneTag,
    /// The store. The caller commits it before any answer leaves.
    pub store: &'a mut dyn Store,
    /// For nonces and mailbox ids.
    pub entropy: &'a mut dyn Entropy,
    /// For certificates, signatures and hashes.
    pub verify: &'a dyn Verify,
}

/// What came of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Handled {
    /// The encoded `Answer`, to be signed and sent back.
    pub answer: Vec<u8>,
    /// Items to send to the same lane.
    pub items: Vec<(u64, Vec<u8>)>,
    /// An item that is new in a mailbox: to be pushed, if its owner is logged in.
    pub stored: Option<(MailboxId, u64, Vec<u8>)>,
}

/// What a service did, or the number of its refusal.
type Done = Result<Reply, Code>;

/// What a service has to say.
struct Reply {
    said: Said,
    items: Vec<(u64, Vec<u8>)>,
    stored: Option<(MailboxId, u64, Vec<u8>)>,
}

impl From<Said> for Reply {
    fn from(said: Said) -> Reply {
        Reply { said, items: Vec::new(), stored: None }
    }
}

fn failed(error: StoreError) -> Code {
    match error {
        StoreError::Full | StoreError::Failed => Code::RelayBusy,
    }
}

/// Handles one request. Any bytes get an answer; malformed ones a refusal.
///
/// **Repeat.** The same bytes on the same lane get the first answer again unless it was a refusal, where a second doing would harm (a registration,
/// a login, a key package); elsewhere doing it again changes nothing.
pub fn handle(scope: &mut Scope<'_>, frame: &[u8]) -> Handled {
    let id = FrameId(scope.verify.digest(frame).0);
    let done = request(frame).and_then(|ask| {
        if !once(&ask) {
            return serve(scope, ask).map(Outcome::New);
        }
        match scope.store.answer(scope.tag, id).map_err(failed)? {
            Some(answer) => Ok(Outcome::Before(answer)),
            None => serve(scope, ask).map(Outcome::Once),
        }
    });
    let encode = |said: Said, now: Stamp| Answer { version: VERSION, to: id.0.to_vec(), clock_ms: now.0, said: Some(said) }.encode_to_vec();
    match done {
        Ok(Outcome::Before(answer)) => Handled { answer, items: Vec::new(), stored: None },
        Ok(Outcome::New(reply)) => Handled { answer: encode(reply.said, scope.now), items: reply.items, stored: reply.stored },
        Ok(Outcome::Once(reply)) => {
            let answer = encode(reply.said, scope.now);
            // A store that can't remember it costs a repeat its first answer, and nothing else.
            let _ = scope.store.remember_answer(scope.tag, id, &answer, scope.now);
            Handled { answer, items: reply.items, stored: reply.stored }
        }
        Err(code) => {
            let refusal = Said::Refusal(Refusal { code: code.number() });
            Handled { answer: encode(refusal, scope.now), items: Vec::new(), stored: None }
        }
    }
}

enum Outcome {
    Before(Vec<u8>),
    New(Reply),
    Once(Reply),
}

fn request(frame: &[u8]) -> Result<Ask, Code> {
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
    ask.ok_or(Code::MalformedRequest)
}

/// Whether a repeat must not be done again.
fn once(ask: &Ask) -> bool {
    match ask {
        Ask::Register(_) | Ask::Login(_) | Ask::Publish(_) | Ask::KeyPackage(_) => true,
        Ask::Challenge(_) | Ask::Lookup(_) | Ask::Put(_) | Ask::Fetch(_) | Ask::Acknowledge(_) => false,
    }
}

fn serve(scope: &mut Scope<'_>, ask: Ask) -> Done {
    match ask {
        Ask::Challenge(ask) => directory::challenge(scope, &ask),
        Ask::Register(register) => directory::register(scope, &register),
        Ask::Login(login) => directory::login(scope, &login),
        Ask::Publish(publish) => directory::publish(scope, &publish),
        Ask::Lookup(lookup) => directory::lookup(scope, &lookup),
        Ask::KeyPackage(ask) => directory::key_package(scope, &ask),
        Ask::Put(put) => mailbox::put(scope, &put),
        Ask::Fetch(fetch) => mailbox::fetch(scope, &fetch),
        Ask::Acknowledge(acknowledge) => mailbox::acknowledge(scope, &acknowledge),
    }
}
