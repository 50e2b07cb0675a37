//! `[plugins.<name>.build]`: how a component is made, for `sandloop build` and `sandloop dev`.

use std::path::PathBuf;

use glob::Pattern;

use super::choice::choice;
use super::component::{ComponentPlace, ComponentSource};
use super::error::{ConfigError, Problem};
use super::raw::RawBuild;
use super::source::{KeyPlace, each};

/// How the component of a plugin is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildConfig {
    /// The argument of `sh -c`.
    pub command: String,
    /// The folder of the file with this section: the command runs there, and the output and watched files are relative to it.
    pub folder: PathBuf,
    /// Patterns of the files that the command reads.
    pub watch: Vec<String>,
    /// The output of the command: a component, or a core module of which one is made.
    pub output: PathBuf,
    /// The component.
    pub component: PathBuf,
    /// The adapter for core modules that import WASI preview 1.
    pub adapter: Adapter,
    /// The line of the command, from 1.
    pub command_line: usize,
    /// The line of the output, from 1, or of the section if it has none.
    pub output_line: usize,
}

/// An adapter for WASI preview 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adapter {
    /// Only what the host grants to every plugin: output, which becomes lines of the log, clocks, random numbers.
    Log,
    /// All of WASI 0.2, by the adapter of wasmtime.
    Wasi,
}

/// Resolves the section of a plugin with this component.
pub(super) fn resolve(
    place: &KeyPlace<'_>,
    raw: &RawBuild,
    component: &ComponentSource,
) -> Result<BuildConfig, ConfigError> {
    let folder = place.folder();
    let ComponentPlace::File(file) = &component.place else {
        return Err(place.wrong(Problem::new(
            format!("a build makes a file, and this component is fetched: {component}"),
            "leave the section out, or name the file in `component`",
        )));
    };
    if raw.command.trim().is_empty() {
        return Err(place.key("command").wrong(Problem::new(
            "the command is empty",
            r#"write what makes the component, as in command = "cargo build --release""#,
        )));
    }
    let texts = [("command", Some(&raw.command)), ("output", raw.output.as_ref())];
    for (key, text) in texts {
        if text.is_some_and(|text| text.contains('\0')) {
            return Err(place.key(key).wrong(no_zero_bytes()));
        }
    }
    if raw.output.as_deref() == Some("") {
        return Err(place.key("output").wrong(Problem::new(
            "the path is empty",
            "write the file that the command makes, or leave the key out if that is the component",
        )));
    }
    let adapter = choice(
        "a stand-in for WASI preview 1",
        raw.adapter.as_deref(),
        Adapter::Log,
        &[("log", Adapter::Log), ("wasi", Adapter::Wasi)],
    );
    Ok(BuildConfig {
        command: raw.command.clone(),
        folder: folder.to_owned(),
        watch: each(&place.key("watch"), &raw.watch, pattern)?,
        output: raw.output.as_ref().map_or_else(|| file.clone(), |text| folder.join(text)),
        component: file.clone(),
        adapter: adapter.map_err(|problem| place.key("adapter").wrong(problem))?,
        command_line: place.key("command").line(),
        output_line: place.key("output").line(),
    })
}

/// The system accepts no zero bytes in arguments.
fn no_zero_bytes() -> Problem {
    Problem::new("it has a zero byte", "leave it out")
}

fn pattern(text: &str) -> Result<String, Problem> {
    if text.contains('\0') {
        return Err(no_zero_bytes());
    }
    match Pattern::new(text) {
        Ok(_) if !text.is_empty() => Ok(text.to_owned()),
        Ok(_) => Err(Problem::new("the pattern is empty", r#"write it as in "src/**""#)),
        Err(error) => Err(Problem::new(
            format!("{text:?} is not a pattern for files: {}", error.msg),
            r#"write it as in "src/**""#,
        )),
    }
}
