//! Requests on their way: sent, sent again with the same bytes, answered or refused.

use crate::session::{self, backoff};
use crate::state::{InFlight, Link, Stampable, State, Why};
use crate::step::Step;
use crate::{contact, grants, inbox, offers, outbox, upkeep};
use alloc::vec::Vec;
use prost::Message as _;
use thicket_types::bytes::Bytes;
use thicket_types::effect::{Effect, MessageState};
use thicket_types::error::Code;
use thicket_types::event::{Lane, TimerId};
use thicket_types::ids::{Fingerprint, FrameId, Seq};
use thicket_types::limits::{LOOKUP_EVERY, RESEND_AFTER, SESSION_TRIES_MAX, STAMP_BITS_AHEAD, STAMP_BITS_MAX, STAMPS_IN_A_ROW_MAX};
use thicket_types::name::Name;
use thicket_types::time::Stamp;
use thicket_types::vault_op::VaultOp;
use thicket_types::wire::relay as wire;
use wire::answer::Said;

/// The vault made a frame, in the record being folded: it goes out, and waits for its answer.
pub(crate) fn framed(state: &mut State, step: &mut Step, why: Why, frame: FrameId) {
    if why == Why::Abandoned {
        return;
    }
    let (why, stamps, at) = match why {
        Why::Stamp(why, stamps, at) => (why.into(), stamps, at),
        why => (why, 0, step.now()),
    };
    let Some(to) = state.session.relay.as_ref().map(|relay| relay.address.clone()) else {
        return;
    };
    let lane = lane(&why);
    // The op may have waited in a process that died: what it went by may be old by now.
    let stale = recipient(state, &why).and_then(|contact| state.contacts.get(&contact)).is_some_and(|known| !known.is_fresh(step.now()));
    state.requests.insert(frame, InFlight { why, to, lane, frame: step.seq(), at, tries: 0, stamps });
    if stale {
        return seal_anew(state, step, frame);
    }
    transmit(state, step, frame);
}

/// Whom what is sealed for a purpose goes to.
fn recipient(state: &State, why: &Why) -> Option<Fingerprint> {
    match why {
        Why::Message(message) => state.outbox.get(message).map(|outgoing| outgoing.contact),
        why => tells(why),
    }
}

/// Sends a request's frame, once more or for the first time, and waits for its answer.
///
/// On the anonymous lane only while logged in: until the relay has seen this device's generation nothing is sent, since
/// another copy of the profile may have used the same keys; and not at the moment of the login, which would link the lanes.
fn transmit(state: &mut State, step: &mut Step, id: FrameId) {
    let (link, from) = (state.session.link, state.session.since.after(RESEND_AFTER));
    let Some(request) = state.requests.get_mut(&id) else {
        return;
    };
    if request.lane == Lane::Anonymous {
        if link != Link::Online {
            // The next login sends it.
            return;
        }
        if is_sealed(&request.why) && step.now().since(request.at) >= LOOKUP_EVERY {
            return seal_anew(state, step, id);
        }
        if is_offer(&request.why) && !state.session.mail_is_ours() {
            // Whoever got it now would seal their answer to the other copy's key.
            return;
        }
        if step.now() < from || state.timers.contains_key(&TimerId::Resume) {
            return resume_soon(state, step);
        }
    }
    request.tries = request.tries.saturating_add(1);
    let (to, lane, frame, tries) = (request.to.clone(), request.lane, request.frame, request.tries);
    step.send(state, Why::Handing(id), to, lane, frame);
    let span = step.jittered(backoff(tries));
    step.arm(state, TimerId::Retry(id), span);
}

/// What was sealed so long ago may be sealed to a key that is destroyed before it is fetched: it is sealed anew.
fn seal_anew(state: &mut State, step: &mut Step, id: FrameId) {
    let Some(InFlight { why, .. }) = state.requests.remove(&id) else {
        return;
    };
    step.disarm(state, TimerId::Retry(id));
    let contact = match plain(why) {
        Why::Message(message) => {
            outbox::seal_again(state, message);
            state.outbox.get(&message).map(|outgoing| outgoing.contact)
        }
        Why::Receipt(contact, of) => {
            inbox::owe_again(state, contact, of);
            Some(contact)
        }
        Why::Update(contact) => {
            if let Some(known) = state.contacts.get_mut(&contact) {
                known.update = true;
            }
            Some(contact)
        }
        Why::Offer(contact, anew) => {
            offers::owe_again(state, contact, anew);
            Some(contact)
        }
        // The next mark says more.
        _ => None,
    };
    if let Some(contact) = contact {
        contact::advance(state, step, contact);
    }
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
    if open.is_empty() {
        return;
    }
    for id in open {
        if let Some(request) = state.requests.get_mut(&id) {
            request.tries = 0;
        }
        step.disarm(state, TimerId::Retry(id));
    }
    resume_soon(state, step);
}

/// What waits for the anonymous lane goes when the moment of the login is past.
pub(crate) fn resume_soon(state: &mut State, step: &mut Step) {
    if !state.timers.contains_key(&TimerId::Resume) {
        let left = state.session.since.after(RESEND_AFTER).since(step.now());
        let span = step.jittered(left);
        step.arm(state, TimerId::Resume, span);
    }
}

/// The moment of the login is past: what waits goes, in the order in which it was made.
pub(crate) fn resume(state: &mut State, step: &mut Step) {
    let waits = state.requests.iter().filter(|(_, request)| request.lane == Lane::Anonymous && request.tries == 0);
    let mut waits: Vec<(Seq, FrameId)> = waits.map(|(id, request)| (request.frame, *id)).collect();
    waits.sort();
    for (_, id) in waits {
        transmit(state, step, id);
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
    let Ok(wire::Answer { version: _, to, clock_ms, said }) = wire::Answer::decode(answer.0.as_slice()) else {
        return;
    };
    let (Some(id), Some(said)) = (FrameId::parse(&to), said) else {
        return;
    };
    state.session.skew_ms = i64::try_from(clock_ms).ok().and_then(|theirs| theirs.checked_sub_unsigned(step.now().0));
    if let Said::Refusal(refusal) = &said
        && refusal.code == Code::StampNeeded.number()
    {
        return stamp_needed(state, step, id, refusal.stamp_bits, clock_ms / 3_600_000);
    }
    if let Said::Refusal(refusal) = &said
        && let Some(request) = state.requests.get(&id)
        && is_passing(refusal.code)
        && !is_login(&request.why)
    {
        // Not now: the same bytes go again when there is room.
        let span = step.jittered(backoff(request.tries.max(4)));
        return step.arm(state, TimerId::Retry(id), span);
    }
    let Some(InFlight { why, at, .. }) = state.requests.remove(&id) else {
        return;
    };
    step.disarm(state, TimerId::Retry(id));
    match (said, why) {
        (Said::Refusal(refusal), why) => {
            // A relay refuses with the relay's numbers; any other would be taken for a no of the vault's.
            let code = Code::from_number(refusal.code).filter(|code| (200..300).contains(&code.number()) || *code == Code::MalformedName);
            let code = code.unwrap_or(Code::MalformedRequest);
            refused_at(state, step, why, code, at);
        }
        (Said::Challenge(challenge), Why::Challenge) => session::challenged(state, step, &challenge),
        (Said::Registered(_), Why::Register) => session::registered(state, step),
        (Said::LoggedIn(said), Why::Login) => session::logged_in(state, step, said.key_packages, said.last_resort),
        (Said::Published(_), Why::Publish) => session::published(state, step),
        (Said::Entry(_), Why::Lookup(name)) => contact::found(state, step, &name),
        (Said::KeyPackage(_), Why::KeyPackage(contact)) => contact::key_package(state, step, contact),
        (Said::Stored(_), Why::Message(message)) => outbox::stored(state, step, message),
        (Said::Stored(_), Why::Receipt(..) | Why::Update(_) | Why::ReadMark(_) | Why::Offer(..)) => {}
        (Said::MailboxKeyPublished(_), Why::MailboxKey) => upkeep::mailbox_key_taken(state, step),
        (Said::CapabilitiesSet(_), Why::Grant(granted, revoked)) => grants::settled(state, step, &granted, &revoked),
        (Said::Fetched(said), Why::Fetch) => session::fetched(state, step, &said),
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
            | Said::MailboxKeyPublished(_)
            | Said::CapabilitiesSet(_)
            | Said::LogCreated(_)
            | Said::Posted(_)
            | Said::LogPage(_)
            | Said::Acknowledged(_),
            why,
        ) => refused(state, step, why, Code::MalformedRequest),
    }
}

/// The relay asks for work: it is done, and the same request goes with it. Asked again and again, the request waits.
fn stamp_needed(state: &mut State, step: &mut Step, id: FrameId, bits: u32, hour: u64) {
    let Some(relay) = state.session.relay.as_ref().and_then(|relay| relay.key) else {
        return;
    };
    let Some(request) = state.requests.get_mut(&id) else {
        return;
    };
    let works = bits <= STAMP_BITS_MAX && request.stamps < STAMPS_IN_A_ROW_MAX;
    let Some(why) = request.why.stampable().filter(|_| works) else {
        request.stamps = 0;
        let span = step.jittered(backoff(request.tries.max(4)));
        return step.arm(state, TimerId::Retry(id), span);
    };
    let (frame, at, stamps) = (request.frame, request.at, request.stamps);
    state.requests.remove(&id);
    step.disarm(state, TimerId::Retry(id));
    let bits = bits.saturating_add(STAMP_BITS_AHEAD).min(STAMP_BITS_MAX);
    let op = VaultOp::Stamp { request: frame, relay, bits, hour };
    step.vault(state, Why::Stamp(why, stamps.saturating_add(1), at), op);
}

/// The vault said no, or the relay something else than it was asked.
pub(crate) fn refused(state: &mut State, step: &mut Step, why: Why, code: Code) {
    let now = step.now();
    refused_at(state, step, why, code, now);
}

/// The relay or the vault said no to what was made at a time.
fn refused_at(state: &mut State, step: &mut Step, why: Why, code: Code, at: Stamp) {
    match why {
        Why::Challenge | Why::Register | Why::Login => session::fail(state, step, code),
        why if is_session(&why) && code == Code::NotLoggedIn => session::lost(state, step),
        Why::Fetch => session::fetch_later(state, step),
        // The next login, or the daily round, asks again.
        Why::Publish => session::refill_later(state, step),
        Why::Acknowledge(_) | Why::MailboxKey | Why::Grant(..) => {}
        Why::Lookup(name) | Why::Pin(name) => contact::not_found(state, step, &name, code),
        Why::KeyPackage(contact) | Why::Begin(contact) => {
            contact::not_begun(state, step, contact);
            if code == Code::NoKeyPackage {
                offers::due(state, step, contact, false);
            }
        }
        Why::Message(message) => match code {
            Code::NoConversation => outbox::again(state, step, message),
            Code::UnknownMailbox => outbox::astray(state, step, message, at),
            Code::UnknownMessage => outbox::rowless(state, step, message),
            code => outbox::failed(state, step, message, code),
        },
        Why::Stamp(why, ..) => refused_at(state, step, why.into(), code, at),
        // What it told is told by another, once there is a conversation or a mailbox.
        Why::Receipt(contact, of) if matches!(code, Code::NoConversation | Code::UnknownMailbox) => {
            inbox::owe_again(state, contact, of);
            // One that was just looked up is shown all the same by a relay that was restored, or lies: not at once again.
            if code == Code::UnknownMailbox {
                contact::lose_mailbox_hourly(state, step, contact);
            }
        }
        // The daily round makes another.
        Why::Offer(contact, true) => offers::owe_again(state, contact, true),
        // Its key went while it waited, or the vault could make nothing of it: nothing goes silently.
        Why::Open(..) => inbox::lost(state, step, code),
        Why::Receipt(..)
        | Why::File
        | Why::Handing(_)
        | Why::Abandoned
        | Why::Update(_)
        | Why::ReadMark(_)
        | Why::Offer(..)
        | Why::Tidy => {}
    }
}

/// Nothing but messages that was sealed for a contact goes out any more.
pub(crate) fn call_back(state: &mut State, step: &mut Step, contact: Fingerprint) {
    let open: Vec<FrameId> = state.requests.iter().filter(|(_, request)| tells(&request.why) == Some(contact)).map(|(id, _)| *id).collect();
    let mut whys = Vec::new();
    for id in open {
        whys.extend(state.requests.remove(&id).map(|request| request.why));
        step.disarm(state, TimerId::Retry(id));
    }
    for outstanding in state.outstanding.values_mut().filter(|outstanding| tells(&outstanding.why) == Some(contact)) {
        whys.push(core::mem::replace(&mut outstanding.why, Why::Abandoned));
    }
    for why in whys {
        match plain(why) {
            Why::Update(_) => {
                if let Some(known) = state.contacts.get_mut(&contact) {
                    known.update = true;
                }
            }
            Why::Offer(_, anew) => offers::owe_again(state, contact, anew),
            _ => {}
        }
    }
}

/// Whom something sealed that is no message is for.
fn tells(why: &Why) -> Option<Fingerprint> {
    match why {
        Why::Stamp(why, ..) => tells(&why.clone().into()),
        Why::Receipt(contact, _) | Why::Update(contact) | Why::ReadMark(contact) | Why::Offer(contact, _) => Some(*contact),
        _ => None,
    }
}

/// What is being looked up under a name is not waited for any more.
pub(crate) fn forget_lookups(state: &mut State, step: &mut Step, name: &Name) {
    fn is_of(why: &Why, name: &Name) -> bool {
        match why {
            Why::Stamp(why, ..) => is_of(&why.clone().into(), name),
            Why::Lookup(other) | Why::Pin(other) => other.is_same(name),
            _ => false,
        }
    }
    let open: Vec<FrameId> = state.requests.iter().filter(|(_, request)| is_of(&request.why, name)).map(|(id, _)| *id).collect();
    for id in open {
        drop_request(state, step, id);
    }
    for outstanding in state.outstanding.values_mut().filter(|outstanding| is_of(&outstanding.why, name)) {
        outstanding.why = Why::Abandoned;
    }
}

/// What the vault works for goes nowhere any more. Returns whether there was such work.
pub(crate) fn abandon_work(state: &mut State, of: &Why) -> bool {
    let mut found = false;
    for outstanding in state.outstanding.values_mut() {
        if matches!(&outstanding.why, Why::Stamp(why, ..) if Why::from(why.clone()) == *of) {
            outstanding.why = Why::Abandoned;
            found = true;
        }
    }
    found
}

/// What a purpose is, without the work that is done for it.
pub(crate) fn plain(why: Why) -> Why {
    match why {
        Why::Stamp(why, ..) => why.into(),
        why => why,
    }
}

fn is_offer(why: &Why) -> bool {
    match why {
        Why::Stamp(why, ..) => matches!(why, Stampable::Offer(..)),
        why => matches!(why, Why::Offer(..)),
    }
}

/// Whether a purpose ends in an envelope for a contact.
pub(crate) fn is_sealed(why: &Why) -> bool {
    match why {
        Why::Stamp(why, ..) => is_sealed(&why.clone().into()),
        Why::Message(_) | Why::Receipt(..) | Why::Update(_) | Why::ReadMark(_) | Why::Offer(..) => true,
        _ => false,
    }
}

/// Whether an effect hands a frame to the anonymous lane.
pub(crate) fn is_anonymous(effect: &Effect) -> bool {
    matches!(effect, Effect::Send(send) if send.lane == Lane::Anonymous)
}

/// What an earlier process was handing to the anonymous lane is not handed by this one: the login sends it again.
/// It may have been handed over all the same: a message in it counts as sent, and can't be called back.
pub(crate) fn drop_handing(state: &mut State) {
    let handing = state.outstanding.values().filter(|outstanding| is_anonymous(&outstanding.effect));
    let frames: Vec<FrameId> =
        handing.filter_map(|outstanding| if let Why::Handing(frame) = outstanding.why { Some(frame) } else { None }).collect();
    for frame in frames {
        if let Some(Why::Message(message)) = state.requests.get(&frame).map(|request| &request.why)
            && let Some(outgoing) = state.outbox.get_mut(message)
        {
            outgoing.state = MessageState::Sent;
        }
    }
    state.outstanding.retain(|_, outstanding| !is_anonymous(&outstanding.effect));
}

/// The request does not wait any more.
pub(crate) fn drop_request(state: &mut State, step: &mut Step, id: FrameId) {
    state.requests.remove(&id);
    step.disarm(state, TimerId::Retry(id));
}

/// A no that passes by itself.
fn is_passing(code: u32) -> bool {
    matches!(Code::from_number(code), Some(Code::MailboxFull | Code::RelayBusy | Code::QuotaReached | Code::RequestBoxFull))
}

/// What belongs to one login, and means nothing in the next.
fn is_session(why: &Why) -> bool {
    is_login(why) || matches!(why, Why::Publish | Why::Fetch | Why::Acknowledge(_) | Why::MailboxKey | Why::Grant(..))
}

fn is_login(why: &Why) -> bool {
    matches!(why, Why::Challenge | Why::Register | Why::Login)
}

fn lane(why: &Why) -> Lane {
    if is_session(why) { Lane::Named } else { Lane::Anonymous }
}
