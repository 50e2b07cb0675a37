//! Requests that a component of `wasi:http` makes, to independent servers.

use std::io::{Read, Write as _};
use std::net::TcpStream;

use sandloop_tests::nginx::Nginx;
use sandloop_tests::stub::StubServer;
use sandloop_tests::{Config, Host, Isolation, Listen, Plugin, own_loopback};

use super::{GUEST, answer, chunked, exchange, plugin};

each_isolation!(
    what_nginx_serves_is_passed_on,
    what_is_asked_arrives_as_it_was_written,
    what_is_wrong_is_an_error_with_a_name,
    only_what_is_granted_is_asked,
    requests_at_once_are_bounded,
    a_handler_that_waits_keeps_nobody,
);

/// A host whose component may connect to these.
fn asking(isolation: Isolation, allowed: &[&str]) -> Config {
    Config::serving(plugin(isolation).may_connect(allowed))
}

fn ask(host: &Host, url: impl std::fmt::Display) -> String {
    answer(host, &format!("/ask?{url}"))
}

fn failed(error: &str) -> String {
    chunked("502 Bad Gateway", "", &format!("{error}\n"))
}

/// The body of an answer in one or more chunks.
fn body_of(answer: &str) -> String {
    let (_, mut rest) = answer.split_once("\r\n\r\n").expect("a head");
    let mut body = String::new();
    while let Some((length, more)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).expect("a length");
        if length == 0 {
            break;
        }
        body += &more[..length];
        rest = &more[length + 2..];
    }
    body
}

/// Unencrypted and by TLS, by address and by name.
fn what_nginx_serves_is_passed_on(isolation: Isolation) {
    let large: String = (0..60_000).map(|number| format!("{number} ")).collect();
    let files = [("page.txt", &b"a page\n"[..]), ("large.txt", large.as_bytes())];
    let nginx = Nginx::start("add_header X-Server nginx always;", &files);
    let toml = asking(isolation, &[nginx.address(), nginx.tls_address()]).to_toml();
    let profile =
        format!("\n[plugins.{GUEST}.tls.https]\nserver_ca = {:?}\n", nginx.dir().join("ca.pem"));
    let dir = tempfile::tempdir().expect("a temporary directory");
    let host = Host::start_toml(dir, &(toml + &profile));
    let fields = "content-type: text/plain\r\nx-server: nginx\r\n";
    for base in [format!("http://{}", nginx.address()), format!("https://{}", nginx.tls_address())]
    {
        let page = ask(&host, format!("{base}/page.txt"));
        assert_eq!(page, chunked("200 OK", fields, "a page\n"), "{base}");
        assert_eq!(body_of(&ask(&host, format!("{base}/large.txt"))), large, "{base}");
        let missing = ask(&host, format!("{base}/missing"));
        assert!(missing.starts_with("HTTP/1.1 404 Not Found\r\n"), "{missing}");
    }
    let outcome = host.stop();
    assert!(!outcome.stderr.contains("trapped"), "{}", outcome.stderr);
}

/// Reads a request with its body, by its `Content-Length`.
fn request_of(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            if length.map_or(0, |it| it.parse().expect("a length")) <= body.len() {
                return text;
            }
        }
        match stream.read(&mut piece) {
            Ok(read) if 0 < read => bytes.extend_from_slice(&piece[..read]),
            _ => return text,
        }
    }
}

/// A server that reads a request, answers with these bytes, and closes.
fn answering(bytes: impl Fn(&str) -> Vec<u8> + Send + 'static) -> StubServer {
    StubServer::start(move |mut stream| {
        let request = request_of(&mut stream);
        // The client may be gone already.
        let _ = stream.write_all(&bytes(&request));
    })
}

fn what_is_asked_arrives_as_it_was_written(isolation: Isolation) {
    let server = answering(|request| {
        let body = request.replace("\r\n", "|");
        let length = format!("{:x}", body.len());
        format!(
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\
             X-A: b\r\n\r\n{length}\r\n{body}\r\n0\r\nX-Sum: 7\r\n\r\n"
        )
        .into_bytes()
    });
    let at = server.address();
    let named = at.replace("127.0.0.1", "localhost");
    let host = Host::start(&asking(isolation, &[at, &named]));
    let sent = "x".repeat(10_000);
    for (request, arrives) in [
        (
            format!("GET /ask?http://{at}/a?b=c HTTP/1.1\r\nHost: h\r\nX-One: 1\r\n\r\n"),
            format!("GET /a?b=c HTTP/1.1|Host: {at}|x-one: 1|Connection: close||"),
        ),
        (
            format!("GET /ask?http://{at} HTTP/1.1\r\nHost: h\r\n\r\n"),
            format!("GET / HTTP/1.1|Host: {at}|Connection: close||"),
        ),
        (
            format!(
                "POST /ask?http://{at}/ HTTP/1.1\r\nHost: h\r\nContent-Length: 10000\r\n\r\n{sent}"
            ),
            format!("POST / HTTP/1.1|Host: {at}|Content-Length: 10000|Connection: close||{sent}"),
        ),
        (
            format!("GET /ask?http://{named}/name HTTP/1.1\r\nHost: h\r\n\r\n"),
            format!("GET /name HTTP/1.1|Host: {named}|Connection: close||"),
        ),
        (
            format!("DELETE /ask?http://{at}/x HTTP/1.1\r\nHost: h\r\n\r\n"),
            format!("DELETE /x HTTP/1.1|Host: {at}|Connection: close||"),
        ),
    ] {
        let answer = exchange(&host, &request);
        assert!(answer.starts_with("HTTP/1.1 201 Created\r\nx-a: b\r\n"), "{answer}");
        assert_eq!(body_of(&answer), arrives);
        assert!(answer.ends_with("\r\nx-sum: 7\r\n\r\n"), "{answer}");
    }
}

/// The fault of a server, and the error for the handler.
const FAULTS: &[(&str, &str)] = &[
    ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive\n", "ErrorCode::HttpResponseIncomplete"),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfive\n\r\n",
        "ErrorCode::HttpResponseIncomplete",
    ),
    ("", "ErrorCode::HttpResponseIncomplete"),
    ("no HTTP at all\r\n\r\n", "ErrorCode::HttpProtocolError"),
    (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
        "ErrorCode::HttpUpgradeFailed",
    ),
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\nLONG",
        "ErrorCode::HttpResponseBodySize(Some(",
    ),
];

fn what_is_wrong_is_an_error_with_a_name(isolation: Isolation) {
    let plugin = plugin(isolation).limit("http_body", "\"1KiB\"");
    let nginx = Nginx::start("", &[]);
    // The server has ended.
    let nobody = answering(|_| Vec::new()).address().to_owned();
    let host =
        Host::start(&Config::serving(plugin.may_connect(&["127.0.0.0/8:*", "*.invalid:8080"])));
    for (bytes, error) in FAULTS {
        let bytes = bytes.replace("LONG", &"x".repeat(2000));
        let server = answering(move |_| bytes.clone().into_bytes());
        let heard = ask(&host, format!("http://{}/", server.address()));
        assert!(body_of(&heard).starts_with(error), "{error}: {heard}");
    }
    assert_eq!(ask(&host, format!("http://{nobody}/")), failed("ErrorCode::ConnectionRefused"));
    // Its authority is unknown to the system.
    let certified = ask(&host, format!("https://{}/", nginx.tls_address()));
    assert_eq!(certified, failed("ErrorCode::TlsCertificateError"));
    let plain = ask(&host, format!("https://{}/", nginx.address()));
    assert_eq!(plain, failed("ErrorCode::TlsProtocolError"));
    for url in ["http://user@127.0.0.1/", "http://127.0.0.1:0/", "http:///"] {
        assert_eq!(ask(&host, url), failed("ErrorCode::HttpRequestUriInvalid"), "{url}");
    }
    let unknown = ask(&host, "http://nobody.invalid:8080/");
    assert!(body_of(&unknown).starts_with("ErrorCode::DnsError"), "{unknown}");
    let unfinished = answer(&host, &format!("/ask-unfinished?http://{}/", nginx.address()));
    assert!(unfinished.contains("dropped before outgoing-body.finish"), "{unfinished}");
    let long = format!(
        "POST /ask?http://{}/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1024\r\n\r\n",
        nginx.address()
    );
    let fits = exchange(&host, long + &"x".repeat(1024));
    assert!(fits.contains("nginx/"), "nginx has read it, and will not have it: {fits}");
    let silent = StubServer::start(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let late = answer(&host, &format!("/ask-within?50@http://{}/", silent.address()));
    assert_eq!(late, failed("ErrorCode::HttpResponseTimeout"));
    let outcome = host.stop();
    assert!(!outcome.stderr.contains("trapped"), "{}", outcome.stderr);
}

fn only_what_is_granted_is_asked(isolation: Isolation) {
    let nginx = Nginx::start("", &[("page.txt", b"a page\n")]);
    let address = format!("tcp://{}:7090", own_loopback());
    let config = asking(isolation, &["192.0.2.1:80", "127.0.0.0/8:7090"]);
    let host =
        Host::start(&config.plugin(Plugin::new("echo")).listen(Listen::at(&address, "echo")));
    let denied = failed("ErrorCode::HttpRequestDenied");
    assert_eq!(ask(&host, format!("http://{}/page.txt", nginx.address())), denied);
    let line = host.wait_log("denied");
    assert_eq!(line.field("call"), Some("wasi:http.outgoing-handler"), "{line}");
    assert_eq!(line.field("target"), Some(nginx.address()), "{line}");
    assert!(line.0.contains("connect"), "the line says what would allow it: {line}");
    // The host's own listener needs a rule for exactly that.
    let own = address.trim_start_matches("tcp://");
    assert_eq!(ask(&host, format!("http://{own}/")), denied);
    assert_eq!(ask(&host, "http://localhost:1/"), denied);
}

fn requests_at_once_are_bounded(isolation: Isolation) {
    let nginx = Nginx::start("", &[("page.txt", b"a page\n")]);
    let plugin = plugin(isolation).may_connect(&[nginx.address()]).limit("outgoing", "3");
    let host = Host::start(&Config::serving(plugin));
    let many = answer(&host, &format!("/ask-many?5@http://{}/page.txt", nginx.address()));
    let mut lines: Vec<String> = body_of(&many).lines().map(str::to_owned).collect();
    lines.sort();
    let refused = "ErrorCode::ConnectionLimitReached";
    assert_eq!(lines, [refused, refused, "Ok(200)", "Ok(200)", "Ok(200)"]);
    let line = host.wait_log("at a limit");
    assert_eq!(line.field("limit"), Some("outgoing"), "{line}");
    // Ended requests have released their slots.
    let again = answer(&host, &format!("/ask-many?3@http://{}/page.txt", nginx.address()));
    assert_eq!(body_of(&again), "Ok(200)\nOk(200)\nOk(200)\n");
}

/// A server that never answers costs the handler its time, and no other one.
fn a_handler_that_waits_keeps_nobody(isolation: Isolation) {
    let silent = StubServer::start(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let plugin = plugin(isolation).may_connect(&[silent.address()]).key("tenant", "\"asks\"");
    let config = Config::serving(plugin).plugin(Plugin::new("echo")).listen(Listen::tcp("echo"));
    let host = Host::start(&config);
    let mut waits = host.connect(GUEST);
    waits.send(format!("GET /ask?http://{}/ HTTP/1.1\r\nHost: h\r\n\r\n", silent.address()));
    let mut echo = host.connect("echo");
    for _ in 0..100 {
        echo.expect_echo("meanwhile\n");
    }
    waits.expect("HTTP/1.1 500 Internal Server Error\r\n");
    host.wait_log("an event took too long");
    assert_eq!(answer(&host, "/status?204"), "HTTP/1.1 204 No Content\r\n\r\n");
}
