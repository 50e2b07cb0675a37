//! Listeners that a plugin opens and closes itself, as far as `allow.listen` grants it.

use std::net::{TcpListener, UdpSocket};

use sandloop_tests::{Config, Host, Isolation, Listen, PATIENCE, Peer, Plugin, process};

fn sockets(isolation: Isolation, allowed: &[&str]) -> Plugin {
    Plugin::new("sockets").prints().isolation(isolation).allow("listen", allowed)
}

fn serving(plugin: Plugin) -> Host {
    let listen = Listen::tcp("sockets").key("handler", "\"control\"");
    Host::start(&Config::new().plugin(plugin).listen(listen))
}

/// Has the guest do something; returns its answer.
#[track_caller]
fn ask(control: &mut Peer, line: &str) -> String {
    control.send(format!("{line}\n"));
    control.line().trim_end().to_owned()
}

/// The address of a listener that the guest opens.
#[track_caller]
fn start(control: &mut Peer, what: &str) -> String {
    let answer = ask(control, &format!("start {what}"));
    let words: Vec<&str> = answer.split(' ').collect();
    match words[..] {
        ["ok", _, address] => address.to_owned(),
        _ => panic!("{what}: {answer}"),
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

#[test]
fn its_connections_are_told_as_those_of_the_operator() {
    // Shared, the second connection is the second of its sandbox; apart, it is the first.
    for (isolation, second) in [(Isolation::Plugin, 2), (Isolation::Connection, 1)] {
        for (host, kind) in [("127.0.0.1", "tcp://127.0.0.1:"), ("::1", "tcp://[::1]:")] {
            let allowed = ["127.0.0.1:0", "[::1]:0"];
            let server = serving(sockets(isolation, &allowed));
            let mut control = server.connect("sockets");
            let address = start(&mut control, &format!("tcp {host} 0 told"));
            assert!(address.starts_with(kind), "{address}");
            for count in [1, second] {
                let mut peer = Peer::connect(&address);
                peer.expect(format!("{address} by the plugin {count}\n"));
                peer.expect_echo("and back");
                peer.finish();
                peer.expect_end();
            }
            let line = server.wait_log("serving for as long as its plugin wants");
            assert_eq!(line.field("address"), Some(&*address));
            assert_eq!(server.stop().code, Some(0));
        }
    }
}

/// The port is free again, and existing connections stay.
#[test]
fn what_is_stopped_frees_its_port() {
    let port = free_port();
    let rule = format!("127.0.0.1:{port}");
    let host = serving(sockets(Isolation::Plugin, &[&rule]));
    let mut control = host.connect("sockets");
    for round in 0..3 {
        let address = start(&mut control, &format!("tcp 127.0.0.1 {port} told"));
        assert_eq!(address, format!("tcp://{rule}"));
        let in_use = ask(&mut control, &format!("start tcp 127.0.0.1 {port} told"));
        assert_eq!(in_use, "no in-use");
        let mut peer = Peer::connect(&address);
        peer.line();
        for _ in 0..2 {
            assert_eq!(ask(&mut control, &format!("stop {round}")), "ok");
        }
        // The answer is sent before the listener is closed, the next one after it.
        assert_eq!(ask(&mut control, "stop 0"), "ok");
        assert!(Peer::try_connect(&address).is_err());
        peer.expect_echo("still here");
    }
    assert_eq!(host.stop().code, Some(0));
}

#[test]
fn a_listener_ends_with_its_instance() {
    for isolation in [Isolation::Connection, Isolation::Plugin] {
        let host = serving(sockets(isolation, &["127.0.0.1:*", "udp:127.0.0.1:*"]));
        let mut control = host.connect("sockets");
        let tcp = start(&mut control, "tcp 127.0.0.1 0 told");
        let udp = start(&mut control, "udp 127.0.0.1 0 told");
        Peer::connect(&tcp).line();
        let peer = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        peer.set_read_timeout(Some(PATIENCE)).expect("a socket");
        peer.send_to(b"x", &udp["udp://".len()..]).expect("it is bound");
        peer.recv(&mut [0; 100]).expect("an answer");
        control.send("trap\n");
        control.expect_closed();
        // It is gone before the next one begins.
        let mut again = host.connect("sockets");
        assert_eq!(ask(&mut again, "count"), "1");
        assert!(Peer::try_connect(&tcp).is_err());
        UdpSocket::bind(&udp["udp://".len()..]).expect("its port is free");
        assert_eq!(host.stop().code, Some(0));
    }
}

/// Each answer, and the line of `plugins.toml` that would grant the call.
#[test]
fn what_is_not_listed_is_denied_and_the_line_is_named() {
    let port = free_port();
    let rules = [format!("127.0.0.1:{port}"), "[::1]:1-65535".to_owned()];
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let host = serving(sockets(Isolation::Plugin, &rules));
    let mut control = host.connect("sockets");
    for (what, answer) in [
        ("tcp 127.0.0.1 0 told", "no denied"),
        (&*format!("udp 127.0.0.1 {port} told"), "no denied"),
        (&*format!("tcp 0.0.0.0 {port} told"), "no denied"),
        (&*format!("tcp 127.0.0.2 {port} told"), "no denied"),
        (&*format!("tcp :: {port} told"), "no denied"),
        ("tcp ::1 0 told", "no denied"),
        ("unix /tmp/x.sock told", "no denied"),
        ("unix x.sock told", "no invalid-address"),
        ("tcp localhost 80 told", "no invalid-address"),
        ("tcp 127.1 80 told", "no invalid-address"),
        ("tcp 127.0.0.1:80 80 told", "no invalid-address"),
    ] {
        assert_eq!(ask(&mut control, &format!("start {what}")), answer, "{what}");
    }
    let port = port.to_string();
    let line = host.wait_log("denied");
    assert_eq!(line.field("call"), Some("listeners.start-server"));
    assert!(line.0.contains(r#"add \"127.0.0.1:0\" to `listen` under"#), "{line}");
    // An IPv4 address in the form of IPv6 is treated as IPv4.
    let mapped = ask(&mut control, &format!("start tcp ::ffff:127.0.0.1 {port} told"));
    assert_eq!(mapped, format!("ok 0 tcp://127.0.0.1:{port}"));
    assert_eq!(ask(&mut control, "count"), "2");
    let nothing = serving(sockets(Isolation::Plugin, &[]));
    let mut control = nothing.connect("sockets");
    assert_eq!(ask(&mut control, &format!("start tcp 127.0.0.1 {port} told")), "no denied");
    let line = nothing.wait_log("denied");
    let remedy = format!(r#"add `listen = [\"127.0.0.1:{port}\"]` under"#);
    assert!(line.0.contains(&remedy), "{line}");
}

#[test]
fn what_the_system_refuses_is_told_apart() {
    let other = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = other.local_addr().expect("it is bound").port();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (path, file) = (dir.path().join("a.sock"), dir.path().join("file"));
    std::fs::write(&file, "kept").expect("a new file");
    let unix = |path: &std::path::Path| format!("unix:{}", path.display());
    let (allowed_path, allowed_file) = (unix(&path), unix(&file));
    let missing = unix(&dir.path().join("no/a.sock"));
    let rules = ["*:*", "udp:*:*", &allowed_path, &allowed_file, &missing];
    let host = serving(sockets(Isolation::Plugin, &rules));
    let mut control = host.connect("sockets");
    for (what, answer) in [
        (format!("tcp 127.0.0.1 {taken} told"), "no in-use"),
        ("tcp 192.0.2.1 0 told".to_owned(), "no unavailable"),
        ("udp 192.0.2.1 0 told".to_owned(), "no unavailable"),
        (format!("unix {} told", file.display()), "no in-use"),
        (format!("unix {}/no/a.sock told", dir.path().display()), "no unavailable"),
    ] {
        assert_eq!(ask(&mut control, &format!("start {what}")), answer, "{what}");
    }
    assert_eq!(std::fs::read_to_string(&file).expect("it is left alone"), "kept");
    let address = start(&mut control, &format!("unix {} told", path.display()));
    Peer::connect(&address).expect(format!("{address} by the plugin 1\n"));
    assert_eq!(host.stop().code, Some(0));
    assert!(!path.exists(), "the path goes with the listener");
}

/// As many as `listeners` allows; a closed one makes room. Thousands one after the other leave nothing behind.
#[test]
fn thousands_of_calls_are_bounded() {
    let plugin = sockets(Isolation::Plugin, &["127.0.0.1:0"]).limit("listeners", "5");
    let plugin = plugin.limit("cpu_per_event", "\"60s\"").limit("event_deadline", "\"60s\"");
    let config = Config::new().plugin(plugin).plugin(Plugin::new("echo"));
    let config = config
        .listen(Listen::tcp("sockets").key("handler", "\"control\""))
        .listen(Listen::tcp("echo"));
    let host = Host::start(&config);
    let (mut control, mut neighbour) = (host.connect("sockets"), host.connect("echo"));
    let memory = process::resident(host.pid());
    // In one call none of them is closed before it returns.
    for _ in 0..20 {
        assert_eq!(ask(&mut control, "cycle 3000"), "5");
        neighbour.expect_echo("beside");
    }
    for _ in 0..2000 {
        assert_eq!(ask(&mut control, "cycle 1"), "1");
    }
    assert_eq!(ask(&mut control, "many 3000"), "5");
    let line = host.wait_line("a limit", |line| line.field("limit") == Some("listeners"));
    assert_eq!(line.field("value"), Some("5"), "{line}");
    assert_eq!(ask(&mut control, "count"), "6");
    let grown = process::resident(host.pid()).saturating_sub(memory);
    assert!(grown < 16 << 20, "{grown} bytes");
    assert_eq!(host.stop().code, Some(0));
}

/// A listener belongs to one reactor: on another one the address is in use.
#[test]
fn each_reactor_has_its_own() {
    let port = free_port();
    let rule = format!("127.0.0.1:{port}");
    let plugin = sockets(Isolation::Plugin, &[&rule]);
    let listen = Listen::tcp("sockets").key("handler", "\"control\"");
    let config = Config::new().host("reactors", "3").plugin(plugin).listen(listen);
    let host = Host::start(&config);
    let mut controls: Vec<Peer> = (0..24).map(|_| host.connect("sockets")).collect();
    let line = format!("start tcp 127.0.0.1 {port} told");
    let answers: Vec<String> = controls.iter_mut().map(|control| ask(control, &line)).collect();
    let granted = answers.iter().filter(|it| it.starts_with("ok ")).count();
    assert_eq!(granted, 1, "{answers:?}");
    assert!(answers.iter().all(|it| it.starts_with("ok ") || it == "no in-use"), "{answers:?}");
    for _ in 0..8 {
        Peer::connect(&format!("tcp://{rule}")).line();
    }
    assert_eq!(host.stop().code, Some(0));
}

/// A UDP listener of a plugin is like the operator's: each peer is a connection, which ends with it.
#[test]
fn peers_of_a_udp_listener_are_connections() {
    let host = serving(sockets(Isolation::Plugin, &["udp:127.0.0.1:0"]));
    let mut control = host.connect("sockets");
    let address = start(&mut control, "udp 127.0.0.1 0 told");
    for count in 1..=3 {
        let peer = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        peer.set_read_timeout(Some(PATIENCE)).expect("a socket");
        peer.connect(&address["udp://".len()..]).expect("an address");
        peer.send(b"hello").expect("it is bound");
        let mut buffer = [0; 100];
        let length = peer.recv(&mut buffer).expect("it is told of");
        assert!(buffer[..length].ends_with(format!("by the plugin {count}\n").as_bytes()));
        assert_eq!(peer.recv(&mut buffer).expect("an echo"), 5);
    }
    assert_eq!(ask(&mut control, "stop 0"), "ok");
    host.wait_printed_lines(3);
    assert_eq!(host.printed(), "told unbind closed\n".repeat(3));
    assert_eq!(host.stop().code, Some(0));
}

/// A plugin's connection to its own listener needs a rule that names exactly that.
#[test]
fn its_own_listener_is_one_of_the_hosts() {
    let plugin = sockets(Isolation::Plugin, &["127.0.0.1:*"]).may_connect(&["127.0.0.1:*"]);
    let host = serving(plugin);
    let mut control = host.connect("sockets");
    let address = start(&mut control, "tcp 127.0.0.1 0 told");
    let port = address.rsplit_once(':').expect("a port").1.to_owned();
    assert_eq!(ask(&mut control, &format!("from 127.0.0.1 0 127.0.0.1 {port}")), "no denied");
    let line = host.wait_log("denied");
    assert!(line.field("cause").is_some_and(|it| it.contains("this host listens there")), "{line}");
    assert_eq!(ask(&mut control, "stop 0"), "ok");
    assert_eq!(ask(&mut control, &format!("from 127.0.0.1 0 127.0.0.1 {port}")), "ok");
    host.wait_printed("from unbind refused");
    assert_eq!(host.stop().code, Some(0));
}

/// The options of its connections are bounded, whatever their number.
#[test]
fn options_have_one_bound_however_many_they_are() {
    let plugin = sockets(Isolation::Plugin, &["127.0.0.1:0"]).limit("memory", "\"256MiB\"");
    let host = serving(plugin);
    let mut control = host.connect("sockets");
    for (count, bytes, is_taken) in [
        (0, 0, true),
        (1, 60_000, true),
        (1, 65_500, false),
        (1000, 0, true),
        (1100, 0, false),
        (300_000, 0, false),
        (500, 60, true),
        (1000, 60, false),
    ] {
        let answer = ask(&mut control, &format!("options {count} {bytes}"));
        let expected = if is_taken { "ok tcp://127.0.0.1:" } else { "no too-large" };
        assert!(answer.starts_with(expected), "{count} of {bytes}: {answer}");
    }
}

/// They are not copied for each connection that waits while the plugin is busy.
#[test]
fn connections_that_wait_share_their_options() {
    const WAITING: u64 = 600;
    const BYTES: u64 = 60_000;
    let plugin = sockets(Isolation::Plugin, &["127.0.0.1:0"]).limit("event_deadline", "\"60s\"");
    let host = serving(plugin);
    let mut control = host.connect("sockets");
    let answer = ask(&mut control, &format!("options 1 {BYTES}"));
    let address = answer.strip_prefix("ok ").expect("an address").to_owned();
    let before = process::resident(host.pid());
    control.send("sleep 3000\n");
    let mut peers: Vec<Peer> = (0..WAITING).map(|_| Peer::connect(&address)).collect();
    // Each is delivered behind the earlier ones.
    let last = peers.last_mut().expect("there are some");
    assert!(last.line().starts_with(&address));
    let grown = process::resident_peak(host.pid()).saturating_sub(before);
    assert!(grown < WAITING * BYTES / 2, "{grown} bytes");
    assert_eq!(control.line().trim_end(), "ok");
}
