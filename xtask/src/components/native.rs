//! Guests in C, C++ and Zig: `sdk/LANGUAGE/templates/NAME/src`, `sdk/LANGUAGE/samples/NAME` and the files of `tests/guests/LANGUAGE` become
//! `LANGUAGE_NAME`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

use super::{Component, adapt};
use crate::root::{root, target};
use crate::setup::wasm_clang;
use crate::step::{in_parallel, run};

#[cfg(test)]
mod abi;
#[cfg(test)]
mod mistakes;

/// How the guests of one language are found and compiled.
struct Language {
    /// Its folder's name, which is what its components' names begin with.
    folder: &'static str,
    /// What its files' names end with.
    extension: &'static str,
    compiler: Compiler,
}

enum Compiler {
    /// What it is told besides.
    Clang(&'static [&'static str]),
    Zig,
}

const C: Language =
    Language { folder: "c", extension: "c", compiler: Compiler::Clang(&["-std=c11"]) };

const CPP: Language = Language {
    folder: "cpp",
    extension: "cpp",
    compiler: Compiler::Clang(&["--driver-mode=g++", "-std=c++23", "-fno-exceptions", "-fno-rtti"]),
};

const ZIG: Language = Language { folder: "zig", extension: "zig", compiler: Compiler::Zig };

/// A component to be, and what it is made of.
struct Source {
    name: String,
    files: Vec<PathBuf>,
}

/// Builds every one.
pub fn build() -> Result<Vec<Component>> {
    let directory = target().join("native");
    std::fs::create_dir_all(&directory)?;
    let languages = [C, CPP, ZIG];
    let mut all = Vec::new();
    for language in &languages {
        all.extend(language.sources()?.into_iter().map(|source| (language, source)));
    }
    in_parallel(&all, |(language, Source { name, files })| {
        let module = directory.join(format!("{name}.core.wasm"));
        // The tests look at the lines that a trap names.
        let is_guest = files[0].starts_with(root().join("tests"));
        let strip = if is_guest { &[][..] } else { &[language.strip()] };
        language.compile(files, strip, &module)?;
        let bytes = adapt::with_the_log(std::fs::read(module)?)
            .with_context(|| format!("{name} is no component"))?;
        Ok(Component { name: name.clone(), bytes })
    })
}

impl Language {
    fn sources(&self) -> Result<Vec<Source>> {
        let sdk = root().join("sdk").join(self.folder);
        let mut sources = Vec::new();
        for sample in sorted(&sdk.join("templates"))? {
            // A template without `src` is what all templates have in common, such as Zig's `build.zig`.
            let own = sample.join("src");
            if own.exists() {
                let files = with_extension(&own, self.extension)?;
                sources.push(Source { name: named(self.folder, &sample), files });
            }
        }
        for sample in sorted(&sdk.join("samples"))? {
            let files = with_extension(&sample, self.extension)?;
            sources.push(Source { name: named(self.folder, &sample), files });
        }
        let guests = root().join("tests/guests").join(self.folder);
        for guest in with_extension(&guests, self.extension)? {
            sources.push(Source { name: named(self.folder, &guest), files: vec![guest] });
        }
        Ok(sources)
    }

    /// Without what names lines.
    fn strip(&self) -> &'static str {
        match self.compiler {
            Compiler::Clang(_) => "-Wl,--strip-debug",
            Compiler::Zig => "-fstrip",
        }
    }

    /// As the command of its language.toml does, and a warning is an error.
    fn compile(&self, files: &[PathBuf], more: &[&str], module: &Path) -> Result<()> {
        let command = match self.compiler {
            Compiler::Clang(words) => clang(words, files, more, module)?,
            Compiler::Zig => zig(&files[0], more, module)?,
        };
        run(&mut { command })
    }
}

fn clang(words: &[&str], files: &[PathBuf], more: &[&str], module: &Path) -> Result<Command> {
    let clang = wasm_clang().context("there is no clang for WebAssembly")?;
    let mut command = Command::new(clang);
    command.args(["--target=wasm32-wasi", "-mexec-model=reactor", "-O2", "-g"]).args(words);
    command.args(["-fsanitize=null,bounds", "-fsanitize-trap=all", "-Wl,--stack-first"]);
    command.args(["-Wall", "-Wextra", "-Wpedantic", "-Werror"]).args(more);
    for folder in ["c", "cpp"] {
        command.arg("-I").arg(root().join("sdk").join(folder));
    }
    command.args(files).arg("-o").arg(module);
    Ok(command)
}

/// The SDK is the root of the build, the plugin a module of it.
fn zig(file: &Path, more: &[&str], module: &Path) -> Result<Command> {
    let mut command = Command::new(zig_python()?);
    command.args(["-m", "ziglang", "build-exe", "-target", "wasm32-freestanding"]);
    command
        .args([
            "-fno-entry",
            "-rdynamic",
            "--stack",
            "65536",
            "-O",
            "ReleaseSafe",
            "-freference-trace=32",
        ])
        .args(more);
    let sdk = root().join("sdk/zig/sandloop.zig");
    command.args(["--dep", "plugin"]).arg(format!("-Mroot={}", sdk.display()));
    command.args(["--dep", "sandloop=root"]).arg(format!("-Mplugin={}", file.display()));
    command.arg(format!("-femit-bin={}", module.display()));
    Ok(command)
}

/// The Python that has Zig: a virtual environment in `target`, with the compiler from PyPI.
fn zig_python() -> Result<PathBuf> {
    const COMPILER: &str = "ziglang==0.17.1";
    let tools = target().join("zig");
    let python = tools.join("bin/python");
    // Tests ask for it at once.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    if !tools.join("bin/python-zig").exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&tools))?;
        let mut pip = Command::new(&python);
        let quietly = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        run(pip.args(quietly).arg(COMPILER))?;
    }
    Ok(python)
}

pub(super) fn named(language: &str, path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    format!("{language}_{stem}")
}

pub(super) fn sorted(directory: &Path) -> Result<Vec<PathBuf>> {
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
