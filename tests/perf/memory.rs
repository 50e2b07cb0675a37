//! Resident memory: what comes back is used again.

use std::time::Instant;

use sandloop_tests::{Config, Host, Isolation, Listen, PATIENCE, Peer, Plugin, process};

use crate::finding::Finding;
use crate::load::ask;

const MIB: f64 = (1 << 20) as f64;

/// How much resident memory has grown meanwhile, in MiB.
fn growth(host: &Host, meanwhile: impl FnOnce()) -> f64 {
    let before = process::resident(host.pid());
    meanwhile();
    process::resident(host.pid()).saturating_sub(before) as f64 / MIB
}

/// A hundred thousand timers, armed and cancelled, leave nothing.
pub fn cancelled_timers(rounds: usize) -> Vec<Finding> {
    let host = Host::start(&Config::serving(Plugin::new("load")));
    let mut peer = host.connect("load");
    let mut churn = |times: u32| {
        for _ in 0..times {
            assert_eq!(ask(&mut peer, "churn 10000"), "done");
        }
    };
    churn(5);
    let values: Vec<f64> = (0..rounds).map(|_| growth(&host, || churn(10))).collect();
    vec![Finding::new("100,000 timers", &values, 0.2, "MiB more")]
}

/// A channel's messages wait within its bound while a hundred subscribers get 2,000 each.
pub fn subscribers(rounds: usize) -> Vec<Finding> {
    let mut findings = Vec::new();
    for isolation in [Isolation::Connection, Isolation::Plugin] {
        for reactors in ["1", "2"] {
            let values: Vec<f64> = (0..rounds).map(|_| messages(isolation, reactors)).collect();
            let what = format!("{}, {reactors} reactors", isolation.name());
            findings.push(Finding::new(what, &values, 64.0, "MiB more at the most"));
        }
    }
    findings
}

/// The most that resident memory grew by, in MiB.
fn messages(isolation: Isolation, reactors: &str) -> f64 {
    const MESSAGES: u32 = 2000;
    let plugin = Plugin::new("load").isolation(isolation);
    let host = Host::start(&Config::serving(plugin).host("reactors", reactors));
    let mut peers: Vec<Peer> = (0..100).map(|_| host.connect("load")).collect();
    for peer in &mut peers {
        assert_eq!(ask(peer, "subscribe"), "ok");
    }
    let mut pusher = host.connect("load");
    let before = process::resident(host.pid());
    pusher.send(format!("push {MESSAGES}\n"));
    for peer in &mut peers {
        assert_eq!(peer.line(), format!("{MESSAGES} in order"));
    }
    process::resident_peak(host.pid()).saturating_sub(before) as f64 / MIB
}

/// What is flooded, all that is granted of it, and given back with the connection's end.
const FLOODS: &[&str] = &[
    "timers",
    "ticks",
    "defers",
    "spawns",
    "notifies",
    "subscriptions",
    "channels",
    "publishes",
    "pops",
];

/// Twenty floods leave no more than twenty before them did. The heap has a part for each thread and sandboxes are given
/// back in batches, so that memory moves in steps; a leak moves it each time.
pub fn floods(rounds: usize) -> Vec<Finding> {
    FLOODS.iter().map(|what| flood(what, rounds)).collect()
}

fn flood(what: &str, rounds: usize) -> Finding {
    let plugin = Plugin::new("hostile_flood");
    let plugin = plugin.limit("cpu_per_operation", "\"1s\"").limit("cpu_per_event", "\"10s\"");
    let config = Config::new()
        .host("workers", "1")
        .plugin(plugin)
        .listen(Listen::tcp("hostile_flood").option("what", what));
    let host = Host::start(&config);
    let batch = || {
        let begun = Instant::now();
        for _ in 0..20 {
            let mut peer = host.connect("hostile_flood");
            peer.send("x");
            peer.line();
            peer.finish();
            peer.expect_end();
            assert!(begun.elapsed() < PATIENCE, "{what}: 20 floods take longer");
        }
    };
    batch();
    let values: Vec<f64> = (0..rounds).map(|_| growth(&host, batch)).collect();
    Finding::new(what, &values, 1.0, "MiB more after 20 floods")
}
