//! AMQP from a plugin: the SDK's client at a real broker, with pika as the broker's other client.

mod bridge;
mod broken;
mod errors;
mod load;
mod methods;
mod print;
mod recovery;
mod tls;

use std::collections::VecDeque;
use std::time::Instant;

use sandloop_tests::{Config, Host, Isolation, PATIENCE, Peer, Plugin};

/// A host with the guest `amqp_calls`, and a connection to it for commands.
struct Calls {
    peer: Peer,
    /// Lines that came and were not expected yet.
    came: VecDeque<String>,
    // It ends when the test does.
    host: Host,
}

impl Calls {
    /// A host whose guest may connect to the broker at this address.
    fn start(address: &str) -> Calls {
        Calls::start_in(Isolation::Connection, address)
    }

    fn start_in(isolation: Isolation, address: &str) -> Calls {
        Calls::start_as(Plugin::new("amqp_calls").isolation(isolation).may_connect(&[address]))
    }

    fn start_as(plugin: Plugin) -> Calls {
        let host = Host::start(&Config::serving(plugin));
        Calls { peer: host.connect("amqp_calls"), came: VecDeque::new(), host }
    }

    /// Like [`Calls::start`], connected to a broker, with a channel `c`.
    fn at(uri: &str) -> Calls {
        Calls::with(uri, "")
    }

    /// Like [`Calls::at`], with words behind the URI.
    fn with(uri: &str, words: &str) -> Calls {
        let mut calls = Calls::start(address_of(uri));
        calls.say(&format!("b connect {uri} {words}"));
        calls.expect("b ok");
        calls.say("c channel c");
        calls
    }

    /// Has the guest do something.
    fn say(&mut self, line: &str) {
        self.peer.send(format!("{}\n", line.trim_end()));
    }

    /// Has the guest do something, and expects exactly this answer.
    #[track_caller]
    fn ask(&mut self, line: &str, answer: &str) {
        self.say(line);
        let label = line.split(' ').next().unwrap_or_default();
        self.expect(format!("{label} {answer}").trim_end());
    }

    /// Repeats a command until exactly this is the answer: the broker does some things after it has answered.
    #[track_caller]
    fn ask_until(&mut self, line: &str, answer: &str) {
        let label = line.split(' ').next().unwrap_or_default();
        let (expected, begun) = (format!("{label} {answer}"), Instant::now());
        loop {
            self.say(line);
            let answer = self.next(label);
            if answer == expected {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{line}: {answer:?}, not {expected:?}");
        }
    }

    /// Expects exactly this as the next line with its label.
    #[track_caller]
    fn expect(&mut self, line: &str) {
        let label = line.split(' ').next().unwrap_or_default();
        assert_eq!(self.next(label), line);
    }

    /// The next line with this label.
    #[track_caller]
    fn next(&mut self, label: &str) -> String {
        let is_it = |line: &String| line.split(' ').next() == Some(label);
        if let Some(index) = self.came.iter().position(is_it) {
            return self.came.remove(index).unwrap_or_default();
        }
        loop {
            let line = self.peer.line().trim_end().to_owned();
            if is_it(&line) {
                return line;
            }
            self.came.push_back(line);
        }
    }

    /// Expects that nothing else has come.
    #[track_caller]
    fn expect_no_more(&mut self) {
        assert_eq!(self.came, VecDeque::<String>::new());
    }
}

/// `127.1.2.3:5672`, from a URI.
fn address_of(uri: &str) -> &str {
    let behind_user = uri.rsplit_once('@').map_or(uri, |(_, rest)| rest);
    behind_user.split('/').next().unwrap_or_default()
}
