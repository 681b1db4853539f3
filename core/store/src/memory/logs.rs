//! Logs of groups, in ordered maps.

use super::MemoryStore;
use crate::logs;
use std::collections::BTreeMap;
use thicket_types::ids::{Digest, FrameId, Incarnation, LogId};
use thicket_types::limits::POSTING_KEYS_MAX;
use thicket_types::ports::{EntryKind, LogEntry, LogHead, LogLane, Logs, NewEntry, NewLog, PostingKey, Readable, StoreError};
use thicket_types::time::Stamp;

/// Logs, and what is theirs.
#[derive(Default)]
pub(super) struct Data {
    logs: BTreeMap<LogId, Log>,
    lanes: BTreeMap<LogId, BTreeMap<Digest, bool>>,
    /// By when they were registered: the first is 1.
    posting: BTreeMap<(LogId, u64), (Digest, Option<Stamp>)>,
    /// By the entry that they were registered with; the first by 0.
    reading: BTreeMap<(LogId, u64), Digest>,
    entries: BTreeMap<(LogId, u64), Entry>,
    numbers: BTreeMap<(LogId, FrameId), u64>,
}

#[derive(Clone, Copy)]
struct Log {
    head: LogHead,
    /// Posting keys that were registered.
    keys: u64,
    /// Bytes of the entries that are kept.
    len: u64,
    /// When something was posted last.
    at: Stamp,
}

#[derive(Clone)]
struct Entry {
    frame: FrameId,
    kind: EntryKind,
    bytes: Vec<u8>,
    posting: Option<Digest>,
    at: Stamp,
}

fn len(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

impl MemoryStore {
    fn log_row(&self, log: LogId) -> Option<Log> {
        self.kept.data.logs.logs.get(&log).copied()
    }

    fn register(&mut self, log: LogId, row: &mut Log, posting: Digest, at: Stamp) {
        if let Some((key, None)) = self.kept.data.logs.posting.get(&(log, row.keys)).copied() {
            self.kept.insert(|data| &mut data.logs.posting, (log, row.keys), (key, Some(at)));
        }
        row.keys += 1;
        self.kept.insert(|data| &mut data.logs.posting, (log, row.keys), (posting, None));
        if let Some(old) = row.keys.checked_sub(POSTING_KEYS_MAX) {
            self.kept.remove(|data| &mut data.logs.posting, (log, old));
        }
    }

    /// Lets the oldest entry go, with the reading keys that read nothing after it.
    fn forget_entry(&mut self, log: LogId, row: &mut Log) {
        let number = row.head.first;
        if let Some(entry) = self.kept.data.logs.entries.get(&(log, number)) {
            let (frame, bytes) = (entry.frame, len(entry.bytes.len()));
            row.len = row.len.saturating_sub(bytes);
            self.kept.remove(|data| &mut data.logs.entries, (log, number));
            self.kept.remove(|data| &mut data.logs.numbers, (log, frame));
        }
        row.head.first = number.saturating_add(1);
        if self.kept.data.logs.reading.contains_key(&(log, number)) {
            let before: Vec<u64> = self.kept.data.logs.reading.range((log, 0)..(log, number)).map(|((_, at), _)| *at).collect();
            for at in before {
                self.kept.remove(|data| &mut data.logs.reading, (log, at));
            }
        }
    }

    /// Removes entries that came before a time, and logs to which nothing was posted since another. Says how many entries went.
    pub(super) fn clean_logs(&mut self, entries_before: Stamp, logs_before: Stamp) -> u64 {
        let all: Vec<LogId> = self.kept.data.logs.logs.keys().copied().collect();
        let mut removed = 0;
        for log in all {
            let Some(mut row) = self.log_row(log) else {
                continue;
            };
            let first = row.head.first;
            while self.kept.data.logs.entries.get(&(log, row.head.first)).is_some_and(|entry| entry.at < entries_before) {
                self.forget_entry(log, &mut row);
            }
            removed += row.head.first - first;
            if row.at < logs_before {
                while row.head.first <= row.head.last {
                    self.forget_entry(log, &mut row);
                    removed += 1;
                }
                self.forget_log(log);
            } else if row.head.first > first {
                self.kept.insert(|data| &mut data.logs.logs, log, row);
            }
        }
        removed
    }

    fn forget_log(&mut self, log: LogId) {
        let keys: Vec<u64> = self.kept.data.logs.posting.range((log, 0)..=(log, u64::MAX)).map(|((_, number), _)| *number).collect();
        keys.into_iter().for_each(|number| {
            self.kept.remove(|data| &mut data.logs.posting, (log, number));
        });
        let keys: Vec<u64> = self.kept.data.logs.reading.range((log, 0)..=(log, u64::MAX)).map(|((_, number), _)| *number).collect();
        keys.into_iter().for_each(|number| {
            self.kept.remove(|data| &mut data.logs.reading, (log, number));
        });
        self.kept.remove(|data| &mut data.logs.lanes, log);
        self.kept.remove(|data| &mut data.logs.logs, log);
    }
}

impl Logs for MemoryStore {
    fn incarnation(&mut self) -> Result<Incarnation, StoreError> {
        // It is gone with the process, and all logs with it.
        Ok(Incarnation([0; 16]))
    }

    fn logs(&mut self) -> Result<u64, StoreError> {
        Ok(len(self.kept.data.logs.logs.len()))
    }

    fn log(&mut self, log: LogId) -> Result<Option<LogHead>, StoreError> {
        Ok(self.log_row(log).map(|row| row.head))
    }

    fn create_log(&mut self, new: &NewLog<'_>) -> Result<(), StoreError> {
        let NewLog { log, created, posting, reading, lanes, at } = *new;
        if self.log_row(log).is_some() {
            return Err(StoreError::Failed);
        }
        let lanes = logs::lanes(BTreeMap::new(), lanes, &[])?;
        let mut row = Log { head: LogHead { first: 1, last: 0, commit: 0, created }, keys: 0, len: 0, at };
        self.register(log, &mut row, posting, at);
        self.kept.insert(|data| &mut data.logs.reading, (log, 0), reading);
        self.kept.insert(|data| &mut data.logs.lanes, log, lanes);
        self.kept.insert(|data| &mut data.logs.logs, log, row);
        Ok(())
    }

    fn log_lane(&mut self, log: LogId, lane: Digest) -> Result<Option<LogLane>, StoreError> {
        let owner = self.kept.data.logs.lanes.get(&log).and_then(|lanes| lanes.get(&lane)).copied();
        Ok(owner.map(|owner| LogLane { lane, owner }))
    }

    fn set_log_lanes(&mut self, log: LogId, add: &[LogLane], remove: &[Digest]) -> Result<(), StoreError> {
        let before = self.kept.data.logs.lanes.get(&log).cloned().ok_or(StoreError::Failed)?;
        let lanes = logs::lanes(before, add, remove)?;
        self.kept.insert(|data| &mut data.logs.lanes, log, lanes);
        Ok(())
    }

    fn posting_key(&mut self, log: LogId, key: Digest) -> Result<Option<PostingKey>, StoreError> {
        let mut known = self.kept.data.logs.posting.range((log, 0)..=(log, u64::MAX)).rev();
        let found = known.find(|(_, (of, _))| *of == key);
        Ok(found.map(|(_, (_, replaced))| PostingKey { replaced: *replaced }))
    }

    fn retire_posting_keys(&mut self, log: LogId) -> Result<(), StoreError> {
        let newest = self.log_row(log).ok_or(StoreError::Failed)?.keys;
        let older: Vec<u64> = self.kept.data.logs.posting.range((log, 0)..(log, newest)).map(|((_, number), _)| *number).collect();
        for number in older {
            self.kept.remove(|data| &mut data.logs.posting, (log, number));
        }
        Ok(())
    }

    fn readable(&mut self, log: LogId, key: Digest) -> Result<Option<Readable>, StoreError> {
        let mut last = None;
        for ((_, at), of) in self.kept.data.logs.reading.range((log, 0)..=(log, u64::MAX)).rev() {
            if *of == key {
                return Ok(Some(Readable { first: at + 1, last }));
            }
            last = Some(*at);
        }
        Ok(None)
    }

    fn entry_number(&mut self, log: LogId, frame: FrameId) -> Result<Option<u64>, StoreError> {
        Ok(self.kept.data.logs.numbers.get(&(log, frame)).copied())
    }

    fn append_entry(&mut self, entry: &NewEntry<'_>) -> Result<u64, StoreError> {
        let NewEntry { log, frame, kind, bytes, registers, at } = *entry;
        let mut row = self.log_row(log).ok_or(StoreError::Failed)?;
        if self.kept.data.logs.numbers.contains_key(&(log, frame)) {
            return Err(StoreError::Failed);
        }
        let number = row.head.last + 1;
        row.head.last = number;
        (row.at, row.len) = (at, row.len + len(bytes.len()));
        let posting = registers.map(|registers| registers.posting);
        self.kept.insert(|data| &mut data.logs.numbers, (log, frame), number);
        self.kept.insert(|data| &mut data.logs.entries, (log, number), Entry { frame, kind, bytes: bytes.to_vec(), posting, at });
        if kind == EntryKind::Commit {
            row.head.commit = number;
        }
        if let Some(registers) = registers {
            self.register(log, &mut row, registers.posting, at);
            if let Some(reading) = registers.reading {
                self.kept.insert(|data| &mut data.logs.reading, (log, number), reading);
            }
        }
        while logs::is_past(number + 1 - row.head.first, row.len) {
            self.forget_entry(log, &mut row);
        }
        self.kept.insert(|data| &mut data.logs.logs, log, row);
        Ok(number)
    }

    fn entries(&mut self, log: LogId, from: u64, upto: u64, count_max: u32, len_max: usize) -> Result<Vec<LogEntry>, StoreError> {
        let (mut found, mut room) = (Vec::new(), len_max);
        let there = if from <= upto { Some(self.kept.data.logs.entries.range((log, from)..=(log, upto))) } else { None };
        for ((_, number), Entry { kind, bytes, posting, .. }) in there.into_iter().flatten().take(usize::try_from(count_max).unwrap_or(0)) {
            if bytes.len() > room && !found.is_empty() {
                break;
            }
            room = room.saturating_sub(bytes.len());
            found.push(LogEntry { number: *number, kind: *kind, bytes: bytes.clone(), posting: *posting });
        }
        Ok(found)
    }
}
