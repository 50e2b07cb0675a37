//! A core module becomes a component, in this process.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use wasi_preview1_component_adapter_provider as adapter;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{PackageId, Resolve};

use crate::root::root;

/// Wraps a module in a world of the contract that has just its exports, with the adapter that `sandloop build` takes unless it is
/// told otherwise.
pub fn with_the_log(mut module: Vec<u8>) -> Result<Vec<u8>> {
    let mut resolve = Resolve::default();
    let (contract, _) = resolve.push_dir(root().join("wit"))?;
    let world = world(&resolve, contract, &module)?;
    let package = resolve.push_str("world.wit", &world)?;
    let world = resolve.select_world(&[package], None)?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    let own = root().join("host/src/author/componentize");
    let mut resolve = Resolve::default();
    let package = resolve.push_file(own.join("preview1.wit"))?;
    let world = resolve.select_world(&[package], Some("adapter"))?;
    let mut stand_in = std::fs::read(own.join("preview1.wasm"))?;
    embed_component_metadata(&mut stand_in, &resolve, world, StringEncoding::UTF8)?;
    let encoder = ComponentEncoder::default().module(&module)?;
    encoder
        .adapter(adapter::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, &stand_in)?
        .encode()
        .context("the module does not fit its world")
}

/// Wraps a module whose custom section says its world. What it takes of WASI preview 1 is adapted to 0.2.
pub fn component(module: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default()
        .module(module)
        .context("the module does not say its world")?
        .adapter(
            adapter::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
            adapter::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
        )?
        .encode()
        .context("the module does not fit its world")
}

/// A world with those of the contract's exports whose names a module has.
fn world(resolve: &Resolve, contract: PackageId, module: &[u8]) -> Result<String> {
    let all = &resolve.worlds[resolve.select_world(&[contract], Some("plugin"))?];
    let mut text =
        "package xtask:guest;\nworld guest {\n  include sandloop:plugin/imports@".to_owned();
    let version = resolve.packages[contract].name.version.as_ref().context("no version")?;
    writeln!(text, "{version};")?;
    for key in all.exports.keys() {
        let interface = resolve.name_world_key(key);
        let name = format!("{interface}#");
        if module.windows(name.len()).any(|bytes| bytes == name.as_bytes()) {
            writeln!(text, "  export {interface};")?;
        }
    }
    text.push('}');
    Ok(text)
}
