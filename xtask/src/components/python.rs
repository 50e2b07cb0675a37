//! The echo written in Python: `sdk/python/samples/echo` becomes the component `py_echo`.

use std::process::Command;

use anyhow::Result;

use super::Component;
use crate::root::{root, target};
use crate::step::run;

/// The compiler: CPython in WebAssembly, with the program's state after its imports.
const COMPILER: &str = "componentize-py==0.25.1";

/// Builds it, with the compiler in `target/python`.
pub fn build() -> Result<Vec<Component>> {
    let tools = target().join("python");
    let compiler = tools.join("bin/componentize-py");
    if !compiler.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&tools))?;
        let mut pip = Command::new(tools.join("bin/pip"));
        run(pip.args(["install", "--quiet", "--disable-pip-version-check", COMPILER]))?;
    }

    let component = tools.join("py_echo.wasm");
    let mut command = Command::new(compiler);
    command.arg("-d").arg(root().join("wit")).args(["-w", "minimal", "componentize", "-p"]);
    command.arg(root().join("sdk/python/samples/echo"));
    run(command.arg("app").arg("-o").arg(&component))?;
    Ok(vec![Component { name: "py_echo".to_owned(), bytes: std::fs::read(component)? }])
}
