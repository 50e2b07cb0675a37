//! The output of guests: lines of the log with their name, which cannot imitate other lines.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

use rustix::process::Signal;
use sandloop_tests::host::command;
use sandloop_tests::{
    Config, Host, Isolation, Listen, LogLine, Peer, Plugin, Running, paths, process,
};
use tempfile::TempDir;

each_isolation!(outputs_become_lines_of_the_log);
fn outputs_become_lines_of_the_log(isolation: Isolation) {
    let host = told(isolation, &["stdout", "stderr"]);
    let line = host.wait_log("to standard output");
    assert_eq!(line.level(), "INFO", "{line}");
    assert_eq!(line.field("plugin"), Some("prints"), "{line}");
    assert_eq!(line.field("stream"), Some("stdout"), "{line}");
    let line = host.wait_log("to standard error");
    assert_eq!(line.level(), "WARN", "{line}");
    assert_eq!(line.field("plugin"), Some("prints"), "{line}");
    assert_eq!(line.field("stream"), Some("stderr"), "{line}");
    assert_eq!(host.stop().stdout, "");
}

each_isolation!(an_inherited_output_is_the_hosts_own);
fn an_inherited_output_is_the_hosts_own(isolation: Isolation) {
    let plugin = Plugin::new("prints").isolation(isolation).prints();
    let host = Host::start(&Config::serving(plugin));
    tell(&host, &["stdout", "part", "rest", "stderr"]);
    host.wait_log("to standard error");
    assert_eq!(host.stop().stdout, "to standard output\none line in two writes\n");
}

#[test]
fn every_level_has_its_line() {
    let config = Config::serving(Plugin::new("prints")).host("log", "\"trace\"");
    let host = Host::start(&config);
    tell(&host, &["log"]);
    for level in ["trace", "debug", "info", "warn", "error"] {
        let line = host.wait_log(&format!("at level {level}"));
        assert_eq!(line.level(), level.to_uppercase(), "{line}");
        assert_eq!(line.field("plugin"), Some("prints"), "{line}");
    }
}

#[test]
fn less_important_lines_are_left_out() {
    let host = told(Isolation::Connection, &["log"]);
    host.wait_log("at level error");
    let levels: Vec<LogLine> =
        host.log().into_iter().filter(|line| line.message().starts_with("at level")).collect();
    assert_eq!(levels.len(), 3, "{levels:?}");
}

each_isolation!(control_characters_are_shown_not_sent);
fn control_characters_are_shown_not_sent(isolation: Isolation) {
    let host = told(isolation, &["control"]);
    let shown = "\\u{1b}[31mred\\u{1b}[0m\\ttab\\rreturn\\u{7}bell\\u{9b}csi\\u{202e}turned";
    let lines = host.wait_lines(shown, 3, |line| line.message().starts_with(shown));
    assert_eq!(lines.len(), 3, "{lines:?}");
    let outcome = host.stop();
    let sent = outcome.stderr.chars().find(|&c| c.is_control() && c != '\n');
    assert_eq!(sent, None, "{}", outcome.stderr);
}

each_isolation!(a_long_line_is_cut);
fn a_long_line_is_cut(isolation: Isolation) {
    let host = told(isolation, &["long", "stdout"]);
    host.wait_log("to standard output");
    let is_long = |line: &LogLine| line.message().starts_with("xxx");
    let lines = host.wait_lines("xxx", 3, is_long);
    for line in &lines {
        let kept = line.message().chars().take_while(|&c| c == 'x').count();
        assert_eq!(kept, 4096, "{line}");
    }
    assert_eq!(host.log().into_iter().filter(is_long).count(), 3, "the rest is left out");
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    let host = told(Isolation::Connection, &["bytes"]);
    host.wait_lines("not \u{fffd} UTF-8", 2, |line| {
        line.message().starts_with("not \u{fffd} UTF-8")
    });
}

each_isolation!(a_line_may_come_in_pieces);
fn a_line_may_come_in_pieces(isolation: Isolation) {
    let host = told(isolation, &["part", "rest"]);
    host.wait_log("one line in two writes");
}

each_isolation!(many_lines_are_all_there);
/// The output of a guest that prints all the time is complete, and does not delay others.
fn many_lines_are_all_there(isolation: Isolation) {
    let host = told(isolation, &["flood 2000"]);
    host.wait_log("line 1999");
    let count = host.log().iter().filter(|line| line.message().starts_with("line ")).count();
    assert_eq!(count, 2000);
}

fn told(isolation: Isolation, commands: &[&str]) -> Host {
    let host = Host::start(&Config::serving(Plugin::new("prints").isolation(isolation)));
    tell(&host, commands);
    host
}

fn tell(host: &Host, commands: &[&str]) {
    let mut peer = host.connect("prints");
    for command in commands {
        peer.send(format!("{command}\n"));
        peer.expect("ok\n");
    }
}

/// A host that writes JSON, and the folder with the paths of its two listeners.
fn writing_json() -> (Running, TempDir) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = Config::new()
        .host("log", "\"trace\"")
        .host("log_format", "\"json\"")
        .plugin(Plugin::new("prints"))
        .listen(Listen::unix(&dir.path().join("prints"), "prints"))
        .plugin(Plugin::new("hostile_trap"))
        .listen(Listen::unix(&dir.path().join("trap"), "hostile_trap"));
    fs::write(dir.path().join("plugins.toml"), config.to_toml()).expect("a new file");
    let mut run = command(dir.path());
    run.arg("run");
    (Running::spawn(run), dir)
}

fn connect(dir: &TempDir, path: &str) -> Peer {
    Peer::connect(&format!("unix://{}", dir.path().join(path).display()))
}

#[test]
fn each_line_is_one_json_object() {
    let (host, dir) = writing_json();
    assert!(host.logs("\"message\":\"ready\""));
    let mut peer = connect(&dir, "prints");
    for what in ["stdout", "stderr", "log", "control", "long", "bytes", "part", "rest"] {
        peer.send(format!("{what}\n"));
        assert_eq!(peer.line(), "ok");
    }
    let mut victim = connect(&dir, "trap");
    victim.send("x");
    victim.expect_closed();
    host.signal(Signal::TERM);
    let outcome = host.wait();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let object = |line: &str| -> serde_json::Value {
        let object: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for key in ["time", "level", "message"] {
            assert!(object[key].is_string(), "{line}");
        }
        object
    };
    let lines: Vec<serde_json::Value> = outcome.stderr.lines().map(object).collect();
    let with = |key: &str, text: &str| {
        let has =
            |line: &&serde_json::Value| line[key].as_str().is_some_and(|it| it.contains(text));
        lines.iter().find(has).unwrap_or_else(|| panic!("no {key} with {text}")).clone()
    };
    let printed = with("message", "to standard output");
    assert_eq!((&printed["level"], &printed["stream"]), (&"INFO".into(), &"stdout".into()));
    assert_eq!((&printed["plugin"], &printed["handler"]), (&"prints".into(), &"prints".into()));
    assert_eq!(printed["connection"], 1);
    assert_eq!(with("message", "at level warn")["connection"], 1);
    assert_eq!(with("message", "one line in two writes")["connection"], 1);
    let trapped = with("message", "trapped");
    let words = trapped["last_words"].as_str().expect("it has said something");
    assert!(words.contains("panicked at") && words.ends_with("on purpose"), "{words}");
    let frames = trapped["backtrace"].as_str().expect("there are frames");
    assert!(frames.starts_with('[') && frames.contains("of the standard library"), "{frames}");
    assert!(!frames.contains("std::") && frames.contains("hostile_trap"), "{frames}");
    assert_eq!(trapped["handler"], "hostile_trap");
}

/// By systemd's identification of the stream, which is a pipe here.
#[test]
fn the_journal_has_priorities() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = Config::serving(Plugin::new("echo"));
    fs::write(dir.path().join("plugins.toml"), config.to_toml()).expect("a new file");
    for is_journal in [true, false] {
        let (reader, writer) = std::io::pipe().expect("the process may have more pipes");
        let writer = fs::File::from(OwnedFd::from(writer));
        let there = writer.metadata().expect("it is open");
        let inode = there.ino() + u64::from(!is_journal);
        let mut run = std::process::Command::new(paths::binary());
        run.arg("run").current_dir(dir.path()).env_remove("SANDLOOP_LOG").stderr(writer);
        run.env("JOURNAL_STREAM", format!("{}:{inode}", there.dev()));
        let mut host = run.spawn().expect("it runs");
        // The other end belongs to the host alone.
        drop(run);
        let mut lines = BufReader::new(reader).lines().map(|line| line.expect("text"));
        let mut all = Vec::new();
        while !all.last().is_some_and(|line: &String| line.contains("ready")) {
            all.push(lines.next().expect("it says more"));
        }
        process::signal(host.id(), Signal::TERM);
        all.extend(lines);
        assert!(host.wait().expect("it is ours").success(), "{all:?}");
        assert_eq!(all.iter().all(|line| line.starts_with("<6>")), is_journal, "{all:?}");
        assert_eq!(all.iter().any(|line| line.contains('<')), is_journal, "{all:?}");
    }
}
