//! Requests as they are sent, and what responses become.

use std::time::Duration;

use sandloop_http::{
    ResponseError,
    coding::{Coding, CodingError, Compressor},
    uri::UriError,
};

use super::*;
use crate::{
    http::{FieldError, HttpMulti, Method, Proxy},
    testing::advance,
    tls::{FailureKind, HandshakeFailure},
};

#[track_caller]
fn check_sent(make: impl FnOnce(&HttpClient) -> HttpRequest, expected: &str) {
    let world = World::new();
    let (_, peer) = world.sent(make(&world.client));
    peer.expect(expected);
}

#[test]
fn requests() {
    check_sent(|client| client.get("http://h"), "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    check_sent(
        |client| client.head("http://H:8080/a b?c#d").query("e f", "g&h").close(),
        "HEAD /a%20b?c&e%20f=g%26h HTTP/1.1\r\nHost: h:8080\r\nConnection: close\r\n\r\n",
    );
    check_sent(
        |client| client.post("http://h/").form([("a", "1 2"), ("b", "&")]),
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: 13\r\n\r\na=1%202&b=%26",
    );
    check_sent(
        |client| client.put("http://h/").header("Content-Type", "x").form([("a", "1")]),
        "PUT / HTTP/1.1\r\nHost: h\r\nContent-Type: x\r\nContent-Length: 3\r\n\r\na=1",
    );
    check_sent(
        |client| client.delete("http://Aladdin:open%20sesame@h/"),
        "DELETE / HTTP/1.1\r\nHost: h\r\nAuthorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n",
    );
    check_sent(
        |client| client.get("http://u:p@h/").basic_auth("Aladdin", "open sesame").compressed(),
        "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\
         Accept-Encoding: gzip, deflate\r\n\r\n",
    );
    check_sent(
        |client| client.post("http://h/").add_header("A", "1").add_header("A", "2"),
        "POST / HTTP/1.1\r\nHost: h\r\nA: 1\r\nA: 2\r\nContent-Length: 0\r\n\r\n",
    );
    check_sent(
        |client| client.method(Method::OPTIONS, "http://[::1]/").header("Host", "other"),
        "OPTIONS / HTTP/1.1\r\nHost: other\r\n\r\n",
    );
}

#[test]
fn a_user_agent_can_be_left_out() {
    let settings = ClientSettings::default();
    assert_eq!(settings.user_agent, "Sandloop/0.1.0");
    let network = Rc::new(RefCell::new(Network::default()));
    let client = HttpClient(Pool::new(settings, Box::new(FakeDialer(network.clone()))));
    let world = World { client, network };
    let (_, peer) = world.sent(world.client.get("http://h/"));
    peer.expect("GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: Sandloop/0.1.0\r\n\r\n");
    let (_, peer) = world.sent(world.client.get("http://h/").header("user-agent", "me"));
    peer.expect("GET / HTTP/1.1\r\nHost: h\r\nuser-agent: me\r\n\r\n");
    let (_, peer) = world.sent(world.client.get("http://h/").header("User-Agent", ""));
    peer.expect("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
}

#[test]
fn a_response_is_what_came() {
    let world = World::new();
    let (watched, peer) = world.get();
    assert_eq!(peer.address, "h:80");
    peer.send("HTTP/1.1 404 Gone fishing\r\nSet-Cookie: a=b; Path=/\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r");
    assert!(!watched.is_over());
    peer.send("\nX-Sum: 6\r\n\r\n");
    let response = watched.response();
    assert_eq!((response.status.as_u16(), response.reason.as_str()), (404, "Gone fishing"));
    assert_eq!((response.header("x"), response.text().as_str()), (Some("y"), "abc"));
    assert_eq!(response.trailers.get("x-sum"), Some("6"));
    assert_eq!((response.uri.as_str(), response.redirects), ("http://h/a?b", 0));
    assert_eq!(
        response.cookies().map(|cookie| cookie.to_string()).collect::<Vec<_>>(),
        ["a=b; Path=/"]
    );
}

#[test]
fn every_way_to_end_a_body() {
    let check = |pieces: &[&str], end: Option<CloseReason>, content: &str| {
        let world = World::new();
        let (watched, peer) = world.get();
        for piece in pieces {
            peer.send(piece);
        }
        assert_eq!(watched.is_over(), end.is_none());
        if let Some(reason) = end {
            peer.end(reason);
        }
        assert_eq!(watched.response().text(), content);
    };
    check(&["HTTP/1.1 204 No Content\r\n\r\n"], None, "");
    check(&["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"], None, "");
    check(&["HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na", "bc"], None, "abc");
    check(
        &["HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"],
        None,
        "a",
    );
    check(&["HTTP/1.0 200 OK\n\nab", "c"], Some(CloseReason::PeerClosed), "abc");
}

#[test]
fn a_part_is_no_whole() {
    let check = |bytes: &str, reason: CloseReason, error: HttpError| {
        let world = World::new();
        let (watched, peer) = world.get();
        peer.send(bytes);
        peer.end(reason);
        assert_eq!(watched.error(), error, "{bytes:?}");
    };
    let truncated = HttpError::Truncated;
    check("", CloseReason::PeerClosed, truncated(CloseReason::PeerClosed));
    check("HTTP/1.1 200 OK\r\n", CloseReason::PeerClosed, truncated(CloseReason::PeerClosed));
    let known = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc";
    check(known, CloseReason::PeerClosed, truncated(CloseReason::PeerClosed));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    check(chunked, CloseReason::PeerClosed, truncated(CloseReason::PeerClosed));
    // An end that is none of the server's.
    let endless = "HTTP/1.1 200 OK\r\n\r\nabc";
    check(endless, CloseReason::Reset, truncated(CloseReason::Reset));
    check(endless, CloseReason::InactivityTimeout, HttpError::Timeout);
    check("", CloseReason::InactivityTimeout, HttpError::Timeout);
}

#[test]
fn garbage_is_no_response() {
    let check = |bytes: &str, error: HttpError| {
        let world = World::new();
        let (watched, peer) = world.get();
        peer.send(bytes);
        assert_eq!(watched.error(), error, "{bytes:?}");
        assert!(peer.wire().ended.is_some());
        peer.send("more").end(CloseReason::Closed);
    };
    check("garbage", HttpError::Response(ResponseError::StatusLine));
    check("HTTP/2.0 200 OK\r\n\r\n", HttpError::Response(ResponseError::Version));
    let both = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
    check(both, HttpError::Response(ResponseError::TwoLengths));
    let endless = format!("HTTP/1.1 200 OK\r\n{}", "A: b\r\n".repeat(20_000));
    check(&endless, HttpError::Response(ResponseError::HeadTooLarge));
    check("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", HttpError::Upgraded);
}

#[test]
fn mistakes_come_to_the_errback_in_the_next_tick() {
    let check = |make: fn(&HttpClient) -> HttpRequest, refusal, error: HttpError| {
        let world = World::new();
        world.network.borrow_mut().refusal = refusal;
        let watched = watch(&make(&world.client).send());
        assert!(!watched.is_over(), "{error:?}");
        advance(Duration::ZERO);
        assert_eq!(watched.error(), error);
    };
    check(|client| client.get("nowhere"), None, HttpError::Uri(UriError::Scheme));
    check(|client| client.get("http:///"), None, HttpError::Uri(UriError::Host));
    let denied = Some(ErrorCode::Denied);
    check(|client| client.get("http://h/"), denied, HttpError::Refused(ErrorCode::Denied));
    check(
        |client| client.get("http://h/").header("A", "b\r\nC: d"),
        None,
        HttpError::Field(FieldError::Value("A".into())),
    );
    check(
        |client| client.get("http://h/").header("Content-Length", "5"),
        None,
        HttpError::Field(FieldError::Reserved("Content-Length".into())),
    );
}

/// The handshake comes first, within a tunnel too; what fails of it is the error, whatever the connection's end is called.
#[test]
fn the_scheme_decides_about_tls() {
    let tls_of = |settings: ClientSettings, uri: &str, answer: &str| {
        let world = World::with(settings);
        let (watched, peer) = world.sent(world.client.get(uri));
        if !answer.is_empty() {
            peer.skip().send(answer);
        }
        let tls = peer.wire().tls.clone();
        let rest = String::from_utf8_lossy(&peer.wire().sent).into_owned();
        (tls, rest, peer.address.clone(), watched, peer)
    };
    let direct = ClientSettings::default;
    let (tls, rest, ..) = tls_of(direct(), "http://h/a", "");
    assert!(tls.is_none() && rest.starts_with("GET /a "), "{rest}");
    for (uri, address, name) in
        [("https://h/a", "h:443", "h"), ("https://[::1]:8443/a", "::1:8443", "::1")]
    {
        let (tls, rest, at, ..) = tls_of(direct(), uri, "");
        assert_eq!((tls, &*at), (Some((0, name.to_owned())), address));
        assert!(rest.starts_with("GET /a "), "{rest}");
    }
    let through =
        || ClientSettings { proxy: Some(Proxy::new("proxy", 3128)), ..ClientSettings::default() };
    let answer = "HTTP/1.1 200 OK\r\n\r\n";
    for (uri, name) in [("https://h/a", "h"), ("https://[::1]/a", "::1")] {
        let (tls, rest, at, ..) = tls_of(through(), uri, answer);
        // Nothing of the request is before TLS; what the proxy was told was taken away above.
        assert_eq!((tls, &*at), (Some((0, name.to_owned())), "proxy:3128"), "{uri}");
        assert!(rest.starts_with("GET /a "), "{rest}");
    }
    // What a proxy sends behind its answer could be anybody's.
    let (tls, _, _, _, _) = tls_of(through(), "https://h/a", &format!("{answer}HTTP/1.1 200 OK"));
    assert!(tls.is_none());
    let (_, _, _, watched, peer) = tls_of(direct(), "https://h/a", "");
    let failure = HandshakeFailure { kind: FailureKind::Expired, words: "it is old".into() };
    peer.wire().tls_failure = Some(failure.clone());
    peer.end(CloseReason::Failed);
    assert_eq!(watched.error(), HttpError::Tls(failure));
    assert_eq!(watched.error().to_string(), "no TLS with the server: it is old");
}

#[test]
fn a_connection_that_is_not_made() {
    for reason in [CloseReason::Refused, CloseReason::ConnectTimeout, CloseReason::NameNotFound] {
        let world = World::new();
        let watched = watch(&world.client.request("h", "/"));
        world.peer(0).end(reason);
        assert_eq!(watched.error(), HttpError::Connect(reason));
    }
}

#[test]
fn compressed_responses() {
    let text = "a text that repeats itself. ".repeat(100);
    for (coding, name) in [(Coding::Gzip, "gzip"), (Coding::Deflate, "deflate")] {
        let mut body = Vec::new();
        let mut compressor = Compressor::new(coding);
        compressor.write(text.as_bytes(), &mut body);
        compressor.finish(&mut body);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: {name}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );

        let world = World::new();
        let (watched, peer) = world.get();
        peer.send(&head);
        for piece in body.chunks(7) {
            peer.send(piece);
        }
        assert_eq!(watched.response().text(), text);

        let (watched, peer) = world.sent(world.client.get("http://h/").raw());
        peer.send(&head).send(&body);
        assert_eq!(watched.response().content, body);

        // Cut short, although the length is right.
        let half = &body[..body.len() / 2];
        let (watched, peer) = world.sent(world.client.get("http://h/"));
        peer.send(head.replace(&body.len().to_string(), &half.len().to_string())).send(half);
        assert_eq!(watched.error(), HttpError::Coding(CodingError::Truncated));

        let (watched, peer) = world.sent(world.client.get("http://h/").limit(1000));
        peer.send(&head).send(&body);
        assert_eq!(watched.error(), HttpError::TooLarge);
    }
}

#[test]
fn a_body_has_a_bound_unless_it_is_streamed() {
    let world = World::new();
    let (watched, peer) = world.sent(world.client.get("http://h/").limit(3));
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    assert!(!watched.is_over());
    peer.send("d");
    assert_eq!(watched.error(), HttpError::TooLarge);
    assert!(peer.wire().ended.is_some());

    let log = Rc::new(RefCell::new(Vec::new()));
    let (first, then) = (log.clone(), log.clone());
    let request = world.client.get("http://h/").limit(3);
    let (watched, peer) = world.sent(
        request
            .on_headers(move |response| first.borrow_mut().push(response.status.to_string()))
            .on_data(move |data| then.borrow_mut().push(data.escape_ascii().to_string())),
    );
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabcd").send("efghij");
    assert_eq!(*log.borrow(), ["200 OK", "abcd", "efghij"]);
    assert_eq!(watched.response().content, b"");
}

#[test]
fn a_request_can_be_given_up() {
    let world = World::new();
    let (watched, peer) = world.get();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab");
    watched.transfer.abort();
    watched.transfer.abort();
    assert_eq!(watched.error(), HttpError::Aborted);
    assert!(peer.wire().ended.is_some());
    // In a callback of its own too.
    let slot: Rc<RefCell<Option<HttpTransfer>>> = Rc::default();
    let abort = slot.clone();
    let request =
        world.client.get("http://h/").on_headers(move |_| abort.borrow().as_ref().unwrap().abort());
    let transfer = request.send();
    let watched = watch(&transfer);
    *slot.borrow_mut() = Some(transfer);
    world.peer(1).connect().send(ok("abc"));
    assert_eq!(watched.error(), HttpError::Aborted);
}

#[test]
fn a_deadline_is_kept() {
    let world = World::new();
    let request = world.client.get("http://h/").deadline(Duration::from_secs(3));
    let (watched, peer) = world.sent(request);
    assert_eq!(peer.wire().inactivity_timeout, Duration::from_secs(10));
    advance(Duration::from_millis(2999));
    assert!(!watched.is_over());
    advance(Duration::from_millis(1));
    assert_eq!(watched.error(), HttpError::Timeout);
    let request = world.client.get("http://h/").deadline(Duration::from_secs(3));
    let (watched, peer) = world.sent(request);
    peer.send(ok("x"));
    advance(Duration::from_secs(10));
    assert_eq!(watched.response().text(), "x");
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";

#[test]
fn a_body_can_wait() {
    let world = World::new();
    let (watched, peer) = world.get();
    peer.send(HEAD);
    watched.transfer.pause();
    assert!(peer.wire().paused);
    assert_eq!(peer.wire().inactivity_timeout, Duration::ZERO);
    watched.transfer.resume();
    assert!(!peer.wire().paused);
    watched.transfer.pause();
    peer.send("abc");
    // The connection is not the request's any more.
    assert!(!peer.wire().paused);
    watched.transfer.pause();
    assert!(!peer.wire().paused);
}

/// Whenever it is asked to wait: what has to be read before the body is read.
#[test]
fn only_a_body_waits() {
    const REDIRECT: &str = "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n";
    const BEFORE: [&str; 4] = ["", "HTTP/1.1 ", "HTTP/1.1 100 Continue\r\n\r\n", REDIRECT];
    for before in BEFORE {
        for when in ["sent", "connected", "answered"] {
            for resumes in [false, true] {
                let world = World::new();
                let transfer = world.client.get("http://h/a").redirects(1).send();
                let watched = watch(&transfer);
                let pause = |now| {
                    if now == when {
                        transfer.pause();
                    }
                };
                pause("sent");
                let peer = world.peer(0);
                peer.connect();
                pause("connected");
                peer.send(before);
                pause("answered");
                assert!(!peer.wire().paused, "{before:?} {when}");
                assert_eq!(peer.wire().inactivity_timeout, Duration::from_secs(10));
                if resumes {
                    transfer.resume();
                }
                peer.send(HEAD.trim_start_matches(if before == BEFORE[1] { before } else { "" }));
                assert_eq!(peer.wire().paused, !resumes, "{before:?} {when}");
                transfer.resume();
                assert!(!peer.wire().paused);
                peer.send("abc");
                assert_eq!(watched.response().text(), "abc", "{before:?} {when}");
            }
        }
    }
}

/// Of two that are pipelined, the second waits when its turn comes.
#[test]
fn a_body_behind_another_waits_in_its_turn() {
    let world =
        World::with(ClientSettings { connections: 1, pipeline: 2, ..ClientSettings::default() });
    let (first, peer) = world.get();
    let second = watch(&world.client.get("http://h/b").send());
    second.transfer.pause();
    peer.send(ok("x"));
    assert_eq!(first.response().text(), "x");
    assert!(!peer.wire().paused);
    peer.send(HEAD);
    assert!(peer.wire().paused && !second.is_over());
}

#[test]
fn several_are_waited_for_together() {
    let world = World::new();
    let multi = HttpMulti::new();
    multi.add("good", &world.client.request("a", "/"));
    multi.add("bad", &world.client.request("b", "/"));
    let seen = Rc::new(RefCell::new(None));
    let outcomes = seen.clone();
    multi.callback(move |all| *outcomes.borrow_mut() = Some(all.clone()));
    world.peer(0).connect().send(ok("x"));
    assert!(seen.borrow().is_none());
    world.peer(1).end(CloseReason::Refused);
    let all = seen.take().unwrap();
    assert_eq!((all.len(), all.responses["good"].text().as_str()), (2, "x"));
    assert_eq!(all.errors["bad"], HttpError::Connect(CloseReason::Refused));
}
