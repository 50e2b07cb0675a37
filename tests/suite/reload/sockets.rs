//! The effect of a reload on each kind of listener, and a changed file that causes one.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::UdpSocket;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use sandloop_tests::certificates::Authority;
use sandloop_tests::host::{Outcome, finish};
use sandloop_tests::paths::{python, workspace};
use sandloop_tests::{Config, Host, Listen, PATIENCE, Peer, Plugin, own_loopback};
use socket2::{Domain, SockAddr, Socket, Type};

use super::{is_over, reload};

fn echo_at(address: &str) -> Config {
    Config::new().plugin(Plugin::new("echo")).listen(Listen::at(address, "echo"))
}

/// An echo over TLS, by Python's client.
fn tls_echo(own: &str, port: u16, authority: &Path) -> Outcome {
    let mut client = Command::new(python());
    client.arg(workspace().join("tests/peers/tls.py")).arg(port.to_string()).arg(authority);
    client.args(["echo", &format!("at={own}")]);
    finish(client)
}

/// The same socket changes to TLS, and to plain TCP again; no connection is refused, and old connections stay unchanged.
#[test]
fn tcp_becomes_tls_and_tcp_again() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let authority = Authority::new("Authority of a reload");
    let ca = authority.write(dir.path(), "ca");
    let server = authority.certify(dir.path(), "server", &["localhost"]);
    let own = own_loopback();
    let (plain, secure) = (format!("tcp://{own}:7030"), format!("tls://{own}:7030"));
    let tls = Config::new()
        .plugin(Plugin::new("echo"))
        .listen(Listen::at(&secure, "echo").certified(&server));
    let host = Host::start(&echo_at(&plain));
    let mut old = Peer::connect(&plain);
    old.expect_echo("plain\n");
    for round in 0..2 {
        assert!(reload(&host, &tls.to_toml()));
        let outcome = tls_echo(&own, 7030, &ca);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        assert!(outcome.stdout.contains("hello"), "{}", outcome.stdout);
        old.expect_echo("still plain\n");
        assert!(reload(&host, &echo_at(&plain).to_toml()));
        let mut new = Peer::connect(&plain);
        new.expect_echo(format!("plain again {round}\n"));
    }
    old.expect_echo("the whole time\n");
    host.stop();
}

/// The permissions of a Unix socket follow the file; the socket stays the same.
#[test]
fn the_mode_of_a_socket_changes() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("socket");
    let config = |mode: &str| {
        let listen = Listen::unix(&path, "echo").key("mode", format!("{mode:?}"));
        Config::new().plugin(Plugin::new("echo")).listen(listen)
    };
    let mode = || fs::metadata(&path).expect("it is there").permissions().mode() & 0o777;
    let address = format!("unix://{}", path.display());
    let host = Host::start(&config("0600"));
    let mut old = Peer::connect(&address);
    old.expect_echo("before\n");
    assert_eq!(mode(), 0o600);
    for (written, expected) in [("0660", 0o660), ("0606", 0o606), ("0600", 0o600)] {
        assert!(reload(&host, &config(written).to_toml()));
        assert_eq!(mode(), expected);
        Peer::connect(&address).expect_echo("x\n");
        old.expect_echo("still\n");
    }
    host.stop();
}

/// The backlog follows the file; waiting connections continue to wait.
#[test]
fn the_backlog_of_a_socket_changes() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("socket");
    let config = |backlog: u32| {
        let listen = Listen::unix(&path, "echo").key("backlog", backlog.to_string());
        Config::new().plugin(Plugin::new("echo").limit("connections", "1")).listen(listen)
    };
    let host = Host::start(&config(1));
    let mut served = Peer::connect(&format!("unix://{}", path.display()));
    served.expect_echo("the only one\n");
    let mut waiting: Vec<Socket> = Vec::new();
    let mut fill = || {
        loop {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
            socket.set_nonblocking(true).expect("a socket");
            match socket.connect(&SockAddr::unix(&path).expect("a short path")) {
                Ok(()) => waiting.push(socket),
                Err(full) if full.kind() == ErrorKind::WouldBlock => return waiting.len(),
                Err(error) => panic!("{error}"),
            }
        }
    };
    // Linux keeps one more than the given number.
    assert_eq!(fill(), 2);
    for (backlog, expected) in [(5, 6), (1, 6), (7, 8)] {
        assert!(reload(&host, &config(backlog).to_toml()));
        assert_eq!(fill(), expected, "backlog = {backlog}");
        served.expect_echo("still\n");
    }
    drop(served);
    let first = UnixStream::from(OwnedFd::from(waiting.remove(0)));
    first.set_nonblocking(false).expect("a socket");
    first.set_read_timeout(Some(PATIENCE)).expect("a socket");
    (&first).write_all(b"at last\n").expect("it is open");
    let mut echoed = [0; 8];
    (&first).read_exact(&mut echoed).expect("it is served");
    host.stop();
}

/// Datagrams that a UDP socket has received are answered by the version that is served then.
#[test]
fn a_udp_socket_stays() {
    let address = format!("udp://{}:7031", own_loopback());
    let config = |version: &str| {
        let plugin = Plugin::new("pass").option("version", version);
        Config::new().plugin(plugin).listen(Listen::at(&address, "pass").option("a", version))
    };
    let host = Host::start(&config("first"));
    let ask = |socket: &UdpSocket| {
        socket.send_to(b"x", &address["udp://".len()..]).expect("it is bound");
        let mut buffer = [0; 64];
        let length = socket.recv(&mut buffer).expect("an answer");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let peer = || {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        socket
    };
    let old = peer();
    assert_eq!(ask(&old), "first x");
    assert!(reload(&host, &config("second").to_toml()));
    assert_eq!(ask(&peer()), "second x");
    assert_eq!(ask(&old), "first x", "a peer keeps its version");
    host.stop();
}

/// A socket that was passed at the start stays, under its name, and is not opened again once it was given up.
#[test]
fn a_socket_that_was_handed_in_stays() {
    let config = |version: &str| {
        let plugin = Plugin::new("pass").option("version", version);
        Config::new().plugin(plugin).listen(Listen::at("fd://web", "pass").option("a", version))
    };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let host = Host::start_activated(dir, &config("first"), &["web=tcp"]);
    let address = host.address("pass");
    for version in ["second", "third"] {
        assert!(reload(&host, &config(version).to_toml()));
        let mut peer = Peer::connect(&address);
        peer.send("x");
        peer.expect(format!("{version} x"));
    }
    assert!(reload(&host, &echo_at("tcp://127.0.0.1:0").to_toml()));
    assert!(!reload(&host, &config("fourth").to_toml()), "it was closed");
    let line = host.log().into_iter().rev().find(is_over).expect("a line");
    assert!(line.0.contains("fd://web"), "{line}");
    host.stop();
}

/// With `reload_on_change` no request is needed: each file that a reload reads is watched.
#[test]
fn a_changed_file_is_a_reason() {
    let address = format!("tcp://{}:7033", own_loopback());
    let dir = tempfile::tempdir().expect("a temporary directory");
    let component = dir.path().join("plugin.wasm");
    fs::copy(sandloop_tests::component("echo"), &component).expect("a component");
    let config = |a: &str| {
        Config::new()
            .host("reload_on_change", "true")
            .plugin(Plugin::named("it", Path::new("plugin.wasm")))
            .listen(Listen::at(&address, "it").option("a", a))
    };
    let host = Host::start_in(dir, &config("first"));
    Peer::connect(&address).expect_echo("echo\n");
    super::replace(&host, "pass");
    host.wait_lines("a component has changed", 1, is_over);
    let mut peer = Peer::connect(&address);
    peer.send("x");
    peer.expect("first x");
    fs::write(host.dir().join("plugins.toml"), config("second").to_toml()).expect("a file");
    host.wait_lines("the configuration has changed", 2, is_over);
    let mut peer = Peer::connect(&address);
    peer.send("x");
    peer.expect("second x");
    host.stop();
}
