//! Stamps: work that is done for one request, so that a stranger's mail and key packages cost something, and no name.
//!
//! ```text
//!   purpose    Put             SHA-256( mailbox, 16 bytes || envelope )
//!              KeyPackageAsk   SHA-256( nonce of the request, 16 bytes || name as it stands in the ask, UTF-8 )
//!              CreateLog      SHA-256( the CreateLog without its stamp, as protobuf, fields in order )
//!   text       StampText { 1: relay_key, 2: purpose, 3: hour, 4: counter } as protobuf, fields in order, none that is zero:
//!              0a 20 relay_key(32)  12 20 purpose(32)  18 varint(hour)  20 varint(counter)
//!   digest     SHA-256( "thicket.stamp.v1" || 00 || text )
//!   good       digest begins with as many zero bits as are asked for, the first byte's highest bit first, and hour is the
//!              relay's hour (milliseconds since the epoch / 3,600,000) or the one before
//! ```
//!
//! A stamp is bound to its relay, and to one request. An ask's is noted when it is spent. A put's needs no note: its envelope is
//! stored once, and what is stored already asks for no stamp. So it is with a log.

use crate::{Policy, Refused, Scope};
use alloc::vec::Vec;
use prost::Message as _;
use thicket_types::error::Code;
use thicket_types::ids::{Digest, MailboxId, RelayKey};
use thicket_types::limits::{KEY_PACKAGES, STAMP_BITS_MAX, STAMPS_SPENT_MAX, STAMPS_SPENT_NAME_MAX};
use thicket_types::ports::{Stock, Verify};
use thicket_types::time;
use thicket_types::wire::context;
use thicket_types::wire::relay::{CreateLog, Stamp, StampText};

/// Bits that come on top as a request box fills.
const BOX_RISE: u32 = 8;
/// Bits that come on top as a stock of key packages shrinks.
const STOCK_RISE: u32 = 6;
/// Bits that come on top of an ask's as the relay remembers ever more stamps as spent: whoever would fill that place for all
/// works ever more for it, and less and less is gained. Likewise for what was spent on one name.
const SPENT_RISE: u32 = 10;
/// Milliseconds of an hour.
const HOUR: u64 = 3_600_000;

/// What a stamp for a put is bound to.
pub fn put_purpose(verify: &dyn Verify, mailbox: MailboxId, envelope: &[u8]) -> Digest {
    verify.digest(&[&mailbox.0, envelope].concat())
}

/// What a stamp for a key package is bound to: the request's nonce, and the name as it stands in the ask.
pub fn ask_purpose(verify: &dyn Verify, nonce: &[u8], name: &str) -> Digest {
    verify.digest(&[nonce, name.as_bytes()].concat())
}

/// What a stamp for a log is bound to: all that it is created with.
pub fn log_purpose(verify: &dyn Verify, create: &CreateLog) -> Digest {
    verify.digest(&CreateLog { stamp: None, ..create.clone() }.encode_to_vec())
}

/// The digest that must begin with zero bits.
pub fn digest(verify: &dyn Verify, relay: RelayKey, purpose: Digest, stamp: &Stamp) -> Digest {
    let Stamp { hour, counter } = *stamp;
    let mut text = Vec::from(context::STAMP.as_bytes());
    text.push(0);
    let fields = StampText { relay_key: relay.0.to_vec(), purpose: purpose.0.to_vec(), hour, counter };
    text.extend_from_slice(&fields.encode_to_vec());
    verify.digest(&text)
}

/// Zero bits that a digest begins with.
pub fn zero_bits(digest: &Digest) -> u32 {
    let mut bits = 0;
    for byte in digest.0 {
        bits += byte.leading_zeros();
        if byte != 0 {
            break;
        }
    }
    bits
}

/// The hour of a time, as stamps count them.
pub fn hour(at: time::Stamp) -> u64 {
    at.0 / HOUR
}

/// Bits that a put into a request box with so many items needs: the base while it is empty, 8 more when it is full.
pub(crate) fn put_bits(policy: &Policy, requests: u64) -> u32 {
    rising(policy.stamp_bits, BOX_RISE, requests, policy.request_box_items_max)
}

/// Bits that a key package out of such a stock needs: the base while there are [`KEY_PACKAGES`], 6 more when there is none; and
/// 10 more when the relay remembers as many stamps as spent as it can, of all or on this name.
pub(crate) fn ask_bits(policy: &Policy, stock: Stock, spent: u64, spent_on: u64) -> u32 {
    let gone = u64::from(KEY_PACKAGES.saturating_sub(stock.one_time));
    let of_stock = rising(policy.stamp_bits, STOCK_RISE, gone, u64::from(KEY_PACKAGES));
    let of_all = rising(of_stock, SPENT_RISE, spent, u64::try_from(STAMPS_SPENT_MAX).unwrap_or(u64::MAX));
    of_all.max(rising(of_stock, SPENT_RISE, spent_on, STAMPS_SPENT_NAME_MAX))
}

/// The base and, of the rise, as much as of the whole is reached; never more than a client works for.
fn rising(base: u32, rise: u32, part: u64, whole: u64) -> u32 {
    if base == 0 {
        return 0;
    }
    let risen = u64::from(rise).saturating_mul(part.min(whole)).checked_div(whole).and_then(|risen| u32::try_from(risen).ok());
    base.saturating_add(risen.unwrap_or(rise)).min(STAMP_BITS_MAX)
}

/// A stamp that holds: its digest, and until when it would.
pub(crate) struct Held {
    pub(crate) digest: Digest,
    pub(crate) until: time::Stamp,
}

/// Checks the stamp of a request. `None` if none is asked for.
///
/// **Errors:** `StampNeeded` with the bits, if there is none, it is of another hour, relay or request, or begins with too few.
pub(crate) fn held(scope: &Scope<'_>, stamp: Option<&Stamp>, purpose: impl FnOnce() -> Digest, bits: u32) -> Result<Option<Held>, Refused> {
    if bits == 0 {
        return Ok(None);
    }
    let now = hour(scope.now);
    let stamp = stamp.filter(|stamp| stamp.hour == now || stamp.hour.checked_add(1) == Some(now)).ok_or(needed(bits))?;
    let digest = digest(scope.verify, scope.relay, purpose(), stamp);
    if zero_bits(&digest) < bits {
        return Err(needed(bits));
    }
    Ok(Some(Held { digest, until: time::Stamp(stamp.hour.saturating_add(2).saturating_mul(HOUR)) }))
}

/// The refusal that tells how much work is asked for now.
pub(crate) fn needed(bits: u32) -> Refused {
    Refused { code: Code::StampNeeded, stamp_bits: bits }
}
