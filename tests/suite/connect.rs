//! Outgoing connections: established, refused, never answered, not found, not allowed.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use sandloop_tests::{Config, Host, Isolation, LogLine, Plugin, Server, StubServer};

#[test]
fn a_connection_is_made() {
    let server = Server::tcp();
    let host = connecting(&format!("tcp://{}", server.address()), |plugin| {
        plugin.may_connect(&["127.0.0.1:*"]).option("send", "from post_init")
    });
    let mut peer = server.accept();
    peer.expect("from post_init");
    peer.send("helo");
    host.wait_printed("0 receive_data \"helo\"");
    peer.finish();
    peer.expect_end();
    assert_prints(
        host,
        &[
            "0 post_init",
            "0 connection_completed",
            "0 receive_data \"helo\"",
            "0 unbind peer-closed",
        ],
    );
}

#[test]
fn a_unix_connection_is_made() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("server.sock");
    let server = Server::unix(&path);
    let rule = format!("unix:{}", path.display());
    let host = connecting(&format!("unix://{}", path.display()), |plugin| {
        plugin.may_connect(&[&rule]).option("send", "from post_init")
    });
    let mut peer = server.accept();
    peer.expect("from post_init");
    peer.finish();
    peer.expect_end();
    assert_prints(host, &["0 post_init", "0 connection_completed", "0 unbind peer-closed"]);
}

#[test]
fn a_refused_connection() {
    let server = Server::refusing();
    let host = connecting(&format!("tcp://{}", server.address()), |plugin| {
        plugin.may_connect(&["127.0.0.1:*"]).option("send", "lost")
    });
    assert_prints(host, &["0 post_init", "0 unbind refused"]);
}

#[test]
fn a_unix_path_without_a_server() {
    let host = connecting("unix:///nowhere/at/all.sock", |plugin| {
        plugin.may_connect(&["unix:/nowhere/*"])
    });
    assert_prints(host, &["0 post_init", "0 unbind refused"]);
}

/// A text that looks like an address and is none is a name.
#[test]
fn a_name_without_an_address() {
    for target in ["tcp://nobody.invalid:80", "tcp://[9.9:9]:80", "tcp://[1:A]:80"] {
        let host = connecting(target, |plugin| plugin.may_connect(&["*:80"]));
        assert_prints(host, &["0 post_init", "0 unbind name-not-found"]);
    }
}

/// As many in one callback as the limit allows.
#[test]
fn more_than_a_thousand_are_asked_for_at_once() {
    const MANY: usize = 1100;
    let server = StubServer::start(drop);
    let targets = vec![format!("tcp://{}", server.address()); MANY].join(" ");
    let host = connecting(&targets, |plugin| {
        plugin
            .may_connect(&["127.0.0.1:*"])
            .limit("outgoing", MANY.to_string())
            // Each of its connections has all the targets.
            .limit("memory", "\"64MiB\"")
            .option("close", "connection_completed")
    });
    let outcome = host.wait_exit();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    for number in 0..MANY {
        let prefix = format!("{number} ");
        let own = outcome.stdout.lines().filter_map(|line| line.strip_prefix(&prefix));
        let life = ["post_init", "connection_completed", "unbind closed"];
        assert_eq!(own.collect::<Vec<_>>(), life, "{number}: {}", outcome.stderr);
    }
}

/// One address that neither accepts nor refuses connections does not use up the time of the other: RFC 8305.
#[test]
fn a_deaf_address_does_not_keep_from_the_next() {
    let (deaf, _queue) = Server::silent();
    let port = deaf.port();
    let lively = TcpListener::bind(("::1", port)).expect("the same port of the other family");
    let begun = Instant::now();
    let host = connecting(&format!("tcp://localhost:{port}"), |plugin| {
        plugin.may_connect(&["localhost:*"]).option("close", "connection_completed")
    });
    assert_prints(host, &["0 post_init", "0 connection_completed", "0 unbind closed"]);
    // The next is tried after 250 ms; one after the other it would be 10 s and more.
    assert!(begun.elapsed() < Duration::from_secs(8), "it took {:?}", begun.elapsed());
    drop(lively);
}

/// `localhost` is ::1 and 127.0.0.1 on most machines, and only one of them answers.
#[test]
fn every_address_of_a_name_is_tried() {
    let server = Server::tcp();
    let host = connecting(&format!("tcp://localhost:{}", server.port()), |plugin| {
        plugin.may_connect(&["localhost:*"]).option("close", "connection_completed")
    });
    server.accept().expect_end();
    assert_prints(host, &["0 post_init", "0 connection_completed", "0 unbind closed"]);
}

#[test]
fn a_server_that_does_not_answer() {
    let (server, _queue) = Server::silent();
    let start = Instant::now();
    let host = connecting(&format!("tcp://{}", server.address()), |plugin| {
        plugin.may_connect(&["127.0.0.1:*"]).option("pending_timeout", "500")
    });
    host.wait_printed("0 unbind connect-timeout");
    let took = start.elapsed();
    assert!(Duration::from_millis(500) <= took, "it gave up after {took:?}");
    // The attempt itself would end after 20 s.
    assert!(took < Duration::from_secs(10), "it gave up after {took:?}");
    assert_prints(host, &["0 post_init", "0 unbind connect-timeout"]);
}

/// The inactivity timeout is for connections, not for attempts.
#[test]
fn inactivity_does_not_end_an_attempt() {
    let (server, _queue) = Server::silent();
    let host = connecting(&format!("tcp://{}", server.address()), |plugin| {
        plugin
            .may_connect(&["127.0.0.1:*"])
            .option("inactivity_timeout", "100")
            .option("pending_timeout", "600")
    });
    assert_prints(host, &["0 post_init", "0 unbind connect-timeout"]);
}

#[test]
fn a_close_in_post_init() {
    let server = Server::tcp();
    let host = connecting(&format!("tcp://{}", server.address()), |plugin| {
        plugin.may_connect(&["127.0.0.1:*"]).option("close", "post_init")
    });
    assert_prints(host, &["0 post_init", "0 unbind closed"]);
}

#[test]
fn nothing_is_allowed_by_default() {
    let server = Server::tcp();
    let target = format!("tcp://{}", server.address());
    let host = connecting(&target, |plugin| plugin);
    let line = host.wait_line("a refused connect", is_denial);
    let remedy = format!(
        "add `connect = [\\\"{}\\\"]` under [plugins.connect_trace.allow] in plugins.toml",
        server.address()
    );
    assert!(line.0.contains(&remedy), "{line}");
    assert_prints(host, &["0 connect denied"]);
}

#[test]
fn only_what_is_listed_is_allowed() {
    let server = Server::tcp();
    let other = Server::tcp();
    let targets = format!("tcp://{} tcp://{}", other.address(), server.address());
    let host = connecting(&targets, |plugin| {
        plugin.may_connect(&[server.address()]).option("close", "connection_completed")
    });
    server.accept().expect_end();
    assert_prints(
        host,
        &["0 connect denied", "1 post_init", "1 connection_completed", "1 unbind closed"],
    );
}

/// A connection by name needs a rule for that name.
#[test]
fn a_name_is_allowed_by_its_name() {
    let server = Server::tcp();
    let host = connecting(&format!("tcp://localhost:{}", server.port()), |plugin| {
        plugin.may_connect(&["example.com:*"])
    });
    assert_prints(host, &["0 connect denied"]);
}

#[test]
fn beyond_the_bound_a_connect_is_refused() {
    let server = Server::tcp();
    let target = format!("tcp://{}", server.address());
    let targets = format!("{target} {target} {target}");
    let host =
        connecting(&targets, |plugin| plugin.may_connect(&["127.0.0.1:*"]).limit("outgoing", "2"));
    let mut peers = [server.accept(), server.accept()];
    host.wait_printed("2 connect limit");
    for peer in &mut peers {
        peer.finish();
        peer.expect_end();
    }
    let printed = finished(host);
    assert_eq!(printed.iter().filter(|line| line.ends_with("unbind peer-closed")).count(), 2);
}

each_isolation!(what_a_trap_left_unmade_is_not_counted);
fn what_a_trap_left_unmade_is_not_counted(isolation: Isolation) {
    let server = Server::tcp();
    let plugin = Plugin::new("connect_trap")
        .isolation(isolation)
        .option("target", &format!("tcp://{}", server.address()))
        .may_connect(&["127.0.0.1:*"])
        .limit("outgoing", "1");
    let host = Host::start(&Config::serving(plugin));
    for _ in 0..3 {
        let mut peer = host.connect("connect_trap");
        peer.send("trap\n");
        peer.expect_end();
    }
    let mut peer = host.connect("connect_trap");
    peer.send("connect\n");
    assert_eq!(peer.line(), "ok");
    peer.send("connect\n");
    assert_eq!(peer.line(), "limit");
    host.stop();
}

/// A program that connects and stops when all of its connections have ended.
#[track_caller]
fn connecting(targets: &str, change: impl FnOnce(Plugin) -> Plugin) -> Host {
    let plugin = Plugin::new("connect_trace")
        .isolation(Isolation::Plugin)
        .prints()
        .may_stop()
        .option("target", targets)
        .option("stop", "true");
    Host::start(&Config::new().plugin(change(plugin)))
}

#[track_caller]
fn assert_prints(host: Host, expected: &[&str]) {
    assert_eq!(finished(host), expected);
}

/// Its complete output, once it has stopped.
#[track_caller]
fn finished(host: Host) -> Vec<String> {
    let outcome = host.wait_exit();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    outcome.stdout.lines().map(str::to_owned).collect()
}

fn is_denial(line: &LogLine) -> bool {
    line.level() == "WARN" && line.field("plugin") == Some("connect_trace")
}
