//! Debian's packages.

use std::process::{Command, Stdio};
use std::sync::Once;

use anyhow::{Context, Result, bail};

use crate::step::{read, run, succeeds};

static UPDATED: Once = Once::new();

/// Installs packages, after one update of the lists.
pub fn install(packages: &[&str]) -> Result<()> {
    if !succeeds("apt-get", &["--version"]) {
        bail!("this machine has no apt-get");
    }
    let mut prefix = Vec::new();
    let id = read(Command::new("id").arg("-u")).context("cannot tell whether this is root")?;
    if id.trim_ascii() != b"0" {
        if !succeeds("sudo", &["--version"]) {
            bail!("not root, and there is no sudo to install packages with");
        }
        prefix.extend(["sudo", "DEBIAN_FRONTEND=noninteractive"]);
    }
    prefix.extend(["apt-get", "--quiet=2", "-o", "DPkg::Lock::Timeout=300"]);

    UPDATED.call_once(|| {
        // Old lists may still do, so a failure here is not the end.
        if let Err(error) = run(&mut command(&prefix, &["update"])) {
            eprintln!("    {error:#}; going on with the package lists there are");
        }
    });
    eprintln!("    installing {}", packages.join(" "));
    let mut install = command(&prefix, &["install", "--yes", "--no-install-recommends"]);
    // What it says of each package's unpacking is long; what goes wrong is on standard error.
    run(install.args(packages).stdout(Stdio::null()))
}

fn command(prefix: &[&str], arguments: &[&str]) -> Command {
    let mut command = Command::new(prefix[0]);
    command.args(&prefix[1..]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    command
}
