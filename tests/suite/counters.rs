//! Traps, denials and reached limits are counted, and reported on request.

use rustix::process::Signal;
use sandloop_tests::{Config, Host, Listen, LogLine, Plugin};

/// The `counted` lines of a kind: their subjects and numbers.
fn counted(lines: &[LogLine], what: &str, name: &str) -> Vec<(String, String)> {
    let field = |line: &LogLine, name| line.field(name).unwrap_or_default().to_owned();
    lines
        .iter()
        .filter(|line| line.message().starts_with("counted") && line.field("what") == Some(what))
        .map(|line| (field(line, name), field(line, "count")))
        .collect()
}

#[test]
fn sigusr1_tells_what_is_in_use_and_what_was_counted() {
    let flood = Plugin::named("flood", &sandloop_tests::component("hostile_flood"));
    let config = Config::new()
        // So long that only the computation outlives it, on any slow machine.
        .host("slice", "\"20ms\"")
        .plugin(Plugin::new("hostile_trap"))
        .plugin(flood.limit("timers", "7"))
        .plugin(Plugin::new("hostile_calls"))
        .plugin(Plugin::new("compute"))
        .listen(Listen::tcp("compute"))
        .listen(Listen::tcp("hostile_trap"))
        .listen(Listen::tcp("flood").option("what", "timers"))
        .listen(Listen::tcp("hostile_calls").option("attack", "stop"));
    let host = Host::start(&config);
    for _ in 0..3 {
        let mut peer = host.connect("hostile_trap");
        peer.send("x");
        peer.expect_end();
    }
    let mut flood = host.connect("flood");
    for _ in 0..5 {
        flood.send("x");
        flood.line();
    }
    let mut calls = host.connect("hostile_calls");
    calls.send("x");
    calls.expect("done\n");

    let mut compute = host.connect("compute");
    compute.send("300\n");
    compute.expect("done\n");

    host.signal(Signal::USR1);
    let strikes = |line: &LogLine| line.field("what") == Some("strikes");
    host.wait_line("the strikes, which come last", strikes);
    let lines = host.log();
    let pair = |name: &str, count: &str| vec![(name.to_owned(), count.to_owned())];
    assert_eq!(counted(&lines, "traps", "plugin"), pair("hostile_trap", "3"));
    assert_eq!(counted(&lines, "strikes", "tenant"), pair("hostile_trap", "3"));
    // The log has reported the first one only: the others came within the second.
    assert_eq!(counted(&lines, "limits", "of"), pair("timers", "5"));
    assert_eq!(counted(&lines, "denials", "of"), pair("reactor.stop", "1"));
    let in_use = |plugin: &str| {
        let of = |line: &LogLine| {
            line.message().starts_with("in use") && line.field("plugin") == Some(plugin)
        };
        host.wait_line("what is in use", of)
    };
    assert_eq!(in_use("flood").field("connections"), Some("1"));
    assert_eq!(in_use("hostile_trap").field("connections"), Some("0"));
    assert_eq!(in_use("hostile_trap").field("service"), Some("serving"));

    let of_tenant = |line: &LogLine| {
        line.message().starts_with("in use")
            && line.field("tenant") == Some("compute")
            && line.field("plugin").is_none()
    };
    let holds = host.wait_line("what the tenant does with the loops", of_tenant);
    assert_eq!(holds.field("hand_ons"), Some("1"));
    // It may not have returned yet: its answer is sent before.
    assert!(holds.field("slow_calls").is_some_and(|calls| calls.parse::<u32>().is_ok()));
    assert!(holds.field("longest_hold").is_some_and(|longest| longest != "0ns"));

    // They are also reported at the end, without a request.
    let outcome = host.stop();
    let limits = outcome.stderr.matches("counted plugin=\"flood\"").count();
    assert_eq!(limits, 2, "{}", outcome.stderr);
}
