//! The relay as a library: services, a store and a transport, one turn at a time. The demo, relayd and tests embed it.
//!
//! ```text
//!   turn():  take what arrived → handle each → commit the store → sign and send answers, push items
//! ```
//!
//! No answer leaves before what it says is durable. A push that finds no reply path waits in the store for the next fetch.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod running;

pub use running::{Bell, Running};

use ed25519_dalek::{Signer as _, SigningKey};
use prost::Message as _;
use std::collections::{BTreeMap, VecDeque};
use thicket_services::{Handled, Scope, handle};
use thicket_types::ids::{LaneTag, RelayKey};
use thicket_types::limits::{LANES_MAX, REPLY_PATHS_MAX};
use thicket_types::ports::{Clock, Entropy, RelayTransport, ReplyPath, Store, StoreError, Verify};
use thicket_types::time::{Duration, Stamp};
use thicket_types::wire::context;
use thicket_types::wire::relay::{FromRelay, Item, Signed, from_relay::Kind};

/// Requests that one turn takes: one commit of the store serves them all.
const TURN_MAX: usize = 256;
/// How often what is past its time is removed.
const CLEAN_EVERY: Duration = Duration::seconds(1);

/// The ports that a relay has beside its store and transport.
pub struct World {
    /// For nonces and mailbox ids.
    pub entropy: Box<dyn Entropy + Send>,
    /// Its time.
    pub clock: Box<dyn Clock + Send>,
    /// For certificates and signatures.
    pub verify: Box<dyn Verify + Send>,
}

/// A relay.
pub struct Relay<S, T> {
    store: S,
    transport: T,
    key: SigningKey,
    entropy: Box<dyn Entropy + Send>,
    clock: Box<dyn Clock + Send>,
    verify: Box<dyn Verify + Send>,
    /// Ways back to each lane, oldest first. The newest are kept: they live longest.
    paths: BTreeMap<LaneTag, VecDeque<ReplyPath>>,
    cleaned: Stamp,
}

/// A frame that is to leave once the store has committed.
struct Leaving {
    tag: LaneTag,
    /// The request's own way back, for its answer; an item takes any.
    path: Option<ReplyPath>,
    frame: FromRelay,
}

impl<S: Store, T: RelayTransport> Relay<S, T> {
    /// A relay with an identity: 32 bytes of an Ed25519 secret key.
    pub fn new(store: S, transport: T, secret: &[u8; 32], world: World) -> Relay<S, T> {
        let World { entropy, clock, verify } = world;
        let key = SigningKey::from_bytes(secret);
        Relay { store, transport, key, entropy, clock, verify, paths: BTreeMap::new(), cleaned: Stamp(0) }
    }

    /// The relay's identity, which clients pin.
    pub fn key(&self) -> RelayKey {
        RelayKey(self.key.verifying_key().to_bytes())
    }

    /// The store, for a look from outside.
    pub fn store(&mut self) -> &mut S {
        &mut self.store
    }

    /// Handles what arrived, at most so many requests as one commit serves. Returns how many.
    ///
    /// **Errors:** the store failed; nothing was answered, and every client asks again.
    pub fn turn(&mut self) -> Result<usize, StoreError> {
        match self.handle_all() {
            Ok((handled, leaving)) => {
                self.send_all(leaving);
                Ok(handled)
            }
            Err(error) => {
                self.store.roll_back()?;
                Err(error)
            }
        }
    }

    fn handle_all(&mut self) -> Result<(usize, Vec<Leaving>), StoreError> {
        let now = self.clock.now();
        let mut leaving = Vec::new();
        let mut handled = 0;
        while handled < TURN_MAX {
            let Some(received) = self.transport.poll() else {
                break;
            };
            handled += 1;
            let mut paths = received.paths.into_iter();
            let path = paths.next();
            let mut scope = Scope {
                relay: self.key(),
                now,
                tag: received.tag,
                store: &mut self.store,
                entropy: self.entropy.as_mut(),
                verify: self.verify.as_ref(),
            };
            let Handled { answer, items, stored } = handle(&mut scope, &received.frame);
            // Only who is logged in is ever pushed to; a stranger's ways back are good for the answer alone.
            if self.store.lane(received.tag)?.is_some() {
                self.keep_paths(received.tag, paths);
            }
            for (cursor, envelope) in items {
                leaving.push(Leaving { tag: received.tag, path: None, frame: item(cursor, envelope) });
            }
            if let Some((mailbox, cursor, envelope)) = stored
                && let Some(tag) = self.store.lane_of(mailbox)?
            {
                leaving.push(Leaving { tag, path: None, frame: item(cursor, envelope) });
            }
            // After its items: who has the answer of a fetch has what was sent with it, if nothing was lost.
            leaving.push(Leaving { tag: received.tag, path, frame: self.signed(answer) });
        }
        if now.since(self.cleaned) >= CLEAN_EVERY {
            self.store.clean(now)?;
            self.cleaned = now;
        }
        self.store.commit()?;
        Ok((handled, leaving))
    }

    fn send_all(&mut self, leaving: Vec<Leaving>) {
        for Leaving { tag, path, frame } in leaving {
            let path = path.or_else(|| self.paths.get_mut(&tag).and_then(VecDeque::pop_front));
            if let Some(path) = path {
                // A path that is gone costs a resend; what it carried is still in the store.
                let _ = self.transport.reply(path, &frame.encode_to_vec());
            }
        }
    }

    fn keep_paths(&mut self, tag: LaneTag, paths: impl Iterator<Item = ReplyPath>) {
        if self.paths.len() >= LANES_MAX && !self.paths.contains_key(&tag) {
            self.paths.pop_first();
        }
        let kept = self.paths.entry(tag).or_default();
        kept.extend(paths);
        while kept.len() > REPLY_PATHS_MAX {
            kept.pop_front();
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
