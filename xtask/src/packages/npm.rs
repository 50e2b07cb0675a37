//! The npm package of the SDK for JavaScript: with the contract and the types.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{contract, folder_of_packages};
use crate::components::npm;
use crate::root::{root, target};
use crate::step::run;

/// Writes `sandloop-VERSION.tgz`, of the contract's version.
pub fn make() -> Result<PathBuf> {
    let staging = fresh("npm-package")?;
    let sdk = root().join("sdk/javascript");
    let files = ["README.md", "build.mjs", "lib", "package.json", "sandloop.d.ts", "sandloop.js"];
    let mut cp = Command::new("cp");
    cp.arg("-r").args(files.iter().map(|name| sdk.join(name))).arg(root().join("wit"));
    run(cp.arg(&staging))?;
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(sdk.join("package.json"))?).context("package.json")?;
    let version = contract::version()?;
    ensure!(manifest["version"] == version.as_str(), "package.json has another version than wit/");
    fs::create_dir_all(folder_of_packages())?;
    let mut npm = Command::new("npm");
    npm.args(["pack", "--silent", "--pack-destination"]).arg(folder_of_packages());
    run(npm.current_dir(&staging))?;
    Ok(folder_of_packages().join(format!("sandloop-{version}.tgz")))
}

/// A project outside the tree installs it, has its types checked, and builds a plugin.
pub fn check(package: &Path) -> Result<()> {
    let project = fresh("npm-project")?;
    let templates = root().join("sdk/javascript/templates");
    let text = fs::read_to_string(templates.join("common/package.json"))?;
    let named = text.replace("{{name}}", "trial");
    fs::write(
        project.join("package.json"),
        named.replace("file:./sandloop", &format!("file:{}", package.display())),
    )?;
    let mut cp = Command::new("cp");
    cp.arg("-r").arg(templates.join("common/tsconfig.json")).arg(templates.join("chat/src"));
    run(cp.arg(&project))?;
    npm::install(&project)?;
    let npm = |words: &[&str]| run(Command::new("npm").args(words).current_dir(&project));
    npm(&["run", "--silent", "types"])?;
    npm(&["run", "--silent", "build"])?;
    ensure!(project.join("build/trial.wasm").exists(), "npm run build made no component");
    Ok(())
}

/// An empty folder of this name in `target`.
pub fn fresh(name: &str) -> Result<PathBuf> {
    let folder = target().join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}
