//! The names that a core module exports and imports.

use std::collections::BTreeMap;

use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

use super::fault::ModuleFault;
use crate::contract::{PACKAGE, spoken};
use crate::engine::component_file::ComponentKind;
use crate::log::text::GuestText;

/// The module name of imports of WASI preview 1.
const PREVIEW1: &str = "wasi_snapshot_preview1";
/// The name of the custom section that describes the world, or its prefix if there are several.
const WORLD_SECTION: &str = "component-type";
/// The prefix of an interface for whose resources the module makes handles.
const OF_EXPORT: &str = "[export]";
/// The prefix of a function that is called after the host has copied a result.
const AFTERWARDS: &str = "cabi_post_";

/// Functions by their interface.
pub(super) type ByInterface = BTreeMap<String, Vec<String>>;

/// The names of a module.
#[derive(Debug, Default)]
pub(super) struct ModuleNames {
    /// Whether it describes its world in a custom section.
    pub(super) says_its_world: bool,
    /// Exports of the contract.
    pub(super) exports: ByInterface,
    /// Imports of the contract.
    pub(super) imports: ByInterface,
    /// The version of the contract that the module uses.
    pub(super) version: Option<String>,
}

impl ModuleNames {
    /// Reads the names, and checks those that belong to no interface of the contract.
    pub(super) fn read(bytes: &[u8]) -> Result<ModuleNames, ModuleFault> {
        if ComponentKind::of(bytes) != ComponentKind::CoreModule {
            return Err(ModuleFault::NotWasm);
        }
        let mut names = ModuleNames::default();
        let mut foreign = None;
        let (mut has_memory, mut has_realloc) = (false, false);
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(invalid)? {
                Payload::CustomSection(section) if section.name().starts_with(WORLD_SECTION) => {
                    names.says_its_world = true;
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import.map_err(invalid)?;
                        let is_known = match import.ty {
                            TypeRef::Func(_) => names.import(import.module, import.name)?,
                            _ => false,
                        };
                        if !is_known && foreign.is_none() {
                            foreign = Some((import.module, import.name));
                        }
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export.map_err(invalid)?;
                        match export.kind {
                            ExternalKind::Memory => has_memory |= export.name == "memory",
                            ExternalKind::Func => {
                                has_realloc |= export.name == "cabi_realloc";
                                names.export(export.name)?;
                            }
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        if names.says_its_world {
            return Ok(names);
        }
        if let Some((module, name)) = foreign {
            return Err(ModuleFault::ForeignImport(GuestText::name(module), GuestText::name(name)));
        }
        if !names.exports.is_empty() && !has_memory {
            return Err(ModuleFault::NoMemory);
        }
        if !names.exports.is_empty() && !has_realloc {
            return Err(ModuleFault::NoRealloc);
        }
        Ok(names)
    }

    /// Adds an import; false if nothing provides it.
    fn import(&mut self, module: &str, name: &str) -> Result<bool, ModuleFault> {
        if module == PREVIEW1 {
            return Ok(true);
        }
        let (module, is_of_export) = match module.strip_prefix(OF_EXPORT) {
            Some(module) => (module, true),
            None => (module, false),
        };
        let Some(interface) = self.interface(module)? else { return Ok(false) };
        if !is_of_export {
            self.imports.entry(interface).or_default().push(name.to_owned());
        }
        Ok(true)
    }

    fn export(&mut self, name: &str) -> Result<(), ModuleFault> {
        let Some((module, function)) = name.split_once('#') else { return Ok(()) };
        let is_afterwards = module.starts_with(AFTERWARDS);
        let module = module.strip_prefix(AFTERWARDS).unwrap_or(module);
        if let Some(interface) = self.interface(module)?
            && !is_afterwards
        {
            self.exports.entry(interface).or_default().push(function.to_owned());
        }
        Ok(())
    }

    /// The short name of an interface of the contract; none for other packages.
    fn interface(&mut self, name: &str) -> Result<Option<String>, ModuleFault> {
        let short = name.strip_prefix(PACKAGE).and_then(|rest| rest.strip_prefix('/'));
        let Some(short) = short else { return Ok(None) };
        let (short, version) = short.split_once('@').unwrap_or((short, ""));
        if spoken(version).is_none() {
            return Err(ModuleFault::OtherVersion(GuestText::name(version)));
        }
        match &self.version {
            Some(first) if first != version => {
                return Err(ModuleFault::TwoVersions(first.clone(), version.to_owned()));
            }
            _ => self.version = Some(version.to_owned()),
        }
        Ok(Some(short.to_owned()))
    }
}

fn invalid(error: wasmparser::BinaryReaderError) -> ModuleFault {
    ModuleFault::Invalid(GuestText::cause(error))
}
