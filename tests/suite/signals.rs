//! Signals at every stage of the start, and signals that the parent process has blocked or ignored.

use std::fs;
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;

use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::Signal;
use sandloop_tests::host::command;
use sandloop_tests::{Config, Listen, Outcome, PATIENCE, Plugin, Running, paths, sandloop, until};
use tempfile::TempDir;

/// The signals that end a start, and the exit codes.
const ENDS: [(Signal, i32); 3] = [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)];

/// A pipe that the host has begun to read. It blocks while the test holds this.
fn wait_for_reader(pipe: &Path) -> File {
    let (opened, arrives) = channel();
    let path = pipe.to_owned();
    thread::spawn(move || opened.send(File::options().write(true).open(path)));
    let writer = arrives.recv_timeout(PATIENCE).expect("the host reads the pipe");
    writer.expect("the pipe can be written")
}

fn make_pipe(pipe: &Path) {
    mkfifoat(CWD, pipe, Mode::RUSR | Mode::WUSR).expect("a new pipe");
}

/// The host with the default signal dispositions, whatever those of the test are.
fn host(dir: &Path, environment: &[&str], arguments: &[&str]) -> Running {
    let mut prepared = Command::new("env");
    let own = command(dir);
    prepared.args(["--default-signal=HUP,INT,TERM"]).args(environment).arg(own.get_program());
    prepared
        .args(arguments)
        .current_dir(dir)
        .env_remove("SANDLOOP_LOG")
        .env_remove("RUST_BACKTRACE");
    Running::spawn(prepared)
}

fn write(dir: &TempDir, config: &Config) {
    fs::write(dir.path().join("plugins.toml"), config.to_toml()).expect("a new file");
}

fn assert_ended(outcome: &Outcome, code: i32, when: &str) {
    assert_eq!(outcome.code, Some(code), "{when}: {outcome:?}");
    assert!(!outcome.stderr.contains("serving"), "{when}: it has opened a port: {outcome:?}");
}

#[test]
fn the_first_one_ends_the_reading_of_a_configuration() {
    for command in ["run", "check"] {
        for (signal, code) in ENDS {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let pipe = dir.path().join("plugins.toml");
            make_pipe(&pipe);
            let host = host(dir.path(), &[], &[command]);
            let _writer = wait_for_reader(&pipe);
            host.signal(signal);
            assert_ended(&host.wait(), code, &format!("{command}, {signal:?}"));
        }
    }
}

#[test]
fn the_first_one_ends_the_reading_of_a_secret() {
    for command in ["run", "check"] {
        for (signal, code) in ENDS {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let pipe = dir.path().join("secret");
            make_pipe(&pipe);
            let options = r#"{ password = { file = "secret" } }"#;
            write(&dir, &Config::serving(Plugin::new("echo").key("options", options)));
            let host = host(dir.path(), &[], &[command]);
            let _writer = wait_for_reader(&pipe);
            host.signal(signal);
            assert_ended(&host.wait(), code, &format!("{command}, {signal:?}"));
        }
    }
}

#[test]
fn the_first_one_ends_a_compilation() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::write(dir.path().join("large.wasm"), takes_long_to_compile()).expect("a new file");
    let plugin = Plugin::named("large", &dir.path().join("large.wasm"));
    write(&dir, &Config::serving(plugin).host("compile_cache", "\"off\""));
    for arguments in [&["run"] as &[&str], &["check"], &["inspect", "large.wasm"]] {
        for (signal, code) in ENDS {
            let host = host(dir.path(), &[], arguments);
            wait_for_compiler(host.pid());
            host.signal(signal);
            assert_ended(&host.wait(), code, &format!("{arguments:?}, {signal:?}"));
        }
    }
}

#[test]
fn the_first_one_ends_the_preparation_of_a_plugin() {
    for command in ["run", "check"] {
        for (signal, code) in ENDS {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let plugin = Plugin::new("prepare_sleeps").key("isolation", "\"plugin\"").prints();
            write(&dir, &Config::new().plugin(plugin));
            let host = host(dir.path(), &[], &[command]);
            assert!(host.prints("prepare"), "{:?}", host.wait());
            host.signal(signal);
            assert_ended(&host.wait(), code, &format!("{command}, {signal:?}"));
        }
    }
}

/// At any moment of the start the host ends, by the signal or as a host that has begun to serve.
#[test]
fn one_at_any_moment_ends_the_host() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("echo.sock");
    write(&dir, &Config::new().plugin(Plugin::new("echo")).listen(Listen::unix(&path, "echo")));
    for turn in 0..16 {
        let host = host(dir.path(), &[], &["run"]);
        // Some time into the start, a different one in each turn.
        for _ in 0..turn * 5000 {
            thread::yield_now();
        }
        host.signal(Signal::TERM);
        let outcome = host.wait();
        // Before its first line the system ends it.
        let ended = matches!(outcome.code, None | Some(143 | 0));
        assert!(ended, "turn {turn}: {outcome:?}");
        assert!(!path.exists(), "turn {turn}: the path was left behind: {outcome:?}");
    }
}

#[test]
fn those_that_were_blocked_before_the_start_end_it_all_the_same() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    write(&dir, &Config::serving(Plugin::new("echo")));
    for signal in [Signal::TERM, Signal::INT] {
        let host = host(dir.path(), &["--block-signal=HUP,INT,TERM,USR1"], &["run"]);
        assert!(host.says("ready "), "{:?}", host.wait());
        host.signal(signal);
        let outcome = host.wait();
        assert_eq!(outcome.code, Some(0), "{signal:?}: {outcome:?}");
    }
}

/// As under `nohup`.
#[test]
fn a_hang_up_that_is_ignored_before_the_start_does_not_end_it() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let pipe = dir.path().join("plugins.toml");
    make_pipe(&pipe);
    let host = host(dir.path(), &["--ignore-signal=HUP"], &["check"]);
    let writer = wait_for_reader(&pipe);
    host.signal(Signal::HUP);
    // The pipe ends, for which the host has waited.
    drop(writer);
    let outcome = host.wait();
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(outcome.stderr.contains("no plugin is declared"), "{outcome:?}");
}

#[test]
fn one_that_asks_for_counters_does_no_harm_to_a_start() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let pipe = dir.path().join("plugins.toml");
    make_pipe(&pipe);
    let host = host(dir.path(), &[], &["check"]);
    let writer = wait_for_reader(&pipe);
    host.signal(Signal::USR1);
    drop(writer);
    let outcome = host.wait();
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
}

/// A thread that cannot be started is an error with a remedy, or the host works without it.
#[test]
fn a_machine_without_threads_is_told_or_enough() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let plugin = Plugin::new("echo").may_connect(&["example.com:80"]);
    let config = Config::serving(plugin).host("reactors", "2").host("compile_cache", "\"./cache\"");
    write(&dir, &config);
    // Compiling uses separate processes; the test is about the threads of the host.
    let compiled = sandloop(dir.path(), &["compile"]);
    assert_eq!(compiled.code, Some(0), "{compiled:?}");
    let mut serves = false;
    let mut first = 1;
    while !serves {
        let mut strace = Command::new("strace");
        let inject = format!("inject=clone,clone3:error=EAGAIN:when={first}+");
        strace.args([
            "--quiet=all",
            "-f",
            "-e",
            "trace=clone,clone3",
            "-e",
            &inject,
            "-o",
            "/dev/null",
        ]);
        strace.arg(paths::binary()).arg("run").current_dir(dir.path());
        strace.env_remove("SANDLOOP_LOG");
        let host = Running::spawn(strace);
        serves = host.says("ready ");
        if serves {
            stop_child_of(host.pid());
        }
        let outcome = host.wait();
        let expected = if serves { 0 } else { 1 };
        assert_eq!(outcome.code, Some(expected), "without thread {first}: {outcome:?}");
        let is_told = outcome.stderr.contains("error: ")
            && outcome.stderr.ends_with("(ulimit -u), or the host's control group (pids.max)\n");
        assert!(serves || is_told, "without thread {first}: {outcome:?}");
        first += 1;
        assert!(first < 100, "it never serves");
    }
    assert!(8 < first, "so few threads were never enough");
}

fn stop_child_of(pid: u32) {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let child = children.expect("strace has a child").split_whitespace().next().map(str::to_owned);
    let child = child.and_then(|child| child.parse().ok()).expect("it has a number");
    sandloop_tests::process::signal(child, Signal::TERM);
}

/// Waits until a host has begun to compile, in a separate process.
fn wait_for_compiler(pid: u32) {
    let has_child = || {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it still runs");
        let children = tasks.flatten().map(|task| fs::read_to_string(task.path().join("children")));
        children.flatten().any(|children| !children.trim().is_empty())
    };
    until(|| has_child().then_some(()), || "it compiles nothing");
}

/// A component of one core module with much code.
fn takes_long_to_compile() -> Vec<u8> {
    let step = "(local.set 0 (i32.add (i32.mul (local.get 0) (local.get 1)) (i32.const 7)))
         (if (local.get 0) (then (local.set 1 (i32.xor (local.get 0) (i32.const 3)))))\n";
    let function =
        format!("(func (param i32) (result i32) (local i32) {} local.get 0)\n", step.repeat(300));
    let text = format!("(component (core module {}))", function.repeat(300));
    wat::parse_str(text).expect("the text is right")
}
