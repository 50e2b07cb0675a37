//! A host without free descriptors: it waits, reports that once, and continues when there are some.

use std::collections::HashSet;
use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use sandloop_tests::{Config, Host, LogLine, Peer, Plugin};

each_isolation!(without_descriptors_it_waits_and_does_not_spin);
fn without_descriptors_it_waits_and_does_not_spin(isolation: sandloop_tests::Isolation) {
    const ROOM: usize = 5;
    let host = Host::start(&Config::serving(Plugin::new("echo").isolation(isolation)));
    // A first connection, so that descriptors that are opened on demand are open.
    host.connect("echo").expect_echo("helo\n");
    let mut first = host.connect("echo");
    first.expect_echo("helo\n");
    limit_descriptors(&host, end_of_free(&host, ROOM));
    let mut peers: Vec<Peer> = (0..4 * ROOM).map(|_| host.connect("echo")).collect();
    for peer in &mut peers {
        peer.send("helo\n");
    }
    let told = |line: &LogLine| line.message().starts_with("at its limit");
    let line = host.wait_line("the limit", told);
    assert_eq!(line.field("limit"), Some("file descriptors"), "{line}");
    first.expect_echo("still here\n");
    let waiting = peers.last_mut().expect("there are some");
    let before = cpu_time(&host);
    assert!(waiting.is_silent_for(Duration::from_secs(1)), "there was room after all");
    let used = cpu_time(&host) - before;
    assert!(used < Duration::from_millis(200), "it used {used:?} of a second to wait");
    assert_eq!(host.log().iter().filter(|line| told(line)).count(), 1, "told once");
    // Each closed connection makes room for one that waits.
    for mut peer in peers {
        peer.expect("helo\n");
    }
    host.connect("echo").expect_echo("again\n");
    host.stop();
}

/// The number below which `count` descriptors are free.
fn end_of_free(host: &Host, count: usize) -> usize {
    let entries = fs::read_dir(format!("/proc/{}/fd", host.pid())).expect("the host runs");
    let names = entries.map(|entry| entry.expect("the folder can be read").file_name());
    let open: HashSet<usize> = names.filter_map(|name| name.to_str()?.parse().ok()).collect();
    let mut free = (0..).filter(|number| !open.contains(number));
    free.nth(count - 1).expect("numbers do not end") + 1
}

/// From now on no descriptor has this number or a higher one.
fn limit_descriptors(host: &Host, end: usize) {
    let pid = i32::try_from(host.pid()).ok().and_then(Pid::from_raw);
    let end = Some(end as u64);
    prlimit(pid, Resource::Nofile, Rlimit { current: end, maximum: end }).expect("it is our child");
}

/// CPU time that the host has used.
fn cpu_time(host: &Host) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", host.pid())).expect("the host runs");
    let (_, behind_name) = stat.rsplit_once(") ").expect("the name is in parentheses");
    let mut fields = behind_name.split(' ').skip(11);
    let mut ticks = || fields.next().and_then(|field| field.parse::<u64>().ok()).expect("a number");
    // A tick is a hundredth of a second on every Linux.
    Duration::from_millis((ticks() + ticks()) * 10)
}
