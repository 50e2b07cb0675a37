//! The samples in Python: `sdk/python/templates/NAME` becomes the component `py_NAME`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::Component;
use crate::root::{root, target};
use crate::step::run;

/// The templates that are samples.
const SAMPLES: &[&str] = &["chat", "client", "deferred", "echo", "lines"];

/// The compiler: CPython in WebAssembly, with the program's state after its imports.
const COMPILER: &str = "componentize-py==0.25.1";

/// Builds them as a project does, with the compiler in `target/python`.
pub fn build() -> Result<Vec<Component>> {
    let python = python()?;
    SAMPLES.iter().map(|sample| build_one(&python, sample)).collect()
}

/// The interpreter of an environment that has the compiler.
pub fn python() -> Result<PathBuf> {
    let tools = target().join("python");
    if !tools.join("bin/componentize-py").exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&tools))?;
        let mut pip = Command::new(tools.join("bin/pip"));
        run(pip.args(["install", "--quiet", "--disable-pip-version-check", COMPILER]))?;
    }
    Ok(tools.join("bin/python"))
}

/// The compiler of that environment.
pub fn compiler() -> Result<PathBuf> {
    Ok(python()?.with_file_name("componentize-py"))
}

fn build_one(python: &Path, sample: &str) -> Result<Component> {
    let name = format!("py_{sample}");
    let component = target().join("python").join(format!("{name}.wasm"));
    let sdk = root().join("sdk/python");
    let mut compiler = Command::new(python);
    compiler.env("PYTHONPATH", &sdk).args(["-m", "sandloop.build", "-o"]).arg(&component);
    run(compiler.arg(sdk.join("templates").join(sample).join("src/app.py")))?;
    Ok(Component { name, bytes: std::fs::read(component)? })
}
