//! The six samples, which are the templates of `sandloop new`: in every language with the same expectations, over real sockets.
//! `cargo xtask samples` builds them; their transcripts have the same expectations on a virtual clock.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sandloop_testkit::cases::{self, Case};
use sandloop_tests::paths::workspace;
use sandloop_tests::{Config, Host, Isolation, Listen, Peer, Plugin, Server};

use crate::http::{status, statuses_of, without_dates};

/// A module of tests for each language, and a test that no folder is missing.
macro_rules! languages {
    ($($language:ident),+ $(,)?) => {
        $(mod $language {
            languages!(@tests $language: echo, chat, lines, client, deferred, http);
        })+

        #[test]
        fn no_language_is_left_out() {
            let tested = [$(stringify!($language)),+];
            let folders = fs::read_dir(workspace().join("sdk")).expect("it is there");
            for folder in folders.map(|entry| entry.expect("a folder").path()) {
                if folder.join("language.toml").exists() {
                    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                    assert!(tested.contains(&name), "{name} has a language.toml and no tests here");
                }
            }
        }
    };
    (@tests $language:ident: $($sample:ident),+) => {
        $(#[test]
        fn $sample() {
            for isolation in super::isolations(stringify!($sample)) {
                super::$sample(&super::sample(stringify!($language), stringify!($sample)), *isolation);
            }
        })+
    };
}

languages!(rust, c, cpp, javascript, python, zig, go, assemblyscript);

/// A program exists in one isolation only.
fn isolations(sample: &str) -> &'static [Isolation] {
    if sample == "client" {
        &[Isolation::Plugin]
    } else {
        &[Isolation::Connection, Isolation::Plugin]
    }
}

/// The component of a sample, at the path in its project.
fn sample(language: &str, sample: &str) -> PathBuf {
    let project = workspace().join(format!("target/samples/{language}-{sample}"));
    let file = project.join("plugins.toml");
    let toml = fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask samples`", file.display()));
    let component = toml.lines().find_map(|line| line.strip_prefix("component = \""));
    let component = component.and_then(|rest| rest.split('"').next()).expect("it names one");
    project.join(component)
}

/// One of them, with long deadlines: an interpreter's first start is slow.
fn plugin(component: &Path, isolation: Isolation) -> Plugin {
    Plugin::named("it", component)
        .isolation(isolation)
        .limit("memory", "\"256MiB\"")
        .limit("cpu_per_operation", "\"20s\"")
        .limit("operation_deadline", "\"60s\"")
}

fn serve(plugin: Plugin) -> Host {
    Host::start(&Config::new().host("reactors", "1").plugin(plugin).listen(Listen::tcp("it")))
}

fn echo(component: &Path, isolation: Isolation) {
    let host = serve(plugin(component, isolation));
    let mut peers: Vec<Peer> = (0..3).map(|_| host.connect("it")).collect();
    for (number, peer) in peers.iter_mut().enumerate() {
        peer.expect_echo("hello");
        let bytes: Vec<u8> = (0..=255).cycle().take(40_000 * (1 + number)).collect();
        peer.expect_echo(&bytes);
    }
    for peer in &mut peers {
        peer.finish();
        peer.expect_end();
    }
    host.stop();
}

fn chat(component: &Path, isolation: Isolation) {
    let host = serve(plugin(component, isolation));
    let [mut one, mut two, mut three] = [(); 3].map(|()| host.connect("it"));
    // A slow sandbox may be ready after one that was accepted later.
    all_hear(&mut [&mut one, &mut two, &mut three]);
    one.send("in pie");
    two.send("quick\n");
    one.expect("quick\n");
    three.expect("quick\n");
    one.send("ces\r\nand two at once\n");
    for other in [&mut two, &mut three] {
        other.expect("in pieces\nand two at once\n");
    }
    // Neither to its sender nor to closed connections.
    drop(two);
    three.send("bye\n");
    one.expect("bye\n");
    three.expect_nothing_yet();
    host.stop();
}

/// Has each client send until another one gets it, and reads everything that was sent meanwhile.
fn all_hear(peers: &mut [&mut Peer]) {
    const WHILE: Duration = Duration::from_millis(50);
    for listener in 0..peers.len() {
        let speaker = (listener + 1) % peers.len();
        loop {
            peers[speaker].send("is anybody there?\n");
            if !peers[listener].is_silent_for(WHILE) {
                break;
            }
        }
    }
    for speaker in 0..peers.len() {
        let last = format!("{speaker} is ready");
        peers[speaker].send(format!("{last}\n"));
        for listener in (0..peers.len()).filter(|listener| *listener != speaker) {
            while peers[listener].line() != last {}
        }
    }
}

fn lines(component: &Path, isolation: Isolation) {
    let host = serve(plugin(component, isolation));
    let mut idle = host.connect("it");
    idle.send("one\n");
    idle.expect("one\n");
    let mut peer = host.connect("it");
    peer.send("t");
    peer.send("wo\r\nthree\n\n");
    peer.expect("two\nthree\n\n");
    peer.send("quit\n");
    peer.expect("bye\n");
    peer.expect_end();
    // Five seconds without a line.
    idle.expect("bye\n");
    idle.expect_end();
    host.stop();
}

fn client(component: &Path, isolation: Isolation) {
    let server = Server::tcp();
    let address = format!("127.0.0.1:{}", server.port());
    let plugin = plugin(component, isolation).option("server", &address);
    let host = Host::start(&Config::new().plugin(plugin.may_connect(&[&address]).may_stop()));
    // After an end without an answer the client tries again in a second.
    let mut first = server.accept();
    first.expect("hello\n");
    drop(first);
    let mut second = server.accept();
    second.expect("hello\n");
    second.send("welcome\nand more\n");
    let line = host.wait_line("the answer", |line| line.message().starts_with("answer: welcome"));
    assert_eq!(line.field("plugin"), Some("it"), "{line}");
    second.expect_closed();
    let outcome = host.wait_exit();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}

fn deferred(component: &Path, isolation: Isolation) {
    let host = serve(plugin(component, isolation));
    let mut peer = host.connect("it");
    let cases = [
        ("10", "4"),
        ("0", "0"),
        ("3", "1"),
        ("20000", "2262"),
        ("x", "error: not a number"),
        ("", "error: not a number"),
        ("-1", "error: not a number"),
        ("1000001", "error: too large"),
    ];
    for (line, answer) in cases {
        peer.send(format!("{line}\n"));
        peer.expect(format!("{answer}\n"));
    }
    // Many at once, whose answers come as they are ready.
    peer.send("100\n".repeat(20));
    peer.expect("25\n".repeat(20));
    host.stop();
}

fn http(component: &Path, isolation: Isolation) {
    let host = serve(plugin(component, isolation));
    content_comes_back(&host);
    let cases = cases::read(&workspace().join("codecs/http/tests/corpus/requests"));
    let wrong: Vec<String> = cases.iter().filter_map(|case| differs(&host, case)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    host.stop();
}

/// Large and in pieces, and many requests at once.
fn content_comes_back(host: &Host) {
    let mut peer = host.connect("it");
    let content = "0123456789abcde\n".repeat(20_000);
    let head =
        format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", content.len());
    for byte in head.bytes() {
        peer.send([byte]);
    }
    for piece in content.as_bytes().chunks(7_001) {
        peer.send(piece);
    }
    let many = 200;
    peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(many));
    peer.send("GET /gone HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let answer = |status: &str, content: &str, more: &str| {
        let length = content.len();
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n{more}\r\n{content}"
        )
    };
    let expected = answer("200 OK", &content, "") + &answer("200 OK", "hello\n", "").repeat(many);
    let expected = expected + &answer("404 Not Found", "not found\n", "Connection: close\r\n");
    assert!(without_dates(&peer.rest()) == expected, "something else came back");
}

/// The answers to a case of the codec's corpus, if they differ from the codec's.
fn differs(host: &Host, case: &Case) -> Option<String> {
    // The extensions of a chunk have no meaning: a server that skips them understands the message as well.
    let of_extensions =
        ["an extension with", "nothing behind a semicolon", "a name that is no token"];
    if of_extensions.iter().any(|words| case.name.contains(words)) {
        return None;
    }
    let mut peer = host.connect("it");
    // After an early refusal the rest is not read.
    peer.try_send(&case.bytes);
    peer.try_finish();
    let answers = without_dates(&peer.rest());
    let came: Vec<&str> = answers.split("HTTP/1.1 ").filter_map(status).map(answered).collect();
    let expected: Vec<&str> = statuses_of(&case.expected).into_iter().map(answered).collect();
    (came != expected).then(|| format!("{}: {expected:?} and not {answers:?}", case.name))
}

/// The answer of a sample to a valid request.
fn answered(status: &str) -> &str {
    if matches!(status, "404" | "405") { "200" } else { status }
}
