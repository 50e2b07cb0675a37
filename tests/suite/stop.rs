//! The stop: requested by a signal or by a plugin, graceful, with a deadline, and immediate.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use sandloop_tests::{
    Config, Host, Isolation, Listen, PATIENCE, Peer, Plugin, more_than_the_kernel_holds,
};

each_isolation!(sigterm_ends_connections_in_order);
fn sigterm_ends_connections_in_order(isolation: Isolation) {
    graceful(isolation, Signal::TERM);
}

each_isolation!(sigint_ends_connections_in_order);
fn sigint_ends_connections_in_order(isolation: Isolation) {
    graceful(isolation, Signal::INT);
}

fn graceful(isolation: Isolation, signal: Signal) {
    let host = Host::start(&Config::serving(Plugin::new("echo").isolation(isolation)));
    let address = host.address("echo");
    let mut peers: Vec<Peer> = (0..20).map(|_| host.connect("echo")).collect();
    for peer in &mut peers {
        peer.expect_echo("helo\n");
    }
    host.signal(signal);
    for peer in &mut peers {
        peer.expect_end();
    }
    let outcome = host.wait_exit();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(Peer::try_connect(&address).is_err(), "somebody still listens");
}

#[test]
fn a_host_without_connections_ends_at_once() {
    let config = Config::serving(Plugin::new("echo")).host("stop_deadline", "\"1h\"");
    // Waiting for the deadline would exceed the test's time-out.
    Host::start(&config).stop();
}

each_isolation!(what_waits_in_an_outbox_is_still_sent);
fn what_waits_in_an_outbox_is_still_sent(isolation: Isolation) {
    let (host, mut peer, flood) = stalled(isolation, "60s");
    host.signal(Signal::TERM);
    host.wait_log("stopping");
    assert_eq!(peer.rest().len(), flood);
    let outcome = host.wait_exit();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stdout.ends_with("unbind stopped\n"), "{}", outcome.stdout);
}

each_isolation!(a_peer_that_does_not_read_holds_the_end_up_to_the_deadline);
fn a_peer_that_does_not_read_holds_the_end_up_to_the_deadline(isolation: Isolation) {
    let (host, _peer, _) = stalled(isolation, "1s");
    let start = Instant::now();
    host.signal(Signal::TERM);
    let outcome = host.wait_exit();
    let took = start.elapsed();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    // The last quarter of a second is for notifying the plugin.
    assert!(Duration::from_millis(740) <= took, "it did not wait: {took:?}");
    assert!(took < PATIENCE / 2, "it waited too long: {took:?}");
    assert!(outcome.stdout.ends_with("unbind stopped\n"), "{}", outcome.stdout);
}

each_isolation!(a_guest_that_sleeps_in_unbind_holds_the_end_up_to_the_deadline);
fn a_guest_that_sleeps_in_unbind_holds_the_end_up_to_the_deadline(isolation: Isolation) {
    let config = Config::new()
        .host("stop_deadline", "\"300ms\"")
        .plugin(Plugin::new("hostile_sleep").isolation(isolation))
        .listen(Listen::tcp("hostile_sleep").option("callback", "unbind"))
        .plugin(Plugin::new("echo"))
        .listen(Listen::tcp("echo"));
    let host = Host::start(&config);
    let _sleeper = host.connect("hostile_sleep");
    // Accepted after the other one, so both are accepted.
    host.connect("echo").expect_echo("helo\n");
    host.signal(Signal::TERM);
    let outcome = host.wait_exit();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("still running at the stop deadline"), "{}", outcome.stderr);
}

/// All steps of a stop together have the deadline, whatever hangs in any of them.
#[test]
fn a_stop_is_over_at_its_deadline_whatever_guests_do() {
    const DEADLINE: Duration = Duration::from_secs(4);
    for hang in ["compute", "sleep"] {
        let stubborn = Plugin::new("hostile_stop")
            .isolation(Isolation::Plugin)
            .option("hang", hang)
            .limit("cpu_per_event", "\"1h\"")
            .limit("event_deadline", "\"1h\"");
        let config = Config::new()
            .host("stop_deadline", "\"4s\"")
            .plugin(stubborn)
            .listen(Listen::tcp("hostile_stop"))
            .plugin(Plugin::new("hostile_loop").limit("cpu_per_event", "\"1h\""))
            .listen(Listen::tcp("hostile_loop"))
            .plugin(Plugin::new("echo"))
            .listen(Listen::tcp("echo"));
        let host = Host::start(&config);
        let mut peers: Vec<Peer> = (0..5).map(|_| host.connect("hostile_stop")).collect();
        peers.iter_mut().for_each(|peer| peer.expect_echo("helo\n"));
        let mut endless: Vec<Peer> = (0..5).map(|_| host.connect("hostile_loop")).collect();
        endless.iter_mut().for_each(|peer| peer.send("x"));
        host.connect("echo").expect_echo("helo\n");
        let start = Instant::now();
        host.signal(Signal::TERM);
        let outcome = host.wait_exit();
        let took = start.elapsed();
        assert_eq!(outcome.code, Some(0), "{hang}: {}", outcome.stderr);
        // A busy machine is late; three steps with a deadline each would be later.
        assert!(took < DEADLINE * 5 / 2, "{hang}: it took {took:?}");
    }
}

each_isolation!(a_second_signal_ends_at_once);
fn a_second_signal_ends_at_once(isolation: Isolation) {
    let (host, _peer, _) = stalled(isolation, "1h");
    host.signal(Signal::TERM);
    host.wait_log("stopping");
    let start = Instant::now();
    host.signal(Signal::TERM);
    let outcome = host.wait_exit();
    assert!(start.elapsed() < PATIENCE / 2, "it took {:?}", start.elapsed());
    // The exit code of a shell for an end by SIGTERM.
    assert_eq!(outcome.code, Some(143), "{}", outcome.stderr);
}

each_isolation!(what_a_plugin_sends_as_it_stops_arrives);
fn what_a_plugin_sends_as_it_stops_arrives(isolation: Isolation) {
    for bytes in [4, 5_000_000] {
        let config = Config::new()
            .plugin(Plugin::new("stop_sends").isolation(isolation).prints().may_stop())
            .listen(Listen::tcp("stop_sends").option("bytes", &bytes.to_string()));
        let host = Host::start(&config);
        let mut bystander = host.connect("stop_sends");
        let mut peer = host.connect("stop_sends");
        peer.send("stop");
        assert_eq!(peer.rest().len(), bytes);
        bystander.expect_end();
        let outcome = host.wait_exit();
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        assert_eq!(outcome.stdout, "unbind stopped\nunbind stopped\n");
    }
}

each_isolation!(a_plugin_that_may_not_stop_does_not);
fn a_plugin_that_may_not_stop_does_not(isolation: Isolation) {
    let plugin = Plugin::new("stop_sends").isolation(isolation).prints();
    let host = Host::start(&Config::serving(plugin));
    let mut peer = host.connect("stop_sends");
    for _ in 0..2 {
        peer.send("stop");
        peer.expect("xxxx");
    }
    let line = host.wait_line("a refused stop", |line| {
        line.level() == "WARN" && line.field("plugin") == Some("stop_sends")
    });
    assert!(line.0.contains("plugins.toml"), "{line}");
    assert!(line.0.contains("stop = true"), "{line}");
    peer.finish();
    peer.expect_end();
}

/// A host with a peer that has not read its data, and the number of these bytes.
#[track_caller]
fn stalled(isolation: Isolation, deadline: &str) -> (Host, Peer, usize) {
    let flood = more_than_the_kernel_holds();
    let plugin = Plugin::new("outbox_flood").isolation(isolation).prints();
    let config = Config::serving(plugin).host("stop_deadline", format!("\"{deadline}\""));
    let host = Host::start(&config);
    let mut peer = Peer::connect_narrow(&host.address("outbox_flood"));
    peer.send(format!("{flood} 65536\n"));
    host.wait_printed(&format!("sent {flood}"));
    (host, peer, flood)
}
