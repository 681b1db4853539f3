//! Bounds: at them all is well, past them it is refused.

use super::*;

#[test]
fn a_record_that_claims_more_than_the_bound_is_refused_before_it_is_read() {
    let (_, record) = kinds().into_iter().next().expect("four kinds");
    let mut bytes = encoded(&[record]);
    for len in [RECORD_LEN_MAX + 1, u32::MAX as usize] {
        bytes[4..8].copy_from_slice(&u32::try_from(len).expect("32 bits").to_le_bytes());
        assert_eq!(Record::take(&bytes), Err(FormatError::Limit));
    }
    bytes[4..8].copy_from_slice(&u32::try_from(RECORD_LEN_MAX).expect("32 bits").to_le_bytes());
    assert_eq!(Record::take(&bytes), Err(FormatError::Short));
}

#[test]
fn a_forged_length_within_a_payload_is_refused() {
    // bincode's varint: 253, then eight bytes.
    let forged = [[253].as_slice(), &u64::MAX.to_le_bytes()].concat();
    let mut bytes = encoded(&[Record { stamp: CREATED, event: arrived(Arrived::Answer { answer: Bytes(Vec::new()) }) }]);
    assert_eq!(bytes.pop(), Some(0));
    bytes.extend_from_slice(&forged);
    let len = u32::try_from(bytes.len() - RECORD_HEAD_LEN).expect("a small record");
    bytes[4..8].copy_from_slice(&len.to_le_bytes());
    assert_eq!(Record::take(&bytes), Err(FormatError::Payload));
    assert_eq!(codec::decode::<Vec<u64>>(&forged), Err(FormatError::Payload));
    assert_eq!(codec::decode::<String>(&forged), Err(FormatError::Payload));
    assert_eq!(codec::decode_large::<Vec<u64>>(&forged), Err(FormatError::Payload));
}

#[test]
fn a_record_past_the_bound_is_not_encoded() {
    let mut out = Vec::new();
    let record = Record { stamp: CREATED, event: arrived(Arrived::Answer { answer: Bytes(vec![0; RECORD_LEN_MAX]) }) };
    assert_eq!(record.encode(&mut out), Err(FormatError::Limit));
    assert!(out.is_empty());
}

#[test]
fn a_payload_that_makes_too_much_is_not_decoded() {
    // bincode's varint: 252, then four bytes. A length counts eight bytes.
    let decoded = |len: usize| {
        let len_bytes = u32::try_from(len).expect("32 bits").to_le_bytes();
        codec::decode::<String>(&[[252].as_slice(), &len_bytes, &vec![b'x'; len]].concat()).map(|text| text.len())
    };
    assert_eq!(decoded(512 * 1024 - 8), Ok(512 * 1024 - 8));
    assert_eq!(decoded(512 * 1024 - 7), Err(FormatError::Payload));
}

#[test]
fn a_block_holds_one_record_to_the_bound_and_no_more() {
    let seal = |records, plain| block::seal(&key(), NONCES[0], Digest([0; 32]), Seq(1), 0, records, plain).map(|(block, _)| block.len());
    assert_eq!(seal(0, Vec::new()), Err(FormatError::Limit));
    assert_eq!(seal(BLOCK_RECORDS_MAX + 1, Vec::new()), Err(FormatError::Limit));
    assert_eq!(seal(1, vec![0; SEALED_LEN_MAX - TAG_LEN + 1]), Err(FormatError::Limit));
    assert_eq!(seal(1, vec![0; SEALED_LEN_MAX - TAG_LEN]), Ok(BLOCK_HEAD_LEN + SEALED_LEN_MAX));
}

#[test]
fn a_snapshot_holds_a_state_to_the_bound_and_no_more() {
    let seal = |len| snapshot::seal(&key(), NONCES[0], &snapshot_head(), vec![0; len]).map(|bytes| bytes.len());
    assert_eq!(seal(SNAPSHOT_LEN_MAX + 1), Err(FormatError::Limit));
    assert_eq!(seal(SNAPSHOT_LEN_MAX), Ok(128 + SNAPSHOT_LEN_MAX + TAG_LEN));
}

#[test]
fn a_state_past_the_bound_is_not_decoded() {
    // bincode's varint: 252, then four bytes. What is made of it counts eight bytes more.
    let fits = u32::try_from(SNAPSHOT_LEN_MAX - 8).expect("32 bits");
    let mut bytes = vec![b'x'; 5 + SNAPSHOT_LEN_MAX - 8];
    let mut decoded = |len: u32| {
        bytes[0] = 252;
        bytes[1..5].copy_from_slice(&len.to_le_bytes());
        bytes.resize(5 + len as usize, b'x');
        codec::decode_large::<String>(&bytes).map(|text| text.len())
    };
    assert_eq!(decoded(fits), Ok(fits as usize));
    assert_eq!(decoded(fits + 1), Err(FormatError::Payload));
}

#[test]
fn a_block_header_out_of_bounds_is_refused() {
    let Segment { bytes, starts, .. } = segment();
    let too_many = u32::try_from(BLOCK_RECORDS_MAX + 1).expect("32 bits");
    let too_long = u32::try_from(SEALED_LEN_MAX + 1).expect("32 bits");
    let too_short = u32::try_from(TAG_LEN - 1).expect("32 bits");
    for (at, value) in [(4, 0), (4, too_many), (16, too_short), (16, too_long), (16, u32::MAX)] {
        let mut head = bytes[starts[0]..starts[0] + BLOCK_HEAD_LEN].to_vec();
        head[at..at + 4].copy_from_slice(&value.to_le_bytes());
        assert_eq!(BlockHead::parse(&with_true_check(head, 0, 48, 16)), Err(FormatError::Field), "byte {at} is {value}");
    }
}

#[test]
fn a_cost_out_of_bounds_is_refused_before_it_is_paid() {
    for (at, value) in [(12, 7), (12, 1024 * 1024 + 1), (12, u32::MAX), (16, 0), (16, 65), (20, 0), (20, 17)] {
        let mut bytes = keys_bytes();
        bytes[at..at + 4].copy_from_slice(&u32::to_le_bytes(value));
        assert_eq!(Front::parse(&with_true_check(bytes, 0, 116, 32)), Err(FormatError::Limit), "byte {at} is {value}");
    }
}

#[test]
fn more_keys_than_the_bound_are_refused() {
    let mut bytes = keys_bytes();
    bytes[148..152].copy_from_slice(&u32::try_from(PROFILE_KEYS_MAX + 1).expect("32 bits").to_le_bytes());
    assert_eq!(Keys::unlock(&with_true_mac(bytes), &key()).err(), Some(FormatError::Limit));
}

#[test]
fn keys_are_kept_to_the_bound_and_no_more() {
    let mut keys = keys();
    let id = |number: usize| {
        let mut id = [77; 16];
        id[..8].copy_from_slice(&number.to_le_bytes());
        id
    };
    let room = PROFILE_KEYS_MAX - keys.ids(Kind::Segment).count() - keys.ids(Kind::Snapshot).count();
    for number in 0..room {
        keys.add(Kind::Segment, id(number), &other_key(), NONCES[0]).expect("room");
    }
    assert_eq!(keys.add(Kind::Snapshot, id(room), &other_key(), NONCES[0]), Err(FormatError::Limit));
    let read = Keys::unlock(&keys.encode().expect("as many as may be"), &key()).expect("the right key");
    assert_eq!(read.ids(Kind::Segment).count(), keys.ids(Kind::Segment).count());
    // One that goes makes room for one.
    keys.destroy(Kind::Segment, id(0));
    assert_eq!(keys.add(Kind::Snapshot, id(room), &other_key(), NONCES[0]), Ok(()));
}
