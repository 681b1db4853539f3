//! The demo as a newcomer runs it, and a scanner over every file that it leaves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Runs the demo, keeping its files, and gives its last line.
fn demo(keep: &Path) -> serde_json::Value {
    let output =
        Command::new(env!("CARGO_BIN_EXE_thicket")).args(["--json", "demo", "--keep"]).arg(keep).output().expect("the demo starts");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success(), "{text}");
    serde_json::from_str(text.lines().last().expect("a line")).expect("JSON")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// A secret in every form in which it might lie about.
fn forms(secret: &str) -> BTreeMap<&'static str, Vec<Vec<u8>>> {
    let bytes = secret.as_bytes();
    let utf16: Vec<u16> = secret.encode_utf16().collect();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    BTreeMap::from([
        ("UTF-8", vec![bytes.to_vec()]),
        ("UTF-16 LE", vec![utf16.iter().flat_map(|unit| unit.to_le_bytes()).collect()]),
        ("UTF-16 BE", vec![utf16.iter().flat_map(|unit| unit.to_be_bytes()).collect()]),
        ("hex", vec![hex.to_ascii_uppercase().into_bytes(), hex.into_bytes()]),
        ("base64", (0..3).map(|shift| base64_within(bytes, shift)).collect()),
    ])
}

/// The characters of base64 that a secret gives wherever it stands at this offset modulo three, without the uncertain edges.
fn base64_within(bytes: &[u8], shift: usize) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let padded: Vec<u8> = std::iter::repeat_n(0, shift).chain(bytes.iter().copied()).collect();
    let whole: Vec<u8> = padded
        .as_chunks::<3>()
        .0
        .iter()
        .flat_map(|[a, b, c]| {
            let bits = u32::from(*a) << 16 | u32::from(*b) << 8 | u32::from(*c);
            [18, 12, 6, 0].map(|at| ALPHABET[(bits >> at & 63) as usize])
        })
        .collect();
    // The first group is mixed with what stands before the secret.
    whole[if shift == 0 { 0 } else { 4 }..].to_vec()
}

fn found(folder: &Path, secrets: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files(folder) {
        let bytes = std::fs::read(&file).expect("a file");
        for secret in secrets {
            for (form, needles) in forms(secret) {
                if needles.iter().any(|needle| bytes.windows(needle.len()).any(|window| window == needle)) {
                    found.push(format!("{} in {} as {form}", secret, file.display()));
                }
            }
        }
    }
    found
}

#[test]
fn the_demo_loses_nothing_and_leaves_no_secret_in_any_file() {
    let folder = TempDir::new().expect("a folder");
    let keep = folder.path().join("kept");
    let report = demo(&keep);
    assert_eq!((&report["accounts"], &report["lost"], &report["doubled"]), (&3.into(), &0.into(), &0.into()));
    assert_eq!((&report["verified"], &report["crashes"]), (&true.into(), &3.into()));
    assert_eq!(report["messages_sent"], report["messages_delivered"]);
    assert!(report["messages_sent"].as_u64() > Some(40));
    assert_eq!(report["digests"].as_object().map(serde_json::Map::len), Some(3));

    // First a planted canary is found, in each form and at each alignment.
    let canary = "a canary in the mine";
    let planted = folder.path().join("planted");
    std::fs::create_dir(&planted).expect("room");
    for (form, needles) in forms(canary) {
        for (at, needle) in needles.iter().enumerate() {
            let mut bytes = b"before ".to_vec();
            bytes.extend(needle);
            std::fs::write(planted.join(format!("{form}-{at}")), bytes).expect("room");
        }
    }
    assert_eq!(found(&planted, &[canary]).len(), forms(canary).values().map(Vec::len).sum::<usize>());

    // Then nothing: no text, no passphrase, no private key; on the relay's side no name outside its directory.
    let secrets = [
        "Hello Bob, this is the first message.",
        "While you were away",
        "Through the storm",
        "Carol, are you there?",
        "Written just before the power went.",
        "Encrypted, and then darkness.",
        "an open secret for the demo",
        "BEGIN PGP PRIVATE KEY",
    ];
    assert_eq!(found(&keep, &secrets), Vec::<String>::new());
    let people: Vec<PathBuf> = ["alice", "bob", "carol"].iter().map(|name| keep.join(name)).collect();
    for profile in people {
        assert_eq!(found(&profile, &["alice", "carol"]), Vec::<String>::new(), "names are sealed too");
    }
}
