//! What to do when a deadline passes.

use crate::state::{Link, State};
use crate::step::Step;
use crate::{contact, delivery, grants, inbox, session, upkeep};
use thicket_types::event::TimerId;

pub(crate) fn elapsed(state: &mut State, step: &mut Step, timer: TimerId, fault: bool) {
    // A timer that was disarmed or moved meanwhile is not in the table with a deadline that has passed.
    match state.timers.get(&timer) {
        Some(deadline) if *deadline <= step.now() => {}
        Some(_) | None => return,
    }
    state.timers.remove(&timer);
    if fault {
        return;
    }
    match timer {
        TimerId::Retry(frame) => delivery::retry(state, step, frame),
        TimerId::Login => {
            if state.session.link == Link::Offline {
                session::begin(state, step);
            }
        }
        TimerId::Fetch => session::fetch(state, step),
        TimerId::Acknowledge => {
            // Offline they wait: the next login sends them.
            if state.session.link == Link::Online {
                inbox::send_acknowledgements(state, step);
            }
        }
        TimerId::Receipts(contact) => inbox::receipts_due(state, step, contact),
        TimerId::Advance(contact) => contact::advance(state, step, contact),
        TimerId::Tidy => upkeep::tidy(state, step),
        TimerId::Resume => delivery::resume(state, step),
        TimerId::Grant => grants::settle(state, step),
    }
}
