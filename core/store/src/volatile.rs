//! What no restart need survive, for reply paths don't either: challenges, lanes, spent stamps and remembered answers. Both
//! stores keep it here.

use crate::undo::Undo;
use std::collections::BTreeMap;
use thicket_types::ids::{Digest, FrameId, LaneTag, MailboxId};
use thicket_types::limits::{CHALLENGES_MAX, LANES_MAX, RELAY_ANSWERS_FOR, RELAY_ANSWERS_MAX, STAMPS_SPENT_MAX, STAMPS_SPENT_NAME_MAX};
use thicket_types::name::NameKey;
use thicket_types::ports::{DoneNumbers, OpenChallenge, Session, StoreError};
use thicket_types::time::Stamp;

#[derive(Default)]
struct Data {
    challenges: BTreeMap<[u8; 32], Challenge>,
    /// The nonce of the one that a lane has open.
    challenge_of: BTreeMap<LaneTag, [u8; 32]>,
    /// The one that was kept first comes first.
    challenges_by_age: BTreeMap<u64, [u8; 32]>,
    /// With `lane_of`: one name a lane, one lane a name. With `by_activity`: one number a lane.
    lanes: BTreeMap<LaneTag, Lane>,
    lane_of: BTreeMap<NameKey, LaneTag>,
    /// The least recently active lane first.
    by_activity: BTreeMap<u64, LaneTag>,
    answers: BTreeMap<(LaneTag, FrameId), Remembered>,
    /// The one that was remembered first comes first.
    answers_by_age: BTreeMap<u64, (LaneTag, FrameId)>,
    /// Until when a spent stamp is remembered.
    spent: BTreeMap<Digest, Stamp>,
    /// The same by time, so that cleaning looks at nothing that stays, with whom it was spent on.
    spent_until: BTreeMap<(Stamp, Digest), MailboxId>,
    /// How many were spent on each, if any.
    spent_on: BTreeMap<MailboxId, u64>,
}

#[derive(Clone)]
struct Challenge {
    open: OpenChallenge,
    age: u64,
}

#[derive(Clone)]
struct Remembered {
    at: Stamp,
    answer: Vec<u8>,
    age: u64,
}

#[derive(Clone)]
struct Lane {
    name: NameKey,
    session: Session,
    activity: u64,
}

/// The volatile part of a store. Its methods are those of the port.
#[derive(Default)]
pub(crate) struct Volatile {
    kept: Undo<Data>,
    /// The last number given to a lane that was active. Grows, whatever is rolled back.
    activity_last: u64,
    /// The last number given to a challenge or an answer. Grows, whatever is rolled back.
    age_last: u64,
}

impl Volatile {
    /// Never full: a lane has one open, and past [`CHALLENGES_MAX`] the one that was kept first goes. Its client is told so when it
    /// answers, and asks for another.
    pub(crate) fn put_challenge(&mut self, nonce: [u8; 32], open: &OpenChallenge) {
        if let Some(earlier) = self.kept.data.challenge_of.get(&open.tag).copied() {
            self.take_challenge(earlier);
        }
        self.take_challenge(nonce);
        while self.kept.data.challenges.len() >= CHALLENGES_MAX {
            let Some((_, oldest)) = self.kept.data.challenges_by_age.first_key_value() else {
                break;
            };
            self.take_challenge(*oldest);
        }
        let age = self.next_age();
        self.kept.insert(|data| &mut data.challenges_by_age, age, nonce);
        self.kept.insert(|data| &mut data.challenge_of, open.tag, nonce);
        self.kept.insert(|data| &mut data.challenges, nonce, Challenge { open: open.clone(), age });
    }

    pub(crate) fn challenge_of(&self, tag: LaneTag) -> Option<([u8; 32], OpenChallenge)> {
        let nonce = self.kept.data.challenge_of.get(&tag)?;
        self.kept.data.challenges.get(nonce).map(|challenge| (*nonce, challenge.open.clone()))
    }

    pub(crate) fn take_challenge(&mut self, nonce: [u8; 32]) -> Option<OpenChallenge> {
        let Challenge { open, age } = self.kept.data.challenges.get(&nonce).cloned()?;
        self.kept.remove(|data| &mut data.challenges_by_age, age);
        self.kept.remove(|data| &mut data.challenge_of, open.tag);
        self.kept.remove(|data| &mut data.challenges, nonce);
        Some(open)
    }

    fn next_age(&mut self) -> u64 {
        self.age_last += 1;
        self.age_last
    }

    /// Never full: past [`LANES_MAX`] the least recently active lane goes. Its client is told so by its next request, and
    /// logs in again.
    pub(crate) fn bind_lane(&mut self, tag: LaneTag, name: &NameKey, session: [u8; 32]) {
        if let Some(earlier) = self.lane_of(name) {
            self.leave(earlier);
        }
        self.leave(tag);
        while self.kept.data.lanes.len() >= LANES_MAX {
            let Some((_, idlest)) = self.kept.data.by_activity.first_key_value() else {
                break;
            };
            self.leave(*idlest);
        }
        self.kept.insert(|data| &mut data.lane_of, name.clone(), tag);
        self.enter(tag, name.clone(), Session { nonce: session, done: DoneNumbers::default() });
    }

    /// The name of a lane, which is active by that: the relay asks for each request that comes.
    pub(crate) fn lane(&mut self, tag: LaneTag) -> Option<NameKey> {
        let Lane { name, session, activity } = self.kept.data.lanes.get(&tag).cloned()?;
        if activity != self.activity_last {
            self.kept.remove(|data| &mut data.by_activity, activity);
            self.enter(tag, name.clone(), session);
        }
        Some(name)
    }

    pub(crate) fn session(&self, tag: LaneTag) -> Option<Session> {
        self.kept.data.lanes.get(&tag).map(|lane| lane.session)
    }

    pub(crate) fn set_done(&mut self, tag: LaneTag, done: DoneNumbers) {
        if let Some(Lane { name, session, activity }) = self.kept.data.lanes.get(&tag).cloned() {
            self.kept.insert(|data| &mut data.lanes, tag, Lane { name, session: Session { done, ..session }, activity });
        }
    }

    pub(crate) fn lane_of(&self, name: &NameKey) -> Option<LaneTag> {
        self.kept.data.lane_of.get(name).copied()
    }

    /// Notes a lane as the most recently active.
    fn enter(&mut self, tag: LaneTag, name: NameKey, session: Session) {
        self.activity_last += 1;
        let activity = self.activity_last;
        self.kept.insert(|data| &mut data.by_activity, activity, tag);
        self.kept.insert(|data| &mut data.lanes, tag, Lane { name, session, activity });
    }

    fn leave(&mut self, tag: LaneTag) {
        if let Some(Lane { name, activity, .. }) = self.kept.data.lanes.get(&tag).cloned() {
            self.kept.remove(|data| &mut data.by_activity, activity);
            self.kept.remove(|data| &mut data.lane_of, name);
            self.kept.remove(|data| &mut data.lanes, tag);
        }
    }

    /// Each name has its own bound, so that whoever spends on one keeps nobody from the others.
    pub(crate) fn spend(&mut self, stamp: Digest, on: MailboxId, until: Stamp) -> Result<bool, StoreError> {
        let (spent, spent_on) = (&self.kept.data.spent, self.stamps_spent_on(on));
        if spent.contains_key(&stamp) {
            return Ok(false);
        }
        if spent.len() >= STAMPS_SPENT_MAX || spent_on >= STAMPS_SPENT_NAME_MAX {
            return Err(StoreError::Full);
        }
        self.kept.insert(|data| &mut data.spent, stamp, until);
        self.kept.insert(|data| &mut data.spent_until, (until, stamp), on);
        self.kept.insert(|data| &mut data.spent_on, on, spent_on + 1);
        Ok(true)
    }

    pub(crate) fn stamps_spent(&self) -> u64 {
        u64::try_from(self.kept.data.spent.len()).unwrap_or(u64::MAX)
    }

    pub(crate) fn stamps_spent_on(&self, on: MailboxId) -> u64 {
        self.kept.data.spent_on.get(&on).copied().unwrap_or(0)
    }

    pub(crate) fn answer(&self, tag: LaneTag, frame: FrameId) -> Option<Vec<u8>> {
        self.kept.data.answers.get(&(tag, frame)).map(|remembered| remembered.answer.clone())
    }

    /// Never full: past [`RELAY_ANSWERS_MAX`] the answer that was remembered first goes. Who asks again does so within seconds.
    pub(crate) fn remember_answer(&mut self, tag: LaneTag, frame: FrameId, answer: &[u8], at: Stamp) {
        self.forget_answer((tag, frame));
        while self.kept.data.answers.len() >= RELAY_ANSWERS_MAX {
            let Some((_, oldest)) = self.kept.data.answers_by_age.first_key_value() else {
                break;
            };
            self.forget_answer(*oldest);
        }
        let age = self.next_age();
        self.kept.insert(|data| &mut data.answers_by_age, age, (tag, frame));
        self.kept.insert(|data| &mut data.answers, (tag, frame), Remembered { at, answer: answer.to_vec(), age });
    }

    fn forget_answer(&mut self, key: (LaneTag, FrameId)) {
        if let Some(age) = self.kept.data.answers.get(&key).map(|remembered| remembered.age) {
            self.kept.remove(|data| &mut data.answers_by_age, age);
            self.kept.remove(|data| &mut data.answers, key);
        }
    }

    /// Removes what is past its time. Bounded by the limits of what is kept.
    pub(crate) fn clean(&mut self, now: Stamp) {
        let Data { challenges, answers, spent_until, .. } = &self.kept.data;
        let challenges: Vec<[u8; 32]> =
            challenges.iter().filter(|(_, challenge)| challenge.open.until < now).map(|(nonce, _)| *nonce).collect();
        let answers: Vec<(LaneTag, FrameId)> =
            answers.iter().filter(|(_, remembered)| now.since(remembered.at) > RELAY_ANSWERS_FOR).map(|(key, _)| *key).collect();
        let spent: Vec<((Stamp, Digest), MailboxId)> = spent_until.range(..(now, Digest([0; 32]))).map(|(key, on)| (*key, *on)).collect();
        for nonce in challenges {
            self.take_challenge(nonce);
        }
        for key in answers {
            self.forget_answer(key);
        }
        for ((until, stamp), on) in spent {
            self.kept.remove(|data| &mut data.spent_until, (until, stamp));
            self.kept.remove(|data| &mut data.spent, stamp);
            match self.stamps_spent_on(on) {
                0 | 1 => {
                    self.kept.remove(|data| &mut data.spent_on, on);
                }
                more => {
                    self.kept.insert(|data| &mut data.spent_on, on, more - 1);
                }
            }
        }
    }

    pub(crate) fn commit(&mut self) {
        self.kept.commit();
    }

    pub(crate) fn roll_back(&mut self) {
        self.kept.roll_back();
    }
}
