//! Errors that stop the start: each has one message, an exit code for its cause, and no port is opened.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sandloop_tests::host::finish;
use sandloop_tests::{
    Config, Host, Listen, Outcome, Peer, Plugin, Server, contract, paths, workspace,
};
use tempfile::TempDir;

/// The command line or the configuration is wrong.
const CONFIG: i32 = 2;
/// A plugin cannot be loaded.
const PLUGIN: i32 = 3;
/// An address cannot be served.
const ADDRESS: i32 = 4;

/// A core module: the output of a compiler before it becomes a component.
pub(crate) const CORE_MODULE: &str = "(module)";

/// A component for another host.
pub(crate) const OTHER_WORLD: &str = r#"
(component
  (core module $code (func (export "run")))
  (core instance $code (instantiate $code))
  (func $run (canon lift (core func $code "run")))
  (instance $thing (export "run" (func $run)))
  (export "example:other/thing@1.0.0" (instance $thing)))
"#;

/// A plugin for another version of the contract.
const OTHER_VERSION: &str = r#"
(component
  (core module $code (func (export "run")))
  (core instance $code (instantiate $code))
  (func $run (canon lift (core func $code "run")))
  (instance $thing (export "run" (func $run)))
  (export "sandloop:plugin/handler@7.0.0" (instance $thing)))
"#;

/// A component without the export for `drained`.
const MISSING_EXPORT: &str = r#"
(component
  (core module $code
    (func (export "make") (result i32) unreachable)
    (func (export "event") (param i32)))
  (core instance $code (instantiate $code))
  (type $connection (resource (rep i32)))
  (type $make (func (result (own $connection))))
  (type $event (func (param "self" (borrow $connection))))
  (func $make (type $make) (canon lift (core func $code "make")))
  (func $event (type $event) (canon lift (core func $code "event")))
  ;; What an instance exports may only speak of what it exports.
  (component $handler
    (import "connection" (type $connection (sub resource)))
    (import "make" (func $make (result (own $connection))))
    (import "event" (func $event (param "self" (borrow $connection))))
    (export $exported "connection" (type $connection))
    (export "[constructor]connection" (func $make) (func (result (own $exported))))
    (export "[method]connection.post-init" (func $event) (func (param "self" (borrow $exported))))
    (export "[method]connection.connection-completed" (func $event)
      (func (param "self" (borrow $exported))))
    (export "[method]connection.receive-data" (func $event)
      (func (param "self" (borrow $exported))))
    (export "[method]connection.unbind" (func $event) (func (param "self" (borrow $exported)))))
  (instance $handler (instantiate $handler
    (with "connection" (type $connection))
    (with "make" (func $make))
    (with "event" (func $event))))
  (export "sandloop:plugin/handler@0.1.0" (instance $handler)))
"#;

#[test]
fn a_missing_configuration() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    refused(
        &dir,
        CONFIG,
        "plugins.toml: cannot be read: No such file or directory (os error 2); name a file \
         that exists and is readable",
    );
}

#[test]
fn a_missing_component_file() {
    let dir = with_toml(
        r#"
[plugins.echo]
component = "nowhere/echo.wasm"

[[listen]]
address = "tcp://127.0.0.1:0"
plugin = "echo"
"#,
    );
    refused(
        &dir,
        PLUGIN,
        "plugins.toml:2: plugins.echo.component: nowhere/echo.wasm: No such file or directory (os error 2); \
         build the component or correct the path, which starts at the folder of the configuration file",
    );
}

#[test]
fn a_component_that_is_not_wasm() {
    let dir = with_component(b"#!/bin/sh\necho helo\n");
    refused(
        &dir,
        PLUGIN,
        "plugins.toml:2: plugins.echo.component: echo.wasm: not a WebAssembly file; give a compiled component",
    );
}

#[test]
fn a_component_cut_short() {
    let bytes = wat::parse_str(OTHER_WORLD).expect("the text is right");
    let dir = with_component(&bytes[..bytes.len() - 1]);
    refused(
        &dir,
        PLUGIN,
        "plugins.toml:2: plugins.echo.component: echo.wasm: not a valid component: failed to parse WebAssembly \
         module: unexpected end-of-file (at offset 0x88); build it again",
    );
}

#[test]
fn a_core_module() {
    refused(
        &with_wat(CORE_MODULE),
        PLUGIN,
        "plugins.toml:2: plugins.echo.component: echo.wasm: a core module, not a component; build for \
         wasm32-wasip2, or name it as `output` of a section `build`: `sandloop build` makes a component of it",
    );
}

#[test]
fn the_wrong_world() {
    refused(
        &with_wat(OTHER_WORLD),
        PLUGIN,
        &not_a_plugin(&format!(
            "it does not export sandloop:plugin/handler@{}, which every plugin must",
            contract::version()
        )),
    );
}

#[test]
fn another_version_of_the_contract() {
    refused(
        &with_wat(OTHER_VERSION),
        PLUGIN,
        &not_a_plugin(&format!(
            "it exports sandloop:plugin/handler@7.0.0, but this host speaks sandloop:plugin@{}",
            contract::version()
        )),
    );
}

#[test]
fn a_missing_export() {
    refused(
        &with_wat(MISSING_EXPORT),
        PLUGIN,
        &not_a_plugin("its sandloop:plugin/handler@0.1.0 lacks [method]connection.drained"),
    );
}

/// Its parameters are not those of the contract.
#[test]
fn an_export_of_another_type() {
    refused(
        &with_wat(&with_every_name()),
        PLUGIN,
        &not_a_plugin(&format!(
            "its sandloop:plugin/handler@{} does not fit: failed to convert function to given type: type \
             mismatch with parameters: expected 2-tuple, found 0-tuple",
            contract::version()
        )),
    );
}

#[test]
fn a_handler_that_the_plugin_does_not_have() {
    let config = Config::new()
        .plugin(Plugin::new("echo"))
        .listen(Listen::tcp("echo").key("handler", "\"ecko\""));
    let line = line_of(&config, "[[listen]]");
    refused(
        &with_toml(&config.to_toml()),
        PLUGIN,
        &format!(
            "plugins.toml:{line}: listen[0].handler: plugin \"echo\" has no handler \"ecko\"; name one of \"echo\""
        ),
    );
}

#[test]
fn an_import_that_the_host_does_not_have() {
    let import =
        r#"(component (import "sandloop:plugin/oracle@0.1.0" (instance (export "ask" (func))))"#;
    refused(
        &with_wat(&with_every_name().replacen("(component", import, 1)),
        PLUGIN,
        &not_a_plugin(&format!(
            "it imports sandloop:plugin/oracle@0.1.0, which sandloop:plugin@{} does not have",
            contract::version()
        )),
    );
}

#[test]
fn an_unknown_key() {
    refused_as_in_case("unknown-plugin-key");
}

#[test]
fn a_bad_address() {
    refused_as_in_case("address-without-scheme");
}

#[test]
fn a_duplicate_listener() {
    refused_as_in_case("address-twice");
}

#[test]
fn an_undeclared_plugin() {
    refused_as_in_case("plugin-not-declared");
}

#[test]
fn a_limit_out_of_range() {
    refused_as_in_case("memory-too-small");
}

/// The other listener of the file comes first and would be free.
#[test]
fn a_port_in_use() {
    let taken = Server::tcp();
    let config = Config::serving(Plugin::new("echo"))
        .listen(Listen::at(&format!("tcp://{}", taken.address()), "echo"));
    let dir = with_toml(&config.to_toml());
    let outcome = start(&dir);
    let line = line_of(&config, taken.address()) - 1;
    assert_eq!(
        outcome.refusal(),
        format!(
            "error: plugins.toml:{line}: listen[1].address: tcp://{}: another process has this address; stop it or \
             choose another port\n",
            taken.address()
        )
    );
    assert_eq!(outcome.code, Some(ADDRESS));
    assert_opened_nothing(&dir);
}

#[test]
fn a_unix_path_held_by_a_live_server() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("held.sock");
    let held = Server::unix(&path);
    let config = Config::new().plugin(Plugin::new("echo")).listen(Listen::unix(&path, "echo"));
    fs::write(dir.path().join("plugins.toml"), config.to_toml()).expect("a new file");
    let outcome = start(&dir);
    let line = line_of(&config, "unix://") - 1;
    assert_eq!(
        outcome.refusal(),
        format!(
            "error: plugins.toml:{line}: listen[0].address: unix://{}: a live server answers at this path; stop it or \
             choose another path\n",
            path.display()
        )
    );
    assert_eq!(outcome.code, Some(ADDRESS));
    assert_opened_nothing(&dir);
    // The live server still has its path. The host has connected to check that it is alive.
    drop(held.accept());
    let mut client = Peer::connect(&format!("unix://{}", path.display()));
    held.accept().send("still here\n");
    client.expect("still here\n");
}

#[test]
fn a_unix_path_held_by_a_file_that_is_no_socket() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("diary");
    fs::write(&path, "dear diary").expect("a new file");
    let config = Config::new().plugin(Plugin::new("echo")).listen(Listen::unix(&path, "echo"));
    fs::write(dir.path().join("plugins.toml"), config.to_toml()).expect("a new file");
    let outcome = start(&dir);
    let line = line_of(&config, "unix://") - 1;
    assert_eq!(
        outcome.refusal(),
        format!(
            "error: plugins.toml:{line}: listen[0].address: unix://{}: something that is not a socket stands at this \
             path; move it or choose another path\n",
            path.display()
        )
    );
    assert_eq!(outcome.code, Some(ADDRESS));
    assert_eq!(fs::read_to_string(&path).expect("the file is there"), "dear diary");
}

/// The remains of a crashed host do not prevent the next start.
#[test]
fn a_unix_path_left_by_a_dead_server_is_taken_over() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("left.sock");
    drop(Server::unix(&path));
    assert!(path.exists());
    let config = Config::new().plugin(Plugin::new("echo")).listen(Listen::unix(&path, "echo"));
    let host = Host::start_in(dir, &config);
    host.connect("echo").expect_echo("helo\n");
}

#[test]
fn a_command_that_does_not_exist() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let outcome = sandloop_tests::sandloop(dir.path(), &["serve"]);
    assert_eq!(outcome.code, Some(CONFIG), "{outcome:?}");
    assert!(outcome.stderr.starts_with("error: "), "{}", outcome.stderr);
}

#[test]
fn help_is_for_a_person() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let outcome = sandloop_tests::sandloop(dir.path(), &["--help"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(outcome.stderr, "");
    for word in ["run", "check", "compile", "inspect", "plugins.toml", "Exit codes"] {
        assert!(outcome.stdout.contains(word), "`{word}` is not in\n{}", outcome.stdout);
    }
}

/// The loader's message for a component that does not fit the contract.
fn not_a_plugin(fault: &str) -> String {
    format!(
        "plugins.toml:2: plugins.echo.component: echo.wasm: not a Sandloop plugin: {fault}; `sandloop \
         inspect` shows what it is"
    )
}

/// `run` refuses a case of the configuration with the message that `check` is tested for.
#[track_caller]
fn refused_as_in_case(case: &str) {
    let case = workspace().join("tests/cases/invalid").join(case);
    let read = |file: &str| {
        let path = case.join(file);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    refused(&with_toml(&read("plugins.toml")), CONFIG, read("error.txt").trim_end());
}

/// The start ends with this message and code, from `run` and from `check` alike, without a port.
#[track_caller]
fn refused(dir: &TempDir, code: i32, message: &str) {
    let expected = format!("error: {message}\n");
    let outcome = start(dir);
    assert_eq!(outcome.refusal(), expected);
    assert_eq!(outcome.stdout, "");
    assert_eq!(outcome.code, Some(code));
    assert_opened_nothing(dir);
    let checked = sandloop_tests::sandloop(dir.path(), &["check", "plugins.toml"]);
    let parts = |it: &Outcome| (it.code, it.stdout.clone(), it.refusal());
    assert_eq!(parts(&checked), parts(&outcome), "check and run disagree");
}

/// Runs the host under strace, which logs every port that it opens.
fn start(dir: &TempDir) -> Outcome {
    let mut strace = Command::new("strace");
    strace
        .args(["--quiet=all", "-f", "-e", "trace=listen", "-e", "status=successful", "-o"])
        .arg(calls(dir.path()))
        .arg(paths::binary())
        .args(["run", "plugins.toml"])
        .env_remove("SANDLOOP_LOG")
        .env_remove("RUST_BACKTRACE")
        .current_dir(dir.path());
    finish(strace)
}

#[track_caller]
fn assert_opened_nothing(dir: &TempDir) {
    let calls = fs::read_to_string(calls(dir.path())).expect("strace has written its file");
    assert!(!calls.contains("listen("), "a port was opened:\n{calls}");
}

/// The number of the line of the file that contains these words, from 1.
fn line_of(config: &Config, words: &str) -> usize {
    let toml = config.to_toml();
    1 + toml.lines().position(|line| line.contains(words)).expect("the file says so")
}

fn calls(dir: &Path) -> PathBuf {
    dir.join("strace")
}

fn with_toml(toml: &str) -> TempDir {
    let (dir, _) = sandloop_tests::host::directory(toml);
    dir
}

/// A component with every name of the contract, and with other types.
fn with_every_name() -> String {
    let unbind = r#"(export "[method]connection.unbind""#;
    let drained = r#"(export "[method]connection.drained" (func $event)
      (func (param "self" (borrow $exported))))"#;
    MISSING_EXPORT.replace(unbind, &format!("{drained}\n    {unbind}"))
}

fn with_wat(text: &str) -> TempDir {
    with_component(&wat::parse_str(text).expect("the text is right"))
}

fn with_component(bytes: &[u8]) -> TempDir {
    let dir = with_toml(
        r#"
[plugins.echo]
component = "echo.wasm"

[[listen]]
address = "tcp://127.0.0.1:0"
plugin = "echo"
"#,
    );
    fs::write(dir.path().join("echo.wasm"), bytes).expect("the directory takes a file");
    dir
}
