//! `cargo xtask run`: from a fresh machine to a serving host.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};

use crate::components::{self, Which};
use crate::root::root;
use crate::step::{line, step};
use crate::{host, setup};

/// Builds and becomes `sandloop run ARGS`, which serves `plugins.toml` unless `args` name another file.
pub fn run(args: &[String]) -> Result<()> {
    // The default configuration needs the plugins only; another file may name any component.
    let which = if args.is_empty() { Which::Plugins } else { Which::All };

    let route = step("set-up", || setup::for_components(which))?;
    step("components", || components::build(route, which))?;
    let sandloop = step("host", host::build)?;

    let mut command = Command::new(sandloop);
    command.current_dir(root()).arg("run").args(args);
    eprintln!("==> {}", line(&command));
    Err(command.exec()).with_context(|| format!("cannot start {}", line(&command)))
}
