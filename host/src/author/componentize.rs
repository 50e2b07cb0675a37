//! Makes a component of a core module, in this process.
//!
//! The world is derived from the exports and imports of the module and from the contract inside the binary, so that a language
//! needs neither a generator nor the contract's files. If the module describes its world in a custom section, that world is used.

pub mod fault;
mod module;
mod preview1;
mod world;

use wit_component_247::{ComponentEncoder, StringEncoding, embed_component_metadata};

use self::fault::{ModuleFault, chain};
use self::module::ModuleNames;
use crate::config::build::Adapter;

/// Makes a component of a core module.
///
/// # Errors
/// When it is not a core module, or does not fit the contract.
pub fn component(module: &[u8], adapter: Adapter) -> Result<Vec<u8>, ModuleFault> {
    let names = ModuleNames::read(module)?;
    let mut bytes = module.to_vec();
    if !names.says_its_world {
        let (resolve, world) = world::of(&names)?;
        embed_component_metadata(&mut bytes, &resolve, world, StringEncoding::UTF8)
            .map_err(chain)?;
    }
    let stand_in = preview1::module(adapter)?;
    let encoder = ComponentEncoder::default().module(&bytes).map_err(chain)?;
    encoder.adapter(preview1::NAME, &stand_in).map_err(chain)?.encode().map_err(chain)
}

#[cfg(test)]
mod tests;
