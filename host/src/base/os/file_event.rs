//! What a system tells of a file that is watched.

/// One piece of news.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FileEvent {
    /// The system's number for what is watched.
    pub(crate) number: i32,
    /// Events were lost: anything may have happened to anything that is watched.
    pub(crate) has_lost: bool,
    /// It was written to, or something in it was.
    pub(crate) is_modified: bool,
    /// It has another name or place.
    pub(crate) is_moved: bool,
    /// It is gone.
    pub(crate) is_deleted: bool,
    /// The number stands for nothing any more.
    pub(crate) is_last: bool,
}
