//! A process that is killed with SIGKILL again and again: the vault and the file system that ship, and a relay over real sockets.
//!
//! ```text
//!   parent: relay, bob, who kills            child: alice, who goes on with the script
//!      ◀── at appended, at committed, …          each point that she passes
//!      ◀── done N                                each step that she has a durable answer to
//!      ─── SIGKILL ──▶                           after a number of points, or some time
//!   looks at what is left, and starts her again
//! ```
//!
//! What a process says, it says before it dies: what stands in the pipe counts.

use crate::life::Wrong;
use crate::platter::Dice;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};
use thicket_client::{
    Client, Direction, MessageRow, Options, Origin, Point, Profile, SystemClock, SystemEntropy, TransportFactory, View, share,
};
use thicket_engine::Fault;
use thicket_journal_format::keys::Cost;
use thicket_openpgp::Verifier;
use thicket_relay::{Bell, Policy, Relay, Running};
use thicket_replay::verify;
use thicket_store::MemoryStore;
use thicket_transport::{DirectClient, DirectRelay, Waker};
use thicket_types::effect::MessageState;
use thicket_types::error::Code;
use thicket_types::ids::{Fingerprint, IntentId, MessageId};
use thicket_types::intent::{Answer, Intent};
use thicket_types::name::{Name, RelayAddress};
use thicket_types::secret::Secret;

/// As of every life here: what a passphrase is worth is not what is tried.
const CHEAP: Options = Options { cost: Cost { memory_kib: 8, passes: 1, lanes: 1 } };
const STAMP_BITS: u32 = 2;
/// Whatever has not happened by then does not happen.
const PATIENCE: Duration = Duration::from_secs(60);
/// Of the points after which a process is killed, the last.
const POINTS_MAX: usize = 60;
/// And the time: by then a process is logged in, and has sent what waited.
const TIME_MAX_MS: usize = 2_500;
/// Between the point and the kill: the process is somewhere in what follows.
const AFTER_POINT_US: usize = 3_000;

/// What became of a process that was killed so often.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Killed {
    /// Kills, by the last point that the process passed.
    pub after: BTreeMap<String, usize>,
    /// Steps that had a durable answer.
    pub steps: u64,
    /// Messages that arrived, each once: alice's and bob's.
    pub messages: [usize; 2],
}

fn passphrase() -> Secret<Vec<u8>> {
    Secret::new(b"scripted".to_vec())
}

fn wrong(what: &'static str) -> impl Fn(Fault) -> Wrong {
    move |fault| format!("{what}: {fault}")
}

fn direct() -> TransportFactory {
    Box::new(|waker| Box::new(DirectClient::new(Some(waker))))
}

/// What a step asks for.
enum Step {
    Say(String),
    ReadMarks(bool),
    UpdateKeys,
    MarkRead,
    /// The message of an earlier step.
    Forget(u64),
    /// The profile is closed and opened: a snapshot is written, and another segment begins.
    Again,
}

fn step(number: u64) -> Step {
    match number % 16 {
        3 => Step::MarkRead,
        5 => Step::ReadMarks((number / 16).is_multiple_of(2)),
        7 => Step::UpdateKeys,
        11 => Step::Forget(number - 10),
        13 => Step::Again,
        _ => Step::Say(format!("alice says {number}.")),
    }
}

fn id(number: u64) -> IntentId {
    IntentId((u128::from(number) + 1).to_be_bytes())
}

/// The child: alice goes on from a step, and says after each that it is durable. With `until` she stops there, waits until bob has
/// all, and closes her profile once she is told to.
///
/// **Errors:** what went wrong.
pub fn live_on(home: &Path, from: u64, until: Option<u64>) -> Result<(), Wrong> {
    // A parent that is gone takes no more lines: then a process has nobody to say anything to.
    let say = |line: &str| writeln!(std::io::stdout().lock(), "{line}").unwrap_or_else(|_| std::process::exit(1));
    let open = || -> Result<Client, Fault> {
        let profile = Profile::unlock(home, &passphrase(), share(Box::new(SystemEntropy)))?;
        let observer = Box::new(move |point: Point| {
            say(match point {
                Point::Appended { .. } => "at appended",
                Point::Committed { .. } => "at committed",
                Point::Sent { .. } => "at sent",
                Point::Dispatched { .. } => "at dispatched",
            });
            ControlFlow::Continue(())
        });
        Client::open_observed(profile, direct(), Some(observer))
    };
    let mut client = open().map_err(wrong("it does not open"))?;
    say("at opened");
    let bob = client.view().contacts.first().map(|contact| contact.fingerprint).ok_or("she knows nobody")?;
    let mut number = from;
    while until.is_none_or(|until| number < until) {
        let failed = |code: Code| format!("step {number}: {}", Fault::from(code));
        let ask = |intent| client.submit(id(number), intent).map_err(failed);
        let done = match step(number) {
            Step::Say(text) => client.send_as(id(number), bob, &text).map(|_| true).map_err(failed)?,
            Step::ReadMarks(on) => ask(Intent::SetReadMarks { on })? == Answer::Accepted,
            // What is under way already need not be asked for.
            Step::UpdateKeys => ask(Intent::UpdateKeys { contact: bob }).is_ok(),
            Step::MarkRead => {
                let rows = client.messages(Some(bob), 0, u32::MAX).map_err(failed)?;
                let last = rows.iter().rfind(|row| row.direction == Direction::Received);
                last.is_none_or(|row| ask(Intent::MarkRead { contact: bob, message: row.message }).is_ok())
            }
            Step::Forget(earlier) => {
                let message = MessageId(id(earlier).0);
                let answer = ask(Intent::ForgetMessage { contact: bob, message, sent: true })?;
                if answer == Answer::Accepted {
                    say(&format!("forgot {earlier}"));
                }
                true
            }
            Step::Again => {
                client.close().map_err(wrong("it can't be closed"))?;
                client = open().map_err(wrong("it does not open again"))?;
                true
            }
        };
        if !done {
            return Err(format!("step {number} was refused"));
        }
        say(&format!("done {number}"));
        thread::sleep(Duration::from_millis(20 + number.wrapping_mul(7) % 60));
        number += 1;
    }
    let since = Instant::now();
    let is_delivered = |row: &MessageRow| row.direction == Direction::Received || row.state == MessageState::Delivered;
    while !client.view().unsettled.is_empty() || !client.messages(None, 0, u32::MAX).is_ok_and(|rows| rows.iter().all(is_delivered)) {
        if since.elapsed() > PATIENCE {
            return Err("not everything was delivered".to_owned());
        }
        thread::sleep(Duration::from_millis(50));
    }
    say("settled");
    let _ = std::io::stdin().read_line(&mut String::new());
    client.close().map_err(wrong("it can't be closed"))
}

/// Somebody's process, as its parent holds it.
struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    fn start(program: &Path, home: &Path, from: u64, until: Option<u64>) -> Result<Process, Wrong> {
        let mut command = Command::new(program);
        command.arg("--live").arg(home).arg("--from").arg(from.to_string());
        if let Some(until) = until {
            command.arg("--until").arg(until.to_string());
        }
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|error| format!("{} does not start: {error}", program.display()))?;
        let (line, lines) = channel();
        let read = move |stdout: ChildStdout| {
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|said| line.send(said).map_err(drop)).ok();
        };
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || read(stdout));
        }
        Ok(Process { child, lines })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An end that comes early must not leave a process behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What alice's processes said, all together.
#[derive(Default)]
struct Said {
    /// Steps that are durable: all before this one.
    next: u64,
    forgotten: BTreeSet<u64>,
    at: String,
}

impl Said {
    fn note(&mut self, line: &str) -> Result<(), Wrong> {
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("she says {line:?}"));
        match line.split_once(' ') {
            Some(("at", point)) => point.clone_into(&mut self.at),
            Some(("done", step)) => self.next = number(step)? + 1,
            Some(("forgot", step)) => drop(self.forgotten.insert(number(step)?)),
            _ => {}
        }
        Ok(())
    }

    /// The texts of the steps that are durable, by their messages, in their order.
    fn texts(&self, forgotten_too: bool) -> BTreeMap<MessageId, String> {
        let said = (0..self.next).filter(|number| forgotten_too || !self.forgotten.contains(number));
        said.filter_map(|number| match step(number) {
            Step::Say(text) => Some((MessageId(id(number).0), text)),
            _ => None,
        })
        .collect()
    }
}

/// Bob, who answers each text, in a thread of his own.
struct Bob {
    client: Arc<Client>,
    over: Arc<AtomicBool>,
    thread: thread::JoinHandle<Result<Vec<String>, Wrong>>,
}

impl Bob {
    fn answers(client: Client, alice: Fingerprint) -> Bob {
        let (client, over) = (Arc::new(client), Arc::new(AtomicBool::new(false)));
        let (his, ends) = (client.clone(), over.clone());
        let thread = thread::spawn(move || {
            let (mut read, mut said) = (0, Vec::new());
            while !ends.load(Ordering::Relaxed) {
                let rows = his.messages(Some(alice), read, u32::MAX).map_err(|code| format!("bob reads: {code:?}"))?;
                for row in rows {
                    read = row.number;
                    if row.direction == Direction::Received {
                        let text = format!("bob heard {:?}", row.text.unwrap_or_default());
                        his.send(alice, &text).map_err(|code| format!("bob writes: {code:?}"))?;
                        said.push(text);
                    }
                }
                let moves = his.moves();
                his.wait_moved(moves, Duration::from_millis(50));
            }
            Ok(said)
        });
        Bob { client, over, thread }
    }

    /// Whether alice has told of each of his messages that she has it.
    fn is_heard(&self) -> bool {
        let rows = self.client.messages(None, 0, u32::MAX).unwrap_or_default();
        let answered = rows.iter().filter(|row| row.direction == Direction::Sent).count();
        let heard = |row: &MessageRow| row.direction == Direction::Received || row.state == MessageState::Delivered;
        answered * 2 == rows.len() && rows.iter().all(heard) && self.client.view().unsettled.is_empty()
    }
}

fn start_relay() -> Result<(Running<MemoryStore, DirectRelay>, String), Wrong> {
    let bell = Arc::new(Bell::default());
    let ringing = bell.clone();
    let waker: Waker = Arc::new(move || ringing.ring());
    let failed = |error: std::io::Error| format!("no relay: {error}");
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let end = DirectRelay::bind(listen, &[7; 32], Box::new(SystemEntropy), waker).map_err(failed)?;
    let address = end.address();
    let world = thicket_relay::World {
        entropy: Box::new(SystemEntropy),
        clock: Box::new(SystemClock::new()),
        verify: Box::new(Verifier),
        policy: Policy { stamp_bits: STAMP_BITS, ..Policy::default() },
    };
    let relay = Relay::new(MemoryStore::new(), end, &[9; 32], world);
    Ok((Running::start(relay, bell).map_err(failed)?, address))
}

fn create(folder: &Path, name: &'static str, address: &str) -> Result<Client, Wrong> {
    let origin = Origin::New(Name::parse(name).map_err(|_| "a name")?);
    let entropy = share(Box::new(SystemEntropy));
    let profile = Profile::create(folder, origin, &passphrase(), CHEAP, entropy, &SystemClock::new()).map_err(wrong(name))?;
    let client = Client::open(profile, direct()).map_err(wrong(name))?;
    let relay = RelayAddress::parse(address).ok_or("a relay has an address")?;
    let failed = |code: Code| format!("{name} can't register: {}", Fault::from(code));
    client.submit(Client::intent_id(), Intent::Register { relay, key: None, token: None }).map_err(failed)?;
    client.wait_for(PATIENCE, |view| view.registered.then_some(())).ok_or("nobody registers")?;
    Ok(client)
}

/// Alice and bob know each other, and have written.
fn acquainted(alice: &Client, bob: &Client) -> Result<(), Wrong> {
    let failed = |code: Code| format!("they do not meet: {}", Fault::from(code));
    let known = |of: Fingerprint| move |view: &View| view.contacts.iter().any(|contact| contact.fingerprint == of).then_some(());
    let (hers, his) = (alice.own().1, bob.own().1);
    let name = Name::parse("bob").map_err(|_| "a name")?;
    alice.submit(Client::intent_id(), Intent::AddContact { name }).map_err(failed)?;
    alice.wait_for(PATIENCE, known(his)).ok_or("alice does not find bob")?;
    alice.send(his, "hello").map_err(failed)?;
    bob.wait_for(PATIENCE, known(hers)).ok_or("bob does not hear alice")?;
    bob.submit(Client::intent_id(), Intent::AcceptContact { contact: hers }).map_err(failed)?;
    let heard = |view: &View| (view.unsettled.is_empty() && view.at_rest).then_some(());
    alice.wait_for(PATIENCE, heard).ok_or("alice does not come to rest")?;
    Ok(())
}

/// What is left of alice's profile opens, folds to the same, and holds all that she said.
fn holds(home: &Path, said: &Said) -> Result<Vec<MessageRow>, Wrong> {
    let looked = Profile::look_into(home, &passphrase(), |look| {
        let remembered = look.remembered();
        let (disk, keys) = look.files();
        let verified = verify(disk, keys, remembered)?;
        Ok((verified.holds(), look.view()?, look.reader()?.messages(None, 0, u32::MAX)?))
    });
    let (whole, view, rows) = looked.map_err(wrong("what is left does not open"))?;
    if !whole {
        return Err("what is left folds to something else".to_owned());
    }
    // What she died at may be done, though she did not say so.
    let forgets = match step(said.next) {
        Step::Forget(earlier) => Some(MessageId(id(earlier).0)),
        _ => None,
    };
    for (message, text) in said.texts(false) {
        if forgets == Some(message) {
            continue;
        }
        let is_it = |row: &MessageRow| row.direction == Direction::Sent && row.message == message && row.text.as_ref() == Some(&text);
        if !rows.iter().any(is_it) && !view.unsettled.contains_key(&message) {
            return Err(format!("she said that {text:?} is durable, and it is not there"));
        }
    }
    Ok(rows)
}

/// Lives a scripted life in a process that is killed so often, and at the end goes on to its end. `program`: this one.
///
/// **Errors:** what went wrong, and after how many kills.
pub fn kill(program: &Path, place: &Path, kills: usize, seed: u64, told: &dyn Fn(usize)) -> Result<Killed, Wrong> {
    let (relay, address) = start_relay()?;
    let homes: [PathBuf; 2] = ["alice", "bob"].map(|name| place.join(name));
    let (alice, bob) = (create(&homes[0], "alice", &address)?, create(&homes[1], "bob", &address)?);
    acquainted(&alice, &bob)?;
    let hers = alice.own().1;
    alice.close().map_err(wrong("alice"))?;
    let bob = Bob::answers(bob, hers);
    let (mut said, mut report) = (Said::default(), Killed::default());
    let mut dice = Dice::new(seed);
    for count in 0..kills {
        die(program, &homes[0], &mut said, &mut dice, &mut report)
            .and_then(|()| holds(&homes[0], &said))
            .map_err(|wrong| format!("after {count} kills: {wrong}"))?;
        told(count + 1);
    }
    // And on to the end.
    let mut last = Process::start(program, &homes[0], said.next, Some(said.next + 16))?;
    loop {
        let line = last.lines.recv_timeout(2 * PATIENCE).map_err(|_| "the last process does not come to its end")?;
        said.note(&line)?;
        if line == "settled" {
            break;
        }
    }
    let since = Instant::now();
    while !bob.is_heard() {
        if since.elapsed() > PATIENCE {
            return Err("alice does not get all that bob said".to_owned());
        }
        thread::sleep(Duration::from_millis(50));
    }
    drop(last.child.stdin.take());
    let status = last.child.wait().map_err(|error| format!("the last process: {error}"))?;
    if !status.success() {
        return Err(format!("the last process ended with {status}"));
    }
    bob.over.store(true, Ordering::Relaxed);
    let his = bob.thread.join().map_err(|_| "bob's thread panicked")??;
    let rows = holds(&homes[0], &said)?;
    let texts = |rows: &[MessageRow], direction| -> Vec<String> {
        rows.iter().filter(|row| row.direction == direction).map(|row| row.text.clone().unwrap_or_default()).collect()
    };
    // The first was said before the script. What waits for an answer when a process dies goes again when its wait is over, and
    // what is written meanwhile may arrive before it: the order is not compared.
    let [all, kept] = [true, false].map(|forgotten_too| {
        let first = ["hello".to_owned()].into_iter();
        sorted(first.chain(said.texts(forgotten_too).into_values()).collect())
    });
    let bobs = bob.client.messages(None, 0, u32::MAX).map_err(|code| format!("bob reads: {code:?}"))?;
    let messages = [all.len(), his.len()];
    for (what, is, was) in [
        ("what bob got", texts(&bobs, Direction::Received), all),
        ("what alice got", texts(&rows, Direction::Received), sorted(his)),
        ("what alice kept of her own", texts(&rows, Direction::Sent), kept),
    ] {
        let is = sorted(is);
        if is != was {
            return Err(format!("{what} is not what was said: {is:?}, not {was:?}"));
        }
    }
    drop(relay.stop());
    report.steps = said.next;
    report.messages = messages;
    Ok(report)
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}

/// One process, from its start to its SIGKILL.
fn die(program: &Path, home: &Path, said: &mut Said, dice: &mut Dice, report: &mut Killed) -> Result<(), Wrong> {
    "started".clone_into(&mut said.at);
    let from = said.next;
    let mut process = Process::start(program, home, from, None)?;
    // Half of them early, where most happens; half at any time.
    let (mut points, time) = match dice.below(2) {
        0 => (1 + dice.below(POINTS_MAX), PATIENCE),
        _ => (usize::MAX, Duration::from_millis(dice.below(TIME_MAX_MS) as u64)),
    };
    let until = Instant::now() + time;
    while points > 0 {
        match process.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                said.note(&line)?;
                points -= usize::from(line.starts_with("at "));
            }
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return Err("the process ended by itself".to_owned()),
        }
    }
    thread::sleep(Duration::from_micros(dice.below(AFTER_POINT_US) as u64));
    process.child.kill().and_then(|()| process.child.wait()).map_err(|error| format!("it can't be killed: {error}"))?;
    // All that it said, to the last line.
    while let Ok(line) = process.lines.recv_timeout(PATIENCE) {
        said.note(&line)?;
    }
    *report.after.entry(said.at.clone()).or_default() += 1;
    Ok(())
}
