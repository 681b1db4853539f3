//! What was altered is refused.

use super::*;

#[test]
fn every_flipped_bit_of_a_segment_is_refused() {
    let segment = segment();
    assert_eq!(accepted_flips(&segment.bytes, |bytes| read(bytes).is_ok()), NONE);
}

#[test]
fn every_flipped_bit_of_a_keys_file_is_refused() {
    assert_eq!(accepted_flips(&keys_bytes(), |bytes| Keys::unlock(bytes, &key()).is_ok()), NONE);
}

#[test]
fn a_damaged_keys_file_is_told_from_a_wrong_passphrase() {
    let intact = keys_bytes();
    for at in 12..148 {
        let mut bytes = intact.clone();
        bytes[at] ^= 1;
        assert_eq!(Front::parse(&bytes), Err(FormatError::Check), "byte {at}");
        assert_eq!(Keys::unlock(&bytes, &other_key()).err(), Some(FormatError::Check), "byte {at}");
    }
    assert_eq!(Keys::unlock(&intact, &other_key()).err(), Some(FormatError::Seal));
}

#[test]
fn every_flipped_bit_of_a_snapshot_is_refused() {
    assert_eq!(accepted_flips(&snapshot_bytes(), |bytes| snapshot::open(&key(), bytes).is_ok()), NONE);
}

#[test]
fn an_altered_segment_header_with_a_true_check_is_refused_by_the_first_blocks_seal() {
    let bytes = segment().bytes;
    let accepted = accepted_flips(&bytes[..HEADER_LEN - 32], |front| {
        let mut altered = bytes.clone();
        altered[..front.len()].copy_from_slice(front);
        read(&with_true_check(altered, 0, HEADER_LEN - 32, 32)).is_ok()
    });
    assert_eq!(accepted, NONE);
}

#[test]
fn an_altered_block_header_with_a_true_check_is_refused_by_the_seal() {
    let Segment { bytes, starts, .. } = segment();
    for start in starts {
        let accepted = accepted_flips(&bytes[start..start + 48], |front| {
            let mut altered = bytes.clone();
            altered[start..start + front.len()].copy_from_slice(front);
            read(&with_true_check(altered, start, 48, 16)).is_ok()
        });
        assert_eq!(accepted, NONE);
    }
}

#[test]
fn an_altered_snapshot_header_with_a_true_check_is_refused_by_the_seal() {
    let bytes = snapshot_bytes();
    let accepted = accepted_flips(&bytes[..96], |front| {
        let mut altered = bytes.clone();
        altered[..front.len()].copy_from_slice(front);
        snapshot::open(&key(), &with_true_check(altered, 0, 96, 32)).is_ok()
    });
    assert_eq!(accepted, NONE);
}

#[test]
fn a_block_is_opened_in_its_place_alone() {
    let Segment { bytes, starts, chains, records } = segment();
    let second = &bytes[starts[1]..];
    let opened = |key: Key, chain, first, index| block::open(&key, chain, first, index, second).map(|(_, records, _)| records);
    assert_eq!(opened(key(), chains[1], Seq(8), 1), Ok(records[3..].to_vec()));
    assert_eq!(opened(key(), chains[1], Seq(8), 0), Err(FormatError::Place));
    assert_eq!(opened(key(), chains[1], Seq(9), 1), Err(FormatError::Place));
    assert_eq!(opened(key(), chains[0], Seq(8), 1), Err(FormatError::Seal));
    assert_eq!(opened(other_key(), chains[1], Seq(8), 1), Err(FormatError::Seal));
}

#[test]
fn blocks_that_changed_places_are_refused() {
    let Segment { bytes, starts, .. } = segment();
    let mut swapped = bytes[..starts[0]].to_vec();
    swapped.extend_from_slice(&bytes[starts[1]..]);
    swapped.extend_from_slice(&bytes[starts[0]..starts[1]]);
    assert_eq!(read(&swapped), Err(FormatError::Place));
}

#[test]
fn a_block_of_another_number_of_records_than_it_says_is_refused() {
    let records = kinds().map(|(_, record)| record);
    let (block, _) = block::seal(&key(), NONCES[0], Digest([0; 32]), Seq(1), 0, 2, encoded(&records[..1])).expect("a small record");
    assert_eq!(block::open(&key(), Digest([0; 32]), Seq(1), 0, &block), Err(FormatError::Payload));
}

#[test]
fn the_wrong_passphrase_opens_nothing() {
    assert_eq!(Keys::unlock(&keys_bytes(), &other_key()).err(), Some(FormatError::Seal));
}

#[test]
fn another_key_opens_no_snapshot() {
    assert_eq!(snapshot::open(&other_key(), &snapshot_bytes()), Err(FormatError::Seal));
}

#[test]
fn bytes_behind_a_part_are_refused() {
    let mut keys = keys_bytes();
    keys.push(0);
    assert!(Keys::unlock(&keys, &key()).is_err());
    let longer = with_true_mac([keys_bytes(), vec![0; 5]].concat());
    assert_eq!(Keys::unlock(&longer, &key()).err(), Some(FormatError::Field));
    let mut snapshot = snapshot_bytes();
    snapshot.push(0);
    assert_eq!(snapshot::open(&key(), &snapshot), Err(FormatError::Field));
    let mut value = codec::encode(&7_u64).expect("a number");
    value.push(0);
    assert_eq!(codec::decode::<u64>(&value), Err(FormatError::Payload));
}
