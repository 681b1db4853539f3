//! Registration and login by challenge-response; what follows from being online.

use crate::state::{Link, Phase, Relay, State, Why};
use crate::step::Step;
use crate::{contact, delivery, grants, inbox, moving, upkeep};
use alloc::vec::Vec;
use thicket_types::effect::Change;
use thicket_types::error::Code;
use thicket_types::event::TimerId;
use thicket_types::ids::{Fingerprint, RelayKey};
use thicket_types::intent::Answer;
use thicket_types::limits::{
    FETCH_EVERY, FETCH_ITEMS_MAX, FETCH_SOON, FRAME_LEN_MAX, GENERATION_EVERY, KEY_PACKAGES, KEY_PACKAGES_LOW, REFILL_AFTER, RETRY_FIRST,
    RETRY_MAX, TURN_AFTER,
};
use thicket_types::name::{RegistrationToken, RelayAddress};
use thicket_types::time::{Duration, Stamp};
use thicket_types::vault_op::{Ask, Challenge, Published, VaultOp};
use thicket_types::wire::VERSION;
use thicket_types::wire::relay as wire;

pub(crate) fn register(
    state: &mut State,
    step: &mut Step,
    address: &RelayAddress,
    key: Option<RelayKey>,
    token: Option<&RegistrationToken>,
) -> Answer {
    if state.session.phase.is_settled() {
        return register_again(state, step, address, key, token);
    }
    state.session.relay = Some(Relay { address: address.clone(), key });
    state.session.phase = Phase::Registering;
    state.session.token = token.cloned();
    begin(state, step);
    Answer::Accepted
}

/// Registers once more with the relay that does not know the account any more. Another relay is moved to instead.
fn register_again(
    state: &mut State,
    step: &mut Step,
    address: &RelayAddress,
    key: Option<RelayKey>,
    token: Option<&RegistrationToken>,
) -> Answer {
    // A registration gives the relay this copy's generation, whichever it had: the person decides first, by a take-over.
    if state.session.copied {
        return Answer::Refused(Code::ProfileCopied);
    }
    if state.session.relay.as_ref().is_some_and(|relay| relay.is_another(address, key)) {
        return Answer::Refused(Code::ForgedAnswer);
    }
    let same = |relay: &Relay| relay.address == *address && key.is_none_or(|key| relay.key == Some(key));
    if state.session.phase == Phase::Registered || !state.session.relay.as_ref().is_some_and(same) {
        return Answer::Refused(Code::AlreadyRegistered);
    }
    state.session.phase = Phase::Returning;
    state.session.token = token.cloned();
    begin(state, step);
    Answer::Accepted
}

pub(crate) fn connect(state: &mut State, step: &mut Step) -> Answer {
    if state.session.relay.is_none() || state.session.phase == Phase::Unregistered {
        return Answer::Refused(Code::NotRegistered);
    }
    if state.session.copied {
        return Answer::Refused(Code::ProfileCopied);
    }
    state.session.failures = 0;
    delivery::drop_handing(state);
    begin(state, step);
    Answer::Accepted
}

/// Asks for a challenge. What an earlier login still waits for is dropped: its reply paths are gone.
pub(crate) fn begin(state: &mut State, step: &mut Step) {
    state.session.link = Link::Asking;
    state.session.looked = false;
    delivery::drop_session_requests(state, step);
    step.disarm(state, TimerId::Login);
    step.disarm(state, TimerId::Fetch);
    step.vault(state, Why::Challenge, VaultOp::Compose(Ask::Challenge));
}

pub(crate) fn challenged(state: &mut State, step: &mut Step, challenge: &wire::Challenge) {
    let (Some(relay), Ok(nonce)) = (RelayKey::parse(&challenge.relay_key), <[u8; 32]>::try_from(challenge.nonce.as_slice())) else {
        return fail(state, step, Code::MalformedRequest);
    };
    let Some(pinned) = state.session.relay.as_mut() else {
        return;
    };
    // Admission verified the answer under the pinned key, or under this one if none was pinned.
    if *pinned.key.get_or_insert(relay) != relay {
        return fail(state, step, Code::ForgedAnswer);
    }
    if state.session.link != Link::Asking {
        return;
    }
    if !challenge.versions.contains(&VERSION) {
        return fail(state, step, Code::UnknownVersion);
    }
    moving::met(state, relay);
    let challenge = Challenge { relay, nonce, until_ms: challenge.until_ms };
    let (token, takes_over) = (state.session.token.clone(), state.session.takes_over);
    match state.session.phase {
        Phase::Unregistered => {}
        Phase::Registering | Phase::Returning => step.vault(state, Why::Register, VaultOp::SignRegistration { challenge, token }),
        Phase::Registered | Phase::Unknown => step.vault(state, Why::Login, VaultOp::SignLogin { challenge, takes_over }),
    }
}

pub(crate) fn registered(state: &mut State, step: &mut Step) {
    let returning = state.session.phase == Phase::Returning;
    if !state.session.phase.registers() {
        return;
    }
    state.session.phase = Phase::Registered;
    // The relay has the token's account; nothing needs it any more.
    state.session.token = None;
    state.session.mailbox_key_at = step.now();
    state.session.mailbox_key_made = None;
    step.notify(Change::Registered);
    if returning {
        moving::returned(state, step)
    } else {
        moving::settled(state, step)
    }
    // An account that was imported may have a stock there that another device made.
    state.session.restock = true;
    state.session.refill_from = Stamp(0);
    refill(state, step, 0, false);
    upkeep::begin(state, step);
    online(state, step);
}

pub(crate) fn logged_in(state: &mut State, step: &mut Step, key_packages: u32, last_resort: bool) {
    if state.session.link != Link::Asking {
        return;
    }
    state.session.takes_over = false;
    state.session.phase = Phase::Registered;
    refill(state, step, key_packages, last_resort);
    online(state, step);
}

/// Refills the pool at the relay when it runs low, or when a publication was lost; replaces it where it is not all ours.
fn refill(state: &mut State, step: &mut Step, key_packages: u32, last_resort: bool) {
    let waits = step.now() < state.session.refill_from;
    let publishing = waits || state.under_way(|why| *why == Why::Publish);
    let replaces = state.session.restock;
    let enough = last_resort || step.now() < state.session.last_resort_from;
    let (stock, last_resort) = if replaces { (0, false) } else { (key_packages, enough) };
    if (stock < KEY_PACKAGES_LOW || !last_resort) && !publishing {
        let count = KEY_PACKAGES.saturating_sub(stock);
        let make = VaultOp::MakeKeyPackages { count, last_resort: !last_resort, replaces, at: step.now() };
        step.vault(state, Why::Publish, make);
    }
}

/// The relay took the key packages. If a last-resort one was among them, that before it is replaced; if not, nothing is.
pub(crate) fn published(state: &mut State, step: &mut Step) {
    state.session.restock = false;
    // A relay that says each time that there is none has not one made each time: their private keys are kept for weeks.
    state.session.last_resort_from = step.now().after(REFILL_AFTER);
    step.vault(state, Why::Tidy, VaultOp::Published { what: Published::KeyPackages, at: step.now() });
}

/// The relay did not take the key packages: each publication makes new ones, so the next waits.
pub(crate) fn refill_later(state: &mut State, step: &mut Step) {
    state.session.refill_from = step.now().after(REFILL_AFTER);
}

fn online(state: &mut State, step: &mut Step) {
    state.session.link = Link::Online;
    state.session.failures = 0;
    state.session.quiet = 0;
    state.session.since = step.now();
    state.session.generation_until = step.now().after(GENERATION_EVERY);
    step.notify(Change::Connected);
    fetch(state, step);
    upkeep::begin(state, step);
    // What the last login had gathered or under way is told in this one.
    inbox::send_acknowledgements(state, step);
    upkeep::mailbox_key(state, step);
    grants::settle(state, step);
    // No reply path outlived the last process: ask again for all that is open, with the same bytes.
    delivery::resend_soon(state, step);
    let contacts: Vec<Fingerprint> = state.contacts.keys().copied().collect();
    for contact in contacts {
        contact::advance(state, step, contact);
    }
}

pub(crate) fn fetch(state: &mut State, step: &mut Step) {
    let asked = state.under_way(|why| *why == Why::Fetch);
    if state.session.link == Link::Online && !asked {
        // So a copy that is made while a session runs is seen too, once the profile went on for so long.
        let swap = step.now() >= state.session.generation_until;
        if swap {
            state.session.generation_until = step.now().after(GENERATION_EVERY);
        }
        step.vault(state, Why::Fetch, VaultOp::Compose(Ask::Fetch { items_max: FETCH_ITEMS_MAX, swap }));
    }
}

pub(crate) fn fetched(state: &mut State, step: &mut Step, said: &wire::Fetched) {
    let waiting = said.waiting;
    // What waits and was not taken (a stranger's budget is used up) is no reason to ask again soon.
    let used_up = !has_room(state, step);
    let nothing_new = waiting == 0 || (used_up && waiting == state.session.waited && state.unacknowledged.is_empty());
    state.session.waiting = waiting;
    state.session.waited = waiting;
    state.session.looked = true;
    state.session.quiet = if nothing_new { state.session.quiet.saturating_add(1) } else { 0 };
    refill(state, step, said.key_packages, said.last_resort);
    let factor = 1_u64.checked_shl(state.session.quiet.min(16)).unwrap_or(u64::MAX);
    let span = step.jittered(Duration(FETCH_SOON.0.saturating_mul(factor)).min(FETCH_EVERY));
    step.arm(state, TimerId::Fetch, span);
}

/// Whether the day's budget for strangers has room for the largest item: nobody says here how large those are that wait.
fn has_room(state: &State, step: &Step) -> bool {
    state.strangers.has_room(step.now(), u64::try_from(FRAME_LEN_MAX).unwrap_or(u64::MAX))
}

/// There was traffic, so there may be more: what a lost push left behind is asked for soon.
pub(crate) fn stir(state: &mut State, step: &mut Step) {
    let due = step.now().after(FETCH_SOON);
    state.session.quiet = 0;
    if state.timers.get(&TimerId::Fetch).is_some_and(|deadline| *deadline > due.after(FETCH_SOON)) {
        let span = step.jittered(FETCH_SOON);
        step.arm(state, TimerId::Fetch, span);
    }
}

/// The relay forgot these items; if more wait than it sent, asks for them at once. Not for so few that they may be those of
/// strangers which are left there, once the day's budget for those is used up.
pub(crate) fn acknowledged(state: &mut State, step: &mut Step, count: usize) {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    let before = state.session.waiting;
    state.session.waiting = before.saturating_sub(count);
    state.session.waited = state.session.waiting;
    let left_there = !has_room(state, step) && before <= FETCH_ITEMS_MAX;
    if count > 0 && state.session.waiting > 0 && state.unacknowledged.is_empty() && !left_there {
        fetch(state, step);
    }
}

/// The relay is gone, or its way is: says so, and tries to log in after a while.
pub(crate) fn gone(state: &mut State, step: &mut Step) {
    if state.session.link != Link::Online {
        return;
    }
    state.session.link = Link::Offline;
    step.notify(Change::Disconnected(Code::RelayUnreachable));
    step.disarm(state, TimerId::Fetch);
    delivery::drop_session_requests(state, step);
    state.session.failures = state.session.failures.saturating_add(1);
    let span = step.jittered(backoff(state.session.failures));
    step.arm(state, TimerId::Login, span);
}

/// A fetch was refused: another is due later.
pub(crate) fn fetch_later(state: &mut State, step: &mut Step) {
    if state.session.link == Link::Online {
        let span = step.jittered(FETCH_EVERY);
        step.arm(state, TimerId::Fetch, span);
    }
}

/// The relay does not know this lane any more: logs in again.
pub(crate) fn lost(state: &mut State, step: &mut Step) {
    if state.session.link == Link::Online {
        // Not at once: a relay that forgets every login must not be asked without end.
        state.session.link = Link::Offline;
        step.notify(Change::Disconnected(Code::NotLoggedIn));
        step.disarm(state, TimerId::Fetch);
        delivery::drop_session_requests(state, step);
        let span = step.jittered(TURN_AFTER);
        step.arm(state, TimerId::Login, span);
    }
}

/// A login or registration did not come to its end.
pub(crate) fn fail(state: &mut State, step: &mut Step, code: Code) {
    if state.session.link != Link::Asking {
        return;
    }
    state.session.link = Link::Offline;
    if state.session.phase == Phase::Registering && final_refusal(code) {
        state.session.phase = Phase::Unregistered;
        state.session.token = None;
        step.notify(Change::RegistrationRefused(code));
        return moving::back(state, step);
    }
    if code == Code::ProfileCopied && !state.session.phase.registers() {
        // Whoever goes on sending from an old copy uses keys twice: the person decides which one goes on.
        state.session.copied = true;
        step.notify(Change::Disconnected(code));
        return;
    }
    match (state.session.phase, code) {
        (Phase::Returning, code) if final_refusal(code) => {
            state.session.phase = Phase::Unknown;
            state.session.token = None;
            let code = if code == Code::NameTaken { Code::NameLost } else { code };
            step.notify(Change::RegistrationRefused(code));
        }
        (Phase::Registered | Phase::Unknown, Code::UnknownName) => {
            state.session.phase = Phase::Unknown;
            step.notify(Change::Disconnected(Code::AccountUnknown));
        }
        // It took this identity's key once: under the name it has another's now. To its operator, and to a registration, that is
        // an account that was lost all the same.
        (Phase::Registered | Phase::Unknown, Code::BadSignature) => {
            state.session.phase = Phase::Unknown;
            step.notify(Change::Disconnected(Code::NameLost));
        }
        (_, code) => step.notify(Change::Disconnected(code)),
    }
    state.session.failures = state.session.failures.saturating_add(1);
    let span = step.jittered(backoff(state.session.failures));
    step.arm(state, TimerId::Login, span);
}

/// The wait before try number `tries`: doubled each time, bounded.
pub(crate) fn backoff(tries: u32) -> Duration {
    let factor = 1_u64.checked_shl(tries.saturating_sub(1).min(16)).unwrap_or(u64::MAX);
    Duration(RETRY_FIRST.0.saturating_mul(factor)).min(RETRY_MAX)
}

/// Whether asking again would bring the same no.
fn final_refusal(code: Code) -> bool {
    matches!(
        code,
        Code::NameTaken
            | Code::MalformedName
            | Code::BadSignature
            | Code::BadCertificate
            | Code::ForgedAnswer
            | Code::UnknownVersion
            | Code::RegistrationClosed
            | Code::BadToken
    )
}
