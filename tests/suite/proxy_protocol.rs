//! Listeners behind a proxy: connections begin with a header of the PROXY protocol, and the plugin sees the addresses in it.

use std::fs;
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::process::Command;

use sandloop_tests::certificates::Authority;
use sandloop_tests::host::finish;
use sandloop_tests::{Config, Host, Isolation, Listen, Peer, Plugin, process};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const V1: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.2 40000 443\r\n";
const V1_ENDS: &str = "tcp://192.0.2.1:40000 tcp://198.51.100.2:443";

fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("it is short").to_be_bytes();
    [SIGNATURE, &[0x20 | command, family], &length, rest].concat()
}

fn v2_ipv6() -> Vec<u8> {
    let mut ends = [0; 36];
    (ends[15], ends[31], ends[33], ends[35]) = (1, 2, 3, 4);
    v2(1, 0x21, &ends)
}

const V2_IPV6_ENDS: &str = "tcp://[::1]:3 tcp://[::2]:4";

fn behind(address: &str, from: &str) -> Listen {
    Listen::at(address, "ends").key("proxy_protocol", format!("{{ from = [{from}] }}"))
}

fn local() -> Listen {
    behind("tcp://127.0.0.1:0", "\"127.0.0.0/8\"")
}

fn serving(plugin: Plugin, listen: Listen) -> Host {
    Host::start(&Config::new().plugin(plugin).listen(listen))
}

fn ends() -> Plugin {
    Plugin::new("ends").prints()
}

fn connect_from(source: &str, address: &str) -> Peer {
    let source: Ipv4Addr = source.parse().expect("an address");
    Peer::connect_from(source, address)
}

#[track_caller]
fn expect_ends(address: &str, header: &[u8], ends: &str) {
    let mut peer = Peer::connect(address);
    peer.send([header, b"helo\n"].concat());
    peer.expect(format!("{ends}\nhelo\n"));
    peer.expect_echo("once more\n");
}

each_isolation!(each_version_names_the_ends);
fn each_version_names_the_ends(isolation: Isolation) {
    for reactors in ["1", "3"] {
        let config = Config::new().host("reactors", reactors);
        let host = Host::start(&config.plugin(ends().isolation(isolation)).listen(local()));
        let address = host.address("ends");
        let mut path = [0; 216];
        path[..6].copy_from_slice(b"/run/a");
        for (header, named) in [
            (V1.to_vec(), V1_ENDS),
            (b"PROXY TCP6 ::1 ::2 3 4\r\n".to_vec(), V2_IPV6_ENDS),
            (v2_ipv6(), V2_IPV6_ENDS),
            (v2(1, 0x11, &[192, 0, 2, 1, 198, 51, 100, 2, 0x9c, 0x40, 1, 0xbb]), V1_ENDS),
            (v2(1, 0x31, &path), "unix:///run/a unix://"),
        ] {
            expect_ends(&address, &header, named);
        }
        // Connections of the proxy itself: the addresses are those of the socket.
        for header in [b"PROXY UNKNOWN\r\n".to_vec(), v2(0, 0, &[]), v2(1, 0, &[])] {
            let mut peer = Peer::connect(&address);
            let own = peer.local_address();
            peer.send(&header);
            peer.expect(format!("tcp://{own} {address}\n"));
        }
        assert_eq!(host.stop().code, Some(0));
    }
}

each_isolation!(a_header_may_be_cut_and_the_guest_is_told_when_it_is_whole);
fn a_header_may_be_cut_and_the_guest_is_told_when_it_is_whole(isolation: Isolation) {
    let plugin = Plugin::new("callbacks_trace").prints().isolation(isolation);
    let listen = Listen::tcp("callbacks_trace")
        .key("proxy_protocol", "{ from = [\"127.0.0.1\"] }".to_owned());
    let host = serving(plugin, listen);
    for (header, lines) in [(V1.to_vec(), 0), (v2_ipv6(), 5)] {
        let mut peer = Peer::connect(&host.address("callbacks_trace"));
        for byte in &header[..header.len() - 1] {
            peer.send([*byte]);
        }
        peer.expect_nothing_yet();
        assert_eq!(host.printed().lines().count(), lines, "{}", host.printed());
        peer.send(&header[header.len() - 1..]);
        peer.expect_echo("helo");
        peer.finish();
        peer.expect_end();
        host.wait_printed_lines(lines + 5);
    }
    assert_eq!(host.stop().code, Some(0));
}

/// A peer that is not in the list is reset, whatever its header; only the operator is informed.
#[test]
fn a_source_that_is_not_trusted_is_reset() {
    let host = serving(ends(), behind("tcp://127.0.0.1:0", "\"127.0.0.8/30\", \"127.0.0.77\""));
    let address = host.address("ends");
    for source in ["127.0.0.7", "127.0.0.12", "127.0.0.1", "127.0.0.76"] {
        match Peer::try_connect_from(source.parse().expect("an address"), &address) {
            Ok(mut peer) => {
                // The header claims 127.0.0.9, which is trusted, but that is not verified.
                peer.try_send(b"PROXY TCP4 127.0.0.9 127.0.0.9 1 2\r\nhelo\n");
                peer.expect_closed();
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
        }
    }
    let line = host.wait_log("reset: this proxy is not in proxy_protocol.from");
    assert_eq!(line.field("peer").and_then(|it| it.split(':').next()), Some("127.0.0.7"));
    assert_eq!(line.field("address"), Some(&*address));
    for source in ["127.0.0.8", "127.0.0.11", "127.0.0.77"] {
        let mut peer = connect_from(source, &address);
        peer.send(V1);
        peer.expect(format!("{V1_ENDS}\n"));
        peer.finish();
        peer.expect_end();
    }
    let outcome = host.stop();
    assert_eq!(outcome.stdout, "unbind peer-closed\n".repeat(3));
}

/// A wrong header is reset with a line of the log, and no guest is informed.
#[test]
fn a_wrong_header_is_reset_and_told_once() {
    let host = serving(ends(), local().key("proxy_header", "300"));
    let address = host.address("ends");
    let mut causes = Vec::new();
    for (header, cause) in [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), "does not begin with one"),
        (b"helo\n".to_vec(), "does not begin with one"),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n".to_vec(), "port"),
        ([&b"PROXY "[..], &[b'x'; 200]].concat(), "longer than it may be"),
        (v2(1, 0x11, &[0; 290]), "longer than it may be"),
        (v2(1, 0x11, &[0; 11]), ""),
        ([SIGNATURE, &[0x31, 0x11, 0, 12], &[0; 12]].concat(), ""),
    ] {
        let mut peer = Peer::connect(&address);
        causes.push((peer.local_address(), cause));
        peer.send(&header);
        peer.expect_closed();
    }
    host.wait_log("reset: its PROXY protocol header is not taken");
    // Of several in a second one line has the number.
    for line in host.log().iter().filter(|line| line.message().starts_with("reset: ")) {
        let of = |(peer, _): &&(String, &str)| Some(peer.as_str()) == line.field("peer");
        let (_, cause) = causes.iter().find(of).unwrap_or_else(|| panic!("of nobody: {line}"));
        assert!(line.field("cause").is_some_and(|it| it.contains(cause)), "{line}");
    }
    // A connection that closes without a header is a probe.
    drop(Peer::connect(&address));
    expect_ends(&address, V1, V1_ENDS);
    host.wait_printed("unbind peer-closed");
    assert_eq!(host.stop().stdout, "unbind peer-closed\n");
}

#[test]
fn a_header_has_its_deadline() {
    let plugin = ends().limit("handshake_deadline", "\"300ms\"");
    let host = serving(plugin, local());
    let address = host.address("ends");
    let (mut silent, mut slow) = (Peer::connect(&address), Peer::connect(&address));
    slow.send(&V1[..20]);
    silent.expect_closed();
    slow.expect_closed();
    let line = host.wait_log("at a limit");
    assert_eq!(line.field("limit"), Some("handshake_deadline"));
    expect_ends(&address, V1, V1_ENDS);
    host.wait_printed("unbind peer-closed");
    assert_eq!(host.stop().stdout, "unbind peer-closed\n");
}

#[test]
fn unix_sockets_and_those_that_are_handed_over() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("behind.sock");
    let address = format!("unix://{}", path.display());
    let listens = [
        behind(&address, "\"unix:\""),
        behind("fd://web", "\"unix:\", \"127.0.0.1\""),
        behind("fd://local", "\"unix:\""),
    ];
    let config = listens.into_iter().fold(Config::new().plugin(ends()), Config::listen);
    let local = format!("local=unix:{}", dir.path().join("local.sock").display());
    let host = Host::start_activated(dir, &config, &["web=tcp", &local]);
    for address in host.addresses("ends") {
        expect_ends(&address, V1, V1_ENDS);
        expect_ends(&address, &v2_ipv6(), V2_IPV6_ENDS);
    }
    assert_eq!(host.stop().code, Some(0));
}

/// The header comes first, then the handshake.
#[test]
fn curl_through_tls_and_without() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let authority = Authority::new("Authority of a test");
    authority.write(dir.path(), "ca");
    let server = authority.certify(dir.path(), "server", &["localhost", "127.0.0.1"]);
    let ca = fs::read(dir.path().join("ca.pem")).expect("it was written");
    let plugin = Plugin::new("http-hello");
    let listen = |address| {
        Listen::at(address, "http-hello")
            .key("proxy_protocol", "{ from = [\"127.0.0.1\"] }".to_owned())
    };
    let tls = listen("tls://127.0.0.1:0").certified(&server);
    let config = Config::new().plugin(plugin).listen(listen("tcp://127.0.0.1:0")).listen(tls);
    let host = Host::start(&config);
    fs::write(dir.path().join("ca.pem"), ca).expect("a file");
    let mut seen = 0;
    for address in host.addresses("http-hello") {
        let (scheme, port) = match address.split_once("://") {
            Some(("tls", rest)) => ("https", rest.rsplit_once(':').expect("a port").1),
            Some((_, rest)) => ("http", rest.rsplit_once(':').expect("a port").1),
            None => panic!("{address}"),
        };
        let get = |words: &[&str]| {
            let mut curl = Command::new("curl");
            curl.args(["-sS", "--max-time", "30", "-w", " %{http_code}", "--cacert"]);
            curl.arg(dir.path().join("ca.pem")).args(words);
            curl.args(["--resolve", &format!("localhost:{port}:127.0.0.1")]);
            curl.arg(format!("{scheme}://localhost:{port}/"));
            finish(curl)
        };
        let outcome = get(&["--haproxy-protocol"]);
        assert!(outcome.stdout.trim_end().ends_with(" 200"), "{scheme}: {outcome:?}");
        // Without the header it is refused.
        assert_ne!(get(&[]).code, Some(0), "{scheme}");
        seen += 1;
    }
    assert_eq!(seen, 2);
    assert_eq!(host.stop().code, Some(0));
}

/// Parts of headers, nonsense and headers byte by byte: a neighbour is served, and nothing is left behind.
#[test]
fn a_flood_of_headers_costs_its_own_plugin_only() {
    let plugin = Plugin::new("ends").limit("handshake_deadline", "\"5s\"");
    let config = Config::new().plugin(plugin.limit("connections", "100")).listen(local());
    let config = config.plugin(Plugin::new("echo")).listen(Listen::tcp("echo"));
    let host = Host::start(&config);
    let address = host.address("ends");
    let mut neighbour = host.connect("echo");
    neighbour.expect_echo("before");
    let memory = process::resident(host.pid());
    let halves: Vec<_> = (0..100)
        .map(|_| {
            let mut peer = Peer::connect(&address);
            peer.send([SIGNATURE, &[0x21, 0x11, 3, 0]].concat());
            neighbour.expect_echo("beside");
            peer
        })
        .collect();
    drop(halves);
    for _ in 0..300 {
        let mut peer = Peer::connect(&address);
        peer.try_send([0xff; 64]);
        peer.expect_closed();
        neighbour.expect_echo("beside");
    }
    expect_ends(&address, V1, V1_ENDS);
    let grown = process::resident(host.pid()).saturating_sub(memory);
    assert!(grown < 16 << 20, "{grown} bytes");
    assert_eq!(host.stop().code, Some(0));
}

/// For sockets where it makes no sense, and without trusted proxies.
#[test]
fn a_socket_of_datagrams_has_no_header() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = Config::new().plugin(ends()).listen(behind("fd://web", "\"127.0.0.1\""));
    fs::write(dir.path().join("plugins.toml"), config.to_toml()).expect("a file");
    let mut command = sandloop_tests::host::activated(dir.path(), &["web=udp"]);
    command.args(["run", "plugins.toml"]);
    let outcome = finish(command);
    assert_eq!(outcome.code, Some(4), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("listen[0].proxy_protocol: "), "{}", outcome.stderr);
}
