//! Components that serve HTTP by `wasi:http`: all behaviours of a handler, over real connections.

mod foreign;
mod outgoing;

use sandloop_testkit::cases;
use sandloop_tests::{Config, Host, Isolation, Peer, Plugin, component, sandloop, workspace};

use crate::drain::Cause;
use crate::http::{status, statuses_of, without_dates};

each_isolation!(
    every_request_of_the_corpus_is_answered_or_refused,
    answers_have_the_bytes_that_were_written,
    an_answer_that_does_not_come_is_the_hosts,
    an_answer_that_was_begun_is_cut,
    bodies_go_both_ways,
    an_answer_goes_out_as_it_is_written,
    requests_that_come_together_are_answered_one_by_one,
    a_slow_reader_gets_all_of_it,
    what_is_refused_is_said,
);

const GUEST: &str = "wasi_http";

fn serving(isolation: Isolation) -> Host {
    Host::start(&Config::serving(plugin(isolation)))
}

fn plugin(isolation: Isolation) -> Plugin {
    Plugin::new(GUEST)
        .isolation(isolation)
        .limit("cpu_per_event", "\"300ms\"")
        .limit("event_deadline", "\"5s\"")
}

/// The answers to these bytes, which are sent with the end of the stream behind them.
#[track_caller]
fn exchange(host: &Host, bytes: impl AsRef<[u8]>) -> String {
    let mut peer = host.connect(GUEST);
    peer.try_send(bytes);
    peer.try_finish();
    without_dates(&peer.rest())
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// The answer to a request for this path.
#[track_caller]
fn answer(host: &Host, path: &str) -> String {
    exchange(host, get(path))
}

fn every_request_of_the_corpus_is_answered_or_refused(isolation: Isolation) {
    let host = serving(isolation);
    let mut complaints = Vec::new();
    for case in cases::read(&workspace().join("codecs/http/tests/corpus/requests")) {
        let answers = exchange(&host, &case.bytes);
        let statuses: Vec<&str> = answers.split("HTTP/1.1 ").filter_map(status).collect();
        let expected = statuses_of(&case.expected);
        if statuses != expected {
            complaints.push(format!("{}: {expected:?} and not {answers:?}", case.name));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// A head with this status and these fields, and a body in one chunk.
fn chunked(status: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{fields}Transfer-Encoding: chunked\r\n\r\n{length:X}\r\n{body}\r\n0\r\n\r\n"
    )
}

fn answers_have_the_bytes_that_were_written(isolation: Isolation) {
    let host = serving(isolation);
    let request = "Method::Get Some(Scheme::Http) a /request?b=c\nx-one: 1\n";
    let fields = "[Err(HeaderError::Forbidden), Err(HeaderError::InvalidSyntax), \
                  Err(HeaderError::InvalidSyntax), Ok(())]\n";
    for (asked, expected) in [
        (get("/"), "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n".to_owned()),
        (
            "GET /request?b=c HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-One: 1\r\n\r\n"
                .to_owned(),
            chunked("200 OK", "", request).replace("\r\n\r\n37", "\r\nConnection: close\r\n\r\n37"),
        ),
        (
            "GET / HTTP/1.0\r\n\r\n".to_owned(),
            "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n".to_owned(),
        ),
        (
            "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n".to_owned(),
        ),
        (get("/status?200"), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned()),
        (get("/status?204"), "HTTP/1.1 204 No Content\r\n\r\n".to_owned()),
        (get("/sized?3"), "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nxxx".to_owned()),
        (get("/early?3"), "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\neee".to_owned()),
        (get("/fields"), chunked("200 OK", "", fields)),
        (
            get("/trailers"),
            chunked("200 OK", "trailer: x-sum\r\n", "summed\n")
                .replace("\r\n0\r\n", "\r\n0\r\nx-sum: 7\r\n"),
        ),
        // A handler that has set one answer cannot set another.
        (get("/twice"), chunked("200 OK", "", "once\n")),
    ] {
        assert_eq!(exchange(&host, &asked), expected, "{asked}");
    }
}

fn an_answer_that_does_not_come_is_the_hosts(isolation: Isolation) {
    let host = serving(isolation);
    let expected = "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\nContent-Length: 55\r\n\
                    Connection: close\r\n\r\n500 Internal Server Error\nthe handler has not answered\n";
    for path in
        ["/never", "/kept", "/error", "/trap", "/loop", "/wait", "/early?70000", "/status?101"]
    {
        // The state is not lost: the next request gets another instance, or the same one, which continues.
        assert_eq!(answer(&host, path), expected, "{path}");
        assert_eq!(answer(&host, "/status?204"), "HTTP/1.1 204 No Content\r\n\r\n", "after {path}");
    }
    for (line, path) in [
        ("the handler returned and has not set an answer", "/never"),
        ("the handler has set an error for its answer", "/error"),
    ] {
        let line = host.wait_log(line);
        assert_eq!(line.field("plugin"), Some(GUEST), "{path}: {line}");
    }
    let words = "the answer is not set: call response-outparam.set first";
    host.wait_line("the remedy", |line| line.field("cause").is_some_and(|it| it.contains(words)));
}

fn an_answer_that_was_begun_is_cut(isolation: Isolation) {
    let host = serving(isolation);
    let begun = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nE\r\nthe beginning\n\r\n";
    assert_eq!(answer(&host, "/unfinished"), begun);
    assert_eq!(answer(&host, "/trap-late"), begun);
    assert_eq!(answer(&host, "/short"), "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive\n");
    host.wait_log("the handler returned before it had finished the body of its answer");
}

fn bodies_go_both_ways(isolation: Isolation) {
    const BYTES: usize = 1_000_000;
    let host = serving(isolation);
    let body: Vec<u8> = (0..BYTES).map(|at| (at % 251) as u8).collect();
    let mut peer = host.connect(GUEST);
    peer.send(format!(
        "POST /copied HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {BYTES}\r\n\r\n"
    ));
    peer.expect("HTTP/1.1 100 Continue\r\n\r\n");
    peer.send(&body);
    while peer.line() != "\r" {}
    peer.expect(&body);
    // The same connection, in chunks, with trailers behind them.
    peer.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for piece in body[..5000].chunks(1000) {
        peer.send([b"3e8\r\n", piece, b"\r\n"].concat());
    }
    peer.send("0\r\nX-Sum: 7\r\n\r\n");
    while peer.line() != "\r" {}
    let (first, second) = body[..5000].split_at(4096);
    peer.expect(
        [b"1000\r\n", first, b"\r\n388\r\n", second, b"\r\n0\r\nx-sum: 7\r\n\r\n"].concat(),
    );
}

fn an_answer_goes_out_as_it_is_written(isolation: Isolation) {
    let host = serving(isolation);
    let mut peer = host.connect(GUEST);
    peer.send(get("/slow"));
    while peer.line() != "\r" {}
    // The handler sleeps after each piece: one that was held back would come with the end.
    peer.expect("4\r\none\n\r\n");
    let mut other = host.connect(GUEST);
    other.send(get("/status?204"));
    if isolation == Isolation::Connection {
        other.expect("HTTP/1.1 204 No Content\r\n");
        peer.expect_nothing_yet();
    }
    peer.expect("4\r\ntwo\n\r\n6\r\nthree\n\r\n0\r\n\r\n");
}

fn requests_that_come_together_are_answered_one_by_one(isolation: Isolation) {
    const REQUESTS: usize = 100;
    let host = serving(isolation);
    let mut peer = host.connect(GUEST);
    peer.send(get("/count").repeat(REQUESTS));
    let mut bodies = Vec::new();
    for _ in 0..REQUESTS {
        assert_eq!(peer.line(), "HTTP/1.1 200 OK\r");
        while peer.line() != "\r" {}
        let _length = peer.line();
        bodies.push(peer.line());
        assert_eq!([peer.line(), peer.line(), peer.line()], ["\r", "0\r", "\r"]);
    }
    let expected = match isolation {
        // Each request has an instance of its own.
        Isolation::Connection => vec!["1".to_owned(); REQUESTS],
        Isolation::Plugin => (1..=REQUESTS).map(|number| number.to_string()).collect(),
    };
    assert_eq!(bodies, expected);
}

fn a_slow_reader_gets_all_of_it(isolation: Isolation) {
    // More than the kernel and the outbox hold: the handler has to wait for its peer.
    const BYTES: usize = 24 << 20;
    let host = serving(isolation);
    let mut peer = Peer::connect_narrow(&host.address(GUEST));
    peer.send(get(&format!("/sized?{BYTES}")));
    while peer.line() != "\r" {}
    peer.expect_count(BYTES);
}

fn what_is_refused_is_said(isolation: Isolation) {
    let host = serving(isolation);
    let refused = chunked("502 Bad Gateway", "", "ErrorCode::HttpRequestDenied\n");
    assert_eq!(answer(&host, "/fetch"), refused);
    let denial = host.wait_log("denied");
    assert_eq!(denial.field("call"), Some("wasi:http.outgoing-handler"), "{denial}");
    assert_eq!(denial.field("target"), Some("127.0.0.1:1"), "{denial}");
}

/// A request's body is bounded before any of it is kept, with or without a length.
#[test]
fn a_body_beyond_its_bound_is_refused() {
    let plugin = plugin(Isolation::Connection).limit("http_body", "\"1KiB\"");
    let host = Host::start(&Config::serving(plugin));
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\n";
    let body = "x".repeat(1025);
    for request in [
        format!("{head}Content-Length: 1025\r\n\r\n{body}"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n401\r\n{body}\r\n0\r\n\r\n"),
    ] {
        let answer = exchange(&host, &request);
        assert!(answer.starts_with("HTTP/1.1 413 Content Too Large\r\n"), "{answer}");
    }
    let fits = format!("{head}Content-Length: 1024\r\n\r\n{}", &body[1..]);
    assert!(exchange(&host, fits).starts_with("HTTP/1.1 200 OK\r\n"));
}

/// Incomplete bodies count in the tenant's account, and are refused if that is full.
#[test]
fn bodies_that_have_not_come_whole_count_for_their_tenant() {
    let plugin = plugin(Isolation::Connection).limit("http_body", "\"8MiB\"");
    let config = Config::serving(plugin);
    let host = Host::start(&config.tenant(GUEST, "host_memory", "\"1MiB\""));
    let mut peer = host.connect(GUEST);
    peer.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n");
    peer.try_send(vec![b'x'; 4_000_000]);
    let answer = String::from_utf8_lossy(&peer.rest()).into_owned();
    assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
}

/// A handler that writes to a peer that is gone finishes, and that is no trap of its plugin.
#[test]
fn a_peer_that_leaves_early_makes_no_trap() {
    let host = serving(Isolation::Plugin);
    for _ in 0..3 {
        let mut peer = host.connect(GUEST);
        peer.send(get("/slow"));
        peer.expect("HTTP/1.1 200 OK\r\n");
        peer.reset();
    }
    assert_eq!(answer(&host, "/status?204"), "HTTP/1.1 204 No Content\r\n\r\n");
    let outcome = host.stop();
    assert!(!outcome.stderr.contains("trapped"), "{}", outcome.stderr);
}

/// A request that has begun is answered before the host stops, or continues with another version, and the answer announces that
/// the connection ends.
#[test]
fn an_answer_is_waited_for() {
    Cause::ALL.into_iter().for_each(wait_for_an_answer);
}

fn wait_for_an_answer(cause: Cause) {
    let host = serving(Isolation::Connection);
    let mut idle = host.connect(GUEST);
    idle.send(get("/status?204"));
    idle.expect("HTTP/1.1 204 No Content\r\n");
    let mut peer = host.connect(GUEST);
    peer.send(get("/status?204"));
    while peer.line() != "\r" {}
    peer.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    // The request behind it has been delivered when this has.
    let mut other = host.connect(GUEST);
    other.send(get("/status?204"));
    other.expect("HTTP/1.1 204 No Content\r\n");
    cause.begin(&host, GUEST);
    while idle.line() != "\r" {}
    idle.expect_end();
    peer.send("world");
    let answer = without_dates(&peer.rest());
    assert!(answer.contains("Connection: close\r\n") && answer.contains("helloworld"), "{answer}");
    drop(other);
    cause.end(host);
}

#[test]
fn inspect_says_what_it_is() {
    let file = component(GUEST);
    let folder = file.parent().expect("a component is in a folder");
    let outcome = sandloop(folder, &["inspect", "wasi_http.wasm"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("serves HTTP by wasi:http\n"), "{}", outcome.stdout);
    assert!(!outcome.stdout.contains("lacks"), "{}", outcome.stdout);
}
