//! The vectors that tell whether a reader keeps one sentence: with that left out, it reads all the others as they say.

use super::*;

/// What only one sentence of the specification decides.
pub(super) fn edges() -> Vec<Vector> {
    [edges_of_the_end(), edges_of_the_walk(), sealed_anew()].into_iter().flatten().collect()
}

fn edges_of_the_end() -> Vec<Vector> {
    let (whole, blocks) = life();
    let [.., (_, _, first_of_two), (file, at, _)] = blocks.as_slice() else { unreachable!("six blocks") };
    let mut vectors = Vec::new();

    let mut making = whole.clone();
    making.bytes(file)[128 + 70] ^= 1;
    let comment = "A wrong bit in what the first of the newest segment's two blocks seals: the second was written after it.";
    vectors.push(making.vector("block-newest-first", comment, damaged(file, 128)));

    let mut making = whole.clone();
    let bytes = making.bytes(file);
    let (end, stray) = (bytes.len(), bytes[*at..at + 64].to_vec());
    bytes.extend_from_slice(b"not a block");
    bytes.extend_from_slice(&stray);
    let header = end + 11;
    bytes[header + 8] += 3;
    check_again(bytes, header, 48, 16);
    let comment = "Behind the last block eleven bytes without meaning, and behind them a later block's header.";
    vectors.push(making.vector("block-header-behind", comment, damaged(file, end)));

    let mut making = whole.clone();
    let bytes = making.bytes(file);
    let stale = bytes[*at..].to_vec();
    bytes[at + 70] ^= 1;
    bytes.extend_from_slice(&stale);
    let comment = "The last block's seal does not open, and behind it stands a header of its own Seq, which is none after it.";
    vectors.push(Vector { last: *first_of_two, ..making.vector("torn-stale-block", comment, torn(file, *at)) });

    let (mut making, _) = life();
    let (last, segment) = (making.durable, making.begin());
    let bytes = making.bytes(&segment.file);
    let mut header = bytes.clone();
    bytes.truncate(60);
    header[64..80].copy_from_slice(&[0xFF; 16]);
    check_again(&mut header, 0, 96, 32);
    let empty = format!("{}{}.seg", &segment.file[..segment.file.len() - 36], "f".repeat(32));
    making.files.insert(empty.clone(), header);
    making.keys.insert((Kind::Segment, [0xFF; 16]), drawn("segment key", 99));
    let cuts = Expected::Torn(vec![(segment.file, 0), (empty, 0)]);
    let comment = "The newest segment was cut within its header, and behind it by name is one without a block: both go.";
    vectors.push(Vector { last, ..making.vector("torn-header-before-an-empty-segment", comment, cuts) });

    let mut making = whole.clone();
    let middle = blocks[3].0.clone();
    making.bytes(&middle).truncate(60);
    let comment = "The second segment is cut within its header: only the newest can be torn there.";
    vectors.push(making.vector("segment-cut-header", comment, damaged(&middle, 0)));

    let (mut making, _) = life();
    let mut segment = making.begin();
    making.block(&mut segment, &sends(20..21));
    let bytes = making.bytes(&segment.file);
    bytes.truncate(60);
    bytes[8] = 2;
    let comment = "The newest segment has 60 bytes and format version 2: a later version's header may be so short.";
    vectors.push(making.vector("segment-short-version", comment, Expected::Other("newer")));

    let (mut making, _) = life();
    let mut segment = making.begin();
    making.block(&mut segment, &sends(20..21));
    making.bytes(&segment.file).truncate(60);
    making.bytes(file).truncate(at + 100);
    let cuts = Expected::Torn(vec![(file.clone(), *at), (segment.file, 0)]);
    let comment = "The newest segment was cut within its header, and the last block of the one before it as well: both go.";
    vectors.push(Vector { last: *first_of_two, ..making.vector("torn-twice", comment, cuts) });

    // A journal of a time before its vault's is told from one whose creation was cut short, and left as it is.
    let (mut making, _) = restored();
    let mut segment = making.begin();
    making.block(&mut segment, &[Record { stamp: CREATED, event: requested(Intent::Restore) }]);
    making.bytes(&segment.file).truncate(60);
    let comment = "The only segment of a profile that was restored is cut within its header: nothing goes on from the snapshot.";
    vectors.push(making.vector("rolled-back-restored", comment, Expected::Other("rolled-back")));
    vectors
}

fn edges_of_the_walk() -> Vec<Vector> {
    let mut vectors = Vec::new();
    let id_of = |making: &Making, file: &str| -> [u8; 16] { making.files[file][64..80].try_into().expect("16 bytes") };
    // The place of a segment without a block was taken by the one of this number, which has a smaller id.
    for (name, comment, number, keyed) in [
        ("valid-empty-segment-behind", "A segment without a block, with a larger id than the one that has its place.", 1, true),
        ("valid-empty-segment-newest", "As before, beside the newest: it is none all the same.", 2, true),
        ("valid-empty-segment-without-a-key", "As before, and its key is gone.", 2, false),
    ] {
        let (mut making, _) = life();
        let taken = making.files.keys().filter(|file| file.starts_with("journal/")).nth(number).expect("three segments").clone();
        let mut header = making.files[&taken][..128].to_vec();
        header[64..80].copy_from_slice(&[0xFF; 16]);
        check_again(&mut header, 0, 96, 32);
        if keyed {
            making.keys.insert((Kind::Segment, [0xFF; 16]), drawn("segment key", 99));
        }
        making.files.insert(format!("{}{}.seg", &taken[..taken.len() - 36], "f".repeat(32)), header);
        vectors.push(making.ok(name, comment));
    }

    let (mut making, _) = life();
    let names: Vec<String> = making.files.keys().filter(|file| file.starts_with("journal/")).cloned().collect();
    let (first, last) = (making.files[&names[0]].clone(), making.files[&names[2]].clone());
    making.files.insert(names[0].clone(), last);
    making.files.insert(names[2].clone(), first);
    vectors.push(making.ok("valid-names", "The first segment and the last have each other's names: the headers give the order."));

    let (mut making, _) = life();
    let last = making.durable;
    let segment = making.begin();
    let bytes = making.bytes(&segment.file);
    bytes[16..24].copy_from_slice(&[0; 8]);
    check_again(bytes, 0, 96, 32);
    let comment = "The newest segment has no block and says that it begins at 0, under a true SHA-256: its header fails.";
    vectors.push(Vector { last, ..making.vector("torn-segment-of-0", comment, torn(&segment.file, 0)) });

    let (mut making, _) = with_two_snapshots();
    let comment = "Two snapshots, and no segment has a key: none has retired.";
    let files: Vec<String> = making.files.keys().filter(|file| file.starts_with("journal/")).cloned().collect();
    making.keys.retain(|(kind, _), _| *kind == Kind::Snapshot);
    vectors.push(making.vector("segments-without-keys", comment, damaged(&files[1], 0)));

    let mut making = Making::new();
    let mut segment = making.begin();
    making.block(&mut segment, &sends(0..2));
    making.snapshot();
    making.block(&mut segment, &sends(0..1));
    let oldest = segment.file.clone();
    let mut segment = making.begin();
    making.block(&mut segment, &sends(2..4));
    let id = id_of(&making, &oldest);
    making.keys.remove(&(Kind::Segment, id));
    let comment = "The oldest segment has no key, and the second begins two after the snapshot: the oldest has not retired.";
    vectors.push(making.vector("segment-not-retired", comment, damaged(&oldest, 0)));

    let mut making = Making::new();
    let mut segment = making.begin();
    making.block(&mut segment, &sends(0..2));
    let whole = making.durable;
    making.durable = (Seq::ZERO, Digest([0; 32]));
    let mut segment = making.begin();
    making.block(&mut segment, &sends(2..4));
    making.keys.remove(&(Kind::Segment, segment.id.0));
    let keyless = segment.file;
    making.durable = whole;
    let comment = "Two segments that begin at 1, no snapshot, and the first has no key: without a snapshot none has retired.";
    vectors.push(making.vector("segment-not-retired-without-a-snapshot", comment, damaged(&keyless, 0)));

    let (making, snapshots) = with_two_snapshots();
    let mut early = Making::new();
    let mut segment = early.begin();
    early.block(&mut segment, &sends(0..2));
    let remembered = early.durable;
    let vector = making.ok("valid-remembered-before", "The vault remembers a block before the segment that the walk begins in.");
    vectors.push(Vector { remembered: Some(remembered), snapshot: Some(snapshots[1].1), ..vector });

    let (mut making, [(_, older), (newest, _)]) = with_two_snapshots();
    let bytes = making.files.remove(&newest).expect("a snapshot");
    making.files.insert(format!("{newest}.new"), bytes);
    let comment = "The newer snapshot was written, and a crash came before it had its name: the older one is used.";
    vectors.push(Vector { snapshot: Some(older), ..making.ok("valid-snapshot-new", comment) });
    vectors
}

/// What is altered stands under a true seal, so that the one check which is meant can tell.
fn sealed_anew() -> Vec<Vector> {
    let mut vectors = Vec::new();
    for (name, comment, records, byte) in [
        ("block-zeros-sealed", "A block has a byte that has to be zero, under a true check and a true seal.", 2, 40),
        ("block-check-sealed", "A block's check is another, under a true seal.", 2, 50),
        ("block-513-records", "A block has 513 records, and says so.", 513, 4),
    ] {
        let mut making = Making::new();
        let mut segment = making.begin();
        let at = making.block_altered(&mut segment, &sends(0..records), byte);
        making.block(&mut segment, &sends(records..records + 1));
        let file = segment.file.clone();
        vectors.push(making.vector(name, comment, damaged(&file, at)));
    }

    let making = || {
        let (making, snapshots) = with_two_snapshots();
        let (seq, chain) = making.durable;
        let head = SnapshotHead { rules: RulesVersion(1), seq, stamp: CREATED, chain, id: short("snapshot", seq.0) };
        let plain = encode(&(Carried::new(), &making.state)).expect("a small state");
        (making, snapshots[1].1, head, plain)
    };
    let passed_over = |making: Making, used, name, comment| Vector { snapshot: Some(used), ..making.ok(name, comment) };
    let (mut made, used, head, plain) = making();
    made.snapshot_of(SnapshotHead { rules: RulesVersion(0), ..head }, plain);
    vectors.push(passed_over(
        made,
        used,
        "valid-snapshot-no-rules-sealed",
        "The newest of three snapshots has rules version 0, under a true seal.",
    ));
    let (mut made, used, head, plain) = making();
    made.snapshot_of(SnapshotHead { seq: Seq(0), ..head }, plain);
    vectors.push(passed_over(made, used, "valid-snapshot-of-0", "The newest of three snapshots is of Seq 0, under a true seal."));
    let (mut made, used, head, plain) = making();
    made.snapshot_of(head, [plain, vec![0]].concat());
    vectors.push(passed_over(
        made,
        used,
        "valid-snapshot-rest",
        "The newest of three snapshots has a byte behind its state, under a true seal.",
    ));
    for (name, comment, byte) in [
        ("valid-snapshot-check-sealed", "The newest of three snapshots has another SHA-256, under a true seal.", 100),
        ("valid-snapshot-length-sealed", "The newest of three snapshots says another length, under a true seal.", 92),
    ] {
        let (mut made, used, head, plain) = making();
        let file = made.snapshot_of(head, plain.clone());
        let key = Key::new(made.keys[&(Kind::Snapshot, head.id)]);
        let bytes = made.bytes(&file);
        bytes.truncate(128);
        bytes[80..92].copy_from_slice(&nonce(name, &plain).0);
        bytes[byte] ^= 1;
        if byte < 96 {
            check_again(bytes, 0, 96, 32);
        }
        let mut sealed = plain.clone();
        key.seal(nonce(name, &plain), bytes, &mut sealed).expect("a small state");
        bytes.extend_from_slice(&sealed);
        vectors.push(passed_over(made, used, name, comment));
    }
    let (mut made, _, head, plain) = making();
    let at = head.seq;
    let twice = [&[2, 1, 1, b'a', 1, 1, b'b'][..], &plain[1..]].concat();
    made.snapshot_of(head, twice);
    let comment = "The newest of three snapshots carries two byte strings for one Seq: the later one counts.";
    vectors.push(Vector { snapshot: Some(at), ..made.ok("valid-snapshot-carries-twice", comment) });
    vectors
}
