//! A reader of the log or of standard output that is too slow: nothing waits for it, only a noisy tenant loses lines, and the
//! loss is reported.

use std::time::{Duration, Instant};

use sandloop_tests::{Config, HeldHost, Host, Listen, LogLine, PATIENCE, Plugin, component};

/// A noisy tenant, a quiet one and an echo; these are the keys of `[host]`.
fn noisy_and_quiet(host: &[(&str, &str)], noisy: Plugin) -> String {
    let mut config = Config::new()
        .plugin(noisy.limit("cpu_per_event", "\"30s\""))
        .plugin(Plugin::named("quiet", &component("prints")))
        .plugin(Plugin::new("echo"))
        .listen(Listen::tcp("noisy"))
        .listen(Listen::tcp("quiet"))
        .listen(Listen::tcp("echo"));
    for (key, value) in host {
        config = config.host(key, *value);
    }
    // Its rate is not the bound here.
    format!("{}\n[tenants.noisy.limits]\nlog_per_second = \"1GiB\"\n", config.to_toml())
}

fn noisy() -> Plugin {
    Plugin::named("noisy", &component("prints"))
}

#[test]
fn a_noisy_tenant_costs_the_others_no_line() {
    let mut host = HeldHost::start(&noisy_and_quiet(&[("log_queue", "\"1MiB\"")], noisy()));
    let mut peer = host.connect("noisy");
    peer.send("flood 30000\n");
    peer.expect("ok\n");
    // Its share, the common half and the pipe are full by now: it has written three megabytes.
    let mut quiet = host.connect("quiet");
    for _ in 0..100 {
        quiet.send("stdout\n");
        quiet.expect("ok\n");
    }
    quiet.send("a trap\n");
    quiet.expect_closed();
    let mut written = 0;
    let lines = host.read_until(2 << 20, |line| {
        written += usize::from(line.message().starts_with("line "));
        is_lost(line)
    });
    let of_quiet = |line: &&LogLine| line.field("plugin") == Some("quiet");
    let said = lines.iter().filter(of_quiet);
    let said = said.filter(|line| line.message().starts_with("to standard output")).count();
    assert_eq!(said, 100, "every line of the quiet one is there");
    let trapped = lines.iter().any(|line| of_quiet(&line) && line.message().starts_with("trapped"));
    assert!(trapped, "what the host says of it, too");
    let told = lines.last().expect("the line that was waited for");
    assert_eq!(told.field("tenant"), Some("noisy"), "{told}");
    assert_eq!(told.field("limit"), Some("log_queue"), "{told}");
    let lost: usize = told.field("lines").and_then(|it| it.parse().ok()).expect("a number");
    assert_eq!(lost + written, 30_000, "what is lost is told with its number");
    let others = lines.iter().filter(|line| is_lost(line)).count();
    assert_eq!(others, 1, "nobody else has lost anything");
}

fn is_lost(line: &LogLine) -> bool {
    line.message().starts_with("lines were left out: whoever reads the log is too slow")
}

/// With one reactor and with two; the stop is in time.
#[test]
fn a_reader_that_stalls_holds_up_nobody() {
    for reactors in ["1", "2"] {
        for noisy in [noisy(), noisy().prints()] {
            let keys = [("reactors", reactors), ("stop_deadline", "\"2s\"")];
            let mut host = HeldHost::start(&noisy_and_quiet(&keys, noisy));
            let mut peer = host.connect("noisy");
            // Much more than a pipe holds.
            peer.send("flood 30000\n");
            peer.expect("ok\n");
            for _ in 0..20 {
                host.connect("echo").expect_echo("still served\n");
            }
            let took = host.stop_unread();
            // The deadline, and a second for each stream that is not read. A busy machine has some more.
            assert!(took < Duration::from_secs(12), "{reactors} reactors: stopped after {took:?}");
        }
    }
}

#[test]
fn what_is_left_out_of_standard_output_is_told() {
    let keys = [("stdout_queue", "\"64KiB\"")];
    let mut host = HeldHost::start(&noisy_and_quiet(&keys, noisy().prints()));
    let mut peer = host.connect("noisy");
    peer.send("flood 100000\n");
    peer.expect("ok\n");
    let said = |host: &mut HeldHost| {
        host.stop_unread();
        host.read_stdout()
    };
    let read = said(&mut host);
    let told =
        host.read_until(1 << 30, |line| line.message().starts_with("standard output was left out"));
    let told = told.last().expect("the line that was waited for");
    assert_eq!(told.field("tenant"), Some("noisy"), "{told}");
    assert_eq!(told.field("limit"), Some("stdout_queue"), "{told}");
    let lost: usize = told.field("bytes").and_then(|it| it.parse().ok()).expect("a number");
    let all: usize = (0..100_000).map(|number| format!("line {number}\n").len()).sum();
    // Lines in the queue at the end are lost.
    assert!(read.len() + lost <= all && 0 < lost, "{} and {lost} of {all}", read.len());
}

/// However many lines of a tenant are left out, one line per second reports it.
#[test]
fn what_is_left_out_is_told_once_a_second() {
    let config = Config::serving(Plugin::new("prints").limit("cpu_per_event", "\"30s\""));
    let toml = format!("{}\n[tenants.prints.limits]\nlog_per_second = 4096\n", config.to_toml());
    let host = Host::start_toml(tempfile::tempdir().expect("a temporary directory"), &toml);
    let mut peer = host.connect("prints");
    let begun = Instant::now();
    let is_told = |line: &LogLine| line.message().starts_with("lines of its plugins were left out");
    let told = || host.log().iter().filter(|line| is_told(line)).count();
    while told() < 3 {
        assert!(begun.elapsed() < PATIENCE, "told {} times", told());
        peer.send("flood 1000\n");
        peer.expect("ok\n");
    }
    let seconds = begun.elapsed().as_secs_f64();
    let outcome = host.stop();
    let lines: Vec<LogLine> = outcome.stderr.lines().map(|it| LogLine(it.to_owned())).collect();
    let told = lines.iter().filter(|line| is_told(line)).count();
    // The last one is reported at the end.
    assert!(told as f64 <= seconds + 2.0, "told {told} times in {seconds} s");
    let is_its = |line: &&LogLine| line.field("plugin") == Some("prints");
    let bytes: usize = lines.iter().filter(is_its).map(|line| line.0.len() + 1).sum();
    let allowed = 4096.0 * (seconds + 2.0) + 1000.0;
    assert!((bytes as f64) < allowed, "{bytes} bytes in {seconds} s");
}
