//! `cargo xtask run`: from a fresh machine to a serving host.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};

use crate::components::{self, Which};
use crate::host;
use crate::profile::Profile;
use crate::root::root;
use crate::setup;
use crate::step::{Steps, line};

/// Builds and becomes `sandloop run ARGS`, which serves `plugins.toml` unless `args` name another file.
pub fn run(args: &[String], profile: Profile) -> Result<()> {
    // The default configuration needs the plugins only; another file may name any component.
    let which = if args.is_empty() { Which::Plugins } else { Which::All };

    let mut steps = Steps::of(4);
    let route = steps.step("set-up", || setup::for_components(which))?;
    steps.step("components", || components::build(route, which, profile))?;
    let what = format!("host, profile {}", profile.name());
    let sandloop = steps.step(&what, || host::build(profile))?;

    let mut command = Command::new(sandloop);
    command.current_dir(root()).arg("run").args(args);
    steps.announce(&line(&command));
    if profile == Profile::Quick {
        eprintln!(
            "    This host was built quickly, for a first look. `cargo xtask run --release` builds and serves the \
             optimised one, which takes some minutes more, once; it stays in {}.",
            host::path(Profile::Release).display()
        );
    }
    Err(command.exec()).with_context(|| format!("cannot start {}", line(&command)))
}
