//! The command line without a relay: exit statuses, JSON errors, help.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

fn thicket(home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thicket"));
    command.arg("--home").arg(home).args(arguments).env("THICKET_PASSPHRASE", "one two three");
    command.output().expect("the program starts")
}

fn status(output: &Output) -> i32 {
    output.status.code().expect("no signal")
}

fn last_json(output: &Output) -> serde_json::Value {
    let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    serde_json::from_str(text.lines().last().expect("a line")).expect("JSON")
}

fn made() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let output = thicket(&folder.path().join("p"), &["account", "create", "alice"]);
    assert_eq!(status(&output), 0, "{output:?}");
    folder
}

#[test]
fn an_account_is_made_once_and_shown() {
    let folder = made();
    let home = folder.path().join("p");
    let again = thicket(&home, &["--json", "account", "create", "eve"]);
    assert_eq!((status(&again), last_json(&again)["error"]["code"].as_u64()), (3, Some(101)));
    let shown = thicket(&home, &["--json", "account", "show"]);
    assert_eq!(last_json(&shown)["name"], "alice");
    assert_eq!(last_json(&shown)["fingerprint"].as_str().map(str::len), Some(40));
}

#[test]
fn what_is_in_a_folder_already_is_neither_made_a_profile_nor_deleted_with_one() {
    let folder = made();
    let home = folder.path().join("p");
    let of = |output: &Output| (status(output), last_json(output)["error"]["code"].as_u64());
    // Without its keys file it is no profile, and none is made over it.
    std::fs::rename(home.join("keys"), folder.path().join("keys")).expect("a rename");
    assert_eq!(of(&thicket(&home, &["--json", "account", "create", "eve"])), (3, Some(128)));
    assert_eq!(of(&thicket(&home, &["--json", "journal", "ls"])), (3, Some(128)));
    std::fs::rename(folder.path().join("keys"), home.join("keys")).expect("a rename");
    std::fs::rename(home.join("vault.db"), folder.path().join("vault.db")).expect("a rename");
    assert_eq!(of(&thicket(&home, &["--json", "account", "show"])), (7, Some(304)));
    std::fs::rename(folder.path().join("vault.db"), home.join("vault.db")).expect("a rename");
    std::fs::write(home.join("letter"), "mine").expect("room");
    let deleted = thicket(&home, &["account", "delete", "--yes"]);
    assert_eq!(status(&deleted), 0, "{deleted:?}");
    let said = String::from_utf8(deleted.stderr).expect("UTF-8");
    assert!(said.contains(home.to_str().expect("UTF-8")) && said.contains("stays"), "{said}");
    let left: Vec<_> = std::fs::read_dir(&home).expect("it stays").map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(left, ["letter"]);
}

#[test]
fn a_deletion_that_was_cut_off_is_ended_by_whoever_asks_for_the_profile() {
    for asked in [&["account", "delete", "--yes"][..], &["account", "show"], &["journal", "verify"]] {
        let folder = made();
        let home = folder.path().join("p");
        std::fs::rename(home.join("keys"), home.join("keys.deleted")).expect("a rename");
        assert_eq!(status(&thicket(&home, asked)), 3, "{asked:?}: there is no profile");
        assert!(!home.exists(), "{asked:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_profile_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = made();
    let mode = std::fs::metadata(folder.path().join("p")).expect("a profile").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_wrong_passphrase_exits_with_4_and_says_what_to_do() {
    let folder = made();
    let output = Command::new(env!("CARGO_BIN_EXE_thicket"))
        .arg("--home")
        .arg(folder.path().join("p"))
        .args(["--json", "conversations"])
        .env("THICKET_PASSPHRASE", "wrong")
        .output()
        .expect("the program starts");
    assert_eq!(status(&output), 4);
    let error = last_json(&output);
    assert_eq!(error["error"]["name"], "WrongPassphrase");
    assert!(error["error"]["hint"].as_str().is_some_and(|hint| !hint.is_empty()));
}

#[test]
fn an_exported_identity_is_imported_elsewhere() {
    let folder = made();
    let exported = thicket(&folder.path().join("p"), &["account", "export"]);
    assert!(exported.stdout.starts_with(b"-----BEGIN PGP PRIVATE KEY BLOCK-----"), "{exported:?}");
    let file = folder.path().join("alice.asc");
    std::fs::write(&file, &exported.stdout).expect("room");
    let file = file.to_str().expect("UTF-8");
    let imported = thicket(&folder.path().join("q"), &["--json", "account", "import", file]);
    assert_eq!(status(&imported), 0, "{imported:?}");
    assert_eq!(last_json(&imported), last_json(&thicket(&folder.path().join("p"), &["--json", "account", "show"])));
    let wrong = Command::new(env!("CARGO_BIN_EXE_thicket"))
        .arg("--home")
        .arg(folder.path().join("r"))
        .args(["account", "import", file])
        .env("THICKET_PASSPHRASE", "wrong")
        .output()
        .expect("the program starts");
    assert_eq!(status(&wrong), 4);
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(said.contains(file) && said.contains("that the key was locked by") && !said.contains("profile"), "{said}");
    assert!(!folder.path().join("r").exists(), "nothing was made");
}

#[test]
fn a_key_that_is_not_armored_is_told_what_is_expected() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("alice.gpg");
    std::fs::write(&file, b"\x95\x03\xbe\xff").expect("room");
    let file = file.to_str().expect("UTF-8");
    let output = thicket(&folder.path().join("p"), &["--json", "account", "import", file]);
    let error = last_json(&output)["error"].clone();
    assert_eq!((status(&output), error["code"].as_u64()), (1, Some(308)), "{output:?}");
    assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("an armored OpenPGP secret key is expected")), "{error}");
    std::fs::write(folder.path().join("notes.txt"), "Dear diary,\n").expect("room");
    let notes = folder.path().join("notes.txt").display().to_string();
    let output = thicket(&folder.path().join("p"), &["--json", "account", "import", &notes]);
    let error = last_json(&output)["error"].clone();
    assert_eq!((status(&output), error["code"].as_u64()), (3, Some(213)), "{output:?}");
    let [said, hint] = ["message", "hint"].map(|field| error[field].as_str().expect("words").to_owned());
    assert!(said.ends_with(&format!(" ({notes})")) && hint.contains("an armored secret key is expected"), "{error}");
    let output = thicket(&folder.path().join("p"), &["--passphrase-file", file, "account", "show"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("armored"), "a passphrase is no key: {output:?}");
}

#[test]
fn what_is_to_be_typed_names_the_profile_as_it_was_named() {
    let folder = made();
    let home = folder.path().join("p");
    let told = |home: &Path, arguments: &[&str]| String::from_utf8_lossy(&thicket(home, arguments).stderr).into_owned();
    let none = folder.path().join("no profile");
    let said = told(&none, &["status"]);
    assert!(said.contains(&format!("to make one: thicket --home '{}' account create NAME", none.display())), "{said}");
    let said = told(&home, &["read", "a b"]);
    assert!(said.contains("thicket --home DIR account create NAME"), "another profile has another home: {said}");
    assert!(told(&home, &["contact", "list"]).contains(&format!("thicket --home {} contact add NAME", home.display())));
    let mut command = Command::new(env!("CARGO_BIN_EXE_thicket"));
    command.env("THICKET_HOME", &none).arg("status");
    let output = command.output().expect("the program starts");
    assert!(String::from_utf8_lossy(&output.stderr).contains("to make one: thicket account create NAME"), "{output:?}");
    // Nor does the usage ask for what is known.
    let mut command = Command::new(env!("CARGO_BIN_EXE_thicket"));
    command.env("THICKET_HOME", &none).args(["journal", "show"]);
    let output = command.output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("Usage: thicket journal show <SEQ>") && said.contains("error 126: "), "{said}");
}

#[test]
fn the_passphrase_is_read_from_a_file_and_an_empty_one_is_refused() {
    let folder = made();
    let home = folder.path().join("p");
    let file = folder.path().join("passphrase");
    std::fs::write(&file, "one two three\n").expect("room");
    let run = |file: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_thicket"));
        command.arg("--home").arg(&home).arg("--passphrase-file").arg(file).args(["account", "show"]).env_remove("THICKET_PASSPHRASE");
        command.output().expect("the program starts")
    };
    assert_eq!(status(&run(&file)), 0);
    std::fs::write(&file, "\n").expect("room");
    assert_eq!(status(&run(&file)), 2);
}

#[test]
fn the_passphrase_is_changed_and_a_profile_deleted() {
    let folder = made();
    let home = folder.path().join("p");
    let file = folder.path().join("new");
    std::fs::write(&file, "four five six\n").expect("room");
    assert_eq!(status(&thicket(&home, &["account", "passphrase", "--new-file", file.to_str().expect("UTF-8")])), 0);
    assert_eq!(status(&thicket(&home, &["account", "show"])), 4);
    let with_new = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_thicket"));
        command.arg("--home").arg(&home).arg("--passphrase-file").arg(&file).args(arguments).output().expect("the program starts")
    };
    assert_eq!(status(&with_new(&["account", "show"])), 0);
    assert_eq!(status(&with_new(&["account", "delete"])), 2, "not without --yes");
    assert!(home.join("keys").exists());
    assert_eq!(status(&with_new(&["account", "delete", "--yes"])), 0);
    assert!(!home.exists());
}

#[test]
fn what_cannot_be_asked_has_its_own_status() {
    let folder = made();
    let home = folder.path().join("p");
    assert_eq!(status(&thicket(&home, &["register", "--relay", "nonsense"])), 2);
    assert_eq!(status(&thicket(&home, &["account", "create"])), 2);
    assert_eq!(status(&thicket(&home, &["send", "bob", "hello"])), 3);
    assert_eq!(status(&thicket(&home, &["sync"])), 3);
    assert_eq!(status(&thicket(&folder.path().join("none"), &["status"])), 3);
    let malformed = thicket(&folder.path().join("q"), &["--json", "account", "create", "a b"]);
    assert_eq!((status(&malformed), last_json(&malformed)["error"]["code"].as_u64()), (3, Some(105)));
}

#[test]
fn settings_are_kept_and_shown_without_a_relay() {
    let folder = made();
    let home = folder.path().join("p");
    assert_eq!(last_json(&thicket(&home, &["--json", "settings"]))["read_marks"], false);
    for (to, on) in [("on", true), ("on", true), ("off", false)] {
        assert_eq!(last_json(&thicket(&home, &["--json", "settings", "read-marks", to]))["read_marks"], on);
        assert_eq!(last_json(&thicket(&home, &["--json", "settings"]))["read_marks"], on);
    }
    assert_eq!(status(&thicket(&home, &["settings", "read-marks", "maybe"])), 2);
}

#[test]
fn what_needs_a_message_or_a_contact_says_so() {
    let folder = made();
    let home = folder.path().join("p");
    let code = |arguments: &[&str]| {
        let output = thicket(&home, &[&["--json"], arguments].concat());
        (status(&output), last_json(&output)["error"]["code"].as_u64().expect("a number"))
    };
    let id = "0123456789abcdef0123456789abcdef";
    for command in ["show", "retry", "cancel", "forget"] {
        assert_eq!(code(&["message", command, id]), (3, 120), "{command}");
        assert_eq!(code(&["message", command, "abc"]), (2, 126), "{command}: three digits are too few");
        assert_eq!(code(&["message", command, "0123456789abcdef0123456789abcdef0"]), (2, 126), "{command}: an id has no more");
    }
    for command in [["chat", "bob"], ["read", "bob"]] {
        assert_eq!(code(&command), (3, 108), "{command:?}");
    }
    assert_eq!(code(&["contact", "update", "bob"]), (3, 108));
    assert_eq!(code(&["account", "take-over"]), (2, 126), "nobody is there to confirm it");
    assert_eq!(code(&["account", "take-over", "--yes"]), (3, 125));
}

#[test]
fn a_relay_is_changed_by_an_address_and_an_account_that_has_one() {
    let folder = made();
    let home = folder.path().join("p");
    let address = format!("direct:{}@127.0.0.1:1", "01".repeat(32));
    assert_eq!(status(&thicket(&home, &["relay", "change", &address])), 3, "there is none to change");
    assert_eq!(status(&thicket(&home, &["relay", "change", "nonsense"])), 2);
    assert_eq!(status(&thicket(&home, &["register", "--relay", &address, "--key", "no hex"])), 2);
    assert_eq!(
        status(&thicket(&home, &["register", "--relay", &address, "--token-file", "/no/such/file"])),
        1,
        "the file is missing, and not the wrong thing asked for"
    );
    let token = folder.path().join("token");
    std::fs::write(&token, "two words\n").expect("room");
    assert_eq!(status(&thicket(&home, &["register", "--relay", &address, "--token-file", token.to_str().expect("UTF-8")])), 2);
}

#[test]
fn the_doctor_goes_as_far_as_it_can() {
    let folder = made();
    let home = folder.path().join("p");
    let report = last_json(&thicket(&home, &["--json", "doctor"]));
    let status_of = |report: &serde_json::Value, name: &str| {
        let checks = report["checks"].as_array().expect("a list");
        checks.iter().find(|check| check["check"] == name).map(|check| check["status"].clone())
    };
    assert_eq!(status_of(&report, "relay"), Some("warning".into()), "not registered: {report}");
    assert_eq!(status_of(&report, "vault"), Some("ok".into()));
    let wrong =
        Command::new(env!("CARGO_BIN_EXE_thicket")).arg("--home").arg(&home).arg("doctor").env("THICKET_PASSPHRASE", "wrong").output();
    assert_eq!(status(&wrong.expect("the program starts")), 4);

    let keys = std::fs::read(home.join("keys")).expect("keys");
    std::fs::write(home.join("keys"), &keys[..keys.len() / 2]).expect("room");
    let output = thicket(&home, &["--json", "doctor"]);
    assert_eq!((status(&output), last_json(&output)["error"]["name"].as_str()), (7, Some("KeysDamaged")), "{output:?}");
    let report: serde_json::Value =
        serde_json::from_slice(output.stdout.split(|byte| *byte == b'\n').next().expect("a line")).expect("JSON");
    assert_eq!((status_of(&report, "keys"), status_of(&report, "journal")), (Some("problem".into()), None));
}

#[cfg(unix)]
#[test]
fn all_files_of_a_profile_are_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = made();
    let home = folder.path().join("p");
    thicket(&home, &["sync"]);
    let mut folders = vec![home];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let mode = std::fs::metadata(&path).expect("a file").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}", path.display());
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
}

#[test]
fn a_relay_that_is_not_there_exits_with_6() {
    let folder = made();
    let home = folder.path().join("p");
    let address = format!("direct:{}@127.0.0.1:1", "01".repeat(32));
    let output = thicket(&home, &["--timeout", "1", "register", "--relay", &address]);
    assert_eq!(status(&output), 6, "{output:?}");
}

#[test]
fn a_segment_that_somebody_took_away_is_named_and_the_profile_opens() {
    let folder = made();
    let home = folder.path().join("p");
    for _ in 0..2 {
        thicket(&home, &["sync"]);
    }
    let files = || std::fs::read_dir(home.join("journal")).expect("a journal").map(|entry| entry.expect("a file").path());
    let first = files().min().expect("a segment");
    let id = first.to_str().and_then(|path| path.strip_suffix(".seg")).map(|path| path[path.len() - 32..].to_owned()).expect("an id");
    let bytes = std::fs::read(&first).expect("a file");
    std::fs::remove_file(&first).expect("a file");
    let output = thicket(&home, &["--json", "journal", "verify"]);
    assert_eq!(status(&output), 7, "{output:?}");
    let found: serde_json::Value =
        serde_json::from_slice(output.stdout.split(|byte| *byte == b'\n').next().expect("a line")).expect("JSON");
    assert_eq!((&found["taken"][0], &found["verified"]), (&id.clone().into(), &false.into()), "{found}");
    let error = last_json(&output);
    assert_eq!(error["error"]["name"], "JournalDamaged");
    assert!(error["error"]["message"].as_str().is_some_and(|message| message.contains(&format!("journal/*-{id}.seg"))), "{error}");
    // The doctor says it too, and starts the profile all the same.
    let output = thicket(&home, &["--json", "doctor"]);
    let report: serde_json::Value =
        serde_json::from_slice(output.stdout.split(|byte| *byte == b'\n').next().expect("a line")).expect("JSON");
    let checks = report["checks"].as_array().expect("a list");
    let status_of = |name: &str| checks.iter().find(|check| check["check"] == name).map(|check| check["status"].clone());
    assert_eq!(["journal", "vault"].map(status_of), ["problem", "ok"].map(|word| Some(word.into())), "{report}");
    assert_eq!((status(&output), last_json(&output)["error"]["name"].as_str()), (7, Some("JournalDamaged")), "{output:?}");
    assert!(files().max().is_some_and(|newest| newest > first));
    // Also while another process has the profile open.
    let lock = std::fs::File::options().write(true).open(home.join("lock")).expect("a lock");
    lock.lock().expect("nobody has it");
    for command in [&["--json", "journal", "verify"][..], &["--json", "doctor"]] {
        let output = thicket(&home, command);
        assert_eq!((status(&output), last_json(&output)["error"]["name"].as_str()), (7, Some("JournalDamaged")), "{output:?}");
    }
    drop(lock);
    // One from the middle is named as well, beside the one behind it, which does not fit any more.
    std::fs::write(&first, &bytes).expect("room");
    let mut all: Vec<_> = files().collect();
    all.sort();
    let middle = &all[1];
    let of_middle = std::fs::read(middle).expect("a file");
    std::fs::remove_file(middle).expect("a file");
    let name = middle.file_name().and_then(|name| name.to_str()).expect("a name");
    let output = thicket(&home, &["--json", "journal", "verify"]);
    let error = last_json(&output);
    let named = format!("taken away: journal/*-{}", &name[17..]);
    assert!(error["error"]["message"].as_str().is_some_and(|message| message.contains(&named)), "{error}");
    std::fs::write(middle, of_middle).expect("room");
    // With the file put back nothing is missing.
    std::fs::write(&first, bytes).expect("room");
    let output = thicket(&home, &["journal", "verify"]);
    assert_eq!(status(&output), 0, "{output:?}");
}

#[test]
fn a_damaged_journal_exits_with_7_and_names_the_place() {
    let folder = made();
    let home = folder.path().join("p");
    // Two opens that journal something: two segments, so that damage in the first is no torn tail.
    for _ in 0..2 {
        thicket(&home, &["sync"]);
    }
    let mut segments: Vec<_> =
        std::fs::read_dir(home.join("journal")).expect("a journal").map(|entry| entry.expect("a file").path()).collect();
    segments.sort();
    let first = segments.first().expect("a segment");
    let mut bytes = std::fs::read(first).expect("a segment");
    let middle = bytes.len() - 5;
    bytes[middle] ^= 1;
    std::fs::write(first, bytes).expect("room");
    let output = thicket(&home, &["--json", "journal", "verify"]);
    assert_eq!(status(&output), 7, "{output:?}");
    let error = last_json(&output);
    assert_eq!(error["error"]["name"], "JournalDamaged");
    assert!(error["error"]["message"].as_str().is_some_and(|message| message.contains(".seg at byte")), "{error}");
    // The doctor looks at the rest all the same, and starts nothing.
    let before = std::fs::read_dir(home.join("journal")).expect("a journal").count();
    let output = thicket(&home, &["--json", "doctor"]);
    let report: serde_json::Value =
        serde_json::from_slice(output.stdout.split(|byte| *byte == b'\n').next().expect("a line")).expect("JSON");
    let checks = report["checks"].as_array().expect("a list");
    let status_of = |name: &str| checks.iter().find(|check| check["check"] == name).map(|check| check["status"].clone());
    assert_eq!(["journal", "vault", "relay"].map(status_of), ["problem", "ok", "warning"].map(|word| Some(word.into())), "{report}");
    assert_eq!((status(&output), last_json(&output)["error"]["name"].as_str()), (7, Some("JournalDamaged")), "{output:?}");
    assert_eq!(std::fs::read_dir(home.join("journal")).expect("a journal").count(), before);
}

/// Starts a command whose output nobody reads.
fn unread(home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thicket"));
    command.arg("--home").arg(home).args(arguments).env("THICKET_PASSPHRASE", "one two three");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    command.stdout(writer).stderr(Stdio::piped()).spawn().and_then(std::process::Child::wait_with_output).expect("the program starts")
}

#[test]
fn a_reader_who_has_seen_enough_ends_the_program_quietly() {
    let folder = made();
    let home = folder.path().join("p");
    thicket(&home, &["sync"]);
    for command in [["journal", "ls"], ["journal", "verify"], ["account", "show"], ["completions", "bash"], ["send", "--help"]] {
        let output = unread(&home, &command);
        assert_eq!((status(&output), output.stderr.as_slice()), (141, [].as_slice()), "{command:?}: {output:?}");
    }
    let refused = unread(&home, &["--json", "read", "bob"]);
    assert_eq!((status(&refused), refused.stderr.len()), (3, 0), "its own status stays: {refused:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_fails_is_a_fault_and_a_closed_error_stream_changes_nothing() {
    let folder = made();
    let home = folder.path().join("p");
    let mut command = Command::new(env!("CARGO_BIN_EXE_thicket"));
    command.arg("--home").arg(&home).args(["account", "show"]).env("THICKET_PASSPHRASE", "one two three");
    command.stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has one"));
    let output = command.output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(status(&output) == 8 && said.contains("standard output: ") && said.contains("(error 301)"), "{output:?}");

    let mut command = Command::new(env!("CARGO_BIN_EXE_thicket"));
    command.arg("--home").arg(&home).args(["read", "bob"]).env("THICKET_PASSPHRASE", "one two three");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    assert_eq!(command.stderr(writer).status().expect("the program starts").code(), Some(3));
}

#[test]
fn a_command_line_that_cannot_be_read_is_an_error_with_a_number() {
    let folder = TempDir::new().expect("a folder");
    for command in [&["--json", "send", "bob"][..], &["nonsense", "--json"], &["--json", "--timeout=soon", "sync"], &["--json", "account"]]
    {
        let output = thicket(folder.path(), command);
        let error = &last_json(&output)["error"];
        assert_eq!((status(&output), error["code"].as_u64(), error["name"].as_str()), (2, Some(126), Some("Usage")), "{output:?}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty() && !message.contains('\n')), "{error}");
        assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("--help")), "{error}");
    }
    let plain = thicket(folder.path(), &["send", "bob"]);
    assert_eq!((status(&plain), plain.stdout.len()), (2, 0));
    assert!(plain.stderr.starts_with(b"error 126: the following required"), "{plain:?}");
    let plain = thicket(folder.path(), &["account", "delete"]);
    assert!(String::from_utf8_lossy(&plain.stderr).ends_with(" (error 126)\n"), "{plain:?}");
    assert_eq!(status(&thicket(folder.path(), &["--json", "--version"])), 0);
}

#[test]
fn a_usage_error_names_no_command_that_is_nobodys_to_type() {
    let folder = TempDir::new().expect("a folder");
    for command in [&["--json"][..], &["--json", "demo-chil"], &["--json", "demo-child"], &["--json", "account", "demo-child"]] {
        let output = thicket(folder.path(), command);
        let error = last_json(&output)["error"].clone();
        assert_eq!((status(&output), error["code"].as_u64()), (2, Some(126)), "{output:?}");
        let named = command.iter().filter(|word| word.starts_with("demo-")).count();
        let said = error["message"].as_str().expect("words");
        assert!(said.matches("demo-chil").count() <= named, "what was typed, and no more: {said}");
    }
    let script = thicket(folder.path(), &["completions", "bash"]);
    assert!(!String::from_utf8_lossy(&script.stdout).contains("demo-child"));
}

#[cfg(unix)]
#[test]
fn a_passphrase_or_token_that_is_no_text_is_said_and_not_passed_over() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = made();
    let home = folder.path().join("p");
    let address = format!("direct:{}@127.0.0.1:1", "01".repeat(32));
    for (variable, arguments) in [("THICKET_PASSPHRASE", &["account", "show"][..]), ("THICKET_TOKEN", &["register", "--relay", &address])] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_thicket"));
        command.arg("--json").arg("--home").arg(&home).args(arguments).env("THICKET_PASSPHRASE", "one two three");
        let output = command.env(variable, std::ffi::OsStr::from_bytes(b"\xff\xfe")).output().expect("the program starts");
        let error = last_json(&output)["error"].clone();
        assert_eq!((status(&output), error["code"].as_u64()), (2, Some(126)), "{output:?}");
        assert!(error["message"].as_str().is_some_and(|said| said == format!("{variable} is not UTF-8")), "{error}");
    }
}

#[test]
fn a_timeout_of_more_than_a_year_is_a_usage_error() {
    let folder = made();
    let home = folder.path().join("p");
    for (timeout, wanted) in
        [("0", 0), ("31536000", 0), ("31536001", 2), ("9223372036854775807", 2), ("18446744073709551616", 2), ("-1", 2)]
    {
        let output = thicket(&home, &["--json", &format!("--timeout={timeout}"), "status"]);
        assert_eq!(status(&output), wanted, "{timeout}: {output:?}");
        assert!(wanted == 0 || last_json(&output)["error"]["code"] == 126, "{timeout}: {output:?}");
    }
}

#[test]
fn what_stops_the_demo_is_an_error_with_a_number() {
    let folder = TempDir::new().expect("a folder");
    let keep = folder.path().join("keep");
    std::fs::create_dir(&keep).expect("room");
    std::fs::write(keep.join("mine"), "not the demo's").expect("room");
    let demo = |keep: &Path| {
        let output = Command::new(env!("CARGO_BIN_EXE_thicket")).args(["--json", "demo", "--keep"]).arg(keep).output();
        let output = output.expect("the program starts");
        (status(&output), last_json(&output)["error"].clone())
    };
    let (status, error) = demo(&keep);
    assert_eq!((status, error["code"].as_u64()), (2, Some(126)), "{error}");
    assert!(error["message"].as_str().is_some_and(|message| message.contains("is not empty")), "{error}");
    let (status, error) = demo(&keep.join("mine"));
    assert_eq!((status, error["code"].as_u64(), error["name"].as_str()), (1, Some(308), Some("FileFailed")), "{error}");
    assert!(error["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{error}");
}
