//! What projects of npm share.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::step::run;

/// Makes the project of the samples of an SDK: its templates' `package.json`, and what npm installs for it.
pub(super) fn sample_project(project: &Path, sdk: &Path) -> Result<()> {
    let package = std::fs::read_to_string(sdk.join("templates/common/package.json"))?;
    std::fs::write(project.join("package.json"), package.replace("{{name}}", "samples"))?;
    install(project)
}

/// Has npm fetch what a project depends on, where it is not there.
pub fn install(project: &Path) -> Result<()> {
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-fund", "--no-audit", "--loglevel=error"]);
    run(npm.current_dir(project))
}
