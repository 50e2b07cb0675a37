//! `target/plugins/NAME.wasm`: every component, out of every language.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::host;
use crate::profile::Profile;
use crate::root::components;
use crate::samples;
use crate::setup::{self, Route};
use crate::step::Steps;

mod adapt;
pub mod assembly_script;
pub mod foreign;
pub mod go;
pub mod javascript;
pub mod metadata;
mod native;
pub mod npm;
pub mod python;
pub mod rust;

/// Which components to build.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Which {
    /// Those of `plugins/`.
    Plugins,
    /// Plugins, examples, test guests, and the guests in C, C++ and Zig.
    All,
}

/// A component that was built.
pub struct Component {
    /// Its name: of the cargo package or example; `LANGUAGE_SAMPLE` for other languages.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// `cargo xtask plugins`, with or without the host.
pub fn command(profile: Profile, with_host: bool, all_languages: bool) -> Result<()> {
    let of_host = usize::from(with_host) * (1 + 2 * usize::from(all_languages));
    let mut steps = Steps::of(2 + of_host + 5 * usize::from(all_languages));
    let route = steps.step("set-up", || setup::for_components(Which::All))?;
    steps.step("components", || build(route, Which::All, profile))?;
    if all_languages {
        steps.step("set-up of other languages", setup::for_languages)?;
        steps.step("JavaScript", || place(&javascript::build()?))?;
        steps.step("Python", || place(&python::build()?))?;
        other_languages(&mut steps)?;
    }
    if with_host {
        steps.step(&format!("host, profile {}", profile.name()), || host::build(profile))?;
        if all_languages {
            steps.step("samples", || samples::build(&host::path(profile), &[]))?;
            steps.step("components of other hosts", foreign::build)?;
        }
    }
    Ok(())
}

/// Those of Go and AssemblyScript, whose compilers come from PyPI and npm.
pub fn other_languages(steps: &mut Steps) -> Result<()> {
    steps.step("Go", || place(&go::build()?))?;
    steps.step("AssemblyScript", || place(&assembly_script::build()?))
}

/// Builds components into `target/plugins`.
pub fn build(route: Route, which: Which, profile: Profile) -> Result<()> {
    let mut built = rust::build(route, which, profile)?;
    if which == Which::All {
        built.extend(native::build()?);
    }
    place(&built)
}

/// Writes components under their names; one that has not changed is left alone.
fn place(built: &[Component]) -> Result<()> {
    let directory = components();
    std::fs::create_dir_all(&directory)?;
    let mut names = Vec::new();
    for Component { name, bytes } in built {
        if names.contains(&name) {
            bail!("two components are called `{name}`: a plugin or example needs another name");
        }
        names.push(name);
        let path = path(name);
        if std::fs::read(&path).is_ok_and(|old| old == *bytes) {
            continue;
        }
        // A host that is just reading the old one must never see half of the new one.
        let partial = directory.join(format!("{name}.partial"));
        std::fs::write(&partial, bytes)
            .and_then(|()| std::fs::rename(&partial, &path))
            .with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("    {name}.wasm ({} KiB)", bytes.len().div_ceil(1024));
    }
    eprintln!("    {} components in {}", built.len(), directory.display());
    Ok(())
}

/// Where a component is once it is built.
fn path(name: &str) -> PathBuf {
    components().join(format!("{name}.wasm"))
}
