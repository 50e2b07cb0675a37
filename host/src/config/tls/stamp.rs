//! What tells one state of a file from another, without reading it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// One state of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

impl Stamp {
    /// How these files are now; none of one that cannot be looked at.
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
