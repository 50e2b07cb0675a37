//! The guest of `bench cluster`: every message within its window is acknowledged, over two hosts and within one.

use std::time::Instant;

use sandloop_tests::config::text;
use sandloop_tests::nats::Nats;
use sandloop_tests::{Config, Host, PATIENCE, Peer, Plugin};

use super::ask;

fn config(nats: &Nats, name: &str) -> Config {
    Config::serving(Plugin::new("cluster_load"))
        .sharing("cluster_load", "channels", text("cluster"))
        .cluster("nats", nats.urls())
        .cluster("name", text(name))
}

/// Has so many messages acknowledged, and returns how long they took: the median and the longest, in nanoseconds. `name` is the
/// run's alone: an end of another one may not know yet that its connection has ended.
fn run(name: &str, [pusher, receiver]: [&Host; 2], window: u64, every: u64) -> (u64, u64) {
    let least = 5 * window.max(200);
    let (mut pushes, mut receives) =
        (pusher.connect("cluster_load"), receiver.connect("cluster_load"));
    assert_eq!(ask(&mut receives, &format!("receive {every} {name}")), "ok");
    pushes.send(format!("push {window} {every} 64 {name}\n"));
    let begun = Instant::now();
    // A probe before the receiver is known is lost.
    while ask(&mut pushes, "probe\ntell") != "there" {
        assert!(begun.elapsed() < PATIENCE, "the receiver is not heard");
    }
    pushes.line();
    let (mut acknowledged, mut taken) = (0, (u64::MAX, 0));
    while acknowledged < least {
        assert!(begun.elapsed() < PATIENCE, "{acknowledged} of {least} are acknowledged");
        let [told, median, _, longest] = numbers(&mut pushes);
        acknowledged = told;
        assert!(acknowledged.is_multiple_of(every), "{acknowledged}");
        taken = (taken.0.min(median), taken.1.max(longest));
    }
    taken
}

fn numbers(peer: &mut Peer) -> [u64; 4] {
    let told = ask(peer, "tell");
    let numbers: Vec<u64> =
        told.split(' ').map(|word| word.parse().unwrap_or_else(|_| panic!("{told:?}"))).collect();
    numbers.try_into().unwrap_or_else(|_| panic!("{told:?}"))
}

#[test]
fn every_message_within_its_window_is_acknowledged() {
    let nats = Nats::start();
    let (one, other) = (Host::start(&config(&nats, "one")), Host::start(&config(&nats, "other")));
    for (window, every) in [(1, 1), (10, 5), (1000, 100)] {
        for (where_to, ends) in [("across", [&one, &other]), ("within", [&one, &one])] {
            let (median, longest) = run(&format!("{where_to}{window}"), ends, window, every);
            assert!(median <= longest, "{median} {longest}");
        }
    }
    one.stop();
    other.stop();
}
