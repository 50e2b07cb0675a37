//! `reactors = N`: N loops, among which the kernel distributes connections.

use sandloop_tests::{Config, Host, Isolation, Listen, Peer, Plugin};

each_isolation!(two_reactors_serve);
fn two_reactors_serve(isolation: Isolation) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("echo.sock");
    let config = Config::serving(Plugin::new("echo").isolation(isolation))
        .listen(Listen::unix(&path, "echo"))
        .host("reactors", "2");
    let host = Host::start_in(dir, &config);
    let ready = host.wait_log("ready ");
    assert_eq!(ready.field("reactors"), Some("2"), "{ready}");
    assert_eq!(ready.field("listeners"), Some("2"), "{ready}");
    for address in host.addresses("echo") {
        let mut peers: Vec<Peer> = (0..100).map(|_| Peer::connect(&address)).collect();
        for (number, peer) in peers.iter_mut().enumerate() {
            peer.expect_echo(format!("connection {number}\n"));
        }
    }
    host.stop();
}

/// The guest counts the connections of its instance, and each reactor has one.
#[test]
fn both_reactors_get_connections() {
    let plugin = Plugin::new("isolation_count").isolation(Isolation::Plugin);
    let host = Host::start(&Config::serving(plugin).host("reactors", "2"));
    let mut firsts = 0;
    let mut peers: Vec<Peer> = (0..64).map(|_| host.connect("isolation_count")).collect();
    for peer in &mut peers {
        peer.send("?\n");
        if peer.line() == "1" {
            firsts += 1;
        }
    }
    assert_eq!(firsts, 2, "{firsts} instances had a first connection");
}

/// With a listener: each reactor has connections for it.
#[test]
fn a_program_with_a_listener_runs_on_each_reactor() {
    for (reactors, count) in [("1", 1), ("2", 2)] {
        let plugin = Plugin::new("hooks_order").isolation(Isolation::Plugin).prints();
        let host = Host::start(&Config::serving(plugin).host("reactors", reactors));
        let printed = host.stop().stdout;
        assert_eq!(printed.lines().filter(|line| *line == "stopping").count(), count, "{printed}");
        assert_eq!(printed.lines().filter(|line| *line == "stopped").count(), count, "{printed}");
    }
}
