//! Versions of the contract: a component for an earlier one is served, one for a later one is not.

use std::fs;

use sandloop_tests::hostile::wat::timed_echo;
use sandloop_tests::{Config, Host, Plugin, contract, sandloop};

/// A change of an earlier version would break its plugins, even if new ones work.
#[test]
fn what_earlier_versions_had_is_unchanged() {
    let now = contract::interfaces(&contract::current());
    let earlier = contract::earlier_versions();
    assert!(earlier.contains(&"0.1.0".to_owned()), "{earlier:?}");
    for version in earlier {
        let then = contract::interfaces(&contract::earlier(&version));
        assert!(10 < then.len(), "{version}: where are its interfaces?");
        for (name, had) in then {
            let has = now.iter().find(|(it, _)| *it == name).map(|(_, has)| has);
            assert_eq!(Some(&had), has, "`{name}` of {version} is another");
        }
    }
}

#[test]
fn what_is_built_for_an_earlier_version_is_served() {
    for version in contract::earlier_versions() {
        let built = timed_echo(contract::earlier(&version));
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("earlier.wasm");
        fs::write(&file, built).expect("a new file");

        let inspected = sandloop(dir.path(), &["inspect", "earlier.wasm"]);
        assert_eq!(inspected.code, Some(0), "{inspected:?}");
        for line in [
            format!("world:    sandloop:plugin/minimal@{version} with timers-handler"),
            format!(
                "contract: {version}; this host has {}, which has all of it",
                contract::version()
            ),
            format!("exports:  sandloop:plugin/handler@{version}"),
        ] {
            assert!(inspected.stdout.lines().any(|it| it == line), "`{line}`: {inspected:?}");
        }

        let host = Host::start(&Config::serving(Plugin::named("earlier", &file)));
        let mut peer = host.connect("earlier");
        peer.expect_echo("an old friend");
        peer.send("time");
        peer.expect("timetick\n");
        peer.send("\n");
        peer.expect("\nbye\n");
        peer.expect_end();
    }
}

#[test]
fn what_is_built_for_this_version_is_served_the_same() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("now.wasm");
    fs::write(&file, timed_echo(contract::current())).expect("a new file");
    let inspected = sandloop(dir.path(), &["inspect", "now.wasm"]);
    assert!(inspected.code == Some(0) && !inspected.stdout.contains("contract:"), "{inspected:?}");
    let host = Host::start(&Config::serving(Plugin::named("now", &file)));
    let mut peer = host.connect("now");
    peer.send("time");
    peer.expect("timetick\n");
}

/// Every name of a component has the version, so that no import is looked up in vain.
#[test]
fn what_is_built_for_a_later_version_is_refused_with_both_names() {
    let now = contract::version();
    let (line, third) = now.rsplit_once('.').expect("three numbers");
    let third: u32 = third.parse().expect("a number");
    let (_, second) = line.split_once('.').expect("three numbers");
    let second: u32 = second.parse().expect("a number");
    let later = [format!("{line}.{}", third + 1), format!("0.{}.0", second + 1), "1.0.0".into()];
    for version in later {
        let built = timed_echo(contract::renamed("0.1.0", &version));
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("later.wasm");
        fs::write(&file, built).expect("a new file");
        for words in [&["inspect", "later.wasm"][..], &["check"][..]] {
            let config = Config::serving(Plugin::named("later", &file));
            fs::write(dir.path().join("plugins.toml"), config.to_toml()).expect("a new file");
            let outcome = sandloop(dir.path(), words);
            assert_eq!(outcome.code, Some(3), "{outcome:?}");
            let said = format!("{}{}", outcome.stdout, outcome.stderr);
            for (verb, name) in [
                ("imports", "sockets"),
                ("imports", "timers"),
                ("exports", "handler"),
                ("exports", "timers-handler"),
            ] {
                let words = format!(
                    "it {verb} sandloop:plugin/{name}@{version}, but this host speaks sandloop:plugin@{now}"
                );
                assert!(said.contains(&words), "`{words}` is not in\n{said}");
            }
        }
    }
}
