//! Reads what an operator wrote: a configuration, tokens. Both are small, and no file is read past what it can be.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

/// Reads a file of text of so many bytes at most. **Errors:** words, without the file's name.
pub fn read(path: &Path, len_max: u64) -> Result<String, String> {
    let mut text = String::new();
    let words = |error: std::io::Error| match error.kind() {
        ErrorKind::InvalidData => "it is no text in UTF-8".to_owned(),
        _ => error.to_string(),
    };
    let file = File::open(path).map_err(words)?;
    file.take(len_max.saturating_add(1)).read_to_string(&mut text).map_err(words)?;
    if u64::try_from(text.len()).is_ok_and(|len| len > len_max) {
        return Err(format!("it is longer than {len_max} bytes: name the right file"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_to_its_bound_and_one_without_an_end_no_further() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("text");
        std::fs::write(&path, "12345").expect("room");
        assert_eq!(read(&path, 5), Ok("12345".to_owned()));
        assert!(read(&path, 4).expect_err("too long").contains("longer than 4 bytes"));
        std::fs::write(&path, [0xFF]).expect("room");
        assert_eq!(read(&path, 5), Err("it is no text in UTF-8".to_owned()));
        #[cfg(unix)]
        assert!(read(Path::new("/dev/zero"), 4).expect_err("too long").contains("longer than 4 bytes"));
    }
}
