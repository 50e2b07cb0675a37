//! The wheel of the SDK for Python: with the contract and the types.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::npm::fresh;
use super::{contract, folder_of_packages};
use crate::root::root;
use crate::step::run;

/// Writes `sandloop-VERSION-py3-none-any.whl`, of the contract's version.
pub fn make() -> Result<PathBuf> {
    let staging = fresh("wheel-package")?;
    let sdk = root().join("sdk/python");
    let files = ["README.md", "pyproject.toml", "sandloop"];
    let mut cp = Command::new("cp");
    run(cp.arg("-r").args(files.iter().map(|name| sdk.join(name))).arg(&staging))?;
    run(Command::new("cp").arg("-r").arg(root().join("wit")).arg(staging.join("sandloop/wit")))?;
    let version = contract::version()?;
    let manifest = fs::read_to_string(sdk.join("pyproject.toml"))?;
    let line = format!("version = \"{version}\"");
    ensure!(manifest.contains(&line), "pyproject.toml has another version than wit/");
    fs::create_dir_all(folder_of_packages())?;
    let mut pip = environment(&staging)?;
    pip.args(["wheel", "--quiet", "--no-deps", "--wheel-dir"]).arg(folder_of_packages());
    run(pip.arg(&staging))?;
    Ok(folder_of_packages().join(format!("sandloop-{version}-py3-none-any.whl")))
}

/// A project outside the tree installs it, has its types checked, and builds a plugin.
pub fn check(package: &Path) -> Result<()> {
    let project = fresh("wheel-project")?;
    let mut pip = environment(&project)?;
    run(pip.args(["install", "--quiet", "mypy==2.4.1"]).arg(package))?;
    let source = root().join("sdk/python/templates/chat/src");
    run(Command::new("cp").arg("-r").arg(source).arg(&project))?;
    let tool = |name: &str| {
        let mut command = Command::new(project.join(".venv/bin").join(name));
        command.current_dir(&project);
        command
    };
    run(tool("mypy").args(["--strict", "src"]))?;
    run(tool("sandloop-build").args(["-o", "build/trial.wasm", "src/app.py"]))?;
    ensure!(project.join("build/trial.wasm").exists(), "sandloop-build made no component");
    Ok(())
}

/// Its pip, in an environment of its own.
fn environment(folder: &Path) -> Result<Command> {
    let environment = folder.join(".venv");
    run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    let mut pip = Command::new(environment.join("bin/pip"));
    pip.arg("--disable-pip-version-check");
    Ok(pip)
}
