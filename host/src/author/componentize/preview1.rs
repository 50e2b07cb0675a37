//! What stands in for WASI preview 1.

use wasi_preview1_component_adapter_provider as engines_own;
use wit_component_247::{StringEncoding, embed_component_metadata};
use wit_parser_247::Resolve;

use super::fault::{ModuleFault, chain};
use crate::config::build::Adapter;

/// The module that a guest thinks it imports.
pub(super) const NAME: &str = engines_own::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME;

/// What preview1.wat says, assembled; a test compares them. To assemble it here would take the engine's parser of texts into
/// every build of the engine.
const LOG: &[u8] = include_bytes!("preview1.wasm");

/// What the one takes of WASI 0.2.
const WORLD: &str = include_str!("preview1.wit");

/// The module that the encoder puts beside the guest.
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
