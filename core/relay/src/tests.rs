use super::*;
use std::sync::Mutex;
use thicket_store::MemoryStore;
use thicket_transport::{Conditions, Loopback, LoopbackClient, LoopbackRelay};
use thicket_types::error::Code;
use thicket_types::event::Lane;
use thicket_types::ids::{Digest, Fingerprint, FrameId, Incarnation, LogId, MailboxId};
use thicket_types::limits::{LANE_REQUESTS_MAX, PADDING_CLASSES, RELAY_TURN_LEN_MAX, RELAY_TURN_MAX, RETENTION};
use thicket_types::name::{Name, NameKey};
use thicket_types::ports::{
    Account, CertificateFacts, DoneNumbers, LogEntry, LogHead, LogLane, Logs, NewEntry, NewItem, NewLog, OpenChallenge, PostingKey,
    PutOutcome, Quota, Readable, ReplyPath, Session, Stock, StoredKeyPackage, Transport as _, VerifyError,
};
use thicket_types::wire::VERSION;
use thicket_types::wire::relay::answer::Said;
use thicket_types::wire::relay::request::Ask;
use thicket_types::wire::relay::{Answer, ChallengeAsk, Lookup, Put, Request};

struct Counting(u8);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) {
        self.0 = self.0.wrapping_add(1);
        out.fill(self.0);
    }
}

#[derive(Clone)]
struct Standing(Arc<Mutex<Stamp>>);

impl Clock for Standing {
    fn now(&self) -> Stamp {
        *self.0.lock().expect("nothing panics with it")
    }
}

/// Believes nothing, and takes the first bytes for a digest.
struct Doubting;

impl Verify for Doubting {
    fn certificate(&self, _: &[u8]) -> Result<CertificateFacts, VerifyError> {
        Err(VerifyError::Certificate)
    }

    fn signature(&self, _: &[u8], _: &str, _: &[u8], _: &[u8]) -> Result<(), VerifyError> {
        Err(VerifyError::Signature)
    }

    fn digest(&self, bytes: &[u8]) -> Digest {
        let mut digest = [0; 32];
        for (at, byte) in bytes.iter().enumerate() {
            digest[at % 32] ^= byte.rotate_left(u32::try_from(at / 32 % 8).expect("small"));
        }
        Digest(digest)
    }
}

/// A store in memory whose commit can fail.
#[derive(Default)]
struct Failing {
    inner: MemoryStore,
    fails: bool,
}

macro_rules! as_inner {
    ($($name:ident($($given:ident: $type:ty),*) -> $out:ty;)*) => {
        $(fn $name(&mut self, $($given: $type),*) -> Result<$out, StoreError> {
            self.inner.$name($($given),*)
        })*
    };
}

impl Logs for Failing {
    as_inner! {
        incarnation() -> Incarnation;
        logs() -> u64;
        log(log: LogId) -> Option<LogHead>;
        create_log(new: &NewLog<'_>) -> ();
        log_lane(log: LogId, lane: Digest) -> Option<LogLane>;
        set_log_lanes(log: LogId, add: &[LogLane], remove: &[Digest]) -> ();
        posting_key(log: LogId, key: Digest) -> Option<PostingKey>;
        retire_posting_keys(log: LogId) -> ();
        readable(log: LogId, key: Digest) -> Option<Readable>;
        entry_number(log: LogId, frame: FrameId) -> Option<u64>;
        append_entry(entry: &NewEntry<'_>) -> u64;
        entries(log: LogId, from: u64, upto: u64, count_max: u32, len_max: usize) -> Vec<LogEntry>;
    }
}

impl Store for Failing {
    as_inner! {
        account(name: &NameKey) -> Option<Account>;
        put_account(name: &NameKey, account: &Account) -> ();
        put_challenge(nonce: [u8; 32], challenge: &OpenChallenge) -> ();
        challenge_of(tag: LaneTag) -> Option<([u8; 32], OpenChallenge)>;
        take_challenge(nonce: [u8; 32]) -> Option<OpenChallenge>;
        bind_lane(tag: LaneTag, name: &NameKey, session: [u8; 32]) -> ();
        lane(tag: LaneTag) -> Option<NameKey>;
        session(tag: LaneTag) -> Option<Session>;
        set_done(tag: LaneTag, done: DoneNumbers) -> ();
        lane_of(mailbox: MailboxId) -> Option<LaneTag>;
        accounts() -> u64;
        set_mailbox_key(name: &NameKey, statement: &[u8], signature: &[u8]) -> ();
        generation(name: &NameKey) -> Option<[u8; 16]>;
        set_generation(name: &NameKey, generation: [u8; 16]) -> ();
        add_key_packages(name: &NameKey, suite: u32, one_time: &[Vec<u8>], last_resort: Option<&[u8]>, at: Stamp) -> ();
        remove_key_packages(name: &NameKey) -> ();
        take_key_package(name: &NameKey, suites: &[u32], from: Stamp) -> Option<StoredKeyPackage>;
        key_packages(name: &NameKey, from: Stamp) -> Stock;
        set_capabilities(mailbox: MailboxId, add: &[Digest], remove: &[Digest]) -> ();
        capability(mailbox: MailboxId, capability: Digest) -> bool;
        spend(stamp: Digest, on: MailboxId, until: Stamp) -> bool;
        stamps_spent() -> u64;
        stamps_spent_on(on: MailboxId) -> u64;
        put_item(item: &NewItem<'_>) -> PutOutcome;
        items(mailbox: MailboxId, count_max: u32) -> Vec<(u64, Vec<u8>)>;
        count(mailbox: MailboxId) -> u64;
        count_of(mailbox: MailboxId, quota: Quota) -> u64;
        remove_items(mailbox: MailboxId, cursors: &[u64]) -> ();
        answer(tag: LaneTag, frame: FrameId) -> Option<Vec<u8>>;
        remember_answer(tag: LaneTag, frame: FrameId, answer: &[u8], at: Stamp) -> ();
        clean(now: Stamp, retention: Duration) -> u64;
        roll_back() -> ();
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        if self.fails { Err(StoreError::Failed) } else { self.inner.commit() }
    }
}

const MAILBOX: MailboxId = MailboxId([5; 16]);
const START: Stamp = Stamp(1_790_000_000_000);

struct Place {
    relay: Relay<Failing, LoopbackRelay>,
    client: LoopbackClient,
    address: String,
    clock: Standing,
    nonces: u64,
}

/// A relay with bob's account, and a client.
fn place(policy: Policy) -> Place {
    let (meeting, end) = Loopback::new("test", Conditions::default());
    let clock = Standing(Arc::new(Mutex::new(START)));
    let world = World { entropy: Box::new(Counting(0)), clock: Box::new(clock.clone()), verify: Box::new(Doubting), policy };
    let mut relay = Relay::new(Failing::default(), end, &[9; 32], world);
    let bob = Account {
        name: "bob".to_owned(),
        fingerprint: Fingerprint([5; 20]),
        certificate: vec![5],
        mailbox: MAILBOX,
        mailbox_key_statement: vec![5],
        mailbox_key_signature: vec![5],
    };
    relay.store().put_account(&name("bob"), &bob).expect("kept");
    relay.store().commit().expect("durable");
    let client = meeting.client(&mut Counting(100), None);
    Place { relay, client, address: meeting.address().to_owned(), clock, nonces: 0 }
}

fn name(text: &str) -> NameKey {
    Name::parse(text).expect("a name").key()
}

fn open() -> Policy {
    Policy { stamp_bits: 0, ..Policy::default() }
}

impl Place {
    fn send(&mut self, ask: Ask) {
        self.send_on(Lane::Anonymous, ask);
    }

    fn send_on(&mut self, lane: Lane, ask: Ask) {
        self.nonces += 1;
        let frame = Request { version: VERSION, nonce: self.nonces.to_be_bytes().repeat(2), ask: Some(ask) }.encode_to_vec();
        self.client.send(&self.address, lane, &frame).expect("the way is up");
    }

    fn answers(&mut self) -> Vec<Said> {
        let frames = std::iter::from_fn(|| self.client.poll());
        let answers = frames.filter_map(|(_, frame)| match FromRelay::decode(frame.as_slice()).expect("a frame").kind {
            Some(Kind::Answer(Signed { answer, .. })) => Answer::decode(answer.as_slice()).expect("an answer").said,
            _ => None,
        });
        answers.collect()
    }
}

fn put(envelope: u8) -> Ask {
    Ask::Put(Put { mailbox: MAILBOX.0.to_vec(), envelope: vec![envelope; 40], capability: Vec::new(), stamp: None })
}

#[test]
fn requests_refusals_and_new_items_are_counted() {
    let mut place = place(open());
    for ask in
        [put(1), put(1), put(2), Ask::Lookup(Lookup { name: "carol".to_owned() }), Ask::Challenge(ChallengeAsk { name: "bob".to_owned() })]
    {
        place.send(ask);
    }
    assert_eq!(place.relay.turn(), Ok(5));
    assert_eq!(place.relay.turn(), Ok(0));
    assert_eq!(place.relay.counters().counts(), Counts { handled: 5, refused: 1, stored: 2, failed: 0 });
    assert_eq!(place.answers().len(), 5);
}

#[test]
fn a_turn_whose_commit_fails_answers_nothing_and_counts_as_failed_alone() {
    let mut place = place(open());
    place.relay.store().fails = true;
    place.send(put(1));
    assert_eq!(place.relay.turn(), Err(StoreError::Failed));
    assert_eq!((place.answers(), place.relay.store().count(MAILBOX)), (Vec::new(), Ok(0)));
    place.relay.store().fails = false;
    place.send(put(1));
    assert_eq!(place.relay.turn(), Ok(1));
    assert!(matches!(place.answers().as_slice(), [Said::Stored(_)]));
    assert_eq!(place.relay.counters().counts(), Counts { handled: 1, refused: 0, stored: 1, failed: 1 });
}

#[test]
fn mail_is_kept_as_long_as_the_policy_says() {
    for (policy, retention) in [(Policy { retention: Duration::days(2), ..open() }, Duration::days(2)), (open(), RETENTION)] {
        let mut place = place(policy);
        place.send(put(1));
        assert_eq!(place.relay.turn(), Ok(1));
        for (passed, kept) in [(retention, 1), (Duration(retention.0 + CLEAN_EVERY.0), 0)] {
            *place.clock.0.lock().expect("nothing panics with it") = START.after(passed);
            assert_eq!(place.relay.turn(), Ok(0));
            assert_eq!(place.relay.store().count(MAILBOX), Ok(kept), "after {passed:?}");
        }
    }
}

#[test]
fn the_policy_is_what_requests_are_judged_by() {
    let mut place = place(Policy { mailbox_items_max: 1, ..open() });
    place.send(put(1));
    place.send(put(2));
    assert_eq!(place.relay.turn(), Ok(2));
    let answers = place.answers();
    assert!(matches!(&answers[1], Said::Refusal(refusal) if refusal.code == Code::MailboxFull.number()), "{answers:?}");
}

#[test]
fn a_turn_handles_so_many_requests_and_the_next_one_the_rest() {
    let mut place = place(open());
    for _ in 0..=RELAY_TURN_MAX {
        place.send(Ask::Challenge(ChallengeAsk { name: "bob".to_owned() }));
    }
    let most = usize::try_from(RELAY_TURN_MAX).expect("small");
    assert_eq!([place.relay.turn(), place.relay.turn(), place.relay.turn()], [Ok(most), Ok(1), Ok(0)]);
    assert_eq!(place.answers().len(), most + 1);
}

#[test]
fn a_lane_that_floods_from_turn_to_turn_is_refused_and_another_is_not() {
    let mut place = place(open());
    let ask = || Ask::Challenge(ChallengeAsk { name: "bob".to_owned() });
    for _ in 0..=LANE_REQUESTS_MAX {
        place.send(ask());
    }
    while place.relay.turn() != Ok(0) {}
    let answers = place.answers();
    let (last, before) = answers.split_last().expect("all are answered");
    assert!(before.iter().all(|said| matches!(said, Said::Challenge(_))));
    assert!(matches!(last, Said::Refusal(refusal) if refusal.code == Code::RelayBusy.number()), "{last:?}");
    place.send(ask());
    place.send_on(Lane::Named, ask());
    assert_eq!(place.relay.turn(), Ok(2));
    assert!(matches!(place.answers().as_slice(), [Said::Challenge(_), Said::Refusal(_)]), "the named lane is polled first");
}

/// What is read for a request waits in memory for the commit, so that many requests for much would fill it.
/// Bob's lane, with these ways back, and behind or not.
fn bobs_lane(place: &mut Place, paths: u64, behind: bool) -> LaneTag {
    let tag = LaneTag([1; 16]);
    place.relay.store().bind_lane(tag, &name("bob"), [0; 32]).expect("bound");
    place.relay.store().commit().expect("durable");
    place.relay.paths.keep(tag, (0..paths).map(ReplyPath));
    place.relay.paths.set_behind(tag, behind);
    tag
}

#[test]
fn nothing_new_is_pushed_past_mail_that_waits() {
    for (behind, paths, pushed) in [(false, 5, 3), (true, 5, 0), (false, 2, 2)] {
        let mut place = place(open());
        let tag = bobs_lane(&mut place, paths, behind);
        for envelope in 0..3 {
            place.send(put(envelope));
        }
        place.relay.turn().expect("a store that works");
        let left = std::iter::from_fn(|| place.relay.paths.take(tag)).count();
        assert_eq!(u64::try_from(left).expect("small"), paths - pushed, "{behind} {paths}");
        // What found no way leaves the lane behind, until a fetch brings all.
        assert_eq!(place.relay.paths.is_behind(tag), behind || pushed < 3);
    }
}

#[test]
fn a_turn_ends_when_what_is_to_leave_is_long_and_the_next_one_handles_the_rest() {
    let mut place = place(Policy { request_box_items_max: 1_000, ..open() });
    // Given an owner who is logged in: each envelope for them is to leave in the turn in which it comes.
    bobs_lane(&mut place, 0, false);
    let [.., longest] = PADDING_CLASSES;
    let most = RELAY_TURN_LEN_MAX.div_ceil(longest);
    for number in 0..=most {
        let mut envelope = vec![0; longest];
        envelope[..8].copy_from_slice(&number.to_be_bytes());
        place.send(Ask::Put(Put { mailbox: MAILBOX.0.to_vec(), envelope, capability: Vec::new(), stamp: None }));
    }
    // Then a turn takes what goes past the bound with its last request alone, and all are answered in the end.
    assert_eq!([place.relay.turn(), place.relay.turn(), place.relay.turn()], [Ok(most), Ok(1), Ok(0)]);
    let answers = place.answers();
    assert!(answers.len() == most + 1 && answers.iter().all(|answer| matches!(answer, Said::Stored(_))), "{}", answers.len());
}
