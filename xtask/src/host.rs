//! The host: `sandloop`, built quickly or well.

use std::path::PathBuf;

use anyhow::Result;

use crate::profile::Profile;
use crate::root::target;
use crate::step::{cargo, run};

/// The arguments that select the host's package in this profile.
pub fn package(profile: Profile) -> [&'static str; 4] {
    ["--profile", profile.name(), "--package", "sandloop-host"]
}

/// Builds the host and says where it is.
pub fn build(profile: Profile) -> Result<PathBuf> {
    run(cargo(&["build", "--bin", "sandloop"]).args(package(profile)))?;
    Ok(path(profile))
}

/// Where the host is once it is built.
pub fn path(profile: Profile) -> PathBuf {
    target().join(profile.name()).join("sandloop")
}
