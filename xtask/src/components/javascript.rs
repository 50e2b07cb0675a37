//! The echo written in JavaScript: `sdk/javascript/samples/echo` becomes the component `js_echo`.

use std::process::Command;

use anyhow::Result;

use super::Component;
use crate::root::{root, target};
use crate::step::run;

/// The compiler: QuickJS in WebAssembly, with the script's state after its first run.
const COMPILER: &str = "componentize-qjs@0.4.5";

/// Builds it, with the compiler in `target/javascript`.
pub fn build() -> Result<Vec<Component>> {
    let tools = target().join("javascript");
    std::fs::create_dir_all(&tools)?;
    if !tools.join("node_modules/.bin/componentize-qjs").exists() {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-fund", "--no-audit", "--prefix"]).arg(&tools);
        run(npm.arg(COMPILER))?;
    }

    let component = tools.join("js_echo.wasm");
    let mut compiler = Command::new(tools.join("node_modules/.bin/componentize-qjs"));
    compiler.arg("--wit").arg(root().join("wit")).args(["--world", "minimal", "--js"]);
    compiler.arg(root().join("sdk/javascript/samples/echo/echo.js"));
    // The host's engine has no asynchronous components.
    compiler.args(["--sync", "-o"]).arg(&component);
    run(&mut compiler)?;
    Ok(vec![Component { name: "js_echo".to_owned(), bytes: std::fs::read(component)? }])
}
