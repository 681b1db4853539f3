//! Archives: what of a profile can be had again, in one file. No key in it has ever sealed, or can open, a message of a group.
//!
//! ```text
//!     0  264  a keys file (see `keys`) with one key: the archive's
//!   264  128  a segment's header with the magic "THICKARC": what the journal goes on from
//!   392   …   blocks, of pieces where a segment has records
//! ```
//!
//! A piece is 2 bytes of tag, 2 of version, 4 of length, and its payload. The last one counts all: a file that was cut is none.

use crate::codec::{decode, encode_secret};
use crate::event::RECORD_HEAD_LEN;
use crate::header::Header;
use crate::keys::{Keys, Kind};
use crate::layout::Fields;
use crate::{FormatError, Key, Nonce, block};
use serde::{Deserialize, Serialize};
use thicket_types::bytes::Bytes;
use thicket_types::effect::MessageState;
use thicket_types::ids::{BodyRef, Digest, Fingerprint, MessageId, Seq};
use thicket_types::limits::{BLOCK_LEN_MAX, BLOCK_RECORDS_MAX, RECORD_LEN_MAX};
use thicket_types::name::Name;
use thicket_types::secret::Secret;
use thicket_types::time::Stamp;
use zeroize::Zeroize as _;

/// Bytes of the keys file at the front.
pub const KEYS_LEN: usize = 264;
const MAGIC: &[u8; 8] = b"THICKARC";
const PIECE_HEAD_LEN: usize = 8;
// A block's bound leaves room for a record's head before each payload.
const _: () = assert!(PIECE_HEAD_LEN <= RECORD_HEAD_LEN);

/// Bytes of the state in one piece, at most.
pub const STATE_PIECE_LEN_MAX: usize = 64 * 1024;

/// A part of what an archive holds. They stand in this order: the account, the identity, mailbox keys, the state, contacts,
/// messages, staged bodies, the end.
pub enum Piece {
    /// Whose it is; the first.
    Account(Account),
    /// The identity: a binary OpenPGP secret key, open, with the time that its signatures bear.
    Identity {
        /// Seconds since the Unix epoch.
        created_s: u64,
        /// The key.
        secret: Secret<Vec<u8>>,
    },
    /// A key that mail may have been sealed to.
    MailboxKey(MailboxKey),
    /// The next bytes of the state's encoding, at most [`STATE_PIECE_LEN_MAX`].
    State(Vec<u8>),
    /// Somebody known.
    Contact(Box<Contact>),
    /// A message.
    Message(Box<Message>),
    /// A text that waits to be sealed.
    Body(Body),
    /// How much there was; the last.
    End(Counts),
}

/// Whose archive it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Account {
    /// The name.
    pub name: Name,
    /// The certificate's fingerprint.
    pub fingerprint: Fingerprint,
    /// When the archive was made.
    pub at: Stamp,
    /// The stamp of the last record.
    pub stamp: Stamp,
    /// SHA-256 of the state's encoding.
    pub state: Digest,
    /// Bytes of it.
    pub state_len: u64,
}

/// A mailbox key.
#[derive(Serialize, Deserialize)]
pub struct MailboxKey {
    secret: [u8; 32],
    /// Its public half.
    pub public: [u8; 32],
    /// When it was made.
    pub since: Stamp,
    /// When the one after it was taken by the relay.
    pub replaced: Option<Stamp>,
}

impl MailboxKey {
    /// Takes a key in.
    pub fn new(secret: &Secret<[u8; 32]>, public: [u8; 32], since: Stamp, replaced: Option<Stamp>) -> MailboxKey {
        MailboxKey { secret: *secret.expose(), public, since, replaced }
    }

    /// Lends the private half.
    pub fn secret(&self) -> &[u8; 32] {
        &self.secret
    }
}

impl Drop for MailboxKey {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// Somebody known, as the vault has them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Contact {
    /// Their certificate's fingerprint.
    pub fingerprint: Fingerprint,
    /// Their certificate, which has their name.
    pub certificate: Bytes,
    /// What mail to them is sealed to, once they were looked up.
    pub mailbox_key: Option<[u8; 32]>,
    /// Whether the directory showed this identity under their name.
    pub pinned: bool,
    /// What they gave us to show at their mailbox.
    pub capability: Option<Bytes>,
    /// What they are to show at ours.
    pub granted: Option<Bytes>,
    /// What they were to show before.
    pub granted_before: Option<Bytes>,
    /// The number of the last message of theirs that was read; 0 for none.
    pub read_number: u64,
    /// Time of the last offer or beginning of ours.
    pub begun: Option<Stamp>,
    /// Time of the last offer of theirs.
    pub offer_claimed: Option<Stamp>,
    /// Until when groups that they began are dead to them.
    pub dead_until: Option<Stamp>,
}

/// A message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Message {
    /// Its place among all messages.
    pub number: u64,
    /// With whom.
    pub contact: Fingerprint,
    /// Whether it is ours.
    pub outgoing: bool,
    /// The sender's name for it.
    pub message: MessageId,
    /// What became of it.
    pub state: MessageState,
    /// Its text; none if it can never be read.
    pub body: Option<Body>,
    /// When it was asked for, or came.
    pub stamp: Stamp,
    /// The sender's clock, in milliseconds since the Unix epoch.
    pub claimed: u64,
    /// Why it can't be read, or failed: the number of an error; 0 for none.
    pub cause: u32,
    /// Whether its reader told that it was read before its receipt came.
    pub marked: bool,
}

/// A text, sealed nowhere else.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Body {
    /// Its name.
    pub body: BodyRef,
    /// UTF-8.
    pub text: Bytes,
}

impl Drop for Body {
    fn drop(&mut self) {
        self.text.0.zeroize();
    }
}

/// How much an archive holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Mailbox keys.
    pub mailbox_keys: u64,
    /// Contacts.
    pub contacts: u64,
    /// Messages.
    pub messages: u64,
    /// Staged bodies.
    pub bodies: u64,
}

impl Counts {
    /// Counts a piece.
    pub fn count(&mut self, piece: &Piece) {
        let one = match piece {
            Piece::MailboxKey(_) => &mut self.mailbox_keys,
            Piece::Contact(_) => &mut self.contacts,
            Piece::Message(_) => &mut self.messages,
            Piece::Body(_) => &mut self.bodies,
            Piece::Account(_) | Piece::Identity { .. } | Piece::State(_) | Piece::End(_) => return,
        };
        *one = one.saturating_add(1);
    }
}

impl Piece {
    /// Where the piece stands among the others: none comes after one of a higher number.
    pub fn order(&self) -> u16 {
        match self {
            Piece::Account(_) => 1,
            Piece::Identity { .. } => 2,
            Piece::MailboxKey(_) => 3,
            Piece::State(_) => 4,
            Piece::Contact(_) => 5,
            Piece::Message(_) => 6,
            Piece::Body(_) => 7,
            Piece::End(_) => 8,
        }
    }

    /// Appends the piece's bytes. **Errors:** `Limit` past [`RECORD_LEN_MAX`]; then nothing was appended.
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), FormatError> {
        let payload = match self {
            Piece::Account(account) => encode_secret(account)?,
            Piece::Identity { created_s, secret } => Secret::new([&created_s.to_le_bytes(), secret.expose().as_slice()].concat()),
            Piece::MailboxKey(key) => encode_secret(key)?,
            Piece::State(bytes) => Secret::new(bytes.clone()),
            Piece::Contact(contact) => encode_secret(contact)?,
            Piece::Message(message) => encode_secret(message)?,
            Piece::Body(body) => encode_secret(body)?,
            Piece::End(counts) => encode_secret(counts)?,
        };
        let payload = payload.expose();
        if payload.len() > RECORD_LEN_MAX {
            return Err(FormatError::Limit);
        }
        out.extend_from_slice(&self.order().to_le_bytes());
        out.extend_from_slice(&1_u16.to_le_bytes());
        out.extend_from_slice(&u32::try_from(payload.len()).map_err(|_| FormatError::Limit)?.to_le_bytes());
        out.extend_from_slice(payload);
        Ok(())
    }

    /// Takes one piece from the front. **Errors:** `Short`, `Limit`, `Newer` (an unknown tag or version), `Payload`.
    fn take(bytes: &[u8]) -> Result<(Piece, &[u8]), FormatError> {
        let mut fields = Fields(bytes);
        let (tag, version, len) = (fields.u16()?, fields.u16()?, fields.u32()?);
        let len = usize::try_from(len).map_err(|_| FormatError::Limit)?;
        if len > RECORD_LEN_MAX {
            return Err(FormatError::Limit);
        }
        let payload = fields.bytes(len)?;
        let piece = match (tag, version) {
            (1, 1) => Piece::Account(decode(payload)?),
            (2, 1) => {
                let mut fields = Fields(payload);
                let created_s = fields.u64().map_err(|_| FormatError::Payload)?;
                Piece::Identity { created_s, secret: Secret::new(fields.0.to_vec()) }
            }
            (3, 1) => Piece::MailboxKey(decode(payload)?),
            (4, 1) if payload.len() <= STATE_PIECE_LEN_MAX => Piece::State(payload.to_vec()),
            (5, 1) => Piece::Contact(decode(payload)?),
            (6, 1) => Piece::Message(decode(payload)?),
            (7, 1) => Piece::Body(decode(payload)?),
            (8, 1) => Piece::End(decode(payload)?),
            (4, 1) => return Err(FormatError::Limit),
            (_, _) => return Err(FormatError::Newer),
        };
        Ok((piece, fields.0))
    }
}

/// Makes the front of an archive: its keys file, which gets the archive's key, and its head. Returns the bytes, and the chain before
/// the first block.
///
/// **Shape.** `head`: the id is the archive's; the first Seq is that of the record which comes after the archive, and the chain
/// before it is the journal's there.
pub fn front(keys: &mut Keys, key: &Key, nonce: Nonce, head: &Header) -> Result<(Vec<u8>, Digest), FormatError> {
    keys.add(Kind::Segment, head.segment.0, key, nonce)?;
    let mut bytes = keys.encode()?;
    if bytes.len() != KEYS_LEN {
        return Err(FormatError::Limit);
    }
    let head = head.encode_as(MAGIC);
    let (_, chain) = Header::parse_as(MAGIC, &head)?;
    bytes.extend_from_slice(&head);
    Ok((bytes, chain))
}

/// Bytes of the front.
pub const FRONT_LEN: usize = KEYS_LEN + crate::header::HEADER_LEN;

/// Opens the front of an archive: its head, the key of its blocks, and the chain before the first.
///
/// **Errors:** as [`Keys::unlock`] and [`Header::parse`]; `Field` where the keys file has not the one key, or that does not open:
/// `Seal` is the passphrase's.
pub fn open(front: &[u8], passphrase: &Key) -> Result<(Header, Key, Digest), FormatError> {
    let (keys, head) = front.split_at_checked(KEYS_LEN).ok_or(FormatError::Short)?;
    let keys = Keys::unlock(keys, passphrase)?;
    let (head, chain) = Header::parse_as(MAGIC, head)?;
    let key = keys.key(Kind::Segment, head.segment.0).ok().flatten().ok_or(FormatError::Field)?;
    Ok((head, key, chain))
}

/// Pieces on their way into a block.
#[derive(Default)]
pub struct Gathered {
    plain: Vec<u8>,
    pieces: usize,
}

impl Drop for Gathered {
    fn drop(&mut self) {
        self.plain.zeroize();
    }
}

impl Gathered {
    /// Adds a piece. Says whether the block is full. **Errors:** `Limit` for a piece that is too long; it is not added.
    pub fn add(&mut self, piece: &Piece) -> Result<bool, FormatError> {
        // What a vector leaves behind as it grows is not wiped.
        if self.plain.capacity() == 0 {
            self.plain.reserve_exact(block::SEALED_LEN_MAX);
        }
        piece.encode(&mut self.plain)?;
        self.pieces = self.pieces.saturating_add(1);
        Ok(self.pieces >= BLOCK_RECORDS_MAX || self.plain.len() >= BLOCK_LEN_MAX)
    }

    /// Seals what was gathered into a block, if there is something, and moves the place behind it. What was gathered is wiped.
    pub fn seal(&mut self, place: &mut Place, key: &Key, nonce: Nonce) -> Result<Option<Vec<u8>>, FormatError> {
        let (plain, pieces) = (std::mem::take(&mut self.plain), std::mem::take(&mut self.pieces));
        if pieces == 0 {
            return Ok(None);
        }
        let (bytes, chain) = block::seal(key, nonce, place.chain, place.first, place.index, pieces, plain)?;
        place.pass(pieces, chain);
        Ok(Some(bytes))
    }
}

/// Where the next block stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    chain: Digest,
    first: Seq,
    index: u32,
}

impl Place {
    /// The first block's, from the chain that [`front`] or [`open`] gave.
    pub fn first(chain: Digest) -> Place {
        Place { chain, first: Seq(1), index: 0 }
    }

    fn pass(&mut self, pieces: usize, chain: Digest) {
        self.chain = chain;
        self.first = Seq(self.first.0.saturating_add(u64::try_from(pieces).unwrap_or(u64::MAX)));
        self.index = self.index.saturating_add(1);
    }
}

/// Opens a block. **Errors:** as [`block::open`].
pub fn pieces(place: &mut Place, key: &Key, bytes: &[u8]) -> Result<Vec<Piece>, FormatError> {
    let (head, plain, chain) = block::open_plain(key, place.chain, place.first, place.index, bytes)?;
    let plain = Secret::new(plain);
    let mut pieces = Vec::new();
    let mut rest = plain.expose().as_slice();
    while !rest.is_empty() {
        let (piece, after) = Piece::take(rest).map_err(|what| if what == FormatError::Newer { what } else { FormatError::Payload })?;
        pieces.push(piece);
        rest = after;
    }
    if u32::try_from(pieces.len()) != Ok(head.records) {
        return Err(FormatError::Payload);
    }
    place.pass(pieces.len(), chain);
    Ok(pieces)
}
