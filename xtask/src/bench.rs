//! `cargo xtask bench NAME`: one measurement, beside its peers.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::components::{self, Which, metadata};
use crate::host;
use crate::profile::Profile;
use crate::root::{root, target};
use crate::setup;
use crate::step::{Steps, cargo, line, run};

mod peers;

/// What is no measurement, and needs neither host nor guests.
const PLOT: &str = "plot";
const PACKAGE: &str = "sandloop-benches";

/// Builds and becomes the binary of that name.
pub fn bench(name: &str, args: &[String]) -> Result<()> {
    let known = names()?;
    if !known.iter().any(|known| known == name) {
        bail!("there is no measurement `{name}` in benches/; there is: {}", known.join(", "));
    }
    let mut steps = Steps::of(if name == PLOT { 2 } else { 6 });
    if name != PLOT {
        let route = steps.step("set-up", setup::for_benches)?;
        steps.step("components", || components::build(route, Which::All, Profile::Release))?;
        steps.step("host", || host::build(Profile::Release))?;
        steps.step("peers", || peers::ready(route, name, args))?;
    }
    steps.step("bench", || {
        run(&mut cargo(&["build", "--release", "--package", PACKAGE, "--bin", name]))
    })?;

    let mut command = Command::new(target().join("release").join(name));
    command.current_dir(root()).args(args).env("SANDLOOP_BIN", host::path(Profile::Release));
    steps.announce(&line(&command));
    Err(command.exec()).with_context(|| format!("cannot start {}", line(&command)))
}

fn names() -> Result<Vec<String>> {
    let packages = metadata::packages()?;
    let benches = packages.into_iter().filter(|package| package.name == PACKAGE);
    Ok(benches.flat_map(|package| package.binaries).collect())
}
