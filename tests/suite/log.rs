//! What guests print: lines of the log that carry their name and cannot pretend to be anything else.

use sandloop_tests::{Config, Host, Isolation, LogLine, Plugin};

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
/// A guest that prints all the time is heard, and does not keep others from being answered.
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
