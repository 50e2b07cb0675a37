//! Reloads: a new configuration is served without closing connections, a bad one changes nothing.

mod drained;
mod keys;
mod killed;
mod rollback;
mod sockets;
mod state;

use std::fs;
use std::path::Path;
use std::thread;

use rustix::process::Signal;
use sandloop_tests::hostile::drive::{descriptors, wait_descriptors};
use sandloop_tests::{
    Config, Host, Isolation, Listen, Peer, Plugin, component, own_loopback, process,
};

each_isolation!(old_connections_keep_their_version_and_new_ones_get_the_new);

/// Requests a reload of the file, and waits for its result.
fn reload(host: &Host, toml: &str) -> bool {
    fs::write(host.dir().join("plugins.toml"), toml).expect("the folder takes a file");
    let count = || host.log().iter().filter(|line| is_over(line)).count();
    let before = count();
    host.signal(Signal::HUP);
    let lines = host.wait_lines("the reload", before + 1, is_over);
    lines.last().is_some_and(|line| line.message().starts_with("reloaded"))
}

fn is_over(line: &sandloop_tests::LogLine) -> bool {
    line.message().starts_with("reloaded") || line.message().starts_with("reload refused")
}

/// A plugin that answers with its listener's option `a` before its input.
fn passing(address: &str, isolation: Isolation, a: &str) -> Config {
    Config::new()
        .host("reactors", "2")
        .plugin(Plugin::new("pass").isolation(isolation).option("version", a))
        .listen(Listen::at(address, "pass").option("a", a))
}

fn old_connections_keep_their_version_and_new_ones_get_the_new(isolation: Isolation) {
    let address = format!("tcp://{}:7001", own_loopback());
    let host = Host::start(&passing(&address, isolation, "first"));
    let mut old = Peer::connect(&address);
    old.send("one");
    old.expect("first one");
    assert!(reload(&host, &passing(&address, isolation, "second").to_toml()));
    old.send("two");
    old.expect("first two");
    let mut new = Peer::connect(&address);
    new.send("three");
    new.expect("second three");
    old.finish();
    old.expect_end();
    new.send("four");
    new.expect("second four");
    host.stop();
}

/// A folder with a component that is replaced by others under the same name.
fn replace(host: &Host, name: &str) {
    let (file, new) = (host.dir().join("plugin.wasm"), host.dir().join("new.wasm"));
    fs::copy(component(name), &new).expect("a component");
    fs::rename(new, file).expect("the same folder");
}

fn replaced(address: &str, isolation: Isolation) -> Config {
    let plugin = Plugin::named("it", Path::new("plugin.wasm")).isolation(isolation);
    Config::new().host("reactors", "2").plugin(plugin).listen(Listen::at(address, "it"))
}

fn start_replaced(address: &str, isolation: Isolation) -> Host {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::copy(component("echo"), dir.path().join("plugin.wasm")).expect("a component");
    Host::start_in(dir, &replaced(address, isolation))
}

/// Connections send and compare bytes while their plugin is replaced: by one that traps, by an invalid one, by itself.
#[test]
fn two_hundred_connections_talk_through_ten_reloads() {
    let address = format!("tcp://{}:7002", own_loopback());
    let host = start_replaced(&address, Isolation::Connection);
    let toml = replaced(&address, Isolation::Connection).to_toml();
    let mut peers: Vec<Peer> = (0..200).map(|_| Peer::connect(&address)).collect();
    // Each of them is accepted: one in the backlog would get the version that accepts it.
    peers.iter_mut().for_each(|peer| peer.expect_echo("accepted\n"));
    let mut descriptors_before = 0;
    let mut memory = Vec::new();
    for round in 0..10 {
        let (name, is_good) = [("hostile_trap", true), ("", false), ("echo", true)][round % 3];
        if is_good {
            replace(&host, name);
        } else {
            fs::write(host.dir().join("plugin.wasm"), "no component").expect("a file");
        }
        let talking = thread::spawn(move || {
            for (number, peer) in peers.iter_mut().enumerate() {
                peer.expect_echo(format!("{number} in round {round}\n").repeat(1 + number % 50));
            }
            peers
        });
        assert_eq!(reload(&host, &toml), is_good, "round {round}");
        peers = talking.join().expect("every byte came back");
        // No connection is refused, whichever version serves.
        let mut new = Peer::connect(&address);
        new.send("x\n");
        if name == "echo" {
            new.expect("x\n");
        }
        drop(new);
        if round == 2 {
            descriptors_before = descriptors(&host);
        }
        memory.push(process::resident(host.pid()) >> 20);
    }
    for (number, peer) in peers.iter_mut().enumerate() {
        peer.expect_echo(format!("{number} at the end\n"));
    }
    println!("memory in MiB: {memory:?}");
    let mut echo = peers.pop().expect("one of them");
    wait_descriptors(&host, &mut echo, descriptors_before).expect("what has left is closed");
    drop(peers);
    host.stop();
}

/// A bad file is reported as at a start, and counted, and everything stays as before.
#[test]
fn a_bad_reload_changes_nothing_and_says_where() {
    let address = format!("tcp://{}:7003", own_loopback());
    let host = Host::start(&passing(&address, Isolation::Connection, "first"));
    let good = passing(&address, Isolation::Connection, "second").to_toml();
    for (bad, says) in [
        (format!("{good}\nnonsense = 1\n"), "plugins.toml:"),
        (good.replace("pass.wasm", "nowhere.wasm"), "nowhere.wasm"),
        (
            good.replace("reactors = 2", "reactors = 3"),
            "host.reactors: a running host cannot change it",
        ),
        (good.replace("tcp://", "unix:///nowhere/"), "nowhere"),
    ] {
        assert!(!reload(&host, &bad), "{bad}");
        let line = host.log().into_iter().rev().find(is_over).expect("a line");
        assert!(line.0.contains(says), "{says}: {line}");
        let mut peer = Peer::connect(&address);
        peer.send("x");
        peer.expect("first x");
    }
    assert!(reload(&host, &good));
    host.stop();
}

/// Plugins, tenants and listeners are added and removed; others are not affected.
#[test]
fn plugins_tenants_and_listeners_come_and_go() {
    let own = own_loopback();
    let at = |port: u16| format!("tcp://{own}:{port}");
    let echo = || Config::new().plugin(Plugin::new("echo")).listen(Listen::at(&at(7010), "echo"));
    let pass = |config: Config, tenant: &str, port| {
        let plugin = Plugin::new("pass").key("tenant", format!("{tenant:?}"));
        config.plugin(plugin).listen(Listen::at(&at(port), "pass").option("a", tenant))
    };
    let host = Host::start(&echo());
    let mut stays = Peer::connect(&at(7010));
    stays.expect_echo("before\n");
    for (round, tenant) in ["one", "two", "three"].iter().enumerate() {
        let port = 7011 + u16::try_from(round).expect("a port");
        assert!(reload(&host, &pass(echo(), tenant, port).to_toml()));
        let mut peer = Peer::connect(&at(port));
        peer.send("x");
        peer.expect(format!("{tenant} x"));
        stays.expect_echo("still\n");
        if 0 < round {
            assert!(Peer::try_connect(&at(port - 1)).is_err(), "that listener has gone");
        }
    }
    assert!(reload(&host, &echo().to_toml()));
    assert!(Peer::try_connect(&at(7013)).is_err());
    stays.expect_echo("after\n");
    host.stop();
}

/// Connections of an earlier version are closed at its deadline.
#[test]
fn what_stays_too_long_is_closed() {
    let address = format!("tcp://{}:7004", own_loopback());
    for isolation in [Isolation::Connection, Isolation::Plugin] {
        let config = |a: &str, deadline: &str| {
            let plugin = Plugin::new("pass").isolation(isolation).limit("drain_deadline", deadline);
            let listen = Listen::at(&address, "pass").option("a", a);
            Config::new().plugin(plugin.option("version", a)).listen(listen)
        };
        let host = Host::start(&config("first", "\"1h\""));
        let mut old = Peer::connect(&address);
        old.send("x");
        old.expect("first x");
        assert!(reload(&host, &config("second", "\"100ms\"").to_toml()));
        old.expect_end();
        let line = host.wait_log("at a limit");
        assert_eq!(line.field("limit"), Some("drain_deadline"), "{line}");
        host.stop();
    }
}

/// A limit below the current use closes nothing; it applies to new objects.
#[test]
fn a_limit_below_what_is_in_use_holds_for_what_comes() {
    let address = format!("tcp://{}:7005", own_loopback());
    let config = |connections: &str| {
        let plugin = Plugin::new("echo").limit("connections", connections);
        Config::new().plugin(plugin).listen(Listen::at(&address, "echo"))
    };
    let host = Host::start(&config("10"));
    let mut peers: Vec<Peer> = (0..3).map(|_| Peer::connect(&address)).collect();
    peers.iter_mut().for_each(|peer| peer.expect_echo("before\n"));
    assert!(reload(&host, &config("1").to_toml()));
    peers.iter_mut().for_each(|peer| peer.expect_echo("after\n"));
    let mut waits = Peer::connect(&address);
    waits.send("waits\n");
    host.wait_log("at its limit");
    waits.expect_nothing_yet();
    drop(peers);
    waits.expect("waits\n");
    host.stop();
}

/// A program of an earlier version is told to stop, and the next one begins beside it or after it.
#[test]
fn programs_hand_over() {
    let address = format!("tcp://{}:7007", own_loopback());
    for handover in ["beside", "after"] {
        let config = |version: &str| {
            let plugin = Plugin::new("hooks_order").isolation(Isolation::Plugin).prints();
            let plugin = plugin.key("handover", format!("{handover:?}")).option("version", version);
            Config::new().plugin(plugin).listen(Listen::at(&address, "hooks_order"))
        };
        let host = Host::start(&config("first"));
        let mut old = Peer::connect(&address);
        old.expect("helo\n");
        assert!(reload(&host, &config("second").to_toml()));
        host.wait_printed("stopping");
        let mut new = Peer::connect(&address);
        if handover == "beside" {
            new.expect("helo\n");
        } else {
            // The old one keeps its slot until its last connection is gone.
            new.expect_nothing_yet();
        }
        // The output of the connection's hook when its program is told to stop.
        old.expect("goodbye\n");
        drop(old);
        host.wait_printed("stopped");
        if handover == "after" {
            new.expect("helo\n");
        }
        drop(new);
        let outcome = host.stop();
        let count = outcome.stdout.lines().filter(|line| *line == "stopped").count();
        assert_eq!(count, 2, "{handover}: both versions have had their end:\n{}", outcome.stdout);
    }
}
