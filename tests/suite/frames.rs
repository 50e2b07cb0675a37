//! Lines, requests and objects of strangers: an input beyond a bound, or a malformed one, ends its own connection and no other.
//! `differential` compares the handling of good ones with EventMachine's own.

use sandloop_tests::{Config, Host, Isolation, Listen, Peer, Plugin};

/// The differential guest, which serves each protocol and sends its input back.
const GUEST: &str = "differential";
const SCRIPT: &str = "lines.receive_line:\n  send line:$;\ncontent.receive_request:\n  send request:$;\n\
                      objects.receive_object:\n  send object:$;\n";

fn serving(protocol: &str) -> Host {
    let plugin = Plugin::new(GUEST).isolation(Isolation::Plugin).option("script", SCRIPT);
    let listen = Listen::tcp(GUEST).key("handler", format!("{protocol:?}"));
    Host::start(&Config::new().plugin(plugin).listen(listen))
}

/// A peer that sends this after good input is cut off, and earlier peers are not.
#[track_caller]
fn check(protocol: &str, good: &[u8], back: &str, bad: &[&[u8]]) {
    let host = serving(protocol);
    let mut witness = host.connect(GUEST);
    for bytes in bad {
        let mut peer = host.connect(GUEST);
        peer.send(good);
        peer.expect(back);
        // The end may come before everything is sent.
        peer.try_send(bytes);
        peer.expect_closed();
        speak(&mut witness, good, back);
    }
    host.stop();
}

fn speak(peer: &mut Peer, bytes: &[u8], back: &str) {
    peer.send(bytes);
    peer.expect(back);
}

#[test]
fn a_line_without_an_end_ends_its_connection() {
    let long = vec![b'x'; 16 * 1024 + 3];
    let with_end = [&long, &b"\n"[..]].concat();
    check("lines", b"good\n", "line:good;", &[&long, &with_end, &vec![b'x'; 1 << 20]]);
}

#[test]
fn a_line_of_the_bound_is_a_line() {
    let host = serving("lines");
    let mut peer = host.connect(GUEST);
    let line = "x".repeat(16 * 1024);
    speak(&mut peer, format!("{line}\r\n").as_bytes(), &format!("line:{line};"));
    host.stop();
}

#[test]
fn what_is_no_request_ends_its_connection() {
    let many = b"a: b\n".repeat(20_000);
    let bad: &[&[u8]] = &[
        b"A\nContent-Length: x\n\n",
        b"A\nContent-Length: -1\n\n",
        b"A\nContent-Length: 3\nContent-Length: 3\n\nabc",
        b"A\nContent-Length: 99999999999999999999\n\n",
        b"A\nContent-Length: 33554433\n\n",
        &many,
    ];
    check("content", b"A\n\n", "request:A=;", bad);
}

#[test]
fn an_object_that_is_too_large_ends_its_connection() {
    let bad: &[&[u8]] = &[b"\xff\xff\xff\xff", b"\0\x10\0\x01x", b"GET / HTTP/1.1\r\n\r\n"];
    check("objects", b"\0\0\0\x04good", "object:good;", bad);
}
