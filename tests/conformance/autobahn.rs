//! Autobahn's test suite for WebSockets, both sides of the protocol: the script `peers/autobahn.py` runs it.

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use sandloop_tests::{Config, Host, Isolation, Plugin, workspace};

use crate::outcome::Outcome;
use crate::tools;

/// The suite asks a plugin that is a server.
pub fn server() -> Vec<Outcome> {
    let host = Host::start(&Config::serving(echo().isolation(Isolation::Connection)));
    let url = host.address("websocket_cases").replace("tcp://", "ws://");
    Script::start(&["server", &url]).outcomes()
}

/// A plugin that is a client asks the suite: for everything with contexts, and for the cases that want none without.
pub fn client() -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let with_contexts =
        ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*", "12.*", "13.1.*"];
    let without = ["13.2.*", "13.3.*", "13.4.*", "13.5.*", "13.6.*", "13.7.*"];
    for (contexts, cases) in [("keep", &with_contexts[..]), ("forget", &without)] {
        let words: Vec<&str> = ["client"].iter().chain(cases).copied().collect();
        let mut script = Script::start(&words);
        let port = script.line();
        let address = format!("127.0.0.1:{}", port.trim_start_matches("at "));
        let plugin = echo()
            .isolation(Isolation::Plugin)
            .option("suite", &format!("ws://{address}"))
            .option("contexts", contexts)
            .may_connect(&[&address])
            .may_stop();
        let _host = Host::start(&Config::new().plugin(plugin));
        outcomes.extend(script.outcomes());
    }
    outcomes
}

/// A plugin that sends back what it is told, with room for the suite's largest messages.
fn echo() -> Plugin {
    Plugin::new("websocket_cases").limit("memory", "\"512MiB\"").limit("cpu_per_event", "\"10s\"")
}

/// The script that runs the suite, and what it prints.
struct Script {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Script {
    fn start(words: &[&str]) -> Script {
        let python = tools("python/bin/python");
        let mut command = Command::new(&python);
        command.arg(workspace().join("tests/peers/autobahn.py")).args(words).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("cannot run {}: {error}; run `cargo xtask conformance`", python.display())
        });
        let lines = BufReader::new(child.stdout.take().expect("stdout is a pipe")).lines();
        Script { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("the script prints where it is").expect("text")
    }

    /// A line for each case: its number, the verdict on its messages, the verdict on its end.
    fn outcomes(mut self) -> Vec<Outcome> {
        let outcomes = self.lines.by_ref().map(|line| outcome(&line.expect("text"))).collect();
        let status = self.child.wait().expect("the child is ours");
        assert!(status.success(), "the script ended with {status}");
        outcomes
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // Both fail only where it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Cases that only inform have no right and no wrong.
fn outcome(line: &str) -> Outcome {
    let (case, seen) = line.split_once(' ').expect("a number and verdicts");
    let mut outcome = Outcome::exact(case, "OK OK", seen);
    outcome.agrees |= seen == "INFORMATIONAL INFORMATIONAL";
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_case() {
        assert!(outcome("1.1.1 OK OK").agrees);
        assert!(outcome("7.1.6 INFORMATIONAL INFORMATIONAL").agrees);
        for seen in ["NON-STRICT OK", "OK UNCLEAN", "FAILED FAILED", "OK WRONG-CODE"] {
            let outcome = outcome(&format!("6.4.1 {seen}"));
            assert_eq!((&*outcome.case, &*outcome.seen, outcome.agrees), ("6.4.1", seen, false));
        }
    }
}
