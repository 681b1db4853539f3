//! The Disk port over real files.

use super::*;
use crate::OsDisk;

/// Every other mode bit than the owner's is off, under the umask that the tests run with: commonly 022, which would show them.
#[cfg(unix)]
#[test]
fn what_it_makes_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let mut disk = OsDisk::new(folder.path());
    disk.create("one/two/created", b"a").expect("room");
    disk.append("one/two/created", b"b").expect("room");
    disk.replace("three/replaced", b"c").expect("room");
    disk.replace("three/replaced", b"d").expect("room");
    let mode = |path: &str| std::fs::metadata(folder.path().join(path)).expect("it is there").permissions().mode() & 0o777;
    for path in ["one", "one/two", "three"] {
        assert_eq!(mode(path), 0o700, "{path}");
    }
    for path in ["one/two/created", "three/replaced"] {
        assert_eq!(mode(path), 0o600, "{path}");
    }
    assert_eq!((disk.read("one/two/created"), disk.read("three/replaced")), (Ok(b"ab".to_vec()), Ok(b"d".to_vec())));
}
