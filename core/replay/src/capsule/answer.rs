//! A relay's answer in a capsule: read, and written anew with what the rules go by.

use super::values::{Of, Values, filler};
use prost::Message as _;
use thicket_types::bytes::Bytes;
use thicket_types::error::Code;
use thicket_types::ids::{FrameId, MailboxId, RelayKey};
use thicket_types::limits::{KEY_PACKAGES, STAMP_BITS_MAX};
use thicket_types::name::Name;
use thicket_types::time::Stamp;
use thicket_types::wire::relay::answer::Said;
use thicket_types::wire::{SUITE, VERSION, relay as wire};

/// What is no answer stays none. Numbers that a relay chose are taken for the least that the rules tell apart: whatever else it
/// put there would be known to it again.
pub(super) fn redact(answer: &mut Bytes, at: Stamp, values: &mut dyn Values) {
    let Ok(wire::Answer { version: _, mut to, clock_ms, said }) = wire::Answer::decode(answer.0.as_slice()) else {
        // The tag of no field.
        *answer = Bytes(vec![0]);
        return;
    };
    id::<{ FrameId::LEN }>(&mut to, Of::Frame, values);
    // Not the relay's clock: who knows what it showed would learn by it how far all times were shifted.
    let clock_ms = if i64::try_from(clock_ms).is_ok() { at.0 } else { u64::MAX };
    let said = said.map(|said| of_said(said, at, values));
    *answer = Bytes(wire::Answer { version: VERSION, to, clock_ms, said }.encode_to_vec());
}

fn of_said(said: Said, at: Stamp, values: &mut dyn Values) -> Said {
    match said {
        Said::Refusal(wire::Refusal { code, stamp_bits }) => {
            let code = Code::from_number(code).map_or(0, Code::number);
            Said::Refusal(wire::Refusal { code, stamp_bits: stamp_bits.min(STAMP_BITS_MAX.saturating_add(1)) })
        }
        Said::Challenge(wire::Challenge { nonce, mut relay_key, until_ms: _, versions }) => {
            let nonce = if nonce.len() == NONCE_LEN { vec![0; NONCE_LEN] } else { Vec::new() };
            id::<{ RelayKey::LEN }>(&mut relay_key, Of::RelayKey, values);
            let versions = if versions.contains(&VERSION) { vec![VERSION] } else { Vec::new() };
            Said::Challenge(wire::Challenge { nonce, relay_key, until_ms: at.0, versions })
        }
        Said::Registered(wire::Registered { mut mailbox }) => {
            id::<{ MailboxId::LEN }>(&mut mailbox, Of::Mailbox, values);
            Said::Registered(wire::Registered { mailbox })
        }
        Said::LoggedIn(wire::LoggedIn { mut mailbox, key_packages, last_resort }) => {
            id::<{ MailboxId::LEN }>(&mut mailbox, Of::Mailbox, values);
            Said::LoggedIn(wire::LoggedIn { mailbox, key_packages: stock(key_packages), last_resort })
        }
        Said::Published(wire::Published { key_packages }) => Said::Published(wire::Published { key_packages: stock(key_packages) }),
        Said::Entry(wire::Entry { name, certificate, mut mailbox, mailbox_key: _ }) => {
            id::<{ MailboxId::LEN }>(&mut mailbox, Of::Mailbox, values);
            let name = Name::parse(&name).map(|mut name| {
                values.name(&mut name);
                name.text().to_owned()
            });
            let name = name.unwrap_or_default();
            Said::Entry(wire::Entry { name, certificate: filler(certificate.len()).0, mailbox, mailbox_key: None })
        }
        Said::KeyPackage(wire::KeyPackage { key_package, last_resort, suite: _ }) => {
            Said::KeyPackage(wire::KeyPackage { key_package: filler(key_package.len()).0, last_resort, suite: SUITE })
        }
        Said::Stored(wire::Stored {}) => Said::Stored(wire::Stored {}),
        Said::Fetched(wire::Fetched { waiting, key_packages, last_resort }) => {
            Said::Fetched(wire::Fetched { waiting, key_packages: stock(key_packages), last_resort })
        }
        Said::Acknowledged(wire::Acknowledged {}) => Said::Acknowledged(wire::Acknowledged {}),
        Said::MailboxKeyPublished(wire::MailboxKeyPublished {}) => Said::MailboxKeyPublished(wire::MailboxKeyPublished {}),
        Said::CapabilitiesSet(wire::CapabilitiesSet {}) => Said::CapabilitiesSet(wire::CapabilitiesSet {}),
        // The rules go by nothing in these.
        Said::LogCreated(_) => Said::LogCreated(wire::LogCreated::default()),
        Said::Posted(_) => Said::Posted(wire::Posted::default()),
        Said::LogPage(_) => Said::LogPage(wire::LogPage::default()),
    }
}

/// One of another length is no id, and stays none.
fn id<const LEN: usize>(bytes: &mut Vec<u8>, of: Of, values: &mut dyn Values) {
    if bytes.len() == LEN { values.id(of, bytes) } else { bytes.clear() }
}

/// Past a full stock nothing is told apart.
fn stock(key_packages: u32) -> u32 {
    key_packages.min(KEY_PACKAGES)
}

/// Bytes of a challenge's nonce.
const NONCE_LEN: usize = 32;
