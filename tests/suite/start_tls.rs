//! TLS that a plugin begins itself, in both roles, beside Python's `ssl`, OpenSSL and EventMachine.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use sandloop_tests::certificates::{Authority, Certified};
use sandloop_tests::host::{Running, finish};
use sandloop_tests::paths::{python, workspace};
use sandloop_tests::{Config, Host, Listen, Peer, Plugin};
use tempfile::TempDir;

/// A folder with an authority, its certificates, and those of a stranger.
struct Files {
    dir: TempDir,
    authority: Authority,
    server: Certified,
    client: Certified,
    stranger: Certified,
}

impl Files {
    fn new() -> Files {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let authority = Authority::new("Authority of a test");
        authority.write(dir.path(), "ca");
        let server = authority.certify(dir.path(), "server", &["localhost", "127.0.0.1"]);
        let client = authority.certify(dir.path(), "client", &["client.example"]);
        let stranger = Authority::new("Stranger");
        let stranger = stranger.certify(dir.path(), "stranger", &["localhost"]);
        Files { dir, authority, server, client, stranger }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn file(&self, name: &str) -> String {
        self.path().join(name).display().to_string()
    }

    /// The plugin with its profiles.
    fn plugin(&self) -> Plugin {
        let pair = |it: &Certified| {
            let shown = |path: &Path| format!("{:?}", path.display().to_string());
            format!("certificate = {}, key = {}", shown(&it.certificate), shown(&it.key))
        };
        let ca = format!("{:?}", self.file("ca.pem"));
        let (server, client) = (pair(&self.server), pair(&self.client));
        let profiles = [
            format!("server = {{ {server} }}"),
            format!("asks = {{ {server}, client_ca = {ca}, client_certificate = \"request\" }}"),
            format!("judged-server = {{ {server}, verify = \"plugin\" }}"),
            format!("trusts = {{ server_ca = {ca}, alpn = [\"of the profile\"] }}"),
            format!("shows = {{ server_ca = {ca}, {client} }}"),
            "judged = { verify = \"plugin\" }".to_owned(),
        ];
        Plugin::new("tls_starts")
            .prints()
            .key("isolation", "\"plugin\"")
            .key("tls", format!("{{ {} }}", profiles.join(", ")))
            .may_connect(&["127.0.0.1:*"])
    }

    /// A host with a listener of the handler `go`.
    fn client(&self) -> Host {
        self.host(|plugin| plugin)
    }

    fn host(&self, change: impl FnOnce(Plugin) -> Plugin) -> Host {
        let listen = Listen::tcp("tls_starts").key("handler", "\"go\"");
        Host::start(&Config::new().plugin(change(self.plugin())).listen(listen))
    }

    /// A host with a listener of the handler `gate` with these options.
    fn gate(&self, options: &[(&str, &str)]) -> Host {
        let listen = Listen::tcp("tls_starts").key("handler", "\"gate\"");
        let listen = options.iter().fold(listen, |it, (key, value)| it.option(key, value));
        Host::start(&Config::new().plugin(self.plugin()).listen(listen))
    }

    /// Python's server, and its port.
    fn server(&self, certified: &Certified, words: &[&str]) -> (Running, String) {
        let mut command = script("start_tls.py");
        command.arg("serve").arg(format!("cert={}", certified.certificate.display()));
        command.arg(format!("key={}", certified.key.display())).args(words);
        let running = Running::spawn(command);
        let port = running.first_line();
        (running, port)
    }

    /// The output of Python's client.
    fn ask(&self, host: &Host, words: &[&str]) -> String {
        let address = host.address("tls_starts");
        let mut command = script("start_tls.py");
        command.arg("ask").arg(format!("port={}", port_of(&address)));
        command.arg(format!("ca={}", self.file("ca.pem"))).args(words);
        finish(command).stdout.trim_end().to_owned()
    }
}

fn script(name: &str) -> Command {
    let mut command = Command::new(python());
    command.arg(workspace().join("tests/peers").join(name));
    command
}

fn port_of(address: &str) -> &str {
    address.rsplit_once(':').expect("a port").1
}

/// Has a client made; returns the line about its end.
fn go(host: &Host, who: &str, words: &str) -> String {
    host.connect("tls_starts").send(format!("who={who} {words}\n"));
    host.wait_printed_start(&format!("{who} unbind"))
}

/// Every line about one of them.
fn told(host: &Host, who: &str) -> Vec<String> {
    let printed = host.printed();
    let of_it = printed.lines().filter_map(|line| line.strip_prefix(&format!("{who} ")));
    of_it.map(str::to_owned).collect()
}

/// In each version, from each moment on; data that is sent before waits.
#[test]
fn a_client_meets_python() {
    let files = Files::new();
    let host = files.client();
    for (version, name) in [("1.2", "TLSv1.2"), ("1.3", "TLSv1.3")] {
        for when in ["post_init", "connected", "word"] {
            let (min, max) = (format!("min={version}"), format!("max={version}"));
            let mut words = vec![&*min, &*max, "alpn=two,one"];
            words.extend((when == "word").then_some("word=yes"));
            let (server, port) = files.server(&files.server, &words);
            let who = format!("{when}{version}");
            let ended = go(
                &host,
                &who,
                &format!("port={port} profile=trusts when={when} alpn=one,two say=early"),
            );
            let expected = "unbind peer-closed failure=none end=said session=had";
            assert!(ended.contains(expected), "{ended}");
            let lines = told(&host, &who);
            assert_eq!(lines[0], "connection_completed", "{lines:?}");
            let completed = lines.iter().find(|line| line.starts_with("tls_completed"));
            let completed = completed.expect("it was told");
            assert!(completed.starts_with(&format!("tls_completed {name} TLS_")), "{completed}");
            // The first of the server's protocols that the client has.
            assert!(completed.contains(" alpn=two sni=localhost certificates=1 "), "{completed}");
            assert!(lines.contains(&"receive_data \"hello early\\n\"".to_owned()), "{lines:?}");
            let seen = server.wait().stdout;
            assert!(seen.contains(&format!("{name} two localhost nobody\nline early")), "{seen}");
        }
    }
}

/// A server with the wrong identity gets no data, and `unbind` has the reason.
#[test]
fn a_client_verifies_by_default() {
    let files = Files::new();
    let expired = files.authority.certify_expired(files.path(), "old", &["localhost"]);
    let host = files.client();
    let check = |who: &str, certified: &Certified, words: &str, kind: &str| {
        let (server, port) = files.server(certified, &[]);
        let ended = go(&host, who, &format!("port={port} say=secret {words}"));
        let expected = format!("unbind failed failure={kind} end=none session=no");
        assert!(ended.contains(&expected), "{who}: {ended}");
        let seen = server.wait().stdout;
        assert!(seen.contains("failed") && !seen.contains("secret"), "{who}: {seen}");
        assert!(!told(&host, who).iter().any(|line| line.starts_with("tls_completed")));
    };
    check("name", &files.server, "profile=trusts name=other.example", "FailureKind::WrongName");
    check(
        "address",
        &files.stranger,
        "profile=trusts name=127.0.0.1",
        "FailureKind::UnknownAuthority",
    );
    check("stranger", &files.stranger, "profile=trusts", "FailureKind::UnknownAuthority");
    check("expired", &expired, "profile=trusts", "FailureKind::Expired");
    // Without a profile the system's authorities are used, which do not include that of a test.
    check("system", &files.server, "", "FailureKind::UnknownAuthority");
    // The right server gets data, also by its address.
    let (_server, port) = files.server(&files.server, &[]);
    let ended = go(&host, "good", &format!("port={port} say=x profile=trusts name=127.0.0.1"));
    assert!(ended.contains("unbind peer-closed"), "{ended}");
}

#[test]
fn a_client_shows_the_certificate_of_its_profile() {
    let files = Files::new();
    let host = files.client();
    let ca = format!("ca={}", files.file("ca.pem"));
    for version in ["1.2", "1.3"] {
        let words = [&*ca, &format!("max={version}")];
        let (server, port) = files.server(&files.server, &words);
        let who = format!("shows{version}");
        let ended = go(&host, &who, &format!("port={port} say=x profile=shows"));
        assert!(ended.contains("unbind peer-closed"), "{ended}");
        assert!(server.wait().stdout.contains(" client.example\nline x"), "{version}");
        let (server, port) = files.server(&files.server, &words);
        let who = format!("none{version}");
        let ended = go(&host, &who, &format!("port={port} say=x profile=trusts"));
        assert!(ended.contains(" failure=") || ended.contains("unbind reset"), "{ended}");
        assert!(server.wait().stdout.contains("failed"), "{version}");
    }
}

/// The plugin's own verdict: in addition to the host's, or alone if the operator allows it.
#[test]
fn a_plugin_judges_certificates() {
    let files = Files::new();
    let host = files.client();
    let check = |who: &str, certified: &Certified, words: &str, expected: &[&str]| {
        for version in ["1.2", "1.3"] {
            let who = format!("{who}{version}");
            let (server, port) = files.server(certified, &[&format!("max={version}")]);
            let ended = go(&host, &who, &format!("port={port} say=x {words}"));
            drop(server);
            let lines = told(&host, &who).join("\n");
            for expected in expected {
                assert!(
                    lines.contains(expected),
                    "{who}: `{expected}` is not in\n{lines}\n{ended}"
                );
            }
        }
    };
    let taken = ["verify_peer 1 true", "tls_completed", "receive_data \"hello x\\n\""];
    let not_taken = ["verify_peer 1 true", "unbind failed failure=FailureKind::NotTaken"];
    check("both-yes", &files.server, "profile=trusts verify=both takes=yes", &taken);
    check("both-no", &files.server, "profile=trusts verify=both", &not_taken);
    // The host's verification comes first.
    let unknown = ["unbind failed failure=FailureKind::UnknownAuthority"];
    check("both-stranger", &files.stranger, "profile=trusts verify=both takes=yes", &unknown);
    assert!(!told(&host, "both-stranger1.3").iter().any(|line| line.starts_with("verify_peer")));
    check("alone-yes", &files.stranger, "profile=judged verify=plugin takes=yes", &taken);
    check("alone-no", &files.stranger, "profile=judged verify=plugin", &not_taken);
    // With the same profile the host decides for those that request its verification.
    check("alone-host", &files.stranger, "profile=judged takes=yes", &unknown);
    // Other profiles do not allow it.
    let denied = ["start_tls ErrorCode { code: 3, name: \"denied\""];
    check("alone-not", &files.stranger, "profile=trusts verify=plugin takes=yes", &denied);
    let line = host.wait_log("denied");
    let remedy = line.field("remedy").expect("a remedy").to_owned();
    let expected = r#"add `verify = \"plugin\"` under [plugins.tls_starts.tls.trusts] in "#;
    assert!(remedy.starts_with(expected), "{remedy}");
}

#[test]
fn a_client_resumes_its_sessions() {
    let files = Files::new();
    let host = files.client();
    for version in ["1.2", "1.3"] {
        let (server, port) = files.server(&files.server, &["times=2", &format!("max={version}")]);
        for time in ["first", "second"] {
            go(&host, &format!("{time}{version}"), &format!("port={port} say=x profile=trusts"));
        }
        drop(server);
        let resumed = |time: &str| {
            let lines = told(&host, &format!("{time}{version}"));
            lines.iter().any(|line| line.ends_with("resumed=true"))
        };
        assert!(!resumed("first") && resumed("second"), "{version}\n{}", host.printed());
    }
}

/// Whether the peer's stream is complete is reported in either case.
#[test]
fn a_client_tells_a_cut_from_an_end() {
    let files = Files::new();
    let host = files.client();
    for (how, expected) in [
        ("unwrap", "unbind peer-closed failure=none end=said session=had"),
        ("cut", "unbind reset failure=none end=cut session=had"),
        ("leave", "unbind closed failure=none end=none session=had"),
    ] {
        let (server, port) = files.server(&files.server, &[&format!("end={how}")]);
        let ended = go(&host, how, &format!("port={port} say=x profile=trusts"));
        assert!(ended.contains(expected), "{how}: {ended}");
        if how == "leave" {
            assert!(server.wait().stdout.contains("ended said"));
        }
    }
}

#[test]
fn a_client_gives_up_what_is_no_tls() {
    let files = Files::new();
    let host = files.host(|plugin| plugin.limit("handshake_deadline", "\"400ms\""));
    let (_plain, port) = files.server(&files.server, &["plain=yes"]);
    let ended = go(&host, "plain", &format!("port={port} profile=trusts"));
    assert!(ended.contains("unbind failed failure=FailureKind::NotTls end=none"), "{ended}");
    let (_mute, port) = files.server(&files.server, &["mute=yes"]);
    let ended = go(&host, "mute", &format!("port={port} profile=trusts"));
    assert!(ended.contains("unbind limit failure=FailureKind::TooLate end=none"), "{ended}");
    assert_eq!(host.wait_log("at a limit").field("limit"), Some("handshake_deadline"));
    // One that leaves.
    let server = sandloop_tests::Server::tcp();
    let port = port_of(server.address()).to_owned();
    let mut commands = host.connect("tls_starts");
    commands.send(format!("who=gone port={port} profile=trusts\n"));
    let mut peer = server.accept();
    // The beginning of its hello.
    peer.expect_count(5);
    peer.reset();
    let ended = host.wait_printed_start("gone unbind");
    assert!(ended.contains("unbind reset failure=FailureKind::Cut"), "{ended}");
}

/// Data that was sent before TLS is sent unencrypted, in order, and no later data is.
#[test]
fn what_was_sent_before_goes_out_before() {
    let files = Files::new();
    let host = files.client();
    let (server, port) = files.server(&files.server, &["word=yes"]);
    // The server answers before it begins TLS, so that the two do not wait for each other.
    let words = format!("port={port} profile=trusts when=post_init plain=STARTTLS say=x");
    let ended = go(&host, "plain", &words);
    let seen = server.wait().stdout;
    assert!(seen.contains("word STARTTLS"), "{seen}");
    // Its unencrypted answer is not taken for data of the TLS session: it breaks the handshake.
    assert!(ended.contains("failure=FailureKind::NotTls"), "{ended}");
    assert!(!told(&host, "plain").iter().any(|line| line.contains("220")));
}

#[test]
fn a_server_begins_after_a_word_or_at_once() {
    let files = Files::new();
    let host = files.gate(&[("alpn", "one,two")]);
    for version in ["1.2", "1.3"] {
        let words = ["word=yes", &format!("max={version}"), "alpn=two,three"];
        let seen = files.ask(&host, &words);
        assert_eq!(seen, format!("220 go on\nTLSv{version} two\nhello"), "{}", host.printed());
    }
    host.wait_printed_start("gate tls_completed TLSv1.3 TLS_");
    let completed = host.wait_printed_start("gate tls_completed TLSv1.2");
    assert!(completed.contains(" alpn=two sni=localhost certificates=0 "), "{completed}");
    assert!(host.wait_printed_start("gate unbind").contains("peer-closed failure=none end=said"));
    let host = files.gate(&[("at", "post_init")]);
    assert_eq!(files.ask(&host, &["more=yes"]), "TLSv1.3 None\nwelcome\nhello");
}

/// A listener of a plugin has TLS from the first byte of its connections on, by a profile of the operator's.
#[test]
fn a_listener_of_a_plugins_own_has_tls() {
    let files = Files::new();
    let host = files.host(|plugin| plugin.allow("listen", &["127.0.0.1:*"]));
    host.connect("tls_starts").send("serve=yes\n");
    let line = host.wait_printed_start("serves at ");
    let port = line.rsplit(' ').next().expect("a port").to_owned();
    for version in ["1.2", "1.3"] {
        let mut command = script("start_tls.py");
        command.args(["ask", "more=yes", &format!("port={port}"), &format!("max={version}")]);
        command.arg(format!("ca={}", files.file("ca.pem")));
        let seen = finish(command).stdout;
        assert_eq!(seen.trim_end(), format!("TLSv{version} None\nwelcome\nhello"));
    }
}

/// Every byte in both directions, in pieces of any size.
#[test]
fn much_goes_through_a_session_that_a_plugin_began() {
    let files = Files::new();
    let host = files.gate(&[("quiet", "yes")]);
    for version in ["1.2", "1.3"] {
        let words = ["word=yes", &format!("max={version}"), "bytes=67108864"];
        let seen = files.ask(&host, &words);
        assert_eq!(seen, format!("220 go on\nTLSv{version} None\nsame"), "{}", host.printed());
        assert!(host.wait_printed_start("gate unbind").contains("failure=none end=said"));
    }
}

/// The same in C, by a component whose world has the export `tls-handler`.
#[test]
fn a_plugin_in_c_begins_tls_is_told_and_judges() {
    let files = Files::new();
    let Certified { certificate, key } = &files.server;
    let ca = files.file("ca.pem");
    let profile = format!(
        "{{ server = {{ certificate = {certificate:?}, key = {key:?}, client_ca = {ca:?}, client_certificate = \"request\" }} }}"
    );
    let plugin = Plugin::new("c_starttls").key("tls", profile);
    let host = Host::start(&Config::serving(plugin));
    let ask = |words: &[&str]| {
        let mut command = script("start_tls.py");
        let address = host.address("c_starttls");
        command.args(["ask", "word=yes", "more=yes", &format!("port={}", port_of(&address))]);
        command.arg(format!("ca={ca}")).args(words);
        finish(command).stdout.trim_end().to_owned()
    };
    for (version, told) in [("1.2", "TLS 1.2"), ("1.3", "TLS 1.3")] {
        let seen = ask(&[&format!("max={version}")]);
        assert_eq!(seen, format!("220 go on\nTLSv{version} None\n{told}\nhello"));
    }
    // A client with a certificate has the right one: the other is from the same authority.
    let shows = |of: &Certified| {
        let (certificate, key) = (of.certificate.display(), of.key.display());
        ask(&[&format!("cert={certificate}"), &format!("key={key}"), "max=1.2"])
    };
    assert_eq!(shows(&files.client), "220 go on\nTLSv1.2 None\nTLS 1.2\nhello");
    let seen = shows(&files.server);
    assert!(seen.starts_with("220 go on\nfailed"), "{seen}");
}

/// The vulnerability of many servers (CVE-2011-0411 and similar): unencrypted data behind `STARTTLS` must not be read as if it
/// had come through TLS.
#[test]
fn nothing_in_plain_gets_into_the_session() {
    let files = Files::new();
    let host = files.gate(&[]);
    // In one piece the plugin sees it, and refuses.
    let seen = files.ask(&host, &["word=yes", "behind=DELETE"]);
    assert_eq!(seen, "501 nothing stands behind STARTTLS\nend");
    // A later piece is no handshake: it ends the handshake, and is not delivered.
    let mut peer = host.connect("tls_starts");
    peer.send("STARTTLS\n");
    peer.expect("220 go on\n");
    peer.send("DELETE everything\n");
    // An unencrypted alert, as usual at this stage, and the end.
    assert_eq!(peer.rest().first(), Some(&0x15));
    let ended = host.wait_printed_start("gate unbind failed");
    assert!(ended.contains("failure=FailureKind::NotTls"), "{ended}");
    assert!(!host.printed().contains("DELETE"), "{}", host.printed());
}

#[test]
fn a_server_judges_its_clients() {
    let files = Files::new();
    let cert = |it: &Certified| {
        [format!("cert={}", it.certificate.display()), format!("key={}", it.key.display())]
    };
    let ask = |host: &Host, shown: &[String]| {
        let words: Vec<&str> =
            ["max=1.2"].into_iter().chain(shown.iter().map(String::as_str)).collect();
        files.ask(host, &[&words[..], &["more=yes"]].concat())
    };
    let good = "TLSv1.2 None\nwelcome\nhello";
    // By the operator's authority, requested and not required.
    let host = files.gate(&[("at", "post_init"), ("profile", "asks")]);
    assert_eq!(ask(&host, &[]), good);
    assert_eq!(ask(&host, &cert(&files.client)), good);
    // Of each: the handshake, a line and the end.
    let printed = host.wait_printed_lines(6);
    let has_shown = |line: &&String| line.contains(" certificates=") && !line.contains("=0 ");
    assert_eq!(printed.iter().filter(has_shown).count(), 1, "{printed:?}");
    assert!(ask(&host, &cert(&files.stranger)).starts_with("failed"));
    // By the plugin: any client with a certificate.
    for (takes, good_end) in [("yes", true), ("no", false)] {
        let options = [("at", "post_init"), ("profile", "judged-server"), ("verify", "plugin")];
        let host = files.gate(&[&options[..], &[("takes", takes)]].concat());
        let seen = ask(&host, &cert(&files.stranger));
        assert_eq!(seen == good, good_end, "{takes}: {seen}");
        host.wait_printed("gate verify_peer 1 true");
        let kind = if good_end { "failure=none" } else { "failure=FailureKind::NotTaken" };
        assert!(host.wait_printed_start("gate unbind").contains(kind));
        // A client without one is refused.
        assert!(ask(&host, &[]).starts_with("failed"));
    }
}

/// Behind a `tls://` listener the same is reported and can be queried.
#[test]
fn a_listener_with_tls_is_told_of_too() {
    let files = Files::new();
    let listen = Listen::at("tls://127.0.0.1:0", "tls_starts")
        .key("handler", "\"gate\"")
        .key("alpn", r#"["one"]"#)
        .certified(&files.server);
    let host = Host::start(&Config::new().plugin(files.plugin()).listen(listen));
    assert!(files.ask(&host, &["alpn=one", "max=1.2"]).starts_with("TLSv1.2 one\n501"));
    let completed = host.wait_printed_start("gate tls_completed TLSv1.2 TLS_ECDHE_");
    assert!(completed.contains("alpn=one sni=localhost certificates=0 resumed=false"));
    assert!(host.wait_printed_start("gate unbind").contains("unbind closed failure=none"));
}

/// EventMachine aborts its process for some of these; here each is an error for the plugin, which continues.
#[test]
fn every_misuse_is_an_error() {
    let files = Files::new();
    let listen = Listen::tcp("tls_starts").key("handler", "\"misuse\"");
    let udp = Listen::at("udp://127.0.0.1:0", "tls_starts").key("handler", "\"datagrams\"");
    let host = Host::start(&Config::new().plugin(files.plugin()).listen(listen).listen(udp));
    host.connect("tls_starts").send("now\n");
    host.wait_printed_start("stale None");
    let printed = host.printed();
    let mut lines = printed.lines();
    let mut check = |what: &str, answer: &str| {
        let line = lines.next().unwrap_or_default();
        let code = format!("name: \"{answer}\"");
        let is_it = line.contains(&code) || line == format!("{what} {answer}");
        assert!(line.starts_with(what) && is_it, "`{what}`, `{answer}`: `{line}`\n{printed}");
    };
    check("before", "None None");
    check("before", "StreamEnd::None None");
    check("unknown profile", "denied");
    check("no certificate", "denied");
    for what in ["many", "empty", "long"] {
        check(what, "invalid-argument");
    }
    check("plugin decides", "denied");
    for _ in 0..6 {
        check("name", "invalid-argument");
    }
    check("unknown", "denied");
    check("first", "Ok(())");
    check("second", "unsupported");
    check("other", "unsupported");
    check("closing", "closing");
    check("closed", "closed");
    check("unbind", "closed");
    check("stale", "closed");
    check("stale", "None StreamEnd::None");
    let denied = host.wait_log("denied");
    assert_eq!(denied.field("call"), Some("tls.start-tls"));
    let addresses = host.addresses("tls_starts");
    let udp = addresses.iter().find_map(|it| it.strip_prefix("udp://")).expect("a UDP listener");
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.send_to(b"x", udp).expect("it is sent");
    let told = host.wait_printed_start("datagrams ");
    assert!(told.contains("name: \"unsupported\""), "{told}");
}

/// With OpenSSL's own peers; a renegotiation is refused, without harm to others.
#[test]
fn openssl_on_either_side() {
    let files = Files::new();
    let host = files.client();
    let mut command = Command::new("openssl");
    command.args(["s_server", "-accept", "127.0.0.1:0", "-naccept", "1", "-rev", "-tls1_3"]);
    command.arg("-cert").arg(&files.server.certificate).arg("-key").arg(&files.server.key);
    let server = Running::spawn(command);
    let line = server.line("ACCEPT");
    let port = port_of(&line).to_owned();
    host.connect("tls_starts").send(format!("who=rev port={port} profile=trusts say=abc\n"));
    host.wait_printed("rev receive_data \"cba\\n\"");

    let gate = files.gate(&[("at", "post_init")]);
    // One that does not end by itself ends when it has sent everything.
    let client = |version: &str, input: &str, until: &str, ends_of_itself: bool| {
        let mut command = Command::new("openssl");
        let address = gate.address("tls_starts");
        let address = address.strip_prefix("tcp://").expect("TCP");
        command.args(["s_client", "-connect", address, "-servername", "localhost", version]);
        command.args(["-verify_return_error", "-CAfile"]).arg(files.path().join("ca.pem"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("openssl runs");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(input.as_bytes()).expect("it reads");
        gate.wait_printed_start(until);
        let stdin = ends_of_itself.then_some(stdin);
        let output = child.wait_with_output().expect("it ends");
        drop(stdin);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr))
    };
    let (said, _) = client("-tls1_3", "hello\n", "gate receive_data \"hello\\n\"", false);
    assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
    gate.wait_printed_start("gate unbind");
    let (_, errors) = client("-tls1_2", "R\n", "gate tls_completed TLSv1.2", true);
    // Output of the gate may come first, which a renegotiating client does not accept.
    let is_refused = ["no renegotiation", "unexpected record"].iter().any(|it| errors.contains(it));
    assert!(errors.contains("RENEGOTIATING") && is_refused, "{errors}");
    assert_eq!(files.ask(&gate, &["more=yes"]), "TLSv1.3 None\nwelcome\nhello");
}

#[test]
fn eventmachine_on_either_side() {
    let files = Files::new();
    let ruby = |words: &[&str]| {
        let mut command = Command::new("ruby");
        command.arg(workspace().join("tests/peers/em_tls.rb")).args(words).stdin(Stdio::null());
        command
    };
    let gate = files.gate(&[("at", "post_init")]);
    let address = gate.address("tls_starts");
    let seen = finish(ruby(&["client", port_of(&address)])).stdout;
    assert!(seen.starts_with("completed TLSv1.3 true"), "{seen}");
    assert!(seen.contains("welcome") && seen.ends_with("unbind\n"), "{seen}");
    let host = files.client();
    let (certificate, key) = (&files.server.certificate, &files.server.key);
    let words = [certificate.to_str().expect("a path"), key.to_str().expect("a path")];
    let server = Running::spawn(ruby(&["server", words[0], words[1]]));
    let port = server.first_line();
    host.connect("tls_starts").send(format!("who=em port={port} profile=trusts say=bye\n"));
    host.wait_printed("em receive_data \"from EventMachine: bye\\n\"");
    let ended = host.wait_printed_start("em unbind");
    assert!(ended.contains("unbind closed failure=none end=none session=had"), "{ended}");
    assert!(server.wait().stdout.contains("completed TLSv1.3 false localhost\nbye\nunbind"));
}

/// Two plugins, without a configured version: both are informed of one session, and each of the other's identity.
#[test]
fn both_ends_are_told_the_same() {
    let files = Files::new();
    let (gate, host) = (files.gate(&[("at", "post_init")]), files.client());
    let address = gate.address("tls_starts");
    let words = format!("port={} profile=trusts say=bye", port_of(&address));
    let ended = go(&host, "both", &words);
    assert!(ended.contains("unbind closed failure=none end=none session=had"), "{ended}");
    let ended = gate.wait_printed_start("gate unbind");
    assert!(ended.contains("unbind peer-closed failure=none end=said session=had"), "{ended}");
    let (client, server) = (told(&host, "both"), told(&gate, "gate"));
    assert!(server.contains(&"receive_data \"bye\\n\"".to_owned()), "{server:?}");
    assert!(client.iter().any(|line| line.contains("welcome")), "{client:?}");
    let session = |lines: &[String]| {
        let line = lines.iter().find(|line| line.starts_with("tls_completed"));
        let (session, names) = line?.split_once(" alpn=")?;
        Some((session.to_owned(), names.to_owned()))
    };
    let (client, server) = (session(&client).expect("told"), session(&server).expect("told"));
    assert_eq!(client.0, server.0, "version, cipher and bits");
    assert!(client.0.starts_with("tls_completed TLSv1.3 TLS_AES_256_GCM_SHA384 256"), "{client:?}");
    assert_eq!(client.1, " sni=localhost certificates=1 resumed=false");
    assert_eq!(server.1, " sni=localhost certificates=0 resumed=false");
}

/// New files of a profile are used without a restart.
#[test]
fn new_certificates_of_a_profile_are_taken() {
    let files = Files::new();
    let host = files.gate(&[("at", "post_init")]);
    let wanted = ["name=new.example", "more=yes"];
    assert!(files.ask(&host, &wanted).starts_with("failed"));
    files.authority.certify(files.path(), "server", &["localhost", "new.example"]);
    let line = host.wait_log("new certificates:");
    assert_eq!(line.field("plugin"), Some("tls_starts"));
    assert_eq!(files.ask(&host, &wanted), "TLSv1.3 None\nwelcome\nhello");
}

/// Clients that never complete, of a plugin and to one: a neighbour is answered.
#[test]
fn handshakes_that_stand_still_harm_no_neighbour() {
    let files = Files::new();
    let go = Listen::tcp("tls_starts").key("handler", "\"go\"");
    let gate = Listen::tcp("tls_starts").key("handler", "\"gate\"").option("at", "post_init");
    let plugin = files.plugin().limit("handshake_deadline", "\"300ms\"");
    let config = Config::serving(Plugin::new("echo")).plugin(plugin).listen(go).listen(gate);
    let host = Host::start(&config);
    let mut neighbour = host.connect("echo");
    let (_mute, port) = files.server(&files.server, &["mute=yes", "times=100"]);
    let [go, gate] = &*host.addresses("tls_starts") else { panic!("two listeners") };
    let mut commands = Peer::connect(go);
    let mut held = Vec::new();
    for number in 0..100 {
        commands.send(format!("who=n{number} port={port} profile=trusts\n"));
        let mut half = Peer::connect(gate);
        half.try_send(&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..]);
        held.push(half);
        neighbour.expect_echo("still here\n");
    }
    for number in 0..100 {
        let ended = host.wait_printed_start(&format!("n{number} unbind"));
        assert!(ended.contains("unbind limit failure=FailureKind::TooLate"), "{ended}");
    }
    held.iter_mut().for_each(Peer::expect_closed);
    neighbour.expect_echo("and still\n");
}
