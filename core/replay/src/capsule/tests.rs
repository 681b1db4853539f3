//! Capsules of rich lives: what stays true, and what nobody finds in them.

mod beginning;

use super::check::kind;
use super::values::Values;
use super::*;
use crate::life::{Counted, Life};
use crate::{Leaf, Replay, Tree, verify};
use prost::Message as _;
use std::collections::BTreeSet;
use thicket_engine::{Input, OsDisk};
use thicket_reducer::{InFlight, Outstanding, Why};
use thicket_scanner::Scanner;
use thicket_types::bytes::Bytes;
use thicket_types::effect::Effect;
use thicket_types::event::{Arrival, Arrived, Became, Event, Followed, Lane, Opened, Outcome, Own, TimerId};
use thicket_types::ids::{
    BodyRef, ConversationId, EffectId, Fingerprint, FrameId, GroupId, IntentId, MailboxId, MessageId, RelayKey, SegmentId,
};
use thicket_types::intent::Intent;
use thicket_types::limits::{CAPSULE_STEPS_MAX, CAPSULE_UNDER_WAY_MAX};
use thicket_types::name::{Name, RegistrationToken, RelayAddress, Title};
use thicket_types::time::ClaimedTime;
use thicket_types::vault_op::VaultOp;
use thicket_types::wire::relay as wire;
use thicket_types::wire::relay::answer::Said;

/// Numbers without an end, the same each time, and none of them short.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).expect("small")).expect("small")
    }

    fn id<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| u8::try_from(self.next() >> 56).expect("a byte"))
    }
}

/// Somebody with what names them.
fn person(number: usize) -> (Fingerprint, Name, MailboxId) {
    let mut numbers = Numbers(u64::try_from(number).expect("small") << 32);
    let name = ["alexandrina", "Bartholomew", "bartholoMEW", "carolus-magnus", "dave_of_the_hill"][number];
    (Fingerprint(numbers.id()), Name::parse(name).expect("a name"), MailboxId(numbers.id()))
}

fn address(number: usize) -> RelayAddress {
    RelayAddress::parse(["direct:KEY@relay.example:7070", "direct:KEY@other.example:7071"][number]).expect("an address")
}

const RELAY_KEY: RelayKey = RelayKey([0x5e; 32]);

fn token() -> RegistrationToken {
    RegistrationToken::parse("open-sesame-please").expect("a token")
}

/// A random life, as the vault, a relay and a person make one who do what they like.
struct Rich {
    life: Life,
    numbers: Numbers,
    cursor: u64,
    messages: Vec<MessageId>,
    last: Option<Arrival>,
}

impl Rich {
    fn new(seed: u64) -> Rich {
        let mut rich = Rich { life: Life::new(), numbers: Numbers(seed), cursor: 900, messages: Vec::new(), last: None };
        let id = IntentId(rich.numbers.id());
        rich.life.turn([Input::Intent(id, Intent::Register { relay: address(0), key: Some(RELAY_KEY), token: Some(token()) })]);
        rich
    }

    fn live(mut self, steps: usize) -> (tempfile::TempDir, OsDisk, ProfileKeys) {
        self.go_on(steps);
        self.every_variant();
        self.life.close()
    }

    fn go_on(&mut self, steps: usize) {
        for step in 0..steps {
            if step % 97 == 96 {
                self.life.open_again();
                let id = IntentId(self.numbers.id());
                self.life.turn([Input::Intent(id, Intent::Connect)]);
            }
            let inputs: Vec<Input> = (0..1 + self.numbers.below(3)).filter_map(|_| self.input()).collect();
            self.life.turn(inputs);
        }
    }

    fn input(&mut self) -> Option<Input> {
        let state = self.life.state();
        match self.numbers.below(16) {
            0 | 1 => {
                let intent = self.intent();
                let id = IntentId(self.numbers.id());
                if matches!(intent, Intent::Send { .. }) {
                    self.messages.push(MessageId(id.0));
                }
                Some(Input::Intent(id, intent))
            }
            2..=7 => {
                let at = self.numbers.below(state.outstanding.len().max(1));
                let (id, Outstanding { effect, why: _ }) = state.outstanding.iter().nth(at)?;
                let (id, effect) = (*id, effect.clone());
                let outcome = if self.numbers.below(12) == 0 { Outcome::Refused(self.code()) } else { self.outcome(&effect) };
                Some(Input::Resolved(id, outcome, self.numbers.next() % 100))
            }
            8..=10 => {
                let at = self.numbers.below(state.requests.len().max(1));
                let (to, InFlight { why, .. }) = state.requests.iter().nth(at)?;
                let (to, why) = (*to, why.clone());
                let said = match self.numbers.below(12) {
                    0 => Said::Refusal(wire::Refusal { code: self.code().number(), stamp_bits: 0 }),
                    1 => Said::Refusal(wire::Refusal { code: Code::StampNeeded.number(), stamp_bits: 12 }),
                    _ => self.said(&why),
                };
                Some(Input::Arrival(self.answer(to, said)))
            }
            11 | 12 => {
                self.cursor += 1 + self.numbers.next() % 5;
                let class = thicket_types::limits::PADDING_CLASSES[self.numbers.below(3)];
                let content = Arrived::Envelope { cursor: self.cursor, sender: self.somebody().0, sealed: Bytes(vec![0xa5; class + 48]) };
                let frame = if self.numbers.below(4) == 0 { self.last.as_ref()?.frame } else { FrameId(self.numbers.id()) };
                let arrival = Arrival { frame, lane: Lane::Named, content };
                self.last = Some(arrival.clone());
                Some(Input::Arrival(arrival))
            }
            13 | 14 => {
                let timers: Vec<_> = state.timers.iter().map(|(timer, deadline)| (*timer, *deadline)).collect();
                let (timer, deadline) = timers.get(self.numbers.below(timers.len().max(1))).copied()?;
                // As a pump does: at its deadline, and not before.
                let late = self.numbers.next() % 3;
                self.life.wait(deadline.since(self.life.now()).0 + late);
                Some(Input::Elapsed(timer, false))
            }
            _ => {
                self.life.wait(self.numbers.next() % 5_000_000);
                None
            }
        }
    }

    fn somebody(&mut self) -> (Fingerprint, Name, MailboxId) {
        person(self.numbers.below(8).saturating_sub(3))
    }

    fn message(&mut self) -> MessageId {
        match self.messages.len() {
            0 => MessageId(self.numbers.id()),
            count => self.messages[self.numbers.below(count)],
        }
    }

    fn code(&mut self) -> Code {
        let codes = [
            Code::NotLoggedIn,
            Code::RelayBusy,
            Code::UnknownName,
            Code::NoKeyPackage,
            Code::UnknownMailbox,
            Code::NoConversation,
            Code::MalformedRequest,
        ];
        codes[self.numbers.below(codes.len())]
    }

    fn intent(&mut self) -> Intent {
        let (contact, name, _) = self.somebody();
        match self.numbers.below(16) {
            0 => Intent::Connect,
            1..=3 => Intent::AddContact { name },
            4 => Intent::AcceptContact { contact },
            5 => Intent::VerifyContact { contact, verified: true },
            6 => Intent::UpdateKeys { contact },
            7 => Intent::SetReadMarks { on: true },
            8 => Intent::MarkRead { contact, message: self.message() },
            9 => Intent::RetryMessage { contact, message: self.message() },
            10 => Intent::BlockContact { contact, blocked: self.numbers.below(4) == 0 },
            _ => Intent::Send { contact, body: BodyRef(self.numbers.id()), len: 17 },
        }
    }

    fn outcome(&mut self, effect: &Effect) -> Outcome {
        match effect {
            Effect::Send(_) => Outcome::Handed,
            Effect::Vault(VaultOp::PinContact { name, .. }) => {
                let known = (0..5).map(person).find(|(_, other, _)| other.key() == name.key()).expect("nobody else was asked for");
                Outcome::Pinned { contact: known.0, mailbox: known.2, name: known.1, contradicts: None, anew: false }
            }
            Effect::Vault(VaultOp::BeginConversation { .. } | VaultOp::BeginFromOffer { .. }) => Outcome::Begun { again: Vec::new() },
            Effect::Vault(
                VaultOp::File { .. }
                | VaultOp::Forget { .. }
                | VaultOp::ForgetMessage { .. }
                | VaultOp::Unpin { .. }
                | VaultOp::Tidy { .. }
                | VaultOp::ShowRead { .. }
                | VaultOp::GiveUpGroups
                | VaultOp::Published { .. }
                | VaultOp::MarkRead { tell: None, .. },
            ) => Outcome::Done,
            Effect::Vault(VaultOp::OpenEnvelope { .. }) => {
                let (contact, name, _) = self.somebody();
                let conversation = ConversationId(self.numbers.id());
                Outcome::Opened(match self.numbers.below(8) {
                    0 => Opened::Receipt { contact, delivered: vec![self.message()], moved: false },
                    1 => Opened::Committed { contact, owed: true, moved: true },
                    2 => Opened::Offer { contact, name, anew: false },
                    3 => Opened::Early { contact, name, len: 1_584 },
                    _ => {
                        let (message, claimed) = (MessageId(self.numbers.id()), ClaimedTime(0));
                        self.messages.push(message);
                        Opened::Message { contact, name, conversation, message, claimed, moved: true }
                    }
                })
            }
            _ => Outcome::Framed { frame: FrameId(self.numbers.id()), bytes: Bytes(vec![0xa5; 200 + self.numbers.below(2_000)]) },
        }
    }

    fn said(&mut self, why: &Why) -> Said {
        let (_, name, mailbox) = self.somebody();
        match why {
            Why::Challenge => {
                Said::Challenge(wire::Challenge { nonce: vec![0xa5; 32], relay_key: RELAY_KEY.0.to_vec(), until_ms: 1, versions: vec![1] })
            }
            Why::Register => Said::Registered(wire::Registered { mailbox: mailbox.0.to_vec() }),
            Why::Login => Said::LoggedIn(wire::LoggedIn { mailbox: mailbox.0.to_vec(), key_packages: 3, last_resort: true }),
            Why::Publish => Said::Published(wire::Published { key_packages: 50 }),
            Why::Fetch => Said::Fetched(wire::Fetched { waiting: 0, key_packages: 50, last_resort: true }),
            Why::Acknowledge(_) => Said::Acknowledged(wire::Acknowledged {}),
            Why::Lookup(_) => {
                let (certificate, mailbox) = (vec![0xa5; 700], mailbox.0.to_vec());
                Said::Entry(wire::Entry { name: name.text().to_owned(), certificate, mailbox, mailbox_key: None })
            }
            Why::KeyPackage(_) => Said::KeyPackage(wire::KeyPackage { key_package: vec![0xa5; 900], last_resort: false, suite: 1 }),
            Why::MailboxKey => Said::MailboxKeyPublished(wire::MailboxKeyPublished {}),
            Why::Grant(..) => Said::CapabilitiesSet(wire::CapabilitiesSet {}),
            _ => Said::Stored(wire::Stored {}),
        }
    }

    fn answer(&mut self, to: FrameId, said: Said) -> Arrival {
        // A relay whose clock says nothing true.
        let answer = wire::Answer { version: 1, to: to.0.to_vec(), clock_ms: 7, said: Some(said) };
        let content = Arrived::Answer { answer: Bytes(answer.encode_to_vec()) };
        Arrival { frame: FrameId(self.numbers.id()), lane: Lane::Anonymous, content }
    }

    /// What no random life is sure to have. Most of it changes nothing.
    fn every_variant(&mut self) {
        let (contact, name, mailbox) = person(4);
        let (relay, key, token) = (address(1), Some(RELAY_KEY), Some(token()));
        let message = MessageId(self.numbers.id());
        let intents = [
            Intent::Register { relay: relay.clone(), key, token: token.clone() },
            Intent::Connect,
            Intent::AddContact { name: name.clone() },
            Intent::AcceptContact { contact },
            Intent::Send { contact, body: BodyRef(self.numbers.id()), len: 70_000 },
            Intent::DeclineContact { contact },
            Intent::BlockContact { contact, blocked: true },
            Intent::RemoveContact { contact },
            Intent::VerifyContact { contact, verified: false },
            Intent::AcceptIdentity { contact },
            Intent::UpdateKeys { contact },
            Intent::MarkRead { contact, message },
            Intent::SetReadMarks { on: false },
            Intent::RetryMessage { contact, message },
            Intent::CancelMessage { message },
            Intent::ForgetMessage { contact, message, sent: true },
            Intent::ChangeRelay { relay, key, token },
            Intent::TakeOver,
            Intent::Rejoin,
            Intent::Restore,
        ];
        for intent in intents {
            let id = IntentId(self.numbers.id());
            self.life.turn([Input::Intent(id, intent)]);
        }
        let (group, title) = (GroupId(self.numbers.id()), Title::parse("A title that tells").expect("a title"));
        let (moved, cause, conversation) = (false, Code::TooOld, ConversationId(self.numbers.id()));
        let opened = [
            Opened::Message { contact, name: name.clone(), conversation, message, claimed: ClaimedTime(u64::MAX), moved },
            Opened::Receipt { contact, delivered: vec![message], moved },
            Opened::Early { contact, name: name.clone(), len: u32::MAX },
            Opened::Unreadable { contact, name: name.clone(), cause },
            Opened::ReadMark { contact, moved },
            Opened::Committed { contact, owed: false, moved },
            Opened::Known { contact, message, moved },
            Opened::Offer { contact, name: name.clone(), anew: true },
            Opened::Invited { contact, name: name.clone(), group },
            Opened::Welcomed { contact, group, title: title.clone(), members: 7 },
        ];
        let became = Some(Became { title, members: 3, out: true });
        let messages = vec![(person(1).0, MessageId(self.numbers.id())), (contact, message)];
        let followed = Followed { group, upto: 3, last: 9, messages, unreadable: vec![cause], own: Own::Lost, became };
        let outcomes = [
            Outcome::Handed,
            Outcome::Unreachable,
            Outcome::Framed { frame: FrameId(self.numbers.id()), bytes: Bytes(Vec::new()) },
            Outcome::Done,
            Outcome::Pinned { contact, mailbox, name, contradicts: Some(person(0).0), anew: true },
            Outcome::Begun { again: vec![message] },
            Outcome::Followed(followed),
            Outcome::Refused(cause),
            Outcome::Fault(cause),
        ];
        for outcome in outcomes.into_iter().chain(opened.map(Outcome::Opened)) {
            let effect = EffectId { seq: Seq(1), index: 70, segment: SegmentId(self.numbers.id()) };
            self.life.turn([Input::Resolved(effect, outcome, 1)]);
        }
        let timers = [
            TimerId::Retry(FrameId(self.numbers.id())),
            TimerId::Login,
            TimerId::Fetch,
            TimerId::Acknowledge,
            TimerId::Receipts(contact),
            TimerId::Advance(contact),
            TimerId::Tidy,
            TimerId::Grant,
            TimerId::Resume,
        ];
        for timer in timers {
            self.life.turn([Input::Elapsed(timer, true)]);
        }
        let to = FrameId(self.numbers.id());
        let name = person(3).1.text().to_owned();
        let key = wire::MailboxKey { statement: vec![0xa5; 90], signature: vec![0xa5; 64] };
        let entry = wire::Entry { name, certificate: vec![0xa5; 700], mailbox: mailbox.0.to_vec(), mailbox_key: Some(key) };
        let odd = wire::Challenge { nonce: vec![0xa5; 3], relay_key: vec![0xa5; 33], until_ms: u64::MAX, versions: vec![77] };
        let saids = [
            Said::Refusal(wire::Refusal { code: 9_999, stamp_bits: 4_000 }),
            Said::Challenge(odd),
            Said::Registered(wire::Registered { mailbox: vec![0xa5; 5] }),
            Said::LoggedIn(wire::LoggedIn { mailbox: mailbox.0.to_vec(), key_packages: 4_000, last_resort: false }),
            Said::Published(wire::Published { key_packages: 4_000 }),
            Said::Entry(entry),
            Said::Entry(wire::Entry { name: "no name at all".to_owned(), ..wire::Entry::default() }),
            Said::KeyPackage(wire::KeyPackage { key_package: vec![0xa5; 900], last_resort: true, suite: 4_000 }),
            Said::Stored(wire::Stored {}),
            Said::Fetched(wire::Fetched { waiting: 3, key_packages: 4_000, last_resort: true }),
            Said::Acknowledged(wire::Acknowledged {}),
            Said::MailboxKeyPublished(wire::MailboxKeyPublished {}),
            Said::CapabilitiesSet(wire::CapabilitiesSet {}),
        ];
        for said in saids {
            let arrival = self.answer(to, said);
            self.life.turn([Input::Arrival(arrival)]);
        }
        let cause = Code::Unsealable;
        let contents = [
            Arrived::Answer { answer: Bytes(vec![0xa5; 333]) },
            Arrived::Answer { answer: Bytes(Vec::new()) },
            Arrived::Repeat { cursor: 4_000_000_000 },
            Arrived::Unsealable { cursor: 5_000_000_000, cause },
        ];
        for content in contents {
            let frame = FrameId(self.numbers.id());
            self.life.turn([Input::Arrival(Arrival { frame, lane: Lane::Named, content })]);
        }
    }
}

/// What a journal says: its records, the kinds of effects that each asked for, and the shape of the state after all.
fn told(disk: &mut dyn Disk, keys: &ProfileKeys) -> (Vec<Record>, Vec<Vec<String>>, String) {
    let (mut records, mut kinds, mut last) = (Vec::new(), Vec::new(), String::new());
    Replay::read(disk, keys, &mut |step| {
        records.push(step.record.clone());
        kinds.push(step.effects.iter().map(kind).collect());
        last = shape(&Tree::of(step.state, false));
    })
    .expect("a journal");
    (records, kinds, last)
}

/// A tree without its values: of ids, names and numbers alone that they are there.
fn shape(tree: &Tree) -> String {
    match tree {
        Tree::Leaf(Leaf::Text(text)) if text.starts_with(|first: char| first.is_ascii_uppercase()) => text.clone(),
        Tree::Leaf(Leaf::Bool(value)) => value.to_string(),
        Tree::Leaf(Leaf::Time(Stamp(0))) => "never".to_owned(),
        Tree::Leaf(leaf) => format!("{leaf:?}").split('(').next().expect("a word").to_owned(),
        Tree::List(list) => format!("[{}]", list.iter().map(shape).collect::<Vec<_>>().join(" ")),
        Tree::Fields(fields) => {
            let named = |name: &str| if name.contains(|char: char| char.is_ascii_digit()) { "#".to_owned() } else { name.to_owned() };
            let mut shapes: Vec<String> = fields.iter().map(|(name, tree)| format!("{} {}", named(name), shape(tree))).collect();
            // Ids that were matched at random stand in another order.
            if fields.iter().all(|(name, _)| name.len() >= 32 && name.bytes().all(|digit| digit.is_ascii_hexdigit())) {
                shapes.sort();
            }
            format!("{{{}}}", shapes.join(", "))
        }
    }
}

/// Values that are replaced.
struct All(BTreeSet<Vec<u8>>);

impl Values for All {
    fn id(&mut self, _: Of, bytes: &mut [u8]) {
        self.0.insert(bytes.to_vec());
    }
    fn name(&mut self, name: &mut Name) {
        self.0.insert(name.text().as_bytes().to_vec());
    }
    fn address(&mut self, address: &mut RelayAddress) {
        self.0.insert(address.text().as_bytes().to_vec());
    }
    fn token(&mut self, token: &mut RegistrationToken) {
        self.0.insert(token.text().as_bytes().to_vec());
    }
    fn title(&mut self, title: &mut Title) {
        self.0.insert(title.text().as_bytes().to_vec());
    }
    fn cursor(&mut self, _: &mut u64) {}
}

/// All those of some records.
fn values_of(records: &[Record]) -> BTreeSet<Vec<u8>> {
    let mut all = All(BTreeSet::new());
    for record in records {
        values::event(&mut record.event.clone(), record.stamp, &mut all);
    }
    all.0
}

fn plain(records: &[Record]) -> Vec<u8> {
    let mut bytes = Vec::new();
    records.iter().for_each(|record| record.encode(&mut bytes).expect("room"));
    bytes
}

#[test]
fn a_capsule_of_any_life_makes_the_same_transitions_and_verifies() {
    let mut matched = Vec::new();
    for seed in 0..6 {
        let (_folder, mut disk, keys) = Rich::new(seed).live(500);
        let redacted = redact(&mut disk, &keys, &mut Counted(100 + seed)).expect("a capsule");
        let (mut capsule, its_keys) = open(&redacted.bytes).expect("a capsule");
        let verified = verify(&mut capsule, &its_keys, None).expect("a journal");
        assert!(verified.holds() && verified.records > 500, "{seed}: {verified:?}");
        let (before, kinds_before, last_before) = told(&mut disk, &keys);
        let (after, kinds_after, last_after) = told(&mut capsule, &its_keys);
        assert_eq!(before.len(), after.len());
        for (place, (before, after)) in kinds_before.iter().zip(&kinds_after).enumerate() {
            assert_eq!(before, after, "{seed}: record {}", place + 1);
        }
        assert!(kinds_before.concat().len() > 700, "a rich life: {}", kinds_before.concat().len());
        assert_eq!(last_before, last_after, "{seed}");
        // Distances in time stay, and times do not.
        let spans = |records: &[Record]| records.windows(2).map(|pair| pair[1].stamp.since(pair[0].stamp)).collect::<Vec<_>>();
        assert_eq!(spans(&before), spans(&after));
        assert_ne!(before[0].stamp, after[0].stamp);
        assert_eq!(redacted.kinds.values().sum::<u64>(), verified.records);
        assert_eq!(redacted.samples.len(), 3);
        for Sample { seq, before: was, after: is } in &redacted.samples {
            let at = usize::try_from(seq.0 - 1).expect("small");
            assert_eq!((was, is), (&before[at], &after[at]));
        }
        matched.push(redacted.matched);
    }
    // The rules of some lives went by the order of ids, and those of others did not.
    assert!([Matched::AtRandom, Matched::ByRank].iter().all(|way| matched.contains(way)), "{matched:?}");
}

#[test]
fn nothing_of_a_life_is_found_in_its_capsule_and_nothing_of_one_capsule_in_another() {
    let (_folder, mut disk, keys) = Rich::new(7).live(400);
    let (before, ..) = told(&mut disk, &keys);
    let secrets = values_of(&before);
    assert!(secrets.len() > 300, "{}", secrets.len());
    let scanner = Scanner::of_keys(secrets.iter().map(|value| ("a value", value.as_slice())));
    assert!(!scanner.scan(&plain(&before)).is_empty(), "what is there is found");
    let filler = Scanner::of_keys([("bytes of a frame", [0xa5; 8].as_slice())]);
    assert!(!filler.scan(&plain(&before)).is_empty(), "what is there is found");
    let mut others: BTreeSet<Vec<u8>> = BTreeSet::new();
    for seed in [1, 2] {
        let redacted = redact(&mut disk, &keys, &mut Counted(seed << 40)).expect("a capsule");
        let (mut capsule, its_keys) = open(&redacted.bytes).expect("a capsule");
        let (after, ..) = told(&mut capsule, &its_keys);
        assert_eq!(scanner.scan(&plain(&after)), BTreeSet::new());
        assert_eq!(scanner.scan(&redacted.bytes), BTreeSet::new());
        assert_eq!(filler.scan(&plain(&after)), BTreeSet::new());
        let own = values_of(&after);
        assert_eq!(own.len(), secrets.len(), "as many of each as there were");
        assert!(own.is_disjoint(&secrets) && own.is_disjoint(&others));
        others.extend(own);
    }
}

#[test]
fn no_key_of_a_profile_is_in_its_capsule() {
    let rich = Rich::new(10);
    let drawn = rich.life.drawn();
    let (_folder, mut disk, keys) = rich.live(300);
    // The account's key, and one for each segment; and what hangs on them.
    let mut secrets = drawn.of_len(32);
    let segments = disk.list("journal").expect("a folder").len();
    assert!(segments > 3 && secrets.len() == 1 + segments, "{} of {segments}", secrets.len());
    let account = thicket_journal_format::Key::new(secrets[0].as_slice().try_into().expect("32 bytes"));
    let vault = keys.vault_key().expect("a key");
    let purposes = ["thicket.keys-mac.v1", "thicket.vault.v1"];
    let derived = purposes.map(|purpose| account.derive(purpose).expect("a key"));
    assert!(derived[1].expose() == vault.expose(), "the first of them is the account's");
    secrets.extend(derived.iter().map(|key| key.expose().to_vec()));
    let scanner = Scanner::of_keys(secrets.iter().map(|secret| ("a key", secret.as_slice())));
    let bytes = redact(&mut disk, &keys, &mut Counted(1 << 40)).expect("a capsule").bytes;
    let (mut capsule, its_keys) = open(&bytes).expect("a capsule");
    let (after, ..) = told(&mut capsule, &its_keys);
    for inside in [bytes, plain(&after)] {
        assert_eq!(scanner.scan(&inside), BTreeSet::new());
        for secret in &secrets {
            assert!(!scanner.scan(&[inside.as_slice(), secret].concat()).is_empty(), "what is planted is found");
        }
    }
}

#[test]
fn a_time_that_others_claim_says_nothing_of_the_shift() {
    let (_folder, mut disk, keys) = Rich::new(8).live(200);
    let redacted = redact(&mut disk, &keys, &mut Counted(5)).expect("a capsule");
    let (mut capsule, its_keys) = open(&redacted.bytes).expect("a capsule");
    let (after, ..) = told(&mut capsule, &its_keys);
    let mut claims = 0;
    for Record { stamp, event } in after {
        match event {
            Event::Resolved { outcome: Outcome::Opened(Opened::Message { claimed, .. }), .. } => assert_eq!(claimed.0, stamp.0),
            Event::Arrived(Arrival { content: Arrived::Answer { answer }, .. }) => {
                let Ok(answer) = wire::Answer::decode(answer.0.as_slice()) else { continue };
                assert!(answer.said.is_none() || answer.clock_ms == stamp.0);
                if let Some(Said::Challenge(challenge)) = answer.said {
                    assert_eq!(challenge.until_ms, stamp.0);
                }
            }
            _ => continue,
        }
        claims += 1;
    }
    assert!(claims > 20, "{claims}");
}

#[test]
fn a_journal_whose_beginning_no_snapshot_holds_has_no_capsule() {
    let mut life = Life::new();
    for number in 0..20 {
        life.turn([crate::life::asked(number)]);
        if number % 4 == 3 {
            life.snapshot();
            life.open_again();
            // Past the time that segments are kept for.
            life.wait(Duration::days(31).0);
        }
    }
    life.lose_beginning();
    let (_folder, mut disk, keys) = life.close();
    assert!(Replay::read(&mut disk, &keys, &mut |_| {}).expect("a journal").first() > Seq(1), "its beginning has retired");
    let refused = redact(&mut disk, &keys, &mut Counted(1)).err().map(|fault| fault.code);
    assert_eq!(refused, Some(Code::BeginningGone));
}

#[test]
fn a_file_that_is_no_capsule_or_would_have_its_reader_work_is_refused() {
    let refused = |bytes: &[u8]| open(bytes).err().map(|fault| fault.code);
    assert_eq!(refused(b""), Some(Code::CapsuleDamaged));
    let (_folder, mut disk, keys) = Rich::new(9).live(5);
    let whole = redact(&mut disk, &keys, &mut Counted(1)).expect("a capsule").bytes;
    assert_eq!(refused(&whole[..whole.len() - 1]), Some(Code::CapsuleDamaged));
    let mut newer = whole.clone();
    newer[8] = 2;
    assert_eq!(refused(&newer), Some(Code::ProfileNewer));
    let parts = capsule::parse(&whole).expect("whole");
    let segments: Vec<&[u8]> = parts.segments.iter().map(|(_, bytes)| bytes.as_slice()).collect();
    // A passphrase, a cost, and one segment twice.
    for (passphrase, memory_kib) in [("x", 8), ("", 64)] {
        let (mut disk, cost) = (CapsuleDisk::default(), thicket_journal_format::keys::Cost { memory_kib, ..capsule::COST });
        let passphrase = Secret::new(passphrase.as_bytes().to_vec());
        ProfileKeys::create(&mut disk, &mut Counted(3), &passphrase, cost).expect("room");
        let other = disk.read(KEYS_FILE).expect("a file");
        assert_eq!(refused(&capsule::encode(&other, None, &segments).expect("room")), Some(Code::CapsuleDamaged));
    }
    let first = segments[0];
    assert_eq!(refused(&capsule::encode(&parts.keys, None, &[first, first]).expect("room")), Some(Code::CapsuleDamaged));
}

#[test]
fn all_stamps_are_moved_by_one_span_of_whole_days_only_where_that_is_asked_for() {
    let (first, later, day) = (Stamp(1_790_000_123_456), Stamp(1_790_086_523_457), Duration::days(1).0);
    let mut entropy = Counted(11);
    let mut moved = BTreeSet::new();
    for number in 0..64 {
        let keeps = number % 2 == 0;
        let shift = Shift::draw(first, keeps, &mut entropy);
        let to = shift.of(first);
        assert_eq!(shift.of(later).since(to), later.since(first));
        assert_eq!(to.since(shift.of(Stamp(first.0 - 5))), Duration(5));
        assert_eq!(to.0 % day == first.0 % day, keeps, "{to:?}");
        let (year, ..) = to.date();
        assert!((1980..8_000).contains(&year), "{year}");
        moved.insert(to);
    }
    assert_eq!(moved.len(), 64);
}

/// A capsule that nobody's redaction made: of a journal that is past a bound, say.
fn made_by_hand(disk: &mut dyn Disk, keys: &ProfileKeys) -> Vec<u8> {
    let mut collected = Collected::default();
    let mut first = Stamp(0);
    walk(disk, keys, None, &mut |walked| {
        if walked.place.seq == Seq(1) {
            first = walked.place.stamp;
        }
        values::event(&mut walked.record.event.clone(), walked.place.stamp, &mut collected);
    })
    .expect("a journal");
    let mut table = collected.draw(Matched::ByRank, &mut Counted(1));
    let shift = Shift::draw(first, false, &mut Counted(2));
    rewritten(disk, keys, None, shift, &mut table, &mut Counted(3), &mut |_, _| {}).expect("a capsule")
}

/// A life in which so many envelopes came and the vault opened none.
fn unopened(count: usize) -> Life {
    let mut life = Life::new();
    let (relay, id) = (address(0), IntentId([1; 16]));
    life.turn([Input::Intent(id, Intent::Register { relay, key: None, token: None })]);
    let arrived = |number: usize| {
        let mut frame = [9; 32];
        frame[..8].copy_from_slice(&number.to_be_bytes());
        let content = Arrived::Envelope { cursor: 1, sender: person(0).0, sealed: Bytes(Vec::new()) };
        Input::Arrival(Arrival { frame: FrameId(frame), lane: Lane::Named, content })
    };
    for block in (0..count).collect::<Vec<_>>().chunks(512) {
        life.turn(block.iter().copied().map(arrived));
    }
    life
}

/// How many records are folded before this is refused as a capsule, and as a journal that one is to be made of.
fn refused_after(life: Life) -> u64 {
    let (_folder, mut disk, keys) = life.close();
    let code = |fault: Option<Fault>| fault.map(|fault| fault.code);
    assert_eq!(code(redact(&mut disk, &keys, &mut Counted(1)).err()), Some(Code::TooMuchForCapsule));
    let bytes = made_by_hand(&mut disk, &keys);
    assert_eq!(code(open(&bytes).err()), Some(Code::CapsuleDamaged));
    let (mut disk, keys) = unpack(&bytes).expect("whole");
    let mut folded = 0;
    assert!(bounded(&mut disk, &keys, &mut |_, _| folded += 1).is_err());
    folded
}

#[test]
fn a_capsule_with_too_much_under_way_is_not_opened() {
    // Of each record that was folded something is under way: the login's op and an acknowledgement too.
    let (_folder, mut disk, keys) = unopened(CAPSULE_UNDER_WAY_MAX - 3).close();
    open(&made_by_hand(&mut disk, &keys)).expect("as much as may be");
    assert_eq!(refused_after(unopened(CAPSULE_UNDER_WAY_MAX + 600)), u64::try_from(CAPSULE_UNDER_WAY_MAX).expect("64 bits"));
}

#[test]
fn a_capsule_that_has_the_rules_go_through_too_much_is_not_opened() {
    let open = 30_000;
    let each = u64::try_from(open).expect("small");
    // Everything is sealed anew, again and again.
    let mut life = unopened(open);
    for number in 0..64 {
        life.turn([Input::Intent(IntentId([2 + number; 16]), Intent::Rejoin)]);
    }
    let rejoins = refused_after(life) - each - 1;
    // What came before them was gone through as well.
    assert!(rejoins < CAPSULE_STEPS_MAX / each.pow(2) && rejoins > 15, "{rejoins}");
    // Receipts of more messages than anybody sent.
    let mut life = unopened(open);
    let delivered: Vec<MessageId> = (0..8_000_u128).map(|number| MessageId(number.to_be_bytes())).collect();
    for _ in 0..100 {
        life.resolve_opening(Outcome::Opened(Opened::Receipt { contact: person(0).0, delivered: delivered.clone(), moved: false }));
    }
    let receipts = refused_after(life) - each - 1;
    assert!((60..80).contains(&receipts), "{receipts}");
}
