//! The frozen vectors of the format, opened under the client's own rules: each is read, cut or refused as it says.

use super::{
    BTreeMap, Code, Digest, Durable, Engine, FORGETFUL, FakeDisk, Fault, HEADER_LEN, KEYS_FILE, ProfileKeys, Remembered, Secret, Seq,
    World, remembering,
};
use crate::{Extent, walk};
use std::path::Path;
use thicket_reducer::ClientRules;

type Files = BTreeMap<String, Vec<u8>>;

struct Vector {
    fields: BTreeMap<String, String>,
    files: Files,
}

impl Vector {
    fn parse(bytes: &[u8]) -> Vector {
        let end = bytes.windows(2).position(|pair| pair == b"\n\n").expect("an empty line");
        let head = std::str::from_utf8(&bytes[..end]).expect("UTF-8");
        let mut lines = head.lines();
        assert_eq!(lines.next(), Some("thicket-journal-vector 1"));
        let field = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned())).expect("a field");
        let fields = lines.map(field).collect();
        let (mut files, mut rest) = (BTreeMap::new(), &bytes[end + 2..]);
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == b'\n').expect("a line");
            let line = std::str::from_utf8(&rest[..end]).expect("UTF-8");
            let (name, len) = line.strip_prefix("file ").and_then(|line| line.split_once(' ')).expect("a file's name and length");
            let (bytes, after) = rest[end + 1..].split_at(len.parse().expect("a number"));
            files.insert(name.to_owned(), bytes.to_vec());
            rest = after.strip_prefix(b"\n").expect("a line feed");
        }
        Vector { fields, files }
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// Each file that is cut, and the byte.
    fn cuts(&self) -> Vec<(String, usize)> {
        let at = self.field("at").filter(|_| self.field("expect") == Some("torn")).into_iter().flat_map(|at| at.split(", "));
        at.map(|cut| {
            let (file, byte) = cut.rsplit_once(' ').expect("a file and a byte");
            (file.to_owned(), byte.parse().expect("a number"))
        })
        .collect()
    }

    fn remembered(&self) -> Remembered {
        self.field("remembered").map_or(FORGETFUL, |field| {
            let (seq, chain) = field.split_once(' ').expect("a place and a chain");
            remembering(Durable { seq: Seq(seq.parse().expect("a number")), chain: digest_of(chain) })
        })
    }
}

fn digest_of(hex: &str) -> Digest {
    let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hex");
    Digest(std::array::from_fn(byte))
}

fn hex(digest: Digest) -> String {
    digest.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a fault is, as a vector would say it.
fn refused(fault: Fault) -> Vec<(&'static str, String)> {
    let name = match fault.code {
        Code::ProfileNewer => "newer",
        Code::WrongPassphrase => "wrong-passphrase",
        Code::KeysDamaged => "keys-damaged",
        Code::JournalDamaged => "journal-damaged",
        Code::RolledBack => "rolled-back",
        other => panic!("{other}"),
    };
    let at = fault.damage.filter(|_| name == "journal-damaged").map(|damage| format!("{} {}", damage.file, damage.offset));
    [("expect", Some(name.to_owned())), ("at", at)].into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// What an open says of a vector, as the vector would say it; and the files it left.
fn opened(vector: &Vector) -> (Vec<(&'static str, String)>, Files) {
    let world = World::new();
    let mut disk = FakeDisk::default();
    vector.files.iter().for_each(|(name, bytes)| disk.put(name, bytes.clone()));
    let passphrase = Secret::new(vector.field("passphrase").expect("one").as_bytes().to_vec());
    let engine = ProfileKeys::unlock(&mut disk, &passphrase).and_then(|keys| {
        let (clock, entropy) = (Box::new(world.clock), Box::new(world.entropy));
        Engine::<ClientRules>::open(Box::new(disk.clone()), clock, entropy, keys, vector.remembered())
    });
    let left = disk.files().files.clone();
    let found = match engine {
        Err(fault) => refused(fault),
        Ok((engine, opened)) => {
            let Durable { seq, chain } = engine.durable();
            let cuts = vector.files.iter().filter(|(name, _)| *name != KEYS_FILE).filter_map(|(name, bytes)| match left.get(name) {
                None => Some(format!("{name} 0")),
                Some(left) if left.len() < bytes.len() => Some(format!("{name} {}", left.len())),
                Some(_) => None,
            });
            let mut found = vec![
                ("snapshot", Some(seq.0 - opened.folded).filter(|after| *after > 0).map_or("none".to_owned(), |after| after.to_string())),
                ("last", seq.0.to_string()),
                ("chain", hex(chain)),
            ];
            let cuts = cuts.collect::<Vec<_>>().join(", ");
            if vector.field("at").is_some() && !cuts.is_empty() {
                found.extend([("expect", "torn".to_owned()), ("at", cuts)]);
            } else {
                found.push(("expect", "ok".to_owned()));
            }
            found
        }
    };
    (found, left)
}

/// Each vector with its name.
fn vectors() -> Vec<(String, Vector)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../journal-format/vectors");
    let paths = std::fs::read_dir(folder).expect("the vectors").map(|entry| entry.expect("an entry").path());
    let of = paths.filter(|path| path.extension().is_some_and(|extension| extension == "vector"));
    of.map(|path| {
        let name = path.file_stem().and_then(|name| name.to_str()).expect("UTF-8").to_owned();
        (name, Vector::parse(&std::fs::read(&path).expect("a file")))
    })
    .collect()
}

/// What a walk says of a vector, as the vector would say it.
fn walked(vector: &Vector) -> Vec<(&'static str, String)> {
    let mut disk = FakeDisk::default();
    vector.files.iter().for_each(|(name, bytes)| disk.put(name, bytes.clone()));
    let passphrase = Secret::new(vector.field("passphrase").expect("one").as_bytes().to_vec());
    let remembered = vector.remembered().durable;
    let extent = ProfileKeys::unlock(&mut disk, &passphrase).and_then(|keys| walk(&mut disk, &keys, remembered, &mut |_| {}));
    assert_eq!(disk.files().files, vector.files, "a walk changes nothing");
    let Extent { begins: _, ends, torn, taken } = match extent {
        Err(fault) => return refused(fault),
        Ok(extent) => extent,
    };
    let mut cuts: Vec<String> = torn.iter().map(|torn| format!("{} {}", torn.file, torn.offset)).collect();
    cuts.sort();
    let mut found = vec![("last", ends.seq.to_string()), ("chain", hex(ends.chain))];
    found.extend(taken.iter().map(|id| ("taken", id.hex())));
    if cuts.is_empty() {
        found.push(("expect", "ok".to_owned()));
    } else {
        found.extend([("expect", "torn".to_owned()), ("at", cuts.join(", "))]);
    }
    found
}

/// What a walk says otherwise than an open (SPEC §10, a reader that verifies or lists): it begins at the oldest segment, whose place it
/// holds the snapshots against, and it neither folds nor knows of rules; who folds what it gives says the rest.
const WALKED_OTHERWISE: [&str; 7] = [
    "restored-chain: rolled-back",
    "restored-gap: rolled-back",
    "segment-first-lost: ok",
    "segment-rules-torn: torn journal/0000000000000001-a564c9a3d1ad1009f4cbde3fc8041449.seg 282",
    "segment-rules: ok",
    "segments-without-keys: journal-damaged journal/0000000000000001-a564c9a3d1ad1009f4cbde3fc8041449.seg 0",
    "snapshot-rules: ok",
];

#[test]
fn every_vector_is_walked_as_an_open_reads_it_but_for_a_few() {
    let mut otherwise = Vec::new();
    for (name, vector) in vectors().into_iter().filter(|(_, vector)| !vector.files.contains_key("archive")) {
        let found = walked(&vector);
        let field = |name: &str| found.iter().find(|(field, _)| *field == name).map(|(_, value)| value.as_str());
        if ["expect", "at", "last", "chain", "taken"].into_iter().any(|name| field(name) != vector.field(name)) {
            let found: Vec<&str> = ["expect", "at"].into_iter().filter_map(field).collect();
            otherwise.push(format!("{name}: {}", found.join(" ")));
        }
    }
    otherwise.sort();
    assert_eq!(otherwise, WALKED_OTHERWISE);
}

#[test]
fn every_vector_is_read_cut_or_refused_as_it_says() {
    let (mut seen, mut archives, mut wrong) = (0, 0, Vec::new());
    for (name, vector) in vectors() {
        seen += 1;
        // Archives hold certificates, which the client's tests check.
        if vector.files.contains_key("archive") {
            archives += 1;
            continue;
        }
        let (found, left) = opened(&vector);
        for field in ["expect", "at", "snapshot", "last", "chain"] {
            let found = found.iter().find(|(name, _)| *name == field).map(|(_, value)| value.as_str());
            if found != vector.field(field) {
                wrong.push(format!("{name}: {field}: {found:?}, not {:?}", vector.field(field)));
            }
        }
        // Nothing else changes: but a retired segment's file goes.
        let mut expected = vector.files.clone();
        for (file, at) in vector.cuts() {
            if at == 0 {
                expected.remove(&file);
            } else {
                expected.get_mut(&file).expect("the file").truncate(at);
            }
        }
        if name.ends_with("-file-left") {
            expected.retain(|file, _| left.contains_key(file));
        }
        // And what is left of a segment without a block, whose place another one has.
        if name.starts_with("valid-empty-segment") {
            let before = expected.len();
            expected.retain(|file, bytes| !file.starts_with("journal/") || bytes.len() > HEADER_LEN);
            assert_eq!(before - expected.len(), 1, "{name}");
        }
        // The key of a segment that goes, goes before it: nothing looks as if it had been taken away. Every other key stays.
        if vector.files.keys().any(|file| !expected.contains_key(file)) {
            expected.extend(left.get_key_value(KEYS_FILE).map(|(name, bytes)| (name.clone(), bytes.clone())));
            let again = walked(&Vector { fields: vector.fields.clone(), files: left.clone() });
            let field = |name: &str| again.iter().find(|(field, _)| *field == name).map(|(_, value)| value.as_str());
            let as_said = [Some("ok"), None, vector.field("last"), vector.field("chain")];
            assert_eq!(["expect", "taken", "last", "chain"].map(field), as_said, "{name}");
        }
        if left != expected {
            wrong.push(format!("{name}: other files are left"));
        }
    }
    assert_eq!((seen, archives), (189, 51), "vectors, and archives among them");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
