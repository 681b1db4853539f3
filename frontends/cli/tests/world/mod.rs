//! A relay in the test's own process, and people who run the real program against it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use tempfile::TempDir;
use thicket_client::{Cost, Options, Origin, Profile, SystemClock, SystemEntropy, share};
use thicket_openpgp::Verifier;
use thicket_relay::{Bell, Policy, Relay, Running, World};
use thicket_store::SqliteStore;
use thicket_transport::{DirectRelay, Waker};
use thicket_types::ids::RelayKey;
use thicket_types::name::Name;
use thicket_types::ports::Clock;
use thicket_types::secret::Secret;
use thicket_types::time::Stamp;

pub const PASSPHRASE: &str = "one two three";

/// The program, with nothing from outside that could change what it does.
pub fn program(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thicket"));
    command.arg("--home").arg(home).args(arguments);
    for outside in ["THICKET_HOME", "THICKET_TOKEN", "NO_COLOR", "TERM"] {
        command.env_remove(outside);
    }
    command.env("THICKET_PASSPHRASE", PASSPHRASE);
    command
}

pub fn status(output: &Output) -> i32 {
    output.status.code().expect("no signal")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// The JSON of each line.
pub fn lines(output: &Output) -> Vec<serde_json::Value> {
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The JSON of the last line.
pub fn last(output: &Output) -> serde_json::Value {
    lines(output).pop().expect("a line")
}

/// The system's clock, and so much more.
struct AheadClock(SystemClock, i64);

impl Clock for AheadClock {
    fn now(&self) -> Stamp {
        Stamp(self.0.now().0.saturating_add_signed(self.1))
    }
}

/// A relay that runs; its address stays when it is stopped and started again.
pub struct TestRelay {
    folder: PathBuf,
    /// Its identity's secret, and its Noise key's.
    secrets: [[u8; 32]; 2],
    policy: Policy,
    running: Option<Running<SqliteStore, DirectRelay>>,
    /// How far its clock is ahead of everybody else's, from its next start on.
    pub ahead_ms: i64,
    pub address: String,
    /// Its identity.
    pub key: RelayKey,
}

impl TestRelay {
    pub fn start(folder: &Path, secret: u8, policy: Policy) -> TestRelay {
        TestRelay::of(folder, [[secret; 32]; 2], policy, 0)
    }

    /// A relay of these secrets, on a port of 127.0.0.1; 0 takes a free one.
    pub fn of(folder: &Path, secrets: [[u8; 32]; 2], policy: Policy, port: u16) -> TestRelay {
        std::fs::create_dir_all(folder).expect("room");
        let (folder, key) = (folder.to_path_buf(), RelayKey([0; 32]));
        let mut relay = TestRelay { folder, secrets, policy, running: None, ahead_ms: 0, address: String::new(), key };
        relay.run(port);
        relay
    }

    fn run(&mut self, port: u16) {
        let bell = Arc::new(Bell::default());
        let ringing = bell.clone();
        let waker: Waker = Arc::new(move || ringing.ring());
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let direct = DirectRelay::bind(listen, &self.secrets[1], Box::new(SystemEntropy), waker).expect("a port");
        self.address = direct.address();
        let store = SqliteStore::open(&self.folder.join("relay.db")).expect("a store");
        let policy = self.policy.clone();
        let clock = Box::new(AheadClock(SystemClock::new(), self.ahead_ms));
        let world = World { entropy: Box::new(SystemEntropy), clock, verify: Box::new(Verifier), policy };
        let relay = Relay::new(store, direct, &self.secrets[0], world);
        self.key = relay.key();
        self.running = Some(Running::start(relay, bell).expect("a thread"));
    }

    pub fn stop(&mut self) {
        drop(self.running.take().map(Running::stop));
    }

    /// Runs again, where it was.
    pub fn restart(&mut self) {
        self.run(self.port());
    }

    /// Its store is lost, and it begins with an empty one, under its keys.
    pub fn lose_store(&mut self) {
        self.stop();
        for file in ["relay.db", "relay.db-wal", "relay.db-shm"] {
            let _ = std::fs::remove_file(self.folder.join(file));
        }
        self.restart();
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
    }
}

fn patient<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let told = arguments.iter().any(|argument| argument.starts_with("--timeout"));
    arguments.iter().copied().chain((!told).then_some("--timeout=30")).collect()
}

/// Someone with a profile.
pub struct Person {
    pub name: &'static str,
    pub home: PathBuf,
}

impl Person {
    /// Someone with a new profile. Its passphrase is hashed cheaply: what that costs is each command's own, and tests run thousands.
    pub fn new(name: &'static str, account: &str, home: PathBuf) -> Person {
        let options = Options { cost: Cost { memory_kib: 8, passes: 1, lanes: 1 } };
        let origin = Origin::New(Name::parse(account).expect("a name"));
        let passphrase = Secret::new(PASSPHRASE.as_bytes().to_vec());
        let made = Profile::create(&home, origin, &passphrase, options, share(Box::new(SystemEntropy)), &SystemClock::new());
        drop(made.expect("a profile"));
        Person { name, home }
    }

    /// Runs a command; it has time, unless it is told otherwise.
    pub fn run(&self, arguments: &[&str]) -> Output {
        program(&self.home, &patient(arguments)).output().expect("the program starts")
    }

    /// What a command prints that must succeed.
    pub fn say(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(status(&output), 0, "{} {arguments:?}: {output:?}", self.name);
        text(&output.stdout)
    }

    /// The objects that a command prints that must succeed.
    pub fn json(&self, arguments: &[&str]) -> Vec<serde_json::Value> {
        let output = self.run(&[&["--json"], arguments].concat());
        assert_eq!(status(&output), 0, "{} {arguments:?}: {output:?}", self.name);
        lines(&output)
    }

    /// The exit status and number of a command that is refused.
    pub fn refused(&self, arguments: &[&str]) -> (i32, u64) {
        let output = self.run(&[&["--json"], arguments].concat());
        (status(&output), last(&output)["error"]["code"].as_u64().expect("an error"))
    }

    /// Runs a command over an input.
    pub fn pipe(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self.start(&patient(arguments));
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
        child.wait_with_output().expect("it ends")
    }

    /// Starts a command and leaves it running; its input is open.
    pub fn start(&self, arguments: &[&str]) -> Child {
        let mut command = interruptible(program(&self.home, arguments));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
    }

    /// The id of the newest message with someone.
    pub fn newest(&self, with: &str) -> String {
        self.json(&["read", with]).pop().expect("a message")["message"].as_str().expect("an id").to_owned()
    }
}

/// A command that an interruption reaches, whatever whoever runs the tests ignores: `nohup` and a shell's `&` hand that down.
fn interruptible(command: Command) -> Command {
    if cfg!(not(target_os = "linux")) {
        // Whoever has no such `env` does not ignore it.
        return command;
    }
    let mut reached = Command::new("env");
    reached.arg("--default-signal=INT").arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => reached.env(name, value),
            None => reached.env_remove(name),
        };
    }
    reached
}

/// A relay with alice and bob, who are registered and know nobody.
pub struct Place {
    pub folder: TempDir,
    pub relay: TestRelay,
    pub alice: Person,
    pub bob: Person,
}

impl Place {
    pub fn new() -> Place {
        let folder = TempDir::new().expect("a folder");
        let relay = TestRelay::start(&folder.path().join("relay"), 1, Policy::default());
        let person = |name: &'static str| {
            let person = Person::new(name, name, folder.path().join(name));
            person.say(&["register", "--relay", &relay.address]);
            person
        };
        let (alice, bob) = (person("alice"), person("bob"));
        Place { folder, relay, alice, bob }
    }

    /// The same, with a conversation: alice has written, and bob has accepted and answered; both have read.
    pub fn with_conversation() -> Place {
        let place = Place::new();
        let Place { alice, bob, .. } = &place;
        alice.say(&["contact", "add", "bob"]);
        alice.say(&["send", "bob", "See you at eight."]);
        bob.say(&["sync"]);
        bob.say(&["contact", "accept", "alice"]);
        bob.say(&["send", "alice", "I will be there."]);
        bob.say(&["read", "alice"]);
        alice.say(&["sync"]);
        alice.say(&["read", "bob"]);
        place
    }
}

/// The fields that docs/CLI.md lists, by command: `contact add`, `accept` stands for `contact add` and `contact accept`. Commands
/// whose lines are of many kinds have none.
pub fn documented() -> BTreeMap<String, BTreeSet<String>> {
    // At run time: two checkouts may share a target folder, and the binary with it.
    let path = Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where the crate is")).join("../../docs/CLI.md");
    let document = std::fs::read_to_string(path).expect("docs/CLI.md is there");
    let table = document.split_once("| command | fields | of them |\n|---|---|---|\n").expect("a table of JSON").1;
    let mut found = BTreeMap::new();
    for line in table.lines().take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').collect();
        let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<String>>();
        let fields: BTreeSet<String> = quoted(cells[1]).into_iter().collect();
        let mut group = String::new();
        for command in quoted(cells[0]) {
            let alone = ["send", "read", "search", "conversations", "sync", "chat", "listen", "status", "settings", "doctor", "demo"];
            let whole = match command.split_once(' ') {
                Some((first, _)) => {
                    group = first.to_owned();
                    command
                }
                None if group.is_empty() || alone.contains(&command.as_str()) => command,
                None => format!("{group} {command}"),
            };
            assert!(found.insert(whole.clone(), fields.clone()).is_none(), "{whole}: two rows");
        }
    }
    found
}

/// The fields that docs/CLI.md lists, by the kind of a change.
pub fn documented_changes() -> BTreeMap<String, BTreeSet<String>> {
    let path = Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where the crate is")).join("../../docs/CLI.md");
    let document = std::fs::read_to_string(path).expect("docs/CLI.md is there");
    let table = document.split_once("| kind | with |\n|---|---|\n").expect("a table of changes").1;
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<String>>();
    let rows = table.lines().take_while(|line| line.starts_with('|')).map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').collect();
        (quoted(cells[0]), quoted(cells[1]).into_iter().collect::<BTreeSet<String>>())
    });
    rows.flat_map(|(kinds, fields)| kinds.into_iter().map(move |kind| (kind, fields.clone()))).collect()
}

/// The names of an object's fields.
pub fn fields(object: &serde_json::Value) -> BTreeSet<String> {
    object.as_object().unwrap_or_else(|| panic!("no object: {object}")).keys().cloned().collect()
}
