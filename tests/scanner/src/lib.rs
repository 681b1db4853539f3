//! Looks for secrets in bytes, in every form in which they might lie about.
//!
//! ```text
//!   text ─► UTF-8 · UTF-16 LE, BE · hex, HEX · base64 and base64url at three alignments ─► one pass over the bytes
//!   key  ─► its bytes, forwards and backwards · each of them in hex, HEX, base64 and base64url
//! ```
//!
//! A scan that finds nothing says something only if the same scan has found a canary before: [`forms`] gives what to plant.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A shorter needle is not looked for: among megabytes of ciphertext it would be found by chance.
pub const NEEDLE_LEN_MIN: usize = 5;

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The bytes by which a secret would be recognised, by the name of their form.
pub type Forms = BTreeMap<&'static str, Vec<Vec<u8>>>;

/// What was found: a secret, and the form that it had.
pub type Found = BTreeSet<(String, &'static str)>;

/// The bytes by which a text would be recognised.
///
/// One that is too short to be told from chance as UTF-8 is looked for as a field too: behind its length, and that behind a
/// tag of protobuf or of an OpenPGP user id.
pub fn forms(secret: &str) -> Forms {
    let bytes = secret.as_bytes();
    let utf16: Vec<u16> = secret.encode_utf16().collect();
    let mut forms = encoded(bytes);
    forms.insert("UTF-8", vec![bytes.to_vec()]);
    forms.insert("UTF-16 LE", vec![utf16.iter().flat_map(|unit| unit.to_le_bytes()).collect()]);
    forms.insert("UTF-16 BE", vec![utf16.iter().flat_map(|unit| unit.to_be_bytes()).collect()]);
    if let (true, Ok(len)) = (bytes.len() < NEEDLE_LEN_MIN, u8::try_from(bytes.len())) {
        let tags = (1..16).map(|field| field << 3 | 2).chain([0xcd]);
        forms.insert("field", tags.map(|tag| [&[tag, len], bytes].concat()).collect());
    }
    for needles in forms.values_mut() {
        needles.retain(|needle| needle.len() >= NEEDLE_LEN_MIN);
    }
    forms.retain(|_, needles| !needles.is_empty());
    forms
}

/// The same of a key that is bytes. What one library writes as a number from its great end, another does from its small one.
pub fn forms_of_key(key: &[u8]) -> Forms {
    let backwards: Vec<u8> = key.iter().rev().copied().collect();
    let mut forms = Forms::from([("bytes", vec![key.to_vec(), backwards.clone()])]);
    for (form, needles) in encoded(key).into_iter().chain(encoded(&backwards)) {
        forms.entry(form).or_default().extend(needles);
    }
    forms
}

/// Bytes as text.
fn encoded(bytes: &[u8]) -> Forms {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    BTreeMap::from([
        ("hex", vec![hex.to_ascii_uppercase().into_bytes(), hex.into_bytes()]),
        ("base64", (0..3).map(|shift| base64_within(bytes, shift, STANDARD)).collect()),
        ("base64url", (0..3).map(|shift| base64_within(bytes, shift, URL)).collect()),
    ])
}

/// The characters of base64 that a secret alone decides, if it begins at this offset modulo three of what is encoded.
fn base64_within(bytes: &[u8], shift: usize, alphabet: &[u8; 64]) -> Vec<u8> {
    let (from, to) = (shift * 8, (shift + bytes.len()) * 8);
    let bit = |at: usize| usize::from(bytes[at / 8 - shift] >> (7 - at % 8) & 1);
    let characters = from.div_ceil(6)..to / 6;
    characters.map(|character| alphabet[(character * 6..character * 6 + 6).fold(0, |sextet, at| sextet << 1 | bit(at))]).collect()
}

struct Needle {
    secret: String,
    form: &'static str,
    bytes: Vec<u8>,
}

/// Looks for some secrets at once.
pub struct Scanner {
    by_first: Vec<Vec<Needle>>,
}

impl Scanner {
    /// A scanner for secrets, each of which has at least one form that is long enough.
    pub fn new<S: AsRef<str>>(secrets: impl IntoIterator<Item = S>) -> Scanner {
        Scanner::of(secrets.into_iter().map(|secret| (secret.as_ref().to_owned(), forms(secret.as_ref()))))
    }

    /// A scanner for keys, each of which is told of by a name.
    pub fn of_keys<'a>(keys: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Scanner {
        Scanner::of(keys.into_iter().map(|(name, key)| {
            assert!(key.len() >= NEEDLE_LEN_MIN, "{name:?} is too short to be looked for");
            (name.to_owned(), forms_of_key(key))
        }))
    }

    fn of(secrets: impl Iterator<Item = (String, Forms)>) -> Scanner {
        let mut by_first: Vec<Vec<Needle>> = (0..256).map(|_| Vec::new()).collect();
        for (secret, forms) in secrets {
            assert!(!forms.is_empty(), "{secret:?} is too short to be looked for");
            for (form, needles) in forms {
                for bytes in needles {
                    by_first[usize::from(bytes[0])].push(Needle { secret: secret.clone(), form, bytes });
                }
            }
        }
        Scanner { by_first }
    }

    /// The secrets that stand in some bytes.
    pub fn scan(&self, bytes: &[u8]) -> Found {
        let starts = bytes.iter().enumerate();
        let needles = starts
            .flat_map(|(at, first)| self.by_first[usize::from(*first)].iter().filter(move |needle| bytes[at..].starts_with(&needle.bytes)));
        needles.map(|needle| (needle.secret.clone(), needle.form)).collect()
    }

    /// What stands in the files of a folder and the folders in it, a sentence each.
    pub fn scan_folder(&self, folder: &Path) -> Vec<String> {
        let told = |path: &PathBuf| {
            let bytes = std::fs::read(path).expect("a file that can be read");
            let path = path.display().to_string();
            self.scan(&bytes).into_iter().map(move |(secret, form)| format!("{secret:?} in {path} as {form}")).collect::<Vec<_>>()
        };
        files(folder).iter().flat_map(told).collect()
    }
}

/// Every file of a folder and of the folders in it, in the order of their names.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder that can be read").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = entries.flat_map(|path| if path.is_dir() { self::files(&path) } else { vec![path] }).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests;
