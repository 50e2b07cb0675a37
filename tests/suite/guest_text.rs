//! Texts of guests: none is longer in the log than its bound, none moves the operator's cursor, and all of them together stay
//! within the tenant's rate.

use std::collections::BTreeSet;
use std::fs;
use std::time::Instant;

use rustix::process::Signal;
use sandloop_tests::hostile::wat::{self, Pieces};
use sandloop_tests::{
    Config, Host, Isolation, Listen, LogLine, Outcome, Plugin, component, sandloop, workspace,
};

/// The kinds of texts.
const KINDS: [&str; 7] = ["escapes", "newlines", "replaced", "direction", "nul", "quotes", "lines"];
/// The calls with texts: functions of the contract, the guest's and the host's.
const CALLS: [&str; 23] = [
    "channels.num-subscribers",
    "channels.push",
    "channels.subscribe",
    "cluster-processes.spawn",
    "datagrams.open-datagram-socket",
    "datagrams.send-datagram",
    "file-versions.send-version",
    "files.send-file",
    "listeners.start-server",
    "log.log",
    "mailbox.spawned",
    "operations.run",
    "options.get",
    "processes.spawn",
    "queues.num-waiting",
    "queues.pop",
    "queues.push",
    "queues.size",
    "socket-options.connect-from",
    "sockets.connect",
    "watching.watch-file",
    "tls.start-tls",
    "lifecycle.start",
];
/// Other places for texts: WASI, and a panic.
const OTHERS: [&str; 6] = ["stdout", "stderr", "bytes", "file", "environment", "panic"];
/// Functions that take or return a text before anything is served; a separate test covers them.
const AT_THE_START: [&str; 2] = ["catalog.handlers", "lifecycle.prepare"];
/// And those at a reload.
const AT_A_RELOAD: [&str; 1] = ["handover-handler.restore"];
/// A function that takes only texts of the configuration, or returns what it was given.
const HARMLESS: [&str; 1] = ["options.all"];

/// Bytes of a line besides the text: time, level and the fields of a trap.
const FIXED: usize = 500;
const LOG_LINE: usize = 4096;
const PER_SECOND: usize = 64 << 10;

/// Every function of the contract that takes or gives a text is in the table above.
#[test]
fn the_table_has_every_text_of_the_contract() {
    let mut found = BTreeSet::new();
    for file in fs::read_dir(workspace().join("wit")).expect("the contract") {
        let path = file.expect("a file").path();
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let interface = path.file_stem().and_then(|it| it.to_str()).expect("a name");
        for line in text.lines().map(str::trim).filter(|line| line.contains(": func(")) {
            // An address contains a text, and so does a role of TLS.
            let has_text = ["string", "target: address", ": endpoint", "role: role"];
            if has_text.iter().any(|text| line.contains(text)) {
                let name = line.split(':').next().expect("a name");
                found.insert(format!("{interface}.{name}"));
            }
        }
    }
    let known = [&CALLS[..], &AT_THE_START, &AT_A_RELOAD, &HARMLESS].concat();
    let known: BTreeSet<String> = known.into_iter().map(str::to_owned).collect();
    assert_eq!(found, known);
}

#[test]
fn every_text_of_a_guest_is_bounded_in_the_log() {
    for kind in KINDS {
        let (outcome, seconds) = named(kind);
        assert_eq!(outcome.code, Some(0), "{kind}: {}", outcome.stderr);
        let bad = outcome.stderr.chars().find(|c| *c != '\n' && !is_harmless(*c));
        assert_eq!(bad, None, "{kind}");
        for call in CALLS.iter().chain(&OTHERS) {
            let plugin = name_of(call);
            let lines = outcome.stderr.lines().map(|line| LogLine(line.to_owned()));
            let own: Vec<LogLine> =
                lines.filter(|line| line.field("plugin") == Some(&plugin)).collect();
            let longest = own.iter().map(|line| line.0.len()).max().unwrap_or(0);
            assert!(longest <= LOG_LINE + FIXED, "{kind} by {call}: a line of {longest} bytes");
            let all: usize = own.iter().map(|line| line.0.len() + 1).sum();
            let allowed = PER_SECOND as f64 * (seconds + 2.0) + 32_768.0;
            assert!((all as f64) < allowed, "{kind} by {call}: {all} bytes in {seconds} s");
        }
    }
}

/// All calls with texts of this kind on one host, each by a tenant of its own; and the host's run time.
fn named(kind: &str) -> (Outcome, f64) {
    let mut config = Config::new();
    let calls: Vec<&str> = CALLS.into_iter().chain(OTHERS).collect();
    for call in &calls {
        let plugin = name_of(call);
        config = config
            .plugin(
                Plugin::named(&plugin, &component("guest_texts"))
                    .isolation(Isolation::Plugin)
                    .option("call", call)
                    .option("text", kind)
                    .limit("memory", "\"64MiB\"")
                    .limit("call_bytes", "\"64MiB\"")
                    .limit("cpu_per_event", "\"60s\""),
            )
            .listen(Listen::tcp(&plugin))
            .tenant(&plugin, "log_per_second", PER_SECOND.to_string());
    }
    let begun = Instant::now();
    let host = Host::start(&config);
    for call in &calls {
        match *call {
            // It is called without a peer.
            "lifecycle.start" => {
                let is_its = |line: &LogLine| {
                    line.message().starts_with("start failed")
                        && line.field("plugin") == Some(&name_of(call))
                };
                host.wait_line("start failed", is_its);
            }
            "panic" => {
                let mut peer = host.connect(&name_of(call));
                peer.send("now\n");
                peer.expect_closed();
            }
            _ => {
                let mut peer = host.connect(&name_of(call));
                peer.send("now\n");
                peer.expect("ok\n");
            }
        }
    }
    let outcome = host.stop();
    (outcome, begun.elapsed().as_secs_f64())
}

/// A plugin's name for a call.
fn name_of(call: &str) -> String {
    call.replace('.', "_")
}

fn is_harmless(c: char) -> bool {
    let turns = ['\u{61c}', '\u{200e}', '\u{200f}'].contains(&c)
        || ('\u{2028}'..='\u{202e}').contains(&c)
        || ('\u{2066}'..='\u{2069}').contains(&c);
    !c.is_control() && !turns
}

/// The log line with the reason why a state is refused is as short.
#[test]
fn the_error_of_a_restore_is_short() {
    for kind in KINDS {
        let config = |version: &str| {
            let plugin = Plugin::new("guest_texts")
                .option("call", "handover-handler.restore")
                .option("text", kind)
                .option("version", version)
                .limit("memory", "\"64MiB\"")
                .limit("call_bytes", "\"64MiB\"")
                .limit("cpu_per_event", "\"60s\"")
                .isolation(Isolation::Plugin);
            Config::serving(plugin)
        };
        let host = Host::start(&config("one"));
        fs::write(host.dir().join("plugins.toml"), config("two").to_toml()).expect("a file");
        host.signal(Signal::HUP);
        let line = host.wait_log("no state is handed over");
        assert!(line.0.contains("does not take it"), "{kind}: {line}");
        assert!(line.0.len() <= LOG_LINE + FIXED, "{kind}: {} bytes", line.0.len());
        let outcome = host.stop();
        let bad = outcome.stderr.chars().find(|c| *c != '\n' && !is_harmless(*c));
        assert_eq!(bad, None, "{kind}");
    }
}

/// The log line with the reason why a host does not start is as short.
#[test]
fn the_error_of_a_start_is_short() {
    for kind in KINDS {
        let plugin = Plugin::new("guest_texts")
            .option("call", "lifecycle.prepare")
            .option("text", kind)
            .limit("memory", "\"64MiB\"")
            .limit("call_bytes", "\"64MiB\"")
            .limit("cpu_per_event", "\"60s\"")
            .isolation(Isolation::Plugin);
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::write(dir.path().join("plugins.toml"), Config::serving(plugin).to_toml())
            .expect("a new file");
        let outcome = sandloop(dir.path(), &["run"]);
        assert_eq!(outcome.code, Some(3), "{kind}: {}", outcome.stderr);
        let bad = outcome.stderr.chars().find(|c| *c != '\n' && !is_harmless(*c));
        assert_eq!(bad, None, "{kind}");
        let error = outcome.stderr.lines().find(|line| line.starts_with("error: "));
        let error = error.expect("an error");
        assert!(error.contains("lifecycle.prepare failed"), "{kind}: {error}");
        assert!(error.len() <= LOG_LINE + FIXED, "{kind}: {} bytes", error.len());
    }
}

/// The line with the names of a catalog, for a listener that names none of them or another one, is as short.
#[test]
fn the_names_of_a_catalog_are_short() {
    // One without a handler, one with another name.
    let listens = [Listen::tcp("named"), Listen::tcp("named").key("handler", "\"other\"")];
    for (name, one) in [("\\1b", 1), ("\\e2\\80\\ae", 3), ("\\00", 1), ("\\5c\\22", 2), ("x", 1)] {
        for (times, count) in [(500_000, 2), (20, 50_000)] {
            for listen in &listens {
                let dir = tempfile::tempdir().expect("a temporary directory");
                let file = dir.path().join("named.wasm");
                let component =
                    wat::component_with_catalog(&name.repeat(times), one * times, count);
                fs::write(&file, component).expect("a new file");
                let config =
                    Config::new().plugin(Plugin::named("named", &file)).listen(listen.clone());
                fs::write(dir.path().join("plugins.toml"), config.to_toml()).expect("a new file");
                let outcome = sandloop(dir.path(), &["run"]);
                assert_eq!(outcome.code, Some(3), "{name}: {}", outcome.stderr);
                let error = outcome.stderr.lines().find(|line| line.starts_with("error: "));
                let error = error.expect("an error");
                assert!(error.contains("].handler: plugin"), "{name}: {error}");
                assert!(error.len() <= LOG_LINE + FIXED, "{name}: {} bytes", error.len());
                assert!(outcome.stderr.chars().all(|c| c == '\n' || is_harmless(c)), "{name}");
            }
        }
    }
}

/// A backtrace is short, whatever the names of its functions.
#[test]
fn names_of_functions_are_short() {
    for name in ["\\1b", "\\e2\\80\\ae", "x", "_ZN3foo"] {
        let long = name.repeat(99_000 / name.replace("\\", "").len());
        let pieces = Pieces {
            more: format!(
                "(func $deep (@name \"{long}\") (param i32)
                   (if (i32.eqz (local.get 0)) (then (unreachable)))
                   (call $deep (i32.sub (local.get 0) (i32.const 1))))"
            ),
            receive_data: "(call $deep (i32.const 30))",
            ..Pieces::default()
        };
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("names.wasm");
        fs::write(&file, wat::component(&pieces)).expect("a new file");
        let host = Host::start_in(dir, &Config::serving(Plugin::named("names", &file)));
        let mut peer = host.connect("names");
        peer.send("now\n");
        peer.expect_closed();
        let line = host.wait_log("trapped");
        let length = line.0.len();
        assert!(length <= LOG_LINE + FIXED, "{name}: a line of {length} bytes");
        let backtrace = line.field("backtrace").expect("the guest's frames");
        assert!(2 <= backtrace.split(" < ").count(), "{name}: {backtrace}");
        let bad = line.0.chars().find(|c| !is_harmless(*c));
        assert_eq!(bad, None, "{name}");
    }
}
