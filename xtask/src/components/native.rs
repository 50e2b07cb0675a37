//! Guests in C: `sdk/c/templates/NAME/src/*.c`, `sdk/c/samples/NAME/*.c` and `tests/guests/c/NAME.c` become `c_NAME`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Component, adapt};
use crate::root::{root, target};
use crate::setup::wasm_clang;
use crate::step::run;

#[cfg(test)]
mod abi;

/// A component to be, and what it is made of.
struct Source {
    name: String,
    files: Vec<PathBuf>,
}

/// Builds every one.
pub fn build() -> Result<Vec<Component>> {
    let directory = target().join("c");
    std::fs::create_dir_all(&directory)?;
    let mut components = Vec::new();
    for Source { name, files } in sources("c", "c")? {
        let module = directory.join(format!("{name}.core.wasm"));
        compile(&files, &["-Wl,--strip-debug"], &module)?;
        let bytes = adapt::by_its_exports(std::fs::read(module)?)
            .with_context(|| format!("{name} is no component"))?;
        components.push(Component { name, bytes });
    }
    Ok(components)
}

/// All of one language, whose files end in `.EXTENSION`.
fn sources(language: &str, extension: &str) -> Result<Vec<Source>> {
    let sdk = root().join("sdk").join(language);
    let mut sources = Vec::new();
    for sample in sorted(&sdk.join("templates"))?.into_iter().chain(sorted(&sdk.join("samples"))?) {
        let own = sample.join("src");
        let files = with_extension(if own.exists() { &own } else { &sample }, extension)?;
        if !files.is_empty() {
            sources.push(Source { name: named(language, &sample), files });
        }
    }
    for guest in with_extension(&root().join("tests/guests").join(language), extension)? {
        sources.push(Source { name: named(language, &guest), files: vec![guest] });
    }
    Ok(sources)
}

fn named(language: &str, path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    format!("{language}_{stem}")
}

fn sorted(directory: &Path) -> Result<Vec<PathBuf>> {
    if !directory.exists() {
        return Ok(Vec::new());
    }
    let entries = directory.read_dir()?.map(|entry| Ok(entry?.path()));
    let mut paths: Vec<PathBuf> = entries.collect::<Result<_>>()?;
    paths.sort();
    Ok(paths)
}

fn with_extension(directory: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut paths = sorted(directory)?;
    paths.retain(|path| path.extension().is_some_and(|it| it == extension));
    Ok(paths)
}

/// As the command in sdk/c/language.toml does, and a warning is an error.
fn compile(files: &[PathBuf], more: &[&str], module: &Path) -> Result<()> {
    let clang = wasm_clang().context("there is no clang for WebAssembly")?;
    let mut command = Command::new(clang);
    command.args(["--target=wasm32-wasi", "-mexec-model=reactor", "-std=c11", "-O2", "-g"]);
    command.args(["-fsanitize=null,bounds", "-fsanitize-trap=all", "-Wl,--stack-first"]);
    command.args(["-Wall", "-Wextra", "-Wpedantic", "-Werror"]).args(more);
    command.arg("-I").arg(root().join("sdk/c")).args(files).arg("-o").arg(module);
    run(&mut command)
}
