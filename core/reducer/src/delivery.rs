//! Requests on their way: sent, sent again with the same bytes, answered or refused.

use crate::session::{self, backoff};
use crate::state::{InFlight, State, Why};
use crate::step::Step;
use crate::{contact, inbox, outbox};
use alloc::vec::Vec;
use prost::Message as _;
use thicket_types::bytes::Bytes;
use thicket_types::error::Code;
use thicket_types::event::{Lane, TimerId};
use thicket_types::ids::FrameId;
use thicket_types::limits::RESEND_AFTER;
use thicket_types::wire::relay as wire;
use wire::answer::Said;

/// Tries after which a login is begun anew rather than sent again: its challenge is too old by then.
const SESSION_TRIES_MAX: u32 = 4;

/// The vault made a frame, in the record being folded: it goes out, and waits for its answer.
pub(crate) fn framed(state: &mut State, step: &mut Step, why: Why, frame: FrameId) {
    if why == Why::Abandoned {
        return;
    }
    let Some(to) = state.session.relay.as_ref().map(|relay| relay.address.clone()) else {
        return;
    };
    let lane = lane(&why);
    state.requests.insert(frame, InFlight { why, to, lane, frame: step.seq(), tries: 0 });
    transmit(state, step, frame);
}

/// Sends a request's frame, once more or for the first time, and waits for its answer.
fn transmit(state: &mut State, step: &mut Step, id: FrameId) {
    let Some(request) = state.requests.get_mut(&id) else {
        return;
    };
    request.tries = request.tries.saturating_add(1);
    let (to, lane, frame, tries) = (request.to.clone(), request.lane, request.frame, request.tries);
    step.send(state, Why::Handing(id), to, lane, frame);
    let span = step.jittered(backoff(tries));
    step.arm(state, TimerId::Retry(id), span);
}

/// No answer came in time.
pub(crate) fn retry(state: &mut State, step: &mut Step, id: FrameId) {
    let Some(request) = state.requests.get(&id) else {
        return;
    };
    if is_login(&request.why) && request.tries >= SESSION_TRIES_MAX {
        state.requests.remove(&id);
        return session::fail(state, step, Code::RelayUnreachable);
    }
    if is_session(&request.why) && request.tries >= SESSION_TRIES_MAX {
        return session::gone(state, step);
    }
    transmit(state, step, id);
}

/// The transport could not take a frame. A named one says that the relay is gone; the retry timer sends either again.
pub(crate) fn unreachable(state: &mut State, step: &mut Step, why: &Why) {
    if let Why::Handing(frame) = why
        && state.requests.get(frame).is_some_and(|request| request.lane == Lane::Named && !is_login(&request.why))
    {
        session::gone(state, step);
    }
}

/// Asks soon for all that is open again, but what belongs to the login itself.
pub(crate) fn resend_soon(state: &mut State, step: &mut Step) {
    let open: Vec<FrameId> = state.requests.iter().filter(|(_, request)| !is_session(&request.why)).map(|(id, _)| *id).collect();
    for id in open {
        if let Some(request) = state.requests.get_mut(&id) {
            request.tries = 0;
        }
        let span = step.jittered(RESEND_AFTER);
        step.arm(state, TimerId::Retry(id), span);
    }
}

/// Drops what an earlier login waits for.
pub(crate) fn drop_session_requests(state: &mut State, step: &mut Step) {
    let old: Vec<FrameId> = state.requests.iter().filter(|(_, request)| is_session(&request.why)).map(|(id, _)| *id).collect();
    for id in old {
        state.requests.remove(&id);
        step.disarm(state, TimerId::Retry(id));
    }
    // What the vault still makes for it goes nowhere.
    for outstanding in state.outstanding.values_mut().filter(|outstanding| is_session(&outstanding.why)) {
        outstanding.why = Why::Abandoned;
    }
}

/// An answer came. One to a request that does not wait changes nothing.
pub(crate) fn answered(state: &mut State, step: &mut Step, answer: &Bytes) {
    // Admission decoded it; what does not decode here is no answer.
    let Ok(wire::Answer { version: _, to, clock_ms: _, said }) = wire::Answer::decode(answer.0.as_slice()) else {
        return;
    };
    let (Some(id), Some(said)) = (FrameId::parse(&to), said) else {
        return;
    };
    if let Said::Refusal(refusal) = &said
        && let Some(request) = state.requests.get(&id)
        && is_passing(refusal.code)
        && !is_login(&request.why)
    {
        // Not now: the same bytes go again when there is room.
        let span = step.jittered(backoff(request.tries.max(4)));
        return step.arm(state, TimerId::Retry(id), span);
    }
    let Some(InFlight { why, .. }) = state.requests.remove(&id) else {
        return;
    };
    step.disarm(state, TimerId::Retry(id));
    match (said, why) {
        (Said::Refusal(refusal), why) => {
            // A relay refuses with the relay's numbers; any other would be taken for a no of the vault's.
            let code = Code::from_number(refusal.code).filter(|code| (200..300).contains(&code.number()) || *code == Code::MalformedName);
            let code = code.unwrap_or(Code::MalformedRequest);
            refused(state, step, why, code);
        }
        (Said::Challenge(challenge), Why::Challenge) => session::challenged(state, step, &challenge),
        (Said::Registered(_), Why::Register) => session::registered(state, step),
        (Said::LoggedIn(said), Why::Login) => session::logged_in(state, step, said.key_packages, said.last_resort),
        (Said::Published(_), Why::Publish) => {}
        (Said::Entry(_), Why::Lookup(name)) => contact::found(state, step, &name),
        (Said::KeyPackage(_), Why::KeyPackage(contact)) => contact::key_package(state, step, contact),
        (Said::Stored(_), Why::Message(message)) => outbox::stored(state, step, message),
        (Said::Stored(_), Why::Receipt(_)) => {}
        (Said::Fetched(said), Why::Fetch) => session::fetched(state, step, said.waiting),
        (Said::Acknowledged(_), Why::Acknowledge(cursors)) => inbox::acknowledged(state, step, &cursors),
        // A relay that answers something else than was asked is treated as one that refused.
        (
            Said::Challenge(_)
            | Said::Registered(_)
            | Said::LoggedIn(_)
            | Said::Published(_)
            | Said::Entry(_)
            | Said::KeyPackage(_)
            | Said::Stored(_)
            | Said::Fetched(_)
            | Said::Acknowledged(_),
            why,
        ) => refused(state, step, why, Code::MalformedRequest),
    }
}

/// The relay or the vault said no.
pub(crate) fn refused(state: &mut State, step: &mut Step, why: Why, code: Code) {
    match why {
        Why::Challenge | Why::Register | Why::Login => session::fail(state, step, code),
        Why::Publish | Why::Fetch | Why::Acknowledge(_) if code == Code::NotLoggedIn => session::lost(state, step),
        Why::Fetch => session::fetch_later(state, step),
        Why::Publish | Why::Acknowledge(_) => {}
        Why::Lookup(name) | Why::Pin(name) => contact::not_found(state, step, &name, code),
        Why::KeyPackage(contact) | Why::Begin(contact) => contact::not_begun(state, step, contact),
        Why::Message(message) => {
            if code == Code::NoConversation {
                outbox::again(state, step, message);
            } else {
                outbox::failed(state, step, message, code);
            }
        }
        Why::Receipt(_) | Why::Open(_) | Why::File | Why::Handing(_) | Why::Abandoned => {}
    }
}

/// A no that passes by itself.
fn is_passing(code: u32) -> bool {
    matches!(Code::from_number(code), Some(Code::MailboxFull | Code::RelayBusy))
}

/// What belongs to one login, and means nothing in the next.
fn is_session(why: &Why) -> bool {
    is_login(why) || matches!(why, Why::Publish | Why::Fetch | Why::Acknowledge(_))
}

fn is_login(why: &Why) -> bool {
    matches!(why, Why::Challenge | Why::Register | Why::Login)
}

fn lane(why: &Why) -> Lane {
    if is_session(why) { Lane::Named } else { Lane::Anonymous }
}
