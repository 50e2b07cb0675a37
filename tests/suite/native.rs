//! SDKs that have the contract's binary interface written by hand: arguments and results of each call, and the effects of
//! mistakes.

use std::fs;
use std::net::UdpSocket;
use std::process::Command;

use rustix::process::Signal;
use sandloop_tests::certificates::Authority;
use sandloop_tests::{Config, Host, Isolation, Listen, PATIENCE, Peer, Plugin, Server, sandloop};

/// Makes a test of a function for each SDK, by the component that knows the commands; after `near memory`, for the languages
/// whose mistakes concern memory.
macro_rules! each_sdk {
    (near memory: $($check:ident),+ $(,)?) => {
        $(mod $check {
            each_sdk!(@near_memory $check);
        })+
    };
    (@near_memory $check:ident) => {
        #[test]
        fn c() {
            super::$check("c_calls");
        }

        #[test]
        fn cpp() {
            super::$check("cpp_calls");
        }

        #[test]
        fn zig() {
            super::$check("zig_calls");
        }
    };
    ($($check:ident),+ $(,)?) => {
        $(mod $check {
            each_sdk!(@near_memory $check);

            #[test]
            #[ignore = "`cargo xtask languages` builds the component and runs it"]
            fn go() {
                super::$check("go_calls");
            }

            #[test]
            #[ignore = "`cargo xtask languages` builds the component and runs it"]
            fn assembly_script() {
                super::$check("assemblyscript_calls");
            }
        })+
    };
}

fn plugin(guest: &str) -> Plugin {
    let allowed = ["127.0.0.1:0", "udp:127.0.0.1:0"];
    Plugin::new(guest)
        .isolation(Isolation::Plugin)
        .option("first", "1")
        .option("empty", "")
        .may_connect(&["127.0.0.1:*", "unix:/nowhere/*"])
        .allow("listen", &allowed)
        .allow("read", &["./data"])
        .may_stop()
}

fn serving(guest: &str) -> Host {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::create_dir(dir.path().join("data")).expect("a new folder");
    fs::write(dir.path().join("data/file"), "abcdef").expect("a new file");
    let listen = Listen::tcp(guest).key("handler", "\"calls\"").option("color", "red");
    let listen = listen.option("other", "");
    Host::start_in(dir, &Config::new().plugin(plugin(guest)).listen(listen))
}

/// The answer to a command.
#[track_caller]
fn ask(peer: &mut Peer, word: &str) -> String {
    peer.send(format!("{word}\n"));
    peer.line().trim_end().to_owned()
}

/// The answers to commands, one line each.
#[track_caller]
fn expect(peer: &mut Peer, answers: &[(&str, &str)]) {
    for (word, answer) in answers {
        assert_eq!(ask(peer, word), *answer, "to {word}");
    }
}

fn port_of(address: &str) -> &str {
    address.rsplit([':', ' ']).next().expect("an address has a port")
}

each_sdk!(
    a_socket_says_what_it_is,
    options_are_read,
    listeners_are_opened,
    datagrams_go_both_ways,
    files_go_out,
    files_are_watched,
    connections_are_made,
    time_passes,
    work_is_deferred,
    messages_are_heard,
    processes_are_told,
    a_session_is_described,
    what_is_not_allowed_has_its_code,
    the_last_word_is_said,
    a_line_has_a_bound,
);

each_sdk!(near memory: a_mistake_costs_one_message, a_handler_that_is_not_there);

fn a_socket_says_what_it_is(guest: &str) {
    let host = serving(guest);
    let mut peer = host.connect(guest);
    let (here, there) = (peer.local_address(), host.address(guest));
    let at = |address: &str| format!("tcp 127.0.0.1 {}", port_of(address));
    expect(
        &mut peer,
        &[
            ("peer", &at(&here)),
            ("local", &at(&there)),
            ("numbers", "70000 0 6 1 1"),
            ("states", "1 0 0 1"),
            ("keepalive", "0 1 11 12 13 0 0 0 0"),
            ("count", "1"),
            ("what", "what?"),
        ],
    );
    peer.send("half\n");
    peer.expect_end();
}

fn options_are_read(guest: &str) {
    let host = serving(guest);
    let mut peer = host.connect(guest);
    let listener = format!("{} red", host.address(guest));
    expect(
        &mut peer,
        &[
            ("listener", &listener),
            ("option first", "1"),
            ("option empty", ""),
            ("option missing", "none"),
            ("options", "empty=;first=1;"),
        ],
    );
}

fn listeners_are_opened(guest: &str) {
    let host = serving(guest);
    let mut peer = host.connect(guest);
    let address = ask(&mut peer, "server");
    let port = port_of(&address);
    let mut other = Peer::connect(&format!("tcp://127.0.0.1:{port}"));
    let seen = ask(&mut other, "listener");
    assert_eq!(seen, format!("tcp://127.0.0.1:{port} blue"));
}

fn datagrams_go_both_ways(guest: &str) {
    let host = serving(guest);
    let mut peer = host.connect(guest);
    let address = ask(&mut peer, "datagrams");
    assert!(address.starts_with("udp 127.0.0.1 "), "{address}");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(PATIENCE)).expect("it is a time");
    socket.connect(format!("127.0.0.1:{}", port_of(&address))).expect("it is there");
    let mut buffer = [0; 16];
    for (sent, came) in [("answer", "answer"), (">sent", "sent")] {
        socket.send(sent.as_bytes()).expect("it goes out");
        let size = socket.recv(&mut buffer).expect("it comes back");
        assert_eq!(&buffer[..size], came.as_bytes());
    }
}

fn files_go_out(guest: &str) {
    let host = serving(guest);
    let mut peer = host.connect(guest);
    // The confirmation is sent behind it.
    expect(&mut peer, &[("file data/file", "abcdefok")]);
    peer.expect("sent ok 6\n");
    expect(&mut peer, &[("part data/file", "bcdok")]);
    peer.expect("sent ok 3\n");
    expect(&mut peer, &[("file data/none", "ok")]);
    peer.expect("sent not-found 0\n");
    expect(&mut peer, &[("version data/file", "ok")]);
    peer.expect("sent changed 0\n");
}

fn files_are_watched(guest: &str) {
    let host = serving(guest);
    let mut peer = host.connect(guest);
    expect(&mut peer, &[("watch data/none", "0")]);
    peer.expect("ended not-found\n");
    expect(&mut peer, &[("watch data/file", "0")]);
    fs::remove_file(host.dir().join("data/file")).expect("it is there");
    // The watch begins a moment after the request: then the file may be missing.
    let told = peer.line();
    assert!(["deleted ok", "ended not-found"].contains(&&*told), "{told}");
}

fn connections_are_made(guest: &str) {
    let host = serving(guest);
    let mut peer = host.connect(guest);
    let server = Server::tcp();
    for word in [format!("connect 127.0.0.1:{}", server.port()), format!("from {}", server.port())]
    {
        expect(&mut peer, &[(&word, "ok")]);
        let mut other = server.accept();
        peer.expect("connected 0\n");
        other.send("bytes");
        peer.expect("bytes\nproxied 5\nunbound closed\n");
    }
    expect(&mut peer, &[("connect 127.0.0.1:1", "ok")]);
    peer.expect("unbound refused\n");
    expect(&mut peer, &[("unix /nowhere/socket", "ok")]);
    peer.expect("unbound refused\n");
    expect(&mut peer, &[("connect nothing", "invalid-argument"), ("again", "ok")]);
    peer.expect("again 3 refused kept\n");
}

fn time_passes(guest: &str) {
    let host = serving(guest);
    let mut peer = host.connect(guest);
    expect(&mut peer, &[("timer 1", "fired"), ("tick", "fired"), ("zero", "1")]);
    host.wait_line("the words of the refusal", |line| line.message().contains("invalid-argument"));
    // A periodic timer reports its third expiry on a channel.
    expect(
        &mut peer,
        &[("subscribe", "1 1"), ("periodic", "heard three"), ("cancelled", "cancelled")],
    );
    // A timer that outlives its connection is not called.
    peer.send("timer 100\nquit\n");
    peer.expect_end();
    expect(&mut host.connect(guest), &[("timer 200", "fired")]);
}

fn work_is_deferred(guest: &str) {
    let host = serving(guest);
    let mut peer = host.connect(guest);
    expect(&mut peer, &[("defer abc", "ok")]);
    peer.expect("done 0 cba\n");
    expect(&mut peer, &[("defer", "ok")]);
    peer.expect("done 1 nothing to turn\n");
    expect(&mut peer, &[("defer trap", "ok")]);
    peer.expect("done 2 the operation trapped\n");
}

fn messages_are_heard(guest: &str) {
    let host = serving(guest);
    let (mut one, mut two) = (host.connect(guest), host.connect(guest));
    expect(&mut one, &[("subscribe", "1 1")]);
    expect(&mut two, &[("subscribe", "2 1"), ("push to all", "heard to all")]);
    one.expect("heard to all\n");
    one.send("others but one\n");
    two.expect("heard but one\n");
    expect(&mut two, &[("unsubscribe", "1")]);
    expect(&mut one, &[("push again", "heard again")]);
    expect(&mut one, &[("item first", "ok"), ("pop", "1 0")]);
    one.expect("popped first\n");
    expect(&mut one, &[("pop", "1 0")]);
    expect(&mut two, &[("item second", "ok")]);
    one.expect("popped second\n");
}

fn processes_are_told(guest: &str) {
    let host = serving(guest);
    let mut peer = host.connect(guest);
    expect(&mut peer, &[("subscribe", "1 1"), ("spawn", "ok")]);
    let mut told = [peer.line(), peer.line()];
    told.sort();
    assert_eq!(told, ["exited 1 0", "heard given told"]);
    expect(&mut peer, &[("kill", "exited 1 1")]);
}

fn a_session_is_described(guest: &str) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let certified = Authority::new("ca").certify(dir.path(), "server", &["localhost"]);
    let listen = Listen::at("tls://127.0.0.1:0", guest).key("handler", "\"calls\"");
    let listen = listen.certified(&certified).key("alpn", "[\"words\"]");
    fs::create_dir(dir.path().join("data")).expect("a new folder");
    let host = Host::start_in(dir, &Config::new().plugin(plugin(guest)).listen(listen));
    let port = port_of(&host.address(guest)).to_owned();
    let said = said_by_openssl(&port, &["-alpn", "words", "-servername", "localhost"]);
    assert_eq!(said, "1 0 TLS_AES_256_GCM_SHA384 256 words localhost 0 0");
}

/// The session data of a peer with TLS.
fn said_by_openssl(port: &str, words: &[&str]) -> String {
    let command = format!(
        "printf 'session\\nquit\\n' | openssl s_client -quiet -ciphersuites TLS_AES_256_GCM_SHA384 -connect 127.0.0.1:{port} {} 2>/dev/null",
        words.join(" ")
    );
    let mut shell = Command::new("timeout");
    shell.args(["30", "sh", "-c", &command]);
    let output = shell.output().expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next().unwrap_or_default().to_owned()
}

fn what_is_not_allowed_has_its_code(guest: &str) {
    let host = serving(guest);
    let mut peer = host.connect(guest);
    // `denied` of listeners, `invalid-address` of datagrams, `denied` of connections.
    expect(&mut peer, &[("denied", "1 3 4"), ("file ../secret", "denied")]);
}

fn the_last_word_is_said(guest: &str) {
    let host = serving(guest);
    let mut peer = host.connect(guest);
    // Output without a line end is not lost.
    peer.send("print no end\n");
    host.wait_line("what was printed", |line| line.message().starts_with("no end"));
    host.signal(Signal::TERM);
    peer.expect("draining 1\n");
    peer.expect_end();
    host.wait_log("unbind closed");
}

fn a_mistake_costs_one_message(guest: &str) {
    let zig = guest.starts_with("zig");
    let of = |c: &str, other: &str| if zig { other.to_owned() } else { c.to_owned() };
    let line = format!("calls.{}:", guest.trim_end_matches("_calls"));
    // The command, the log line (Zig's checks add text), and the name in the backtrace.
    let table = [
        ("stale", of("sl_send: this connection has ended", "panic: this connection has ended"), ""),
        ("bounds 4", of("", "panic: index out of bounds: index 4, len 4"), &line),
        ("null 0", of("", "panic: attempt to use null value"), &of(&line, "Calls")),
    ];
    for (word, message, place) in table {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(dir.path().join("data")).expect("a new folder");
        let config = Config::new()
            .plugin(plugin(guest))
            .listen(Listen::tcp(guest).key("handler", "\"calls\""));
        let host = Host::start_in(dir, &config.host("backtraces", "\"lines\""));
        let mut first = host.connect(guest);
        first.send("remember\nquit\n");
        first.expect_end();
        let mut peer = host.connect(guest);
        peer.send(format!("{word}\n"));
        let trapped = host.wait_log("trapped");
        peer.expect_closed();
        if !message.is_empty() {
            host.wait_line(&message, |line| line.message().contains(&message));
        }
        let backtrace = trapped.field("backtrace").unwrap_or_default().to_owned();
        assert!(backtrace.contains(place), "{backtrace}");
    }
}

/// The names are the plugin's own; a wrong one is reported before anything is served.
fn a_handler_that_is_not_there(guest: &str) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::create_dir(dir.path().join("data")).expect("a new folder");
    let listen = Listen::tcp(guest).key("handler", "\"cals\"");
    let toml = Config::new().plugin(plugin(guest)).listen(listen).to_toml();
    fs::write(dir.path().join("plugins.toml"), toml).expect("a new file");
    let outcome = sandloop(dir.path(), &["check", "plugins.toml"]);
    assert_ne!(outcome.code, Some(0));
    for part in ["handler", "cals", "calls", "deaf"] {
        assert!(outcome.stderr.contains(part), "{part}: {}", outcome.stderr);
    }
}

fn a_line_has_a_bound(guest: &str) {
    let host = serving(guest);
    let mut peer = host.connect(guest);
    peer.send("x".repeat(101));
    peer.expect_closed();
    // In the language's own spelling: `max_line`, `SetMaxLine`, `maxLine`.
    let said = |message: &str| message.to_lowercase().replace('_', "").contains("maxline");
    host.wait_line("a line that is too long", |line| said(line.message()));
}

/// A mistake in Go or AssemblyScript, the beginning of its log line, and its place.
const MISTAKES: &[(&str, &str, &str, &str)] = &[
    ("go_trial", "index", "panic: runtime error: index out of range [3] with length 0", "main.go:"),
    (
        "go_trial",
        "nil connection",
        "panic: runtime error: invalid memory address or nil pointer dereference: something that was not set is used",
        "main.go:",
    ),
    ("go_trial", "own connection", "panic: sandloop: this Conn has no connection yet", "main.go:"),
    ("go_trial", "nil timer", "panic: runtime error: invalid memory address", "main.go:"),
    ("go_trial", "nil map", "panic: assignment to entry in nil map", "main.go:"),
    ("go_trial", "panic", "panic: no room for \"tea\"", "main.go:"),
    ("go_trial", "sleep in a callback", "panic: sandloop: Sleep in a callback waits", "main.go:"),
    ("assemblyscript_trial", "index", "abort: Index out of range", "array.ts:"),
    ("assemblyscript_trial", "null", "abort: Unexpected 'null'", "assemblyscript_trial.ts:"),
    (
        "assemblyscript_trial",
        "own connection",
        "abort: this connection has no socket yet",
        "connection.ts:",
    ),
    ("assemblyscript_trial", "throw", "abort: no room for tea", "assemblyscript_trial.ts:"),
    ("assemblyscript_trial", "assert", "abort: three is two", "assemblyscript_trial.ts:"),
];

#[test]
#[ignore = "`cargo xtask languages` builds the components and runs it"]
fn a_forgotten_handler_is_asked_for() {
    let rows = [
        ("go_nothing", "this plugin has no handler: call sandloop.Handle[YourType](\"name\")"),
        ("assemblyscript_nothing", "this plugin has no handler: call plugin().handler(\"name\""),
    ];
    for (guest, words) in rows {
        let host = trials(guest);
        host.connect(guest).expect_closed();
        host.wait_line(guest, |line| line.message().contains(words));
    }
}

/// The text of Go's runtime itself, over several lines.
const FATAL: &[(&str, &str)] = &[
    ("deadlock", "fatal error: all goroutines are asleep - deadlock!"),
    ("goroutine panics", "panic: in a goroutine"),
    ("memory", "fatal error: out of memory"),
];

fn trials(guest: &str) -> Host {
    let plugin = Plugin::new(guest);
    let listen = Listen::tcp(guest).option("a", "one");
    Host::start(&Config::new().plugin(plugin).listen(listen))
}

#[test]
#[ignore = "`cargo xtask languages` builds the components and runs it"]
fn each_mistake_is_one_line_with_its_place() {
    for guest in ["go_trial", "assemblyscript_trial"] {
        let host = trials(guest);
        for (_, word, begins, place) in MISTAKES.iter().filter(|row| row.0 == guest) {
            let mut peer = host.connect(guest);
            peer.send(format!("{word}\n"));
            peer.expect_closed();
            host.wait_line(word, |line| {
                let message = line.message();
                message.starts_with(begins) && message.contains(place)
            });
        }
    }
}

#[test]
#[ignore = "`cargo xtask languages` builds the components and runs it"]
fn gos_runtime_has_the_last_word() {
    let host = trials("go_trial");
    for (word, begins) in FATAL {
        let mut peer = host.connect("go_trial");
        peer.send(format!("{word}\n"));
        peer.expect_closed();
        host.wait_line(word, |line| line.message().starts_with(begins));
    }
    for (word, printed) in
        [("print", "printed without a newline"), ("println", "to standard error")]
    {
        host.connect("go_trial").send(format!("{word}\n"));
        host.wait_line(word, |line| line.message().starts_with(printed));
    }
}

#[test]
#[ignore = "`cargo xtask languages` builds the components and runs it"]
fn goroutines_go_on_between_events() {
    let host = trials("go_trial");
    let mut peer = host.connect("go_trial");
    expect(
        &mut peer,
        &[
            ("goroutine", "from a goroutine"),
            ("goroutine after", "slept"),
            ("many switches", "499500"),
            ("time", "true true true"),
            ("random", "true"),
            ("large message", "1000000 7 9"),
            ("large message", "1000000 7 9"),
        ],
    );
    // The second one had two subscribers.
    peer.expect("1000000 7 9\n");
    for _ in 0..100 {
        expect(&mut peer, &[("collect", "collected")]);
    }
}
