//! Conditions that loopback never has: late or lost packets, a cable that is cut or unplugged, small packets. The host and its
//! peers are in separate networks; if this process may not make any, these tests report that and are skipped.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use sandloop_testkit::noise::Noise;
use sandloop_tests::cable::{Cable, HOST, PEER};
use sandloop_tests::certificates::Authority;
use sandloop_tests::host::finish;
use sandloop_tests::paths::python;
use sandloop_tests::{
    Config, Host, Isolation, Listen, LogLine, PATIENCE, Peer, Plugin, component, workspace,
};

/// The default of a network.
const MTU: u16 = 1500;

/// A listener of the plugin's in the host's network.
fn listen(plugin: &str) -> Listen {
    Listen::at(&format!("tcp://{HOST}:0"), plugin)
}

fn start(cable: &Cable, config: &Config) -> Host {
    cable.at_host(|| Host::start(config))
}

fn connect(cable: &Cable, host: &Host, plugin: &str) -> Peer {
    cable.at_peer(|| Peer::connect(&host.address(plugin)))
}

/// A `tls://` listener of the plugin's in the host's network, with files in this folder.
fn secured(plugin: &str, folder: &Path) -> Listen {
    let authority = Authority::new("Authority of a test");
    authority.write(folder, "ca");
    let server = authority.certify(folder, "server", &["localhost"]);
    Listen::at(&format!("tls://{HOST}:0"), plugin).certified(&server)
}

/// A program that connects to an address of the peers' network.
fn connecting(cable: &Cable, options: &[(&str, &str)]) -> Host {
    let plugin = Plugin::new("connect_trace").prints().may_connect(&[&format!("{PEER}:*")]);
    let plugin = plugin.isolation(Isolation::Plugin).may_stop().option("stop", "true");
    let target = format!("tcp://{PEER}:4000");
    let plugin = options
        .iter()
        .fold(plugin.option("target", &target), |plugin, (key, value)| plugin.option(key, value));
    start(cable, &Config::new().plugin(plugin))
}

/// Waits until the host has a connection: its peer has one as soon as it has sent its last packet of the handshake, which may
/// be lost.
fn wait_until_accepted(host: &Host) {
    let is_told = |line: &LogLine| line.field("plugin").is_some();
    host.wait_in_use("nobody is accepted", PATIENCE, is_told, |line| {
        line.field("connections") == Some("1")
    });
}

/// A datagram socket in the peers' network.
fn datagrams(cable: &Cable, host: &Host, patience: Duration) -> UdpSocket {
    let address = host.address("echo");
    let address = address.strip_prefix("udp://").expect("a UDP address");
    let socket = cable.at_peer(|| UdpSocket::bind(format!("{PEER}:0")).expect("a free port"));
    socket.connect(address).expect("an address");
    socket.set_read_timeout(Some(patience)).expect("a socket");
    socket
}

#[test]
fn a_stream_is_whole_over_a_network_that_loses_and_delays() {
    let Some(cable) = Cable::lay(MTU) else { return };
    let host = start(&cable, &Config::new().plugin(Plugin::new("echo")).listen(listen("echo")));
    let mut peer = connect(&cable, &host, "echo");
    cable.delay(Duration::from_millis(5));
    cable.lose(20);
    let mut noise = Noise::new(7);
    for _ in 0..20 {
        let length = 1 + noise.below(30_000);
        peer.expect_echo(noise.bytes(length));
    }
    cable.lose(0);
    host.stop();
}

#[test]
fn tls_is_whole_over_a_network_that_loses_and_delays() {
    let Some(cable) = Cable::lay(MTU) else { return };
    let files = tempfile::tempdir().expect("a temporary directory");
    let listen = secured("echo", files.path());
    let host = start(&cable, &Config::new().plugin(Plugin::new("echo")).listen(listen));
    cable.delay(Duration::from_millis(5));
    cable.lose(20);
    let port = host.address("echo").rsplit_once(':').expect("a port").1.to_owned();
    let mut client = Command::new(python());
    client.arg(workspace().join("tests/peers/tls.py")).arg(port);
    client.arg(files.path().join("ca.pem")).args(["echo", &format!("at={HOST}")]);
    let outcome = cable.at_peer(|| finish(client));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    cable.lose(0);
    host.stop();
}

#[test]
fn datagrams_arrive_whole_or_not_at_all() {
    let Some(cable) = Cable::lay(MTU) else { return };
    let listen = Listen::at(&format!("udp://{HOST}:0"), "echo");
    let host = start(&cable, &Config::new().plugin(Plugin::new("echo")).listen(listen));
    let socket = datagrams(&cable, &host, Duration::from_millis(50));
    cable.lose(200);
    let (mut sent, mut received) = (Vec::new(), 0);
    let mut buffer = vec![0; 1 << 16];
    // Sizes of one packet and of several: a datagram that misses a part is lost.
    for (number, size) in [8, 1000, 4000].into_iter().cycle().take(300).enumerate() {
        sent.push([number.to_le_bytes().as_slice(), &vec![b'x'; size]].concat());
        socket.send(&sent[number]).expect("the network is there");
        match socket.recv(&mut buffer) {
            Ok(length) => {
                let whole = sent.iter().any(|sent| *sent == buffer[..length]);
                assert!(whole, "{length} bytes that nobody has sent");
                received += 1;
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
        }
    }
    assert!(0 < received && received < 300, "{received} of 300 came back");
    host.stop();
}

#[test]
fn small_packets_carry_large_pieces() {
    let Some(cable) = Cable::lay(576) else { return };
    let config = Config::new()
        .plugin(Plugin::new("echo"))
        .plugin(Plugin::named("streams", &component("echo")))
        .listen(Listen::at(&format!("udp://{HOST}:0"), "echo"))
        .listen(listen("streams"));
    let host = start(&cable, &config);
    let socket = datagrams(&cable, &host, PATIENCE);
    let mut noise = Noise::new(9);
    let mut buffer = vec![0; 1 << 16];
    for size in [1, 548, 549, 5000, 60_000] {
        let datagram = noise.bytes(size);
        socket.send(&datagram).expect("the network is there");
        let length = socket.recv(&mut buffer).expect("an answer");
        assert!(buffer[..length] == datagram, "{size} bytes came back changed");
    }
    connect(&cable, &host, "streams").expect_echo(noise.bytes(200_000));
    host.stop();
}

#[test]
fn a_silent_network_ends_by_the_inactivity_timeout() {
    let Some(cable) = Cable::lay(MTU) else { return };
    let plugin = Plugin::new("inactivity").prints();
    let listen = listen("inactivity").option("timeout", "500");
    let host = start(&cable, &Config::new().plugin(plugin).listen(listen));
    let mut peer = connect(&cable, &host, "inactivity");
    peer.expect_echo("x");
    cable.cut();
    host.wait_printed("unbind inactivity-timeout");
    host.stop();
}

#[test]
fn a_network_that_comes_back_has_lost_nothing() {
    let Some(cable) = Cable::lay(MTU) else { return };
    let host = start(&cable, &Config::new().plugin(Plugin::new("echo")).listen(listen("echo")));
    let mut peer = connect(&cable, &host, "echo");
    peer.expect_echo("before");
    cable.cut();
    peer.send("while it was cut");
    cable.wait_for_a_loss();
    cable.mend();
    peer.expect("while it was cut");
    host.stop();
}

#[test]
fn an_answer_to_a_peer_that_is_gone_has_a_deadline() {
    let Some(cable) = Cable::lay(MTU) else { return };
    let plugin = Plugin::new("close_variants").prints();
    let config = Config::new().plugin(plugin).listen(listen("close_variants"));
    let host = start(&cable, &config.host("close_deadline", "\"500ms\""));
    let mut peer = connect(&cable, &host, "close_variants");
    peer.send("timeout 60000\n");
    host.wait_printed("timeout 60000");
    // The question arrives late, and the answer never.
    cable.delay(Duration::from_millis(200));
    peer.send("send 8000000 close-after-writing\n");
    host.wait_printed("send 8000000 close-after-writing");
    cable.cut();
    host.wait_printed("unbind limit");
    host.stop();
}

#[test]
fn a_stop_does_not_wait_for_a_network_that_is_gone() {
    let Some(cable) = Cable::lay(MTU) else { return };
    let plugin = Plugin::new("close_variants").prints();
    let config = Config::new().plugin(plugin).listen(listen("close_variants"));
    let host = start(&cable, &config.host("stop_deadline", "\"1s\""));
    let mut peer = connect(&cable, &host, "close_variants");
    cable.delay(Duration::from_millis(200));
    peer.send("send 8000000\n");
    host.wait_printed("send 8000000");
    cable.cut();
    let begun = Instant::now();
    let outcome = host.stop();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(begun.elapsed() < PATIENCE);
    assert!(outcome.stdout.contains("unbind stopped"), "{}", outcome.stdout);
}

#[test]
fn a_handshake_over_a_network_that_is_gone_has_a_deadline() {
    let Some(cable) = Cable::lay(MTU) else { return };
    let files = tempfile::tempdir().expect("a temporary directory");
    let plugin = Plugin::new("inactivity").prints().limit("handshake_deadline", "\"500ms\"");
    let listen = secured("inactivity", files.path());
    let host = start(&cable, &Config::new().plugin(plugin).listen(listen));
    let address = host.address("inactivity").replace("tls://", "tcp://");
    let peer = cable.at_peer(|| Peer::connect(&address));
    wait_until_accepted(&host);
    cable.cut();
    host.wait_printed("unbind limit");
    drop(peer);
    host.stop();
}

#[test]
fn a_connect_to_nobody_ends_by_its_timeout() {
    let Some(cable) = Cable::lay(MTU) else { return };
    cable.cut();
    let host = connecting(&cable, &[("pending_timeout", "500")]);
    let outcome = host.wait_exit();
    assert_eq!(outcome.stdout, "0 post_init\n0 unbind connect-timeout\n", "{}", outcome.stderr);
}

#[test]
fn without_a_cable_nothing_is_reached() {
    let Some(cable) = Cable::lay(MTU) else { return };
    cable.unplug();
    let host = connecting(&cable, &[]);
    let outcome = host.wait_exit();
    assert_eq!(outcome.stdout, "0 post_init\n0 unbind unreachable\n", "{}", outcome.stderr);
}
