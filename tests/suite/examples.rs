//! The course in `examples/`: each step runs unchanged, and prints or answers as its slide does.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use sandloop_tests::{Host, pika::Pika, rabbitmq::Broker, sandloop, workspace};
use serde_json::json;

use crate::channels::{enter, heard};

#[test]
fn run() {
    prints_what_its_slide_prints("01-run");
}

#[test]
fn running() {
    prints_what_its_slide_prints("02-running");
}

#[test]
fn timers() {
    counts_as_its_slide_counts("03-timers");
}

#[test]
fn next_tick() {
    counts_as_its_slide_counts("04-next_tick");
}

#[test]
fn start_server() {
    answers_what_its_slide_answers("05-start_server", "start_server");
}

#[test]
fn same_as() {
    answers_what_its_slide_answers("06-same_as", "same_as");
}

#[test]
fn start_unix_domain_server() {
    answers_what_its_slide_answers("07-start_unix_domain_server", "start_unix_domain_server");
}

#[test]
fn passing_the_buck() {
    answers_what_its_slide_answers("08-passing_the_buck", "passing_the_buck");
}

#[test]
fn chicago_manual() {
    prints_what_its_slide_prints("09-chicago_manual");
}

#[test]
fn connect() {
    prints_what_its_slide_prints("10-connect");
}

#[test]
fn connect_unix() {
    prints_what_its_slide_prints("11-connect_unix");
}

#[test]
fn defer() {
    prints_what_its_slide_prints("12-defer");
}

#[test]
fn deferrable() {
    prints_what_its_slide_prints("13-deferrable");
}

#[test]
fn callback_errback() {
    prints_what_its_slide_prints("14-callback_errback");
}

#[test]
fn default_deferrable() {
    prints_what_its_slide_prints("15-default_deferrable");
}

/// It sets two timers for the same moment. If the machine stands still between the two calls each has a turn of its own, and what
/// the first one has notified comes before the second one.
#[test]
fn spawn() {
    let mut counted = run_counting("16-spawn");
    if counted.printed.first().is_some_and(|line| line == "Received hello") {
        counted.printed[..2].reverse();
    }
    assert!(counted.are_right(), "{:?}", counted.printed);
}

/// Two clients; `channels::chat` tests its answers to many.
#[test]
fn chat() {
    let host = start("17-chat");
    let mut peers = [host.connect("chat"), host.connect("chat")];
    enter(&mut peers);
    let [one, two] = &mut peers;
    two.send("hello\n");
    assert_eq!(heard(one), "hello");
    one.send("hello yourself\n");
    assert_eq!(heard(two), "hello yourself");
    host.stop();
}

#[test]
fn http_server() {
    let host = start("18-http_server");
    let mut peer = host.connect("http_server");
    peer.send("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let answer = String::from_utf8_lossy(&peer.rest()).into_owned();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n<center><h1>Wham-o</h1></center>"), "{answer}");
    host.stop();
}

#[test]
fn http_client() {
    prints_what_its_slide_prints("19-http_client");
}

#[test]
fn amqp() {
    let broker = Broker::shared();
    broker.ctl(&["add_user", "metrics", "password"]);
    broker.ctl(&["add_vhost", "/attention"]);
    broker.ctl(&["set_permissions", "-p", "/attention", "metrics", ".*", ".*", ".*"]);
    let file = workspace().join("examples").join("20-amqp").join("plugins.toml");
    let address = broker.address();
    let (loopback, port) = address.split_once(':').expect("an address has a port");
    let host = Host::start_file_with(&file, &[("127.0.0.1", loopback), ("5672", port)]);
    let mut pika = Pika::connect(&broker.uri_for("metrics:password", "%2Fattention"));
    let exchange =
        json!({"do": "exchange_declare", "exchange": "test-xchange", "exchange_type": "fanout"});
    pika.call(exchange);
    pika.queue("test-queue");
    pika.call(json!({"do": "queue_bind", "queue": "test-queue", "exchange": "test-xchange"}));
    let publish =
        json!({"do": "publish", "exchange": "test-xchange", "routing_key": "", "body": "hello"});
    pika.call(publish);
    host.wait_printed("hello");
}

/// Every example has a test here.
#[test]
fn every_example_is_run() {
    let tested = include_str!("examples.rs");
    let examples = examples();
    assert!(!examples.is_empty(), "there are no examples");
    let missing: Vec<&String> =
        examples.iter().filter(|name| !tested.contains(&format!("\"{name}\""))).collect();
    assert!(missing.is_empty(), "no test runs {missing:?}");
}

/// Run from its own folder as its README describes, with the addresses in it.
#[test]
fn every_example_is_right_where_it_is() {
    for example in examples() {
        let file = format!("examples/{example}/plugins.toml");
        let outcome = sandloop(workspace(), &["check", &file]);
        assert_eq!(outcome.code, Some(0), "{example}: {}", outcome.stderr);
    }
}

/// Runs an example, which stops by itself, and compares what it prints with `expected.txt`.
#[track_caller]
fn prints_what_its_slide_prints(example: &str) {
    let outcome = start(example).wait_exit();
    assert_eq!(outcome.stdout, read(example, "expected.txt"), "{}", outcome.stderr);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}

/// What a slide that counts has printed, and what it is to print.
struct CountedLines {
    printed: Vec<String>,
    expected: Vec<String>,
}

impl CountedLines {
    /// Whether these are the same, or one line is too much: where a timer comes close to a periodic one after some seconds, and the
    /// machine stands still for a few milliseconds at that moment, the periodic one fires first, with EventMachine as well.
    /// `cargo xtask perf examples` measures how often that happens.
    fn are_right(&self) -> bool {
        let without = |line: usize| [&self.printed[..line], &self.printed[line + 1..]].concat();
        self.printed == self.expected
            || (0..self.printed.len()).any(|line| without(line) == self.expected)
    }
}

fn run_counting(example: &str) -> CountedLines {
    let expected = read(example, "expected.txt").lines().map(str::to_owned).collect();
    let outcome = start(example).wait_exit();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    CountedLines { printed: outcome.stdout.lines().map(str::to_owned).collect(), expected }
}

/// Like [`prints_what_its_slide_prints`], for a slide with a timer that comes close to a periodic one.
#[track_caller]
fn counts_as_its_slide_counts(example: &str) {
    let counted = run_counting(example);
    assert!(counted.are_right(), "{:?}", counted.printed);
}

/// Types `input.txt` line by line, as the slide does, and compares what comes back with `answer.txt`.
#[track_caller]
fn answers_what_its_slide_answers(example: &str, plugin: &str) {
    let host = start(example);
    let mut peer = host.connect(plugin);
    let answer = read(example, "answer.txt");
    let mut answers = answer.split_inclusive('\n');
    for line in read(example, "input.txt").split_inclusive('\n') {
        peer.send(line);
        peer.expect(answers.next().expect("an answer for each line"));
    }
    peer.finish();
    peer.expect_end();
    assert_eq!(answers.next(), None);
    host.stop();
}

#[track_caller]
fn start(example: &str) -> Host {
    Host::start_file(&folder(example).join("plugins.toml"))
}

#[track_caller]
fn read(example: &str, file: &str) -> String {
    let path = folder(example).join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn folder(example: &str) -> PathBuf {
    workspace().join("examples").join(example)
}

/// The folders that have a `plugins.toml`.
fn examples() -> BTreeSet<String> {
    fs::read_dir(workspace().join("examples"))
        .expect("the workspace has examples")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.join("plugins.toml").is_file())
        .map(|path| path.file_name().expect("a folder has a name").to_string_lossy().into_owned())
        .collect()
}
