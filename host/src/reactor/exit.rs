//! How a reactor's run ended.

/// How a reactor's run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It was told to stop and did.
    Stopped,
    /// Every program has failed and nothing listens.
    NothingLeft,
}
