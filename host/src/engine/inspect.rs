//! The kind of a component file, the world that it satisfies, and why a host would refuse it.

use std::fmt;
use std::path::Path;

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use crate::config::model::CompileCache;
use crate::contract::export::OPTIONAL;
use crate::contract::{
    HANDLE_REQUEST, HANDLER, HANDLER_ITEMS, IMPORTS, PACKAGE, VERSION, WASI_PACKAGES, interface,
    spoken,
};
use crate::engine::compile::Compiler;
use crate::engine::fault::Fault;
use crate::engine::remedies;
use crate::log::text::GuestText;

/// The report on one file, which is compiled with the defaults of a host, and cached in `cache`.
///
/// # Errors
/// When the file is not a component, or its compiler does not finish.
pub fn file(path: &Path, cache: &CompileCache) -> Result<Report, Fault> {
    super::load::inspect(&Compiler::with_defaults(cache), path)
}

/// A component compared with the contract.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Its imports, in its own order.
    pub imports: Vec<GuestText>,
    /// Its exports that a host calls, `handler` first.
    pub exports: Vec<GuestText>,
    /// The optional interfaces it exports completely.
    pub optional: Vec<&'static str>,
    /// The optional interfaces it does not export.
    pub lacking: Vec<&'static str>,
    /// Exports that no host uses.
    pub extra: Vec<GuestText>,
    /// It exports no handler of the contract, but serves HTTP by `wasi:http`.
    pub serves_http: bool,
    /// The patch version of the contract that it was built for: the highest that it names.
    built_for: Option<u32>,
    /// Why it is refused; empty if it is accepted.
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
            report.names(name);
        }
        let exports: Vec<(String, Vec<String>)> = ty
            .exports(engine)
            .map(|(name, item)| (name.to_owned(), items(engine, &item.ty)))
            .collect();
        for (name, _) in &exports {
            report.faults.extend(fault_of_export(name));
            report.names(name);
        }
        report.look_at_handler(&exports);
        for (name, functions) in OPTIONAL {
            report.look_at_optional(&exports, name, functions);
        }
        let served = report.serves_http;
        let is_known = |short: &str| short == HANDLER || OPTIONAL.iter().any(|(n, _)| short == *n);
        let extra = exports.iter().map(|(name, _)| name.as_str());
        let extra = extra.filter(|name| !own(name).is_some_and(|(short, _)| is_known(short)));
        let extra = extra.filter(|name| !(served && is_incoming_handler(name)));
        report.extra = extra.map(GuestText::name).collect();
        report
    }

    /// Whether it imports this interface of the contract.
    pub(super) fn imports_interface(&self, short: &str) -> bool {
        self.imports.iter().any(|name| own(name.as_str()).is_some_and(|(it, _)| it == short))
    }

    /// Records an interface that the component names.
    fn names(&mut self, name: &str) {
        let third = own(name).and_then(|(_, version)| spoken(version));
        self.built_for = self.built_for.max(third);
    }

    fn look_at_handler(&mut self, exports: &[(String, Vec<String>)]) {
        let Some((name, items)) = export(exports, HANDLER) else {
            if let Some((name, items)) = exports.iter().find(|(name, _)| is_incoming_handler(name))
            {
                self.serves_http = true;
                self.exports.push(GuestText::name(name));
                self.look_for(name, items, &[HANDLE_REQUEST]);
                return;
            }
            // An export of another version is reported as a fault already.
            if !exports.iter().any(|(name, _)| own(name).is_some_and(|(it, _)| it == HANDLER)) {
                let remedy = exports.iter().find_map(|(name, _)| remedies::of_export(name));
                self.faults.push(GuestText::cause(format_args!(
                    "it does not export {}, which every plugin must{}",
                    interface(HANDLER),
                    Remedy(remedy)
                )));
            }
            return;
        };
        self.exports.push(GuestText::name(name));
        self.look_for(name, items, &HANDLER_ITEMS);
    }

    fn look_at_optional(
        &mut self,
        exports: &[(String, Vec<String>)],
        name: &'static str,
        functions: &[&str],
    ) {
        let Some((full, items)) = export(exports, name) else {
            self.lacking.push(name);
            return;
        };
        if self.look_for(full, items, functions) {
            self.exports.push(GuestText::name(full));
            self.optional.push(name);
        }
    }

    /// Whether all `wanted` items are in an exported interface.
    fn look_for(&mut self, interface: &str, items: &[String], wanted: &[&str]) -> bool {
        let before = self.faults.len();
        for item in wanted.iter().filter(|item| !items.iter().any(|have| have == *item)) {
            self.faults.push(GuestText::cause(format_args!("its {interface} lacks {item}")));
        }
        self.faults.len() == before
    }

    /// The version of the contract that it was built for.
    fn version(&self) -> String {
        let line = VERSION.rsplit_once('.').map_or(VERSION, |(line, _)| line);
        self.built_for.map_or_else(|| VERSION.to_owned(), |third| format!("{line}.{third}"))
    }

    /// The world it satisfies.
    pub fn world(&self) -> String {
        let version = self.version();
        if self.lacking.is_empty() {
            format!("{PACKAGE}/plugin@{version}")
        } else if self.optional.is_empty() {
            format!("{PACKAGE}/minimal@{version}")
        } else {
            format!("{PACKAGE}/minimal@{version} with {}", self.optional.join(", "))
        }
    }
}

/// The short name and the version of an interface of the contract, of any version; none for other names.
fn own(name: &str) -> Option<(&str, &str)> {
    let (package, rest) = name.split_once('/')?;
    (package == PACKAGE).then(|| rest.split_once('@').unwrap_or((rest, "")))
}

/// The export with this short name: of several, the latest version that the host supports.
fn export<'a>(
    exports: &'a [(String, Vec<String>)],
    short: &str,
) -> Option<&'a (String, Vec<String>)> {
    let third = |name: &str| own(name).filter(|it| it.0 == short).and_then(|it| spoken(it.1));
    exports.iter().filter(|(name, _)| third(name).is_some()).max_by_key(|(name, _)| third(name))
}

/// Whether this is the export of a component that serves HTTP by `wasi:http`.
fn is_incoming_handler(name: &str) -> bool {
    name.strip_prefix("wasi:http/incoming-handler@").is_some_and(|it| it.starts_with("0.2."))
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

/// Introduces the supported version in a message about an unsupported one.
const SPOKEN: &str = "but this host speaks";

/// Why this import cannot be satisfied.
fn fault_of_import(name: &str) -> Option<GuestText> {
    let shown = GuestText::name(name);
    if let Some((short, version)) = own(name) {
        return match (spoken(version), IMPORTS.contains(&short)) {
            (Some(_), true) => None,
            (None, _) => fault(format_args!("it imports {shown}, {SPOKEN} {PACKAGE}@{VERSION}")),
            (Some(_), false) => {
                fault(format_args!("it imports {shown}, which {PACKAGE}@{VERSION} does not have"))
            }
        };
    }
    let (package, rest) = name.split_once('/').unwrap_or((name, ""));
    let (_, version) = rest.split_once('@').unwrap_or((rest, ""));
    if WASI_PACKAGES.contains(&package) {
        let second = version.starts_with("0.2.");
        let remedy = Remedy(remedies::of_wasi(name));
        let other = format_args!("it imports {shown}, but this host has WASI 0.2{remedy}");
        return if second { None } else { fault(other) };
    }
    match remedies::of_import(name) {
        Some(remedy) => {
            fault(format_args!("it imports {shown}, which no host of this kind has: {remedy}"))
        }
        None => fault(format_args!(
            "it imports {shown}, which no host of this kind has: a plugin may import {PACKAGE}@{VERSION} and WASI 0.2"
        )),
    }
}

/// The remedy, behind the fault; empty if none is known.
struct Remedy(Option<&'static str>);

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |remedy| write!(f, "; {remedy}"))
    }
}

/// Why this host cannot call this export of the contract.
fn fault_of_export(name: &str) -> Option<GuestText> {
    let (_, version) = own(name)?;
    if spoken(version).is_some() {
        return None;
    }
    let shown = GuestText::name(name);
    fault(format_args!("it exports {shown}, {SPOKEN} {PACKAGE}@{VERSION}"))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.faults.is_empty() && self.serves_http {
            writeln!(f, "world:    wasi:http/proxy@0.2: serves HTTP by wasi:http")?;
        } else if self.faults.is_empty() {
            writeln!(f, "world:    {}", self.world())?;
        } else {
            writeln!(f, "world:    none of {PACKAGE}@{VERSION}")?;
        }
        if self.faults.is_empty() && !self.serves_http && self.version() != VERSION {
            writeln!(
                f,
                "contract: {}; this host has {VERSION}, which has all of it",
                self.version()
            )?;
        }
        let list = |f: &mut fmt::Formatter<'_>, title, names: &[GuestText]| {
            for (index, name) in names.iter().enumerate() {
                writeln!(f, "{:<10}{name}", if index == 0 { title } else { "" })?;
            }
            Ok(())
        };
        let lacking = self.lacking.iter().filter(|_| !self.serves_http);
        let lacking = lacking.map(|name| GuestText::name(interface(name)));
        list(f, "imports:", &self.imports)?;
        list(f, "exports:", &self.exports)?;
        list(f, "lacks:", &lacking.collect::<Vec<_>>())?;
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
        check(&interface("sockets"), false);
        check("wasi:io/streams@0.2.9", false);
        check("sandloop:plugin/sockets", true);
        check("sandloop:plugin/sockets@0.1.99", true);
        check("sandloop:plugin/sockets@0.2.0", true);
        check("sandloop:plugin/teapots@0.1.0", true);
        check("wasi:cli/stdout@0.3.0", true);
        check("wasi:http/types@0.2.0", false);
        check("wasi:http/types@0.3.0", true);
        check("env", true);
    }

    #[test]
    fn the_latest_export_that_is_spoken_is_called() {
        let named = |versions: &[&str]| -> Vec<(String, Vec<String>)> {
            let name = |version| (format!("sandloop:plugin/handler@{version}"), Vec::new());
            versions.iter().map(name).collect()
        };
        let found =
            |exports: &[(String, Vec<String>)]| export(exports, HANDLER).map(|it| it.0.clone());
        let own = interface(HANDLER);
        assert_eq!(found(&named(&["0.1.0", VERSION])), Some(own.clone()));
        assert_eq!(found(&named(&[VERSION, "0.1.0"])), Some(own));
        assert_eq!(
            found(&named(&["0.1.0", "0.1.99"])),
            Some("sandloop:plugin/handler@0.1.0".into())
        );
        assert_eq!(found(&named(&["0.2.0"])), None);
        assert_eq!(fault_of_export("sandloop:plugin/handler@0.1.0"), None);
        assert_eq!(fault_of_export("example:other/thing@7.0.0"), None);
        for name in [
            "sandloop:plugin/handler@0.1.99",
            "sandloop:plugin/anything@0.2.0",
            "sandloop:plugin/x",
        ] {
            let fault = fault_of_export(name).expect("another version");
            assert!(fault.as_str().contains(name) && fault.as_str().contains(VERSION), "{fault}");
        }
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
