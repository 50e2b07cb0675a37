//! Work in progress that neither a signal to stop nor a reload cuts off: it continues until the deadline.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sandloop_tests::{
    Config, Host, Isolation, Listen, PATIENCE, Peer, Plugin, Server, more_than_the_kernel_holds,
};

/// Longer than any test here, on a busy machine.
const LONG: &str = "\"60s\"";

/// The cause of draining.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A signal stops the host.
    Stop,
    /// A reload replaces their plugin.
    Reload,
}

impl Cause {
    pub(crate) const ALL: [Cause; 2] = [Cause::Stop, Cause::Reload];

    /// Begins to drain the connections of a plugin.
    pub(crate) fn begin(self, host: &Host, plugin: &str) {
        match self {
            Cause::Stop => {
                host.signal(Signal::TERM);
                host.wait_log("stopping");
            }
            Cause::Reload => {
                let file = host.dir().join("plugins.toml");
                let (toml, head) = (
                    fs::read_to_string(&file).expect("it is there"),
                    format!("[plugins.{plugin}]\n"),
                );
                assert!(toml.contains(&head), "{toml}");
                let changed = format!("{head}environment = {{ ANOTHER = \"version\" }}\n");
                fs::write(file, toml.replace(&head, &changed)).expect("a file");
                host.signal(Signal::HUP);
                host.wait_log("reloaded");
            }
        }
    }

    /// The end of a host whose connections are all gone.
    pub(crate) fn end(self, host: Host) {
        let outcome = if self == Cause::Stop { host.wait_exit() } else { host.stop() };
        assert_eq!(outcome.code, Some(0), "{self:?}: {}", outcome.stderr);
        assert!(!outcome.stderr.contains("not drained"), "{self:?}: {}", outcome.stderr);
    }
}

fn drains(isolation: Isolation) -> Plugin {
    Plugin::new("drains").isolation(isolation).prints().limit("cpu_per_operation", "\"10s\"")
}

/// A host whose connections end in this way.
fn serving(isolation: Isolation, lets_go: &str) -> Config {
    within(LONG, isolation, lets_go)
}

/// One with this deadline.
fn within(deadline: &str, isolation: Isolation, lets_go: &str) -> Config {
    Config::new()
        .host("stop_deadline", deadline)
        .host("reactors", "2")
        .host("workers", "4")
        .plugin(drains(isolation).may_connect(&["127.0.0.1:*"]))
        .listen(Listen::tcp("drains").option("lets_go", lets_go))
}

/// Each has been served, so that it is not new any more.
fn connect(host: &Host, count: usize) -> Vec<Peer> {
    let mut peers: Vec<Peer> = (0..count).map(|_| host.connect("drains")).collect();
    peers.iter_mut().for_each(|peer| peer.expect_echo("hello\n"));
    peers
}

/// The request before the signal, the data after it, and the answer.
const KINDS: [(&str, &str, &str); 4] = [
    ("timer 700\n", "", "timer\n"),
    ("defer 700\n", "", "deferred\n"),
    ("chain 20\n", "", "chain\n"),
    ("upload 6\nabc", "ABC", "go on\nuploaded 492\n"),
];

#[track_caller]
fn check(isolation: Isolation, count: usize, kinds: &[(&str, &str, &str)]) {
    let host = Host::start(&serving(isolation, "when-done"));
    let mut peers = connect(&host, count);
    for (peer, (ask, ..)) in peers.iter_mut().zip(kinds.iter().cycle()) {
        peer.send(ask);
        // The request has begun when the one behind it is answered.
        if ask.starts_with("upload") {
            peer.expect("go on\n");
        } else {
            peer.expect_echo("asked\n");
        }
    }
    host.signal(Signal::TERM);
    host.wait_log("stopping");
    for (peer, (_, then, answer)) in peers.iter_mut().zip(kinds.iter().cycle()) {
        peer.send(then);
        peer.expect(answer.trim_start_matches("go on\n"));
        peer.expect_end();
    }
    let outcome = host.wait_exit();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("not drained"), "{}", outcome.stderr);
}

each_isolation!(what_is_under_way_is_done_before_the_end);
fn what_is_under_way_is_done_before_the_end(isolation: Isolation) {
    for kind in KINDS {
        check(isolation, 20, &[kind]);
    }
    check(isolation, 200, &KINDS);
}

each_isolation!(what_is_idle_is_closed_at_once);
fn what_is_idle_is_closed_at_once(isolation: Isolation) {
    // A deadline that no test would wait for.
    let host = Host::start(&within("\"1h\"", isolation, "when-idle"));
    let mut peers = connect(&host, 20);
    // It fires for no particular connection.
    peers[0].send("periodic 10\n");
    peers[0].expect("periodic\n");
    host.signal(Signal::TERM);
    for peer in &mut peers {
        peer.expect_end();
    }
    let outcome = host.wait_exit();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(outcome.stdout.matches("draining within a time\n").count(), 20);
    assert_eq!(outcome.stdout.matches("unbind stopped\n").count(), 20, "{}", outcome.stdout);
}

each_isolation!(a_timer_that_is_due_after_the_deadline_holds_nobody);
fn a_timer_that_is_due_after_the_deadline_holds_nobody(isolation: Isolation) {
    let host = Host::start(&within("\"30m\"", isolation, "when-idle"));
    let mut peers = connect(&host, 1);
    peers[0].send("timer 1800000\n");
    peers[0].expect_echo("asked\n");
    host.signal(Signal::TERM);
    peers[0].expect_end();
    assert_eq!(host.wait_exit().code, Some(0));
}

each_isolation!(a_plugin_says_what_becomes_of_its_connections);
fn a_plugin_says_what_becomes_of_its_connections(isolation: Isolation) {
    let host = Host::start(&serving(isolation, "bye"));
    let mut peers = connect(&host, 20);
    host.signal(Signal::TERM);
    for peer in &mut peers {
        assert_eq!(peer.rest(), b"bye\n");
    }
    let outcome = host.wait_exit();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(outcome.stdout.matches("unbind closed\n").count(), 20, "{}", outcome.stdout);

    let host = Host::start(&serving(isolation, "until-closed"));
    let mut peers = connect(&host, 4);
    host.signal(Signal::TERM);
    host.wait_printed("draining within a time");
    for peer in &mut peers {
        peer.expect_echo("still-there\n");
        peer.send("quit\n");
        peer.expect_end();
    }
    assert_eq!(host.wait_exit().code, Some(0));
}

each_isolation!(a_peer_that_has_just_come_is_heard);
fn a_peer_that_has_just_come_is_heard(isolation: Isolation) {
    let host = Host::start(&serving(isolation, "when-idle"));
    // Requests before the signal are answered, on accepted connections and on those in the backlog.
    let mut peers: Vec<Peer> = (0..200).map(|_| host.connect("drains")).collect();
    peers.iter_mut().for_each(|peer| peer.send("hello\n"));
    host.signal(Signal::TERM);
    for peer in &mut peers {
        assert_eq!(peer.rest(), b"hello\n");
    }
    assert_eq!(host.wait_exit().code, Some(0));
}

/// The upstream answers after the signal, on a connection that the plugin has opened.
#[test]
fn a_sandbox_waits_for_the_connection_that_it_has_made() {
    let host = Host::start(&serving(Isolation::Connection, "when-idle"));
    let upstream = Server::tcp();
    let mut peers = connect(&host, 1);
    peers[0].send(format!("ask {}\n", upstream.port()));
    let mut asked = upstream.accept();
    asked.expect("asked\n");
    host.signal(Signal::TERM);
    host.wait_printed("draining within a time");
    asked.send("answered\n");
    peers[0].expect("answered\n");
    peers[0].expect_end();
    assert_eq!(host.wait_exit().code, Some(0));
}

each_isolation!(who_never_lets_go_is_cut_at_the_deadline);
fn who_never_lets_go_is_cut_at_the_deadline(isolation: Isolation) {
    let config = within("\"2s\"", isolation, "never");
    let host = Host::start(&config);
    let mut peers = connect(&host, 20);
    let start = Instant::now();
    host.signal(Signal::TERM);
    for peer in &mut peers {
        peer.expect_closed();
    }
    let outcome = host.wait_exit();
    let took = start.elapsed();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    // The last quarter of a second is for notifying the plugin.
    assert!(Duration::from_millis(1740) <= took, "it was not waited for: {took:?}");
    assert!(took < PATIENCE / 2, "it was waited for: {took:?}");
    assert!(outcome.stderr.contains("not drained at the stop deadline"), "{}", outcome.stderr);
    assert_eq!(outcome.stdout.matches("unbind stopped\n").count(), 20, "{}", outcome.stdout);
}

each_isolation!(a_peer_that_does_not_read_does_not_keep_others_from_being_drained);
fn a_peer_that_does_not_read_does_not_keep_others_from_being_drained(isolation: Isolation) {
    let config = within("\"3s\"", isolation, "when-done");
    let config = config
        .plugin(Plugin::new("outbox_flood").isolation(isolation).limit("outbox_max", "\"64MiB\""));
    let host = Host::start(&config.listen(Listen::tcp("outbox_flood")));
    let mut stalled = Peer::connect_narrow(&host.address("outbox_flood"));
    stalled.send(format!("{} 65536\n", more_than_the_kernel_holds()));
    let mut peers = connect(&host, 2);
    peers[0].send("timer 500\n");
    peers[0].expect_echo("asked\n");
    host.signal(Signal::TERM);
    peers[1].expect_end();
    peers[0].expect("timer\n");
    peers[0].expect_end();
    assert_eq!(host.wait_exit().code, Some(0));
}

/// As EventMachine's `stop` does: work in progress ends there.
#[test]
fn a_plugin_that_stops_the_host_stops_what_is_under_way() {
    let config = within("\"1h\"", Isolation::Plugin, "when-idle")
        .plugin(Plugin::new("stop_sends").may_stop())
        .listen(Listen::tcp("stop_sends"));
    let host = Host::start(&config);
    let mut peers = connect(&host, 1);
    peers[0].send("timer 1000000\n");
    peers[0].expect_echo("asked\n");
    host.connect("stop_sends").send("stop");
    peers[0].expect_end();
    let outcome = host.wait_exit();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(!outcome.stdout.contains("draining"), "{}", outcome.stdout);
}

/// The data of an HTTP client before the signal and after it, and the end of the answer.
const REQUESTS: [(&str, &str, &str); 3] = [
    ("GET /timer?ms=700 HTTP/1.1\r\nHost: h\r\n\r\n", "", "timer"),
    ("GET /defer?ms=300 HTTP/1.1\r\nHost: h\r\n\r\n", "", "deferred"),
    ("POST /count HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc", "defghij", "10"),
];
const HANDSHAKE: &str = "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// A frame of a client, whose mask changes nothing.
fn frame(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).expect("short");
    [&[kind, 0x80 | length, 0, 0, 0, 0], bytes].concat()
}

/// Two hundred requests: answers of timers and of deferred jobs, uploads that are half sent, and WebSockets.
#[test]
fn requests_in_flight_are_answered() {
    Cause::ALL.into_iter().for_each(answer_what_is_in_flight);
}

fn answer_what_is_in_flight(cause: Cause) {
    let config = Config::new()
        .host("stop_deadline", LONG)
        .host("reactors", "2")
        .host("workers", "4")
        .plugin(Plugin::new("http_drains").limit("cpu_per_operation", "\"10s\""))
        .listen(Listen::tcp("http_drains"));
    let host = Host::start(&config);
    // A first request, whose answer keeps the connection open.
    let keeping = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    let mut peers: Vec<(Peer, usize)> =
        (0..200).map(|it| (host.connect("http_drains"), it % 4)).collect();
    let mut idle: Vec<Peer> = (0..20).map(|_| host.connect("http_drains")).collect();
    for peer in idle.iter_mut().chain(peers.iter_mut().map(|(peer, _)| peer)) {
        peer.send(keeping);
        let head = read_head(peer);
        assert!(head.starts_with("HTTP/1.1 200") && !head.contains("Connection: close"), "{head}");
        peer.expect("0");
    }
    for (peer, kind) in &mut peers {
        match REQUESTS.get(*kind) {
            Some((ask, ..)) => peer.send(ask),
            None => {
                peer.send(HANDSHAKE);
                assert!(read_head(peer).starts_with("HTTP/1.1 101"));
                peer.send(frame(0x81, b"timer 700"));
                peer.send(frame(0x81, b"asked"));
                peer.expect([&b"\x81\x05"[..], b"asked"].concat());
            }
        }
    }
    cause.begin(&host, "http_drains");
    for peer in &mut idle {
        peer.expect_end();
    }
    for (peer, kind) in &mut peers {
        match REQUESTS.get(*kind) {
            Some((_, then, answer)) => {
                peer.send(then);
                let head = read_head(peer);
                // On a slow machine an answer may have been sent before the signal.
                let says_so = head.contains("Connection: close");
                assert!(says_so || then.is_empty(), "{head}");
                peer.expect(answer);
            }
            None => {
                peer.expect([&b"\x81\x05"[..], b"timer"].concat());
                // Close code 1001, which is answered.
                peer.expect(b"\x88\x02\x03\xe9");
                peer.send(frame(0x88, b"\x03\xe9"));
            }
        }
        peer.finish();
        peer.expect_end();
    }
    cause.end(host);
}

/// Reads up to the empty line.
#[track_caller]
fn read_head(peer: &mut Peer) -> String {
    let mut head = String::new();
    loop {
        let line = peer.line();
        if line.trim_end().is_empty() {
            return head;
        }
        head.push_str(line.trim_end());
        head.push('\n');
    }
}
