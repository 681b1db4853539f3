//! A store in memory: for tests, simulations and a relay that may forget when it stops.

use crate::undo::Undo;
use crate::volatile::Volatile;
use std::collections::{BTreeMap, VecDeque};
use thicket_types::ids::{FrameId, LaneTag, MailboxId};
use thicket_types::limits::{MAILBOX_ITEMS_MAX, RETENTION};
use thicket_types::name::NameKey;
use thicket_types::ports::{Account, OpenChallenge, PutOutcome, Store, StoreError};
use thicket_types::time::Stamp;

/// What [`SqliteStore`](crate::SqliteStore) keeps on disk, in ordered maps.
#[derive(Default)]
struct Data {
    accounts: BTreeMap<NameKey, Account>,
    key_packages: BTreeMap<NameKey, KeyPackages>,
    mailboxes: BTreeMap<MailboxId, Mailbox>,
    items: BTreeMap<(MailboxId, u64), Vec<u8>>,
    /// When an item came, and its place: kept when the item is gone.
    frames: BTreeMap<(MailboxId, FrameId), (Stamp, u64)>,
}

#[derive(Clone, Default)]
struct KeyPackages {
    one_time: VecDeque<Vec<u8>>,
    last_resort: Option<Vec<u8>>,
}

#[derive(Clone)]
struct Mailbox {
    owner: NameKey,
    /// The place that was given last.
    place_last: u64,
    items: u64,
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
        if !self.kept.remove(|data| &mut data.items, (mailbox, place)) {
            return false;
        }
        if let Some(Mailbox { owner, place_last, items }) = self.kept.data.mailboxes.get(&mailbox).cloned() {
            let fewer = Mailbox { owner, place_last, items: items.saturating_sub(1) };
            self.kept.insert(|data| &mut data.mailboxes, mailbox, fewer);
        }
        true
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
                let mailbox = Mailbox { owner: name.clone(), place_last: 0, items: 0 };
                self.kept.insert(|data| &mut data.mailboxes, account.mailbox, mailbox);
                account.clone()
            }
        };
        self.kept.insert(|data| &mut data.accounts, name.clone(), account);
        Ok(())
    }

    fn put_challenge(&mut self, nonce: [u8; 32], challenge: &OpenChallenge) -> Result<(), StoreError> {
        self.volatile.put_challenge(nonce, challenge)
    }

    fn take_challenge(&mut self, nonce: [u8; 32]) -> Result<Option<OpenChallenge>, StoreError> {
        Ok(self.volatile.take_challenge(nonce))
    }

    fn bind_lane(&mut self, tag: LaneTag, name: &NameKey) -> Result<(), StoreError> {
        self.volatile.bind_lane(tag, name)
    }

    fn lane(&mut self, tag: LaneTag) -> Result<Option<NameKey>, StoreError> {
        Ok(self.volatile.lane(tag))
    }

    fn lane_of(&mut self, mailbox: MailboxId) -> Result<Option<LaneTag>, StoreError> {
        Ok(self.kept.data.mailboxes.get(&mailbox).and_then(|mailbox| self.volatile.lane_of(&mailbox.owner)))
    }

    fn add_key_packages(&mut self, name: &NameKey, one_time: &[Vec<u8>], last_resort: Option<&[u8]>) -> Result<(), StoreError> {
        if !self.kept.data.accounts.contains_key(name) {
            return Err(StoreError::Failed);
        }
        let mut kept = self.kept.data.key_packages.get(name).cloned().unwrap_or_default();
        kept.one_time.extend(one_time.iter().cloned());
        if let Some(last_resort) = last_resort {
            kept.last_resort = Some(last_resort.to_vec());
        }
        self.kept.insert(|data| &mut data.key_packages, name.clone(), kept);
        Ok(())
    }

    fn take_key_package(&mut self, name: &NameKey) -> Result<Option<(Vec<u8>, bool)>, StoreError> {
        let Some(kept) = self.kept.data.key_packages.get_mut(name) else {
            return Ok(None);
        };
        let Some(package) = kept.one_time.pop_front() else {
            return Ok(kept.last_resort.clone().map(|package| (package, true)));
        };
        let (name, back) = (name.clone(), package.clone());
        self.kept.step(move |data| data.key_packages.entry(name).or_default().one_time.push_front(back));
        Ok(Some((package, false)))
    }

    fn key_packages(&mut self, name: &NameKey) -> Result<(u32, bool), StoreError> {
        let Some(kept) = self.kept.data.key_packages.get(name) else {
            return Ok((0, false));
        };
        Ok((u32::try_from(kept.one_time.len()).unwrap_or(u32::MAX), kept.last_resort.is_some()))
    }

    fn put_item(&mut self, mailbox: MailboxId, frame: FrameId, envelope: &[u8], at: Stamp) -> Result<PutOutcome, StoreError> {
        let Some(Mailbox { owner, place_last, items }) = self.kept.data.mailboxes.get(&mailbox).cloned() else {
            return Ok(PutOutcome::Unknown);
        };
        if self.kept.data.frames.contains_key(&(mailbox, frame)) {
            return Ok(PutOutcome::Repeated);
        }
        if items >= MAILBOX_ITEMS_MAX {
            return Ok(PutOutcome::Full);
        }
        let place = place_last + 1;
        self.kept.insert(|data| &mut data.mailboxes, mailbox, Mailbox { owner, place_last: place, items: items + 1 });
        self.kept.insert(|data| &mut data.items, (mailbox, place), envelope.to_vec());
        self.kept.insert(|data| &mut data.frames, (mailbox, frame), (at, place));
        Ok(PutOutcome::Stored(place))
    }

    fn items(&mut self, mailbox: MailboxId, count_max: u32) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let count_max = usize::try_from(count_max).unwrap_or(usize::MAX);
        let items = self.kept.data.items.range((mailbox, 0)..=(mailbox, u64::MAX));
        Ok(items.take(count_max).map(|((_, place), envelope)| (*place, envelope.clone())).collect())
    }

    fn count(&mut self, mailbox: MailboxId) -> Result<u64, StoreError> {
        Ok(self.kept.data.mailboxes.get(&mailbox).map_or(0, |mailbox| mailbox.items))
    }

    fn remove_items(&mut self, mailbox: MailboxId, cursors: &[u64]) -> Result<(), StoreError> {
        for cursor in cursors {
            self.remove_item(mailbox, *cursor);
        }
        Ok(())
    }

    fn answer(&mut self, tag: LaneTag, frame: FrameId) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.volatile.answer(tag, frame))
    }

    fn remember_answer(&mut self, tag: LaneTag, frame: FrameId, answer: &[u8], at: Stamp) -> Result<(), StoreError> {
        self.volatile.remember_answer(tag, frame, answer, at)
    }

    fn clean(&mut self, now: Stamp) -> Result<u64, StoreError> {
        self.volatile.clean(now);
        let past = self.kept.data.frames.iter().filter(|(_, (at, _))| now.since(*at) > RETENTION);
        let past: Vec<((MailboxId, FrameId), u64)> = past.map(|(key, (_, place))| (*key, *place)).collect();
        let mut removed = 0;
        for (key, place) in past {
            removed += u64::from(self.remove_item(key.0, place));
            self.kept.remove(|data| &mut data.frames, key);
        }
        Ok(removed)
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
