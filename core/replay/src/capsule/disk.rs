//! A capsule's files, in memory: what is read of a profile's folder is read here.

use std::collections::BTreeMap;
use thicket_types::ports::{Disk, DiskError};

/// Files by their paths. What is written stays in memory.
#[derive(Clone, Default)]
pub struct CapsuleDisk {
    files: BTreeMap<String, Vec<u8>>,
}

impl CapsuleDisk {
    /// The files with their paths, in the order of those.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    fn file(&self, path: &str) -> Result<&Vec<u8>, DiskError> {
        self.files.get(path).ok_or(DiskError::Missing)
    }

    fn file_mut(&mut self, path: &str) -> Result<&mut Vec<u8>, DiskError> {
        self.files.get_mut(path).ok_or(DiskError::Missing)
    }
}

impl Disk for CapsuleDisk {
    fn list(&mut self, folder: &str) -> Result<Vec<String>, DiskError> {
        let inside = self.files.keys().filter_map(|path| path.strip_prefix(folder)?.strip_prefix('/'));
        Ok(inside.map(str::to_owned).collect())
    }

    fn len(&mut self, path: &str) -> Result<u64, DiskError> {
        u64::try_from(self.file(path)?.len()).map_err(|_| DiskError::Failed)
    }

    fn read(&mut self, path: &str) -> Result<Vec<u8>, DiskError> {
        self.file(path).cloned()
    }

    fn read_at(&mut self, path: &str, offset: u64, len: usize) -> Result<Vec<u8>, DiskError> {
        let file = self.file(path)?;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(file.len());
        let to = from.saturating_add(len).min(file.len());
        Ok(file.get(from..to).unwrap_or_default().to_vec())
    }

    fn create(&mut self, path: &str, bytes: &[u8]) -> Result<(), DiskError> {
        if self.files.contains_key(path) {
            return Err(DiskError::Exists);
        }
        self.replace(path, bytes)
    }

    fn append(&mut self, path: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.file_mut(path)?.extend_from_slice(bytes);
        Ok(())
    }

    fn truncate(&mut self, path: &str, len: u64) -> Result<(), DiskError> {
        let len = usize::try_from(len).map_err(|_| DiskError::Failed)?;
        self.file_mut(path)?.truncate(len);
        Ok(())
    }

    fn replace(&mut self, path: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.files.insert(path.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn remove(&mut self, path: &str) -> Result<(), DiskError> {
        self.files.remove(path);
        Ok(())
    }
}
