//! Groups' logs: created by anybody for a stamp, posted to and read by who shows a key of theirs.
//!
//! ```text
//!   a posting key     any member   one of the newest 16, within a day after the next one came
//!   an admin's lane   an admin     always; may retire older posting keys, and have what follows read by another key
//!   an owner's lane   an owner     the same; adds and removes lanes
//! ```
//!
//! One order for all: an entry names the last commit that its poster knows, and is refused with what is new if there is a later one.
//! What a commit does nobody here can see. How fast a log grows is bounded for all members together and for each lane by itself, so
//! that no member keeps an admin from posting.

use crate::{Done, Refused, Scope, failed, stamp};
use alloc::vec::Vec;
use thicket_types::error::Code;
use thicket_types::ids::{Digest, FrameId, LogId};
use thicket_types::limits::{LOG_ENTRY_LEN_MAX, LOG_LANES_MAX, LOG_PAGE_ENTRIES_MAX, LOG_PAGE_LEN_MAX, POSTING_KEY_FOR};
use thicket_types::ports::{self, LogHead, NewEntry, NewLog, Registers};
use thicket_types::wire::relay::answer::Said;
use thicket_types::wire::relay::{CreateLog, EntryKind, LogCreated, LogEntry, LogLane, LogPage, Post, Posted, ReadLog};

/// Bytes of a key and of a lane's secret.
const KEY_LEN: usize = 32;

/// Makes a log, once. The same again is `LogCreated` again, without a stamp.
pub(crate) fn create(scope: &mut Scope<'_>, create: &CreateLog) -> Done {
    let log = LogId::parse(&create.log).ok_or(Code::MalformedRequest)?;
    let posting = Digest::parse(&create.posting).ok_or(Code::MalformedRequest)?;
    let reading = Digest::parse(&create.reading).ok_or(Code::MalformedRequest)?;
    let lanes = lanes(&create.lanes)?;
    if !lanes.iter().any(|lane| lane.owner) {
        return Err(Code::MalformedRequest.into());
    }
    let created = stamp::log_purpose(scope.verify, create);
    match scope.store.log(log).map_err(failed)? {
        Some(head) if head.created == created => {}
        Some(_) => return Err(Code::LogTaken.into()),
        None => {
            if scope.store.logs().map_err(failed)? >= scope.policy.logs_max {
                return Err(Code::RelayBusy.into());
            }
            stamp::held(scope, create.stamp.as_ref(), || created, scope.policy.stamp_bits)?;
            scope.store.create_log(&NewLog { log, created, posting, reading, lanes: &lanes, at: scope.now }).map_err(failed)?;
        }
    }
    let incarnation = scope.store.incarnation().map_err(failed)?.0.to_vec();
    Ok(Said::LogCreated(LogCreated { incarnation }).into())
}

/// Appends an entry, once. One that is there already is `Posted` again, whatever came after it.
pub(crate) fn post(scope: &mut Scope<'_>, post: &Post) -> Done {
    let log = LogId::parse(&post.log).ok_or(Code::MalformedRequest)?;
    let (kind, registers) = read(post)?;
    let head = scope.store.log(log).map_err(failed)?.ok_or(Code::UnknownLog)?;
    let right = right(scope, log, &post.key)?;
    let frame = FrameId(scope.verify.digest(&post.entry).0);
    if let Some(number) = scope.store.entry_number(log, frame).map_err(failed)? {
        return Ok(Said::Posted(Posted { number }).into());
    }
    let lane = match right {
        Right::Member => None,
        Right::Lane(lane) => Some(lane),
    };
    let (add, remove) = (lanes(&post.add)?, digests(&post.remove)?);
    let only_lanes = post.retires || registers.is_some_and(|registers| registers.reading.is_some());
    let only_owners = !add.is_empty() || !remove.is_empty();
    if only_lanes && lane.is_none() || only_owners && !lane.is_some_and(|lane| lane.owner) {
        return Err(Code::NoRightToPost.into());
    }
    let incarnation = scope.store.incarnation().map_err(failed)?;
    let stale = kind != ports::EntryKind::Control && post.after != head.commit;
    if incarnation.0.as_slice() != post.incarnation || stale {
        return behind(scope, log, head, post);
    }
    scope.rates.take_post(log, lane.map(|lane| lane.lane), scope.now)?;
    if only_owners {
        scope.store.set_log_lanes(log, &add, &remove).map_err(failed)?;
    }
    let entry = NewEntry { log, frame, kind, bytes: &post.entry, registers, at: scope.now };
    let number = scope.store.append_entry(&entry).map_err(failed)?;
    if post.retires {
        scope.store.retire_posting_keys(log).map_err(failed)?;
    }
    Ok(Said::Posted(Posted { number }).into())
}

/// Gives a page of entries, the oldest first, as far as the key reads.
pub(crate) fn read_log(scope: &mut Scope<'_>, read: &ReadLog) -> Done {
    let log = LogId::parse(&read.log).ok_or(Code::MalformedRequest)?;
    let head = scope.store.log(log).map_err(failed)?.ok_or(Code::UnknownLog)?;
    let page = page(scope, log, head, &read.key, read.from, read.entries_max)?.ok_or(Code::NoRightToRead)?;
    Ok(Said::LogPage(page).into())
}

/// What a post is. **Errors:** `MalformedRequest` for fields that are not its kind's; `TooLarge`.
fn read(post: &Post) -> Result<(ports::EntryKind, Option<Registers>), Code> {
    if post.entry.len() > LOG_ENTRY_LEN_MAX {
        return Err(Code::TooLarge);
    }
    let kind = match EntryKind::try_from(post.kind) {
        Ok(EntryKind::Commit) => ports::EntryKind::Commit,
        Ok(EntryKind::Message) => ports::EntryKind::Message,
        Ok(EntryKind::Control) => ports::EntryKind::Control,
        Ok(EntryKind::Unspecified) | Err(_) => return Err(Code::MalformedRequest),
    };
    let optional = |bytes: &[u8]| if bytes.is_empty() { Ok(None) } else { Digest::parse(bytes).map(Some).ok_or(Code::MalformedRequest) };
    let (posting, reading) = (optional(&post.posting)?, optional(&post.reading)?);
    match (kind, posting, reading) {
        (ports::EntryKind::Commit, Some(posting), reading) => Ok((kind, Some(Registers { posting, reading }))),
        (ports::EntryKind::Message | ports::EntryKind::Control, None, None) => Ok((kind, None)),
        _ => Err(Code::MalformedRequest),
    }
}

/// By what somebody posts.
enum Right {
    Member,
    Lane(ports::LogLane),
}

fn right(scope: &mut Scope<'_>, log: LogId, key: &[u8]) -> Result<Right, Code> {
    if key.len() != KEY_LEN {
        return Err(Code::MalformedRequest);
    }
    let key = scope.verify.digest(key);
    if let Some(lane) = scope.store.log_lane(log, key).map_err(failed)? {
        return Ok(Right::Lane(lane));
    }
    let known = scope.store.posting_key(log, key).map_err(failed)?;
    let is_good = |replaced: Option<_>| replaced.is_none_or(|replaced| scope.now.since(replaced) <= POSTING_KEY_FOR);
    known.filter(|known| is_good(known.replaced)).map(|_| Right::Member).ok_or(Code::NoRightToPost)
}

/// Refuses a post whose poster does not know the last commit, with what is new.
fn behind(scope: &mut Scope<'_>, log: LogId, head: LogHead, post: &Post) -> Done {
    let page = match page(scope, log, head, &post.reads_with, post.after.saturating_add(1), LOG_PAGE_ENTRIES_MAX)? {
        Some(page) => page,
        None => empty(scope, head)?,
    };
    Ok(Said::LogPage(page).into())
}

/// Entries from a number on, as far as the key reads. `None` if it reads nothing.
fn page(scope: &mut Scope<'_>, log: LogId, head: LogHead, key: &[u8], from: u64, count_max: u32) -> Result<Option<LogPage>, Refused> {
    if key.len() != KEY_LEN {
        return Ok(None);
    }
    let key = scope.verify.digest(key);
    let Some(readable) = scope.store.readable(log, key).map_err(failed)? else {
        return Ok(None);
    };
    let (from, upto) = (from.max(readable.first), readable.last.unwrap_or(head.last));
    let entries = scope.store.entries(log, from, upto, count_max.min(LOG_PAGE_ENTRIES_MAX), LOG_PAGE_LEN_MAX).map_err(failed)?;
    let entries = entries.into_iter().map(entry).collect();
    Ok(Some(LogPage { readable_upto: readable.last.unwrap_or(0), entries, ..empty(scope, head)? }))
}

fn empty(scope: &mut Scope<'_>, LogHead { first, last, commit, created: _ }: LogHead) -> Result<LogPage, Refused> {
    let incarnation = scope.store.incarnation().map_err(failed)?.0.to_vec();
    Ok(LogPage { incarnation, first, last, commit, readable_upto: 0, entries: Vec::new() })
}

fn entry(ports::LogEntry { number, kind, bytes, posting }: ports::LogEntry) -> LogEntry {
    let kind = match kind {
        ports::EntryKind::Commit => EntryKind::Commit,
        ports::EntryKind::Message => EntryKind::Message,
        ports::EntryKind::Control => EntryKind::Control,
    };
    LogEntry { number, kind: kind.into(), entry: bytes, posting: posting.map_or(Vec::new(), |posting| posting.0.to_vec()) }
}

fn lanes(given: &[LogLane]) -> Result<Vec<ports::LogLane>, Code> {
    if given.len() > LOG_LANES_MAX {
        return Err(Code::TooLarge);
    }
    let lane = |given: &LogLane| Some(ports::LogLane { lane: Digest::parse(&given.lane)?, owner: given.owner });
    given.iter().map(lane).collect::<Option<_>>().ok_or(Code::MalformedRequest)
}

fn digests(given: &[Vec<u8>]) -> Result<Vec<Digest>, Code> {
    if given.len() > LOG_LANES_MAX {
        return Err(Code::TooLarge);
    }
    given.iter().map(|bytes| Digest::parse(bytes)).collect::<Option<_>>().ok_or(Code::MalformedRequest)
}
