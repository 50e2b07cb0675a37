//! The contract as one file: a WIT package in its binary form, which `wkg publish`, `wit-bindgen` and `wasm-tools` take.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use wit_parser::Resolve;
use wit_parser::decoding::{DecodedWasm, decode};

use super::folder_of_packages;
use crate::root::root;

/// Writes `sandloop-plugin-VERSION.wasm`, with the words of the manual.
pub fn make() -> Result<PathBuf> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(root().join("wit"))?;
    let name = &resolve.packages[package].name;
    let version = name.version.as_ref().context("the contract has a version")?;
    let file = format!("{}-{}-{version}.wasm", name.namespace, name.name);
    let bytes = wit_component::encode(&resolve, package)?;
    fs::create_dir_all(folder_of_packages())?;
    let path = folder_of_packages().join(file);
    fs::write(&path, bytes).with_context(|| path.display().to_string())?;
    Ok(path)
}

/// The contract's version, which is that of every package for authors.
pub fn version() -> Result<String> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(root().join("wit"))?;
    let version = resolve.packages[package].name.version.as_ref();
    Ok(version.context("the contract has a version")?.to_string())
}

/// Reads it as another's tool does: nothing is missing, and no word of the manual.
pub fn check(path: &Path) -> Result<()> {
    let DecodedWasm::WitPackage(read, package) = decode(&fs::read(path)?)? else {
        anyhow::bail!("{} is no WIT package", path.display());
    };
    let mut written = Resolve::default();
    let (own, _) = written.push_dir(root().join("wit"))?;
    let names = |resolve: &Resolve, package| -> Vec<String> {
        let package = &resolve.packages[package];
        package.interfaces.keys().chain(package.worlds.keys()).cloned().collect()
    };
    let (read_names, own_names) = (names(&read, package), names(&written, own));
    ensure!(
        own_names.iter().all(|name| read_names.contains(name)),
        "{} has {read_names:?}, and wit/ {own_names:?}",
        path.display()
    );
    for (name, id) in &written.packages[own].interfaces {
        let docs = |resolve: &Resolve, id| resolve.interfaces[id].docs.contents.clone();
        let there = docs(&read, read.packages[package].interfaces[name]);
        ensure!(there == docs(&written, *id), "the words of {name} are lost");
    }
    eprintln!("    {}, {} interfaces and worlds", path.display(), own_names.len());
    Ok(())
}
