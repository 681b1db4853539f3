//! What sealing costs: the same journal, and one whose blocks are copied instead.

use crate::measured::{Batch, NOW};
use std::path::Path;
use thicket_bench::machine::thread_ns;
use thicket_bench::rounds::{Judged, judge, order};
use thicket_engine::{Input, OsDisk};
use thicket_journal_format::block::{after, seal};
use thicket_journal_format::event::Record;
use thicket_journal_format::{Key, NONCE_LEN, Nonce, TAG_LEN, digest};
use thicket_types::event::Event;
use thicket_types::ids::{Digest, Seq};
use thicket_types::ports::Disk as _;

/// Processor time that is added, as a share of that of the journal without it.
pub(crate) struct Sealing {
    /// By the seal.
    pub(crate) seal: Judged,
    /// By the seal and the chain's hash.
    pub(crate) seal_and_chain: Judged,
}

#[derive(Clone, Copy)]
enum How {
    Sealed,
    Copied,
    Unchained,
}

const RECORDS: usize = 64;
const COMMITS: usize = 64;

pub(crate) fn measure(folder: &Path, rounds: usize) -> Sealing {
    let files = [("sealed", How::Sealed), ("copied", How::Copied), ("unchained", How::Unchained)];
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    // One each, which keeps its file open.
    let mut disks = files.map(|(file, _)| {
        let mut disk = OsDisk::new(folder);
        disk.create(file, &[]).expect("a new file");
        disk
    });
    let mut chain = Digest([0; 32]);
    for round in 0..=rounds {
        let batches: Vec<Batch> = (0..COMMITS).map(|number| Batch::new(number as u64, RECORDS, 256)).collect();
        let mut spent = [0.0; 3];
        // One commit of each after the other: what the machine does beside this is spread over all three.
        for (number, batch) in batches.iter().enumerate() {
            for which in order(files.len(), round + number) {
                let (file, how) = files[which];
                let began = thread_ns();
                let block = block(&batch.inputs, how, &mut chain);
                disks[which].append(file, &block).expect("a disk");
                spent[which] += thread_ns() - began;
            }
        }
        if round > 0 {
            times.iter_mut().zip(spent).for_each(|(times, spent)| times.push(spent));
        }
    }
    let [sealed, copied, unchained] = times;
    let share = |with: &[f64], without: &[f64]| {
        let shares: Vec<f64> = with.iter().zip(without).map(|(with, without)| with / without - 1.0).collect();
        judge(&shares)
    };
    Sealing { seal: share(&sealed, &copied), seal_and_chain: share(&sealed, &unchained) }
}

/// One block as the engine's writer makes it, or the same without its seal.
fn block(inputs: &[Input], how: How, chain: &mut Digest) -> Vec<u8> {
    let mut plain = Vec::new();
    for input in inputs {
        let Input::Arrival(arrival) = input.clone() else {
            continue;
        };
        Record { stamp: NOW, event: Event::Arrived(arrival) }.encode(&mut plain).expect("a record");
    }
    if matches!(how, How::Sealed) {
        let (block, after) = seal(&Key::new([7; 32]), Nonce([9; NONCE_LEN]), *chain, Seq(1), 0, inputs.len(), plain).expect("a block");
        *chain = after;
        return block;
    }
    // Head, check and AAD as a sealed block has them, and the bytes copied as often.
    let mut block = Vec::with_capacity(64 + plain.len() + TAG_LEN);
    block.extend_from_slice(&[1; 48]);
    let check = digest(&[&block]);
    block.extend(check.0.iter().take(16));
    let mut aad = block.clone();
    aad.extend_from_slice(&chain.0);
    plain.extend_from_slice(aad.get(..TAG_LEN).unwrap_or_default());
    block.extend_from_slice(&plain);
    if matches!(how, How::Copied) {
        *chain = after(*chain, &block);
    }
    block
}
