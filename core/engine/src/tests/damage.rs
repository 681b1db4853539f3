//! Torn tails, damage and rollback.

use super::*;

#[test]
fn a_torn_tail_is_cut_and_nothing_before_it() {
    let (world, _, _) = three_blocks();
    let file = world.disk.newest("journal");
    let bytes = world.disk.bytes(&file);
    let (start, head) = blocks(&bytes)[2];
    for len in start..bytes.len() {
        let copy = world.copy();
        copy.disk.cut(&file, len);
        let engine = copy.open();
        assert_eq!(engine.state().intents, [intent_id(1), intent_id(2)], "cut at {len}");
        assert_eq!(engine.durable().seq, Seq(head.first.0 - 1));
        assert_eq!(copy.disk.bytes(&file), bytes[..start], "cut at {len}");
    }
}

#[test]
fn a_tail_of_which_only_some_bytes_reached_the_disk_is_cut() {
    // A file may have its length before it has its bytes.
    let (world, _, _) = three_blocks();
    let file = world.disk.newest("journal");
    let bytes = world.disk.bytes(&file);
    let (start, _) = blocks(&bytes)[2];
    for written in [0, 1, BLOCK_HEAD_LEN, BLOCK_HEAD_LEN + 1] {
        let copy = world.copy();
        let torn: Vec<u8> = bytes.iter().enumerate().map(|(at, byte)| if at < start + written { *byte } else { 0 }).collect();
        copy.disk.put(&file, torn);
        assert_eq!(copy.open().state().intents, [intent_id(1), intent_id(2)], "{written} bytes");
    }
}

#[test]
fn a_flipped_byte_in_a_middle_block_is_damage_named_by_its_place() {
    let (world, _, _) = three_blocks();
    let file = world.disk.newest("journal");
    let blocks = blocks(&world.disk.bytes(&file));
    for (start, head) in &blocks[..2] {
        for at in *start..start + head.block_len() {
            let copy = world.copy();
            copy.disk.flip(&file, at);
            let files = copy.disk.files().files.clone();
            let fault = copy.refused(FORGETFUL);
            assert_eq!(fault.code, Code::JournalDamaged, "byte {at}");
            let Damage { file: named, offset, what: _ } = fault.damage.expect("a place");
            assert_eq!((named, offset), (file.clone(), *start), "byte {at}");
            assert_eq!(copy.disk.files().files, files, "a damaged journal is left as it is");
        }
    }
}

#[test]
fn a_flipped_byte_in_a_segments_header_is_damage_named_by_its_place() {
    let (world, _, _) = three_blocks();
    let file = world.disk.newest("journal");
    for at in 0..HEADER_LEN {
        let copy = world.copy();
        copy.disk.flip(&file, at);
        let fault = copy.refused(FORGETFUL);
        // A version that is not ours can't be told from damage.
        let newer = (8..12).contains(&at);
        assert_eq!(fault.code, if newer { Code::ProfileNewer } else { Code::JournalDamaged }, "byte {at}");
        assert_eq!(fault.damage.map(|damage| (damage.file, damage.offset)), Some((file.clone(), 0)), "byte {at}");
    }
}

#[test]
fn a_flipped_byte_in_the_last_block_is_damage_if_the_vault_remembers_it() {
    let (world, _, durable) = three_blocks();
    let file = world.disk.newest("journal");
    let (start, head) = blocks(&world.disk.bytes(&file))[2];
    for at in start..start + head.block_len() {
        let copy = world.copy();
        copy.disk.flip(&file, at);
        let fault = copy.refused(remembering(durable));
        assert_eq!(fault.code, Code::JournalDamaged, "byte {at}");
        assert_eq!(fault.damage.map(|damage| (damage.file, damage.offset)), Some((file.clone(), start)), "byte {at}");
        // If it does not, it can't be told from a torn tail.
        assert_eq!(copy.open().state().intents.len(), 2, "byte {at}");
    }
}

#[test]
fn a_flipped_byte_at_an_older_segments_end_is_damage() {
    let (world, _, _) = three_blocks();
    let file = world.disk.newest("journal");
    let (start, _) = blocks(&world.disk.bytes(&file))[2];
    turn(&mut world.open(), [intent(4)]);
    world.disk.flip(&file, start + BLOCK_HEAD_LEN);
    let fault = world.refused(FORGETFUL);
    assert_eq!((fault.code, fault.damage), (Code::JournalDamaged, Some(Damage { file, offset: start, what: FormatError::Seal })));
}

#[test]
fn damage_before_a_snapshot_is_damage_and_no_rollback() {
    // Given a snapshot at the end of the third block of a segment that went on.
    let (world, _, _) = three_blocks();
    let file = world.disk.newest("journal");
    let mut engine = world.open();
    turn(&mut engine, [intent(4)]);
    turn(&mut engine, [intent(5)]);
    engine.snapshot().expect("a disk that works");
    turn(&mut engine, [intent(6)]);
    let file = world.disk.names("journal").into_iter().find(|path| *path != file).expect("a second segment");
    let (start, _) = blocks(&world.disk.bytes(&file))[0];
    // When a block that it covers is damaged.
    world.disk.flip(&file, start + BLOCK_HEAD_LEN);
    // Then that is said, with its place: nobody restored or copied anything.
    let fault = world.refused(FORGETFUL);
    assert_eq!(fault.code, Code::JournalDamaged);
    assert_eq!(fault.damage.map(|damage| damage.file), Some(file));
}

#[test]
fn a_missing_segment_is_damage() {
    let world = World::new();
    for number in 1..=3 {
        turn(&mut world.open(), [intent(number)]);
    }
    let names = world.disk.names("journal");
    let copy = world.copy();
    copy.disk.delete(&names[1]);
    let fault = copy.refused(FORGETFUL);
    assert_eq!((fault.code, fault.damage.map(|damage| damage.file)), (Code::JournalDamaged, Some(names[2].clone())));
}

#[test]
fn a_journal_without_its_beginning_is_refused_unless_a_snapshot_covers_it() {
    let world = World::new();
    for number in 1..=3 {
        turn(&mut world.open(), [intent(number)]);
    }
    let oldest = world.disk.names("journal")[0].clone();
    let copy = world.copy();
    copy.disk.delete(&oldest);
    assert_eq!(copy.refused(FORGETFUL).code, Code::JournalDamaged);
    // With a snapshot, nothing of it is needed.
    let mut engine = world.open();
    engine.snapshot().expect("a disk that works");
    world.disk.delete(&oldest);
    assert_eq!(world.open().state(), engine.state());
}

#[test]
fn a_segment_whose_key_is_gone_is_damage() {
    let world = World::new();
    turn(&mut world.open(), [intent(1)]);
    let keys = world.disk.bytes(KEYS_FILE);
    turn(&mut world.open(), [intent(2)]);
    world.disk.put(KEYS_FILE, keys);
    let fault = world.refused(FORGETFUL);
    assert_eq!(fault.code, Code::JournalDamaged);
    assert_eq!(fault.damage.map(|damage| damage.file), Some(world.disk.newest("journal")));
}

#[test]
fn an_older_keys_file_costs_no_segment() {
    // Given a profile whose keys file was replaced by the one that it was made with.
    let world = World::new();
    let made = world.disk.bytes(KEYS_FILE);
    for number in 1..=3 {
        turn(&mut world.open(), [intent(number)]);
    }
    let (keys, state) = (world.disk.bytes(KEYS_FILE), world.open().state().clone());
    world.disk.put(KEYS_FILE, made);
    // When it is opened, it is refused.
    assert_eq!(world.refused(FORGETFUL).code, Code::JournalDamaged);
    // Then with the right one everything is there.
    world.disk.put(KEYS_FILE, keys);
    assert_eq!(*world.open_with(FORGETFUL).expect("an untouched journal").0.state(), state);
}

#[test]
fn a_journal_behind_the_vaults_block_is_rolled_back() {
    let (world, _, durable) = three_blocks();
    assert!(world.open_with(remembering(durable)).is_ok());
    // Without its last block.
    let file = world.disk.newest("journal");
    let (start, _) = blocks(&world.disk.bytes(&file))[2];
    let copy = world.copy();
    copy.disk.cut(&file, start);
    assert_eq!(copy.refused(remembering(durable)), Fault::from(Code::RolledBack));
    // Without its file.
    let copy = world.copy();
    copy.disk.delete(&file);
    assert_eq!(copy.refused(remembering(durable)), Fault::from(Code::RolledBack));
}

#[test]
fn a_journal_of_another_past_than_the_vaults_is_rolled_back() {
    // Given two lives of the same length from one beginning.
    let world = World::new();
    turn(&mut world.open(), [intent(1)]);
    let other = world.copy();
    let remembered = {
        let mut engine = world.open();
        turn(&mut engine, [intent(2)]);
        engine.durable()
    };
    let mut engine = other.open();
    turn(&mut engine, [intent(3)]);
    // When the one's vault meets the other's journal, however far that went.
    assert_eq!(other.refused(remembering(remembered)), Fault::from(Code::RolledBack));
    engine.snapshot().expect("a disk that works");
    assert_eq!(other.refused(remembering(remembered)), Fault::from(Code::RolledBack));
    turn(&mut engine, [intent(4)]);
    turn(&mut engine, [intent(5)]);
    assert_eq!(other.refused(remembering(remembered)), Fault::from(Code::RolledBack));
}

#[test]
fn a_vault_behind_the_journals_count_is_rolled_back() {
    let world = World::new();
    let mut engine = world.open();
    let asked = dispatched(&turn(&mut engine, [intent(1)]));
    turn(&mut engine, [framed(asked[0], 5)]);
    let counted = |count| Remembered { durable: None, count };
    assert_eq!(world.refused(counted(4)), Fault::from(Code::RolledBack));
    assert!(world.open_with(counted(5)).is_ok());
    engine.snapshot().expect("a disk that works");
    assert_eq!(world.refused(counted(4)), Fault::from(Code::RolledBack));
    assert!(world.open_with(counted(6)).is_ok());
}

#[test]
fn a_block_whose_seal_opens_is_never_cut() {
    use thicket_journal_format::{Nonce, block, header::Header, keys::Kind};
    // Given a last block that was written whole: by a newer version, or with a record that nobody can read.
    let newer = [vec![99, 0, 1, 0, 0, 0, 0, 0], vec![0; 8]].concat();
    let unreadable = [vec![1, 0, 1, 0, 1, 0, 0, 0], vec![0; 8], vec![0xff]].concat();
    for (plain, code) in [(newer, Code::ProfileNewer), (unreadable, Code::JournalDamaged)] {
        let world = World::new();
        turn(&mut world.open(), [intent(1)]);
        let file = world.disk.newest("journal");
        let head = world.disk.bytes(&file)[..HEADER_LEN].to_vec();
        let (header, chain) = Header::parse(&head).expect("an intact header");
        let key = world.keys().key(Kind::Segment, header.segment.0).expect("an intact keys file").expect("a key");
        let (sealed, _) = block::seal(&key, Nonce([9; 12]), chain, header.first, 0, 1, plain).expect("one record");
        let bytes = [head, sealed].concat();
        world.disk.put(&file, bytes.clone());
        // When it is opened, then that is said and not a byte is gone.
        assert_eq!(world.refused(FORGETFUL).code, code);
        assert_eq!(world.disk.bytes(&file), bytes);
    }
}
