//! An echo on a host whose cluster is out of reach or slow, beside one on a host without a cluster.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
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
                let address = pushes.address("channels").replace("tcp://", "");
                let stream = cable.at_host(|| TcpStream::connect(address));
                let (stream, stop) = (stream.expect("a host that listens"), &stop);
                scope.spawn(move || push_until(stop, stream));
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

/// Pushes a line after each answer. Where the outbox is full there is none: the host does not read from who fills it.
fn push_until(stop: &AtomicBool, mut stream: TcpStream) {
    stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a time that is not zero");
    let mut answer = [0; 256];
    while !stop.load(Ordering::Relaxed) {
        stream.write_all(b"push room a-line-of-a-chat\ncount room\n").expect("a host that runs");
        while !stop.load(Ordering::Relaxed) && stream.read(&mut answer).is_err() {}
    }
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
