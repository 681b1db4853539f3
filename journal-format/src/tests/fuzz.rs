//! The fuzz targets' corpora, as ordinary tests.

use crate::fuzz::TARGETS;
use std::fs;
use std::path::{Path, PathBuf};

fn beside(path: &str) -> PathBuf {
    // At run time: two checkouts may share a target folder, and the binary with it.
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where the crate is")).join(path)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    read.map(|entry| entry.expect("an entry").path()).collect()
}

#[test]
fn every_file_of_a_corpus_is_taken_and_each_target_has_its_program() {
    let manifest = fs::read_to_string(beside("../tests/fuzz/Cargo.toml")).expect("a manifest");
    for (name, body) in TARGETS {
        let corpus = files(&beside(&format!("../tests/fuzz/corpora/{name}")));
        assert!(corpus.len() >= 3, "{name}: {} files", corpus.len());
        for file in corpus {
            body(&fs::read(file).expect("a file"));
        }
        assert!(
            beside(&format!("../tests/fuzz/fuzz_targets/{name}.rs")).is_file() && manifest.contains(&format!("name = \"{name}\"")),
            "{name}"
        );
    }
}

#[test]
fn every_target_takes_every_vector() {
    let vectors = files(&beside("vectors"));
    assert!(vectors.len() >= 97);
    for vector in vectors.iter().map(|vector| fs::read(vector).expect("a file")) {
        TARGETS.iter().for_each(|(_, body)| body(&vector));
    }
}
