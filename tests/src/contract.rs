//! The contract as its files define it, for tests that cover all of it.

use std::fs;

use wit_component::WitPrinter;
use wit_parser::{PackageId, Resolve};

use crate::workspace;

/// A function of the contract, of either side.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContractFunction {
    /// Its interface and its name, as in `channels.push`.
    pub name: String,
    /// Whether the guest exports it and the host calls it.
    pub is_event: bool,
}

/// All functions, by name.
pub fn functions() -> Vec<ContractFunction> {
    let world = read("world");
    let mut found = Vec::new();
    for file in fs::read_dir(workspace().join("wit")).expect("the contract") {
        let path = file.expect("a file").path();
        if path.extension() != Some("wit".as_ref()) {
            continue;
        }
        let interface = path.file_stem().and_then(|it| it.to_str()).expect("a name");
        let is_event = world.contains(&format!("export {interface};"));
        for line in read(interface).lines().map(str::trim) {
            if let Some((name, _)) = line.split_once(": func(") {
                found.push(ContractFunction { name: format!("{interface}.{name}"), is_event });
            }
        }
    }
    found.sort();
    assert!(found.len() > 50, "{} functions: where is the contract?", found.len());
    found
}

/// The version of the contract in `wit/`.
pub fn version() -> String {
    let text = read("types");
    let version = text.lines().find_map(|line| line.strip_prefix("package sandloop:plugin@"));
    version.expect("the package").trim_end_matches(';').to_owned()
}

/// The contract in `wit/`.
pub fn current() -> (Resolve, PackageId) {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(workspace().join("wit")).expect("the contract");
    (resolve, package)
}

/// Versions whose plugins must still be served; their contracts are kept in `tests/contracts`.
pub fn earlier_versions() -> Vec<String> {
    let folder = fs::read_dir(workspace().join("tests/contracts")).expect("a folder");
    let version = |file: fs::DirEntry| Some(file.path().file_stem()?.to_str()?.to_owned());
    let mut found: Vec<String> = folder.filter_map(|file| version(file.expect("a file"))).collect();
    found.sort();
    found
}

/// The contract of this version.
pub fn earlier(version: &str) -> (Resolve, PackageId) {
    parsed(&earlier_text(version))
}

/// The contract of `version` under the name of another version.
pub fn renamed(version: &str, other: &str) -> (Resolve, PackageId) {
    parsed(
        &earlier_text(version).replace(&format!("plugin@{version};"), &format!("plugin@{other};")),
    )
}

fn earlier_text(version: &str) -> String {
    let path = workspace().join(format!("tests/contracts/{version}.wit"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn parsed(text: &str) -> (Resolve, PackageId) {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("contract.wit", text).expect("a contract");
    (resolve, package)
}

/// Each interface of a contract with its content, in a normal form and without comments.
pub fn interfaces((resolve, package): &(Resolve, PackageId)) -> Vec<(String, String)> {
    let interfaces = resolve.packages[*package].interfaces.iter();
    let printed = |(name, id): (&String, &_)| {
        let mut printer = WitPrinter::default();
        printer.emit_docs(false);
        printer.print_interface(resolve, *id).expect("an interface");
        (name.clone(), printer.output.to_string())
    };
    interfaces.map(printed).collect()
}

fn read(interface: &str) -> String {
    let path = workspace().join(format!("wit/{interface}.wit"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
