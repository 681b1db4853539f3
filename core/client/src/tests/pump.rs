//! What the machine takes at once, and when it does by itself what nobody asked for.

use super::*;
use crate::pump::{Point, Pumped};
use prost::Message as _;
use std::collections::VecDeque;
use thicket_engine::Engine;
use thicket_reducer::ClientRules;
use thicket_types::bytes::Bytes;
use thicket_types::event::{Arrival, Arrived, Outcome};
use thicket_types::ids::{BodyRef, EffectId, Fingerprint, FrameId, RelayKey, Seq};
use thicket_types::limits::{
    FRAMES_TURN_MAX, LANE_AWAY_FROM_LOGIN, LANE_EVERY, LANE_FOR_MAX, LEFT_MAX, SNAPSHOT_AGAIN_AFTER, SNAPSHOT_EVERY, STRANGERS_LEN_MAX,
    TAKES_PUMP_MAX, VAULT_BATCH_MAX, VAULT_LOG_AGAIN_AFTER, VAULT_LOG_FOR, VAULT_RETRY_AFTER,
};
use thicket_types::ports::{Durable, Remembered, Vault, VaultCall};
use thicket_types::vault_op::VaultOp;
use thicket_types::wire::relay as wire;
use wire::answer::Said;

/// What the machine's ports saw, and what they are to do.
#[derive(Default)]
struct Ports {
    /// How many ops each transaction had.
    transactions: Vec<usize>,
    vault_fails: bool,
    /// Frames for the client.
    frames: VecDeque<Vec<u8>>,
    /// What the relay answers, request by request.
    said: VecDeque<Said>,
    renewed: Vec<Lane>,
    /// How often the vault's log was to be emptied.
    emptied: usize,
    /// Whether a reader holds that up.
    read: bool,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Ports>>);

impl Shared {
    fn with<T>(&self, look: impl FnOnce(&mut Ports) -> T) -> T {
        look(&mut self.0.lock().expect("no thread panics"))
    }
}

/// A vault that makes a frame of each ask: its bytes are its id.
impl Vault for Shared {
    fn run(&mut self, _: Durable, calls: &[VaultCall]) -> Result<(Vec<Outcome>, u64), Code> {
        self.with(|ports| {
            ports.transactions.push(calls.len());
            if ports.vault_fails {
                return Err(Code::DiskFull);
            }
            let outcome = |call: &VaultCall| match &call.op {
                VaultOp::Compose(_) | VaultOp::SignRegistration { .. } | VaultOp::SignLogin { .. } => {
                    let mut id = [0; 32];
                    id[..8].copy_from_slice(&call.effect.seq.0.to_be_bytes());
                    Outcome::Framed { frame: FrameId(id), bytes: Bytes(id.to_vec()) }
                }
                _ => Outcome::Done,
            };
            Ok((calls.iter().map(outcome).collect(), 0))
        })
    }

    fn stage(&mut self, _: &[u8]) -> Result<BodyRef, Code> {
        Ok(BodyRef([0; 16]))
    }

    fn unstage(&mut self, _: BodyRef) -> Result<(), Code> {
        Ok(())
    }

    fn sweep(&mut self, _: &[BodyRef]) -> Result<u64, Code> {
        Ok(0)
    }

    fn prune(&mut self, _: Seq, _: &[EffectId]) -> Result<u64, Code> {
        Ok(0)
    }

    fn rejoin(&mut self, _: Durable, _: u64) -> Result<(), Code> {
        Ok(())
    }

    fn remembered(&mut self) -> Result<Remembered, Code> {
        Ok(Remembered { durable: None, count: u64::MAX })
    }

    fn empty_log(&mut self) -> Result<bool, Code> {
        self.with(|ports| {
            ports.emptied += 1;
            Ok(!ports.read)
        })
    }

    /// Eight bytes are an item that can't be opened, at that place; a byte more, an envelope of a stranger, too long for a day's
    /// budget but for the first; anything else is an answer.
    fn admit(&mut self, frame: &[u8], lane: Lane, _: Option<RelayKey>) -> Result<Option<Arrival>, Code> {
        let mut id = [7; 32];
        let content = if let Ok(cursor) = <[u8; 8]>::try_from(frame) {
            id[..8].copy_from_slice(&cursor);
            Arrived::Unsealable { cursor: u64::from_be_bytes(cursor), cause: Code::Unsealable }
        } else if let Ok(cursor) = <[u8; 9]>::try_from(frame) {
            id[..9].copy_from_slice(&cursor);
            let cursor = cursor[1..].iter().fold(0, |cursor, byte| cursor << 8 | u64::from(*byte));
            let len = if cursor == 0 { 8 } else { usize::try_from(STRANGERS_LEN_MAX).expect("64 bits") };
            let sealed = Bytes(vec![0; len]);
            Arrived::Envelope { cursor, sender: Fingerprint([1; 20]), sealed }
        } else {
            Arrived::Answer { answer: Bytes(frame.to_vec()) }
        };
        Ok(Some(Arrival { frame: FrameId(id), lane, content }))
    }
}

impl Transport for Shared {
    fn send(&mut self, _: &str, _: Lane, frame: &[u8]) -> Result<(), Unreachable> {
        self.with(|ports| {
            if let Some(said) = ports.said.pop_front() {
                let answer = wire::Answer { version: 1, to: frame.to_vec(), clock_ms: 0, said: Some(said) };
                ports.frames.push_back(answer.encode_to_vec());
            }
            Ok(())
        })
    }

    fn poll(&mut self) -> Option<(Lane, Vec<u8>)> {
        self.with(|ports| ports.frames.pop_front()).map(|frame| (Lane::Named, frame))
    }

    fn renew(&mut self, lane: Lane) {
        self.with(|ports| ports.renewed.push(lane));
    }

    fn broke(&mut self, _: Lane) -> bool {
        false
    }
}

struct Machine {
    pump: Pump<Shared>,
    ports: Shared,
    clock: ManualClock,
    folder: TempDir,
}

impl Machine {
    fn new() -> Machine {
        let (folder, ports) = (TempDir::new().expect("a folder"), Shared::default());
        let clock = ManualClock(Arc::new(AtomicU64::new(START_MS)));
        let (mut disk, mut entropy) = (OsDisk::new(folder.path()), SeededEntropy::new(1));
        let keys = ProfileKeys::create(&mut disk, &mut entropy, &passphrase(), CHEAP.cost).expect("an empty folder");
        let remembered = Remembered { durable: None, count: u64::MAX };
        let opened = Engine::<ClientRules>::open(Box::new(disk), Box::new(clock.clone()), Box::new(entropy), keys, remembered);
        let (engine, opened) = opened.expect("a new journal");
        let pump = Pump::new(engine, opened, ports.clone(), Box::new(ports.clone()), None);
        Machine { pump, ports, clock, folder }
    }

    fn pump_at(&mut self, after: u64) -> Pumped {
        self.clock.0.store(START_MS + after, Ordering::Relaxed);
        self.pump.pump().expect("a disk that works")
    }

    /// Asks for an op of the vault's.
    fn switch(&mut self, number: u8) {
        self.pump.submit(IntentId([number; 16]), Intent::SetReadMarks { on: number % 2 == 1 });
    }
}

#[test]
fn one_transaction_of_the_vault_takes_so_many_ops_and_the_next_the_rest() {
    let mut machine = Machine::new();
    for number in 1..=u8::try_from(VAULT_BATCH_MAX).expect("small") + 1 {
        machine.switch(number);
    }
    machine.pump_at(0);
    assert_eq!(machine.ports.with(|ports| ports.transactions.clone()), [VAULT_BATCH_MAX, 1]);
}

#[test]
fn a_vault_that_failed_is_asked_for_the_same_after_a_while_and_not_sooner() {
    let mut machine = Machine::new();
    machine.ports.with(|ports| ports.vault_fails = true);
    machine.switch(1);
    let pumped = machine.pump_at(0);
    assert_eq!(pumped.changes, [Change::Disconnected(Code::DiskFull)]);
    assert_eq!(pumped.deadline, Some(Stamp(START_MS + VAULT_RETRY_AFTER.0)));
    machine.ports.with(|ports| ports.vault_fails = false);
    for (after, transactions) in
        [(VAULT_RETRY_AFTER.0 - 1, vec![1]), (VAULT_RETRY_AFTER.0, vec![1, 1]), (VAULT_RETRY_AFTER.0 * 2, vec![1, 1])]
    {
        machine.pump_at(after);
        assert_eq!(machine.ports.with(|ports| ports.transactions.clone()), transactions, "after {after}");
    }
}

#[test]
fn a_snapshot_that_fails_takes_no_answer_along_and_is_tried_again() {
    let mut machine = Machine::new();
    // Given a disk that has no room for snapshots alone.
    let folder = machine.folder.path().join("snapshots");
    std::fs::write(&folder, []).expect("room");
    let mut asked = 0_u64;
    let mut ask = |machine: &mut Machine| {
        asked += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&asked.to_be_bytes());
        machine.pump.submit(IntentId(id), Intent::CancelMessage { message: MessageId([9; 16]) });
    };
    (0..SNAPSHOT_EVERY).for_each(|_| ask(&mut machine));
    let pumped = machine.pump_at(0);
    assert_eq!(pumped.answers.len() as u64, SNAPSHOT_EVERY);
    assert!(matches!(pumped.changes.as_slice(), [Change::Disconnected(_)]), "{:?}", pumped.changes);
    // When there is room again, it is not tried at once.
    std::fs::remove_file(&folder).expect("it is there");
    for (after, written) in [(SNAPSHOT_AGAIN_AFTER.0 - 1, false), (SNAPSHOT_AGAIN_AFTER.0, true)] {
        ask(&mut machine);
        assert_eq!(machine.pump_at(after).changes, []);
        assert_eq!(folder.exists(), written, "after {after}");
    }
}

#[test]
fn so_many_frames_are_judged_by_one_state_and_the_rest_by_the_next() {
    let mut machine = Machine::new();
    machine.ports.with(|ports| ports.frames = (0..FRAMES_TURN_MAX as u64 + 6).map(|cursor| cursor.to_be_bytes().to_vec()).collect());
    let blocks: Arc<Mutex<Vec<usize>>> = Arc::default();
    let seen = blocks.clone();
    machine.pump.observe(Box::new(move |point| {
        if let Point::Appended { records, .. } = point {
            seen.lock().expect("no thread panics").push(records);
        }
        ControlFlow::Continue(())
    }));
    machine.pump_at(0);
    assert_eq!(*blocks.lock().expect("no thread panics"), [FRAMES_TURN_MAX, 6]);
}

#[test]
fn a_relay_that_never_stops_sending_keeps_nobody_from_their_turn() {
    let mut machine = Machine::new();
    let most = (FRAMES_TURN_MAX * TAKES_PUMP_MAX) as u64;
    machine.ports.with(|ports| ports.frames = (0..most + 6).map(|cursor| cursor.to_be_bytes().to_vec()).collect());
    let pumped = machine.pump_at(0);
    assert_eq!(machine.ports.with(|ports| ports.frames.len()), 6);
    assert_eq!(pumped.deadline, Some(pumped.now), "the rest is taken at once, after what was asked meanwhile");
    let pumped = machine.pump_at(0);
    assert_eq!(machine.ports.with(|ports| ports.frames.len()), 0);
    assert_ne!(pumped.deadline, Some(pumped.now));
}

#[test]
fn no_frame_is_taken_while_the_vault_fails() {
    let mut machine = Machine::new();
    machine.ports.with(|ports| ports.vault_fails = true);
    let relay = RelayAddress::parse("loopback:r").expect("an address");
    machine.pump.submit(IntentId([1; 16]), Intent::Register { relay, key: None, token: None });
    assert_eq!(machine.pump_at(0).changes, [Change::Disconnected(Code::DiskFull)]);
    machine.ports.with(|ports| ports.frames = (0..3_u64).map(|cursor| cursor.to_be_bytes().to_vec()).collect());
    machine.pump_at(1);
    assert_eq!(machine.ports.with(|ports| ports.frames.len()), 3);
    machine.ports.with(|ports| ports.vault_fails = false);
    machine.pump_at(VAULT_RETRY_AFTER.0);
    assert_eq!(machine.ports.with(|ports| ports.frames.len()), 0);
}

#[test]
fn what_is_left_at_the_relay_is_counted_to_the_bound() {
    let mut machine = Machine::new();
    let count = LEFT_MAX as u64 + 2;
    let item = |cursor: u64| [&[0][..], &cursor.to_be_bytes()].concat();
    // The first begins the day.
    machine.ports.with(|ports| ports.frames = VecDeque::from([item(0)]));
    machine.pump_at(0);
    assert_eq!(machine.pump.view().left, 0);
    // Each of the others is too long for what is free then, and so left; one comes twice.
    let frames: VecDeque<Vec<u8>> = [1].into_iter().chain(1..=count).map(item).collect();
    machine.ports.with(|ports| ports.frames = frames);
    while machine.ports.with(|ports| !ports.frames.is_empty()) {
        machine.pump_at(0);
        let left = machine.ports.with(|ports| ports.frames.len()) as u64;
        assert_eq!(machine.pump.view().left, (count - left).min(LEFT_MAX as u64));
    }
}

#[test]
fn a_block_that_is_on_disk_is_told_with_the_intents_in_it() {
    let mut machine = Machine::new();
    let blocks: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let seen = blocks.clone();
    machine.pump.observe(Box::new(move |point| {
        if let Point::Appended { intents, .. } = point {
            seen.lock().expect("no thread panics").push(intents.iter().map(|intent| intent.0[0]).collect());
        }
        ControlFlow::Continue(())
    }));
    // Asked twice under one id, it is in the journal twice.
    [1, 2, 1].into_iter().for_each(|number| machine.switch(number));
    machine.pump_at(0);
    // Then what the vault answered, which nobody asked for.
    assert_eq!(*blocks.lock().expect("no thread panics"), [vec![1, 2, 1], vec![]]);
}

#[test]
fn the_anonymous_lane_is_renewed_when_its_time_is_over_and_not_sooner() {
    let mut machine = Machine::new();
    for (after, renewed) in [(0, 0), (LANE_EVERY.0 - 1, 0), (LANE_EVERY.0, 1), (2 * LANE_EVERY.0 - 1, 1), (2 * LANE_EVERY.0, 2)] {
        let pumped = machine.pump_at(after);
        assert_eq!(machine.ports.with(|ports| ports.renewed.clone()), vec![Lane::Anonymous; renewed], "after {after}");
        assert!(pumped.deadline.is_some_and(|deadline| deadline <= Stamp(START_MS + LANE_EVERY.0 * (renewed as u64 + 1))));
    }
}

/// A machine that logs in at each of these moments.
fn logged_in_at(moments: &[u64]) -> Machine {
    let mut machine = Machine::new();
    for (number, at) in (1_u8..).zip(moments) {
        machine.pump_at(*at);
        machine.ports.with(|ports| {
            let challenge = wire::Challenge { nonce: vec![number; 32], relay_key: vec![3; 32], until_ms: 99, versions: vec![1] };
            let done = if number == 1 {
                Said::Registered(wire::Registered { mailbox: vec![1; 16] })
            } else {
                Said::LoggedIn(wire::LoggedIn::default())
            };
            ports.said = [Said::Challenge(challenge), done].into();
        });
        let relay = RelayAddress::parse("loopback:relay").expect("an address");
        let asked = if number == 1 { Intent::Register { relay, key: None, token: None } } else { Intent::Connect };
        machine.pump.submit(IntentId([number; 16]), asked);
        machine.pump_at(*at);
        assert_eq!(machine.pump.state().session.since, Stamp(START_MS + at));
    }
    machine
}

#[test]
fn a_lane_whose_time_is_over_at_a_login_is_renewed_when_that_moment_is_past() {
    // Given a login a moment before the lane's time is over.
    let login = LANE_EVERY.0 - 1;
    let mut machine = logged_in_at(&[login]);
    // Then it stays until that is long enough ago.
    for (after, renewed) in [(LANE_EVERY.0, 0), (login + LANE_AWAY_FROM_LOGIN.0 - 1, 0), (login + LANE_AWAY_FROM_LOGIN.0, 1)] {
        machine.pump_at(after);
        assert_eq!(machine.ports.with(|ports| ports.renewed.len()), renewed, "after {after}");
    }
}

#[test]
fn logins_hold_the_renewal_of_the_anonymous_lane_off_for_a_day_at_most() {
    // Given logins that follow each other so fast that there is no calm moment.
    let every = usize::try_from(LANE_AWAY_FROM_LOGIN.0 - 1).expect("small");
    let logins: Vec<u64> = (LANE_EVERY.0 - 1..LANE_FOR_MAX.0 - 1).step_by(every).collect();
    let mut machine = logged_in_at(&logins);
    let last = logins.last().expect("some");
    assert!(last + LANE_AWAY_FROM_LOGIN.0 > LANE_FOR_MAX.0, "the last is near");
    // Then it is renewed at that age all the same.
    for (after, renewed) in [(LANE_FOR_MAX.0 - 1, 0), (LANE_FOR_MAX.0, 1)] {
        let pumped = machine.pump_at(after);
        assert_eq!(machine.ports.with(|ports| ports.renewed.len()), renewed, "after {after}");
        assert!(renewed == 1 || pumped.deadline.is_some_and(|deadline| deadline <= Stamp(START_MS + LANE_FOR_MAX.0)), "it wakes in time");
    }
}

#[test]
fn the_vaults_log_is_emptied_an_hour_after_its_first_write_and_not_sooner() {
    let mut machine = Machine::new();
    let due = VAULT_LOG_FOR.0;
    // Given an opened profile: what the last process left is emptied an hour later, and then there is nothing to empty.
    for (after, emptied) in [(0, 0), (due - 1, 0), (due, 1), (2 * due, 1)] {
        machine.pump_at(after);
        assert_eq!(machine.ports.with(|ports| ports.emptied), emptied, "after {after}");
    }
    // When it is written into, and once more before that hour is over, then the first write counts.
    for (number, after) in [(1, 3 * due), (2, 4 * due - 1)] {
        machine.switch(number);
        let pumped = machine.pump_at(after);
        assert_eq!(machine.ports.with(|ports| ports.emptied), 1, "after {after}");
        assert!(pumped.deadline.is_some_and(|deadline| deadline <= Stamp(START_MS + 4 * due)), "it wakes in time");
    }
    machine.pump_at(4 * due);
    assert_eq!(machine.ports.with(|ports| ports.emptied), 2);
}

#[test]
fn a_log_that_a_reader_holds_up_is_emptied_a_minute_later_and_not_sooner() {
    let mut machine = Machine::new();
    machine.ports.with(|ports| ports.read = true);
    machine.switch(1);
    let (due, again) = (VAULT_LOG_FOR.0, VAULT_LOG_AGAIN_AFTER.0);
    // Given a reader in the midst of a query when the log's hour is over, and a minute later.
    for (after, emptied) in [(0, 0), (due - 1, 0), (due, 1), (due + again - 1, 1), (due + again, 2), (due + 2 * again - 1, 2)] {
        let pumped = machine.pump_at(after);
        assert_eq!(machine.ports.with(|ports| ports.emptied), emptied, "after {after}");
        assert!(pumped.deadline.is_some_and(|deadline| deadline <= Stamp(START_MS + due + emptied as u64 * again)), "it wakes in time");
    }
    // When it is done, the next is an hour after the next write.
    machine.ports.with(|ports| ports.read = false);
    for (after, emptied) in [(due + 2 * again, 3), (3 * due, 3)] {
        machine.pump_at(after);
        assert_eq!(machine.ports.with(|ports| ports.emptied), emptied, "after {after}");
    }
    machine.switch(2);
    for (after, emptied) in [(3 * due, 3), (4 * due - 1, 3), (4 * due, 4)] {
        machine.pump_at(after);
        assert_eq!(machine.ports.with(|ports| ports.emptied), emptied, "after {after}");
    }
}
