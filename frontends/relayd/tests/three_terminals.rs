//! The README's three terminals: a relay, alice and bob, each a process of its own.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use tempfile::TempDir;

/// A running relay; killed when it goes out of scope, so that a failed test leaves none behind.
struct Relay {
    child: Child,
    /// Held, so that the relay's standard output stays open.
    _out: BufReader<ChildStdout>,
    address: String,
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address, which stands alone on its line: the key in hex, and where it listens.
fn alone(line: &str, listen: &str) -> String {
    let address = line.strip_suffix('\n').expect("a whole line");
    let (key, place) = address.strip_prefix("direct:").and_then(|rest| rest.split_once('@')).unwrap_or_else(|| panic!("{line:?}"));
    assert!(key.len() == 64 && key.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')), "{line:?}");
    let (host, port) = listen.rsplit_once(':').expect("an address and a port");
    let (shown, listens) = place.rsplit_once(':').unwrap_or_else(|| panic!("{line:?}"));
    assert!(shown == host && listens.parse::<u16>().is_ok_and(|number| number > 0), "{line:?}");
    assert!(port == "0" || port == listens, "{line:?}");
    address.to_owned()
}

impl Relay {
    fn start(home: &Path, listen: &str) -> Relay {
        let mut command = Command::new(env!("CARGO_BIN_EXE_thicket-relayd"));
        command.arg("--home").arg(home).arg("--listen").arg(listen).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the relay starts");
        let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        out.read_line(&mut line).expect("the first line");
        Relay { child, _out: out, address: alone(&line, listen) }
    }

    /// Asks it to stop, as an operator does, and waits.
    fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg("-TERM").arg(pid).status().expect("kill is there").success());
        assert!(self.child.wait().expect("it ends").success(), "a graceful end");
    }

    fn port(&self) -> &str {
        self.address.rsplit(':').next().expect("a port")
    }
}

struct Terminal {
    home: PathBuf,
}

impl Terminal {
    fn run(&self, arguments: &[&str]) -> Output {
        let thicket = Path::new(env!("CARGO_BIN_EXE_thicket-relayd")).with_file_name("thicket");
        let mut command = Command::new(thicket);
        command.arg("--home").arg(&self.home).args(arguments).env("THICKET_PASSPHRASE", "one two three");
        command.output().expect("thicket is built beside thicket-relayd: cargo test --release builds both")
    }

    /// The output of a command that must succeed.
    fn say(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }
}

/// The commands of README.md's section, as words, in its order.
fn of_the_readme() -> Vec<Vec<String>> {
    // At run time: two checkouts may share a target folder, and the binary with it.
    let readme = Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where the crate is")).join("../../README.md");
    let readme = std::fs::read_to_string(readme).expect("README.md is there");
    let section = readme.split("\n## ").find(|section| section.starts_with("Three terminals\n")).expect("a section");
    let (blocks, mut commands) = (section.split("```").skip(1).step_by(2), Vec::new());
    for line in blocks.flat_map(str::lines).filter(|line| line.starts_with("thicket")) {
        // What stands in quotes is one word.
        let words = line.split('"').enumerate().flat_map(|(at, part)| match at % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        });
        commands.push(words.collect());
    }
    commands
}

#[test]
fn the_readmes_commands_carry_a_message_each_way() {
    let folder = TempDir::new().expect("a folder");
    let commands = of_the_readme();
    let [relayd, rest @ ..] = commands.as_slice() else { panic!("no commands") };
    assert_eq!(relayd.join(" "), "thicket-relayd --home /tmp/relay --listen 127.0.0.1:7070");
    let relay = Relay::start(&folder.path().join("relay"), "127.0.0.1:0");
    let run = |words: &[String]| {
        let [program, home, place, arguments @ ..] = words else { panic!("{words:?}") };
        assert_eq!((program.as_str(), home.as_str()), ("thicket", "--home"), "{words:?}");
        let terminal = Terminal { home: folder.path().join(place.strip_prefix("/tmp/").expect("a folder of /tmp")) };
        let given = |word: &String| if word == "ADDRESS" { relay.address.clone() } else { word.clone() };
        let arguments: Vec<String> = arguments.iter().map(given).collect();
        terminal.say(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let mut said = Vec::new();
    for words in rest {
        said.push((words[3..].join(" "), run(words)));
        // "In the third the same for bob, in /tmp/b."
        if words[3] == "register" {
            for same in rest.iter().take(2) {
                let of_bob = |word: &String| word.replace("/tmp/a", "/tmp/b").replace("alice", "bob");
                run(&same.iter().map(of_bob).collect::<Vec<_>>());
            }
        }
    }
    let shown = |command: &str| {
        let (_, shown) = said.iter().find(|(typed, _)| typed == command).unwrap_or_else(|| panic!("{command} is not in the README"));
        shown.as_str()
    };
    assert_eq!(shown("register --relay ADDRESS"), "alice is registered.\n");
    assert_eq!(shown("send bob See you at eight."), "stored\n");
    assert!(shown("read alice").contains("alice: See you at eight."));
    assert!(shown("contact accept alice").contains("accepted"));
    assert_eq!(shown("send alice I will be there."), "stored\n");
    assert!(shown("read bob").contains("bob: I will be there."));
    assert_eq!(said.len(), 10, "{said:?}");
    relay.stop();
}

#[test]
fn two_people_write_to_each_other_through_a_relay_that_restarts() {
    let folder = TempDir::new().expect("a folder");
    let terminal = |name: &str| Terminal { home: folder.path().join(name) };
    let (home, alice, bob) = (folder.path().join("relay"), terminal("a"), terminal("b"));

    let relay = Relay::start(&home, "127.0.0.1:0");
    assert!(relay.address.starts_with("direct:") && relay.address.contains("@127.0.0.1:"), "{}", relay.address);
    for (terminal, name) in [(&alice, "alice"), (&bob, "bob")] {
        terminal.say(&["account", "create", name]);
        assert_eq!(terminal.say(&["register", "--relay", &relay.address]), format!("{name} is registered.\n"));
    }

    // Bob is not there. Alice writes, and the relay keeps it.
    assert!(alice.say(&["contact", "add", "bob"]).contains("accepted"));
    assert_eq!(alice.say(&["send", "bob", "See you at eight."]), "stored\n");
    // The relay restarts in between, as an operator does it.
    let port = relay.port().to_owned();
    let address = relay.address.clone();
    relay.stop();
    let relay = Relay::start(&home, &format!("127.0.0.1:{port}"));
    assert_eq!(relay.address, address, "the relay is the same after a restart");

    assert!(bob.say(&["sync"]).starts_with("1 new"));
    assert!(bob.say(&["read", "alice"]).contains("alice: See you at eight."));
    assert!(bob.say(&["contact", "list"]).contains("asks to be accepted"));
    assert!(bob.say(&["contact", "accept", "alice"]).contains("accepted"));
    bob.say(&["send", "alice", "I will be there."]);

    alice.say(&["sync"]);
    let read = alice.say(&["read", "bob"]);
    assert!(read.contains("me: See you at eight.  (delivered)") && read.contains("bob: I will be there."), "{read}");
    assert!(alice.say(&["conversations"]).contains("I will be there."));
    let (ours, theirs) = (alice.say(&["contact", "verify", "bob"]), bob.say(&["contact", "verify", "alice"]));
    assert_eq!(ours.lines().nth(2), theirs.lines().nth(2), "the safety numbers are equal");
    assert!(ours.contains('█'), "and there is a QR code");
    assert!(alice.say(&["contact", "verify", "bob", "--done"]).contains("verified"));
    assert!(alice.say(&["status"]).contains("direct gives no anonymity"));
    assert!(alice.say(&["journal", "verify"]).contains("verified  yes"));
    assert!(alice.say(&["journal", "ls"]).contains("Requested Send"));

    // Without the relay a message is kept, and goes out later.
    relay.stop();
    let said = alice.say(&["--timeout", "1", "send", "bob", "Written without a relay."]);
    assert!(["queued\n", "sent\n"].contains(&said.as_str()), "the relay has not stored it: {said}");
    let relay = Relay::start(&home, &format!("127.0.0.1:{port}"));
    alice.say(&["sync"]);
    bob.say(&["sync"]);
    assert!(bob.say(&["read", "alice"]).contains("Written without a relay."));

    // The operator's copy.
    let copy = folder.path().join("copy.db");
    let backup = Command::new(env!("CARGO_BIN_EXE_thicket-relayd")).arg("--home").arg(&home).arg("backup").arg(&copy).output();
    let backup = backup.expect("it starts");
    assert!(backup.status.success());
    assert_eq!(String::from_utf8_lossy(&backup.stdout), format!("The store is copied to {}.\n", copy.display()));
    assert!(std::fs::metadata(&copy).expect("a copy").len() > 0);
    relay.stop();
}
