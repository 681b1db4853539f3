//! The program's configuration and its log, as an operator meets them.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

fn relayd() -> Command {
    Command::new(env!("CARGO_BIN_EXE_thicket-relayd"))
}

fn check(folder: &Path, text: &str) -> Output {
    let file = folder.join("relayd.toml");
    std::fs::write(&file, text).expect("room");
    relayd().arg("--config").arg(&file).arg("--check-config").output().expect("it starts")
}

const PLACE: &str = "home = \"/var/lib/thicket\"\nlisten = \"127.0.0.1:7070\"\n";

#[test]
fn a_configuration_is_checked_and_its_faults_are_named() {
    let folder = TempDir::new().expect("a folder");
    let good = check(folder.path(), PLACE);
    assert!(good.status.success(), "{good:?}");
    for (text, words) in [
        ("home = \"/var/lib/thicket\"\nlisten = \"here\"\n", "listen"),
        (&format!("{PLACE}registration = \"invited\"\n"), "registration"),
        (&format!("{PLACE}registration = \"token\"\n"), "tokens_file"),
        (&format!("{PLACE}registration = \"token\"\ntokens_file = \"/nowhere/tokens\"\n"), "/nowhere/tokens"),
        (&format!("{PLACE}stamp_bits = 23\n"), "relayd.toml: stamp_bits = 23: it must be 0 to 22"),
        (&format!("{PLACE}retention_days = 46\n"), "it must be 1 to 45"),
        (&format!("{PLACE}connections_address_max = 0\n"), "relayd.toml: connections_address_max = 0: it must be 1 to 1024"),
        (&format!("{PLACE}mailbox_items = 5\n"), "mailbox_items"),
        (&format!("{PLACE}accounts_max = \"many\"\n"), "relayd.toml: line 3: accounts_max must be a whole number"),
        ("home = \"/var/lib/thicket\n", "relayd.toml: line 1 is no TOML: "),
        ("home = \"/var/lib/thicket\"\n", "nowhere to listen"),
        ("listen = \"127.0.0.1:7070\"\n", "no home"),
    ] {
        is_refused(&check(folder.path(), text), words);
    }
    let place = folder.path().to_str().expect("UTF-8");
    is_refused(&relayd().args(["--check-config", "--config", place]).output().expect("it starts"), place);
    is_refused(
        &relayd().args(["--check-config", "--config", "/nowhere/relayd.toml"]).output().expect("it starts"),
        "/nowhere/relayd.toml: ",
    );
}

/// One line that says what is wrong, its number, and what to do.
fn is_refused(refused: &Output, words: &str) {
    assert_eq!((refused.status.code(), refused.stdout.as_slice()), (Some(2), [].as_slice()), "{refused:?}");
    let said = String::from_utf8(refused.stderr.clone()).expect("UTF-8");
    assert!(said.starts_with("thicket-relayd: ") && said.contains(words) && said.lines().count() == 1, "{said}");
    assert!(
        said.trim_end().ends_with(
            " (error 317). Mend it: docs/RELAY.md lists the keys and what each may be, and thicket-relayd --check-config tries them."
        ),
        "{said}"
    );
}

#[cfg(unix)]
#[test]
fn a_configuration_or_tokens_without_an_end_are_refused() {
    let folder = TempDir::new().expect("a folder");
    let endless = relayd().args(["--config", "/dev/zero", "--check-config"]).output().expect("it starts");
    let tokens = check(folder.path(), &format!("{PLACE}registration = \"token\"\ntokens_file = \"/dev/zero\"\n"));
    for (refused, most) in [(endless, 64 * 1024), (tokens, 1024 * 1024)] {
        is_refused(&refused, &format!("/dev/zero: it is longer than {most} bytes"));
    }
}

#[test]
fn what_a_relay_would_run_with_is_shown_without_its_tokens() {
    let folder = TempDir::new().expect("a folder");
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "hunter-2\nswordfish\n").expect("room");
    let text = format!("{PLACE}registration = \"token\"\ntokens_file = {tokens:?}\naccounts_max = 7\nretention_days = 10\n");
    let good = check(folder.path(), &text);
    let shown = String::from_utf8(good.stdout).expect("UTF-8");
    for line in [
        "home = \"/var/lib/thicket\"",
        "listen = \"127.0.0.1:7070\"",
        "registration = \"token\"",
        "# 2 in the file:",
        &format!("tokens_file = {tokens:?}"),
        "accounts_max = 7",
        "mailbox_items_max = 10000",
        "capability_items_max = 2000",
        "request_box_items_max = 64",
        "stamp_bits = 12",
        "retention_days = 10",
        "connections_address_max = 64",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
    }
    assert!(!shown.contains("hunter") && !shown.contains("swordfish"), "{shown}");
}

#[test]
fn what_is_shown_is_a_configuration_that_shows_the_same() {
    let folder = TempDir::new().expect("a folder");
    let tokens = folder.path().join("to\"kens");
    std::fs::write(&tokens, "hunter-2\n").expect("room");
    let shown = |output: Output| {
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let with_tokens =
        format!("registration = \"token\"\ntokens_file = {tokens:?}\naccounts_max = 7\nstamp_bits = 0\nretention_days = 10\n");
    for more in ["", "registration = \"closed\"\nconnections_address_max = 1024\n", &with_tokens] {
        for place in [PLACE, "home = \"C:\\\\relay's \\u00e9\"\nlisten = \"[::1]:0\"\n"] {
            let first = shown(check(folder.path(), &format!("{place}{more}")));
            assert_eq!(shown(check(folder.path(), &first)), first);
        }
    }
    // What the command line gives stands in it too.
    let given = relayd().args(["--home", "/srv/a b", "--listen", "127.0.0.1:1", "--check-config"]).output().expect("it starts");
    let first = shown(given);
    assert!(first.starts_with("home = \"/srv/a b\"\nlisten = \"127.0.0.1:1\"\n"), "{first}");
    assert_eq!(shown(check(folder.path(), &first)), first);
}

#[test]
fn a_configuration_that_is_refused_leaves_no_trace() {
    let folder = TempDir::new().expect("a folder");
    let (home, file) = (folder.path().join("relay"), folder.path().join("relayd.toml"));
    std::fs::write(&file, "stamp_bits = 99\n").expect("room");
    let refused = relayd().arg("--home").arg(&home).args(["--listen", "127.0.0.1:0", "--config"]).arg(&file).output().expect("it starts");
    assert_eq!(refused.status.code(), Some(2));
    assert!(!home.exists());
}

#[test]
fn what_a_relay_makes_is_its_owners_alone_under_any_umask() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().expect("a folder");
    let (home, copy) = (folder.path().join("relay"), folder.path().join("copy.db"));
    let open_to_all = || {
        let mut command = Command::new("sh");
        command.args(["-c", "umask 0 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_thicket-relayd"), "--home"]).arg(&home);
        command
    };
    let mut child = open_to_all().args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut address = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut address).expect("the first line");
    let backup = open_to_all().arg("backup").arg(&copy).status();
    let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    let files = ["lock", "relay.key", "relay.db", "relay.db-wal", "relay.db-shm"].map(|file| (file, mode(&home.join(file))));
    child.kill().and_then(|()| child.wait()).expect("it ends");
    assert!(backup.expect("it starts").success());
    assert_eq!(files.map(|(_, mode)| mode), [0o600; 5], "{files:?}");
    assert_eq!((mode(&home), mode(&copy)), (0o700, 0o600));
}

/// The files of a folder with what is in them.
fn files(folder: &Path) -> BTreeMap<OsString, Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    entries.map(|entry| (entry.file_name(), std::fs::read(entry.path()).expect("a file"))).collect()
}

#[test]
fn of_two_relays_on_one_home_the_second_says_so_and_changes_nothing() {
    let folder = TempDir::new().expect("a folder");
    let (home, copy) = (folder.path().join("relay"), folder.path().join("copy.db"));
    let start = || {
        let mut command = relayd();
        command.arg("--home").arg(&home).args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped());
        command
    };
    let mut first = start().spawn().expect("it starts");
    let mut address = String::new();
    BufReader::new(first.stdout.take().expect("a pipe")).read_line(&mut address).expect("the first line");
    // The store's own bytes are the first relay's to change.
    let there = || files(&home).into_iter().map(|(name, bytes)| (name == "relay.key").then_some(bytes).ok_or(name)).collect::<Vec<_>>();
    let before = there();
    let mut second = start().stderr(Stdio::piped()).spawn().expect("it starts");
    // A second relay that runs tells its address; one that is refused ends its output.
    let mut said = String::new();
    BufReader::new(second.stdout.take().expect("a pipe")).read_line(&mut said).expect("its end");
    let after = there();
    let backup = relayd().arg("--home").arg(&home).arg("backup").arg(&copy).output().expect("it starts");
    let runs = first.try_wait().expect("a child").is_none();
    first.kill().and_then(|()| first.wait()).expect("it ends");
    let _ = second.kill();
    let second = second.wait_with_output().expect("it ends");
    assert_eq!((said.as_str(), second.status.code()), ("", Some(5)), "{second:?}");
    let words = String::from_utf8(second.stderr).expect("UTF-8");
    let said = format!("thicket-relayd: {}: another relay runs on this home (error 129). Stop it first", home.display());
    assert!(words.starts_with(&said), "{words}");
    assert!(runs, "the first goes on");
    assert_eq!(before, after, "and its keys and its files are the same");
    assert!(backup.status.success(), "{backup:?}");
    // What was killed gave its home back, and the same keys are in it.
    let mut third = start().spawn().expect("it starts");
    let mut again = String::new();
    BufReader::new(third.stdout.take().expect("a pipe")).read_line(&mut again).expect("the first line");
    third.kill().and_then(|()| third.wait()).expect("it ends");
    let key = |address: &str| address.split('@').next().map(str::to_owned);
    assert_eq!(key(&again), key(&address));
}

#[test]
fn a_relay_that_dies_while_it_makes_its_keys_leaves_none_and_the_next_one_makes_them() {
    let folder = TempDir::new().expect("a folder");
    let home = folder.path().join("relay");
    // With no room for a byte in any file the system ends it at the first one that it writes: a key.
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -c 0; ulimit -f 0; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_thicket-relayd"), "--home"]);
    let died = command.arg(&home).args(["--listen", "127.0.0.1:0"]).output().expect("it starts");
    assert!(!died.status.success() && died.stdout.is_empty(), "{died:?}");
    assert_eq!(files(&home), BTreeMap::from([("lock".into(), Vec::new()), ("relay.key.new".into(), Vec::new())]));
    let mut child = relayd().arg("--home").arg(&home).args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut address = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut address).expect("the first line");
    child.kill().and_then(|()| child.wait()).expect("it ends");
    assert!(address.starts_with("direct:"), "{address}");
    let left = files(&home);
    assert_eq!((left.get(OsStr::new("relay.key")).map(Vec::len), left.contains_key(OsStr::new("relay.key.new"))), (Some(64), false));
}

/// Runs a relay until it has told its address, asks it to stop, and gives what it wrote to standard error.
fn log_of_a_short_life(arguments: &[&str]) -> String {
    let folder = TempDir::new().expect("a folder");
    let mut command = relayd();
    command.arg("--home").arg(folder.path().join("relay")).args(["--listen", "127.0.0.1:0"]).args(arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut address = String::new();
    out.read_line(&mut address).expect("the first line");
    assert!(address.starts_with("direct:"), "{address}");
    assert!(Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().expect("kill is there").success());
    assert!(child.wait().expect("it ends").success(), "a graceful end");
    let mut log = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut log).expect("UTF-8");
    let (key, place) = address.trim_end().trim_start_matches("direct:").split_once('@').expect("KEY@HOST:PORT");
    assert!(!log.contains(key) && !log.contains(place) && !log.contains("127.0.0.1"), "{log}");
    log
}

#[test]
fn the_connections_of_an_address_are_those_of_the_configuration() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("relayd.toml");
    std::fs::write(&file, "connections_address_max = 1\n").expect("room");
    let mut command = relayd();
    command.arg("--home").arg(folder.path().join("relay")).args(["--listen", "127.0.0.1:0", "--config"]).arg(&file);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut address = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut address).expect("the first line");
    let place = address.trim_end().rsplit('@').next().expect("KEY@HOST:PORT");
    // They are taken in the order in which they came.
    let mut streams = [(); 2].map(|()| TcpStream::connect(place).expect("the port is open"));
    let [first, second] = &mut streams;
    second.set_read_timeout(Some(std::time::Duration::from_secs(30))).expect("a timeout of more than zero");
    let beyond = second.read(&mut [0]);
    first.set_nonblocking(true).expect("a socket");
    let within = first.read(&mut [0]).map_err(|error| error.kind());
    child.kill().and_then(|()| child.wait()).expect("it ends");
    assert_eq!(beyond.expect("closed, and no timeout"), 0);
    assert_eq!(within, Err(std::io::ErrorKind::WouldBlock), "the first is still there");
}

#[test]
fn start_and_stop_are_told_and_nothing_that_names_anybody() {
    let log = log_of_a_short_life(&[]);
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.first(), Some(&"thicket-relayd: started"), "{log}");
    let last = lines.last().expect("a line");
    let counts = "0 requests, 0 refused; 0 items stored; 0 failures of the store";
    assert!(last.starts_with("thicket-relayd: stopped after") && last.ends_with(counts), "{log}");
}

/// Runs a relay under a limit of open files until it has told its address; gives that limit then, and the log.
#[cfg(target_os = "linux")]
fn under_limit(ulimit: &str) -> (String, String) {
    let folder = TempDir::new().expect("a folder");
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit {ulimit} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_thicket-relayd"), "--home"]);
    command.arg(folder.path().join("relay")).args(["--listen", "127.0.0.1:0", "--log", "quiet"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut address = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut address).expect("the first line");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).expect("it runs");
    assert!(Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().expect("kill is there").success());
    assert!(child.wait().expect("it ends").success(), "a graceful end");
    let mut log = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut log).expect("UTF-8");
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("a line");
    (files.split_whitespace().next().expect("a number").to_owned(), log)
}

#[cfg(target_os = "linux")]
#[test]
fn a_relay_has_as_many_files_as_its_connections_need_or_says_that_it_has_not() {
    let (raised, silent) = under_limit("-Sn 100");
    assert_eq!((raised.as_str(), silent.as_str()), ("1056", ""));
    let (bound, said) = under_limit("-n 100");
    assert_eq!(bound, "100");
    let words = "thicket-relayd: the system lets this process open 100 files, and 1024 connections need 1056: ";
    assert!(said.starts_with(words) && said.lines().count() == 1, "{said}");
}

#[test]
fn a_quiet_relay_tells_nothing_of_a_life_without_faults() {
    assert_eq!(log_of_a_short_life(&["--log", "quiet"]), "");
}
