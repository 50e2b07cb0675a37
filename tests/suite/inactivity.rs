//! The inactivity timeout: at T after the last byte, not at some time between T and 2 T.

use std::time::{Duration, Instant};

use sandloop_tests::{Config, Host, Isolation, Listen, Plugin, alone, once_undisturbed};

const TIMEOUT: Duration = Duration::from_millis(400);
/// How late it may be.
const SLACK: Duration = Duration::from_millis(20);

each_isolation!(a_silent_connection_is_closed_in_time);
fn a_silent_connection_is_closed_in_time(isolation: Isolation) {
    let _alone = alone();
    let host = serving(isolation);
    once_undisturbed(|| {
        let before = Instant::now();
        let mut peer = host.connect("inactivity");
        peer.expect_end();
        in_time(before)
    });
    host.wait_printed("unbind inactivity-timeout");
}

each_isolation!(every_byte_begins_it_anew);
fn every_byte_begins_it_anew(isolation: Isolation) {
    let _alone = alone();
    let host = serving(isolation);
    // 0.6 T and 0.9 T are where EventMachine closes at 2 T.
    for part in [60, 90] {
        once_undisturbed(|| {
            let mut peer = host.connect("inactivity");
            if !peer.is_silent_for(TIMEOUT * part / 100) {
                return Err("it is over before the byte".to_owned());
            }
            let before = Instant::now();
            peer.try_send("x");
            let mut buffer = [0; 8];
            match peer.read(&mut buffer) {
                Ok(1) => peer.expect_end(),
                // This side has overslept.
                other => return Err(format!("the byte came too late: {other:?}")),
            }
            in_time(before)
        });
    }
    let outcome = host.stop();
    assert!(outcome.stdout.lines().all(|line| line == "unbind inactivity-timeout"));
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

/// Late may be this machine's fault, early never.
#[track_caller]
fn in_time(before: Instant) -> Result<(), String> {
    let took = before.elapsed();
    assert!(TIMEOUT <= took, "{took:?} is before {TIMEOUT:?}");
    if took < TIMEOUT + SLACK { Ok(()) } else { Err(format!("{took:?} is late for {TIMEOUT:?}")) }
}
