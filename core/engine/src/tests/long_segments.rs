//! Segments that are read part by part, and opened by a thread of their own ahead of who folds them.

use super::*;
use crate::blocks::{READ_LEN, STRETCH_LEN};
use std::thread;
use thicket_types::limits::STRETCHES_AHEAD_MAX;

const TURNS: u64 = 40;
/// A block of them is shorter than what is read at once, and goes over its end as often as not.
const A_TURN: u64 = 2;

fn long() -> World {
    let world = World::new();
    let mut engine = world.open();
    for number in 0..TURNS {
        turn(&mut engine, (0..A_TURN).map(|within| large(number * A_TURN + within)));
    }
    world
}

#[test]
fn every_record_of_a_long_segment_is_seen_in_its_order() {
    let world = long();
    let expected: Vec<Event> = (0..TURNS * A_TURN)
        .map(|number| match large(number) {
            Input::Arrival(arrival) => Event::Arrived(arrival),
            _ => unreachable!("an arrival"),
        })
        .collect();
    assert!(world.events() == expected);
    assert_eq!(world.open().durable().seq, Seq(TURNS * A_TURN));
}

#[test]
fn a_damaged_block_in_a_long_segment_is_named_by_its_place_and_nothing_behind_it_is_seen() {
    let world = long();
    let file = world.disk.newest("journal");
    let blocks = blocks(&world.disk.bytes(&file));
    // Not the last: what is wrong with that one may be a torn write.
    for (number, (start, head)) in blocks.iter().enumerate().take(blocks.len() - 1).step_by(13) {
        for at in [*start, start + BLOCK_HEAD_LEN, start + head.block_len() - 1] {
            let copy = world.copy();
            copy.disk.flip(&file, at);
            let mut seen = 0;
            let fault = walk(&mut copy.disk.clone(), &copy.keys(), None, &mut |_| seen += 1).expect_err("damage");
            let damage = fault.damage.expect("a place");
            assert_eq!((fault.code, damage.file, damage.offset), (Code::JournalDamaged, file.clone(), *start), "byte {at}");
            assert_eq!(seen, number as u64 * A_TURN, "byte {at}");
        }
    }
}

#[test]
fn the_torn_tail_of_a_long_segment_is_cut_and_nothing_before_it() {
    let world = long();
    let file = world.disk.newest("journal");
    let bytes = world.disk.bytes(&file);
    let (start, _) = *blocks(&bytes).last().expect("a block");
    for len in [start, start + 1, start + BLOCK_HEAD_LEN, bytes.len() - 1] {
        let copy = world.copy();
        copy.disk.cut(&file, len);
        assert_eq!(copy.open().durable().seq, Seq((TURNS - 1) * A_TURN), "cut at {len}");
        assert!(copy.disk.bytes(&file) == bytes[..start], "cut at {len}");
    }
}

#[test]
fn a_long_segment_is_read_no_further_ahead_than_its_bound() {
    let world = long();
    let file = world.disk.newest("journal");
    let blocks = blocks(&world.disk.bytes(&file));
    let block_len = blocks.iter().map(|(_, head)| head.block_len()).max().expect("a block");
    // Beside those that wait, one stretch is folded and one is made.
    let ahead_max = (STRETCHES_AHEAD_MAX + 2) * (STRETCH_LEN + block_len) + READ_LEN;
    assert!(ahead_max < world.disk.bytes(&file).len() / 2, "less than there is to read");
    let disk = world.disk.copy();
    walk(&mut disk.clone(), &world.keys(), None, &mut |walked| {
        // It is read ahead while nobody goes on.
        while disk.files().read_upto < STRETCHES_AHEAD_MAX * STRETCH_LEN {
            thread::yield_now();
        }
        let (start, _) = blocks[usize::try_from((walked.place.seq.0 - 1) / A_TURN).expect("a small number")];
        let ahead = disk.files().read_upto.saturating_sub(start);
        assert!(ahead <= ahead_max, "{ahead} bytes ahead of {}", walked.place.seq);
    })
    .expect("an intact journal");
}
