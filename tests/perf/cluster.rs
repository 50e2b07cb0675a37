//! An echo on a host whose cluster is out of reach or slow, beside one on a host without a cluster.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sandloop_tests::cable::{Cable, PEER};
use sandloop_tests::config::text;
use sandloop_tests::nats::Nats;
use sandloop_tests::{Config, Host, Listen, Plugin};

use crate::control::{Pair, beside_control};
use crate::finding::Finding;

/// Echoes of a round, and its length at least: pings and attempts to connect come meanwhile.
const ECHOES: usize = 400;
const ROUND: Duration = Duration::from_millis(300);
/// A slow link: the delay of each packet, and how many of a thousand are lost.
const DELAY: Duration = Duration::from_millis(150);
const LOST: u64 = 50;

/// While NATS is out of reach, and while each packet to it is late or lost, the 99th percentile is at most twice that of the control,
/// or two slices. Both hosts push to a channel meanwhile, as fast as they answer.
pub fn a_partition_delays_no_echo(rounds: usize) -> Vec<Finding> {
    let Some(cable) = Cable::lay(1500) else { return Vec::new() };
    let nats = cable.at_peer(|| Nats::start_at(&[PEER], ""));
    let (host, control) = cable.at_host(|| (Host::start(&shared(&nats)), Host::start(&config())));
    host.wait_log("connected to NATS");
    let mut echo = cable.at_host(|| Pair::connect(&host, &control));
    let mut measure = |name: &str| {
        let stop = AtomicBool::new(false);
        let found = thread::scope(|scope| {
            for pushes in [&host, &control] {
                let mut peer = cable.at_host(|| pushes.connect("channels"));
                let stop = &stop;
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        peer.send("push room a-line-of-a-chat\ncount room\n");
                        // A refusal is a line of its own before it.
                        while peer.line().starts_with("limit") {}
                    }
                });
            }
            let mut round = || {
                let begun = Instant::now();
                echo.while_(|done| done < ECHOES || begun.elapsed() < ROUND)
            };
            let found: Vec<_> = (0..rounds).map(|_| round()).collect();
            stop.store(true, Ordering::Relaxed);
            found
        });
        beside_control(name, &found)
    };
    let connected = measure("connected");
    cable.delay(DELAY);
    cable.lose(LOST);
    let slow = measure("a slow link");
    cable.cut();
    let apart = measure("apart");
    vec![connected, slow, apart]
}

fn config() -> Config {
    let plugins = ["echo", "channels"];
    plugins.into_iter().fold(Config::new(), |config, name| {
        config.plugin(Plugin::new(name)).listen(Listen::tcp(name))
    })
}

fn shared(nats: &Nats) -> Config {
    config()
        .sharing("channels", "channels", text("cluster"))
        .cluster("nats", nats.urls())
        .cluster("ping", text("500ms"))
        .cluster("connect_deadline", text("1s"))
}
