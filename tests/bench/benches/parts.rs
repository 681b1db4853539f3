//! Small parts by themselves, for people: criterion's figures are of one machine and one moment, and gate nothing.
#![forbid(unsafe_code)]
#![allow(missing_docs, clippy::expect_used)]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::{Duration, Instant};
use thicket_bench::life::{KINDS, Life, keys};
use thicket_engine::{OsDisk, walk};
use thicket_journal_format::event::Record;
use thicket_journal_format::{Key, NONCE_LEN, Nonce, block};
use thicket_reducer::ClientRules;
use thicket_types::event::Event;
use thicket_types::ids::{Digest, Seq};
use thicket_types::ports::{Place, Reducer as _};

/// Records of the life that the parts are taken from.
const RECORDS: u64 = 20_000;

fn lived() -> Vec<(Place, Record)> {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().join("life");
    Life::begin(&folder, 1).go_on(RECORDS);
    let mut records = Vec::new();
    walk(&mut OsDisk::new(&folder), &keys(&folder), None, &mut |walked| records.push((walked.place, walked.record.clone())))
        .expect("a life");
    records
}

fn encoded(records: &[(Place, Record)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    records.iter().for_each(|(_, record)| record.encode(&mut bytes).expect("a record"));
    bytes
}

fn kind(event: &Event) -> &'static str {
    match event {
        Event::Arrived(_) => KINDS[0],
        Event::Resolved { .. } => KINDS[1],
        Event::Requested { .. } => KINDS[2],
        Event::Elapsed { .. } => KINDS[3],
    }
}

fn parts(criterion: &mut Criterion) {
    let records = lived();
    let newest = &records[records.len() - 1_024..];

    let mut group = criterion.benchmark_group("record");
    group.throughput(Throughput::Elements(1_024));
    let mut bytes = Vec::new();
    group.bench_function("encode", |bencher| {
        bencher.iter(|| {
            bytes.clear();
            newest.iter().for_each(|(_, record)| record.encode(&mut bytes).expect("a record"));
            black_box(bytes.len())
        });
    });
    let bytes = encoded(newest);
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let (record, after) = Record::take(rest).expect("a record");
                black_box(record);
                rest = after;
            }
        });
    });
    group.finish();

    let (key, chain) = (Key::new([7; 32]), Digest([0; 32]));
    let seal = |plain| block::seal(&key, Nonce([9; NONCE_LEN]), chain, Seq(1), 0, 64, plain).expect("a block");
    let plain = encoded(&newest[..64]);
    let mut group = criterion.benchmark_group("block of 64");
    group.throughput(Throughput::Bytes(u64::try_from(plain.len()).unwrap_or(u64::MAX)));
    group.bench_function("seal", |bencher| bencher.iter_batched(|| plain.clone(), seal, BatchSize::SmallInput));
    let (sealed, _) = seal(plain.clone());
    group.bench_function("open", |bencher| bencher.iter(|| block::open(&key, chain, Seq(1), 0, &sealed).expect("the same block")));
    group.finish();

    // All of the newest are folded in their order, and those of one kind are timed: a Resolved means something only after what asked.
    let mut before = ClientRules::fresh();
    for (place, record) in &records[..records.len() - newest.len()] {
        ClientRules::reduce(ClientRules::RULES, &mut before, *place, &record.event);
    }
    let mut group = criterion.benchmark_group("reduce, with two looks at the clock each");
    for of in KINDS {
        let count = newest.iter().filter(|(_, record)| kind(&record.event) == of).count();
        group.throughput(Throughput::Elements(u64::try_from(count).unwrap_or(u64::MAX)));
        group.bench_function(of, |bencher| {
            bencher.iter_custom(|times| {
                let mut spent = Duration::ZERO;
                for _ in 0..times {
                    let mut state = before.clone();
                    for (place, record) in newest {
                        let began = Instant::now();
                        black_box(ClientRules::reduce(ClientRules::RULES, &mut state, *place, &record.event));
                        if kind(&record.event) == of {
                            spent += began.elapsed();
                        }
                    }
                }
                spent
            });
        });
    }
    group.finish();
}

criterion_group!(benches, parts);
criterion_main!(benches);
