//! The world of a module, derived from its names.

use std::fmt::Write as _;

use wit_parser_247::{InterfaceId, PackageId, Resolve, SourceMap, TypeDefKind, WorldId};

use super::fault::{ModuleFault, chain};
use super::module::{ByInterface, ModuleNames};
use crate::author::bundle;
use crate::config::keys;
use crate::contract::{HANDLER, PACKAGE, VERSION};
use crate::log::text::GuestText;

/// The package of the world, which does not appear in the component.
const OWN: &str = "sandloop:build";

/// The contract in the version of the module, and its world.
pub(super) fn of(names: &ModuleNames) -> Result<(Resolve, WorldId), ModuleFault> {
    let version = names.version.as_deref().unwrap_or(VERSION);
    let mut resolve = Resolve::default();
    let contract = contract(&mut resolve, version)?;
    if !names.exports.contains_key(HANDLER) {
        // Checked first, since a suggestion for a misspelt name is more useful than a missing interface.
        check(&resolve, contract, version, &names.exports, false)?;
        return Err(ModuleFault::NoHandler);
    }
    check(&resolve, contract, version, &names.imports, false)?;
    check(&resolve, contract, version, &names.exports, true)?;
    let mut text = format!("package {OWN};\nworld module {{\n");
    for (word, interfaces) in [("import", &names.imports), ("export", &names.exports)] {
        for interface in interfaces.keys() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{word} {PACKAGE}/{interface}@{version};");
        }
    }
    text.push('}');
    let own = resolve.push_source("module.wit", &text).map_err(chain)?;
    let world = resolve.select_world(&[own], Some("module")).map_err(chain)?;
    Ok((resolve, world))
}

/// Parses the contract. Earlier versions are a subset of this one.
fn contract(resolve: &mut Resolve, version: &str) -> Result<PackageId, ModuleFault> {
    let (here, wanted) =
        (format!("package {PACKAGE}@{VERSION};"), format!("package {PACKAGE}@{version};"));
    let mut sources = SourceMap::default();
    for (name, bytes) in bundle::below("wit").filter(|(name, _)| name.ends_with(".wit")) {
        sources.push_str(name, String::from_utf8_lossy(bytes).replace(&here, &wanted));
    }
    let parsed = sources.parse().map_err(|(_, error)| chain(error))?;
    resolve.push_group(parsed).map_err(chain)
}

/// Compares the names of a module with the contract; an exported interface must be complete.
fn check(
    resolve: &Resolve,
    contract: PackageId,
    version: &str,
    named: &ByInterface,
    must_be_whole: bool,
) -> Result<(), ModuleFault> {
    let interfaces = &resolve.packages[contract].interfaces;
    for (interface, functions) in named {
        let Some(id) = interfaces.get(interface) else {
            let known: Vec<&str> = interfaces.keys().map(String::as_str).collect();
            let near = keys::nearest(interface, &known).map(str::to_owned);
            return Err(ModuleFault::UnknownInterface(GuestText::name(interface), near));
        };
        let full = format!("{PACKAGE}/{interface}@{version}");
        let known: Vec<&str> =
            resolve.interfaces[*id].functions.keys().map(String::as_str).collect();
        let is_unknown =
            |name: &&String| !known.contains(&name.as_str()) && !is_of_resource(resolve, *id, name);
        if let Some(name) = functions.iter().find(is_unknown) {
            let near = keys::nearest(name, &known).map(str::to_owned);
            return Err(ModuleFault::UnknownFunction(full, GuestText::name(name), near));
        }
        let missing = known.iter().filter(|name| !functions.iter().any(|own| own == *name));
        let missing: Vec<String> = missing.map(|name| (*name).to_owned()).collect();
        if must_be_whole && !missing.is_empty() {
            return Err(ModuleFault::MissingFunctions(full, missing));
        }
    }
    Ok(())
}

/// Whether a function is an operation on a resource, which interfaces do not list.
fn is_of_resource(resolve: &Resolve, interface: InterfaceId, name: &str) -> bool {
    let resource = ["[resource-drop]", "[dtor]"].iter().find_map(|it| name.strip_prefix(it));
    let types = &resolve.interfaces[interface].types;
    let kind = resource.and_then(|resource| types.get(resource)).map(|id| &resolve.types[*id].kind);
    // A resource that an interface uses from another one has the same name there.
    matches!(kind, Some(TypeDefKind::Resource | TypeDefKind::Type(_)))
}
