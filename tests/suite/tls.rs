//! `tls://` listeners, with independent peers: Python's `ssl`, `openssl s_client` and curl. The guests are those of TCP.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sandloop_tests::certificates::{Authority, Certified};
use sandloop_tests::host::{Outcome, Running, finish};
use sandloop_tests::paths::{python, workspace};
use sandloop_tests::{Config, Host, Isolation, Listen, Peer, Plugin, sandloop};
use tempfile::TempDir;

/// A folder with an authority, and its certificate for `localhost`.
struct Files {
    dir: TempDir,
    authority: Authority,
    server: Certified,
}

impl Files {
    fn new() -> Files {
        Files::of("Authority of a test")
    }

    fn of(authority: &str) -> Files {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let authority = Authority::new(authority);
        authority.write(dir.path(), "ca");
        let server = authority.certify(dir.path(), "server", &["localhost", "127.0.0.1"]);
        Files { dir, authority, server }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn listen(&self, plugin: &str) -> Listen {
        listen(plugin, &self.server)
    }
}

fn text(path: &Path) -> String {
    format!("{:?}", path.display().to_string())
}

fn listen(plugin: &str, certified: &Certified) -> Listen {
    Listen::at("tls://127.0.0.1:0", plugin).certified(certified)
}

fn serve(files: &Files, plugin: Plugin) -> Host {
    let listen = files.listen(plugin.name());
    Host::start(&Config::new().plugin(plugin).listen(listen))
}

fn port(host: &Host, plugin: &str) -> String {
    let address = host.address(plugin);
    assert!(address.starts_with("tls://127.0.0.1:"), "{address}");
    address.rsplit_once(':').expect("a port").1.to_owned()
}

/// The bare TCP connection below a listener's TLS.
fn raw(host: &Host, plugin: &str) -> Peer {
    Peer::connect(&format!("tcp://127.0.0.1:{}", port(host, plugin)))
}

fn client(files: &Files, port: &str, words: &[&str]) -> Command {
    let mut command = Command::new(python());
    command.arg(workspace().join("tests/peers/tls.py")).arg(port);
    command.arg(files.path().join("ca.pem")).args(words);
    command
}

/// The output of Python's client.
#[track_caller]
fn ask(files: &Files, host: &Host, plugin: &str, words: &[&str]) -> String {
    let outcome = finish(client(files, &port(host, plugin), words));
    assert_eq!(outcome.code, Some(0), "{words:?}: {}\n{:#?}", outcome.stderr, host.log());
    outcome.stdout.trim_end().to_owned()
}

/// The output of `openssl s_client` for a connection on which it sends a line and waits for its echo.
fn s_client(files: &Files, port: &str, words: &[&str]) -> Outcome {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-CAfile"]);
    command.arg(files.path().join("ca.pem")).args(["-verify_return_error", "-servername"]);
    command.arg("localhost").args(words).stdin(Stdio::null());
    finish(command)
}

/// Both versions, in both isolations, and data that is sent before the handshake is complete.
#[test]
fn an_echo_in_each_version() {
    let files = Files::new();
    for isolation in [Isolation::Connection, Isolation::Plugin] {
        let host = serve(&files, Plugin::new("echo").isolation(isolation));
        for (version, name) in [("1.2", "TLSv1.2"), ("1.3", "TLSv1.3")] {
            let words = ["echo", &format!("min={version}"), &format!("max={version}")];
            let expected = format!("{name} None localhost,127.0.0.1\nhello\nunwrapped");
            assert_eq!(ask(&files, &host, "echo", &words), expected);
        }
    }
}

#[test]
fn openssl_verifies_it_in_each_version_and_older_ones_are_refused() {
    let files = Files::new();
    let host = serve(&files, Plugin::new("echo"));
    let port = port(&host, "echo");
    for version in ["-tls1_2", "-tls1_3"] {
        let outcome = s_client(&files, &port, &[version]);
        assert!(outcome.stdout.contains("Verify return code: 0 (ok)"), "{}", outcome.stdout);
        assert!(!outcome.stdout.contains("Compression: zlib"), "{}", outcome.stdout);
    }
    let old = s_client(&files, &port, &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]);
    assert!(old.stderr.contains("alert"), "{}", old.stderr);
    // Such a peer cannot verify the certificate, which is reported as by every server.
    let other = s_client(&files, &port, &["-tls1_2", "-sigalgs", "RSA+SHA256"]);
    assert!(other.stderr.contains("alert handshake failure"), "{}", other.stderr);
}

/// The answer for curl from `https://localhost` at this port, with the status and its verdict on the certificate.
fn curl(files: &Files, port: &str, path: &str, words: &[&str]) -> String {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--http1.1", "-w", " %{http_code} %{ssl_verify_result}", "--cacert"]);
    curl.arg(files.path().join("ca.pem")).args(words);
    curl.args(["--resolve", &format!("localhost:{port}:127.0.0.1")]);
    curl.arg(format!("https://localhost:{port}{path}"));
    let outcome = finish(curl);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    outcome.stdout.trim_end().to_owned()
}

#[test]
fn curl_gets_a_page_from_a_plugin_that_knows_nothing_of_it() {
    let files = Files::new();
    let listen = files.listen("http-hello").key("alpn", r#"["http/1.1"]"#);
    let host = Host::start(&Config::new().plugin(Plugin::new("http-hello")).listen(listen));
    let got = curl(&files, &port(&host, "http-hello"), "/", &[]);
    assert!(got.ends_with(" 200 0"), "{got}");
}

/// A component of `wasi:http` sees that its peer uses TLS, and more than one TLS record is sent in each direction.
#[test]
fn curl_is_answered_by_a_component_of_wasi_http() {
    for isolation in [Isolation::Connection, Isolation::Plugin] {
        let files = Files::new();
        let host = serve(&files, Plugin::new("wasi_http").isolation(isolation));
        let port = port(&host, "wasi_http");
        let got = curl(&files, &port, "/request?b=c", &[]);
        let expected = format!("Method::Get Some(Scheme::Https) localhost:{port} /request?b=c\n");
        assert!(got.starts_with(&expected) && got.ends_with(" 200 0"), "{got}");
        let body = "0123456789abcde\n".repeat(6_000);
        fs::write(files.path().join("body"), &body).expect("a file");
        let from = format!("@{}", files.path().join("body").display());
        let got = curl(&files, &port, "/echo", &["--data-binary", &from]);
        assert_eq!(got, format!("{body} 200 0"));
        host.stop();
    }
}

#[test]
fn the_protocol_is_the_first_of_the_listener_that_the_peer_has() {
    let files = Files::new();
    let listen = files.listen("echo").key("alpn", r#"["one", "two"]"#);
    let host = Host::start(&Config::new().plugin(Plugin::new("echo")).listen(listen));
    for (offered, chosen) in [("two,one", "one"), ("three,two", "two")] {
        let seen = ask(&files, &host, "echo", &["echo", &format!("alpn={offered}")]);
        assert_eq!(seen.split(' ').nth(1), Some(chosen), "{seen}");
    }
    // A peer without a protocol is served, one with only unknown protocols is refused.
    assert!(ask(&files, &host, "echo", &["echo"]).contains(" None "));
    let refused = ask(&files, &host, "echo", &["refused", "alpn=four"]);
    assert!(refused.contains("alert no application protocol"), "{refused}");
}

#[test]
fn the_name_that_is_asked_for_chooses_the_certificate() {
    let files = Files::new();
    let first = files.authority.certify(files.path(), "a", &["a.example", "*.wild.example"]);
    let second = files.authority.certify(files.path(), "b", &["b.example"]);
    let more =
        format!("[{{ certificate = {}, key = {} }}]", text(&second.certificate), text(&second.key));
    let listen = listen("echo", &first).key("certificates", more);
    let host = Host::start(&Config::new().plugin(Plugin::new("echo")).listen(listen));
    let both = "a.example,*.wild.example";
    for (name, shown) in [
        ("a.example", both),
        ("b.example", "b.example"),
        ("B.Example", "b.example"),
        ("x.wild.example", both),
    ] {
        let seen = ask(&files, &host, "echo", &["echo", &format!("name={name}")]);
        assert_eq!(seen.lines().next().and_then(|line| line.split(' ').nth(2)), Some(shown));
    }
    let unknown = ask(&files, &host, "echo", &["echo", "name=c.example"]);
    assert!(unknown.starts_with("not verified: Hostname mismatch"), "{unknown}");
}

#[test]
fn a_peer_verifies_what_it_is_shown() {
    let files = Files::new();
    let expired = files.authority.certify_expired(files.path(), "old", &["localhost"]);
    let host =
        Host::start(&Config::new().plugin(Plugin::new("echo")).listen(listen("echo", &expired)));
    let seen = ask(&files, &host, "echo", &["echo"]);
    assert_eq!(seen, "not verified: certificate has expired");
    let other = Files::of("Authority of another test");
    let host = serve(&other, Plugin::new("echo"));
    let seen = ask(&files, &host, "echo", &["echo"]);
    assert!(seen.starts_with("not verified: unable to get local issuer"), "{seen}");
}

#[test]
fn certificates_of_clients_are_required_or_requested() {
    let files = Files::new();
    let dir = files.path();
    let good = files.authority.certify(dir, "client", &["client.example"]);
    let expired = files.authority.certify_expired(dir, "expired", &["client.example"]);
    let stranger = Authority::new("Stranger").certify(dir, "stranger", &["client.example"]);
    let server = |way: &str| {
        let listen = files.listen("echo").key("client_ca", text(&dir.join("ca.pem")));
        let listen = listen.key("client_certificate", format!("{way:?}"));
        Host::start(&Config::new().plugin(Plugin::new("echo")).listen(listen))
    };
    for (way, none) in [("require", "TLSV13_ALERT_CERTIFICATE_REQUIRED"), ("request", "taken")] {
        let host = server(way);
        assert_eq!(ask(&files, &host, "echo", &["refused"]), none, "{way}");
        for (shown, expected) in [
            (&good, "taken"),
            (&expired, "SSLV3_ALERT_CERTIFICATE_EXPIRED"),
            (&stranger, "TLSV1_ALERT_UNKNOWN_CA"),
        ] {
            let certificate = format!("cert={}", shown.certificate.display());
            let key = format!("key={}", shown.key.display());
            let seen = ask(&files, &host, "echo", &["refused", &certificate, &key]);
            assert_eq!(seen, expected, "{way} {}", shown.certificate.display());
        }
    }
}

#[test]
fn a_big_transfer_comes_back_as_it_was() {
    let files = Files::new();
    let host = serve(&files, Plugin::new("echo"));
    for version in ["1.2", "1.3"] {
        let words = ["big", "bytes=33554433", &format!("max={version}")];
        assert_eq!(ask(&files, &host, "echo", &words), "same", "{version}");
    }
    assert_eq!(ask(&files, &host, "echo", &["tiny", "records=20000"]), "same");
}

/// The plugin is informed whether its peer has ended with `close_notify`.
#[test]
fn an_end_that_is_said_is_told_from_one_that_is_not() {
    let files = Files::new();
    let host = serve(&files, Plugin::new("callbacks_trace").prints());
    let ends = "hello\nclosed";
    assert_eq!(ask(&files, &host, "callbacks_trace", &["cut"]), ends);
    host.wait_printed("unbind reset");
    assert!(ask(&files, &host, "callbacks_trace", &["echo"]).ends_with("unwrapped"));
    host.wait_printed("unbind peer-closed");
    // The order is that of a connection without TLS.
    let printed = host.printed();
    let of_one: Vec<&str> = printed.lines().take(4).collect();
    let expected = ["constructor", "post_init", "receive_data \"hello\"", "unbind reset"];
    assert_eq!(of_one, expected);
}

/// At T after the last byte, as without TLS, with `close_notify`: it is no failure of the session.
#[test]
fn silence_ends_a_session_in_time() {
    const TIMEOUT: Duration = Duration::from_millis(300);
    let files = Files::new();
    let listen = files.listen("inactivity").option("timeout", &TIMEOUT.as_millis().to_string());
    let plugin = Plugin::new("inactivity").prints();
    let host = Host::start(&Config::new().plugin(plugin).listen(listen));
    for version in ["1.2", "1.3"] {
        let begun = Instant::now();
        let words = ["leave", "send=hello", &format!("max={version}")];
        assert_eq!(ask(&files, &host, "inactivity", &words), "5 said", "{version}");
        assert!(TIMEOUT <= begun.elapsed(), "{version}: it was closed early");
    }
    assert_eq!(host.wait_printed_lines(2), ["unbind inactivity-timeout"; 2]);
}

/// However the host ends a connection whose output was sent, it sends `close_notify`.
#[test]
fn the_host_says_its_ends() {
    let files = Files::new();
    let host = serve(&files, Plugin::new("close_variants"));
    for (command, bytes) in [
        ("close", 0),
        ("close-after-writing", 0),
        ("half-close", 0),
        ("send 100 close", 100),
        ("send 3000000 close-after-writing", 3_000_000),
        ("send 3000000 half-close", 3_000_000),
    ] {
        let seen = ask(&files, &host, "close_variants", &["leave", &format!("send={command}\n")]);
        assert_eq!(seen, format!("{bytes} said"), "{command}");
    }
    // Also at a stop.
    let host = serve(&files, Plugin::new("callbacks_trace").prints());
    let running =
        Running::spawn(client(&files, &port(&host, "callbacks_trace"), &["leave", "send=x"]));
    host.wait_printed("receive_data \"x\"");
    host.stop();
    assert_eq!(running.wait().stdout.trim_end(), "1 said");
    // Not after a trap.
    let plugin = Plugin::new("hostile_trap");
    let listen = files.listen("hostile_trap").option("callback", "receive_data");
    let host = Host::start(&Config::new().plugin(plugin).listen(listen));
    assert_eq!(ask(&files, &host, "hostile_trap", &["leave", "send=x"]), "0 cut");
}

#[test]
fn sessions_are_resumed() {
    let files = Files::new();
    let host = serve(&files, Plugin::new("echo"));
    for version in ["1.2", "1.3"] {
        let words = ["resume", &format!("max={version}")];
        assert_eq!(ask(&files, &host, "echo", &words), "again True", "{version}");
    }
}

#[test]
fn new_certificates_are_shown_without_a_restart() {
    let files = Files::new();
    let host = serve(&files, Plugin::new("echo"));
    assert!(ask(&files, &host, "echo", &["echo"]).contains("localhost,127.0.0.1"));
    // An invalid certificate changes nothing.
    fs::write(&files.server.certificate, "nothing").expect("a file");
    let line = host.wait_log("the new certificates cannot be used");
    let cause = line.field("cause").expect("a cause").to_owned();
    assert!(cause.contains("there is no certificate in"), "{cause}");
    assert!(ask(&files, &host, "echo", &["echo"]).contains("localhost,127.0.0.1"));
    files.authority.certify(files.path(), "server", &["localhost", "new.example"]);
    host.wait_log("new certificates:");
    assert!(ask(&files, &host, "echo", &["echo"]).contains("localhost,new.example"));
}

/// A peer that does not complete its handshake is closed at the deadline, or as soon as it sends nonsense.
#[test]
fn half_handshakes_end() {
    let files = Files::new();
    let plugin = Plugin::new("callbacks_trace").prints().limit("handshake_deadline", "\"300ms\"");
    let host = serve(&files, plugin);
    let mut silent = raw(&host, "callbacks_trace");
    let mut begun = raw(&host, "callbacks_trace");
    // The header of a record that announces a hello of 512 bytes, and a part of that.
    begun.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    silent.expect_closed();
    begun.expect_closed();
    host.wait_printed_lines(8);
    assert_eq!(host.printed().matches("unbind limit").count(), 2, "{}", host.printed());
    let line = host.wait_log("at a limit");
    assert_eq!(line.field("limit"), Some("handshake_deadline"));
    let mut plain = raw(&host, "callbacks_trace");
    plain.send("GET / HTTP/1.1\r\n\r\n");
    // An alert, and the end.
    assert_eq!(plain.rest().first(), Some(&0x15));
    host.wait_printed("unbind failed");
    raw(&host, "callbacks_trace").finish();
    host.wait_printed("unbind reset");
}

/// A certificate that exceeds the longest message ends its handshake, and a long one is accepted.
#[test]
fn giant_certificates_of_clients_are_bounded() {
    let files = Files::new();
    let dir = files.path();
    let listen = files.listen("echo").key("client_ca", text(&dir.join("ca.pem")));
    let host = Host::start(&Config::new().plugin(Plugin::new("echo")).listen(listen));
    let show = |certified: &Certified| {
        let certificate = format!("cert={}", certified.certificate.display());
        let key = format!("key={}", certified.key.display());
        ask(&files, &host, "echo", &["refused", &certificate, &key])
    };
    assert_eq!(show(&files.authority.certify_giant(dir, "long", 40_000)), "taken");
    assert_ne!(show(&files.authority.certify_giant(dir, "giant", 90_000)), "taken");
    assert_eq!(show(&files.authority.certify(dir, "short", &["client.example"])), "taken");
}

/// Handshakes that are begun and left, and hellos that cost a signature each, from all sides: a neighbour is answered.
#[test]
fn a_flood_of_handshakes_harms_no_neighbour() {
    let files = Files::new();
    let flooded = Plugin::named("flooded", &sandloop_tests::component("echo"));
    let listen = files.listen("flooded");
    let config = Config::serving(Plugin::new("echo")).plugin(flooded).listen(listen);
    let host = Host::start(&config);
    let mut neighbour = host.connect("echo");
    let hello = hello();
    let mut held = Vec::new();
    for round in 0..300 {
        let mut peer = raw(&host, "flooded");
        peer.try_send(if round % 2 == 0 { &hello[..] } else { &hello[..7] });
        held.push(peer);
        if round % 10 == 0 {
            neighbour.expect_echo("still here\n");
        }
    }
    drop(held);
    neighbour.expect_echo("and still\n");
    assert!(ask(&files, &host, "flooded", &["echo"]).ends_with("unwrapped"));
}

/// A hello of TLS 1.2 to which any server responds with a signature.
fn hello() -> Vec<u8> {
    let extensions: &[u8] =
        b"\x00\x0a\x00\x04\x00\x02\x00\x17\x00\x0b\x00\x02\x01\x00\x00\x0d\x00\x04\x00\x02\x04\x03";
    let mut body = b"\x03\x03".to_vec();
    body.extend([7; 32]);
    // No session, one suite: ECDHE with ECDSA, AES 128 and GCM; no compression.
    body.extend(b"\x00\x00\x02\xc0\x2b\x01\x00");
    let length = |bytes: usize| u16::try_from(bytes).expect("short").to_be_bytes();
    body.extend(length(extensions.len()));
    body.extend(extensions);
    let mut record = b"\x16\x03\x01".to_vec();
    record.extend(length(body.len() + 4));
    record.extend(b"\x01\x00");
    record.extend(length(body.len()));
    record.extend(body);
    record
}

/// Each error names the file, the line, the key, the fault and the remedy; nothing is served.
#[test]
fn what_is_wrong_with_certificates_is_said_before_a_port_opens() {
    let files = Files::new();
    let dir = files.path();
    let other = files.authority.certify(dir, "other", &["localhost"]);
    fs::write(dir.join("empty.pem"), "").expect("a file");
    fs::write(
        dir.join("locked.key"),
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    )
    .expect("a file");
    let check = |lines: &str, expected: &str| {
        let component = sandloop_tests::component("echo");
        let toml = format!(
            "[plugins.echo]\ncomponent = {}\n[[listen]]\naddress = \"tls://127.0.0.1:0\"\nplugin = \"echo\"\n{lines}\n",
            text(&component)
        );
        fs::write(dir.join("plugins.toml"), toml).expect("a file");
        for command in ["check", "run"] {
            let outcome = sandloop(dir, &[command, "plugins.toml"]);
            assert_eq!(outcome.code, Some(2), "{lines}: {}", outcome.stderr);
            let expected = format!("plugins.toml:{expected}");
            assert!(outcome.stderr.contains(&expected), "{lines}: {}", outcome.stderr);
        }
    };
    let pair =
        |certificate: &str, key: &str| format!("certificate = {certificate:?}\nkey = {key:?}");
    check(
        &pair("missing.pem", "server.key"),
        "6: listen[0].certificate: the file \"missing.pem\" cannot be read: No such file or directory",
    );
    check(&pair("empty.pem", "server.key"), "6: listen[0].certificate: there is no certificate in");
    check(&pair("server.pem", "server.pem"), "7: listen[0].key: there is no private key in");
    check(
        &pair("server.pem", "locked.key"),
        "7: listen[0].key: the key in \"locked.key\" is encrypted",
    );
    check(
        &pair("server.pem", "other.key"),
        "7: listen[0].key: the key in \"other.key\" is not that of the first certificate in \"server.pem\"",
    );
    let own = pair("server.pem", "server.key");
    let list = format!(
        "certificates = [{{ certificate = {}, key = \"server.key\" }}]",
        text(&other.certificate)
    );
    check(
        &format!("{own}\n{list}"),
        "8: listen[0].certificates[0].key: the key in \"server.key\" is not that",
    );
    check(
        &format!("{own}\nclient_ca = \"server.key\""),
        "8: listen[0].client_ca: there is no certificate in",
    );
    check(
        &format!("{own}\nalpn = [\"\"]"),
        "8: listen[0].alpn[0]: \"\" is not the name of a protocol",
    );
}

/// No output of the host has any part of a key, at any log level.
#[test]
fn keys_are_not_in_the_log() {
    let files = Files::new();
    let config = Config::new().host("log", "\"trace\"").plugin(Plugin::new("echo"));
    let host = Host::start(&config.listen(files.listen("echo")));
    assert!(ask(&files, &host, "echo", &["echo"]).ends_with("unwrapped"));
    let key = fs::read_to_string(&files.server.key).expect("a file");
    let secrets: Vec<&str> = key.lines().filter(|line| !line.starts_with("-----")).collect();
    assert!(!secrets.is_empty());
    let outcome = host.stop();
    assert!(outcome.stderr.contains("stopped"), "the log is whole");
    assert!(!secrets.iter().any(|secret| outcome.stderr.contains(secret)));
}

/// A plain peer beside one with TLS, at the same plugin.
#[test]
fn one_plugin_serves_both() {
    let files = Files::new();
    let config = Config::serving(Plugin::new("echo")).listen(files.listen("echo"));
    let host = Host::start(&config);
    host.connect("echo").expect_echo("plain");
    let [_, tls] = &*host.addresses("echo") else { panic!("two listeners") };
    let port = tls.rsplit_once(':').expect("a port").1;
    let outcome = finish(client(&files, port, &["echo"]));
    assert!(outcome.stdout.ends_with("unwrapped\n"), "{outcome:?}");
}
