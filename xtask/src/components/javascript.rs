//! The samples in JavaScript: `sdk/javascript/templates/NAME` becomes the component `js_NAME`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{Component, npm};
use crate::root::{root, target};
use crate::step::run;

/// The templates that are samples.
pub const SAMPLES: &[&str] = &["chat", "client", "deferred", "echo", "lines"];

/// What a project gets of the SDK, beside the contract.
const COPIED: &[&str] = &["build.mjs", "lib", "package.json", "sandloop.d.ts", "sandloop.js"];

/// Builds them as a project does, with the compilers in `target/javascript`.
pub fn build() -> Result<Vec<Component>> {
    let project = project()?;
    SAMPLES.iter().map(|sample| build_one(&project, sample)).collect()
}

/// A project with the SDK as it is now, and with what npm installs for it.
pub fn project() -> Result<PathBuf> {
    let project = target().join("javascript");
    let copy = project.join("sandloop");
    if copy.exists() {
        std::fs::remove_dir_all(&copy)?;
    }
    std::fs::create_dir_all(&copy)?;
    let sdk = root().join("sdk/javascript");
    let mut cp = Command::new("cp");
    cp.arg("-r").args(COPIED.iter().map(|name| sdk.join(name))).arg(root().join("wit"));
    run(cp.arg(&copy))?;
    npm::sample_project(&project, &sdk)?;
    Ok(project)
}

fn build_one(project: &Path, sample: &str) -> Result<Component> {
    let name = format!("js_{sample}");
    let component = project.join(format!("{name}.wasm"));
    let source = root().join("sdk/javascript/templates").join(sample).join("src/app.js");
    let mut compiler = Command::new(project.join("node_modules/.bin/sandloop-build"));
    run(compiler.arg("-o").arg(&component).arg(source).current_dir(project))?;
    Ok(Component { name, bytes: std::fs::read(component)? })
}
