//! What stops relayd: each time its number, the file, and what to do.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;
use thicket_types::error::Code;

fn relayd(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thicket-relayd"));
    command.arg("--home").arg(home).args(arguments);
    command
}

fn start(home: &Path) -> Output {
    relayd(home, &["--listen", "127.0.0.1:0"]).output().expect("it starts")
}

/// A home in which a relay ran and was stopped.
fn lived() -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("a folder");
    let home = folder.path().join("relay");
    let mut child = relayd(&home, &["--listen", "127.0.0.1:0", "--log", "quiet"]).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut address = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut address).expect("the first line");
    assert!(Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().expect("kill is there").success());
    assert!(child.wait().expect("it ends").success());
    (folder, home)
}

#[track_caller]
fn is(output: &Output, status: i32, code: Code, file: &Path) {
    let words = String::from_utf8(output.stderr.clone()).expect("UTF-8");
    assert_eq!(output.status.code(), Some(status), "{words}");
    let said = format!("thicket-relayd: {}: {}", file.display(), code.what());
    assert!(words.starts_with(&said) && words.contains(&format!(" (error {}). ", code.number())), "{words}");
    assert!(words.to_lowercase().contains(&code.hint().to_lowercase()) && words.lines().count() == 1, "{words}");
}

#[test]
fn damaged_and_newer_stores_and_keys_are_named_and_stay_as_they_are() {
    let (_folder, home) = lived();
    let (store, key) = (home.join("relay.db"), home.join("relay.key"));
    let good = std::fs::read(&store).expect("a store");
    let mut newer = good.clone();
    // SQLite's user_version (sqlite.org/fileformat.html, 1.3).
    newer[60..64].copy_from_slice(&2_u32.to_be_bytes());
    for (bytes, status, code) in [(vec![7; 8192], 7, Code::StoreDamaged), (newer, 9, Code::StoreNewer)] {
        std::fs::write(&store, &bytes).expect("room");
        is(&start(&home), status, code, &store);
        is(&relayd(&home, &["backup", "copy"]).output().expect("it starts"), status, code, &store);
        assert!(std::fs::read(&store).expect("a store") == bytes);
    }
    std::fs::write(&store, good).expect("room");
    std::fs::write(&key, [7; 10]).expect("room");
    is(&start(&home), 7, Code::RelayKeyDamaged, &key);
    assert_eq!(std::fs::read(&key).expect("keys"), [7; 10]);
}

/// Every name in a home, with what it is: the bytes of a file, or where a link leads.
fn all(home: &Path) -> BTreeMap<PathBuf, Result<Vec<u8>, PathBuf>> {
    let of = |path: &Path| std::fs::read_link(path).map_or_else(|_| Ok(std::fs::read(path).expect("a file")), Err);
    let paths = std::fs::read_dir(home).expect("a folder").map(|entry| entry.expect("an entry").path());
    paths.map(|path| (path.clone(), of(&path))).collect()
}

#[test]
fn a_home_with_keys_and_no_store_or_a_store_and_no_keys_is_refused_and_stays_as_it_is() {
    type Change = fn(&Path);
    let nowhere = |path: &Path| std::os::unix::fs::symlink("/nowhere/at/all", path).expect("room");
    let cases: [(&str, Change, Code, i32); 5] = [
        ("relay.key", |_| {}, Code::RelayKeyGone, 7),
        ("relay.key", nowhere, Code::FileFailed, 1),
        ("relay.db", |_| {}, Code::StoreGone, 7),
        ("relay.db", |path| std::fs::write(path, "").expect("room"), Code::StoreGone, 7),
        ("relay.db", nowhere, Code::StoreGone, 7),
    ];
    for (lost, change, code, status) in cases {
        let (_folder, home) = lived();
        let file = home.join(lost);
        std::fs::remove_file(&file).expect("it is there");
        change(&file);
        let before = all(&home);
        is(&start(&home), status, code, &file);
        assert_eq!(all(&home), before, "{lost}");
    }
}

#[test]
fn of_an_empty_store_no_backup_is_made() {
    let (_folder, home) = lived();
    std::fs::write(home.join("relay.db"), "").expect("room");
    is(&relayd(&home, &["backup", "copy"]).output().expect("it starts"), 3, Code::StoreMissing, &home);
    assert_eq!(std::fs::read(home.join("relay.db")).expect("a file"), b"");
}

#[test]
fn a_start_that_died_before_its_keys_had_their_place_is_begun_anew() {
    let (_folder, home) = lived();
    std::fs::rename(home.join("relay.key"), home.join("relay.key.new")).expect("room");
    let mut child = relayd(&home, &["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut address = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut address).expect("the first line");
    child.kill().and_then(|()| child.wait()).expect("it ends");
    assert!(address.starts_with("direct:"), "{address}");
    assert!(!home.join("relay.key.new").exists());
}

/// A stream that takes no byte: the disk is full.
#[cfg(target_os = "linux")]
fn full() -> Stdio {
    std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it").into()
}

/// A pipe that nobody reads.
fn unread() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

#[cfg(target_os = "linux")]
#[test]
fn where_its_output_fails_the_status_says_so() {
    let (folder, home) = lived();
    let copy = |number: u8| folder.path().join(format!("copy{number}.db")).display().to_string();
    let listen: &[&str] = &["--listen", "127.0.0.1:0"];
    let check: &[&str] = &["--listen", "127.0.0.1:0", "--check-config"];
    let copies = [copy(1), copy(2)];
    for (arguments, closed) in [(listen, listen), (check, check), (&["backup", &copies[0]], &["backup", &copies[1]])] {
        is(&relayd(&home, arguments).stdout(full()).output().expect("it starts"), 8, Code::DiskFull, Path::new("standard output"));
        is(&relayd(&home, closed).stdout(unread()).output().expect("it starts"), 1, Code::FileFailed, Path::new("standard output"));
    }
    for stream in [full(), unread()] {
        let refused = relayd(&folder.path().join("nothing"), &["backup", "copy"]).stderr(stream).status().expect("it starts");
        assert_eq!(refused.code(), Some(3));
    }
}

#[test]
fn a_backup_that_cannot_be_says_which_file_and_why() {
    let (folder, home) = lived();
    let backup = |home: &Path, to: &Path| relayd(home, &["backup"]).arg(to).output().expect("it starts");
    let (copy, nowhere) = (folder.path().join("copy.db"), folder.path().join("missing/copy.db"));
    assert!(backup(&home, &copy).status.success());
    is(&backup(&home, &copy), 3, Code::FileExists, &copy);
    is(&backup(&home, &nowhere), 1, Code::FileFailed, &nowhere);
    is(&backup(folder.path(), &nowhere), 3, Code::StoreMissing, folder.path());
}

#[test]
fn a_home_that_cannot_be_and_a_port_that_is_taken_are_named() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "mine").expect("room");
    is(&start(&file.join("relay")), 1, Code::FileFailed, &file.join("relay"));
    is(&start(&file), 1, Code::FileFailed, &file);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr().map(|at| (port, at))).expect("a port");
    let listen = taken.1.to_string();
    let refused = relayd(&folder.path().join("relay"), &["--listen", &listen]).output().expect("it starts");
    is(&refused, 1, Code::CannotListen, Path::new(&listen));
}

/// Shown where a disk may be mounted, which root may.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_with_its_own_status() {
    let folder = TempDir::new().expect("a folder");
    for (inodes, file) in
        [("nr_inodes=1", "relay"), ("nr_inodes=2", "relay"), ("nr_inodes=3", "relay/relay.key"), ("nr_inodes=4", "relay/relay.db")]
    {
        let at = folder.path().join(inodes);
        std::fs::create_dir(&at).expect("room");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", inodes, "tmpfs"]).arg(&at).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            eprintln!("no disk may be mounted here: not shown");
            return;
        }
        let refused = start(&at.join("relay"));
        let gone = Command::new("umount").arg(&at).status();
        is(&refused, 8, Code::DiskFull, &at.join(file));
        assert!(gone.expect("umount is there").success());
    }
}
