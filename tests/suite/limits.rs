//! Bounds per second of the data and connections of a tenant, and of the data of one call. `flood.rs` has the limits that need
//! a flood.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use sandloop_tests::{Config, Host, Isolation, Listen, LogLine, Peer, Plugin};

each_isolation!(
    reading_is_bounded_by_the_second,
    writing_is_bounded_by_the_second,
    a_call_that_brings_too_much_ends_its_instance,
    too_many_handles_end_their_instance,
);

/// An echo with these bounds of its tenant, and a neighbour without.
fn bounded(isolation: Isolation, limits: &str) -> Host {
    let config = Config::new()
        .plugin(Plugin::new("echo").isolation(isolation))
        .plugin(Plugin::named("neighbour", &sandloop_tests::component("echo")))
        .listen(Listen::tcp("echo"))
        .listen(Listen::tcp("neighbour"));
    let toml = format!("{}\n[tenants.echo.limits]\n{limits}\n", config.to_toml());
    Host::start_toml(tempfile::tempdir().expect("a temporary directory"), &toml)
}

/// The bytes of one second are transferred at once, and those of each further second later; the neighbour is not delayed.
#[track_caller]
fn takes_its_time(host: Host, limit: &str) {
    let (mut peer, mut neighbour) = (host.connect("echo"), host.connect("neighbour"));
    let bytes = vec![b'x'; 300_000];
    let begun = Instant::now();
    peer.send(&bytes);
    neighbour.expect_echo(&bytes);
    let beside = begun.elapsed();
    peer.expect(&bytes);
    // The last read or write may take more than is left of its second, and the next one waits for that: it comes when 300,000
    // bytes are paid for. 100,000 are available at once; the rest takes two seconds, and never less.
    peer.expect_echo("x");
    let took = begun.elapsed();
    assert!(Duration::from_millis(1990) < took, "300,001 bytes took {took:?}");
    assert!(beside < took, "the neighbour waited for {beside:?}");
    let told = host.wait_line(limit, |line| line.field("limit") == Some(limit));
    assert_eq!(told.field("plugin"), Some("echo"), "{told}");
    assert_eq!(told.field("value"), Some("100000B"), "{told}");
    assert_ne!(told.field("connection"), None, "{told}");
    host.stop();
}

fn reading_is_bounded_by_the_second(isolation: Isolation) {
    takes_its_time(bounded(isolation, "read_per_second = 100000"), "read_per_second");
}

fn writing_is_bounded_by_the_second(isolation: Isolation) {
    takes_its_time(bounded(isolation, "write_per_second = 100000"), "write_per_second");
}

/// A wait for a rate is a deadline: the loop wakes a few times a second and not a thousand times, and the bound counts once,
/// however long the wait is.
#[test]
fn who_waits_for_a_second_does_not_poll() {
    for limit in ["write_per_second", "read_per_second"] {
        let host = bounded(Isolation::Connection, &format!("{limit} = 4096"));
        let mut peer = host.connect("echo");
        let before = voluntary_switches(host.pid());
        // Pieces of one second's bytes: a read may overdraw.
        peer.send(vec![b'x'; 4 * 4096]);
        peer.expect(vec![b'x'; 4 * 4096]);
        peer.expect_echo("and what comes then\n");
        let switches = voluntary_switches(host.pid()) - before;
        // Three seconds and more: eight wake-ups in each, and some for the sockets, the log and its reader.
        assert!(switches < 400, "{limit}: the host woke {switches} times");
        host.signal(Signal::USR1);
        let is_counted = |line: &LogLine| {
            line.message().starts_with("counted") && line.field("of") == Some(limit)
        };
        let counted = host.wait_line("the counter", is_counted);
        let count: u32 = counted.field("count").unwrap_or_default().parse().unwrap();
        assert!((1..=6).contains(&count), "{counted}");
        host.stop();
    }
}

/// How often the threads of a process have gone to sleep, except for the one that measures slices. A loop may be carried by
/// different threads.
fn voluntary_switches(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let statuses =
        tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("status")).ok());
    let counts = statuses.filter(|status| !status.starts_with("Name:\tticker\n")).map(|status| {
        let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        count.unwrap().trim().parse::<u64>().unwrap()
    });
    counts.sum()
}

#[test]
fn accepting_is_bounded_by_the_second() {
    let plugin = Plugin::new("echo").limit("accepts_per_second", "5");
    let host = Host::start(&Config::serving(plugin));
    let begun = Instant::now();
    let mut peers: Vec<Peer> = (0..10).map(|_| host.connect("echo")).collect();
    for peer in &mut peers {
        peer.expect_echo("helo\n");
    }
    let took = begun.elapsed();
    assert!(Duration::from_millis(900) < took, "10 connections took {took:?}");
    let told = host.wait_log("at its limit: not accepting for now");
    assert_eq!(told.field("limit"), Some("accepts_per_second"), "{told}");
    assert_eq!(told.field("value"), Some("5"), "{told}");
    host.stop();
}

#[test]
fn a_listener_may_turn_away_what_its_plugin_cannot_take() {
    let plugin = Plugin::new("echo").limit("connections", "1");
    let config =
        Config::new().plugin(plugin).listen(Listen::tcp("echo").key("at_capacity", "\"refuse\""));
    let host = Host::start(&config);
    let mut first = host.connect("echo");
    first.expect_echo("helo\n");
    for _ in 0..20 {
        Peer::expect_turned_away(&host.address("echo"));
    }
    let told = |line: &LogLine| line.message().starts_with("at its limit: turning away");
    host.wait_line("what is turned away", told);
    first.expect_echo("still here\n");
    drop(first);
    // Its slot is released a moment after its end.
    let begun = Instant::now();
    let answers =
        || Peer::try_connect(&host.address("echo")).map(|mut peer| peer.answers("again\n"));
    while !answers().unwrap_or(false) {
        assert!(begun.elapsed() < sandloop_tests::PATIENCE, "nobody is accepted any more");
    }
    assert_eq!(host.log().iter().filter(|line| told(line)).count(), 1, "told once");
    host.stop();
}

#[test]
fn lines_in_the_log_are_bounded_by_the_second() {
    let config = Config::serving(Plugin::new("prints"));
    let toml = format!("{}\n[tenants.prints.limits]\nlog_per_second = 2000\n", config.to_toml());
    let host = Host::start_toml(tempfile::tempdir().expect("a temporary directory"), &toml);
    let mut peer = host.connect("prints");
    peer.send("flood 1000\n");
    peer.expect("ok\n");
    // Later lines have the number of missing ones. On a busy machine some of the flood comes when there is room again, and the
    // rest is missing in parts.
    let begun = Instant::now();
    let (written, missing) = loop {
        let log = host.log();
        let written = log.iter().filter(|line| line.message().starts_with("line ")).count();
        let missing = log.iter().filter_map(left_out).sum::<usize>();
        if 1000 <= written + missing {
            break (written, missing);
        }
        assert!(begun.elapsed() < sandloop_tests::PATIENCE, "{written} lines, {missing} left out");
        peer.send("stdout\n");
        peer.expect("ok\n");
    };
    assert!(written < 500, "{written} of 1000 lines");
    assert!(500 < missing, "{missing} of 1000 lines are left out");
    host.stop();
}

/// The number of left-out lines in a line of the log.
fn left_out(line: &LogLine) -> Option<usize> {
    let told = line.message().starts_with("lines of its plugins were left out");
    told.then(|| line.field("lines").and_then(|count| count.parse().ok()).expect("a number"))
}

fn a_call_that_brings_too_much_ends_its_instance(isolation: Isolation) {
    let plugin = Plugin::new("prints").isolation(isolation).limit("call_bytes", "\"64KiB\"");
    let host = Host::start(&Config::serving(plugin));
    let mut peer = host.connect("prints");
    peer.send("log\n");
    peer.expect("ok\n");
    peer.send("long\n");
    peer.expect_closed();
    let line = host.wait_log("trapped");
    assert_eq!(line.field("limit"), Some("call_bytes"), "{line}");
    assert_eq!(line.field("value"), Some("64KiB"), "{line}");
    host.stop();
}

fn too_many_handles_end_their_instance(isolation: Isolation) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::create_dir(dir.path().join("public")).expect("a new folder");
    std::fs::write(dir.path().join("public/file"), "x").expect("a new file");
    let plugin = Plugin::new("files")
        .isolation(isolation)
        .allow("read", &["./public"])
        .limit("handles", "50");
    let host = Host::start_in(dir, &Config::serving(plugin));
    let mut peer = host.connect("files");
    peer.send("read public/file\n");
    peer.expect("x\n");
    peer.send("hold public/file 1000\n");
    peer.expect_closed();
    let line = host.wait_log("trapped");
    assert_eq!(line.field("limit"), Some("handles"), "{line}");
    host.stop();
}

#[test]
fn look_ups_are_bounded() {
    let plugin = Plugin::new("connect_trace")
        .isolation(Isolation::Plugin)
        .prints()
        .may_stop()
        .option("target", "tcp://nobody.invalid:80")
        .option("stop", "true")
        .may_connect(&["nobody.invalid:80"])
        .limit("lookups", "0");
    let outcome = Host::start(&Config::new().plugin(plugin)).wait_exit();
    assert_eq!(outcome.stdout, "0 connect limit\n", "{}", outcome.stderr);
    let told = outcome.stderr.lines().any(|line| line.contains("limit=\"lookups\" value=0"));
    assert!(told, "{}", outcome.stderr);
}
