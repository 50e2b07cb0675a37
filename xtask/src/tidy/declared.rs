//! SDKs that declare the contract's functions in their own language, by hand: each of them is there, with the number of
//! parameters and results that it has in the canonical ABI. What they are used for is what the suite's components are for.

use std::collections::BTreeMap;

use wit_parser::abi::{AbiVariant, WasmType};
use wit_parser::{Resolve, WorldItem};

use super::{File, assert_none, files};
use crate::root::root;

/// What a function takes and answers, all of it `i32`.
type Numbers = (usize, usize);

/// `import MODULE NAME` or `export NAME`.
type Functions = BTreeMap<String, Numbers>;

fn of_contract() -> Functions {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(root().join("wit")).unwrap();
    let world = resolve.select_world(&[package], Some("plugin")).unwrap();
    let world = &resolve.worlds[world];
    let mut all = Functions::new();
    let mut add = |items: &mut dyn Iterator<Item = &WorldItem>, variant| {
        for item in items {
            let WorldItem::Interface { id, .. } = item else { continue };
            let module = resolve.id_of(*id).unwrap();
            for function in resolve.interfaces[*id].functions.values() {
                let signature = resolve.wasm_signature(variant, function);
                let words = [WasmType::I32, WasmType::Pointer, WasmType::Length];
                assert!(signature.params.iter().all(|it| words.contains(it)), "{}", function.name);
                let name = match variant {
                    AbiVariant::GuestImport => format!("import {module} {}", function.name),
                    _ => format!("export {}", function.legacy_core_export_name(Some(&module))),
                };
                all.insert(name, (signature.params.len(), signature.results.len()));
            }
        }
    };
    add(&mut world.imports.values(), AbiVariant::GuestImport);
    add(&mut world.exports.values(), AbiVariant::GuestExport);
    let handler = world.exports.values().find_map(|item| match item {
        WorldItem::Interface { id, .. } => resolve.id_of(*id).filter(|it| it.contains("/handler@")),
        _ => None,
    });
    let handler = handler.unwrap();
    let sockets = handler.replace("/handler@", "/sockets@");
    all.insert(format!("import {sockets} [resource-drop]socket"), (1, 0));
    all.insert(format!("import [export]{handler} [resource-new]connection"), (1, 1));
    all.insert(format!("export {handler}#[dtor]connection"), (1, 0));
    all.insert("export cabi_realloc".to_owned(), (4, 1));
    all
}

/// A declaration such as `func name(a, b uint32, to ptr) uint32` or `function name(a: u32): void`.
fn numbers(declaration: &str) -> Numbers {
    let (_, rest) = declaration.split_once('(').unwrap_or_default();
    let (parameters, result) = rest.rsplit_once(')').unwrap_or_default();
    let result = result.trim_matches([' ', ':', ';', '{']);
    let result = result.split([' ', ';', '{']).next().unwrap_or_default();
    let parameters = parameters.split(',').filter(|part| !part.trim().is_empty()).count();
    (parameters, usize::from(!["", "void"].contains(&result)))
}

/// The part of a line that declares, without a body on the same line.
fn head(line: &str) -> &str {
    let end = line.find(" {").unwrap_or(line.len());
    &line[..end]
}

fn in_go(file: &File) -> Vec<(String, Numbers)> {
    let mut all = Vec::new();
    let mut lines = file.text.lines();
    while let Some(line) = lines.next() {
        let name =
            match (line.strip_prefix("//go:wasmimport "), line.strip_prefix("//go:wasmexport ")) {
                (Some(names), _) => format!("import {names}"),
                (_, Some(name)) => format!("export {name}"),
                _ => continue,
            };
        let declaration = lines.by_ref().find(|line| line.starts_with("func ")).unwrap_or_default();
        all.push((name, numbers(head(declaration))));
    }
    all
}

fn in_assembly_script(file: &File) -> Vec<(String, Numbers)> {
    let mut all = Vec::new();
    let mut lines = file.text.lines();
    while let Some(line) = lines.next() {
        let external = line.strip_prefix("@external(\"").and_then(|it| it.strip_suffix("\")"));
        let name = match (external, line.strip_prefix("// exports ")) {
            (Some(names), _) => format!("import {}", names.replace("\", \"", " ")),
            (_, Some(name)) => format!("export {name}"),
            _ => continue,
        };
        all.push((name, numbers(head(lines.next().unwrap_or_default()))));
    }
    all
}

#[track_caller]
fn assert_whole(folder: &str, ending: &str, declared: fn(&File) -> Vec<(String, Numbers)>) {
    let contract = of_contract();
    let mut found = Functions::new();
    let mut complaints = Vec::new();
    for file in files(&[folder], &[ending]) {
        for (name, numbers) in declared(&file) {
            let is_foreign = name.starts_with("import wasi_snapshot_preview1 ");
            match contract.get(&name) {
                None if is_foreign => {}
                None => complaints.push(format!("{}: {name} is not in the contract", file.path)),
                Some(known) if *known != numbers => complaints.push(format!(
                    "{}: {name} takes {} and answers {}, not {} and {}",
                    file.path, known.0, known.1, numbers.0, numbers.1
                )),
                Some(_) => {}
            }
            found.insert(name, numbers);
        }
    }
    let missing = contract.keys().filter(|name| !found.contains_key(*name));
    complaints.extend(missing.map(|name| format!("{folder}: {name} is not there")));
    assert_none(&complaints);
}

#[test]
fn go_declares_the_whole_contract() {
    assert_whole("sdk/go/sandloop", "go", in_go);
}

#[test]
fn assembly_script_declares_the_whole_contract() {
    assert_whole("sdk/assemblyscript/sandloop", "ts", in_assembly_script);
}

#[test]
fn a_declaration_is_counted() {
    assert_eq!(numbers("func sendData(socket uint32, data ptr, length uint32, to ptr)"), (4, 0));
    assert_eq!(numbers("func f(a, b, c uint32) ptr"), (3, 1));
    assert_eq!(numbers("func catalog() ptr"), (0, 1));
    assert_eq!(numbers("declare function hostId(socket: u32): u32;"), (1, 1));
    assert_eq!(numbers("export function tick(id: u32): void"), (1, 0));
}
