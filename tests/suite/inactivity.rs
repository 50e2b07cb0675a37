//! The inactivity timeout: T after the last byte, and never before. `cargo xtask perf inactivity` measures how punctual it is.

use std::time::{Duration, Instant};

use sandloop_tests::{Config, Host, Isolation, Listen, PATIENCE, Plugin};

const TIMEOUT: Duration = Duration::from_millis(400);

each_isolation!(a_silent_connection_is_closed_in_time);
fn a_silent_connection_is_closed_in_time(isolation: Isolation) {
    let host = serving(isolation);
    let before = Instant::now();
    let mut peer = host.connect("inactivity");
    peer.expect_end();
    assert_not_early(before);
    host.wait_printed("unbind inactivity-timeout");
}

each_isolation!(every_byte_begins_it_anew);
fn every_byte_begins_it_anew(isolation: Isolation) {
    let host = serving(isolation);
    // 0.6 T and 0.9 T are where EventMachine closes at 2 T.
    for part in [60, 90] {
        let begun = Instant::now();
        // If this side has overslept, the byte comes too late and the attempt is repeated.
        while !closes_after_a_byte(&host, TIMEOUT * part / 100) {
            assert!(begun.elapsed() < PATIENCE, "the byte always comes too late");
        }
    }
    let outcome = host.stop();
    assert!(outcome.stdout.lines().all(|line| line == "unbind inactivity-timeout"));
}

/// Whether a byte that is sent after this time comes before the timeout; then the end is no earlier than the timeout later.
fn closes_after_a_byte(host: &Host, time: Duration) -> bool {
    let mut peer = host.connect("inactivity");
    if !peer.is_silent_for(time) {
        return false;
    }
    let before = Instant::now();
    peer.try_send("x");
    if !matches!(peer.read(&mut [0; 8]), Ok(1)) {
        return false;
    }
    peer.expect_end();
    assert_not_early(before);
    true
}

each_isolation!(without_a_timeout_nothing_is_closed);
fn without_a_timeout_nothing_is_closed(isolation: Isolation) {
    let plugin = Plugin::new("inactivity").isolation(isolation).prints();
    let host = Host::start(&Config::serving(plugin));
    let mut peer = host.connect("inactivity");
    assert!(peer.is_silent_for(TIMEOUT * 3));
    peer.expect_echo("still here\n");
}

fn serving(isolation: Isolation) -> Host {
    let config = Config::new()
        .plugin(Plugin::new("inactivity").isolation(isolation).prints())
        .listen(Listen::tcp("inactivity").option("timeout", &TIMEOUT.as_millis().to_string()));
    Host::start(&config)
}

#[track_caller]
fn assert_not_early(before: Instant) {
    let took = before.elapsed();
    assert!(TIMEOUT <= took, "{took:?} is before {TIMEOUT:?}");
}
