//! docs/LIMITS.md has a row for each bound of `limits.rs` and no other, and each row names tests that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn each_bound_has_a_row_and_each_row_a_bound_and_tests_that_exist() {
    // At run time: two checkouts may share a target folder, and the binary with it.
    let crate_folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where the crate is");
    let root = Path::new(&crate_folder).join("../..");
    let read = |path: &str| fs::read_to_string(root.join(path)).expect("a file of this checkout");
    let (table, document) = (read("core/types/src/limits.rs"), read("docs/LIMITS.md"));
    let exists = |folder: &str, function: &str| sources(&root.join(folder)).iter().any(|source| runs(source, function));
    assert_eq!(complaints(&table, &document, &exists), Vec::<String>::new());
}

#[test]
fn what_is_missing_on_either_side_is_named() {
    let table = "/// Why.\npub const ONE_MAX: usize = 1;\npub const TWO_FOR: Duration = Duration::days(2);\npub const THREE: u8 = 3;\n";
    let row = |bound: &str, test: &str| format!("| `{bound}` | 1 | it is reached | {test} |\n");
    let said = |rows: &[String]| {
        let document = format!("## Rows\n\n| bound | value | when | test |\n|---|---|---|---|\n{}\n", rows.concat());
        complaints(table, &document, &|folder, function| (folder, function) == ("core/a", "there_is"))
    };
    let reached = "`core/a there_is`";
    let good = [row("ONE_MAX", reached), row("TWO_FOR", "`core/a there_is`, `core/a there_is`"), row("THREE", reached)];
    assert_eq!(said(&good), Vec::<String>::new());
    assert_eq!(said(&good[..2]), ["THREE: no row"]);
    let with = |at: usize, other: String| {
        let mut rows = good.to_vec();
        rows[at] = other;
        said(&rows)
    };
    assert_eq!(with(0, row("ONE", "`core/a there_is`")), ["ONE: no bound of limits.rs", "ONE_MAX: no row"]);
    assert_eq!(with(0, good[1].clone()), ["ONE_MAX: no row", "TWO_FOR: two rows"]);
    for missing in ["`core/a there_is_none`", "`core/b there_is`"] {
        assert_eq!(with(0, row("ONE_MAX", missing)), [format!("ONE_MAX: no such test as {missing}").replace('`', "")]);
    }
    for malformed in ["", "none", "there_is", "`there_is`"] {
        assert_eq!(with(0, row("ONE_MAX", malformed)), ["ONE_MAX: it names no test"], "{malformed:?}");
    }
}

#[test]
fn a_function_that_is_no_test_is_none() {
    let source = "fn helper() {}\n\n#[test]\n#[ignore]\nfn marked() {\n    helper();\n}\n\npub(super) fn case(store: &mut dyn Store) {}\n\n\
                  conformance! {\n    items {\n        in_the_suite,\n    }\n}\n\nconst NAMES: [&str; 1] = [\n    after,\n];\n";
    let said = ["marked", "in_the_suite", "helper", "case", "after", "mark"].map(|function| runs(source, function));
    assert_eq!(said, [true, true, false, false, false, false]);
}

/// What is wrong, if anything: sorted, so that it reads the same each time.
fn complaints(table: &str, document: &str, exists: &dyn Fn(&str, &str) -> bool) -> Vec<String> {
    let mut complaints = Vec::new();
    let bounds: BTreeSet<&str> =
        table.lines().filter_map(|line| line.strip_prefix("pub const ")?.split_once(':')).map(|(name, _)| name).collect();
    let mut rows: BTreeSet<&str> = BTreeSet::new();
    for cells in document.lines().filter(|line| line.starts_with("| `")).map(|line| line.split('|').collect::<Vec<&str>>()) {
        let [_, named, .., tests, _] = cells.as_slice() else {
            continue;
        };
        let Some(bound) = quoted(named).next() else {
            complaints.push(format!("{named}: it names no bound"));
            continue;
        };
        if !bounds.contains(bound) {
            complaints.push(format!("{bound}: no bound of limits.rs"));
        }
        if !rows.insert(bound) {
            complaints.push(format!("{bound}: two rows"));
        }
        let tests: Vec<(&str, &str)> = quoted(tests).filter_map(|test| test.split_once(' ')).collect();
        if tests.is_empty() {
            complaints.push(format!("{bound}: it names no test"));
        }
        for (folder, function) in tests.into_iter().filter(|(folder, function)| !exists(folder, function)) {
            complaints.push(format!("{bound}: no such test as {folder} {function}"));
        }
    }
    complaints.extend(bounds.difference(&rows).map(|bound| format!("{bound}: no row")));
    complaints.sort();
    complaints
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Whether a source has a test of that name: a function that is marked as one, or a case that a suite runs against each
/// implementation (`conformance! { concern { case, } }`).
fn runs(source: &str, function: &str) -> bool {
    let (mut marked, mut in_suite) = (false, false);
    for line in source.lines() {
        in_suite = line == "conformance! {" || (in_suite && line != "}");
        let line = line.trim();
        if in_suite && line.strip_suffix(',') == Some(function) {
            return true;
        }
        let declared = line.strip_prefix("fn ").and_then(|rest| rest.split_once(['(', '<']));
        if marked && declared.is_some_and(|(name, _)| name == function) {
            return true;
        }
        // Attributes may stand between the two.
        marked = line == "#[test]" || (marked && line.starts_with('#'));
    }
    false
}

/// All Rust files under a folder.
fn sources(folder: &Path) -> Vec<String> {
    let mut sources = Vec::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        // A folder that is not there has no tests.
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push(fs::read_to_string(path).expect("a source file"));
            }
        }
    }
    sources
}
