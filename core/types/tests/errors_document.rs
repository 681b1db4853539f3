//! docs/ERRORS.md is generated from the table, and may not differ from it. `UPDATE_DOCS=1 cargo test -p thicket-types` writes it.

use std::fmt::Write as _;
use std::path::Path;
use thicket_types::error::{Blame, Code};

#[test]
fn the_document_says_what_the_table_says() {
    // At run time: two checkouts may share a target folder, and the binary with it.
    let crate_folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where the crate is");
    let path = Path::new(&crate_folder).join("../../docs/ERRORS.md");
    let document = generated();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &document).expect("docs can be written");
    }
    assert_eq!(std::fs::read_to_string(path).expect("docs/ERRORS.md is there"), document, "run with UPDATE_DOCS=1 to write it anew");
}

fn generated() -> String {
    let mut text = String::from(
        "# Errors\n\nGenerated from `core/types/src/error.rs`; a test compares the two. Numbers are stable for ever and never reused: journals,\nthe wire and programs rely on them. With `--json` an error is the last line,\n`{\"error\":{\"code\",\"name\",\"message\",\"hint\"}}`.\n\n| number | name | whose doing | what happened | what to do |\n|---|---|---|---|---|\n",
    );
    for code in Code::ALL {
        let blame = match code.blame() {
            Blame::Peer => "the other side",
            Blame::Caller => "the caller",
            Blame::Device => "the device",
            Blame::Us => "the program",
        };
        writeln!(text, "| {} | `{}` | {blame} | {} | {} |", code.number(), code.name(), code.what(), code.hint())
            .expect("a String takes it");
    }
    text
}
