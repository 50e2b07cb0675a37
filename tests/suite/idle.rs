//! A host with nothing to do does nothing.

use std::fs;
use std::process::Command;

use sandloop_tests::host::finish;
use sandloop_tests::{Config, Host, Isolation, Peer, Plugin, alone};

each_isolation!(a_thousand_idle_connections_cost_no_system_calls);
fn a_thousand_idle_connections_cost_no_system_calls(isolation: Isolation) {
    const CONNECTIONS: usize = 1000;
    const SECONDS: &str = "10";
    const CALLS_MAX: u64 = 50;
    let _alone = alone();
    let host = Host::start(&Config::serving(Plugin::new("echo").isolation(isolation)));
    let mut peers: Vec<Peer> = (0..CONNECTIONS).map(|_| host.connect("echo")).collect();
    for peer in &mut peers {
        peer.expect_echo("helo\n");
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let summary = dir.path().join("calls");
    let mut strace = Command::new("timeout");
    strace
        .args(["--signal=INT", SECONDS, "strace", "-c", "-f", "-p", &host.pid().to_string(), "-o"])
        .arg(&summary);
    finish(strace);
    let summary = fs::read_to_string(&summary)
        .expect("strace writes a summary; `apt-get install strace` where it is missing");
    // `% time, seconds, usecs/call, calls, [errors], syscall`; the last line is the total.
    let calls: u64 =
        summary.lines().rev().find(|line| line.trim_end().ends_with("total")).map_or(0, |line| {
            line.split_whitespace().nth(3).and_then(|n| n.parse().ok()).expect("a number of calls")
        });
    println!("{calls} system calls in {SECONDS} s");
    assert!(calls <= CALLS_MAX, "{calls} system calls in {SECONDS} s:\n{summary}");
    for peer in &mut peers {
        peer.expect_echo("helo\n");
    }
}
