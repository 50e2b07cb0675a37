//! Connections that send and compare every byte while their plugin is reloaded and the binary is upgraded.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use rustix::process::Signal;
use sandloop_tests::host::command;
use sandloop_tests::{
    Config, Listen, LogLine, Peer, Plugin, Running, component, own_loopback, pause, process,
};

/// Threads among which the connections are divided.
const TALKERS: usize = 4;
const PEERS: usize = 1000;
const RELOADS: usize = 52;
const UPGRADES: usize = 3;
/// The growth of a process that is allowed between its first reload and its last: a version has some 100 KiB of code.
const GROWTH: u64 = 64 << 20;

/// The component of each round, and whether it is valid.
const ROUNDS: [(&str, bool); 4] =
    [("drains", true), ("", false), ("hostile_trap", true), ("drains", true)];

#[test]
fn connections_talk_through_reloads_and_upgrades() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let address = format!("tcp://{}:7040", own_loopback());
    replace(dir.path(), "drains");
    fs::write(dir.path().join("plugins.toml"), config(dir.path(), &address).to_toml())
        .expect("a file");
    let mut processes = vec![begin(dir.path(), &[])];
    let stop = Arc::new(AtomicBool::new(false));
    let all: Vec<Peer> = (0..PEERS).map(|_| talking(&address)).collect();
    let said = Arc::new(AtomicUsize::new(0));
    let talkers = talk(all, &address, &stop, &said);
    let (mut since_start, mut footprints) = (0, Vec::new());
    for round in 0..RELOADS {
        let (name, is_good) = ROUNDS[round % ROUNDS.len()];
        let host = processes.last().expect("one serves");
        // Each connection has sent and received since the last one.
        let before = said.load(Ordering::Relaxed);
        while said.load(Ordering::Relaxed) < before + 2 * PEERS {
            assert!(talkers.iter().all(|talker| !talker.is_finished()), "a talker has failed");
            pause();
        }
        if is_good {
            replace(dir.path(), name);
        } else {
            fs::write(dir.path().join("plugin.wasm"), "no component").expect("a file");
        }
        host.signal(Signal::HUP);
        since_start += 1;
        let line = host.says_often(since_start, is_over).expect("the reload is over");
        let is_taken = line.message().starts_with("reloaded");
        assert_eq!(is_taken, is_good, "round {round}: {line}");
        footprints.push(footprint(host.pid()));
        let is_due = (round + 1) % (RELOADS / (UPGRADES + 1)) == 0 && round + 1 < RELOADS;
        if is_due {
            assert_flat(&footprints);
            (since_start, footprints) = (0, Vec::new());
            // A start refuses an invalid component.
            replace(dir.path(), "drains");
            processes.push(begin(dir.path(), &["--take-over"]));
        }
    }
    assert_flat(&footprints);
    stop.store(true, Ordering::Relaxed);
    let mut made = 0;
    for talker in talkers {
        let (peers, others) = talker.join().expect("every byte came back, and nobody was refused");
        made += others;
        for mut peer in peers {
            peer.send("quit\n");
            peer.expect_end();
        }
    }
    println!("{RELOADS} reloads, {UPGRADES} upgrades, {made} connections beside {PEERS}");
    processes.last().expect("one serves").signal(Signal::TERM);
    for process in processes {
        let outcome = process.wait();
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    }
}

fn config(dir: &Path, address: &str) -> Config {
    let plugin = Plugin::named("it", Path::new("plugin.wasm")).limit("drain_deadline", "\"1h\"");
    // A plugin that traps must not be quarantined: its peers would wait in the backlog.
    let plugin = plugin.limit("traps", "1000000");
    Config::new()
        .host("handover", format!("{:?}", dir.join("next")))
        .host("stop_deadline", "\"1h\"")
        .host("reactors", "2")
        .plugin(plugin)
        .listen(Listen::at(address, "it").option("lets_go", "until-closed"))
}

fn begin(dir: &Path, words: &[&str]) -> Running {
    let mut host = command(dir);
    host.arg("run").args(words);
    let host = Running::spawn(host);
    assert!(host.says("ready "), "it does not serve");
    host
}

/// Replaces a component by another one, atomically.
fn replace(dir: &Path, name: &str) {
    fs::copy(component(name), dir.join("new.wasm")).expect("a component");
    fs::rename(dir.join("new.wasm"), dir.join("plugin.wasm")).expect("the same folder");
}

fn is_over(line: &LogLine) -> bool {
    line.message().starts_with("reloaded") || line.message().starts_with("reload refused")
}

/// Resident bytes and open descriptors.
fn footprint(pid: u32) -> (u64, usize) {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs");
    (process::resident(pid), files.count())
}

#[track_caller]
fn assert_flat(footprints: &[(u64, usize)]) {
    println!("bytes and descriptors: {footprints:?}");
    let (Some(first), Some(last)) = (footprints.first(), footprints.last()) else { return };
    assert!(last.0 < first.0 + GROWTH, "memory grows: {footprints:?}");
    // Some are being opened while they are counted.
    assert!(last.1 <= first.1 + 8 * TALKERS, "descriptors are left: {footprints:?}");
}

/// A connection that the current version has accepted.
fn talking(address: &str) -> Peer {
    let mut peer = Peer::connect(address);
    peer.expect_echo("accepted\n");
    peer
}

/// Has the connections send until they are to stop, and makes others meanwhile; returns the remaining ones, and the number that
/// were made.
fn talk(
    peers: Vec<Peer>,
    address: &str,
    stop: &Arc<AtomicBool>,
    said: &Arc<AtomicUsize>,
) -> Vec<JoinHandle<(Vec<Peer>, usize)>> {
    let mut shares: Vec<Vec<Peer>> = (0..TALKERS).map(|_| Vec::new()).collect();
    for (number, peer) in peers.into_iter().enumerate() {
        shares[number % TALKERS].push(peer);
    }
    let begin = |mut peers: Vec<Peer>| {
        let (address, stop, said) = (address.to_owned(), stop.clone(), said.clone());
        thread::spawn(move || {
            let mut made = 0;
            while !stop.load(Ordering::Relaxed) {
                for (number, peer) in peers.iter_mut().enumerate() {
                    let line = format!("{number}-{made}-{}\n", "x".repeat(number * 13 % 3000));
                    peer.expect_echo(&line);
                    said.fetch_add(1, Ordering::Relaxed);
                }
                // The version may refuse to serve it, but it is accepted.
                let mut new = Peer::try_connect(&address).expect("nobody is refused");
                new.try_send("new\n");
                let _ = new.read(&mut [0; 16]);
                made += 1;
            }
            (peers, made)
        })
    };
    shares.into_iter().map(begin).collect()
}
