//! Components from other sources, with independent programs: Debian's `docker-registry` serves them, `minisign` signs and
//! checks them.

use std::fs;
use std::path::Path;
use std::process::Command;

use sandloop_tests::host::{Outcome, finish};
use sandloop_tests::registry::{Layout, Registry};
use sandloop_tests::{Host, Peer, component, sandloop};
use serde_json::json;

/// A key pair of minisign without a password: `release.pub` and `release.key`.
fn make_keys(dir: &Path) {
    let outcome = minisign(dir, &["-G", "-W", "-f", "-p", "release.pub", "-s", "release.key"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}

fn minisign(dir: &Path, arguments: &[&str]) -> Outcome {
    let mut command = Command::new("minisign");
    command.args(arguments).current_dir(dir);
    finish(command)
}

/// A configuration of one component, which may have to be signed.
fn config(source: &str, trust: &str) -> String {
    format!(
        "[host]\nstore = \"./store\"\n{trust}\n[plugins.it]\ncomponent = {source:?}\n\
         [[listen]]\naddress = \"tcp://127.0.0.1:0\"\nplugin = \"it\"\n"
    )
}

const TRUST: &str = "trust = [\"release.pub\"]";

/// The component is fetched before the start, and then served without the registry.
#[test]
fn a_registry_serves_both_layouts() {
    let registry = Registry::start();
    let echo = fs::read(component("echo")).expect("it is built");
    for layout in [Layout::Artefact, Layout::Image] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let name = format!("sandloop/{layout:?}").to_lowercase();
        let digest = registry.push(&name, "1.0", layout, &echo, &json!({}));
        let source = format!("oci://{}/{name}:1.0@{digest}", registry.address());
        fs::write(dir.path().join("plugins.toml"), config(&source, "")).expect("a file");
        for round in ["fetched", "in the store"] {
            let outcome = sandloop(dir.path(), &["pull"]);
            assert_eq!(outcome.code, Some(0), "{layout:?}: {}", outcome.stderr);
            let said = format!("{}{}", outcome.stdout, outcome.stderr);
            assert!(said.contains(round), "{layout:?}: {said}");
        }
        let host = Host::start_toml(dir, &config(&source, ""));
        host.connect("it").expect_echo("from a registry\n");
        host.stop();
    }
}

/// An obstacle is reported with its remedy, before a port opens.
#[test]
fn what_a_registry_does_not_have_stops_the_start() {
    let registry = Registry::start();
    let echo = fs::read(component("echo")).expect("it is built");
    let good = registry.push("echo", "1.0", Layout::Artefact, &echo, &json!({}));
    let wrong = format!("sha256:{}", "0".repeat(64));
    let no_component = registry.push("text", "1.0", Layout::Artefact, b"no component", &json!({}));
    for (source, says) in [
        (format!("echo:2.0@{good}").replace("2.0", "1.0") + "0", "sha256"),
        (format!("nothing:1.0@{good}"), "nothing"),
        (format!("echo:1.0@{wrong}"), "echo"),
        (format!("text:1.0@{no_component}"), "component"),
    ] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let source = format!("oci://{}/{source}", registry.address());
        fs::write(dir.path().join("plugins.toml"), config(&source, "")).expect("a file");
        let outcome = sandloop(dir.path(), &["check"]);
        assert!([Some(2), Some(3)].contains(&outcome.code), "{source}: {outcome:?}");
        assert!(outcome.stderr.contains(says), "{source}: {}", outcome.stderr);
    }
}

/// Signatures of either program are accepted by the other, and by the host; in a file, and in a registry.
#[test]
fn minisign_and_sandloop_believe_each_other() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path();
    make_keys(path);
    let echo = fs::read(component("echo")).expect("it is built");
    let sign_by: [(&str, &[&str]); 2] = [
        ("sandloop", &["sign", "echo.wasm", "--key", "release.key", "--comment", "by sandloop"]),
        ("minisign", &["-S", "-s", "release.key", "-m", "echo.wasm", "-t", "by minisign"]),
    ];
    for (who, arguments) in sign_by {
        fs::write(path.join("echo.wasm"), &echo).expect("a file");
        let outcome = match who {
            "sandloop" => sandloop(path, arguments),
            _ => minisign(path, arguments),
        };
        assert_eq!(outcome.code, Some(0), "{who}: {}", outcome.stderr);
        let check = minisign(path, &["-V", "-p", "release.pub", "-m", "echo.wasm"]);
        assert_eq!(check.code, Some(0), "{who}: {}", check.stderr);
        assert!(check.stdout.contains(&format!("by {who}")), "{}", check.stdout);
        let check = sandloop(path, &["verify", "echo.wasm", "--key", "release.pub"]);
        assert_eq!(check.code, Some(0), "{who}: {}", check.stderr);
        assert!(check.stdout.contains(&format!("by {who}")), "{}", check.stdout);
        fs::write(path.join("plugins.toml"), config("echo.wasm", TRUST)).expect("a file");
        assert_eq!(sandloop(path, &["check"]).code, Some(0), "{who}");
        // One more byte makes another component.
        let mut changed = echo.clone();
        changed.extend([0, 1, 0]);
        fs::write(path.join("echo.wasm"), changed).expect("a file");
        for outcome in [
            sandloop(path, &["verify", "echo.wasm", "--key", "release.pub"]),
            sandloop(path, &["check"]),
        ] {
            assert_eq!(outcome.code, Some(3), "{who}: {outcome:?}");
        }
    }
    fs::write(path.join("echo.wasm"), &echo).expect("a file");
    assert_eq!(sandloop(path, &["sign", "echo.wasm", "-k", "release.key"]).code, Some(0));
    let signature = fs::read_to_string(path.join("echo.wasm.minisig")).expect("it is there");
    let registry = Registry::start();
    let annotations = json!({ "sandloop.minisig": signature });
    let signed = registry.push("signed", "1", Layout::Artefact, &echo, &annotations);
    let unsigned = registry.push("unsigned", "1", Layout::Artefact, &echo, &json!({}));
    let at = |name: &str, digest: &str| format!("oci://{}/{name}:1@{digest}", registry.address());
    fs::write(path.join("plugins.toml"), config(&at("unsigned", &unsigned), TRUST))
        .expect("a file");
    let refused = sandloop(path, &["run"]);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(!refused.stderr.contains("serving"), "{}", refused.stderr);
    let host = Host::start_toml(dir, &config(&at("signed", &signed), TRUST));
    Peer::connect(&host.address("it")).expect_echo("signed\n");
    host.stop();
}

/// Keys that cannot sign, each with the remedy.
#[test]
fn what_cannot_sign_says_why() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path();
    make_keys(path);
    fs::write(path.join("echo.wasm"), "bytes").expect("a file");
    for (key, says) in [
        ("release.pub", "no secret key of minisign"),
        ("nothing.key", "cannot be read"),
        ("echo.wasm", "no secret key of minisign"),
    ] {
        let outcome = sandloop(path, &["sign", "echo.wasm", "--key", key]);
        assert_eq!(outcome.code, Some(2), "{key}: {outcome:?}");
        assert!(outcome.stderr.contains(says), "{key}: {}", outcome.stderr);
        assert!(!path.join("echo.wasm.minisig").exists(), "{key}");
    }
    let outcome = sandloop(path, &["sign", "nothing.wasm", "--key", "release.key"]);
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
}
