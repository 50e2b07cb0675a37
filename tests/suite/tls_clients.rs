//! The SDK's clients through TLS: `https` and `wss`.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use sandloop_tests::certificates::{Authority, Certified};
use sandloop_tests::nginx::Nginx;
use sandloop_tests::{Config, Host, Isolation, Listen, Plugin};
use tempfile::TempDir;

/// An authority, and its certificate for this machine.
struct Files {
    dir: TempDir,
    authority: Authority,
    server: Certified,
}

impl Files {
    fn new() -> Files {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let authority = Authority::new("Authority of a test");
        authority.write(dir.path(), "ca");
        let server = authority.certify(dir.path(), "server", &["localhost", "127.0.0.1"]);
        Files { dir, authority, server }
    }

    /// A host that serves this plugin with TLS, and its port.
    fn serve(&self, plugin: Plugin) -> (Host, String) {
        let listen = Listen::at("tls://127.0.0.1:0", plugin.name()).certified(&self.server);
        let name = plugin.name().to_owned();
        let host = Host::start(&Config::new().plugin(plugin).listen(listen));
        let address = host.address(&name);
        let port = address.rsplit_once(':').expect("a port").1.to_owned();
        (host, port)
    }

    /// Lets a plugin trust the authority, under the name `trusts`.
    fn trusted_by(&self, plugin: Plugin) -> Plugin {
        let ca = self.dir.path().join("ca.pem").display().to_string();
        plugin.key("tls", format!("{{ trusts = {{ server_ca = {ca:?} }} }}"))
    }
}

/// Answers `CONNECT` and copies, once; returns its address, and its request.
fn proxy() -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let asked = thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("a client");
        let mut reader = BufReader::new(client.try_clone().expect("a socket"));
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).expect("a line"), 0, "{head}");
        }
        let server = head.split(' ').nth(1).expect("a target");
        let server = TcpStream::connect(server).expect("the server is there");
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").expect("it reads");
        let (mut back, mut to_client) =
            (server.try_clone().expect("a socket"), client.try_clone().expect("a socket"));
        let copying = thread::spawn(move || std::io::copy(&mut back, &mut to_client));
        let mut server = server;
        // Either side may be gone already.
        let _ = std::io::copy(&mut reader, &mut server);
        let _ = server.shutdown(std::net::Shutdown::Write);
        let _ = copying.join();
        head
    });
    (address, asked)
}

#[test]
fn https_is_asked_directly_and_through_a_proxy() {
    let files = Files::new();
    let (_server, port) = files.serve(Plugin::new("http-hello"));
    let address = format!("127.0.0.1:{port}");
    let fetcher = |options: &[(&str, &str)], allowed: &[&str]| {
        let plugin = files.trusted_by(Plugin::new("http_fetch")).may_connect(allowed);
        let listen = Listen::tcp("http_fetch");
        let listen = options.iter().fold(listen, |it, (key, value)| it.option(key, value));
        Host::start(&Config::new().plugin(plugin).listen(listen))
    };
    let fetch = |host: &Host, uri: &str| {
        let mut peer = host.connect("http_fetch");
        peer.send(format!("GET {uri}\n"));
        peer.line()
    };
    let trusts = ("tls_profile", "trusts");
    let uri = format!("https://{address}/");
    let host = fetcher(&[trusts], &[&address]);
    assert!(fetch(&host, &uri).starts_with("200 OK"), "{:?}", fetch(&host, &uri));
    // Without the profile the authority of a test is unknown.
    let host = fetcher(&[], &[&address]);
    let seen = fetch(&host, &uri);
    assert_eq!(seen, "error: no TLS with the server: invalid peer certificate: UnknownIssuer");
    let host = fetcher(&[("tls_profile", "nobody")], &[&address]);
    assert_eq!(fetch(&host, &uri), "error: the host begins no TLS: denied");

    let (proxy, asked) = proxy();
    let host = fetcher(&[trusts, ("proxy", &proxy)], &[&proxy]);
    assert!(fetch(&host, &uri).starts_with("200 OK"));
    drop(host);
    let asked = asked.join().expect("the proxy was asked");
    assert!(asked.starts_with(&format!("CONNECT {address} HTTP/1.1\r\n")), "{asked}");
}

/// The answer for a plugin at this address, with the profile `trusts`.
fn fetched(files: &Files, allowed: &str, uri: &str) -> String {
    let plugin = files.trusted_by(Plugin::new("http_fetch")).may_connect(&[allowed]);
    let listen = Listen::tcp("http_fetch").option("tls_profile", "trusts");
    let host = Host::start(&Config::new().plugin(plugin).listen(listen));
    let mut peer = host.connect("http_fetch");
    peer.send(format!("GET {uri}\n"));
    peer.line()
}

#[test]
fn nginx_is_asked_through_tls() {
    let files = Files::new();
    let page = "a line of a page\n".repeat(10_000);
    let nginx = Nginx::start_certified(&files.authority, "", &[("page.txt", page.as_bytes())]);
    let address = nginx.tls_address();
    let seen = fetched(&files, address, &format!("https://{address}/page.txt"));
    assert!(seen.starts_with(&format!("200 OK redirects=0 https://{address}/page.txt ")), "{seen}");
    assert!(seen.contains(&page.len().to_string()), "{seen}");
    // Its certificate is for nginx's own address, and from another authority.
    let other = Nginx::start("", &[]);
    let address = other.tls_address();
    let seen = fetched(&files, address, &format!("https://{address}/"));
    assert_eq!(seen, "error: no TLS with the server: invalid peer certificate: UnknownIssuer");
}

#[test]
fn nginx_asks_through_tls() {
    let files = Files::new();
    let (_host, port) = files.serve(Plugin::new("http-hello"));
    let ca = files.dir.path().join("ca.pem");
    let behind = |name: &str| {
        let server = format!(
            "location / {{ proxy_pass https://127.0.0.1:{port}; proxy_ssl_server_name on; proxy_ssl_name {name};\n\
             proxy_ssl_verify on; proxy_ssl_trusted_certificate {ca:?}; }}"
        );
        let nginx = Nginx::start(&server, &[]);
        let address = nginx.address().to_owned();
        let seen = fetched(&files, &address, &format!("http://{address}/"));
        (seen, nginx.log())
    };
    let (seen, log) = behind("localhost");
    assert!(seen.starts_with("200 OK "), "{seen}: {log}");
    // It verifies the certificate.
    let (seen, log) = behind("another.example");
    assert!(seen.starts_with("502 "), "{seen}: {log}");
}

#[test]
fn wss_is_asked() {
    let files = Files::new();
    let (_server, port) = files.serve(Plugin::new("http_websocket"));
    let ask = |plugin: Plugin| {
        let plugin = plugin
            .isolation(Isolation::Plugin)
            .prints()
            .may_stop()
            .may_connect(&[&format!("127.0.0.1:{port}")])
            .option("uri", &format!("wss://127.0.0.1:{port}/any?thing"))
            .option("sizes", "5 5");
        Host::start(&Config::new().plugin(plugin)).wait_exit().stdout
    };
    let seen = ask(files.trusted_by(Plugin::new("websocket_ask")));
    // The server sends data first.
    assert!(seen.starts_with("open\ntext 7\ntext 5\n"), "{seen}");
    assert!(seen.ends_with("close 4000 enough\n"), "{seen}");
    let others = Files::new();
    let seen = ask(others.trusted_by(Plugin::new("websocket_ask")));
    let expected = "close 1006 no TLS with the server: invalid peer certificate: ";
    assert!(seen.starts_with(expected), "{seen}");
}
