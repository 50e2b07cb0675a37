//! Components of `wasi:http` made by the tools of other projects, for any host: they run unmodified.

use sandloop_tests::nginx::Nginx;
use sandloop_tests::{Config, Host, Isolation, Plugin, component};

use super::{get, without_dates};

each_isolation!(what_componentize_py_makes_is_served);

/// The component of `tests/guests/foreign/served.py`.
const SERVED: &str = "py_served";

fn what_componentize_py_makes_is_served(isolation: Isolation) {
    let nginx = Nginx::start("", &[("page.txt", b"a page\n")]);
    let plugin = Plugin::named(SERVED, &component(SERVED))
        .isolation(isolation)
        .limit("memory", "\"64MiB\"")
        .limit("event_deadline", "\"60s\"")
        .limit("cpu_per_event", "\"60s\"")
        .may_connect(&[nginx.address()]);
    let host = Host::start(&Config::serving(plugin));
    let exchange = |request: String| {
        let mut peer = host.connect(SERVED);
        peer.send(request);
        peer.finish();
        without_dates(&peer.rest())
    };
    let answered = |status: &str, text: &str| {
        let (head, length) = ("content-type: text/plain\r\nTransfer-Encoding: chunked", text.len());
        format!("HTTP/1.1 {status}\r\n{head}\r\n\r\n{length:X}\r\n{text}\r\n0\r\n\r\n")
    };
    let post = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello".to_owned();
    for (request, answer) in [
        (get("/somewhere"), answered("201 Created", "get /somewhere \n")),
        (post, answered("201 Created", "post /echo hello\n")),
        (get(&format!("/ask?{}", nginx.address())), answered("200 OK", "200 a page\n")),
        (get("/ask?127.0.0.1:1"), answered("502 Bad Gateway", "ErrorCode_HttpRequestDenied\n")),
    ] {
        assert_eq!(exchange(request.clone()), answer, "{request}");
    }
    let counts = [(), ()].map(|()| exchange(get("/count")));
    let expected = match isolation {
        Isolation::Connection => ["1\n", "1\n"],
        Isolation::Plugin => ["5\n", "6\n"],
    };
    assert_eq!(counts, expected.map(|count| answered("200 OK", count)));
    let trapped = exchange(get("/trap"));
    assert!(trapped.starts_with("HTTP/1.1 500 "), "{trapped}");
    assert_eq!(exchange(get("/count")), answered("200 OK", "1\n"), "another instance");
    host.stop();
}
