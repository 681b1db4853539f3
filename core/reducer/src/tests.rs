//! The rules: given a state, when an event, then effects and state.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

extern crate std;

use crate::session::backoff;
use crate::state::{Answers, Seen};
use crate::{ClientRules, Conversation, InFlight, Link, Outgoing, Outstanding, Phase, RULES, Standing, State, Why, reduce};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};
use core::cell::RefCell;
use proptest::arbitrary::any;
use proptest::collection::vec as vec_of;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use prost::Message as _;
use thicket_journal_format::codec;
use thicket_types::bytes::Bytes;
use thicket_types::effect::{Change, Effect, MessageState, Send};
use thicket_types::error::Code;
use thicket_types::event::{Arrival, Arrived, Event, Lane, Opened, Outcome, TimerId};
use thicket_types::ids::{
    BodyRef, ConversationId, EffectId, Fingerprint, FrameId, IntentId, MailboxId, MessageId, RelayKey, SegmentId, Seq,
};
use thicket_types::intent::{Answer, Intent};
use thicket_types::limits::{
    ACKNOWLEDGE_AFTER, ACKNOWLEDGE_MAX, ANSWERS_FOR, ANSWERS_MAX, BODY_LEN_MAX, CONTACTS_MAX, FETCH_ITEMS_MAX, FETCH_SOON, HELD_FRAMES_MAX,
    KEY_PACKAGES, OUTBOX_MAX, RECEIPTS_AFTER, RECEIPTS_MAX, REQUESTS_MAX, RESEND_AFTER, RETRY_FIRST, RETRY_MAX, SEEN_FRAMES_FOR,
    SEEN_FRAMES_MAX, TURN_AFTER,
};
use thicket_types::name::{Name, RelayAddress};
use thicket_types::ports::{Place, Reducer as _};
use thicket_types::time::{ClaimedTime, Deadline, Duration, Stamp};
use thicket_types::vault_op::{Ask, Challenge, VaultOp};
use thicket_types::wire::relay as wire;
use wire::answer::Said;

const RELAY: &str = "loopback:relay";
const RELAY_KEY: RelayKey = RelayKey([3; 32]);
const SEGMENT: SegmentId = SegmentId([5; 16]);
const START: u64 = 1_790_000_000_000;
const BOB: Fingerprint = Fingerprint([66; 20]);
const CAROL: Fingerprint = Fingerprint([67; 20]);
const MAILBOX: MailboxId = MailboxId([77; 16]);

fn address(text: &str) -> RelayAddress {
    RelayAddress::parse(text).expect("an address")
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

fn frame_id(number: u64) -> FrameId {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&number.to_be_bytes());
    FrameId(id)
}

fn message(number: u8) -> MessageId {
    MessageId([number; 16])
}

fn challenge(key: RelayKey) -> Said {
    Said::Challenge(wire::Challenge { nonce: vec![4; 32], relay_key: key.0.to_vec(), until_ms: 99 })
}

fn signed() -> Challenge {
    Challenge { relay: RELAY_KEY, nonce: [4; 32], until_ms: 99 }
}

fn refusal(code: Code) -> Said {
    Said::Refusal(wire::Refusal { code: code.number() })
}

fn registered_answer() -> Said {
    Said::Registered(wire::Registered { mailbox: vec![1; 16] })
}

fn logged_in(key_packages: u32, last_resort: bool) -> Said {
    Said::LoggedIn(wire::LoggedIn { mailbox: vec![1; 16], key_packages, last_resort })
}

fn fetched(waiting: u32) -> Said {
    Said::Fetched(wire::Fetched { waiting })
}

fn stored() -> Said {
    Said::Stored(wire::Stored {})
}

fn answer_bytes(to: FrameId, said: Said) -> Bytes {
    Bytes(wire::Answer { version: 1, to: to.0.to_vec(), clock_ms: 0, said: Some(said) }.encode_to_vec())
}

fn pinned(contact: Fingerprint, text: &str, contradicts: Option<Fingerprint>) -> Outcome {
    Outcome::Pinned { contact, mailbox: MAILBOX, name: name(text), contradicts }
}

fn opened_message(contact: Fingerprint, number: u8, begins: bool) -> Outcome {
    Outcome::Opened(Opened::Message {
        contact,
        name: name("bob"),
        conversation: ConversationId([1; 32]),
        message: message(number),
        claimed: ClaimedTime(1),
        begins,
    })
}

fn register() -> Intent {
    Intent::Register { relay: address(RELAY), key: None }
}

fn send_to(contact: Fingerprint, number: u8) -> Intent {
    Intent::Send { contact, body: BodyRef([number; 16]), len: 5 }
}

fn answered(number: u8, answer: Answer) -> Effect {
    Effect::Notify(Change::Answered { intent: IntentId([number; 16]), answer })
}

/// A state, and where its journal stands.
struct Book {
    state: State,
    seq: u64,
    now: u64,
    frames: u64,
}

impl Book {
    fn new() -> Book {
        Book { state: State::default(), seq: 0, now: START, frames: 0 }
    }

    fn stamp(&self) -> Stamp {
        Stamp(self.now)
    }

    fn fold(&mut self, event: &Event) -> Vec<Effect> {
        self.seq += 1;
        reduce(RULES, &mut self.state, Place { segment: SEGMENT, seq: Seq(self.seq), stamp: Stamp(self.now) }, event)
    }

    fn ask(&mut self, number: u8, intent: Intent) -> Vec<Effect> {
        self.fold(&Event::Requested { id: IntentId([number; 16]), intent })
    }

    /// The oldest open effect for a purpose.
    fn open(&self, why: &Why) -> EffectId {
        let found = self.state.outstanding.iter().find(|(_, outstanding)| outstanding.why == *why);
        *found.unwrap_or_else(|| panic!("nothing is open for {why:?}")).0
    }

    fn resolve(&mut self, why: &Why, outcome: Outcome) -> Vec<Effect> {
        let effect = self.open(why);
        self.fold(&Event::Resolved { effect, outcome, vault_count: 0 })
    }

    fn new_frame(&mut self) -> FrameId {
        self.frames += 1;
        frame_id(self.frames)
    }

    /// The vault makes the frame for a purpose.
    fn frame(&mut self, why: &Why) -> (FrameId, Vec<Effect>) {
        let frame = self.new_frame();
        let effects = self.resolve(why, Outcome::Framed { frame, bytes: Bytes(vec![1; 8]) });
        (frame, effects)
    }

    /// The vault makes the frame for a purpose, and the transport takes it.
    fn transmit(&mut self, why: &Why) -> FrameId {
        let (frame, _) = self.frame(why);
        self.resolve(&Why::Handing(frame), Outcome::Handed);
        frame
    }

    fn arrive(&mut self, frame: FrameId, content: Arrived) -> Vec<Effect> {
        self.fold(&Event::Arrived(Arrival { frame, lane: Lane::Named, content }))
    }

    fn answer(&mut self, to: FrameId, said: Said) -> Vec<Effect> {
        let frame = self.new_frame();
        self.arrive(frame, Arrived::Answer { answer: answer_bytes(to, said) })
    }

    /// A purpose's frame goes out and is answered.
    fn settle(&mut self, why: &Why, said: Said) -> Vec<Effect> {
        let frame = self.transmit(why);
        self.answer(frame, said)
    }

    /// An item of the mailbox, at a place of this number.
    fn envelope(&mut self, number: u8) -> Vec<Effect> {
        let content = Arrived::Envelope { cursor: u64::from(number), sender: BOB, sealed: Bytes(vec![number; 8]) };
        self.arrive(FrameId([number; 32]), content)
    }

    /// An item of the mailbox that the vault opens.
    fn receive(&mut self, number: u8, outcome: Outcome) -> Vec<Effect> {
        self.envelope(number);
        let why = Why::Open(Seq(self.seq));
        self.resolve(&why, outcome)
    }

    /// Time goes on until a timer passes.
    fn elapse(&mut self, timer: TimerId) -> Vec<Effect> {
        let deadline = self.state.timers.get(&timer).expect("an armed timer");
        self.now = self.now.max(deadline.0);
        self.fold(&Event::Elapsed { timer, fault: false })
    }

    fn deadline(&self, timer: TimerId) -> Deadline {
        *self.state.timers.get(&timer).expect("an armed timer")
    }

    /// Purposes of what is open at the vault or waits for an answer.
    fn under_way(&self) -> Vec<Why> {
        let open = self.state.outstanding.values().map(|Outstanding { effect: _, why }| why);
        open.chain(self.state.requests.values().map(|request| &request.why)).cloned().collect()
    }

    /// Registered and online, with nothing under way.
    fn registered() -> Book {
        let mut book = Book::new();
        book.ask(201, register());
        book.settle(&Why::Challenge, challenge(RELAY_KEY));
        book.settle(&Why::Register, registered_answer());
        book.settle(&Why::Publish, Said::Published(wire::Published { key_packages: 50 }));
        book.settle(&Why::Fetch, fetched(0));
        assert_eq!(book.under_way(), []);
        book
    }

    /// With Bob as a contact.
    fn acquainted() -> Book {
        let mut book = Book::registered();
        book.ask(202, Intent::AddContact { name: name("bob") });
        book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
        book.resolve(&Why::Pin(name("bob")), pinned(BOB, "bob", None));
        assert_eq!(book.under_way(), []);
        book
    }

    /// With a conversation with Bob, in which one message was stored.
    fn talking() -> Book {
        let mut book = Book::acquainted();
        book.ask(203, send_to(BOB, 203));
        book.settle(&Why::KeyPackage(BOB), Said::KeyPackage(wire::KeyPackage::default()));
        book.resolve(&Why::Begin(BOB), Outcome::Begun);
        book.settle(&Why::Message(message(203)), stored());
        book.resolve(&Why::File, Outcome::Done);
        assert_eq!(book.under_way(), []);
        book
    }

    fn bob(&self) -> &crate::Contact {
        self.state.contacts.get(&BOB).expect("Bob is a contact")
    }
}

fn vault(op: VaultOp) -> Effect {
    Effect::Vault(op)
}

fn within_a_quarter(span: u64, of: Duration) -> bool {
    (of.0..=of.0 + of.0 / 4).contains(&span)
}

// Registration.

#[test]
fn registering_asks_the_relay_for_a_challenge() {
    let mut book = Book::new();
    let effects = book.ask(1, register());
    assert_eq!(effects, [vault(VaultOp::Compose(Ask::Challenge)), answered(1, Answer::Accepted)]);
    assert_eq!((book.state.session.phase, book.state.session.link), (Phase::Registering, Link::Asking));
    // Its frame goes out on the lane that may know the name, and is tried again if no answer comes.
    let (frame, effects) = book.frame(&Why::Challenge);
    let deadline = book.deadline(TimerId::Retry(frame));
    let sent = Send { to: address(RELAY), lane: Lane::Named, frame: Seq(book.seq) };
    assert_eq!(effects, [Effect::Send(sent), Effect::Arm(TimerId::Retry(frame), deadline)]);
    assert_eq!(book.state.requests[&frame].why, Why::Challenge);
}

#[test]
fn a_challenge_pins_the_relay_and_is_signed() {
    let mut book = Book::new();
    book.ask(1, register());
    let frame = book.transmit(&Why::Challenge);
    let effects = book.answer(frame, challenge(RELAY_KEY));
    assert_eq!(effects, [Effect::Disarm(TimerId::Retry(frame)), vault(VaultOp::SignRegistration(signed()))]);
    assert_eq!(ClientRules::relay(&book.state), Some(RELAY_KEY));
    assert_eq!(book.under_way(), [Why::Register]);
}

#[test]
fn a_registration_leads_online_publishes_key_packages_and_fetches() {
    let mut book = Book::new();
    book.ask(1, register());
    book.settle(&Why::Challenge, challenge(RELAY_KEY));
    let frame = book.transmit(&Why::Register);
    let effects = book.answer(frame, registered_answer());
    let expected = [
        Effect::Disarm(TimerId::Retry(frame)),
        Effect::Notify(Change::Registered),
        vault(VaultOp::MakeKeyPackages { count: KEY_PACKAGES, last_resort: true }),
        Effect::Notify(Change::Connected),
        vault(VaultOp::Compose(Ask::Fetch { items_max: FETCH_ITEMS_MAX })),
    ];
    assert_eq!(effects, expected);
    assert_eq!((book.state.session.phase, book.state.session.link), (Phase::Registered, Link::Online));
    assert_eq!(book.ask(2, register()), [answered(2, Answer::Refused(Code::AlreadyRegistered))]);
}

#[test]
fn a_final_no_ends_the_registration_and_a_passing_one_is_tried_again() {
    for (code, last) in [
        (Code::NameTaken, true),
        (Code::MalformedName, true),
        (Code::BadSignature, true),
        (Code::BadCertificate, true),
        (Code::UnknownVersion, true),
        (Code::RelayBusy, false),
        (Code::ChallengeExpired, false),
        (Code::ChallengeUnknown, false),
        (Code::MalformedRequest, false),
    ] {
        let mut book = Book::new();
        book.ask(1, register());
        book.settle(&Why::Challenge, challenge(RELAY_KEY));
        let frame = book.transmit(&Why::Register);
        let effects = book.answer(frame, refusal(code));
        assert_eq!((book.state.session.link, book.under_way()), (Link::Offline, vec![]), "{code:?}");
        let told = if last { Change::RegistrationRefused(code) } else { Change::Disconnected(code) };
        let mut expected = vec![Effect::Disarm(TimerId::Retry(frame)), Effect::Notify(told)];
        if last {
            assert_eq!(book.state.session.phase, Phase::Unregistered, "{code:?}");
            assert!(book.state.timers.is_empty(), "{code:?}");
        } else {
            assert_eq!(book.state.session.phase, Phase::Registering, "{code:?}");
            expected.push(Effect::Arm(TimerId::Login, book.deadline(TimerId::Login)));
        }
        assert_eq!(effects, expected, "{code:?}");
    }
}

#[test]
fn another_relay_than_the_pinned_one_is_forged() {
    let mut book = Book::registered();
    book.ask(1, Intent::Connect);
    let frame = book.transmit(&Why::Challenge);
    let effects = book.answer(frame, challenge(RelayKey([9; 32])));
    let failed = Effect::Notify(Change::Disconnected(Code::ForgedAnswer));
    let again = Effect::Arm(TimerId::Login, book.deadline(TimerId::Login));
    assert_eq!(effects, [Effect::Disarm(TimerId::Retry(frame)), failed, again]);
    assert_eq!(ClientRules::relay(&book.state), Some(RELAY_KEY));
    assert_eq!(book.under_way(), []);
}

#[test]
fn a_frame_that_was_made_for_one_relay_is_not_sent_to_another() {
    // Given a proof for one relay that the vault is making.
    let mut book = Book::new();
    book.ask(1, register());
    book.settle(&Why::Challenge, challenge(RELAY_KEY));
    // When the person chooses another relay.
    book.ask(2, Intent::Register { relay: address("loopback:other"), key: None });
    let (_, effects) = book.frame(&Why::Abandoned);
    // Then the proof goes nowhere.
    assert_eq!(effects, []);
}

// Login.

#[test]
fn only_who_is_registered_can_connect_add_or_send() {
    let mut book = Book::new();
    let refused = Answer::Refused(Code::NotRegistered);
    assert_eq!(book.ask(1, Intent::Connect), [answered(1, refused.clone())]);
    assert_eq!(book.ask(2, Intent::AddContact { name: name("bob") }), [answered(2, refused.clone())]);
    assert_eq!(book.ask(3, send_to(BOB, 3)), [answered(3, refused)]);
    assert_eq!(book.under_way(), []);
}

#[test]
fn connecting_logs_in_and_refills_what_the_relay_ran_low_of() {
    for (left, last_resort, made) in [
        (50, true, None),
        (20, true, None),
        (19, true, Some((31, false))),
        (0, false, Some((50, true))),
        (40, false, Some((10, true))),
        (60, false, Some((0, true))),
    ] {
        let mut book = Book::registered();
        let effects = book.ask(1, Intent::Connect);
        let expected = [Effect::Disarm(TimerId::Fetch), vault(VaultOp::Compose(Ask::Challenge)), answered(1, Answer::Accepted)];
        assert_eq!(effects, expected);
        let frame = book.transmit(&Why::Challenge);
        let effects = book.answer(frame, challenge(RELAY_KEY));
        assert_eq!(effects, [Effect::Disarm(TimerId::Retry(frame)), vault(VaultOp::SignLogin(signed()))]);
        let frame = book.transmit(&Why::Login);
        let effects = book.answer(frame, logged_in(left, last_resort));
        let mut expected = vec![Effect::Disarm(TimerId::Retry(frame))];
        expected.extend(made.map(|(count, last_resort)| vault(VaultOp::MakeKeyPackages { count, last_resort })));
        expected.push(Effect::Notify(Change::Connected));
        expected.push(vault(VaultOp::Compose(Ask::Fetch { items_max: FETCH_ITEMS_MAX })));
        assert_eq!(effects, expected, "{left} left");
        assert_eq!(book.state.session.link, Link::Online);
    }
}

#[test]
fn a_login_without_an_answer_is_begun_anew_and_waits_longer_each_time() {
    let mut book = Book::registered();
    book.ask(1, Intent::Connect);
    for wait in [4_000, 8_000, 16_000, 32_000] {
        // Sent four times with the same bytes.
        let frame = book.transmit(&Why::Challenge);
        for _ in 0..3 {
            book.elapse(TimerId::Retry(frame));
            assert_eq!(book.state.session.link, Link::Asking);
        }
        assert_eq!(book.state.requests[&frame].tries, 4);
        // Then given up: its challenge is too old.
        let effects = book.elapse(TimerId::Retry(frame));
        let again = book.deadline(TimerId::Login);
        assert_eq!(effects, [Effect::Notify(Change::Disconnected(Code::RelayUnreachable)), Effect::Arm(TimerId::Login, again)]);
        assert!(within_a_quarter(again.0 - book.now, Duration(wait)), "{} after {wait}", again.0 - book.now);
        assert!(book.state.requests.is_empty());
        let effects = book.elapse(TimerId::Login);
        assert_eq!(effects, [vault(VaultOp::Compose(Ask::Challenge))]);
    }
}

#[test]
fn being_online_sends_again_what_is_open_with_the_same_bytes() {
    // Given a message that waits for its answer over a restart.
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    let open = book.transmit(&Why::Message(message(1)));
    let record = book.state.requests[&open].frame;
    book.elapse(TimerId::Retry(open));
    // When the client logs in.
    book.ask(2, Intent::Connect);
    book.settle(&Why::Challenge, challenge(RELAY_KEY));
    book.settle(&Why::Login, logged_in(50, true));
    // Then the same record's bytes go out soon, as for the first time, and not at the moment of the login.
    assert!(within_a_quarter(book.deadline(TimerId::Retry(open)).0 - book.now, RESEND_AFTER));
    let effects = book.elapse(TimerId::Retry(open));
    let sent = Send { to: address(RELAY), lane: Lane::Anonymous, frame: record };
    assert!(effects.contains(&Effect::Send(sent)), "{effects:?}");
    assert_eq!(book.state.requests[&open].tries, 1);
    assert!(within_a_quarter(book.deadline(TimerId::Retry(open)).0 - book.now, RETRY_FIRST));
}

#[test]
fn a_relay_that_forgot_the_lane_is_logged_in_to_again() {
    let mut book = Book::registered();
    book.elapse(TimerId::Fetch);
    let frame = book.transmit(&Why::Fetch);
    let effects = book.answer(frame, refusal(Code::NotLoggedIn));
    // Soon, and not at once: a relay that forgets every login is not asked without end.
    let soon = book.deadline(TimerId::Login);
    assert!(within_a_quarter(soon.0 - book.now, TURN_AFTER));
    let told = Effect::Notify(Change::Disconnected(Code::NotLoggedIn));
    assert_eq!(effects, [Effect::Disarm(TimerId::Retry(frame)), told, Effect::Arm(TimerId::Login, soon)]);
    assert_eq!(book.elapse(TimerId::Login), [vault(VaultOp::Compose(Ask::Challenge))]);
    assert_eq!(book.state.session.link, Link::Asking);
}

#[test]
fn a_fetch_that_is_refused_is_tried_again() {
    // What a lost push left behind is found by fetching alone.
    for code in [Code::RelayBusy, Code::MalformedRequest, Code::TooLarge] {
        let mut book = Book::registered();
        book.elapse(TimerId::Fetch);
        book.settle(&Why::Fetch, refusal(code));
        let next = book.state.timers.contains_key(&TimerId::Fetch) || book.under_way().contains(&Why::Fetch);
        assert!(next || book.state.session.link != Link::Online, "nothing fetches after {code:?}");
    }
}

#[test]
fn key_packages_that_a_busy_relay_did_not_take_are_published_later() {
    let mut book = Book::registered();
    book.ask(1, Intent::Connect);
    book.settle(&Why::Challenge, challenge(RELAY_KEY));
    book.settle(&Why::Login, logged_in(0, false));
    book.settle(&Why::Publish, refusal(Code::RelayBusy));
    assert!(book.under_way().contains(&Why::Publish) || book.state.session.link != Link::Online, "nothing publishes again");
}

#[test]
fn more_items_than_one_fetch_brings_are_fetched_at_once() {
    // Given a mailbox with more than one fetch brings.
    let mut book = Book::registered();
    book.elapse(TimerId::Fetch);
    book.settle(&Why::Fetch, fetched(FETCH_ITEMS_MAX + 1));
    book.envelope(1);
    book.elapse(TimerId::Acknowledge);
    // When the relay forgot what came.
    let effects = book.settle(&Why::Acknowledge(vec![1]), Said::Acknowledged(wire::Acknowledged {}));
    // Then the rest is asked for.
    assert!(effects.contains(&vault(VaultOp::Compose(Ask::Fetch { items_max: FETCH_ITEMS_MAX }))), "{effects:?}");
}

// Requests: retries, backoff, answers.

#[test]
fn the_wait_doubles_and_is_bounded() {
    let waits = [4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000];
    for (tries, wait) in (1..).zip(waits) {
        assert_eq!(backoff(tries), Duration(wait));
    }
    assert_eq!(backoff(0), RETRY_FIRST);
    for tries in [8, 9, 64, 65, u32::MAX] {
        assert_eq!(backoff(tries), RETRY_MAX);
    }
}

#[test]
fn a_request_is_sent_again_with_the_same_bytes_until_it_is_answered() {
    let mut book = Book::registered();
    book.ask(1, Intent::AddContact { name: name("bob") });
    let frame = book.transmit(&Why::Lookup(name("bob")));
    let (timer, record) = (TimerId::Retry(frame), book.state.requests[&frame].frame);
    for (tries, wait) in (1..).zip([4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000]) {
        assert_eq!(book.state.requests[&frame].tries, tries);
        let span = book.deadline(timer).0 - book.now;
        assert!(within_a_quarter(span, Duration(wait)), "try {tries} waits {span}");
        let effects = book.elapse(timer);
        let sent = Send { to: address(RELAY), lane: Lane::Anonymous, frame: record };
        assert_eq!(effects, [Effect::Send(sent), Effect::Arm(timer, book.deadline(timer))]);
        book.resolve(&Why::Handing(frame), Outcome::Unreachable);
    }
    let effects = book.answer(frame, Said::Entry(wire::Entry::default()));
    let pin = VaultOp::PinContact { name: name("bob"), answer: Seq(book.seq), at: book.stamp() };
    assert_eq!(effects, [Effect::Disarm(timer), vault(pin)]);
    assert!(book.state.requests.is_empty());
}

#[test]
fn a_timer_before_its_deadline_or_without_one_changes_nothing() {
    let mut book = Book::registered();
    let before = book.state.clone();
    assert_eq!(book.fold(&Event::Elapsed { timer: TimerId::Fetch, fault: false }), []);
    assert_eq!(book.fold(&Event::Elapsed { timer: TimerId::Login, fault: false }), []);
    assert_eq!(book.state, before);
}

#[test]
fn a_timer_whose_fold_panicked_is_dropped() {
    let mut book = Book::registered();
    book.now = book.deadline(TimerId::Fetch).0;
    assert_eq!(book.fold(&Event::Elapsed { timer: TimerId::Fetch, fault: true }), []);
    assert!(book.state.timers.is_empty());
}

#[test]
fn a_second_outcome_for_an_effect_changes_nothing_but_the_count() {
    let mut book = Book::registered();
    book.ask(1, Intent::AddContact { name: name("bob") });
    let effect = book.open(&Why::Lookup(name("bob")));
    let (frame, _) = book.frame(&Why::Lookup(name("bob")));
    let mut before = book.state.clone();
    let outcome = Outcome::Framed { frame, bytes: Bytes(vec![1; 8]) };
    assert_eq!(book.fold(&Event::Resolved { effect, outcome, vault_count: 7 }), []);
    assert_eq!(ClientRules::vault_count(&book.state), 7);
    before.vault_count = 7;
    assert_eq!(book.state, before);
}

#[test]
fn an_answer_to_a_request_that_does_not_wait_is_not_admitted_and_changes_nothing() {
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    let frame = book.transmit(&Why::Message(message(1)));
    let arrival =
        |to| Arrival { frame: frame_id(900), lane: Lane::Anonymous, content: Arrived::Answer { answer: answer_bytes(to, stored()) } };
    assert_eq!(ClientRules::admit(&book.state, arrival(frame)), Some(arrival(frame)));
    assert_eq!(ClientRules::admit(&book.state, arrival(frame_id(901))), None);
    let garbage = Arrival { content: Arrived::Answer { answer: Bytes(vec![0xff; 9]) }, ..arrival(frame) };
    assert_eq!(ClientRules::admit(&book.state, garbage.clone()), None);
    // Nor does it do anything if it is folded all the same.
    let before = book.state.clone();
    assert_eq!(book.fold(&Event::Arrived(arrival(frame_id(901)))), []);
    assert_eq!(book.fold(&Event::Arrived(garbage)), []);
    assert_eq!(book.state, before);
    // And one that was answered waits no more.
    book.fold(&Event::Arrived(arrival(frame)));
    assert_eq!(ClientRules::admit(&book.state, arrival(frame)), None);
}

#[test]
fn an_answer_to_another_question_is_a_refusal() {
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    book.settle(&Why::Message(message(1)), fetched(3));
    assert!(book.state.outbox.is_empty());
    assert_eq!(book.under_way(), [Why::File]);
    assert_eq!(book.state.session.waiting, 0);
}

#[test]
fn requests_are_bounded() {
    // Given as many requests without an answer as there may be, a login among them.
    let mut book = Book::talking();
    book.ask(1, Intent::Connect);
    book.transmit(&Why::Challenge);
    book.ask(2, send_to(BOB, 2));
    for number in 0..REQUESTS_MAX as u64 - 1 {
        let waiting = InFlight { why: Why::Message(message(9)), to: address(RELAY), lane: Lane::Anonymous, frame: Seq(1), tries: 1 };
        book.state.requests.insert(frame_id(1_000_000 + number), waiting);
    }
    // When the vault made one more.
    book.frame(&Why::Message(message(2)));
    // Then there are no more than may be, and neither the login nor the message is lost.
    // The session's own are few, and beyond the bound.
    assert!(book.state.requests.len() <= REQUESTS_MAX + 8, "{} requests", book.state.requests.len());
    let login = book.under_way().contains(&Why::Challenge) || book.state.timers.contains_key(&TimerId::Login);
    assert!(login || book.state.session.link != Link::Asking, "nothing leads the login on");
    assert!(book.state.outbox.contains_key(&message(2)));
}

#[test]
fn requests_that_all_carry_messages_are_bounded() {
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    for number in 0..REQUESTS_MAX as u64 {
        let waiting = InFlight { why: Why::Message(message(9)), to: address(RELAY), lane: Lane::Anonymous, frame: Seq(1), tries: 1 };
        book.state.requests.insert(frame_id(1_000_000 + number), waiting);
    }
    book.frame(&Why::Message(message(1)));
    // The session's own are few, and beyond the bound.
    assert!(book.state.requests.len() <= REQUESTS_MAX + 8, "{} requests", book.state.requests.len());
    assert!(book.state.outbox.contains_key(&message(1)));
}

// Contacts.

#[test]
fn a_lookup_leads_to_a_contact() {
    let mut book = Book::registered();
    let effects = book.ask(1, Intent::AddContact { name: name("Bob") });
    assert_eq!(effects, [vault(VaultOp::Compose(Ask::Lookup(name("Bob")))), answered(1, Answer::Accepted)]);
    book.settle(&Why::Lookup(name("Bob")), Said::Entry(wire::Entry::default()));
    let effects = book.resolve(&Why::Pin(name("Bob")), pinned(BOB, "bob", None));
    assert_eq!(effects, [Effect::Notify(Change::Contact(BOB))]);
    assert_eq!((book.bob().standing, book.bob().mailbox, book.bob().held), (Standing::Accepted, Some(MAILBOX), false));
    assert_eq!(book.bob().conversation, Conversation::None);
}

#[test]
fn a_lookup_that_finds_nobody_says_so() {
    let mut book = Book::registered();
    book.ask(1, Intent::AddContact { name: name("bob") });
    let frame = book.transmit(&Why::Lookup(name("bob")));
    let effects = book.answer(frame, refusal(Code::UnknownName));
    assert_eq!(effects, [Effect::Disarm(TimerId::Retry(frame)), Effect::Notify(Change::LookupFailed(Code::UnknownName))]);
    book.ask(2, Intent::AddContact { name: name("bob") });
    book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
    let effects = book.resolve(&Why::Pin(name("bob")), Outcome::Refused(Code::ForgedEntry));
    assert_eq!(effects, [Effect::Notify(Change::LookupFailed(Code::ForgedEntry))]);
    assert!(book.state.contacts.is_empty());
}

#[test]
fn a_contact_whose_identity_changed_is_held_and_refuses_sends() {
    // Given a contact with whom we talk.
    let mut book = Book::talking();
    // When the directory shows another identity under their name.
    book.ask(1, Intent::AddContact { name: name("bob") });
    book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
    let effects = book.resolve(&Why::Pin(name("bob")), pinned(CAROL, "bob", Some(BOB)));
    // Then that is told, the contact is held, and the new identity is nobody's.
    assert_eq!(effects, [Effect::Notify(Change::IdentityChanged(BOB))]);
    assert!(book.bob().held && !book.state.contacts.contains_key(&CAROL));
    assert_eq!(book.ask(2, send_to(BOB, 2)), [answered(2, Answer::Refused(Code::ContactHeld))]);
    assert!(book.state.outbox.is_empty());
}

#[test]
fn contacts_are_bounded() {
    let mut book = Book::acquainted();
    for number in 0..CONTACTS_MAX as u64 - 1 {
        let mut id = [0; 20];
        id[..8].copy_from_slice(&number.to_be_bytes());
        let contact = book.bob().clone();
        book.state.contacts.insert(Fingerprint(id), contact);
    }
    assert_eq!(book.ask(1, Intent::AddContact { name: name("carol") }), [answered(1, Answer::Refused(Code::TooManyContacts))]);
    // A stranger's message is shown, and nobody is kept.
    let effects = book.receive(1, opened_message(CAROL, 1, true));
    assert_eq!(effects, [Effect::Notify(Change::Received { contact: CAROL, message: message(1) })]);
    assert_eq!(book.state.contacts.len(), CONTACTS_MAX);
}

// The outbox.

#[test]
fn a_first_message_begins_a_conversation_and_moves_on_to_stored() {
    let mut book = Book::acquainted();
    // Queued: durable here, and a key package is asked for.
    let effects = book.ask(1, send_to(BOB, 1));
    let asked = vault(VaultOp::Compose(Ask::KeyPackage(name("bob"))));
    assert_eq!(effects, [asked, answered(1, Answer::Queued(message(1)))]);
    assert_eq!((book.bob().conversation, book.bob().queue.as_slice()), (Conversation::Beginning, [message(1)].as_slice()));
    // A second one waits with it.
    assert_eq!(book.ask(2, send_to(BOB, 2)), [answered(2, Answer::Queued(message(2)))]);
    // The key package comes: the vault begins.
    let asked_at = book.stamp();
    book.now += 10;
    let frame = book.transmit(&Why::KeyPackage(BOB));
    let effects = book.answer(frame, Said::KeyPackage(wire::KeyPackage::default()));
    let begin = VaultOp::BeginConversation { contact: BOB, answer: Seq(book.seq), at: book.stamp() };
    assert_eq!(effects, [Effect::Disarm(TimerId::Retry(frame)), vault(begin)]);
    // Then both are encrypted, in order.
    let effects = book.resolve(&Why::Begin(BOB), Outcome::Begun);
    let seal = |number| {
        vault(VaultOp::SealMessage { contact: BOB, mailbox: MAILBOX, message: message(number), body: BodyRef([number; 16]), at: asked_at })
    };
    assert_eq!(effects, [seal(1), seal(2)]);
    assert!(book.bob().queue.is_empty());
    // Sent: the transport took it.
    let (frame, _) = book.frame(&Why::Message(message(1)));
    let effects = book.resolve(&Why::Handing(frame), Outcome::Handed);
    assert_eq!(effects, [Effect::Notify(Change::Message { message: message(1), state: MessageState::Sent })]);
    assert_eq!(book.state.outbox[&message(1)].state, MessageState::Sent);
    // Stored: its row in the vault says so from now on.
    let effects = book.answer(frame, stored());
    let filed = vault(VaultOp::File {
        message: message(1),
        contact: BOB,
        body: BodyRef([1; 16]),
        at: asked_at,
        state: MessageState::Stored,
        cause: None,
    });
    let told = Effect::Notify(Change::Message { message: message(1), state: MessageState::Stored });
    let soon = Effect::Arm(TimerId::Fetch, book.deadline(TimerId::Fetch));
    assert_eq!(effects, [Effect::Disarm(TimerId::Retry(frame)), soon, filed, told]);
    assert!(!book.state.outbox.contains_key(&message(1)));
}

#[test]
fn a_message_that_the_transport_did_not_take_is_not_sent() {
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    let (frame, _) = book.frame(&Why::Message(message(1)));
    assert_eq!(book.resolve(&Why::Handing(frame), Outcome::Unreachable), []);
    assert_eq!(book.state.outbox[&message(1)].state, MessageState::Queued);
    assert!(book.state.timers.contains_key(&TimerId::Retry(frame)));
}

#[test]
fn a_passing_no_keeps_a_message_and_any_other_fails_it() {
    for code in [Code::MailboxFull, Code::RelayBusy] {
        let mut book = Book::talking();
        book.ask(1, send_to(BOB, 1));
        let frame = book.transmit(&Why::Message(message(1)));
        let effects = book.answer(frame, refusal(code));
        let deadline = book.deadline(TimerId::Retry(frame));
        assert_eq!(effects, [Effect::Arm(TimerId::Retry(frame), deadline)], "{code:?}");
        assert!(deadline.0 - book.now >= 32_000, "{code:?} is not asked again at once");
        assert!(book.state.requests.contains_key(&frame) && book.state.outbox.contains_key(&message(1)));
    }
    for number in
        [Code::UnknownMailbox, Code::TooLarge, Code::MalformedRequest, Code::UnknownVersion].map(Code::number).into_iter().chain([0, 9_999])
    {
        let mut book = Book::talking();
        book.ask(1, send_to(BOB, 1));
        let asked_at = book.stamp();
        let frame = book.transmit(&Why::Message(message(1)));
        let effects = book.answer(frame, Said::Refusal(wire::Refusal { code: number }));
        let cause = Some(Code::from_number(number).unwrap_or(Code::MalformedRequest));
        let filed = vault(VaultOp::File {
            message: message(1),
            contact: BOB,
            body: BodyRef([1; 16]),
            at: asked_at,
            state: MessageState::Failed,
            cause,
        });
        let told = Effect::Notify(Change::Message { message: message(1), state: MessageState::Failed });
        assert_eq!(effects, [Effect::Disarm(TimerId::Retry(frame)), filed, told], "code {number}");
        assert!(book.state.outbox.is_empty() && book.state.requests.is_empty(), "code {number}");
    }
}

#[test]
fn messages_that_can_not_be_are_refused() {
    let mut book = Book::talking();
    let sized = |len| Intent::Send { contact: BOB, body: BodyRef([1; 16]), len };
    let longest = u32::try_from(BODY_LEN_MAX).expect("32 bits");
    assert_eq!(book.ask(1, sized(0)), [answered(1, Answer::Refused(Code::EmptyMessage))]);
    assert_eq!(book.ask(2, sized(longest + 1)), [answered(2, Answer::Refused(Code::MessageTooLong))]);
    assert_eq!(book.ask(3, sized(u32::MAX)), [answered(3, Answer::Refused(Code::MessageTooLong))]);
    assert_eq!(book.ask(4, send_to(CAROL, 4)), [answered(4, Answer::Refused(Code::UnknownContact))]);
    assert!(book.state.outbox.is_empty());
    book.ask(5, sized(longest));
    assert_eq!(book.state.outbox.len(), 1);
}

#[test]
fn the_outbox_is_bounded() {
    let mut book = Book::talking();
    for number in 0..OUTBOX_MAX as u64 {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_be_bytes());
        let outgoing = Outgoing { contact: BOB, body: BodyRef(id), state: MessageState::Queued, at: Stamp(START) };
        book.state.outbox.insert(MessageId(id), outgoing);
    }
    assert_eq!(book.ask(1, send_to(BOB, 1)), [answered(1, Answer::Refused(Code::OutboxFull))]);
    assert_eq!(book.state.outbox.len(), OUTBOX_MAX);
}

#[test]
fn a_repeated_intent_gets_the_first_answer_and_does_nothing_more() {
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    let before = book.state.clone();
    // Also if it asks for something else by now.
    assert_eq!(book.ask(1, send_to(BOB, 1)), [answered(1, Answer::Queued(message(1)))]);
    assert_eq!(book.ask(1, register()), [answered(1, Answer::Queued(message(1)))]);
    assert_eq!(book.state, before);
    // A no is an answer too: it stays what it was, though a contact appeared.
    assert_eq!(book.ask(2, send_to(CAROL, 2)), [answered(2, Answer::Refused(Code::UnknownContact))]);
    book.receive(1, opened_message(CAROL, 9, true));
    assert_eq!(book.ask(2, send_to(CAROL, 2)), [answered(2, Answer::Refused(Code::UnknownContact))]);
}

#[test]
fn answers_are_forgotten_when_they_are_too_old_or_too_many() {
    let place = |seq, stamp| Place { segment: SEGMENT, seq: Seq(seq), stamp: Stamp(stamp) };
    let id = |number: u64| IntentId(u128::from(number).to_be_bytes());
    let mut answers = Answers::default();
    answers.remember(id(1), place(1, START), Answer::Accepted);
    answers.remember(id(2), place(2, START + ANSWERS_FOR.0), Answer::Accepted);
    assert!(answers.first(id(1)).is_some());
    answers.remember(id(3), place(3, START + ANSWERS_FOR.0 + 1), Answer::Accepted);
    assert!(answers.first(id(1)).is_none() && answers.first(id(2)).is_some());
    for number in 0..ANSWERS_MAX as u64 {
        answers.remember(id(10 + number), place(10 + number, START + ANSWERS_FOR.0 + 1), Answer::Accepted);
    }
    assert!(answers.first(id(3)).is_none() && answers.first(id(10)).is_some());
}

#[test]
fn messages_refused_for_want_of_a_conversation_ask_for_one_key_package() {
    // Given messages under way in a conversation that the vault does not have.
    let mut book = Book::talking();
    for number in 1..=3 {
        book.ask(number, send_to(BOB, number));
    }
    // When it refuses each.
    for number in 1..=3 {
        book.resolve(&Why::Message(message(number)), Outcome::Refused(Code::NoConversation));
    }
    // Then they wait, in order, for one conversation.
    assert_eq!(book.bob().queue, [message(1), message(2), message(3)]);
    assert_eq!(book.bob().conversation, Conversation::Beginning);
    assert_eq!(book.under_way(), [Why::KeyPackage(BOB)]);
}

#[test]
fn a_conversation_that_can_not_begin_is_tried_again_later() {
    let mut book = Book::acquainted();
    book.ask(1, send_to(BOB, 1));
    let frame = book.transmit(&Why::KeyPackage(BOB));
    let effects = book.answer(frame, refusal(Code::NoKeyPackage));
    let timer = TimerId::Advance(BOB);
    assert_eq!(effects, [Effect::Disarm(TimerId::Retry(frame)), Effect::Arm(timer, book.deadline(timer))]);
    assert_eq!(book.bob().queue, [message(1)]);
    assert_eq!(book.elapse(timer), [vault(VaultOp::Compose(Ask::KeyPackage(name("bob"))))]);
}

#[test]
fn a_receipt_marks_a_message_delivered_whatever_the_relay_said() {
    // Given a message whose Stored was lost.
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    let frame = book.transmit(&Why::Message(message(1)));
    // When the receipt comes first.
    let effects = book.receive(1, Outcome::Opened(Opened::Receipt { contact: BOB, delivered: vec![message(1)] }));
    assert_eq!(effects, [Effect::Notify(Change::Message { message: message(1), state: MessageState::Delivered })]);
    assert!(book.state.outbox.is_empty());
    // Then a late Stored takes nothing back.
    assert_eq!(book.answer(frame, stored()), [Effect::Disarm(TimerId::Retry(frame))]);
}

// The inbox.

#[test]
fn an_envelope_is_opened_once_and_acknowledged_each_time() {
    let mut book = Book::registered();
    let effects = book.envelope(1);
    let open = VaultOp::OpenEnvelope { envelope: Seq(book.seq), at: book.stamp(), last: false };
    let deadline = book.stamp().after(ACKNOWLEDGE_AFTER);
    let soon = book.deadline(TimerId::Fetch);
    assert!(within_a_quarter(soon.0 - book.now, FETCH_SOON), "what else a lost push left behind is asked for soon");
    assert_eq!(effects, [Effect::Arm(TimerId::Acknowledge, deadline), Effect::Arm(TimerId::Fetch, soon), vault(open)]);
    // The same again, in the same block, before admission could know.
    assert_eq!(book.envelope(1), []);
    // Admission shrinks a later one to its place.
    let content = Arrived::Envelope { cursor: 8, sender: BOB, sealed: Bytes(vec![1; 8]) };
    let arrival = Arrival { frame: FrameId([1; 32]), lane: Lane::Named, content };
    let repeat = Arrival { content: Arrived::Repeat { cursor: 8 }, ..arrival.clone() };
    assert_eq!(ClientRules::admit(&book.state, arrival), Some(repeat));
    assert_eq!(book.arrive(FrameId([1; 32]), Arrived::Repeat { cursor: 8 }), []);
    assert_eq!(book.state.unacknowledged, BTreeSet::from([1, 8]));
}

#[test]
fn frames_are_forgotten_when_they_are_too_old_or_too_many() {
    let place = |seq, stamp| Place { segment: SEGMENT, seq: Seq(seq), stamp: Stamp(stamp) };
    let mut seen = Seen::default();
    assert!(seen.note(frame_id(1), place(1, START)));
    assert!(!seen.note(frame_id(1), place(2, START)));
    assert!(seen.note(frame_id(2), place(3, START + SEEN_FRAMES_FOR.0)));
    assert!(seen.holds(frame_id(1)));
    assert!(seen.note(frame_id(3), place(4, START + SEEN_FRAMES_FOR.0 + 1)));
    assert!(!seen.holds(frame_id(1)) && seen.holds(frame_id(2)));
    for number in 0..SEEN_FRAMES_MAX as u64 {
        assert!(seen.note(frame_id(10 + number), place(10 + number, START + SEEN_FRAMES_FOR.0 + 1)));
    }
    assert!(!seen.holds(frame_id(3)) && seen.holds(frame_id(10)));
}

#[test]
fn acknowledgements_are_gathered() {
    // Given three items within the wait, one of them not for us.
    let mut book = Book::registered();
    book.envelope(3);
    assert_eq!(
        book.arrive(FrameId([9; 32]), Arrived::Unsealable { cursor: 1, cause: Code::Unsealable }),
        [Effect::Notify(Change::Dropped(Code::Unsealable))]
    );
    book.envelope(2);
    // When it is over, one request names all.
    let acknowledge = |cursors: &[u64]| vault(VaultOp::Compose(Ask::Acknowledge { cursors: cursors.to_vec() }));
    assert_eq!(book.elapse(TimerId::Acknowledge), [acknowledge(&[1, 2, 3])]);
    // What comes meanwhile waits for its answer.
    book.envelope(4);
    assert_eq!(book.elapse(TimerId::Acknowledge), []);
    let frame = book.transmit(&Why::Acknowledge(vec![1, 2, 3]));
    let effects = book.answer(frame, Said::Acknowledged(wire::Acknowledged {}));
    assert_eq!(effects, [Effect::Disarm(TimerId::Retry(frame)), acknowledge(&[4])]);
    assert_eq!(book.state.unacknowledged, BTreeSet::from([4]));
}

#[test]
fn one_acknowledgement_names_so_many_and_the_next_the_rest() {
    let mut book = Book::registered();
    for cursor in 0..ACKNOWLEDGE_MAX as u64 * 5 {
        book.arrive(frame_id(5_000 + cursor), Arrived::Unsealable { cursor, cause: Code::Unsealable });
    }
    assert_eq!(book.state.unacknowledged.len(), ACKNOWLEDGE_MAX * 4);
    let cursors: Vec<u64> = (0..ACKNOWLEDGE_MAX as u64).collect();
    assert_eq!(book.elapse(TimerId::Acknowledge), [vault(VaultOp::Compose(Ask::Acknowledge { cursors: cursors.clone() }))]);
    book.settle(&Why::Acknowledge(cursors), Said::Acknowledged(wire::Acknowledged {}));
    let next: Vec<u64> = (ACKNOWLEDGE_MAX as u64..ACKNOWLEDGE_MAX as u64 * 2).collect();
    assert_eq!(book.under_way(), [Why::Acknowledge(next)]);
}

#[test]
fn early_envelopes_are_held_and_opened_again_when_the_conversation_begins() {
    // Given two messages that came before the one that begins their conversation.
    let mut book = Book::registered();
    let early = Outcome::Opened(Opened::Early { contact: BOB });
    assert_eq!(book.receive(1, early.clone()), []);
    let first = Seq(book.seq - 1);
    book.receive(2, early);
    let second = Seq(book.seq - 1);
    assert_eq!(book.state.early, BTreeMap::from([(BOB, vec![first, second])]));
    // When that one comes.
    let effects = book.receive(3, opened_message(BOB, 3, true));
    // Then both are opened again, oldest first.
    let open = |envelope| vault(VaultOp::OpenEnvelope { envelope, at: book.stamp(), last: false });
    let expected = [
        Effect::Notify(Change::Contact(BOB)),
        Effect::Notify(Change::Received { contact: BOB, message: message(3) }),
        Effect::Arm(TimerId::Receipts(BOB), book.stamp().after(RECEIPTS_AFTER)),
        open(first),
        open(second),
    ];
    assert_eq!(effects, expected);
    assert!(book.state.early.is_empty());
    assert_eq!(book.bob().conversation, Conversation::Open);
    // And what they hold is received.
    let effects = book.resolve(&Why::Open(first), opened_message(BOB, 1, false));
    assert_eq!(effects, [Effect::Notify(Change::Received { contact: BOB, message: message(1) })]);
}

#[test]
fn early_envelopes_are_bounded_and_the_oldest_is_given_up() {
    let mut book = Book::registered();
    let early = |contact| Outcome::Opened(Opened::Early { contact });
    let mut seqs = Vec::new();
    for number in 0..=HELD_FRAMES_MAX as u64 {
        let content = Arrived::Envelope { cursor: number, sender: BOB, sealed: Bytes(vec![0; 4]) };
        book.arrive(frame_id(7_000 + number), content);
        seqs.push(Seq(book.seq));
        let effects = book.resolve(&Why::Open(Seq(book.seq)), early(BOB));
        if number == HELD_FRAMES_MAX as u64 {
            assert_eq!(effects, [vault(VaultOp::OpenEnvelope { envelope: seqs[0], at: book.stamp(), last: true })]);
        } else {
            assert_eq!(effects, []);
        }
    }
    assert_eq!(book.state.early[&BOB], seqs[1..]);
    // So are the senders that they are held for: of one more, nothing is.
    for number in 1..HELD_FRAMES_MAX as u64 {
        let mut id = [0; 20];
        id[..8].copy_from_slice(&number.to_be_bytes());
        book.state.early.insert(Fingerprint(id), vec![Seq(1)]);
    }
    book.envelope(250);
    let last = Seq(book.seq);
    let effects = book.resolve(&Why::Open(last), early(CAROL));
    assert_eq!(effects, [vault(VaultOp::OpenEnvelope { envelope: last, at: book.stamp(), last: true })]);
    assert!(!book.state.early.contains_key(&CAROL));
}

#[test]
fn an_envelope_that_can_never_be_read_is_told_unless_it_was_here_before() {
    let mut book = Book::registered();
    let unreadable = |cause| Outcome::Opened(Opened::Unreadable { contact: BOB, cause });
    let effects = book.receive(1, unreadable(Code::TooOld));
    assert_eq!(effects, [Effect::Notify(Change::Unreadable { contact: BOB, cause: Code::TooOld })]);
    assert_eq!(book.receive(2, unreadable(Code::Repeated)), []);
    assert!(book.state.contacts.is_empty());
}

#[test]
fn a_stranger_gets_no_receipt_until_accepted() {
    // Given a message of somebody who wrote first.
    let mut book = Book::registered();
    book.receive(1, opened_message(BOB, 1, true));
    assert_eq!(book.bob().standing, Standing::Asking);
    // When the receipts have gathered, none goes.
    assert_eq!(book.elapse(TimerId::Receipts(BOB)), []);
    assert_eq!(book.under_way(), []);
    // When they are accepted, their mailbox is looked up first.
    let effects = book.ask(2, Intent::AcceptContact { contact: BOB });
    let look_up = vault(VaultOp::Compose(Ask::Lookup(name("bob"))));
    assert_eq!(effects, [Effect::Notify(Change::Contact(BOB)), look_up, answered(2, Answer::Accepted)]);
    book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
    let effects = book.resolve(&Why::Pin(name("bob")), pinned(BOB, "bob", None));
    // Then what was delivered is told.
    let receipt = VaultOp::SealReceipt { contact: BOB, mailbox: MAILBOX, messages: vec![message(1)], at: book.stamp() };
    assert_eq!(effects, [Effect::Notify(Change::Contact(BOB)), vault(receipt)]);
    assert!(book.bob().receipts.is_empty() && !book.bob().receipts_due);
}

#[test]
fn nobody_unknown_is_accepted() {
    let mut book = Book::registered();
    let refused = [answered(1, Answer::Refused(Code::UnknownContact))];
    assert_eq!(book.ask(1, Intent::AcceptContact { contact: BOB }), refused);
}

#[test]
fn receipts_are_gathered_and_bounded() {
    let mut book = Book::talking();
    for number in 0..=RECEIPTS_MAX as u64 {
        let content = Arrived::Envelope { cursor: number, sender: BOB, sealed: Bytes(vec![0; 4]) };
        book.arrive(frame_id(8_000 + number), content);
        let why = Why::Open(Seq(book.seq));
        book.resolve(&why, opened_message(BOB, u8::try_from(number % 256).expect("a byte"), false));
    }
    let effects = book.elapse(TimerId::Receipts(BOB));
    let [Effect::Vault(VaultOp::SealReceipt { messages, .. }), Effect::Arm(TimerId::Receipts(BOB), _)] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    assert_eq!(messages.len(), RECEIPTS_MAX);
    let effects = book.elapse(TimerId::Receipts(BOB));
    let [Effect::Vault(VaultOp::SealReceipt { messages, .. })] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    assert_eq!(messages.len(), 1);
    // A receipt is not acknowledged by the contact, and needs nothing once it is stored.
    assert!(book.bob().receipts.is_empty());
}

// Any life at all.

/// A step of a random life. Numbers are resolved against the state when the step is taken.
#[derive(Clone, Copy, Debug)]
enum Move {
    Ask { kind: u8, who: u8 },
    Resolve { which: u16, how: u8, what: u8 },
    Answer { which: u16, how: u8, what: u8 },
    Arrive { kind: u8, what: u8 },
    Elapse { which: u16, how: u8 },
    Wait { ms: u64 },
}

fn to_move((kind, which, how, what): (u8, u16, u8, u8)) -> Move {
    match kind % 16 {
        0..=2 => Move::Ask { kind: how, who: what },
        3..=7 => Move::Resolve { which, how, what },
        8..=10 => Move::Answer { which, how, what },
        11 | 12 => Move::Arrive { kind: how, what },
        13 | 14 => Move::Elapse { which, how },
        _ => Move::Wait { ms: u64::from(which) },
    }
}

const PEOPLE: [(Fingerprint, &str); 4] = [(BOB, "bob"), (CAROL, "carol"), (Fingerprint([68; 20]), "dave"), (Fingerprint([69; 20]), "Eve")];
const NOES: [Code; 12] = [
    Code::NotLoggedIn,
    Code::RelayBusy,
    Code::MailboxFull,
    Code::NameTaken,
    Code::UnknownName,
    Code::NoKeyPackage,
    Code::ChallengeExpired,
    Code::UnknownMailbox,
    Code::NoConversation,
    Code::ForgedEntry,
    Code::MalformedRequest,
    Code::BadSignature,
];

fn person(number: u8) -> (Fingerprint, Name) {
    // Five of eight times the first: something is to come of it.
    let (contact, text) = PEOPLE[usize::from(number % 8).saturating_sub(4)];
    (contact, name(text))
}

fn no(number: u8) -> Code {
    NOES[usize::from(number) % NOES.len()]
}

fn pick<K: Copy, V: Clone>(map: &BTreeMap<K, V>, which: u16) -> Option<(K, V)> {
    let at = usize::from(which).checked_rem(map.len())?;
    map.iter().nth(at).map(|(key, value)| (*key, value.clone()))
}

/// The outcome that the effect would have, if all goes well.
fn outcome(book: &mut Book, effect: &Effect, what: u8) -> Outcome {
    let (contact, text) = person(what);
    let framed = |frame| Outcome::Framed { frame, bytes: Bytes(vec![what; 8]) };
    match effect {
        Effect::Send(_) => Outcome::Handed,
        Effect::Vault(VaultOp::PinContact { name, .. }) => {
            let known = PEOPLE.iter().position(|(_, text)| name.text().eq_ignore_ascii_case(text)).unwrap_or(0);
            let contradicts = (what % 8 == 7).then(|| PEOPLE[known].0);
            Outcome::Pinned { contact: PEOPLE[known].0, mailbox: MAILBOX, name: name.clone(), contradicts }
        }
        Effect::Vault(VaultOp::BeginConversation { .. }) => Outcome::Begun,
        Effect::Vault(VaultOp::File { .. }) => Outcome::Done,
        Effect::Vault(VaultOp::OpenEnvelope { last, .. }) => Outcome::Opened(match what / 8 % 8 {
            0..=3 => Opened::Message {
                contact,
                name: text,
                conversation: ConversationId([1; 32]),
                message: message(what),
                claimed: ClaimedTime(0),
                begins: what < 128,
            },
            4 => Opened::Receipt { contact, delivered: book.state.outbox.keys().copied().chain([message(what)]).take(3).collect() },
            5 | 6 if !last => Opened::Early { contact },
            _ => Opened::Unreadable { contact, cause: if what < 128 { Code::Repeated } else { Code::TooOld } },
        }),
        Effect::Vault(_) => framed(book.new_frame()),
        Effect::Arm(..) | Effect::Disarm(_) | Effect::Notify(_) => Outcome::Done,
    }
}

/// An outcome of any kind, whatever was asked.
fn any_outcome(book: &mut Book, what: u8) -> Outcome {
    let (contact, text) = person(what / 16);
    match what % 10 {
        0 => Outcome::Handed,
        1 => Outcome::Unreachable,
        2 => Outcome::Framed { frame: book.new_frame(), bytes: Bytes(Vec::new()) },
        3 => Outcome::Done,
        4 => Outcome::Pinned { contact, mailbox: MAILBOX, name: text, contradicts: None },
        5 => Outcome::Begun,
        6 => Outcome::Opened(Opened::Early { contact }),
        7 => opened_message(contact, what, true),
        8 => Outcome::Opened(Opened::Receipt { contact, delivered: Vec::new() }),
        _ => Outcome::Opened(Opened::Unreadable { contact, cause: Code::Undecryptable }),
    }
}

/// The answer that the request would get, if all goes well.
fn said(why: &Why, what: u8) -> Said {
    match why {
        Why::Challenge => challenge(RELAY_KEY),
        Why::Register => registered_answer(),
        Why::Login => logged_in(u32::from(what) % 64, what.is_multiple_of(2)),
        Why::Publish => Said::Published(wire::Published { key_packages: 50 }),
        Why::Fetch => fetched(u32::from(what)),
        Why::Acknowledge(_) => Said::Acknowledged(wire::Acknowledged {}),
        Why::Lookup(_) => Said::Entry(wire::Entry::default()),
        Why::KeyPackage(_) => Said::KeyPackage(wire::KeyPackage::default()),
        Why::Message(_) | Why::Receipt(_) | Why::Pin(_) | Why::Begin(_) | Why::Open(_) | Why::File | Why::Handing(_) | Why::Abandoned => {
            stored()
        }
    }
}

/// The event that a step comes to in this state; none if there is nothing to take it on.
fn event(book: &mut Book, step: Move) -> Option<Event> {
    Some(match step {
        Move::Wait { ms } => {
            book.now += ms;
            return None;
        }
        Move::Ask { kind, who } => {
            let (contact, text) = person(who);
            let intent = match kind % 16 {
                0 | 1 => register(),
                2 => Intent::Connect,
                3 | 4 => Intent::AddContact { name: text },
                5 => Intent::AcceptContact { contact },
                6 => match kind / 16 {
                    0..=3 => Intent::DeclineContact { contact },
                    4 => Intent::BlockContact { contact, blocked: true },
                    5..=8 => Intent::BlockContact { contact, blocked: false },
                    9 => Intent::RemoveContact { contact },
                    _ => Intent::VerifyContact { contact, verified: who.is_multiple_of(2) },
                },
                7 => Intent::AcceptIdentity { contact },
                _ => Intent::Send { contact, body: BodyRef([who; 16]), len: [0, 1, 70_000, 9][usize::from(kind / 16) % 4] },
            };
            // Few ids, so that some come twice.
            Event::Requested { id: IntentId([who.wrapping_mul(7) ^ kind; 16]), intent }
        }
        Move::Resolve { which, how, what } => {
            let (effect, Outstanding { effect: asked, why: _ }) = pick(&book.state.outstanding, which)?;
            let outcome = match how % 32 {
                0..=23 => outcome(book, &asked, what),
                24..=26 => Outcome::Refused(no(what)),
                27 => Outcome::Fault(Code::FoldPanicked),
                28 | 29 => Outcome::Unreachable,
                30 => any_outcome(book, what),
                _ => {
                    return Some(Event::Resolved {
                        effect: EffectId { index: 77, ..effect },
                        outcome: any_outcome(book, what),
                        vault_count: 1,
                    });
                }
            };
            Event::Resolved { effect, outcome, vault_count: u64::from(which) }
        }
        Move::Answer { which, how, what } => {
            let (to, InFlight { why, .. }) = pick(&book.state.requests, which)?;
            let answer = match how % 32 {
                0..=17 => answer_bytes(to, said(&why, what)),
                18..=26 => answer_bytes(to, refusal(no(what))),
                27 => answer_bytes(to, fetched(1)),
                28 => answer_bytes(to, challenge(RelayKey([what; 32]))),
                29 => answer_bytes(to, Said::Challenge(wire::Challenge::default())),
                30 => answer_bytes(frame_id(u64::MAX), stored()),
                _ => Bytes(vec![what; usize::from(what)]),
            };
            Event::Arrived(Arrival { frame: book.new_frame(), lane: Lane::Anonymous, content: Arrived::Answer { answer } })
        }
        Move::Arrive { kind, what } => {
            let cursor = u64::from(what);
            let content = match kind % 8 {
                0..=5 => Arrived::Envelope { cursor, sender: person(what).0, sealed: Bytes(vec![what; 4]) },
                6 => Arrived::Repeat { cursor },
                _ => Arrived::Unsealable { cursor, cause: Code::Unsealable },
            };
            Event::Arrived(Arrival { frame: FrameId([what; 32]), lane: Lane::Named, content })
        }
        Move::Elapse { which, how } => {
            // Every other time one that is no request's: those are many.
            let mut timers = book.state.timers.clone();
            if how % 2 == 0 {
                timers.retain(|timer, _| !matches!(timer, TimerId::Retry(_)));
            }
            let (timer, deadline) = pick(&timers, which)?;
            if how / 2 % 8 != 0 {
                book.now = book.now.max(deadline.0);
            }
            Event::Elapsed { timer, fault: how / 16 == 1 }
        }
    })
}

/// What a step reached: the arm of the rules, as far as an event and the state before it tell.
fn arm(before: &State, now: u64, event: &Event, effects: &[Effect]) -> &'static str {
    match event {
        Event::Requested { id, intent } => {
            if before.answers.first(*id).is_some() {
                return "intent repeated";
            }
            let answer = effects.iter().find_map(|effect| match effect {
                Effect::Notify(Change::Answered { answer, .. }) => Some(answer.clone()),
                _ => None,
            });
            match (intent, answer.expect("every intent is answered")) {
                (Intent::Register { .. }, Answer::Refused(_)) => "register refused",
                (Intent::Register { .. }, _) => "register",
                (Intent::Connect, Answer::Refused(_)) => "connect refused",
                (Intent::Connect, _) => "connect",
                (Intent::AddContact { .. }, Answer::Refused(_)) => "add refused",
                (Intent::AddContact { .. }, _) => "add",
                (Intent::AcceptContact { .. }, Answer::Refused(_)) => "accept refused",
                (Intent::AcceptContact { .. }, _) => "accept",
                (Intent::Send { .. }, Answer::Refused(Code::NotRegistered)) => "send refused: not registered",
                (Intent::Send { .. }, Answer::Refused(Code::EmptyMessage)) => "send refused: empty",
                (Intent::Send { .. }, Answer::Refused(Code::MessageTooLong)) => "send refused: too long",
                (Intent::Send { .. }, Answer::Refused(Code::UnknownContact)) => "send refused: unknown contact",
                (Intent::Send { .. }, Answer::Refused(Code::ContactHeld)) => "send refused: held",
                (Intent::Send { .. }, Answer::Refused(_)) => "send refused otherwise",
                (Intent::Send { .. }, _) => "send",
                (Intent::DeclineContact { .. }, Answer::Refused(_)) => "decline refused",
                (Intent::DeclineContact { .. }, _) => "decline",
                (Intent::BlockContact { .. }, Answer::Refused(_)) => "block refused",
                (Intent::BlockContact { blocked: true, .. }, _) => "block",
                (Intent::BlockContact { blocked: false, .. }, _) => "unblock",
                (Intent::RemoveContact { .. }, Answer::Refused(_)) => "remove refused",
                (Intent::RemoveContact { .. }, _) => "remove",
                (Intent::VerifyContact { .. }, Answer::Refused(_)) => "verify refused",
                (Intent::VerifyContact { .. }, _) => "verify",
                (Intent::AcceptIdentity { .. }, Answer::Refused(_)) => "trust refused",
                (Intent::AcceptIdentity { .. }, _) => "trust",
            }
        }
        Event::Arrived(Arrival { frame, lane: _, content }) => match content {
            Arrived::Envelope { .. } if before.seen.holds(*frame) => "envelope repeated",
            Arrived::Envelope { .. } => "envelope",
            Arrived::Repeat { .. } => "repeat",
            Arrived::Unsealable { .. } => "unsealable",
            Arrived::Answer { answer } => {
                let decoded = wire::Answer::decode(answer.0.as_slice()).ok();
                let waiting = decoded.as_ref().and_then(|answer| before.requests.get(&FrameId::parse(&answer.to)?));
                let Some(InFlight { why, .. }) = waiting else {
                    return "answer to nothing";
                };
                match (decoded.and_then(|answer| answer.said), why) {
                    (Some(Said::Refusal(_)), Why::Challenge | Why::Register | Why::Login) => "login refused",
                    (Some(Said::Refusal(_)), Why::Publish | Why::Fetch | Why::Acknowledge(_)) => "session request refused",
                    (Some(Said::Refusal(_)), Why::Lookup(_)) => "lookup refused",
                    (Some(Said::Refusal(_)), Why::KeyPackage(_)) => "key package refused",
                    (Some(Said::Refusal(_)), Why::Message(_)) => "message refused",
                    (Some(Said::Refusal(_)), Why::Receipt(_)) => "receipt refused",
                    (Some(Said::Challenge(_)), Why::Challenge) => "challenge",
                    (Some(Said::Registered(_)), Why::Register) => "registered",
                    (Some(Said::LoggedIn(_)), Why::Login) => "logged in",
                    (Some(Said::Published(_)), Why::Publish) => "published",
                    (Some(Said::Entry(_)), Why::Lookup(_)) => "entry",
                    (Some(Said::KeyPackage(_)), Why::KeyPackage(_)) => "key package",
                    (Some(Said::Stored(_)), Why::Message(_)) => "message stored",
                    (Some(Said::Stored(_)), Why::Receipt(_)) => "receipt stored",
                    (Some(Said::Fetched(_)), Why::Fetch) => "fetched",
                    (Some(Said::Acknowledged(_)), Why::Acknowledge(_)) => "acknowledged",
                    _ => "answer to another question",
                }
            }
        },
        Event::Elapsed { timer, fault } => match (timer, before.timers.get(timer)) {
            (_, deadline) if deadline.is_none_or(|deadline| deadline.0 > now) => "timer not due",
            (_, _) if *fault => "timer with a fault",
            (TimerId::Retry(_), _) => "retry due",
            (TimerId::Login, _) => "login due",
            (TimerId::Fetch, _) => "fetch due",
            (TimerId::Acknowledge, _) => "acknowledgement due",
            (TimerId::Receipts(_), _) => "receipts due",
            (TimerId::Advance(_), _) => "queue due",
        },
        Event::Resolved { effect, outcome, vault_count: _ } => {
            if !before.outstanding.contains_key(effect) {
                return "outcome of nothing";
            }
            match outcome {
                Outcome::Handed => "handed",
                Outcome::Unreachable => "unreachable",
                Outcome::Framed { .. } => "framed",
                Outcome::Done => "done",
                Outcome::Pinned { contradicts: None, .. } => "pinned",
                Outcome::Pinned { contradicts: Some(_), .. } => "identity changed",
                Outcome::Begun => "begun",
                Outcome::Opened(Opened::Message { begins: true, .. }) => "first message opened",
                Outcome::Opened(Opened::Message { begins: false, .. }) => "message opened",
                Outcome::Opened(Opened::Receipt { .. }) => "receipt opened",
                Outcome::Opened(Opened::Early { .. }) => "early envelope",
                Outcome::Opened(Opened::Unreadable { .. }) => "unreadable envelope",
                Outcome::Refused(_) => "refused by the vault",
                Outcome::Fault(_) => "fault",
            }
        }
    }
}

/// Every arm that a run must reach.
const ARMS: &[&str] = &[
    "intent repeated",
    "register",
    "register refused",
    "connect",
    "connect refused",
    "add",
    "add refused",
    "accept",
    "accept refused",
    "send",
    "send refused: not registered",
    "send refused: empty",
    "send refused: too long",
    "send refused: unknown contact",
    "send refused: held",
    "decline",
    "decline refused",
    "block",
    "block refused",
    "unblock",
    "remove",
    "remove refused",
    "verify",
    "verify refused",
    "trust",
    "trust refused",
    "envelope",
    "envelope repeated",
    "repeat",
    "unsealable",
    "answer to nothing",
    "answer to another question",
    "login refused",
    "session request refused",
    "lookup refused",
    "key package refused",
    "message refused",
    "receipt refused",
    "challenge",
    "registered",
    "logged in",
    "published",
    "entry",
    "key package",
    "message stored",
    "receipt stored",
    "fetched",
    "acknowledged",
    "timer not due",
    "timer with a fault",
    "retry due",
    "login due",
    "fetch due",
    "acknowledgement due",
    "receipts due",
    "queue due",
    "outcome of nothing",
    "handed",
    "unreachable",
    "framed",
    "done",
    "pinned",
    "identity changed",
    "begun",
    "first message opened",
    "message opened",
    "receipt opened",
    "early envelope",
    "unreadable envelope",
    "refused by the vault",
    "fault",
];

fn holds_its_bounds(state: &State) {
    assert!(state.contacts.len() <= CONTACTS_MAX);
    assert!(state.outbox.len() <= OUTBOX_MAX);
    assert!(state.requests.len() <= REQUESTS_MAX);
    assert!(state.early.len() <= HELD_FRAMES_MAX);
    assert!(state.early.values().all(|held| (1..=HELD_FRAMES_MAX).contains(&held.len())));
    assert!(state.unacknowledged.len() <= ACKNOWLEDGE_MAX * 4);
    for Outstanding { effect, why: _ } in state.outstanding.values() {
        match effect {
            Effect::Vault(VaultOp::SealReceipt { messages, .. }) => assert!((1..=RECEIPTS_MAX).contains(&messages.len())),
            Effect::Vault(VaultOp::Compose(Ask::Acknowledge { cursors })) => assert!((1..=ACKNOWLEDGE_MAX).contains(&cursors.len())),
            Effect::Vault(VaultOp::MakeKeyPackages { count, .. }) => assert!(*count <= KEY_PACKAGES),
            Effect::Vault(_) | Effect::Send(_) => {}
            Effect::Arm(..) | Effect::Disarm(_) | Effect::Notify(_) => panic!("{effect:?} is never open"),
        }
    }
    // What is queued is in the outbox or was delivered meanwhile; nothing is queued twice.
    for contact in state.contacts.values() {
        let once: BTreeSet<&MessageId> = contact.queue.iter().collect();
        assert_eq!(once.len(), contact.queue.len(), "queued twice: {:?}", contact.queue);
    }
}

/// Lives a random life, checking at each step, and counts the arms that it reaches.
fn live(start: u8, steps: &[Move], reached: &RefCell<BTreeMap<&'static str, u64>>) {
    let mut book = match start % 4 {
        0 => Book::new(),
        1 => Book::registered(),
        2 => Book::acquainted(),
        _ => Book::talking(),
    };
    let (start, from) = (book.state.clone(), book.seq);
    let mut timers = book.state.timers.clone();
    let mut ids: BTreeSet<EffectId> = BTreeSet::new();
    let mut journal: Vec<(Stamp, Event)> = Vec::new();
    let mut asked: Vec<Vec<Effect>> = Vec::new();
    for step in steps {
        let Some(event) = event(&mut book, *step) else {
            continue;
        };
        let before = book.state.clone();
        let effects = book.fold(&event);
        *reached.borrow_mut().entry(arm(&before, book.now, &event, &effects)).or_default() += 1;
        holds_its_bounds(&book.state);
        // Whoever follows the effects knows which timers are armed.
        if let Event::Elapsed { timer, fault: _ } = &event
            && timers.get(timer).is_some_and(|deadline| deadline.0 <= book.now)
        {
            timers.remove(timer);
        }
        for (index, effect) in effects.iter().enumerate() {
            let id = EffectId { seq: Seq(book.seq), index: u32::try_from(index).expect("few effects"), segment: SEGMENT };
            match effect {
                Effect::Arm(timer, deadline) => {
                    timers.insert(*timer, *deadline);
                }
                Effect::Disarm(timer) => {
                    timers.remove(timer);
                }
                Effect::Notify(_) => {}
                Effect::Vault(_) | Effect::Send(_) => {
                    assert!(ids.insert(id), "{id:?} is issued twice");
                    assert_eq!(book.state.outstanding.get(&id).map(|open| &open.effect), Some(effect));
                }
            }
        }
        assert_eq!(timers, book.state.timers);
        // What is open was asked for, at or before this record.
        assert!(book.state.outstanding.keys().all(|id| before.outstanding.contains_key(id) || ids.contains(id)));
        journal.push((book.stamp(), event));
        asked.push(effects);
    }
    // The same journal comes to the same state and effects, byte for byte, also when folded on from its encoding.
    let bytes = codec::encode(&start).expect("a state");
    let mut again = Book { state: codec::decode_large(&bytes).expect("our own state"), seq: from, now: 0, frames: 0 };
    let mut asked_again = Vec::new();
    for (stamp, event) in &journal {
        again.now = stamp.0;
        asked_again.push(again.fold(event));
    }
    assert_eq!(again.state, book.state);
    assert_eq!(codec::encode(&again.state), codec::encode(&book.state));
    assert_eq!(codec::encode(&asked_again), codec::encode(&asked));
}

#[test]
fn reduce_never_panics_and_keeps_its_bounds() {
    // The same cases each time: PROPTEST_CASES asks for more, PROPTEST_RNG_SEED for others.
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let config = if asked { Config::default() } else { Config::with_cases(10_000) };
    let rng_seed = match config.rng_seed {
        RngSeed::Random => RngSeed::Fixed(1),
        RngSeed::Fixed(seed) => RngSeed::Fixed(seed),
    };
    let cases = config.cases;
    let moves = vec_of((any::<u8>(), any::<u16>(), any::<u8>(), any::<u8>()).prop_map(to_move), 1..=300);
    let reached = RefCell::new(BTreeMap::new());
    TestRunner::new(Config { rng_seed, failure_persistence: None, ..config })
        .run(&(any::<u8>(), moves), |(start, steps)| {
            live(start, &steps, &reached);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    let reached = reached.into_inner();
    for arm in ARMS {
        std::println!("{:>9}  {arm}", reached.get(arm).copied().unwrap_or(0));
    }
    let unknown: Vec<&&str> = reached.keys().filter(|arm| !ARMS.contains(arm)).collect();
    assert!(unknown.is_empty() || unknown == [&"send refused otherwise"], "arms without a place in the table: {unknown:?}");
    // Fewer cases than usual may not come everywhere.
    let unreached: Vec<String> = ARMS.iter().filter(|arm| !reached.contains_key(*arm)).map(|arm| format!("{arm:?}")).collect();
    assert!(unreached.is_empty() || cases < 256, "never reached: {}", unreached.join(", "));
}
