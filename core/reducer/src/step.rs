//! One fold's scratch: where we are, and the effects asked for so far.

use crate::state::{Outstanding, State, Why};
use alloc::vec::Vec;
use thicket_types::effect::{Change, Effect, Send};
use thicket_types::event::{Lane, TimerId};
use thicket_types::ids::{EffectId, Seq};
use thicket_types::name::RelayAddress;
use thicket_types::ports::Place;
use thicket_types::time::{Duration, Stamp};
use thicket_types::vault_op::VaultOp;

/// Collects effects, and keeps in the state what a restart must know of them.
pub(crate) struct Step {
    place: Place,
    effects: Vec<Effect>,
}

impl Step {
    pub(crate) fn new(place: Place) -> Step {
        Step { place, effects: Vec::new() }
    }

    pub(crate) fn into_effects(self) -> Vec<Effect> {
        self.effects
    }

    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// The record being folded.
    pub(crate) fn seq(&self) -> Seq {
        self.place.seq
    }

    /// The only time there is.
    pub(crate) fn now(&self) -> Stamp {
        self.place.stamp
    }

    /// Asks the vault. The op is outstanding until it is resolved.
    pub(crate) fn vault(&mut self, state: &mut State, why: Why, op: VaultOp) {
        self.push(state, why, Effect::Vault(op));
    }

    /// Hands a frame to the transport. Outstanding until the transport took it.
    pub(crate) fn send(&mut self, state: &mut State, why: Why, to: RelayAddress, lane: Lane, frame: Seq) {
        self.push(state, why, Effect::Send(Send { to, lane, frame }));
    }

    pub(crate) fn arm(&mut self, state: &mut State, timer: TimerId, span: Duration) {
        let deadline = self.now().after(span);
        state.timers.insert(timer, deadline);
        self.effects.push(Effect::Arm(timer, deadline));
    }

    pub(crate) fn disarm(&mut self, state: &mut State, timer: TimerId) {
        if state.timers.remove(&timer).is_some() {
            self.effects.push(Effect::Disarm(timer));
        }
    }

    pub(crate) fn notify(&mut self, change: Change) {
        self.effects.push(Effect::Notify(change));
    }

    /// A span, lengthened by up to a quarter, so that many clients do not knock at once.
    ///
    /// The chance is derived from the segment's id and the Seq; it feeds waiting times alone and never reaches a wire.
    pub(crate) fn jittered(&self, span: Duration) -> Duration {
        let mut mixed = self.place.seq.0;
        for byte in self.place.segment.0 {
            mixed = mixed.rotate_left(8) ^ u64::from(byte);
            // The finalizer of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^= mixed >> 31;
        }
        Duration(span.0.saturating_add(mixed % (span.0 / 4 + 1)))
    }

    fn push(&mut self, state: &mut State, why: Why, effect: Effect) {
        let index = u32::try_from(self.effects.len()).unwrap_or(u32::MAX);
        let id = EffectId { seq: self.place.seq, index, segment: self.place.segment };
        state.outstanding.insert(id, Outstanding { effect: effect.clone(), why });
        self.effects.push(effect);
    }
}
