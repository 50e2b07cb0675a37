//! The binary interface that SDKs have written by hand, beside the contract.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use wasmparser::{ExternalKind, FuncType, Parser, Payload, TypeRef, ValType};
use wit_parser::abi::{AbiVariant, WasmSignature, WasmType};
use wit_parser::{InterfaceId, Resolve, WorldItem};

use super::{C, CPP, ZIG};
use crate::root::{root, target};
use crate::step::run;

/// Types of functions, by `MODULE NAME` of imports and by the names of exports.
type Functions = BTreeMap<String, (Vec<ValType>, Vec<ValType>)>;

/// What the contract says, or what a module has.
#[derive(Default)]
struct Interface {
    imports: Functions,
    exports: Functions,
}

fn of_contract() -> Interface {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(root().join("wit")).unwrap();
    let world = resolve.select_world(&[package], Some("plugin")).unwrap();
    let mut all = Interface::default();
    let interfaces = |items: Vec<&WorldItem>| -> Vec<InterfaceId> {
        let of = |item: &WorldItem| match item {
            WorldItem::Interface { id, .. } => Some(*id),
            _ => None,
        };
        items.into_iter().filter_map(of).collect()
    };
    let world = &resolve.worlds[world];
    for id in interfaces(world.imports.values().collect()) {
        let module = resolve.id_of(id).unwrap();
        for function in resolve.interfaces[id].functions.values() {
            let signature = resolve.wasm_signature(AbiVariant::GuestImport, function);
            all.imports.insert(format!("{module} {}", function.name), types(&signature));
        }
    }
    for id in interfaces(world.exports.values().collect()) {
        let module = resolve.id_of(id).unwrap();
        for function in resolve.interfaces[id].functions.values() {
            let signature = resolve.wasm_signature(AbiVariant::GuestExport, function);
            let name = function.legacy_core_export_name(Some(&module));
            all.exports.insert(name.into_owned(), types(&signature));
        }
    }
    all
}

fn types(signature: &WasmSignature) -> (Vec<ValType>, Vec<ValType>) {
    let each = |types: &[WasmType]| types.iter().copied().map(value_type).collect();
    (each(&signature.params), each(&signature.results))
}

fn value_type(of: WasmType) -> ValType {
    match of {
        WasmType::I32 | WasmType::Pointer | WasmType::Length => ValType::I32,
        WasmType::I64 | WasmType::PointerOrI64 => ValType::I64,
        WasmType::F32 => ValType::F32,
        WasmType::F64 => ValType::F64,
    }
}

fn of_module(module: &[u8]) -> Interface {
    let mut types: Vec<FuncType> = Vec::new();
    let mut functions: Vec<u32> = Vec::new();
    let mut all = Interface::default();
    let of = |function: &FuncType| (function.params().to_vec(), function.results().to_vec());
    for payload in Parser::new(0).parse_all(module) {
        match payload.unwrap() {
            Payload::TypeSection(section) => {
                types = section.into_iter_err_on_gc_types().map(Result::unwrap).collect();
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.unwrap();
                    let TypeRef::Func(index) = import.ty else { continue };
                    functions.push(index);
                    let name = format!("{} {}", import.module, import.name);
                    all.imports.insert(name, of(&types[index as usize]));
                }
            }
            Payload::FunctionSection(section) => {
                functions.extend(section.into_iter().map(Result::unwrap));
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export.unwrap();
                    if export.kind == ExternalKind::Func {
                        let index = functions[export.index as usize];
                        all.exports.insert(export.name.to_owned(), of(&types[index as usize]));
                    }
                }
            }
            _ => {}
        }
    }
    all
}

/// What belongs to the canonical ABI itself, and to a C library.
fn is_glue(name: &str) -> bool {
    [
        "[resource-drop]",
        "[resource-new]",
        "[dtor]",
        "cabi_",
        "_initialize",
        "wasi_snapshot_preview1 ",
    ]
    .iter()
    .any(|part| name.contains(part))
}

/// Whether a module has all of the contract but what is left out, each with the types that it has there.
#[track_caller]
fn assert_whole(module: &Path, left_out: &[&str]) {
    let (contract, module) = (of_contract(), of_module(&std::fs::read(module).unwrap()));
    let mut faults = Vec::new();
    for (kind, contract, module) in
        [("import", contract.imports, module.imports), ("export", contract.exports, module.exports)]
    {
        for (name, types) in &contract {
            match module.get(name) {
                None if left_out.iter().any(|part| name.contains(part)) => {}
                None => faults.push(format!("{kind} {name} is not there")),
                Some(there) if there == types => {}
                Some(there) => faults.push(format!("{kind} {name} is {there:?}, not {types:?}")),
            }
        }
        let unknown = module.keys().filter(|name| !contract.contains_key(*name) && !is_glue(name));
        faults.extend(unknown.map(|name| format!("{kind} {name} is not in the contract")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// A file in a folder of the target's.
fn scratch(name: &str, text: &str) -> PathBuf {
    let path = target().join("abi").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}

/// Nothing is left out by the linker, called or not.
const ALL: &str = "-Wl,--no-gc-sections";

#[test]
fn the_header_for_c_has_the_whole_contract() {
    let text = "#define SANDLOOP_IMPLEMENTATION\n#include \"sandloop.h\"\n\
                SL_HANDLERS({.name = \"all\"});\nSL_PROGRAM(.start = NULL);\n";
    let (source, module) = (scratch("all.c", text), target().join("abi/c.wasm"));
    C.compile(&[source], &[ALL], &module).unwrap();
    assert_whole(&module, &[]);
}

#[test]
fn the_header_for_cpp_has_the_whole_contract() {
    let text = "#define SANDLOOP_IMPLEMENTATION\n#include \"sandloop.hpp\"\n\
                struct All : sandloop::Connection { static sandloop::outcome start() { return {}; } };\n\
                SANDLOOP_PLUGIN(All)\nSANDLOOP_PROGRAM(All)\n";
    let (source, module) = (scratch("all.cpp", text), target().join("abi/cpp.wasm"));
    CPP.compile(&[source], &[ALL], &module).unwrap();
    assert_whole(&module, &[]);
}

#[test]
fn the_header_is_older_c_plus_plus_too() {
    let text = "#define SANDLOOP_IMPLEMENTATION\n#include \"sandloop.h\"\n";
    let (source, module) = (scratch("older.cpp", text), target().join("abi/older.wasm"));
    CPP.compile(&[source], &["-std=c++17"], &module).unwrap();
}

#[test]
fn the_sdk_for_zig_has_the_whole_contract() {
    let guest = root().join("tests/guests/zig/calls.zig");
    let module = target().join("abi/zig.wasm");
    std::fs::create_dir_all(target().join("abi")).unwrap();
    ZIG.compile(&[guest], &[], &module).unwrap();
    // What that guest has no word for: its plugin is no program.
    let left_out = [
        "lifecycle@",
        "handover-handler@",
        "listeners@0.1.1 stop-server",
        "sockets@0.1.1 [method]socket.pending-connect-timeout",
        "tls@0.1.1 start-tls",
        "proxying@0.1.1 stop-proxying",
    ];
    assert_whole(&module, &left_out);
}

/// Another clang, with its own C library. Of C++ it would first build the library, for minutes.
#[test]
fn zigs_compiler_takes_the_header_without_a_warning() {
    let sdk = root().join("sdk/c");
    let mut command = Command::new(super::zig_python().unwrap());
    command.args(["-m", "ziglang", "cc", "--target=wasm32-wasi", "-mexec-model=reactor"]);
    command.args(["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]);
    command.arg("-I").arg(&sdk).arg(sdk.join("templates/chat/src/chat.c"));
    run(command.arg("-o").arg(scratch("zig-cc.wasm", ""))).unwrap();
}
