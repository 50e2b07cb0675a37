//! The contract as its files list it, for tests that walk all of it.

use std::fs;

use crate::workspace;

/// A function of the contract, of whichever side.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContractFunction {
    /// Its interface and its name, as in `channels.push`.
    pub name: String,
    /// Whether it is the guest's own, which the host calls.
    pub is_event: bool,
}

/// Every function, in the order of their names.
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

fn read(interface: &str) -> String {
    let path = workspace().join(format!("wit/{interface}.wit"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
