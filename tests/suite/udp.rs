//! UDP listeners: each datagram is one `receive-data`, each peer a connection that begins with its first datagram and ends by
//! silence. The guests are those of TCP.

use std::io;
use std::net::UdpSocket;
use std::process::Command;
use std::time::{Duration, Instant};

use sandloop_tests::host::finish;
use sandloop_tests::{
    Config, Host, Isolation, Listen, PATIENCE, Plugin, process, sandloop, workspace,
};

/// A peer of a listener at `udp://ADDRESS`.
struct DatagramPeer(UdpSocket);

impl DatagramPeer {
    fn connect(address: &str) -> DatagramPeer {
        let address = address.strip_prefix("udp://").expect("a UDP address");
        let own = if address.starts_with('[') { "[::1]:0" } else { "127.0.0.1:0" };
        let socket = UdpSocket::bind(own).expect("a free port");
        socket.connect(address).expect("an address");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        DatagramPeer(socket)
    }

    fn send(&self, bytes: &[u8]) {
        self.0.send(bytes).expect("the listener has its address");
    }

    #[track_caller]
    fn receive(&self) -> Vec<u8> {
        let mut buffer = vec![0; 1 << 16];
        let length = self.0.recv(&mut buffer).expect("a datagram comes");
        buffer.truncate(length);
        buffer
    }

    #[track_caller]
    fn expect_echo(&self, bytes: &[u8]) {
        self.send(bytes);
        assert!(self.receive() == bytes, "{} bytes came back changed", bytes.len());
    }

    /// Sends until there is an answer: a datagram may be lost if its plugin cannot accept another peer.
    #[track_caller]
    fn ask_until_answered(&self, bytes: &[u8]) -> Vec<u8> {
        self.0.set_read_timeout(Some(Duration::from_millis(50))).expect("a socket");
        let begun = Instant::now();
        let mut buffer = vec![0; 1 << 16];
        loop {
            self.send(bytes);
            if let Ok(length) = self.0.recv(&mut buffer) {
                buffer.truncate(length);
                return buffer;
            }
            assert!(begun.elapsed() < PATIENCE, "nobody answers");
        }
    }

    #[track_caller]
    fn expect_silence(&self) {
        self.0.set_read_timeout(Some(Duration::from_millis(100))).expect("a socket");
        let error = self.0.recv(&mut [0; 8]).expect_err("nothing comes");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}

fn serving(plugin: Plugin, listen: Listen) -> Host {
    Host::start(&Config::new().plugin(plugin).listen(listen))
}

fn udp(plugin: &str) -> Listen {
    Listen::at("udp://127.0.0.1:0", plugin)
}

each_isolation!(boundaries_are_kept_whatever_the_size);
fn boundaries_are_kept_whatever_the_size(isolation: Isolation) {
    for address in ["udp://127.0.0.1:0", "udp://[::1]:0"] {
        let listen = Listen::at(address, "echo");
        let host = serving(Plugin::new("echo").isolation(isolation), listen);
        let peer = DatagramPeer::connect(&host.address("echo"));
        for length in [1, 0, 2, 1400, 9000, 65_507, 0, 1] {
            peer.expect_echo(&vec![7; length]);
        }
        // Several that wait are delivered separately.
        (1..=20).for_each(|length| peer.send(&vec![1; length]));
        (1..=20).for_each(|length| assert_eq!(peer.receive().len(), length));
        assert_eq!(host.stop().code, Some(0));
    }
}

#[test]
fn a_peer_is_a_connection_and_ends_by_silence() {
    let plugin = Plugin::new("callbacks_trace").prints();
    let listen = udp("callbacks_trace").key("peer_idle", "\"100ms\"");
    let host = serving(plugin, listen);
    let peer = DatagramPeer::connect(&host.address("callbacks_trace"));
    for round in 0..2 {
        peer.expect_echo(b"helo");
        host.wait_printed_lines(5 * (round + 1));
    }
    peer.expect_echo(b"");
    let outcome = host.stop();
    let seen: Vec<&str> = outcome.stdout.lines().collect();
    let life =
        ["constructor", "post_init", "receive_data \"helo\"", "unbind inactivity-timeout", "drop"];
    let last = ["constructor", "post_init", "receive_data \"\"", "unbind stopped", "drop"];
    assert_eq!(seen, [&life[..], &life[..], &last[..]].concat());
}

#[test]
fn each_peer_has_its_sandbox_or_all_have_one() {
    for (isolation, counts) in [(Isolation::Connection, [1, 1, 1]), (Isolation::Plugin, [1, 2, 3])]
    {
        let plugin = Plugin::new("isolation_count").isolation(isolation);
        let host = serving(plugin, udp("isolation_count"));
        for count in counts {
            let peer = DatagramPeer::connect(&host.address("isolation_count"));
            for _ in 0..3 {
                peer.send(b"?");
                assert_eq!(peer.receive(), format!("{count}\n").as_bytes());
            }
        }
    }
}

#[test]
fn every_reactor_serves_its_peers() {
    let plugin = Plugin::new("echo");
    let config = Config::new().host("reactors", "3").plugin(plugin).listen(udp("echo"));
    let host = Host::start(&config);
    let peers: Vec<_> = (0..60).map(|_| DatagramPeer::connect(&host.address("echo"))).collect();
    for round in 0..5_u8 {
        peers.iter().for_each(|peer| peer.expect_echo(&[round]));
    }
}

/// With more peers than the plugin accepts, existing ones are served, others are lost and counted, until one ends.
#[test]
fn beyond_the_bound_datagrams_are_lost_and_told() {
    let plugin = Plugin::new("echo").limit("connections", "2");
    let host = serving(plugin, udp("echo").key("peer_idle", "\"300ms\""));
    let address = host.address("echo");
    let known = [DatagramPeer::connect(&address), DatagramPeer::connect(&address)];
    known.iter().for_each(|peer| peer.expect_echo(b"one"));
    let third = DatagramPeer::connect(&address);
    third.send(b"too many");
    let line = host.wait_log("at its limit: turning away");
    assert_eq!(line.field("limit"), Some("connections"), "{line}");
    known.iter().for_each(|peer| drop(peer.ask_until_answered(b"two")));
    // They fall silent, and it is accepted.
    assert_eq!(third.ask_until_answered(b"now"), b"now");
}

/// A guest that sleeps, and one that computes without end: other peers of the same socket are served, and at most `peer_queue`
/// datagrams wait for it.
#[test]
fn a_slow_handler_holds_up_its_own_peer_only() {
    for (attack, limit) in [("slow-sleep", "event_deadline"), ("set-and-cancel", "cpu_per_event")] {
        let plugin = Plugin::new("hostile_calls").limit(limit, "\"500ms\"");
        let listen = udp("hostile_calls").option("attack", attack).key("peer_queue", "10");
        let config = Config::new().plugin(plugin).listen(listen);
        let config = config.plugin(Plugin::new("echo")).listen(udp("echo"));
        let host = Host::start(&config);
        let memory = process::resident(host.pid());
        let neighbour = DatagramPeer::connect(&host.address("echo"));
        let slow = DatagramPeer::connect(&host.address("hostile_calls"));
        for _ in 0..500 {
            slow.send(&[0; 60_000]);
            neighbour.expect_echo(b"beside");
        }
        for limit in ["peer_queue", limit] {
            host.wait_line(limit, |line| line.field("limit") == Some(limit));
        }
        let grown = process::resident_peak(host.pid()).saturating_sub(memory);
        assert!(grown < 24 << 20, "{attack}: {grown} bytes");
        assert_eq!(host.stop().code, Some(0));
    }
}

/// As many peers as there are ports, each with one datagram: an attacker can forge any address.
#[test]
fn a_flood_of_peers_costs_its_own_plugin_only() {
    let plugin = Plugin::new("callbacks_trace").limit("connections", "50");
    let config = Config::new()
        .plugin(plugin)
        .listen(udp("callbacks_trace"))
        .plugin(Plugin::new("echo"))
        .listen(udp("echo"));
    let host = Host::start(&config);
    let neighbour = DatagramPeer::connect(&host.address("echo"));
    neighbour.expect_echo(b"before");
    let (address, memory) = (host.address("callbacks_trace"), process::resident(host.pid()));
    for _ in 0..2000 {
        DatagramPeer::connect(&address).send(b"x");
        neighbour.expect_echo(b"beside");
    }
    let grown = process::resident(host.pid()).saturating_sub(memory);
    assert!(grown < 16 << 20, "{grown} bytes for those who were turned away");
    assert_eq!(host.stop().code, Some(0));
}

/// Calls of a guest with its socket: none of them ends the socket of all peers.
#[test]
fn whatever_a_guest_asks_of_its_socket_the_others_are_served() {
    let attacks =
        ["send-much", "double-close", "pause-resume", "stale-handles", "use-after-unbind"];
    for attack in attacks {
        let plugin = Plugin::new("hostile_calls").isolation(Isolation::Plugin);
        let listen = udp("hostile_calls").option("attack", attack);
        let config = Config::new().plugin(plugin).listen(listen);
        let host = Host::start(&config.plugin(Plugin::new("echo")).listen(udp("echo")));
        let neighbour = DatagramPeer::connect(&host.address("echo"));
        for _ in 0..50 {
            DatagramPeer::connect(&host.address("hostile_calls")).send(b"x");
            neighbour.expect_echo(b"beside");
        }
        assert_eq!(host.stop().code, Some(0), "{attack}");
    }
}

/// A plugin closes the connection of a peer: the next datagram opens another one.
#[test]
fn a_peer_that_was_closed_begins_anew() {
    let host = serving(Plugin::new("close_variants").prints(), udp("close_variants"));
    let peer = DatagramPeer::connect(&host.address("close_variants"));
    for closed in 1..=3 {
        peer.send(b"close\n");
        let printed = host.wait_printed_lines(2 * closed);
        assert_eq!(printed.last().map(String::as_str), Some("unbind closed"));
    }
    peer.expect_silence();
    assert_eq!(host.stop().code, Some(0));
}

/// Datagrams of EventMachine come back from the sandbox, with their boundaries.
#[test]
fn an_eventmachine_socket_gets_every_datagram_back() {
    let host = serving(Plugin::new("echo"), udp("echo"));
    let mut client = Command::new("ruby");
    client.arg(workspace().join("tests/peers/em_datagrams.rb")).arg(host.address("echo"));
    let outcome = finish(client);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(outcome.stdout, "ok 200\n");
}

#[test]
fn an_address_that_is_taken_stops_the_start() {
    let other = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = format!("udp://{}", other.local_addr().expect("it is bound"));
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = Config::new().plugin(Plugin::new("echo")).listen(Listen::at(&address, "echo"));
    std::fs::write(dir.path().join("plugins.toml"), config.to_toml()).expect("a new file");
    let outcome = sandloop(dir.path(), &["run"]);
    assert_eq!(outcome.code, Some(4), "{}", outcome.stderr);
    let told = format!("listen[0].address: {address}: another process has this address");
    assert!(outcome.stderr.contains(&told), "{}", outcome.stderr);
}
