//! The client's rules: [`State`], and [`reduce`], which folds one event into it and asks for effects.
//!
//! Pure: no clock, no randomness, no I/O, no key, no message text. One concern a module:
//!
//! ```text
//!   session   registered, logged in, or on the way there
//!   contact   whom we know, and how they stand
//!   outbox    messages of ours until the relay has stored them
//!   inbox     what arrived: repeats, early frames, receipts, acknowledgements
//!   delivery  requests on their way: retries, backoff, answers, work that the relay asks for
//!   offers    conversations that the other side is asked to begin
//!   grants    write capabilities for contacts
//!   marks     what was read
//!   upkeep    the daily round: keys that are due for renewal
//!   moving    another relay, another device
//!   timers    what to do when a deadline passes
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::float_arithmetic,
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented
    )
)]

extern crate alloc;

mod contact;
mod delivery;
mod early;
mod grants;
mod inbox;
mod marks;
mod moving;
mod offers;
mod outbox;
mod session;
mod state;
mod step;
mod timers;
mod upkeep;
mod view;

#[cfg(test)]
mod tests;

pub use state::{
    Contact, Conversation, Held, InFlight, Link, Outgoing, Outstanding, Phase, Relay, Session, Settings, Stampable, Standing, State,
    Strangers, Why,
};
pub use view::{ContactView, View, view};

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use contact::Shown;
use step::Step;
use thicket_types::effect::{Change, Effect};
use thicket_types::error::Code;
use thicket_types::event::{Arrival, Arrived, Event, Outcome, TimerId};
use thicket_types::ids::{EffectId, IntentId, RelayKey, RulesVersion, Seq};
use thicket_types::intent::{Answer, Intent};
use thicket_types::ports::{Admission, Place, Reducer};
use thicket_types::time::{Deadline, Stamp};
use thicket_types::vault_op::VaultOp;

/// The rules version that this build writes.
pub const RULES: RulesVersion = RulesVersion(1);

/// The client's rules as a type, for the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientRules;

impl Reducer for ClientRules {
    type State = State;
    const RULES: RulesVersion = RULES;

    fn fresh() -> State {
        State::default()
    }

    fn reduce(rules: RulesVersion, state: &mut State, place: Place, event: &Event) -> Vec<Effect> {
        reduce(rules, state, place, event)
    }

    /// Frames for the anonymous lane are not among them: the login sends them, once the relay has seen this device.
    fn outstanding(state: &State) -> Vec<(EffectId, Effect)> {
        let asked = state.outstanding.iter().filter(|(_, outstanding)| !delivery::is_anonymous(&outstanding.effect));
        asked.map(|(id, outstanding)| (*id, outstanding.effect.clone())).collect()
    }

    fn timers(state: &State) -> Vec<(TimerId, Deadline)> {
        state.timers.iter().map(|(timer, deadline)| (*timer, *deadline)).collect()
    }

    fn relay(state: &State) -> Option<RelayKey> {
        state.session.relay.as_ref().and_then(|relay| relay.key)
    }

    fn named(state: &State) -> BTreeSet<Seq> {
        let resent = state.requests.values().map(|request| request.frame);
        let early = state.early.values().flatten().map(|held| held.envelope);
        let asked = state.outstanding.values().filter_map(|outstanding| match &outstanding.effect {
            Effect::Vault(op) => op.frame(),
            Effect::Send(send) => Some(send.frame),
            Effect::Arm(..) | Effect::Disarm(_) | Effect::Notify(_) => None,
        });
        resent.chain(early).chain(asked).collect()
    }

    fn admit(state: &State, now: Stamp, arrival: Arrival) -> Admission {
        inbox::admit(state, now, arrival)
    }

    fn vault_count(state: &State) -> u64 {
        state.vault_count
    }
}

/// Folds one event into the state and returns the effects it asks for.
///
/// Total and deterministic: the same rules, state, place and event give the same state and effects, on every machine.
/// **Repeat.** A second `Resolved` for an effect, a repeated frame or Intent changes nothing but remembers nothing twice.
pub fn reduce(rules: RulesVersion, state: &mut State, place: Place, event: &Event) -> Vec<Effect> {
    // There is one rules version so far; a later one branches here, and the old one stays.
    let RulesVersion(_) = rules;
    let mut step = Step::new(place);
    match event {
        Event::Requested { id, intent } => requested(state, &mut step, *id, intent),
        Event::Arrived(arrival) => arrived(state, &mut step, arrival),
        Event::Elapsed { timer, fault } => timers::elapsed(state, &mut step, *timer, *fault),
        Event::Resolved { effect, outcome, vault_count } => resolved(state, &mut step, *effect, outcome, *vault_count),
    }
    step.into_effects()
}

fn requested(state: &mut State, step: &mut Step, id: IntentId, intent: &Intent) {
    if let Some(answer) = state.answers.first(id) {
        step.notify(Change::Answered { intent: id, answer });
        return;
    }
    let answer = match intent {
        Intent::Register { relay, key, token } => session::register(state, step, relay, *key, token.as_ref()),
        Intent::Connect => session::connect(state, step),
        Intent::AddContact { name } => contact::add(state, step, name),
        Intent::AcceptContact { contact } => contact::accept(state, step, *contact),
        Intent::DeclineContact { contact } => contact::decline(state, step, *contact),
        Intent::BlockContact { contact, blocked } => contact::block(state, step, *contact, *blocked),
        Intent::RemoveContact { contact } => contact::remove(state, step, *contact),
        Intent::VerifyContact { contact, verified } => contact::verify(state, step, *contact, *verified),
        Intent::AcceptIdentity { contact } => contact::accept_identity(state, step, *contact),
        Intent::Send { contact, body, len } => outbox::send(state, step, id, *contact, *body, *len),
        Intent::UpdateKeys { contact } => upkeep::update_keys(state, step, *contact),
        Intent::MarkRead { contact, message } => marks::mark_read(state, step, *contact, *message),
        Intent::SetReadMarks { on } => marks::set(state, step, *on),
        Intent::RetryMessage { contact, message } => outbox::retry(state, step, *contact, *message),
        Intent::CancelMessage { message } => outbox::cancel(state, step, *message),
        Intent::ForgetMessage { contact, message, sent } => outbox::forget(state, step, *contact, *message, *sent),
        Intent::ChangeRelay { relay, key, token } => moving::change_relay(state, step, relay, *key, token.as_ref()),
        Intent::TakeOver => moving::take_over(state, step),
        Intent::Rejoin => moving::rejoin(state, step),
        Intent::Restore => moving::restore(state, step),
    };
    // A connect is asked for once an open, by the client itself: nobody repeats it, so it is not remembered.
    if !matches!(intent, Intent::Connect) {
        state.answers.remember(id, step.place(), answer.clone());
    }
    step.notify(Change::Answered { intent: id, answer });
}

fn arrived(state: &mut State, step: &mut Step, arrival: &Arrival) {
    let Arrival { frame, lane: _, content } = arrival;
    match content {
        Arrived::Answer { answer } => delivery::answered(state, step, answer),
        Arrived::Envelope { cursor, sender, sealed } => inbox::envelope(state, step, *frame, *cursor, *sender, &sealed.0),
        Arrived::Repeat { cursor } => inbox::acknowledge(state, step, *cursor),
        Arrived::Unsealable { cursor, cause } => {
            inbox::acknowledge(state, step, *cursor);
            // What a blocked contact sends is dropped by the person's own word.
            if *cause != Code::FromBlocked {
                state.dropped = state.dropped.saturating_add(1);
            }
            step.notify(Change::Dropped(*cause));
        }
    }
}

fn resolved(state: &mut State, step: &mut Step, effect: EffectId, outcome: &Outcome, vault_count: u64) {
    state.vault_count = state.vault_count.max(vault_count);
    let Some(Outstanding { effect, why }) = state.outstanding.remove(&effect) else {
        return;
    };
    match outcome {
        Outcome::Handed => outbox::handed(state, step, &why),
        Outcome::Unreachable => delivery::unreachable(state, step, &why),
        // Nothing asks for a group's log.
        Outcome::Done | Outcome::Followed(_) => {}
        Outcome::Framed { frame, bytes: _ } => delivery::framed(state, step, why, *frame),
        // An entry of a relay that was left meanwhile says nothing here.
        Outcome::Pinned { .. } if why == Why::Abandoned => {}
        Outcome::Pinned { contact, mailbox, name, contradicts, anew } => {
            // What the directory showed, it showed when it was asked, whenever the vault came to it.
            let at = if let Effect::Vault(VaultOp::PinContact { at, .. }) = effect { at } else { step.now() };
            let shown = Shown { contact: *contact, mailbox: *mailbox, name, contradicts: *contradicts, anew: *anew, at };
            contact::pinned(state, step, &shown);
        }
        Outcome::Begun { again } => contact::begun(state, step, &why, again),
        Outcome::Opened(opened) => inbox::opened(state, step, &why, opened),
        Outcome::Refused(code) | Outcome::Fault(code) => delivery::refused(state, step, why, *code),
    }
}

/// The first answer to an Intent, as a repeat would get it; for tests and replay.
pub fn first_answer(state: &State, id: IntentId) -> Option<Answer> {
    state.answers.first(id)
}
