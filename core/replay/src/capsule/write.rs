//! Writes a capsule: the segments and blocks that the journal has, under new keys.

use super::disk::CapsuleDisk;
use super::no_passphrase;
use std::collections::BTreeMap;
use thicket_engine::{Fault, KEYS_FILE, ProfileKeys, Walked};
use thicket_journal_format::event::Record;
use thicket_journal_format::header::Header;
use thicket_journal_format::keys::Kind;
use thicket_journal_format::snapshot::{self, SnapshotHead};
use thicket_journal_format::{FormatError, Key, NONCE_LEN, Nonce, block, capsule, codec};
use thicket_reducer::State;
use thicket_types::bytes::Bytes;
use thicket_types::error::Code;
use thicket_types::ids::{Digest, RulesVersion, SegmentId, Seq};
use thicket_types::limits::{BLOCK_LEN_MAX, BLOCK_RECORDS_MAX};
use thicket_types::ports::{Disk as _, Entropy};
use thicket_types::time::Stamp;

pub(super) struct Writer<'e> {
    entropy: &'e mut dyn Entropy,
    disk: CapsuleDisk,
    keys: ProfileKeys,
    chain: Digest,
    snapshot: Option<Vec<u8>>,
    segment: Option<Segment>,
    block: Option<Block>,
}

/// The segment that is being written.
struct Segment {
    id: SegmentId,
    key: Key,
    path: String,
    bytes: Vec<u8>,
    blocks: u32,
}

/// The block that is being gathered.
struct Block {
    /// The first place of the journal's block, of which this is all or a part.
    of: Seq,
    first: Seq,
    records: usize,
    plain: Vec<u8>,
}

impl<'e> Writer<'e> {
    pub(super) fn new(entropy: &'e mut dyn Entropy) -> Result<Writer<'e>, Fault> {
        let mut disk = CapsuleDisk::default();
        let keys = ProfileKeys::create(&mut disk, entropy, &no_passphrase(), capsule::COST)?;
        Ok(Writer { entropy, disk, keys, chain: capsule::CHAIN, snapshot: None, segment: None, block: None })
    }

    /// Begins with what the records before a place came to, that one included. It carries no record's bytes: nobody asks for them.
    pub(super) fn begin(&mut self, rules: RulesVersion, seq: Seq, stamp: Stamp, state: &State) -> Result<(), Fault> {
        let (mut id, mut nonce) = ([0; 16], [0; NONCE_LEN]);
        self.entropy.fill(&mut id);
        self.entropy.fill(&mut nonce);
        let key = self.keys.make(&mut self.disk, self.entropy, Kind::Snapshot, id)?;
        let head = SnapshotHead { rules, seq, stamp, chain: self.chain, id };
        let carried: BTreeMap<Seq, Bytes> = BTreeMap::new();
        let state = codec::encode(&(carried, state))?;
        self.snapshot = Some(snapshot::seal(&key, Nonce(nonce), &head, state).map_err(too_large)?);
        Ok(())
    }

    /// Writes a record in place of the one that was walked by.
    pub(super) fn put(&mut self, walked: &Walked<'_>, record: &Record) -> Result<(), Fault> {
        let mut bytes = Vec::new();
        record.encode(&mut bytes)?;
        // What is rounded up may need more room than its block had.
        let fits = |block: &Block| {
            block.of == walked.block.first()
                && block.records < BLOCK_RECORDS_MAX
                && block.plain.len().saturating_add(bytes.len()) <= BLOCK_LEN_MAX
        };
        if !self.block.as_ref().is_some_and(fits) {
            self.end_block()?;
        }
        if self.segment.as_ref().is_none_or(|segment| segment.id != walked.place.segment) {
            self.end_segment()?;
            self.begin_segment(walked, record)?;
        }
        let (of, first) = (walked.block.first(), walked.place.seq);
        let block = self.block.get_or_insert_with(|| Block { of, first, records: 0, plain: Vec::new() });
        block.records += 1;
        block.plain.append(&mut bytes);
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Vec<u8>, Fault> {
        self.end_block()?;
        self.end_segment()?;
        let keys = self.disk.read(KEYS_FILE)?;
        let segments: Vec<&[u8]> = self.disk.files().filter(|(path, _)| *path != KEYS_FILE).map(|(_, bytes)| bytes).collect();
        capsule::encode(&keys, self.snapshot.as_deref(), &segments).map_err(too_large)
    }

    fn begin_segment(&mut self, walked: &Walked<'_>, record: &Record) -> Result<(), Fault> {
        let id = walked.place.segment;
        let header = Header { segment: id, rules: walked.rules, first: walked.place.seq, created: record.stamp, previous: self.chain };
        let key = self.keys.make(&mut self.disk, self.entropy, Kind::Segment, id.0)?;
        let bytes = header.encode();
        self.chain = Header::parse(&bytes)?.1;
        let path = format!("journal/{}", header.file_name());
        self.segment = Some(Segment { id, key, path, bytes, blocks: 0 });
        Ok(())
    }

    fn end_block(&mut self) -> Result<(), Fault> {
        let (Some(Block { of: _, first, records, plain }), Some(segment)) = (self.block.take(), self.segment.as_mut()) else {
            return Ok(());
        };
        let mut nonce = [0; NONCE_LEN];
        self.entropy.fill(&mut nonce);
        let (bytes, after) = block::seal(&segment.key, Nonce(nonce), self.chain, first, segment.blocks, records, plain)?;
        segment.bytes.extend_from_slice(&bytes);
        segment.blocks = segment.blocks.saturating_add(1);
        self.chain = after;
        Ok(())
    }

    fn end_segment(&mut self) -> Result<(), Fault> {
        if let Some(segment) = self.segment.take() {
            self.disk.create(&segment.path, &segment.bytes)?;
        }
        Ok(())
    }
}

fn too_large(what: FormatError) -> Fault {
    match what {
        FormatError::Limit => Fault::from(Code::FileTooLarge),
        other => Fault::from(other),
    }
}
