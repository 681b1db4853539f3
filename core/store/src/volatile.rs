//! What no restart need survive, for reply paths don't either: challenges, lanes, spent stamps and remembered answers. Both
//! stores keep it here.

use crate::undo::Undo;
use std::collections::BTreeMap;
use thicket_types::ids::{Digest, FrameId, LaneTag};
use thicket_types::limits::{CHALLENGES_MAX, LANES_MAX, RELAY_ANSWERS_FOR, RELAY_ANSWERS_MAX, STAMPS_SPENT_MAX};
use thicket_types::name::NameKey;
use thicket_types::ports::{DoneNumbers, OpenChallenge, Session, StoreError};
use thicket_types::time::Stamp;

#[derive(Default)]
struct Data {
    challenges: BTreeMap<[u8; 32], OpenChallenge>,
    /// With `lane_of`: one name a lane, one lane a name. With `by_activity`: one number a lane.
    lanes: BTreeMap<LaneTag, Lane>,
    lane_of: BTreeMap<NameKey, LaneTag>,
    /// The least recently active lane first.
    by_activity: BTreeMap<u64, LaneTag>,
    answers: BTreeMap<(LaneTag, FrameId), (Stamp, Vec<u8>)>,
    /// Until when a spent stamp is remembered.
    spent: BTreeMap<Digest, Stamp>,
    /// The same by time, so that cleaning looks at nothing that stays.
    spent_until: BTreeMap<(Stamp, Digest), ()>,
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
}

impl Volatile {
    pub(crate) fn put_challenge(&mut self, nonce: [u8; 32], challenge: &OpenChallenge) -> Result<(), StoreError> {
        let challenges = &self.kept.data.challenges;
        if challenges.len() >= CHALLENGES_MAX && !challenges.contains_key(&nonce) {
            return Err(StoreError::Full);
        }
        self.kept.insert(|data| &mut data.challenges, nonce, challenge.clone());
        Ok(())
    }

    pub(crate) fn take_challenge(&mut self, nonce: [u8; 32]) -> Option<OpenChallenge> {
        let challenge = self.kept.data.challenges.get(&nonce).cloned();
        self.kept.remove(|data| &mut data.challenges, nonce);
        challenge
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

    pub(crate) fn spend(&mut self, stamp: Digest, until: Stamp) -> Result<bool, StoreError> {
        let spent = &self.kept.data.spent;
        if spent.contains_key(&stamp) {
            return Ok(false);
        }
        if spent.len() >= STAMPS_SPENT_MAX {
            return Err(StoreError::Full);
        }
        self.kept.insert(|data| &mut data.spent, stamp, until);
        self.kept.insert(|data| &mut data.spent_until, (until, stamp), ());
        Ok(true)
    }

    pub(crate) fn answer(&self, tag: LaneTag, frame: FrameId) -> Option<Vec<u8>> {
        self.kept.data.answers.get(&(tag, frame)).map(|(_, answer)| answer.clone())
    }

    pub(crate) fn remember_answer(&mut self, tag: LaneTag, frame: FrameId, answer: &[u8], at: Stamp) -> Result<(), StoreError> {
        let answers = &self.kept.data.answers;
        if answers.len() >= RELAY_ANSWERS_MAX && !answers.contains_key(&(tag, frame)) {
            return Err(StoreError::Full);
        }
        self.kept.insert(|data| &mut data.answers, (tag, frame), (at, answer.to_vec()));
        Ok(())
    }

    /// Removes what is past its time. Bounded by the limits of what is kept.
    pub(crate) fn clean(&mut self, now: Stamp) {
        let Data { challenges, answers, spent_until, .. } = &self.kept.data;
        let challenges: Vec<[u8; 32]> = challenges.iter().filter(|(_, challenge)| challenge.until < now).map(|(nonce, _)| *nonce).collect();
        let answers: Vec<(LaneTag, FrameId)> =
            answers.iter().filter(|(_, (at, _))| now.since(*at) > RELAY_ANSWERS_FOR).map(|(key, _)| *key).collect();
        let spent: Vec<(Stamp, Digest)> = spent_until.range(..(now, Digest([0; 32]))).map(|(key, ())| *key).collect();
        for nonce in challenges {
            self.kept.remove(|data| &mut data.challenges, nonce);
        }
        for key in answers {
            self.kept.remove(|data| &mut data.answers, key);
        }
        for (until, stamp) in spent {
            self.kept.remove(|data| &mut data.spent_until, (until, stamp));
            self.kept.remove(|data| &mut data.spent, stamp);
        }
    }

    pub(crate) fn commit(&mut self) {
        self.kept.commit();
    }

    pub(crate) fn roll_back(&mut self) {
        self.kept.roll_back();
    }
}
