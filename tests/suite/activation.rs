//! Sockets that the process which starts the host has opened for it: `fd://` and systemd's LISTEN_FDS.

use std::fs;
use std::net::UdpSocket;

use sandloop_tests::host::{activated, finish};
use sandloop_tests::{Config, Host, Isolation, Listen, PATIENCE, Peer, Plugin, sandloop};

fn serving(addresses: &[&str]) -> Config {
    let listens = addresses.iter().map(|address| Listen::at(address, "echo"));
    listens.fold(Config::new().plugin(Plugin::new("echo")), Config::listen)
}

each_isolation!(each_kind_is_served_by_name_and_by_number);
fn each_kind_is_served_by_name_and_by_number(isolation: Isolation) {
    for reactors in ["1", "3"] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let plugin = Plugin::new("echo").isolation(isolation);
        let config = Config::new().host("reactors", reactors).plugin(plugin);
        let config = ["fd://5", "fd://web", "fd://chat.socket", "fd://6"]
            .iter()
            .fold(config, |config, address| config.listen(Listen::at(address, "echo")));
        let path = dir.path().join("chat");
        let unix = format!("chat.socket=unix:{}", path.display());
        let host = Host::start_activated(dir, &config, &["web=tcp", &unix, "=udp", "unknown=tcp"]);
        let served = host.addresses("echo");
        let kinds: Vec<&str> = served.iter().filter_map(|it| it.split("://").next()).collect();
        assert_eq!(kinds, ["udp", "tcp", "unix", "tcp"]);
        for address in served.iter().filter(|address| !address.starts_with("udp")) {
            (0..8).for_each(|_| Peer::connect(address).expect_echo("helo\n"));
        }
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        for _ in 0..8 {
            socket.send_to(b"helo", &served[0]["udp://".len()..]).expect("it is bound");
            assert_eq!(socket.recv(&mut [0; 8]).expect("an echo"), 4);
        }
        assert_eq!(host.stop().code, Some(0));
    }
}

/// A socket that is missing, or cannot be served, stops the start with the line, the cause and the remedy.
#[test]
fn what_was_not_handed_over_stops_the_start() {
    let unix = "write the address itself";
    let kind = "hand over a listening TCP or Unix stream socket, or a bound UDP one";
    let cases: [(&[&str], &str, &str, &str); 5] = [
        (
            &[],
            "fd://3",
            "no such socket was handed over with LISTEN_FDS, which hands over none",
            unix,
        ),
        (&["web=tcp"], "fd://4", "which hands over 3 (\"web\")", unix),
        (&["web=tcp", "=udp"], "fd://chat", "which hands over 3 (\"web\"), 4;", unix),
        (&["web=bound"], "fd://web", "that does not listen", kind),
        (&["web=file"], "fd://3", "no socket of a kind that is served", kind),
    ];
    for (sockets, address, cause, remedy) in cases {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::write(dir.path().join("plugins.toml"), serving(&[address]).to_toml()).expect("a file");
        let mut command = activated(dir.path(), sockets);
        command.args(["run", "plugins.toml"]);
        let outcome = finish(command);
        assert_eq!(outcome.code, Some(4), "{address}: {}", outcome.stderr);
        let place = format!("listen[0].address: {address}: ");
        for told in [&*place, cause, remedy] {
            assert!(
                outcome.stderr.contains(told),
                "{address}: {told:?} is not in {}",
                outcome.stderr
            );
        }
    }
}

/// Sockets for another process are not taken, and the host's own child processes do not get them.
#[test]
fn sockets_of_another_process_are_not_taken() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::write(dir.path().join("plugins.toml"), serving(&["fd://3"]).to_toml()).expect("a file");
    let mut command = sandloop_tests::host::command(dir.path());
    command.args(["run", "plugins.toml"]).env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    let outcome = finish(command);
    assert_eq!(outcome.code, Some(4), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("which hands over none"), "{}", outcome.stderr);
}

/// `check` accepts such an address and needs no socket.
#[test]
fn a_check_needs_no_socket() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::write(dir.path().join("plugins.toml"), serving(&["fd://web"]).to_toml()).expect("a file");
    let outcome = sandloop(dir.path(), &["check"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}
