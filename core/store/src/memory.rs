//! A store in memory: for tests, simulations and a relay that may forget when it stops.

mod logs;

use crate::capabilities::{Changes, changes};
use crate::undo::Undo;
use crate::volatile::Volatile;
use std::collections::{BTreeMap, VecDeque};
use thicket_types::ids::{Digest, FrameId, LaneTag, MailboxId};
use thicket_types::limits::{KEY_PACKAGE_FOR, LAST_RESORTS_MAX, LOG_FOR, MAILBOX_FRAMES_MAX};
use thicket_types::name::NameKey;
use thicket_types::ports::{
    Account, DoneNumbers, NewItem, OpenChallenge, PutOutcome, Quota, Session, Stock, Store, StoreError, StoredKeyPackage,
};
use thicket_types::time::{Duration, Stamp};

/// What [`SqliteStore`](crate::SqliteStore) keeps on disk, in ordered maps.
#[derive(Default)]
struct Data {
    accounts: BTreeMap<NameKey, Account>,
    generations: BTreeMap<NameKey, [u8; 16]>,
    key_packages: BTreeMap<NameKey, KeyPackages>,
    mailboxes: BTreeMap<MailboxId, Mailbox>,
    capabilities: BTreeMap<(MailboxId, Digest), Capability>,
    items: BTreeMap<ItemKey, Item>,
    /// When an item came, and its place: kept when the item is gone.
    frames: BTreeMap<(MailboxId, FrameId), (Stamp, u64)>,
    /// The same by place.
    frame_at: BTreeMap<(MailboxId, u64), FrameId>,
    logs: logs::Data,
}

#[derive(Clone, Default)]
struct KeyPackages {
    /// By suite, oldest first, with when it came.
    one_time: BTreeMap<u32, VecDeque<(Stamp, Vec<u8>)>>,
    /// By suite.
    last_resort: BTreeMap<u32, LastResort>,
}

#[derive(Clone)]
struct LastResort {
    bytes: Vec<u8>,
    given: bool,
    at: Stamp,
}

#[derive(Clone)]
struct Mailbox {
    owner: NameKey,
    /// The place that was given last.
    place_last: u64,
    items: u64,
    /// Of them, those of the request box.
    requests: u64,
    capabilities: u64,
}

/// What counts against a capability. Stays after it was revoked, until its last item is gone.
#[derive(Clone, Copy)]
struct Capability {
    held: bool,
    items: u64,
}

/// A mailbox, whether the item is of its request box, and the item's place: the order in which items are given.
type ItemKey = (MailboxId, bool, u64);

#[derive(Clone)]
struct Item {
    quota: Quota,
    envelope: Vec<u8>,
}

/// A store in memory. What a commit made durable lasts as long as the process.
#[derive(Default)]
pub struct MemoryStore {
    kept: Undo<Data>,
    volatile: Volatile,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    /// Removes an item; says whether it was there.
    fn remove_item(&mut self, mailbox: MailboxId, place: u64) -> bool {
        let find = |request| self.kept.data.items.get(&(mailbox, request, place)).map(|item| (request, item.quota));
        let Some((request, quota)) = find(false).or_else(|| find(true)) else {
            return false;
        };
        self.kept.remove(|data| &mut data.items, (mailbox, request, place));
        if let Some(mut row) = self.kept.data.mailboxes.get(&mailbox).cloned() {
            row.items = row.items.saturating_sub(1);
            row.requests = row.requests.saturating_sub(u64::from(request));
            self.kept.insert(|data| &mut data.mailboxes, mailbox, row);
        }
        if let Quota::Capability(capability) = quota {
            let Capability { held, items } = self.capability_row(mailbox, capability);
            self.keep_capability(mailbox, capability, Capability { held, items: items.saturating_sub(1) });
        }
        true
    }

    /// Forgets the FrameId of a place, unless its item is there.
    fn forget_frame_of_gone(&mut self, mailbox: MailboxId, place: u64) {
        let is_there = |request| self.kept.data.items.contains_key(&(mailbox, request, place));
        if !is_there(false) && !is_there(true) {
            self.forget_frame(mailbox, place);
        }
    }

    fn forget_frame(&mut self, mailbox: MailboxId, place: u64) {
        if let Some(frame) = self.kept.data.frame_at.get(&(mailbox, place)).copied() {
            self.kept.remove(|data| &mut data.frame_at, (mailbox, place));
            self.kept.remove(|data| &mut data.frames, (mailbox, frame));
        }
    }

    fn capability_row(&self, mailbox: MailboxId, capability: Digest) -> Capability {
        self.kept.data.capabilities.get(&(mailbox, capability)).copied().unwrap_or(Capability { held: false, items: 0 })
    }

    /// Keeps a capability's row, unless nothing would be lost with it.
    fn keep_capability(&mut self, mailbox: MailboxId, capability: Digest, row: Capability) {
        if row.held || row.items > 0 {
            self.kept.insert(|data| &mut data.capabilities, (mailbox, capability), row);
        } else {
            self.kept.remove(|data| &mut data.capabilities, (mailbox, capability));
        }
    }

    /// Takes the oldest one-time package of a suite out that came at `from` or later.
    fn take_one_time(&mut self, name: &NameKey, suite: u32, from: Stamp) -> Option<Vec<u8>> {
        let one_time = &mut self.kept.data.key_packages.get_mut(name)?.one_time;
        let of_suite = one_time.get_mut(&suite)?;
        let place = of_suite.iter().position(|(at, _)| *at >= from)?;
        let (at, bytes) = of_suite.remove(place)?;
        if of_suite.is_empty() {
            one_time.remove(&suite);
        }
        let (name, back) = (name.clone(), (at, bytes.clone()));
        self.kept.step(move |data| data.key_packages.entry(name).or_default().one_time.entry(suite).or_default().insert(place, back));
        Some(bytes)
    }

    /// Removes one-time packages that came before a time.
    fn remove_one_time_before(&mut self, before: Stamp) {
        let has_stale = |kept: &KeyPackages| kept.one_time.values().flatten().any(|(at, _)| *at < before);
        let stale: Vec<NameKey> =
            self.kept.data.key_packages.iter().filter(|(_, kept)| has_stale(kept)).map(|(name, _)| name.clone()).collect();
        for name in stale {
            let mut kept = self.kept.data.key_packages.get(&name).cloned().unwrap_or_default();
            for of_suite in kept.one_time.values_mut() {
                of_suite.retain(|(at, _)| *at >= before);
            }
            self.kept.insert(|data| &mut data.key_packages, name, kept);
        }
    }

    /// Gives the last-resort package of a suite, and marks it as given out.
    fn give_last_resort(&mut self, name: &NameKey, suite: u32) -> Option<Vec<u8>> {
        let last_resort = self.kept.data.key_packages.get_mut(name)?.last_resort.get_mut(&suite)?;
        let (bytes, given) = (last_resort.bytes.clone(), last_resort.given);
        last_resort.given = true;
        let name = name.clone();
        self.kept.step(move |data| {
            if let Some(last_resort) = data.key_packages.get_mut(&name).and_then(|kept| kept.last_resort.get_mut(&suite)) {
                last_resort.given = given;
            }
        });
        Some(bytes)
    }
}

impl Store for MemoryStore {
    fn account(&mut self, name: &NameKey) -> Result<Option<Account>, StoreError> {
        Ok(self.kept.data.accounts.get(name).cloned())
    }

    fn put_account(&mut self, name: &NameKey, account: &Account) -> Result<(), StoreError> {
        let account = match self.kept.data.accounts.get(name).cloned() {
            Some(before) if before.fingerprint != account.fingerprint => return Err(StoreError::Failed),
            Some(before) => Account {
                mailbox_key_statement: account.mailbox_key_statement.clone(),
                mailbox_key_signature: account.mailbox_key_signature.clone(),
                ..before
            },
            None if self.kept.data.mailboxes.contains_key(&account.mailbox) => return Err(StoreError::Failed),
            None => {
                let mailbox = Mailbox { owner: name.clone(), place_last: 0, items: 0, requests: 0, capabilities: 0 };
                self.kept.insert(|data| &mut data.mailboxes, account.mailbox, mailbox);
                account.clone()
            }
        };
        self.kept.insert(|data| &mut data.accounts, name.clone(), account);
        Ok(())
    }

    fn put_challenge(&mut self, nonce: [u8; 32], challenge: &OpenChallenge) -> Result<(), StoreError> {
        self.volatile.put_challenge(nonce, challenge);
        Ok(())
    }

    fn challenge_of(&mut self, tag: LaneTag) -> Result<Option<([u8; 32], OpenChallenge)>, StoreError> {
        Ok(self.volatile.challenge_of(tag))
    }

    fn take_challenge(&mut self, nonce: [u8; 32]) -> Result<Option<OpenChallenge>, StoreError> {
        Ok(self.volatile.take_challenge(nonce))
    }

    fn bind_lane(&mut self, tag: LaneTag, name: &NameKey, session: [u8; 32]) -> Result<(), StoreError> {
        self.volatile.bind_lane(tag, name, session);
        Ok(())
    }

    fn lane(&mut self, tag: LaneTag) -> Result<Option<NameKey>, StoreError> {
        Ok(self.volatile.lane(tag))
    }

    fn session(&mut self, tag: LaneTag) -> Result<Option<Session>, StoreError> {
        Ok(self.volatile.session(tag))
    }

    fn set_done(&mut self, tag: LaneTag, done: DoneNumbers) -> Result<(), StoreError> {
        self.volatile.set_done(tag, done);
        Ok(())
    }

    fn lane_of(&mut self, mailbox: MailboxId) -> Result<Option<LaneTag>, StoreError> {
        Ok(self.kept.data.mailboxes.get(&mailbox).and_then(|mailbox| self.volatile.lane_of(&mailbox.owner)))
    }

    fn accounts(&mut self) -> Result<u64, StoreError> {
        Ok(u64::try_from(self.kept.data.accounts.len()).unwrap_or(u64::MAX))
    }

    fn set_mailbox_key(&mut self, name: &NameKey, statement: &[u8], signature: &[u8]) -> Result<(), StoreError> {
        let before = self.kept.data.accounts.get(name).cloned().ok_or(StoreError::Failed)?;
        let account = Account { mailbox_key_statement: statement.to_vec(), mailbox_key_signature: signature.to_vec(), ..before };
        self.kept.insert(|data| &mut data.accounts, name.clone(), account);
        Ok(())
    }

    fn generation(&mut self, name: &NameKey) -> Result<Option<[u8; 16]>, StoreError> {
        Ok(self.kept.data.generations.get(name).copied())
    }

    fn set_generation(&mut self, name: &NameKey, generation: [u8; 16]) -> Result<(), StoreError> {
        if !self.kept.data.accounts.contains_key(name) {
            return Err(StoreError::Failed);
        }
        self.kept.insert(|data| &mut data.generations, name.clone(), generation);
        Ok(())
    }

    fn add_key_packages(
        &mut self,
        name: &NameKey,
        suite: u32,
        one_time: &[Vec<u8>],
        last_resort: Option<&[u8]>,
        at: Stamp,
    ) -> Result<(), StoreError> {
        if !self.kept.data.accounts.contains_key(name) {
            return Err(StoreError::Failed);
        }
        let mut kept = self.kept.data.key_packages.get(name).cloned().unwrap_or_default();
        if let Some(bytes) = last_resort {
            let before = kept.last_resort.get(&suite);
            if before.is_none() && kept.last_resort.len() >= LAST_RESORTS_MAX {
                return Err(StoreError::Full);
            }
            // The same bytes again are no new package.
            let same = before.filter(|before| before.bytes == bytes);
            let (given, at) = same.map_or((false, at), |same| (same.given, same.at));
            kept.last_resort.insert(suite, LastResort { bytes: bytes.to_vec(), given, at });
        }
        if !one_time.is_empty() {
            kept.one_time.entry(suite).or_default().extend(one_time.iter().map(|bytes| (at, bytes.clone())));
        }
        self.kept.insert(|data| &mut data.key_packages, name.clone(), kept);
        Ok(())
    }

    fn remove_key_packages(&mut self, name: &NameKey) -> Result<(), StoreError> {
        if !self.kept.data.accounts.contains_key(name) {
            return Err(StoreError::Failed);
        }
        self.kept.remove(|data| &mut data.key_packages, name.clone());
        Ok(())
    }

    fn take_key_package(&mut self, name: &NameKey, suites: &[u32], from: Stamp) -> Result<Option<StoredKeyPackage>, StoreError> {
        for suite in suites {
            if let Some(bytes) = self.take_one_time(name, *suite, from) {
                return Ok(Some(StoredKeyPackage { suite: *suite, bytes, last_resort: false }));
            }
        }
        for suite in suites {
            if let Some(bytes) = self.give_last_resort(name, *suite) {
                return Ok(Some(StoredKeyPackage { suite: *suite, bytes, last_resort: true }));
            }
        }
        Ok(None)
    }

    fn key_packages(&mut self, name: &NameKey, from: Stamp) -> Result<Stock, StoreError> {
        let Some(KeyPackages { one_time, last_resort }) = self.kept.data.key_packages.get(name) else {
            return Ok(Stock::default());
        };
        let count = one_time.values().flatten().filter(|(at, _)| *at >= from).count();
        let last_resort = last_resort.values().any(|package| !package.given && package.at >= from);
        Ok(Stock { one_time: u32::try_from(count).unwrap_or(u32::MAX), last_resort })
    }

    fn set_capabilities(&mut self, mailbox: MailboxId, add: &[Digest], remove: &[Digest]) -> Result<(), StoreError> {
        let row = self.kept.data.mailboxes.get(&mailbox).cloned().ok_or(StoreError::Failed)?;
        let Changes { new, gone, count } =
            changes(row.capabilities, add, remove, |capability| Ok(self.capability_row(mailbox, capability).held))?;
        for (set, held) in [(new, true), (gone, false)] {
            for capability in set {
                let Capability { held: _, items } = self.capability_row(mailbox, capability);
                self.keep_capability(mailbox, capability, Capability { held, items });
            }
        }
        self.kept.insert(|data| &mut data.mailboxes, mailbox, Mailbox { capabilities: count, ..row });
        Ok(())
    }

    fn capability(&mut self, mailbox: MailboxId, capability: Digest) -> Result<bool, StoreError> {
        Ok(self.capability_row(mailbox, capability).held)
    }

    fn spend(&mut self, stamp: Digest, on: MailboxId, until: Stamp) -> Result<bool, StoreError> {
        self.volatile.spend(stamp, on, until)
    }

    fn stamps_spent(&mut self) -> Result<u64, StoreError> {
        Ok(self.volatile.stamps_spent())
    }

    fn stamps_spent_on(&mut self, on: MailboxId) -> Result<u64, StoreError> {
        Ok(self.volatile.stamps_spent_on(on))
    }

    fn put_item(&mut self, item: &NewItem<'_>) -> Result<PutOutcome, StoreError> {
        let NewItem { mailbox, quota, frame, envelope, at, mailbox_max, quota_max } = *item;
        let Some(mut row) = self.kept.data.mailboxes.get(&mailbox).cloned() else {
            return Ok(PutOutcome::Unknown);
        };
        if self.kept.data.frames.contains_key(&(mailbox, frame)) {
            return Ok(PutOutcome::Repeated);
        }
        if row.items >= mailbox_max {
            return Ok(PutOutcome::Full);
        }
        let request = match quota {
            Quota::Requests => {
                if row.requests >= quota_max {
                    return Ok(PutOutcome::QuotaFull);
                }
                row.requests += 1;
                true
            }
            Quota::Capability(capability) => {
                let Capability { held, items } = self.capability_row(mailbox, capability);
                if items >= quota_max {
                    return Ok(PutOutcome::QuotaFull);
                }
                self.keep_capability(mailbox, capability, Capability { held, items: items + 1 });
                false
            }
        };
        row.items += 1;
        row.place_last += 1;
        let place = row.place_last;
        self.kept.insert(|data| &mut data.mailboxes, mailbox, row);
        self.kept.insert(|data| &mut data.items, (mailbox, request, place), Item { quota, envelope: envelope.to_vec() });
        self.kept.insert(|data| &mut data.frames, (mailbox, frame), (at, place));
        self.kept.insert(|data| &mut data.frame_at, (mailbox, place), frame);
        if let Some(old) = place.checked_sub(MAILBOX_FRAMES_MAX) {
            self.forget_frame_of_gone(mailbox, old);
        }
        Ok(PutOutcome::Stored(place))
    }

    fn items(&mut self, mailbox: MailboxId, count_max: u32) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let count_max = usize::try_from(count_max).unwrap_or(usize::MAX);
        let items = self.kept.data.items.range((mailbox, false, 0)..=(mailbox, true, u64::MAX));
        Ok(items.take(count_max).map(|((_, _, place), item)| (*place, item.envelope.clone())).collect())
    }

    fn count(&mut self, mailbox: MailboxId) -> Result<u64, StoreError> {
        Ok(self.kept.data.mailboxes.get(&mailbox).map_or(0, |mailbox| mailbox.items))
    }

    fn count_of(&mut self, mailbox: MailboxId, quota: Quota) -> Result<u64, StoreError> {
        Ok(match quota {
            Quota::Requests => self.kept.data.mailboxes.get(&mailbox).map_or(0, |mailbox| mailbox.requests),
            Quota::Capability(capability) => self.capability_row(mailbox, capability).items,
        })
    }

    fn remove_items(&mut self, mailbox: MailboxId, cursors: &[u64]) -> Result<(), StoreError> {
        let place_last = self.kept.data.mailboxes.get(&mailbox).map_or(0, |row| row.place_last);
        for cursor in cursors {
            self.remove_item(mailbox, *cursor);
            if place_last.checked_sub(*cursor).is_some_and(|behind| behind >= MAILBOX_FRAMES_MAX) {
                self.forget_frame_of_gone(mailbox, *cursor);
            }
        }
        Ok(())
    }

    fn answer(&mut self, tag: LaneTag, frame: FrameId) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.volatile.answer(tag, frame))
    }

    fn remember_answer(&mut self, tag: LaneTag, frame: FrameId, answer: &[u8], at: Stamp) -> Result<(), StoreError> {
        self.volatile.remember_answer(tag, frame, answer, at);
        Ok(())
    }

    fn clean(&mut self, now: Stamp, retention: Duration) -> Result<u64, StoreError> {
        self.volatile.clean(now);
        self.remove_one_time_before(Stamp(now.0.saturating_sub(KEY_PACKAGE_FOR.0)));
        let past = self.kept.data.frames.iter().filter(|(_, (at, _))| now.since(*at) > retention);
        let past: Vec<(MailboxId, u64)> = past.map(|((mailbox, _), (_, place))| (*mailbox, *place)).collect();
        let mut removed = 0;
        for (mailbox, place) in past {
            removed += u64::from(self.remove_item(mailbox, place));
            self.forget_frame(mailbox, place);
        }
        let before = |kept_for: Duration| Stamp(now.0.saturating_sub(kept_for.0));
        Ok(removed + self.clean_logs(before(retention), before(LOG_FOR)))
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.kept.commit();
        self.volatile.commit();
        Ok(())
    }

    fn roll_back(&mut self) -> Result<(), StoreError> {
        self.kept.roll_back();
        self.volatile.roll_back();
        Ok(())
    }
}
