use super::*;

fn write(file: &str, offset: usize, bytes: &[u8]) -> Operation {
    Operation::Write { file: file.to_owned(), offset, bytes: bytes.to_vec() }
}

fn sync(file: &str) -> Operation {
    Operation::Sync { file: file.to_owned() }
}

fn folder() -> Operation {
    Operation::SyncFolder { folder: String::new() }
}

fn after(operations: &[Operation]) -> Platter {
    let mut platter = Platter::new(Files::from([("old".to_owned(), vec![1; 3 * PAGE_LEN])]));
    operations.iter().for_each(|operation| platter.perform(operation));
    platter
}

/// What a file is after a loss of power, of all that it may be.
fn outcomes(platter: &Platter, file: &str) -> BTreeSet<Option<Vec<u8>>> {
    (0..400).map(|seed| platter.unsynced(seed).get(file).cloned()).collect()
}

#[test]
fn what_was_synced_is_there_whatever_the_seed() {
    let platter = after(&[write("old", 10, b"new"), sync("old")]);
    assert!(platter.is_synced());
    assert_eq!(outcomes(&platter, "old").len(), 1);
    assert_eq!(platter.unsynced(0), platter.as_it_is());
}

#[test]
fn pages_that_were_not_synced_are_there_or_not_each_for_itself() {
    let mut page = vec![1; 3 * PAGE_LEN];
    let platter = after(&[write("old", 0, &[2]), write("old", PAGE_LEN, &[2])]);
    let outcomes = outcomes(&platter, "old");
    for (first, second) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
        (page[0], page[PAGE_LEN]) = (first, second);
        assert!(outcomes.contains(&Some(page.clone())), "{first} {second}");
    }
    assert_eq!(outcomes.len(), 4);
}

#[test]
fn a_new_name_may_be_lost_until_its_folder_is_synced() {
    let made = Operation::Create { file: "new".to_owned() };
    let platter = after(&[made.clone(), write("new", 0, b"x"), sync("new")]);
    assert_eq!(outcomes(&platter, "new"), BTreeSet::from([None, Some(b"x".to_vec())]));
    let platter = after(&[made.clone(), write("new", 0, b"x"), sync("new"), folder()]);
    assert_eq!(outcomes(&platter, "new"), BTreeSet::from([Some(b"x".to_vec())]));
    // And the name does not bring the bytes along.
    let platter = after(&[made, folder(), write("new", 0, b"x")]);
    assert_eq!(outcomes(&platter, "new"), BTreeSet::from([Some(Vec::new()), Some(b"\0".to_vec()), Some(b"x".to_vec())]));
}

#[test]
fn a_rename_is_of_the_old_file_or_of_the_new_one() {
    let renamed = Operation::Rename { from: "new".to_owned(), to: "old".to_owned() };
    let made = [Operation::Create { file: "new".to_owned() }, write("new", 0, b"x"), sync("new"), renamed];
    let platter = after(&made);
    assert_eq!(outcomes(&platter, "old"), BTreeSet::from([Some(vec![1; 3 * PAGE_LEN]), Some(b"x".to_vec())]));
    let mut platter = platter;
    platter.perform(&folder());
    assert_eq!(platter.unsynced(3), Files::from([("old".to_owned(), b"x".to_vec())]));
}

#[test]
fn a_file_that_is_renamed_has_a_name_throughout() {
    let platter = after(&[Operation::Rename { from: "old".to_owned(), to: "new".to_owned() }]);
    let names: BTreeSet<Vec<String>> = (0..400).map(|seed| platter.unsynced(seed).into_keys().collect()).collect();
    let names_of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(names, BTreeSet::from([names_of(&["old"]), names_of(&["new"]), names_of(&["new", "old"])]));
}

#[test]
fn what_was_removed_may_come_back_until_its_folder_is_synced() {
    let removed = Operation::Remove { file: "old".to_owned() };
    assert_eq!(outcomes(&after(std::slice::from_ref(&removed)), "old").len(), 2);
    assert_eq!(outcomes(&after(&[removed, folder()]), "old"), BTreeSet::from([None]));
}

#[test]
fn a_cut_may_be_undone_until_it_is_synced() {
    let cut = Operation::Truncate { file: "old".to_owned(), len: 5 };
    let lens = |platter: &Platter| -> BTreeSet<usize> {
        outcomes(platter, "old").into_iter().map(|file| file.map_or(0, |file| file.len())).collect()
    };
    assert_eq!(lens(&after(std::slice::from_ref(&cut))), BTreeSet::from([5, 3 * PAGE_LEN]));
    assert_eq!(lens(&after(&[cut, sync("old")])), BTreeSet::from([5]));
}

#[test]
fn a_torn_write_is_never_whole() {
    let platter = after(&[]);
    let whole = [7; 2000];
    let last = write("old", 700, &whole);
    let torn: BTreeSet<Vec<u8>> = (0..200).filter_map(|seed| platter.torn(&last, seed)?.remove("old")).collect();
    assert!(torn.len() > 20);
    for file in torn {
        assert_eq!(file.len(), 3 * PAGE_LEN);
        assert_ne!(file[700..2700], whole);
        assert!(file[..700].iter().chain(&file[2700..]).all(|byte| *byte == 1));
    }
    assert_eq!(platter.torn(&sync("old"), 1), None);
}
