//! `cargo xtask languages`: the tests of those SDKs that other toolchains than Rust's run.

use std::process::Command;

use anyhow::Result;

use crate::components::{self, javascript, python};
use crate::host;
use crate::profile::Profile;
use crate::root::root;
use crate::setup;
use crate::step::{Steps, cargo, run};

/// Runs them; those of mistakes build plugins and serve them with the host of the tests.
pub fn languages() -> Result<()> {
    let mut steps = Steps::of(7);
    steps.step("set-up", setup::for_languages)?;
    let sandloop = steps.step("host", || host::build(Profile::Quick))?;
    steps.step("JavaScript", || {
        let mut node = Command::new("node");
        node.arg("--test").arg(root().join("sdk/javascript/tests"));
        node.env("SANDLOOP_PROJECT", javascript::project()?);
        run(node.env("SANDLOOP_BIN", &sandloop))
    })?;
    steps.step("Python", || {
        let mut tests = Command::new(python::python()?);
        tests.args(["-m", "unittest", "discover", "--start-directory"]);
        tests.arg(root().join("sdk/python/tests")).env("PYTHONPATH", root().join("sdk/python"));
        run(tests.env("SANDLOOP_BIN", &sandloop))
    })?;
    components::other_languages(&mut steps)?;
    steps.step("the suite over Go and AssemblyScript", || {
        let words =
            ["test", "-p", "sandloop-tests", "--test", "suite", "--", "--ignored", "native::"];
        run(cargo(&words).env("SANDLOOP_BIN", &sandloop))
    })?;
    Ok(())
}
