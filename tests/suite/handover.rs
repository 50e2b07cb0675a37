//! Upgrades of the binary: the next process takes the listeners over, the previous one drains, and no connection is refused.

use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::{fs, process::Command};

use rustix::process::{Signal, getuid};
use sandloop_tests::host::{command, finish};
use sandloop_tests::{Config, Host, Isolation, Listen, PATIENCE, Peer, Plugin, Running};
use socket2::{Domain, SockAddr, Socket, Type};

/// A host with two reactors at TCP, UDP and a Unix path, whose connections continue until their peers have finished.
fn config(dir: &Path) -> Config {
    let listen = |address: &str| Listen::at(address, "drains").option("lets_go", "until-closed");
    Config::new()
        .host("handover", format!("{:?}", dir.join("next")))
        .host("stop_deadline", "\"60s\"")
        .host("reactors", "2")
        .plugin(Plugin::new("drains").isolation(Isolation::Connection))
        .listen(listen("tcp://127.0.0.1:0"))
        .listen(listen(&format!("unix://{}", dir.join("socket").display())))
        .listen(Listen::at("udp://127.0.0.1:0", "drains"))
        // One more listener, on a port that the system picks.
        .listen(listen("tcp://127.0.0.1:0"))
}

fn start() -> (Host, Vec<String>) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = config(dir.path());
    let host = Host::start_in(dir, &config);
    let addresses = host.addresses("drains");
    assert_eq!(addresses.len(), 4, "{addresses:?}");
    (host, addresses)
}

/// The next process, which serves when this returns.
fn upgrade(dir: &Path) -> Running {
    let mut next = command(dir);
    next.args(["run", "--take-over"]);
    let next = Running::spawn(next);
    assert!(next.says("the process before has handed over"), "{}", next.wait().stderr);
    assert!(next.says("ready "), "{}", next.wait().stderr);
    next
}

/// Makes one connection after the other until it is told to stop; returns their number.
fn talk(address: &str, stop: &Arc<AtomicBool>) -> JoinHandle<usize> {
    let (address, stop) = (address.to_owned(), stop.clone());
    thread::spawn(move || {
        let mut made = 0;
        while !stop.load(Ordering::Relaxed) {
            let mut peer = Peer::connect(&address);
            for round in 0..5 {
                peer.expect_echo(format!("{made}-{round}-{}\n", "x".repeat(round * 1000)));
            }
            peer.send("quit\n");
            peer.expect_end();
            made += 1;
        }
        made
    })
}

fn expect_datagram(address: &str, word: &str) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = address.strip_prefix("udp://").expect("a UDP address");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    socket.send_to(word.as_bytes(), address).expect("it is there");
    let mut buffer = [0; 64];
    let (length, _) = socket.recv_from(&mut buffer).expect("it answers");
    assert_eq!(&buffer[..length], word.as_bytes());
}

#[test]
fn nobody_is_turned_away_in_three_upgrades() {
    let (first, addresses) = start();
    let dir = first.dir().to_owned();
    let (tcp, unix, udp, other) = (&addresses[0], &addresses[1], &addresses[2], &addresses[3]);
    assert_ne!(tcp, other);
    let stop = Arc::new(AtomicBool::new(false));
    let talkers: Vec<_> =
        [tcp, unix, other, tcp, unix, other].map(|address| talk(address, &stop)).into();
    let mut stays: Vec<Peer> = Vec::new();
    let mut processes = Vec::new();
    for generation in 0..3 {
        stays.extend((0..5).map(|_| Peer::connect(tcp)));
        stays.iter_mut().for_each(|peer| peer.expect_echo(format!("{generation}\n")));
        expect_datagram(udp, "datagram\n");
        processes.push(upgrade(&dir));
        // The connections of every earlier process continue.
        stays.iter_mut().for_each(|peer| peer.expect_echo(format!("again-{generation}\n")));
        expect_datagram(udp, "datagram\n");
    }
    stop.store(true, Ordering::Relaxed);
    for talker in talkers {
        let made = talker.join().expect("nobody was turned away");
        assert!(3 < made, "only {made}");
    }
    // The addresses are the same in each process, and the path belongs to the last one.
    Peer::connect(unix).expect_echo("there\n");
    for peer in &mut stays {
        peer.send("quit\n");
        peer.expect_end();
    }
    let last = processes.pop().expect("there were three");
    for process in processes {
        let outcome = process.wait();
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    }
    Peer::connect(unix).expect_echo("there\n");
    last.signal(Signal::TERM);
    assert_eq!(last.wait().code, Some(0));
    for path in ["socket", "next"] {
        assert!(!dir.join(path).exists(), "{path} is left");
    }
    // The folder is removed with it.
    let outcome = first.wait_exit();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}

/// A process of this user that knows the path, and sends this.
fn ask(dir: &Path, words: &str) -> Socket {
    let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).expect("a socket");
    socket.connect(&SockAddr::unix(dir.join("next")).expect("a path")).expect("it waits");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    socket.send(words.as_bytes()).expect("it listens");
    socket
}

#[test]
fn an_upgrade_that_fails_changes_nothing() {
    let (host, addresses) = start();
    let dir = host.dir().to_owned();
    let mut stays = Peer::connect(&addresses[0]);
    let good = fs::read_to_string(dir.join("plugins.toml")).expect("it is there");
    // It gets as far as its configuration, its plugins, and one address that is in use.
    let wrong = |file: &str, text: &str| {
        fs::write(dir.join(file), text).expect("a new file");
        let mut next = command(&dir);
        next.args(["run", file, "--take-over"]);
        let outcome = finish(next);
        assert_ne!(outcome.code, Some(0), "{file}: {}", outcome.stderr);
    };
    wrong("key.toml", &good.replace("reactors", "reactor"));
    wrong("component.toml", &good.replace("drains.wasm", "nothing.wasm"));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = listener.local_addr().expect("it is bound");
    let more = format!("{good}\n[[listen]]\naddress = \"tcp://{taken}\"\nplugin = \"drains\"\n");
    wrong("address.toml", &more);
    host.wait_log("nobody has taken over: serving as before");
    // It leaves at each point of the dialogue.
    drop(ask(&dir, "take over 1"));
    drop(ask(&dir, "give me everything"));
    let asked = ask(&dir, "take over 1");
    let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
    while asked.recv(&mut buffer).expect("it answers") != 3 {}
    asked.send(b"read").expect("it listens");
    drop(asked);
    // Without this word no process takes anything over.
    let mut next = command(&dir);
    next.args(["run"]);
    let outcome = finish(next);
    assert_ne!(outcome.code, Some(0));
    assert!(outcome.stderr.contains("--take-over"), "{}", outcome.stderr);
    stays.expect_echo("still-there\n");
    for address in [&addresses[0], &addresses[1], &addresses[3]] {
        Peer::connect(address).expect_echo("there\n");
    }
    expect_datagram(&addresses[2], "datagram\n");
    // And then one that works.
    let next = upgrade(&dir);
    Peer::connect(&addresses[1]).expect_echo("there\n");
    stays.send("quit\n");
    stays.expect_end();
    assert_eq!(host.wait_exit().code, Some(0));
    next.signal(Signal::TERM);
    assert_eq!(next.wait().code, Some(0));
}

#[test]
fn another_users_process_gets_nothing() {
    let (host, _) = start();
    let path = host.dir().join("next");
    let mode = fs::metadata(&path).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    if !getuid().is_root() {
        // Only root can become another user.
        return;
    }
    // The operator has opened it to all users.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("it is ours");
    fs::set_permissions(host.dir(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let ask = "import socket, sys; \
               s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); \
               s.connect(sys.argv[1]); s.send(b'take over 1'); \
               print(len(s.recvmsg(4096, 4096)[0]))";
    let mut other = Command::new("setpriv");
    other.args(["--reuid=65534", "--clear-groups", "/usr/bin/python3", "-c", ask]).arg(&path);
    let outcome = finish(other);
    assert!(!outcome.stdout.contains("listener"), "{}", outcome.stdout);
    assert!(!outcome.stderr.contains("Permission"), "{}", outcome.stderr);
    host.wait_log("another user's process has asked for the listeners: refused");
    host.stop();
}

/// With more reactors, and with fewer.
#[test]
fn the_number_of_reactors_may_change() {
    let (host, addresses) = start();
    let dir = host.dir().to_owned();
    let stop = Arc::new(AtomicBool::new(false));
    let talkers: Vec<_> = [&addresses[0], &addresses[1]].map(|it| talk(it, &stop)).into();
    let good = fs::read_to_string(dir.join("plugins.toml")).expect("it is there");
    let mut before: Option<Running> = None;
    for reactors in ["reactors = 1", "reactors = 4", "reactors = 2"] {
        let text = good.replace("reactors = 2", reactors);
        fs::write(dir.join("plugins.toml"), text).expect("it may be written");
        let next = upgrade(&dir);
        if let Some(before) = before.replace(next) {
            assert_eq!(before.wait().code, Some(0));
        }
    }
    stop.store(true, Ordering::Relaxed);
    talkers.into_iter().for_each(|talker| {
        talker.join().expect("nobody was turned away");
    });
    assert_eq!(host.wait_exit().code, Some(0));
    let last = before.expect("there were three");
    last.signal(Signal::TERM);
    assert_eq!(last.wait().code, Some(0));
}

/// A process at the path that never accepts, with a backlog that is full.
fn hung(path: &Path) -> Vec<Socket> {
    let listener = Socket::new(Domain::UNIX, Type::SEQPACKET, None).expect("a socket");
    let at = SockAddr::unix(path).expect("a path");
    listener.bind(&at).expect("a new path");
    listener.listen(0).expect("it is bound");
    let mut all = vec![listener];
    loop {
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).expect("a socket");
        socket.set_nonblocking(true).expect("a socket");
        if socket.connect(&at).is_err() {
            return all;
        }
        all.push(socket);
    }
}

#[test]
fn a_process_that_hangs_does_not_keep_the_next_from_being_stopped() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::write(dir.path().join("plugins.toml"), config(dir.path()).to_toml()).expect("a new file");
    let _hung = hung(&dir.path().join("next"));
    let mut next = command(dir.path());
    next.args(["run", "--take-over"]);
    let next = Running::spawn(next);
    assert!(next.says("asking the process that serves"), "{}", next.wait().stderr);
    next.signal(Signal::TERM);
    assert_eq!(next.wait().code, Some(143));
}
