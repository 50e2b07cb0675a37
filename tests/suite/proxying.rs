//! Proxying: bytes from one connection to another that no guest sees, with their ends and their backpressure.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use sandloop_tests::certificates::Authority;
use sandloop_tests::host::finish;
use sandloop_tests::paths::{python, workspace};
use sandloop_tests::process::resident;
use sandloop_tests::{Config, Host, Isolation, Listen, Peer, Plugin, Server};

/// A host that proxies to `server` in this mode.
fn proxying(isolation: Isolation, server: &Server, mode: &str, more: &[(&str, &str)]) -> Host {
    Host::start(&config(isolation, server.address(), mode, more))
}

fn config(isolation: Isolation, target: &str, mode: &str, more: &[(&str, &str)]) -> Config {
    let plugin =
        Plugin::new("proxying").isolation(isolation).prints().may_connect(&[target, "127.0.0.1:9"]);
    Config::new().plugin(plugin).listen(listen(Listen::tcp("proxying"), target, mode, more))
}

fn listen(mut listen: Listen, target: &str, mode: &str, more: &[(&str, &str)]) -> Listen {
    listen = listen.option("target", &format!("tcp://{target}")).option("mode", mode);
    for (key, value) in more {
        listen = listen.option(key, value);
    }
    listen
}

/// A pattern that no shift of itself equals.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place / 251 + place % 251) as u8).collect()
}

each_isolation!(both_ends_go_over_and_both_are_told);
fn both_ends_go_over_and_both_are_told(isolation: Isolation) {
    let server = Server::tcp();
    let host = proxying(isolation, &server, "both", &[]);
    let mut client = host.connect("proxying");
    client.send("hello");
    let mut back = server.accept();
    back.expect("hello");
    back.send("good day");
    client.expect("good day");
    client.finish();
    back.expect_end();
    // Data behind the client's end still goes to the client.
    let reply = pattern(5_000_000);
    let sends = thread::spawn({
        let reply = reply.clone();
        move || {
            back.send(&reply);
            back.finish();
            back.expect_end();
        }
    });
    client.expect(&reply);
    client.expect_end();
    sends.join().expect("all is sent");
    host.wait_printed_lines(2);
    let printed = host.stop().stdout;
    let mut lines: Vec<&str> = printed.lines().filter(|line| !line.contains("target")).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["back unbind peer-closed 5000008", "front unbind peer-closed 5"]);
}

/// EventMachine's order: first the end of the target, then the notice to its source.
#[test]
fn the_source_is_told_behind_its_targets_unbind() {
    let server = Server::tcp();
    let host = proxying(Isolation::Connection, &server, "keep", &[]);
    let mut client = host.connect("proxying");
    client.send("a");
    let mut back = server.accept();
    back.expect("a");
    back.reset();
    host.wait_printed_lines(2);
    // Nothing is proxied any more: the guest gets the rest.
    client.send("b");
    host.wait_printed("front receive_data b");
    client.finish();
    client.expect_end();
    host.wait_printed_start("front unbind");
    assert_eq!(
        host.stop().stdout,
        "back unbind reset 0\nfront proxy_target_unbound\nfront receive_data b\n\
         front unbind peer-closed 1\n"
    );
}

/// If only one direction is proxied, its peer's end affects only itself, as in EventMachine.
#[test]
fn an_end_of_one_way_is_the_sources_own() {
    let server = Server::tcp();
    let host = proxying(Isolation::Connection, &server, "back", &[]);
    let mut client = host.connect("proxying");
    let mut back = server.accept();
    back.send("news");
    client.expect("news");
    back.finish();
    client.expect_end();
    host.wait_printed_start("front unbind");
    let printed = host.stop().stdout;
    assert_eq!(printed, "back unbind peer-closed 4\nfront unbind closed 0\n");
}

each_isolation!(after_its_number_of_bytes_the_rest_is_told);
fn after_its_number_of_bytes_the_rest_is_told(isolation: Isolation) {
    let server = Server::tcp();
    let host = proxying(isolation, &server, "count", &[("bytes", "10")]);
    let mut client = host.connect("proxying");
    client.send("0123456789rest");
    let mut back = server.accept();
    back.expect("0123456789");
    host.wait_printed("front receive_data rest");
    client.send("!");
    host.wait_printed("front receive_data !");
    back.expect_nothing_yet();
    client.finish();
    client.expect_end();
    back.expect_end();
    host.wait_printed_start("back unbind");
    assert_eq!(
        host.stop().stdout,
        "front proxy_completed 10\nfront receive_data rest\nfront receive_data !\n\
         front unbind peer-closed 10\nback unbind closed 0\n"
    );
}

#[test]
fn what_begins_before_the_target_is_connected_waits_for_it() {
    let server = Server::tcp();
    let host = proxying(Isolation::Connection, &server, "begun", &[]);
    let mut client = host.connect("proxying");
    client.send("early");
    let mut back = server.accept();
    back.expect("early");
    back.send("late");
    client.expect("late");
}

#[test]
fn what_is_stopped_is_told_again() {
    let server = Server::tcp();
    let host = proxying(Isolation::Connection, &server, "stop", &[]);
    let mut client = host.connect("proxying");
    client.send("one");
    let mut back = server.accept();
    back.expect("one");
    host.wait_printed("stopped at 3");
    back.expect("stopped\n");
    client.send("two");
    // The other direction is still proxied.
    client.expect("own two");
    back.send("news");
    client.expect("news");
    back.expect_nothing_yet();
}

#[test]
fn misuse_is_a_typed_error() {
    let server = Server::tcp();
    let host = proxying(Isolation::Connection, &server, "misuse", &[]);
    let _client = host.connect("proxying");
    let _back = server.accept();
    host.wait_printed_start("of the closed");
    let printed = host.printed();
    let said: Vec<&str> = printed.lines().take(9).collect();
    assert_eq!(
        said,
        [
            "itself itself",
            "first ok",
            "again already-proxying",
            "stopped ok",
            "back ok",
            "busy busy-target",
            "closing target-closed",
            "closed target-closed",
            "of the closed source-closed",
        ]
    );
    assert_eq!(host.stop().code, Some(0));
}

#[test]
fn a_peer_of_a_udp_listener_has_no_stream_to_proxy() {
    let server = Server::tcp();
    let (target, plugin) = (server.address(), Plugin::new("proxying"));
    let plugin = plugin.may_connect(&[target]);
    let listener = listen(Listen::at("udp://127.0.0.1:0", "proxying"), target, "both", &[]);
    let host = Host::start(&Config::new().plugin(plugin).listen(listener));
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let address = host.address("proxying");
    let address = address.strip_prefix("udp://").expect("a UDP address");
    socket.send_to(b"x", address).expect("it is sent");
    // The guest reports it by a panic, which is in the log.
    host.wait_line("the guest's panic", |line| line.0.contains("unsupported"));
}

each_isolation!(a_source_is_read_no_faster_than_its_target_takes);
fn a_source_is_read_no_faster_than_its_target_takes(isolation: Isolation) {
    const MOST: usize = 64 << 20;
    let server = Server::tcp();
    let target = server.address().to_owned();
    let config = config(isolation, &target, "both", &[])
        .plugin(Plugin::new("echo"))
        .listen(Listen::tcp("echo"));
    let host = Host::start(&config);
    let mut steady = host.connect("echo");
    steady.expect_echo("helo\n");
    let before = resident(host.pid());
    let mut client = Peer::connect_narrow(&host.address("proxying"));
    let mut back = server.accept();
    let sent = back.send_until_stalled(&mut steady, &[b'x'; 16_384], MOST);
    assert!(sent < MOST, "the host takes everything");
    let grown = resident(host.pid()).saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes are held for a peer that does not read");
    // The other direction is still open.
    let upload = pattern(1_000_000);
    client.send(&upload);
    back.expect(&upload);
    back.finish();
    let got = client.rest();
    assert_eq!(got.len(), sent);
    assert!(got.iter().all(|byte| *byte == b'x'));
}

#[test]
fn a_small_buffer_is_kept_to_and_all_arrives() {
    let server = Server::tcp();
    let host = proxying(Isolation::Connection, &server, "both", &[("buffer", "1000")]);
    let mut client = Peer::connect_narrow(&host.address("proxying"));
    let reply = pattern(3_000_000);
    let mut back = server.accept();
    let sends = thread::spawn({
        let reply = reply.clone();
        move || {
            back.send(&reply);
            back.finish();
            back
        }
    });
    client.expect(&reply);
    client.expect_end();
    drop(sends.join().expect("all is sent"));
}

#[test]
fn what_is_proxied_counts_for_its_tenant() {
    let server = Server::tcp();
    let config = config(Isolation::Connection, server.address(), "both", &[]).tenant(
        "proxying",
        "write_per_second",
        "\"100KiB\"",
    );
    let host = Host::start(&config);
    let mut client = host.connect("proxying");
    let mut back = server.accept();
    let begun = std::time::Instant::now();
    let sends = thread::spawn(move || {
        back.send(pattern(400 << 10));
        back
    });
    client.expect(pattern(400 << 10));
    // The bytes of one second are available at the beginning.
    assert!(std::time::Duration::from_millis(2500) < begun.elapsed(), "{:?}", begun.elapsed());
    drop(sends.join().expect("all is sent"));
}

/// The client has TLS, the server does not: the decrypted bytes are proxied, and orderly ends are passed on.
#[test]
fn tls_on_one_side_is_plain_on_the_other() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let authority = Authority::new("Authority of a test");
    let ca = authority.write(dir.path(), "ca");
    let certified = authority.certify(dir.path(), "server", &["localhost", "127.0.0.1"]);
    let (echo, address) = echo_server(2);
    let at = Listen::at("tls://127.0.0.1:0", "proxying").certified(&certified);
    let plugin = Plugin::new("proxying").prints().may_connect(&[&address]);
    let config = Config::new().plugin(plugin).listen(listen(at, &address, "both", &[]));
    let host = Host::start(&config);
    let port = host.address("proxying").rsplit_once(':').expect("a port").1.to_owned();
    let ask = |words: &[&str]| {
        let mut client = std::process::Command::new(python());
        client.arg(workspace().join("tests/peers/tls.py")).arg(&port).arg(&ca).args(words);
        let outcome = finish(client);
        assert_eq!(outcome.code, Some(0), "{}\n{:#?}", outcome.stderr, host.log());
        outcome.stdout
    };
    let said = ask(&["echo"]);
    assert!(said.ends_with("hello\nunwrapped\n"), "{said}");
    host.wait_printed("front unbind peer-closed 5");
    // An end without `close_notify` is not passed on to the other side.
    assert_eq!(ask(&["big", "bytes=3000000"]), "same\n");
    host.wait_printed("front unbind reset 3000000");
    echo.join().expect("it has ended");
}

/// Bytes that go round for ever count for their own tenant: its neighbour is served, and the stop is in time.
#[test]
fn a_ring_harms_nobody() {
    let (echo, address) = echo_server(2);
    let config = config(Isolation::Connection, &address, "ring", &[])
        .plugin(Plugin::new("echo"))
        .listen(Listen::tcp("echo"));
    let host = Host::start(&config);
    let mut client = host.connect("proxying");
    client.expect("round and round\n");
    let mut neighbour = host.connect("echo");
    for _ in 0..200 {
        neighbour.expect_echo("helo\n");
    }
    let outcome = host.stop();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    echo.join().expect("it has ended");
}

/// Echoes on this number of connections, to their ends.
fn echo_server(connections: usize) -> (JoinHandle<()>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let serve = move || {
        let accepted = (0..connections).map(|_| listener.accept().expect("a connection").0);
        let served: Vec<_> = accepted.map(|stream| thread::spawn(move || echo(stream))).collect();
        served.into_iter().for_each(|it| it.join().expect("it ends"));
    };
    (thread::spawn(serve), address)
}

fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 65_536];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) if stream.write_all(&buffer[..count]).is_err() => break,
            Ok(_) => {}
        }
    }
    // The other side may be gone already.
    let _ = stream.shutdown(Shutdown::Write);
}
