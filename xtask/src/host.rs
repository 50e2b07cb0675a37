//! The host: `sandloop`, in release.

use std::path::PathBuf;

use anyhow::Result;

use crate::root::target;
use crate::step::{cargo, run};

/// Builds the host and says where it is.
pub fn build() -> Result<PathBuf> {
    run(&mut cargo(&["build", "--release", "--package", "sandloop-host", "--bin", "sandloop"]))?;
    Ok(path())
}

/// Where the host is once it is built.
pub fn path() -> PathBuf {
    target().join("release/sandloop")
}
