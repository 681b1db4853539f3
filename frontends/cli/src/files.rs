//! Files that are named on the command line: tried before a passphrase is asked for, or much is done.

use crate::output::Trouble;
use std::fs::File;
use std::io::{Error, ErrorKind};
use std::path::Path;
use thicket_types::error::Code;

/// Whether a file can be read. **Errors:** `FileFailed` with what the system says, also for a folder.
pub fn readable(file: &Path) -> Result<(), Trouble> {
    let opened = File::open(file).and_then(|opened| opened.metadata());
    // Some systems open a folder as well, and fail at the first byte.
    let kind = opened.and_then(|of| if of.is_dir() { Err(Error::from(ErrorKind::IsADirectory)) } else { Ok(()) });
    kind.map_err(|error| Trouble::stream(&file.display().to_string(), &error))
}

/// Whether a file can be made where it is named. **Errors:** `FileExists`; `FileFailed` with what the system says.
pub fn vacant(file: &Path) -> Result<(), Trouble> {
    let shown = || file.display().to_string();
    match file.symlink_metadata() {
        Ok(_) => return Err(Trouble::Numbered(Code::FileExists, Some(shown()))),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(Trouble::stream(&shown(), &error)),
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    takes_files(folder).map_err(|error| Trouble::stream(&shown(), &error))
}

#[cfg(unix)]
fn takes_files(folder: &Path) -> Result<(), Error> {
    use rustix::fs::{Access, access};
    Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
}

#[cfg(not(unix))]
fn takes_files(folder: &Path) -> Result<(), Error> {
    folder.metadata().map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(tried: Result<(), Trouble>) -> (Option<Code>, String) {
        tried.map_or_else(|trouble| (trouble.code(), trouble.words()), |()| (None, String::new()))
    }

    #[test]
    fn a_file_that_cannot_be_read_or_made_is_refused_with_what_the_system_says() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, none) = (folder.path().join("file"), folder.path().join("none"));
        std::fs::write(&file, b"x").expect("room");
        assert!(readable(&file).is_ok() && vacant(&none).is_ok());
        for refused in [readable(&none), readable(folder.path()), vacant(&none.join("file")), vacant(&file.join("file"))] {
            let (code, words) = said(refused);
            // Its name, and a reason behind it.
            assert!(code == Some(Code::FileFailed) && words.contains(": "), "{words}");
        }
        assert_eq!(said(vacant(&file)).0, Some(Code::FileExists));
        assert_eq!(said(vacant(folder.path())).0, Some(Code::FileExists));
    }
}
