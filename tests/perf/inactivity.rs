//! How late an inactivity timeout closes a connection, beside how late this machine wakes a thread that sleeps as long.

use std::thread;
use std::time::{Duration, Instant};

use sandloop_tests::{Config, Host, Isolation, Listen, Plugin};

use crate::finding::Finding;

const TIMEOUT: Duration = Duration::from_millis(400);
/// How late it may be, in milliseconds.
const LATE_MAX: f64 = 20.0;

/// After the connection was made, and after a byte at 0.6 and at 0.9 of the timeout, where EventMachine closes at twice of
/// it.
pub fn a_timeout_is_punctual(rounds: usize) -> Vec<Finding> {
    let isolations = [Isolation::Connection, Isolation::Plugin];
    isolations.iter().flat_map(|isolation| of(*isolation, rounds)).collect()
}

fn of(isolation: Isolation, rounds: usize) -> Vec<Finding> {
    let config = Config::new()
        .plugin(Plugin::new("inactivity").isolation(isolation))
        .listen(Listen::tcp("inactivity").option("timeout", &TIMEOUT.as_millis().to_string()));
    let host = Host::start(&config);
    let moments = [None, Some(60), Some(90)];
    let finding = |part: Option<u32>| {
        let values: Vec<f64> = (0..rounds).map(|_| later(&host, part)).collect();
        let when = part.map_or("no byte".to_owned(), |part| format!("a byte at 0.{} T", part / 10));
        Finding::new(format!("{}, {when}", isolation.name()), &values, LATE_MAX, "ms late")
    };
    moments.map(finding).into()
}

/// How much later than the control a connection is closed, in milliseconds.
fn later(host: &Host, byte_at: Option<u32>) -> f64 {
    let mut peer = host.connect("inactivity");
    let mut before = Instant::now();
    if let Some(part) = byte_at {
        // Where this side oversleeps, the byte comes too late: the end is then no later than it should be.
        if peer.is_silent_for(TIMEOUT * part / 100) {
            before = Instant::now();
            peer.try_send("x");
            let _ = peer.read(&mut [0; 8]);
        }
    }
    let overslept = thread::scope(|scope| {
        let control = scope.spawn(|| {
            thread::sleep(TIMEOUT);
            before.elapsed().saturating_sub(TIMEOUT)
        });
        peer.expect_end();
        (before.elapsed(), control.join().expect("it only sleeps"))
    });
    let (took, control) = overslept;
    (took.as_secs_f64() - TIMEOUT.as_secs_f64() - control.as_secs_f64()) * 1000.0
}
