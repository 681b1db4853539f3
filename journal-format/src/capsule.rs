//! A capsule: a redacted journal in one file, that opens without a passphrase.
//!
//! ```text
//!    0   8  magic "THICKCAP"        16   4  bytes of the keys file
//!    8   2  format version          20   …  the keys file, whose passphrase is empty
//!   10   2  suite                    …   …  a snapshot or nothing, behind its length (4 bytes)
//!   12   4  segments                 …   …  segments, each behind its length (4 bytes)
//!                                    …  32  SHA-256 of all before
//! ```
//!
//! Everything in it is what a profile's folder holds, so that it is read, walked and checked as one. The snapshot holds what records
//! came to that are not in it: the first segment goes on from there.

use crate::header::Header;
use crate::keys::Cost;
use crate::layout::{Fields, preamble};
use crate::{FormatError, TAG_LEN, digest, snapshot};
use thicket_types::ids::Digest;
use thicket_types::limits::{CAPSULE_LEN_MAX, CAPSULE_STATE_LEN_MAX, SEGMENTS_KEPT_MAX};

/// What a capsule begins with: it tells one from other files.
pub const MAGIC: &[u8; 8] = b"THICKCAP";

/// What the passphrase's key of a capsule costs: nothing, since there is no passphrase. Another cost is damage, so that no file of
/// a stranger has its reader work.
pub const COST: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

/// A capsule's parts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parts {
    /// The keys file.
    pub keys: Vec<u8>,
    /// The snapshot that the first segment goes on from, with the name that it has in a profile; `None` if that is the beginning.
    pub snapshot: Option<(String, Vec<u8>)>,
    /// Each segment with the name that it has in a profile, in the order of the file.
    pub segments: Vec<(String, Vec<u8>)>,
}

/// The chain that a capsule begins under, with a snapshot as without: that of its journal would be known again.
pub const CHAIN: Digest = Digest([0; 32]);

/// Writes a capsule. **Errors:** `Limit` past [`CAPSULE_LEN_MAX`], [`CAPSULE_STATE_LEN_MAX`], or [`SEGMENTS_KEPT_MAX`] segments.
pub fn encode(keys: &[u8], snapshot: Option<&[u8]>, segments: &[&[u8]]) -> Result<Vec<u8>, FormatError> {
    if segments.len() > SEGMENTS_KEPT_MAX {
        return Err(FormatError::Limit);
    }
    if snapshot.is_some_and(is_too_long) {
        return Err(FormatError::Limit);
    }
    let mut bytes = preamble(MAGIC);
    bytes.extend_from_slice(&len(segments.len())?);
    for part in [keys, snapshot.unwrap_or_default()].iter().chain(segments) {
        bytes.extend_from_slice(&len(part.len())?);
        bytes.extend_from_slice(part);
        if bytes.len() > CAPSULE_LEN_MAX.saturating_sub(CHECK_LEN) {
            return Err(FormatError::Limit);
        }
    }
    let check = digest(&[&bytes]);
    bytes.extend_from_slice(&check.0);
    Ok(bytes)
}

/// Takes a capsule apart. What is in its parts is checked by who reads them.
///
/// **Errors:** `Magic`, `Newer`; `Limit`; `Check` if a byte was altered; `Short`, `Field` for parts that do not fill it; the
/// snapshot's header's own, `Place` if it stands under another chain than [`CHAIN`]; a segment's header's own.
pub fn parse(bytes: &[u8]) -> Result<Parts, FormatError> {
    Fields(bytes).preamble(MAGIC)?;
    if bytes.len() > CAPSULE_LEN_MAX {
        return Err(FormatError::Limit);
    }
    let (checked, check) = bytes.split_at_checked(bytes.len().saturating_sub(CHECK_LEN)).ok_or(FormatError::Short)?;
    if digest(&[checked]).0.as_slice() != check {
        return Err(FormatError::Check);
    }
    let mut fields = Fields(checked);
    fields.preamble(MAGIC)?;
    let count = usize::try_from(fields.u32()?).map_err(|_| FormatError::Limit)?;
    if count > SEGMENTS_KEPT_MAX {
        return Err(FormatError::Limit);
    }
    let keys = part(&mut fields)?;
    let snapshot = part(&mut fields)?;
    if is_too_long(&snapshot) {
        return Err(FormatError::Limit);
    }
    let segments: Vec<Vec<u8>> = (0..count).map(|_| part(&mut fields)).collect::<Result<_, _>>()?;
    if !fields.0.is_empty() {
        return Err(FormatError::Field);
    }
    let snapshot = if snapshot.is_empty() {
        None
    } else {
        let head = snapshot::head(&snapshot)?;
        if head.chain != CHAIN {
            return Err(FormatError::Place);
        }
        Some((snapshot::file_name(head.seq), snapshot))
    };
    let named = |segment: Vec<u8>| Header::parse(&segment).map(|(header, _)| (header.file_name(), segment));
    let segments = segments.into_iter().map(named).collect::<Result<_, _>>()?;
    Ok(Parts { keys, snapshot, segments })
}

/// Whether a snapshot holds more than the state that a capsule may begin with.
fn is_too_long(bytes: &[u8]) -> bool {
    bytes.len() > snapshot::HEAD_LEN.saturating_add(CAPSULE_STATE_LEN_MAX).saturating_add(TAG_LEN)
}

fn part(fields: &mut Fields<'_>) -> Result<Vec<u8>, FormatError> {
    let len = usize::try_from(fields.u32()?).map_err(|_| FormatError::Limit)?;
    Ok(fields.bytes(len)?.to_vec())
}

fn len(count: usize) -> Result<[u8; 4], FormatError> {
    Ok(u32::try_from(count).map_err(|_| FormatError::Limit)?.to_le_bytes())
}

/// Bytes of the check at its end.
const CHECK_LEN: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::SnapshotHead;
    use crate::{Key, NONCE_LEN, Nonce};
    use thicket_types::ids::{RulesVersion, SegmentId, Seq};
    use thicket_types::time::Stamp;

    fn segment(first: u64) -> Vec<u8> {
        let header =
            Header { segment: SegmentId([9; 16]), rules: RulesVersion(1), first: Seq(first), created: Stamp(5), previous: Digest([0; 32]) };
        [header.encode(), vec![7; 40]].concat()
    }

    fn snapshot(place: u64, chain: Digest) -> Vec<u8> {
        let head = SnapshotHead { rules: RulesVersion(1), seq: Seq(place), stamp: Stamp(5), chain, id: [3; 16] };
        snapshot::seal(&Key::new([1; 32]), Nonce([2; NONCE_LEN]), &head, vec![4; 30]).expect("room")
    }

    #[test]
    fn a_capsule_gives_back_its_parts_and_each_segment_its_name() {
        let (segments, snapshot) = ([segment(1), segment(300)], snapshot(0x2a, CHAIN));
        let bytes = encode(b"keys", Some(&snapshot), &[&segments[0], &segments[1]]).expect("room");
        let parts = parse(&bytes).expect("whole");
        assert_eq!(parts.keys, b"keys");
        assert_eq!(parts.snapshot, Some(("000000000000002a.snap".to_owned(), snapshot)));
        let names: Vec<&str> = parts.segments.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            ["0000000000000001-09090909090909090909090909090909.seg", "000000000000012c-09090909090909090909090909090909.seg"]
        );
        assert!(parts.segments.iter().map(|(_, bytes)| bytes).eq(&segments));
        let none = Parts { keys: Vec::new(), snapshot: None, segments: Vec::new() };
        assert_eq!(parse(&encode(b"", None, &[]).expect("room")).expect("whole"), none);
    }

    #[test]
    fn a_snapshot_of_a_capsule_is_no_longer_than_its_state_may_be() {
        let of = |len: usize| {
            let head = SnapshotHead { rules: RulesVersion(1), seq: Seq(42), stamp: Stamp(5), chain: CHAIN, id: [3; 16] };
            snapshot::seal(&Key::new([1; 32]), Nonce([2; NONCE_LEN]), &head, vec![4; len]).expect("room")
        };
        let (longest, longer) = (of(CAPSULE_STATE_LEN_MAX), of(CAPSULE_STATE_LEN_MAX + 1));
        assert!(parse(&encode(b"keys", Some(&longest), &[&segment(43)]).expect("room")).is_ok());
        assert_eq!(encode(b"keys", Some(&longer), &[]), Err(FormatError::Limit));
        let mut plain = preamble(MAGIC);
        for part in [&0_u32.to_le_bytes()[..], &len(0).expect("none"), &len(longer.len()).expect("small"), &longer] {
            plain.extend_from_slice(part);
        }
        assert_eq!(parse(&[&plain[..], &digest(&[&plain]).0].concat()), Err(FormatError::Limit));
    }

    #[test]
    fn a_snapshot_of_a_capsule_is_one_and_tells_no_chain() {
        let parsed = |snapshot: &[u8]| parse(&encode(b"keys", Some(snapshot), &[&segment(43)]).expect("room")).err();
        assert_eq!(parsed(&snapshot(42, CHAIN)), None);
        assert_eq!(parsed(&snapshot(42, Digest([1; 32]))), Some(FormatError::Place));
        assert_eq!(parsed(&snapshot(42, CHAIN)[..127]), Some(FormatError::Short));
        assert_eq!(parsed(&segment(42)), Some(FormatError::Magic));
        let mut altered = snapshot(42, CHAIN);
        altered[20] ^= 1;
        assert_eq!(parsed(&altered), Some(FormatError::Check));
    }

    #[test]
    fn a_capsule_that_is_cut_or_altered_anywhere_is_none() {
        let segment = segment(43);
        let bytes = encode(b"keys", Some(&snapshot(42, CHAIN)), &[&segment]).expect("room");
        for len in 0..bytes.len() {
            assert!(parse(&bytes[..len]).is_err(), "{len}");
        }
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            let newer = (8..12).contains(&at);
            let what = parse(&altered).expect_err("altered");
            assert_eq!(what == FormatError::Newer, newer, "{at}: {what}");
        }
        // Under a check that holds: parts that claim more than there is, or leave something over.
        let checked = |plain: &[u8]| parse(&[plain, &digest(&[plain]).0].concat());
        let plain = &bytes[..bytes.len() - CHECK_LEN];
        assert!(checked(plain).is_ok());
        assert_eq!(checked(&[plain, b"x"].concat()), Err(FormatError::Field));
        assert_eq!(checked(&plain[..plain.len() - 1]), Err(FormatError::Short));
        let mut many = plain.to_vec();
        many[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(checked(&many), Err(FormatError::Limit));
        let mut long = plain.to_vec();
        long[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(checked(&long), Err(FormatError::Short));
        let mut longer = plain.to_vec();
        longer[24..28].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(checked(&longer), Err(FormatError::Short));
    }
}
