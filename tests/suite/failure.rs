//! A plugin that traps: what its peers see, when it is quarantined, and how it is resumed.

use rustix::process::Signal;
use sandloop_tests::{Config, Host, Isolation, Listen, LogLine, Peer, Plugin};

each_isolation!(peers_see_what_the_operator_chose, a_plugin_that_keeps_trapping_is_quarantined);

fn trapping(isolation: Isolation) -> Plugin {
    Plugin::new("hostile_trap").isolation(isolation)
}

/// A connection whose handler has trapped.
fn trapped(host: &Host) -> Peer {
    let mut peer = host.connect("hostile_trap");
    peer.send("x\n");
    peer
}

fn peers_see_what_the_operator_chose(isolation: Isolation) {
    let host = Host::start(&Config::serving(trapping(isolation)));
    trapped(&host).expect_end();
    host.stop();

    let plugin = trapping(isolation).key("farewell", "\"421 try later\\r\\n\"");
    let host = Host::start(&Config::serving(plugin));
    let mut peer = trapped(&host);
    peer.expect("421 try later\r\n");
    peer.expect_end();
    host.stop();

    let host = Host::start(&Config::serving(trapping(isolation).key("on_trap", "\"reset\"")));
    let mut buffer = [0; 16];
    let error = trapped(&host).read(&mut buffer).expect_err("a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let line = host.wait_log("trapped");
    assert_eq!(line.field("count"), Some("1"), "{line}");
    assert_eq!(line.field("strikes"), Some("1"), "{line}");
    assert_eq!(line.field("version").map(str::len), Some(12), "{line}");
    host.stop();
}

fn a_plugin_that_keeps_trapping_is_quarantined(isolation: Isolation) {
    let config = Config::new()
        .plugin(trapping(isolation).limit("traps", "3"))
        .plugin(Plugin::new("echo"))
        .listen(Listen::tcp("hostile_trap").key("at_capacity", "\"refuse\""))
        .listen(Listen::tcp("echo"));
    let host = Host::start(&config);
    for _ in 0..3 {
        trapped(&host).expect_end();
    }
    let quarantined = |line: &LogLine| line.message().starts_with("quarantined");
    let line = host.wait_line("the quarantine", quarantined);
    assert_eq!(line.field("plugin"), Some("hostile_trap"), "{line}");
    // It has no more instances, and so no more traps.
    for _ in 0..3 {
        Peer::expect_turned_away(&host.address("hostile_trap"));
    }
    host.connect("echo").expect_echo("helo\n");
    let traps = || host.log().iter().filter(|line| line.message().starts_with("trapped")).count();
    assert_eq!(traps(), 3);

    host.signal(Signal::HUP);
    host.wait_log("not quarantined any more");
    trapped(&host).expect_end();
    host.wait_lines("traps", 4, |line| line.message().starts_with("trapped"));
    host.stop();
}

/// A program that traps at each start is quarantined, the host continues, and SIGHUP starts the program again.
#[test]
fn a_quarantined_program_waits_for_its_operator() {
    let plugin = Plugin::new("ticks_order")
        .isolation(Isolation::Plugin)
        .limit("ticks", "1")
        .limit("traps", "1");
    let host = Host::start(&Config::new().plugin(plugin));
    host.wait_line("the quarantine", |line| line.message().starts_with("quarantined"));
    host.signal(Signal::HUP);
    host.wait_lines("traps", 2, |line| line.message().starts_with("trapped"));
    host.wait_lines("quarantines", 2, |line| line.message().starts_with("quarantined"));
    let outcome = host.stop();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}

/// One program refuses to start; the echo beside it is not affected.
#[test]
fn a_failed_start_does_not_stop_the_others() {
    let config = Config::serving(Plugin::new("echo"))
        .plugin(Plugin::new("start_fails").isolation(Isolation::Plugin));
    let host = Host::start(&config);
    host.wait_log("start failed");
    host.connect("echo").expect_echo("helo\n");
    host.stop();
}
