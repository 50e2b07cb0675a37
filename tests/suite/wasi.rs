//! The system calls of a language's standard library: clocks and random numbers work, and waiting does not delay others.

use std::time::{Duration, Instant, SystemTime};

use rustix::process::Signal;
use sandloop_tests::{Config, Host, Isolation, Listen, Plugin};

each_isolation!(a_guest_that_sleeps_holds_nobody_up);
fn a_guest_that_sleeps_holds_nobody_up(isolation: Isolation) {
    let config = Config::new()
        .plugin(Plugin::new("clock").isolation(isolation))
        .plugin(Plugin::new("echo").isolation(isolation))
        .listen(Listen::tcp("clock"))
        .listen(Listen::tcp("echo"));
    let host = Host::start(&config);
    let mut sleeper = host.connect("clock");
    let mut steady = host.connect("echo");
    steady.expect_echo("helo\n");
    let start = Instant::now();
    sleeper.send("sleep 1000\n");
    let mut answered = 0;
    while sleeper.is_idle() {
        steady.expect_echo("still here\n");
        answered += u32::from(sleeper.is_idle());
    }
    let line = sleeper.line();
    let took = start.elapsed();
    assert!(Duration::from_millis(1000) <= took, "it slept for {took:?}");
    let slept: u64 = line.strip_prefix("slept ").and_then(|n| n.parse().ok()).expect("a number");
    assert!((1000..30_000).contains(&slept), "{line}");
    // A machine that stands still for most of this second lets some through.
    assert!(10 < answered, "{answered} echoes beside it");
}

each_isolation!(clocks_and_random_numbers_are_there);
fn clocks_and_random_numbers_are_there(isolation: Isolation) {
    let host = Host::start(&Config::serving(Plugin::new("clock").isolation(isolation)));
    let mut peer = host.connect("clock");
    peer.send("time\n");
    let told: u64 = peer.line().parse().expect("a number of seconds");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970");
    assert!(now.as_secs().abs_diff(told) < 60, "{told}");
    peer.send("random\n");
    let first = peer.line();
    let mut other = host.connect("clock");
    other.send("random\n");
    assert_ne!(first, other.line());
}

each_isolation!(a_guest_that_sleeps_too_long_is_ended);
fn a_guest_that_sleeps_too_long_is_ended(isolation: Isolation) {
    let sleeper = Plugin::new("hostile_sleep").isolation(isolation);
    let config = Config::new()
        .plugin(sleeper.limit("event_deadline", "\"50ms\""))
        .plugin(Plugin::new("echo").isolation(isolation))
        .listen(Listen::tcp("hostile_sleep"))
        .listen(Listen::tcp("echo"));
    let host = Host::start(&config);
    let mut steady = host.connect("echo");
    for _ in 0..3 {
        let mut sleeper = host.connect("hostile_sleep");
        sleeper.send("x");
        sleeper.expect_closed();
        steady.expect_echo("still here\n");
    }
    let line = host.wait_log("an event took too long");
    assert_eq!(line.field("limit"), Some("event_deadline"), "{line}");
    assert_eq!(line.field("plugin"), Some("hostile_sleep"), "{line}");
    host.stop();
}

each_isolation!(waits_are_counted_together);
/// A guest that alternates between computing and sleeping waits no longer than its bound in all.
fn waits_are_counted_together(isolation: Isolation) {
    let dozer = Plugin::new("hostile_doze")
        .isolation(isolation)
        .limit("event_deadline", "\"100ms\"")
        .limit("cpu_per_event", "\"10s\"");
    let host = Host::start(&Config::serving(dozer));
    let mut peer = host.connect("hostile_doze");
    peer.send("100\n");
    peer.expect_closed();
    let line = host.wait_line("the end", |line| line.level() == "ERROR");
    assert_eq!(line.field("limit"), Some("event_deadline"), "{line}");
    host.stop();
}

/// Each handler that sleeps holds a thread, so that their number is bounded for a tenant. Those beyond it wait for their turn,
/// and others do not.
#[test]
fn sleepers_have_their_bound_and_hold_nobody_up() {
    const SLEEPERS: usize = 500;
    const AT_ONCE: usize = 50;
    let config = Config::new()
        .plugin(Plugin::new("clock").key("tenant", "\"many\""))
        .tenant("many", "slow_calls", AT_ONCE.to_string())
        .plugin(Plugin::new("echo"))
        .listen(Listen::tcp("clock"))
        .listen(Listen::tcp("echo"));
    let host = Host::start(&config);
    let mut steady = host.connect("echo");
    steady.expect_echo("helo\n");
    let before = threads(host.pid());
    let mut sleepers: Vec<_> = (0..SLEEPERS).map(|_| host.connect("clock")).collect();
    for sleeper in &mut sleepers {
        sleeper.send("sleep 200\n");
    }
    let mut most = 0;
    for sleeper in &mut sleepers {
        steady.expect_echo("still here\n");
        most = most.max(threads(host.pid()));
        assert!(sleeper.line().starts_with("slept "));
    }
    // On a busy machine the threads of calls that have ended are there for a while longer. A few wait for the next first slice,
    // and are not the tenant's.
    assert!(most <= before + 2 * AT_ONCE + 8, "{before} threads became {most}");
    let line = host.wait_line("the bound", |line| line.field("limit") == Some("slow_calls"));
    assert_eq!(line.field("tenant"), Some("many"), "{line}");
    host.stop();
}

/// A guest in a host function does not notice the end of its slice, and is not interrupted there.
#[test]
fn a_guest_that_is_stuck_in_the_host_holds_nobody_up() {
    let config = Config::new()
        .host("stop_deadline", "\"100ms\"")
        .plugin(Plugin::new("prints").prints())
        .plugin(Plugin::new("echo"))
        .listen(Listen::tcp("prints"))
        .listen(Listen::tcp("echo"));
    let host = Host::start_unread(&config);
    let (mut stuck, mut steady) = (host.connect("prints"), host.connect("echo"));
    steady.expect_echo("helo\n");
    // More than a pipe holds.
    stuck.send("flood 100000\n");
    for _ in 0..100 {
        steady.expect_echo("still here\n");
        host.connect("echo").expect_echo("and new ones\n");
    }
    assert!(stuck.is_idle(), "nobody has read what it wrote");
    host.signal(Signal::TERM);
    host.wait_exit();
}

/// The threads of a process.
fn threads(pid: u32) -> usize {
    let folder = format!("/proc/{pid}/task");
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}
