//! HTTP byte by byte: requests of the codec's corpus and every form of answer, over real connections.

use std::collections::VecDeque;

use sandloop_testkit::cases;
use sandloop_tests::{Config, Host, Isolation, Peer, Plugin, workspace};

each_isolation!(
    every_request_of_the_corpus_is_answered_or_refused,
    the_deck_is_served,
    answers_have_the_bytes_that_were_asked_for,
    an_answer_goes_out_in_its_turn,
    who_begins_and_does_not_go_on_is_told,
    a_late_answer_reaches_a_client_that_has_finished,
    an_answer_that_is_cut_ends_without_its_last_chunk,
    the_next_request_may_come_in_any_pieces,
    an_interim_status_is_no_answer,
    a_refused_head_has_no_body,
    the_last_answer_is_read_to_its_end,
);

fn serving(plugin: &str, isolation: Isolation) -> Host {
    Host::start(&Config::serving(Plugin::new(plugin).isolation(isolation)))
}

/// The answers to these bytes, which are sent with the end of the stream behind them.
#[track_caller]
fn exchange(host: &Host, plugin: &str, bytes: &[u8]) -> String {
    let mut peer = host.connect(plugin);
    // After an early refusal the rest is not read.
    peer.try_send(bytes);
    peer.try_finish();
    without_dates(&peer.rest())
}

/// As text; each answer must have its date, which is removed.
#[track_caller]
pub(crate) fn without_dates(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let (dates, lines): (Vec<&str>, Vec<&str>) =
        text.split_inclusive("\r\n").partition(|line| line.starts_with("Date: "));
    assert!(dates.iter().all(|date| date.ends_with(" GMT\r\n")), "{dates:?}");
    lines.concat()
}

fn every_request_of_the_corpus_is_answered_or_refused(isolation: Isolation) {
    let host = serving("http-hello", isolation);
    let mut complaints = Vec::new();
    for case in cases::read(&workspace().join("codecs/http/tests/corpus/requests")) {
        let answers = exchange(&host, "http-hello", &case.bytes);
        let statuses: Vec<&str> = answers.split("HTTP/1.1 ").filter_map(status).collect();
        let expected = statuses_of(&case.expected);
        if statuses != expected {
            complaints.push(format!("{}: {expected:?} and not {answers:?}", case.name));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// The status of an answer.
pub(crate) fn status(answer: &str) -> Option<&str> {
    let code = answer.get(..3)?;
    code.bytes().all(|byte| byte.is_ascii_digit()).then_some(code)
}

/// The answers of `http-hello` to the codec's requests.
pub(crate) fn statuses_of(transcript: &[String]) -> Vec<&str> {
    let mut statuses = Vec::new();
    let mut methods = VecDeque::new();
    for line in transcript {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "CONNECT" => {
                statuses.push("501");
                return statuses;
            }
            "data" | "the" => {}
            "end" => statuses.push(match methods.pop_front() {
                Some("GET" | "HEAD" | "POST") => "200",
                _ => "405",
            }),
            code if status(code) == Some(code) => statuses.push(code),
            method => {
                methods.push_back(method);
                // A client without a body waits for nothing.
                let has_body = [" length=", " chunked"].iter().any(|word| rest.contains(word));
                if rest.ends_with("expects-continue") && has_body {
                    statuses.push("100");
                }
            }
        }
    }
    statuses
}

fn the_deck_is_served(isolation: Isolation) {
    let host = serving("http-hello", isolation);
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let post =
        "POST /a?b HTTP/1.1\r\nHost: a\r\nContent-Type: a/b\r\nContent-Length: 5\r\n\r\nhello";
    assert_eq!(
        exchange(&host, "http-hello", [get, post].concat().as_bytes()),
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 32\r\n\r\n\
         <center><h1>Wham-o</h1></center>\
         HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 5\r\n\r\nhello"
    );
}

fn answers_have_the_bytes_that_were_asked_for(isolation: Isolation) {
    let host = serving("http_forms", isolation);
    let chunks = "Transfer-Encoding: chunked\r\n\r\n4\r\none \r\n4\r\ntwo \r\n5\r\nthree\r\n0\r\nX-Chunks: 3\r\n\r\n";
    let cookies =
        "Set-Cookie: one=1; Path=/\r\nSet-Cookie: two=2; Path=/\r\nContent-Length: 0\r\n\r\n";
    let replace = "Content-Type: multipart/x-mixed-replace; boundary=\"part\"\r\nTransfer-Encoding: chunked\r\n\r\n\
                   F\r\n\r\n--part\r\n\r\none\r\nF\r\n\r\n--part\r\n\r\ntwo\r\nE\r\n\r\n--part--\r\n\r\n\r\n0\r\n\r\n";
    for (request, answer) in [
        ("GET /status?code=200 HTTP/1.1", "200 OK\r\nContent-Length: 12\r\n\r\nsome content".to_owned()),
        ("GET /status?code=299 HTTP/1.1", "299 Unknown\r\nContent-Length: 12\r\n\r\nsome content".to_owned()),
        ("GET /status?code=204 HTTP/1.1", "204 No Content\r\n\r\n".to_owned()),
        ("GET /status?code=304 HTTP/1.1", "304 Not Modified\r\n\r\n".to_owned()),
        ("GET /status?code=205 HTTP/1.1", "205 Reset Content\r\nContent-Length: 0\r\n\r\n".to_owned()),
        (
            "GET /status?code=426 HTTP/1.1",
            "426 Upgrade Required\r\nUpgrade: websocket\r\nContent-Length: 12\r\nConnection: Upgrade\r\n\r\n\
             some content".to_owned(),
        ),
        ("GET /status?code=200 HTTP/1.2", "200 OK\r\nContent-Length: 12\r\n\r\nsome content".to_owned()),
        ("HEAD /status?code=200 HTTP/1.1", "200 OK\r\nContent-Length: 12\r\n\r\n".to_owned()),
        ("GET /status?code=0 HTTP/1.1", "500 Internal Server Error\r\nContent-Length: 0\r\n\r\n".to_owned()),
        ("GET /nothing HTTP/1.1", "404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned()),
        ("GET /dropped HTTP/1.1", "500 Internal Server Error\r\nContent-Length: 0\r\n\r\n".to_owned()),
        ("GET /chunks HTTP/1.1", format!("200 OK\r\n{chunks}")),
        ("GET /chunks HTTP/1.0", "200 OK\r\nConnection: close\r\n\r\none two three".to_owned()),
        ("HEAD /chunks HTTP/1.1", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned()),
        ("GET /redirect HTTP/1.1", "302 Found\r\nLocation: /echo\r\nContent-Length: 0\r\n\r\n".to_owned()),
        ("GET /cookies HTTP/1.1", format!("200 OK\r\n{cookies}")),
        ("GET /close HTTP/1.1", "200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbye\n".to_owned()),
        ("GET /replace HTTP/1.1", format!("200 OK\r\n{replace}")),
        ("GET /length?count=3 HTTP/1.1", "200 OK\r\nContent-Length: 3\r\n\r\ndcb".to_owned()),
        (
            "GET /inject?value=plain HTTP/1.1",
            "200 OK\r\nX-Value: plain\r\nContent-Length: 0\r\n\r\n".to_owned(),
        ),
        (
            "GET /inject?value=a%0D%0ASet-Cookie:b HTTP/1.1",
            "400 Bad Request\r\nContent-Length: 90\r\n\r\nthe value of `X-Value` has a line break or another \
             control character: remove or encode it\n"
                .to_owned(),
        ),
    ] {
        let answers = exchange(&host, "http_forms", format!("{request}\r\nHost: a\r\n\r\n").as_bytes());
        assert_eq!(answers, format!("HTTP/1.1 {answer}"), "{request}");
    }
}

fn an_answer_goes_out_in_its_turn(isolation: Isolation) {
    let host = serving("http_forms", isolation);
    let requests: String = [80, 10, 40]
        .iter()
        .map(|ms| format!("GET /later?ms={ms} HTTP/1.1\r\nHost: a\r\n\r\n"))
        .collect();
    let answers = exchange(&host, "http_forms", requests.as_bytes());
    let bodies: Vec<&str> =
        answers.split("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n").skip(1).collect();
    assert_eq!(bodies, ["/later?ms=80", "/later?ms=10", "/later?ms=40"]);
}

fn who_begins_and_does_not_go_on_is_told(isolation: Isolation) {
    let host = serving("http_forms", isolation);
    for begun in [
        "GET /echo HT",
        "GET /echo HTTP/1.1\r\nHost: a\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel",
    ] {
        let mut peer = host.connect("http_forms");
        peer.send(begun);
        let answer = without_dates(&peer.rest());
        assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{begun:?}: {answer:?}");
    }
}

fn a_late_answer_reaches_a_client_that_has_finished(isolation: Isolation) {
    let host = serving("http_forms", isolation);
    let answers = exchange(&host, "http_forms", b"GET /later?ms=100 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(answers.ends_with("\r\n\r\n/later?ms=100"), "{answers:?}");
}

fn an_answer_that_is_cut_ends_without_its_last_chunk(isolation: Isolation) {
    let host = serving("http_forms", isolation);
    let mut peer = host.connect("http_forms");
    peer.send("GET /cut HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(without_dates(&peer.rest()), "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive ");
    host.wait_line("the error", |line| line.message().contains("ends 5 bytes before"));
}

fn the_next_request_may_come_in_any_pieces(isolation: Isolation) {
    let host = serving("http-hello", isolation);
    let mut peer = host.connect("http-hello");
    let request =
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    for _ in 0..3 {
        for byte in request.as_bytes() {
            peer.send([*byte]);
        }
        expect_answer(&mut peer, "abc");
    }
}

/// Otherwise each answer would be taken for that of the previous request.
fn an_interim_status_is_no_answer(isolation: Isolation) {
    let host = serving("http_forms", isolation);
    for code in [100, 101, 102, 103, 199] {
        let requests = format!(
            "GET /status?code={code} HTTP/1.1\r\nHost: a\r\n\r\nGET /later?ms=0 HTTP/1.1\r\nHost: a\r\n\r\n"
        );
        assert_eq!(
            exchange(&host, "http_forms", requests.as_bytes()),
            "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n\
             HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n/later?ms=0",
            "{code}"
        );
        let words = format!("{code} is an interim status");
        host.wait_line("the error", |line| line.message().contains(&words));
    }
}

fn a_refused_head_has_no_body(isolation: Isolation) {
    let host = serving("http-hello", isolation);
    for (request, status) in [
        ("HEAD / HTTP/1.1\r\n\r\n", "400"),
        ("HEAD / HTTP/1.1\r\nHost: a\r\nExpect: foo\r\n\r\n", "417"),
        ("HEAD / HTTP/2.0\r\nHost: a\r\n\r\n", "505"),
        ("HEAD /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n", "413"),
    ] {
        let answer = exchange(&host, "http-hello", request.as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}{answer}");
        assert!(answer.ends_with("\r\nConnection: close\r\n\r\n"), "{request}{answer}");
    }
}

/// RFC 9112, 9.6: data that the client still sends after the server's last answer.
fn the_last_answer_is_read_to_its_end(isolation: Isolation) {
    let host = serving("http_forms", isolation);
    let close = "Host: a\r\nConnection: close\r\n\r\n";
    let upload = "Host: a\r\nContent-Length: 1000000\r\n\r\n";
    for (request, begin, bytes) in [
        ("GET /length?count=2048000 HTTP/1.0\r\n\r\n".to_owned(), "200", 2_048_000),
        ("GET /bytes?count=2048000 HTTP/1.0\r\n\r\n".to_owned(), "200", 2_048_000),
        ("GET /large?count=500000 HTTP/1.0\r\n\r\n".to_owned(), "200", 500_000),
        (format!("GET /length?count=100000 HTTP/1.1\r\n{close}"), "200", 100_000),
        ("GET /close HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "200", 4),
        (format!("POST /early HTTP/1.1\r\n{upload}"), "403", 3),
        ("rubbish\r\n\r\n".to_owned(), "400", 0),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), "400", 0),
    ] {
        for more in
            ["\r\n".to_owned(), format!("GET /echo HTTP/1.1\r\n{close}"), "x".repeat(20_000)]
        {
            let mut peer = host.connect("http_forms");
            peer.send(&request);
            // It has begun to answer, and may have sent its last byte.
            assert_eq!(peer.line()[9..12], *begin, "{request}");
            peer.send(&more);
            peer.send("\r\n");
            while peer.line() != "\r" {}
            peer.send(&more);
            let rest = peer.rest();
            assert!(
                bytes <= rest.len() && rest.len() < bytes + 200,
                "{request}: {} bytes",
                rest.len()
            );
            // It accepts more behind the end for a limited time.
            peer.try_send(&more);
        }
    }
}

/// Reads a head up to its end, then this body.
#[track_caller]
fn expect_answer(peer: &mut Peer, body: &str) {
    assert_eq!(peer.line(), "HTTP/1.1 200 OK\r");
    while peer.line() != "\r" {}
    peer.expect(body);
}
