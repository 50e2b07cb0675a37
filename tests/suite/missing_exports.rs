//! A call whose answer needs an export that the component lacks is reported once, with the export to add.

use std::fs;

use sandloop_tests::{component, sandloop};

/// The component without an interface that it exports: it is renamed to another name of the same length.
fn without(name: &str, interface: &str) -> Vec<u8> {
    let mut bytes = fs::read(component(name)).expect("a component");
    let named = format!("sandloop:plugin/{interface}@");
    let mut other = named.clone().into_bytes();
    let last = other.len() - 2;
    other[last] = b'q';
    let places = bytes.windows(named.len()).enumerate();
    let places: Vec<usize> =
        places.filter(|(_, it)| *it == named.as_bytes()).map(|(place, _)| place).collect();
    assert!(!places.is_empty(), "{name} has no {interface}");
    for place in places {
        bytes[place..place + other.len()].copy_from_slice(&other);
    }
    bytes
}

/// The log line about the guest `name`, which lacks `interface`, when it is sent a line.
fn told(name: &str, interface: &str, keys: &str, listen: &str, transcript: &str) -> String {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).expect("a file");
    write("guest.wasm", &without(name, interface));
    let listen = if listen.is_empty() {
        String::new()
    } else {
        format!("[[listen]]\naddress = \"tcp://127.0.0.1:1\"\nplugin = \"p\"\n{listen}")
    };
    let config = format!("[plugins.p]\ncomponent = \"guest.wasm\"\n{keys}\n{listen}");
    write("plugins.toml", config.as_bytes());
    write("one.transcript", transcript.as_bytes());
    let outcome = sandloop(dir.path(), &["test", "one.transcript"]);
    assert_eq!(outcome.code, Some(1), "{}{}", outcome.stdout, outcome.stderr);
    outcome.stdout
}

#[test]
fn every_call_that_needs_an_export_names_it() {
    let version = sandloop_tests::contract::version();
    let flood = |what: &str| format!("options = {{ what = \"{what}\" }}");
    let program = "isolation = \"plugin\"\nallow = { stop = true }";
    let gate = "handler = \"gate\"\noptions = { verify = \"both\", at = \"post_init\" }".to_owned();
    for (guest, interface, call, keys, listen) in [
        ("hostile_flood", "timers-handler", "timers.add-timer", "", flood("timers")),
        ("timers", "timers-handler", "timers.add-periodic-timer", program, String::new()),
        ("hostile_flood", "ticks-handler", "reactor.next-tick", "", flood("ticks")),
        ("hostile_flood", "operations", "deferred.defer", "", flood("defers")),
        ("hostile_flood", "deferred-handler", "deferred.defer", "", flood("defers")),
        ("hostile_flood", "processes-handler", "processes.spawn", "", flood("spawns")),
        ("hostile_flood", "mailbox", "processes.spawn", "", flood("spawns")),
        ("hostile_flood", "subscriptions", "channels.subscribe", "", flood("subscriptions")),
        ("hostile_flood", "queues-handler", "queues.pop", "", flood("pops")),
        ("tls_starts", "tls-handler", "tls.start-tls", "", gate),
        (
            "cluster_processes",
            "cluster-processes-handler",
            "cluster-processes.spawn",
            "",
            flood("nothing"),
        ),
        ("watch", "watch-handler", "watching.watch-file", "", flood("nothing")),
    ] {
        // A command of the guest; the others do the same on any input.
        let transcript = match guest {
            _ if listen.is_empty() => "! stopped\n",
            "cluster_processes" => "> spawn counter - x\n! stopped\n",
            _ => "> watch data\n! stopped\n",
        };
        let said = told(guest, interface, keys, &listen, transcript);
        let line = format!(
            "WARN  p: unsupported\n        call: {call}\n        remedy: export sandloop:plugin/{interface}@{version} in the \
             component's world\n"
        );
        assert_eq!(said.matches(&line).count(), 1, "{guest} without {interface}: {said}");
    }
}
