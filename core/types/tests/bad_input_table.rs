//! The table of bad input in docs/TESTING.md names errors and tests that exist, for each input that was asked for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use thicket_types::error::Code;

const INPUTS: [&str; 16] = [
    "wrong passphrase",
    "taken name",
    "malformed name",
    "unknown contact",
    "relay unreachable",
    "relay silent",
    "expired challenge",
    "replayed challenge",
    "malformed frame",
    "oversized frame",
    "forged leaf",
    "message of 0 bytes",
    "message over 64 KiB",
    "clock wrong by hours",
    "damaged journal",
    "full disk",
];

fn root() -> PathBuf {
    // At run time: two checkouts may share a target folder, and the binary with it.
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where the crate is")).join("../..")
}

/// The names of all test functions below a folder.
fn tests(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            tests(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("source");
            let mut marked = false;
            for line in text.lines().map(str::trim) {
                match line.strip_prefix("fn ").and_then(|rest| rest.split_once('(')) {
                    Some((name, _)) if marked => {
                        found.insert(name.to_owned());
                        marked = false;
                    }
                    // Attributes may stand between the two.
                    _ => marked = line == "#[test]" || (marked && line.starts_with('#')),
                }
            }
        }
    }
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn each_bad_input_has_its_error_and_tests_that_exist() {
    let mut known = BTreeSet::new();
    for folder in ["core", "frontends", "journal-format", "tests"] {
        tests(&root().join(folder), &mut known);
    }
    let text = std::fs::read_to_string(root().join("docs/TESTING.md")).expect("docs/TESTING.md is there");
    let section = text.split("\n## ").find(|section| section.starts_with("Bad input\n")).expect("a section");
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    let rows: Vec<Vec<&str>> = rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect();
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), INPUTS);
    for row in rows {
        let [input, errors, named] = row.as_slice() else {
            panic!("three cells: {row:?}");
        };
        let names = quoted(errors);
        assert!(!names.is_empty(), "{input}: no error");
        for name in names {
            let code = Code::ALL.iter().find(|code| code.name() == name).unwrap_or_else(|| panic!("{input}: no error {name}"));
            assert!(errors.contains(&format!("{} `{name}`", code.number())), "{input}: {name} has another number");
            assert!(!code.what().is_empty() && !code.hint().is_empty(), "{name}");
        }
        let named = quoted(named);
        assert!(!named.is_empty(), "{input}: no test");
        for name in named {
            assert!(known.contains(name), "{input}: there is no test {name}");
        }
    }
}
