//! The host: `sandloop`, built quickly or well.

use std::path::PathBuf;

use anyhow::Result;

use crate::root::target;
use crate::step::{cargo, run};

/// How the host is built: a profile of cargo. `Cargo.toml` says what each is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Without link-time optimisation: for a first look, and for the tests.
    Quick,
    /// Optimised as one program: for serving and for measurements.
    Release,
}

impl Profile {
    /// The profile that the flag `--release` asks for.
    pub fn released(release: bool) -> Profile {
        if release { Profile::Release } else { Profile::Quick }
    }

    /// Its name in `Cargo.toml`, which is also the name of its folder in `target`.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Quick => "quick",
            Profile::Release => "release",
        }
    }
}

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
