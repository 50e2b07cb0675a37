//! Many tenants that always have work waiting, each event of it short, so that no single one of them is slow.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use sandloop_tests::{Config, Host, Listen, Peer, Plugin, component};

use super::{Latency, Record, pair::Pair};

/// The echo of a host with so many such tenants, while they have nothing to do and while each has an event of `micros`
/// waiting.
pub fn beside(tenants: usize, micros: u32, time: Duration) -> (Record, Record) {
    let (host, control) = (start(tenants), start(tenants));
    let mut pair = Pair::connect(&host, &control);
    let record = |beside, (neighbour, control): (Latency, Latency), events| Record {
        beside,
        neighbour,
        control,
        events,
    };
    let alone = record(format!("{tenants} tenants at rest"), pair.echo_for(time), 0);
    let peers: Vec<Peer> = (0..tenants).map(|number| host.connect(&name(number))).collect();
    // The guest counts in rounds of about a millisecond.
    let line = format!("{}\n", f64::from(micros) / 1000.0);
    let stop = AtomicBool::new(false);
    let (found, served) = thread::scope(|scope| {
        let (stop, line) = (&stop, line.as_str());
        let eaters: Vec<_> =
            peers.into_iter().map(|peer| scope.spawn(move || eat(peer, line, stop))).collect();
        let found = pair.echo_for(time);
        stop.store(true, Ordering::Relaxed);
        (found, eaters.into_iter().map(|it| it.join().unwrap_or_default()).sum())
    });
    (alone, record(format!("{tenants} hungry tenants of {micros} us"), found, served))
}

fn start(tenants: usize) -> Host {
    let config = Config::new().plugin(Plugin::new("echo")).listen(Listen::tcp("echo"));
    let guest = component("compute");
    // A tenant each: a plugin that names none has one of its own.
    let config = (0..tenants).map(name).fold(config, |config, name| {
        config.plugin(Plugin::named(&name, &guest)).listen(Listen::tcp(&name))
    });
    Host::start(&config)
}

fn name(number: usize) -> String {
    format!("hungry{number}")
}

/// Asks again as soon as it was answered; how often it was.
fn eat(mut peer: Peer, line: &str, stop: &AtomicBool) -> u64 {
    let mut served = 0;
    while !stop.load(Ordering::Relaxed) {
        peer.send(line);
        peer.expect("done\n");
        served += 1;
    }
    served
}
