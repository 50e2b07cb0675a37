//! Versions that trap too often right after their reload.

use sandloop_tests::{Config, Host, Isolation, Listen, LogLine, Peer, Plugin, own_loopback};

use super::{reload, replace};

each_isolation!(
    a_version_that_traps_goes_back_where_its_section_says_so,
    without_the_key_it_stays_quarantined
);

fn config(address: &str, isolation: Isolation, rollback: bool) -> Config {
    let plugin = Plugin::named("it", std::path::Path::new("plugin.wasm")).isolation(isolation);
    let plugin = plugin.limit("traps", "3").key("rollback", rollback.to_string());
    Config::new().host("reactors", "2").plugin(plugin.clone()).listen(Listen::at(address, "it"))
}

fn start(address: &str, isolation: Isolation, rollback: bool) -> Host {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let echo = sandloop_tests::component("echo");
    std::fs::copy(echo, dir.path().join("plugin.wasm")).expect("a component");
    Host::start_in(dir, &config(address, isolation, rollback))
}

/// Three connections whose handlers trap.
fn trap(address: &str) {
    for _ in 0..3 {
        let mut peer = Peer::connect(address);
        peer.send("x\n");
        peer.expect_closed();
    }
}

fn is_quarantine(line: &LogLine) -> bool {
    line.message().starts_with("quarantined")
}

fn a_version_that_traps_goes_back_where_its_section_says_so(isolation: Isolation) {
    let address = format!("tcp://{}:7020", own_loopback());
    let host = start(&address, isolation, true);
    let toml = config(&address, isolation, true).to_toml();
    let mut old = Peer::connect(&address);
    old.expect_echo("before\n");
    // Twice: the next reload tries a version again that was rolled back, and it is rolled back again.
    for round in 1..=2 {
        replace(&host, "hostile_trap");
        assert!(reload(&host, &toml), "the file is good");
        trap(&address);
        host.wait_lines("quarantines", round, is_quarantine);
        let is_back = |line: &LogLine| line.message().starts_with("it has trapped too often");
        let lines = host.wait_lines("the way back", round, is_back);
        assert_eq!(lines[round - 1].field("plugin"), Some("it"), "{:?}", lines[round - 1]);
        Peer::connect(&address).expect_echo("as before\n");
        old.expect_echo("still\n");
    }
    // A good version stays.
    replace(&host, "pass");
    assert!(reload(&host, &toml));
    let mut peer = Peer::connect(&address);
    peer.send("x");
    peer.expect(" x");
    host.stop();
}

fn without_the_key_it_stays_quarantined(isolation: Isolation) {
    let address = format!("tcp://{}:7021", own_loopback());
    let host = start(&address, isolation, false);
    replace(&host, "hostile_trap");
    assert!(reload(&host, &config(&address, isolation, false).to_toml()));
    trap(&address);
    host.wait_line("the quarantine", is_quarantine);
    let mut waits = Peer::connect(&address);
    waits.send("x\n");
    waits.expect_nothing_yet();
    drop(waits);
    // The operator's next version gets another chance.
    replace(&host, "echo");
    assert!(reload(&host, &config(&address, isolation, false).to_toml()));
    Peer::connect(&address).expect_echo("x\n");
    host.stop();
}
