//! Guests in AssemblyScript: `sdk/assemblyscript/templates/NAME` and `tests/guests/assemblyscript/NAME.ts` become `assemblyscript_NAME`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Component, adapt, native, npm};
use crate::root::{root, target};
use crate::step::run;

/// What the project's command gives the compiler: as sdk/assemblyscript/language.toml has it.
const WORDS: &[&str] = &[
    "--optimizeLevel",
    "3",
    "--debug",
    "--runtime",
    "incremental",
    "--exportStart",
    "_initialize",
    "--use",
    "abort=~lib/sandloop/log/abort",
    "--use",
    "console=~lib/sandloop/log/console",
    "--use",
    "seed=~lib/sandloop/log/seed",
    "--transform",
    "sandloop/transform",
];

/// Builds every one, as a project does, with the compiler in `target/assemblyscript`.
pub fn build() -> Result<Vec<Component>> {
    let project = project()?;
    let mut sources = Vec::new();
    for sample in native::sorted(&root().join("sdk/assemblyscript/templates"))? {
        let source = sample.join("src/main.ts");
        if source.exists() {
            sources.push((native::named("assemblyscript", &sample), source));
        }
    }
    for guest in native::sorted(&root().join("tests/guests/assemblyscript"))? {
        sources.push((native::named("assemblyscript", &guest), guest));
    }
    sources.iter().map(|(name, source)| build_one(&project, name, source)).collect()
}

/// A project with the SDK as it is now, and with what npm installs for it.
fn project() -> Result<PathBuf> {
    let project = target().join("assemblyscript");
    let copy = project.join("sandloop");
    if copy.exists() {
        std::fs::remove_dir_all(&copy)?;
    }
    std::fs::create_dir_all(&project)?;
    let sdk = root().join("sdk/assemblyscript");
    run(Command::new("cp").arg("-r").arg(sdk.join("sandloop")).arg(&project))?;
    npm::sample_project(&project, &sdk)?;
    Ok(project)
}

/// One of them, in a project that has the SDK and the compiler.
pub fn build_one(project: &Path, name: &str, source: &Path) -> Result<Component> {
    std::fs::create_dir_all(project.join("src"))?;
    let copy = format!("src/{name}.ts");
    std::fs::copy(source, project.join(&copy))?;
    let core = project.join(format!("{name}.core.wasm"));
    let mut compiler = Command::new("node");
    compiler.arg("node_modules/sandloop/asc.js").arg(copy).arg("--outFile").arg(&core).args(WORDS);
    run(compiler.current_dir(project))?;
    let bytes = adapt::with_the_log(std::fs::read(core)?)
        .with_context(|| format!("{name} is no component"))?;
    Ok(Component { name: name.to_owned(), bytes })
}
