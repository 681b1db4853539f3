//! Another relay for this account, or another device.

use crate::state::{Conversation, Link, Phase, Relay, Stampable, State, Why};
use crate::step::Step;
use crate::{contact, delivery, grants, inbox, offers, outbox, session};
use alloc::vec::Vec;
use thicket_types::effect::Effect;
use thicket_types::error::Code;
use thicket_types::ids::{Fingerprint, FrameId, MessageId, RelayKey, Seq};
use thicket_types::intent::Answer;
use thicket_types::name::{Name, RegistrationToken, RelayAddress};
use thicket_types::time::Stamp;
use thicket_types::vault_op::VaultOp;

/// Turns to another relay, or to the same one under another address: which of the two, its key tells.
pub(crate) fn change_relay(
    state: &mut State,
    step: &mut Step,
    address: &RelayAddress,
    key: Option<RelayKey>,
    token: Option<&RegistrationToken>,
) -> Answer {
    // One that is not settled can be taken back, however far it came.
    if !state.session.phase.is_settled() && state.session.before.is_none() {
        return Answer::Refused(Code::NotRegistered);
    }
    if state.session.copied {
        return Answer::Refused(Code::ProfileCopied);
    }
    if state.session.relay.as_ref().is_some_and(|relay| relay.is_another(address, key)) {
        return Answer::Refused(Code::ForgedAnswer);
    }
    if state.session.relay.as_ref().is_some_and(|relay| relay.address == *address) && state.session.before.is_none() {
        return Answer::Refused(Code::SameRelay);
    }
    // What waits at the old relay would be left there.
    let mailbox_empty = state.session.looked && state.session.waiting == 0 && state.unacknowledged.is_empty();
    if state.session.link == Link::Online && !mailbox_empty {
        return Answer::Refused(Code::TooBusy);
    }
    let before = state.session.relay.replace(Relay { address: address.clone(), key });
    // A second change before the first is settled goes back to where the account is registered, if it fails.
    if state.session.before.is_none() {
        state.session.before = before;
    }
    state.session.token = token.cloned();
    state.session.failures = 0;
    session::begin(state, step);
    Answer::Accepted
}

/// The relay that answers shows its key while a change is not settled: the same one under another address, or another one,
/// where the account is registered anew.
pub(crate) fn met(state: &mut State, key: RelayKey) {
    let Some(before) = state.session.before.clone() else {
        return;
    };
    let Some(now) = state.session.relay.clone() else {
        return;
    };
    if before.key == Some(key) {
        state.session.before = None;
        state.session.token = None;
        state.session.phase = Phase::Registered;
        return retarget(state, &now.address);
    }
    if state.session.phase.is_settled() {
        state.session.phase = Phase::Registering;
    }
}

/// The account is registered at the new relay: nothing of the old one's holds here.
pub(crate) fn settled(state: &mut State, step: &mut Step) {
    if state.session.before.take().is_none() {
        return;
    }
    state.unacknowledged.clear();
    state.revoke.clear();
    state.session.waiting = 0;
    for known in state.contacts.values_mut() {
        known.mailbox = None;
        known.looked = None;
        known.granted = None;
        known.looking = false;
    }
    for outstanding in state.outstanding.values_mut().filter(|outstanding| matches!(outstanding.why, Why::Pin(_))) {
        outstanding.why = Why::Abandoned;
    }
    carry_on(state, step, false);
    grants::soon(state, step);
}

/// The account is registered anew at the relay that had lost it. What is under way to contacts stays as it is: whose mailbox went too,
/// of them the relay says so, and no earlier lookup is believed over it. Our mailbox is another, and it knows no capability that was
/// given for it: they are told of again, as they are.
pub(crate) fn returned(state: &mut State, step: &mut Step) {
    // Places in the mailbox that went: in the new one other items may stand there.
    state.unacknowledged.clear();
    state.session.waiting = 0;
    for known in state.contacts.values_mut() {
        known.granted = None;
        known.looked = None;
    }
    grants::soon(state, step);
}

/// The new relay does not take the account: the old one is used as before.
pub(crate) fn back(state: &mut State, step: &mut Step) {
    if let Some(before) = state.session.before.take() {
        // What was sealed meanwhile is for the old relay's mailboxes too.
        retarget(state, &before.address);
        state.session.relay = Some(before);
        state.session.phase = Phase::Registered;
        session::begin(state, step);
    }
}

/// Has all that is open go to a relay at this address.
fn retarget(state: &mut State, to: &RelayAddress) {
    for request in state.requests.values_mut() {
        request.to = to.clone();
    }
}

/// This device goes on, whatever another copy of the profile did: its groups are dead, and every contact is asked to begin
/// anew.
pub(crate) fn take_over(state: &mut State, step: &mut Step) -> Answer {
    if !state.session.copied {
        return Answer::Refused(Code::NotCopied);
    }
    step.vault(state, Why::File, VaultOp::GiveUpGroups);
    go_on(state, step);
    Answer::Accepted
}

/// This device goes on with a journal and a vault of two times: what the one says of the other is not believed.
pub(crate) fn rejoin(state: &mut State, step: &mut Step) -> Answer {
    // The last process died in between, as far as this journal knows.
    delivery::drop_handing(state);
    for known in state.contacts.values_mut() {
        // The vault may know nothing of them, or an older key: it pins them anew.
        known.looked = None;
        known.offered = false;
    }
    step.vault(state, Why::File, VaultOp::ShowRead { on: state.settings.read_marks });
    go_on(state, step);
    Answer::Accepted
}

/// This device goes on with what an archive brought: no key of any conversation, and no record before this one. What names one is
/// let go of: who sent it was not told that it is here, and sends it again.
pub(crate) fn restore(state: &mut State, step: &mut Step) -> Answer {
    let sought: Vec<Name> = state.outstanding.values().filter_map(|outstanding| sought(&outstanding.why)).cloned().collect();
    rejoin(state, step);
    state.early.clear();
    // The mailbox may be another by now, where other items stand at these places. What comes again is acknowledged as a repeat.
    state.unacknowledged.clear();
    // Not what was asked for just now; it names no record.
    let now = step.seq();
    state.outstanding.retain(|id, outstanding| id.seq == now || !names_a_record(&outstanding.effect));
    for name in sought {
        contact::look_up_once(state, step, &name);
    }
    Answer::Accepted
}

/// The name that an effect finds a person by.
fn sought(why: &Why) -> Option<&Name> {
    match why {
        Why::Pin(name) | Why::Stamp(Stampable::Lookup(name), ..) => Some(name),
        _ => None,
    }
}

fn names_a_record(effect: &Effect) -> bool {
    match effect {
        Effect::Vault(op) => op.frame().is_some(),
        Effect::Send(_) => true,
        Effect::Arm(..) | Effect::Disarm(_) | Effect::Notify(_) => false,
    }
}

fn go_on(state: &mut State, step: &mut Step) {
    for outstanding in state.outstanding.values_mut() {
        let begins = match &outstanding.why {
            Why::Stamp(why, ..) => matches!(why, Stampable::KeyPackage(_)),
            why => matches!(why, Why::KeyPackage(_) | Why::Begin(_)),
        };
        if begins {
            // Its group is dead by then, or the ledger answers with one that is.
            outstanding.why = Why::Abandoned;
        }
    }
    let has_relay = state.session.relay.is_some() && state.session.phase != Phase::Unregistered;
    state.session.copied = false;
    state.session.takes_over = has_relay;
    state.session.failures = 0;
    // The other copy may have published keys that are not here: mail is sealed to one of ours from now on.
    state.session.mailbox_key_at = Stamp(0);
    state.session.mailbox_key_made = None;
    state.session.restock = true;
    state.session.refill_from = Stamp(0);
    state.contacts.values_mut().for_each(|known| known.granted = None);
    carry_on(state, step, true);
    if has_relay {
        session::begin(state, step);
    }
}

/// Takes what was sealed out of the way and has it sealed again; what need not be is dropped.
fn carry_on(state: &mut State, step: &mut Step, dead: bool) {
    // In the order of their making: names of frames say nothing of it.
    let mut open: Vec<(Seq, FrameId, Why)> = state.requests.iter().map(|(id, request)| (request.frame, *id, request.why.clone())).collect();
    open.sort_by_key(|(seq, _, _)| *seq);
    let mut whys = Vec::new();
    for (_, id, why) in open {
        delivery::drop_request(state, step, id);
        whys.push(why);
    }
    for outstanding in state.outstanding.values_mut().filter(|outstanding| delivery::is_sealed(&outstanding.why)) {
        whys.push(core::mem::replace(&mut outstanding.why, Why::Abandoned));
    }
    let mut messages: Vec<MessageId> = Vec::new();
    let mut names: Vec<Name> = Vec::new();
    for why in whys {
        match delivery::plain(why) {
            Why::Message(message) => messages.push(message),
            Why::Receipt(contact, of) => inbox::owe_again(state, contact, of),
            Why::Lookup(name) => names.push(name),
            Why::KeyPackage(contact) => {
                if let Some(known) = state.contacts.get_mut(&contact).filter(|known| known.conversation == Conversation::Beginning) {
                    known.conversation = Conversation::None;
                }
            }
            Why::Offer(contact, anew) => offers::owe_again(state, contact, anew),
            _ => {}
        }
    }
    let contacts: Vec<Fingerprint> = state.contacts.keys().copied().collect();
    for contact in &contacts {
        let Some(known) = state.contacts.get_mut(contact) else {
            continue;
        };
        known.looking = false;
        // Also with whom this copy has no conversation: the other may have begun one since.
        if dead {
            // Until they have begun anew, nothing is sealed: what is asked for waits. Who is not accepted is asked when they are.
            known.conversation = Conversation::Beginning;
            known.anew = true;
            known.offer = Some(true);
            offers::due(state, step, *contact, true);
        }
    }
    messages.sort_by_key(|message| state.outbox.get(message).map(|outgoing| outgoing.at));
    outbox::seal_before(state, &messages);
    for contact in contacts {
        contact::advance(state, step, contact);
    }
    // A person asked for these, and waits.
    for name in names {
        contact::look_up_once(state, step, &name);
    }
}
