//! WebSockets with independent peers: Python's websockets and Node's ws.

use std::process::{Child, Command, Stdio};

use sandloop_tests::host::finish;
use sandloop_tests::log::Lines;
use sandloop_tests::paths::{node, python};
use sandloop_tests::{Config, Host, Isolation, Listen, Peer, Plugin, workspace};

each_isolation!(
    python_speaks_with_it,
    node_speaks_with_it,
    the_handler_is_told_how_it_ended,
    bad_text_ends_it_at_its_first_bad_byte,
    a_paused_handler_holds_its_peer_back,
);

fn serving(isolation: Isolation) -> (Host, String) {
    serving_with(isolation, None)
}

/// Like `serving`, with the option `deflate`.
fn serving_with(isolation: Isolation, deflate: Option<&str>) -> (Host, String) {
    const NAME: &str = "http_websocket";
    let listen = Listen::tcp(NAME);
    let listen = match deflate {
        Some(word) => listen.option("deflate", word),
        None => listen,
    };
    let plugin = Plugin::new(NAME).isolation(isolation);
    let host = Host::start(&Config::new().plugin(plugin).listen(listen));
    let url = host.address("http_websocket").replace("tcp://", "ws://") + "/";
    (host, url)
}

/// Runs a client of `tests/peers`, which prints `ok`.
#[track_caller]
fn check(client: Command, script: &str, url: &str) {
    check_with(client, script, &[url]);
}

#[track_caller]
fn check_with(mut client: Command, script: &str, arguments: &[&str]) {
    client.arg(workspace().join("tests/peers").join(script)).args(arguments);
    let outcome = finish(client);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "ok\n"), "{outcome:?}");
}

fn python_speaks_with_it(isolation: Isolation) {
    let (_host, url) = serving(isolation);
    check(Command::new(python()), "websocket.py", &url);
}

fn node_speaks_with_it(isolation: Isolation) {
    let (_host, url) = serving(isolation);
    check(node(), "websocket.js", &url);
}

/// Contexts are reset after each message, or kept.
#[test]
fn others_speak_with_it_in_compressed_messages() {
    for word in ["forget", "keep"] {
        let (_host, url) = serving_with(Isolation::Connection, Some(word));
        check_with(Command::new(python()), "websocket.py", &[&url, "deflate"]);
        check_with(node(), "websocket.js", &[&url, "deflate"]);
    }
}

/// Autobahn's 6.4.3 and 6.4.4: the rest of the frame never comes.
fn bad_text_ends_it_at_its_first_bad_byte(isolation: Isolation) {
    let (host, _) = serving(isolation);
    let mut peer = opened(&host);
    peer.send(b"\x81\xfe\x10\0\0\0\0\0\xce\xba\xf4");
    peer.send(b"\x90");
    peer.expect(b"\x88\x02\x03\xef");
    host.wait_log("closed 1007");
    peer.finish();
    peer.expect_end();
}

fn a_paused_handler_holds_its_peer_back(isolation: Isolation) {
    let (host, _) = serving(isolation);
    let mut peer = opened(&host);
    // Half a second lies between them.
    peer.send(b"\x81\x85\0\0\0\0pause\x81\x81\0\0\0\0x");
    let begun = std::time::Instant::now();
    peer.expect(b"\x81\x01x");
    assert!(std::time::Duration::from_millis(400) < begun.elapsed());
    // After an orderly close the rest is read.
    peer.send(b"\x88\x82\0\0\0\0\x03\xe8");
    peer.expect(b"\x88\x02\x03\xe8");
}

/// A peer whose handshake is complete.
fn opened(host: &Host) -> Peer {
    let mut peer = host.connect("http_websocket");
    peer.send(HANDSHAKE);
    while peer.line() != "\r" {}
    peer.expect(b"\x81\x07welcome");
    peer
}

/// A Python server, with the lines that it prints.
struct Server {
    child: Child,
    lines: Lines,
    port: String,
}

impl Server {
    fn start(arguments: &[&str]) -> Server {
        let mut command = Command::new(python());
        command.arg(workspace().join("tests/peers/websocket_server.py")).args(arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("Python");
        let lines = Lines::read(child.stdout.take().expect("stdout is a pipe"));
        let port = lines.wait_for(|lines| {
            lines.iter().find_map(|line| line.to_string().strip_prefix("port ").map(str::to_owned))
        });
        let port = port.expect("the server says its port");
        Server { child, lines, port }
    }

    fn wait(&self, line: &str) {
        let found = self.lines.wait_for(|lines| {
            lines.iter().any(|printed| printed.to_string() == line).then_some(())
        });
        found.unwrap_or_else(|| panic!("it never said {line:?}:\n{}", self.lines.text()));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Only processes of this test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A plugin that connects to this address, with the option `deflate` or without; returns its output.
fn asking(port: &str, sizes: &str, deflate: Option<&str>) -> String {
    let plugin = Plugin::new("websocket_ask")
        .isolation(Isolation::Plugin)
        .prints()
        .may_stop()
        .may_connect(&[&format!("127.0.0.1:{port}")])
        .option("uri", &format!("ws://127.0.0.1:{port}/any?thing"))
        .option("sizes", sizes);
    let plugin = match deflate {
        Some(word) => plugin.option("deflate", word),
        None => plugin,
    };
    let outcome = Host::start(&Config::new().plugin(plugin)).wait_exit();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    outcome.stdout
}

#[test]
fn a_plugin_asks_a_server_of_others() {
    let cases = [
        (&[][..], None, "[]"),
        (&["deflate"], None, "[]"),
        (&[], Some("keep"), "[]"),
        (&["deflate"], Some("keep"), "['permessage-deflate']"),
        (&["deflate"], Some("forget"), "['permessage-deflate']"),
    ];
    for (arguments, deflate, extensions) in cases {
        let server = Server::start(arguments);
        let printed = asking(&server.port, "0 1 100 1000 100000 1000", deflate);
        let expected = "open\ntext 0\ntext 1\ntext 100\ntext 1000\ntext 100000\ntext 1000\n\
                        close 4000 enough\n";
        assert_eq!(printed, expected, "{arguments:?} {deflate:?}");
        server.wait(&format!("extensions {extensions}"));
        server.wait("closed 4000 enough");
    }
}

#[test]
fn a_plugin_that_nobody_answers_is_told_why() {
    let server = sandloop_tests::Server::refusing();
    let printed = asking(&server.port().to_string(), "1", None);
    assert_eq!(printed, "close 1006 no WebSocket with the server: refused\n");
}

const HANDSHAKE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

fn the_handler_is_told_how_it_ended(isolation: Isolation) {
    let (host, _) = serving(isolation);
    for (bytes, told) in [
        (&b"\x88\x85\0\0\0\0\x03\xe8bye"[..], "closed 1000 bye"),
        (b"\x88\x80\0\0\0\0", "closed 1005 "),
        (b"\x81\x01x", "closed 1002 "),
        (b"\x81\x81\0\0\0\0\xff", "closed 1007 "),
        (b"", "closed 1006 "),
    ] {
        let mut peer = opened(&host);
        peer.send(bytes);
        peer.finish();
        peer.rest();
        host.wait_log(told);
    }
}
