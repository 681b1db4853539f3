//! What becomes of each field of a state in a capsule that begins with one.
//!
//! One walk serves both passes, as of events (`values.rs`), and with the same values: who is named by the state is named by records after it.
//! Everything is destructured without `..`: a field that is new does not compile until somebody has said here what becomes of it.

use super::Shift;
use super::values::{self, Of, Values};
use std::collections::{BTreeMap, BTreeSet};
use thicket_reducer::{Contact, Held, InFlight, Outgoing, Outstanding, Relay, Session, Settings, Stampable, State, Strangers, Why};
use thicket_types::effect::{Change, Effect, Send};
use thicket_types::event::TimerId;
use thicket_types::ids::{EffectId, Fingerprint, FrameId, GroupId, MailboxId, MessageId, RelayKey};
use thicket_types::intent::Answer;
use thicket_types::limits::STAMP_BITS_MAX;
use thicket_types::name::Name;
use thicket_types::time::{Duration, Stamp};
use thicket_types::vault_op::{Ask, Challenge, VaultOp};

/// A state after a record that was stamped so. The first pass, which only looks, shifts nothing.
pub(super) fn state(state: &mut State, stamp: Stamp, shift: Shift, values: &mut dyn Values) {
    let State {
        session: of_session,
        contacts,
        outbox,
        seen,
        early,
        unacknowledged,
        requests,
        outstanding,
        timers,
        answers,
        settings: Settings { read_marks: _ },
        revoke,
        strangers: of_strangers,
        // Counts, as of events.
        dropped: _,
        vault_count: _,
    } = state;
    let mut redraw = Redraw { before: stamp, shift, values };
    let redraw = &mut redraw;
    session(of_session, redraw);
    entries(contacts, |contact, known| {
        redraw.person(contact);
        of_contact(known, redraw);
    });
    entries(outbox, |message, outgoing| {
        redraw.message(message);
        of_outgoing(outgoing, redraw);
    });
    seen.redraw(&mut |stamp, frame| {
        redraw.stamp(stamp);
        redraw.frame(frame);
    });
    entries(early, |contact, held| {
        redraw.person(contact);
        for Held { envelope: _, len, at } in held {
            *len = values::early_len(*len);
            redraw.stamp(at);
        }
    });
    elements(unacknowledged, |cursor| redraw.values.cursor(cursor));
    entries(requests, |frame, request| {
        redraw.frame(frame);
        let InFlight { why: what_for, to, lane: _, frame: _, at, tries: _, stamps: _ } = request;
        why(what_for, redraw);
        redraw.values.address(to);
        redraw.stamp(at);
    });
    entries(outstanding, |id, Outstanding { effect: asked, why: what_for }| {
        // Their places are the records', and those stay.
        let EffectId { seq: _, index: _, segment: _ } = id;
        effect(asked, redraw);
        why(what_for, redraw);
    });
    entries(timers, |timer, deadline| {
        redraw.timer(timer);
        redraw.stamp(deadline);
    });
    answers.redraw(&mut |stamp, id, answer| {
        redraw.stamp(stamp);
        redraw.values.id(Of::Message, &mut id.0);
        of_answer(answer, redraw);
    });
    elements(revoke, |contact| redraw.person(contact));
    strangers(of_strangers, redraw);
}

/// Who looks at the values of a state, or replaces them, and how far its times are moved.
struct Redraw<'v> {
    /// The stamp of the record that it was the state after.
    before: Stamp,
    shift: Shift,
    values: &'v mut dyn Values,
}

impl Redraw<'_> {
    /// The stamp of the state's record in the capsule.
    fn taken(&self) -> Stamp {
        self.shift.of(self.before)
    }

    /// "Never" and "for ever" stay what they are, and nothing else becomes "never".
    fn stamp(&self, stamp: &mut Stamp) {
        if ![Stamp(0), Stamp(u64::MAX)].contains(stamp) {
            *stamp = self.shift.of(*stamp).max(Stamp(1));
        }
    }

    fn person(&mut self, contact: &mut Fingerprint) {
        self.values.id(Of::Identity, &mut contact.0);
    }

    fn people(&mut self, contacts: &mut [Fingerprint]) {
        contacts.iter_mut().for_each(|contact| self.person(contact));
    }

    fn mailbox(&mut self, mailbox: &mut MailboxId) {
        self.values.id(Of::Mailbox, &mut mailbox.0);
    }

    fn message(&mut self, message: &mut MessageId) {
        self.values.id(Of::Message, &mut message.0);
    }

    fn messages(&mut self, messages: &mut [MessageId]) {
        messages.iter_mut().for_each(|message| self.message(message));
    }

    fn frame(&mut self, frame: &mut FrameId) {
        self.values.id(Of::Frame, &mut frame.0);
    }

    fn group(&mut self, group: &mut GroupId) {
        self.values.id(Of::Group, &mut group.0);
    }

    fn relay_key(&mut self, key: &mut RelayKey) {
        self.values.id(Of::RelayKey, &mut key.0);
    }

    fn name(&mut self, name: &mut Name) {
        self.values.name(name);
    }

    fn timer(&mut self, timer: &mut TimerId) {
        values::timer(timer, self.values);
    }
}

fn entries<Id: Ord, Entry>(map: &mut BTreeMap<Id, Entry>, mut each: impl FnMut(&mut Id, &mut Entry)) {
    let redrawn = std::mem::take(map).into_iter().map(|(mut id, mut entry)| {
        each(&mut id, &mut entry);
        (id, entry)
    });
    *map = redrawn.collect();
}

fn elements<Id: Ord>(set: &mut BTreeSet<Id>, mut each: impl FnMut(&mut Id)) {
    let redrawn = std::mem::take(set).into_iter().map(|mut id| {
        each(&mut id);
        id
    });
    *set = redrawn.collect();
}

fn session(session: &mut Session, redraw: &mut Redraw<'_>) {
    let Session {
        relay: of,
        phase: _,
        link: _,
        failures: _,
        waiting: _,
        looked: _,
        quiet: _,
        waited: _,
        since,
        token,
        copied: _,
        takes_over: _,
        restock: _,
        skew_ms,
        mailbox_key_at,
        mailbox_key_made,
        before,
        refill_from,
        last_resort_from,
        generation_until,
    } = session;
    for Relay { address, key } in of.iter_mut().chain(before) {
        redraw.values.address(address);
        if let Some(key) = key {
            redraw.relay_key(key);
        }
    }
    if let Some(token) = token {
        redraw.values.token(token);
    }
    // As after an answer of a relay in a capsule, whose clock is ours.
    *skew_ms = skew_ms.map(|_| 0);
    let times = [since, mailbox_key_at, refill_from, last_resort_from, generation_until];
    times.into_iter().chain(mailbox_key_made).for_each(|stamp| redraw.stamp(stamp));
}

fn of_contact(known: &mut Contact, redraw: &mut Redraw<'_>) {
    let Contact {
        name,
        mailbox,
        standing: _,
        proved: _,
        held: _,
        looking: _,
        missed: _,
        conversation: _,
        queue,
        receipts,
        receipts_due: _,
        received: _,
        verified: _,
        looked,
        updated,
        acknowledge: _,
        mark,
        granted,
        offered: _,
        offer: _,
        offer_at,
        asked: _,
        anew: _,
        update: _,
    } = known;
    redraw.name(name);
    if let Some(mailbox) = mailbox {
        redraw.mailbox(mailbox);
    }
    redraw.messages(queue);
    redraw.messages(receipts);
    if let Some(message) = mark {
        redraw.message(message);
    }
    [updated].into_iter().chain(looked).chain(granted).chain(offer_at).for_each(|stamp| redraw.stamp(stamp));
}

fn of_outgoing(outgoing: &mut Outgoing, redraw: &mut Redraw<'_>) {
    let Outgoing { contact, body, again: _, astray: _, state: _, at } = outgoing;
    redraw.person(contact);
    if let Some(body) = body {
        redraw.values.id(Of::Body, &mut body.0);
    }
    redraw.stamp(at);
}

/// Of another day than its record's nothing is left to the rules but that: they begin to count anew.
fn strangers(strangers: &mut Strangers, redraw: &mut Redraw<'_>) {
    let Strangers { day, len } = strangers;
    let of = |stamp: Stamp| stamp.0 / Duration::days(1).0;
    *day = if *day == of(redraw.before) { of(redraw.taken()) } else { 0 };
    // A sum of lengths that anybody chose tells more than their classes; the rules only add to it.
    *len = if *len == 0 { 0 } else { len.checked_next_power_of_two().unwrap_or(u64::MAX) };
}

fn why(why: &mut Why, redraw: &mut Redraw<'_>) {
    match why {
        Why::Challenge
        | Why::Register
        | Why::Login
        | Why::Publish
        | Why::Fetch
        | Why::File
        | Why::Abandoned
        | Why::MailboxKey
        | Why::Tidy => {}
        Why::Acknowledge(cursors) => cursors.iter_mut().for_each(|cursor| redraw.values.cursor(cursor)),
        Why::Lookup(name) | Why::Pin(name) => redraw.name(name),
        Why::KeyPackage(contact) | Why::Begin(contact) | Why::Update(contact) | Why::ReadMark(contact) => redraw.person(contact),
        Why::Message(message) => redraw.message(message),
        Why::Receipt(contact, messages) => {
            redraw.person(contact);
            redraw.messages(messages);
        }
        Why::Open(_, came) => redraw.stamp(came),
        Why::Handing(frame) => redraw.frame(frame),
        Why::Offer(contact, _) => redraw.person(contact),
        Why::Grant(granted, revoked) => {
            redraw.people(granted);
            redraw.people(revoked);
        }
        Why::Stamp(of, _, made) => {
            stampable(of, redraw);
            redraw.stamp(made);
        }
    }
}

fn stampable(why: &mut Stampable, redraw: &mut Redraw<'_>) {
    match why {
        Stampable::Lookup(name) => redraw.name(name),
        Stampable::KeyPackage(contact) | Stampable::Update(contact) | Stampable::ReadMark(contact) | Stampable::Offer(contact, _) => {
            redraw.person(contact);
        }
        Stampable::Message(message) => redraw.message(message),
        Stampable::Receipt(contact, messages) => {
            redraw.person(contact);
            redraw.messages(messages);
        }
    }
}

fn of_answer(answer: &mut Answer, redraw: &mut Redraw<'_>) {
    match answer {
        Answer::Accepted | Answer::Refused(_) => {}
        Answer::Queued(message) => redraw.message(message),
    }
}

fn effect(effect: &mut Effect, redraw: &mut Redraw<'_>) {
    match effect {
        Effect::Vault(op) => of_op(op, redraw),
        Effect::Send(Send { to, lane: _, frame: _ }) => redraw.values.address(to),
        Effect::Arm(timer, deadline) => {
            redraw.timer(timer);
            redraw.stamp(deadline);
        }
        Effect::Disarm(timer) => redraw.timer(timer),
        Effect::Notify(told) => change(told, redraw),
    }
}

fn of_op(op: &mut VaultOp, redraw: &mut Redraw<'_>) {
    match op {
        VaultOp::Compose(asked) => ask(asked, redraw),
        VaultOp::SignRegistration { challenge: of, token } => {
            challenge(of, redraw);
            if let Some(token) = token {
                redraw.values.token(token);
            }
        }
        VaultOp::SignLogin { challenge: of, takes_over: _ } => challenge(of, redraw),
        VaultOp::MakeKeyPackages { count: _, last_resort: _, replaces: _, at }
        | VaultOp::OpenEnvelope { envelope: _, at, last: _ }
        | VaultOp::Tidy { at }
        | VaultOp::RotateMailboxKey { at }
        | VaultOp::Published { what: _, at } => redraw.stamp(at),
        VaultOp::PinContact { name, answer: _, at } => {
            redraw.name(name);
            redraw.stamp(at);
        }
        VaultOp::BeginConversation { contact, answer: _, at } | VaultOp::BeginFromOffer { contact, at } => {
            redraw.person(contact);
            redraw.stamp(at);
        }
        VaultOp::SealMessage { contact, mailbox, message, body, at } => {
            redraw.person(contact);
            redraw.mailbox(mailbox);
            redraw.message(message);
            redraw.values.id(Of::Body, &mut body.0);
            redraw.stamp(at);
        }
        VaultOp::SealReceipt { contact, mailbox, messages, at } => {
            redraw.person(contact);
            redraw.mailbox(mailbox);
            redraw.messages(messages);
            redraw.stamp(at);
        }
        VaultOp::File { message, contact, body, at, state: _, cause: _ } => {
            redraw.message(message);
            redraw.person(contact);
            if let Some(body) = body {
                redraw.values.id(Of::Body, &mut body.0);
            }
            redraw.stamp(at);
        }
        VaultOp::Forget { contact } | VaultOp::Unpin { contact } => redraw.person(contact),
        VaultOp::UpdateKeys { contact, mailbox, at } | VaultOp::SealOffer { contact, mailbox, anew: _, at } => {
            redraw.person(contact);
            redraw.mailbox(mailbox);
            redraw.stamp(at);
        }
        VaultOp::MarkRead { contact, message, tell, at } => {
            redraw.person(contact);
            redraw.message(message);
            if let Some(mailbox) = tell {
                redraw.mailbox(mailbox);
            }
            redraw.stamp(at);
        }
        VaultOp::SealAgain { contact, mailbox, message } => {
            redraw.person(contact);
            redraw.mailbox(mailbox);
            redraw.message(message);
        }
        VaultOp::ForgetMessage { contact, message, sent: _ } => {
            redraw.person(contact);
            redraw.message(message);
        }
        VaultOp::SetCapabilities { grant, renew, revoke } => [grant, renew, revoke].into_iter().for_each(|of| redraw.people(of)),
        VaultOp::Stamp { request: _, relay, bits, hour } => {
            redraw.relay_key(relay);
            *bits = (*bits).min(STAMP_BITS_MAX);
            // By the relay's clock, as an answer's.
            *hour = redraw.taken().0 / Duration::seconds(3_600).0;
        }
        VaultOp::ShowRead { on: _ } | VaultOp::GiveUpGroups => {}
        VaultOp::CreateGroup { group, title, public: _ } => {
            redraw.group(group);
            redraw.values.title(title);
        }
        VaultOp::LogCreated { group, answer: _ } => redraw.group(group),
        VaultOp::KeepKeyPackage { group, contact, answer: _, at } => {
            redraw.group(group);
            redraw.person(contact);
            redraw.stamp(at);
        }
        VaultOp::Commit { group, adds } => {
            redraw.group(group);
            redraw.people(adds);
        }
        VaultOp::SealPost { group, message, body, at } => {
            redraw.group(group);
            redraw.message(message);
            if let Some(body) = body {
                redraw.values.id(Of::Body, &mut body.0);
            }
            redraw.stamp(at);
        }
        VaultOp::FollowLog { group, answer: _, at } => {
            redraw.group(group);
            redraw.stamp(at);
        }
        VaultOp::SealWelcome { group, contact, mailbox } => {
            redraw.group(group);
            redraw.person(contact);
            redraw.mailbox(mailbox);
        }
        VaultOp::Join { envelope: _, contact, at } => {
            redraw.person(contact);
            redraw.stamp(at);
        }
    }
}

fn ask(ask: &mut Ask, redraw: &mut Redraw<'_>) {
    match ask {
        Ask::Challenge | Ask::Fetch { items_max: _, swap: _ } => {}
        Ask::Lookup(name) | Ask::KeyPackage(name) => redraw.name(name),
        Ask::Acknowledge { cursors } => cursors.iter_mut().for_each(|cursor| redraw.values.cursor(cursor)),
        Ask::ReadLog(group) => redraw.group(group),
    }
}

/// As an answer's, with the relay's clock ours.
fn challenge(challenge: &mut Challenge, redraw: &mut Redraw<'_>) {
    let Challenge { relay, nonce, until_ms } = challenge;
    redraw.relay_key(relay);
    nonce.fill(0);
    *until_ms = redraw.taken().0;
}

fn change(change: &mut Change, redraw: &mut Redraw<'_>) {
    match change {
        Change::Answered { intent, answer } => {
            redraw.values.id(Of::Message, &mut intent.0);
            of_answer(answer, redraw);
        }
        Change::Registered | Change::RegistrationRefused(_) | Change::Connected | Change::Disconnected(_) | Change::Dropped(_) => {}
        Change::Contact(contact) | Change::IdentityChanged(contact) | Change::KeysUpdated(contact) | Change::Read { contact } => {
            redraw.person(contact);
        }
        Change::LookupFailed { name, cause: _ } => redraw.name(name),
        Change::Unreadable { contact, cause: _ } => redraw.person(contact),
        Change::Received { contact, message } | Change::Forgotten { contact, message } => {
            redraw.person(contact);
            redraw.message(message);
        }
        Change::Message { message, state: _ } => redraw.message(message),
    }
}
