//! What is shipped: the binary with its debug file, the Debian package, the container image, and what starts them.
//! docs/deploy.md is the operator's side of it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::components::{self, Which};
use crate::host;
use crate::profile::Profile;
use crate::root::{root, target};
use crate::setup::{self, Route};
use crate::step::{Steps, run};

mod assembly_script;
mod binary;
mod boot;
mod c;
mod contract;
mod crates;
mod debian;
mod exchange;
mod go_module;
mod image;
mod manifests;
mod npm;
mod wheel;

use binary::Target;

/// Where everything that is shipped is put.
fn folder() -> PathBuf {
    target().join("dist")
}

/// `cargo xtask dist`: the binary, stripped, and its debug file; for another processor with a first exchange under an emulator.
pub fn dist(profile: Profile, triple: Option<&str>) -> Result<()> {
    let target = Target::named(triple)?;
    let mut steps = Steps::of(if target.is_foreign() { 4 } else { 3 });
    let route = steps.step("set-up", || {
        setup::for_dist(target.is_foreign())?;
        setup::for_components(Which::Plugins)
    })?;
    let what = format!("host, profile {}, for {target}", profile.name());
    let built = steps.step(&what, || binary::build(profile, &target))?;
    let shipped = steps.step("strip", || binary::split(&built, &target))?;
    if target.is_foreign() {
        steps.step("first exchange", || {
            components::build(route, Which::Plugins, profile)?;
            binary::exchange(&shipped, &target)
        })?;
    }
    eprintln!("==> {} and its debug file beside it", shipped.display());
    Ok(())
}

/// `cargo xtask deb`: the Debian package, checked by lintian, and installed and run by systemd in a system of its own.
pub fn deb(profile: Profile) -> Result<()> {
    let mut steps = Steps::of(6);
    let route = steps.step("set-up", || {
        setup::for_deb()?;
        setup::for_components(Which::Plugins)
    })?;
    steps.step("components", || components::build(route, Which::Plugins, profile))?;
    let what = format!("host, profile {}", profile.name());
    let sandloop = steps.step(&what, || host::build(profile))?;
    let package = steps.step("package", || debian::make(profile, &sandloop))?;
    steps.step("lintian", || debian::lint(&package))?;
    steps.step("installation", || boot::check(&package))?;
    eprintln!("==> {}", package.display());
    Ok(())
}

/// `cargo xtask image`: the container image, built where something builds images, and its root run without privilege.
pub fn image(profile: Profile, only_root: Option<&Path>) -> Result<()> {
    let mut steps = Steps::of(if only_root.is_some() { 4 } else { 6 });
    let route = steps.step("set-up", || {
        setup::for_image(only_root.is_none())?;
        setup::for_components(Which::Plugins)
    })?;
    steps.step("components", || components::build(route, Which::Plugins, profile))?;
    let what = format!("host, profile {}", profile.name());
    let sandloop = steps.step(&what, || host::build(profile))?;
    let context = folder().join("image");
    let root = only_root.map_or_else(|| context.join("root"), Path::to_owned);
    steps.step("root", || image::assemble(&sandloop, &root))?;
    if only_root.is_none() {
        steps.step("image", || image::build(&context))?;
        steps.step("run", || image::try_out(&root))?;
    }
    Ok(())
}

/// `cargo xtask manifests`: the unit files and the Kubernetes manifests, by the programs that read them.
pub fn manifests() -> Result<()> {
    let mut steps = Steps::of(3);
    steps.step("set-up", setup::for_manifests)?;
    steps.step("units", manifests::units)?;
    steps.step("Kubernetes", manifests::kubernetes)?;
    Ok(())
}

/// What authors depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AuthorPackage {
    /// The crates of Rust's SDK, each verified by cargo.
    Crates,
    /// The contract, as one file that `wkg` and `wit-bindgen` take.
    Wit,
    /// The headers for C and C++ and the contract, as an archive.
    C,
    /// The SDK for Go, as a module proxy has it.
    Go,
    /// The SDK for AssemblyScript, as npm takes it.
    AssemblyScript,
    /// The npm package of JavaScript's SDK.
    Npm,
    /// The wheel of Python's SDK.
    Wheel,
}

impl AuthorPackage {
    /// Builds it; where it is.
    fn make(self) -> Result<PathBuf> {
        match self {
            AuthorPackage::Crates => crates::make(),
            AuthorPackage::Wit => contract::make(),
            AuthorPackage::C => c::make(),
            AuthorPackage::Go => go_module::make(),
            AuthorPackage::AssemblyScript => assembly_script::make(),
            AuthorPackage::Npm => npm::make(),
            AuthorPackage::Wheel => wheel::make(),
        }
    }

    /// Has a project outside the tree depend on it.
    fn check(self, made: &Path, route: Route) -> Result<()> {
        match self {
            AuthorPackage::Crates => crates::check(made, route),
            AuthorPackage::Wit => contract::check(made),
            AuthorPackage::C => c::check(made),
            AuthorPackage::Go => go_module::check(made),
            AuthorPackage::AssemblyScript => assembly_script::check(made),
            AuthorPackage::Npm => npm::check(made),
            AuthorPackage::Wheel => wheel::check(made),
        }
    }
}

/// `cargo xtask packages`: each of these, built and tried.
pub fn for_authors(wanted: &[AuthorPackage]) -> Result<()> {
    let all = AuthorPackage::value_variants();
    let wanted = if wanted.is_empty() { all } else { wanted };
    let mut steps = Steps::of(1 + 2 * wanted.len());
    let which = if wanted.contains(&AuthorPackage::C) { Which::All } else { Which::Plugins };
    let route = steps.step("set-up", || {
        setup::for_languages()?;
        setup::for_components(which)
    })?;
    for package in wanted {
        let name = format!("{package:?}").to_lowercase();
        let made = steps.step(&name, || package.make())?;
        steps.step(&format!("{name}, in a project outside"), || package.check(&made, route))?;
    }
    eprintln!("==> {}", folder_of_packages().display());
    Ok(())
}

/// The version of the contract, which what authors depend on has too.
fn contract_version() -> Result<String> {
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_dir(root().join("wit"))?;
    let version = resolve.packages[package].name.version.as_ref();
    Ok(version.context("the contract has a version")?.to_string())
}

/// Where what authors depend on is put.
fn folder_of_packages() -> PathBuf {
    target().join("packages")
}

/// The plugins that are shipped: those of `plugins/`.
fn plugins() -> Result<Vec<PathBuf>> {
    let folder = root().join("plugins");
    let entries = std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut all = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.path().join("Cargo.toml").exists() {
            let name = entry.file_name().to_string_lossy().into_owned();
            all.push(crate::root::components().join(format!("{name}.wasm")));
        }
    }
    all.sort();
    Ok(all)
}

/// Copies a file into a tree, with the folders that lead to it.
fn install(from: &Path, to: &Path) -> Result<()> {
    let mut install = std::process::Command::new("install");
    let mode = if is_program(from) { "-m755" } else { "-m644" };
    run(install.args(["-D", mode]).arg(from).arg(to))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o111 != 0)
}
