//! A core module becomes a component, in this process.

use anyhow::{Context, Result};
use wasi_preview1_component_adapter_provider as adapter;
use wit_component::ComponentEncoder;

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
