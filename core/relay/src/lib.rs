//! The relay as a library: services, a store and a transport, one turn at a time. The demo, relayd and tests embed it.
//!
//! ```text
//!   turn():  take what arrived → handle each → commit the store → sign and send answers, push items
//! ```
//!
//! No answer leaves before what it says is durable. A push that finds no reply path waits in the store for the next fetch.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod counters;
mod paths;
mod running;
#[cfg(test)]
mod tests;

pub use counters::{Counters, Counts};
pub use running::{Bell, Running};
pub use thicket_services::{Policy, Registration};

use ed25519_dalek::{Signer as _, SigningKey};
use paths::Paths;
use prost::Message as _;
use std::sync::Arc;
use thicket_services::{Backlog, Handled, NewMail, Rates, Scope, handle};
use thicket_types::ids::{LaneTag, RelayKey};
use thicket_types::limits::{RELAY_TURN_LEN_MAX, RELAY_TURN_MAX};
use thicket_types::ports::{Clock, Entropy, RelayTransport, ReplyPath, Store, StoreError, Verify};
use thicket_types::time::{Duration, Stamp};
use thicket_types::wire::context;
use thicket_types::wire::relay::{FromRelay, Item, Signed, from_relay::Kind};

/// How often what is past its time is removed.
const CLEAN_EVERY: Duration = Duration::seconds(1);

/// What a relay has beside its store and transport: its ports, and what its operator decided.
pub struct World {
    /// For nonces and mailbox ids.
    pub entropy: Box<dyn Entropy + Send>,
    /// Its time.
    pub clock: Box<dyn Clock + Send>,
    /// For certificates and signatures.
    pub verify: Box<dyn Verify + Send>,
    /// Who may register, how much is kept, and for how long.
    pub policy: Policy,
}

/// A relay.
pub struct Relay<S, T> {
    store: S,
    transport: T,
    key: SigningKey,
    world: World,
    paths: Paths,
    rates: Rates,
    counters: Arc<Counters>,
    cleaned: Stamp,
}

/// A frame that is to leave once the store has committed.
struct Leaving {
    tag: LaneTag,
    /// The request's own way back, for its answer; an item takes any.
    path: Option<ReplyPath>,
    mail: Mail,
    frame: FromRelay,
}

/// Which mail a frame is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mail {
    /// None: an answer.
    None,
    /// Fetched, of a contact.
    OfContact,
    /// Fetched, of a stranger.
    OfStranger,
    /// New: pushed to a lane that is not behind.
    New,
}

/// What is to leave of one turn, and how many bytes that is.
#[derive(Default)]
struct Departures {
    frames: Vec<Leaving>,
    len: usize,
}

impl Departures {
    fn push(&mut self, leaving: Leaving) {
        self.len = self.len.saturating_add(leaving.frame.encoded_len());
        self.frames.push(leaving);
    }
}

impl<S: Store, T: RelayTransport> Relay<S, T> {
    /// A relay with an identity: 32 bytes of an Ed25519 secret key.
    pub fn new(store: S, transport: T, secret: &[u8; 32], world: World) -> Relay<S, T> {
        let key = SigningKey::from_bytes(secret);
        Relay {
            store,
            transport,
            key,
            world,
            paths: Paths::default(),
            rates: Rates::default(),
            counters: Arc::default(),
            cleaned: Stamp(0),
        }
    }

    /// The relay's identity, which clients pin.
    pub fn key(&self) -> RelayKey {
        RelayKey(self.key.verifying_key().to_bytes())
    }

    /// The store, for a look from outside.
    pub fn store(&mut self) -> &mut S {
        &mut self.store
    }

    /// What it did, for a look from any thread.
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// Handles what arrived, at most so many requests as one commit serves, and fewer once what they bring is long: the rest stays
    /// with the transport, whose inbox is bounded. Returns how many.
    ///
    /// **Errors:** the store failed; nothing was answered, and every client asks again.
    pub fn turn(&mut self) -> Result<usize, StoreError> {
        match self.handle_all() {
            Ok((counts, leaving)) => {
                self.counters.add(counts);
                self.send_all(leaving.frames);
                Ok(usize::try_from(counts.handled).unwrap_or(usize::MAX))
            }
            Err(error) => {
                self.counters.add(Counts { failed: 1, ..Counts::default() });
                self.store.roll_back()?;
                Err(error)
            }
        }
    }

    fn handle_all(&mut self) -> Result<(Counts, Departures), StoreError> {
        let now = self.world.clock.now();
        let mut leaving = Departures::default();
        let mut counts = Counts::default();
        while counts.handled < RELAY_TURN_MAX && leaving.len < RELAY_TURN_LEN_MAX {
            let Some(received) = self.transport.poll() else {
                break;
            };
            let mut paths = received.paths.into_iter();
            let path = paths.next();
            let mut scope = Scope {
                relay: self.key(),
                now,
                tag: received.tag,
                policy: &self.world.policy,
                rates: &mut self.rates,
                store: &mut self.store,
                entropy: self.world.entropy.as_mut(),
                verify: self.world.verify.as_ref(),
            };
            let Handled { answer, items, stored, backlog, refused } = handle(&mut scope, &received.frame);
            counts.handled += 1;
            counts.refused += u64::from(refused);
            counts.stored += u64::from(stored.is_some());
            // Only who is logged in is ever pushed to; a stranger's ways back are good for the answer alone.
            if self.store.lane(received.tag)?.is_some() {
                self.paths.keep(received.tag, paths);
            }
            let of_contacts = match backlog {
                Backlog::Same => 0,
                Backlog::Unknown => {
                    self.paths.set_behind(received.tag, true);
                    0
                }
                Backlog::Sent { of_contacts, all } => {
                    self.paths.set_behind(received.tag, !all);
                    of_contacts
                }
            };
            for (at, (cursor, envelope)) in items.into_iter().enumerate() {
                let mail = if at < of_contacts { Mail::OfContact } else { Mail::OfStranger };
                leaving.push(Leaving { tag: received.tag, path: None, mail, frame: item(cursor, envelope) });
            }
            if let Some(NewMail { mailbox, cursor, envelope }) = stored
                && let Some(tag) = self.store.lane_of(mailbox)?
                && !self.paths.is_behind(tag)
            {
                leaving.push(Leaving { tag, path: None, mail: Mail::New, frame: item(cursor, envelope) });
            }
            // After its items: who has the answer of a fetch has what was sent with it, if nothing was lost.
            leaving.push(Leaving { tag: received.tag, path, mail: Mail::None, frame: self.signed(answer) });
        }
        if now.since(self.cleaned) >= CLEAN_EVERY {
            self.store.clean(now, self.world.policy.retention)?;
            self.cleaned = now;
        }
        self.store.commit()?;
        Ok((counts, leaving))
    }

    fn send_all(&mut self, leaving: Vec<Leaving>) {
        for Leaving { tag, path, mail, frame } in leaving {
            if mail == Mail::New && self.paths.is_behind(tag) {
                continue;
            }
            match path.or_else(|| self.paths.take(tag)) {
                // A path that is gone costs a resend; what it carried is still in the store.
                Some(path) => {
                    let _ = self.transport.reply(path, &frame.encode_to_vec());
                }
                // Nothing is pushed past it: the next fetch brings it, and what came since.
                None if matches!(mail, Mail::OfContact | Mail::New) => self.paths.set_behind(tag, true),
                None => {}
            }
        }
    }

    fn signed(&self, answer: Vec<u8>) -> FromRelay {
        let mut text = context::ANSWER.as_bytes().to_vec();
        text.push(0);
        text.extend_from_slice(&answer);
        let signature = self.key.sign(&text).to_bytes().to_vec();
        FromRelay { kind: Some(Kind::Answer(Signed { answer, signature })) }
    }
}

fn item(cursor: u64, envelope: Vec<u8>) -> FromRelay {
    FromRelay { kind: Some(Kind::Item(Item { cursor, envelope })) }
}
