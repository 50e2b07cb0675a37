//! The HTTP client of a plugin, against nginx and against servers that misbehave.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use sandloop_tests::nginx::Nginx;
use sandloop_tests::{Config, Host, Isolation, Peer, Plugin, Server};

each_isolation!(
    nginx_is_understood,
    nginx_closes_and_the_next_request_goes_on,
    a_body_larger_than_the_sandbox_streams_through,
    bodies_go_up_in_every_form,
    a_misbehaving_server_is_an_error,
    who_does_not_answer_is_given_up,
    what_is_not_allowed_is_an_error,
    a_closed_connection_is_not_the_requests_fault,
    requests_go_side_by_side_and_behind_each_other,
    a_proxy_is_used,
    a_plugin_asks_a_plugin,
    a_deaf_address_costs_no_answer,
    a_server_that_refuses_before_it_has_read_is_heard,
);

/// The guest that fetches, with options, and a peer for its commands.
struct Fetcher {
    host: Host,
    peer: Peer,
}

impl Fetcher {
    fn start(isolation: Isolation, allowed: &[&str], options: &[(&str, &str)]) -> Fetcher {
        let mut listen = sandloop_tests::Listen::tcp("http_fetch");
        for (key, value) in options {
            listen = listen.option(key, value);
        }
        let plugin = Plugin::new("http_fetch").isolation(isolation).may_connect(allowed);
        // The test checks the order of requests that end in the same turn.
        let config = Config::new().host("slice", "\"100ms\"").plugin(plugin).listen(listen);
        let host = Host::start(&config);
        let peer = host.connect("http_fetch");
        Fetcher { host, peer }
    }

    /// Fetches one; returns the answer.
    #[track_caller]
    fn fetch(&mut self, line: &str) -> String {
        self.peer.send(format!("{line}\n"));
        self.peer.line()
    }

    #[track_caller]
    fn check(&mut self, line: &str, expected: &str) {
        assert_eq!(self.fetch(line), expected, "{line}");
    }
}

/// The guest's text for a body of these bytes.
fn summed(bytes: &[u8]) -> String {
    format!("{} sum={}", bytes.len(), bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>())
}

fn nginx_is_understood(isolation: Isolation) {
    let text = "a line of text that can be compressed\n".repeat(1000);
    let nginx = Nginx::start(
        "gzip on; gzip_types text/plain; gzip_min_length 100;\n\
         location = /redirect { return 302 /hello.txt; }\n\
         location = /away { return 301 http://$http_host/redirect; }\n\
         location = /circle { return 302 /circle; }\n\
         location = /empty { return 204; }\n\
         location = /cookie { add_header Set-Cookie \"id=7; Path=/\"; return 302 /crumbs; }\n\
         location = /crumbs { return 200 \"$http_cookie\"; }\n\
         location = /secret { auth_basic \"x\"; auth_basic_user_file users; try_files /hello.txt =404; }\n\
         location = /method { return 200 \"$request_method $content_length $args\"; }",
        &[("hello.txt", b"hello\n"), ("text.txt", text.as_bytes())],
    );
    std::fs::write(nginx.dir().join("users"), "user:{PLAIN}pass word\n").expect("a new file");
    let address = nginx.address();
    let mut fetcher = Fetcher::start(isolation, &[address], &[]);
    let at = |path: &str| format!("http://{address}{path}");
    let mut check = |line: &str, expected: String| fetcher.check(line, &expected);

    let hello = |redirects: u32, path: &str| {
        format!("200 OK redirects={redirects} {} 6 hello\\n", at(path))
    };
    let get = |path: &str, words: &str| format!("GET {}{words}", at(path));
    check(&get("/hello.txt", ""), hello(0, "/hello.txt"));
    check(&get("/./a/../hello.txt", ""), hello(0, "/hello.txt"));
    let whole = format!("200 OK redirects=0 {} {}", at("/text.txt"), summed(text.as_bytes()));
    check(&get("/text.txt", ""), whole.clone());
    // nginx compresses in chunks, without a length.
    check(&get("/text.txt", " compressed"), whole);
    let streamed = format!("200 OK redirects=0 {} {} bytes streamed", at("/text.txt"), text.len());
    check(&get("/text.txt", " compressed stream"), streamed);
    let nothing = format!("200 OK redirects=0 {} 0 ", at("/text.txt"));
    check(&format!("HEAD {} compressed", at("/text.txt")), nothing);
    check(&get("/empty", ""), format!("204 No Content redirects=0 {} 0 ", at("/empty")));
    check(&get("/text.txt", " limit=100"), limit_error());

    let found = format!("302 Moved Temporarily redirects=0 {}", at("/redirect"));
    assert!(fetcher.fetch(&get("/redirect", "")).starts_with(&found));
    let mut check = |line: &str, expected: String| fetcher.check(line, &expected);
    check(&get("/redirect", " redirects=1"), hello(1, "/hello.txt"));
    check(&get("/away", " redirects=5"), hello(2, "/hello.txt"));
    check(&get("/circle", " redirects=5"), "error: more redirects than the request allows".into());
    let crumbs = format!("200 OK redirects=1 {} 4 id=7", at("/crumbs"));
    check(&get("/cookie", " redirects=1"), crumbs);
    assert!(fetcher.fetch(&get("/secret", "")).starts_with("401 Unauthorized "));
    let secret = get("/secret", "").replace("http://", "http://user:pass%20word@");
    fetcher.check(&secret, &hello(0, "/secret"));
    let mut method = |words: &str, expected: &str| {
        let expected = format!("200 OK redirects=0 {} {expected}", at("/method?x"));
        fetcher.check(&words.replace('@', &at("/method?x")), &expected);
    };
    method("DELETE @", "9 DELETE  x");
    method("POST @", "8 POST 0 x");
    method("PUT @ body=hello", "7 PUT 5 x");
    method("PUT @ body=hello expect", "7 PUT 5 x");
    method("OPTIONS @", "10 OPTIONS  x");
}

fn limit_error() -> String {
    "error: the response's body is larger than the request allows: raise its limit or stream it"
        .to_owned()
}

/// nginx closes each connection after two requests.
fn nginx_closes_and_the_next_request_goes_on(isolation: Isolation) {
    let server =
        "keepalive_requests 2; location / { return 200 \"$connection $connection_requests\"; }";
    let nginx = Nginx::start(server, &[]);
    let address = nginx.address();
    let mut fetcher = Fetcher::start(isolation, &[address], &[]);
    let mut seen = BTreeSet::new();
    for number in 0..6 {
        let answer = fetcher.fetch(&format!("GET http://{address}/"));
        let mut words = answer.split(' ').rev();
        let (requests, connection) = (words.next(), words.next());
        assert_eq!(requests, Some(if number % 2 == 0 { "1" } else { "2" }), "{answer}");
        seen.insert(connection.map(str::to_owned));
    }
    assert_eq!(seen.len(), 3, "two requests on each connection");
    let answer = fetcher.fetch(&format!("GET http://{address}/ close"));
    assert!(answer.ends_with(" 1"), "{answer}");
}

fn a_body_larger_than_the_sandbox_streams_through(isolation: Isolation) {
    let bytes = vec![b'x'; 40 << 20];
    let nginx = Nginx::start("", &[("large", &bytes)]);
    let address = nginx.address();
    let mut fetcher = Fetcher::start(isolation, &[address], &[]);
    let url = format!("http://{address}/large");
    let streamed = format!("200 OK redirects=0 {url} {} bytes streamed", bytes.len());
    fetcher.check(&format!("GET {url} stream"), &streamed);
    fetcher.check(&format!("GET {url}"), &limit_error());
}

fn bodies_go_up_in_every_form(isolation: Isolation) {
    let upload = Host::start(&Config::serving(Plugin::new("http_forms").isolation(isolation)));
    let address = upload.address("http_forms").replace("tcp://", "");
    let mut fetcher = Fetcher::start(isolation, &[&address], &[]);
    let url = format!("http://{address}/upload");
    let mut check = |words: &str, count: usize| {
        let text = format!("{count} bytes, sum {}, trailer none\\n", count * 120);
        let length = text.len() - 1;
        fetcher.check(
            &format!("PUT {url} {words}"),
            &format!("200 OK redirects=0 {url} {length} {text}"),
        );
    };
    check("body=xxxxx", 5);
    check("body=xxxxx expect", 5);
    check("chunks=0", 0);
    check("chunks=1", 1000);
    check("chunks=20000", 20_000_000);
    check("chunks=2000 expect", 2_000_000);
    let no = format!("403 Forbidden redirects=0 http://{address}/early 3 no\\n");
    fetcher.check(&format!("PUT http://{address}/early chunks=50000 expect"), &no);
    fetcher.check(&format!("PUT http://{address}/early chunks=50000"), &no);
}

/// A server that answers each connection with these bytes, whatever the request, then ends.
fn scripted(answers: Vec<Vec<u8>>) -> (String, thread::JoinHandle<()>) {
    let server = Server::tcp();
    let address = server.address().to_owned();
    let served = thread::spawn(move || {
        for answer in answers {
            let mut peer = server.accept();
            while !["\r", ""].contains(&peer.line().as_str()) {}
            // A client that has read enough closes.
            peer.try_send(answer);
            peer.try_finish();
            peer.expect_closed();
        }
    });
    (address, served)
}

fn a_misbehaving_server_is_an_error(isolation: Isolation) {
    let endless = format!("HTTP/1.1 200 OK\r\n{}", "A: endless\r\n".repeat(10_000));
    let bomb = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nthis is no gzip";
    let cases: Vec<(&str, &str)> = vec![
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
            "the connection ended before the response did: peer-closed",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
            "the connection ended before the response did: peer-closed",
        ),
        ("HTTP/1.1 200 O", "the connection ended before the response did: peer-closed"),
        ("", "the connection ended before the response did: peer-closed"),
        ("garbage\r\n\r\n", "what the server sends does not begin with an HTTP status line"),
        ("HTTP/3.0 200 OK\r\n\r\n", "the server speaks neither HTTP/1.0 nor HTTP/1.1"),
        (&endless, "the response's head is larger than this client takes"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "Content-Length is there twice or is no number",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz",
            "a chunk does not begin with its size in hexadecimal digits and CR LF",
        ),
        (bomb, "the body is not compressed as its Content-Encoding says"),
        (
            "HTTP/1.1 302 Found\r\nLocation: gopher://a\r\nContent-Length: 0\r\n\r\n",
            "a redirect to nowhere: the address begins with neither http:// nor https://",
        ),
    ];
    let answers = cases.iter().map(|(answer, _)| answer.as_bytes().to_vec()).collect();
    let (address, served) = scripted(answers);
    let mut fetcher = Fetcher::start(isolation, &[&address], &[]);
    for (answer, error) in &cases {
        let outcome = fetcher.fetch(&format!("GET http://{address}/ redirects=1"));
        assert_eq!(outcome, format!("error: {error}"), "{answer:.80}");
    }
    served.join().expect("every case was asked for");

    // Answers of old servers are understood.
    let (address, served) = scripted(vec![b"HTTP/1.0 200 Fine\nX: y\n\nhello".to_vec()]);
    let mut fetcher = Fetcher::start(isolation, &[&address], &[]);
    let url = format!("http://{address}/");
    fetcher.check(&format!("GET {url}"), &format!("200 Fine redirects=0 {url} 5 hello"));
    served.join().expect("it was asked");
}

fn who_does_not_answer_is_given_up(isolation: Isolation) {
    let server = Server::tcp();
    let (silent, _held) = Server::silent();
    let allowed = [server.address(), silent.address()];
    let mut fetcher = Fetcher::start(isolation, &allowed, &[("inactivity", "200")]);
    let late = "error: the server did not answer in time";
    fetcher.check(&format!("GET http://{}/", server.address()), late);
    let mut peer = server.accept();
    assert_eq!(peer.line(), "GET / HTTP/1.1\r");
    // Slow, but each byte in time; then the deadline.
    let line = format!("GET http://{}/ deadline=600\n", server.address());
    fetcher.peer.send(line);
    let mut peer = server.accept();
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".iter().cycle() {
        peer.try_send([*byte]);
        if !peer.is_open_for(std::time::Duration::from_millis(50)) {
            break;
        }
    }
    assert_eq!(fetcher.peer.line(), late);
    let refusing = format!("GET http://{}/ deadline=300", silent.address());
    fetcher.check(&refusing, late);
}

fn what_is_not_allowed_is_an_error(isolation: Isolation) {
    let closed = Server::refusing();
    let mut fetcher = Fetcher::start(isolation, &[closed.address()], &[]);
    let mut check = |url: &str, error: &str| {
        fetcher.check(&format!("GET {url}"), &format!("error: {error}"));
    };
    check(&format!("http://{}/", closed.address()), "no connection to the server: refused");
    check(
        "http://127.0.0.1:9/",
        "the host may not connect there; its log has the line that would allow it",
    );
    check("ftp://a/", "the address begins with neither http:// nor https://");
    let hint = fetcher.host.wait_line("the remedy", |line| line.message().contains("127.0.0.1:9"));
    assert!(hint.to_string().contains("connect"), "{hint}");
}

fn a_closed_connection_is_not_the_requests_fault(isolation: Isolation) {
    let server = Server::tcp();
    let address = server.address().to_owned();
    let mut fetcher = Fetcher::start(isolation, &[&address], &[]);
    let url = format!("http://{address}/");
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n";
    let answer = |body: &str| format!("200 OK redirects=0 {url} 1 {body}");
    let ask = |fetcher: &mut Fetcher| fetcher.peer.send(format!("GET {url}\n"));
    ask(&mut fetcher);
    let mut first = server.accept();
    read_head(&mut first);
    first.send(format!("{ok}a"));
    assert_eq!(fetcher.peer.line(), answer("a"));
    // The next request is sent on the same connection, which ends without an answer: it is sent again.
    ask(&mut fetcher);
    read_head(&mut first);
    drop(first);
    let mut second = server.accept();
    read_head(&mut second);
    second.send(format!("{ok}b"));
    assert_eq!(fetcher.peer.line(), answer("b"));
}

/// Reads a request without a body.
#[track_caller]
fn read_head(peer: &mut Peer) -> String {
    let first = peer.line();
    while peer.line() != "\r" {}
    first.trim_end().to_owned()
}

fn requests_go_side_by_side_and_behind_each_other(isolation: Isolation) {
    let server = Server::tcp();
    let address = server.address().to_owned();
    let mut fetcher =
        Fetcher::start(isolation, &[&address], &[("connections", "2"), ("pipeline", "2")]);
    let lines: String = (0..4).map(|number| format!("GET http://{address}/{number}\n")).collect();
    fetcher.peer.send(lines);
    let (mut one, mut two) = (server.accept(), server.accept());
    assert_eq!(read_head(&mut one), "GET /0 HTTP/1.1");
    assert_eq!(read_head(&mut one), "GET /2 HTTP/1.1");
    assert_eq!(read_head(&mut two), "GET /1 HTTP/1.1");
    assert_eq!(read_head(&mut two), "GET /3 HTTP/1.1");
    let ok = |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{body}");
    two.send(ok("1") + &ok("3"));
    let mut expect = |number: u32| {
        let answer = format!("200 OK redirects=0 http://{address}/{number} 1 {number}");
        assert_eq!(fetcher.peer.line(), answer);
    };
    expect(1);
    expect(3);
    one.send(ok("0") + &ok("2"));
    expect(0);
    expect(2);
}

fn a_proxy_is_used(isolation: Isolation) {
    let proxy = Server::tcp();
    let address = proxy.address().to_owned();
    let mut fetcher = Fetcher::start(isolation, &[&address], &[("proxy", &address)]);
    fetcher.peer.send("GET http://some.example/a?b\n");
    let mut peer = proxy.accept();
    assert_eq!(peer.line(), "GET http://some.example/a?b HTTP/1.1\r");
    assert_eq!(peer.line(), "Host: some.example\r");
    assert_eq!(peer.line(), "Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r");
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(fetcher.peer.line(), "200 OK redirects=0 http://some.example/a?b 2 ok");

    let mut fetcher =
        Fetcher::start(isolation, &[&address], &[("proxy", &address), ("tunnel", "yes")]);
    fetcher.peer.send("GET http://some.example/a\n");
    let mut peer = proxy.accept();
    assert_eq!(read_head(&mut peer), "CONNECT some.example:80 HTTP/1.1");
    peer.send("HTTP/1.1 200 Connection established\r\n\r\n");
    assert_eq!(read_head(&mut peer), "GET /a HTTP/1.1");
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(fetcher.peer.line(), "200 OK redirects=0 http://some.example/a 2 ok");
    fetcher.peer.send("GET http://other.example/a\n");
    let mut peer = proxy.accept();
    assert_eq!(read_head(&mut peer), "CONNECT other.example:80 HTTP/1.1");
    peer.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(fetcher.peer.line(), "error: the proxy makes no tunnel: 403 Forbidden");
}

/// Both ends are sandboxes.
fn a_plugin_asks_a_plugin(isolation: Isolation) {
    let hello = Host::start(&Config::serving(Plugin::new("http-hello").isolation(isolation)));
    let address = hello.address("http-hello").replace("tcp://", "");
    let mut fetcher = Fetcher::start(isolation, &[&address], &[]);
    let url = format!("http://{address}/");
    for _ in 0..3 {
        let expected = format!("200 OK redirects=0 {url} 32 <center><h1>Wham-o</h1></center>");
        fetcher.check(&format!("GET {url}"), &expected);
        fetcher
            .check(&format!("POST {url} body=hello"), &format!("200 OK redirects=0 {url} 5 hello"));
    }
}

/// A name with two addresses, of which the first does not answer: the client would give up after five seconds.
fn a_deaf_address_costs_no_answer(isolation: Isolation) {
    let (deaf, _queue) = Server::silent();
    let port = deaf.port();
    let lively = TcpListener::bind(("::1", port)).expect("the same port of the other family");
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = lively.accept().expect("the client comes");
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") {
                stream.read_exact(&mut byte).expect("a request");
                head.push(byte[0]);
            }
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nhelo";
            stream.write_all(answer.as_bytes()).expect("it reads");
        });
        let mut fetcher = Fetcher::start(isolation, &["localhost:*"], &[]);
        let answer = fetcher.fetch(&format!("GET http://localhost:{port}/"));
        assert!(answer.starts_with("200 OK ") && answer.contains("helo"), "{answer}");
    });
}

/// The client reads the head and no more, and reports the refusal.
fn a_server_that_refuses_before_it_has_read_is_heard(isolation: Isolation) {
    let server = Server::tcp();
    let mut fetcher = Fetcher::start(isolation, &[server.address()], &[]);
    fetcher.peer.send(format!("POST http://{}/ chunks=20000\n", server.address()));
    let mut peer = server.accept();
    while peer.line() != "\r" {}
    peer.send("HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nmuch");
    let answer = fetcher.peer.line();
    assert!(answer.starts_with("413 Too Large ") && answer.contains("much"), "{answer}");
}
