//! Envelopes: padded to a size class, sealed by HPKE (RFC 9180, base mode) to the recipient's mailbox key.

use crate::account::{Account, MailboxSecret};
use crate::seal::{self, EntropyRng};
use crate::{Scope, Stop};
use prost::Message as _;
use thicket_openpgp::Certificate;
use thicket_types::error::Code;
use thicket_types::ids::Fingerprint;
use thicket_types::limits::PADDING_CLASSES;
use thicket_types::name::Name;
use thicket_types::wire::peer::{self, envelope::Content};
use thicket_types::wire::{VERSION, context};

/// Seals content to a recipient. The AAD is their fingerprint: an envelope can't be passed on to another.
pub(crate) fn seal(scope: &Scope<'_>, to: Fingerprint, key: &[u8; 32], content: Content) -> Result<Vec<u8>, Stop> {
    let inside =
        peer::Envelope { version: VERSION, certificate: scope.account.certificate_bytes.clone(), content: Some(content) }.encode_to_vec();
    let padded = pad(&inside).ok_or(Stop::Refused(Code::MessageTooLong))?;
    let mut entropy = scope.entropy.lock().map_err(|_| Stop::Broken(Code::Inconsistent))?;
    let mut rng = EntropyRng::new(entropy.as_mut());
    seal::hpke_seal_to(key, context::ENVELOPE.as_bytes(), &to.0, &padded, &mut rng).map_err(|_| Stop::Refused(Code::ForgedEntry))
}

/// An opened envelope.
pub(crate) struct Unsealed {
    pub(crate) certificate: Certificate,
    pub(crate) name: Name,
    pub(crate) certificate_bytes: Vec<u8>,
    pub(crate) content: Content,
}

/// Opens an envelope that was sealed to this account. **Errors:** `Unsealable`, `MalformedEnvelope`.
pub(crate) fn open(account: &Account, sealed: &[u8]) -> Result<Unsealed, Code> {
    let own = account.certificate.fingerprint();
    // Which key it was sealed to is not said: that would tell the relay how old its sender's knowledge is.
    let with = |key: &MailboxSecret| seal::hpke_open_with(key.expose(), context::ENVELOPE.as_bytes(), &own.0, sealed).ok();
    let padded = account.mailbox_keys.iter().find_map(with).ok_or(Code::Unsealable)?;
    let inside = unpad(&padded).ok_or(Code::MalformedEnvelope)?;
    let envelope = peer::Envelope::decode(inside).map_err(|_| Code::MalformedEnvelope)?;
    if envelope.version != VERSION {
        return Err(Code::UnknownVersion);
    }
    let certificate = Certificate::parse(&envelope.certificate).map_err(|_| Code::MalformedEnvelope)?;
    let name = Name::parse(certificate.name()).map_err(|_| Code::MalformedEnvelope)?;
    let content = envelope.content.ok_or(Code::MalformedEnvelope)?;
    Ok(Unsealed { certificate, name, certificate_bytes: envelope.certificate, content })
}

/// Length, content, zeros: the smallest class that holds them.
pub(crate) fn pad(inside: &[u8]) -> Option<Vec<u8>> {
    let needed = inside.len().checked_add(4)?;
    let class = PADDING_CLASSES.into_iter().find(|class| *class >= needed)?;
    let mut padded = u32::try_from(inside.len()).ok()?.to_le_bytes().to_vec();
    padded.extend_from_slice(inside);
    padded.resize(class, 0);
    Some(padded)
}

pub(crate) fn unpad(padded: &[u8]) -> Option<&[u8]> {
    let (len, rest) = padded.split_at_checked(4)?;
    let len = usize::try_from(u32::from_le_bytes(len.try_into().ok()?)).ok()?;
    let (inside, zeros) = rest.split_at_checked(len)?;
    zeros.iter().all(|byte| *byte == 0).then_some(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_hides_the_length_within_a_class() {
        for len in [0, 1, 1_532, 1_533, 98_300] {
            let padded = pad(&vec![7; len]).unwrap_or_default();
            assert!(PADDING_CLASSES.contains(&padded.len()), "{len}");
            assert_eq!(unpad(&padded), Some(vec![7; len].as_slice()));
        }
        assert_eq!(pad(&vec![7; 98_301]), None);
    }

    #[test]
    fn padding_that_is_not_zero_is_refused() {
        let mut padded = pad(b"x").unwrap_or_default();
        if let Some(last) = padded.last_mut() {
            *last = 1;
        }
        assert_eq!(unpad(&padded), None);
        assert_eq!(unpad(&[255, 255, 255, 255, 0]), None);
    }
}
