//! `cargo xtask docs`: the API documentation, where a broken link is an error.

use anyhow::Result;

use crate::host;
use crate::profile::Profile;
use crate::root::target;
use crate::step::{Steps, cargo, run};
use crate::test::OTHERS;

/// Builds the documentation and says where it is.
pub fn docs() -> Result<()> {
    Steps::of(1).step("documentation", build)?;
    eprintln!("open {}", target().join("doc/sandloop_host/index.html").display());
    Ok(())
}

/// Builds the documentation of each crate. The libraries only: the host's binary and the Rust SDK
/// are both called `sandloop` and would overwrite one another.
pub fn build() -> Result<()> {
    for packages in [OTHERS, &host::package(Profile::Quick)] {
        let mut doc = cargo(&["doc", "--lib", "--no-deps"]);
        run(doc.args(packages).env("RUSTDOCFLAGS", "-D warnings"))?;
    }
    Ok(())
}
