//! Ids: every one a type of its own, so that no two can be mixed up. Bytes in the journal, and lower-case hex where people read, from
//! which nothing is read back.

use alloc::string::String;
use core::fmt::{self, Write as _};
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Reads an id's bytes in a loop: serde's own reading of an array is unrolled, calls for each byte, and takes twice as long.
struct Array<const LEN: usize>;

impl<'de, const LEN: usize> Visitor<'de> for Array<LEN> {
    type Value = [u8; LEN];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LEN} bytes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<[u8; LEN], A::Error> {
        let mut bytes = [0; LEN];
        for (position, byte) in bytes.iter_mut().enumerate() {
            *byte = seq.next_element()?.ok_or_else(|| A::Error::invalid_length(position, &self))?;
        }
        Ok(bytes)
    }
}

/// Declares an id of a fixed number of bytes: ordered, printable as lower-case hex, opaque to every fold.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_tuple($len, Array::<$len>).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
            }
        }

        impl $name {
            /// Bytes of this id.
            pub const LEN: usize = $len;

            /// Takes the id from a slice; `None` unless the length is [`Self::LEN`].
            pub fn parse(bytes: &[u8]) -> Option<Self> {
                <[u8; $len]>::try_from(bytes).ok().map(Self)
            }

            /// The id as lower-case hex.
            pub fn hex(&self) -> String {
                let mut text = String::with_capacity($len * 2);
                for byte in self.0 {
                    // Writing to a String cannot fail.
                    let _ = write!(text, "{byte:02x}");
                }
                text
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "("))?;
                for byte in self.0.iter().take(4) {
                    write!(f, "{byte:02x}")?;
                }
                f.write_str("…)")
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for byte in self.0 {
                    write!(f, "{byte:02x}")?;
                }
                Ok(())
            }
        }
    };
}

id! {
    /// Names a segment of the journal: 128 random bits, never used twice, so that a copied or torn journal issues no old EffectId.
    SegmentId, 16
}
id! {
    /// Names an Intent, made by the caller before its first try; a repeat within 24 hours gets the first answer.
    IntentId, 16
}
id! {
    /// SHA-256 of a request's bytes or of an envelope's sealed bytes. A resend has the same bytes, so the same id.
    FrameId, 32
}
id! {
    /// Names a body in the vault; random, says nothing of its content.
    BodyRef, 16
}
id! {
    /// Names a message in a conversation. It is the IntentId of the send that asked for it.
    MessageId, 16
}
id! {
    /// Fingerprint of an OpenPGP v4 certificate (RFC 9580 §5.5.4.1): SHA-1 over the primary key packet.
    Fingerprint, 20
}
id! {
    /// A mailbox at a relay; random, so that what names it names no person.
    MailboxId, 16
}
id! {
    /// A group of people: random, made with it. Its MLS group has the same id.
    GroupId, 16
}
id! {
    /// A group's log at a relay; random, so that it names no group.
    LogId, 16
}
id! {
    /// Which life of its store a relay is in: another one after it was restored from a backup.
    Incarnation, 16
}
id! {
    /// A relay's Ed25519 public key: its identity, pinned by clients.
    RelayKey, 32
}
id! {
    /// A conversation of two: SHA-256 of `thicket.conversation.v1` and both identities' fingerprints in order. Not an MLS group id.
    ConversationId, 32
}
id! {
    /// What the transport calls one lane of one client, for as long as the lane lives (Nym: the sender tag).
    LaneTag, 16
}
id! {
    /// A SHA-256 digest: of a block, of a `State`, of a vault op.
    Digest, 32
}

/// A record's place in the journal: 1 for the first, then one more for each. Never reused within a profile.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Seq(pub u64);

impl Seq {
    /// The place before the first record.
    pub const ZERO: Seq = Seq(0);

    /// The next place.
    pub fn next(self) -> Seq {
        Seq(self.0.saturating_add(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names an effect: the record that asked for it, and its index among that record's effects.
///
/// Known before the block that holds the record exists, and independent of how records were batched.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct EffectId {
    /// The record's place.
    pub seq: Seq,
    /// Index among the record's effects.
    pub index: u32,
    /// The segment that the record stands in.
    pub segment: SegmentId,
}

/// The version of the rules that a record is folded by, named in its segment's header.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct RulesVersion(pub u32);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Bytes;

    #[test]
    fn ids_and_bytes_are_hex_where_people_read() {
        assert_eq!(serde_json::to_string(&MessageId([0xab; 16])).expect("an id"), alloc::format!("\"{}\"", "ab".repeat(16)));
        assert_eq!(serde_json::to_string(&Bytes(alloc::vec![0, 10, 255])).expect("bytes"), "\"000aff\"");
    }
}
