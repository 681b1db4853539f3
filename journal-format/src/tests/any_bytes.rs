//! Any bytes at all are read or refused.

use super::*;

/// The same cases each time: PROPTEST_CASES asks for more, PROPTEST_RNG_SEED for others.
fn runner() -> TestRunner {
    let config = Config::default();
    let rng_seed = match config.rng_seed {
        RngSeed::Random => RngSeed::Fixed(1),
        RngSeed::Fixed(seed) => RngSeed::Fixed(seed),
    };
    TestRunner::new(Config { rng_seed, failure_persistence: None, ..config })
}

fn read_as_everything(bytes: &[u8]) {
    let _ = Header::parse(bytes);
    let _ = BlockHead::parse(bytes);
    let _ = block::open(&key(), Digest([0; 32]), Seq(1), 0, bytes);
    let _ = block::next_head(bytes, Seq::ZERO);
    let mut rest = bytes;
    while let Ok((_, after)) = Record::take(rest) {
        rest = after;
    }
    let _ = Front::parse(bytes);
    let _ = Keys::unlock(bytes, &key());
    let _ = snapshot::head(bytes);
    let _ = snapshot::open(&key(), bytes);
    let _ = read(bytes);
}

#[test]
fn any_bytes_are_read_or_refused() {
    runner()
        .run(&vec_of(any::<u8>(), 0..1024), |bytes| {
            read_as_everything(&bytes);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn altered_and_cut_bytes_are_read_or_refused() {
    let intact = [segment().bytes, keys_bytes(), snapshot_bytes(), encoded(&every_variant()), encoded(&every_variant_of_groups())];
    runner()
        .run(&(any::<u8>(), vec_of((any::<u16>(), any::<u8>()), 0..8), any::<u16>()), |(which, writes, cut)| {
            let mut bytes = intact[usize::from(which) % intact.len()].clone();
            for (at, value) in writes {
                let at = usize::from(at) % bytes.len();
                bytes[at] = value;
            }
            read_as_everything(&bytes);
            read_as_everything(&bytes[usize::from(cut) % bytes.len()..]);
            bytes.truncate(usize::from(cut) % bytes.len());
            read_as_everything(&bytes);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn any_payload_under_a_true_seal_is_read_or_refused() {
    let payload = (1_u16..=4, vec_of(any::<u8>(), 0..256));
    runner()
        .run(&vec_of(payload, 1..4), |payloads| {
            let mut plain = Vec::new();
            for (tag, payload) in &payloads {
                plain.extend_from_slice(&tag.to_le_bytes());
                plain.extend_from_slice(&1_u16.to_le_bytes());
                plain.extend_from_slice(&u32::try_from(payload.len()).expect("a short payload").to_le_bytes());
                plain.extend_from_slice(&CREATED.0.to_le_bytes());
                plain.extend_from_slice(payload);
            }
            let (block, _) = block::seal(&key(), NONCES[0], Digest([0; 32]), Seq(1), 0, payloads.len(), plain).expect("a small block");
            let _ = block::open(&key(), Digest([0; 32]), Seq(1), 0, &block);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}
