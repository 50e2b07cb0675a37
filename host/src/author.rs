//! What those who write plugins do: make components, and see them run.

pub mod build;
pub(crate) mod bundle;
pub mod componentize;
