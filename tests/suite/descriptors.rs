//! The file descriptors of a host: each tenant has its share, for connections and for files alike.

use std::fs;
use std::process::Command;

use sandloop_tests::{Config, Listen, Peer, Plugin, Running, component, own_loopback, paths};

/// The limit of the host.
const LIMIT: usize = 400;

/// A host with this limit, with two tenants at this address.
fn start(dir: &std::path::Path, greedy: Plugin, ip: &str) -> Running {
    let at = |port: u16, plugin| Listen::at(&format!("tcp://{ip}:{port}"), plugin);
    let config = Config::new()
        .plugin(greedy)
        .plugin(Plugin::named("neighbour", &component("echo")))
        .listen(at(8081, "greedy"))
        .listen(at(8082, "neighbour"));
    fs::write(dir.join("plugins.toml"), config.to_toml()).expect("a new file");
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -n {LIMIT} && exec \"$0\" run")]).arg(paths::binary());
    shell.current_dir(dir).env_remove("SANDLOOP_LOG");
    let host = Running::spawn(shell);
    assert!(host.says("ready "), "{:?}", host.wait());
    host
}

#[test]
fn a_tenant_with_crowds_of_connections_leaves_the_others_theirs() {
    let (dir, ip) = (tempfile::tempdir().expect("a temporary directory"), own_loopback());
    let host = start(dir.path(), Plugin::named("greedy", &component("echo")), &ip);
    let crowd: Vec<Peer> = (0..LIMIT).map(|_| Peer::connect(&format!("tcp://{ip}:8081"))).collect();
    assert!(host.says("at its limit: not accepting for now"));
    // A quarter of the total, less the host's own.
    let mut others: Vec<Peer> =
        (0..50).map(|_| Peer::connect(&format!("tcp://{ip}:8082"))).collect();
    others.iter_mut().for_each(|peer| peer.expect_echo("helo\n"));
    drop(crowd);
    Peer::connect(&format!("tcp://{ip}:8081")).expect_echo("helo\n");
    host.signal(rustix::process::Signal::TERM);
    assert_eq!(host.wait().code, Some(0));
}

#[test]
fn files_count_as_connections_do() {
    let (dir, ip) = (tempfile::tempdir().expect("a temporary directory"), own_loopback());
    fs::create_dir(dir.path().join("public")).expect("a new folder");
    fs::write(dir.path().join("public/file"), "x").expect("a new file");
    let greedy = Plugin::named("greedy", &component("files"))
        .allow("read", &["./public"])
        .limit("handles", "10000");
    let host = start(dir.path(), greedy, &ip);
    let mut neighbour = Peer::connect(&format!("tcp://{ip}:8082"));
    for _ in 0..3 {
        let mut greedy = Peer::connect(&format!("tcp://{ip}:8081"));
        // More than its share, less than the total: the host still has some of its own.
        greedy.send("hold public/file 1000\n");
        assert_eq!(greedy.line(), "error QuotaExceeded");
        neighbour.expect_echo("helo\n");
        Peer::connect(&format!("tcp://{ip}:8082")).expect_echo("helo\n");
        // The descriptors that it held are free again.
        greedy.send("hold public/file 100\n");
        assert_eq!(greedy.line(), "100");
    }
    host.signal(rustix::process::Signal::TERM);
    assert_eq!(host.wait().code, Some(0));
}
