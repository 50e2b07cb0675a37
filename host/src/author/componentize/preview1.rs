//! The adapters for WASI preview 1.

use wasi_preview1_component_adapter_provider as engines_own;
use wit_component_247::{StringEncoding, embed_component_metadata};
use wit_parser_247::Resolve;

use super::fault::{ModuleFault, chain};
use crate::config::build::Adapter;

/// The name of the module that a guest imports.
pub(super) const NAME: &str = engines_own::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME;

/// The assembled `preview1.wat`; a test compares them. It is not assembled here because that would add the text parser to every
/// build of the engine.
const LOG: &[u8] = include_bytes!("preview1.wasm");

/// The interfaces of WASI 0.2 that this adapter imports.
const WORLD: &str = include_str!("preview1.wit");

/// The adapter module for the encoder.
pub(super) fn module(of: Adapter) -> Result<Vec<u8>, ModuleFault> {
    match of {
        Adapter::Wasi => Ok(engines_own::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER.to_vec()),
        Adapter::Log => log(),
    }
}

fn log() -> Result<Vec<u8>, ModuleFault> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("preview1.wit", WORLD).map_err(chain)?;
    let world = resolve.select_world(&[package], Some("adapter")).map_err(chain)?;
    let mut module = LOG.to_vec();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).map_err(chain)?;
    Ok(module)
}

#[cfg(test)]
mod tests;
