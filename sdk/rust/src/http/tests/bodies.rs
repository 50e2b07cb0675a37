//! Bodies that are not held: those that come, and those that go.

use std::time::Duration;

use super::*;
use crate::{
    http::{ResponseStream, StreamError},
    testing::{advance, logged},
};

type Log = Rc<RefCell<Vec<String>>>;

const STREAM: fn(&RequestHead) -> Intake = |_| Intake::Stream(1000);

/// A server that notes what comes and answers at the end.
fn noting() -> (Client, Log) {
    let log = Log::default();
    let noted = log.clone();
    let client = Client::with(SETTINGS, STREAM, move |request, response| {
        let body = request.body().unwrap();
        let note = noted.clone();
        body.on_data(move |data| note.borrow_mut().push(data.escape_ascii().to_string()));
        let note = noted.clone();
        body.on_end(move |outcome| {
            note.borrow_mut().push(match outcome {
                Ok(trailers) => format!("end {trailers:?}"),
                Err(error) => error.to_string(),
            });
            answer(response, "done");
        });
    });
    (client, log)
}

#[test]
fn a_body_comes_in_pieces() {
    let (client, log) = noting();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab");
    assert_eq!(*log.borrow(), ["ab"]);
    client.send("c\r\n0\r\nX: y\r\n\r\n").expect(&(head(4) + "done"));
    assert_eq!(log.take(), ["ab", "c", r#"end {"X": "y"}"#]);
    client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx");
    client.expect(&(head(4) + "done"));
    client.send(GET).expect(&(head(4) + "done"));
    assert_eq!(log.take(), ["x", "end {}", "end {}"]);
}

#[test]
fn a_body_that_goes_wrong_is_told() {
    let refused = |request: &str, status: &str, words: &str| {
        let (client, log) = noting();
        client.send(request);
        let received = client.received();
        assert!(received.starts_with(&format!("HTTP/1.1 {status}")), "{received}");
        assert!(log.borrow().last().is_some_and(|line| line.contains(words)), "{log:?}");
    };
    let post = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    refused(&format!("{post}x"), "400", "hexadecimal");
    refused(&format!("{post}1\r\na\r\n400\r\n"), "413", "larger");
    // The bound is known before anything is asked.
    let client = Client::with(SETTINGS, STREAM, |_, _| unreachable!());
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n");
    assert!(client.received().starts_with("HTTP/1.1 413 "));

    let (client, log) = noting();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nab");
    client.unbind(CloseReason::PeerClosed);
    assert_eq!(*log.borrow(), ["ab", "the connection ended before the body did"]);
}

#[test]
fn a_body_can_wait() {
    let log = Log::default();
    let kept: Rc<RefCell<Option<crate::http::RequestBody>>> = Rc::default();
    let (noted, keep) = (log.clone(), kept.clone());
    let client = Client::with(SETTINGS, STREAM, move |request, response| {
        let body = request.body().unwrap();
        let (note, pausing) = (noted.clone(), body.clone());
        body.on_data(move |data| {
            note.borrow_mut().push(data.escape_ascii().to_string());
            pausing.pause();
        });
        body.on_end(move |_| answer(response, "done"));
        *keep.borrow_mut() = Some(body);
    });
    client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
    assert_eq!(*log.borrow(), ["a"]);
    assert!(client.wire().paused);
    // However long it takes: the client is not to blame.
    client.wire().idle = Duration::from_secs(100);
    advance(Duration::from_secs(100));
    client.expect("");
    kept.borrow().as_ref().unwrap().resume();
    advance(Duration::ZERO);
    assert_eq!(*log.borrow(), ["a", "b"]);
    kept.borrow().as_ref().unwrap().resume();
    advance(Duration::ZERO);
    client.expect(&(head(4) + "done"));
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on() {
    let ask = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    let go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    let client = Client::of(|request, response| {
        answer(response, &request.content().escape_ascii().to_string());
    });
    client.send(ask).expect(go_on);
    client.send("ab").expect(&(head(2) + "ab"));
    // In its turn.
    let (client, kept) = keeping();
    client.send([GET, ask].concat()).expect("");
    answer(kept.borrow_mut().pop().unwrap(), "x");
    client.expect(&[&head(1), "x", go_on].concat());
    // Too large: there is no need to send it.
    client.send("ab");
    kept.take().into_iter().for_each(|response| answer(response, ""));
    client.received();
    client.send(ask.replace("Length: 2", "Length: 2000"));
    assert!(client.received().starts_with("HTTP/1.1 413 "));

    let (client, _) = noting();
    client.send(ask).expect(go_on);
    // A server that has seen enough says so instead, and the connection is of no more use.
    let client = Client::with(SETTINGS, STREAM, |_, mut response| {
        response.status(403);
        response.send_response();
    });
    client
        .send(ask)
        .expect("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert!(client.wire().half_closed);
}

#[test]
fn an_answer_before_the_bodys_end_ends_the_connection() {
    let client = Client::with(SETTINGS, STREAM, |_, response| answer(response, "no"));
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab");
    client.expect("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
    assert!(client.wire().half_closed && client.wire().ended.is_none());
    client.send("cde").send(GET).expect("");
    advance(Duration::from_secs(2));
    assert_eq!(client.wire().ended, Some("closed"));
}

/// A server that hands the stream of its answer to the test.
fn streaming(prepare: fn(&mut Response)) -> (Client, ResponseStream) {
    let kept: Rc<RefCell<Option<ResponseStream>>> = Rc::default();
    let keep = kept.clone();
    let client = Client::of(move |_, mut response| {
        prepare(&mut response);
        *keep.borrow_mut() = Some(response.send_headers());
    });
    client.send(GET);
    client.received();
    let stream = kept.borrow_mut().take().unwrap();
    (client, stream)
}

#[test]
fn trailers_and_lengths() {
    let (client, stream) = streaming(|_| {});
    let mut trailers = crate::http::Headers::new();
    trailers.append("X-Sum", "1").unwrap();
    stream.finish_with(&trailers);
    client.expect("0\r\nX-Sum: 1\r\n\r\n");

    let (client, stream) = streaming(|response| {
        response.content_length(3);
    });
    stream.chunk("ab").unwrap();
    assert!(matches!(stream.chunk("cd"), Err(StreamError::Length(_))));
    client.expect("ab");
    assert!(client.wire().half_closed);
    assert_eq!(stream.chunk("c"), Err(StreamError::Closed));

    let (client, stream) = streaming(|response| {
        response.content_length(3);
    });
    stream.chunk("ab").unwrap();
    stream.finish();
    assert!(client.wire().half_closed);
    assert!(logged().pop().unwrap().1.contains("1 bytes before"));
}

#[test]
fn a_dropped_stream_is_no_end() {
    let (client, stream) = streaming(|_| {});
    let clone = stream.clone();
    drop(stream);
    assert!(!client.wire().half_closed);
    drop(clone);
    client.expect("");
    assert!(client.wire().half_closed);
    assert!(logged().pop().unwrap().1.contains("dropped"));
}

#[test]
fn a_slow_client_is_waited_for() {
    let (client, stream) = streaming(|_| {});
    let pieces = std::iter::repeat_n(vec![b'x'; 1000], 100);
    client.wire().outbound = 70_000;
    assert!(stream.is_full());
    stream.send_each(pieces);
    client.expect("");
    // It has as long as an idle one, and then again as long as the server likes.
    assert_eq!(client.wire().inactivity_timeout, SETTINGS.idle_timeout);
    client.drain();
    assert_eq!(client.wire().inactivity_timeout, SETTINGS.idle_timeout);
    assert_eq!(client.received().len(), 100 * 1007 + 5);
}

#[test]
fn a_host_that_tells_nothing_is_asked() {
    let (client, stream) = streaming(|_| {});
    client.wire().outbound = 70_000;
    stream.send_each(["a"].into_iter());
    advance(Duration::from_secs(1));
    client.expect("");
    client.wire().outbound = 10;
    advance(Duration::from_millis(100));
    client.expect("1\r\na\r\n0\r\n\r\n");
}

#[test]
fn large_content_is_not_pushed_into_the_outbox() {
    let client = Client::of(|_, mut response| {
        response.content(vec![b'x'; 1 << 20]);
        response.send_response();
    });
    client.wire().outbox_max = 1 << 17;
    client.send(GET);
    advance(Duration::ZERO);
    assert_eq!(client.received().len(), head(1 << 20).len() + (1 << 20));
    assert_eq!(client.wire().ended, None);
}

#[test]
fn an_outbox_without_room_ends_the_connection() {
    let (client, stream) = streaming(|_| {});
    client.wire().outbox_max = 10;
    stream.chunk("0123456789abcdef").unwrap();
    assert_eq!(client.wire().ended, Some("closed"));
    assert!(logged().pop().unwrap().1.contains("outbox"));
    assert_eq!(stream.chunk("x"), Err(StreamError::Closed));
}
