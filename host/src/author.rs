//! What those who write plugins do: make components, see them run, and test them.

pub mod build;
pub(crate) mod bundle;
pub mod componentize;
pub mod transcript;
