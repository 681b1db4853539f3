//! The profile on a thread of its own, and the handle that any other thread holds.

use crate::archive::Archived;
use crate::changes::Changes;
use crate::profile::{Options, Profile};
use crate::pump::{Observer, Pump, Pumped};
use crate::system::{SystemClock, SystemEntropy};
use crate::watch::Watch;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use thicket_engine::{ArchiveKeys, Fault};
use thicket_reducer::{ContactView, Link, View, first_answer};
use thicket_types::effect::Change;
use thicket_types::error::Code;
use thicket_types::event::Lane;
use thicket_types::ids::{BodyRef, Fingerprint, IntentId, MessageId};
use thicket_types::intent::{Answer, Intent};
use thicket_types::limits::{BODY_LEN_MAX, ERRANDS_MAX};
use thicket_types::name::Name;
use thicket_types::ports::{Clock, Entropy as _, Transport, Unreachable};
use thicket_types::secret::Secret;
use thicket_types::time::Stamp;
use thicket_vault::{Direction, MessageRow, Reader, SqlVault};

/// Makes the transport once the profile's thread can be woken: the argument wakes it.
pub type TransportFactory = Box<dyn FnOnce(Arc<dyn Fn() + Send + Sync>) -> Box<dyn Transport + Send>>;

/// How a profile is opened.
type Open = fn(Profile, Box<dyn Transport + Send>, Box<dyn Clock + Send>) -> Result<Pump<SqlVault>, Fault>;

/// The wait after a fault before the profile's thread goes on by itself.
const FAULT_WAIT: Duration = Duration::from_secs(1);

/// Nobody waits for longer; the system's clock has an end.
const WAIT_MAX: Duration = Duration::from_secs(365 * 86_400);

/// A transport that leads nowhere.
pub(crate) struct Nowhere;

impl Transport for Nowhere {
    fn send(&mut self, _: &str, _: Lane, _: &[u8]) -> Result<(), Unreachable> {
        Err(Unreachable)
    }

    fn poll(&mut self) -> Option<(Lane, Vec<u8>)> {
        None
    }

    fn renew(&mut self, _: Lane) {}

    fn broke(&mut self, _: Lane) -> bool {
        false
    }
}

/// What became of a message that was asked for.
fn queued(answer: Answer) -> Result<MessageId, Code> {
    match answer {
        Answer::Queued(message) => Ok(message),
        Answer::Refused(code) => Err(code),
        Answer::Accepted => Err(Code::Inconsistent),
    }
}

/// What other threads want of the profile's thread.
enum Errand {
    Submit(IntentId, Intent, Sender<Result<Answer, Code>>),
    FirstAnswer(IntentId, Sender<Option<Answer>>),
    Stage(Vec<u8>, Sender<Result<BodyRef, Code>>),
    Unstage(BodyRef),
    Archive(Archiving),
    Wake,
    Close,
}

/// An archive that is to be written, when nothing is under way.
struct Archiving {
    file: PathBuf,
    keys: ArchiveKeys,
    reply: Sender<Result<Archived, Fault>>,
}

#[derive(Default)]
struct Shared {
    view: View,
    changes: Changes,
    /// Counts how often the profile's thread looked: who waits sees that something may have moved.
    moves: u64,
    fault: Option<Fault>,
    closed: bool,
}

/// An open profile. Dropping it closes it.
pub struct Client {
    inbox: SyncSender<Errand>,
    shared: Arc<(Mutex<Shared>, Condvar)>,
    reader: Mutex<Reader>,
    own: (String, Fingerprint),
    thread: Option<JoinHandle<Result<(), Fault>>>,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Client {
    /// Opens an unlocked profile and starts its thread. If the account is registered, it begins to log in.
    pub fn open(profile: Profile, transport: TransportFactory) -> Result<Client, Fault> {
        Client::open_observed(profile, transport, None)
    }

    /// Opens an unlocked profile without a way to any relay: what this device can do alone is done, and the rest waits for the
    /// next [`Client::open`]. Only what is asked for is journaled, and what the vault makes of it.
    pub fn open_offline(profile: Profile) -> Result<Client, Fault> {
        let open: Open = |profile, transport, clock| {
            let mut pump = profile.open(transport, clock)?;
            pump.stay_offline();
            Ok(pump)
        };
        Client::start(profile, Box::new(|_| Box::new(Nowhere)), None, open)
    }

    /// Opens as [`Client::open`], with an observer that every point is told to: what it holds up, the profile waits for.
    pub fn open_observed(profile: Profile, transport: TransportFactory, observer: Option<Observer>) -> Result<Client, Fault> {
        Client::start(profile, transport, observer, Profile::open)
    }

    /// Opens a profile that is refused as `RolledBack`, to go on with it: as [`Profile::open_to_take_over`].
    pub fn open_to_take_over(profile: Profile, transport: TransportFactory) -> Result<Client, Fault> {
        Client::start(profile, transport, None, Profile::open_to_take_over)
    }

    fn start(profile: Profile, transport: TransportFactory, observer: Option<Observer>, open: Open) -> Result<Client, Fault> {
        let (inbox, errands) = sync_channel(ERRANDS_MAX);
        let waker = waker(&inbox);
        let own = profile.own();
        let reader = Mutex::new(profile.reader()?);
        let clock = SystemClock::new();
        let mut pump = open(profile, transport(waker), Box::new(clock))?;
        if let Some(observer) = observer {
            pump.observe(observer);
        }
        let shared = Arc::new((Mutex::new(Shared { view: pump.view(), ..Shared::default() }), Condvar::new()));
        let sharing = shared.clone();
        let (reply, connected) = channel();
        if pump.is_offline() {
            // Nothing leaves, so nobody needs to log in.
            let _ = reply.send(Ok(Answer::Accepted));
        } else {
            // Before the thread begins: nothing may leave that the last process had under way, until this one is logged in.
            inbox.send(Errand::Submit(Client::intent_id(), Intent::Connect, reply)).map_err(|_| Code::ProfileClosed)?;
        }
        let thread = std::thread::Builder::new()
            .name("thicket-profile".to_owned())
            .spawn(move || run(pump, &errands, &sharing))
            .map_err(|_| Fault::from(Code::DiskFailed))?;
        let client = Client { inbox, shared, reader, own, thread: Some(thread) };
        // Refused if there is no relay yet, which is as it should be.
        connected.recv().map_err(|_| Code::ProfileClosed)??;
        Ok(client)
    }

    /// A fresh IntentId. Make it before the first try, and use it again for a repeat.
    pub fn intent_id() -> IntentId {
        let mut id = [0; IntentId::LEN];
        SystemEntropy.fill(&mut id);
        IntentId(id)
    }

    /// The own name and fingerprint.
    pub fn own(&self) -> (&str, Fingerprint) {
        (&self.own.0, self.own.1)
    }

    /// Asks for something. Returns once it is durable, with what it came to at once.
    ///
    /// **Errors:** it may or may not be durable: ask again with the same id; `NotCopied` for a `Rejoin` or a `Restore`,
    /// which only [`Client::open_to_take_over`] and [`Profile::restore`] ask for. **Repeat:** the first answer, within 24 hours.
    pub fn submit(&self, id: IntentId, intent: Intent) -> Result<Answer, Code> {
        if matches!(intent, Intent::Rejoin | Intent::Restore) {
            return Err(Code::NotCopied);
        }
        let (reply, answer) = channel();
        self.inbox.send(Errand::Submit(id, intent, reply)).map_err(|_| Code::ProfileClosed)?;
        answer.recv().map_err(|_| Code::ProfileClosed)?
    }

    /// The answer that an Intent of this id got within the last 24 hours, if there was one: what a repeat would get.
    pub fn first_answer(&self, id: IntentId) -> Result<Option<Answer>, Code> {
        let (reply, answer) = channel();
        self.inbox.send(Errand::FirstAnswer(id, reply)).map_err(|_| Code::ProfileClosed)?;
        answer.recv().map_err(|_| Code::ProfileClosed)
    }

    /// Seals a body in the vault.
    pub fn stage(&self, body: &str) -> Result<BodyRef, Code> {
        if body.is_empty() {
            return Err(Code::EmptyMessage);
        }
        if body.len() > BODY_LEN_MAX {
            return Err(Code::MessageTooLong);
        }
        let (reply, answer) = channel();
        self.inbox.send(Errand::Stage(body.as_bytes().to_vec(), reply)).map_err(|_| Code::ProfileClosed)?;
        answer.recv().map_err(|_| Code::ProfileClosed)?
    }

    /// Sends a text: stages it, and asks for it to be sent. Returns once it is durable.
    pub fn send(&self, contact: Fingerprint, text: &str) -> Result<MessageId, Code> {
        self.send_as(Client::intent_id(), contact, text)
    }

    /// Sends a text under an id made before. **Repeat:** the first answer; nothing is sent twice.
    pub fn send_as(&self, id: IntentId, contact: Fingerprint, text: &str) -> Result<MessageId, Code> {
        // A text that no message comes of is kept by nobody: a repeat stages none, and one that is refused is forgotten.
        if let Some(answer) = self.first_answer(id)? {
            return queued(answer);
        }
        let body = self.stage(text)?;
        let len = u32::try_from(text.len()).map_err(|_| Code::MessageTooLong)?;
        let answer = self.submit(id, Intent::Send { contact, body, len })?;
        if matches!(answer, Answer::Refused(_)) {
            self.inbox.send(Errand::Unstage(body)).map_err(|_| Code::ProfileClosed)?;
        }
        queued(answer)
    }

    /// Writes an archive into a new file, locked by this passphrase: what of the profile can be had again by [`Profile::restore`].
    /// Nothing else happens meanwhile; what arrives waits. When that was, the profile knows from then on.
    ///
    /// **Errors:** `FileExists`; `DiskFailed` while the vault fails; the disk's. What an error leaves of the file is removed.
    /// **Repeat:** another archive, of a later time.
    pub fn archive(&self, file: &Path, passphrase: &Secret<Vec<u8>>, options: Options) -> Result<Archived, Fault> {
        // Here, and not while all else waits: it takes its time.
        let keys = ArchiveKeys::make(&mut SystemEntropy, passphrase, options.cost)?;
        let (reply, archived) = channel();
        self.inbox.send(Errand::Archive(Archiving { file: file.to_path_buf(), keys, reply })).map_err(|_| Code::ProfileClosed)?;
        archived.recv().map_err(|_| Code::ProfileClosed)?
    }

    /// When the profile was last archived; none if it never was.
    pub fn archived(&self) -> Result<Option<Stamp>, Code> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner).archived()
    }

    /// The next changes, at least one unless the time is up; at most `max`.
    pub fn next_changes(&self, max: usize, wait: Duration) -> Vec<Change> {
        let (shared, moved) = &*self.shared;
        let deadline = Instant::now() + wait.min(WAIT_MAX);
        let mut guard = lock(shared);
        while guard.changes.is_empty() && !guard.closed {
            let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                break;
            };
            guard = moved.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        guard.changes.take(max)
    }

    /// The durable state, as a frontend sees it.
    pub fn view(&self) -> View {
        lock(&self.shared.0).view.clone()
    }

    /// Waits until the view is as wanted, or the time is up (`None`).
    pub fn wait_for<T>(&self, wait: Duration, mut wanted: impl FnMut(&View) -> Option<T>) -> Option<T> {
        let (shared, moved) = &*self.shared;
        let deadline = Instant::now() + wait.min(WAIT_MAX);
        let mut guard = lock(shared);
        loop {
            if let Some(found) = wanted(&guard.view) {
                return Some(found);
            }
            let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero() && !guard.closed)?;
            guard = moved.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A count that grows whenever something may have moved; for [`Client::wait_moved`].
    pub fn moves(&self) -> u64 {
        lock(&self.shared.0).moves
    }

    /// Waits until something may have moved since a count was taken, or the time is up.
    pub fn wait_moved(&self, since: u64, wait: Duration) {
        let (shared, moved) = &*self.shared;
        let guard = lock(shared);
        drop(moved.wait_timeout_while(guard, wait, |shared| shared.moves == since && !shared.closed));
    }

    /// The contact of a name: of several who call themselves so, the one whom the directory knows.
    pub fn contact(&self, name: &Name) -> Option<ContactView> {
        self.view().contact(name).cloned()
    }

    /// Messages with a contact (`None`: with all) after a number, oldest first. Those that wait for their encryption are in
    /// the view's `unsettled` alone.
    pub fn messages(&self, contact: Option<Fingerprint>, after: u64, count_max: u32) -> Result<Vec<MessageRow>, Code> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner).messages(contact, after, count_max)
    }

    /// One message of a contact; `None` if it has no row (yet).
    pub fn message(&self, contact: Fingerprint, direction: Direction, message: MessageId) -> Result<Option<MessageRow>, Code> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner).message(contact, direction, message)
    }

    /// Messages of an id, in any conversation and either way.
    pub fn find(&self, message: MessageId) -> Result<Vec<MessageRow>, Code> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner).find(message)
    }

    /// Messages received since the person read last, a contact.
    pub fn unread(&self) -> Result<BTreeMap<Fingerprint, u64>, Code> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner).unread()
    }

    /// The number of the newest message's row; 0 if there is none.
    pub fn newest(&self) -> Result<u64, Code> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner).newest()
    }

    /// MLS groups that the conversation with a contact has: more than one, if both sides began at once.
    pub fn groups(&self, contact: Fingerprint) -> Result<u32, Code> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner).groups(contact)
    }

    /// What went wrong last, if the profile's thread met a fault.
    pub fn fault(&self) -> Option<Fault> {
        lock(&self.shared.0).fault.clone()
    }

    /// Closes the profile: what is durable stays, what is under way goes on at the next open.
    pub fn close(mut self) -> Result<(), Fault> {
        self.end()
    }

    fn end(&mut self) -> Result<(), Fault> {
        // A thread that has ended has closed already.
        let _ = self.inbox.send(Errand::Close);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            Some(Err(_)) => Err(Fault::from(Code::FoldPanicked)),
            None => Ok(()),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Whoever wants to know how closing went calls close.
        let _ = self.end();
    }
}

/// What a transport calls when there may be something to poll.
fn waker(inbox: &SyncSender<Errand>) -> Arc<dyn Fn() + Send + Sync> {
    let inbox = inbox.clone();
    // A profile that is closed has nothing to wake for, and one that has much to do looks anyway.
    Arc::new(move || drop(inbox.try_send(Errand::Wake)))
}

/// Logs in anew where the relay's pushes do not arrive any more. Returns whether that was asked for, and what a person is told if
/// the way broke just now: of a session, or to somebody who is not that relay.
fn keep_way(pump: &mut Pump<SqlVault>, watch: &mut Watch) -> (bool, Option<Code>) {
    if pump.is_offline() {
        return (false, None);
    }
    let login = pump.state().session.since;
    let online = pump.state().session.link == Link::Online;
    if watch.slept() {
        // The relay has long given the connection up; here nothing says so.
        pump.drop_way();
        watch.broke(Instant::now(), login, 0);
    }
    let broke = pump.way_broke();
    if broke {
        let mut chance = [0; 8];
        SystemEntropy.fill(&mut chance);
        watch.broke(Instant::now(), login, u64::from_be_bytes(chance));
    }
    let due = watch.due(Instant::now(), login) && online;
    if due {
        pump.submit(Client::intent_id(), Intent::Connect);
    }
    let told = if pump.met_another() { Some(Code::NotThatRelay) } else { online.then_some(Code::RelayUnreachable) };
    (due, told.filter(|_| broke))
}

fn run(mut pump: Pump<SqlVault>, errands: &Receiver<Errand>, shared: &(Mutex<Shared>, Condvar)) -> Result<(), Fault> {
    let mut waiting: BTreeMap<IntentId, Vec<Sender<Result<Answer, Code>>>> = BTreeMap::new();
    let mut wait = Duration::ZERO;
    let mut open = true;
    let mut watch = Watch::new();
    let mut archives: Vec<Archiving> = Vec::new();
    while open {
        let mut next = match errands.recv_timeout(wait) {
            Ok(errand) => Some(errand),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let mut taken = 0;
        while let Some(errand) = next {
            taken += 1;
            match errand {
                Errand::Submit(id, intent, reply) => {
                    waiting.entry(id).or_default().push(reply);
                    pump.submit(id, intent);
                }
                Errand::FirstAnswer(id, reply) => {
                    // A caller that is gone does not need the answer.
                    let _ = reply.send(first_answer(pump.state(), id));
                }
                Errand::Stage(body, reply) => {
                    // A caller that is gone does not need the answer; the body is swept at the next open.
                    let _ = reply.send(pump.stage(&body));
                }
                Errand::Unstage(body) => {
                    // What a vault that fails now keeps, the next open sweeps.
                    let _ = pump.unstage(body);
                }
                Errand::Archive(archiving) => archives.push(archiving),
                Errand::Wake => {}
                Errand::Close => open = false,
            }
            // Whoever asks without end has their turn, and the rest goes on.
            next = if taken < ERRANDS_MAX { errands.try_recv().ok() } else { None };
        }
        let (connecting, broke) = keep_way(&mut pump, &mut watch);
        let (mut moved, fault) = match pump.pump() {
            Ok(pumped) => (pumped, None),
            Err(fault) => (Pumped::default(), Some(fault)),
        };
        if connecting && fault.is_some() {
            // What was asked in that turn is gone.
            watch.broke(Instant::now(), pump.state().session.since, 0);
        }
        let due = match (&fault, moved.deadline) {
            (Some(_), _) => Some(FAULT_WAIT),
            (None, deadline) => deadline.map(|deadline| Duration::from_millis(deadline.since(moved.now).0)),
        };
        wait = watch.wait_for(Instant::now(), due);
        let mut guard = lock(&shared.0);
        // After a fault too: what was folded before it may be durable.
        if moved.records > 0 || fault.is_some() {
            guard.view = pump.view();
        }
        // The session notices when something is asked: a person is told now.
        guard.changes.tell(broke.map(Change::Disconnected));
        guard.changes.tell(std::mem::take(&mut moved.changes));
        guard.fault.clone_from(&fault);
        guard.moves = guard.moves.wrapping_add(1);
        shared.1.notify_all();
        drop(guard);
        // The view first: whoever has an answer sees what it did.
        for (id, answer) in moved.answers {
            for reply in waiting.remove(&id).unwrap_or_default() {
                let _ = reply.send(answer.clone());
            }
        }
        // Work for seconds may have been done just now, and its outcome waits to be folded.
        if fault.is_some() || pump.is_at_rest() || pump.vault_fails() {
            for Archiving { file, keys, reply } in std::mem::take(&mut archives) {
                let archived = fault.clone().map_or_else(|| pump.archive(&file, keys, &mut SystemEntropy), Err);
                let _ = reply.send(archived);
            }
        } else if !archives.is_empty() {
            wait = Duration::ZERO;
        }
        if let Some(fault) = &fault {
            for reply in std::mem::take(&mut waiting).into_values().flatten() {
                let _ = reply.send(Err(fault.code));
            }
        }
    }
    let closed = pump.close().and_then(|mut closed| Ok(closed.vault.checkpoint()?));
    let mut guard = lock(&shared.0);
    guard.closed = true;
    shared.1.notify_all();
    closed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transport_that_wakes_without_end_fills_no_memory() {
        let (inbox, errands) = sync_channel(ERRANDS_MAX);
        let wake = waker(&inbox);
        (0..2 * ERRANDS_MAX).for_each(|_| wake());
        assert_eq!(errands.try_iter().count(), ERRANDS_MAX);
    }
}
