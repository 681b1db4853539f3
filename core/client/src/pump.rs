//! The machine of one profile: what arrives goes in, durable effects go out. One call does all there is to do now.

use crate::folder::Lock;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::ControlFlow;
use thicket_engine::{Engine, Fault, Input, Opened};
use thicket_reducer::{ClientRules, Link, State, View, view};
use thicket_types::effect::{Change, Effect, Send};
use thicket_types::error::Code;
use thicket_types::event::{Lane, Outcome, TimerId};
use thicket_types::ids::{BodyRef, EffectId, FrameId, IntentId};
use thicket_types::intent::{Answer, Intent};
use thicket_types::limits::{
    FRAMES_TURN_MAX, LANE_AWAY_FROM_LOGIN, LANE_EVERY, LANE_FOR_MAX, LEFT_MAX, SNAPSHOT_AGAIN_AFTER, TAKES_PUMP_MAX, VAULT_BATCH_MAX,
    VAULT_LOG_AGAIN_AFTER, VAULT_LOG_FOR, VAULT_RETRY_AFTER,
};
use thicket_types::ports::{Admission, Reducer as _, Transport, Vault, VaultCall};
use thicket_types::time::{Deadline, Stamp};
use thicket_types::vault_op::VaultOp;

/// What a pump brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pumped {
    /// Answers to Intents, and why some got none.
    pub answers: Vec<(IntentId, Result<Answer, Code>)>,
    /// Everything else that a frontend is told.
    pub changes: Vec<Change>,
    /// Records made durable: without any, the view is as it was.
    pub records: usize,
    /// When to pump again at the latest.
    pub deadline: Option<Deadline>,
    /// The journal's time when the pump ended: what the deadline is measured by.
    pub now: Stamp,
}

/// Where a profile's machine stands: each is a point at which a crash must lose nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Point {
    /// A block is on disk; none of its effects is dispatched.
    Appended {
        /// Records in it.
        records: usize,
        /// The Intents among them, in order.
        intents: Vec<IntentId>,
    },
    /// The vault has committed; none of its outcomes is journaled.
    Committed {
        /// The ops' names, in order.
        ops: Vec<&'static str>,
    },
    /// The transport took a frame; that is not journaled.
    Sent {
        /// The way it goes.
        lane: Lane,
    },
    /// An effect was done that nothing outside this process remembers: a timer set or stopped, a frontend told.
    Dispatched {
        /// Its name.
        effect: &'static str,
    },
}

/// Called at each point, on the profile's thread: what it waits for, the profile waits for. `Break` takes the process for
/// dead there: the pump goes no further, and is to be dropped.
pub type Observer = Box<dyn FnMut(Point) -> ControlFlow<()> + std::marker::Send>;

/// One profile's machine.
pub struct Pump<V> {
    engine: Engine<ClientRules>,
    vault: V,
    transport: Box<dyn Transport + std::marker::Send>,
    timers: BTreeMap<TimerId, Deadline>,
    /// Ops asked for and not done: in order, since the fold relies on it.
    ops: Vec<(EffectId, VaultOp)>,
    /// Ops that are work for seconds. They change nothing in the vault, so all others go before them.
    works: VecDeque<(EffectId, VaultOp)>,
    /// Set while the vault fails: when it is asked again.
    vault_again: Option<Stamp>,
    /// When the vault's log is to be emptied; `None` while nothing was written into it.
    log_until: Option<Stamp>,
    sends: VecDeque<(EffectId, Send)>,
    observer: Option<Observer>,
    /// Frames left at the relay, since a stranger's budget was used up: each once, however often the relay brings it.
    left: BTreeSet<FrameId>,
    /// Set if an answer came that does not bear the pinned relay's signature, and nobody was told.
    forged: bool,
    /// When a snapshot that failed is tried again.
    snapshot_again: Option<Stamp>,
    /// Since when the anonymous lane is the one it is.
    lane_since: Stamp,
    /// Set if there is no way to any relay: frames and timers wait for the next process.
    offline: bool,
    /// Held open for as long as the profile is: other processes stay out.
    lock: Option<Lock>,
}

/// What a profile leaves that was closed. Other processes stay out until it is dropped: the vault's last writes are still to come.
pub struct Closed<V> {
    /// The vault, which goes before the lock does.
    pub vault: V,
    _lock: Option<Lock>,
}

/// Bodies that the state names: staged, and perhaps not yet in a message's row.
pub fn named_bodies(state: &State) -> Vec<BodyRef> {
    let waiting = state.outbox.values().filter_map(|outgoing| outgoing.body);
    // A message that was taken back waits for its row.
    let filed = state.outstanding.values().filter_map(|outstanding| match &outstanding.effect {
        Effect::Vault(VaultOp::File { body, .. }) => *body,
        Effect::Vault(VaultOp::SealMessage { body, .. }) => Some(*body),
        _ => None,
    });
    waiting.chain(filed).collect()
}

/// The Intents of a block, by its effects: each is answered in its own fold.
fn asked_in(effects: &[(EffectId, Effect)]) -> Vec<IntentId> {
    let asked = |(_, effect): &(EffectId, Effect)| match effect {
        Effect::Notify(Change::Answered { intent, .. }) => Some(*intent),
        _ => None,
    };
    effects.iter().filter_map(asked).collect()
}

/// The name of an effect that is done when it is taken.
fn done_at_once(effect: &Effect) -> Option<&'static str> {
    match effect {
        Effect::Vault(_) | Effect::Send(_) => None,
        Effect::Arm(..) => Some("Arm"),
        Effect::Disarm(_) => Some("Disarm"),
        Effect::Notify(_) => Some("Notify"),
    }
}

/// Whether the vault works at an op for a second or more.
fn is_work(op: &VaultOp) -> bool {
    matches!(op, VaultOp::Stamp { .. })
}

impl<V: Vault> Pump<V> {
    /// Wires an opened engine. What was outstanding and what is armed comes first.
    pub fn new(
        engine: Engine<ClientRules>,
        opened: Opened,
        vault: V,
        transport: Box<dyn Transport + std::marker::Send>,
        lock: Option<Lock>,
    ) -> Pump<V> {
        let mut engine = engine;
        let lane_since = engine.now();
        // The last process may have left a log.
        let log_until = Some(engine.now().after(VAULT_LOG_FOR));
        let mut pump = Pump {
            engine,
            vault,
            transport,
            timers: opened.timers.into_iter().collect(),
            ops: Vec::new(),
            works: VecDeque::new(),
            vault_again: None,
            log_until,
            sends: VecDeque::new(),
            observer: None,
            left: BTreeSet::new(),
            forged: false,
            snapshot_again: None,
            lane_since,
            offline: false,
            lock,
        };
        let mut none = Pumped::default();
        for (id, effect) in opened.outstanding {
            pump.take(id, effect, &mut none);
        }
        pump
    }

    /// Has every point told to an observer from now on.
    pub fn observe(&mut self, observer: Observer) {
        self.observer = Some(observer);
    }

    /// Does what needs no relay alone from now on: no frame goes out and no deadline passes. Both wait in the journal, as if the
    /// process had died before them.
    pub(crate) fn stay_offline(&mut self) {
        self.offline = true;
    }

    pub(crate) fn is_offline(&self) -> bool {
        self.offline
    }

    fn at(&mut self, point: Point) -> Result<(), Fault> {
        match self.observer.as_mut().map(|observer| observer(point)) {
            None | Some(ControlFlow::Continue(())) => Ok(()),
            Some(ControlFlow::Break(())) => Err(Fault::from(Code::ProfileClosed)),
        }
    }

    /// Asks for something; the answer comes out of the next pump.
    pub fn submit(&mut self, id: IntentId, intent: Intent) {
        self.engine.push(Input::Intent(id, intent));
    }

    /// Seals a body in the vault, for an Intent to name.
    pub fn stage(&mut self, body: &[u8]) -> Result<BodyRef, Code> {
        self.vault_written();
        self.vault.stage(body)
    }

    /// Forgets a staged body that no message came of.
    pub fn unstage(&mut self, body: BodyRef) -> Result<(), Code> {
        self.vault_written();
        self.vault.unstage(body)
    }

    /// The durable state, as a frontend sees it.
    pub fn view(&self) -> View {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        View { left: count(self.left.len()), set_aside: count(self.engine.quarantined()), ..view(self.engine.state()) }
    }

    /// The durable state.
    pub fn state(&self) -> &State {
        self.engine.state()
    }

    /// Does all there is to do now: takes frames and passed deadlines, folds, makes durable, dispatches; until nothing is left, or
    /// so many frames were taken that others have their turn: then the deadline is now.
    ///
    /// **Errors:** the journal could not be written; nothing of that turn was dispatched, and what was asked in it got no
    /// answer. A later pump goes on from what is durable.
    pub fn pump(&mut self) -> Result<Pumped, Fault> {
        let mut pumped = Pumped::default();
        self.renew_lane();
        self.empty_log();
        let mut takes = 0;
        loop {
            // What was taken and is not folded yet counts for no budget: the next frames wait for it. A relay that never stops sending
            // does not keep what is asked here from its turn.
            // What a vault that fails could not do anything with stays in the transport.
            let ready = takes < TAKES_PUMP_MAX && self.vault_again.is_none() && !self.engine.has_inputs();
            let taken = ready && self.take_frames()?;
            takes += usize::from(taken);
            // Only when all that has arrived is folded: an answer that is here has not stayed away.
            if !self.engine.has_inputs() {
                self.take_deadlines();
            }
            let turn = self.engine.turn()?;
            let folded = turn.records > 0;
            pumped.records += turn.records;
            if folded {
                self.at(Point::Appended { records: turn.records, intents: asked_in(&turn.effects) })?;
            }
            pumped.changes.extend((0..turn.set_aside).map(|_| Change::Dropped(Code::FoldPanicked)));
            pumped.answers.extend(turn.failed.into_iter().map(|(id, code)| (id, Err(code))));
            for (id, effect) in turn.effects {
                let done = done_at_once(&effect);
                self.take(id, effect, &mut pumped);
                if let Some(effect) = done {
                    self.at(Point::Dispatched { effect })?;
                }
            }
            let dispatched = self.dispatch(&mut pumped)?;
            if !folded && !dispatched && !taken && !self.engine.has_inputs() {
                break;
            }
            self.snapshot_if_due(&mut pumped);
        }
        let worked = self.work(&mut pumped)?;
        pumped.changes.extend(std::mem::take(&mut self.forged).then_some(Change::Disconnected(Code::ForgedAnswer)));
        let timers = self.timers.values().copied().filter(|_| !self.offline);
        pumped.deadline = timers.chain(self.vault_again).chain(self.log_until).chain([self.lane_until()]).min();
        pumped.now = self.engine.now();
        if takes == TAKES_PUMP_MAX || worked {
            pumped.deadline = Some(pumped.now);
        }
        Ok(pumped)
    }

    /// When the relay gets another anonymous lane: not near a login, for one would show whose the other is; but at least daily, or
    /// whoever makes this client log in again and again keeps one for ever.
    fn lane_until(&self) -> Stamp {
        let away = self.engine.state().session.since.after(LANE_AWAY_FROM_LOGIN);
        self.lane_since.after(LANE_EVERY).max(away.min(self.lane_since.after(LANE_FOR_MAX)))
    }

    fn renew_lane(&mut self) {
        let now = self.engine.now();
        if now >= self.lane_until() {
            self.transport.renew(Lane::Anonymous);
            self.lane_since = now;
        }
    }

    /// Whether the named lane's way broke since this was asked last, so that pushes do not arrive.
    pub fn way_broke(&mut self) -> bool {
        self.transport.broke(Lane::Named)
    }

    /// Whether whoever answered on it did not prove to be the relay of its address.
    pub fn met_another(&mut self) -> bool {
        self.transport.met_another(Lane::Named)
    }

    /// Gives the named lane's way up, whatever it looks like: the next frame begins another.
    pub fn drop_way(&mut self) {
        self.transport.renew(Lane::Named);
    }

    fn vault_written(&mut self) {
        let until = self.engine.now().after(VAULT_LOG_FOR);
        self.log_until.get_or_insert(until);
    }

    /// Empties the vault's log an hour after something was first written into it, whatever else happens.
    fn empty_log(&mut self) {
        let now = self.engine.now();
        if self.log_until.is_none_or(|until| now < until) {
            return;
        }
        // A disk that fails is told of by the next op.
        self.log_until = if self.vault.empty_log() == Ok(true) { None } else { Some(now.after(VAULT_LOG_AGAIN_AFTER)) };
    }

    /// Takes so many frames as are judged by one state: what they add to a budget counts for the next. Returns whether there was
    /// one.
    fn take_frames(&mut self) -> Result<bool, Fault> {
        let mut taken = false;
        for _ in 0..FRAMES_TURN_MAX {
            let Some((lane, frame)) = self.transport.poll() else {
                break;
            };
            taken = true;
            let now = self.engine.now();
            let state = self.engine.state();
            let relay = ClientRules::relay(state);
            let Some(arrival) = self.vault.admit(&frame, lane, relay)? else {
                // While nobody has proved to be that relay, whoever answers is worth a word. A repeat, or an old one, is not.
                self.forged |= relay.is_some() && lane == Lane::Named && state.session.link != Link::Online;
                continue;
            };
            let id = arrival.frame;
            match ClientRules::admit(state, now, arrival) {
                Admission::Taken(arrival) => {
                    self.left.remove(&id);
                    self.engine.push(Input::Arrival(arrival));
                }
                Admission::Left if self.left.len() < LEFT_MAX => {
                    self.left.insert(id);
                }
                Admission::Left | Admission::Dropped => {}
            }
        }
        Ok(taken)
    }

    fn take_deadlines(&mut self) {
        if self.offline {
            return;
        }
        let now = self.engine.now();
        let due: Vec<TimerId> = self.timers.iter().filter(|(_, deadline)| **deadline <= now).map(|(timer, _)| *timer).collect();
        for timer in due {
            self.timers.remove(&timer);
            self.engine.push(Input::Elapsed(timer, false));
        }
    }

    /// Takes a durable effect to where it will be done.
    fn take(&mut self, id: EffectId, effect: Effect, pumped: &mut Pumped) {
        match effect {
            Effect::Vault(op) if is_work(&op) => self.works.push_back((id, op)),
            Effect::Vault(op) => self.ops.push((id, op)),
            Effect::Send(send) => self.sends.push_back((id, send)),
            Effect::Arm(timer, deadline) => {
                self.timers.insert(timer, deadline);
            }
            Effect::Disarm(timer) => {
                self.timers.remove(&timer);
            }
            Effect::Notify(Change::Answered { intent, answer }) => pumped.answers.push((intent, Ok(answer))),
            Effect::Notify(change) => pumped.changes.push(change),
        }
    }

    /// Dispatches what waits. Returns whether anything was resolved by it.
    fn dispatch(&mut self, pumped: &mut Pumped) -> Result<bool, Fault> {
        let mut resolved = false;
        while let Some((_, send)) = self.sends.front().filter(|_| !self.offline) {
            resolved = true;
            let frame = self.engine.frame(send.frame)?;
            let Some((id, send)) = self.sends.pop_front() else {
                break;
            };
            let outcome = match self.transport.send(send.to.text(), send.lane, &frame) {
                Ok(()) => {
                    self.at(Point::Sent { lane: send.lane })?;
                    Outcome::Handed
                }
                Err(thicket_types::ports::Unreachable) => Outcome::Unreachable,
            };
            self.engine.push(Input::Resolved(id, outcome, 0));
        }
        loop {
            let batch: Vec<(EffectId, VaultOp)> = self.ops.iter().take(VAULT_BATCH_MAX).cloned().collect();
            if !self.commit(&batch, pumped)? {
                return Ok(resolved);
            }
            self.ops.drain(..batch.len());
            resolved = true;
        }
    }

    /// Does the next op that is work for seconds, when there is nothing else to do: whatever arrives or is asked has its turn before
    /// the next one. Returns whether it was done.
    fn work(&mut self, pumped: &mut Pumped) -> Result<bool, Fault> {
        let next: Vec<(EffectId, VaultOp)> = self.works.iter().take(1).cloned().collect();
        let done = self.commit(&next, pumped)?;
        if done {
            self.works.pop_front();
        }
        Ok(done)
    }

    /// Has the vault do ops that wait. Returns whether they were done: not if there are none, nor while it fails.
    fn commit(&mut self, batch: &[(EffectId, VaultOp)], pumped: &mut Pumped) -> Result<bool, Fault> {
        let fails = self.vault_again.is_some_and(|again| again > self.engine.now());
        if fails || batch.is_empty() {
            return Ok(false);
        }
        self.vault_again = None;
        match self.run(batch) {
            Ok((outcomes, count)) => {
                self.at(Point::Committed { ops: batch.iter().map(|(_, op)| op.word()).collect() })?;
                for ((id, _), outcome) in batch.iter().zip(outcomes) {
                    self.engine.push(Input::Resolved(*id, outcome, count));
                }
                Ok(true)
            }
            Err(fault) => {
                // Nothing was done: the same ops are asked for again. A full disk may have room by then.
                pumped.changes.push(Change::Disconnected(fault.code));
                self.vault_again = Some(self.engine.now().after(VAULT_RETRY_AFTER));
                Ok(false)
            }
        }
    }

    fn run(&mut self, batch: &[(EffectId, VaultOp)]) -> Result<(Vec<Outcome>, u64), Fault> {
        let mut calls = Vec::with_capacity(batch.len());
        for (effect, op) in batch {
            let frame = op.frame().map_or(Ok(Vec::new()), |seq| self.engine.frame(seq))?;
            calls.push(VaultCall { effect: *effect, op: op.clone(), frame });
        }
        self.vault_written();
        Ok(self.vault.run(self.engine.durable(), &calls)?)
    }

    /// Writes a snapshot when there is reason to. One that fails is tried again later: what was pumped is durable without it.
    fn snapshot_if_due(&mut self, pumped: &mut Pumped) {
        if !self.engine.snapshot_due() || self.snapshot_again.is_some_and(|again| self.engine.now() < again) {
            return;
        }
        match self.snapshot() {
            Ok(()) => self.snapshot_again = None,
            Err(fault) => {
                self.snapshot_again = Some(self.engine.now().after(SNAPSHOT_AGAIN_AFTER));
                // A hint, as of a vault that failed: nothing that was asked for fails by it.
                pumped.changes.push(Change::Disconnected(fault.code));
            }
        }
    }

    /// Writes a snapshot, and lets the vault forget what the one before it covers.
    fn snapshot(&mut self) -> Result<(), Fault> {
        if let Some((covered, open)) = self.engine.snapshot()? {
            self.vault_written();
            self.vault.prune(covered, &open)?;
        }
        Ok(())
    }

    /// Whether a pump left nothing that the vault was asked for, but work that changes nothing there: journal and vault are of one
    /// time. Not while the vault fails.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.ops.is_empty() && (self.sends.is_empty() || self.offline) && !self.engine.has_inputs()
    }

    /// Whether the vault fails: what it was asked for waits.
    pub(crate) fn vault_fails(&self) -> bool {
        self.vault_again.is_some()
    }

    pub(crate) fn parts(&mut self) -> (&mut Engine<ClientRules>, &mut V) {
        (&mut self.engine, &mut self.vault)
    }

    /// Writes a last snapshot, so that the next open is quick. The profile is as safe without it.
    pub fn close(mut self) -> Result<Closed<V>, Fault> {
        self.snapshot()?;
        Ok(Closed { vault: self.vault, _lock: self.lock })
    }

    /// Writes a snapshot now, and lets the vault forget what the one before it covers.
    pub fn take_snapshot(&mut self) -> Result<(), Fault> {
        self.snapshot()
    }
}
