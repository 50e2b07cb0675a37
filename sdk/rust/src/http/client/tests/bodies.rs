//! Bodies on their way up.

use std::time::Duration;

use super::*;
use crate::{http::StreamError, testing::advance};

#[test]
fn pieces() {
    let world = World::new();
    let request = world.client.post("http://h/").body_each(None, ["ab", "", "c"].into_iter());
    let (_, peer) = world.sent(request);
    peer.expect("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
    let request = world.client.put("http://i/").body_each(Some(3), ["ab", "c"].into_iter());
    let (_, peer) = world.sent(request);
    peer.expect("PUT / HTTP/1.1\r\nHost: i\r\nContent-Length: 3\r\n\r\nabc");
}

#[test]
fn a_body_that_comes_when_it_comes() {
    let world = World::new();
    let (request, upload) = world.client.post("http://h/").upload(None);
    assert!(upload.is_full() && upload.is_open());
    upload.chunk("early ").unwrap();
    let (watched, peer) = world.sent(request);
    peer.expect("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nearly \r\n");
    assert!(!upload.is_full());
    upload.chunk("late").unwrap();
    upload.finish();
    assert_eq!(upload.chunk("more"), Err(StreamError::Closed));
    peer.expect("4\r\nlate\r\n0\r\n\r\n").send(ok("x"));
    assert_eq!(watched.response().text(), "x");
    assert_eq!(peer.wire().ended, None);
}

#[test]
fn a_slow_server_is_waited_for() {
    let world = World::new();
    let pieces = std::iter::repeat_n("x".repeat(1000), 100);
    let request = world.client.post("http://h/").body_each(Some(100_000), pieces);
    let _watched = watch(&request.send());
    let peer = world.peer(0);
    peer.wire().outbound = 32 * 1024;
    peer.connect().expect("");
    advance(Duration::from_millis(300));
    peer.expect("");
    peer.wire().outbound = 0;
    peer.link.drained();
    let head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n";
    assert_eq!(peer.wire().sent.len(), head.len() + 100_000);
}

/// The host does not read a connection whose outbox is above `outbox_high`, 64 KiB by default.
const HEARD: usize = 48 * 1024;

#[test]
fn a_server_that_reads_nothing_is_heard() {
    const LENGTH: usize = 1 << 20;
    let check = |how: fn(HttpRequest) -> HttpRequest| {
        let world = World::new();
        let watched = watch(&how(world.client.post("http://h/")).send());
        let peer = world.peer(0);
        peer.wire().fills = true;
        peer.connect();
        for _ in 0..20 {
            assert!(peer.wire().outbound <= HEARD);
            advance(Duration::from_millis(100));
        }
        // It has had enough. Nothing is written to it any more.
        peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(watched.response().status.as_u16(), 413);
        assert_eq!(peer.wire().ended, Some("closed"));
    };
    check(|request| request.body(vec![b'x'; LENGTH]));
    check(|request| request.body(vec![b'x'; 60_000]));
    check(|request| request.body_each(Some(LENGTH as u64), [vec![b'x'; LENGTH]].into_iter()));
    check(|request| request.body_each(None, [vec![b'x'; LENGTH]].into_iter()));
    check(|request| request.body_each(None, std::iter::repeat_n("x", LENGTH)));
    check(|request| {
        let (request, upload) = request.upload(None);
        upload.chunk(vec![b'x'; LENGTH]).unwrap();
        upload.finish();
        request
    });
    check(|request| request.header("X-Long", "x".repeat(100_000)));
}

#[test]
fn a_server_that_reads_slowly_gets_everything() {
    let world = World::new();
    let watched = watch(&world.client.post("http://h/").body("x".repeat(1 << 20)).send());
    let peer = world.peer(0);
    peer.wire().fills = true;
    peer.connect();
    for _ in 0..200 {
        assert!(peer.wire().outbound <= HEARD);
        // Nobody says that there is room.
        let left = peer.wire().outbound.saturating_sub(20_000);
        peer.wire().outbound = left;
        advance(Duration::from_millis(100));
    }
    let sent = std::mem::take(&mut peer.wire().sent);
    assert_eq!(sent.iter().filter(|byte| **byte == b'x').count(), 1 << 20);
    peer.send(ok("done"));
    assert_eq!(watched.response().text(), "done");
    assert_eq!(peer.wire().ended, None);
}

#[test]
fn a_large_body_does_not_stop_the_loop() {
    let world = World::new();
    let (_, peer) = world.sent(world.client.post("http://h/").body("x".repeat(1 << 20)));
    assert!(peer.wire().sent.len() < 300_000);
    advance(Duration::ZERO);
    assert!(1 << 20 < peer.wire().sent.len());
}

#[test]
fn a_body_is_as_long_as_was_said() {
    let world = World::new();
    let request = world.client.post("http://h/").body_each(Some(3), ["abcd"].into_iter());
    let (watched, peer) = world.sent(request);
    assert_eq!(
        watched.error().to_string(),
        "the request: the body is 1 bytes longer than was said: say no length to send in chunks"
    );
    assert!(peer.wire().ended.is_some());
    let request = world.client.post("http://h/").body_each(Some(3), ["ab"].into_iter());
    let (watched, _) = world.sent(request);
    assert!(matches!(watched.error(), HttpError::Body(_)));
    let (request, upload) = world.client.post("http://h/").upload(None);
    let (watched, _) = world.sent(request);
    drop(upload);
    assert_eq!(watched.error(), HttpError::BodyDropped);
}

#[test]
fn a_server_that_has_heard_enough() {
    let world = World::new();
    let (request, upload) = world.client.post("http://h/").upload(None);
    let (watched, peer) = world.sent(request);
    peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(watched.response().status.as_u16(), 413);
    assert!(!upload.is_open());
    assert_eq!(upload.chunk("x"), Err(StreamError::Closed));
    upload.on_drained(|| unreachable!());
    assert!(peer.wire().ended.is_some());
}

const ASKING: &str =
    "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";

#[test]
fn a_server_can_be_asked_first() {
    let ask = || {
        let world = World::new();
        let request = world.client.post("http://h/").body("abc").expect_continue();
        let (watched, peer) = world.sent(request);
        peer.expect(ASKING);
        (watched, peer, world)
    };
    let (watched, peer, _world) = ask();
    peer.send("HTTP/1.1 100 Continue\r\n\r\n").expect("abc").send(ok("x"));
    assert_eq!(watched.response().text(), "x");
    assert_eq!(peer.wire().ended, None);
    // One that does not know the question.
    let (_, peer, _world) = ask();
    advance(Duration::from_millis(999));
    peer.expect("");
    advance(Duration::from_millis(1));
    peer.expect("abc");
    // One that says no; the connection would mean something else to each side.
    let (watched, peer, _world) = ask();
    peer.send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n").expect("");
    assert_eq!(watched.response().status.as_u16(), 417);
    assert!(peer.wire().ended.is_some());
    advance(Duration::from_secs(2));
    peer.expect("");
}
