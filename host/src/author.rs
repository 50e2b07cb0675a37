//! Tools for plugin authors: projects, builds, serving during editing, tests.

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
