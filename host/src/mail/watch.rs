//! Changes of watched files.

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The file, or an entry of the folder, was written to.
    Modified,
    /// It was renamed or moved.
    Moved,
    /// It was deleted.
    Deleted,
}

/// Why a file cannot be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchFault {
    /// The path leads out of its folder.
    Denied,
    /// The path does not exist.
    NotFound,
    /// It is neither a file nor a folder.
    Unsupported,
    /// The system allows no more watches.
    Limit,
    /// The file system reported an error.
    Failed,
}
