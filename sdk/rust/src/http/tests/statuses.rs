//! Statuses that mean something to the message, or that an answer cannot have.

use std::iter;

use super::{
    upgrade::{ASK, Echo},
    *,
};
use crate::{http::WebSocketSettings, log::Level, testing::logged};

const ERROR: &str = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";

/// Each way in which a plugin can send an answer.
const WAYS: &[(&str, Work)] = &[
    ("send_response", |_, response| answer(response, "secret")),
    ("send_redirect", |_, response| response.send_redirect("/secret")),
    ("send_headers", |_, response| {
        let stream = response.send_headers();
        stream.finish();
    }),
    ("send_each", |_, response| response.send_each(iter::empty::<&str>())),
    ("close", |_, mut response| {
        response.close();
        answer(response, "");
    }),
    ("accept_websocket", |request, response| {
        response.accept_websocket(&request, WebSocketSettings::default(), |socket| Echo {
            socket,
            log: Rc::default(),
        });
    }),
];

/// A client that is told that another answer follows takes the next one for it, and all are off by one.
#[test]
fn an_interim_status_is_no_answer() {
    for code in (0..200).chain([1000, u16::MAX]) {
        for (way, work) in WAYS {
            let client = Client::of(move |request, mut response| {
                response.status(code);
                work(request, response);
            });
            client.send(ASK);
            let received = client.received();
            assert!(received.starts_with("HTTP/1.1 500 "), "{way} of {code}: {received}");
            assert_eq!(received.matches("HTTP/1.1").count(), 1, "{way} of {code}: {received}");
            assert!(!received.contains("secret"), "{received}");
            let (level, line) = logged().pop().unwrap();
            assert_eq!(level, Level::Error);
            let word = if (100..200).contains(&code) { "interim" } else { "200 to 999" };
            assert!(line.contains(&format!("{code} is")) && line.contains(word), "{line}");
        }
    }
}

/// A status that was set and then replaced does not make a wrong answer right.
#[test]
fn a_wrong_status_is_not_forgotten() {
    let client = Client::of(|_, mut response| {
        response.status(103).status(200);
        answer(response, "x");
    });
    client.send(GET).expect(ERROR);
}

#[test]
fn some_answers_have_no_content() {
    let cases: [(u16, &str); 3] = [
        (204, "HTTP/1.1 204 No Content\r\n\r\n"),
        (205, "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"),
        (304, "HTTP/1.1 304 Not Modified\r\n\r\n"),
    ];
    let works: [fn(Response); 4] = [
        |response| answer(response, "some content"),
        |mut response| {
            response.content(vec![b'x'; 200_000]);
            response.send_response();
        },
        |mut response| {
            response.content_length(7);
            response.send_each(["some", "content"].into_iter());
        },
        |mut response| {
            response.content("some");
            let stream = response.send_headers();
            _ = stream.chunk("content");
            stream.finish();
        },
    ];
    for (code, expected) in cases {
        for work in works {
            let client = Client::of(move |_, mut response| {
                response.status(code);
                work(response);
            });
            client.send(GET.repeat(2)).expect(&expected.repeat(2));
        }
    }
}

/// RFC 9110, 7.8 and 15.5.22.
#[test]
fn who_must_upgrade_is_told_to_what() {
    let check = |prepare: fn(&mut Response), expected: &str| {
        let client = Client::of(move |_, mut response| {
            prepare(&mut response);
            answer(response, "");
        });
        client.send(GET).expect(&format!("HTTP/1.1 {expected}\r\n\r\n"));
    };
    let required = "426 Upgrade Required\r\n";
    check(
        |response| _ = response.status(426),
        &format!("{required}Upgrade: websocket\r\nContent-Length: 0\r\nConnection: Upgrade"),
    );
    check(
        |response| _ = response.status(426).header("Upgrade", "h2c"),
        &format!("{required}Upgrade: h2c\r\nContent-Length: 0\r\nConnection: Upgrade"),
    );
    check(
        |response| _ = response.status(426).close(),
        &format!("{required}Upgrade: websocket\r\nContent-Length: 0\r\nConnection: Upgrade, close"),
    );
    check(
        |response| _ = response.header("Upgrade", "h2c"),
        "200 OK\r\nUpgrade: h2c\r\nContent-Length: 0\r\nConnection: Upgrade",
    );
}

/// RFC 9110, 9.3.2, whatever is wrong with the request, and however early.
#[test]
fn a_head_that_is_refused_gets_no_body() {
    let cases: &[(&str, u16)] = &[
        ("HEAD / HTTP/1.1\r\n\r\n", 400),
        ("HEAD  / HTTP/1.1\r\n\r\n", 400),
        ("HEAD / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("HEAD / HTTP/1.1\r\nHost: h\r\nExpect: foo\r\n\r\n", 417),
        ("HEAD / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
        ("HEAD /\u{e9} HTTP/1.1\r\n\r\n", 400),
        ("HEAD nowhere HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("HEAD / HTTP/1.1\nHost: h\n\n", 400),
        ("HEAD / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n", 400),
        ("HEAD / HTTP/1.1\r\nHost: h\r\nA b: c\r\n\r\n", 400),
        ("HEAD / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n", 413),
        ("HEAD / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: x\r\n\r\n", 400),
        ("HEAD / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx", 400),
        ("\r\nHEAD / HTTP/1.1\r\n\r\n", 400),
    ];
    let long = format!("HEAD /{} HTTP/1.1\r\n", "a".repeat(9000));
    let large = format!("HEAD / HTTP/1.1\r\nA: {}\r\n", "a".repeat(17_000));
    for (request, status) in cases.iter().copied().chain([(&*long, 414), (&*large, 431)]) {
        for cut in [request.len(), 7, 1] {
            let (client, kept) = keeping();
            client.send(GET);
            answer(kept.borrow_mut().pop().unwrap(), "x");
            client.received();
            for piece in request.as_bytes().chunks(cut) {
                client.send(piece);
            }
            let received = client.received();
            assert!(received.starts_with(&format!("HTTP/1.1 {status} ")), "{request}{received}");
            assert!(received.ends_with("\r\n\r\n"), "{request}{received}");
            assert!(!received.contains("Content-Length: 0"), "{received}");
        }
    }
    // Anything else gets its reason, also behind a HEAD that was right.
    for request in ["GET / HTTP/1.1\r\n\r\n", "HEADER / HTTP/1.1\r\n\r\n", "HEA", "\r\n"] {
        let (client, kept) = keeping();
        client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
        answer(kept.borrow_mut().pop().unwrap(), "x");
        client.received();
        client.send(request.repeat(if request == "\r\n" { 13 } else { 1 }));
        crate::testing::advance(std::time::Duration::from_secs(10));
        let received = client.received();
        assert!(
            received.starts_with("HTTP/1.1 4") && !received.ends_with("\r\n\r\n"),
            "{received}"
        );
    }
}
