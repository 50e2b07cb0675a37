//! WebSockets as others speak them: Python's websockets and Node's ws.

use std::process::Command;

use sandloop_tests::host::finish;
use sandloop_tests::paths::{node, python};
use sandloop_tests::{Config, Host, Isolation, Plugin, workspace};

each_isolation!(python_speaks_with_it, node_speaks_with_it, the_handler_is_told_how_it_ended);

fn serving(isolation: Isolation) -> (Host, String) {
    let host = Host::start(&Config::serving(Plugin::new("http_websocket").isolation(isolation)));
    let url = host.address("http_websocket").replace("tcp://", "ws://") + "/";
    (host, url)
}

/// Runs a client of `tests/peers`, which says `ok`.
#[track_caller]
fn check(mut client: Command, script: &str, url: &str) {
    client.arg(workspace().join("tests/peers").join(script)).arg(url);
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

fn the_handler_is_told_how_it_ended(isolation: Isolation) {
    let (host, _) = serving(isolation);
    let handshake = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    for (bytes, told) in [
        (&b"\x88\x85\0\0\0\0\x03\xe8bye"[..], "closed 1000 bye"),
        (b"\x88\x80\0\0\0\0", "closed 1005 "),
        (b"\x81\x01x", "closed 1002 "),
        (b"\x81\x81\0\0\0\0\xff", "closed 1007 "),
        (b"", "closed 1006 "),
    ] {
        let mut peer = host.connect("http_websocket");
        peer.send(handshake);
        while peer.line() != "\r" {}
        peer.expect(b"\x81\x07welcome");
        peer.send(bytes);
        peer.finish();
        peer.rest();
        host.wait_log(told);
    }
}
