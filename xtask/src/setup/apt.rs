//! Debian's packages.

use std::process::{Command, Stdio};
use std::sync::Once;

use anyhow::{Context, Result, bail};

use crate::step::{read, run, succeeds};

static UPDATED: Once = Once::new();

/// Runs a command while Debian's packages start none of the servers that they bring: the tests start their own.
/// A policy that the machine has already stays as it is.
const WITHOUT_SERVICES: &str = "
    policy=/usr/sbin/policy-rc.d
    if [ ! -e \"$policy\" ]; then
        trap 'rm -f \"$policy\"' EXIT
        trap 'exit 1' HUP INT TERM
        printf '#!/bin/sh\\nexit 101\\n' >\"$policy\" && chmod 755 \"$policy\" || exit
    fi
    \"$@\"
";

/// Installs packages, after one update of the lists; what they serve is not started.
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
    let apt = ["apt-get", "--quiet=2", "-o", "DPkg::Lock::Timeout=300"];

    UPDATED.call_once(|| {
        // Old lists may still do, so a failure here is not the end.
        if let Err(error) = run(&mut command(&[&prefix, &apt, &["update"]])) {
            eprintln!("    {error:#}; going on with the package lists there are");
        }
    });
    eprintln!("    installing {}", packages.join(" "));
    let quietly = ["sh", "-c", WITHOUT_SERVICES, "sh"];
    let install = ["install", "--yes", "--no-install-recommends"];
    let mut install = command(&[&prefix, &quietly, &apt, &install]);
    // What it says of each package's unpacking is long; what goes wrong is on standard error.
    let status = install.args(packages).stdout(Stdio::null()).status();
    let status = status.context("cannot start apt-get")?;
    if !status.success() {
        bail!("apt-get install {} ended with {status}", packages.join(" "));
    }
    Ok(())
}

/// The words of all parts, as one command.
fn command(parts: &[&[&str]]) -> Command {
    let words = parts.concat();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).env("DEBIAN_FRONTEND", "noninteractive");
    command
}
