//! Work that a relay asks a stranger for: a counter whose hash begins with enough zero bits, bound to one request and hour.

use crate::Stop;
use crate::request::framed_as;
use prost::Message as _;
use thicket_journal_format::digest;
use thicket_types::error::Code;
use thicket_types::event::Outcome;
use thicket_types::ids::{Digest, RelayKey};
use thicket_types::limits::STAMP_BITS_MAX;
use thicket_types::wire::context;
use thicket_types::wire::relay as wire;
use thicket_types::wire::relay::request::Ask;

/// Does the work and makes the request with it: the same nonce, the same envelope. A stamp that the request bears was refused, and is
/// not made again. **Errors:** `MalformedRequest` for a request
/// that needs none; `RelayBusy` for more work than anybody should do.
pub(crate) fn make(request: &[u8], relay: RelayKey, bits: u32, hour: u64) -> Result<Outcome, Stop> {
    let malformed = Stop::Refused(Code::MalformedRequest);
    if bits > STAMP_BITS_MAX {
        return Err(Stop::Refused(Code::RelayBusy));
    }
    let wire::Request { version, nonce, ask } = wire::Request::decode(request).map_err(|_| malformed)?;
    let ask = match ask.ok_or(malformed)? {
        Ask::Put(put) => {
            let purpose = digest(&[&put.mailbox, &put.envelope]);
            Ask::Put(wire::Put { stamp: Some(work(relay, purpose, bits, hour, put.stamp)), ..put })
        }
        Ask::KeyPackage(ask) => {
            let purpose = digest(&[&nonce, ask.name.as_bytes()]);
            Ask::KeyPackage(wire::KeyPackageAsk { stamp: Some(work(relay, purpose, bits, hour, ask.stamp)), ..ask })
        }
        _ => return Err(malformed),
    };
    framed_as(version, nonce, ask)
}

fn work(relay: RelayKey, purpose: Digest, bits: u32, hour: u64, refused: Option<wire::Stamp>) -> wire::Stamp {
    // One that is spent is good no more: whoever counted from the beginning would come to it again for the rest of its hour. One that
    // has too few bits is behind all that have enough.
    let of_this_hour = refused.filter(|refused| refused.hour == hour);
    let mut counter = of_this_hour.map_or(0, |refused| refused.counter.wrapping_add(1));
    loop {
        let text = wire::StampText { relay_key: relay.0.to_vec(), purpose: purpose.0.to_vec(), hour, counter }.encode_to_vec();
        if zero_bits(&digest(&[context::STAMP.as_bytes(), &[0], &text])) >= bits {
            return wire::Stamp { hour, counter };
        }
        counter = counter.wrapping_add(1);
    }
}

fn zero_bits(digest: &Digest) -> u32 {
    let mut bits = 0;
    for byte in digest.0 {
        bits += byte.leading_zeros();
        if byte != 0 {
            break;
        }
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_bits_are_counted_from_the_front() {
        let with = |first: &[u8]| {
            let mut digest = Digest([0; 32]);
            digest.0[..first.len()].copy_from_slice(first);
            digest
        };
        assert_eq!(zero_bits(&with(&[0xff])), 0);
        assert_eq!(zero_bits(&with(&[0x00, 0x1f])), 11);
        assert_eq!(zero_bits(&with(&[])), 256);
    }

    #[test]
    fn a_stamp_has_the_zero_bits_that_were_asked_for_and_is_bound_to_relay_purpose_and_hour() {
        let (relay, purpose) = (RelayKey([1; 32]), Digest([2; 32]));
        let wire::Stamp { hour, counter } = work(relay, purpose, 10, 7, None);
        let check = |relay: RelayKey, purpose: Digest, hour: u64| {
            let text = wire::StampText { relay_key: relay.0.to_vec(), purpose: purpose.0.to_vec(), hour, counter }.encode_to_vec();
            zero_bits(&digest(&[context::STAMP.as_bytes(), &[0], &text]))
        };
        assert!(check(relay, purpose, hour) >= 10);
        for other in [check(RelayKey([3; 32]), purpose, hour), check(relay, Digest([3; 32]), hour), check(relay, purpose, hour + 1)] {
            assert!(other < 10, "another relay, purpose or hour needs other work");
        }
    }

    #[test]
    fn a_stamp_that_was_refused_is_not_made_again() {
        let relay = RelayKey([1; 32]);
        let ask = wire::KeyPackageAsk { name: "bob".to_owned(), suites: vec![1], stamp: None };
        let plain = wire::Request { version: 1, nonce: vec![2; 16], ask: Some(Ask::KeyPackage(ask)) }.encode_to_vec();
        let stamped = |request: &[u8], hour: u64| match make(request, relay, 6, hour) {
            Ok(Outcome::Framed { bytes, .. }) => bytes.0,
            other => panic!("no request: {other:?}"),
        };
        let stamp = |request: &[u8]| match wire::Request::decode(request).expect("a request").ask {
            Some(Ask::KeyPackage(ask)) => ask.stamp.expect("a stamp"),
            other => panic!("another request: {other:?}"),
        };
        let first = stamped(&plain, 7);
        let second = stamped(&first, 7);
        assert!(stamp(&second).counter > stamp(&first).counter);
        assert_eq!(stamp(&second), work(relay, digest(&[&[2; 16], b"bob"]), 6, 7, Some(stamp(&first))));
        // Another hour begins anew.
        assert_eq!(stamped(&first, 8), stamped(&plain, 8));
    }

    /// Reckoned by another program.
    #[test]
    fn a_stamp_is_reckoned_as_the_protocol_says() {
        let (relay, mailbox) = (RelayKey([7; 32]), [1; 16]);
        let purpose = digest(&[&mailbox, b"envelope"]);
        assert_eq!(purpose.hex(), "9a335145b4ee48cc82428a2bdc5889d2ee5d9499a1d643a7a66a12250d38f6f5");
        let asked = digest(&[&[2; 16], b"Bob"]);
        assert_eq!(asked.hex(), "5dfb9294766a0c3a2fc16b193e302d939fac06682b4a0d6a11c50fde78df1236");
        let at = |counter: u64| {
            let text = wire::StampText { relay_key: relay.0.to_vec(), purpose: purpose.0.to_vec(), hour: 497_222, counter };
            digest(&[context::STAMP.as_bytes(), &[0], &text.encode_to_vec()]).hex()
        };
        assert_eq!(at(300), "9639fc417dbfe064560113e5ca4cb71c575d80ecb888ad937ad298b3062ce0f4");
        assert_eq!(at(0), "34ee959338c18a6e1cf4703fb959ad16c765ce71c6ce06ba43aafe6dd1430e6a");
        assert!(at(22_629).starts_with("000a0b61"));
    }
}
