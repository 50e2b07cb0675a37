//! A host with nothing to do does nothing: none of its threads is woken.

use std::fs;
use std::thread;
use std::time::Duration;

use sandloop_tests::{Config, Host, Isolation, Peer, Plugin};

use crate::finding::Finding;

const CONNECTIONS: usize = 1000;
const ROUND: Duration = Duration::from_secs(2);
/// Wake-ups a second.
const WAKE_UPS_MAX: f64 = 5.0;

/// A thread that makes a system call and finds nothing to do waits again, which the kernel counts; one that does not wait
/// is taken off its processor in the end, which it counts, too.
pub fn a_thousand_idle_connections_wake_nobody(rounds: usize) -> Vec<Finding> {
    [Isolation::Connection, Isolation::Plugin].map(|isolation| of(isolation, rounds)).into()
}

fn of(isolation: Isolation, rounds: usize) -> Finding {
    let host = Host::start(&Config::serving(Plugin::new("echo").isolation(isolation)));
    let mut peers: Vec<Peer> = (0..CONNECTIONS).map(|_| host.connect("echo")).collect();
    for peer in &mut peers {
        peer.expect_echo("helo\n");
    }
    // What the echoes have begun ends first.
    thread::sleep(ROUND);
    let round = |_| {
        let before = switches(host.pid());
        thread::sleep(ROUND);
        (switches(host.pid()) - before) as f64 / ROUND.as_secs_f64()
    };
    let values: Vec<f64> = (0..rounds).map(round).collect();
    for peer in &mut peers {
        peer.expect_echo("helo\n");
    }
    Finding::new(isolation.name(), &values, WAKE_UPS_MAX, "wake-ups a second")
}

/// How often threads of a process were taken off a processor.
fn switches(pid: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the host runs");
    let of = |status: &str| {
        let counts = status.lines().filter_map(|line| line.split_once("ctxt_switches:"));
        counts.filter_map(|(_, count)| count.trim().parse::<u64>().ok()).sum::<u64>()
    };
    // A thread may end meanwhile.
    let statuses =
        threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("status")).ok());
    statuses.map(|status| of(&status)).sum()
}
