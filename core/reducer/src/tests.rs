//! The rules: given a state, when an event, then effects and state.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

extern crate std;
mod any_life;
mod bounds;
mod budget;
mod contacts;
mod early;
mod grants;
mod inbox;
mod lanes;
mod login;
mod marks;
mod messages;
mod moving;
mod offers;
mod outbox;
mod registration;
mod requests;
mod stamps;
mod upkeep;

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
    ACKNOWLEDGE_AFTER, ACKNOWLEDGE_MAX, ANSWERS_FOR, ANSWERS_MAX, BODY_LEN_MAX, CAPABILITIES_SET_MAX, CAPABILITY_CONTACTS_MAX,
    CAPABILITY_EVERY, CONTACTS_MAX, FETCH_EVERY, FETCH_ITEMS_MAX, FETCH_SOON, GRANT_AFTER, HELD_FRAMES_MAX, KEY_PACKAGES,
    LOOKUP_BELIEVED_FOR, LOOKUP_EVERY, MAILBOX_KEY_EVERY, OUTBOX_MAX, RECEIPTS_AFTER, RECEIPTS_MAX, REFILL_AFTER, REQUESTS_MAX,
    RESEND_AFTER, RETRY_FIRST, RETRY_MAX, SEEN_FRAMES_FOR, SEEN_FRAMES_MAX, STAMP_BITS_MAX, STRANGERS_LEN_MAX, TIDY_CONTACTS_MAX,
    TIDY_EVERY, TURN_AFTER, UPDATE_EVERY,
};
use thicket_types::name::{Name, RelayAddress};
use thicket_types::ports::{Admission, Place, Reducer as _};
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
    Said::Challenge(wire::Challenge { nonce: vec![4; 32], relay_key: key.0.to_vec(), until_ms: 99, versions: vec![1] })
}

fn signed() -> Challenge {
    Challenge { relay: RELAY_KEY, nonce: [4; 32], until_ms: 99 }
}

fn refusal(code: Code) -> Said {
    Said::Refusal(wire::Refusal { code: code.number(), stamp_bits: 0 })
}

fn registered_answer() -> Said {
    Said::Registered(wire::Registered { mailbox: vec![1; 16] })
}

fn logged_in(key_packages: u32, last_resort: bool) -> Said {
    Said::LoggedIn(wire::LoggedIn { mailbox: vec![1; 16], key_packages, last_resort })
}

fn fetched(waiting: u32) -> Said {
    Said::Fetched(wire::Fetched { waiting, key_packages: 50, last_resort: true })
}

fn stored() -> Said {
    Said::Stored(wire::Stored {})
}

fn answer_bytes(to: FrameId, said: Said) -> Bytes {
    Bytes(wire::Answer { version: 1, to: to.0.to_vec(), clock_ms: 0, said: Some(said) }.encode_to_vec())
}

fn pinned(contact: Fingerprint, text: &str, contradicts: Option<Fingerprint>) -> Outcome {
    Outcome::Pinned { contact, mailbox: MAILBOX, name: name(text), contradicts, anew: false }
}

fn opened_message(contact: Fingerprint, number: u8, moved: bool) -> Outcome {
    Outcome::Opened(Opened::Message {
        contact,
        name: name("bob"),
        conversation: ConversationId([1; 32]),
        message: message(number),
        claimed: ClaimedTime(1),
        moved,
    })
}

fn begun() -> Outcome {
    Outcome::Begun { again: Vec::new() }
}

fn register() -> Intent {
    Intent::Register { relay: address(RELAY), key: None, token: None }
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
        // The anonymous lane waits until the moment of the login is past.
        if self.state.requests.get(&frame).is_some_and(|request| request.tries == 0) {
            self.elapse(TimerId::Resume);
        }
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
        let why = Why::Open(Seq(self.seq), self.stamp());
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

    /// Bob is looked up, and the directory shows him as pinned.
    fn find_bob(&mut self) -> Vec<Effect> {
        self.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
        self.resolve(&Why::Pin(name("bob")), pinned(BOB, "bob", None))
    }

    /// Registered and online, with nothing under way.
    fn registered() -> Book {
        let mut book = Book::new();
        book.ask(201, register());
        book.settle(&Why::Challenge, challenge(RELAY_KEY));
        book.settle(&Why::Register, registered_answer());
        book.settle(&Why::Publish, Said::Published(wire::Published { key_packages: 50 }));
        book.resolve(&Why::Tidy, Outcome::Done);
        book.settle(&Why::Fetch, fetched(0));
        assert_eq!(book.under_way(), []);
        // Past the moment of the login, which the anonymous lane keeps away from.
        book.elapse(TimerId::Fetch);
        book.settle(&Why::Fetch, fetched(0));
        book
    }

    /// With Bob as a contact.
    fn acquainted() -> Book {
        let mut book = Book::registered();
        book.ask(202, Intent::AddContact { name: name("bob") });
        book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
        book.resolve(&Why::Pin(name("bob")), pinned(BOB, "bob", None));
        book.elapse(TimerId::Grant);
        book.settle(&Why::Grant(vec![BOB], vec![]), Said::CapabilitiesSet(wire::CapabilitiesSet {}));
        assert_eq!(book.under_way(), []);
        book
    }

    /// With a conversation with Bob, in which one message was stored.
    fn talking() -> Book {
        let mut book = Book::acquainted();
        book.ask(203, send_to(BOB, 203));
        book.settle(&Why::KeyPackage(BOB), Said::KeyPackage(wire::KeyPackage::default()));
        book.resolve(&Why::Begin(BOB), begun());
        book.settle(&Why::Message(message(203)), stored());
        book.resolve(&Why::File, Outcome::Done);
        assert_eq!(book.under_way(), []);
        book
    }

    /// Looks a person up and keeps them as a contact.
    fn befriend(&mut self, number: u8, contact: Fingerprint, text: &str) {
        self.ask(number, Intent::AddContact { name: name(text) });
        self.settle(&Why::Lookup(name(text)), Said::Entry(wire::Entry::default()));
        self.resolve(&Why::Pin(name(text)), pinned(contact, text, None));
    }

    /// As many contacts like Bob as are asked for, beside him.
    fn crowd(&mut self, count: u64) -> Vec<Fingerprint> {
        let like = self.bob().clone();
        let crowd = (0..count).map(|number| {
            let mut id = [100; 20];
            id[1..9].copy_from_slice(&number.to_be_bytes());
            Fingerprint(id)
        });
        let crowd: Vec<Fingerprint> = crowd.collect();
        self.state.contacts.extend(crowd.iter().map(|contact| (*contact, like.clone())));
        crowd
    }

    /// The transport does not reach the relay any more.
    fn fall_offline(&mut self) {
        self.elapse(TimerId::Fetch);
        let (frame, _) = self.frame(&Why::Fetch);
        self.resolve(&Why::Handing(frame), Outcome::Unreachable);
        assert_eq!(self.state.session.link, Link::Offline);
    }

    /// A login that was begun comes to its end; what the last answer leads to.
    fn log_in(&mut self) -> Vec<Effect> {
        self.settle(&Why::Challenge, challenge(RELAY_KEY));
        let frame = self.transmit(&Why::Login);
        let effects = self.answer(frame, logged_in(50, true));
        self.settle(&Why::Fetch, fetched(0));
        effects
    }

    /// The client is opened again, and logs in.
    fn reconnect(&mut self) -> Vec<Effect> {
        self.ask(250, Intent::Connect);
        self.log_in()
    }

    /// The relay met another copy of the profile.
    fn copied(&mut self) {
        self.ask(251, Intent::Connect);
        self.settle(&Why::Challenge, challenge(RELAY_KEY));
        self.settle(&Why::Login, refusal(Code::ProfileCopied));
        assert!(self.state.session.copied);
    }

    /// What is open comes to its end, and timers pass, for so many steps; all effects of that.
    fn go_on(&mut self, steps: usize) -> Vec<Effect> {
        let mut all = Vec::new();
        for _ in 0..steps {
            let open = self.state.outstanding.iter().next().map(|(id, Outstanding { effect, why: _ })| (*id, effect.clone()));
            let due = self.state.timers.iter().min_by_key(|(_, deadline)| **deadline).map(|(timer, _)| *timer);
            match (open, due) {
                (Some((effect, asked)), _) => {
                    let outcome = any_life::outcome(self, &asked, 200);
                    all.extend(self.fold(&Event::Resolved { effect, outcome, vault_count: 0 }));
                }
                (None, Some(timer)) => all.extend(self.elapse(timer)),
                (None, None) => break,
            }
        }
        all
    }

    fn bob(&self) -> &crate::Contact {
        self.state.contacts.get(&BOB).expect("Bob is a contact")
    }
}

fn vault(op: VaultOp) -> Effect {
    Effect::Vault(op)
}

/// What of the effects is asked of the vault.
fn ops(effects: &[Effect]) -> Vec<VaultOp> {
    let ops = effects.iter().filter_map(|effect| match effect {
        Effect::Vault(op) => Some(op.clone()),
        Effect::Send(_) | Effect::Arm(..) | Effect::Disarm(_) | Effect::Notify(_) => None,
    });
    ops.collect()
}

/// What of the effects is handed to the transport.
fn sends(effects: &[Effect]) -> Vec<Send> {
    let sends = effects.iter().filter_map(|effect| match effect {
        Effect::Send(send) => Some(send.clone()),
        Effect::Vault(_) | Effect::Arm(..) | Effect::Disarm(_) | Effect::Notify(_) => None,
    });
    sends.collect()
}

fn within_a_quarter(span: u64, of: Duration) -> bool {
    (of.0..=of.0 + of.0 / 4).contains(&span)
}
