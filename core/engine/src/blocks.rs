//! A segment's blocks, read part by part, opened, and hashed for the chain: all that a walk does before anybody sees a record.
//!
//! ```text
//!   a short segment:   read → hash → open → decode → visit
//!   a long one:        read → hash → open → decode ══ stretches ══→ visit      on two threads
//!                                           drop  ←══ stretches ═══╯
//! ```

use crate::Fault;
use std::mem;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use thicket_journal_format::block::{self, BlockHead};
use thicket_journal_format::event::Record;
use thicket_journal_format::header::HEADER_LEN;
use thicket_journal_format::{FormatError, Key};
use thicket_types::ids::{Digest, Seq};
use thicket_types::limits::STRETCHES_AHEAD_MAX;
use thicket_types::ports::{Disk, DiskError};

/// Bytes of a file that are read at once: few enough to stay in a core's cache until they are decoded.
pub(crate) const READ_LEN: usize = 256 * 1024;
/// Bytes of blocks that are handed over at once: what wakes the other thread is worth its while.
pub(crate) const STRETCH_LEN: usize = 256 * 1024;
/// Bytes of a file up to which no thread is worth its while.
const ALONE_LEN_MAX: u64 = 1024 * 1024;

/// A block that is what it must be.
pub(crate) struct OpenedBlock {
    /// Where in its file.
    pub(crate) offset: usize,
    pub(crate) head: BlockHead,
    /// None if it was not to be opened.
    pub(crate) records: Vec<Record>,
    /// The chain's hash before it.
    pub(crate) before: Digest,
    /// The same after it.
    pub(crate) after: Digest,
}

impl OpenedBlock {
    /// The place of its last record.
    pub(crate) fn last(&self) -> Seq {
        Seq(self.head.first.0.saturating_add(u64::from(self.head.records)).saturating_sub(1))
    }
}

/// Why a segment is not walked to its end.
#[derive(Clone)]
pub(crate) enum Stop {
    /// The walk fails.
    Fault(Fault),
    /// A block is not what it must be.
    Broken {
        /// Its index in the segment.
        index: u32,
        /// The place that its first record was to have.
        first: Seq,
        /// Where in the file.
        offset: usize,
        /// What is wrong.
        what: FormatError,
    },
    /// A block stands where another was to be met.
    OtherHistory,
}

type Opened = Result<OpenedBlock, Stop>;

/// A segment that is to be read, and what its blocks must be.
pub(crate) struct Source<'a> {
    pub(crate) file: &'a str,
    pub(crate) key: &'a Key,
    /// The chain's hash before its first block.
    pub(crate) chain: Digest,
    /// The place of its first record.
    pub(crate) first: Seq,
    /// Blocks that begin no later are hashed, not opened.
    pub(crate) hashed_upto: Seq,
}

/// Shows a segment's blocks to the visitor, in their order. Those of a long one are opened ahead, by a thread of its own.
pub(crate) fn each_block(
    disk: &mut dyn Disk,
    source: &Source<'_>,
    visit: &mut dyn FnMut(&OpenedBlock) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let len = disk.len(source.file).map_err(|error| Stop::Fault(error.into()))?;
    let mut blocks = Blocks::new(disk, source);
    if len > ALONE_LEN_MAX {
        let blocks = &mut blocks;
        let visited = thread::scope(|scope| {
            let (opened, taken) = sync_channel(STRETCHES_AHEAD_MAX);
            let (back, spent) = sync_channel(STRETCHES_AHEAD_MAX);
            let ahead = thread::Builder::new().name("thicket-journal".to_owned());
            ahead.spawn_scoped(scope, move || open_ahead(blocks, &opened, &spent)).ok()?;
            Some(taken.into_iter().try_for_each(|stretch: Vec<Opened>| {
                stretch.iter().try_for_each(|block| block.as_ref().map_err(Stop::clone).and_then(&mut *visit))?;
                // Memory is given back by the thread that took it: two that share it wait for each other.
                let _ = back.try_send(stretch);
                Ok(())
            }))
        });
        // Where there is no thread to be had, this one does it all.
        if let Some(visited) = visited {
            return visited;
        }
    }
    blocks.try_for_each(|block| visit(&block?))
}

/// Opens blocks until nobody wants more of them, and hands them over in stretches.
fn open_ahead(blocks: &mut Blocks<'_>, opened: &SyncSender<Vec<Opened>>, spent: &Receiver<Vec<Opened>>) {
    let (mut stretch, mut len) = (Vec::new(), 0_usize);
    for block in blocks {
        len = len.saturating_add(block.as_ref().map_or(0, |block| block.head.block_len()));
        stretch.push(block);
        if len >= STRETCH_LEN {
            len = 0;
            if opened.send(mem::take(&mut stretch)).is_err() {
                return;
            }
            spent.try_iter().for_each(drop);
        }
    }
    let _ = opened.send(stretch);
}

/// A segment's blocks, one after the other, up to the first that is not what it must be.
struct Blocks<'a> {
    disk: &'a mut dyn Disk,
    source: &'a Source<'a>,
    /// The bytes that were read last, and how many of them are passed.
    bytes: Vec<u8>,
    passed: usize,
    /// Whether they reach to the file's end.
    is_last: bool,
    /// Where the next block begins, and what it must be.
    offset: usize,
    first: Seq,
    index: u32,
    chain: Digest,
    broken: bool,
}

impl<'a> Blocks<'a> {
    fn new(disk: &'a mut dyn Disk, source: &'a Source<'a>) -> Blocks<'a> {
        let Source { chain, first, .. } = *source;
        Blocks { disk, source, bytes: Vec::new(), passed: 0, is_last: false, offset: HEADER_LEN, first, index: 0, chain, broken: false }
    }

    /// Reads on from the next block: as much as is read at once, or the whole block if that is longer.
    fn read(&mut self) -> Result<(), DiskError> {
        let block = self.rest().and_then(|rest| BlockHead::parse(rest).ok()).map_or(0, |head| head.block_len());
        let len = block.max(READ_LEN);
        // The buffer before it is given back first: the next one is likely to be the same.
        self.bytes = Vec::new();
        self.bytes = self.disk.read_at(self.source.file, u64::try_from(self.offset).unwrap_or(u64::MAX), len)?;
        self.passed = 0;
        self.is_last = self.bytes.len() < len;
        Ok(())
    }

    fn rest(&self) -> Option<&[u8]> {
        self.bytes.get(self.passed..).filter(|rest| !rest.is_empty())
    }

    fn open(&self, rest: &[u8]) -> Result<(BlockHead, Vec<Record>, Digest), FormatError> {
        if self.first > self.source.hashed_upto {
            return block::open(self.source.key, self.chain, self.first, self.index, rest);
        }
        let head = BlockHead::parse(rest)?;
        if head.first != self.first || head.index != self.index {
            return Err(FormatError::Place);
        }
        let block = rest.get(..head.block_len()).ok_or(FormatError::Short)?;
        Ok((head, Vec::new(), block::after(self.chain, block)))
    }
}

impl Iterator for Blocks<'_> {
    type Item = Opened;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        loop {
            let opened = match self.rest() {
                Some(rest) => self.open(rest),
                None if self.is_last => return None,
                None => Err(FormatError::Short),
            };
            let (offset, first, index, before) = (self.offset, self.first, self.index, self.chain);
            match opened {
                Ok((head, records, after)) => {
                    self.passed = self.passed.saturating_add(head.block_len());
                    self.offset = offset.saturating_add(head.block_len());
                    self.first = Seq(first.0.saturating_add(u64::from(head.records)));
                    self.index = self.index.saturating_add(1);
                    self.chain = after;
                    return Some(Ok(OpenedBlock { offset, head, records, before, after }));
                }
                // It goes on behind what was read.
                Err(FormatError::Short) if !self.is_last => {
                    if let Err(error) = self.read() {
                        self.broken = true;
                        return Some(Err(Stop::Fault(error.into())));
                    }
                }
                Err(what) => {
                    self.broken = true;
                    return Some(Err(Stop::Broken { index, first, offset, what }));
                }
            }
        }
    }
}
