//! Connections that are to come to their end: what has begun is answered, and the last answer says that it is the last.

use std::time::Duration;

use sandloop_http::websocket::{self as codec, Event};

use super::{
    upgrade::{ASK, Echo},
    *,
};
use crate::{http::WebSocketSettings, testing::advance};

const WITHIN: Duration = Duration::from_secs(5);

fn drain(client: &Client) {
    client.session.borrow_mut().drain(WITHIN);
}

fn last_head(length: usize) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")
}

#[test]
fn one_between_two_requests_closes_at_once() {
    let client = Client::of(|_, response| answer(response, "x"));
    client.send(GET).expect(&format!("{}x", head(1)));
    drain(&client);
    assert_eq!(client.wire().ended, Some("closed after writing"));
}

#[test]
fn one_without_a_request_has_a_moment_for_it() {
    let client = Client::of(|_, response| answer(response, "x"));
    drain(&client);
    advance(Duration::from_millis(249));
    assert_eq!(client.wire().ended, None);
    client.send(GET).expect(&format!("{}x", last_head(1)));
    assert!(client.wire().half_closed);

    let client = Client::of(|_, response| answer(response, "x"));
    drain(&client);
    advance(Duration::from_millis(250));
    assert_eq!(client.wire().ended, Some("closed after writing"));
}

/// Whether its head was complete or not, and its body.
#[test]
fn a_request_that_has_begun_is_answered() {
    for cut in [1, GET.len() - 1] {
        let client = Client::of(|_, response| answer(response, "x"));
        client.send(GET).send(&GET[..cut]);
        client.received();
        drain(&client);
        advance(Duration::from_secs(1));
        client.expect("").send(&GET[cut..]).expect(&format!("{}x", last_head(1)));
        assert!(client.wire().half_closed);
    }
    let post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab";
    let client = Client::of(|request, response| {
        answer(response, std::str::from_utf8(request.content()).unwrap());
    });
    client.send(post);
    drain(&client);
    advance(Duration::from_secs(1));
    client.expect("").send("cde").expect(&format!("{}abcde", last_head(5)));
}

#[test]
fn the_last_of_several_answers_says_so() {
    let (client, kept) = keeping();
    client.send(GET).send(GET).send(GET);
    drain(&client);
    let mut responses = kept.take().into_iter();
    let mut next = || responses.next().unwrap();
    answer(next(), "a");
    client.expect(&format!("{}a", head(1)));
    answer(next(), "b");
    client.expect(&format!("{}b", head(1)));
    assert!(!client.wire().half_closed);
    answer(next(), "c");
    client.expect(&format!("{}c", last_head(1)));
    assert!(client.wire().half_closed);
}

/// Its head has gone out already, and says nothing.
#[test]
fn an_answer_that_has_begun_ends_the_connection_all_the_same() {
    let (client, kept) = keeping();
    client.send(GET);
    let mut response = kept.borrow_mut().pop().unwrap();
    response.content_length(2);
    let stream = response.send_headers();
    drain(&client);
    stream.chunk("ok").unwrap();
    stream.finish();
    client.expect(&format!("{}ok", head(2)));
    assert!(client.wire().half_closed);
}

#[test]
fn a_websocket_goes_away() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let noted = log.clone();
    let client = Client::of(move |request, response| {
        let log = noted.clone();
        response.accept_websocket(&request, WebSocketSettings::default(), |socket| Echo {
            socket,
            log,
        });
    });
    client.send(ASK);
    client.wire().sent.clear();
    drain(&client);
    assert_eq!(client.wire().sent, b"\x88\x02\x03\xe9");
    let mut side = codec::WebSocket::client(1000);
    side.receive(&std::mem::take(&mut client.wire().sent));
    assert_eq!(side.poll(), Ok(Some(Event::Close(1001, String::new()))));
    client.send(side.take_output());
    assert!(client.wire().half_closed);
    assert_eq!(*log.borrow(), ["close 1001 "]);
}

/// A handshake that was not answered when the end was told.
#[test]
fn a_websocket_that_is_made_late_goes_away_too() {
    let kept: Rc<RefCell<Vec<(Request, Response)>>> = Rc::default();
    let client = Client::of({
        let kept = kept.clone();
        move |request, response| kept.borrow_mut().push((request, response))
    });
    client.send(ASK);
    drain(&client);
    let (request, response) = kept.borrow_mut().pop().unwrap();
    response.accept_websocket(&request, WebSocketSettings::default(), |socket| Echo {
        socket,
        log: Rc::default(),
    });
    advance(Duration::ZERO);
    let sent = std::mem::take(&mut client.wire().sent);
    let text = String::from_utf8_lossy(&sent);
    assert!(text.starts_with("HTTP/1.1 101"), "{text}");
    assert!(!text.contains("close"), "{text}");
    assert!(sent.ends_with(b"\x88\x02\x03\xe9"), "{text}");
}
