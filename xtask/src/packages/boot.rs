//! The Debian package on a Debian system of its own, with a real systemd: installed, started, hung, activated, removed.
//!
//! The system is a folder (mmdebstrap) in which systemd-nspawn boots; what is done there is `packaging/debian/trial`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

use super::{folder, install};
use crate::root::root;
use crate::step::{read, run};

/// The release of Debian: the one that the host was built on, whose C library it needs at least.
const RELEASE: &str = "bookworm";

/// What the trial needs besides systemd.
const PACKAGES: &str = "systemd,systemd-sysv,netcat-openbsd,procps";

/// How long the trial may take.
const SECONDS_MAX: &str = "600";

/// Boots a system, and has the package installed and tried there.
pub fn check(package: &Path) -> Result<()> {
    let id = read(Command::new("id").arg("-u"))?;
    ensure!(id.trim_ascii() == b"0", "only root boots a system in a folder; run it with sudo");
    let base = base()?;
    let system = folder().join("debian/system");
    remove(&system)?;
    run(Command::new("cp").arg("--archive").arg(&base).arg(&system))?;
    install(package, &system.join("sandloop.deb"))?;
    let trial = root().join("packaging/debian/trial");
    install(&trial.join("trial"), &system.join("trial"))?;
    let units = system.join("etc/systemd/system");
    install(&trial.join("trial.service"), &units.join("trial.service"))?;
    std::fs::create_dir_all(units.join("multi-user.target.wants"))?;
    std::os::unix::fs::symlink(
        "../trial.service",
        units.join("multi-user.target.wants/trial.service"),
    )?;
    let mut boot = Command::new("timeout");
    boot.args(["--signal=KILL", SECONDS_MAX, "systemd-nspawn", "--quiet", "--boot"])
        .args(["--register=no", "--keep-unit", "--private-network", "--console=pipe"])
        .arg("--directory")
        .arg(&system)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // It says nothing of what was done there; the log does.
    boot.status()?;
    let log = std::fs::read_to_string(system.join("trial.log")).unwrap_or_default();
    let has_passed = log.lines().last() == Some("PASSED");
    ensure!(has_passed, "the trial of the package has failed:\n{log}");
    remove(&system)
}

/// A small system, made once.
fn base() -> Result<PathBuf> {
    let base = folder().join("debian/base");
    if !base.join("usr/bin/dpkg").exists() {
        remove(&base)?;
        let mut make = Command::new("mmdebstrap");
        make.args(["--quiet", "--variant=minbase", &format!("--include={PACKAGES}"), RELEASE]);
        run(make.arg(&base).args(sources()))?;
    }
    Ok(base)
}

/// This machine's own sources of the release, which reach a mirror from here.
fn sources() -> Vec<PathBuf> {
    let own = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"];
    let of_release =
        |path: &PathBuf| std::fs::read_to_string(path).is_ok_and(|text| text.contains(RELEASE));
    own.map(PathBuf::from).into_iter().filter(of_release).take(1).collect()
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        // Systems have files that nobody may remove, for the folder's owner to remove.
        run(Command::new("rm").args(["--recursive", "--force", "--one-file-system"]).arg(folder))?;
    }
    Ok(())
}
