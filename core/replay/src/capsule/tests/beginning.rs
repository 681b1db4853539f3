//! Capsules that begin with a state, since the records before it are gone.

use super::super::state::state as redraw;
use super::*;
use crate::Course;
use thicket_journal_format::codec;
use thicket_reducer::{Contact, Conversation, Held, Outgoing, Phase, Relay, Session, Settings, Stampable, Standing, Strangers};
use thicket_types::effect::{Change, MessageState, Send};
use thicket_types::ids::RulesVersion;
use thicket_types::intent::Answer;
use thicket_types::limits::{HELD_FRAMES_MAX, OUTBOX_MAX, RECEIPTS_HELD_MAX};
use thicket_types::ports::{Place, Reducer as _};
use thicket_types::vault_op::{Ask, Challenge, Published};

/// Values that are found again, and how each stands in an encoding.
struct Marks {
    next: u64,
    found: Vec<Vec<u8>>,
}

impl Marks {
    fn new() -> Marks {
        Marks { next: 0x5a17_0001, found: Vec::new() }
    }

    fn number(&mut self) -> u64 {
        self.next += 0x0001_0107;
        self.next
    }

    fn id<const N: usize>(&mut self) -> [u8; N] {
        let number = self.number().to_be_bytes();
        let id = std::array::from_fn(|at| number[4 + at % 4]);
        self.found.push(id.to_vec());
        id
    }

    fn text(&mut self) -> String {
        let text = format!("marked-{:x}", self.number());
        self.found.push(text.clone().into_bytes());
        text
    }

    fn group(&mut self) -> GroupId {
        GroupId(self.id())
    }

    fn title(&mut self) -> Title {
        Title::parse(&self.text()).expect("a title")
    }

    fn name(&mut self) -> Name {
        Name::parse(&self.text()).expect("a name")
    }

    fn address(&mut self) -> RelayAddress {
        RelayAddress::parse(&self.text()).expect("an address")
    }

    fn token(&mut self) -> RegistrationToken {
        RegistrationToken::parse(&self.text()).expect("a token")
    }

    /// A number that is written whole, of eight bytes.
    fn long(&mut self) -> u64 {
        let long = 0x0123_0000_0000 + self.number();
        self.found.push(long.to_le_bytes().to_vec());
        long
    }

    /// A number that is written whole, of four bytes.
    fn short(&mut self) -> u32 {
        let short = u32::try_from(self.number()).expect("four bytes");
        self.found.push(short.to_le_bytes().to_vec());
        short
    }

    fn stamp(&mut self) -> Stamp {
        Stamp(self.long())
    }

    fn person(&mut self) -> Fingerprint {
        Fingerprint(self.id())
    }

    fn message(&mut self) -> MessageId {
        MessageId(self.id())
    }

    fn mailbox(&mut self) -> MailboxId {
        MailboxId(self.id())
    }

    fn body(&mut self) -> BodyRef {
        BodyRef(self.id())
    }

    fn frame(&mut self) -> FrameId {
        FrameId(self.id())
    }

    fn relay(&mut self) -> Relay {
        Relay { address: self.address(), key: Some(RelayKey(self.id())) }
    }

    fn challenge(&mut self) -> Challenge {
        Challenge { relay: RelayKey(self.id()), nonce: self.id(), until_ms: self.long() }
    }

    fn stampables(&mut self) -> Vec<Stampable> {
        vec![
            Stampable::Lookup(self.name()),
            Stampable::KeyPackage(self.person()),
            Stampable::Message(self.message()),
            Stampable::Receipt(self.person(), vec![self.message(), self.message()]),
            Stampable::Update(self.person()),
            Stampable::ReadMark(self.person()),
            Stampable::Offer(self.person(), true),
        ]
    }

    /// One of each, or more.
    fn whys(&mut self) -> Vec<Why> {
        let mut whys = vec![
            Why::Challenge,
            Why::Register,
            Why::Login,
            Why::Publish,
            Why::Fetch,
            Why::Acknowledge(vec![self.long(), self.long()]),
            Why::Lookup(self.name()),
            Why::Pin(self.name()),
            Why::KeyPackage(self.person()),
            Why::Begin(self.person()),
            Why::Message(self.message()),
            Why::Receipt(self.person(), vec![self.message(), self.message()]),
            Why::Open(Seq(2), self.stamp()),
            Why::File,
            Why::Abandoned,
            Why::Handing(self.frame()),
            Why::Update(self.person()),
            Why::ReadMark(self.person()),
            Why::Offer(self.person(), false),
            Why::MailboxKey,
            Why::Grant(vec![self.person()], vec![self.person(), self.person()]),
            Why::Tidy,
        ];
        whys.extend(self.stampables().into_iter().map(|of| Why::Stamp(of, 2, self.stamp())));
        whys
    }

    /// One of each, or more.
    fn ops(&mut self) -> Vec<VaultOp> {
        vec![
            VaultOp::Compose(Ask::Challenge),
            VaultOp::Compose(Ask::Lookup(self.name())),
            VaultOp::Compose(Ask::KeyPackage(self.name())),
            VaultOp::Compose(Ask::Fetch { items_max: 3, swap: true }),
            VaultOp::Compose(Ask::Acknowledge { cursors: vec![self.long(), self.long()] }),
            VaultOp::SignRegistration { challenge: self.challenge(), token: Some(self.token()) },
            VaultOp::SignLogin { challenge: self.challenge(), takes_over: false },
            VaultOp::MakeKeyPackages { count: 2, last_resort: true, replaces: true, at: self.stamp() },
            VaultOp::PinContact { name: self.name(), answer: Seq(2), at: self.stamp() },
            VaultOp::BeginConversation { contact: self.person(), answer: Seq(2), at: self.stamp() },
            VaultOp::SealMessage {
                contact: self.person(),
                mailbox: self.mailbox(),
                message: self.message(),
                body: self.body(),
                at: self.stamp(),
            },
            VaultOp::SealReceipt { contact: self.person(), mailbox: self.mailbox(), messages: vec![self.message()], at: self.stamp() },
            VaultOp::OpenEnvelope { envelope: Seq(2), at: self.stamp(), last: true },
            VaultOp::File {
                message: self.message(),
                contact: self.person(),
                body: Some(self.body()),
                at: self.stamp(),
                state: MessageState::Failed,
                cause: Some(Code::TooOld),
            },
            VaultOp::Forget { contact: self.person() },
            VaultOp::Unpin { contact: self.person() },
            VaultOp::UpdateKeys { contact: self.person(), mailbox: self.mailbox(), at: self.stamp() },
            VaultOp::MarkRead { contact: self.person(), message: self.message(), tell: Some(self.mailbox()), at: self.stamp() },
            VaultOp::SealAgain { contact: self.person(), mailbox: self.mailbox(), message: self.message() },
            VaultOp::SealOffer { contact: self.person(), mailbox: self.mailbox(), anew: true, at: self.stamp() },
            VaultOp::BeginFromOffer { contact: self.person(), at: self.stamp() },
            VaultOp::ForgetMessage { contact: self.person(), message: self.message(), sent: true },
            VaultOp::Tidy { at: self.stamp() },
            VaultOp::RotateMailboxKey { at: self.stamp() },
            VaultOp::SetCapabilities { grant: vec![self.person()], renew: vec![self.person()], revoke: vec![self.person()] },
            VaultOp::Stamp { request: Seq(2), relay: RelayKey(self.id()), bits: self.short(), hour: self.long() },
            VaultOp::Published { what: Published::MailboxKey, at: self.stamp() },
            VaultOp::ShowRead { on: true },
            VaultOp::GiveUpGroups,
            VaultOp::Compose(Ask::ReadLog(self.group())),
            VaultOp::CreateGroup { group: self.group(), title: self.title(), public: true },
            VaultOp::LogCreated { group: self.group(), answer: Seq(2) },
            VaultOp::KeepKeyPackage { group: self.group(), contact: self.person(), answer: Seq(2), at: self.stamp() },
            VaultOp::Commit { group: self.group(), adds: vec![self.person(), self.person()] },
            VaultOp::SealPost { group: self.group(), message: self.message(), body: Some(self.body()), at: self.stamp() },
            VaultOp::FollowLog { group: self.group(), answer: Seq(2), at: self.stamp() },
            VaultOp::SealWelcome { group: self.group(), contact: self.person(), mailbox: self.mailbox() },
            VaultOp::Join { envelope: Seq(2), contact: self.person(), at: self.stamp() },
        ]
    }

    fn timers(&mut self) -> Vec<TimerId> {
        vec![
            TimerId::Retry(self.frame()),
            TimerId::Login,
            TimerId::Fetch,
            TimerId::Acknowledge,
            TimerId::Receipts(self.person()),
            TimerId::Advance(self.person()),
            TimerId::Tidy,
            TimerId::Grant,
            TimerId::Resume,
        ]
    }

    fn changes(&mut self) -> Vec<Change> {
        let cause = Code::TooOld;
        vec![
            Change::Answered { intent: IntentId(self.id()), answer: Answer::Queued(self.message()) },
            Change::Answered { intent: IntentId(self.id()), answer: Answer::Accepted },
            Change::Registered,
            Change::RegistrationRefused(cause),
            Change::Connected,
            Change::Disconnected(cause),
            Change::Contact(self.person()),
            Change::LookupFailed { name: self.name(), cause },
            Change::IdentityChanged(self.person()),
            Change::Received { contact: self.person(), message: self.message() },
            Change::Unreadable { contact: self.person(), cause },
            Change::Message { message: self.message(), state: MessageState::Sent },
            Change::Dropped(cause),
            Change::Read { contact: self.person() },
            Change::KeysUpdated(self.person()),
            Change::Forgotten { contact: self.person(), message: self.message() },
        ]
    }

    fn effects(&mut self) -> Vec<Effect> {
        let mut effects: Vec<Effect> = self.ops().into_iter().map(Effect::Vault).collect();
        effects.push(Effect::Send(Send { to: self.address(), lane: Lane::Anonymous, frame: Seq(2) }));
        effects.extend(self.timers().into_iter().map(|timer| Effect::Arm(timer, self.stamp())));
        effects.extend(self.timers().into_iter().map(Effect::Disarm));
        effects.extend(self.changes().into_iter().map(Effect::Notify));
        effects
    }

    fn contact(&mut self) -> Contact {
        Contact {
            name: self.name(),
            mailbox: Some(self.mailbox()),
            standing: Standing::Accepted,
            proved: true,
            held: false,
            looking: true,
            missed: 1,
            conversation: Conversation::Open,
            queue: vec![self.message(), self.message()],
            receipts: vec![self.message(), self.message()],
            receipts_due: true,
            received: 7,
            verified: true,
            looked: Some(self.stamp()),
            updated: self.stamp(),
            acknowledge: true,
            mark: Some(self.message()),
            granted: Some(self.stamp()),
            offered: true,
            offer: Some(true),
            offer_at: Some(self.stamp()),
            asked: true,
            anew: true,
            update: true,
        }
    }

    fn session(&mut self) -> Session {
        let skew = self.long();
        // As it is written: twice as much.
        self.found.push((2 * skew).to_le_bytes().to_vec());
        Session {
            relay: Some(self.relay()),
            phase: Phase::Registered,
            link: thicket_reducer::Link::Online,
            failures: 1,
            waiting: 2,
            looked: true,
            quiet: 3,
            waited: 4,
            since: self.stamp(),
            token: Some(self.token()),
            copied: false,
            takes_over: true,
            restock: true,
            skew_ms: Some(i64::try_from(skew).expect("small")),
            mailbox_key_at: self.stamp(),
            mailbox_key_made: Some(self.stamp()),
            before: Some(self.relay()),
            refill_from: self.stamp(),
            last_resort_from: self.stamp(),
            generation_until: self.stamp(),
        }
    }

    /// A state in which everything is there, and all that can be told from others is marked.
    fn state(&mut self) -> State {
        let mut state = State::default();
        // What only the rules write.
        let fold = |state: &mut State, seq: u64, stamp: Stamp, event: &Event| {
            let place = Place { segment: SegmentId([7; 16]), seq: Seq(seq), stamp };
            thicket_reducer::ClientRules::reduce(RulesVersion(1), state, place, event);
        };
        for number in 0..4 {
            let sealed = Bytes(vec![1; 40]);
            let content = Arrived::Envelope { cursor: self.long(), sender: self.person(), sealed };
            fold(&mut state, 10 + number, self.stamp(), &Event::Arrived(Arrival { frame: self.frame(), lane: Lane::Named, content }));
        }
        state.contacts = (0..3).map(|_| (self.person(), self.contact())).collect();
        state.session = self.session();
        let contact = *state.contacts.keys().next().expect("a contact");
        for number in 0..4 {
            let intent = if number < 2 { Intent::Send { contact, body: self.body(), len: 5 } } else { Intent::SetReadMarks { on: true } };
            let id = IntentId(self.id());
            fold(&mut state, 20 + number, self.stamp(), &Event::Requested { id, intent });
            let queued = matches!(thicket_reducer::first_answer(&state, id), Some(Answer::Queued(_)));
            assert_eq!(queued, number < 2);
        }
        let outgoing = |marks: &mut Marks| Outgoing {
            contact: marks.person(),
            body: Some(marks.body()),
            again: true,
            astray: true,
            state: MessageState::Sent,
            at: marks.stamp(),
        };
        state.outbox.extend((0..3).map(|_| (self.message(), outgoing(self))));
        let held = |marks: &mut Marks| Held { envelope: Seq(2), len: marks.short(), at: marks.stamp() };
        state.early = (0..3).map(|_| (self.person(), vec![held(self), held(self)])).collect();
        state.unacknowledged.extend([self.long(), self.long()]);
        let request = |marks: &mut Marks, why: Why| InFlight {
            why,
            to: marks.address(),
            lane: Lane::Anonymous,
            frame: Seq(2),
            at: marks.stamp(),
            tries: 2,
            stamps: 1,
        };
        let whys = self.whys();
        state.requests.extend(whys.clone().into_iter().map(|why| (self.frame(), request(self, why))));
        let id = |number: usize| EffectId { seq: Seq(3), index: u32::try_from(number).expect("few"), segment: SegmentId([8; 16]) };
        let asked = self.effects().into_iter().zip(whys.into_iter().cycle()).enumerate();
        state.outstanding.extend(asked.map(|(number, (effect, why))| (id(number), Outstanding { effect, why })));
        state.timers.extend(self.timers().into_iter().map(|timer| (timer, self.stamp())));
        state.settings = Settings { read_marks: true };
        state.revoke = (0..3).map(|_| self.person()).collect();
        state.strangers = Strangers { day: self.long(), len: self.long() };
        state.dropped = 9;
        state.vault_count = 10;
        state
    }
}

/// The state in a capsule after a record that was stamped so.
fn redrawn(state: &State, stamp: Stamp, matched: Matched) -> State {
    let mut collected = Collected::default();
    redraw(&mut state.clone(), stamp, Shift::NONE, &mut collected);
    let mut table = collected.draw(matched, &mut Counted(5));
    let mut after = state.clone();
    redraw(&mut after, stamp, Shift::draw(stamp, false, &mut Counted(6)), &mut table);
    assert!(!table.missed(), "both passes go by the same");
    after
}

fn holds(inside: &[u8], mark: &[u8]) -> bool {
    inside.windows(mark.len()).any(|piece| piece == mark)
}

/// A stamp after all that are marked.
const NOW: Stamp = Stamp(1_790_000_000_000);

#[test]
fn of_a_state_in_which_everything_is_there_nothing_stays_that_tells_anybody_apart() {
    let mut marks = Marks::new();
    let state = marks.state();
    let before = codec::encode(&state).expect("room");
    assert!(marks.found.len() > 300, "{}", marks.found.len());
    let written = marks.found.iter().filter(|mark| holds(&before, mark)).count();
    // But for who claims to have sent the envelopes, a difference that is written as twice as much, and what the rules put into the place of
    // four values of the contact who is written to. There are two more contacts.
    assert_eq!(marks.found.len() - written, 4 + 1 + 4);
    for matched in [Matched::AtRandom, Matched::ByRank] {
        let state = redrawn(&state, NOW, matched);
        let after = codec::encode(&state).expect("room");
        let told = Tree::of(&state, true).line();
        for mark in &marks.found {
            assert!(!holds(&after, mark), "{mark:02x?}");
            let hex: String = mark.iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(!told.contains(&hex), "{hex}");
        }
        assert!(!told.contains("marked-"));
    }
}

#[test]
fn a_state_that_is_redrawn_has_as_many_of_everything_and_is_shaped_alike() {
    let mut marks = Marks::new();
    let state = marks.state();
    let after = redrawn(&state, NOW, Matched::ByRank);
    assert_eq!(after.entries(), state.entries());
    // No item of a day that is past counts any more, and no day says which it was.
    assert_eq!((after.strangers.day, after.strangers.len.is_power_of_two()), (0, true));
    assert_eq!(shape(&Tree::of(&after, false)), shape(&Tree::of(&state, false)));
    // Once more it is another, and as large.
    let again = redrawn(&after, NOW, Matched::AtRandom);
    assert_eq!((again.entries(), again == after), (state.entries(), false));
}

#[test]
fn never_and_for_ever_stay_and_all_other_times_of_a_state_are_moved_by_one_span() {
    let mut marks = Marks::new();
    let mut state = marks.state();
    state.session.since = Stamp(0);
    state.session.refill_from = Stamp(u64::MAX);
    state.strangers.day = NOW.0 / Duration::days(1).0;
    let (own, timer) = (state.session.mailbox_key_at, TimerId::Tidy);
    state.timers.insert(timer, NOW.after(Duration(5)));
    // A clock that was at its beginning once.
    state.session.last_resort_from = Stamp(1);
    let after = redrawn(&state, NOW, Matched::AtRandom);
    let shift = Shift::draw(NOW, false, &mut Counted(6));
    assert_eq!((after.session.since, after.session.refill_from), (Stamp(0), Stamp(u64::MAX)));
    assert_eq!((after.session.mailbox_key_at, after.timers[&timer]), (shift.of(own), shift.of(NOW).after(Duration(5))));
    assert!(after.session.last_resort_from > Stamp(0), "what was is not never");
    assert_eq!(after.strangers.day, shift.of(NOW).0 / Duration::days(1).0);
}

/// A journal that begins with the state after a record, as one whose oldest segments have retired: at the first that begins behind a
/// place. Its values are the true ones.
fn begun_behind(place: u64, disk: &mut dyn Disk, keys: &ProfileKeys) -> (CapsuleDisk, ProfileKeys, Newest<State>) {
    let mut before: Option<(Place, State)> = None;
    let mut found = None;
    Replay::read(disk, keys, &mut |step| {
        if let Some((last, state)) = before.take_if(|(last, _)| last.segment != step.place.segment)
            && step.place.seq.0 > place
            && found.is_none()
        {
            let durable = thicket_types::ports::Durable { seq: last.seq, chain: capsule::CHAIN };
            found = Some(Newest { durable, stamp: last.stamp, rules: RulesVersion(1), state, carried: Default::default() });
        }
        before = Some((step.place, step.state.clone()));
    })
    .expect("a journal");
    let found = found.expect("a segment");
    let (disk, keys) = unpack(&written(disk, keys, &found)).expect("whole");
    (disk, keys, found)
}

/// The journal behind a state, as it stands.
fn written(disk: &mut dyn Disk, keys: &ProfileKeys, begins: &Newest<State>) -> Vec<u8> {
    let mut entropy = Counted(77);
    let mut writer = Writer::new(&mut entropy).expect("room");
    writer.begin(begins.rules, begins.durable.seq, begins.stamp, &begins.state).expect("room");
    walk(disk, keys, None, &mut |walked| {
        if walked.place.seq > begins.durable.seq {
            writer.put(&walked, walked.record).expect("room");
        }
    })
    .expect("a journal");
    writer.finish().expect("room")
}

/// The state that folds of a journal begin with.
fn first_state(disk: &mut dyn Disk, keys: &ProfileKeys) -> State {
    let replay = Replay::read(disk, keys, &mut |_| {}).expect("a journal");
    replay.at(disk, keys, Seq(replay.first().0 - 1)).expect("a journal").expect("a state")
}

/// What stays true of a journal and its capsule.
fn makes_the_same(disk: &mut dyn Disk, keys: &ProfileKeys, seed: u64) -> Redacted {
    let redacted = redact(disk, keys, &mut Counted(100 + seed)).expect("a capsule");
    let (mut capsule, its_keys) = open(&redacted.bytes).expect("a capsule");
    let verified = verify(&mut capsule, &its_keys, None).expect("a journal");
    assert_eq!((verified.holds(), verified.from.next()), (true, redacted.begins), "{seed}");
    assert_eq!(redacted.kinds.values().sum::<u64>(), verified.records);
    let ((before, kinds_before, last_before), (after, kinds_after, last_after)) = (told(disk, keys), told(&mut capsule, &its_keys));
    assert_eq!((before.len(), &kinds_before, &last_before), (after.len(), &kinds_after, &last_after), "{seed}");
    let (begins, redrawn) = (first_state(disk, keys), first_state(&mut capsule, &its_keys));
    assert_eq!((begins.entries(), shape(&Tree::of(&begins, false))), (redrawn.entries(), shape(&Tree::of(&redrawn, false))), "{seed}");
    for Sample { seq, before: was, after: is } in &redacted.samples {
        let at = usize::try_from(seq.0 - redacted.begins.0).expect("small");
        assert_eq!((was, is), (&before[at], &after[at]));
    }
    // So it says to who compares, whatever names the two have.
    let course = |disk: &mut dyn Disk, keys: &ProfileKeys| Course::read(disk, keys, false).expect("a journal");
    let parting = Course::compare(&course(disk, keys), &course(&mut capsule, &its_keys));
    assert_eq!((parting.at, parting.same_upto[0]), (None, Seq(redacted.begins.0 + verified.records - 1)), "{seed}");
    redacted
}

#[test]
fn a_capsule_of_any_life_whose_beginning_is_gone_makes_the_same_transitions() {
    let (mut rich, mut matched) = (BTreeSet::new(), Vec::new());
    for seed in 20..26 {
        let (_folder, mut disk, keys) = Rich::new(seed).live(500);
        let (mut disk, keys, begins) = begun_behind(250, &mut disk, &keys);
        let state = &begins.state;
        let there = [
            ("contacts", state.contacts.len() > 3),
            ("outbox", !state.outbox.is_empty()),
            ("early", !state.early.is_empty()),
            ("unacknowledged", !state.unacknowledged.is_empty()),
            ("requests", state.requests.len() > 3),
            ("outstanding", state.outstanding.len() > 3),
            ("timers", state.timers.len() > 3),
            ("seen", state.entries() > 100),
            ("queue", state.contacts.values().any(|known| !known.queue.is_empty())),
            ("receipts", state.contacts.values().any(|known| !known.receipts.is_empty())),
        ];
        rich.extend(there.iter().filter(|(_, there)| *there).map(|(what, _)| *what));
        let redacted = makes_the_same(&mut disk, &keys, seed);
        assert_eq!(redacted.begins, begins.durable.seq.next());
        matched.push(redacted.matched);
    }
    assert_eq!(rich.len(), 10, "{rich:?}");
    assert!(matched.contains(&Matched::AtRandom), "{matched:?}");
}

#[test]
fn a_capsule_of_a_journal_whose_oldest_segments_retired_makes_the_same_transitions() {
    for seed in 50..53 {
        let mut rich = Rich::new(seed);
        for _ in 0..4 {
            rich.go_on(60);
            rich.life.snapshot();
            rich.life.open_again();
            rich.life.wait(Duration::days(31).0);
        }
        rich.go_on(40);
        let (_folder, mut disk, keys) = rich.life.close();
        let mut first = None;
        walk(&mut disk, &keys, None, &mut |walked| first = first.or(Some(walked.place.seq))).expect("an intact journal");
        let redacted = makes_the_same(&mut disk, &keys, seed);
        assert!(redacted.begins > Seq(60) && Some(redacted.begins) == first, "{seed}");
    }
}

#[test]
fn a_capsule_of_a_profile_that_was_restored_makes_the_same_transitions() {
    for seed in 40..43 {
        let mut rich = Rich::new(seed);
        rich.go_on(200);
        let cut = rich.life.durable();
        rich.life.restore(seed + 100);
        rich.go_on(150);
        let (_folder, mut disk, keys) = rich.life.close();
        let redacted = makes_the_same(&mut disk, &keys, seed);
        assert_eq!(redacted.begins, cut.next());
        // Nobody needs the profile to make another of it.
        let (mut capsule, its_keys) = open(&redacted.bytes).expect("a capsule");
        assert_eq!(makes_the_same(&mut capsule, &its_keys, seed + 10).begins, cut.next());
    }
}

#[test]
fn nothing_of_a_life_is_found_in_its_capsule_that_begins_with_a_state() {
    let (_folder, mut disk, keys) = Rich::new(27).live(450);
    let (mut disk, keys, begins) = begun_behind(200, &mut disk, &keys);
    let (before, ..) = told(&mut disk, &keys);
    let mut of_state = All(BTreeSet::new());
    redraw(&mut begins.state.clone(), begins.stamp, Shift::NONE, &mut of_state);
    let mut secrets = values_of(&before);
    // Also what no record tells again.
    let told_nowhere_else = of_state.0.difference(&secrets).count();
    assert!(told_nowhere_else > 50, "{told_nowhere_else}");
    secrets.extend(of_state.0);
    let scanner = Scanner::of_keys(secrets.iter().map(|value| ("a value", value.as_slice())));
    let encoded = |state: &State| codec::encode(state).expect("room");
    assert!(!scanner.scan(&encoded(&begins.state)).is_empty(), "what is there is found");
    let mut others: BTreeSet<Vec<u8>> = BTreeSet::new();
    for seed in [1, 2] {
        let redacted = redact(&mut disk, &keys, &mut Counted(seed << 40)).expect("a capsule");
        let (mut capsule, its_keys) = open(&redacted.bytes).expect("a capsule");
        let (after, ..) = told(&mut capsule, &its_keys);
        let state = first_state(&mut capsule, &its_keys);
        for inside in [&redacted.bytes, &plain(&after), &encoded(&state)] {
            assert_eq!(scanner.scan(inside), BTreeSet::new());
        }
        let mut own = All(values_of(&after));
        redraw(&mut state.clone(), begins.stamp, Shift::NONE, &mut own);
        assert_eq!(own.0.len(), secrets.len(), "as many of each as there were");
        assert!(own.0.is_disjoint(&secrets) && own.0.is_disjoint(&others));
        others.extend(own.0);
    }
}

#[test]
fn a_capsule_whose_snapshot_is_damaged_or_of_another_place_is_refused() {
    let (_folder, mut disk, keys) = Rich::new(28).live(120);
    let (mut disk, keys, begins) = begun_behind(20, &mut disk, &keys);
    let whole = redact(&mut disk, &keys, &mut Counted(1)).expect("a capsule").bytes;
    let parts = capsule::parse(&whole).expect("whole");
    let segments: Vec<&[u8]> = parts.segments.iter().map(|(_, bytes)| bytes.as_slice()).collect();
    let (_, snapshot) = parts.snapshot.clone().expect("a snapshot");
    let made = |snapshot: Option<&[u8]>, segments: &[&[u8]]| capsule::encode(&parts.keys, snapshot, segments).expect("room");
    assert!(open(&made(Some(&snapshot), &segments)).is_ok());
    // A seal that does not open.
    let mut altered = snapshot.clone();
    *altered.last_mut().expect("a byte") ^= 1;
    assert_eq!(open(&made(Some(&altered), &segments)).err().map(|fault| fault.code), Some(Code::CapsuleDamaged));
    // A chain that has another beginning, or none: said as of a profile.
    let read = |bytes: &[u8]| {
        let (mut disk, keys) = open(bytes).expect("whole");
        Replay::read(&mut disk, &keys, &mut |_| {}).err().map(|fault| fault.code)
    };
    assert_eq!(read(&made(None, &segments)), Some(Code::JournalDamaged));
    assert_eq!(read(&made(Some(&snapshot), &segments[1..])), Some(Code::RolledBack));
    assert_eq!(read(&made(Some(&snapshot), &[])), Some(Code::RolledBack));
    // Of a newer version's rules.
    let newer = Newest { rules: RulesVersion(9), ..begins };
    assert_eq!(unpack(&written(&mut disk, &keys, &newer)).err().map(|fault| fault.code), Some(Code::ProfileNewer));
}

#[test]
fn a_capsule_that_begins_with_more_than_the_rules_hold_is_not_opened() {
    let (_folder, mut disk, keys) = Rich::new(29).live(120);
    let (mut disk, keys, begins) = begun_behind(20, &mut disk, &keys);
    let mut opened = |change: &mut dyn FnMut(&mut State)| {
        let mut state = begins.state.clone();
        change(&mut state);
        let newest = Newest { state, durable: begins.durable, stamp: begins.stamp, rules: begins.rules, carried: Default::default() };
        open(&written(&mut disk, &keys, &newest)).err().map(|fault| fault.code)
    };
    let messages =
        |count: usize| (0..count).map(|number| MessageId(u128::try_from(number).expect("small").to_be_bytes())).collect::<Vec<_>>();
    let frame = |number: usize| {
        let mut frame = [9; 32];
        frame[..8].copy_from_slice(&number.to_be_bytes());
        FrameId(frame)
    };
    let request = |why: Why| InFlight { why, to: address(0), lane: Lane::Anonymous, frame: Seq(1), at: Stamp(1), tries: 0, stamps: 0 };
    let of_bob = |count: usize| Why::Receipt(person(1).0, messages(count));
    assert_eq!(opened(&mut |_| {}), None);
    // A list that the rules go through for one contact, and one that they copy with a request.
    for (count, code) in [(RECEIPTS_HELD_MAX, None), (RECEIPTS_HELD_MAX + 1, Some(Code::CapsuleDamaged))] {
        let refused = opened(&mut |state| {
            let mut known = Marks::new().contact();
            known.receipts = messages(count);
            state.contacts.insert(person(1).0, known);
        });
        assert_eq!(refused, code);
    }
    assert_eq!(opened(&mut |state| drop(state.requests.insert(frame(0), request(of_bob(256))))), None);
    assert_eq!(opened(&mut |state| drop(state.requests.insert(frame(0), request(of_bob(4_096))))), Some(Code::CapsuleDamaged));
    let asked = |count: usize| Outstanding {
        effect: Effect::Vault(VaultOp::SetCapabilities { grant: vec![person(0).0; count], renew: Vec::new(), revoke: Vec::new() }),
        why: Why::Tidy,
    };
    let id = EffectId { seq: Seq(1), index: 900, segment: SegmentId([9; 16]) };
    assert_eq!(opened(&mut |state| drop(state.outstanding.insert(id, asked(64)))), None);
    assert_eq!(opened(&mut |state| drop(state.outstanding.insert(id, asked(4_096)))), Some(Code::CapsuleDamaged));
    for (count, code) in [(1_000, None), (5_000, Some(Code::CapsuleDamaged))] {
        assert_eq!(opened(&mut |state| state.requests.extend((0..count).map(|number| (frame(number), request(of_bob(256)))))), code);
    }
    // What waits for a contact, and what is under way in all.
    let held = Held { envelope: Seq(1), len: 1, at: Stamp(1) };
    assert_eq!(opened(&mut |state| drop(state.early.insert(person(2).0, vec![held; HELD_FRAMES_MAX + 1]))), Some(Code::CapsuleDamaged));
    for (contacts, code) in [(1, None), (2, Some(Code::CapsuleDamaged))] {
        let refused = opened(&mut |state| {
            state.contacts.values_mut().for_each(|known| known.queue.clear());
            for number in 0..contacts {
                let known = Contact { queue: messages(OUTBOX_MAX), ..Marks::new().contact() };
                state.contacts.insert(person(number).0, known);
            }
        });
        assert_eq!(refused, code, "messages of {contacts} contacts that wait");
    }
    let many = |state: &mut State| state.requests.extend((0..CAPSULE_UNDER_WAY_MAX).map(|number| (frame(number), request(Why::Fetch))));
    assert_eq!(opened(&mut |state| many(state)), Some(Code::CapsuleDamaged));
}

#[test]
fn no_state_that_a_stranger_made_up_has_the_rules_panic() {
    let (_folder, mut disk, keys) = Rich::new(30).live(300);
    let (records, ..) = told(&mut disk, &keys);
    // All numbers that the rules add to, at their ends.
    let mut made_up = Marks::new().state();
    for stamp in [Stamp(0), Stamp(u64::MAX)] {
        let session = &mut made_up.session;
        (session.failures, session.waiting, session.quiet, session.waited) = (u32::MAX, u32::MAX, u32::MAX, u32::MAX);
        (session.since, session.mailbox_key_at, session.refill_from) = (stamp, stamp, stamp);
        for known in made_up.contacts.values_mut() {
            (known.missed, known.received, known.updated) = (u32::MAX, u64::MAX, stamp);
        }
        for request in made_up.requests.values_mut() {
            (request.tries, request.stamps, request.at, request.frame) = (u32::MAX, u32::MAX, stamp, Seq(u64::MAX));
        }
        for held in made_up.early.values_mut().flatten() {
            (held.len, held.at) = (u32::MAX, stamp);
        }
        made_up.strangers = Strangers { day: stamp.0, len: u64::MAX };
        (made_up.dropped, made_up.vault_count) = (u64::MAX, u64::MAX);
        // What is under way there is answered, resolved and elapsed too.
        let waits: Vec<FrameId> = made_up.requests.keys().copied().collect();
        let said = Said::Refusal(wire::Refusal { code: Code::StampNeeded.number(), stamp_bits: 9 });
        let answers = waits.iter().map(|to| {
            let answer = wire::Answer { version: 1, to: to.0.to_vec(), clock_ms: u64::MAX, said: Some(said.clone()) };
            Event::Arrived(Arrival { frame: *to, lane: Lane::Named, content: Arrived::Answer { answer: Bytes(answer.encode_to_vec()) } })
        });
        let resolved = made_up.outstanding.keys().map(|effect| Event::Resolved {
            effect: *effect,
            outcome: Outcome::Refused(Code::NoConversation),
            vault_count: u64::MAX,
        });
        let elapsed = made_up.timers.keys().map(|timer| Event::Elapsed { timer: *timer, fault: false });
        let made: Vec<Event> = elapsed.chain(answers).chain(resolved).collect();
        for order in [false, true] {
            let mut state = made_up.clone();
            let told: Vec<&Event> = records.iter().map(|record| &record.event).collect();
            let made: Vec<&Event> = made.iter().collect();
            let events = if order { [made, told] } else { [told, made] }.concat();
            for (number, event) in (0..).zip(events) {
                let place = Place { segment: SegmentId([3; 16]), seq: Seq(u64::MAX - 9_000 + number), stamp };
                thicket_reducer::ClientRules::reduce(RulesVersion(1), &mut state, place, event);
            }
        }
    }
}

#[test]
fn a_capsule_that_is_damaged_behind_too_much_is_not_opened_either() {
    let (_folder, mut disk, keys) = unopened(CAPSULE_UNDER_WAY_MAX + 6_000).close();
    let mut parts = capsule::parse(&made_by_hand(&mut disk, &keys)).expect("whole");
    // In a block with another behind it: no torn end.
    for (_, segment) in &mut parts.segments {
        let at = segment.len() - segment.len() / 16;
        segment[at] ^= 1;
    }
    let segments: Vec<&[u8]> = parts.segments.iter().map(|(_, bytes)| bytes.as_slice()).collect();
    let bytes = capsule::encode(&parts.keys, None, &segments).expect("room");
    let (mut capsule, its_keys) = unpack(&bytes).expect("whole");
    let mut folded = 0;
    // Whoever reads up to there would fold it.
    let damaged = Replay::read(&mut capsule, &its_keys, &mut |_| folded += 1).err().map(|fault| fault.code);
    assert_eq!((damaged, folded > CAPSULE_UNDER_WAY_MAX), (Some(Code::JournalDamaged), true));
    assert_eq!(open(&bytes).err().map(|fault| fault.code), Some(Code::CapsuleDamaged));
}
