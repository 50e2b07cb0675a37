//! `cargo xtask docs`: the API documentation, where a broken link is an error.

use anyhow::Result;

use crate::root::target;
use crate::step::{cargo, run, step};
use crate::test::{HOST, OTHERS};

/// Builds the documentation and says where it is.
pub fn docs() -> Result<()> {
    step("documentation", build)?;
    eprintln!("open {}", target().join("doc/sandloop_host/index.html").display());
    Ok(())
}

/// Builds the documentation of each crate. The libraries only: the host's binary and the Rust SDK
/// are both called `sandloop` and would overwrite one another.
pub fn build() -> Result<()> {
    for packages in [OTHERS, HOST] {
        let mut doc = cargo(&["doc", "--lib", "--no-deps"]);
        run(doc.args(packages).env("RUSTDOCFLAGS", "-D warnings"))?;
    }
    Ok(())
}
