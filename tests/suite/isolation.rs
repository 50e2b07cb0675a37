//! How many sandboxes a plugin has, and what its connections share.

use sandloop_tests::{Config, Host, Isolation, Peer, Plugin};

#[test]
fn by_default_each_connection_has_a_sandbox_of_its_own() {
    let host = Host::start(&Config::serving(Plugin::new("isolation_count")));
    assert_eq!(counts(&host), ["1", "1", "1"]);
}

#[test]
fn a_sandbox_for_each_connection_shares_nothing() {
    let plugin = Plugin::new("isolation_count").isolation(Isolation::Connection);
    let host = Host::start(&Config::serving(plugin));
    assert_eq!(counts(&host), ["1", "1", "1"]);
}

#[test]
fn a_sandbox_for_the_plugin_is_shared_by_its_connections() {
    let plugin = Plugin::new("isolation_count").isolation(Isolation::Plugin);
    let host = Host::start(&Config::serving(plugin));
    assert_eq!(counts(&host), ["1", "2", "3"]);
}

/// The counts of three connections, opened one after the other and kept open.
fn counts(host: &Host) -> Vec<String> {
    let mut open: Vec<Peer> = Vec::new();
    (0..3)
        .map(|_| {
            let mut peer = host.connect("isolation_count");
            peer.send("?\n");
            let count = peer.line();
            open.push(peer);
            count
        })
        .collect()
}
