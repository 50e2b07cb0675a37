//! Faults that `check` finds before any peer connects: a component that traps at its first connection, a program that is never
//! started.

use std::fs;

use sandloop_tests::{Outcome, component, sandloop};
use tempfile::TempDir;

fn project(config: &str) -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::write(dir.path().join("plugins.toml"), config).expect("a file");
    dir
}

fn serving(name: &str, keys: &str, listen: &str) -> String {
    let component = component(name);
    format!(
        "[plugins.p]\ncomponent = {component:?}\n{keys}\n[[listen]]\naddress = \"tcp://127.0.0.1:7\"\nplugin = \"p\"\n{listen}"
    )
}

fn check(config: &str, words: &[&str]) -> Outcome {
    sandloop(project(config).path(), &[&["check"], words].concat())
}

#[test]
fn what_dies_at_the_first_connection_is_told_by_a_trial() {
    for (callback, event) in [
        ("constructor", "constructor"),
        ("post_init", "post-init"),
        ("receive_data", "receive-data"),
        ("unbind", "unbind"),
    ] {
        let config =
            serving("hostile_trap", "", &format!("options = {{ callback = \"{callback}\" }}"));
        let without = check(&config, &[]);
        assert_eq!(without.code, Some(0), "{callback}: {}", without.stderr);
        let Outcome { code, stderr, .. } = check(&config, &["--try"]);
        assert_eq!(code, Some(3), "{callback}: {stderr}");
        let begin = "error: plugins.toml:1: plugins.p.component: ";
        assert!(stderr.contains(begin), "{stderr}");
        for words in [
            "its first connection at tcp://127.0.0.1:7 failed: it trapped in ",
            &format!(
                "it trapped in {event}: wasm trap: wasm `unreachable` instruction executed; its last words: "
            ),
            "on purpose",
            "; backtrace: ",
        ] {
            assert!(stderr.contains(words), "{words:?} in {stderr}");
        }
    }
}

#[test]
fn a_trial_does_no_harm() {
    let shared = "isolation = \"plugin\"";
    for (name, keys, listen) in [
        ("echo", "", ""),
        ("c_echo", "", ""),
        ("chat", shared, ""),
        ("deferred", "", ""),
        ("callbacks_trace", "", ""),
        // No port is bound, and no callback runs.
        (
            "start_server",
            "isolation = \"plugin\"\nallow = { listen = [\"127.0.0.1:8081\"], stop = true }",
            "",
        ),
        ("hostile_trap", "", "options = { callback = \"timer\" }"),
    ] {
        let Outcome { code, stdout, stderr } = check(&serving(name, keys, listen), &["--try"]);
        assert_eq!(code, Some(0), "{name}: {stderr}");
        assert!(stdout.starts_with("plugins.toml: good: "), "{stdout}");
    }
}

#[test]
fn a_program_that_nothing_starts_is_told() {
    let timers = component("timers");
    let config = |keys: &str| format!("[plugins.p]\ncomponent = {timers:?}\n{keys}");
    let told = "plugins.toml:1: never started: it exports lifecycle, which is called in the one sandbox of isolation = \"plugin\" \
                and not in those of isolation = \"connection\"";
    let Outcome { code, stderr, .. } = check(&serving("timers", "", ""), &[]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("WARN") && stderr.contains(told), "{stderr}");
    assert!(stderr.contains("under [plugins.p] in plugins.toml"), "{stderr}");
    let spawned = format!(
        "{}[plugins.q]\ncomponent = {timers:?}\nisolation = \"plugin\"\nallow = {{ spawn = [\"p\"] }}\n",
        config("")
    );
    for good in [config("isolation = \"plugin\"\n"), spawned, serving("echo", "", "")] {
        let Outcome { code, stderr, .. } = check(&good, &[]);
        assert_eq!((code, &*stderr), (Some(0), ""), "{good}");
    }
}
