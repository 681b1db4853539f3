//! docs/PERFORMANCE.md, whose tables are written by the benchmarks themselves.

use std::fs;
use std::io;
use std::path::PathBuf;

/// The folder `docs`.
pub fn docs() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs"))
}

/// Puts a table in place of what stands between the document's two marks of this name.
///
/// **Errors:** the file system's; `InvalidData` if the marks are not there.
pub fn write(name: &str, text: &str) -> io::Result<()> {
    let path = docs().join("PERFORMANCE.md");
    let document = fs::read_to_string(&path)?;
    let new = replaced(&document, name, text).ok_or(io::Error::new(io::ErrorKind::InvalidData, "the document has no such marks"))?;
    fs::write(path, new)
}

fn replaced(document: &str, name: &str, text: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = document.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}{}\n{end}{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let document = "a\n<!-- x -->\nold\n<!-- end of x -->\nb\n";
        assert_eq!(replaced(document, "x", "new\n").as_deref(), Some("a\n<!-- x -->\nnew\n<!-- end of x -->\nb\n"));
        assert_eq!(replaced(document, "y", "new"), None);
    }

    #[test]
    fn the_document_has_the_marks_of_every_benchmark() {
        let document = fs::read_to_string(docs().join("PERFORMANCE.md")).expect("the document");
        for name in ["journal", "fold", "open"] {
            assert!(replaced(&document, name, "").is_some(), "{name}");
        }
    }
}
