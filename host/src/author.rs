//! What those who write plugins do: make components, see them run, and test them.

pub mod build;
pub(crate) mod bundle;
pub mod componentize;
pub mod dev;
pub mod doctor;
pub mod language;
pub mod project;
pub mod sdk;
pub mod signing;
pub(crate) mod sources;
pub mod transcript;
