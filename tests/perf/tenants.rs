//! How much of a reactor a tenant gets beside another that asks for twenty times as much.

use std::time::Instant;

use sandloop_tests::{Config, Host, Isolation, Peer, computing_tenants};

use crate::finding::Finding;

/// Twenty computations of one tenant and one of another take turns by tenant: the one has half of the reactor.
pub fn a_hungry_tenant_weighs_as_much_as_one_connection_of_another(rounds: usize) -> Vec<Finding> {
    let isolations = [Isolation::Connection, Isolation::Plugin];
    isolations.iter().flat_map(|isolation| of(*isolation, rounds)).collect()
}

fn of(isolation: Isolation, rounds: usize) -> [Finding; 2] {
    let config = computing_tenants(isolation, ["crowd", "single"]);
    let found: Vec<[f64; 2]> = (0..rounds).map(|_| round(&config)).collect();
    let [times, parts] = [0, 1].map(|which| {
        let values: Vec<f64> = found.iter().map(|round| round[which]).collect();
        values
    });
    let name = isolation.name();
    [
        // A half is twice as long; a twenty-first would be as long as all.
        Finding::new(format!("{name}, the one"), &times, 4.0, "times as long as alone"),
        Finding::new(format!("{name}, the one"), &parts, 0.5, "of the time of all"),
    ]
}

/// How many times as long as alone the one takes beside a crowd, and which part of the time of all.
fn round(config: &Config) -> [f64; 2] {
    let host = Host::start(config);
    let mut crowd: Vec<Peer> = (0..20).map(|_| host.connect("crowd")).collect();
    let mut single = host.connect("single");
    let mut work = |begun: Instant| {
        single.send("100\n");
        single.expect("done\n");
        begun.elapsed().as_secs_f64()
    };
    let alone = work(Instant::now());
    for peer in &mut crowd {
        peer.send("100\n");
    }
    let begun = Instant::now();
    let beside = work(begun);
    for peer in &mut crowd {
        peer.expect("done\n");
    }
    [beside / alone, beside / begun.elapsed().as_secs_f64()]
}
