//! `plugins.toml` from the operator's view: every wrong file in `cases/invalid` is refused with exactly the message beside it,
//! every right one in `cases/valid` is accepted.

use std::fs;
use std::path::{Path, PathBuf};

use sandloop_tests::{Host, Peer, component, sandloop, workspace};

#[test]
fn invalid_files_are_refused_in_exactly_these_words() {
    let mut wrong = String::new();
    for case in cases("invalid") {
        let expected = fs::read_to_string(case.join("error.txt"))
            .unwrap_or_else(|error| panic!("{}: error.txt: {error}", case.display()));
        let outcome = sandloop(&case, &["check", "plugins.toml"]);
        let expected = format!("error: {}\n", expected.trim_end());
        if outcome.code != Some(2) || outcome.stderr != expected || !outcome.stdout.is_empty() {
            wrong.push_str(&format!(
                "{}: exit code {:?}\n   expected {expected:?}\n        got {:?}\n     stdout {:?}\n",
                case.display(),
                outcome.code,
                outcome.stderr,
                outcome.stdout
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Steps after the configuration may still fail: a case's component need not exist.
#[test]
fn valid_files_are_not_refused() {
    for case in cases("valid") {
        let outcome = sandloop(&case, &["check", "plugins.toml"]);
        assert_ne!(outcome.code, Some(2), "{}: {}", case.display(), outcome.stderr);
    }
}

#[test]
fn the_default_configuration_is_right() {
    component("echo");
    component("pass");
    component("http-hello");
    let outcome = sandloop(workspace(), &["check", "plugins.toml"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}

/// The two commands of the README.
#[test]
fn the_default_configuration_serves_what_the_readme_says() {
    let host = Host::start_file(&workspace().join("plugins.toml"));
    let echoes = host.addresses("echo");
    assert_eq!(echoes.len(), 2, "{echoes:?}");
    assert!(echoes[0].ends_with(":10000"), "{echoes:?}");
    assert!(echoes[1].ends_with("/sandloop-echo.sock"), "{echoes:?}");
    for echo in echoes {
        Peer::connect(&echo).expect_echo("helo\n");
    }
    assert!(host.address("pass").ends_with(":10001"), "{}", host.address("pass"));
    assert!(host.address("http-hello").ends_with(":8080"), "{}", host.address("http-hello"));
    let mut peer = host.connect("pass");
    peer.send("cruel world\n");
    peer.expect("Goodbye cruel world");
}

#[test]
fn the_default_configuration_is_found_without_its_name() {
    let outcome = sandloop(Path::new("/"), &["run"]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    assert!(
        outcome.stderr.starts_with("error: plugins.toml: cannot be read: "),
        "{}",
        outcome.stderr
    );
}

#[test]
fn every_bound_is_explained() {
    let file = workspace().join("tests/cases/valid/limits/plugins.toml");
    component("echo");
    let outcome = sandloop(workspace(), &["check", "--explain", &file.display().to_string()]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let line = |key: &str| {
        let mut lines = outcome.stdout.lines().map(|line| line.split_whitespace().collect());
        lines.find(|words: &Vec<&str>| words.first() == Some(&key)).unwrap_or_default()
    };
    // A value of the file with its line, a default, and a key without a bound.
    assert_eq!(line("cpu_per_event")[..5], ["cpu_per_event", "150ms", "line", "7", "trap"]);
    assert_eq!(line("reactors")[..4], ["reactors", "1", "default", "wait"]);
    assert_eq!(line("stack")[..4], ["stack", "512KiB", "fixed", "trap"]);
    let others = sandloop(workspace(), &["check", "--explain", "plugins.toml"]).stdout;
    assert!(others.contains("cpu_per_second        no bound  default"), "{others}");
}

/// An option may be a password: no message and no log line repeats it.
#[test]
fn option_values_are_never_printed() {
    let (dir, _) = sandloop_tests::host::directory(
        r#"
        [plugins.echo]
        component = "missing.wasm"
        isolation = "plugin"
        [plugins.echo.options]
        password = "hunter2"
        "#,
    );
    for arguments in [["check", "plugins.toml"], ["run", "plugins.toml"]] {
        let outcome = sandloop(dir.path(), &arguments);
        assert_ne!(outcome.code, Some(0));
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(!said.contains("hunter2"), "{said}");
    }
}

/// The folders of one kind, by name; there is at least one.
fn cases(kind: &str) -> Vec<PathBuf> {
    let folder = workspace().join("tests/cases").join(kind);
    let mut cases: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    assert!(!cases.is_empty(), "{} holds no case", folder.display());
    cases
}
