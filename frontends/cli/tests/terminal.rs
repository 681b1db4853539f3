//! On a terminal: the passphrase, the progress line, and the prompt of a chat.
#![cfg(target_os = "linux")]

use crate::world::{PASSPHRASE, Person, Place, program};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use thicket_client::{Options, Origin, Profile, SystemClock, SystemEntropy, share};
use thicket_journal_format::keys::Cost;
use thicket_types::name::Name;
use thicket_types::secret::Secret;

const COLUMNS: usize = 60;
const ROWS: usize = 12;

/// A terminal with a program on it: what it was sent, and what stands on it.
struct Terminal {
    /// Columns and rows.
    size: (usize, usize),
    keyboard: File,
    sent: Arc<Mutex<Vec<u8>>>,
    child: Child,
}

impl Terminal {
    fn run(person: &Person, arguments: &[&str]) -> Terminal {
        Terminal::on(program(&person.home, arguments))
    }

    /// Runs a line of the shell in a session of its own, whose terminal this is, without a passphrase; `$thicket` is the program.
    fn session(home: &Path, line: &str) -> Terminal {
        let mut command = Command::new("setsid");
        command.args(["--ctty", "sh", "-c", line]).env("thicket", env!("CARGO_BIN_EXE_thicket")).env("THICKET_HOME", home);
        command.env_remove("THICKET_PASSPHRASE");
        Terminal::on(command)
    }

    fn on(command: Command) -> Terminal {
        Terminal::sized(command, (COLUMNS, ROWS))
    }

    fn sized(mut command: Command, size: (usize, usize)) -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).expect("ours");
        unlockpt(&master).expect("ours");
        let name = ptsname(&master, Vec::new()).expect("a name");
        let (columns, rows) = (u16::try_from(size.0).expect("small"), u16::try_from(size.1).expect("small"));
        tcsetwinsize(&master, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).expect("a size");
        let end = || OpenOptions::new().read(true).write(true).open(OsStr::from_bytes(name.as_bytes())).expect("its other end");
        command.env("TERM", "xterm").stdin(end()).stdout(end()).stderr(end());
        let child = command.spawn().expect("the program starts");
        // The command holds the other end too; without that a read ends when the program does.
        drop(command);
        let keyboard = File::from(master);
        let (mut screen, sent) = (keyboard.try_clone().expect("a second handle"), Arc::new(Mutex::new(Vec::new())));
        let keeping = sent.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 1024];
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                keeping.lock().expect("no panic").extend_from_slice(&bytes[..count]);
            }
        });
        Terminal { size, keyboard, sent, child }
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("it takes keys");
    }

    /// Types a line in answer to a question that is asked without an echo.
    fn answer(&mut self, question: &str, line: &str) {
        self.until(question, |rows| rows.last().is_some_and(|row| row.ends_with(question)));
        // The echo goes off just after the question.
        std::thread::sleep(Duration::from_millis(300));
        self.press(&format!("{line}\n"));
    }

    fn sent(&self) -> String {
        String::from_utf8_lossy(&self.sent.lock().expect("no panic")).into_owned()
    }

    /// The rows that stand on the screen, without the empty ones at its end.
    fn rows(&self) -> Vec<String> {
        Screen::after(&self.sent(), self.size)
    }

    fn until(&self, what: &str, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let rows = self.rows();
            if wanted(&rows) {
                return rows;
            }
            assert!(Instant::now() < deadline, "waited in vain for {what}:\n{}", rows.join("\n"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn end(&mut self) -> i32 {
        self.child.wait().expect("it ends").code().expect("no signal")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// As much of a terminal as the program uses.
struct Screen {
    columns: usize,
    cells: Vec<Vec<char>>,
    at: (usize, usize),
    saved: (usize, usize),
}

impl Screen {
    fn after(sent: &str, (columns, rows): (usize, usize)) -> Vec<String> {
        let mut screen = Screen { columns, cells: vec![vec![' '; columns]; rows], at: (0, 0), saved: (0, 0) };
        let mut chars = sent.chars();
        while let Some(char) = chars.next() {
            match char {
                '\r' => screen.at.1 = 0,
                '\n' => screen.feed(),
                '\u{8}' => screen.at.1 = screen.at.1.saturating_sub(1),
                '\u{1b}' => screen.escape(&mut chars),
                other => screen.put(other),
            }
        }
        let mut rows: Vec<String> = screen.cells.iter().map(|row| row.iter().collect::<String>().trim_end().to_owned()).collect();
        while rows.last().is_some_and(String::is_empty) {
            rows.pop();
        }
        rows
    }

    fn feed(&mut self) {
        if self.at.0 + 1 < self.cells.len() {
            self.at.0 += 1;
        } else {
            self.cells.remove(0);
            self.cells.push(vec![' '; self.columns]);
        }
    }

    fn put(&mut self, char: char) {
        if self.at.1 == self.columns {
            self.at.1 = 0;
            self.feed();
        }
        self.cells[self.at.0][self.at.1] = char;
        self.at.1 += 1;
    }

    fn escape(&mut self, chars: &mut std::str::Chars<'_>) {
        match chars.next() {
            Some('7') => self.saved = self.at,
            Some('8') => self.at = self.saved,
            Some('[') => {
                let mut digits = String::new();
                let end = loop {
                    match chars.next() {
                        Some(digit) if digit.is_ascii_digit() || digit == ';' || digit == '?' => digits.push(digit),
                        Some(end) => break end,
                        None => return,
                    }
                };
                let count = digits.parse().unwrap_or(1);
                match end {
                    'A' => self.at.0 = self.at.0.saturating_sub(count),
                    'B' => self.at.0 = (self.at.0 + count).min(self.cells.len() - 1),
                    'K' => self.cells[self.at.0][self.at.1.min(self.columns)..].fill(' '),
                    'J' => {
                        self.cells[self.at.0][self.at.1.min(self.columns)..].fill(' ');
                        self.cells[self.at.0 + 1..].iter_mut().for_each(|row| row.fill(' '));
                    }
                    'L' => {
                        for _ in 0..count {
                            self.cells.insert(self.at.0, vec![' '; self.columns]);
                            self.cells.pop();
                        }
                    }
                    'H' => {
                        let mut place = digits.split(';').map(|number| number.parse::<usize>().unwrap_or(1) - 1);
                        self.at = (place.next().unwrap_or(0), place.next().unwrap_or(0));
                    }
                    // Colours, the cursor's look, and which of two screens.
                    'm' | 'h' | 'l' => {}
                    other => panic!("an escape that no test knows: {digits}{other}"),
                }
            }
            other => panic!("an escape that no test knows: {other:?}"),
        }
    }
}

#[test]
fn what_takes_long_says_what_is_waited_for_and_leaves_nothing_behind() {
    let mut place = Place::new();
    place.relay.stop();
    let mut terminal = Terminal::run(&place.alice, &["--timeout=3", "sync"]);
    terminal.until("the progress line", |rows| rows.iter().any(|row| row.contains("waiting for the relay… 1 s")));
    assert_eq!(terminal.end(), 6);
    let rows = terminal.until("the error", |rows| rows.join(" ").contains("error 300"));
    assert!(rows[0].starts_with("thicket: the relay cannot be reached"), "{rows:?}");
    assert!(!terminal.sent().contains("\u{1b}[3"), "an error has no colours");

    let mut quiet = Terminal::run(&place.alice, &["--json", "--timeout=2", "sync"]);
    assert_eq!(quiet.end(), 6);
    quiet.until("the error", |rows| rows.iter().any(|row| row.contains("\"error\"")));
    assert!(!quiet.sent().contains("waiting"), "{}", quiet.sent());
}

#[test]
fn the_demo_says_what_a_long_scene_is_about() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let nobody = Person { name: "nobody", home: folder.path().join("nobody") };
    let mut terminal = Terminal::run(&nobody, &["demo"]);
    // Which scene takes long is chance; some does, and says what it is about in the last row.
    let waits = |row: &String| row.contains("… ") && row.ends_with(" 1 s");
    terminal.until("a long scene", |rows| rows.last().is_some_and(waits));
    assert_eq!(terminal.end(), 0, "{}", terminal.sent());
    terminal.until("its end", |rows| rows.last().is_some_and(|row| row.ends_with("read alice")));
    assert!(!terminal.rows().iter().any(waits), "nothing of it is left");
}

#[test]
fn a_chat_keeps_what_is_typed_below_what_comes() {
    let place = Place::with_conversation();
    let Place { alice, bob, .. } = &place;
    let mut terminal = Terminal::run(bob, &["--color=never", "chat", "alice"]);
    let rows = terminal.until("the prompt", |rows| rows.last().is_some_and(|row| row == ">"));
    assert!(
        rows[0].starts_with("                  · each line") && rows[..2].concat().contains("Ctrl-D"),
        "how to leave comes first: {rows:?}"
    );
    assert!(rows[2].ends_with("  alice: See you at eight.") && rows[3].contains("     me: I will be there."), "{rows:?}");

    // Half a line is typed when messages come.
    terminal.press("I am typ");
    alice.say(&["send", "bob", "Are you there?"]);
    let rows = terminal.until("the message", |rows| rows.iter().any(|row| row.ends_with("alice: Are you there?")));
    assert_eq!(rows.last().map(String::as_str), Some("> I am typ"), "{rows:?}");
    alice.say(&["send", "bob", &"A long one. ".repeat(8)]);
    let rows = terminal.until("the long message", |rows| rows.iter().filter(|row| row.contains("A long one.")).count() >= 3);
    assert_eq!(rows.last().map(String::as_str), Some("> I am typ"), "{rows:?}");
    // It is broken at its words, and goes on below its text.
    assert!(rows.iter().any(|row| row.ends_with("  alice: A long one. A long one. A long one.")), "{rows:?}");
    assert!(rows.iter().any(|row| *row == format!("{:25}A long one. A long one. A long one.", "")), "{rows:?}");

    // The typed line becomes a message, in place of what was typed.
    terminal.press("ing.\n");
    let rows = terminal.until("the message sent", |rows| rows.iter().any(|row| row.ends_with("me: I am typing.")));
    assert_eq!(rows.iter().filter(|row| row.contains("I am typing.")).count(), 1, "{rows:?}");
    alice.say(&["sync"]);
    terminal.until("its state", |rows| rows.iter().any(|row| row.trim() == "· delivered"));

    // At the last row of the terminal everything scrolls.
    terminal.press("below");
    for number in 1..=3 {
        alice.say(&["send", "bob", &format!("More and more of it, line {number} of three lines.")]);
    }
    let rows = terminal.until("the last message", |rows| rows.iter().any(|row| row.contains("line 3 of") || row.contains("3 of three")));
    assert_eq!(rows.last().map(String::as_str), Some("> below"), "{rows:?}");
    assert_eq!(rows.len(), ROWS, "{rows:?}");

    // Ctrl-U takes the line away, Ctrl-D ends it.
    terminal.press("\u{15}");
    std::thread::sleep(Duration::from_millis(200));
    terminal.press("\u{4}");
    assert_eq!(terminal.end(), 0);
    assert_eq!(bob.json(&["conversations"])[0]["unread"], 0);
}

#[test]
fn a_chat_that_is_interrupted_ends_without_an_error_and_says_what_waits() {
    let mut place = Place::with_conversation();
    place.relay.stop();
    let line = format!("export THICKET_PASSPHRASE='{PASSPHRASE}'; exec \"$thicket\" --color=never chat bob");
    let mut terminal = Terminal::session(&place.alice.home, &line);
    terminal.until("the prompt", |rows| rows.last().is_some_and(|row| row == ">"));
    terminal.press("Kept.\n");
    terminal.until("the message", |rows| rows.iter().any(|row| row.ends_with("me: Kept.")));
    terminal.press("\u{3}");
    assert_eq!(terminal.end(), 130);
    let rows = terminal.until("the last line", |rows| rows.join(" ").contains("at the next command that reaches it."));
    let said = rows.join(" ");
    assert!(said.contains("thicket: 1 message waits for the relay") && !said.contains("127") && !said.contains("interrupted"), "{rows:?}");
}

#[test]
fn a_message_that_would_fill_the_terminal_shows_its_begin_and_how_to_read_the_rest() {
    let place = Place::with_conversation();
    let Place { alice, bob, .. } = &place;
    alice.say(&["send", "bob", &format!("begin {}end", "word ".repeat(13_000))]);
    bob.say(&["sync"]);
    let id = bob.newest("alice");
    let mut terminal = Terminal::run(bob, &["--color=never", "chat", "alice"]);
    terminal.until("the prompt", |rows| rows.last().is_some_and(|row| row == ">"));
    let sent = terminal.sent();
    assert!(sent.contains("begin word") && sent.contains('…') && !sent.contains("end\r\n"), "{sent}");
    assert!(sent.split_whitespace().collect::<Vec<_>>().join(" ").contains(&format!("message show {}", &id[..8])), "{sent}");
    assert!(sent.lines().count() < 60, "{}", sent.lines().count());
    terminal.press("\u{4}");
    assert_eq!(terminal.end(), 0);
    // Through a pipe it is whole.
    let output = bob.pipe(&["chat", "alice"], "");
    assert!(String::from_utf8_lossy(&output.stdout).contains("word end\n"), "whole where nobody looks");
}

#[test]
fn the_old_and_the_new_passphrase_are_asked_for_by_their_names() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let home = folder.path().join("alice");
    assert_eq!(program(&home, &["account", "create", "alice"]).output().expect("the program starts").status.code(), Some(0));
    let change = "exec \"$thicket\" account passphrase";
    let mut terminal = Terminal::session(&home, change);
    terminal.answer("Old passphrase:", PASSPHRASE);
    terminal.answer("New passphrase:", "four five six");
    terminal.answer("New passphrase once more:", "four five seven");
    assert_eq!(terminal.end(), 2);
    terminal.until("the refusal", |rows| rows.iter().any(|row| row == "thicket: the two differ; nothing was changed (error 126)"));
    // What comes before the question is broken at its words.
    assert!(terminal.rows().iter().any(|row| row.ends_with("whoever forgets")), "{:?}", terminal.rows());

    let mut terminal = Terminal::session(&home, change);
    terminal.answer("Old passphrase:", PASSPHRASE);
    terminal.answer("New passphrase:", "four five six");
    terminal.answer("New passphrase once more:", "four five six");
    assert_eq!(terminal.end(), 0, "{}", terminal.sent());
}

#[test]
fn a_new_passphrase_is_asked_for_twice_with_the_word_that_it_cannot_be_recovered() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let home = folder.path().join("alice");
    let mut terminal = Terminal::session(&home, "exec \"$thicket\" account create alice");
    terminal.answer("Passphrase:", "one two three");
    assert!(terminal.sent().contains("Choose a passphrase. It cannot be recovered:"), "{}", terminal.sent());
    terminal.answer("Once more:", "one two four");
    assert_eq!(terminal.end(), 2);
    terminal.until("the refusal", |rows| rows.iter().any(|row| row == "thicket: the two differ; nothing was made (error 126)"));
    assert!(!home.join("keys").exists());

    let mut terminal = Terminal::session(&home, "exec \"$thicket\" account create alice 2>/dev/null");
    terminal.answer("Passphrase:", "one two three");
    terminal.answer("Once more:", "one two three");
    assert_eq!(terminal.end(), 0, "{}", terminal.sent());
    assert!(terminal.sent().contains("cannot be recovered") && !terminal.sent().contains("two"), "{}", terminal.sent());

    let mut terminal = Terminal::session(&home, "exec \"$thicket\" account show");
    terminal.answer("Passphrase:", "one two three");
    assert_eq!(terminal.end(), 0, "{}", terminal.sent());
}

#[test]
fn an_interrupted_question_leaves_a_terminal_that_echoes() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let line = "\"$thicket\" account create alice; echo \"status $?\"; stty -a";
    let mut terminal = Terminal::session(&folder.path().join("alice"), line);
    terminal.until("the question", |rows| rows.last().is_some_and(|row| row.ends_with("Passphrase:")));
    std::thread::sleep(Duration::from_millis(300));
    terminal.press("\u{3}");
    assert_eq!(terminal.end(), 0, "{}", terminal.sent());
    terminal.until("a terminal with an echo and signals", |_| {
        let sent = terminal.sent();
        ["echo", "isig"].iter().all(|set| sent.split_whitespace().any(|word| word == *set))
    });
    let sent = terminal.sent();
    assert!(sent.contains("the command was interrupted (error 127)") && sent.contains("status 130"), "{sent}");
}

#[test]
fn a_signal_at_the_question_leaves_a_terminal_that_echoes() {
    use rustix::process::{Pid, Signal, kill_process};
    use rustix::termios::{LocalModes, tcgetattr};
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let folder = tempfile::TempDir::new().expect("a folder");
        let mut terminal = Terminal::session(&folder.path().join("alice"), "exec \"$thicket\" account create alice");
        let echoes = |terminal: &Terminal| tcgetattr(&terminal.keyboard).expect("a terminal").local_modes.contains(LocalModes::ECHO);
        terminal.until("the question", |rows| rows.last().is_some_and(|row| row.ends_with("Passphrase:")) && !echoes(&terminal));
        kill_process(Pid::from_child(&terminal.child), signal).expect("it runs");
        assert_eq!(terminal.end(), 130, "{signal:?}");
        assert!(echoes(&terminal), "{signal:?}");
    }
}

#[test]
fn the_passphrase_is_asked_for_on_the_terminal_while_a_message_comes_through_a_pipe() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let alice = Person { name: "alice", home: folder.path().join("alice") };
    assert_eq!(program(&alice.home, &["account", "create", "alice"]).output().expect("the program starts").status.code(), Some(0));
    let mut terminal = Terminal::session(&alice.home, "echo hi | \"$thicket\" send bob -");
    terminal.answer("Passphrase:", "one two three");
    assert_eq!(terminal.end(), 3, "{}", terminal.sent());
    terminal.until("the refusal", |rows| rows.iter().any(|row| row.contains("there is no such contact")));

    // In a session without a terminal there is nobody to ask.
    let mut command = Command::new("setsid");
    command.arg(env!("CARGO_BIN_EXE_thicket")).args(["send", "bob", "-"]).env("THICKET_HOME", &alice.home);
    let output = command.env_remove("THICKET_PASSPHRASE").stdin(Stdio::null()).output().expect("the program starts");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("--passphrase-file"), "{output:?}");
}

#[test]
fn what_only_looks_says_what_is_waited_for_too() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let alice = Person { name: "alice", home: folder.path().join("alice") };
    // A passphrase that takes seconds to check.
    let options = Options { cost: Cost { memory_kib: 256 * 1024, passes: 64, lanes: 1 } };
    let (origin, passphrase) = (Origin::New(Name::parse("alice").expect("a name")), Secret::new(PASSPHRASE.as_bytes().to_vec()));
    let entropy = share(Box::new(SystemEntropy));
    drop(Profile::create(&alice.home, origin, &passphrase, options, entropy, &SystemClock::new()).expect("room"));
    let commands = [
        &["contact", "list"][..],
        &["conversations"],
        &["search", "eight"],
        &["message", "show", "01234567"],
        &["read", "bob"],
        &["settings"],
        &["journal", "ls"],
        &["journal", "show", "1"],
        &["journal", "verify"],
    ];
    for command in commands {
        let terminal = Terminal::run(&alice, command);
        terminal.until(&command.join(" "), |rows| rows.iter().any(|row| row.ends_with(" 1 s") && row.contains("… ")));
    }
}

/// `journal step` of alice's on a terminal of 80 columns and 24 rows, and the terminal's settings before.
fn stepping(place: &Place) -> (Terminal, LocalModes) {
    let mut command = program(&place.alice.home, &["journal", "step"]);
    command.env("NO_COLOR", "1");
    let terminal = Terminal::sized(command, (80, 24));
    let before = tcgetattr(&terminal.keyboard).expect("a terminal").local_modes;
    (terminal, before)
}

fn is_given_back(terminal: &Terminal, before: LocalModes) {
    // Its last bytes may still be on their way here.
    let is_back = |sent: &str| sent.contains("\u{1b}[?1049h") && sent.trim_end().ends_with("\u{1b}[?25h\u{1b}[?1049l");
    terminal.until("the screen before", |_| is_back(&terminal.sent()));
    assert_eq!(tcgetattr(&terminal.keyboard).expect("a terminal").local_modes, before);
}

#[test]
fn a_journal_is_stepped_through_on_a_screen_that_is_given_back() {
    let place = Place::new();
    let last = place.alice.json(&["journal", "ls"]).len();
    let (mut terminal, before) = stepping(&place);
    let stands = |seq: usize| move |rows: &[String]| rows[0].contains(&format!("record {seq} of {last}"));
    let rows = terminal.until("the last record", |rows| rows.len() == 24 && stands(last)(rows));
    assert!(rows[0].starts_with("journal step") && rows[1].contains(" records ") && rows[1].contains(" what it did "), "{rows:?}");
    assert!(rows[23].contains("q leave") && rows.iter().any(|row| row.starts_with('▸')), "{rows:?}");
    for (keys, seq) in [("\u{1b}[A", last - 1), ("\u{1b}[C", last), ("g1\r", 1), ("\u{1b}[B", 2), ("/connect\r", 0)] {
        terminal.press(keys);
        if seq > 0 {
            terminal.until(keys, stands(seq));
        }
    }
    terminal.until("a record", |rows| rows.iter().any(|row| row.starts_with('▸') && row.contains("Connect")));
    // Also what each effect is for, and what a record resolved.
    terminal.press("/a frame of\r");
    terminal.until("a record", |rows| rows.iter().any(|row| row.contains("│ resolved")) && rows.iter().any(|row| row.contains(", for ")));
    terminal.press("q");
    assert_eq!(terminal.end(), 0);
    is_given_back(&terminal, before);
    // Whoever has a capsule of it goes through that.
    let path = place.folder.path().join("a.capsule");
    let file = path.to_str().expect("UTF-8");
    place.alice.say(&["journal", "export", "--redact", file, "--yes"]);
    let command = program(&place.folder.path().join("nobody"), &["journal", "--capsule", file, "step"]);
    let mut terminal = Terminal::sized(command, (80, 24));
    terminal.until("the last record", |rows| rows.len() == 24 && stands(last)(rows));
    terminal.press("g1\r");
    terminal.until("the first record", stands(1));
    terminal.press("q");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn whatever_ends_a_journal_that_is_stepped_through_the_screen_is_given_back() {
    let place = Place::new();
    for by_signal in [false, true] {
        let (mut terminal, before) = stepping(&place);
        terminal.until("the screen", |rows| rows.last().is_some_and(|row| row.contains("q leave")));
        if by_signal {
            let child = Pid::from_raw(i32::try_from(terminal.child.id()).expect("a pid")).expect("a process");
            kill_process(child, Signal::TERM).expect("it is there");
        } else {
            terminal.press("\u{3}");
        }
        assert_eq!(terminal.end(), 130);
        is_given_back(&terminal, before);
    }
}

#[test]
fn a_capsule_is_written_after_a_yes_and_not_after_anything_else() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let home = folder.path().join("alice");
    assert_eq!(program(&home, &["account", "create", "alice"]).output().expect("the program starts").status.code(), Some(0));
    let alice = Person { name: "alice", home };
    let path = folder.path().join("a.capsule");
    let file = path.to_str().expect("UTF-8");
    for (typed, status) in [("", 2), ("no", 2), ("y", 0)] {
        let mut terminal = Terminal::run(&alice, &["journal", "export", "--redact", file]);
        terminal.answer("[y/N]", typed);
        assert_eq!((terminal.end(), path.exists()), (status, status == 0), "{}", terminal.sent());
        assert!(terminal.sent().contains("What it does not tell"), "{}", terminal.sent());
    }
    // A journal without a record has a capsule too.
    assert_eq!(alice.json(&["journal", "--capsule", file, "verify"])[0]["records"], 0);
}
