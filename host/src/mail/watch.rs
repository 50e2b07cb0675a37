//! What is told of files that are watched.

/// What has happened to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was written to, or something in it was.
    Modified,
    /// It has another name or place.
    Moved,
    /// It is gone.
    Deleted,
}

/// Why there is nothing to watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchFault {
    /// It leads out of its folder.
    Denied,
    /// Nothing is there.
    NotFound,
    /// It is neither a file nor a folder.
    Unsupported,
    /// The system watches no more.
    Limit,
    /// Its file system fails.
    Failed,
}
