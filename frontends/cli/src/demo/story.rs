//! What happens in the demo, scene by scene.

use super::carol::Carol;
use super::ledger::{Ledger, Report};
use super::people::{Person, inspect, name};
use super::tell::Tell;
use super::{Trouble, stopped};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use thicket_client::{SystemClock, SystemEntropy};
use thicket_openpgp::Verifier;
use thicket_relay::{Bell, Policy, Relay, Running, World};
use thicket_store::SqliteStore;
use thicket_transport::{Conditions, DirectRelay, Joined, Loopback, LoopbackRelay};
use thicket_types::intent::Intent;
use thicket_types::ports::Entropy as _;
use thicket_types::secret::Secret;

type DemoRelay = Running<SqliteStore, Joined<LoopbackRelay, DirectRelay>>;

/// The conditions of the scene where everything goes wrong on the way.
const ROUGH: Conditions = Conditions { lost: 20, doubled: 150, reordered: 500, seed: 20 };

/// Tells it all. Returns how it ended, and the relay's address for other processes.
pub fn run(tell: &mut Tell<'_>, folder: &Path) -> Result<(Report, String), Trouble> {
    let mut ledger = Ledger::default();

    tell.scene("A relay starts, and three people register with it", "three people register")?;
    let (relay, meeting, address) = start_relay(folder)?;
    tell.line("the relay listens on loopback and, for other processes, over Noise on TCP")?;
    let mut alice = Person::register("alice", folder, &meeting)?;
    let mut bob = Person::register("bob", folder, &meeting)?;
    tell.line("alice and bob: each signed the relay's challenge with a new OpenPGP identity")?;
    let mut carol = Carol::start(folder)?;
    carol.tell(&format!("register {address}"))?;
    carol.answer("register")?;
    tell.line("carol: the same, from a process of her own")?;

    tell.scene("Alice looks bob up and writes; bob accepts and answers", "two messages are delivered")?;
    alice.ask(Intent::AddContact { name: name("bob")? })?;
    let to_bob = alice.knows("bob")?;
    let text = ledger.say("alice", "bob", "Hello Bob, this is the first message.");
    alice.say(to_bob, &text)?;
    bob.has(&text)?;
    let to_alice = bob.knows("alice")?;
    bob.ask(Intent::AcceptContact { contact: to_alice })?;
    let text = ledger.say("bob", "alice", "Hello Alice, it arrived.");
    bob.say(to_alice, &text)?;
    alice.has(&text)?;
    alice.delivered()?;
    bob.delivered()?;
    tell.line("a group of two by MLS; both messages delivered, and both senders told")?;

    tell.scene("Bob goes away, and alice writes on", "bob comes back to five messages")?;
    bob.leave()?;
    let texts: Vec<String> = (1..=5).map(|number| ledger.say("alice", "bob", &format!("While you were away, {number}."))).collect();
    for text in &texts {
        alice.say(to_bob, text)?;
    }
    alice.stored()?;
    tell.line("five messages wait at the relay, sealed; it does not know who wrote them")?;
    bob.come_back()?;
    let mut places = Vec::new();
    for text in &texts {
        places.push(bob.has(text)?);
    }
    let order = if places.is_sorted() { "in order" } else { "out of order" };
    tell.line(&format!("bob opened his journal, logged in again, and has all five, {order}"))?;
    alice.delivered()?;

    tell.scene("The way gets rough: frames are lost, doubled and overtaken", "thirty messages find their way")?;
    meeting.set_conditions(ROUGH);
    meeting.set_paused(true);
    let mut texts = Vec::new();
    for number in 1..=15 {
        let text = ledger.say("alice", "bob", &format!("Through the storm, {number}."));
        alice.say(to_bob, &text)?;
        texts.push(text);
        bob.say(to_alice, &ledger.say("bob", "alice", &format!("Against the wind, {number}.")))?;
    }
    meeting.set_paused(false);
    alice.delivered()?;
    bob.delivered()?;
    let mut places = Vec::new();
    for text in &texts {
        places.push(bob.has(text)?);
    }
    meeting.set_conditions(Conditions::default());
    let late = places.windows(2).filter(|pair| pair.first() > pair.last()).count();
    tell.line(&format!(
        "thirty messages crossed; {late} times one of alice's came before one she had written earlier; each is there once"
    ))?;

    tell.scene("Bob and carol begin a conversation at the same moment", "two conversations become one")?;
    bob.ask(Intent::AddContact { name: name("carol")? })?;
    let to_carol = bob.knows("carol")?;
    carol.tell("add bob")?;
    carol.answer("add")?;
    let from_bob = ledger.say("bob", "carol", "Carol, are you there?");
    let from_carol = ledger.say("carol", "bob", "Bob, are you there?");
    // Carol has encrypted, and bob does not know of it, when he begins too.
    carol.tell(&format!("send {:032x} bob {from_carol}", 1))?;
    carol.hold_at(|at| at.starts_with("committed") && at.contains("SealMessage"))?;
    bob.say(to_carol, &from_bob)?;
    bob.stored()?;
    carol.tell("go")?;
    follow(&mut carol, &bob, &from_carol)?;
    let arose = match bob.client()?.groups(to_carol)? {
        1 => "one was quicker: one MLS group arose".to_owned(),
        groups => format!("{groups} MLS groups arose, and by one rule both sides settled on the same one"),
    };
    tell.line(&format!("{arose}; both messages were read"))?;

    alice.leave()?;
    alice.come_back()?;
    carol.tell("settle")?;
    carol.answer("settle")?;
    carol.close()?;
    carol.restart()?;
    tell.line("alice and carol closed their programs, and go on from snapshots of their journals")?;

    tell.scene("Carol's process is killed, three times, at the worst moments", "carol comes back")?;
    let text = ledger.say("carol", "bob", "Written just before the power went.");
    carol.tell(&format!("send {:032x} bob {text}", 2))?;
    // Other blocks may come first, of what is still under way: it is the one that holds her message.
    carol.hold_at(|at| at.starts_with("appended") && at.contains(&format!(" {:032x}", 2)))?;
    carol.kill()?;
    tell.line("SIGKILL with the block on disk and nothing dispatched")?;
    carol.restart()?;
    // She never saw an Ok, so she asks again, under the same id.
    carol.tell(&format!("send {:032x} bob {text}", 2))?;
    carol.answer(&format!("{:032x}", 2))?;
    follow(&mut carol, &bob, &text)?;
    tell.line("she asked again under the same id; bob has it once")?;

    let text = ledger.say("carol", "bob", "Encrypted, and then darkness.");
    carol.tell(&format!("send {:032x} bob {text}", 3))?;
    carol.hold_at(|at| at.starts_with("committed") && at.contains("SealMessage"))?;
    carol.kill()?;
    tell.line("SIGKILL with the vault's ratchet moved and committed, and the journal not knowing")?;
    carol.restart()?;
    follow(&mut carol, &bob, &text)?;
    tell.line("the vault's ledger gave the same frame again; bob has it once")?;

    let text = ledger.say("carol", "bob", "Sent, and gone before the answer.");
    carol.tell(&format!("send {:032x} bob {text}", 4))?;
    carol.hold_at(|at| at.starts_with("committed") && at.contains("SealMessage"))?;
    carol.tell("go")?;
    carol.hold_at(|at| at == "sent Anonymous")?;
    // It stands where the frame has left and nothing says so: bob may read it while carol does not know.
    bob.has(&text)?;
    carol.kill()?;
    tell.line("SIGKILL with the frame on its way, bob reading it, and carol's journal not knowing")?;
    carol.restart()?;
    follow(&mut carol, &bob, &text)?;
    tell.line("the same bytes went again and were recognised; bob has it once")?;

    let text = ledger.say("bob", "carol", "Good to have you back.");
    bob.say(to_carol, &text)?;
    carol.go_while(|| Ok(!bob.all_delivered()?))?;
    // Bob's receipts reach carol a moment later: she stays until she has them.
    carol.tell("settle")?;
    carol.answer("settle")?;

    tell.scene("Everybody leaves, and every journal is folded again", "the journals are folded")?;
    alice.leave()?;
    bob.leave()?;
    carol.close()?;
    drop(relay.stop());
    let kept = [inspect("alice", &alice.folder)?, inspect("bob", &bob.folder)?, inspect("carol", carol.folder())?];
    tell.line("twice from the first record, and on from each snapshot")?;
    Ok((ledger.settle(&kept, carol.crashes)?, address))
}

/// Lets carol go on until bob has her text.
fn follow(carol: &mut Carol, bob: &Person, text: &str) -> Result<(), Trouble> {
    carol.go_while(|| Ok(!bob.has_now(text)?))
}

fn start_relay(folder: &Path) -> Result<(DemoRelay, Loopback, String), Trouble> {
    let data = folder.join("relay");
    std::fs::create_dir_all(&data)?;
    let bell = Arc::new(Bell::default());
    let ringing = bell.clone();
    let waker: thicket_transport::Waker = Arc::new(move || ringing.ring());
    let (meeting, end) = Loopback::new("demo", Conditions::default());
    end.set_waker(waker.clone());
    let [identity, noise] = keys(&data)?;
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let direct = DirectRelay::bind(listen, noise.expose(), Box::new(SystemEntropy), waker)?;
    let address = direct.address();
    let store = SqliteStore::open(&data.join("relay.db")).map_err(|error| stopped(error.to_string()))?;
    let (clock, policy) = (Box::new(SystemClock::new()), Policy::default());
    let world = World { entropy: Box::new(SystemEntropy), clock, verify: Box::new(Verifier), policy };
    let relay = Relay::new(store, Joined::new(end, direct), identity.expose(), world);
    Ok((Running::start(relay, bell)?, meeting, address))
}

/// Makes the relay's identity and its Noise key, and leaves them where thicket-relayd looks for them: it can serve what is kept.
fn keys(data: &Path) -> Result<[Secret<[u8; 32]>; 2], Trouble> {
    let fresh = || {
        let mut bytes = [0; 32];
        SystemEntropy.fill(&mut bytes);
        Secret::new(bytes)
    };
    let (identity, noise) = (fresh(), fresh());
    let both = Secret::new([identity.expose().as_slice(), noise.expose()].concat());
    std::fs::write(data.join("relay.key"), both.expose())?;
    Ok([identity, noise])
}
