//! The journal on disk: a folder of segments, read by walking them, written at the end of the newest alone.

use crate::Fault;
use crate::blocks::{OpenedBlock, Source, Stop, each_block};
use crate::keys::{ProfileKeys, nonce, random};
use crate::snapshots;
use std::collections::BTreeSet;
use std::fmt;
use thicket_journal_format::block::{self, BLOCK_HEAD_LEN, BlockHead};
use thicket_journal_format::event::Record;
use thicket_journal_format::header::{HEADER_LEN, Header};
use thicket_journal_format::keys::Kind;
use thicket_journal_format::{FormatError, Key};
use thicket_types::error::Code;
use thicket_types::ids::{Digest, RulesVersion, SegmentId, Seq};
use thicket_types::limits::{JOURNAL_KEPT_FOR, JOURNAL_KEPT_LEN, SEGMENT_BLOCKS_MAX, SEGMENT_LEN_MAX, SEGMENTS_KEPT_MAX};
use thicket_types::ports::{Disk, DiskError, Durable, Entropy, Place};
use thicket_types::time::Stamp;

const FOLDER: &str = "journal";

/// Where a file is damaged, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// The file, in the profile.
    pub file: String,
    /// Where in it.
    pub offset: usize,
    /// What is wrong there.
    pub what: FormatError,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}: {}", self.file, self.offset, self.what)
    }
}

fn damaged(file: &str, offset: usize, what: FormatError) -> Fault {
    let code = if what == FormatError::Newer { Code::ProfileNewer } else { Code::JournalDamaged };
    Fault { code, damage: Some(Damage { file: file.to_owned(), offset, what }) }
}

/// One record as a walk gives it.
pub struct Walked<'a> {
    /// Where it stands.
    pub place: Place,
    /// The rules it is folded by.
    pub rules: RulesVersion,
    /// The record.
    pub record: &'a Record,
    /// The chain's hash after its block, at the block's last record.
    pub chain: Option<Digest>,
    /// The block that it stands in.
    pub block: BlockStart<'a>,
}

/// Where a block begins: all that it takes to walk on from there.
#[derive(Clone, Copy, Debug)]
pub struct BlockStart<'a> {
    file: &'a str,
    offset: u64,
    first: Seq,
    index: u32,
    before: Digest,
}

impl BlockStart<'_> {
    /// The place of its first record.
    pub fn first(&self) -> Seq {
        self.first
    }

    /// The same, to be kept.
    pub fn keep(&self) -> Resume {
        let BlockStart { file, offset, first, index, before } = *self;
        Resume { file: file.to_owned(), offset, first, index, before }
    }
}

/// A block that a walk can begin at, since one came by.
#[derive(Clone, Debug)]
pub struct Resume {
    file: String,
    offset: u64,
    first: Seq,
    index: u32,
    before: Digest,
}

impl Resume {
    /// The place of its first record.
    pub fn first(&self) -> Seq {
        self.first
    }
}

/// A block's place, once walked: what it takes to read it again alone.
#[derive(Clone, Debug)]
pub(crate) struct BlockAt {
    file: String,
    offset: u64,
    first: Seq,
    index: u32,
    len: usize,
    before: Digest,
    segment: SegmentId,
}

impl BlockAt {
    pub(crate) fn first(&self) -> Seq {
        self.first
    }
}

/// What a walk found.
pub(crate) struct End {
    pub(crate) durable: Durable,
    pub(crate) stamp: Stamp,
    pub(crate) blocks: Vec<BlockAt>,
    /// Where the walk began: the place before its first record, and the chain there.
    pub(crate) from: Durable,
    /// Whether the block that ends where the walk began was there.
    met: bool,
    /// Whether the journal begins right after the snapshot.
    pub(crate) continues: bool,
    /// What a writer takes away before it goes on.
    pub(crate) leftovers: Vec<Leftover>,
    /// Segments whose key is there, and whose file is not.
    taken: Vec<SegmentId>,
}

/// What nobody needs any more, since it was never acknowledged or its key is destroyed.
pub(crate) enum Leftover {
    /// A segment's file that is on its way out.
    Retired(String),
    /// A segment without a block, in whose place another one is.
    Empty(String),
    /// The end of the last write.
    Torn(Torn),
}

/// A torn end: what a writer cuts before it goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Torn {
    /// The file, in the profile.
    pub file: String,
    /// Where it is cut; 0: it goes as a whole.
    pub offset: u64,
}

impl fmt::Display for Torn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.file, self.offset)
    }
}

impl Leftover {
    pub(crate) fn take_away(&self, disk: &mut dyn Disk, keys: &mut ProfileKeys) -> Result<(), Fault> {
        match self {
            Leftover::Retired(file) => Ok(disk.remove(file)?),
            Leftover::Empty(file) | Leftover::Torn(Torn { file, offset: 0 }) => unmake(disk, keys, file),
            Leftover::Torn(Torn { file, offset }) => Ok(disk.truncate(file, *offset)?),
        }
    }
}

/// Takes away a segment of which no block was acknowledged.
///
/// Its blocks go first, for blocks without a key are damage; and its key before its file, for a key without a file says that somebody
/// took the file. Where the key can't go, for want of room, a whole header stays: that is no segment, with a key or without, and the
/// next open takes it away. Without a whole header the file must not stay beside what is written next: that is an error.
fn unmake(disk: &mut dyn Disk, keys: &mut ProfileKeys, file: &str) -> Result<(), Fault> {
    match disk.len(file) {
        Err(DiskError::Missing) => return Ok(()),
        Ok(len) if !holds_blocks(len) => {}
        Ok(_) | Err(_) => disk.truncate(file, u64::try_from(HEADER_LEN).unwrap_or(u64::MAX))?,
    }
    let header = Header::parse(&disk.read_at(file, 0, HEADER_LEN)?);
    // By its header, or, if that can't be read, by its name.
    let id = header.as_ref().map_or_else(|_| id_of(file.rsplit('/').next()?), |(header, _)| Some(header.segment.0));
    match keys.destroy(disk, Kind::Segment, id.as_slice()) {
        Ok(()) => Ok(disk.remove(file)?),
        Err(_) if header.is_ok() => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// Whether there is a byte behind the header in a file so long.
fn holds_blocks(len: u64) -> bool {
    len > u64::try_from(HEADER_LEN).unwrap_or(u64::MAX)
}

/// Whether a name in the folder `journal` is one that a segment has.
pub fn is_segment(name: &str) -> bool {
    let parts = name.strip_suffix(".seg").and_then(|name| name.split_once('-'));
    parts.is_some_and(|(first, id)| (first.len(), id.len()) == (16, 32) && first.bytes().chain(id.bytes()).all(is_digit))
}

/// Whether a byte is a digit of a name: hex, in lower case.
pub(crate) fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// The segments' names, in their order. What else lies there is not ours, and stays as it is.
fn files(disk: &mut dyn Disk) -> Result<Vec<String>, Fault> {
    Ok(disk.list(FOLDER)?.into_iter().filter(|name| is_segment(name)).collect())
}

/// Walks the journal from a place on and hands every record to the visitor. Changes nothing: what may be taken away is said at the end.
///
/// `from`: a place that ends a block, with the chain there (`None` for the beginning). `covered`: up to where a snapshot holds what the
/// journal did; segments before that may have retired. `beyond`: the last place that a snapshot or the vault knows of; a tail is torn
/// only if it lies after that.
pub(crate) fn read(
    disk: &mut dyn Disk,
    keys: &ProfileKeys,
    from: Option<Durable>,
    covered: Seq,
    beyond: Seq,
    visit: &mut dyn FnMut(Walked<'_>),
) -> Result<End, Fault> {
    let files = files(disk)?;
    let (mut segments, mut leftovers, mut ids) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (position, name) in files.iter().enumerate() {
        let file = format!("{FOLDER}/{name}");
        let head = disk.read_at(&file, 0, HEADER_LEN + 1)?;
        match Header::parse(&head) {
            Ok((header, chain)) => {
                ids.insert(header.segment.0);
                segments.push(Found { file, header, chain, empty: head.len() == HEADER_LEN });
            }
            // The newest file's creation was cut short: nothing in it was ever acknowledged.
            Err(what)
                if what != FormatError::Newer
                    && is_newest(disk, files.get(position.saturating_add(1)..).unwrap_or_default())?
                    && none_follows(&disk.read(&file)?, 0, Seq::ZERO) =>
            {
                ids.extend(id_of(name));
                leftovers.push(Leftover::Torn(Torn { file, offset: 0 }));
            }
            Err(what) => return Err(damaged(&file, 0, what)),
        }
    }
    // Older segments whose keys are destroyed are on their way out: their files go too.
    // Only if a snapshot covers them and a later one can be read: an older keys file must cost no segment.
    let readable = segments.iter().any(|segment| keys.holds(Kind::Segment, segment.header.segment.0));
    while let [oldest, next, ..] = segments.as_slice() {
        if !readable || covered == Seq::ZERO || next.header.first > covered.next() || keys.holds(Kind::Segment, oldest.header.segment.0) {
            break;
        }
        leftovers.push(Leftover::Retired(segments.remove(0).file));
    }
    // A crash may undo the removal of a segment without a block, whose place another took since. Whatever its id, it is none.
    segments.sort_by_key(|segment| (segment.header.first, !segment.empty));
    let last = segments.pop();
    let mut kept: Vec<Found> = Vec::new();
    for segment in segments.into_iter().chain(last) {
        // What has its place is the next one: it goes, and is no torn end.
        let before = kept.pop_if(|before| before.empty);
        leftovers.extend(before.filter(|before| before.header.first == segment.header.first).map(|before| Leftover::Empty(before.file)));
        kept.push(segment);
    }
    let segments = kept;

    let mut at = from.unwrap_or(Durable { seq: Seq::ZERO, chain: Digest([0; 32]) });
    let start = if from.is_some() {
        segments.iter().rposition(|segment| segment.header.first <= at.seq).unwrap_or(0)
    } else {
        // Older segments may have been removed: begin at the oldest still there.
        if let Some(Found { file, header, .. }) = segments.first() {
            if header.first == Seq(1) && header.previous != Digest([0; 32]) {
                return Err(damaged(file, 0, FormatError::Place));
            }
            at = Durable { seq: Seq(header.first.0.saturating_sub(1)), chain: header.previous };
        }
        0
    };
    let taken = keys.loose(Kind::Segment, &ids).map(SegmentId).collect();
    let met = from.is_none();
    let mut end = End { durable: at, stamp: Stamp(0), blocks: Vec::new(), from: at, met, continues: false, leftovers, taken };
    let count = segments.len();
    for (position, Found { file, header, chain, empty }) in segments.into_iter().enumerate().skip(start) {
        let newest = position + 1 == count;
        let known = from.filter(|from| header.first <= from.seq);
        if known.is_none() && (header.first != end.durable.seq.next() || header.previous != end.durable.chain) {
            return Err(damaged(&file, 0, FormatError::Place));
        }
        // A journal that begins right after the snapshot: the rest has retired, or it came with an archive. Its first block was durable
        // before the snapshot was written, or the profile was one: it is never torn.
        let continues = position == 0 && covered > Seq::ZERO && header.first == covered.next();
        let beyond = if continues { beyond.max(header.first) } else { beyond };
        end.met &= !continues;
        end.continues |= continues;
        let Some(key) = keys.key(Kind::Segment, header.segment.0)? else {
            // A segment's key is made after its header, and before its first block.
            if !empty {
                return Err(damaged(&file, 0, FormatError::Seal));
            }
            if !continues {
                end.leftovers.push(Leftover::Torn(Torn { file, offset: 0 }));
            }
            continue;
        };
        walk_segment(disk, &mut end, &Segment { file, header, chain, key, newest, beyond, continues }, known, visit)?;
    }
    if !end.met {
        return Err(Fault::from(Code::RolledBack));
    }
    Ok(end)
}

/// A segment's file, its header, the chain after that, and whether there is nothing behind it.
struct Found {
    file: String,
    header: Header,
    chain: Digest,
    empty: bool,
}

struct Segment {
    file: String,
    header: Header,
    chain: Digest,
    key: Key,
    newest: bool,
    beyond: Seq,
    /// Whether it is the first, and goes on from the snapshot.
    continues: bool,
}

fn walk_segment(
    disk: &mut dyn Disk,
    end: &mut End,
    segment: &Segment,
    known: Option<Durable>,
    visit: &mut dyn FnMut(Walked<'_>),
) -> Result<(), Fault> {
    let Segment { file, header, chain, key, newest, beyond, continues } = segment;
    // Blocks that a snapshot covers are hashed, not opened: the block after them proves the chain.
    let source = Source { file, key, chain: *chain, first: header.first, hashed_upto: known.map_or(Seq::ZERO, |known| known.seq) };
    let mut blocks = 0_u32;
    let walked = each_block(disk, &source, &mut |block| {
        blocks = blocks.saturating_add(1);
        pass(block, end, segment, known, visit)
    });
    match walked {
        Ok(()) => {}
        Err(Stop::Broken { index, first, offset, what }) => {
            let may_be_torn = *newest && first > *beyond && !written(what);
            if !may_be_torn || !none_follows(&disk.read(file)?, offset.saturating_add(1), first) {
                return Err(damaged(file, offset, what));
            }
            if index > 0 {
                end.leftovers.push(Leftover::Torn(Torn { file: file.clone(), offset: u64::try_from(offset).unwrap_or(u64::MAX) }));
            }
        }
        Err(Stop::OtherHistory) => {
            // Either another history, intact, or damage in a block that was not opened: opening them tells.
            walk_segment(disk, end, segment, None, &mut |_| {})?;
            return Err(Fault::from(Code::RolledBack));
        }
        Err(Stop::Fault(fault)) => return Err(fault),
    }
    // A segment without a block is none: its place is free for the next.
    if blocks == 0 && *newest && !*continues {
        end.leftovers.push(Leftover::Torn(Torn { file: file.clone(), offset: 0 }));
    }
    Ok(())
}

/// Passes over one block of a segment, and shows its records to the visitor.
fn pass(
    block: &OpenedBlock,
    end: &mut End,
    segment: &Segment,
    known: Option<Durable>,
    visit: &mut dyn FnMut(Walked<'_>),
) -> Result<(), Stop> {
    let Segment { file, header, continues, .. } = segment;
    let OpenedBlock { offset, head, records, before, after } = block;
    let (first, last, index) = (head.first, block.last(), head.index);
    end.met |= *continues && index == 0;
    let block = BlockStart { file, offset: u64::try_from(*offset).unwrap_or(u64::MAX), first, index, before: *before };
    end.blocks.push(BlockAt {
        file: file.clone(),
        offset: block.offset,
        first,
        index,
        len: head.block_len(),
        before: *before,
        segment: header.segment,
    });
    if known.is_some_and(|known| known.seq == last && known.chain != *after) {
        return Err(Stop::OtherHistory);
    }
    end.met |= known.is_some_and(|known| known.seq == last);
    for (position, record) in records.iter().enumerate() {
        let seq = Seq(first.0.saturating_add(u64::try_from(position).unwrap_or(u64::MAX)));
        let place = Place { segment: header.segment, seq, stamp: record.stamp };
        visit(Walked { place, rules: header.rules, record, chain: (seq == last).then_some(*after), block });
        end.stamp = end.stamp.max(record.stamp);
    }
    end.durable = Durable { seq: last, chain: *after };
    Ok(())
}

/// Whether a failure shows that the block was written whole, by this version or a newer one, here or elsewhere: it is never cut.
fn written(what: FormatError) -> bool {
    matches!(what, FormatError::Newer | FormatError::Payload | FormatError::Place)
}

/// Whether a segment is the newest but for some without a block; `behind`: the names after its own.
fn is_newest(disk: &mut dyn Disk, behind: &[String]) -> Result<bool, Fault> {
    for name in behind {
        if holds_blocks(disk.len(&format!("{FOLDER}/{name}"))?) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether no intact block of a later place stands at an offset or behind it: what fails before that is the torn end of the last write.
fn none_follows(bytes: &[u8], offset: usize, place: Seq) -> bool {
    bytes.get(offset..).is_none_or(|rest| block::next_head(rest, place).is_none())
}

/// A segment's file, header and bytes.
type SegmentFile = (String, Header, u64);

/// The segments by their age.
struct Aged {
    /// Oldest first.
    segments: Vec<SegmentFile>,
    /// How many of the oldest are past their time, or over the bounds of size and number.
    due: usize,
    /// Those without a block, which are none, and nobody's successors: others have their places.
    empty: Vec<SegmentFile>,
}

fn aged(disk: &mut dyn Disk, now: Stamp) -> Result<Aged, Fault> {
    let (mut segments, mut empty) = (Vec::new(), Vec::new());
    let mut kept = 0_u64;
    for name in files(disk)? {
        let file = format!("{FOLDER}/{name}");
        let (header, _) = Header::parse(&disk.read_at(&file, 0, HEADER_LEN)?).map_err(|what| damaged(&file, 0, what))?;
        let len = disk.len(&file)?;
        if holds_blocks(len) {
            kept = kept.saturating_add(len);
            segments.push((file, header, len));
        } else {
            empty.push((file, header, len));
        }
    }
    segments.sort_by_key(|(_, header, _)| header.first);
    let mut left = segments.len();
    let mut due = 0;
    for pair in segments.windows(2) {
        let [(_, _, len), (_, next, _)] = pair else {
            break;
        };
        if now.since(next.created) <= JOURNAL_KEPT_FOR && kept <= JOURNAL_KEPT_LEN && left <= SEGMENTS_KEPT_MAX {
            break;
        }
        kept = kept.saturating_sub(*len);
        left = left.saturating_sub(1);
        due += 1;
    }
    Ok(Aged { segments, due, empty })
}

/// The place before which segments are past their time, or over the bounds: they retire if nothing needs them.
pub(crate) fn due_before(disk: &mut dyn Disk, now: Stamp) -> Result<Seq, Fault> {
    let Aged { segments, due, .. } = aged(disk, now)?;
    Ok(if due == 0 { Seq::ZERO } else { segments.get(due).map_or(Seq::ZERO, |(_, header, _)| header.first) })
}

/// The oldest segments, that are to retire.
pub(crate) struct Retiring {
    files: Vec<String>,
    ids: Vec<[u8; 16]>,
    /// The last block of theirs, with the chain after it: what is left begins after that.
    pub(crate) upto: Durable,
}

/// Which segments retire: the oldest, which lie wholly before `needed` and are past their time, or over the bounds of size and number.
/// What a failed write left in their places goes with them.
pub(crate) fn retiring(disk: &mut dyn Disk, needed: Seq, now: Stamp) -> Result<Option<Retiring>, Fault> {
    let Aged { segments, due, empty } = aged(disk, now)?;
    let behind = segments.iter().skip(1).take(due).map(|(_, next, _)| next);
    let Some(next) = behind.take_while(|next| next.first <= needed).last() else {
        return Ok(None);
    };
    let retiring: Vec<_> = segments.iter().chain(&empty).filter(|(_, header, _)| header.first < next.first).collect();
    Ok(Some(Retiring {
        files: retiring.iter().map(|(file, _, _)| file.clone()).collect(),
        ids: retiring.iter().map(|(_, header, _)| header.segment.0).collect(),
        upto: Durable { seq: Seq(next.first.0.saturating_sub(1)), chain: next.previous },
    }))
}

/// Destroys the keys of segments, and removes their files.
pub(crate) fn retire(disk: &mut dyn Disk, keys: &mut ProfileKeys, retiring: &Retiring) -> Result<(), Fault> {
    // Keys first: without them the files are noise, whatever becomes of their removal.
    keys.destroy(disk, Kind::Segment, &retiring.ids)?;
    Ok(retiring.files.iter().try_for_each(|file| disk.remove(file))?)
}

/// The place before the oldest segment that can be read, by the names: of one that retired the file may be left.
pub(crate) fn begins(disk: &mut dyn Disk, keys: &ProfileKeys) -> Result<Seq, Fault> {
    let names = files(disk)?;
    let has_key = |name: &&String| id_of(name).is_some_and(|id| keys.holds(Kind::Segment, id));
    let oldest = names.iter().find(has_key).or(names.first());
    let first = oldest.and_then(|name| u64::from_str_radix(name.get(..16)?, 16).ok());
    Ok(Seq(first.map_or(0, |first| first.saturating_sub(1))))
}

/// A segment's id, by its name.
pub(crate) fn id_of(name: &str) -> Option<[u8; 16]> {
    let digits = name.get(17..49)?;
    Some(u128::from_str_radix(digits, 16).ok()?.to_be_bytes())
}

/// Where a walk to the record after a place begins: at the segment that holds it, by the headers.
pub(crate) fn resume_at(disk: &mut dyn Disk, place: Seq) -> Result<Option<Resume>, Fault> {
    let mut found = None;
    for name in files(disk)? {
        let file = format!("{FOLDER}/{name}");
        let (header, before) = Header::parse(&disk.read_at(&file, 0, HEADER_LEN)?).map_err(|what| damaged(&file, 0, what))?;
        // A segment without a block is none, and another begins at its place.
        if header.first <= place.next() && holds_blocks(disk.len(&file)?) {
            let offset = u64::try_from(HEADER_LEN).unwrap_or(u64::MAX);
            found = Some(Resume { file, offset, first: header.first, index: 0, before });
        }
    }
    Ok(found)
}

/// Ids of the segments that have a file.
pub(crate) fn segment_ids(disk: &mut dyn Disk) -> Result<BTreeSet<[u8; 16]>, Fault> {
    let mut ids = BTreeSet::new();
    for name in files(disk)? {
        let file = format!("{FOLDER}/{name}");
        let (header, _) = Header::parse(&disk.read_at(&file, 0, HEADER_LEN)?).map_err(|what| damaged(&file, 0, what))?;
        ids.insert(header.segment.0);
    }
    Ok(ids)
}

/// Segments that somebody took away, of a journal that need not be whole: their keys are there, and their files are not.
pub fn taken(disk: &mut dyn Disk, keys: &ProfileKeys) -> Result<Vec<SegmentId>, Fault> {
    let mut there = BTreeSet::new();
    for name in files(disk)? {
        let header = disk.read_at(&format!("{FOLDER}/{name}"), 0, HEADER_LEN)?;
        // The name of one whose header is damaged says which it was.
        there.extend(Header::parse(&header).map_or_else(|_| id_of(&name), |(header, _)| Some(header.segment.0)));
    }
    Ok(keys.loose(Kind::Segment, &there).map(SegmentId).collect())
}

/// What a walk went over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Extent {
    /// The place before the first record.
    pub begins: Durable,
    /// That of the last.
    pub ends: Durable,
    /// What was passed over at the end, as a write that was cut short.
    pub torn: Vec<Torn>,
    /// Segments that somebody took away: the key is there, and the file is not. No crash leaves such a key.
    pub taken: Vec<SegmentId>,
}

/// Walks a whole journal without changing it, from its oldest segment that has not retired. `remembered` is the block that the vault
/// remembers, where one is asked.
///
/// **Errors:** `JournalDamaged` with its place; `RolledBack` if the journal does not hold the block of the newest snapshot, or that
/// which the vault remembers after it; `ProfileNewer`; the disk's. The visitor has seen what comes before.
pub fn walk(
    disk: &mut dyn Disk,
    keys: &ProfileKeys,
    remembered: Option<Durable>,
    visit: &mut dyn FnMut(Walked<'_>),
) -> Result<Extent, Fault> {
    let newest = snapshots::place(disk, keys)?;
    let covered = newest.map_or(Seq::ZERO, |newest| newest.seq);
    // What the vault remembers from before a snapshot may have retired.
    let remembered = remembered.filter(|durable| durable.seq > Seq::ZERO && durable.seq >= covered);
    let mut unmet: Vec<Durable> = newest.into_iter().chain(remembered).collect();
    let beyond = unmet.iter().map(|durable| durable.seq).max().unwrap_or(Seq::ZERO);
    let end = read(disk, keys, None, covered, beyond, &mut |walked| {
        unmet.retain(|durable| durable.seq != walked.place.seq || Some(durable.chain) != walked.chain);
        visit(walked);
    })?;
    unmet.retain(|durable| *durable != end.from);
    if !unmet.is_empty() {
        return Err(Fault::from(Code::RolledBack));
    }
    let torn = end.leftovers.into_iter().filter_map(|leftover| match leftover {
        Leftover::Torn(torn) => Some(torn),
        Leftover::Retired(_) | Leftover::Empty(_) => None,
    });
    Ok(Extent { begins: end.from, ends: end.durable, torn: torn.collect(), taken: end.taken })
}

/// Walks on from a block that a walk came by, to a place that it came by as well; reads no more of the journal than that. The
/// visitor is given the block's first record first.
///
/// **Errors:** `JournalDamaged` with its place; the disk's, also for a segment that has retired since.
pub fn walk_on(disk: &mut dyn Disk, keys: &ProfileKeys, from: &Resume, upto: Seq, visit: &mut dyn FnMut(Walked<'_>)) -> Result<(), Fault> {
    let Resume { mut file, mut offset, mut first, mut index, mut before } = from.clone();
    while first <= upto {
        let (header, _) = Header::parse(&disk.read_at(&file, 0, HEADER_LEN)?).map_err(|what| damaged(&file, 0, what))?;
        let key = keys.key(Kind::Segment, header.segment.0)?.ok_or_else(|| damaged(&file, 0, FormatError::Seal))?;
        let len = disk.len(&file)?;
        while first <= upto && offset < len {
            let place = usize::try_from(offset).unwrap_or(usize::MAX);
            let opened = BlockHead::parse(&disk.read_at(&file, offset, BLOCK_HEAD_LEN)?)
                .map_err(|what| damaged(&file, place, what))
                .and_then(|head| Ok(disk.read_at(&file, offset, head.block_len())?))
                .and_then(|bytes| block::open(&key, before, first, index, &bytes).map_err(|what| damaged(&file, place, what)));
            let (head, records, after) = opened?;
            let block = BlockStart { file: &file, offset, first, index, before };
            let count = records.len();
            for (position, record) in records.iter().enumerate() {
                let seq = Seq(first.0.saturating_add(u64::try_from(position).unwrap_or(u64::MAX)));
                if seq <= upto {
                    let place = Place { segment: header.segment, seq, stamp: record.stamp };
                    visit(Walked { place, rules: header.rules, record, chain: (position + 1 == count).then_some(after), block });
                }
            }
            offset = offset.saturating_add(u64::try_from(head.block_len()).unwrap_or(u64::MAX));
            first = Seq(first.0.saturating_add(u64::try_from(count).unwrap_or(u64::MAX)));
            index = index.saturating_add(1);
            before = after;
        }
        if first > upto {
            break;
        }
        // The next segment's name begins with the place that it begins at.
        let next = files(disk)?.into_iter().map(|name| format!("{FOLDER}/{name}")).filter(|name| *name > file);
        let mut found = None;
        for name in next {
            let header = Header::parse(&disk.read_at(&name, 0, HEADER_LEN)?);
            // A segment without a block is none: another begins at its place.
            let holds_blocks = holds_blocks(disk.len(&name)?);
            if let Ok((header, chain)) = header
                && (header.first, header.previous) == (first, before)
                && holds_blocks
            {
                found = Some((name, chain));
                break;
            }
        }
        let (name, chain) = found.ok_or_else(|| damaged(&file, usize::try_from(offset).unwrap_or(usize::MAX), FormatError::Short))?;
        (file, before, offset, index) = (name, chain, u64::try_from(HEADER_LEN).unwrap_or(u64::MAX), 0);
    }
    Ok(())
}

/// Reads one record again.
pub(crate) fn read_record(disk: &mut dyn Disk, keys: &ProfileKeys, blocks: &[BlockAt], seq: Seq) -> Result<Option<Record>, Fault> {
    let Some(block) = blocks.iter().rfind(|block| block.first <= seq) else {
        return Ok(None);
    };
    let Some(key) = keys.key(Kind::Segment, block.segment.0)? else {
        return Ok(None);
    };
    let bytes = disk.read_at(&block.file, block.offset, block.len)?;
    let (_, records, _) = block::open(&key, block.before, block.first, block.index, &bytes)
        .map_err(|what| damaged(&block.file, usize::try_from(block.offset).unwrap_or(0), what))?;
    let position = usize::try_from(seq.0.saturating_sub(block.first.0)).unwrap_or(usize::MAX);
    Ok(records.into_iter().nth(position))
}

/// Why a block was not written, and whether the disk is as it was before.
pub(crate) struct Unwritten {
    pub(crate) fault: Fault,
    pub(crate) cut: bool,
}

impl<E: Into<Fault>> From<E> for Unwritten {
    /// What fails before anything is written leaves nothing to cut.
    fn from(error: E) -> Unwritten {
        Unwritten { fault: error.into(), cut: true }
    }
}

/// The end that is written to. Every open that appends begins a segment of its own, with its own key.
pub(crate) struct Writer {
    rules: RulesVersion,
    segment: SegmentId,
    open: Option<OpenSegment>,
    /// The bytes of the block that was written last: a buffer for the next.
    bytes: Vec<u8>,
}

/// Records to be one block.
pub(crate) struct NextBlock<'a> {
    /// When: a segment that begins with it says so.
    pub(crate) stamp: Stamp,
    /// How many.
    pub(crate) records: usize,
    /// Their encoding, which is sealed where it stands.
    pub(crate) plain: &'a mut Vec<u8>,
}

struct OpenSegment {
    file: String,
    key: Key,
    chain: Digest,
    index: u32,
    len: u64,
}

impl Writer {
    /// Prepares a segment; nothing is written until the first append.
    pub(crate) fn new(rules: RulesVersion, entropy: &mut dyn Entropy) -> Writer {
        Writer { rules, segment: SegmentId(random(entropy)), open: None, bytes: Vec::new() }
    }

    /// The segment that the next record stands in.
    pub(crate) fn segment(&self) -> SegmentId {
        self.segment
    }

    /// Whether the segment is full, and the next block begins another.
    pub(crate) fn is_full(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.len >= SEGMENT_LEN_MAX || u64::from(open.index) >= SEGMENT_BLOCKS_MAX)
    }

    /// Takes the segment for one that holds so many blocks.
    #[cfg(test)]
    pub(crate) fn pretend_blocks(&mut self, blocks: u32) {
        self.open.as_mut().expect("a segment that was begun").index = blocks;
    }

    /// Appends one block after `durable` and makes it durable. After an error this writer is of no more use, and whatever
    /// reached the disk is cut off, if that can be done.
    pub(crate) fn append(
        &mut self,
        disk: &mut dyn Disk,
        keys: &mut ProfileKeys,
        entropy: &mut dyn Entropy,
        durable: Durable,
        next: NextBlock<'_>,
    ) -> Result<(Durable, BlockAt), Unwritten> {
        let NextBlock { stamp: created, records, plain } = next;
        let first = durable.seq.next();
        let count = u64::try_from(records).unwrap_or(u64::MAX);
        let last = Seq(durable.seq.0.saturating_add(count));
        let (chain, block_at) = match &mut self.open {
            Some(open) => {
                let bytes = &mut self.bytes;
                let after = block::seal_into(&open.key, nonce(entropy), open.chain, first, open.index, records, plain, bytes)?;
                let at = BlockAt {
                    file: open.file.clone(),
                    offset: open.len,
                    first,
                    index: open.index,
                    len: bytes.len(),
                    before: open.chain,
                    segment: self.segment,
                };
                if let Err(error) = disk.append(&open.file, bytes) {
                    let cut = disk.truncate(&open.file, open.len).is_ok();
                    return Err(Unwritten { fault: Fault::from(error), cut });
                }
                open.chain = after;
                open.index = open.index.saturating_add(1);
                open.len = open.len.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                (after, at)
            }
            None => {
                let header = Header { segment: self.segment, rules: self.rules, first, created, previous: durable.chain };
                let header_bytes = header.encode();
                let (_, before) = Header::parse(&header_bytes)?;
                let file = format!("{FOLDER}/{}", header.file_name());
                // The file stands before its key: a key without a file says that somebody took the file.
                let mut begin = || {
                    disk.create(&file, &header_bytes)?;
                    let key = keys.make(disk, entropy, Kind::Segment, self.segment.0)?;
                    let after = block::seal_into(&key, nonce(entropy), before, first, 0, records, plain, &mut self.bytes)?;
                    disk.append(&file, &self.bytes)?;
                    Ok((key, after))
                };
                let (key, after) = match begin() {
                    Ok(begun) => begun,
                    Err(fault) => return Err(Unwritten { fault, cut: unmake(disk, keys, &file).is_ok() }),
                };
                let at = BlockAt {
                    file: file.clone(),
                    offset: u64::try_from(HEADER_LEN).unwrap_or(u64::MAX),
                    first,
                    index: 0,
                    len: self.bytes.len(),
                    before,
                    segment: self.segment,
                };
                let len = at.offset.saturating_add(u64::try_from(self.bytes.len()).unwrap_or(u64::MAX));
                self.open = Some(OpenSegment { file, key, chain: after, index: 1, len });
                (after, at)
            }
        };
        Ok((Durable { seq: last, chain }, block_at))
    }
}
