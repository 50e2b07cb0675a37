//! The SDK for AssemblyScript, as npm takes it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::folder_of_packages;
use crate::components::{assembly_script, npm};
use crate::root::root;
use crate::step::read;

/// Packs `sandloop-assemblyscript-VERSION.tgz`; a project calls it `sandloop`.
pub fn make() -> Result<PathBuf> {
    let folder = folder_of_packages();
    fs::create_dir_all(&folder)?;
    let mut npm = Command::new("npm");
    npm.args(["pack", "--silent", "--pack-destination"]).arg(&folder);
    let name = read(npm.current_dir(root().join("sdk/assemblyscript/sandloop")))?;
    let name = String::from_utf8(name)?;
    let version = super::contract_version()?;
    let expected = format!("sandloop-assemblyscript-{version}.tgz");
    ensure!(
        name.trim() == expected,
        "npm has packed {}, and the contract is {version}: correct sdk/assemblyscript/sandloop/package.json",
        name.trim()
    );
    Ok(folder.join(expected))
}

/// Has the echo built by a project that depends on it.
pub fn check(made: &Path) -> Result<()> {
    let project = tempfile::tempdir()?;
    let templates = root().join("sdk/assemblyscript/templates");
    let package = fs::read_to_string(templates.join("common/package.json"))?;
    let package = package.replace("{{name}}", "outside");
    let package = package.replace("file:./sandloop", &format!("file:{}", made.display()));
    fs::write(project.path().join("package.json"), package)?;
    let source = templates.join("echo/src/main.ts");
    npm::install(project.path())?;
    let echo = assembly_script::build_one(project.path(), "echo", &source)
        .with_context(|| format!("{} does not do", made.display()))?;
    eprintln!("    {}, an echo of {} bytes", made.display(), echo.bytes.len());
    Ok(())
}
