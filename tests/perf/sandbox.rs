//! An echo beside a handler that computes.

use std::time::Duration;

use sandloop_tests::{Config, Host, Isolation, Listen, Plugin};

use crate::control::{P99, Pair, told};
use crate::finding::Finding;

/// How much longer an echo may take beside long work, in milliseconds: some slices.
const LATER_MAX: f64 = 10.0;

/// In both isolations.
pub fn long_work_delays_nobody(rounds: usize) -> Vec<Finding> {
    [Isolation::Connection, Isolation::Plugin].map(|isolation| beside(isolation, rounds)).into()
}

fn beside(isolation: Isolation, rounds: usize) -> Finding {
    let config = Config::new()
        .plugin(Plugin::new("compute").isolation(isolation).limit("cpu_per_event", "\"30s\""))
        .plugin(Plugin::new("echo").isolation(isolation))
        .listen(Listen::tcp("compute"))
        .listen(Listen::tcp("echo"));
    let (host, control) = (Host::start(&config), Host::start(&config));
    let mut worker = host.connect("compute");
    let mut pair = Pair::connect(&host, &control);
    let mut round = || {
        // Some 300 ms.
        worker.send("300\n");
        let found = pair.while_(|_| worker.is_idle());
        worker.expect("done\n");
        found
    };
    let found: Vec<P99> = (0..rounds).map(|_| round()).collect();
    let later = |round: &P99| milliseconds(round.measured) - milliseconds(round.control);
    let values: Vec<f64> = found.iter().map(later).collect();
    let echoes: usize = found.iter().map(|round| round.count).sum();
    let note = format!("{}, {echoes} echoes", told(&found));
    Finding::new(isolation.name(), &values, LATER_MAX, "ms more").note(note)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
