//! The Debian package, made by cargo-deb of `[package.metadata.deb]` in `host/Cargo.toml`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{folder, plugins};
use crate::profile::Profile;
use crate::root::root;
use crate::step::{read, run};

/// Where cargo-deb is installed, and its version.
const CARGO_DEB: &str = "cargo-deb@3.8.0";

/// Makes the package, with the debug file in one beside it, and says where it is.
pub fn make(profile: Profile, sandloop: &Path) -> Result<PathBuf> {
    let (folder, tool) = (folder(), tool()?);
    let old = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    for old in old.map(|entry| entry.path()).filter(|path| is_package(path)) {
        std::fs::remove_file(&old).with_context(|| old.display().to_string())?;
    }
    manual(sandloop)?;
    changelog()?;
    let manifest = std::fs::read_to_string(root().join("host/Cargo.toml"))?;
    for plugin in plugins()? {
        let name = plugin.file_name().unwrap_or_default().to_string_lossy().into_owned();
        ensure!(manifest.contains(&name), "host/Cargo.toml: the Debian package lacks {name}");
    }
    let mut deb = Command::new(tool);
    deb.current_dir(root().join("host"))
        .args(["deb", "--no-build", "--dbgsym", "--profile", profile.name(), "--output"])
        .arg(format!("{}/", folder.display()));
    if let Some(maker) = maker() {
        deb.arg("--maintainer").arg(maker);
    }
    run(&mut deb)?;
    let mut made = std::fs::read_dir(&folder)?.flatten().map(|entry| entry.path());
    made.find(|path| path.extension().is_some_and(|it| it == "deb"))
        .context("cargo-deb has made no package")
}

/// Has lintian read the package.
pub fn lint(package: &Path) -> Result<()> {
    let mut lintian = Command::new("lintian");
    lintian.args(["--allow-root", "--fail-on", "error"]);
    if maker().is_none() {
        // Of a package that nobody has put a name to.
        lintian.args(["--suppress-tags", "bogus-mail-host,bogus-mail-host-in-debian-changelog"]);
    }
    run(lintian.arg(package))
}

/// Who makes the package, as Debian's tools are told.
fn maker() -> Option<String> {
    let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    Some(format!("{} <{}>", variable("DEBFULLNAME")?, variable("DEBEMAIL")?))
}

fn is_package(path: &Path) -> bool {
    path.extension().is_some_and(|it| it == "deb" || it == "ddeb")
}

/// The program, installed where nothing else is.
fn tool() -> Result<PathBuf> {
    let folder = folder().join("tools");
    let tool = folder.join("bin/cargo-deb");
    if !tool.exists() {
        let mut install = crate::step::cargo(&["install", "--locked", CARGO_DEB, "--root"]);
        run(install.arg(&folder))?;
    }
    Ok(tool)
}

/// The manual pages, which the host makes of its own command line.
fn manual(sandloop: &Path) -> Result<()> {
    let folder = folder().join("man");
    // What a command was called before has a page no more.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    run(Command::new(sandloop).arg("manual").arg(&folder))
}

/// Debian's changelog, of the version that is packaged.
fn changelog() -> Result<()> {
    let folder = folder().join("debian");
    std::fs::create_dir_all(&folder)?;
    let version = env!("CARGO_PKG_VERSION");
    let date = read(Command::new("date").arg("--rfc-email"))?;
    let date = String::from_utf8_lossy(&date).trim().to_owned();
    let text = format!(
        "sandloop ({version}-1) unstable; urgency=medium\n\n  \
         * What has changed is in /usr/share/doc/sandloop/changelog.gz.\n\n \
         -- Sandloop <sandloop@localhost.localdomain>  {date}\n"
    );
    std::fs::write(folder.join("changelog"), text)?;
    Ok(())
}
