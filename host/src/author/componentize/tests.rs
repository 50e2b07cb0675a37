//! Modules by hand: what becomes a component, and each mistake with its cause and its remedy.

use super::*;
use crate::contract::{HANDLER, VERSION, interface};
use crate::engine::component_file::ComponentKind;

/// A plugin with a handler alone, which sends back what comes.
const ECHO: &str = r#"(module
    (import "[export]sandloop:plugin/handler@V" "[resource-new]connection" (func $new (param i32) (result i32)))
    (import "sandloop:plugin/sockets@V" "[method]socket.send-data" (func $send (param i32 i32 i32 i32)))
    (import "sandloop:plugin/sockets@V" "[resource-drop]socket" (func $drop (param i32)))
    (memory (export "memory") 3)
    (global $socket (mut i32) (i32.const 0))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
    (func (export "sandloop:plugin/handler@V#[constructor]connection")
        (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
        (global.set $socket (local.get 0)) (call $new (i32.const 1)))
    (func (export "sandloop:plugin/handler@V#[method]connection.post-init") (param i32))
    (func (export "sandloop:plugin/handler@V#[method]connection.connection-completed") (param i32))
    (func (export "sandloop:plugin/handler@V#[method]connection.receive-data") (param i32 i32 i32)
        (call $send (global.get $socket) (local.get 1) (local.get 2) (i32.const 8)))
    (func (export "sandloop:plugin/handler@V#[method]connection.drained") (param i32))
    (func (export "sandloop:plugin/handler@V#[method]connection.unbind") (param i32 i32))
    (func (export "sandloop:plugin/handler@V#[dtor]connection") (param i32) (call $drop (global.get $socket)))
)"#;

fn bytes(text: &str, version: &str) -> Vec<u8> {
    wat::parse_str(text.replace("@V", &format!("@{version}"))).expect("a module")
}

/// The echo with one text instead of another, everywhere.
fn echo_with(found: &str, instead: &str) -> Vec<u8> {
    assert!(ECHO.contains(found), "{found}");
    bytes(&ECHO.replace(found, instead), VERSION)
}

/// The echo with more imports before everything else, and more at its end.
fn echo_and(imports: &str, more: &str) -> Vec<u8> {
    let text = ECHO.replacen("(module", &format!("(module {imports}"), 1);
    let text = text.strip_suffix(')').expect("its end").to_owned() + more + ")";
    bytes(&text, VERSION)
}

#[track_caller]
fn made(module: &[u8]) -> Vec<u8> {
    let component = component(module, Adapter::Log).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(ComponentKind::of(&component), ComponentKind::Component);
    wasmparser::validate(&component).expect("a valid component");
    component
}

fn names(component: &[u8], name: &str) -> bool {
    component.windows(name.len()).any(|window| window == name.as_bytes())
}

#[test]
fn a_handler_alone_becomes_a_component_with_a_handler_alone() {
    let component = made(&bytes(ECHO, VERSION));
    assert!(names(&component, &interface(HANDLER)));
    assert!(!names(&component, "timers"), "nothing else is imported or exported");
    assert!(!names(&component, "wasi:"), "no adapter is in it");
}

#[test]
fn what_it_exports_besides_is_in_its_world() {
    let timers = r#"(func (export "sandloop:plugin/timers-handler@V#timer-fired") (param i32))
        (func (export "sandloop:plugin/catalog@V#handlers") (result i32) (i32.const 0))
        (func (export "cabi_post_sandloop:plugin/catalog@V#handlers") (param i32))
        (func (export "something_else"))"#;
    let component = made(&echo_and("", timers));
    assert!(names(&component, &interface("timers-handler")));
    assert!(names(&component, &interface("catalog")));
}

#[test]
fn an_earlier_version_of_the_contract_is_kept() {
    let component = made(&bytes(ECHO, "0.1.0"));
    assert!(names(&component, "sandloop:plugin/handler@0.1.0"));
    assert!(!names(&component, &interface(HANDLER)));
}

#[test]
fn preview_1_is_adapted() {
    let imports = [
        r#"(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))"#,
        r#"(import "wasi_snapshot_preview1" "path_unlink_file" (func (param i32 i32 i32) (result i32)))"#,
    ];
    let module = echo_and(&imports.concat(), "");
    for adapter in [Adapter::Log, Adapter::Wasi] {
        let component = component(&module, adapter).unwrap_or_else(|fault| panic!("{fault}"));
        wasmparser::validate(&component).expect("a valid component");
        assert!(names(&component, "wasi:cli/stderr@0.2"), "{adapter:?}");
        let has_files = names(&component, "wasi:filesystem");
        assert_eq!(has_files, adapter == Adapter::Wasi, "{adapter:?}");
    }
}

#[test]
fn a_module_that_says_its_world_is_taken_at_its_word() {
    let mut module = bytes(ECHO, VERSION);
    let (resolve, world) = world::of(&ModuleNames::read(&module).unwrap()).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    assert!(ModuleNames::read(&module).unwrap().says_its_world);
    made(&module);
}

#[test]
fn each_mistake_has_its_cause_and_its_remedy() {
    let other = |version| bytes(ECHO, version);
    let receive = r#"(export "sandloop:plugin/handler@V#[method]connection.receive-data")"#;
    let rows: Vec<(Vec<u8>, &str)> = vec![
        (
            b"#!/bin/sh".to_vec(),
            "not a WebAssembly file; correct `output`, or what the command writes there",
        ),
        (b"\0asm\x01\0\0\0\x02\x07".to_vec(), "not a valid module: "),
        (
            bytes("(module)", VERSION),
            "it exports nothing of sandloop:plugin/handler@0.1.1, which every plugin must; export its functions, as in \
             `sandloop:plugin/handler@0.1.1#[method]connection.receive-data`, and see that the linker keeps them",
        ),
        (
            echo_with("plugin/handler@V#", "plugin/handlers@V#"),
            "the contract has no interface sandloop:plugin/handlers; did you mean `handler`?",
        ),
        (
            echo_and("", r#"(func (export "sandloop:plugin/telepathy@V#think"))"#),
            "the contract has no interface sandloop:plugin/telepathy; write one of those in wit/README.md",
        ),
        (
            echo_and(r#"(import "sandloop:plugin/timer@V" "add-timer" (func))"#, ""),
            "the contract has no interface sandloop:plugin/timer; did you mean `timers`?",
        ),
        (
            other("0.2.0"),
            "it is built for sandloop:plugin@0.2.0, and this is 0.1.1; build it with the SDK of this version, which \
             `sandloop new` writes, or take a sandloop that knows 0.2.0",
        ),
        (
            echo_and("", r#"(func (export "sandloop:plugin/timers-handler@0.1.0#timer-fired"))"#),
            "it names sandloop:plugin in two versions, 0.1.1 and 0.1.0; build all of it with one SDK",
        ),
        (
            echo_with(receive, ""),
            "it exports sandloop:plugin/handler@0.1.1 without \
             `sandloop:plugin/handler@0.1.1#[method]connection.receive-data`; export those too, or nothing of this \
             interface",
        ),
        (
            echo_with("receive-data", "recieve-data"),
            "sandloop:plugin/handler@0.1.1 has no function `[method]connection.recieve-data`; did you mean \
             `[method]connection.receive-data`?",
        ),
        (
            echo_with("socket.send-data", "socket.write"),
            "sandloop:plugin/sockets@0.1.1 has no function `[method]socket.write`",
        ),
        (
            echo_with("\"cabi_realloc\"", "\"realloc\""),
            "it does not export `cabi_realloc`, by which the host puts data into its memory; export it: ",
        ),
        (
            echo_with("(export \"memory\")", ""),
            "it does not export its memory; export it under the name `memory`",
        ),
        (
            echo_and(r#"(import "env" "abort" (func (param i32)))"#, ""),
            "it imports `abort` from `env`, which no host of plugins gives; link it into the module, or leave out what \
             needs it: there are sandloop:plugin/…@0.1.1 and wasi_snapshot_preview1",
        ),
        (
            echo_with(
                "receive-data\") (param i32 i32 i32)",
                "receive-data\") (param i32 i32 i32 i32)",
            ),
            "it does not fit the contract: ",
        ),
    ];
    for (module, expected) in rows {
        let told = component(&module, Adapter::Log).expect_err(expected).to_string();
        assert!(told.contains(expected), "\n{told}\ninstead of\n{expected}");
    }
}
