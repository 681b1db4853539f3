//! Bytes for ever.

use super::*;

fn golden(name: &str) -> Vec<u8> {
    let (_, text) = GOLDEN.iter().find(|(known, _)| *known == name).expect("a vector of that name");
    assert!(!text.is_empty(), "the vector {name} is not frozen yet");
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).expect("hex digits")).collect()
}

/// What the vectors freeze, as this build writes it.
fn vectors() -> Vec<(&'static str, Vec<u8>)> {
    let chain = digest(&[&header().encode()]);
    let plain = encoded(&kinds().map(|(_, record)| record));
    let (block, after) = block::seal(&key(), NONCES[0], chain, Seq(5), 0, 4, plain).expect("four small records");
    let mut vectors = vec![("header", header().encode()), ("block", block), ("chain after block", after.0.to_vec())];
    vectors.extend(kinds().map(|(kind, record)| (kind, encoded(&[record]))));
    vectors.push(("keys", keys_bytes()));
    vectors.push(("snapshot", snapshot_bytes()));
    vectors.push(("SHA-256 of every variant", digest(&[&encoded(&every_variant())]).0.to_vec()));
    vectors.push(("SHA-256 of every variant of groups", digest(&[&encoded(&every_variant_of_groups())]).0.to_vec()));
    vectors
}

#[test]
fn bytes_are_as_they_were_frozen() {
    let mut wrong = Vec::new();
    let vectors = vectors();
    for (name, bytes) in &vectors {
        let actual = hex(bytes);
        if !GOLDEN.iter().any(|(known, frozen)| known == name && *frozen == actual) {
            wrong.push(format!("    (\"{name}\", \"{actual}\"),"));
        }
    }
    assert!(wrong.is_empty(), "these are not as frozen; now they are\n{}", wrong.join("\n"));
    assert_eq!(vectors.len(), GOLDEN.len());
}

#[test]
fn frozen_bytes_are_read_for_ever() {
    let bytes = golden("header");
    let (read, chain) = Header::parse(&bytes).expect("a frozen header");
    assert_eq!(read, header());
    let records = kinds();
    let (_, opened, after) = block::open(&key(), chain, Seq(5), 0, &golden("block")).expect("a frozen block");
    assert_eq!(opened, records.clone().map(|(_, record)| record));
    assert_eq!(after.0.as_slice(), golden("chain after block"));
    for (kind, record) in records {
        assert_eq!(Record::take(&golden(kind)).map(|(read, rest)| (read, rest.len())), Ok((record, 0)));
    }
    let keys = Keys::unlock(&golden("keys"), &key()).expect("a frozen keys file");
    assert_eq!(keys.key(Kind::Segment, KEPT).expect("a frozen entry").map(|key| *key.expose()), Some([41; 32]));
    assert_eq!(snapshot::open(&key(), &golden("snapshot")), Ok((snapshot_head(), b"a state".to_vec())));
}

/// Frozen bytes, in hex. They change with the format's version alone, and with a sentence why.
const GOLDEN: &[(&str, &str)] = &[
    (
        "header",
        "544849434b53454701000100010000000500000000000000006c50c4a001000002020202020202020202020202020202020202020202020202020202020202020101010101010101010101010101010100000000000000000000000000000000a11268b5d388da65aa9908bbdbedf262e9527515b0f32cda1adcb05253370dc6",
    ),
    (
        "block",
        "54424c4b040000000500000000000000490100000000000008080808080808080808080800000000000000000000000041e70af928742d3f02170e9294c2f97c3d405f9ecd3be6fdde5224b95c74c886bc0d4cf7a6ce5a91e92a4df276ff578fbd4147a5913914ceaeed2092a07f86e0e689b82bb6198eaeab75a8309e07768ba31c801a8540cb62d9eb258f3f4053674e7916e3a52fab45ef07b8f5a3fe2cd9f96a15cb9a737646f42c8ecab570b00cbee37c310332a0283d10290f4def8b182d092d017e84fabf70dd89257253a6fec2c3eed49308a7bd60dd4262952495ba850bd09c92e3f8b00e48dd146ca810c871553d6c98b19ae8e89774019b37d3f6ffaa694d920bc683560164441eb0979c9555f8906f1e91f2529925e44c6ff75f83a7218eb37af5f96c4c5bbc05b939b5c75563bd10b6425141924305cdc1bedc9c1c06fe75a8d0fc59408d0c25261e4f06c2bf474e878f89c17afac3272b75981d6be10a2f13603a0e08f71f3fd9eee545b5bf8f3e79b82a3fda447bae46e5be843ff33e5ddb0abf76",
    ),
    ("chain after block", "93fc2c63b475816af1cd39ea463ad3b47221e92b7d99ad9e8b9c4de12cf5dc95"),
    (
        "requested",
        "010001003a000000006c50c4a00100000b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b040d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0efc00000100",
    ),
    (
        "arrived",
        "020001004e000000006c50c4a00100000c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0101fbfb000d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d140f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f",
    ),
    ("elapsed", "0300010022000000006c50c4a001000000121212121212121212121212121212121212121212121212121212121212121200"),
    (
        "resolved",
        "040001004f000000006c50c4a0010000fb2c010101010101010101010101010101010101021010101010101010101010101010101010101010101010101010101010101010141111111111111111111111111111111111111111fc70110100",
    ),
    (
        "keys",
        "544849434b4b4559010001000800000001000000010000001515151515151515151515151515151516161616161616161616161616161616080808080808080808080808146876b6df13ced5f6165c55d45de0ae9f2e6fd485ed79b2ca096ed155dc74acccc2283cb8f2d7f6dd92ab75c973c4da3a5d53ae0931cb2a9e3342e98602a3366ecfdb6bb9eee97c8981f772f31e2d89020000001f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f01000000080808080808080808080808ffe79ac5ce813428019a621c4ae8ba17773926aa202b8bba7dfeef408ad10c670a574cd1c83b279afe242d27553fac652020202020202020202020202020202002000000090909090909090909090909dc1daaaca7d812d8fd8be911d5e5016a6573a29d4793fe6979881116b21b81e7b67134bcb28dc3cc91c2bb4bfee555c0bd369e7a127af5163f07897f8b9faa64e68f08bd41f9fa7ce90957438d60adb7",
    ),
    (
        "snapshot",
        "544849434b534e5001000100010000000800000000000000006c50c4a001000004040404040404040404040404040404040404040404040404040404040404042121212121212121212121212121212108080808080808080808080817000000f179563e4647e872cfbad21423cf5efbaee759194818188dc10cd27012bc8a955d602dea964f83a34f8f799cc07377bf8487ac7c44f9c0",
    ),
    ("SHA-256 of every variant", "3f172cfb2dddf08ed85869dbc2a5896cbf1682ecee8eb7c6e6a18d622c5f30bf"),
    ("SHA-256 of every variant of groups", "eebbdb8e46c36f90b818314c8f7d6d702901b00f35b1d46ea9dc0fe014a2ffaa"),
];
