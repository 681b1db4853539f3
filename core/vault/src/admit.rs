//! Admission: what a frame from the relay is, seen without moving a ratchet.

use crate::account::Account;
use crate::envelope;
use ed25519_dalek::{Signature, VerifyingKey};
use prost::Message as _;
use thicket_journal_format::digest;
use thicket_types::bytes::Bytes;
use thicket_types::event::{Arrival, Arrived, Lane};
use thicket_types::ids::{FrameId, RelayKey};
use thicket_types::limits::FRAME_LEN_MAX;
use thicket_types::wire::relay::{self as wire, answer::Said, from_relay::Kind};
use thicket_types::wire::{VERSION, context};

/// `None`: malformed, oversized or forged, to be dropped.
pub(crate) fn admit(account: &Account, frame: &[u8], lane: Lane, relay: Option<RelayKey>) -> Option<Arrival> {
    if frame.len() > FRAME_LEN_MAX {
        return None;
    }
    match wire::FromRelay::decode(frame).ok()?.kind? {
        Kind::Answer(wire::Signed { answer, signature }) => {
            let decoded = wire::Answer::decode(answer.as_slice()).ok()?;
            if decoded.version != VERSION {
                return None;
            }
            let key = match (relay, decoded.said?) {
                (Some(pinned), _) => pinned,
                // First sight: the challenge names the key that is pinned from then on.
                (None, Said::Challenge(challenge)) => RelayKey::parse(&challenge.relay_key)?,
                (None, _) => return None,
            };
            signed(key, &answer, &signature)?;
            let content = Arrived::Answer { answer: Bytes(answer) };
            Some(Arrival { frame: FrameId(digest(&[frame]).0), lane, content })
        }
        Kind::Item(wire::Item { cursor, envelope: sealed }) => {
            let id = FrameId(digest(&[&sealed]).0);
            let content = match envelope::open(account, &sealed) {
                Ok(unsealed) => Arrived::Envelope { cursor, sender: unsealed.certificate.fingerprint(), sealed: Bytes(sealed) },
                Err(cause) => Arrived::Unsealable { cursor, cause },
            };
            Some(Arrival { frame: id, lane, content })
        }
    }
}

fn signed(key: RelayKey, answer: &[u8], signature: &[u8]) -> Option<()> {
    let key = VerifyingKey::from_bytes(&key.0).ok()?;
    let signature = Signature::from_slice(signature).ok()?;
    let mut text = context::ANSWER.as_bytes().to_vec();
    text.push(0);
    text.extend_from_slice(answer);
    key.verify_strict(&text, &signature).ok()
}
