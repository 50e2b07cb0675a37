//! Much at once: timers and deferred work.

use std::time::Instant;

use sandloop_tests::{Config, Host, Listen, Peer, Plugin};

use crate::control::{P99, Pair, told};
use crate::finding::Finding;

/// Echoes that a round must have to say something of their 99th percentile.
const ECHOES_MIN: usize = 100;

pub fn ask(peer: &mut Peer, line: &str) -> String {
    peer.send(format!("{line}\n"));
    peer.line()
}

/// An echo beside a thousand operations on two workers answers as fast as on an idle host, or half as fast.
pub fn a_thousand_defers_do_not_slow_an_echo(rounds: usize) -> Vec<Finding> {
    let config = Config::serving(Plugin::new("load"))
        .plugin(Plugin::new("echo"))
        .listen(Listen::tcp("echo"))
        .host("workers", "2");
    let (host, control) = (Host::start(&config), Host::start(&config));
    let mut load = host.connect("load");
    let mut pair = Pair::connect(&host, &control);
    let mut round = || {
        assert_eq!(ask(&mut load, "work 1000"), "asked");
        // Not one of them after the work is done: what is measured is beside it.
        let found = pair.while_(|_| load.is_idle());
        load.expect("done\n");
        assert!(ECHOES_MIN <= found.count, "{} echoes are too few", found.count);
        found
    };
    let found: Vec<P99> = (0..rounds).map(|_| round()).collect();
    let values: Vec<f64> = found.iter().map(P99::ratio).collect();
    vec![Finding::new("p99 of an echo", &values, 2.0, "times the control").note(told(&found))]
}

/// 10,000 timers are armed and cancelled in less than a second.
pub fn timers_are_armed_and_cancelled(rounds: usize) -> Vec<Finding> {
    let host = Host::start(&Config::serving(Plugin::new("load")));
    let mut peer = host.connect("load");
    assert_eq!(ask(&mut peer, "churn 10000"), "done");
    let mut round = || {
        let begun = Instant::now();
        assert_eq!(ask(&mut peer, "churn 10000"), "done");
        begun.elapsed().as_secs_f64()
    };
    let values: Vec<f64> = (0..rounds).map(|_| round()).collect();
    vec![Finding::new("10,000 timers", &values, 1.0, "s")]
}
