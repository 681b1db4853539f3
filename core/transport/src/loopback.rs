//! Loopback: client and relay in one process. Gives no anonymity; behaves as badly as it is told to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use thicket_types::event::Lane;
use thicket_types::ids::LaneTag;
use thicket_types::limits::{FRAME_LEN_MAX, LOOPBACK_FRAMES_MAX, REPLY_PATHS};
use thicket_types::ports::{Entropy, Received, RelayTransport, ReplyPath, Transport, Unreachable};

/// Called when there may be something to poll. Must not call back into the transport.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// How badly a loopback behaves, each way, in thousandths of frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Conditions {
    /// Frames that vanish.
    pub lost: u32,
    /// Frames that come twice.
    pub doubled: u32,
    /// Frames that overtake the one before them, and again the one before that.
    pub reordered: u32,
    /// What the chances are drawn from: the same seed and the same frames, the same fate.
    pub seed: u64,
}

/// The place where clients and one relay meet.
#[derive(Clone)]
pub struct Loopback {
    hub: Arc<Mutex<Hub>>,
    address: String,
}

struct Hub {
    conditions: Conditions,
    chance: u64,
    up: bool,
    paused: bool,
    to_relay: VecDeque<Received>,
    relay_waker: Option<Waker>,
    lanes: BTreeMap<LaneTag, LaneEnd>,
    paths: BTreeMap<ReplyPath, LaneTag>,
    next_path: u64,
    /// Lanes that took the place of others.
    lanes_made: u64,
}

struct LaneEnd {
    frames: VecDeque<Vec<u8>>,
    waker: Option<Waker>,
}

impl Hub {
    /// Draws a chance of so many thousandths.
    fn happens(&mut self, thousandths: u32) -> bool {
        // SplitMix64 (Steele, Lea, Flood 2014): a fate to repeat, no secret.
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        mixed % 1000 < u64::from(thousandths)
    }

    /// How often a frame arrives, and how many of those that wait it overtakes.
    fn fate(&mut self, waiting: usize) -> (usize, usize) {
        let Conditions { lost, doubled, reordered, seed: _ } = self.conditions;
        if self.happens(lost) {
            return (0, 0);
        }
        let copies = if self.happens(doubled) { 2 } else { 1 };
        let mut overtaken = 0;
        while overtaken < waiting && self.happens(reordered) {
            overtaken += 1;
        }
        (copies, overtaken)
    }
}

fn queue<T>(queue: &mut VecDeque<T>, frame: T, overtaken: usize) {
    queue.insert(queue.len().saturating_sub(overtaken), frame);
}

impl Loopback {
    /// A new meeting place, and the relay's end of it. `name` goes into the address, `loopback:NAME`.
    pub fn new(name: &str, conditions: Conditions) -> (Loopback, LoopbackRelay) {
        let hub = Hub {
            conditions,
            chance: conditions.seed,
            up: true,
            paused: false,
            to_relay: VecDeque::new(),
            relay_waker: None,
            lanes: BTreeMap::new(),
            paths: BTreeMap::new(),
            next_path: 0,
            lanes_made: 0,
        };
        let hub = Arc::new(Mutex::new(hub));
        (Loopback { hub: hub.clone(), address: format!("loopback:{name}") }, LoopbackRelay { hub })
    }

    /// The relay's address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A client's end, with two lanes that no other end ever had.
    pub fn client(&self, entropy: &mut dyn Entropy, waker: Option<Waker>) -> LoopbackClient {
        let mut tag = || {
            let mut tag = [0; LaneTag::LEN];
            entropy.fill(&mut tag);
            LaneTag(tag)
        };
        let (named, anonymous) = (tag(), tag());
        let mut hub = lock(&self.hub);
        for tag in [named, anonymous] {
            hub.lanes.insert(tag, LaneEnd { frames: VecDeque::new(), waker: waker.clone() });
        }
        LoopbackClient { hub: self.hub.clone(), address: self.address.clone(), named, anonymous }
    }

    /// Behaves otherwise from now on.
    pub fn set_conditions(&self, conditions: Conditions) {
        let mut hub = lock(&self.hub);
        hub.conditions = conditions;
        hub.chance = conditions.seed;
    }

    /// Holds frames to the relay back, or lets them go: what piled up arrives at once, as out of order as it was told to be.
    pub fn set_paused(&self, paused: bool) {
        let waker = {
            let mut hub = lock(&self.hub);
            hub.paused = paused;
            hub.relay_waker.clone()
        };
        if let Some(wake) = waker {
            wake();
        }
    }

    /// Takes the way to the relay down, or up again. What is under way stays.
    pub fn set_up(&self, up: bool) {
        lock(&self.hub).up = up;
    }
}

/// No code of ours panics while it holds the hub; if a test's does, the rest of that test may as well see the hub.
fn lock(hub: &Mutex<Hub>) -> MutexGuard<'_, Hub> {
    hub.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A client's end of a loopback. Its reply paths end with it.
pub struct LoopbackClient {
    hub: Arc<Mutex<Hub>>,
    address: String,
    named: LaneTag,
    anonymous: LaneTag,
}

impl LoopbackClient {
    fn tag(&self, lane: Lane) -> LaneTag {
        match lane {
            Lane::Named => self.named,
            Lane::Anonymous => self.anonymous,
        }
    }
}

impl Transport for LoopbackClient {
    fn send(&mut self, to: &str, lane: Lane, frame: &[u8]) -> Result<(), Unreachable> {
        let tag = self.tag(lane);
        let waker = {
            let mut hub = lock(&self.hub);
            if to != self.address || !hub.up || frame.len() > FRAME_LEN_MAX || hub.to_relay.len() >= LOOPBACK_FRAMES_MAX {
                return Err(Unreachable);
            }
            let waiting = hub.to_relay.len();
            let (copies, overtaken) = hub.fate(waiting);
            for _ in 0..copies {
                let mut paths = Vec::with_capacity(REPLY_PATHS);
                for _ in 0..REPLY_PATHS {
                    hub.next_path += 1;
                    let path = ReplyPath(hub.next_path);
                    hub.paths.insert(path, tag);
                    paths.push(path);
                }
                queue(&mut hub.to_relay, Received { tag, paths, frame: frame.to_vec() }, overtaken);
            }
            hub.relay_waker.clone()
        };
        if let Some(wake) = waker {
            wake();
        }
        Ok(())
    }

    fn poll(&mut self) -> Option<(Lane, Vec<u8>)> {
        let mut hub = lock(&self.hub);
        [Lane::Named, Lane::Anonymous].into_iter().find_map(|lane| {
            let frame = hub.lanes.get_mut(&self.tag(lane))?.frames.pop_front()?;
            Some((lane, frame))
        })
    }

    fn renew(&mut self, lane: Lane) {
        let mut hub = lock(&self.hub);
        let old = self.tag(lane);
        hub.lanes_made += 1;
        let new = renewed(old, hub.lanes_made);
        if let Some(LaneEnd { frames: _, waker }) = hub.lanes.remove(&old) {
            hub.lanes.insert(new, LaneEnd { frames: VecDeque::new(), waker });
        }
        hub.paths.retain(|_, tag| *tag != old);
        match lane {
            Lane::Named => self.named = new,
            Lane::Anonymous => self.anonymous = new,
        }
    }

    /// Never: like a mixnet, it has no connections.
    fn broke(&mut self, _: Lane) -> bool {
        false
    }
}

/// Another tag in place of one: mixed, since a tag is the meeting place's to give and no secret.
fn renewed(old: LaneTag, count: u64) -> LaneTag {
    let mut mixed = old.0;
    for (byte, round) in mixed.iter_mut().zip(count.to_be_bytes().into_iter().cycle()) {
        *byte = byte.wrapping_mul(167).wrapping_add(round).rotate_left(3) ^ 0x5a;
    }
    LaneTag(mixed)
}

impl Drop for LoopbackClient {
    fn drop(&mut self) {
        let mut hub = lock(&self.hub);
        for tag in [self.named, self.anonymous] {
            hub.lanes.remove(&tag);
            hub.paths.retain(|_, lane| *lane != tag);
        }
    }
}

/// The relay's end of a loopback.
pub struct LoopbackRelay {
    hub: Arc<Mutex<Hub>>,
}

impl LoopbackRelay {
    /// Sets what is called when a frame arrives.
    pub fn set_waker(&self, waker: Waker) {
        lock(&self.hub).relay_waker = Some(waker);
    }
}

impl RelayTransport for LoopbackRelay {
    fn poll(&mut self) -> Option<Received> {
        let mut hub = lock(&self.hub);
        if hub.paused { None } else { hub.to_relay.pop_front() }
    }

    fn reply(&mut self, path: ReplyPath, frame: &[u8]) -> Result<(), Unreachable> {
        if frame.len() > FRAME_LEN_MAX {
            return Err(Unreachable);
        }
        let waker = {
            let mut hub = lock(&self.hub);
            let tag = hub.paths.remove(&path).ok_or(Unreachable)?;
            let waiting = hub.lanes.get(&tag).ok_or(Unreachable)?.frames.len();
            if waiting >= LOOPBACK_FRAMES_MAX {
                return Err(Unreachable);
            }
            let (copies, overtaken) = hub.fate(waiting);
            let lane = hub.lanes.get_mut(&tag).ok_or(Unreachable)?;
            for _ in 0..copies {
                queue(&mut lane.frames, frame.to_vec(), overtaken);
            }
            lane.waker.clone()
        };
        if let Some(wake) = waker {
            wake();
        }
        Ok(())
    }
}
