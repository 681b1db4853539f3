//! Fixed work, the same in every run: its instructions are counted, where its time would be another each time.
//!
//! What is prepared stands outside the functions that `tests/bench/instructions` names to callgrind, and is not counted.

use crate::life::{Life, keys};
use std::hint::black_box;
use std::path::Path;
use thicket_engine::{OsDisk, walk};
use thicket_journal_format::event::Record;
use thicket_journal_format::{Key, NONCE_LEN, Nonce, block};
use thicket_reducer::{ClientRules, State};
use thicket_types::ids::{Digest, Seq};
use thicket_types::ports::{Place, Reducer as _};

/// What is folded.
const EVENTS: u64 = 10_000;
/// What is decoded, from where the life is past its beginning.
const DECODED: usize = 1_000;
/// What is sealed.
const SEALED: usize = 64;

/// Does all of it once, on a life in a folder that is not there yet.
pub fn count(folder: &Path) {
    let mut life = Life::begin(folder, 1);
    life.go_on(EVENTS);
    drop(life);
    let mut records: Vec<(Place, Record)> = Vec::new();
    walk(&mut OsDisk::new(folder), &keys(folder), None, &mut |walked| records.push((walked.place, walked.record.clone()))).expect("a life");
    records.truncate(usize::try_from(EVENTS).unwrap_or(usize::MAX));

    let encoded = |count: usize| {
        let mut bytes = Vec::new();
        records.iter().rev().take(count).for_each(|(_, record)| record.encode(&mut bytes).expect("a record"));
        bytes
    };
    let mut state = ClientRules::fresh();
    counted_fold(&mut state, &records);
    counted_decode(&encoded(DECODED));
    counted_block(encoded(SEALED));
    black_box(state);
}

/// Folds the whole life.
#[inline(never)]
fn counted_fold(state: &mut State, records: &[(Place, Record)]) {
    for (place, record) in records {
        black_box(ClientRules::reduce(ClientRules::RULES, state, *place, &record.event));
    }
}

/// Decodes records.
#[inline(never)]
fn counted_decode(encoded: &[u8]) {
    let mut rest = encoded;
    while !rest.is_empty() {
        let (record, after) = Record::take(rest).expect("a record");
        black_box(record);
        rest = after;
    }
}

/// Seals a block and opens it.
#[inline(never)]
fn counted_block(plain: Vec<u8>) {
    let (key, chain) = (Key::new([7; 32]), Digest([0; 32]));
    let (bytes, _) = block::seal(&key, Nonce([9; NONCE_LEN]), chain, Seq(1), 0, SEALED, plain).expect("a block");
    black_box(block::open(&key, chain, Seq(1), 0, &bytes).expect("the same block"));
}
