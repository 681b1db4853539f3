//! What no restart need survive, for reply paths don't either: challenges, lanes and remembered answers. Both stores keep it here.

use crate::undo::Undo;
use std::collections::BTreeMap;
use thicket_types::ids::{FrameId, LaneTag};
use thicket_types::limits::{CHALLENGES_MAX, LANES_MAX, RELAY_ANSWERS_FOR, RELAY_ANSWERS_MAX};
use thicket_types::name::NameKey;
use thicket_types::ports::{OpenChallenge, StoreError};
use thicket_types::time::Stamp;

#[derive(Default)]
struct Data {
    challenges: BTreeMap<[u8; 32], OpenChallenge>,
    /// With `lane_of`: one name a lane, one lane a name.
    lanes: BTreeMap<LaneTag, NameKey>,
    lane_of: BTreeMap<NameKey, LaneTag>,
    answers: BTreeMap<(LaneTag, FrameId), (Stamp, Vec<u8>)>,
}

/// The volatile part of a store. Its methods are those of the port.
#[derive(Default)]
pub(crate) struct Volatile {
    kept: Undo<Data>,
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

    pub(crate) fn bind_lane(&mut self, tag: LaneTag, name: &NameKey) -> Result<(), StoreError> {
        let Data { lanes, lane_of, .. } = &self.kept.data;
        // A name that moves to another lane takes no further place.
        if lanes.len() >= LANES_MAX && !lanes.contains_key(&tag) && !lane_of.contains_key(name) {
            return Err(StoreError::Full);
        }
        if let Some(earlier) = self.kept.insert(|data| &mut data.lane_of, name.clone(), tag) {
            self.kept.remove(|data| &mut data.lanes, earlier);
        }
        if let Some(other) = self.kept.insert(|data| &mut data.lanes, tag, name.clone()).filter(|other| other != name) {
            self.kept.remove(|data| &mut data.lane_of, other);
        }
        Ok(())
    }

    pub(crate) fn lane(&self, tag: LaneTag) -> Option<NameKey> {
        self.kept.data.lanes.get(&tag).cloned()
    }

    pub(crate) fn lane_of(&self, name: &NameKey) -> Option<LaneTag> {
        self.kept.data.lane_of.get(name).copied()
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
        let Data { challenges, answers, .. } = &self.kept.data;
        let challenges: Vec<[u8; 32]> = challenges.iter().filter(|(_, challenge)| challenge.until < now).map(|(nonce, _)| *nonce).collect();
        let answers: Vec<(LaneTag, FrameId)> =
            answers.iter().filter(|(_, (at, _))| now.since(*at) > RELAY_ANSWERS_FOR).map(|(key, _)| *key).collect();
        for nonce in challenges {
            self.kept.remove(|data| &mut data.challenges, nonce);
        }
        for key in answers {
            self.kept.remove(|data| &mut data.answers, key);
        }
    }

    pub(crate) fn commit(&mut self) {
        self.kept.commit();
    }

    pub(crate) fn roll_back(&mut self) {
        self.kept.roll_back();
    }
}
