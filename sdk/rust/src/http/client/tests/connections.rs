//! Which request goes over which connection.

use std::time::Duration;

use super::*;
use crate::{http::Proxy, testing::advance};

const GET: &str = "GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n";

fn settings(connections: usize, pipeline: usize) -> ClientSettings {
    ClientSettings { connections, pipeline, ..ClientSettings::default() }
}

#[test]
fn a_connection_is_kept_and_used_again() {
    let world = World::new();
    let (first, peer) = world.get();
    peer.send(ok("one"));
    assert_eq!(first.response().text(), "one");
    assert_eq!(peer.wire().inactivity_timeout, Duration::from_secs(10));
    let (second, peer) = world.get();
    peer.send(ok("two"));
    assert_eq!(second.response().text(), "two");
    assert_eq!(world.count(), 1);
    // Another server is another connection.
    let (_, other) = world.sent(world.client.get("http://h:81/"));
    assert_eq!((world.count(), other.address.as_str()), (2, "h:81"));
}

#[test]
fn a_connection_is_not_kept_when_either_side_says_so() {
    let check = |request: fn(HttpRequest) -> HttpRequest, response: &str| {
        let world = World::new();
        let (watched, peer) = world.sent(request(world.client.get("http://h/")));
        peer.send(response);
        assert_eq!(watched.response().text(), "x");
        assert_eq!(peer.wire().ended, Some("closed after writing"));
        world.get();
        assert_eq!(world.count(), 2);
    };
    check(HttpRequest::close, &ok("x"));
    check(|request| request, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx");
    check(|request| request, "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx");
}

#[test]
fn a_server_that_speaks_unasked_is_left() {
    let world = World::new();
    let (_, peer) = world.get();
    peer.send(ok("x"));
    peer.send("HTTP/1.1 408 Request Timeout\r\n\r\n");
    assert_eq!(peer.wire().ended, Some("closed after writing"));
    let (watched, peer) = world.get();
    peer.send(ok("y"));
    assert_eq!((world.count(), watched.response().text().as_str()), (2, "y"));
}

#[test]
fn a_request_that_met_a_closed_connection_is_sent_again() {
    let world = World::new();
    let (_, peer) = world.get();
    peer.send(ok("x"));
    let (watched, peer) = world.get();
    peer.end(CloseReason::Reset);
    assert!(!watched.is_over());
    let again = world.peer(1);
    again.connect().expect(GET);
    // Once.
    again.end(CloseReason::Reset);
    assert_eq!(watched.error(), HttpError::Truncated(CloseReason::Reset));

    // Not if it could do something twice, or has been heard.
    let world = World::new();
    let (_, peer) = world.get();
    peer.send(ok("x"));
    let (watched, peer) = world.sent(world.client.post("http://h/"));
    peer.end(CloseReason::PeerClosed);
    assert_eq!(watched.error(), HttpError::Truncated(CloseReason::PeerClosed));
    let world = World::new();
    let (_, peer) = world.get();
    peer.send(ok("x"));
    let (watched, peer) = world.get();
    peer.send("HTTP/1.1 2").end(CloseReason::PeerClosed);
    assert_eq!(watched.error(), HttpError::Truncated(CloseReason::PeerClosed));
}

#[test]
fn requests_wait_for_a_connection() {
    let world = World::with(ClientSettings { queue: 3, ..settings(2, 1) });
    let requests: Vec<_> = (0..6).map(|_| watch(&world.client.request("h", "/a?b"))).collect();
    assert_eq!(world.count(), 2);
    advance(Duration::ZERO);
    assert_eq!(requests[5].error(), HttpError::Busy);
    world.peer(0).connect().expect(GET).send(ok("0")).expect(GET).send(ok("2"));
    world.peer(1).connect().expect(GET);
    assert_eq!(requests[2].response().text(), "2");
    // A connection that is not made makes place for another.
    world.peer(1).end(CloseReason::Reset);
    assert!(matches!(requests[1].error(), HttpError::Truncated(_)));
    assert_eq!(world.count(), 3);
    world.peer(0).expect(GET).send(ok("3"));
    world.peer(2).connect().expect(GET).send(ok("4"));
    assert_eq!(
        (requests[3].response().text(), requests[4].response().text()),
        ("3".into(), "4".into())
    );
}

#[test]
fn a_waiting_request_can_be_given_up() {
    let world = World::with(settings(1, 1));
    let requests: Vec<_> = (0..3).map(|_| watch(&world.client.request("h", "/a?b"))).collect();
    requests[1].transfer.abort();
    assert_eq!(requests[1].error(), HttpError::Aborted);
    world.peer(0).connect().expect(GET).send(ok("0")).expect(GET).send(ok("2")).expect("");
    assert_eq!(requests[2].response().text(), "2");
}

#[test]
fn requests_go_one_behind_the_other() {
    let world = World::with(settings(1, 3));
    let requests: Vec<_> = (0..5).map(|_| watch(&world.client.request("h", "/a?b"))).collect();
    let peer = world.peer(0);
    peer.connect().expect(&GET.repeat(3));
    peer.send(ok("0") + &ok("1")).expect(&GET.repeat(2));
    peer.send(ok("2") + &ok("3") + &ok("4"));
    for (number, request) in requests.iter().enumerate() {
        assert_eq!(request.response().text(), number.to_string());
    }
    assert_eq!(world.count(), 1);
}

#[test]
fn what_may_not_be_repeated_goes_alone() {
    let world = World::with(settings(1, 3));
    let (_, peer) = world.sent(world.client.post("http://h/").body("x"));
    let behind = watch(&world.client.request("h", "/a?b"));
    peer.skip().expect("").send(ok("")).expect(GET).send(ok("y"));
    assert_eq!(behind.response().text(), "y");
}

#[test]
fn those_behind_a_broken_response_go_elsewhere() {
    let world = World::with(settings(1, 3));
    let requests: Vec<_> = (0..3).map(|_| watch(&world.client.request("h", "/a?b"))).collect();
    world
        .peer(0)
        .connect()
        .send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")
        .end(CloseReason::PeerClosed);
    assert!(matches!(requests[0].error(), HttpError::Truncated(_)));
    world.peer(1).connect().expect(&GET.repeat(2)).send(ok("1") + &ok("2"));
    assert_eq!(
        (requests[1].response().text(), requests[2].response().text()),
        ("1".into(), "2".into())
    );
}

#[test]
fn a_client_that_is_gone_keeps_no_connections() {
    let world = World::new();
    let (_, peer) = world.get();
    peer.send(ok("x"));
    assert_eq!(peer.wire().ended, None);
    let World { client, .. } = world;
    drop(client);
    assert_eq!(peer.wire().ended, Some("closed after writing"));
}

#[test]
fn a_callback_may_send_the_next_request() {
    let world = World::new();
    let client = world.client.clone();
    let second: Rc<RefCell<Option<Watched>>> = Rc::default();
    let keep = second.clone();
    world.client.request("h", "/a?b").callback(move |_| {
        *keep.borrow_mut() = Some(watch(&client.request("h", "/a?b")));
    });
    world.peer(0).connect().expect(GET).send(ok("1")).expect(GET).send(ok("2"));
    assert_eq!(second.borrow().as_ref().unwrap().response().text(), "2");
    assert_eq!(world.count(), 1);
}

fn through(proxy: Proxy) -> World {
    World::with(ClientSettings { proxy: Some(proxy), ..ClientSettings::default() })
}

#[test]
fn a_proxy_is_told_the_whole_address() {
    let world = through(Proxy::new("proxy", 3128).basic_auth("u", "p"));
    let (watched, peer) = world.sent(world.client.get("http://a:b@h/a?b"));
    assert_eq!(peer.address, "proxy:3128");
    peer.expect(
        "GET http://h/a?b HTTP/1.1\r\nHost: h\r\nAuthorization: Basic YTpi\r\n\
         Proxy-Authorization: Basic dTpw\r\n\r\n",
    );
    peer.send(ok("x"));
    // One connection to the proxy serves all servers.
    let (_, same) = world.sent(world.client.get("http://other/"));
    assert_eq!(world.count(), 1);
    same.expect(
        "GET http://other/ HTTP/1.1\r\nHost: other\r\nProxy-Authorization: Basic dTpw\r\n\r\n",
    );
    assert_eq!(watched.response().text(), "x");
}

#[test]
fn a_proxy_can_make_a_tunnel() {
    let world = through(Proxy::new("proxy", 3128).basic_auth("u", "p").tunnel());
    let (watched, peer) = world.sent(world.client.get("http://h/a?b"));
    peer.expect("CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\nProxy-Authorization: Basic dTpw\r\n\r\n");
    peer.send("HTTP/1.1 200 Connection established\r\n\r").expect("");
    peer.send("\n").expect(GET).send(ok("x"));
    assert_eq!(watched.response().text(), "x");
    // The tunnel is kept, and another server needs another.
    let (_, peer) = world.sent(world.client.get("http://h/a?b"));
    peer.expect(GET);
    let (watched, peer) = world.sent(world.client.get("http://other/"));
    peer.skip().send("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno");
    assert_eq!(
        watched.error().to_string(),
        "the proxy makes no tunnel: 407 Proxy Authentication Required"
    );
    assert_eq!(world.count(), 2);
}

#[test]
fn a_connection_that_is_drained_closes_behind_its_last_response() {
    let world = World::new();
    let (first, peer) = world.get();
    peer.link.drain();
    assert_eq!(peer.wire().ended, None);
    peer.send(ok("one"));
    assert_eq!(first.response().text(), "one");
    assert_eq!(peer.wire().ended, Some("closed after writing"));
    // Another one has none to come.
    let (second, peer) = world.get();
    peer.send(ok("two"));
    assert_eq!(second.response().text(), "two");
    peer.link.drain();
    assert_eq!(peer.wire().ended, Some("closed after writing"));
}
