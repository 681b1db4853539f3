//! Whole profiles, driven by one thread, one seed and one clock: real journal, real vault, real relay.

mod archive;
mod backlog;
mod bad_input;
mod damage;
mod deletion;
mod folder;
mod imported;
mod keys;
mod lanes;
mod look;
mod monitor;
mod moving;
mod promises;
mod pump;
mod rejoin;
mod strangers;
mod why;

use crate::pump::Pump;
use crate::system::{SeededEntropy, share};
use crate::{Direction, Options, Origin, Profile};
use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use thicket_engine::{OsDisk, ProfileKeys};
use thicket_journal_format::keys::Cost;
use thicket_relay::Relay;
use thicket_store::MemoryStore;
use thicket_transport::{Conditions, Loopback, LoopbackClient, LoopbackRelay};
use thicket_types::effect::{Change, MessageState};
use thicket_types::error::Code;
use thicket_types::event::Lane;
use thicket_types::ids::{Fingerprint, IntentId, LaneTag, MessageId};
use thicket_types::intent::{Answer, Intent};
use thicket_types::name::{Name, RelayAddress};
use thicket_types::ports::{Clock, Received, RelayTransport, ReplyPath, Transport, Unreachable};
use thicket_types::secret::Secret;
use thicket_types::time::Stamp;
use thicket_vault::SqlVault;

const CHEAP: Options = Options { cost: Cost { memory_kib: 8, passes: 1, lanes: 1 } };
const START_MS: u64 = 1_790_000_000_000;

#[derive(Clone)]
struct ManualClock(Arc<AtomicU64>);

impl Clock for ManualClock {
    fn now(&self) -> Stamp {
        Stamp(self.0.load(Ordering::Relaxed))
    }
}

/// A device's own clock, which may be wrong.
struct DeviceClock {
    clock: ManualClock,
    ahead_ms: i64,
}

impl Clock for DeviceClock {
    fn now(&self) -> Stamp {
        Stamp(self.clock.now().0.saturating_add_signed(self.ahead_ms))
    }
}

/// Some people, one relay, one clock.
struct World {
    clock: ManualClock,
    /// Whose clock is wrong, and by how much.
    ahead_ms: BTreeMap<&'static str, i64>,
    meeting: Loopback,
    relay: Relay<MemoryStore, Watched>,
    /// What came to the relay, in order.
    seen: Seen,
    /// While it is set, every way back from the relay has expired.
    expired: Arc<AtomicBool>,
    /// Another relay, in tests that move.
    other: Option<(Loopback, Relay<MemoryStore, LoopbackRelay>)>,
    people: BTreeMap<&'static str, Person>,
    folder: TempDir,
    seed: u64,
    intents: u64,
}

struct Person {
    folder: PathBuf,
    own: Fingerprint,
    pump: Option<Pump<SqlVault>>,
    /// Frames that come besides what the relay sends.
    stray: Stray,
    changes: Vec<Change>,
    answers: Vec<(IntentId, Result<Answer, Code>)>,
}

/// Frames on their way to a client, by lane.
type Stray = Arc<Mutex<VecDeque<(Lane, Vec<u8>)>>>;

/// What the relay got: by which lane, and the bytes.
type Seen = Arc<Mutex<Vec<(LaneTag, Vec<u8>)>>>;

/// The relay's end of a loopback, which notes what comes.
struct Watched {
    end: LoopbackRelay,
    seen: Seen,
    expired: Arc<AtomicBool>,
}

impl RelayTransport for Watched {
    fn poll(&mut self) -> Option<Received> {
        let received = self.end.poll()?;
        self.seen.lock().expect("no thread panics").push((received.tag, received.frame.clone()));
        Some(received)
    }

    fn reply(&mut self, path: ReplyPath, frame: &[u8]) -> Result<(), Unreachable> {
        if self.expired.load(Ordering::Relaxed) {
            return Err(Unreachable);
        }
        self.end.reply(path, frame)
    }
}

/// A client's ends of one loopback or two: the address tells which.
struct Ways(Vec<(String, LoopbackClient)>, Stray);

impl Transport for Ways {
    fn send(&mut self, to: &str, lane: Lane, frame: &[u8]) -> Result<(), Unreachable> {
        let way = self.0.iter_mut().find(|(address, _)| address == to).ok_or(Unreachable)?;
        way.1.send(to, lane, frame)
    }

    fn poll(&mut self) -> Option<(Lane, Vec<u8>)> {
        let stray = self.1.lock().expect("no thread panics").pop_front();
        stray.or_else(|| self.0.iter_mut().find_map(|(_, end)| end.poll()))
    }

    fn renew(&mut self, lane: Lane) {
        self.0.iter_mut().for_each(|(_, end)| end.renew(lane));
    }

    fn broke(&mut self, lane: Lane) -> bool {
        self.0.iter_mut().any(|(_, end)| end.broke(lane))
    }
}

fn passphrase() -> Secret<Vec<u8>> {
    Secret::new(b"correct horse".to_vec())
}

fn address(meeting: &Loopback) -> RelayAddress {
    RelayAddress::parse(meeting.address()).expect("a loopback's address")
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

impl World {
    fn new(seed: u64, conditions: Conditions) -> World {
        let clock = ManualClock(Arc::new(AtomicU64::new(START_MS)));
        let (meeting, end) = Loopback::new("test", Conditions { seed, ..conditions });
        let ports = thicket_relay::World {
            entropy: Box::new(SeededEntropy::new(seed ^ 1)),
            clock: Box::new(clock.clone()),
            verify: Box::new(thicket_openpgp::Verifier),
            policy: thicket_relay::Policy::default(),
        };
        let seen = Seen::default();
        let expired = Arc::new(AtomicBool::new(false));
        let relay = Relay::new(MemoryStore::new(), Watched { end, seen: seen.clone(), expired: expired.clone() }, &[9; 32], ports);
        let folder = TempDir::new().expect("a folder");
        let (ahead_ms, people) = (BTreeMap::new(), BTreeMap::new());
        World { clock, ahead_ms, meeting, relay, seen, expired, other: None, people, folder, seed, intents: 0 }
    }

    fn create(&mut self, who: &'static str) {
        self.seed += 1;
        let folder = self.folder.path().join(who);
        let entropy = share(Box::new(SeededEntropy::new(self.seed)));
        let clock = self.clock_of(who);
        let profile = Profile::create(&folder, Origin::New(name(who)), &passphrase(), CHEAP, entropy, &clock).expect("a new profile");
        let own = profile.own().1;
        let person = Person { folder, own, pump: None, stray: Stray::default(), changes: Vec::new(), answers: Vec::new() };
        self.people.insert(who, person);
        self.wire(who, profile);
    }

    fn clock_of(&self, who: &'static str) -> DeviceClock {
        DeviceClock { clock: self.clock.clone(), ahead_ms: self.ahead_ms.get(who).copied().unwrap_or_default() }
    }

    fn wire(&mut self, who: &'static str, profile: Profile) {
        let ways = self.ways(who);
        let pump = profile.open(Box::new(ways), Box::new(self.clock_of(who))).expect("an intact profile");
        self.people.get_mut(who).expect("a person").pump = Some(pump);
    }

    fn ways(&mut self, who: &'static str) -> Ways {
        self.seed += 1;
        let mut entropy = SeededEntropy::new(self.seed);
        let meetings = [Some(&self.meeting), self.other.as_ref().map(|(meeting, _)| meeting)];
        let ways = meetings.into_iter().flatten().map(|meeting| (meeting.address().to_owned(), meeting.client(&mut entropy, None)));
        Ways(ways.collect(), self.people[who].stray.clone())
    }

    fn unlock(&mut self, who: &'static str) -> Profile {
        self.seed += 1;
        let folder = self.people[who].folder.clone();
        let entropy = share(Box::new(SeededEntropy::new(self.seed)));
        Profile::unlock(&folder, &passphrase(), entropy).expect("an intact profile")
    }

    /// Opens a profile that was dropped or closed, and connects.
    fn open(&mut self, who: &'static str) {
        let profile = self.unlock(who);
        self.wire(who, profile);
        self.ask(who, Intent::Connect);
    }

    /// The process dies: nothing is closed in order.
    fn kill(&mut self, who: &'static str) {
        self.people.get_mut(who).expect("a person").pump = None;
    }

    fn ask(&mut self, who: &'static str, intent: Intent) -> IntentId {
        self.intents += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.intents.to_be_bytes());
        let id = IntentId(id);
        self.pump(who).submit(id, intent);
        id
    }

    fn pump(&mut self, who: &'static str) -> &mut Pump<SqlVault> {
        self.people.get_mut(who).and_then(|person| person.pump.as_mut()).expect("an open profile")
    }

    fn register(&mut self, who: &'static str) {
        let relay = address(&self.meeting);
        self.ask(who, Intent::Register { relay, key: None, token: None });
    }

    fn say(&mut self, who: &'static str, to: &'static str, text: &str) -> MessageId {
        let contact = self.people[to].own;
        let body = self.pump(who).stage(text.as_bytes()).expect("room");
        let len = u32::try_from(text.len()).expect("a short text");
        MessageId(self.ask(who, Intent::Send { contact, body, len }).0)
    }

    /// Lets everything happen that happens within a span.
    fn run(&mut self, span_ms: u64) {
        let end = self.clock.now().0 + span_ms;
        loop {
            let mut deadline = end;
            loop {
                for (who, person) in &mut self.people {
                    let ahead_ms = self.ahead_ms.get(who).copied().unwrap_or_default();
                    let Some(pump) = &mut person.pump else {
                        continue;
                    };
                    let pumped = match pump.pump() {
                        Ok(pumped) => pumped,
                        Err(fault) => {
                            assert_eq!(fault.code, Code::ProfileClosed, "the disk works; only an observer ends a process");
                            person.pump = None;
                            continue;
                        }
                    };
                    person.changes.extend(pumped.changes);
                    person.answers.extend(pumped.answers);
                    deadline = deadline.min(pumped.deadline.map_or(end, |deadline| deadline.0.saturating_add_signed(-ahead_ms)));
                }
                let elsewhere = self.other.as_mut().map_or(0, |(_, relay)| relay.turn().expect("a store that works"));
                if self.relay.turn().expect("a store that works") + elsewhere == 0 {
                    break;
                }
                deadline = end;
            }
            let now = self.clock.now().0;
            if now >= end {
                return;
            }
            self.clock.0.store(deadline.max(now + 1), Ordering::Relaxed);
        }
    }

    fn texts(&self, who: &'static str) -> Vec<(Direction, MessageState, String)> {
        let person = &self.people[who];
        let entropy = share(Box::new(SeededEntropy::new(0)));
        assert!(person.pump.is_none(), "read after the profile is closed");
        let profile = Profile::unlock(&person.folder, &passphrase(), entropy).expect("an intact profile");
        let rows = profile.reader().and_then(|reader| Ok(reader.messages(None, 0, 10_000)?)).expect("an intact vault");
        rows.into_iter().map(|row| (row.direction, row.state, row.text.unwrap_or_default())).collect()
    }

    fn verify(&mut self, who: &'static str) -> thicket_replay::Verified {
        self.kill(who);
        let mut disk = OsDisk::new(&self.people[who].folder);
        let keys = ProfileKeys::unlock(&mut disk, &passphrase()).expect("intact keys");
        let verified = thicket_replay::verify(&mut disk, &keys, None).expect("an intact journal");
        assert!(verified.holds(), "{verified:?}");
        verified
    }
}

fn two(seed: u64, conditions: Conditions) -> World {
    let mut world = World::new(seed, conditions);
    for who in ["alice", "bob"] {
        world.create(who);
        world.register(who);
    }
    world.run(60_000);
    for who in ["alice", "bob"] {
        assert!(world.pump(who).view().registered, "{who}");
    }
    world.ask("alice", Intent::AddContact { name: name("bob") });
    world.run(60_000);
    assert_eq!(world.pump("alice").view().contacts.len(), 1);
    world
}

/// Two who have accepted each other and talked.
fn friends(seed: u64, conditions: Conditions) -> World {
    let mut world = two(seed, conditions);
    world.say("alice", "bob", "hello");
    world.run(60_000);
    let alice = world.people["alice"].own;
    world.ask("bob", Intent::AcceptContact { contact: alice });
    world.say("bob", "alice", "hello back");
    world.run(60_000);
    world
}

fn received(texts: &[(Direction, MessageState, String)]) -> Vec<&str> {
    texts.iter().filter(|(direction, _, _)| *direction == Direction::Received).map(|(_, _, text)| text.as_str()).collect()
}

fn all_delivered(texts: &[(Direction, MessageState, String)]) -> bool {
    texts.iter().all(|(_, state, _)| *state == MessageState::Delivered)
}

#[test]
fn a_message_goes_each_way_and_both_are_told() {
    let mut world = two(1, Conditions::default());
    world.say("alice", "bob", "hello bob");
    world.run(5_000);
    let alice = world.people["alice"].own;
    world.ask("bob", Intent::AcceptContact { contact: alice });
    world.say("bob", "alice", "hello alice");
    world.run(5_000);
    for who in ["alice", "bob"] {
        world.verify(who);
    }
    let (of_alice, of_bob) = (world.texts("alice"), world.texts("bob"));
    assert_eq!(received(&of_bob), ["hello bob"]);
    assert_eq!(received(&of_alice), ["hello alice"]);
    assert!(all_delivered(&of_alice) && all_delivered(&of_bob), "{of_alice:?} {of_bob:?}");
}

#[test]
fn whoever_was_away_gets_everything_once_and_in_order() {
    let mut world = two(2, Conditions::default());
    world.kill("bob");
    let texts: Vec<String> = (0..20).map(|number| format!("while you were away {number}")).collect();
    for text in &texts {
        world.say("alice", "bob", text);
    }
    world.run(5_000);
    assert!(world.pump("alice").view().unsettled.is_empty(), "the relay has stored all");
    world.open("bob");
    world.run(5_000);
    let alice = world.people["alice"].own;
    world.ask("bob", Intent::AcceptContact { contact: alice });
    world.run(5_000);
    for who in ["alice", "bob"] {
        world.verify(who);
    }
    assert_eq!(received(&world.texts("bob")), texts);
    assert!(all_delivered(&world.texts("alice")));
}

#[test]
fn loss_doubling_and_reordering_cost_time_and_no_message() {
    for seed in 10..14 {
        let mut world = two(seed * 100, Conditions { lost: 150, doubled: 100, reordered: 200, seed: 0 });
        let alice = world.people["alice"].own;
        let mut said = (Vec::new(), Vec::new());
        for round in 0..10 {
            let (one, other) = (format!("from alice {round}"), format!("from bob {round}"));
            world.say("alice", "bob", &one);
            said.0.push(one);
            if round == 3 {
                world.kill("bob");
                world.run(1_000);
                world.open("bob");
            }
            if world.pump("bob").view().contacts.iter().any(|contact| contact.fingerprint == alice) {
                world.ask("bob", Intent::AcceptContact { contact: alice });
                world.say("bob", "alice", &other);
                said.1.push(other);
            }
            world.run(2_000);
        }
        world.run(1_800_000);
        for who in ["alice", "bob"] {
            let view = world.pump(who).view();
            assert_eq!((view.unsettled.len(), view.unacknowledged, view.early), (0, 0, 0), "seed {seed} {who}");
            world.verify(who);
        }
        let (of_alice, of_bob) = (world.texts("alice"), world.texts("bob"));
        let sorted = |texts: &[(Direction, MessageState, String)]| {
            let mut texts: Vec<String> = received(texts).into_iter().map(str::to_owned).collect();
            texts.sort();
            texts
        };
        said.0.sort();
        said.1.sort();
        assert_eq!(sorted(&of_bob), said.0, "seed {seed}");
        assert_eq!(sorted(&of_alice), said.1, "seed {seed}");
        assert!(all_delivered(&of_alice) && all_delivered(&of_bob), "seed {seed}");
    }
}

#[test]
fn both_sides_that_begin_at_once_end_in_one_conversation() {
    let mut world = two(3, Conditions::default());
    world.ask("bob", Intent::AddContact { name: name("alice") });
    world.run(5_000);
    world.say("alice", "bob", "crossing from alice");
    world.say("bob", "alice", "crossing from bob");
    world.run(5_000);
    world.say("alice", "bob", "after from alice");
    world.say("bob", "alice", "after from bob");
    world.run(5_000);
    for who in ["alice", "bob"] {
        world.verify(who);
    }
    assert_eq!(received(&world.texts("bob")), ["crossing from alice", "after from alice"]);
    assert_eq!(received(&world.texts("alice")), ["crossing from bob", "after from bob"]);
    assert!(all_delivered(&world.texts("alice")) && all_delivered(&world.texts("bob")));
}

#[test]
fn a_repeated_intent_gets_the_first_answer_and_sends_nothing_twice() {
    let mut world = two(4, Conditions::default());
    let bob = world.people["bob"].own;
    let body = world.pump("alice").stage(b"once").expect("room");
    let id = IntentId([7; 16]);
    for _ in 0..3 {
        world.pump("alice").submit(id, Intent::Send { contact: bob, body, len: 4 });
        world.run(3_000);
    }
    world.kill("alice");
    world.open("alice");
    world.pump("alice").submit(id, Intent::Send { contact: bob, body, len: 4 });
    world.run(3_000);
    let answers: Vec<_> =
        world.people["alice"].answers.iter().filter(|(intent, _)| *intent == id).map(|(_, answer)| answer.clone()).collect();
    assert_eq!(answers, vec![Ok(Answer::Queued(MessageId(id.0))); 4]);
    world.verify("bob");
    assert_eq!(received(&world.texts("bob")), ["once"]);
}

#[test]
fn two_profiles_with_one_seed_write_the_same_journal_bytes() {
    let run = || {
        let mut world = two(5, Conditions { lost: 50, doubled: 50, reordered: 50, seed: 0 });
        world.say("alice", "bob", "the same words");
        world.run(60_000);
        world.kill("alice");
        let folder = world.people["alice"].folder.join("journal");
        let mut files: Vec<_> = std::fs::read_dir(&folder).expect("a journal").map(|entry| entry.expect("a file").path()).collect();
        files.sort();
        files
            .into_iter()
            .map(|file| (file.file_name().map(|name| name.to_owned()), std::fs::read(&file).expect("a file")))
            .collect::<Vec<_>>()
    };
    let (one, other) = (run(), run());
    assert!(!one.is_empty());
    assert!(one == other, "the journals differ");
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let mut world = World::new(6, Conditions::default());
    world.create("alice");
    let nobody = Fingerprint([0; 20]);
    let body = world.pump("alice").stage(b"x").expect("room");
    let refused = |world: &mut World, intent: Intent, code: Code| {
        let id = world.ask("alice", intent);
        world.run(10);
        assert_eq!(world.people["alice"].answers.last(), Some(&(id, Ok(Answer::Refused(code)))));
    };
    refused(&mut world, Intent::Connect, Code::NotRegistered);
    refused(&mut world, Intent::Send { contact: nobody, body, len: 1 }, Code::NotRegistered);
    world.register("alice");
    world.run(1_000);
    refused(&mut world, Intent::Send { contact: nobody, body, len: 1 }, Code::UnknownContact);
    refused(&mut world, Intent::Send { contact: nobody, body, len: 0 }, Code::EmptyMessage);
    refused(&mut world, Intent::Send { contact: nobody, body, len: 65_537 }, Code::MessageTooLong);
    let relay = address(&world.meeting);
    refused(&mut world, Intent::Register { relay, key: None, token: None }, Code::AlreadyRegistered);
    world.ask("alice", Intent::AddContact { name: name("nobody") });
    world.run(1_000);
    assert!(world.people["alice"].changes.contains(&Change::LookupFailed { name: name("nobody"), cause: Code::UnknownName }));
    world.ask("alice", Intent::AddContact { name: name("ALICE") });
    world.run(1_000);
    assert!(world.people["alice"].changes.contains(&Change::LookupFailed { name: name("ALICE"), cause: Code::OwnName }));
}

#[test]
fn a_taken_name_is_refused_in_any_case_and_the_first_owner_keeps_it() {
    let mut world = World::new(7, Conditions::default());
    for who in ["alice", "ALICE"] {
        world.create(who);
        world.register(who);
        world.run(5_000);
    }
    assert!(world.pump("alice").view().registered);
    assert!(!world.pump("ALICE").view().registered);
    assert!(world.people["ALICE"].changes.contains(&Change::RegistrationRefused(Code::NameTaken)));
}

#[test]
fn a_relay_that_does_not_answer_is_said_and_asked_again() {
    let mut world = World::new(8, Conditions::default());
    world.create("alice");
    world.meeting.set_up(false);
    world.register("alice");
    world.run(120_000);
    assert!(world.people["alice"].changes.contains(&Change::Disconnected(Code::RelayUnreachable)));
    world.meeting.set_up(true);
    world.run(600_000);
    assert!(world.pump("alice").view().registered);
}

#[test]
fn a_process_may_die_at_every_point_of_a_message_with_the_real_vault() {
    // Row by row on a transparent vault in tests/crash; here at each point there is, with SQLCipher and MLS.
    for who in ["alice", "bob"] {
        let mut died = 0;
        for point in 0.. {
            let mut world = two(400, Conditions::default());
            world.say("alice", "bob", "first");
            world.run(5_000);
            let alice = world.people["alice"].own;
            world.ask("bob", Intent::AcceptContact { contact: alice });
            world.run(5_000);
            let (mut left, dead) = (point, Arc::new(AtomicU64::new(0)));
            let seen = dead.clone();
            world.pump(who).observe(Box::new(move |_| {
                if left == 0 {
                    seen.store(1, Ordering::Relaxed);
                    return ControlFlow::Break(());
                }
                left -= 1;
                ControlFlow::Continue(())
            }));
            world.say("alice", "bob", "second");
            world.run(5_000);
            if dead.load(Ordering::Relaxed) == 0 {
                break;
            }
            died += 1;
            assert!(world.people[who].pump.is_none(), "the process is dead at point {point}");
            world.open(who);
            world.run(600_000);
            for person in ["alice", "bob"] {
                world.verify(person);
            }
            assert_eq!(received(&world.texts("bob")), ["first", "second"], "{who} died at point {point}");
            assert!(all_delivered(&world.texts("alice")), "{who} died at point {point}");
        }
        assert!(died > 10, "only {died} points were met for {who}");
    }
}

#[test]
fn a_text_that_was_taken_back_is_there_after_a_crash_before_its_row_was_written() {
    // Given a message that no key package was found for, taken back, and a process that dies with that on disk and nothing done.
    let mut world = two(27, Conditions::default());
    world.meeting.set_up(false);
    let message = world.say("alice", "bob", "on second thoughts");
    world.run(1_000);
    world.pump("alice").observe(Box::new(|point| match point {
        crate::Point::Appended { .. } => ControlFlow::Break(()),
        crate::Point::Committed { .. } | crate::Point::Sent { .. } | crate::Point::Dispatched { .. } => ControlFlow::Continue(()),
    }));
    world.ask("alice", Intent::CancelMessage { message });
    world.run(1_000);
    assert!(world.people["alice"].pump.is_none(), "the process is dead");
    // When it is opened again.
    world.open("alice");
    world.run(1_000);
    world.kill("alice");
    // Then the text is there, and can be sent after all.
    assert_eq!(world.texts("alice"), [(Direction::Sent, MessageState::Failed, "on second thoughts".to_owned())]);
}

#[test]
fn words_are_found_on_both_sides_until_the_messages_are_deleted() {
    let mut world = two(26, Conditions::default());
    for text in ["Meet me at the café tomorrow", "the cafeteria is closed", "nothing to find \" OR *"] {
        world.say("alice", "bob", text);
    }
    world.run(5_000);
    let search = |world: &mut World, who: &'static str, words: &str| -> Vec<String> {
        world.kill(who);
        let profile = Profile::unlock(&world.people[who].folder, &passphrase(), share(Box::new(SeededEntropy::new(0)))).expect("intact");
        let rows = profile.look().and_then(|(_, reader)| Ok(reader.search(words, 10)?)).expect("a search");
        rows.into_iter().filter_map(|row| row.text).collect()
    };
    for who in ["alice", "bob"] {
        assert_eq!(search(&mut world, who, "CAFE tom"), ["Meet me at the café tomorrow"]);
        assert_eq!(search(&mut world, who, "cafe").len(), 2);
        assert_eq!(search(&mut world, who, "\" OR *").len(), 1, "what is typed is no query syntax");
        assert_eq!(search(&mut world, who, "absent"), Vec::<String>::new());
        assert_eq!(search(&mut world, who, "  "), Vec::<String>::new());
    }
    world.open("bob");
    let alice = world.people["alice"].own;
    world.ask("bob", Intent::RemoveContact { contact: alice });
    world.run(5_000);
    assert_eq!(search(&mut world, "bob", "cafe"), Vec::<String>::new());
}

#[test]
fn safety_numbers_are_equal_on_both_sides_and_differ_between_people() {
    let mut world = two(20, Conditions::default());
    world.create("carol");
    world.register("carol");
    world.run(5_000);
    world.ask("bob", Intent::AddContact { name: name("alice") });
    world.ask("bob", Intent::AddContact { name: name("carol") });
    world.run(5_000);
    let number = |world: &mut World, who: &'static str, with: &'static str| {
        world.kill(who);
        let profile = Profile::unlock(&world.people[who].folder, &passphrase(), share(Box::new(SeededEntropy::new(0)))).expect("intact");
        let (_, reader) = profile.look().expect("intact");
        reader.safety_number(world.people[with].own).expect("intact").expect("a contact")
    };
    let (ours, theirs, other) =
        (number(&mut world, "alice", "bob"), number(&mut world, "bob", "alice"), number(&mut world, "bob", "carol"));
    assert_eq!(ours, theirs);
    assert_ne!(ours, other);
    assert_eq!(ours.split(' ').map(str::len).collect::<Vec<_>>(), [5; 12]);
}

#[test]
fn a_blocked_contact_is_dropped_unread_until_unblocked() {
    let mut world = two(21, Conditions::default());
    world.say("alice", "bob", "before");
    world.run(5_000);
    let alice = world.people["alice"].own;
    world.ask("bob", Intent::BlockContact { contact: alice, blocked: true });
    world.say("alice", "bob", "meanwhile");
    world.run(60_000);
    let refused = world.say("bob", "alice", "to a blocked one");
    world.run(1_000);
    assert_eq!(world.people["bob"].answers.last(), Some(&(IntentId(refused.0), Ok(Answer::Refused(Code::ContactBlocked)))));
    assert!(world.people["bob"].changes.contains(&Change::Dropped(Code::FromBlocked)));
    world.ask("bob", Intent::BlockContact { contact: alice, blocked: false });
    world.say("alice", "bob", "after");
    world.run(60_000);
    world.verify("bob");
    assert_eq!(received(&world.texts("bob")), ["before", "after"]);
}

#[test]
fn a_removed_contact_leaves_no_row_and_can_be_written_to_anew() {
    for (who, with) in [("alice", "bob"), ("bob", "alice")] {
        let mut world = two(22, Conditions::default());
        world.say("alice", "bob", "hello");
        world.run(5_000);
        let (alice, contact) = (world.people["alice"].own, world.people[with].own);
        world.ask("bob", Intent::AcceptContact { contact: alice });
        world.say("bob", "alice", "hello back");
        world.run(5_000);
        world.ask(who, Intent::RemoveContact { contact });
        world.run(5_000);
        assert!(world.pump(who).view().contacts.is_empty());
        world.kill(who);
        assert_eq!(world.texts(who), []);
        world.open(who);
        world.ask(who, Intent::AddContact { name: name(with) });
        world.run(5_000);
        world.say(who, with, "a new beginning");
        world.run(5_000);
        world.say(with, who, "welcome back");
        world.run(60_000);
        for person in ["alice", "bob"] {
            world.verify(person);
        }
        assert_eq!(received(&world.texts(who)), ["welcome back"], "{who} removed {with}");
        assert_eq!(received(&world.texts(with)).last(), Some(&"a new beginning"));
        assert!(all_delivered(&world.texts(who)) && all_delivered(&world.texts(with)));
    }
}

#[test]
fn a_declined_stranger_is_told_nothing_and_may_ask_again() {
    let mut world = two(23, Conditions::default());
    world.say("alice", "bob", "do you know me?");
    world.run(5_000);
    let alice = world.people["alice"].own;
    world.ask("bob", Intent::DeclineContact { contact: alice });
    world.run(5_000);
    assert!(world.pump("bob").view().contacts.is_empty());
    // Not heard, so her Welcome still goes along: she can be read again.
    world.say("alice", "bob", "please?");
    world.run(5_000);
    assert_eq!(world.pump("bob").view().contacts.len(), 1);
    world.kill("alice");
    world.verify("bob");
    assert_eq!(world.texts("alice").iter().filter(|(_, state, _)| *state == MessageState::Delivered).count(), 0);
}

fn folder_bytes(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
        .into_iter()
        .flat_map(|path| if path.is_dir() { folder_bytes(&path) } else { vec![(path.clone(), std::fs::read(&path).expect("a file"))] })
        .collect()
}

#[test]
fn a_look_changes_no_byte_of_the_journal_and_starts_nothing() {
    let mut world = friends(29, Conditions::default());
    // Given a process that died with an envelope to send and in the middle of a block.
    world.meeting.set_paused(true);
    world.say("alice", "bob", "under way");
    world.run(1_000);
    world.kill("alice");
    let folder = world.people["alice"].folder.clone();
    let is_journal = |path: &Path| !path.to_string_lossy().contains("vault.db");
    let journal = || folder_bytes(&folder).into_iter().filter(|(path, _)| is_journal(path)).collect::<Vec<_>>();
    let newest = journal().into_iter().map(|(path, _)| path).filter(|path| path.parent().is_some_and(|at| at.ends_with("journal"))).max();
    let mut segment = std::fs::OpenOptions::new().append(true).open(newest.expect("a segment")).expect("a file");
    std::io::Write::write_all(&mut segment, &[7; 9]).expect("room");
    drop(segment);
    let before = journal();
    // When it is looked at, alone and beside a process that has it open.
    let (view, reader) = Profile::look_at(&folder, &passphrase()).expect("intact");
    let beside = Profile::unlock(&folder, &passphrase(), share(Box::new(SeededEntropy::new(0)))).expect("intact");
    Profile::look_at(&folder, &passphrase()).expect("intact");
    drop(beside);
    // Then what was written is seen, and not even the torn end is cut: that is for who opens it.
    assert!(reader.messages(None, 0, 100).expect("intact").iter().any(|row| row.text.as_deref() == Some("under way")));
    assert!(!view.contacts.is_empty());
    drop(reader);
    assert!(journal() == before);
    world.meeting.set_paused(false);
    world.open("alice");
    world.run(60_000);
    assert!(journal() != before);
}

/// The lock too: who can read it can hold it, and keep the owner out.
#[cfg(unix)]
#[test]
fn all_that_a_profile_makes_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    fn check(path: &Path, mode: u32, seen: &mut Vec<String>) {
        assert_eq!(std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777, mode, "{}", path.display());
        seen.extend(path.file_name().and_then(|name| name.to_str()).map(str::to_owned));
        for entry in std::fs::read_dir(path).into_iter().flatten().map(|entry| entry.expect("an entry").path()) {
            check(&entry, if entry.is_dir() { 0o700 } else { 0o600 }, seen);
        }
    }
    let world = two(31, Conditions::default());
    let mut seen = Vec::new();
    check(&world.people["alice"].folder, 0o700, &mut seen);
    for name in ["keys", "lock", "journal", "vault.db", "vault.db-wal"] {
        assert!(seen.iter().any(|seen| seen == name), "{name}: {seen:?}");
    }
}

#[test]
fn a_wrong_passphrase_is_said_and_changes_no_byte() {
    let mut world = two(9, Conditions::default());
    world.kill("alice");
    let folder = world.people["alice"].folder.clone();
    let before = folder_bytes(&folder);
    let wrong = Secret::new(b"wrong".to_vec());
    let unlocked = Profile::unlock(&folder, &wrong, share(Box::new(SeededEntropy::new(0))));
    assert_eq!(unlocked.err().map(|fault| fault.code), Some(Code::WrongPassphrase));
    assert!(before == folder_bytes(&folder));
}

#[test]
fn a_changed_passphrase_opens_and_the_old_one_does_not() {
    let mut world = two(24, Conditions::default());
    world.kill("alice");
    let folder = world.people["alice"].folder.clone();
    let entropy = || share(Box::new(SeededEntropy::new(0)));
    let other = Secret::new(b"battery staple".to_vec());
    let mut profile = Profile::unlock(&folder, &passphrase(), entropy()).expect("the old one opens");
    profile.rekey(&other).expect("room");
    drop(profile);
    assert_eq!(Profile::unlock(&folder, &passphrase(), entropy()).err().map(|fault| fault.code), Some(Code::WrongPassphrase));
    let profile = Profile::unlock(&folder, &other, entropy()).expect("the new one opens");
    assert_eq!(profile.look().expect("an intact journal").0.contacts.len(), 1);
}

#[test]
fn a_profile_in_use_is_not_opened_twice_and_none_is_made_over_another() {
    let world = two(15, Conditions::default());
    let folder = world.people["alice"].folder.clone();
    let entropy = || share(Box::new(SeededEntropy::new(0)));
    let twice = Profile::unlock(&folder, &passphrase(), entropy());
    assert_eq!(twice.err().map(|fault| fault.code), Some(Code::ProfileInUse));
    let clock = world.clock.clone();
    drop(world.people);
    let over = Profile::create(&folder, Origin::New(name("eve")), &passphrase(), CHEAP, entropy(), &clock);
    assert_eq!(over.err().map(|fault| fault.code), Some(Code::ProfileExists));
    assert!(Profile::unlock(&folder, &passphrase(), entropy()).is_ok());
    let missing = Profile::unlock(&folder.join("none"), &passphrase(), entropy());
    assert_eq!(missing.err().map(|fault| fault.code), Some(Code::ProfileMissing));
}

#[test]
fn a_journal_restored_from_yesterday_is_seen_and_so_is_a_vault() {
    for restored in ["journal", "vault.db"] {
        let mut world = two(16, Conditions::default());
        world.kill("alice");
        let folder = world.people["alice"].folder.clone();
        let yesterday: Vec<_> = folder_bytes(&folder).into_iter().filter(|(path, _)| path.starts_with(folder.join(restored))).collect();
        world.open("alice");
        world.say("alice", "bob", "today");
        world.run(5_000);
        world.kill("alice");
        match restored {
            "journal" => std::fs::remove_dir_all(folder.join("journal")).expect("a folder"),
            _ => ["vault.db-wal", "vault.db-shm"].iter().for_each(|name| drop(std::fs::remove_file(folder.join(name)))),
        }
        for (path, bytes) in yesterday {
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, bytes).expect("room");
        }
        let profile = Profile::unlock(&folder, &passphrase(), share(Box::new(SeededEntropy::new(0)))).expect("keys and vault are intact");
        let transport = world.meeting.client(&mut SeededEntropy::new(77), None);
        let opened = profile.open(Box::new(transport), Box::new(world.clock.clone()));
        assert_eq!(opened.err().map(|fault| fault.code), Some(Code::RolledBack), "{restored}");
    }
}

#[test]
fn runs_with_other_ids_have_one_view_digest_and_another_life_has_another() {
    let life = |seed: u64, texts: &[&str]| {
        let mut world = two(seed, Conditions::default());
        for text in texts {
            world.say("alice", "bob", text);
            world.run(60_000);
        }
        world.verify("alice")
    };
    let (one, again, other) = (life(700, &["hello", "you"]), life(800, &["hello", "you"]), life(700, &["hello"]));
    assert_ne!(one.state, again.state);
    assert_eq!(one.view, again.view);
    assert_ne!(one.view, other.view);
}
