//! `sandloop inspect`: the properties of a component, before it runs.

use std::fs;

use sandloop_tests::{Outcome, component, contract, sandloop};

use crate::start::{CORE_MODULE, OTHER_WORLD};

#[test]
fn a_minimal_guest_is_named_so() {
    let outcome = inspect_component("c_minimal");
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(outcome.stderr, "");
    assert_has_line(&outcome, &format!("world:    {}", named("minimal")));
    assert_mentions(&outcome, &[&named("sockets"), &named("lifecycle")]);
}

#[test]
fn a_full_guest_is_named_so() {
    let outcome = inspect_component("timers_order");
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_has_line(&outcome, &format!("world:    {}", named("plugin")));
}

#[test]
fn a_guest_between_the_two_is_named_with_what_it_has_more() {
    let outcome = inspect_component("echo");
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_has_line(
        &outcome,
        &format!(
            "world:    {} with timers-handler, ticks-handler, catalog, operations, deferred-handler, mailbox, \
             processes-handler, cluster-processes-handler, subscriptions, queues-handler, proxy-handler, files-handler, \
             watch-handler, tls-handler, drain-handler",
            named("minimal")
        ),
    );
}

#[test]
fn another_world_is_said_to_be_refused_and_why() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::write(dir.path().join("x.wasm"), wat::parse_str(OTHER_WORLD).expect("right text"))
        .expect("a new file");
    let outcome = sandloop(dir.path(), &["inspect", "x.wasm"]);
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    assert_mentions(&outcome, &[&named("handler"), "example:other/thing@1.0.0"]);
}

/// Components that tools make for other hosts, each as small as possible, with the texts of the remedy.
const MADE_FOR_OTHERS: &[(&str, &[&str])] = &[
    // componentize-qjs and jco's QuickJS backend, with their defaults.
    ("(core func (canon task.cancel))", &["--sync", "--backend-qjs-disable-async"]),
    (
        r#"(core module $code
             (func (export "run") (result i32) (i32.const 0))
             (func (export "again") (param i32 i32 i32) (result i32) (i32.const 0)))
           (core instance $code (instantiate $code))
           (func (export "run") async (canon lift (core func $code "run") async (callback (core func $code "again"))))"#,
        &["cm-async", "--sync", "componentize-go"],
    ),
    ("(core module (memory 1 1 shared))", &["threads", "-pthread"]),
    ("(core module (tag))", &["exceptions", "-fno-exceptions"]),
    ("(core module (type (struct)))", &["gc", "Kotlin"]),
    (
        r#"(import "wasi:cli/stdout@0.3.0" (instance))"#,
        &["wasi:cli/stdout@0.3.0", "this host has WASI 0.2", "wasm32-wasip2"],
    ),
    (
        r#"(import "wasi:http/types@0.3.0" (instance))"#,
        &["wasi:http/types@0.3.0", "incoming-handler", "wasip2"],
    ),
    (
        r#"(import "fermyon:spin/key-value@2.0.0" (instance))"#,
        &["fermyon:spin/key-value@2.0.0", "only Spin has it"],
    ),
    (
        r#"(core module $code (func (export "run") (result i32) (i32.const 0)))
           (core instance $code (instantiate $code))
           (func $run (result (result)) (canon lift (core func $code "run")))
           (instance $run (export "run" (func $run)))
           (export "wasi:cli/run@0.2.3" (instance $run))"#,
        &["does not export", "it is a command", "cdylib"],
    ),
    (
        r#"(instance $none) (export "wasi:http/handler@0.3.0" (instance $none))"#,
        &["does not export", "incoming-handler"],
    ),
];

#[test]
fn what_tools_make_for_others_is_told_with_what_to_do() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for (text, words) in MADE_FOR_OTHERS {
        let bytes = wat::parse_str(format!("(component {text})")).expect(text);
        fs::write(dir.path().join("x.wasm"), bytes).expect("a new file");
        let outcome = sandloop(dir.path(), &["inspect", "x.wasm"]);
        assert_eq!(outcome.code, Some(3), "{text}: {outcome:?}");
        assert_mentions(&outcome, words);
    }
}

#[test]
fn a_core_module_is_said_to_be_refused_and_why() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::write(dir.path().join("x.wasm"), wat::parse_str(CORE_MODULE).expect("right text"))
        .expect("a new file");
    let outcome = sandloop(dir.path(), &["inspect", "x.wasm"]);
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    assert_mentions(&outcome, &["component"]);
}

#[test]
fn a_missing_file_is_said_to_be_missing() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let outcome = sandloop(dir.path(), &["inspect", "x.wasm"]);
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    assert!(outcome.stderr.starts_with("error: "), "{}", outcome.stderr);
    assert_mentions(&outcome, &["x.wasm"]);
}

/// A name of the contract, as components are built with it.
fn named(name: &str) -> String {
    format!("sandloop:plugin/{name}@{}", contract::version())
}

fn inspect_component(name: &str) -> Outcome {
    let file = component(name);
    let folder = file.parent().expect("a component is in a folder");
    sandloop(folder, &["inspect", &format!("{name}.wasm")])
}

#[track_caller]
fn assert_has_line(outcome: &Outcome, line: &str) {
    assert!(outcome.stdout.lines().any(|it| it == line), "`{line}` is not in\n{}", outcome.stdout);
}

#[track_caller]
fn assert_mentions(outcome: &Outcome, words: &[&str]) {
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    for word in words {
        assert!(said.contains(word), "`{word}` is not in\n{said}");
    }
}
