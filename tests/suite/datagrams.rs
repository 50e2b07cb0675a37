//! UDP sockets that a plugin opens itself: one connection for all peers.

use std::io;
use std::net::UdpSocket;
use std::time::Duration;

use sandloop_tests::{Config, Host, Isolation, Listen, PATIENCE, Peer, Plugin, process};

fn sockets() -> Plugin {
    Plugin::new("sockets").prints().isolation(Isolation::Plugin)
}

/// A host, the connection that commands the guest, and the address of a UDP socket that it has opened.
fn opened(plugin: Plugin, local: &str) -> (Host, Peer, String) {
    let listen = Listen::tcp("sockets").key("handler", "\"control\"");
    let host = Host::start(&Config::new().plugin(plugin).listen(listen));
    let mut control = host.connect("sockets");
    let answer = ask(&mut control, &format!("datagrams {local}"));
    let words: Vec<&str> = answer.split(' ').collect();
    let ["ok", ip, port] = words[..] else { panic!("{answer}") };
    let address = if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") };
    (host, control, address)
}

#[track_caller]
fn ask(control: &mut Peer, line: &str) -> String {
    control.send(format!("{line}\n"));
    control.line().trim_end().to_owned()
}

fn peer(local: &str, address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(local).expect("a free port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    socket.connect(address).expect("an address");
    socket
}

#[track_caller]
fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 1 << 16];
    let length = socket.recv(&mut buffer).expect("a datagram comes");
    buffer.truncate(length);
    buffer
}

#[track_caller]
fn expect_nothing(socket: &UdpSocket) {
    socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a socket");
    let error = socket.recv(&mut [0; 8]).expect_err("nothing comes");
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
}

#[test]
fn each_peer_is_answered_in_its_boundaries() {
    for (host, local, own) in
        [("127.0.0.1", "127.0.0.1:0", "udp:127.0.0.1:0"), ("::1", "[::1]:0", "udp:[::1]:0")]
    {
        let plugin = sockets().allow("listen", &[own]);
        let (host, mut control, address) = opened(plugin, &format!("{host} 0"));
        let peers: Vec<UdpSocket> = (0..5).map(|_| peer(local, &address)).collect();
        for length in [1, 0, 2, 1400, 0] {
            for socket in &peers {
                socket.send(&vec![7; length]).expect("it is bound");
            }
            for socket in &peers {
                assert_eq!(receive(socket), vec![7; length]);
            }
        }
        // The system has room for a few of these only.
        for length in [9000, 65_507] {
            for socket in &peers {
                socket.send(&vec![7; length]).expect("it is bound");
                assert_eq!(receive(socket), vec![7; length]);
            }
        }
        // It is one connection, beside that of the commands.
        assert_eq!(ask(&mut control, "count"), "2");
        let outcome = host.stop();
        let told = "port false Err(\"invalid-argument\")\nport unbind stopped\n";
        assert_eq!(outcome.stdout, told);
        assert_eq!(outcome.code, Some(0));
    }
}

/// Datagrams may go where `allow.connect` grants it, and to senders, in proportion to what they have sent.
#[test]
fn allow_connect_governs_where_datagrams_go() {
    let target = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    target.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let port = target.local_addr().expect("it is bound").port();
    let plugin = sockets().allow("listen", &["udp:127.0.0.1:0"]);
    let plugin = plugin.may_connect(&[&format!("127.0.0.1:{port}")]);
    let (host, _control, address) = opened(plugin, "127.0.0.1 0");
    let asks = peer("127.0.0.1:0", &address);
    asks.send(format!("to 127.0.0.1 {port} a long text that was not asked for").as_bytes())
        .expect("it is bound");
    assert_eq!(receive(&target), b"a long text that was not asked for");
    let other = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let elsewhere = other.local_addr().expect("it is bound").port();
    asks.send(format!("to 127.0.0.1 {elsewhere} x").as_bytes()).expect("it is bound");
    let line = host.wait_log("denied");
    assert_eq!(line.field("call"), Some("datagrams.send-datagram"));
    let remedy = format!(r#"add \"127.0.0.1:{elsewhere}\" to `connect` under"#);
    assert!(line.0.contains(&remedy), "{line}");
    host.wait_printed(&format!("port {} denied", format!("to 127.0.0.1 {elsewhere} x").len()));
    expect_nothing(&other);
    for (words, error) in [
        ("to localhost 80 x", "invalid-argument"),
        ("to 127.0.0.1 0 x", "invalid-argument"),
        ("to ::1 80 x", "invalid-argument"),
    ] {
        asks.send(words.as_bytes()).expect("it is bound");
        host.wait_printed(&format!("port {} {error}", words.len()));
    }
    // A listed address is answered without a bound.
    target.connect(&address).expect("an address");
    target.send(b"big 60000").expect("it is bound");
    assert_eq!(receive(&target).len(), 60_000);
    assert_eq!(host.stop().code, Some(0));
}

/// A sender with a victim's address gets it no more than three times what it sends.
#[test]
fn an_answer_is_bounded_by_what_was_asked() {
    let plugin = sockets().allow("listen", &["udp:127.0.0.1:0"]);
    let (host, _control, address) = opened(plugin, "127.0.0.1 0");
    let victim = peer("127.0.0.1:0", &address);
    // 3 × (7 + 28) = 105: 77 and the headers.
    victim.send(b"big 100").expect("it is bound");
    host.wait_printed("port 7 denied");
    victim.send(b"big 077").expect("it is bound");
    assert_eq!(receive(&victim).len(), 77);
    for _ in 0..50 {
        victim.send(b"big 078").expect("it is bound");
    }
    let line = host.wait_line("a limit", |it| it.field("limit") == Some("datagram_answers"));
    assert_eq!(line.field("value"), Some("3"), "{line}");
    expect_nothing(&victim);
    assert_eq!(host.stop().code, Some(0));
}

/// No listener, an unreachable port, a peer that is gone: none of it ends the socket.
#[test]
fn errors_of_the_network_end_nothing() {
    let plugin = sockets().allow("listen", &["udp:127.0.0.1:0"]);
    let plugin = plugin.may_connect(&["127.0.0.1:*", "192.0.2.0/24:*", "255.255.255.255:*"]);
    let (host, _control, address) = opened(plugin, "127.0.0.1 0");
    let gone = peer("127.0.0.1:0", &address);
    gone.send(b"x").expect("it is bound");
    let port = gone.local_addr().expect("it is bound").port();
    drop(gone);
    let asks = peer("127.0.0.1:0", &address);
    for to in [&*format!("127.0.0.1 {port}"), "192.0.2.1 9", "255.255.255.255 9"] {
        for _ in 0..10 {
            asks.send(format!("to {to} x").as_bytes()).expect("it is bound");
        }
        asks.send(b"still here").expect("it is bound");
        assert_eq!(receive(&asks), b"still here");
    }
    asks.send(b"close").expect("it is bound");
    host.wait_printed("port unbind closed");
    UdpSocket::bind(&address).expect("its port is free");
    assert_eq!(host.stop().code, Some(0));
}

/// Any number of peers, as fast as they can: a neighbour is served, and no state of them is kept.
#[test]
fn a_flood_of_datagrams_costs_its_own_plugin_only() {
    let plugin = sockets().allow("listen", &["udp:127.0.0.1:0"]);
    let config = Config::new()
        .plugin(plugin)
        .listen(Listen::tcp("sockets").key("handler", "\"control\""))
        .plugin(Plugin::new("echo"))
        .listen(Listen::tcp("echo"));
    let host = Host::start(&config);
    let (mut control, mut neighbour) = (host.connect("sockets"), host.connect("echo"));
    let answer = ask(&mut control, "datagrams 127.0.0.1 0");
    let address = answer.trim_start_matches("ok ").replace(' ', ":");
    neighbour.expect_echo("before");
    let memory = process::resident(host.pid());
    for _ in 0..500 {
        let socket = peer("127.0.0.1:0", &address);
        for _ in 0..20 {
            socket.send(&[b'x'; 1000]).expect("it is bound");
        }
        neighbour.expect_echo("beside");
    }
    let grown = process::resident(host.pid()).saturating_sub(memory);
    assert!(grown < 16 << 20, "{grown} bytes");
    let socket = peer("127.0.0.1:0", &address);
    socket.send(b"after").expect("it is bound");
    assert_eq!(receive(&socket), b"after");
    assert_eq!(host.stop().code, Some(0));
}

#[test]
fn what_is_not_listed_is_denied() {
    let listen = Listen::tcp("sockets").key("handler", "\"control\"");
    let plugin = sockets().allow("listen", &["udp:127.0.0.1:5353-5400", "127.0.0.1:*"]);
    let host = Host::start(&Config::new().plugin(plugin).listen(listen));
    let mut control = host.connect("sockets");
    for (local, answer) in [
        ("127.0.0.1 0", "no denied"),
        ("127.0.0.1 5352", "no denied"),
        ("0.0.0.0 5353", "no denied"),
        ("localhost 5353", "no invalid-address"),
    ] {
        assert_eq!(ask(&mut control, &format!("datagrams {local}")), answer, "{local}");
    }
    let line = host.wait_log("denied");
    assert!(line.0.contains(r#"add \"udp:127.0.0.1:0\" to `listen` under"#), "{line}");
    assert_eq!(host.stop().code, Some(0));
}
