//! `sandloop build`: commands that make components, and core modules that become components.

use std::fs;
use std::path::Path;

use sandloop_tests::hostile::wat::{Pieces, core_module};
use sandloop_tests::{Host, Outcome, contract, sandloop};
use tempfile::TempDir;

/// A plugin that a command makes, served on a free port.
fn project(build: &str) -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::write(dir.path().join("plugins.toml"), toml(build)).expect("a new file");
    fs::write(dir.path().join("echo.core.wasm"), core_module(&echo())).expect("a new file");
    dir
}

fn toml(build: &str) -> String {
    format!(
        "[plugins.echo]\ncomponent = \"build/echo.wasm\"\n\n[plugins.echo.build]\n{build}\n\n[[listen]]\n\
         address = \"tcp://127.0.0.1:0\"\nplugin = \"echo\"\n"
    )
}

/// An echo.
fn echo() -> Pieces {
    let receive_data =
        "(call $send (global.get $socket) (local.get 1) (local.get 2) (i32.const 8))";
    Pieces { receive_data, ..Pieces::default() }
}

const COPY: &str = "command = \"cp echo.core.wasm copied.wasm\"\noutput = \"copied.wasm\"";

#[track_caller]
fn refused(dir: &Path, words: &[&str], code: i32, expected: &str) -> Outcome {
    let outcome = sandloop(dir, words);
    assert_eq!(outcome.code, Some(code), "{outcome:?}");
    let last = outcome.stderr.lines().last().unwrap_or_default();
    assert_eq!(last, format!("error: {expected}"), "{outcome:?}");
    outcome
}

#[test]
fn a_core_module_with_a_handler_alone_is_built_and_served() {
    let dir = project(COPY);
    refused(
        dir.path(),
        &["check"],
        3,
        "plugins.toml:1: plugins.echo.component: build/echo.wasm: No such file or directory (os error 2); build it: \
         `sandloop build`",
    );
    let built = sandloop(dir.path(), &["build"]);
    assert_eq!(built.code, Some(0), "{built:?}");
    assert!(built.stdout.starts_with("echo: built in "), "{built:?}");
    let text = toml(COPY);
    let host = Host::start_toml(dir, &text);
    let mut peer = host.connect("echo");
    peer.send("hello");
    peer.expect("hello");
    // A component that is served may be built again, and an unchanged one stays the same file.
    let again = sandloop(host.dir(), &["build", "plugins.toml", "echo"]);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(again.stdout.trim_end().ends_with("KiB, as before)"), "{again:?}");
    let left: Vec<_> = fs::read_dir(host.dir().join("build")).expect("a folder").collect();
    assert_eq!(left.len(), 1, "{left:?}");
    host.stop();
}

#[test]
fn sources_that_are_newer_than_what_is_tested_are_told_of() {
    let dir = project(&format!("{COPY}\nwatch = [\"*.core.wasm\"]"));
    fs::create_dir(dir.path().join("tests")).expect("a folder");
    fs::write(dir.path().join("tests/one.transcript"), "> hello\n< hello\n").expect("a file");
    assert_eq!(sandloop(dir.path(), &["build"]).code, Some(0));
    let passed = "ok      tests/one.transcript\n1 transcript: 1 passed, 0 failed\n";
    assert_eq!(sandloop(dir.path(), &["test"]).stdout, passed);
    let built = fs::metadata(dir.path().join("copied.wasm")).and_then(|it| it.modified());
    let later = built.expect("it was built") + std::time::Duration::from_secs(60);
    let source = fs::File::options().append(true).open(dir.path().join("echo.core.wasm"));
    source.and_then(|source| source.set_modified(later)).expect("a file");
    let note =
        "note    echo.core.wasm has changed since build/echo.wasm was built: `sandloop build`\n";
    assert_eq!(sandloop(dir.path(), &["test"]).stdout, format!("{note}{passed}"));
}

#[test]
fn a_component_is_taken_as_it_is() {
    let dir = project("command = \"mkdir -p build && cp echo.core.wasm build/echo.wasm\"");
    // Without `output` the command writes a module to the component's own path, where it becomes the component.
    let built = |expected: &str| {
        let built = sandloop(dir.path(), &["build"]);
        assert_eq!(built.code, Some(0), "{built:?}");
        assert!(built.stdout.trim_end().ends_with(expected), "{built:?}");
    };
    built("KiB)");
    let component = fs::read(dir.path().join("build/echo.wasm")).expect("a component");
    fs::write(dir.path().join("echo.core.wasm"), &component).expect("a file");
    // The command has written it again, with the same content.
    built("KiB, as before)");
    assert_eq!(fs::read(dir.path().join("build/echo.wasm")).expect("a component"), component);
}

#[test]
fn a_command_that_fails_is_an_error_with_its_output_and_its_code() {
    let dir = project("command = \"echo out; echo err >&2; exit 7\"");
    let outcome = refused(
        dir.path(),
        &["build"],
        1,
        "plugins.toml:5: plugins.echo.build.command: the command ended with exit code 7; its own words stand above",
    );
    assert!(outcome.stdout.contains("out") && outcome.stderr.contains("err\n"), "{outcome:?}");
    fs::write(dir.path().join("plugins.toml"), toml("command = \"no-such-compiler\""))
        .expect("a file");
    refused(
        dir.path(),
        &["build"],
        1,
        "plugins.toml:5: plugins.echo.build.command: the command ended with exit code 127, as where a program is not \
         there; `sandloop doctor` says what is missing",
    );
}

#[test]
fn what_a_command_does_not_make_is_told_and_the_component_stays() {
    let dir = project(COPY);
    assert_eq!(sandloop(dir.path(), &["build"]).code, Some(0));
    let before = fs::read(dir.path().join("build/echo.wasm")).expect("a component");
    let wrong = [
        (
            "command = \"true\"\noutput = \"nothing.wasm\"",
            "nothing.wasm: No such file or directory (os error 2); name what the command makes, from the folder of the \
             configuration file"
                .to_owned(),
        ),
        (
            "command = \"echo hello >text.wasm\"\noutput = \"text.wasm\"",
            "text.wasm: not a WebAssembly file; correct `output`, or what the command writes there".to_owned(),
        ),
        (
            "command = 'printf \"\\0asm\\1\\0\\0\\0\" >empty.wasm'\noutput = \"empty.wasm\"",
            format!(
                "empty.wasm: it exports nothing of sandloop:plugin/handler@{0}, which every plugin must; export its \
                 functions, as in `sandloop:plugin/handler@{0}#[method]connection.receive-data`, and see that the \
                 linker keeps them",
                contract::version()
            ),
        ),
    ];
    for (build, expected) in wrong {
        fs::write(dir.path().join("plugins.toml"), toml(build)).expect("a file");
        let expected = format!("plugins.toml:6: plugins.echo.build.output: {expected}");
        refused(dir.path(), &["build"], 3, &expected);
        assert_eq!(fs::read(dir.path().join("build/echo.wasm")).expect("a component"), before);
    }
}

#[test]
fn what_is_not_to_be_built_is_refused() {
    let dir = project(COPY);
    let unknown = "plugins.toml:1: plugins.ecko: there is no such plugin; did you mean `echo`?";
    refused(dir.path(), &["build", "ecko"], 2, unknown);
    let without = "[plugins.echo]\ncomponent = \"echo.wasm\"\nisolation = \"plugin\"\n";
    fs::write(dir.path().join("plain.toml"), without).expect("a new file");
    for words in [&["build", "plain.toml"][..], &["build", "plain.toml", "echo"]] {
        let nothing = "plain.toml:1: plugins.echo: nothing says how it is built; add a section `build` to the plugin, \
                       with a `command`";
        refused(dir.path(), words, 2, nothing);
    }
}
