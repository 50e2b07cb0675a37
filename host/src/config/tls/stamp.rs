//! Detects changes of files without reading them.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The state of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

impl Stamp {
    /// The present states of these files; none for a file that cannot be examined.
    pub(crate) fn of_all<'a>(files: impl Iterator<Item = &'a Path>) -> Vec<Option<Stamp>> {
        files.map(Stamp::of).collect()
    }

    fn of(file: &Path) -> Option<Stamp> {
        let metadata = std::fs::metadata(file).ok()?;
        Some(Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}
