//! A guest that requests as much as possible of one thing: it gets the limit, and others get no less.

use std::time::Instant;

use sandloop_tests::{Config, Host, Isolation, Listen, PATIENCE, Peer, Plugin, process};

/// The subject of each flood, and the granted number.
const FLOODS: &[(&str, u32)] = &[
    ("timers", 10_000),
    ("ticks", 10_000),
    ("defers", 1000),
    ("spawns", 100),
    // 1000 bytes and 64 for each, of 1 MiB.
    ("notifies", 985),
    ("subscriptions", 1000),
    ("channels", 1000),
    // 1000 bytes and 64 for each, of 4 MiB.
    ("publishes", 3942),
    ("pushes", 3942),
    ("pops", 1000),
    ("connects", 0),
    ("logs", 50_000),
];

each_isolation!(a_flood_ends_at_its_bound_and_harms_nobody);
fn a_flood_ends_at_its_bound_and_harms_nobody(isolation: Isolation) {
    for (what, granted) in FLOODS {
        let host = flooding(what, isolation);
        let mut neighbour = host.connect("echo");
        neighbour.expect_echo("before");
        let mut flood = host.connect("hostile_flood");
        flood.send("x");
        assert_eq!(flood.line(), granted.to_string(), "{what}");
        neighbour.expect_echo("beside");
        flood.finish();
        neighbour.expect_echo("after");
        let outcome = host.stop();
        assert_eq!(outcome.code, Some(0), "{what}: {}", outcome.stderr);
    }
}

/// The resources of a flood are available to the next one, as often as it comes.
#[test]
fn what_a_flood_took_is_given_back() {
    for (what, granted) in FLOODS.iter().filter(|(what, _)| !matches!(*what, "logs" | "pushes")) {
        let host = flooding(what, Isolation::Connection);
        let once = || {
            let mut flood: Peer = host.connect("hostile_flood");
            flood.send("x");
            let line = flood.line();
            flood.finish();
            flood.expect_end();
            line
        };
        // The host releases them right after the end of the connection, so the next may come a little early.
        let begun = Instant::now();
        let mut full = 0;
        while full < 5 {
            full += u32::from(once() == granted.to_string());
            assert!(begun.elapsed() < PATIENCE, "{what}: it got all again {full} times only");
        }
        host.stop();
    }
}

each_isolation!(what_comes_to_nothing_holds_no_memory);
/// Requests of a callback are executed after it; a guest that cancels them at once must not build up a list.
fn what_comes_to_nothing_holds_no_memory(isolation: Isolation) {
    for attack in ["set-and-cancel", "kill-nobody"] {
        let plugin = Plugin::new("hostile_calls").isolation(isolation);
        let config = Config::new()
            .plugin(plugin.limit("cpu_per_event", "\"1s\""))
            .listen(Listen::tcp("hostile_calls").option("attack", attack));
        let host = Host::start(&config);
        let before = process::resident(host.pid());
        let mut peer = host.connect("hostile_calls");
        peer.send("x");
        peer.expect_closed();
        let line = host.wait_log("trapped");
        assert_eq!(line.field("limit"), Some("cpu_per_event"), "{line}");
        let grown = process::resident_peak(host.pid()).saturating_sub(before);
        println!("{attack}: {grown} bytes at the most");
        // A second of calls is millions of them.
        assert!(grown < 32 << 20, "{attack}: {grown} bytes for what comes to nothing");
        host.stop();
    }
}

fn flooding(what: &str, isolation: Isolation) -> Host {
    let plugin = Plugin::new("hostile_flood").isolation(isolation);
    let config = Config::new()
        .host("workers", "1")
        .plugin(plugin.limit("cpu_per_operation", "\"1s\"").limit("cpu_per_event", "\"10s\""))
        .plugin(Plugin::new("echo"))
        .listen(Listen::tcp("hostile_flood").option("what", what))
        .listen(Listen::tcp("echo"));
    Host::start(&config)
}
