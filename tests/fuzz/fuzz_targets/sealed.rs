//! Any bytes, as `thicket_journal_format::fuzz::sealed` takes them.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| thicket_journal_format::fuzz::sealed(bytes));
