//! Archives as streams: written piece by piece, read the same way, and the journal that a restored profile begins with.

use crate::Fault;
use crate::journal::{NextBlock, Unwritten, Writer};
use crate::keys::{ProfileKeys, derive, nonce, random};
use crate::snapshots::{self, Carried};
use std::io::{ErrorKind, Read, Write};
use thicket_journal_format::archive::{self, Account, Counts, FRONT_LEN, Gathered, Piece, Place};
use thicket_journal_format::block::{BLOCK_HEAD_LEN, BlockHead};
use thicket_journal_format::event::Record;
use thicket_journal_format::header::Header;
use thicket_journal_format::keys::{Cost, Front};
use thicket_journal_format::{FormatError, Key, codec, digest};
use thicket_types::error::Code;
use thicket_types::event::Event;
use thicket_types::ids::{Digest, IntentId, SegmentId, Seq};
use thicket_types::intent::Intent;
use thicket_types::limits::SNAPSHOT_LEN_MAX;
use thicket_types::ports::{Disk, Durable, Entropy, Reducer};
use thicket_types::secret::Secret;
use thicket_types::time::Stamp;

/// A journal's end, and the state there: what a profile is archived at, and restored to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cut<S> {
    /// The last block.
    pub durable: Durable,
    /// Its stamp.
    pub stamp: Stamp,
    /// The state after it.
    pub state: S,
}

impl<S: serde::Serialize + serde::de::DeserializeOwned> Cut<S> {
    /// The state's digest and encoding.
    pub fn encoded(&self) -> Result<(Digest, Vec<u8>), Fault> {
        let bytes = codec::encode(&self.state)?;
        Ok((digest(&[&bytes]), bytes))
    }
}

/// The key of an archive that is about to be written: it takes the time that the passphrase is stretched for.
pub struct ArchiveKeys(ProfileKeys);

impl ArchiveKeys {
    /// Stretches the passphrase by this cost.
    pub fn make(entropy: &mut dyn Entropy, passphrase: &Secret<Vec<u8>>, cost: Cost) -> Result<ArchiveKeys, Fault> {
        ProfileKeys::make_all(entropy, passphrase, cost).map(ArchiveKeys)
    }
}

/// Writes an archive. Nothing of it is of use before [`ArchiveWriter::end`].
pub struct ArchiveWriter<'w> {
    out: &'w mut dyn Write,
    entropy: &'w mut dyn Entropy,
    key: Key,
    place: Place,
    gathered: Gathered,
    counts: Counts,
    len: u64,
}

impl<'w> ArchiveWriter<'w> {
    /// Begins an archive of a cut by writing its front.
    pub fn begin<R: Reducer>(
        out: &'w mut dyn Write,
        entropy: &'w mut dyn Entropy,
        keys: ArchiveKeys,
        durable: Durable,
        at: Stamp,
    ) -> Result<ArchiveWriter<'w>, Fault> {
        let head = Header {
            segment: SegmentId(random(entropy)),
            rules: R::RULES,
            first: durable.seq.next(),
            created: at,
            previous: durable.chain,
        };
        let ArchiveKeys(mut keys) = keys;
        let key = Key::new(random(entropy));
        let (front, chain) = archive::front(keys.keys_mut(), &key, nonce(entropy), &head)?;
        let mut writer = ArchiveWriter {
            out,
            entropy,
            key,
            place: Place::first(chain),
            gathered: Gathered::default(),
            counts: Counts::default(),
            len: 0,
        };
        writer.write(&front)?;
        Ok(writer)
    }

    /// Adds a piece; in their order, and not the last one. **Errors:** the disk's.
    pub fn put(&mut self, piece: &Piece) -> Result<(), Code> {
        self.counts.count(piece);
        if self.gathered.add(piece).map_err(|_| Code::Inconsistent)? { self.seal() } else { Ok(()) }
    }

    /// Adds the last piece. Returns how many bytes the archive has, and of what.
    pub fn end(mut self) -> Result<(u64, Counts), Fault> {
        self.put(&Piece::End(self.counts))?;
        self.seal()?;
        Ok((self.len, self.counts))
    }

    fn seal(&mut self) -> Result<(), Code> {
        let sealed = self.gathered.seal(&mut self.place, &self.key, nonce(self.entropy)).map_err(|_| Code::Inconsistent)?;
        sealed.map_or(Ok(()), |block| self.write(&block))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Code> {
        self.len = self.len.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.out.write_all(bytes).map_err(|error| Code::from(crate::disk_error(&error)))
    }
}

/// Reads an archive, and refuses it where it is not whole: each piece in its place, and all of them.
pub struct ArchiveReader<'r> {
    input: &'r mut dyn Read,
    key: Key,
    place: Place,
    head: Header,
    opened: std::vec::IntoIter<Piece>,
    order: u16,
    counts: Counts,
    len: u64,
}

impl<'r> ArchiveReader<'r> {
    /// Reads the front and opens it. **Errors:** `WrongPassphrase`, `ArchiveDamaged` also for what is no archive, `ProfileNewer`,
    /// the disk's.
    pub fn begin<R: Reducer>(input: &'r mut dyn Read, passphrase: &Secret<Vec<u8>>) -> Result<ArchiveReader<'r>, Fault> {
        let mut front = vec![0; FRONT_LEN];
        // The magic and the version first: what is shorter may be of a newer version.
        let had = fill(input, &mut front)?;
        front.truncate(had);
        let parsed = Front::parse(&front).map_err(damaged)?;
        if had < FRONT_LEN {
            return Err(Fault::from(Code::ArchiveDamaged));
        }
        let (head, key, chain) = archive::open(&front, &derive(passphrase, &parsed)?).map_err(|what| match what {
            FormatError::Seal => Fault::from(Code::WrongPassphrase),
            other => damaged(other),
        })?;
        if head.rules > R::RULES {
            return Err(Fault::from(Code::ProfileNewer));
        }
        let len = u64::try_from(had).unwrap_or(u64::MAX);
        let (place, opened) = (Place::first(chain), Vec::new().into_iter());
        Ok(ArchiveReader { input, key, place, head, opened, order: 0, counts: Counts::default(), len })
    }

    /// The last block of the journal that was archived.
    pub fn durable(&self) -> Durable {
        Durable { seq: Seq(self.head.first.0.saturating_sub(1)), chain: self.head.previous }
    }

    /// Bytes read so far.
    pub fn read_len(&self) -> u64 {
        self.len
    }

    /// How much was read so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The next piece; none after the last one. **Errors:** `ArchiveDamaged`, `ProfileNewer`, the disk's.
    pub fn piece(&mut self) -> Result<Option<Piece>, Fault> {
        loop {
            let Some(piece) = self.opened.next() else {
                if self.order == LAST {
                    return Ok(None);
                }
                self.opened = self.block()?.into_iter();
                continue;
            };
            // The account is one, and the first; the identity is one; the end is one, and nothing follows.
            let once = matches!(piece, Piece::Account(_) | Piece::Identity { .. } | Piece::End(_));
            let (before, order) = (self.order, piece.order());
            let in_place = order >= before && (order > before || !once) && (before > 0 || order == 1) && (before != 1 || order == 2);
            if !in_place {
                return Err(Fault::from(Code::ArchiveDamaged));
            }
            self.order = order;
            self.counts.count(&piece);
            let Piece::End(counts) = piece else {
                return Ok(Some(piece));
            };
            if counts != self.counts || self.opened.next().is_some() || fill(self.input, &mut [0])? > 0 {
                return Err(Fault::from(Code::ArchiveDamaged));
            }
        }
    }

    fn block(&mut self) -> Result<Vec<Piece>, Fault> {
        let mut block = vec![0; BLOCK_HEAD_LEN];
        if fill(self.input, &mut block)? < BLOCK_HEAD_LEN {
            return Err(Fault::from(Code::ArchiveDamaged));
        }
        let len = BlockHead::parse(&block).map_err(damaged)?.block_len();
        block.resize(len, 0);
        let sealed = block.get_mut(BLOCK_HEAD_LEN..).ok_or(Code::ArchiveDamaged)?;
        if fill(self.input, sealed)? < sealed.len() {
            return Err(Fault::from(Code::ArchiveDamaged));
        }
        self.len = self.len.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        archive::pieces(&mut self.place, &self.key, &block).map_err(damaged)
    }
}

/// The number of the last piece.
const LAST: u16 = 8;

fn damaged(what: FormatError) -> Fault {
    Fault::from(if what == FormatError::Newer { Code::ProfileNewer } else { Code::ArchiveDamaged })
}

/// Reads until the bytes are full or there are no more; says how many came.
fn fill(input: &mut dyn Read, bytes: &mut [u8]) -> Result<usize, Fault> {
    let mut had = 0_usize;
    while let Some(rest) = bytes.get_mut(had..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(more) => had = had.saturating_add(more),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Fault::from(crate::disk_error(&error))),
        }
    }
    Ok(had)
}

/// The state of an archive, gathered from its pieces.
pub struct ArchivedState {
    bytes: Vec<u8>,
    digest: Digest,
    len: usize,
}

impl ArchivedState {
    /// Awaits the state that the account tells of. **Errors:** `ArchiveDamaged` for one that is too long.
    pub fn awaited(account: &Account) -> Result<ArchivedState, Fault> {
        let len = usize::try_from(account.state_len).ok().filter(|len| *len <= SNAPSHOT_LEN_MAX).ok_or(Code::ArchiveDamaged)?;
        Ok(ArchivedState { bytes: Vec::new(), digest: account.state, len })
    }

    /// Takes the next bytes. **Errors:** `ArchiveDamaged` for more than were told of.
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if self.bytes.len().saturating_add(bytes.len()) > self.len {
            return Err(Fault::from(Code::ArchiveDamaged));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// The state. **Errors:** `ArchiveDamaged` if it is not the one that was told of.
    pub fn decode<S: serde::de::DeserializeOwned>(self) -> Result<S, Fault> {
        if self.bytes.len() != self.len || digest(&[&self.bytes]) != self.digest {
            return Err(Fault::from(Code::ArchiveDamaged));
        }
        codec::decode_large(&self.bytes).map_err(|_| Fault::from(Code::ArchiveDamaged))
    }
}

/// Writes the journal of a profile that is restored: the state as a snapshot, and after it the record that says so. The keys are
/// those of a profile that has no file of them yet.
///
/// **Errors:** the disk's. The profile is none until its keys are written.
pub fn begin_restored<R: Reducer>(
    disk: &mut dyn Disk,
    keys: &mut ProfileKeys,
    entropy: &mut dyn Entropy,
    cut: &Cut<R::State>,
    now: Stamp,
) -> Result<(), Fault> {
    if cut.durable.seq > Seq::ZERO {
        // What it names is not carried: the first record lets go of it.
        snapshots::write::<R>(disk, keys, entropy, cut, &Carried::new())?;
    }
    let event = Event::Requested { id: IntentId(random(entropy)), intent: Intent::Restore };
    let record = Record { stamp: cut.stamp.max(now), event };
    let mut plain = Vec::new();
    record.encode(&mut plain)?;
    let next = NextBlock { stamp: record.stamp, records: 1, plain: &mut plain };
    let appended = Writer::new(R::RULES, entropy).append(disk, keys, entropy, cut.durable, next);
    appended.map(|_| ()).map_err(|Unwritten { fault, cut: _ }| fault)
}
