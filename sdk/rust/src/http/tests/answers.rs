//! Answers: their bytes, their order, their end.

use std::time::Duration;

use super::*;
use crate::{
    http::{FieldError, SetCookie},
    log::Level,
    testing::{advance, logged},
    types::Address,
};

/// The bytes that a request with this head is answered with.
#[track_caller]
fn check(request: &str, work: fn(Request, Response), expected: &str, ends: bool) {
    let client = Client::of(work);
    client.send(request).expect(expected);
    let wire = client.wire();
    assert_eq!((wire.half_closed, wire.ended), (ends, None));
    assert!(wire.sends <= 1, "one answer is one send");
}

/// The forms that evma_httpserver's own tests have, with the lengths and closes that the RFC wants.
#[test]
fn the_forms_of_evma_httpserver() {
    let close = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    check(
        close,
        |_, mut response| {
            response.status(200);
            response.send_response();
        },
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        true,
    );
    check(
        close,
        |_, mut response| {
            response.status(200).content_type("text/plain").content("ABC");
            response.send_response();
        },
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nABC",
        true,
    );
    check(
        GET,
        |_, mut response| {
            response.content_type("text/xml").set_cookie("a=b").set_cookie("c=d");
            response.header("X-bayshore", "aaaa").content("ABC");
            response.send_response();
        },
        "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n\
         X-bayshore: aaaa\r\nContent-Length: 3\r\n\r\nABC",
        false,
    );
    check(
        GET,
        |_, response| response.send_each(["ABC", "", "DEF", "GHI"].into_iter()),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\nABC\r\n3\r\nDEF\r\n3\r\nGHI\r\n0\r\n\r\n",
        false,
    );
    check(
        GET,
        |_, response| response.send_redirect("/b"),
        "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n",
        false,
    );
    check(
        GET,
        |_, mut response| {
            response.status(303);
            response.send_redirect("/b");
        },
        "HTTP/1.1 303 See Other\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n",
        false,
    );
    check(
        GET,
        |_, mut response| {
            let cookie = SetCookie::new("id", "42").unwrap().http_only();
            response.status(204).set_cookie(cookie).close();
            response.send_response();
        },
        "HTTP/1.1 204 No Content\r\nSet-Cookie: id=42; HttpOnly\r\nConnection: close\r\n\r\n",
        true,
    );
}

#[test]
fn older_clients_and_those_who_want_no_body() {
    fn hello(_: Request, response: Response) {
        answer(response, "hello");
    }
    fn pieces(_: Request, response: Response) {
        response.send_each(["he", "llo"].into_iter());
    }
    let old = |rest: &str| format!("GET / HTTP/1.0\r\n{rest}\r\n");
    let keep = old("Connection: keep-alive\r\n");
    let kept = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello";
    check(&keep, hello, kept, false);
    let closed = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
    check(&old(""), hello, closed, true);
    check(&keep, pieces, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", true);
    let head_only = "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n";
    check(head_only, hello, &head(5), false);
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    check(head_only, pieces, chunked, false);
}

#[test]
fn a_request_is_what_was_sent() {
    let request = "POST /p%20q?x=1&y=a+b HTTP/1.1\r\nHost: h:80\r\nCookie: c=d\r\n\
                   Content-Length: 9\r\n\r\nu=v&w=%26";
    let client = Client::of(|request, response| {
        assert_eq!(request.path(), "/p%20q");
        assert_eq!(request.decoded_path().as_deref(), Some("/p q"));
        assert_eq!(request.query_string(), "x=1&y=a+b");
        assert_eq!(request.query("y").as_deref(), Some("a b"));
        assert_eq!(request.query("z"), None);
        assert_eq!(request.form("w").as_deref(), Some("&"));
        assert_eq!((request.cookie("c"), request.cookie("d")), (Some("d"), None));
        assert_eq!((request.header("HOST"), request.host()), (Some("h:80"), "h:80"));
        assert_eq!(request.peer_address(), Some(Address::tcp("192.0.2.1", 1234)));
        assert_eq!(request.content(), b"u=v&w=%26");
        answer(response, "ok");
    });
    client.send(request).expect(&(head(2) + "ok"));
}

#[test]
fn pipelined_requests_are_answered_in_one_piece() {
    let client = Client::of(|request, response| answer(response, request.path()));
    client.send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\nGET /3 HTTP");
    client.expect(&[head(2), "/1".into(), head(2), "/2".into()].concat());
    assert_eq!(client.wire().sends, 1);
    client.send("/1.1\r\nHost: h\r\n\r\n").expect(&(head(2) + "/3"));
}

#[test]
fn answers_go_out_in_the_order_of_the_requests() {
    let (client, kept) = keeping();
    client.send(GET.repeat(3)).expect("");
    let mut responses = kept.take();
    answer(responses.pop().unwrap(), "three");
    answer(responses.pop().unwrap(), "two");
    client.expect("");
    answer(responses.pop().unwrap(), "one");
    let expected = [head(3), "one".into(), head(3), "two".into(), head(5), "three".into()];
    client.expect(&expected.concat());
}

#[test]
fn a_stream_out_of_turn_waits() {
    let (client, kept) = keeping();
    client.send(GET.repeat(2));
    let second = kept.borrow_mut().pop().unwrap().send_headers();
    second.chunk("a").unwrap();
    client.expect("");
    answer(kept.borrow_mut().pop().unwrap(), "one");
    let streamed = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n";
    client.expect(&[&head(3), "one", streamed].concat());
    second.chunk("b").unwrap();
    second.finish();
    client.expect("1\r\nb\r\n0\r\n\r\n");
    assert!(second.chunk("c").is_err());
}

#[test]
fn too_many_unanswered_requests_wait_with_the_client() {
    let (client, kept) = keeping();
    client.send(GET.repeat(20));
    assert_eq!(kept.borrow().len(), 16);
    assert!(client.wire().paused);
    let rest = kept.borrow_mut().split_off(2);
    for response in kept.replace(rest) {
        answer(response, "x");
    }
    advance(Duration::ZERO);
    assert_eq!(kept.borrow().len(), 16);
    assert!(client.wire().paused);
    for response in kept.take() {
        answer(response, "x");
    }
    advance(Duration::ZERO);
    assert_eq!(kept.borrow().len(), 2);
    assert!(!client.wire().paused);
    kept.take().into_iter().for_each(|response| answer(response, "x"));
    client.expect(&(head(1) + "x").repeat(20));
}

#[test]
fn nothing_follows_the_last_answer() {
    let client = Client::of(|request, mut response| {
        if request.path() == "/last" {
            response.close();
        }
        answer(response, request.path());
    });
    client.send("GET /last HTTP/1.1\r\nHost: h\r\n\r\nGET /more HTTP/1.1\r\nHost: h\r\n\r\n");
    client.expect("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n/last");
    assert!(client.wire().half_closed);
}

#[test]
fn what_is_no_request_is_refused_in_its_turn() {
    let (client, kept) = keeping();
    client.send(format!("{GET}rubbish\r\n\r\n{GET}")).expect("");
    assert_eq!(kept.borrow().len(), 1);
    answer(kept.borrow_mut().pop().unwrap(), "one");
    let why =
        "400 Bad Request\nthe first line is not METHOD TARGET HTTP/1.1 with one space between\n";
    let refusal = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{why}",
        why.len()
    );
    client.expect(&[&head(3), "one", &refusal].concat());
    // The client may still be sending: it gets the time to read.
    assert!(client.wire().half_closed && client.wire().ended.is_none());
    client.send("more rubbish").expect("");
    advance(Duration::from_secs(2));
    assert_eq!(client.wire().ended, Some("closed"));
}

#[test]
fn a_tunnel_is_not_offered() {
    let client = Client::of(|_, _| unreachable!());
    client.send("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.received().starts_with("HTTP/1.1 501 Not Implemented\r\n"));
}

#[test]
fn a_field_that_would_be_two_is_never_sent() {
    let error = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";
    let check = |work: fn(&mut Response), words: &str| {
        let client = Client::of(move |_, mut response| {
            work(&mut response);
            answer(response, "secret");
        });
        client.send(GET).expect(error);
        let (level, line) = logged().pop().unwrap();
        assert_eq!(level, Level::Error);
        assert!(line.contains(words), "{line}");
    };
    check(
        |response| {
            response.header("X", "a\r\nSet-Cookie: b");
        },
        "a line break",
    );
    check(
        |response| {
            response.add_header("X: y", "z");
        },
        "no header's name",
    );
    check(
        |response| {
            response.set_cookie("a=b\nc");
        },
        "a line break",
    );
    check(
        |response| {
            response.header("Content-Length", "5");
        },
        "follows from the body",
    );
    let client = Client::of(|_, mut response| {
        let error = response.try_header("X", "a\nb").unwrap_err();
        assert_eq!(error, FieldError::Value("X".into()));
        answer(response, "fine");
    });
    client.send(GET).expect(&(head(4) + "fine"));
}

#[test]
fn a_dropped_answer_is_an_error() {
    let client = Client::of(|_, _| {});
    client.send(GET).expect("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
    assert!(logged().pop().unwrap().1.contains("dropped"));
    assert_eq!(client.wire().ended, None);
}

#[test]
fn after_the_end_of_the_connection_nothing_happens() {
    let (client, kept) = keeping();
    client.send(GET.repeat(2));
    client.unbind(CloseReason::PeerClosed);
    assert_eq!(*client.ended.borrow(), Some(CloseReason::PeerClosed));
    let mut responses = kept.take();
    assert!(!responses[0].is_open());
    let stream = responses.pop().unwrap().send_headers();
    assert!(stream.chunk("x").is_err() && stream.is_full());
    stream.on_drained(|| unreachable!());
    answer(responses.pop().unwrap(), "x");
    advance(Duration::from_secs(1));
    client.expect("");
}
