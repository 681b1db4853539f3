//! SPEC.md's worked example: the vector `valid-one-record`, step by step. What stands there is what the code comes to.

use super::listing::line_of;
use super::vectors::{every_vector, passphrase_key};
use crate::block::{BLOCK_HEAD_LEN, after};
use crate::event::Record;
use crate::header::{HEADER_LEN, Header};
use crate::{NONCE_LEN, Nonce};
use std::fmt::Write as _;
use thicket_types::ids::Seq;

/// One value, with a line for every 32 bytes.
fn put(text: &mut String, name: &str, bytes: &[u8]) {
    for (at, part) in bytes.chunks(32).enumerate() {
        let _ = writeln!(text, "{:<24}{}", if at == 0 { name } else { "" }, super::hex(part));
    }
}

fn nonce(bytes: &[u8]) -> Nonce {
    Nonce(<[u8; NONCE_LEN]>::try_from(bytes).expect("12 bytes"))
}

#[test]
fn the_worked_example_of_the_specification_is_what_the_code_comes_to() {
    let vector = every_vector().into_iter().find(|vector| vector.name == "valid-one-record").expect("a vector");
    let (keys, segment) = (&vector.files["keys"], vector.files.iter().find(|(name, _)| name.starts_with("journal/")).expect("one").1);
    let mut text = String::new();
    put(&mut text, "passphrase", vector.passphrase.as_bytes());
    put(&mut text, "cost", &keys[12..24]);
    put(&mut text, "salt", &keys[24..40]);
    put(&mut text, "passphrase key", passphrase_key().expose());
    put(&mut text, "AAD: keys, 0 to 55", &keys[..56]);
    put(&mut text, "nonce", &keys[56..68]);
    put(&mut text, "sealed", &keys[68..116]);
    let account = passphrase_key().open(nonce(&keys[56..68]), &keys[..56], &keys[68..116]).expect("the account key");
    put(&mut text, "account key", &account);
    let account = crate::Key::new(account.try_into().expect("32 bytes"));
    let wrapping = account.derive("thicket.journal-wrap.v1").expect("a purpose");
    put(&mut text, "MAC key", account.derive("thicket.keys-mac.v1").expect("a purpose").expose());
    put(&mut text, "HMAC: keys, 232 to 263", &keys[232..]);
    put(&mut text, "wrapping key", wrapping.expose());
    put(&mut text, "AAD: entry, 0 to 19", &keys[152..172]);
    put(&mut text, "nonce", &keys[172..184]);
    put(&mut text, "sealed", &keys[184..232]);
    let key = wrapping.open(nonce(&keys[172..184]), &keys[152..172], &keys[184..232]).expect("the segment's key");
    put(&mut text, "segment's key", &key);
    put(&mut text, "segment's header", &segment[..HEADER_LEN]);
    let (_, chain) = Header::parse(segment).expect("a header");
    put(&mut text, "chain before the block", &chain.0);
    let block = &segment[HEADER_LEN..];
    let aad = [&block[..BLOCK_HEAD_LEN], &chain.0].concat();
    put(&mut text, "AAD: header, chain", &aad);
    put(&mut text, "nonce", &block[24..36]);
    put(&mut text, "sealed", &block[BLOCK_HEAD_LEN..]);
    let plain = crate::Key::new(key.try_into().expect("32 bytes")).open(nonce(&block[24..36]), &aad, &block[BLOCK_HEAD_LEN..]);
    let plain = plain.expect("a block");
    put(&mut text, "plaintext", &plain);
    put(&mut text, "its first record's head", &plain[..16]);
    put(&mut text, "payload", &plain[16..]);
    put(&mut text, "chain after the block", &after(chain, block).0);
    let (record, rest) = Record::take(&plain).expect("a record");
    assert!(rest.is_empty(), "one record");
    let text = format!("```\n{text}```\n\n```\n{}```\n", line_of(Seq(1), &record));
    assert!(include_str!("../../SPEC.md").contains(&text), "the appendix should hold:\n{text}");
}
