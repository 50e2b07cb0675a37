//! What a component file is, which world it satisfies and why a host would refuse it.

use std::fmt;
use std::path::Path;

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use crate::config::model::CompileCache;
use crate::contract::export::OPTIONAL;
use crate::contract::{
    HANDLER, HANDLER_ITEMS, IMPORTS, PACKAGE, VERSION, WASI_PACKAGES, interface,
};
use crate::engine::compile::Compiler;
use crate::engine::fault::Fault;
use crate::log::text::GuestText;

/// The report on one file, which is compiled as a host with the defaults would, and kept in this cache.
///
/// # Errors
/// When the file is not a component at all, or its compiler comes to no end.
pub fn file(path: &Path, cache: &CompileCache) -> Result<Report, Fault> {
    super::load::inspect(&Compiler::with_defaults(cache), path)
}

/// The contract as one component fulfils it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What it imports, in its own order.
    pub imports: Vec<GuestText>,
    /// Whether it exports `handler`, completely or not.
    pub has_handler: bool,
    /// The optional interfaces it exports completely.
    pub optional: Vec<&'static str>,
    /// The optional interfaces it does not export.
    pub lacking: Vec<&'static str>,
    /// Exports that no host asks for.
    pub extra: Vec<GuestText>,
    /// Why it is refused; empty when it is not.
    pub faults: Vec<GuestText>,
}

impl Report {
    /// Compares a component with the contract.
    pub fn of(engine: &Engine, component: &Component) -> Report {
        let ty = component.component_type();
        let mut report = Report::default();
        for (name, _) in ty.imports(engine) {
            report.imports.push(GuestText::name(name));
            report.faults.extend(fault_of_import(name));
        }
        let exports: Vec<(String, Vec<String>)> = ty
            .exports(engine)
            .map(|(name, item)| (name.to_owned(), items(engine, &item.ty)))
            .collect();
        report.look_at_handler(&exports);
        for (name, functions) in OPTIONAL {
            report.look_at_optional(&exports, name, functions);
        }
        let known = |name: &str| {
            name == interface(HANDLER) || OPTIONAL.iter().any(|(n, _)| name == interface(n))
        };
        let extra = exports.iter().map(|(name, _)| name).filter(|name| !known(name));
        report.extra = extra.map(GuestText::name).collect();
        report
    }

    fn look_at_handler(&mut self, exports: &[(String, Vec<String>)]) {
        let wanted = interface(HANDLER);
        let Some((_, items)) = exports.iter().find(|(name, _)| *name == wanted) else {
            let other =
                exports.iter().find(|(name, _)| name.starts_with(&format!("{PACKAGE}/{HANDLER}@")));
            self.faults.push(match other {
                Some((name, _)) => GuestText::cause(format_args!(
                    "it exports {}, but this host speaks version {VERSION}",
                    GuestText::name(name)
                )),
                None => GuestText::cause(format_args!(
                    "it does not export {wanted}, which every plugin must"
                )),
            });
            return;
        };
        self.has_handler = true;
        for item in HANDLER_ITEMS.iter().filter(|item| !items.iter().any(|have| have == *item)) {
            self.faults.push(GuestText::cause(format_args!("its {wanted} lacks {item}")));
        }
    }

    fn look_at_optional(
        &mut self,
        exports: &[(String, Vec<String>)],
        name: &'static str,
        functions: &[&str],
    ) {
        let wanted = interface(name);
        let Some((_, items)) = exports.iter().find(|(export, _)| *export == wanted) else {
            self.lacking.push(name);
            return;
        };
        let missing: Vec<&&str> =
            functions.iter().filter(|item| !items.iter().any(|have| have == *item)).collect();
        if missing.is_empty() {
            self.optional.push(name);
        }
        for item in missing {
            self.faults.push(GuestText::cause(format_args!("its {wanted} lacks {item}")));
        }
    }

    /// The world it satisfies.
    pub fn world(&self) -> String {
        if self.lacking.is_empty() {
            format!("{PACKAGE}/plugin@{VERSION}")
        } else if self.optional.is_empty() {
            format!("{PACKAGE}/minimal@{VERSION}")
        } else {
            format!("{PACKAGE}/minimal@{VERSION} with {}", self.optional.join(", "))
        }
    }
}

/// The names inside an exported interface.
fn items(engine: &Engine, item: &ComponentItem) -> Vec<String> {
    match item {
        ComponentItem::ComponentInstance(instance) => {
            instance.exports(engine).map(|(name, _)| name.to_owned()).collect()
        }
        _ => Vec::new(),
    }
}

fn fault(words: fmt::Arguments<'_>) -> Option<GuestText> {
    Some(GuestText::cause(words))
}

/// Why this import cannot be satisfied.
fn fault_of_import(name: &str) -> Option<GuestText> {
    let shown = GuestText::name(name);
    let (package, rest) = name.split_once('/').unwrap_or((name, ""));
    let (short, version) = rest.split_once('@').unwrap_or((rest, ""));
    if package == PACKAGE {
        let known = IMPORTS.contains(&short);
        return match (known, version == VERSION) {
            (true, true) => None,
            (true, false) => {
                fault(format_args!("it imports {shown}, but this host speaks version {VERSION}"))
            }
            (false, _) => {
                fault(format_args!("it imports {shown}, which {PACKAGE}@{VERSION} does not have"))
            }
        };
    }
    if WASI_PACKAGES.contains(&package) {
        let second = version.starts_with("0.2.");
        let other = format_args!("it imports {shown}, but this host has WASI 0.2");
        return if second { None } else { fault(other) };
    }
    fault(format_args!(
        "it imports {shown}, which no host of this kind has: a plugin may import {PACKAGE}@{VERSION} and WASI 0.2"
    ))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.faults.is_empty() {
            writeln!(f, "world:    {}", self.world())?;
        } else {
            writeln!(f, "world:    none of {PACKAGE}@{VERSION}")?;
        }
        let list = |f: &mut fmt::Formatter<'_>, title, names: &[GuestText]| {
            for (index, name) in names.iter().enumerate() {
                writeln!(f, "{:<10}{name}", if index == 0 { title } else { "" })?;
            }
            Ok(())
        };
        let own = |names: &[&str]| {
            names.iter().map(|name| GuestText::name(interface(name))).collect::<Vec<_>>()
        };
        let handler = self.has_handler.then_some(HANDLER);
        let exports: Vec<&str> = handler.into_iter().chain(self.optional.iter().copied()).collect();
        list(f, "imports:", &self.imports)?;
        list(f, "exports:", &own(&exports))?;
        list(f, "lacks:", &own(&self.lacking))?;
        list(f, "ignored:", &self.extra)?;
        list(f, "refused:", &self.faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_that_a_host_has() {
        let check = |name: &str, refused: bool| {
            assert_eq!(fault_of_import(name).is_some(), refused, "{name}");
        };
        check("sandloop:plugin/sockets@0.1.0", false);
        check("wasi:io/streams@0.2.9", false);
        check("sandloop:plugin/sockets@0.2.0", true);
        check("sandloop:plugin/teapots@0.1.0", true);
        check("wasi:cli/stdout@0.3.0", true);
        check("wasi:http/types@0.2.0", true);
        check("env", true);
    }

    #[test]
    fn a_name_of_any_length_is_short_in_its_fault() {
        for start in ["sandloop:plugin/", "sandloop:plugin/sockets@", "wasi:cli/", "", "\u{1b}\n"] {
            let fault =
                fault_of_import(&format!("{start}{}", "x".repeat(99_000))).expect("a fault");
            assert!(fault.as_str().len() <= 512 && fault.as_str().starts_with("it imports "));
        }
    }
}
