//! The program's configuration and its log, as an operator meets them.

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
        (&format!("{PLACE}stamp_bits = 23\n"), "stamp_bits = 23: it must be 0 to 22"),
        (&format!("{PLACE}retention_days = 46\n"), "it must be 1 to 45"),
        (&format!("{PLACE}connections_address_max = 0\n"), "it must be 1 to 1024"),
        (&format!("{PLACE}mailbox_items = 5\n"), "mailbox_items"),
    ] {
        let bad = check(folder.path(), text);
        assert_eq!(bad.status.code(), Some(2), "{text}");
        assert!(String::from_utf8_lossy(&bad.stderr).contains(words), "{bad:?}");
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
        "home = /var/lib/thicket",
        "listen = 127.0.0.1:7070",
        "registration = token (2 in the file)",
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
    let files = ["relay.key", "relay.db", "relay.db-wal", "relay.db-shm"].map(|file| (file, mode(&home.join(file))));
    child.kill().and_then(|()| child.wait()).expect("it ends");
    assert!(backup.expect("it starts").success());
    assert_eq!(files.map(|(_, mode)| mode), [0o600; 4], "{files:?}");
    assert_eq!((mode(&home), mode(&copy)), (0o700, 0o600));
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

#[test]
fn a_quiet_relay_tells_nothing_of_a_life_without_faults() {
    assert_eq!(log_of_a_short_life(&["--log", "quiet"]), "");
}
