//! The program around the connections: an error before the start stops the start, a later one ends only the program.

use sandloop_tests::{Config, Host, Isolation, LogLine, Plugin, component, host, sandloop};

#[test]
fn a_prepare_that_fails_stops_the_start() {
    let config = Config::serving(Plugin::new("echo"))
        .plugin(Plugin::new("prepare_fails").isolation(Isolation::Plugin).prints());
    let toml = config.to_toml();
    let line =
        1 + toml.lines().position(|line| line == "[plugins.prepare_fails]").expect("its line");
    let (dir, _) = host::directory(&toml);
    for command in ["run", "check"] {
        let outcome = sandloop(dir.path(), &[command, "plugins.toml"]);
        assert_eq!(
            outcome.refusal(),
            format!(
                "error: plugins.toml:{line}: plugins.prepare_fails.component: {}: its lifecycle.prepare failed: it \
                 was told to fail while it was prepared; correct its options\n",
                component("prepare_fails").display()
            )
        );
        assert_eq!(outcome.stdout, "");
        assert_eq!(outcome.code, Some(3));
    }
}

/// EventMachine keeps a tick that is requested before `EM.run`; here `start` is the place for it.
#[test]
fn what_runs_later_is_refused_before_the_start() {
    let plugin = Plugin::new("prepare_asks")
        .isolation(Isolation::Plugin)
        .prints()
        .may_stop()
        .may_connect(&["127.0.0.1:9"]);
    let outcome = Host::start(&Config::new().plugin(plugin)).wait_exit();
    let refused = ["running false", "tick denied", "timer denied", "connect denied"];
    let taken = ["running true", "tick taken", "timer taken", "connect taken", "tick"];
    assert_eq!(outcome.stdout.lines().collect::<Vec<_>>(), [&refused[..], &taken].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}

#[test]
fn a_start_that_fails_ends_its_instance_alone() {
    let config = Config::serving(Plugin::new("echo"))
        .plugin(Plugin::new("start_fails").isolation(Isolation::Plugin));
    let host = Host::start(&config);
    let line = host.wait_line("a failed start", |line| line.level() == "ERROR");
    assert_eq!(line.field("plugin"), Some("start_fails"), "{line}");
    assert!(line.0.contains("it was told to fail at start"), "{line}");
    host.connect("echo").expect_echo("helo\n");
    host.stop();
}

#[test]
fn a_host_with_nothing_left_to_do_leaves() {
    let config = Config::new().plugin(Plugin::new("start_fails").isolation(Isolation::Plugin));
    let outcome = Host::start(&config).wait_exit();
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("it was told to fail at start"), "{}", outcome.stderr);
}

/// A program that exceeds its limit of timers panics, as EventMachine raises.
#[test]
fn beyond_the_bound_on_timers_a_program_ends() {
    traps_at_start("timers_order", "timers");
}

#[test]
fn beyond_the_bound_on_ticks_a_program_ends() {
    traps_at_start("ticks_order", "ticks");
}

/// The program traps, reports why, and is started again after a wait; the echo beside it is not affected.
#[track_caller]
fn traps_at_start(guest: &str, limit: &str) {
    let program = Plugin::new(guest).isolation(Isolation::Plugin).prints().limit(limit, "1");
    let host = Host::start(&Config::serving(Plugin::new("echo")).plugin(program));
    let line = host.wait_log("trapped");
    assert_eq!(line.level(), "ERROR", "{line}");
    assert_eq!(line.field("plugin"), Some(guest), "{line}");
    assert_eq!(line.field("event"), Some("start"), "{line}");
    host.wait_line("limit", |line| line.level() == "WARN" && line.0.contains("limit"));
    let line = host.wait_log("starting again later");
    assert_eq!(line.field("plugin"), Some(guest), "{line}");
    let trapped = |line: &LogLine| line.message().starts_with("trapped");
    host.wait_lines("trapped", 3, trapped);
    // One attempt after each: attempts after the third are ignored.
    let log = host.log();
    let third = log.iter().enumerate().filter(|(_, line)| trapped(line)).nth(2);
    let (end, _) = third.expect("three traps");
    let later = |line: &&LogLine| line.message().starts_with("starting again later");
    let attempts = log[..end].iter().filter(later).count();
    assert_eq!(attempts, 2, "attempts before the third trap");
    host.connect("echo").expect_echo("helo\n");
    host.stop();
}
